//! How many users a change touches: at the most, as far as that was counted.

use super::policy::weigh;
use super::reset_policy::{Scope, WHO, selected_groups};
use super::scope::{Directory, nobody};
use crate::desired::DesiredState;
use crate::snapshot::Snapshot;

/// Enabled members.
pub fn members(snapshot: &Snapshot) -> Option<u64> {
    snapshot.facts.user_counts.value().map(|c| c.enabled_members)
}

/// Enabled members that are synced from a directory on premises.
pub fn synced(snapshot: &Snapshot) -> Option<u64> {
    snapshot.facts.user_counts.value()?.synced_members
}

/// Administrators, where the whole registration report was read.
pub fn administrators(snapshot: &Snapshot) -> Option<u64> {
    let report = snapshot.facts.registration.whole()?;
    Some(report.count(|who| who.admin || who.global_admin).0)
}

/// Those who may reset as it stands, or as it shall stand where that is said.
pub fn in_scope(snapshot: &Snapshot, desired: &DesiredState) -> Option<u64> {
    let wanted = desired.reset_policy.as_ref();
    let who = match wanted.and_then(|wanted| wanted.enabled_for) {
        Some(who) => Some(Scope::from(who)),
        None => weigh(snapshot, &WHO).ok().map(|who| who.value),
    };
    match who {
        Some(Scope::None) => Some(0),
        Some(Scope::Selected) => {
            let named = wanted.and_then(|wanted| wanted.group.clone());
            let group = named.or_else(|| selected_groups(snapshot).ok()?.value.0.into_iter().next());
            group.map_or_else(|| members(snapshot), |id| of_groups(snapshot, [id.as_str()]))
        }
        Some(Scope::All) | None => members(snapshot),
    }
}

/// Those in some of these groups; who is in two of them counts twice, but there are never more than enabled members.
pub fn of_groups<'a>(snapshot: &Snapshot, ids: impl IntoIterator<Item = &'a str>) -> Option<u64> {
    let (all, directory) = (members(snapshot), Directory::of(snapshot));
    let mut sum = 0_u64;
    for id in ids.into_iter().filter(|id| !nobody(id)) {
        match directory.users(id) {
            Some(users) => sum = sum.saturating_add(users),
            // All users, or a group that was not read.
            None => return all,
        }
    }
    Some(all.map_or(sum, |all| sum.min(all)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::people::{PolicyGroup, UserCounts};
    use crate::snapshot::portal::PasswordResetPolicy;
    use crate::steps::fixture::{empty, known};

    const GROUP: &str = "11111111-2222-4333-8444-555555555555";
    const OTHER: &str = "11111111-2222-4333-8444-666666666666";

    fn tenant(enablement: i64) -> Snapshot {
        let mut snapshot = empty();
        snapshot.facts.user_counts = known(UserCounts {
            enabled_members: 900,
            synced_members: Some(700),
            enabled_guests: None,
        });
        let group = |id: &str, users| {
            let group = PolicyGroup {
                id: id.into(),
                users,
                exists: true,
                ..PolicyGroup::default()
            };
            (id.to_string(), group)
        };
        snapshot.facts.policy_groups = known([group(GROUP, 40), group(OTHER, 880)].into());
        snapshot.facts.portal_reset_policy = known(PasswordResetPolicy {
            enablement_type: Some(enablement),
            password_reset_enabled_group_ids: vec![GROUP.into()],
            ..PasswordResetPolicy::default()
        });
        snapshot
    }

    #[test]
    fn reset_is_for_whom_it_is_or_shall_be() {
        let nothing = DesiredState::from_json(r#"{"schemaVersion": 1}"#).unwrap();
        let wanted = |who: &str| {
            let text = format!(r#"{{"schemaVersion": 1, "resetPolicy": {{{who}}}}}"#);
            DesiredState::from_json(&text).unwrap()
        };
        for (enablement, users) in [(0, 0), (1, 40), (2, 900)] {
            assert_eq!(in_scope(&tenant(enablement), &nothing), Some(users));
        }
        assert_eq!(in_scope(&tenant(0), &wanted(r#""enabledFor": "All""#)), Some(900));
        let other = wanted(&format!(r#""enabledFor": "Selected", "group": "{OTHER}""#));
        assert_eq!(in_scope(&tenant(0), &other), Some(880));
        // Nothing is known: at the most all, where they were counted.
        let mut unknown = tenant(1);
        unknown.facts.portal_reset_policy = Default::default();
        assert_eq!(in_scope(&unknown, &nothing), Some(900));
        assert_eq!(in_scope(&empty(), &nothing), None);
    }

    #[test]
    fn groups_come_to_no_more_than_all() {
        let tenant = tenant(2);
        assert_eq!(of_groups(&tenant, [GROUP]), Some(40));
        assert_eq!(of_groups(&tenant, [GROUP, OTHER]), Some(900));
        assert_eq!(of_groups(&tenant, ["all_users"]), Some(900));
        assert_eq!(of_groups(&tenant, ["00000000-0000-0000-0000-000000000000"]), Some(0));
        assert_eq!((synced(&tenant), administrators(&tenant)), (Some(700), None));
    }
}
