//! Step `directory_permissions`: may the connector account reset each user in the directory?

pub mod stops;

use super::on_premises::{access, across, listed, place, total, unjudged, unread};
use super::{Setup, Step};
use crate::change::{Change, Kind, Write};
use crate::desired::{DesiredState, DirectoryPermissions};
use crate::finding::{Check, Finding, Outcome, Severity, counted, number, share};
use crate::snapshot::directory::{Cause, CauseGroup, DomainAccess, GrantScope, Grantable, Grants};
use crate::snapshot::{FactId, Snapshot};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};

/// The step.
pub const STEP: Step = Step {
    name: "directory_permissions",
    title: "Directory permissions",
    checks: &[
        &UNEXPIRE,
        &GRANTED,
        &INHERITANCE,
        &DENIED,
        &INET_ORG_PERSON,
        &ADMINISTRATORS,
        &RESERVED_NAMES,
        &OWN_OBJECT,
        &CONNECT_READS,
        &REMOTE_SAM,
        &CHANGE_PASSWORD,
    ],
    check,
    setup: Some(SETUP),
};

const TUTORIAL: &str = "https://learn.microsoft.com/entra/identity/authentication/tutorial-enable-sspr-writeback";
const RIGHTS: &str = "https://learn.microsoft.com/troubleshoot/entra/entra-id/user-prov-sync/password-writeback-access-rights-permissions";
const FACTS: &[FactId] = &[
    FactId::ConnectServers,
    FactId::DirectoryAccess,
    FactId::Connectors,
    FactId::Forests,
    FactId::Organization,
    FactId::UserCounts,
];

const UNEXPIRE: Check = Check {
    id: "directory_permissions.unexpire",
    title: "Unexpire Password on each domain's root",
    looks_at: "Whether the connector account has the right Unexpire Password on the root of each domain, itself or through a group, and which entry decides it.",
    why: "Without it a reset succeeds, but a user whose password had expired must change it again at the next sign-in.",
    doc: TUTORIAL,
    decides: true,
    facts: FACTS,
};
const GRANTED: Check = Check {
    id: "directory_permissions.granted",
    title: "Reset Password and the two attributes granted",
    looks_at: "For every enabled user: whether the connector account may reset the password and write lockoutTime and pwdLastSet, as the domain controller weighs it: entries in their order, denials, inheritance, object types, property sets, nested groups. Disabled and locked-out users are counted beside.",
    why: "A user whom the account may not reset gets SSPR_0029, after having chosen a new password.",
    doc: RIGHTS,
    decides: true,
    facts: FACTS,
};
const INHERITANCE: Check = Check {
    id: "directory_permissions.inheritance",
    title: "Inheritance not switched off",
    looks_at: "Units and users that do not take the entries of what they stand in, where these would grant the rights that are missing.",
    why: "What is granted at the domain's root does not get there: users below get SSPR_0029.",
    doc: RIGHTS,
    decides: true,
    facts: FACTS,
};
const DENIED: Check = Check {
    id: "directory_permissions.denied",
    title: "No entry denies the rights",
    looks_at: "Entries that deny one of the rights to the account or to a group that it is in, and come before what grants it.",
    why: "A denial that comes first wins over every grant.",
    doc: RIGHTS,
    decides: true,
    facts: FACTS,
};
const INET_ORG_PERSON: Check = Check {
    id: "directory_permissions.inet_org_person",
    title: "Users of the class inetOrgPerson",
    looks_at: "Users of the class inetOrgPerson, whom entries for the class user do not reach.",
    why: "Microsoft's cmdlet grants for the class user alone, and refuses to grant for another class.",
    doc: RIGHTS,
    decides: true,
    facts: FACTS,
};
const ADMINISTRATORS: Check = Check {
    id: "directory_permissions.administrators",
    title: "Users whom AdminSDHolder protects, or once protected",
    looks_at: "Users with adminCount 1 and inheritance switched off, whom the account may not reset; and what AdminSDHolder itself grants the account.",
    why: "For members of protected groups that is by design; those who left such a group keep it, and cannot reset either. An account with rights on AdminSDHolder could reset administrators.",
    doc: "https://learn.microsoft.com/troubleshoot/entra/entra-id/user-prov-sync/password-writeback-error-code-sspr-0029",
    decides: false,
    facts: FACTS,
};
const RESERVED_NAMES: Check = Check {
    id: "directory_permissions.reserved_names",
    title: "No reserved characters in the names of units",
    looks_at: "Organizational units whose name holds a character that writeback cannot take, and the users below.",
    why: "Writeback does not find these users (event 33001).",
    doc: "https://learn.microsoft.com/entra/identity/authentication/troubleshoot-sspr-writeback",
    decides: true,
    facts: FACTS,
};
const OWN_OBJECT: Check = Check {
    id: "directory_permissions.own_object",
    title: "Rights put on the account instead of the domain",
    looks_at: "Rights on users that the connector account was given on its own object.",
    why: "Searching for MSOL in the directory and opening its security leads there; the rights then concern the account alone.",
    doc: TUTORIAL,
    decides: false,
    facts: FACTS,
};
const CONNECT_READS: Check = Check {
    id: "directory_permissions.connect_reads",
    title: "What Connect must be able to read",
    looks_at: "Whether the account can read the domain's root, CN=Builtin and CN=Server,CN=System.",
    why: "Before a reset Connect asks the domain controller about the user (NetUserGetInfo), which fails without them: SSPR_0029 although all rights are there.",
    doc: RIGHTS,
    decides: true,
    facts: FACTS,
};
const REMOTE_SAM: Check = Check {
    id: "directory_permissions.remote_sam",
    title: "The controllers answer the account",
    looks_at: "Whether a group policy object for the domain controllers restricts who may ask them about accounts (RestrictRemoteSam), and whether the connector account is among these.",
    why: "Before a reset Connect asks a controller about the user; where that is refused, so is the reset (SSPR_0029), although all rights are there.",
    doc: "https://learn.microsoft.com/troubleshoot/entra/entra-id/user-prov-sync/password-writeback-error-code-sspr-0029",
    decides: true,
    facts: FACTS,
};
const CHANGE_PASSWORD: Check = Check {
    id: "directory_permissions.change_password",
    title: "Change Password not denied",
    looks_at: "Users on whom an entry denies Change Password, as \"User cannot change password\" does. That nobody grants it by name is no fault: by default Everyone may.",
    why: "These users can reset, but not change their password in the cloud.",
    doc: TUTORIAL,
    decides: false,
    facts: FACTS,
};

const SETUP: Setup = Setup {
    needs: &[FactId::Connectors, FactId::DirectoryGrants],
    plan,
};

/// The entries that are missing, and those that shall not be there, container by container. What an entry denies is not
/// among the missing, for another that grants it would change nothing.
fn plan(snapshot: &Snapshot, desired: &DesiredState) -> Vec<Change> {
    let Some(wanted) = &desired.directory_permissions else {
        return Vec::new();
    };
    let all = snapshot.facts.directory_grants.value().map(Vec::as_slice);
    let named = wanted.containers.as_ref();
    let named: Option<HashSet<String>> = named.map(|named| named.iter().map(|dn| dn.to_lowercase()).collect());
    let mut objects: BTreeMap<&str, Entries> = BTreeMap::new();
    // What stands on an account's own object is of no use whether or not the account is in use.
    let meant = |grants: &&Grants| grants.serves || grants.scope == GrantScope::OwnObject;
    for grants in all.unwrap_or_default().iter().filter(meant) {
        // Where containers are named, the root is none of them unless it is named too.
        let here = match &named {
            None => grants.scope == GrantScope::Root,
            Some(named) => named.contains(&grants.object.to_lowercase()),
        };
        let users = users(snapshot, grants);
        for right in &grants.rights {
            let name = match &right.class {
                Some(_) if grants.scope == GrantScope::AdminSdHolder => {
                    format!("{} on protected objects for {}", right.right, grants.connector)
                }
                Some(class) => format!("{} on {class} objects for {}", right.right, grants.connector),
                None => format!("{} for {}", right.right, grants.connector),
            };
            let of = objects.entry(&grants.object).or_default();
            (of.domain, of.scope, of.protected) = (&grants.domain, grants.scope, grants.protected);
            of.users = users;
            match asked(wanted, grants.scope, here, right) {
                Some(true) if right.denied => of.denied.push(name),
                Some(true) if !right.allowed => drop(of.added.insert(name, right.entry.clone())),
                Some(false) if right.there => drop(of.removed.insert(name, right.entry.clone())),
                _ => {}
            }
        }
    }
    objects
        .into_iter()
        .flat_map(|(object, entries)| entries.changes(object))
        .collect()
}

/// How many users stand below an object, where that was counted: those of a whole domain are with its password policies.
fn users(snapshot: &Snapshot, grants: &Grants) -> Option<u64> {
    if grants.scope != GrantScope::Root {
        return grants.users;
    }
    let all = snapshot.facts.directory_passwords.value()?;
    let own = all.iter().find(|own| own.domain.eq_ignore_ascii_case(&grants.domain))?;
    let fine = own.fine_grained.iter().flatten();
    Some(fine.fold(own.users, |all, fine| all.saturating_add(fine.users)))
}

/// Whether a right shall be there, on an object where rights are wanted or not; None where nothing is said of it.
fn asked(wanted: &DirectoryPermissions, scope: GrantScope, here: bool, right: &Grantable) -> Option<bool> {
    if scope == GrantScope::OwnObject {
        return (wanted.clean_own_object == Some(true)).then_some(false);
    }
    let Some(class) = right.class.as_deref() else {
        return wanted.unexpire_password;
    };
    let of_class = match class {
        "user" => wanted.users,
        _ => wanted.inet_org_persons,
    };
    match right.right == CHANGING {
        true => wanted.change_password.filter(|_| of_class.is_some()),
        false => of_class,
    }
    .filter(|_| here)
}

/// What is changed of a container.
#[derive(Default)]
struct Entries<'s> {
    domain: &'s str,
    scope: GrantScope,
    protected: bool,
    users: Option<u64>,
    added: BTreeMap<String, String>,
    removed: BTreeMap<String, String>,
    denied: Vec<String>,
}

impl Entries<'_> {
    fn changes(self, object: &str) -> Vec<Change> {
        let mut changes = Vec::new();
        let written = [
            (self.added, true, "Grant the connector account what it lacks"),
            (self.removed, false, "Take rights of the connector account away"),
        ];
        for (entries, there, title) in written {
            if entries.is_empty() {
                continue;
            }
            let state =
                |there: bool| -> Value { entries.keys().map(|name| (name.clone(), Value::Bool(there))).collect() };
            let (before, after) = (state(!there), state(there));
            let write = Write::Descriptor {
                domain: self.domain.into(),
                object: object.into(),
                entries,
            };
            let mut change = Change::of(GRANTED.id, Kind::Directory, title)
                .writes(object, write, before, after)
                .requires(&[WRITE_DACL]);
            change.risk = match (there, self.scope) {
                (true, GrantScope::AdminSdHolder) => Some(OPENS_ADMINISTRATORS.into()),
                (true, GrantScope::Container) if self.protected => Some(OPENS_PROTECTED.into()),
                _ => None,
            };
            change.id = match there {
                true => format!("{}:{object}", GRANTED.id),
                false => format!("{}:not:{object}", GRANTED.id),
            };
            changes.push(change.touches(self.users));
        }
        if !self.denied.is_empty() {
            let mut change = Change::of(
                DENIED.id,
                Kind::Manual,
                "Remove the entries that deny the connector account",
            );
            change.target = object.into();
            change.id = format!("{}:{object}", DENIED.id);
            let denied = self.denied.into_iter();
            change.after = denied.map(|name| (name, Value::from("not denied"))).collect();
            change.by_hand = vec![
                format!("In Active Directory Users and Computers open {object}, Properties, Security, Advanced."),
                "Find the Deny entries for a group that the account is in, and remove them or take the account out of the group.".into(),
            ];
            changes.push(change.touches(self.users));
        }
        changes
    }
}

/// As the controller shows it to whoever may.
const WRITE_DACL: &str = "the right to modify permissions (write DACL) there";
const OPENS_ADMINISTRATORS: &str = "Within the hour the controllers copy this to every administrator and every other protected object of the domain: who has the connector account can then take over the domain.";
const OPENS_PROTECTED: &str = "This container takes no permissions from above: somebody shut it off. Its users will be open to the connector account.";

/// As Windows shows it.
const CHANGING: &str = "Change Password";

fn check(snapshot: &Snapshot) -> Vec<Finding> {
    let fact = &snapshot.facts.directory_access;
    let all = access(snapshot);
    let first = |check: &Check| {
        unread(check, snapshot, fact).or_else(|| {
            all.is_empty().then(|| {
                check
                    .skipped(
                        "no connector account was found whose rights could be weighed",
                        "Accounts are found by the names and descriptions that Microsoft gives them; yours may have others.",
                    )
                    .fix("Name the account when you connect.")
                    .command("Connect-SsprDirectory -Connector CONTOSO\\svc-entra")
            })
        })
    };
    let unjudged = unjudged(snapshot, &all);
    let make = |check: &'static Check, judge: fn(&Snapshot, &[&DomainAccess]) -> Finding| {
        let finding = first(check).unwrap_or_else(|| judge(snapshot, &all));
        match unjudged.is_empty() || finding.status != Outcome::Pass {
            true => finding,
            false => Finding {
                evidence: finding.evidence,
                ..check
                    .skipped(
                        format!("{}, but not all domains were judged", finding.title),
                        format!("No account in use was weighed in {}.", listed(&unjudged)),
                    )
                    .fix("Connect to all domains of the forest in one session, and check again.")
            },
        }
    };
    vec![
        make(&UNEXPIRE, unexpire),
        make(&GRANTED, granted),
        make(&INHERITANCE, inheritance),
        make(&DENIED, denied),
        make(&INET_ORG_PERSON, inet_org_person),
        make(&ADMINISTRATORS, administrators),
        make(&RESERVED_NAMES, reserved_names),
        make(&OWN_OBJECT, own_object),
        make(&CONNECT_READS, connect_reads),
        make(&REMOTE_SAM, remote_sam),
        make(&CHANGE_PASSWORD, change_password),
    ]
}

fn evidence(finding: Finding, snapshot: &Snapshot, seen: impl Into<String>) -> Finding {
    finding.evidence(&snapshot.facts.directory_access, seen)
}

/// What opens the way to a security descriptor.
const READ_PERMISSIONS: &str = "Check with an account that has the right Read permissions there.";

fn unexpire(snapshot: &Snapshot, all: &[&DomainAccess]) -> Finding {
    let decided = |access: &DomainAccess| access.unexpire.as_ref().map(|decision| decision.allowed);
    let lacking: Vec<&&DomainAccess> = all.iter().filter(|access| decided(access) == Some(false)).collect();
    let unread: Vec<&&DomainAccess> = all.iter().filter(|access| decided(access).is_none()).collect();
    let domains = |of: &[&&DomainAccess]| {
        let mut names: Vec<String> = of.iter().map(|access| access.domain.clone()).collect();
        names.dedup();
        listed(&names)
    };
    let mut finding = if lacking.is_empty() && unread.is_empty() {
        UNEXPIRE.pass(format!("granted on {}", domains(&all.iter().collect::<Vec<_>>())))
    } else if lacking.is_empty() {
        UNEXPIRE
            .skipped(
                format!("the security descriptor of {} cannot be read", domains(&unread)),
                "What is granted on the domain's root is not known.",
            )
            .fix(READ_PERMISSIONS)
    } else {
        UNEXPIRE
            .fail(Severity::Medium, format!("not granted on {}", domains(&lacking)))
            .reason("A user whose password had expired resets it and is made to change it again at the next sign-in. By default Authenticated Users have this right on the root: somebody took it away.")
            .fix("Grant the connector account Unexpire Password on the domain's root, this object only.")
    };
    for access in all {
        let by = access.unexpire.as_ref().map_or(UNREAD, |decision| &decision.by);
        let seen = format!("{} on {}: {by}", access.connector, access.domain);
        finding = evidence(finding, snapshot, seen);
    }
    finding
}

/// The groups of users of some cause, with the domain that they are of, the largest first; each domain by the account that
/// is refused most.
fn groups<'a>(all: &[&'a DomainAccess], wanted: fn(&Cause) -> bool) -> Vec<(&'a DomainAccess, &'a CauseGroup)> {
    let count = |access: &DomainAccess| sum(&access.refused, wanted);
    let mut found: Vec<(&DomainAccess, &CauseGroup)> = Vec::new();
    for access in all {
        let others = all.iter().filter(|other| other.domain == access.domain);
        let is_most = others
            .max_by_key(|other| count(other))
            .is_some_and(|most| std::ptr::eq(*most, *access));
        if is_most {
            found.extend(
                access
                    .refused
                    .iter()
                    .filter(|group| wanted(&group.cause))
                    .map(|group| (*access, group)),
            );
        }
    }
    found.sort_by_key(|(_, group)| std::cmp::Reverse(group.count));
    found
}

fn sum(groups: &[CauseGroup], wanted: fn(&Cause) -> bool) -> u64 {
    total(
        groups
            .iter()
            .filter(|group| wanted(&group.cause))
            .map(|group| group.count),
    )
}

/// How many groups are told one by one.
const TOLD: usize = 10;

const UNREAD: &str = "the security descriptor cannot be read";

/// What a cause is, for a sentence.
pub(super) fn told(cause: &Cause) -> String {
    match cause {
        Cause::Inheritance { container } => format!("inheritance is off on {}", place(container)),
        Cause::UserInheritance => "inheritance is off on the user".into(),
        Cause::AdminSdHolder => "AdminSDHolder protects the user, or did".into(),
        Cause::Denied {
            right,
            trustee,
            container: Some(container),
        } => format!("{right} is denied to {trustee} at {}", place(container)),
        Cause::Denied { right, trustee, .. } => format!("{right} is denied to {trustee} on the user"),
        Cause::InetOrgPerson => "what is granted is for the class user".into(),
        Cause::NotGranted { right } => format!("nothing grants {right}"),
        Cause::ReservedName { container } => format!("the name of {} holds a reserved character", place(container)),
        Cause::Disabled => "the user is disabled".into(),
        Cause::LockedOut => "the user is locked out now".into(),
        Cause::Unreadable => UNREAD.into(),
    }
}

/// That nothing was found on any user, of how many; where users of some domain were not seen, that nothing is known.
fn none(
    check: &Check,
    title: &str,
    snapshot: &Snapshot,
    all: &[&DomainAccess],
    seen: fn(&DomainAccess) -> u64,
) -> Finding {
    if let Some(finding) = unseen(check, all) {
        return finding;
    }
    let dark = all.iter().find(|access| access.users > 0 && seen(access) == 0);
    if let Some(access) = dark {
        return check
            .skipped(
                format!("no security descriptor of a user of {} can be read", access.domain),
                "Nothing was weighed.",
            )
            .fix(READ_PERMISSIONS);
    }
    let seen = format!(
        "{} weighed",
        counted(across(all, seen), "enabled user", "enabled users")
    );
    evidence(check.pass(title), snapshot, seen)
}

/// The users whose security descriptor was read.
fn weighed(access: &DomainAccess) -> u64 {
    let unread = sum(&access.refused, |cause| matches!(cause, Cause::Unreadable));
    access.users.saturating_sub(unread)
}

/// Why there is nothing to say of users, where the reader saw none of some domain, or none is enabled.
fn unseen(check: &Check, all: &[&DomainAccess]) -> Option<Finding> {
    let nobody = |access: &&&DomainAccess| access.users == 0 && sum(&access.barred, |_| true) == 0;
    if let Some(access) = all.iter().find(nobody) {
        let title = format!("no enabled user was seen in {}", access.domain);
        return Some(check.skipped(
            title,
            "Nothing was weighed there: the reader may lack the right to see users.",
        ));
    }
    (across(all, |access| access.users) == 0).then(|| check.not_applicable("No user is enabled."))
}

/// The first users of some groups.
fn sample<'a>(groups: impl Iterator<Item = &'a CauseGroup>) -> Vec<String> {
    groups
        .flat_map(|group| group.sample.iter().cloned())
        .take(TOLD)
        .collect()
}

/// Users who are not refused, but have something else about them: how many in all domains, and the groups of the domain
/// that has the most.
struct Crowd<'a> {
    count: u64,
    users: u64,
    share: String,
    groups: &'a [CauseGroup],
}

impl<'a> Crowd<'a> {
    fn of(
        snapshot: &Snapshot,
        all: &[&'a DomainAccess],
        groups: fn(&DomainAccess) -> &Vec<CauseGroup>,
    ) -> Option<Crowd<'a>> {
        let size = |access: &DomainAccess| sum(groups(access), |_| true);
        let (count, users) = (across(all, size), across(all, |access| access.users));
        let most = all.iter().max_by_key(|access| size(access)).filter(|_| count > 0)?;
        let partial = snapshot.facts.directory_access.is_partial();
        Some(Crowd {
            count,
            users,
            share: share(count, Some(users), partial, "user", "users"),
            groups: groups(most),
        })
    }

    fn shown(&self, finding: Finding, snapshot: &Snapshot, blocks_reset: bool) -> Finding {
        let finding = self.groups.iter().take(TOLD).fold(finding, |finding, group| {
            let seen = format!("{}: {}", told(&group.cause), counted(group.count, "user", "users"));
            evidence(finding, snapshot, seen)
        });
        finding.affects(self.count, Some(self.users), blocks_reset, sample(self.groups.iter()))
    }
}

/// A finding of users whom the account may not reset for some cause, or that there are none.
struct Refused {
    check: &'static Check,
    severity: Severity,
    wanted: fn(&Cause) -> bool,
    none: &'static str,
    reason: &'static str,
    fix: &'static str,
}

impl Refused {
    fn finding(&self, snapshot: &Snapshot, all: &[&DomainAccess]) -> Finding {
        let partial = snapshot.facts.directory_access.is_partial();
        let users = across(all, |access| access.users);
        let found = groups(all, self.wanted);
        let count = total(found.iter().map(|(_, group)| group.count));
        let Some((_, largest)) = found.first() else {
            return none(self.check, self.none, snapshot, all, weighed);
        };
        let whole = share(count, Some(users), partial, "user", "users");
        let title = match found.len() {
            1 => format!("{whole} refused: {}", told(&largest.cause)),
            n => format!(
                "{whole} refused: {}, and {}",
                told(&largest.cause),
                counted(n as u64 - 1, "other cause", "other causes")
            ),
        };
        let mut finding = self.check.fail(self.severity, title).reason(self.reason).fix(self.fix);
        for (access, group) in found.iter().take(TOLD) {
            let seen = format!(
                "{}: {}: {}",
                access.domain,
                told(&group.cause),
                counted(group.count, "user", "users")
            );
            finding = evidence(finding, snapshot, seen);
        }
        let sample = sample(found.iter().map(|(_, group)| *group));
        if let Some(user) = sample.first() {
            finding = finding.command(format!(
                "Get-SsprDirectoryPermission -User '{}'",
                user.replace('\'', "''")
            ));
        }
        finding.affects(count, Some(users), true, sample)
    }
}

fn granted(snapshot: &Snapshot, all: &[&DomainAccess]) -> Finding {
    let refused = Refused {
        check: &GRANTED,
        severity: Severity::High,
        wanted: |cause| matches!(cause, Cause::NotGranted { .. }),
        none: "granted wherever nothing stands in the way",
        reason: "These users choose a new password and then get SSPR_0029: the directory refuses the connector account.",
        fix: "Grant the connector account the rights on descendant users, at the domain's root or at the unit that is named.",
    };
    let mut finding = refused.finding(snapshot, all);
    let unread = groups(all, |cause| matches!(cause, Cause::Unreadable));
    if !unread.is_empty() {
        finding = undecided(finding, snapshot, all, &unread);
    } else if finding.affected.is_none() && unseen(&GRANTED, all).is_none() {
        let users = across(all, |access| access.users);
        let lacking = across(all, DomainAccess::refused_users);
        finding.title = match lacking {
            0 => format!(
                "all {} can be reset by the connector account",
                counted(users, "enabled user", "enabled users")
            ),
            _ => format!(
                "{} of {} can be reset; for the others see what stands in the way",
                number(users.saturating_sub(lacking)),
                counted(users, "enabled user", "enabled users")
            ),
        };
    }
    barred(finding, snapshot, all)
}

/// Users whom nobody resets as they are disabled or locked out: told with what the account may do, whose fault it is not.
fn barred(finding: Finding, snapshot: &Snapshot, all: &[&DomainAccess]) -> Finding {
    let mut domains: Vec<&DomainAccess> = all.to_vec();
    domains.sort_by_key(|access| access.domain.as_str());
    domains.dedup_by_key(|access| access.domain.as_str());
    let mut groups: Vec<(&str, &CauseGroup)> = domains
        .iter()
        .flat_map(|access| access.barred.iter().map(|group| (access.domain.as_str(), group)))
        .collect();
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.count));
    groups.into_iter().take(TOLD).fold(finding, |finding, (domain, group)| {
        let count = counted(group.count, "user", "users");
        let such = group
            .sample
            .first()
            .map_or_else(String::new, |dn| format!(", such as {dn}"));
        evidence(
            finding,
            snapshot,
            format!("{domain}: {}: {count}{such}", told(&group.cause)),
        )
    })
}

/// A finding, with the users of whom nothing is known as their descriptors cannot be read.
fn undecided(
    finding: Finding,
    snapshot: &Snapshot,
    all: &[&DomainAccess],
    unread: &[(&DomainAccess, &CauseGroup)],
) -> Finding {
    let count = total(unread.iter().map(|(_, group)| group.count));
    let users = across(all, |access| access.users);
    let partial = snapshot.facts.directory_access.is_partial();
    let seen = format!("{}: {UNREAD}", share(count, Some(users), partial, "user", "users"));
    if finding.affected.is_some() {
        return evidence(finding, snapshot, seen);
    }
    let names = sample(unread.iter().map(|(_, group)| *group)).join("; ");
    let skipped = GRANTED
        .skipped(
            seen,
            "Whether the connector account may reset these users is not known.",
        )
        .fix(READ_PERMISSIONS);
    evidence(skipped, snapshot, names)
}

fn inheritance(snapshot: &Snapshot, all: &[&DomainAccess]) -> Finding {
    let refused = Refused {
        check: &INHERITANCE,
        severity: Severity::High,
        wanted: |cause| matches!(cause, Cause::Inheritance { .. } | Cause::UserInheritance),
        none: "nowhere off where it matters",
        reason: "What is granted at the domain's root does not reach these users: they choose a new password and then get SSPR_0029.",
        fix: "Switch inheritance on again (Security, Advanced, Enable inheritance), or grant the rights there. It may take an hour to reach all users.",
    };
    refused.finding(snapshot, all)
}

fn denied(snapshot: &Snapshot, all: &[&DomainAccess]) -> Finding {
    let refused = Refused {
        check: &DENIED,
        severity: Severity::High,
        wanted: |cause| matches!(cause, Cause::Denied { .. }),
        none: "no entry denies a right that is needed",
        reason: "The entry comes before what grants the right, so these users get SSPR_0029.",
        fix: "Take the entry away, or take the connector account out of the group that it names.",
    };
    refused.finding(snapshot, all)
}

fn inet_org_person(snapshot: &Snapshot, all: &[&DomainAccess]) -> Finding {
    let people = across(all, |access| access.inet_org_persons);
    if let Some(finding) = unseen(&INET_ORG_PERSON, all) {
        return finding;
    }
    if people == 0 && !snapshot.facts.directory_access.is_partial() {
        return INET_ORG_PERSON.not_applicable("No enabled user is of the class inetOrgPerson.");
    }
    let refused = Refused {
        check: &INET_ORG_PERSON,
        severity: Severity::High,
        wanted: |cause| matches!(cause, Cause::InetOrgPerson),
        none: "users of this class can be reset too",
        reason: "An entry for descendant users of the class user does not reach users of the class inetOrgPerson; they get SSPR_0029.",
        fix: "Grant the same rights a second time, on descendant inetOrgPerson objects.",
    };
    refused.finding(snapshot, all)
}

fn administrators(snapshot: &Snapshot, all: &[&DomainAccess]) -> Finding {
    let refused = Refused {
        check: &ADMINISTRATORS,
        severity: Severity::Low,
        wanted: |cause| matches!(cause, Cause::AdminSdHolder),
        none: "no user who could reset is or was in a protected group",
        reason: "Members of protected groups may change, but not reset, their password by writeback: that is Microsoft's design. Those who were members once keep the mark and the missing inheritance.",
        fix: "Leave administrators as they are. For those who no longer are: clear adminCount and switch inheritance on again.",
    };
    let mut finding = refused.finding(snapshot, all);
    if finding.status == Outcome::Fail {
        finding.status = Outcome::Warn;
    }
    let trusted = all.iter().find(|access| resets_protected(access));
    if let Some(access) = trusted {
        let title = format!(
            "{} may reset administrators of {}: AdminSDHolder grants it Reset Password",
            access.connector, access.domain
        );
        let warned = ADMINISTRATORS
            .warn(Severity::Low, title)
            .reason("Members of protected groups get AdminSDHolder's entries. Whoever takes the Connect server could set an administrator's password.")
            .fix("Take the account's rights off CN=AdminSDHolder,CN=System, unless administrators are meant to reset by writeback.");
        // Whom it may not reset all the same stays told.
        finding = Finding {
            evidence: finding.evidence,
            affected: finding.affected,
            ..warned
        };
    }
    all.iter()
        .fold(finding, |finding, access| evidence(finding, snapshot, holder(access)))
}

/// Whether AdminSDHolder lets an account set the passwords of protected users.
fn resets_protected(access: &DomainAccess) -> bool {
    let held = access.admin_sd_holder.first();
    held.is_some_and(|held| held.right == "Reset Password" && held.decision.allowed)
}

/// What AdminSDHolder itself grants an account, in words.
fn holder(access: &DomainAccess) -> String {
    let (domain, connector) = (&access.domain, &access.connector);
    let rights = |granted: bool| -> Vec<String> {
        let held = access.admin_sd_holder.iter();
        let named = |held: &crate::snapshot::directory::Held| match held.decision.by.as_str() {
            "" => held.right.clone(),
            by => format!("{} ({by})", held.right),
        };
        held.filter(|held| held.decision.allowed == granted)
            .map(named)
            .collect()
    };
    let (granted, missing) = (rights(true), rights(false));
    let told = match (granted.is_empty(), missing.is_empty()) {
        (true, true) => return format!("{domain}: what AdminSDHolder itself grants {connector} is not known"),
        (true, false) => format!("does not grant {connector} {}", missing.join(", ")),
        (false, true) => format!("grants {connector} {}", granted.join(", ")),
        (false, false) => format!(
            "grants {connector} {}, and does not grant {}",
            granted.join(", "),
            missing.join(", ")
        ),
    };
    format!("{domain}: AdminSDHolder itself {told}")
}

fn reserved_names(snapshot: &Snapshot, all: &[&DomainAccess]) -> Finding {
    let Some(crowd) = Crowd::of(snapshot, all, |access| &access.reserved_names) else {
        return none(&RESERVED_NAMES, "none above an enabled user", snapshot, all, |access| {
            access.users
        });
    };
    let title = format!("{} below a unit with a reserved character in its name", crowd.share);
    let finding = RESERVED_NAMES
        .fail(Severity::Medium, title)
        .reason("Writeback does not find users below such a unit (event 33001).")
        .fix("Rename the unit without: a space or # in front, a space behind, and , + \" \\ < > ; = / or a line break anywhere.");
    crowd.shown(finding, snapshot, true)
}

fn own_object(snapshot: &Snapshot, all: &[&DomainAccess]) -> Finding {
    let mut misplaced: Vec<&&DomainAccess> = all.iter().filter(|access| !access.own_object.is_empty()).collect();
    misplaced.dedup_by_key(|access| access.connector.as_str());
    let Some(first) = misplaced.first() else {
        return evidence(
            OWN_OBJECT.pass("none"),
            snapshot,
            "the accounts' own objects grant them nothing by name",
        );
    };
    let refused = across(all, DomainAccess::refused_users) > 0;
    let title = format!(
        "{} was given {} on its own object",
        first.connector,
        first.own_object.join(", ")
    );
    let severity = if refused { Severity::Medium } else { Severity::Low };
    let finding = OWN_OBJECT
        .warn(severity, title)
        .reason("These rights let the account reset itself, and nobody else. They are probably meant for the domain.")
        .fix("Take them away from the account's object, and grant them on the domain's root for descendant users.");
    misplaced.iter().fold(finding, |finding, access| {
        let seen = format!("{}: {}", access.connector, access.own_object.join(", "));
        evidence(finding, snapshot, seen)
    })
}

fn connect_reads(snapshot: &Snapshot, all: &[&DomainAccess]) -> Finding {
    let reads = || {
        all.iter()
            .flat_map(|access| access.reads.iter().map(move |read| (*access, read)))
    };
    let lacking: Vec<String> = reads()
        .filter(|(_, read)| !read.decision.allowed)
        .map(|(_, read)| place(&read.object))
        .collect();
    let mut unread: Vec<String> = all
        .iter()
        .flat_map(|access| &access.unread)
        .filter(|object| !object.starts_with("CN=AdminSDHolder,"))
        .map(|object| place(object))
        .collect();
    unread.dedup();
    if lacking.is_empty() && (reads().next().is_none() || !unread.is_empty()) {
        let whose = match unread.is_empty() {
            true => "the domain's root, CN=Builtin and CN=Server,CN=System".into(),
            false => listed(&unread),
        };
        return CONNECT_READS
            .skipped(
                "what decides it could not be seen",
                format!("The security descriptors of {whose} could not be read."),
            )
            .fix(READ_PERMISSIONS);
    }
    let mut finding = if lacking.is_empty() {
        CONNECT_READS.pass("the domain's root, CN=Builtin and CN=Server,CN=System can be read")
    } else {
        CONNECT_READS
            .fail(Severity::High, format!("the account cannot read {}", listed(&lacking)))
            .reason("Before each reset Connect asks the domain controller about the user; that fails, and so does every reset (SSPR_0029, event 33004).")
            .fix("Give Authenticated Users read access there again, or put Authenticated Users back into Pre-Windows 2000 Compatible Access.")
    };
    for (access, read) in reads() {
        let seen = format!("{}: {}: {}", access.domain, place(&read.object), read.decision.by);
        finding = evidence(finding, snapshot, seen);
    }
    finding
}

fn remote_sam(snapshot: &Snapshot, all: &[&DomainAccess]) -> Finding {
    let shut = all.iter().find(|access| access.remote_sam.allowed == Some(false));
    let unclear = all
        .iter()
        .find(|access| access.remote_sam.sddl.is_some() && access.remote_sam.allowed.is_none());
    let unread = all.iter().find_map(|access| access.remote_sam.unread.as_deref());
    let mut finding = if let Some(access) = shut {
        REMOTE_SAM
            .fail(
                Severity::High,
                format!(
                    "{} keeps {} from asking the controllers",
                    access.remote_sam.policy.as_deref().unwrap_or("a group policy object"),
                    access.connector
                ),
            )
            .reason("Connect cannot ask a controller about the user, so every reset fails (SSPR_0029, event 33004 with ERROR_ACCESS_DENIED).")
            .fix("Add the connector account to \"Network access: Restrict clients allowed to make remote calls to SAM\", or take the setting away; the registry value stays until it is deleted.")
    } else if let Some(access) = unclear {
        REMOTE_SAM
            .skipped(
                "a restriction is set whose list is not understood",
                access.remote_sam.sddl.clone().unwrap_or_default(),
            )
            .fix("See that it names the connector account.")
    } else if let Some(why) = unread {
        REMOTE_SAM
            .skipped("what group policy sets for the controllers could not be read", why)
            .fix("Check on a machine of the domain, which reaches SYSVOL, or name where the share is mounted.")
            .command("Connect-SsprDirectory -SysvolPath /mnt/sysvol")
    } else {
        REMOTE_SAM
            .pass("no group policy object keeps it from asking")
            .reason("A value that was set by hand in a controller's registry is not seen from here.")
    };
    for access in all {
        let list = access.remote_sam.sddl.as_deref().unwrap_or("not set by group policy");
        finding = evidence(finding, snapshot, format!("{}: {list}", access.domain));
    }
    finding
}

fn change_password(snapshot: &Snapshot, all: &[&DomainAccess]) -> Finding {
    let Some(crowd) = Crowd::of(snapshot, all, |access| &access.change_denied) else {
        return none(&CHANGE_PASSWORD, "denied to nobody", snapshot, all, weighed);
    };
    let title = format!("{} cannot change the password in the cloud", crowd.share);
    let finding = CHANGE_PASSWORD
        .warn(Severity::Low, title)
        .reason("An entry denies Change Password, as \"User cannot change password\" does. A reset still works.")
        .fix("Clear \"User cannot change password\" where it is not meant.");
    crowd.shown(finding, snapshot, false)
}

#[cfg(test)]
mod tests;
