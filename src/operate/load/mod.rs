//! Load: simulated transactions through the deployed API at a constant rate, and what comes back.

pub mod pace;
pub mod quota;
pub mod report;
pub mod tap;
pub mod traffic;

mod run;

pub use run::{Load, LoadError, run};
