//! The documented request limits, when the lab keeps them.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use super::route::Budget;
use super::{Ask, GraphError};
use crate::record::lock;

/// Arrivals within the windows, by what they count for.
#[derive(Debug, Default)]
pub(crate) struct Budgets(Mutex<HashMap<String, VecDeque<(f64, u32)>>>);

type Notice = Vec<(&'static str, String)>;

impl Budgets {
    /// Forgets all arrivals.
    pub fn clear(&self) {
        lock(&self.0).clear();
    }

    /// Counts a request; gives the headers that go with the answer, or 429.
    pub fn spend(&self, ask: &Ask, budget: Budget) -> Result<Notice, GraphError> {
        if !ask.core.options.budgets {
            return Ok(Vec::new());
        }
        let tenant = &ask.tenant.id;
        let app = &ask.access.client_id;
        match budget {
            Budget::Reports => {
                let all = self.count(&format!("reports * {app}"), ask, 1, 122, 10_000.0);
                let wait = self
                    .count(&format!("reports {tenant} {app}"), ask, 1, 5, 10_000.0)
                    .or(all);
                wait.map_or(Ok(Vec::new()), |wait| {
                    let mut error = too_many("reports", "Application_Tenant/Reports/5per10s");
                    if ask.core.options.report_retry_after {
                        error = error.with("retry-after", format!("{}", (wait / 1000.0).ceil().max(1.0)));
                    }
                    Err(error)
                })
            }
            Budget::ConditionalAccess => {
                let wait = self.count(&format!("conditionalAccess {tenant}"), ask, 1, 1, 1_000.0);
                wait.map_or(Ok(Vec::new()), |_| {
                    Err(too_many("conditionalAccess", "Tenant/ConditionalAccess/1per1s"))
                })
            }
            Budget::Directory(base) => {
                let cost = cost(ask, base);
                let users = ask.tenant.directory.users.len();
                let limit = match users {
                    0..50 => 3_500,
                    50..=500 => 5_000,
                    _ => 8_000,
                };
                let key = format!("directory {tenant} {app}");
                let all = self.count(&format!("directory * {app}"), ask, cost, 150_000, 20_000.0);
                if let Some(wait) = self.count(&key, ask, cost, limit, 10_000.0).or(all) {
                    let wait = format!("{:.3}", (wait / 1000.0).max(0.1));
                    return Err(too_many("directory", "Tenant_Application/ReadWrite/lab").with("retry-after", wait));
                }
                let used = self.used(&key);
                let mut notice = vec![("x-ms-resource-unit", cost.to_string())];
                let share = f64::from(used) / f64::from(limit);
                if share >= 0.8 {
                    notice.push(("x-ms-throttle-limit-percentage", format!("{share:.1}")));
                }
                Ok(notice)
            }
        }
    }

    /// Counts an arrival; gives the milliseconds to wait when the window is full. A refused arrival counts too.
    fn count(&self, key: &str, ask: &Ask, cost: u32, limit: u32, window_ms: f64) -> Option<f64> {
        let now = ask.core.log.now_ms();
        let mut all = lock(&self.0);
        let arrivals = all.entry(key.to_owned()).or_default();
        while arrivals.front().is_some_and(|(at, _)| now - at >= window_ms) {
            arrivals.pop_front();
        }
        arrivals.push_back((now, cost));
        let used: u32 = arrivals.iter().map(|(_, cost)| cost).sum();
        if used <= limit {
            return None;
        }
        // The time at which enough of the window has passed for one more.
        let mut left = used;
        for (at, cost) in arrivals.iter() {
            left -= cost;
            if left < limit {
                return Some(window_ms - (now - at));
            }
        }
        Some(window_ms)
    }

    fn used(&self, key: &str) -> u32 {
        lock(&self.0)
            .get(key)
            .map_or(0, |arrivals| arrivals.iter().map(|(_, cost)| cost).sum())
    }
}

fn too_many(what: &str, scope: &str) -> GraphError {
    GraphError::new(429, "TooManyRequests", "Please retry again later.")
        .with("x-ms-throttle-scope", scope.to_owned())
        .with("x-ms-throttle-information", what.to_owned())
}

/// `$select` takes one off, `$top` under 20 too, and one is the least.
fn cost(ask: &Ask, base: u32) -> u32 {
    let parameters = ask.call.parameters();
    let has = |name: &str| parameters.iter().any(|(key, _)| key == name);
    let small = parameters
        .iter()
        .any(|(key, value)| key == "$top" && value.parse::<u32>().is_ok_and(|top| top < 20));
    (base + u32::from(has("$expand")))
        .saturating_sub(u32::from(has("$select")) + u32::from(small))
        .max(1)
}
