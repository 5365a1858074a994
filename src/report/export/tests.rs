use super::*;
use crate::readiness::{Selection, assess};
use crate::steps::STEPS;
use serde_json::json;
use std::collections::BTreeSet;

const HOSTILE: &str = "<img src=x onerror=alert(1)>\u{202e}\u{1b}[31m\"'&|`*_[x](javascript:1)";
const FORMATS: &[Format] = &[Format::Html, Format::Markdown, Format::Json, Format::Csv, Format::JUnit];

/// A run's document with so many findings, all of hostile text.
fn document(count: usize) -> Value {
    let statuses = ["Fail", "Warn", "Skipped", "Pass", "NotApplicable", "Error"];
    let findings: Vec<Value> = (0..count)
        .map(|n| {
            json!({"id": format!("license.{HOSTILE}{n}"), "step": "license", "status": statuses[n % 6], "severity": "High",
                "title": format!("{HOSTILE} {n}"), "decides": true, "reason": HOSTILE,
                "evidence": [{"source": HOSTILE, "seen": HOSTILE, "asOf": "2026-11-23T09:00:00Z"}],
                "remediation": {"text": HOSTILE, "command": HOSTILE, "portalUrl": "javascript:alert(1)", "docUrl": format!("https://x/\"{HOSTILE}")},
                "affected": {"count": 5, "of": 20, "blocksReset": true, "sample": [format!("=cmd|' /C calc'!A0 {HOSTILE}")]},
                "waiver": {"by": HOSTILE, "reason": HOSTILE, "lastDay": HOSTILE, "ended": n % 4 < 2}})
        })
        .collect();
    json!({"schemaVersion": 1, "ready": "No", "tenantId": HOSTILE, "tenantName": HOSTILE, "hybrid": true, "enabledMembers": 20,
        "takenAt": "2026-11-23T09:00:00Z", "durationMs": 5, "counts": {"fail": 1, "warn": 2},
        "steps": [{"name": "license", "title": "License", "status": "Fail", "headline": HOSTILE, "findingId": HOSTILE}],
        "first": {"findingId": "x", "text": HOSTILE, "command": "Get-SsprCheck x"}, "excessPermissions": {"writing": [HOSTILE], "reading": []},
        "findings": findings, "notes": [HOSTILE], "screen": [HOSTILE]})
}

fn written(document: Value, snapshot: Option<&Snapshot>, format: Format, names: Option<&Value>) -> String {
    String::from_utf8(write(document, snapshot, format, names)).unwrap()
}

#[test]
fn hostile_text_is_text_in_every_form() {
    for format in FORMATS {
        let text = written(document(12), None, *format, None);
        if *format != Format::Json {
            assert!(!text.contains(['\u{202e}', '\u{1b}']), "{format:?}");
        }
        match format {
            Format::Html => {
                assert!(!text.contains("<img") && !text.contains("javascript:alert(1)\"") && !text.contains("<script"));
                assert!(text.contains("&lt;img src=x onerror=alert(1)&gt;[U+202E][U+001B][31m"));
            }
            Format::Markdown => {
                assert!(!text.contains("<img") && !text.replace("\\]", "").contains("](") && !text.contains("://"));
                assert!(text.contains("&lt;img src=x"));
            }
            Format::JUnit => assert!(!text.contains("<img")),
            Format::Csv => {
                assert!(text.contains("\"'=cmd|"));
                assert_eq!(text.trim_end().lines().count(), 13);
            }
            Format::Json => {
                let read: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(read["findings"], document(12)["findings"]);
            }
        }
    }
}

#[test]
fn a_page_is_whole_and_asks_for_nothing() {
    let page = written(document(12), None, Format::Html, None);
    let again = written(document(12), None, Format::Html, None);
    assert_eq!(page, again);
    for part in [
        "<html lang=\"en\">",
        "<title>",
        "default-src 'none'",
        "Not ready",
        "prefers-color-scheme:dark",
        "@media print",
    ] {
        assert!(page.contains(part), "{part}");
    }
    for loads in ["<link", "<script", "@import", "url(", " src=\"", "http-equiv=\"refresh"] {
        assert!(!page.contains(loads), "{loads}");
    }
    // Every head of a table says what it is a head of, and headings leave no level out.
    assert_eq!(
        page.matches("<th").count() - page.matches("<thead").count(),
        page.matches(" scope=\"").count()
    );
    let mut level = 0;
    for (at, _) in page.match_indices("<h") {
        let Some(next) = page[at + 2..].chars().next().and_then(|c| c.to_digit(10)) else {
            continue;
        };
        assert!(next <= level + 1, "h{next} below h{level}");
        level = next;
    }
}

/// A snapshot in which every fact is known, all of its names canaries.
fn canaries() -> String {
    let text = crate::steps::tests::full().to_string();
    let names = [
        ("contoso", "canary"),
        ("CONTOSO", "CANARY"),
        ("Contoso", "Canary"),
        ("SYNC1", "CANARYSYNC"),
        ("Sales", "Canary Sales"),
        ("Field", "CanaryField"),
        ("Writers", "Canary Writers"),
        ("Strict", "Canary Strict"),
        ("glass@", "canary.glass@"),
        ("OU=Old", "OU=Canary Old"),
        ("CN=a,", "CN=Canary Ann,"),
        ("MFA for all", "Canary MFA"),
        ("\"SSPR\"", "\"Canary Group\""),
        ("Protect reg", "Canary reg"),
        ("MSOL_16", "MSOL_CANARY16"),
        ("first pet", "canary pet"),
    ];
    names
        .iter()
        .fold(text, |text, (name, canary)| text.replace(name, canary))
}

#[test]
fn no_name_is_left_in_a_redacted_report() {
    let text = canaries();
    let snapshot = Snapshot::from_json(&text).unwrap();
    let names: Value = serde_json::from_str(&text).unwrap();
    let answer = serde_json::to_value(assess(&snapshot, STEPS, &Selection::default())).unwrap();
    let plain = answer.to_string().to_lowercase();
    assert!(plain.matches("canary").count() > 20, "the fixture has names: {plain}");
    for format in FORMATS {
        let open = written(answer.clone(), Some(&snapshot), *format, None);
        assert!(open.to_lowercase().contains("canary"), "{format:?}");
        let text = written(answer.clone(), Some(&snapshot), *format, Some(&names));
        let lower = text.to_lowercase();
        let at = lower
            .find("canary")
            .map(|at| &text[at.saturating_sub(80)..(at + 60).min(text.len())]);
        assert_eq!(at, None, "{format:?}");
        for id in ["16fb75d0227d", "S-1-5-21", "22222222-2222", "11111111-1111"] {
            assert!(!text.contains(id), "{format:?}: {id}");
        }
        assert!(text.replace('\\', "").contains("name-1"), "{format:?}");
    }
    // What was found stays, and one name is one placeholder.
    let redacted: Value =
        serde_json::from_str(&written(answer.clone(), Some(&snapshot), Format::Json, Some(&names))).unwrap();
    for (one, other) in list(&answer, "findings").iter().zip(list(&redacted, "findings")) {
        for member in ["id", "step", "status", "severity", "decides"] {
            assert_eq!(one[member], other[member]);
        }
        assert_eq!(one["affected"]["count"], other["affected"]["count"]);
    }
    let titles: BTreeSet<&str> = list(&redacted, "findings")
        .iter()
        .map(|finding| super::text(finding, "title"))
        .collect();
    assert!(titles.len() > 30);
}

#[test]
fn a_page_has_the_plots_that_there_are_figures_for() {
    let text = canaries();
    let snapshot = Snapshot::from_json(&text).unwrap();
    let answer = serde_json::to_value(assess(&snapshot, STEPS, &Selection::default())).unwrap();
    let page = written(answer.clone(), Some(&snapshot), Format::Html, None);
    let plots = page.matches("<svg").count();
    assert!(plots >= 3, "{plots}");
    assert_eq!(page.matches("<desc id=").count(), plots);
    assert_eq!(page.matches("role=\"img\"").count(), plots);
    assert!(page.contains("2027-02-01: SMS by Microsoft ends"));
    if let Some(file) = std::env::var_os("SSPR_PAGE") {
        std::fs::write(file, &page).unwrap();
    }
    // Without a snapshot there are none.
    assert!(!written(answer, None, Format::Html, None).contains("<svg"));
}

#[test]
fn a_damaged_snapshot_and_a_foreign_document_are_written_too() {
    let mut damaged = crate::steps::tests::full();
    for cohort in damaged["facts"]["registration"]["value"]["cohorts"]
        .as_array_mut()
        .unwrap()
    {
        cohort["count"] = u64::MAX.into();
    }
    damaged["facts"]["auditResets"]["value"]["selfServiceFailures"] = json!({"a": u64::MAX, "b": u64::MAX});
    let snapshot = Snapshot::from_json(&damaged.to_string()).unwrap();
    for document in [
        document(3),
        json!({}),
        json!([1]),
        json!({"findings": [1, {"affected": {"count": -1}}], "steps": [{}], "first": {}}),
    ] {
        for format in FORMATS {
            write(document.clone(), Some(&snapshot), *format, Some(&damaged));
            write(document.clone(), None, *format, None);
        }
    }
}

/// Whether a document is what Jenkins and others take for JUnit's.
#[test]
fn a_pipeline_takes_the_junit_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sspr.xml");
    std::fs::write(&file, write(document(600), None, Format::JUnit, None)).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.matches("<testcase").count(), 600);
    assert_eq!(text.matches("<failure").count(), 50, "half of them are accepted");
    assert!(text.contains("tests=\"600\" failures=\"50\" errors=\"100\" skipped=\"250\""));
    let schema = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/junit.xsd");
    let checked = std::process::Command::new("xmllint")
        .arg("--noout")
        .arg("--schema")
        .arg(schema)
        .arg(&file)
        .output();
    match checked {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => assert!(
            std::env::var_os("SSPR_TEST_ALL").is_none(),
            "xmllint is missing: install libxml2-utils"
        ),
    }
}
