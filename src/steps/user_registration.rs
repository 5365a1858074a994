//! Step `user_registration`: who can reset today, who is in scope but cannot, and why.

mod activity;
mod reasons;
pub mod summary;
pub mod users;

use super::Step;
use crate::finding::{Check, Finding, Outcome, Severity, counted, number, share};
use crate::snapshot::people::{CohortKey, Registration};
use crate::snapshot::{FactId, Snapshot};
use jiff::ToSpan;

/// The step.
pub const STEP: Step = Step {
    name: "user_registration",
    title: "User registration",
    checks: &[
        &CAPABLE,
        &reasons::ADMINISTRATORS,
        &reasons::NOTHING,
        &reasons::SHORT,
        &reasons::UNFIT,
        &reasons::UNEXPLAINED,
        &OUT_OF_SCOPE,
        &activity::HELPDESK,
        &activity::FAILURES,
        &FRESH,
    ],
    check,
    setup: None,
};

const DOC: &str = "https://learn.microsoft.com/entra/identity/authentication/howto-authentication-methods-activity";
const HOW: &str = "https://learn.microsoft.com/entra/identity/authentication/concept-sspr-howitworks";
const PORTAL: &str =
    "https://entra.microsoft.com/#view/Microsoft_AAD_IAM/AuthenticationMethodsMenuBlade/~/UserRegistrationDetails";

const CAPABLE: Check = Check {
    id: "user_registration.capable",
    title: "Everybody in scope can reset",
    looks_at: "The registration report: who is enabled for reset, and who of them is able to.",
    why: "Who is in scope but not able learns it on the day the password is gone, and calls the helpdesk.",
    doc: DOC,
    decides: true,
    facts: &[FactId::Registration, FactId::FeatureSummary],
};
const OUT_OF_SCOPE: Check = Check {
    id: "user_registration.out_of_scope",
    title: "Registered users who are out of scope",
    looks_at: "Members who have registered enough methods but are not enabled for reset.",
    why: "They did their part; the policy's scope or a missing licence keeps them out.",
    doc: HOW,
    decides: false,
    facts: &[FactId::Registration],
};
const FRESH: Check = Check {
    id: "user_registration.freshness",
    title: "The registration report is fresh",
    looks_at: "The newest row's time.",
    why: "The report runs up to 36 hours behind; counts older than that are of another day.",
    doc: DOC,
    decides: false,
    facts: &[FactId::Registration],
};

/// Below this share of those in scope the roll-out has not reached the tenant: more people would be turned away than
/// helped, so the set-up does not work. Between this and everybody it works, but not for all.
const SHARE_THAT_FAILS: u64 = 50;
/// How far the report may lie behind, as Microsoft says.
const HOURS_BEHIND: i64 = 36;

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings = vec![capable(snapshot)];
    findings.extend(reasons::findings(snapshot));
    findings.push(out_of_scope(snapshot));
    findings.extend(activity::findings(snapshot));
    findings.push(fresh(snapshot));
    findings
}

/// How many there are, are in scope, have registered, and are able.
struct Count {
    all: u64,
    enabled: u64,
    registered: u64,
    able: u64,
}

impl Count {
    fn of(report: &Registration, who: impl Fn(&CohortKey) -> bool) -> Self {
        Count {
            all: report.count(&who).0,
            enabled: report.count(|k| k.sspr_enabled && who(k)).0,
            registered: report.count(|k| k.sspr_registered && who(k)).0,
            able: report.count(|k| k.sspr_enabled && k.sspr_capable && who(k)).0,
        }
    }

    fn text(&self, who: &str) -> String {
        format!(
            "{who}: {}; {} enabled, {} registered, {} capable",
            number(self.all),
            number(self.enabled),
            number(self.registered),
            number(self.able)
        )
    }
}

/// So many users more or less are of another hour: the report and its summary are made apart.
const ANOTHER_HOUR: u64 = 5;

/// What Microsoft's own counts say otherwise than the rows.
fn disagreement(rows: &Count, enabled: u64, able: u64) -> Option<String> {
    let far = |a: u64, b: u64| a.abs_diff(b) > ANOTHER_HOUR.max(a.max(b) / 100);
    (far(rows.enabled, enabled) || far(rows.able, able)).then(|| {
        format!(
            "The report's rows count {} enabled and {} capable, its summary {} and {}.",
            number(rows.enabled),
            number(rows.able),
            number(enabled),
            number(able)
        )
    })
}

fn capable(snapshot: &Snapshot) -> Finding {
    let fact = &snapshot.facts.registration;
    let summary = &snapshot.facts.feature_summary;
    let feature = |name: &str| {
        let counts = &summary.value()?.user_registration_feature_counts;
        let found = counts.iter().find(|c| c.feature.eq_ignore_ascii_case(name));
        found.map(|c| c.user_count)
    };
    let summed = feature("ssprEnabled").zip(feature("ssprCapable"));
    let counted_by_microsoft = |found: Finding| match summed {
        Some((enabled, able)) => found.evidence(
            summary,
            format!("{} enabled, {} capable", number(enabled), number(able)),
        ),
        None => found,
    };
    if let Some(report) = fact.whole() {
        let all = Count::of(report, |_| true);
        let (unable, sample) = report.count(|k| k.sspr_enabled && !k.sspr_capable);
        let found = verdict(all.enabled, all.able.min(all.enabled), sample, unable)
            .evidence(fact, all.text("all"))
            .evidence(fact, Count::of(report, |k| !k.guest).text("members"))
            .evidence(fact, Count::of(report, |k| k.guest).text("guests"))
            .evidence(
                fact,
                Count::of(report, |k| k.admin || k.global_admin).text("administrators"),
            );
        let differs = summed.filter(|_| summary.whole().is_some());
        let differs = differs.and_then(|(enabled, able)| disagreement(&all, enabled, able));
        return match differs {
            Some(text) => disagreeing(counted_by_microsoft(found), &text),
            None => counted_by_microsoft(found),
        };
    }
    if let Some((enabled, able)) = summed.filter(|_| summary.whole().is_some()) {
        let sample = fact
            .value()
            .map(|r| r.count(|k| k.sspr_enabled && !k.sspr_capable).1)
            .unwrap_or_default();
        let able = able.min(enabled);
        return counted_by_microsoft(verdict(enabled, able, sample, enabled - able));
    }
    if let Some(report) = fact.value() {
        let (unable, sample) = report.count(|k| k.sspr_enabled && !k.sspr_capable);
        let reason = fact.partial_reason().unwrap_or("It was declared, not read.");
        if unable > 0 {
            return CAPABLE
                .warn(Severity::Medium, format!("{} in scope cannot reset", share(unable, None, fact.is_partial(), "user", "users")))
                .evidence(fact, format!("{} users read. {reason}", number(report.rows)))
                .reason("The report was read in part, so their share is not known. Each of them needs the helpdesk to reset.")
                .fix(REGISTER)
                .portal(PORTAL)
                .affects(unable, None, true, sample);
        }
        return CAPABLE
            .skipped("the registration report was read in part", reason)
            .evidence(fact, format!("{} users read", number(report.rows)));
    }
    CAPABLE.unreadable(snapshot)
}

/// A finding whose sources disagree: no Pass stands on it.
fn disagreeing(mut found: Finding, text: &str) -> Finding {
    if found.status == Outcome::Pass {
        found.status = Outcome::Warn;
        found.severity = Severity::Low;
        found.title = format!("{}; the sources disagree", found.title);
        found = found.fix("Look again when the report is a day newer.").portal(PORTAL);
    }
    found.reason = Some(match found.reason.take() {
        Some(reason) => format!("{reason} {text}"),
        None => text.into(),
    });
    found
}

const REGISTER: &str = "Require registration at sign-in and ask these users to register at aka.ms/mysecurityinfo.";

fn verdict(enabled: u64, able: u64, sample: Vec<String>, unable: u64) -> Finding {
    if enabled == 0 {
        return CAPABLE
            .fail(Severity::High, "nobody is in scope of self-service reset")
            .reason("The report lists no user who may reset: the policy is off or its group is empty, or licences are missing.")
            .fix("Enable self-service reset for all users.")
            .portal("https://entra.microsoft.com/#view/Microsoft_AAD_IAM/PasswordResetMenuBlade/~/Properties");
    }
    if unable == 0 {
        return CAPABLE.pass(format!("all {} in scope can reset", counted(enabled, "user", "users")));
    }
    let title = format!("{} of {} users in scope cannot reset", number(unable), number(enabled));
    let few = u128::from(able) * 100 < u128::from(enabled) * u128::from(SHARE_THAT_FAILS);
    if few {
        CAPABLE.fail(Severity::High, title).reason(
            "Fewer than half of those in scope can reset, so self-service turns away more people than it helps.",
        )
    } else {
        CAPABLE
            .warn(Severity::Medium, title)
            .reason("At least half can reset; each of the others needs the helpdesk.")
    }
    .fix(REGISTER)
    .portal(PORTAL)
    .affects(unable, Some(enabled), true, sample)
}

fn out_of_scope(snapshot: &Snapshot) -> Finding {
    let fact = &snapshot.facts.registration;
    let Some(report) = fact.value() else {
        return OUT_OF_SCOPE.unreadable(snapshot);
    };
    let (count, sample) = report.count(|k| !k.guest && k.sspr_registered && !k.sspr_enabled);
    let (of, _) = report.count(|k| !k.guest);
    if count > 0 {
        let of = (!fact.is_partial()).then_some(of);
        let who = share(count, of, fact.is_partial(), "member", "members");
        return OUT_OF_SCOPE
            .warn(Severity::Medium, format!("{who} registered, but out of scope"))
            .evidence(fact, format!("{} rows read", number(report.rows)))
            .reason("They registered enough methods, but the policy's group or a missing licence keeps them from resetting.")
            .fix("Enable self-service reset for all users, or add them to its group; see that they have a licence.")
            .portal("https://entra.microsoft.com/#view/Microsoft_AAD_IAM/PasswordResetMenuBlade/~/Properties")
            .affects(count, of, true, sample);
    }
    match fact.whole() {
        Some(_) => OUT_OF_SCOPE
            .pass("every registered member is in scope")
            .evidence(fact, format!("{} rows read", number(report.rows))),
        None => OUT_OF_SCOPE.skipped(
            "the registration report was read in part",
            fact.partial_reason().unwrap_or("It was declared, not read."),
        ),
    }
}

fn fresh(snapshot: &Snapshot) -> Finding {
    let fact = &snapshot.facts.registration;
    let Some(report) = fact.value() else {
        return FRESH.unreadable(snapshot);
    };
    let Some(updated) = report.updated else {
        return FRESH.skipped("the report does not say when it was made", "No row had a time.");
    };
    let day = updated.strftime("%Y-%m-%d %H:%M UTC").to_string();
    // A clock far from any calendar's end cannot overflow here; if it does, nothing is too old.
    let limit = snapshot.taken_at.checked_sub(HOURS_BEHIND.hours()).unwrap_or(updated);
    if updated < limit {
        return FRESH
            .warn(Severity::Low, format!("the registration report is of {day}"))
            .evidence(fact, format!("newest row {updated}"))
            .reason("It is older than the 36 hours that it may lie behind; who registered since is not in it.")
            .fix("Look again tomorrow; if it stays, open a support case.")
            .portal(PORTAL);
    }
    FRESH
        .pass(format!("the registration report is of {day}"))
        .evidence(fact, "it may lie 36 hours behind")
}

#[cfg(test)]
mod tests;
