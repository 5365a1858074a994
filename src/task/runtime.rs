//! The one runtime of the process, made when the first task starts.

use crate::error::{Error, Result};
use crate::panics;
use crate::status::Status;
use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Runtime};

/// The runtime that every task runs on.
pub fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceCell<Runtime> = OnceCell::new();
    RUNTIME.get_or_try_init(|| {
        Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("entra-sspr")
            // An overflow would end the host's process. The system gives only what is used.
            .thread_stack_size(8 << 20)
            .on_thread_start(panics::own_thread)
            .enable_all()
            .build()
            .map_err(|e| Error::new(Status::Internal, "no thread can be started").caused_by(&e))
    })
}

/// Does work that waits without yielding (files) where it keeps no other task from going on. When the task is
/// cancelled, what was begun is finished, but nobody waits for it.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(|| panics::caught(work).flatten())
        .await
        .map_err(|e| Error::new(Status::Internal, "the work broke off").caused_by(&e))?
}
