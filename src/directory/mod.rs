//! Active Directory: what stands in it, and who may do what there. Knows nothing of steps.

pub mod access;
pub mod descriptor;
pub mod group_policy;
pub mod ldap;
pub mod rights;
pub mod scan;
pub mod sid;
