//! One step of a plan: make, bring, remove, with what is remembered before and after.

use super::diff::{FieldChange, diff};
use super::events::{Event, Outcome, Sink};
use super::ownership::not_ours;
use super::plan::{Action, Change, Plan, comparable, differences};
use super::schedule::Op;
use crate::resource::{Address, Changes, Class, Failure, Kind, Kinds, Live, Outputs, references, resolve};
use crate::state::{GroupCommit, Record, Status, StoreError};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::time::Instant;

/// How often to look again for something just made or changed, which AWS may not show everywhere yet.
const LOOKS: u32 = 12;
/// How often to look for what a lost reply may have made, before it is made again: half a minute. Nothing tells the two
/// apart afterwards.
const LOOKS_FOR_LOST: u32 = 60;
/// How long between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(if cfg!(test) { 0 } else { 500 });

/// Why a step failed.
#[derive(Debug, Error)]
pub(super) enum StepError {
    #[error("{0}")]
    Aws(#[from] Failure),
    #[error("{0}")]
    Store(#[from] StoreError),
}

pub(super) type Step<T> = Result<T, StepError>;

/// What every step needs.
#[derive(Clone, Copy)]
pub(super) struct Steps<'a> {
    pub(super) kinds: &'a dyn Kinds,
    pub(super) plan: &'a Plan,
    pub(super) store: &'a GroupCommit,
    pub(super) sink: Sink<'a>,
}

impl Steps<'_> {
    pub(super) async fn run_op(
        &self,
        op: Op,
        outputs: &Mutex<BTreeMap<Address, Outputs>>,
    ) -> (Op, Step<Outcome>, Duration) {
        let begun = Instant::now();
        let change = &self.plan.changes[op.change()];
        let result = match self.kinds.get(&change.kind) {
            None => Err(Failure::new(&change.kind, "UnknownKind", "this fraudctl does not know the kind").into()),
            Some(kind) => match op {
                Op::Make(_) => self.make(change, kind, outputs).await,
                Op::Remove(_) => self.remove(change, kind).await,
            },
        };
        (op, result, begun.elapsed())
    }

    async fn make(
        &self,
        change: &Change,
        kind: &dyn Kind,
        outputs: &Mutex<BTreeMap<Address, Outputs>>,
    ) -> Step<Outcome> {
        let desired = {
            let known = outputs.lock().unwrap_or_else(PoisonError::into_inner);
            resolve(&change.desired, &|r| known.get(&r.address)?.get(&r.output).cloned())
        };
        if let Some(unknown) = references(&desired).first() {
            let what = format!("{} of {} is still unknown", unknown.output, unknown.address);
            return Err(Failure::new(kind.name(), "Unresolved", what).into());
        }
        let desired = kind.normalize(&desired)?;
        let (mine, outcome) = match (&change.live, change.action) {
            (Some(live), Action::Update | Action::Adopt) => self.bring(change, kind, live, &desired).await?,
            _ => (self.create(change, kind, &desired).await?, Outcome::Done),
        };
        outputs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(change.address.clone(), mine);
        Ok(outcome)
    }

    /// Makes it; where it turns out to exist because a reply was lost, takes that one.
    async fn create(&self, change: &Change, kind: &dyn Kind, desired: &Value) -> Step<Outputs> {
        let env = self.env();
        let interrupted = self.store.look(|state| {
            let record = state.resources.get(&change.address);
            record
                .filter(|record| record.status == Status::Creating)
                .map(|record| record.outputs.clone())
        });
        self.record(change, kind, |record| {
            let old = change.retire(record.as_ref()).filter(|_| change.create_first);
            let mut retiring = record.take().map(|r| r.retiring).unwrap_or_default();
            retiring.extend(old);
            *record = Some(self.fresh(change, kind, desired, Status::Creating, retiring));
        })
        .await?;
        let mut again = true;
        let mut tags = Tags::AsAsked;
        // A run before this one died while it made one, and nothing would refuse a second: its reply counts as lost.
        let mut made = None;
        if let Some(outputs) = interrupted.filter(|_| kind.doubles() && change.live.is_none()) {
            let outputs = Some(&outputs).filter(|outputs| !outputs.is_empty());
            made = self
                .look(kind, &change.address, desired, outputs, Class::Ambiguous)
                .await?;
        }
        let outputs = loop {
            if let Some(live) = made
                .take()
                .filter(|live| not_ours(&change.address, kind, live, &env).is_none())
            {
                tags = self.update(change, kind, &live, desired, None).await?;
                break live.outputs;
            }
            let why = match kind.create(&change.address, desired).await {
                Ok(outputs) => break outputs,
                Err(why) => why,
            };
            if !matches!(why.class, Class::Ambiguous | Class::Exists) {
                return Err(why.into());
            }
            match self.look(kind, &change.address, desired, None, why.class).await? {
                Some(live) => {
                    if let Some(foreign) = not_ours(&change.address, kind, &live, &env) {
                        return Err(why.hint(format!("it is not ours: {foreign}")).into());
                    }
                    tags = self.update(change, kind, &live, desired, None).await?;
                    break live.outputs;
                }
                None if why.class == Class::Ambiguous && again => again = false,
                None => return Err(why.into()),
            }
        };
        // The ids first: should the process end while AWS is asked what it made of it, they are not lost. If it turned
        // out to be a predecessor that is wanted back, that one stays.
        self.record(change, kind, |record| {
            if let Some(record) = record {
                record.outputs.clone_from(&outputs);
                record
                    .retiring
                    .retain(|old| outputs.is_empty() || old.outputs != outputs);
            }
        })
        .await?;
        let before = if kind.stale_reads() {
            Before::Anything
        } else {
            Before::Nothing
        };
        self.settle(change, kind, desired, before, tags, outputs).await
    }

    /// A lost reply may belong to a call that is still on its way, so one look is not enough.
    async fn look(
        &self,
        kind: &dyn Kind,
        address: &Address,
        desired: &Value,
        outputs: Option<&Outputs>,
        because: Class,
    ) -> Step<Option<Live>> {
        let env = self.env();
        let looks = if because == Class::Ambiguous {
            LOOKS_FOR_LOST
        } else {
            LOOKS
        };
        for look in 0..looks {
            if look > 0 {
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
            if let Some(live) = kind.observe(address, &env, desired, outputs).await? {
                return Ok(Some(live));
            }
        }
        Ok(None)
    }

    /// Updates or adopts what stands.
    async fn bring(&self, change: &Change, kind: &dyn Kind, live: &Live, desired: &Value) -> Step<(Outputs, Outcome)> {
        let before = self.store.look(|state| state.resources.get(&change.address).cloned());
        let mut shown = live.clone();
        shown.spec = comparable(kind, &live.spec);
        let fields = differences(&comparable(kind, desired), &shown, before.as_ref());
        let adopts = change.action == Action::Adopt;
        // What is taken over is ours by its tags alone, as after a creation: a death before they are there leaves it to
        // whom it belongs.
        let status = if adopts { Status::Creating } else { Status::Updating };
        let mut tags = Tags::AsAsked;
        if !fields.is_empty() {
            self.record(change, kind, |record| {
                let begun = || self.fresh(change, kind, desired, status, Vec::new());
                let record = record.get_or_insert_with(begun);
                record.status = status;
                // Half one, half the other: it may stand on either.
                let either: BTreeSet<_> = record.depends_on.iter().chain(&change.depends_on).cloned().collect();
                record.depends_on = either.into_iter().collect();
                if adopts {
                    record.outputs.clone_from(&live.outputs);
                }
            })
            .await?;
            let paths = fields.iter().map(|f| f.path.clone());
            tags = self
                .update(change, kind, live, desired, Some(Changes::new(paths)))
                .await?;
        }
        let nothing = change.action == Action::Update && fields.is_empty();
        // Without a record to compare with, what differed may be no more than AWS's way of writing it; not so in what was
        // somebody else's.
        let taken = adopts && not_ours(&change.address, kind, live, &self.env()).is_some();
        // With one, it was: unless AWS shows the same as right after the same was asked for before.
        let written_so = |field: &str| {
            let observed = before.as_ref().and_then(|record| record.observed.as_ref());
            let applied = before.as_ref().and_then(|record| record.applied.get(field));
            applied == desired.get(field) && observed.is_some_and(|seen| seen.get(field) == shown.spec.get(field))
        };
        let known = |field: &str| taken || (before.is_some() && !written_so(field));
        let old = if kind.stale_reads() {
            let fields = fields.iter().map(FieldChange::field).filter(|field| known(field));
            Before::These(fields.map(|field| (field, shown.spec.get(field))).collect())
        } else {
            Before::Nothing
        };
        let outputs = self
            .settle(change, kind, desired, old, tags, live.outputs.clone())
            .await?;
        Ok((outputs, if nothing { Outcome::Nothing } else { Outcome::Done }))
    }

    /// Brings `live` to what is desired. Tags that AWS refuses to take away are told, and are no failure: nothing else
    /// waits for them.
    async fn update(
        &self,
        change: &Change,
        kind: &dyn Kind,
        live: &Live,
        desired: &Value,
        changes: Option<Changes>,
    ) -> Step<Tags> {
        let changes = changes.unwrap_or_else(|| {
            let fields = diff(&comparable(kind, desired), &comparable(kind, &live.spec), None);
            Changes::new(fields.into_iter().map(|f| f.path))
        });
        match kind.update(live, desired, &changes).await {
            Ok(()) => Ok(Tags::AsAsked),
            Err(why) if why.class == Class::TagsKept => {
                (self.sink)(Event::TagsKept {
                    address: change.address.clone(),
                    why: why.to_string(),
                });
                Ok(Tags::Kept)
            }
            Err(why) => Err(why.into()),
        }
    }

    /// Asks AWS what it has now, remembers it, and tells where it is not what was asked for. `before` is what AWS may
    /// still show from before; as long as it does, it is asked again, but only so often: what does not come then is told,
    /// and the next plan sees it. So it does with tags that were kept.
    async fn settle(
        &self,
        change: &Change,
        kind: &dyn Kind,
        desired: &Value,
        before: Before<'_>,
        tags: Tags,
        mut outputs: Outputs,
    ) -> Step<Outputs> {
        let env = self.env();
        let applied = comparable(kind, desired);
        let (mut observed, mut differs) = (None, Vec::new());
        for look in 0..LOOKS {
            if look > 0 {
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
            let Some(live) = kind.observe(&change.address, &env, desired, Some(&outputs)).await? else {
                continue;
            };
            outputs.extend(live.outputs);
            let seen = comparable(kind, &live.spec);
            let mut stale = before.stale(&applied, &seen);
            differs = diff(&applied, &seen, None);
            if tags == Tags::Kept {
                differs.retain(|field| field.field() != TAGS);
                stale.remove(TAGS);
            }
            let over = stale.is_empty();
            stale.extend((tags == Tags::Kept).then(|| TAGS.to_owned()));
            // What AWS shows as it was before need not be an answer to the change: some services show old values for up
            // to a minute. Not taken for the way in which AWS writes our values, or it would hide the next drift.
            observed = Some(with_fields(seen, &stale, &applied));
            if over {
                break;
            }
        }
        if !differs.is_empty() {
            (self.sink)(Event::NotTaken {
                address: change.address.clone(),
                paths: differs.into_iter().map(|field| field.path).collect(),
            });
        }
        self.record(change, kind, |record| {
            let retiring = record.take().map(|r| r.retiring).unwrap_or_default();
            *record = Some(Record {
                outputs: outputs.clone(),
                observed,
                ..self.fresh(change, kind, desired, Status::Ready, retiring)
            });
        })
        .await?;
        Ok(outputs)
    }

    async fn remove(&self, change: &Change, kind: &dyn Kind) -> Step<Outcome> {
        let Some(live) = &change.live else {
            return Ok(Outcome::Nothing);
        };
        // A predecessor stays in its successor's record until it is gone; only a resource of its own is marked.
        let predecessor = change.retired || change.create_first;
        if predecessor && !kind.ephemeral() && !self.is_retiring(change, live) {
            // Meanwhile it was wanted back.
            return Ok(Outcome::Nothing);
        }
        if !predecessor {
            self.record(change, kind, |record| {
                if let Some(record) = record {
                    record.status = Status::Deleting;
                }
            })
            .await?;
        }
        kind.delete(live).await?;
        self.record(change, kind, |record| match record {
            Some(remembered) if predecessor => {
                let first = remembered.retiring.iter().position(|old| old.outputs == live.outputs);
                first.map(|index| remembered.retiring.remove(index));
                if remembered.retiring.is_empty() && self.plan.forget.contains(&change.address) {
                    *record = None;
                }
            }
            // It is gone, but what it remembers is not.
            Some(remembered) if !remembered.retiring.is_empty() => {}
            _ => *record = None,
        })
        .await?;
        Ok(Outcome::Done)
    }

    /// Is this remembered as a predecessor that is still to be removed?
    fn is_retiring(&self, change: &Change, live: &Live) -> bool {
        self.store.look(|state| {
            let record = state.resources.get(&change.address);
            record.is_some_and(|record| record.retiring.iter().any(|old| old.outputs == live.outputs))
        })
    }

    /// Changes one record and makes that durable. What is only of this machine is not recorded.
    async fn record(
        &self,
        change: &Change,
        kind: &dyn Kind,
        edit: impl FnOnce(&mut Option<Record>),
    ) -> Result<(), StoreError> {
        if kind.ephemeral() {
            return Ok(());
        }
        self.store.edit(|state| {
            let before = state.resources.remove(&change.address);
            let mut record = before.clone();
            edit(&mut record);
            let changed = record != before;
            if let Some(record) = record {
                state.resources.insert(change.address.clone(), record);
            }
            changed
        });
        self.store.save().await
    }

    fn fresh(
        &self,
        change: &Change,
        kind: &dyn Kind,
        desired: &Value,
        status: Status,
        retiring: Vec<crate::state::Retired>,
    ) -> Record {
        Record {
            kind: change.kind.clone(),
            status,
            outputs: Outputs::new(),
            applied: comparable(kind, desired),
            observed: None,
            depends_on: change.depends_on.iter().cloned().collect(),
            retiring,
        }
    }

    fn env(&self) -> String {
        self.store.look(|state| state.place.env.clone())
    }
}

/// The field that holds the tags of every kind that has them.
const TAGS: &str = "tags";

/// How an update left the tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tags {
    /// As they were asked for.
    AsAsked,
    /// With some that AWS refuses to take away.
    Kept,
}

/// What AWS may still show from before a change.
enum Before<'a> {
    /// Nothing: what it shows is its answer.
    Nothing,
    /// What stood in the fields that an update is about.
    These(BTreeMap<&'a str, Option<&'a Value>>),
    /// Anything: it is new, and may be shown half-made, or as one of the same name that is gone.
    Anything,
}

impl Before<'_> {
    /// The fields in which AWS still shows what was there before, though something else was asked for.
    fn stale(&self, applied: &Value, seen: &Value) -> BTreeSet<String> {
        match self {
            Self::Nothing => BTreeSet::new(),
            Self::These(before) => {
                let unchanged = |(field, old): &(&&str, &Option<&Value>)| {
                    let now = seen.get(**field);
                    now == **old && now != applied.get(**field)
                };
                before
                    .iter()
                    .filter(unchanged)
                    .map(|(field, _)| (*field).to_owned())
                    .collect()
            }
            Self::Anything => {
                let differs = diff(applied, seen, None).into_iter();
                differs.map(|field| field.field().to_owned()).collect()
            }
        }
    }
}

/// `value` with these fields as they are in `from`.
fn with_fields(mut value: Value, fields: &BTreeSet<String>, from: &Value) -> Value {
    if let Value::Object(map) = &mut value {
        for field in fields {
            map.insert(field.clone(), from.get(field).cloned().unwrap_or_default());
        }
    }
    value
}
