//! Training: the limits and weights of the rules from transactions of which it is known whether they were fraud.
//!
//! Nothing is learned from the future. What a transaction's features show is what the function would have seen
//! ([`Replay`]), and a transaction is learned from only if its label was given before the cut: the beginning of the days
//! that are held out to judge the result. Whatever happened shortly before the cut and was labelled after it is neither
//! learned from nor judged.

use std::borrow::Borrow;

use fraud::feedback::{DAY_SECONDS, LABEL_DELAY_DAYS, LONGEST_WINDOW_DAYS};
use fraud::{Features, InvalidRules, Ladder, Rule, Rules, Step};
use rust_decimal::Decimal;
use rust_decimal::prelude::{FromPrimitive, ToPrimitive};

use crate::metrics::Ranking;
use crate::model::{self, Increment, Row};
use crate::read::span;
use crate::record::Record;
use crate::replay::{OutOfOrder, Replay};

/// Rules whose limits are found in the data. Those of the others are somebody's knowledge, and only what they weigh is
/// learned.
const LIMITS_LEARNED: [Rule; 8] = [
    Rule::AmountVsHistory,
    Rule::Amount,
    Rule::RecentLarge,
    Rule::LargeStreak,
    Rule::MerchantFraudRate1d,
    Rule::MerchantFraudRate7d,
    Rule::MerchantFraudRate30d,
    Rule::MerchantFraudOnset,
];

/// A rule that fires less often than this in the data is left as it is: the data says nothing about it.
pub const LEAST_EVIDENCE: usize = 100;

/// Training needs this many frauds.
pub const LEAST_FRAUDS: usize = 50;

/// Training needs this many honest transactions.
pub const LEAST_HONEST: usize = 500;

/// The amount weighs at most this: with a level of 0.85 it takes a second reason to become suspicious. What is much
/// money is another matter with every owner, and the simulator's own border between honest and not, at 220, is nobody's.
const MOST_FOR_AMOUNT: Decimal = Decimal::from_parts(8, 0, 0, false, 1);

/// More honest transactions than this are thinned out evenly. That moves the odds of any fraud, which the rules leave
/// out anyhow, and not what a step adds to them.
const MOST_HONEST: usize = 60_000;

/// The same for frauds.
const MOST_FRAUDS: usize = 30_000;

/// How to train.
#[derive(Debug, Clone)]
pub struct TrainOptions {
    /// The name of the rules to be.
    pub version: String,
    /// Where the data says nothing, these stay: their smoothing, what is suspicious, the amplifiers, and the rules that
    /// hardly ever fire in the data.
    pub base: Rules,
    /// The last days are held out, to judge what was learned from the days before.
    pub holdout_days: u64,
    /// In the first days the histories and counters fill; nothing is learned from these, nor from more than a third of
    /// the time.
    pub warm_up_days: u64,
    /// Which share of the transactions that become suspicious should be fraud. The scores are scaled to that.
    pub precision: f64,
}

impl Default for TrainOptions {
    /// From the built-in rules, with two weeks held out.
    fn default() -> Self {
        Self {
            version: "candidate".to_owned(),
            base: Rules::builtin().clone(),
            holdout_days: 14,
            warm_up_days: LONGEST_WINDOW_DAYS + LABEL_DELAY_DAYS,
            precision: 0.8,
        }
    }
}

/// What became of the training.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The rules: a candidate, deployed by nobody yet.
    pub rules: Rules,
    /// What they were learned from and how well they do.
    pub report: TrainReport,
}

/// What rules were learned from, and how well they do on what they were not learned from.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainReport {
    /// How many transactions were learned from.
    pub transactions: usize,
    /// How many of them were fraud.
    pub frauds: usize,
    /// Which labels were known: those given before this moment, in seconds since the Unix epoch.
    pub known_until: u64,
    /// What became of each rule.
    pub rules: Vec<(Rule, Fate)>,
    /// The new rules on the days held out; nothing if these have no fraud or nothing else.
    pub held_out: Option<HeldOut>,
    /// The rules that were there before, on the same days.
    pub held_out_base: Option<HeldOut>,
}

/// What the training did to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its steps are learned.
    Learned,
    /// It is as it was: the data says nothing about it, or it is an amplifier.
    Kept,
    /// It tells nothing that the others do not; it has no steps any more.
    Dropped,
}

/// How well rules do on days that they were not learned from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeldOut {
    /// How many transactions of known outcome there were.
    pub transactions: usize,
    /// How many of them were fraud.
    pub frauds: u64,
    /// The area under the ROC curve.
    pub auc: f64,
    /// The average precision.
    pub average_precision: f64,
    /// How many become suspicious each day.
    pub suspicious_per_day: f64,
    /// Which share of these is fraud.
    pub precision: f64,
    /// Which share of the frauds becomes suspicious.
    pub recall: f64,
}

/// No rules could be learned.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The records are not sorted.
    #[error(transparent)]
    OutOfOrder(#[from] OutOfOrder),
    /// There is nothing or hardly anything to learn from.
    #[error(
        "only {frauds} frauds and {honest} honest transactions were labelled before the last {holdout_days} days, and \
         training needs {LEAST_FRAUDS} and {LEAST_HONEST}: label more transactions, or hold out fewer days"
    )]
    TooFew {
        /// Frauds known at the cut.
        frauds: usize,
        /// Honest transactions known at the cut.
        honest: usize,
        /// As the options have it.
        holdout_days: u64,
    },
    /// All of it would be held out.
    #[error(
        "the transactions span {span}, and the last {holdout_days} days are held out, so that nothing is left to learn \
         from: hold out fewer days"
    )]
    TooShort {
        /// How long the transactions span.
        span: String,
        /// As the options have it.
        holdout_days: u64,
    },
    /// The features say nothing.
    #[error("no rule tells the frauds from the honest transactions; are the labels right?")]
    NothingLearned,
    /// The regression gave up.
    #[error("the logistic regression found no solution")]
    Fit(#[source] Box<linfa_logistic::error::Error>),
    /// The result is no set of rules.
    #[error(transparent)]
    Rules(#[from] InvalidRules),
}

/// Learns from records one by one, so that they need not be in memory together.
#[derive(Debug)]
pub struct Trainer {
    options: TrainOptions,
    replay: Replay,
    rows: Vec<Row>,
    first: Option<u64>,
    last: u64,
}

/// Learns rules from records in the order of time. See [`Trainer`].
///
/// # Errors
///
/// See [`TrainError`].
pub fn train<R: Borrow<Record>>(
    records: impl IntoIterator<Item = R>,
    options: TrainOptions,
) -> Result<Trained, TrainError> {
    let mut trainer = Trainer::new(options);
    for record in records {
        trainer.add(record.borrow())?;
    }
    trainer.finish()
}

impl Trainer {
    /// Nothing is known yet.
    pub fn new(options: TrainOptions) -> Self {
        Self {
            options,
            replay: Replay::new(),
            rows: Vec::new(),
            first: None,
            last: 0,
        }
    }

    /// Takes the next record, labelled or not: the others' histories need it either way.
    ///
    /// # Errors
    ///
    /// It is older than the one before.
    pub fn add(&mut self, record: &Record) -> Result<(), OutOfOrder> {
        let smoothing = self.options.base.smoothing();
        let features = self.replay.next(record, |transaction, context| {
            Features::observe(transaction, context, smoothing)
        })?;
        self.first.get_or_insert(record.timestamp);
        self.last = record.timestamp;
        if let (Some(fraud), Some(labelled_at)) = (record.fraud, record.labelled_at) {
            self.rows.push(Row {
                observed: Rule::ALL.map(|rule| features.of(rule).to_f32().unwrap_or_default()),
                fraud,
                at: record.timestamp,
                labelled_at,
            });
        }
        Ok(())
    }

    /// Learns.
    ///
    /// # Errors
    ///
    /// Too little is known, or nothing tells the frauds from the rest.
    pub fn finish(self) -> Result<Trained, TrainError> {
        let Self {
            options,
            replay,
            rows,
            first,
            last,
        } = self;
        // Nobody's history is needed any more, and the fit needs room.
        drop(replay);
        let options = &options;
        let first = first.unwrap_or_default();
        let cut = (last + 1).saturating_sub(options.holdout_days * DAY_SECONDS);
        if cut <= first && !rows.is_empty() {
            return Err(TrainError::TooShort {
                span: span(last - first),
                holdout_days: options.holdout_days,
            });
        }
        let warm = first + (options.warm_up_days * DAY_SECONDS).min((last - first) / 3);
        let known: Vec<&Row> = rows
            .iter()
            .filter(|row| row.at >= warm && row.labelled_at <= cut)
            .collect();
        let held_out: Vec<&Row> = rows.iter().filter(|row| row.at >= cut).collect();
        let frauds = known.iter().filter(|row| row.fraud).count();
        if frauds < LEAST_FRAUDS || known.len() - frauds < LEAST_HONEST {
            return Err(TrainError::TooFew {
                frauds,
                honest: known.len() - frauds,
                holdout_days: options.holdout_days,
            });
        }

        let (steps, mut fates) = steps_to_try(&known, &options.base);
        let increments =
            model::fit(&thinned(&known, frauds), steps).map_err(|error| TrainError::Fit(Box::new(error)))?;
        if increments.is_empty() {
            return Err(TrainError::NothingLearned);
        }
        for (rule, fate) in &mut fates {
            if *fate == Fate::Learned && increments.iter().all(|step| step.rule != *rule) {
                *fate = Fate::Dropped;
            }
        }
        let scale = scale(&increments, &known, options);
        let rules = rules_of(&increments, scale, &fates, options)?;
        let report = TrainReport {
            transactions: known.len(),
            frauds,
            known_until: cut,
            rules: fates,
            held_out: judge(&rules, &held_out, options.holdout_days),
            held_out_base: judge(&options.base, &held_out, options.holdout_days),
        };
        Ok(Trained { rules, report })
    }
}

/// A rule and a limit that the fit may use.
type Try = (Rule, f32);

/// The steps that the fit may use, and what then becomes of each rule.
fn steps_to_try(known: &[&Row], base: &Rules) -> (Vec<Try>, Vec<(Rule, Fate)>) {
    let mut steps = Vec::new();
    let mut fates = Vec::new();
    for rule in Rule::ALL {
        let limits = if rule.is_amplifier() {
            Vec::new()
        } else if LIMITS_LEARNED.contains(&rule) {
            model::limits(rule, known)
        } else {
            let steps = base.ladder(rule).steps().iter();
            steps.map(|step| step.limit.to_f32().unwrap_or_default()).collect()
        };
        let fires = limits
            .first()
            .map_or(0, |lowest| known.iter().filter(|row| row.of(rule) > *lowest).count());
        if fires < LEAST_EVIDENCE {
            fates.push((rule, Fate::Kept));
        } else {
            fates.push((rule, Fate::Learned));
            steps.extend(limits.into_iter().map(|limit| (rule, limit)));
        }
    }
    (steps, fates)
}

/// Every n-th transaction of each kind, so that no more remain than the fit can hold.
fn thinned<'a>(known: &[&'a Row], frauds: usize) -> Vec<&'a Row> {
    let every_fraud = frauds.div_ceil(MOST_FRAUDS).max(1);
    let every_honest = (known.len() - frauds).div_ceil(MOST_HONEST).max(1);
    let (mut seen_frauds, mut seen_honest) = (0, 0);
    known
        .iter()
        .filter(|row| {
            let (seen, every) = if row.fraud {
                (&mut seen_frauds, every_fraud)
            } else {
                (&mut seen_honest, every_honest)
            };
            *seen += 1;
            *seen % every == 0
        })
        .copied()
        .collect()
}

/// What the contributions are multiplied with, so that the highest sum at which enough of what lies above is fraud
/// becomes the score at which a transaction is suspicious.
///
/// A factor common to all changes no order. Without it the scores would say how likely fraud is, and "suspicious" would
/// mean whatever share of frauds the data happened to have.
fn scale(increments: &[Increment], known: &[&Row], options: &TrainOptions) -> f64 {
    let ranking = Ranking::of(known.iter().map(|row| (model::sum(increments, row), row.fraud)));
    let steps = ranking.steps();
    // The few at the very top are no sample; one in a thousand frauds is.
    let enough = ranking.frauds() / 1_000 + 10;
    let last = steps
        .iter()
        .rposition(|step| step.precision() >= options.precision && step.frauds >= enough)
        .or_else(|| {
            let solid = (0..steps.len()).filter(|index| steps[*index].frauds >= enough);
            solid.max_by(|one, other| steps[*one].precision().total_cmp(&steps[*other].precision()))
        })
        .unwrap_or_default();
    let above = steps.get(last).map_or(1.0, |step| step.score);
    let below = steps.get(last + 1).map_or(0.0, |step| step.score);
    suspicious_sum(&options.base) / f64::midpoint(above, below).max(f64::MIN_POSITIVE)
}

/// The sum of contributions at which a score is the one above which a transaction is suspicious.
fn suspicious_sum(rules: &Rules) -> f64 {
    let level = rules.suspicious_above().to_f64().unwrap_or_default();
    // Where everything or nothing is suspicious, the level is no guide.
    let level = if level > 0.1 && level < 1.0 { level } else { 0.85 };
    -(1.0 - (level - 0.1) / 0.9).ln()
}

/// Contributions as the weights of ladders.
fn rules_of(
    increments: &[Increment],
    scale: f64,
    fates: &[(Rule, Fate)],
    options: &TrainOptions,
) -> Result<Rules, InvalidRules> {
    let mut ladders = Vec::new();
    for (rule, fate) in fates {
        let ladder = match fate {
            Fate::Kept => options.base.ladder(*rule).clone(),
            Fate::Dropped => Ladder::default(),
            Fate::Learned => {
                let mut sum = 0.0;
                let mut steps: Vec<Step> = Vec::new();
                for step in increments.iter().filter(|step| step.rule == *rule) {
                    sum += step.adds;
                    let weight = weight_of(scale * sum);
                    let weight = if *rule == Rule::Amount {
                        weight.min(MOST_FOR_AMOUNT)
                    } else {
                        weight
                    };
                    if steps.last().is_none_or(|before| weight > before.weight) && weight > Decimal::ZERO {
                        let limit = Decimal::from_f32(step.limit).unwrap_or_default().round_dp(4);
                        steps.push(Step { limit, weight });
                    }
                }
                Ladder::new(steps).map_err(|error| InvalidRules(format!("ladders.{rule}{error}")))?
            }
        };
        ladders.push((*rule, ladder));
    }
    let base = &options.base;
    Rules::new(&options.version, base.suspicious_above(), base.smoothing(), ladders)
}

/// `1 - exp(-sum)` to four decimals, and less than 1.
fn weight_of(sum: f64) -> Decimal {
    let weight = Decimal::from_f64(1.0 - (-sum).exp()).unwrap_or_default();
    weight.round_dp(4).min(Decimal::new(9_999, 4))
}

/// Scores the rows by the rules and counts.
fn judge(rules: &Rules, rows: &[&Row], days: u64) -> Option<HeldOut> {
    let scorer = Scorer::new(rules);
    let ranking = Ranking::of(rows.iter().map(|row| (scorer.score(row), row.fraud)));
    let level = rules.suspicious_above().to_f64()?;
    let at_level = ranking.above(level);
    Some(HeldOut {
        transactions: rows.len(),
        frauds: ranking.frauds(),
        auc: ranking.auc()?,
        average_precision: ranking.average_precision()?,
        suspicious_per_day: at_level.alerts as f64 / days.max(1) as f64,
        precision: at_level.precision,
        recall: at_level.recall?,
    })
}

/// [`fraud::assess`] on rows that hold features and no transaction.
struct Scorer {
    /// Limits and what is left of the distance to 1, the highest limit first.
    steps: Vec<(Rule, Vec<(f32, f64)>)>,
}

impl Scorer {
    fn new(rules: &Rules) -> Self {
        let steps_of = |rule: Rule| {
            let steps = rules.ladder(rule).steps().iter().rev();
            steps
                .map(|step| {
                    let left = (Decimal::ONE - step.weight).to_f64().unwrap_or(1.0);
                    (step.limit.to_f32().unwrap_or_default(), left)
                })
                .collect()
        };
        Self {
            steps: Rule::ALL.into_iter().map(|rule| (rule, steps_of(rule))).collect(),
        }
    }

    /// The score to six decimals. The base rule is not looked at: it is learned by nobody.
    fn score(&self, row: &Row) -> f64 {
        let mut left = 1.0;
        let mut fired = false;
        // The amplifiers are the last of all rules.
        for (rule, steps) in &self.steps {
            if rule.is_amplifier() && !fired {
                break;
            }
            let observed = row.of(*rule);
            if let Some((_, rest)) = steps.iter().find(|(limit, _)| observed > *limit) {
                fired = true;
                left *= rest;
            }
        }
        ((1.0 - 0.9 * left) * 1e6).round() / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{Size, simulate};

    fn small() -> Size {
        Size {
            customers: 300,
            terminals: 300,
            days: 80,
        }
    }

    fn options() -> TrainOptions {
        TrainOptions {
            version: "small-1".to_owned(),
            ..TrainOptions::default()
        }
    }

    #[test]
    fn rules_are_learned_that_do_well_on_days_they_were_not_learned_from() {
        let trained = train(simulate(1, &small()), options()).expect("trained");
        assert_eq!(trained.rules.version(), "small-1");
        assert_eq!(Rules::parse(&trained.rules.to_json()).as_ref(), Ok(&trained.rules));
        let held_out = trained.report.held_out.expect("frauds in the last days");
        assert!(held_out.auc > 0.7, "{held_out:?}");
        assert!(held_out.average_precision > 0.3, "{held_out:?}");
        assert!(held_out.suspicious_per_day > 0.0, "{held_out:?}");
        assert_eq!(trained.report.rules.len(), Rule::ALL.len());
        let amount = trained.rules.ladder(Rule::Amount).steps();
        assert!(amount.iter().all(|step| step.weight <= MOST_FOR_AMOUNT), "{amount:?}");
    }

    #[test]
    fn what_the_data_says_nothing_about_stays_as_it_was() {
        let trained = train(simulate(1, &small()), options()).expect("trained");
        for (rule, fate) in trained.report.rules {
            let ladder = trained.rules.ladder(rule);
            match fate {
                Fate::Kept => assert_eq!(ladder, Rules::builtin().ladder(rule), "{rule}"),
                Fate::Dropped => assert!(ladder.steps().is_empty(), "{rule}"),
                Fate::Learned => assert!(!ladder.steps().is_empty(), "{rule}"),
            }
            if rule.is_amplifier() || rule == Rule::Structuring {
                assert_eq!(fate, Fate::Kept, "{rule}");
            }
        }
    }

    #[test]
    fn labels_given_after_the_cut_change_nothing() {
        let records: Vec<Record> = simulate(2, &small()).collect();
        let trained = train(&records, options()).expect("trained");
        let known_until = trained.report.known_until;
        let flipped = records.into_iter().map(|mut record| {
            if record.labelled_at > Some(known_until) {
                record.fraud = record.fraud.map(|fraud| !fraud);
            }
            record
        });
        assert_eq!(train(flipped, options()).expect("trained").rules, trained.rules);
    }

    #[test]
    fn a_row_scores_as_its_transaction_does() {
        let rules = Rules::builtin();
        let mut trainer = Trainer::new(options());
        let mut replay = Replay::new();
        let mut above_baseline = 0;
        for record in simulate(3, &small()) {
            trainer.add(&record).expect("in order");
            let expected = replay.assess(&record, rules).expect("in order").fraud_score.value();
            let score = Scorer::new(rules).score(trainer.rows.last().expect("labelled"));
            assert!((score - expected.to_f64().expect("small")).abs() < 2e-6, "{record:?}");
            above_baseline += usize::from(score > 0.1);
        }
        assert!(above_baseline > 100, "{above_baseline}");
    }

    #[test]
    fn too_few_frauds_are_said_to_be_too_few() {
        let size = Size {
            customers: 20,
            terminals: 50,
            days: 30,
        };
        let error = train(simulate(1, &size), options()).expect_err("too few");
        assert!(matches!(error, TrainError::TooFew { holdout_days: 14, .. }));
        assert!(error.to_string().contains("label more transactions"), "{error}");
        let error = train(Vec::<Record>::new(), options()).expect_err("nothing");
        assert!(matches!(
            error,
            TrainError::TooFew {
                frauds: 0,
                honest: 0,
                ..
            }
        ));
    }

    #[test]
    fn strangers_at_unknown_shops_teach_nothing() {
        let records = (0..2_000_u64).map(|number| Record {
            transaction_id: number.to_string(),
            user_id: number.to_string(),
            merchant: number.to_string(),
            location: "l".to_owned(),
            amount: Decimal::from(number),
            timestamp: number * 3_600,
            fraud: Some(number % 3 == 0),
            labelled_at: Some(number * 3_600),
            scenario: 0,
        });
        assert!(matches!(train(records, options()), Err(TrainError::NothingLearned)));
    }

    #[test]
    fn records_out_of_order_are_refused() {
        let mut records: Vec<Record> = simulate(1, &small()).take(50).collect();
        records.reverse();
        assert!(matches!(train(records, options()), Err(TrainError::OutOfOrder(_))));
    }

    #[test]
    fn weights_stay_below_one() {
        assert_eq!(weight_of(0.0), Decimal::ZERO);
        assert_eq!(weight_of(std::f64::consts::LN_2).to_string(), "0.5");
        assert_eq!(weight_of(1e9).to_string(), "0.9999");
    }
}
