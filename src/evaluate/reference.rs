//! Something to hold the rules against: a logistic regression as the published one, on the very facts that the function
//! has at hand. It is trained on one week and explains nothing; nobody deploys it.
//!
//! Its features are the published ones where the function can know them: the amount, weekend and night, how many
//! transactions the user made in 1, 7 and 30 days and their mean amount, and how many labels the merchant has of as many
//! days and which share of them is fraud. Of a user only the last [`HISTORY_LIMIT`] transactions are known.
//!
//! [`HISTORY_LIMIT`]: fraud::HISTORY_LIMIT

use fraud::feedback::{DAY_SECONDS, LABEL_DELAY_DAYS, day_of};
use fraud::{Context, Transaction};
use linfa::Dataset;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2};
use rust_decimal::prelude::ToPrimitive;

/// In days.
const WINDOWS: [u64; 3] = [1, 7, 30];

const FEATURES: usize = 3 + 4 * WINDOWS.len();

/// The penalty on the squares of the coefficients, as scikit-learn has it unless told otherwise.
const PENALTY: f64 = 1.0;

const MAX_ITERATIONS: u64 = 200;

/// Where the slope is less than this, per transaction, the fit is done: further on there is only noise.
const TOLERANCE: f64 = 1e-6;

/// What the regression sees of one transaction.
pub(crate) type Facts = [f64; FEATURES];

/// A regression in the making: the facts of a training and of a test.
#[derive(Debug, Default)]
pub(crate) struct Reference {
    learned: Vec<(Facts, bool)>,
    tested: Vec<Facts>,
}

impl Reference {
    /// Learns from a transaction of known outcome.
    pub(crate) fn learn(&mut self, facts: Facts, fraud: bool) {
        self.learned.push((facts, fraud));
    }

    /// Keeps a transaction to be scored.
    pub(crate) fn test(&mut self, facts: Facts) {
        self.tested.push(facts);
    }

    /// Fits, and says how likely each of the tested transactions is fraud. Nothing if it cannot be fitted, as where one
    /// of the two kinds was not seen.
    pub(crate) fn scores(&self) -> Option<Vec<f64>> {
        let frauds = self.learned.iter().filter(|(_, fraud)| *fraud).count();
        if frauds == 0 || frauds == self.learned.len() {
            return None;
        }
        let scale = Scale::of(&self.learned);
        let scaled: Vec<Facts> = self.learned.iter().map(|(facts, _)| scale.apply(facts)).collect();
        let inputs = Array2::from_shape_fn((scaled.len(), FEATURES), |(row, feature)| scaled[row][feature]);
        let targets: Array1<bool> = self.learned.iter().map(|(_, fraud)| *fraud).collect();
        let fitted = LogisticRegression::default()
            .alpha(PENALTY)
            .with_intercept(true)
            .max_iterations(MAX_ITERATIONS)
            .gradient_tolerance(TOLERANCE * scaled.len() as f64)
            .fit(&Dataset::new(inputs, targets))
            .ok()?;
        // The fit takes the more frequent kind as the positive one.
        let towards_fraud = if fitted.labels().pos.class { 1.0 } else { -1.0 };
        let probability = |facts: &Facts| {
            let terms = scale.apply(facts).into_iter().zip(fitted.params());
            let sum = terms.map(|(fact, weight)| fact * weight).sum::<f64>() + fitted.intercept();
            1.0 / (1.0 + (-towards_fraud * sum).exp())
        };
        Some(self.tested.iter().map(probability).collect())
    }
}

/// The mean and the spread of each feature in the training.
struct Scale {
    mean: Facts,
    spread: Facts,
}

impl Scale {
    fn of(rows: &[(Facts, bool)]) -> Self {
        let count = rows.len() as f64;
        let mut scale = Self {
            mean: [0.0; FEATURES],
            spread: [1.0; FEATURES],
        };
        for feature in 0..FEATURES {
            let values = rows.iter().map(|(facts, _)| facts[feature]);
            let mean = values.clone().sum::<f64>() / count;
            let variance = values.map(|value| (value - mean) * (value - mean)).sum::<f64>() / count;
            scale.mean[feature] = mean;
            // What never changes says nothing, whatever it is divided by.
            scale.spread[feature] = if variance > 0.0 { variance.sqrt() } else { 1.0 };
        }
        scale
    }

    fn apply(&self, facts: &Facts) -> Facts {
        std::array::from_fn(|feature| (facts[feature] - self.mean[feature]) / self.spread[feature])
    }
}

/// What the regression sees of a transaction.
pub(crate) fn look(transaction: &Transaction, context: &Context<'_>) -> Facts {
    let mut facts = [0.0; FEATURES];
    let amount = transaction.amount.to_f64().unwrap_or_default();
    let today = day_of(context.at);
    facts[0] = amount;
    // 1970-01-01 was a Thursday.
    facts[1] = flag((today + 3) % 7 >= 5);
    facts[2] = flag(context.at % DAY_SECONDS / 3_600 <= 6);
    for (window, days) in WINDOWS.into_iter().enumerate() {
        let at = 3 + 4 * window;
        // This one counts too.
        let (mut count, mut sum) = (1.0, amount);
        let since = context.at.saturating_sub(days * DAY_SECONDS);
        for past in context.history.iter().take_while(|past| past.timestamp > since) {
            count += 1.0;
            sum += past.amount.to_f64().unwrap_or_default();
        }
        facts[at] = count;
        facts[at + 1] = sum / count;
        let labels = context.merchant.iter();
        let (mut frauds, mut all) = (0, 0);
        for counts in labels.filter(|counts| today.saturating_sub(counts.day) <= days + LABEL_DELAY_DAYS) {
            frauds += counts.fraud;
            all += counts.fraud + counts.ok;
        }
        facts[at + 2] = all as f64;
        facts[at + 3] = if all == 0 { 0.0 } else { frauds as f64 / all as f64 };
    }
    facts
}

fn flag(set: bool) -> f64 {
    f64::from(u8::from(set))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fraud::{DayCount, Past};
    use rust_decimal::Decimal;

    const DAY: u64 = DAY_SECONDS;

    fn transaction(amount: i64) -> Transaction {
        Transaction {
            transaction_id: "t".to_owned(),
            user_id: "u".to_owned(),
            amount: Decimal::from(amount),
            merchant: "m".to_owned(),
            location: "l".to_owned(),
        }
    }

    fn past(timestamp: u64, amount: i64) -> Past {
        Past {
            timestamp,
            amount: Decimal::from(amount),
            merchant: "m".to_owned(),
            location: "l".to_owned(),
        }
    }

    #[test]
    fn the_facts_are_those_of_their_windows() {
        // 2018-08-11, a Saturday, at 03:00.
        let at = 17_754 * DAY + 3 * 3_600;
        let history = [
            past(at - 60, 20),
            past(at - DAY, 30),
            past(at - 8 * DAY, 40),
            past(at - 40 * DAY, 900),
        ];
        let day = |days: u64, fraud, ok| DayCount {
            day: 17_754 - days,
            fraud,
            ok,
        };
        let merchant = [day(8, 1, 0), day(9, 0, 3), day(20, 2, 2), day(38, 5, 5)];
        let context = Context {
            at,
            history: &history,
            merchant: &merchant,
        };
        let facts = look(&transaction(10), &context);
        assert_eq!(facts[..3], [10.0, 1.0, 1.0]);
        assert_eq!(facts[3..7], [2.0, 15.0, 1.0, 1.0]);
        assert_eq!(facts[7..11], [3.0, 20.0, 4.0, 0.25]);
        assert_eq!(facts[11..15], [4.0, 25.0, 8.0, 0.375]);
    }

    #[test]
    fn a_feature_that_tells_fraud_is_found() {
        let mut reference = Reference::default();
        for number in 0..1_000 {
            let mut facts = [0.0; FEATURES];
            facts[0] = f64::from(number % 100);
            reference.learn(facts, number % 100 > 90);
        }
        for amount in [10.0, 80.0, 99.0] {
            let mut facts = [0.0; FEATURES];
            facts[0] = amount;
            reference.test(facts);
        }
        let scores = reference.scores().expect("fitted");
        assert!(
            scores[0] < 0.05 && scores[0] < scores[1] && scores[2] > 0.6,
            "{scores:?}"
        );
    }

    #[test]
    fn nothing_is_fitted_to_one_kind_alone() {
        let mut reference = Reference::default();
        assert_eq!(reference.scores(), None);
        reference.learn([1.0; FEATURES], false);
        assert_eq!(reference.scores(), None);
    }
}
