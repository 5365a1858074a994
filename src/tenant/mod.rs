//! The tenant's services over HTTP: Graph and the portal's back end. Knows nothing of steps.

mod batch;
pub mod budget;
pub mod error;
pub mod graph;
pub mod http;
pub mod portal;
mod service;
mod wait;

pub use sspr_rows::page;
