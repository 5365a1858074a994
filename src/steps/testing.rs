//! What the steps' tests build their snapshots from.

use super::Step;
use crate::finding::{Check, Finding};
use crate::snapshot::audit::{SettingChange, SettingsHistory};
use crate::snapshot::people::{Cohort, CohortKey, Registration};
use crate::snapshot::{Fact, Refusal, RefusalKind, SignedIn, Snapshot};
use jiff::Timestamp;

/// When every test's snapshot was taken.
pub const NOW: &str = "2026-11-23T09:00:00Z";

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// An empty snapshot of an app's run.
pub fn snapshot() -> Snapshot {
    Snapshot::new(at(NOW), SignedIn::default())
}

pub fn known<T>(value: T) -> Fact<T> {
    Fact::known(value, "test", at(NOW))
}

pub fn partial<T>(value: T) -> Fact<T> {
    Fact::Partial {
        value,
        source: "test".into(),
        as_of: at(NOW),
        read: 1,
        of: None,
        reason: "The time was used up.".into(),
    }
}

pub fn declared<T>(value: T, until: &str) -> Fact<T> {
    Fact::Declared {
        value,
        by: "ops@contoso.example".into(),
        at: at("2026-10-01T00:00:00Z"),
        until: at(until),
    }
}

pub fn refused<T>(kind: RefusalKind, message: &str, needs: Option<&str>) -> Fact<T> {
    Fact::Unreadable {
        refusal: Refusal {
            kind,
            message: message.into(),
            needs: needs.map(Into::into),
            code: None,
            request_id: None,
        },
    }
}

pub fn change(value: &str, when: &str) -> SettingChange {
    SettingChange {
        value: Some(value.into()),
        before: None,
        at: at(when),
        by: Some("admin@contoso.example".into()),
    }
}

/// An audit log that was read whole, with these changes: setting, new value, when.
pub fn log(changes: &[(&str, &str, &str)]) -> Fact<SettingsHistory> {
    known(SettingsHistory {
        settings: changes
            .iter()
            .map(|(name, value, when)| ((*name).into(), change(value, when)))
            .collect(),
        from: Some(at("2026-10-24T09:00:00Z")),
        watermark: Some(at("2026-11-23T08:30:00Z")),
        activity: "Update SSPR Settings".into(),
        ..SettingsHistory::default()
    })
}

/// A registration report of cohorts with these counts.
pub fn report(methods: &[&str], cohorts: Vec<(CohortKey, u64)>) -> Registration {
    Registration {
        rows: cohorts.iter().map(|(_, n)| n).sum(),
        methods: methods.iter().map(|m| (*m).into()).collect(),
        cohorts: cohorts
            .into_iter()
            .map(|(key, count)| Cohort {
                key,
                count,
                sample: vec!["a@contoso.example".into()],
            })
            .collect(),
        ..Default::default()
    }
}

/// The one finding of a check.
pub fn find(step: &Step, check: &Check, snapshot: &Snapshot) -> Finding {
    let mut findings = (step.check)(snapshot);
    findings.retain(|f| f.id == check.id);
    assert_eq!(findings.len(), 1, "{} stands {} times", check.id, findings.len());
    findings.remove(0)
}
