//! The facts that are one short answer each: asked in batches, all at once.

use super::Gatherer;
use crate::snapshot::graph::{P1, P2};
use crate::snapshot::people::UserCounts;
use crate::snapshot::{Fact, FactId, Facts};
use crate::tenant::error::AskError;
use crate::tenant::graph::Ask;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;

/// One part of a batch, and where its answer goes.
struct Single {
    fact: FactId,
    ask: Ask,
    take: fn(&mut Facts, Value, &'static str, Timestamp) -> Result<(), AskError>,
}

/// `onPremisesDirectorySynchronization`: the features that are on.
#[derive(Deserialize)]
struct Synchronization {
    features: crate::snapshot::graph::SynchronizationFeatures,
}

/// `unifiedRoleAssignment`: who holds a role.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleAssignment {
    principal_id: String,
}

fn form(error: serde_json::Error) -> AskError {
    AskError::Answer(format!("the answer is not of the documented form: {error}"))
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, AskError> {
    serde_json::from_value(value).map_err(form)
}

fn list<T: DeserializeOwned>(mut value: Value) -> Result<Vec<T>, AskError> {
    read(
        value
            .get_mut("value")
            .map(Value::take)
            .ok_or_else(|| AskError::Answer("the answer has no member 'value'".into()))?,
    )
}

fn first<T: DeserializeOwned>(value: Value) -> Result<T, AskError> {
    let mut all: Vec<T> = list(value)?;
    if all.is_empty() {
        Err(AskError::Answer("the answer is empty".into()))
    } else {
        Ok(all.swap_remove(0))
    }
}

fn count(value: &Value) -> Result<u64, AskError> {
    value["@odata.count"]
        .as_u64()
        .ok_or_else(|| AskError::Answer("the answer has no @odata.count".into()))
}

/// An advanced query that only counts.
fn counting(filter: &str) -> Ask {
    Ask::directory(format!("/v1.0/users?$filter={filter}&$count=true&$top=1&$select=id")).eventual()
}

fn singles() -> Vec<Single> {
    macro_rules! single {
        ($fact:ident, $field:ident, $path:literal, $read:expr) => {
            Single {
                fact: FactId::$fact,
                ask: Ask::directory($path),
                take: |facts, value, source, at| {
                    facts.$field = Fact::known($read(value)?, source, at);
                    Ok(())
                },
            }
        };
    }
    vec![
        single!(
            Organization,
            organization,
            "/v1.0/organization?$select=id,displayName,tenantType,onPremisesSyncEnabled,onPremisesLastSyncDateTime,verifiedDomains",
            first
        ),
        single!(Domains, domains, "/v1.0/domains", list),
        single!(SubscribedSkus, subscribed_skus, "/v1.0/subscribedSkus", list),
        single!(Subscriptions, subscriptions, "/v1.0/directory/subscriptions", list),
        single!(
            MethodsPolicy,
            methods_policy,
            "/v1.0/policies/authenticationMethodsPolicy",
            read
        ),
        single!(
            AuthorizationPolicy,
            authorization_policy,
            "/v1.0/policies/authorizationPolicy",
            read
        ),
        single!(
            SecurityDefaults,
            security_defaults,
            "/v1.0/policies/identitySecurityDefaultsEnforcementPolicy",
            read
        ),
        Single {
            fact: FactId::Synchronization,
            ask: Ask::directory("/v1.0/directory/onPremisesSynchronization"),
            take: |facts, value, source, at| {
                facts.synchronization = Fact::known(first::<Synchronization>(value)?.features, source, at);
                Ok(())
            },
        },
        Single {
            fact: FactId::GlobalAdministrators,
            ask: Ask::directory(
                "/v1.0/roleManagement/directory/roleAssignments?$filter=roleDefinitionId eq '62e90394-69f5-4237-9190-012177145e10'",
            ),
            take: |facts, value, source, at| {
                let ids = list::<RoleAssignment>(value)?
                    .into_iter()
                    .map(|i| i.principal_id)
                    .collect();
                facts.global_administrators = Fact::known(ids, source, at);
                Ok(())
            },
        },
        Single {
            fact: FactId::CloudManagedUsers,
            ask: counting(
                "accountEnabled eq true and userType eq 'Member' and onPremisesImmutableId ne null and onPremisesSyncEnabled ne true",
            ),
            take: |facts, value, source, at| {
                facts.cloud_managed_users = Fact::known(count(&value)?, source, at);
                Ok(())
            },
        },
        Single {
            fact: FactId::Recommendation,
            ask: Ask::directory(
                "/beta/directory/recommendations?$filter=recommendationType eq 'selfServicePasswordReset'",
            ),
            take: |facts, value, source, at| {
                facts.recommendation = Fact::known(first(value)?, source, at);
                Ok(())
            },
        },
        Single {
            fact: FactId::SecureScore,
            ask: Ask::directory("/v1.0/security/secureScores?$top=1"),
            take: |facts, value, source, at| {
                let mut score: Value = first(value)?;
                let created = score["createdDateTime"].take();
                let controls = score["controlScores"].take();
                let control = controls
                    .as_array()
                    .and_then(|all| {
                        all.iter()
                            .find(|c| c["controlName"].as_str() == Some("SelfServicePasswordReset"))
                    })
                    .ok_or_else(|| AskError::Answer("Secure Score has no control for self-service reset".into()))?;
                let mut control: crate::snapshot::graph::SecureScoreControl = read(control.clone())?;
                control.created_date_time = read(created)?;
                facts.secure_score = Fact::known(control, source, at);
                Ok(())
            },
        },
    ]
}

/// The counts behind `UserCounts`, in the order in which they are asked.
fn user_counts() -> Vec<Ask> {
    const MEMBERS: &str = "accountEnabled eq true and userType eq 'Member'";
    let plan = |id: &str| format!("assignedPlans/any(p:p/servicePlanId eq {id} and p/capabilityStatus eq 'Enabled')");
    vec![
        counting(MEMBERS),
        counting(&format!("{MEMBERS} and onPremisesSyncEnabled eq true")),
        counting("accountEnabled eq true and userType eq 'Guest'"),
        counting(&format!("{MEMBERS} and {}", plan(P1))),
        counting(&format!("{MEMBERS} and {}", plan(P2))),
        counting(&format!("{MEMBERS} and {} and {}", plan(P1), plan(P2))),
    ]
}

impl Gatherer {
    /// Asks for every short fact that is wanted.
    pub(super) async fn singles(&self, needs: &BTreeSet<FactId>, facts: &mut Facts) {
        let wanted: Vec<Single> = singles().into_iter().filter(|s| needs.contains(&s.fact)).collect();
        let counts = if needs.contains(&FactId::UserCounts) {
            user_counts()
        } else {
            Vec::new()
        };
        let tenant = &self.who.tenant_id;
        let mut extras = Vec::new();
        if needs.contains(&FactId::Branding) {
            extras.push(Ask::directory(format!("/v1.0/organization/{tenant}/branding")));
            extras.push(Ask::directory(format!(
                "/v1.0/organization/{tenant}/branding/localizations"
            )));
        }
        if needs.contains(&FactId::Organization) {
            extras.push(Ask::directory(
                "/beta/organization?$select=id,onPremisesLastPasswordSyncDateTime",
            ));
        }
        let asks: Vec<Ask> = wanted
            .iter()
            .map(|s| s.ask.clone())
            .chain(counts.iter().cloned())
            .chain(extras)
            .collect();
        let mut answers = self.graph.batch(&asks).await.into_iter();
        let now = Timestamp::now();
        for single in &wanted {
            let answer = answers
                .next()
                .unwrap_or_else(|| Err(AskError::Answer("no answer".into())));
            let outcome =
                answer.and_then(|value| (single.take)(facts, value, crate::snapshot::source(single.fact).path, now));
            if let Err(error) = outcome {
                facts.refuse(single.fact, self.refusal(single.fact, &error));
            }
        }
        if !counts.is_empty() {
            let answers: Vec<_> = answers
                .by_ref()
                .take(counts.len())
                .map(|a| a.and_then(|value| count(&value)))
                .collect();
            self.take_counts(answers, facts, now);
        }
        if needs.contains(&FactId::Branding) {
            self.take_branding(answers.next(), answers.next(), facts, now);
        }
        // Beta alone knows when passwords last synced; without it the rest of the fact stands.
        if let Some(Ok(extra)) = answers
            .next()
            .map(|a| a.and_then(first::<crate::snapshot::graph::Organization>))
            && let Fact::Known { value, .. } = &mut facts.organization
        {
            value.on_premises_last_password_sync_date_time = extra.on_premises_last_password_sync_date_time;
        }
    }

    fn take_counts(&self, answers: Vec<Result<u64, AskError>>, facts: &mut Facts, now: Timestamp) {
        let number = |i: usize| answers.get(i).and_then(|a| a.as_ref().ok()).copied();
        let Some(members) = number(0) else {
            if let Some(Err(error)) = answers.first() {
                facts.refuse(FactId::UserCounts, self.refusal(FactId::UserCounts, error));
            }
            return;
        };
        let licensed = match (number(3), number(4), number(5)) {
            (Some(p1), Some(p2), Some(both)) => Some((p1 + p2).saturating_sub(both)),
            _ => None,
        };
        let counts = UserCounts {
            enabled_members: members,
            synced_members: number(1),
            licensed_members: licensed,
            enabled_guests: number(2),
        };
        facts.user_counts = Fact::known(counts, crate::snapshot::source(FactId::UserCounts).path, now);
    }

    fn take_branding(
        &self,
        branding: Option<Result<Value, AskError>>,
        localizations: Option<Result<Value, AskError>>,
        facts: &mut Facts,
        now: Timestamp,
    ) {
        use crate::snapshot::graph::Branding;
        let source = crate::snapshot::source(FactId::Branding).path;
        facts.branding = match branding.unwrap_or_else(|| Err(AskError::Answer("no answer".into()))) {
            // A tenant without branding of its own has none of this in the way.
            Err(AskError::Refused { status: 404, .. }) => Fact::known(Branding::default(), source, now),
            Err(error) => Fact::Unreadable {
                refusal: self.refusal(FactId::Branding, &error),
            },
            Ok(value) => match read::<Branding>(value) {
                Ok(mut branding) => {
                    branding.localizations = localizations
                        .and_then(Result::ok)
                        .and_then(|v| list(v).ok())
                        .unwrap_or_default();
                    branding.localizations.retain(|l| l.id.as_deref() != Some("0"));
                    Fact::known(branding, source, now)
                }
                Err(error) => Fact::Unreadable {
                    refusal: self.refusal(FactId::Branding, &error),
                },
            },
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shapes::assert_published;

    #[test]
    fn the_wrappers_that_are_read_are_published() {
        assert_published::<Synchronization>(&[("onPremisesDirectorySynchronization", "v1.0")], &[]);
        assert_published::<RoleAssignment>(&[("unifiedRoleAssignment", "v1.0")], &[]);
    }
}
