use super::*;
use crate::outside::{Kept, Pending, Suspicious};
use fraud::Window;
use runtime::BoxError;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::pending;

/// 2023-11-14T22:13:20Z
const NOW: u64 = 1_700_000_000;

/// A table with suspicious transactions at these times, each of another user, with alerts that stayed behind, and a
/// topic that remembers.
#[derive(Default)]
struct World {
    suspicious_at: RefCell<Vec<u64>>,
    pending: RefCell<BTreeMap<String, (Pending, u64)>>,
    kept: RefCell<Kept>,
    published: RefCell<Vec<(String, Value)>>,
    search_fails: bool,
    publish_fails: bool,
    /// The function dies at this call, counted from zero: before it takes effect, or after.
    dies: Cell<Option<(usize, Dies)>>,
    calls: Cell<usize>,
    names: RefCell<Vec<&'static str>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Dies {
    Before,
    After,
}

impl World {
    fn with(suspicious_at: &[u64]) -> Self {
        Self {
            suspicious_at: RefCell::new(suspicious_at.to_vec()),
            ..Self::default()
        }
    }

    /// A transaction of this age whose alert was not sent.
    fn add_pending(&self, id: &str, age: u64) {
        let alert = Pending {
            transaction_id: id.to_owned(),
            timestamp: NOW - age,
            message: json!({"transaction_id": id}).to_string(),
        };
        self.pending.borrow_mut().insert(id.to_owned(), (alert, 0));
    }

    /// One call to the world, which has this effect. Another run may come in between.
    async fn call<T>(&self, name: &'static str, effect: impl FnOnce() -> T) -> T {
        tokio::task::yield_now().await;
        let number = self.calls.replace(self.calls.get() + 1);
        self.names.borrow_mut().push(name);
        let dies = self
            .dies
            .get()
            .filter(|(call, _)| *call == number)
            .map(|(_, dies)| dies);
        if dies == Some(Dies::Before) {
            return pending().await;
        }
        let result = effect();
        if dies == Some(Dies::After) {
            return pending().await;
        }
        result
    }

    /// The suspicious counts of the alerts about patterns.
    fn patterns(&self) -> Vec<Value> {
        let published = self.published.borrow();
        let patterns = published.iter().filter(|(subject, _)| subject.contains("Multiple"));
        patterns
            .map(|(_, message)| message["suspicious_count"].clone())
            .collect()
    }

    /// The transactions that were told of by themselves.
    fn told(&self) -> Vec<Value> {
        let published = self.published.borrow();
        let told = published.iter().filter(|(subject, _)| !subject.contains("Multiple"));
        told.map(|(_, message)| message["transaction_id"].clone()).collect()
    }
}

thread_local! {
    /// Which run is under way, told apart where several are.
    static RUNS: Cell<u64> = const { Cell::new(0) };
}

/// One run in a world.
struct Run<'a> {
    world: &'a World,
    writer: String,
}

impl Outside for Run<'_> {
    fn writer(&self) -> &str {
        &self.writer
    }

    async fn settled(&self, _: u64) {}

    async fn suspicious(&self, window: Window) -> Result<Vec<Suspicious>, AnalyzeError> {
        let found = || {
            if self.world.search_fails {
                return Err(AnalyzeError::Search {
                    what: "suspicious transactions",
                    source: "arn:aws:dynamodb says no".into(),
                });
            }
            let all = self.world.suspicious_at.borrow();
            let inside = all.iter().filter(|at| (window.from..window.until).contains(at));
            let suspicious = |at: &u64| Suspicious {
                timestamp: *at,
                user_id: Some(format!("user at {at}")),
            };
            Ok(inside.map(suspicious).collect())
        };
        self.world.call("suspicious", found).await
    }

    async fn kept(&self) -> Result<Kept, AnalyzeError> {
        self.world.call("kept", || Ok(self.world.kept.borrow().clone())).await
    }

    async fn keep(&self, kept: &Kept) -> Result<bool, AnalyzeError> {
        let keep = || {
            let mut last = self.world.kept.borrow_mut();
            let next = last.version + 1 == kept.version;
            if next {
                *last = kept.clone();
            }
            // As in AWS: a refused write may be our own, whose reply was lost.
            Ok(next || *last == *kept)
        };
        self.world.call("keep", keep).await
    }

    async fn pending(&self, until: u64) -> Result<Vec<Pending>, AnalyzeError> {
        let found = || {
            let pending = self.world.pending.borrow();
            let old = pending.values().filter(|(alert, _)| alert.timestamp <= until);
            Ok(old.map(|(alert, _)| alert.clone()).collect())
        };
        self.world.call("pending", found).await
    }

    async fn claim(&self, alert: &Pending, now: u64) -> Result<bool, BoxError> {
        let claim = || {
            let mut pending = self.world.pending.borrow_mut();
            let Some((_, claimed_at)) = pending.get_mut(&alert.transaction_id) else {
                return Ok(false);
            };
            let free = *claimed_at + crate::limits::LEASE <= now;
            if free {
                *claimed_at = now;
            }
            Ok(free)
        };
        self.world.call("claim", claim).await
    }

    async fn mark_sent(&self, alert: &Pending, _: u64) -> Result<(), BoxError> {
        let mark = || {
            self.world.pending.borrow_mut().remove(&alert.transaction_id);
            Ok(())
        };
        self.world.call("mark_sent", mark).await
    }

    async fn publish(&self, subject: &str, message: &str) -> Result<(), BoxError> {
        let publish = || {
            if self.world.publish_fails {
                return Err("arn:aws:sns says no".into());
            }
            let message = serde_json::from_str(message).expect("JSON");
            self.world.published.borrow_mut().push((subject.to_owned(), message));
            Ok(())
        };
        self.world.call("publish", publish).await
    }

    fn consumed(&self) -> Consumed {
        Consumed::default()
    }
}

async fn run(world: &World, event: Value) -> Result<Value, AnalyzeError> {
    run_at(world, event, NOW).await
}

async fn run_at(world: &World, event: Value, now: u64) -> Result<Value, AnalyzeError> {
    let event = serde_json::from_value(event).expect("an event");
    let invocation = Invocation {
        id: "i-1",
        environment: "dev",
        now_millis: now * 1_000,
        limit: Duration::from_millis(20),
    };
    let run = Run {
        world,
        writer: format!("run {}", RUNS.replace(RUNS.get() + 1)),
    };
    handle(&run, &event, invocation).await
}

#[tokio::test]
async fn five_suspicious_transactions_are_counted_and_raise_no_alert() {
    let world = World::with(&[NOW; 5]);
    let answer = run(&world, json!({})).await.expect("an answer");
    assert_eq!(
        answer,
        json!({"statusCode": 200, "body": {"message": "Pattern analysis complete", "suspicious_count": 5}})
    );
    assert!(world.published.borrow().is_empty());
}

#[tokio::test]
async fn a_sixth_raises_one_alert() {
    let world = World::with(&[NOW - 299, NOW, NOW, NOW, NOW - 1, NOW - 2]);
    let answer = run(&world, json!({})).await.expect("an answer");
    assert_eq!(answer["body"]["suspicious_count"], 6);

    let published = world.published.borrow();
    assert_eq!(published.len(), 1);
    let (subject, message) = &published[0];
    assert_eq!(subject, "Fraud Alert - Multiple Suspicious Transactions Detected");
    assert_eq!(message["suspicious_count"], 6);
    assert_eq!(message["timestamp"], NOW + 1);
    assert_eq!(message["affected_users"].as_array().map(Vec::len), Some(4));
    assert!(world.kept.borrow().outbox.is_empty());
}

#[tokio::test]
async fn a_late_event_is_about_its_own_window() {
    // 2023-11-14T22:00:00Z
    let scheduled = 1_699_999_200;
    let world = World::with(&[scheduled - 301, scheduled - 300, scheduled - 1, scheduled, NOW]);
    let event = json!({"time": "2023-11-14T22:00:00Z"});
    let answer = run(&world, event).await.expect("an answer");
    assert_eq!(answer["body"]["suspicious_count"], 2);
}

#[tokio::test]
async fn an_event_that_is_delivered_twice_raises_one_alert() {
    let world = World::with(&[NOW - 10; 6]);
    let event = json!({"time": "2023-11-14T22:13:20Z"});
    for _ in 0..2 {
        let answer = run(&world, event.clone()).await.expect("an answer");
        assert_eq!(answer["body"]["suspicious_count"], 6);
    }
    assert_eq!(world.patterns(), [6]);
}

#[tokio::test]
async fn runs_that_overlap_raise_one_alert() {
    let world = World::with(&[NOW - 10; 6]);
    world.add_pending("t-1", 100);
    let event = json!({"time": "2023-11-14T22:13:20Z"});
    let (one, two, three) = tokio::join!(
        run(&world, event.clone()),
        run(&world, event.clone()),
        run(&world, event.clone())
    );
    for answer in [one, two, three] {
        assert_eq!(answer.expect("an answer")["body"]["suspicious_count"], 6);
    }
    assert_eq!(world.patterns(), [6]);
    assert_eq!(world.told(), ["t-1"]);
}

#[tokio::test]
async fn a_burst_on_both_sides_of_a_run_is_seen_whole_and_told_of_once() {
    let world = World::with(&[NOW - 10; 4]);
    run(&world, json!({})).await.expect("an answer");
    assert!(world.patterns().is_empty());
    world.suspicious_at.borrow_mut().extend([NOW + 10; 3]);
    for later in [30, 60, 90] {
        run_at(&world, json!({}), NOW + later).await.expect("an answer");
    }
    assert_eq!(world.patterns(), [7]);
}

#[tokio::test]
async fn what_a_missed_run_would_have_found_the_next_one_finds() {
    let world = World::default();
    run(&world, json!({})).await.expect("an answer");
    // Three runs are missed, and with them a burst.
    world.suspicious_at.borrow_mut().extend([NOW + 450; 6]);
    let answer = run_at(&world, json!({}), NOW + 1_200).await.expect("an answer");
    assert_eq!(answer["body"]["suspicious_count"], 0);
    assert_eq!(world.patterns(), [6]);
}

#[tokio::test]
async fn alerts_that_stayed_pending_are_sent_and_fresh_ones_left_to_their_requests() {
    let world = World::default();
    world.add_pending("t-old", 100);
    world.add_pending("t-fresh", 5);
    run(&world, json!({})).await.expect("an answer");
    assert_eq!(world.told(), ["t-old"]);
    assert_eq!(world.pending.borrow().keys().collect::<Vec<_>>(), ["t-fresh"]);
}

#[tokio::test]
async fn a_long_time_is_caught_up_with_in_pieces_and_an_event_from_the_future_is_not_believed() {
    let world = World::default();
    run(&world, json!({})).await.expect("an answer");
    let later = NOW + 300 * 100;
    // 2100-01-01
    let event = json!({"time": "2100-01-01T00:00:00Z"});
    run_at(&world, event, later).await.expect("an answer");
    let progress = world.kept.borrow().progress.expect("there was a run");
    assert_eq!(progress.until, later + 1);
    // The first run, and the pieces of the second.
    assert!(world.kept.borrow().version >= 5, "{:?}", world.kept.borrow());
}

#[tokio::test]
async fn every_failure_is_an_error_and_loses_nothing() {
    let search = World {
        search_fails: true,
        ..World::default()
    };
    search.add_pending("t-1", 100);
    let outcome = run(&search, json!({})).await;
    assert!(matches!(outcome, Err(AnalyzeError::Search { .. })), "{outcome:?}");
    assert_eq!(search.told(), ["t-1"]);

    let mut publish = World {
        publish_fails: true,
        ..World::with(&[NOW; 6])
    };
    publish.add_pending("t-1", 100);
    let outcome = run(&publish, json!({})).await;
    assert!(matches!(outcome, Err(AnalyzeError::Publish(_))), "{outcome:?}");
    // When the topic can be reached again, both alerts are sent.
    publish.publish_fails = false;
    run_at(&publish, json!({}), NOW + 300).await.expect("an answer");
    assert_eq!(
        (publish.patterns(), publish.told()),
        (vec![json!(6)], vec![json!("t-1")])
    );

    let outcome = run(&World::default(), json!({"time": "yesterday"})).await;
    assert!(matches!(outcome, Err(AnalyzeError::EventTime(_))), "{outcome:?}");
}

#[tokio::test]
async fn wherever_it_dies_the_next_runs_finish_and_nothing_is_lost_or_told_twice() {
    // The runs before it went well; without any, nobody knows that it happened at all but Lambda, which tries it again.
    let world = async |dies| {
        let world = World::default();
        run_at(&world, json!({}), NOW - 300).await.expect("an answer");
        world.calls.take();
        world.names.take();
        world.suspicious_at.borrow_mut().extend([NOW - 10; 6]);
        world.add_pending("t-1", 100);
        world.dies.set(dies);
        world
    };
    let whole = world(None).await;
    run(&whole, json!({})).await.expect("an answer");
    let names = whole.names.borrow().clone();
    assert!(names.len() >= 8, "{names:?}");
    for call in 0..names.len() {
        for dies in [Dies::Before, Dies::After] {
            let at = format!("{dies:?} {} ({call})", names[call]);
            let world = world(Some((call, dies))).await;
            let outcome = run(&world, json!({})).await;
            assert!(matches!(outcome, Err(AnalyzeError::TooSlow(_))), "{at}: {outcome:?}");
            world.dies.set(None);
            // The next two runs of the schedule.
            for later in [300, 600] {
                run_at(&world, json!({}), NOW + later).await.expect("an answer");
            }
            assert!(
                world.pending.borrow().is_empty() && world.kept.borrow().outbox.is_empty(),
                "{at}"
            );
            // Twice only where it was published and that was not noted.
            let unnoted = (names[call] == "publish" && dies == Dies::After)
                || (dies == Dies::Before && call > 0 && names[call - 1] == "publish");
            let (patterns, told) = (world.patterns(), world.told());
            assert!(patterns.iter().all(|count| *count == 6), "{at}: {patterns:?}");
            let times = (patterns.len(), told.len());
            if unnoted {
                assert!(times == (2, 1) || times == (1, 2), "{at}: {times:?}");
            } else {
                assert_eq!(times, (1, 1), "{at}");
            }
        }
    }
}
