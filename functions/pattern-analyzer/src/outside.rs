//! The world around the analysis: what it needs done.

use fraud::{Progress, Window};
use runtime::BoxError;

use crate::failure::AnalyzeError;

/// A suspicious transaction, as far as the analysis looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspicious {
    /// When it was received, in seconds.
    pub timestamp: u64,
    /// Whose it is, where that is known.
    pub user_id: Option<String>,
}

/// What runs leave to each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// How often it was kept; who keeps it again must have seen the last.
    pub version: u64,
    /// Which run kept it. Two runs that do the same at the same time must not take each other's for their own.
    pub writer: String,
    /// How far they got; nothing before the first run.
    pub progress: Option<Progress>,
    /// Alerts about patterns that are still to be sent.
    pub outbox: Vec<Outgoing>,
}

/// An alert about a pattern that is still to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The message; no two are the same.
    pub message: String,
    /// When a run last set out to send it, in seconds.
    pub claimed_at: u64,
}

/// A stored transaction whose alert is still to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its id.
    pub transaction_id: String,
    /// When it was received, in seconds.
    pub timestamp: u64,
    /// The alert's message.
    pub message: String,
}

/// What the analysis needs done outside of itself.
pub trait Outside {
    /// A name that no other run has, not even another try of the same event.
    fn writer(&self) -> &str;

    /// Waits until every transaction from before `until` can be found.
    async fn settled(&self, until: u64);

    /// The suspicious transactions of a window: all of them, or an error.
    async fn suspicious(&self, window: Window) -> Result<Vec<Suspicious>, AnalyzeError>;

    /// What was last kept.
    async fn kept(&self) -> Result<Kept, AnalyzeError>;

    /// Keeps this as the next version, unless another run was faster; tells whether it did.
    async fn keep(&self, kept: &Kept) -> Result<bool, AnalyzeError>;

    /// The transactions received up to `until` whose alerts are still to be sent, the oldest first. One whose alert was
    /// sent a moment ago may be among them.
    async fn pending(&self, until: u64) -> Result<Vec<Pending>, AnalyzeError>;

    /// Sets out at `now` to send a pending alert. False when it was sent, or when another run set out to less than a
    /// lease ago.
    async fn claim(&self, pending: &Pending, now: u64) -> Result<bool, BoxError>;

    /// Notes that a pending alert was sent at `now`.
    async fn mark_sent(&self, pending: &Pending, now: u64) -> Result<(), BoxError>;

    /// Publishes an alert. At least once: a retry whose first attempt got through publishes it twice.
    async fn publish(&self, subject: &str, message: &str) -> Result<(), BoxError>;

    /// What all searches so far have cost.
    fn consumed(&self) -> Consumed;
}

/// What searches have cost.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Consumed {
    /// Items that were read, whatever became of them.
    pub items: u64,
    /// Read units.
    pub units: f64,
}
