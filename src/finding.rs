//! A finding: what was seen, what it means, what to do.

use crate::snapshot::{Fact, FactId, Refusal, RefusalKind, Snapshot, source};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a check came to, the least telling first. All but Pass, Warn and Fail always carry a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// Does not apply to this tenant.
    NotApplicable,
    /// Seen and right.
    Pass,
    /// Could not be read.
    Skipped,
    /// Works, but will not for everybody or not for long.
    Warn,
    /// The check itself failed.
    Error,
    /// Stands between users and their reset.
    Fail,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Untidy.
    Low,
    /// Some users, or some day.
    Medium,
    /// Many users, today.
    High,
}

/// What was seen, where, and how old it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Where it was read.
    pub source: String,
    /// What was seen.
    pub seen: String,
    /// When that was true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
}

/// The one thing to do next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Remediation {
    /// In words.
    pub text: String,
    /// As a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// As a page of the portal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub portal_url: Option<String>,
    /// Where Microsoft explains it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doc_url: Option<String>,
}

/// Whom it touches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Affected {
    /// How many.
    pub count: u64,
    /// Of how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    /// Whether it keeps them from resetting.
    pub blocks_reset: bool,
    /// Some of them.
    pub sample: Vec<String>,
}

/// Who accepts a finding, why and until when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiver {
    /// Who accepts it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The last day on which it is accepted.
    pub last_day: String,
    /// True where that day is over: then the finding counts again.
    pub ended: bool,
}

/// The outcome of one check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// `step.slug`, never reused.
    pub id: String,
    /// The step it belongs to.
    pub step: String,
    /// What the check came to.
    pub status: Outcome,
    /// How much it matters.
    pub severity: Severity,
    /// One sentence with the numbers in it.
    pub title: String,
    /// Whether `ready` depends on it.
    pub decides: bool,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
    /// Why a check was skipped, does not apply or failed; else what it means for a user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<Remediation>,
    /// Whom it touches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affected: Option<Affected>,
    /// Whether the organisation accepts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<Waiver>,
}

/// One thing that a step looks at. Every finding comes from one.
#[derive(Debug)]
pub struct Check {
    /// `step.slug`.
    pub id: &'static str,
    /// What is checked, in a few words.
    pub title: &'static str,
    /// What it reads and compares.
    pub looks_at: &'static str,
    /// Why it matters to a user.
    pub why: &'static str,
    /// Where Microsoft explains it.
    pub doc: &'static str,
    /// Whether `ready` depends on it.
    pub decides: bool,
    /// The facts it asks for.
    pub facts: &'static [FactId],
}

impl Check {
    /// The step's name.
    pub fn step(&self) -> &'static str {
        self.id.split_once('.').map_or(self.id, |(step, _)| step)
    }

    /// A finding of this check; every other constructor builds on it.
    pub fn finding(&self, status: Outcome, severity: Severity, title: impl Into<String>) -> Finding {
        Finding {
            id: self.id.into(),
            step: self.step().into(),
            status,
            severity,
            title: title.into(),
            decides: self.decides,
            evidence: Vec::new(),
            reason: None,
            remediation: None,
            affected: None,
            waiver: None,
        }
    }

    /// Seen and right.
    pub fn pass(&self, title: impl Into<String>) -> Finding {
        self.finding(Outcome::Pass, Severity::Info, title)
    }

    /// Stands between users and their reset.
    pub fn fail(&self, severity: Severity, title: impl Into<String>) -> Finding {
        self.finding(Outcome::Fail, severity, title)
    }

    /// Works, but not for everybody or not for long.
    pub fn warn(&self, severity: Severity, title: impl Into<String>) -> Finding {
        self.finding(Outcome::Warn, severity, title)
    }

    /// Does not apply, and why.
    pub fn not_applicable(&self, reason: impl Into<String>) -> Finding {
        let reason = reason.into();
        let mut finding = self.finding(Outcome::NotApplicable, Severity::Info, clause(&reason));
        finding.reason = Some(reason);
        finding
    }

    /// Could not be decided, and why.
    pub fn skipped(&self, title: impl Into<String>, reason: impl Into<String>) -> Finding {
        let mut finding = self.finding(Outcome::Skipped, Severity::Medium, title);
        let reason = reason.into();
        // A saved snapshot may have lost the reason.
        finding.reason = Some(if reason.trim().is_empty() {
            "Why was not told.".into()
        } else {
            reason
        });
        finding
    }

    /// Could not be decided because a source refused, or was not asked; says what would open the way.
    pub fn unread(&self, refusal: Option<&Refusal>) -> Finding {
        let Some(refusal) = refusal else {
            return self.skipped("not read in this run", "No source was asked for it.");
        };
        let title = match &refusal.needs {
            Some(needs) => format!("not readable: needs {needs}"),
            None => format!("not readable: {}", refusal.message),
        };
        let finding = self.skipped(title, &refusal.message);
        match opening(refusal) {
            Some(text) => finding.fix(text),
            None => finding,
        }
    }

    /// Could not be decided because these of its facts could not be read; says what would open the way.
    pub fn unreadable(&self, snapshot: &Snapshot) -> Finding {
        let refusals: Vec<(FactId, &Refusal)> = self
            .facts
            .iter()
            .filter_map(|&id| snapshot.facts.refusal(id).map(|r| (id, r)))
            .collect();
        let Some((_, first)) = refusals.first() else {
            return self.skipped("not read in this run", "No source was asked for it.");
        };
        let mut needs: Vec<&str> = Vec::new();
        for need in refusals.iter().filter_map(|(_, r)| r.needs.as_deref()) {
            if !needs.contains(&need) {
                needs.push(need);
            }
        }
        let title = match needs.as_slice() {
            [] => format!("not readable: {}", first.message),
            needs => format!("not readable: needs {}", needs.join(" and ")),
        };
        let mut finding = self.skipped(
            title,
            refusals
                .iter()
                .map(|(_, r)| r.message.as_str())
                .collect::<Vec<_>>()
                .join(" "),
        );
        finding.evidence = refused(snapshot, self.facts);
        match refusals.iter().find_map(|(_, refusal)| opening(refusal)) {
            Some(text) => finding.fix(text),
            None => finding,
        }
    }
}

/// A reason's first sentence as a title has it: from a small letter on, without its stop.
fn clause(reason: &str) -> String {
    let sentence = reason.split(". ").next().unwrap_or(reason).trim_end_matches('.');
    let mut letters = sentence.chars();
    match (letters.next(), letters.as_str()) {
        (Some(first), rest) if rest.starts_with(|c: char| !c.is_uppercase()) => {
            first.to_lowercase().chain(rest.chars()).collect()
        }
        _ => sentence.into(),
    }
}

/// What opens the way to a source, where that is known.
fn opening(refusal: &Refusal) -> Option<String> {
    let needs = refusal.needs.as_deref()?;
    match refusal.kind {
        RefusalKind::Permission => Some(format!(
            "Grant {needs} with the consent of an administrator, then connect again."
        )),
        RefusalKind::Role => Some(format!("Sign in as a person who holds {needs}.")),
        RefusalKind::License => Some(format!(
            "Microsoft answers this only where the tenant has {needs}: get it, or look by hand in the portal."
        )),
        _ => None,
    }
}

/// Which of these facts could not be read, and why.
pub fn refused(snapshot: &Snapshot, facts: &[FactId]) -> Vec<Evidence> {
    let refusals = facts.iter().filter_map(|&id| Some((id, snapshot.facts.refusal(id)?)));
    let evidence = refusals.map(|(id, refusal)| Evidence {
        source: source(id).path.into(),
        seen: match &refusal.code {
            Some(code) => format!("{} ({code})", refusal.message),
            None => refusal.message.clone(),
        },
        as_of: Some(snapshot.taken_at),
    });
    evidence.collect()
}

impl Finding {
    /// Whether the organisation accepts it now: it stays what it is, and counts no more.
    pub fn accepted(&self) -> bool {
        self.waiver.as_ref().is_some_and(|waiver| !waiver.ended)
    }

    /// Adds what a fact showed. A fact that was read only in part proves a fault, never its absence, so a Pass that
    /// rests on one is none.
    pub fn evidence<T>(self, fact: &Fact<T>, seen: impl Into<String>) -> Self {
        let in_part = match fact {
            Fact::Partial { reason, .. } => Some(reason.as_str()),
            _ => None,
        };
        self.rests_on(in_part, fact.source(), fact.as_of(), seen.into())
    }

    /// The same whatever the fact is of, so that it is compiled once.
    fn rests_on(mut self, in_part: Option<&str>, source: Option<&str>, as_of: Option<Timestamp>, seen: String) -> Self {
        if let (Outcome::Pass, Some(reason)) = (self.status, in_part) {
            self.status = Outcome::Skipped;
            self.severity = Severity::Medium;
            self.title = format!("{}, but the source was read only in part", self.title);
            self.reason = Some(
                format!("What was not read may say otherwise. {reason}")
                    .trim_end()
                    .into(),
            );
        }
        if let Some(source) = source {
            self.evidence.push(Evidence {
                source: source.into(),
                seen,
                as_of,
            });
        }
        self
    }

    /// Adds what it means for a user.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Adds what to do.
    pub fn fix(mut self, text: impl Into<String>) -> Self {
        self.remediation.get_or_insert_default().text = text.into();
        self
    }

    /// Adds the command that does it.
    pub fn command(mut self, command: impl Into<String>) -> Self {
        self.remediation.get_or_insert_default().command = Some(command.into());
        self
    }

    /// Adds the page of the portal where it is done.
    pub fn portal(mut self, url: impl Into<String>) -> Self {
        self.remediation.get_or_insert_default().portal_url = Some(url.into());
        self
    }

    /// Adds whom it touches. Two counts may come from two moments; a whole that is less than its part is left out.
    pub fn affects(mut self, count: u64, of: Option<u64>, blocks_reset: bool, sample: Vec<String>) -> Self {
        self.affected = Some(Affected {
            count,
            of: of.filter(|of| *of >= count),
            blocks_reset,
            sample,
        });
        self
    }
}

/// A number as people write it: `20,006`.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with its noun: `1 user`, `412 users`.
pub fn counted(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if value == 1 { one } else { many })
}

/// A count with its whole: `412 of 20,006 users`; `at least 412 users` where a source was read in part.
pub fn share(count: u64, of: Option<u64>, partial: bool, one: &str, many: &str) -> String {
    let at_least = if partial { "at least " } else { "" };
    match of.filter(|of| *of >= count) {
        Some(of) => format!("{at_least}{} of {}", number(count), counted(of, one, many)),
        None => format!("{at_least}{}", counted(count, one, many)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_source_proves_a_fault_and_never_its_absence() {
        const CHECK: Check = Check {
            id: "test.one",
            title: "",
            looks_at: "",
            why: "",
            doc: "",
            decides: true,
            facts: &[],
        };
        let fact: Fact<u64> = Fact::Partial {
            value: 1,
            source: "test".into(),
            as_of: jiff::Timestamp::UNIX_EPOCH,
            read: 1,
            of: None,
            reason: "The time was used up.".into(),
        };
        let pass = CHECK.pass("all well").evidence(&fact, "1");
        assert_eq!(pass.status, Outcome::Skipped);
        assert!(pass.reason.unwrap().ends_with("The time was used up."));
        assert_eq!(
            CHECK.fail(Severity::Low, "x").evidence(&fact, "1").status,
            Outcome::Fail
        );
    }

    #[test]
    fn a_title_is_a_clause() {
        assert_eq!(clause("No group is selected."), "no group is selected");
        assert_eq!(clause("Nothing was written. The log may lag."), "nothing was written");
        assert_eq!(clause("MFA is not asked for."), "MFA is not asked for");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_000), "1,000");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(counted(1, "user", "users"), "1 user");
        assert_eq!(share(2, Some(1_000), false, "user", "users"), "2 of 1,000 users");
        assert_eq!(share(2, None, true, "user", "users"), "at least 2 users");
        assert_eq!(share(2, Some(1), false, "user", "users"), "2 users");
    }
}
