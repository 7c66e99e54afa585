use super::deploy::{ApplyArgs, Deployment};
use super::exit::{self, Exit};
use super::scope::{BuildArgs, Scope, ScopeArgs};
use super::stop::Stop;
use super::{interrupted, protect};
use crate::aws::logs::group::Group;
use crate::engine::{Action, Begun, Change, Plan, survey};
use crate::operate::load::tap;
use crate::resource::{Kinds, Owner, Reconciler};
use crate::ui::Progress;
use clap::Args;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// For so long a function or a topic that was removed may still write to its log, which makes the group anew: IAM takes
/// seconds to withdraw a right, and Lambda hands over its last lines late.
const WRITTEN_WITHIN: Duration = Duration::from_secs(15);

pub async fn run(args: DownArgs, stop: &Stop) -> Result<(), Exit> {
    let begun = Instant::now();
    let progress = Arc::new(Progress::new());
    protect::against_down(&args.scope.settings(&BuildArgs::default())?)?;
    let scope = args.scope.open(&BuildArgs::default(), &progress).await?;
    let lock = scope.lock("down", stop).await?;
    let store = scope.store_of(&lock).await?;
    args.scope.note_lost(&scope.home, &progress);
    let (graph, kinds) = scope.desired(None, &progress)?;
    let mut live = survey(&graph, &store.state, &kinds, &scope.settings.env).await?;
    // What is not found now is forgotten, so it is looked for as long as AWS may need to show it.
    interrupted::look(&scope, &kinds, &store.state, &mut live, Begun::Made, &progress).await?;
    let plan = Plan::towards_nothing(&graph, &store.state, &live, &kinds)?;
    let protected = protect::by_aws(&plan, &store.state, &|words| scope.aws.command(words));
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
    let done = deployment.run(store).await.map(drop);
    if done.as_ref().is_err_and(|exit| exit.code != exit::PARTIAL) {
        return done;
    }
    // What a killed `load` left behind belongs to the environment as well.
    match tap::remove_queues(&scope.aws, &scope.settings.env, u64::MAX).await {
        Ok(queues) => queues
            .iter()
            .for_each(|queue| progress.say(&format!("removed {queue}, which a load that was killed had left"))),
        Err(why) => progress.say(&format!(
            "note: queues that a killed load may have left were not looked for: {why}"
        )),
    }
    let mut stopped = stop.in_order(&progress);
    tokio::select! {
        // Everything is done; the next run takes such a group for ours.
        _ = stopped.changed() => {}
        () = remove_what_came_back(&scope, &kinds, &plan, &progress) => {}
    }
    stop.at_once();
    done
}

/// Removes the log groups that were made anew after they were removed, by whoever still wrote to them.
async fn remove_what_came_back(scope: &Scope, kinds: &dyn Kinds, plan: &Plan, progress: &Progress) {
    let Some(kind) = kinds.get(Group::KIND) else { return };
    let removed = |change: &&Change| change.kind == Group::KIND && change.action == Action::Delete && !change.retired;
    let groups: Vec<&Change> = plan.changes.iter().filter(removed).collect();
    if groups.is_empty() || !scope.aws.is_paced() {
        return;
    }
    progress.say(&format!(
        "note: looking for {} s whether somebody still writes to the logs that were removed",
        WRITTEN_WITHIN.as_secs()
    ));
    tokio::time::sleep(WRITTEN_WITHIN).await;
    let env = &scope.settings.env;
    for change in groups {
        let Some(live) = &change.live else { continue };
        let found = match kind.observe(&change.address, env, &live.spec, None).await {
            Ok(Some(found)) if found.owner == Owner::Ours => kind.delete(&found).await.map(|()| true),
            Ok(_) => Ok(false),
            Err(why) => Err(why),
        };
        match found {
            Ok(true) => progress.say(&format!(
                "removed {} once more: it had been written to while its writers went",
                change.address
            )),
            Ok(false) => {}
            Err(why) => progress.say(&format!(
                "note: whether {} was made anew by who still wrote to it is not known: {why}",
                change.address
            )),
        }
    }
}
