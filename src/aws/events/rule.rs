//! A rule on the default event bus that runs by the clock.

use super::target::{list, remove};
use crate::aws::absent::{gone, present};
use crate::aws::wait::with_tags;
use crate::aws::{Aws, Others, tags};
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Tags, Target};
use aws_sdk_eventbridge::types::{RuleState, Tag};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// A rule's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// Up to 64 characters, unique on the bus.
    pub name: String,
    /// Up to 512 characters.
    pub description: String,
    /// `rate(5 minutes)` or a cron expression.
    pub schedule: String,
    /// Does it run?
    pub enabled: bool,
    /// What somebody else set.
    #[serde(default)]
    pub others: Others,
    /// Tags.
    pub tags: Tags,
}

/// Reconciles [`Spec`].
pub struct Rule(pub Arc<Aws>);

impl Reconciler for Rule {
    type Spec = Spec;
    const KIND: &'static str = "events.rule";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const IDENTITY: &'static [&'static str] = &["name"];
    const TAGGED: bool = true;
    /// Changes take "a short period of time", which may be seen:
    /// <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html>
    const STALE_READS: bool = true;

    fn predict(&self, spec: &Spec) -> Outputs {
        let arn = self.0.arn("events", &format!("rule/{}", spec.name));
        Outputs::from([("arn".to_owned(), arn), ("name".to_owned(), spec.name.clone())])
    }

    /// By name, which the ARN follows from.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let name = &target.spec.name;
        let mut outputs = self.predict(target.spec);
        let arn = outputs.get("arn").cloned().unwrap_or_default();
        let aws = &self.0;
        let rule = || aws.call("events:DescribeRule", || aws.events.describe_rule().name(name).send());
        let tags = || {
            aws.call("events:ListTagsForResource", || {
                aws.events.list_tags_for_resource().resource_arn(&arn).send()
            })
        };
        let Some((rule, tags)) = with_tags(&arn, rule, tags).await? else {
            return Ok(None);
        };
        let tags = tags.tags.unwrap_or_default().into_iter();
        let spec = Spec {
            name: name.clone(),
            description: rule.description.unwrap_or_default(),
            schedule: rule.schedule_expression.unwrap_or_default(),
            enabled: rule.state != Some(RuleState::Disabled),
            others: Others::of([
                ("EventPattern", json!(rule.event_pattern), Value::Null),
                ("RoleArn", json!(rule.role_arn), Value::Null),
            ]),
            tags: tags::ours(tags.map(|tag| (tag.key, tag.value))),
        };
        if let Some(arn) = rule.arn {
            outputs.insert("arn".to_owned(), arn);
        }
        Ok(Some(Observed::new(spec, outputs)))
    }

    /// Idempotent.
    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        self.put(spec, Some(to_wire(&spec.tags)?)).await?;
        Ok(self.predict(spec))
    }

    /// EventBridge replaces a rule as a whole; its targets and its tags stay.
    async fn update(&self, live: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        let arn = live.output("arn");
        if changes.any(&["description", "schedule", "enabled", "others"]) {
            self.put(spec, None).await?;
        }
        if changes.has("tags") {
            let aws = &self.0;
            tags::sync(
                &live.spec.tags,
                &spec.tags,
                |keys| async move {
                    aws.call("events:UntagResource", || {
                        let untag = aws.events.untag_resource().resource_arn(arn);
                        untag.set_tag_keys(Some(keys.clone())).send()
                    })
                    .await
                },
                |tags| async move {
                    let tags = to_wire(&tags)?;
                    aws.call("events:TagResource", || {
                        let tag = aws.events.tag_resource().resource_arn(arn);
                        tag.set_tags(Some(tags.clone())).send()
                    })
                    .await
                },
            )
            .await?;
        }
        Ok(())
    }

    /// With whatever targets it still has: EventBridge does not delete a rule otherwise.
    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let name = &live.spec.name;
        let Some(targets) = present(list(&self.0, name).await)? else {
            return Ok(());
        };
        remove(&self.0, name, targets.into_iter().map(|target| target.id).collect()).await?;
        let deleted = self
            .0
            .call("events:DeleteRule", || self.0.events.delete_rule().name(name).send())
            .await;
        gone(deleted)
    }
}

impl Rule {
    /// Tags count only for a rule that is not there yet.
    async fn put(&self, spec: &Spec, tags: Option<Vec<Tag>>) -> Result<(), Failure> {
        self.0
            .call("events:PutRule", || {
                let state = if spec.enabled {
                    RuleState::Enabled
                } else {
                    RuleState::Disabled
                };
                self.0
                    .events
                    .put_rule()
                    .name(&spec.name)
                    .description(&spec.description)
                    .schedule_expression(&spec.schedule)
                    .state(state)
                    .set_tags(tags.clone())
                    .send()
            })
            .await?;
        Ok(())
    }
}

fn to_wire(tags: &Tags) -> Result<Vec<Tag>, Failure> {
    tags::list(tags, "events:TagResource", |key, value| {
        Tag::builder().key(key).value(value).build()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_sent_as_they_are() -> Result<(), Failure> {
        let tags = to_wire(&Tags::from([("Project".into(), "x".into())]))?;
        assert_eq!(
            tags.iter().map(|tag| (tag.key(), tag.value())).collect::<Vec<_>>(),
            [("Project", "x")]
        );
        Ok(())
    }
}
