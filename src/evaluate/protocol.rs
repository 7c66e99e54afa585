//! How scorers are judged, as the published results are: learn from one week, wait seven days for its labels, test on
//! the week after.
//!
//! Cards that are known to be compromised when a day of the test begins are left out of that day: a fraud of theirs
//! happened since the training began, and its label has become known. Whoever found it has blocked the card.

use std::collections::HashMap;
use std::ops::Range;

use fraud::Threshold;
use rust_decimal::prelude::ToPrimitive;
use serde::Serialize;

use crate::metrics::{CardScore, Ranking, card_precision};
use crate::record::Record;
use crate::simulate::START;

const DAY: u64 = fraud::feedback::DAY_SECONDS;

/// How long a training and a test last, in days.
pub const WEEK_DAYS: u32 = 7;

/// How long after a training week the test week begins, in days: long enough to know the labels of the training week.
pub const DELAY_DAYS: u32 = 7;

/// The day on which the published training week begins: 2018-07-25, counted from the simulator's first.
pub const PUBLISHED_TRAINING_DAY: u32 = 115;

/// How many cards of a day an investigator looks at.
pub const CARDS_A_DAY: usize = 100;

/// When is trained and when is tested, in seconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weeks {
    /// The training week.
    pub train: Range<u64>,
    /// The test week, from seven days after the training week.
    pub test: Range<u64>,
}

impl Weeks {
    /// The shortest time that has both weeks and the delay between them, in days.
    pub const FEWEST_DAYS: u32 = 2 * WEEK_DAYS + DELAY_DAYS;

    /// The weeks of which the first begins at this moment.
    pub fn from(start: u64) -> Self {
        let week = u64::from(WEEK_DAYS) * DAY;
        let test = start + week + u64::from(DELAY_DAYS) * DAY;
        Self {
            train: start..start + week,
            test: test..test + week,
        }
    }

    /// The published weeks of a simulation (training 2018-07-25 to 07-31, test 08-08 to 08-14), or the last ones of a
    /// shorter simulation. Nothing if it is shorter than [`Weeks::FEWEST_DAYS`].
    pub fn of_simulation(days: u32) -> Option<Self> {
        let latest = days.checked_sub(Self::FEWEST_DAYS)?;
        Some(Self::from(START + u64::from(latest.min(PUBLISHED_TRAINING_DAY)) * DAY))
    }

    /// Which day of the test a moment is in.
    fn test_day(&self, moment: u64) -> Option<u64> {
        self.test.contains(&moment).then(|| (moment - self.test.start) / DAY)
    }
}

/// A test in progress: records pass by in the order of time, each with what the scorers say of it.
#[derive(Debug)]
pub struct Trial {
    weeks: Weeks,
    names: Vec<String>,
    /// Since when each card is known to be compromised.
    known: HashMap<String, u64>,
    tested: Vec<Tested>,
    /// What each scorer said of each of `tested`.
    scores: Vec<Vec<f64>>,
}

#[derive(Debug)]
struct Tested {
    card: String,
    day: u64,
    fraud: bool,
    scenario: u8,
}

impl Trial {
    /// A test of these scorers.
    pub fn new(weeks: Weeks, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        Self {
            weeks,
            scores: vec![Vec::new(); names.len()],
            names,
            known: HashMap::new(),
            tested: Vec::new(),
        }
    }

    /// The weeks of the test.
    pub const fn weeks(&self) -> &Weeks {
        &self.weeks
    }

    /// Takes note of the next transaction, and asks for one score of each scorer, in their order, if it belongs to the
    /// test. Returns whether it does.
    ///
    /// Every transaction since the training began has to pass by, so that known cards are known; a transaction of which
    /// nobody knows whether it is fraud is not tested. Missing scores count as 0.
    pub fn pass<S: IntoIterator<Item = f64>>(&mut self, record: &Record, scores: impl FnOnce() -> S) -> bool {
        if record.timestamp < self.weeks.train.start {
            return false;
        }
        if let (Some(true), Some(at)) = (record.fraud, record.labelled_at) {
            let since = self.known.entry(record.user_id.clone()).or_insert(at);
            *since = at.min(*since);
        }
        let (Some(day), Some(fraud)) = (self.weeks.test_day(record.timestamp), record.fraud) else {
            return false;
        };
        let morning = self.weeks.test.start + day * DAY;
        if self.known.get(&record.user_id).is_some_and(|since| *since <= morning) {
            return false;
        }
        self.tested.push(Tested {
            card: record.user_id.clone(),
            day,
            fraud,
            scenario: record.scenario,
        });
        let mut scores = scores().into_iter();
        for column in &mut self.scores {
            column.push(scores.next().unwrap_or(0.0));
        }
        true
    }

    /// Adds a scorer that was asked elsewhere, with its scores in the order in which the tested transactions passed by.
    /// Missing scores count as 0.
    pub fn add(&mut self, name: impl Into<String>, mut scores: Vec<f64>) {
        scores.resize(self.tested.len(), 0.0);
        self.names.push(name.into());
        self.scores.push(scores);
    }

    /// How many transactions were tested.
    pub fn tested(&self) -> usize {
        self.tested.len()
    }

    /// How many of them are fraud.
    pub fn frauds(&self) -> usize {
        self.tested.iter().filter(|tested| tested.fraud).count()
    }

    /// The card precision of a scorer that knows the truth: no other can have more.
    pub fn best_card_precision(&self) -> Option<f64> {
        let truth: Vec<f64> = self
            .tested
            .iter()
            .map(|tested| f64::from(u8::from(tested.fraud)))
            .collect();
        self.card_precision(&truth)
    }

    /// Each scorer's name and its ranking of all that was tested.
    pub fn rankings(&self) -> impl Iterator<Item = (&str, Ranking)> {
        let names = self.names.iter().map(String::as_str);
        names.zip(self.scores.iter().map(|scores| self.ranking(scores, None)))
    }

    /// How each scorer did, alerting above this threshold.
    pub fn verdicts(&self, threshold: Threshold) -> Vec<Verdict> {
        let names = self.names.iter().zip(&self.scores);
        names
            .map(|(name, scores)| self.verdict(name, scores, threshold))
            .collect()
    }

    fn verdict(&self, name: &str, scores: &[f64], threshold: Threshold) -> Verdict {
        let threshold = number(threshold);
        let all = self.ranking(scores, None);
        let at = all.above(threshold);
        let mut scenarios: Vec<u8> = self
            .tested
            .iter()
            .filter(|one| one.fraud)
            .map(|one| one.scenario)
            .collect();
        scenarios.sort_unstable();
        scenarios.dedup();
        let by_scenario = scenarios.into_iter().map(|scenario| {
            let ranking = self.ranking(scores, Some(scenario));
            ScenarioVerdict {
                scenario,
                frauds: ranking.frauds(),
                auc: ranking.auc(),
                ap: ranking.average_precision(),
                recall: ranking.above(threshold).recall,
            }
        });
        Verdict {
            name: name.to_owned(),
            auc: all.auc(),
            ap: all.average_precision(),
            cp_at_100: self.card_precision(scores),
            alerts_per_day: at.alerts as f64 / f64::from(WEEK_DAYS),
            precision: at.precision,
            recall: at.recall,
            scenarios: by_scenario.collect(),
        }
    }

    /// The frauds of all scenarios, or of one, among all that is honest.
    fn ranking(&self, scores: &[f64], scenario: Option<u8>) -> Ranking {
        let tested = self.tested.iter().zip(scores);
        let wanted = tested.filter(|(one, _)| !one.fraud || scenario.is_none_or(|scenario| scenario == one.scenario));
        Ranking::of(wanted.map(|(one, score)| (*score, one.fraud)))
    }

    fn card_precision(&self, scores: &[f64]) -> Option<f64> {
        let cards = self.tested.iter().zip(scores).map(|(one, score)| CardScore {
            card: &one.card,
            day: one.day,
            score: *score,
            fraud: one.fraud,
        });
        card_precision(CARDS_A_DAY, cards)
    }
}

/// How one scorer did in the test week. A figure is missing where there was nothing to measure it by.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The scorer.
    pub name: String,
    /// The area under the ROC curve.
    pub auc: Option<f64>,
    /// The average precision.
    pub ap: Option<f64>,
    /// The card precision at [`CARDS_A_DAY`].
    pub cp_at_100: Option<f64>,
    /// How many transactions of a day exceed the threshold.
    pub alerts_per_day: f64,
    /// Which share of those is fraud; 0 when there are none.
    pub precision: f64,
    /// Which share of all fraud exceeds the threshold.
    pub recall: Option<f64>,
    /// The same for the frauds of each scenario alone, among all that is honest.
    pub scenarios: Vec<ScenarioVerdict>,
}

impl Verdict {
    /// The mean of one scorer's verdicts over several tests. A figure that one of them does not have, the mean does not
    /// have either; of the scenarios it has those that all have, with the number of frauds of all.
    pub fn mean(verdicts: &[&Self]) -> Self {
        let of = |figure: &dyn Fn(&Self) -> Option<f64>| {
            let figures: Option<Vec<f64>> = verdicts.iter().map(|verdict| figure(verdict)).collect();
            figures
                .filter(|all| !all.is_empty())
                .map(|all| all.iter().sum::<f64>() / all.len() as f64)
        };
        let scenarios = verdicts
            .first()
            .map_or(&[][..], |first| &first.scenarios)
            .iter()
            .filter_map(|one| {
                let all = verdicts
                    .iter()
                    .map(|verdict| verdict.scenarios.iter().find(|other| other.scenario == one.scenario));
                let all: Vec<&ScenarioVerdict> = all.collect::<Option<_>>()?;
                let of = |figure: &dyn Fn(&ScenarioVerdict) -> Option<f64>| {
                    let figures: Option<Vec<f64>> = all.iter().map(|one| figure(one)).collect();
                    figures.map(|figures| figures.iter().sum::<f64>() / all.len() as f64)
                };
                Some(ScenarioVerdict {
                    scenario: one.scenario,
                    frauds: all.iter().map(|one| one.frauds).sum(),
                    auc: of(&|one| one.auc),
                    ap: of(&|one| one.ap),
                    recall: of(&|one| one.recall),
                })
            });
        Self {
            name: verdicts.first().map(|verdict| verdict.name.clone()).unwrap_or_default(),
            auc: of(&|verdict| verdict.auc),
            ap: of(&|verdict| verdict.ap),
            cp_at_100: of(&|verdict| verdict.cp_at_100),
            alerts_per_day: of(&|verdict| Some(verdict.alerts_per_day)).unwrap_or_default(),
            precision: of(&|verdict| Some(verdict.precision)).unwrap_or_default(),
            recall: of(&|verdict| verdict.recall),
            scenarios: scenarios.collect(),
        }
    }
}

/// How one scorer did with the frauds of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScenarioVerdict {
    /// The scenario; 0 where it is not known.
    pub scenario: u8,
    /// How many frauds of it were tested.
    pub frauds: u64,
    /// The area under the ROC curve.
    pub auc: Option<f64>,
    /// The average precision.
    pub ap: Option<f64>,
    /// Which share of these frauds exceeds the threshold.
    pub recall: Option<f64>,
}

/// A threshold as the number that scores are compared with.
pub fn number(threshold: Threshold) -> f64 {
    // A threshold's text is a decimal.
    threshold.to_string().parse().unwrap_or(1.0)
}

/// A score as a number to rank by.
pub fn rank(score: fraud::Score) -> f64 {
    score.value().to_f64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::Decimal;

    fn record(user: &str, timestamp: u64, fraud: bool) -> Record {
        Record {
            transaction_id: format!("{user}-{timestamp}"),
            user_id: user.to_owned(),
            merchant: "m".to_owned(),
            location: "l".to_owned(),
            amount: Decimal::ONE,
            timestamp,
            fraud: Some(fraud),
            labelled_at: Some(timestamp + 7 * DAY),
            scenario: if fraud { 2 } else { 0 },
        }
    }

    #[test]
    fn the_published_weeks_are_those_of_the_reference() {
        let day = |date: u64| START + date * DAY;
        let weeks = Weeks::of_simulation(183).expect("long enough");
        // 2018-07-25 is 30 + 31 + 30 + 24 days after 2018-04-01.
        assert_eq!(weeks.train, day(115)..day(122));
        assert_eq!(weeks.test, day(129)..day(136));
        assert_eq!(Weeks::of_simulation(136), Some(weeks));
    }

    #[test]
    fn a_short_simulation_is_tested_on_its_last_week() {
        let weeks = Weeks::of_simulation(40).expect("long enough");
        assert_eq!(weeks.test.end, START + 40 * DAY);
        assert_eq!(Weeks::of_simulation(21).map(|weeks| weeks.train.start), Some(START));
        assert_eq!(Weeks::of_simulation(20), None);
    }

    #[test]
    fn only_the_test_week_is_scored() {
        let weeks = Weeks::from(START);
        let mut trial = Trial::new(weeks.clone(), ["a"]);
        for timestamp in [START - 1, START, weeks.test.start - 1, weeks.test.end] {
            trial.pass(&record("u", timestamp, false), || -> [f64; 1] {
                panic!("not of the test")
            });
        }
        trial.pass(&record("u", weeks.test.start, false), || [0.1]);
        trial.pass(&record("u", weeks.test.end - 1, false), || [0.1]);
        assert_eq!(trial.tested(), 2);
    }

    #[test]
    fn a_card_is_left_out_once_a_fraud_of_it_is_known() {
        let weeks = Weeks::from(START);
        let test = weeks.test.start;
        let mut trial = Trial::new(weeks, ["a"]);
        let mut tested = |user: &str, timestamp: u64, fraud: bool| {
            let before = trial.tested();
            trial.pass(&record(user, timestamp, fraud), || [0.1]);
            trial.tested() > before
        };
        // Before the training: long forgotten. Within: known. On the third day before the test, known four days later.
        tested("forgotten", START - 1, true);
        tested("trained", START, true);
        tested("honest", START, false);
        tested("delayed", test - 3 * DAY, true);
        assert!(tested("forgotten", test, false));
        assert!(!tested("trained", test, false));
        assert!(tested("honest", test, false));
        assert!(tested("delayed", test, true));
        assert!(tested("delayed", test + 4 * DAY - 1, true));
        assert!(!tested("delayed", test + 4 * DAY, true));
        assert!(tested("honest", test + 6 * DAY, false));
    }

    #[test]
    fn what_becomes_known_during_a_day_counts_from_the_next_one() {
        let weeks = Weeks::from(START);
        let test = weeks.test.start;
        let mut trial = Trial::new(weeks, ["a"]);
        trial.pass(&record("u", test - 7 * DAY + 100, true), || [0.1]);
        trial.pass(&record("u", test + 200, true), || [0.1]);
        assert_eq!(trial.tested(), 1);
        trial.pass(&record("u", test + DAY, true), || [0.1]);
        assert_eq!(trial.tested(), 1);
    }

    #[test]
    fn a_transaction_of_which_nobody_knows_is_not_tested() {
        let weeks = Weeks::from(START);
        let mut unknown = record("u", weeks.test.start, false);
        unknown.fraud = None;
        let mut trial = Trial::new(weeks, ["a"]);
        trial.pass(&unknown, || [0.1]);
        assert_eq!(trial.tested(), 0);
    }

    #[test]
    fn without_a_fraud_there_is_no_recall_to_tell() {
        let weeks = Weeks::from(START);
        let honest = record("u", weeks.test.start, false);
        let mut trial = Trial::new(weeks, ["loud", "silent"]);
        trial.pass(&honest, || [0.9, 0.1]);
        let verdicts = trial.verdicts(Threshold::DEFAULT);
        assert_eq!(verdicts[0].precision, 0.0);
        assert_eq!((verdicts[0].recall, verdicts[1].recall), (None, None));
        assert_eq!(
            serde_json::to_value(&verdicts[0]).expect("JSON")["recall"],
            serde_json::Value::Null
        );
    }

    #[test]
    fn each_scorer_is_judged_by_its_own_scores() {
        let weeks = Weeks::from(START);
        let test = weeks.test.start;
        let mut trial = Trial::new(weeks, ["good", "constant"]);
        for number in 0..200 {
            let mut one = record(&format!("u{number}"), test + number, number % 10 == 0);
            one.scenario = if number == 0 { 1 } else { one.scenario };
            let good = if one.fraud == Some(true) && number > 0 {
                0.9
            } else {
                0.2
            };
            trial.pass(&one, || [good, 0.1]);
        }
        assert_eq!((trial.tested(), trial.frauds()), (200, 20));
        let verdicts = trial.verdicts(Threshold::DEFAULT);
        let good = &verdicts[0];
        assert_eq!(good.name, "good");
        assert_eq!(good.alerts_per_day, 19.0 / 7.0);
        assert_eq!((good.precision, good.recall), (1.0, Some(0.95)));
        assert_eq!(good.cp_at_100.map(|share| share >= 0.19), Some(true));
        assert_eq!(trial.best_card_precision(), Some(0.2));
        let scenarios: Vec<_> = good
            .scenarios
            .iter()
            .map(|one| (one.scenario, one.frauds, one.recall))
            .collect();
        assert_eq!(scenarios, [(1, 1, Some(0.0)), (2, 19, Some(1.0))]);
        assert_eq!(good.scenarios[1].ap, Some(1.0));
        let constant = &verdicts[1];
        assert_eq!((constant.auc, constant.ap), (Some(0.5), Some(0.1)));
        assert_eq!(
            (constant.alerts_per_day, constant.precision, constant.recall),
            (0.0, 0.0, Some(0.0))
        );
        assert!(trial.rankings().map(|(name, _)| name).eq(["good", "constant"]));
    }

    #[test]
    fn a_mean_has_what_all_have() {
        let verdict = |ap, auc, scenarios: &[(u8, u64, f64)]| Verdict {
            name: "a".to_owned(),
            auc,
            ap: Some(ap),
            cp_at_100: Some(0.2),
            alerts_per_day: 4.0 * ap,
            precision: 0.5,
            recall: Some(ap),
            scenarios: scenarios
                .iter()
                .map(|(scenario, frauds, recall)| ScenarioVerdict {
                    scenario: *scenario,
                    frauds: *frauds,
                    auc,
                    ap: Some(ap),
                    recall: Some(*recall),
                })
                .collect(),
        };
        let one = verdict(0.25, Some(0.5), &[(1, 10, 0.5), (2, 1, 1.0)]);
        let other = verdict(0.75, None, &[(2, 3, 0.0)]);
        let mean = Verdict::mean(&[&one, &other]);
        assert_eq!(mean, verdict(0.5, None, &[(2, 4, 0.5)]));
        assert_eq!(Verdict::mean(&[&one]), one);
        assert_eq!(Verdict::mean(&[]).auc, None);
    }

    #[test]
    fn the_deployed_threshold_is_the_number_that_it_reads() {
        assert_eq!(number(Threshold::DEFAULT), 0.85);
        assert_eq!(rank(fraud::Score::FLAGGED), 0.9);
    }
}
