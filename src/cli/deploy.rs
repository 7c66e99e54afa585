//! What `up` and `down` share: show the plan, ask, carry it out, say how it went.

use super::exit::{self, Exit};
use super::scope::Scope;
use super::stop::Stop;
use super::{confirm, json, print};
use crate::aws::Registry;
use crate::engine::{Action, Apply, Outcome, Plan, Report};
use crate::resource::{Address, Kinds, Outputs};
use crate::state::{GroupCommit, Store};
use crate::ui::{self, Progress};
use clap::Args;
use fraud::text::escape;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Instant;

/// How to carry out a plan.
#[derive(Clone, Debug, Args)]
pub struct ApplyArgs {
    /// Do not ask before changing anything
    #[arg(long, short)]
    pub yes: bool,
    /// Print one JSON document on standard output, everything else on standard error
    #[arg(long)]
    pub json: bool,
}

/// A plan that is to be carried out.
pub struct Deployment<'a> {
    /// Where.
    pub scope: &'a Scope,
    /// With what.
    pub kinds: &'a Registry,
    /// What.
    pub plan: &'a Plan,
    /// Why it is not carried out, where it is only shown.
    pub refusal: Option<String>,
    /// How.
    pub args: &'a ApplyArgs,
    /// Since when we are at it.
    pub begun: Instant,
    /// Who shows it.
    pub progress: &'a Arc<Progress>,
    /// What signals do meanwhile.
    pub stop: &'a Stop,
}

impl Deployment<'_> {
    /// Shows the plan, asks where somebody must be asked, and carries it out. Returns what stands then, where all went
    /// well.
    pub async fn run(self, store: Store) -> Result<BTreeMap<String, String>, Exit> {
        let headline = self.scope.headline();
        let text = format!("{}\n{}", escape(&headline), ui::plan(self.plan).trim_end());
        let asks = !self.plan.is_empty() && !self.args.yes && !self.scope.local;
        // Who is asked must see what about, also where standard output goes elsewhere.
        if self.args.json || (asks && !std::io::stdout().is_terminal()) {
            print::styled_remark(text)
        } else {
            print::styled(text).map_err(unread)?
        }
        if let Some(why) = self.refusal {
            return Err(Exit::failed(why));
        }
        if asks {
            confirm::proceed("nothing was changed", "the plan")?;
        }
        self.kinds.begin_changes();
        let store = GroupCommit::new(store);
        let apply = Apply {
            kinds: self.kinds,
            plan: self.plan,
            store: &store,
            sink: &|event| self.progress.event(event),
            stop: self.stop.in_order(self.progress),
        };
        let report = apply.run().await?;
        self.stop.at_once();
        let mut store = store.store().await;
        // Where no state was read and none written, what is left of one before is not ours to remove.
        let discarded = if store.state.resources.is_empty() && store.state.serial > 0 {
            store.discard().await
        } else {
            Ok(())
        };
        let outputs = outputs(self.scope, &store);
        let mut printed = Ok(());
        if self.args.json {
            let env = &self.scope.settings.env;
            let calls = self.scope.aws.counts.total();
            let took = self.begun.elapsed();
            printed = json::print(&json::Applied::of(
                env,
                self.plan,
                &report.steps,
                took,
                calls,
                outputs.clone(),
            ));
        }
        // What became of AWS weighs more than that it could not be printed.
        self.verdict(&report)?;
        self.nothing_of_ours_left(&store)?;
        discarded?;
        printed?;
        Ok(outputs)
    }

    /// What is remembered but does not look like ours any more was not touched, and that is no success.
    fn nothing_of_ours_left(&self, store: &Store) -> Result<(), Exit> {
        let left: Vec<&str> = self
            .plan
            .foreign
            .iter()
            .filter(|(address, _)| store.state.resources.contains_key(address))
            .map(|(address, _)| address.as_str())
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        Err(Exit {
            code: exit::PARTIAL,
            message: format!(
                "left alone, though remembered: {}. It does not look like ours, or is needed by what does not; the plan above \
                 tells why, and what to do",
                left.join(", ")
            ),
        })
    }

    /// How it went, as an exit code.
    fn verdict(&self, report: &Report) -> Result<(), Exit> {
        let (mut done, mut failed, mut skipped) = (0, 0, 0);
        for step in &report.steps {
            match step.outcome {
                // As the JSON document counts: a build is no resource, and nothing done is nothing.
                Outcome::Done if step.action != Action::Build => done += 1,
                Outcome::Done | Outcome::Nothing => {}
                Outcome::Failed(_) => failed += 1,
                Outcome::Skipped(_) => skipped += 1,
            }
        }
        if failed + skipped == 0 {
            if !self.plan.is_empty() {
                let calls = self.scope.aws.counts.total();
                let seconds = self.begun.elapsed().as_secs_f32();
                self.progress
                    .say(&format!("Done: {done} steps in {seconds:.1} s, {calls} API calls."));
            }
            return Ok(());
        }
        let went_well = |outcome: &Outcome| matches!(outcome, Outcome::Done | Outcome::Nothing);
        let some_went_well = report.steps.iter().any(|step| went_well(&step.outcome));
        let code = match (report.interrupted, some_went_well) {
            (true, _) => exit::INTERRUPTED,
            (false, false) => exit::FAILED,
            (false, true) => exit::PARTIAL,
        };
        let mend = if failed > 0 { "mend what failed and run" } else { "run" };
        let message = format!(
            "{done} steps done, {failed} failed, {skipped} not begun. What is done is remembered: {mend} the same command \
             again, it goes on from here"
        );
        Err(Exit { code, message })
    }
}

/// Whoever does not see the plan is told that nothing came of it.
fn unread(exit: Exit) -> Exit {
    if exit.message.is_empty() {
        Exit::failed("nobody reads standard output any more, where the plan is shown; nothing was changed")
    } else {
        exit
    }
}

/// What a user wants to know of the system, from what is remembered.
pub fn outputs(scope: &Scope, store: &Store) -> BTreeMap<String, String> {
    let of = |address: &Address| -> Option<Outputs> { Some(store.state.resources.get(address)?.outputs.clone()) };
    scope.stack().outputs(&of)
}
