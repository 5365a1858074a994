//! Every user whom an account may not reset, written to a table (CSV, RFC 4180) while a scan goes on. What a part of the scan
//! found is kept apart until the part is whole, so that a part that is begun anew stands in the table once.

use super::scan::Cause;
use crate::text::write_field;
use std::fs::File;
use std::io::{Read, Result, Seek, Write};
use std::sync::{Mutex, PoisonError};

/// The table's columns.
const HEAD: &str = "domain,account,user,userPrincipalName,sAMAccountName,cause,right,trustee,container\r\n";
/// So much is held in memory; then it goes to a file of the part's own.
const HELD: usize = 1 << 20;

/// The table.
pub struct Table<W> {
    out: Mutex<(W, u64)>,
}

impl<W: Write + Send> Table<W> {
    /// Begins it.
    pub fn new(mut out: W) -> Result<Self> {
        out.write_all(HEAD.as_bytes())?;
        Ok(Table {
            out: Mutex::new((out, 0)),
        })
    }

    /// Ends it: what it was written to, and how many rows it has.
    pub fn finish(self) -> (W, u64) {
        self.out.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a scan puts what it found.
pub trait Sink: Sync {
    /// Takes the rows of a part that is whole.
    fn take(&self, rows: &mut dyn Read, count: u64) -> Result<()>;
}

impl<W: Write + Send> Sink for Table<W> {
    fn take(&self, rows: &mut dyn Read, count: u64) -> Result<()> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        std::io::copy(rows, &mut out.0)?;
        out.1 += count;
        Ok(())
    }
}

/// What a scan's users are written down with.
#[derive(Clone, Copy)]
pub struct Affected<'a> {
    /// Where to.
    pub sink: &'a dyn Sink,
    /// The domain.
    pub domain: &'a str,
    /// The accounts, in the order of their tokens.
    pub accounts: &'a [String],
}

impl std::fmt::Debug for Affected<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Affected")
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}

/// The rows of a part that is not whole yet.
#[derive(Default)]
pub(super) struct Rows {
    held: Vec<u8>,
    spilled: Option<File>,
    count: u64,
}

/// A user as it stands in the table.
pub(super) struct Named<'a> {
    pub(super) dn: &'a str,
    pub(super) principal: &'a str,
    pub(super) name: &'a str,
}

impl Rows {
    pub(super) fn add(
        &mut self,
        affected: &Affected<'_>,
        account: usize,
        user: &Named<'_>,
        cause: &Cause,
    ) -> Result<()> {
        let (kind, right, trustee, container) = match cause {
            Cause::Protected(container) => ("inheritance", "", String::new(), container.as_str()),
            Cause::AdminSdHolder => ("adminSdHolder", "", String::new(), ""),
            Cause::ProtectedUser => ("userInheritance", "", String::new(), ""),
            Cause::Denied { trustee, right, from } => (
                "denied",
                *right,
                trustee.to_string(),
                from.as_deref().unwrap_or_default(),
            ),
            Cause::InetOrgPerson => ("inetOrgPerson", "", String::new(), ""),
            Cause::NotGranted { right } => ("notGranted", *right, String::new(), ""),
            Cause::Unreadable => ("unreadable", "", String::new(), ""),
        };
        let account = affected.accounts.get(account).map_or("", String::as_str);
        let fields = [
            affected.domain,
            account,
            user.dn,
            user.principal,
            user.name,
            kind,
            right,
            &trustee,
            container,
        ];
        for (at, field) in fields.iter().enumerate() {
            if at > 0 {
                self.held.push(b',');
            }
            write_field(&mut self.held, field);
        }
        self.held.extend_from_slice(b"\r\n");
        self.count += 1;
        if self.held.len() > HELD {
            let file = match self.spilled.take() {
                Some(file) => file,
                None => tempfile::tempfile()?,
            };
            self.spilled.insert(file).write_all(&self.held)?;
            self.held.clear();
        }
        Ok(())
    }

    /// The part is whole: its rows go into the table.
    pub(super) fn keep(&mut self, affected: &Affected<'_>) -> Result<()> {
        let mut rows = std::mem::take(self);
        match rows.spilled.take() {
            None => affected.sink.take(&mut rows.held.as_slice(), rows.count),
            Some(mut file) => {
                file.rewind()?;
                affected.sink.take(&mut file.chain(rows.held.as_slice()), rows.count)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(parts: &[(usize, bool)]) -> (String, u64) {
        let table = Table::new(Vec::new()).unwrap();
        let accounts = ["X\\MSOL".to_string()];
        let affected = Affected {
            sink: &table,
            domain: "x",
            accounts: &accounts,
        };
        for (users, whole) in parts {
            let mut rows = Rows::default();
            for n in 0..*users {
                let dn = format!("CN=user {n},OU=a,DC=x");
                let user = Named {
                    dn: &dn,
                    principal: "",
                    name: "=cmd|' /C calc'!A0",
                };
                rows.add(
                    &affected,
                    0,
                    &user,
                    &Cause::NotGranted {
                        right: "Reset Password",
                    },
                )
                .unwrap();
            }
            if *whole {
                rows.keep(&affected).unwrap();
            }
        }
        let (bytes, count) = table.finish();
        (String::from_utf8(bytes).unwrap(), count)
    }

    #[test]
    fn a_part_stands_in_the_table_once_and_only_when_it_is_whole() {
        let (text, count) = table(&[(2, true), (5, false), (5, true)]);
        assert_eq!((text.lines().count(), count), (8, 7));
        let row = text.lines().nth(1).unwrap();
        assert_eq!(
            row,
            "\"x\",\"X\\MSOL\",\"CN=user 0,OU=a,DC=x\",\"\",\"'=cmd|' /C calc'!A0\",\"notGranted\",\"Reset Password\",\"\",\"\""
        );
    }

    #[test]
    fn many_rows_go_through_a_file_and_keep_their_order() {
        let (text, count) = table(&[(40_000, true)]);
        assert!(text.len() > 2 * HELD);
        assert_eq!(count, 40_000);
        assert!(text.lines().nth(40_000).unwrap().contains("user 39999,"));
    }
}
