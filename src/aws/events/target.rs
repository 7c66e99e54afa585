//! What a rule invokes, and what becomes of events that it does not take.

use crate::aws::absent::{gone, present};
use crate::aws::retry::{Verdict, classify};
use crate::aws::wait::once_known;
use crate::aws::{Aws, Others};
use crate::resource::{Address, Changes, Class, Failure, Observed, Outputs, Reconciler, Target};
use aws_sdk_eventbridge::types::{DeadLetterConfig, RetryPolicy, Target as Wire};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What EventBridge does where a target says nothing ("Event retry policy and using dead-letter queues").
const DEFAULT_ATTEMPTS: u32 = 185;
const DEFAULT_AGE_SECONDS: u32 = 86_400;

/// The most targets that one RemoveTargets takes.
const MOST_REMOVED: usize = 100;

/// For how long single entries of a call that is otherwise accepted may keep failing.
const ENTRIES_WITHIN: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(1);

/// A target's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// The rule's name.
    pub rule: String,
    /// Up to 64 characters, unique within the rule.
    pub id: String,
    /// The ARN of what is invoked.
    pub arn: String,
    /// The ARN of the queue for events that could not be delivered.
    pub dead_letter_arn: Option<String>,
    /// How often a delivery is tried again, 0 to 185.
    pub retry_attempts: u32,
    /// For how many seconds it is tried again, 60 to 86,400.
    pub max_event_age_seconds: u32,
    /// What somebody else set.
    #[serde(default)]
    pub others: Others,
}

/// Reconciles [`Spec`].
pub struct EventTarget(pub Arc<Aws>);

impl Reconciler for EventTarget {
    type Spec = Spec;
    const KIND: &'static str = "events.target";
    const OUTPUTS: &'static [&'static str] = &[];
    const IDENTITY: &'static [&'static str] = &["rule", "id"];
    const PARENTS: &'static [&'static str] = &["rule"];
    /// As with rules.
    const STALE_READS: bool = true;

    /// From the list of all targets of the rule, read once for all of them.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let Spec { rule, id, .. } = target.spec;
        let key = format!("events:ListTargetsByRule {rule}");
        let all = self.0.shared(key, || list(&self.0, rule)).await;
        // No rule, no targets.
        let Some(all) = present(all)? else { return Ok(None) };
        let found = all.iter().find(|one| one.id == *id);
        Ok(found.map(|found| Observed::new(observed(rule, found), Outputs::new())))
    }

    /// Idempotent. Waits until EventBridge knows the rule.
    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        once_known(&format!("rule {}", spec.rule), || self.put(spec)).await?;
        Ok(Outputs::new())
    }

    /// EventBridge replaces a target as a whole.
    async fn update(&self, _: &Observed<Spec>, spec: &Spec, _: &Changes) -> Result<(), Failure> {
        self.put(spec).await
    }

    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        remove(&self.0, &live.spec.rule, vec![live.spec.id.clone()]).await
    }
}

impl EventTarget {
    async fn put(&self, spec: &Spec) -> Result<(), Failure> {
        let target = to_wire(spec)?;
        // Parallel changes of one rule's targets are what makes single entries fail.
        let _alone = self.0.alone(&format!("events:rule {}", spec.rule)).await;
        until_accepted(|| async {
            let put = self
                .0
                .call("events:PutTargets", || {
                    self.0
                        .events
                        .put_targets()
                        .rule(&spec.rule)
                        .targets(target.clone())
                        .send()
                })
                .await?;
            let mut failed = put.failed_entries.unwrap_or_default().into_iter();
            Ok(failed.next().map(|entry| {
                failure(
                    "events:PutTargets",
                    entry.target_id,
                    entry.error_code,
                    entry.error_message,
                )
            }))
        })
        .await
    }
}

/// All targets of a rule.
pub(super) async fn list(aws: &Aws, rule: &str) -> Result<Vec<Wire>, Failure> {
    let mut all = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let page = aws
            .call("events:ListTargetsByRule", || {
                let list = aws.events.list_targets_by_rule().rule(rule);
                list.set_next_token(token.clone()).send()
            })
            .await?;
        all.extend(page.targets.unwrap_or_default());
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(all);
        }
    }
}

/// Takes targets off a rule. Gone already, or no such rule, is success.
pub(super) async fn remove(aws: &Aws, rule: &str, ids: Vec<String>) -> Result<(), Failure> {
    let _alone = aws.alone(&format!("events:rule {rule}")).await;
    for ids in ids.chunks(MOST_REMOVED) {
        let removed = until_accepted(|| async {
            let removed = aws
                .call("events:RemoveTargets", || {
                    aws.events
                        .remove_targets()
                        .rule(rule)
                        .set_ids(Some(ids.to_vec()))
                        .send()
                })
                .await?;
            let mut failed = removed.failed_entries.unwrap_or_default().into_iter().map(|entry| {
                failure(
                    "events:RemoveTargets",
                    entry.target_id,
                    entry.error_code,
                    entry.error_message,
                )
            });
            Ok(failed.find(|why| !why.is_not_found()))
        })
        .await;
        gone(removed)?;
    }
    Ok(())
}

/// Makes a call that EventBridge may accept as a whole and yet refuse in part: `send` gives the first entry that
/// failed. Too many requests at a time and parallel changes show in this way and are worth another try; both calls may
/// be made twice.
async fn until_accepted<F>(send: impl Fn() -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<Option<Failure>, Failure>>,
{
    let since = Instant::now();
    loop {
        let Some(mut why) = send().await? else { return Ok(()) };
        if matches!(classify("events", &why.code, &why.message, None), Verdict::Final(_)) {
            return Err(why);
        }
        if since.elapsed() >= ENTRIES_WITHIN {
            why.class = Class::Exhausted;
            let waited = since.elapsed().as_secs();
            return Err(why.hint(format!("waited {waited} s for EventBridge to accept all targets")));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What one failed entry means.
fn failure(operation: &str, id: Option<String>, code: Option<String>, message: Option<String>) -> Failure {
    let code = code.unwrap_or_else(|| "FailedEntry".to_owned());
    let message = message.unwrap_or_else(|| "no message".to_owned());
    let mut why = Failure::new(
        operation,
        &code,
        format!("target {}: {message}", id.unwrap_or_default()),
    );
    if let Verdict::Final(class) = classify("events", &code, &message, None) {
        why.class = class;
    }
    why
}

fn to_wire(spec: &Spec) -> Result<Wire, Failure> {
    let dead_letter = spec.dead_letter_arn.as_ref();
    let retry = RetryPolicy::builder()
        .maximum_retry_attempts(signed(spec.retry_attempts))
        .maximum_event_age_in_seconds(signed(spec.max_event_age_seconds))
        .build();
    Wire::builder()
        .id(&spec.id)
        .arn(&spec.arn)
        .set_dead_letter_config(dead_letter.map(|arn| DeadLetterConfig::builder().arn(arn).build()))
        .retry_policy(retry)
        .build()
        .map_err(|why| Failure::new("events:PutTargets", "InvalidTarget", why.to_string()))
}

fn observed(rule: &str, target: &Wire) -> Spec {
    let retry = target.retry_policy.as_ref();
    let attempts = retry.and_then(|retry| retry.maximum_retry_attempts);
    let age = retry.and_then(|retry| retry.maximum_event_age_in_seconds);
    let dead_letter = target.dead_letter_config.as_ref();
    Spec {
        rule: rule.to_owned(),
        id: target.id.clone(),
        arn: target.arn.clone(),
        dead_letter_arn: dead_letter.and_then(|config| config.arn.clone()),
        retry_attempts: attempts.and_then(|n| n.try_into().ok()).unwrap_or(DEFAULT_ATTEMPTS),
        max_event_age_seconds: age.and_then(|n| n.try_into().ok()).unwrap_or(DEFAULT_AGE_SECONDS),
        others: others(target),
    }
}

/// What the function is given in the event's place. The text may be a secret, and is not told.
fn others(target: &Wire) -> Others {
    let set = |is_set: bool| json!(is_set.then_some("set"));
    Others::of([
        ("Input", set(target.input.is_some()), Value::Null),
        ("InputPath", json!(target.input_path), Value::Null),
        ("InputTransformer", set(target.input_transformer.is_some()), Value::Null),
        ("RoleArn", json!(target.role_arn), Value::Null),
    ])
}

fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_reads_back_as_written() -> Result<(), Failure> {
        let spec = Spec {
            rule: "r".into(),
            id: "t".into(),
            arn: "arn:f".into(),
            dead_letter_arn: Some("arn:q".into()),
            retry_attempts: 0,
            max_event_age_seconds: 300,
            others: Others::default(),
        };
        assert_eq!(format!("{:?}", observed("r", &to_wire(&spec)?)), format!("{spec:?}"));
        Ok(())
    }

    #[test]
    fn silence_means_the_defaults() -> Result<(), Box<dyn std::error::Error>> {
        let found = observed("r", &Wire::builder().id("t").arn("arn:f").build()?);
        assert_eq!((found.retry_attempts, found.max_event_age_seconds), (185, 86_400));
        assert_eq!(found.dead_letter_arn, None);
        Ok(())
    }

    #[test]
    fn a_failed_entry_is_a_failure_of_its_own_kind() {
        let gone = failure(
            "events:RemoveTargets",
            Some("t".into()),
            Some("ResourceNotFoundException".into()),
            None,
        );
        assert!(gone.is_not_found());
        let other = failure("events:PutTargets", Some("t".into()), None, Some("why".into()));
        assert_eq!(other.to_string(), "events:PutTargets: FailedEntry: target t: why");
    }
}
