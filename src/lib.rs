//! Sets up, checks, verifies and reports Microsoft Entra self-service password reset (SSPR).
//!
//! Data flows one way: a `session` is signed in with a `credential`; `gather` asks the `tenant` for the facts that the
//! chosen `steps` need, into a `snapshot`; the steps judge it into findings; `readiness` makes them one answer, which
//! `report` shows. `ffi` is the C interface over all of it, `task` what lets a caller watch and cancel.

pub mod catalogue;
pub mod change;
pub mod declarations;
pub mod desired;
pub mod directory;
pub mod error;
pub mod ffi;
pub mod file;
pub mod finding;
pub mod fleet;
pub mod gather;
mod json;
mod lock;
pub mod notify;
mod panics;
pub mod plan;
mod platform;
pub mod probe;
pub mod readiness;
pub mod report;
pub mod run;
pub mod session;
#[cfg(test)]
mod shapes;
pub mod snapshot;
pub mod status;
pub mod steps;
mod sync_engine;
pub mod task;
pub mod tenant;
mod text;
mod tls;
pub mod watch;
