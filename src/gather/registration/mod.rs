//! The registration report, folded on the way: a million rows become some hundred cohorts.

mod quick;

use super::groups::{Membership, guid, key};
use super::scan::{Shape, Text};
use super::{Gatherer, Limits};
use crate::snapshot::people::{Cohort, CohortKey, Registration, SAMPLE};
use crate::snapshot::{Fact, FactId, Facts};
use crate::tenant::budget::Workload;
use crate::tenant::error::AskError;
use crate::tenant::graph::Ask;
use crate::tenant::page::Rows;
use foldhash::fast::FixedState;
use jiff::Timestamp;
use serde::Deserialize;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

const PATH: &str = "/v1.0/reports/authenticationMethods/userRegistrationDetails";
/// The largest page that may be asked for.
const PAGE: u64 = 999;
/// Cohorts beyond this make the fact partial; far more than methods and groups combine to in practice.
const MOST_COHORTS: usize = 8_192;
/// How long the report may take when nobody said.
const DEFAULT_TIME: Duration = Duration::from_secs(120);

/// As many as a user has in practice without an allocation.
type Methods<'a> = SmallVec<[Text<'a>; 8]>;

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
    methods_registered: Methods<'a>,
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
    fn add(&mut self, key: u64, name: &Text<'_>) {
        self.page_count += 1;
        let full = |sample: &[(u64, String)]| sample.len() == SAMPLE && sample[SAMPLE - 1].0 <= key;
        if full(&self.sample) || full(&self.page_sample) {
            return;
        }
        self.page_sample.truncate(SAMPLE - 1);
        let place = self.page_sample.partition_point(|(other, _)| *other < key);
        self.page_sample.insert(place, (key, name.keep()));
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

/// Folds rows into cohorts.
pub(super) struct Fold<'m> {
    shape: Shape,
    membership: &'m Membership,
    global_admins: Vec<u128>,
    /// Those who may become Global Administrator are held to the administrators' rule.
    eligible: Vec<u128>,
    methods: Vec<String>,
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
        let ids = |all: &[String]| all.iter().filter_map(|id| guid(id)).collect();
        Fold {
            shape: quick::shape(),
            membership,
            global_admins: ids(global_admins),
            eligible: ids(eligible),
            methods: Vec::new(),
            places: HashMap::default(),
            cohorts: Vec::new(),
            rows: 0,
            page_rows: 0,
            updated: String::new(),
            overflow: false,
            progress,
        }
    }

    fn methods_of(&mut self, names: &[Text<'_>]) -> u64 {
        let mut bits = 0;
        for name in names {
            let index = self
                .methods
                .iter()
                .position(|known| known.as_bytes() == &*name.0)
                .or_else(|| {
                    // The last bit stands for all that no longer find a place.
                    (self.methods.len() < 63).then(|| {
                        self.methods.push(name.keep());
                        self.methods.len() - 1
                    })
                });
            bits |= 1u64 << index.unwrap_or(63);
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
        quick::row(&mut self.shape, text)
    }

    fn row(&mut self, row: Row<'_>) {
        let Id(id) = row.id;
        let user = key(id);
        let cohort = CohortKey {
            guest: row.user_type.is_some_and(|kind| *kind.0 == *b"guest"),
            admin: row.is_admin == Some(true) || self.eligible.contains(&id),
            global_admin: self.global_admins.contains(&id),
            sspr_enabled: row.is_sspr_enabled,
            sspr_registered: row.is_sspr_registered,
            sspr_capable: row.is_sspr_capable,
            mfa_capable: row.is_mfa_capable,
            mfa_registered: row.is_mfa_registered,
            methods: self.methods_of(&row.methods_registered),
            groups: self.membership.of(user),
        };
        match self.members(cohort) {
            Some(members) => members.add(user, &row.user_principal_name),
            None => self.overflow = true,
        }
        self.page_rows += 1;
        if let Some(updated) = row.last_updated_date_time
            && *updated.0 > *self.updated.as_bytes()
        {
            self.updated = updated.keep();
        }
    }

    fn commit(&mut self) {
        self.cohorts.iter_mut().for_each(|(_, members)| members.commit());
        self.rows += std::mem::take(&mut self.page_rows);
        (self.progress)(self.rows);
    }

    fn discard(&mut self) {
        self.cohorts.iter_mut().for_each(|(_, members)| members.discard());
        self.page_rows = 0;
    }
}

impl Gatherer {
    /// Reads the report: whole where time allows, else the users who cannot reset.
    pub(super) async fn registration(&self, limits: &Limits, membership: &Membership, facts: &mut Facts) {
        let counts = facts.user_counts.value();
        let expected = counts.map(|c| c.enabled_members + c.enabled_guests.unwrap_or(0));
        let ids = |fact: &'_ Fact<Vec<String>>| fact.value().cloned().unwrap_or_default();
        let (admins, eligible) = (ids(&facts.global_administrators), ids(&facts.eligible_administrators));
        let time = limits.time.unwrap_or(DEFAULT_TIME);
        let needed = expected.map(|users| self.time_of(users));
        let all = limits.full || needed.is_none_or(|needed| needed <= time);
        let filter = if all { "" } else { "&$filter=isSsprCapable eq false" };
        let ask = Ask::report(format!("{PATH}?$top={PAGE}{filter}"));
        let progress = |rows: u64| self.context.progress("Reading the registration report", rows, expected);
        let mut fold = Fold::new(membership, &admins, &eligible, Box::new(progress));
        let deadline = tokio::time::Instant::now() + time;
        let go_on = |_| limits.full || tokio::time::Instant::now() < deadline;
        let outcome = self.graph.rows(&ask, &mut fold, go_on).await;
        let (source, now) = (crate::snapshot::source(FactId::Registration).path, Timestamp::now());
        let (registration, overflow) = fold.finish();
        let as_of = registration.updated.unwrap_or(now);
        let partial = |reason: String, registration: Registration| Fact::Partial {
            read: registration.rows,
            value: registration,
            source: source.into(),
            as_of,
            of: expected,
            reason,
        };
        facts.registration = match outcome {
            Ok((_, true)) if all && !overflow => Fact::known(registration, source, as_of),
            Ok((_, true)) if all => partial("The users differ in more ways than are kept apart.".into(), registration),
            Ok((_, true)) => partial("Only the users who cannot reset were read: the whole report takes longer than this run may (see -TimeBudget, -Full).".into(), registration),
            Ok((_, false)) => partial("The run's time was over (see -TimeBudget, -Full).".into(), registration),
            Err(error @ AskError::Refused { .. }) if registration.rows == 0 => Fact::Unreadable { refusal: self.refusal(FactId::Registration, &error) },
            Err(error) if registration.rows == 0 => Fact::Unreadable { refusal: self.refusal(FactId::Registration, &error) },
            Err(error) => partial(self.refusal(FactId::Registration, &error).message, registration),
        };
    }

    /// How long so many rows take within the documented budget.
    fn time_of(&self, users: u64) -> Duration {
        if self.budgets {
            Workload::Reports.duration_of(users.div_ceil(PAGE))
        } else {
            Duration::ZERO
        }
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

    fn row(i: u32, methods: &[&'static str]) -> Row<'static> {
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
            methods_registered: methods.iter().map(|m| Text(m.as_bytes().into())).collect(),
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
        fold.row(row(1, &["email"]));
        fold.discard();
        fold.row(row(1, &["email"]));
        fold.row(row(2, &["email", "mobilePhone"]));
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
        (1..=3).for_each(|n| fold.row(row(n, &["email"])));
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
                fold.row(row(i, &["email"]));
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
