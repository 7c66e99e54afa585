//! The threshold and the rules: SSM parameters, read together at most once a minute, never in the way.

use std::sync::Arc;

use aws_sdk_ssm::Client;
use fraud::metrics::{Metric, embed};
use fraud::{Rules, Threshold};
use runtime::{BoxError, log};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use crate::outside::Parameters;
use crate::settings::Settings;

/// A reading is good for this long, whether it succeeded or not.
const LIFETIME_SECONDS: u64 = 60;

/// The parameters, and what was last read of them.
pub struct ParameterSource {
    client: Client,
    threshold: String,
    rules: String,
    cache: Cache,
}

/// The texts of both parameters; nothing where there is none.
#[derive(Default)]
struct Texts {
    threshold: Option<String>,
    rules: Option<String>,
}

impl ParameterSource {
    /// The parameters of these settings; not read yet.
    pub fn new(client: Client, settings: &Settings) -> Self {
        Self {
            client,
            threshold: settings.threshold_parameter(),
            rules: settings.rules_parameter(),
            cache: Cache {
                environment: settings.shared.environment.clone(),
                last: Mutex::default(),
            },
        }
    }

    /// The parameters in force.
    pub async fn current(&self, now: u64) -> Parameters {
        self.cache.get(now, || self.read()).await
    }

    async fn read(&self) -> Result<Texts, BoxError> {
        let call = self.client.get_parameters().names(&self.threshold).names(&self.rules);
        let mut texts = Texts::default();
        for parameter in call.send().await?.parameters.unwrap_or_default() {
            match parameter.name {
                Some(name) if name == self.threshold => texts.threshold = parameter.value,
                Some(name) if name == self.rules => texts.rules = parameter.value,
                _ => {}
            }
        }
        Ok(texts)
    }
}

/// The last reading, with its time on the wall clock: a monotonic one may stand still while Lambda freezes the
/// instance.
struct Cache {
    environment: String,
    last: Mutex<Option<Reading>>,
}

struct Reading {
    parameters: Parameters,
    at: u64,
}

impl Cache {
    /// The cached parameters while they are fresh. After that what `read` brings:
    ///
    /// * Where SSM does not answer, the values of before hold, or when there never were any the built-in ones.
    /// * A threshold that is absent or none leaves the one of before in force.
    /// * Rules that are absent or broken are replaced by the built-in ones: those of before may be the mistake that
    ///   somebody tried to mend.
    ///
    /// Whatever holds then is fresh again, and that it is not what was asked for is told in a metric.
    async fn get<Read>(&self, now: u64, read: impl FnOnce() -> Read) -> Parameters
    where
        Read: Future<Output = Result<Texts, BoxError>>,
    {
        let mut last = self.last.lock().await;
        if let Some(reading) = &*last
            && now.checked_sub(reading.at).is_some_and(|age| age < LIFETIME_SECONDS)
        {
            return reading.parameters.clone();
        }
        let before = last.take().map(|reading| reading.parameters);
        let parameters = match read().await {
            Ok(texts) => Parameters {
                threshold: threshold(texts.threshold).unwrap_or_else(|why| {
                    let fallback = before.as_ref().map_or(Threshold::DEFAULT, |before| before.threshold);
                    self.tell("threshold_unreadable", &why, Metric::ThresholdFallback, now);
                    fallback
                }),
                rules: rules(texts.rules, before.as_ref()).unwrap_or_else(|why| {
                    self.tell("rules_unreadable", &why, Metric::RulesFallback, now);
                    builtin()
                }),
            },
            Err(why) => {
                let metric = Metric::ThresholdFallback;
                self.tell("parameters_unreadable", &log::causes(&*why), metric, now);
                if before.is_none() {
                    self.tell("rules_unreadable", "never read yet", Metric::RulesFallback, now);
                }
                before.unwrap_or_else(|| Parameters {
                    threshold: Threshold::DEFAULT,
                    rules: builtin(),
                })
            }
        };
        *last = Some(Reading {
            parameters: parameters.clone(),
            at: now,
        });
        parameters
    }

    fn tell(&self, event: &str, why: &str, metric: Metric, now: u64) {
        let fields: Map<String, Value> = [("error".to_owned(), why.into())].into_iter().collect();
        let line = embed(fields, &self.environment, now * 1_000, &[(metric, json!(1))]);
        log::warn(event, line);
    }
}

fn builtin() -> Arc<Rules> {
    Arc::new(Rules::builtin().clone())
}

fn threshold(text: Option<String>) -> Result<Threshold, String> {
    let text = text.ok_or("there is no such parameter")?;
    text.parse().map_err(|why: fraud::InvalidThreshold| why.to_string())
}

/// The rules of a text, or those of before where they are the same: reading them costs more than comparing.
fn rules(text: Option<String>, before: Option<&Parameters>) -> Result<Arc<Rules>, String> {
    let text = text.ok_or("there is no such parameter")?;
    let rules = Rules::parse(&text).map_err(|why| why.to_string())?;
    Ok(match before {
        Some(before) if *before.rules == rules => Arc::clone(&before.rules),
        _ => Arc::new(rules),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn cache() -> Cache {
        Cache {
            environment: "dev".to_owned(),
            last: Mutex::default(),
        }
    }

    async fn good(threshold: &str) -> Result<Texts, BoxError> {
        Ok(Texts {
            threshold: Some(threshold.to_owned()),
            rules: Some(Rules::builtin().to_json()),
        })
    }

    async fn bad() -> Result<Texts, BoxError> {
        Err("SSM is away".into())
    }

    async fn at<Read>(cache: &Cache, now: u64, read: impl FnOnce() -> Read) -> String
    where
        Read: Future<Output = Result<Texts, BoxError>>,
    {
        cache.get(now, read).await.threshold.to_string()
    }

    #[tokio::test]
    async fn a_reading_serves_for_a_minute() {
        let cache = cache();
        let reads = Cell::new(0);
        for now in [1_000, 1_000, 1_030, 1_059] {
            let read = || {
                reads.set(reads.get() + 1);
                good("0.5")
            };
            assert_eq!(at(&cache, now, read).await, "0.5");
        }
        assert_eq!(reads.get(), 1);
        assert_eq!(at(&cache, 1_060, || good("0.6")).await, "0.6");
    }

    #[tokio::test]
    async fn the_last_good_value_is_served_while_ssm_fails() {
        let cache = cache();
        assert_eq!(at(&cache, 1_000, || good("0.5")).await, "0.5");
        assert_eq!(at(&cache, 1_060, bad).await, "0.5");
        assert_eq!(at(&cache, 1_119, || good("0.6")).await, "0.5");
        assert_eq!(at(&cache, 1_120, bad).await, "0.5");
        assert_eq!(at(&cache, 1_180, || good("1.6")).await, "0.5");
        assert_eq!(at(&cache, 1_240, || good("0.6")).await, "0.6");
    }

    #[tokio::test]
    async fn the_built_in_values_are_served_when_there_never_were_others() {
        let cache = cache();
        assert_eq!(at(&cache, 1_000, bad).await, Threshold::DEFAULT.to_string());
        assert_eq!(at(&cache, 1_120, || good("0.5")).await, "0.5");
    }

    #[tokio::test]
    async fn a_clock_that_went_back_makes_the_reading_stale() {
        let cache = cache();
        assert_eq!(at(&cache, 1_000, || good("0.5")).await, "0.5");
        assert_eq!(at(&cache, 900, || good("0.6")).await, "0.6");
    }

    #[tokio::test]
    async fn absent_or_broken_rules_fall_back_to_the_built_in_ones() {
        for text in [None, Some("{".to_owned()), Some("{}".to_owned())] {
            let cache = cache();
            let read = async || {
                Ok(Texts {
                    threshold: Some("0.5".to_owned()),
                    rules: text.clone(),
                })
            };
            let parameters = cache.get(1_000, read).await;
            assert_eq!(parameters.rules.version(), Rules::builtin().version(), "{text:?}");
            assert_eq!(parameters.threshold.to_string(), "0.5", "{text:?}");
        }
    }
}
