use super::*;
use crate::outside::Parameters;
use bigdecimal::BigDecimal;
use fraud::{DayCount, Past, Rules, Threshold};
use proptest::prelude::*;
use runtime::BoxError;
use rust_decimal::Decimal;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;

const NOW: u64 = 1_700_000_000;

/// A world that keeps what it is given, fails where it is told to, and lets the function die at any call.
struct World {
    threshold: Threshold,
    read_fails: bool,
    store_fails: bool,
    publish_fails: bool,
    mark_fails: bool,
    /// The function dies at this call, counted from zero: before it takes effect, or after.
    dies: Cell<Option<(usize, Dies)>>,
    calls: Cell<usize>,
    records: RefCell<BTreeMap<String, Record>>,
    items: RefCell<Vec<Item>>,
    published: RefCell<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Dies {
    Before,
    After,
}

#[derive(Clone, Debug, PartialEq)]
struct Item {
    transaction_id: String,
    timestamp: u64,
    amount: Decimal,
    /// Whether its alert is still to be sent.
    pending: bool,
}

impl World {
    fn with_threshold(threshold: &str) -> Self {
        Self {
            threshold: threshold.parse().expect("a threshold"),
            read_fails: false,
            store_fails: false,
            publish_fails: false,
            mark_fails: false,
            dies: Cell::default(),
            calls: Cell::default(),
            records: RefCell::default(),
            items: RefCell::default(),
            published: RefCell::default(),
        }
    }

    /// One call to the world, which has this effect.
    async fn call<T>(&self, effect: impl FnOnce() -> T) -> T {
        let number = self.calls.replace(self.calls.get() + 1);
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

    fn items(&self) -> Vec<Item> {
        self.items.borrow().clone()
    }
}

impl Outside for World {
    async fn earlier(&self, transaction_id: &str) -> Result<Option<Record>, ProcessError> {
        self.call(|| Ok(self.records.borrow().get(transaction_id).cloned()))
            .await
    }

    async fn history(&self, _: &str) -> Result<Vec<Past>, ProcessError> {
        let failed = || ProcessError::Read {
            what: "the user's history",
            source: "arn:aws:dynamodb says no".into(),
        };
        self.call(|| if self.read_fails { Err(failed()) } else { Ok(Vec::new()) })
            .await
    }

    async fn merchant(&self, _: &str, _: u64) -> Result<Vec<DayCount>, ProcessError> {
        self.call(|| Ok(Vec::new())).await
    }

    async fn parameters(&self, _: u64) -> Parameters {
        Parameters {
            threshold: self.threshold,
            rules: Arc::new(Rules::builtin().clone()),
        }
    }

    async fn store(&self, entry: &Entry<'_>) -> Result<Stored, ProcessError> {
        let effect = || {
            if self.store_fails {
                return Err(ProcessError::Store("arn:aws:dynamodb says no".into()));
            }
            let mut records = self.records.borrow_mut();
            let id = &entry.transaction.transaction_id;
            if let Some(earlier) = records.get(id) {
                return Ok(Stored::Before(earlier.clone()));
            }
            records.insert(id.clone(), entry.record.clone());
            self.items.borrow_mut().push(Item {
                transaction_id: id.clone(),
                timestamp: entry.timestamp,
                amount: entry.transaction.amount,
                pending: entry.alert.is_some(),
            });
            Ok(Stored::First)
        };
        self.call(effect).await
    }

    async fn publish(&self, alert: &Alert) -> Result<(), BoxError> {
        let effect = || {
            if self.publish_fails {
                return Err("arn:aws:sns says no".into());
            }
            self.published.borrow_mut().push(alert.message.clone());
            Ok(())
        };
        self.call(effect).await
    }

    async fn mark_sent(&self, transaction_id: &str, timestamp: u64, _: u64) -> Result<(), BoxError> {
        let effect = || {
            if self.mark_fails {
                return Err("arn:aws:dynamodb says no".into());
            }
            let mut items = self.items.borrow_mut();
            let item = items
                .iter_mut()
                .find(|item| item.transaction_id == transaction_id && item.timestamp == timestamp);
            item.expect("the item is stored").pending = false;
            Ok(())
        };
        self.call(effect).await
    }
}

/// The status and the body of the answer to a request with this body.
async fn answer(world: &World, body: &str) -> (Value, Value) {
    let event = json!({"body": body, "requestContext": {"requestId": "r-1"}});
    answer_to(world, event).await
}

async fn answer_to(world: &World, event: Value) -> (Value, Value) {
    let event = serde_json::from_value(event).expect("an event");
    let invocation = Invocation {
        id: "i-1",
        environment: "dev",
        now_millis: NOW * 1_000 + 7,
        limit: Duration::from_millis(20),
    };
    let answer = serde_json::to_value(handle(world, &event, invocation).await).expect("serializable");
    let body = serde_json::from_str(answer["body"].as_str().expect("a string")).expect("JSON");
    (answer["statusCode"].clone(), body)
}

fn request(amount: &str) -> String {
    format!(r#"{{"transaction_id": "t-1", "user_id": "u-1", "amount": {amount}}}"#)
}

fn internal_error() -> (Value, Value) {
    (
        json!(500),
        json!({"message": "Internal server error", "request_id": "r-1"}),
    )
}

#[tokio::test]
async fn an_ordinary_transaction_is_stored_and_raises_no_alert() {
    let world = World::with_threshold("0.85");
    let (status, body) = answer(&world, &request("150.50")).await;
    assert_eq!(status, 200);
    assert_eq!(body["message"], "Transaction processed successfully");
    assert_eq!(body["transaction_id"], "t-1");
    assert_eq!(body["fraud_score"].to_string(), "0.1");
    assert_eq!(body["is_suspicious"], false);
    assert_eq!(body["reasons"], json!([]));
    let items = world.items();
    assert_eq!((items.len(), items[0].timestamp, items[0].pending), (1, NOW, false));
    assert!(world.published.borrow().is_empty());
}

#[tokio::test]
async fn a_suspicious_transaction_is_stored_and_then_raises_an_alert() {
    let world = World::with_threshold("0.85");
    let (status, body) = answer(&world, &request("15000")).await;
    assert_eq!(status, 200);
    assert_eq!(body["fraud_score"].to_string(), "0.9");
    assert_eq!(body["is_suspicious"], true);
    assert_eq!(body["reasons"][0]["code"], "AMOUNT_OVER_LIMIT");
    assert_eq!(world.items().len(), 1);
    assert!(!world.items()[0].pending);
    assert_eq!(world.published.borrow().len(), 1);
}

#[tokio::test]
async fn the_threshold_decides_about_the_alert() {
    let strict = World::with_threshold("0");
    answer(&strict, &request("1")).await;
    assert_eq!(strict.published.borrow().len(), 1);

    let lenient = World::with_threshold("0.9");
    answer(&lenient, &request("15000")).await;
    assert!(lenient.published.borrow().is_empty());
}

#[tokio::test]
async fn the_same_again_gets_the_same_answer_and_does_nothing() {
    let world = World::with_threshold("0.85");
    let first = answer(&world, &request("15000")).await;
    let again = answer(&world, &request("15000.00")).await;
    assert_eq!(first, again);
    assert_eq!((world.items().len(), world.published.borrow().len()), (1, 1));
}

#[tokio::test]
async fn another_payload_under_the_same_id_is_a_conflict() {
    let world = World::with_threshold("0.85");
    answer(&world, &request("150.50")).await;
    let (status, body) = answer(&world, &request("150.51")).await;
    assert_eq!(status, 409);
    assert_eq!(body["field"], "transaction_id");
    assert_eq!(world.items().len(), 1);
}

#[tokio::test]
async fn whoever_loses_the_race_gets_the_winners_answer() {
    let world = World::with_threshold("0.85");
    // Both look before either stores.
    let request = request("15000");
    let (one, two) = tokio::join!(answer(&world, &request), answer(&world, &request));
    assert_eq!(one.0, 200);
    assert_eq!(one, two);
    assert_eq!((world.items().len(), world.published.borrow().len()), (1, 1));
}

#[tokio::test]
async fn an_invalid_request_leaves_no_trace() {
    let world = World::with_threshold("0.85");
    let (status, body) = answer(&world, &request("\"150.50\"")).await;
    assert_eq!(status, 400);
    assert_eq!(body, json!({"error": "amount must be a number", "field": "amount"}));
    let (status, body) = answer(&world, "not json").await;
    assert_eq!(status, 400);
    assert_eq!(body["field"], "body");
    assert_eq!(world.calls.get(), 0);
}

#[tokio::test]
async fn without_the_history_nothing_is_scored_and_nothing_stored() {
    let world = World {
        read_fails: true,
        ..World::with_threshold("0.85")
    };
    assert_eq!(answer(&world, &request("1")).await, internal_error());
    assert!(world.items().is_empty());
}

#[tokio::test]
async fn no_alert_is_published_for_a_transaction_that_was_not_stored() {
    let world = World {
        store_fails: true,
        ..World::with_threshold("0.85")
    };
    assert_eq!(answer(&world, &request("15000")).await, internal_error());
    assert!(world.published.borrow().is_empty());
}

#[tokio::test]
async fn an_alert_that_cannot_be_published_stays_pending_and_the_transaction_is_processed() {
    for (publish_fails, mark_fails) in [(true, false), (false, true)] {
        let world = World {
            publish_fails,
            mark_fails,
            ..World::with_threshold("0.85")
        };
        let (status, _) = answer(&world, &request("15000")).await;
        assert_eq!(status, 200);
        assert!(world.items()[0].pending);
    }
}

#[tokio::test]
async fn without_a_request_id_a_failure_names_the_invocation() {
    let world = World {
        store_fails: true,
        ..World::with_threshold("0.85")
    };
    let (_, body) = answer_to(&world, json!({"body": request("1")})).await;
    assert_eq!(body["request_id"], "i-1");
}

#[tokio::test]
async fn wherever_it_dies_the_next_request_gets_the_answer_and_nothing_is_lost_or_done_twice() {
    // The reads, the write, the alert and the mark.
    const CALLS: usize = 6;
    let whole = World::with_threshold("0.85");
    let expected = answer(&whole, &request("15000")).await;
    assert_eq!(whole.calls.get(), CALLS);
    for call in 0..CALLS {
        for dies in [Dies::Before, Dies::After] {
            let world = World::with_threshold("0.85");
            world.dies.set(Some((call, dies)));
            // It took too long, as a caller sees it.
            assert_eq!(
                answer(&world, &request("15000")).await,
                internal_error(),
                "{call} {dies:?}"
            );
            world.dies.set(None);

            assert_eq!(answer(&world, &request("15000")).await, expected, "{call} {dies:?}");
            let items = world.items();
            assert_eq!(items.len(), 1, "{call} {dies:?}");
            // Published, or kept until it is; twice only where it was published and that was not noted.
            let published = world.published.borrow().len();
            let (sent, kept) = (published == 1, items[0].pending);
            assert!(sent || kept, "{call} {dies:?}");
            let unnoted = (call, dies) == (CALLS - 2, Dies::After) || (call, dies) == (CALLS - 1, Dies::Before);
            assert_eq!(sent && kept, unnoted, "{call} {dies:?}");
        }
    }
}

/// The amount that a body says, told by another reader than ours.
fn amount_of(body: &[u8]) -> Option<BigDecimal> {
    let value: Value = serde_json::from_slice(body).ok()?;
    value.get("amount")?.as_number()?.to_string().parse().ok()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().build().expect("a runtime").block_on(future)
}

/// Asserts that a body is answered by 200 or 400, and that what was stored is what it said.
fn assert_answered(body: &[u8]) -> Result<(), TestCaseError> {
    let world = World::with_threshold("0.85");
    let event = match std::str::from_utf8(body) {
        Ok(text) => json!({"body": text}),
        Err(_) => {
            use base64::Engine as _;
            let encoded = base64::engine::general_purpose::STANDARD.encode(body);
            json!({"body": encoded, "isBase64Encoded": true})
        }
    };
    let (status, _) = block_on(answer_to(&world, event));
    let items = world.items();
    if status == 200 {
        prop_assert_eq!(items.len(), 1);
        let stored: BigDecimal = items[0].amount.to_string().parse().expect("a number");
        prop_assert_eq!(Some(stored), amount_of(body));
    } else {
        prop_assert_eq!(status, 400);
        prop_assert_eq!(items.len(), 0);
    }
    Ok(())
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("transaction_id|user_id|amount|merchant|location|\\PC{0,4}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..256)) {
        assert_answered(&body)?;
    }

    #[test]
    fn arbitrary_json_is_answered(body in json_value()) {
        assert_answered(body.to_string().as_bytes())?;
    }

    #[test]
    fn numbers_of_any_length_are_stored_as_sent_or_refused(
        amount in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][-+]?[0-9]{1,3})?"
    ) {
        assert_answered(request(&amount).as_bytes())?;
    }
}
