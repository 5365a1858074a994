//! The portal back end's objects, undocumented by Microsoft: as several independent callers saw them.

use super::Facts;
use serde::{Deserialize, Serialize};

/// `PasswordResetPolicies`, as read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PasswordResetPolicy {
    /// `default`.
    pub object_id: Option<String>,
    /// 0 none, 1 a selected group, 2 all.
    pub enablement_type: Option<i64>,
    /// 1 or 2.
    pub number_of_authentication_methods_required: Option<i64>,
    /// Legacy toggle.
    pub email_option_enabled: Option<bool>,
    /// Legacy toggle.
    pub mobile_phone_option_enabled: Option<bool>,
    /// Legacy toggle.
    pub office_phone_option_enabled: Option<bool>,
    /// Security questions, which never moved to the methods policy.
    pub security_questions_option_enabled: Option<bool>,
    /// Legacy toggle.
    pub mobile_app_notification_enabled: Option<bool>,
    /// Legacy toggle.
    pub mobile_app_code_enabled: Option<bool>,
    /// How many questions a person must answer to register.
    pub number_of_questions_to_register: Option<i64>,
    /// How many to reset.
    pub number_of_questions_to_reset: Option<i64>,
    /// Whether people are asked to register when they sign in.
    pub registration_required_on_sign_in: Option<bool>,
    /// Days until they are asked again; 0 is never. Spelled as the service spells it.
    #[serde(rename = "registrationReconfirmIntevalInDays")]
    pub registration_reconfirm_interval_in_days: Option<i64>,
    /// Whether a custom helpdesk contact is shown.
    pub customize_helpdesk_link: Option<bool>,
    /// The contact.
    pub custom_helpdesk_email_or_url: Option<String>,
    /// Whether users are told of their reset.
    pub notify_users_on_password_reset: Option<bool>,
    /// Whether all administrators are told of an administrator's reset.
    pub notify_on_admin_password_reset: Option<bool>,
    /// The selected group.
    pub password_reset_enabled_group_ids: Vec<String>,
    /// Its name, when asked for.
    pub password_reset_enabled_group_name: Option<String>,
    /// The questions; only `questionText` is known of each.
    pub security_questions: Vec<SecurityQuestion>,
}

impl Facts {
    /// The groups that reset may be for, whose members are read: those of the portal, else those of the audit log.
    pub fn reset_groups(&self) -> Vec<String> {
        if let Some(policy) = self.portal_reset_policy.value()
            && !policy.password_reset_enabled_group_ids.is_empty()
        {
            return policy.password_reset_enabled_group_ids.clone();
        }
        let history = self.audit_settings.value();
        let change = history.and_then(|history| history.newest(names_groups));
        let value = change.and_then(|(_, change)| change.value.as_deref());
        value.map(group_ids).unwrap_or_default()
    }
}

/// Whether the audit log may name the selected group under this name; it is documented nowhere.
pub fn names_groups(name: &str) -> bool {
    name.to_ascii_lowercase().contains("group")
}

/// The ids in a text of the audit log.
pub fn group_ids(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !c.is_ascii_hexdigit() && c != '-');
    parts.filter(|p| p.len() == 36).map(str::to_ascii_lowercase).collect()
}

/// One security question.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecurityQuestion {
    /// The question.
    pub question_text: Option<String>,
}

/// `OnPremisesPasswordResetPolicies`, as read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OnPremisesResetPolicy {
    /// "Write back passwords to your on-premises directory".
    pub password_writeback_supported: Option<bool>,
    /// Seen true together with the above.
    pub enablement_for_tenant: Option<bool>,
    /// "Allow users to unlock accounts without resetting their password".
    pub account_unlock_enabled: Option<bool>,
    /// "Write back passwords with Microsoft Entra Connect cloud sync".
    pub cloud_provisioning_enablement_for_tenant: Option<bool>,
}

/// `Directories/ADConnectStatus`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AdConnectStatus {
    /// Hours since the last sync.
    pub number_of_hours_from_last_sync: Option<i64>,
    /// Whether sync is on.
    pub dir_sync_enabled: Option<bool>,
    /// Pass-through authentication.
    pub pass_through_authentication_enabled: Option<bool>,
}
