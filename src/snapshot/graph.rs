//! Microsoft Graph's resources as the published metadata writes them, with the members that the steps read. Unknown
//! members are accepted; an enumeration that may grow is a string.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `organization`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Organization {
    /// The tenant's id.
    pub id: String,
    /// The tenant's name.
    pub display_name: Option<String>,
    /// `AAD`, `AAD B2C` or `CIAM`.
    pub tenant_type: Option<String>,
    /// True: synced. False: was synced, now off. Absent: never.
    pub on_premises_sync_enabled: Option<bool>,
    /// When the directory last synced.
    pub on_premises_last_sync_date_time: Option<Timestamp>,
    /// The tenant's verified domains.
    pub verified_domains: Vec<VerifiedDomain>,
}

/// `organization` of beta, which alone says when passwords synced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PasswordSync {
    /// When passwords last synced; absent: never.
    pub on_premises_last_password_sync_date_time: Option<Timestamp>,
}

/// `verifiedDomain`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VerifiedDomain {
    /// The domain.
    pub name: Option<String>,
    /// Whether new users get it.
    pub is_default: Option<bool>,
    /// Whether it is the onmicrosoft.com domain.
    pub is_initial: Option<bool>,
}

/// `domain`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Domain {
    /// The domain's name.
    pub id: String,
    /// `Managed` or `Federated`.
    pub authentication_type: String,
    /// Whether new users get it.
    pub is_default: bool,
    /// Whether it is the onmicrosoft.com domain.
    pub is_initial: bool,
    /// Whether it is verified.
    pub is_verified: bool,
    /// Days until a password ends; 2147483647 is never.
    pub password_validity_period_in_days: Option<i64>,
}

/// `internalDomainFederation` of one domain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DomainFederation {
    /// The domain it is of (ours: Graph answers per domain).
    pub domain: String,
    /// Who issues the tokens.
    pub issuer_uri: Option<String>,
    /// Where federated users are sent to reset.
    pub password_reset_uri: Option<String>,
}

/// The service plan `AAD_PREMIUM` (Microsoft Entra ID P1).
pub const P1: &str = "41781fb2-bc02-4b7c-bd55-b576c07bb09d";
/// The service plan `AAD_PREMIUM_P2` (Microsoft Entra ID P2).
pub const P2: &str = "eec0eb4f-6444-4f95-aba0-50c24d67f998";

/// Global Administrator's role template.
pub const GLOBAL_ADMINISTRATOR: &str = "62e90394-69f5-4237-9190-012177145e10";

/// Microsoft 365 Business Standard: it carries no `AAD_*` plan, so the product's id tells.
pub const BUSINESS_STANDARD: &str = "f245ecc8-75af-4f8e-b61f-27d8114de5f3";

/// `subscribedSku`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscribedSku {
    /// The product.
    pub sku_id: Option<String>,
    /// The product's part number.
    pub sku_part_number: Option<String>,
    /// `Enabled`, `Warning`, `Suspended`, `Deleted` or `LockedOut`.
    pub capability_status: Option<String>,
    /// How many are assigned.
    pub consumed_units: Option<i64>,
    /// How many are paid for.
    pub prepaid_units: Option<LicenseUnitsDetail>,
    /// What the product contains.
    pub service_plans: Vec<ServicePlanInfo>,
}

/// `licenseUnitsDetail`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LicenseUnitsDetail {
    /// In force.
    pub enabled: Option<i64>,
    /// Suspended.
    pub suspended: Option<i64>,
    /// In the grace period after their end.
    pub warning: Option<i64>,
    /// Locked out.
    pub locked_out: Option<i64>,
}

/// `servicePlanInfo`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePlanInfo {
    /// The plan's id, by which entitlement is decided.
    pub service_plan_id: Option<String>,
    /// The plan's name.
    pub service_plan_name: Option<String>,
    /// `Success`, `Disabled`, `PendingInput` ...
    pub provisioning_status: Option<String>,
}

/// `companySubscription`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CompanySubscription {
    /// The product's part number.
    pub sku_part_number: Option<String>,
    /// The product.
    pub sku_id: Option<String>,
    /// Whether it is a trial.
    pub is_trial: Option<bool>,
    /// When it began.
    pub created_date_time: Option<Timestamp>,
    /// When it next changes its status (ends, is suspended, deleted).
    pub next_lifecycle_date_time: Option<Timestamp>,
    /// `Enabled`, `Warning`, `Suspended`, `Deleted`.
    pub status: Option<String>,
    /// How many.
    pub total_licenses: Option<i64>,
}

/// `authenticationMethodsPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthenticationMethodsPolicy {
    /// When the policy was last changed.
    pub last_modified_date_time: Option<Timestamp>,
    /// `preMigration`, `migrationInProgress`, `migrationComplete`, or absent in new tenants.
    pub policy_migration_state: Option<String>,
    /// The registration campaign.
    pub registration_enforcement: Option<RegistrationEnforcement>,
    /// Every method's own configuration.
    pub authentication_method_configurations: Vec<AuthenticationMethodConfiguration>,
}

/// `registrationEnforcement`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RegistrationEnforcement {
    /// The campaign.
    pub authentication_methods_registration_campaign: Option<RegistrationCampaign>,
}

/// `authenticationMethodsRegistrationCampaign`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RegistrationCampaign {
    /// `default` (Microsoft managed), `enabled` or `disabled`.
    pub state: String,
    /// How long a person may put it off.
    pub snooze_duration_in_days: Option<i64>,
    /// Who is asked.
    pub include_targets: Vec<MethodTarget>,
    /// Who is not.
    pub exclude_targets: Vec<MethodTarget>,
}

/// One method's configuration: the members of all concrete types that the steps read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthenticationMethodConfiguration {
    /// `MicrosoftAuthenticator`, `Sms` ..., or an id for an external method.
    pub id: String,
    /// `enabled` or `disabled`.
    pub state: Option<String>,
    /// Who may use it.
    pub include_targets: Vec<MethodTarget>,
    /// Who may not.
    pub exclude_targets: Vec<MethodTarget>,
    /// Authenticator: whether its codes may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_software_oath_enabled: Option<bool>,
    /// Voice: whether office phones may be called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_office_phone_allowed: Option<bool>,
    /// Email: whether guests may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_external_id_to_use_email_otp: Option<String>,
}

/// A target of a method or of the campaign.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MethodTarget {
    /// `all_users`, or a group's or user's id.
    pub id: String,
    /// `group` or `user`.
    pub target_type: String,
    /// Whether registration is required of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_registration_required: Option<bool>,
    /// Authenticator: `any`, `push` or `deviceBasedPush`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication_mode: Option<String>,
    /// SMS: whether it also opens sign-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_usable_for_sign_in: Option<bool>,
    /// Campaign: which method is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targeted_authentication_method: Option<String>,
}

/// `authorizationPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthorizationPolicy {
    /// Whether *administrators* may reset their own password. It says nothing of users.
    #[serde(rename = "allowedToUseSSPR")]
    pub allowed_to_use_sspr: Option<bool>,
}

/// `identitySecurityDefaultsEnforcementPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecurityDefaults {
    /// Whether security defaults are on.
    pub is_enabled: bool,
}

/// `conditionalAccessPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConditionalAccessPolicy {
    /// The policy's id.
    pub id: String,
    /// The policy's name.
    pub display_name: String,
    /// `enabled`, `disabled` or `enabledForReportingButNotEnforced`.
    pub state: String,
    /// When it applies.
    pub conditions: ConditionSet,
    /// What it asks for.
    pub grant_controls: Option<GrantControls>,
}

/// `conditionalAccessConditionSet`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConditionSet {
    /// Apps and user actions.
    pub applications: Option<ConditionApplications>,
    /// Who.
    pub users: Option<ConditionUsers>,
    /// From where.
    pub locations: Option<ConditionLocations>,
    /// On which platforms.
    pub platforms: Option<ConditionPlatforms>,
    /// From which devices (kept as Graph wrote it).
    pub devices: Option<serde_json::Value>,
    /// Device code flow and authentication transfer.
    pub authentication_flows: Option<AuthenticationFlows>,
    /// With which kinds of client.
    pub client_app_types: Vec<String>,
    /// At which sign-in risk.
    pub sign_in_risk_levels: Vec<String>,
    /// At which user risk.
    pub user_risk_levels: Vec<String>,
}

/// `conditionalAccessApplications`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConditionApplications {
    /// App ids, `All`, `Office365`, `MicrosoftAdminPortals` or `None`.
    pub include_applications: Vec<String>,
    /// App ids.
    pub exclude_applications: Vec<String>,
    /// `urn:user:registersecurityinfo`, `urn:user:registerdevice`.
    pub include_user_actions: Vec<String>,
    /// Authentication contexts.
    pub include_authentication_context_class_references: Vec<String>,
}

/// `conditionalAccessUsers`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConditionUsers {
    /// User ids, `All`, `None` or `GuestsOrExternalUsers`.
    pub include_users: Vec<String>,
    /// User ids or `GuestsOrExternalUsers`.
    pub exclude_users: Vec<String>,
    /// Group ids.
    pub include_groups: Vec<String>,
    /// Group ids.
    pub exclude_groups: Vec<String>,
    /// Role template ids.
    pub include_roles: Vec<String>,
    /// Role template ids.
    pub exclude_roles: Vec<String>,
    /// Kinds of guests (kept as Graph wrote it).
    pub include_guests_or_external_users: Option<serde_json::Value>,
    /// Kinds of guests (kept as Graph wrote it).
    pub exclude_guests_or_external_users: Option<serde_json::Value>,
}

/// `conditionalAccessLocations`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConditionLocations {
    /// Location ids, `All` or `AllTrusted`.
    pub include_locations: Vec<String>,
    /// Location ids or `AllTrusted`.
    pub exclude_locations: Vec<String>,
}

/// `conditionalAccessPlatforms`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConditionPlatforms {
    /// Platforms or `all`.
    pub include_platforms: Vec<String>,
    /// Platforms.
    pub exclude_platforms: Vec<String>,
}

/// `conditionalAccessAuthenticationFlows`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthenticationFlows {
    /// `deviceCodeFlow`, `authenticationTransfer`, or both with a comma.
    pub transfer_methods: Option<String>,
}

/// `conditionalAccessGrantControls`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GrantControls {
    /// `AND` or `OR`.
    pub operator: Option<String>,
    /// `block`, `mfa`, `compliantDevice`, `domainJoinedDevice`, `passwordChange` ...
    pub built_in_controls: Vec<String>,
    /// Third-party controls.
    pub custom_authentication_factors: Vec<String>,
    /// Terms of use.
    pub terms_of_use: Vec<String>,
    /// The authentication strength asked for.
    pub authentication_strength: Option<AuthenticationStrength>,
}

/// `authenticationStrengthPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthenticationStrength {
    /// Its id.
    pub id: String,
    /// Its name.
    pub display_name: String,
    /// What satisfies it.
    pub allowed_combinations: Vec<String>,
    /// `mfa` or `none`.
    pub requirements_satisfied: Option<String>,
}

/// `organizationalBranding`, or one of its localizations: what hides or redirects the way to reset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Branding {
    /// Where "Can't access your account?" leads instead.
    pub custom_cannot_access_your_account_url: Option<String>,
    /// Where resetting leads instead.
    pub custom_account_reset_credentials_url: Option<String>,
    /// Which links are hidden.
    pub login_page_text_visibility_settings: Option<LoginPageTextVisibility>,
    /// A localization's language (absent in the default branding).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What people with a browser in another language see; each overrides the default in what it sets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub localizations: Vec<Branding>,
}

/// `loginPageTextVisibilitySettings`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LoginPageTextVisibility {
    /// "Forgot my password" on the password page.
    pub hide_forgot_my_password: Option<bool>,
    /// "Reset it now".
    pub hide_reset_it_now: Option<bool>,
    /// "Can't access your account?" on the first page.
    pub hide_cannot_access_your_account: Option<bool>,
    /// The self-service reset link as a whole.
    pub hide_account_reset_credentials: Option<bool>,
}

/// `onPremisesDirectorySynchronization.features`, without `passwordWritebackEnabled`, which Microsoft says is not in use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SynchronizationFeatures {
    /// Password hash synchronisation.
    pub password_sync_enabled: Option<bool>,
    /// Whether "must change at next logon" is honoured in the cloud.
    pub user_force_password_change_on_logon_enabled: Option<bool>,
    /// Whether the cloud's expiry applies to synced users.
    pub cloud_password_policy_for_password_synced_users_enabled: Option<bool>,
}

/// Smart lockout, as the group setting "Password Rule Settings" has it; what is None was never changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SmartLockout {
    /// After so many wrong passwords sign-in is locked.
    pub threshold: Option<u64>,
    /// For so many seconds at first.
    pub seconds: Option<u64>,
}

/// Microsoft's recommendation `selfServicePasswordReset` (beta).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Recommendation {
    /// `active`, `completedBySystem`, `dismissed` ...
    pub status: String,
    /// Points reached.
    pub current_score: Option<f64>,
    /// Points to reach.
    pub max_score: Option<f64>,
    /// When Microsoft last looked.
    pub last_checked_date_time: Option<Timestamp>,
}

/// The Secure Score control `SelfServicePasswordReset`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecureScoreControl {
    /// Points reached.
    pub score: Option<f64>,
    /// When the score was made.
    pub created_date_time: Option<Timestamp>,
}

/// `userRegistrationFeatureSummary`: counts over the whole tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FeatureSummary {
    /// How many users the report covers.
    pub total_user_count: u64,
    /// `ssprRegistered`, `ssprEnabled`, `ssprCapable`, `mfaCapable` ...
    pub user_registration_feature_counts: Vec<FeatureCount>,
}

/// `userRegistrationFeatureCount`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FeatureCount {
    /// The feature.
    pub feature: String,
    /// How many users have it.
    pub user_count: u64,
}
