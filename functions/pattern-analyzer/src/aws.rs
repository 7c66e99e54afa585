//! The world around the analysis, as AWS.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Mutex;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use fraud::Window;
use fraud::settings::Settings;
use fraud::stored::{BUCKET_SECONDS, PENDING, PENDING_INDEX, RECORD_ID, SUSPICIOUS_INDEX, attribute, bucket};
use runtime::{BoxError, Publisher, clients, clock, conflict};

use crate::failure::AnalyzeError;
use crate::kept::{self, VERSION, number};
use crate::limits::{self, LEASE};
use crate::outside::{Consumed, Kept, Outside, Pending, Suspicious};

type Item = HashMap<String, AttributeValue>;

/// An index shows what was written within a fraction of a second; and the second must be over.
const SETTLING: Duration = Duration::from_secs(1);

/// AWS as the settings name it. Its clients are made once and keep their connections.
pub struct Aws {
    dynamodb: Client,
    transactions: String,
    idempotency: String,
    publisher: Publisher,
}

impl Aws {
    /// Makes the clients. Calls nothing yet.
    pub async fn connect(settings: Settings) -> Self {
        let shared = clients::configuration(limits::CALL).await;
        Self {
            dynamodb: Client::new(&shared),
            transactions: settings.table,
            idempotency: settings.idempotency,
            publisher: Publisher::new(aws_sdk_sns::Client::new(&shared), settings.topic_arn),
        }
    }

    /// The same, counting what one run consumes.
    pub fn for_one_run(&self, invocation_id: &str) -> Run<'_> {
        // Lambda tries an event again under the same id.
        let chance = RandomState::new().build_hasher().finish();
        Run {
            aws: self,
            writer: format!("{invocation_id} {chance:016x}"),
            consumed: Mutex::default(),
        }
    }
}

/// One run.
pub struct Run<'a> {
    aws: &'a Aws,
    writer: String,
    consumed: Mutex<Consumed>,
}

impl Run<'_> {
    /// All items of a query, page by page.
    async fn all(&self, query: QueryFluentBuilder) -> Result<Vec<Item>, BoxError> {
        let query = query.return_consumed_capacity(ReturnConsumedCapacity::Total);
        let mut pages = query.into_paginator().send();
        let mut items = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page?;
            if let Ok(mut consumed) = self.consumed.lock() {
                consumed.items += u64::try_from(page.scanned_count())?;
                let capacity = page.consumed_capacity();
                consumed.units += capacity
                    .and_then(|capacity| capacity.capacity_units())
                    .unwrap_or_default();
            }
            items.extend(page.items.unwrap_or_default());
        }
        Ok(items)
    }

    fn query(&self, index: &str) -> QueryFluentBuilder {
        let query = self.aws.dynamodb.query().table_name(&self.aws.transactions);
        query
            .index_name(index)
            .expression_attribute_names("#timestamp", attribute::TIMESTAMP)
    }
}

fn searching(what: &'static str) -> impl Fn(BoxError) -> AnalyzeError {
    move |source| AnalyzeError::Search { what, source }
}

impl Outside for Run<'_> {
    fn writer(&self) -> &str {
        &self.writer
    }

    async fn settled(&self, until: u64) {
        let until = Duration::from_secs(until) + SETTLING;
        let now = Duration::from_millis(clock::now_millis());
        // An event from the future, by a clock that is ahead of ours, is not waited for for ever.
        tokio::time::sleep(until.saturating_sub(now).min(SETTLING * 2)).await;
    }

    /// Reads the index of the suspicious transactions alone, and of that only the buckets that the window touches: the
    /// cost grows with what is found, not with the table.
    async fn suspicious(&self, window: Window) -> Result<Vec<Suspicious>, AnalyzeError> {
        let mut found = Vec::new();
        let mut begin = window.from;
        while begin < window.until {
            let bucket = bucket(begin);
            let end = ((bucket + 1) * BUCKET_SECONDS).min(window.until);
            let query = self
                .query(SUSPICIOUS_INDEX)
                .key_condition_expression("#bucket = :bucket AND #timestamp BETWEEN :first AND :last")
                .expression_attribute_names("#bucket", attribute::SUSPICIOUS_BUCKET)
                .expression_attribute_values(":bucket", number(bucket))
                .expression_attribute_values(":first", number(begin))
                .expression_attribute_values(":last", number(end - 1));
            let items = self.all(query).await.map_err(searching("suspicious transactions"))?;
            found.extend(items.iter().filter_map(suspicious));
            begin = end;
        }
        Ok(found)
    }

    async fn kept(&self) -> Result<Kept, AnalyzeError> {
        let call = self.aws.dynamodb.get_item().table_name(&self.aws.idempotency);
        let call = call.key(RECORD_ID, kept::key()).consistent_read(true);
        let found = call.send().await.map_err(|why| AnalyzeError::Progress(why.into()))?;
        match &found.item {
            Some(item) => kept::kept(item).map_err(AnalyzeError::Progress),
            None => Ok(Kept::default()),
        }
    }

    async fn keep(&self, kept: &Kept) -> Result<bool, AnalyzeError> {
        let call = self
            .aws
            .dynamodb
            .put_item()
            .table_name(&self.aws.idempotency)
            .set_item(Some(kept::item(kept)))
            .expression_attribute_names("#version", VERSION);
        let before = kept.version.saturating_sub(1);
        let call = if before == 0 {
            call.condition_expression("attribute_not_exists(#version)")
        } else {
            call.condition_expression("#version = :before")
                .expression_attribute_values(":before", number(before))
        };
        match call.send().await {
            Ok(_) => Ok(true),
            Err(why)
                if why
                    .as_service_error()
                    .is_some_and(|why| why.is_conditional_check_failed_exception()) =>
            {
                // It may be our own write, whose reply was lost and which was tried again.
                Ok(self.kept().await? == *kept)
            }
            Err(why) => Err(AnalyzeError::Progress(why.into())),
        }
    }

    async fn pending(&self, until: u64) -> Result<Vec<Pending>, AnalyzeError> {
        let query = self
            .query(PENDING_INDEX)
            .key_condition_expression("#pending = :pending AND #timestamp <= :until")
            .expression_attribute_names("#pending", attribute::PENDING_ALERT)
            .expression_attribute_values(":pending", AttributeValue::S(PENDING.to_owned()))
            .expression_attribute_values(":until", number(until));
        let items = self.all(query).await.map_err(searching("pending alerts"))?;
        Ok(items.iter().filter_map(pending).collect())
    }

    async fn claim(&self, pending: &Pending, now: u64) -> Result<bool, BoxError> {
        let call = || {
            let call = self.aws.dynamodb.update_item().table_name(&self.aws.transactions);
            call.set_key(Some(key(pending)))
                .update_expression("SET #claimed = :now")
                .condition_expression(
                    "attribute_exists(#pending) AND (attribute_not_exists(#claimed) OR #claimed <= :dead)",
                )
                .expression_attribute_names("#pending", attribute::PENDING_ALERT)
                .expression_attribute_names("#claimed", attribute::ALERT_CLAIMED_AT)
                .expression_attribute_values(":now", number(now))
                .expression_attribute_values(":dead", number(now.saturating_sub(LEASE)))
                .send()
        };
        let claimed = conflict::unhindered(call).await;
        match claimed {
            Ok(_) => Ok(true),
            Err(why)
                if why
                    .as_service_error()
                    .is_some_and(|why| why.is_conditional_check_failed_exception()) =>
            {
                Ok(false)
            }
            Err(why) => Err(why.into()),
        }
    }

    async fn mark_sent(&self, pending: &Pending, now: u64) -> Result<(), BoxError> {
        let call = || {
            let call = self.aws.dynamodb.update_item().table_name(&self.aws.transactions);
            call.set_key(Some(key(pending)))
                .update_expression("SET #sent = :now REMOVE #pending, #message, #claimed")
                .expression_attribute_names("#sent", attribute::ALERT_SENT_AT)
                .expression_attribute_names("#pending", attribute::PENDING_ALERT)
                .expression_attribute_names("#message", attribute::ALERT_MESSAGE)
                .expression_attribute_names("#claimed", attribute::ALERT_CLAIMED_AT)
                .expression_attribute_values(":now", number(now))
                .send()
        };
        // A label is given in a transaction that holds the item.
        conflict::unhindered(call).await?;
        Ok(())
    }

    async fn publish(&self, subject: &str, message: &str) -> Result<(), BoxError> {
        self.aws.publisher.publish(subject, message).await
    }

    fn consumed(&self) -> Consumed {
        self.consumed
            .lock()
            .map_or_else(|_| Consumed::default(), |consumed| *consumed)
    }
}

fn key(pending: &Pending) -> Item {
    let id = AttributeValue::S(pending.transaction_id.clone());
    Item::from([
        (attribute::TRANSACTION_ID.to_owned(), id),
        (attribute::TIMESTAMP.to_owned(), number(pending.timestamp)),
    ])
}

fn text(item: &Item, name: &str) -> Option<String> {
    item.get(name)?.as_s().ok().cloned()
}

fn timestamp(item: &Item) -> Option<u64> {
    item.get(attribute::TIMESTAMP)?.as_n().ok()?.parse().ok()
}

fn suspicious(item: &Item) -> Option<Suspicious> {
    Some(Suspicious {
        timestamp: timestamp(item)?,
        user_id: text(item, attribute::USER_ID),
    })
}

fn pending(item: &Item) -> Option<Pending> {
    Some(Pending {
        transaction_id: text(item, attribute::TRANSACTION_ID)?,
        timestamp: timestamp(item)?,
        message: text(item, attribute::ALERT_MESSAGE)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_names_no_user_still_counts() {
        let item = Item::from([("timestamp".to_owned(), number(7))]);
        let found = suspicious(&item).expect("it counts");
        assert_eq!((found.timestamp, found.user_id), (7, None));
        assert_eq!(suspicious(&Item::new()), None);
    }
}
