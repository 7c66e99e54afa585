//! Why an analysis fails, and what Lambda is told about it.

use std::error::Error;

use lambda_runtime::Diagnostic;

type BoxError = Box<dyn Error + Send + Sync>;

/// Why an analysis came to no result. The sources tell what AWS said; they are for the log alone.
#[derive(Debug, thiserror::Error)]
pub enum AnalyzeError {
    /// The event has a time that is none.
    #[error("the event's time is not understood")]
    EventTime(#[source] BoxError),
    /// The table could not be searched to its end.
    #[error("searching for suspicious transactions failed")]
    Search(#[source] BoxError),
    /// There is an alert, and it could not be published.
    #[error("publishing the alert failed")]
    Publish(#[source] BoxError),
}

impl AnalyzeError {
    const fn name(&self) -> &'static str {
        match self {
            Self::EventTime(_) => "EventTime",
            Self::Search(_) => "Search",
            Self::Publish(_) => "Publish",
        }
    }
}

/// What travels with the event to the dead-letter queue when the retries did not help either.
impl From<AnalyzeError> for Diagnostic {
    fn from(error: AnalyzeError) -> Self {
        Self {
            error_type: error.name().to_owned(),
            error_message: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aws_said_does_not_leave_the_log() {
        let diagnostic = Diagnostic::from(AnalyzeError::Search("arn:aws:dynamodb says no".into()));
        assert_eq!(diagnostic.error_type, "Search");
        assert_eq!(diagnostic.error_message, "searching for suspicious transactions failed");
    }
}
