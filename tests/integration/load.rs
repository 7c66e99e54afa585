//! Load on the deployed API: what is sent is answered, what is answered alerts, and nothing stays behind.

use crate::client::{now, text};
use crate::support::{Environment, Running, wait_until};
use serde_json::{Value, json};
use std::time::Duration;

/// Every answer has a score above this, so that every transaction alerts.
const ALL_ALERT: &str = "fraud_threshold = 0.05\n";

/// The queues of load runs.
#[track_caller]
fn queues(env: &Environment) -> Vec<String> {
    let params = json!({"QueueNamePrefix": "fraudctl-load-"});
    let found = env.aws.call("sqs", "list_queues", params);
    let urls = found["QueueUrls"].as_array().cloned().unwrap_or_default();
    urls.iter().map(text).collect()
}

fn topic(env: &Environment) -> String {
    format!("arn:aws:sns:us-east-1:{}:fraud-alerts-dev", env.account)
}

/// Where the alert topic's subscriptions lead.
#[track_caller]
fn endpoints(env: &Environment) -> Vec<String> {
    let params = json!({"TopicArn": topic(env)});
    let found = env.aws.call("sns", "list_subscriptions_by_topic", params);
    let all = found["Subscriptions"].as_array().expect("a list");
    all.iter().map(|one| text(&one["Endpoint"])).collect()
}

#[track_caller]
fn stored(env: &Environment) -> Vec<String> {
    let found = env
        .aws
        .call("dynamodb", "scan", json!({"TableName": "transactions-dev"}));
    let items = found["Items"].as_array().expect("a list of items");
    items.iter().map(|item| text(&item["transaction_id"]["S"])).collect()
}

/// A queue as a run makes it, subscribed as a run does.
#[track_caller]
fn queue(env: &Environment, name: &str, tags: Value) -> String {
    let params = json!({"QueueName": name, "tags": tags});
    let url = text(&env.aws.call("sqs", "create_queue", params)["QueueUrl"]);
    let endpoint = format!("arn:aws:sqs:us-east-1:{}:{name}", env.account);
    let params = json!({"TopicArn": topic(env), "Protocol": "sqs", "Endpoint": endpoint});
    env.aws.call("sns", "subscribe", params);
    url
}

#[test]
fn every_alert_that_the_answers_call_for_is_received_and_nothing_stays_behind() {
    let env = Environment::new().scoring();
    env.settings(ALL_ALERT);
    env.up();
    let before = endpoints(&env);
    // What a killed run left, what may still be under way, and what only looks like it.
    let until = |at: u64| json!({"fraudctl:env": "dev", "fraudctl:until": at.to_string()});
    queue(&env, "fraudctl-load-dev-0123456789abcdef01234567", until(now() - 1));
    let running = queue(&env, "fraudctl-load-dev-0123456789abcdef01234568", until(now() + 600));
    let other = queue(&env, "fraudctl-load-dev-0123456789abcdef01234569", json!({}));

    let run = ["load", "--rate", "4", "--duration", "5s", "--seed", "7", "--json"];
    let report = env.run(&run).exits(0).json();
    assert_eq!(
        (&report["planned"], &report["sent"]),
        (&json!(20), &json!(20)),
        "{report:#}"
    );
    assert_eq!(report["answers"], json!({"200": 20}), "{report:#}");
    assert_eq!(report["interrupted"], false, "{report:#}");
    let alerts = &report["alerts"];
    assert_eq!(
        (&alerts["expected"], &alerts["received"]),
        (&json!(20), &json!(20)),
        "{report:#}"
    );
    for none in ["missing", "unexpected", "repeated"] {
        assert_eq!(alerts[none], 0, "{report:#}");
    }
    let latency = |name: &str| report["latency_ms"][name].as_f64().expect("a number");
    assert!(latency("p50") > 0.0 && latency("p50") <= latency("p99"), "{report:#}");
    assert!(latency("p99_9") <= latency("max"), "{report:#}");

    let ids = stored(&env);
    let mark = format!("load-{}-", text(&report["run"]));
    assert!(ids.len() == 20 && ids.iter().all(|id| id.starts_with(&mark)), "{ids:?}");
    let mut left = queues(&env);
    left.sort();
    assert_eq!(left, [running, other]);
    let subscribed = endpoints(&env);
    assert_eq!(subscribed.len(), before.len() + 2, "{subscribed:?}");

    // The same seed again: the same transactions under other ids, so that none is taken for a repetition.
    env.run(&["load", "--rate", "4", "--duration", "1s", "--seed", "7"])
        .exits(0);
    assert_eq!(stored(&env).len(), 24);
}

#[test]
fn a_quota_that_will_not_last_is_told_before_anything_is_sent() {
    let env = Environment::new().scoring();
    env.settings("requests_per_day = 6\n");
    env.up();
    // Slow enough that a cold start on a busy machine does not use up the concurrent executions, which would be a 429 too.
    let run = ["load", "--rate", "2", "--duration", "5s", "--json"];
    let refused = env.run(&run).exits(1);
    assert!(refused.stderr.contains("allows 6 requests a day"), "{refused:?}");
    assert!(refused.stderr.contains("nothing was sent"), "{refused:?}");
    assert!(stored(&env).is_empty());
    assert!(queues(&env).is_empty());

    let report = env.run(&[&run[..], &["--yes"]].concat()).exits(3).json();
    assert_eq!(report["answers"], json!({"200": 6, "429": 4}), "{report:#}");
    assert_eq!(report["sent"], 10, "{report:#}");
    assert_eq!(stored(&env).len(), 6);
}

#[test]
fn an_interrupted_run_reports_what_was_sent_and_tidies_up() {
    let env = Environment::new().scoring();
    env.settings(ALL_ALERT);
    env.up();
    let before = endpoints(&env);
    let load = Running::start(env.command(&["load", "--rate", "4", "--duration", "200s", "--json"]));
    wait_until(Duration::from_secs(60), "a stored transaction", || {
        (stored(&env).len() >= 2).then_some(())
    });
    assert_eq!(queues(&env).len(), 1);
    load.signal("INT");
    let run = load.end().exits(130);
    let report = run.json();
    assert_eq!(report["interrupted"], true, "{report:#}");
    let sent = report["sent"].as_u64().expect("a number");
    assert!((2..800).contains(&sent), "{report:#}");
    assert_eq!(report["answers"]["200"], sent, "{report:#}");
    assert!(queues(&env).is_empty());
    assert_eq!(endpoints(&env), before);
}

#[test]
fn a_load_that_makes_no_sense_is_refused() {
    let env = Environment::new().scoring();
    for wrong in [
        ["--rate", "0"],
        ["--rate", "-1"],
        ["--rate", "NaN"],
        ["--rate", "20000"],
        ["--duration", "0s"],
        ["--duration", "1w"],
        ["--rate", "0.01"],
    ] {
        env.run(&[&["load"], &wrong[..]].concat()).exits(2);
    }
}
