//! The cloud checks against the lab, over HTTP.

mod common;

use common::*;
use serde_json::json;
use sspr_lab::{Lab, LabOptions};

fn lab(scenario: &str) -> Lab {
    Lab::start_blocking(LabOptions::scenario(scenario)).expect("the lab starts")
}

#[test]
fn every_fact_of_a_ready_tenant_is_read() {
    let lab = lab("hybrid-ready");
    let readiness = check(&app(&lab, 0), json!({}));
    assert_clean(&lab);
    println!(
        "{}",
        readiness["screen"]
            .as_array()
            .unwrap()
            .iter()
            .map(|l| l.as_str().unwrap())
            .collect::<Vec<_>>()
            .join("\n")
    );
    let snapshot: serde_json::Value = serde_json::from_str(readiness["snapshot"].as_str().unwrap()).unwrap();
    for (name, fact) in snapshot["facts"].as_object().unwrap() {
        println!("{name}: {}", fact["state"]);
        if fact["state"] == "unreadable" {
            println!("    {}", fact["refusal"]);
        }
    }
}
