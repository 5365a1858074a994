//! Folds the report's rows into cohorts.

use super::quick::Reader;
use super::row::{Methods, Row, User};
use crate::cohort::{Cohort, CohortKey, Registration, SAMPLE};
use crate::membership::{Membership, guid, key};
use crate::page::{Entries, Page, PageError, Rows};
use foldhash::fast::FixedState;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Cohorts beyond this make the fact partial; far more than methods and groups combine to in practice.
pub const MOST_COHORTS: usize = 8_192;

/// What is known of users beside the report.
#[derive(Default)]
pub struct Known {
    membership: Membership,
    global_admins: Vec<u128>,
    /// Those who may become Global Administrator are held to the administrators' rule.
    eligible: Vec<u128>,
}

impl Known {
    /// Those who are in groups, and those who are or may become Global Administrator, by their ids.
    pub fn new(membership: Membership, global_admins: &[String], eligible: &[String]) -> Self {
        // Sorted: every row is looked up, and many may be eligible.
        let ids = |all: &[String]| {
            let mut ids: Vec<u128> = all.iter().filter_map(|id| guid(id)).collect();
            ids.sort_unstable();
            ids
        };
        Known {
            membership,
            global_admins: ids(global_admins),
            eligible: ids(eligible),
        }
    }

    /// The policy groups, in the order of their bits.
    pub fn groups(&self) -> &[String] {
        &self.membership.groups
    }

    /// A user's cohort, but for the groups.
    fn cohort(&self, user: &User<'_>) -> CohortKey {
        CohortKey {
            admin: user.cohort.admin || self.eligible.binary_search(&user.id).is_ok(),
            global_admin: self.global_admins.binary_search(&user.id).is_ok(),
            ..user.cohort
        }
    }

    /// A user's cohort.
    pub(super) fn whole_cohort(&self, user: &User<'_>) -> CohortKey {
        CohortKey {
            groups: self.membership.of(key(user.id)),
            ..self.cohort(user)
        }
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

    fn join(&mut self, other: Members) {
        self.page_count = other.count;
        self.page_sample = other.sample;
        self.commit();
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

/// The cohorts, in the order in which they were seen.
#[derive(Default)]
struct Cohorts {
    /// Where each stands. The keys, written as numbers, are our own, so a quick hash will do.
    places: HashMap<[u64; 3], usize, FixedState>,
    all: Vec<(CohortKey, Members)>,
    /// The users differ in more ways than are kept apart.
    overflow: bool,
}

impl Cohorts {
    /// The users of a cohort; None when there are too many cohorts.
    fn members(&mut self, key: CohortKey) -> Option<&mut Members> {
        let flags = [
            key.guest,
            key.admin,
            key.global_admin,
            key.sspr_enabled,
            key.sspr_registered,
            key.sspr_capable,
            key.mfa_capable,
            key.mfa_registered,
        ];
        let flags = u64::from_le_bytes(flags.map(u8::from));
        let next = self.all.len();
        let place = match self.places.entry([flags, key.methods, key.groups]) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(_) if next == MOST_COHORTS => {
                self.overflow = true;
                return None;
            }
            Entry::Vacant(free) => {
                self.all.push((key, Members::default()));
                *free.insert(next)
            }
        };
        self.all.get_mut(place).map(|(_, members)| members)
    }
}

/// Folds pages, one at a time.
pub struct Part {
    known: Arc<Known>,
    reader: Reader,
    block: Block,
    cohorts: Cohorts,
    page_rows: u64,
    /// When the newest row was made, of whole pages and of the page that is being read.
    updated: String,
    page_updated: String,
}

impl Part {
    fn new(known: Arc<Known>) -> Self {
        Part {
            known,
            reader: Reader::new(),
            block: Block::default(),
            cohorts: Cohorts::default(),
            page_rows: 0,
            updated: String::new(),
            page_updated: String::new(),
        }
    }

    fn add(&mut self, user: User<'_>) {
        let cohort = self.known.cohort(&user);
        self.block.push(key(user.id), cohort, &user.name.0);
        if self.block.users.len() == BLOCK {
            self.settle();
        }
        self.page_rows += 1;
        if let Some(updated) = user.updated
            && *updated.0 > *self.page_updated.as_bytes()
            && *updated.0 > *self.updated.as_bytes()
        {
            self.page_updated = updated.keep();
        }
    }

    /// Counts the rows of the block.
    fn settle(&mut self) {
        let block = &mut self.block;
        self.known.membership.of_all(&block.users, &mut block.groups);
        let mut start = 0;
        for (index, &groups) in block.groups.iter().enumerate() {
            let name = &block.names[start..block.ends[index]];
            start = block.ends[index];
            let cohort = CohortKey {
                groups,
                ..block.cohorts[index]
            };
            if let Some(members) = self.cohorts.members(cohort) {
                members.add(block.users[index], name);
            }
        }
        block.clear();
    }

    /// The page was read wholly, or nothing of it: its rows count. Returns their number.
    fn commit(&mut self) -> u64 {
        self.settle();
        self.cohorts.all.iter_mut().for_each(|(_, members)| members.commit());
        let updated = std::mem::take(&mut self.page_updated);
        if !updated.is_empty() {
            self.updated = updated;
        }
        std::mem::take(&mut self.page_rows)
    }
}

impl Entries for Part {
    type Entry<'a> = Row<'a>;

    fn quick(&mut self, text: &[u8]) -> Option<usize> {
        let (user, length) = self.reader.user(text)?;
        self.add(user);
        Some(length)
    }

    fn entry(&mut self, row: Row<'_>) {
        let user = row.user(&mut self.reader.methods);
        self.add(user);
    }

    #[inline(never)]
    fn feed(&mut self, page: &mut Page, chunk: &[u8]) -> Result<(), PageError> {
        page.feed(chunk, self)
    }

    fn discard(&mut self) {
        self.block.clear();
        self.cohorts.all.iter_mut().for_each(|(_, members)| members.discard());
        self.page_updated.clear();
        self.page_rows = 0;
    }
}

/// Folds all pages: each by one of its parts, which come together in the end.
pub struct Fold<'m> {
    known: Arc<Known>,
    /// Those that fold no page now.
    parts: Vec<Part>,
    rows: u64,
    progress: Box<dyn Fn(u64) + Send + 'm>,
}

impl<'m> Fold<'m> {
    /// Nothing folded yet; `progress` is told the number of rows after each page.
    pub fn new(known: Arc<Known>, progress: Box<dyn Fn(u64) + Send + 'm>) -> Self {
        Fold {
            known,
            parts: Vec::new(),
            rows: 0,
            progress,
        }
    }

    /// The report, and whether its users differ in more ways than are kept apart. The same whichever part folded a page.
    pub fn finish(self) -> (Registration, bool) {
        let names: BTreeSet<&String> = self.parts.iter().flat_map(|part| &part.reader.methods.0).collect();
        let mut methods = Methods::default();
        names.into_iter().for_each(|name| {
            methods.place(name);
        });
        let mut cohorts = Cohorts::default();
        let mut updated = String::new();
        for part in self.parts {
            cohorts.overflow |= part.cohorts.overflow;
            updated = updated.max(part.updated);
            for (mut key, members) in part.cohorts.all {
                key.methods = part.reader.methods.translated(key.methods, &mut methods);
                if let Some(all) = cohorts.members(key) {
                    all.join(members);
                }
            }
        }
        let filled = cohorts.all.into_iter().filter(|(_, members)| members.count > 0);
        let filled = filled.map(|(key, members)| Cohort {
            key,
            count: members.count,
            sample: members.sample.into_iter().map(|(_, name)| name).collect(),
        });
        let mut registration = Registration {
            rows: self.rows,
            methods: methods.0,
            groups: self.known.membership.groups.clone(),
            cohorts: filled.collect(),
            updated: updated.parse().ok(),
        };
        registration.cohorts.sort_by_key(|c| c.key);
        (registration, cohorts.overflow)
    }
}

impl Rows for Fold<'_> {
    type Page = Part;

    fn page(&mut self) -> Part {
        self.parts.pop().unwrap_or_else(|| Part::new(Arc::clone(&self.known)))
    }

    fn take(&mut self, mut part: Part) {
        self.rows += part.commit();
        self.parts.push(part);
        (self.progress)(self.rows);
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::{Id, List};
    use super::*;
    use crate::scan::Text;
    use std::collections::BTreeMap;

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

    fn fold(known: Known) -> Fold<'static> {
        Fold::new(Arc::new(known), Box::new(|_| {}))
    }

    /// How many have which methods.
    fn counts(registration: &Registration) -> BTreeMap<Vec<&str>, u64> {
        let names = |bits: u64| {
            let names = registration.methods.iter().map(String::as_str);
            names.filter(|name| registration.method_bit(name) & bits != 0).collect()
        };
        registration
            .cohorts
            .iter()
            .map(|c| (names(c.key.methods), c.count))
            .collect()
    }

    #[test]
    fn a_page_that_broke_off_does_not_count() {
        let mut fold = fold(Known::default());
        let mut page = fold.page();
        page.entry(row(1, r#"["email"]"#));
        page.discard();
        page.entry(row(1, r#"["email"]"#));
        page.entry(row(2, r#"["email", "mobilePhone"]"#));
        fold.take(page);
        let mut page = fold.page();
        let dated = |date: &str| Some(Text(date.as_bytes().to_vec().into()));
        page.entry(Row {
            last_updated_date_time: dated("2026-11-26T00:00:00Z"),
            ..row(3, r#"["email"]"#)
        });
        page.discard();
        fold.take(page);
        let mut page = fold.page();
        page.discard();
        page.entry(Row {
            last_updated_date_time: dated("2026-11-25T00:00:00Z"),
            ..row(3, r#"["email"]"#)
        });
        fold.take(page);
        let (registration, overflow) = fold.finish();
        let updated = registration.updated.map(|at| at.to_string());
        assert_eq!(updated.as_deref(), Some("2026-11-25T00:00:00Z"));
        assert!(!overflow);
        assert_eq!(registration.rows, 3);
        let expected = BTreeMap::from([(vec!["email"], 2), (vec!["email", "mobilePhone"], 1)]);
        assert_eq!(counts(&registration), expected);
    }

    #[test]
    fn pages_that_are_folded_at_once_come_out_as_one_after_another() {
        let methods = [
            r#"["email"]"#,
            r#"["mobilePhone","email"]"#,
            r#"["officePhone"]"#,
            r#"["mobilePhone"]"#,
        ];
        let folded = |at_once: usize| {
            let mut fold = fold(Known::default());
            let numbers: Vec<u32> = (0..40).collect();
            for numbers in numbers.chunks(at_once) {
                let mut pages: Vec<Part> = numbers.iter().map(|_| fold.page()).collect();
                for (number, page) in numbers.iter().zip(&mut pages).rev() {
                    (0..9).for_each(|i| page.entry(row(number * 9 + i, methods[(number + i) as usize % 4])));
                }
                pages.into_iter().for_each(|page| fold.take(page));
            }
            let (registration, _) = fold.finish();
            assert_eq!(registration.rows, 360);
            serde_json::to_value(&registration).unwrap()
        };
        assert_eq!(folded(1), folded(3));
    }

    #[test]
    fn who_may_become_administrator_is_held_to_their_rule() {
        let id = |n: u32| format!("00000000-0000-0000-0000-{n:012}");
        let mut fold = fold(Known::new(Membership::default(), &[id(1)], &[id(2)]));
        let mut page = fold.page();
        (1..=3).for_each(|n| page.entry(row(n, r#"["email"]"#)));
        fold.take(page);
        let (registration, _) = fold.finish();
        let mut kinds: Vec<_> = registration
            .cohorts
            .iter()
            .map(|c| (c.key.admin, c.key.global_admin))
            .collect();
        kinds.sort_unstable();
        assert_eq!(kinds, [(false, false), (false, true), (true, false)]);
    }

    #[test]
    fn the_sample_does_not_depend_on_the_order() {
        let sample = |order: &mut dyn Iterator<Item = u32>| {
            let mut fold = fold(Known::default());
            for i in order {
                let mut page = fold.page();
                page.entry(row(i, r#"["email"]"#));
                fold.take(page);
            }
            fold.finish().0.cohorts.remove(0).sample
        };
        assert_eq!(sample(&mut (0..100)), sample(&mut (0..100).rev()));
    }
}
