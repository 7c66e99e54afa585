//! From an event to a result.

use fraud::{Alert, Window};
use serde_json::{Value, json};

use crate::event::ScheduledEvent;
use crate::failure::AnalyzeError;
use crate::log;
use crate::outside::Outside;

/// Analyzes the window that an event calls for, in the invocation of that id at `now`.
///
/// A scheduled event is about the window before the event's own time, however late it is delivered. An invocation by
/// hand is about the window up to and including the current second.
///
/// Guarantees: an answer means that the whole window was read and its alert, if it called for one, published.
///
/// # Errors
///
/// Anything less is an error, so that Lambda tries the event again and, when that does not help either, hands it to the
/// dead-letter queue.
pub async fn handle(
    outside: &impl Outside,
    event: &ScheduledEvent,
    invocation_id: &str,
    now: u64,
) -> Result<Value, AnalyzeError> {
    match analyze(outside, event, now).await {
        Ok(finding) => {
            log::info(
                "patterns_analyzed",
                json!({
                    "invocation_id": invocation_id,
                    "window_from": finding.window.from,
                    "window_until": finding.window.until,
                    "suspicious_count": finding.suspicious_count,
                    "alerted": finding.alerted,
                }),
            );
            Ok(json!({
                "statusCode": 200,
                "body": {
                    "message": "Pattern analysis complete",
                    "suspicious_count": finding.suspicious_count,
                },
            }))
        }
        Err(error) => {
            log::error(
                "analysis_failed",
                json!({"invocation_id": invocation_id, "error": log::causes(&error)}),
            );
            Err(error)
        }
    }
}

struct Finding {
    window: Window,
    suspicious_count: u64,
    alerted: bool,
}

async fn analyze(outside: &impl Outside, event: &ScheduledEvent, now: u64) -> Result<Finding, AnalyzeError> {
    let scheduled = event.time()?;
    let window = Window::before(scheduled.unwrap_or(now + 1));
    let pattern = outside.find_suspicious(window).await?;
    let alerted = pattern.is_alarming();
    if alerted {
        let alert = Alert::for_pattern(&pattern, scheduled.unwrap_or(now));
        outside.publish(&alert).await?;
    }
    Ok(Finding {
        window,
        suspicious_count: pattern.suspicious_count(),
        alerted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fraud::Pattern;
    use std::cell::RefCell;

    const NOW: u64 = 1_700_000_000;

    /// A table with suspicious transactions at these times, each of another user, and a topic that remembers.
    #[derive(Default)]
    struct Fake {
        suspicious_at: Vec<u64>,
        search_fails: bool,
        publish_fails: bool,
        published: RefCell<Vec<Alert>>,
    }

    impl Outside for Fake {
        async fn find_suspicious(&self, window: Window) -> Result<Pattern, AnalyzeError> {
            if self.search_fails {
                return Err(AnalyzeError::Search("arn:aws:dynamodb says no".into()));
            }
            let mut pattern = Pattern::default();
            for at in &self.suspicious_at {
                if (window.from..window.until).contains(at) {
                    pattern.record(Some(format!("user at {at}")));
                }
            }
            Ok(pattern)
        }

        async fn publish(&self, alert: &Alert) -> Result<(), AnalyzeError> {
            if self.publish_fails {
                return Err(AnalyzeError::Publish("arn:aws:sns says no".into()));
            }
            self.published.borrow_mut().push(alert.clone());
            Ok(())
        }
    }

    async fn run(outside: &Fake, event: Value) -> Result<Value, AnalyzeError> {
        let event = serde_json::from_value(event).expect("an event");
        handle(outside, &event, "i-1", NOW).await
    }

    #[tokio::test]
    async fn five_suspicious_transactions_are_counted_and_raise_no_alert() {
        let outside = Fake {
            suspicious_at: vec![NOW; 5],
            ..Fake::default()
        };
        let answer = run(&outside, json!({})).await.expect("an answer");
        assert_eq!(
            answer,
            json!({"statusCode": 200, "body": {"message": "Pattern analysis complete", "suspicious_count": 5}})
        );
        assert!(outside.published.borrow().is_empty());
    }

    #[tokio::test]
    async fn a_sixth_raises_one_alert() {
        let outside = Fake {
            suspicious_at: vec![NOW - 299, NOW, NOW, NOW, NOW - 1, NOW - 2],
            ..Fake::default()
        };
        let answer = run(&outside, json!({})).await.expect("an answer");
        assert_eq!(answer["body"]["suspicious_count"], 6);

        let published = outside.published.borrow();
        assert_eq!(published.len(), 1);
        assert_eq!(
            published[0].subject,
            "Fraud Alert - Multiple Suspicious Transactions Detected"
        );
        let message: Value = serde_json::from_str(&published[0].message).expect("JSON");
        assert_eq!(message["suspicious_count"], 6);
        assert_eq!(message["timestamp"], NOW);
        assert_eq!(message["affected_users"].as_array().map(Vec::len), Some(4));
    }

    #[tokio::test]
    async fn a_late_event_is_about_its_own_window() {
        // 2023-11-14T22:00:00Z
        let scheduled = 1_699_999_200;
        let outside = Fake {
            suspicious_at: vec![scheduled - 301, scheduled - 300, scheduled - 1, scheduled, NOW],
            ..Fake::default()
        };
        let event = json!({"time": "2023-11-14T22:00:00Z"});
        let answer = run(&outside, event).await.expect("an answer");
        assert_eq!(answer["body"]["suspicious_count"], 2);
    }

    #[tokio::test]
    async fn every_failure_is_an_error() {
        let search = Fake {
            search_fails: true,
            ..Fake::default()
        };
        assert!(matches!(run(&search, json!({})).await, Err(AnalyzeError::Search(_))));

        let publish = Fake {
            suspicious_at: vec![NOW; 6],
            publish_fails: true,
            ..Fake::default()
        };
        assert!(matches!(run(&publish, json!({})).await, Err(AnalyzeError::Publish(_))));

        let time = json!({"time": "yesterday"});
        assert!(matches!(
            run(&Fake::default(), time).await,
            Err(AnalyzeError::EventTime(_))
        ));
    }
}
