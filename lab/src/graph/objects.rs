//! Objects of which a tenant has one or a few.

use std::sync::PoisonError;

use serde_json::{Value, json};

use super::filter::{Rule, Rules};
use super::list::{many, one};
use super::query::{Allowed, Query};
use super::{Ask, GraphError};
use crate::guid::guid;
use crate::reply::Reply;
use crate::scenario::{GroupSpec, PopulationSpec};
use crate::tenant::App;

/// A collection that comes whole.
const WHOLE: Allowed = Allowed {
    select: true,
    filter: false,
    top: None,
    count: false,
    order_by: &[],
    expand: &[],
};

fn read<T: Clone>(lock: &std::sync::RwLock<T>) -> T {
    lock.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// `GET /organization`
pub(super) fn organization(ask: &Ask) -> Result<Reply, GraphError> {
    let value = ask.tenant.objects.organization.clone();
    many(ask, &[value], "microsoft.graph.organization", WHOLE, None, 100)
}

/// The value whose id is the last segment of the path.
fn by_id(ask: &Ask, values: &[Value], kind: &str) -> Result<Reply, GraphError> {
    let id = ask.segments.last().map(String::as_str).unwrap_or_default();
    let found = values
        .iter()
        .find(|value| value["id"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(id)));
    one(ask, found.ok_or_else(|| GraphError::not_found(id))?.clone(), kind)
}

/// `GET /organization/{id}`
pub(super) fn organization_by_id(ask: &Ask) -> Result<Reply, GraphError> {
    by_id(
        ask,
        std::slice::from_ref(&ask.tenant.objects.organization),
        "microsoft.graph.organization",
    )
}

/// `GET /domains/{id}`
pub(super) fn domain(ask: &Ask) -> Result<Reply, GraphError> {
    by_id(ask, &ask.tenant.objects.domains, "microsoft.graph.domain")
}

/// `GET /identity/conditionalAccess/policies/{id}`
pub(super) fn conditional_access_policy(ask: &Ask) -> Result<Reply, GraphError> {
    by_id(
        ask,
        &read(&ask.tenant.objects.conditional_access),
        "microsoft.graph.conditionalAccessPolicy",
    )
}

/// `GET /directory/onPremisesSynchronization/{id}`
pub(super) fn synchronization_by_id(ask: &Ask) -> Result<Reply, GraphError> {
    by_id(
        ask,
        &ask.tenant.objects.synchronization,
        "microsoft.graph.onPremisesDirectorySynchronization",
    )
}

/// `GET /organization/{id}/branding`
pub(super) fn branding(ask: &Ask) -> Result<Reply, GraphError> {
    let id = &ask.segments[1];
    if !id.eq_ignore_ascii_case(&ask.tenant.id) {
        return Err(GraphError::not_found(id));
    }
    match &ask.tenant.objects.branding {
        Some(branding) => one(ask, branding.clone(), "microsoft.graph.organizationalBranding"),
        None => Err(GraphError::new(
            404,
            "Request_ResourceNotFound",
            "The organization has no branding.",
        )),
    }
}

/// `GET /organization/{id}/branding/localizations`: the default one is among them.
pub(super) fn branding_localizations(ask: &Ask) -> Result<Reply, GraphError> {
    let all: Vec<Value> = ask.tenant.objects.branding.iter().cloned().collect();
    many(ask, &all, "microsoft.graph.organizationalBranding", WHOLE, None, 100)
}

/// `GET /roleManagement/directory/roleAssignments`
pub(super) fn role_assignments(ask: &Ask) -> Result<Reply, GraphError> {
    holders(ask, "roleAssignment", |user| &user.roles, |group| &group.roles)
}

const ELIGIBILITY: &str = "roleEligibilityScheduleInstance";

/// `GET /roleManagement/directory/roleEligibilityScheduleInstances`
pub(super) fn role_eligibilities(ask: &Ask) -> Result<Reply, GraphError> {
    holders(ask, ELIGIBILITY, |user| &user.eligible, |group| &group.eligible)
}

/// Who holds which role, or may: users and groups.
fn holders(
    ask: &Ask,
    kind: &str,
    of_user: fn(&PopulationSpec) -> &Vec<String>,
    of_group: fn(&GroupSpec) -> &Vec<String>,
) -> Result<Reply, GraphError> {
    const fn rule(path: &'static str) -> Rule {
        Rule {
            path,
            operators: "eq",
            advanced: "",
        }
    }
    const RULES: Rules = Rules {
        kind: "microsoft.graph.unifiedRoleAssignment",
        or: false,
        not: false,
        properties: &[rule("roleDefinitionId"), rule("principalId")],
    };
    let expanded = ask.call.parameters().iter().any(|(name, _)| name == "$expand");
    let directory = &ask.tenant.directory;
    let row = |principal: String, principal_kind: &str, role: &str| {
        let role = crate::roles::id(role)?;
        let mut row = json!({"id": guid(&[kind, &principal, role]), "principalId": principal, "roleDefinitionId": role, "directoryScopeId": "/"});
        if kind == ELIGIBILITY {
            row["appScopeId"] = Value::Null;
            row["startDateTime"] = "2026-01-05T08:00:00Z".into();
            row["endDateTime"] = Value::Null;
            row["memberType"] = "Direct".into();
            row["roleEligibilityScheduleId"] = guid(&["schedule", &principal, role]).into();
        }
        if expanded {
            row["principal"] = json!({"@odata.type": format!("#microsoft.graph.{principal_kind}"), "id": principal});
        }
        Some(row)
    };
    let users = directory.users.iter().flat_map(|user| {
        let roles = of_user(&directory.population(user).spec);
        roles
            .iter()
            .filter_map(|role| row(crate::guid::text(user.id), "user", role))
    });
    let groups = directory.groups.values().flat_map(|group| {
        let roles = of_group(&group.spec);
        roles.iter().filter_map(|role| row(group.id.clone(), "group", role))
    });
    let all: Vec<Value> = users.chain(groups).collect();
    let allowed = Allowed {
        filter: true,
        expand: &["principal"],
        ..WHOLE
    };
    many(
        ask,
        &all,
        &format!("microsoft.graph.unified{}{}", kind[..1].to_uppercase(), &kind[1..]),
        allowed,
        Some(&RULES),
        100,
    )
}

/// `GET /domains`
pub(super) fn domains(ask: &Ask) -> Result<Reply, GraphError> {
    many(
        ask,
        &ask.tenant.objects.domains,
        "microsoft.graph.domain",
        WHOLE,
        None,
        100,
    )
}

/// `GET /groupSettings`
pub(super) fn group_settings(ask: &Ask) -> Result<Reply, GraphError> {
    many(
        ask,
        &ask.tenant.objects.group_settings,
        "microsoft.graph.groupSetting",
        WHOLE,
        None,
        100,
    )
}

/// `GET /domains/{id}/federationConfiguration`
pub(super) fn federation(ask: &Ask) -> Result<Reply, GraphError> {
    let name = &ask.segments[1];
    let objects = &ask.tenant.objects;
    if !objects
        .domains
        .iter()
        .any(|domain| domain["id"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(name)))
    {
        return Err(GraphError::not_found(name));
    }
    let found: Vec<Value> = objects
        .federations
        .get(&name.to_ascii_lowercase())
        .cloned()
        .into_iter()
        .collect();
    many(
        ask,
        &found,
        "microsoft.graph.internalDomainFederation",
        WHOLE,
        None,
        100,
    )
}

/// `GET /subscribedSkus`
pub(super) fn skus(ask: &Ask) -> Result<Reply, GraphError> {
    many(
        ask,
        &ask.tenant.objects.skus,
        "microsoft.graph.subscribedSku",
        WHOLE,
        None,
        1000,
    )
}

/// `GET /directory/subscriptions`
pub(super) fn subscriptions(ask: &Ask) -> Result<Reply, GraphError> {
    const RULES: Rules = Rules {
        kind: "microsoft.graph.companySubscription",
        or: false,
        not: false,
        properties: &[Rule {
            path: "skuId",
            operators: "eq",
            advanced: "",
        }],
    };
    let allowed = Allowed { filter: true, ..WHOLE };
    many(
        ask,
        &ask.tenant.objects.subscriptions,
        "microsoft.graph.companySubscription",
        allowed,
        Some(&RULES),
        1000,
    )
}

/// `GET /policies/authenticationMethodsPolicy`
pub(super) fn authentication_methods(ask: &Ask) -> Result<Reply, GraphError> {
    let mut value = read(&ask.tenant.objects.authentication_methods);
    if ask.version == crate::contract::Version::Beta {
        for (name, default) in [
            (
                "microsoftAuthenticatorPlatformSettings",
                json!({"enforceAppPIN": {"includeTargets": [], "excludeTargets": []}}),
            ),
            (
                "reportSuspiciousActivitySettings",
                json!({"state": "default", "voiceReportingCode": 0, "includeTarget": {"targetType": "group", "id": "all_users"}}),
            ),
            (
                "systemCredentialPreferences",
                json!({"state": "default", "excludeTargets": [], "includeTargets": [{"id": "all_users", "targetType": "group"}]}),
            ),
        ] {
            if value.get(name).is_none() {
                value[name] = default;
            }
        }
    }
    one(ask, value, "microsoft.graph.authenticationMethodsPolicy")
}

/// `GET /policies/authenticationMethodsPolicy/authenticationMethodConfigurations/{id}`
pub(super) fn method_configuration(ask: &Ask) -> Result<Reply, GraphError> {
    let id = &ask.segments[3];
    let policy = read(&ask.tenant.objects.authentication_methods);
    let all = policy["authenticationMethodConfigurations"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let found = all.into_iter().find(|method| {
        method["id"]
            .as_str()
            .is_some_and(|known| known.eq_ignore_ascii_case(id))
    });
    let found = found.ok_or_else(|| GraphError::not_found(id))?;
    let kind = found["@odata.type"]
        .as_str()
        .unwrap_or_default()
        .trim_start_matches('#')
        .to_owned();
    one(ask, found, &kind)
}

/// `GET /policies/authorizationPolicy`
pub(super) fn authorization(ask: &Ask) -> Result<Reply, GraphError> {
    let mut value = read(&ask.tenant.objects.authorization);
    if ask.tenant.scenario.switches.authorization_policy_without_sspr
        && let Some(object) = value.as_object_mut()
    {
        object.remove("allowedToUseSSPR");
    }
    one(ask, value, "microsoft.graph.authorizationPolicy")
}

/// `GET /policies/identitySecurityDefaultsEnforcementPolicy`
pub(super) fn security_defaults(ask: &Ask) -> Result<Reply, GraphError> {
    one(
        ask,
        read(&ask.tenant.objects.security_defaults),
        "microsoft.graph.identitySecurityDefaultsEnforcementPolicy",
    )
}

/// `GET /identity/conditionalAccess/policies`
pub(super) fn conditional_access(ask: &Ask) -> Result<Reply, GraphError> {
    const RULES: Rules = Rules {
        kind: "microsoft.graph.conditionalAccessPolicy",
        or: false,
        not: false,
        properties: &[
            Rule {
                path: "displayName",
                operators: "eq startswith",
                advanced: "",
            },
            Rule {
                path: "state",
                operators: "eq",
                advanced: "",
            },
        ],
    };
    let allowed = Allowed {
        filter: true,
        top: Some(999),
        count: true,
        ..WHOLE
    };
    let policies = read(&ask.tenant.objects.conditional_access);
    many(
        ask,
        &policies,
        "microsoft.graph.conditionalAccessPolicy",
        allowed,
        Some(&RULES),
        100,
    )
}

/// `GET /beta/directory/recommendations`
pub(super) fn recommendations(ask: &Ask) -> Result<Reply, GraphError> {
    const RULES: Rules = Rules {
        kind: "microsoft.graph.recommendation",
        or: false,
        not: false,
        properties: &[
            Rule {
                path: "recommendationType",
                operators: "eq",
                advanced: "",
            },
            Rule {
                path: "status",
                operators: "eq",
                advanced: "",
            },
        ],
    };
    let allowed = Allowed {
        filter: true,
        top: Some(100),
        ..WHOLE
    };
    many(
        ask,
        &ask.tenant.objects.recommendations,
        "microsoft.graph.recommendation",
        allowed,
        Some(&RULES),
        100,
    )
}

/// `GET /security/secureScores`
pub(super) fn secure_scores(ask: &Ask) -> Result<Reply, GraphError> {
    let allowed = Allowed {
        top: Some(999),
        count: true,
        ..WHOLE
    };
    many(
        ask,
        &ask.tenant.objects.secure_scores,
        "microsoft.graph.secureScore",
        allowed,
        None,
        90,
    )
}

/// `GET /directory/onPremisesSynchronization`
pub(super) fn synchronization(ask: &Ask) -> Result<Reply, GraphError> {
    let kind = "microsoft.graph.onPremisesDirectorySynchronization";
    many(ask, &ask.tenant.objects.synchronization, kind, WHOLE, None, 100)
}

const PRINCIPAL: &str = "microsoft.graph.servicePrincipal";

fn apps(ask: &Ask) -> Vec<App> {
    read(&ask.tenant.apps)
}

fn principal(ask: &Ask, app: &App) -> Value {
    let identity = app.spec.managed_identity.is_some();
    let name = app.spec.display_name.as_ref().unwrap_or(&app.name);
    json!({
        "id": app.object_id, "deletedDateTime": null, "accountEnabled": true, "appDisplayName": name, "appId": app.client_id,
        "appOwnerOrganizationId": ask.tenant.id, "displayName": name, "servicePrincipalNames": [app.client_id],
        "servicePrincipalType": if identity { "ManagedIdentity" } else { "Application" },
        "signInAudience": "AzureADMyOrg", "tags": [], "appRoles": [], "oauth2PermissionScopes": [],
    })
}

/// Microsoft Graph's own, with what it lets apps be granted.
fn graph_principal(ask: &Ask) -> Value {
    let role = |(name, id): (&str, String)| {
        json!({
            "id": id, "value": name, "displayName": name, "description": name, "isEnabled": true, "origin": "Application",
            "allowedMemberTypes": ["Application"],
        })
    };
    json!({
        "id": graph_id(ask), "deletedDateTime": null, "accountEnabled": true, "appDisplayName": "Microsoft Graph", "appId": GRAPH_APP,
        "appOwnerOrganizationId": "f8cdef31-a31e-4b4a-93e4-5f571e91255a", "displayName": "Microsoft Graph",
        "servicePrincipalNames": [GRAPH_APP], "servicePrincipalType": "Application", "signInAudience": "AzureADMultipleOrgs", "tags": [],
        "appRoles": crate::permissions::app_roles().map(role).collect::<Vec<_>>(), "oauth2PermissionScopes": [],
    })
}

const GRAPH_APP: &str = "00000003-0000-0000-c000-000000000000";

pub(super) fn graph_id(ask: &Ask) -> String {
    guid(&[&ask.tenant.id, "servicePrincipal", "Microsoft Graph"])
}

/// `GET /servicePrincipals?$filter=appId eq '...'`
pub(super) fn service_principals(ask: &Ask) -> Result<Reply, GraphError> {
    const RULES: Rules = Rules {
        kind: PRINCIPAL,
        or: false,
        not: false,
        properties: &[
            Rule {
                path: "appId",
                operators: "eq",
                advanced: "",
            },
            Rule {
                path: "displayName",
                operators: "eq startswith",
                advanced: "",
            },
        ],
    };
    let allowed = Allowed {
        filter: true,
        top: Some(999),
        ..WHOLE
    };
    let mut all: Vec<Value> = apps(ask).iter().map(|app| principal(ask, app)).collect();
    all.push(graph_principal(ask));
    many(ask, &all, PRINCIPAL, allowed, Some(&RULES), 100)
}

fn find(ask: &Ask, matches: impl Fn(&App) -> bool, name: &str) -> Result<App, GraphError> {
    apps(ask)
        .into_iter()
        .find(|app| matches(app))
        .ok_or_else(|| GraphError::not_found(name))
}

/// `GET /servicePrincipals(appId='...')`
pub(super) fn service_principal_by_app_id(ask: &Ask) -> Result<Reply, GraphError> {
    let segment = &ask.segments[0];
    let id = segment
        .trim_start_matches("servicePrincipals(appId='")
        .trim_end_matches("')");
    let app = find(ask, |app| app.client_id.eq_ignore_ascii_case(id), id)?;
    one(ask, principal(ask, &app), PRINCIPAL)
}

/// `GET /servicePrincipals/{id}`
pub(super) fn service_principal(ask: &Ask) -> Result<Reply, GraphError> {
    let id = &ask.segments[1];
    let app = find(ask, |app| app.object_id.eq_ignore_ascii_case(id), id)?;
    one(ask, principal(ask, &app), PRINCIPAL)
}

/// `GET /servicePrincipals/{id}/appRoleAssignments`: the application permissions of an app.
pub(super) fn app_role_assignments(ask: &Ask) -> Result<Reply, GraphError> {
    let id = &ask.segments[1];
    let app = find(ask, |app| app.object_id.eq_ignore_ascii_case(id), id)?;
    Query::read(ask.call, WHOLE, "microsoft.graph.appRoleAssignment", ask.version)?;
    let all: Vec<Value> = app
        .spec
        .application_permissions
        .iter()
        .map(|permission| assignment(ask, &app, permission))
        .collect();
    many(ask, &all, "microsoft.graph.appRoleAssignment", WHOLE, None, 100)
}

/// `GET /servicePrincipals/{id}/appRoleAssignments/{id}`
pub(super) fn app_role_assignment(ask: &Ask) -> Result<Reply, GraphError> {
    let (id, wanted) = (&ask.segments[1], &ask.segments[3]);
    let app = find(ask, |app| app.object_id.eq_ignore_ascii_case(id), id)?;
    let mut all = app
        .spec
        .application_permissions
        .iter()
        .map(|permission| assignment(ask, &app, permission));
    let found = all.find(|one| one["id"] == **wanted);
    one(
        ask,
        found.ok_or_else(|| GraphError::not_found(wanted))?,
        "microsoft.graph.appRoleAssignment",
    )
}

/// One of them.
pub(super) fn assignment(ask: &Ask, app: &App, permission: &str) -> Value {
    json!({
        "id": guid(&[&app.object_id, "assignment", permission]), "deletedDateTime": null,
        "appRoleId": crate::permissions::app_role_id(permission), "createdDateTime": "2025-01-10T10:00:00Z",
        "principalDisplayName": app.name, "principalId": app.object_id,
        "principalType": "ServicePrincipal", "resourceDisplayName": "Microsoft Graph",
        "resourceId": graph_id(ask),
    })
}
