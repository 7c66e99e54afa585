//! What is known of the user before a transaction: the last ones that were stored.

use rust_decimal::Decimal;

/// How many earlier transactions of a user are looked at: one page of one query.
pub const HISTORY_LIMIT: usize = 50;

/// One earlier transaction of the same user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// When it was received, in seconds since the Unix epoch.
    pub timestamp: u64,
    /// How much.
    pub amount: Decimal,
    /// Who was paid.
    pub merchant: String,
    /// Where.
    pub location: String,
}
