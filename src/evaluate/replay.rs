//! Records in the order of time, each with what was known when it happened.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fraud::feedback::{day_of, first_day};
use fraud::{Assessment, Context, DayCount, Past, Rules, Transaction, assess};
use rust_decimal::Decimal;

use crate::histories::{Entry, Histories};
use crate::intern::Names;
use crate::record::Record;

/// Plays records as the deployed functions would see them: the user's last transactions before each, and of the merchant
/// only the labels that were given by then.
///
/// What the function reads from its tables stands here in memory: for each user his last [`HISTORY_LIMIT`] transactions,
/// for each merchant at most the days that the rules look at, and the labels that are known to come. So the memory grows
/// with the users, the merchants and the length of the label delay, not with the length of the records.
///
/// Records of one second are taken in the order given: the later ones know the earlier ones. The function may not see
/// that; a burst within a second is the one place where a replay knows more than it did.
///
/// [`HISTORY_LIMIT`]: fraud::HISTORY_LIMIT
#[derive(Debug, Default)]
pub struct Replay {
    now: u64,
    users: Names,
    histories: Histories,
    merchants: Names,
    locations: Names,
    /// For each merchant.
    counts: Vec<Vec<DayCount>>,
    /// The history of the record that is shown.
    shown: Vec<Past>,
    /// Labels that are not given yet, the next one first.
    labels: BinaryHeap<Reverse<Label>>,
    transaction: Option<Transaction>,
}

/// A label to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Label {
    at: u64,
    merchant: u32,
    day: u32,
    fraud: bool,
}

/// A record is older than the one before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the transaction {transaction_id} is of {timestamp}, which is before the one in front of it, of {previous}: sort the \
     transactions by timestamp"
)]
pub struct OutOfOrder {
    /// Which record.
    pub transaction_id: String,
    /// Its time, in seconds since the Unix epoch.
    pub timestamp: u64,
    /// The time of the record before.
    pub previous: u64,
}

impl Replay {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Scores the next record by the rules.
    ///
    /// # Errors
    ///
    /// It is older than the one before.
    pub fn assess(&mut self, record: &Record, rules: &Rules) -> Result<Assessment, OutOfOrder> {
        self.next(record, |transaction, context| assess(transaction, context, rules))
    }

    /// Shows the next record with what was known of it, then remembers it.
    ///
    /// The transaction is what the function would have parsed; whether it was fraud is not in sight.
    ///
    /// # Errors
    ///
    /// It is older than the one before. Nothing is remembered then.
    pub fn next<T>(
        &mut self,
        record: &Record,
        look: impl FnOnce(&Transaction, &Context<'_>) -> T,
    ) -> Result<T, OutOfOrder> {
        if record.timestamp < self.now {
            return Err(OutOfOrder {
                transaction_id: record.transaction_id.clone(),
                timestamp: record.timestamp,
                previous: self.now,
            });
        }
        self.now = record.timestamp;
        self.give_labels();

        let user = self.users.number(&record.user_id);
        let merchant = self.merchants.number(&record.merchant);
        let location = self.locations.number(&record.location);
        if self.counts.len() < self.merchants.len() {
            self.counts.resize_with(self.merchants.len(), Vec::new);
        }
        let counts = &mut self.counts[merchant as usize];
        let first_day = first_day(self.now);
        counts.retain(|count| count.day >= first_day);
        let counts = &self.counts[merchant as usize];
        let known = show(
            &mut self.shown,
            self.histories.of(user),
            &self.merchants,
            &self.locations,
        );
        let transaction = self.transaction.get_or_insert_with(|| Transaction {
            transaction_id: String::new(),
            user_id: String::new(),
            amount: Decimal::ZERO,
            merchant: String::new(),
            location: String::new(),
        });
        transaction.transaction_id.clone_from(&record.transaction_id);
        transaction.user_id.clone_from(&record.user_id);
        transaction.amount = record.amount;
        transaction.merchant.clone_from(&record.merchant);
        transaction.location.clone_from(&record.location);

        let seen = look(
            transaction,
            &Context {
                at: self.now,
                history: &self.shown[..known],
                merchant: counts,
            },
        );

        self.histories.add(
            user,
            Entry {
                timestamp: record.timestamp,
                amount: record.amount,
                merchant,
                location,
            },
        );
        if let (Some(fraud), Some(at)) = (record.fraud, record.labelled_at) {
            self.labels.push(Reverse(Label {
                at,
                merchant,
                // Days until the year eleven million.
                day: u32::try_from(day_of(record.timestamp)).unwrap_or(u32::MAX),
                fraud,
            }));
        }
        Ok(seen)
    }

    /// Counts the labels that are given by now.
    fn give_labels(&mut self) {
        while let Some(Reverse(label)) = self.labels.peek().copied() {
            if label.at > self.now {
                return;
            }
            self.labels.pop();
            let counts = &mut self.counts[label.merchant as usize];
            let day = u64::from(label.day);
            let place = counts.iter().rposition(|count| count.day == day);
            let place = place.unwrap_or_else(|| {
                counts.push(DayCount { day, fraud: 0, ok: 0 });
                counts.len() - 1
            });
            counts[place].fraud += u64::from(label.fraud);
            counts[place].ok += u64::from(!label.fraud);
            // A merchant that nobody pays any more is tidied too.
            if counts.len() > MOST_DAYS {
                let first_day = first_day(self.now);
                counts.retain(|count| count.day >= first_day);
            }
        }
    }
}

/// Writes a history as the rules read it over the one before, and says how long it is. The texts' memory is used again.
fn show<'a>(
    shown: &mut Vec<Past>,
    history: impl Iterator<Item = &'a Entry>,
    merchants: &Names,
    locations: &Names,
) -> usize {
    let mut known = 0;
    for entry in history {
        if known == shown.len() {
            shown.push(Past {
                timestamp: 0,
                amount: Decimal::ZERO,
                merchant: String::new(),
                location: String::new(),
            });
        }
        let past = &mut shown[known];
        past.timestamp = entry.timestamp;
        past.amount = entry.amount;
        rewrite(&mut past.merchant, merchants.text(entry.merchant));
        rewrite(&mut past.location, locations.text(entry.location));
        known += 1;
    }
    known
}

fn rewrite(text: &mut String, with: &str) {
    text.clear();
    text.push_str(with);
}

/// No more days than this lie within the longest window.
const MOST_DAYS: usize = {
    let days = fraud::feedback::LONGEST_WINDOW_DAYS + fraud::feedback::LABEL_DELAY_DAYS + 1;
    assert!(days < 1_000);
    days as usize
};

#[cfg(test)]
mod tests {
    use super::*;
    use fraud::HISTORY_LIMIT;
    use fraud::feedback::DAY_SECONDS;
    use proptest::prelude::*;

    fn record(id: u64, timestamp: u64) -> Record {
        Record {
            transaction_id: format!("t-{id}"),
            user_id: "u".to_owned(),
            merchant: "m".to_owned(),
            location: "l".to_owned(),
            amount: Decimal::from(id),
            timestamp,
            fraud: None,
            labelled_at: None,
            scenario: 0,
        }
    }

    fn counts(replay: &mut Replay, record: &Record) -> Vec<DayCount> {
        replay
            .next(record, |_, context| context.merchant.to_vec())
            .expect("in order")
    }

    #[test]
    fn the_last_fifty_are_known_the_latest_first() {
        let mut replay = Replay::new();
        for id in 0..60 {
            let expected: Vec<u64> = (0..id).rev().take(HISTORY_LIMIT).collect();
            let seen = replay.next(&record(id, 100 + id), |transaction, context| {
                assert_eq!(transaction.amount, Decimal::from(id));
                context
                    .history
                    .iter()
                    .map(|past| past.timestamp - 100)
                    .collect::<Vec<_>>()
            });
            assert_eq!(seen, Ok(expected));
        }
    }

    #[test]
    fn users_know_nothing_of_each_other() {
        let mut replay = Replay::new();
        replay.next(&record(1, 1), |_, _| ()).expect("in order");
        let mut other = record(2, 2);
        other.user_id = "other".to_owned();
        assert_eq!(replay.next(&other, |_, context| context.history.len()), Ok(0));
    }

    #[test]
    fn a_label_counts_from_the_second_in_which_it_is_given() {
        let mut replay = Replay::new();
        let mut labelled = record(1, 10 * DAY_SECONDS);
        labelled.fraud = Some(true);
        labelled.labelled_at = Some(12 * DAY_SECONDS);
        assert_eq!(counts(&mut replay, &labelled), []);
        assert_eq!(counts(&mut replay, &record(2, 12 * DAY_SECONDS - 1)), []);
        let known = DayCount {
            day: 10,
            fraud: 1,
            ok: 0,
        };
        assert_eq!(counts(&mut replay, &record(3, 12 * DAY_SECONDS)), [known]);
    }

    #[test]
    fn labels_come_in_the_order_in_which_they_are_given() {
        let mut replay = Replay::new();
        for (id, day, fraud, labelled) in [(1, 10, true, 30), (2, 11, false, 12), (3, 11, true, 13)] {
            let mut record = record(id, day * DAY_SECONDS);
            record.fraud = Some(fraud);
            record.labelled_at = Some(labelled * DAY_SECONDS);
            counts(&mut replay, &record);
        }
        let eleventh = DayCount {
            day: 11,
            fraud: 1,
            ok: 1,
        };
        assert_eq!(counts(&mut replay, &record(4, 13 * DAY_SECONDS)), [eleventh]);
        assert_eq!(counts(&mut replay, &record(5, 30 * DAY_SECONDS)).len(), 2);
    }

    #[test]
    fn days_that_no_rule_looks_at_are_forgotten() {
        let mut replay = Replay::new();
        for day in 0..200 {
            let mut record = record(day, day * DAY_SECONDS);
            record.fraud = Some(false);
            record.labelled_at = Some(record.timestamp);
            let counts = counts(&mut replay, &record);
            assert!(counts.len() <= MOST_DAYS);
            assert!(counts.iter().all(|count| count.day >= first_day(record.timestamp)));
        }
        assert!(replay.counts[0].len() <= MOST_DAYS);
        assert!(replay.labels.len() <= 1);
    }

    #[test]
    fn a_label_without_a_time_is_never_known() {
        let mut replay = Replay::new();
        let mut unknown = record(1, 1);
        unknown.fraud = Some(true);
        counts(&mut replay, &unknown);
        assert_eq!(counts(&mut replay, &record(2, u64::MAX)), []);
    }

    #[test]
    fn a_record_out_of_order_is_refused_and_not_remembered() {
        let mut replay = Replay::new();
        counts(&mut replay, &record(1, 10));
        let error = replay.next(&record(2, 9), |_, _| ()).expect_err("too late");
        assert_eq!(
            error,
            OutOfOrder {
                transaction_id: "t-2".to_owned(),
                timestamp: 9,
                previous: 10
            }
        );
        assert!(error.to_string().contains("sort the transactions by timestamp"));
        assert_eq!(replay.next(&record(3, 10), |_, context| context.history.len()), Ok(1));
    }

    proptest! {
        #[test]
        fn nothing_of_the_future_is_known(
            records in prop::collection::vec((0_u64..5, 0_u64..3, 0_u64..100_000, any::<bool>(), 0_u64..900_000), 1..80),
        ) {
            // What is seen of a record must be the same when all after it are left out, whatever their labels.
            let mut at = 0;
            let records: Vec<Record> = records.iter().enumerate().map(|(index, (user, merchant, wait, fraud, delay))| {
                at += wait;
                Record {
                    user_id: user.to_string(),
                    merchant: merchant.to_string(),
                    fraud: Some(*fraud),
                    labelled_at: Some(at + delay),
                    ..record(index as u64, at)
                }
            }).collect();
            let mut replay = Replay::new();
            for (index, last) in records.iter().enumerate() {
                let seen = counts(&mut replay, last);
                let mut fraud = 0;
                let mut ok = 0;
                for earlier in &records[..index] {
                    if earlier.merchant == last.merchant
                        && earlier.labelled_at <= Some(last.timestamp)
                        && day_of(earlier.timestamp) >= first_day(last.timestamp)
                    {
                        fraud += u64::from(earlier.fraud == Some(true));
                        ok += u64::from(earlier.fraud == Some(false));
                    }
                }
                prop_assert_eq!(seen.iter().map(|count| count.fraud).sum::<u64>(), fraud);
                prop_assert_eq!(seen.iter().map(|count| count.ok).sum::<u64>(), ok);
            }
        }
    }
}
