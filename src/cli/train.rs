use super::deploy::outputs;
use super::exit::Exit;
use super::scope::ScopeArgs;
use super::simulate::{self, SizeArgs, bar};
use super::source::SourceArgs;
use super::target::TargetArgs;
use super::{eval, json, print};
use crate::operate::records;
use crate::resource::chain;
use crate::ui::Progress;
use clap::Args;
use evaluate::read::{Layout, Reader, Sorted};
use evaluate::train::{Fate, HeldOut, TrainReport};
use evaluate::{Record, Size, TrainError, TrainOptions, Trained, Trainer};
use fraud::{Rules, Smoothing};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Fits the limits and weights of the rules to transactions of which it is known whether they were fraud, and writes a
/// candidate rules file. Learns from each only what was known before the days that are held out, and reports how the
/// candidate does on those. Puts nothing live: `rules dry-run` and `rules push` do.
///
/// Needs no project and no AWS, unless the transactions come from the table.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// Where the transactions come from: `simulate`, `table` (what is deployed), or a CSV file: as `simulate` writes one,
    /// or any with the flags below
    #[arg(long, value_name = "simulate|table|FILE")]
    from: Source,
    /// Which simulation, with `--from simulate` [default: 1]
    #[arg(long, allow_negative_numbers = true, value_parser = simulate::seed)]
    seed: Option<u64>,
    #[command(flatten)]
    size: SizeArgs,
    /// Begin with the rules of this file, which stay where the transactions say nothing [default: the built-in ones]
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// How many of the last days are held out, to judge the candidate
    #[arg(long, allow_negative_numbers = true, value_name = "DAYS", default_value_t = 14, value_parser = clap::value_parser!(u64).range(1..=365))]
    hold_out: u64,
    /// The version that the candidate carries, and every transaction scored by it
    #[arg(long, default_value = "candidate", value_name = "NAME")]
    name: String,
    /// Where to write the candidate; - is standard output, not together with --json
    #[arg(long, default_value = "candidate-rules.json", value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    target: TargetArgs,
    /// Print the report as one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    source: SourceArgs,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Simulate,
    Table,
    File(PathBuf),
}

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "simulate" => Self::Simulate,
            "table" => Self::Table,
            file => Self::File(file.into()),
        })
    }
}

pub async fn run(args: TrainArgs) -> Result<(), Exit> {
    let to_stdout = args.out == Path::new("-");
    if to_stdout && args.json {
        return Err(Exit::usage(
            "--json and --out - would both write to standard output; name a file",
        ));
    }
    check(&args)?;
    let base = args.rules.as_deref().map(eval::read_rules).transpose()?;
    let trainer = Trainer::new(TrainOptions {
        version: args.name.clone(),
        base: base.unwrap_or_else(|| Rules::builtin().clone()),
        holdout_days: args.hold_out,
        ..TrainOptions::default()
    });
    let trained = match &args.from {
        Source::Simulate => from_simulation(trainer, &args),
        Source::File(file) => from_file(trainer, file, &args.source),
        Source::Table => from_records(trainer, &stored(&args.scope).await?),
    }?;
    if to_stdout {
        print::remark(report(&trained.report).trim_end());
        return print::line(trained.rules.to_json().trim_end());
    }
    args.target.write("--out", &args.out, &trained.rules.to_json())?;
    if trained.report.held_out.is_none() {
        print::remark(format_args!(
            "warning: in the last {} days, which are held out, no fraud is labelled or nothing else, so that there is \
             nothing to judge the candidate by",
            args.hold_out
        ));
    }
    if args.json {
        return json::print(&document(&trained, &args.out));
    }
    print::line(report(&trained.report).trim_end())?;
    print::line(format_args!(
        "The candidate rules, version {}, are in {file}. Try them with `fraudctl rules dry-run {file}`.",
        trained.rules.version(),
        file = args.out.display()
    ))
}

/// What would be found wrong only when the work is done.
fn check(args: &TrainArgs) -> Result<(), Exit> {
    if args.from != Source::Simulate && (args.seed.is_some() || args.size.is_given()) {
        return Err(Exit::usage(
            "--seed, --days, --customers and --terminals say what to simulate: leave them out, or use --from simulate",
        ));
    }
    if !matches!(args.from, Source::File(_)) && args.source.is_given() {
        return Err(Exit::usage(
            "--columns, --layout, --delimiter, --timezone, --time-unit, --epoch, --decimal-comma and --sort say how a file \
             is to be read: leave them out, or use --from FILE",
        ));
    }
    Rules::new(&args.name, Rules::SUSPICIOUS_ABOVE, Smoothing::default(), [])
        .map_err(|why| Exit::usage(format!("--name: {}", why.0)))?;
    let source = match &args.from {
        Source::File(file) => Some(file),
        _ => None,
    };
    let same = |file: &Path| matches!((file.canonicalize(), args.out.canonicalize()), (Ok(a), Ok(b)) if a == b);
    if source.is_some_and(|file| same(file)) {
        return Err(Exit::usage(format!(
            "--out: {} is what is to be learned from; name another file",
            args.out.display()
        )));
    }
    if args.out == Path::new("-") {
        return Ok(());
    }
    args.target.check("--out", &args.out)
}

fn from_simulation(mut trainer: Trainer, args: &TrainArgs) -> Result<Trained, Exit> {
    let simulation = evaluate::simulate(args.seed.unwrap_or(1), &Size::from(args.size));
    let bar = bar("reading", simulation.len() as u64);
    for (record, number) in simulation.zip(0_u64..) {
        trainer.add(&record).map_err(|why| Exit::failed(why.to_string()))?;
        if number.is_multiple_of(8_192) {
            bar.set_position(number);
        }
    }
    bar.finish_and_clear();
    finish(trainer)
}

fn from_file(mut trainer: Trainer, file: &Path, how: &SourceArgs) -> Result<Trained, Exit> {
    let cannot = |why: String| Exit::failed(format!("cannot read {}: {why}", file.display()));
    let options = how.options()?;
    if let Some(layout) = options.layout.filter(|layout| !Layout::has_users(*layout)) {
        return Err(Exit::usage(format!(
            "--layout {layout}: such a file does not say who paid nor to whom, and every rule needs a user's earlier payments \
             or a merchant's labels, so that nothing can be learned from it"
        )));
    }
    let source = File::open(file).map_err(|why| cannot(why.to_string()))?;
    let mut reader = Reader::new(source, &options).map_err(|why| cannot(why.to_string()))?;
    let (mut read, mut labelled) = (0_u64, 0_u64);
    let mut learn = |record: &Record| {
        read += 1;
        labelled += u64::from(record.fraud.is_some());
        trainer.add(record).map_err(|why| cannot(why.to_string()))
    };
    if options.sorts() {
        let sorted = Sorted::read(&mut reader).map_err(|why| cannot(why.to_string()))?;
        drop(reader);
        for record in sorted.records() {
            learn(&record)?;
        }
    } else {
        for record in &mut reader {
            learn(&record.map_err(|why| cannot(why.to_string()))?)?;
        }
        // The fit needs the room that the ids take.
        drop(reader);
    }
    if labelled == 0 {
        return Err(Exit::failed(format!(
            "{}: none of its {read} transactions says whether it was fraud; the column `fraud` is missing or empty",
            file.display()
        )));
    }
    print::remark(format_args!("{read} transactions, {labelled} of them labelled"));
    finish(trainer)
}

fn from_records(mut trainer: Trainer, records: &[Record]) -> Result<Trained, Exit> {
    for record in records {
        trainer.add(record).map_err(|why| Exit::failed(why.to_string()))?;
    }
    finish(trainer)
}

fn finish(trainer: Trainer) -> Result<Trained, Exit> {
    print::remark("fitting ...");
    trainer.finish().map_err(|why| match why {
        TrainError::Rules(_) => Exit::usage(format!("--name: {why}")),
        _ => Exit::failed(chain(&why)),
    })
}

/// The transactions of the deployed table, in the order of time.
async fn stored(args: &ScopeArgs) -> Result<Vec<Record>, Exit> {
    let scope = args.open_deployed(&Progress::new()).await?;
    let outputs = outputs(&scope, &scope.store().await?);
    let table = outputs
        .get("dynamodb_table_name")
        .ok_or_else(|| args.nothing_deployed(&scope.home))?;
    Ok(records::read(&scope.aws, table).await?)
}

/// What `train --json` prints.
fn document(trained: &Trained, out: &Path) -> Value {
    let report = &trained.report;
    let held_out = |held_out: &Option<HeldOut>| {
        held_out.as_ref().map(|one| {
            json!({
                "transactions": one.transactions,
                "frauds": one.frauds,
                "auc": one.auc,
                "ap": one.average_precision,
                "suspicious_per_day": one.suspicious_per_day,
                "precision": one.precision,
                "recall": one.recall,
            })
        })
    };
    let rules = report
        .rules
        .iter()
        .map(|(rule, fate)| (rule.code().to_owned(), word(*fate).into()));
    json!({
        "version": trained.rules.version(),
        "out": out.display().to_string(),
        "transactions": report.transactions,
        "frauds": report.frauds,
        "known_until": report.known_until,
        "rules": rules.collect::<serde_json::Map<String, Value>>(),
        "held_out": held_out(&report.held_out),
        "held_out_base": held_out(&report.held_out_base),
    })
}

const fn word(fate: Fate) -> &'static str {
    match fate {
        Fate::Learned => "learned",
        Fate::Kept => "kept",
        Fate::Dropped => "dropped",
    }
}

fn report(report: &TrainReport) -> String {
    let mut text = format!(
        "Learned from {} transactions, {} of them fraud.\n\n",
        report.transactions, report.frauds
    );
    for (rule, fate) in &report.rules {
        text.push_str(&format!("  {:<24}{}\n", rule.code(), word(*fate)));
    }
    text.push_str("\nOn the days held out:\n\n");
    text.push_str(&format!(
        "  {:<12}{:>10}{:>10}{:>10}{:>16}{:>11}{:>10}\n",
        "rules", "frauds", "AUC", "AP", "suspicious/day", "precision", "recall"
    ));
    for (name, held_out) in [("candidate", &report.held_out), ("before", &report.held_out_base)] {
        match held_out {
            None => text.push_str(&format!("  {name:<12}nothing to judge by\n")),
            Some(one) => text.push_str(&format!(
                "  {name:<12}{:>10}{:>10.3}{:>10.3}{:>16.1}{:>11.3}{:>10.3}\n",
                one.frauds, one.auc, one.average_precision, one.suspicious_per_day, one.precision, one.recall
            )),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_one_of_two_words_or_a_file() {
        assert_eq!("simulate".parse(), Ok(Source::Simulate));
        assert_eq!("table".parse(), Ok(Source::Table));
        assert_eq!("./table".parse(), Ok(Source::File("./table".into())));
    }

    #[test]
    fn a_report_says_what_there_was_nothing_to_judge_by() {
        let text = report(&TrainReport {
            transactions: 700,
            frauds: 60,
            known_until: 0,
            rules: vec![(fraud::Rule::Amount, Fate::Dropped)],
            held_out: Some(HeldOut {
                transactions: 100,
                frauds: 3,
                auc: 0.75,
                average_precision: 0.5,
                suspicious_per_day: 2.0,
                precision: 0.25,
                recall: 1.0,
            }),
            held_out_base: None,
        });
        for part in [
            "700 transactions, 60",
            "AMOUNT                  dropped",
            "0.750     0.500",
            "before      nothing",
        ] {
            assert!(text.contains(part), "{part}:\n{text}");
        }
    }
}
