//! Step `license`: does the tenant own what self-service reset, and writeback, ask for?

use super::Step;
use crate::finding::{Check, Finding, Severity, counted, number};
use crate::snapshot::graph::{P1, P2, SubscribedSku};
use crate::snapshot::{FactId, Snapshot};
use jiff::ToSpan;

/// The step.
pub const STEP: Step = Step {
    name: "license",
    title: "License",
    checks: &[&ENTITLEMENT, &SEATS, &LIFECYCLE],
    check,
};

/// Microsoft 365 Business Standard: it carries no `AAD_*` plan, so the product's id tells.
const BUSINESS_STANDARD: &str = "f245ecc8-75af-4f8e-b61f-27d8114de5f3";

const DOC: &str = "https://learn.microsoft.com/entra/identity/authentication/concept-sspr-licensing";
const PORTAL: &str = "https://entra.microsoft.com/#view/Microsoft_AAD_IAM/LicensesMenuBlade/~/Products";

const ENTITLEMENT: Check = Check {
    id: "license.entitlement",
    title: "A service plan that entitles to reset",
    looks_at: "The service plans of the tenant's subscribed products (by plan, not by product name) and their state.",
    why: "Without Microsoft Entra ID P1 or P2, or a product that contains one, users cannot reset a forgotten password.",
    doc: DOC,
    decides: true,
    facts: &[FactId::SubscribedSkus, FactId::Organization],
};
const SEATS: Check = Check {
    id: "license.seats",
    title: "A licence for every enabled member",
    looks_at: "Enabled members with an enabled P1 or P2 plan against all enabled members, and paid seats against assigned ones.",
    why: "Every user who benefits from self-service reset needs a licence, and an unlicensed user is refused.",
    doc: DOC,
    decides: true,
    facts: &[FactId::SubscribedSkus, FactId::UserCounts],
};
const LIFECYCLE: Check = Check {
    id: "license.lifecycle",
    title: "The subscription goes on",
    looks_at: "The state of the subscriptions that carry the plan, and their next change.",
    why: "When the subscription ends or is suspended, resets stop for everybody at once.",
    doc: DOC,
    decides: false,
    facts: &[FactId::SubscribedSkus, FactId::Subscriptions],
};

/// What a product gives, by its service plans.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Grant {
    /// Reset and writeback.
    Full,
    /// Reset of cloud-only users, no writeback.
    CloudOnly,
    /// Nothing that we know of.
    None,
}

fn grant(sku: &SubscribedSku) -> Grant {
    let full = sku.service_plans.iter().any(|plan| {
        let id = plan.service_plan_id.as_deref().unwrap_or_default();
        let on = plan
            .provisioning_status
            .as_deref()
            .is_none_or(|s| !s.eq_ignore_ascii_case("Disabled"));
        on && (id.eq_ignore_ascii_case(P1) || id.eq_ignore_ascii_case(P2))
    });
    if full {
        Grant::Full
    } else if sku
        .sku_id
        .as_deref()
        .is_some_and(|id| id.eq_ignore_ascii_case(BUSINESS_STANDARD))
    {
        Grant::CloudOnly
    } else {
        Grant::None
    }
}

/// Seats in force: paid for, or in the grace period.
fn seats(sku: &SubscribedSku) -> u64 {
    let units = sku.prepaid_units.clone().unwrap_or_default();
    u64::try_from(units.enabled.unwrap_or(0).saturating_add(units.warning.unwrap_or(0))).unwrap_or(0)
}

fn in_force(sku: &SubscribedSku) -> bool {
    matches!(sku.capability_status.as_deref(), Some("Enabled" | "Warning")) && seats(sku) > 0
}

fn name(sku: &SubscribedSku) -> &str {
    sku.sku_part_number.as_deref().unwrap_or("an unnamed product")
}

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    vec![entitlement(snapshot), seats_for_all(snapshot), lifecycle(snapshot)]
}

fn entitlement(snapshot: &Snapshot) -> Finding {
    let fact = &snapshot.facts.subscribed_skus;
    let Some(skus) = fact.value() else {
        return ENTITLEMENT.unreadable(snapshot);
    };
    let hybrid = snapshot
        .facts
        .organization
        .value()
        .and_then(|o| o.on_premises_sync_enabled)
        == Some(true);
    let buy = "Buy Microsoft Entra ID P1, or a product that contains it, and assign it to all who shall reset.";
    if let Some(sku) = skus.iter().find(|s| grant(s) == Grant::Full && in_force(s)) {
        return ENTITLEMENT
            .pass(format!("{} entitles to reset and writeback", name(sku)))
            .evidence(
                fact,
                format!(
                    "{}, {} seats, {}",
                    name(sku),
                    number(seats(sku)),
                    sku.capability_status.as_deref().unwrap_or("state unknown")
                ),
            );
    }
    if let Some(sku) = skus.iter().find(|s| grant(s) == Grant::Full) {
        let state = sku.capability_status.as_deref().unwrap_or("unknown");
        return ENTITLEMENT
            .fail(
                Severity::High,
                format!(
                    "{} would entitle to reset, but it is {}",
                    name(sku),
                    state.to_lowercase()
                ),
            )
            .evidence(
                fact,
                format!("{}: {state}, {} seats in force", name(sku), number(seats(sku))),
            )
            .reason("While the subscription is not in force, nobody can reset.")
            .fix("Renew or pay the subscription, then look again.")
            .portal(PORTAL);
    }
    if let Some(sku) = skus.iter().find(|s| grant(s) == Grant::CloudOnly && in_force(s)) {
        let seen = format!("{}, {} seats", name(sku), number(seats(sku)));
        return if hybrid {
            ENTITLEMENT
                .fail(
                    Severity::High,
                    "Business Standard gives cloud reset only; this tenant is hybrid and needs writeback",
                )
                .evidence(fact, seen)
                .reason("Synced users cannot reset: their new password would never reach the directory.")
                .fix("Buy Microsoft Entra ID P1 or Microsoft 365 Business Premium for the synced users.")
                .portal(PORTAL)
        } else {
            ENTITLEMENT
                .pass("Business Standard entitles cloud-only users to reset (no writeback)")
                .evidence(fact, seen)
        };
    }
    ENTITLEMENT
        .fail(
            Severity::High,
            "No product of this tenant entitles to self-service reset",
        )
        .evidence(
            fact,
            if skus.is_empty() {
                "no products".into()
            } else {
                skus.iter().map(name).collect::<Vec<_>>().join(", ")
            },
        )
        .reason("Users who forgot their password are refused (error SSPR_0012, not licensed).")
        .fix(buy)
        .portal(PORTAL)
}

fn seats_for_all(snapshot: &Snapshot) -> Finding {
    let (skus, counts) = (&snapshot.facts.subscribed_skus, &snapshot.facts.user_counts);
    let Some(list) = skus.value() else {
        return SEATS.unreadable(snapshot);
    };
    let Some(users) = counts.value() else {
        return SEATS.unreadable(snapshot);
    };
    let entitling: Vec<_> = list.iter().filter(|s| grant(s) != Grant::None && in_force(s)).collect();
    if entitling.is_empty() {
        return SEATS.not_applicable("No product entitles to reset, so there are no seats to compare.");
    }
    let members = users.enabled_members;
    let owned = entitling.iter().map(|s| seats(s)).fold(0, u64::saturating_add);
    // Assigned licences are told by plan; Business Standard has none of these plans, so only its seats can be compared.
    let by_plan = entitling.iter().all(|s| grant(s) == Grant::Full);
    let covered = if by_plan {
        users.licensed_members.unwrap_or(owned.min(members))
    } else {
        owned.min(members)
    };
    let missing = members.saturating_sub(covered);
    let seen = format!(
        "{} enabled members, {} licensed, {} seats",
        number(members),
        users.licensed_members.map_or("unknown".into(), number),
        number(owned)
    );
    if missing == 0 {
        let text = format!(
            "{} seats for {}",
            number(owned),
            counted(members, "enabled member", "enabled members")
        );
        return SEATS.pass(text).evidence(counts, seen);
    }
    let text = format!(
        "{} of {} enabled members have no licence for self-service reset",
        number(missing),
        number(members)
    );
    SEATS
        .fail(Severity::High, text)
        .evidence(counts, seen)
        .evidence(skus, format!("{} seats in force", number(owned)))
        .reason("An unlicensed user is refused (error SSPR_0012), or the tenant breaks its licence terms.")
        .fix(if owned >= members {
            "Assign the seats that the tenant owns: by group, so that new users get one."
        } else {
            "Buy the missing seats and assign them by group, so that new users get one."
        })
        .portal(PORTAL)
        .affects(missing, Some(members), true, Vec::new())
}

fn lifecycle(snapshot: &Snapshot) -> Finding {
    let (skus, fact) = (&snapshot.facts.subscribed_skus, &snapshot.facts.subscriptions);
    let Some(list) = skus.value() else {
        return LIFECYCLE.unreadable(snapshot);
    };
    let entitling: Vec<_> = list.iter().filter(|s| grant(s) != Grant::None).collect();
    if entitling.is_empty() {
        return LIFECYCLE.not_applicable("No product entitles to reset.");
    }
    let grace = entitling
        .iter()
        .find(|s| s.capability_status.as_deref() == Some("Warning"));
    if let Some(sku) = grace {
        return LIFECYCLE
            .warn(
                Severity::High,
                format!("{} has ended and is in its grace period", name(sku)),
            )
            .evidence(skus, format!("{}: Warning", name(sku)))
            .fix("Renew the subscription before the grace period ends.")
            .portal(PORTAL);
    }
    let Some(subscriptions) = fact.value() else {
        return LIFECYCLE.unreadable(snapshot);
    };
    let soon = snapshot
        .taken_at
        .saturating_add((30 * 24).hours())
        .unwrap_or(snapshot.taken_at);
    let ending = subscriptions
        .iter()
        .filter(|s| entitling.iter().any(|e| e.sku_id.is_some() && e.sku_id == s.sku_id))
        .filter_map(|s| s.next_lifecycle_date_time.map(|at| (at, s)))
        .filter(|(at, _)| *at <= soon)
        .min_by_key(|(at, _)| *at);
    match ending {
        Some((at, subscription)) => LIFECYCLE
            .warn(
                Severity::Medium,
                format!(
                    "{}{} changes its state on {}",
                    subscription.sku_part_number.as_deref().unwrap_or("A subscription"),
                    if subscription.is_trial == Some(true) {
                        " (a trial)"
                    } else {
                        ""
                    },
                    at.strftime("%Y-%m-%d")
                ),
            )
            .evidence(fact, format!("next change {at}"))
            .reason("It renews then if that was agreed; else resets stop after the grace period.")
            .fix("Make sure that it renews.")
            .portal(PORTAL),
        None => LIFECYCLE.pass("no subscription ends within 30 days").evidence(
            fact,
            counted(subscriptions.len() as u64, "subscription", "subscriptions"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Outcome;
    use crate::snapshot::graph::{LicenseUnitsDetail, Organization, ServicePlanInfo};
    use crate::snapshot::people::UserCounts;
    use crate::snapshot::{Fact, Refusal, RefusalKind, SignedIn};
    use jiff::Timestamp;

    fn sku(part: &str, plan: Option<&str>, status: &str, seats: i64) -> SubscribedSku {
        SubscribedSku {
            sku_id: Some(if part == "O365_BUSINESS_PREMIUM" {
                BUSINESS_STANDARD.into()
            } else {
                part.into()
            }),
            sku_part_number: Some(part.into()),
            capability_status: Some(status.into()),
            consumed_units: Some(seats),
            prepaid_units: Some(LicenseUnitsDetail {
                enabled: Some(seats),
                ..Default::default()
            }),
            service_plans: plan
                .map(|id| ServicePlanInfo {
                    service_plan_id: Some(id.into()),
                    provisioning_status: Some("Success".into()),
                    ..Default::default()
                })
                .into_iter()
                .collect(),
        }
    }

    fn snapshot(skus: Vec<SubscribedSku>, members: u64, licensed: u64, hybrid: bool) -> Snapshot {
        let at: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let mut snapshot = Snapshot::new(at, SignedIn::default());
        snapshot.facts.subscribed_skus = Fact::known(skus, "subscribedSkus", at);
        snapshot.facts.subscriptions = Fact::known(vec![], "subscriptions", at);
        snapshot.facts.organization = Fact::known(
            Organization {
                on_premises_sync_enabled: hybrid.then_some(true),
                ..Default::default()
            },
            "organization",
            at,
        );
        let counts = UserCounts {
            enabled_members: members,
            licensed_members: Some(licensed),
            ..Default::default()
        };
        snapshot.facts.user_counts = Fact::known(counts, "users", at);
        snapshot
    }

    fn outcome(snapshot: &Snapshot, check: &Check) -> Outcome {
        (STEP.check)(snapshot).iter().find(|f| f.id == check.id).unwrap().status
    }

    #[test]
    fn a_plan_with_seats_passes() {
        let s = snapshot(vec![sku("EMS", Some(P1), "Enabled", 10)], 10, 10, true);
        assert!(
            (STEP.check)(&s).iter().all(|f| f.status == Outcome::Pass),
            "{:#?}",
            (STEP.check)(&s)
        );
    }

    #[test]
    fn a_suspended_plan_fails() {
        let s = snapshot(vec![sku("AAD_PREMIUM_P2", Some(P2), "Suspended", 0)], 10, 10, false);
        assert_eq!(outcome(&s, &ENTITLEMENT), Outcome::Fail);
        assert_eq!(outcome(&s, &SEATS), Outcome::NotApplicable);
    }

    #[test]
    fn business_standard_gives_cloud_reset_only() {
        let skus = vec![sku("O365_BUSINESS_PREMIUM", None, "Enabled", 15)];
        assert_eq!(
            outcome(&snapshot(skus.clone(), 12, 0, false), &ENTITLEMENT),
            Outcome::Pass
        );
        assert_eq!(outcome(&snapshot(skus.clone(), 12, 0, false), &SEATS), Outcome::Pass);
        assert_eq!(outcome(&snapshot(skus, 12, 0, true), &ENTITLEMENT), Outcome::Fail);
    }

    #[test]
    fn missing_seats_fail_with_the_count() {
        let s = snapshot(vec![sku("EMS", Some(P1), "Enabled", 18_500)], 20_006, 18_500, true);
        let finding = (STEP.check)(&s).into_iter().find(|f| f.id == SEATS.id).unwrap();
        assert_eq!(
            finding.title,
            "1,506 of 20,006 enabled members have no licence for self-service reset"
        );
        assert_eq!(finding.affected.unwrap().count, 1_506);
    }

    #[test]
    fn a_refusal_is_not_a_fail() {
        let mut s = snapshot(vec![], 1, 1, false);
        let refusal = Refusal {
            kind: RefusalKind::Permission,
            message: "The app lacks LicenseAssignment.Read.All.".into(),
            needs: Some("LicenseAssignment.Read.All".into()),
            code: Some("Authorization_RequestDenied".into()),
            request_id: None,
        };
        s.facts.subscribed_skus = Fact::Unreadable { refusal };
        let finding = (STEP.check)(&s).into_iter().find(|f| f.id == ENTITLEMENT.id).unwrap();
        assert_eq!(finding.status, Outcome::Skipped);
        assert!(finding.title.contains("LicenseAssignment.Read.All"));
    }

    #[test]
    fn a_grace_period_warns() {
        let s = snapshot(vec![sku("EMS", Some(P1), "Warning", 10)], 10, 10, false);
        assert_eq!(outcome(&s, &ENTITLEMENT), Outcome::Pass);
        assert_eq!(outcome(&s, &LIFECYCLE), Outcome::Warn);
    }
}
