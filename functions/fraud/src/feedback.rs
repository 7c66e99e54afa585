//! What analysts said of a merchant's transactions, counted by the day of the transaction.

/// A day, in seconds.
pub const DAY_SECONDS: u64 = 86_400;

/// Labels become known late; this much is allowed for, in days.
pub const LABEL_DELAY_DAYS: u64 = 7;

/// The longest window that a merchant's rate is taken over, in days, without the delay.
pub const LONGEST_WINDOW_DAYS: u64 = 30;

/// The day of a moment: days since the Unix epoch, in UTC.
pub const fn day_of(timestamp: u64) -> u64 {
    timestamp / DAY_SECONDS
}

/// The first day whose counters matter for a transaction at this moment.
pub const fn first_day(timestamp: u64) -> u64 {
    day_of(timestamp).saturating_sub(LONGEST_WINDOW_DAYS + LABEL_DELAY_DAYS)
}

/// The labels given so far to one merchant's transactions of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayCount {
    /// The day of the transactions, as [`day_of`] has it.
    pub day: u64,
    /// How many of them were labelled `fraud`.
    pub fraud: u64,
    /// How many of them were labelled `ok`.
    pub ok: u64,
}
