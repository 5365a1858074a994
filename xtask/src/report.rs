//! Answers of runs, made up, for the tests and the benchmark of the report's page.

use crate::build;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A name as an attacker might give it.
const HOSTILE: &str = "<img src=x onerror=alert(1)>\u{202e}\u{1b}[31m\"'&";

/// The program that writes a page of an answer.
pub fn writer(profile: &str) -> Result<PathBuf> {
    let mut build = build::cargo();
    build.args(["build", "--quiet", "--profile", profile, "--example", "report"]);
    ensure!(build.status()?.success(), "the example `report` does not build");
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(build::target()?.join(folder).join("examples/report"))
}

/// Writes an answer with so many findings.
pub fn answer(file: &Path, count: usize) -> Result<()> {
    std::fs::write(file, document(count).to_string()).with_context(|| file.display().to_string())
}

fn document(count: usize) -> Value {
    let steps = [
        ("license", "License"),
        ("authentication_methods", "Authentication methods"),
        ("user_registration", "User registration"),
    ];
    let statuses = ["Fail", "Warn", "Pass", "Skipped", "NotApplicable", "Error"];
    let ends = ["phone_retirement", "questions_retirement", "phone_retirement_later"];
    let finding = |n: usize| {
        let step = steps[n * steps.len() / count].0;
        let id = match ends.get(n) {
            Some(end) => format!("authentication_methods.{end}"),
            None => format!("{step}.check{n}"),
        };
        let status = if n < ends.len() {
            "Warn"
        } else {
            statuses[n % statuses.len()]
        };
        json!({"id": id, "step": step, "status": status, "severity": "Medium", "title": format!("{n} of 20,006 users of {HOSTILE} cannot reset"),
            "decides": true, "reason": format!("They never registered, says {HOSTILE}."),
            "evidence": [{"source": "GET /v1.0/reports/authenticationMethods/userRegistrationDetails", "seen": format!("{n} rows read"), "asOf": "2026-11-23T09:00:00Z"},
                {"source": "audit log", "seen": HOSTILE}],
            "remediation": {"text": "Ask these users to register at aka.ms/mysecurityinfo.", "command": format!("Get-SsprCheck {id}"),
                "portalUrl": if n.is_multiple_of(2) { "https://entra.microsoft.com/#view/x" } else { "javascript:alert(1)" }, "docUrl": "https://learn.microsoft.com/entra/"},
            "affected": {"count": n + 1, "of": 20_006, "blocksReset": true, "sample": [format!("user{n}@contoso.example"), HOSTILE]}})
    };
    let cohort = |methods: u64, count: u64, guest: bool, admin: bool| json!({"key": {"guest": guest, "admin": admin, "ssprEnabled": true, "methods": methods}, "count": count, "sample": []});
    let known =
        |value: Value| json!({"state": "known", "value": value, "source": "test", "asOf": "2026-11-23T08:55:00Z"});
    let snapshot = json!({"schemaVersion": 1, "libraryVersion": "0", "takenAt": "2026-11-23T09:00:00Z", "durationMs": 1,
        "signedIn": {"tenantId": "t"}, "facts": {
            "registration": known(json!({"rows": 20_006, "methods": ["microsoftAuthenticatorPush", "mobilePhone", "email", "securityQuestion"], "groups": [],
                "cohorts": [cohort(3, 12_000, false, false), cohort(6, 5_000, false, false), cohort(8, 900, false, false), cohort(0, 1_906, false, false), cohort(1, 120, false, true), cohort(4, 80, true, false)]})),
            "auditResets": known(json!({"selfServiceResets": 412, "adminResets": 97, "unlocks": 33, "selfServiceFailures": {"x": 41}}))}});
    let lines: Vec<Value> = steps
        .iter()
        .map(|(name, title)| json!({"name": name, "title": title, "status": "Fail", "headline": format!("{HOSTILE} cannot reset"), "findingId": format!("{name}.x")}))
        .collect();
    json!({"schemaVersion": 1, "ready": "No", "tenantId": "5f7f6a0e-0c7b-4a55-9d0c-2f0f4b7f2c1d", "tenantName": HOSTILE, "hybrid": true, "enabledMembers": 20_006,
        "takenAt": "2026-11-23T09:00:00Z", "durationMs": 47_000, "counts": {"fail": count / 6, "warn": count / 6, "skipped": count / 6, "error": count / 6},
        "steps": lines, "first": {"findingId": "license.x", "text": "Ask these users to register.", "command": "Get-SsprCheck license.x"},
        "excessPermissions": {"writing": ["User.ReadWrite.All"], "reading": []}, "findings": (0..count).map(finding).collect::<Vec<_>>(),
        "screen": [], "snapshot": snapshot.to_string()})
}
