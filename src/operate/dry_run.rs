//! What other rules would have made of the transactions that are stored.

use evaluate::{OutOfOrder, Record, Replay};
use fraud::{Assessment, Reason, Rules, Score, Threshold, assess};
use serde::Serialize;
use std::cmp::Reverse;

/// How many examples of each kind are shown.
const EXAMPLES: usize = 20;

/// Which transactions are compared. All of them are replayed, because the later ones are judged by the earlier ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope {
    /// Only those received at this time or later, in seconds since the Unix epoch.
    pub since: Option<u64>,
    /// Only so many of the latest.
    pub latest: Option<usize>,
}

/// What both sets of rules made of the same transactions.
#[derive(Clone, Debug, Serialize)]
pub struct DryRun {
    /// How many were replayed.
    pub replayed: u64,
    /// How many of them were compared.
    pub compared: u64,
    /// How many of these are labelled.
    pub labelled: u64,
    /// The threshold that scores were held against.
    pub threshold: String,
    /// By the rules in force.
    pub deployed: Side,
    /// By the candidate.
    pub candidate: Side,
    /// Alerts that the candidate alone gives.
    pub newly: Changed,
    /// Alerts that the rules in force alone give.
    pub no_longer: Changed,
}

/// What one set of rules made of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// Which rules.
    pub rules_version: String,
    /// How many alerts.
    pub alerts: u64,
    /// How many of them are labelled fraud.
    pub alerts_fraud: u64,
    /// How many of them are labelled ok.
    pub alerts_ok: u64,
    /// Of the labelled alerts, the share that was fraud; nothing when none is labelled.
    pub precision: Option<f64>,
    /// Of what is labelled fraud, the share that was alerted; nothing when there is none.
    pub recall: Option<f64>,
}

/// Transactions about which the two disagree.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Changed {
    /// How many.
    pub count: u64,
    /// Those of the highest scores.
    pub examples: Vec<Example>,
}

/// One transaction about which the two disagree.
#[derive(Clone, Debug, Serialize)]
pub struct Example {
    /// Its id.
    pub transaction_id: String,
    /// When it was received, in seconds since the Unix epoch.
    pub timestamp: u64,
    /// How much, as a text.
    pub amount: String,
    /// What was said of it.
    pub label: Option<&'static str>,
    /// Its score by the rules in force.
    pub deployed: Score,
    /// Its score by the candidate.
    pub candidate: Score,
    /// Why, by the rules that alert.
    pub reasons: Vec<Reason>,
}

/// Replays the records, which are in the order of time, and compares.
///
/// Both sets of rules see the same: what was known at the time of each transaction. That is what the tables tell; when the
/// function ran, a burst may not have seen itself, and a label that was corrected since is known here as it is now.
///
/// # Errors
/// The records are not in the order of time.
pub fn compare(
    records: &[Record],
    (deployed, candidate): (&Rules, &Rules),
    threshold: Threshold,
    scope: Scope,
) -> Result<DryRun, OutOfOrder> {
    let since = records.partition_point(|record| scope.since.is_some_and(|since| record.timestamp < since));
    let latest = records.len().saturating_sub(scope.latest.unwrap_or(usize::MAX));
    let first = since.max(latest);
    let mut replay = Replay::new();
    let mut found = Comparison::new(deployed, candidate, threshold);
    for (index, record) in records.iter().enumerate() {
        let seen = replay.next(record, |transaction, context| {
            (index >= first).then(|| {
                let by = |rules| assess(transaction, context, rules);
                (by(deployed), by(candidate))
            })
        })?;
        if let Some((old, new)) = seen {
            found.add(record, old, new);
        }
    }
    Ok(found.end(records.len()))
}

struct Comparison {
    threshold: Threshold,
    compared: u64,
    ok: u64,
    fraud: u64,
    deployed: Side,
    candidate: Side,
    newly: Changed,
    no_longer: Changed,
}

impl Comparison {
    fn new(deployed: &Rules, candidate: &Rules, threshold: Threshold) -> Self {
        Self {
            threshold,
            compared: 0,
            ok: 0,
            fraud: 0,
            deployed: Side::of(deployed.version()),
            candidate: Side::of(candidate.version()),
            newly: Changed::default(),
            no_longer: Changed::default(),
        }
    }

    fn add(&mut self, record: &Record, old: Assessment, new: Assessment) {
        self.compared += 1;
        match record.fraud {
            Some(true) => self.fraud += 1,
            Some(false) => self.ok += 1,
            None => {}
        }
        let alerts = |assessment: &Assessment| self.threshold.is_exceeded_by(assessment.fraud_score);
        let (before, after) = (alerts(&old), alerts(&new));
        self.deployed.count(before, record.fraud);
        self.candidate.count(after, record.fraud);
        let example = |reasons| Example {
            transaction_id: record.transaction_id.clone(),
            timestamp: record.timestamp,
            amount: record.amount.to_string(),
            label: record.fraud.map(|fraud| if fraud { "fraud" } else { "ok" }),
            deployed: old.fraud_score,
            candidate: new.fraud_score,
            reasons,
        };
        match (before, after) {
            (false, true) => self.newly.add(example(new.reasons)),
            (true, false) => self.no_longer.add(example(old.reasons)),
            _ => {}
        }
    }

    fn end(mut self, replayed: usize) -> DryRun {
        self.deployed.judge(self.fraud);
        self.candidate.judge(self.fraud);
        DryRun {
            replayed: u64::try_from(replayed).unwrap_or(u64::MAX),
            compared: self.compared,
            labelled: self.fraud + self.ok,
            threshold: self.threshold.to_string(),
            deployed: self.deployed,
            candidate: self.candidate,
            newly: self.newly.end(),
            no_longer: self.no_longer.end(),
        }
    }
}

impl Side {
    fn of(version: &str) -> Self {
        Self {
            rules_version: version.to_owned(),
            alerts: 0,
            alerts_fraud: 0,
            alerts_ok: 0,
            precision: None,
            recall: None,
        }
    }

    fn count(&mut self, alerts: bool, fraud: Option<bool>) {
        self.alerts += u64::from(alerts);
        self.alerts_fraud += u64::from(alerts && fraud == Some(true));
        self.alerts_ok += u64::from(alerts && fraud == Some(false));
    }

    fn judge(&mut self, fraud: u64) {
        self.precision = share(self.alerts_fraud, self.alerts_fraud + self.alerts_ok);
        self.recall = share(self.alerts_fraud, fraud);
    }
}

impl Changed {
    /// Keeps no more than are shown, and some to choose from.
    fn add(&mut self, example: Example) {
        self.count += 1;
        self.examples.push(example);
        if self.examples.len() >= 2 * EXAMPLES {
            self.tidy();
        }
    }

    fn end(mut self) -> Self {
        self.tidy();
        self
    }

    fn tidy(&mut self) {
        // Stable, so that of equal scores the earlier ones are kept.
        self.examples
            .sort_by_key(|example| Reverse(example.deployed.max(example.candidate)));
        self.examples.truncate(EXAMPLES);
    }
}

/// A share of nothing is none.
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::Decimal;

    /// A score that each amount gets, in cents of a hundred.
    fn assessed(score: &'static str) -> Assessment {
        let amount = match score {
            "0.9" => "10001",
            _ => "1",
        };
        let body = format!(r#"{{"transaction_id": "t", "user_id": "u", "amount": {amount}}}"#);
        let transaction = fraud::Transaction::parse(body.as_bytes()).unwrap();
        assess(&transaction, &fraud::Context::unknown(1), &Rules::bare())
    }

    fn record(number: u64, fraud: Option<bool>) -> Record {
        Record {
            transaction_id: format!("t-{number}"),
            user_id: "u".into(),
            merchant: "m".into(),
            location: "l".into(),
            amount: Decimal::from(number),
            timestamp: number,
            fraud,
            labelled_at: fraud.map(|_| number),
            scenario: 0,
        }
    }

    fn comparison() -> Comparison {
        Comparison::new(&Rules::bare(), Rules::builtin(), Threshold::DEFAULT)
    }

    #[test]
    fn precision_and_recall_are_of_what_is_labelled_alone() {
        let mut found = comparison();
        for (number, fraud, old, new) in [
            (1, Some(true), "0.9", "0.9"),
            (2, Some(true), "0.1", "0.9"),
            (3, Some(true), "0.1", "0.1"),
            (4, Some(false), "0.9", "0.1"),
            (5, Some(false), "0.1", "0.1"),
            (6, None, "0.9", "0.9"),
        ] {
            found.add(&record(number, fraud), assessed(old), assessed(new));
        }
        let end = found.end(9);
        assert_eq!((end.replayed, end.compared, end.labelled), (9, 6, 5));
        assert_eq!((end.deployed.alerts, end.deployed.precision), (3, Some(0.5)));
        assert_eq!(end.deployed.recall, Some(1.0 / 3.0));
        assert_eq!((end.candidate.alerts, end.candidate.precision), (3, Some(1.0)));
        assert_eq!(end.candidate.recall, Some(2.0 / 3.0));
        assert_eq!((end.newly.count, end.no_longer.count), (1, 1));
        let newly = &end.newly.examples[0];
        assert_eq!((newly.transaction_id.as_str(), newly.label), ("t-2", Some("fraud")));
        assert_eq!(newly.reasons[0].code, "AMOUNT_OVER_LIMIT");
        assert_eq!(end.no_longer.examples[0].transaction_id, "t-4");
    }

    #[test]
    fn nothing_labelled_gives_no_share() {
        let mut found = comparison();
        found.add(&record(1, None), assessed("0.9"), assessed("0.9"));
        let end = found.end(1);
        assert_eq!((end.candidate.precision, end.candidate.recall), (None, None));
    }

    #[test]
    fn no_more_examples_are_kept_than_are_shown() {
        let mut found = comparison();
        for number in 0..1_000 {
            found.add(&record(number, None), assessed("0.1"), assessed("0.9"));
        }
        let end = found.end(1_000);
        assert_eq!((end.newly.count, end.newly.examples.len()), (1_000, EXAMPLES));
        assert_eq!(end.newly.examples[0].transaction_id, "t-0");
    }

    #[test]
    fn the_earlier_ones_are_replayed_also_when_only_the_later_ones_are_compared() {
        let records: Vec<Record> = (0..10).map(|number| record(number, None)).collect();
        let rules = (&Rules::bare(), Rules::builtin());
        let compared = |scope| compare(&records, rules, Threshold::DEFAULT, scope).unwrap().compared;
        let of = |since, latest| compared(Scope { since, latest });
        assert_eq!(of(None, None), 10);
        assert_eq!(of(Some(7), None), 3);
        assert_eq!(of(None, Some(4)), 4);
        assert_eq!(of(Some(7), Some(1)), 1);
        assert_eq!(of(Some(100), None), 0);
        assert_eq!(of(None, Some(100)), 10);
    }

    #[test]
    fn the_same_rules_agree_about_everything() {
        let records: Vec<Record> = (0..60)
            .map(|number| record(number * 1_000, Some(number % 7 == 0)))
            .collect();
        let rules = (Rules::builtin(), Rules::builtin());
        let end = compare(&records, rules, Threshold::DEFAULT, Scope::default()).unwrap();
        assert_eq!(end.deployed, end.candidate);
        assert_eq!(end.newly.count + end.no_longer.count, 0);
    }
}
