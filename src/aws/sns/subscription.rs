//! A subscription: where a topic's messages go.
//!
//! One by e-mail is pending until its owner follows the link in the mail, and goes by itself when nobody does so for 48
//! hours. Until then SNS may tell nothing of it but that it is there, and it cannot be taken away.

use crate::aws::Aws;
use crate::aws::absent::{gone, present};
use crate::aws::wait::once_known;
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Target};
use aws_sdk_sns::types::Subscription as Listed;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

const REDRIVE: &str = "RedrivePolicy";
const RAW_DELIVERY: &str = "RawMessageDelivery";
const FILTER: &str = "FilterPolicy";
/// How a filter is taken away; leaving the value out is not documented to do so.
const NO_FILTER: &str = "{}";

/// A subscription's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// The ARN of the topic.
    pub topic_arn: String,
    /// `sqs`, `email` or another that SNS knows.
    pub protocol: String,
    /// The ARN of the queue, the e-mail address, or what else the protocol asks for.
    pub endpoint: String,
    /// The ARN of the queue for messages that could not be delivered.
    pub dead_letter_arn: Option<String>,
    /// Are messages delivered as they were published, without SNS's envelope? SNS itself says no.
    #[serde(default)]
    pub raw_delivery: bool,
    /// Which messages are delivered; all of them without one.
    #[serde(default)]
    pub filter_policy: Option<Value>,
}

/// Reconciles [`Spec`].
pub struct Subscription(pub Arc<Aws>);

impl Reconciler for Subscription {
    type Spec = Spec;
    const KIND: &'static str = "sns.subscription";
    const OUTPUTS: &'static [&'static str] = &["arn"];
    const IDENTITY: &'static [&'static str] = &["topic_arn", "protocol", "endpoint"];
    const PARENTS: &'static [&'static str] = &["topic_arn"];
    /// As with topics.
    const STALE_READS: bool = true;

    /// From the topic's list, read once for all subscriptions of the topic. By its ARN alone a subscription can be read
    /// long after its topic went, though nothing ever comes through it again.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let wanted = target.spec;
        let recorded = target.output("arn").filter(|arn| is_arn(arn));
        let topic = &wanted.topic_arn;
        let key = format!("sns:ListSubscriptionsByTopic {topic}");
        let all = self.0.shared(key, || list(&self.0, topic)).await;
        // No topic, no subscriptions.
        let Some(all) = present(all)? else { return Ok(None) };
        let Some(arn) = find(&all, wanted, recorded) else {
            return Ok(None);
        };
        if !is_arn(arn) {
            // Pending: the list hides the ARN that the subscription was made with.
            let arn = recorded.unwrap_or(arn).to_owned();
            return Ok(Some(Observed::new(
                wanted.clone(),
                Outputs::from([("arn".to_owned(), arn)]),
            )));
        }
        let attributes = self.attributes(arn).await?;
        Ok(attributes.map(|attributes| observed(wanted, arn, &attributes)))
    }

    /// Idempotent: SNS answers with the same subscription for the same topic, protocol and endpoint. One by e-mail is
    /// left pending; that it is confirmed is not waited for. Waits until SNS knows the topic.
    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let attributes = initial(spec);
        let created = once_known(&format!("topic {}", spec.topic_arn), || {
            self.0.call("sns:Subscribe", || {
                self.0
                    .sns
                    .subscribe()
                    .topic_arn(&spec.topic_arn)
                    .protocol(&spec.protocol)
                    .endpoint(&spec.endpoint)
                    .set_attributes(Some(attributes.clone()))
                    .return_subscription_arn(true)
                    .send()
            })
        })
        .await?;
        let arn = created.subscription_arn.unwrap_or_default();
        Ok(Outputs::from([("arn".to_owned(), arn)]))
    }

    async fn update(&self, live: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        let wanted: Vec<_> = attributes(spec)
            .into_iter()
            .filter(|(field, ..)| changes.has(field))
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let arn = live.output("arn");
        if !is_arn(arn) {
            let pending = format!("{} has not confirmed the subscription yet", spec.endpoint);
            return Err(
                Failure::new("sns:SetSubscriptionAttributes", "PendingConfirmation", pending)
                    .hint("follow the link in the mail from AWS, then run this again"),
            );
        }
        for (_, name, value) in wanted {
            self.0
                .call("sns:SetSubscriptionAttributes", || {
                    let set = self.0.sns.set_subscription_attributes().subscription_arn(arn);
                    set.attribute_name(name).set_attribute_value(value.clone()).send()
                })
                .await?;
        }
        Ok(())
    }

    /// A pending one is left to SNS, which lets nobody but its own clock take it away.
    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let arn = live.output("arn");
        if !is_arn(arn) {
            return Ok(());
        }
        let deleted = self
            .0
            .call("sns:Unsubscribe", || {
                self.0.sns.unsubscribe().subscription_arn(arn).send()
            })
            .await;
        match deleted {
            Err(why) if why.message.contains("pending confirmation") => Ok(()),
            deleted => gone(deleted),
        }
    }
}

impl Subscription {
    /// The attributes; `None` when there is no such subscription, or SNS does not take the ARN for one.
    async fn attributes(&self, arn: &str) -> Result<Option<HashMap<String, String>>, Failure> {
        let found = self
            .0
            .call("sns:GetSubscriptionAttributes", || {
                self.0.sns.get_subscription_attributes().subscription_arn(arn).send()
            })
            .await;
        match found {
            Err(why) if why.code == "InvalidParameter" => Ok(None),
            found => Ok(present(found)?.and_then(|found| found.attributes)),
        }
    }
}

async fn list(aws: &Aws, topic: &str) -> Result<Vec<Listed>, Failure> {
    let mut all = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let page = aws
            .call("sns:ListSubscriptionsByTopic", || {
                let list = aws.sns.list_subscriptions_by_topic().topic_arn(topic);
                list.set_next_token(token.clone()).send()
            })
            .await?;
        all.extend(page.subscriptions.unwrap_or_default());
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(all);
        }
    }
}

/// The ARN, or what stands in its place, of the recorded one, else of the one for this protocol and endpoint. For some
/// time the list still shows those that were taken away, as `Deleted`.
fn find<'a>(all: &'a [Listed], wanted: &Spec, recorded: Option<&str>) -> Option<&'a str> {
    let (protocol, endpoint) = (wanted.protocol.as_str(), wanted.endpoint.as_str());
    let mut arns = all.iter().filter_map(Listed::subscription_arn);
    arns.find(|arn| Some(*arn) == recorded).or_else(|| {
        all.iter()
            .filter(|one| one.protocol() == Some(protocol) && one.endpoint() == Some(endpoint))
            .filter_map(Listed::subscription_arn)
            .find(|arn| *arn != "Deleted")
    })
}

/// Pending ones have the text `PendingConfirmation` or `pending confirmation` where others have an ARN.
fn is_arn(text: &str) -> bool {
    text.starts_with("arn:")
}

fn observed(wanted: &Spec, arn: &str, attributes: &HashMap<String, String>) -> Observed<Spec> {
    let spec = Spec {
        dead_letter_arn: attributes.get(REDRIVE).and_then(|text| dead_letter_arn(text)),
        raw_delivery: attributes
            .get(RAW_DELIVERY)
            .is_some_and(|text| text.eq_ignore_ascii_case("true")),
        filter_policy: attributes.get(FILTER).and_then(|text| filter_policy(text)),
        ..wanted.clone()
    };
    Observed::new(spec, Outputs::from([("arn".to_owned(), arn.to_owned())]))
}

/// The fields that are attributes: the field, the attribute, and what it is set to. A dead-letter queue is taken away by
/// leaving the value out; SNS refuses an empty one.
fn attributes(spec: &Spec) -> [(&'static str, &'static str, Option<String>); 3] {
    let filter = spec
        .filter_policy
        .as_ref()
        .map_or_else(|| NO_FILTER.to_owned(), Value::to_string);
    [
        (
            "dead_letter_arn",
            REDRIVE,
            spec.dead_letter_arn.as_deref().map(redrive_text),
        ),
        ("raw_delivery", RAW_DELIVERY, Some(spec.raw_delivery.to_string())),
        ("filter_policy", FILTER, Some(filter)),
    ]
}

/// What a new subscription is made with: only what SNS would not do by itself.
fn initial(spec: &Spec) -> HashMap<String, String> {
    let said = attributes(spec).into_iter().filter(|(field, ..)| match *field {
        "raw_delivery" => spec.raw_delivery,
        "filter_policy" => spec.filter_policy.is_some(),
        _ => true,
    });
    said.filter_map(|(_, name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// A filter; text that is no JSON is kept as it is, so that a comparison shows it.
fn filter_policy(text: &str) -> Option<Value> {
    let text = text.trim();
    if text.is_empty() || text == NO_FILTER {
        return None;
    }
    Some(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())))
}

fn redrive_text(dead_letter_arn: &str) -> String {
    json!({"deadLetterTargetArn": dead_letter_arn}).to_string()
}

fn dead_letter_arn(redrive: &str) -> Option<String> {
    let value: Value = serde_json::from_str(redrive).ok()?;
    value["deadLetterTargetArn"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(arn: &str, endpoint: &str) -> Listed {
        Listed::builder()
            .subscription_arn(arn)
            .protocol("email")
            .endpoint(endpoint)
            .build()
    }

    fn spec(endpoint: &str) -> Spec {
        Spec {
            topic_arn: "arn:aws:sns:us-east-1:1:t".into(),
            protocol: "email".into(),
            endpoint: endpoint.into(),
            dead_letter_arn: None,
            raw_delivery: false,
            filter_policy: None,
        }
    }

    #[test]
    fn a_redrive_policy_reads_back_as_written() {
        assert_eq!(dead_letter_arn(&redrive_text("arn")).as_deref(), Some("arn"));
        assert_eq!(dead_letter_arn(""), None);
    }

    #[test]
    fn a_filter_reads_back_as_written_and_an_empty_one_is_none() {
        let policy = json!({"severity": ["high"]});
        assert_eq!(filter_policy(&policy.to_string()), Some(policy));
        assert_eq!(filter_policy("{}"), None);
        assert_eq!(filter_policy(""), None);
        assert_eq!(filter_policy("no json"), Some(json!("no json")));
    }

    #[test]
    fn a_new_one_is_made_with_what_differs_from_the_usual() {
        assert_eq!(initial(&spec("a@b")), HashMap::new());
        let spec = Spec {
            raw_delivery: true,
            filter_policy: Some(json!({"a": ["b"]})),
            ..spec("a@b")
        };
        let wanted = [(RAW_DELIVERY, "true"), (FILTER, r#"{"a":["b"]}"#)];
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(initial(&spec), HashMap::from(wanted));
    }

    #[test]
    fn what_an_older_state_remembers_reads_as_the_usual() {
        let old = json!({"topic_arn": "t", "protocol": "sqs", "endpoint": "e", "dead_letter_arn": null});
        let spec: Spec = serde_json::from_value(old).unwrap();
        assert!(!spec.raw_delivery && spec.filter_policy.is_none());
    }

    #[test]
    fn one_taken_away_is_not_found_and_a_pending_one_is() {
        let all = [
            listed("Deleted", "a@b"),
            listed("PendingConfirmation", "a@b"),
            listed("arn:x", "c@d"),
        ];
        assert_eq!(find(&all, &spec("a@b"), None), Some("PendingConfirmation"));
        assert_eq!(find(&all, &spec("c@d"), None), Some("arn:x"));
        assert_eq!(find(&all[..1], &spec("a@b"), None), None);
    }

    #[test]
    fn a_recorded_one_counts_only_while_its_topic_lists_it() {
        let all = [listed("arn:x", "a@b"), listed("arn:y", "c@d")];
        assert_eq!(find(&all, &spec("A@B"), Some("arn:x")), Some("arn:x"));
        assert_eq!(find(&all, &spec("c@d"), Some("arn:gone")), Some("arn:y"));
        assert_eq!(find(&[], &spec("a@b"), Some("arn:x")), None);
    }
}
