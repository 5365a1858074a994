//! Active Directory: what stands in it, and who may do what there. Knows nothing of steps.

pub mod affected;
pub mod connector;
pub mod containers;
pub mod forest;
pub mod group_policy;
mod ini;
pub mod ldap;
pub mod locate;
pub mod names;
pub mod password_policy;
pub mod policy_backup;
pub mod policy_object;
pub mod remote_sam;
pub mod scan;
pub mod sysvol;
pub mod template_edit;
pub mod token;

pub use sspr_access::{access, descriptor, edit, rights, seen, sid};
