//! The legs of a reset's way, what each source says of them, and what that comes to.

use crate::catalogue::{self, Clue, FAILED, OF_A_USER, Row, WRITTEN};
use crate::snapshot::audit::agent;
use crate::sync_engine::folded;
use crate::text::is_hostile;
use jiff::Timestamp;
use serde_json::{Value, json};

/// What the user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A new password.
    Reset,
    /// An unlock, with the password that there is.
    Unlock,
}

impl Action {
    /// Its name in a document.
    pub fn name(self) -> &'static str {
        match self {
            Action::Reset => "Reset",
            Action::Unlock => "Unlock",
        }
    }

    /// Whether the log calls it so.
    fn is(self, activity: &str) -> bool {
        let start = match self {
            Action::Reset => "reset password",
            Action::Unlock => "unlock",
        };
        activity.starts_with(start) && activity.contains("self-service")
    }
}

/// A part of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// The user shows who that is.
    Verification,
    /// Entra Connect's server takes it.
    Connect,
    /// The directory has it.
    Directory,
    /// Microsoft Entra's last word.
    Cloud,
    /// Which agent wrote it.
    Agent,
}

/// All, in the order of the way.
pub const LEGS: [Leg; 5] = [Leg::Verification, Leg::Connect, Leg::Directory, Leg::Cloud, Leg::Agent];

impl Leg {
    /// Its name in a document.
    pub fn name(self) -> &'static str {
        match self {
            Leg::Verification => "Verification",
            Leg::Connect => "Connect",
            Leg::Directory => "Directory",
            Leg::Cloud => "Cloud",
            Leg::Agent => "Agent",
        }
    }

    /// What it is in words.
    fn words(self) -> &'static str {
        match self {
            Leg::Verification => "the verification",
            Leg::Connect => "the Connect server's event",
            Leg::Directory => "the change in the directory",
            Leg::Cloud => "Microsoft Entra's record",
            Leg::Agent => "the agent's name",
        }
    }
}

/// How far a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody looks there.
    NotWatched,
    /// The way does not lead there.
    NotApplicable,
    /// It has not come.
    Awaited,
    /// It was there.
    Came,
    /// It ended there.
    Failed,
    /// Its source says nothing of it, and need not.
    NotShown,
}

/// What is known of a leg.
#[derive(Clone, Debug)]
struct Known {
    state: State,
    at: Option<Timestamp>,
    source: String,
    detail: String,
    fix: Option<&'static str>,
    /// Why its source does not answer.
    unread: Option<String>,
    /// Whether that was told.
    told: bool,
}

/// What a source says of a leg.
#[derive(Debug)]
pub struct News {
    leg: Leg,
    state: State,
    at: Timestamp,
    source: String,
    detail: String,
    fix: Option<&'static str>,
}

impl News {
    /// Of which leg.
    pub fn leg(&self) -> Leg {
        self.leg
    }
}

/// What of a user the directory holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// `pwdLastSet`, as a time of Windows.
    pub password_set: i64,
    /// The same as a time.
    pub password_at: Option<Timestamp>,
    /// Whether `lockoutTime` is set.
    pub locked: bool,
}

/// What the right to unexpire is for.
const UNEXPIRE: &str = "Grant Unexpire Password on the domain's root: New-SsprPlan -Step directory_permissions. Until then the \
    user must change the password at the next sign-in.";
/// What a reset that no agent wrote lacks.
const NO_AGENT: &str =
    "See whether writeback is on and its agent runs: Test-SsprReadiness -Step cloud_writeback, connect_writeback.";
/// What somebody can do whose verification failed.
const NOT_VERIFIED: &str =
    "The user may try again. Whether reset is on for this user, and which methods count: Test-SsprUser.";
const BLOCKED: &str = "Too many tries: self-service reset is closed to this user for 24 hours.";
const NOT_LOCKED: &str = "the account was not locked";

/// Events of a Connect server that took a request.
const BEGUN: [u32; 3] = [31001, 31006, 31009];

/// Two events of one request lie no further apart.
const NEAR_SECONDS: i64 = 60;
/// What the engine says of a request stands so near to it.
const ENGINE_SECONDS: i64 = 5;
/// Of these the engine says more: that something is not known, and that it was denied.
const ENGINE_S: [u32; 2] = [33001, 33004];

/// A user's reset on its way.
#[derive(Debug)]
pub struct Watch {
    action: Action,
    begun: Timestamp,
    known: [Known; 5],
    /// What names the user in an event of a Connect server, in small letters.
    names: Vec<String>,
    /// The tracking ids of events that named the user.
    tracked: Vec<String>,
    before: Option<Account>,
    was_locked: bool,
}

impl Watch {
    /// One of which nothing is looked at yet.
    pub fn new(action: Action, begun: Timestamp, names: &[&str]) -> Self {
        let known = Known {
            state: State::NotWatched,
            at: None,
            source: String::new(),
            detail: String::new(),
            fix: None,
            unread: None,
            told: false,
        };
        Watch {
            action,
            begun,
            known: std::array::from_fn(|_| known.clone()),
            names: names
                .iter()
                .filter(|name| name.len() > 3)
                .map(|name| name.to_lowercase())
                .collect(),
            tracked: Vec::new(),
            before: None,
            was_locked: false,
        }
    }

    /// Says where a leg will be seen.
    pub fn await_leg(&mut self, leg: Leg, source: impl Into<String>) {
        let known = &mut self.known[leg as usize];
        known.state = State::Awaited;
        known.source = source.into();
    }

    /// Says why a leg is not looked at.
    pub fn leave(&mut self, leg: Leg, why: impl Into<String>) {
        self.known[leg as usize].detail = why.into();
    }

    /// Since when it is watched.
    pub fn begun(&self) -> Timestamp {
        self.begun
    }

    /// Says why a source of legs does not answer, or that it does. The leg to tell that of, the first time.
    pub fn unread(&mut self, legs: &[Leg], why: Option<&str>) -> Option<Leg> {
        let mut first = None;
        for leg in legs {
            let known = &mut self.known[*leg as usize];
            known.unread = why.map(plain);
            if why.is_some() && known.state == State::Awaited && !known.told {
                known.told = true;
                first = first.or(Some(*leg));
            }
        }
        first
    }

    /// Says that the way of a user of the cloud alone does not lead there.
    pub fn skip(&mut self, leg: Leg) {
        self.known[leg as usize].state = State::NotApplicable;
        self.leave(leg, "a user of the cloud alone");
    }

    /// Whether a leg is looked at.
    pub fn is_watched(&self, leg: Leg) -> bool {
        !matches!(self.known[leg as usize].state, State::NotWatched | State::NotApplicable)
    }

    /// Whether there is nothing more to wait for: all has come that must.
    pub fn is_whole(&self) -> bool {
        !self.is_open() && !LEGS.iter().any(|leg| self.fails(*leg))
    }

    /// Whether something that must come has not.
    fn is_open(&self) -> bool {
        let must = |leg: &Leg| match leg {
            Leg::Verification | Leg::Agent => false,
            // No event of an unlock is documented.
            Leg::Connect => self.action == Action::Reset,
            Leg::Directory | Leg::Cloud => true,
        };
        LEGS.iter()
            .any(|leg| must(leg) && self.known[*leg as usize].state == State::Awaited)
    }

    /// Whether it ended there. A verification that anything followed did not fail for good.
    fn fails(&self, leg: Leg) -> bool {
        let was_followed = || {
            self.known[Leg::Verification as usize + 1..]
                .iter()
                .any(|known| known.at.is_some())
        };
        self.known[leg as usize].state == State::Failed && (leg != Leg::Verification || !was_followed())
    }

    /// Whether Microsoft Entra has said that it failed, or all has come and something failed.
    pub fn has_failed(&self) -> bool {
        let state = |leg: Leg| self.known[leg as usize].state;
        let last_word = if self.is_watched(Leg::Cloud) {
            Leg::Cloud
        } else {
            Leg::Connect
        };
        let all_came = !self.is_open() && LEGS.into_iter().any(|leg| self.fails(leg));
        all_came
            || state(last_word) == State::Failed
            || (!self.is_watched(last_word) && state(Leg::Directory) == State::Failed)
    }

    /// Whether a leg failed after the user had shown who that is. A second try may yet come.
    pub fn is_failing(&self) -> bool {
        let after = LEGS.into_iter().filter(|leg| *leg != Leg::Verification);
        after.into_iter().any(|leg| self.fails(leg))
    }

    /// What an event of the audit log says, in Graph's form, of this user.
    pub fn audited(&self, event: &Value) -> Vec<News> {
        let activity = event["activityDisplayName"].as_str().unwrap_or_default().to_lowercase();
        let Some(at) = event["activityDateTime"].as_str().and_then(|at| at.parse().ok()) else {
            return Vec::new();
        };
        let reason = plain(event["resultReason"].as_str().unwrap_or_default());
        let succeeded = event["result"] == "success";
        let news = |leg, state, detail: String, fix| News {
            leg,
            state,
            at,
            source: self.known[leg as usize].source.clone(),
            detail,
            fix,
        };
        if activity.starts_with("blocked from self-service") {
            return vec![news(Leg::Cloud, State::Failed, reason, Some(BLOCKED))];
        }
        let is_step = activity.contains("flow activity progress");
        if !is_step && !self.action.is(&activity) {
            return Vec::new();
        }
        if !succeeded {
            let clue = Clue {
                text: &reason,
                ..Clue::default()
            };
            let row = catalogue::resolve(&clue).first().map(|(row, _)| *row);
            let detail = row.map_or_else(|| reason.clone(), |row| in_catalogue(&reason, row));
            let fix = row.map(|row| row.fix);
            return vec![match is_step {
                true => news(Leg::Verification, State::Failed, detail, fix.or(Some(NOT_VERIFIED))),
                false => news(Leg::Cloud, State::Failed, detail, fix),
            }];
        }
        if is_step {
            return vec![news(Leg::Verification, State::Came, reason, None)];
        }
        let mut all = vec![news(Leg::Cloud, State::Came, reason, None)];
        if self.is_watched(Leg::Agent) {
            let agent = agent(event).map(plain);
            all.push(match agent {
                None => news(
                    Leg::Agent,
                    State::NotShown,
                    "the record names no agent; Microsoft documents it of resets by administrators".into(),
                    None,
                ),
                Some(agent) if agent.is_empty() || agent.eq_ignore_ascii_case("none") => {
                    news(Leg::Agent, State::Failed, "no agent wrote it".into(), Some(NO_AGENT))
                }
                Some(agent) => news(Leg::Agent, State::Came, agent, None),
            });
        }
        all
    }

    /// What an event of a Connect server says of this user, among those that stand around it.
    pub fn logged(&mut self, computer: &str, event: &Value, around: &[&Value]) -> Vec<News> {
        let (Some(id), Some(at)) = (
            event["id"].as_u64().and_then(|id| u32::try_from(id).ok()),
            event["at"].as_str().and_then(|at| at.parse().ok()),
        ) else {
            return Vec::new();
        };
        let message = event["message"].as_str().unwrap_or_default();
        let small = message.to_lowercase();
        let tracking = tracking(&small);
        let is_named = self.names.iter().any(|name| holds(&small, name));
        let is_tracked = tracking.is_some_and(|id| self.tracked.iter().any(|known| known == id));
        if event["provider"] != "PasswordResetService" || !(is_named || is_tracked) {
            return Vec::new();
        }
        if let Some(tracking) = tracking.filter(|_| !is_tracked) {
            self.tracked.push(tracking.into());
        }
        let (state, detail, fix) = if WRITTEN.contains(&id) {
            (State::Came, format!("event {id}: written"), None)
        } else if FAILED.contains(&id) || OF_A_USER.contains(&id) {
            let clue = Clue {
                text: message,
                id: Some(id),
                provider: Some("PasswordResetService"),
            };
            let own = catalogue::resolve(&clue).first().map(|(row, _)| *row);
            let row = engine(id, at, around).or(own);
            let cause = row.map_or_else(|| "failed".into(), |row| in_catalogue(row.cause, row));
            (State::Failed, format!("event {id}: {cause}"), row.map(|row| row.fix))
        } else if BEGUN.contains(&id) {
            (State::Awaited, format!("event {id}: begun"), None)
        } else {
            return Vec::new();
        };
        vec![News {
            leg: Leg::Connect,
            state,
            at,
            source: plain(computer),
            detail,
            fix,
        }]
    }

    /// What the directory holds of the user says.
    pub fn looked(&mut self, now: &Account, at: Timestamp) -> Vec<News> {
        let before = *self.before.get_or_insert(*now);
        let was_locked = self.was_locked;
        self.was_locked |= now.locked;
        let news = |state, at, detail: &str, fix| {
            vec![News {
                leg: Leg::Directory,
                state,
                at,
                source: self.known[Leg::Directory as usize].source.clone(),
                detail: detail.into(),
                fix,
            }]
        };
        match self.action {
            Action::Unlock if was_locked && !now.locked => news(State::Came, at, "lockoutTime is cleared", None),
            Action::Reset if now.password_set == before.password_set => Vec::new(),
            Action::Reset => {
                let locked = now.locked;
                // Each change is told once: from here on it is what was before.
                self.before = Some(*now);
                match now.password_at {
                    None => news(
                        State::Failed,
                        at,
                        "the password must be changed at the next sign-in: pwdLastSet is 0 (catalogue, row 32)",
                        Some(UNEXPIRE),
                    ),
                    Some(set) if locked => {
                        news(State::Came, set, "pwdLastSet is new; the account is still locked", None)
                    }
                    Some(set) => news(State::Came, set, "pwdLastSet is new", None),
                }
            }
            Action::Unlock => {
                // What is not locked cannot be unlocked: said where the leg is shown without having come.
                self.known[Leg::Directory as usize].detail = match self.was_locked {
                    true => String::new(),
                    false => NOT_LOCKED.into(),
                };
                Vec::new()
            }
        }
    }

    /// What the user must do before the action can be seen.
    pub fn first(&self) -> Option<&'static str> {
        let is_open = self.action == Action::Unlock && self.before.is_some() && !self.was_locked;
        is_open.then_some("The account is not locked in the directory: wrong passwords until it is come first.")
    }

    /// Notes news. False where they are older than what is known, or the same.
    pub fn note(&mut self, news: News) -> bool {
        let known = &mut self.known[news.leg as usize];
        let is_last = known.at.is_none_or(|at| at <= news.at);
        let is_new = known.at != Some(news.at) || known.detail != news.detail;
        let is_near = known
            .at
            .is_some_and(|at| news.at.duration_since(at).as_secs().abs() < NEAR_SECONDS);
        // What a server says at one time: the outcome counts, not the begin; the cause, not that it failed.
        let is_less = match news.state {
            State::Awaited => known.at == Some(news.at),
            State::Failed => is_near && known.state == State::Failed && known.fix.is_some() && news.fix.is_none(),
            _ => false,
        };
        if !is_last || !is_new || is_less {
            return false;
        }
        *known = Known {
            state: news.state,
            at: Some(news.at),
            source: news.source,
            detail: news.detail,
            fix: news.fix,
            ..known.clone()
        };
        true
    }

    /// Those that are awaited, in words.
    pub fn awaited(&self) -> String {
        let open = LEGS
            .iter()
            .filter(|leg| self.known[**leg as usize].state == State::Awaited);
        open.map(|leg| leg.words()).collect::<Vec<_>>().join(", ")
    }

    /// A leg as a document. `ended`: what has not come, is missing.
    pub fn leg(&self, leg: Leg, ended: bool) -> Value {
        let known = &self.known[leg as usize];
        let first = self.known.iter().filter_map(|known| known.at).min();
        let after = known
            .at
            .zip(first)
            .map(|(at, first)| at.duration_since(first).as_secs_f64());
        let status = match known.state {
            State::NotWatched => "NotWatched",
            State::NotApplicable => "NotApplicable",
            State::Awaited if ended => "Missing",
            State::Awaited => "Awaited",
            State::Came => "Came",
            State::Failed => "Failed",
            State::NotShown => "NotShown",
        };
        let unread = known.unread.as_ref().filter(|_| known.state == State::Awaited);
        let detail = unread.map_or_else(|| known.detail.clone(), |why| format!("not read: {why}"));
        json!({
            "leg": leg.name(), "status": status, "at": known.at, "afterSeconds": after, "source": known.source,
            "detail": detail, "fix": known.fix,
        })
    }

    /// What it came to.
    pub fn document(&self, user: &str, ended: Timestamp) -> Value {
        let state = |leg: Leg| self.known[leg as usize].state;
        let all = |wanted: State| LEGS.into_iter().filter(move |leg| state(*leg) == wanted);
        let words = |legs: &mut dyn Iterator<Item = Leg>| legs.map(Leg::words).collect::<Vec<_>>().join(", ");
        let what = match self.action {
            Action::Reset => "reset",
            Action::Unlock => "unlock",
        };
        let seen = words(&mut all(State::Came));
        let failed = LEGS.into_iter().find(|leg| self.fails(*leg));
        let (verdict, headline) = match failed {
            Some(leg) => {
                let known = &self.known[leg as usize];
                let why = if known.detail.is_empty() {
                    "no reason was given"
                } else {
                    &known.detail
                };
                ("Failed", format!("The {what} failed: {}: {why}", leg.words()))
            }
            None if self.is_whole() => {
                let dark = words(&mut all(State::NotWatched));
                let dark = if dark.is_empty() {
                    dark
                } else {
                    format!(" Not watched: {dark}.")
                };
                ("Worked", format!("The {what} worked: seen were {seen}.{dark}"))
            }
            None => {
                let is_unread = |leg: &Leg| self.known[*leg as usize].unread.is_some();
                let unread = words(&mut all(State::Awaited).filter(is_unread));
                let unread = if unread.is_empty() {
                    unread
                } else {
                    format!(" Not read at the end: {unread}.")
                };
                let open = words(&mut all(State::Awaited).filter(|leg| !is_unread(leg)));
                match (seen.as_str(), open.as_str()) {
                    ("", _) => ("Missing", format!("No {what} was seen.{unread}")),
                    (_, "") => (
                        "Incomplete",
                        format!("Not the whole {what} was seen: {seen} came.{unread}"),
                    ),
                    _ => {
                        // Each step of the verification is a record: that one came does not say that the user passed.
                        let verification = &self.known[Leg::Verification as usize];
                        let step = match seen == Leg::Verification.words() && !verification.detail.is_empty() {
                            true => format!(" Its last step: {}.", verification.detail.trim_end_matches('.')),
                            false => String::new(),
                        };
                        (
                            "Incomplete",
                            format!("Not the whole {what} was seen: {open} did not come; {seen} did.{step}{unread}"),
                        )
                    }
                }
            }
        };
        json!({
            "user": user, "action": self.action.name(), "verdict": verdict, "headline": headline,
            "begunAt": self.begun, "endedAt": ended, "legs": LEGS.map(|leg| self.leg(leg, true)),
        })
    }
}

/// What failed, with where the catalogue has it.
fn in_catalogue(what: &str, row: &Row) -> String {
    format!("{what} (catalogue, row {})", row.number)
}

/// The cause that the engine's event next to a failed request tells.
fn engine(id: u32, at: Timestamp, around: &[&Value]) -> Option<&'static Row> {
    let distance = |event: &Value| {
        let other: Timestamp = event["at"].as_str()?.parse().ok()?;
        Some(other.duration_since(at).as_secs().abs()).filter(|seconds| *seconds <= ENGINE_SECONDS)
    };
    let of_engine = around
        .iter()
        .filter(|event| ENGINE_S.contains(&id) && event["provider"] == "ADSync");
    let mut near: Vec<(i64, &Value)> = of_engine.filter_map(|event| Some((distance(event)?, *event))).collect();
    near.sort_by_key(|(seconds, _)| *seconds);
    near.into_iter().find_map(|(_, event)| {
        folded(std::slice::from_ref(event))
            .first()
            .and_then(catalogue::recognised)
    })
}

/// The id by which a server's events of one request belong together.
fn tracking(message: &str) -> Option<&str> {
    let rest = &message[message.find("trackingid:")? + "trackingid:".len()..];
    let id = rest.trim_start().split([',', ' ', '\r', '\n']).next()?;
    (id.len() >= 8).then_some(id)
}

/// Whether a text holds a name that is not part of a longer one.
fn holds(text: &str, name: &str) -> bool {
    let is_of_name = |c: char| c.is_alphanumeric() || "@._-+'".contains(c);
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let mut after = text[at + name.len()..].chars();
        // A full stop may end a sentence.
        let next = after.next();
        let is_end = match next {
            Some('.') => !after.next().is_some_and(is_of_name),
            next => !next.is_some_and(is_of_name),
        };
        is_end && !before.is_some_and(is_of_name)
    })
}

/// Another's text in one line, without what turns the reading direction.
pub fn plain(text: &str) -> String {
    let plain = |letter: char| if is_hostile(letter) { ' ' } else { letter };
    text.trim().chars().take(300).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "33333333-3333-3333-3333-333333333331";

    fn at(second: i64) -> Timestamp {
        "2026-11-28T10:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(second)
    }

    fn watched(action: Action) -> Watch {
        let anchor = format!("user_{ID}");
        let mut watch = Watch::new(action, at(0), &["ann@contoso.example", "", &anchor]);
        for leg in LEGS {
            watch.await_leg(leg, leg.name());
        }
        watch.looked(&account(100, action == Action::Unlock), at(0));
        watch
    }

    fn account(second: i64, locked: bool) -> Account {
        Account {
            password_set: second,
            password_at: (second > 0).then(|| at(second - 100)),
            locked,
        }
    }

    fn audit(activity: &str, second: i64, result: &str, reason: &str, agent: Option<&str>) -> Value {
        let details: Vec<Value> = agent
            .iter()
            .map(|agent| json!({"key": "OnPremisesAgent", "value": agent}))
            .collect();
        json!({
            "activityDisplayName": activity, "activityDateTime": at(second), "result": result, "resultReason": reason,
            "additionalDetails": details,
        })
    }

    fn reset(second: i64, agent: Option<&str>) -> Value {
        audit(
            "Reset password (self-service)",
            second,
            "success",
            "Successfully completed reset.",
            agent,
        )
    }

    fn event(id: u64, second: i64, message: &str) -> Value {
        json!({"provider": "PasswordResetService", "id": id, "at": at(second), "message": message})
    }

    fn note(watch: &mut Watch, news: Vec<News>) -> usize {
        news.into_iter()
            .filter(|_| true)
            .map(|one| usize::from(watch.note(one)))
            .sum()
    }

    fn statuses(watch: &Watch) -> Vec<String> {
        let status = |leg: Leg| watch.leg(leg, true)["status"].as_str().unwrap().to_string();
        LEGS.into_iter().map(status).collect()
    }

    fn verdict(watch: &Watch) -> String {
        watch.document("ann", at(99))["verdict"].as_str().unwrap().into()
    }

    /// What the whole of it is made of, in any order.
    fn play(order: &[usize]) -> Watch {
        let mut watch = watched(Action::Reset);
        for part in order {
            let news = match part {
                0 => watch.audited(&audit(
                    "Self-service password reset flow activity progress",
                    5,
                    "success",
                    "User passed",
                    None,
                )),
                1 => watch.logged(
                    "aad1",
                    &event(
                        31001,
                        9,
                        "TrackingId: 12345678-1, UserPrincipalName: ann@contoso.example",
                    ),
                    &[],
                ),
                2 => watch.logged("aad1", &event(31002, 11, "TrackingId: 12345678-1, written"), &[]),
                3 => watch.looked(&account(110, false), at(12)),
                _ => watch.audited(&reset(13, Some("Microsoft Entra Connect"))),
            };
            note(&mut watch, news);
        }
        watch
    }

    #[test]
    fn the_legs_come_in_any_order() {
        for order in [[0, 1, 2, 3, 4], [4, 3, 1, 2, 0], [3, 1, 4, 0, 2]] {
            let watch = play(&order);
            assert!(watch.is_whole(), "{order:?} {watch:#?}");
            assert_eq!(statuses(&watch), ["Came"; 5], "{order:?}");
            assert_eq!(verdict(&watch), "Worked");
            let after = LEGS.map(|leg| watch.leg(leg, true)["afterSeconds"].as_f64().unwrap());
            assert_eq!(after, [0.0, 6.0, 5.0, 8.0, 8.0]);
        }
    }

    #[test]
    fn what_does_not_come_is_missing_by_name() {
        for (order, missing) in [
            (&[0, 1, 2, 4][..], Leg::Directory),
            (&[0, 3, 4], Leg::Connect),
            (&[0, 1, 3, 4], Leg::Connect),
            (&[0, 1, 2, 3], Leg::Cloud),
        ] {
            let watch = play(order);
            assert!(!watch.is_whole() && !watch.has_failed());
            assert_eq!(watch.leg(missing, true)["status"], "Missing", "{order:?}");
            assert_eq!(verdict(&watch), "Incomplete");
            let headline = watch.document("ann", at(99))["headline"].as_str().unwrap().to_string();
            assert!(headline.contains(missing.words()), "{headline}");
        }
        assert_eq!(verdict(&play(&[])), "Missing");
        // What need not come is not waited for.
        assert!(play(&[1, 2, 3, 4]).is_whole());
    }

    #[test]
    fn a_failure_names_its_leg_and_its_cause() {
        let mut watch = watched(Action::Reset);
        let failed = event(
            33004,
            9,
            "TrackingId: 12345678-9, Reason: hr=80230626, message=The password could not be updated because the management \
             agent credential was denied access., Context: cloudAnchor: User_33333333-3333-3333-3333-333333333331",
        );
        let news = watch.logged("aad1", &failed, &[]);
        note(&mut watch, news);
        // That it failed says less than why.
        let news = watch.logged("aad1", &event(31003, 9, "TrackingId: 12345678-9, failed"), &[]);
        note(&mut watch, news);
        let leg = watch.leg(Leg::Connect, true);
        assert_eq!(leg["status"], "Failed");
        assert!(leg["detail"].as_str().unwrap().contains("catalogue, row 1"), "{leg}");
        assert!(leg["fix"].as_str().unwrap().contains("Reset Password"), "{leg}");
        assert!(!watch.has_failed(), "Microsoft Entra has the last word");
        assert!(watch.is_failing(), "which may not come");
        let news = watch.audited(&audit(
            "Reset password (self-service)",
            12,
            "failure",
            "OnPremisesPasswordResetFailed",
            None,
        ));
        note(&mut watch, news);
        assert!(watch.has_failed());
        assert_eq!(verdict(&watch), "Failed");
        // A second try that works counts.
        for news in [
            watch.logged("aad1", &event(31002, 40, "UserPrincipalName: ann@contoso.example"), &[]),
            watch.looked(&account(140, false), at(41)),
            watch.audited(&reset(42, Some("CloudSync"))),
        ] {
            note(&mut watch, news);
        }
        assert_eq!(verdict(&watch), "Worked");
    }

    #[test]
    fn the_engine_s_event_beside_it_tells_the_cause_of_what_was_denied() {
        let engine = |second: i64, message: &str| json!({"provider": "ADSync", "id": 6329, "at": at(second), "message": message});
        let asked = "ERR_: admaexport.cpp(2944): Failed to acquire user information: C\\MSOL_1. Error Code: ERROR_ACCESS_DENIED";
        let reset = engine(9, asked);
        let far = engine(90, asked);
        let other = engine(12, "BAIL: MMS(1): admaexport.cpp(1): 0x8023061f (x)");
        let unknown = engine(9, "ERR_: something else: 0x80004005");
        for (id, around, row) in [
            (33004, vec![&reset], 5),
            (33004, vec![&other, &reset], 5),
            (33001, vec![&other], 15),
            (33004, vec![&far, &unknown], 1),
            (33008, vec![&reset], 9),
        ] {
            let mut watch = watched(Action::Reset);
            let failed = event(
                id,
                9,
                "hr=80230619, hr=80230626, UserPrincipalName: ann@contoso.example",
            );
            let news = watch.logged("aad1", &failed, &around);
            note(&mut watch, news);
            let leg = watch.leg(Leg::Connect, true);
            let told = leg["detail"].as_str().unwrap().to_string();
            assert!(
                told.ends_with(&format!("(catalogue, row {row})")),
                "{id} {around:?}: {told}"
            );
        }
    }

    #[test]
    fn a_source_that_does_not_answer_is_told_once_and_at_the_end() {
        let mut watch = play(&[1, 2, 4]);
        let legs = [Leg::Directory];
        assert_eq!(watch.unread(&legs, Some("no\u{202e}route")), Some(Leg::Directory));
        assert_eq!(watch.unread(&legs, Some("again")), None);
        assert_eq!(watch.leg(Leg::Directory, false)["detail"], "not read: again");
        assert_eq!(watch.unread(&legs, None), None);
        assert_eq!(watch.leg(Leg::Directory, false)["detail"], "");
        watch.unread(&legs, Some("no\u{202e}route"));
        let end = watch.document("ann", at(99));
        assert_eq!(end["verdict"], "Incomplete");
        let headline = end["headline"].as_str().unwrap();
        assert!(
            headline.ends_with("Not read at the end: the change in the directory."),
            "{headline}"
        );
        assert_eq!(watch.leg(Leg::Directory, true)["detail"], "not read: no route");
        // What came from it before stands.
        assert_eq!(watch.unread(&[Leg::Cloud, Leg::Agent], Some("x")), None);
        assert_eq!(watch.leg(Leg::Cloud, true)["detail"], "Successfully completed reset.");
    }

    #[test]
    fn a_reset_that_leaves_the_must_change_mark_or_no_agent_did_not_work() {
        let mut watch = watched(Action::Reset);
        let news = watch.looked(&account(0, false), at(9));
        note(&mut watch, news);
        let leg = watch.leg(Leg::Directory, true);
        assert_eq!(leg["status"], "Failed");
        assert!(leg["fix"].as_str().unwrap().contains("Unexpire"), "{leg}");
        let mut watch = play(&[0, 1, 2, 3]);
        let news = watch.audited(&reset(13, Some("None")));
        note(&mut watch, news);
        assert_eq!(
            (watch.leg(Leg::Agent, true)["status"].clone(), verdict(&watch)),
            (json!("Failed"), "Failed".into())
        );
        assert!(watch.has_failed(), "there is nothing more to wait for");
        let mut watch = play(&[0, 1, 2, 3]);
        let news = watch.audited(&reset(13, None));
        note(&mut watch, news);
        assert_eq!(
            (watch.leg(Leg::Agent, true)["status"].clone(), verdict(&watch)),
            (json!("NotShown"), "Worked".into())
        );
    }

    #[test]
    fn a_verification_that_failed_first_and_a_block_are_told() {
        let mut watch = watched(Action::Reset);
        let cancelled = audit(
            "Self-service password reset flow activity progress",
            3,
            "failure",
            "User cancelled",
            None,
        );
        let news = watch.audited(&cancelled);
        note(&mut watch, news);
        assert!(!watch.has_failed() && !watch.is_failing(), "the user may go on");
        let end = watch.document("ann", at(99));
        assert_eq!(end["verdict"], "Failed");
        assert_eq!(end["headline"], "The reset failed: the verification: User cancelled");
        let fix = watch.leg(Leg::Verification, true)["fix"].clone();
        assert!(fix.as_str().unwrap().contains("Test-SsprUser"), "{fix}");
        let news = watch.audited(&reset(13, None));
        note(&mut watch, news);
        assert_eq!(verdict(&watch), "Incomplete");
        let news = watch.audited(&audit(
            "Blocked from self-service password reset",
            20,
            "failure",
            "",
            None,
        ));
        note(&mut watch, news);
        assert!(watch.has_failed());
    }

    #[test]
    fn where_only_steps_of_the_verification_were_seen_the_last_is_told() {
        let end = |parts: &[usize]| play(parts).document("ann", at(99))["headline"].clone();
        let headline = end(&[0]);
        assert!(
            headline
                .as_str()
                .unwrap()
                .ends_with("the verification did. Its last step: User passed."),
            "{headline}"
        );
        let headline = end(&[0, 3]);
        assert!(!headline.as_str().unwrap().contains("last step"), "{headline}");
    }

    #[test]
    fn what_followed_a_verification_that_failed_is_what_counts() {
        let cancelled = audit(
            "Self-service password reset flow activity progress",
            3,
            "failure",
            "User cancelled",
            None,
        );
        let begun = |legs: &[usize]| {
            let mut watch = play(legs);
            let news = watch.audited(&cancelled);
            note(&mut watch, news);
            watch.document("ann", at(99))
        };
        // The log is late with what the user did after.
        for legs in [&[1][..], &[1, 2, 3], &[3]] {
            let end = begun(legs);
            let headline = end["headline"].as_str().unwrap();
            assert!(!headline.contains("User cancelled"), "{legs:?}: {headline}");
            assert_ne!(end["verdict"], "Failed", "{legs:?}");
        }
        let mut watch = watched(Action::Reset);
        for news in [
            watch.audited(&cancelled),
            watch.audited(&audit(
                "Blocked from self-service password reset",
                20,
                "failure",
                "throttled",
                None,
            )),
        ] {
            note(&mut watch, news);
        }
        let end = watch.document("ann", at(99));
        assert_eq!(end["headline"], "The reset failed: Microsoft Entra's record: throttled");
        // A cause that the catalogue has is told with its own fix.
        let mut watch = watched(Action::Reset);
        let known = audit(
            "Self-service password reset flow activity progress",
            3,
            "failure",
            "OnPremisesSuccessCloudFailure",
            None,
        );
        let news = watch.audited(&known);
        note(&mut watch, news);
        let leg = watch.leg(Leg::Verification, true);
        assert!(leg["detail"].as_str().unwrap().contains("catalogue, row"), "{leg}");
        assert!(!leg["fix"].as_str().unwrap().contains("may try again"), "{leg}");
    }

    #[test]
    fn an_unlock_is_seen_where_the_account_was_locked() {
        let mut watch = watched(Action::Unlock);
        assert!(watch.looked(&account(100, true), at(3)).is_empty());
        let news = watch.looked(&account(100, false), at(5));
        assert_eq!(note(&mut watch, news), 1);
        let news = watch.audited(&audit("Unlock user account (self-service)", 6, "success", "", None));
        note(&mut watch, news);
        assert!(watch.is_whole(), "no event of an unlock is documented");
        // One that is locked only later.
        let mut watch = Watch::new(Action::Unlock, at(0), &[]);
        watch.await_leg(Leg::Directory, "dc1");
        assert_eq!(watch.first(), None, "nobody has looked");
        for (locked, detail) in [(false, NOT_LOCKED), (true, "")] {
            assert!(watch.looked(&account(100, locked), at(1)).is_empty());
            assert_eq!(watch.leg(Leg::Directory, true)["detail"], detail);
            assert_eq!(watch.first().is_some(), !locked);
        }
        assert_eq!(watch.looked(&account(100, false), at(2)).len(), 1);
        // A reset is none.
        assert!(watch.audited(&reset(9, None)).is_empty());
    }

    #[test]
    fn others_events_are_not_the_user_s() {
        let mut watch = watched(Action::Reset);
        for message in [
            "UserPrincipalName: joann@contoso.example",
            "UserPrincipalName: ann@contoso.example.org",
            "UserPrincipalName: ann@contoso.exampleb",
            "TrackingId: 1234567, nobody",
            "",
        ] {
            assert!(
                watch.logged("aad1", &event(31002, 9, message), &[]).is_empty(),
                "{message}"
            );
        }
        for message in [
            "for ANN@CONTOSO.EXAMPLE.",
            "(ann@contoso.example)",
            "x: ann@contoso.example, y",
        ] {
            assert_eq!(
                watch.logged("aad1", &event(31002, 9, message), &[]).len(),
                1,
                "{message}"
            );
        }
        let of_other = json!({"provider": "ADSync", "id": 31002, "at": at(9), "message": "ann@contoso.example"});
        assert!(watch.logged("aad1", &of_other, &[]).is_empty());
    }

    #[test]
    fn what_is_old_or_known_is_no_news_and_hostile_text_is_plain() {
        let mut watch = watched(Action::Reset);
        let news = |watch: &Watch, second| {
            watch.audited(&audit(
                "Reset password (self-service)",
                second,
                "failure",
                "a\u{202e}b\nc",
                None,
            ))
        };
        let first = news(&watch, 9);
        assert_eq!(note(&mut watch, first), 1);
        for second in [9, 8] {
            let again = news(&watch, second);
            assert_eq!(note(&mut watch, again), 0, "{second}");
        }
        assert_eq!(watch.leg(Leg::Cloud, true)["detail"], "a b c");
        for damaged in [
            json!(null),
            json!([]),
            json!({"activityDateTime": "x"}),
            json!({"id": "1", "at": 3}),
        ] {
            assert!(watch.audited(&damaged).is_empty() && watch.logged("", &damaged, &[]).is_empty());
        }
    }
}
