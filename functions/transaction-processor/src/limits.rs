//! How long everything may take.
//!
//! API Gateway gives up on an answer after 29 seconds
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html>),
//! and Lambda after the function's own timeout. Before either does, the function answers by itself: a caller who gets
//! an answer knows what to do, and a function that is cut off leaves no log.

use std::time::Duration;

use runtime::clients::Limits;

/// The whole of a request.
pub const REQUEST: Duration = Duration::from_secs(25);

/// What is left to Lambda of the function's own timeout, to take the answer.
const MARGIN: Duration = Duration::from_millis(500);

/// A call to the table or the topic. A request makes at most four of them one after the other: the reads (side by
/// side), the write, the alert, and the note that it was sent.
pub const CALL: Limits = Limits {
    attempt: Duration::from_secs(2),
    operation: Duration::from_secs(6),
    attempts: 3,
};

/// Reading the parameters is worth less of a wait: older values, or the built-in ones, do as well.
pub const PARAMETERS: Limits = Limits {
    attempt: Duration::from_secs(1),
    operation: Duration::from_secs(2),
    attempts: 2,
};

/// How long a request may take that began at `now` in an invocation that Lambda ends at `deadline`, both in
/// milliseconds since the Unix epoch.
pub fn of_request(now: u64, deadline: u64) -> Duration {
    let left = Duration::from_millis(deadline.saturating_sub(now)).saturating_sub(MARGIN);
    // An emulator may not tell a deadline, or one that has passed.
    if left.is_zero() { REQUEST } else { left.min(REQUEST) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_ends_before_api_gateway_gives_up_and_before_lambda_does() {
        assert!(CALL.operation * 4 < REQUEST);
        assert!(REQUEST < Duration::from_secs(29));
        assert!(CALL.attempt * CALL.attempts <= CALL.operation);
        assert!(PARAMETERS.operation < CALL.operation);
        assert_eq!(of_request(1_000, 31_000), REQUEST);
        assert_eq!(of_request(1_000, 4_000), Duration::from_millis(2_500));
        assert_eq!(of_request(1_000, 0), REQUEST);
    }
}
