//! What is taken over on request, what is not even then, and that nothing else of others is ever touched.

use super::*;
use crate::resource::{TAG_ADDRESS, TAG_ENV};

impl World {
    fn adopting(&self, asked: &[&str]) -> Result<Plan, PlanError> {
        let asked = asked.iter().map(|address| at(address)).collect();
        Plan::towards(&self.graph, &self.state, &self.survey, &Cloud::new(), &asked)
    }

    fn in_vain(&self, asked: &[&str]) -> Vec<String> {
        let asked: BTreeSet<Address> = asked.iter().map(|address| at(address)).collect();
        self.adopting(&asked.iter().map(Address::as_str).collect::<Vec<_>>())
            .unwrap()
            .in_vain(&asked, &Cloud::new())
    }
}

/// A bucket is wanted, and this one stands under its name.
fn in_the_way(spec: Value) -> World {
    World::new([node("bucket", &BUCKET, bucket("b", "z", 1))]).live("bucket", &live(spec, outputs("1", "b")))
}

fn theirs() -> Value {
    json!({"name": "b", "zone": "z", "size": 5, "tags": {"Team": "risk"}})
}

#[test]
fn what_is_not_ours_is_adopted_by_whoever_asks_for_it_with_what_that_changes() {
    let plan = in_the_way(theirs()).adopting(&["bucket"]).unwrap();
    assert_eq!(actions(&plan), [("bucket", Action::Adopt)]);
    let expected = ["size", "tags.Team", "tags.fraudctl:address", "tags.fraudctl:env"];
    assert_eq!(
        fields(&plan.changes[0]),
        expected.map(|path| (path, Cause::Intent)),
        "every difference is shown before it is made"
    );
    assert_eq!(plan.summary().adopt, 1);
    assert!(in_the_way(theirs()).in_vain(&["bucket"]).is_empty());
}

#[test]
fn the_refusal_says_how_to_ask() {
    let refusal = in_the_way(theirs()).refusal();
    assert!(refusal.contains("`up` with --adopt bucket shows"), "{refusal}");
    // It speaks of nothing that would be refused as well.
    let other_zone = json!({"name": "b", "zone": "y", "size": 1});
    let refusal = in_the_way(other_zone).refusal();
    assert!(refusal.contains("bucket: fake.bucket b has no tags"), "{refusal}");
    assert!(!refusal.contains("--adopt"), "{refusal}");
}

#[test]
fn asking_for_one_does_not_take_another() {
    let two = || {
        let mut other = bucket("o", "z", 1);
        other["tags"] = tags("other");
        let mut stranger = theirs();
        stranger["name"] = json!("o");
        World::new([
            node("bucket", &BUCKET, bucket("b", "z", 1)),
            node("other", &BUCKET, other),
        ])
        .live("bucket", &live(theirs(), outputs("1", "b")))
        .live("other", &live(stranger, outputs("2", "o")))
    };
    let refusal = two().adopting(&["bucket"]).unwrap_err().to_string();
    assert!(
        refusal.contains("--adopt other") && !refusal.contains("bucket:"),
        "{refusal}"
    );
    assert!(two().adopting(&["bucket", "other"]).is_ok());
}

#[test]
fn what_belongs_to_another_environment_or_address_is_never_adopted() {
    for (tag, value, says) in [
        (TAG_ENV, "two", "of the environment two"),
        (TAG_ADDRESS, "elsewhere", "is elsewhere of"),
    ] {
        let mut of_others = bucket("b", "z", 1);
        of_others["tags"][tag] = json!(value);
        let refusal = in_the_way(of_others.clone())
            .adopting(&["bucket"])
            .unwrap_err()
            .to_string();
        assert!(
            refusal.contains("bucket: it cannot be adopted: fake.bucket b is"),
            "{refusal}"
        );
        assert!(refusal.contains(says) && !refusal.contains("--adopt"), "{refusal}");
        // One tag of theirs is enough.
        of_others["tags"] = json!({tag: value});
        assert!(in_the_way(of_others.clone()).adopting(&["bucket"]).is_err());
        // Nor is that offered.
        let refusal = in_the_way(of_others).refusal();
        assert!(refusal.contains(says) && !refusal.contains("--adopt"), "{refusal}");
    }
    // One tag of ours is no other's.
    let mut half = bucket("b", "z", 1);
    half["tags"] = json!({TAG_ENV: ENV});
    assert!(in_the_way(half).adopting(&["bucket"]).is_ok());
}

#[test]
fn what_a_kind_says_of_its_owner_holds_for_adoptions_too() {
    let owned = |adoptable| {
        let mut alias = live(bucket("b", "z", 1), outputs("1", "b"));
        alias.owner = Owner::Foreign {
            why: "it points elsewhere".into(),
            adoptable,
        };
        World::new([node("bucket", &BUCKET, bucket("b", "z", 1))]).live("bucket", &alias)
    };
    assert_eq!(
        actions(&owned(true).adopting(&["bucket"]).unwrap()),
        [("bucket", Action::Adopt)]
    );
    let refusal = owned(false).adopting(&["bucket"]).unwrap_err().to_string();
    assert!(
        refusal.contains("it cannot be adopted: it points elsewhere"),
        "{refusal}"
    );
}

#[test]
fn what_would_have_to_be_replaced_is_not_adopted_and_the_fields_are_named() {
    let other_zone = json!({"name": "b", "zone": "y", "size": 5});
    let refusal = in_the_way(other_zone).adopting(&["bucket"]).unwrap_err().to_string();
    for part in [
        "bucket: it cannot be adopted",
        "AWS cannot change zone of a fake.bucket",
        "never removed",
    ] {
        assert!(refusal.contains(part), "{refusal}");
    }
    assert!(!refusal.contains("size"), "{refusal}");
}

#[test]
fn where_the_stack_has_nothing_nothing_can_be_adopted() {
    let world = World::new([
        node("bucket", &BUCKET, bucket("b", "z", 1)),
        node("binary", &BINARY, json!({"name": "worker", "size": 1})),
    ]);
    // What is built here is nothing in AWS.
    let why = world.adopting(&["bucket", "buckte", "binary"]).unwrap_err();
    assert!(matches!(&why, PlanError::Unknown(unknown) if *unknown == [at("binary"), at("buckte")]));
    assert!(
        why.to_string().contains("no resource in AWS at binary, buckte"),
        "{why}"
    );
}

#[test]
fn an_adoption_that_is_none_is_explained() {
    let ours = live(bucket("b", "z", 1), outputs("1", "b"));
    let world = standing(bucket("b", "z", 2), &ours);
    assert_eq!(
        world.in_vain(&["bucket"]),
        ["bucket is ours already: there is nothing to adopt"]
    );
    // It is updated as ever.
    assert_eq!(
        actions(&world.adopting(&["bucket"]).unwrap()),
        [("bucket", Action::Update)]
    );

    let world = World::new([
        node("bucket", &BUCKET, bucket("b", "z", 1)),
        node("key", &KEY, json!({"name": "k", "tags": tags("key")})),
    ]);
    let why = world.in_vain(&["bucket", "key"]);
    assert_eq!(why[0], "bucket does not exist, so that it is made and not adopted");
    assert!(why[1].contains("no fake.key with the tags of key was found"), "{why:?}");
    assert!(world.in_vain(&[]).is_empty());
}

#[test]
fn a_record_that_proves_nothing_keeps_nobody_from_asking() {
    let foreign = live(theirs(), outputs("1", "b"));
    for status in [Status::Creating, Status::Deleting] {
        let mut record = record(&BUCKET, &foreign, &[]);
        record.status = status;
        let world = in_the_way(theirs()).recorded("bucket", record);
        assert!(world.towards().is_err());
        assert_eq!(
            actions(&world.adopting(&["bucket"]).unwrap()),
            [("bucket", Action::Adopt)]
        );
    }
}

/// A part in a bucket; what stands of both is somebody else's.
fn part_of_theirs(zone: &str) -> World {
    let part = json!({"name": "p", "zone": "z", "parent": refer("bucket", "id")});
    World::new([node("bucket", &BUCKET, bucket("b", "z", 1)), node("part", &PART, part)])
        .live("bucket", &live(theirs(), outputs("1", "b")))
        .live(
            "part",
            &live(json!({"name": "p", "zone": zone, "parent": "1"}), id("7")),
        )
}

#[test]
fn what_is_inside_is_taken_with_what_contains_it_or_not_at_all() {
    let plan = part_of_theirs("z").adopting(&["bucket"]).unwrap();
    assert_eq!(actions(&plan), [("bucket", Action::Adopt), ("part", Action::Adopt)]);
    let refusal = part_of_theirs("y").adopting(&["bucket"]).unwrap_err().to_string();
    for part in [
        "part: it is inside of what is to be adopted",
        "AWS cannot change zone of a fake.part",
    ] {
        assert!(refusal.contains(part), "{refusal}");
    }
    // What is inside of what is ours is ours, and replaced where it must be.
    let mut world = part_of_theirs("y");
    world.survey.live.get_mut(&at("bucket")).unwrap().spec = bucket("b", "z", 1);
    assert_eq!(
        actions(&world.adopting(&["bucket"]).unwrap()),
        [("bucket", Action::Adopt), ("part", Action::Replace)]
    );
}

#[test]
fn towards_nothing_keeps_what_an_adoption_that_was_cut_short_did_not_take() {
    for with_part in [false, true] {
        let mut world = part_of_theirs("z");
        for (address, traits) in [("bucket", &BUCKET), ("part", &PART)] {
            let live = world.survey.live[&at(address)].clone();
            let mut record = record(traits, &live, &[]);
            record.status = Status::Creating;
            if address == "bucket" || with_part {
                world = world.recorded(address, record);
            }
        }
        let plan = world.nothing();
        assert_eq!(actions(&plan), []);
        let kept: Vec<_> = plan.foreign.iter().map(|(address, _)| address.as_str()).collect();
        assert_eq!(kept, ["bucket", "part"]);
        let forgotten: Vec<_> = plan.forget.iter().map(Address::as_str).collect();
        assert_eq!(
            forgotten,
            if with_part {
                vec!["bucket", "part"]
            } else {
                vec!["bucket"]
            }
        );
    }
}

/// What stands at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Nothing,
    Ours,
    /// Without a tag that tells.
    Untold,
    /// With one of our two tags.
    Half,
    OfAnotherEnvironment,
    OfAnotherAddress,
}

/// One address, in any of the situations in which a plan may find it.
#[derive(Clone, Debug)]
struct Place {
    traits: usize,
    stands: Stands,
    other_zone: bool,
    remembered: Option<Status>,
    asked: bool,
    wanted: bool,
    parent: usize,
}

static TRAITS: [&Traits; 4] = [&BUCKET, &FUNCTION, &KEY, &PART];

fn places() -> impl Strategy<Value = Vec<Place>> {
    let stands = prop::sample::select(vec![
        Stands::Nothing,
        Stands::Ours,
        Stands::Untold,
        Stands::Half,
        Stands::OfAnotherEnvironment,
        Stands::OfAnotherAddress,
    ]);
    let statuses = vec![
        None,
        Some(Status::Creating),
        Some(Status::Ready),
        Some(Status::Updating),
        Some(Status::Deleting),
    ];
    let place = (
        0..TRAITS.len(),
        stands,
        prop::bool::weighted(0.2),
        prop::sample::select(statuses),
        prop::bool::weighted(0.7),
        prop::bool::weighted(0.8),
        0..6_usize,
    );
    let place = place.prop_map(
        |(traits, stands, other_zone, remembered, asked, wanted, parent)| Place {
            traits,
            stands,
            other_zone,
            remembered,
            asked,
            wanted,
            parent,
        },
    );
    prop::collection::vec(place, 1..6)
}

fn name_of(index: usize) -> String {
    format!("n{index}")
}

impl Place {
    fn is(&self, traits: &Traits) -> bool {
        TRAITS[self.traits].name == traits.name
    }

    /// Not ours, as far as anybody can tell, told without the code that is tested.
    fn is_theirs(&self) -> bool {
        let told = matches!(self.stands, Stands::Nothing | Stands::Ours);
        // What its tags give to somebody else is theirs, even where we remember one of the name.
        let others = matches!(self.stands, Stands::OfAnotherEnvironment | Stands::OfAnotherAddress);
        !self.is(&PART) && !told && (others || !self.is_proven())
    }

    fn is_proven(&self) -> bool {
        matches!(self.remembered, Some(Status::Ready | Status::Updating))
    }

    /// Could be taken over.
    fn is_free(&self) -> bool {
        matches!(self.stands, Stands::Untold | Stands::Half) && !(self.other_zone && self.is(&BUCKET))
    }
}

/// The bucket that a part is in. A part that is in none is a bucket.
fn container(places: &[Place], index: usize) -> Option<usize> {
    let buckets: Vec<usize> = (0..index)
        .filter(|i| places[*i].is(&BUCKET) && places[*i].wanted)
        .collect();
    let place = &places[index];
    place
        .is(&PART)
        .then(|| buckets.get(place.parent % buckets.len().max(1)).copied())?
}

fn world_of(places: &[Place]) -> World {
    let mut world = World::new([]);
    for (index, place) in places.iter().enumerate() {
        let (address, traits) = (name_of(index), TRAITS[place.traits]);
        let parent = container(places, index);
        let spec = |zone: &str, parent: Option<String>| {
            let mut spec = json!({"name": format!("x{index}"), "zone": zone, "tags": tags(&address)});
            if !traits.tagged {
                spec = json!({"name": format!("x{index}"), "zone": zone, "parent": parent});
            }
            spec
        };
        if place.wanted {
            let parent = parent.map(|parent| refer(&name_of(parent), "id"));
            world.graph.add_node(node(&address, traits, spec("z", parent)));
        }
        let zone = if place.other_zone { "y" } else { "z" };
        let mut stands = spec(zone, parent.map(|parent| format!("id{parent}")));
        if traits.tagged {
            match place.stands {
                Stands::Nothing | Stands::Ours => {}
                Stands::Untold => stands["tags"] = json!({"Team": "risk"}),
                Stands::Half => stands["tags"] = json!({TAG_ENV: ENV}),
                Stands::OfAnotherEnvironment => stands["tags"][TAG_ENV] = json!("two"),
                Stands::OfAnotherAddress => stands["tags"][TAG_ADDRESS] = json!("elsewhere"),
            }
        }
        let live = live(stands, outputs(&format!("id{index}"), &format!("x{index}")));
        if place.stands != Stands::Nothing {
            world = world.live(&address, &live);
        }
        if let Some(status) = place.remembered {
            let mut record = record(traits, &live, &[]);
            record.status = status;
            world = world.recorded(&address, record);
        }
    }
    world
}

/// Parts without a container are buckets, so that every world is one that can be.
fn housed(mut places: Vec<Place>) -> Vec<Place> {
    for index in 0..places.len() {
        if places[index].is(&PART) && container(&places, index).is_none() {
            places[index].traits = 0;
        }
    }
    places
}

/// Can all that is wanted be had, without touching what is somebody else's and not asked for?
fn can_be_had(places: &[Place]) -> bool {
    places
        .iter()
        .enumerate()
        .filter(|(_, place)| place.wanted)
        .all(|(index, place)| {
            let replaced = place.other_zone && place.is(&BUCKET);
            let inside_of_theirs = container(places, index).is_some_and(|parent| places[parent].is_theirs());
            if place.stands == Stands::Nothing {
                true
            } else if place.is_theirs() {
                place.asked && place.is_free()
            } else if place.is_proven() && place.stands == Stands::Untold {
                !replaced
            } else {
                !(inside_of_theirs && place.other_zone && !place.is_proven())
            }
        })
}

proptest! {
    #![proptest_config(config())]

    /// Law: what is not ours is never touched, unless it is asked for by its address; and then it is neither removed nor
    /// replaced.
    #[test]
    fn law_no_plan_touches_what_is_not_ours_unless_it_was_asked_for(places in places().prop_map(housed)) {
        let world = world_of(&places);
        let asked: Vec<String> = (0..places.len())
            .filter(|index| places[*index].asked && places[*index].wanted)
            .map(name_of)
            .collect();
        let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
        let towards = world.adopting(&asked);
        prop_assert_eq!(towards.is_ok(), can_be_had(&places), "{:?}", towards.err());
        let plans = [world.adopting(&asked).ok(), Some(world.nothing())];
        for change in plans.iter().flatten().flat_map(|plan| &plan.changes) {
            let index: usize = change.address.as_str()[1..].parse().unwrap();
            let place = &places[index];
            if change.live.is_none() || change.action == Action::Unchanged {
                continue;
            }
            let removed = matches!(change.action, Action::Delete | Action::Replace);
            if place.is_theirs() {
                prop_assert!(place.asked && place.is_free() && change.action == Action::Adopt, "{change:?}");
            }
            let parent = container(&places, index).filter(|parent| places[*parent].is_theirs());
            if parent.is_some() && !place.is_proven() && place.wanted {
                prop_assert!(!removed, "{change:?}");
            }
            // Nor is removed what is remembered, and by its tags need not be the one that is remembered.
            if removed && !place.is(&PART) {
                prop_assert!(place.stands != Stands::Untold, "{change:?}");
            }
        }
    }
}
