//! The functions' log: their standard output, from where Lambda takes it. One line of JSON each; a line with metrics in
//! it is also CloudWatch's.

use std::io::{self, Write as _};

pub use fraud::log::causes;
use fraud::log::{Level, line};
use serde_json::Value;

/// Notes something ordinary.
pub fn info(event: &str, fields: Value) {
    write(&line(Level::Info, event, fields));
}

/// Notes something that worked, but not as it should.
pub fn warn(event: &str, fields: Value) {
    write(&line(Level::Warn, event, fields));
}

/// Notes a failure.
pub fn error(event: &str, fields: Value) {
    write(&line(Level::Error, event, fields));
}

/// A log that cannot be written is no reason to fail a request.
fn write(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
