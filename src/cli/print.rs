//! Standard output, which may be a pipe that somebody closed.

use super::exit::{self, Exit};
use std::io::{ErrorKind, Write};

/// Prints this, with a line feed.
///
/// # Errors
/// Nobody reads any more (`fraudctl diff | head -1`): there is nobody left to tell. Or it is a file, and the disk is
/// full: that is said.
pub fn line(text: impl std::fmt::Display) -> Result<(), Exit> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|why| {
        if why.kind() == ErrorKind::BrokenPipe {
            Exit::silent(exit::FAILED)
        } else {
            Exit::failed(format!("cannot write to standard output: {why}"))
        }
    })
}

/// A remark on standard error, lost when nobody reads it.
pub fn remark(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
