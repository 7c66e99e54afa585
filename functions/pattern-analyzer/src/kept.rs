//! What runs leave to each other, as an item.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use fraud::Progress;
use fraud::stored::{ANALYZER_RECORD, RECORD_ID};
use runtime::BoxError;

use crate::outside::{Kept, Outgoing};

type Item = HashMap<String, AttributeValue>;

/// The attribute that tells one version from the next.
pub const VERSION: &str = "version";
const WRITER: &str = "writer";
const FROM: &str = "analyzed_from";
const UNTIL: &str = "analyzed_until";
const ALERTED_UNTIL: &str = "alerted_until";
const OUTBOX: &str = "outbox";
const MESSAGE: &str = "message";
const CLAIMED_AT: &str = "claimed_at";

/// The item's key.
pub fn key() -> AttributeValue {
    AttributeValue::S(ANALYZER_RECORD.to_owned())
}

/// The item that says this.
pub fn item(kept: &Kept) -> Item {
    let mut item = Item::from([
        (RECORD_ID.to_owned(), key()),
        (VERSION.to_owned(), number(kept.version)),
        (WRITER.to_owned(), AttributeValue::S(kept.writer.clone())),
    ]);
    if let Some(progress) = kept.progress {
        item.insert(FROM.to_owned(), number(progress.from));
        item.insert(UNTIL.to_owned(), number(progress.until));
        item.insert(ALERTED_UNTIL.to_owned(), number(progress.alerted_until));
    }
    let outgoing = |alert: &Outgoing| {
        let text = AttributeValue::S(alert.message.clone());
        let attributes = [(MESSAGE, text), (CLAIMED_AT, number(alert.claimed_at))];
        AttributeValue::M(attributes.map(|(name, value)| (name.to_owned(), value)).into())
    };
    item.insert(
        OUTBOX.to_owned(),
        AttributeValue::L(kept.outbox.iter().map(outgoing).collect()),
    );
    item
}

/// What an item says.
///
/// # Errors
///
/// It is not one of ours. It is not taken for nothing: that would be to begin anew.
pub fn kept(item: &Item) -> Result<Kept, BoxError> {
    let progress = match item.contains_key(UNTIL) {
        true => Some(Progress {
            from: read(item, FROM)?,
            until: read(item, UNTIL)?,
            alerted_until: read(item, ALERTED_UNTIL)?,
        }),
        false => None,
    };
    let outgoing = |alert: &AttributeValue| {
        let alert = alert.as_m().map_err(|_| "an alert to be sent is no map")?;
        let message = alert.get(MESSAGE).and_then(|message| message.as_s().ok());
        Ok(Outgoing {
            message: message.ok_or("an alert to be sent has no message")?.clone(),
            claimed_at: read(alert, CLAIMED_AT)?,
        })
    };
    let outbox = match item.get(OUTBOX) {
        Some(list) => list.as_l().map_err(|_| "the alerts to be sent are no list")?,
        None => &Vec::new(),
    };
    Ok(Kept {
        version: read(item, VERSION)?,
        writer: item
            .get(WRITER)
            .and_then(|writer| writer.as_s().ok())
            .cloned()
            .unwrap_or_default(),
        progress,
        outbox: outbox.iter().map(outgoing).collect::<Result<_, BoxError>>()?,
    })
}

/// A number, as DynamoDB has it.
pub fn number(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn read(item: &Item, name: &str) -> Result<u64, BoxError> {
    let number = item.get(name).and_then(|value| value.as_n().ok());
    let number = number.ok_or_else(|| format!("what was kept has no number {name}"))?;
    Ok(number.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        let progress = Progress {
            from: 1,
            until: 2,
            alerted_until: 0,
        };
        let alert = Outgoing {
            message: "{}".to_owned(),
            claimed_at: 7,
        };
        for (progress, outbox) in [(None, vec![]), (Some(progress), vec![alert])] {
            let original = Kept {
                version: 3,
                writer: "run-1".to_owned(),
                progress,
                outbox,
            };
            assert_eq!(kept(&item(&original)).expect("ours"), original);
        }
    }

    #[test]
    fn what_is_not_ours_is_not_taken_for_nothing() {
        assert!(kept(&Item::new()).is_err());
        let mut broken = item(&Kept::default());
        broken.insert(UNTIL.to_owned(), number(1));
        assert!(kept(&broken).is_err());
    }
}
