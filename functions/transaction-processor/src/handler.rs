//! From a request to an answer.

use std::time::{Duration, Instant};

use fraud::metrics::{Metric, embed};
use fraud::{Alert, Assessment, Context, Invalid, Transaction, assess};
use runtime::log;
use serde_json::{Map, Value, json};

use crate::answer::{self, Answer};
use crate::event::ProxyEvent;
use crate::failure::ProcessError;
use crate::outside::{Entry, Outside, Record, Stored};
use crate::payload;

/// One invocation of the function.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'a> {
    /// Lambda's id of it.
    pub id: &'a str,
    /// The environment's name, for the metrics.
    pub environment: &'a str,
    /// When it began, in milliseconds since the Unix epoch.
    pub now_millis: u64,
    /// How long it may take.
    pub limit: Duration,
}

impl Invocation<'_> {
    const fn now(&self) -> u64 {
        self.now_millis / 1_000
    }
}

/// Answers one request.
///
/// Expected flow: all that is known of the transaction, its user and its merchant is read at once; the transaction is
/// scored; it is stored together with its alert, if it calls for one, and with the answer; the alert is published and
/// marked as sent; then comes the answer.
///
/// Guarantees: 400 and 409 mean that nothing was stored. 200 means that the transaction is stored exactly once, and that
/// its alert, if it called for one, is published or kept until it is. Whoever sends the same transaction again gets the
/// same answer, and no second alert is made of it, however many requests run at once and wherever one of them dies.
///
/// Caveats: a 500, or no answer at all, promises nothing: the transaction may be stored or not. To send it again is safe
/// and tells. An alert may be published twice where the function dies between publishing and marking it; both messages
/// carry the same `alert_id`.
pub async fn handle(outside: &impl Outside, event: &ProxyEvent, invocation: Invocation<'_>) -> Answer {
    let begun = Instant::now();
    let request_id = event.request_id().unwrap_or(invocation.id);
    let processed = tokio::time::timeout(invocation.limit, process(outside, event, invocation)).await;
    let outcome = processed.unwrap_or_else(|_| Err(ProcessError::TooSlow(invocation.limit.as_millis()).into()));
    let answer = match &outcome {
        Ok(Processed::New { record, .. } | Processed::Again { record, .. }) => Answer::processed(record.answer.clone()),
        Ok(Processed::Conflict { .. }) => Answer::conflict(),
        Err(Refusal::Invalid(why)) => Answer::invalid(why),
        Err(Refusal::Failed(_)) => Answer::internal_error(request_id),
    };
    let mut line = Line::new(invocation, request_id);
    line.metric(Metric::Latency, begun.elapsed().as_millis());
    line.write(outcome);
    answer
}

enum Processed {
    New {
        transaction: Transaction,
        assessment: Assessment,
        record: Record,
        alert: Sent,
    },
    Again {
        transaction: Transaction,
        record: Record,
    },
    Conflict {
        transaction: Transaction,
    },
}

/// What became of the alert.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    NotNeeded,
    Now,
    /// It was not published, or that was not noted: it stays pending, and a later run sends it.
    Later,
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

async fn process(outside: &impl Outside, event: &ProxyEvent, invocation: Invocation<'_>) -> Result<Processed, Refusal> {
    let now = invocation.now();
    let transaction = event.transaction()?;
    // One round trip, however slow each of them is.
    let (earlier, history, merchant, parameters) = tokio::join!(
        outside.earlier(&transaction.transaction_id),
        outside.history(&transaction.user_id),
        outside.merchant(&transaction.merchant, now),
        outside.parameters(now),
    );
    let payload = payload::fingerprint(&transaction);
    if let Some(record) = earlier? {
        return Ok(again(transaction, record, &payload));
    }
    let context = Context {
        at: now,
        history: &history?,
        merchant: &merchant?,
    };
    let assessment = assess(&transaction, &context, &parameters.rules);
    let alert = parameters
        .threshold
        .is_exceeded_by(assessment.fraud_score)
        .then(|| Alert::for_transaction(&transaction, &assessment, now));
    let record = Record {
        answer: answer::body(&transaction, &assessment),
        payload,
    };
    let entry = Entry {
        transaction: &transaction,
        assessment: &assessment,
        timestamp: now,
        alert: alert.as_ref(),
        record: &record,
        token: invocation.id,
    };
    if let Stored::Before(earlier) = outside.store(&entry).await? {
        return Ok(again(transaction, earlier, &record.payload));
    }
    let alert = match alert {
        Some(alert) => send(outside, &alert, &transaction.transaction_id, now).await,
        None => Sent::NotNeeded,
    };
    Ok(Processed::New {
        transaction,
        assessment,
        record,
        alert,
    })
}

/// The answer to a transaction that was stored before.
fn again(transaction: Transaction, record: Record, payload: &str) -> Processed {
    if record.payload == payload {
        Processed::Again { transaction, record }
    } else {
        Processed::Conflict { transaction }
    }
}

/// Publishes the alert of a stored transaction. Where that fails the transaction is none the less stored, and its alert
/// with it: that is no failure of the request.
async fn send(outside: &impl Outside, alert: &Alert, transaction_id: &str, now: u64) -> Sent {
    let sent = match outside.publish(alert).await {
        Ok(()) => outside.mark_sent(transaction_id, now, now).await,
        Err(why) => Err(why),
    };
    match sent {
        Ok(()) => Sent::Now,
        Err(why) => {
            log::error(
                "alert_stays_pending",
                json!({"transaction_id": transaction_id, "error": log::causes(&*why)}),
            );
            Sent::Later
        }
    }
}

/// The one line of the log that every request leaves, with its metrics.
struct Line<'a> {
    invocation: Invocation<'a>,
    fields: Map<String, Value>,
    metrics: Vec<(Metric, Value)>,
}

impl<'a> Line<'a> {
    fn new(invocation: Invocation<'a>, request_id: &str) -> Self {
        let fields = [("request_id", request_id), ("invocation_id", invocation.id)];
        Self {
            invocation,
            fields: fields
                .map(|(name, value)| (name.to_owned(), value.into()))
                .into_iter()
                .collect(),
            metrics: Vec::new(),
        }
    }

    fn field(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    fn metric(&mut self, metric: Metric, value: impl TryInto<u64>) {
        self.metrics.push((metric, value.try_into().unwrap_or(u64::MAX).into()));
    }

    fn count(&mut self, metric: Metric) {
        self.metric(metric, 1_u64);
    }

    fn write(mut self, outcome: Result<Processed, Refusal>) {
        let (level, event): (fn(&str, Value), _) = match outcome {
            Ok(Processed::New {
                transaction,
                assessment,
                alert,
                ..
            }) => {
                self.field("transaction_id", transaction.transaction_id);
                self.field("fraud_score", json!(assessment.fraud_score));
                self.field("is_suspicious", assessment.is_suspicious);
                let codes: Vec<&str> = assessment.reasons.iter().map(|reason| reason.code).collect();
                self.field("reasons", codes);
                self.field("rules_version", assessment.rules_version);
                self.field("alerted", alert == Sent::Now);
                self.count(Metric::Scored);
                self.metric(Metric::Suspicious, u64::from(assessment.is_suspicious));
                match alert {
                    Sent::NotNeeded => {}
                    Sent::Now => self.count(Metric::Alerts),
                    Sent::Later => self.count(Metric::AlertsFailed),
                }
                (log::info, "transaction_processed")
            }
            Ok(Processed::Again { transaction, .. }) => {
                self.field("transaction_id", transaction.transaction_id);
                self.count(Metric::Duplicates);
                (log::info, "transaction_repeated")
            }
            Ok(Processed::Conflict { transaction }) => {
                self.field("transaction_id", transaction.transaction_id);
                self.count(Metric::Conflicts);
                (log::warn, "transaction_conflicts")
            }
            Err(Refusal::Invalid(why)) => {
                self.field("field", why.field().name());
                self.field("reason", why.to_string());
                self.count(Metric::Invalid);
                (log::info, "transaction_refused")
            }
            Err(Refusal::Failed(why)) => {
                self.field("error", log::causes(&why));
                self.count(Metric::Errors);
                (log::error, "transaction_failed")
            }
        };
        let Invocation {
            environment,
            now_millis,
            ..
        } = self.invocation;
        level(event, embed(self.fields, environment, now_millis, &self.metrics));
    }
}

#[cfg(test)]
#[path = "handler_tests.rs"]
mod tests;
