//! From what somebody has of a failed reset (a code, a number, an event, a sentence) to the causes that it may tell of.

use super::{ROWS, Row, Sign, holds};

/// What somebody has.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clue<'a> {
    /// A code, a number, a sentence, or an event's text.
    pub text: &'a str,
    /// An event's number.
    pub id: Option<u32>,
    /// An event's provider.
    pub provider: Option<&'a str>,
}

/// By what a cause was found, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// By the words that tell what was seen.
    Words,
    /// By an event's number, without its text.
    Number,
    /// By a code.
    Code,
    /// By an event's number and text.
    Event,
}

impl By {
    /// Its name in a document.
    pub fn name(self) -> &'static str {
        match self {
            By::Words => "Words",
            By::Number => "Number",
            By::Code => "Code",
            By::Event => "Event",
        }
    }
}

/// What the audit log and support call the codes that the reset page shows.
const NAMES: &[(&str, &str)] = &[
    ("tenantssprflagdisabled", "sspr_0009"),
    ("writebacknotenabled", "sspr_0010"),
    ("ssprnotenabledinuserpolicy", "sspr_0011"),
    ("usernotlicensed", "sspr_0012"),
    ("usernotmemberofscopedaccessgroup", "sspr_0013"),
    ("usernotproperlyconfigured", "sspr_0014"),
    ("onpremisesadminactionrequired", "sspr_0029"),
    ("onpremisesconnectivityerror", "sspr_0030"),
];

/// The causes that a clue may tell of, the likeliest first.
pub fn resolve(clue: &Clue<'_>) -> Vec<(&'static Row, By)> {
    let line = clue.text.to_lowercase();
    let mut tokens = codes(&clue.text.replace("hr=", " "));
    let named = NAMES.iter().filter(|(name, _)| line.contains(name));
    tokens.extend(named.map(|(_, code)| (*code).to_string()));
    let mut ids: Vec<u32> = clue.id.into_iter().collect();
    if clue.id.is_none() {
        ids.extend(tokens.iter().filter_map(|token| token.parse::<u32>().ok()));
    }
    let given = words(&line);
    // Only numbers, and no text that could say more.
    let bare = tokens
        .iter()
        .all(|token| token.parse().is_ok_and(|id| ids.contains(&id)))
        && given
            .iter()
            .all(|word| ["event", "eventid", "error", "number"].contains(word));
    let mut found: Vec<(&'static Row, By, usize)> = Vec::new();
    for row in ROWS {
        let signs = row.events.iter().filter(|sign| {
            ids.contains(&sign.id)
                && clue
                    .provider
                    .is_none_or(|name| sign.provider.eq_ignore_ascii_case(name))
        });
        let event = signs.filter_map(|sign| told(sign, &line, bare)).max();
        let parts = [
            event,
            code(row, &tokens, clue.id),
            alike(row, &line, &given, clue.id.is_some()),
        ];
        let Some(by) = parts.iter().flatten().map(|(by, _)| *by).max() else {
            continue;
        };
        let weight: usize = parts.iter().flatten().map(|(_, weight)| weight).sum();
        // Of equals the first: it is the more general.
        let at = found.iter().take_while(|(_, _, other)| *other >= weight).count();
        found.insert(at, (row, by, weight));
    }
    // What fits in spirit counts only where nothing fits to the letter.
    let best = found.iter().map(|(_, by, _)| *by).max();
    let most = found.first().map_or(0, |(_, _, weight)| *weight);
    found.retain(|(_, by, weight)| (*by > By::Words || best == Some(By::Words)) && (*weight > NEAR || most == NEAR));
    found.into_iter().map(|(row, by, _)| (row, by)).collect()
}

/// What a code weighs that is the same as a number only: 29 for SSPR_0029.
const NEAR: usize = 1;
/// What an event's number weighs.
const NUMBER: usize = 4;
/// What another code weighs.
const CODE: usize = 32;

/// Whether an event of a sign's number is that of the sign, and how much of it was heard.
fn told(sign: &Sign, line: &str, bare: bool) -> Option<(By, usize)> {
    if bare {
        return Some((By::Number, NUMBER));
    }
    if sign.says.iter().all(|text| holds(line, &text.to_lowercase())) {
        let length: usize = sign.says.iter().map(|text| text.len()).sum();
        return Some((By::Event, 2 * NUMBER + NUMBER * length));
    }
    None
}

/// How many of these codes a row has: its own weigh more than those of the row that it calls the same.
fn code(row: &Row, tokens: &[String], id: Option<u32>) -> Option<(By, usize)> {
    let own = |row: &Row| {
        let mut all = codes(row.symptom);
        for text in row.events.iter().flat_map(|sign| sign.says) {
            all.extend(codes(text));
        }
        all
    };
    let event = |code: &str| code.parse::<u32>().ok();
    let among = |all: &[String]| {
        let same = tokens
            .iter()
            .filter(|token| all.contains(token))
            .map(|code| event(code));
        let weights = same.map(|number| match number {
            Some(number) if number < 100_000 && Some(number) == id => 0,
            Some(number) if number < 100_000 => NUMBER,
            _ => CODE,
        });
        weights.sum::<usize>()
    };
    let weight = (2 * among(&own(row))).max(general(row).map_or(0, |row| among(&own(row))));
    if weight > 0 {
        return Some((By::Code, weight));
    }
    let number = |code: &String| event(code.strip_prefix("sspr_")?);
    let all = own(row);
    let near = tokens.iter().filter_map(|code| number(code).or_else(|| event(code)));
    let near = near
        .into_iter()
        .any(|code| all.iter().any(|own| number(own) == Some(code)));
    near.then_some((By::Code, NEAR))
}

/// The row that a row means by "the same".
fn general(row: &Row) -> Option<&'static Row> {
    if !row.symptom.starts_with("the same") {
        return None;
    }
    ROWS.iter()
        .rfind(|other| other.number < row.number && !other.symptom.starts_with("the same"))
}

/// The codes in a text, in one spelling: `sspr_0029`, `33004`, `80230626`, `0x6ba`.
fn codes(text: &str) -> Vec<String> {
    let text = text.trim();
    // As a program prints an HRESULT: a negative number.
    if let Some(code) = text.parse::<i32>().ok().filter(|code| *code < 0) {
        return vec![format!("{code:x}")];
    }
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for part in lower.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')) {
        let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let number = |text: &str| text.bytes().any(|b| b.is_ascii_digit());
        let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit()) && number(text);
        let code = if let Some(rest) = part.strip_prefix("0x").filter(|rest| hex(rest)) {
            if rest.len() < 7 { part } else { rest }.into()
        } else if let Some(rest) = part.strip_prefix("sspr").filter(|rest| number(rest)) {
            ["sspr_", rest.trim_start_matches('_')].concat()
        } else if digits && matches!(part.len(), 3 | 4) && part.starts_with('0') {
            // 0029, as the page also shows it.
            ["sspr_", part].concat()
        } else if digits && part.len() < 6 && (part.len() > 3 || part == text) || part.len() > 6 && hex(part) {
            part.to_string()
        } else {
            continue;
        };
        if !found.contains(&code) {
            found.push(code);
        }
    }
    found
}

/// The words of a text that say something.
fn words(lower: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for word in lower.split(|c: char| !(c.is_alphanumeric() || c == '_')) {
        if word.len() > 3 && !word.bytes().any(|b| b.is_ascii_digit()) && !found.contains(&word) {
            found.push(word);
        }
    }
    found
}

/// Whether a text says what a row's users saw, and how much of it; of an event's text only what the row quotes.
fn alike(row: &Row, line: &str, given: &[&str], event: bool) -> Option<(By, usize)> {
    let symptom = row.symptom.to_lowercase();
    let quotes = symptom.split('"').skip(1).step_by(2);
    let quoted: usize = quotes
        .filter(|quote| quote.len() > 8 && line.contains(quote))
        .map(str::len)
        .sum();
    let cause = row.cause.to_lowercase();
    let seen = words(&symptom);
    let common = given.iter().filter(|word| seen.contains(word)).count();
    let because = given.iter().filter(|word| cause.contains(**word)).count();
    // A word alone says something when it is long, as names of results and settings are.
    let name = given.len() == 1 && common + because > 0 && line.trim().len() > 9;
    let most = 2 * common >= given.len().min(seen.len()) && common > 1;
    let fits = quoted > 0 || !event && (name || most);
    fits.then_some((By::Words, 2 * quoted + NUMBER * common + because))
}
