//! The recorded truth: what we last asked for and what AWS said right after, per address, in one JSON file that is
//! written ahead of every change. A cache: whatever is lost here is found again in AWS by name and ownership tags.

mod file;
mod lock;
mod open;
mod record;

pub use file::{Store, StoreError};
pub use lock::{Holder, Lock, LockError};
pub use record::{FORMAT, Place, Record, Retired, State, Status};
