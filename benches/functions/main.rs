//! How fast the functions are and how much memory they take, beside a Python function that does the base behaviour:
//! both against the same stub of AWS, in one run. Counts the AWS calls of a transaction, too.
//!
//! Fails unless the processor starts in less than a tenth of Python's time, has a peak memory below a third of
//! Python's, and goes to AWS no more often than it may.
//!
//! `cargo bench --bench functions` builds the functions as they are sent to AWS, which takes minutes from cold. With
//! `-- --profile dev` the benchmark itself can be tried in seconds; its figures then say nothing. Peak memory is read where
//! Linux has it.

mod aws;
mod build;
mod calls;
mod events;
mod function;
mod http;
mod measure;
mod report;
mod runtime_api;
mod stats;

use std::env;
use std::process::ExitCode;

use aws::Aws;
use function::Function;
use measure::{Base, Measured};

fn main() -> ExitCode {
    let profile = profile();
    let binaries = build::functions(&profile);
    let python = build::python();
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let rust = |name| Function {
        name,
        program: binaries.join(name),
        arguments: Vec::new(),
    };
    let (processor, analyzer) = (rust("transaction-processor"), rust("pattern-analyzer"));
    let reference = Function {
        name: "python",
        program: python.clone(),
        arguments: vec![build::handler(scratch.path())],
    };

    let aws = Aws::start();
    let [processor_start, analyzer_start, reference_start] =
        measure::starts([&processor, &analyzer, &reference], &aws, scratch.path());
    let analyzer_memory = measure::scheduled(&analyzer, &aws, scratch.path());
    let ours = Measured {
        start: processor_start,
        base: Base::of(&processor, &aws, scratch.path()),
    };
    let theirs = Measured {
        start: reference_start,
        base: Base::of(&reference, &aws, scratch.path()),
    };

    println!(
        "Profile {profile}, beside Python {} with boto3 {}",
        build::python_version(&python),
        build::boto3_version()
    );
    report::table(&ours, &theirs);
    report::analyzer(&analyzer_start, analyzer_memory);
    for function in [&processor, &analyzer] {
        report::size(function.name, &function.program);
    }
    report::round_trips(&ours, &theirs);
    let failures = report::failures(&ours, &theirs);
    for failure in &failures {
        println!("  FAILED: {failure}");
    }
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What follows `--profile`; `lambda` if nothing does.
fn profile() -> String {
    let mut arguments = env::args().skip_while(|argument| argument != "--profile");
    arguments.nth(1).unwrap_or_else(|| "lambda".to_owned())
}
