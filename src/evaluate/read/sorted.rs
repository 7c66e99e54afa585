//! Transactions of a file that is in no order, brought into the order of time.

use rust_decimal::Decimal;

use crate::intern::Names;
use crate::record::Record;

use super::fault::ReadError;

/// All transactions of a file in memory, at 48 bytes each, and each user's, merchant's and place's name once.
#[derive(Debug, Default)]
pub struct Sorted {
    users: Names,
    merchants: Names,
    locations: Names,
    lines: Vec<Compact>,
}

/// A transaction without its texts; its id is not kept.
#[derive(Debug, Clone, Copy)]
struct Compact {
    timestamp: u64,
    /// `u64::MAX` for never.
    labelled_at: u64,
    /// The amount without its point: files have no more than 17 digits.
    digits: i64,
    number: u32,
    user: u32,
    merchant: u32,
    location: u32,
    scale: u8,
    fraud: Option<bool>,
    scenario: u8,
}

impl Sorted {
    /// Reads all of them.
    ///
    /// # Errors
    ///
    /// The first one that cannot be read.
    pub fn read(records: impl Iterator<Item = Result<Record, ReadError>>) -> Result<Self, ReadError> {
        let mut sorted = Self::default();
        for (record, number) in records.zip(0_u32..) {
            let record = record?;
            sorted.lines.push(Compact {
                timestamp: record.timestamp,
                labelled_at: record.labelled_at.unwrap_or(u64::MAX),
                digits: i64::try_from(record.amount.mantissa()).unwrap_or_default(),
                number,
                user: sorted.users.number(&record.user_id),
                merchant: sorted.merchants.number(&record.merchant),
                location: sorted.locations.number(&record.location),
                scale: u8::try_from(record.amount.scale()).unwrap_or_default(),
                fraud: record.fraud,
                scenario: record.scenario,
            });
        }
        // Those of one moment stay in the order of the file.
        sorted.lines.sort_unstable_by_key(|line| (line.timestamp, line.number));
        Ok(sorted)
    }

    /// The transactions in the order of time, without their ids.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        self.lines.iter().map(|line| Record {
            transaction_id: String::new(),
            user_id: self.users.text(line.user).to_owned(),
            merchant: self.merchants.text(line.merchant).to_owned(),
            location: self.locations.text(line.location).to_owned(),
            amount: Decimal::new(line.digits, u32::from(line.scale)),
            timestamp: line.timestamp,
            fraud: line.fraud,
            labelled_at: Some(line.labelled_at).filter(|at| *at != u64::MAX),
            scenario: line.scenario,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{Size, simulate};

    #[test]
    fn they_come_in_the_order_of_time_as_they_were() {
        let size = Size {
            customers: 20,
            terminals: 200,
            days: 10,
        };
        let expected: Vec<Record> = simulate(1, &size).collect();
        let mut shuffled = expected.clone();
        // As a file has them that is written user by user.
        shuffled.sort_by(|a, b| a.user_id.cmp(&b.user_id));
        let sorted = Sorted::read(shuffled.into_iter().map(Ok)).expect("readable");
        let mut found: Vec<Record> = sorted.records().collect();
        assert!(found.is_sorted_by_key(|record| record.timestamp));
        let key = |record: &Record| (record.timestamp, record.user_id.clone(), record.amount);
        let mut expected = expected;
        found.sort_by_key(key);
        expected.sort_by_key(key);
        for (found, mut expected) in found.into_iter().zip(expected) {
            expected.transaction_id.clear();
            assert_eq!(found, expected);
        }
        assert_eq!(size_of::<Compact>(), 48);
    }
}
