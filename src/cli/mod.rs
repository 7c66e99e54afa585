//! The commands: one file each, with its flags and what it prints.

mod adopt;
mod confirm;
mod deploy;
mod diff;
mod down;
mod duration;
mod eval;
mod exit;
mod import;
mod interrupted;
mod json;
mod label;
mod load;
mod local;
mod output;
mod policy;
mod print;
mod protect;
mod rules;
mod scope;
mod send;
mod simulate;
mod source;
mod state;
mod status;
mod stop;
mod target;
mod train;
mod up;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

pub use exit::Exit;
pub use scope::ScopeArgs;

/// Puts a serverless fraud-detection system on AWS, keeps it there, and takes it away.
///
/// Credentials, region and endpoint come from where the AWS command line takes them: AWS_PROFILE, AWS_REGION,
/// AWS_ENDPOINT_URL, ~/.aws/config and so on. Settings come from fraudctl.toml, where every key has a default.
///
/// Exit codes: 0 done; 1 failed; 2 wrong usage; 3 some steps failed, the rest is done; 4 `diff --exit-code` found changes;
/// 5 another fraudctl holds the lock; 130 interrupted.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build the functions and bring AWS to what the stack says
    Up(up::UpArgs),
    /// Show what `up` would do, and do nothing
    Diff(diff::DiffArgs),
    /// Remove everything of an environment
    Down(down::DownArgs),
    /// Print what the system offers: endpoint, ARNs, names
    Output(output::OutputArgs),
    /// Show what stands, resource by resource
    Status(status::StatusArgs),
    /// Print the IAM policies that fraudctl itself needs
    Policy(Box<policy::PolicyArgs>),
    /// Post a transaction to the API and print the answer
    Send(send::SendArgs),
    /// Say of a transaction whether it was fraud
    Label(label::LabelArgs),
    /// Show, compare, try and change the rules that transactions are scored by
    Rules(rules::RulesArgs),
    /// Send simulated transactions at a constant rate and report latencies and alerts
    Load(load::LoadArgs),
    /// Write simulated transactions, some of them fraud
    Simulate(simulate::SimulateArgs),
    /// Judge the scoring on simulated transactions
    Eval(eval::EvalArgs),
    /// Fit the rules to transactions of which it is known whether they were fraud
    Train(Box<train::TrainArgs>),
    /// Check a file of transactions: what is in it, and what in it is wrong
    Import(Box<import::ImportArgs>),
    /// Show, mend and move what is remembered
    State(state::StateArgs),
    /// Start, stop or reset the local AWS
    Local(local::LocalArgs),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // What is wrong is repeated, and an argument may come from anywhere.
        Err(why) if why.use_stderr() => {
            print::remark(why.render().to_string().trim_end());
            return ExitCode::from(exit::USAGE);
        }
        // --help and --version.
        Err(told) => told.exit(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(why) => return fail(&Exit::failed(format!("cannot start: {why}"))),
    };
    let result = runtime.block_on(async {
        // Before anything else, so that a signal at any time gives the same code.
        let stop = stop::Stop::saying(match cli.command {
            Command::Up(_) | Command::Down(_) => "interrupted; nothing was changed",
            _ => stop::INTERRUPTED,
        });
        let result = run(cli.command, &stop).await;
        stop.release().await;
        result
    });
    // Whatever still runs in the background is not waited for.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(exit) => fail(&exit),
    }
}

/// Says why, and gives the code.
fn fail(exit: &Exit) -> ExitCode {
    if !exit.message.is_empty() {
        print::remark(format_args!("fraudctl: {}", exit.message));
    }
    ExitCode::from(exit.code)
}

async fn run(command: Command, stop: &stop::Stop) -> Result<(), Exit> {
    match command {
        Command::Up(args) => up::run(args, stop).await,
        Command::Diff(args) => diff::run(args).await,
        Command::Down(args) => down::run(args, stop).await,
        Command::Output(args) => output::run(args).await,
        Command::Status(args) => status::run(args).await,
        Command::Policy(args) => policy::run(*args).await,
        Command::Send(args) => send::run(args).await,
        Command::Label(args) => label::run(args).await,
        Command::Rules(args) => rules::run(args).await,
        Command::Load(args) => load::run(args, stop).await,
        Command::Simulate(args) => simulate::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Train(args) => train::run(*args).await,
        Command::Import(args) => import::run(&args),
        Command::State(args) => state::run(&args, stop).await,
        Command::Local(args) => local::run(args).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_every_command_is_as_reviewed() {
        let mut text = String::new();
        let mut root = Cli::command().term_width(110);
        text.push_str(&root.render_long_help().to_string());
        for command in root.get_subcommands_mut() {
            let help = command.render_help();
            text.push_str(&format!("\n======== {}\n{help}", command.get_name()));
        }
        insta::assert_snapshot!(text);
    }
}
