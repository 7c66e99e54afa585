//! One JSON line for each thing worth knowing. Never a payload: ids, scores and reasons only.

use std::error::Error;
use std::io::{self, Write as _};

use serde_json::{Map, Value};

/// Notes something ordinary.
pub fn info(event: &str, fields: Value) {
    write(&line("INFO", event, fields));
}

/// Notes a failure.
pub fn error(event: &str, fields: Value) {
    write(&line("ERROR", event, fields));
}

/// An error and what caused it, down to the service's own code and message.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| (*error).source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn line(level: &str, event: &str, fields: Value) -> String {
    let mut record = match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    record.insert("level".to_owned(), level.into());
    record.insert("event".to_owned(), event.into());
    Value::Object(record).to_string()
}

/// A log that cannot be written is no reason to fail a request.
fn write(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_is_one_line_of_json() {
        let line = line("ERROR", "failed", json!({"error": "a\nb", "request_id": "r-1"}));
        assert!(!line.contains('\n'));
        let record: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(
            record,
            json!({"level": "ERROR", "event": "failed", "error": "a\nb", "request_id": "r-1"})
        );
    }

    #[test]
    fn an_error_is_told_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] io::Error);

        assert_eq!(causes(&Outer(io::Error::other("inner"))), "outer: inner");
    }
}
