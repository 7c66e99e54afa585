//! What the analyzer costs, and that no window is told of twice.

use crate::client::{Client, now, text};
use crate::support::{Environment, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const ANALYZER: &str = "pattern-analyzer-dev";
const PATTERN: &str = "Fraud Alert - Multiple Suspicious Transactions Detected";

/// A stored transaction as the processor writes it.
fn item(id: &str, timestamp: u64, suspicious: bool) -> Value {
    let mut item = json!({
        "transaction_id": {"S": id},
        "timestamp": {"N": timestamp.to_string()},
        "user_id": {"S": format!("u-{id}")},
        "amount": {"N": "12.5"},
        "is_suspicious": {"BOOL": suspicious},
    });
    if suspicious {
        item["suspicious_bucket"] = json!({"N": (timestamp / 300).to_string()});
    }
    item
}

fn store(env: &Environment, items: &[Value]) {
    let requests: Vec<Value> = items.iter().map(|item| json!({"PutRequest": {"Item": item}})).collect();
    // boto3 takes 25 at a time.
    env.aws.call(
        "bridge",
        "batch_write",
        json!({"table": "transactions-dev", "requests": requests}),
    );
}

/// RFC 3339, as EventBridge writes it.
fn at(timestamp: u64) -> Value {
    let seconds = i64::try_from(timestamp).expect("a time");
    let time = aws_smithy_types::DateTime::from_secs(seconds);
    let text = time.fmt(aws_smithy_types::date_time::Format::DateTime).expect("a time");
    json!({"time": text})
}

/// The line that the run with this `until` left in the log.
fn line(env: &Environment, until: u64) -> Value {
    let group = json!({"logGroupName": "/aws/lambda/pattern-analyzer-dev"});
    wait_until(Duration::from_secs(30), "the run's line in the log", || {
        let events = env.aws.call("logs", "filter_log_events", group.clone());
        let lines = events["events"].as_array()?.iter();
        lines
            .filter_map(|event| serde_json::from_str::<Value>(event["message"].as_str()?).ok())
            .find(|line| line["event"] == "patterns_analyzed" && line["until"] == until)
    })
}

#[test]
fn the_cost_of_a_run_does_not_grow_with_the_table() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    // The beginning of a bucket, so that every window touches as many.
    let end = now() / 300 * 300 - 3_000;
    let suspicious: Vec<Value> = (0..6).map(|n| item(&format!("s-{n}"), end - 1 - n, true)).collect();
    store(&env, &suspicious);
    let mut stored = 0;
    let mut costs = Vec::new();
    for (step, size) in [1_000_u64, 10_000, 100_000].into_iter().enumerate() {
        let more: Vec<Value> = (stored..size)
            .map(|n| item(&format!("t-{n}"), end - n % 250_000, false))
            .collect();
        store(&env, &more);
        stored = size;
        // The first looks at the window with the six, the others at the empty ones after it.
        let until = end + step as u64 * 300;
        let result = client.invoke(ANALYZER, &at(until));
        assert!(result.get("FunctionError").is_none(), "{result:#}");
        let expected = if step == 0 { 6 } else { 0 };
        assert_eq!(result["Payload"]["body"]["suspicious_count"], expected, "{result:#}");
        let line = line(&env, until);
        costs.push(line["ConsumedReadUnits"].as_f64().expect("a number"));
        // The emulator counts a page of whatever size alike, so what was read is held against the window too.
        assert_eq!(line["items_read"], expected, "{line:#}");
    }
    assert!(costs.iter().all(|cost| *cost > 0.0 && *cost == costs[0]), "{costs:?}");
    // One query for the window's bucket, one for pending alerts: half a unit each.
    assert!(costs[0] <= 1.0, "{costs:?}");
}

#[test]
fn an_event_that_is_delivered_twice_or_late_raises_one_alert_for_a_window() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    let end = now() - 3_000;
    let burst: Vec<Value> = (0..6)
        .map(|n| item(&format!("a-{n}"), end - 10 * n - 1, true))
        .collect();
    store(&env, &burst);
    for _ in 0..3 {
        let result = client.invoke(ANALYZER, &at(end));
        assert_eq!(result["Payload"]["body"]["suspicious_count"], 6, "{result:#}");
    }
    // Two runs are missed, and in the first of them there is a burst; then the late one comes after all.
    let burst: Vec<Value> = (0..7).map(|n| item(&format!("b-{n}"), end + 100 + n, true)).collect();
    store(&env, &burst);
    for until in [end + 900, end + 300, end + 600, end + 900] {
        let result = client.invoke(ANALYZER, &at(until));
        assert!(result.get("FunctionError").is_none(), "{result:#}");
    }
    let alerts = client.take_all_alerts();
    let counts: Vec<&Value> = alerts.iter().map(|alert| &alert.message["suspicious_count"]).collect();
    assert_eq!(counts, [6, 7], "{alerts:?}");
    let ids: BTreeSet<String> = alerts.iter().map(|alert| text(&alert.message["alert_id"])).collect();
    assert_eq!(ids.len(), 2, "{alerts:?}");
    assert!(alerts.iter().all(|alert| alert.subject == PATTERN), "{alerts:?}");
}

#[test]
fn runs_that_overlap_raise_one_alert() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    let end = now() - 3_000;
    let burst: Vec<Value> = (0..6)
        .map(|n| item(&format!("a-{n}"), end - 10 * n - 1, true))
        .collect();
    store(&env, &burst);
    // As EventBridge delivers: asynchronously, and one event more than once.
    let params = json!({"FunctionName": ANALYZER, "InvocationType": "Event", "Payload": at(end).to_string()});
    for _ in 0..4 {
        env.aws.call("lambda", "invoke", params.clone());
    }
    let runs = || {
        let group = json!({"logGroupName": "/aws/lambda/pattern-analyzer-dev"});
        let events = env.aws.call("logs", "filter_log_events", group);
        let lines = events["events"].as_array().cloned().unwrap_or_default();
        let lines = lines
            .iter()
            .filter_map(|event| serde_json::from_str::<Value>(event["message"].as_str()?).ok());
        lines.filter(|line| line["event"] == "patterns_analyzed").count()
    };
    wait_until(Duration::from_secs(120), "all runs to end", || {
        (runs() >= 4).then_some(())
    });
    let alerts = client.take_all_alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0].message["suspicious_count"], 6);
}
