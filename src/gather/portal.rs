//! The portal's facts: only where a person signed in to its back end for it.

use super::Gatherer;
use crate::snapshot::{Fact, FactId, Facts, Refusal, RefusalKind};
use crate::tenant::error::AskError;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

impl Gatherer {
    /// Reads the portal's objects.
    pub(super) async fn portal(&self, needs: &BTreeSet<FactId>, facts: &mut Facts) {
        let (policy, on_premises, status) = tokio::join!(
            self.portal_object(
                needs,
                FactId::PortalResetPolicy,
                "PasswordReset/PasswordResetPolicies?getPasswordResetEnabledGroup=true"
            ),
            self.portal_object(
                needs,
                FactId::PortalOnPremises,
                "PasswordReset/OnPremisesPasswordResetPolicies"
            ),
            self.portal_object(needs, FactId::PortalSyncStatus, "Directories/ADConnectStatus"),
        );
        facts.portal_reset_policy = policy;
        facts.portal_on_premises = on_premises;
        facts.portal_sync_status = status;
    }

    async fn portal_object<T: DeserializeOwned>(&self, needs: &BTreeSet<FactId>, id: FactId, path: &str) -> Fact<T> {
        if !needs.contains(&id) {
            return Fact::NotAsked;
        }
        let Some(portal) = &self.portal else {
            let (message, needs) = match (self.who.cloud.as_str(), self.who.delegated) {
                ("Public", true) => (
                    "The portal's settings are read only on request.",
                    Some("Connect-SsprTenant -PortalApi"),
                ),
                ("Public", false) => (
                    "An app cannot read the portal's settings.",
                    Some("Connect-SsprTenant -PortalApi"),
                ),
                _ => ("No way to the portal's settings is known in this cloud.", None),
            };
            let refusal = Refusal {
                kind: RefusalKind::SignIn,
                message: message.into(),
                needs: needs.map(str::to_string),
                code: None,
                request_id: None,
            };
            return Fact::Unreadable { refusal };
        };
        match portal.get::<T>(path).await {
            Ok(value) => Fact::known(value, crate::snapshot::source(id).path, Timestamp::now()),
            Err(error) => Fact::Unreadable {
                refusal: self.refusal(id, &portal_words(error)),
            },
        }
    }
}

/// The back end's refusals carry no documented code.
fn portal_words(error: AskError) -> AskError {
    match error {
        AskError::Refused {
            status: status @ (401 | 403),
            code,
            request_id,
            claims,
            ..
        } => AskError::Refused {
            status,
            code,
            message: "the portal's back end refused the signed-in person".into(),
            request_id,
            claims,
        },
        other => other,
    }
}
