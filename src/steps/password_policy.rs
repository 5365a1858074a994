//! Step `password_policy`: does the directory's own policy let a user reset today?

use super::on_premises::{listed, total, unread};
use super::{Setup, Step};
use crate::change::{Change, Kind, NewPolicy, Write};
use crate::desired::{DesiredState, Method};
use crate::finding::{Check, Finding, Severity, counted, share};
use crate::snapshot::directory::{DomainPasswords, PasswordPolicy, PolicyLink};
use crate::snapshot::{FactId, Snapshot};
use serde_json::{Value, json};

/// The step.
pub const STEP: Step = Step {
    name: "password_policy",
    title: "Password policy",
    checks: &[&MINIMUM_AGE, &FINE_GRAINED, &GROUP_POLICY, &RULES],
    check,
    setup: Some(SETUP),
};

const TUTORIAL: &str = "https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr-writeback";
const FACTS: &[FactId] = &[FactId::DirectoryPasswords, FactId::Organization, FactId::UserCounts];

const MINIMUM_AGE: Check = Check {
    id: "password_policy.minimum_age",
    title: "Minimum password age 0",
    looks_at: "The minimum password age that counts for each enabled user, and how many have a password too young to be reset today.",
    why: "A password younger than the minimum age cannot be reset: the user is refused (event 33008), also after an administrator set one today.",
    doc: TUTORIAL,
    decides: true,
    facts: FACTS,
};
const FINE_GRAINED: Check = Check {
    id: "password_policy.fine_grained",
    title: "Fine-grained policies ask for no minimum age",
    looks_at: "Fine-grained password policies (PSO), the users for whom each counts, and their minimum age.",
    why: "For whom one counts, the domain's own policy does not.",
    doc: TUTORIAL,
    decides: true,
    facts: FACTS,
};
const GROUP_POLICY: Check = Check {
    id: "password_policy.group_policy",
    title: "Which group policy sets the minimum age",
    looks_at: "The group policy objects linked to the domain's root, in the order in which they win, what each sets, whether Windows takes it, whether its security filter lets the domain controllers apply it and a WMI filter decides, and whether its files in SYSVOL are as new as its entry in the directory.",
    why: "What is set on the domain alone is set back at the next refresh; the object that wins is where it must be changed.",
    doc: TUTORIAL,
    decides: false,
    facts: FACTS,
};
const RULES: Check = Check {
    id: "password_policy.rules",
    title: "What a new password must be",
    looks_at: "Length, history, complexity and lockout of the domain's policy.",
    why: "Writeback holds a reset against these; users are told only that the password was refused.",
    doc: TUTORIAL,
    decides: false,
    facts: FACTS,
};

const DAY: u64 = 24 * 60 * 60;

const SETUP: Setup = Setup {
    needs: &[FactId::DirectoryPasswords],
    plan,
};

/// The object that wins is changed, never the domain behind its back: a refresh would set that back. A fine-grained policy
/// is a person's to change.
fn plan(snapshot: &Snapshot, desired: &DesiredState) -> Vec<Change> {
    let Some((wanted, days)) = desired
        .password_policy
        .as_ref()
        .and_then(|wanted| Some((wanted, wanted.minimum_age_days?)))
    else {
        return Vec::new();
    };
    let seconds = u64::from(days) * DAY;
    let state = |days: u64| json!({ "minimumPasswordAgeDays": days });
    let all = snapshot
        .facts
        .directory_passwords
        .value()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let mut changes = Vec::new();
    for domain in all {
        let winner = winner(domain);
        let sets = winner.and_then(|winner| Some((winner, u64::try_from(winner.minimum_age_days?).ok()?)));
        // What the winner sets is what the controllers take, if they have not yet; what stands in the domain they set back.
        let stands = match sets {
            Some((winner, age)) if !winner.wmi_filter => age * DAY,
            _ => domain.policy.minimum_age,
        };
        if stands != seconds {
            let name = winner.map_or("the object that sets it", |winner| winner.name.as_str());
            let mut change = Change::of(MINIMUM_AGE.id, Kind::Manual, "Set the minimum password age");
            change.id = format!("{}:{}", MINIMUM_AGE.id, domain.domain);
            change.target = format!("{name}, {}", domain.domain);
            change.before = state(stands / DAY);
            change.after = state(days.into());
            change.users_affected = Some(domain.users);
            change.requires = vec!["the right to edit the group policy object".into()];
            let open = match winner {
                Some(_) => format!(
                    "In Group Policy Management open {}, Group Policy Objects, {name}, Edit.",
                    domain.domain
                ),
                None => format!(
                    "In Group Policy Management right-click {}, Create a GPO in this domain, and Link it here; name it {NEW_POLICY}, move it to link order 1, Edit.",
                    domain.domain
                ),
            };
            change.by_hand = vec![
                open,
                "Open Computer Configuration, Policies, Windows Settings, Security Settings, Account Policies, Password Policy.".into(),
                format!("Set \"Minimum password age\" to {days} days."),
            ];
            let maximum = match winner.and_then(|winner| winner.maximum_age_days) {
                Some(days) => u64::try_from(days).unwrap_or(0),
                None => domain.policy.maximum_age.unwrap_or(0) / DAY,
            };
            if (1..=u64::from(days)).contains(&maximum) {
                let first = format!(
                    "Set \"Maximum password age\" above {days} days first: it is {maximum}, and Windows takes no minimum that is not below it."
                );
                change.by_hand.insert(2, first);
            } else if wanted.method == Some(Method::Sysvol) {
                written(&mut change, domain, days, sets);
            }
            changes.push(change);
        }
        for fine in domain.fine_grained.iter().flatten() {
            if fine.users > 0 && fine.policy.minimum_age != seconds {
                let mut change = Change::of(
                    FINE_GRAINED.id,
                    Kind::Manual,
                    "Set the minimum password age of a fine-grained policy",
                );
                change.id = format!("{}:{}", FINE_GRAINED.id, fine.dn);
                change.target = fine.dn.clone();
                change.before = state(fine.policy.minimum_age / DAY);
                change.after = state(days.into());
                change.users_affected = Some(fine.users);
                let name = fine.name.replace('\'', "''");
                change.by_hand = vec![format!(
                    "Run: Set-ADFineGrainedPasswordPolicy -Identity '{name}' -MinPasswordAge {days}.00:00:00 -Server {}",
                    domain.domain
                )];
                changes.push(change);
            }
        }
    }
    changes
}

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let fact = &snapshot.facts.directory_passwords;
    let all = fact.value().map(Vec::as_slice).unwrap_or_default();
    let make = |check: &'static Check, judge: fn(&Snapshot, &[DomainPasswords]) -> Finding| {
        unread(check, snapshot, fact).unwrap_or_else(|| match all {
            [] => check.skipped(
                "no domain's policy was read",
                "Nothing was read that says what a password must be.",
            ),
            all => judge(snapshot, all),
        })
    };
    vec![
        make(&MINIMUM_AGE, minimum_age),
        make(&FINE_GRAINED, fine_grained),
        make(&GROUP_POLICY, group_policy),
        make(&RULES, rules),
    ]
}

/// Makes a change one that is written: to the object that sets the age, or to a new one where none does.
fn written(change: &mut Change, domain: &DomainPasswords, days: u16, sets: Option<(&PolicyLink, u64)>) {
    let mut after = json!({ "minimumPasswordAgeDays": days, "securityExtension": true, "versionsAgree": true });
    let (object, new) = match sets {
        // Files that are still on their way to this controller would be written over.
        Some((winner, _)) if winner.version != winner.file_version => {
            let wait = "Its versions in the directory and in SYSVOL differ: see first that SYSVOL is replicated.";
            change.by_hand.insert(0, wait.into());
            return;
        }
        Some((winner, _)) if winner.wmi_filter => {
            let look = "Whether the controllers take it, its WMI filter decides: see first that they do (gpresult /h on a controller).";
            change.by_hand.insert(0, look.into());
            return;
        }
        Some((winner, age)) => {
            let named = winner.security_extension;
            change.before = json!({ "minimumPasswordAgeDays": age, "securityExtension": named, "versionsAgree": true });
            (winner.dn.clone(), None)
        }
        // What cannot be read may set it.
        None if domain.templates_unread.is_some() || domain.links.iter().any(|link| link.unread.is_some()) => return,
        None => {
            after["linked"] = true.into();
            after["nothingElse"] = true.into();
            change.before = Value::Null;
            change.target = format!("{NEW_POLICY}, {}", domain.domain);
            let id = format!("{:X}", uuid::Uuid::new_v4().braced());
            let new = NewPolicy {
                name: NEW_POLICY.into(),
                root: domain.root.clone(),
            };
            (format!("CN={id},CN=Policies,CN=System,{}", domain.root), Some(new))
        }
    };
    change.kind = Kind::Sysvol;
    change.after = after;
    change.write = Some(Write::Template {
        domain: domain.domain.clone(),
        object,
        new,
    });
    change.risk = Some("Domain controllers take it at their next refresh of group policy.".into());
}

/// The name of a group policy object that is made.
pub const NEW_POLICY: &str = "SSPR minimum password age";

/// A time as people say it.
pub(super) fn lasting(seconds: u64) -> String {
    match seconds {
        0 => "0".into(),
        _ if seconds.is_multiple_of(DAY) => counted(seconds / DAY, "day", "days"),
        _ if seconds.is_multiple_of(3600) => counted(seconds / 3600, "hour", "hours"),
        _ => counted(seconds / 60, "minute", "minutes"),
    }
}

fn minimum_age(snapshot: &Snapshot, all: &[DomainPasswords]) -> Finding {
    let fact = &snapshot.facts.directory_passwords;
    let aged: Vec<&DomainPasswords> = all.iter().filter(|domain| domain.policy.minimum_age > 0).collect();
    let young = total(aged.iter().map(|domain| domain.young));
    let users = total(all.iter().map(|domain| domain.users));
    let mut finding = match aged
        .iter()
        .max_by_key(|domain| (domain.young, domain.policy.minimum_age))
    {
        None => MINIMUM_AGE.pass("0 in every domain that was read"),
        Some(worst) => {
            let age = lasting(worst.policy.minimum_age);
            let others = aged.iter().filter(|domain| domain.domain != worst.domain);
            let places: Vec<String> = std::iter::once(worst)
                .chain(others)
                .map(|domain| domain.domain.clone())
                .collect();
            let places = listed(&places);
            let finding = if young > 0 {
                let whole = share(young, Some(users), fact.is_partial(), "user", "users");
                MINIMUM_AGE
                    .fail(
                        Severity::High,
                        format!("{age} in {places}: {whole} could not reset today"),
                    )
                    .affects(
                        young,
                        Some(users),
                        true,
                        aged.iter()
                            .flat_map(|domain| domain.young_sample.iter().cloned())
                            .take(10)
                            .collect(),
                    )
            } else {
                MINIMUM_AGE.warn(
                    Severity::Medium,
                    format!("{age} in {places}; today nobody's password is so young"),
                )
            };
            finding
                .reason("Whoever got a new password within that time is refused, and a second reset on the same day too.")
                .fix("Set \"Minimum password age\" to 0 in the group policy object that password_policy.group_policy names.")
        }
    };
    for domain in all {
        let seen = format!(
            "{}: minPwdAge {}, for {}, {} of them too young today",
            domain.domain,
            lasting(domain.policy.minimum_age),
            counted(domain.users, "user", "users"),
            domain.young
        );
        finding = finding.evidence(fact, seen);
    }
    finding
}

fn fine_grained(snapshot: &Snapshot, all: &[DomainPasswords]) -> Finding {
    let fact = &snapshot.facts.directory_passwords;
    let hidden: Vec<String> = all
        .iter()
        .filter(|domain| domain.fine_grained.is_none())
        .map(|d| d.domain.clone())
        .collect();
    let policies: Vec<_> = all
        .iter()
        .flat_map(|domain| domain.fine_grained.iter().flatten())
        .collect();
    let aged: Vec<_> = policies
        .iter()
        .filter(|policy| policy.policy.minimum_age > 0 && policy.users > 0)
        .collect();
    let young = total(aged.iter().map(|policy| policy.young));
    let users = total(aged.iter().map(|policy| policy.users));
    let read = total(
        all.iter()
            .map(|domain| domain.users)
            .chain(policies.iter().map(|policy| policy.users)),
    );
    let finding = match aged.iter().max_by_key(|policy| (policy.young, policy.users)) {
        Some(worst) => {
            let title = format!(
                "{} asks for {} of {}{}",
                worst.name,
                lasting(worst.policy.minimum_age),
                counted(worst.users, "user", "users"),
                match young {
                    0 => "; today nobody's password is so young".into(),
                    _ => format!(": {young} could not reset today"),
                }
            );
            let finding = match young {
                0 => FINE_GRAINED.warn(Severity::Medium, title),
                _ => FINE_GRAINED.fail(Severity::High, title).affects(
                    young,
                    Some(users),
                    true,
                    aged.iter()
                        .flat_map(|policy| policy.young_sample.iter().cloned())
                        .take(10)
                        .collect(),
                ),
            };
            finding
                .reason("For these users the fine-grained policy counts, whatever the domain's own says.")
                .fix(
                    "Set its msDS-MinimumPasswordAge to 0, or let it no longer apply to users who reset by themselves.",
                )
                .command(format!(
                    "Set-ADFineGrainedPasswordPolicy -Identity '{}' -MinPasswordAge 0",
                    worst.name.replace('\'', "''")
                ))
        }
        None if !hidden.is_empty() => {
            let finding = FINE_GRAINED.skipped(
                format!("not visible in {} with this account", listed(&hidden)),
                "Only administrators may see fine-grained policies by default, so whether there are any is not known.",
            );
            return finding.fix("Connect with an account that may read the Password Settings Container.");
        }
        None if policies.is_empty() => FINE_GRAINED.pass("there are none"),
        None if policies.iter().any(|policy| policy.policy.minimum_age > 0) && read == 0 => FINE_GRAINED.skipped(
            "no enabled user was seen in the directory",
            "For whom these policies count is not known: the reader may lack the right to see users.",
        ),
        None => FINE_GRAINED.pass(format!(
            "{}, none with a minimum age for an enabled user",
            counted(policies.len() as u64, "policy", "policies")
        )),
    };
    if policies.is_empty() {
        let seen = format!(
            "{} read, no policy in its Password Settings Container",
            counted(all.len() as u64, "domain", "domains")
        );
        return finding.evidence(fact, seen);
    }
    policies.iter().fold(finding, |finding, policy| {
        let seen = format!(
            "{}: precedence {}, minimum age {}, for {}",
            policy.name,
            policy.precedence,
            lasting(policy.policy.minimum_age),
            counted(policy.users, "user", "users")
        );
        finding.evidence(fact, seen)
    })
}

/// The link whose minimum age counts.
fn winner(domain: &DomainPasswords) -> Option<&PolicyLink> {
    let mut in_force = domain.links.iter().filter(|link| link.counts() && !link.unsound);
    in_force.find(|link| link.minimum_age_days.is_some())
}

fn group_policy(snapshot: &Snapshot, all: &[DomainPasswords]) -> Finding {
    let fact = &snapshot.facts.directory_passwords;
    let unread: Vec<&PolicyLink> = all
        .iter()
        .flat_map(|d| &d.links)
        .filter(|link| link.enabled && !link.denied && link.unread.is_some())
        .collect();
    let differing = all.iter().find_map(|domain| {
        let link = winner(domain)?;
        let days = u64::try_from(link.minimum_age_days?).ok()?;
        (days.saturating_mul(DAY) != domain.policy.minimum_age).then_some((domain, link, days))
    });
    let outdated = all.iter().flat_map(|domain| &domain.links).find(|link| {
        link.enabled && link.version.is_some() && link.file_version.is_some() && link.version != link.file_version
    });
    let unsound = all
        .iter()
        .flat_map(|domain| &domain.links)
        .find(|link| link.enabled && link.unsound);
    let finding = if let Some(first) = unread.first() {
        GROUP_POLICY
            .skipped(
                format!("what {} sets could not be read", first.name),
                first.unread.clone().unwrap_or_default(),
            )
            .fix("Check on a machine of the domain, which reaches SYSVOL, or name where the share is mounted.")
            .command("Connect-SsprDirectory -SysvolPath /mnt/sysvol")
    } else if let Some(link) = unsound {
        GROUP_POLICY
            .warn(Severity::Medium, format!("{} sets ages that Windows leaves aside", link.name))
            .reason("The minimum age must be 0 to 999 days and below the maximum; else Windows drops the object's whole password policy.")
            .fix("Correct the ages in that object.")
    } else if let Some(link) = outdated {
        GROUP_POLICY
            .warn(Severity::Low, format!("the files of {} are not those of its entry in the directory", link.name))
            .reason("Versions differ between SYSVOL and the directory: replication is not done, or has stopped, and controllers may apply different settings.")
            .fix("Look at the replication of SYSVOL.")
    } else if let Some((domain, link, days)) = differing {
        GROUP_POLICY
            .warn(
                Severity::Medium,
                format!(
                    "{} sets {}, but {} has {}",
                    link.name,
                    counted(days, "day", "days"),
                    domain.domain,
                    lasting(domain.policy.minimum_age)
                ),
            )
            .reason("What the object sets has not been applied, or the domain was changed by hand: the next refresh sets it back.")
            .fix("Change it in the object, then run gpupdate on the controller that holds the PDC emulator role.")
    } else {
        let sets = all.iter().map(|domain| match winner(domain) {
            Some(link) => format!(
                "{} sets {} in {}",
                link.name,
                counted(link.minimum_age_days.unwrap_or_default().max(0) as u64, "day", "days"),
                domain.domain
            ),
            None => format!("no linked object sets it in {}", domain.domain),
        });
        GROUP_POLICY.pass(sets.collect::<Vec<_>>().join("; "))
    };
    let mut finding = finding;
    for domain in all {
        for link in &domain.links {
            let state = match (link.enabled, link.computer_settings) {
                (false, _) => ", link disabled",
                (_, false) if link.unread.is_none() => ", computer settings disabled",
                _ if link.denied => ", not for the domain controllers by its security filter",
                _ if link.wmi_filter => ", for whom its WMI filter finds",
                _ => "",
            };
            let sets = match (&link.unread, link.minimum_age_days) {
                (Some(why), _) => format!("not read: {why}"),
                (None, Some(days)) => format!("minimum age {}", counted(days.max(0) as u64, "day", "days")),
                (None, None) => "does not set it".into(),
            };
            let enforced = if link.enforced { ", enforced" } else { "" };
            let seen = format!(
                "{}: {}. {}{enforced}{state}: {sets}",
                domain.domain, link.order, link.name
            );
            finding = finding.evidence(fact, seen);
        }
        if domain.links.is_empty() {
            finding = finding.evidence(fact, format!("{}: no object is linked to its root", domain.domain));
        }
    }
    finding
}

/// A policy in one line.
fn rules_of(policy: &PasswordPolicy) -> String {
    let complexity = if policy.complexity { "complex" } else { "not complex" };
    let lockout = match policy.lockout_threshold {
        0 => "never locked out".into(),
        wrong => format!("locked out after {wrong} wrong"),
    };
    format!(
        "{} characters, {complexity}, unlike the last {}, {lockout}",
        policy.minimum_length, policy.history
    )
}

fn rules(snapshot: &Snapshot, all: &[DomainPasswords]) -> Finding {
    let fact = &snapshot.facts.directory_passwords;
    let first = &all[0];
    let title = match all.iter().all(|domain| domain.policy == first.policy) {
        true => rules_of(&first.policy),
        false => format!("{} in {}; other domains differ", rules_of(&first.policy), first.domain),
    };
    all.iter().fold(RULES.pass(title), |finding, domain| {
        finding.evidence(fact, format!("{}: {}", domain.domain, rules_of(&domain.policy)))
    })
}

#[cfg(test)]
mod tests;
