//! The services' documented request budgets, kept by everything in the process that shares them.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What a request counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Workload {
    /// Directory objects: 3,500 units in 10 s for the app in a (small) tenant, 150,000 in 20 s over all tenants.
    Directory,
    /// Audit logs and the authentication methods' reports: 5 in 10 s for the app in a tenant, 122 over all tenants.
    Reports,
    /// Conditional Access: 1 in a second for the tenant, all apps together.
    ConditionalAccess,
    /// The portal's back end: not documented; taken gently.
    Portal,
}

/// So much in so long.
#[derive(Clone, Copy, Debug)]
struct Limit {
    units: u32,
    window: Duration,
}

/// A margin on every window, since requests may reach the service closer together than they were sent. It costs a
/// twentieth of what is allowed.
const MARGIN: f64 = 1.05;

impl Workload {
    /// For one app in one tenant.
    fn in_tenant(self) -> Option<Limit> {
        let limit = |units, seconds| {
            Some(Limit {
                units,
                window: Duration::from_secs(seconds),
            })
        };
        match self {
            Workload::Directory => limit(3_500, 10),
            Workload::Reports => limit(5, 10),
            Workload::ConditionalAccess => limit(1, 1),
            Workload::Portal => limit(10, 10),
        }
    }

    /// For one app over all its tenants, where it is spread over so many processes.
    fn over_tenants(self, processes: NonZeroU32) -> Option<Limit> {
        let (units, seconds) = match self {
            Workload::Directory => (150_000, 20),
            Workload::Reports => (122, 10),
            _ => return None,
        };
        Some(Limit {
            units: (units / processes).max(1),
            window: Duration::from_secs(seconds),
        })
    }

    /// How long so many requests take one app in one tenant at the least.
    pub fn duration_of(self, requests: u64) -> Duration {
        self.in_tenant().map_or(Duration::ZERO, |limit| {
            limit
                .window
                .mul_f64(MARGIN)
                .mul_f64((requests.saturating_sub(u64::from(limit.units)) as f64) / f64::from(limit.units))
        })
    }
}

/// One budget: the moments at which its units were or will be spent, in order. Moments to come may have gaps between
/// them, where another budget made a request wait longer.
#[derive(Debug)]
struct Ledger {
    limit: Limit,
    spent: VecDeque<(Instant, u32)>,
}

impl Ledger {
    fn new(limit: Limit) -> Self {
        Ledger {
            limit,
            spent: VecDeque::new(),
        }
    }

    fn window(&self) -> Duration {
        self.limit.window.mul_f64(MARGIN)
    }

    /// The earliest moment from `from` on at which so many units keep every window within the limit.
    fn earliest(&self, units: u32, from: Instant) -> Instant {
        if self.fits(units, from) {
            return from;
        }
        // Room is made only by what leaves a window.
        let window = self.window();
        let leaves = self.spent.iter().map(|(moment, _)| *moment + window);
        leaves
            .filter(|at| *at > from)
            .find(|at| self.fits(units, *at))
            .unwrap_or(from)
    }

    /// Whether every window that holds this moment has room for so many units more.
    fn fits(&self, units: u32, at: Instant) -> bool {
        let window = self.window();
        let room = self.limit.units - units.clamp(1, self.limit.units);
        let (mut first, mut used) = (self.spent.partition_point(|(moment, _)| *moment + window <= at), 0);
        for (moment, units) in self.spent.range(first..) {
            if *moment >= at + window {
                break;
            }
            used += units;
            while self.spent[first].0 + window <= *moment {
                used -= self.spent[first].1;
                first += 1;
            }
            if used > room {
                return false;
            }
        }
        true
    }

    fn book(&mut self, units: u32, at: Instant) {
        let place = self.spent.partition_point(|(moment, _)| *moment <= at);
        self.spent.insert(place, (at, units.clamp(1, self.limit.units)));
    }

    /// Forgets what no window holds any more.
    fn forget(&mut self, now: Instant) {
        let window = self.window();
        let old = self.spent.partition_point(|(moment, _)| *moment + window <= now);
        self.spent.drain(..old);
    }
}

type Key = (String, Workload);

/// All budgets that something in the process shares.
#[derive(Debug, Default)]
struct Ledgers(HashMap<Key, Ledger>);

impl Ledgers {
    /// Books units in every budget that they count against, at the earliest moment that suits them all.
    fn book(&mut self, budgets: &[(Key, Limit)], units: u32, now: Instant) -> Instant {
        for (key, limit) in budgets {
            let ledger = self.0.entry(key.clone()).or_insert_with(|| Ledger::new(*limit));
            ledger.forget(now);
        }
        let mut at = now;
        loop {
            let ledgers = budgets.iter().filter_map(|(key, _)| self.0.get(key));
            let next = ledgers.fold(at, |at, ledger| ledger.earliest(units, at));
            if next == at {
                break;
            }
            at = next;
        }
        for (key, _) in budgets {
            if let Some(ledger) = self.0.get_mut(key) {
                ledger.book(units, at);
            }
        }
        at
    }
}

static LEDGERS: LazyLock<Mutex<Ledgers>> = LazyLock::new(Mutex::default);

/// The budgets of one app in one tenant.
#[derive(Clone, Debug)]
pub struct Budget {
    host: String,
    tenant: String,
    app: String,
    /// Over how many processes the app is spread.
    processes: NonZeroU32,
    on: bool,
}

impl Budget {
    /// The budgets of an app in a tenant, reached at a host.
    pub fn new(host: &str, tenant: &str, app: &str, processes: NonZeroU32, on: bool) -> Self {
        Budget {
            host: host.into(),
            tenant: tenant.into(),
            app: app.into(),
            processes,
            on,
        }
    }

    /// Waits until a request that costs so many units of each may be sent.
    pub async fn spend(&self, costs: &[(Workload, u32)]) {
        if !self.on {
            return;
        }
        for (workload, units) in costs {
            let budgets = self.budgets(*workload);
            let at = {
                let mut ledgers = LEDGERS.lock().unwrap_or_else(PoisonError::into_inner);
                ledgers.book(&budgets, *units, Instant::now())
            };
            tokio::time::sleep_until(at).await;
        }
    }

    /// The budgets that a request counts against.
    fn budgets(&self, workload: Workload) -> Vec<(Key, Limit)> {
        // Conditional Access counts all apps of a tenant together.
        let app = if workload == Workload::ConditionalAccess {
            "*"
        } else {
            &self.app
        };
        let scope = |tenant: &str, app: &str| (format!("{}|{tenant}|{app}", self.host), workload);
        let in_tenant = workload.in_tenant().map(|limit| (scope(&self.tenant, app), limit));
        let over_tenants = workload
            .over_tenants(self.processes)
            .map(|limit| (scope("*", app), limit));
        in_tenant.into_iter().chain(over_tenants).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEN: Duration = Duration::from_secs(10);

    fn limit(units: u32, seconds: u64) -> Limit {
        Limit {
            units,
            window: Duration::from_secs(seconds),
        }
    }

    /// The most units in any window.
    fn most(sent: &[Instant], window: Duration) -> usize {
        let inside = |first: &Instant| sent.iter().filter(|at| *at >= first && **at < *first + window).count();
        sent.iter().map(inside).max().unwrap_or(0)
    }

    fn key(scope: &str) -> Key {
        (scope.into(), Workload::Reports)
    }

    #[test]
    fn no_window_holds_more_than_the_limit_and_little_is_wasted() {
        let mut ledgers = Ledgers::default();
        let (start, budget) = (Instant::now(), [(key("a"), limit(5, 10))]);
        let sent: Vec<Instant> = (0..50).map(|_| ledgers.book(&budget, 1, start)).collect();
        assert_eq!(most(&sent, TEN), 5);
        // Never more than a ninth longer than a window from any request to the fifth after it.
        for pair in sent.windows(6) {
            assert!(pair[5] - pair[0] <= TEN.mul_f64(1.0 / 0.9), "{:?}", pair[5] - pair[0]);
        }
    }

    #[test]
    fn a_heavy_request_is_capped_at_the_limit() {
        let mut ledgers = Ledgers::default();
        let (start, budget) = (Instant::now(), [(key("a"), limit(5, 1))]);
        assert_eq!(ledgers.book(&budget, 9, start), start);
        assert!(ledgers.book(&budget, 1, start) >= start + Duration::from_secs(1));
    }

    #[test]
    fn one_app_in_two_tenants_holds_both_budgets_and_neither_tenant_waits_for_the_other() {
        let mut ledgers = Ledgers::default();
        let app = (key("*|app"), limit(122, 10));
        let tenant = |name: &str| [(key(name), limit(5, 10)), app.clone()];
        let start = Instant::now();
        // One tenant queues far ahead.
        let first: Vec<Instant> = (0..9).map(|_| ledgers.book(&tenant("a"), 1, start)).collect();
        let second: Vec<Instant> = (0..9).map(|_| ledgers.book(&tenant("b"), 1, start)).collect();
        assert_eq!(first, second, "the app's budget has room for both");
        assert_eq!(second[4], start);
        assert_eq!((most(&first, TEN), most(&second, TEN)), (5, 5));
    }

    #[test]
    fn a_full_budget_of_the_app_makes_every_tenant_wait_and_no_tenant_passes_its_own() {
        let mut ledgers = Ledgers::default();
        let app = (key("*|app"), limit(7, 10));
        let start = Instant::now();
        let (mut all, mut each) = (Vec::new(), vec![Vec::new(); 3]);
        for turn in 0..60 {
            let tenant = [(key(&format!("{}", turn % 3)), limit(5, 10)), app.clone()];
            let at = ledgers.book(&tenant, 1, start);
            each[turn % 3].push(at);
            all.push(at);
        }
        assert_eq!(most(&all, TEN), 7);
        assert!(each.iter().all(|sent| most(sent, TEN) <= 5));
        let last = all.iter().max().unwrap();
        let windows = (*last - start).as_secs_f64() / 10.0;
        assert!(53.0 / windows / 7.0 >= 0.9, "{windows} windows for 60 requests");
    }

    proptest! {
        #[test]
        fn no_window_of_any_budget_is_passed(asks in proptest::collection::vec((0u64..3, 1u32..4, 0u64..4_000), 1..80)) {
            let mut ledgers = Ledgers::default();
            let app = (key("*|app"), limit(9, 10));
            let start = Instant::now();
            let (mut now, mut sent) = (start, Vec::new());
            for (tenant, units, later) in asks {
                now += Duration::from_millis(later);
                let at = ledgers.book(&[(key(&tenant.to_string()), limit(5, 10)), app.clone()], units, now);
                prop_assert!(at >= now);
                sent.push((tenant, units, at));
            }
            for (_, _, from) in &sent {
                let units = |of: Option<u64>| -> u32 {
                    let inside = |at: &Instant| *at >= *from && *at < *from + TEN;
                    sent.iter().filter(|(t, _, at)| inside(at) && of.is_none_or(|of| of == *t)).map(|(_, units, _)| units).sum()
                };
                prop_assert!(units(None) <= 9);
                prop_assert!((0..3).all(|tenant| units(Some(tenant)) <= 5));
            }
        }
    }

    #[test]
    fn an_app_that_is_spread_over_processes_has_its_share_in_each() {
        let processes = |count| NonZeroU32::new(count).unwrap();
        let budgets = |count| Budget::new("h", "t", "a", processes(count), true).budgets(Workload::Reports);
        let limits = |count| budgets(count).iter().map(|(_, limit)| limit.units).collect::<Vec<_>>();
        assert_eq!(limits(1), [5, 122]);
        // What a tenant allows an app is not shared: a tenant is one process's.
        assert_eq!(limits(10), [5, 12]);
        assert_eq!(limits(500), [5, 1]);
    }

    #[test]
    fn the_time_of_many_requests_is_told() {
        assert_eq!(Workload::Reports.duration_of(5), Duration::ZERO);
        assert!(Workload::Reports.duration_of(1_000) > Duration::from_secs(30 * 60));
    }
}
