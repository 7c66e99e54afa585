//! The engine, driven from within a test as the commands drive it, with the stack's resources edited on the way: for
//! changes of intent that no setting makes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use fraudctl::artifact::{self, Binary, Builder, Flavor};
use fraudctl::aws::{Aws, Connection, Local, Registry};
use fraudctl::config::{self, Overrides};
use fraudctl::engine::{Action, Apply, Cause, Event, Graph, Outcome, Plan, survey};
use fraudctl::resource::{Address, Kinds};
use fraudctl::stack::Stack;
use fraudctl::state::{GroupCommit, Home, Place, Store};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::{Environment, REGION};

const ENV: &str = "dev";

/// A stack that stands, and the edits by which its description has come to differ from the one in the sources. Every
/// edit stays for all later plans.
pub struct Edited<'a> {
    env: &'a Environment,
    endpoint: String,
    runtime: Runtime,
    builder: Builder,
    fingerprint: String,
    edits: Vec<Edit>,
}

/// Another value at a place (a JSON pointer) in a resource's properties; without one, the place is removed.
struct Edit {
    address: String,
    pointer: String,
    value: Option<Value>,
}

struct Planned {
    plan: Plan,
    kinds: Registry,
    store: Store,
}

impl<'a> Edited<'a> {
    /// Deploys with the command, and edits nothing yet.
    #[track_caller]
    pub fn deployed(env: &'a Environment) -> Self {
        let up = env.up();
        assert_eq!(up["summary"]["failed"], 0, "{up:#}");
        let state = std::fs::read_to_string(env.state_file()).expect("there is a state");
        let state: Value = serde_json::from_str(&state).expect("the state is JSON");
        let builder = Builder::new(Path::new(env!("CARGO_MANIFEST_DIR")), Flavor::Local).expect("a builder");
        Self {
            env,
            endpoint: state["endpoint"]
                .as_str()
                .expect("an emulator has an endpoint")
                .to_owned(),
            runtime: Runtime::new().expect("a runtime"),
            fingerprint: builder.fingerprint().expect("a fingerprint"),
            builder,
            edits: Vec::new(),
        }
    }

    /// Edits a resource. Nothing is planned yet.
    pub fn edit(&mut self, address: &str, fields: &[(&str, Value)]) {
        self.edits.extend(fields.iter().map(|(pointer, value)| Edit {
            address: address.to_owned(),
            pointer: (*pointer).to_owned(),
            value: Some(value.clone()),
        }));
    }

    /// Removes a property from a resource. Nothing is planned yet.
    pub fn remove(&mut self, address: &str, pointer: &str) {
        self.edits.push(Edit {
            address: address.to_owned(),
            pointer: pointer.to_owned(),
            value: None,
        });
    }

    /// Asserts that these edits of a resource update it in place, and nothing else; makes it so.
    #[track_caller]
    pub fn update(&mut self, address: &str, fields: &[(&str, Value)]) {
        self.edit(address, fields);
        let pointers: Vec<&str> = fields.iter().map(|(pointer, _)| *pointer).collect();
        self.expect(address, Action::Update, &pointers, &[]);
    }

    /// Asserts that these edits of a resource replace it, with these consequences for others, and no other; makes it
    /// so.
    #[track_caller]
    pub fn replace(&mut self, address: &str, fields: &[(&str, Value)], along: &[(&str, Action)]) {
        self.edit(address, fields);
        let pointers: Vec<&str> = fields.iter().map(|(pointer, _)| *pointer).collect();
        self.expect(address, Action::Replace, &pointers, along);
    }

    /// Asserts what the edits made since the last time bring about: at `address` this action, because of these places;
    /// at other addresses what `along` says. Carries it out, and asserts that nothing is left to do then.
    #[track_caller]
    pub fn expect(&self, address: &str, action: Action, pointers: &[&str], along: &[(&str, Action)]) {
        let planned = self.runtime.block_on(self.plan());
        let mut expected: Vec<(String, Action)> =
            along.iter().map(|(at, action)| ((*at).to_owned(), *action)).collect();
        expected.push((address.to_owned(), action));
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(actions(&planned.plan), expected, "{address} {pointers:?}");

        let mut paths: Vec<String> = pointers.iter().map(|pointer| path(pointer)).collect();
        paths.sort();
        assert_eq!(self::paths(&planned.plan, address), paths, "{address}");
        for field in planned.plan.changes.iter().flat_map(|change| &change.fields) {
            assert_eq!(field.cause, Cause::Intent, "{address}: {field:?}");
        }

        self.apply(planned);
        let again = self.runtime.block_on(self.plan());
        assert!(
            again.plan.is_empty(),
            "{address} is not settled: {:#?}",
            actions(&again.plan)
        );
    }

    async fn plan(&self) -> Planned {
        let file = self.env.state_folder().join("settings.toml");
        let settings = config::load_file(&file, ENV, &Overrides::default()).expect("the settings");
        let connection = Connection {
            region: Some(REGION.to_owned()),
            local: Some(Local {
                endpoint: self.endpoint.clone(),
                account: self.env.account.clone(),
            }),
            unpaced: true,
            ..Connection::default()
        };
        // A new one each time: while a plan is made, answers are remembered.
        let aws = Aws::connect(&connection).await.expect("a connection");
        let stack = Stack {
            settings: &settings,
            account: &aws.account,
            region: &aws.region,
            partition: aws.partition(),
            endpoint: aws.endpoint.as_deref(),
        };
        let mut graph = stack.graph(&|function| artifact::Spec {
            function: function.to_owned(),
            fingerprint: self.fingerprint.clone(),
        });
        for edit in &self.edits {
            edit.make(&mut graph);
        }
        let place = Place {
            env: ENV.to_owned(),
            account: aws.account.clone(),
            region: aws.region.clone(),
            endpoint: aws.endpoint.clone(),
        };
        let home = Home::File(self.env.state_file());
        let store = Store::open(&home, place).await.expect("the state");
        let binaries = Binary::new(Some(self.builder.clone()), Arc::new(|_: &str| ()));
        let theirs = settings.ignore_tags.clone();
        let kinds = Registry::ignoring(&aws, move |key| theirs.matches(key)).with(binaries);
        let live = survey(&graph, &store.state, &kinds, ENV).await.expect("a survey");
        let plan = Plan::towards(&graph, &store.state, &live, &kinds, &BTreeSet::new()).expect("a plan");
        Planned { plan, kinds, store }
    }

    #[track_caller]
    fn apply(&self, planned: Planned) {
        let Planned { plan, kinds, store } = planned;
        kinds.begin_changes();
        let store = GroupCommit::new(store);
        let (_stopper, stop) = watch::channel(false);
        let apply = Apply {
            kinds: &kinds,
            plan: &plan,
            store: &store,
            sink: &|_: Event| (),
            stop,
        };
        let report = self.runtime.block_on(apply.run()).expect("the state can be written");
        for step in &report.steps {
            assert!(matches!(step.outcome, Outcome::Done | Outcome::Nothing), "{step:#?}");
        }
    }
}

impl Edit {
    fn make(&self, graph: &mut Graph) {
        let known = graph.get(&Address::from(self.address.as_str())).is_some();
        assert!(known, "there is no {}", self.address);
        graph.edit(&self.address, |spec| {
            let (parent, last) = self.pointer.rsplit_once('/').expect("a pointer begins with a slash");
            let parent = spec.pointer_mut(parent);
            match (parent, &self.value) {
                (Some(Value::Object(object)), Some(value)) => {
                    object.insert(decoded(last), value.clone());
                }
                (Some(Value::Object(object)), None) => {
                    object.remove(&decoded(last)).expect("there is something to remove");
                }
                (Some(Value::Array(items)), Some(value)) => {
                    let index: usize = last.parse().expect("an index");
                    items[index] = value.clone();
                }
                _ => panic!("{} has no {}", self.address, self.pointer),
            }
        });
    }
}

/// What the plan does, and to whom; sorted.
fn actions(plan: &Plan) -> Vec<(String, Action)> {
    let changes = plan.changes.iter().filter(|change| change.action != Action::Unchanged);
    let mut actions: Vec<_> = changes
        .map(|change| (change.address.to_string(), change.action))
        .collect();
    actions.sort_by(|a, b| a.0.cmp(&b.0));
    actions
}

/// The paths of the fields that change at an address; sorted.
fn paths(plan: &Plan, address: &str) -> Vec<String> {
    let changes = plan.changes.iter().filter(|change| change.address.as_str() == address);
    let mut paths: Vec<String> = changes
        .flat_map(|change| &change.fields)
        .map(|field| field.path.clone())
        .collect();
    paths.sort();
    paths
}

/// A part of a JSON pointer, in which `~1` is a slash.
fn decoded(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

/// A JSON pointer as plans write it: `/a/0/b` is `a[0].b`.
fn path(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer.split('/').skip(1) {
        if part.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{part}]"));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&decoded(part));
        }
    }
    path
}
