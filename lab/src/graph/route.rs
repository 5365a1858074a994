//! Which function answers which path.

use super::access::{self, Readers};
use super::write::{self, Write};
use super::{Ask, GraphError, groups, logs, objects, reports, users};
use crate::contract::Version;
use crate::reply::Reply;

/// A path with everything that is checked before it is answered.
struct Route {
    /// `{}` stands for any one segment.
    pattern: &'static str,
    beta_only: bool,
    readers: Readers,
    budget: Budget,
    handler: fn(&Ask) -> Result<Reply, GraphError>,
    writes: &'static [Write],
}

impl Route {
    const fn writes(mut self, writes: &'static [Write]) -> Self {
        self.writes = writes;
        self
    }
}

/// The documented limit that a path falls under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Budget {
    /// Resource units of the directory; the number is the base cost.
    Directory(u32),
    /// Five requests in ten seconds.
    Reports,
    /// One request a second, and no Retry-After.
    ConditionalAccess,
}

const fn route(
    pattern: &'static str,
    readers: Readers,
    budget: Budget,
    handler: fn(&Ask) -> Result<Reply, GraphError>,
) -> Route {
    Route {
        pattern,
        beta_only: false,
        readers,
        budget,
        handler,
        writes: &[],
    }
}

const fn beta(
    pattern: &'static str,
    readers: Readers,
    budget: Budget,
    handler: fn(&Ask) -> Result<Reply, GraphError>,
) -> Route {
    Route {
        pattern,
        beta_only: true,
        readers,
        budget,
        handler,
        writes: &[],
    }
}

use Budget::{ConditionalAccess, Directory, Reports};

const ROUTES: &[Route] = &[
    route(
        "organization",
        access::listed("/organization"),
        Directory(1),
        objects::organization,
    ),
    route(
        "organization/{}/branding",
        access::listed("/organization/{id}/branding"),
        Directory(1),
        objects::branding,
    ),
    route(
        "organization/{}/branding/localizations",
        access::listed("/organization/{id}/branding"),
        Directory(1),
        objects::branding_localizations,
    ),
    route(
        "roleManagement/directory/roleAssignments",
        access::ROLE_ASSIGNMENTS,
        Directory(1),
        objects::role_assignments,
    ),
    route(
        "roleManagement/directory/roleEligibilityScheduleInstances",
        access::ROLE_ELIGIBILITIES,
        Directory(1),
        objects::role_eligibilities,
    ),
    route("domains", access::listed("/domains"), Directory(1), objects::domains),
    route(
        "groupSettings",
        access::GROUP_SETTINGS,
        Directory(1),
        objects::group_settings,
    ),
    route(
        "domains/{}/federationConfiguration",
        access::listed("/domains/{id}/federationConfiguration"),
        Directory(1),
        objects::federation,
    ),
    route(
        "subscribedSkus",
        access::listed("/subscribedSkus"),
        Directory(3),
        objects::skus,
    ),
    route(
        "directory/subscriptions",
        access::SUBSCRIPTIONS,
        Directory(1),
        objects::subscriptions,
    ),
    route(
        "policies/authenticationMethodsPolicy",
        access::listed("/policies/authenticationMethodsPolicy").roles(access::METHODS_ROLES),
        Directory(1),
        objects::authentication_methods,
    )
    .writes(write::METHODS_POLICY),
    route(
        "policies/authenticationMethodsPolicy/authenticationMethodConfigurations/{}",
        access::listed("/policies/authenticationMethodsPolicy/authenticationMethodConfigurations/{id}")
            .roles(access::METHODS_ROLES),
        Directory(1),
        objects::method_configuration,
    )
    .writes(write::METHOD),
    route(
        "policies/authorizationPolicy",
        access::listed("/policies/authorizationPolicy"),
        Directory(1),
        objects::authorization,
    )
    .writes(write::AUTHORIZATION),
    route(
        "policies/identitySecurityDefaultsEnforcementPolicy",
        access::listed("/policies/identitySecurityDefaultsEnforcementPolicy"),
        Directory(1),
        objects::security_defaults,
    )
    .writes(write::SECURITY_DEFAULTS),
    route(
        "identity/conditionalAccess/policies",
        access::listed("/identity/conditionalAccess/policies").roles(access::POLICY_ROLES),
        ConditionalAccess,
        objects::conditional_access,
    )
    .writes(write::CONDITIONAL_ACCESS),
    route(
        "reports/authenticationMethods/userRegistrationDetails",
        access::listed("/reports/authenticationMethods/userRegistrationDetails").roles(access::REPORT_ROLES),
        Reports,
        reports::registration_details,
    ),
    route(
        "reports/authenticationMethods/userRegistrationDetails/{}",
        access::listed("/reports/authenticationMethods/userRegistrationDetails/{id}").roles(access::REPORT_ROLES),
        Reports,
        reports::registration_detail,
    ),
    route(
        "reports/authenticationMethods/usersRegisteredByFeature()",
        access::listed("/reports/authenticationMethods/usersRegisteredByFeature").roles(access::REPORT_ROLES),
        Reports,
        reports::by_feature,
    ),
    route(
        "reports/authenticationMethods/usersRegisteredByMethod()",
        access::listed("/reports/authenticationMethods/usersRegisteredByMethod").roles(access::REPORT_ROLES),
        Reports,
        reports::by_method,
    ),
    beta(
        "reports/authenticationMethods/userEventsSummary",
        access::AUDIT,
        Reports,
        reports::user_events,
    ),
    beta(
        "reports/authenticationMethods/userPasswordResetsAndChangesSummary",
        access::AUDIT,
        Reports,
        reports::resets_and_changes,
    ),
    route(
        "auditLogs/directoryAudits",
        access::listed("/auditLogs/directoryAudits").roles(access::REPORT_ROLES),
        Reports,
        logs::directory_audits,
    ),
    beta(
        "auditLogs/auditActivityTypes",
        access::AUDIT,
        Reports,
        logs::activity_types,
    ),
    beta(
        "directory/recommendations",
        access::listed("/directory/recommendations"),
        Directory(1),
        objects::recommendations,
    ),
    route(
        "security/secureScores",
        access::listed("/security/secureScores"),
        Directory(1),
        objects::secure_scores,
    ),
    route(
        "directory/onPremisesSynchronization",
        access::listed("/directory/onPremisesSynchronization").roles(access::GLOBAL_ADMINISTRATOR),
        Directory(1),
        objects::synchronization,
    ),
    route(
        "organization/{}",
        access::listed("/organization"),
        Directory(1),
        objects::organization_by_id,
    ),
    route("domains/{}", access::listed("/domains"), Directory(1), objects::domain),
    route("groups", access::GROUPS, Directory(1), groups::list),
    route(
        "identity/conditionalAccess/policies/{}",
        access::listed("/identity/conditionalAccess/policies").roles(access::POLICY_ROLES),
        ConditionalAccess,
        objects::conditional_access_policy,
    )
    .writes(write::CONDITIONAL_ACCESS_POLICY),
    route(
        "directory/onPremisesSynchronization/{}",
        access::listed("/directory/onPremisesSynchronization/{id}").roles(access::GLOBAL_ADMINISTRATOR),
        Directory(1),
        objects::synchronization_by_id,
    ),
    route("users", access::USERS, Directory(2), users::list),
    route("users/$count", access::USERS, Directory(2), users::count),
    route("users/{}", access::USERS, Directory(1), users::one),
    route(
        "users/{}/onPremisesSyncBehavior",
        access::listed("/users/{id}/onPremisesSyncBehavior"),
        Directory(1),
        users::sync_behavior,
    ),
    route(
        "users/{}/transitiveMemberOf",
        access::USERS,
        Directory(1),
        groups::of_user,
    ),
    route("me", access::ME, Directory(1), users::me),
    route("groups/{}", access::GROUPS, Directory(1), groups::one),
    route(
        "groups/{}/transitiveMembers",
        access::GROUPS,
        Directory(5),
        groups::members,
    ),
    route(
        "groups/{}/transitiveMembers/microsoft.graph.user",
        access::GROUPS,
        Directory(5),
        groups::user_members,
    ),
    route(
        "groups/{}/transitiveMembers/$count",
        access::GROUPS,
        Directory(5),
        groups::member_count,
    ),
    route(
        "groups/{}/transitiveMembers/microsoft.graph.user/$count",
        access::GROUPS,
        Directory(5),
        groups::user_member_count,
    ),
    route(
        "servicePrincipals",
        access::APPLICATIONS,
        Directory(1),
        objects::service_principals,
    ),
    route(
        "servicePrincipals()",
        access::APPLICATIONS,
        Directory(1),
        objects::service_principal_by_app_id,
    ),
    route(
        "servicePrincipals/{}",
        access::APPLICATIONS,
        Directory(1),
        objects::service_principal,
    ),
    route(
        "servicePrincipals/{}/appRoleAssignments",
        access::APPLICATIONS,
        Directory(1),
        objects::app_role_assignments,
    )
    .writes(write::APP_ROLES),
    route(
        "servicePrincipals/{}/appRoleAssignments/{}",
        access::APPLICATIONS,
        Directory(1),
        objects::app_role_assignment,
    )
    .writes(write::APP_ROLE),
];

/// The patterns of all paths that are answered; `{}` stands for any one segment, `()` for any arguments.
pub fn graph_paths() -> impl Iterator<Item = &'static str> {
    ROUTES.iter().map(|route| route.pattern)
}

/// Whether a path, query and version left out, is one of a pattern's.
pub fn path_is_of(pattern: &str, path: &str) -> bool {
    fits(pattern, &path.split('/').map(str::to_owned).collect::<Vec<_>>())
}

/// Answers a path without asking who wants it, for pages that are rendered beforehand.
pub(super) fn render(ask: &Ask) -> Result<Reply, GraphError> {
    (find(ask)?.handler)(ask)
}

/// Answers a path.
pub(super) fn answer(ask: &Ask) -> Result<Reply, GraphError> {
    let route = find(ask)?;
    let method = ask.call.method.as_str();
    let write = route.writes.iter().find(|write| write.method == method);
    if write.is_none() && method != "GET" {
        return Err(GraphError::refused(
            405,
            "Request_BadRequest",
            format!("The lab does not answer {method} here."),
        ));
    }
    let notice = ask.core.budgets.spend(ask, route.budget)?;
    let mut reply = match write {
        Some(write) => write.answer(ask)?,
        None => {
            route.readers.check(ask)?;
            (route.handler)(ask)?
        }
    };
    for (name, value) in notice {
        reply = reply.header(name, &value);
    }
    Ok(reply)
}

fn find(ask: &Ask) -> Result<&'static Route, GraphError> {
    let Some(route) = ROUTES.iter().find(|route| fits(route.pattern, &ask.segments)) else {
        let segment = ask.segments.last().map(String::as_str).unwrap_or_default();
        return Err(GraphError::bad_request(format!(
            "Resource not found for the segment '{segment}'."
        )));
    };
    if route.beta_only && ask.version == Version::V1 {
        let segment = ask.segments.last().map(String::as_str).unwrap_or_default();
        return Err(GraphError::bad_request(format!(
            "Resource not found for the segment '{segment}'."
        )));
    }
    Ok(route)
}

fn fits(pattern: &str, segments: &[String]) -> bool {
    let mut parts = pattern.split('/');
    let all = segments.iter().all(|segment| {
        parts.next().is_some_and(|part| match part.strip_suffix("()") {
            Some(name) => segment
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('(') && rest.ends_with(')')),
            None => part == "{}" && !segment.starts_with('$') || part == segment,
        })
    });
    all && parts.next().is_none()
}
