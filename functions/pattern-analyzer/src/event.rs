//! What EventBridge hands over: a scheduled event, as far as we read it.
//!
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html>

use aws_sdk_dynamodb::primitives::{DateTime, DateTimeFormat};
use serde::Deserialize;

use crate::failure::AnalyzeError;

/// A scheduled event. Whatever we do not read may be missing, or be anything.
#[derive(Debug, Default, Deserialize)]
pub struct ScheduledEvent {
    time: Option<String>,
}

impl ScheduledEvent {
    /// When the schedule fired, in seconds since the Unix epoch; nothing when somebody invoked the function by hand.
    ///
    /// # Errors
    ///
    /// The event's time is not an RFC 3339 time after 1970. It is not replaced by the clock's: a late run would look
    /// into the wrong window and nobody would know.
    pub fn time(&self) -> Result<Option<u64>, AnalyzeError> {
        let Some(text) = self.time.as_deref() else {
            return Ok(None);
        };
        let time = DateTime::from_str(text, DateTimeFormat::DateTimeWithOffset)
            .map_err(|error| AnalyzeError::EventTime(error.into()))?;
        let seconds = u64::try_from(time.secs()).map_err(|error| AnalyzeError::EventTime(error.into()))?;
        Ok(Some(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn time(event: Value) -> Option<Option<u64>> {
        let event: ScheduledEvent = serde_json::from_value(event).expect("an event");
        event.time().ok()
    }

    #[test]
    fn the_time_of_a_scheduled_event_is_understood() {
        let event = json!({
            "version": "0",
            "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": "123456789012",
            "time": "2015-10-08T16:53:06Z",
            "region": "us-east-1",
            "resources": ["arn:aws:events:us-east-1:123456789012:rule/my-scheduled-rule"],
            "detail": {},
        });
        assert_eq!(time(event), Some(Some(1_444_323_186)));
        assert_eq!(
            time(json!({"time": "2015-10-08T18:53:06.5+02:00"})),
            Some(Some(1_444_323_186))
        );
    }

    #[test]
    fn an_event_made_by_hand_may_have_no_time() {
        assert_eq!(time(json!({})), Some(None));
        assert_eq!(time(json!({"time": null})), Some(None));
    }

    #[test]
    fn a_time_that_is_none_is_an_error() {
        for text in [
            "",
            "now",
            "2015-10-08",
            "1444323186",
            "2015-13-08T16:53:06Z",
            "1950-01-01T00:00:00Z",
        ] {
            assert_eq!(time(json!({"time": text})), None, "{text}");
        }
    }
}
