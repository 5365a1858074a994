//! The desired state: what an administrator wants, step by step. What is left out stays as it is.

use crate::error::{Error, Result};
use crate::json;
use crate::status::Status;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The version of the form that this library writes and reads.
pub const SCHEMA_VERSION: u32 = 1;

macro_rules! sections {
    ($($(#[doc = $doc:literal])* $field:ident: $type:ident, $name:literal;)*) => {
        /// What should be.
        #[derive(Clone, Debug, Default, PartialEq)]
        #[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename_all = "camelCase"))]
        pub struct DesiredState {
            /// The form's version: 1.
            pub schema_version: u32,
            $($(#[doc = $doc])* pub $field: Option<$type>,)*
        }

        impl DesiredState {
            /// Reads a section by its name; false where there is none of it.
            fn take(&mut self, name: &str, value: &Value) -> std::result::Result<bool, Wrong> {
                match name {
                    $($name => fill(self.$field.insert($type::default()), name, value)?,)*
                    _ => return Ok(false),
                }
                Ok(true)
            }

            /// Whether a step's section is there: `reset_policy`.
            pub fn wants(&self, step: &str) -> bool {
                match step {
                    $(stringify!($field) => self.$field.is_some(),)*
                    _ => false,
                }
            }

            /// The sections' names.
            pub const NAMES: &'static [&'static str] = &[$($name),*];
        }
    };
}

/// The member that is wrong, and why.
type Wrong = (String, String);

/// A section that is read member by member: what serde derives for all of them would be many times as large.
trait Section {
    /// The members' names, as in Rust.
    fn names(&self) -> &'static [&'static str];
    /// Sets a member by its name; false where there is none of it, or what it must be.
    fn set(&mut self, member: &str, value: &Value) -> std::result::Result<bool, &'static str>;
}

fn fill(section: &mut dyn Section, name: &str, value: &Value) -> std::result::Result<(), Wrong> {
    let Value::Object(members) = value else {
        return Err((name.into(), format!("{name} must be an object")));
    };
    for (member, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        let path = format!("{name}.{member}");
        match section.set(member, value) {
            Ok(true) => {}
            Ok(false) => {
                let known: Vec<String> = section.names().iter().map(|name| camel(name)).collect();
                let why = format!("{name} has no member {member}; its members are {}", known.join(", "));
                return Err((path, why));
            }
            Err(why) => {
                let why = format!("{path} must be {why}");
                return Err((path, why));
            }
        }
    }
    Ok(())
}

/// `enabled_for` as `enabledFor`.
fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let mut whole = parts.next().unwrap_or_default().to_string();
    for part in parts {
        whole.extend(part[..1].chars().map(|c| c.to_ascii_uppercase()));
        whole.push_str(&part[1..]);
    }
    whole
}

/// The value of a member, or what it must be.
trait Member: Sized {
    fn of(value: &Value) -> std::result::Result<Self, &'static str>;
}

impl Member for bool {
    fn of(value: &Value) -> std::result::Result<Self, &'static str> {
        value.as_bool().ok_or("true or false")
    }
}

impl Member for u16 {
    fn of(value: &Value) -> std::result::Result<Self, &'static str> {
        let number = value.as_u64().and_then(|number| number.try_into().ok());
        number.ok_or("a whole number")
    }
}

impl Member for String {
    fn of(value: &Value) -> std::result::Result<Self, &'static str> {
        Ok(value.as_str().ok_or("a text")?.into())
    }
}

impl Member for Vec<String> {
    fn of(value: &Value) -> std::result::Result<Self, &'static str> {
        let what = "a list of texts";
        value
            .as_array()
            .ok_or(what)?
            .iter()
            .map(|one| String::of(one).map_err(|_| what))
            .collect()
    }
}

macro_rules! choice {
    ($(#[doc = $doc:literal])* $type:ident, $what:literal { $($(#[doc = $variant_doc:literal])* $variant:ident = $name:literal,)* }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        pub enum $type {
            $($(#[doc = $variant_doc])* #[cfg_attr(test, schemars(rename = $name))] $variant,)*
        }

        impl Member for $type {
            fn of(value: &Value) -> std::result::Result<Self, &'static str> {
                match value.as_str() {
                    $(Some($name) => Ok($type::$variant),)*
                    _ => Err($what),
                }
            }
        }
    };
}

sections! {
    /// Who may reset, and by how many methods.
    reset_policy: ResetPolicy, "resetPolicy";
    /// Security questions, which Microsoft ends in March 2027.
    security_questions: SecurityQuestions, "securityQuestions";
    /// The methods that users may register.
    authentication_methods: AuthenticationMethods, "authenticationMethods";
    /// How users come to register.
    registration: Registration, "registration";
    /// MFA by Conditional Access.
    mfa_enforcement: MfaEnforcement, "mfaEnforcement";
    /// Who is told.
    notifications: Notifications, "notifications";
    /// What connector accounts may do in the directory.
    directory_permissions: DirectoryPermissions, "directoryPermissions";
    /// How old a password must be before it may be reset.
    password_policy: PasswordPolicy, "passwordPolicy";
    /// Writeback on the Entra Connect server.
    connect_writeback: ConnectWriteback, "connectWriteback";
    /// Writeback in the tenant.
    cloud_writeback: CloudWriteback, "cloudWriteback";
    /// Unlocking without a reset.
    account_unlock: AccountUnlock, "accountUnlock";
}

macro_rules! section {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[doc = $field_doc:literal])* $field:ident: $type:ty,)* }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        #[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename_all = "camelCase", deny_unknown_fields))]
        pub struct $name {
            $($(#[doc = $field_doc])* pub $field: Option<$type>,)*
        }

        impl Section for $name {
            fn names(&self) -> &'static [&'static str] {
                &[$(stringify!($field)),*]
            }

            fn set(&mut self, member: &str, value: &Value) -> std::result::Result<bool, &'static str> {
                $(if camel(stringify!($field)) == member {
                    self.$field = Some(Member::of(value)?);
                    return Ok(true);
                })*
                Ok(false)
            }
        }
    };
}

choice! {
    /// Who may reset.
    EnabledFor, "None, Selected or All" {
        /// Administrators only.
        None = "None",
        /// The members of one group.
        Selected = "Selected",
        /// All users.
        All = "All",
    }
}

choice! {
    /// A method, a campaign or the like.
    State, "enabled or disabled" {
        /// On.
        Enabled = "enabled",
        /// Off.
        Disabled = "disabled",
    }
}

choice! {
    /// The registration campaign.
    Campaign, "default, enabled or disabled" {
        /// As Microsoft manages it.
        Default = "default",
        /// On.
        Enabled = "enabled",
        /// Off.
        Disabled = "disabled",
    }
}

choice! {
    /// What a Conditional Access policy does.
    Enforcement, "reportOnly or enforced" {
        /// It reports what it would do.
        ReportOnly = "reportOnly",
        /// It is in force.
        Enforced = "enforced",
    }
}

section! {
    /// Who may reset, and by how many methods.
    ResetPolicy {
        /// Who.
        enabled_for: EnabledFor,
        /// The object id of the group, where `enabledFor` is Selected.
        group: String,
        /// By how many methods: 1 or 2.
        methods_required: u16,
        /// Whether administrators may reset their own password.
        administrators: bool,
    }
}
section! {
    /// Security questions.
    SecurityQuestions {
        /// Whether they are offered.
        enabled: bool,
        /// How many a user registers: 3 to 5.
        to_register: u16,
        /// How many a user answers to reset: 3 to 5, and no more than are registered.
        to_reset: u16,
        /// The texts of your own questions, which a person types.
        questions: Vec<String>,
    }
}
section! {
    /// The methods that users may register. Each keeps the groups that it is for.
    AuthenticationMethods {
        /// Microsoft Authenticator.
        microsoft_authenticator: State,
        /// One-time codes of any app.
        software_oath: State,
        /// Email.
        email: State,
        /// SMS; Microsoft's own ends on 2027-02-01.
        sms: State,
        /// Calls; Microsoft's own end on 2027-02-01.
        voice: State,
        /// How far the tenant has moved from the older policies to this one. It is only changed when it is named.
        migration: Migration,
    }
}
choice! {
    /// The move from the older policies for MFA and reset to the methods policy.
    Migration, "preMigration, migrationInProgress or migrationComplete" {
        /// The older policies count.
        Before = "preMigration",
        /// Both count.
        InProgress = "migrationInProgress",
        /// The methods policy alone counts.
        Complete = "migrationComplete",
    }
}
section! {
    /// How users come to register.
    Registration {
        /// Whether they must when they sign in.
        required: bool,
        /// After how many days they are asked to confirm: 0 to 730, 0 is never.
        reconfirm_days: u16,
        /// The campaign for Authenticator.
        campaign: Campaign,
        /// The groups that it asks, by their object ids; all_users: everybody. Single users whom it asks stay.
        campaign_groups: Vec<String>,
        /// The groups that it leaves out, by their object ids. Single users whom it leaves out stay.
        campaign_exclude_groups: Vec<String>,
    }
}
section! {
    /// MFA by Conditional Access.
    MfaEnforcement {
        /// Whether a policy for all users only reports or is in force.
        conditional_access: Enforcement,
        /// The object ids of the groups that it leaves out.
        exclude_groups: Vec<String>,
        /// The object ids of the users whom it leaves out: accounts for emergencies.
        exclude_users: Vec<String>,
    }
}
section! {
    /// Who is told.
    Notifications {
        /// A user, of a reset of that account.
        users: bool,
        /// All administrators, of an administrator's reset.
        administrators: bool,
        /// The helpdesk's mail address, or an https address; empty: none of its own.
        helpdesk: String,
    }
}
section! {
    /// What the connector accounts in use may do in the directory: true grants what is missing, false takes away the entry that
    /// would grant it, where that stands on the container itself.
    DirectoryPermissions {
        /// Reset Password, and writing lockoutTime and pwdLastSet, on users.
        users: bool,
        /// The same on inetOrgPersons.
        inet_org_persons: bool,
        /// Change Password besides, as the guide has it.
        change_password: bool,
        /// Unexpire Password on each domain's root.
        unexpire_password: bool,
        /// The distinguished names of the containers where users' rights are granted, CN=AdminSDHolder among them where
        /// administrators are meant too; absent: each domain's root.
        containers: Vec<String>,
        /// Takes away the rights that were put on the accounts' own objects, where they are of no use.
        clean_own_object: bool,
    }
}
choice! {
    /// How the minimum password age is set.
    Method, "manual or sysvol" {
        /// A person sets it, in the Group Policy Management Editor.
        Manual = "manual",
        /// It is written into the files of the group policy object that wins.
        Sysvol = "sysvol",
    }
}

section! {
    /// How old a password must be before it may be reset.
    PasswordPolicy {
        /// The minimum password age in days: 0 to 998.
        minimum_age_days: u16,
        /// How it is set; absent: by hand.
        method: Method,
    }
}
section! {
    /// Writeback on the Entra Connect server.
    ConnectWriteback {
        /// Whether it writes passwords back.
        enabled: bool,
    }
}
/// Whether an agent writes passwords back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(untagged))]
pub enum ByAgent {
    /// It does, or it does not.
    Switched(bool),
    /// It does where it is found.
    Found(WhereFound),
}

choice! {
    /// As the agents are.
    WhereFound, "true, false or whereFound" {
        /// On where such an agent is found; else as it stands.
        WhereFound = "whereFound",
    }
}

impl Member for ByAgent {
    fn of(value: &Value) -> std::result::Result<Self, &'static str> {
        match value.as_bool() {
            Some(on) => Ok(ByAgent::Switched(on)),
            None => WhereFound::of(value).map(ByAgent::Found),
        }
    }
}

section! {
    /// Writeback in the tenant.
    CloudWriteback {
        /// By Entra Connect; whereFound: unless nothing but cloud sync is found.
        connect: ByAgent,
        /// By cloud sync.
        cloud_sync: ByAgent,
    }
}
section! {
    /// Unlocking without a reset.
    AccountUnlock {
        /// Whether users may.
        allowed: bool,
    }
}

/// What a state is begun from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum Profile {
    /// What we recommend today: SMS and questions stay as they stand while their end is announced.
    #[default]
    Recommended,
    /// The guide to the letter.
    Guide,
}

impl Profile {
    /// The state, as a document.
    pub fn text(self) -> &'static str {
        match self {
            Profile::Recommended => include_str!("desired/recommended.json"),
            Profile::Guide => include_str!("desired/guide.json"),
        }
    }
}

impl DesiredState {
    /// Reads a state. What is not understood, and what cannot be, is refused with the member that it is about.
    pub fn from_json(text: &str) -> Result<Self> {
        let refused = |member: &str, why: String| {
            Error::new(
                Status::DesiredState,
                format!("the desired state is not acceptable: {why}"),
            )
            .target(member)
        };
        if let Some(member) = json::repeated(text) {
            return Err(refused(&member, format!("{member} stands in it twice")));
        }
        let sections: Map<String, Value> =
            json::read(text).map_err(|e| refused("", format!("it is no JSON object ({e})")))?;
        let mut state = DesiredState::default();
        for (name, section) in &sections {
            if name == "schemaVersion" {
                state.schema_version = section.as_u64().and_then(|n| n.try_into().ok()).unwrap_or_default();
            } else if name != "$schema" && !section.is_null() {
                match state.take(name, section) {
                    Ok(true) => {}
                    Ok(false) => {
                        let known = DesiredState::NAMES.join(", ");
                        let why = format!("there is no section {name}; the sections are {known}");
                        return Err(refused(name, why));
                    }
                    Err((member, why)) => return Err(refused(&member, why)),
                }
            }
        }
        if state.schema_version != SCHEMA_VERSION {
            let why = format!("schemaVersion must be {SCHEMA_VERSION}");
            return Err(refused("schemaVersion", why));
        }
        match state.impossible() {
            Some((member, why)) => Err(refused(member, format!("{member} {why}"))),
            None => Ok(state),
        }
    }

    /// The first member that cannot be as it is.
    fn impossible(&self) -> Option<(&'static str, &'static str)> {
        let out = |value: Option<u16>, least: u16, most: u16| value.is_some_and(|n| n < least || n > most);
        if let Some(policy) = &self.reset_policy {
            match (policy.enabled_for, &policy.group) {
                (Some(EnabledFor::Selected), None) => {
                    return Some(("resetPolicy.group", "must name the selected group"));
                }
                (Some(EnabledFor::Selected), Some(id)) if !is_id(id) => {
                    return Some(("resetPolicy.group", "must be the group's object id"));
                }
                (Some(EnabledFor::Selected), Some(_)) | (_, None) => {}
                (_, Some(_)) => return Some(("resetPolicy.group", "is given, but enabledFor is not Selected")),
            }
            if out(policy.methods_required, 1, 2) {
                return Some(("resetPolicy.methodsRequired", "must be 1 or 2"));
            }
        }
        if let Some(questions) = &self.security_questions {
            let (register, reset) = (questions.to_register, questions.to_reset);
            if out(register, 3, 5) {
                return Some(("securityQuestions.toRegister", "must be 3, 4 or 5"));
            }
            if out(reset, 3, 5) || out(reset, 0, register.unwrap_or(5)) {
                return Some((
                    "securityQuestions.toReset",
                    "must be 3, 4 or 5, and no more than are registered",
                ));
            }
        }
        if let Some(methods) = &self.authentication_methods {
            let all = [
                methods.microsoft_authenticator,
                methods.software_oath,
                methods.email,
                methods.sms,
                methods.voice,
            ];
            let questions = self.security_questions.as_ref().and_then(|questions| questions.enabled);
            // What is left out may be on.
            let left = all.iter().filter(|state| **state != Some(State::Disabled)).count();
            let left = left + usize::from(questions != Some(false));
            let required = self.reset_policy.as_ref().and_then(|policy| policy.methods_required);
            if left == 0 {
                return Some(("authenticationMethods", "leaves no method to reset with"));
            }
            if left == 1 && required == Some(2) {
                return Some(("resetPolicy.methodsRequired", "must be 1 where only one method is left"));
            }
        }
        let questions = self
            .security_questions
            .as_ref()
            .and_then(|all| all.questions.as_deref());
        if questions.into_iter().flatten().any(|text| text.trim().is_empty()) {
            return Some(("securityQuestions.questions", "has an empty text"));
        }
        if let Some(permissions) = &self.directory_permissions
            && permissions.change_password.is_some()
            && (permissions.users, permissions.inet_org_persons) == (None, None)
        {
            return Some(("directoryPermissions.changePassword", "needs users or inetOrgPersons"));
        }
        let writeback = self.cloud_writeback.as_ref();
        const OFF: Option<ByAgent> = Some(ByAgent::Switched(false));
        if let Some(writeback) = writeback
            && (writeback.connect, writeback.cloud_sync) == (OFF, OFF)
            && self.account_unlock.as_ref().and_then(|unlock| unlock.allowed) == Some(true)
        {
            return Some(("accountUnlock.allowed", "needs writeback, which is to be off"));
        }
        if let Some(registration) = &self.registration {
            if out(registration.reconfirm_days, 0, 730) {
                return Some(("registration.reconfirmDays", "must be 0 to 730"));
            }
            let mut groups = registration.campaign_groups.iter().flatten();
            if !groups.all(|id| id == "all_users" || is_id(id)) {
                return Some((
                    "registration.campaignGroups",
                    "must name groups by their object ids, or all_users",
                ));
            }
            let mut left_out = registration.campaign_exclude_groups.iter().flatten();
            if !left_out.all(|id| is_id(id)) {
                return Some((
                    "registration.campaignExcludeGroups",
                    "must name groups by their object ids",
                ));
            }
        }
        if let Some(policy) = &self.password_policy
            && (out(policy.minimum_age_days, 0, 998) || policy.method.is_some() && policy.minimum_age_days.is_none())
        {
            return Some(("passwordPolicy.minimumAgeDays", "must be 0 to 998"));
        }
        if let Some(mfa) = &self.mfa_enforcement {
            let (groups, users) = (mfa.exclude_groups.iter().flatten(), mfa.exclude_users.iter().flatten());
            if mfa.conditional_access.is_some() && groups.clone().chain(users.clone()).next().is_none() {
                return Some((
                    "mfaEnforcement.excludeGroups",
                    "or excludeUsers must name who gets in when all else fails",
                ));
            }
            for (member, mut ids) in [
                ("mfaEnforcement.excludeGroups", groups),
                ("mfaEnforcement.excludeUsers", users),
            ] {
                if !ids.all(|id| is_id(id)) {
                    return Some((member, "must name them by their object ids"));
                }
            }
            if mfa.conditional_access.is_none() && (mfa.exclude_groups.is_some() || mfa.exclude_users.is_some()) {
                return Some((
                    "mfaEnforcement.conditionalAccess",
                    "must say for what somebody is left out",
                ));
            }
        }
        if let Some(helpdesk) = self.notifications.as_ref().and_then(|n| n.helpdesk.as_deref())
            && !helpdesk.is_empty()
            && !helpdesk.contains('@')
            && !helpdesk.starts_with("https://")
        {
            return Some(("notifications.helpdesk", "must be a mail address or an https address"));
        }
        None
    }
}

fn is_id(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_a_state() {
        let recommended = DesiredState::from_json(Profile::Recommended.text()).unwrap();
        let methods = recommended.authentication_methods.unwrap();
        assert_eq!((methods.email, methods.sms), (Some(State::Enabled), None));
        let guide = DesiredState::from_json(Profile::Guide.text()).unwrap();
        assert_eq!(guide.security_questions.unwrap().to_register, Some(5));
        assert_eq!(guide.reset_policy.unwrap().enabled_for, Some(EnabledFor::All));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_member() {
        for (text, target, says) in [
            ("[]", "", "no JSON object"),
            ("{}", "schemaVersion", "must be 1"),
            (r#"{"schemaVersion":2}"#, "schemaVersion", "must be 1"),
            (
                r#"{"schemaVersion":1,"notification":{}}"#,
                "notification",
                "the sections are resetPolicy",
            ),
            (
                r#"{"schemaVersion":1,"notifications":{"user":true}}"#,
                "notifications.user",
                "its members are users, administrators, helpdesk",
            ),
            (
                r#"{"schemaVersion":1,"notifications":{"users":"yes"}}"#,
                "notifications.users",
                "must be true or false",
            ),
            (
                r#"{"schemaVersion":1,"notifications":{"helpdesk":"http://x"}}"#,
                "notifications.helpdesk",
                "https",
            ),
            (
                r#"{"schemaVersion":1,"notifications":{"users":true,"users":false}}"#,
                "notifications.users",
                "stands in it twice",
            ),
            (
                r#"{"schemaVersion":1,"resetPolicy":{"enabledFor":"Selected"}}"#,
                "resetPolicy.group",
                "must name",
            ),
            (
                r#"{"schemaVersion":1,"authenticationMethods":{"microsoftAuthenticator":"disabled","softwareOath":"disabled",
                "email":"disabled","sms":"disabled","voice":"disabled"},"securityQuestions":{"enabled":false}}"#,
                "authenticationMethods",
                "leaves no method",
            ),
            (
                r#"{"schemaVersion":1,"resetPolicy":{"methodsRequired":2},"authenticationMethods":{"microsoftAuthenticator":"disabled",
                "softwareOath":"disabled","sms":"disabled","voice":"disabled"},"securityQuestions":{"enabled":false}}"#,
                "resetPolicy.methodsRequired",
                "only one method",
            ),
            (
                r#"{"schemaVersion":1,"registration":{"campaignGroups":["all_users","sales"]}}"#,
                "registration.campaignGroups",
                "object ids",
            ),
            (
                r#"{"schemaVersion":1,"registration":{"campaignExcludeGroups":["all_users"]}}"#,
                "registration.campaignExcludeGroups",
                "object ids",
            ),
            (
                r#"{"schemaVersion":1,"securityQuestions":{"questions":["First ship?"," "]}}"#,
                "securityQuestions.questions",
                "empty text",
            ),
            (
                r#"{"schemaVersion":1,"directoryPermissions":{"changePassword":true}}"#,
                "directoryPermissions.changePassword",
                "needs users",
            ),
            (
                r#"{"schemaVersion":1,"cloudWriteback":{"connect":false,"cloudSync":false},"accountUnlock":{"allowed":true}}"#,
                "accountUnlock.allowed",
                "needs writeback",
            ),
            (
                r#"{"schemaVersion":1,"passwordPolicy":{"method":"sysvol"}}"#,
                "passwordPolicy.minimumAgeDays",
                "must be",
            ),
            (
                r#"{"schemaVersion":1,"resetPolicy":{"enabledFor":"All","group":"x"}}"#,
                "resetPolicy.group",
                "is not Selected",
            ),
            (
                r#"{"schemaVersion":1,"resetPolicy":{"methodsRequired":3}}"#,
                "resetPolicy.methodsRequired",
                "1 or 2",
            ),
            (
                r#"{"schemaVersion":1,"securityQuestions":{"toRegister":3,"toReset":4}}"#,
                "securityQuestions.toReset",
                "no more than",
            ),
            (
                r#"{"schemaVersion":1,"mfaEnforcement":{"conditionalAccess":"reportOnly"}}"#,
                "mfaEnforcement.excludeGroups",
                "must name",
            ),
            (
                r#"{"schemaVersion":1,"mfaEnforcement":{"conditionalAccess":"reportOnly","excludeUsers":["x"]}}"#,
                "mfaEnforcement.excludeUsers",
                "object ids",
            ),
            (
                r#"{"schemaVersion":1,"mfaEnforcement":{"excludeUsers":["11111111-2222-4333-8444-555555555555"]}}"#,
                "mfaEnforcement.conditionalAccess",
                "for what",
            ),
        ] {
            let error = DesiredState::from_json(text).unwrap_err();
            assert_eq!(error.target.as_deref(), Some(target), "{text}");
            assert!(error.message.contains(says), "{text}: {}", error.message);
        }
    }

    /// Writes it when told to.
    #[test]
    fn the_published_schema_is_that_of_the_types() {
        let mut schema = serde_json::to_value(schemars::schema_for!(DesiredState)).unwrap();
        schema["additionalProperties"] = false.into();
        schema["properties"]["$schema"] = serde_json::json!({"type": "string"});
        schema["properties"]["schemaVersion"] =
            serde_json::json!({"const": SCHEMA_VERSION, "description": "The form's version."});
        let text = format!("{}\n", serde_json::to_string_pretty(&schema).unwrap());
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schema/desired-state.schema.json");
        if std::env::var_os("SSPR_WRITE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(checked_in == text, "run `cargo xtask generate`");
    }
}
