//! Standard output, which may be a pipe that somebody closed.

use super::exit::{self, Exit};
use std::io::Write;

/// Prints this, with a line feed.
///
/// # Errors
/// Nobody reads any more (`fraudctl diff | head -1`): there is nobody left to tell.
pub fn line(text: impl std::fmt::Display) -> Result<(), Exit> {
    writeln!(std::io::stdout().lock(), "{text}").map_err(|_| Exit::silent(exit::FAILED))
}

/// A remark on standard error, lost when nobody reads it.
pub fn remark(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
