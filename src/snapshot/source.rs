//! Where each fact comes from, and what reading it takes.

use super::FactId;

/// One fact's source.
#[derive(Debug)]
pub struct Source {
    /// Where it is read, as people write it.
    pub path: &'static str,
    /// The permissions that open it, the least first.
    pub permissions: &'static [&'static str],
    /// The directory roles of which a person needs one besides, where documented.
    pub roles: &'static [&'static str],
    /// True where only a signed-in person is documented to be served.
    pub delegated_only: bool,
}

const REPORT_ROLES: &[&str] = &[
    "Reports Reader",
    "Security Reader",
    "Security Administrator",
    "Global Reader",
];

/// The source of a fact.
pub fn source(fact: FactId) -> &'static Source {
    macro_rules! source {
        ($path:literal, [$($permission:literal),*]) => {
            source!($path, [$($permission),*], &[], false)
        };
        ($path:literal, [$($permission:literal),*], $roles:expr, $delegated:literal) => {
            const { &Source { path: $path, permissions: &[$($permission),*], roles: $roles, delegated_only: $delegated } }
        };
    }
    match fact {
        FactId::Organization => source!(
            "GET /v1.0/organization",
            ["Organization.Read.All", "Directory.Read.All"]
        ),
        FactId::PasswordSync => source!(
            "GET /beta/organization",
            ["Organization.Read.All", "Directory.Read.All"]
        ),
        FactId::Domains => source!("GET /v1.0/domains", ["Domain.Read.All", "Directory.Read.All"]),
        FactId::Federation => source!(
            "GET /v1.0/domains/{id}/federationConfiguration",
            ["Domain-InternalFederation.Read.All"]
        ),
        FactId::SubscribedSkus => source!(
            "GET /v1.0/subscribedSkus",
            [
                "LicenseAssignment.Read.All",
                "Organization.Read.All",
                "Directory.Read.All"
            ]
        ),
        FactId::Subscriptions => source!(
            "GET /v1.0/directory/subscriptions",
            ["Organization.Read.All", "Directory.Read.All"]
        ),
        FactId::UserCounts => source!("GET /v1.0/users?$count=true", ["User.Read.All", "Directory.Read.All"]),
        FactId::LicensedMembers => source!(
            "GET /v1.0/users?$count=true (assigned plans)",
            ["User.Read.All", "Directory.Read.All"]
        ),
        FactId::MethodsPolicy => source!(
            "GET /v1.0/policies/authenticationMethodsPolicy",
            ["Policy.Read.AuthenticationMethod", "Policy.Read.All"],
            &["Global Reader", "Authentication Policy Administrator"],
            false
        ),
        FactId::AuthorizationPolicy => source!("GET /v1.0/policies/authorizationPolicy", ["Policy.Read.All"]),
        FactId::ConditionalAccess => source!("GET /v1.0/identity/conditionalAccess/policies", ["Policy.Read.All"]),
        FactId::SecurityDefaults => source!(
            "GET /v1.0/policies/identitySecurityDefaultsEnforcementPolicy",
            ["Policy.Read.All"]
        ),
        FactId::Branding => source!(
            "GET /v1.0/organization/{id}/branding",
            ["OrganizationalBranding.Read.All", "Organization.Read.All"]
        ),
        FactId::PolicyGroups => source!(
            "GET /v1.0/groups/{id}/transitiveMembers",
            ["GroupMember.Read.All", "Directory.Read.All"]
        ),
        FactId::PolicyUsers => source!("GET /v1.0/users/{id}", ["User.Read.All", "Directory.Read.All"]),
        FactId::GlobalAdministrators => source!(
            "GET /v1.0/roleManagement/directory/roleAssignments",
            ["RoleManagement.Read.Directory", "Directory.Read.All"]
        ),
        // Not the least, but the one that the assignments take too.
        FactId::EligibleAdministrators => source!(
            "GET /v1.0/roleManagement/directory/roleEligibilityScheduleInstances",
            [
                "RoleManagement.Read.Directory",
                "RoleEligibilitySchedule.Read.Directory"
            ]
        ),
        FactId::Registration => source!(
            "GET /v1.0/reports/authenticationMethods/userRegistrationDetails",
            ["AuditLog.Read.All"],
            REPORT_ROLES,
            false
        ),
        FactId::FeatureSummary => source!(
            "GET /v1.0/reports/authenticationMethods/usersRegisteredByFeature",
            ["AuditLog.Read.All"],
            REPORT_ROLES,
            true
        ),
        FactId::PortalResetPolicy => source!(
            "GET PasswordReset/PasswordResetPolicies (portal API)",
            [],
            &["Authentication Policy Administrator"],
            true
        ),
        FactId::PortalOnPremises => source!(
            "GET PasswordReset/OnPremisesPasswordResetPolicies (portal API)",
            [],
            &["Hybrid Identity Administrator"],
            true
        ),
        FactId::PortalSyncStatus => source!("GET Directories/ADConnectStatus (portal API)", [], &[], true),
        FactId::AuditSettings => source!(
            "GET /v1.0/auditLogs/directoryAudits (Update SSPR Settings)",
            ["AuditLog.Read.All"],
            REPORT_ROLES,
            false
        ),
        FactId::Attestation => source!("the attestation that the run was given", []),
        FactId::AuditWriteback => source!(
            "GET /v1.0/auditLogs/directoryAudits (password writeback)",
            ["AuditLog.Read.All"],
            REPORT_ROLES,
            false
        ),
        FactId::AuditResets => source!(
            "GET /v1.0/auditLogs/directoryAudits (resets and unlocks)",
            ["AuditLog.Read.All"],
            REPORT_ROLES,
            false
        ),
        FactId::Synchronization => source!(
            "GET /v1.0/directory/onPremisesSynchronization",
            ["OnPremDirectorySynchronization.Read.All"],
            &["Global Administrator"],
            true
        ),
        FactId::CloudManagedUsers => source!(
            "GET /v1.0/users?$count=true (with an anchor on premises, not synced)",
            ["User.Read.All", "Directory.Read.All"]
        ),
        FactId::SmartLockout => source!(
            "GET /v1.0/groupSettings",
            ["GroupSettings.Read.All", "Directory.Read.All"]
        ),
        FactId::Recommendation => source!(
            "GET /beta/directory/recommendations",
            ["DirectoryRecommendations.Read.All"]
        ),
        FactId::SecureScore => source!("GET /v1.0/security/secureScores", ["SecurityEvents.Read.All"]),
        FactId::ConnectServers => source!("Entra Connect server (ADSync, registry, event log)", []),
        FactId::Forests => source!("LDAP: rootDSE, CN=Partitions", []),
        FactId::Connectors => source!("LDAP: MSOL_* and pGMSA_* accounts, or those that were named", []),
        FactId::DirectoryAccess => source!("LDAP: nTSecurityDescriptor of users and containers", []),
        FactId::DirectoryGrants => source!(
            "LDAP: nTSecurityDescriptor of domain roots and of the containers that are named",
            []
        ),
        FactId::DirectoryPasswords => source!(
            "LDAP: the domain's root, Password Settings Container, gPLink; SYSVOL",
            []
        ),
        FactId::WritebackProbes => source!("LDAP: a reset and an unlock, tried as the connector account", []),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_read_asks_for_a_permission_that_writes() {
        for fact in FactId::ALL {
            for permission in source(*fact).permissions {
                assert!(!permission.contains("Write"), "{}: {permission}", fact.name());
            }
        }
    }
}
