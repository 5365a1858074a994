//! How the rows of the failure catalogue are made.

/// Those that are made on a domain controller, by `tests/directory`.
pub const BY_DIRECTORY: &[u8] = &[1, 2, 3, 4, 6, 11, 12, 32, 33, 36, 37, 38, 39];
