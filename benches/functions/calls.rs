//! How a function goes about its AWS calls: which of them run together, and what has to come after what.

use std::fmt;
use std::time::{Duration, Instant};

use super::aws::Call;
use super::runtime_api::Exchange;

/// The threshold and the rules are read this seldom. The function counts whole seconds, so two readings may be almost
/// a second closer.
const BETWEEN_PARAMETER_READS: Duration = Duration::from_secs(59);

/// Calls that were under way at the same time. The next round trip begins after the last answer of this one.
#[derive(Debug, PartialEq, Eq)]
pub struct RoundTrip(Vec<String>);

impl fmt::Display for RoundTrip {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(" + "))
    }
}

impl RoundTrip {
    fn only(&self, operations: &[&str]) -> bool {
        self.0.iter().all(|operation| operations.contains(&operation.as_str()))
    }

    fn is(&self, operation: &str) -> bool {
        self.0 == [operation]
    }
}

/// The round trips of one event, in order.
pub fn round_trips(calls: &[Call]) -> Vec<RoundTrip> {
    let mut calls: Vec<&Call> = calls.iter().collect();
    calls.sort_by_key(|call| call.received);
    let mut trips: Vec<RoundTrip> = Vec::new();
    let mut last_answer: Option<Instant> = None;
    for call in calls {
        match (trips.last_mut(), last_answer) {
            (Some(trip), Some(last)) if call.received < last => trip.0.push(call.operation.clone()),
            _ => trips.push(RoundTrip(vec![call.operation.clone()])),
        }
        last_answer = last_answer.max(Some(call.answered));
    }
    for trip in &mut trips {
        trip.0.sort_unstable();
    }
    trips
}

/// What a transaction may cost: one round trip that reads, one that writes, as a single transaction; and if it alerts,
/// the publish and the write that marks it sent.
pub fn judge(trips: &[RoundTrip], alerts: bool) -> Result<(), String> {
    let reads = ["GetItem", "Query", "BatchGetItem", "GetParameter", "GetParameters"];
    let rest = match trips {
        [first, rest @ ..] if first.only(&reads) => rest,
        all => all,
    };
    let fits = match rest {
        [write] if !alerts => write.is("TransactWriteItems"),
        [write, publish, mark] if alerts => {
            write.is("TransactWriteItems") && publish.is("Publish") && mark.is("UpdateItem")
        }
        _ => false,
    };
    if fits {
        return Ok(());
    }
    let seen: Vec<String> = trips.iter().map(ToString::to_string).collect();
    let kind = if alerts { "an alerting" } else { "a quiet" };
    Err(format!("{kind} transaction went to AWS as: {}", seen.join(" | ")))
}

/// Parameters are read at most once a minute: once in the first round trip, and not again before it is over.
pub fn judge_parameter_reads(calls: &[Call]) -> Result<(), String> {
    let reads = calls.iter().filter(|call| call.operation.starts_with("GetParameter"));
    let mut at: Vec<Instant> = reads.map(|call| call.received).collect();
    at.sort_unstable();
    match at.windows(2).find(|pair| pair[1] - pair[0] < BETWEEN_PARAMETER_READS) {
        Some(pair) => Err(format!("parameters were read again after {:.1?}", pair[1] - pair[0])),
        None => Ok(()),
    }
}

/// What is left of an exchange without the time during which at least one AWS call was on the stub's side.
pub fn own_part(exchange: &Exchange, calls: &[Call]) -> Duration {
    let mut spans: Vec<(Instant, Instant)> = calls.iter().map(|call| (call.received, call.answered)).collect();
    spans.sort_unstable();
    let mut waited = Duration::ZERO;
    let mut covered = exchange.sent;
    for (received, answered) in spans {
        let begin = received.max(covered);
        waited += answered.saturating_duration_since(begin);
        covered = covered.max(answered);
    }
    (exchange.answered - exchange.sent).saturating_sub(waited)
}
