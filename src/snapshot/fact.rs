//! What one source said about one thing, and how far that goes.

use crate::json;
use jiff::Timestamp;
use serde::de::{DeserializeOwned, Error};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// One source's answer. There is never a default in place of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Fact<T> {
    /// The source answered wholly.
    Known {
        /// What it said.
        value: T,
        /// Where it was read, for the evidence.
        source: String,
        /// When that was true.
        as_of: Timestamp,
    },
    /// The source was read in part; it may prove a fault, never its absence.
    Partial {
        /// What was read.
        value: T,
        /// Where it was read.
        source: String,
        /// When that was true.
        as_of: Timestamp,
        /// How many entries were read.
        read: u64,
        /// How many there are, where known.
        of: Option<u64>,
        /// Why not the rest.
        reason: String,
    },
    /// The source refused or failed.
    Unreadable {
        /// Who refused, and what would change it.
        refusal: Refusal,
    },
    /// An operator's word in place of an answer.
    Declared {
        /// What was declared.
        value: T,
        /// Who said it.
        by: String,
        /// When.
        at: Timestamp,
        /// Until when it counts.
        until: Timestamp,
    },
    /// Nobody asked.
    #[default]
    NotAsked,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Fact<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Members::deserialize(deserializer)?.read().map_err(D::Error::custom)
    }
}

impl<T: Serialize> Serialize for Fact<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.value().map(to_raw_value).transpose().map_err(S::Error::custom)?;
        let (source, as_of) = match self {
            Fact::Known { source, as_of, .. } | Fact::Partial { source, as_of, .. } => (Some(&**source), Some(*as_of)),
            _ => (None, None),
        };
        let mut written = Written {
            value,
            source,
            as_of,
            ..Written::default()
        };
        match self {
            Fact::Known { .. } => {}
            Fact::Partial { read, of, reason, .. } => {
                written.state = State::Partial;
                (written.read, written.of, written.reason) = (Some(*read), Some(*of), Some(&**reason));
            }
            Fact::Unreadable { refusal } => {
                written.state = State::Unreadable;
                written.refusal = Some(refusal);
            }
            Fact::Declared { by, at, until, .. } => {
                written.state = State::Declared;
                (written.by, written.at, written.until) = (Some(&**by), Some(*at), Some(*until));
            }
            Fact::NotAsked => written.state = State::NotAsked,
        }
        written.serialize(serializer)
    }
}

/// A fact as it is written, whatever its type.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    read: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a Refusal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

/// The members of any fact, in any order. What serde makes of a tagged enum reads each type of value in two ways, and
/// reads all these members anew for each: a megabyte in all.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Members {
    state: State,
    value: Option<Value>,
    source: Option<String>,
    as_of: Option<Timestamp>,
    read: Option<u64>,
    of: Option<u64>,
    reason: Option<String>,
    refusal: Option<Refusal>,
    by: Option<String>,
    at: Option<Timestamp>,
    until: Option<Timestamp>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum State {
    #[default]
    Known,
    Partial,
    Unreadable,
    Declared,
    NotAsked,
}

impl Members {
    /// The fact.
    pub fn read<T: DeserializeOwned>(self) -> serde_json::Result<Fact<T>> {
        let mut fact = self.fact().map_err(Error::missing_field)?;
        let raw = match &mut fact {
            Fact::Known { value, .. } | Fact::Partial { value, .. } | Fact::Declared { value, .. } => Some(value),
            Fact::Unreadable { .. } | Fact::NotAsked => None,
        };
        // Read in one place, for each would be a reader of its own.
        let value: Option<T> = match raw {
            Some(raw) => Some(
                json::read_tree(raw.take())
                    .map_err(|error| Error::custom(format_args!("in a fact's value, {error}")))?,
            ),
            None => None,
        };
        Ok(match (fact, value) {
            (Fact::Known { source, as_of, .. }, Some(value)) => Fact::Known { value, source, as_of },
            (
                Fact::Partial {
                    source,
                    as_of,
                    read,
                    of,
                    reason,
                    ..
                },
                Some(value),
            ) => Fact::Partial {
                value,
                source,
                as_of,
                read,
                of,
                reason,
            },
            (Fact::Declared { by, at, until, .. }, Some(value)) => Fact::Declared { value, by, at, until },
            (Fact::Unreadable { refusal }, _) => Fact::Unreadable { refusal },
            _ => Fact::NotAsked,
        })
    }

    /// The fact, or what it lacks for its state.
    fn fact(self) -> Result<Fact<Value>, &'static str> {
        Ok(match self.state {
            State::Known => Fact::Known {
                value: self.value.ok_or("value")?,
                source: self.source.ok_or("source")?,
                as_of: self.as_of.ok_or("asOf")?,
            },
            State::Partial => Fact::Partial {
                value: self.value.ok_or("value")?,
                source: self.source.ok_or("source")?,
                as_of: self.as_of.ok_or("asOf")?,
                read: self.read.ok_or("read")?,
                of: self.of,
                reason: self.reason.ok_or("reason")?,
            },
            State::Unreadable => Fact::Unreadable {
                refusal: self.refusal.ok_or("refusal")?,
            },
            State::Declared => Fact::Declared {
                value: self.value.ok_or("value")?,
                by: self.by.ok_or("by")?,
                at: self.at.ok_or("at")?,
                until: self.until.ok_or("until")?,
            },
            State::NotAsked => Fact::NotAsked,
        })
    }
}

/// Why a source could not be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// What stood in the way.
    pub kind: RefusalKind,
    /// One sentence for a person, naming the permission, role, licence or policy.
    pub message: String,
    /// What would open the way: the exact permission, role or parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
    /// The service's own error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The service's id of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Refusal {
    /// An operator's word ended.
    fn ended(by: &str, until: Timestamp) -> Self {
        let by: String = by.chars().take(80).collect();
        Refusal {
            kind: RefusalKind::Ended,
            message: format!("The declaration by {by} ended on {}.", until.strftime("%Y-%m-%d")),
            needs: None,
            code: None,
            request_id: None,
        }
    }
}

/// What stood in the way of reading a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RefusalKind {
    /// A permission that the app or the sign-in lacks.
    Permission,
    /// A directory role that the signed-in person lacks.
    Role,
    /// A licence that the tenant lacks.
    License,
    /// A Conditional Access policy.
    ConditionalAccess,
    /// The sign-in is of a kind that the source does not serve (the portal API without `-PortalApi`).
    SignIn,
    /// The source asked to wait longer than the run may take.
    Throttled,
    /// No answer, or a failing service.
    Unreachable,
    /// An answer that is not of the documented form.
    Answer,
    /// The cloud does not offer it.
    NotOffered,
    /// The run's time was used up.
    Time,
    /// It was an operator's word, and its time is over.
    Ended,
}

impl<T> Fact<T> {
    /// A whole answer.
    pub fn known(value: T, source: impl Into<String>, as_of: Timestamp) -> Self {
        Fact::Known {
            value,
            source: source.into(),
            as_of,
        }
    }

    /// The value, whole or partial or declared.
    pub fn value(&self) -> Option<&T> {
        match self {
            Fact::Known { value, .. } | Fact::Partial { value, .. } | Fact::Declared { value, .. } => Some(value),
            _ => None,
        }
    }

    /// The same, to add to it what another source told.
    pub fn value_mut(&mut self) -> Option<&mut T> {
        match self {
            Fact::Known { value, .. } | Fact::Partial { value, .. } | Fact::Declared { value, .. } => Some(value),
            _ => None,
        }
    }

    /// The value of a whole answer only: what a Pass may rest on.
    pub fn whole(&self) -> Option<&T> {
        match self {
            Fact::Known { value, .. } => Some(value),
            _ => None,
        }
    }

    /// Why it could not be read.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Fact::Unreadable { refusal } => Some(refusal),
            _ => None,
        }
    }

    /// Where the value comes from.
    pub fn source(&self) -> Option<&str> {
        match self {
            Fact::Known { source, .. } | Fact::Partial { source, .. } => Some(source),
            Fact::Declared { by, .. } => Some(by),
            _ => None,
        }
    }

    /// When the value was true.
    pub fn as_of(&self) -> Option<Timestamp> {
        match self {
            Fact::Known { as_of, .. } | Fact::Partial { as_of, .. } => Some(*as_of),
            Fact::Declared { at, .. } => Some(*at),
            _ => None,
        }
    }

    /// Why the source was read only in part.
    pub fn partial_reason(&self) -> Option<&str> {
        match self {
            Fact::Partial { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// Ends an operator's word whose time is over: then nothing is known.
    pub(super) fn end_declaration(&mut self, now: Timestamp) {
        if let Fact::Declared { by, until, .. } = self
            && *until <= now
        {
            let refusal = Refusal::ended(by, *until);
            *self = Fact::Unreadable { refusal };
        }
    }

    /// True where the source was read only in part.
    pub fn is_partial(&self) -> bool {
        matches!(self, Fact::Partial { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Fact<Vec<u8>>, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn every_state_is_read_as_it_was_written_whatever_the_order() {
        let time: Timestamp = "2026-05-01T10:00:00Z".parse().unwrap();
        let refusal = Refusal {
            kind: RefusalKind::Throttled,
            message: "Later.".into(),
            needs: None,
            code: None,
            request_id: None,
        };
        let (value, source) = (vec![1, 2], String::from("here"));
        for fact in [
            Fact::known(value.clone(), source.clone(), time),
            Fact::Partial {
                value: value.clone(),
                source,
                as_of: time,
                read: 1,
                of: None,
                reason: "Time.".into(),
            },
            Fact::Unreadable { refusal },
            Fact::Declared {
                value,
                by: "me".into(),
                at: time,
                until: time,
            },
            Fact::NotAsked,
        ] {
            let text = serde_json::to_string(&fact).unwrap();
            assert_eq!(read(&text).unwrap(), fact);
            let (state, rest) = text[1..text.len() - 1]
                .split_once(',')
                .unwrap_or((&text[1..text.len() - 1], "\"a\":1"));
            assert_eq!(read(&format!("{{\"later\":{{}},{rest},{state}}}")).unwrap(), fact);
        }
    }

    #[test]
    fn a_fact_that_lacks_what_its_state_needs_is_refused_by_name() {
        let lacks = |text: &str| read(text).unwrap_err();
        assert!(lacks(r#"{"state":"known","source":"here"}"#).contains("missing field `value`"));
        assert!(lacks(r#"{"state":"known","value":null}"#).contains("missing field `value`"));
        assert!(lacks(r#"{"state":"unreadable"}"#).contains("missing field `refusal`"));
        assert!(
            lacks(r#"{"state":"known","value":[1,"x"],"source":"","asOf":"2026-05-01T10:00:00Z"}"#)
                .contains("in a fact's value, ")
        );
        assert!(lacks(r#"{"value":[]}"#).contains("missing field `state`"));
        assert!(lacks(r#"{"state":"guessed","value":[]}"#).contains("unknown variant `guessed`"));
    }
}
