//! The C interface: thin, guarded, and the only place with `unsafe`.

mod fleet;
mod guard;
mod handle;
mod notify;
mod plan;
mod report;
mod session;
mod steps;
mod task;
mod text;
mod watch;

use crate::session::Session;
use crate::task::Task;
use handle::Table;
use std::sync::LazyLock;

/// Open sessions.
static SESSIONS: LazyLock<Table<Session>> = LazyLock::new(|| Table::new(handle::Kind::Session));
/// Open tasks.
static TASKS: LazyLock<Table<Task>> = LazyLock::new(|| Table::new(handle::Kind::Task));
