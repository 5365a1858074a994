//! A change: what a set-up would write, where, and how it was before.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What writes a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// Microsoft Graph.
    Graph,
    /// The portal's back end, which Microsoft does not document.
    Portal,
    /// A domain controller, over LDAP.
    Directory,
    /// A group policy object's files and attributes.
    Sysvol,
    /// The host, on an Entra Connect server.
    Host,
    /// A person.
    Manual,
}

/// Where a change is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "to", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Write {
    /// Members of one of the portal's objects; before and after are an object of these members.
    Portal {
        /// Which.
        object: PortalObject,
    },
    /// Members of one of Graph's resources; before and after are an object of these members, each named by its path
    /// (`registrationEnforcement/authenticationMethodsRegistrationCampaign/state`).
    Graph {
        /// Its path: `/v1.0/policies/authorizationPolicy`.
        path: String,
        /// Its type, where a PATCH must name it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        odata_type: Option<String>,
    },
    /// Entries of an object's access control list; before and after are an object that says of each whether it is there.
    Descriptor {
        /// The domain's DNS name.
        domain: String,
        /// The object's distinguished name.
        object: String,
        /// The entries by what they grant, in hexadecimal digits.
        entries: BTreeMap<String, String>,
    },
    /// The minimum password age of a group policy object, in its files in SYSVOL; before and after hold
    /// `minimumPasswordAgeDays`, `securityExtension` (whether the object names what reads such files) and `versionsAgree`
    /// (those of the directory and of SYSVOL).
    Template {
        /// The domain's DNS name.
        domain: String,
        /// The group policy object's distinguished name.
        object: String,
        /// The object that is made, where it is one: before is null then, and after holds `linked` and `nothingElse` (what
        /// somebody else put into it since is not taken away with it) too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new: Option<NewPolicy>,
    },
    /// Whether an Entra Connect server writes passwords back, which the caller sets there; before and after hold `enabled`.
    Host {
        /// Its name, as it gives it.
        computer: String,
    },
    /// An app role of an API that an app is granted; before and after hold `granted`.
    AppRole {
        /// The id of the app's service principal.
        principal: String,
        /// The id of the API's.
        resource: String,
        /// The role's id.
        role: String,
    },
    /// A Conditional Access policy that is made; before is null, after the whole policy, known again by its name.
    ConditionalAccess,
}

/// A group policy object that is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewPolicy {
    /// Its display name.
    pub name: String,
    /// The distinguished name of the domain's root, to which it is linked.
    pub root: String,
}

/// The portal's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PortalObject {
    /// `PasswordResetPolicies`.
    Reset,
    /// `OnPremisesPasswordResetPolicies`.
    OnPremises,
}

/// One change of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The check that it mends, and what of it: `notifications.users`. One of its kind in a plan.
    pub id: String,
    /// The step.
    pub step: String,
    /// What writes it.
    pub kind: Kind,
    /// What it does, in a few words.
    pub title: String,
    /// What is written, for a person.
    pub target: String,
    /// How it stands; null where that could not be read, or where there is none.
    pub before: Value,
    /// How it shall stand.
    pub after: Value,
    /// Whether it can be taken back.
    pub reversible: bool,
    /// What else it sets off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<String>,
    /// How many users it touches at the most; absent where that was not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users_affected: Option<u64>,
    /// The permissions or roles that it needs, any of which will do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// What a person does instead, click by click.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_hand: Vec<String>,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portal_url: Option<String>,
    /// How it is written; none where only a person can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<Write>,
}

/// Targets of a policy as they are compared and written: those who are meant, by their ids, in one order.
pub fn plain_targets(targets: &Value) -> Value {
    // Sorted by its keys.
    let mut plain = Map::new();
    for target in targets.as_array().into_iter().flatten() {
        let id = target["id"].as_str().unwrap_or_default();
        let mut own = Map::new();
        for name in ["id", "targetType", "targetedAuthenticationMethod"] {
            if !target[name].is_null() {
                own.insert(name.into(), target[name].clone());
            }
        }
        // The nil id is nobody.
        if id.bytes().any(|b| b != b'0' && b != b'-') {
            plain.insert(id.into(), own.into());
        }
    }
    let mut targets = Vec::new();
    for (_, own) in plain {
        targets.push(own);
    }
    targets.into()
}

impl Change {
    /// A change that mends a check.
    pub fn of(check: &'static str, kind: Kind, title: impl Into<String>) -> Self {
        Change {
            id: check.into(),
            step: check.split_once('.').map_or(check, |(step, _)| step).into(),
            kind,
            title: title.into(),
            target: String::new(),
            before: Value::Null,
            after: Value::Null,
            reversible: true,
            risk: None,
            users_affected: None,
            requires: Vec::new(),
            by_hand: Vec::new(),
            portal_url: None,
            write: None,
        }
    }

    /// What is written, and how.
    pub fn writes(mut self, target: impl Into<String>, write: Write, before: Value, after: Value) -> Self {
        self.target = target.into();
        (self.before, self.after) = (before, after);
        self.write = Some(write);
        self
    }

    /// Adds what it needs.
    pub fn requires(mut self, permissions: &[&str]) -> Self {
        self.requires = permissions.iter().map(|name| (*name).into()).collect();
        self
    }

    /// Adds what a person does instead.
    pub fn by_hand(mut self, url: &str, clicks: &[&str]) -> Self {
        self.portal_url = Some(url.into());
        self.by_hand = clicks.iter().map(|text| (*text).into()).collect();
        self
    }

    /// Adds what else it sets off.
    pub fn risk(mut self, text: impl Into<String>) -> Self {
        self.risk = Some(text.into());
        self
    }

    /// Adds whom it touches.
    pub fn touches(mut self, users: Option<u64>) -> Self {
        self.users_affected = users;
        self
    }

    /// Makes it one that a person makes.
    pub fn manual(mut self) -> Self {
        self.kind = Kind::Manual;
        self.write = None;
        self
    }
}
