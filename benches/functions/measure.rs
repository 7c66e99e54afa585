//! The measurements.

use std::path::Path;
use std::time::Duration;

use super::aws::{Aws, Call};
use super::calls::{self, RoundTrip};
use super::events;
use super::function::{Function, Running};
use super::runtime_api::Exchange;
use super::stats::Sample;

/// How often each function is started.
pub const STARTS: usize = 20;
/// How many transactions a warm function gets that are measured, and how many before that are not.
pub const WARM: usize = 1_000;
const WARMING_UP: usize = 50;
/// Of so many transactions one alerts.
const ALERTS_EACH: usize = 10;
/// What the stub takes while times are measured.
pub const DELAY: Duration = Duration::from_millis(5);
/// How many transactions are looked at for their AWS calls.
const COUNTED: usize = 30;
/// What the stub takes meanwhile: long, so that what could have waited for an answer is told from what did not, however
/// busy the machine.
const LONG_DELAY: Duration = Duration::from_millis(150);

/// A function's starts.
pub struct Start {
    /// From exec to the first poll.
    pub first_poll: Sample,
    /// Our own part of the first event, with no connection open and nothing ever done before. The processors' alone.
    pub first_event: Option<Sample>,
}

/// What a processor does once it runs.
pub struct Base {
    pub quiet: Sample,
    pub alerting: Sample,
    pub peak_memory: u64,
    /// As seldom as they may be read?
    pub parameter_reads: Result<(), String>,
    /// The round trips of each counted transaction, and whether it alerted.
    pub trips: Vec<(Vec<RoundTrip>, bool)>,
}

/// All that is known of a processor.
pub struct Measured {
    pub start: Start,
    pub base: Base,
}

/// Starts every function in turn, again and again, so that whatever else the machine does hits all of them alike. The
/// first round, which brings the files into memory, is not counted.
pub fn starts<const N: usize>(functions: [&Function; N], aws: &Aws, scratch: &Path) -> [Start; N] {
    aws.set_delay(DELAY);
    let mut polls = [const { Vec::new() }; N];
    let mut firsts = [const { Vec::new() }; N];
    for round in 0..=STARTS {
        for (index, function) in functions.iter().enumerate() {
            aws.take_calls();
            let mut running = function.start(aws, scratch);
            let first = (function.name != "pattern-analyzer").then(|| one(&mut running, aws, round, false));
            if round > 0 {
                polls[index].push(running.started_in);
                firsts[index].extend(first.map(|(exchange, calls)| calls::own_part(&exchange, &calls)));
            }
        }
    }
    let mut polls = polls.into_iter();
    firsts.map(|first| Start {
        first_poll: Sample::new(polls.next().unwrap_or_default()),
        first_event: (!first.is_empty()).then(|| Sample::new(first)),
    })
}

/// The peak memory of an analyzer that has looked at a quiet window.
pub fn scheduled(analyzer: &Function, aws: &Aws, scratch: &Path) -> u64 {
    aws.set_delay(DELAY);
    let mut running = analyzer.start(aws, scratch);
    running.exchange(events::schedule());
    aws.take_calls();
    running.peak_memory()
}

impl Base {
    /// Runs one process warm and measures it, then another one against a slow AWS and counts its calls.
    pub fn of(function: &Function, aws: &Aws, scratch: &Path) -> Self {
        let (mut quiet, mut alerting, mut all) = (Vec::new(), Vec::new(), Vec::new());
        aws.set_delay(DELAY);
        let mut running = function.start(aws, scratch);
        for number in 0..WARMING_UP + WARM {
            let alerts = number % ALERTS_EACH == 0;
            let (exchange, calls) = one(&mut running, aws, number, alerts);
            if number >= WARMING_UP {
                let sample = if alerts { &mut alerting } else { &mut quiet };
                sample.push(calls::own_part(&exchange, &calls));
            }
            all.extend(calls);
        }
        let peak_memory = running.peak_memory();
        drop(running);

        aws.set_delay(LONG_DELAY);
        let mut running = function.start(aws, scratch);
        let trips = (0..COUNTED)
            .map(|number| {
                let alerts = number % 3 == 2;
                let (_, calls) = one(&mut running, aws, number, alerts);
                (calls::round_trips(&calls), alerts)
            })
            .collect();
        Self {
            quiet: Sample::new(quiet),
            alerting: Sample::new(alerting),
            peak_memory,
            parameter_reads: calls::judge_parameter_reads(&all),
            trips,
        }
    }
}

/// One transaction, its answer looked at, and the AWS calls that it took.
fn one(running: &mut Running<'_>, aws: &Aws, number: usize, alerts: bool) -> (Exchange, Vec<Call>) {
    let exchange = running.exchange(events::transaction(number, alerts));
    let answer = &exchange.answer;
    assert!(
        events::is_as_expected(answer, alerts),
        "transaction {number} was answered: {answer}"
    );
    (exchange, aws.take_calls())
}
