//! How good the scoring is: a simulator of transactions, their replay through the very code that the function runs,
//! metrics, and training. No AWS.
#![deny(missing_docs)]

pub mod csv;
pub mod curves;
pub mod metrics;
pub mod protocol;
mod record;
pub mod simulate;

pub use record::Record;
pub use simulate::{Simulation, Size, simulate};
