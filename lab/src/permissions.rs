//! Ids of application permissions, where Microsoft publishes them and the facts hold them.

const APP_ROLES: &[(&str, &str)] = &[
    ("AuditLog.Read.All", "b0afded3-3588-46d8-8b3d-9842eff778da"),
    ("LicenseAssignment.Read.All", "e2f98668-2877-4f38-a2f4-8202e0717aa1"),
    (
        "OnPremDirectorySynchronization.Read.All",
        "bb70e231-92dc-4729-aff5-697b3f04be95",
    ),
    (
        "OnPremDirectorySynchronization.ReadWrite.All",
        "c22a92cc-79bf-4bb1-8b6c-e0a05d3d80ce",
    ),
    ("Policy.Read.All", "246dd0d5-5bd0-4def-940b-0421030a5b68"),
    (
        "Policy.Read.AuthenticationMethod",
        "8e3bc81b-d2f3-4b7b-838c-32c88218d2f0",
    ),
    (
        "Policy.ReadWrite.AuthenticationMethod",
        "29c18626-4985-4dcd-85c0-193eef327366",
    ),
    ("Policy.ReadWrite.Authorization", "fb221be6-99f2-473f-bd32-01c6a0e9ca3b"),
];

/// Further application permissions of Microsoft Graph; their ids are made up.
const FURTHER: &[&str] = &[
    "Application.Read.All",
    "AppRoleAssignment.ReadWrite.All",
    "Directory.Read.All",
    "DirectoryRecommendations.Read.All",
    "Domain-InternalFederation.Read.All",
    "Domain.Read.All",
    "GroupMember.Read.All",
    "GroupSettings.Read.All",
    "Mail.Send",
    "Organization.Read.All",
    "OrganizationalBranding.Read.All",
    "RoleManagement.Read.Directory",
    "SecurityEvents.Read.All",
    "User.Read.All",
];

/// The names of the application permissions of Microsoft Graph, and their ids.
pub(crate) fn app_roles() -> impl Iterator<Item = (&'static str, String)> {
    let names = APP_ROLES.iter().map(|(name, _)| *name).chain(FURTHER.iter().copied());
    names.map(|name| (name, app_role_id(name)))
}

/// The app role id of a permission; one that is made up where it is not known here.
pub(crate) fn app_role_id(permission: &str) -> String {
    let known = APP_ROLES.iter().find(|(name, _)| *name == permission);
    known.map_or_else(
        || crate::guid::guid(&["appRole", permission]),
        |(_, id)| (*id).to_owned(),
    )
}
