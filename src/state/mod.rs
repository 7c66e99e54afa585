//! The recorded truth: what we last asked for and what AWS said right after, per address, in one JSON document that is
//! written ahead of every change. A cache: whatever is lost here is found again in AWS by name and ownership tags.
//!
//! It lives in a file of this machine or in a bucket, with a lock beside it. The rooms above see no difference.

mod commit;
mod error;
#[cfg(test)]
mod fake;
mod file;
mod holder;
mod home;
mod lease;
mod lock;
mod machine;
mod moving;
mod objects;
mod open;
mod record;
mod shell;
mod store;
mod text;
mod tombstone;

pub use commit::GroupCommit;
pub use error::StoreError;
pub use holder::{Holder, LockError};
pub use home::Home;
pub use lease::Lease;
pub use lock::Lock;
pub use moving::{MoveError, Moved, move_state, moved_already};
pub use objects::{Object, Objects, Put, Safeguard, Standing};
pub use record::{FORMAT, Place, Record, Retired, State, Status};
pub use shell::for_shell;
pub use store::Store;
