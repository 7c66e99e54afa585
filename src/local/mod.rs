//! The local AWS: started, found again, stopped and reset.
//!
//! It is [MiniStack](https://github.com/ministackorg/ministack), a Python program, in a virtual
//! environment of its own below the user's cache directory: no Docker, no account, no token. Functions
//! run as plain child processes of it. [`start`] describes what can be relied on.
//!
//! # Caveats
//!
//! - MiniStack takes any credentials. A 12-digit access key is the account; any other key is the account
//!   `000000000000`.
//! - Its state is written whenever requests pause for a second, and when it is stopped. A power cut
//!   costs what was done since.
//! - The virtual environment and the state need some 80 MB.

mod error;
#[cfg(test)]
mod fake;
mod lifecycle;
mod lock;
mod place;
mod probe;
mod process;
mod progress;
mod python;
mod record;
mod server;
mod venv;

pub use error::LocalError;
pub use lifecycle::{DEFAULT_PORT, LocalAws, Options, reset, start, status, stop};
pub use progress::Progress;
