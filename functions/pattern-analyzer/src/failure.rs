//! Why an analysis fails, and what Lambda is told about it.

use lambda_runtime::Diagnostic;
use runtime::BoxError;

/// Why an analysis came to no result. The sources tell what AWS said; they are for the log alone.
#[derive(Debug, thiserror::Error)]
pub enum AnalyzeError {
    /// The event has a time that is none.
    #[error("the event's time is not understood")]
    EventTime(#[source] BoxError),
    /// A table could not be searched to its end.
    #[error("searching for {what} failed")]
    Search {
        /// What was searched for.
        what: &'static str,
        /// What AWS said.
        source: BoxError,
    },
    /// How far the analysis got could not be read or kept.
    #[error("keeping the progress failed")]
    Progress(#[source] BoxError),
    /// Other runs changed the progress again and again.
    #[error("other runs are in the way")]
    Crowded,
    /// There is an alert, and it could not be published, or that could not be noted. It stays pending.
    #[error("publishing an alert failed")]
    Publish(#[source] BoxError),
    /// It took too long.
    #[error("the run took longer than {0} ms")]
    TooSlow(u128),
}

impl AnalyzeError {
    const fn name(&self) -> &'static str {
        match self {
            Self::EventTime(_) => "EventTime",
            Self::Search { .. } => "Search",
            Self::Progress(_) => "Progress",
            Self::Crowded => "Crowded",
            Self::Publish(_) => "Publish",
            Self::TooSlow(_) => "TooSlow",
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
        let error = AnalyzeError::Search {
            what: "suspicious transactions",
            source: "arn:aws:dynamodb says no".into(),
        };
        let diagnostic = Diagnostic::from(error);
        assert_eq!(diagnostic.error_type, "Search");
        assert_eq!(diagnostic.error_message, "searching for suspicious transactions failed");
    }
}
