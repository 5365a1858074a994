//! The answer as people read it.

pub mod screen;
