//! The project's own commands: `cargo xtask demo | test | bench | package | lab`.
fn main() {}
