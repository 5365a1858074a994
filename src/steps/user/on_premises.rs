//! The links on premises: writeback, the account there, what the connector account may do to it, its password and lockout.

use super::cloud::{as_link, moment};
use super::{Case, link};
use crate::finding::{Check, Finding, Outcome, Severity, counted};
use crate::snapshot::Fact;
use crate::snapshot::directory::Cause;
use crate::steps::directory_permissions::told;
use crate::steps::policy::short;
use crate::steps::{cloud_writeback, connect_writeback};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

pub(super) const WRITEBACK: Check = link(
    "user.writeback",
    "Writeback",
    "Without writeback a synced user cannot reset (SSPR_0010).",
    true,
);
pub(super) const DIRECTORY: Check = link(
    "user.directory",
    "Directory account",
    "A reset ends at the account there, and what stands in its way there is known from there alone.",
    true,
);
pub(super) const ENABLED: Check = link(
    "user.enabled",
    "Enabled on premises",
    "The reset of a disabled account is refused (event 33005).",
    true,
);
pub(super) const RIGHTS: Check = link(
    "user.rights",
    "Connector's rights",
    "Without them the directory refuses the reset (SSPR_0029, event 33004).",
    true,
);
pub(super) const PROTECTED: Check = link(
    "user.protected",
    "Protection",
    "AdminSDHolder takes the connector account's rights from members of administrative groups every hour.",
    false,
);
pub(super) const AGE: Check = link(
    "user.password_age",
    "Password age",
    "A password younger than the minimum age cannot be reset (event 33008).",
    true,
);
pub(super) const LOCKED: Check = link(
    "user.locked",
    "Lockout",
    "A locked account takes no password until it is unlocked; there are two lockouts.",
    false,
);
pub(super) const MUST_CHANGE: Check = link(
    "user.must_change",
    "Change due",
    "Who must change the password signs in to nothing else first.",
    false,
);

/// The links, in causal order; of a user without an account on premises, that there is none.
pub fn links(case: &Case<'_>, all: &mut Vec<Finding>) {
    let gone = matches!(case.person.account, Fact::Known { .. }) && case.account.is_none();
    if gone && case.person.directory.value().is_none_or(Value::is_null) {
        return;
    }
    if case.account.is_some() {
        all.push(writeback(case));
        if case.synced() != Some(true) {
            return;
        }
    }
    let fact = &case.person.directory;
    let user = fact.value().filter(|user| !user.is_null());
    all.push(directory(case, user));
    if let Some(user) = user {
        all.extend([
            enabled(fact, user),
            protected(fact, user),
            rights(fact, user),
            age(case, user),
            locked(case, user),
            must_change(fact, user),
        ]);
    }
}

/// Whether the tenant writes back, as the steps say it.
fn writeback(case: &Case<'_>) -> Finding {
    if case.synced() != Some(true) {
        return WRITEBACK.not_applicable("The password is kept in the tenant alone.");
    }
    let tenants = (cloud_writeback::STEP.check)(case.snapshot);
    let servers = match case.snapshot.facts.connect_servers.value() {
        Some(_) => (connect_writeback::STEP.check)(case.snapshot),
        None => Vec::new(),
    };
    // What fails on the server stands in the way of everybody whom it serves, whether or not the tenant's answer depends on it.
    let all = || tenants.iter().filter(|found| found.decides).chain(&servers);
    let deciding = || all().filter(|found| found.decides);
    let worst = all()
        .find(|found| found.status == Outcome::Fail)
        .or_else(|| deciding().find(|found| found.status == Outcome::Skipped))
        .or_else(|| deciding().next());
    match worst {
        Some(found) => {
            let mut link = as_link(&WRITEBACK, found.clone());
            if !link.title.to_ascii_lowercase().contains("writeback") {
                link.title = format!("password writeback: {}", link.title);
            }
            link
        }
        None => WRITEBACK.unread(None),
    }
}

fn directory(case: &Case<'_>, user: Option<&Value>) -> Finding {
    let fact = &case.person.directory;
    if let Some(user) = user {
        let place = text(user, "dn");
        if let Some(container) = user["reservedName"].as_str() {
            let cause = Cause::ReservedName {
                container: container.into(),
            };
            return DIRECTORY
                .fail(Severity::Medium, told(&cause))
                .evidence(fact, place)
                .reason("Writeback does not find users below such a unit (event 33001).")
                .fix("Rename the unit without: a space or # in front, a space behind, and , + \" \\ < > ; = / or a line break anywhere.");
        }
        let title = format!("{} in {}", short(text(user, "name")), short(text(user, "domain")));
        return DIRECTORY.pass(title).evidence(fact, place);
    }
    let domain = case
        .account
        .and_then(|account| account["onPremisesDomainName"].as_str());
    let connect = domain.map_or("Connect-SsprDirectory".into(), |domain| {
        format!("Connect-SsprDirectory -Domain {}", short(domain))
    });
    match fact {
        Fact::Known { .. } if case.account.is_some() => DIRECTORY
            .fail(Severity::High, "not found in the directories that are connected to")
            .evidence(fact, "no user of that identifier")
            .reason("The user was deleted there and not yet in the tenant (event 33002), or is of a domain that is not connected to.")
            .fix("Connect to the user's domain and look again; if the user is gone there, see what the sync makes of it.")
            .command(connect),
        Fact::Known { .. } => DIRECTORY
            .fail(Severity::High, "there is no such user in the directory")
            .evidence(fact, "not found, or more than one user of that name")
            .reason("Nothing is known of the user.")
            .fix("Name the user by distinguished name, or connect to the user's domain.")
            .command(connect),
        Fact::NotAsked => DIRECTORY
            .skipped(
                "the directory on premises was not looked at",
                "This session is not connected to a directory. What may stand between the user and a reset there is not known.",
            )
            .fix("Connect to the user's domain, on a machine that reaches one of its controllers, and look again.")
            .command(connect),
        _ => DIRECTORY.unread(fact.refusal()),
    }
}

fn text<'v>(user: &'v Value, name: &str) -> &'v str {
    user[name].as_str().unwrap_or_default()
}

fn enabled(fact: &Fact<Value>, user: &Value) -> Finding {
    if user["enabled"] == false {
        return ENABLED
            .fail(Severity::High, "the account is disabled on premises")
            .evidence(fact, "userAccountControl: ACCOUNTDISABLE")
            .reason("The reset of a disabled account is refused (event 33005).")
            .fix("Enable the account, if the user shall work again.")
            .command(format!("Enable-ADAccount -Identity {}", quoted(text(user, "sid"))));
    }
    ENABLED
        .pass("the account is enabled")
        .evidence(fact, "userAccountControl")
}

/// An argument of a command, as PowerShell takes it literally.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn cause(account: &Value) -> Option<Cause> {
    Cause::deserialize(&account["cause"]).ok()
}

fn accounts(user: &Value) -> &[Value] {
    user["accounts"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn protected(fact: &Fact<Value>, user: &Value) -> Finding {
    let (marked, inherits) = (user["adminCount"] == true, user["inheritance"] == true);
    let seen = format!(
        "adminCount {}, inheritance {}",
        u8::from(marked),
        if inherits { "on" } else { "off" }
    );
    let stopped = accounts(user)
        .iter()
        .any(|account| matches!(cause(account), Some(Cause::AdminSdHolder)));
    let found = if stopped {
        PROTECTED
            .fail(Severity::High, "AdminSDHolder protects the account, or did")
            .reason("Members of administrative groups are kept from the connector account by design; of former members what protected them stays behind.")
            .fix("Leave administrators as they are. For a former one clear adminCount and turn inheritance on again.")
            .command(format!("Get-ADPrincipalGroupMembership -Identity {}", quoted(text(user, "sid"))))
    } else if marked {
        PROTECTED
            .warn(Severity::Low, "adminCount is 1")
            .reason("A reset by an administrator may be refused (hr=80231367), and the account may be, or have been, in an administrative group.")
            .fix("For a former administrator clear adminCount and turn inheritance on again.")
    } else {
        PROTECTED.pass("not protected")
    };
    found.evidence(fact, seen)
}

/// Whether an entry denies an account the user's own change. That nobody grants it by name is no fault.
fn change_denied(account: &Value) -> bool {
    let mut rights = account["rights"].as_array().into_iter().flatten();
    rights.any(|right| text(right, "right") == "Change Password" && text(right, "by").starts_with("denied"))
}

fn rights(fact: &Fact<Value>, user: &Value) -> Finding {
    let all = accounts(user);
    let names = |of: &[&Value]| {
        let names: Vec<&str> = of.iter().map(|account| text(account, "connector")).collect();
        names.join(", ")
    };
    if all.is_empty() {
        return RIGHTS
            .skipped(
                "no connector account is known",
                "No MSOL_* or pGMSA_* account was found, and none was named.",
            )
            .evidence(fact, "no account")
            .fix("Name the account when you connect.")
            .command("Connect-SsprDirectory -Connector MSOL_...");
    }
    let (may, not): (Vec<&Value>, Vec<&Value>) = all.iter().partition(|account| account["canReset"] == true);
    let found = match not.first() {
        None if may.iter().any(|account| change_denied(account)) => RIGHTS
            .warn(
                Severity::Low,
                format!("{} may reset it, but the user cannot change the password in the cloud", names(&may)),
            )
            .reason("An entry denies Change Password, as \"User cannot change password\" does (hr=80230626). A reset still works.")
            .fix("Clear \"User cannot change password\" where it is not meant."),
        None => RIGHTS.pass(format!("{} may reset it", names(&may))),
        Some(first) => {
            let cause = cause(first).unwrap_or_default();
            let why = told(&cause);
            let title = format!("{} may not reset it: {why}", names(&not));
            let found = match (may.is_empty(), &cause) {
                (_, Cause::Unreadable) => RIGHTS.skipped(title, "Its security descriptor could not be read."),
                (true, _) => RIGHTS.fail(Severity::High, title),
                (false, _) => RIGHTS.warn(Severity::Medium, title),
            };
            match &cause {
                Cause::Unreadable => found.fix("Check with an account that has the right Read permissions there."),
                cause => remedy(found, cause, text(user, "dn")),
            }
        }
    };
    let found = found.evidence(fact, text(user, "dn"));
    all.iter().fold(found, |found, account| {
        let rights = account["rights"].as_array().into_iter().flatten();
        rights.fold(found, |found, right| {
            let verb = if right["allowed"] == true { "allowed" } else { "refused" };
            let seen = format!(
                "{}: {} {verb}, {}",
                text(account, "connector"),
                text(right, "right"),
                text(right, "by")
            );
            found.evidence(fact, seen)
        })
    })
}

/// What to do about a cause.
fn remedy(found: Finding, cause: &Cause, dn: &str) -> Finding {
    let found = found.reason("The directory refuses the reset, and the user sees SSPR_0029 (event 33004).");
    let grant = |place: &str| format!("Grant-SsprDirectoryPermission -Container {}", quoted(place));
    let parent = dn.split_once(',').map_or(dn, |(_, parent)| parent);
    match cause {
        Cause::Inheritance { container } => found
            .fix("Turn inheritance on again on that container, or grant the rights there.")
            .command(grant(container)),
        Cause::UserInheritance => found.fix("Turn inheritance on again in the user's Advanced Security Settings."),
        Cause::AdminSdHolder => {
            found.fix("That is by design. For a former administrator clear adminCount and turn inheritance on again.")
        }
        Cause::Denied { .. } => {
            found.fix("Take away the entry that denies the right, where it is not meant for this user.")
        }
        Cause::InetOrgPerson => found
            .fix("Grant the rights for inetOrgPerson objects too.")
            .command(format!("{} -InetOrgPerson", grant(parent))),
        _ => found
            .fix("Grant the rights on the user's container or on the domain's root.")
            .command(grant(parent)),
    }
}

fn age(case: &Case<'_>, user: &Value) -> Finding {
    let (fact, password) = (&case.person.directory, &user["password"]);
    let when = |name: &str| password[name].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    let policy = password["fineGrained"]
        .as_str()
        .map_or("the domain's policy".into(), |name| {
            format!("the fine-grained policy {}", short(name))
        });
    let set = when("set").map_or("never set".into(), |at| format!("set on {}", moment(at)));
    let Some(counting) = password["policy"].as_object() else {
        return AGE
            .skipped(
                format!("{policy} cannot be read"),
                "Fine-grained policies are visible to administrators only by default.",
            )
            .evidence(fact, set);
    };
    let days = counting.get("minimumAge").and_then(Value::as_u64).unwrap_or_default() / (24 * 60 * 60);
    let seen = format!("{set}; minimum age by {policy}: {}", counted(days, "day", "days"));
    match when("resetFrom").filter(|from| *from > case.snapshot.taken_at) {
        Some(from) => AGE
            .fail(Severity::Medium, format!("the password is too young: it can be reset from {}", moment(from)))
            .evidence(fact, seen)
            .reason("The directory holds a reset against the minimum age (event 33008), and the user sees that the password does not meet the policy.")
            .fix("Set the minimum age to 0 in the policy that counts, or wait.")
            .command(format!("Get-SsprPasswordPolicy -User {}", quoted(text(user, "sid")))),
        None => AGE
            .pass(format!("old enough: minimum age {} by {policy}", counted(days, "day", "days")))
            .evidence(fact, seen),
    }
}

/// The directory's lockout; the cloud's own is told by no source.
fn locked(case: &Case<'_>, user: &Value) -> Finding {
    let fact = &case.person.directory;
    let smart = case.snapshot.facts.smart_lockout.value();
    let smart = smart.map_or(String::new(), |own| match own.threshold {
        Some(threshold) => format!(" It begins after {threshold} wrong passwords here."),
        None => String::new(),
    });
    let other = format!(
        "Smart lockout in the tenant is another lockout, which no source tells of: it ends by itself, and neither a reset nor an unlock on premises ends it.{smart}"
    );
    if user["locked"] == true {
        return LOCKED
            .warn(Severity::Medium, "locked out on premises")
            .evidence(fact, "msDS-User-Account-Control-Computed: LOCKOUT")
            .reason(format!("A reset or an unlock at aka.ms/sspr ends this lockout, where the connector account may write lockoutTime. {other}"))
            .fix("Have the user reset or unlock at aka.ms/sspr, or unlock the account.")
            .command(format!("Unlock-ADAccount -Identity {}", quoted(text(user, "sid"))));
    }
    LOCKED
        .pass("not locked out on premises")
        .evidence(fact, "msDS-User-Account-Control-Computed")
        .reason(other)
}

fn must_change(fact: &Fact<Value>, user: &Value) -> Finding {
    if user["password"]["mustChange"] == true {
        return MUST_CHANGE
            .warn(Severity::Low, "must change the password at the next sign-in")
            .evidence(fact, "pwdLastSet: 0")
            .reason("A reset at aka.ms/sspr is that change, where the connector account holds Unexpire Password on the domain's root; else the user must change it once more.")
            .fix("Have the user reset at aka.ms/sspr.");
    }
    MUST_CHANGE.pass("no change is due").evidence(fact, "pwdLastSet")
}
