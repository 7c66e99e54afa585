//! The world around the handler: what it needs done.

use std::sync::Arc;

use fraud::{Alert, Assessment, DayCount, Past, Rules, Threshold, Transaction};
use runtime::BoxError;

use crate::failure::ProcessError;

/// What became of a transaction that was sent before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The [fingerprint](crate::payload::fingerprint) of what was sent.
    pub payload: String,
    /// The body of the answer.
    pub answer: String,
}

/// What an analyst can change without a deployment.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// A score above this raises an alert.
    pub threshold: Threshold,
    /// How scores come about.
    pub rules: Arc<Rules>,
}

/// Everything about one transaction that is stored at once, or not at all.
#[derive(Debug)]
pub struct Entry<'a> {
    /// What was sent.
    pub transaction: &'a Transaction,
    /// What the rules make of it.
    pub assessment: &'a Assessment,
    /// When it was received, in seconds.
    pub timestamp: u64,
    /// The alert that it calls for. It is pending until [`Outside::mark_sent`].
    pub alert: Option<&'a Alert>,
    /// What the next request with this id is told.
    pub record: &'a Record,
    /// The same for every try of this request, and another for every other request.
    pub token: &'a str,
}

/// What came of storing an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// It was the first with its id.
    First,
    /// Another with its id was stored before; nothing was stored now.
    Before(Record),
}

/// What the handler needs done outside of itself.
pub trait Outside {
    /// What became of the transaction of this id, if it was stored already. Nothing that was answered is overlooked.
    async fn earlier(&self, transaction_id: &str) -> Result<Option<Record>, ProcessError>;

    /// The user's last transactions, the latest first. One stored a moment ago may be missing.
    async fn history(&self, user_id: &str) -> Result<Vec<Past>, ProcessError>;

    /// The labels of this merchant's transactions, as far as they matter at `now`.
    async fn merchant(&self, merchant: &str, now: u64) -> Result<Vec<DayCount>, ProcessError>;

    /// The parameters in force at `now`. Always answers, if need be with older values or the built-in ones.
    async fn parameters(&self, now: u64) -> Parameters;

    /// Stores an entry, unless one with its id is stored already. However many try at once, one is the first.
    async fn store(&self, entry: &Entry<'_>) -> Result<Stored, ProcessError>;

    /// Publishes an alert. At least once: a retry whose first attempt got through publishes it twice.
    async fn publish(&self, alert: &Alert) -> Result<(), BoxError>;

    /// Notes that the alert of a stored transaction was sent at `now`.
    async fn mark_sent(&self, transaction_id: &str, timestamp: u64, now: u64) -> Result<(), BoxError>;
}
