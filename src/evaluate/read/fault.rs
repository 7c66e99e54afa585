//! What is wrong with a file, and where.

use std::fmt;
use std::io;

/// What is wrong with a value, before it is known where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// In a few words that are the same for every value of the kind, to count by.
    pub reason: &'static str,
    /// In full, with what is taken instead; goes on from the value: `is not ...`.
    pub what: String,
}

impl Problem {
    /// Something wrong.
    pub fn new(reason: &'static str, what: impl Into<String>) -> Self {
        Self {
            reason,
            what: what.into(),
        }
    }
}

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line of the file, the first being 1.
    pub line: u64,
    /// The column, as the file's first line names it.
    pub column: Option<String>,
    /// In a few words that are the same for every fault of the kind, to count by.
    pub reason: &'static str,
    /// In full, with what is taken instead.
    pub what: String,
    /// Can nothing after it be read? Else the next line can.
    pub fatal: bool,
}

impl Fault {
    /// Something wrong with a line as a whole.
    pub fn line(line: u64, reason: &'static str, what: impl Into<String>) -> Self {
        Self {
            line,
            column: None,
            reason,
            what: what.into(),
            fatal: false,
        }
    }

    /// The same, in this column.
    #[must_use]
    pub fn in_column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }

    /// The same, after which nothing can be read.
    #[must_use]
    pub fn fatal(mut self) -> Self {
        self.fatal = true;
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}", self.line)?;
        if let Some(column) = &self.column {
            write!(formatter, ", column {}", named(column))?;
        }
        write!(formatter, ": {}", self.what)
    }
}

impl std::error::Error for Fault {}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Something is wrong with what it holds.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The file itself cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The longest part of a value that a message repeats, in characters.
const SHOWN: usize = 60;

/// A value as a message shows it: in quotes, cut short, and nothing in it that a terminal would obey.
pub fn shown(value: &str) -> String {
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", &value[..end]),
        None => format!("{value:?}"),
    }
}

/// A column's name as a message shows it: bare where it is plain.
pub(super) fn named(column: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if column.is_empty() || !column.chars().all(plain) {
        shown(column)
    } else {
        column.to_owned()
    }
}
