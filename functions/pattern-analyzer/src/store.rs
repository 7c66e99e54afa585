//! The table of transactions.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use fraud::{Pattern, Window};

use crate::failure::AnalyzeError;

/// The table that transactions are found in.
pub struct Store {
    client: Client,
    table: String,
}

impl Store {
    /// The table of that name.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Sums up the suspicious transactions of a window.
    ///
    /// Reads the whole table, page by page, so its cost grows with the table and not with what is found. The reads are
    /// consistent: what was answered before the search began is found.
    pub async fn find_suspicious(&self, window: Window) -> Result<Pattern, AnalyzeError> {
        let mut items = self
            .client
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .filter_expression("is_suspicious = :yes AND #timestamp >= :from AND #timestamp < :until")
            .projection_expression("user_id")
            .expression_attribute_names("#timestamp", "timestamp")
            .expression_attribute_values(":yes", AttributeValue::Bool(true))
            .expression_attribute_values(":from", AttributeValue::N(window.from.to_string()))
            .expression_attribute_values(":until", AttributeValue::N(window.until.to_string()))
            .into_paginator()
            .items()
            .send();
        let mut pattern = Pattern::default();
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| AnalyzeError::Search(error.into()))?;
            pattern.record(user_id(item));
        }
        Ok(pattern)
    }
}

fn user_id(mut item: HashMap<String, AttributeValue>) -> Option<String> {
    match item.remove("user_id") {
        Some(AttributeValue::S(user)) => Some(user),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_that_names_no_user_is_no_trouble() {
        let item = |value| HashMap::from([("user_id".to_owned(), value)]);
        let text = AttributeValue::S("u-1".to_owned());
        assert_eq!(user_id(item(text)), Some("u-1".to_owned()));
        assert_eq!(user_id(item(AttributeValue::Bool(true))), None);
        assert_eq!(user_id(HashMap::new()), None);
    }
}
