//! The table of transactions: what is stored of one, and a user's last ones.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put};
use fraud::stored::{PENDING, USER_INDEX, attribute, bucket};
use fraud::{HISTORY_LIMIT, Past, Reason};
use runtime::{BoxError, conflict};

use crate::outside::Entry;

type Item = HashMap<String, AttributeValue>;

/// The table that processed transactions are put into.
pub struct Transactions {
    client: Client,
    table: String,
}

impl Transactions {
    /// The table of that name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The user's last transactions, the latest first: one page of one query, about one and a half read units.
    pub async fn history(&self, user_id: &str) -> Result<Vec<Past>, BoxError> {
        let found = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(USER_INDEX)
            .key_condition_expression("user_id = :user")
            .expression_attribute_values(":user", AttributeValue::S(user_id.to_owned()))
            .scan_index_forward(false)
            .limit(i32::try_from(HISTORY_LIMIT)?)
            .send()
            .await?;
        // One that cannot be read says nothing about the user.
        Ok(found.items().iter().filter_map(past).collect())
    }

    /// Puts the transaction, as a part of a transaction of the database.
    pub fn put(&self, entry: &Entry<'_>) -> Result<Put, BoxError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item(entry)))
            .build()?;
        Ok(put)
    }

    /// Notes that the alert was sent, so that nobody sends it again. Writing it twice does no harm.
    pub async fn mark_sent(&self, transaction_id: &str, timestamp: u64, now: u64) -> Result<(), BoxError> {
        let call = || {
            let id = AttributeValue::S(transaction_id.to_owned());
            let call = self.client.update_item().table_name(&self.table);
            call.key(attribute::TRANSACTION_ID, id)
                .key(attribute::TIMESTAMP, AttributeValue::N(timestamp.to_string()))
                .update_expression("SET #sent = :now REMOVE #pending, #message")
                .expression_attribute_names("#sent", attribute::ALERT_SENT_AT)
                .expression_attribute_names("#pending", attribute::PENDING_ALERT)
                .expression_attribute_names("#message", attribute::ALERT_MESSAGE)
                .expression_attribute_values(":now", AttributeValue::N(now.to_string()))
                .send()
        };
        // Another request for the same transaction may be trying to store it at this very moment.
        conflict::unhindered(call).await?;
        Ok(())
    }
}

/// The stored form of a transaction. Decimals are written digit for digit: DynamoDB's numbers hold 38 of them.
fn item(entry: &Entry<'_>) -> Item {
    let Entry {
        transaction,
        assessment,
        timestamp,
        alert,
        ..
    } = entry;
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let reasons = assessment.reasons.iter().map(reason).collect();
    let mut attributes = vec![
        (attribute::TRANSACTION_ID, text(&transaction.transaction_id)),
        (attribute::TIMESTAMP, AttributeValue::N(timestamp.to_string())),
        (attribute::USER_ID, text(&transaction.user_id)),
        (attribute::AMOUNT, AttributeValue::N(transaction.amount.to_string())),
        (attribute::MERCHANT, text(&transaction.merchant)),
        (attribute::LOCATION, text(&transaction.location)),
        (
            attribute::FRAUD_SCORE,
            AttributeValue::N(assessment.fraud_score.to_string()),
        ),
        (attribute::IS_SUSPICIOUS, AttributeValue::Bool(assessment.is_suspicious)),
        (attribute::REASONS, AttributeValue::L(reasons)),
        (attribute::RULES_VERSION, text(&assessment.rules_version)),
    ];
    if assessment.is_suspicious {
        let bucket = AttributeValue::N(bucket(*timestamp).to_string());
        attributes.push((attribute::SUSPICIOUS_BUCKET, bucket));
    }
    if let Some(alert) = alert {
        attributes.push((attribute::PENDING_ALERT, text(PENDING)));
        attributes.push((attribute::ALERT_MESSAGE, text(&alert.message)));
    }
    attributes
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn reason(reason: &Reason) -> AttributeValue {
    let attributes = [
        ("code", AttributeValue::S(reason.code.to_owned())),
        ("observed", AttributeValue::N(reason.observed.to_string())),
        ("limit", AttributeValue::N(reason.limit.to_string())),
        ("weight", AttributeValue::N(reason.weight.to_string())),
    ];
    AttributeValue::M(attributes.map(|(name, value)| (name.to_owned(), value)).into())
}

fn past(item: &Item) -> Option<Past> {
    let text = |name: &str| item.get(name)?.as_s().ok().cloned();
    let number = |name: &str| item.get(name)?.as_n().ok();
    Some(Past {
        timestamp: number(attribute::TIMESTAMP)?.parse().ok()?,
        amount: number(attribute::AMOUNT)?.parse().ok()?,
        merchant: text(attribute::MERCHANT)?,
        location: text(attribute::LOCATION)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outside::Record;
    use fraud::{Alert, Context, Rules, Transaction, assess};

    const NOW: u64 = 1_700_000_100;

    fn stored(amount: &str, alerts: bool) -> Item {
        let body = format!(r#"{{"transaction_id": "t-1", "user_id": "u-1", "amount": {amount}, "location": "Oslo"}}"#);
        let transaction = Transaction::parse(body.as_bytes()).expect("valid");
        let assessment = assess(&transaction, &Context::unknown(NOW), Rules::builtin());
        let alert = Alert::for_transaction(&transaction, &assessment, NOW);
        let record = Record {
            payload: String::new(),
            answer: String::new(),
        };
        item(&Entry {
            transaction: &transaction,
            assessment: &assessment,
            timestamp: NOW,
            alert: alerts.then_some(&alert),
            record: &record,
            token: "token",
        })
    }

    #[test]
    fn an_item_has_the_attributes_of_the_contract() {
        let item = stored("123456789012345.60", true);
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let number = |text: &str| AttributeValue::N(text.to_owned());
        let expected = [
            ("transaction_id", text("t-1")),
            ("timestamp", number("1700000100")),
            ("user_id", text("u-1")),
            ("amount", number("123456789012345.60")),
            ("merchant", text("Unknown")),
            ("location", text("Oslo")),
            ("is_suspicious", AttributeValue::Bool(true)),
            ("rules_version", text(Rules::builtin().version())),
            ("suspicious_bucket", number("5666667")),
            ("pending_alert", text("transaction")),
        ];
        for (name, value) in &expected {
            assert_eq!(item.get(*name), Some(value), "{name}");
        }
        let message = item["alert_message"].as_s().expect("a text");
        assert!(message.contains(r#""amount":"123456789012345.60""#), "{message}");
        assert!(item["fraud_score"].as_n().is_ok() && item["reasons"].as_l().is_ok());
        assert_eq!(item.len(), expected.len() + 3);
    }

    #[test]
    fn what_is_not_suspicious_and_does_not_alert_is_in_neither_sparse_index() {
        let item = stored("1", false);
        assert_eq!(item["fraud_score"], AttributeValue::N("0.1".to_owned()));
        for name in ["suspicious_bucket", "pending_alert", "alert_message"] {
            assert!(!item.contains_key(name), "{name}");
        }
    }

    #[test]
    fn a_stored_transaction_is_a_part_of_the_next_ones_history() {
        let past = past(&stored("12.50", false)).expect("readable");
        assert_eq!((past.timestamp, past.amount.to_string().as_str()), (NOW, "12.50"));
        assert_eq!((past.merchant.as_str(), past.location.as_str()), ("Unknown", "Oslo"));
    }

    #[test]
    fn an_item_that_is_no_transaction_is_no_history() {
        let mut item = stored("12.50", false);
        item.insert("amount".to_owned(), AttributeValue::S("12.50".to_owned()));
        assert_eq!(super::past(&item), None);
        assert_eq!(super::past(&HashMap::new()), None);
    }
}
