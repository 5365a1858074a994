//! The one runtime of the process, made when the first task starts.

use crate::error::{Error, Result};
use crate::status::Status;
use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Runtime};

/// The runtime that every task runs on.
pub fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceCell<Runtime> = OnceCell::new();
    RUNTIME.get_or_try_init(|| {
        crate::ffi::guard::quiet_panics();
        Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("entra-sspr")
            .enable_all()
            .build()
            .map_err(|e| Error::new(Status::Internal, "no thread can be started").caused_by(&e))
    })
}
