//! The AWS clients' configuration: the SDK's default chain, with every wait bounded. The SDK's own limits are none.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// One attempt.
    pub attempt: Duration,
    /// The whole call, retries and the pauses between them included.
    pub operation: Duration,
    /// How many attempts at most.
    pub attempts: u32,
}

/// A connection that takes longer than this will not come about.
const CONNECT: Duration = Duration::from_secs(2);

impl Limits {
    /// In the words of the SDK.
    pub fn timeouts(self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(CONNECT.min(self.attempt))
            .operation_attempt_timeout(self.attempt)
            .operation_timeout(self.operation)
            .build()
    }

    /// In the words of the SDK.
    pub fn retries(self) -> RetryConfig {
        RetryConfig::standard().with_max_attempts(self.attempts)
    }
}

/// Credentials, region and endpoint as the environment has them, within these limits.
pub async fn configuration(limits: Limits) -> SdkConfig {
    // The cryptography that compiles soonest, for any processor; see docs/decisions.md.
    let tls = Provider::Rustls(CryptoMode::Ring);
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(Builder::new().tls_provider(tls).build_https())
        .timeout_config(limits.timeouts())
        .retry_config(limits.retries())
        .load()
        .await
}
