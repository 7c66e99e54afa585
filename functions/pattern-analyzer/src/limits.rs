//! How long everything may take.

use std::time::Duration;

use runtime::clients::Limits;

/// The whole of a run, below Lambda's limit for the function.
pub const RUN: Duration = Duration::from_secs(55);

/// What is left to Lambda of the function's own timeout, to take the answer.
const MARGIN: Duration = Duration::from_millis(500);

/// A call to a table or the topic. A search is as many calls as it has pages.
pub const CALL: Limits = Limits {
    attempt: Duration::from_secs(4),
    operation: Duration::from_secs(12),
    attempts: 3,
};

/// Whoever set out to send an alert this long ago, in seconds, has died: no run of this function lasts as long, and no
/// request of the other one.
pub const LEASE: u64 = 60;

/// After this long, in seconds, the request that stored a transaction has come to its end, and its alert, if it is
/// still pending, is nobody's.
pub const REQUEST: u64 = 35;

/// How long a run may take that began at `now` in an invocation that Lambda ends at `deadline`, both in milliseconds
/// since the Unix epoch.
pub fn of_run(now: u64, deadline: u64) -> Duration {
    let left = Duration::from_millis(deadline.saturating_sub(now)).saturating_sub(MARGIN);
    // An emulator may not tell a deadline, or one that has passed.
    if left.is_zero() { RUN } else { left.min(RUN) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_before_another_takes_its_alerts_for_its_own() {
        assert!(RUN < Duration::from_secs(LEASE));
        assert_eq!(of_run(1_000, 4_000), Duration::from_millis(2_500));
        assert_eq!(of_run(1_000, 1_000_000), RUN);
        assert_eq!(of_run(1_000, 0), RUN);
    }
}
