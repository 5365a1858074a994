//! What this tenant's log calls the activities that are read of it.

use crate::gather::Gatherer;
use crate::tenant::graph::Ask;
use serde::Deserialize;

/// One kind of event.
pub(super) struct Activity {
    /// Its name as Microsoft publishes it.
    pub published: &'static str,
    /// Whether a name of the log, in small letters, is another name of it.
    like: fn(&str) -> bool,
}

/// A change of the reset policy.
pub(super) const SETTINGS: Activity = Activity {
    published: "Update SSPR Settings",
    like: |n| n.contains("settings") && (n.contains("sspr") || n.contains("self-service password reset")),
};
/// Writeback was switched on.
pub(super) const ENABLED: Activity = Activity {
    published: "Enable password writeback for directory",
    like: |n| n.starts_with("enable") && n.contains("password writeback"),
};
/// Writeback was switched off.
pub(super) const DISABLED: Activity = Activity {
    published: "Disable password writeback for directory",
    like: |n| n.starts_with("disable") && n.contains("password writeback"),
};
/// A reset by the user.
pub(super) const SELF_RESET: Activity = Activity {
    published: "Reset password (self-service)",
    like: |n| n.starts_with("reset password") && n.contains("self-service"),
};
/// A reset by an administrator.
pub(super) const ADMIN_RESET: Activity = Activity {
    published: "Reset password (by admin)",
    like: |n| n.starts_with("reset password") && n.contains("by admin"),
};
/// An unlock by the user.
pub(super) const UNLOCK: Activity = Activity {
    published: "Unlock user account (self-service)",
    like: |n| n.starts_with("unlock") && n.contains("self-service"),
};
/// Too many tries.
pub(super) const BLOCKED: Activity = Activity {
    published: "Blocked from self-service password reset",
    like: |n| n.starts_with("blocked") && n.contains("self-service password reset"),
};

/// The names of the activities in this tenant's log.
#[derive(Default)]
pub(super) struct Names(Vec<String>);

impl Names {
    /// What else the log calls an activity, beside its published name.
    pub fn others(&self, activity: &Activity) -> Vec<String> {
        let is = |name: &&String| *name != activity.published && (activity.like)(&name.to_ascii_lowercase());
        let mut names: Vec<String> = self.0.iter().filter(is).cloned().collect();
        names.sort();
        names.dedup();
        names.truncate(4);
        names
    }
}

impl Gatherer {
    /// Reads which activities there are.
    pub(super) async fn activity_names(&self) -> Names {
        #[derive(Deserialize)]
        struct Type {
            #[serde(default)]
            activity: Option<String>,
        }
        let types: Result<Vec<Type>, _> = self
            .graph
            .list(&Ask::report("/beta/auditLogs/auditActivityTypes"))
            .await;
        Names(
            types
                .unwrap_or_default()
                .into_iter()
                .filter_map(|t| t.activity)
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[&Activity] = &[
        &SETTINGS,
        &ENABLED,
        &DISABLED,
        &SELF_RESET,
        &ADMIN_RESET,
        &UNLOCK,
        &BLOCKED,
    ];

    #[test]
    fn another_name_of_the_log_is_found() {
        let log = [
            "Update SSPR settings for the directory",
            "Enable password writeback",
            "Disable password writeback",
            "Reset password (self-service, new)",
            "Reset password (by admin or helpdesk)",
            "Unlock account (self-service)",
            "Blocked from self-service password reset (lockout)",
            "Reset user password",
            "Self-service password reset flow activity progress",
            "Change password (self-service)",
            "Update directory settings",
        ];
        let names = Names(log.iter().map(|n| (*n).into()).collect());
        for (activity, name) in ALL.iter().zip(log) {
            assert_eq!(names.others(activity), [name]);
        }
    }

    #[test]
    fn the_published_names_are_told_apart() {
        let names = Names(ALL.iter().map(|a| a.published.into()).collect());
        assert!(ALL.iter().all(|activity| names.others(activity).is_empty()));
    }
}
