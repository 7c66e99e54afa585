//! The table of what was done already: for every stored transaction the answer that it got.
//!
//! A record lives as long as its transaction: with an end, a late repetition would be stored again and alert again.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure};
use fraud::stored::{RECORD_ID, transaction_record};
use runtime::BoxError;

use crate::outside::Record;

const STATUS: &str = "status";
const DATA: &str = "data";
const VALIDATION: &str = "validation";
const TIMESTAMP: &str = "timestamp";

type Item = HashMap<String, AttributeValue>;

/// The table of records.
pub struct Records {
    client: Client,
    table: String,
}

impl Records {
    /// The table of that name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The record of a transaction. The read is consistent: what was stored before is found.
    pub async fn find(&self, transaction_id: &str) -> Result<Option<Record>, BoxError> {
        let id = AttributeValue::S(transaction_record(transaction_id));
        let call = self.client.get_item().table_name(&self.table).key(RECORD_ID, id);
        let found = call.consistent_read(true).send().await?;
        Ok(found.item.map(record).transpose()?)
    }

    /// Puts the record, as a part of a transaction that fails as a whole where there is one already.
    pub fn put_new(&self, transaction_id: &str, timestamp: u64, record: &Record) -> Result<Put, BoxError> {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item(transaction_id, timestamp, record)))
            .condition_expression("attribute_not_exists(#id)")
            .expression_attribute_names("#id", RECORD_ID)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()?;
        Ok(put)
    }
}

/// A record as it is stored: the attributes are those that other implementations of idempotency use as well.
fn item(transaction_id: &str, timestamp: u64, record: &Record) -> Item {
    let attributes = [
        (RECORD_ID, AttributeValue::S(transaction_record(transaction_id))),
        (STATUS, AttributeValue::S("COMPLETED".to_owned())),
        (VALIDATION, AttributeValue::S(record.payload.clone())),
        (DATA, AttributeValue::S(record.answer.clone())),
        (TIMESTAMP, AttributeValue::N(timestamp.to_string())),
    ];
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

/// A stored record as it was.
pub fn record(mut item: Item) -> Result<Record, NoRecord> {
    let mut text = |name: &'static str| match item.remove(name) {
        Some(AttributeValue::S(text)) => Ok(text),
        _ => Err(NoRecord(name)),
    };
    Ok(Record {
        payload: text(VALIDATION)?,
        answer: text(DATA)?,
    })
}

/// What is stored under a transaction's id is not what this function stores there.
#[derive(Debug, thiserror::Error)]
#[error("a stored record has no text {0}")]
pub struct NoRecord(&'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_was() {
        let put = Record {
            payload: "abc".to_owned(),
            answer: r#"{"fraud_score":0.1}"#.to_owned(),
        };
        let item = item("t-1", 1_700_000_000, &put);
        assert_eq!(item["id"], AttributeValue::S("transaction#t-1".to_owned()));
        assert_eq!(record(item).expect("a record"), put);
    }

    #[test]
    fn anything_else_is_no_record() {
        let why = record(HashMap::new()).expect_err("nothing");
        assert_eq!(why.to_string(), "a stored record has no text validation");
    }
}
