//! What both functions need of the world they run in: the clock, bounded AWS clients, the log with its metrics, and
//! the topic that alerts go to.
#![deny(missing_docs)]

pub mod clients;
pub mod clock;
pub mod conflict;
pub mod log;
pub mod publisher;

pub use publisher::Publisher;

/// An error of any kind; its sources tell what AWS said.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
