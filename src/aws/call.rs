//! One way to make every call: paced before, classified after, retried within a budget, counted.

use super::clients::Aws;
use super::retry::{self, Verdict};
use crate::resource::{Class, Failure};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::Instant;

/// How many calls were made.
#[derive(Debug, Default)]
pub struct Counts {
    reads: AtomicU64,
    changes: AtomicU64,
}

impl Counts {
    /// All calls that left for AWS, retries included.
    pub fn total(&self) -> u64 {
        self.reads.load(Relaxed) + self.changes.load(Relaxed)
    }

    /// Those that may change something.
    pub fn changes(&self) -> u64 {
        self.changes.load(Relaxed)
    }

    pub(super) fn note(&self, operation: &str) {
        let verb = operation.split_once(':').map_or(operation, |(_, verb)| verb);
        let reads = ["Get", "List", "Describe"].iter().any(|read| verb.starts_with(read));
        if reads { &self.reads } else { &self.changes }.fetch_add(1, Relaxed);
    }
}

impl Aws {
    /// Makes one call. `operation` is written as IAM writes it, `sqs:CreateQueue`; `send` makes a fresh request.
    ///
    /// Retries what the retry table says can succeed, each reason within a budget of its own. A call without a name
    /// or a token is never repeated when its reply was lost: that is [`Class::Ambiguous`], and the caller looks first.
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

/// What an error means, and how it is told.
pub(super) fn judge<E>(operation: &str, error: &SdkError<E, HttpResponse>) -> (Verdict, Failure)
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let service = operation.split(':').next().unwrap_or_default();
    match error {
        SdkError::ServiceError(context) => {
            let status = context.raw().status().as_u16();
            let unknown = format!("HTTP{status}");
            let code = context.err().code().unwrap_or(&unknown);
            // Some errors carry their type behind a `#` or before a `:`.
            let code = code.rsplit('#').next().unwrap_or(code);
            let code = code.split(':').next().unwrap_or(code);
            let said = beginning(context.raw());
            let message = context.err().message().unwrap_or(&said);
            let mut verdict = retry::classify(service, code, message, Some(status));
            if verdict == Verdict::Fault && !retry::repeatable(operation) {
                verdict = Verdict::Final(Class::Ambiguous);
            }
            let mut failure = Failure::new(operation, code, message);
            failure.request_id = request_id(context.raw(), context.err());
            if context.err().code().is_none() {
                failure = failure.hint(
                    "this is no answer of AWS's; check the endpoint (AWS_ENDPOINT_URL) and what stands before it",
                );
            }
            if code.contains("AccessDenied") || code.contains("UnauthorizedOperation") {
                failure = failure.hint(format!("allow {operation} for the principal that runs fraudctl"));
            }
            (verdict, failure)
        }
        other => {
            let never_left = matches!(other, SdkError::ConstructionFailure(_))
                || matches!(other, SdkError::DispatchFailure(f) if f.is_user());
            let refused = chain(other).contains("Connection refused");
            let verdict = match other {
                _ if never_left => Verdict::Final(Class::Permanent),
                _ if refused => Verdict::Final(Class::Permanent),
                _ if retry::repeatable(operation) => Verdict::Fault,
                _ => Verdict::Final(Class::Ambiguous),
            };
            let mut failure = Failure::new(operation, "NoReply", chain(other));
            if refused {
                failure = failure.hint("nothing listens there; check the endpoint and that it runs");
            }
            (verdict, failure)
        }
    }
}

/// The beginning of an answer that is no error as AWS writes them: a proxy's page, an emulator's own words.
fn beginning(raw: &HttpResponse) -> String {
    let text = String::from_utf8_lossy(raw.body().bytes().unwrap_or_default()).into_owned();
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        "an empty answer".to_owned()
    } else {
        line.chars().take(200).collect()
    }
}

fn request_id<E: ProvideErrorMetadata>(raw: &HttpResponse, error: &E) -> Option<String> {
    let header = ["x-amzn-requestid", "x-amz-request-id", "x-amzn-request-id"]
        .iter()
        .find_map(|name| raw.headers().get(*name));
    header
        .or_else(|| error.meta().extra("aws_request_id"))
        .map(str::to_owned)
}

/// An error with everything that caused it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// What an error comes down to.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_changes_are_counted_apart() {
        let counts = Counts::default();
        counts.note("sqs:GetQueueUrl");
        counts.note("kms:DescribeKey");
        counts.note("sqs:CreateQueue");
        assert_eq!((counts.total(), counts.changes()), (3, 1));
    }

    #[test]
    fn pauses_stay_within_their_bounds() {
        for attempt in 0..40 {
            assert!(pause(Verdict::Throttled, attempt) <= Duration::from_secs(8));
            assert!(pause(Verdict::Busy, attempt) >= Duration::from_millis(125));
        }
    }
}
