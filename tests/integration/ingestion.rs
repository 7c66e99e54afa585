//! Transactions that are sent again and again, at once, and while the function dies: each is stored once, each request
//! gets the same answer, and no alert is lost or made twice.

use crate::client::{Alert, Answer, Client, now, text, transaction};
use crate::support::{Environment, wait_until};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const ANALYZER: &str = "pattern-analyzer-dev";
const DISTINCT: usize = 20;
const TIMES: usize = 10;

/// Twenty transactions, every third of which calls for an alert, each ten times, in an order of chance.
fn shuffled(seed: u64) -> Vec<(String, String)> {
    let mut requests: Vec<(String, String)> = (0..DISTINCT)
        .flat_map(|number| {
            let id = format!("t-{number}");
            let amount = if alerts(&id) { "15000.50" } else { "12.50" };
            let body = transaction(&id, &format!("u-{number}"), amount);
            std::iter::repeat_n((id, body), TIMES)
        })
        .collect();
    fastrand::Rng::with_seed(seed).shuffle(&mut requests);
    requests
}

fn alerts(id: &str) -> bool {
    let number: usize = id.trim_start_matches("t-").parse().expect("a number");
    number.is_multiple_of(3)
}

/// Asserts that every transaction was stored once and answered in one way, and returns the ids that call for an alert.
#[track_caller]
fn assert_each_once(client: &Client, requests: &[(String, String)], answers: &[Answer]) -> BTreeSet<String> {
    let mut bodies: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for ((id, _), answer) in requests.iter().zip(answers) {
        answer.with_status(200);
        bodies.entry(id).or_default().insert(&answer.body);
    }
    assert_eq!(answers.len(), DISTINCT * TIMES);
    assert!(bodies.values().all(|different| different.len() == 1), "{bodies:#?}");
    assert_eq!(client.stored_in_all(), DISTINCT as u64);
    for id in bodies.keys() {
        assert_eq!(client.stored(id).len(), 1, "{id}");
    }
    bodies.into_keys().filter(|id| alerts(id)).map(str::to_owned).collect()
}

fn ids(alerts: &[Alert]) -> Vec<String> {
    let mut ids: Vec<String> = alerts
        .iter()
        .map(|alert| text(&alert.message["transaction_id"]))
        .collect();
    ids.sort();
    ids
}

#[test]
fn two_hundred_requests_at_once_for_twenty_transactions_store_and_alert_each_once() {
    let env = Environment::new().scoring();
    // What is tried again counts too.
    env.settings("requests_per_day = 100000\n");
    let client = Client::of_new(&env);
    let requests = shuffled(1);
    let bodies: Vec<&str> = requests.iter().map(|(_, body)| body.as_str()).collect();
    let answers = client.post_all(&bodies);
    let expected = assert_each_once(&client, &requests, &answers);

    let alerts = client.take_all_alerts();
    assert_eq!(ids(&alerts), expected.into_iter().collect::<Vec<_>>());
    assert_eq!(pending(&env), 0);
}

#[test]
fn the_same_while_the_function_is_killed_again_and_again() {
    let env = Environment::new().scoring();
    // What is tried again counts too.
    env.settings("requests_per_day = 100000\n");
    let client = Client::of_new(&env);
    let requests = shuffled(2);
    let bodies: Vec<&str> = requests.iter().map(|(_, body)| body.as_str()).collect();
    let killer = Killer::of(&env.account);
    let answers = client.post_all(&bodies);
    let killed = killer.stop();
    assert!(killed >= 10, "only {killed} processes were killed");
    let expected = assert_each_once(&client, &requests, &answers);

    // Alerts whose requests died are sent by the analyzer, once nobody can be at them any more.
    wait_until(Duration::from_secs(120), "no alert to be pending", || {
        client.invoke(ANALYZER, &json!({}));
        (pending(&env) == 0).then_some(())
    });
    let mut alerts = client.take_all_alerts();
    alerts.retain(|alert| alert.message.get("transaction_id").is_some());
    let told = ids(&alerts);
    let distinct: BTreeSet<String> = told.iter().cloned().collect();
    assert_eq!(distinct, expected, "lost or invented");
    // Between publishing and noting it lies an instant in which a kill makes the next one publish again: the only case, and
    // the message is the very same, so that whoever reads it can tell.
    assert!(told.len() - distinct.len() <= killed, "{told:?}");
    let messages: BTreeSet<String> = alerts.iter().map(|alert| alert.message.to_string()).collect();
    assert_eq!(messages.len(), distinct.len(), "{messages:#?}");
}

#[test]
fn another_payload_under_a_used_id_is_refused_and_changes_nothing() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    let first = client.post(&transaction("t-1", "u-1", "150.50"));
    first.with_status(200);
    let stored = client.stored("t-1");

    for body in [transaction("t-1", "u-1", "150.51"), transaction("t-1", "u-2", "150.50")] {
        let answer = client.post(&body).with_status(409);
        assert_eq!(answer["field"], "transaction_id", "{answer:#}");
    }
    assert_eq!(client.stored("t-1"), stored);
    // The same, said in another way.
    let again = client.post(r#"{"amount": 1505e-1, "user_id": "u-1", "transaction_id": "t-1", "location": "Unknown"}"#);
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(client.stored_in_all(), 1);
    assert!(client.take_all_alerts().is_empty());
}

#[test]
fn an_alert_that_cannot_be_published_is_kept_and_sent_when_it_can_be() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    let topic = format!(
        "arn:aws:sns:{}:{}:fraud-alerts-dev",
        crate::support::REGION,
        env.account
    );
    env.aws.call("sns", "delete_topic", json!({"TopicArn": topic}));
    client.post(&transaction("t-1", "u-1", "15000")).with_status(200);
    assert_eq!(pending(&env), 1);
    let sent = text(&client.stored("t-1")[0]["alert_message"]["S"]);

    // It cannot be sent yet, and that is no success.
    let fails = wait_until(Duration::from_secs(60), "the analyzer to try", || {
        let result = client.invoke(ANALYZER, &json!({}));
        result.get("FunctionError").cloned()
    });
    assert_eq!(fails, "Unhandled");
    env.run(&["up", "--yes"]).exits(0);
    wait_until(Duration::from_secs(120), "the alert to be sent", || {
        client.invoke(ANALYZER, &json!({}));
        (pending(&env) == 0).then_some(())
    });
    let alerts = client.take_all_alerts();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let message: Value = serde_json::from_str(&sent).expect("JSON");
    assert_eq!(alerts[0].message, message);
    let item = &client.stored("t-1")[0];
    let sent_at: u64 = text(&item["alert_sent_at"]["N"]).parse().expect("seconds");
    assert!(sent_at <= now() && item.get("pending_alert").is_none(), "{item:#}");
}

#[test]
fn rules_are_taken_from_their_parameter_and_broken_ones_fall_back() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    let parameter = "/fraud-detection/dev/rules";
    let seeded = env.aws.call("ssm", "get_parameter", json!({"Name": parameter}));
    let mut rules: Value = serde_json::from_str(&text(&seeded["Parameter"]["Value"])).expect("JSON");
    let version_of = |id: &str| {
        let answer = client.post(&transaction(id, "u-1", "1")).with_status(200);
        text(&answer["rules_version"])
    };
    let builtin = version_of("t-builtin");
    assert_eq!(text(&rules["version"]), builtin);

    rules["version"] = json!("mine-7");
    let put = |value: &str| {
        let params = json!({"Name": parameter, "Value": value, "Type": "String", "Overwrite": true});
        env.aws.call("ssm", "put_parameter", params);
        // A new instance reads the parameter anew; this is what makes all of them new.
        let params = json!({"FunctionName": "transaction-processor-dev", "MemorySize": 256 + value.len() % 512});
        env.aws.call("lambda", "update_function_configuration", params);
    };
    put(&rules.to_string());
    assert_eq!(version_of("t-mine"), "mine-7");
    assert_eq!(client.stored("t-mine")[0]["rules_version"], json!({"S": "mine-7"}));
    put("{ not rules");
    assert_eq!(version_of("t-broken"), builtin);

    let group = json!({"logGroupName": "/aws/lambda/transaction-processor-dev"});
    wait_until(Duration::from_secs(30), "the metric of the fallback", || {
        let events = env.aws.call("logs", "filter_log_events", group.clone());
        let told = events["events"].as_array().is_some_and(|events| {
            events
                .iter()
                .filter_map(|event| serde_json::from_str::<Value>(event["message"].as_str()?).ok())
                .any(|line| line["RulesFallback"] == 1 && line["event"] == "rules_unreadable")
        });
        told.then_some(())
    });
}

/// How many stored transactions have an alert that is still to be sent.
fn pending(env: &Environment) -> usize {
    let found = env.aws.call(
        "dynamodb",
        "query",
        json!({
            "TableName": "transactions-dev",
            "IndexName": "pending-alerts-index",
            "KeyConditionExpression": "pending_alert = :pending",
            "ExpressionAttributeValues": {":pending": {"S": "transaction"}},
        }),
    );
    found["Items"].as_array().map_or(0, Vec::len)
}

/// Kills processes of the functions of one account, at moments of chance.
struct Killer {
    stop: std::sync::Arc<AtomicBool>,
    killed: std::sync::Arc<AtomicUsize>,
    thread: thread::JoinHandle<()>,
}

impl Killer {
    fn of(account: &str) -> Self {
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let killed = std::sync::Arc::new(AtomicUsize::new(0));
        let topic = format!(
            "SNS_TOPIC_ARN=arn:aws:sns:{}:{account}:fraud-alerts-dev",
            crate::support::REGION
        );
        let (stops, counts) = (stop.clone(), killed.clone());
        let thread = thread::spawn(move || {
            let mut chance = fastrand::Rng::with_seed(7);
            // Enough to meet every stage of a request, and few enough for the test to end.
            while !stops.load(Ordering::Relaxed) && counts.load(Ordering::Relaxed) < 40 {
                for pid in processes(&topic) {
                    if chance.u8(..) < 64 {
                        let kill = ["-c", "kill -KILL \"$1\" 2>/dev/null", "sh", &pid.to_string()].map(str::to_owned);
                        let status = std::process::Command::new("sh").args(kill).status();
                        if status.is_ok_and(|status| status.success()) {
                            counts.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
                thread::yield_now();
            }
        });
        Self { stop, killed, thread }
    }

    /// Ends it, and tells how many it killed.
    fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it has not panicked");
        self.killed.load(Ordering::Relaxed)
    }
}

/// The processes with this in their environment.
fn processes(variable: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == variable.as_bytes())
    })
    .collect()
}
