//! What reports show of the policy's effect. They lag and have other causes, so they prove a fault and never its absence.

use super::{SCOPE, SIGNS, Scope, WHO};
use crate::finding::{Evidence, Finding, Severity, number, refused};
use crate::snapshot::{FactId, Snapshot};
use crate::steps::policy::{page, weigh};

const FACTS: &[FactId] = &[
    FactId::Registration,
    FactId::FeatureSummary,
    FactId::Recommendation,
    FactId::SecureScore,
];
const REPORT: &str = "registration report";

/// How far reset reaches, by one sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Nobody,
    Some,
    All,
}

struct Sign {
    reach: Reach,
    /// Who is left out, of how many, and some of them, where the sign counts people.
    left_out: Option<(u64, u64, Vec<String>)>,
    evidence: Evidence,
    whole: bool,
}

/// The registration report's users who are neither guests nor administrators: administrators follow a rule of their
/// own and may be enabled while users are not.
fn report(snapshot: &Snapshot) -> Option<Sign> {
    let fact = &snapshot.facts.registration;
    let report = fact.value()?;
    let (total, _) = report.count(|k| !k.guest && !k.admin);
    let (out, sample) = report.count(|k| !k.guest && !k.admin && !k.sspr_enabled);
    let reach = match out {
        // Half a report cannot show that there is nobody, or that nobody is missing.
        _ if total == 0 || (fact.is_partial() && (out == 0 || out == total)) => return None,
        0 => Reach::All,
        out if out == total => Reach::Nobody,
        _ => Reach::Some,
    };
    let seen = format!(
        "{} of {} users who are no administrators are enabled for reset (inference, up to 36 hours old)",
        number(total - out),
        number(total)
    );
    Some(Sign {
        reach,
        left_out: Some((out, total, sample)),
        evidence: Evidence {
            source: REPORT.into(),
            seen,
            as_of: report.updated.or(fact.as_of()),
        },
        whole: !fact.is_partial(),
    })
}

/// The report's own counts; they include guests and administrators, so only a plain zero tells.
fn summary(snapshot: &Snapshot) -> Option<Sign> {
    let fact = &snapshot.facts.feature_summary;
    let summary = fact.value().filter(|s| s.total_user_count > 0)?;
    let enabled = summary
        .user_registration_feature_counts
        .iter()
        .find(|c| c.feature.eq_ignore_ascii_case("ssprEnabled"))?
        .user_count;
    let total = summary.total_user_count;
    let reach = match enabled {
        0 => Reach::Nobody,
        _ => Reach::Some,
    };
    Some(Sign {
        reach,
        left_out: (enabled == 0).then(|| (total, total, Vec::new())),
        evidence: Evidence {
            source: "registration summary".into(),
            seen: format!(
                "{} of {} users enabled for reset (inference)",
                number(enabled),
                number(total)
            ),
            as_of: fact.as_of(),
        },
        whole: !fact.is_partial(),
    })
}

fn recommendation(snapshot: &Snapshot) -> Option<Sign> {
    let fact = &snapshot.facts.recommendation;
    let recommendation = fact.value()?;
    let score = recommendation.current_score;
    let reach = match recommendation.status.to_ascii_lowercase().as_str() {
        "active" if score.is_none_or(|s| s <= 0.0) => Reach::Nobody,
        "active" => Reach::Some,
        "completedbysystem" => Reach::All,
        _ => return None,
    };
    Some(Sign {
        reach,
        left_out: None,
        evidence: Evidence {
            source: "Microsoft's recommendation".into(),
            seen: format!(
                "to enable reset: {}, score {} of {} (inference)",
                crate::steps::policy::short(&recommendation.status),
                score.map_or("unknown".into(), |s| s.to_string()),
                recommendation.max_score.map_or("unknown".into(), |s| s.to_string())
            ),
            as_of: recommendation.last_checked_date_time.or(fact.as_of()),
        },
        whole: !fact.is_partial(),
    })
}

fn secure_score(snapshot: &Snapshot) -> Option<Sign> {
    let fact = &snapshot.facts.secure_score;
    let control = fact.value()?;
    let score = control.score?;
    Some(Sign {
        reach: if score <= 0.0 { Reach::Nobody } else { Reach::Some },
        left_out: None,
        evidence: Evidence {
            source: "Secure Score".into(),
            seen: format!("self-service password reset: {score} points (inference)"),
            as_of: control.created_date_time.or(fact.as_of()),
        },
        whole: !fact.is_partial(),
    })
}

/// The signs, the one that counts people first.
fn signs(snapshot: &Snapshot) -> Vec<Sign> {
    [
        report(snapshot),
        summary(snapshot),
        recommendation(snapshot),
        secure_score(snapshot),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What the signs prove where the policy itself could not be read.
pub(super) fn inferred(snapshot: &Snapshot, unknown: Finding) -> Finding {
    let signs = signs(snapshot);
    let fault = signs
        .iter()
        .find(|s| s.left_out.as_ref().is_some_and(|(out, _, _)| *out > 0))
        .or_else(|| signs.iter().find(|s| s.left_out.is_none() && s.reach == Reach::Nobody));
    let mut finding = unknown.clone();
    if let Some(sign) = fault {
        finding = match (&sign.left_out, sign.reach) {
            (Some((out, of, sample)), Reach::Nobody) => SCOPE
                .fail(
                    Severity::High,
                    format!(
                        "none of {} users is enabled for reset ({})",
                        number(*of),
                        sign.evidence.source
                    ),
                )
                .affects(*out, Some(*of), true, sample.clone()),
            (Some((out, of, sample)), _) => SCOPE
                .warn(
                    Severity::Medium,
                    format!(
                        "{} of {} users are not enabled for reset ({})",
                        number(*out),
                        number(*of),
                        sign.evidence.source
                    ),
                )
                .affects(*out, Some(*of), true, sample.clone()),
            (None, _) => SCOPE.warn(
                Severity::Medium,
                format!("reset seems to be off ({})", sign.evidence.source),
            ),
        };
        let why = "This is inferred from its effect: users who are not enabled are refused, because the policy leaves them out or they have no licence.";
        finding = finding
            .reason(match unknown.reason {
                Some(unread) => format!("{why} {unread}"),
                None => why.into(),
            })
            .fix("Look at \"Self service password reset enabled\", then at the licences.")
            .portal(page::PROPERTIES);
        finding.evidence.extend(unknown.evidence);
    }
    finding.evidence.extend(signs.into_iter().map(|s| s.evidence));
    finding.evidence.extend(refused(snapshot, FACTS));
    finding
}

/// Whether the signs fit the policy; nothing where the policy itself is not known, for then the scope says so.
pub(super) fn check(snapshot: &Snapshot) -> Option<Finding> {
    let who = weigh(snapshot, &WHO).ok().filter(|who| who.is_whole())?;
    let signs = signs(snapshot);
    if signs.is_empty() {
        return Some(SIGNS.unreadable(snapshot));
    }
    let against = |s: &&Sign| match who.value {
        Scope::All | Scope::Selected => s.reach == Reach::Nobody,
        // Only the report leaves administrators out, who may reset although users may not.
        Scope::None => s.reach != Reach::Nobody && s.evidence.source == REPORT,
    };
    let contrary: Vec<&Sign> = signs.iter().filter(against).collect();
    let whole: Vec<&Sign> = signs.iter().filter(|s| s.whole).collect();
    let mut finding = match contrary.first() {
        None if whole.is_empty() => SIGNS.skipped(
            "the signs were read only in part",
            "What was read does not speak against the policy.",
        ),
        None => SIGNS.pass(format!("in keeping with the policy: {}", names(&whole))),
        Some(sign) => {
            let severity = match sign.left_out {
                Some(_) => Severity::Medium,
                None => Severity::Low,
            };
            SIGNS
                .warn(
                    severity,
                    format!("the policy says {}, against it: {}", who.value, names(&contrary)),
                )
                .reason(match who.value {
                    Scope::None => "Users are still enabled: the reports lag by up to 36 hours, or the policy was changed meanwhile.",
                    _ => "Nobody is enabled in effect: the users have no licence, or the reports lag by up to 36 hours behind a change.",
                })
                .fix("Look again tomorrow; if it stays, look at the licences and the group.")
                .portal(page::PROPERTIES)
        }
    };
    finding.evidence = who.evidence().to_vec();
    finding.evidence.extend(signs.into_iter().map(|s| s.evidence));
    finding.evidence.extend(refused(snapshot, FACTS));
    Some(finding)
}

fn names(signs: &[&Sign]) -> String {
    signs
        .iter()
        .map(|s| s.evidence.source.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}
