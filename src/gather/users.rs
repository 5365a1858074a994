//! The registration report user by user: a page at a time, as it is asked for.

use super::refusal::refusal;
use super::registration::{PAGE, PATH};
use super::{Limits, known};
use crate::error::{Error, Result};
use crate::session::Session;
use crate::snapshot::{FactId, SignedIn, Snapshot};
use crate::task::TaskContext;
use crate::tenant::error::AskError;
use crate::tenant::graph::{Ask, Graph};
use serde_json::Value;
use sspr_rows::membership::guid;
use sspr_rows::registration::{Alike, Known};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The methods as the report has been seen to spell them.
const METHODS: &[&str] = &[
    "email",
    "mobilePhone",
    "alternateMobilePhone",
    "officePhone",
    "securityQuestion",
    "microsoftAuthenticatorPush",
    "microsoftAuthenticatorPasswordless",
    "softwareOneTimePasscode",
    "hardwareOneTimePasscode",
    "fido2SecurityKey",
    "passKeyDeviceBound",
    "passKeyDeviceBoundAuthenticator",
    "passKeyDeviceBoundWindowsHello",
    "passKeySynced",
    "windowsHelloForBusiness",
    "macOsSecureEnclaveKey",
    "temporaryAccessPass",
];

/// Reads the report's users.
pub struct Users {
    graph: Graph,
    who: SignedIn,
    known: Arc<Known>,
}

/// Text within a filter.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\'' => out.push_str("''"),
            '%' => out.push_str("%25"),
            '#' => out.push_str("%23"),
            '&' => out.push_str("%26"),
            '+' => out.push_str("%2B"),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

impl Users {
    /// Reads what users are judged by.
    pub async fn open(session: &Session, needs: &BTreeSet<FactId>, context: &TaskContext) -> Result<(Snapshot, Users)> {
        let who = session.state()?.identity;
        let limits = Limits {
            full: true,
            ..Limits::default()
        };
        let (snapshot, known) = known(session, needs, &limits, context).await?;
        let graph = session.graph(context)?;
        Ok((snapshot, Users { graph, who, known }))
    }

    /// The policy groups, in the order of their bits.
    pub fn groups(&self) -> &[String] {
        self.known.groups()
    }

    /// Tells of rows which users theirs are alike; these methods have the first bits.
    pub fn alike(&self, methods: &[String]) -> Alike {
        Alike::new(Arc::clone(&self.known), methods)
    }

    /// The question for the first page, of the users for whom all of these hold.
    pub fn all(conditions: &[String]) -> Ask {
        match conditions {
            [] => Ask::report(format!("{PATH}?$top={PAGE}")),
            some => Ask::report(format!("{PATH}?$top={PAGE}&$filter={}", some.join(" and "))),
        }
    }

    /// The condition that a user has a method; None for one whose spelling is not known, for the service tells A from a.
    pub fn has(method: &str) -> Option<String> {
        let known = METHODS.iter().find(|known| known.eq_ignore_ascii_case(method))?;
        Some(format!("methodsRegistered/any(m:m eq {})", quoted(known)))
    }

    /// Reads a page: its rows, and the question for the next one.
    pub async fn page(&self, ask: &Ask) -> Result<(Vec<Value>, Option<Ask>)> {
        self.graph.page_of(ask).await.map_err(|error| self.refused(error))
    }

    /// Reads the rows of users by their user principal names or ids; None for one who is not in the report.
    pub async fn named(&self, names: &[&str]) -> Result<Vec<Option<Value>>> {
        let asks: Vec<Ask> = names
            .iter()
            .map(|name| match guid(name) {
                Some(_) => Ask::report(format!("{PATH}/{name}")),
                None => Ask::report(format!("{PATH}?$filter=userPrincipalName eq {}", quoted(name))),
            })
            .collect();
        let answers = self.graph.batch(&asks).await.into_iter();
        answers
            .map(|answer| match answer {
                Ok(mut answer) if answer["value"].is_array() => Ok(answer["value"].get_mut(0).map(Value::take)),
                Ok(answer) => Ok(Some(answer)),
                Err(AskError::Refused { status: 404, .. }) => Ok(None),
                Err(error) => Err(self.refused(error)),
            })
            .collect()
    }

    /// An error with what would open the way.
    fn refused(&self, error: AskError) -> Error {
        let told = refusal(FactId::Registration, &error, &self.who);
        let refused = Error::from(error).detail(told.message);
        match told.needs {
            Some(needs) => refused.help(format!("Reading the registration report needs {needs}.")),
            None => refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_text_in_a_filter() {
        let guest = "o'neil_x.com#EXT#@contoso.com";
        assert_eq!(quoted(guest), "'o''neil_x.com%23EXT%23@contoso.com'");
        assert_eq!(quoted("a&$top=1+%41"), "'a%26$top=1%2B%2541'");
    }
}
