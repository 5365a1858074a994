//! The names of accounts and groups, which are known by their SIDs.

use super::ldap::Connection;
use super::sid::{Sid, SidBuf};
use std::collections::HashMap;

/// SIDs that mean the same everywhere (MS-DTYP 2.4.2.4), by their English names.
const EVERYWHERE: &[(&str, &str)] = &[
    ("S-1-1-0", "Everyone"),
    ("S-1-3-0", "CREATOR OWNER"),
    ("S-1-5-2", "NETWORK"),
    ("S-1-5-7", "ANONYMOUS LOGON"),
    ("S-1-5-9", "ENTERPRISE DOMAIN CONTROLLERS"),
    ("S-1-5-10", "SELF"),
    ("S-1-5-11", "Authenticated Users"),
    ("S-1-5-15", "This Organization"),
    ("S-1-5-18", "SYSTEM"),
];

/// Names that were looked up.
#[derive(Debug, Default)]
pub struct Names {
    known: HashMap<SidBuf, String>,
}

impl Names {
    /// A SID's name, else the SID.
    pub fn get(&self, sid: &SidBuf) -> String {
        self.known.get(sid).cloned().unwrap_or_else(|| sid.to_string())
    }

    /// Looks up names. What a controller does not know keeps its SID.
    pub async fn learn(&mut self, connection: &mut Connection, netbios: &str, sids: impl IntoIterator<Item = SidBuf>) {
        for sid in sids {
            if self.known.contains_key(&sid) {
                continue;
            }
            let text = sid.to_string();
            let name = match EVERYWHERE.iter().find(|(known, _)| **known == text) {
                Some((_, name)) => Some((*name).to_string()),
                None => found(connection, netbios, &sid).await,
            };
            if let Some(name) = name {
                self.known.insert(sid, name);
            }
        }
    }
}

async fn found(connection: &mut Connection, netbios: &str, sid: &SidBuf) -> Option<String> {
    let base = format!("<SID={sid}>");
    let entry = connection.read(&base, &["sAMAccountName", "objectSid"]).await.ok()??;
    let own = entry.value("objectSid").and_then(Sid::read).map(Sid::keep);
    let name = entry.text("sAMAccountName").filter(|_| own.as_ref() == Some(sid))?;
    Some(match is_builtin(sid) || netbios.is_empty() {
        true => name.to_string(),
        false => format!("{netbios}\\{name}"),
    })
}

fn is_builtin(sid: &SidBuf) -> bool {
    sid.to_string().starts_with("S-1-5-32-")
}
