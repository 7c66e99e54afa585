use super::graph::{Graph, Node};
use crate::resource::{Address, Failure, Kind, Kinds, Live, Outputs, references, resolve};
use crate::state::{Record, State, Status};
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// How long between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 1000 });

/// What AWS has, for every address that is desired or remembered.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// What stands at each address; nothing where nothing was found.
    pub live: BTreeMap<Address, Live>,
    /// The replaced predecessors that still exist, by address and position in the record.
    pub retiring: BTreeMap<(Address, usize), Live>,
}

/// One question to AWS.
enum Asked {
    Current(Address),
    Retired(Address, usize),
}

/// Looks at everything, all at once. Only who is identified by something that is not remembered (after a lost state) waits for
/// the one that it refers to. Changes nothing.
///
/// # Errors
/// The first answer that is neither a resource nor its absence.
pub async fn survey(graph: &Graph, state: &State, kinds: &dyn Kinds, env: &str) -> Result<Survey, Failure> {
    let mut survey = Survey::default();
    let mut known = Known::new(graph, state, kinds);
    let mut running = FuturesUnordered::new();
    let mut waiting: BTreeSet<&Address> = BTreeSet::new();

    for (address, record) in &state.resources {
        let Some(kind) = kinds.get(&record.kind) else {
            // The plan refuses it; whoever refers to it must not wait for it.
            known.settle(address, None);
            continue;
        };
        running.push(ask(
            Asked::Current(address.clone()),
            kind,
            env,
            record.applied.clone(),
            Some(&record.outputs),
        ));
        for (index, old) in record.retiring.iter().enumerate() {
            let asked = Asked::Retired(address.clone(), index);
            running.push(ask(asked, kind, env, old.applied.clone(), Some(&old.outputs)));
        }
    }
    waiting.extend(
        graph
            .nodes()
            .map(|n| &n.address)
            .filter(|a| !state.resources.contains_key(*a)),
    );

    loop {
        let ready: Vec<&Node> = waiting
            .iter()
            .filter_map(|a| graph.get(a))
            .filter(|n| known.can_ask(n, kinds))
            .collect();
        // Those that wait for each other would wait for ever; the plan names them.
        let stuck = ready.is_empty();
        for node in ready {
            waiting.remove(&node.address);
            let Some(kind) = kinds.get(node.kind) else {
                known.settle(&node.address, None);
                continue;
            };
            let spec = known.resolve(&node.spec);
            if identified(kind, &spec) {
                running.push(ask(Asked::Current(node.address.clone()), kind, env, spec, None));
            } else {
                // It is a part of something that does not exist.
                known.settle(&node.address, None);
            }
        }
        if let Some((asked, found)) = running.next().await {
            match (asked, found?) {
                (Asked::Current(address), found) => {
                    known.settle(&address, found.as_ref().map(|live| &live.outputs));
                    survey.live.extend(found.map(|live| (address, live)));
                }
                (Asked::Retired(address, index), Some(found)) => {
                    // Found by its tags, it may be the successor: only the very same one is the predecessor.
                    let old = state.resources.get(&address).and_then(|r| r.retiring.get(index));
                    if old.is_some_and(|old| old.outputs == found.outputs) {
                        survey.retiring.insert((address, index), found);
                    }
                }
                (Asked::Retired(..), None) => {}
            }
        } else if waiting.is_empty() || stuck {
            // What stands at the address is not its own predecessor.
            let Survey { live, retiring } = &mut survey;
            retiring.retain(|(address, _), old| live.get(address) != Some(&*old));
            return Ok(survey);
        }
    }
}

/// What an interrupted run began, and AWS may not show everywhere yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It was to be made, and is in no answer.
    Made,
    /// It was to be removed, and is in an answer.
    Removed,
}

/// Looks again, for this long, whether AWS comes to show what was begun. To be called once each answer is a fresh one.
/// Changes nothing.
///
/// # Errors
/// As [`survey`].
pub async fn look_again(
    survey: &mut Survey,
    begun: Begun,
    addresses: &[Address],
    state: &State,
    kinds: &dyn Kinds,
    env: &str,
    patience: Duration,
) -> Result<(), Failure> {
    let since = Instant::now();
    let mut open: Vec<&Address> = addresses.iter().collect();
    while !open.is_empty() && since.elapsed() < patience {
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let questions = open.iter().filter_map(|address| {
            let record = state.resources.get(*address)?;
            let kind = kinds.get(&record.kind)?;
            let asked = Asked::Current((*address).clone());
            Some(ask(asked, kind, env, record.applied.clone(), Some(&record.outputs)))
        });
        for (asked, found) in futures_util::future::join_all(questions).await {
            match (asked, found?) {
                (Asked::Current(address), Some(live)) => survey.live.insert(address, live),
                (Asked::Current(address), None) => survey.live.remove(&address),
                (Asked::Retired(..), _) => None,
            };
        }
        open.retain(|address| survey.live.contains_key(*address) == (begun == Begun::Removed));
    }
    Ok(())
}

/// What was begun to be made and was not found, so that it is not known whether it exists. Not even where its id is known:
/// AWS may have told that a moment before the end, and still not know it everywhere.
pub fn unknown(survey: &Survey, state: &State) -> Vec<Address> {
    let unknown = |(address, record): &(&Address, &Record)| {
        record.status == Status::Creating && !survey.live.contains_key(*address)
    };
    let records = state.resources.iter();
    records.filter(unknown).map(|(address, _)| address.clone()).collect()
}

/// What was begun to be removed and is still shown, of the kinds that AWS goes on to show for a while after they are gone.
pub fn leaving(survey: &Survey, state: &State, kinds: &dyn Kinds) -> Vec<Address> {
    let leaving = |(address, record): &(&Address, &Record)| {
        record.status == Status::Deleting
            && survey.live.contains_key(*address)
            && kinds.get(&record.kind).is_some_and(Kind::lingers)
    };
    let records = state.resources.iter();
    records.filter(leaving).map(|(address, _)| address.clone()).collect()
}

async fn ask(
    asked: Asked,
    kind: &dyn Kind,
    env: &str,
    spec: Value,
    outputs: Option<&Outputs>,
) -> (Asked, Result<Option<Live>, Failure>) {
    let (Asked::Current(address) | Asked::Retired(address, _)) = &asked;
    let found = kind.observe(address, env, &spec, outputs).await;
    (asked, found)
}

/// Is every field known that tells this resource from others of its kind?
pub fn identified(kind: &dyn Kind, spec: &Value) -> bool {
    kind.identity()
        .iter()
        .filter_map(|field| spec.get(field))
        .all(|value| references(value).is_empty())
}

/// The outputs known so far.
struct Known<'a> {
    graph: &'a Graph,
    outputs: BTreeMap<Address, Outputs>,
    settled: BTreeSet<Address>,
}

impl<'a> Known<'a> {
    fn new(graph: &'a Graph, state: &State, kinds: &dyn Kinds) -> Self {
        let mut outputs: BTreeMap<Address, Outputs> = state
            .resources
            .iter()
            .map(|(address, record)| (address.clone(), record.outputs.clone()))
            .collect();
        for node in graph.nodes() {
            if let Some(kind) = kinds.get(node.kind) {
                let entry = outputs.entry(node.address.clone()).or_default();
                for (name, value) in kind.predict(&node.spec) {
                    if references(&Value::String(value.clone())).is_empty() {
                        entry.entry(name).or_insert(value);
                    }
                }
            }
        }
        Self {
            graph,
            outputs,
            settled: BTreeSet::new(),
        }
    }

    fn settle(&mut self, address: &Address, outputs: Option<&Outputs>) {
        self.settled.insert(address.clone());
        if let Some(outputs) = outputs {
            self.outputs.entry(address.clone()).or_default().extend(outputs.clone());
        }
    }

    fn resolve(&self, spec: &Value) -> Value {
        resolve(spec, &|reference| {
            self.outputs.get(&reference.address)?.get(&reference.output).cloned()
        })
    }

    /// Its identity is known, or will not become known by waiting.
    fn can_ask(&self, node: &Node, kinds: &dyn Kinds) -> bool {
        let Some(kind) = kinds.get(node.kind) else { return true };
        let spec = self.resolve(&node.spec);
        let mut unknown = kind
            .identity()
            .iter()
            .filter_map(|field| spec.get(field))
            .flat_map(references);
        unknown.all(|r| self.settled.contains(&r.address) || self.graph.get(&r.address).is_none())
    }
}
