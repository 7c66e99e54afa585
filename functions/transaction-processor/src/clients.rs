//! The AWS clients' common configuration: the SDK's default chain, with every wait bounded.
//!
//! API Gateway gives up on an answer after 29 seconds
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-execution-service-limits-table.html>).
//! A request makes at most two calls one after the other (store, then publish; the threshold is read beside the
//! store), so each may take less than half of that, retries included.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

const CONNECT: Duration = Duration::from_secs(2);
const ATTEMPT: Duration = Duration::from_secs(4);
const OPERATION: Duration = Duration::from_secs(12);
const ATTEMPTS: u32 = 3;

/// The threshold is worth less of a wait: an older value, or the built-in one, does as well.
const THRESHOLD_ATTEMPT: Duration = Duration::from_secs(1);
const THRESHOLD_OPERATION: Duration = Duration::from_secs(3);

/// Credentials, region and endpoint as the environment has them, with the timeouts above.
pub async fn configuration() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(timeouts(ATTEMPT, OPERATION))
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .load()
        .await
}

/// An SSM client that gives up early.
pub fn ssm(shared: &SdkConfig) -> aws_sdk_ssm::Client {
    let config = aws_sdk_ssm::config::Builder::from(shared)
        .timeout_config(timeouts(THRESHOLD_ATTEMPT, THRESHOLD_OPERATION))
        .build();
    aws_sdk_ssm::Client::from_conf(config)
}

fn timeouts(attempt: Duration, operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT.min(attempt))
        .operation_attempt_timeout(attempt)
        .operation_timeout(operation)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_calls_in_a_row_end_before_api_gateway_gives_up() {
        assert!(OPERATION * 2 < Duration::from_secs(29));
        assert!(ATTEMPT * ATTEMPTS <= OPERATION);
        assert!(THRESHOLD_OPERATION < OPERATION);
    }
}
