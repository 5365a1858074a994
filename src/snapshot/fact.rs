//! What one source said about one thing, and how far that goes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One source's answer. There is never a default in place of an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase", rename_all_fields = "camelCase")]
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
            let by: String = by.chars().take(80).collect();
            let message = format!("The declaration by {by} ended on {}.", until.strftime("%Y-%m-%d"));
            let refusal = Refusal {
                kind: RefusalKind::Ended,
                message,
                needs: None,
                code: None,
                request_id: None,
            };
            *self = Fact::Unreadable { refusal };
        }
    }

    /// True where the source was read only in part.
    pub fn is_partial(&self) -> bool {
        matches!(self, Fact::Partial { .. })
    }
}
