//! Every way to sign in, against the lab; and where the lab is too well-behaved, against listeners of our own.

mod browser;
mod certificate;
mod chromium;
#[path = "../common/mod.rs"]
mod common;
mod device_code;
mod drive;
mod federated;
mod machine;
mod proxy;
mod secrets;
mod server;
mod tenant;
