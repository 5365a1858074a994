//! The methods that reset a password: how many a set makes, and what a user has registered.

mod required;
mod rules;

pub use required::{Required, app_counts_twice, required_of_administrators};
pub use rules::{Migration, Offered, Rules, enabled, everybody, migration, names, resets};

use crate::snapshot::people::{CohortKey, Registration};

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
const APP: Methods = CODES.or(PUSH);
/// The app's notification.
const PUSH: Methods = Methods::of(&[AppPush]);
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
    if app_twice && required > 1 && methods.meets(CODES) && methods.meets(PUSH) {
        count += 1;
    }
    count
}

/// The names that the registration report writes, and the methods that each stands for. Names that are not here are of
/// methods that do not reset a password.
const REPORTED: &[(&str, Methods)] = &[
    ("microsoftAuthenticatorPush", PUSH),
    // The report does not say whose code it is.
    ("softwareOneTimePasscode", Methods::of(&[AppCode, SoftwareOath])),
    ("hardwareOneTimePasscode", Methods::of(&[HardwareOath])),
    ("mobilePhone", MOBILE),
    ("alternateMobilePhone", Methods::of(&[MobileCall])),
    ("officePhone", OFFICE),
    ("email", Methods::of(&[Email])),
    ("securityQuestion", QUESTIONS),
];

/// The names that the registration report writes for methods that reset a password.
pub fn reported() -> Vec<String> {
    REPORTED.iter().map(|(name, _)| (*name).to_string()).collect()
}

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
