use super::exit::{self, Exit};
use super::simulate::bar;
use super::source::SourceArgs;
use super::{json, print};
use clap::Args;
use evaluate::check::{Report, check};
use evaluate::read::{Layout, moment, span};
use fraud::text::escape;
use serde::Serialize;
use std::fs::File;
use std::path::PathBuf;

/// Reads a file of transactions as `train --from FILE` does, and tells what is in it: how many transactions, users,
/// merchants and frauds, of which period, which lines are refused and why. Warns of what would teach something wrong,
/// such as a column or a clock that gives the labels away.
///
/// Stores nothing and sends nothing: checking is all that it does. Needs no project and no AWS. Exits with 1 when a line
/// is refused.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Check the file
    #[arg(long)]
    check: bool,
    /// The file; - is standard input
    file: PathBuf,
    /// How many of the last days `train` is to hold out
    #[arg(long, allow_negative_numbers = true, value_name = "DAYS", default_value_t = 14, value_parser = clap::value_parser!(u64).range(1..=365))]
    hold_out: u64,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: SourceArgs,
}

/// What `import --check --json` prints.
#[derive(Serialize)]
struct Document<'a> {
    file: String,
    layout: Option<&'static str>,
    refused_lines: u64,
    #[serde(flatten)]
    report: &'a Report,
}

pub fn run(args: &ImportArgs) -> Result<(), Exit> {
    if !args.check {
        return Err(Exit::usage(
            "import only checks a file so far: say `import --check FILE`. `train --from FILE` learns from it; the API alone \
             stores transactions",
        ));
    }
    let cannot = |why: String| Exit::failed(format!("cannot read {}: {why}", args.file.display()));
    let options = args.source.options()?;
    let bar = bar("reading", 0);
    let progress = &mut |done| bar.set_position(done);
    let checked = if args.file.as_os_str() == "-" {
        check(std::io::stdin().lock(), &options, args.hold_out, progress)
    } else {
        let source = File::open(&args.file).map_err(|why| cannot(why.to_string()))?;
        check(source, &options, args.hold_out, progress)
    };
    bar.finish_and_clear();
    let report = checked.map_err(|why| cannot(why.to_string()))?;
    if args.json {
        json::print(&Document {
            file: args.file.display().to_string(),
            layout: args.source.layout().map(Layout::name),
            refused_lines: report.refusals(),
            report: &report,
        })?;
    } else {
        print::line(told(&report).trim_end())?;
    }
    if report.refused.is_empty() {
        return Ok(());
    }
    Err(Exit {
        code: exit::FAILED,
        message: format!(
            "{} of the lines of {} are refused, so that `train` would refuse the file",
            report.refusals(),
            args.file.display()
        ),
    })
}

fn told(report: &Report) -> String {
    let mut text = format!(
        "{} transactions of {} users at {} merchants\n",
        report.transactions, report.users, report.merchants
    );
    if let (Some(from), Some(until)) = (report.from, report.until) {
        text.push_str(&format!(
            "from {} to {} UTC, {}\n",
            moment(from),
            moment(until),
            span(until - from)
        ));
    }
    text.push_str(&format!(
        "{} labelled, {} of them fraud",
        report.labelled, report.frauds
    ));
    if report.labelled > 0 {
        text.push_str(&format!(
            " ({:.2} %)",
            report.frauds as f64 * 100.0 / report.labelled as f64
        ));
    }
    text.push_str(&format!("\n{} lines refused\n", report.refusals()));
    for refused in &report.refused {
        let column = refused
            .column
            .as_ref()
            .map(|column| format!(", column {}", escape(column)));
        let lines: Vec<String> = refused.lines.iter().map(u64::to_string).collect();
        let more = if (lines.len() as u64) < refused.count {
            ", ..."
        } else {
            ""
        };
        text.push_str(&format!(
            "\n  {} times {}{}: on {}{more}\n    {}\n",
            refused.count,
            refused.reason,
            column.unwrap_or_default(),
            lines.join(", "),
            refused.first
        ));
    }
    if !report.complete {
        text.push_str("\nNothing after the last of these lines could be read.\n");
    }
    for warning in &report.warnings {
        text.push_str(&format!("\nwarning: {}\n", warning.text));
    }
    text
}
