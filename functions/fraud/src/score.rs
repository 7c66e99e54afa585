//! How suspicious a transaction is.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use crate::feedback::DayCount;
use crate::history::Past;
use crate::rules::{self, Rules};
use crate::transaction::Transaction;

/// A fraud score from 0 (no reason to worry) to 1.
///
/// It is written as a plain decimal, in text as in JSON: `0.1`, never `0.10000000000000001` and never in quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score(Decimal);

impl Score {
    /// The score of a transaction that no rule objects to: 0.1.
    pub const BASELINE: Self = Self(Decimal::from_parts(1, 0, 0, false, 1));

    /// The score of a transaction that the base rule objects to: 0.9.
    pub const FLAGGED: Self = Self(Decimal::from_parts(9, 0, 0, false, 1));

    /// The score as a decimal.
    pub const fn value(self) -> Decimal {
        self.0
    }
}

impl fmt::Display for Score {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Serialize for Score {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        rust_decimal::serde::arbitrary_precision::serialize(&self.0, serializer)
    }
}

/// What is known beside a transaction when it is scored.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// When the transaction was received, in seconds since the Unix epoch.
    pub at: u64,
    /// The user's last transactions before it, the latest first; more than [`HISTORY_LIMIT`] are not looked at.
    ///
    /// [`HISTORY_LIMIT`]: crate::history::HISTORY_LIMIT
    pub history: &'a [Past],
    /// What is known of the merchant, day by day, in any order. Days outside the windows of the rules do not matter.
    pub merchant: &'a [DayCount],
}

impl Context<'_> {
    /// Nothing is known.
    pub const fn unknown(at: u64) -> Self {
        Self {
            at,
            history: &[],
            merchant: &[],
        }
    }
}

/// Why a score is what it is: one rule that fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The rule's name, such as `AMOUNT_OVER_LIMIT`.
    pub code: &'static str,
    /// What was seen.
    #[serde(with = "rust_decimal::serde::arbitrary_precision")]
    pub observed: Decimal,
    /// What it was held against.
    #[serde(with = "rust_decimal::serde::arbitrary_precision")]
    pub limit: Decimal,
    /// How much it weighs, 0 to 1.
    #[serde(with = "rust_decimal::serde::arbitrary_precision")]
    pub weight: Decimal,
}

/// What the rules make of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// How suspicious it is.
    pub fraud_score: Score,
    /// Whether the pattern analysis counts it.
    pub is_suspicious: bool,
    /// The rules that fired, the heaviest first.
    pub reasons: Vec<Reason>,
    /// Which rules these were.
    pub rules_version: String,
}

/// Scores a transaction by the rules.
pub fn assess(transaction: &Transaction, _context: &Context<'_>, rules: &Rules) -> Assessment {
    let is_suspicious = rules::base_rule_fires(transaction.amount);
    Assessment {
        fraud_score: if is_suspicious { Score::FLAGGED } else { Score::BASELINE },
        is_suspicious,
        reasons: Vec::new(),
        rules_version: rules.version().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assessed(amount: &str) -> Assessment {
        let body = format!(r#"{{"transaction_id": "t", "user_id": "u", "amount": {amount}}}"#);
        let transaction = Transaction::parse(body.as_bytes()).expect("valid");
        assess(&transaction, &Context::unknown(1_700_000_000), Rules::builtin())
    }

    #[test]
    fn ordinary_amounts_score_exactly_a_tenth() {
        for amount in ["0", "-0.00", "0.01", "150.50", "10000", "1e4", "10000.00"] {
            let assessment = assessed(amount);
            assert_eq!(assessment.fraud_score.to_string(), "0.1", "{amount}");
            assert!(!assessment.is_suspicious, "{amount}");
        }
    }

    #[test]
    fn amounts_outside_the_limits_score_nine_tenths_and_are_suspicious() {
        for amount in ["10000.01", "15000", "-0.01", "-15000", "999999999999999.99"] {
            let assessment = assessed(amount);
            assert_eq!(assessment.fraud_score.to_string(), "0.9", "{amount}");
            assert!(assessment.is_suspicious, "{amount}");
        }
    }

    #[test]
    fn a_score_is_a_json_number() {
        assert_eq!(
            serde_json::json!([Score::BASELINE, Score::FLAGGED]).to_string(),
            "[0.1,0.9]"
        );
        assert_eq!(serde_json::to_string(&Score::FLAGGED).expect("serializable"), "0.9");
    }
}
