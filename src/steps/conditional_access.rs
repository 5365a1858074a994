//! What a Conditional Access policy asks for, of whom, and when.

use super::scope::{Directory, any, included};
use crate::snapshot::graph::{AuthenticationStrength, ConditionSet, ConditionUsers, ConditionalAccessPolicy};
use crate::snapshot::people::CohortKey;

/// The page of the policies.
pub const PORTAL: &str =
    "https://entra.microsoft.com/#view/Microsoft_AAD_ConditionalAccess/ConditionalAccessBlade/~/Policies";

/// Whether a policy is in force.
pub fn enforced(policy: &ConditionalAccessPolicy) -> bool {
    policy.state.eq_ignore_ascii_case("enabled")
}

/// Whether a policy only reports what it would do.
pub fn report_only(policy: &ConditionalAccessPolicy) -> bool {
    policy.state.eq_ignore_ascii_case("enabledForReportingButNotEnforced")
}

fn has(list: &[String], value: &str) -> bool {
    list.iter().any(|item| item.eq_ignore_ascii_case(value))
}

/// Whether a policy is on registering security information.
pub fn on_registration(policy: &ConditionalAccessPolicy) -> bool {
    let applications = policy.conditions.applications.as_ref();
    applications.is_some_and(|a| has(&a.include_user_actions, "urn:user:registersecurityinfo"))
}

/// Whether a policy is on all resources.
pub fn on_all_resources(policy: &ConditionalAccessPolicy) -> bool {
    let applications = policy.conditions.applications.as_ref();
    applications.is_some_and(|a| has(&a.include_applications, "All"))
}

/// Whether a policy names all users.
pub fn on_all_users(policy: &ConditionalAccessPolicy) -> bool {
    let users = policy.conditions.users.as_ref();
    users.is_some_and(|u| has(&u.include_users, "All"))
}

/// A condition without which a policy does not apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Narrowing {
    /// Some resources are excluded.
    Resources,
    /// Some locations are excluded.
    ExceptPlaces,
    /// Only some locations are included.
    OnlyPlaces,
    /// Some platforms.
    Platforms,
    /// Some kinds of clients.
    Clients,
    /// Some devices.
    Devices,
    /// Sign-ins at a risk.
    SignInRisk,
    /// Users at a risk.
    UserRisk,
    /// Certain flows.
    Flows,
}

impl Narrowing {
    /// Whether it is about the sign-in's place.
    pub fn is_place(self) -> bool {
        matches!(self, Narrowing::ExceptPlaces | Narrowing::OnlyPlaces)
    }

    /// For a sentence.
    pub fn text(self) -> &'static str {
        match self {
            Narrowing::Resources => "not in excluded resources",
            Narrowing::ExceptPlaces => "not from every location",
            Narrowing::OnlyPlaces => "only from certain locations",
            Narrowing::Platforms => "not on every platform",
            Narrowing::Clients => "not with every client",
            Narrowing::Devices => "not on every device",
            Narrowing::SignInRisk => "only at a sign-in risk",
            Narrowing::UserRisk => "only at a user risk",
            Narrowing::Flows => "only for certain sign-in flows",
        }
    }
}

/// The conditions under which alone a policy applies; empty where it always does.
pub fn narrowed(conditions: &ConditionSet) -> Vec<Narrowing> {
    let applications = conditions.applications.as_ref();
    let places = conditions.locations.as_ref();
    let modern = ["browser", "mobileAppsAndDesktopClients"];
    let clients = &conditions.client_app_types;
    let all = [
        (
            Narrowing::Resources,
            applications.is_some_and(|a| !a.exclude_applications.is_empty()),
        ),
        (
            Narrowing::OnlyPlaces,
            places.is_some_and(|l| !(l.include_locations.is_empty() || has(&l.include_locations, "All"))),
        ),
        (
            Narrowing::ExceptPlaces,
            places.is_some_and(|l| !l.exclude_locations.is_empty()),
        ),
        (
            Narrowing::Platforms,
            conditions.platforms.as_ref().is_some_and(|p| {
                !p.exclude_platforms.is_empty() || !(p.include_platforms.is_empty() || has(&p.include_platforms, "all"))
            }),
        ),
        (
            Narrowing::Clients,
            !(clients.is_empty() || has(clients, "all") || modern.iter().all(|client| has(clients, client))),
        ),
        (
            Narrowing::Devices,
            conditions.devices.as_ref().is_some_and(|d| {
                // A filter that is null or without a rule narrows nothing.
                d.as_object().is_some_and(|o| o.values().any(|v| !v.is_null()))
            }),
        ),
        (Narrowing::SignInRisk, !conditions.sign_in_risk_levels.is_empty()),
        (Narrowing::UserRisk, !conditions.user_risk_levels.is_empty()),
        (
            Narrowing::Flows,
            conditions
                .authentication_flows
                .as_ref()
                .is_some_and(|f| f.transfer_methods.as_deref().is_some_and(|t| !t.is_empty())),
        ),
    ];
    all.into_iter()
        .filter(|(_, there)| *there)
        .map(|(narrowing, _)| narrowing)
        .collect()
}

/// One thing that a policy asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Control<'a> {
    /// No access.
    Block,
    /// MFA by any method.
    Mfa,
    /// MFA by certain methods.
    Strength(&'a AuthenticationStrength),
    /// A device that is compliant or joined.
    Device(&'static str),
    /// An approved or protected app.
    App,
    /// Something else, by its name.
    Other(&'a str),
}

impl Control<'_> {
    /// Whether it is MFA.
    pub fn is_mfa(&self) -> bool {
        match self {
            Control::Mfa => true,
            Control::Strength(s) => s
                .requirements_satisfied
                .as_deref()
                .is_some_and(|r| r.split(',').any(|part| part.trim().eq_ignore_ascii_case("mfa"))),
            _ => false,
        }
    }

    /// For a sentence.
    pub fn name(&self) -> String {
        match self {
            Control::Block => "block".into(),
            Control::Mfa => "MFA".into(),
            Control::Strength(s) => format!("strength '{}'", s.display_name),
            Control::Device(name) => (*name).into(),
            Control::App => "an approved app".into(),
            Control::Other(name) => (*name).into(),
        }
    }
}

/// What a policy asks for.
pub fn controls(policy: &ConditionalAccessPolicy) -> Vec<Control<'_>> {
    let Some(grant) = &policy.grant_controls else {
        return Vec::new();
    };
    let built_in = grant.built_in_controls.iter().map(|name| {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("block") {
            Control::Block
        } else if is("mfa") {
            Control::Mfa
        } else if is("compliantDevice") {
            Control::Device("a compliant device")
        } else if is("domainJoinedDevice") {
            Control::Device("a hybrid joined device")
        } else if is("approvedApplication") || is("compliantApplication") {
            Control::App
        } else {
            Control::Other(name)
        }
    });
    let mut all: Vec<Control<'_>> = built_in.collect();
    all.extend(grant.authentication_strength.iter().map(Control::Strength));
    all.extend(
        grant
            .custom_authentication_factors
            .iter()
            .map(|_| Control::Other("a custom control")),
    );
    all.extend(grant.terms_of_use.iter().map(|_| Control::Other("terms of use")));
    all
}

/// Whether one of several controls is enough.
pub fn one_is_enough(policy: &ConditionalAccessPolicy) -> bool {
    let grant = policy.grant_controls.as_ref();
    !grant
        .and_then(|g| g.operator.as_deref())
        .is_some_and(|o| o.eq_ignore_ascii_case("AND"))
}

/// Whether MFA is asked for, and what else is taken instead.
#[derive(Clone, Debug, PartialEq)]
pub enum MfaDemand {
    /// Nobody gets past without.
    Always,
    /// Or one of these instead.
    Or(Vec<String>),
    /// Not asked for.
    Never,
}

/// Whether a policy asks for MFA.
pub fn mfa(policy: &ConditionalAccessPolicy) -> MfaDemand {
    let controls = controls(policy);
    if controls.contains(&Control::Block) || !controls.iter().any(Control::is_mfa) {
        return MfaDemand::Never;
    }
    let others: Vec<String> = controls.iter().filter(|c| !c.is_mfa()).map(Control::name).collect();
    if others.is_empty() || !one_is_enough(policy) {
        MfaDemand::Always
    } else {
        MfaDemand::Or(others)
    }
}

/// Whether a policy that names these users applies to a cohort. Persons who are excluded by id are few and are counted
/// aside: they are taken for no part of a cohort. Persons who are included by id may be all there are, so that is unknown.
pub fn applies(users: &ConditionUsers, key: &CohortKey, directory: &Directory<'_>) -> Option<bool> {
    // Kinds of guests are not told apart.
    let kinds = |kinds: &Option<serde_json::Value>| match kinds {
        Some(value) if !value.is_null() && key.guest => None,
        _ => Some(false),
    };
    let person = |id: &String, single: Option<bool>| {
        if id.eq_ignore_ascii_case("All") {
            Some(true)
        } else if id.eq_ignore_ascii_case("GuestsOrExternalUsers") {
            Some(key.guest)
        } else if id.eq_ignore_ascii_case("None") {
            Some(false)
        } else {
            single
        }
    };
    let named = |people: &[String],
                 single: Option<bool>,
                 groups: &[String],
                 roles: &[String],
                 guests: &Option<serde_json::Value>| {
        any(people
            .iter()
            .map(|id| person(id, single))
            .chain(groups.iter().map(|id| directory.in_group(key, id)))
            .chain(roles.iter().map(|id| directory.in_role(key, id)))
            .chain([kinds(guests)]))
    };
    included(
        named(
            &users.include_users,
            None,
            &users.include_groups,
            &users.include_roles,
            &users.include_guests_or_external_users,
        ),
        named(
            &users.exclude_users,
            Some(false),
            &users.exclude_groups,
            &users.exclude_roles,
            &users.exclude_guests_or_external_users,
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::graph::{ConditionApplications, ConditionLocations, GrantControls};

    fn policy(controls: &[&str], operator: &str) -> ConditionalAccessPolicy {
        ConditionalAccessPolicy {
            grant_controls: Some(GrantControls {
                operator: Some(operator.into()),
                built_in_controls: controls.iter().map(|c| c.to_string()).collect(),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    #[test]
    fn mfa_or_something_else_can_be_bypassed() {
        assert_eq!(mfa(&policy(&["mfa"], "OR")), MfaDemand::Always);
        assert_eq!(mfa(&policy(&["mfa", "compliantDevice"], "AND")), MfaDemand::Always);
        assert_eq!(
            mfa(&policy(&["mfa", "compliantDevice"], "OR")),
            MfaDemand::Or(vec!["a compliant device".into()])
        );
        assert_eq!(mfa(&policy(&["block"], "OR")), MfaDemand::Never);
        assert_eq!(mfa(&policy(&[], "OR")), MfaDemand::Never);
        let mut strength = policy(&[], "OR");
        let mut of = AuthenticationStrength {
            requirements_satisfied: Some("mfa".into()),
            ..Default::default()
        };
        strength.grant_controls.as_mut().unwrap().authentication_strength = Some(of.clone());
        assert_eq!(mfa(&strength), MfaDemand::Always);
        of.requirements_satisfied = Some("none".into());
        strength.grant_controls.as_mut().unwrap().authentication_strength = Some(of);
        assert_eq!(mfa(&strength), MfaDemand::Never);
    }

    #[test]
    fn persons_by_id_are_unknown_where_included_and_counted_aside_where_excluded() {
        let snapshot = crate::steps::fixture::empty();
        let directory = Directory::of(&snapshot);
        let key = CohortKey::default();
        let mut users = ConditionUsers {
            include_users: vec!["u1".into()],
            ..Default::default()
        };
        assert_eq!(applies(&users, &key, &directory), None);
        users.include_users = vec!["None".into()];
        assert_eq!(applies(&users, &key, &directory), Some(false));
        users.include_users = vec!["All".into()];
        users.exclude_users = vec!["u1".into()];
        assert_eq!(applies(&users, &key, &directory), Some(true));
    }

    #[test]
    fn conditions_that_narrow_are_named() {
        let mut conditions = ConditionSet {
            client_app_types: vec!["all".into()],
            locations: Some(ConditionLocations {
                include_locations: vec!["All".into()],
                ..Default::default()
            }),
            devices: Some(serde_json::json!({"deviceFilter": null})),
            ..Default::default()
        };
        assert!(narrowed(&conditions).is_empty());
        conditions.locations.as_mut().unwrap().exclude_locations = vec!["AllTrusted".into()];
        conditions.client_app_types = vec!["exchangeActiveSync".into(), "other".into()];
        conditions.applications = Some(ConditionApplications {
            exclude_applications: vec!["x".into()],
            ..Default::default()
        });
        conditions.user_risk_levels = vec!["high".into()];
        let texts: Vec<_> = narrowed(&conditions).iter().map(|n| n.text()).collect();
        assert_eq!(
            texts,
            [
                "not in excluded resources",
                "not from every location",
                "not with every client",
                "only at a user risk"
            ]
        );
    }
}
