//! Who may read and write what.

use super::{Ask, GraphError};
use crate::contract::contract;
use crate::login::Holder;

/// Who may read a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Readers {
    /// The path in Microsoft's permission table.
    path: Option<&'static str>,
    application: &'static [&'static str],
    delegated: &'static [&'static str],
    /// Directory roles of which a person needs one; empty for none.
    roles: &'static [&'static str],
}

/// The permissions of Microsoft's table for this path.
pub(super) const fn listed(path: &'static str) -> Readers {
    Readers {
        path: Some(path),
        application: &[],
        delegated: &[],
        roles: &[],
    }
}

const fn both(permissions: &'static [&'static str]) -> Readers {
    Readers {
        path: None,
        application: permissions,
        delegated: permissions,
        roles: &[],
    }
}

impl Readers {
    pub const fn roles(mut self, roles: &'static [&'static str]) -> Self {
        self.roles = roles;
        self
    }

    /// Refuses a token that lacks the permission or whose person lacks the role.
    pub fn check(&self, ask: &Ask) -> Result<(), GraphError> {
        let table = self.path.and_then(|path| contract().readers(path, ask.version));
        let has = |held: &[String], fixed: &[&str], listed: Option<&[String]>| {
            held.iter()
                .any(|p| fixed.contains(&p.as_str()) || listed.is_some_and(|listed| listed.contains(p)))
        };
        let allowed = match &ask.access.holder {
            Holder::App { permissions } => {
                // The documents contradict each other about apps here, so a scenario decides.
                let sync = self.path == Some("/directory/onPremisesSynchronization")
                    && ask.tenant.scenario.switches.application_sync_read;
                has(
                    permissions,
                    self.application,
                    table.map(|(app, delegated)| if sync { delegated } else { app }),
                )
            }
            Holder::Person { scopes, roles, .. } => {
                has(scopes, self.delegated, table.map(|(_, delegated)| delegated))
                    && (self.roles.is_empty() || roles.iter().any(|role| self.roles.contains(&role.as_str())))
            }
        };
        if allowed { Ok(()) } else { Err(GraphError::denied()) }
    }
}

pub(super) const REPORT_ROLES: &[&str] = &[
    "Reports Reader",
    "Security Reader",
    "Security Administrator",
    "Global Reader",
    "Global Administrator",
];
pub(super) const METHODS_ROLES: &[&str] = &[
    "Global Reader",
    "Authentication Policy Administrator",
    "Security Reader",
    "Security Administrator",
    "Global Administrator",
];
pub(super) const POLICY_ROLES: &[&str] = &[
    "Global Reader",
    "Security Reader",
    "Security Administrator",
    "Conditional Access Administrator",
    "Global Administrator",
];
/// Who may write: an app with one of these sets of permissions, a person with the same as scopes and one of the roles besides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writers {
    sets: &'static [&'static [&'static str]],
    roles: &'static [&'static str],
}

impl Writers {
    /// Refuses a token that holds no whole set or whose person lacks the role.
    pub fn check(&self, ask: &Ask) -> Result<(), GraphError> {
        let whole = |held: &[String]| {
            let has = |name: &&str| held.iter().any(|own| own == name);
            self.sets.iter().any(|set| set.iter().all(has))
        };
        let allowed = match &ask.access.holder {
            Holder::App { permissions } => whole(permissions),
            Holder::Person { scopes, roles, .. } => {
                whole(scopes) && roles.iter().any(|role| self.roles.contains(&role.as_str()))
            }
        };
        if allowed { Ok(()) } else { Err(GraphError::denied()) }
    }
}

pub(super) const METHODS_WRITERS: Writers = Writers {
    sets: &[&["Policy.ReadWrite.AuthenticationMethod"]],
    roles: &["Authentication Policy Administrator", "Global Administrator"],
};
pub(super) const AUTHORIZATION_WRITERS: Writers = Writers {
    sets: &[&["Policy.ReadWrite.Authorization"]],
    roles: &["Privileged Role Administrator", "Global Administrator"],
};
pub(super) const CONDITIONAL_ACCESS_WRITERS: Writers = Writers {
    sets: &[&["Policy.ReadWrite.ConditionalAccess", "Policy.Read.All"]],
    roles: CONDITIONAL_ACCESS_ROLES,
};
/// Which roles may, no document that was read says; these may write the policies that stand in for security defaults.
pub(super) const SECURITY_DEFAULTS_WRITERS: Writers = Writers {
    sets: &[
        &["Policy.ReadWrite.SecurityDefaults", "Policy.Read.All"],
        &["Policy.ReadWrite.ConditionalAccess", "Policy.Read.All"],
    ],
    roles: CONDITIONAL_ACCESS_ROLES,
};
pub(super) const APP_ROLE_WRITERS: Writers = Writers {
    sets: &[&["AppRoleAssignment.ReadWrite.All"]],
    roles: &["Privileged Role Administrator", "Global Administrator"],
};
const CONDITIONAL_ACCESS_ROLES: &[&str] = &[
    "Security Administrator",
    "Conditional Access Administrator",
    "Global Administrator",
];
pub(super) const GLOBAL_ADMINISTRATOR: &[&str] = &["Global Administrator"];

pub(super) const AUDIT: Readers = both(&["AuditLog.Read.All"]).roles(REPORT_ROLES);
pub(super) const SUBSCRIPTIONS: Readers = both(&[
    "LicenseAssignment.Read.All",
    "Organization.Read.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
]);
pub(super) const USERS: Readers = both(&[
    "User.Read.All",
    "User.ReadBasic.All",
    "User.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
]);
pub(super) const ROLE_ASSIGNMENTS: Readers = both(&[
    "RoleManagement.Read.Directory",
    "RoleManagement.Read.All",
    "Directory.Read.All",
    "RoleManagement.ReadWrite.Directory",
]);
pub(super) const ROLE_ELIGIBILITIES: Readers = both(&[
    "RoleEligibilitySchedule.Read.Directory",
    "RoleEligibilitySchedule.ReadWrite.Directory",
    "RoleManagement.Read.All",
    "RoleManagement.Read.Directory",
    "RoleManagement.ReadWrite.Directory",
]);
pub(super) const GROUPS: Readers = both(&[
    "GroupMember.Read.All",
    "Group.Read.All",
    "Directory.Read.All",
    "Group.ReadWrite.All",
    "Directory.ReadWrite.All",
]);
pub(super) const GROUP_SETTINGS: Readers = both(&[
    "GroupSettings.Read.All",
    "GroupSettings.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
]);
pub(super) const APPLICATIONS: Readers = both(&[
    "Application.Read.All",
    "Directory.Read.All",
    "Application.ReadWrite.All",
    "Directory.ReadWrite.All",
]);
pub(super) const ME: Readers = Readers {
    path: None,
    application: &[],
    delegated: &[
        "User.Read",
        "User.ReadBasic.All",
        "User.Read.All",
        "User.ReadWrite.All",
        "Directory.Read.All",
    ],
    roles: &[],
};

/// True when the caller may see more of a user than its id.
pub(super) fn sees_users(ask: &Ask) -> bool {
    let held = match &ask.access.holder {
        Holder::App { permissions } => permissions,
        Holder::Person { scopes, .. } => scopes,
    };
    held.iter()
        .any(|permission| USERS.application.contains(&permission.as_str()))
}
