use super::deploy::{ApplyArgs, Deployment};
use super::exit::Exit;
use super::scope::{BuildArgs, Scope, ScopeArgs};
use super::{print, send};
use crate::engine::{Plan, survey};
use crate::operate::preflight;
use crate::state::Lock;
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
    #[command(flatten)]
    apply: ApplyArgs,
}

pub async fn run(args: UpArgs) -> Result<(), Exit> {
    let begun = Instant::now();
    let progress = Arc::new(Progress::new());
    let scope = args.scope.open(&args.build, &progress).await?;
    let builder = scope.builder(&args.build)?;
    let _lock = Lock::take(&scope.state_path, "up")?;
    let store = scope.store()?;
    let (graph, kinds) = scope.desired(Some(builder), &progress)?;
    let live = survey(&graph, &store.state, &kinds, &scope.settings.env).await?;
    let plan = Plan::towards(&graph, &store.state, &live, &kinds)?;
    if let Some(unknown) = preflight::check(&scope.aws, &plan).await? {
        progress.say(&format!(
            "note: the quota of concurrent executions was not checked: {unknown}"
        ));
    }
    let deployment = Deployment {
        scope: &scope,
        kinds: &kinds,
        plan: &plan,
        args: &args.apply,
        begun,
        progress: &progress,
    };
    let outputs = deployment.run(store).await?;
    if args.apply.json {
        return Ok(());
    }
    print_outputs(&outputs)?;
    if scope.local {
        try_it(&scope, &outputs).await?;
    }
    print_curl(&args.scope, &outputs)
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
    print::line(format_args!(
        "\nA transaction of {amount} went through: {} {}",
        answer.status, answer.body
    ))?;
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
    let program = std::env::args().next().unwrap_or_else(|| "fraudctl".to_owned());
    let local = if scope.local { " --local" } else { "" };
    let region = scope
        .region
        .as_ref()
        .map(|r| format!(" --region {r}"))
        .unwrap_or_default();
    let profile = scope
        .profile
        .as_ref()
        .map(|p| format!(" --profile {p}"))
        .unwrap_or_default();
    let flags = format!("--env {}{local}{region}{profile}", scope.env);
    print::line(format_args!(
        "\nTry it:\n  curl -X POST {endpoint}/transactions \\\n    -H \"x-api-key: $({program} output api_key {flags})\" \\\n    \
         -H 'content-type: application/json' \\\n    -d '{EXAMPLE}'"
    ))
}

/// A transaction as the API takes it.
const EXAMPLE: &str =
    r#"{"transaction_id": "t-1", "user_id": "u-1", "amount": 150.50, "merchant": "Books", "location": "Berlin"}"#;
