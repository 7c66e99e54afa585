use super::adopt::AdoptArgs;
use super::exit::{self, Exit};
use super::scope::{BuildArgs, ScopeArgs};
use super::{json, print};
use crate::engine::{Plan, survey};
use crate::state::Lock;
use crate::ui::{self, Progress};
use clap::Args;
use fraud::text::escape;
use std::sync::Arc;

/// Shows what `up` would do: what the stack wants otherwise (intent), and what was changed outside of fraudctl (drift).
/// Changes nothing, takes no lock.
#[derive(Debug, Args)]
pub struct DiffArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    build: BuildArgs,
    #[command(flatten)]
    adopt: AdoptArgs,
    /// Exit with 4 when there is something to do
    #[arg(long)]
    exit_code: bool,
    /// Print one JSON document on standard output, everything else on standard error
    #[arg(long)]
    json: bool,
}

pub async fn run(args: DiffArgs) -> Result<(), Exit> {
    let progress = Arc::new(Progress::new());
    args.adopt.check(&args.scope, &args.build)?;
    let scope = args.scope.open(&args.build, &progress).await?;
    let builder = scope.builder(&args.build)?;
    let (holder, store) = tokio::join!(Lock::holder(&scope.home), scope.store());
    if let Some(holder) = holder {
        progress.say(&format!(
            "note: {} works on this environment: what is shown here may change meanwhile",
            holder.told()
        ));
    }
    let store = store?;
    args.scope.note_lost(&scope.home, &progress);
    let (graph, kinds) = scope.desired(Some(builder), &progress)?;
    let live = survey(&graph, &store.state, &kinds, &scope.settings.env).await?;
    let plan = Plan::towards(&graph, &store.state, &live, &kinds, &args.adopt.addresses())?;
    args.adopt.explain(&plan, &kinds, &progress);
    if args.json {
        json::print(&json::Diff::of(&scope.settings.env, &plan))?;
    } else {
        let headline = scope.headline();
        print::styled(format_args!("{}\n{}", escape(&headline), ui::plan(&plan).trim_end()))?;
    }
    if args.exit_code && !plan.is_empty() {
        Err(Exit::silent(exit::CHANGES))
    } else {
        Ok(())
    }
}
