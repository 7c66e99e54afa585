//! The laws of the engine, over random stacks with random failures, deaths, strangers and adoptions:
//!
//! - **It converges**: whatever went wrong, the next runs end with exactly what is desired, each once ([`Bench::assert_stands`]),
//!   or with nothing ([`Bench::assert_nothing`]).
//! - **It respects order**: nothing is made before what it refers to, and nothing goes while others stand on it
//!   ([`Bench::assert_lawful`]; the cloud watches every call).
//! - **It never touches what is not ours**, unless it was asked for by its address, and then it never removes it
//!   ([`Strangers::assert_untouched`]).
//! - **The state matches what exists, or knows that it does not know** ([`Bench::assert_known`]): a record that says
//!   `ready` describes exactly what stands, and whatever stands and is ours is in a record, or is found by its name or
//!   tags.

use super::*;
use crate::resource::{Live, TAG_ENV};

/// Something of somebody else's, to be put under a name of ours.
#[derive(Clone, Debug)]
struct Stranger {
    piece: usize,
    /// Is it asked for by its address?
    asked: bool,
    /// Does it come between the plan and its execution?
    late: bool,
    /// Do its tags say that it is another environment's?
    of_another: bool,
    other_zone: bool,
    size: u8,
    /// Is what the stack wants inside of it there too? In this zone?
    part: Option<bool>,
}

fn strangers() -> impl Strategy<Value = Vec<Stranger>> {
    let stranger = (
        0..8_usize,
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        0..3_u8,
        prop::option::of(prop::bool::weighted(0.8)),
    );
    let stranger = stranger.prop_map(|(piece, asked, late, of_another, other_zone, size, part)| Stranger {
        piece,
        asked,
        late,
        of_another,
        other_zone,
        size,
        part,
    });
    prop::collection::vec(stranger, 1..5)
}

fn troubles() -> impl Strategy<Value = Vec<(usize, Operation, Fault)>> {
    let lost = |effect| Fault::Lost { effect };
    let any = vec![Fault::Permanent, lost(true), lost(false), Fault::Exists];
    let operation = prop::sample::select(vec![Operation::Create, Operation::Update, Operation::Delete]);
    let plain = (operation, prop::sample::select(any));
    let trouble = prop_oneof![4 => plain, 1 => Just((Operation::Update, Fault::Half))];
    let trouble = (0..8_usize, trouble).prop_map(|(piece, (operation, fault))| (piece, operation, fault));
    prop::collection::vec(trouble, 0..5)
}

/// What was put in the way of a stack.
#[derive(Default)]
struct Strangers {
    /// What each of them is.
    outputs: BTreeMap<Address, Outputs>,
    asked: BTreeSet<Address>,
    /// Those that no plan may take: not asked for, or not to be had.
    refused: BTreeSet<Address>,
}

impl Strangers {
    /// Puts strangers where nothing stands and the stack wants something with a name and tags.
    fn put(bench: &Bench, graph: &Graph, strangers: &[Stranger], late: bool) -> Self {
        let mut put = Self::default();
        for stranger in strangers.iter().filter(|stranger| stranger.late == late) {
            let mut taken: Vec<Address> = bench
                .cloud
                .in_the_way()
                .into_iter()
                .map(|(address, _)| address)
                .collect();
            taken.extend(bench.cloud.addresses());
            let named = [BUCKET.name, FUNCTION.name];
            let free = |node: &&Node| named.contains(&node.kind) && !taken.contains(&node.address);
            let nodes: Vec<&Node> = graph.nodes().filter(free).collect();
            let Some(node) = nodes.get(stranger.piece % nodes.len().max(1)) else {
                continue;
            };
            put.put_one(bench, graph, node, stranger, &taken);
        }
        put
    }

    fn put_one(&mut self, bench: &Bench, graph: &Graph, node: &Node, stranger: &Stranger, taken: &[Address]) {
        let traits = KINDS.iter().find(|traits| traits.name == node.kind).unwrap();
        let mut spec = json!({"name": node.spec["name"], "size": stranger.size, "zone": node.spec["zone"]});
        if stranger.other_zone {
            spec["zone"] = json!("elsewhere");
        }
        if stranger.of_another {
            spec["tags"] = json!({TAG_ENV: "two"});
        }
        let outputs = bench.cloud.put_in_the_way(&node.address, traits, spec);
        let id = outputs.get("id").cloned();
        self.outputs.insert(node.address.clone(), outputs);
        let replaced = stranger.other_zone && traits.immutable.contains(&"zone");
        let refused = !stranger.asked || stranger.of_another || replaced;
        if stranger.asked {
            self.asked.insert(node.address.clone());
        }
        if refused {
            self.refused.insert(node.address.clone());
        }
        let inside = |part: &&Node| part.kind == PART.name && part.parents(&["parent"]).contains(&node.address);
        let parts = graph
            .nodes()
            .filter(inside)
            .filter(|part| !taken.contains(&part.address));
        for part in parts.filter(|_| !stranger.late) {
            let Some((same_zone, id)) = stranger.part.zip(id.clone()) else {
                continue;
            };
            let zone = if same_zone {
                part.spec["zone"].clone()
            } else {
                json!("elsewhere")
            };
            let spec = json!({"name": part.spec["name"], "zone": zone, "parent": id});
            let outputs = bench.cloud.put_in_the_way(&part.address, &PART, spec);
            self.outputs.insert(part.address.clone(), outputs);
            // It is judged with what contains it.
            if !same_zone && !refused {
                self.refused.insert(part.address.clone());
            }
        }
    }

    /// The law: what was in the way `before` and may not be `taken` is there as it was, and whatever is taken is not
    /// removed.
    fn assert_untouched(&self, bench: &Bench, before: &[(Address, Live)], taken: &BTreeSet<Address>) {
        let now = bench.cloud.in_the_way();
        for stranger in before.iter().filter(|(address, _)| !taken.contains(address)) {
            assert!(now.contains(stranger), "{stranger:?} was touched: {now:?}");
        }
        for address in taken {
            let gone = |outputs: &&Outputs| !bench.cloud.exists(outputs);
            assert_eq!(self.outputs.get(address).filter(gone), None, "{address} was removed");
        }
        bench.assert_lawful();
    }
}

/// A plan, with what it takes over. Whoever is in the way of it and not to be had goes away.
async fn make_way(bench: &Bench, graph: &Graph, strangers: &Strangers) -> (Plan, BTreeSet<Address>) {
    let records = bench.open().state.resources;
    let plan = match bench.adopting(graph, &strangers.asked).await {
        Ok(plan) => {
            assert_eq!(strangers.refused, BTreeSet::new());
            plan
        }
        Err(PlanError::Foreign(found)) => {
            let found: BTreeSet<Address> = found.into_iter().map(|foreign| foreign.address).collect();
            assert_eq!(found, strangers.refused);
            assert_eq!(bench.open().state.resources, records);
            found.iter().for_each(|address| bench.cloud.clear_the_way(address));
            bench.adopting(graph, &strangers.asked).await.unwrap()
        }
        Err(why) => panic!("{why}"),
    };
    let adopts = plan.changes.iter().filter(|change| change.action == Action::Adopt);
    let taken: BTreeSet<Address> = adopts.map(|change| change.address.clone()).collect();
    bench.cloud.let_adopt(taken.clone());
    (plan, taken)
}

/// Whoever is still in the way of a stack is asked for, or goes where it cannot be had.
async fn settle(bench: &Bench, graph: &Graph) {
    let wanted = |address: &Address| graph.get(address).is_some();
    let asked: BTreeSet<Address> = bench
        .cloud
        .in_the_way()
        .into_iter()
        .map(|(address, _)| address)
        .collect();
    let asked: BTreeSet<Address> = asked.into_iter().filter(wanted).collect();
    if let Err(PlanError::Foreign(found)) = bench.adopting(graph, &asked).await {
        found
            .iter()
            .for_each(|foreign| bench.cloud.clear_the_way(&foreign.address));
    }
    let plan = bench.adopting(graph, &asked).await.unwrap();
    bench.cloud.let_adopt(asked);
    assert_done(&bench.apply(&plan).await);
    // What vanished unseen is forgotten by the run after.
    bench.cloud.let_adopt(BTreeSet::new());
    bench.up(graph).await;
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn law_it_converges_in_order_never_touches_what_is_not_ours_and_knows_what_it_does_not_know(
        pieces in pieces(),
        strangers in strangers(),
        troubles in troubles(),
        death in prop::option::of(death()),
        from_nothing in any::<bool>(),
        ends_with_down in any::<bool>(),
    ) {
        run(async {
            let bench = Bench::new();
            if !from_nothing {
                bench.up(&stack(&pieces, 0)).await;
            }
            let graph = stack(&pieces, 1);
            let early = Strangers::put(&bench, &graph, &strangers, false);
            let (plan, taken) = make_way(&bench, &graph, &early).await;
            // Whoever comes now is in no plan, asked for or not.
            let _late = Strangers::put(&bench, &graph, &strangers, true);
            let before = bench.cloud.in_the_way();
            for (piece, operation, fault) in troubles {
                bench.cloud.fail(&Address::new(name(piece % pieces.len())), operation, fault);
            }
            match death {
                Some(death) => drop(bench.apply_and_die(&plan, death).await),
                None => drop(bench.apply(&plan).await),
            }
            bench.cloud.heal();
            bench.assert_known(&graph).await;
            early.assert_untouched(&bench, &before, &taken);

            if ends_with_down {
                // What was not taken until now is not ours, and nobody asks any more.
                bench.cloud.let_adopt(BTreeSet::new());
                let before = bench.cloud.in_the_way();
                // What came with its container, and no record knows of yet, is found and goes as well.
                bench.cloud.unwatch();
                bench.down(&graph).await;
                bench.assert_nothing();
                early.assert_untouched(&bench, &before, &BTreeSet::new());
            } else {
                settle(&bench, &graph).await;
                bench.assert_stands(&graph).await;
                for address in &taken {
                    let mine: Vec<Outputs> = bench.cloud.standing(address).into_iter().map(|live| live.outputs).collect();
                    if let Some(outputs) = early.outputs.get(address) {
                        assert_eq!(mine, std::slice::from_ref(outputs), "{address} is not the one that was adopted");
                    }
                }
                bench.down(&graph).await;
                bench.assert_nothing();
            }
        });
    }

    #[test]
    fn law_whatever_is_ours_is_found_by_name_or_tags_though_nothing_remembers_it(
        pieces in pieces(),
        death in death(),
        ends_with_down in any::<bool>(),
    ) {
        run(async {
            let bench = Bench::new();
            let graph = stack(&pieces, 0);
            let plan = bench.plan(&graph).await;
            bench.apply_and_die(&plan, death).await;
            let _ = std::fs::remove_file(bench.path());
            if ends_with_down {
                bench.cloud.unwatch();
                bench.down(&graph).await;
                bench.assert_nothing();
            } else {
                bench.up(&graph).await;
                bench.assert_stands(&graph).await;
            }
        });
    }
}

fn theirs() -> Value {
    json!({"name": "b", "zone": "z", "size": 5})
}

fn asked() -> BTreeSet<Address> {
    BTreeSet::from([at("bucket")])
}

/// A bucket of somebody else's with a part in it, in the way of [`small`]. Returns their outputs.
fn in_the_way(bench: &Bench) -> [Outputs; 2] {
    let bucket = bench.cloud.put_in_the_way(&at("bucket"), &BUCKET, theirs());
    let part = json!({"name": "p", "zone": "z", "parent": bucket["id"]});
    let part = bench.cloud.put_in_the_way(&at("part"), &PART, part);
    [bucket, part]
}

#[test]
fn what_was_adopted_is_as_desired_with_what_is_inside_and_goes_with_the_rest() {
    run(async {
        let bench = Bench::new();
        let [bucket, part] = in_the_way(&bench);
        let graph = small("b", "z");
        let plan = bench.adopting(&graph, &asked()).await.unwrap();
        bench.cloud.let_adopt([at("bucket"), at("part")].into());
        assert_done(&bench.apply(&plan).await);
        bench.assert_stands(&graph).await;
        assert_eq!(bench.cloud.standing(&at("bucket"))[0].outputs, bucket);
        assert_eq!(bench.cloud.standing(&at("part"))[0].outputs, part);
        // Asked for once more, it is ours already.
        let again = bench.adopting(&graph, &asked()).await.unwrap();
        assert!(again.is_empty());
        assert_eq!(again.in_vain(&asked(), &bench.cloud).len(), 1);
        bench.down(&graph).await;
        bench.assert_nothing();
        assert!(!bench.cloud.exists(&bucket));
    });
}

#[test]
fn an_adoption_cut_short_before_the_tags_leaves_it_to_whom_it_belongs() {
    run(async {
        let bench = Bench::new();
        let [bucket, _] = in_the_way(&bench);
        let graph = small("b", "z");
        bench.cloud.let_adopt(asked());
        bench.cloud.fail(&at("bucket"), Operation::Update, Fault::Half);
        let plan = bench.adopting(&graph, &asked()).await.unwrap();
        let report = bench.apply(&plan).await;
        assert!(matches!(outcome(&report, "bucket"), Outcome::Failed(_)));
        assert_eq!(bench.record("bucket").unwrap().status, Status::Creating);
        // Nobody asks any more: it is refused by one and left alone by the other.
        bench.cloud.let_adopt(BTreeSet::new());
        let before = bench.cloud.in_the_way();
        assert!(bench.adopting(&graph, &BTreeSet::new()).await.is_err());
        bench.down(&graph).await;
        bench.assert_nothing();
        assert_eq!(bench.cloud.in_the_way(), before);
        assert!(bench.cloud.exists(&bucket));
    });
}

#[test]
fn an_adoption_cut_short_goes_on_when_it_is_asked_for_again() {
    for call in 1..12 {
        for effect in [false, true] {
            run(async {
                let bench = Bench::new();
                let [bucket, _] = in_the_way(&bench);
                let graph = small("b", "z");
                bench.cloud.let_adopt([at("bucket"), at("part")].into());
                let plan = bench.adopting(&graph, &asked()).await.unwrap();
                bench.apply_and_die(&plan, Death { call, effect }).await;
                bench.assert_known(&graph).await;
                let plan = bench.adopting(&graph, &asked()).await.unwrap();
                assert_done(&bench.apply(&plan).await);
                bench.assert_stands(&graph).await;
                assert_eq!(bench.cloud.standing(&at("bucket"))[0].outputs, bucket);
            });
        }
    }
}

#[test]
fn what_an_adopted_one_still_shows_of_before_is_not_taken_for_the_way_it_is_written() {
    run(async {
        let bench = Bench::new();
        let asked = BTreeSet::from([at("queue")]);
        bench
            .cloud
            .put_in_the_way(&at("queue"), &QUEUE, json!({"name": "q", "size": 1}));
        let plan = bench.adopting(&queue(), &asked).await.unwrap();
        bench.cloud.let_adopt(asked);
        // More looks than anybody takes.
        bench.cloud.show_old("queue", "size", json!(1), 1000);
        assert_done(&bench.apply(&plan).await);
        bench.cloud.show_old("queue", "size", json!(1), 0);
        bench.assert_stands(&queue()).await;
        // Whoever sets it back changes it behind our back.
        bench.cloud.edit("queue", "size", json!(1));
        let plan = bench.plan(&queue()).await;
        assert_eq!(plan.changes[0].fields[0].cause, Cause::Drift);
    });
}
