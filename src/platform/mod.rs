//! What each operating system does in a way of its own. Here, and under `ffi`, `unsafe` may stand.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use unix::create_private;
#[cfg(windows)]
pub use windows::create_private;
