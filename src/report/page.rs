//! A run's answer as one page: no network, no script, light and dark, and to print.

use super::export::{accepted, affected, is_accepted, link, list, markup, minute, push, text, verdict};
use super::plots::{Plot, figure, total};
use crate::finding::number;
use crate::steps::STEPS;
use serde_json::Value;

/// The end of a table that `heads` begins.
const END: &str = "</tbody></table></div>\n";
const STYLE: &str = include_str!("page.css");

/// What is written. Whatever is not a constant here goes through `text`.
struct Out(String);

impl Out {
    fn raw(&mut self, markup: &str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        push(&mut self.0, text, markup);
        self
    }

    /// An element with a text in it; nothing where there is no text.
    fn element(&mut self, open: &str, said: &str, close: &str) -> &mut Self {
        if said.is_empty() {
            return self;
        }
        self.raw(open).text(said).raw(close)
    }

    /// A status as a tag.
    fn tag(&mut self, status: &str) -> &mut Self {
        // A class is one of ours, or none.
        let (class, word) = match status {
            "Fail" => ("Fail", "Fail"),
            "Error" => ("Error", "Error"),
            "Warn" => ("Warn", "Warning"),
            "Pass" => ("Pass", "Pass"),
            "Accepted" => ("", "Accepted"),
            "Skipped" => ("", "Not readable"),
            _ => ("", "Not applicable"),
        };
        self.raw("<span class=\"tag ")
            .raw(class)
            .raw("\">")
            .raw(word)
            .raw("</span>")
    }

    fn anchor(&mut self, url: &str, label: &str) -> &mut Self {
        let Some(url) = link(url) else { return self };
        self.raw(" <a rel=\"noreferrer\" href=\"")
            .text(url)
            .raw("\">")
            .raw(label)
            .raw("</a>")
    }

    fn heads(&mut self, caption: &str, heads: &[&str]) -> &mut Self {
        self.raw("<div class=\"part\"><table><caption>")
            .raw(caption)
            .raw("</caption><thead><tr>");
        for head in heads {
            self.raw("<th scope=\"col\">").raw(head).raw("</th>");
        }
        self.raw("</tr></thead><tbody>\n")
    }
}

/// The page.
pub(super) fn write(document: &Value, plots: &[Plot]) -> String {
    let findings = list(document, "findings");
    let mut out = Out(String::with_capacity(16_384 + findings.len() * 1_200));
    begin(
        &mut out,
        text(document, "tenantName"),
        &verdict(document),
        "<a class=\"skip\" href=\"#findings\">To the findings</a>",
    );
    if document["first"].is_object() {
        out.element("<p>First: ", text(&document["first"], "text"), "</p>\n");
    }
    for note in list(document, "notes") {
        out.element("<p>", note.as_str().unwrap_or_default(), "</p>\n");
    }
    out.element("<p class=\"soft\">Read ", &minute(text(document, "takenAt")), "</p>\n");
    out.raw("</header>\n<main>\n");
    areas(&mut out, document);
    if !plots.is_empty() {
        out.raw("<h2 id=\"figures\">In figures</h2>\n");
        for (at, plot) in plots.iter().enumerate() {
            bars(&mut out, plot, at);
        }
    }
    out.raw("<h2 id=\"findings\">Findings</h2>\n");
    for step in list(document, "steps") {
        let own: Vec<&Value> = findings
            .iter()
            .filter(|finding| text(finding, "step") == text(step, "name"))
            .collect();
        out.raw("<h3 id=\"step-")
            .text(text(step, "name"))
            .raw("\">")
            .text(text(step, "title"))
            .raw("</h3>\n");
        let open = |finding: &&&Value| matches!(text(finding, "status"), "Fail" | "Warn" | "Error");
        own.iter().filter(open).for_each(|finding| one(&mut out, finding));
        let others: Vec<&Value> = own.iter().filter(|finding| !open(finding)).copied().collect();
        rest(&mut out, &others);
        if own.is_empty() {
            out.raw("<p class=\"soft\">No finding of this step is in this report.</p>\n");
        }
    }
    unread(&mut out, findings);
    run(&mut out, document);
    end(out)
}

/// What stands above the verdict of a page, and the verdict.
fn begin(out: &mut Out, whose: &str, verdict: &str, skip: &str) {
    out.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n")
        .raw("<meta name=\"referrer\" content=\"no-referrer\">\n<title>Self-service password reset: ")
        .text(whose)
        .raw("</title>\n<style>\n")
        .raw(STYLE)
        .raw("</style>\n</head>\n<body>\n<header>\n")
        .raw(skip)
        .raw("\n<h1>Self-service password reset: ")
        .text(whose)
        .raw("</h1>\n<p class=\"verdict\">")
        .text(verdict)
        .raw("</p>\n");
}

/// What stands below all.
fn end(mut out: Out) -> String {
    out.raw("</main>\n<footer><p>Made by EntraSspr ")
        .raw(env!("CARGO_PKG_VERSION"))
        .raw(". Nothing on this page is loaded from elsewhere.</p></footer>\n</body>\n</html>\n");
    out.0
}

/// What a target of a fleet came to, as a tag and in a word.
fn outcome(result: &Value) -> (&'static str, &'static str) {
    match (text(result, "status"), text(result, "ready")) {
        ("Done", "Yes") => ("Pass", "Ready"),
        ("Done", "No") => ("Fail", "Not ready"),
        ("Done", _) => ("", "Not known"),
        ("NotDone", _) => ("", "Not done"),
        _ => ("Error", "Failed"),
    }
}

/// The page of a fleet: each target by each step, then what stands in the way of each.
pub(super) fn fleet(results: &[Value]) -> String {
    let mut out = Out(String::with_capacity(16_384 + results.len() * 4_000));
    let count = |word: &str| results.iter().filter(|result| outcome(result).1 == word).count() as u64;
    let words = ["Ready", "Not ready", "Not known", "Failed", "Not done"];
    let told: Vec<String> = words
        .iter()
        .filter(|word| count(word) > 0)
        .map(|word| format!("{} {}", number(count(word)), word.to_lowercase()))
        .collect();
    let whole = number(results.len() as u64);
    begin(
        &mut out,
        "the fleet",
        &format!("Of {whole}: {}.", told.join(", ")),
        "<a class=\"skip\" href=\"#each\">To each of them</a>",
    );
    let times = results.iter().map(|result| text(result, "endedAt"));
    let (first, last) = (times.clone().filter(|at| !at.is_empty()).min(), times.max());
    out.element("<p class=\"soft\">Read from ", &minute(first.unwrap_or_default()), "");
    out.element(" to ", &minute(last.unwrap_or_default()), "</p>\n");
    out.raw("</header>\n<main>\n<h2 id=\"matrix\">Tenants by steps</h2>\n");
    // In the causal order, whichever of them each was checked by.
    let steps: Vec<_> = STEPS
        .iter()
        .filter(|step| {
            let of = |result: &Value| list(result, "steps").iter().any(|own| text(own, "name") == step.name);
            results.iter().any(of)
        })
        .collect();
    for some in results.chunks(ROWS) {
        out.raw("<div class=\"wide\"><table><caption>The worst finding of each step</caption><thead><tr><th scope=\"col\">Tenant</th><th scope=\"col\">Result</th>");
        for step in &steps {
            out.raw("<th scope=\"col\">").text(step.title).raw("</th>");
        }
        out.raw("</tr></thead><tbody>\n");
        for result in some {
            let (class, word) = outcome(result);
            out.raw("<tr><th scope=\"row\">").text(text(result, "name"));
            out.raw("</th><td><span class=\"tag ")
                .raw(class)
                .raw("\">")
                .raw(word)
                .raw("</span></td>");
            for step in &steps {
                out.raw("<td>");
                if let Some(own) = list(result, "steps").iter().find(|own| text(own, "name") == step.name) {
                    out.tag(text(own, "status"));
                }
                out.raw("</td>");
            }
            out.raw("</tr>\n");
        }
        out.raw(END);
    }
    out.raw("<h2 id=\"each\">What stands in the way</h2>\n");
    let mut none = true;
    for result in results {
        let (class, word) = outcome(result);
        let open = |step: &&Value| matches!(text(step, "status"), "Fail" | "Error");
        let wrong: Vec<&Value> = list(result, "steps").iter().filter(open).collect();
        let (reason, first) = (text(result, "reason"), text(&result["first"], "text"));
        if wrong.is_empty() && reason.is_empty() && word == "Ready" {
            continue;
        }
        none = false;
        out.raw("<article>\n<h4><span class=\"tag ")
            .raw(class)
            .raw("\">")
            .raw(word)
            .raw("</span> ");
        out.text(text(result, "name")).raw("</h4>\n");
        let own = [text(result, "tenantName"), text(result, "tenantId")].join(" ");
        out.element("<p class=\"soft\">", own.trim(), "</p>\n");
        out.element("<p>", reason, "</p>\n")
            .element("<p>First: ", first, "</p>\n");
        if !wrong.is_empty() {
            out.raw("<ul>\n");
            for step in wrong {
                out.raw("<li>")
                    .text(text(step, "title"))
                    .raw(": ")
                    .text(text(step, "headline"))
                    .raw("</li>\n");
            }
            out.raw("</ul>\n");
        }
        out.raw("</article>\n");
    }
    if none {
        out.raw("<p>Nothing.</p>\n");
    }
    end(out)
}

/// One line an area, in causal order.
fn areas(out: &mut Out, document: &Value) {
    out.raw("<h2 id=\"areas\">Areas</h2>\n").heads(
        "Each step of the set-up, in the order in which one depends on another, with its worst finding",
        &["Step", "Status", "Worst finding"],
    );
    for step in list(document, "steps") {
        out.raw("<tr><th scope=\"row\"><a href=\"#step-")
            .text(text(step, "name"))
            .raw("\">")
            .text(text(step, "title"))
            .raw("</a></th><td>");
        out.tag(status(step, step["accepted"] == true))
            .raw("</td><td>")
            .text(text(step, "headline"))
            .raw("</td></tr>\n");
    }
    out.raw(END);
}

/// A status, or that it is accepted.
fn status(of: &Value, accepted: bool) -> &str {
    if accepted { "Accepted" } else { text(of, "status") }
}

/// A finding that asks for something.
fn one(out: &mut Out, finding: &Value) {
    let remedy = &finding["remediation"];
    out.raw("<article>\n<h4>")
        .tag(status(finding, is_accepted(finding)))
        .raw(" ")
        .text(text(finding, "title"))
        .raw("</h4>\n<p class=\"soft\"><code>");
    out.text(text(finding, "id"))
        .raw("</code> severity ")
        .text(text(finding, "severity"));
    if let Some(who) = affected(finding) {
        out.raw(", ").text(&who);
        if finding["affected"]["blocksReset"] == true {
            out.raw(" kept from resetting");
        }
    }
    out.raw("</p>\n");
    out.element("<p>It ", &accepted(finding).unwrap_or_default(), "</p>\n")
        .element("<p>", text(finding, "reason"), "</p>\n");
    let fix = text(remedy, "text");
    if !fix.is_empty() {
        out.raw("<p><strong>To do:</strong> ").text(fix);
        out.anchor(text(remedy, "portalUrl"), "Portal")
            .anchor(text(remedy, "docUrl"), "Documentation")
            .raw("</p>\n");
    }
    out.element(
        "<p><strong>Command:</strong> <code>",
        text(remedy, "command"),
        "</code></p>\n",
    );
    evidence(out, finding);
    let sample = super::export::joined(list(&finding["affected"], "sample"), None);
    out.element("<p><strong>Some of them:</strong> ", &sample, "</p>\n");
    out.raw("</article>\n");
}

/// What a finding rests on.
fn evidence(out: &mut Out, finding: &Value) {
    let all = list(finding, "evidence");
    if all.is_empty() {
        return;
    }
    out.raw("<ul>\n");
    for item in all {
        out.raw("<li>")
            .text(text(item, "seen"))
            .raw(" <span class=\"soft\">(")
            .text(text(item, "source"));
        out.element(", ", &minute(text(item, "asOf")), "")
            .raw(")</span></li>\n");
    }
    out.raw("</ul>\n");
}

/// So many rows are one table: a browser lays out those that are seen.
const ROWS: usize = 100;

/// The findings that ask for nothing.
fn rest(out: &mut Out, findings: &[&Value]) {
    for some in findings.chunks(ROWS) {
        out.heads("Also checked", &["Status", "Check", "Finding and evidence"]);
        for finding in some {
            out.raw("<tr><td>").tag(text(finding, "status"));
            out.raw("</td><th scope=\"row\"><code>").text(text(finding, "id"));
            out.raw("</code></th><td><p>").text(text(finding, "title")).raw("</p>");
            if text(finding, "status") == "NotApplicable" {
                out.element("<p class=\"soft\">", text(finding, "reason"), "</p>");
            }
            evidence(out, finding);
            out.raw("</td></tr>\n");
        }
        out.raw(END);
    }
}

/// What could not be read, and why.
fn unread(out: &mut Out, findings: &[Value]) {
    out.raw("<h2 id=\"unread\">What was not readable</h2>\n");
    let unread = |finding: &&Value| matches!(text(finding, "status"), "Skipped" | "Error");
    let all: Vec<&Value> = findings.iter().filter(unread).collect();
    if all.is_empty() {
        out.raw("<p>Everything was readable.</p>\n");
    }
    for some in all.chunks(ROWS) {
        out.heads(
            "Nothing here counts as right",
            &["Check", "Why", "What would open the way"],
        );
        for finding in some {
            out.raw("<tr><th scope=\"row\"><code>").text(text(finding, "id"));
            out.raw("</code></th><td>").text(text(finding, "reason"));
            out.raw("</td><td>").text(text(&finding["remediation"], "text"));
            out.raw("</td></tr>\n");
        }
        out.raw(END);
    }
}

/// Whose the answer is, and when and how it was read.
fn run(out: &mut Out, document: &Value) {
    out.raw("<h2 id=\"run\">This run</h2>\n<dl>\n");
    let known = |value: &Value| match value {
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::Number(count) => number(count.as_u64().unwrap_or_default()),
        Value::String(text) => text.clone(),
        _ => "not known".to_string(),
    };
    for (what, name) in [
        ("Tenant", "tenantName"),
        ("Tenant id", "tenantId"),
        ("Synced from a directory", "hybrid"),
        ("Enabled members", "enabledMembers"),
        ("Read at", "takenAt"),
        ("Milliseconds", "durationMs"),
    ] {
        let value = match name {
            "takenAt" => minute(text(document, name)),
            _ => known(&document[name]),
        };
        out.raw("<dt>").raw(what).raw("</dt><dd>").text(&value).raw("</dd>\n");
    }
    let may = super::export::joined(list(&document["excessPermissions"], "writing"), None);
    out.element("<dt>May write, which no check needs</dt><dd>", &may, "</dd>\n");
    out.raw("</dl>\n");
}

const WIDTH: u64 = 720;
/// What a bar's figure may take.
const FIGURE: u64 = 90;
/// A label, and its bar below.
const ROW: u64 = 44;
/// What of a label there is room for.
const LONG: usize = 78;

/// Bars, and those of several parts as a table too.
fn bars(out: &mut Out, plot: &Plot, at: usize) {
    let length = |parts: &Option<Vec<u64>>| parts.as_deref().map_or(0, total);
    let most = plot
        .bars
        .iter()
        .map(|(_, parts)| length(parts))
        .max()
        .unwrap_or(0)
        .max(1);
    let legend = if plot.parts.len() > 1 { 30 } else { 0 };
    let height = plot.bars.len() as u64 * ROW + legend;
    let id = at.to_string();
    let told: Vec<String> = plot
        .bars
        .iter()
        .map(|(label, parts)| format!("{label}: {}", figure(parts.as_ref())))
        .collect();
    out.raw("<figure>\n<figcaption><strong>")
        .raw(plot.title)
        .raw("</strong>. ")
        .raw(plot.note)
        .raw("</figcaption>\n");
    out.raw(&format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-labelledby=\"t{id} d{id}\"><title id=\"t{id}\">"
    ));
    out.raw(plot.title)
        .raw(&format!("</title><desc id=\"d{id}\">"))
        .text(&told.join("; "))
        .raw("</desc>\n");
    let class = |part: usize| ["p1", "p2", "p3"][part.min(2)];
    let rect = |out: &mut Out, part: usize, x: u64, y: u64, width: u64| {
        out.raw(&format!(
            "<rect class=\"{}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"16\" rx=\"2\"/>",
            class(part)
        ));
    };
    let word = |out: &mut Out, x: u64, y: u64, said: &str| {
        out.raw(&format!("<text x=\"{x}\" y=\"{y}\">"))
            .text(said)
            .raw("</text>");
    };
    if legend > 0 {
        for (part, name) in plot.parts.iter().enumerate() {
            let x = 150 * part as u64;
            rect(out, part, x, 2, 16);
            word(out, x + 22, 15, name);
        }
    }
    for (row, (label, parts)) in plot.bars.iter().enumerate() {
        let y = legend + row as u64 * ROW;
        let short: String = match label.chars().count() > LONG {
            true => label.chars().take(LONG).chain(['\u{2026}']).collect(),
            false => label.clone(),
        };
        word(out, 0, y + 14, &short);
        let mut x = 0;
        for (part, count) in parts.iter().flatten().enumerate() {
            let width =
                u64::try_from(u128::from(*count) * u128::from(WIDTH - FIGURE) / u128::from(most)).unwrap_or_default();
            if *count > 0 {
                // What is there is seen.
                rect(out, part, x, y + 20, width.max(2));
                x += width.max(2);
            }
        }
        word(out, x + 6, y + 33, &figure(parts.as_ref()));
        out.raw("\n");
    }
    out.raw("</svg>\n");
    // Bars of one part bear their figures.
    if plot.parts.len() < 2 {
        out.raw("</figure>\n");
        return;
    }
    out.raw("<table><caption>The same in figures</caption><thead><tr><td></td>");
    for part in plot.parts {
        out.raw("<th scope=\"col\" class=\"n\">").raw(part).raw("</th>");
    }
    out.raw("</tr></thead><tbody>\n");
    for (label, parts) in &plot.bars {
        out.raw("<tr><th scope=\"row\">").text(label).raw("</th>");
        for part in 0..plot.parts.len() {
            let count = parts
                .as_ref()
                .and_then(|parts| parts.get(part))
                .map_or_else(|| "not known".into(), |count| number(*count));
            out.raw("<td class=\"n\">").text(&count).raw("</td>");
        }
        out.raw("</tr>\n");
    }
    out.raw("</tbody></table>\n</figure>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_fleet_shows_each_by_each_step_and_what_is_hostile_as_text() {
        let step = |name: &str, status: &str| json!({"name": name, "title": name, "status": status, "headline": format!("seen of {name}")});
        let page = fleet(&[
            json!({"name": "<script>alert(1)</script>\u{202e}", "status": "Done", "ready": "No", "tenantName": "\"><img>", "endedAt": "2026-11-23T09:14:00Z",
                "steps": [step("reset_policy", "Pass"), step("license", "Fail")], "first": {"text": "Buy & assign."}}),
            json!({"name": "b", "status": "Failed", "reason": "It took too long.", "steps": [], "endedAt": "2026-11-23T09:20:00Z"}),
            json!({"name": "c", "status": "Done", "ready": "Yes", "steps": [step("license", "Pass")]}),
            json!({"name": "d", "status": "NotDone", "reason": "The time of the run was over."}),
        ]);
        assert!(
            page.contains("Of 4: 1 ready, 1 not ready, 1 failed, 1 not done."),
            "{page}"
        );
        assert!(!page.contains("<script") && !page.contains("<img") && page.contains("[U+202E]"));
        assert!(page.contains("Read from 2026-11-23 09:14 UTC to 2026-11-23 09:20 UTC"));
        let columns = page.find("License").zip(page.find("Reset policy"));
        assert!(
            columns.is_some_and(|(license, policy)| license < policy),
            "the causal order"
        );
        assert!(page.contains("seen of license") && !page.contains("seen of reset_policy"));
        assert!(page.contains("It took too long.") && page.contains("Buy &amp; assign."));
    }
}
