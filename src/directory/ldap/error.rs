//! Why a controller did not do what it was asked for.

/// Why a controller did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// No connection, or it broke.
    #[error("the domain controller {host} could not be reached")]
    Unreachable {
        /// Which.
        host: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nothing can be sent: the CA file is not usable.
    #[error(transparent)]
    Unusable(#[from] crate::error::Error),
    /// The current identity has no ticket that a controller takes.
    #[error("whoever runs this cannot sign in to {host} by Kerberos: {why}")]
    NoTicket {
        /// Which.
        host: String,
        /// Why.
        why: String,
    },
    /// There is no controller left to ask.
    #[error("no domain controller is known that could be asked")]
    NoController,
    /// It refused, by LDAP's result code.
    #[error("the domain controller refused with result {code}{}", said(*code, text))]
    Refused {
        /// The result code.
        code: u32,
        /// What it said.
        text: String,
    },
    /// It does not hold what was asked for, and named other servers.
    #[error("the domain controller {host} referred to {}, which is not followed", to.join(", "))]
    Referred {
        /// Which.
        host: String,
        /// Where it referred to, as LDAP URLs.
        to: Vec<String>,
    },
    /// It gave a part of a list, and did not know how to go on.
    #[error("the domain controller {host} broke a list off between two pages, with result {code}{}", said(*code, text))]
    BrokenOff {
        /// Which.
        host: String,
        /// The result code.
        code: u32,
        /// What it said.
        text: String,
    },
    /// It gave some of an attribute's values, and not the rest.
    #[error("the domain controller {host} gave only some of the values of {attribute}")]
    Cut {
        /// Which.
        host: String,
        /// Of which attribute.
        attribute: String,
    },
}

impl DirectoryError {
    pub(super) fn unreachable(host: &str, source: std::io::Error) -> Self {
        DirectoryError::Unreachable {
            host: host.into(),
            source,
        }
    }

    /// Whether another controller may do better.
    pub fn is_the_controller_s(&self) -> bool {
        match self {
            DirectoryError::Unreachable { .. } => true,
            // Busy, unavailable.
            DirectoryError::Refused { code, .. } => matches!(code, 51 | 52),
            _ => false,
        }
    }

    /// What a refused sign-in means, from the number that Active Directory puts into its words (`data 532`).
    pub fn sign_in_refusal(&self) -> Option<&'static str> {
        let DirectoryError::Refused { code: 49, text } = self else {
            return None;
        };
        let number = text
            .split_once("data ")
            .and_then(|(_, rest)| rest.split([',', ' ']).next());
        Some(match number {
            Some("530") => "the account may not sign in at this time",
            Some("531") => "the account may not sign in at this machine",
            Some("532") => "the account's password has expired",
            Some("533") => "the account is disabled",
            Some("701") => "the account has expired",
            Some("773") => "the account's password must be changed first",
            Some("775") => "the account is locked out",
            _ => "the user or the password is wrong",
        })
    }
}

/// What a result code means, where few know it, and what the controller said.
fn said(code: u32, text: &str) -> String {
    let means = match code {
        3 => " (that took longer than it allows)",
        4 => " (that is more than it gives out)",
        8 => " (it asks for a stronger sign-in)",
        11 => " (that is more than its limits allow)",
        50 => " (the account may not do that)",
        _ => "",
    };
    match text {
        "" => means.into(),
        text => format!("{means}: {text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_by_what_it_means() {
        let refused = |code, text: &str| {
            DirectoryError::Refused {
                code,
                text: text.into(),
            }
            .to_string()
        };
        assert_eq!(
            refused(4, ""),
            "the domain controller refused with result 4 (that is more than it gives out)"
        );
        assert_eq!(refused(80, "x"), "the domain controller refused with result 80: x");
    }

    #[test]
    fn a_refused_sign_in_is_told_by_its_number() {
        let meaning = |text: &str| {
            DirectoryError::Refused {
                code: 49,
                text: text.into(),
            }
            .sign_in_refusal()
        };
        let said = |data: &str| {
            format!("80090308: LdapErr: DSID-0C090569, comment: AcceptSecurityContext error, data {data}, v4563")
        };
        assert_eq!(meaning(&said("532")), Some("the account's password has expired"));
        assert_eq!(meaning(&said("701")), Some("the account has expired"));
        assert_eq!(meaning(&said("52e")), Some("the user or the password is wrong"));
        assert_eq!(
            meaning("Invalid credentials"),
            Some("the user or the password is wrong")
        );
    }
}
