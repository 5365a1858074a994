//! Which methods reset a password: what a method's configuration gives, and what a user has registered.

use crate::finding::{Evidence, Finding, Outcome};
use crate::snapshot::Snapshot;
use crate::snapshot::graph::{AuthenticationMethodConfiguration, AuthenticationMethodsPolicy, MethodTarget};
use crate::snapshot::people::{CohortKey, Registration};
use crate::snapshot::portal::PasswordResetPolicy;
use crate::steps::policy;
use crate::steps::reset_policy::{Rule, rule};
use crate::steps::scope::{Directory, any, included, nobody};

/// A method that the reset page accepts. Passkeys, Windows Hello, a Temporary Access Pass, certificates, QR codes and
/// external methods are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Authenticator's notification.
    AppPush,
    /// Authenticator's code.
    AppCode,
    /// Another app's code.
    SoftwareOath,
    /// A hardware token's code.
    HardwareOath,
    /// A text message to a mobile phone.
    Sms,
    /// A call to a mobile phone.
    MobileCall,
    /// A call to an office phone.
    OfficeCall,
    /// A code to another email address.
    Email,
    /// Security questions.
    Questions,
}

use Method::{AppCode, AppPush, Email, HardwareOath, MobileCall, OfficeCall, Questions, Sms, SoftwareOath};

impl Method {
    const ALL: [Method; 9] = [
        AppPush,
        AppCode,
        SoftwareOath,
        HardwareOath,
        Sms,
        MobileCall,
        OfficeCall,
        Email,
        Questions,
    ];

    fn name(self) -> &'static str {
        match self {
            AppPush => "Authenticator notification",
            AppCode => "Authenticator code",
            SoftwareOath => "other app's code",
            HardwareOath => "hardware token",
            Sms => "SMS",
            MobileCall => "call to mobile",
            OfficeCall => "call to office",
            Email => "email",
            Questions => "security questions",
        }
    }
}

/// A set of methods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Methods(u16);

impl Methods {
    /// A set of these.
    pub const fn of(methods: &[Method]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < methods.len() {
            bits |= 1 << methods[i] as u16;
            i += 1;
        }
        Methods(bits)
    }

    /// In either.
    pub const fn or(self, other: Self) -> Self {
        Methods(self.0 | other.0)
    }

    /// In both.
    pub const fn and(self, other: Self) -> Self {
        Methods(self.0 & other.0)
    }

    /// In this and not in the other.
    pub const fn without(self, other: Self) -> Self {
        Methods(self.0 & !other.0)
    }

    /// Whether it is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether they have one in common.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// As people read it.
    pub fn names(self) -> String {
        let names: Vec<&str> = Method::ALL
            .into_iter()
            .filter(|m| self.meets(Methods::of(&[*m])))
            .map(Method::name)
            .collect();
        if names.is_empty() {
            "none".into()
        } else {
            names.join(", ")
        }
    }
}

/// What makes a code. With one method required only these count of the app's ways.
const CODES: Methods = Methods::of(&[AppCode, SoftwareOath, HardwareOath]);
const APP: Methods = CODES.or(Methods::of(&[AppPush]));
/// What a mobile phone does.
const MOBILE: Methods = Methods::of(&[Sms, MobileCall]);
const OFFICE: Methods = Methods::of(&[OfficeCall]);
/// What ends with Microsoft's telephony.
pub const PHONE: Methods = MOBILE.or(OFFICE);
/// Security questions.
pub const QUESTIONS: Methods = Methods::of(&[Questions]);
/// What an administrator may use, whatever the policies say: the administrators' rule stands apart from them.
pub const ADMINISTRATORS: Methods = APP.or(PHONE).or(Methods::of(&[Email]));
const EVERYTHING: Methods = ADMINISTRATORS.or(QUESTIONS);

/// How many different methods a set makes where `required` are asked for.
///
/// The reset page takes the app once: "notification or code, in addition to any other method". Where the report itself
/// shows users who can reset with the app alone though two are required, `app_twice` is true.
pub fn gates(methods: Methods, required: u64, app_twice: bool) -> u64 {
    let app = if required <= 1 { CODES } else { APP };
    let mut count = 0;
    for gate in [app, MOBILE, OFFICE, Methods::of(&[Email]), QUESTIONS] {
        count += u64::from(methods.meets(gate));
    }
    if app_twice && required > 1 && methods.meets(CODES) && methods.meets(Methods::of(&[AppPush])) {
        count += 1;
    }
    count
}

/// The names that the registration report writes, and the methods that each stands for. Names that are not here are of
/// methods that do not reset a password.
const REPORTED: &[(&str, Methods)] = &[
    ("microsoftAuthenticatorPush", Methods::of(&[AppPush])),
    // The report does not say whose code it is.
    ("softwareOneTimePasscode", Methods::of(&[AppCode, SoftwareOath])),
    ("hardwareOneTimePasscode", Methods::of(&[HardwareOath])),
    ("mobilePhone", MOBILE),
    ("alternateMobilePhone", Methods::of(&[MobileCall])),
    ("officePhone", OFFICE),
    ("email", Methods::of(&[Email])),
    ("securityQuestion", QUESTIONS),
];

/// Reads what users have registered from their bits.
#[derive(Clone, Debug)]
pub struct Registered(Vec<(u64, Methods)>);

impl Registered {
    /// For one report.
    pub fn of(report: &Registration) -> Self {
        Registered(
            REPORTED
                .iter()
                .map(|(name, methods)| (report.method_bit(name), *methods))
                .filter(|(bit, _)| *bit != 0)
                .collect(),
        )
    }

    /// The reset methods of a user.
    pub fn methods(&self, key: &CohortKey) -> Methods {
        self.0
            .iter()
            .filter(|(bit, _)| key.methods & bit != 0)
            .fold(Methods::default(), |all, (_, methods)| all.or(*methods))
    }
}

/// How many methods the tenant's policy asks for.
#[derive(Clone, Debug)]
pub struct Required {
    /// The number; the guide's two where it could not be read.
    pub count: u64,
    /// Whether it was read.
    pub known: bool,
    evidence: Vec<Evidence>,
}

impl Required {
    /// The number, read or assumed.
    pub fn of(snapshot: &Snapshot) -> Self {
        let weighed = policy::weigh(snapshot, &policy::METHODS_REQUIRED).ok();
        let read = weighed.filter(|w| w.is_whole() && matches!(w.value, 1 | 2));
        Required {
            count: if read.as_ref().is_some_and(|w| w.value == 1) {
                1
            } else {
                2
            },
            known: read.is_some(),
            evidence: read.map_or_else(Vec::new, |w| w.evidence().to_vec()),
        }
    }

    /// Puts under a finding where the number was read, or says that it was not.
    pub fn support(&self, mut found: Finding) -> Finding {
        found.evidence.extend(self.evidence.iter().cloned());
        if !self.known && found.status != Outcome::Pass {
            let note =
                "How many methods are required was not readable; judged for two, the number that is recommended.";
            found.reason = Some(match found.reason.take() {
                Some(reason) => format!("{reason} {note}"),
                None => note.into(),
            });
        }
        found
    }

    /// `two methods`, `one method`.
    pub fn text(&self) -> &'static str {
        if self.count == 1 { "one method" } else { "two methods" }
    }

    /// What a headline adds where the number was assumed.
    pub fn proviso(&self) -> &'static str {
        if self.known { "" } else { ", if two are required" }
    }
}

/// How many methods administrators need: two, but for a documented exception.
pub fn required_of_administrators(snapshot: &Snapshot) -> u64 {
    match rule(snapshot) {
        Rule::NoDomain => 1,
        Rule::Two | Rule::Trial(_) | Rule::Unknown(_) => 2,
    }
}

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
        Some(Rules {
            policy,
            directory: Directory::of(snapshot),
            legacy: legacy(portal),
            questions: toggle(portal.and_then(|p| p.security_questions_option_enabled), QUESTIONS),
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

/// Whether the report shows users who can reset with the app alone though two methods are required: then the service
/// takes its notification and its code as two.
pub fn app_counts_twice(report: &Registration, required: &Required) -> bool {
    let registered = Registered::of(report);
    required.known
        && required.count == 2
        && report.cohorts.iter().any(|cohort| {
            let methods = registered.methods(&cohort.key);
            cohort.key.sspr_capable && cohort.count > 0 && methods.without(APP).is_empty() && methods.meets(APP)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_app_is_one_method_and_its_notification_none_where_one_is_required() {
        let app = Methods::of(&[AppPush, AppCode]);
        assert_eq!(gates(app, 2, false), 1);
        assert_eq!(gates(app, 2, true), 2);
        assert_eq!(gates(Methods::of(&[AppPush]), 1, false), 0);
        assert_eq!(gates(Methods::of(&[AppCode]), 1, true), 1);
        assert_eq!(gates(Methods::of(&[Sms, MobileCall, Email, OfficeCall]), 2, false), 3);
    }

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

    #[test]
    fn every_reported_name_is_known_without_case() {
        let report = Registration {
            methods: vec!["FIDO2SecurityKey".into(), "MOBILEPHONE".into(), "email".into()],
            ..Default::default()
        };
        let registered = Registered::of(&report);
        let key = |methods| CohortKey {
            methods,
            ..Default::default()
        };
        assert_eq!(registered.methods(&key(0b001)), Methods::default());
        assert_eq!(registered.methods(&key(0b111)).names(), "SMS, call to mobile, email");
    }
}
