//! A queue of our own on the alert topic, for as long as a run lasts.
//!
//! Whoever receives from the alert queue itself takes alerts from those they are for: each receive counts, and the fifth
//! moves an alert to the dead-letter queue.

use crate::aws::Aws;
use crate::operate::names;
use crate::resource::{Failure, TAG_ENV};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, QueueAttributeName as Name};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

/// Until when a queue is used at the longest, in seconds since the Unix epoch. After that it is a leftover.
const TAG_UNTIL: &str = "fraudctl:until";
/// The hexadecimal digits of a run's name.
const RUN_DIGITS: usize = 24;
/// Messages of a queue that nobody removed are gone after this, in seconds.
const KEPT_SECONDS: u32 = 3_600;
/// AWS promises nothing about when a new subscription is heard; a few seconds are usual. The local AWS is at once.
const SETTLES: Duration = Duration::from_secs(5);
/// How long one receive waits for a message, in seconds. Short, so that a run ends soon after its last alert.
const WAIT_SECONDS: i32 = 2;

/// A queue that alerts are copied to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tap {
    url: String,
    subscription: String,
}

/// One message, as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The transaction that it is about; nothing when it is about a pattern.
    pub transaction_id: Option<String>,
}

/// The beginning of the names of an environment's queues.
fn prefix(env: &str) -> String {
    format!("fraudctl-load-{env}-")
}

/// Is this the name of a run's queue of this environment? Another environment's, whose name begins like this one's, is not.
fn is_ours(env: &str, name: &str) -> bool {
    let run = name.strip_prefix(&prefix(env));
    run.is_some_and(|run| run.len() == RUN_DIGITS && run.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// A name for a run that no other run has: the time and the process.
pub fn run_name(now: Duration, process: u32) -> String {
    let nanos = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    format!("{nanos:016x}{process:08x}")
}

impl Tap {
    /// Makes the queue of this run and subscribes it to the topic. Removes first what killed runs left.
    ///
    /// # Guarantees
    /// On an error nothing of it stays. Killed half-way, what stays carries a tag that says since when it is a leftover,
    /// and the next run removes it; messages in it are gone after an hour.
    ///
    /// # Errors
    /// AWS refuses.
    pub async fn open(
        aws: &Aws,
        env: &str,
        topic: &str,
        run: &str,
        now: u64,
        lasts: Duration,
    ) -> Result<Self, Failure> {
        remove_leftovers(aws, env, topic, now).await?;
        let name = format!("{}{run}", prefix(env));
        let url = create(aws, env, topic, &name, now + lasts.as_secs()).await?;
        match subscribe(aws, topic, &aws.arn("sqs", &name)).await {
            Ok(subscription) => {
                if aws.endpoint.is_none() {
                    tokio::time::sleep(SETTLES).await;
                }
                Ok(Self { url, subscription })
            }
            Err(why) => {
                // The first failure tells more than this one would.
                let _ = delete(aws, &url).await;
                Err(why)
            }
        }
    }

    /// Takes what has arrived, waiting a little for something.
    ///
    /// # Errors
    /// AWS refuses.
    pub async fn hear(&self, aws: &Aws) -> Result<Vec<Heard>, Failure> {
        let received = aws
            .call("sqs:ReceiveMessage", || {
                aws.sqs
                    .receive_message()
                    .queue_url(&self.url)
                    .max_number_of_messages(10)
                    .wait_time_seconds(WAIT_SECONDS)
                    .send()
            })
            .await?;
        let messages = received.messages.unwrap_or_default();
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let heard = messages
            .iter()
            .map(|message| heard(message.body().unwrap_or_default()))
            .collect();
        let mut done = Vec::new();
        for (index, message) in messages.into_iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .set_receipt_handle(message.receipt_handle)
                .build()
                .map_err(|why| Failure::new("sqs:DeleteMessage", "InvalidEntry", why.to_string()))?;
            done.push(entry);
        }
        // IAM knows the batch by the permission for one. One that is not deleted is heard again, and counted as such.
        aws.call("sqs:DeleteMessage", || {
            aws.sqs
                .delete_message_batch()
                .queue_url(&self.url)
                .set_entries(Some(done.clone()))
                .send()
        })
        .await?;
        Ok(heard)
    }

    /// Removes the subscription and the queue.
    ///
    /// # Errors
    /// AWS refuses; the queue is tried also when the subscription stays.
    pub async fn close(self, aws: &Aws) -> Result<(), Failure> {
        let unsubscribed = unsubscribe(aws, &self.subscription).await;
        let deleted = delete(aws, &self.url).await;
        unsubscribed.and(deleted)
    }
}

/// Removes the queues, with their subscriptions, of runs that were killed.
///
/// A leftover is told by its name and its tags: that of a run which may still be under way is not touched. A
/// subscription whose queue is gone is removed too.
///
/// # Errors
/// AWS refuses.
pub async fn remove_leftovers(aws: &Aws, env: &str, topic: &str, now: u64) -> Result<(), Failure> {
    let removed = remove_queues(aws, env, now).await?;
    for (subscription, endpoint) in subscriptions(aws, topic).await? {
        let name = endpoint.rsplit(':').next().unwrap_or_default();
        // For up to a minute a list may not show what was made, and may show what was removed: only the queue itself
        // tells whether it is there, and of one removed just now not even that.
        if is_ours(env, name) && (removed.iter().any(|gone| gone == name) || !exists(aws, name).await?) {
            unsubscribe(aws, &subscription).await?;
        }
    }
    Ok(())
}

/// Removes the queues of runs that were to be over by `now`, and returns their names. Once the topic is gone, so are the
/// subscriptions, and [`u64::MAX`] removes every queue of the environment's runs.
///
/// # Errors
/// AWS refuses.
pub async fn remove_queues(aws: &Aws, env: &str, now: u64) -> Result<Vec<String>, Failure> {
    let mut removed = Vec::new();
    for url in queues(aws, env).await? {
        if is_leftover(aws, env, &url, now).await? {
            delete(aws, &url).await?;
            removed.push(name_in(&url).to_owned());
        }
    }
    Ok(removed)
}

/// The name in a queue's URL.
fn name_in(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or_default()
}

async fn exists(aws: &Aws, name: &str) -> Result<bool, Failure> {
    let found = aws
        .call("sqs:GetQueueUrl", || aws.sqs.get_queue_url().queue_name(name).send())
        .await;
    match found {
        Ok(_) => Ok(true),
        Err(why) if why.is_not_found() => Ok(false),
        Err(why) => Err(why),
    }
}

async fn is_leftover(aws: &Aws, env: &str, url: &str, now: u64) -> Result<bool, Failure> {
    let tags = aws
        .call("sqs:ListQueueTags", || aws.sqs.list_queue_tags().queue_url(url).send())
        .await;
    let tags = match tags {
        // Removed by its own run meanwhile.
        Err(why) if why.is_not_found() => return Ok(false),
        tags => tags?.tags.unwrap_or_default(),
    };
    Ok(is_over(&tags, env, now))
}

/// Do these tags say that the run was of this environment, and that it is over? Without them it is nobody's to remove.
fn is_over(tags: &HashMap<String, String>, env: &str, now: u64) -> bool {
    let until = tags.get(TAG_UNTIL).and_then(|until| until.parse::<u64>().ok());
    tags.get(TAG_ENV).is_some_and(|of| of == env) && until.is_some_and(|until| until < now)
}

async fn create(aws: &Aws, env: &str, topic: &str, name: &str, until: u64) -> Result<String, Failure> {
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": aws.arn("sqs", name),
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }],
    });
    let attributes = HashMap::from([
        (Name::Policy, policy.to_string()),
        (Name::KmsMasterKeyId, names::key_alias(env)),
        (Name::MessageRetentionPeriod, KEPT_SECONDS.to_string()),
    ]);
    let tags = HashMap::from([
        ("Environment".to_owned(), env.to_owned()),
        ("Project".to_owned(), "FraudDetection".to_owned()),
        (TAG_ENV.to_owned(), env.to_owned()),
        (TAG_UNTIL.to_owned(), until.to_string()),
    ]);
    let created = aws
        .call("sqs:CreateQueue", || {
            aws.sqs
                .create_queue()
                .queue_name(name)
                .set_attributes(Some(attributes.clone()))
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await?;
    created.queue_url.ok_or_else(|| {
        Failure::new(
            "sqs:CreateQueue",
            "NoUrl",
            format!("the queue {name} was made without a URL"),
        )
    })
}

/// As published, without SNS's envelope.
async fn subscribe(aws: &Aws, topic: &str, queue: &str) -> Result<String, Failure> {
    let created = aws
        .call("sns:Subscribe", || {
            aws.sns
                .subscribe()
                .topic_arn(topic)
                .protocol("sqs")
                .endpoint(queue)
                .attributes("RawMessageDelivery", "true")
                .return_subscription_arn(true)
                .send()
        })
        .await?;
    created.subscription_arn.ok_or_else(|| {
        Failure::new(
            "sns:Subscribe",
            "NoArn",
            format!("the subscription of {queue} has no ARN"),
        )
    })
}

async fn unsubscribe(aws: &Aws, subscription: &str) -> Result<(), Failure> {
    let gone = aws
        .call("sns:Unsubscribe", || {
            aws.sns.unsubscribe().subscription_arn(subscription).send()
        })
        .await;
    unless_gone(gone)
}

async fn delete(aws: &Aws, url: &str) -> Result<(), Failure> {
    let gone = aws
        .call("sqs:DeleteQueue", || aws.sqs.delete_queue().queue_url(url).send())
        .await;
    unless_gone(gone)
}

/// Gone already is as well.
fn unless_gone<T>(removed: Result<T, Failure>) -> Result<(), Failure> {
    match removed {
        Err(why) if !why.is_not_found() => Err(why),
        _ => Ok(()),
    }
}

/// The URLs of this environment's queues of runs.
async fn queues(aws: &Aws, env: &str) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let page = aws
            .call("sqs:ListQueues", || {
                aws.sqs
                    .list_queues()
                    .queue_name_prefix(prefix(env))
                    .max_results(1_000)
                    .set_next_token(token.clone())
                    .send()
            })
            .await?;
        let urls = page.queue_urls.unwrap_or_default().into_iter();
        found.extend(urls.filter(|url| is_ours(env, name_in(url))));
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(found);
        }
    }
}

/// The topic's subscriptions: the ARN of each, and where it leads.
async fn subscriptions(aws: &Aws, topic: &str) -> Result<Vec<(String, String)>, Failure> {
    let mut found = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let page = aws
            .call("sns:ListSubscriptionsByTopic", || {
                let list = aws.sns.list_subscriptions_by_topic().topic_arn(topic);
                list.set_next_token(token.clone()).send()
            })
            .await?;
        for one in page.subscriptions.unwrap_or_default() {
            // Those taken away are shown for some time with a word in place of the ARN.
            if let (Some(arn), Some(endpoint)) = (one.subscription_arn, one.endpoint)
                && arn.starts_with("arn:")
            {
                found.push((arn, endpoint));
            }
        }
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(found);
        }
    }
}

fn heard(body: &str) -> Heard {
    let message: Value = serde_json::from_str(body).unwrap_or_default();
    Heard {
        transaction_id: message["transaction_id"].as_str().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(env: &str, until: &str) -> HashMap<String, String> {
        HashMap::from([
            (TAG_ENV.to_owned(), env.to_owned()),
            (TAG_UNTIL.to_owned(), until.to_owned()),
        ])
    }

    #[test]
    fn a_queue_is_known_by_its_name_and_not_mistaken_for_another_environments() {
        let run = run_name(Duration::from_nanos(1_700_000_000_123_456_789), 4_711);
        assert_eq!(run.len(), RUN_DIGITS);
        let name = format!("{}{run}", prefix("dev"));
        assert!(name.len() <= 80);
        assert!(is_ours("dev", &name));
        assert!(!is_ours("de", &name));
        assert!(!is_ours("dev", &format!("{}{run}", prefix("dev-2"))));
        assert!(!is_ours("dev", "fraudctl-load-dev-"));
        assert!(!is_ours("dev", "fraud-alerts-queue-dev"));
    }

    #[test]
    fn only_what_says_that_it_is_over_is_a_leftover() {
        assert!(is_over(&tags("dev", "99"), "dev", 100));
        assert!(!is_over(&tags("dev", "100"), "dev", 100));
        assert!(!is_over(&tags("prod", "99"), "dev", 100));
        assert!(!is_over(&tags("dev", "soon"), "dev", 100));
        assert!(!is_over(&HashMap::new(), "dev", 100));
    }

    #[test]
    fn an_alert_about_a_pattern_is_of_no_transaction() {
        assert_eq!(
            heard(r#"{"transaction_id": "t-1"}"#).transaction_id.as_deref(),
            Some("t-1")
        );
        assert_eq!(heard(r#"{"alert_type": "pattern_analysis"}"#).transaction_id, None);
        assert_eq!(heard("no JSON").transaction_id, None);
    }
}
