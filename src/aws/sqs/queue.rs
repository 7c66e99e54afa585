//! A queue, with its access policy and its redrive policy, which AWS keeps as attributes of the queue.

use crate::aws::absent::{gone, present};
use crate::aws::{Aws, Document, Others, tags};
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Tags, Target};
use aws_sdk_sqs::types::QueueAttributeName as Name;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long SQS may answer for a queue that was deleted.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(60);
/// So many answers in a row say that a queue is gone before it is believed.
const ABSENT: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// What SQS makes of the attributes that we do not set. An empty text takes one away.
const USUAL: [(Name, &str); 5] = [
    (Name::DelaySeconds, "0"),
    (Name::MaximumMessageSize, "1048576"),
    (Name::ReceiveMessageWaitTimeSeconds, "0"),
    (Name::KmsDataKeyReusePeriodSeconds, "300"),
    (Name::RedriveAllowPolicy, ""),
];
/// The largest message of a queue that was made before August 2025.
const USUAL_BEFORE: &str = "262144";

/// A queue's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// Up to 80 characters.
    pub name: String,
    /// Seconds for which a received message stays hidden.
    pub visibility_timeout: u32,
    /// Seconds for which a message is kept, up to 14 days.
    pub retention_seconds: u32,
    /// The id or ARN of the KMS key that encrypts messages.
    pub kms_key: String,
    /// Who may send.
    pub policy: Document,
    /// The dead-letter queue, where there is one.
    pub redrive: Option<Redrive>,
    /// What somebody else set.
    #[serde(default)]
    pub others: Others,
    /// Tags.
    pub tags: Tags,
}

/// Where messages go that nobody could handle.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Redrive {
    /// The ARN of the dead-letter queue.
    pub dead_letter_arn: String,
    /// After how many receives.
    pub max_receives: u32,
}

/// Reconciles [`Spec`].
pub struct Queue(pub Arc<Aws>);

impl Reconciler for Queue {
    type Spec = Spec;
    const KIND: &'static str = "sqs.queue";
    const OUTPUTS: &'static [&'static str] = &["arn", "url", "name"];
    const IDENTITY: &'static [&'static str] = &["name"];
    const TAGGED: bool = true;
    /// Of attributes, for up to a minute:
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html>
    const STALE_READS: bool = true;
    const LINGERS: bool = true;

    fn predict(&self, spec: &Spec) -> Outputs {
        // The URL's host differs between AWS and its emulators; the ARN does not.
        Outputs::from([
            ("arn".to_owned(), self.0.arn("sqs", &spec.name)),
            ("name".to_owned(), spec.name.clone()),
        ])
    }

    /// By name. Attributes may be up to 60 s stale.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let name = &target.spec.name;
        let found = self
            .0
            .call("sqs:GetQueueUrl", || self.0.sqs.get_queue_url().queue_name(name).send())
            .await;
        let Some(found) = present(found)? else { return Ok(None) };
        let url = found.queue_url.unwrap_or_default();
        let attributes = self.0.call("sqs:GetQueueAttributes", || {
            self.0
                .sqs
                .get_queue_attributes()
                .queue_url(&url)
                .attribute_names(Name::All)
                .send()
        });
        let tags = self.0.call("sqs:ListQueueTags", || {
            self.0.sqs.list_queue_tags().queue_url(&url).send()
        });
        let both = tokio::try_join!(attributes, tags);
        // Deleted between the two calls.
        let Some((attributes, tags)) = present(both)? else {
            return Ok(None);
        };
        let attributes = attributes.attributes.unwrap_or_default();
        let text = |name: &Name| attributes.get(name).cloned().unwrap_or_default();
        let spec = Spec {
            name: name.clone(),
            visibility_timeout: text(&Name::VisibilityTimeout).parse().unwrap_or_default(),
            retention_seconds: text(&Name::MessageRetentionPeriod).parse().unwrap_or_default(),
            kms_key: text(&Name::KmsMasterKeyId),
            policy: attributes
                .get(&Name::Policy)
                .map(|p| Document::parse(p))
                .unwrap_or_default(),
            redrive: attributes.get(&Name::RedrivePolicy).and_then(|text| redrive(text)),
            others: others(&attributes),
            tags: tags::ours(tags.tags.unwrap_or_default()),
        };
        let outputs = Outputs::from([
            ("arn".to_owned(), text(&Name::QueueArn)),
            ("url".to_owned(), url),
            ("name".to_owned(), name.clone()),
        ]);
        Ok(Some(Observed::new(spec, outputs)))
    }

    /// Idempotent: AWS answers with the same queue for the same name and attributes. Refused for 60 s after a queue of
    /// the name was deleted, which the retry table waits for.
    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let created = self
            .0
            .call("sqs:CreateQueue", || {
                self.0
                    .sqs
                    .create_queue()
                    .queue_name(&spec.name)
                    .set_attributes(Some(attributes(spec, None)))
                    .set_tags(Some(spec.tags.clone().into_iter().collect()))
                    .send()
            })
            .await?;
        let mut outputs = self.predict(spec);
        outputs.insert("url".to_owned(), created.queue_url.unwrap_or_default());
        Ok(outputs)
    }

    async fn update(&self, live: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        let url = live.output("url");
        let mut attributes = attributes(spec, Some(changes));
        for (name, usual) in USUAL {
            if live.spec.others.takes_back(changes, name.as_str()) {
                attributes.insert(name, usual.to_owned());
            }
        }
        if !attributes.is_empty() {
            self.0
                .call("sqs:SetQueueAttributes", || {
                    self.0
                        .sqs
                        .set_queue_attributes()
                        .queue_url(url)
                        .set_attributes(Some(attributes.clone()))
                        .send()
                })
                .await?;
        }
        if changes.has("tags") {
            let aws = &self.0;
            tags::sync(
                &live.spec.tags,
                &spec.tags,
                |keys| async move {
                    aws.call("sqs:UntagQueue", || {
                        let untag = aws.sqs.untag_queue().queue_url(url);
                        untag.set_tag_keys(Some(keys.clone())).send()
                    })
                    .await
                },
                |tags| async move {
                    aws.call("sqs:TagQueue", || {
                        let tags = tags.clone().into_iter().collect();
                        aws.sqs.tag_queue().queue_url(url).set_tags(Some(tags)).send()
                    })
                    .await
                },
            )
            .await?;
        }
        Ok(())
    }

    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let deleted = self
            .0
            .call("sqs:DeleteQueue", || {
                self.0.sqs.delete_queue().queue_url(live.output("url")).send()
            })
            .await;
        gone(deleted)?;
        self.forgotten(&live.spec.name).await
    }
}

impl Queue {
    /// Waits until SQS no longer answers for a queue that was deleted, which it may do for 60 s: the next run would take it
    /// for one that stays, and it would be gone a moment later. It says so from many places, so once is not enough.
    /// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html>
    async fn forgotten(&self, name: &str) -> Result<(), Failure> {
        if !self.0.is_paced() {
            return Ok(());
        }
        let since = Instant::now();
        let mut absent = 0;
        while absent < ABSENT && since.elapsed() < FORGOTTEN_WITHIN {
            tokio::time::sleep(PAUSE).await;
            let found = self
                .0
                .call("sqs:GetQueueUrl", || self.0.sqs.get_queue_url().queue_name(name).send())
                .await;
            absent = if present(found)?.is_none() { absent + 1 } else { 0 };
        }
        Ok(())
    }
}

fn others(attributes: &HashMap<Name, String>) -> Others {
    Others::of(USUAL.each_ref().map(|(name, usual)| {
        let found = attributes.get(name).map(String::as_str);
        let before = *name == Name::MaximumMessageSize && found == Some(USUAL_BEFORE);
        (name.as_str(), json!(found.filter(|_| !before)), json!(usual))
    }))
}

/// The attributes to send: all of them for a new queue, else those that changed. An empty string takes one away.
fn attributes(spec: &Spec, changes: Option<&Changes>) -> HashMap<Name, String> {
    let fields = [
        (
            "visibility_timeout",
            Name::VisibilityTimeout,
            spec.visibility_timeout.to_string(),
        ),
        (
            "retention_seconds",
            Name::MessageRetentionPeriod,
            spec.retention_seconds.to_string(),
        ),
        ("kms_key", Name::KmsMasterKeyId, spec.kms_key.clone()),
        (
            "policy",
            Name::Policy,
            if spec.policy.is_empty() {
                String::new()
            } else {
                spec.policy.text()
            },
        ),
        (
            "redrive",
            Name::RedrivePolicy,
            spec.redrive.as_ref().map(redrive_text).unwrap_or_default(),
        ),
    ];
    fields
        .into_iter()
        .filter(|(field, _, value)| match changes {
            Some(changes) => changes.has(field),
            None => !value.is_empty(),
        })
        .map(|(_, name, value)| (name, value))
        .collect()
}

fn redrive_text(redrive: &Redrive) -> String {
    json!({"deadLetterTargetArn": redrive.dead_letter_arn, "maxReceiveCount": redrive.max_receives}).to_string()
}

fn redrive(text: &str) -> Option<Redrive> {
    let value: serde_json::Value = serde_json::from_str(text).ok()?;
    let receives = &value["maxReceiveCount"];
    Some(Redrive {
        dead_letter_arn: value["deadLetterTargetArn"].as_str()?.to_owned(),
        // AWS gives it back as a number or as text, as it was sent.
        max_receives: receives
            .as_str()
            .map_or_else(|| receives.as_u64()?.try_into().ok(), |t| t.parse().ok())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_somebody_elses_and_the_size_of_an_older_queue_is_not() {
        let attributes = [
            (Name::DelaySeconds, "900"),
            (Name::MaximumMessageSize, USUAL_BEFORE),
            (Name::RedriveAllowPolicy, ""),
        ];
        let attributes = attributes.map(|(name, value)| (name, value.to_owned()));
        assert_eq!(json!(others(&attributes.into())), json!({"DelaySeconds": "900"}));
    }

    #[test]
    fn a_redrive_policy_reads_back_as_written() {
        let text = redrive_text(&Redrive {
            dead_letter_arn: "arn".into(),
            max_receives: 5,
        });
        assert_eq!(
            redrive(&text).map(|r| (r.dead_letter_arn, r.max_receives)),
            Some(("arn".into(), 5))
        );
        assert_eq!(
            redrive(r#"{"deadLetterTargetArn":"a","maxReceiveCount":"7"}"#).map(|r| r.max_receives),
            Some(7)
        );
    }
}
