//! Sets up, checks, verifies and reports Microsoft Entra self-service password reset.
