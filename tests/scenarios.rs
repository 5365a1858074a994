//! The same checks over every kind of tenant: what each step comes to, through HTTP.

mod common;

use common::*;
use serde_json::{Value, json};
use sspr_lab::{Lab, LabOptions};
use std::collections::{BTreeMap, BTreeSet};

fn lab(scenario: &str) -> Lab {
    Lab::start_blocking(LabOptions::scenario(scenario)).expect("the lab starts")
}

/// The status of every finding of a run, by id.
fn statuses(readiness: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().expect("text").to_string();
    let findings = readiness["findings"].as_array().expect("findings");
    findings.iter().map(|f| (text(&f["id"]), text(&f["status"]))).collect()
}

/// A run of a scenario, as an app or as a person who also reads the portal where that is possible.
fn run(scenario: &str, person: bool) -> Value {
    let lab = lab(scenario);
    let session = if person {
        common::person(&lab, 0, scenario != NO_PORTAL)
    } else {
        app(&lab, 0)
    };
    let readiness = check(&session, json!({}));
    assert_clean(&lab);
    for line in readiness["screen"].as_array().expect("lines") {
        assert!(line.as_str().expect("text").chars().count() <= 80, "{line}");
    }
    readiness
}

/// What each step comes to in some of the scenarios. The cases that are missing here are tested on snapshots.
const WANTED: &[(&str, &str)] = &[
    ("license", "Fail NotApplicable Pass Skipped Warn"),
    ("reset_policy", "Fail NotApplicable Pass Skipped Warn"),
    ("security_questions", "NotApplicable Pass Skipped Warn"),
    ("authentication_methods", "Pass Skipped Warn"),
    ("registration", "Fail NotApplicable Pass Skipped Warn"),
    ("mfa_enforcement", "Fail NotApplicable Pass Skipped Warn"),
    ("notifications", "Pass Skipped Warn"),
    ("hybrid", "Fail NotApplicable Pass Skipped Warn"),
    ("service_account", "NotApplicable Skipped"),
    ("directory_permissions", "NotApplicable Skipped"),
    ("password_policy", "NotApplicable Skipped"),
    ("connect_writeback", "NotApplicable Pass Skipped"),
    ("cloud_writeback", "Fail NotApplicable Pass Skipped Warn"),
    ("account_unlock", "Fail NotApplicable Pass Skipped"),
    ("user_registration", "Fail NotApplicable Pass Skipped Warn"),
    ("writeback_probe", "NotApplicable"),
];

#[test]
fn every_step_comes_to_each_kind_of_answer_somewhere() {
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for scenario in SCENARIOS {
        for person in [false, true] {
            let readiness = run(scenario, person);
            for (id, status) in statuses(&readiness) {
                assert_ne!(status, "Error", "{scenario}: {id}");
                let step = id.split('.').next().expect("a step").to_string();
                seen.entry(step).or_default().insert(status);
            }
        }
    }
    // And an app that may read nothing at all.
    for (id, status) in statuses(&blind()) {
        let step = id.split('.').next().expect("a step").to_string();
        seen.entry(step).or_default().insert(status);
    }
    for (step, wanted) in WANTED {
        let found = &seen[*step];
        let missing: Vec<_> = wanted.split(' ').filter(|status| !found.contains(*status)).collect();
        assert!(
            missing.is_empty(),
            "{step} never came to {missing:?}, only to {found:?}"
        );
    }
    assert_eq!(seen.len(), WANTED.len());
}

/// A run of an app whose permissions were all taken away: it ends, and no line is green.
fn blind() -> Value {
    let lab = lab("hybrid-ready");
    for permission in app(&lab, 0).state().expect("signed in").identity.permissions {
        let body = json!({"app": "checker", "permission": permission});
        lab.control("POST", "permissions/remove", &body)
            .expect("the lab takes it away");
    }
    let readiness = check(&app(&lab, 0), json!({}));
    assert_eq!(readiness["ready"], "Unknown");
    let found = statuses(&readiness);
    assert!(
        found.values().all(|s| s == "Skipped" || s == "NotApplicable"),
        "{found:#?}"
    );
    readiness
}

#[test]
fn where_the_portal_lets_nobody_in_the_audit_log_tells_and_says_so() {
    let readiness = run(NO_PORTAL, true);
    let scope = finding(&readiness, "reset_policy.scope");
    assert_eq!(scope["status"], "Pass", "{scope:#}");
    assert_eq!(scope["evidence"][0]["source"], "audit log");
    let findings = readiness["findings"].as_array().expect("findings");
    let evidence = findings.iter().filter_map(|f| f["evidence"].as_array()).flatten();
    let portal: Vec<_> = evidence.filter(|e| e["source"] == "portal").collect();
    assert!(portal.is_empty(), "{portal:#?}");
}
