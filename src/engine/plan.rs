use super::adoption::{self, Foreign, Verdict, refusal};
pub use super::change::{Action, Change};
use super::diff::{Baseline, FieldChange, diff};
use super::graph::{Graph, GraphError, Node};
use super::ownership::{TAGS_GONE, bare, belongs_to_others, not_ours, serves_others, unproven};
use super::survey::Survey;
use crate::resource::{Address, Failure, Kind, Kinds, Live, Outputs, references, resolve};
use crate::state::{Record, State, Status};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// What is to be done, and what is to be forgotten.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// A change per resource; in an order in which they could be made one after another.
    pub changes: Vec<Change>,
    /// Remembered resources that are gone and not wanted: only the record is removed.
    pub forget: Vec<Address>,
    /// Resources of our names that are not ours, and what tells us so. Never touched.
    pub foreign: Vec<(Address, String)>,
}

/// How many resources get which action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // the actions themselves, documented there
pub struct Summary {
    pub create: usize,
    pub update: usize,
    pub replace: usize,
    pub delete: usize,
    pub adopt: usize,
    pub unchanged: usize,
}

/// Why there is no plan. Nothing was changed.
#[derive(Debug, Error)]
pub enum PlanError {
    /// The stack itself is wrong.
    #[error("the stack cannot be deployed: {0}")]
    Graph(#[from] GraphError),
    /// Resources of our names that are not ours.
    #[error("{}", refusal(.0))]
    Foreign(Vec<Foreign>),
    /// Nothing can be adopted at these addresses.
    #[error(
        "the stack has no resource in AWS at {}, so that nothing can be adopted there; nothing was changed. `fraudctl up` \
         names the addresses of what stands in the way", joined(.0)
    )]
    Unknown(Vec<Address>),
    /// A spec that its own kind does not understand.
    #[error("{0}: {1}")]
    Spec(Address, Box<Failure>),
    /// The stack has another kind of resource at an address than the state remembers.
    #[error(
        "{address} is a {wanted} in the stack, but the state remembers a {remembered} there; remove it with the fraudctl \
         that made it, or use another address"
    )]
    KindChanged {
        /// The address.
        address: Address,
        /// The kind in the state.
        remembered: String,
        /// The kind in the stack.
        wanted: &'static str,
    },
    /// Remembered resources of a kind that this program does not have.
    #[error("the state remembers {0} of the kind {1}, which this fraudctl does not know; use the newer fraudctl")]
    UnknownKind(Address, String),
}

fn joined(addresses: &[Address]) -> String {
    addresses.iter().map(Address::as_str).collect::<Vec<_>>().join(", ")
}

impl Plan {
    /// What brings AWS to `graph`. What is not ours is only taken over at the addresses of `adopt`.
    ///
    /// Pure: given the same desired, recorded and live values it returns the same plan.
    ///
    /// # Errors
    /// The graph is none, something of our names is not ours, or one of `adopt` is nowhere in it.
    pub fn towards(
        graph: &Graph,
        state: &State,
        live: &Survey,
        kinds: &dyn Kinds,
        adopt: &BTreeSet<Address>,
    ) -> Result<Self, PlanError> {
        let mut plan = Self::default();
        let mut refused = Vec::new();
        let mut taken: BTreeSet<Address> = BTreeSet::new();
        // Names first: who only names another is not planned after it.
        let mut known = predictions(graph, kinds);
        // How those that are replaced are replaced: what they contain follows.
        let mut replaced: BTreeMap<Address, bool> = BTreeMap::new();
        let mut created: BTreeSet<Address> = BTreeSet::new();
        for node in graph.order(kinds)? {
            let kind = kind_of(kinds, &node.address, node.kind)?;
            same_kind(node, state)?;
            let mut change = change(node, kind, state, live, &known, &replaced, &created)?;
            let record = state.resources.get(&node.address);
            let asked = adopt.contains(&node.address);
            let mut verdict = adoption::judge(&mut change, kind, record, &state.place.env, asked);
            if node.parents(kind.parents()).iter().any(|p| taken.contains(p)) && matches!(verdict, Verdict::Ours) {
                verdict = adoption::judge_inside(&change, kind, record);
            }
            match verdict {
                Verdict::Ours => {}
                Verdict::Taken => drop(taken.insert(node.address.clone())),
                Verdict::Refused(why) => refused.push(why),
            }
            known.insert(node.address.clone(), future_outputs(kind, &change));
            match change.action {
                Action::Replace => drop(replaced.insert(node.address.clone(), change.create_first)),
                Action::Create => drop(created.insert(node.address.clone())),
                _ => {}
            }
            plan.changes.push(change);
        }
        let unknown = adoption::unknown(&plan.changes, adopt);
        if !unknown.is_empty() {
            return Err(PlanError::Unknown(unknown));
        }
        if !refused.is_empty() {
            return Err(PlanError::Foreign(refused));
        }
        follow_containers(&mut plan.changes, kinds);
        for (address, record) in &state.resources {
            if graph.get(address).is_none() {
                plan.remove_record(address, record, live, kinds, &state.place.env)?;
            }
            plan.remove_retired(address, record, live);
        }
        Ok(plan)
    }

    /// What takes everything away: whatever is remembered, and whatever of the stack exists and is ours though nothing
    /// remembers it. What is not ours is only named.
    ///
    /// # Errors
    /// The graph is none.
    pub fn towards_nothing(graph: &Graph, state: &State, live: &Survey, kinds: &dyn Kinds) -> Result<Self, PlanError> {
        let mut plan = Self::default();
        let mut kept: BTreeSet<Address> = BTreeSet::new();
        for node in graph.order(kinds)? {
            let kind = kind_of(kinds, &node.address, node.kind)?;
            let record = state.resources.get(&node.address);
            let Some(found) = live.live.get(&node.address).filter(|_| !kind.ephemeral()) else {
                continue;
            };
            let container = node.parents(kind.parents()).into_iter().find(|p| kept.contains(p));
            let inside = container.map(|parent| format!("it belongs to {parent}, which is not ours"));
            if !unproven(record) {
                let why = inside.or_else(|| belongs_to_others(&node.address, kind, found, &state.place.env));
                if let Some(why) = why {
                    kept.insert(node.address.clone());
                    plan.foreign.push((node.address.clone(), why));
                }
                continue;
            }
            let why = inside
                .or_else(|| not_ours(&node.address, kind, found, &state.place.env))
                .or_else(|| serves_others(node, kind, found, graph, live, kinds, &state.place.env));
            if let Some(why) = why {
                kept.insert(node.address.clone());
                plan.foreign.push((node.address.clone(), why));
                plan.forget.extend(record.map(|_| node.address.clone()));
            } else if record.is_none() {
                plan.changes.push(Change {
                    live: Some(found.clone()),
                    depended_on: node.waits_for(),
                    ..Change::delete(node.address.clone(), node.kind)
                });
            }
        }
        for (address, record) in &state.resources {
            if !kept.contains(address) {
                plan.remove_record(address, record, live, kinds, &state.place.env)?;
            }
            plan.remove_retired(address, record, live);
        }
        plan.spare_what_is_vital(live, kinds);
        Ok(plan)
    }

    /// What is left alone keeps that without which it would be lost, remembered or not: a table its key.
    fn spare_what_is_vital(&mut self, live: &Survey, kinds: &dyn Kinds) {
        let left: Vec<(&Address, &Live)> = self
            .foreign
            .iter()
            .filter_map(|(address, _)| Some((address, live.live.get(address)?)))
            .collect();
        let mut spared = Vec::new();
        self.changes.retain(|change| {
            let vital = change.action == Action::Delete && kinds.get(&change.kind).is_some_and(Kind::vital);
            let outputs = change.live.as_ref().filter(|_| vital).map(|live| &live.outputs);
            let used = |(_, user): &&(&Address, &Live)| outputs.is_some_and(|outputs| names(&user.spec, outputs));
            let user = left.iter().find(used);
            spared.extend(
                user.map(|(user, _)| (change.address.clone(), format!("{user}, which is left alone, needs it"))),
            );
            user.is_none()
        });
        self.foreign.extend(spared);
    }

    /// What to say of each address at which something was to be adopted and is not, for people.
    pub fn in_vain(&self, adopt: &BTreeSet<Address>, kinds: &dyn Kinds) -> Vec<String> {
        adoption::in_vain(&self.changes, adopt, kinds)
    }

    /// Counts the resources by action.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for change in self.changes.iter().filter(|change| !change.ephemeral) {
            match change.action {
                Action::Create => summary.create += 1,
                Action::Update => summary.update += 1,
                Action::Replace => summary.replace += 1,
                Action::Delete => summary.delete += 1,
                Action::Adopt => summary.adopt += 1,
                Action::Unchanged => summary.unchanged += 1,
                Action::Build => {}
            }
        }
        summary
    }

    /// Is there nothing to do, not even to remember?
    pub fn is_empty(&self) -> bool {
        self.forget.is_empty() && self.changes.iter().all(|c| c.action == Action::Unchanged)
    }

    fn remove_record(
        &mut self,
        address: &Address,
        record: &Record,
        live: &Survey,
        kinds: &dyn Kinds,
        env: &str,
    ) -> Result<(), PlanError> {
        let kind = kind_of(kinds, address, &record.kind)?;
        let found = live.live.get(address);
        let proven = found.filter(|_| !unproven(Some(record)));
        let others = proven.and_then(|live| belongs_to_others(address, kind, live, env));
        let untold = || format!("no tag says that it is ours; {TAGS_GONE}");
        let why = others.or_else(|| proven.filter(|live| bare(kind, live)).map(|_| untold()));
        if let Some(why) = why {
            self.foreign.push((address.clone(), why));
            return Ok(());
        }
        let foreign = found
            .filter(|_| unproven(Some(record)))
            .and_then(|live| not_ours(address, kind, live, env));
        if let Some(why) = foreign {
            self.foreign.push((address.clone(), why));
            self.forget.push(address.clone());
            return Ok(());
        }
        match found {
            None => self.forget.push(address.clone()),
            Some(found) => self.changes.push(Change {
                live: Some(found.clone()),
                depended_on: record.depends_on.iter().cloned().collect(),
                ..Change::delete(address.clone(), &record.kind)
            }),
        }
        Ok(())
    }

    fn remove_retired(&mut self, address: &Address, record: &Record, live: &Survey) {
        for (index, old) in record.retiring.iter().enumerate() {
            if let Some(found) = live.retiring.get(&(address.clone(), index)) {
                self.changes.push(Change {
                    live: Some(found.clone()),
                    retired: true,
                    depended_on: old.depends_on.iter().cloned().collect(),
                    ..Change::delete(address.clone(), &record.kind)
                });
            }
        }
    }
}

fn kind_of<'a>(kinds: &'a dyn Kinds, address: &Address, name: &str) -> Result<&'a dyn Kind, PlanError> {
    kinds
        .get(name)
        .ok_or_else(|| PlanError::UnknownKind(address.clone(), name.to_owned()))
}

/// The difference between what is desired and what stands, with the record where it can be trusted: a record of an
/// interrupted change says what was intended, not what is.
pub fn differences(desired: &Value, live: &Live, record: Option<&Record>) -> Vec<FieldChange> {
    let baseline = record.filter(|r| r.status == Status::Ready).and_then(|r| {
        Some(Baseline {
            applied: &r.applied,
            observed: r.observed.as_ref()?,
        })
    });
    diff(desired, &live.spec, baseline)
}

/// The spec without the fields that are no properties, and without the tags of others.
pub fn comparable(kind: &dyn Kind, spec: &Value) -> Value {
    let mut spec = spec.clone();
    if let Value::Object(fields) = &mut spec {
        fields.retain(|name, _| !kind.inputs().contains(&name.as_str()));
        if let Some(Value::Object(tags)) = fields.get_mut("tags") {
            tags.retain(|key, _| !kind.ignores_tag(key));
        }
    }
    spec
}

fn change(
    node: &Node,
    kind: &dyn Kind,
    state: &State,
    survey: &Survey,
    known: &BTreeMap<Address, Outputs>,
    replaced: &BTreeMap<Address, bool>,
    created: &BTreeSet<Address>,
) -> Result<Change, PlanError> {
    let resolved = resolve(&node.spec, &|r| known.get(&r.address)?.get(&r.output).cloned());
    let desired = kind
        .normalize(&resolved)
        .map_err(|why| PlanError::Spec(node.address.clone(), Box::new(why)))?;
    let record = state.resources.get(&node.address);
    // Inside something that does not exist nothing does, even where AWS still shows it: a subscription outlives its topic
    // for a while, and serves nobody. Not so what was inside something else, and only moves.
    let orphaned = |live: &&Live| {
        kind.parents().iter().any(|field| {
            let absent = node.parents(&[field]).iter().any(|parent| created.contains(parent));
            absent && desired.get(field) == live.spec.get(field)
        })
    };
    let live = survey.live.get(&node.address).filter(|live| !orphaned(live));
    let mut change = Change {
        address: node.address.clone(),
        kind: node.kind.to_owned(),
        action: Action::Create,
        fields: Vec::new(),
        live: live.cloned(),
        create_first: false,
        retired: false,
        gone: live.is_none() && record.is_some_and(|record| record.status == Status::Ready),
        ephemeral: kind.ephemeral(),
        depends_on: node.waits_for(),
        depended_on: record
            .map(|r| r.depends_on.iter().cloned().collect())
            .unwrap_or_default(),
        desired,
    };
    let Some(live) = live else {
        if kind.ephemeral() {
            change.action = Action::Build;
        }
        return Ok(change);
    };
    let mut shown = live.clone();
    shown.spec = comparable(kind, &live.spec);
    change.fields = differences(&comparable(kind, &change.desired), &shown, record);
    let fixed = |field: &str| kind.identity().contains(&field) || kind.immutable().contains(&field);
    let container = node
        .parents(kind.parents())
        .into_iter()
        .filter_map(|p| replaced.get(&p))
        .copied()
        .min();
    change.action = if container.is_some() || change.fields.iter().any(|f| fixed(f.field())) {
        let renamed = change.fields.iter().any(|f| kind.identity().contains(&f.field()));
        // Inside something that goes first, nothing can stay longer.
        change.create_first = (renamed || kind.repeatable()) && container != Some(false);
        Action::Replace
    } else if record.is_none_or(|r| r.status == Status::Creating) && !kind.ephemeral() {
        Action::Adopt
    } else if change.fields.is_empty() && record.is_none_or(|r| r.status == Status::Ready) {
        Action::Unchanged
    } else {
        Action::Update
    };
    Ok(change)
}

fn same_kind(node: &Node, state: &State) -> Result<(), PlanError> {
    match state.resources.get(&node.address) {
        Some(record) if record.kind != node.kind => Err(PlanError::KindChanged {
            address: node.address.clone(),
            remembered: record.kind.clone(),
            wanted: node.kind,
        }),
        _ => Ok(()),
    }
}

/// Inside something that goes before its successor comes nothing can stay longer, wherever it is to be afterwards.
fn follow_containers(changes: &mut [Change], kinds: &dyn Kinds) {
    loop {
        let go_first: BTreeMap<Address, Outputs> = changes
            .iter()
            .filter(|change| change.action == Action::Replace && !change.create_first)
            .filter_map(|change| Some((change.address.clone(), change.live.as_ref()?.outputs.clone())))
            .collect();
        let mut moved = false;
        for change in changes.iter_mut().filter(|change| change.create_first) {
            let (Some(kind), Some(live)) = (kinds.get(&change.kind), &change.live) else {
                continue;
            };
            let fields = kind.parents().iter();
            let containers: Vec<&str> = fields.filter_map(|field| live.spec.get(*field)?.as_str()).collect();
            let inside = |outputs: &Outputs| outputs.values().any(|output| containers.contains(&output.as_str()));
            let mut stood_on = change.depended_on.iter().filter_map(|address| go_first.get(address));
            if stood_on.any(inside) {
                change.create_first = false;
                moved = true;
            }
        }
        if !moved {
            return;
        }
    }
}

/// Does one of these outputs stand anywhere in a spec?
fn names(spec: &Value, outputs: &Outputs) -> bool {
    match spec {
        Value::String(text) => outputs.values().any(|output| output == text),
        Value::Array(items) => items.iter().any(|item| names(item, outputs)),
        Value::Object(fields) => fields.values().any(|field| names(field, outputs)),
        _ => false,
    }
}

/// The outputs that follow from names alone, before anything is looked at.
fn predictions(graph: &Graph, kinds: &dyn Kinds) -> BTreeMap<Address, Outputs> {
    let of = |node: &Node| {
        let outputs = kinds
            .get(node.kind)
            .map(|kind| kind.predict(&node.spec))
            .unwrap_or_default();
        (node.address.clone(), without_references(outputs))
    };
    graph.nodes().map(of).collect()
}

fn without_references(mut outputs: Outputs) -> Outputs {
    outputs.retain(|_, value| references(&Value::String(value.clone())).is_empty());
    outputs
}

/// What others can know of it while planning: all of it if it stays, only what follows from its spec if it is made.
fn future_outputs(kind: &dyn Kind, change: &Change) -> Outputs {
    match (&change.live, change.action) {
        (Some(live), Action::Adopt | Action::Unchanged | Action::Update) => live.outputs.clone(),
        _ => without_references(kind.predict(&change.desired)),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
