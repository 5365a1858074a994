//! The whole answer of a run, built by one function from a snapshot.

mod excess;

pub use excess::Excess;

use crate::declarations::Declarations;
use crate::finding::{Finding, Outcome, Severity};
use crate::panics;
use crate::report::screen;
use crate::snapshot::Snapshot;
use crate::steps::Step;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Whether self-service reset works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ready {
    /// All that decides was seen and right.
    Yes,
    /// Something stands in the way.
    No,
    /// Nothing seen stands in the way, but something that decides was not readable.
    Unknown,
}

/// One step's line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepResult {
    /// The step.
    pub name: String,
    /// Its name for a person.
    pub title: String,
    /// The worst of its findings.
    pub status: Outcome,
    /// That finding's sentence.
    pub headline: String,
    /// That finding's id.
    pub finding_id: String,
    /// True where that finding is accepted: there is none worse that is not.
    #[serde(default, skip_serializing_if = "is_false")]
    pub accepted: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// How many findings of each kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    /// Right.
    pub pass: u32,
    /// In the way.
    pub fail: u32,
    /// To watch.
    pub warn: u32,
    /// Not readable.
    pub skipped: u32,
    /// Not applicable.
    pub not_applicable: u32,
    /// Failed to be checked.
    pub error: u32,
    /// Failed or to watch, but accepted.
    pub accepted: u32,
}

/// What to do first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct First {
    /// The finding.
    pub finding_id: String,
    /// What to do, in one sentence.
    pub text: String,
    /// The command that shows it whole.
    pub command: String,
}

/// The answer of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// The document's version.
    pub schema_version: u32,
    /// Whether reset works.
    pub ready: Ready,
    /// The tenant's id.
    pub tenant_id: String,
    /// The tenant's name.
    pub tenant_name: String,
    /// Whether it syncs from a directory on premises; absent when not readable.
    pub hybrid: Option<bool>,
    /// Enabled members, where readable.
    pub enabled_members: Option<u64>,
    /// When the facts were read.
    pub taken_at: Timestamp,
    /// How long that took.
    pub duration_ms: u64,
    /// One line a step, in causal order.
    pub steps: Vec<StepResult>,
    /// How many findings of each kind.
    pub counts: Counts,
    /// All findings, in causal order, worst first within a step.
    pub findings: Vec<Finding>,
    /// What to do first.
    pub first: Option<First>,
    /// What the sign-in may do beyond what the checks need.
    pub excess_permissions: Excess,
    /// What else a reader must know: what rests on somebody's word, and whose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The one screen, line by line.
    pub screen: Vec<String>,
}

/// Which findings to show.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Findings below this are left out of `findings`; the steps' lines and `ready` still count them.
    pub severity: Option<Severity>,
    /// The viewer's distance from UTC, for the times on the screen.
    pub utc_offset_minutes: i32,
}

/// Judges a snapshot by some steps.
pub fn assess(snapshot: &Snapshot, steps: &[&Step], selection: &Selection) -> Readiness {
    let mut results = Vec::new();
    let mut findings = Vec::new();
    let declarations = Declarations::of(snapshot);
    for step in steps {
        let mut found = judge(step, snapshot);
        if let Some(declarations) = &declarations {
            declarations.accept(&mut found, snapshot.taken_at);
        }
        found.sort_by_key(|f| std::cmp::Reverse(rank(f)));
        if let Some(worst) = found.first() {
            results.push(StepResult {
                name: step.name.into(),
                title: step.title.into(),
                status: worst.status,
                headline: worst.title.clone(),
                finding_id: worst.id.clone(),
                accepted: worst.accepted(),
            });
        }
        findings.append(&mut found);
    }
    let counts = count(&findings);
    let ready = if counts.fail > 0 {
        Ready::No
    } else if findings.is_empty()
        || findings
            .iter()
            .any(|f| f.decides && matches!(f.status, Outcome::Skipped | Outcome::Error))
    {
        Ready::Unknown
    } else {
        Ready::Yes
    };
    let first = first(&findings);
    let notes = notes(snapshot, declarations.as_ref(), &findings);
    if let Some(least) = selection.severity {
        findings.retain(|f| f.severity >= least);
    }
    let mut readiness = Readiness {
        schema_version: 1,
        ready,
        tenant_id: snapshot.signed_in.tenant_id.clone(),
        tenant_name: snapshot.tenant_name(),
        hybrid: snapshot
            .facts
            .organization
            .value()
            .map(|o| o.on_premises_sync_enabled == Some(true)),
        enabled_members: snapshot.facts.user_counts.value().map(|c| c.enabled_members),
        taken_at: snapshot.taken_at,
        duration_ms: snapshot.duration_ms,
        steps: results,
        counts,
        findings,
        first,
        excess_permissions: Excess::of(snapshot, steps),
        notes,
        screen: Vec::new(),
    };
    readiness.screen = screen::lines(&readiness, selection.utc_offset_minutes);
    readiness
}

/// Runs one step; a defect in it becomes a finding and does not take the other steps along.
fn judge(step: &Step, snapshot: &Snapshot) -> Vec<Finding> {
    let run = || {
        panics::fault(step.name);
        (step.check)(snapshot)
    };
    let judged = panics::caught(run).map(|mut findings| {
        findings.iter_mut().for_each(|finding| document(step, finding));
        findings
    });
    judged.unwrap_or_else(|defect| {
        let Some(check) = step.checks.first() else {
            return Vec::new();
        };
        let title = "this check failed; that is a defect of EntraSspr";
        let mut finding = check.finding(Outcome::Error, Severity::High, title);
        finding.reason = Some(format!(
            "The step could not be judged: {}. Please report it with the output of Get-SsprEnvironment -Support.",
            defect.message
        ));
        vec![finding]
    })
}

/// Where there is something to do, names the page that explains it: the check's own, unless the finding has a closer one.
fn document(step: &Step, finding: &mut Finding) {
    let check = step.checks.iter().find(|check| check.id == finding.id);
    if let (Some(check), Some(remediation)) = (check, &mut finding.remediation) {
        remediation.doc_url.get_or_insert_with(|| check.doc.into());
    }
}

/// What stands first on the screen: the outcome, then the severity, then whether it decides, then how many it touches.
fn rank(finding: &Finding) -> (Outcome, Severity, bool, u64) {
    (
        // What is accepted is more than a Pass, and less than what nobody knows.
        match finding.accepted() {
            true => Outcome::Pass,
            false => finding.status,
        },
        finding.severity,
        finding.decides,
        finding.affected.as_ref().map_or(0, |a| a.count),
    )
}

fn count(findings: &[Finding]) -> Counts {
    let mut counts = Counts::default();
    for finding in findings {
        *match finding.status {
            _ if finding.accepted() => &mut counts.accepted,
            Outcome::Pass => &mut counts.pass,
            Outcome::Fail => &mut counts.fail,
            Outcome::Warn => &mut counts.warn,
            Outcome::Skipped => &mut counts.skipped,
            Outcome::NotApplicable => &mut counts.not_applicable,
            Outcome::Error => &mut counts.error,
        } += 1;
    }
    counts
}

/// What rests on somebody's word, and what was accepted and is no more.
fn notes(snapshot: &Snapshot, declarations: Option<&Declarations>, findings: &[Finding]) -> Vec<String> {
    let mut notes = Vec::new();
    let attestation = &snapshot.facts.attestation;
    if let Some(told) = attestation.value() {
        notes.push(told.told(attestation.partial_reason()));
    }
    if let Some(declarations) = declarations {
        notes.extend(declarations.notes(snapshot));
    }
    let waived = findings.iter().filter_map(|f| Some((f, f.waiver.as_ref()?)));
    notes.extend(waived.map(|(finding, waiver)| match waiver.ended {
        true => format!(
            "{} was accepted by {} until {}: that has ended, and it counts again.",
            finding.id, waiver.by, waiver.last_day
        ),
        false => format!(
            "{} is accepted by {} until {} ({}).",
            finding.id, waiver.by, waiver.last_day, waiver.reason
        ),
    }));
    notes
}

/// How many a finding keeps from resetting. One that decides, and weighs heavily, stops everybody where it counts nobody.
fn blocked(finding: &Finding) -> u64 {
    match &finding.affected {
        Some(affected) if affected.blocks_reset => affected.count,
        None if finding.status == Outcome::Fail && finding.decides && finding.severity == Severity::High => u64::MAX,
        _ => 0,
    }
}

/// The finding that keeps the most users from resetting today; among equals a failing one, then the first in causal
/// order. A warning that keeps nobody from it today, such as an announced end, stands only where it weighs heavily.
fn first(findings: &[Finding]) -> Option<First> {
    let weight = |f: &Finding| (blocked(f), f.status == Outcome::Fail, f.severity);
    let stands = |f: &&Finding| match f.status {
        _ if f.accepted() => false,
        Outcome::Fail => true,
        Outcome::Warn => blocked(f) > 0 || f.severity == Severity::High,
        _ => false,
    };
    let mut best: Option<&Finding> = None;
    for finding in findings.iter().filter(stands) {
        if best.is_none_or(|b| weight(finding) > weight(b)) {
            best = Some(finding);
        }
    }
    let best = best.or_else(|| findings.iter().find(|f| f.decides && f.status == Outcome::Skipped))?;
    Some(First {
        finding_id: best.id.clone(),
        text: best
            .remediation
            .as_ref()
            .map_or_else(|| best.title.clone(), |r| r.text.clone()),
        command: format!("Get-SsprCheck {}", best.id),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Check;

    const fn check(id: &'static str, decides: bool) -> Check {
        Check {
            id,
            title: "",
            looks_at: "",
            why: "",
            doc: "",
            decides,
            facts: &[],
        }
    }

    const ENTITLEMENT: Check = check("license.entitlement", true);
    const SEATS: Check = check("license.seats", true);
    const HELPDESK: Check = check("notifications.helpdesk", false);
    const CAPABLE: Check = check("user_registration.capable", true);

    fn named(findings: &[Finding]) -> Option<String> {
        first(findings).map(|f| f.finding_id)
    }

    #[test]
    fn what_blocks_the_most_users_comes_first() {
        let link = HELPDESK.fail(Severity::Medium, "the link is malformed");
        let unable = CAPABLE
            .warn(Severity::Medium, "8,000 of 20,000 users in scope cannot reset")
            .affects(8_000, Some(20_000), true, Vec::new());
        let seats = SEATS.fail(Severity::High, "1,506 of 20,000 have no licence").affects(
            1_506,
            Some(20_000),
            true,
            Vec::new(),
        );
        assert_eq!(
            named(&[seats.clone(), link.clone(), unable.clone()]).as_deref(),
            Some("user_registration.capable")
        );
        assert_eq!(named(&[link.clone(), seats.clone()]).as_deref(), Some("license.seats"));
        // Among equals the failing one.
        let fewer = CAPABLE
            .warn(Severity::High, "1,506")
            .affects(1_506, None, true, Vec::new());
        assert_eq!(named(&[fewer, seats]).as_deref(), Some("license.seats"));
        // What stops everybody comes before any number.
        let none = ENTITLEMENT.fail(Severity::High, "no product entitles to reset");
        assert_eq!(named(&[unable, link, none]).as_deref(), Some("license.entitlement"));
    }

    #[test]
    fn what_blocks_nobody_comes_first_only_where_it_fails() {
        let old = CAPABLE
            .warn(Severity::Medium, "old")
            .affects(9, None, false, Vec::new());
        assert_eq!(named(std::slice::from_ref(&old)), None);
        let end = CAPABLE
            .warn(Severity::High, "900 drop below two methods next year")
            .affects(900, None, false, Vec::new());
        let unread = ENTITLEMENT.skipped("not readable", "no");
        assert_eq!(
            named(&[unread, end.clone()]).as_deref(),
            Some("user_registration.capable")
        );
        let trap = SEATS
            .fail(Severity::High, "25 cannot register")
            .affects(25, None, true, Vec::new());
        assert_eq!(named(&[end, trap]).as_deref(), Some("license.seats"));
        let link = HELPDESK.fail(Severity::Low, "the link is malformed");
        assert_eq!(named(&[old.clone(), link]).as_deref(), Some("notifications.helpdesk"));
        let unread = ENTITLEMENT.skipped("not readable", "no");
        assert_eq!(named(&[old, unread]).as_deref(), Some("license.entitlement"));
    }
}
