//! What a sign-in takes.

use super::credential::Identity;
use crate::error::{Error, Result};
use crate::status::Status;
use serde::Deserialize;
use std::path::PathBuf;

/// What `sspr_session_sign_in` takes.
#[derive(Debug, Deserialize)]
#[serde(
    tag = "method",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Request {
    /// A person through the system's browser.
    Browser {
        /// The app; absent: Microsoft Graph Command Line Tools.
        client_id: Option<String>,
        /// The account that the page offers.
        login_hint: Option<String>,
        /// What the page asks in any case.
        prompt: Option<Prompt>,
        /// How long the person may take.
        timeout_seconds: Option<u32>,
        /// Whether the person also signs in for the portal API.
        #[serde(default)]
        portal_api: bool,
    },
    /// A person with a code on any device.
    DeviceCode {
        /// The app; absent: Microsoft Graph Command Line Tools.
        client_id: Option<String>,
        /// Whether the person also signs in for the portal API.
        #[serde(default)]
        portal_api: bool,
    },
    /// An app with a secret (`clientSecret`).
    ClientSecret {
        /// The app.
        client_id: String,
    },
    /// An app with a certificate: the secret `certificate`, or the public part and a caller who signs.
    Certificate {
        /// The app.
        client_id: String,
        /// DER in base64, where the caller signs.
        certificate: Option<String>,
    },
    /// The identity that the platform gives this machine.
    ManagedIdentity {
        /// A user-assigned one, by its client id,
        client_id: Option<String>,
        /// its object id,
        object_id: Option<String>,
        /// or its Azure resource id.
        resource_id: Option<String>,
    },
    /// An app that trusts another issuer.
    Federated {
        /// The app; absent: `AZURE_CLIENT_ID`.
        client_id: Option<String>,
        /// Where the other issuer's token lies; absent: `AZURE_FEDERATED_TOKEN_FILE`.
        assertion_file: Option<PathBuf>,
        /// The user-assigned identity whose token it is, in place of a file.
        managed_identity: Option<IdentityRequest>,
    },
    /// A token that the caller brought (`accessToken`, and `portalAccessToken` for the portal).
    AccessToken {},
}

/// What the sign-in page asks in any case, in the service's own words.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompt {
    /// The password.
    Login,
    /// Which account.
    SelectAccount,
    /// The permissions.
    Consent,
}

/// One of a machine's identities: by one of its ids, or its own by none.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct IdentityRequest {
    pub(super) client_id: Option<String>,
    pub(super) object_id: Option<String>,
    pub(super) resource_id: Option<String>,
}

impl IdentityRequest {
    pub(super) fn identity(self) -> Result<Identity> {
        match (self.client_id, self.object_id, self.resource_id) {
            (None, None, None) => Ok(Identity::System),
            (Some(id), None, None) => Ok(Identity::ClientId(id)),
            (None, Some(id), None) => Ok(Identity::ObjectId(id)),
            (None, None, Some(id)) => Ok(Identity::ResourceId(id)),
            _ => Err(Error::new(
                Status::ArgumentInvalid,
                "an identity is named by one of clientId, objectId and resourceId",
            )),
        }
    }
}

impl Prompt {
    pub(super) fn name(self) -> &'static str {
        match self {
            Prompt::Login => "login",
            Prompt::SelectAccount => "select_account",
            Prompt::Consent => "consent",
        }
    }
}

impl Request {
    /// The method's name.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Request::Browser { .. } => "browser",
            Request::DeviceCode { .. } => "deviceCode",
            Request::ClientSecret { .. } => "clientSecret",
            Request::Certificate { .. } => "certificate",
            Request::ManagedIdentity { .. } => "managedIdentity",
            Request::Federated { .. } => "federated",
            Request::AccessToken {} => "accessToken",
        }
    }
}
