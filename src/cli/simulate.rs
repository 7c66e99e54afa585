use super::exit::{self, Exit};
use super::print;
use super::target::{Target, TargetArgs};
use clap::Args;
use evaluate::write::{WriteError, Writer};
use evaluate::{Record, Size, simulate};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Simulates card transactions, some of them fraud, and writes them as CSV in the order of time. The same seed gives the
/// same transactions. Needs no project and no AWS.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Which simulation: any number
    #[arg(long, allow_negative_numbers = true, default_value_t = 1, value_parser = seed)]
    seed: u64,
    #[command(flatten)]
    size: SizeArgs,
    /// Where to write; - is standard output
    #[arg(long, default_value = "-", value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    target: TargetArgs,
}

/// How much is simulated.
#[derive(Clone, Copy, Debug, Args)]
pub struct SizeArgs {
    /// How many days, from 2018-04-01 [default: 183]
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=MOST_DAYS))]
    pub days: Option<u32>,
    /// How many customers [default: 5000]
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=MOST))]
    pub customers: Option<u32>,
    /// How many terminals, which are the merchants [default: 10000]
    #[arg(long, allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=MOST))]
    pub terminals: Option<u32>,
}

/// Ten years: some 35 million transactions with the default customers, at 20 bytes each.
const MOST_DAYS: i64 = 3_660;

/// As many customers, or terminals, at most.
const MOST: i64 = 100_000;

impl From<SizeArgs> for Size {
    fn from(args: SizeArgs) -> Self {
        let default = Self::default();
        Self {
            customers: args.customers.unwrap_or(default.customers),
            terminals: args.terminals.unwrap_or(default.terminals),
            days: args.days.unwrap_or(default.days),
        }
    }
}

impl SizeArgs {
    /// Is anything of it asked for?
    pub fn is_given(&self) -> bool {
        self.days.or(self.customers).or(self.terminals).is_some()
    }
}

/// Reads a seed.
pub fn seed(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("a seed is a whole number from 0 to {}", u64::MAX))
}

pub fn run(args: &SimulateArgs) -> Result<(), Exit> {
    let to_stdout = args.out == Path::new("-");
    let failed = |why: WriteError| match &why {
        // `fraudctl simulate | head`: there is nobody left to tell.
        WriteError(io) if to_stdout && io.kind() == ErrorKind::BrokenPipe => Exit::silent(exit::FAILED),
        _ => Exit::failed(format!("cannot write {}: {why}", args.out.display())),
    };
    let mut target = match to_stdout {
        true => None,
        false => Some(args.target.create("--out", &args.out)?),
    };
    let writer = match &mut target {
        Some(target) => Writer::new(target),
        None => Writer::new(std::io::stdout().lock()),
    };
    let mut writer = writer.map_err(failed)?;
    let simulation = simulate(args.seed, &args.size.into());
    let total = simulation.len() as u64;
    let bar = bar("writing", total);
    let mut frauds = 0;
    for (record, number) in simulation.zip(0_u64..) {
        writer.write(&record).map_err(failed)?;
        frauds += u64::from(is_fraud(&record));
        if number.is_multiple_of(8_192) {
            bar.set_position(number);
        }
    }
    writer.finish().map_err(failed)?;
    target.map(Target::finish).transpose()?;
    bar.finish_and_clear();
    print::remark(format_args!(
        "{total} transactions, {frauds} of them fraud, from seed {}",
        args.seed
    ));
    Ok(())
}

fn is_fraud(record: &Record) -> bool {
    record.fraud == Some(true)
}

/// How far something is, on standard error where that is a terminal.
pub fn bar(what: &'static str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    // The template is a constant that a test parses.
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}

const TEMPLATE: &str = "  {msg} {wide_bar} {human_pos} of {human_len} {elapsed}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_one() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }

    #[test]
    fn the_help_tells_the_defaults_as_they_are() {
        use clap::Args as _;
        let Size {
            customers,
            terminals,
            days,
        } = Size::default();
        let help = SizeArgs::augment_args(clap::Command::new("simulate"))
            .render_help()
            .to_string();
        for default in [customers, terminals, days] {
            assert!(help.contains(&format!("[default: {default}]")), "{default}: {help}");
        }
    }
}
