//! The facts that are one short answer each: asked in batches, all at once.

use super::Gatherer;
use crate::json;
use crate::snapshot::graph::{BUSINESS_STANDARD, P1, P2, SmartLockout};
use crate::snapshot::people::{LicensedMembers, UserCounts};
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

fn form(error: serde_json::Error) -> AskError {
    AskError::Answer(format!("the answer is not of the documented form: {error}"))
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, AskError> {
    json::read_tree(value).map_err(form)
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

/// The template of the setting "Password Rule Settings".
const PASSWORD_RULES: &str = "5cf42378-d67d-4f36-ba46-e8b86229381d";

/// A tenant that never changed it has no such setting.
fn smart_lockout(value: Value) -> Result<SmartLockout, AskError> {
    let settings: Vec<Value> = list(value)?;
    let rules = settings.iter().find(|setting| {
        setting["templateId"]
            .as_str()
            .is_some_and(|id| id.eq_ignore_ascii_case(PASSWORD_RULES))
    });
    let number = |name: &str| {
        let mut values = rules?["values"].as_array()?.iter();
        let own = values.find(|value| value["name"].as_str() == Some(name))?;
        own["value"].as_str()?.parse().ok()
    };
    Ok(SmartLockout {
        threshold: number("LockoutThreshold"),
        seconds: number("LockoutDurationInSeconds"),
    })
}

fn count(value: &Value) -> Result<u64, AskError> {
    value["@odata.count"]
        .as_u64()
        .ok_or_else(|| AskError::Answer("the answer has no @odata.count".into()))
}

/// An advanced query that only counts.
fn counting(filter: &str) -> Ask {
    Ask::directory(format!("/v1.0/users?$filter={filter}&$count=true&$top=1&$select=id"))
        .eventual()
        .first_page()
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
        single!(
            PasswordSync,
            password_sync,
            "/beta/organization?$select=id,onPremisesLastPasswordSyncDateTime",
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
        single!(SmartLockout, smart_lockout, "/v1.0/groupSettings", smart_lockout),
        Single {
            fact: FactId::Synchronization,
            ask: Ask::directory("/v1.0/directory/onPremisesSynchronization"),
            take: |facts, value, source, at| {
                facts.synchronization = Fact::known(first::<Synchronization>(value)?.features, source, at);
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
            ask: Ask::directory("/v1.0/security/secureScores?$top=1").first_page(),
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

const MEMBERS: &str = "accountEnabled eq true and userType eq 'Member'";

/// The counts behind `UserCounts`, in the order in which they are asked.
fn user_counts() -> Vec<Ask> {
    vec![
        counting(MEMBERS),
        counting(&format!("{MEMBERS} and onPremisesSyncEnabled eq true")),
        counting("accountEnabled eq true and userType eq 'Guest'"),
    ]
}

/// The counts behind `LicensedMembers`, in the order in which they are asked. A plan in its grace period entitles too.
fn licensed_members() -> Vec<Ask> {
    let plans = [P1, P2].map(|id| {
        ["Enabled", "Warning"]
            .map(|status| format!("assignedPlans/any(p:p/servicePlanId eq {id} and p/capabilityStatus eq '{status}')"))
    });
    let plans = plans.concat().join(" or ");
    let standard = format!("assignedLicenses/any(l:l/skuId eq {BUSINESS_STANDARD}) and onPremisesSyncEnabled ne true");
    vec![
        counting(&format!("{MEMBERS} and ({plans})")),
        counting(&format!("{MEMBERS} and ({plans} or ({standard}))")),
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
        let licensed = if needs.contains(&FactId::LicensedMembers) {
            licensed_members()
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
        let asks: Vec<Ask> = wanted
            .iter()
            .map(|s| s.ask.clone())
            .chain(counts.iter().cloned())
            .chain(licensed.iter().cloned())
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
        if !licensed.is_empty() {
            let mut number = || {
                let answer = answers
                    .next()
                    .unwrap_or_else(|| Err(AskError::Answer("no answer".into())));
                answer.and_then(|value| count(&value))
            };
            let (by_plan, with_standard) = (number(), number());
            let read = by_plan
                .and_then(|by_plan| with_standard.map(|with_standard| LicensedMembers { by_plan, with_standard }));
            facts.licensed_members = self.fact(FactId::LicensedMembers, read);
        }
        if needs.contains(&FactId::Branding) {
            self.take_branding(answers.next(), answers.next(), facts, now);
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
        let counts = UserCounts {
            enabled_members: members,
            synced_members: number(1),
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
            Ok(value) => {
                let languages = localizations
                    .unwrap_or_else(|| Err(AskError::Answer("no answer".into())))
                    .and_then(|answer| match answer.get("@odata.nextLink") {
                        Some(_) => Err(AskError::Answer("there are more languages than one page".into())),
                        None => list::<Branding>(answer),
                    });
                match (read::<Branding>(value), languages) {
                    (Ok(mut branding), Ok(languages)) => {
                        branding.localizations = languages;
                        branding.localizations.retain(|l| l.id.as_deref() != Some("0"));
                        Fact::known(branding, source, now)
                    }
                    // Any language may hide or redirect what the default shows.
                    (Ok(branding), Err(error)) => Fact::Partial {
                        value: branding,
                        source: source.into(),
                        as_of: now,
                        read: 1,
                        of: None,
                        reason: format!(
                            "Its languages were not read. {}",
                            self.refusal(FactId::Branding, &error).message
                        ),
                    },
                    (Err(error), _) => Fact::Unreadable {
                        refusal: self.refusal(FactId::Branding, &error),
                    },
                }
            }
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
    }
}
