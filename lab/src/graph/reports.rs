//! Reports on registration and use.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::filter::{Rule, Rules};
use super::list::{self, context};
use super::query::{Allowed, Query};
use super::users::{Rows, rows};
use super::{Ask, GraphError};
use crate::contract::Version;
use crate::reply::Reply;
use crate::tenant::{Population, Template};

const KIND: &str = "microsoft.graph.userRegistrationDetails";

const fn rule(path: &'static str, operators: &'static str) -> Rule {
    Rule {
        path,
        operators,
        advanced: "",
    }
}

const RULES: Rules = Rules {
    kind: KIND,
    or: false,
    not: false,
    properties: &[
        rule("isMfaCapable", "eq"),
        rule("isMfaRegistered", "eq"),
        rule("isPasswordlessCapable", "eq"),
        rule("isSsprCapable", "eq"),
        rule("isSsprEnabled", "eq"),
        rule("isSsprRegistered", "eq"),
        rule("isSystemPreferredAuthenticationMethodEnabled", "eq"),
        rule("methodsRegistered/any", "eq"),
        rule("userDisplayName", "eq startswith"),
        rule("userPrincipalName", "eq startswith"),
    ],
};

/// The report is a premium feature.
fn premium(ask: &Ask) -> Result<(), GraphError> {
    if ask.tenant.premium {
        return Ok(());
    }
    Err(GraphError::new(
        403,
        "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
        "Neither tenant is B2C or tenant doesn't have premium license",
    ))
}

fn row(ask: &Ask, population: &Population) -> Value {
    let mut row = population.report.clone();
    if ask.version == Version::Beta {
        let method = match row["userPreferredMethodForSecondaryAuthentication"].as_str() {
            Some("push") => "microsoftAuthenticatorPush",
            Some("oath") => "softwareOneTimePasscode",
            Some("sms" | "voiceMobile") => "mobilePhone",
            Some("voiceAlternateMobile") => "alternateMobilePhone",
            Some("voiceOffice") => "officePhone",
            _ => "none",
        };
        row["defaultMfaMethod"] = json!(method);
    }
    row
}

/// `GET /reports/authenticationMethods/userRegistrationDetails`: users that are enabled.
pub(super) fn registration_details(ask: &Ask) -> Result<Reply, GraphError> {
    premium(ask)?;
    let allowed = Allowed {
        select: true,
        filter: true,
        top: Some(999),
        count: false,
        order_by: &["userPrincipalName", "userDisplayName", "userPrincipalName asc"],
        expand: &[],
    };
    let query = Query::read(ask.call, allowed, KIND, ask.version)?;
    if let Some(filter) = &query.filter {
        filter.check(&RULES)?;
    }
    let template = |population: &Population| {
        let mut row = row(ask, population);
        if let (Some(object), Some(select)) = (row.as_object_mut(), &query.select) {
            object.retain(|name, _| select.contains(name));
        }
        row
    };
    let wanted = |at: u16| ask.tenant.directory.populations[usize::from(at)].spec.enabled;
    let list = Rows {
        fragment: "reports/authenticationMethods/userRegistrationDetails",
        default_page: if ask.tenant.directory.users.len() > 5_000 {
            999
        } else {
            100
        },
        wanted: &wanted,
        template: &template,
        object: |p| &p.report,
    };
    rows(ask, &query, &list)
}

/// `GET /reports/authenticationMethods/userRegistrationDetails/{id}`
pub(super) fn registration_detail(ask: &Ask) -> Result<Reply, GraphError> {
    premium(ask)?;
    let key = &ask.segments[3];
    let directory = &ask.tenant.directory;
    let user = crate::guid::parse(key).and_then(|_| directory.find(key));
    let user = user
        .filter(|user| directory.population(user).spec.enabled)
        .ok_or_else(|| GraphError::not_found(key))?;
    let value = Template::new(&row(ask, directory.population(user))).value(user);
    list::one(ask, value, KIND)
}

/// The rows that a summary counts.
struct Summary {
    total: u64,
    populations: Vec<(u64, Value)>,
    types: String,
    roles: String,
}

/// Reads `(includedUserTypes='all',includedUserRoles='all')` and counts.
fn summary(ask: &Ask) -> Result<Summary, GraphError> {
    premium(ask)?;
    Query::read(ask.call, Allowed::NONE, KIND, ask.version)?;
    let segment = ask.segments.last().map(String::as_str).unwrap_or_default();
    let inside = segment
        .split_once('(')
        .map(|(_, rest)| rest.trim_end_matches(')'))
        .unwrap_or_default();
    let parameters: BTreeMap<&str, &str> = inside
        .split(',')
        .filter_map(|part| part.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim().trim_matches('\'')))
        .collect();
    let parameter = |name: &str, known: &[&str]| match parameters.get(name) {
        Some(value) if known.contains(value) => Ok((*value).to_owned()),
        _ => Err(GraphError::bad_request(format!(
            "The function needs {name}, one of {}.",
            known.join(", ")
        ))),
    };
    let types = parameter("includedUserTypes", &["all", "member", "guest"])?;
    let roles = parameter("includedUserRoles", &["all", "privilegedAdmin", "admin", "user"])?;
    let wanted = |p: &Population| {
        let admin = !p.spec.roles.is_empty();
        p.spec.enabled
            && (types == "all" || p.spec.user_type.eq_ignore_ascii_case(&types))
            && match roles.as_str() {
                "user" => !admin,
                "admin" => admin,
                "privilegedAdmin" => p.spec.roles.iter().any(|role| role == "Global Administrator"),
                _ => true,
            }
    };
    let populations: Vec<(u64, Value)> = ask
        .tenant
        .directory
        .populations
        .iter()
        .filter(|p| wanted(p))
        .map(|p| (u64::from(p.spec.count), p.report.clone()))
        .collect();
    Ok(Summary {
        total: populations.iter().map(|(count, _)| count).sum(),
        populations,
        types,
        roles,
    })
}

/// `GET .../usersRegisteredByFeature(...)`
pub(super) fn by_feature(ask: &Ask) -> Result<Reply, GraphError> {
    let summary = summary(ask)?;
    let count = |member: &str| {
        summary
            .populations
            .iter()
            .filter(|(_, row)| row[member] == true)
            .map(|(n, _)| n)
            .sum::<u64>()
    };
    let features: Vec<Value> = [
        ("ssprRegistered", "isSsprRegistered"),
        ("ssprEnabled", "isSsprEnabled"),
        ("ssprCapable", "isSsprCapable"),
        ("passwordlessCapable", "isPasswordlessCapable"),
        ("mfaCapable", "isMfaCapable"),
    ]
    .iter()
    .map(|(feature, member)| json!({"feature": feature, "userCount": count(member)}))
    .collect();
    Ok(Reply::graph(
        200,
        &json!({
            "@odata.context": context(ask, "microsoft.graph.userRegistrationFeatureSummary"),
            "totalUserCount": summary.total, "userTypes": summary.types, "userRoles": summary.roles,
            "userRegistrationFeatureCounts": features,
        }),
    ))
}

/// `GET .../usersRegisteredByMethod(...)`
pub(super) fn by_method(ask: &Ask) -> Result<Reply, GraphError> {
    let summary = summary(ask)?;
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (count, row) in &summary.populations {
        for method in row["methodsRegistered"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            *counts.entry(method.to_owned()).or_default() += count;
        }
    }
    let counts: Vec<Value> = counts
        .iter()
        .map(|(method, count)| json!({"authenticationMethod": method, "userCount": count}))
        .collect();
    Ok(Reply::graph(
        200,
        &json!({
            "@odata.context": context(ask, "microsoft.graph.userRegistrationMethodSummary"),
            "totalUserCount": summary.total, "userTypes": summary.types, "userRoles": summary.roles,
            "userRegistrationMethodCounts": counts,
        }),
    ))
}

/// `GET /beta/reports/authenticationMethods/userEventsSummary`, from the audit events.
pub(super) fn user_events(ask: &Ask) -> Result<Reply, GraphError> {
    premium(ask)?;
    let audits = crate::record::lock(&ask.tenant.audits).clone();
    let event = |event: &Value| {
        let feature = match event["activityDisplayName"].as_str() {
            Some("Reset password (self-service)") => "reset",
            Some(
                "User registered for self-service password reset"
                | "Security info saved for self-service password reset",
            ) => "registration",
            _ => return None,
        };
        let user = &event["targetResources"][0];
        Some(json!({
            "id": event["id"], "feature": feature, "isSuccess": event["result"] == "success", "authMethod": "email",
            "failureReason": if event["result"] == "success" { "" } else { event["resultReason"].as_str().unwrap_or_default() },
            "eventDateTime": event["activityDateTime"],
            "userPrincipalName": user["userPrincipalName"].as_str().unwrap_or_default(),
            "userDisplayName": user["displayName"].as_str().unwrap_or_default(),
        }))
    };
    let events: Vec<Value> = audits.iter().filter_map(event).collect();
    let allowed = Allowed {
        select: true,
        filter: false,
        top: Some(1000),
        count: false,
        order_by: &[],
        expand: &[],
    };
    list::many(ask, &events, "microsoft.graph.userEventsSummary", allowed, None, 1000)
}

/// `GET /beta/reports/authenticationMethods/userPasswordResetsAndChangesSummary`, one item a day.
pub(super) fn resets_and_changes(ask: &Ask) -> Result<Reply, GraphError> {
    premium(ask)?;
    let audits = crate::record::lock(&ask.tenant.audits).clone();
    let mut days: BTreeMap<String, [u64; 3]> = BTreeMap::new();
    for event in audits.iter().filter(|event| event["result"] == "success") {
        let index = match event["activityDisplayName"].as_str() {
            Some("Change password (self-service)") => 0,
            Some("Reset password (by admin)") => 1,
            Some("Reset password (self-service)") => 2,
            _ => continue,
        };
        let day = event["activityDateTime"]
            .as_str()
            .unwrap_or_default()
            .get(..10)
            .unwrap_or_default();
        days.entry(day.to_owned()).or_default()[index] += 1;
    }
    let days: Vec<Value> = days
        .iter()
        .rev()
        .map(|(day, [changes, by_admin, resets])| {
            json!({
                "id": format!("day-{day}"), "aggregatedDateTime": format!("{day}T00:00:00Z"), "changePasswordSelfServiceCount": changes,
                "passwordResetsByAdminCount": by_admin, "passwordResetsSelfServiceCount": resets,
            })
        })
        .collect();
    let allowed = Allowed {
        select: true,
        filter: false,
        top: Some(1000),
        count: false,
        order_by: &[],
        expand: &[],
    };
    list::many(
        ask,
        &days,
        "microsoft.graph.userPasswordResetsAndChangesSummary",
        allowed,
        None,
        1000,
    )
}
