//! One user's case over HTTP: what stands first between each user of the lab and a reset.

mod common;

use common::*;
use entra_sspr::run;
use entra_sspr::session::Session;
use entra_sspr::task::Task;
use serde_json::{Value, json};
use sspr_lab::{Lab, LabOptions};
use std::sync::Arc;

fn lab(scenario: &str) -> Lab {
    Lab::start_blocking(LabOptions::scenario(scenario)).expect("the lab starts")
}

/// The cases of these users.
fn look(session: &Arc<Session>, users: &[&str]) -> Vec<Value> {
    let session = Arc::clone(session);
    let request = json!({ "users": users });
    let task = Task::start(session.config.host_actions.clone(), move |context| async move {
        run::check_user(&session, request, &context).await
    });
    let mut answer = result(&task.expect("a task starts")).expect("the users are looked at");
    match answer["users"].take() {
        Value::Array(users) => users,
        other => panic!("{other}"),
    }
}

#[test]
fn show() {
    let lab = lab("one-user");
    let session = person(&lab, 0, true);
    let names = std::env::var("WHO").unwrap_or("wanda".into());
    for user in names.split(' ') {
        let user = format!("{user}@contoso.example");
        for case in look(&session, &[&user]) {
            println!("== {} {} {}", case["asked"], case["canReset"], case["first"]);
            for link in case["links"].as_array().unwrap() {
                println!("  {:<14} {:<22} {}", link["status"].as_str().unwrap(), link["id"].as_str().unwrap(), link["title"].as_str().unwrap());
            }
        }
    }
    assert_clean(&lab);
}
