//! From verdicts to facts: what an account may do in a domain, in names.

use crate::directory::access::{Object, Token, Verdict};
use crate::directory::descriptor::{Ace, Descriptor};
use crate::directory::ldap::{Connection, DirectoryError};
use crate::directory::names::Names;
use crate::directory::rights::{DOMAIN_DNS, Guid, UNEXPIRE_PASSWORD, USER, Want};
use crate::directory::scan::{self, Causes, NEEDED, Scan, Stop};
use crate::directory::sid::{Sid, SidBuf};
use crate::snapshot::directory::{Cause, CauseGroup, Connector, Decision, DomainAccess, Held, Read, Stops};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Everybody whom an entry that denies names.
pub(super) fn trustees(scan: &Scan) -> BTreeSet<SidBuf> {
    let causes = scan
        .refused
        .iter()
        .chain(&scan.change_denied)
        .flat_map(|causes| causes.keys());
    let trustee = |cause: &scan::Cause| match cause {
        scan::Cause::Denied { trustee, .. } => Some(trustee.clone()),
        _ => None,
    };
    causes.filter_map(trustee).collect()
}

pub(super) fn access(domain: String, connector: &Connector, scan: &Scan, at: usize, names: &Names) -> DomainAccess {
    let group = |cause: Cause, crowd: &scan::Crowd| CauseGroup {
        cause,
        count: crowd.count,
        sample: crowd.sample.clone(),
    };
    let largest_first = |mut groups: Vec<CauseGroup>| {
        groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.cause.cmp(&b.cause)));
        groups
    };
    let groups = |causes: Option<&Causes>| {
        let causes = causes.into_iter().flatten();
        largest_first(
            causes
                .map(|(cause, crowd)| group(cause_of(cause, names), crowd))
                .collect(),
        )
    };
    let reserved = |(unit, crowd): (&String, &scan::Crowd)| {
        let container = unit.clone();
        group(Cause::ReservedName { container }, crowd)
    };
    let mut barred = vec![
        group(Cause::Disabled, &scan.disabled),
        group(Cause::LockedOut, &scan.locked),
    ];
    barred.retain(|group| group.count > 0);
    DomainAccess {
        domain,
        connector: connector.name.clone(),
        users: scan.users,
        inet_org_persons: scan.inet_org_persons,
        descriptors: scan.descriptors,
        refused: groups(scan.refused.get(at)),
        change_denied: groups(scan.change_denied.get(at)),
        reserved_names: scan.reserved.iter().map(reserved).collect(),
        stops: scan.stops.get(at).map(stops),
        barred: largest_first(barred),
        ..DomainAccess::default()
    }
}

fn stops(counted: &scan::Stops) -> Stops {
    let count = |stop: Stop| counted.get(&stop).copied().unwrap_or_default();
    Stops {
        reserved_name: count(Stop::ReservedName),
        admin_sd_holder: count(Stop::AdminSdHolder),
        inheritance: count(Stop::Inheritance),
        denied: count(Stop::Denied),
        inet_org_person: count(Stop::InetOrgPerson),
        not_granted: count(Stop::NotGranted),
        too_young: count(Stop::TooYoung),
    }
}

pub(super) fn cause_of(cause: &scan::Cause, names: &Names) -> Cause {
    match cause {
        scan::Cause::Protected(container) => Cause::Inheritance {
            container: container.clone(),
        },
        scan::Cause::AdminSdHolder => Cause::AdminSdHolder,
        scan::Cause::ProtectedUser => Cause::UserInheritance,
        scan::Cause::Denied { trustee, right, from } => Cause::Denied {
            right: (*right).into(),
            trustee: names.get(trustee),
            container: from.clone(),
        },
        scan::Cause::InetOrgPerson => Cause::InetOrgPerson,
        scan::Cause::NotGranted { right } => Cause::NotGranted { right: (*right).into() },
        scan::Cause::Unreadable => Cause::Unreadable,
    }
}

/// What is looked at besides users, read once for all accounts.
pub(super) struct Watched {
    root: Seen,
    builtin: Seen,
    server: Seen,
    /// Whose entries members of protected groups get.
    admin_sd_holder: Seen,
}

/// An object.
struct Seen {
    dn: String,
    sid: Option<SidBuf>,
    guid: Option<Uuid>,
    /// None where it cannot be read.
    descriptor: Option<Vec<u8>>,
}

impl Seen {
    async fn read(connection: &mut Connection, dn: String) -> Result<Seen, DirectoryError> {
        let attributes = ["nTSecurityDescriptor", "objectSid", "objectGUID"];
        let entry = connection.read(&dn, &attributes).await?.unwrap_or_default();
        Ok(Seen {
            dn,
            sid: entry.value("objectSid").and_then(Sid::read).map(Sid::keep),
            guid: entry
                .value("objectGUID")
                .and_then(|bytes| Uuid::from_slice_le(bytes).ok()),
            descriptor: entry.value("nTSecurityDescriptor").map(<[u8]>::to_vec),
        })
    }
}

impl Watched {
    pub(super) async fn read(connection: &mut Connection, root: &str) -> Result<Watched, DirectoryError> {
        Ok(Watched {
            root: Seen::read(connection, root.into()).await?,
            builtin: Seen::read(connection, format!("CN=Builtin,{root}")).await?,
            server: Seen::read(connection, format!("CN=Server,CN=System,{root}")).await?,
            admin_sd_holder: Seen::read(connection, format!("CN=AdminSDHolder,CN=System,{root}")).await?,
        })
    }

    /// The domain's SID.
    pub(super) fn domain(&self) -> Option<&SidBuf> {
        self.root.sid.as_ref()
    }

    /// The domain's objectGUID.
    pub(super) fn guid(&self) -> Option<Uuid> {
        self.root.guid
    }

    /// What decides on the domain's root, on what Connect reads besides, and on AdminSDHolder.
    pub(super) async fn decide(
        &self,
        connection: &mut Connection,
        netbios: &str,
        token: &Token,
        names: &mut Names,
        access: &mut DomainAccess,
    ) {
        let mut on = async |seen: &Seen, class: Guid, want: Want| {
            let descriptor = Descriptor::read(seen.descriptor.as_deref()?).ok()?;
            let object = Object {
                descriptor,
                class,
                sid: None,
            };
            let [verdict] = object.access(token, [want]);
            names.learn(connection, netbios, verdict.trustee()).await;
            Some(Decision {
                allowed: verdict.is_allowed(),
                by: decided_by(&verdict, names),
            })
        };
        access.unexpire = on(&self.root, DOMAIN_DNS, UNEXPIRE_PASSWORD.want).await;
        for seen in [&self.root, &self.builtin, &self.server] {
            let object = seen.dn.clone();
            match on(seen, [0; 16], Want::ReadProperties).await {
                Some(decision) => access.reads.push(Read { object, decision }),
                None => access.unread.push(object),
            }
        }
        for right in NEEDED {
            // Its entries come to be on users, and are weighed as there.
            if let Some(decision) = on(&self.admin_sd_holder, USER, right.want).await {
                let right = right.name.into();
                access.admin_sd_holder.push(Held { right, decision });
            }
        }
        if access.admin_sd_holder.is_empty() {
            access.unread.push(self.admin_sd_holder.dn.clone());
        }
    }
}

/// What decided, in words.
pub(super) fn decided_by(verdict: &Verdict<'_>, names: &Names) -> String {
    let to = |ace: &Ace<'_>| {
        let trustee = ace.trustee().map(|sid| names.get(&sid.keep())).unwrap_or_default();
        let where_from = if ace.is_inherited() { "inherited" } else { "explicit" };
        format!("to {trustee} ({where_from})")
    };
    match verdict {
        Verdict::NoList => "there is no access control list: everything is granted to everybody".into(),
        Verdict::Allowed(ace) => format!("allowed {}", to(ace)),
        Verdict::Denied(ace) => format!("denied {}", to(ace)),
        Verdict::NotGranted => "no entry grants it".into(),
    }
}
