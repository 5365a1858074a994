//! Step `license`: does the tenant own what self-service reset, and writeback, ask for?

mod products;

use super::Step;
use super::scope::listed;
use crate::finding::{Check, Finding, Severity, counted, number};
use crate::snapshot::graph::{P1, P2, SubscribedSku};
use crate::snapshot::{FactId, Snapshot};
use jiff::ToSpan;
use products::{Grant, Product, products, seats};
use serde_json::Value;

/// The step.
pub const STEP: Step = Step {
    name: "license",
    title: "License",
    checks: &[&ENTITLEMENT, &SEATS, &LIFECYCLE],
    check,
    setup: None,
};

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
    looks_at: "Enabled members who hold a P1 or P2 plan that is in force or in its grace period, or as cloud-only users Business Standard, against all enabled members; the seats in force.",
    why: "Microsoft asks for a licence for each user who benefits from self-service reset.",
    doc: DOC,
    decides: true,
    facts: &[FactId::SubscribedSkus, FactId::UserCounts, FactId::LicensedMembers],
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

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    vec![entitlement(snapshot), seats_for_all(snapshot), lifecycle(snapshot)]
}

/// Whether the tenant syncs from a directory on premises, where that was read.
fn hybrid(snapshot: &Snapshot) -> Option<bool> {
    let organization = snapshot.facts.organization.value()?;
    Some(organization.on_premises_sync_enabled == Some(true))
}

/// What a user holds.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The plan or product that entitles to reset.
    pub entitles: Option<String>,
    /// Whether there is one of which Microsoft does not say it.
    pub unclear: bool,
    /// The products, by their part numbers.
    pub products: Vec<String>,
}

/// What a user's account (Graph's `user`) holds, counted as the seats are: a plan in its grace period entitles too, and
/// Business Standard entitles who is not synced.
pub(super) fn of_user(snapshot: &Snapshot, account: &Value, synced: bool) -> Held {
    let mut held = Held::default();
    for (name, plan) in [("Entra ID P2", P2), ("Entra ID P1", P1)] {
        let mut plans = account["assignedPlans"].as_array().into_iter().flatten();
        let counts = |own: &Value| {
            let id = own["servicePlanId"].as_str().unwrap_or_default();
            let state = own["capabilityStatus"].as_str();
            id.eq_ignore_ascii_case(plan) && matches!(state, Some("Enabled" | "Warning"))
        };
        if held.entitles.is_none() && plans.any(counts) {
            held.entitles = Some(name.into());
        }
    }
    let skus = snapshot.facts.subscribed_skus.value();
    for assigned in account["assignedLicenses"].as_array().into_iter().flatten() {
        let id = assigned["skuId"].as_str().unwrap_or_default();
        let own = |sku: &&SubscribedSku| sku.sku_id.as_deref().is_some_and(|sku| sku.eq_ignore_ascii_case(id));
        let Some(sku) = skus.into_iter().flatten().find(own) else {
            held.products.push(id.into());
            continue;
        };
        let product = Product::of(sku);
        held.products.push(product.name().into());
        if !synced && product.lacks.is_none() {
            held.unclear |= product.grant == Grant::Unclear;
            if product.grant == Grant::CloudOnly && held.entitles.is_none() {
                held.entitles = Some("Business Standard".into());
            }
        }
    }
    held
}

fn entitlement(snapshot: &Snapshot) -> Finding {
    let fact = &snapshot.facts.subscribed_skus;
    let Some(skus) = fact.value() else {
        return ENTITLEMENT.unreadable(snapshot);
    };
    let all = products(skus);
    let titles = |of: &[&Product<'_>]| listed(&of.iter().map(|p| p.title()).collect::<Vec<_>>());
    let seen = |of: &[&Product<'_>]| listed(&of.iter().map(|p| p.seen()).collect::<Vec<_>>());
    let (in_force, idle): (Vec<_>, Vec<_>) = all.iter().partition(|p| p.lacks.is_none());
    let of = |wanted: fn(Grant) -> bool| -> Vec<&Product<'_>> {
        in_force.iter().copied().filter(|p| wanted(p.grant)).collect()
    };
    let full = of(|g| matches!(g, Grant::Full(_)));
    if !full.is_empty() {
        let verb = if full.len() == 1 { "entitles" } else { "entitle" };
        return ENTITLEMENT
            .pass(format!("{} {verb} to reset and writeback", titles(&full)))
            .evidence(fact, seen(&full));
    }
    let (standard, unclear) = (of(|g| g == Grant::CloudOnly), of(|g| g == Grant::Unclear));
    if !standard.is_empty() || !unclear.is_empty() {
        let given = if standard.is_empty() { &unclear } else { &standard };
        let gives = if standard.is_empty() {
            "at most cloud reset"
        } else {
            "cloud reset only"
        };
        let name = if standard.is_empty() {
            titles(given)
        } else {
            "Business Standard".into()
        };
        return match hybrid(snapshot) {
            Some(true) => ENTITLEMENT
                .fail(
                    Severity::High,
                    format!("{name} gives {gives}; this tenant is hybrid and needs writeback"),
                )
                .evidence(fact, seen(given))
                .reason("Synced users cannot reset: their new password would never reach the directory.")
                .fix("Buy Microsoft Entra ID P1 or Microsoft 365 Business Premium for the synced users.")
                .portal(PORTAL),
            None if !standard.is_empty() => {
                let mut found = ENTITLEMENT.unreadable(snapshot).evidence(fact, seen(given));
                found.title = format!("{name} gives {gives}; whether this tenant is hybrid was not read");
                found
            }
            _ if standard.is_empty() => ENTITLEMENT
                .skipped(
                    format!("unclear whether {name} entitles to reset"),
                    "Microsoft's page on licences does not name it. It certainly gives no writeback.",
                )
                .evidence(fact, seen(given))
                .fix("Try a reset with a user who has only this licence, or buy Microsoft Entra ID P1.")
                .portal(PORTAL),
            _ => ENTITLEMENT
                .pass("Business Standard entitles cloud-only users to reset (no writeback)")
                .evidence(fact, seen(given)),
        };
    }
    if let Some(product) = idle.iter().find(|p| p.grant != Grant::Unclear) {
        let lacks = product.lacks.as_deref().unwrap_or_default();
        return ENTITLEMENT
            .fail(
                Severity::High,
                format!("{} would entitle to reset, but {lacks}", product.title()),
            )
            .evidence(fact, seen(&idle))
            .reason("While no such product is in force, nobody can reset.")
            .fix("Renew or pay the subscription, or buy seats, then look again.")
            .portal(PORTAL);
    }
    let names: Vec<String> = skus.iter().map(|sku| Product::of(sku).name().into()).collect();
    ENTITLEMENT
        .fail(
            Severity::High,
            "no product of this tenant entitles to self-service reset",
        )
        .evidence(
            fact,
            if names.is_empty() {
                "no products".into()
            } else {
                names.join(", ")
            },
        )
        .reason("Users who forgot their password are refused (error SSPR_0012, not licensed).")
        .fix("Buy Microsoft Entra ID P1, or a product that contains it, and assign it to all who shall reset.")
        .portal(PORTAL)
}

fn seats_for_all(snapshot: &Snapshot) -> Finding {
    let facts = &snapshot.facts;
    let Some(skus) = facts.subscribed_skus.value() else {
        return SEATS.unreadable(snapshot);
    };
    let mut in_force = products(skus);
    in_force.retain(|p| p.lacks.is_none());
    let (unclear, sure): (Vec<_>, Vec<_>) = in_force.iter().partition(|p| p.grant == Grant::Unclear);
    let unclear: Vec<String> = unclear.iter().map(|p| p.title()).collect();
    if in_force.is_empty() {
        return SEATS.not_applicable("No product in force entitles to reset, so there are no seats to compare.");
    }
    let (Some(users), Some(licensed)) = (facts.user_counts.value(), facts.licensed_members.value()) else {
        return SEATS.unreadable(snapshot);
    };
    let members = users.enabled_members;
    let standard = sure.iter().any(|p| p.grant == Grant::CloudOnly);
    let covered = if standard {
        licensed.with_standard
    } else {
        licensed.by_plan
    };
    let missing = members.saturating_sub(covered);
    let owned = sure.iter().map(|p| seats(p.sku)).fold(0, u64::saturating_add);
    let seen = format!(
        "{} of {} enabled members licensed",
        number(covered.min(members)),
        number(members)
    );
    let support = |found: Finding| {
        found
            .evidence(&facts.licensed_members, &seen)
            .evidence(
                &facts.user_counts,
                counted(members, "enabled member", "enabled members"),
            )
            .evidence(
                &facts.subscribed_skus,
                format!("{} in force", counted(owned, "seat", "seats")),
            )
    };
    if missing == 0 {
        return support(SEATS.pass(format!(
            "{} for {}, all of whom are licensed",
            counted(owned, "seat", "seats"),
            counted(members, "enabled member", "enabled members")
        )));
    }
    if !unclear.is_empty() && hybrid(snapshot) != Some(true) {
        let title = format!(
            "unclear whether {} licenses {} of {} enabled members",
            listed(&unclear),
            number(missing),
            number(members)
        );
        return support(SEATS.skipped(title, "They have no product that is known to entitle to reset."));
    }
    let text = format!(
        "{} of {} enabled members have no licence for self-service reset",
        number(missing),
        number(members)
    );
    support(SEATS.fail(Severity::High, text))
        .reason("Microsoft asks for a licence for each user who benefits from reset, even where the service does not refuse each user without one.")
        .fix(if owned >= members {
            "Assign the seats that the tenant owns: by group, so that new users get one."
        } else {
            "Buy the missing seats and assign them by group, so that new users get one."
        })
        .portal(PORTAL)
        .affects(missing, Some(members), false, Vec::new())
}

fn lifecycle(snapshot: &Snapshot) -> Finding {
    let (skus, fact) = (&snapshot.facts.subscribed_skus, &snapshot.facts.subscriptions);
    let Some(list) = skus.value() else {
        return LIFECYCLE.unreadable(snapshot);
    };
    let entitling = products(list);
    if entitling.is_empty() {
        return LIFECYCLE.not_applicable("No product entitles to reset.");
    }
    let state =
        |p: &Product<'_>, states: &[&str]| p.sku.capability_status.as_deref().is_some_and(|s| states.contains(&s));
    if let Some(product) = entitling.iter().find(|p| state(p, &["Warning"])) {
        return LIFECYCLE
            .warn(
                Severity::High,
                format!("{} has ended and is in its grace period", product.name()),
            )
            .evidence(skus, product.seen())
            .reason("When the grace period is over, the licences end, and so do the resets of all who have no other.")
            .fix("Renew the subscription before the grace period ends.")
            .portal(PORTAL);
    }
    // A product that ended and that nobody holds any more is merely history.
    let held = |p: &&Product<'_>| p.sku.consumed_units.is_none_or(|units| units > 0);
    let mut ended = entitling
        .iter()
        .filter(|p| state(p, &["Suspended", "LockedOut", "Deleted"]));
    if let Some(product) = ended.find(held) {
        let lacks = product.lacks.as_deref().unwrap_or_default();
        let users = product.sku.consumed_units.and_then(|units| u64::try_from(units).ok());
        let who = users.map_or("users".into(), |users| counted(users, "user", "users"));
        return LIFECYCLE
            .warn(
                Severity::Medium,
                format!("{} is assigned to {who}, but {lacks}", product.name()),
            )
            .evidence(skus, product.seen())
            .reason("Who holds no other licence that entitles to reset has none now.")
            .fix("Renew it, or give its users a licence of a product that is in force.")
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
        .filter(|s| {
            entitling
                .iter()
                .any(|e| e.sku.sku_id.is_some() && e.sku.sku_id == s.sku_id)
        })
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
mod tests;
