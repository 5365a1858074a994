//! Step `security_questions`: are they on, numbered sensibly, and who still leans on them? They end in March 2027.

use super::authentication_methods::retirement::QUESTIONS_GONE;
use super::policy::{Portal, SECURITY_QUESTIONS, Setting, Switch, Wish, both, date, integer, page, weigh};
use super::touched::in_scope;
use super::{Setup, Step};
use crate::change::{Change, Kind};
use crate::desired::DesiredState;
use crate::finding::{Check, Finding, Severity, counted, number};
use crate::snapshot::{FactId, Snapshot};
use serde_json::json;

/// The step.
pub const STEP: Step = Step {
    name: "security_questions",
    title: "Security questions",
    checks: &[&ENABLED, &NUMBERS, &DEFINED, &RETIREMENT],
    check,
    setup: Some(SETUP),
};

const DOC: &str = "https://learn.microsoft.com/entra/identity/authentication/concept-authentication-security-questions";
const FACTS: &[FactId] = &[FactId::PortalResetPolicy, FactId::AuditSettings];
/// The least number of questions that the portal offers, to register as to reset.
const LEAST: i64 = 3;
/// The most.
const MOST: i64 = 5;

const ENABLED: Check = Check {
    id: "security_questions.enabled",
    title: "Whether security questions are offered",
    looks_at: "The security questions option of the reset policy, which never moved to the methods policy.",
    why: "Answers can be guessed or looked up. Microsoft advises against them and ends them in March 2027, so either way is acceptable until then.",
    doc: DOC,
    decides: false,
    facts: FACTS,
};
const NUMBERS: Check = Check {
    id: "security_questions.numbers",
    title: "How many questions to register and to reset",
    looks_at: "Questions to register (3 to 5) against questions to reset (3 to 5).",
    why: "Who must answer more questions than could be registered cannot reset; who needs few is easily guessed.",
    doc: DOC,
    decides: false,
    facts: FACTS,
};
const DEFINED: Check = Check {
    id: "security_questions.defined",
    title: "Enough questions are defined",
    looks_at: "The questions, Microsoft's own and custom ones, against the number to register.",
    why: "With fewer questions than must be registered, nobody can register them.",
    doc: DOC,
    decides: false,
    facts: FACTS,
};
const RETIREMENT: Check = Check {
    id: "security_questions.retirement",
    title: "Who still leans on security questions",
    looks_at: "Users with registered security questions in the registration report, and the announced end in March 2027.",
    why: "From then on the answers no longer count for a reset.",
    doc: DOC,
    decides: false,
    facts: &[FactId::PortalResetPolicy, FactId::AuditSettings, FactId::Registration],
};

pub(super) const TO_REGISTER: Setting<i64> = Setting {
    name: "number of questions to register",
    portal: Portal::Reset(|p| p.number_of_questions_to_register),
    member: "numberOfQuestionsToRegister",
    logged: &["NumberOfSecurityQuestionsToRegister"],
    parse: integer,
};
pub(super) const TO_RESET: Setting<i64> = Setting {
    name: "number of questions to reset",
    portal: Portal::Reset(|p| p.number_of_questions_to_reset),
    member: "numberOfQuestionsToReset",
    logged: &["NumberOfSecurityQuestionsToVerify"],
    parse: integer,
};

const SETUP: Setup = Setup {
    needs: &[FactId::PortalResetPolicy, FactId::AuditSettings, FactId::UserCounts],
    plan,
};

fn plan(snapshot: &Snapshot, desired: &DesiredState) -> Vec<Change> {
    let Some(wanted) = &desired.security_questions else {
        return Vec::new();
    };
    let enabled = Wish {
        check: &ENABLED,
        title: match wanted.enabled {
            Some(false) => "Do not offer security questions",
            _ => "Offer security questions",
        },
        label: "Security questions",
        page: page::METHODS,
    };
    let register = Wish {
        check: &NUMBERS,
        title: "Set how many security questions are registered and answered",
        label: "Number of questions required to register",
        page: page::METHODS,
    };
    let reset = Wish {
        label: "Number of questions required to reset",
        ..register
    };
    let ends = format!("Microsoft ends security questions in March {QUESTIONS_END}.");
    let changes = [
        SECURITY_QUESTIONS
            .change(snapshot, wanted.enabled.map(Switch), enabled)
            .map(|change| match wanted.enabled {
                Some(true) => change.risk(ends),
                _ => change,
            }),
        both(
            TO_REGISTER.change(snapshot, wanted.to_register.map(i64::from), register),
            TO_RESET.change(snapshot, wanted.to_reset.map(i64::from), reset),
        ),
        typed(snapshot, wanted.questions.as_deref().unwrap_or_default()),
    ];
    let changes = changes.into_iter().flatten();
    changes
        .map(|change| change.touches(in_scope(snapshot, desired)))
        .collect()
}

/// The year in which they end.
const QUESTIONS_END: u16 = 2027;

/// What tells Microsoft's own questions, in the words of their English form.
const PREDEFINED: &[&str] = &[
    "first spouse",
    "parents meet",
    "nearest sibling",
    "father born",
    "was your first job",
    "mother born",
    "new year",
    "teacher in high school",
    "college you applied",
    "wedding reception",
    "father's middle",
    "favorite food",
    "maternal grandmother",
    "mother's middle",
    "oldest sibling",
    "paternal grandfather",
    "youngest sibling",
    "sixth grade",
    "childhood best friend",
    "significant other",
    "grade school teacher",
    "car or motorcycle",
    "first school",
    "hospital in which",
    "first childhood home",
    "childhood hero",
    "stuffed animal",
    "first pet",
    "childhood nickname",
    "sport in high school",
    "childhood telephone",
    "when you grew up",
    "most famous person",
];

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let on = match weigh(snapshot, &SECURITY_QUESTIONS) {
        Ok(on) => on,
        Err(unknown) => {
            let mut findings: Vec<Finding> = [&ENABLED, &NUMBERS, &DEFINED].map(|c| unknown.finding(c)).into();
            findings.push(retirement(snapshot, None));
            return findings;
        }
    };
    let (title, reason) = match (on.value.0, gone(snapshot)) {
        (true, false) => (
            "offered until March 2027",
            "They count among the methods until Microsoft ends them. Microsoft advises to turn them off before.",
        ),
        (true, true) => (
            "on, but they ended in March 2027",
            "They no longer reset a password, whatever the option says.",
        ),
        (false, false) => (
            "off, and they end in March 2027",
            "Nothing is to be done: answers can be guessed, and Microsoft ends security questions in March 2027.",
        ),
        (false, true) => ("off; they ended in March 2027", "Nothing is to be done."),
    };
    let title = format!("{title} ({})", on.note);
    let mut findings = vec![on.support(ENABLED.pass(title).reason(reason))];
    if on.value.0 {
        findings.extend([numbers(snapshot), defined(snapshot)]);
    } else {
        findings.extend([&NUMBERS, &DEFINED].map(|c| c.not_applicable("Security questions are off.")));
    }
    findings.push(retirement(snapshot, Some(on.value.0)));
    findings
}

/// Whether they have surely ended.
fn gone(snapshot: &Snapshot) -> bool {
    snapshot.taken_at.to_zoned(jiff::tz::TimeZone::UTC).date() >= QUESTIONS_GONE
}

fn numbers(snapshot: &Snapshot) -> Finding {
    let (register, reset) = match (weigh(snapshot, &TO_REGISTER), weigh(snapshot, &TO_RESET)) {
        (Ok(register), Ok(reset)) => (register, reset),
        (Err(unknown), _) | (_, Err(unknown)) => return unknown.finding(&NUMBERS),
    };
    let title = format!(
        "{} to register, {} to reset ({})",
        register.value, reset.value, reset.note
    );
    let finding = if register.value < reset.value {
        NUMBERS
            .fail(Severity::High, title)
            .reason("A reset asks for more answers than a user has registered, so nobody resets with questions.")
            .fix("Set the number to register to at least the number to reset, such as 5 and 3.")
            .portal(page::METHODS)
    } else if reset.value < LEAST {
        NUMBERS
            .warn(Severity::Medium, title)
            .reason("Few answers are easily guessed or looked up.")
            .fix("Ask for at least 3 answers to reset.")
            .portal(page::METHODS)
    } else if register.value > MOST {
        NUMBERS
            .warn(Severity::Low, title)
            .reason("The portal offers 3 to 5; users give up on longer lists.")
            .fix("Ask for 5 answers to register.")
            .portal(page::METHODS)
    } else {
        NUMBERS.pass(title)
    };
    register.support(reset.support(finding))
}

/// Questions of one's own, as far as the portal does not list them yet: a person types them.
fn typed(snapshot: &Snapshot, wanted: &[String]) -> Option<Change> {
    let policy = snapshot.facts.portal_reset_policy.whole();
    let there = |text: &String| {
        let mut listed = policy.into_iter().flat_map(|policy| &policy.security_questions);
        listed.any(|question| question.question_text.as_deref() == Some(text))
    };
    let open: Vec<&String> = wanted.iter().filter(|text| !there(text)).collect();
    let (first, last) = ("Open the security questions, Custom, Add.", "Select OK, then Save.");
    let each = open.iter().map(|text| format!("Type: {text}"));
    let clicks: Vec<String> = std::iter::once(first.into()).chain(each).chain([last.into()]).collect();
    let clicks: Vec<&str> = clicks.iter().map(String::as_str).collect();
    (!open.is_empty()).then(|| {
        let mut change = Change::of(DEFINED.id, Kind::Manual, "Type your own security questions");
        change.target = "password reset policy".into();
        change.after = json!({ "securityQuestions": open });
        change.by_hand(page::METHODS, &clicks)
    })
}

fn defined(snapshot: &Snapshot) -> Finding {
    let fact = &snapshot.facts.portal_reset_policy;
    let Some(policy) = fact.value() else {
        return DEFINED.skipped(
            "the questions are not readable without the portal API",
            "The audit log does not list the questions.",
        );
    };
    let register = match weigh(snapshot, &TO_REGISTER) {
        Ok(register) => register,
        Err(unknown) => return unknown.finding(&DEFINED),
    };
    let texts: Vec<String> = policy
        .security_questions
        .iter()
        .map(|q| {
            q.question_text
                .clone()
                .unwrap_or_default()
                .to_lowercase()
                .replace('\u{2019}', "'")
        })
        .collect();
    let own = texts
        .iter()
        .filter(|t| PREDEFINED.iter().any(|p| t.contains(p)))
        .count();
    let (all, own) = (texts.len() as u64, own as u64);
    let seen = format!("{} by Microsoft, {} custom", number(own), number(all - own));
    let enough = i64::try_from(all).is_ok_and(|n| n >= register.value);
    let finding = if enough && all > 0 {
        let finding = DEFINED.pass(format!(
            "{} defined, {} to register",
            counted(all, "question", "questions"),
            register.value
        ));
        if all > own {
            finding.reason("Custom questions are shown as they were written, whatever language a user speaks.")
        } else {
            finding
        }
    } else if all == 0 {
        DEFINED
            .warn(Severity::Medium, "the portal lists no questions, although they are on")
            .reason("Users may have nothing to choose from when they register.")
            .fix("Look whether questions are selected; select at least as many as must be registered.")
            .portal(page::METHODS)
    } else {
        DEFINED
            .fail(
                Severity::Medium,
                format!(
                    "{} defined, but {} to register",
                    counted(all, "question", "questions"),
                    register.value
                ),
            )
            .reason("Nobody can register as many answers as are asked for.")
            .fix("Select or write more questions, or ask for fewer.")
            .portal(page::METHODS)
    };
    register.support(finding.evidence(fact, seen))
}

fn retirement(snapshot: &Snapshot, on: Option<bool>) -> Finding {
    if on == Some(false) {
        return RETIREMENT.not_applicable("Security questions are off.");
    }
    let fact = &snapshot.facts.registration;
    let when = if gone(snapshot) { "ended" } else { "end" };
    let Some(report) = fact.value() else {
        return match on {
            Some(true) => RETIREMENT
                .warn(
                    Severity::Medium,
                    format!("they {when} in March 2027; who registered them is not readable"),
                )
                .reason("Users who lean on them lose a method then.")
                .fix("Have users register Microsoft Authenticator or another method before.")
                .portal(page::METHODS),
            _ => RETIREMENT.unreadable(snapshot),
        };
    };
    let bit = report.method_bit("securityQuestion");
    let (with, sample) = report.count(|k| k.methods & bit != 0);
    let (all, _) = report.count(|_| true);
    let seen = format!(
        "{} of {} users registered security questions{}",
        number(with),
        number(all),
        report
            .updated
            .map_or(String::new(), |at| format!(", report of {}", date(at)))
    );
    if with == 0 && fact.is_partial() {
        return RETIREMENT.skipped(
            "the registration report was read only in part",
            "Nobody with security questions was seen in the part that was read.",
        );
    }
    if with == 0 {
        return RETIREMENT
            .pass("nobody leans on security questions")
            .evidence(fact, seen);
    }
    let least = if fact.is_partial() { "at least " } else { "" };
    RETIREMENT
        .warn(
            Severity::Medium,
            format!("{least}{} registered security questions, which {when} in March 2027", counted(with, "user", "users")),
        )
        .evidence(fact, seen)
        .reason("Their answers no longer count then. Who drops below the required number of methods is told by the step authentication_methods.")
        .fix("Have these users register Microsoft Authenticator or another method, then turn the questions off.")
        .portal(page::METHODS)
        .affects(with, (!fact.is_partial()).then_some(all), false, sample)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Outcome;
    use crate::snapshot::people::CohortKey;
    use crate::snapshot::portal::{PasswordResetPolicy, SecurityQuestion};
    use crate::snapshot::{Fact, RefusalKind};
    use crate::steps::testing::{at, find, known, log, partial, refused, report, snapshot};

    fn portal(on: bool, register: i64, reset: i64, questions: &[&str]) -> Snapshot {
        let mut s = snapshot();
        s.facts.portal_reset_policy = known(PasswordResetPolicy {
            security_questions_option_enabled: Some(on),
            number_of_questions_to_register: Some(register),
            number_of_questions_to_reset: Some(reset),
            security_questions: questions
                .iter()
                .map(|q| SecurityQuestion {
                    question_text: Some((*q).into()),
                })
                .collect(),
            ..Default::default()
        });
        s
    }

    const FIVE: &[&str] = &[
        "What was the name of your first pet?",
        "Where did your PARENTS MEET?",
        "What is your badge number?",
        "What is your mother\u{2019}s middle name?",
        "What is your favorite food?",
    ];

    fn users(with: u64, without: u64) -> crate::snapshot::people::Registration {
        let key = |methods| CohortKey {
            methods,
            ..Default::default()
        };
        report(&["email", "securityQuestion"], vec![(key(3), with), (key(1), without)])
    }

    #[test]
    fn off_is_well() {
        let s = portal(false, 0, 0, &[]);
        let f = find(&STEP, &ENABLED, &s);
        assert_eq!(f.status, Outcome::Pass);
        assert!(f.title.contains("March 2027"));
        for check in [&NUMBERS, &DEFINED, &RETIREMENT] {
            assert_eq!(find(&STEP, check, &s).status, Outcome::NotApplicable);
        }
    }

    #[test]
    fn on_and_sound_warns_of_the_end_only() {
        let mut s = portal(true, 5, 3, FIVE);
        s.facts.registration = known(users(312, 688));
        for check in [&ENABLED, &NUMBERS, &DEFINED] {
            let f = find(&STEP, check, &s);
            assert_eq!(f.status, Outcome::Pass, "{f:#?}");
        }
        let f = find(&STEP, &DEFINED, &s);
        assert!(
            f.evidence.iter().any(|e| e.seen == "4 by Microsoft, 1 custom"),
            "{f:#?}"
        );
        let f = find(&STEP, &RETIREMENT, &s);
        assert_eq!(f.status, Outcome::Warn);
        assert_eq!(
            f.title,
            "312 users registered security questions, which end in March 2027"
        );
        let affected = f.affected.unwrap();
        assert_eq!(
            (affected.count, affected.of, affected.blocks_reset),
            (312, Some(1_000), false)
        );
        s.taken_at = at("2027-03-31T23:00:00Z");
        assert!(find(&STEP, &ENABLED, &s).title.starts_with("offered until March 2027"));
        s.taken_at = at("2027-04-01T00:00:00Z");
        assert!(find(&STEP, &RETIREMENT, &s).title.contains("which ended"));
        assert_eq!(
            find(&STEP, &ENABLED, &s).title,
            "on, but they ended in March 2027 (portal)"
        );
    }

    #[test]
    fn numbers_that_lock_out_fail() {
        assert_eq!(find(&STEP, &NUMBERS, &portal(true, 3, 5, FIVE)).status, Outcome::Fail);
        assert_eq!(find(&STEP, &NUMBERS, &portal(true, 3, 1, FIVE)).status, Outcome::Warn);
        assert_eq!(find(&STEP, &NUMBERS, &portal(true, 9, 3, FIVE)).status, Outcome::Warn);
        let f = find(&STEP, &DEFINED, &portal(true, 5, 3, &FIVE[..4]));
        assert_eq!(
            (f.status, f.title.as_str()),
            (Outcome::Fail, "4 questions defined, but 5 to register")
        );
        assert_eq!(find(&STEP, &DEFINED, &portal(true, 5, 3, &[])).status, Outcome::Warn);
    }

    #[test]
    fn the_log_lists_methods_or_names_the_option() {
        let mut s = snapshot();
        let on = |s: &mut Snapshot, value: &str| {
            s.facts.audit_settings = log(&[("SelectedContactMethodsForUsers", value, "2026-11-02T08:00:00Z")]);
            weigh(s, &SECURITY_QUESTIONS).unwrap().value.0
        };
        assert!(on(&mut s, "[\"Email\",\"SecurityQuestions\"]"));
        assert!(!on(&mut s, "[\"Email\",\"MobilePhone\"]"));
        assert!(!on(&mut s, "\"False\""));
        assert_eq!(find(&STEP, &ENABLED, &s).status, Outcome::Pass);
        // A mask of bits, or names that are not known, say nothing.
        for unknown in ["3", "1", "\"0\"", "[]", "[\"Telepathy\"]", ""] {
            s.facts.audit_settings = log(&[("SelectedContactMethodsForUsers", unknown, "2026-11-02T08:00:00Z")]);
            for check in [&ENABLED, &NUMBERS, &DEFINED, &RETIREMENT] {
                assert_eq!(
                    find(&STEP, check, &s).status,
                    Outcome::Skipped,
                    "{unknown}: {}",
                    check.id
                );
            }
        }
        on(&mut s, "SecurityQuestions");
        assert_eq!(find(&STEP, &DEFINED, &s).status, Outcome::Skipped);
        assert_eq!(find(&STEP, &NUMBERS, &s).status, Outcome::Skipped);
    }

    #[test]
    fn the_portal_and_the_log_disagree() {
        let mut s = portal(true, 5, 3, FIVE);
        s.facts.audit_settings = log(&[
            ("SelectedContactMethodsForUsers", "[\"Email\"]", "2026-11-02T08:00:00Z"),
            ("NumberOfSecurityQuestionsToVerify", "4", "2026-11-02T08:00:00Z"),
        ]);
        for check in [&ENABLED, &NUMBERS] {
            let f = find(&STEP, check, &s);
            assert_eq!((f.status, f.severity), (Outcome::Warn, Severity::Low), "{f:#?}");
        }
    }

    #[test]
    fn not_readable() {
        let mut s = snapshot();
        s.facts.portal_reset_policy = refused(RefusalKind::SignIn, "Only a person is served.", None);
        s.facts.audit_settings = log(&[]);
        let f = find(&STEP, &ENABLED, &s);
        assert_eq!(
            f.title,
            "not readable with an app: sign in with Connect-SsprTenant -PortalApi"
        );
        assert_eq!(find(&STEP, &RETIREMENT, &s).status, Outcome::Skipped);
        // The report shows the users, whatever the policy says.
        s.facts.registration = known(users(3, 7));
        assert_eq!(find(&STEP, &RETIREMENT, &s).status, Outcome::Warn);
        s.facts.registration = known(users(0, 7));
        assert_eq!(find(&STEP, &RETIREMENT, &s).status, Outcome::Pass);
        s.facts.registration = partial(users(0, 7));
        assert_eq!(find(&STEP, &RETIREMENT, &s).status, Outcome::Skipped);
        s.facts.registration = Fact::NotAsked;
        assert_eq!(find(&STEP, &RETIREMENT, &s).status, Outcome::Skipped);
    }
}
