//! Many suspicious transactions within a few minutes: a pattern that no single transaction shows.

use std::collections::BTreeSet;

/// More suspicious transactions than this in one [`Window`] raise an alert.
pub const SUSPICIOUS_LIMIT: u64 = 5;

/// A stretch of time, in seconds since the Unix epoch. Windows that end one length apart neither overlap nor leave
/// gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first second that belongs to it.
    pub from: u64,
    /// The first second that no longer does.
    pub until: u64,
}

impl Window {
    /// How long a window is, in seconds.
    pub const SECONDS: u64 = 300;

    /// How long a window is, in words.
    pub const LENGTH: &'static str = "5 minutes";

    /// The window before a moment.
    pub const fn before(until: u64) -> Self {
        Self {
            from: until.saturating_sub(Self::SECONDS),
            until,
        }
    }
}

/// The suspicious transactions of one window, summed up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pattern {
    suspicious_count: u64,
    affected_users: BTreeSet<String>,
}

impl Pattern {
    /// Counts one suspicious transaction, of this user where one is known.
    pub fn record(&mut self, user_id: Option<String>) {
        self.suspicious_count += 1;
        self.affected_users.extend(user_id);
    }

    /// How many suspicious transactions there were.
    pub const fn suspicious_count(&self) -> u64 {
        self.suspicious_count
    }

    /// Whose they were: each user once, in order.
    pub const fn affected_users(&self) -> &BTreeSet<String> {
        &self.affected_users
    }

    /// Whether there were more than [`SUSPICIOUS_LIMIT`].
    pub const fn is_alarming(&self) -> bool {
        self.suspicious_count > SUSPICIOUS_LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_the_five_minutes_before_a_moment() {
        assert_eq!(
            Window::before(1_000),
            Window {
                from: 700,
                until: 1_000
            }
        );
        assert_eq!(Window::before(10), Window { from: 0, until: 10 });
    }

    #[test]
    fn a_sixth_suspicious_transaction_is_alarming() {
        let mut pattern = Pattern::default();
        for _ in 0..5 {
            pattern.record(Some("u-1".to_owned()));
        }
        assert!(!pattern.is_alarming());
        pattern.record(None);
        assert!(pattern.is_alarming());
        assert_eq!(pattern.suspicious_count(), 6);
    }

    #[test]
    fn each_affected_user_is_named_once() {
        let mut pattern = Pattern::default();
        for user in ["u-2", "u-1", "u-2"] {
            pattern.record(Some(user.to_owned()));
        }
        assert!(pattern.affected_users().iter().eq(["u-1", "u-2"]));
    }
}
