//! What happens to a transaction, from the API to the alert, with the real functions running.

use crate::client::{Client, now, text, transaction};
use crate::support::{Environment, wait_until};
use serde_json::{Value, json};
use std::time::Duration;

const SUSPICIOUS: &str = "Fraud Alert - Suspicious Transaction Detected";
const PATTERN: &str = "Fraud Alert - Multiple Suspicious Transactions Detected";
const PROCESSOR: &str = "transaction-processor-dev";
const ANALYZER: &str = "pattern-analyzer-dev";

#[test]
fn an_ordinary_transaction_is_scored_low_and_stored_and_raises_no_alert() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    let begun = now();
    let sent = [
        "send",
        "--json",
        "--amount",
        "150.50",
        "--id",
        "t-small",
        "--user",
        "ann",
        "--merchant",
        "Books",
        "--location",
        "Berlin",
    ];
    let answer = env.run(&sent).exits(0).json();
    assert_eq!(answer["status"], 200, "{answer:#}");
    assert_eq!(answer["transaction_id"], "t-small", "{answer:#}");
    let body = &answer["body"];
    assert_eq!(body["message"], "Transaction processed successfully", "{answer:#}");
    assert_eq!(body["transaction_id"], "t-small", "{answer:#}");
    assert_eq!(body["fraud_score"].to_string(), "0.1", "{answer:#}");
    assert_eq!(body["is_suspicious"], false, "{answer:#}");

    let items = client.stored("t-small");
    assert_eq!(items.len(), 1, "{items:?}");
    let item = &items[0];
    assert_eq!(item["transaction_id"], json!({"S": "t-small"}), "{item:#}");
    assert_eq!(item["user_id"], json!({"S": "ann"}), "{item:#}");
    // A DynamoDB number has no trailing zeros.
    assert_eq!(item["amount"], json!({"N": "150.5"}), "{item:#}");
    assert_eq!(item["merchant"], json!({"S": "Books"}), "{item:#}");
    assert_eq!(item["location"], json!({"S": "Berlin"}), "{item:#}");
    assert_eq!(item["fraud_score"], json!({"N": "0.1"}), "{item:#}");
    assert_eq!(item["is_suspicious"], json!({"BOOL": false}), "{item:#}");
    let timestamp: u64 = text(&item["timestamp"]["N"]).parse().expect("whole seconds");
    assert!((begun..=now()).contains(&timestamp), "{item:#}");

    let alerts = client.take_all_alerts();
    assert!(alerts.is_empty(), "{alerts:?}");
}

#[test]
fn a_large_transaction_is_stored_as_suspicious_and_its_alert_arrives() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    let sent = [
        "send", "--json", "--amount", "15000", "--id", "t-large", "--user", "ben",
    ];
    let answer = env.run(&sent).exits(0).json();
    assert_eq!(answer["status"], 200, "{answer:#}");
    assert_eq!(answer["body"]["fraud_score"].to_string(), "0.9", "{answer:#}");
    assert_eq!(answer["body"]["is_suspicious"], true, "{answer:#}");

    let items = client.stored("t-large");
    assert_eq!(items.len(), 1, "{items:?}");
    let item = &items[0];
    assert_eq!(item["user_id"], json!({"S": "ben"}), "{item:#}");
    assert_eq!(item["amount"], json!({"N": "15000"}), "{item:#}");
    assert_eq!(item["merchant"], json!({"S": "Unknown"}), "{item:#}");
    assert_eq!(item["location"], json!({"S": "Unknown"}), "{item:#}");
    assert_eq!(item["fraud_score"], json!({"N": "0.9"}), "{item:#}");
    assert_eq!(item["is_suspicious"], json!({"BOOL": true}), "{item:#}");

    let alerts = client.take_alerts(1);
    let alert = &alerts[0];
    assert_eq!(alert.subject, SUSPICIOUS);
    assert_eq!(alert.message["transaction_id"], "t-large", "{alert:?}");
    assert_eq!(alert.message["user_id"], "ben", "{alert:?}");
    assert_eq!(alert.message["amount"], json!("15000"), "{alert:?}");
    assert_eq!(alert.message["fraud_score"].to_string(), "0.9", "{alert:?}");
    assert_eq!(
        alert.message["timestamp"].to_string(),
        text(&item["timestamp"]["N"]),
        "{alert:?}"
    );
}

#[test]
fn an_amount_stays_exact_to_the_cent_all_the_way() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    // As a floating-point number this would be 10^15.
    client
        .post(&transaction("t-huge", "u-1", "999999999999999.99"))
        .with_status(200);
    client.post(&transaction("t-half", "u-1", "10500.50")).with_status(200);
    assert_eq!(client.stored("t-huge")[0]["amount"], json!({"N": "999999999999999.99"}));

    let mut amounts: Vec<String> = client
        .take_alerts(2)
        .iter()
        .map(|alert| text(&alert.message["amount"]))
        .collect();
    amounts.sort();
    assert_eq!(amounts, ["10500.50", "999999999999999.99"]);
}

#[test]
fn one_cent_decides_whether_an_amount_is_suspicious() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    for (amount, suspicious) in [
        ("10000", false),
        ("10000.00", false),
        ("10000.01", true),
        ("0", false),
        ("0.01", false),
        ("-0.01", true),
    ] {
        let answer = client
            .post(&transaction(&format!("t{amount}"), "u-1", amount))
            .with_status(200);
        assert_eq!(answer["is_suspicious"], suspicious, "{amount}: {answer:#}");
        let score = if suspicious { "0.9" } else { "0.1" };
        assert_eq!(answer["fraud_score"].to_string(), score, "{amount}: {answer:#}");
    }
    let mut alerted: Vec<String> = client
        .take_all_alerts()
        .iter()
        .map(|alert| text(&alert.message["amount"]))
        .collect();
    alerted.sort();
    assert_eq!(alerted, ["-0.01", "10000.01"]);
}

#[test]
fn without_the_right_key_nothing_gets_in() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    let body = transaction("t-1", "u-1", "1");
    for key in [None, Some("not-the-key")] {
        let answer = client.post_with_key(key, &body).with_status(403);
        assert_eq!(answer["message"], "Forbidden", "{key:?}: {answer:#}");
    }
    assert_eq!(client.stored_in_all(), 0);
    // The same body is all right.
    client.post(&body).with_status(200);
    assert_eq!(client.stored_in_all(), 1);
}

#[test]
fn an_invalid_transaction_is_refused_and_leaves_no_trace() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    // What the model of the API forbids is refused before the function runs.
    for body in [
        r#"{"transaction_id": "t-1", "user_id": "u-1"}"#,
        r#"{"transaction_id": "t-1", "amount": 1}"#,
        r#"{"user_id": "u-1", "amount": 1}"#,
        r#"{"transaction_id": "t-1", "user_id": "u-1", "amount": "1"}"#,
        r#"{"transaction_id": "t-1", "user_id": "u-1", "amount": 1, "merchant": 7}"#,
        "not json",
    ] {
        let answer = client.post(body).with_status(400);
        assert_eq!(answer["message"], "Invalid request body", "{body}: {answer:#}");
    }
    // What a model cannot say the function refuses, with the field's name.
    for (body, field) in [
        (transaction("t-1", "u-1", "1.001"), "amount"),
        (transaction("t-1", "u-1", "1e20"), "amount"),
        (transaction("", "u-1", "1"), "transaction_id"),
        (transaction("t-1", "  ", "1"), "user_id"),
        (transaction("t-1", &"u".repeat(129), "1"), "user_id"),
    ] {
        let answer = client.post(&body).with_status(400);
        assert_eq!(answer["field"], field, "{body}: {answer:#}");
        assert!(text(&answer["error"]).starts_with(field), "{body}: {answer:#}");
    }
    assert_eq!(client.stored_in_all(), 0);
    let alerts = client.take_all_alerts();
    assert!(alerts.is_empty(), "{alerts:?}");
}

#[test]
fn the_function_validates_what_the_api_lets_through() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    for (body, field) in [
        (json!(r#"{"transaction_id": "t-1", "user_id": "u-1"}"#), "amount"),
        (
            json!(r#"{"transaction_id": "t-1", "user_id": "u-1", "amount": "1"}"#),
            "amount",
        ),
        (json!("not json"), "body"),
        (Value::Null, "body"),
    ] {
        let result = client.invoke(PROCESSOR, &json!({"body": body}));
        assert!(result.get("FunctionError").is_none(), "{result:#}");
        assert_eq!(result["Payload"]["statusCode"], 400, "{result:#}");
        let answer: Value = serde_json::from_str(&text(&result["Payload"]["body"])).expect("JSON");
        assert_eq!(answer["field"], field, "{result:#}");
    }
    assert_eq!(client.stored_in_all(), 0);
}

#[test]
fn a_score_that_only_reaches_the_threshold_raises_no_alert() {
    let env = Environment::new().scoring();
    env.settings("fraud_threshold = 0.9\n");
    let client = Client::of_new(&env);
    let answer = client.post(&transaction("t-1", "u-1", "15000")).with_status(200);
    assert_eq!(answer["fraud_score"].to_string(), "0.9", "{answer:#}");
    assert_eq!(answer["is_suspicious"], true, "{answer:#}");
    assert_eq!(client.stored("t-1").len(), 1);
    let alerts = client.take_all_alerts();
    assert!(alerts.is_empty(), "{alerts:?}");
}

#[test]
fn a_low_threshold_raises_alerts_about_ordinary_transactions() {
    let env = Environment::new().scoring();
    env.settings("fraud_threshold = 0.05\n");
    let client = Client::of_new(&env);
    let answer = client.post(&transaction("t-1", "u-1", "1")).with_status(200);
    assert_eq!(answer["is_suspicious"], false, "{answer:#}");
    let alerts = client.take_alerts(1);
    assert_eq!(alerts[0].message["transaction_id"], "t-1", "{alerts:?}");
    assert_eq!(alerts[0].message["fraud_score"].to_string(), "0.1", "{alerts:?}");
}

#[test]
fn more_than_five_suspicious_transactions_in_five_minutes_raise_a_pattern_alert() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    for number in 1..=5 {
        client
            .post(&transaction(
                &format!("t-{number}"),
                &format!("u-{}", number % 3),
                "15000",
            ))
            .with_status(200);
    }
    client.post(&transaction("t-harmless", "u-9", "1")).with_status(200);
    let result = client.invoke(ANALYZER, &json!({}));
    assert!(result.get("FunctionError").is_none(), "{result:#}");
    assert_eq!(result["Payload"]["statusCode"], 200, "{result:#}");
    assert_eq!(
        result["Payload"]["body"]["message"], "Pattern analysis complete",
        "{result:#}"
    );
    assert_eq!(result["Payload"]["body"]["suspicious_count"], 5, "{result:#}");

    let alerts = client.take_all_alerts();
    assert_eq!(alerts.len(), 5, "{alerts:?}");
    assert!(alerts.iter().all(|alert| alert.subject == SUSPICIOUS), "{alerts:?}");

    client.post(&transaction("t-6", "u-1", "15000")).with_status(200);
    let result = client.invoke(ANALYZER, &json!({}));
    assert_eq!(result["Payload"]["statusCode"], 200, "{result:#}");
    assert_eq!(result["Payload"]["body"]["suspicious_count"], 6, "{result:#}");

    let mut alerts = client.take_all_alerts();
    alerts.retain(|alert| alert.subject != SUSPICIOUS);
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let alert = &alerts[0];
    assert_eq!(alert.subject, PATTERN);
    assert_eq!(alert.message["alert_type"], "pattern_analysis", "{alert:?}");
    assert_eq!(alert.message["suspicious_count"], 6, "{alert:?}");
    assert_eq!(
        alert.message["affected_users"],
        json!(["u-0", "u-1", "u-2"]),
        "{alert:?}"
    );
    assert_eq!(alert.message["time_window"], "5 minutes", "{alert:?}");
    let age = now().checked_sub(alert.message["timestamp"].as_u64().expect("seconds"));
    assert!(age.is_some_and(|age| age < 60), "{alert:?}");
}

#[test]
fn the_analyzer_looks_at_the_window_before_its_event_and_at_nothing_else() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    // 2023-11-14T22:13:20Z and the five seconds before it.
    for age in 0..6 {
        let item = json!({
            "transaction_id": {"S": format!("t-{age}")},
            "timestamp": {"N": (1_700_000_000 - age).to_string()},
            "user_id": {"S": "u-1"},
            "is_suspicious": {"BOOL": true},
            "suspicious_bucket": {"N": ((1_700_000_000 - age) / 300).to_string()},
        });
        let params = json!({"TableName": "transactions-dev", "Item": item});
        env.aws.call("dynamodb", "put_item", params);
    }
    for (time, count) in [
        // The second of the event belongs to the next window.
        ("2023-11-14T22:13:20Z", 5),
        ("2023-11-14T22:13:21Z", 6),
        ("2023-11-14T22:18:15Z", 6),
        ("2023-11-14T22:18:16Z", 5),
        ("2023-11-14T22:18:21Z", 0),
    ] {
        let result = client.invoke(ANALYZER, &json!({"time": time}));
        assert_eq!(
            result["Payload"]["body"]["suspicious_count"], count,
            "{time}: {result:#}"
        );
    }
    // Two windows had six of them, but they are the same six.
    let alerts = client.take_all_alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    assert_eq!(alerts[0].subject, PATTERN);
}

#[test]
fn a_failure_behind_the_api_tells_the_caller_nothing_but_where_to_look() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    let table = json!({"TableName": "transactions-dev"});
    env.aws.call("dynamodb", "delete_table", table);
    let body = r#"{"transaction_id": "t-1", "user_id": "u-secret", "amount": 15000, "merchant": "m-secret"}"#;
    let answer = client.post(body);
    let told = answer.with_status(500);
    assert_eq!(told["message"], "Internal server error");
    let request_id = text(&told["request_id"]);
    assert!(!request_id.is_empty(), "{told:#}");
    assert_eq!(told.as_object().map(serde_json::Map::len), Some(2), "{told:#}");
    assert_discreet(&answer.body, &env);

    // The log has the reason, under the id that the caller was given, and not the payload.
    let group = json!({"logGroupName": "/aws/lambda/transaction-processor-dev"});
    let log = wait_until(Duration::from_secs(30), "the request's line in the log", || {
        let events = env.aws.call("logs", "filter_log_events", group.clone());
        let log = events["events"].to_string();
        log.contains(&request_id).then_some(log)
    });
    assert!(log.contains("ResourceNotFoundException"), "{log}");
    assert!(!log.contains("m-secret") && !log.contains("u-secret"), "{log}");

    // Nobody is told of a transaction that was not stored.
    let alerts = client.take_all_alerts();
    assert!(alerts.is_empty(), "{alerts:?}");
}

#[test]
fn an_analysis_that_fails_fails_loudly_and_discreetly() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    let result = client.invoke(ANALYZER, &json!({"time": "yesterday"}));
    assert_eq!(result["FunctionError"], "Unhandled", "{result:#}");

    let table = json!({"TableName": "transactions-dev"});
    env.aws.call("dynamodb", "delete_table", table);
    let result = client.invoke(ANALYZER, &json!({}));
    assert_eq!(result["FunctionError"], "Unhandled", "{result:#}");
    assert_discreet(&result["Payload"].to_string(), &env);
}

/// No name, no ARN, no account, and nothing of what an SDK says.
#[track_caller]
fn assert_discreet(text: &str, env: &Environment) {
    let small = text.to_ascii_lowercase();
    for leak in [
        "arn:",
        "dynamodb",
        "transactions-dev",
        "exception",
        "service error",
        "not found",
        "secret",
    ] {
        assert!(!small.contains(leak), "{leak:?} in {text}");
    }
    assert!(!text.contains(&env.account), "the account in {text}");
}
