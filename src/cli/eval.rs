use super::exit::Exit;
use super::simulate::{self, SizeArgs, bar};
use super::target::TargetArgs;
use super::{json, print, source};
use clap::Args;
use evaluate::protocol::{CARDS_A_DAY, Verdict};
use evaluate::{Evaluation, Size, curves};
use fraud::{Rules, Threshold};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Judges the scoring: simulates transactions, scores each by the very code that the function runs, with what was known
/// when it happened, and compares with what was fraud. Needs no project and no AWS.
///
/// Scorers: `base` is the base rule alone, `ours` the built-in rules or those of --rules (and `builtin` the built-in ones
/// then), `logistic` a logistic regression on the same facts, trained two weeks before the test. Tested is the published
/// week, 2018-08-08 to 08-14, or the last week of a shorter simulation.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Which simulation. The built-in rules were chosen on others
    #[arg(long, allow_negative_numbers = true, default_value_t = 11, value_parser = simulate::seed)]
    seed: u64,
    /// Several simulations, one after the other, and their mean
    #[arg(long, allow_negative_numbers = true, value_delimiter = ',', value_name = "SEED,SEED,...", conflicts_with = "seed", value_parser = simulate::seed)]
    seeds: Vec<u64>,
    /// Judge the rules of this file too
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    #[command(flatten)]
    size: SizeArgs,
    /// Draw the ROC and the precision-recall curves of all scorers into this file; not together with --seeds
    #[arg(long, value_name = "FILE", conflicts_with = "seeds")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub fn run(args: &EvalArgs) -> Result<(), Exit> {
    let rules = args.rules.as_deref().map(read_rules).transpose()?;
    if let Some(file) = &args.svg {
        args.target.check("--svg", file)?;
    }
    let bare = Rules::bare();
    let mut scorers = vec![("base", &bare)];
    match &rules {
        Some(rules) => scorers.extend([("builtin", Rules::builtin()), ("ours", rules)]),
        None => scorers.push(("ours", Rules::builtin())),
    }
    if args.seeds.is_empty() {
        let evaluation = evaluate(args.seed, args.size, &scorers)?;
        // The figures first: they cost more than the picture.
        let run = Run::of(&evaluation);
        if args.json { json::print(&run) } else { run.print() }?;
        if let Some(file) = &args.svg {
            draw(file, args.target, &evaluation)?;
        }
        return Ok(());
    }
    let mut runs = Vec::new();
    for seed in &args.seeds {
        let run = Run::of(&evaluate(*seed, args.size, &scorers)?);
        if !args.json {
            run.print()?;
            print::line("")?;
        }
        runs.push(run);
    }
    let mean = mean(&runs);
    if args.json {
        return json::print(&Runs { runs, mean });
    }
    print::line(format_args!("mean of {} seeds", runs.len()))?;
    print_scorers(&mean, None)?;
    print_scenarios(&mean)
}

/// Reads a rules file and checks it.
pub fn read_rules(file: &Path) -> Result<Rules, Exit> {
    let text = source::text(file).map_err(|why| Exit::failed(format!("cannot read {}: {why}", file.display())))?;
    Rules::parse(&text).map_err(|why| Exit::failed(format!("{}: {why}", file.display())))
}

fn evaluate(seed: u64, size: SizeArgs, scorers: &[(&str, &Rules)]) -> Result<Evaluation, Exit> {
    let bar = bar("scoring", 0);
    let progress = &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let result = evaluate::evaluate(seed, &Size::from(size), scorers, progress);
    bar.finish_and_clear();
    let evaluation = result.map_err(|why| match why {
        evaluate::EvaluationError::TooShort { .. } => Exit::usage(format!("--days: {why}")),
        evaluate::EvaluationError::Order(_) => Exit::failed(why.to_string()),
    })?;
    if evaluation.trial.tested() == 0 {
        return Err(Exit::failed(format!(
            "seed {seed}: nothing was tested: of {} transactions none is in the test week with a card that is not yet \
             known to be compromised; simulate more customers",
            evaluation.transactions
        )));
    }
    Ok(evaluation)
}

fn draw(file: &Path, target: TargetArgs, evaluation: &Evaluation) -> Result<(), Exit> {
    let rankings: Vec<_> = evaluation.trial.rankings().collect();
    let title = format!(
        "Seed {}: {} transactions tested",
        evaluation.seed,
        evaluation.trial.tested()
    );
    target.write("--svg", file, &curves::svg(&title, &rankings))
}

/// What `eval --json` prints of one seed.
#[derive(Debug, Serialize)]
struct Run {
    seed: u64,
    transactions: u64,
    frauds: u64,
    scorers: Vec<Verdict>,
    tested: Tested,
}

/// What was tested of it.
#[derive(Debug, Serialize)]
struct Tested {
    from: u64,
    until: u64,
    transactions: usize,
    frauds: usize,
    /// Above which score is alerted.
    threshold: f64,
    /// What a scorer that knows the truth would have.
    best_cp_at_100: Option<f64>,
}

/// What `eval --seeds --json` prints.
#[derive(Debug, Serialize)]
struct Runs {
    runs: Vec<Run>,
    mean: Vec<Verdict>,
}

impl Run {
    fn of(evaluation: &Evaluation) -> Self {
        let trial = &evaluation.trial;
        Self {
            seed: evaluation.seed,
            transactions: evaluation.transactions,
            frauds: evaluation.frauds,
            scorers: evaluation.verdicts(Threshold::DEFAULT),
            tested: Tested {
                from: trial.weeks().test.start,
                until: trial.weeks().test.end,
                transactions: trial.tested(),
                frauds: trial.frauds(),
                threshold: evaluate::protocol::number(Threshold::DEFAULT),
                best_cp_at_100: trial.best_card_precision(),
            },
        }
    }

    fn print(&self) -> Result<(), Exit> {
        print::line(format_args!(
            "seed {}: {} transactions, {} of them fraud; tested on {} of one week, {} of them fraud",
            self.seed, self.transactions, self.frauds, self.tested.transactions, self.tested.frauds
        ))?;
        print_scorers(&self.scorers, self.tested.best_cp_at_100)?;
        print_scenarios(&self.scorers)
    }
}

fn print_scorers(verdicts: &[Verdict], best: Option<f64>) -> Result<(), Exit> {
    let cards = format!("CP@{CARDS_A_DAY}");
    print::line(format_args!(
        "{:<12}{:>10}{:>10}{:>10}{:>12}{:>11}{:>10}",
        "scorer", "AUC", "AP", cards, "alerts/day", "precision", "recall"
    ))?;
    for verdict in verdicts {
        // No alert is right or wrong where there is none.
        let precision = (verdict.alerts_per_day > 0.0).then_some(verdict.precision);
        print::line(format_args!(
            "{:<12}{:>10}{:>10}{:>10}{:>12.1}{:>11}{:>10}",
            verdict.name,
            figure(verdict.auc),
            figure(verdict.ap),
            figure(verdict.cp_at_100),
            verdict.alerts_per_day,
            figure(precision),
            figure(verdict.recall)
        ))?;
    }
    // No scorer finds more cards than are there.
    match best {
        Some(best) => print::line(format_args!(
            "{:<12}{:>10}{:>10}{best:>10.3}",
            "(the truth)", "1.000", "1.000"
        )),
        None => Ok(()),
    }
}

/// Each scorer on the frauds of each scenario alone.
fn print_scenarios(verdicts: &[Verdict]) -> Result<(), Exit> {
    print::line("")?;
    print::line(format_args!(
        "{:<12}{:>10}{:>10}{:>10}{:>12}{:>11}{:>10}",
        "scorer", "scenario", "AUC", "AP", "frauds", "", "recall"
    ))?;
    for verdict in verdicts {
        for one in &verdict.scenarios {
            print::line(format_args!(
                "{:<12}{:>10}{:>10}{:>10}{:>12}{:>11}{:>10}",
                verdict.name,
                one.scenario,
                figure(one.auc),
                figure(one.ap),
                one.frauds,
                "",
                figure(one.recall)
            ))?;
        }
    }
    Ok(())
}

fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}

/// The mean of each scorer's figures; of each scenario's too, where every run has it. A figure that a run does not have,
/// the mean does not have.
fn mean(runs: &[Run]) -> Vec<Verdict> {
    let Some(first) = runs.first() else {
        return Vec::new();
    };
    let known = |verdict: &&Verdict| {
        runs.iter()
            .all(|run| run.scorers.iter().any(|one| one.name == verdict.name))
    };
    let scorers = first.scorers.iter().filter(known);
    scorers
        .map(|verdict| {
            let name = &verdict.name;
            let all: Vec<&Verdict> = runs
                .iter()
                .flat_map(|run| &run.scorers)
                .filter(|one| one.name == *name)
                .collect();
            Verdict::mean(&all)
        })
        .collect()
}
