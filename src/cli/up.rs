use super::adopt::AdoptArgs;
use super::deploy::{ApplyArgs, Deployment};
use super::exit::Exit;
use super::scope::{BuildArgs, Scope, ScopeArgs};
use super::stop::Stop;
use super::{interrupted, print, protect, send};
use crate::engine::{Begun, Plan, survey};
use crate::operate::preflight;
use crate::state::for_shell;
use crate::ui::Progress;
use clap::Args;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// Builds both functions, works out what differs between what should be, what is remembered and what AWS has, shows it,
/// and after a yes creates, changes or removes exactly that. Safe to interrupt and to repeat at any time.
#[derive(Debug, Args)]
pub struct UpArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    build: BuildArgs,
    /// Carry out a plan that replaces a table, which loses everything stored in it
    #[arg(long)]
    allow_data_loss: bool,
    #[command(flatten)]
    adopt: AdoptArgs,
    #[command(flatten)]
    apply: ApplyArgs,
}

pub async fn run(args: UpArgs, stop: &Stop) -> Result<(), Exit> {
    let begun = Instant::now();
    let progress = Arc::new(Progress::new());
    args.adopt.check(&args.scope, &args.build)?;
    let scope = args.scope.open(&args.build, &progress).await?;
    let builder = scope.builder(&args.build)?;
    for note in scope.home.check().await? {
        progress.say(&format!("note: {note}"));
    }
    let lock = scope.lock("up", stop).await?;
    let store = scope.store_of(&lock).await?;
    args.scope.note_lost(&scope.home, &progress);
    let (graph, kinds) = scope.desired(Some(builder), &progress)?;
    let mut live = survey(&graph, &store.state, &kinds, &scope.settings.env).await?;
    interrupted::look(&scope, &kinds, &store.state, &mut live, Begun::Removed, &progress).await?;
    let plan = Plan::towards(&graph, &store.state, &live, &kinds, &args.adopt.addresses())?;
    args.adopt.explain(&plan, &kinds, &progress);
    if let Some(unknown) = preflight::check(&scope.aws, &plan, &store.state).await? {
        progress.say(&format!("note: not everything could be checked beforehand: {unknown}"));
    }
    if let Some(why) = preflight::live_rules(&scope.aws, &plan).await {
        progress.say(&format!("note: {why}"));
    }
    let protected = protect::by_aws(&plan, &store.state, &|words| scope.aws.command(words));
    protected.explain(&progress);
    let deployment = Deployment {
        scope: &scope,
        kinds: &kinds,
        plan: &plan,
        refusal: protect::against_loss(&scope.settings, &plan)
            .or_else(|| preflight::lost_data(&plan).filter(|_| !args.allow_data_loss))
            .or(protected.refusal),
        args: &args.apply,
        begun,
        progress: &progress,
        stop,
    };
    let outputs = deployment.run(store).await?;
    if args.apply.json {
        return Ok(());
    }
    // It is done; that nobody reads what stands is no failure.
    let _ = print_outputs(&outputs);
    if scope.local {
        try_it(&scope, &outputs).await?;
    }
    let _ = print_curl(&args.scope, &outputs);
    Ok(())
}

fn print_outputs(outputs: &BTreeMap<String, String>) -> Result<(), Exit> {
    print::line("\nWhat stands:")?;
    let width = outputs.keys().map(String::len).max().unwrap_or_default();
    for (name, value) in outputs {
        print::line(format_args!("  {name:<width$}  {value}"))?;
    }
    Ok(())
}

/// The proof of a local deployment: one small transaction through the API.
async fn try_it(scope: &Scope, outputs: &BTreeMap<String, String>) -> Result<(), Exit> {
    let transaction = send::example("42.50");
    let answer = send::through(scope, outputs, &transaction).await?;
    let amount = &transaction.amount;
    let _ = print::line(format_args!(
        "\nA transaction of {amount} went through: {} {}",
        answer.status, answer.body
    ));
    if answer.status == 200 {
        Ok(())
    } else {
        Err(Exit::failed(format!(
            "the API answered {} to a valid transaction; `fraudctl local status` names the log",
            answer.status
        )))
    }
}

/// The same for any shell. The key is fetched when the line runs, so that it stands in no history and no log.
fn print_curl(scope: &ScopeArgs, outputs: &BTreeMap<String, String>) -> Result<(), Exit> {
    let Some(endpoint) = outputs.get("api_endpoint") else {
        return Ok(());
    };
    // By a path where it was called by one, so that the line works from any folder.
    let called = std::env::args().next().unwrap_or_else(|| "fraudctl".to_owned());
    let path = std::env::current_exe().ok().filter(|_| called.contains('/'));
    let program = path.map_or(called, |path| path.display().to_string());
    let program = for_shell(&program);
    let flags = scope.flags_for_shell();
    print::line(format_args!(
        "\nTry it:\n  curl -X POST {endpoint}/transactions \\\n    -H \"x-api-key: $({program} output api_key {flags})\" \\\n    \
         -H 'content-type: application/json' \\\n    -d '{EXAMPLE}'"
    ))
}

/// A transaction as the API takes it.
const EXAMPLE: &str =
    r#"{"transaction_id": "t-1", "user_id": "u-1", "amount": 150.50, "merchant": "Books", "location": "Berlin"}"#;

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        scope: ScopeArgs,
    }

    #[test]
    fn the_flags_that_were_given_are_repeated() {
        let given = [
            "--env=two",
            "--local",
            "--region=eu-west-1",
            "--project=/p",
            "--config=c.toml",
            "--state=my state",
            "--local-port=4700",
            "--cache-dir=/c",
        ];
        let line = Line::parse_from(["fraudctl"].into_iter().chain(given));
        let words = given.iter().flat_map(|flag| flag.split('='));
        assert_eq!(line.scope.flags(), words.collect::<Vec<_>>());
        let pasted = line.scope.flags_for_shell();
        assert!(pasted.starts_with("--env two --local --region eu-west-1 "), "{pasted}");
        assert!(pasted.contains(" --state 'my state' "), "{pasted}");
    }
}
