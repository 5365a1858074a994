//! Security descriptors of Active Directory: read, edited, written, and weighed as a domain controller weighs them.
//!
//! A crate of its own for its speed: it is compiled for that, the library around it for its size.

pub mod access;
pub mod descriptor;
pub mod edit;
pub mod rights;
pub mod seen;
pub mod sid;
