//! The services' documented request budgets, kept by everything in the process that shares them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What a request counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Workload {
    /// Directory objects: 3,500 units in 10 s for the app in a (small) tenant.
    Directory,
    /// Audit logs and the authentication methods' reports: 5 in 10 s for the app in a tenant, 122 over all tenants.
    Reports,
    /// Conditional Access: 1 in a second for the tenant, all apps together.
    ConditionalAccess,
    /// The portal's back end: not documented; taken gently.
    Portal,
    /// Tokens: not documented.
    Tokens,
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
            Workload::Tokens => None,
        }
    }

    /// For one app over all its tenants.
    fn over_tenants(self) -> Option<Limit> {
        match self {
            Workload::Reports => Some(Limit {
                units: 122,
                window: Duration::from_secs(10),
            }),
            _ => None,
        }
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

/// One budget: the moments at which its units were or will be spent.
#[derive(Debug)]
struct Ledger {
    limit: Limit,
    spent: Mutex<VecDeque<(Instant, u32)>>,
}

impl Ledger {
    fn new(limit: Limit) -> Self {
        Ledger {
            limit,
            spent: Mutex::default(),
        }
    }

    /// Books units at the earliest moment that keeps every window within the limit.
    fn book(&self, units: u32, not_before: Instant) -> Instant {
        let units = units.clamp(1, self.limit.units);
        let window = self.limit.window.mul_f64(MARGIN);
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at = spent.back().map_or(not_before, |(last, _)| not_before.max(*last));
        loop {
            while spent.front().is_some_and(|(moment, _)| *moment + window <= at) {
                spent.pop_front();
            }
            let used: u32 = spent.iter().map(|(_, units)| units).sum();
            match spent.front() {
                Some((oldest, _)) if used + units > self.limit.units => at = *oldest + window,
                _ => break,
            }
        }
        spent.push_back((at, units));
        at
    }
}

type Key = (String, Workload);
static LEDGERS: LazyLock<Mutex<HashMap<Key, Arc<Ledger>>>> = LazyLock::new(Mutex::default);

fn ledger(scope: String, workload: Workload, limit: Limit) -> Arc<Ledger> {
    let mut ledgers = LEDGERS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(
        ledgers
            .entry((scope, workload))
            .or_insert_with(|| Arc::new(Ledger::new(limit))),
    )
}

/// The budgets of one app in one tenant.
#[derive(Clone, Debug)]
pub struct Budget {
    host: String,
    tenant: String,
    app: String,
    on: bool,
}

impl Budget {
    /// The budgets of an app in a tenant, reached at a host.
    pub fn new(host: &str, tenant: &str, app: &str, on: bool) -> Self {
        Budget {
            host: host.into(),
            tenant: tenant.into(),
            app: app.into(),
            on,
        }
    }

    /// Waits until a request of so many units may be sent.
    pub async fn spend(&self, workload: Workload, units: u32) {
        if !self.on {
            return;
        }
        let mut at = Instant::now();
        if let Some(limit) = workload.in_tenant() {
            // Conditional Access counts all apps of a tenant together.
            let app = if workload == Workload::ConditionalAccess {
                "*"
            } else {
                &self.app
            };
            at = ledger(format!("{}|{}|{app}", self.host, self.tenant), workload, limit).book(units, at);
        }
        if let Some(limit) = workload.over_tenants() {
            at = ledger(format!("{}|*|{}", self.host, self.app), workload, limit).book(units, at);
        }
        tokio::time::sleep_until(at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_window_holds_more_than_the_limit_and_little_is_wasted() {
        let ledger = Ledger::new(Limit {
            units: 5,
            window: Duration::from_secs(10),
        });
        let start = Instant::now();
        let sent: Vec<Instant> = (0..50).map(|_| ledger.book(1, start)).collect();
        for first in &sent {
            let inside = sent
                .iter()
                .filter(|at| *at >= first && **at < *first + Duration::from_secs(10))
                .count();
            assert!(inside <= 5, "{inside} in one window");
        }
        let rate = 45.0 / (sent[49] - sent[4]).as_secs_f64() * 10.0;
        assert!(rate >= 4.5, "{rate} in 10 s, 5 are allowed");
    }

    #[test]
    fn a_heavy_request_is_capped_at_the_limit() {
        let ledger = Ledger::new(Limit {
            units: 5,
            window: Duration::from_secs(1),
        });
        let start = Instant::now();
        assert_eq!(ledger.book(9, start), start);
        assert!(ledger.book(1, start) >= start + Duration::from_secs(1));
    }

    #[test]
    fn the_time_of_many_requests_is_told() {
        assert_eq!(Workload::Reports.duration_of(5), Duration::ZERO);
        assert!(Workload::Reports.duration_of(1_000) > Duration::from_secs(30 * 60));
    }
}
