//! Weighs what the sources say of one setting of the reset policy: the portal's object, the audit log's newest change,
//! an operator's declaration. No supported interface has these values, so each answer carries where it is from.

mod attested;
mod unknown;

pub use unknown::{Unknown, unknown};

use crate::change::{Change, Kind as Writes, PortalObject, Write};
use crate::finding::{Check, Evidence, Finding, Outcome, Severity};
use crate::snapshot::audit::UNNAMED;
use crate::snapshot::portal::{OnPremisesResetPolicy, PasswordResetPolicy};
use crate::snapshot::{Fact, FactId, Snapshot};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::fmt::Display;

/// One setting, and how each source names it.
pub struct Setting<T: 'static> {
    /// The setting, as a person calls it.
    pub name: &'static str,
    /// Where the portal's objects hold it.
    pub portal: Portal<T>,
    /// Its name there, which the audit log may write too.
    pub member: &'static str,
    /// The other names under which the audit log may write it; of one that is documented nowhere, `*` and what it holds.
    pub logged: &'static [&'static str],
    /// Reads the audit log's text.
    pub parse: fn(&str) -> Option<T>,
}

/// Where the portal's objects hold a setting.
pub enum Portal<T: 'static> {
    /// In the reset policy.
    Reset(fn(&PasswordResetPolicy) -> Option<T>),
    /// In the on-premises integration.
    OnPremises(fn(&OnPremisesResetPolicy) -> Option<T>),
}

/// How many methods a person must pass to reset.
pub const METHODS_REQUIRED: Setting<i64> = Setting {
    name: "number of methods required to reset",
    portal: Portal::Reset(|p| p.number_of_authentication_methods_required),
    member: "numberOfAuthenticationMethodsRequired",
    logged: &["NumberOfRequiredContactMethodsForUsers"],
    parse: integer,
};

/// Whether people are asked to register when they sign in.
pub const REGISTRATION_REQUIRED: Setting<Switch> = Setting {
    name: "requiring users to register at sign-in",
    portal: Portal::Reset(|p| p.registration_required_on_sign_in.map(Switch)),
    member: "registrationRequiredOnSignIn",
    logged: &["EnforcedRegistrationEnablementForUsers"],
    parse: truth,
};

/// Whether security questions are offered; they never moved to the methods policy.
pub const SECURITY_QUESTIONS: Setting<Switch> = Setting {
    name: "security questions option",
    portal: Portal::Reset(|p| p.security_questions_option_enabled.map(Switch)),
    member: "securityQuestionsOptionEnabled",
    logged: &["SelectedContactMethodsForUsers"],
    // Either the option itself, or the list of all methods, which has them or not. How the log writes the list was not
    // verified: a number may be a mask of bits, so only a list with a name that is known is one.
    parse: |text| {
        const METHODS: &[&str] = &["email", "phone", "mobileapp", "authenticator", "sms", "voice"];
        let plain = text.to_ascii_lowercase().replace([' ', '_', '-'], "");
        let questions = plain.contains("securityquestion");
        if integer(text).is_some() {
            None
        } else if questions || METHODS.iter().any(|name| plain.contains(name)) {
            Some(Switch(questions))
        } else {
            truth(text)
        }
    },
};

/// How far the registration report may lag behind a change.
pub const REPORT_LAG: SignedDuration = SignedDuration::from_hours(36);

/// The pages of the portal's password reset menu.
pub mod page {
    /// Who may reset.
    pub const PROPERTIES: &str =
        "https://entra.microsoft.com/#view/Microsoft_AAD_IAM/PasswordResetMenuBlade/~/Properties";
    /// How many methods, and security questions.
    pub const METHODS: &str =
        "https://entra.microsoft.com/#view/Microsoft_AAD_IAM/PasswordResetMenuBlade/~/AuthenticationMethods";
    /// Who is told.
    pub const NOTIFICATIONS: &str =
        "https://entra.microsoft.com/#view/Microsoft_AAD_IAM/PasswordResetMenuBlade/~/Notifications";
    /// Writeback and unlock.
    pub const ON_PREMISES: &str =
        "https://entra.microsoft.com/#view/Microsoft_AAD_IAM/PasswordResetMenuBlade/~/OnPremisesIntegration";
    /// Administrators' own rule.
    pub const ADMINISTRATORS: &str =
        "https://entra.microsoft.com/#view/Microsoft_AAD_IAM/PasswordResetMenuBlade/~/AdminPasswordResetPolicy";
}

/// A switch, which people call on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch(pub bool);

impl Display for Switch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0 { "on" } else { "off" })
    }
}

/// What kind of word it is, which decides whose counts.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// The setting itself, as it stood when it was read.
    State,
    /// A change, or an event that only happens while the setting is on; it counts until the log's watermark.
    Event,
    /// An operator's word.
    Declared {
        /// Who said it.
        by: String,
        /// Until when it counts.
        until: Timestamp,
    },
}

/// What one source says.
#[derive(Clone, Debug)]
pub struct Stated<T> {
    /// The value.
    pub value: T,
    /// When it was read, happened or was said.
    pub at: Timestamp,
    /// What kind of word it is.
    pub kind: Kind,
    /// False where the source was read only in part.
    pub whole: bool,
    /// For a title: where it is from, and how old.
    pub note: String,
    /// For the evidence.
    pub evidence: Evidence,
}

/// The value that counts, and what it rests on.
#[derive(Clone, Debug)]
pub struct Weighed<T> {
    /// The value.
    pub value: T,
    /// For a title: where it is from, and how old.
    pub note: String,
    evidence: Vec<Evidence>,
    conflict: Option<String>,
    whole: bool,
}

/// A change in the audit log whose value is not understood. What was true before it is not known to be true still.
#[derive(Clone, Debug)]
pub struct Unread {
    /// When it happened.
    pub at: Timestamp,
    /// What is not understood.
    pub text: String,
    /// True where it is not the log's change, but an attestation that does not count.
    pub attested: bool,
}

impl Unread {
    fn of(at: Timestamp, text: String) -> Self {
        Unread {
            at,
            text,
            attested: false,
        }
    }
}

/// What the sources say of a setting. What is older than a change that is not understood is left out.
#[derive(Clone, Debug)]
pub struct Sources<T> {
    /// The portal's state, or an operator's word.
    pub state: Option<Stated<T>>,
    /// The audit log's newest change.
    pub event: Option<Stated<T>>,
    /// That change, where it is not understood.
    pub unread: Option<Unread>,
}

/// The value of a setting, from the source that counts.
pub fn weigh<T: Clone + PartialEq + Display>(snapshot: &Snapshot, setting: &Setting<T>) -> Result<Weighed<T>, Unknown> {
    let Sources { state, event, unread } = setting.sources(snapshot);
    decide(state, event).ok_or_else(|| {
        unknown(
            snapshot,
            setting.portal.fact(),
            setting.name,
            FactId::AuditSettings,
            unread,
        )
    })
}

/// Whose word counts. The portal's, unless the log has something newer; a declaration's only where both are silent.
pub fn decide<T: PartialEq + Display>(state: Option<Stated<T>>, event: Option<Stated<T>>) -> Option<Weighed<T>> {
    let (winner, loser) = match (state, event) {
        (None, None) => return None,
        (Some(one), None) | (None, Some(one)) => (one, None),
        (Some(state), Some(event)) => {
            if event.at > state.at || state.kind != Kind::State {
                (event, Some(state))
            } else {
                (state, Some(event))
            }
        }
    };
    // A state that was read before the change is merely old; only an older event, or a declaration, contradicts.
    let conflict = loser
        .as_ref()
        .filter(|l| l.value != winner.value && l.kind != Kind::State)
        .map(|l| match &l.kind {
            Kind::Declared { by, .. } => format!(
                "{by} declared {}, but the {} says {}.",
                l.value, winner.evidence.source, winner.value
            ),
            _ => format!(
                "The newest event in the audit log ({}) says {}, but the portal now says {}: the log missed a later change.",
                date(l.at),
                l.value,
                winner.value
            ),
        });
    let mut evidence = vec![winner.evidence];
    evidence.extend(loser.map(|l| l.evidence));
    Some(Weighed {
        value: winner.value,
        note: winner.note,
        evidence,
        conflict,
        whole: winner.whole,
    })
}

impl<T> Weighed<T> {
    /// What it rests on.
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }

    /// False where its source was read only in part.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// Puts the evidence under a finding. A Pass does not stand on half a source, nor on sources that disagree.
    pub fn support(&self, mut finding: Finding) -> Finding {
        finding.evidence.splice(0..0, self.evidence.iter().cloned());
        if finding.status == Outcome::Pass && !self.whole {
            finding.status = Outcome::Skipped;
            finding.severity = Severity::Medium;
            finding.title = format!("{}, but the source was read only in part", finding.title);
            finding.reason = Some("A later change may stand in the part that was not read.".into());
        } else if let Some(conflict) = &self.conflict {
            if finding.status == Outcome::Pass {
                finding.status = Outcome::Warn;
                finding.severity = Severity::Low;
                finding.title = format!("{}; the sources disagree", finding.title);
                finding = finding.fix("Look at the setting in the portal, and at who changed it and how.");
            }
            finding.reason = Some(match finding.reason.take() {
                Some(reason) => format!("{reason} {conflict}"),
                None => conflict.clone(),
            });
        }
        finding
    }
}

impl<T> Portal<T> {
    fn fact(&self) -> FactId {
        match self {
            Portal::Reset(_) => FactId::PortalResetPolicy,
            Portal::OnPremises(_) => FactId::PortalOnPremises,
        }
    }
}

impl<T: Display + PartialEq> Setting<T> {
    /// What the portal, or an operator in its place, says.
    pub fn stated(&self, snapshot: &Snapshot) -> Option<Stated<T>> {
        match self.portal {
            Portal::Reset(read) => stated(&snapshot.facts.portal_reset_policy, self.name, read),
            Portal::OnPremises(read) => stated(&snapshot.facts.portal_on_premises, self.name, read),
        }
    }

    /// What each source says.
    pub fn sources(&self, snapshot: &Snapshot) -> Sources<T> {
        let (mut event, mut unread) = match self.logged(snapshot) {
            Ok(event) => (event, None),
            Err(unread) => (None, Some(unread)),
        };
        let mut state = self.stated(snapshot).filter(|s| !outdated(s.at, &unread));
        if state.as_ref().is_none_or(|state| state.kind != Kind::State) {
            match self.attested(snapshot) {
                None => {}
                Some(Ok(attested)) => state = Some(attested).filter(|s| !outdated(s.at, &unread)).or(state),
                Some(Err(lost)) => {
                    event = event.filter(|event| event.at >= lost.at);
                    unread = unread.or(Some(lost));
                }
            }
        }
        Sources { state, event, unread }
    }

    /// Whether the audit log may call it so.
    fn fits(&self, name: &str) -> bool {
        let fits = |logged: &&str| match logged.strip_prefix('*') {
            Some(part) => name.to_ascii_lowercase().contains(part),
            None => same_name(logged, name),
        };
        same_name(self.member, name) || self.logged.iter().any(fits)
    }

    /// What the audit log's newest change says, or why it is not understood.
    pub fn logged(&self, snapshot: &Snapshot) -> Result<Option<Stated<T>>, Unread> {
        let fact = &snapshot.facts.audit_settings;
        let newest = fact.value().and_then(|history| history.newest(|name| self.fits(name)));
        let unnamed = fact.value().and_then(|history| history.settings.get(UNNAMED));
        if let Some(unnamed) = unnamed.filter(|unnamed| newest.is_none_or(|(_, change)| unnamed.at >= change.at)) {
            let text = format!(
                "A change in the audit log ({}) does not say of which setting.",
                date(unnamed.at)
            );
            return Err(Unread::of(unnamed.at, text));
        }
        let Some((name, change)) = newest else {
            return Ok(None);
        };
        let Some(text) = change.value.as_deref() else {
            let text = format!(
                "Its newest change in the audit log ({}) names no value.",
                date(change.at)
            );
            return Err(Unread::of(change.at, text));
        };
        let Some(value) = (self.parse)(text) else {
            let text = format!(
                "Its newest change in the audit log ({}) says \"{}\", which is not understood.",
                date(change.at),
                short(text)
            );
            return Err(Unread::of(change.at, text));
        };
        let watermark = fact.value().and_then(|h| h.watermark).or(fact.as_of());
        // It is seen, however new it is.
        let watermark = watermark.map(|watermark| watermark.max(change.at));
        let evidence = Evidence {
            source: "audit log".into(),
            seen: format!(
                "{name} changed from {} to {} on {} by {}",
                change.before.as_deref().map_or("an unknown value".into(), short),
                short(text),
                date(change.at),
                change.by.as_deref().map_or("an unknown actor".into(), short),
            ),
            as_of: watermark,
        };
        let stated = Stated {
            value,
            at: change.at,
            kind: Kind::Event,
            whole: !fact.is_partial(),
            note: format!("audit log, changed {}", date(change.at)),
            evidence,
        };
        Ok(Some(stated))
    }
}

/// What makes a person's wish a change: the check that it mends, what a person would click, and where.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// The check.
    pub check: &'static Check,
    /// In a few words: `Tell users of their reset`.
    pub title: &'static str,
    /// The setting's name on the page.
    pub label: &'static str,
    /// The page.
    pub page: &'static str,
}

impl<T: Clone + PartialEq + Display + Into<Value>> Setting<T> {
    /// How it stands, from the portal's object, else from whatever else is known whole; and whether that object was read.
    fn known(&self, snapshot: &Snapshot) -> (Option<T>, bool) {
        let facts = &snapshot.facts;
        let portal = match self.portal {
            Portal::Reset(read) => facts.portal_reset_policy.whole().map(read),
            Portal::OnPremises(read) => facts.portal_on_premises.whole().map(read),
        };
        let was_read = portal.is_some();
        let weighed = || weigh(snapshot, self).ok().filter(Weighed::is_whole);
        (
            portal.flatten().or_else(|| weighed().map(|known| known.value)),
            was_read,
        )
    }

    /// How it stands; null where that is not known.
    pub fn now(&self, snapshot: &Snapshot) -> Value {
        self.known(snapshot).0.map_or(Value::Null, Into::into)
    }

    /// The change to what is wanted; none where nothing is, or where it stands so already. Whether it does is known from
    /// the portal alone for sure; from the log, or not at all, a person looks.
    pub fn change(&self, snapshot: &Snapshot, wanted: Option<T>, wish: Wish) -> Option<Change> {
        let wanted = wanted?;
        let (object, target, role) = match self.portal {
            Portal::Reset(_) => (
                PortalObject::Reset,
                "password reset policy",
                "Authentication Policy Administrator",
            ),
            Portal::OnPremises(_) => (
                PortalObject::OnPremises,
                "on-premises integration",
                "Hybrid Identity Administrator",
            ),
        };
        let (now, was_read) = self.known(snapshot);
        if now.as_ref() == Some(&wanted) {
            return None;
        }
        let click = format!("Set \"{}\" to {}.", wish.label, shown(&wanted.clone().into()));
        let member = |value: Option<T>| match value {
            Some(value) => json!({ self.member: value.into() }),
            None => Value::Null,
        };
        let change = Change::of(wish.check.id, Writes::Portal, wish.title)
            .writes(target, Write::Portal { object }, member(now), member(Some(wanted)))
            .requires(&[role])
            .by_hand(wish.page, &[&click, "Select Save."]);
        // What only the log says is no precondition for a write.
        Some(match was_read {
            true => change,
            false => change.manual(),
        })
    }
}

/// Two changes of one object that are made as one, for each alone would stand for nothing.
pub fn both(one: Option<Change>, other: Option<Change>) -> Option<Change> {
    let (Some(mut one), Some(other)) = (one.clone(), other.clone()) else {
        return one.or(other);
    };
    // The last click saves.
    let save = one.by_hand.pop();
    one.by_hand.extend(other.by_hand.into_iter().rev().skip(1));
    one.by_hand.extend(save);
    if other.write.is_none() {
        one = one.manual();
    }
    for (own, more) in [(&mut one.before, other.before), (&mut one.after, other.after)] {
        match (own, more) {
            (Value::Object(own), Value::Object(more)) => own.extend(more),
            (own, _) => *own = Value::Null,
        }
    }
    Some(one)
}

/// A value as the portal shows it.
fn shown(value: &Value) -> String {
    match value {
        Value::Bool(true) => "Yes".into(),
        Value::Bool(false) => "No".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The change of a member of one of Graph's resources.
pub fn graph_change(
    check: &'static Check,
    title: impl Into<String>,
    path: &str,
    member: &str,
    now: Value,
    wanted: Value,
) -> Change {
    let write = Write::Graph {
        path: path.into(),
        odata_type: None,
    };
    Change::of(check.id, Writes::Graph, title).writes(path, write, json!({ member: now }), json!({ member: wanted }))
}

impl From<Switch> for Value {
    fn from(switch: Switch) -> Self {
        switch.0.into()
    }
}

/// Whether something was changed since a moment, nobody knows to what.
pub fn outdated(at: Timestamp, unread: &Option<Unread>) -> bool {
    unread.as_ref().is_some_and(|unread| at < unread.at)
}

fn stated<P, T: Display>(fact: &Fact<P>, name: &str, read: fn(&P) -> Option<T>) -> Option<Stated<T>> {
    let value = read(fact.value()?)?;
    let at = fact.as_of()?;
    let (kind, note, source) = match fact {
        Fact::Declared { by, until, .. } => {
            let note = format!("declared by {} until {}", short(by), date(*until));
            let kind = Kind::Declared {
                by: short(by),
                until: *until,
            };
            (kind, note, "declaration")
        }
        _ => (Kind::State, "portal".into(), "portal"),
    };
    let seen = match &kind {
        Kind::Declared { .. } => format!("{name}: {value}, {note}"),
        _ => format!("{name}: {value}"),
    };
    Some(Stated {
        value,
        at,
        kind,
        whole: !fact.is_partial(),
        note,
        evidence: Evidence {
            source: source.into(),
            seen,
            as_of: Some(at),
        },
    })
}

/// Names are compared by their letters and digits, without a leading path.
fn same_name(a: &str, b: &str) -> bool {
    let plain = |text: &str| -> String {
        let last = text.rsplit('.').next().unwrap_or(text);
        last.chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect()
    };
    plain(a) == plain(b)
}

/// A logged scalar without the quotes and brackets that the log puts around it.
pub fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || "\"'\\[]".contains(c))
}

/// Reads yes or no, however it is written.
pub fn truth(text: &str) -> Option<Switch> {
    match bare(text).to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "enabled" | "on" => Some(Switch(true)),
        "false" | "0" | "no" | "disabled" | "off" => Some(Switch(false)),
        _ => None,
    }
}

/// Reads a number, however it is written.
pub fn integer(text: &str) -> Option<i64> {
    match bare(text).to_ascii_lowercase().as_str() {
        "one" => Some(1),
        "two" => Some(2),
        digits => digits.parse().ok(),
    }
}

/// A day as people write it; the hour does not matter to a title.
pub fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// A foreign text short enough for a sentence.
pub fn short(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST {
        return text.into();
    }
    text.chars().take(MOST).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests;
