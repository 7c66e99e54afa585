//! The model behind the rules: a logistic regression whose inputs are the steps of ladders.
//!
//! A score is `0.1 + 0.9 * (1 - p)` with `p` the product of `1 - weight` over the reasons. It grows with the sum of
//! `-ln(1 - weight)`, so it ranks transactions exactly as a sum of contributions does, one from each rule. A logistic
//! regression finds such contributions. What is different from any other is that no contribution may be below zero and
//! that a higher step may not contribute less than a lower one: so each step is an input of its own, "the limit is
//! exceeded", and what the fit finds for it is how much it adds to the step below. Steps for which that is not above
//! zero are left out and the rest is fitted again, until none is left.

use fraud::Rule;
use linfa::Dataset;
use linfa::traits::Fit;
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2};

/// What the rules observed of one transaction, and whether it was fraud.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// In the order of [`Rule::ALL`]. Four decimals of an everyday size fit exactly enough into 32 bits, and a year of
    /// transactions fits into memory.
    pub(crate) observed: [f32; Rule::ALL.len()],
    pub(crate) fraud: bool,
    /// When it happened.
    pub(crate) at: u64,
    /// When it became known whether it was fraud.
    pub(crate) labelled_at: u64,
}

impl Row {
    pub(crate) const fn of(&self, rule: Rule) -> f32 {
        self.observed[rule.index()]
    }
}

/// One step: how much is added to the sum when this rule observes more than this limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Increment {
    pub(crate) rule: Rule,
    pub(crate) limit: f32,
    pub(crate) adds: f64,
}

impl Increment {
    pub(crate) fn fires(&self, row: &Row) -> bool {
        row.of(self.rule) > self.limit
    }
}

/// The sum of contributions: the higher, the more suspicious.
pub(crate) fn sum(increments: &[Increment], row: &Row) -> f64 {
    increments
        .iter()
        .filter(|step| step.fires(row))
        .map(|step| step.adds)
        .sum()
}

/// Shares of the frauds at which a limit is tried.
const FRAUD_QUANTILES: [f64; 6] = [0.0, 0.2, 0.4, 0.6, 0.8, 0.9];

/// Shares of the honest transactions at which a limit is tried.
const HONEST_QUANTILES: [f64; 4] = [0.9, 0.99, 0.999, 0.9999];

/// A step that more than this share of the honest transactions exceeds is no reason: it says what is ordinary.
const ORDINARY: f64 = 0.25;

/// A step that adds less than this to the logarithm of the odds is not worth its line.
const LEAST_ADDED: f64 = 0.05;

/// The penalty on the squares of what the steps add: it keeps a step that few transactions exceed from saying much.
const PENALTY: f64 = 1.0;

/// Where a fit goes on improving by less than this, per transaction, it is done.
const TOLERANCE: f64 = 1e-6;

const MAX_ITERATIONS: u64 = 300;

/// The limits to try for a rule: where the frauds lie among themselves, and where the honest transactions end.
pub(crate) fn limits(rule: Rule, rows: &[&Row]) -> Vec<f32> {
    let sorted = |fraud: bool| {
        let mut values: Vec<f32> = rows
            .iter()
            .filter(|row| row.fraud == fraud && (!fraud || row.of(rule) > 0.0))
            .map(|row| row.of(rule))
            .collect();
        values.sort_unstable_by(f32::total_cmp);
        values
    };
    let (frauds, honest) = (sorted(true), sorted(false));
    let mut limits = vec![0.0];
    limits.extend(FRAUD_QUANTILES.iter().filter_map(|share| quantile(&frauds, *share)));
    limits.extend(HONEST_QUANTILES.iter().filter_map(|share| quantile(&honest, *share)));
    for limit in &mut limits {
        *limit = readable(*limit);
    }
    limits.sort_unstable_by(f32::total_cmp);
    limits.dedup();
    let ordinary = ORDINARY * honest.len() as f64;
    limits.retain(|limit| {
        let not_exceeded = honest.partition_point(|value| value <= limit);
        ((honest.len() - not_exceeded) as f64) <= ordinary && frauds.last().is_some_and(|most| most > limit)
    });
    limits
}

fn quantile(sorted: &[f32], share: f64) -> Option<f32> {
    let index = (share * sorted.len() as f64) as usize;
    sorted.get(index.min(sorted.len().checked_sub(1)?)).copied()
}

/// Three significant digits and at most four decimals: a limit that an analyst can read.
fn readable(limit: f32) -> f32 {
    let limit = f64::from(limit);
    if limit <= 0.0 {
        return 0.0;
    }
    let decimals = (2 - limit.log10().floor() as i32).clamp(-9, 4);
    let unit = 10_f64.powi(decimals);
    ((limit * unit).round() / unit) as f32
}

/// Fits what each step adds, and leaves out the steps that add nothing.
///
/// # Errors
///
/// What the regression says.
pub(crate) fn fit(rows: &[&Row], steps: Vec<(Rule, f32)>) -> Result<Vec<Increment>, linfa_logistic::error::Error> {
    let mut increments: Vec<Increment> = steps
        .into_iter()
        .map(|(rule, limit)| Increment { rule, limit, adds: 0.0 })
        .collect();
    // Each round leaves out one step at least, so this ends.
    while !increments.is_empty() {
        regress(rows, &mut increments)?;
        let before = increments.len();
        // What is below zero goes first: the others change when it is gone.
        let least = if increments.iter().any(|step| step.adds <= 0.0) {
            0.0
        } else {
            LEAST_ADDED
        };
        increments.retain(|step| step.adds > least);
        if increments.len() == before {
            break;
        }
    }
    Ok(increments)
}

fn regress(rows: &[&Row], increments: &mut [Increment]) -> Result<(), linfa_logistic::error::Error> {
    let inputs = Array2::from_shape_fn((rows.len(), increments.len()), |(row, step)| {
        f64::from(u8::from(increments[step].fires(rows[row])))
    });
    let targets: Array1<bool> = rows.iter().map(|row| row.fraud).collect();
    let dataset = Dataset::new(inputs, targets);
    // The regression speaks of the odds of the class that it met more often, which for once may be fraud.
    let frauds = rows.iter().filter(|row| row.fraud).count() as f64;
    let honest = rows.len() as f64 - frauds;
    let likely = if frauds > honest { 1.0 } else { -1.0 };
    // The intercept comes last and starts at the odds of any fraud.
    let from = |start: &dyn Fn(&Increment) -> f64| {
        let start = increments.iter().map(start).chain([(frauds / honest).ln()]);
        LogisticRegression::default()
            .alpha(PENALTY)
            .with_intercept(true)
            .max_iterations(MAX_ITERATIONS)
            .gradient_tolerance(TOLERANCE * rows.len() as f64)
            .initial_params(start.map(|value| likely * value).collect())
            .fit(&dataset)
    };
    // It goes on from where the last fit ended; should the search find no way down from there, from the beginning.
    let fitted = from(&|step| step.adds).or_else(|_| from(&|_| 0.0))?;
    let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
    for (step, adds) in increments.iter_mut().zip(fitted.params()) {
        step.adds = sign * adds;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_million_of_them_fit_beside_all_else() {
        assert_eq!(size_of::<Row>(), 80);
    }

    fn row(rule: Rule, observed: f32, fraud: bool) -> Row {
        let mut row = Row {
            observed: [0.0; Rule::ALL.len()],
            fraud,
            at: 0,
            labelled_at: 0,
        };
        row.observed[rule.index()] = observed;
        row
    }

    #[test]
    fn limits_are_short_numbers() {
        for (limit, short) in [
            (0.0, 0.0),
            (0.123_456, 0.123),
            (0.00123, 0.0012),
            (2.6449, 2.64),
            (217.44, 217.0),
            (98_765.0, 98_800.0),
        ] {
            assert_eq!(readable(limit), short);
        }
    }

    #[test]
    fn no_limit_is_tried_that_ordinary_transactions_exceed() {
        let mut rows: Vec<Row> = (0..100).map(|n| row(Rule::Amount, n as f32, false)).collect();
        rows.extend((0..100).map(|n| row(Rule::Amount, 2.0 * n as f32, true)));
        let rows: Vec<&Row> = rows.iter().collect();
        let limits = limits(Rule::Amount, &rows);
        assert!(limits.iter().all(|limit| *limit >= 74.0), "{limits:?}");
        assert!(limits.iter().any(|limit| *limit >= 99.0), "{limits:?}");
    }

    #[test]
    fn a_step_adds_what_the_odds_say_and_one_that_speaks_for_honesty_is_left_out() {
        // Above 1 the odds of fraud are 1 to 1 instead of 1 to 9; above 2 they fall again.
        let mut rows = Vec::new();
        for (observed, frauds, honest) in [(0.5, 100, 900), (1.5, 500, 500), (2.5, 100, 900)] {
            rows.extend((0..frauds).map(|_| row(Rule::Amount, observed, true)));
            rows.extend((0..honest).map(|_| row(Rule::Amount, observed, false)));
        }
        let rows: Vec<&Row> = rows.iter().collect();
        let steps = vec![(Rule::Amount, 1.0), (Rule::Amount, 2.0), (Rule::RecentLarge, 0.0)];
        let fitted = fit(&rows, steps).expect("fits");
        assert_eq!(fitted.len(), 1, "{fitted:?}");
        assert_eq!((fitted[0].rule, fitted[0].limit), (Rule::Amount, 1.0));
        // With the higher step gone, the odds above 1 are those of 600 to 1400.
        let expected = (600.0_f64 / 1400.0).ln() - (1.0_f64 / 9.0).ln();
        assert!((fitted[0].adds - expected).abs() < 0.05, "{fitted:?}");
    }
}
