use super::*;
use crate::engine::diff::Cause;
use crate::engine::fake::{BINARY, BUCKET, Cloud, ENV, FUNCTION, KEY, PART, RELEASE, Traits, VAULT, tags};
use crate::engine::schedule::{Op, Schedule};
use crate::resource::Handle;
use crate::resource::{Owner, TAG_ADDRESS, TAG_ENV};
use crate::state::{Place, Retired};
use proptest::prelude::*;
use serde_json::json;

fn at(text: &str) -> Address {
    Address::from(text)
}

fn refer(address: &str, output: &'static str) -> String {
    Handle { address: at(address) }.output(output).to_string()
}

fn node(address: &str, traits: &'static Traits, spec: Value) -> Node {
    Node {
        address: at(address),
        kind: traits.name,
        spec,
        after: Vec::new(),
    }
}

fn graph(nodes: impl IntoIterator<Item = Node>) -> Graph {
    let mut graph = Graph::new();
    nodes.into_iter().for_each(|node| graph.add_node(node));
    graph
}

/// A bucket of ours at the address `bucket`.
fn bucket(name: &str, zone: &str, size: u8) -> Value {
    json!({"name": name, "zone": zone, "size": size, "tags": tags("bucket")})
}

fn outputs(id: &str, name: &str) -> Outputs {
    let arn = format!("arn:fake.bucket:{name}");
    [("id", id), ("name", name), ("arn", &arn)]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn live(spec: Value, outputs: Outputs) -> Live {
    Live {
        spec,
        outputs,
        owner: Owner::Usual,
    }
}

fn id(id: &str) -> Outputs {
    Outputs::from([("id".to_owned(), id.to_owned())])
}

/// What a finished deployment remembers.
fn record(kind: &Traits, live: &Live, depends_on: &[&str]) -> Record {
    Record {
        kind: kind.name.to_owned(),
        status: Status::Ready,
        outputs: live.outputs.clone(),
        applied: live.spec.clone(),
        observed: Some(live.spec.clone()),
        depends_on: depends_on.iter().map(|address| at(address)).collect(),
        retiring: Vec::new(),
    }
}

/// The three maps that a plan is made of.
struct World {
    graph: Graph,
    state: State,
    survey: Survey,
}

impl World {
    fn new(nodes: impl IntoIterator<Item = Node>) -> Self {
        Self {
            graph: graph(nodes),
            state: State::new(Place {
                env: ENV.into(),
                account: "000000000000".into(),
                region: "us-east-1".into(),
                endpoint: None,
            }),
            survey: Survey::default(),
        }
    }

    fn live(mut self, address: &str, live: &Live) -> Self {
        self.survey.live.insert(at(address), live.clone());
        self
    }

    fn recorded(mut self, address: &str, record: Record) -> Self {
        self.state.resources.insert(at(address), record);
        self
    }

    fn towards(&self) -> Result<Plan, PlanError> {
        Plan::towards(&self.graph, &self.state, &self.survey, &Cloud::new(), &BTreeSet::new())
    }

    fn plan(&self) -> Plan {
        self.towards().unwrap()
    }

    fn nothing(&self) -> Plan {
        Plan::towards_nothing(&self.graph, &self.state, &self.survey, &Cloud::new()).unwrap()
    }

    fn refusal(&self) -> String {
        self.towards().unwrap_err().to_string()
    }
}

fn actions(plan: &Plan) -> Vec<(&str, Action)> {
    plan.changes
        .iter()
        .map(|change| (change.address.as_str(), change.action))
        .collect()
}

fn fields(change: &Change) -> Vec<(&str, Cause)> {
    change
        .fields
        .iter()
        .map(|field| (field.path.as_str(), field.cause))
        .collect()
}

fn change<'a>(plan: &'a Plan, address: &str) -> &'a Change {
    plan.changes
        .iter()
        .find(|change| change.address.as_str() == address)
        .unwrap()
}

/// A bucket that stands, remembered as it stands.
fn standing(desired: Value, live: &Live) -> World {
    World::new([node("bucket", &BUCKET, desired)])
        .live("bucket", live)
        .recorded("bucket", record(&BUCKET, live, &[]))
}

#[test]
fn what_does_not_exist_is_created_after_what_it_refers_to() {
    let part = json!({"name": "p", "parent": refer("bucket", "id")});
    let world = World::new([
        node("a.part", &PART, part),
        node("bucket", &BUCKET, bucket("b", "z", 1)),
    ]);
    let plan = world.plan();
    assert_eq!(actions(&plan), [("bucket", Action::Create), ("a.part", Action::Create)]);
    assert_eq!(change(&plan, "a.part").depends_on, BTreeSet::from([at("bucket")]));
    assert_eq!(plan.summary().create, 2);
    assert!(!plan.is_empty());
}

#[test]
fn names_are_known_before_anything_exists() {
    let user = json!({"name": "f", "uses": [refer("bucket", "arn"), refer("bucket", "id")]});
    let world = World::new([node("bucket", &BUCKET, bucket("b", "z", 1)), node("f", &FUNCTION, user)]);
    let plan = world.plan();
    assert_eq!(
        change(&plan, "f").desired["uses"],
        json!(["arn:fake.bucket:b", refer("bucket", "id")])
    );
}

#[test]
fn what_is_as_desired_is_left_alone() {
    let live = live(bucket("b", "z", 1), outputs("1", "b"));
    let plan = standing(bucket("b", "z", 1), &live).plan();
    assert_eq!(actions(&plan), [("bucket", Action::Unchanged)]);
    assert!(plan.is_empty());
    assert_eq!(plan.summary().unchanged, 1);
}

#[test]
fn a_changed_wish_is_an_update_by_intent() {
    let live = live(bucket("b", "z", 1), outputs("1", "b"));
    let plan = standing(bucket("b", "z", 2), &live).plan();
    assert_eq!(actions(&plan), [("bucket", Action::Update)]);
    assert_eq!(fields(&plan.changes[0]), [("size", Cause::Intent)]);
    assert_eq!(
        (&plan.changes[0].fields[0].from, &plan.changes[0].fields[0].to),
        (&json!(1), &json!(2))
    );
}

#[test]
fn a_changed_world_is_an_update_by_drift() {
    let before = live(bucket("b", "z", 1), outputs("1", "b"));
    let mut now = before.clone();
    now.spec["size"] = json!(9);
    now.spec["tags"]["stranger"] = json!("was here");
    let plan = standing(bucket("b", "z", 1), &before).live("bucket", &now).plan();
    assert_eq!(actions(&plan), [("bucket", Action::Update)]);
    assert_eq!(
        fields(&plan.changes[0]),
        [("size", Cause::Drift), ("tags.stranger", Cause::Drift)]
    );
}

#[test]
fn what_the_cloud_writes_in_another_way_does_not_haunt_the_plan() {
    let desired = json!({"name": "b", "label": "Big", "tags": tags("bucket")});
    let seen = live(
        json!({"name": "b", "label": "big", "tags": tags("bucket")}),
        outputs("1", "b"),
    );
    let mut record = record(&BUCKET, &seen, &[]);
    record.applied = desired.clone();
    let world = standing(desired, &seen).recorded("bucket", record);
    assert!(world.plan().is_empty());
    let mut drifted = seen;
    drifted.spec["label"] = json!("small");
    assert_eq!(
        fields(&world.live("bucket", &drifted).plan().changes[0]),
        [("label", Cause::Drift)]
    );
}

#[test]
fn a_fixed_field_replaces_the_old_one_first_where_both_would_have_the_same_name() {
    let live = live(bucket("b", "z", 1), outputs("1", "b"));
    let plan = standing(bucket("b", "y", 1), &live).plan();
    assert_eq!(actions(&plan), [("bucket", Action::Replace)]);
    assert!(!plan.changes[0].create_first);
    assert_eq!(plan.summary().replace, 1);
}

#[test]
fn another_name_replaces_the_new_one_first() {
    let live = live(bucket("b", "z", 1), outputs("1", "b"));
    let plan = standing(bucket("c", "z", 1), &live).plan();
    assert_eq!(actions(&plan), [("bucket", Action::Replace)]);
    assert!(plan.changes[0].create_first);
}

/// A part in a bucket, both standing; the bucket is to be as `desired`.
fn part_in(desired: Value, kind: &'static Traits) -> World {
    let container = live(bucket("b", "z", 1), outputs("1", "b"));
    let part = live(json!({"name": "p", "parent": "1"}), id("7"));
    World::new([
        node("bucket", &BUCKET, desired),
        node("part", kind, json!({"name": "p", "parent": refer("bucket", "id")})),
    ])
    .live("bucket", &container)
    .live("part", &part)
    .recorded("bucket", record(&BUCKET, &container, &[]))
    .recorded("part", record(kind, &part, &["bucket"]))
}

#[test]
fn what_is_inside_follows_what_goes_first() {
    let plan = part_in(bucket("b", "y", 1), &PART).plan();
    assert_eq!(actions(&plan), [("bucket", Action::Replace), ("part", Action::Replace)]);
    assert_eq!(
        plan.changes.iter().map(|c| c.create_first).collect::<Vec<_>>(),
        [false, false]
    );
    // Even if a second one could stand beside it: its place is gone.
    let plan = part_in(bucket("b", "y", 1), &RELEASE).plan();
    assert!(!change(&plan, "part").create_first);
}

#[test]
fn what_is_inside_moves_into_what_is_made_first() {
    let plan = part_in(bucket("c", "z", 1), &PART).plan();
    assert_eq!(actions(&plan), [("bucket", Action::Replace), ("part", Action::Replace)]);
    assert_eq!(
        plan.changes.iter().map(|c| c.create_first).collect::<Vec<_>>(),
        [true, true]
    );
}

#[test]
fn what_is_inside_stays_when_its_container_is_only_updated() {
    let plan = part_in(bucket("b", "z", 2), &PART).plan();
    assert_eq!(
        actions(&plan),
        [("bucket", Action::Update), ("part", Action::Unchanged)]
    );
}

#[test]
fn what_leaves_something_that_goes_first_cannot_outstay_it() {
    // The part moves to another bucket while its old one is replaced, the old one first.
    let old = live(bucket("b", "z", 1), outputs("1", "b"));
    let part = live(json!({"name": "p", "parent": "1"}), id("7"));
    let mut other = bucket("o", "z", 1);
    other["tags"] = tags("other");
    let world = World::new([
        node("bucket", &BUCKET, bucket("b", "y", 1)),
        node("other", &BUCKET, other),
        node("part", &PART, json!({"name": "p", "parent": refer("other", "id")})),
    ])
    .live("bucket", &old)
    .live("part", &part)
    .recorded("bucket", record(&BUCKET, &old, &[]))
    .recorded("part", record(&PART, &part, &["bucket"]));
    let plan = world.plan();
    assert_eq!(change(&plan, "part").action, Action::Replace);
    assert!(!change(&plan, "part").create_first);
}

#[test]
fn a_user_of_something_replaced_is_told_a_value_that_is_not_known_yet() {
    let used = live(bucket("b", "z", 1), outputs("1", "b"));
    let user = live(json!({"name": "f", "uses": ["1"], "tags": tags("f")}), Outputs::new());
    let wish = json!({"name": "f", "uses": [refer("bucket", "id")], "tags": tags("f")});
    let world = World::new([node("bucket", &BUCKET, bucket("b", "y", 1)), node("f", &FUNCTION, wish)])
        .live("bucket", &used)
        .live("f", &user)
        .recorded("bucket", record(&BUCKET, &used, &[]))
        .recorded("f", record(&FUNCTION, &user, &["bucket"]));
    let plan = world.plan();
    let user = change(&plan, "f");
    assert_eq!(user.action, Action::Update);
    assert_eq!(fields(user), [("uses[0]", Cause::Intent)]);
    assert_eq!(user.fields[0].to, json!(refer("bucket", "id")));
}

#[test]
fn what_nobody_remembers_but_is_ours_is_adopted() {
    let world = World::new([node("bucket", &BUCKET, bucket("b", "z", 1))]);
    let same = live(bucket("b", "z", 1), outputs("1", "b"));
    let plan = world.live("bucket", &same).plan();
    assert_eq!(actions(&plan), [("bucket", Action::Adopt)]);
    assert!(plan.changes[0].fields.is_empty());
    assert!(!plan.is_empty(), "there is something to remember");

    let other = live(bucket("b", "z", 5), outputs("1", "b"));
    let plan = World::new([node("bucket", &BUCKET, bucket("b", "z", 1))])
        .live("bucket", &other)
        .plan();
    assert_eq!(actions(&plan), [("bucket", Action::Adopt)]);
    assert_eq!(fields(&plan.changes[0]), [("size", Cause::Intent)]);
    assert_eq!(plan.summary().adopt, 1);
}

#[test]
fn what_was_found_after_an_interrupted_creation_is_adopted() {
    let live = live(bucket("b", "z", 1), outputs("1", "b"));
    let mut record = record(&BUCKET, &live, &[]);
    (record.status, record.observed, record.outputs) = (Status::Creating, None, Outputs::new());
    let plan = standing(bucket("b", "z", 1), &live).recorded("bucket", record).plan();
    assert_eq!(actions(&plan), [("bucket", Action::Adopt)]);
}

#[test]
fn what_somebody_else_made_meanwhile_is_not_taken_for_an_interrupted_creation() {
    let foreign = live(json!({"name": "b", "zone": "z", "size": 1}), outputs("1", "b"));
    let mut record = record(&BUCKET, &foreign, &[]);
    (record.status, record.observed, record.outputs) = (Status::Creating, None, Outputs::new());
    let world = standing(bucket("b", "z", 1), &foreign).recorded("bucket", record);
    assert!(world.refusal().contains("bucket: fake.bucket b has no tags"));
    let down = world.nothing();
    assert!(down.changes.is_empty());
    assert_eq!(down.foreign.len(), 1);
}

#[test]
fn a_record_of_an_interrupted_change_is_no_baseline() {
    for status in [Status::Updating, Status::Deleting] {
        // Asked for 2, written ahead with what was before; whether it arrived must be seen from what is.
        let arrived = live(bucket("b", "z", 2), outputs("1", "b"));
        let mut record = record(&BUCKET, &arrived, &[]);
        record.status = status;
        let world = |size| standing(bucket("b", "z", size), &arrived).recorded("bucket", record.clone());
        let plan = world(1).plan();
        assert_eq!(actions(&plan), [("bucket", Action::Update)]);
        assert_eq!(fields(&plan.changes[0]), [("size", Cause::Intent)]);
        // Nothing differs, but the record has to be finished.
        let plan = world(2).plan();
        assert_eq!(actions(&plan), [("bucket", Action::Update)]);
        assert!(plan.changes[0].fields.is_empty());
    }
}

#[test]
fn what_left_the_stack_is_deleted_and_what_is_gone_is_forgotten() {
    let live = live(bucket("b", "z", 1), outputs("1", "b"));
    let user = record(&FUNCTION, &live, &["bucket"]);
    let world = World::new([])
        .live("bucket", &live)
        .recorded("bucket", record(&BUCKET, &live, &[]))
        .recorded("gone", user.clone());
    let plan = world.plan();
    assert_eq!(actions(&plan), [("bucket", Action::Delete)]);
    assert_eq!(plan.forget, [at("gone")]);
    assert_eq!(plan.summary().delete, 1);

    let mut mine = live.clone();
    mine.spec["tags"] = tags("user");
    let plan = World::new([]).live("user", &mine).recorded("user", user).plan();
    assert_eq!(plan.changes[0].depended_on, BTreeSet::from([at("bucket")]));
    let plan = World::new([]).recorded("gone", record(&BUCKET, &live, &[])).plan();
    assert!(!plan.is_empty(), "there is something to forget");
}

/// Somebody has put another environment's tags on it, or made another of its name since.
#[test]
fn what_is_remembered_and_is_another_environments_by_its_tags_is_neither_changed_nor_deleted() {
    let mut theirs = live(bucket("b", "z", 5), outputs("1", "b"));
    theirs.spec["tags"] = json!({TAG_ENV: "other", TAG_ADDRESS: "bucket"});
    let remembered = || World::new([node("bucket", &BUCKET, bucket("b", "z", 1))]).live("bucket", &theirs);
    let record = record(&BUCKET, &live(bucket("b", "z", 1), outputs("1", "b")), &[]);
    let refusal = remembered().recorded("bucket", record.clone()).refusal();
    assert!(
        refusal.contains("bucket of the environment other, by its tags"),
        "{refusal}"
    );
    let nothing = remembered().recorded("bucket", record).nothing();
    assert!(nothing.changes.is_empty(), "{:?}", nothing.changes);
    assert_eq!(nothing.foreign.len(), 1);
    assert!(
        nothing.forget.is_empty(),
        "it stays remembered, so that its end is no success"
    );
}

#[test]
fn a_predecessor_that_still_exists_is_deleted_beside_its_successor() {
    let now = live(bucket("c", "z", 1), outputs("2", "c"));
    let mut world = standing(bucket("c", "z", 1), &now);
    let retired = plan_retired(&outputs("1", "b"), &bucket("b", "z", 1));
    world
        .state
        .resources
        .get_mut(&at("bucket"))
        .unwrap()
        .retiring
        .push(retired);
    let old = live(bucket("b", "z", 1), outputs("1", "b"));
    world.survey.retiring.insert((at("bucket"), 0), old.clone());
    let plan = world.plan();
    assert_eq!(
        actions(&plan),
        [("bucket", Action::Unchanged), ("bucket", Action::Delete)]
    );
    assert!(plan.changes[1].retired);
    assert_eq!(plan.changes[1].live, Some(old));
}

/// By text, so that it reads whatever else a state may come to remember of it.
fn plan_retired(outputs: &Outputs, applied: &Value) -> Retired {
    serde_json::from_str(&json!({"outputs": outputs, "applied": applied}).to_string()).unwrap()
}

#[test]
fn what_is_not_ours_refuses_the_whole_plan_and_says_why() {
    let world = || {
        World::new([
            node("bucket", &BUCKET, bucket("b", "z", 1)),
            node("key", &KEY, json!({"name": "k", "tags": tags("key")})),
        ])
    };
    let untagged = live(json!({"name": "b", "zone": "z"}), outputs("1", "b"));
    let refusal = world().live("bucket", &untagged).refusal();
    assert!(
        refusal.contains("bucket: fake.bucket b has no tags fraudctl:env=test"),
        "{refusal}"
    );
    assert!(!refusal.contains("key:"), "{refusal}");

    let mut of_another = live(bucket("b", "z", 1), outputs("1", "b"));
    of_another.spec["tags"] = tags("elsewhere");
    assert!(matches!(
        world().live("bucket", &of_another).towards(),
        Err(PlanError::Foreign(_))
    ));

    let mut told = live(bucket("b", "z", 1), outputs("1", "b"));
    told.owner = Owner::Foreign {
        why: "the console made it".into(),
        adoptable: true,
    };
    assert!(
        world()
            .live("bucket", &told)
            .refusal()
            .contains("bucket: the console made it")
    );

    told.owner = Owner::Ours;
    told.spec["tags"] = json!({});
    assert_eq!(
        change(&world().live("bucket", &told).plan(), "bucket").action,
        Action::Adopt
    );
}

#[test]
fn towards_nothing_keeps_what_is_not_ours_with_all_that_is_inside() {
    let part = |address: &str, name: &str, parent: &str| {
        node(address, &PART, json!({"name": name, "parent": refer(parent, "id")}))
    };
    let world = World::new([
        node("bucket", &BUCKET, bucket("b", "z", 1)),
        part("part", "p", "bucket"),
        part("piece", "q", "part"),
        node("key", &KEY, json!({"name": "k", "tags": tags("key")})),
    ])
    .live("bucket", &live(json!({"name": "b", "zone": "z"}), outputs("1", "b")))
    .live("part", &live(json!({"name": "p", "parent": "1"}), id("2")))
    .live("piece", &live(json!({"name": "q", "parent": "2"}), id("3")))
    .live("key", &live(json!({"name": "k", "tags": tags("key")}), id("4")));
    let plan = world.nothing();
    assert_eq!(actions(&plan), [("key", Action::Delete)]);
    let kept: Vec<_> = plan.foreign.iter().map(|(address, _)| address.as_str()).collect();
    assert_eq!(kept, ["bucket", "part", "piece"]);
    assert_eq!(plan.foreign[1].1, "it belongs to bucket, which is not ours");
}

/// What one cannot delete, because its tags are gone, may still be in use, and is lost without its key. Also when its
/// record was given up, or lost.
#[test]
fn towards_nothing_keeps_that_without_which_what_stays_is_lost() {
    let key = |name: &str| live(json!({"name": name, "tags": tags(name)}), id(name));
    let sealed = |by: &str| {
        let spec = json!({"name": "b", "zone": "z", "sealed": [{"by": by}]});
        live(spec, outputs("1", "b"))
    };
    let world = |by: &str, remembered: bool| {
        let mut world = World::new([node("bucket", &BUCKET, bucket("b", "z", 1))]);
        for (name, kind) in [("vault", &VAULT), ("key", &KEY)] {
            world
                .graph
                .add_node(node(name, kind, json!({"name": name, "tags": tags(name)})));
            world = world
                .live(name, &key(name))
                .recorded(name, record(kind, &key(name), &[]));
        }
        world = world.live("bucket", &sealed(by));
        if remembered {
            world = world.recorded("bucket", record(&BUCKET, &sealed(by), &["vault", "key"]));
        }
        world.nothing()
    };
    for remembered in [true, false] {
        let plan = world("vault", remembered);
        assert_eq!(actions(&plan), [("key", Action::Delete)]);
        let kept: Vec<_> = plan.foreign.iter().map(|(address, _)| address.as_str()).collect();
        assert_eq!(kept, ["bucket", "vault"]);
        assert_eq!(plan.foreign[1].1, "bucket, which is left alone, needs it");
        assert!(plan.forget.is_empty());
        // Only that: what else it refers to can be made again.
        assert_eq!(
            actions(&world("key", remembered)),
            [("key", Action::Delete), ("vault", Action::Delete)]
        );
    }
}

#[test]
fn towards_nothing_deletes_what_is_ours_remembered_or_not() {
    let world = part_in(bucket("b", "z", 1), &PART);
    let mut lost = part_in(bucket("b", "z", 1), &PART);
    lost.state.resources.clear();
    for world in [world, lost] {
        let plan = world.nothing();
        assert_eq!(actions(&plan), [("bucket", Action::Delete), ("part", Action::Delete)]);
        assert_eq!(change(&plan, "part").depended_on, BTreeSet::from([at("bucket")]));
        assert!(plan.forget.is_empty());
    }
}

#[test]
fn what_is_of_this_machine_is_built_but_neither_counted_nor_deleted() {
    let binary = json!({"name": "worker", "size": 1});
    let function = json!({"name": "f", "code": refer("binary", "digest"), "tags": tags("f")});
    let world = || {
        World::new([
            node("binary", &BINARY, binary.clone()),
            node("f", &FUNCTION, function.clone()),
        ])
    };
    let plan = world().plan();
    assert_eq!(actions(&plan), [("binary", Action::Build), ("f", Action::Create)]);
    assert_eq!((plan.summary().create, plan.summary().unchanged), (1, 0));

    let made = live(
        binary.clone(),
        Outputs::from([("digest".into(), "d".into()), ("path".into(), "p".into())]),
    );
    let plan = world().live("binary", &made).plan();
    assert_eq!(actions(&plan), [("binary", Action::Unchanged), ("f", Action::Create)]);
    assert_eq!(plan.summary().unchanged, 0);
    assert_eq!(change(&plan, "f").desired["code"], "d");
    assert!(world().live("binary", &made).nothing().changes.is_empty());
}

#[test]
fn where_something_comes_from_is_no_difference() {
    let seen = live(
        json!({"name": "f", "code": "d", "source": "/old", "tags": tags("f")}),
        Outputs::new(),
    );
    let wish = json!({"name": "f", "code": "d", "source": "/new", "tags": tags("f")});
    let world = World::new([node("f", &FUNCTION, wish)])
        .live("f", &seen)
        .recorded("f", record(&FUNCTION, &seen, &[]));
    assert!(world.plan().is_empty());
}

#[test]
fn a_wrong_stack_is_refused_by_the_addresses_concerned() {
    let part =
        |address: &str, to: &str, output| node(address, &PART, json!({"name": "p", "parent": refer(to, output)}));
    let cycle = World::new([part("one", "two", "id"), part("two", "one", "id")]).refusal();
    assert!(cycle.contains("circle: one, two"), "{cycle}");

    let nowhere = World::new([part("one", "two", "id")]).refusal();
    assert!(
        nowhere.contains("one refers to two, which is not declared"),
        "{nowhere}"
    );

    let key = || node("key", &KEY, json!({"name": "k"}));
    let missing = World::new([key(), part("one", "key", "url")]).refusal();
    assert!(
        missing.contains("one refers to url of key, but fake.key offers only id"),
        "{missing}"
    );

    let named = Handle { address: at("key") }.id().named_only().to_string();
    let unknown = World::new([key(), node("one", &FUNCTION, json!({"name": "f", "uses": [named]}))]).refusal();
    assert!(unknown.contains("one only names id of key"), "{unknown}");

    let twice = World::new([key(), key()]).refusal();
    assert!(twice.contains("key is declared twice"), "{twice}");

    let mut late = node("one", &KEY, json!({"name": "k"}));
    late.after.push(at("two"));
    let after = World::new([late]).refusal();
    assert!(after.contains("one refers to two"), "{after}");

    let mut strange = node("one", &KEY, json!({"name": "k"}));
    strange.kind = "fake.unknown";
    let kind = World::new([strange]).refusal();
    assert!(kind.contains("one is of the unknown kind fake.unknown"), "{kind}");

    let nameless = World::new([node("one", &KEY, json!({}))]).refusal();
    assert!(
        nameless.contains("one:") && nameless.contains("the name is missing"),
        "{nameless}"
    );
}

#[test]
fn a_record_of_an_unknown_kind_is_refused() {
    let live = live(bucket("b", "z", 1), outputs("1", "b"));
    let mut record = record(&BUCKET, &live, &[]);
    record.kind = "fake.newer".into();
    let refusal = World::new([]).recorded("bucket", record).refusal();
    assert!(refusal.contains("bucket of the kind fake.newer"), "{refusal}");
}

/// Who waits for whom, of those that have to do with anything else.
#[derive(Clone, Debug)]
struct Link {
    action: usize,
    retired: bool,
    /// Its place in the order of dependencies, before and now.
    ranks: (u8, u8),
    uses: Vec<usize>,
    used: Vec<usize>,
}

fn link(kinds_of_change: usize) -> impl Strategy<Value = Link> {
    let others = || prop::collection::vec(0..7_usize, 0..4);
    let ranks = (0..5_u8, 0..5_u8);
    (0..kinds_of_change, prop::bool::weighted(0.2), ranks, others(), others()).prop_map(
        |(action, retired, ranks, uses, used)| Link {
            action,
            retired,
            ranks,
            uses,
            used,
        },
    )
}

fn links(kinds_of_change: usize) -> impl Strategy<Value = Vec<Link>> {
    prop::collection::vec(link(kinds_of_change), 1..8)
}

/// The last one goes before its successor comes.
const CHANGES: [(Action, bool); 7] = [
    (Action::Unchanged, false),
    (Action::Create, false),
    (Action::Update, false),
    (Action::Adopt, false),
    (Action::Delete, false),
    (Action::Replace, true),
    (Action::Replace, false),
];

fn planned(links: &[Link]) -> Plan {
    let address = |index: usize| Address::new(format!("n{index}"));
    let below = |index: usize, others: &[usize], rank: &dyn Fn(&Link) -> u8, stays: bool| {
        let rank_of = |i: usize| (rank(&links[i]), i);
        let picked = others.iter().map(|other| other % links.len());
        picked
            .filter(|other| rank_of(*other) < rank_of(index))
            .filter(|other| !stays || CHANGES[links[*other].action].0 != Action::Delete)
            .map(address)
            .collect::<BTreeSet<_>>()
    };
    let mut plan = Plan::default();
    for (index, link) in links.iter().enumerate() {
        let (action, create_first) = CHANGES[link.action];
        let uses = below(index, &link.uses, &|link: &Link| link.ranks.1, true);
        let used = below(index, &link.used, &|link: &Link| link.ranks.0, false);
        let base = Change::delete(address(index), "fake.bucket");
        if link.retired {
            plan.changes.push(Change {
                retired: true,
                depended_on: used.clone(),
                ..base.clone()
            });
        }
        plan.changes.push(Change {
            action,
            create_first,
            depends_on: if action == Action::Delete {
                BTreeSet::new()
            } else {
                uses
            },
            depended_on: if action == Action::Create {
                BTreeSet::new()
            } else {
                used
            },
            ..base
        });
    }
    plan
}

/// The ops in an order in which they can be done, or those that never can.
fn done_in_order(schedule: &Schedule) -> Result<Vec<Op>, BTreeSet<Op>> {
    let mut order = Vec::new();
    let mut open: BTreeSet<Op> = schedule.needs.keys().copied().collect();
    while !open.is_empty() {
        let can = |op: &Op| schedule.needs[op].iter().all(|needed| !open.contains(needed));
        let Some(next) = open.iter().copied().find(|op| can(op)) else {
            return Err(open);
        };
        open.remove(&next);
        order.push(next);
    }
    Ok(order)
}

/// Everything that must be done before this.
fn before(schedule: &Schedule, op: Op) -> BTreeSet<Op> {
    let mut found = BTreeSet::new();
    let mut open = vec![op];
    while let Some(op) = open.pop() {
        for needed in &schedule.needs[&op] {
            if found.insert(*needed) {
                open.push(*needed);
            }
        }
    }
    found
}

fn goes_first(change: &Change) -> bool {
    change.action == Action::Replace && !change.create_first
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 128,
        // The same cases in every run: a law that fails here fails for everybody.
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_schedule_can_be_run_to_its_end(links in links(7)) {
        let plan = planned(&links);
        let schedule = Schedule::of(&plan);
        prop_assert!(done_in_order(&schedule).is_ok(), "{:?} in {:?}", done_in_order(&schedule), schedule.needs);
        for (index, change) in plan.changes.iter().enumerate() {
            let (make, remove) = match change.action {
                Action::Unchanged => (false, false),
                Action::Delete => (false, true),
                Action::Replace => (true, true),
                _ => (true, false),
            };
            prop_assert_eq!(schedule.needs.contains_key(&Op::Make(index)), make);
            prop_assert_eq!(schedule.needs.contains_key(&Op::Remove(index)), remove);
        }
    }

    #[test]
    fn who_is_referred_to_is_made_first(links in links(7)) {
        let plan = planned(&links);
        let schedule = Schedule::of(&plan);
        let makes = schedule.needs.keys().filter(|op| matches!(op, Op::Make(_)));
        for make in makes {
            let earlier = before(&schedule, *make);
            for (other, used) in plan.changes.iter().enumerate() {
                let made = schedule.needs.contains_key(&Op::Make(other));
                if made && plan.changes[make.change()].depends_on.contains(&used.address) {
                    prop_assert!(earlier.contains(&Op::Make(other)));
                }
            }
            if goes_first(&plan.changes[make.change()]) {
                prop_assert!(earlier.contains(&Op::Remove(make.change())));
            }
        }
    }

    #[test]
    fn who_refers_is_removed_first(links in links(7)) {
        let plan = planned(&links);
        let schedule = Schedule::of(&plan);
        let early = |change: &Change| change.action == Action::Delete && !change.retired || goes_first(change);
        for (index, used) in plan.changes.iter().enumerate().filter(|(_, change)| early(change)) {
            let earlier = before(&schedule, Op::Remove(index));
            for (other, user) in plan.changes.iter().enumerate().filter(|(_, change)| early(change)) {
                if user.depended_on.contains(&used.address) {
                    prop_assert!(earlier.contains(&Op::Remove(other)), "{} before {}", used.address, user.address);
                }
            }
        }
    }

    #[test]
    fn what_goes_late_goes_after_its_successor_and_after_all_its_users_were_told(links in links(6)) {
        let plan = planned(&links);
        let schedule = Schedule::of(&plan);
        let late = |change: &Change| change.action == Action::Delete || change.create_first;
        for (index, old) in plan.changes.iter().enumerate().filter(|(_, change)| late(change)) {
            let earlier = before(&schedule, Op::Remove(index));
            for (other, user) in plan.changes.iter().enumerate() {
                let uses = user.depended_on.contains(&old.address) || user.depends_on.contains(&old.address);
                let successor = user.address == old.address && (old.retired || old.create_first);
                if (uses || successor) && schedule.needs.contains_key(&Op::Make(other)) {
                    prop_assert!(earlier.contains(&Op::Make(other)), "{} before {}", old.address, user.address);
                }
            }
        }
    }

    #[test]
    fn a_predecessor_goes_before_the_record_that_remembers_it(links in links(7)) {
        let plan = planned(&links);
        let schedule = Schedule::of(&plan);
        for (index, current) in plan.changes.iter().enumerate() {
            if current.action != Action::Delete || current.retired {
                continue;
            }
            let earlier = before(&schedule, Op::Remove(index));
            for (other, old) in plan.changes.iter().enumerate() {
                if old.retired && old.address == current.address {
                    prop_assert!(earlier.contains(&Op::Remove(other)));
                }
            }
        }
    }

    #[test]
    fn the_longer_the_way_that_begins_with_an_op_the_deeper_it_is(links in links(7)) {
        let schedule = Schedule::of(&planned(&links));
        for (op, needs) in &schedule.needs {
            for needed in needs {
                prop_assert!(schedule.depth[needed] > schedule.depth[op]);
            }
        }
    }
}

#[path = "adoption_tests.rs"]
mod adopting;
