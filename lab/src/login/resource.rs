//! Which service a scope or a resource names.

use super::LoginError;
use crate::core::Core;

/// The app id of the portal's back end.
pub(crate) const PORTAL: &str = "74658136-14ec-4630-ad9b-26e160ff0fc6";
const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
const EXCHANGE: &str = "api://AzureADTokenExchange";
const STORAGE: &str = "https://storage.azure.com";
const GRAPH_HOSTS: [&str; 4] = [
    "https://graph.microsoft.com",
    "https://graph.microsoft.us",
    "https://dod-graph.microsoft.us",
    "https://microsoftgraph.chinacloudapi.cn",
];

/// A service that tokens are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource {
    /// Graph, with the address that was named.
    Graph(String),
    Portal,
    /// The audience of federated credentials.
    TokenExchange,
    /// Azure Storage.
    Storage,
}

impl Resource {
    /// The `aud` claim.
    pub fn audience(&self) -> &str {
        match self {
            Resource::Graph(host) => host,
            Resource::Portal => PORTAL,
            Resource::TokenExchange => EXCHANGE,
            Resource::Storage => STORAGE,
        }
    }
}

/// The resource with this identifier.
pub(crate) fn resource(core: &Core, identifier: &str) -> Option<Resource> {
    let name = identifier.trim_end_matches('/');
    if name.eq_ignore_ascii_case(PORTAL) {
        Some(Resource::Portal)
    } else if name.eq_ignore_ascii_case(EXCHANGE) {
        Some(Resource::TokenExchange)
    } else if name.eq_ignore_ascii_case(STORAGE) {
        Some(Resource::Storage)
    } else if name.eq_ignore_ascii_case(GRAPH) || core.is_own_origin(name) {
        Some(Resource::Graph(GRAPH_HOSTS[0].to_owned()))
    } else {
        GRAPH_HOSTS
            .iter()
            .find(|host| host.eq_ignore_ascii_case(name))
            .map(|host| Resource::Graph((*host).to_owned()))
    }
}

/// What the `scope` parameter asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scopes {
    pub resource: Option<Resource>,
    /// `/.default` was asked for.
    pub all: bool,
    /// Names without the resource.
    pub names: Vec<String>,
    pub openid: bool,
    pub offline: bool,
}

/// Reads a scope parameter; all its scopes must be of one resource.
pub(crate) fn scopes(core: &Core, text: &str) -> Result<Scopes, LoginError> {
    let mut scopes = Scopes::default();
    for scope in text.split_ascii_whitespace() {
        match scope {
            "openid" => scopes.openid = true,
            "offline_access" => scopes.offline = true,
            "profile" | "email" => {}
            _ => {
                let (base, name) = match scope.rsplit_once('/') {
                    Some((base, name)) => (base.to_owned(), name),
                    None => (GRAPH_HOSTS[0].to_owned(), scope),
                };
                let found = resource(core, &base).ok_or_else(|| {
                    LoginError::new(
                        400,
                        "invalid_resource",
                        500_011,
                        format!("The resource principal named {base} was not found in the tenant."),
                    )
                })?;
                if scopes.resource.as_ref().is_some_and(|other| *other != found) {
                    return Err(LoginError::new(
                        400,
                        "invalid_request",
                        28000,
                        "Provided value for the input parameter scope is not valid because it contains more than one resource.",
                    )
                    .malformed());
                }
                scopes.resource = Some(found);
                if name == ".default" {
                    scopes.all = true;
                } else {
                    scopes.names.push(name.to_owned());
                }
            }
        }
    }
    Ok(scopes)
}
