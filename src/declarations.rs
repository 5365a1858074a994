//! What operators state of settings that no source tells, and the findings that an organisation accepts: each with its author,
//! its reason and its end. Neither makes right what was read and is wrong.

use crate::error::{Error, Result};
use crate::finding::{Finding, Outcome, Waiver};
use crate::json;
use crate::snapshot::portal::{OnPremisesResetPolicy, PasswordResetPolicy, group_ids};
use crate::snapshot::{Fact, Snapshot};
use crate::status::Status;
use crate::steps::STEPS;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The version of the form that this library reads.
pub const SCHEMA_VERSION: u32 = 1;

/// A file of declarations.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename_all = "camelCase"))]
pub struct Declarations {
    /// The form's version: 1.
    pub schema_version: u32,
    /// Settings as an operator states them. They count only where no source was read.
    pub declared: Vec<Declared>,
    /// Findings that the organisation accepts. They stay visible, and count no more until their end.
    pub accepted: Vec<Accepted>,
}

/// A setting as an operator states it.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Declared {
    /// The setting, by its name in the portal's objects.
    pub setting: String,
    /// How it stands.
    pub value: Value,
    /// The day on which that was looked at.
    #[cfg_attr(test, schemars(with = "String", extend("format" = "date")))]
    pub on: Date,
    /// Who says so.
    pub author: String,
    /// Why that is known.
    pub reason: String,
    /// The last day on which it counts (UTC).
    #[cfg_attr(test, schemars(with = "String", extend("format" = "date")))]
    pub until: Date,
}

/// A finding that the organisation accepts.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Accepted {
    /// The finding's id, as Get-SsprCheck lists it.
    pub finding: String,
    /// Who accepts it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// The last day on which it is accepted (UTC).
    #[cfg_attr(test, schemars(with = "String", extend("format" = "date")))]
    pub until: Date,
}

/// The member that is wrong, and why.
type Wrong = (String, String);

/// An entry that is read member by member; what nobody asked for is refused in the end.
struct Entry<'a> {
    path: String,
    left: Map<String, Value>,
    value: &'a Value,
}

impl<'a> Entry<'a> {
    fn new(path: String, value: &'a Value) -> std::result::Result<Self, Wrong> {
        match value.as_object() {
            Some(members) => Ok(Entry {
                path,
                left: members.clone(),
                value,
            }),
            None => Err((path, "is no object".into())),
        }
    }

    fn wrong(&self, name: &str, why: impl Into<String>) -> Wrong {
        (format!("{}.{name}", self.path), why.into())
    }

    fn text(&mut self, name: &str) -> std::result::Result<String, Wrong> {
        self.left.remove(name);
        match self.value[name].as_str().map(str::trim) {
            Some(text) if !text.is_empty() => Ok(text.into()),
            _ => Err(self.wrong(name, "is missing or no text")),
        }
    }

    fn date(&mut self, name: &str) -> std::result::Result<Date, Wrong> {
        let text = self.text(name)?;
        let plain = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        match text.parse() {
            Ok(date) if plain => Ok(date),
            _ => Err(self.wrong(name, "is no day such as 2027-03-31")),
        }
    }

    fn end(self) -> std::result::Result<(), Wrong> {
        match self.left.keys().next() {
            Some(name) => Err(self.wrong(name, "is not known")),
            None => Ok(()),
        }
    }
}

fn declared(path: String, value: &Value) -> std::result::Result<Declared, Wrong> {
    let mut entry = Entry::new(path, value)?;
    let setting = entry.text("setting")?;
    let Some((object, name)) = known(&setting) else {
        let why = format!("is no setting; the settings are {}", settings().join(", "));
        return Err(entry.wrong("setting", why));
    };
    let stated = entry.left.remove("value").unwrap_or_default();
    if stated.is_null() || !fits(object, name, &stated) {
        return Err(entry.wrong("value", format!("is missing or no value of {name}")));
    }
    let made = Declared {
        setting: name.into(),
        value: stated,
        on: entry.date("on")?,
        author: entry.text("author")?,
        reason: entry.text("reason")?,
        until: entry.date("until")?,
    };
    if made.until < made.on {
        return Err(entry.wrong("until", "is before the day of the declaration"));
    }
    entry.end()?;
    Ok(made)
}

fn accepted(path: String, value: &Value) -> std::result::Result<Accepted, Wrong> {
    let mut entry = Entry::new(path, value)?;
    let finding = entry.text("finding")?;
    if !checks().any(|id| id == finding) {
        return Err(entry.wrong(
            "finding",
            format!("there is no check '{finding}'; Get-SsprCheck lists them"),
        ));
    }
    let made = Accepted {
        finding,
        author: entry.text("author")?,
        reason: entry.text("reason")?,
        until: entry.date("until")?,
    };
    entry.end()?;
    Ok(made)
}

/// The portal's object that holds a setting.
#[derive(Clone, Copy, PartialEq)]
enum Object {
    Reset,
    OnPremises,
}

/// The settings of the portal's objects that an operator may state.
const SETTINGS: &[(Object, &str)] = &[
    (Object::Reset, "enablementType"),
    (Object::Reset, "passwordResetEnabledGroupIds"),
    (Object::Reset, "numberOfAuthenticationMethodsRequired"),
    (Object::Reset, "securityQuestionsOptionEnabled"),
    (Object::Reset, "numberOfQuestionsToRegister"),
    (Object::Reset, "numberOfQuestionsToReset"),
    (Object::Reset, "registrationRequiredOnSignIn"),
    (Object::Reset, "registrationReconfirmIntevalInDays"),
    (Object::Reset, "customizeHelpdeskLink"),
    (Object::Reset, "customHelpdeskEmailOrUrl"),
    (Object::Reset, "notifyUsersOnPasswordReset"),
    (Object::Reset, "notifyOnAdminPasswordReset"),
    (Object::OnPremises, "passwordWritebackSupported"),
    (Object::OnPremises, "cloudProvisioningEnablementForTenant"),
    (Object::OnPremises, "accountUnlockEnabled"),
];

fn settings() -> Vec<&'static str> {
    SETTINGS.iter().map(|(_, name)| *name).collect()
}

fn known(name: &str) -> Option<(Object, &'static str)> {
    SETTINGS.iter().copied().find(|(_, known)| *known == name)
}

fn checks() -> impl Iterator<Item = &'static str> {
    STEPS.iter().flat_map(|step| step.checks.iter().map(|check| check.id))
}

fn fits(object: Object, name: &str, value: &Value) -> bool {
    let object_with: Value = [(name.to_string(), value.clone())]
        .into_iter()
        .collect::<Map<_, _>>()
        .into();
    match object {
        Object::Reset => json::read_tree::<PasswordResetPolicy>(object_with).is_ok(),
        Object::OnPremises => json::read_tree::<OnPremisesResetPolicy>(object_with).is_ok(),
    }
}

/// The last moment of a day.
fn end(day: Date) -> Timestamp {
    let last = day.at(23, 59, 59, 999_999_999).to_zoned(TimeZone::UTC);
    last.map_or(Timestamp::MAX, |at| at.timestamp())
}

fn refused((member, why): Wrong) -> Error {
    let what = format!("the declarations are not acceptable: {member} {why}");
    Error::new(Status::DeclarationInvalid, what.replace("  ", " ")).target(member)
}

impl Declarations {
    /// Reads a file's text.
    pub fn from_json(text: &[u8]) -> Result<Self> {
        match json::read(text) {
            Ok(file) => Self::from_tree(&file),
            Err(error) => Err(refused((String::new(), format!("they are no JSON ({error})")))),
        }
    }

    /// The groups that reset may be for by them, whose members are to be read.
    pub fn reset_groups(&self) -> Vec<String> {
        let declared = self
            .declared
            .iter()
            .find(|one| one.setting == "passwordResetEnabledGroupIds");
        declared
            .map(|one| group_ids(&one.value.to_string()))
            .unwrap_or_default()
    }

    /// Those that a snapshot holds. They were read once; of another version they are none.
    pub fn of(snapshot: &Snapshot) -> Option<Self> {
        Self::from_tree(snapshot.declarations.as_ref()?).ok()
    }

    fn from_tree(file: &Value) -> Result<Self> {
        let whole = file
            .as_object()
            .ok_or_else(|| refused((String::new(), "they are no JSON object".into())))?;
        let mut read = Declarations::default();
        for (name, value) in whole {
            let entries = || {
                let wrong = || refused((name.clone(), "is no list".into()));
                value.as_array().ok_or_else(wrong)
            };
            match name.as_str() {
                "$schema" => {}
                "schemaVersion" => {
                    read.schema_version = value.as_u64().and_then(|n| n.try_into().ok()).unwrap_or_default()
                }
                "declared" => {
                    for (at, entry) in entries()?.iter().enumerate() {
                        let path = format!("declared[{at}]");
                        let entry = declared(path.clone(), entry).map_err(refused)?;
                        if read.declared.iter().any(|other| other.setting == entry.setting) {
                            let why = format!("{} is declared twice", entry.setting);
                            return Err(refused((format!("{path}.setting"), why)));
                        }
                        read.declared.push(entry);
                    }
                }
                "accepted" => {
                    for (at, entry) in entries()?.iter().enumerate() {
                        let path = format!("accepted[{at}]");
                        let entry = accepted(path.clone(), entry).map_err(refused)?;
                        if read.accepted.iter().any(|other| other.finding == entry.finding) {
                            let why = format!("{} is accepted twice", entry.finding);
                            return Err(refused((format!("{path}.finding"), why)));
                        }
                        read.accepted.push(entry);
                    }
                }
                _ => {
                    return Err(refused((
                        name.clone(),
                        "is not known; there are declared and accepted".into(),
                    )));
                }
            }
        }
        match read.schema_version {
            SCHEMA_VERSION => Ok(read),
            _ => Err(refused(("schemaVersion".into(), format!("must be {SCHEMA_VERSION}")))),
        }
    }

    /// Puts what is declared in the place of what was not read.
    pub fn state(&self, snapshot: &mut Snapshot) {
        let now = snapshot.taken_at;
        let of = |object| {
            self.declared
                .iter()
                .filter(move |d| known(&d.setting).is_some_and(|(own, _)| own == object))
        };
        stand_in(&mut snapshot.facts.portal_reset_policy, now, of(Object::Reset));
        stand_in(&mut snapshot.facts.portal_on_premises, now, of(Object::OnPremises));
    }

    /// Notes on each finding that is accepted by whom, why, and until when; also where that has ended.
    pub fn accept(&self, findings: &mut [Finding], now: Timestamp) {
        for finding in findings
            .iter_mut()
            .filter(|f| matches!(f.status, Outcome::Fail | Outcome::Warn))
        {
            let accepted = self.accepted.iter().find(|accepted| accepted.finding == finding.id);
            finding.waiver = accepted.map(|accepted| Waiver {
                by: accepted.author.clone(),
                reason: accepted.reason.clone(),
                last_day: accepted.until.to_string(),
                ended: end(accepted.until) <= now,
            });
        }
    }

    /// What the declarations did, in sentences: what stands by an operator's word, and what ended.
    pub fn notes(&self, snapshot: &Snapshot) -> Vec<String> {
        let now = snapshot.taken_at;
        let facts = &snapshot.facts;
        let uses = |setting: &str| match known(setting) {
            Some((Object::Reset, _)) => matches!(facts.portal_reset_policy, Fact::Declared { .. }),
            _ => matches!(facts.portal_on_premises, Fact::Declared { .. }),
        };
        let declared = self.declared.iter().filter_map(|d| {
            let Declared {
                setting,
                value,
                author,
                until,
                reason,
                ..
            } = d;
            match end(*until) <= now {
                true => Some(format!(
                    "The declaration of {setting} by {author} ended on {until} and counts no more."
                )),
                false if uses(setting) => Some(format!(
                    "Declared, not read: {setting} {value}, by {author} until {until} ({reason})."
                )),
                false => None,
            }
        });
        declared.collect()
    }
}

fn stand_in<'a, T: DeserializeOwned + Serialize>(
    fact: &mut Fact<T>,
    now: Timestamp,
    declared: impl Iterator<Item = &'a Declared>,
) {
    if !matches!(fact, Fact::Unreadable { .. } | Fact::Declared { .. }) {
        return;
    }
    let standing: Vec<&Declared> = declared.filter(|declared| end(declared.until) > now).collect();
    let members: Map<String, Value> = standing.iter().map(|d| (d.setting.clone(), d.value.clone())).collect();
    let mut authors: Vec<&str> = standing.iter().map(|d| d.author.as_str()).collect();
    authors.sort_unstable();
    authors.dedup();
    // As one fact they are as old as the oldest, and end with the first.
    let (Some(on), Some(until)) = (
        standing.iter().map(|d| d.on).min(),
        standing.iter().map(|d| d.until).min(),
    ) else {
        return;
    };
    if let (Ok(value), Ok(on)) = (json::read_tree(members.into()), on.to_zoned(TimeZone::UTC)) {
        *fact = Fact::Declared {
            value,
            by: authors.join(", "),
            at: on.timestamp(),
            until: end(until),
        };
    }
}

#[cfg(test)]
mod tests;
