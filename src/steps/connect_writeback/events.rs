//! What the events of the Connect server tell, by the failure catalogue.

use super::{TROUBLESHOOT, computers, last, reading};
use crate::catalogue::{self, FAILED, OF_A_USER, Row, WRITTEN};
use crate::finding::{Check, Finding, Severity, counted};
use crate::snapshot::Snapshot;
use crate::snapshot::connect::{ConnectServer, SyncEvent};
use crate::steps::on_premises::total;
use crate::steps::policy::date;

pub(super) const EVENTS: Check = Check {
    id: "connect_writeback.events",
    title: "What its events tell",
    looks_at: "Events of PasswordResetService and ADSync in the Connect server's Application log of the last days, each known failure by its cause (docs/catalogue.md).",
    why: "The user sees one error for thirty causes; the server's log tells which it was.",
    doc: TROUBLESHOOT,
    decides: false,
    facts: super::FACTS,
};

/// The service reached Microsoft when these came.
const REACHED: [u32; 3] = [31015, 31017, 31019];
/// What is over as soon as it reaches Microsoft again: no service bus, no connection, a certificate, a bad answer.
const OF_THE_WAY: [u32; 6] = [31034, 31044, 32001, 32002, 32008, 6800];
/// What keeps the service from all users while its heart beats: only a password that was written shows that it is over.
const OF_THE_SERVICE: [u32; 9] = [32000, 32003, 32004, 32005, 32007, 32009, 32010, 32011, 32013];
/// What a user can do wrong: the old password, or a new one that the policy refuses.
const OF_THE_USER_S_OWN: [u32; 2] = [33007, 33008];

/// The catalogue's row of a denial, in which other causes end too.
const DENIED: u8 = 1;

fn is_of_a_user(event: &SyncEvent) -> bool {
    OF_A_USER.contains(&event.id) || matches!(event.id, 6306 | 6329)
}

fn sum(server: &ConnectServer, ids: &[u32]) -> u64 {
    let counts = server
        .events
        .iter()
        .filter(|event| ids.contains(&event.id))
        .map(|event| event.count);
    total(counts)
}

/// A failure, and its cause where the catalogue knows it.
struct Failure<'a> {
    server: &'a ConnectServer,
    event: &'a SyncEvent,
    row: Option<&'static Row>,
}

impl Failure<'_> {
    fn cause(&self) -> String {
        match self.row {
            Some(row) => row.cause.into(),
            None => format!("event {} of {}", self.event.id, self.event.provider),
        }
    }

    fn seen(&self) -> String {
        let event = self.event;
        let text = if event.line.is_empty() {
            String::new()
        } else {
            format!(", {}", event.line)
        };
        let cause = self.row.map_or_else(String::new, |row| {
            format!(": {} (catalogue, row {})", row.cause, row.number)
        });
        let last = event
            .last
            .map_or_else(String::new, |at| format!(", last on {}", date(at)));
        let times = counted(event.count, "time", "times");
        format!(
            "{}: event {} {times}{last}{text}{cause}",
            self.server.computer, event.id
        )
    }
}

pub(super) fn events(snapshot: &Snapshot, servers: &[&ConnectServer]) -> Finding {
    let read = match reading(&EVENTS, servers, "events") {
        Ok(read) => read,
        Err(finding) => return *finding,
    };
    let failures = |wanted: fn(&SyncEvent) -> bool| {
        let events = read
            .iter()
            .copied()
            .flat_map(|server| server.events.iter().map(move |event| (server, event)));
        let failure = |(server, event)| Failure {
            server,
            event,
            row: catalogue::recognised(event),
        };
        let mut all: Vec<Failure<'_>> = events.filter(|(_, event)| wanted(event)).map(failure).collect();
        // What is known goes before what is not, a cause before the denial that it ends in, what is frequent before what is rare.
        let rank = |failure: &Failure<'_>| match failure.row.map(|row| row.number) {
            Some(DENIED) => 1,
            Some(_) => 0,
            None => 2,
        };
        all.sort_by_key(|failure| (rank(failure), std::cmp::Reverse(failure.event.count)));
        all
    };
    let service = failures(|event| OF_THE_WAY.contains(&event.id) || OF_THE_SERVICE.contains(&event.id));
    let users = failures(is_of_a_user);
    // What was well again afterwards is history.
    let open = service.iter().find(|failure| {
        let well = match OF_THE_WAY.contains(&failure.event.id) {
            true => last(failure.server, &[REACHED.as_slice(), &WRITTEN].concat()),
            false => last(failure.server, &WRITTEN),
        };
        failure
            .event
            .last
            .is_none_or(|failed| well.is_none_or(|well| well < failed))
    });
    let all = |ids: &[u32]| total(read.iter().map(|server| sum(server, ids)));
    let (written, failed) = (all(&WRITTEN), all(&FAILED));
    let since = read.iter().filter_map(|server| server.events_since).min();
    let since = since.map_or_else(String::new, |since| format!(" since {}", date(since)));
    let finding = if let Some(failure) = open {
        let fix = failure
            .row
            .map_or("Look at the event's text on the server.", |row| row.fix);
        EVENTS
            .fail(
                Severity::High,
                format!("{}: {}", failure.server.computer, failure.cause()),
            )
            .reason(format!(
                "Event {} came after the last sign that password writeback was well.",
                failure.event.id
            ))
            .fix(fix)
    } else if let Some(failure) = users.first() {
        let of = failed.saturating_add(written);
        let title = match failed {
            0 => format!("resets failed{since}: {}", failure.cause()),
            _ => format!("{failed} of {of} resets failed{since}: {}", failure.cause()),
        };
        let finding = match written {
            // Nothing at all was written, and not for what the users typed.
            0 if failed > 0
                && !users
                    .iter()
                    .all(|failure| OF_THE_USER_S_OWN.contains(&failure.event.id)) =>
            {
                EVENTS.fail(Severity::High, title)
            }
            _ => EVENTS.warn(Severity::Medium, title),
        };
        finding.reason("Each of these was a user who got no new password.").fix(
            failure
                .row
                .map_or("Look at the events' texts on the server.", |row| row.fix),
        )
    } else if failed > 0 {
        EVENTS
            .warn(
                Severity::Medium,
                format!("{failed} of {} resets failed{since}", failed.saturating_add(written)),
            )
            .reason("No event says why.")
            .fix("Look at the server's Application log.")
    } else if let Some(server) = read.iter().find(|server| server.events_cut) {
        EVENTS.skipped(
            format!("no failure among the newest events of {}", server.computer),
            "The log held more events than are read, so that older ones are not known.",
        )
    } else {
        let what = match written {
            0 => format!("no failure{since}, and no reset"),
            _ => format!("{} written{since}, none failed", counted(written, "reset", "resets")),
        };
        EVENTS.pass(format!("{}: {what}", computers(&read)))
    };
    let fact = &snapshot.facts.connect_servers;
    let finding = read.iter().fold(finding, |finding, server| {
        let seen = format!(
            "{}: {} written, {} failed{since}",
            server.computer,
            sum(server, &WRITTEN),
            sum(server, &FAILED)
        );
        finding.evidence(fact, seen)
    });
    let told = service.iter().chain(&users).take(20);
    told.fold(finding, |finding, failure| finding.evidence(fact, failure.seen()))
}
