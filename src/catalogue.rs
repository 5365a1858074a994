//! Why a reset does not reach the directory: every known cause, which check finds it before it hurts, and which event of
//! an Entra Connect server, or which check, recognises it afterwards. docs/catalogue.md is made from this table.

mod resolve;

pub use resolve::{By, Clue, resolve};

use crate::snapshot::connect::SyncEvent;

/// A known cause.
#[derive(Debug)]
pub struct Row {
    /// Its number, which stays.
    pub number: u8,
    /// What is seen.
    pub symptom: &'static str,
    /// Why.
    pub cause: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// The checks that find it before a user does.
    pub before: &'static [&'static str],
    /// The checks that see what it left behind.
    pub after: &'static [&'static str],
    /// The events that tell of it.
    pub events: &'static [Sign],
    /// Why neither does.
    pub neither: &'static str,
}

/// What an event that tells of a cause looks like.
#[derive(Debug)]
pub struct Sign {
    /// Its provider.
    pub provider: &'static str,
    /// Its number.
    pub id: u32,
    /// What its text holds, all of it, whatever the case and as whole words; empty: anything.
    pub says: &'static [&'static str],
}

/// Events of resets and changes that were written.
pub const WRITTEN: [u32; 3] = [31002, 31007, 31010];
/// Of those that failed.
pub const FAILED: [u32; 3] = [31003, 31008, 31011];
/// Those that say of one user why.
pub const OF_A_USER: std::ops::RangeInclusive<u32> = 33001..=33009;

const RESET: &str = "PasswordResetService";
const ENGINE: &str = "ADSync";

const fn reset(id: u32) -> Sign {
    reset_says(id, &[])
}

const fn reset_says(id: u32, says: &'static [&'static str]) -> Sign {
    Sign {
        provider: RESET,
        id,
        says,
    }
}

const fn engine(id: u32, says: &'static [&'static str]) -> Sign {
    Sign {
        provider: ENGINE,
        id,
        says,
    }
}

/// A row without checks and events, from which the others are made.
const BARE: Row = Row {
    number: 0,
    symptom: "",
    cause: "",
    fix: "",
    before: &[],
    after: &[],
    events: &[],
    neither: "",
};

/// Refused by the directory, whatever the reason.
const DENIED: &[Sign] = &[reset(33004), engine(6329, &["80230626"])];
/// Connect may not ask a controller about the user.
const NOT_ASKED: &[Sign] = &[
    engine(6329, &["acquire user information", "ERROR_ACCESS_DENIED"]),
    engine(6329, &["acquire user information", "0x5"]),
];

/// Every known cause.
pub const ROWS: &[Row] = &[
    Row {
        number: 1,
        symptom: "SSPR_0029; event 33004, hr=80230626",
        cause: "the connector account lacks a right on the user",
        fix: "Grant Reset Password and write lockoutTime and pwdLastSet where directory_permissions says that they are missing.",
        before: &[
            "directory_permissions.granted",
            "directory_permissions.denied",
            "directory_permissions.own_object",
        ],
        events: DENIED,
        ..BARE
    },
    Row {
        number: 2,
        symptom: "the same, for some users only",
        cause: "inheritance is off on the user or on a unit above",
        fix: "Turn inheritance on again where directory_permissions.inheritance says, or grant the rights there.",
        before: &["directory_permissions.inheritance"],
        events: DENIED,
        ..BARE
    },
    Row {
        number: 3,
        symptom: "the same, for administrators",
        cause: "AdminSDHolder protects the user, or once did",
        fix: "That is by design; for former administrators clear adminCount and turn inheritance on again.",
        before: &["directory_permissions.administrators"],
        events: DENIED,
        ..BARE
    },
    Row {
        number: 4,
        symptom: "an administrator's reset of a user fails, hr=80231367",
        cause: "the user has adminCount 1",
        fix: "Take the user out of the protected group, clear adminCount and turn inheritance on again.",
        before: &["directory_permissions.administrators"],
        events: &[reset_says(33004, &["80231367"]), engine(6329, &["80231367"])],
        ..BARE
    },
    Row {
        number: 5,
        symptom: "33004, and 6329 \"Failed to acquire user information\" with access denied",
        cause: "RestrictRemoteSam on the Connect server or on a controller keeps the account from asking about users",
        fix: "Name the connector account in RestrictRemoteSam, or take the policy and its registry value away.",
        before: &["directory_permissions.remote_sam", "connect_writeback.remote_sam"],
        events: NOT_ASKED,
        ..BARE
    },
    Row {
        number: 6,
        symptom: "the same without RestrictRemoteSam",
        cause: "the account cannot read the domain's root, CN=Builtin or CN=Server,CN=System",
        fix: "Let Authenticated Users read them again.",
        before: &["directory_permissions.connect_reads"],
        events: NOT_ASKED,
        ..BARE
    },
    Row {
        number: 7,
        symptom: "the same where Connect runs on a domain controller",
        cause: "Connect asks its own controller, where other rights count",
        fix: "Move Connect to a member server, or let it prefer another controller.",
        before: &["connect_writeback.controller"],
        events: NOT_ASKED,
        ..BARE
    },
    Row {
        number: 8,
        symptom: "6329 \"Failed to acquire user information: 0x6ba\"",
        cause: "Connect reaches no RPC server on the controller",
        fix: "Open ports 135, 445 and 49152 to 65535 to the controllers, and see that their names resolve.",
        events: &[engine(6329, &["0x6ba"])],
        ..BARE
    },
    Row {
        number: 9,
        symptom: "33008, hr=80230619",
        cause: "the new password breaks the password policy: age, history, length or complexity",
        fix: "Set the minimum age to 0; for the rest, the user needs another password.",
        before: &["password_policy.minimum_age", "password_policy.rules"],
        events: &[reset_says(33008, &["80230619"]), engine(6329, &["80230619"])],
        ..BARE
    },
    Row {
        number: 10,
        symptom: "33008 although the password keeps to the policy",
        cause: "a password filter on a controller, or Entra Password Protection, refused it",
        fix: "Look at the controllers' filters and at the agent's own events.",
        before: &["writeback_probe.reset"],
        events: &[reset(33008)],
        ..BARE
    },
    Row {
        number: 11,
        symptom: "a second reset within a day is refused",
        cause: "the domain has a minimum password age",
        fix: "Set it to 0 in the group policy object that password_policy.group_policy names.",
        before: &["password_policy.minimum_age", "password_policy.group_policy"],
        events: &[reset_says(33008, &["80230619"])],
        ..BARE
    },
    Row {
        number: 12,
        symptom: "the same although the domain's minimum age is 0",
        cause: "a fine-grained policy with a minimum age is for the user",
        fix: "Set msDS-MinimumPasswordAge of that policy to 0.",
        before: &["password_policy.fine_grained"],
        events: &[reset_says(33008, &["80230619"])],
        ..BARE
    },
    Row {
        number: 13,
        symptom: "6329 \"The server does not contain the LDAP password policy control\"",
        cause: "the controller is too old to hold a reset against the policy",
        fix: "Upgrade the controllers to Windows Server 2016 or newer, or let Connect prefer one that is.",
        before: &["service_account.coverage"],
        events: &[engine(6329, &["LDAP password policy control"])],
        ..BARE
    },
    Row {
        number: 14,
        symptom: "6329 hr=8023062C",
        cause: "\"Sign and Encrypt LDAP Traffic\" is off in a connector",
        fix: "Turn it on in all places of the connector's properties, and restart ADSync.",
        before: &["connect_writeback.signing"],
        events: &[
            engine(6329, &["8023062C"]),
            reset_says(33001, &["8023062C"]),
            reset_says(33004, &["8023062C"]),
        ],
        ..BARE
    },
    Row {
        number: 15,
        symptom: "6329 0x8023061f",
        cause: "a forest was added after writeback was turned on",
        fix: "Turn password writeback off and on again in Entra Connect.",
        events: &[engine(6329, &["8023061f"]), reset_says(33001, &["8023061f"])],
        ..BARE
    },
    Row {
        number: 16,
        symptom: "hr=80230402 (in the documentation 8023042)",
        cause: "two objects have the same anchor, such as one user enabled in two forests",
        fix: "Keep one enabled object for the user.",
        events: &[
            reset_says(33003, &["80230402"]),
            reset_says(33003, &["8023042"]),
            reset_says(33001, &["80230402"]),
            reset_says(33001, &["8023042"]),
        ],
        ..BARE
    },
    Row {
        number: 17,
        symptom: "33003, multiple matches",
        cause: "more than one enabled directory object belongs to the user",
        fix: "Keep one enabled object for the user.",
        events: &[reset(33003)],
        ..BARE
    },
    Row {
        number: 18,
        symptom: "33002, object not found",
        cause: "the user is not in Connect's scope, or was deleted",
        fix: "Take the user's unit into scope, and see how the synchronisation rules join the user.",
        before: &["connect_writeback.scope", "connect_writeback.password_hash_sync"],
        events: &[reset(33002)],
        ..BARE
    },
    Row {
        number: 19,
        symptom: "hr=800700CE, file name too long",
        cause: "the connector account's password has more than 256 characters",
        fix: "Give the account a shorter password and enter it in Connect.",
        events: &[reset_says(33001, &["800700CE"]), engine(6329, &["800700CE"])],
        ..BARE
    },
    Row {
        number: 20,
        symptom: "SSPR_0030",
        cause: "Microsoft does not reach the Connect server",
        fix: "See that ADSync runs and that port 443 is open to Microsoft's relays.",
        before: &[
            "connect_writeback.service",
            "connect_writeback.relays",
            "connect_writeback.listening",
        ],
        events: &[reset(32001)],
        ..BARE
    },
    Row {
        number: 21,
        symptom: "SSPR_0010",
        cause: "writeback is off in the tenant or in Entra Connect",
        fix: "Turn it on on both sides.",
        before: &["cloud_writeback.enabled", "connect_writeback.enabled"],
        ..BARE
    },
    Row {
        number: 22,
        symptom: "SSPR_009, for administrators only",
        cause: "administrators may not reset by themselves (allowedToUseSSPR)",
        fix: "Allow it, if that is what is wanted.",
        before: &["reset_policy.administrators"],
        ..BARE
    },
    Row {
        number: 23,
        symptom: "SSPR_0009, 0011, 0012, 0013, 0014",
        cause: "reset is off, has no policy, no licence, is not for the user, or the user has not registered",
        fix: "See reset_policy, license and user_registration.",
        before: &[
            "reset_policy.scope",
            "reset_policy.group",
            "license.entitlement",
            "user_registration.out_of_scope",
            "user_registration.nothing_registered",
        ],
        ..BARE
    },
    Row {
        number: 24,
        symptom: "31044, 6800, no service bus endpoint",
        cause: "a firewall, a proxy that opens TLS, or a wrong clock keeps the Connect server from Microsoft's relays",
        fix: "Open *.servicebus.windows.net on 443 without inspection, and set the clock right.",
        before: &["connect_writeback.relays", "connect_writeback.listening"],
        events: &[reset(31044), engine(6800, &[]), reset(32014)],
        ..BARE
    },
    Row {
        number: 25,
        symptom: "31034, the remote certificate is invalid",
        cause: "a root certificate is missing, or something opens TLS on the way",
        fix: "Install the current root certificates, or leave the relays out of inspection.",
        events: &[reset(31034)],
        ..BARE
    },
    Row {
        number: 26,
        symptom: "32002, no security token",
        cause: "outbound traffic is blocked",
        fix: "Open 443 to Microsoft's relays, then restart the server.",
        before: &["connect_writeback.relays"],
        events: &[reset(32002)],
        ..BARE
    },
    Row {
        number: 27,
        symptom: "32009, error getting an auth token, while Connect is set up",
        cause: "the administrator who set it up is federated or mistyped the password",
        fix: "Set writeback up with an administrator whose account is in the cloud only.",
        events: &[reset(32009)],
        ..BARE
    },
    Row {
        number: 28,
        symptom: "\"Unable to configure password writeback. Ensure you have the required license\"",
        cause: "no licence, a wrong clock, or no TLS 1.2",
        fix: "Put that right and run Connect's wizard again.",
        before: &["license.entitlement", "connect_writeback.tls"],
        ..BARE
    },
    Row {
        number: 29,
        symptom: "32004, decryption error",
        cause: "the keys of the two sides no longer belong together",
        fix: "Turn password writeback off and on again in Entra Connect.",
        events: &[reset(32004), reset(32010)],
        ..BARE
    },
    Row {
        number: 30,
        symptom: "32005, 32007",
        cause: "Connect cannot read its own configuration file",
        fix: "Turn password writeback off and on again in Entra Connect.",
        events: &[reset(32005), reset(32007)],
        ..BARE
    },
    Row {
        number: 31,
        symptom: "it worked, and stopped, while everything says that it is on",
        cause: "the writeback endpoint did not start again with ADSync",
        fix: "Restart ADSync; if that does not help, turn writeback off and on again.",
        before: &["connect_writeback.listening"],
        events: &[engine(6800, &[])],
        ..BARE
    },
    Row {
        number: 32,
        symptom: "the reset works, but the user must change the password again on premises",
        cause: "the account lacks Unexpire Password on the domain's root",
        fix: "Grant it on the root of each domain.",
        before: &["directory_permissions.unexpire"],
        ..BARE
    },
    Row {
        number: 33,
        symptom: "a user's change fails while a reset works, hr=80230626",
        cause: "\"User cannot change password\" is set on the user",
        fix: "Clear it.",
        before: &["directory_permissions.change_password"],
        ..BARE
    },
    Row {
        number: 34,
        symptom: "a reset in the Microsoft 365 admin center does not reach the directory",
        cause: "that way is not supported",
        fix: "Reset in the Entra admin center.",
        after: &["cloud_writeback.lost_resets"],
        ..BARE
    },
    Row {
        number: 35,
        symptom: "\"our servers take a little time to catch up\" with pass-through authentication",
        cause: "the new password hash has not been synchronised yet",
        fix: "Wait about two minutes.",
        neither: "It passes within minutes and leaves nothing behind that could be read.",
        ..BARE
    },
    Row {
        number: 36,
        symptom: "33005 or 33006",
        cause: "the account is disabled or locked out on premises",
        fix: "Enable it, or unlock it.",
        before: &["directory_permissions.granted"],
        events: &[reset(33005), reset(33006)],
        ..BARE
    },
    Row {
        number: 37,
        symptom: "33001 for the users of one unit",
        cause: "the unit's name has a character that writeback cannot take",
        fix: "Rename the unit.",
        before: &["directory_permissions.reserved_names"],
        ..BARE
    },
    Row {
        number: 38,
        symptom: "inetOrgPerson users fail, others do not",
        cause: "the rights were granted for the class user alone",
        fix: "Grant them for inetOrgPerson too.",
        before: &["directory_permissions.inet_org_person"],
        events: DENIED,
        ..BARE
    },
    Row {
        number: 39,
        symptom: "the users of a second domain or forest fail",
        cause: "the rights were granted in one domain only",
        fix: "Grant them in every domain.",
        before: &["service_account.coverage", "directory_permissions.granted"],
        events: DENIED,
        ..BARE
    },
    Row {
        number: 40,
        symptom: "\"account information has changed on-premises\" at the end of a reset",
        cause: "not known: the one report of it says no more",
        fix: "Look at the Connect server's events of that minute.",
        neither: "Its cause is not public, so that nothing could be looked for.",
        ..BARE
    },
    Row {
        number: 41,
        symptom: "OnPremisesSuccessCloudFailure",
        cause: "the directory took the new password, and the cloud did not",
        fix: "Wait: the new password is the valid one.",
        after: &["user_registration.failures"],
        ..BARE
    },
    Row {
        number: 42,
        symptom: "all synchronisation stopped after 2026-09-30",
        cause: "Entra Connect is older than 2.5.79.0",
        fix: "Upgrade Entra Connect.",
        before: &["service_account.version"],
        ..BARE
    },
    Row {
        number: 43,
        symptom: "ADSync does not start after an upgrade (FileLoadException)",
        cause: "miiserver.exe.config was edited",
        fix: "Add the binding redirect that Microsoft's version history names.",
        neither: "connect_writeback.service sees that ADSync does not run; why it does not stands in .NET's own events, which are not read.",
        ..BARE
    },
    Row {
        number: 44,
        symptom: "rights were granted, and for an hour nothing changes",
        cause: "the change has not reached the controller that Connect uses",
        fix: "Wait, or read that controller: Connect-SsprDirectory -Server.",
        neither: "One controller of a domain is read, and which one Connect uses changes.",
        ..BARE
    },
    Row {
        number: 45,
        symptom: "ADSync fails after hardening",
        cause: "\"Impersonate a client after authentication\" was taken from services",
        fix: "Give it back to Administrators, LOCAL SERVICE, NETWORK SERVICE and SERVICE.",
        neither: "The user rights of the Connect server are not read.",
        ..BARE
    },
];

impl Row {
    /// What is seen, in words that stand alone, with an event that tells of it.
    pub fn seen(&self) -> String {
        let alone = |row: &&Row| row.number <= self.number && !row.symptom.starts_with("the same");
        let row = ROWS.iter().rev().find(alone).unwrap_or(self);
        let other = |sign: &&Sign| !row.symptom.contains(&sign.id.to_string());
        match self.events.first().filter(other) {
            Some(sign) if !sign.says.is_empty() => {
                format!("{}; event {}, hr={}", row.symptom, sign.id, sign.says.join(", "))
            }
            Some(sign) => format!("{}; event {}", row.symptom, sign.id),
            None => row.symptom.into(),
        }
    }
}

/// The cause of that number.
pub fn row(number: u8) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.number == number)
}

/// The cause that an event tells of: of the rows with a sign that fits, the one whose sign says most.
pub fn recognised(event: &SyncEvent) -> Option<&'static Row> {
    let line = event.line.to_lowercase();
    let fits = |sign: &&Sign| {
        sign.id == event.id
            && sign.provider.eq_ignore_ascii_case(&event.provider)
            && sign.says.iter().all(|text| holds(&line, &text.to_lowercase()))
    };
    let length = |sign: &Sign| sign.says.iter().map(|text| text.len()).sum::<usize>();
    let says = |row: &'static Row| Some((row, row.events.iter().filter(fits).map(length).max()?));
    // Of equals the first: it is the more general.
    ROWS.iter()
        .filter_map(says)
        .rev()
        .max_by_key(|(_, says)| *says)
        .map(|(row, _)| row)
}

/// Whether a line holds a text that does not go on: 0x5 is not in 0x54b.
fn holds(line: &str, text: &str) -> bool {
    line.match_indices(text)
        .any(|(at, _)| !line[at + text.len()..].starts_with(|next: char| next.is_alphanumeric()))
}

#[cfg(test)]
mod tests;
