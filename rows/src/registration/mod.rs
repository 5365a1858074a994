//! The registration report's rows, and their folding.

mod alike;
mod fold;
mod quick;
mod row;

pub use alike::Alike;
pub use fold::{Fold, Known, Part};
pub use row::Row;
