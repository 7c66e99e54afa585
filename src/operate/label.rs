//! What an analyst says of a transaction, and the counters of its merchant that follow from it.

use super::item::{Item, text, unreadable, whole};
use crate::aws::Aws;
use crate::resource::Failure;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use fraud::feedback::{DAY_SECONDS, day_of};
use fraud::text::check_id;
use fraud::transaction::UNKNOWN;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::time::Instant;

/// IAM knows no permission for transactions: each write in one asks for its own.
const UPDATE: &str = "dynamodb:UpdateItem";
const QUERY: &str = "dynamodb:Query";

/// A day's counters are kept for this many days after it; DynamoDB then removes them.
const KEPT_DAYS: u64 = 60;

/// The longest key that DynamoDB has.
const MOST_KEY_BYTES: usize = 2_048;

/// How long others who label the same merchant may be in the way.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an analyst says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// It was fraud.
    Fraud,
    /// It was not.
    Ok,
}

impl Label {
    /// The label that says whether it was fraud.
    pub const fn of(fraud: bool) -> Self {
        if fraud { Self::Fraud } else { Self::Ok }
    }

    /// As it is stored, and as the counter of it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fraud => "fraud",
            Self::Ok => "ok",
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Label {
    type Err = UnknownLabel;

    fn from_str(text: &str) -> Result<Self, UnknownLabel> {
        let said = evaluate::read::said(text);
        said.map(Self::of)
            .map_err(|why| UnknownLabel(format!("{} {why}", evaluate::read::shown(text))))
    }
}

/// A text is not a [`Label`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct UnknownLabel(String);

/// Why a transaction was not labelled. In each case nothing was written.
#[derive(Debug, Error)]
pub enum LabelError {
    /// There is none of that id.
    #[error("there is no transaction {id:?} in {table}{}", why_not(id))]
    Unknown {
        /// The id.
        id: String,
        /// Where it was looked for.
        table: String,
    },
    /// Others were in the way all the time.
    #[error("{id} was not labelled: others labelled transactions of the same merchant for {} s; try again", PATIENCE.as_secs())]
    Busy {
        /// The id.
        id: String,
    },
    /// AWS refused.
    #[error(transparent)]
    Aws(#[from] Failure),
}

/// Why there can hardly be a transaction of this id.
fn why_not(id: &str) -> String {
    check_id(id).map_or_else(|why| format!(": an id {why}"), |()| String::new())
}

/// What became of the merchant's counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counters {
    /// Nothing was to be moved: the label was there already.
    Kept,
    /// Moved by one.
    Moved,
    /// The new label was counted, and there was no count of the old one to take back: the counters had been lost.
    OnlyAdded,
    /// Not written: the transaction is older than counters are kept.
    TooOld,
}

/// A transaction with a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// Its id.
    pub transaction_id: String,
    /// Who was paid.
    pub merchant: String,
    /// When it was received, in seconds since the Unix epoch.
    pub timestamp: u64,
    /// What was said of it before.
    pub before: Option<String>,
    /// What became of the counters.
    pub counters: Counters,
}

impl Labelled {
    /// Was anything written?
    pub fn changed(&self) -> bool {
        self.counters != Counters::Kept
    }
}

/// Labels the transactions of one environment.
#[derive(Clone, Copy)]
pub struct Labeller<'a> {
    /// Where.
    pub aws: &'a Aws,
    /// The table of transactions.
    pub transactions: &'a str,
    /// The table of counters: per merchant, and per day of the transaction in UTC, how many are labelled what.
    pub profiles: &'a str,
}

/// A stored transaction, as far as a label concerns it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stored {
    timestamp: u64,
    merchant: String,
    label: Option<String>,
}

/// How the counters of a merchant's day follow a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Move {
    day: u64,
    add: Label,
    take: Option<Label>,
    expires_at: u64,
}

impl Labeller<'_> {
    /// Labels the transaction of this id, at the time `now` in seconds since the Unix epoch.
    ///
    /// # Guarantees
    /// Label and counters change together or not at all, in one transaction of DynamoDB that holds only while the label is
    /// still what was read. So a merchant's counters are at any time exactly the number of its transactions with each
    /// label, whoever labels at the same time, and whenever this is killed; labelling again does no harm; and the same
    /// label again changes nothing, not even `labelled_at`. A lost reply does no harm either: the same transaction of
    /// DynamoDB sent again, with the same token, is carried out once.
    ///
    /// # Assumptions
    /// Nobody else writes labels. A counter that lacks what a label says it has counted, because the table was lost or
    /// restored, is not made negative: then the new label alone is counted.
    ///
    /// # Caveats
    /// An id under which more than one transaction is stored is labelled everywhere; the first of them is returned. The
    /// counters of a day more than 60 days ago are left alone, since DynamoDB removes them.
    ///
    /// # Errors
    /// No such transaction; others were in the way for a minute; AWS refused. Then nothing was written of this item.
    pub async fn label(&self, id: &str, label: Label, now: u64) -> Result<Labelled, LabelError> {
        let mut first: Option<Labelled> = None;
        // An id that the API no longer takes may be stored from before, so that it is looked for as it is named. Only
        // what DynamoDB has no key for is not.
        let keyed = !id.is_empty() && id.len() <= MOST_KEY_BYTES;
        let found = if keyed { self.read(id).await? } else { Vec::new() };
        for stored in found {
            let labelled = self.settle(id, stored, label, now).await?;
            first.get_or_insert(labelled);
        }
        first.ok_or_else(|| LabelError::Unknown {
            id: id.to_owned(),
            table: self.transactions.to_owned(),
        })
    }

    /// Writes one label, reading again for as long as somebody else was faster.
    async fn settle(&self, id: &str, mut stored: Stored, label: Label, now: u64) -> Result<Labelled, LabelError> {
        let deadline = Instant::now() + PATIENCE;
        let (mut counted, mut attempt) = (true, 0_u32);
        loop {
            let labelled = |counters| Labelled {
                transaction_id: id.to_owned(),
                merchant: stored.merchant.clone(),
                timestamp: stored.timestamp,
                before: stored.label.clone(),
                counters,
            };
            if stored.label.as_deref() == Some(label.name()) {
                return Ok(labelled(Counters::Kept));
            }
            let mut step = Move::of(&stored, label, now);
            if !counted && let Some(step) = &mut step {
                step.take = None;
            }
            match self.write(id, &stored, label, now, step).await? {
                Written::Done => {
                    return Ok(labelled(match step {
                        None => Counters::TooOld,
                        Some(_) if !counted => Counters::OnlyAdded,
                        Some(_) => Counters::Moved,
                    }));
                }
                Written::NotCounted => counted = false,
                Written::Overtaken => counted = true,
            }
            if Instant::now() >= deadline {
                return Err(LabelError::Busy { id: id.to_owned() });
            }
            tokio::time::sleep(pause(attempt)).await;
            attempt += 1;
            let again = self.read(id).await?;
            stored = again
                .into_iter()
                .find(|other| other.timestamp == stored.timestamp)
                .ok_or_else(|| LabelError::Unknown {
                    id: id.to_owned(),
                    table: self.transactions.to_owned(),
                })?;
        }
    }

    /// Everything stored under this id, as it is now.
    async fn read(&self, id: &str) -> Result<Vec<Stored>, Failure> {
        let aws = self.aws;
        let mut found = Vec::new();
        let mut from: Option<Item> = None;
        loop {
            let page = aws
                .call("dynamodb:Query", || {
                    aws.dynamodb
                        .query()
                        .table_name(self.transactions)
                        .key_condition_expression("transaction_id = :id")
                        .expression_attribute_values(":id", AttributeValue::S(id.to_owned()))
                        .consistent_read(true)
                        .set_exclusive_start_key(from.clone())
                        .send()
                })
                .await?;
            for item in page.items() {
                found.push(Stored::of(item)?);
            }
            from = page.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok(found);
            }
        }
    }

    /// Writes the label and moves the counters, if the label is still what was read and the counters have counted it.
    async fn write(
        &self,
        id: &str,
        stored: &Stored,
        label: Label,
        now: u64,
        step: Option<Move>,
    ) -> Result<Written, Failure> {
        let aws = self.aws;
        let mut writes = vec![
            TransactWriteItem::builder()
                .update(self.labelling(id, stored, label, now)?)
                .build(),
        ];
        if let Some(step) = step {
            writes.push(
                TransactWriteItem::builder()
                    .update(self.counting(&stored.merchant, step)?)
                    .build(),
            );
        }
        let token = token();
        // A failure tells only that the whole was cancelled; which condition did not hold, the error alone knows.
        let reasons = Mutex::new(Vec::new());
        let written = aws
            .call("dynamodb:UpdateItem", || async {
                let sent = aws
                    .dynamodb
                    .transact_write_items()
                    .set_transact_items(Some(writes.clone()))
                    .client_request_token(&token)
                    .send()
                    .await;
                if let Err(SdkError::ServiceError(error)) = &sent
                    && error.err().is_transaction_canceled_exception()
                {
                    *reasons.lock().unwrap_or_else(PoisonError::into_inner) = cancelled(error.err());
                }
                sent
            })
            .await;
        let reasons = reasons.into_inner().unwrap_or_else(PoisonError::into_inner);
        match written {
            Ok(_) => Ok(Written::Done),
            Err(why) => Written::from_reasons(&reasons).ok_or(why),
        }
    }

    fn labelling(&self, id: &str, stored: &Stored, label: Label, now: u64) -> Result<Update, Failure> {
        let update = Update::builder()
            .table_name(self.transactions)
            .key("transaction_id", AttributeValue::S(id.to_owned()))
            .key("timestamp", number(stored.timestamp))
            .update_expression("SET #label = :new, #at = :now")
            .expression_attribute_names("#label", "label")
            .expression_attribute_names("#at", "labelled_at")
            .expression_attribute_values(":new", AttributeValue::S(label.name().to_owned()))
            .expression_attribute_values(":now", number(now));
        let update = match &stored.label {
            None => update.condition_expression("attribute_exists(transaction_id) AND attribute_not_exists(#label)"),
            Some(old) => update
                .condition_expression("#label = :old")
                .expression_attribute_values(":old", AttributeValue::S(old.clone())),
        };
        update.build().map_err(incomplete)
    }

    fn counting(&self, merchant: &str, step: Move) -> Result<Update, Failure> {
        let update = Update::builder()
            .table_name(self.profiles)
            .key("merchant", AttributeValue::S(merchant.to_owned()))
            .key("day", number(step.day))
            .expression_attribute_names("#expires", "expires_at")
            .expression_attribute_names("#add", step.add.name())
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":expires", number(step.expires_at));
        let update = match step.take {
            None => update.update_expression("SET #expires = :expires ADD #add :one"),
            Some(take) => update
                .update_expression("SET #expires = :expires ADD #add :one, #take :less")
                .condition_expression("#take >= :one")
                .expression_attribute_names("#take", take.name())
                .expression_attribute_values(":less", AttributeValue::N("-1".to_owned())),
        };
        update.build().map_err(incomplete)
    }
}

impl Stored {
    fn of(item: &Item) -> Result<Self, Failure> {
        Ok(Self {
            timestamp: whole(item, "timestamp").ok_or_else(|| unreadable(QUERY, item, "timestamp"))?,
            merchant: text(item, "merchant").unwrap_or(UNKNOWN).to_owned(),
            label: text(item, "label").map(str::to_owned),
        })
    }
}

impl Move {
    /// How the counters follow when `stored` is labelled; not at all where they would be removed at once.
    fn of(stored: &Stored, label: Label, now: u64) -> Option<Self> {
        let day = day_of(stored.timestamp);
        let expires_at = (day + KEPT_DAYS) * DAY_SECONDS;
        (now < expires_at).then(|| Self {
            day,
            add: label,
            take: stored.label.as_deref().and_then(|old| old.parse().ok()),
            expires_at,
        })
    }
}

/// What became of a transaction of DynamoDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Done,
    /// Somebody else wrote, or was writing, one of the two items.
    Overtaken,
    /// The label is still what was read, but the counters do not have it.
    NotCounted,
}

impl Written {
    /// What these reasons for a cancellation mean, one for each item, the label's first. Nothing where another try would
    /// not help.
    fn from_reasons(reasons: &[String]) -> Option<Self> {
        const OTHERS: [&str; 3] = [
            "TransactionConflict",
            "ThrottlingError",
            "ProvisionedThroughputExceeded",
        ];
        let failed = |reason: Option<&String>| reason.is_some_and(|code| code == "ConditionalCheckFailed");
        if failed(reasons.first()) || reasons.iter().any(|code| OTHERS.contains(&code.as_str())) {
            Some(Self::Overtaken)
        } else if failed(reasons.get(1)) {
            Some(Self::NotCounted)
        } else {
            None
        }
    }
}

/// Why DynamoDB cancelled a transaction: a code for each of its items.
fn cancelled(error: &aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError) -> Vec<String> {
    use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException;
    let TransactionCanceledException(error) = error else {
        return Vec::new();
    };
    let reasons = error.cancellation_reasons().iter();
    reasons
        .map(|reason| reason.code().unwrap_or_default().to_owned())
        .collect()
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn incomplete(why: impl fmt::Display) -> Failure {
    Failure::new(UPDATE, "InvalidUpdate", why.to_string())
}

/// A name for one transaction of DynamoDB, by which it knows it when it is sent again. A fresh `RandomState` has keys of
/// its own, so that no two are alike.
fn token() -> String {
    let random = || RandomState::new().hash_one(0_u8);
    format!("{:016x}{:016x}", random(), random())
}

/// Longer each time, and by chance, so that those who met once do not meet again.
fn pause(attempt: u32) -> Duration {
    let ceiling = (20_u64 << attempt.min(6)).min(1_000);
    Duration::from_millis(ceiling / 4 + RandomState::new().hash_one(attempt) % ceiling)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: u64 = 19_675;
    const AT: u64 = DAY * DAY_SECONDS + 5;

    fn stored(label: Option<&str>) -> Stored {
        Stored {
            timestamp: AT,
            merchant: "Books".into(),
            label: label.map(str::to_owned),
        }
    }

    fn reasons(codes: &[&str]) -> Option<Written> {
        Written::from_reasons(&codes.iter().map(|code| (*code).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn an_id_that_can_hardly_be_one_is_told_why() {
        let unknown = |id: &str| {
            let (id, table) = (id.to_owned(), "transactions-dev".to_owned());
            LabelError::Unknown { id, table }.to_string()
        };
        assert_eq!(unknown("t-1"), "there is no transaction \"t-1\" in transactions-dev");
        assert_eq!(
            unknown(" t-1"),
            "there is no transaction \" t-1\" in transactions-dev: an id must not have blanks around it"
        );
        assert!(unknown("t\u{200b}").contains(r"t\u{200b}"));
    }

    #[test]
    fn the_first_label_adds_and_a_correction_also_takes_back() {
        let first = Move::of(&stored(None), Label::Fraud, AT).unwrap();
        assert_eq!((first.day, first.add, first.take), (DAY, Label::Fraud, None));
        assert_eq!(first.expires_at, (DAY + 60) * DAY_SECONDS);
        let corrected = Move::of(&stored(Some("fraud")), Label::Ok, AT).unwrap();
        assert_eq!((corrected.add, corrected.take), (Label::Ok, Some(Label::Fraud)));
    }

    #[test]
    fn a_label_that_is_not_ours_was_counted_nowhere() {
        assert_eq!(Move::of(&stored(Some("maybe")), Label::Ok, AT).unwrap().take, None);
    }

    #[test]
    fn counters_that_would_be_removed_at_once_are_not_written() {
        let gone = (DAY + 60) * DAY_SECONDS;
        assert!(Move::of(&stored(None), Label::Ok, gone - 1).is_some());
        assert_eq!(Move::of(&stored(None), Label::Ok, gone), None);
    }

    #[test]
    fn a_cancellation_tells_who_was_in_the_way() {
        assert_eq!(reasons(&["ConditionalCheckFailed", "None"]), Some(Written::Overtaken));
        assert_eq!(
            reasons(&["ConditionalCheckFailed", "ConditionalCheckFailed"]),
            Some(Written::Overtaken)
        );
        assert_eq!(reasons(&["None", "TransactionConflict"]), Some(Written::Overtaken));
        assert_eq!(reasons(&["None", "ConditionalCheckFailed"]), Some(Written::NotCounted));
        assert_eq!(reasons(&["None", "ValidationError"]), None);
        assert_eq!(reasons(&[]), None);
    }

    #[test]
    fn every_transaction_has_a_token_of_its_own_that_dynamodb_takes() {
        let tokens: std::collections::BTreeSet<String> = (0..1_000).map(|_| token()).collect();
        assert_eq!(tokens.len(), 1_000);
        assert!(tokens.iter().all(|token| token.len() <= 36));
    }

    #[test]
    fn pauses_grow_and_end() {
        for attempt in 0..40 {
            assert!(pause(attempt) >= Duration::from_millis(5));
            assert!(pause(attempt) <= Duration::from_millis(1_250));
        }
    }

    proptest! {
        /// The counters of a day are what its transactions are labelled, whatever is said in which order.
        #[test]
        fn counters_are_the_labels(said in prop::collection::vec((0_usize..4, any::<bool>()), 0..60)) {
            let mut labels: [Option<String>; 4] = Default::default();
            let mut counters = [0_i64; 2];
            for (which, fraud) in said {
                let label = if fraud { Label::Fraud } else { Label::Ok };
                let stored = stored(labels[which].as_deref());
                if stored.label.as_deref() == Some(label.name()) {
                    continue;
                }
                let step = Move::of(&stored, label, AT).unwrap();
                counters[step.add as usize] += 1;
                if let Some(take) = step.take {
                    counters[take as usize] -= 1;
                }
                labels[which] = Some(label.name().to_owned());
            }
            for label in [Label::Fraud, Label::Ok] {
                let count = labels.iter().flatten().filter(|said| *said == label.name()).count();
                prop_assert_eq!(counters[label as usize], count as i64);
            }
        }
    }
}
