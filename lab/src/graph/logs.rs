//! The audit log.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::filter::{Rule, Rules};
use super::list;
use super::query::Allowed;
use super::{Ask, GraphError};
use crate::reply::Reply;

const fn rule(path: &'static str, operators: &'static str) -> Rule {
    Rule {
        path,
        operators,
        advanced: "",
    }
}

const RULES: Rules = Rules {
    kind: "microsoft.graph.directoryAudit",
    or: false,
    not: false,
    properties: &[
        rule("activityDateTime", "eq ge le"),
        rule("activityDisplayName", "eq startswith"),
        rule("category", "eq"),
        rule("correlationId", "eq"),
        rule("loggedByService", "eq"),
        rule("initiatedBy/user/id", "eq"),
        rule("initiatedBy/user/displayName", "eq"),
        rule("initiatedBy/user/userPrincipalName", "eq startswith"),
        rule("initiatedBy/app/appId", "eq"),
        rule("initiatedBy/app/displayName", "eq"),
        rule("targetResources/any/id", "eq"),
        rule("targetResources/any/displayName", "eq startswith"),
    ],
};

const TYPE_RULES: Rules = Rules {
    kind: "microsoft.graph.auditActivityType",
    or: false,
    not: false,
    properties: &[
        rule("category", "eq"),
        rule("service", "eq"),
        rule("activity", "eq startswith"),
    ],
};

/// `GET /auditLogs/directoryAudits`, newest first, as far back as the licence keeps them.
pub(super) fn directory_audits(ask: &Ask) -> Result<Reply, GraphError> {
    let days = if ask.tenant.premium { 30 } else { 7 };
    let oldest = Timestamp::now()
        .checked_sub(SignedDuration::from_hours(24 * days))
        .unwrap_or(Timestamp::MIN);
    let kept = |event: &&Value| {
        event["activityDateTime"]
            .as_str()
            .and_then(|at| at.parse::<Timestamp>().ok())
            .is_some_and(|at| at >= oldest)
    };
    let events: Vec<Value> = crate::record::lock(&ask.tenant.audits)
        .iter()
        .filter(kept)
        .cloned()
        .collect();
    let allowed = Allowed {
        select: false,
        filter: true,
        top: Some(999),
        count: false,
        order_by: &["activityDateTime", "activityDateTime asc", "activityDateTime desc"],
        expand: &[],
    };
    let page = ask.core.options.page_size.unwrap_or(100);
    list::many(
        ask,
        &events,
        "microsoft.graph.directoryAudit",
        allowed,
        Some(&RULES),
        page,
    )
}

/// `GET /beta/auditLogs/auditActivityTypes`
pub(super) fn activity_types(ask: &Ask) -> Result<Reply, GraphError> {
    let allowed = Allowed {
        select: false,
        filter: true,
        top: Some(999),
        count: false,
        order_by: &[],
        expand: &[],
    };
    let types = &ask.tenant.objects.activity_types;
    list::many(
        ask,
        types,
        "microsoft.graph.auditActivityType",
        allowed,
        Some(&TYPE_RULES),
        999,
    )
}
