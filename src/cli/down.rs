use super::deploy::{ApplyArgs, Deployment};
use super::exit::Exit;
use super::protect;
use super::scope::{BuildArgs, ScopeArgs};
use super::stop::Stop;
use crate::engine::{Plan, look_again, survey, unknown};
use crate::operate::load::tap;
use crate::resource::{Address, Kinds};
use crate::ui::Progress;
use clap::Args;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long AWS may need to show what was made a moment ago: IAM and KMS promise seconds, and ten are seen.
const SHOWN_WITHIN: Duration = Duration::from_secs(30);

/// Removes every resource of an environment, also those that a lost state no longer knows: they are found by their names
/// and ownership tags. What is not ours is never touched. An environment with `protect = true` is refused. The KMS key is
/// scheduled for deletion in 7 days, as AWS demands.
#[derive(Debug, Args)]
pub struct DownArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    apply: ApplyArgs,
}

pub async fn run(args: DownArgs, stop: &Stop) -> Result<(), Exit> {
    let begun = Instant::now();
    let progress = Arc::new(Progress::new());
    protect::against_down(&args.scope.settings(&BuildArgs::default())?)?;
    let scope = args.scope.open(&BuildArgs::default(), &progress).await?;
    let lock = scope.lock("down", stop).await?;
    let store = scope.store_of(&lock).await?;
    let (graph, kinds) = scope.desired(None, &progress)?;
    let mut live = survey(&graph, &store.state, &kinds, &scope.settings.env).await?;
    // What is not found now is forgotten, so it is looked for as long as AWS may need to show it.
    let unsure = unknown(&live, &store.state);
    if !unsure.is_empty() && scope.aws.is_paced() {
        let names: Vec<&str> = unsure.iter().map(Address::as_str).collect();
        progress.say(&format!(
            "note: a run that was interrupted may have made {}; looking for up to {} s whether it did",
            names.join(", "),
            SHOWN_WITHIN.as_secs()
        ));
        // Lists that were read for all are of no use any more.
        kinds.begin_changes();
        look_again(
            &mut live,
            &unsure,
            &store.state,
            &kinds,
            &scope.settings.env,
            SHOWN_WITHIN,
        )
        .await?;
    }
    let plan = Plan::towards_nothing(&graph, &store.state, &live, &kinds)?;
    let protected = protect::by_aws(&plan, &store.state, args.scope.profile.as_deref());
    protected.explain(&progress);
    let deployment = Deployment {
        scope: &scope,
        kinds: &kinds,
        plan: &plan,
        refusal: protected.refusal,
        args: &args.apply,
        begun,
        progress: &progress,
        stop,
    };
    deployment.run(store).await?;
    // What a killed `load` left behind belongs to the environment as well.
    match tap::remove_queues(&scope.aws, &scope.settings.env, u64::MAX).await {
        Ok(queues) => queues
            .iter()
            .for_each(|queue| progress.say(&format!("removed {queue}, which a load that was killed had left"))),
        Err(why) => progress.say(&format!(
            "note: queues that a killed load may have left were not looked for: {why}"
        )),
    }
    Ok(())
}
