//! What is known beside a transaction when it is scored.

use crate::feedback::DayCount;
use crate::history::Past;

/// What is known beside a transaction when it is scored.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// When the transaction was received, in seconds since the Unix epoch.
    pub at: u64,
    /// The user's last transactions before it, the latest first; more than [`HISTORY_LIMIT`] are not looked at.
    ///
    /// [`HISTORY_LIMIT`]: crate::history::HISTORY_LIMIT
    pub history: &'a [Past],
    /// What is known of the merchant, day by day, in any order. Days outside the windows of the rules do not matter.
    pub merchant: &'a [DayCount],
}

impl Context<'_> {
    /// Nothing is known.
    pub const fn unknown(at: u64) -> Self {
        Self {
            at,
            history: &[],
            merchant: &[],
        }
    }
}
