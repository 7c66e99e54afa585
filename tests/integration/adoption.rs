//! What is ours is known to be ours whatever happens to the state; what is not ours is never touched.

use std::fs;

use serde_json::{Value, json};

use crate::support::read::{find, outputs};
use crate::support::{Aws, Environment, Running};

/// The smallest zip file, with nothing in it.
const EMPTY_ZIP: &str = "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==";

fn recorded(env: &Environment) -> Value {
    let text = fs::read_to_string(env.state_file()).expect("there is a state");
    let state: Value = serde_json::from_str(&text).expect("the state is JSON");
    state["resources"].clone()
}

#[test]
fn a_lost_state_is_written_again_by_an_up_that_changes_nothing() {
    let env = Environment::new();
    let first = env.up();
    let (inventory, resources) = (env.aws.inventory(), recorded(&env));
    fs::remove_file(env.state_file()).expect("the state is there");

    let diff = env.diff();
    assert_eq!(diff["summary"]["adopt"], 60, "{diff:#}");
    let changes = diff["changes"].as_array().expect("a list");
    let fields = changes
        .iter()
        .flat_map(|change| change["fields"].as_array().expect("a list"));
    assert_eq!(fields.count(), 0, "{diff:#}");

    let second = env.up();
    let expected = json!({
        "created": 0, "updated": 0, "replaced": 0, "deleted": 0, "adopted": 60, "unchanged": 0, "failed": 0, "skipped": 0
    });
    assert_eq!(second["summary"], expected, "{second:#}");
    assert_eq!(second["outputs"], first["outputs"]);
    assert_eq!(recorded(&env), resources);
    assert_eq!(env.aws.inventory(), inventory);
    env.assert_settled();
}

#[test]
fn without_a_state_what_was_changed_meanwhile_is_adopted_and_put_right() {
    let env = Environment::new();
    env.up();
    let url = outputs(&env).get("messaging.lambda_dlq", "url");
    let timeout = || {
        let asked = json!({"QueueUrl": url, "AttributeNames": ["VisibilityTimeout"]});
        env.aws.call("sqs", "get_queue_attributes", asked)["Attributes"]["VisibilityTimeout"].clone()
    };
    let tampered = json!({"QueueUrl": url, "Attributes": {"VisibilityTimeout": "7"}});
    env.aws.call("sqs", "set_queue_attributes", tampered);
    assert_eq!(timeout(), "7");
    fs::remove_file(env.state_file()).expect("the state is there");

    let diff = env.diff();
    let change = find(&diff["changes"], "address", "messaging.lambda_dlq").expect("it differs");
    assert_eq!(change["action"], "adopt", "{change:#}");
    assert_eq!(change["fields"][0]["path"], "visibility_timeout", "{change:#}");
    let up = env.up();
    assert_eq!(up["summary"]["created"], 0, "{up:#}");
    assert_eq!(up["summary"]["adopted"], 60, "{up:#}");
    assert_eq!(timeout(), "300");
    env.assert_settled();
}

#[test]
fn down_finds_everything_without_a_state() {
    let env = Environment::new();
    let before = env.aws.inventory();
    env.up();
    assert_ne!(env.aws.inventory(), before);
    fs::remove_file(env.state_file()).expect("the state is there");
    let down = env.down();
    assert_eq!(down["summary"]["deleted"], 60, "{down:#}");
    assert_eq!(env.aws.inventory(), before);
}

#[test]
fn two_environments_stand_side_by_side_and_one_goes_alone() {
    let env = Environment::new();
    let two = |command: &str| env.run(&[command, "--yes", "--json", "--env", "two"]).exits(0).json();
    let settled = || env.run(&["diff", "--json", "--env", "two"]).exits(0).json()["changes"] == json!([]);
    let nothing = env.aws.inventory();
    env.up();
    let first = env.aws.inventory();
    let up = two("up");
    assert_eq!(up["summary"]["created"], 60, "{up:#}");
    let both = env.aws.inventory();
    for resource in &first {
        assert!(both.contains(resource), "{resource} is gone");
    }
    assert_eq!(both.len() - nothing.len(), 2 * (first.len() - nothing.len()));
    env.assert_settled();
    assert!(settled());

    let down = env.down();
    assert_eq!(down["summary"]["deleted"], 60, "{down:#}");
    let rest: Vec<String> = both
        .into_iter()
        .filter(|one| nothing.contains(one) || !first.contains(one))
        .collect();
    assert_eq!(env.aws.inventory(), rest);
    assert!(settled());
    two("down");
    assert_eq!(env.aws.inventory(), nothing);
}

/// Asserts that what `make` makes, which has a name of ours, keeps `up` from doing anything and survives a `down`.
#[track_caller]
fn refused(address: &str, make: fn(&Aws, &str)) {
    let env = Environment::new();
    make(&env.aws, &env.account);
    let before = env.aws.inventory();

    let up = env.run(&["up", "--yes", "--json"]).exits(1);
    assert!(up.stderr.contains(address) && up.stderr.contains("not ours"), "{up:#?}");
    assert_eq!(up.stdout, "");
    assert_eq!(env.aws.inventory(), before);
    assert!(!env.state_file().exists());

    let down = env.down();
    assert_eq!(down["summary"]["deleted"], 0, "{down:#}");
    assert_eq!(env.aws.inventory(), before);
}

#[test]
fn a_foreign_queue_is_refused_and_left_alone() {
    refused("messaging.lambda_dlq", |aws, _| {
        aws.call("sqs", "create_queue", json!({"QueueName": "lambda-dlq-dev"}));
    });
}

#[test]
fn a_foreign_table_is_refused_and_left_alone() {
    refused("storage.transactions", |aws, _| {
        let table = json!({
            "TableName": "transactions-dev",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]
        });
        aws.call("dynamodb", "create_table", table);
    });
}

#[test]
fn a_foreign_role_is_refused_and_left_alone() {
    refused("functions.processor_role", |aws, _| {
        let trust = r#"{"Version": "2012-10-17", "Statement": []}"#;
        let role = json!({"RoleName": "transaction-processor-role-dev", "AssumeRolePolicyDocument": trust});
        aws.call("iam", "create_role", role);
    });
}

#[test]
fn a_foreign_topic_is_refused_and_left_alone() {
    refused("messaging.alerts", |aws, _| {
        aws.call("sns", "create_topic", json!({"Name": "fraud-alerts-dev"}));
    });
}

/// A bare one is no foreign one: Lambda and SNS make such groups by themselves, for what is ours.
#[test]
fn a_foreign_log_group_is_refused_and_left_alone() {
    refused("functions.analyzer_log_group", |aws, _| {
        let name = "/aws/lambda/pattern-analyzer-dev";
        aws.call("logs", "create_log_group", json!({"logGroupName": name}));
        aws.call(
            "logs",
            "put_retention_policy",
            json!({"logGroupName": name, "retentionInDays": 1}),
        );
    });
}

#[test]
fn a_foreign_function_is_refused_and_left_alone() {
    refused("functions.analyzer", |aws, account| {
        let function = json!({
            "FunctionName": "pattern-analyzer-dev",
            "Runtime": "python3.12",
            "Handler": "index.handler",
            "Role": format!("arn:aws:iam::{account}:role/theirs"),
            "Code": {"ZipFile": {"$base64": EMPTY_ZIP}}
        });
        aws.call("lambda", "create_function", function);
    });
}

#[test]
fn a_foreign_alias_is_refused_and_left_alone() {
    refused("security.alias", |aws, _| {
        let key = aws.call("kms", "create_key", json!({}));
        let alias = json!({"AliasName": "alias/fraud-detection-dev", "TargetKeyId": key["KeyMetadata"]["KeyId"]});
        aws.call("kms", "create_alias", alias);
    });
}

#[test]
fn a_foreign_rule_is_refused_and_left_alone() {
    refused("functions.schedule", |aws, _| {
        let rule = json!({"Name": "pattern-analysis-schedule-dev", "ScheduleExpression": "rate(1 day)"});
        aws.call("events", "put_rule", rule);
    });
}

#[test]
fn a_foreign_alarm_is_refused_and_left_alone() {
    refused("monitoring.lambda_dlq", |aws, _| {
        let alarm = json!({
            "AlarmName": "lambda-dlq-depth-dev",
            "Namespace": "Theirs",
            "MetricName": "Theirs",
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 1.0,
            "ComparisonOperator": "GreaterThanThreshold"
        });
        aws.call("cloudwatch", "put_metric_alarm", alarm);
    });
}

#[test]
fn a_foreign_dashboard_is_refused_and_left_alone() {
    refused("monitoring.dashboard", |aws, _| {
        let dashboard = json!({"DashboardName": "fraud-detection-dev", "DashboardBody": r#"{"widgets": []}"#});
        aws.call("cloudwatch", "put_dashboard", dashboard);
    });
}

#[test]
fn a_foreign_parameter_is_refused_and_left_alone() {
    refused("storage.fraud_threshold", |aws, _| {
        let parameter = json!({"Name": "/fraud-detection/dev/fraud_threshold", "Value": "1", "Type": "String"});
        aws.call("ssm", "put_parameter", parameter);
    });
}

#[test]
fn a_resource_of_another_environment_is_foreign() {
    let env = Environment::new();
    env.run(&["up", "--yes", "--json", "--env", "two"]).exits(0);
    let url = env
        .aws
        .call("sqs", "get_queue_url", json!({"QueueName": "lambda-dlq-two"}))["QueueUrl"]
        .clone();
    // What another environment's tags are on is that environment's, under whatever name.
    let tags = env.aws.call("sqs", "list_queue_tags", json!({"QueueUrl": url}))["Tags"].clone();
    env.aws.call(
        "sqs",
        "create_queue",
        json!({"QueueName": "lambda-dlq-dev", "tags": tags}),
    );
    let before = env.aws.inventory();

    let up = env.run(&["up", "--yes", "--json"]).exits(1);
    assert!(up.stderr.contains("messaging.lambda_dlq"), "{up:#?}");
    assert_eq!(env.aws.inventory(), before);
    assert_eq!(env.down()["summary"]["deleted"], 0);
    assert_eq!(env.aws.inventory(), before);
}

#[test]
fn the_mail_subscription_comes_and_goes_with_the_address() {
    let env = Environment::new();
    env.up();
    let mails = || {
        let all = env.aws.call("sns", "list_subscriptions", json!({}));
        find(&all["Subscriptions"], "Protocol", "email").map(|one| one["Endpoint"].clone())
    };
    assert_eq!(mails(), None);

    env.settings("alert_email = \"ops@fintech.io\"\n");
    let diff = env.diff();
    let created = find(&diff["changes"], "address", "messaging.ops_email").expect("it is planned");
    assert_eq!(created["action"], "create", "{diff:#}");
    let parameter = find(&diff["changes"], "address", "storage.alert_email").expect("it is planned");
    assert_eq!(parameter["fields"][0]["cause"], "intent", "{diff:#}");
    assert_eq!(diff["changes"].as_array().map(Vec::len), Some(2), "{diff:#}");
    let up = env.up();
    assert_eq!(
        (&up["summary"]["created"], &up["summary"]["updated"]),
        (&json!(1), &json!(1)),
        "{up:#}"
    );
    assert_eq!(mails(), Some(json!("ops@fintech.io")));
    env.assert_settled();

    env.settings("alert_email = \"alerts@example.com\"\n");
    let diff = env.diff();
    let gone = find(&diff["changes"], "address", "messaging.ops_email").expect("it is planned");
    assert_eq!(gone["action"], "delete", "{diff:#}");
    let up = env.up();
    assert_eq!(
        (&up["summary"]["deleted"], &up["summary"]["updated"]),
        (&json!(1), &json!(1)),
        "{up:#}"
    );
    assert_eq!(mails(), None);
    env.assert_settled();
}

/// AWS keeps roles, policies and dashboards for all regions at once.
#[test]
fn the_same_environment_in_another_region_takes_nothing_from_the_first() {
    let env = Environment::new();
    env.up();
    let before = env.aws.shape();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let elsewhere = |args: &[&str]| {
        let mut command = env.command(args);
        command
            .env("AWS_REGION", "eu-west-1")
            .env("FRAUDCTL_STATE", folder.path());
        Running::start(command).end()
    };
    let up = elsewhere(&["up", "--yes"]).exits(1);
    for says in [
        "functions.processor_role",
        "functions.processor_policy",
        "messaging.feedback_role",
        "it serves the region us-east-1, by its tag fraudctl:region",
    ] {
        assert!(up.stderr.contains(says), "does not say {says:?}: {up:#?}");
    }
    let adopt = elsewhere(&["up", "--yes", "--adopt", "functions.processor_role"]).exits(1);
    assert!(adopt.stderr.contains("it serves the region us-east-1"), "{adopt:#?}");
    elsewhere(&["down", "--yes"]).exits(0);
    assert_eq!(env.aws.shape(), before);
    env.assert_settled();
}

#[test]
fn what_lost_its_tags_is_left_alone_by_down_and_that_is_no_success() {
    let env = Environment::new();
    let before = env.aws.inventory();
    env.up();
    let queue = env
        .aws
        .call("sqs", "get_queue_url", json!({"QueueName": "lambda-dlq-dev"}))["QueueUrl"]
        .clone();
    let tags = env.aws.call("sqs", "list_queue_tags", json!({"QueueUrl": queue}))["Tags"].clone();
    let keys: Vec<&String> = tags.as_object().expect("tags").keys().collect();
    env.aws
        .call("sqs", "untag_queue", json!({"QueueUrl": queue, "TagKeys": keys}));

    let down = env.run(&["down", "--yes", "--json"]).exits(3);
    assert!(
        down.stderr
            .contains("left alone, though remembered: messaging.lambda_dlq"),
        "{down:#?}"
    );
    // With the key, without which nobody could read what is in the queue.
    let left = &down.json()["left_alone"];
    assert_eq!(left[0]["address"], "messaging.lambda_dlq");
    assert_eq!(left[1]["address"], "security.key");
    assert_eq!(left[1]["why"], "messaging.lambda_dlq, which is left alone, needs it");
    assert_eq!(down.json()["summary"]["deleted"], 58);
    env.aws.call("sqs", "get_queue_attributes", json!({"QueueUrl": queue}));
    let key = json!({"KeyId": outputs(&env).id("security.key")});
    let key = env.aws.call("kms", "describe_key", key);
    assert_eq!(key["KeyMetadata"]["KeyState"], "Enabled", "{key:#}");

    env.aws
        .call("sqs", "tag_queue", json!({"QueueUrl": queue, "Tags": tags}));
    env.down();
    assert_eq!(env.aws.inventory(), before);
}
