//! A cloud in memory, for the tests of the engine. It watches on every call that the laws hold which AWS enforces or
//! suffers from, fails where it is told to, and can end the process in the middle of a call.

use crate::resource::{
    Address, BoxFuture, Changes, Class, Failure, Kind, Kinds, Live, Outputs, Owner, TAG_ADDRESS, TAG_ENV, references,
};
use crate::state::{Record, State, Status};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The environment that everything here belongs to.
pub const ENV: &str = "test";

/// What there is to know of a kind.
#[derive(Debug)]
pub struct Traits {
    pub name: &'static str,
    pub outputs: &'static [&'static str],
    pub predicted: &'static [&'static str],
    pub identity: &'static [&'static str],
    pub immutable: &'static [&'static str],
    pub parents: &'static [&'static str],
    pub inputs: &'static [&'static str],
    pub repeatable: bool,
    pub tagged: bool,
    pub stale_reads: bool,
    pub lingers: bool,
    pub vital: bool,
    pub ephemeral: bool,
}

const PLAIN: Traits = Traits {
    name: "",
    outputs: &[],
    predicted: &[],
    identity: &["name"],
    immutable: &[],
    parents: &[],
    inputs: &[],
    repeatable: false,
    tagged: false,
    stale_reads: false,
    lingers: false,
    vital: false,
    ephemeral: false,
};

/// Named, tagged, contains others.
pub static BUCKET: Traits = Traits {
    name: "fake.bucket",
    outputs: &["name", "arn", "id"],
    predicted: &["name", "arn"],
    immutable: &["zone"],
    tagged: true,
    ..PLAIN
};
/// Without a name, found by its tags.
pub static KEY: Traits = Traits {
    name: "fake.key",
    outputs: &["id"],
    identity: &[],
    repeatable: true,
    tagged: true,
    ..PLAIN
};
/// Inside something, named there, without tags.
pub static PART: Traits = Traits {
    name: "fake.part",
    outputs: &["name", "id"],
    predicted: &["name"],
    identity: &["parent", "name"],
    immutable: &["zone"],
    parents: &["parent"],
    ..PLAIN
};
/// Inside something, any number of them.
pub static RELEASE: Traits = Traits {
    name: "fake.release",
    outputs: &["id"],
    identity: &["parent", "name"],
    parents: &["parent"],
    repeatable: true,
    ..PLAIN
};
/// What it seals is lost with it.
pub static VAULT: Traits = Traits {
    name: "fake.vault",
    outputs: &["id"],
    identity: &[],
    repeatable: true,
    tagged: true,
    vital: true,
    ..PLAIN
};
/// Shown as it was for a while.
pub static QUEUE: Traits = Traits {
    name: "fake.queue",
    outputs: &["name", "arn"],
    predicted: &["name", "arn"],
    tagged: true,
    stale_reads: true,
    lingers: true,
    ..PLAIN
};
/// Made from something of this machine.
pub static FUNCTION: Traits = Traits {
    name: "fake.function",
    outputs: &["name", "arn"],
    predicted: &["name", "arn"],
    inputs: &["source"],
    tagged: true,
    ..PLAIN
};
/// Something of this machine.
pub static BINARY: Traits = Traits {
    name: "fake.binary",
    outputs: &["digest", "path"],
    ephemeral: true,
    ..PLAIN
};
/// All kinds but [`QUEUE`], of which no way of writing is believed, and [`VAULT`], which does not always go.
pub static KINDS: [&Traits; 6] = [&BUCKET, &KEY, &PART, &RELEASE, &FUNCTION, &BINARY];

/// The tags of ours.
pub fn tags(address: &str) -> Value {
    json!({TAG_ENV: ENV, TAG_ADDRESS: address})
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Observe,
    Create,
    Update,
    Delete,
}

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Refused.
    Permanent,
    /// Its reply is lost, after it took effect or before.
    Lost { effect: bool },
    /// It took effect, but what came back is the refusal of a repetition.
    Exists,
    /// It was several calls, and the reply to one in the middle was lost: all is changed but the tags. For updates.
    Half,
    /// All is changed but the tags, of which some may not be taken away. For updates.
    TagsKept,
}

/// The end of the process: at which call from now, and whether that call still takes effect.
#[derive(Clone, Copy, Debug)]
pub struct Death {
    pub call: usize,
    pub effect: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Doom {
    None,
    Before,
    After,
    /// It was another call.
    Over,
}

/// Something that exists.
#[derive(Clone, Debug)]
struct Thing {
    traits: &'static Traits,
    /// For whom it was made; nobody of ours for what is foreign.
    address: Option<Address>,
    /// In whose way something foreign stands.
    claims: Option<Address>,
    spec: Value,
    outputs: Outputs,
}

/// The cloud, with its kinds.
pub struct Cloud {
    shared: Arc<Shared>,
    kinds: BTreeMap<&'static str, FakeKind>,
}

struct Shared {
    world: Mutex<World>,
    died: Notify,
}

struct FakeKind {
    traits: &'static Traits,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct World {
    things: Vec<Thing>,
    born: usize,
    calls: usize,
    death: Option<Death>,
    dead: bool,
    faults: BTreeMap<(Address, Operation), Fault>,
    fired: Vec<(Address, Operation, Fault)>,
    done: BTreeMap<Operation, usize>,
    adoptable: BTreeSet<Address>,
    half: bool,
    violations: Vec<String>,
    dangling: BTreeSet<Address>,
    watched: Option<PathBuf>,
    /// What is shown in place of a field, and how often still.
    old: BTreeMap<Address, (&'static str, Value, usize)>,
    /// How many looks still see nothing.
    hidden: BTreeMap<Address, usize>,
}

impl Cloud {
    /// With nothing in it.
    pub fn new() -> Self {
        let shared = Arc::new(Shared {
            world: Mutex::default(),
            died: Notify::new(),
        });
        let kind = |traits: &&'static Traits| {
            let traits = *traits;
            let shared = Arc::clone(&shared);
            (traits.name, FakeKind { traits, shared })
        };
        let kinds = KINDS.iter().chain([&&QUEUE, &&VAULT]).map(kind).collect();
        Self { shared, kinds }
    }

    /// From now on every change must have been written ahead into this state file.
    pub fn watch(&self, state: &Path) {
        self.shared.world().watched = Some(state.to_owned());
    }

    /// From now on nothing has to be written ahead: there is no state that remembers.
    pub fn unwatch(&self) {
        self.shared.world().watched = None;
    }

    /// These may go while others still use them, because a successor of the same name follows.
    pub fn let_dangle(&self, addresses: BTreeSet<Address>) {
        self.shared.world().dangling = addresses;
    }

    /// The next such call about this address goes wrong.
    pub fn fail(&self, address: &Address, operation: Operation, fault: Fault) {
        self.shared.world().faults.insert((address.clone(), operation), fault);
    }

    /// Nothing goes wrong any more. Returns what has gone wrong since the last time.
    pub fn heal(&self) -> Vec<(Address, Operation, Fault)> {
        let mut world = self.shared.world();
        world.faults.clear();
        std::mem::take(&mut world.fired)
    }

    /// The process is to end at this call.
    pub fn doom(&self, death: Death) {
        self.shared.world().death = Some(death);
    }

    /// Returns when the process has ended.
    pub async fn died(&self) {
        self.shared.died.notified().await;
    }

    /// A new process begins.
    pub fn revive(&self) {
        let mut world = self.shared.world();
        world.death = None;
        world.dead = false;
    }

    /// Something made by somebody else.
    pub fn put_foreign(&self, traits: &'static Traits, spec: Value) {
        let mut world = self.shared.world();
        world.push(traits, None, spec);
    }

    /// Something made by somebody else that stands in the way of this address. Returns its outputs.
    pub fn put_in_the_way(&self, address: &Address, traits: &'static Traits, spec: Value) -> Outputs {
        let mut world = self.shared.world();
        let outputs = world.push(traits, None, spec);
        if let Some(thing) = world.things.last_mut() {
            thing.claims = Some(address.clone());
        }
        outputs
    }

    /// What stands in the way of these addresses, and nothing else that is foreign, may be taken over from now on.
    pub fn let_adopt(&self, addresses: BTreeSet<Address>) {
        self.shared.world().adoptable = addresses;
    }

    /// Whoever made what stands in the way of this address removes it, with what is inside.
    pub fn clear_the_way(&self, address: &Address) {
        let mut world = self.shared.world();
        let theirs = |thing: &Thing| thing.address.is_none();
        let goes = |thing: &Thing| theirs(thing) && thing.claims.as_ref() == Some(address);
        let gone: Vec<Thing> = world.things.iter().filter(|thing| goes(thing)).cloned().collect();
        world.things.retain(|thing| {
            let inside = || {
                needs(thing.traits, &thing.spec)
                    .into_iter()
                    .any(|(value, inside)| inside && gone.iter().any(|gone| gone.offers(&value)))
            };
            !(goes(thing) || theirs(thing) && inside())
        });
    }

    /// Somebody removes what was made for this address.
    pub fn lose(&self, address: &str) {
        let address = Address::from(address);
        self.shared
            .world()
            .things
            .retain(|thing| thing.address.as_ref() != Some(&address));
    }

    /// Somebody changes what was made for this address.
    pub fn edit(&self, address: &str, field: &str, value: Value) {
        let address = Address::from(address);
        let mut world = self.shared.world();
        for thing in world
            .things
            .iter_mut()
            .filter(|thing| thing.address.as_ref() == Some(&address))
        {
            thing.spec[field] = value.clone();
        }
    }

    /// The next so many looks at this address see this in place of what the field holds.
    pub fn show_old(&self, address: &str, field: &'static str, value: Value, looks: usize) {
        let old = (field, value, looks);
        self.shared.world().old.insert(Address::from(address), old);
    }

    /// The next so many looks at this address see nothing, though something is there.
    pub fn hide(&self, address: &str, looks: usize) {
        self.shared.world().hidden.insert(Address::from(address), looks);
    }

    /// For whom things of ours exist, as often as they do; nothing of this machine.
    pub fn addresses(&self) -> Vec<Address> {
        let world = self.shared.world();
        let ours = world.things.iter().filter(|thing| !thing.traits.ephemeral);
        let mut found: Vec<_> = ours.filter_map(|thing| thing.address.clone()).collect();
        found.sort();
        found
    }

    /// What exists for this address, as it would be observed.
    pub fn standing(&self, address: &Address) -> Vec<Live> {
        let world = self.shared.world();
        let mine = world
            .things
            .iter()
            .filter(|thing| thing.address.as_ref() == Some(address));
        mine.map(Thing::live).collect()
    }

    /// What is foreign.
    pub fn foreign(&self) -> Vec<Live> {
        let world = self.shared.world();
        world
            .things
            .iter()
            .filter(|thing| thing.address.is_none())
            .map(Thing::live)
            .collect()
    }

    /// What is foreign and stands in the way of an address.
    pub fn in_the_way(&self) -> Vec<(Address, Live)> {
        let world = self.shared.world();
        let theirs = world.things.iter().filter(|thing| thing.address.is_none());
        theirs
            .filter_map(|thing| Some((thing.claims.clone()?, thing.live())))
            .collect()
    }

    /// Does anything exist that has these outputs?
    pub fn exists(&self, outputs: &Outputs) -> bool {
        self.shared.world().things.iter().any(|thing| thing.outputs == *outputs)
    }

    /// How often this was done so far.
    pub fn count(&self, operation: Operation) -> usize {
        self.shared.world().done.get(&operation).copied().unwrap_or_default()
    }

    /// The laws broken so far.
    pub fn violations(&self) -> Vec<String> {
        self.shared.world().violations.clone()
    }
}

impl Kinds for Cloud {
    fn get(&self, name: &str) -> Option<&dyn Kind> {
        self.kinds.get(name).map(|kind| kind as &dyn Kind)
    }
}

impl Thing {
    fn live(&self) -> Live {
        Live {
            spec: self.spec.clone(),
            outputs: self.outputs.clone(),
            owner: Owner::Usual,
        }
    }

    fn is(&self, traits: &Traits) -> bool {
        self.traits.name == traits.name
    }

    /// Whom it is for, or in whose way it stands.
    fn whose(&self) -> Option<Address> {
        self.address.clone().or_else(|| self.claims.clone())
    }

    fn offers(&self, value: &str) -> bool {
        self.outputs.values().any(|output| output == value)
    }
}

/// The outputs of other things that a spec relies on, and whether it is inside of them.
fn needs(traits: &Traits, spec: &Value) -> Vec<(String, bool)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let parents = traits
        .parents
        .iter()
        .filter_map(|field| text(&spec[*field]))
        .map(|value| (value, true));
    let code = text(&spec["code"]).map(|value| (value, false));
    let uses = spec["uses"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(text)
        .map(|value| (value, false));
    parents.chain(code).chain(uses).collect()
}

/// The cloud writes labels in small letters.
fn soften(spec: &mut Value) {
    if let Some(label) = spec["label"].as_str().map(str::to_lowercase) {
        spec["label"] = json!(label);
    }
}

fn failure(operation: Operation, class: Class) -> Failure {
    let mut failure = Failure::new(&format!("fake:{operation:?}"), &format!("{class:?}"), "as told");
    failure.class = class;
    failure
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call: after some time, perhaps with a fault, perhaps the last one.
    async fn call<T: Send>(
        &self,
        who: &Address,
        operation: Operation,
        effect: impl FnOnce(&mut World) -> Result<T, Failure> + Send,
    ) -> Result<T, Failure> {
        let pauses = self.world().pauses();
        for _ in 0..pauses {
            tokio::task::yield_now().await;
        }
        let doom = self.world().doom();
        match doom {
            Doom::Before => self.end().await,
            Doom::Over => pending().await,
            Doom::None | Doom::After => {}
        }
        let result = self.world().perform(who, operation, effect);
        if doom == Doom::After {
            self.end().await;
        }
        result
    }

    async fn end(&self) {
        self.died.notify_one();
        pending::<()>().await;
    }

    fn owner_of(&self, traits: &Traits, live: &Live) -> Address {
        let world = self.world();
        let found = world.find(traits, live).and_then(|index| world.things[index].whose());
        found.unwrap_or_else(|| Address::from("nobody"))
    }
}

impl World {
    /// Different at each call, the same in each run.
    fn pauses(&mut self) -> usize {
        self.calls += 1;
        self.calls.wrapping_mul(7) % 5
    }

    fn doom(&mut self) -> Doom {
        if self.dead {
            return Doom::Over;
        }
        let Some(death) = &mut self.death else {
            return Doom::None;
        };
        if death.call > 1 {
            death.call -= 1;
            return Doom::None;
        }
        self.dead = true;
        if death.effect { Doom::After } else { Doom::Before }
    }

    fn perform<T>(
        &mut self,
        who: &Address,
        operation: Operation,
        effect: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        *self.done.entry(operation).or_default() += 1;
        let Some(fault) = self.faults.remove(&(who.clone(), operation)) else {
            return effect(self);
        };
        self.fired.push((who.clone(), operation, fault));
        match fault {
            Fault::Permanent => Err(failure(operation, Class::Permanent)),
            Fault::Lost { effect: false } => Err(failure(operation, Class::Ambiguous)),
            Fault::Lost { effect: true } => effect(self).and(Err(failure(operation, Class::Ambiguous))),
            Fault::Exists => effect(self).and(Err(failure(operation, Class::Exists))),
            Fault::Half | Fault::TagsKept => {
                self.half = true;
                let done = effect(self);
                self.half = false;
                let class = if fault == Fault::Half {
                    Class::Ambiguous
                } else {
                    Class::TagsKept
                };
                done.and(Err(failure(operation, class)))
            }
        }
    }

    fn violation(&mut self, text: String) {
        self.violations.push(text);
    }

    /// What the state file says at this moment, if it is watched.
    fn written(&mut self, address: &Address, doing: &str, right: impl FnOnce(Option<&Record>) -> bool) {
        let Some(path) = &self.watched else { return };
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let state = serde_json::from_str::<State>(&text).ok();
        let record = state.as_ref().and_then(|state| state.resources.get(address));
        if !right(record) {
            let record = format!("{record:?}");
            self.violation(format!("{doing} of {address} was not written ahead: {record}"));
        }
    }

    fn push(&mut self, traits: &'static Traits, address: Option<Address>, mut spec: Value) -> Outputs {
        self.born += 1;
        soften(&mut spec);
        let output = |name: &&str| {
            let known = predict(traits, &spec).remove(*name);
            (
                (*name).to_owned(),
                known.unwrap_or_else(|| format!("{name}-{}", self.born)),
            )
        };
        let outputs: Outputs = traits.outputs.iter().map(output).collect();
        self.things.push(Thing {
            traits,
            address,
            claims: None,
            spec,
            outputs: outputs.clone(),
        });
        outputs
    }

    /// The newest of this natural name.
    fn named(&self, traits: &Traits, spec: &Value) -> Option<usize> {
        let same = |thing: &Thing| traits.identity.iter().all(|field| thing.spec[*field] == spec[*field]);
        let named = !traits.identity.is_empty();
        self.things
            .iter()
            .rposition(|thing| named && thing.is(traits) && same(thing))
    }

    fn by_id(&self, traits: &Traits, outputs: &Outputs) -> Option<usize> {
        let id = outputs.get("id")?;
        self.things
            .iter()
            .position(|thing| thing.is(traits) && thing.outputs.get("id") == Some(id))
    }

    fn find(&self, traits: &Traits, live: &Live) -> Option<usize> {
        match live.outputs.get("id") {
            Some(_) => self.by_id(traits, &live.outputs),
            None => self.named(traits, &live.spec),
        }
    }

    fn observe(
        &mut self,
        traits: &'static Traits,
        address: &Address,
        env: &str,
        spec: &Value,
        outputs: Option<&Outputs>,
    ) -> Option<Live> {
        if let Some(looks) = self.hidden.get_mut(address).filter(|looks| **looks > 0) {
            *looks -= 1;
            return None;
        }
        if traits
            .identity
            .iter()
            .any(|field| !references(&spec[*field]).is_empty())
        {
            self.violation(format!("{address} was looked for before its identity was known"));
            return None;
        }
        if traits.ephemeral {
            // Something else under the same name is not what is looked for.
            return self
                .things
                .iter()
                .find(|thing| thing.is(traits) && thing.spec == *spec)
                .map(Thing::live);
        }
        let owns = |thing: &Thing| {
            let tags = thing.live().tags();
            tags.get(TAG_ENV).is_some_and(|tag| tag == env)
                && tags.get(TAG_ADDRESS).is_some_and(|tag| tag == address.as_str())
        };
        let by_tags = || {
            let unnamed = traits.identity.is_empty();
            self.things
                .iter()
                .rposition(|thing| unnamed && thing.is(traits) && owns(thing))
        };
        let by_id = outputs.and_then(|outputs| self.by_id(traits, outputs));
        let found = by_id.or_else(|| self.named(traits, spec)).or_else(by_tags)?;
        let mut live = self.things[found].live();
        if let Some((field, value, looks)) = self.old.get_mut(address).filter(|(.., looks)| *looks > 0) {
            *looks -= 1;
            live.spec[*field] = value.clone();
        }
        Some(live)
    }

    /// What is asked for is fully known, and what it refers to exists.
    fn check_spec(&mut self, traits: &Traits, address: &Address, spec: &Value) {
        if let Some(unknown) = references(spec).first() {
            self.violation(format!(
                "{address} was changed while {} of {} was unknown",
                unknown.output, unknown.address
            ));
        }
        for (value, _) in needs(traits, spec) {
            if !self.things.iter().any(|thing| thing.offers(&value)) {
                self.violation(format!("{address} refers to {value}, which does not exist"));
            }
        }
    }

    fn create(&mut self, traits: &'static Traits, address: &Address, spec: &Value) -> Result<Outputs, Failure> {
        if traits.ephemeral {
            self.things
                .retain(|thing| !thing.is(traits) || thing.spec["name"] != spec["name"]);
        } else {
            self.written(address, "creation", |record| {
                record.is_some_and(|r| r.status == Status::Creating)
            });
        }
        if !traits.repeatable && self.named(traits, spec).is_some() {
            return Err(failure(Operation::Create, Class::Exists));
        }
        self.check_spec(traits, address, spec);
        Ok(self.push(traits, Some(address.clone()), spec.clone()))
    }

    fn update(&mut self, traits: &Traits, live: &Live, spec: &Value, changes: &Changes) -> Result<(), Failure> {
        let Some(index) = self.find(traits, live) else {
            return Err(failure(Operation::Update, Class::NotFound));
        };
        let foreign = self.things[index].address.is_none();
        let allowed = |address: &Address| !foreign || self.adoptable.contains(address);
        let Some(address) = self.things[index].whose().filter(allowed) else {
            self.violation(format!("something foreign was updated: {live:?}"));
            return Ok(());
        };
        for field in traits.identity.iter().chain(traits.immutable) {
            if self.things[index].spec[*field] != spec[*field] {
                self.violation(format!("{field} of {address} was to be changed in place"));
            }
        }
        self.check_spec(traits, &address, spec);
        if !traits.ephemeral {
            let right = |r: &Record| matches!(r.status, Status::Updating | Status::Creating);
            self.written(&address, "update", |record| record.is_some_and(right));
        }
        let half = self.half;
        let thing = &mut self.things[index];
        if let (Value::Object(now), Value::Object(wanted)) = (&mut thing.spec, spec) {
            for (field, value) in wanted.iter().filter(|(field, _)| !half || *field != "tags") {
                if changes.has(field) || traits.inputs.contains(&field.as_str()) {
                    now.insert(field.clone(), value.clone());
                }
            }
        }
        soften(&mut thing.spec);
        // With its tags it is ours, and so is what is inside and is told by what contains it.
        if !half || !traits.tagged {
            thing.address = Some(address);
            let container = thing.outputs.clone();
            let mine = |value: &String| container.values().any(|output| output == value);
            for inside in self.things.iter_mut().filter(|thing| !thing.traits.tagged) {
                if needs(inside.traits, &inside.spec)
                    .iter()
                    .any(|(value, within)| *within && mine(value))
                {
                    inside.address = inside.whose();
                }
            }
        }
        Ok(())
    }

    fn delete(&mut self, traits: &Traits, live: &Live) {
        let Some(index) = self.find(traits, live) else { return };
        let thing = self.things.remove(index);
        let Some(address) = thing.address else {
            self.violation(format!("something foreign was deleted: {live:?}"));
            return;
        };
        self.written(&address, "deletion", |record| {
            let listed = |r: &Record| r.retiring.iter().any(|old| old.outputs == thing.outputs);
            record.is_some_and(|r| r.status == Status::Deleting || listed(r))
        });
        let mut broken = Vec::new();
        // What is somebody else's uses ours at its own risk.
        for other in self.things.iter().filter(|other| other.address.is_some()) {
            for (value, inside) in needs(other.traits, &other.spec) {
                let offered = || self.things.iter().any(|thing| thing.offers(&value));
                let gone = thing.outputs.values().any(|output| *output == value) && !offered();
                if gone && (inside || !self.dangling.contains(&address)) {
                    let how = if inside { "is inside of" } else { "uses" };
                    broken.push(format!(
                        "{address} was deleted, but {:?} {how} it by {value}",
                        other.address
                    ));
                }
            }
        }
        self.violations.append(&mut broken);
    }
}

fn predict(traits: &Traits, spec: &Value) -> Outputs {
    let name = spec["name"].as_str().unwrap_or_default();
    let value = |output: &str| match output {
        "arn" => format!("arn:{}:{name}", traits.name),
        _ => name.to_owned(),
    };
    traits
        .predicted
        .iter()
        .map(|output| ((*output).to_owned(), value(output)))
        .collect()
}

impl Kind for FakeKind {
    fn name(&self) -> &'static str {
        self.traits.name
    }
    fn outputs(&self) -> &'static [&'static str] {
        self.traits.outputs
    }
    fn identity(&self) -> &'static [&'static str] {
        self.traits.identity
    }
    fn immutable(&self) -> &'static [&'static str] {
        self.traits.immutable
    }
    fn parents(&self) -> &'static [&'static str] {
        self.traits.parents
    }
    fn inputs(&self) -> &'static [&'static str] {
        self.traits.inputs
    }
    fn repeatable(&self) -> bool {
        self.traits.repeatable
    }
    fn doubles(&self) -> bool {
        self.traits.repeatable
    }
    fn tagged(&self) -> bool {
        self.traits.tagged
    }
    fn stale_reads(&self) -> bool {
        self.traits.stale_reads
    }
    fn lingers(&self) -> bool {
        self.traits.lingers
    }
    fn vital(&self) -> bool {
        self.traits.vital
    }
    fn ephemeral(&self) -> bool {
        self.traits.ephemeral
    }

    fn predict(&self, spec: &Value) -> Outputs {
        predict(self.traits, spec)
    }

    /// What a resource uses is a set.
    fn normalize(&self, spec: &Value) -> Result<Value, Failure> {
        if !spec["name"].is_string() {
            return Err(Failure::new(self.traits.name, "SpecMismatch", "the name is missing"));
        }
        let mut spec = spec.clone();
        if let Some(uses) = spec.get_mut("uses").and_then(Value::as_array_mut) {
            uses.sort_by_key(Value::to_string);
            uses.dedup();
        }
        Ok(spec)
    }

    fn observe<'a>(
        &'a self,
        address: &'a Address,
        env: &'a str,
        spec: &'a Value,
        outputs: Option<&'a Outputs>,
    ) -> BoxFuture<'a, Result<Option<Live>, Failure>> {
        let look = move |world: &mut World| Ok(world.observe(self.traits, address, env, spec, outputs));
        Box::pin(self.shared.call(address, Operation::Observe, look))
    }

    fn create<'a>(&'a self, address: &'a Address, spec: &'a Value) -> BoxFuture<'a, Result<Outputs, Failure>> {
        let make = move |world: &mut World| world.create(self.traits, address, spec);
        Box::pin(self.shared.call(address, Operation::Create, make))
    }

    fn update<'a>(
        &'a self,
        live: &'a Live,
        spec: &'a Value,
        changes: &'a Changes,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let who = self.shared.owner_of(self.traits, live);
            let change = move |world: &mut World| world.update(self.traits, live, spec, changes);
            self.shared.call(&who, Operation::Update, change).await
        })
    }

    fn delete<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let who = self.shared.owner_of(self.traits, live);
            let remove = move |world: &mut World| {
                world.delete(self.traits, live);
                Ok(())
            };
            self.shared.call(&who, Operation::Delete, remove).await
        })
    }
}
