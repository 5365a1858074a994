//! What each operating system does in a way of its own. Here, and under `ffi`, `unsafe` may stand.

/// Service records as a system looks them up: priority, weight, target.
pub type Lookup = Box<dyn FnOnce() -> std::io::Result<Vec<(u16, u16, String)>> + Send>;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::{create_private, name_servers, service_records, sync_folder};
#[cfg(windows)]
pub use windows::{create_private, name_servers, service_records, sync_folder};
