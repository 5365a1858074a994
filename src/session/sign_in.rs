//! Signing in: from the caller's request to a credential, its first token, and who that is.

use super::config::check_tenant;
use super::credential::{
    Assertion, Browser, Certificate, ClientSecret, Credential, Environment, Federated, GRAPH_CLIENT, Issuer,
    ManagedIdentity, PORTAL_CLIENT, Person, Supplied, Way,
};
use super::request::{IdentityRequest, Request};
use super::tokens::{Audience, Claims, Tokens};
use super::{Session, State, missing};
use crate::error::{Error, Result};
use crate::snapshot::SignedIn;
use crate::status::Status;
use crate::task::TaskContext;
use crate::tenant::http::HttpError;
use std::sync::Arc;
use std::time::Duration;

/// A person who is to sign in.
struct Someone {
    client_id: Option<String>,
    hint: Option<String>,
    way: Way,
    portal_api: bool,
}

impl Session {
    /// Signs in.
    pub async fn sign_in(&self, request: Request, task: &TaskContext) -> Result<SignedIn> {
        self.sign_in_within(request, task, Environment::of_process()).await
    }

    /// Signs in as if the process had this environment.
    #[doc(hidden)]
    pub async fn sign_in_within(
        &self,
        request: Request,
        task: &TaskContext,
        environment: Environment,
    ) -> Result<SignedIn> {
        // What is wrong with the session's settings is told here, not at whatever is asked for first.
        self.http.client().await.map_err(HttpError::into_error)?;
        let method = request.name();
        let policy = || match environment.portal_policy() {
            Some(policy) => Err(Error::new(
                Status::SignInRefused,
                format!("the portal API is switched off on this machine, by {policy}"),
            )
            .target("portalApi")
            .help("Sign in without the portal API; whoever manages this machine set the policy.")),
            None => Ok(()),
        };
        let mut portal = None;
        let credential = match request {
            Request::Browser {
                client_id,
                login_hint,
                prompt,
                timeout_seconds,
                portal_api,
            } => {
                if portal_api {
                    policy()?;
                }
                let way = Way::Browser(Browser {
                    prompt: prompt.map(|prompt| prompt.name().into()),
                    timeout: Duration::from_secs(timeout_seconds.unwrap_or(300).clamp(1, 3600).into()),
                });
                let someone = Someone {
                    client_id,
                    hint: login_hint,
                    way,
                    portal_api,
                };
                return self.sign_in_person(method, someone, task).await;
            }
            Request::DeviceCode { client_id, portal_api } => {
                if portal_api {
                    policy()?;
                }
                let someone = Someone {
                    client_id,
                    hint: None,
                    way: Way::DeviceCode,
                    portal_api,
                };
                return self.sign_in_person(method, someone, task).await;
            }
            Request::ClientSecret { client_id } => Credential::ClientSecret(ClientSecret {
                issuer: self.issuer(None)?,
                client_id: app(client_id)?,
                secret: self.need_text("clientSecret")?,
            }),
            Request::Certificate { client_id, certificate } => {
                let (issuer, client_id) = (self.issuer(None)?, app(client_id)?);
                let password = self.take_text("certificatePassword")?;
                Credential::Certificate(match (self.take_secret("certificate"), certificate) {
                    (Some(file), None) => Certificate::from_file(issuer, client_id, file, password).await?,
                    (None, Some(public)) if task.offers("signAssertion") => {
                        Certificate::of_caller(issuer, client_id, &public)?
                    }
                    (None, Some(_)) => {
                        return Err(Error::new(
                            Status::ArgumentInvalid,
                            "a certificate without its key needs a caller that offers 'signAssertion'",
                        )
                        .target("hostActions"));
                    }
                    (Some(_), Some(_)) => {
                        return Err(Error::new(
                            Status::ArgumentInvalid,
                            "give either the secret 'certificate' or the member 'certificate', not both",
                        )
                        .target("certificate"));
                    }
                    (None, None) => return Err(missing("certificate")),
                })
            }
            Request::ManagedIdentity {
                client_id,
                object_id,
                resource_id,
            } => {
                let identity = IdentityRequest {
                    client_id,
                    object_id,
                    resource_id,
                };
                Credential::ManagedIdentity(self.managed_identity(&environment, identity)?.itself()?)
            }
            Request::Federated {
                client_id,
                assertion_file,
                managed_identity,
            } => {
                let from = |name: &str| environment.get(name).map(str::to_string);
                let assertion = match (assertion_file, managed_identity) {
                    (Some(path), None) => Assertion::File(path),
                    (None, Some(identity)) => Assertion::Identity(self.managed_identity(&environment, identity)?),
                    (None, None) => Assertion::File(
                        from("AZURE_FEDERATED_TOKEN_FILE")
                            .ok_or_else(|| absent("assertionFile", "AZURE_FEDERATED_TOKEN_FILE"))?
                            .into(),
                    ),
                    (Some(_), Some(_)) => {
                        return Err(Error::new(
                            Status::ArgumentInvalid,
                            "give either 'assertionFile' or 'managedIdentity', not both",
                        )
                        .target("assertionFile"));
                    }
                };
                let client_id = client_id
                    .or_else(|| from("AZURE_CLIENT_ID"))
                    .ok_or_else(|| absent("clientId", "AZURE_CLIENT_ID"))?;
                let issuer = self.issuer(from("AZURE_TENANT_ID"))?;
                Credential::Federated(Federated::new(issuer, app(client_id)?, assertion)?)
            }
            Request::AccessToken {} => {
                if let Some(token) = self.take_text("portalAccessToken")? {
                    policy()?;
                    portal = Some(Credential::Supplied(Supplied::new(
                        &self.config,
                        Audience::Portal,
                        &token,
                    )?));
                }
                Credential::Supplied(Supplied::new(
                    &self.config,
                    Audience::Graph,
                    &self.need_text("accessToken")?,
                )?)
            }
        };
        // The tenant's own endpoint gives its own tokens only. What came from elsewhere may be of any tenant.
        let tenant = match &credential {
            Credential::ManagedIdentity(_) | Credential::Supplied(_) => self.tenant_id().await?,
            _ => self.config.tenant.clone().filter(|tenant| is_id(tenant)),
        };
        let tokens = Tokens::new(credential);
        let claims = self.first(&tokens, &Audience::Graph, tenant.as_deref(), task).await?;
        let portal = portal.map(Tokens::new);
        if let Some(portal) = &portal {
            self.first(portal, &Audience::Portal, Some(&claims.tid), task).await?;
        }
        self.signed_in(method, tokens, portal, &claims, task).await
    }

    /// The id of the tenant that the configuration names, by its id or by a domain; none where it names none.
    async fn tenant_id(&self) -> Result<Option<String>> {
        match &self.config.tenant {
            Some(domain) if !is_id(domain) => self.issuer_of(domain.clone()).tenant_id().await,
            other => Ok(other.clone()),
        }
    }

    /// Signs a person in, and where asked for once more for the portal API.
    async fn sign_in_person(&self, method: &str, someone: Someone, task: &TaskContext) -> Result<SignedIn> {
        if someone.portal_api && self.config.portal()?.is_none() {
            return Err(Error::new(
                Status::ArgumentInvalid,
                format!(
                    "the portal API's address in the cloud {} is not known",
                    self.config.cloud.name()
                ),
            )
            .target("portalApi"));
        }
        let client_id = someone.client_id.map(app).transpose()?;
        let person = |client_id: &str, tenant: String, hint| {
            let issuer = self.issuer_of(tenant);
            Tokens::new(Credential::Person(Person::new(
                issuer,
                client_id,
                someone.way.clone(),
                hint,
            )))
        };
        let tenant = self.config.tenant.clone().unwrap_or_else(|| "organizations".into());
        let tokens = person(client_id.as_deref().unwrap_or(GRAPH_CLIENT), tenant, someone.hint);
        let named = self.config.tenant.as_deref().filter(|tenant| is_id(tenant));
        let claims = self.first(&tokens, &Audience::Graph, named, task).await?;
        let mut portal = None;
        if someone.portal_api {
            let tokens = person(PORTAL_CLIENT, claims.tid.clone(), claims.person());
            self.first(&tokens, &Audience::Portal, Some(&claims.tid), task).await?;
            portal = Some(tokens);
        }
        self.signed_in(method, tokens, portal, &claims, task).await
    }

    /// The first token of a sign-in. It must be of the tenant that was named.
    async fn first(
        &self,
        tokens: &Tokens,
        audience: &Audience,
        tenant: Option<&str>,
        task: &TaskContext,
    ) -> Result<Claims> {
        let claims = Claims::of(tokens.for_task(task).get(audience).await?.secret())?;
        if let Some(wanted) = tenant
            && !wanted.eq_ignore_ascii_case(&claims.tid)
        {
            return Err(Error::new(
                Status::TokenUnusable,
                format!(
                    "the sign-in for {} came to tenant {}, not to {wanted}",
                    audience.name(),
                    claims.tid
                ),
            )
            .help("Sign in with an account or an identity of that tenant."));
        }
        Ok(claims)
    }

    /// Keeps a sign-in. One that is cancelled before its result is handed out changes nothing.
    async fn signed_in(
        &self,
        method: &str,
        tokens: Tokens,
        portal: Option<Tokens>,
        claims: &Claims,
        task: &TaskContext,
    ) -> Result<SignedIn> {
        let delegated = claims.delegated();
        let app = claims.appid.clone().or_else(|| claims.azp.clone()).unwrap_or_default();
        let identity = SignedIn {
            tenant_id: claims.tid.clone(),
            cloud: self.config.cloud.name().into(),
            method: method.into(),
            account: if delegated { claims.person() } else { Some(app.clone()) },
            delegated,
            permissions: claims.permissions(),
            portal_api: portal.is_some(),
        };
        task.settle().await?;
        self.set_state(State {
            tokens: Arc::new(tokens),
            portal: portal.map(Arc::new),
            identity: identity.clone(),
            app,
        });
        Ok(identity)
    }

    fn managed_identity(&self, environment: &Environment, identity: IdentityRequest) -> Result<ManagedIdentity> {
        ManagedIdentity::find(&self.http, &self.config, environment, identity.identity()?)
    }

    /// Who issues an app's tokens; its tenant must be named.
    fn issuer(&self, otherwise: Option<String>) -> Result<Issuer> {
        let tenant = self.config.tenant.clone().or(otherwise).ok_or_else(|| {
            Error::new(Status::ArgumentInvalid, "an app signs in to a tenant that is named").target("tenant")
        })?;
        check_tenant(&tenant)?;
        Ok(self.issuer_of(tenant))
    }

    fn issuer_of(&self, tenant: String) -> Issuer {
        Issuer {
            http: self.http.clone(),
            config: Arc::clone(&self.config),
            tenant,
        }
    }
}

/// Whether a tenant is named by its id.
fn is_id(tenant: &str) -> bool {
    uuid::Uuid::parse_str(tenant).is_ok()
}

/// An app's id is a GUID; a name in its place is a common mistake.
fn app(client_id: String) -> Result<String> {
    if client_id.len() == 36 && uuid::Uuid::parse_str(&client_id).is_ok() {
        // As the service writes it in its tokens.
        return Ok(client_id.to_ascii_lowercase());
    }
    Err(Error::new(Status::ArgumentInvalid, "the client id is not an app's id (a GUID)").target("clientId"))
}

/// Neither the request nor the environment says it.
fn absent(member: &str, variable: &str) -> Error {
    Error::new(
        Status::ArgumentInvalid,
        format!("neither '{member}' nor the variable {variable} is set"),
    )
    .target(member)
}
