//! Who an account is to a domain's controller: its own SID and those of all groups that count there.

use super::access::Token;
use super::ldap::{Connection, Depth, DirectoryError, escape};
use super::sid::{Sid, SidBuf};
use std::collections::BTreeSet;

/// Everyone, Network, Authenticated Users, This Organization: what everybody is who signs in over the network.
const EVERYBODY: [&str; 4] = ["S-1-1-0", "S-1-5-2", "S-1-5-11", "S-1-5-15"];

/// So many names are asked about in one search.
const NAMES: usize = 50;

/// An account and the groups that it is in at home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its distinguished name.
    pub dn: String,
    /// Its SID.
    pub sid: SidBuf,
    /// The SIDs of its groups, nested ones too.
    pub groups: Vec<SidBuf>,
}

impl Member {
    /// Reads an account in its own domain.
    pub async fn read(home: &mut Connection, dn: &str) -> Result<Option<Member>, DirectoryError> {
        // `tokenGroups` is computed, and only when one object is read by its name.
        let Some(account) = home.read(dn, &["objectSid", "tokenGroups"]).await? else {
            return Ok(None);
        };
        let sid = account.value("objectSid").and_then(Sid::read);
        let groups = account.values("tokenGroups");
        Ok(sid.map(|sid| Member {
            dn: account.dn.clone(),
            sid: sid.keep(),
            groups: groups.filter_map(Sid::read).map(Sid::keep).collect(),
        }))
    }

    /// The token that a controller of a domain makes of it there: the groups that it brings, and those of the domain that
    /// one of these, or everybody, is a member of. `tokenGroups` leaves out what everybody is in, and knows only the
    /// groups of the account's own domain.
    pub async fn token(&self, there: &mut Connection, root: &str) -> Result<Token, DirectoryError> {
        let everybody = EVERYBODY.map(|sid| sid.parse().unwrap_or_else(|_| self.sid.clone()));
        let mut sids: BTreeSet<SidBuf> = everybody.iter().cloned().collect();
        sids.insert(self.sid.clone());
        sids.extend(self.groups.iter().cloned());
        let mut names = names(there, root, &sids).await?;
        names.push(self.dn.clone());
        let mut asked: BTreeSet<String> = BTreeSet::new();
        while !names.is_empty() {
            let mut found = Vec::new();
            for some in names.chunks(NAMES) {
                let member = some.iter().map(|dn| format!("(member={})", escape(dn.as_str())));
                let filter = format!("(&(objectClass=group)(|{}))", member.collect::<String>());
                found.extend(there.list(root, Depth::Subtree, &filter, &["objectSid"]).await?);
            }
            asked.extend(names.drain(..).map(|dn| dn.to_lowercase()));
            for group in found {
                if let Some(sid) = group.value("objectSid").and_then(Sid::read) {
                    sids.insert(sid.keep());
                    if !asked.contains(&group.dn.to_lowercase()) {
                        names.push(group.dn);
                    }
                }
            }
        }
        Ok(sids.into_iter().collect())
    }
}

/// What a domain's controllers are to each other: one of them, with the groups that all are in whether or not that can be read.
/// None where none is found.
pub async fn controller(connection: &mut Connection, root: &str) -> Result<Option<Token>, DirectoryError> {
    // Their primary group, and Enterprise Domain Controllers.
    const CONTROLLERS: u32 = 516;
    const ENTERPRISE: &str = "S-1-5-9";
    let filter = format!("(&(objectCategory=computer)(primaryGroupID={CONTROLLERS}))");
    let found = connection.some(root, &filter, &["1.1"], 1).await?;
    let Some(first) = found.first() else {
        return Ok(None);
    };
    let Some(mut member) = Member::read(connection, &first.dn).await? else {
        return Ok(None);
    };
    member.groups.extend(ENTERPRISE.parse());
    if let Some((domain, _)) = member.sid.sid().split() {
        member.groups.extend(format!("{domain}-{CONTROLLERS}").parse());
    }
    member.token(connection, root).await.map(Some)
}

/// What somebody's SIDs are called in a domain: those of another domain or of none are known by a placeholder, which may be
/// out of the reader's sight.
async fn names(there: &mut Connection, root: &str, sids: &BTreeSet<SidBuf>) -> Result<Vec<String>, DirectoryError> {
    let mut unknown = sids.clone();
    let mut names = Vec::new();
    for some in sids.iter().collect::<Vec<_>>().chunks(NAMES) {
        let filter: String = some
            .iter()
            .map(|sid| format!("(objectSid={})", sid.sid().escaped()))
            .collect();
        let found = there
            .list(root, Depth::Subtree, &format!("(|{filter})"), &["objectSid"])
            .await?;
        for entry in found {
            if let Some(sid) = entry.value("objectSid").and_then(Sid::read) {
                unknown.remove(&sid.keep());
            }
            names.push(entry.dn);
        }
    }
    names.extend(
        unknown
            .iter()
            .map(|sid| format!("CN={sid},CN=ForeignSecurityPrincipals,{root}")),
    );
    Ok(names)
}
