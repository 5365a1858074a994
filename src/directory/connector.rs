//! The accounts by which Microsoft Entra writes passwords back, as they are found in a domain.

use super::descriptor::{Descriptor, Effect};
use super::ldap::{Connection, Depth, DirectoryError, Entry, escape};
use super::rights::{Right, Want};
use super::scan::NEEDED;
use super::sid::{Sid, SidBuf};

/// What is read of an account.
const ATTRIBUTES: [&str; 12] = [
    "sAMAccountName",
    "objectSid",
    "objectClass",
    "description",
    "userAccountControl",
    "msDS-User-Account-Control-Computed",
    "msDS-UserPasswordExpiryTimeComputed",
    "accountExpires",
    "pwdLastSet",
    "lastLogonTimestamp",
    "whenCreated",
    "nTSecurityDescriptor",
];

/// By the name that Connect gives, by the description that it writes, and the group managed service accounts of cloud
/// sync. Either may have been changed.
const FILTER: &str = "(|(&(objectCategory=person)(objectClass=user)(|(sAMAccountName=MSOL_*)(description=Account created by *configured to synchronize to tenant*)))(&(objectClass=msDS-GroupManagedServiceAccount)(sAMAccountName=pGMSA_*)))";

/// Groups of a domain with rights over all of it, or over the forest, by the last part of their SIDs: Domain Admins,
/// Schema Admins, Enterprise Admins, Group Policy Creator Owners; and of every domain: Administrators, Account
/// Operators, Server Operators, Backup Operators.
const PRIVILEGED: [u32; 4] = [512, 518, 519, 520];
const PRIVILEGED_BUILTIN: [u32; 4] = [544, 548, 549, 551];

/// An account that may be a connector's.
#[derive(Clone, Debug)]
pub struct Account {
    /// What the directory says of it.
    entry: Entry,
    /// Its SID.
    pub sid: SidBuf,
}

/// What a description says of the installation that made an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// Its identifier.
    pub id: String,
    /// The server that it ran on.
    pub computer: String,
    /// The tenant.
    pub tenant: String,
}

/// Looks for the accounts of a domain: those of these names, or those that look like a connector's and those of `more`.
pub async fn find(
    connection: &mut Connection,
    root: &str,
    names: &[String],
    more: &[String],
) -> Result<Vec<Account>, DirectoryError> {
    let own = |name: &String| name.rsplit('\\').next().unwrap_or(name).to_string();
    let one = |name: String| format!("(sAMAccountName={0})(userPrincipalName={0})", escape(&name));
    let named = |names: &[String]| names.iter().map(|name| one(own(name))).collect::<String>();
    let filter = match names {
        [] => format!("(|{FILTER}{})", named(more)),
        names => format!("(|{})", named(names)),
    };
    let found = connection.list(root, Depth::Subtree, &filter, &ATTRIBUTES).await?;
    let account = |entry: Entry| {
        let sid = entry.value("objectSid").and_then(Sid::read)?.keep();
        Some(Account { entry, sid })
    };
    let mut accounts: Vec<Account> = found.into_iter().filter_map(account).collect();
    accounts.sort_by(|a, b| a.name().cmp(b.name()));
    Ok(accounts)
}

impl Account {
    /// Its distinguished name.
    pub fn dn(&self) -> &str {
        &self.entry.dn
    }

    /// Its `sAMAccountName`.
    pub fn name(&self) -> &str {
        self.entry.text("sAMAccountName").unwrap_or_default()
    }

    /// Whether it is a group managed service account, such as cloud sync uses.
    pub fn is_managed(&self) -> bool {
        let mut classes = self.entry.values("objectClass");
        classes.any(|class| class.eq_ignore_ascii_case(b"msDS-GroupManagedServiceAccount"))
    }

    /// What its description says.
    pub fn installation(&self) -> Option<Installation> {
        installation(self.entry.text("description")?)
    }

    fn number(&self, name: &str) -> i64 {
        self.entry
            .text(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or_default()
    }

    /// Whether it may sign in.
    pub fn is_enabled(&self) -> bool {
        self.number("userAccountControl") & 0x2 == 0
    }

    /// Whether it is locked out.
    pub fn is_locked(&self) -> bool {
        self.number("msDS-User-Account-Control-Computed") & 0x10 != 0
    }

    /// A moment of it, in the directory's steps.
    pub fn steps(&self, attribute: &str) -> i64 {
        self.number(attribute)
    }

    /// When it was made, in the directory's form.
    pub fn created(&self) -> Option<&str> {
        self.entry.text("whenCreated")
    }

    /// The rights on users that it was given on its own object.
    pub fn own_rights(&self) -> Vec<(&'static str, Vec<u8>)> {
        let descriptor = self.entry.value("nTSecurityDescriptor").map(Descriptor::read);
        let Some(Ok(descriptor)) = descriptor else {
            return Vec::new();
        };
        let dacl = descriptor.dacl();
        let own = |ace: &super::descriptor::Ace<'_>| {
            ace.effect == Some(Effect::Allow)
                && !ace.is_inherited()
                && ace
                    .trustee()
                    .is_some_and(|trustee| trustee.bytes() == self.sid.sid().bytes())
        };
        let given: Vec<_> = dacl.into_iter().flat_map(|dacl| dacl.aces()).filter(own).collect();
        let named = |right: &'static Right| {
            let guid = match &right.want {
                Want::ControlAccess(guid) | Want::WriteProperty { attribute: guid, .. } => Some(guid),
                Want::ReadProperties => None,
            };
            let entries = given
                .iter()
                .filter(move |ace| guid.is_some() && ace.object.as_ref() == guid.as_ref());
            entries.map(|ace| (right.name, ace.bytes.to_vec()))
        };
        NEEDED.iter().flat_map(named).collect()
    }
}

/// The groups with rights over the domain or the forest.
pub fn privileged(groups: &[SidBuf]) -> Vec<SidBuf> {
    let holds = |sid: &&SidBuf| {
        let Some((domain, rid)) = sid.sid().split() else {
            return false;
        };
        let text = domain.to_string();
        text.starts_with("S-1-5-21-") && PRIVILEGED.contains(&rid)
            || text == "S-1-5-32" && PRIVILEGED_BUILTIN.contains(&rid)
    };
    groups.iter().filter(holds).cloned().collect()
}

/// What Connect writes into a description; older versions put the identifier and the server between quotes.
fn installation(text: &str) -> Option<Installation> {
    let after = |text: &'_ str, mark: &str| text.split_once(mark).map(|(_, rest)| rest.to_string());
    let rest = after(text, "installation identifier ")?;
    let (id, rest) = rest.split_once(' ')?;
    let rest = after(rest, "running on computer ")?;
    let (computer, rest) = rest.split_once(" configured to synchronize to tenant ")?;
    let bare = |text: &str| text.trim_matches('\'').to_string();
    let id = bare(id);
    let tenant = rest.split(' ').next()?.trim_end_matches('.').to_string();
    let sound = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    sound.then(|| Installation {
        id,
        computer: bare(computer),
        tenant,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_description_are_read() {
        let text = |id: &str, computer: &str| {
            format!(
                "Account created by Microsoft Azure Active Directory Connect with installation identifier {id} running on computer {computer} configured to synchronize to tenant contoso.onmicrosoft.com. This account must have directory replication permissions in the local Active Directory and write permission on certain attributes to enable Hybrid Deployment."
            )
        };
        let id = "16fb75d0227d4957868d5c4ae0688943";
        for (written, computer) in [(id.to_string(), "SYNC1"), (format!("'{id}'"), "'SYNC1'")] {
            let read = installation(&text(&written, computer)).unwrap();
            assert_eq!((read.id.as_str(), read.computer.as_str()), (id, "SYNC1"));
            assert_eq!(read.tenant, "contoso.onmicrosoft.com");
        }
        assert_eq!(installation(&text("16fb", "SYNC1")), None);
        assert_eq!(installation("Konto f\u{fc}r die Synchronisierung"), None);
    }

    #[test]
    fn privileged_groups_are_known_by_number() {
        let sids = [
            "S-1-5-21-1-2-3-512",
            "S-1-5-21-1-2-3-1512",
            "S-1-5-32-544",
            "S-1-5-32-545",
            "S-1-5-11",
        ];
        let sids: Vec<SidBuf> = sids.iter().map(|sid| sid.parse().unwrap()).collect();
        let found: Vec<String> = privileged(&sids).iter().map(SidBuf::to_string).collect();
        assert_eq!(found, ["S-1-5-21-1-2-3-512", "S-1-5-32-544"]);
    }
}
