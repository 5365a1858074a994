//! The registration report's rows, and their folding.

mod fold;
mod quick;
mod row;

pub use fold::{Fold, Known, Part};
pub use row::Row;
