//! Audit events in Graph's form, from the short form of a scenario.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Names;
use super::directory::Directory;
use crate::guid::guid;
use crate::scenario::{AuditSpec, Scenario};
use crate::when;

pub(super) const SSPR_SERVICE: &str = "Self-service Password Management";

pub(super) fn build(tenant: &str, names: &Names, scenario: &Scenario, directory: &Directory) -> Vec<Value> {
    let mut all = Vec::new();
    for (name, spec) in &scenario.audit {
        events(
            tenant,
            &scenario.tenant.display_name,
            &format!("{}-{name}", names.seed),
            spec,
            directory,
            &mut all,
        );
    }
    newest_first(&mut all);
    all
}

pub(super) fn newest_first(audits: &mut [Value]) {
    let at = |event: &Value| event["activityDateTime"].as_str().unwrap_or_default().to_owned();
    audits.sort_by_key(|event| std::cmp::Reverse(at(event)));
}

/// Makes the event (and its repetitions).
pub(super) fn events(
    tenant: &str,
    tenant_name: &str,
    seed: &str,
    spec: &AuditSpec,
    directory: &Directory,
    out: &mut Vec<Value>,
) {
    let repeat = spec.repeat.map_or(1, |repeat| repeat.times.max(1));
    let step = spec.repeat.map_or(0, |repeat| repeat.every_minutes);
    for turn in 0..repeat {
        let at = spec.at.parse::<Timestamp>().unwrap_or_default();
        let at = at
            .checked_sub(SignedDuration::from_mins(step * i64::from(turn)))
            .unwrap_or(at);
        out.push(event(
            tenant,
            tenant_name,
            &guid(&[seed, "audit", &turn.to_string()]),
            spec,
            directory,
            at,
        ));
    }
}

fn event(tenant: &str, tenant_name: &str, id: &str, spec: &AuditSpec, directory: &Directory, at: Timestamp) -> Value {
    let directory_wide = spec.activity.ends_with("for directory");
    let settings = spec.activity == "Update SSPR Settings";
    let category = spec.category.as_deref().unwrap_or(match () {
        () if directory_wide => "DirectoryManagement",
        () if settings => "Other",
        () => "UserManagement",
    });
    let user_of = |upn: &str| match directory.find(upn) {
        Some(user) => directory.user_value(user),
        None => json!({"id": guid(&[upn]), "userPrincipalName": upn, "displayName": upn}),
    };
    let by = spec.by.as_deref().or(spec.target.as_deref()).map(user_of);
    let changes: Vec<Value> = spec
        .changes
        .iter()
        .map(|(name, [old, new])| json!({"displayName": name, "oldValue": format!("\"{old}\""), "newValue": format!("\"{new}\"")}))
        .collect();
    let target = match spec.target.as_deref().map(user_of) {
        Some(user) => json!({
            "id": user["id"], "displayName": user["displayName"], "type": "User",
            "userPrincipalName": user["userPrincipalName"], "groupType": null, "modifiedProperties": changes,
        }),
        None => json!({
            "id": tenant,
            "displayName": if settings { "SSPR policy" } else { tenant_name },
            "type": if settings { "Policy" } else { "Directory" },
            "userPrincipalName": null, "groupType": null, "modifiedProperties": changes,
        }),
    };
    json!({
        "id": format!("SSPR_{id}"),
        "category": category,
        "correlationId": guid(&[id, "correlation"]),
        "result": spec.result.as_deref().unwrap_or("success"),
        "resultReason": spec.reason.as_deref().unwrap_or_default(),
        "activityDisplayName": spec.activity,
        "activityDateTime": when::with_ticks(&when::rfc3339(at)),
        "loggedByService": spec.service.as_deref().unwrap_or(SSPR_SERVICE),
        "operationType": "Update",
        "initiatedBy": {
            "app": null,
            "user": by.map(|user| json!({
                "id": user["id"], "displayName": null, "userPrincipalName": user["userPrincipalName"], "ipAddress": "203.0.113.7",
            })),
        },
        "targetResources": [target],
        "additionalDetails": spec.details.iter().map(|(key, value)| json!({"key": key, "value": value})).collect::<Vec<_>>(),
    })
}
