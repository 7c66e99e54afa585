//! The table of transactions.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use fraud::{Assessment, Transaction};

use crate::failure::ProcessError;

/// The table that processed transactions are put into.
pub struct Store {
    client: Client,
    table: String,
}

impl Store {
    /// The table of that name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Puts one item. A retry within this call writes the same item again, so it does no harm.
    pub async fn put(
        &self,
        transaction: &Transaction,
        assessment: &Assessment,
        timestamp: u64,
    ) -> Result<(), ProcessError> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item(transaction, assessment, timestamp)))
            .send()
            .await
            .map_err(|error| ProcessError::Store(error.into()))?;
        Ok(())
    }
}

/// The stored form of a transaction. Decimals are written digit for digit: DynamoDB's numbers hold 38 of them.
fn item(transaction: &Transaction, assessment: &Assessment, timestamp: u64) -> HashMap<String, AttributeValue> {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let attributes = [
        ("transaction_id", text(&transaction.transaction_id)),
        ("timestamp", AttributeValue::N(timestamp.to_string())),
        ("user_id", text(&transaction.user_id)),
        ("amount", AttributeValue::N(transaction.amount.to_string())),
        ("merchant", text(&transaction.merchant)),
        ("location", text(&transaction.location)),
        ("fraud_score", AttributeValue::N(assessment.fraud_score.to_string())),
        ("is_suspicious", AttributeValue::Bool(assessment.is_suspicious)),
    ];
    attributes
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fraud::assess;

    #[test]
    fn an_item_has_the_attributes_of_the_contract() {
        let body = br#"{"transaction_id": "t-1", "user_id": "u-1", "amount": 123456789012345.60, "location": "Oslo"}"#;
        let transaction = Transaction::parse(body).expect("valid");
        let item = item(
            &transaction,
            &assess(
                &transaction,
                &fraud::Context::unknown(1_700_000_000),
                fraud::Rules::builtin(),
            ),
            1_700_000_000,
        );
        let expected = [
            ("transaction_id", AttributeValue::S("t-1".to_owned())),
            ("timestamp", AttributeValue::N("1700000000".to_owned())),
            ("user_id", AttributeValue::S("u-1".to_owned())),
            ("amount", AttributeValue::N("123456789012345.60".to_owned())),
            ("merchant", AttributeValue::S("Unknown".to_owned())),
            ("location", AttributeValue::S("Oslo".to_owned())),
            ("fraud_score", AttributeValue::N("0.9".to_owned())),
            ("is_suspicious", AttributeValue::Bool(true)),
        ];
        for (name, value) in &expected {
            assert_eq!(item.get(*name), Some(value), "{name}");
        }
        assert_eq!(item.len(), expected.len());
    }
}
