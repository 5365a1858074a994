//! The desired state: what an administrator wants, step by step. What is left out stays as it is.

use crate::error::{Error, Result};
use crate::json;
use crate::status::Status;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// The version of the form that this library writes and reads.
pub const SCHEMA_VERSION: u32 = 1;

macro_rules! sections {
    ($($(#[doc = $doc:literal])* $field:ident: $type:ident, $name:literal;)*) => {
        /// What should be.
        #[derive(Clone, Debug, Default, PartialEq, Serialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(rename_all = "camelCase")]
        pub struct DesiredState {
            /// The form's version: 1.
            pub schema_version: u32,
            $($(#[doc = $doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
        }

        impl DesiredState {
            /// Reads a section by its name; false where there is none of it.
            fn take(&mut self, name: &str, text: &RawValue) -> std::result::Result<bool, serde_json::Error> {
                match name {
                    $($name => self.$field = json::read(text.get())?,)*
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
            const NAMES: &'static [&'static str] = &[$($name),*];
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
    /// Writeback in the tenant.
    cloud_writeback: CloudWriteback, "cloudWriteback";
    /// Unlocking without a reset.
    account_unlock: AccountUnlock, "accountUnlock";
}

macro_rules! section {
    ($(#[doc = $doc:literal])* $name:ident { $($(#[doc = $field_doc:literal])* $field:ident: $type:ty,)* }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
        pub struct $name {
            $($(#[doc = $field_doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
        }
    };
}

/// Who may reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum EnabledFor {
    /// Administrators only.
    None,
    /// The members of one group.
    Selected,
    /// All users.
    All,
}

/// A method, a campaign or the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// On.
    Enabled,
    /// Off.
    Disabled,
}

/// The registration campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Campaign {
    /// As Microsoft manages it.
    Default,
    /// On.
    Enabled,
    /// Off.
    Disabled,
}

/// What a Conditional Access policy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Enforcement {
    /// It reports what it would do.
    ReportOnly,
    /// It is in force.
    Enforced,
}

section! {
    /// Who may reset, and by how many methods.
    ResetPolicy {
        /// Who.
        enabled_for: EnabledFor,
        /// The object id of the group, where `enabledFor` is Selected.
        group: String,
        /// By how many methods: 1 or 2.
        methods_required: u8,
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
        to_register: u8,
        /// How many a user answers to reset: 3 to 5, and no more than are registered.
        to_reset: u8,
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
        /// The distinguished names of the containers where users' rights are granted; absent: each domain's root.
        containers: Vec<String>,
    }
}
/// How the minimum password age is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Method {
    /// A person sets it, in the Group Policy Management Editor.
    Manual,
    /// It is written into the files of the group policy object that wins.
    Sysvol,
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
    /// Writeback in the tenant.
    CloudWriteback {
        /// By Entra Connect.
        connect: bool,
        /// By cloud sync.
        cloud_sync: bool,
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
    /// What we recommend today.
    #[default]
    Recommended,
    /// The guide to the letter.
    Guide,
}

impl DesiredState {
    /// What a profile wants.
    pub fn of(profile: Profile) -> Self {
        let guide = profile == Profile::Guide;
        let on = Some(State::Enabled);
        // SMS and questions stay as they stand while their end is announced.
        let ending = on.filter(|_| guide);
        DesiredState {
            schema_version: SCHEMA_VERSION,
            reset_policy: Some(ResetPolicy {
                enabled_for: Some(EnabledFor::All),
                methods_required: Some(2),
                ..ResetPolicy::default()
            }),
            security_questions: guide.then(|| SecurityQuestions {
                enabled: Some(true),
                to_register: Some(5),
                to_reset: Some(3),
            }),
            authentication_methods: Some(AuthenticationMethods {
                microsoft_authenticator: on,
                software_oath: on,
                email: on,
                sms: ending,
                voice: None,
            }),
            registration: Some(Registration {
                required: Some(true),
                reconfirm_days: Some(180),
                campaign: None,
            }),
            mfa_enforcement: None,
            notifications: Some(Notifications {
                users: Some(true),
                administrators: Some(true),
                helpdesk: None,
            }),
            directory_permissions: Some(DirectoryPermissions {
                users: Some(true),
                unexpire_password: Some(true),
                change_password: Some(true).filter(|_| guide),
                ..DirectoryPermissions::default()
            }),
            password_policy: Some(PasswordPolicy {
                minimum_age_days: Some(0),
                method: None,
            }),
            cloud_writeback: Some(CloudWriteback {
                connect: Some(true),
                cloud_sync: None,
            }),
            account_unlock: Some(AccountUnlock { allowed: Some(true) }),
        }
    }

    /// Reads a state. What is not understood, and what cannot be, is refused with the member that it is about.
    pub fn from_json(text: &str) -> Result<Self> {
        let refused = |member: &str, why: String| {
            Error::new(
                Status::DesiredState,
                format!("the desired state is not acceptable: {why}"),
            )
            .target(member)
        };
        let sections: BTreeMap<String, Box<RawValue>> =
            json::read(text).map_err(|e| refused("", format!("it is no JSON object ({e})")))?;
        let mut state = DesiredState::default();
        for (name, section) in &sections {
            if name == "schemaVersion" {
                state.schema_version = json::read(section.get()).map_err(|e| refused(name, format!("{name}: {e}")))?;
            } else if name != "$schema" {
                match state.take(name, section) {
                    Ok(true) => {}
                    Ok(false) => {
                        let known = DesiredState::NAMES.join(", ");
                        return Err(refused(
                            name,
                            format!("there is no section {name}; the sections are {known}"),
                        ));
                    }
                    Err(e) => return Err(refused(name, format!("{name}: {e}"))),
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
            if out(policy.methods_required.map(u16::from), 1, 2) {
                return Some(("resetPolicy.methodsRequired", "must be 1 or 2"));
            }
        }
        if let Some(questions) = &self.security_questions {
            let (register, reset) = (questions.to_register.map(u16::from), questions.to_reset.map(u16::from));
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
        if let Some(registration) = &self.registration
            && out(registration.reconfirm_days, 0, 730)
        {
            return Some(("registration.reconfirmDays", "must be 0 to 730"));
        }
        if let Some(policy) = &self.password_policy
            && out(policy.minimum_age_days, 0, 998)
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
            if !groups.chain(users).all(|id| is_id(id)) {
                return Some(("mfaEnforcement", "must name groups and users by their object ids"));
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
    fn a_profile_is_read_as_it_is_written() {
        for profile in [Profile::Recommended, Profile::Guide] {
            let state = DesiredState::of(profile);
            let text = serde_json::to_string(&state).unwrap();
            assert_eq!(DesiredState::from_json(&text).unwrap(), state);
        }
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
                "notifications",
                "unknown field `user`",
            ),
            (
                r#"{"schemaVersion":1,"notifications":{"users":"yes"}}"#,
                "notifications",
                "boolean",
            ),
            (
                r#"{"schemaVersion":1,"notifications":{"helpdesk":"http://x"}}"#,
                "notifications.helpdesk",
                "https",
            ),
            (
                r#"{"schemaVersion":1,"resetPolicy":{"enabledFor":"Selected"}}"#,
                "resetPolicy.group",
                "must name",
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
