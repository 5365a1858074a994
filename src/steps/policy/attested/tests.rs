use super::super::{METHODS_REQUIRED, REGISTRATION_REQUIRED, weigh};
use crate::finding::Outcome;
use crate::snapshot::attestation::{Attestation, LATE};
use crate::snapshot::audit::{SettingChange, SettingsHistory, UNNAMED};
use crate::snapshot::portal::PasswordResetPolicy;
use crate::snapshot::{Fact, SignedIn, Snapshot};
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;

const NAME: &str = "NumberOfRequiredContactMethodsForUsers";
const ACTIVITY: &str = "Update SSPR Settings";

/// What happens to a tenant and to the attestations of it.
#[derive(Clone, Debug)]
enum Act {
    Wait(i64),
    /// Somebody sets the number of methods.
    Change {
        value: i64,
        late: i64,
        how: How,
    },
    /// The event is in the log a second time.
    Twice,
    /// The tenant buys a licence, or gives it up.
    License(bool),
    /// A person reads the portal, whose clock is off by so many minutes.
    Attest {
        clock: i64,
        file: usize,
    },
    /// An app runs with one of two copies of the file.
    Run {
        clock: i64,
        file: usize,
        whole: bool,
        named: bool,
    },
    /// A slow run writes what it read long ago.
    Restore(usize),
}

#[derive(Clone, Copy, Debug)]
enum How {
    Named,
    Unnamed,
    /// The log does not say how it ended: it took effect, or not.
    Unclear(bool),
    /// It says that it failed, and it did.
    Failed,
}

#[derive(Clone, Debug)]
struct Logged {
    id: String,
    at: Timestamp,
    seen: Timestamp,
    name: &'static str,
    value: Option<i64>,
    counts: bool,
}

struct Tenant {
    now: Timestamp,
    /// What it was since when.
    history: Vec<(Timestamp, i64)>,
    log: Vec<Logged>,
    /// The log holds nothing older.
    floor: Timestamp,
    premium: bool,
    files: [Option<Attestation>; 2],
    old: Vec<Attestation>,
    stood: u32,
}

impl Tenant {
    fn new() -> Self {
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        Tenant {
            now,
            history: vec![(Timestamp::MIN, 2)],
            log: Vec::new(),
            floor: now - 168.hours(),
            premium: true,
            files: [None, None],
            old: Vec::new(),
            stood: 0,
        }
    }

    fn state(&self, at: Timestamp) -> i64 {
        self.history.iter().rev().find(|(since, _)| *since <= at).unwrap().1
    }

    fn kept(&self) -> SignedDuration {
        SignedDuration::from_hours(24 * if self.premium { 30 } else { 7 })
    }

    fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
        self.floor = self.floor.max(self.now - self.kept());
        self.log.retain(|event| event.at >= self.floor);
    }

    fn change(&mut self, value: i64, late: i64, how: How) {
        self.wait(1);
        let took = matches!(how, How::Named | How::Unnamed | How::Unclear(true));
        if took {
            self.history.push((self.now, value));
        }
        self.log.push(Logged {
            id: format!("SSPR_{}", self.history.len() + self.log.len() * 1000),
            at: self.now,
            seen: self.now + SignedDuration::from_mins(late),
            name: if matches!(how, How::Unnamed) { UNNAMED } else { NAME },
            value: matches!(how, How::Named).then_some(value),
            counts: !matches!(how, How::Failed),
        });
        self.wait(1);
    }

    /// A snapshot by a clock that is off.
    fn snapshot(&self, clock: i64, whole: bool, named: bool) -> Snapshot {
        let here = self.now + SignedDuration::from_mins(clock);
        let mut history = SettingsHistory {
            from: Some(self.now - self.kept()),
            shown: Some(self.now - 168.hours()),
            watermark: Some(self.now - LATE),
            activity: if named {
                format!("{ACTIVITY}, Other")
            } else {
                ACTIVITY.into()
            },
            ..SettingsHistory::default()
        };
        // Not in their order.
        for event in self.log.iter().rev().filter(|event| event.seen <= self.now) {
            history.events.insert(event.id.clone(), event.at);
            history.shown = history.shown.map(|shown| shown.min(event.at));
            if event.counts {
                let change = SettingChange {
                    value: event.value.map(|value| value.to_string()),
                    before: None,
                    at: event.at,
                    by: None,
                };
                history.note(event.name.into(), change);
            }
        }
        let who = SignedIn {
            tenant_id: "contoso".into(),
            ..SignedIn::default()
        };
        let mut snapshot = Snapshot::new(here, who);
        snapshot.facts.audit_settings = match whole {
            true => Fact::known(history, "log", here),
            false => Fact::Partial {
                value: history,
                source: "log".into(),
                as_of: here,
                read: 0,
                of: None,
                reason: "The time was used up.".into(),
            },
        };
        snapshot
    }

    fn attest(&mut self, clock: i64, file: usize) {
        let mut snapshot = self.snapshot(clock, true, false);
        snapshot.signed_in.delegated = true;
        snapshot.signed_in.portal_api = true;
        let policy = PasswordResetPolicy {
            number_of_authentication_methods_required: Some(self.state(self.now)),
            registration_required_on_sign_in: Some(true),
            ..PasswordResetPolicy::default()
        };
        snapshot.facts.portal_reset_policy = Fact::known(policy, "portal", snapshot.taken_at);
        let made = Attestation::of(&snapshot, self.files[file].take()).unwrap();
        self.old.push(made.clone());
        self.files[file] = Some(made);
    }

    fn run(&mut self, clock: i64, file: usize, whole: bool, named: bool) -> Result<(), TestCaseError> {
        let Some(before) = self.files[file].clone() else {
            return Ok(());
        };
        let mut snapshot = self.snapshot(clock, whole, named);
        snapshot.facts.attestation = match before.carried(&snapshot.facts.audit_settings) {
            Ok(attestation) => {
                // Another may have written in the meantime.
                let there = self.files[file].as_ref();
                if !there.is_some_and(|there| there.beyond(&attestation)) {
                    self.old.push(attestation.clone());
                    self.files[file] = Some(attestation.clone());
                }
                Fact::known(attestation, "file", self.now)
            }
            Err(reason) => Fact::Partial {
                value: before,
                source: "file".into(),
                as_of: self.now,
                read: 0,
                of: None,
                reason: reason.into(),
            },
        };
        if let Ok(weighed) = weigh(&snapshot, &METHODS_REQUIRED)
            && weighed.is_whole()
        {
            let evidence = &weighed.evidence()[0];
            let as_of = evidence.as_of.unwrap();
            prop_assert!(as_of <= self.now, "{as_of} is to come");
            prop_assert_eq!(
                weighed.value,
                self.state(as_of),
                "{:?} at {}: {:?} {:?}",
                evidence,
                self.now,
                &self.history,
                &self.log
            );
            self.stood += u32::from(evidence.source == "attestation");
        }
        // The log never names it.
        prop_assert!(weigh(&snapshot, &REGISTRATION_REQUIRED).is_err());
        Ok(())
    }

    fn act(&mut self, act: &Act) -> Result<(), TestCaseError> {
        match *act {
            Act::Wait(seconds) => self.wait(seconds),
            Act::Change { value, late, how } => self.change(value, late, how),
            Act::Twice => {
                if let Some(event) = self.log.last().cloned() {
                    self.log.push(event);
                }
            }
            Act::License(premium) => self.premium = premium,
            Act::Attest { clock, file } => self.attest(clock, file),
            Act::Run {
                clock,
                file,
                whole,
                named,
            } => self.run(clock, file, whole, named)?,
            Act::Restore(index) => {
                if let Some(old) = self.old.get(index % self.old.len().max(1)) {
                    self.files[index % 2] = Some(old.clone());
                }
            }
        }
        self.wait(0);
        Ok(())
    }
}

const MINUTE: i64 = 60;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

fn acts() -> impl Strategy<Value = Act> {
    let wait = prop_oneof![
        Just(1),
        1..HOUR,
        Just(HOUR),
        Just(DAY),
        1..3 * DAY,
        (7 * DAY - 2 * HOUR)..(7 * DAY + 2 * HOUR),
        (30 * DAY - 2 * HOUR)..(30 * DAY + 2 * HOUR),
        Just(30 * DAY - HOUR),
    ];
    let how = prop_oneof![
        12 => Just(How::Named),
        1 => Just(How::Unnamed),
        1 => any::<bool>().prop_map(How::Unclear),
        1 => Just(How::Failed),
    ];
    let clock = prop_oneof![3 => Just(0i64), 1 => -300..300i64, 1 => -5000..5000i64];
    let file = 0..2usize;
    let run = (
        clock.clone(),
        file.clone(),
        prop::bool::weighted(0.9),
        prop::bool::weighted(0.9),
    );
    prop_oneof![
        6 => wait.prop_map(Act::Wait),
        5 => (1..=2i64, 0..60i64, how).prop_map(|(value, late, how)| Act::Change { value, late, how }),
        1 => Just(Act::Twice),
        1 => any::<bool>().prop_map(Act::License),
        2 => (clock, file).prop_map(|(clock, file)| Act::Attest { clock, file }),
        8 => run.prop_map(|(clock, file, whole, named)| Act::Run { clock, file, whole, named }),
        1 => any::<usize>().prop_map(Act::Restore),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_attested_that_was_not_so_at_its_moment(acts in prop::collection::vec(acts(), 1..60)) {
        let mut tenant = Tenant::new();
        for act in &acts {
            tenant.act(act)?;
        }
    }
}

fn told(tenant: &mut Tenant) -> Result<(i64, String), String> {
    let before = tenant.files[0].clone().unwrap();
    let mut snapshot = tenant.snapshot(0, true, true);
    let carried = before.carried(&snapshot.facts.audit_settings).unwrap();
    tenant.files[0] = Some(carried.clone());
    snapshot.facts.attestation = Fact::known(carried, "file", tenant.now);
    match weigh(&snapshot, &METHODS_REQUIRED) {
        Ok(weighed) => Ok((weighed.value, weighed.evidence()[0].source.clone())),
        Err(unknown) => Err(unknown.reason().into()),
    }
}

/// A change is seen, a month goes by with a run each week, and then one without.
#[test]
fn what_is_attested_stands_while_the_log_is_whole() {
    let mut tenant = Tenant::new();
    tenant.attest(0, 0);
    assert!(told(&mut tenant).unwrap_err().contains("no change of it was ever seen"));
    tenant.change(1, 0, How::Named);
    tenant.change(2, 0, How::Named);
    tenant.wait(2 * HOUR);
    tenant.attest(0, 0);
    for _ in 0..20 {
        tenant.wait(6 * DAY);
        assert_eq!(told(&mut tenant), Ok((2, "attestation".into())));
    }
    tenant.change(1, 0, How::Named);
    tenant.wait(2 * HOUR);
    assert_eq!(told(&mut tenant).unwrap().0, 1);
    tenant.wait(20 * DAY);
    assert_eq!(
        told(&mut tenant).unwrap().0,
        1,
        "the log shows that it reaches back so far"
    );
    for _ in 0..10 {
        tenant.wait(6 * DAY);
        assert_eq!(
            told(&mut tenant),
            Ok((1, "attestation".into())),
            "what an event said stands on"
        );
    }
    // Just as far as the log still reaches back behind what was read.
    tenant.wait(7 * DAY - 2 * HOUR);
    assert_eq!(told(&mut tenant), Ok((1, "attestation".into())));
    tenant.wait(7 * DAY - 2 * HOUR + 1);
    let why = told(&mut tenant).unwrap_err();
    assert!(
        why.contains("without a gap") && why.contains("attested the portal's settings on 2026-06-01"),
        "{why}"
    );
    tenant.wait(DAY);
    assert!(told(&mut tenant).is_err(), "a gap does not close");
    tenant.change(2, 0, How::Named);
    tenant.wait(DAY);
    assert_eq!(told(&mut tenant).unwrap().0, 2, "an event tells it anew");
}

#[test]
fn a_log_that_lost_an_event_is_not_whole() {
    let mut tenant = Tenant::new();
    tenant.change(2, 0, How::Named);
    tenant.wait(DAY);
    tenant.attest(0, 0);
    tenant.log.clear();
    tenant.wait(DAY);
    assert!(told(&mut tenant).unwrap_err().contains("without a gap"));
    tenant.wait(DAY);
    tenant.attest(0, 0);
    assert_eq!(
        told(&mut tenant),
        Ok((2, "attestation".into())),
        "that a change was once seen is kept"
    );
}

#[test]
fn a_log_that_misses_a_change_attests_nothing_of_that_setting() {
    let mut tenant = Tenant::new();
    tenant.change(2, 0, How::Named);
    tenant.wait(DAY);
    // Nobody logged it.
    tenant.history.push((tenant.now, 1));
    tenant.wait(DAY);
    tenant.attest(0, 0);
    tenant.wait(DAY);
    let why = told(&mut tenant).unwrap_err();
    assert!(why.contains("does not name every change"), "{why}");
}

#[test]
fn a_finding_says_that_it_rests_on_an_attestation_and_on_what_that_rests() {
    let mut tenant = Tenant::new();
    tenant.change(2, 0, How::Named);
    tenant.wait(40 * MINUTE);
    tenant.attest(0, 0);
    tenant.wait(DAY);
    let mut snapshot = tenant.snapshot(0, true, true);
    let attestation = tenant.files[0]
        .clone()
        .unwrap()
        .carried(&snapshot.facts.audit_settings)
        .unwrap();
    snapshot.facts.attestation = Fact::known(attestation, "file", tenant.now);
    let found = (crate::steps::reset_policy::STEP.check)(&snapshot);
    let found = found.iter().find(|f| f.id == "reset_policy.methods_required").unwrap();
    assert_eq!(found.status, Outcome::Pass);
    assert!(
        found.title.contains("attested 2026-06-01, as of 2026-06-0"),
        "{}",
        found.title
    );
    let seen = &found.evidence[0].seen;
    assert!(
        seen.contains("trusted as far as the access rights of its file are"),
        "{seen}"
    );
}
