//! What is changed in the stack is planned as intent, and updated in place or replaced as AWS allows.
//!
//! What a setting changes is changed by settings and the command. The rest is a change of the sources, for which the
//! engine is driven directly, with the stack's resources edited on the way.

use fraudctl::engine::Action::{Replace, Update};
use serde_json::{Value, json};

use crate::support::Environment;
use crate::support::engine::Edited;
use crate::support::read::{fields, find, outputs, parsed, tags, the};

/// Asserts that the plan has exactly these fields of these resources, all of them intent, to be updated in place; makes
/// it so.
#[track_caller]
fn updated(env: &Environment, expected: &[(&str, &[&str])]) {
    let diff = env.diff();
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for change in diff["changes"].as_array().expect("a list") {
        assert_eq!(change["action"], "update", "{change:#}");
        let mut paths = Vec::new();
        for field in change["fields"].as_array().expect("a list") {
            assert_eq!(field["cause"], "intent", "{change:#}");
            paths.push(field["path"].as_str().expect("a text").to_owned());
        }
        paths.sort();
        found.push((change["address"].as_str().expect("a text").to_owned(), paths));
    }
    found.sort();
    let own = |texts: &[&str]| -> Vec<String> { texts.iter().map(|text| (*text).to_owned()).collect() };
    let mut expected: Vec<_> = expected
        .iter()
        .map(|(address, paths)| ((*address).to_owned(), own(paths)))
        .collect();
    expected.sort();
    assert_eq!(found, expected, "{diff:#}");

    let up = env.up();
    assert_eq!(up["summary"]["updated"], expected.len(), "{up:#}");
    assert_eq!(up["summary"]["failed"], 0, "{up:#}");
    env.assert_settled();
}

fn function(env: &Environment, name: &str) -> Value {
    let found = env.aws.call("lambda", "get_function", json!({"FunctionName": name}));
    let mut shown = fields(
        &found["Configuration"],
        &["Architectures", "MemorySize", "Timeout", "CodeSha256", "State"],
    );
    shown["Reserved"] = found["Concurrency"]["ReservedConcurrentExecutions"].clone();
    shown
}

#[test]
fn settings_of_the_functions_are_updated_in_place() {
    let env = Environment::new().scoring();
    env.up();
    let before = function(&env, "transaction-processor-dev");
    assert_eq!(before["MemorySize"], 512);

    env.settings(
        "arch = \"x86_64\"\n\
         [processor]\nmemory_mb = 256\ntimeout_seconds = 20\nreserved_concurrency = 4\n\
         [analyzer]\nmemory_mb = 2048\ntimeout_seconds = 90\nreserved_concurrency = 0\n",
    );
    let changed = ["architecture", "memory_mb", "reserved_concurrency", "timeout_seconds"];
    updated(
        &env,
        &[("functions.analyzer", &changed), ("functions.processor", &changed)],
    );
    let processor = function(&env, "transaction-processor-dev");
    assert_eq!(processor["Architectures"], json!(["x86_64"]));
    assert_eq!(processor["MemorySize"], 256);
    assert_eq!(processor["Timeout"], 20);
    assert_eq!(processor["Reserved"], 4);
    assert_eq!(processor["CodeSha256"], before["CodeSha256"]);
    let analyzer = function(&env, "pattern-analyzer-dev");
    assert_eq!(analyzer["MemorySize"], 2048);
    assert_eq!(analyzer["Timeout"], 90);
    assert_eq!(analyzer["Reserved"], Value::Null);
    env.run(&["send"]).exits(0);

    // And back to where it was.
    env.settings("");
    updated(
        &env,
        &[("functions.analyzer", &changed), ("functions.processor", &changed)],
    );
    assert_eq!(function(&env, "transaction-processor-dev"), before);
    assert_eq!(function(&env, "pattern-analyzer-dev")["Reserved"], 2);
}

#[test]
fn the_retention_of_logs_is_updated_in_place() {
    let env = Environment::new().scoring();
    env.up();
    env.settings("log_retention_days = 7\n");
    let days: &[&str] = &["retention_days"];
    let groups = [
        "functions.analyzer_log_group",
        "functions.processor_log_group",
        "messaging.delivery_failure_log",
        "messaging.delivery_log",
    ];
    updated(&env, &groups.map(|group| (group, days)));
    let found = env.aws.call("logs", "describe_log_groups", json!({}));
    for group in groups {
        let name = outputs(&env).get(group, "name");
        assert_eq!(the(&found["logGroups"], "logGroupName", &name)["retentionInDays"], 7);
    }
}

#[test]
fn the_threshold_is_updated_in_place() {
    let env = Environment::new().scoring();
    env.up();
    env.settings("fraud_threshold = 0.9\n");
    updated(&env, &[("storage.fraud_threshold", &["value"])]);
    let found = env.aws.call(
        "ssm",
        "get_parameter",
        json!({"Name": "/fraud-detection/dev/fraud_threshold"}),
    );
    assert_eq!(found["Parameter"]["Value"], "0.9");
}

#[test]
fn the_quota_is_updated_in_place() {
    let env = Environment::new().scoring();
    env.up();
    env.settings("requests_per_day = 5\n");
    let diff = env.diff();
    let expected = json!([{
        "address": "api.usage_plan",
        "kind": "apigateway.usage_plan",
        "action": "update",
        "fields": [{"path": "quota_limit", "from": 1000, "to": 5, "cause": "intent"}]
    }]);
    assert_eq!(diff["changes"], expected, "{diff:#}");
    updated(&env, &[("api.usage_plan", &["quota_limit"])]);
    let plan = json!({"usagePlanId": outputs(&env).id("api.usage_plan")});
    let plan = env.aws.call("apigateway", "get_usage_plan", plan);
    assert_eq!(plan["quota"], json!({"limit": 5, "period": "DAY"}));
}

#[test]
fn tags_are_added_changed_and_removed_in_place() {
    let env = Environment::new().scoring();
    env.up();
    let recorded = outputs(&env);
    let read = || {
        let aws = &env.aws;
        let arn = |address: &str| recorded.arn(address);
        let key = aws.call(
            "kms",
            "list_resource_tags",
            json!({"KeyId": recorded.id("security.key")}),
        );
        let table = json!({"ResourceArn": arn("storage.transactions")});
        let table = aws.call("dynamodb", "list_tags_of_resource", table);
        let topic = aws.call(
            "sns",
            "list_tags_for_resource",
            json!({"ResourceArn": arn("messaging.ops")}),
        );
        let queue = json!({"QueueUrl": recorded.get("messaging.lambda_dlq", "url")});
        let queue = aws.call("sqs", "list_queue_tags", queue);
        let role = aws.call("iam", "list_role_tags", json!({"RoleName": "sns-feedback-role-dev"}));
        let policy = json!({"PolicyArn": arn("messaging.feedback_policy")});
        let policy = aws.call("iam", "list_policy_tags", policy);
        let group = json!({"resourceArn": arn("functions.analyzer_log_group")});
        let group = aws.call("logs", "list_tags_for_resource", group);
        let function = aws.call("lambda", "list_tags", json!({"Resource": arn("functions.processor")}));
        let rule = aws.call(
            "events",
            "list_tags_for_resource",
            json!({"ResourceARN": arn("functions.schedule")}),
        );
        let alarm = json!({"ResourceARN": arn("monitoring.processor_errors")});
        let alarm = aws.call("cloudwatch", "list_tags_for_resource", alarm);
        let parameter = json!({"ResourceType": "Parameter", "ResourceId": "/fraud-detection/dev/alert_email"});
        let parameter = aws.call("ssm", "list_tags_for_resource", parameter);
        let id = |address: &str| recorded.id(address);
        let api = json!({"restApiId": id("api.rest_api")});
        let stage = json!({"restApiId": id("api.rest_api"), "stageName": "prod"});
        let stage = aws.call("apigateway", "get_stage", stage);
        let api = aws.call("apigateway", "get_rest_api", api);
        let api_key = aws.call("apigateway", "get_api_key", json!({"apiKey": id("api.key")}));
        let plan = json!({"usagePlanId": id("api.usage_plan")});
        let plan = aws.call("apigateway", "get_usage_plan", plan);
        [
            tags(&key["Tags"], "TagKey", "TagValue"),
            tags(&table["Tags"], "Key", "Value"),
            tags(&topic["Tags"], "Key", "Value"),
            queue["Tags"].clone(),
            tags(&role["Tags"], "Key", "Value"),
            tags(&policy["Tags"], "Key", "Value"),
            group["tags"].clone(),
            function["Tags"].clone(),
            tags(&rule["Tags"], "Key", "Value"),
            tags(&alarm["Tags"], "Key", "Value"),
            tags(&parameter["TagList"], "Key", "Value"),
            api["tags"].clone(),
            stage["tags"].clone(),
            api_key["tags"].clone(),
            plan["tags"].clone(),
        ]
    };
    let before = read();

    let all = |paths: &[&str]| {
        let diff = env.diff();
        let changes = diff["changes"].as_array().expect("a list");
        assert_eq!(changes.len(), 41, "{diff:#}");
        for change in changes {
            assert_eq!(change["action"], "update", "{change:#}");
            for (field, path) in change["fields"].as_array().expect("a list").iter().zip(paths) {
                assert_eq!(
                    (&field["path"], &field["cause"]),
                    (&json!(path), &json!("intent")),
                    "{change:#}"
                );
            }
            assert_eq!(
                change["fields"].as_array().map(Vec::len),
                Some(paths.len()),
                "{change:#}"
            );
        }
        env.up();
        env.assert_settled();
    };
    env.settings("[tags]\nTeam = \"risk\"\nProject = \"Other\"\n");
    all(&["tags.Project", "tags.Team"]);
    for (now, before) in read().iter().zip(&before) {
        let mut expected = before.clone();
        expected["Team"] = json!("risk");
        expected["Project"] = json!("Other");
        assert_eq!(now, &expected);
    }

    env.settings("");
    all(&["tags.Project", "tags.Team"]);
    assert_eq!(read(), before);
}

#[test]
fn a_kms_key_is_updated_in_place() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let (aws, id) = (&env.aws, outputs(&env).id("security.key"));
    let key = || aws.call("kms", "describe_key", json!({"KeyId": id}))["KeyMetadata"].clone();

    stack.update("security.key", &[("/description", json!("Another"))]);
    assert_eq!(key()["Description"], "Another");

    stack.update("security.key", &[("/rotation", json!(false))]);
    let rotation = aws.call("kms", "get_key_rotation_status", json!({"KeyId": id}));
    assert_eq!(rotation["KeyRotationEnabled"], false);

    stack.update("security.key", &[("/policy/Statement/0/Sid", json!("Another"))]);
    let policy = aws.call("kms", "get_key_policy", json!({"KeyId": id, "PolicyName": "default"}));
    assert_eq!(parsed(&policy["Policy"])["Statement"][0]["Sid"], "Another");

    stack.update("security.key", &[("/enabled", json!(false))]);
    assert_eq!(key()["KeyState"], "Disabled");
    stack.update("security.key", &[("/enabled", json!(true))]);
    assert_eq!(key()["KeyState"], "Enabled");
}

/// KMS learns the window when the key is deleted.
#[test]
fn another_deletion_window_of_a_kms_key_is_remembered_for_its_deletion() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let id = outputs(&env).id("security.key");
    stack.update("security.key", &[("/deletion_window_days", json!(30))]);
    env.down();
    let key = env.aws.call("kms", "describe_key", json!({"KeyId": id}))["KeyMetadata"].clone();
    assert_eq!(key["KeyState"], "PendingDeletion");
    let day = |field: &str| key[field].as_str().expect("a time")[..10].to_owned();
    assert!(days(&day("DeletionDate")) - days(&day("CreationDate")) >= 29, "{key:#}");
}

/// Days since some day, of a date such as `2026-11-22`.
fn days(date: &str) -> i64 {
    let parts: Vec<i64> = date.split('-').map(|part| part.parse().expect("a number")).collect();
    let [year, month, day] = parts[..] else {
        panic!("no date: {date}")
    };
    // The year begins with March, so that the odd day of a leap year is its last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day
}

#[test]
fn a_kms_alias_is_pointed_elsewhere_in_place_and_replaced_under_another_name() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let aliases = || env.aws.call("kms", "list_aliases", json!({}))["Aliases"].clone();
    let other = env.aws.call("kms", "create_key", json!({}))["KeyMetadata"]["KeyId"].clone();
    stack.update("security.alias", &[("/target_key_id", other.clone())]);
    assert_eq!(
        the(&aliases(), "AliasName", "alias/fraud-detection-dev")["TargetKeyId"],
        other
    );

    stack.replace("security.alias", &[("/name", json!("alias/another"))], &[]);
    assert_eq!(the(&aliases(), "AliasName", "alias/another")["TargetKeyId"], other);
    assert_eq!(find(&aliases(), "AliasName", "alias/fraud-detection-dev"), None);
}

/// Billing is by request, always: for provisioned capacity there would have to be a capacity to ask for.
#[test]
fn a_table_is_updated_in_place() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let (aws, at, name) = (
        &env.aws,
        "storage.transactions",
        json!({"TableName": "transactions-dev"}),
    );
    let table = || aws.call("dynamodb", "describe_table", name.clone())["Table"].clone();
    let index = |name: &str| find(&table()["GlobalSecondaryIndexes"], "IndexName", name);

    let merchants = json!({"hash_key": "merchant", "range_key": null, "projection": "KEYS_ONLY"});
    stack.update(
        at,
        &[
            ("/attributes/merchant", json!("S")),
            ("/indexes/merchant-index", merchants),
        ],
    );
    let made = index("merchant-index").expect("it is there");
    assert_eq!(
        made["KeySchema"],
        json!([{"AttributeName": "merchant", "KeyType": "HASH"}])
    );
    assert!(index("user-index").is_some());

    stack.update(
        at,
        &[(
            "/indexes/suspicious-index/non_key_attributes",
            json!(["amount", "user_id"]),
        )],
    );
    let mut held = index("suspicious-index").expect("it is there")["Projection"]["NonKeyAttributes"].clone();
    held.as_array_mut().expect("a list").sort_by_key(Value::to_string);
    assert_eq!(held, json!(["amount", "user_id"]));

    stack.update(at, &[("/indexes/user-index/projection", json!("KEYS_ONLY"))]);
    let projection = index("user-index").expect("it is there")["Projection"]["ProjectionType"].clone();
    assert_eq!(projection, "KEYS_ONLY");

    stack.remove(at, "/attributes/merchant");
    stack.remove(at, "/indexes/merchant-index");
    stack.expect(at, Update, &["/attributes/merchant", "/indexes/merchant-index"], &[]);
    assert_eq!(index("merchant-index"), None);

    stack.update(at, &[("/point_in_time_recovery", json!(false))]);
    let backups = aws.call("dynamodb", "describe_continuous_backups", name.clone());
    let recovery = &backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"];
    assert_eq!(recovery["PointInTimeRecoveryStatus"], "DISABLED");

    stack.update(at, &[("/ttl_attribute", json!("expires_at"))]);
    let expiry = aws.call("dynamodb", "describe_time_to_live", name.clone())["TimeToLiveDescription"].clone();
    assert_eq!(expiry["TimeToLiveStatus"], "ENABLED");
    assert_eq!(expiry["AttributeName"], "expires_at");

    stack.update(at, &[("/kms_key", Value::Null)]);
    assert_eq!(table()["SSEDescription"]["Status"], "DISABLED");

    stack.update(at, &[("/deletion_protection", json!(true))]);
    assert_eq!(table()["DeletionProtectionEnabled"], true);
    stack.update(at, &[("/deletion_protection", json!(false))]);
    assert_eq!(table()["DeletionProtectionEnabled"], false);
}

#[test]
fn a_table_with_another_range_key_is_replaced() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    stack.replace("storage.transactions", &[("/range_key", Value::Null)], &[]);
    let table = env
        .aws
        .call("dynamodb", "describe_table", json!({"TableName": "transactions-dev"}));
    assert_eq!(
        table["Table"]["KeySchema"],
        json!([{"AttributeName": "transaction_id", "KeyType": "HASH"}])
    );
    assert!(find(&table["Table"]["GlobalSecondaryIndexes"], "IndexName", "user-index").is_some());
}

#[test]
fn a_topic_is_updated_in_place() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let recorded = outputs(&env);
    let (at, arn) = ("messaging.alerts", recorded.arn("messaging.alerts"));
    let role = json!(recorded.arn("functions.processor_role"));
    let attribute = |name: &str| {
        let topic = env.aws.call("sns", "get_topic_attributes", json!({"TopicArn": arn}));
        topic["Attributes"][name].clone()
    };
    stack.update(at, &[("/kms_key", json!("alias/aws/sns"))]);
    assert_eq!(attribute("KmsMasterKeyId"), "alias/aws/sns");
    stack.update(at, &[("/sqs_success_role", role.clone())]);
    assert_eq!(attribute("SQSSuccessFeedbackRoleArn"), role);
    stack.update(at, &[("/sqs_failure_role", role.clone())]);
    assert_eq!(attribute("SQSFailureFeedbackRoleArn"), role);
    stack.update(at, &[("/sqs_success_sample_rate", json!(50))]);
    assert_eq!(attribute("SQSSuccessFeedbackSampleRate"), "50");
}

#[test]
fn a_topic_of_another_name_is_replaced_and_the_alarms_tell_the_new_one() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let alarms = [
        "monitoring.alert_backlog",
        "monitoring.alerts_dlq",
        "monitoring.alerts_pending",
        "monitoring.analyzer_errors",
        "monitoring.analyzer_silent",
        "monitoring.analyzer_throttles",
        "monitoring.api_errors",
        "monitoring.lambda_dlq",
        "monitoring.processor_errors",
        "monitoring.processor_throttles",
        "monitoring.rules_fallback",
    ];
    let old = outputs(&env).arn("messaging.ops");
    stack.replace(
        "messaging.ops",
        &[("/name", json!("another-dev"))],
        &alarms.map(|alarm| (alarm, Update)),
    );
    let topic = outputs(&env).arn("messaging.ops");
    assert_ne!(topic, old);
    let topics = env.aws.call("sns", "list_topics", json!({}));
    assert!(find(&topics["Topics"], "TopicArn", &topic).is_some());
    assert_eq!(find(&topics["Topics"], "TopicArn", &old), None);
    let found = env.aws.call("cloudwatch", "describe_alarms", json!({}));
    for alarm in found["MetricAlarms"].as_array().expect("a list") {
        assert_eq!(alarm["AlarmActions"], json!([topic]), "{alarm:#}");
    }
}

#[test]
fn a_subscription_is_updated_in_place_and_replaced_for_another_endpoint() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let (at, recorded) = ("messaging.alerts_subscription", outputs(&env));
    let other = json!(recorded.arn("messaging.lambda_dlq"));
    stack.update(at, &[("/dead_letter_arn", other.clone())]);
    let arn = json!({"SubscriptionArn": recorded.arn(at)});
    let found = env.aws.call("sns", "get_subscription_attributes", arn);
    assert_eq!(
        parsed(&found["Attributes"]["RedrivePolicy"])["deadLetterTargetArn"],
        other
    );
    let policy = json!({"severity": ["high"]});
    stack.update(
        at,
        &[("/raw_delivery", json!(true)), ("/filter_policy", policy.clone())],
    );
    let arn = json!({"SubscriptionArn": recorded.arn(at)});
    let found = env.aws.call("sns", "get_subscription_attributes", arn);
    assert_eq!(found["Attributes"]["RawMessageDelivery"], "true");
    assert_eq!(parsed(&found["Attributes"]["FilterPolicy"]), policy);

    stack.replace(at, &[("/endpoint", other.clone())], &[]);
    let topic = json!({"TopicArn": recorded.arn("messaging.alerts")});
    let all = env.aws.call("sns", "list_subscriptions_by_topic", topic)["Subscriptions"].clone();
    assert_eq!(all.as_array().map(Vec::len), Some(1), "{all:#}");
    assert_eq!(all[0]["Endpoint"], other);
}

#[test]
fn a_queue_is_updated_in_place() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let (at, url) = (
        "messaging.alerts_queue",
        outputs(&env).get("messaging.alerts_queue", "url"),
    );
    let attribute = |name: &str| {
        let asked = json!({"QueueUrl": url, "AttributeNames": ["All"]});
        env.aws.call("sqs", "get_queue_attributes", asked)["Attributes"][name].clone()
    };
    stack.update(at, &[("/visibility_timeout", json!(60))]);
    assert_eq!(attribute("VisibilityTimeout"), "60");
    stack.update(at, &[("/retention_seconds", json!(3600))]);
    assert_eq!(attribute("MessageRetentionPeriod"), "3600");
    stack.update(at, &[("/kms_key", json!("alias/aws/sqs"))]);
    assert_eq!(attribute("KmsMasterKeyId"), "alias/aws/sqs");
    stack.update(at, &[("/policy/Statement/0/Sid", json!("Another"))]);
    assert_eq!(parsed(&attribute("Policy"))["Statement"][0]["Sid"], "Another");
    stack.update(at, &[("/redrive/max_receives", json!(9))]);
    assert_eq!(
        parsed(&attribute("RedrivePolicy"))["maxReceiveCount"]
            .to_string()
            .trim_matches('"'),
        "9"
    );
    let other = json!(outputs(&env).arn("messaging.lambda_dlq"));
    stack.update(at, &[("/redrive/dead_letter_arn", other.clone())]);
    assert_eq!(parsed(&attribute("RedrivePolicy"))["deadLetterTargetArn"], other);
    stack.update(at, &[("/redrive", Value::Null)]);
    assert_eq!(attribute("RedrivePolicy").as_str().unwrap_or_default(), "");
}

#[test]
fn a_queue_of_another_name_is_replaced_and_all_who_named_it_name_the_new_one() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    stack.replace(
        "messaging.lambda_dlq",
        &[("/name", json!("another-dev"))],
        &[
            ("functions.analyzer", Update),
            ("functions.analyzer_policy", Update),
            ("functions.processor", Update),
            ("functions.processor_policy", Update),
            ("functions.schedule_target", Update),
            ("monitoring.dashboard", Update),
            ("monitoring.lambda_dlq", Update),
        ],
    );
    let arn = outputs(&env).arn("messaging.lambda_dlq");
    assert!(arn.ends_with(":another-dev"), "{arn}");
    assert!(
        env.aws
            .try_call("sqs", "get_queue_url", json!({"QueueName": "another-dev"}))
            .is_ok()
    );
    assert!(
        env.aws
            .try_call("sqs", "get_queue_url", json!({"QueueName": "lambda-dlq-dev"}))
            .is_err()
    );
    for name in ["transaction-processor-dev", "pattern-analyzer-dev"] {
        let found = env.aws.call("lambda", "get_function", json!({"FunctionName": name}));
        assert_eq!(found["Configuration"]["DeadLetterConfig"]["TargetArn"], json!(arn));
    }
    let rule = json!({"Rule": "pattern-analysis-schedule-dev"});
    let targets = env.aws.call("events", "list_targets_by_rule", rule);
    assert_eq!(targets["Targets"][0]["DeadLetterConfig"]["Arn"], json!(arn));
}

#[test]
fn a_role_is_updated_in_place() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let at = "messaging.feedback_role";
    let role = || {
        env.aws
            .call("iam", "get_role", json!({"RoleName": "sns-feedback-role-dev"}))["Role"]
            .clone()
    };
    stack.update(at, &[("/description", json!("Another"))]);
    assert_eq!(role()["Description"], "Another");
    let service = "events.amazonaws.com";
    stack.update(
        at,
        &[("/assume_role_policy/Statement/0/Principal/Service/0", json!(service))],
    );
    let trust = role()["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"].clone();
    assert!(trust == json!(service) || trust == json!([service]), "{trust}");
}

#[test]
fn a_role_of_another_name_is_replaced_with_all_that_is_attached_to_it() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let attached = |name: &str| {
        let found = env
            .aws
            .try_call("iam", "list_attached_role_policies", json!({"RoleName": name}));
        found.map(|found| {
            let policies = found["AttachedPolicies"].as_array().expect("a list").iter();
            let mut arns: Vec<String> = policies.map(|policy| policy["PolicyArn"].to_string()).collect();
            arns.sort();
            arns
        })
    };
    let before = attached("transaction-processor-role-dev").expect("it is there");
    assert_eq!(before.len(), 3);
    stack.replace(
        "functions.processor_role",
        &[("/name", json!("another-dev"))],
        &[
            ("functions.processor", Update),
            ("functions.processor_logging", Replace),
            ("functions.processor_policy_attachment", Replace),
            ("functions.processor_tracing", Replace),
        ],
    );
    assert_eq!(attached("another-dev"), Ok(before));
    assert!(attached("transaction-processor-role-dev").is_err());
    let found = env.aws.call(
        "lambda",
        "get_function",
        json!({"FunctionName": "transaction-processor-dev"}),
    );
    assert_eq!(
        found["Configuration"]["Role"],
        json!(outputs(&env).arn("functions.processor_role"))
    );
}

#[test]
fn a_policy_is_updated_in_place_also_when_it_has_all_the_versions_it_may_have() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let arn = outputs(&env).arn("messaging.feedback_policy");
    for round in 1..=6 {
        let sid = format!("Round{round}");
        stack.update(
            "messaging.feedback_policy",
            &[("/document/Statement/0/Sid", json!(sid))],
        );
        let policy = env.aws.call("iam", "get_policy", json!({"PolicyArn": arn}));
        let version = json!({"PolicyArn": arn, "VersionId": policy["Policy"]["DefaultVersionId"]});
        let found = env.aws.call("iam", "get_policy_version", version);
        assert_eq!(found["PolicyVersion"]["Document"]["Statement"][0]["Sid"], json!(sid));
    }
    let versions = env.aws.call("iam", "list_policy_versions", json!({"PolicyArn": arn}));
    assert!(
        versions["Versions"]
            .as_array()
            .is_some_and(|versions| versions.len() <= 5),
        "{versions:#}"
    );
}

#[test]
fn a_policy_of_another_description_is_replaced_and_attached_again() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    stack.replace(
        "functions.analyzer_policy",
        &[("/description", json!("Another"))],
        &[("functions.analyzer_policy_attachment", Replace)],
    );
    let arn = outputs(&env).arn("functions.analyzer_policy");
    let policy = env.aws.call("iam", "get_policy", json!({"PolicyArn": arn}));
    assert_eq!(policy["Policy"]["Description"], "Another");
    let role = json!({"RoleName": "pattern-analyzer-role-dev"});
    let attached = env.aws.call("iam", "list_attached_role_policies", role);
    assert!(find(&attached["AttachedPolicies"], "PolicyArn", &arn).is_some());
}

#[test]
fn an_attachment_of_another_policy_is_replaced() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let other = outputs(&env).arn("messaging.feedback_policy");
    let tracing = "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess";
    // The role knows by name what may be on it.
    let logging = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
    let own = outputs(&env).arn("functions.processor_policy");
    let policies = json!([logging, own, other]);
    stack.edit("functions.processor_role", &[("/managed_policies", policies)]);
    let along = [("functions.processor_role", Update)];
    stack.replace("functions.processor_tracing", &[("/policy_arn", json!(other))], &along);
    let role = json!({"RoleName": "transaction-processor-role-dev"});
    let attached = env.aws.call("iam", "list_attached_role_policies", role)["AttachedPolicies"].clone();
    assert!(find(&attached, "PolicyArn", &other).is_some(), "{attached:#}");
    assert_eq!(find(&attached, "PolicyArn", tracing), None);
}

#[test]
fn a_log_group_is_updated_in_place_and_replaced_under_another_name() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let at = "messaging.delivery_failure_log";
    let group = |name: &str| {
        let found = env
            .aws
            .call("logs", "describe_log_groups", json!({"logGroupNamePrefix": name}));
        find(&found["logGroups"], "logGroupName", name)
    };
    let old = outputs(&env).get(at, "name");
    assert_eq!(group(&old).expect("it is there")["retentionInDays"], 30);
    stack.update(at, &[("/retention_days", Value::Null)]);
    assert_eq!(group(&old).expect("it is there")["retentionInDays"], Value::Null);
    let other = env.aws.call("kms", "create_key", json!({}))["KeyMetadata"]["Arn"].clone();
    stack.update(at, &[("/kms_key", other.clone())]);
    assert_eq!(group(&old).expect("it is there")["kmsKeyId"], other);
    stack.update(at, &[("/kms_key", Value::Null)]);
    assert_eq!(group(&old).expect("it is there")["kmsKeyId"], Value::Null);
    stack.replace(at, &[("/name", json!("another-dev"))], &[]);
    assert!(group("another-dev").is_some());
    assert_eq!(group(&old), None);
}

#[test]
fn a_function_is_updated_in_place() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let (at, recorded) = ("functions.analyzer", outputs(&env));
    let configuration = || {
        let found = env.aws.call(
            "lambda",
            "get_function",
            json!({"FunctionName": "pattern-analyzer-dev"}),
        );
        found["Configuration"].clone()
    };
    stack.update(at, &[("/description", json!("Another"))]);
    assert_eq!(configuration()["Description"], "Another");
    let role = json!(recorded.arn("functions.processor_role"));
    stack.update(at, &[("/role", role.clone())]);
    assert_eq!(configuration()["Role"], role);
    stack.update(at, &[("/runtime", json!("provided.al2"))]);
    assert_eq!(configuration()["Runtime"], "provided.al2");
    stack.update(at, &[("/handler", json!("another"))]);
    assert_eq!(configuration()["Handler"], "another");
    stack.update(
        at,
        &[
            ("/environment/ENVIRONMENT", json!("another")),
            ("/environment/MORE", json!("x")),
        ],
    );
    stack.remove(at, "/environment/MORE");
    stack.expect(at, Update, &["/environment/MORE"], &[]);
    let variables = configuration()["Environment"]["Variables"].clone();
    assert_eq!(variables["ENVIRONMENT"], "another");
    assert_eq!(variables["MORE"], Value::Null);
    assert_eq!(variables["DYNAMODB_TABLE"], "transactions-dev");
    let queue = json!(recorded.arn("messaging.alerts_dlq"));
    stack.update(at, &[("/dead_letter_arn", queue.clone())]);
    assert_eq!(configuration()["DeadLetterConfig"]["TargetArn"], queue);
    stack.update(at, &[("/dead_letter_arn", Value::Null)]);
    assert_eq!(
        configuration()["DeadLetterConfig"]["TargetArn"]
            .as_str()
            .unwrap_or_default(),
        ""
    );
    stack.update(at, &[("/tracing", json!("PassThrough"))]);
    assert_eq!(configuration()["TracingConfig"]["Mode"], "PassThrough");
    stack.update(at, &[("/kms_key", Value::Null)]);
    assert_eq!(configuration()["KMSKeyArn"].as_str().unwrap_or_default(), "");
}

#[test]
fn a_function_of_other_code_is_updated_in_place() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let before = function(&env, "pattern-analyzer-dev")["CodeSha256"].clone();
    let other = function(&env, "transaction-processor-dev")["CodeSha256"].clone();
    assert_ne!(before, other);
    // The one function's binary for the other. Where the zip file lies is no property: it is not compared.
    stack.edit(
        "functions.analyzer",
        &[("/code_zip", json!("⟦artifacts.transaction-processor#zip⟧"))],
    );
    let sha256 = json!("⟦artifacts.transaction-processor#sha256⟧");
    stack.update("functions.analyzer", &[("/code_sha256", sha256)]);
    assert_eq!(function(&env, "pattern-analyzer-dev")["CodeSha256"], other);
    // The next build brings its own back.
    let up = env.up();
    assert_eq!(up["summary"]["updated"], 1, "{up:#}");
    assert_eq!(function(&env, "pattern-analyzer-dev")["CodeSha256"], before);
}

#[test]
fn a_function_of_another_name_is_replaced_and_the_schedule_invokes_the_new_one() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    stack.replace(
        "functions.analyzer",
        &[("/name", json!("another-dev"))],
        &[
            ("functions.schedule_permission", Replace),
            ("functions.schedule_target", Update),
            ("monitoring.analyzer_errors", Update),
            ("monitoring.analyzer_silent", Update),
            ("monitoring.analyzer_throttles", Update),
            ("monitoring.dashboard", Update),
        ],
    );
    let arn = outputs(&env).arn("functions.analyzer");
    let policy = env
        .aws
        .call("lambda", "get_policy", json!({"FunctionName": "another-dev"}));
    let statement = the(
        &parsed(&policy["Policy"])["Statement"],
        "Sid",
        "AllowExecutionFromEventBridge",
    );
    assert_eq!(statement["Resource"], json!(arn));
    let rule = json!({"Rule": "pattern-analysis-schedule-dev"});
    assert_eq!(
        env.aws.call("events", "list_targets_by_rule", rule)["Targets"][0]["Arn"],
        json!(arn)
    );
    let old = json!({"FunctionName": "pattern-analyzer-dev"});
    assert!(env.aws.try_call("lambda", "get_function", old).is_err());
}

#[test]
fn a_permission_of_another_principal_is_replaced() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let (at, id) = ("functions.schedule_permission", "AllowExecutionFromEventBridge");
    let policy = || {
        let found = env
            .aws
            .call("lambda", "get_policy", json!({"FunctionName": "pattern-analyzer-dev"}));
        parsed(&found["Policy"])
    };
    stack.replace(at, &[("/principal", json!("scheduler.amazonaws.com"))], &[]);
    let principal = the(&policy()["Statement"], "Sid", id)["Principal"].clone();
    assert_eq!(principal["Service"], "scheduler.amazonaws.com");
    stack.replace(
        at,
        &[("/source_arn", json!("arn:aws:events:us-east-1:1:rule/another"))],
        &[],
    );
    stack.replace(at, &[("/action", json!("lambda:InvokeAsync"))], &[]);
    // The function knows by name who may invoke it.
    stack.edit("functions.analyzer", &[("/statements", json!(["Another"]))]);
    let along = [("functions.analyzer", Update)];
    stack.replace(at, &[("/statement_id", json!("Another"))], &along);
    let policy = policy();
    assert_eq!(policy["Statement"].as_array().map(Vec::len), Some(1), "{policy:#}");
    assert_eq!(policy["Statement"][0]["Sid"], "Another");
    assert_eq!(policy["Statement"][0]["Action"], "lambda:InvokeAsync");
}

#[test]
fn a_rule_is_updated_in_place_and_replaced_under_another_name_with_its_target() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let at = "functions.schedule";
    let rule = |name: &str| env.aws.try_call("events", "describe_rule", json!({"Name": name}));
    let shown = || rule("pattern-analysis-schedule-dev").expect("it is there");
    stack.update(at, &[("/description", json!("Another"))]);
    assert_eq!(shown()["Description"], "Another");
    stack.update(at, &[("/schedule", json!("rate(1 hour)"))]);
    assert_eq!(shown()["ScheduleExpression"], "rate(1 hour)");
    stack.update(at, &[("/enabled", json!(false))]);
    assert_eq!(shown()["State"], "DISABLED");

    let along = [
        ("functions.schedule_permission", Replace),
        ("functions.schedule_target", Replace),
    ];
    stack.replace(at, &[("/name", json!("another-dev"))], &along);
    let arn = rule("another-dev").expect("it is there")["Arn"].clone();
    assert!(rule("pattern-analysis-schedule-dev").is_err());
    let targets = env
        .aws
        .call("events", "list_targets_by_rule", json!({"Rule": "another-dev"}));
    assert_eq!(targets["Targets"][0]["Id"], "pattern-analyzer");
    let policy = env
        .aws
        .call("lambda", "get_policy", json!({"FunctionName": "pattern-analyzer-dev"}));
    let statement = the(
        &parsed(&policy["Policy"])["Statement"],
        "Sid",
        "AllowExecutionFromEventBridge",
    );
    assert!(
        statement.to_string().contains(arn.as_str().expect("a text")),
        "{statement:#}"
    );
}

#[test]
fn a_target_is_updated_in_place_and_replaced_under_another_id() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let (at, recorded) = ("functions.schedule_target", outputs(&env));
    let targets = || {
        let rule = json!({"Rule": "pattern-analysis-schedule-dev"});
        env.aws.call("events", "list_targets_by_rule", rule)["Targets"].clone()
    };
    stack.update(at, &[("/retry_attempts", json!(5))]);
    assert_eq!(targets()[0]["RetryPolicy"]["MaximumRetryAttempts"], 5);
    stack.update(at, &[("/max_event_age_seconds", json!(600))]);
    assert_eq!(targets()[0]["RetryPolicy"]["MaximumEventAgeInSeconds"], 600);
    let queue = json!(recorded.arn("messaging.alerts_dlq"));
    stack.update(at, &[("/dead_letter_arn", queue.clone())]);
    assert_eq!(targets()[0]["DeadLetterConfig"]["Arn"], queue);
    let function = json!(recorded.arn("functions.processor"));
    stack.update(at, &[("/arn", function.clone())]);
    assert_eq!(targets()[0]["Arn"], function);

    stack.replace(at, &[("/id", json!("another"))], &[]);
    let targets = targets();
    assert_eq!(targets.as_array().map(Vec::len), Some(1), "{targets:#}");
    assert_eq!(targets[0]["Id"], "another");
}

#[test]
fn an_alarm_is_updated_in_place_and_replaced_under_another_name() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let at = "monitoring.lambda_dlq";
    let alarm = |name: &str| {
        let found = env.aws.call("cloudwatch", "describe_alarms", json!({}));
        find(&found["MetricAlarms"], "AlarmName", name)
    };
    let other = json!(outputs(&env).arn("messaging.alerts"));
    let rounds = [
        ("/description", json!("Another"), "AlarmDescription", json!("Another")),
        ("/metric/namespace", json!("Other"), "Namespace", json!("Other")),
        ("/metric/name", json!("Another"), "MetricName", json!("Another")),
        (
            "/metric/dimensions/QueueName",
            json!("another"),
            "Dimensions",
            json!([{"Name": "QueueName", "Value": "another"}]),
        ),
        ("/metric/statistic", json!("Sum"), "Statistic", json!("Sum")),
        ("/metric/period_seconds", json!(60), "Period", json!(60)),
        (
            "/comparison",
            json!("LessThanThreshold"),
            "ComparisonOperator",
            json!("LessThanThreshold"),
        ),
        ("/threshold", json!(2.5), "Threshold", json!(2.5)),
        ("/evaluation_periods", json!(3), "EvaluationPeriods", json!(3)),
        ("/missing_data", json!("ignore"), "TreatMissingData", json!("ignore")),
        ("/alarm_actions/0", other.clone(), "AlarmActions", json!([other])),
        ("/actions_enabled", json!(false), "ActionsEnabled", json!(false)),
    ];
    for (pointer, value, field, expected) in rounds {
        stack.update(at, &[(pointer, value)]);
        assert_eq!(
            alarm("lambda-dlq-depth-dev").expect("it is there")[field],
            expected,
            "{pointer}"
        );
    }
    let along = [("monitoring.dashboard", Update)];
    stack.replace(at, &[("/name", json!("another-dev"))], &along);
    assert!(alarm("another-dev").is_some());
    assert_eq!(alarm("lambda-dlq-depth-dev"), None);
}

#[test]
fn an_alarm_on_an_expression_is_updated_in_place() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let at = "monitoring.analyzer_errors";
    let queries = || {
        let asked = json!({"AlarmNames": ["pattern-analyzer-errors-dev"]});
        env.aws.call("cloudwatch", "describe_alarms", asked)["MetricAlarms"][0]["Metrics"].clone()
    };
    stack.update(at, &[("/queries/2/expression", json!("errors"))]);
    assert_eq!(queries()[2]["Expression"], "errors");
    stack.update(at, &[("/queries/2/label", json!("Another"))]);
    assert_eq!(queries()[2]["Label"], "Another");
    stack.update(at, &[("/queries/0/metric/period_seconds", json!(60))]);
    assert_eq!(queries()[0]["MetricStat"]["Period"], 60);
    stack.update(at, &[("/queries/0/metric/statistic", json!("Average"))]);
    assert_eq!(queries()[0]["MetricStat"]["Stat"], "Average");
}

#[test]
fn a_dashboard_is_updated_in_place_and_replaced_under_another_name() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let at = "monitoring.dashboard";
    let dashboard = |name: &str| {
        let found = env
            .aws
            .try_call("cloudwatch", "get_dashboard", json!({"DashboardName": name}));
        found.ok().map(|found| parsed(&found["DashboardBody"]))
    };
    let name = "fraud-detection-dev";
    stack.update(at, &[("/body/widgets/1/properties/title", json!("Another"))]);
    let body = dashboard(name).expect("it is there");
    assert_eq!(body["widgets"][1]["properties"]["title"], "Another");
    stack.update(at, &[("/tags/Team", json!("risk"))]);
    assert_eq!(
        crate::table3::tags_of(&dashboard(name).expect("it is there"))["Team"],
        "risk"
    );
    stack.replace(at, &[("/name", json!("another-dev"))], &[]);
    let body = dashboard("another-dev").expect("it is there");
    assert_eq!(body["widgets"][1]["properties"]["title"], "Another");
    assert_eq!(dashboard(name), None);
}

/// What the stack says of the value of a parameter whose value it does not manage is only what a new one begins with.
#[test]
fn a_parameter_whose_value_is_not_managed_keeps_it_when_something_else_changes() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let (at, name) = ("storage.rules", "/fraud-detection/dev/rules");
    let theirs = json!({"Name": name, "Value": "theirs", "Overwrite": true});
    env.aws.call("ssm", "put_parameter", theirs);
    let value = || env.aws.call("ssm", "get_parameter", json!({"Name": name}))["Parameter"]["Value"].clone();
    stack.update(at, &[("/description", json!("Another"))]);
    let all = env.aws.call("ssm", "describe_parameters", json!({}));
    assert_eq!(the(&all["Parameters"], "Name", name)["Description"], "Another");
    assert_eq!(value(), "theirs");
    stack.update(at, &[("/tags/Team", json!("risk"))]);
    assert_eq!(value(), "theirs");
}

#[test]
fn a_parameter_is_updated_in_place_and_replaced_for_another_type_or_name() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let at = "storage.fraud_threshold";
    let parameter = |name: &str| env.aws.try_call("ssm", "get_parameter", json!({"Name": name}));
    let name = "/fraud-detection/dev/fraud_threshold";
    stack.update(at, &[("/description", json!("Another"))]);
    let all = env.aws.call("ssm", "describe_parameters", json!({}));
    assert_eq!(the(&all["Parameters"], "Name", name)["Description"], "Another");
    stack.replace(at, &[("/kind", json!("StringList"))], &[]);
    assert_eq!(parameter(name).expect("it is there")["Parameter"]["Type"], "StringList");
    stack.replace(at, &[("/name", json!("/fraud-detection/dev/another"))], &[]);
    assert_eq!(
        parameter("/fraud-detection/dev/another").expect("it is there")["Parameter"]["Value"],
        "0.85"
    );
    assert!(parameter(name).is_err());
}

#[test]
fn a_rest_api_is_updated_in_place() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let id = outputs(&env).id("api.rest_api");
    let api = || env.aws.call("apigateway", "get_rest_api", json!({"restApiId": id}));
    stack.update("api.rest_api", &[("/description", json!("Another"))]);
    assert_eq!(api()["description"], "Another");
    stack.update("api.rest_api", &[("/name", json!("another-dev"))]);
    assert_eq!(api()["name"], "another-dev");
    stack.update("api.rest_api", &[("/endpoint_type", json!("EDGE"))]);
    assert_eq!(api()["endpointConfiguration"]["types"], json!(["EDGE"]));
}

#[test]
fn a_request_validator_is_updated_in_place_and_replaced_under_another_name() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let at = "api.validator";
    let api = outputs(&env).id("api.rest_api");
    let validators = || {
        env.aws
            .call("apigateway", "get_request_validators", json!({"restApiId": api}))["items"]
            .clone()
    };
    stack.update(at, &[("/validate_body", json!(false))]);
    assert_eq!(validators()[0]["validateRequestBody"], false);
    stack.update(at, &[("/validate_parameters", json!(false))]);
    assert_eq!(validators()[0]["validateRequestParameters"], false);

    let along = [("api.deployment", Replace), ("api.post", Update), ("api.stage", Update)];
    stack.replace(at, &[("/name", json!("another-dev"))], &along);
    let validators = validators();
    assert_eq!(validators.as_array().map(Vec::len), Some(1), "{validators:#}");
    assert_eq!(validators[0]["name"], "another-dev");
    let post = json!({"restApiId": api, "resourceId": outputs(&env).id("api.transactions"), "httpMethod": "POST"});
    let method = env.aws.call("apigateway", "get_method", post);
    assert_eq!(method["requestValidatorId"], validators[0]["id"]);
}

#[test]
fn a_model_is_updated_in_place_and_replaced_for_another_content_type() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let at = "api.model";
    let api = outputs(&env).id("api.rest_api");
    let model = || {
        let model = json!({"restApiId": api, "modelName": "TransactionModel"});
        env.aws.call("apigateway", "get_model", model)
    };
    stack.update(at, &[("/description", json!("Another"))]);
    assert_eq!(model()["description"], "Another");
    stack.update(at, &[("/schema/properties/amount/type", json!("string"))]);
    assert_eq!(parsed(&model()["schema"])["properties"]["amount"]["type"], "string");
    stack.replace(at, &[("/content_type", json!("application/xml"))], &[]);
    assert_eq!(model()["contentType"], "application/xml");
    assert_eq!(model()["description"], "Another");

    // The way that AWS allows while a method names the model: under another name.
    let edits = [
        ("/content_type", json!("application/json")),
        ("/name", json!("AnotherModel")),
    ];
    stack.replace(at, &edits, &[("api.post", Update)]);
    let asked = json!({"restApiId": api});
    let models = env.aws.call("apigateway", "get_models", asked)["items"].clone();
    assert_eq!(the(&models, "name", "AnotherModel")["contentType"], "application/json");
    assert!(find(&models, "name", "TransactionModel").is_none(), "{models:#}");
    let asked = json!({
        "restApiId": api,
        "resourceId": outputs(&env).id("api.transactions"),
        "httpMethod": "POST",
    });
    let method = env.aws.call("apigateway", "get_method", asked);
    assert_eq!(
        method["requestModels"]["application/json"], "AnotherModel",
        "{method:#}"
    );
}

#[test]
fn an_api_resource_of_another_path_is_replaced_with_its_method() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let along = [
        ("api.deployment", Replace),
        ("api.integration", Replace),
        ("api.post", Replace),
        ("api.rest_api", Update),
        ("api.stage", Update),
    ];
    // The API knows by path what may be asked of it.
    stack.edit("api.rest_api", &[("/methods", json!(["POST /payments"]))]);
    stack.replace("api.transactions", &[("/path_part", json!("payments"))], &along);
    let api = json!({"restApiId": outputs(&env).id("api.rest_api")});
    let found = env.aws.call("apigateway", "get_resources", api)["items"].clone();
    assert_eq!(found.as_array().map(Vec::len), Some(2), "{found:#}");
    let payments = the(&found, "path", "/payments");
    assert_eq!(payments["id"], json!(outputs(&env).id("api.transactions")));
    assert!(payments["resourceMethods"]["POST"].is_object(), "{found:#}");
}

#[test]
fn a_method_is_updated_in_place_and_replaced_for_another_verb_with_its_integration() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let (at, recorded) = ("api.post", outputs(&env));
    let method = |verb: &str| {
        let (api, resource) = (recorded.id("api.rest_api"), recorded.id("api.transactions"));
        let asked = json!({"restApiId": api, "resourceId": resource, "httpMethod": verb});
        env.aws.try_call("apigateway", "get_method", asked)
    };
    stack.update(at, &[("/authorization", json!("AWS_IAM"))]);
    assert_eq!(method("POST").expect("it is there")["authorizationType"], "AWS_IAM");
    stack.update(at, &[("/request_validator_id", json!(""))]);
    let shown = method("POST").expect("it is there");
    assert_eq!(shown["requestValidatorId"].as_str().unwrap_or_default(), "");
    stack.update(at, &[("/api_key_required", json!(false))]);
    assert_eq!(method("POST").expect("it is there")["apiKeyRequired"], false);
    stack.update(at, &[("/request_models/application~1json", json!("Empty"))]);
    let shown = method("POST").expect("it is there");
    assert_eq!(shown["requestModels"], json!({"application/json": "Empty"}));

    stack.edit("api.integration", &[("/http_method", json!("PUT"))]);
    stack.edit("api.rest_api", &[("/methods", json!(["PUT /transactions"]))]);
    let along = [("api.integration", Replace), ("api.rest_api", Update)];
    stack.replace(at, &[("/http_method", json!("PUT"))], &along);
    let put = method("PUT").expect("it is there");
    assert_eq!(put["methodIntegration"]["type"], "AWS_PROXY", "{put:#}");
    assert!(method("POST").is_err());
}

#[test]
fn an_integration_is_updated_in_place() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let (at, recorded) = ("api.integration", outputs(&env));
    let integration = || {
        let (api, resource) = (recorded.id("api.rest_api"), recorded.id("api.transactions"));
        let asked = json!({"restApiId": api, "resourceId": resource, "httpMethod": "POST"});
        env.aws.call("apigateway", "get_integration", asked)
    };
    let uri = json!(recorded.get("functions.analyzer", "invoke_arn"));
    stack.update(at, &[("/uri", uri.clone())]);
    assert_eq!(integration()["uri"], uri);
    stack.update(at, &[("/kind", json!("AWS"))]);
    assert_eq!(integration()["type"], "AWS");
    stack.update(at, &[("/integration_http_method", json!("PUT"))]);
    assert_eq!(integration()["httpMethod"], "PUT");
}

/// What changes the method changes the fingerprint that the stack takes of it; here both are edited.
#[test]
fn a_changed_method_is_deployed_anew_and_the_old_deployment_goes() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let api = outputs(&env).id("api.rest_api");
    let old = outputs(&env).id("api.deployment");
    stack.edit("api.post", &[("/authorization", json!("AWS_IAM"))]);
    let along = [("api.post", Update), ("api.stage", Update)];
    stack.replace("api.deployment", &[("/fingerprint", json!("another"))], &along);

    let new = outputs(&env).id("api.deployment");
    assert_ne!(new, old);
    let stage = env.aws.call(
        "apigateway",
        "get_stage",
        json!({"restApiId": api, "stageName": "prod"}),
    );
    assert_eq!(stage["deploymentId"], json!(new));
    let deployments = env.aws.call("apigateway", "get_deployments", json!({"restApiId": api}))["items"].clone();
    assert_eq!(deployments.as_array().map(Vec::len), Some(1), "{deployments:#}");
    assert_eq!(deployments[0]["id"], json!(new));
}

#[test]
fn a_stage_is_updated_in_place_and_replaced_under_another_name_which_the_usage_plan_follows() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let api = outputs(&env).id("api.rest_api");
    let stages = || {
        let found = env.aws.call("apigateway", "get_stages", json!({"restApiId": api}));
        found["item"].clone()
    };
    stack.update("api.stage", &[("/tracing", json!(false))]);
    assert_eq!(stages()[0]["tracingEnabled"], false);

    stack.replace("api.stage", &[("/name", json!("live"))], &[("api.usage_plan", Update)]);
    let stages = stages();
    assert_eq!(stages.as_array().map(Vec::len), Some(1), "{stages:#}");
    assert_eq!(stages[0]["stageName"], "live");
    let plan = json!({"usagePlanId": outputs(&env).id("api.usage_plan")});
    let plan = env.aws.call("apigateway", "get_usage_plan", plan);
    assert_eq!(plan["apiStages"], json!([{"apiId": api, "stage": "live"}]));
}

#[test]
fn an_api_key_is_updated_in_place() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let id = outputs(&env).id("api.key");
    let key = || env.aws.call("apigateway", "get_api_key", json!({"apiKey": id}));
    stack.update("api.key", &[("/name", json!("another-dev"))]);
    assert_eq!(key()["name"], "another-dev");
    stack.update("api.key", &[("/description", json!("Another"))]);
    assert_eq!(key()["description"], "Another");
    stack.update("api.key", &[("/enabled", json!(false))]);
    assert_eq!(key()["enabled"], false);
}

#[test]
fn a_usage_plan_is_updated_in_place_and_another_key_in_it_replaces_the_first() {
    let env = Environment::new().scoring();
    let mut stack = Edited::deployed(&env);
    let id = outputs(&env).id("api.usage_plan");
    let plan = || env.aws.call("apigateway", "get_usage_plan", json!({"usagePlanId": id}));
    stack.update("api.usage_plan", &[("/name", json!("another-dev"))]);
    assert_eq!(plan()["name"], "another-dev");
    stack.update("api.usage_plan", &[("/description", json!("Another"))]);
    assert_eq!(plan()["description"], "Another");
    stack.update("api.usage_plan", &[("/quota_limit", json!(7))]);
    assert_eq!(plan()["quota"], json!({"limit": 7, "period": "DAY"}));
    stack.update("api.usage_plan", &[("/quota_period", json!("WEEK"))]);
    assert_eq!(plan()["quota"], json!({"limit": 7, "period": "WEEK"}));

    let other = env.aws.call(
        "apigateway",
        "create_api_key",
        json!({"name": "another", "enabled": true}),
    );
    stack.replace("api.usage_plan_key", &[("/key_id", other["id"].clone())], &[]);
    let keys = env
        .aws
        .call("apigateway", "get_usage_plan_keys", json!({"usagePlanId": id}))["items"]
        .clone();
    assert_eq!(keys.as_array().map(Vec::len), Some(1), "{keys:#}");
    assert_eq!(keys[0]["id"], other["id"]);
}
