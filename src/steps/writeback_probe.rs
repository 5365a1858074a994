//! Step `writeback_probe`: a reset and an unlock that were really tried in the directory, as the connector account.

use super::Step;
use super::on_premises::place;
use super::password_policy::lasting;
use crate::catalogue;
use crate::finding::{Check, Finding, Severity, counted};
use crate::snapshot::probe::{Attempt, Ended, Trial, WritebackProbe};
use crate::snapshot::{Fact, FactId, Snapshot};

/// The step.
pub const STEP: Step = Step {
    name: "writeback_probe",
    title: "Writeback probe",
    checks: &[
        &RESET,
        &MUST_CHANGE,
        &UNLOCK,
        &MINIMUM_AGE,
        &HISTORY,
        &LENGTH,
        &PROTECTED_UNIT,
        &DISABLED,
        &ACCOUNT,
        &LEFT_BEHIND,
    ],
    check,
    setup: None,
};

const TROUBLESHOOT: &str = "https://learn.microsoft.com/entra/identity/authentication/troubleshoot-sspr-writeback";
const TUTORIAL: &str = "https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr-writeback";
const BLANK: Check = Check {
    id: "",
    title: "",
    looks_at: "",
    why: "",
    doc: TROUBLESHOOT,
    decides: false,
    facts: &[FactId::WritebackProbes],
};

const RESET: Check = Check {
    id: "writeback_probe.reset",
    title: "A reset is taken",
    looks_at: "A password that Test-SsprWriteback set as the connector account, held against the password policy as Entra Connect does it, and a sign-in with it.",
    why: "It is the directory's half of what a user does who forgot the password; what the access lists say is tried here.",
    decides: true,
    ..BLANK
};
const MUST_CHANGE: Check = Check {
    id: "writeback_probe.must_change",
    title: "\"Must change password\" is set and taken away",
    looks_at: "pwdLastSet after the reset, and after 0 and -1 were written to it as the connector account.",
    why: "Without it a user has to change the new password again at once, or an administrator's reset does not make the user change it.",
    doc: TUTORIAL,
    decides: true,
    ..BLANK
};
const UNLOCK: Check = Check {
    id: "writeback_probe.unlock",
    title: "An unlock is taken",
    looks_at: "lockoutTime, written as the connector account, of a user whom wrong passwords had locked out where the policy locks anybody.",
    why: "A reset of a user who is locked out unlocks the account too, and users may unlock without a reset.",
    doc: TUTORIAL,
    decides: true,
    ..BLANK
};
const MINIMUM_AGE: Check = Check {
    id: "writeback_probe.minimum_age",
    title: "A password that is too young is kept",
    looks_at: "A reset of a user whose password was set just before, where the policy has a minimum age.",
    why: "Users who reset twice within the minimum age are refused the second time.",
    ..BLANK
};
const HISTORY: Check = Check {
    id: "writeback_probe.history",
    title: "A password from the history is refused",
    looks_at: "A reset to the password that the user has, where the policy remembers passwords.",
    why: "Writeback holds new passwords against the history, other than an administrator's reset does.",
    ..BLANK
};
const LENGTH: Check = Check {
    id: "writeback_probe.length",
    title: "A password that is too short is refused",
    looks_at: "A reset to a password that is a character shorter than the policy asks for.",
    why: "The directory's policy counts for a reset in the cloud, whatever the cloud asks for.",
    ..BLANK
};
const PROTECTED_UNIT: Check = Check {
    id: "writeback_probe.protected_unit",
    title: "A unit that inherits nothing is out of reach",
    looks_at: "A reset of a user in a unit that was made for it, whose inheritance is off.",
    why: "It shows what users see in a unit of which the connector account's rights do not reach the users.",
    ..BLANK
};
const DISABLED: Check = Check {
    id: "writeback_probe.disabled",
    title: "The user is enabled",
    looks_at: "userAccountControl of the user that was named. It is not tried: Entra Connect refuses a disabled user, the directory does not.",
    why: "A disabled user cannot reset.",
    ..BLANK
};
const ACCOUNT: Check = Check {
    id: "writeback_probe.account",
    title: "The probe was the connector account's",
    looks_at: "The account that reset, and its groups with rights over the domain or the forest.",
    why: "What an administrator may do says nothing about what the connector account may do.",
    ..BLANK
};
const LEFT_BEHIND: Check = Check {
    id: "writeback_probe.left_behind",
    title: "Nothing is left behind",
    looks_at: "Whether all users and units could be removed that probes had made, also those that were broken off.",
    why: "What is left is an enabled user in the directory, whose password nobody knows.",
    ..BLANK
};

/// Why a refusal tells nothing.
const POWERLESS: &str = "not known, as the account may not reset at all";
/// The directory's answer to who lacks a right.
const NO_RIGHTS: u32 = 50;
/// Its answers to a password that the policy does not take.
const AGAINST_POLICY: [u32; 2] = [19, 53];
/// Its answer to a control that it does not know.
const UNKNOWN_CONTROL: u32 = 12;

/// Judges a probe; None where it was not tried.
type Judge = fn(&WritebackProbe) -> Option<Finding>;

/// Each check with what judges it.
const JUDGES: [(&Check, Judge); 10] = [
    (&RESET, reset),
    (&MUST_CHANGE, must_change),
    (&UNLOCK, unlock),
    (&MINIMUM_AGE, |probe| refusal(probe, &MINIMUM_AGE, Attempt::TooYoung)),
    (&HISTORY, |probe| refusal(probe, &HISTORY, Attempt::FromHistory)),
    (&LENGTH, |probe| refusal(probe, &LENGTH, Attempt::TooShort)),
    (&PROTECTED_UNIT, protected_unit),
    (&DISABLED, disabled),
    (&ACCOUNT, account),
    (&LEFT_BEHIND, left_behind),
];

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let fact = &snapshot.facts.writeback_probes;
    let probes = fact.value().map(Vec::as_slice).unwrap_or_default();
    let judged = JUDGES.map(|(check, judge)| {
        if let Fact::Unreadable { .. } = fact {
            return check.unreadable(snapshot);
        }
        let found = probes.iter().filter_map(|probe| {
            let at = format!("{}, at {}, as {}", place(&probe.place), probe.controller, probe.account);
            Some(judge(probe)?.evidence(fact, at))
        });
        let worst = found.max_by_key(|finding| (finding.status, finding.severity));
        worst.unwrap_or_else(|| {
            let why = match probes {
                [] => "Not tried: Test-SsprWriteback resets and unlocks a user in the directory, as the connector account.",
                _ => "Not tried in this probe.",
            };
            check.not_applicable(why)
        })
    });
    judged.into()
}

/// What a row of the failure catalogue says: what is seen, and what to do.
fn by_row(finding: Finding, number: u8, means: &str) -> Finding {
    match catalogue::row(number) {
        None => finding.reason(means),
        Some(row) => finding
            .reason(format!(
                "{means} What is seen then (failure catalogue, {number}): {}. The cause: {}.",
                row.seen(),
                row.cause
            ))
            .fix(row.fix),
    }
}

/// A refusal that is right: what it looks like where a user meets it, and what helps there.
fn as_it_should_be(pass: Finding, number: u8, trial: &Trial) -> Finding {
    let mut finding = by_row(pass, number, &answer(trial));
    if let Some(remediation) = finding.remediation.take() {
        finding.reason = finding
            .reason
            .map(|reason| format!("{reason} What helps: {}", remediation.text));
    }
    finding
}

/// What the controller answered.
fn answer(trial: &Trial) -> String {
    let code = trial
        .code
        .map_or_else(String::new, |code| format!(" with result {code}"));
    match trial.reason.as_str() {
        "" => format!("The controller refused{code}."),
        text => format!("The controller refused{code}: {}.", text.trim_end_matches(['.', '!'])),
    }
}

/// A refusal that should not be, by what it means.
fn refused(check: &Check, trial: &Trial, probe: &WritebackProbe, what: &str, right: &str) -> Finding {
    let title = format!("{} was refused {what} of {}", probe.account, who(probe));
    match trial.code {
        Some(NO_RIGHTS) => by_row(
            check.fail(Severity::High, format!("{title}: it lacks {right}")),
            1,
            &answer(trial),
        )
        .command("Test-SsprReadiness -Step directory_permissions"),
        Some(UNKNOWN_CONTROL) => no_control(check, probe, trial),
        _ => check
            .fail(Severity::High, title)
            .reason(answer(trial))
            .fix("Look at what the controller said, and at its own log of that minute."),
    }
}

fn no_control(check: &Check, probe: &WritebackProbe, trial: &Trial) -> Finding {
    let title = format!("{} does not hold a reset against the password policy", probe.controller);
    by_row(
        check.fail(Severity::High, title),
        13,
        &format!("{}.", capital(&trial.reason)),
    )
    .command("Test-SsprReadiness -Step service_account")
}

/// Why something was not tried, as a sentence has it.
fn capital(text: &str) -> String {
    let mut letters = text.trim_end_matches('.').chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => "Why was not told".into(),
    }
}

/// Whom the probe was about.
fn who(probe: &WritebackProbe) -> String {
    let place = place(&probe.place);
    match probe.named {
        true => place,
        false => format!("a user made in {place}"),
    }
}

fn reset(probe: &WritebackProbe) -> Option<Finding> {
    let trial = probe.trial(Attempt::Reset)?;
    let who = who(probe);
    Some(match (trial.ended, trial.code) {
        (Ended::Done, _) => match probe.trial(Attempt::SignIn) {
            Some(trial) if trial.ended == Ended::Refused => RESET
                .warn(
                    Severity::Medium,
                    format!("{who} was reset, and cannot sign in with the new password"),
                )
                .reason(format!(
                    "The controller did not take it: {}.",
                    trial.reason.trim_end_matches('.')
                ))
                .fix("Look whether something keeps new users of that container from signing in."),
            Some(trial) if trial.ended == Ended::Done => RESET.pass(format!(
                "{} reset {who}, who signs in with the new password",
                probe.account
            )),
            _ => RESET.pass(format!("{} reset {who}", probe.account)),
        },
        (Ended::Refused, Some(code)) if AGAINST_POLICY.contains(&code) && probe.named => by_row(
            RESET.fail(
                Severity::High,
                format!("{who} was not reset: the password policy does not take it today"),
            ),
            9,
            &answer(trial),
        )
        .command("Get-SsprPasswordPolicy"),
        (Ended::Refused, Some(code)) if AGAINST_POLICY.contains(&code) => by_row(
            RESET.fail(
                Severity::High,
                format!("{who} was not reset, although the password keeps to the policy"),
            ),
            10,
            &answer(trial),
        ),
        (Ended::NotTried, _) if probe.disabled => RESET.skipped(
            format!("{who} was not reset: the user is disabled"),
            "Entra Connect does not reset a disabled user.",
        ),
        (Ended::NotTried, _) => no_control(&RESET, probe, trial),
        _ => refused(&RESET, trial, probe, "the reset", "Reset Password"),
    })
}

fn must_change(probe: &WritebackProbe) -> Option<Finding> {
    let set = probe.trial(Attempt::MustChange)?;
    let taken = probe.trial(Attempt::Unexpire)?;
    let kept = |what: &str| {
        let title = format!("the controller took {what}, and it is not there");
        MUST_CHANGE
            .warn(Severity::Medium, title)
            .reason("Somebody, or a policy of the directory, writes pwdLastSet too.")
            .fix(format!(
                "Probe again; look who else writes pwdLastSet at {}.",
                probe.controller
            ))
    };
    Some(if set.ended == Ended::Refused {
        refused(&MUST_CHANGE, set, probe, "\"must change password\"", "Write pwdLastSet")
    } else if taken.ended == Ended::Refused {
        let title = format!("{} may not take \"must change password\" away", probe.account);
        by_row(MUST_CHANGE.fail(Severity::Medium, title), 32, &answer(taken))
            .command("Test-SsprReadiness -Step directory_permissions")
    } else if set.ended == Ended::NotKept {
        kept("\"must change password\"")
    } else if taken.ended == Ended::NotKept {
        kept("it away")
    } else if probe
        .trial(Attempt::Reset)
        .is_some_and(|reset| !reset.reason.is_empty() && reset.ended == Ended::Done)
    {
        let title = "a user who was reset must change the new password again";
        by_row(
            MUST_CHANGE.warn(Severity::Medium, title),
            32,
            "pwdLastSet was 0 after the reset.",
        )
    } else {
        MUST_CHANGE.pass(format!("{} sets it and takes it away", probe.account))
    })
}

fn unlock(probe: &WritebackProbe) -> Option<Finding> {
    let trial = probe.trial(Attempt::Unlock)?;
    let only = trial.reason.contains("only the right is proven");
    Some(match trial.ended {
        Ended::Done if only => UNLOCK
            .pass(format!("{} may unlock users; none was locked out", probe.account))
            .reason(format!("{}.", trial.reason.trim_end_matches('.'))),
        Ended::Done => UNLOCK
            .pass(format!("{} unlocked a user who was locked out", probe.account))
            .reason(format!("{}.", capital(&trial.reason))),
        Ended::NotKept => UNLOCK
            .fail(
                Severity::High,
                "the controller took the unlock, and the user is still locked out",
            )
            .fix("Look at the controller's own log of that minute."),
        _ => refused(&UNLOCK, trial, probe, "the unlock", "Write lockoutTime"),
    })
}

/// A refusal that should be.
fn refusal(probe: &WritebackProbe, check: &Check, attempt: Attempt) -> Option<Finding> {
    let trial = probe.trial(attempt)?;
    let policy = probe.policy.clone().unwrap_or_default();
    let (what, row) = match attempt {
        Attempt::TooYoung => {
            let row = if probe.fine_grained.is_some() { 12 } else { 11 };
            (format!("a password younger than {}", lasting(policy.minimum_age)), row)
        }
        Attempt::FromHistory => (
            format!(
                "one of the last {}",
                counted(policy.history.into(), "password", "passwords")
            ),
            9,
        ),
        _ => (
            format!(
                "a password of less than {}",
                counted(policy.minimum_length.into(), "character", "characters")
            ),
            9,
        ),
    };
    let title = match attempt {
        Attempt::TooYoung => format!("{what} is not replaced, as the policy asks for"),
        _ => format!("{what} is refused, as the policy asks for"),
    };
    let is_reset = probe
        .trial(Attempt::Reset)
        .is_some_and(|reset| reset.ended == Ended::Done);
    Some(match (trial.ended, trial.code) {
        (Ended::NotTried, _) if probe.policy.is_none() => {
            check.skipped("not tried", format!("{}.", capital(&trial.reason)))
        }
        (Ended::NotTried, _) => check.not_applicable(format!("{}.", capital(&trial.reason))),
        (Ended::Refused, Some(NO_RIGHTS)) => check.skipped(POWERLESS, answer(trial)),
        // A filter may refuse whatever is tried.
        (Ended::Refused, Some(code)) if AGAINST_POLICY.contains(&code) && !is_reset => {
            check.skipped("not known, as every password was refused", answer(trial))
        }
        (Ended::Refused, Some(code)) if AGAINST_POLICY.contains(&code) => {
            as_it_should_be(check.pass(title), row, trial)
        }
        (Ended::Refused, _) => check.skipped("refused, but not for the password policy", answer(trial)),
        _ => check
            .warn(Severity::Low, format!("{what} was not refused"))
            .reason("The controller did not hold the reset against the password policy, although it was asked to.")
            .fix("Look which policy counts for the users of that container: Get-SsprPasswordPolicy."),
    })
}

fn protected_unit(probe: &WritebackProbe) -> Option<Finding> {
    let trial = probe.trial(Attempt::Protected)?;
    // Who may reset nobody is refused there too.
    let powerless = probe
        .trial(Attempt::Reset)
        .is_some_and(|reset| reset.code == Some(NO_RIGHTS));
    Some(match (trial.ended, trial.code) {
        (Ended::Refused, _) if powerless => PROTECTED_UNIT.skipped(POWERLESS, answer(trial)),
        (Ended::NotTried, _) => PROTECTED_UNIT.skipped("not tried", format!("{}.", capital(&trial.reason))),
        (Ended::Refused, Some(NO_RIGHTS)) => {
            let pass = PROTECTED_UNIT.pass("a user of a unit that inherits nothing is out of reach, as it should be");
            as_it_should_be(pass, 2, trial)
        }
        (Ended::Refused, _) => PROTECTED_UNIT.skipped("refused, but not for its rights", answer(trial)),
        _ => PROTECTED_UNIT
            .warn(
                Severity::Medium,
                format!("{} resets users where inheritance is off", probe.account),
            )
            .reason("It has rights that no unit can keep from it, such as an administrator's or an Account Operator's.")
            .fix("Give the connector account the rights of the guide, and no others.")
            .command("Test-SsprReadiness -Step service_account"),
    })
}

fn disabled(probe: &WritebackProbe) -> Option<Finding> {
    Some(match (probe.named, probe.disabled) {
        (true, true) => {
            let title = format!("{} is disabled", place(&probe.place));
            by_row(
                DISABLED.fail(Severity::Medium, title),
                36,
                "The directory would reset a disabled user; Entra Connect does not.",
            )
        }
        (true, false) => DISABLED.pass(format!("{} is enabled", place(&probe.place))),
        (false, _) => DISABLED
            .not_applicable("Not tried: Entra Connect refuses a disabled user (33005), the directory would not."),
    })
}

fn account(probe: &WritebackProbe) -> Option<Finding> {
    Some(match probe.privileged_groups.as_slice() {
        [] => ACCOUNT.pass(format!("tried as {}", probe.account)),
        groups => ACCOUNT
            .warn(
                Severity::Medium,
                format!("{} is a member of {}", probe.account, groups.join(", ")),
            )
            .reason("What it may do says nothing about an account with the rights of the guide.")
            .fix("Probe as the connector account, or as another with the same rights and no others.")
            .command("Test-SsprWriteback -Container OU=... -ConnectorCredential (Get-Credential)"),
    })
}

fn left_behind(probe: &WritebackProbe) -> Option<Finding> {
    let removed = match probe.removed.as_slice() {
        [] => String::new(),
        some => format!("What an earlier probe had left was removed: {}.", some.join("; ")),
    };
    Some(match probe.left.as_slice() {
        [] => {
            let pass = LEFT_BEHIND.pass("all that was made was removed");
            match removed.is_empty() {
                true => pass,
                false => pass.reason(removed),
            }
        }
        left => LEFT_BEHIND
            .warn(Severity::Medium, "something is left of a probe".to_string())
            .reason(format!("{} {removed}", left.join("; ")).trim_end().to_string())
            .fix("Probe again, which removes it, or remove it yourself: users and units whose names begin with sspr-."),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Outcome;
    use crate::snapshot::RefusalKind;
    use crate::snapshot::directory::PasswordPolicy;
    use crate::steps::testing::{find, known, refused as unread, snapshot};

    /// A probe that went well, but for these trials.
    fn probe(others: &[(Attempt, Ended, Option<u32>, &str)]) -> WritebackProbe {
        use Attempt::*;
        let done = [Reset, SignIn, MustChange, Unexpire, Unlock].map(|attempt| (attempt, Ended::Done, None, ""));
        let refused = [TooYoung, FromHistory, TooShort].map(|attempt| (attempt, Ended::Refused, Some(53), "0000052D"));
        let protected = [(Protected, Ended::Refused, Some(50), "no")];
        let mut trials: Vec<Trial> = Vec::new();
        for (attempt, ended, code, reason) in done.iter().chain(&refused).chain(&protected).chain(others) {
            trials.retain(|trial| trial.attempt != *attempt);
            trials.push(Trial {
                attempt: *attempt,
                ended: *ended,
                code: *code,
                reason: (*reason).into(),
            });
        }
        WritebackProbe {
            domain: "a.test".into(),
            controller: "dc1.a.test".into(),
            account: "A\\MSOL_1".into(),
            place: "OU=Staff,DC=a,DC=test".into(),
            policy: Some(PasswordPolicy {
                minimum_age: 86_400,
                minimum_length: 7,
                history: 24,
                ..PasswordPolicy::default()
            }),
            trials,
            ..WritebackProbe::default()
        }
    }

    fn judged(check: &Check, probes: Vec<WritebackProbe>) -> Finding {
        let mut all = snapshot();
        all.facts.writeback_probes = known(probes);
        find(&STEP, check, &all)
    }

    #[test]
    fn each_answer_of_a_controller_is_judged_by_its_row() {
        use Attempt::*;
        use Outcome::*;
        let (done, refused, not_kept, not_tried) = (Ended::Done, Ended::Refused, Ended::NotKept, Ended::NotTried);
        for (check, trial, status, says) in [
            (&RESET, (Reset, done, None, ""), Pass, "who signs in"),
            (&RESET, (SignIn, refused, None, "no"), Warn, "cannot sign in"),
            (
                &RESET,
                (SignIn, not_tried, None, "no TLS"),
                Pass,
                "A\\MSOL_1 reset a user made in OU=Staff",
            ),
            (&RESET, (Reset, refused, Some(50), "no"), Fail, "SSPR_0029; event 33004"),
            (&RESET, (Reset, refused, Some(53), "no"), Fail, "a password filter"),
            (&RESET, (Reset, refused, Some(19), "no"), Fail, "a password filter"),
            (&RESET, (Reset, refused, Some(12), "no"), Fail, "does not hold a reset"),
            (
                &RESET,
                (Reset, not_tried, None, "no control"),
                Fail,
                "does not contain the LDAP password policy control",
            ),
            (&RESET, (Reset, refused, Some(80), "x"), Fail, "result 80: x."),
            (
                &MUST_CHANGE,
                (MustChange, refused, Some(50), ""),
                Fail,
                "Write pwdLastSet",
            ),
            (
                &MUST_CHANGE,
                (Unexpire, refused, Some(50), ""),
                Fail,
                "lacks Unexpire Password",
            ),
            (&MUST_CHANGE, (MustChange, not_kept, None, ""), Warn, "it is not there"),
            (&MUST_CHANGE, (Unexpire, not_kept, None, ""), Warn, "it is not there"),
            (
                &MUST_CHANGE,
                (Reset, done, None, "pwdLastSet is 0"),
                Warn,
                "must change the new password again",
            ),
            (
                &UNLOCK,
                (Unlock, done, None, "3 wrong passwords had locked the user out"),
                Pass,
                "unlocked a user",
            ),
            (
                &UNLOCK,
                (Unlock, done, None, "Nothing: only the right is proven"),
                Pass,
                "none was locked out",
            ),
            (&UNLOCK, (Unlock, not_kept, None, ""), Fail, "still locked out"),
            (&UNLOCK, (Unlock, refused, Some(50), ""), Fail, "Write lockoutTime"),
            (
                &MINIMUM_AGE,
                (TooYoung, refused, Some(53), ""),
                Pass,
                "younger than 1 day",
            ),
            (&MINIMUM_AGE, (TooYoung, refused, Some(19), ""), Pass, "Set it to 0"),
            (&MINIMUM_AGE, (TooYoung, done, None, ""), Warn, "was not refused"),
            (
                &MINIMUM_AGE,
                (TooYoung, not_tried, None, "no age"),
                NotApplicable,
                "No age.",
            ),
            (&MINIMUM_AGE, (TooYoung, refused, Some(50), ""), Skipped, "not known"),
            (
                &HISTORY,
                (FromHistory, refused, Some(53), ""),
                Pass,
                "one of the last 24 passwords",
            ),
            (&LENGTH, (TooShort, done, None, ""), Warn, "less than 7 characters"),
            (
                &LENGTH,
                (TooShort, refused, Some(80), ""),
                Skipped,
                "not for the password policy",
            ),
            (
                &PROTECTED_UNIT,
                (Protected, refused, Some(50), ""),
                Pass,
                "inheritance is off",
            ),
            (
                &PROTECTED_UNIT,
                (Protected, refused, Some(53), ""),
                Skipped,
                "not for its rights",
            ),
            (
                &PROTECTED_UNIT,
                (Protected, done, None, ""),
                Warn,
                "resets users where inheritance is off",
            ),
            (
                &PROTECTED_UNIT,
                (Protected, not_tried, None, "no unit"),
                Skipped,
                "No unit.",
            ),
        ] {
            let finding = judged(check, vec![probe(&[trial])]);
            let told = serde_json::to_string(&finding).unwrap().replace("\\\\", "\\");
            assert_eq!(finding.status, status, "{trial:?}: {told}");
            assert!(told.contains(says), "{trial:?}: {told}");
        }
    }

    #[test]
    fn where_every_password_is_refused_no_refusal_proves_anything() {
        let probe = probe(&[(Attempt::Reset, Ended::Refused, Some(53), "a filter")]);
        for check in [&MINIMUM_AGE, &HISTORY, &LENGTH] {
            let finding = judged(check, vec![probe.clone()]);
            assert_eq!(finding.status, Outcome::Skipped, "{finding:#?}");
            assert!(finding.title.contains("every password"), "{}", finding.title);
        }
    }

    #[test]
    fn a_fine_grained_policy_is_another_row() {
        let mut fine = probe(&[]);
        fine.fine_grained = Some("CN=Strict".into());
        let reason = judged(&MINIMUM_AGE, vec![fine]).reason.unwrap();
        assert!(reason.contains("(failure catalogue, 12)"), "{reason}");
    }

    #[test]
    fn of_several_probes_the_worst_counts() {
        let bad = probe(&[(Attempt::Reset, Ended::Refused, Some(50), "no")]);
        let finding = judged(&RESET, vec![probe(&[]), bad.clone(), probe(&[])]);
        assert_eq!(finding.status, Outcome::Fail);
        // Whoever may reset nobody shows nothing of units.
        assert_eq!(judged(&PROTECTED_UNIT, vec![bad]).status, Outcome::Skipped);
    }

    #[test]
    fn a_user_who_is_named_is_told_by_name() {
        let mut named = probe(&[(Attempt::Reset, Ended::Refused, Some(53), "too young")]);
        (named.named, named.place) = (true, "CN=pat,DC=a,DC=test".into());
        let reset = judged(&RESET, vec![named.clone()]);
        assert_eq!(
            reset.title,
            "CN=pat was not reset: the password policy does not take it today"
        );
        assert_eq!(judged(&DISABLED, vec![named.clone()]).status, Outcome::Pass);
        (named.disabled, named.trials) = (true, vec![Trial::default()]);
        assert_eq!(judged(&RESET, vec![named.clone()]).status, Outcome::Skipped);
        let disabled = judged(&DISABLED, vec![named]);
        assert!(disabled.reason.unwrap().contains("33005"));
    }

    #[test]
    fn what_nobody_tried_is_no_verdict() {
        for check in STEP.checks {
            assert_eq!(find(&STEP, check, &snapshot()).status, Outcome::NotApplicable);
        }
        let mut all = snapshot();
        all.facts.writeback_probes = unread(RefusalKind::Unreachable, "No answer.", None);
        assert_eq!(find(&STEP, &RESET, &all).status, Outcome::Skipped);
    }
}
