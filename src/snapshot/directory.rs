//! What the directories on premises said. Accounts and entries are told by name and SID.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// A forest that was connected to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Forest {
    /// Its root domain's DNS name.
    pub name: String,
    /// Its functional level.
    pub level: Option<u32>,
    /// Its domains, the root first.
    pub domains: Vec<Domain>,
}

impl Forest {
    /// Whether a domain is one of its own, by its DNS name.
    pub fn has(&self, domain: &str) -> bool {
        self.domains.iter().any(|own| own.name == domain)
    }
}

/// A domain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Domain {
    /// Its DNS name.
    pub name: String,
    /// Its distinguished name.
    pub dn: String,
    /// Its short name.
    pub netbios_name: String,
    /// Its functional level.
    pub level: Option<u32>,
    /// The controller that was read.
    pub controller: Option<String>,
    /// The controller's functional level.
    pub controller_level: Option<u32>,
    /// Whether the controller holds a reset against the password policy when asked to.
    pub policy_hints: Option<bool>,
    /// Why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// Where its controller refers to outside the forest, as LDAP URLs; nobody went there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<String>,
}

/// What a connector account is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConnectorKind {
    /// Entra Connect made it: by its name or its description.
    #[default]
    Connect,
    /// Cloud sync's group managed service account.
    CloudSync,
    /// The administrator named it.
    Named,
}

/// An account by which Microsoft Entra writes passwords back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Connector {
    /// `EXAMPLE\MSOL_16fb75d0227d`.
    pub name: String,
    /// Its SID.
    pub sid: String,
    /// Its distinguished name.
    pub dn: String,
    /// Its domain's DNS name.
    pub domain: String,
    /// What it is.
    pub kind: ConnectorKind,
    /// What its description says of the installation that made it.
    pub installation: Option<Installation>,
    /// Whether it may sign in.
    pub enabled: bool,
    /// Whether it is locked out.
    pub locked: bool,
    /// When it expires.
    pub expires: Option<Timestamp>,
    /// When its password was set.
    pub password_set: Option<Timestamp>,
    /// When its password expires; None where it does not.
    pub password_expires: Option<Timestamp>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it last signed in, to within two weeks.
    pub last_sign_in: Option<Timestamp>,
    /// Groups with rights over the domain or the forest in which it is.
    pub privileged_groups: Vec<String>,
    /// How many groups it is in.
    pub groups: u64,
}

impl Connector {
    /// Whether it is the account of that name in that domain, by its DNS or its short name; empty: in any.
    pub fn is(&self, domain: &str, account: &str) -> bool {
        let (netbios, name) = self.name.split_once('\\').unwrap_or(("", &self.name));
        let there =
            domain.is_empty() || domain.eq_ignore_ascii_case(netbios) || domain.eq_ignore_ascii_case(&self.domain);
        there && account.eq_ignore_ascii_case(name)
    }
}

/// An account that has not signed in for so long is not in use: the directory notes a sign-in to within two weeks, and
/// Connect signs in every half hour.
const UNUSED: SignedDuration = SignedDuration::from_hours(30 * 24);

impl Connector {
    /// Whether it is one of these accounts: domain and name.
    pub fn is_among(&self, accounts: &[(&str, &str)]) -> bool {
        accounts.iter().any(|(domain, account)| self.is(domain, account))
    }

    /// Whether it is left over from an installation that is gone; `configured` are those that Connect servers say they work
    /// as.
    pub fn is_stale(&self, configured: &[(&str, &str)], now: Timestamp) -> bool {
        let last = self.last_sign_in.or(self.created);
        let unused = last.is_some_and(|last| now.duration_since(last) > UNUSED);
        !self.is_among(configured) && (!self.enabled || unused)
    }
}

/// The accounts that are in use: those that Connect servers name, beside cloud sync's; else those that seem alive. Where
/// all seem left over, those that may sign in.
pub fn in_use<'a>(
    all: impl Iterator<Item = &'a Connector> + Clone,
    configured: &[(&str, &str)],
    now: Timestamp,
) -> Vec<&'a Connector> {
    let live = |account: &&Connector| !account.is_stale(configured, now);
    if !configured.is_empty() {
        let cloud = |account: &&Connector| account.kind == ConnectorKind::CloudSync && live(account);
        return all.filter(|one| one.is_among(configured) || cloud(one)).collect();
    }
    let mut used: Vec<&Connector> = all.clone().filter(live).collect();
    if used.is_empty() {
        used.extend(all.filter(|account| account.enabled));
    }
    used
}

/// Whether a domain is judged by an account of those in use: by its own; one without any, by those of the others.
pub fn serves(account: &str, domain: &str, used: &[&Connector]) -> bool {
    let own = used.iter().any(|one| one.domain == domain);
    used.iter()
        .any(|one| one.name == account && (one.domain == domain || !own))
}

/// What an account's description says of the installation that made it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Installation {
    /// Its identifier.
    pub id: String,
    /// The server that it ran on.
    pub computer: String,
    /// The tenant.
    pub tenant: String,
}

/// What an account may do in a domain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DomainAccess {
    /// The domain's DNS name.
    pub domain: String,
    /// The account, as in `Connector`.
    pub connector: String,
    /// Whether the domain is judged by it, as far as was known when it was read.
    pub serves: bool,
    /// Unexpire Password on the domain's root; None where its security descriptor cannot be read.
    pub unexpire: Option<Decision>,
    /// What Connect must be able to read: the domain's root, CN=Builtin, CN=Server,CN=System.
    pub reads: Vec<Read>,
    /// What AdminSDHolder itself grants of the rights that a reset needs, in their order. Members of protected groups get
    /// its entries, and no others. Empty where its security descriptor cannot be read.
    pub admin_sd_holder: Vec<Held>,
    /// Of the domain's root and these objects the ones whose security descriptor cannot be read, by their distinguished
    /// names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<String>,
    /// Whether group policy keeps the account from asking the domain controllers about users.
    pub remote_sam: RemoteSam,
    /// The rights on users that the account has on its own object: where there are some, they may have been meant for the
    /// domain.
    pub own_object: Vec<String>,
    /// The enabled users that were looked at.
    pub users: u64,
    /// The enabled users that are inetOrgPersons.
    pub inet_org_persons: u64,
    /// So many different security descriptors were weighed.
    pub descriptors: u64,
    /// The enabled users whom the account may not reset, by cause, the largest first.
    pub refused: Vec<CauseGroup>,
    /// The enabled users whose password it may not change, as an entry denies that.
    pub change_denied: Vec<CauseGroup>,
    /// The enabled users below a unit whose name writeback cannot take.
    pub reserved_names: Vec<CauseGroup>,
    /// The enabled users whose reset the directory stops now; None where an older version read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stops: Option<Stops>,
    /// The users whom nobody resets, as they are disabled or now locked out, the largest group first. That is no fault of
    /// what the account may do; the locked-out ones are among the enabled.
    pub barred: Vec<CauseGroup>,
}

impl DomainAccess {
    /// How many of its users the account may not reset.
    pub fn refused_users(&self) -> u64 {
        self.refused
            .iter()
            .map(|group| group.count)
            .fold(0, u64::saturating_add)
    }
}

/// How many users' reset the directory stops, each counted once: by what the reset meets first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Stops {
    /// A unit's name holds a character that writeback cannot take.
    pub reserved_name: u64,
    /// AdminSDHolder protects the user, or did.
    pub admin_sd_holder: u64,
    /// Inheritance is off.
    pub inheritance: u64,
    /// An entry denies a right.
    pub denied: u64,
    /// What is granted is for the class user, and the user is an inetOrgPerson.
    pub inet_org_person: u64,
    /// Nothing grants a right.
    pub not_granted: u64,
    /// The password is younger than the minimum age.
    pub too_young: u64,
}

/// What an object is to a set-up of rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum GrantScope {
    /// The domain's root.
    Root,
    /// A container that was named.
    #[default]
    Container,
    /// What the objects of administrators are made like.
    AdminSdHolder,
    /// The account's own object.
    OwnObject,
}

/// What an object grants an account, to be handed down or by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Grants {
    /// The domain's DNS name.
    pub domain: String,
    /// The object's distinguished name.
    pub object: String,
    /// What it is.
    pub scope: GrantScope,
    /// Whether it takes no entries from above.
    pub protected: bool,
    /// The account, as in `Connector`.
    pub connector: String,
    /// Whether the domain is judged by this account.
    pub serves: bool,
    /// How many users stand below it, where that was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub users: Option<u64>,
    /// The rights that a set-up can grant there.
    pub rights: Vec<Grantable>,
}

/// A right, and the entry that would grant it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Grantable {
    /// The right, as Windows shows it: `Reset Password`.
    pub right: String,
    /// On the objects of this class below; None: on the container itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Whether it is granted.
    pub allowed: bool,
    /// Whether an entry denies it, so that another that grants it would change nothing.
    pub denied: bool,
    /// The entry that grants it, in hexadecimal digits.
    pub entry: String,
    /// Whether that entry stands on the object itself.
    pub there: bool,
}

/// Whether something is granted, and by which entry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Decision {
    /// Whether it is.
    pub allowed: bool,
    /// What decided it, in words: `allowed to Authenticated Users on this object`.
    pub by: String,
}

/// Whether a right is granted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Held {
    /// The right, as Windows shows it: `Reset Password`.
    pub right: String,
    /// Whether it is granted.
    pub decision: Decision,
}

/// RestrictRemoteSam for the domain controllers, as group policy sets it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RemoteSam {
    /// The object that sets it; None: none does, and everybody may ask.
    pub policy: Option<String>,
    /// Its access list.
    pub sddl: Option<String>,
    /// Whether it lets the account ask; None where it is not set or not understood.
    pub allowed: Option<bool>,
    /// Why not all objects could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

/// Whether an object can be read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Read {
    /// Its distinguished name.
    pub object: String,
    /// Whether it can be.
    pub decision: Decision,
}

/// Users of one cause.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CauseGroup {
    /// Why.
    pub cause: Cause,
    /// How many.
    pub count: u64,
    /// The distinguished names of some of them.
    pub sample: Vec<String>,
}

/// Why an account may not reset a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Cause {
    /// A container does not take its parent's entries.
    Inheritance {
        /// Which.
        container: String,
    },
    /// AdminSDHolder protects the user, or did.
    AdminSdHolder,
    /// The user does not take its container's entries.
    UserInheritance,
    /// An entry denies a right.
    Denied {
        /// Which right.
        right: String,
        /// To whom.
        trustee: String,
        /// The container that hands it down; None where it stands on the user.
        container: Option<String>,
    },
    /// What is granted is for the class user, and the user is an inetOrgPerson.
    InetOrgPerson,
    /// Nothing grants a right.
    NotGranted {
        /// Which right.
        right: String,
    },
    /// The unit's name holds a character that writeback cannot take.
    ReservedName {
        /// The unit.
        container: String,
    },
    /// The user is disabled.
    Disabled,
    /// The user is locked out.
    LockedOut,
    /// The security descriptor cannot be read.
    #[default]
    Unreadable,
}

/// A domain's password policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DomainPasswords {
    /// The domain's DNS name.
    pub domain: String,
    /// Its root's distinguished name.
    pub root: String,
    /// Its objectGUID.
    pub guid: String,
    /// The controller that told all this.
    pub controller: String,
    /// The domain's own policy.
    pub policy: PasswordPolicy,
    /// How many enabled users the domain's own policy is for.
    pub users: u64,
    /// Those of them whose password is too young to be reset today.
    pub young: u64,
    /// Some of these.
    pub young_sample: Vec<String>,
    /// The fine-grained policies, the one that wins first; None where they could not be seen.
    pub fine_grained: Option<Vec<FineGrained>>,
    /// The group policy objects linked to the domain's root, the one that wins first.
    pub links: Vec<PolicyLink>,
    /// Why what these set could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub templates_unread: Option<String>,
}

/// What a password policy asks for; times in seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PasswordPolicy {
    /// How old a password must be before it may be replaced.
    pub minimum_age: u64,
    /// After how long it must be replaced; None: never.
    pub maximum_age: Option<u64>,
    /// How long it must be.
    pub minimum_length: u32,
    /// How many earlier ones it must differ from.
    pub history: u32,
    /// Whether it must hold several kinds of characters.
    pub complexity: bool,
    /// After so many wrong ones the account is locked; 0: never.
    pub lockout_threshold: u32,
    /// How long it stays locked; None: until somebody unlocks it.
    pub lockout_duration: Option<u64>,
    /// How long a wrong one counts.
    pub lockout_window: u64,
}

/// A fine-grained password policy (PSO).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FineGrained {
    /// Its name.
    pub name: String,
    /// Its distinguished name.
    pub dn: String,
    /// The lower wins.
    pub precedence: u32,
    /// What it asks for.
    pub policy: PasswordPolicy,
    /// The users and groups that it is linked to.
    pub applies_to: Vec<String>,
    /// How many enabled users it is for.
    pub users: u64,
    /// Those of them whose password is too young to be reset today.
    pub young: u64,
    /// Some of these.
    pub young_sample: Vec<String>,
}

/// A group policy object that is linked to a domain's root.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyLink {
    /// Its name.
    pub name: String,
    /// Its distinguished name.
    pub dn: String,
    /// Its place: 1 wins.
    pub order: u32,
    /// Whether the link is in force.
    pub enabled: bool,
    /// Whether it is in force whatever stands below.
    pub enforced: bool,
    /// Whether the object's computer settings are in force.
    pub computer_settings: bool,
    /// Whether its security filter leaves the domain controllers out.
    pub denied: bool,
    /// Whether a WMI filter decides whom it is for, which only the controllers know.
    pub wmi_filter: bool,
    /// The minimum password age that it sets, in days.
    pub minimum_age_days: Option<i64>,
    /// The maximum password age that it sets, in days; -1: never.
    pub maximum_age_days: Option<i64>,
    /// Windows leaves its ages aside, as they contradict each other.
    pub unsound: bool,
    /// Whether the object names the extension that reads security templates; else clients leave them aside.
    pub security_extension: bool,
    /// The computer settings' version in the directory.
    pub version: Option<u32>,
    /// The same in SYSVOL.
    pub file_version: Option<u32>,
    /// Why what it sets could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
}

impl PolicyLink {
    /// Whether the domain controllers take its computer settings, as far as it can be told.
    pub fn counts(&self) -> bool {
        self.enabled && self.computer_settings && !self.denied
    }
}
