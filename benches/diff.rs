//! How long `fraudctl diff` takes where nothing has changed, as its users wait for it: the whole process, against a
//! local AWS, with the functions built before. Fails when the median is a second or more.

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};
use support::Environment;

const RUNS: usize = 15;
const LIMIT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let env = Environment::new();
    let up = env.up();
    assert_eq!(up["summary"]["failed"], 0, "{up:#}");
    // Once outside of the measurement: files are read into the system's cache.
    env.assert_settled();
    let mut took: Vec<Duration> = (0..RUNS).map(|_| one_diff(&env)).collect();
    took.sort_unstable();
    let (shortest, median, longest) = (took[0], took[RUNS / 2], took[RUNS - 1]);
    println!("fraudctl diff of 60 resources, no change, {RUNS} runs");
    println!("  shortest {shortest:>10.1?}   median {median:>10.1?}   longest {longest:>10.1?}");
    if median < LIMIT {
        return ExitCode::SUCCESS;
    }
    println!("  too slow: the median has to be less than {LIMIT:?}");
    ExitCode::FAILURE
}

fn one_diff(env: &Environment) -> Duration {
    let begun = Instant::now();
    let run = env.run(&["diff", "--exit-code"]);
    let took = begun.elapsed();
    // 0: no error, and nothing to do.
    assert_eq!(run.code, 0, "{run:#?}");
    took
}
