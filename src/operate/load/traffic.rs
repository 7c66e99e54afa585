//! What is sent: the simulator's transactions, each with an id that no other run has.

use crate::operate::send::Transaction;
use evaluate::{Record, Size, simulate};

/// Whatever a load run stores begins with this, so that it is told from what customers did.
const MARK: &str = "load-";

/// What the simulated customers do in a day is more than this, so that so many days are enough.
const LEAST_A_DAY: u64 = 8_000;

/// The transactions of one run.
#[derive(Clone, Debug)]
pub struct Traffic {
    run: String,
}

impl Traffic {
    /// Of the run with this name, which nobody else has.
    pub fn of(run: &str) -> Self {
        Self { run: run.to_owned() }
    }

    /// So many transactions of the simulator's, in its order. The same seed gives the same but for their ids.
    pub fn transactions(&self, seed: u64, count: u64) -> impl Iterator<Item = Transaction> + use<'_> {
        let days = count / LEAST_A_DAY + 2;
        let size = Size {
            days: u32::try_from(days).unwrap_or(Size::MOST_DAYS),
            ..Size::default()
        };
        // The ids count from 0, as the places in the tally do.
        (0..count)
            .zip(simulate(seed, &size))
            .map(|(number, record)| self.transaction(number, record))
    }

    fn transaction(&self, number: u64, record: Record) -> Transaction {
        Transaction {
            id: self.id(number),
            user: format!("{MARK}{}", record.user_id),
            amount: record.amount.to_string(),
            merchant: Some(format!("{MARK}{}", record.merchant)),
            location: Some(record.location),
        }
    }

    /// The id of the run's transaction of this number.
    pub fn id(&self, number: u64) -> String {
        format!("{MARK}{}-{number}", self.run)
    }

    /// Which of the run's transactions has this id, if one of them has.
    pub fn number(&self, id: &str) -> Option<u64> {
        let rest = id.strip_prefix(MARK)?.strip_prefix(&self.run)?;
        rest.strip_prefix('-')?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_ids_of_its_own_and_knows_them_again() {
        let (one, two) = (Traffic::of("ab"), Traffic::of("abc"));
        let ids: Vec<String> = one.transactions(7, 3).map(|transaction| transaction.id).collect();
        assert_eq!(ids, ["load-ab-0", "load-ab-1", "load-ab-2"]);
        assert_eq!(one.number("load-ab-2"), Some(2));
        for other in ["load-abc-2", "ab-2", "load-ab-", "load-ab-x", "t-1"] {
            assert_eq!(one.number(other), None, "{other}");
        }
        assert_eq!(two.number("load-abc-2"), Some(2));
    }

    #[test]
    fn the_same_seed_gives_the_same_transactions_and_as_many_as_asked_for() {
        let bodies = |seed| -> Vec<(String, String)> {
            Traffic::of("x")
                .transactions(seed, 20_000)
                .map(|transaction| (transaction.user, transaction.amount))
                .collect()
        };
        let first = bodies(7);
        assert_eq!(first.len(), 20_000);
        assert_eq!(first, bodies(7));
        assert_ne!(first, bodies(8));
    }

    #[test]
    fn what_is_stored_says_that_it_is_of_a_load_run() {
        for transaction in Traffic::of("x").transactions(1, 5) {
            assert!(transaction.user.starts_with("load-customer-"), "{transaction:?}");
            assert!(transaction.body().is_ok(), "{transaction:?}");
        }
    }
}
