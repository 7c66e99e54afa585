//! One evaluation from the seed to the verdicts: simulate, replay through the functions' own code, judge.

use std::sync::mpsc;
use std::thread;

use fraud::{Rules, Threshold};

use crate::protocol::{Trial, Verdict, Weeks, rank};
use crate::record::Record;
use crate::reference::{self, Reference};
use crate::replay::{OutOfOrder, Replay};
use crate::simulate::{Size, simulate};

/// So many records are handed from one thread to the other at once.
const BATCH: usize = 4_096;

/// So many batches may wait.
const WAITING: usize = 16;

/// What came out.
#[derive(Debug)]
pub struct Evaluation {
    /// The seed of the simulation.
    pub seed: u64,
    /// How many transactions were simulated, replayed and scored.
    pub transactions: u64,
    /// How many of them are fraud.
    pub frauds: u64,
    /// The test week with everybody's scores.
    pub trial: Trial,
}

/// Why nothing came out.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// There is no room for the weeks of the protocol.
    #[error("{days} days are too few: a week to train, a week of delay and a week to test are {fewest}", fewest = Weeks::FEWEST_DAYS)]
    TooShort {
        /// How many days were asked for.
        days: u32,
    },
    /// The records are not in the order of time.
    #[error(transparent)]
    Order(#[from] OutOfOrder),
}

/// The name of the scorer that is added to the rules: a logistic regression, fitted to the training week.
pub const REFERENCE: &str = "logistic";

/// Simulates with this seed and scores every transaction by each of these rules, with what was known when it happened. Of
/// the test week a logistic regression says its opinion too ([`REFERENCE`]), unless it cannot be fitted.
///
/// While one thread makes the records, another replays them; the outcome does not depend on who is faster. `progress` is
/// told now and then how many of how many transactions are done.
///
/// # Errors
///
/// The simulation is too short for the protocol.
pub fn evaluate(
    seed: u64,
    size: &Size,
    scorers: &[(&str, &Rules)],
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Evaluation, EvaluationError> {
    let weeks = Weeks::of_simulation(size.days).ok_or(EvaluationError::TooShort { days: size.days })?;
    let mut evaluation = Evaluation {
        seed,
        transactions: 0,
        frauds: 0,
        trial: Trial::new(weeks, scorers.iter().map(|(name, _)| *name)),
    };
    let mut replay = Replay::new();
    let mut reference = Reference::default();
    let simulation = simulate(seed, size);
    let total = simulation.len() as u64;
    thread::scope(|scope| {
        let (sender, batches) = mpsc::sync_channel::<Vec<Record>>(WAITING);
        scope.spawn(move || {
            let mut simulation = simulation.peekable();
            while simulation.peek().is_some() {
                let batch = simulation.by_ref().take(BATCH).collect();
                // Nobody takes any more: the other side has failed and says so.
                if sender.send(batch).is_err() {
                    return;
                }
            }
        });
        for batch in batches {
            for record in &batch {
                evaluation.take(record, &mut replay, scorers, &mut reference)?;
            }
            progress(evaluation.transactions, total);
        }
        Ok::<(), OutOfOrder>(())
    })?;
    if let Some(scores) = reference.scores() {
        evaluation.trial.add(REFERENCE, scores);
    }
    Ok(evaluation)
}

impl Evaluation {
    fn take(
        &mut self,
        record: &Record,
        replay: &mut Replay,
        scorers: &[(&str, &Rules)],
        reference: &mut Reference,
    ) -> Result<(), OutOfOrder> {
        self.transactions += 1;
        self.frauds += u64::from(record.fraud == Some(true));
        let weeks = self.trial.weeks();
        let trains = weeks.train.contains(&record.timestamp);
        let tests = weeks.test.contains(&record.timestamp);
        let (scores, facts) = replay.next(record, |transaction, context| {
            let assessments = scorers
                .iter()
                .map(|(_, rules)| fraud::assess(transaction, context, rules));
            let scores: Vec<f64> = assessments.map(|assessment| rank(assessment.fraud_score)).collect();
            (scores, (trains || tests).then(|| reference::look(transaction, context)))
        })?;
        let tested = self.trial.pass(record, || scores);
        match (facts, record.fraud) {
            // The labels of the training week are known when the test week begins.
            (Some(facts), Some(fraud)) if trains => reference.learn(facts, fraud),
            (Some(facts), _) if tested => reference.test(facts),
            _ => {}
        }
        Ok(())
    }

    /// How each scorer did, alerting above this threshold.
    pub fn verdicts(&self, threshold: Threshold) -> Vec<Verdict> {
        self.trial.verdicts(threshold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Size = Size {
        customers: 200,
        terminals: 400,
        days: 30,
    };

    #[test]
    fn the_base_rule_is_a_coin_here_because_it_never_fires() {
        let bare = Rules::bare();
        let mut seen = (0, 0);
        let evaluation = evaluate(1, &SMALL, &[("base", &bare)], &mut |done, total| seen = (done, total));
        let evaluation = evaluation.expect("long enough");
        assert_eq!(seen, (evaluation.transactions, evaluation.transactions));
        assert_eq!(evaluation.transactions, simulate(1, &SMALL).len() as u64);
        let frauds = simulate(1, &SMALL).filter(|record| record.fraud == Some(true)).count();
        assert_eq!(evaluation.frauds, frauds as u64);
        let verdict = &evaluation.verdicts(Threshold::DEFAULT)[0];
        assert_eq!(verdict.auc, Some(0.5));
        assert_eq!(verdict.alerts_per_day, 0.0);
    }

    #[test]
    fn the_same_seed_gives_the_same_verdicts() {
        let verdicts = || {
            let evaluation = evaluate(2, &SMALL, &[("ours", Rules::builtin())], &mut |_, _| ()).expect("long enough");
            evaluation.verdicts(Threshold::DEFAULT)
        };
        assert_eq!(verdicts(), verdicts());
    }

    #[test]
    fn too_short_a_simulation_is_refused_and_says_how_long_it_must_be() {
        let error = evaluate(1, &Size { days: 20, ..SMALL }, &[], &mut |_, _| ()).expect_err("too short");
        assert_eq!(
            error.to_string(),
            "20 days are too few: a week to train, a week of delay and a week to test are 21"
        );
    }
}
