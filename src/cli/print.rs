//! Standard output, which may be a pipe that somebody closed, and standard error. Both may be a terminal, which obeys what
//! it is sent: what comes from outside (answers, names, messages of AWS) is shown by [`escape_lines`], and so is
//! everything else, so that nothing is forgotten. Documents of JSON mean the same afterwards.

use super::exit::{self, Exit};
use fraud::text::escape_lines;
use std::io::{ErrorKind, Write};

/// Prints this, with a line feed.
///
/// # Errors
/// Nobody reads any more (`fraudctl diff | head -1`): there is nobody left to tell. Or it is a file, and the disk is
/// full: that is said.
pub fn line(text: impl std::fmt::Display) -> Result<(), Exit> {
    styled(escape_lines(&text.to_string()))
}

/// The same for a text that has colours, and in which what comes from outside is escaped already.
///
/// # Errors
/// As [`line`].
pub fn styled(text: impl std::fmt::Display) -> Result<(), Exit> {
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
    styled_remark(escape_lines(&text.to_string()));
}

/// The same for a text that has colours, and in which what comes from outside is escaped already.
pub fn styled_remark(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
