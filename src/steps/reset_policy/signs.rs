//! What reports show of the policy's effect. They lag and have other causes, so they prove a fault and never its absence.

use super::{SCOPE, SIGNS, Scope, WHO};
use crate::finding::{Evidence, Finding, Severity, counted, number, refused};
use crate::snapshot::people::CohortKey;
use crate::snapshot::{FactId, Snapshot};
use crate::steps::policy::{REPORT_LAG, page, weigh};

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
    left_out: Option<LeftOut>,
    evidence: Evidence,
    whole: bool,
}

/// Who is not enabled, where the sign counts people.
struct LeftOut {
    count: u64,
    /// Of how many; unknown where the source was read in part, which is never taken for the whole.
    of: Option<u64>,
    sample: Vec<String>,
}

impl LeftOut {
    fn text(&self) -> String {
        match self.of {
            Some(of) if of == self.count => format!("none of {} users is enabled for reset", number(of)),
            Some(of) => format!(
                "{} of {} users are not enabled for reset",
                number(self.count),
                number(of)
            ),
            None => format!(
                "at least {} not enabled for reset",
                counted(self.count, "user is", "users are")
            ),
        }
    }

    fn of(&self, finding: Finding) -> Finding {
        finding.affects(self.count, self.of, true, self.sample.clone())
    }
}

/// The registration report's users who are neither guests nor administrators: administrators follow a rule of their
/// own and may be enabled while users are not.
fn report(snapshot: &Snapshot) -> Option<Sign> {
    let fact = &snapshot.facts.registration;
    let report = fact.value()?;
    let (total, _) = report.count(user);
    let (out, sample) = report.count(|k| user(k) && !k.sspr_enabled);
    let whole = fact.whole().is_some();
    let reach = match out {
        // Half a report cannot show that there is nobody, or that nobody is missing.
        0 if total == 0 || !whole => return None,
        0 => Reach::All,
        out if out == total && whole => Reach::Nobody,
        _ => Reach::Some,
    };
    let left_out = LeftOut {
        count: out,
        of: whole.then_some(total),
        sample,
    };
    let seen = match whole {
        true => format!("{} of {} users", number(total - out), number(total)),
        false => format!("read in part; {} of those read", number(total - out)),
    };
    Some(Sign {
        reach,
        evidence: Evidence {
            source: REPORT.into(),
            seen: format!("{seen} who are no administrators are enabled for reset (inference, up to 36 hours old)"),
            as_of: report.updated.or(fact.as_of()),
        },
        left_out: Some(left_out).filter(|l| l.count > 0),
        whole,
    })
}

/// Neither a guest nor an administrator.
fn user(key: &CohortKey) -> bool {
    !key.guest && !key.admin && !key.global_admin
}

/// Fails where a group is selected and the whole report shows nobody who is enabled; not while the report may lag
/// behind a change of the policy.
pub(super) fn nobody(snapshot: &Snapshot) -> Option<Finding> {
    let sign = report(snapshot).filter(|s| s.reach == Reach::Nobody)?;
    let changed = match WHO.logged(snapshot) {
        Ok(change) => change.map(|c| c.at),
        Err(unread) => Some(unread.at),
    };
    let seen = sign.evidence.as_of?;
    if changed.is_some_and(|at| seen.duration_since(at) < REPORT_LAG) {
        return None;
    }
    let out = sign.left_out?;
    let title = format!("a group is selected, but {} ({REPORT})", out.text());
    let mut finding = out.of(SCOPE.fail(Severity::High, title));
    finding.evidence.push(sign.evidence);
    Some(
        finding
            .reason("The selected group is empty or holds administrators only, or its users have no licence for self-service reset. This is inferred from its effect.")
            .fix("Look at the members of the group under \"Self service password reset enabled\", then at their licences.")
            .portal(page::PROPERTIES),
    )
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
        left_out: (enabled == 0).then(|| LeftOut {
            count: total,
            of: (!fact.is_partial()).then_some(total),
            sample: Vec::new(),
        }),
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
            seen: format!("self-service password reset: score {score} (inference)"),
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
    let nobody = |s: &&Sign| s.left_out.is_none() && s.reach == Reach::Nobody;
    let fault = signs.iter().find(|s| s.left_out.is_some());
    let mut finding = unknown.clone();
    if let Some(sign) = fault.or_else(|| signs.iter().find(nobody)) {
        finding = match &sign.left_out {
            Some(out) => {
                let title = format!("{} ({})", out.text(), sign.evidence.source);
                out.of(match sign.reach {
                    Reach::Nobody => SCOPE.fail(Severity::High, title),
                    _ => SCOPE.warn(Severity::Medium, title),
                })
            }
            None => SCOPE.warn(
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

/// Whether the signs fit the policy. Where the policy itself is not known, the scope says what they show.
pub(super) fn check(snapshot: &Snapshot) -> Finding {
    let who = match weigh(snapshot, &WHO) {
        Ok(who) if who.is_whole() => who,
        Ok(_) => return uncompared("The source that tells who may reset was read only in part."),
        Err(unknown) => return uncompared(unknown.reason()),
    };
    let signs = signs(snapshot);
    if signs.is_empty() {
        return SIGNS.unreadable(snapshot);
    }
    let against = |s: &&Sign| match who.value {
        Scope::All => s.reach == Reach::Nobody || s.left_out.is_some(),
        Scope::Selected => s.reach == Reach::Nobody,
        // Only the report leaves administrators out, who may reset although users may not.
        Scope::None => s.reach != Reach::Nobody && s.whole && s.evidence.source == REPORT,
    };
    let contrary: Vec<&Sign> = signs.iter().filter(against).collect();
    // Where nobody may, administrators may still: a sign that counts them too speaks neither for the policy nor against it.
    let silent = |s: &&Sign| who.value == Scope::None && s.reach != Reach::Nobody && s.evidence.source != REPORT;
    let whole: Vec<&Sign> = signs.iter().filter(|s| s.whole && !silent(s)).collect();
    let mut finding = match contrary.first() {
        None if signs.iter().all(|s| silent(&s)) => SIGNS.skipped(
            "the signs that were read do not tell whether reset is off",
            "They show that some can reset. Administrators can where nobody else may, and these signs do not leave them out.",
        ),
        None if whole.is_empty() => SIGNS.skipped(
            "the signs were read only in part",
            "What was read does not speak against the policy.",
        ),
        None => SIGNS.pass(format!("in keeping with the policy: {}", names(&whole))),
        Some(sign) => {
            let (severity, title) = match &sign.left_out {
                Some(out) if who.value != Scope::None => (
                    Severity::Medium,
                    format!(
                        "the policy says {}, but {} ({})",
                        who.value,
                        out.text(),
                        sign.evidence.source
                    ),
                ),
                left_out => (
                    if left_out.is_some() {
                        Severity::Medium
                    } else {
                        Severity::Low
                    },
                    format!("the policy says {}, against it: {}", who.value, names(&contrary)),
                ),
            };
            let finding = SIGNS
                .warn(severity, title)
                .reason(match who.value {
                    Scope::None => "Users are still enabled: the reports lag by up to 36 hours, or the policy was changed meanwhile.",
                    _ => "Users who are not enabled are refused: they have no licence, the selected group leaves them out, or the reports lag by up to 36 hours behind a change.",
                })
                .fix("Look again tomorrow; if it stays, look at the licences and the group.")
                .portal(page::PROPERTIES);
            match &sign.left_out {
                Some(out) if who.value != Scope::None => out.of(finding),
                _ => finding,
            }
        }
    };
    finding.evidence.splice(0..0, who.evidence().iter().cloned());
    finding.evidence.extend(signs.into_iter().map(|s| s.evidence));
    finding.evidence.extend(refused(snapshot, FACTS));
    finding
}

fn uncompared(why: &str) -> Finding {
    SIGNS.skipped(
        "not compared: who may reset is not known",
        format!("What the signs show by themselves stands under reset_policy.scope. {why}"),
    )
}

fn names(signs: &[&Sign]) -> String {
    signs
        .iter()
        .map(|s| s.evidence.source.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}
