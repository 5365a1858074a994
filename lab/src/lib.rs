//! A tenant on loopback for the tests.
