//! Writeback on the Connect server itself: what a set-up changes there, and what would make that fail.

use super::super::touched::synced;
use super::server::lacks_tls;
use super::{ENABLED, absent, active, is_listening, is_running, last, switched, written};
use crate::change::{Change, Kind, Write};
use crate::desired::DesiredState;
use crate::snapshot::Snapshot;
use crate::snapshot::connect::ConnectServer;
use crate::steps::Setup;
use crate::steps::service_account::versions::Version;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::ops::RangeInclusive;

pub(super) const SETUP: Setup = Setup {
    needs: ENABLED.facts,
    plan,
};

/// From this version on the engine's cmdlets for the tenant's features ask somebody to sign in. Whether this one does too is not
/// known.
const ASKS: &str = "2.6.84.0";
/// The administrator who set it up could not sign in (rows 27 and 28 of the catalogue).
const NO_TOKEN: u32 = 32009;
/// A clock that is this far off gets no token.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

fn plan(snapshot: &Snapshot, desired: &DesiredState) -> Vec<Change> {
    let Some(wanted) = desired.connect_writeback.as_ref().and_then(|wanted| wanted.enabled) else {
        return Vec::new();
    };
    if absent(snapshot).is_some() {
        return Vec::new();
    }
    let servers = active(snapshot);
    // A reset that was written proves that it is on.
    if servers.is_empty() && !(wanted && written(snapshot).is_some()) {
        let change = change("the Connect server", Value::Null, wanted).manual();
        return vec![change.touches(synced(snapshot))];
    }
    let mut changes = Vec::new();
    // A damaged snapshot may hold any number.
    let took = SignedDuration::from_millis(snapshot.duration_ms.try_into().unwrap_or(i64::MAX));
    let until = snapshot.taken_at.checked_add(took).unwrap_or(Timestamp::MAX);
    for server in servers {
        let change = of_server(server, wanted, snapshot.taken_at..=until);
        changes.extend(change.map(|change| change.touches(synced(snapshot))));
    }
    changes
}

fn change(computer: &str, now: Value, wanted: bool) -> Change {
    let title = match wanted {
        true => "Switch on password writeback in Entra Connect",
        false => "Switch off password writeback in Entra Connect",
    };
    let write = Write::Host {
        computer: computer.into(),
    };
    let mut change = Change::of(ENABLED.id, Kind::Host, title)
        .writes(computer, write, now, json!({ "enabled": wanted }))
        .requires(&["an administrator of the Connect server"]);
    let tick = if wanted { "Tick" } else { "Clear" };
    change.by_hand = vec![
        format!("On {computer}, open Microsoft Entra Connect and select Configure."),
        "Select Customize synchronization options, Next, and sign in as a Hybrid Identity Administrator whose account is in the cloud only.".into(),
        "Go on to Optional features.".into(),
        format!("{tick} Password writeback, select Next, then Configure."),
    ];
    change
}

fn of_server(server: &ConnectServer, wanted: bool, when: RangeInclusive<Timestamp>) -> Option<Change> {
    let now = switched(server);
    let heard = now.is_none() && is_listening(server);
    if now == Some(wanted) || heard && wanted {
        return None;
    }
    let before = now.map_or(Value::Null, |now| json!({ "enabled": now }));
    let mut change = change(&server.computer, before, wanted);
    change.id = format!("{}:{}", ENABLED.id, server.computer);
    let mut hindered = String::new();
    if wanted {
        hindered = hindrances(server, when);
        if last(server, &[NO_TOKEN]).is_some() {
            hindered.push_str("The last one who set it up could not sign in (event 32009): that account must be in the cloud only, not federated.");
        }
    }
    let version = server.version.as_deref().and_then(|text| text.parse::<Version>().ok());
    let asks = version.is_none_or(|version| ASKS.parse().is_ok_and(|first| version >= first));
    let alone = now.is_some() && !asks && hindered.is_empty();
    if !hindered.is_empty() {
        change.risk = Some(hindered.trim_end().into());
    }
    Some(match alone {
        true => change,
        false => change.manual(),
    })
}

/// What makes switching on fail, as far as the server shows it that was read in this time; empty where nothing does.
pub fn hindrances(server: &ConnectServer, when: RangeInclusive<Timestamp>) -> String {
    let mut told = String::new();
    if is_running(server) == Some(false) {
        told.push_str("Its service ADSync does not run: start it first. ");
    }
    if lacks_tls(server) {
        told.push_str("TLS 1.2 is not switched on for good: set the values that Microsoft's page lists first. ");
    }
    let is_off = |own: Timestamp| when.start().duration_since(own) > SKEW || own.duration_since(*when.end()) > SKEW;
    if server.read_at.is_some_and(is_off) {
        told.push_str("Its clock is more than five minutes off, or it was read at another time: see to that first. ");
    }
    told
}

/// How it stands on every active server, where that is known and the same.
pub fn current(snapshot: &Snapshot) -> Option<bool> {
    let mut same = None;
    for server in active(snapshot) {
        let state = switched(server).or_else(|| is_listening(server).then_some(true))?;
        if same.is_some_and(|same| same != state) {
            return None;
        }
        same = Some(state);
    }
    same
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_hinders() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let when = at("2026-11-23T09:00:00Z")..=at("2026-11-23T09:10:00Z");
        for (clock, is_off) in [
            ("2026-11-23T08:54:00Z", true),
            ("2026-11-23T08:56:00Z", false),
            ("2026-11-23T09:14:00Z", false),
            ("2026-11-23T09:16:00Z", true),
        ] {
            let server = ConnectServer {
                read_at: Some(at(clock)),
                ..ConnectServer::default()
            };
            assert_eq!(hindrances(&server, when.clone()).contains("clock"), is_off, "{clock}");
        }
    }
}
