//! A table of users, each with the first link that is broken.
