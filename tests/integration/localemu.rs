//! A third emulator, which descends from LocalStack: the control plane, the whole flow, and policies that are enforced in
//! full, on resources and conditions too.

use crate::client::{Client, transaction};
use crate::drift::changes;
use crate::smoke::script;
use crate::support::{Emulator, Environment, LocalEmu};
use serde_json::{Value, json};
use std::sync::OnceLock;

/// One emulator for the tests of this file that enforce nothing.
fn shared() -> &'static Emulator {
    static SHARED: OnceLock<Emulator> = OnceLock::new();
    SHARED.get_or_init(|| Emulator::localemu(LocalEmu::default()))
}

/// One emulator that enforces policies.
fn enforcing() -> &'static Emulator {
    static ENFORCING: OnceLock<Emulator> = OnceLock::new();
    ENFORCING.get_or_init(|| Emulator::localemu(LocalEmu { enforce: true }))
}

#[test]
fn up_diff_and_down_do_on_a_third_emulator_what_they_do_on_the_first() {
    let env = Environment::on(shared()).scoring();
    let before = env.aws.inventory();
    let planned = env.diff();
    assert_eq!(planned["summary"]["create"], 60, "{planned:#}");

    let up = env.up();
    assert_eq!(up["summary"]["failed"], 0, "{up:#}");
    assert_eq!(up["summary"]["created"], 60, "{up:#}");
    env.assert_settled();
    let again = env.up();
    assert_eq!(again["steps"], json!([]), "{again:#}");
    assert_eq!(again["summary"]["unchanged"], 60, "{again:#}");

    let down = env.down();
    assert_eq!(down["summary"]["failed"], 0, "{down:#}");
    assert_eq!(down["summary"]["deleted"], 60, "{down:#}");
    assert_eq!(env.aws.inventory(), before);

    let back = env.up();
    assert_eq!(back["summary"]["created"], 60, "{back:#}");
    env.assert_settled();
}

#[test]
fn what_is_changed_behind_our_back_is_found_and_put_right() {
    let env = Environment::on(shared()).scoring();
    env.up();
    for (_, service, operation, params) in tampering(&env) {
        env.aws.call(service, operation, params);
    }
    let diff = env.diff();
    let found: Vec<String> = changes(&diff).into_iter().map(|(address, ..)| address).collect();
    let mut tampered: Vec<String> = tampering(&env).into_iter().map(|(at, ..)| at.to_owned()).collect();
    tampered.sort();
    assert_eq!(found, tampered, "{diff:#}");

    let up = env.up();
    assert_eq!(up["summary"]["failed"], 0, "{up:#}");
    assert_eq!(up["summary"]["updated"], tampered.len(), "{up:#}");
    env.assert_settled();
}

/// Where somebody changes something, and by which call.
fn tampering(env: &Environment) -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let topic = format!("arn:aws:sns:us-east-1:{}:fraud-alerts-dev", env.account);
    let queue = env
        .aws
        .call("sqs", "get_queue_url", json!({"QueueName": "fraud-alerts-queue-dev"}));
    let log = "/aws/lambda/transaction-processor-dev";
    let threshold = "/fraud-detection/dev/fraud_threshold";
    vec![
        (
            "functions.processor",
            "lambda",
            "update_function_configuration",
            json!({"FunctionName": "transaction-processor-dev", "MemorySize": 1024}),
        ),
        (
            "functions.processor_log_group",
            "logs",
            "put_retention_policy",
            json!({"logGroupName": log, "retentionInDays": 1}),
        ),
        (
            "functions.schedule",
            "events",
            "disable_rule",
            json!({"Name": "pattern-analysis-schedule-dev"}),
        ),
        (
            "messaging.alerts",
            "sns",
            "set_topic_attributes",
            json!({"TopicArn": topic, "AttributeName": "DisplayName", "AttributeValue": "theirs"}),
        ),
        (
            "messaging.alerts_queue",
            "sqs",
            "set_queue_attributes",
            json!({"QueueUrl": queue["QueueUrl"], "Attributes": {"VisibilityTimeout": "1"}}),
        ),
        (
            "monitoring.dashboard",
            "cloudwatch",
            "put_dashboard",
            json!({"DashboardName": "fraud-detection-dev", "DashboardBody": "{\"widgets\": []}"}),
        ),
        (
            "security.alias",
            "kms",
            "update_alias",
            json!({"AliasName": "alias/fraud-detection-dev", "TargetKeyId": other_key(env)}),
        ),
        (
            "storage.fraud_threshold",
            "ssm",
            "put_parameter",
            json!({"Name": threshold, "Value": "0.1", "Overwrite": true}),
        ),
    ]
}

fn other_key(env: &Environment) -> Value {
    env.aws.call("kms", "create_key", json!({}))["KeyMetadata"]["KeyId"].take()
}

/// By `AWS_ENDPOINT_URL` alone, as a pipeline does it.
#[test]
fn the_smoke_script_passes_on_a_third_emulator() {
    let env = Environment::on(shared()).scoring();
    let before = env.aws.inventory();
    let output = script(&env).output().expect("bash starts");
    assert!(
        output.status.success() && String::from_utf8_lossy(&output.stdout).ends_with("smoke: passed\n"),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(env.aws.inventory(), before);
}

#[test]
fn the_functions_work_under_their_own_roles() {
    let env = Environment::on(enforcing()).scoring();
    let client = Client::of_new(&env);
    for (id, amount, score) in [("t-small", "150.50", "0.1"), ("t-large", "15000", "0.9")] {
        let answer = client.post(&transaction(id, "u-1", amount)).with_status(200);
        assert_eq!(answer["fraud_score"].to_string(), score, "{answer:#}");
    }
    let alerts = client.take_alerts(1);
    assert_eq!(alerts[0].message["transaction_id"], "t-large", "{alerts:?}");
    let result = client.invoke("pattern-analyzer-dev", &json!({}));
    assert!(result.get("FunctionError").is_none(), "{result:#}");
    assert_eq!(result["Payload"]["body"]["suspicious_count"], 1, "{result:#}");
    env.assert_settled();
}

/// Else the test above would show nothing.
#[test]
fn without_its_policy_each_function_is_refused() {
    let env = Environment::on(enforcing()).scoring();
    let client = Client::of_new(&env);
    client.post(&transaction("t-1", "u-1", "1")).with_status(200);
    for name in ["transaction-processor", "pattern-analyzer"] {
        let policy = format!("arn:aws:iam::{}:policy/{name}-policy-0-dev", env.account);
        let detached = json!({"RoleName": format!("{name}-role-dev"), "PolicyArn": policy});
        env.aws.call("iam", "detach_role_policy", detached);
    }
    client.post(&transaction("t-2", "u-1", "1")).with_status(500);
    let result = client.invoke("pattern-analyzer-dev", &json!({}));
    assert_eq!(result["FunctionError"], "Unhandled", "{result:#}");
}
