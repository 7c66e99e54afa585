//! The fraud threshold: an SSM parameter, read at most once a minute, never in the way.

use std::error::Error;

use aws_sdk_ssm::Client;
use fraud::Threshold;
use serde_json::json;
use tokio::sync::Mutex;

use crate::log;

/// A reading is good for this long, whether it succeeded or not.
const LIFETIME_SECONDS: u64 = 60;

type BoxError = Box<dyn Error + Send + Sync>;

/// The parameter, and what was last read from it.
pub struct ThresholdSource {
    client: Client,
    parameter: String,
    cache: Cache,
}

impl ThresholdSource {
    /// The parameter of that name; not read yet.
    pub fn new(client: Client, parameter: String) -> Self {
        Self {
            client,
            parameter,
            cache: Cache::default(),
        }
    }

    /// The threshold in force.
    pub async fn current(&self, now: u64) -> Threshold {
        self.cache.get(now, || self.read()).await
    }

    async fn read(&self) -> Result<Threshold, BoxError> {
        let output = self.client.get_parameter().name(&self.parameter).send().await?;
        let value = output
            .parameter()
            .and_then(|parameter| parameter.value())
            .ok_or("the parameter has no value")?;
        Ok(value.parse::<Threshold>()?)
    }
}

/// The last reading, with its time on the wall clock: a monotonic one may stand still while Lambda freezes the
/// instance.
#[derive(Default)]
struct Cache(Mutex<Option<Reading>>);

#[derive(Clone, Copy)]
struct Reading {
    threshold: Threshold,
    at: u64,
}

impl Cache {
    /// The cached threshold while it is fresh. After that the result of `read`, or when `read` fails the last good
    /// value, or when there never was one the built-in value; each of them is then fresh again.
    async fn get<Read>(&self, now: u64, read: impl FnOnce() -> Read) -> Threshold
    where
        Read: Future<Output = Result<Threshold, BoxError>>,
    {
        let mut last = self.0.lock().await;
        if let Some(reading) = *last
            && now.checked_sub(reading.at).is_some_and(|age| age < LIFETIME_SECONDS)
        {
            return reading.threshold;
        }
        let threshold = match read().await {
            Ok(threshold) => threshold,
            Err(error) => {
                let fallback = last.map_or(Threshold::DEFAULT, |reading| reading.threshold);
                log::warn(
                    "threshold_unreadable",
                    json!({"error": log::causes(&*error), "threshold_in_use": fallback.to_string()}),
                );
                fallback
            }
        };
        *last = Some(Reading { threshold, at: now });
        threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn threshold(text: &str) -> Threshold {
        text.parse().expect("a threshold")
    }

    async fn good(text: &str) -> Result<Threshold, BoxError> {
        Ok(threshold(text))
    }

    async fn bad() -> Result<Threshold, BoxError> {
        Err("SSM is away".into())
    }

    #[tokio::test]
    async fn a_reading_serves_for_a_minute() {
        let cache = Cache::default();
        let reads = Cell::new(0);
        for now in [1_000, 1_000, 1_030, 1_059] {
            let read = || {
                reads.set(reads.get() + 1);
                good("0.5")
            };
            assert_eq!(cache.get(now, read).await, threshold("0.5"));
        }
        assert_eq!(reads.get(), 1);
        assert_eq!(cache.get(1_060, || good("0.6")).await, threshold("0.6"));
    }

    #[tokio::test]
    async fn the_last_good_value_is_served_while_ssm_fails() {
        let cache = Cache::default();
        assert_eq!(cache.get(1_000, || good("0.5")).await, threshold("0.5"));
        assert_eq!(cache.get(1_060, bad).await, threshold("0.5"));
        assert_eq!(cache.get(1_119, || good("0.6")).await, threshold("0.5"));
        assert_eq!(cache.get(1_120, bad).await, threshold("0.5"));
        assert_eq!(cache.get(1_180, || good("0.6")).await, threshold("0.6"));
    }

    #[tokio::test]
    async fn the_built_in_value_is_served_when_there_never_was_another() {
        let cache = Cache::default();
        assert_eq!(cache.get(1_000, bad).await, Threshold::DEFAULT);
        assert_eq!(cache.get(1_060, bad).await, Threshold::DEFAULT);
        assert_eq!(cache.get(1_120, || good("0.5")).await, threshold("0.5"));
    }

    #[tokio::test]
    async fn a_clock_that_went_back_makes_the_reading_stale() {
        let cache = Cache::default();
        assert_eq!(cache.get(1_000, || good("0.5")).await, threshold("0.5"));
        assert_eq!(cache.get(900, || good("0.6")).await, threshold("0.6"));
    }
}
