//! The clients that send: their trust and their proxy.

use crate::error::{Error, Result};
use crate::session::config::Config;
use crate::status::Status;
use crate::tls;
use std::time::Duration;

pub(super) struct Clients {
    pub(super) through: reqwest::Client,
    pub(super) direct: reqwest::Client,
}

impl Clients {
    /// Reads files and the system's settings: not for a thread that others wait for.
    pub(super) fn new(config: &Config, password: Option<&str>) -> Result<Self> {
        let mut tls = tls::config(config.ca_file.as_deref())?;
        // reqwest takes a finished configuration as it is.
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let build = |proxy: Option<&str>| -> Result<reqwest::Client> {
            let mut builder = reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .user_agent(config.user_agent())
                .connect_timeout(Duration::from_secs(20))
                .read_timeout(config.request_timeout())
                .tcp_nodelay(true)
                // No service here redirects; a redirect would carry a token elsewhere.
                .redirect(reqwest::redirect::Policy::none());
            match proxy {
                Some("none") => builder = builder.no_proxy(),
                Some(address) => {
                    let mut proxy = reqwest::Proxy::all(address).map_err(|e| {
                        Error::new(Status::ArgumentInvalid, "the proxy's address is not one")
                            .target("proxy")
                            .caused_by(&e)
                    })?;
                    if let Some(user) = &config.proxy_user {
                        proxy = proxy.basic_auth(user, password.unwrap_or_default());
                    }
                    builder = builder.proxy(proxy);
                }
                None => {}
            }
            builder
                .build()
                .map_err(|e| Error::new(Status::Internal, "the HTTP client cannot be made").caused_by(&e))
        };
        Ok(Clients {
            through: build(config.proxy.as_deref())?,
            direct: build(Some("none"))?,
        })
    }
}
