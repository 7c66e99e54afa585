//! One way to make every call: paced before, classified after, retried within a budget, counted.

use super::clients::Aws;
use super::counts::reads;
use super::credentials::{closed_region, is_of_a_closed_region};
use super::judge::judge;
use super::remarks::Wait;
use super::retry::Verdict;
use crate::resource::{Class, Failure};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

impl Aws {
    /// Makes one call. `operation` is written as IAM writes it, `sqs:CreateQueue`; `send` makes a fresh request.
    ///
    /// Retries what the retry table says can succeed, each reason within a budget of its own. A call without a name
    /// or a token is never repeated when its reply was lost: that is [`Class::Ambiguous`], and the caller looks first.
    ///
    /// What may change something leaves only while the lease is ours, where one is needed; see [`Aws::only_with`].
    pub async fn call<T, E, F>(&self, operation: &'static str, send: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, SdkError<E, HttpResponse>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let mut spent: BTreeMap<&'static str, Wait<'_>> = BTreeMap::new();
        let mut attempt = 0_u32;
        loop {
            if self.paced {
                self.pacer.admit(operation).await;
            }
            self.counts.note(operation);
            // The states have conditions of their own, and a lock is given back when nothing else may be changed.
            let needed = !reads(operation) && !operation.starts_with("s3:");
            let sent = match self.lease.get().filter(|_| needed) {
                None => send().await,
                Some(lease) => while_held(send(), || lease.is_certain(), || lease.hold())
                    .await
                    .map_err(|why| lost(operation, &why))?,
            };
            let error = match sent {
                Ok(output) => return Ok(output),
                Err(error) => error,
            };
            let (verdict, mut failure) = judge(operation, &error);
            if let Verdict::Final(class) = verdict {
                failure.class = class;
                if is_of_a_closed_region(&failure.code) {
                    failure = failure.hint(closed_region(&self.region));
                }
                return Err(failure);
            }
            let what = verdict.waited_for();
            let wait = spent
                .entry(what)
                .or_insert_with(|| Wait::new(&self.remarks, verdict.budget()));
            if wait.is_over() {
                failure.class = Class::Exhausted;
                let seconds = wait.took().as_secs();
                return Err(failure.hint(format!("gave up after waiting {seconds} s for {what}")));
            }
            wait.tell(&format!("{what}, since AWS answers {failure}"));
            tokio::time::sleep(pause(verdict, attempt)).await;
            attempt += 1;
        }
    }
}

/// Goes on with a call only while it is certain that we hold what it needs, and makes sure of that where it is not. So
/// a call that waits for its connection while the process is stopped for long does not leave afterwards.
async fn while_held<T, H>(
    call: impl Future<Output = T>,
    certain: impl Fn() -> bool,
    hold: impl Fn() -> H,
) -> Result<T, String>
where
    H: Future<Output = Result<(), String>>,
{
    let mut call = pin!(call);
    loop {
        // Asked anew each time that something has happened, and first of all.
        let step = poll_fn(|context| {
            if certain() {
                call.as_mut().poll(context).map(Some)
            } else {
                Poll::Ready(None)
            }
        });
        match step.await {
            Some(done) => return Ok(done),
            None => hold().await?,
        }
    }
}

fn lost(operation: &str, why: &str) -> Failure {
    let what = format!("nothing more may be changed, since the lock is lost: {why}");
    Failure::new(operation, "LockLost", what)
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
    use std::cell::Cell;

    /// A call that has to wait once before it leaves, and for its answer then.
    async fn call(left: &Cell<bool>) -> &'static str {
        tokio::task::yield_now().await;
        left.set(true);
        tokio::task::yield_now().await;
        "done"
    }

    #[tokio::test]
    async fn a_call_leaves_only_while_the_lock_is_held() {
        let left = Cell::new(false);
        let held = while_held(call(&left), || true, || async { Err("never asked".to_owned()) });
        assert_eq!(held.await, Ok("done"));

        // Lost while it waits.
        let (left, asked) = (Cell::new(false), Cell::new(0));
        let certain = || asked.replace(asked.get() + 1) == 0;
        let lost = while_held(call(&left), certain, || async { Err("lost".to_owned()) });
        assert_eq!(lost.await, Err("lost".to_owned()));
        assert!(!left.get(), "it left");

        // In doubt, and ours after all.
        let (left, sure) = (Cell::new(false), Cell::new(false));
        let held = while_held(
            call(&left),
            || sure.get(),
            || async {
                sure.set(true);
                Ok(())
            },
        );
        assert_eq!(held.await, Ok("done"));
    }

    #[test]
    fn pauses_stay_within_their_bounds() {
        for attempt in 0..40 {
            assert!(pause(Verdict::Throttled, attempt) <= Duration::from_secs(8));
            assert!(pause(Verdict::Busy, attempt) >= Duration::from_millis(125));
        }
    }
}
