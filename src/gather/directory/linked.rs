//! The group policy objects that are linked to a place, and what they set.

use crate::directory::access::{Object, Token};
use crate::directory::descriptor::Descriptor;
use crate::directory::forest::DomainName;
use crate::directory::group_policy::{Link, Template};
use crate::directory::ldap::{Connection, DirectoryError};
use crate::directory::password_policy as policies;
use crate::directory::remote_sam;
use crate::directory::rights::{APPLY_GROUP_POLICY, GROUP_POLICY};
use crate::directory::sid::SidBuf;
use crate::directory::sysvol;
use crate::session::directory::Directory;
use crate::snapshot::directory::{PolicyLink, RemoteSam};

/// A linked object, and its security template where that could be read.
pub(super) struct Linked {
    pub(super) link: PolicyLink,
    template: Option<Template>,
}

/// Reads what is linked, in the order in which it wins; and of each whether it is for the controllers.
pub(super) async fn read(
    connection: &mut Connection,
    directory: &Directory,
    links: Vec<Link>,
    controller: Option<&Token>,
) -> Result<Vec<Linked>, DirectoryError> {
    let mut all = Vec::new();
    for (at, link) in links.into_iter().enumerate() {
        let mut shown = PolicyLink {
            dn: link.object.clone(),
            order: at as u32 + 1,
            enabled: !link.disabled,
            enforced: link.enforced,
            ..PolicyLink::default()
        };
        let mut template = None;
        match policies::linked(connection, link).await? {
            None => shown.unread = Some("the object cannot be seen with this account".into()),
            Some(object) => {
                shown.name = object.name;
                shown.computer_settings = object.computer_settings;
                shown.security_extension = object.security_extension;
                shown.wmi_filter = object.wmi_filter;
                shown.denied = controller.is_some_and(|token| leaves_out(object.descriptor.as_deref(), token));
                shown.version = object.version;
                match sysvol::files(directory.sysvol.as_deref(), &object.files).await {
                    Ok(files) => {
                        shown.minimum_age_days = files.template.minimum_password_age;
                        shown.maximum_age_days = files.template.maximum_password_age;
                        shown.unsound = !files.template.has_sound_ages();
                        shown.file_version = files.version;
                        template = Some(files.template);
                    }
                    Err(error) => shown.unread = Some(error.to_string()),
                }
            }
        }
        all.push(Linked { link: shown, template });
    }
    Ok(all)
}

/// Whether an object's security filter leaves somebody out (MS-GPOL 3.2.5.1.6).
fn leaves_out(descriptor: Option<&[u8]>, token: &Token) -> bool {
    let Some(Ok(descriptor)) = descriptor.map(Descriptor::read) else {
        return false;
    };
    let object = Object {
        descriptor,
        class: GROUP_POLICY,
        sid: None,
    };
    let [verdict] = object.access(token, [APPLY_GROUP_POLICY.want]);
    !verdict.is_allowed()
}

/// What counts for the domain controllers: their own unit's objects before the domain's, what is enforced there last.
pub(super) async fn remote_sam(
    connection: &mut Connection,
    directory: &Directory,
    domain: &DomainName,
    of_root: &[Linked],
    controller: Option<&Token>,
) -> Result<ControllersPolicy, DirectoryError> {
    let unit = format!("OU=Domain Controllers,{}", domain.dn);
    let (links, blocks) = policies::links_of(connection, &unit).await?;
    let of_unit = read(connection, directory, links, controller).await?;
    let enforced = |linked: &&Linked| linked.link.enforced;
    // The domain's enforced ones win over all below.
    let order = of_root
        .iter()
        .filter(enforced)
        .chain(&of_unit)
        .chain(of_root.iter().filter(|linked| !blocks && !enforced(linked)));
    let in_force: Vec<&Linked> = order.filter(|linked| linked.link.counts()).collect();
    let set = in_force.iter().find_map(|linked| {
        let sddl = linked.template.as_ref()?.restrict_remote_sam.clone()?;
        Some((linked.link.name.clone(), sddl))
    });
    Ok(ControllersPolicy {
        set,
        unread: in_force.iter().find_map(|linked| linked.link.unread.clone()),
    })
}

/// RestrictRemoteSam as group policy sets it for the domain controllers.
pub(super) struct ControllersPolicy {
    /// The object that sets it, and the list.
    set: Option<(String, String)>,
    /// Why not all objects could be read.
    unread: Option<String>,
}

impl ControllersPolicy {
    /// What it means for an account.
    pub(super) fn of(&self, token: &Token, domain: Option<&SidBuf>) -> RemoteSam {
        let (policy, sddl) = self.set.clone().unzip();
        let allowed = sddl
            .as_deref()
            .zip(domain)
            .and_then(|(sddl, domain)| remote_sam::allows(sddl, token, domain));
        RemoteSam {
            policy,
            sddl,
            allowed,
            unread: self.unread.clone(),
        }
    }
}
