//! What a scenario file may say.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::fault::Fault;

/// A setting of the tenant.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GroupSettingSpec {
    pub template_id: String,
    /// Its values by name; Graph gives every one as a text.
    pub values: BTreeMap<String, String>,
}

/// A tenant with everything in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Scenario {
    /// What it is for, in one sentence.
    pub about: String,
    pub tenant: TenantSpec,
    /// Graph domain objects by name; `federation` holds the federation configuration of one.
    pub domains: BTreeMap<String, Value>,
    /// Graph subscribedSku objects by part number; consumed units are counted from the users unless given.
    #[serde(default)]
    pub skus: BTreeMap<String, Value>,
    /// Graph companySubscription objects by any name.
    #[serde(default)]
    pub subscriptions: BTreeMap<String, Value>,
    #[serde(default)]
    pub apps: BTreeMap<String, AppSpec>,
    /// Accounts that can sign in; each is a population of one.
    #[serde(default)]
    pub people: BTreeMap<String, PopulationSpec>,
    #[serde(default)]
    pub populations: BTreeMap<String, PopulationSpec>,
    #[serde(default)]
    pub groups: BTreeMap<String, GroupSpec>,
    /// Settings of the tenant by name, such as "Password Rule Settings"; those that nobody changed are not there.
    #[serde(default)]
    pub group_settings: BTreeMap<String, GroupSettingSpec>,
    pub policies: PoliciesSpec,
    /// The organisation's branding; without it Graph answers 404.
    #[serde(default)]
    pub branding: Option<Value>,
    /// Directory synchronisation; without it the tenant was never synced.
    #[serde(default)]
    pub sync: Option<SyncSpec>,
    /// Audit events by any name.
    #[serde(default)]
    pub audit: BTreeMap<String, AuditSpec>,
    /// Graph (beta) auditActivityType objects by activity name.
    #[serde(default)]
    pub activity_types: BTreeMap<String, Value>,
    /// Graph (beta) recommendation objects by type.
    #[serde(default)]
    pub recommendations: BTreeMap<String, Value>,
    /// Graph secureScore control scores by control name.
    #[serde(default)]
    pub secure_score: BTreeMap<String, f64>,
    pub portal: PortalSpec,
    #[serde(default)]
    pub switches: Switches,
    /// Faults that are there from the start.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TenantSpec {
    /// Derived from the scenario's name unless given.
    #[serde(default)]
    pub id: Option<String>,
    pub display_name: String,
    /// Other members of Graph's organization object.
    #[serde(default)]
    pub organization: Map<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SyncSpec {
    /// False: it was synced once and is not any more.
    #[serde(default = "yes")]
    pub enabled: bool,
    #[serde(default)]
    pub last_sync: Option<String>,
    #[serde(default)]
    pub last_password_sync: Option<String>,
    #[serde(default)]
    pub features: Map<String, Value>,
    #[serde(default)]
    pub configuration: Value,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PoliciesSpec {
    pub authentication_methods: Map<String, Value>,
    /// Method configurations by id.
    pub methods: BTreeMap<String, Value>,
    pub authorization: Value,
    pub security_defaults: Value,
    #[serde(default)]
    pub conditional_access: BTreeMap<String, Value>,
}

/// An app registration with its service principal.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AppSpec {
    /// Its name in the scenario unless given; several may have one.
    #[serde(default)]
    pub display_name: Option<String>,
    #[serde(default)]
    pub client_id: Option<String>,
    /// One of Microsoft's own: may ask for every delegated scope, and for the portal's token when `portal` is set.
    #[serde(default)]
    pub first_party: bool,
    #[serde(default)]
    pub portal: bool,
    /// A managed identity of the tenant: `system` or `user`.
    #[serde(default)]
    pub managed_identity: Option<String>,
    #[serde(default)]
    pub secret: Option<String>,
    #[serde(default)]
    pub expired_secret: Option<String>,
    /// Registers the lab's own app certificate.
    #[serde(default)]
    pub certificate: bool,
    /// PEM files of further certificates.
    #[serde(default)]
    pub certificate_files: Vec<String>,
    #[serde(default)]
    pub federated_credentials: Vec<FederatedSpec>,
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    #[serde(default)]
    pub application_permissions: Vec<String>,
    #[serde(default)]
    pub delegated_permissions: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FederatedSpec {
    /// `lab` stands for the tenant's own issuer.
    pub issuer: String,
    /// `managedIdentity:NAME` stands for the object id of that identity.
    pub subject: String,
    pub audience: String,
}

/// Any number of users that differ in id and name only.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PopulationSpec {
    #[serde(default = "one")]
    pub count: u32,
    /// Display name; `{n}` counts from 1.
    pub name: String,
    /// The part before `@`; `{n}` counts from 1.
    pub alias: String,
    #[serde(default)]
    pub domain: Option<String>,
    #[serde(default = "member")]
    pub user_type: String,
    #[serde(default = "yes")]
    pub enabled: bool,
    #[serde(default)]
    pub on_premises: OnPremises,
    /// Directory roles by their English name.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Directory roles that they may activate.
    #[serde(default)]
    pub eligible: Vec<String>,
    /// Part numbers of the licences.
    #[serde(default)]
    pub skus: Vec<String>,
    #[serde(default)]
    pub groups: Vec<String>,
    /// `methodsRegistered` of the registration report.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Overrides members of the registration report's row, which otherwise follows from the policy.
    #[serde(default)]
    pub report: Map<String, Value>,
    /// Overrides members of Graph's user object.
    #[serde(default)]
    pub user: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum OnPremises {
    #[default]
    CloudOnly,
    Synced,
    CloudManaged,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GroupSpec {
    pub name: String,
    /// Groups that are members of this one.
    #[serde(default)]
    pub nested: Vec<String>,
    /// Directory roles of its members.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Directory roles that its members may activate.
    #[serde(default)]
    pub eligible: Vec<String>,
    /// Overrides members of Graph's group object.
    #[serde(default)]
    pub group: Map<String, Value>,
}

/// One audit event; what is not said follows from the activity.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AuditSpec {
    pub at: String,
    pub activity: String,
    #[serde(default)]
    pub category: Option<String>,
    #[serde(default)]
    pub service: Option<String>,
    #[serde(default)]
    pub result: Option<String>,
    #[serde(default)]
    pub reason: Option<String>,
    /// UPN of who did it.
    #[serde(default)]
    pub by: Option<String>,
    /// UPN of whom it was done to; without it the tenant itself.
    #[serde(default)]
    pub target: Option<String>,
    #[serde(default)]
    pub details: BTreeMap<String, String>,
    /// Setting to `[old, new]`, written into the event with quotes around each value.
    #[serde(default)]
    pub changes: BTreeMap<String, [String; 2]>,
    /// The same event again, each this many minutes earlier.
    #[serde(default)]
    pub repeat: Option<Repeat>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Repeat {
    pub times: u32,
    pub every_minutes: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PortalSpec {
    pub password_reset: Map<String, Value>,
    pub on_premises: Map<String, Value>,
    /// Overrides members of ADConnectStatus, which otherwise follows from the domains and the sync.
    #[serde(default)]
    pub connect_status: Map<String, Value>,
}

/// Behaviour of the service that no object holds.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Switches {
    /// `/directory/onPremisesSynchronization` also answers application permissions (the documents contradict each other).
    pub application_sync_read: bool,
    /// Conditional Access refuses every token for the portal.
    pub portal_tokens_refused: bool,
    /// Conditional Access refuses the device code flow.
    pub device_code_refused: bool,
    /// `authorizationPolicy` comes without `allowedToUseSSPR`, as seen in some tenants.
    pub authorization_policy_without_sspr: bool,
}

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
}

fn member() -> String {
    "member".to_owned()
}
