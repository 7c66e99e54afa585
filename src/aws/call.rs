//! One way to make every call: paced before, classified after, retried within a budget, counted.

use super::clients::Aws;
use super::counts::reads;
use super::judge::judge;
use super::retry::Verdict;
use crate::resource::{Class, Failure};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

impl Aws {
    /// Makes one call. `operation` is written as IAM writes it, `sqs:CreateQueue`; `send` makes a fresh request.
    ///
    /// Retries what the retry table says can succeed, each reason within a budget of its own. A call without a name
    /// or a token is never repeated when its reply was lost: that is [`Class::Ambiguous`], and the caller looks first.
    ///
    /// What may change something does not leave while there is an objection; see [`Aws::object`].
    pub async fn call<T, E, F>(&self, operation: &'static str, send: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let mut spent: BTreeMap<&'static str, Instant> = BTreeMap::new();
        let mut attempt = 0_u32;
        loop {
            if self.paced {
                self.pacer.admit(operation).await;
            }
            // The states have conditions of their own, and a lock is given back when nothing else may be changed.
            if !reads(operation) && !operation.starts_with("s3:") {
                self.objection(operation).await?;
            }
            self.counts.note(operation);
            let error = match send().await {
                Ok(output) => return Ok(output),
                Err(error) => error,
            };
            let (verdict, mut failure) = judge(operation, &error);
            if let Verdict::Final(class) = verdict {
                failure.class = class;
                return Err(failure);
            }
            let since = *spent.entry(verdict.waited_for()).or_insert_with(Instant::now);
            if since.elapsed() >= verdict.budget() {
                failure.class = Class::Exhausted;
                return Err(failure.hint(format!(
                    "gave up after waiting {} s for {}",
                    since.elapsed().as_secs(),
                    verdict.waited_for()
                )));
            }
            tokio::time::sleep(pause(verdict, attempt)).await;
            attempt += 1;
        }
    }
}

/// Exponential with full jitter for what is worth spreading; steady for what is a matter of waiting.
fn pause(verdict: Verdict, attempt: u32) -> Duration {
    let (base, most) = match verdict {
        Verdict::Throttled => (500, 8_000),
        Verdict::Propagating | Verdict::Busy => (250, 2_500),
        Verdict::Fault | Verdict::Final(_) => (200, 4_000),
    };
    let ceiling = (base << attempt.min(6)).min(most);
    Duration::from_millis(ceiling / 2 + jitter(ceiling / 2))
}

/// Some number below `limit`. A fresh `RandomState` has keys of its own, which is random enough to spread retries.
fn jitter(limit: u64) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(limit) % limit.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_within_their_bounds() {
        for attempt in 0..40 {
            assert!(pause(Verdict::Throttled, attempt) <= Duration::from_secs(8));
            assert!(pause(Verdict::Busy, attempt) >= Duration::from_millis(125));
        }
    }
}
