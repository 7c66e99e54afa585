//! Connections to the world: which hosts are asked directly, which through a proxy, and whose certificates are trusted.
//! One client serves the AWS SDK and fraudctl's own requests, so that one rule holds for all of them.

mod client;
mod host;
mod proxy;
mod trust;

pub use client::{Client, NoReply, Reply};
pub use proxy::{Proxies, Via};
pub use trust::{Trust, TrustError};
