//! What the policies offer: a method's configuration to its targets, all of them together to a user.

use super::{ADMINISTRATORS, EVERYTHING, Method, Methods, QUESTIONS};
use crate::snapshot::Snapshot;
use crate::snapshot::graph::{AuthenticationMethodConfiguration, AuthenticationMethodsPolicy, MethodTarget};
use crate::snapshot::people::CohortKey;
use crate::snapshot::portal::PasswordResetPolicy;
use crate::steps::policy::{SECURITY_QUESTIONS, weigh};
use crate::steps::scope::{Directory, any, included, nobody};
use Method::{AppCode, AppPush, Email, HardwareOath, MobileCall, OfficeCall, Sms, SoftwareOath};

/// What somebody may use: surely, and at the most where something was not readable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// Surely.
    pub sure: Methods,
    /// Surely or perhaps.
    pub possible: Methods,
}

impl Offered {
    fn exactly(methods: Methods) -> Self {
        Offered {
            sure: methods,
            possible: methods,
        }
    }

    fn at_most(methods: Methods) -> Self {
        Offered {
            sure: Methods::default(),
            possible: methods,
        }
    }

    fn or(self, other: Self) -> Self {
        Offered {
            sure: self.sure.or(other.sure),
            possible: self.possible.or(other.possible),
        }
    }

    /// After methods have ended: they are left perhaps, for a telephony provider of the tenant's own is not to be read.
    pub fn after(self, ended: Methods) -> Self {
        Offered {
            sure: self.sure.without(ended),
            possible: self.possible,
        }
    }
}

/// Which policy says what resets a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migration {
    /// The legacy policies alone.
    Before,
    /// Both.
    Underway,
    /// The methods policy alone.
    Complete,
    /// A state that this library does not know.
    Other,
}

/// The tenant's state.
pub fn migration(policy: &AuthenticationMethodsPolicy) -> Migration {
    match policy.policy_migration_state.as_deref() {
        None | Some("migrationComplete") => Migration::Complete,
        Some("preMigration") => Migration::Before,
        Some("migrationInProgress") => Migration::Underway,
        Some(_) => Migration::Other,
    }
}

/// What the reset methods of one configuration are, for one of its targets.
fn given(configuration: &AuthenticationMethodConfiguration, target: &MethodTarget) -> Methods {
    let is = |id: &str| configuration.id.eq_ignore_ascii_case(id);
    if is("MicrosoftAuthenticator") {
        let passwordless = target
            .authentication_mode
            .as_deref()
            .is_some_and(|m| m.eq_ignore_ascii_case("deviceBasedPush"));
        let push = if passwordless { &[][..] } else { &[AppPush] };
        let code = if configuration.is_software_oath_enabled == Some(true) {
            &[AppCode][..]
        } else {
            &[]
        };
        Methods::of(push).or(Methods::of(code))
    } else if is("SoftwareOath") {
        Methods::of(&[SoftwareOath])
    } else if is("HardwareOath") {
        Methods::of(&[HardwareOath])
    } else if is("Sms") {
        Methods::of(&[Sms])
    } else if is("Voice") && configuration.is_office_phone_allowed == Some(true) {
        Methods::of(&[MobileCall, OfficeCall])
    } else if is("Voice") {
        Methods::of(&[MobileCall])
    } else if is("Email") {
        Methods::of(&[Email])
    } else {
        Methods::default()
    }
}

/// Whether a configuration is enabled.
pub fn enabled(configuration: &AuthenticationMethodConfiguration) -> bool {
    configuration
        .state
        .as_deref()
        .is_some_and(|s| s.eq_ignore_ascii_case("enabled"))
}

/// Whether a configuration gives any reset method to anybody.
pub fn resets(configuration: &AuthenticationMethodConfiguration) -> bool {
    enabled(configuration)
        && configuration
            .include_targets
            .iter()
            .any(|t| !given(configuration, t).is_empty())
}

/// Whether a target names everybody.
pub fn everybody(target: &MethodTarget) -> bool {
    target.id.eq_ignore_ascii_case("all_users")
}

/// Whether a target names somebody whose groups are told by `in_group`. A single user named by id is not told apart.
pub fn names(target: &MethodTarget, in_group: &dyn Fn(&str) -> Option<bool>) -> Option<bool> {
    if everybody(target) {
        Some(true)
    } else if nobody(&target.id) {
        Some(false)
    } else if target.target_type.eq_ignore_ascii_case("user") {
        None
    } else {
        in_group(&target.id)
    }
}

/// What one configuration offers somebody.
fn offer(configuration: &AuthenticationMethodConfiguration, in_group: &dyn Fn(&str) -> Option<bool>) -> Offered {
    if !enabled(configuration) {
        return Offered::default();
    }
    let excluded = any(configuration.exclude_targets.iter().map(|t| names(t, in_group)));
    let mut offered = Offered::default();
    for target in &configuration.include_targets {
        let methods = given(configuration, target);
        offered = offered.or(match included(names(target, in_group), excluded) {
            Some(true) => Offered::exactly(methods),
            None => Offered::at_most(methods),
            Some(false) => Offered::default(),
        });
    }
    offered
}

/// The policies together: what each user may use.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// The methods policy.
    pub policy: &'a AuthenticationMethodsPolicy,
    /// The groups that it names.
    pub directory: Directory<'a>,
    legacy: Offered,
    questions: Offered,
}

impl<'a> Rules<'a> {
    /// The rules of a tenant whose methods policy was read.
    pub fn of(snapshot: &'a Snapshot) -> Option<Self> {
        let policy = snapshot.facts.methods_policy.value()?;
        let portal = snapshot.facts.portal_reset_policy.value();
        let questions = weigh(snapshot, &SECURITY_QUESTIONS).ok().filter(|on| on.is_whole());
        Some(Rules {
            policy,
            directory: Directory::of(snapshot),
            legacy: legacy(portal),
            questions: toggle(questions.map(|on| on.value.0), QUESTIONS),
        })
    }

    /// What somebody may use whose groups are told by `in_group`.
    pub fn offered(&self, in_group: &dyn Fn(&str) -> Option<bool>) -> Offered {
        let configurations = &self.policy.authentication_method_configurations;
        let modern = configurations
            .iter()
            .fold(Offered::default(), |all, c| all.or(offer(c, in_group)));
        let governed = match migration(self.policy) {
            Migration::Complete => modern,
            Migration::Underway => modern.or(self.legacy),
            Migration::Before => self.legacy,
            Migration::Other => Offered::at_most(EVERYTHING),
        };
        governed.or(self.questions)
    }

    /// What the users of a cohort may use.
    pub fn offered_to(&self, key: &CohortKey) -> Offered {
        if key.admin || key.global_admin {
            Offered::exactly(ADMINISTRATORS)
        } else {
            self.offered(&|id| self.directory.in_group(key, id))
        }
    }

    /// What the users of a cohort may use of what they have registered. A hardware token is handed out by an
    /// administrator, and its configuration is not in every answer: a registered one counts.
    pub fn usable(&self, key: &CohortKey, registered: Methods) -> Methods {
        let tokens = registered.and(Methods::of(&[HardwareOath]));
        registered.and(self.offered_to(key).possible).or(tokens)
    }

    /// The groups that configurations of reset methods name, each once.
    pub fn groups(&self) -> Vec<&'a str> {
        let mut ids: Vec<&str> = Vec::new();
        let configurations = &self.policy.authentication_method_configurations;
        for configuration in configurations.iter().filter(|c| resets(c)) {
            for target in configuration
                .include_targets
                .iter()
                .chain(&configuration.exclude_targets)
            {
                let user = target.target_type.eq_ignore_ascii_case("user");
                let group = !user && !everybody(target) && !nobody(&target.id);
                if group && !ids.iter().any(|id| id.eq_ignore_ascii_case(&target.id)) {
                    ids.push(&target.id);
                }
            }
        }
        ids
    }
}

fn toggle(value: Option<bool>, methods: Methods) -> Offered {
    match value {
        Some(true) => Offered::exactly(methods),
        Some(false) => Offered::default(),
        None => Offered::at_most(methods),
    }
}

/// What the legacy toggles of the portal give everybody.
fn legacy(portal: Option<&PasswordResetPolicy>) -> Offered {
    let on = |read: fn(&PasswordResetPolicy) -> Option<bool>, methods: &[Method]| {
        toggle(portal.and_then(read), Methods::of(methods))
    };
    on(|p| p.mobile_app_notification_enabled, &[AppPush])
        .or(on(
            |p| p.mobile_app_code_enabled,
            &[AppCode, SoftwareOath, HardwareOath],
        ))
        .or(on(|p| p.email_option_enabled, &[Email]))
        .or(on(|p| p.mobile_phone_option_enabled, &[Sms, MobileCall]))
        .or(on(|p| p.office_phone_option_enabled, &[OfficeCall]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(id: &str) -> AuthenticationMethodConfiguration {
        AuthenticationMethodConfiguration {
            id: id.into(),
            state: Some("enabled".into()),
            include_targets: vec![MethodTarget {
                id: "all_users".into(),
                target_type: "group".into(),
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    #[test]
    fn every_configuration_gives_its_methods() {
        let nobody = |_: &str| Some(false);
        for (id, methods) in [
            ("MicrosoftAuthenticator", "Authenticator notification"),
            ("SoftwareOath", "other app's code"),
            ("HardwareOath", "hardware token"),
            ("Sms", "SMS"),
            ("Voice", "call to mobile"),
            ("Email", "email"),
            ("Fido2", "none"),
            ("TemporaryAccessPass", "none"),
            ("X509Certificate", "none"),
            ("QRCodePin", "none"),
            ("9a2b1c3d-0000-4000-8000-0000000000ea", "none"),
        ] {
            let offered = offer(&configuration(id), &nobody);
            assert_eq!(offered.sure.names(), methods, "{id}");
        }
        let mut voice = configuration("Voice");
        voice.is_office_phone_allowed = Some(true);
        assert_eq!(offer(&voice, &nobody).sure.names(), "call to mobile, call to office");
        let mut app = configuration("MicrosoftAuthenticator");
        app.is_software_oath_enabled = Some(true);
        app.include_targets[0].authentication_mode = Some("deviceBasedPush".into());
        assert_eq!(offer(&app, &nobody).sure.names(), "Authenticator code");
    }

    #[test]
    fn an_unread_group_offers_perhaps_and_an_exclusion_wins() {
        let mut sms = configuration("Sms");
        sms.exclude_targets = vec![MethodTarget {
            id: "g".into(),
            target_type: "group".into(),
            ..Default::default()
        }];
        assert_eq!(offer(&sms, &|_| Some(true)), Offered::default());
        assert_eq!(offer(&sms, &|_| None), Offered::at_most(Methods::of(&[Sms])));
        assert_eq!(offer(&sms, &|_| Some(false)), Offered::exactly(Methods::of(&[Sms])));
    }
}
