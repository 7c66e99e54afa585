//! What a run comes to: counted as it goes on, and told at the end.

use super::pace::{Ended, Outcome, Schedule, Sent};
use fraud::Threshold;
use hdrhistogram::Histogram;
use rust_decimal::Decimal;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The longest latency that is told apart, in microseconds; what takes longer counts as this.
const LONGEST: u64 = 600_000_000;
/// How many of the missing are named.
const NAMED: usize = 10;

/// What was counted of a run up to now.
pub struct Tally {
    threshold: Decimal,
    answers: BTreeMap<u16, u64>,
    timed_out: u64,
    broken: u64,
    /// Of the transactions that were answered with 200, in microseconds. Nothing where no histogram can be made.
    latency: Option<Histogram<u64>>,
    expected: BTreeSet<u64>,
    /// How often each alert was received.
    received: BTreeMap<u64, u64>,
}

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The environment.
    pub env: String,
    /// The run's name, which is in the ids of its transactions.
    pub run: String,
    /// What the transactions were simulated from.
    pub seed: u64,
    /// Transactions a second that were asked for.
    pub rate: f64,
    /// How many were to be sent.
    pub planned: u64,
    /// How many were sent.
    pub sent: u64,
    /// How many of them left more than 100 ms after they were due.
    pub late: u64,
    /// Stopped before all were sent.
    pub interrupted: bool,
    /// From the first one's sending until the last one's answer.
    pub duration_ms: u64,
    /// Answers with 200 a second.
    pub throughput: f64,
    /// Answers by their HTTP status.
    pub answers: BTreeMap<u16, u64>,
    /// How many were not answered in time.
    pub timeouts: u64,
    /// How many could not be sent, or lost their connection.
    pub unanswered: u64,
    /// Of those answered with 200; nothing when there are none.
    pub latency_ms: Option<Latency>,
    /// What became of alerts.
    pub alerts: Alerts,
}

/// Latencies in milliseconds, from the moment that each transaction was due.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Half took no longer.
    pub p50: f64,
    /// Nine of ten took no longer.
    pub p90: f64,
    /// 99 of a hundred took no longer.
    pub p99: f64,
    /// 999 of a thousand took no longer.
    pub p99_9: f64,
    /// None took longer.
    pub max: f64,
}

/// What became of alerts.
#[derive(Clone, Debug, Serialize)]
pub struct Alerts {
    /// The threshold that the answers' scores were held against.
    pub threshold: String,
    /// Transactions whose answer has a score above it.
    pub expected: u64,
    /// How many of these an alert came for.
    pub received: u64,
    /// How many of these no alert came for in time.
    pub missing: u64,
    /// Some of the missing, by id.
    pub missing_ids: Vec<String>,
    /// Transactions that an alert came for though no answer called for one, such as after a timeout.
    pub unexpected: u64,
    /// Transactions that more than one alert came for.
    pub repeated: u64,
    /// Why alerts could not be received, where they could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl Report {
    /// Did all that was sent come through, with all alerts and none twice?
    pub fn is_clean(&self) -> bool {
        let answered = self.answers.get(&200).copied().unwrap_or_default();
        let alerts = &self.alerts;
        answered == self.sent && alerts.missing + alerts.unexpected + alerts.repeated == 0 && alerts.failure.is_none()
    }
}

impl Tally {
    /// Nothing yet.
    pub fn new(threshold: Threshold) -> Self {
        Self {
            // A threshold is written as a plain decimal.
            threshold: Decimal::from_str_exact(&threshold.to_string()).unwrap_or(Decimal::ONE),
            answers: BTreeMap::new(),
            timed_out: 0,
            broken: 0,
            latency: Histogram::new_with_bounds(1, LONGEST, 3).ok(),
            expected: BTreeSet::new(),
            received: BTreeMap::new(),
        }
    }

    /// Counts one transaction that has ended.
    pub fn ended(&mut self, outcome: &Outcome) {
        match outcome.ended {
            Ended::TimedOut => self.timed_out += 1,
            Ended::Broken => self.broken += 1,
            Ended::Answered { status, fraud_score } => {
                *self.answers.entry(status).or_default() += 1;
                if status != 200 {
                    return;
                }
                let micros = u64::try_from(outcome.latency.as_micros()).unwrap_or(u64::MAX);
                if let Some(latency) = &mut self.latency {
                    latency.saturating_record(micros.clamp(1, LONGEST));
                }
                if fraud_score.is_some_and(|score| score > self.threshold) {
                    self.expected.insert(outcome.number);
                }
            }
        }
    }

    /// Counts one alert about a transaction of the run.
    pub fn heard(&mut self, number: u64) {
        *self.received.entry(number).or_default() += 1;
    }

    /// Has every alert come that is expected up to now?
    pub fn all_heard(&self) -> bool {
        self.expected.iter().all(|number| self.received.contains_key(number))
    }

    /// How far it has come, in a line.
    pub fn progress(&self, planned: u64) -> String {
        let served = self.answers.get(&200).copied().unwrap_or_default();
        let others = self.answers.values().sum::<u64>() - served + self.timed_out + self.broken;
        let p99 = self.latency().map(|latency| format!(", p99 {:.0} ms", latency.p99));
        format!(
            "{served} of {planned} answered with 200, {others} otherwise or not{}",
            p99.unwrap_or_default()
        )
    }

    fn latency(&self) -> Option<Latency> {
        let latency = self.latency.as_ref().filter(|latency| !latency.is_empty())?;
        let millis = |micros: u64| micros as f64 / 1_000.0;
        let at = |quantile| millis(latency.value_at_quantile(quantile));
        Some(Latency {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: millis(latency.max()),
        })
    }

    fn alerts(&self, id: impl Fn(u64) -> String, failure: Option<String>) -> Alerts {
        let missing: Vec<u64> = self
            .expected
            .iter()
            .filter(|number| !self.received.contains_key(number))
            .copied()
            .collect();
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Alerts {
            threshold: self.threshold.to_string(),
            expected: count(self.expected.len()),
            received: count(self.expected.len() - missing.len()),
            missing: count(missing.len()),
            missing_ids: missing.iter().take(NAMED).map(|number| id(*number)).collect(),
            unexpected: count(
                self.received
                    .keys()
                    .filter(|number| !self.expected.contains(number))
                    .count(),
            ),
            repeated: count(self.received.values().filter(|times| **times > 1).count()),
            failure,
        }
    }

    /// What it came to. `id` gives the id of a transaction; `failure` is why alerts could not be received.
    pub fn report(
        &self,
        run: Run<'_>,
        schedule: Schedule,
        sent: &Sent,
        id: impl Fn(u64) -> String,
        failure: Option<String>,
    ) -> Report {
        let served = self.answers.get(&200).copied().unwrap_or_default();
        // The last one is due one interval before the end, so that a short run would look faster than it was.
        let length = if sent.interrupted {
            sent.took
        } else {
            sent.took.max(schedule.length())
        };
        Report {
            env: run.env.to_owned(),
            run: run.name.to_owned(),
            seed: run.seed,
            rate: schedule.rate,
            planned: schedule.count,
            sent: sent.count,
            late: sent.late,
            interrupted: sent.interrupted,
            duration_ms: u64::try_from(sent.took.as_millis()).unwrap_or(u64::MAX),
            throughput: a_second(served, length),
            answers: self.answers.clone(),
            timeouts: self.timed_out,
            unanswered: self.broken,
            latency_ms: self.latency(),
            alerts: self.alerts(id, failure),
        }
    }
}

/// Which run it is.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The environment.
    pub env: &'a str,
    /// The run's name.
    pub name: &'a str,
    /// What its transactions are simulated from.
    pub seed: u64,
}

/// So many a second, to the hundredth.
fn a_second(count: u64, length: Duration) -> f64 {
    let seconds = length.as_secs_f64();
    if seconds > 0.0 {
        (count as f64 / seconds * 100.0).round() / 100.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: Run<'_> = Run {
        env: "dev",
        name: "r",
        seed: 7,
    };

    fn tally() -> Tally {
        Tally::new(Threshold::DEFAULT)
    }

    fn answered(number: u64, status: u16, score: &str, millis: u64) -> Outcome {
        Outcome {
            number,
            latency: Duration::from_millis(millis),
            ended: Ended::Answered {
                status,
                fraud_score: Decimal::from_str_exact(score).ok(),
            },
        }
    }

    fn ended(number: u64, ended: Ended) -> Outcome {
        Outcome {
            number,
            latency: Duration::from_secs(35),
            ended,
        }
    }

    fn report(tally: &Tally, sent: u64) -> Report {
        let schedule = Schedule {
            rate: 10.0,
            count: sent,
        };
        let sent = Sent {
            count: sent,
            ..Sent::default()
        };
        tally.report(RUN, schedule, &sent, |number| format!("t-{number}"), None)
    }

    #[test]
    fn latencies_are_those_of_what_was_served() {
        let mut tally = tally();
        for number in 0..1_000 {
            tally.ended(&answered(number, 200, "0.1", number + 1));
        }
        // An answer that was refused at once says nothing of how fast the system is.
        tally.ended(&answered(1_000, 429, "", 0));
        tally.ended(&ended(1_001, Ended::TimedOut));
        let report = report(&tally, 1_002);
        let latency = report.latency_ms.unwrap();
        for (told, true_one) in [
            (latency.p50, 500.0),
            (latency.p90, 900.0),
            (latency.p99, 990.0),
            (latency.p99_9, 999.0),
            (latency.max, 1_000.0),
        ] {
            assert!((told - true_one).abs() <= true_one / 500.0, "{told} is not {true_one}");
        }
        assert_eq!(
            (report.answers[&200], report.answers[&429], report.timeouts),
            (1_000, 1, 1)
        );
        assert!(!report.is_clean());
    }

    #[test]
    fn alerts_are_expected_where_an_answers_score_exceeds_the_threshold() {
        let mut tally = tally();
        for (number, status, score) in [(0, 200, "0.85"), (1, 200, "0.86"), (2, 200, "0.9"), (3, 500, "0.9")] {
            tally.ended(&answered(number, status, score, 5));
        }
        assert!(!tally.all_heard());
        tally.heard(1);
        tally.heard(1);
        // Nobody was told its score, and yet it was stored: a timeout after all was done.
        tally.heard(9);
        let alerts = report(&tally, 4).alerts;
        assert_eq!((alerts.expected, alerts.received, alerts.missing), (2, 1, 1));
        assert_eq!((alerts.unexpected, alerts.repeated), (1, 1));
        assert_eq!(alerts.missing_ids, ["t-2"]);
        tally.heard(2);
        assert!(tally.all_heard());
    }

    #[test]
    fn a_run_without_a_flaw_is_clean() {
        let mut tally = tally();
        tally.ended(&answered(0, 200, "0.9", 5));
        tally.heard(0);
        assert!(report(&tally, 1).is_clean());
        // One was sent and never came back.
        assert!(!report(&tally, 2).is_clean());
    }

    #[test]
    fn throughput_is_what_was_served_in_the_time_that_it_was_to_take() {
        let mut tally = tally();
        for number in 0..10 {
            tally.ended(&answered(number, 200, "0.1", 5));
        }
        assert_eq!(report(&tally, 10).throughput, 10.0);
        assert_eq!(a_second(5, Duration::ZERO), 0.0);
    }

    #[test]
    fn nothing_served_has_no_latency() {
        let mut tally = tally();
        tally.ended(&ended(0, Ended::Broken));
        let report = report(&tally, 1);
        assert_eq!((report.latency_ms, report.unanswered), (None, 1));
    }
}
