//! Step `license`: does the tenant own what self-service reset, and writeback, ask for?

use super::Step;
use super::scope::listed;
use crate::finding::{Check, Finding, Severity, counted, number};
use crate::snapshot::graph::{BUSINESS_STANDARD, P1, P2, SubscribedSku};
use crate::snapshot::{FactId, Snapshot};
use jiff::ToSpan;

/// The step.
pub const STEP: Step = Step {
    name: "license",
    title: "License",
    checks: &[&ENTITLEMENT, &SEATS, &LIFECYCLE],
    check,
};

const DOC: &str = "https://learn.microsoft.com/entra/identity/authentication/concept-sspr-licensing";
const PORTAL: &str = "https://entra.microsoft.com/#view/Microsoft_AAD_IAM/LicensesMenuBlade/~/Products";

/// The part numbers of Office 365 E1 to E5, with Teams or without, begin with these. They carry no `AAD_*` plan, and Microsoft's page says
/// "Business Standard or higher" without naming them.
const OFFICE_E: &[&str] = &[
    "STANDARDPACK",
    "STANDARDWOFFPACK",
    "ENTERPRISEPACK",
    "ENTERPRISEWITHSCAL",
    "ENTERPRISEPREMIUM",
    "DEVELOPERPACK",
    "OFFICE_365_",
    "O365_W/O_TEAMS_",
];

/// `AAD_BASIC`, `AAD_BASIC_EDU` and `AAD_EDU`: what they entitle to today is nowhere said.
const BASIC: &[&str] = &[
    "c4da7f8a-5ee2-4c99-a7e1-87d2df57f6fe",
    "1d0f309f-fdf9-4b2a-9ae7-9c48b91f1426",
    "3a3976ce-de18-4a87-a78e-5e9245e252df",
];

/// The one status in which a plan counts.
const PROVISIONED: &str = "Success";

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

/// What a product gives, by its service plans.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Grant {
    /// Reset and writeback, by this plan.
    Full(&'static str),
    /// Reset of cloud-only users, no writeback.
    CloudOnly,
    /// No writeback, and Microsoft does not say whether cloud-only users may reset.
    Unclear,
    /// Nothing.
    None,
}

/// A product that has to do with reset.
struct Product<'a> {
    sku: &'a SubscribedSku,
    grant: Grant,
    /// Why it gives nothing today.
    lacks: Option<String>,
}

impl<'a> Product<'a> {
    fn of(sku: &'a SubscribedSku) -> Self {
        let (grant, plan) = grant(sku);
        Product {
            sku,
            grant,
            lacks: lacks(sku, plan),
        }
    }

    fn name(&self) -> &'a str {
        self.sku.sku_part_number.as_deref().unwrap_or("an unnamed product")
    }

    /// With what entitles, where that is a plan.
    fn title(&self) -> String {
        match self.grant {
            Grant::Full(plan) => format!("{} (Entra ID {plan})", self.name()),
            _ => self.name().into(),
        }
    }

    fn seen(&self) -> String {
        let state = self.sku.capability_status.as_deref().unwrap_or("state not stated");
        let seats = counted(seats(self.sku), "seat", "seats");
        match &self.lacks {
            Some(lacks) => format!("{}: {state}, {seats} in force; {lacks}", self.title()),
            None => format!("{}: {state}, {seats} in force", self.title()),
        }
    }
}

/// The products that have to do with reset.
fn products(skus: &[SubscribedSku]) -> Vec<Product<'_>> {
    let all = skus.iter().map(Product::of);
    all.filter(|p| p.grant != Grant::None).collect()
}

/// What a product gives, and the state of the plan by which it does.
fn grant(sku: &SubscribedSku) -> (Grant, Option<&str>) {
    let state = |plan: &str| {
        let mut plans = sku.service_plans.iter();
        let found = plans.find(|p| {
            p.service_plan_id
                .as_deref()
                .is_some_and(|id| id.eq_ignore_ascii_case(plan))
        });
        found.map(|p| p.provisioning_status.as_deref().unwrap_or("of no stated status"))
    };
    let full = [("P1", P1), ("P2", P2)].map(|(name, id)| (name, state(id)));
    let on = full.iter().find(|(_, state)| *state == Some(PROVISIONED));
    if let Some((name, state)) = on.or_else(|| full.iter().find(|(_, state)| state.is_some())) {
        return (Grant::Full(name), *state);
    }
    let id = sku.sku_id.as_deref().unwrap_or_default();
    if id.eq_ignore_ascii_case(BUSINESS_STANDARD) {
        return (Grant::CloudOnly, None);
    }
    let part = sku.sku_part_number.as_deref().unwrap_or_default().to_ascii_uppercase();
    if OFFICE_E.iter().any(|office| part.starts_with(office)) {
        return (Grant::Unclear, None);
    }
    match BASIC.iter().find_map(|plan| state(plan)) {
        Some(state) => (Grant::Unclear, Some(state)),
        None => (Grant::None, None),
    }
}

/// Why a product gives nothing today.
fn lacks(sku: &SubscribedSku, plan: Option<&str>) -> Option<String> {
    match sku.capability_status.as_deref() {
        Some("Enabled" | "Warning") => {}
        Some("LockedOut") => return Some("it is locked out".into()),
        Some(state) => return Some(format!("it is {}", state.to_lowercase())),
        None => return Some("its state is not stated".into()),
    }
    if seats(sku) == 0 {
        return Some("it has no seats in force".into());
    }
    plan.filter(|state| *state != PROVISIONED)
        .map(|state| format!("its plan is {state}"))
}

/// Seats in force: paid for, or in the grace period.
fn seats(sku: &SubscribedSku) -> u64 {
    let units = sku.prepaid_units.clone().unwrap_or_default();
    u64::try_from(units.enabled.unwrap_or(0).saturating_add(units.warning.unwrap_or(0))).unwrap_or(0)
}

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    vec![entitlement(snapshot), seats_for_all(snapshot), lifecycle(snapshot)]
}

/// Whether the tenant syncs from a directory on premises, where that was read.
fn hybrid(snapshot: &Snapshot) -> Option<bool> {
    let organization = snapshot.facts.organization.value()?;
    Some(organization.on_premises_sync_enabled == Some(true))
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
            "No product of this tenant entitles to self-service reset",
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
