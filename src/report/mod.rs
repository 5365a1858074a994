//! The answer as people read it.

pub mod export;
mod page;
pub mod plan;
mod plots;
mod redact;
pub mod screen;
pub mod user;
pub mod users;
