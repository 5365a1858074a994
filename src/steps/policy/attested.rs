//! What an attestation says of a setting, and for how long.

use super::{Kind, Portal, Setting, Stated, Unread, date, short};
use crate::finding::Evidence;
use crate::snapshot::Snapshot;
use crate::snapshot::attestation::{Attestation, SKEW};
use crate::snapshot::audit::{SettingChange, UNNAMED};
use jiff::Timestamp;
use std::fmt::Display;

impl<T: Display + PartialEq> Setting<T> {
    /// What an attestation says; none where there is none. Where it does not count, what is older than the moment of the
    /// answer counts no more either.
    pub(super) fn attested(&self, snapshot: &Snapshot) -> Option<Result<Stated<T>, Unread>> {
        let fact = &snapshot.facts.attestation;
        let attestation = fact.value()?;
        let told = match fact.partial_reason() {
            Some(reason) => Err((Timestamp::MIN, reason.to_string())),
            None => self.standing(attestation),
        };
        Some(told.map_err(|(at, why)| lost(attestation, at, &why)))
    }

    fn standing(&self, attestation: &Attestation) -> Result<Stated<T>, (Timestamp, String)> {
        let Attestation { at, since, .. } = *attestation;
        let changes = &attestation.changes;
        let newest =
            |fits: &dyn Fn(&str) -> bool| changes.iter().filter(|(name, _)| fits(name)).max_by_key(|(_, c)| c.at);
        let Some((name, change)) = newest(&|name| self.fits(name)) else {
            let why = "no change of it was ever seen in this tenant's audit log, so that one might not show (change it in the portal and back, wait an hour, and attest anew)";
            return Err((Timestamp::MIN, why.into()));
        };
        // A change at about the time of the reading counts as later: both then say the same.
        let read_from = at - SKEW;
        if let Some(unnamed) = changes.get(UNNAMED)
            && unnamed.at >= since
            && unnamed.at >= change.at
            && unnamed.at >= read_from
        {
            let why = format!(
                "a change of {} in the audit log does not say of which setting",
                date(unnamed.at)
            );
            return Err((unnamed.at, why));
        }
        let logged = change.value.as_deref().and_then(|text| (self.parse)(text));
        let whole = change.at >= since;
        if change.at >= read_from {
            return match logged {
                Some(value) if whole => Ok(self.by_log(attestation, value, name, change)),
                _ if whole => Err((
                    change.at,
                    format!("its change of {} is not understood", date(change.at)),
                )),
                _ => Err((since, gap(attestation))),
            };
        }
        if read_from < since {
            return Err((since, gap(attestation)));
        }
        let Some(value) = self.read(attestation) else {
            return Err((Timestamp::MIN, "it was not read then".into()));
        };
        // By now an event of before the reading has come.
        if whole && attestation.watermark >= at && logged.is_some_and(|logged| logged != value) {
            let why = "what was read then is not what the audit log's newest change before it says: the log does not name every change of it";
            return Err((Timestamp::MAX, why.into()));
        }
        Ok(self.by_person(attestation, value))
    }

    fn read(&self, attestation: &Attestation) -> Option<T> {
        match self.portal {
            Portal::Reset(read) => read(&attestation.reset_policy),
            Portal::OnPremises(read) => read(&attestation.on_premises),
        }
    }

    fn by_person(&self, attestation: &Attestation, value: T) -> Stated<T> {
        let as_of = attestation.watermark.max(attestation.at);
        let seen = format!(
            "{}: {value}, as {} read it in the portal on {}; the audit log names no change of it since",
            self.name,
            short(&attestation.by),
            date(attestation.at),
        );
        stated(attestation, value, attestation.at, as_of, seen)
    }

    fn by_log(&self, attestation: &Attestation, value: T, name: &str, change: &SettingChange) -> Stated<T> {
        let as_of = attestation.watermark.max(change.at);
        let seen = format!(
            "{}: {value}, since its change in the audit log on {} by {} ({}), after {} read the portal's settings on {}",
            self.name,
            date(change.at),
            change.by.as_deref().map_or("an unknown actor".into(), short),
            short(name),
            short(&attestation.by),
            date(attestation.at),
        );
        stated(attestation, value, change.at, as_of, seen)
    }
}

fn stated<T>(attestation: &Attestation, value: T, at: Timestamp, as_of: Timestamp, seen: String) -> Stated<T> {
    let trust = match attestation.keyed {
        true => "a key vouches for it",
        false => "trusted as far as the access rights of its file are",
    };
    Stated {
        value,
        at,
        kind: Kind::State,
        whole: true,
        note: format!(
            "attested {}, as of {}",
            date(attestation.at),
            as_of.strftime("%Y-%m-%d %H:%MZ")
        ),
        evidence: Evidence {
            source: "attestation".into(),
            seen: format!("{seen} ({trust})"),
            as_of: Some(as_of),
        },
    }
}

fn gap(attestation: &Attestation) -> String {
    format!(
        "the audit log is not known without a gap before {}",
        attestation.since.strftime("%Y-%m-%d %H:%MZ")
    )
}

fn lost(attestation: &Attestation, at: Timestamp, why: &str) -> Unread {
    let text = format!(
        "{} attested the portal's settings on {}, but this does not count now: {why}.",
        short(&attestation.by),
        date(attestation.at)
    );
    Unread {
        at,
        text,
        attested: true,
    }
}

#[cfg(test)]
mod tests;
