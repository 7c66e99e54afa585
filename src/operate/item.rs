//! Reading an item of a table, attribute by attribute.

use crate::resource::Failure;
use aws_sdk_dynamodb::types::AttributeValue;
use rust_decimal::Decimal;
use std::collections::HashMap;

/// An item as DynamoDB gives it.
pub type Item = HashMap<String, AttributeValue>;

/// A text; nothing where the attribute is not there or is no text.
pub fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
}

/// Whole seconds, or another number without decimals.
pub fn whole(item: &Item, name: &str) -> Option<u64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// An exact decimal.
pub fn decimal(item: &Item, name: &str) -> Option<Decimal> {
    Decimal::from_str_exact(item.get(name)?.as_n().ok()?).ok()
}

/// An item lacks what every transaction has: it was not stored by this system.
pub fn unreadable(operation: &str, item: &Item, name: &str) -> Failure {
    let id = text(item, "transaction_id").unwrap_or("without an id");
    Failure::new(
        operation,
        "UnreadableItem",
        format!("the stored transaction {id} has no {name} that can be read"),
    )
    .hint("this system did not store it; correct or delete it, then run this again")
}
