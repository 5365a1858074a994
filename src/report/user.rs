//! One user's case on one screen: the first broken link, then all links in causal order.

use super::screen::{INDENT, beside, clean, hang, moment, word};
use crate::finding::{Finding, Outcome};
use crate::steps::user::{LINKS, verdict};
use jiff::Timestamp;

/// The screen's lines. The names are whose case it is, the first as asked for.
pub fn lines(names: &[&str], links: &[Finding], at: Timestamp, utc_offset_minutes: i32) -> Vec<String> {
    let mut parts: Vec<String> = names.iter().map(|name| clean(name)).collect();
    parts.dedup();
    parts.push(format!("read {}", moment(at, utc_offset_minutes)));
    let mut lines = beside(parts);
    lines.push(String::new());
    let (answer, first) = verdict(links);
    let unread = links
        .iter()
        .find(|link| link.decides && link.status == Outcome::Skipped);
    let (lead, link) = match answer {
        "No" => ("Cannot reset: ", first),
        "Yes" => ("Can reset.", None),
        _ => ("Nothing that was read stands in the way. Not known: ", unread),
    };
    let title = link.map_or(String::new(), |link| clean(&link.title));
    lines.extend(hang("", &format!("{lead}{title}"), 0));
    if let Some(link) = link {
        if let Some(reason) = &link.reason {
            lines.extend(hang("  ", &clean(reason), 2));
        }
        if let Some(fix) = &link.remediation {
            lines.extend(hang("  Fix: ", &clean(&fix.text), 7));
            // A command is for copying: never broken.
            lines.extend(fix.command.iter().map(|command| format!("       {}", clean(command))));
        }
    }
    lines.push(String::new());
    for link in links {
        let title = LINKS
            .iter()
            .find(|check| check.id == link.id)
            .map_or("", |check| check.title);
        let lead = format!("{}  {title:<22}  ", word(link.status));
        lines.extend(hang(&lead, &clean(&link.title), INDENT));
    }
    lines
}
