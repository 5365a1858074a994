//! Where a domain's controllers are: DNS names them (MS-ADTS 6.3.6).

use super::ldap::Address;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::name_server::TokioConnectionProvider;
use hickory_resolver::proto::xfer::Protocol;
use hickory_resolver::{ResolveError, Resolver, TokioResolver};
use std::net::SocketAddr;

/// So many controllers of a domain are kept: the nearest by the order of DNS.
const MOST: usize = 8;

/// Asks DNS: the system's servers, or one that was named.
pub struct Dns {
    resolver: TokioResolver,
    /// Whether a server was named, which then also says where a controller is.
    named: bool,
}

impl Dns {
    /// The system's servers, or this one.
    pub fn new(server: Option<SocketAddr>) -> Result<Self, ResolveError> {
        let builder = match server {
            None => Resolver::builder_tokio()?,
            Some(server) => {
                let mut config = ResolverConfig::new();
                for protocol in [Protocol::Udp, Protocol::Tcp] {
                    config.add_name_server(NameServerConfig::new(server, protocol));
                }
                Resolver::builder_with_config(config, TokioConnectionProvider::default())
            }
        };
        Ok(Dns {
            resolver: builder.build(),
            named: server.is_some(),
        })
    }

    /// A domain's controllers, those that DNS prefers first.
    pub async fn controllers(&self, domain: &str, start_tls: bool) -> Result<Vec<Address>, ResolveError> {
        let answer = self
            .resolver
            .srv_lookup(format!("_ldap._tcp.dc._msdcs.{domain}."))
            .await?;
        let mut records: Vec<_> = answer.iter().collect();
        // The weight as an order, not as a lottery: a run should meet the same controller again.
        records.sort_by_key(|record| {
            (
                record.priority(),
                std::cmp::Reverse(record.weight()),
                record.target().to_string(),
            )
        });
        let mut addresses = Vec::new();
        for record in records.into_iter().take(MOST) {
            let host = record.target().to_string();
            addresses.push(self.address(host.trim_end_matches('.'), None, start_tls).await);
        }
        Ok(addresses)
    }

    /// A controller by its name. Where it is, is left to the system, unless a DNS server was named.
    pub async fn address(&self, host: &str, port: Option<u16>, start_tls: bool) -> Address {
        let usual = if start_tls { 389 } else { 636 };
        let found = match self.named {
            true => self.resolver.lookup_ip(format!("{host}.")).await.ok(),
            false => None,
        };
        let ip = found.and_then(|found| found.iter().next());
        Address {
            host: host.into(),
            socket: ip.map(|ip| SocketAddr::new(ip, port.unwrap_or(usual))),
            port,
            start_tls,
        }
    }
}
