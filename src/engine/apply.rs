use super::events::{Event, Outcome, Sink};
use super::plan::{Action, Change, Plan, comparable};
use super::schedule::{Op, Schedule};
use super::step::{StepError, Steps};
use crate::resource::{Address, Kinds, Outputs};
use crate::state::{GroupCommit, Record, StoreError};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::watch;

/// Carries out a plan.
///
/// Guarantees: nothing is begun before all that it needs is done; every change is in the state file before its call
/// leaves, and its result before anything that needs it begins; a step that fails stops only what depends on it. Killed
/// at any moment, the next survey and plan find what was made and go on from there.
pub struct Apply<'a> {
    /// How each kind is changed.
    pub kinds: &'a dyn Kinds,
    /// What to do.
    pub plan: &'a Plan,
    /// Where it is remembered.
    pub store: &'a GroupCommit,
    /// Who is told.
    pub sink: Sink<'a>,
    /// Once true, nothing new begins; what runs is finished and remembered.
    pub stop: watch::Receiver<bool>,
}

/// What was done.
#[derive(Debug, Default)]
pub struct Report {
    /// One per change that was not already as desired, in the order in which they ended.
    pub steps: Vec<StepReport>,
    /// Was it stopped before the end?
    pub interrupted: bool,
}

/// What was done to one resource.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// Which.
    pub address: Address,
    /// Of which kind.
    pub kind: String,
    /// What was to be done.
    pub action: Action,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

impl Apply<'_> {
    /// Runs to the end of what can be done.
    ///
    /// # Errors
    /// The state cannot be written before the first step. Later failures are in the report, step by step.
    pub async fn run(self) -> Result<Report, StoreError> {
        self.refresh_records().await?;
        let schedule = Schedule::of(self.plan);
        let outputs = Mutex::new(self.standing_outputs());
        let mut report = Report::default();
        let mut done: BTreeSet<Op> = BTreeSet::new();
        let mut started: BTreeSet<Op> = BTreeSet::new();
        let mut lost: BTreeMap<Op, String> = BTreeMap::new();
        let mut took: BTreeMap<usize, Duration> = BTreeMap::new();
        let steps = self.steps();
        let mut running = FuturesUnordered::new();
        // Without a state that can be written, nothing more may begin.
        let mut blind = false;
        loop {
            report.interrupted = *self.stop.borrow();
            if !report.interrupted && !blind {
                for op in ready(&schedule, &started, &done) {
                    started.insert(op);
                    self.tell_started(op, &started);
                    running.push(steps.run_op(op, &outputs));
                }
            }
            let Some((op, result, time)) = running.next().await else {
                break;
            };
            let change = &self.plan.changes[op.change()];
            *took.entry(op.change()).or_default() += time;
            match result {
                Ok(outcome) => {
                    done.insert(op);
                    if is_last(&schedule, op, &done) {
                        self.finish(&mut report, change, outcome, took[&op.change()]);
                    }
                }
                Err(why) => {
                    blind |= matches!(why, StepError::Store(_));
                    lost.insert(op, why.to_string());
                    self.finish(
                        &mut report,
                        change,
                        Outcome::Failed(why.to_string()),
                        took[&op.change()],
                    );
                }
            }
        }
        drop(running);
        self.report_skipped(&schedule, &done, &lost, &mut report, blind);
        Ok(report)
    }

    /// Brings the records of what needs no change up to date: what depends on what, and what AWS says today.
    async fn refresh_records(&self) -> Result<(), StoreError> {
        self.store.edit(|state| {
            let mut records = state.resources.clone();
            self.refresh(&mut records);
            let changed = records != state.resources;
            state.resources = records;
            changed
        });
        self.store.save().await
    }

    fn refresh(&self, records: &mut BTreeMap<Address, Record>) {
        // Of the predecessors, only those that the plan removes still exist.
        for (address, record) in records.iter_mut() {
            let removed = |outputs: &Outputs| {
                let mine = self.plan.changes.iter().filter(|c| c.retired && c.address == *address);
                mine.filter_map(|c| c.live.as_ref())
                    .any(|live| live.outputs == *outputs)
            };
            record.retiring.retain(|old| removed(&old.outputs));
        }
        for address in &self.plan.forget {
            // What remembers a predecessor is forgotten with the last of them.
            if records.get(address).is_some_and(|record| record.retiring.is_empty()) {
                records.remove(address);
            }
        }
        for change in self.plan.changes.iter().filter(|c| c.action == Action::Unchanged) {
            let (Some(record), Some(live)) = (records.get_mut(&change.address), &change.live) else {
                continue;
            };
            record.outputs.clone_from(&live.outputs);
            if let Some(kind) = self.kinds.get(&change.kind) {
                record.applied = comparable(kind, &change.desired);
                record.observed = Some(comparable(kind, &live.spec));
            }
            record.depends_on = change.depends_on.iter().cloned().collect();
        }
    }

    fn steps(&self) -> Steps<'_> {
        Steps {
            kinds: self.kinds,
            plan: self.plan,
            store: self.store,
            sink: self.sink,
        }
    }

    fn standing_outputs(&self) -> BTreeMap<Address, Outputs> {
        let stays = |c: &&Change| !matches!(c.action, Action::Replace | Action::Delete);
        let standing = self.plan.changes.iter().filter(stays);
        standing
            .filter_map(|c| Some((c.address.clone(), c.live.as_ref()?.outputs.clone())))
            .collect()
    }

    fn tell_started(&self, op: Op, started: &BTreeSet<Op>) {
        let other_half = match op {
            Op::Make(index) => Op::Remove(index),
            Op::Remove(index) => Op::Make(index),
        };
        if !started.contains(&other_half) {
            let change = &self.plan.changes[op.change()];
            (self.sink)(Event::Started {
                address: change.address.clone(),
                kind: change.kind.clone(),
                action: change.action,
            });
        }
    }

    fn finish(&self, report: &mut Report, change: &Change, outcome: Outcome, took: Duration) {
        let step = StepReport {
            address: change.address.clone(),
            kind: change.kind.clone(),
            action: change.action,
            outcome,
            took,
        };
        (self.sink)(Event::Finished {
            address: step.address.clone(),
            kind: step.kind.clone(),
            action: step.action,
            outcome: step.outcome.clone(),
            took,
        });
        report.steps.push(step);
    }

    fn report_skipped(
        &self,
        schedule: &Schedule,
        done: &BTreeSet<Op>,
        lost: &BTreeMap<Op, String>,
        report: &mut Report,
        blind: bool,
    ) {
        let mut told: BTreeSet<usize> = lost.keys().map(|op| op.change()).collect();
        for op in schedule.needs.keys() {
            if done.contains(op) || !told.insert(op.change()) {
                continue;
            }
            let why = match cause(*op, schedule, lost) {
                Some(failed) => format!("it needs {}, which failed", self.plan.changes[failed.change()].address),
                None if blind => "the state could not be written".to_owned(),
                None => "interrupted".to_owned(),
            };
            let change = &self.plan.changes[op.change()];
            self.finish(report, change, Outcome::Skipped(why), Duration::ZERO);
        }
    }
}

/// The ops that can begin, those with the longest way behind them first.
fn ready(schedule: &Schedule, started: &BTreeSet<Op>, done: &BTreeSet<Op>) -> Vec<Op> {
    let mut ready: Vec<Op> = schedule
        .needs
        .iter()
        .filter(|(op, needs)| !started.contains(op) && needs.is_subset(done))
        .map(|(op, _)| *op)
        .collect();
    ready.sort_by_key(|op| std::cmp::Reverse(schedule.depth.get(op).copied().unwrap_or_default()));
    ready
}

/// Is everything of this op's change done now?
fn is_last(schedule: &Schedule, op: Op, done: &BTreeSet<Op>) -> bool {
    let halves = [Op::Make(op.change()), Op::Remove(op.change())];
    halves
        .iter()
        .all(|half| !schedule.needs.contains_key(half) || done.contains(half))
}

/// The failed op because of which this one could not begin.
fn cause(op: Op, schedule: &Schedule, lost: &BTreeMap<Op, String>) -> Option<Op> {
    let mut open = vec![op];
    let mut seen = BTreeSet::new();
    while let Some(op) = open.pop() {
        if lost.contains_key(&op) {
            return Some(op);
        }
        if seen.insert(op) {
            open.extend(schedule.needs.get(&op).into_iter().flatten().copied());
        }
    }
    None
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
