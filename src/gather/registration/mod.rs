//! The registration report, folded on the way: a million rows become some hundred cohorts.

mod quick;

use super::membership::{Membership, guid, key};
use super::scan::Text;
use super::{Gap, Gatherer};
use crate::snapshot::people::{Cohort, CohortKey, Registration, SAMPLE};
use crate::snapshot::{Fact, FactId, Facts};
use crate::tenant::budget::Workload;
use crate::tenant::graph::Ask;
use crate::tenant::page::Rows;
use foldhash::fast::FixedState;
use jiff::Timestamp;
use quick::Reader;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const PATH: &str = "/v1.0/reports/authenticationMethods/userRegistrationDetails";
/// The largest page that may be asked for.
const PAGE: u64 = 999;
/// Who cannot reset.
const UNABLE: &str = "&$filter=isSsprCapable eq false";
/// Cohorts beyond this make the fact partial; far more than methods and groups combine to in practice.
const MOST_COHORTS: usize = 8_192;

/// A row of the report, with what the steps ask of a user.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row<'a> {
    id: Id,
    #[serde(borrow)]
    user_principal_name: Text<'a>,
    #[serde(borrow, default)]
    user_type: Option<Text<'a>>,
    #[serde(default)]
    is_admin: Option<bool>,
    is_sspr_registered: bool,
    is_sspr_enabled: bool,
    is_sspr_capable: bool,
    is_mfa_registered: bool,
    is_mfa_capable: bool,
    #[serde(borrow, default)]
    methods_registered: List<'a>,
    #[serde(borrow, default)]
    last_updated_date_time: Option<Text<'a>>,
}

/// A user's id; 0 for one that is no GUID.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Id(u128);

impl<'a> Deserialize<'a> for Id {
    fn deserialize<D: serde::Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Ok(Id(guid(&text).unwrap_or_default()))
    }
}

/// A list of texts as it stands in the row: few lists are different, and what each means is looked up.
#[derive(Clone, Copy, Debug, PartialEq)]
struct List<'a>(&'a [u8]);

impl Default for List<'_> {
    fn default() -> Self {
        List(b"[]")
    }
}

impl List<'_> {
    fn texts(&self) -> serde_json::Result<Vec<Cow<'_, str>>> {
        serde_json::from_slice(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for List<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = List(<&RawValue>::deserialize(deserializer)?.get().as_bytes());
        list.texts().map_err(serde::de::Error::custom)?;
        Ok(list)
    }
}

/// Users alike, with the names whose ids have the lowest keys: the same sample whatever the order of the rows.
#[derive(Default)]
struct Members {
    count: u64,
    sample: Vec<(u64, String)>,
    /// Those of the page that is being read.
    page_count: u64,
    page_sample: Vec<(u64, String)>,
}

impl Members {
    fn add(&mut self, key: u64, name: &[u8]) {
        self.page_count += 1;
        let full = |sample: &[(u64, String)]| sample.len() == SAMPLE && sample[SAMPLE - 1].0 <= key;
        if full(&self.sample) || full(&self.page_sample) {
            return;
        }
        self.page_sample.truncate(SAMPLE - 1);
        let place = self.page_sample.partition_point(|(other, _)| *other < key);
        self.page_sample
            .insert(place, (key, String::from_utf8_lossy(name).into_owned()));
    }

    fn commit(&mut self) {
        self.count += std::mem::take(&mut self.page_count);
        if !self.page_sample.is_empty() {
            self.sample.append(&mut self.page_sample);
            self.sample.sort_unstable();
            self.sample.truncate(SAMPLE);
        }
    }

    fn discard(&mut self) {
        self.page_count = 0;
        self.page_sample.clear();
    }
}

/// So many rows wait until their users' groups are looked up together.
const BLOCK: usize = 64;

/// Rows whose users' groups are not looked up yet. Looked up one by one, each would wait for the memory twice.
#[derive(Default)]
struct Block {
    users: Vec<u64>,
    cohorts: Vec<CohortKey>,
    /// The users' names one after another, and where each ends.
    names: Vec<u8>,
    ends: Vec<usize>,
    groups: Vec<u64>,
}

impl Block {
    fn push(&mut self, user: u64, cohort: CohortKey, name: &[u8]) {
        self.users.push(user);
        self.cohorts.push(cohort);
        self.names.extend_from_slice(name);
        self.ends.push(self.names.len());
    }

    fn clear(&mut self) {
        self.users.clear();
        self.cohorts.clear();
        self.names.clear();
        self.ends.clear();
    }
}

/// Folds rows into cohorts.
pub(super) struct Fold<'m> {
    reader: Reader,
    membership: &'m Membership,
    block: Block,
    global_admins: Vec<u128>,
    /// Those who may become Global Administrator are held to the administrators' rule.
    eligible: Vec<u128>,
    methods: Vec<String>,
    /// The bits of each list of methods, as it is written.
    lists: HashMap<Vec<u8>, u64, FixedState>,
    /// Where each cohort stands; the keys are our own, so a quick hash will do.
    places: HashMap<CohortKey, usize, FixedState>,
    cohorts: Vec<(CohortKey, Members)>,
    rows: u64,
    page_rows: u64,
    updated: String,
    overflow: bool,
    progress: Box<dyn Fn(u64) + Send + 'm>,
}

impl<'m> Fold<'m> {
    fn new(
        membership: &'m Membership,
        global_admins: &[String],
        eligible: &[String],
        progress: Box<dyn Fn(u64) + Send + 'm>,
    ) -> Self {
        // Sorted: every row is looked up, and many may be eligible.
        let ids = |all: &[String]| {
            let mut ids: Vec<u128> = all.iter().filter_map(|id| guid(id)).collect();
            ids.sort_unstable();
            ids
        };
        Fold {
            reader: Reader::new(),
            membership,
            block: Block::default(),
            global_admins: ids(global_admins),
            eligible: ids(eligible),
            methods: Vec::new(),
            lists: HashMap::default(),
            places: HashMap::default(),
            cohorts: Vec::new(),
            rows: 0,
            page_rows: 0,
            updated: String::new(),
            overflow: false,
            progress,
        }
    }

    fn methods_of(&mut self, list: List<'_>) -> u64 {
        if let Some(bits) = self.lists.get(list.0) {
            return *bits;
        }
        let mut bits = 0;
        // It was read as a list of texts.
        for name in list.texts().unwrap_or_default() {
            let known = self.methods.iter().position(|known| *known == name);
            let index = known.or_else(|| {
                // The last bit stands for all that no longer find a place.
                (self.methods.len() < 63).then(|| {
                    self.methods.push(name.into_owned());
                    self.methods.len() - 1
                })
            });
            bits |= 1u64 << index.unwrap_or(63);
        }
        if self.lists.len() < MOST_COHORTS {
            self.lists.insert(list.0.to_vec(), bits);
        }
        bits
    }

    /// The users of a cohort; None when there are too many cohorts.
    fn members(&mut self, key: CohortKey) -> Option<&mut Members> {
        let next = self.cohorts.len();
        let place = match self.places.entry(key) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(_) if next == MOST_COHORTS => return None,
            Entry::Vacant(free) => {
                self.cohorts.push((key, Members::default()));
                *free.insert(next)
            }
        };
        self.cohorts.get_mut(place).map(|(_, members)| members)
    }

    /// Counts the rows of the block.
    fn settle(&mut self) {
        let mut block = std::mem::take(&mut self.block);
        self.membership.of_all(&block.users, &mut block.groups);
        let mut start = 0;
        for (index, &groups) in block.groups.iter().enumerate() {
            let name = &block.names[start..block.ends[index]];
            start = block.ends[index];
            let cohort = CohortKey {
                groups,
                ..block.cohorts[index]
            };
            match self.members(cohort) {
                Some(members) => members.add(block.users[index], name),
                None => self.overflow = true,
            }
        }
        block.clear();
        self.block = block;
    }

    fn finish(self) -> (Registration, bool) {
        let filled = self.cohorts.into_iter().filter(|(_, members)| members.count > 0);
        let cohorts = filled.map(|(key, members)| Cohort {
            key,
            count: members.count,
            sample: members.sample.into_iter().map(|(_, name)| name).collect(),
        });
        let mut registration = Registration {
            rows: self.rows,
            methods: self.methods,
            groups: self.membership.groups.clone(),
            cohorts: cohorts.collect(),
            updated: self.updated.parse().ok(),
        };
        registration.cohorts.sort_by_key(|c| c.key);
        (registration, self.overflow)
    }
}

impl Rows for Fold<'_> {
    type Row<'a> = Row<'a>;

    fn quick<'a>(&mut self, text: &'a [u8]) -> Option<(Row<'a>, usize)> {
        self.reader.row(text)
    }

    fn row(&mut self, row: Row<'_>) {
        let Id(id) = row.id;
        let user = key(id);
        let cohort = CohortKey {
            guest: row.user_type.is_some_and(|kind| *kind.0 == *b"guest"),
            admin: row.is_admin == Some(true) || self.eligible.binary_search(&id).is_ok(),
            global_admin: self.global_admins.binary_search(&id).is_ok(),
            sspr_enabled: row.is_sspr_enabled,
            sspr_registered: row.is_sspr_registered,
            sspr_capable: row.is_sspr_capable,
            mfa_capable: row.is_mfa_capable,
            mfa_registered: row.is_mfa_registered,
            methods: self.methods_of(row.methods_registered),
            groups: 0,
        };
        self.block.push(user, cohort, &row.user_principal_name.0);
        if self.block.users.len() == BLOCK {
            self.settle();
        }
        self.page_rows += 1;
        if let Some(updated) = row.last_updated_date_time
            && *updated.0 > *self.updated.as_bytes()
        {
            self.updated = updated.keep();
        }
    }

    fn commit(&mut self) {
        self.settle();
        self.cohorts.iter_mut().for_each(|(_, members)| members.commit());
        self.rows += std::mem::take(&mut self.page_rows);
        (self.progress)(self.rows);
    }

    fn discard(&mut self) {
        self.block.clear();
        self.cohorts.iter_mut().for_each(|(_, members)| members.discard());
        self.page_rows = 0;
    }
}

/// How the report came out.
struct Outcome {
    registration: Registration,
    /// The users differ in more ways than are kept apart.
    overflow: bool,
    gap: Option<Gap>,
}

impl Gatherer {
    /// Reads the report: whole where time allows, else the users who cannot reset.
    pub(super) async fn registration(&self, needs: &BTreeSet<FactId>, membership: &Membership, facts: &mut Facts) {
        let counts = facts.user_counts.value();
        let expected = counts.map(|c| c.enabled_members + c.enabled_guests.unwrap_or(0));
        let ids = |fact: &Fact<Vec<String>>| fact.value().cloned().unwrap_or_default();
        let administrators = [&facts.global_administrators, &facts.eligible_administrators].map(ids);
        let read = |filter, go_on| self.report(filter, go_on, membership, &administrators, expected);
        let (source, now) = (crate::snapshot::source(FactId::Registration).path, Timestamp::now());
        let fits = match (self.time, expected) {
            (Some(time), Some(users)) => self.time_of(users, needs) <= time,
            _ => true,
        };
        // Where it is longer than thought, or nobody knows how long it is, half of the time shows it.
        let half = self.time.map(|time| (self.started.elapsed() + time) / 2);
        let on_course = |rows: u64| {
            let passed = half.is_some_and(|half| self.started.elapsed() >= half);
            self.in_time() && (!passed || expected.is_some_and(|users| rows >= users / 2))
        };
        let whole = if fits { Some(read("", &on_course).await) } else { None };
        let (outcome, filtered) = match whole {
            Some(whole) if !(matches!(whole.gap, Some(Gap::Time)) && self.in_time()) => (whole, false),
            whole => {
                let unable = read(UNABLE, &|_| self.in_time()).await;
                match whole {
                    // A beginning is better than nothing.
                    Some(whole) if unable.registration.rows == 0 && unable.gap.is_some() => (whole, false),
                    _ => (unable, true),
                }
            }
        };
        let Outcome {
            registration,
            overflow,
            gap,
        } = outcome;
        let as_of = registration.updated.unwrap_or(now);
        let reason = match gap {
            Some(gap) => {
                let refusal = self.gap(FactId::Registration, &gap);
                if registration.rows == 0 {
                    facts.registration = Fact::Unreadable { refusal };
                    return;
                }
                Some(refusal.message)
            }
            None if filtered => Some("Only the users who cannot reset were read: the whole report takes longer than this run may (see -TimeBudget, -Full).".into()),
            None if overflow => Some("The users differ in more ways than are kept apart.".into()),
            None => None,
        };
        facts.registration = match reason {
            None => Fact::known(registration, source, as_of),
            Some(reason) => Fact::Partial {
                read: registration.rows,
                value: registration,
                source: source.into(),
                as_of,
                of: expected,
                reason,
            },
        };
    }

    /// Folds the report's rows; `go_on` is asked with their number so far.
    async fn report(
        &self,
        filter: &str,
        go_on: &(dyn Fn(u64) -> bool + Sync),
        membership: &Membership,
        [active, eligible]: &[Vec<String>; 2],
        expected: Option<u64>,
    ) -> Outcome {
        let ask = Ask::report(format!("{PATH}?$top={PAGE}{filter}"));
        let read = AtomicU64::new(0);
        let progress = |rows: u64| {
            read.store(rows, Ordering::Relaxed);
            self.context.progress("Reading the registration report", rows, expected);
        };
        let mut fold = Fold::new(membership, active, eligible, Box::new(progress));
        let gap = match self
            .graph
            .rows(&ask, &mut fold, |_| go_on(read.load(Ordering::Relaxed)))
            .await
        {
            Ok((_, true)) => None,
            Ok((_, false)) => Some(Gap::Time),
            Err(error) => Some(Gap::Refused(error)),
        };
        let (registration, overflow) = fold.finish();
        Outcome {
            registration,
            overflow,
            gap,
        }
    }

    /// When so many rows are read at the earliest, counted from the run's start: its other report requests share the
    /// documented budget.
    fn time_of(&self, users: u64, needs: &BTreeSet<FactId>) -> Duration {
        if !self.budgets {
            return Duration::ZERO;
        }
        let summary = u64::from(needs.contains(&FactId::FeatureSummary));
        Workload::Reports.duration_of(users.div_ceil(PAGE) + super::audit::requests(needs) + summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Each method's bit.
    fn names(registration: &Registration) -> BTreeMap<&str, u64> {
        registration
            .methods
            .iter()
            .map(|m| (m.as_str(), registration.method_bit(m)))
            .collect()
    }

    fn row(i: u32, methods: &'static str) -> Row<'static> {
        Row {
            id: Id(u128::from(i)),
            user_principal_name: Text(format!("u{i}@x").into_bytes().into()),
            user_type: None,
            is_admin: Some(false),
            is_sspr_registered: true,
            is_sspr_enabled: true,
            is_sspr_capable: true,
            is_mfa_registered: true,
            is_mfa_capable: true,
            methods_registered: List(methods.as_bytes()),
            last_updated_date_time: None,
        }
    }

    #[test]
    fn the_rows_are_read_as_published() {
        crate::shapes::assert_published::<Row<'_>>(&[("userRegistrationDetails", "v1.0")], &[]);
    }

    #[test]
    fn a_page_that_broke_off_does_not_count() {
        let membership = Membership::default();
        let mut fold = Fold::new(&membership, &[], &[], Box::new(|_| {}));
        fold.row(row(1, r#"["email"]"#));
        fold.discard();
        fold.row(row(1, r#"["email"]"#));
        fold.row(row(2, r#"["email", "mobilePhone"]"#));
        fold.commit();
        let (registration, overflow) = fold.finish();
        assert!(!overflow);
        assert_eq!((registration.rows, registration.cohorts.len()), (2, 2));
        assert_eq!(names(&registration), BTreeMap::from([("email", 1), ("mobilePhone", 2)]));
    }

    #[test]
    fn who_may_become_administrator_is_held_to_their_rule() {
        let membership = Membership::default();
        let id = |n: u32| format!("00000000-0000-0000-0000-{n:012}");
        let mut fold = Fold::new(&membership, &[id(1)], &[id(2)], Box::new(|_| {}));
        (1..=3).for_each(|n| fold.row(row(n, r#"["email"]"#)));
        fold.commit();
        let mut kinds: Vec<_> = fold
            .finish()
            .0
            .cohorts
            .iter()
            .map(|c| (c.key.admin, c.key.global_admin))
            .collect();
        kinds.sort_unstable();
        assert_eq!(kinds, [(false, false), (false, true), (true, false)]);
    }

    #[test]
    fn the_sample_does_not_depend_on_the_order() {
        let membership = Membership::default();
        let fold = |order: &mut dyn Iterator<Item = u32>| {
            let mut fold = Fold::new(&membership, &[], &[], Box::new(|_| {}));
            for (n, i) in order.enumerate() {
                fold.row(row(i, r#"["email"]"#));
                if n % 7 == 0 {
                    fold.commit();
                }
            }
            fold.commit();
            fold.finish().0.cohorts.remove(0).sample
        };
        assert_eq!(fold(&mut (0..100)), fold(&mut (0..100).rev()));
    }
}
