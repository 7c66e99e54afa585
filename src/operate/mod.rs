//! Using what stands.

pub mod preflight;
pub mod send;
