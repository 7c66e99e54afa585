//! `up --adopt`: what has a name of ours and is somebody else's becomes ours, on request and never otherwise.

use std::fs;

use serde_json::{Value, json};

use crate::support::read::{find, outputs};
use crate::support::{Aws, Environment};

/// The smallest zip file, with nothing in it.
const EMPTY_ZIP: &str = "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==";

/// A table with the keys of the transactions.
fn table(range_key_type: &str) -> Value {
    json!({
        "TableName": "transactions-dev",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": "transaction_id", "AttributeType": "S"},
            {"AttributeName": "timestamp", "AttributeType": range_key_type}
        ],
        "KeySchema": [
            {"AttributeName": "transaction_id", "KeyType": "HASH"},
            {"AttributeName": "timestamp", "KeyType": "RANGE"}
        ]
    })
}

/// Makes one resource of somebody else's of each kind that has a name and tags, or is told by what it points to.
fn make_theirs(aws: &Aws, account: &str) {
    let team = json!([{"Key": "Team", "Value": "risk"}]);
    let queue = json!({"QueueName": "lambda-dlq-dev", "tags": {"Team": "risk"}});
    let queue = aws.call("sqs", "create_queue", queue)["QueueUrl"].clone();
    aws.call(
        "sqs",
        "send_message",
        json!({"QueueUrl": queue, "MessageBody": "theirs"}),
    );

    aws.call("dynamodb", "create_table", table("N"));
    let item = json!({"transaction_id": {"S": "t-1"}, "timestamp": {"N": "1"}});
    aws.call(
        "dynamodb",
        "put_item",
        json!({"TableName": "transactions-dev", "Item": item}),
    );

    let nobody = r#"{"Version": "2012-10-17", "Statement": []}"#;
    let role = json!({"RoleName": "transaction-processor-role-dev", "AssumeRolePolicyDocument": nobody, "Tags": team});
    aws.call("iam", "create_role", role);
    let document = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    ]});
    let policy = json!({
        "PolicyName": "pattern-analyzer-policy-0-dev",
        "Description": "What pattern-analyzer may do",
        "PolicyDocument": document.to_string()
    });
    aws.call("iam", "create_policy", policy);

    let group = "/aws/lambda/pattern-analyzer-dev";
    aws.call("logs", "create_log_group", json!({"logGroupName": group}));
    aws.call(
        "logs",
        "put_retention_policy",
        json!({"logGroupName": group, "retentionInDays": 1}),
    );

    aws.call("sns", "create_topic", json!({"Name": "fraud-alerts-dev"}));

    let function = json!({
        "FunctionName": "pattern-analyzer-dev",
        "Runtime": "python3.12",
        "Handler": "index.handler",
        "Role": format!("arn:aws:iam::{account}:role/theirs"),
        "Environment": {"Variables": {"DB_PASSWORD": "hunter2"}},
        "Code": {"ZipFile": {"$base64": EMPTY_ZIP}}
    });
    aws.call("lambda", "create_function", function);

    let key = aws.call("kms", "create_key", json!({}));
    let alias = json!({"AliasName": "alias/fraud-detection-dev", "TargetKeyId": key["KeyMetadata"]["KeyId"]});
    aws.call("kms", "create_alias", alias);

    let rule = json!({"Name": "pattern-analysis-schedule-dev", "ScheduleExpression": "rate(1 day)"});
    aws.call("events", "put_rule", rule);

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

    let dashboard = json!({"DashboardName": "fraud-detection-dev", "DashboardBody": r#"{"widgets": []}"#});
    aws.call("cloudwatch", "put_dashboard", dashboard);

    let parameter = json!({"Name": "/fraud-detection/dev/fraud_threshold", "Value": "1", "Type": "String"});
    aws.call("ssm", "put_parameter", parameter);
    // The analyst's own; whoever adopts the parameter keeps what is in it.
    let rules = fraud::Rules::builtin().to_json().replace("builtin-1", "theirs-7");
    let parameter = json!({"Name": "/fraud-detection/dev/rules", "Value": rules, "Type": "String"});
    aws.call("ssm", "put_parameter", parameter);
}

/// Where all of that stands.
const THEIRS: [&str; 14] = [
    "functions.analyzer",
    "functions.analyzer_log_group",
    "functions.analyzer_policy",
    "functions.processor_role",
    "functions.schedule",
    "messaging.alerts",
    "messaging.lambda_dlq",
    "monitoring.dashboard",
    "monitoring.lambda_dlq",
    "security.alias",
    "storage.fraud_threshold",
    "storage.profiles",
    "storage.rules",
    "storage.transactions",
];

/// The flags that ask for these.
fn adopt<'a>(command: &[&'a str], addresses: &[&'a str]) -> Vec<&'a str> {
    let flags = addresses.iter().flat_map(|address| ["--adopt", address]);
    command.iter().copied().chain(flags).collect()
}

/// The tags of whatever has tags, read by an independent client: address and tags.
fn tags_of(env: &Environment) -> Vec<(&'static str, String)> {
    let (aws, known) = (&env.aws, outputs(env));
    let arn = |address: &str| known.arn(address);
    let dashboard = json!({"DashboardName": "fraud-detection-dev"});
    vec![
        (
            "messaging.lambda_dlq",
            aws.call(
                "sqs",
                "list_queue_tags",
                json!({"QueueUrl": known.get("messaging.lambda_dlq", "url")}),
            ),
        ),
        (
            "storage.transactions",
            aws.call(
                "dynamodb",
                "list_tags_of_resource",
                json!({"ResourceArn": arn("storage.transactions")}),
            ),
        ),
        (
            "functions.processor_role",
            aws.call(
                "iam",
                "list_role_tags",
                json!({"RoleName": "transaction-processor-role-dev"}),
            ),
        ),
        (
            "functions.analyzer_policy",
            aws.call(
                "iam",
                "list_policy_tags",
                json!({"PolicyArn": arn("functions.analyzer_policy")}),
            ),
        ),
        (
            "functions.analyzer_log_group",
            aws.call(
                "logs",
                "list_tags_for_resource",
                json!({"resourceArn": arn("functions.analyzer_log_group")}),
            ),
        ),
        (
            "messaging.alerts",
            aws.call(
                "sns",
                "list_tags_for_resource",
                json!({"ResourceArn": arn("messaging.alerts")}),
            ),
        ),
        (
            "functions.analyzer",
            aws.call("lambda", "list_tags", json!({"Resource": arn("functions.analyzer")})),
        ),
        (
            "functions.schedule",
            aws.call(
                "events",
                "list_tags_for_resource",
                json!({"ResourceARN": arn("functions.schedule")}),
            ),
        ),
        (
            "monitoring.lambda_dlq",
            aws.call(
                "cloudwatch",
                "list_tags_for_resource",
                json!({"ResourceARN": arn("monitoring.lambda_dlq")}),
            ),
        ),
        (
            "monitoring.dashboard",
            aws.call("cloudwatch", "get_dashboard", dashboard),
        ),
        (
            "storage.fraud_threshold",
            aws.call(
                "ssm",
                "list_tags_for_resource",
                json!({"ResourceType": "Parameter", "ResourceId": "/fraud-detection/dev/fraud_threshold"}),
            ),
        ),
    ]
    .into_iter()
    .map(|(address, tags)| (address, tags.to_string()))
    .collect()
}

#[test]
fn what_is_asked_for_is_taken_over_with_what_is_in_it_and_goes_with_down() {
    let env = Environment::new();
    make_theirs(&env.aws, &env.account);
    // All but the one that does not exist yet.
    let theirs: Vec<&str> = THEIRS
        .into_iter()
        .filter(|address| *address != "storage.profiles")
        .collect();
    let before = env.aws.inventory();

    // Not asked for, each is named with the flag that asks for it. Nor is one taken for another's sake.
    let refused = env.run(&["up", "--yes", "--json"]).exits(1);
    for address in &theirs {
        assert!(
            refused.stderr.contains(&format!("--adopt {address}")),
            "{address}: {refused:#?}"
        );
    }
    let some = env.run(&adopt(&["up", "--yes"], &theirs[1..])).exits(1);
    assert!(some.stderr.contains(&format!("--adopt {}", theirs[0])), "{some:#?}");
    assert!(!some.stderr.contains(&format!("--adopt {}", theirs[1])), "{some:#?}");
    assert_eq!(env.aws.inventory(), before);

    // The plan shows what would be changed, and asks. What somebody else keeps secret is not shown.
    let shown = env.run_on_terminal(&adopt(&["up"], &THEIRS), "n\n").exits(1);
    for says in [
        " adopt    messaging.lambda_dlq ",
        "tags.fraudctl:env: (none) → \"dev\"",
        "tags.Team: \"risk\" → (none)",
        "environment.DB_PASSWORD: (hidden) → (none)",
        "13 to adopt",
        "Proceed? [y/N]",
    ] {
        assert!(shown.stdout.contains(says), "does not say {says:?}: {shown:#?}");
    }
    assert!(!shown.stdout.contains("hunter2"), "{shown:#?}");
    assert_eq!(env.aws.inventory(), before);

    let diff = env.run(&adopt(&["diff", "--json"], &THEIRS)).exits(0).json();
    for address in &theirs {
        let change = find(&diff["changes"], "address", address).expect("it is planned");
        assert_eq!(change["action"], "adopt", "{change:#}");
    }

    let up = env.run(&adopt(&["up", "--yes", "--json"], &THEIRS)).exits(0);
    assert!(up.stderr.contains("note: storage.profiles does not exist"), "{up:#?}");
    let up = up.json();
    // With the log group that the function had made for itself, if any, and nothing of it twice.
    assert_eq!(up["summary"]["adopted"], 13, "{up:#}");
    assert_eq!(up["summary"]["created"], 47, "{up:#}");
    let after = env.aws.inventory();
    for resource in &before {
        assert!(after.contains(resource), "{resource} is gone");
    }
    env.assert_settled();
    for (address, tags) in tags_of(&env) {
        for says in ["fraudctl:env", "fraudctl:address", address] {
            assert!(tags.contains(says), "{address} has no {says}: {tags}");
        }
    }

    // What was in them is still there.
    let key = json!({"transaction_id": {"S": "t-1"}, "timestamp": {"N": "1"}});
    let item = env.aws.call(
        "dynamodb",
        "get_item",
        json!({"TableName": "transactions-dev", "Key": key.clone()}),
    );
    assert_eq!(item["Item"], key);
    let queue = outputs(&env).get("messaging.lambda_dlq", "url");
    let message = env.aws.call("sqs", "receive_message", json!({"QueueUrl": queue}));
    assert_eq!(message["Messages"][0]["Body"], "theirs");
    let rules = env
        .aws
        .call("ssm", "get_parameter", json!({"Name": "/fraud-detection/dev/rules"}));
    assert!(
        rules["Parameter"]["Value"]
            .as_str()
            .expect("a text")
            .contains("theirs-7"),
        "{rules:#}"
    );
    // The alias names our key now; theirs is left alone.
    let alias = env
        .aws
        .call("kms", "describe_key", json!({"KeyId": "alias/fraud-detection-dev"}));
    assert_eq!(alias["KeyMetadata"]["KeyId"], outputs(&env).id("security.key"));

    // Asked for again they are ours already, and nothing happens.
    let again = env.run(&adopt(&["up", "--yes", "--json"], &THEIRS)).exits(0);
    for address in THEIRS {
        assert!(
            again.stderr.contains(&format!("note: {address} is ours already")),
            "{address}: {again:#?}"
        );
    }
    assert_eq!(again.json()["steps"], json!([]));

    env.down();
    let empty = Environment::new().aws.inventory();
    let left: Vec<String> = env
        .aws
        .inventory()
        .into_iter()
        .filter(|one| !empty.contains(one))
        .collect();
    // Their key, which was no more than pointed to.
    assert_eq!(left.len(), 1, "{left:#?}");
    assert!(left[0].starts_with("kms key "), "{left:#?}");
}

/// Asserts that these are not adopted, whoever asks, and why; nothing changes, and nothing is remembered.
#[track_caller]
fn not_adopted(env: &Environment, addresses: &[&str], code: i32, says: &[&str]) {
    let before = env.aws.inventory();
    let refused = env.run(&adopt(&["up", "--yes", "--json"], addresses)).exits(code);
    for text in says {
        assert!(refused.stderr.contains(text), "does not say {text:?}: {refused:#?}");
    }
    assert_eq!(refused.stdout, "");
    assert_eq!(env.aws.inventory(), before);
    assert!(!env.state_file().exists());
}

#[test]
fn an_address_that_the_stack_does_not_have_is_wrong_usage() {
    let env = Environment::new();
    not_adopted(
        &env,
        &["messaging.lamda_dlq", "storage.rules"],
        2,
        &["no resource in AWS at messaging.lamda_dlq"],
    );
    // A binary is built here.
    not_adopted(
        &env,
        &["artifacts.pattern-analyzer"],
        2,
        &["artifacts.pattern-analyzer"],
    );
    not_adopted(&env, &[""], 2, &["nothing was changed"]);
    // It is known before AWS is asked for anything, even who calls.
    for args in [&["up", "--yes", "--json"][..], &["diff"]] {
        let mut command = env.command(&adopt(args, &["nonsense"]));
        for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            command.env_remove(name);
        }
        let output = command.output().expect("fraudctl starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        for text in [
            "no resource in AWS at nonsense",
            "docs/system.md",
            "messaging.lambda_dlq",
        ] {
            assert!(said.contains(text), "{text}: {said}");
        }
    }
}

#[test]
fn what_could_only_be_replaced_is_not_adopted() {
    let env = Environment::new();
    let other = json!({
        "TableName": "transactions-dev",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]
    });
    env.aws.call("dynamodb", "create_table", other);
    let secret = json!({"Name": "/fraud-detection/dev/alert_email", "Value": "a@b.c", "Type": "SecureString"});
    env.aws.call("ssm", "put_parameter", secret);
    let says = [
        "storage.transactions: it cannot be adopted: AWS cannot change hash_key, range_key of a dynamodb.table",
        "storage.alert_email: it cannot be adopted: AWS cannot change kind of a ssm.parameter",
        "never removed",
    ];
    not_adopted(&env, &["storage.transactions", "storage.alert_email"], 1, &says);
    // Why they are not offered is told to who did not ask for them, too.
    let run = env.run(&["up", "--yes"]).exits(1);
    assert_eq!(
        run.stderr.matches("; nor can it be adopted: AWS cannot change").count(),
        2,
        "{run:#?}"
    );
    assert!(!run.stderr.contains("--adopt"), "{run:#?}");
    // Not even by who accepts the loss of what is in it.
    let args = adopt(
        &["up", "--yes", "--json", "--allow-data-loss"],
        &["storage.transactions", "storage.alert_email"],
    );
    env.run(&args).exits(1);
    env.aws
        .call("dynamodb", "describe_table", json!({"TableName": "transactions-dev"}));
}

#[test]
fn a_table_whose_keys_are_of_another_type_is_not_adopted() {
    let env = Environment::new();
    env.aws.call("dynamodb", "create_table", table("S"));
    not_adopted(
        &env,
        &["storage.transactions"],
        1,
        &["attributes.timestamp of storage.transactions"],
    );
}

#[test]
fn what_belongs_to_another_environment_is_not_adopted() {
    let env = Environment::new();
    let queue = json!({"QueueName": "lambda-dlq-dev", "tags": {"fraudctl:env": "two"}});
    env.aws.call("sqs", "create_queue", queue);
    let topic = json!({
        "Name": "fraud-alerts-dev",
        "Tags": [{"Key": "fraudctl:env", "Value": "dev"}, {"Key": "fraudctl:address", "Value": "messaging.other"}]
    });
    env.aws.call("sns", "create_topic", topic);
    let key = json!({"Tags": [{"TagKey": "fraudctl:env", "TagValue": "two"}]});
    let key = env.aws.call("kms", "create_key", key);
    let alias = json!({"AliasName": "alias/fraud-detection-dev", "TargetKeyId": key["KeyMetadata"]["KeyId"]});
    env.aws.call("kms", "create_alias", alias);
    let says = [
        "messaging.lambda_dlq: it cannot be adopted",
        "of the environment two",
        "messaging.alerts: it cannot be adopted",
        "messaging.other of the environment dev",
        "security.alias: it cannot be adopted",
        "of environment two",
    ];
    not_adopted(
        &env,
        &["messaging.lambda_dlq", "messaging.alerts", "security.alias"],
        1,
        &says,
    );
    let down = env.down();
    assert_eq!(down["summary"]["deleted"], 0, "{down:#}");
}

/// A role with a policy attached that the stack wants there too, and a topic with a subscription that it knows nothing of.
#[test]
fn what_is_inside_of_something_adopted_comes_with_it() {
    let env = Environment::new();
    let trust = r#"{"Version": "2012-10-17", "Statement": []}"#;
    let name = "transaction-processor-role-dev";
    let role = json!({"RoleName": name, "AssumeRolePolicyDocument": trust});
    env.aws.call("iam", "create_role", role);
    let policy = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
    env.aws.call(
        "iam",
        "attach_role_policy",
        json!({"RoleName": name, "PolicyArn": policy}),
    );
    let topic = env.aws.call("sns", "create_topic", json!({"Name": "fraud-ops-dev"}));
    let queue = env.aws.call("sqs", "create_queue", json!({"QueueName": "elsewhere"}));
    let asked = json!({"QueueUrl": queue["QueueUrl"], "AttributeNames": ["QueueArn"]});
    let arn = env.aws.call("sqs", "get_queue_attributes", asked)["Attributes"]["QueueArn"].clone();
    let subscription = json!({"TopicArn": topic["TopicArn"], "Protocol": "sqs", "Endpoint": arn});
    env.aws.call("sns", "subscribe", subscription);

    let up = env
        .run(&adopt(
            &["up", "--yes", "--json"],
            &["functions.processor_role", "messaging.ops"],
        ))
        .exits(0);
    let up = up.json();
    assert_eq!(up["summary"]["adopted"], 3, "{up:#}");
    let attached = find(&up["steps"], "address", "functions.processor_logging").expect("a step");
    assert_eq!(attached["action"], "adopt", "{attached:#}");
    env.assert_settled();
    let listed = json!({"TopicArn": topic["TopicArn"]});
    let subscriptions = env.aws.call("sns", "list_subscriptions_by_topic", listed);
    let theirs = find(
        &subscriptions["Subscriptions"],
        "Endpoint",
        arn.as_str().expect("a text"),
    );
    assert!(theirs.is_some(), "{subscriptions:#}");
}

/// A record of an alias that was being removed when the process died proves nothing about who has the name now.
#[test]
fn an_alias_that_somebody_took_while_ours_was_being_removed_is_theirs() {
    let env = Environment::new();
    env.up();
    let text = fs::read_to_string(env.state_file()).expect("there is a state");
    let mut state: Value = serde_json::from_str(&text).expect("the state is JSON");
    state["resources"]["security.alias"]["status"] = json!("deleting");
    state.as_object_mut().expect("an object").remove("checksum");
    fs::write(env.state_file(), state.to_string()).expect("the state is written");
    let name = "alias/fraud-detection-dev";
    env.aws.call("kms", "delete_alias", json!({"AliasName": name}));
    let key = env.aws.call("kms", "create_key", json!({}))["KeyMetadata"]["KeyId"].clone();
    env.aws
        .call("kms", "create_alias", json!({"AliasName": name, "TargetKeyId": key}));

    let refused = env.run(&["up", "--yes"]).exits(1);
    assert!(
        refused.stderr.contains("security.alias: it points to the key"),
        "{refused:#?}"
    );
    let down = env.down();
    assert_eq!(down["left_alone"][0]["address"], "security.alias", "{down:#}");
    let alias = env.aws.call("kms", "describe_key", json!({"KeyId": name}));
    assert_eq!(alias["KeyMetadata"]["KeyId"], key);
}
