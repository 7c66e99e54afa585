//! Stored transactions, with what became known of them, as the evaluation takes them.

use super::item::{Item, decimal, text, unreadable, whole};
use super::label::Label;
use crate::aws::Aws;
use crate::resource::Failure;
use evaluate::Record;
use fraud::transaction::UNKNOWN;
use futures_util::future::try_join_all;
use std::collections::HashMap;

const SCAN: &str = "dynamodb:Scan";

/// How many parts of the table are read at once. A page is at most 1 MB, and waiting for it takes most of the time.
const SEGMENTS: i32 = 4;

/// What a record is made of. `timestamp` and others are words of DynamoDB's own, so each has a stand-in.
const ATTRIBUTES: [&str; 8] = [
    "transaction_id",
    "timestamp",
    "user_id",
    "amount",
    "merchant",
    "location",
    "label",
    "labelled_at",
];

/// Every transaction in the table, in the order of time.
///
/// Reads the whole table, page by page, with eventually consistent reads: half a read unit for each 4 KB stored. What is
/// stored while it runs may or may not be among them.
///
/// # Errors
/// AWS refuses, or an item is no transaction; the message names it.
pub async fn read(aws: &Aws, table: &str) -> Result<Vec<Record>, Failure> {
    let parts = (0..SEGMENTS).map(|segment| part(aws, table, segment));
    let mut records: Vec<Record> = try_join_all(parts).await?.into_iter().flatten().collect();
    records.sort_by(|a, b| (a.timestamp, &a.transaction_id).cmp(&(b.timestamp, &b.transaction_id)));
    Ok(records)
}

async fn part(aws: &Aws, table: &str, segment: i32) -> Result<Vec<Record>, Failure> {
    let names: HashMap<String, String> = ATTRIBUTES
        .iter()
        .enumerate()
        .map(|(index, name)| (format!("#a{index}"), (*name).to_owned()))
        .collect();
    let wanted = names.keys().cloned().collect::<Vec<_>>().join(", ");
    let mut records = Vec::new();
    let mut from: Option<Item> = None;
    loop {
        let page = aws
            .call("dynamodb:Scan", || {
                aws.dynamodb
                    .scan()
                    .table_name(table)
                    .segment(segment)
                    .total_segments(SEGMENTS)
                    .projection_expression(&wanted)
                    .set_expression_attribute_names(Some(names.clone()))
                    .set_exclusive_start_key(from.clone())
                    .send()
            })
            .await?;
        for item in page.items() {
            records.push(record(item)?);
        }
        from = page.last_evaluated_key.filter(|key| !key.is_empty());
        if from.is_none() {
            return Ok(records);
        }
    }
}

/// The record of one item.
fn record(item: &Item) -> Result<Record, Failure> {
    let missing = |name: &'static str| move || unreadable(SCAN, item, name);
    let owned = |name: &str| text(item, name).map(str::to_owned);
    let label: Option<Label> = text(item, "label").and_then(|label| label.parse().ok());
    Ok(Record {
        transaction_id: owned("transaction_id").ok_or_else(missing("transaction_id"))?,
        user_id: owned("user_id").ok_or_else(missing("user_id"))?,
        merchant: owned("merchant").unwrap_or_else(|| UNKNOWN.to_owned()),
        location: owned("location").unwrap_or_else(|| UNKNOWN.to_owned()),
        amount: decimal(item, "amount").ok_or_else(missing("amount"))?,
        timestamp: whole(item, "timestamp").ok_or_else(missing("timestamp"))?,
        fraud: label.map(|label| label == Label::Fraud),
        // Nobody knows when a label came that has no time; then nothing may be learned from it.
        labelled_at: label.and_then(|_| whole(item, "labelled_at")),
        scenario: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::types::AttributeValue;

    fn item(fields: &[(&str, AttributeValue)]) -> Item {
        let mut item: Item = [
            ("transaction_id", AttributeValue::S("t-1".into())),
            ("timestamp", AttributeValue::N("1700000000".into())),
            ("user_id", AttributeValue::S("ann".into())),
            ("amount", AttributeValue::N("999999999999999.99".into())),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        item.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        item
    }

    #[test]
    fn an_item_becomes_a_record_digit_for_digit() {
        let labelled = item(&[
            ("merchant", AttributeValue::S("Books".into())),
            ("location", AttributeValue::S("Oslo".into())),
            ("label", AttributeValue::S("fraud".into())),
            ("labelled_at", AttributeValue::N("1700500000".into())),
        ]);
        let record = record(&labelled).unwrap();
        assert_eq!(record.amount.to_string(), "999999999999999.99");
        assert_eq!((record.merchant.as_str(), record.location.as_str()), ("Books", "Oslo"));
        assert_eq!((record.fraud, record.labelled_at), (Some(true), Some(1_700_500_000)));
    }

    #[test]
    fn what_nobody_labelled_is_not_known() {
        let record = record(&item(&[("labelled_at", AttributeValue::N("5".into()))])).unwrap();
        assert_eq!((record.fraud, record.labelled_at), (None, None));
        assert_eq!(record.merchant, "Unknown");
    }

    #[test]
    fn an_item_that_is_no_transaction_is_named() {
        let why = record(&item(&[("amount", AttributeValue::S("much".into()))])).unwrap_err();
        assert!(why.to_string().contains("transaction t-1 has no amount"), "{why}");
    }
}
