//! The snapshot: all facts of a run, plain data that can be saved, loaded, joined and assessed anywhere.

pub mod attestation;
pub mod audit;
pub mod connect;
pub mod directory;
mod fact;
pub mod graph;
mod join;
mod migrate;
pub mod people;
pub mod person;
pub mod portal;
pub mod probe;
mod source;

pub use fact::{Fact, Refusal, RefusalKind};
pub use join::join;
pub use migrate::{current, unknown};
pub use source::{Source, source};

use crate::error::{Error, Result};
use crate::json;
use crate::status::Status;
use jiff::Timestamp;
use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The version of the snapshot's form that this library writes. It reads those before it too.
pub const SCHEMA_VERSION: u32 = 2;

/// All facts of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// The form's version.
    pub schema_version: u32,
    /// Which library wrote it.
    pub library_version: String,
    /// When the run began. Steps know no other clock.
    pub taken_at: Timestamp,
    /// How long the run took.
    pub duration_ms: u64,
    /// Who asked, and how they were signed in.
    pub signed_in: SignedIn,
    /// What the sources said.
    pub facts: Facts,
    /// The file of declarations that the run was given, for whoever judges again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declarations: Option<Value>,
}

/// How the run was signed in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SignedIn {
    /// The tenant's id.
    pub tenant_id: String,
    /// The cloud: `Public`, `UsGovernment`, `UsGovernmentDod` or `China`.
    pub cloud: String,
    /// `clientSecret`, `browser`, `managedIdentity` ...
    pub method: String,
    /// The person's user principal name, or the app's id.
    pub account: Option<String>,
    /// True for a person, false for an app.
    pub delegated: bool,
    /// The permissions in the token (`scp` or `roles`).
    pub permissions: Vec<String>,
    /// True when the portal API was signed in to.
    pub portal_api: bool,
}

macro_rules! facts {
    ($($(#[doc = $doc:literal])* $field:ident: $type:ty => $id:ident, $name:literal;)*) => {
        /// What the sources said: one fact for one source.
        #[derive(Clone, Debug, Default, PartialEq, Serialize)]
        #[serde(rename_all = "camelCase")]
        pub struct Facts {
            $($(#[doc = $doc])* pub $field: Fact<$type>,)*
        }

        /// Names one fact.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FactId {
            $($(#[doc = $doc])* $id,)*
        }

        impl FactId {
            /// Every fact.
            pub const ALL: &'static [FactId] = &[$(FactId::$id),*];

            /// Its name in the snapshot.
            pub fn name(self) -> &'static str {
                match self { $(FactId::$id => $name,)* }
            }
        }

        impl Facts {
            /// Why a fact could not be read.
            pub fn refusal(&self, id: FactId) -> Option<&Refusal> {
                match id { $(FactId::$id => self.$field.refusal(),)* }
            }

            /// Whether a fact was read, wholly or in part.
            pub fn has(&self, id: FactId) -> bool {
                match id { $(FactId::$id => self.$field.value().is_some(),)* }
            }

            /// Ends the declarations whose time is over at a moment.
            fn end_declarations(&mut self, now: Timestamp) {
                $(self.$field.end_declaration(now);)*
            }

            /// Takes what was written of a fact.
            fn take(&mut self, id: FactId, members: fact::Members) -> serde_json::Result<()> {
                match id { $(FactId::$id => self.$field = members.read()?,)* }
                Ok(())
            }

            /// Records that a fact could not be read.
            pub fn refuse(&mut self, id: FactId, refusal: Refusal) {
                match id { $(FactId::$id => self.$field = Fact::Unreadable { refusal },)* }
            }
        }
    };
}

facts! {
    /// The tenant.
    organization: graph::Organization => Organization, "organization";
    /// When its passwords last synced.
    password_sync: graph::PasswordSync => PasswordSync, "passwordSync";
    /// Its domains.
    domains: Vec<graph::Domain> => Domains, "domains";
    /// The federation of its federated domains.
    federation: Vec<graph::DomainFederation> => Federation, "federation";
    /// What it bought.
    subscribed_skus: Vec<graph::SubscribedSku> => SubscribedSkus, "subscribedSkus";
    /// When that ends.
    subscriptions: Vec<graph::CompanySubscription> => Subscriptions, "subscriptions";
    /// Its users, counted.
    user_counts: people::UserCounts => UserCounts, "userCounts";
    /// Those of them who have a licence that entitles to reset.
    licensed_members: people::LicensedMembers => LicensedMembers, "licensedMembers";
    /// The authentication methods policy.
    methods_policy: graph::AuthenticationMethodsPolicy => MethodsPolicy, "methodsPolicy";
    /// The authorization policy.
    authorization_policy: graph::AuthorizationPolicy => AuthorizationPolicy, "authorizationPolicy";
    /// The Conditional Access policies.
    conditional_access: Vec<graph::ConditionalAccessPolicy> => ConditionalAccess, "conditionalAccess";
    /// Security defaults.
    security_defaults: graph::SecurityDefaults => SecurityDefaults, "securityDefaults";
    /// Company branding.
    branding: graph::Branding => Branding, "branding";
    /// The groups that policies name, by id.
    policy_groups: BTreeMap<String, people::PolicyGroup> => PolicyGroups, "policyGroups";
    /// The users whom the Conditional Access policies in force exclude by name, by id.
    policy_users: BTreeMap<String, people::PolicyUser> => PolicyUsers, "policyUsers";
    /// The ids of the users who are Global Administrators now, themselves or through a group. Their retirement dates differ.
    global_administrators: Vec<String> => GlobalAdministrators, "globalAdministrators";
    /// The ids of the users who may become Global Administrator, themselves or through a group.
    eligible_administrators: Vec<String> => EligibleAdministrators, "eligibleAdministrators";
    /// The registration report.
    registration: people::Registration => Registration, "registration";
    /// The registration report's own counts.
    feature_summary: graph::FeatureSummary => FeatureSummary, "featureSummary";
    /// The portal's reset policy.
    portal_reset_policy: portal::PasswordResetPolicy => PortalResetPolicy, "portalResetPolicy";
    /// The portal's on-premises integration.
    portal_on_premises: portal::OnPremisesResetPolicy => PortalOnPremises, "portalOnPremises";
    /// The portal's sync status.
    portal_sync_status: portal::AdConnectStatus => PortalSyncStatus, "portalSyncStatus";
    /// The settings by their newest change in the audit log.
    audit_settings: audit::SettingsHistory => AuditSettings, "auditSettings";
    /// What a person read of the portal's settings, carried on by the audit log.
    attestation: attestation::Attestation => Attestation, "attestation";
    /// The writeback switch in the audit log.
    audit_writeback: audit::WritebackTrace => AuditWriteback, "auditWriteback";
    /// Resets, who wrote them, and unlocks in the audit log.
    audit_resets: audit::ResetActivity => AuditResets, "auditResets";
    /// Directory synchronisation's features.
    synchronization: graph::SynchronizationFeatures => Synchronization, "synchronization";
    /// How many users have an anchor on premises without being synced: managed in the cloud, or left over.
    cloud_managed_users: u64 => CloudManagedUsers, "cloudManagedUsers";
    /// Smart lockout.
    smart_lockout: graph::SmartLockout => SmartLockout, "smartLockout";
    /// Microsoft's recommendation.
    recommendation: graph::Recommendation => Recommendation, "recommendation";
    /// Secure Score's control.
    secure_score: graph::SecureScoreControl => SecureScore, "secureScore";
    /// The Entra Connect servers that were asked.
    connect_servers: Vec<connect::ConnectServer> => ConnectServers, "connectServers";
    /// The forests that were connected to, and their domains.
    forests: Vec<directory::Forest> => Forests, "forests";
    /// The accounts by which passwords are written back.
    connectors: Vec<directory::Connector> => Connectors, "connectors";
    /// What these may do, domain by domain.
    directory_access: Vec<directory::DomainAccess> => DirectoryAccess, "directoryAccess";
    /// What the domains' roots and other containers grant connector accounts on what stands in them: read for a plan only.
    directory_grants: Vec<directory::Grants> => DirectoryGrants, "directoryGrants";
    /// The password policies, domain by domain.
    directory_passwords: Vec<directory::DomainPasswords> => DirectoryPasswords, "directoryPasswords";
    /// What a reset and an unlock came to that were tried.
    writeback_probes: Vec<probe::WritebackProbe> => WritebackProbes, "writebackProbes";
}

/// What serde makes of so many types at once is a hundred kilobytes: here the members of all facts are read in one place.
impl<'de> Deserialize<'de> for Facts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Facts;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the facts of a snapshot")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Facts, A::Error> {
                let (mut facts, mut seen) = (Facts::default(), BTreeSet::new());
                while let Some(name) = map.next_key::<Cow<'de, str>>()? {
                    let Some(id) = FactId::ALL.iter().find(|id| id.name() == name) else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    if !seen.insert(id) {
                        return Err(A::Error::duplicate_field(id.name()));
                    }
                    let named = |error: &dyn std::fmt::Display| A::Error::custom(format_args!("facts.{name}: {error}"));
                    let members = map.next_value().map_err(|error| named(&error))?;
                    facts.take(*id, members).map_err(|error| named(&error))?;
                }
                Ok(facts)
            }
        }

        deserializer.deserialize_map(Read)
    }
}

impl Snapshot {
    /// An empty snapshot of a moment.
    pub fn new(taken_at: Timestamp, signed_in: SignedIn) -> Self {
        Snapshot {
            schema_version: SCHEMA_VERSION,
            library_version: env!("CARGO_PKG_VERSION").into(),
            taken_at,
            duration_ms: 0,
            signed_in,
            facts: Facts::default(),
            declarations: None,
        }
    }

    /// The tenant's name for a person: its name, else its default domain, else its id; of what is on premises alone, the forest's or the Connect server's.
    pub fn tenant_name(&self) -> String {
        let organization = self.facts.organization.value();
        organization
            .and_then(|o| {
                let domain = o
                    .verified_domains
                    .iter()
                    .find(|d| d.is_default == Some(true))
                    .and_then(|d| d.name.clone());
                domain.or_else(|| o.display_name.clone())
            })
            .or_else(|| Some(self.signed_in.tenant_id.clone()).filter(|id| !id.is_empty()))
            .or_else(|| Some(self.facts.forests.value()?.first()?.name.clone()))
            .or_else(|| Some(self.facts.connect_servers.value()?.first()?.computer.clone()))
            .or_else(|| Some(self.facts.writeback_probes.value()?.first()?.domain.clone()))
            .unwrap_or_default()
    }

    /// Reads a saved snapshot, also one of an older form, without the declarations that had ended when it was taken: a run makes none itself.
    pub fn from_json(text: &str) -> Result<Self> {
        let mut snapshot: Snapshot = json::read(&*current(text)?)
            .map_err(|e| Error::new(Status::SnapshotInvalid, "the snapshot is damaged").caused_by(&e))?;
        snapshot.facts.end_declarations(snapshot.taken_at);
        Ok(snapshot)
    }

    /// The snapshot as a document.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|e| Error::new(Status::Internal, "the snapshot cannot be written").caused_by(&e))
    }
}
