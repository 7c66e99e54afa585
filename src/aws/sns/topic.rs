//! A topic, with its encryption and its delivery status logging, which AWS keeps as attributes of the topic.

use crate::aws::absent::{gone, if_known};
use crate::aws::wait::{once_known, with_tags};
use crate::aws::{Aws, Document, Others, tags};
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Tags, Target};
use aws_sdk_sns::types::Tag;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

const KMS_KEY: &str = "KmsMasterKeyId";
const SUCCESS_ROLE: &str = "SQSSuccessFeedbackRoleArn";
const FAILURE_ROLE: &str = "SQSFailureFeedbackRoleArn";
const SAMPLE_RATE: &str = "SQSSuccessFeedbackSampleRate";
const POLICY: &str = "Policy";
const DATA_PROTECTION: &str = "DataProtectionPolicy";

/// What SNS makes of the attributes that we do not set.
const USUAL: [(&str, &str); 5] = [
    ("DeliveryPolicy", ""),
    ("DisplayName", ""),
    ("MaximumMessageSize", "262144"),
    ("SignatureVersion", "1"),
    ("TracingConfig", "PassThrough"),
];
/// What SNS lets the topic's own account do where nobody sets a policy.
const USUAL_ACTIONS: [&str; 8] = [
    "SNS:GetTopicAttributes",
    "SNS:SetTopicAttributes",
    "SNS:AddPermission",
    "SNS:RemovePermission",
    "SNS:DeleteTopic",
    "SNS:Subscribe",
    "SNS:ListSubscriptionsByTopic",
    "SNS:Publish",
];
/// One more of older topics.
const USUAL_BEFORE: &str = "SNS:Receive";

/// A topic's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// Up to 256 characters.
    pub name: String,
    /// The id, ARN or alias of the KMS key that encrypts messages.
    pub kms_key: String,
    /// The ARN of the role that logs successful deliveries to queues.
    pub sqs_success_role: Option<String>,
    /// The ARN of the role that logs failed deliveries to queues.
    pub sqs_failure_role: Option<String>,
    /// The percentage of successful deliveries to queues that are logged, 0 to 100.
    pub sqs_success_sample_rate: Option<u32>,
    /// What somebody else set.
    #[serde(default)]
    pub others: Others,
    /// Tags.
    pub tags: Tags,
}

/// Reconciles [`Spec`].
pub struct Topic(pub Arc<Aws>);

impl Reconciler for Topic {
    type Spec = Spec;
    const KIND: &'static str = "sns.topic";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const IDENTITY: &'static [&'static str] = &["name"];
    const TAGGED: bool = true;
    /// Of attributes, which SNS keeps in many places.
    const STALE_READS: bool = true;

    fn predict(&self, spec: &Spec) -> Outputs {
        Outputs::from([
            ("arn".to_owned(), self.0.arn("sns", &spec.name)),
            ("name".to_owned(), spec.name.clone()),
        ])
    }

    /// By the ARN that follows from the name. Attributes may be up to 60 s stale.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let arn = self.0.arn("sns", &target.spec.name);
        let aws = &self.0;
        let attributes = || {
            let attributes = aws.call("sns:GetTopicAttributes", || {
                aws.sns.get_topic_attributes().topic_arn(&arn).send()
            });
            async { tokio::try_join!(attributes, self.data_protection(&arn)) }
        };
        let tags = || {
            aws.call("sns:ListTagsForResource", || {
                aws.sns.list_tags_for_resource().resource_arn(&arn).send()
            })
        };
        let Some(((attributes, protection), tags)) = with_tags(&arn, attributes, tags).await? else {
            return Ok(None);
        };
        let attributes = attributes.attributes.unwrap_or_default();
        let text = |name: &str| attributes.get(name).filter(|text| !text.is_empty()).cloned();
        let tags = tags.tags.unwrap_or_default().into_iter();
        let spec = Spec {
            name: target.spec.name.clone(),
            kms_key: text(KMS_KEY).unwrap_or_default(),
            sqs_success_role: text(SUCCESS_ROLE),
            sqs_failure_role: text(FAILURE_ROLE),
            sqs_success_sample_rate: sample_rate(text(SAMPLE_RATE), target.spec.sqs_success_sample_rate),
            others: others(&attributes, protection, &arn, &self.0.account),
            tags: tags::ours(tags.map(|tag| (tag.key, tag.value))),
        };
        let outputs = Outputs::from([("arn".to_owned(), arn), ("name".to_owned(), spec.name.clone())]);
        Ok(Some(Observed::new(spec, outputs)))
    }

    /// Idempotent. Logging is set once the topic is there; when that does not happen any more, the next observation
    /// finds the topic and the difference.
    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let tags = to_wire(&spec.tags)?;
        let key = HashMap::from([(KMS_KEY.to_owned(), spec.kms_key.clone())]);
        let key = Some(key).filter(|_| !spec.kms_key.is_empty());
        let created = self
            .0
            .call("sns:CreateTopic", || {
                self.0
                    .sns
                    .create_topic()
                    .name(&spec.name)
                    .set_attributes(key.clone())
                    .set_tags(Some(tags.clone()))
                    .send()
            })
            .await?;
        let mut outputs = self.predict(spec);
        if let Some(arn) = created.topic_arn {
            outputs.insert("arn".to_owned(), arn);
        }
        let arn = outputs.get("arn").map_or("", String::as_str);
        let aws = &self.0;
        let what = format!("the topic {}", spec.name);
        once_known(&what, || {
            aws.call("sns:GetTopicAttributes", || {
                aws.sns.get_topic_attributes().topic_arn(arn).send()
            })
        })
        .await?;
        for (_, name, value) in attributes(spec) {
            // The key is part of the creation.
            if let Some(value) = value.filter(|_| name != KMS_KEY) {
                // That one place knows it does not mean that the next does.
                once_known(&what, || self.set(arn, name, &value)).await?;
            }
        }
        Ok(outputs)
    }

    async fn update(&self, live: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        let arn = live.output("arn");
        for (field, name, value) in attributes(spec) {
            if changes.has(field) {
                // Text is taken away by setting none. A rate has no such form; without a role it has no effect.
                let none = if name == SAMPLE_RATE { "0" } else { "" };
                self.set(arn, name, value.as_deref().unwrap_or(none)).await?;
            }
        }
        for name in live.spec.others.taken_back(changes) {
            match name {
                DATA_PROTECTION => self.unprotect(arn).await?,
                POLICY => {
                    self.set(arn, name, &usual_policy(arn, &self.0.account).to_string())
                        .await?
                }
                _ => {
                    let usual = USUAL.iter().find(|(usual, _)| *usual == name);
                    self.set(arn, name, usual.map_or("", |(_, value)| value)).await?;
                }
            }
        }
        if changes.has("tags") {
            let aws = &self.0;
            tags::sync(
                &live.spec.tags,
                &spec.tags,
                |keys| async move {
                    aws.call("sns:UntagResource", || {
                        let untag = aws.sns.untag_resource().resource_arn(arn);
                        untag.set_tag_keys(Some(keys.clone())).send()
                    })
                    .await
                },
                |tags| async move {
                    let tags = to_wire(&tags)?;
                    aws.call("sns:TagResource", || {
                        let tag = aws.sns.tag_resource().resource_arn(arn);
                        tag.set_tags(Some(tags.clone())).send()
                    })
                    .await
                },
            )
            .await?;
        }
        Ok(())
    }

    /// Its subscriptions go with it.
    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let deleted = self
            .0
            .call("sns:DeleteTopic", || {
                self.0.sns.delete_topic().topic_arn(live.output("arn")).send()
            })
            .await;
        gone(deleted)
    }
}

impl Topic {
    /// The policy by which SNS masks messages, or refuses them, for what is in them. Empty where there is none.
    async fn data_protection(&self, arn: &str) -> Result<String, Failure> {
        let found = self
            .0
            .call("sns:GetDataProtectionPolicy", || {
                self.0.sns.get_data_protection_policy().resource_arn(arn).send()
            })
            .await;
        let found = if_known(found)?.and_then(|found| found.data_protection_policy);
        Ok(found.unwrap_or_default())
    }

    async fn unprotect(&self, arn: &str) -> Result<(), Failure> {
        self.0
            .call("sns:PutDataProtectionPolicy", || {
                let put = self.0.sns.put_data_protection_policy().resource_arn(arn);
                put.data_protection_policy("").send()
            })
            .await?;
        Ok(())
    }

    async fn set(&self, arn: &str, name: &str, value: &str) -> Result<(), Failure> {
        self.0
            .call("sns:SetTopicAttributes", || {
                let set = self.0.sns.set_topic_attributes().topic_arn(arn);
                set.attribute_name(name).attribute_value(value).send()
            })
            .await?;
        Ok(())
    }
}

/// The fields that are attributes: the field, the attribute, and its value where there is one.
fn attributes(spec: &Spec) -> [(&'static str, &'static str, Option<String>); 4] {
    let key = Some(spec.kms_key.clone()).filter(|key| !key.is_empty());
    let rate = spec.sqs_success_sample_rate.map(|rate| rate.to_string());
    [
        ("kms_key", KMS_KEY, key),
        ("sqs_success_role", SUCCESS_ROLE, spec.sqs_success_role.clone()),
        ("sqs_failure_role", FAILURE_ROLE, spec.sqs_failure_role.clone()),
        ("sqs_success_sample_rate", SAMPLE_RATE, rate),
    ]
}

fn others(attributes: &HashMap<String, String>, protection: String, arn: &str, account: &str) -> Others {
    let policy = attributes.get(POLICY).filter(|text| !text.is_empty());
    let policy = policy
        .map(|text| Document::parse(text))
        .filter(|policy| !is_usual(policy, arn, account));
    let [delivery, name, size, signature, tracing] =
        USUAL.map(|(name, usual)| (name, json!(attributes.get(name)), json!(usual)));
    let protection = (DATA_PROTECTION, json!(protection), Value::Null);
    Others::of([
        delivery,
        name,
        size,
        signature,
        tracing,
        (POLICY, json!(policy), Value::Null),
        protection,
    ])
}

/// The policy of a topic whose policy nobody set: the topic's own account may do everything with it, by its IAM policies.
fn usual_policy(arn: &str, account: &str) -> Value {
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": USUAL_ACTIONS,
            "Resource": arn,
            "Condition": {"StringEquals": {"AWS:SourceOwner": account}}
        }]
    })
}

/// Is this the policy that a topic has by itself? Which actions it names has changed over the years, and differs where AWS
/// is emulated; who may do them has not.
fn is_usual(policy: &Document, arn: &str, account: &str) -> bool {
    let usual = |action: &Value| {
        let mut known = USUAL_ACTIONS.iter().chain([&USUAL_BEFORE]);
        known.any(|known| action.as_str().is_some_and(|action| action.eq_ignore_ascii_case(known)))
    };
    let mut policy = json!(policy);
    let actions = policy["Statement"][0]["Action"].as_array().cloned().unwrap_or_default();
    let publishes = |action: &Value| {
        action
            .as_str()
            .is_some_and(|action| action.eq_ignore_ascii_case("SNS:Publish"))
    };
    policy["Statement"][0]["Action"] = json!(USUAL_ACTIONS);
    actions.iter().all(usual)
        && actions.iter().any(publishes)
        && Document::new(policy) == Document::new(usual_policy(arn, account))
}

/// A rate once set can only be set to 0 again, so that 0 is none for who wants none.
fn sample_rate(text: Option<String>, wanted: Option<u32>) -> Option<u32> {
    let rate = text.and_then(|text| text.parse().ok());
    rate.filter(|rate| *rate != 0 || wanted.is_some())
}

fn to_wire(tags: &Tags) -> Result<Vec<Tag>, Failure> {
    tags::list(tags, "sns:TagResource", |key, value| {
        Tag::builder().key(key).value(value).build()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rate_and_a_rate_taken_away_are_the_same() {
        assert_eq!(sample_rate(Some("0".into()), None), None);
        assert_eq!(sample_rate(Some("0".into()), Some(0)), Some(0));
        assert_eq!(sample_rate(Some("100".into()), None), Some(100));
        assert_eq!(sample_rate(None, Some(100)), None);
    }

    #[test]
    fn the_policy_that_a_topic_has_by_itself_is_usual_in_all_its_forms_and_no_other_is() {
        let (arn, account) = ("arn:aws:sns:us-east-1:1:t", "1");
        let others = |policy: &Value| {
            let attributes = HashMap::from([(POLICY.to_owned(), policy.to_string())]);
            json!(super::others(&attributes, String::new(), arn, account))
        };
        let usual = usual_policy(arn, account);
        assert_eq!(others(&usual), json!({}));
        let mut older = usual.clone();
        older["Statement"][0]["Action"] = json!(["SNS:Subscribe", "SNS:Receive", "sns:Publish"]);
        assert_eq!(others(&older), json!({}));

        let mut denying = usual.clone();
        let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": arn});
        denying["Statement"].as_array_mut().unwrap().push(deny);
        let mut open = usual.clone();
        open["Statement"][0]["Condition"] = json!({});
        let mut mute = usual.clone();
        mute["Statement"][0]["Action"] = json!("SNS:Subscribe");
        let mut more = usual;
        more["Statement"][0]["Action"] = json!("SNS:*");
        for policy in [denying, open, mute, more] {
            assert!(others(&policy)[POLICY].is_object(), "{policy:#}");
        }
    }

    #[test]
    fn what_is_not_wanted_has_no_value() {
        let spec = Spec {
            name: "t".into(),
            kms_key: String::new(),
            sqs_success_role: Some("role".into()),
            sqs_failure_role: None,
            sqs_success_sample_rate: Some(100),
            others: Others::default(),
            tags: Tags::new(),
        };
        let values = attributes(&spec).map(|(_, _, value)| value.unwrap_or_else(|| "none".into()));
        assert_eq!(values, ["none", "role", "none", "100"]);
    }
}
