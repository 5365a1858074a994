//! The portal's back end: the two objects that hold the reset policy, and two read-only ones.

use serde_json::{Map, Value, json};

use crate::core::Core;
use crate::fault::FaultKind;
use crate::guid;
use crate::http::{Call, Notes};
use crate::login::{Holder, Resource, unix_now};
use crate::record::lock;
use crate::reply::Reply;
use crate::tenant::Tenant;

/// Settings as the audit log names them, for the members whose name is known.
const AUDITED: &[(&str, &str)] = &[
    ("enablementType", "EnablementForUsers"),
    (
        "numberOfAuthenticationMethodsRequired",
        "NumberOfRequiredContactMethodsForUsers",
    ),
    ("registrationRequiredOnSignIn", "EnforcedRegistrationEnablementForUsers"),
    (
        "registrationReconfirmIntevalInDays",
        "EnforcedRegistrationIntervalInDaysForUsers",
    ),
    ("notifyUsersOnPasswordReset", "NotifyUsersOfReset"),
    ("notifyOnAdminPasswordReset", "NotifyTenantAdminOfReset"),
    ("customizeHelpdeskLink", "CustomizeContactAdminLink"),
    ("customHelpdeskEmailOrUrl", "CustomContactAdminLink"),
    ("accountUnlockEnabled", "EnableAccountUnlock"),
];

type Failure = (u16, &'static str, Option<String>);

/// Answers a request to `/api/...`.
pub(crate) fn answer(core: &Core, call: &Call, notes: &mut Notes) -> Reply {
    notes.role = "portal";
    let challenged = call.faults.iter().find_map(|fault| match fault {
        FaultKind::ClaimsChallenge { claims } => Some(crate::fault::challenge(claims.as_deref())),
        _ => None,
    });
    if let Some(challenge) = challenged {
        return challenge.reply(call);
    }
    match checked(core, call, notes) {
        Ok(value) => Reply::json(200, &value),
        Err((status, message, violation)) => {
            if let Some(violation) = violation {
                notes.violation(violation);
            }
            Reply::json(status, &json!({"Message": message, "ClientData": null}))
        }
    }
}

fn checked(core: &Core, call: &Call, notes: &mut Notes) -> Result<Value, Failure> {
    let token = call
        .bearer()
        .ok_or((401, "Authorization is missing.", Some("no bearer token".to_owned())))?;
    let access = core.desk.access(token).ok_or((401, "The token is not known.", None))?;
    notes.tenant_id = Some(access.tenant.clone());
    notes.app_id = Some(access.client_id.clone());
    if call.faults.contains(&FaultKind::RevokedToken) || access.expires <= unix_now() {
        return Err((401, "The token has expired.", None));
    }
    if access.resource != Resource::Portal {
        return Err((
            401,
            "The token's audience is not the portal.",
            Some("a token of another audience".to_owned()),
        ));
    }
    let Holder::Person { upn, roles, .. } = &access.holder else {
        return Err((
            403,
            "App-only tokens are refused.",
            Some("an app-only token".to_owned()),
        ));
    };
    if call.header("x-ms-client-request-id").and_then(guid::parse).is_none() {
        return Err((
            400,
            "x-ms-client-request-id is missing.",
            Some("x-ms-client-request-id is not a GUID".to_owned()),
        ));
    }
    let tenant = core
        .tenant_called(&access.tenant)
        .ok_or((401, "The tenant is gone.", None))?;
    let mut portal = lock(&tenant.portal);
    let admin = |wanted: &[&str]| {
        roles
            .iter()
            .any(|role| role == "Global Administrator" || wanted.contains(&role.as_str()))
    };
    let policy_reader = admin(&[
        "Authentication Policy Administrator",
        "Global Reader",
        "Security Reader",
    ]);
    let hybrid_reader = admin(&["Hybrid Identity Administrator", "Global Reader"]);
    let denied = |allowed: bool| {
        if allowed {
            Ok(())
        } else {
            Err((403, "The signed-in user lacks the role.", None))
        }
    };
    let parameters = call.parameters();
    match (call.method.as_str(), call.path.as_str()) {
        ("GET", "/api/PasswordReset/PasswordResetPolicies") => {
            denied(policy_reader)?;
            let mut value = portal.password_reset.clone();
            if parameters
                .iter()
                .any(|(name, value)| name == "getPasswordResetEnabledGroup" && value == "true")
            {
                value.insert(
                    "passwordResetEnabledGroupName".to_owned(),
                    json!(group_name(&tenant, &value)),
                );
            }
            Ok(Value::Object(value))
        }
        ("PUT", "/api/PasswordReset/PasswordResetPolicies") => {
            denied(admin(&["Authentication Policy Administrator"]))?;
            let mut new = body(call)?;
            whole(&portal.password_reset, &new)?;
            in_range(&new)?;
            keep_read_only(&portal.password_reset, &mut new, notes);
            let changes = changes(&portal.password_reset, &new);
            portal.password_reset = new;
            drop(portal);
            audit(&tenant, "Update SSPR Settings", upn, &changes);
            Ok(Value::Null)
        }
        ("GET", "/api/PasswordReset/OnPremisesPasswordResetPolicies") => {
            denied(hybrid_reader)?;
            Ok(Value::Object(portal.on_premises.clone()))
        }
        ("PUT", "/api/PasswordReset/OnPremisesPasswordResetPolicies") => {
            denied(admin(&["Hybrid Identity Administrator"]))?;
            let new = body(call)?;
            let Some((name, Value::Bool(on))) = new.iter().next().filter(|_| new.len() == 1) else {
                return Err((
                    400,
                    "One setting at a time.",
                    Some("the body must hold one boolean".to_owned()),
                ));
            };
            let before = portal.on_premises.clone();
            match name.as_str() {
                // The read and the write spell it differently.
                "passwordWriteBackSupported" => {
                    portal
                        .on_premises
                        .insert("passwordWritebackSupported".to_owned(), json!(on));
                    portal.on_premises.insert("enablementForTenant".to_owned(), json!(on));
                }
                "accountUnlockEnabled" => {
                    portal.on_premises.insert(name.clone(), json!(on));
                }
                other => {
                    return Err((
                        400,
                        "Unknown setting.",
                        Some(format!("nobody was seen writing {other}")),
                    ));
                }
            }
            let changes = changes(&before, &portal.on_premises);
            drop(portal);
            let activity = match name.as_str() {
                "passwordWriteBackSupported" => writeback_activity(*on),
                _ => "Update SSPR Settings",
            };
            audit(&tenant, activity, upn, &changes);
            Ok(Value::Null)
        }
        ("GET", "/api/Directories/ADConnectStatus") => {
            denied(hybrid_reader || policy_reader)?;
            Ok(connect_status(&tenant))
        }
        ("GET", "/api/Directories/GetPasswordSyncStatus") => {
            denied(hybrid_reader || policy_reader)?;
            Ok(json!(password_sync(&tenant)))
        }
        _ => Err((
            404,
            "Not found.",
            Some(format!("{} is not a path of the portal", call.address())),
        )),
    }
}

fn body(call: &Call) -> Result<Map<String, Value>, Failure> {
    if !call
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("application/json"))
    {
        return Err((
            415,
            "The body must be JSON.",
            Some("the content type is not application/json".to_owned()),
        ));
    }
    match serde_json::from_slice(&call.body) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err((
            400,
            "The body must be an object.",
            Some("the body is not a JSON object".to_owned()),
        )),
    }
}

/// The write wants the whole object: every member that the read gave, with its type.
fn whole(old: &Map<String, Value>, new: &Map<String, Value>) -> Result<(), Failure> {
    if new.get("objectId") != Some(&json!("default")) {
        return Err((
            400,
            "objectId must be default.",
            Some("objectId is not default".to_owned()),
        ));
    }
    for (name, value) in old {
        let same_kind = new
            .get(name)
            .is_some_and(|other| std::mem::discriminant(other) == std::mem::discriminant(value));
        if !same_kind {
            return Err((
                400,
                "The whole object is needed.",
                Some(format!("{name} is missing or of another type")),
            ));
        }
    }
    Ok(())
}

/// Values outside what the portal's pages offer; what the back end says to them is not known.
fn in_range(new: &Map<String, Value>) -> Result<(), Failure> {
    for (name, most) in [
        ("enablementType", 2),
        ("numberOfAuthenticationMethodsRequired", 2),
        ("registrationReconfirmIntevalInDays", 730),
    ] {
        let least = i64::from(name.starts_with("numberOf"));
        let fits = |value: &Value| value.as_i64().is_some_and(|number| (least..=most).contains(&number));
        if new.get(name).is_some_and(|value| !fits(value)) {
            return Err((
                400,
                "A value is out of range.",
                Some(format!("{name} is not between {least} and {most}")),
            ));
        }
    }
    Ok(())
}

/// What the tenant may choose is not written, nor the group's name, which a read fills in on demand.
fn keep_read_only(old: &Map<String, Value>, new: &mut Map<String, Value>, notes: &mut Notes) {
    const NAME: &str = "passwordResetEnabledGroupName";
    for (name, own) in new.iter_mut().filter(|(name, _)| name.ends_with("OptionAllowed")) {
        if let Some(before) = old.get(name).filter(|before| *before != own) {
            notes.violation(format!("{name} is read-only"));
            *own = before.clone();
        }
    }
    if new.get(NAME).is_some_and(|name| name != "") {
        notes.violation(format!("{NAME} is sent empty"));
        new.insert(NAME.to_owned(), json!(""));
    }
}

fn changes(old: &Map<String, Value>, new: &Map<String, Value>) -> Map<String, Value> {
    let text = |name: &str, value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Bool(on) => if *on { "True" } else { "False" }.to_owned(),
        Value::Number(number) if name == "enablementType" => match number.as_u64() {
            Some(0) => "None".to_owned(),
            Some(1) => "Selected".to_owned(),
            _ => "All".to_owned(),
        },
        other => other.to_string(),
    };
    AUDITED
        .iter()
        .filter_map(|(member, setting)| {
            let (old, new) = (old.get(*member)?, new.get(*member)?);
            (old != new).then(|| ((*setting).to_owned(), json!([text(member, old), text(member, new)])))
        })
        .collect()
}

/// A person's click on the portal's pages: members set as they are, and the audit log told of it.
pub(crate) fn click(tenant: &Tenant, upn: &str, on_premises: bool, set: &Map<String, Value>) {
    let mut portal = lock(&tenant.portal);
    let object = if on_premises {
        &mut portal.on_premises
    } else {
        &mut portal.password_reset
    };
    let before = object.clone();
    object.extend(set.iter().map(|(name, value)| (name.clone(), value.clone())));
    let changes = changes(&before, object);
    let writeback = object.get("passwordWritebackSupported").cloned();
    drop(portal);
    if before.get("passwordWritebackSupported") != writeback.as_ref() {
        audit(
            tenant,
            writeback_activity(writeback == Some(Value::Bool(true))),
            upn,
            &changes,
        );
    }
    audit(tenant, "Update SSPR Settings", upn, &changes);
}

fn writeback_activity(on: bool) -> &'static str {
    if on {
        "Enable password writeback for directory"
    } else {
        "Disable password writeback for directory"
    }
}

fn audit(tenant: &Tenant, activity: &str, upn: &str, changes: &Map<String, Value>) {
    if activity == "Update SSPR Settings" && changes.is_empty() {
        return;
    }
    let changes = if activity == "Update SSPR Settings" {
        json!(changes)
    } else {
        json!({})
    };
    let event = json!({"at": "-0s", "activity": activity, "by": upn, "changes": changes});
    // The event is well formed: it was written here.
    let _ = tenant.append_audit(event, jiff::Timestamp::now());
}

fn group_name(tenant: &Tenant, policy: &Map<String, Value>) -> String {
    let id = policy
        .get("passwordResetEnabledGroupIds")
        .and_then(|ids| ids[0].as_str());
    let group = id.and_then(|id| tenant.directory.groups.get(id));
    group
        .and_then(|group| group.object["displayName"].as_str())
        .unwrap_or_default()
        .to_owned()
}

fn password_sync(tenant: &Tenant) -> bool {
    let sync = tenant.scenario.sync.as_ref().filter(|sync| sync.enabled);
    sync.and_then(|sync| sync.features.get("passwordSyncEnabled"))
        .and_then(Value::as_bool)
        .unwrap_or(false)
}

fn connect_status(tenant: &Tenant) -> Value {
    let sync = tenant.scenario.sync.as_ref();
    let domains = &tenant.objects.domains;
    let hours = sync
        .and_then(|sync| sync.last_sync.as_deref()?.parse::<jiff::Timestamp>().ok())
        .map_or(0, |at| {
            (jiff::Timestamp::now().as_second() - at.as_second()).max(0) / 3600
        });
    let count = |test: &dyn Fn(&Value) -> bool| domains.iter().filter(|domain| test(domain)).count();
    let mut value = json!({
        "verifiedDomainCount": count(&|domain| domain["isVerified"] == true),
        "verifiedCustomDomainCount": count(&|domain| domain["isVerified"] == true && domain["isInitial"] != true),
        "federatedDomainCount": count(&|domain| domain["authenticationType"] == "Federated"),
        "numberOfHoursFromLastSync": hours,
        "dirSyncEnabled": sync.is_some_and(|sync| sync.enabled),
        "dirSyncConfigured": sync.is_some(),
        "passThroughAuthenticationEnabled": false,
        "seamlessSingleSignOnEnabled": false,
    });
    for (name, member) in &tenant.scenario.portal.connect_status {
        value[name] = member.clone();
    }
    value
}
