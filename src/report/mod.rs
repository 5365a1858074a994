//! The answer as people read it.

pub mod plan;
pub mod screen;
