//! A run's answer as one page: no network, no script, light and dark, and to print.

use super::export::{accepted, affected, is_accepted, link, list, markup, minute, push, text, verdict};
use super::plots::{Plot, figure, total};
use crate::finding::number;
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
    let tenant = text(document, "tenantName");
    out.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n")
        .raw("<meta name=\"referrer\" content=\"no-referrer\">\n<title>Self-service password reset: ")
        .text(tenant)
        .raw("</title>\n<style>\n")
        .raw(STYLE)
        .raw("</style>\n</head>\n<body>\n<header>\n<a class=\"skip\" href=\"#findings\">To the findings</a>\n<h1>Self-service password reset: ")
        .text(tenant)
        .raw("</h1>\n<p class=\"verdict\">")
        .text(&verdict(document))
        .raw("</p>\n");
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
    out.raw("</main>\n<footer><p>Made by EntraSspr ")
        .raw(env!("CARGO_PKG_VERSION"))
        .raw(". Nothing on this page is loaded from elsewhere.</p></footer>\n</body>\n</html>\n");
    out.0
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
