//! What both functions write to their logs: one line of JSON for each thing worth knowing. Never a payload: ids, scores
//! and reasons only. Writing it down is left to the functions.

use std::error::Error;

use serde_json::{Map, Value};

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Something ordinary.
    Info,
    /// Something that worked, but not as it should.
    Warn,
    /// A failure.
    Error,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// A line of the log, without its end: the fields of an object, the level, and what happened.
pub fn line(level: Level, event: &str, fields: Value) -> String {
    let mut record = match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    record.insert("level".to_owned(), level.name().into());
    record.insert("event".to_owned(), event.into());
    Value::Object(record).to_string()
}

/// An error and what caused it, down to the service's own code and message.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| (*error).source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_is_one_line_of_json() {
        let line = line(Level::Error, "failed", json!({"error": "a\nb", "request_id": "r-1"}));
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
        struct Outer(#[source] Inner);

        #[derive(Debug, thiserror::Error)]
        #[error("inner")]
        struct Inner;

        assert_eq!(causes(&Outer(Inner)), "outer: inner");
    }
}
