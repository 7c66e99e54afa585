//! What was measured, for people, and whether it will do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::build;
use super::calls::{self, RoundTrip};
use super::measure::{DELAY, Measured, STARTS, Start, WARM};
use super::stats::{Sample, megabytes, milliseconds, times};

/// Our start has to be below Python's divided by this.
const START_RATIO: u32 = 10;
/// Our peak memory has to be below Python's divided by this.
const MEMORY_RATIO: u64 = 3;

/// The two processors side by side.
pub fn table(ours: &Measured, theirs: &Measured) {
    println!("{STARTS} starts, {WARM} transactions by a warm process; AWS answers after {DELAY:?}\n");
    println!("{:<44} {:>12} {:>12} {:>8}", "", "fraudctl", "Python", "ratio");
    let row = |name: &str, pick: &dyn Fn(&Measured) -> std::time::Duration| {
        let (ours, theirs) = (pick(ours), pick(theirs));
        println!(
            "{name:<44} {:>12} {:>12} {:>8}",
            milliseconds(ours),
            milliseconds(theirs),
            times(ours.as_secs_f64(), theirs.as_secs_f64())
        );
    };
    row("exec to first poll, shortest", &|of| of.start.first_poll.shortest());
    row("exec to first poll, median", &|of| of.start.first_poll.median());
    row("exec to first poll, longest", &|of| of.start.first_poll.longest());
    let first = |of: &Measured| of.start.first_event.as_ref().map(Sample::median);
    row("own part of the first transaction, median", &|of| {
        first(of).unwrap_or_default()
    });
    row("own part, warm, no alert, p50", &|of| of.base.quiet.percentile(50));
    row("own part, warm, no alert, p99", &|of| of.base.quiet.percentile(99));
    row("own part, warm, alert, p50", &|of| of.base.alerting.percentile(50));
    row("own part, warm, alert, p99", &|of| of.base.alerting.percentile(99));
    let (ours, theirs) = (ours.base.peak_memory, theirs.base.peak_memory);
    println!(
        "{:<44} {:>12} {:>12} {:>8}",
        "peak memory (VmHWM)",
        megabytes(ours),
        megabytes(theirs),
        times(ours as f64, theirs as f64)
    );
}

/// The other function, which has no counterpart.
pub fn analyzer(start: &Start, memory: u64) {
    println!("\nThe analyzer");
    println!(
        "  exec to first poll, median  {:>10}",
        milliseconds(start.first_poll.median())
    );
    println!("  peak memory, quiet window   {:>10}", megabytes(memory));
}

/// What is uploaded.
pub fn size(name: &str, binary: &Path) {
    let bytes = fs::metadata(binary).map_or(0, |found| found.len());
    println!(
        "{name}: binary {}, zip {}",
        megabytes(bytes),
        megabytes(build::zip_bytes(binary))
    );
}

/// Each way in which a transaction went to AWS, and how often. Round trips are told apart by `|`.
pub fn round_trips(ours: &Measured, theirs: &Measured) {
    for (who, measured) in [("fraudctl", ours), ("Python", theirs)] {
        println!("\nAWS calls of a transaction, {who}");
        let mut ways: BTreeMap<String, usize> = BTreeMap::new();
        for (trips, alerts) in &measured.base.trips {
            let kind = if *alerts { "alert:    " } else { "no alert: " };
            *ways.entry(format!("{kind}{}", text(trips))).or_default() += 1;
        }
        for (way, count) in ways {
            println!("  {count:>3} x  {way}");
        }
    }
}

fn text(trips: &[RoundTrip]) -> String {
    let trips: Vec<String> = trips.iter().map(ToString::to_string).collect();
    trips.join(" | ")
}

/// What is not as it has to be; empty if all is well.
pub fn failures(ours: &Measured, theirs: &Measured) -> Vec<String> {
    let mut failures = Vec::new();
    let (start, reference) = (ours.start.first_poll.median(), theirs.start.first_poll.median());
    if start * START_RATIO >= reference {
        failures.push(format!("exec to first poll is not below a {START_RATIO}th of Python's"));
    }
    if ours.base.peak_memory * MEMORY_RATIO >= theirs.base.peak_memory {
        failures.push(format!("peak memory is not below 1/{MEMORY_RATIO} of Python's"));
    }
    failures.extend(ours.base.parameter_reads.clone().err());
    let judged = ours
        .base
        .trips
        .iter()
        .map(|(trips, alerts)| calls::judge(trips, *alerts));
    let wrong: BTreeSet<String> = judged.filter_map(Result::err).collect();
    failures.extend(wrong);
    failures
}
