//! Faults on demand: which requests they meet, and what they do to them.

mod hostile;
mod transform;

use std::sync::Mutex;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::core::Core;
use crate::guid::mix;
use crate::http::{Call, Notes};
use crate::record::lock;
use crate::reply::Reply;

pub(crate) use transform::challenge;

/// A fault and the requests that it meets.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Fault {
    /// The start of the path; empty for all.
    pub path: String,
    /// A regular expression that the path with its query must match.
    pub path_regex: Option<String>,
    /// GET, POST ...; none for all.
    pub method: Option<String>,
    /// The id of the tenant whose requests it meets; none for those of all. Sign-ins count for the tenant in their path.
    pub tenant: Option<String>,
    /// Requests that match and are let through first.
    pub skip: u32,
    /// How many requests it meets; none for all of them.
    pub count: Option<u32>,
    /// Share of the matching requests that it meets, drawn with `seed`.
    pub probability: Option<f64>,
    /// Seed of the draw.
    pub seed: u64,
    /// What happens.
    #[serde(flatten)]
    pub kind: FaultKind,
}

/// What a fault does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum FaultKind {
    /// Nothing; only counted.
    #[default]
    None,
    /// The answer begins this much later.
    Latency {
        /// Milliseconds.
        ms: u64,
    },
    /// The answer begins late and its body comes at a limited rate.
    Bandwidth {
        /// Milliseconds before the first byte.
        #[serde(default)]
        late_ms: u64,
        /// Bytes a second.
        bytes_per_second: u64,
    },
    /// 429 TooManyRequests.
    Throttle {
        /// The header's value as it stands, such as `2.128`; none leaves the header out.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// Any status, with an error body in the role's form.
    Status {
        /// Such as 503.
        status: u16,
        /// The error's code.
        #[serde(default)]
        code: Option<String>,
        /// The Retry-After header.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// The connection is closed without an answer.
    DropBeforeHeaders,
    /// What was asked is done, then the connection is closed without an answer.
    DropAnswer,
    /// What was asked is done, then no answer ever; the connection stays open.
    Withhold,
    /// Somebody else changes a member: just before the request is answered, or just after.
    Drift {
        /// As the control interface's `click` names it, such as `passwordReset` or `authenticationMethods/Sms`.
        object: String,
        /// The members and their values.
        set: serde_json::Map<String, Value>,
        /// After the answer was made (of a read), not before (of a write).
        #[serde(default)]
        after: bool,
    },
    /// The connection is closed within the body.
    DropMidBody {
        /// Bytes that still come; none for half of them.
        #[serde(default)]
        after: Option<usize>,
    },
    /// Half of the body, without a Content-Length, properly ended.
    Truncate,
    /// The body comes in small pieces.
    Drip {
        /// Bytes a piece.
        bytes: usize,
        /// Milliseconds between pieces.
        every_ms: u64,
    },
    /// No answer ever; the connection stays open.
    Never,
    /// 200 with an HTML page.
    Html,
    /// 200 with broken JSON.
    InvalidJson,
    /// An answer with this body, whatever was asked.
    Body {
        /// 200 unless said.
        #[serde(default = "ok")]
        status: u16,
        /// The content type.
        #[serde(default = "json_type")]
        content_type: String,
        /// The text.
        text: String,
    },
    /// Tokens that are issued have expired already.
    ExpiredTokens,
    /// 401 InvalidAuthenticationToken, as for a revoked token.
    RevokedToken,
    /// 401 with a claims challenge.
    ClaimsChallenge {
        /// The claims as JSON; a default asks for a fresh sign-in.
        #[serde(default)]
        claims: Option<String>,
    },
    /// 403 with a claims challenge.
    ForbiddenClaims {
        /// The claims as JSON; a default asks for a fresh sign-in.
        #[serde(default)]
        claims: Option<String>,
    },
    /// `@odata.nextLink` points to another origin.
    NextLinkHost {
        /// Such as `https://evil.example`.
        origin: String,
    },
    /// `@odata.nextLink` is the address of the page itself.
    NextLinkLoop,
    /// Pages without items in front of the last one.
    EmptyPage,
    /// Names that attack whoever shows them.
    HostileNames,
    /// 307 to another address.
    Redirect {
        /// The Location header.
        to: String,
    },
    /// A body of this size: valid JSON that does not end before.
    HugeBody {
        /// Bytes.
        bytes: usize,
    },
    /// Members of enumerations that no document knows.
    UnknownEnums,
    /// Client assertions signed with PS256 are refused, as by an older authority.
    RefusePs256,
    /// Answers are dated by a clock that is so far ahead, or behind.
    Clock {
        /// Seconds.
        ahead: i64,
    },
    /// The portal's object comes without this member.
    WithoutMember {
        /// Its name.
        member: String,
    },
}

fn ok() -> u16 {
    200
}

fn json_type() -> String {
    "application/json".to_owned()
}

impl Fault {
    /// A fault of this kind for every path that starts with `path`.
    pub fn new(path: &str, kind: FaultKind) -> Self {
        Fault {
            path: path.to_owned(),
            kind,
            ..Fault::default()
        }
    }

    /// The same fault for requests with this method only.
    pub fn on(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// The same fault for the first `count` matching requests only.
    pub fn times(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }

    /// The same fault after `skip` matching requests.
    pub fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }
}

/// A fault that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// The regular expression does not compile.
    #[error("the fault's pathRegex is not a regular expression")]
    Regex(#[from] regex::Error),
    /// Not a fault in JSON.
    #[error("not a fault")]
    Json(#[from] serde_json::Error),
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    regex: Option<Regex>,
    seen: u32,
    played: u32,
    draw: u64,
}

/// All faults that are switched on.
#[derive(Debug, Default)]
pub(crate) struct FaultBoard(Mutex<Vec<Armed>>);

impl FaultBoard {
    pub fn add(&self, fault: Fault) -> Result<(), FaultError> {
        let regex = fault.path_regex.as_deref().map(Regex::new).transpose()?;
        let draw = fault.seed;
        lock(&self.0).push(Armed {
            fault,
            regex,
            seen: 0,
            played: 0,
            draw,
        });
        Ok(())
    }

    pub fn clear(&self) {
        lock(&self.0).clear();
    }

    pub fn list(&self) -> Vec<Fault> {
        lock(&self.0).iter().map(|armed| armed.fault.clone()).collect()
    }

    /// The faults that this request meets, in the order in which they were added.
    pub fn pick(&self, tenant: Option<&str>, method: &str, path: &str, path_and_query: &str) -> Vec<FaultKind> {
        let mut board = lock(&self.0);
        board
            .iter_mut()
            .filter_map(|armed| armed.meets(tenant, method, path, path_and_query))
            .collect()
    }
}

impl Armed {
    fn meets(&mut self, tenant: Option<&str>, method: &str, path: &str, path_and_query: &str) -> Option<FaultKind> {
        let fault = &self.fault;
        let matches = path.starts_with(&fault.path)
            && fault.tenant.as_deref().is_none_or(|wanted| Some(wanted) == tenant)
            && fault
                .method
                .as_deref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.regex.as_ref().is_none_or(|regex| regex.is_match(path_and_query));
        if !matches {
            return None;
        }
        self.seen += 1;
        if self.seen <= fault.skip || fault.count.is_some_and(|count| self.played >= count) {
            return None;
        }
        if let Some(probability) = fault.probability {
            self.draw = mix(self.draw);
            #[allow(clippy::cast_precision_loss)]
            let draw = (self.draw >> 11) as f64 / (1u64 << 53) as f64;
            if draw >= probability {
                return None;
            }
        }
        self.played += 1;
        Some(fault.kind.clone())
    }
}

/// The answer to a call with its faults: one that stands in place of the real answer, or the real one changed.
pub(crate) fn play(core: &Core, call: &Call, notes: &mut Notes, answer: impl FnOnce(&mut Notes) -> Reply) -> Reply {
    drift(core, call, notes, false);
    let replaced = call
        .faults
        .iter()
        .find_map(|fault| transform::replace(fault, &call.origin));
    let mut reply = replaced.unwrap_or_else(|| answer(notes));
    for fault in &call.faults {
        transform::transform(fault, &mut reply, call);
    }
    drift(core, call, notes, true);
    reply
}

/// Lets somebody else change the tenant of the call's token.
fn drift(core: &Core, call: &Call, notes: &mut Notes, later: bool) {
    for fault in &call.faults {
        let FaultKind::Drift { object, set, after } = fault else {
            continue;
        };
        if *after != later {
            continue;
        }
        let access = call.bearer().and_then(|token| core.desk.access(token));
        let tenant = access.and_then(|access| core.tenant_called(&access.tenant));
        let done = tenant.map(|tenant| tenant.click(object, set, None));
        if !matches!(done, Some(Ok(()))) {
            notes.violation(format!("the drift of {object} changes nothing"));
        }
    }
}

/// The name of a kind as it stands in JSON.
pub(crate) fn kind_name(kind: &FaultKind) -> String {
    match serde_json::to_value(kind) {
        Ok(Value::Object(object)) => object
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reads_from_json_and_counts() {
        let fault: Fault =
            serde_json::from_str(r#"{"path":"/v1.0","skip":1,"count":1,"kind":"throttle","retryAfter":"2.5"}"#)
                .unwrap();
        let board = FaultBoard::default();
        board.add(fault).unwrap();
        let meets = |path| !board.pick(None, "GET", path, path).is_empty();
        assert_eq!(
            [meets("/v1.0/a"), meets("/x"), meets("/v1.0/b"), meets("/v1.0/c")],
            [false, false, true, false]
        );
    }

    #[test]
    fn a_probability_is_drawn_alike_with_the_same_seed() {
        let draws = |seed| {
            let board = FaultBoard::default();
            board
                .add(Fault {
                    probability: Some(0.5),
                    seed,
                    ..Fault::new("/", FaultKind::Html)
                })
                .unwrap();
            (0..64)
                .map(|_| board.pick(None, "GET", "/", "/").len())
                .collect::<Vec<_>>()
        };
        assert_eq!(draws(1), draws(1));
        let hits: usize = draws(1).iter().sum();
        assert!((16..48).contains(&hits), "{hits}");
    }
}
