//! From a request to an answer.

use fraud::{Alert, Assessment, Invalid, Transaction, assess};
use serde_json::json;

use crate::answer::Answer;
use crate::event::ProxyEvent;
use crate::failure::ProcessError;
use crate::log;
use crate::outside::Outside;

/// Answers one request, received at `now` in the invocation of that id.
///
/// Expected flow: the transaction is stored while the threshold is looked up; once it is stored, and if its score
/// exceeds the threshold, its alert is published; then comes the answer.
///
/// Guarantees: 400 means that nothing was stored; 200 that the transaction was stored and its alert, if it called for
/// one, published. No alert is published for a transaction that is not stored.
///
/// Caveats: a 500, or no answer at all, promises nothing: the transaction may be stored and its alert not published.
/// The caller may send it again, which stores it again under the new time.
pub async fn handle(outside: &impl Outside, event: &ProxyEvent, invocation_id: &str, now: u64) -> Answer {
    let request_id = event.request_id().unwrap_or(invocation_id);
    match process(outside, event, now).await {
        Ok(Processed {
            transaction,
            assessment,
            alerted,
        }) => {
            log::info(
                "transaction_processed",
                json!({
                    "request_id": request_id,
                    "invocation_id": invocation_id,
                    "transaction_id": transaction.transaction_id,
                    "fraud_score": assessment.fraud_score,
                    "is_suspicious": assessment.is_suspicious,
                    "alerted": alerted,
                }),
            );
            Answer::processed(&transaction, &assessment)
        }
        Err(Refusal::Invalid(why)) => {
            log::info(
                "transaction_refused",
                json!({
                    "request_id": request_id,
                    "invocation_id": invocation_id,
                    "field": why.field().name(),
                    "reason": why.to_string(),
                }),
            );
            Answer::invalid(&why)
        }
        Err(Refusal::Failed(why)) => {
            log::error(
                "transaction_failed",
                json!({
                    "request_id": request_id,
                    "invocation_id": invocation_id,
                    "error": log::causes(&why),
                }),
            );
            Answer::internal_error(request_id)
        }
    }
}

struct Processed {
    transaction: Transaction,
    assessment: Assessment,
    alerted: bool,
}

enum Refusal {
    Invalid(Invalid),
    Failed(ProcessError),
}

impl From<Invalid> for Refusal {
    fn from(why: Invalid) -> Self {
        Self::Invalid(why)
    }
}

impl From<ProcessError> for Refusal {
    fn from(why: ProcessError) -> Self {
        Self::Failed(why)
    }
}

async fn process(outside: &impl Outside, event: &ProxyEvent, now: u64) -> Result<Processed, Refusal> {
    let transaction = Transaction::parse(&event.body()?)?;
    let assessment = assess(
        &transaction,
        &fraud::Context::unknown(1_700_000_000),
        fraud::Rules::builtin(),
    );
    let (stored, threshold) = tokio::join!(outside.store(&transaction, &assessment, now), outside.threshold(now),);
    stored?;
    let alerted = threshold.is_exceeded_by(assessment.fraud_score);
    if alerted {
        let alert = Alert::for_transaction(&transaction, assessment.fraud_score, now);
        outside.publish(&alert).await?;
    }
    Ok(Processed {
        transaction,
        assessment,
        alerted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use fraud::Threshold;
    use serde_json::Value;
    use std::cell::RefCell;

    const NOW: u64 = 1_700_000_000;

    /// A world that remembers what it was asked to do, and fails where it is told to.
    struct Fake {
        threshold: Threshold,
        store_fails: bool,
        publish_fails: bool,
        done: RefCell<Vec<String>>,
    }

    impl Fake {
        fn with_threshold(threshold: &str) -> Self {
            Self {
                threshold: threshold.parse().expect("a threshold"),
                store_fails: false,
                publish_fails: false,
                done: RefCell::default(),
            }
        }

        fn done(&self) -> Vec<String> {
            self.done.borrow().clone()
        }
    }

    impl Outside for Fake {
        async fn store(&self, transaction: &Transaction, _: &Assessment, timestamp: u64) -> Result<(), ProcessError> {
            if self.store_fails {
                return Err(ProcessError::Store("arn:aws:dynamodb says no".into()));
            }
            self.done
                .borrow_mut()
                .push(format!("store {} at {timestamp}", transaction.transaction_id));
            Ok(())
        }

        async fn publish(&self, alert: &Alert) -> Result<(), ProcessError> {
            if self.publish_fails {
                return Err(ProcessError::Publish("arn:aws:sns says no".into()));
            }
            self.done.borrow_mut().push(format!("publish {}", alert.subject));
            Ok(())
        }

        async fn threshold(&self, _: u64) -> Threshold {
            self.threshold
        }
    }

    /// The status and the body of the answer to a request with this body.
    async fn answer(outside: &Fake, body: &str) -> (Value, Value) {
        let event = json!({"body": body, "requestContext": {"requestId": "r-1"}});
        let event = serde_json::from_value(event).expect("an event");
        let answer = serde_json::to_value(handle(outside, &event, "i-1", NOW).await).expect("serializable");
        let body = serde_json::from_str(answer["body"].as_str().expect("a string")).expect("JSON");
        (answer["statusCode"].clone(), body)
    }

    fn request(amount: &str) -> String {
        format!(r#"{{"transaction_id": "t-1", "user_id": "u-1", "amount": {amount}}}"#)
    }

    #[tokio::test]
    async fn an_ordinary_transaction_is_stored_and_raises_no_alert() {
        let outside = Fake::with_threshold("0.85");
        let (status, body) = answer(&outside, &request("150.50")).await;
        assert_eq!(status, 200);
        assert_eq!(body["message"], "Transaction processed successfully");
        assert_eq!(body["transaction_id"], "t-1");
        assert_eq!(body["fraud_score"].to_string(), "0.1");
        assert_eq!(body["is_suspicious"], false);
        assert_eq!(outside.done(), ["store t-1 at 1700000000"]);
    }

    #[tokio::test]
    async fn a_suspicious_transaction_is_stored_and_then_raises_an_alert() {
        let outside = Fake::with_threshold("0.85");
        let (status, body) = answer(&outside, &request("15000")).await;
        assert_eq!(status, 200);
        assert_eq!(body["fraud_score"].to_string(), "0.9");
        assert_eq!(body["is_suspicious"], true);
        assert_eq!(
            outside.done(),
            [
                "store t-1 at 1700000000",
                "publish Fraud Alert - Suspicious Transaction Detected"
            ]
        );
    }

    #[tokio::test]
    async fn the_threshold_decides_about_the_alert() {
        let strict = Fake::with_threshold("0");
        answer(&strict, &request("1")).await;
        assert_eq!(strict.done().len(), 2);

        let lenient = Fake::with_threshold("0.9");
        answer(&lenient, &request("15000")).await;
        assert_eq!(lenient.done().len(), 1);
    }

    #[tokio::test]
    async fn an_invalid_request_leaves_no_trace() {
        let outside = Fake::with_threshold("0.85");
        let (status, body) = answer(&outside, &request("\"150.50\"")).await;
        assert_eq!(status, 400);
        assert_eq!(body, json!({"error": "amount must be a number", "field": "amount"}));
        let (status, body) = answer(&outside, "not json").await;
        assert_eq!(status, 400);
        assert_eq!(body["field"], "body");
        assert!(outside.done().is_empty());
    }

    #[tokio::test]
    async fn no_alert_is_published_for_a_transaction_that_was_not_stored() {
        let outside = Fake {
            store_fails: true,
            ..Fake::with_threshold("0.85")
        };
        let (status, body) = answer(&outside, &request("15000")).await;
        assert_eq!(status, 500);
        assert_eq!(body, json!({"message": "Internal server error", "request_id": "r-1"}));
        assert!(outside.done().is_empty());
    }

    #[tokio::test]
    async fn an_alert_that_cannot_be_published_is_not_passed_over() {
        let outside = Fake {
            publish_fails: true,
            ..Fake::with_threshold("0.85")
        };
        let (status, body) = answer(&outside, &request("15000")).await;
        assert_eq!(status, 500);
        assert_eq!(body, json!({"message": "Internal server error", "request_id": "r-1"}));
    }

    #[tokio::test]
    async fn without_a_request_id_a_failure_names_the_invocation() {
        let outside = Fake {
            store_fails: true,
            ..Fake::with_threshold("0.85")
        };
        let event = serde_json::from_value(json!({"body": request("1")})).expect("an event");
        let answer = serde_json::to_value(handle(&outside, &event, "i-1", NOW).await).expect("serializable");
        let body = answer["body"].as_str().expect("a string");
        assert!(body.contains(r#""request_id":"i-1""#), "{body}");
    }
}
