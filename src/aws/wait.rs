//! Waiting until a service knows what was made just now.

use super::absent::present;
use crate::resource::{Class, Failure};
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// AWS promises only "a few seconds", and up to ten are seen. Three times that.
const KNOWN_WITHIN: Duration = Duration::from_secs(30);
/// SNS may tell for a minute of a topic that is deleted. A little more than that.
const AGREED_WITHIN: Duration = Duration::from_secs(75);
const PAUSE: Duration = Duration::from_millis(500);

/// Repeats `call` while the service does not know what it names. Services answer from many places, and what was made a
/// moment ago is not known to all of them at once. `what` names it for the message when the wait was in vain.
pub(super) async fn once_known<T, F>(what: &str, call: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    known_within(KNOWN_WITHIN, what, call).await
}

async fn known_within<T, F>(patience: Duration, what: &str, call: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let since = Instant::now();
    loop {
        let mut why = match call().await {
            Err(why) if why.is_not_found() => why,
            other => return other,
        };
        if since.elapsed() >= patience {
            why.class = Class::Exhausted;
            return Err(why.hint(format!("waited {} s for AWS to know {what}", since.elapsed().as_secs())));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What describes something, and its tags, which tell whose it is; `None` when it is not there. What is described but has
/// no tags to tell was made just now, or has just been deleted: both are asked for again until they agree, because without
/// its tags it would look like nobody's.
pub(super) async fn with_tags<D, T, F, G>(
    what: &str,
    describe: impl Fn() -> F,
    tags: impl Fn() -> G,
) -> Result<Option<(D, T)>, Failure>
where
    F: Future<Output = Result<D, Failure>>,
    G: Future<Output = Result<T, Failure>>,
{
    let both = || async {
        let (described, tags) = tokio::join!(describe(), tags());
        match present(described)? {
            Some(described) => tags.map(|tags| Some((described, tags))),
            None => Ok(None),
        }
    };
    known_within(AGREED_WITHIN, &format!("{what} and its tags alike"), both).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    /// Fails in this way once, then works.
    async fn second_time_lucky(class: Class) -> (Result<u32, Failure>, u32) {
        let calls = AtomicU32::new(0);
        let result = once_known("it", || async {
            let call = calls.fetch_add(1, SeqCst);
            let mut why = Failure::new("sns:Subscribe", "Code", "message");
            why.class = class;
            if call == 0 { Err(why) } else { Ok(call) }
        })
        .await;
        (result, calls.load(SeqCst))
    }

    #[tokio::test]
    async fn what_is_not_known_yet_is_asked_for_again() {
        let (result, calls) = second_time_lucky(Class::NotFound).await;
        assert_eq!((result.unwrap(), calls), (1, 2));
    }

    fn unknown() -> Failure {
        let mut why = Failure::new("sns:ListTagsForResource", "NotFound", "message");
        why.class = Class::NotFound;
        why
    }

    #[tokio::test]
    async fn what_is_described_and_has_no_tags_yet_is_not_taken_for_absent() {
        let calls = AtomicU32::new(0);
        let tags = || async {
            if calls.fetch_add(1, SeqCst) == 0 {
                Err(unknown())
            } else {
                Ok("tags")
            }
        };
        let found = with_tags("it", || async { Ok("described") }, tags).await;
        assert_eq!(found.unwrap(), Some(("described", "tags")));
    }

    #[tokio::test]
    async fn what_is_not_described_is_absent_whatever_its_tags_say() {
        for tags in [Ok("tags"), Err(unknown())] {
            let found = with_tags("it", || async { Err::<(), _>(unknown()) }, || async { tags.clone() }).await;
            assert_eq!(found.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn any_other_failure_is_told_at_once() {
        let (result, calls) = second_time_lucky(Class::Permanent).await;
        assert_eq!((result.unwrap_err().class, calls), (Class::Permanent, 1));
    }
}
