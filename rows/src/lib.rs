//! Reads the long lists of a tenant: pages as they arrive, a million rows folded into some hundred cohorts.
//!
//! A crate of its own for its speed: it alone is compiled for that, the library around it for its size.

pub mod cohort;
pub mod member;
pub mod membership;
pub mod page;
pub mod registration;
mod scan;
pub mod tree;
