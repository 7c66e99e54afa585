//! What is changed behind fraudctl's back is found, said to be drift, and put right: for every kind, every property that
//! the emulator lets somebody change.

use serde_json::{Value, json};

use crate::support::read::{Outputs, fields, find, outputs, parsed, tags, the};
use crate::support::{Environment, REGION};

/// The smallest zip file, with nothing in it.
const EMPTY_ZIP: &str = "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==";

/// What becomes of tags when [`somebody`]'s are set and `CostCenter` is removed.
const TAGS: [&str; 3] = ["tags.Added", "tags.CostCenter", "tags.Project"];

/// One tag of our own with another value, and one that we never set.
fn somebody() -> Value {
    json!({"Project": "Tampered", "Added": "behind"})
}

/// The same as a list; services differ in how they call the key and the value.
fn somebody_as(key: &str, value: &str) -> Value {
    let theirs = somebody();
    let pairs = theirs.as_object().expect("an object").iter();
    pairs.map(|(k, v)| json!({key: k, value: v})).collect()
}

/// A system that stands, and its recorded outputs.
pub fn deployed() -> (Environment, Outputs) {
    deployed_in(Environment::new())
}

#[track_caller]
pub fn deployed_in(env: Environment) -> (Environment, Outputs) {
    let up = env.up();
    assert_eq!(up["summary"]["failed"], 0, "{up:#}");
    let outputs = outputs(&env);
    (env, outputs)
}

/// What a plan does to one resource: its address, the action, the fields.
type Expected<'a> = (&'a str, &'a str, &'a [&'a str]);

/// Asserts that the tampering is found as an update of these fields and undone.
#[track_caller]
fn repaired(env: &Environment, address: &str, fields: &[&str], read: &dyn Fn() -> Value, tamper: &dyn Fn()) {
    undone(env, &[(address, "update", fields)], read, tamper);
}

/// Asserts that after tampering a plan has these changes and no other, the first of them because of drift, and that
/// they bring back what `read` read before.
#[track_caller]
fn undone(env: &Environment, expected: &[Expected], read: &dyn Fn() -> Value, tamper: &dyn Fn()) {
    undone_by(env, &["up", "--yes", "--json"], expected, read, tamper);
}

/// The same by this command.
#[track_caller]
fn undone_by(env: &Environment, up: &[&str], expected: &[Expected], read: &dyn Fn() -> Value, tamper: &dyn Fn()) {
    let before = read();
    tamper();
    assert_ne!(read(), before, "the tampering had no effect");

    let diff = env.diff();
    assert_eq!(changes(&diff), sorted(expected), "{diff:#}");
    let address = expected[0].0;
    let drifted = the(&diff["changes"], "address", address);
    for field in drifted["fields"].as_array().expect("a list") {
        assert_eq!(field["cause"], "drift", "{drifted:#}");
    }

    let up = env.run(up).exits(0).json();
    assert_eq!(up["summary"]["failed"], 0, "{up:#}");
    assert_eq!(read(), before, "{address}");
    env.assert_settled();
}

/// The changes of a plan as (address, action, fields), sorted.
pub fn changes(diff: &Value) -> Vec<(String, String, Vec<String>)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let changes = diff["changes"].as_array().expect("a list").iter();
    let mut changes: Vec<_> = changes
        .map(|change| {
            let fields = change["fields"].as_array().expect("a list").iter();
            let mut fields: Vec<String> = fields.map(|field| text(&field["path"])).collect();
            fields.sort();
            (text(&change["address"]), text(&change["action"]), fields)
        })
        .collect();
    changes.sort();
    changes
}

fn sorted(expected: &[Expected]) -> Vec<(String, String, Vec<String>)> {
    let mut expected: Vec<_> = expected
        .iter()
        .map(|(address, action, fields)| {
            let mut fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
            fields.sort();
            ((*address).to_owned(), (*action).to_owned(), fields)
        })
        .collect();
    expected.sort();
    expected
}

/// Changes the tags of something at API Gateway, such as `/restapis/a1b2`.
fn retag(env: &Environment, path: &str) {
    let arn = format!("arn:aws:apigateway:{REGION}::{path}");
    env.aws.call(
        "apigateway",
        "tag_resource",
        json!({"resourceArn": arn, "tags": somebody()}),
    );
    env.aws.call(
        "apigateway",
        "untag_resource",
        json!({"resourceArn": arn, "tagKeys": ["CostCenter"]}),
    );
}

/// These fields and the three tags.
fn with_tags<'a>(fields: &[&'a str]) -> Vec<&'a str> {
    [fields, &TAGS[..]].concat()
}

/// Changes of API Gateway in AWS's form: operation, path, value.
fn patches(operations: &[(&str, &str, &str)]) -> Value {
    let one = |(op, path, value): &(&str, &str, &str)| json!({"op": op, "path": path, "value": value});
    operations.iter().map(one).collect()
}

/// The length of the deletion window cannot drift: KMS learns it when the key is deleted.
#[test]
fn drift_of_a_kms_key_is_repaired() {
    let (env, outputs) = deployed();
    let (aws, id) = (&env.aws, outputs.id("security.key"));
    let policy = || {
        let asked = json!({"KeyId": id, "PolicyName": "default"});
        parsed(&aws.call("kms", "get_key_policy", asked)["Policy"])
    };
    let read = || {
        let key = aws.call("kms", "describe_key", json!({"KeyId": id}))["KeyMetadata"].clone();
        let rotation = aws.call("kms", "get_key_rotation_status", json!({"KeyId": id}));
        let listed = aws.call("kms", "list_resource_tags", json!({"KeyId": id}));
        json!({
            "key": fields(&key, &["Description", "KeyState"]),
            "rotation": rotation["KeyRotationEnabled"],
            "policy": policy(),
            "tags": tags(&listed["Tags"], "TagKey", "TagValue"),
        })
    };
    let tamper = || {
        let mut policy = policy();
        policy["Statement"].as_array_mut().expect("statements").truncate(1);
        aws.call(
            "kms",
            "update_key_description",
            json!({"KeyId": id, "Description": "tampered"}),
        );
        let policy = json!({"KeyId": id, "PolicyName": "default", "Policy": policy.to_string()});
        aws.call("kms", "put_key_policy", policy);
        aws.call("kms", "disable_key_rotation", json!({"KeyId": id}));
        let theirs = somebody_as("TagKey", "TagValue");
        aws.call("kms", "tag_resource", json!({"KeyId": id, "Tags": theirs}));
        aws.call("kms", "untag_resource", json!({"KeyId": id, "TagKeys": ["CostCenter"]}));
        aws.call("kms", "disable_key", json!({"KeyId": id}));
    };
    let fields = with_tags(&["description", "enabled", "rotation", "policy.Statement"]);
    repaired(&env, "security.key", &fields, &read, &tamper);
}

#[test]
fn drift_of_a_kms_alias_is_repaired() {
    let (env, _) = deployed();
    let name = "alias/fraud-detection-dev";
    let read = || {
        the(
            &env.aws.call("kms", "list_aliases", json!({}))["Aliases"],
            "AliasName",
            name,
        )["TargetKeyId"]
            .clone()
    };
    let tamper = || {
        let other = env.aws.call("kms", "create_key", json!({}))["KeyMetadata"]["KeyId"].clone();
        env.aws
            .call("kms", "update_alias", json!({"AliasName": name, "TargetKeyId": other}));
    };
    repaired(&env, "security.alias", &["target_key_id"], &read, &tamper);
}

#[test]
fn drift_of_a_table_is_repaired() {
    let (env, outputs) = deployed();
    let (aws, arn, name) = (&env.aws, outputs.arn("storage.transactions"), "transactions-dev");
    let read = || table(&env, &arn);
    let update = |mut change: Value| {
        change["TableName"] = json!(name);
        aws.call("dynamodb", "update_table", change);
    };
    let settings = || {
        update(json!({"DeletionProtectionEnabled": true}));
        let throughput = json!({"ReadCapacityUnits": 1, "WriteCapacityUnits": 1});
        update(json!({"BillingMode": "PROVISIONED", "ProvisionedThroughput": throughput}));
        update(json!({"SSESpecification": {"Enabled": false}}));
        let off = json!({"PointInTimeRecoveryEnabled": false});
        let backups = json!({"TableName": name, "PointInTimeRecoverySpecification": off});
        aws.call("dynamodb", "update_continuous_backups", backups);
        let expiry = json!({"Enabled": true, "AttributeName": "expires"});
        let expiry = json!({"TableName": name, "TimeToLiveSpecification": expiry});
        aws.call("dynamodb", "update_time_to_live", expiry);
        let theirs = somebody_as("Key", "Value");
        aws.call("dynamodb", "tag_resource", json!({"ResourceArn": arn, "Tags": theirs}));
        aws.call(
            "dynamodb",
            "untag_resource",
            json!({"ResourceArn": arn, "TagKeys": ["CostCenter"]}),
        );
    };
    let fields = [
        "deletion_protection",
        "billing_mode",
        "kms_key",
        "point_in_time_recovery",
        "ttl_attribute",
    ];
    repaired(&env, "storage.transactions", &with_tags(&fields), &read, &settings);

    let delete = || update(json!({"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "user-index"}}]}));
    repaired(
        &env,
        "storage.transactions",
        &["attributes.user_id", "indexes.user-index"],
        &read,
        &delete,
    );

    let attributes = |last: &[&str]| -> Value {
        let of = |name: &str, kind: &str| json!({"AttributeName": name, "AttributeType": kind});
        let keys = [
            of("transaction_id", "S"),
            of("timestamp", "N"),
            of("user_id", "S"),
            of("suspicious_bucket", "N"),
            of("pending_alert", "S"),
        ];
        keys.into_iter().chain(last.iter().map(|name| of(name, "S"))).collect()
    };
    let index = |name: &str, key: &str| {
        let key = json!([{"AttributeName": key, "KeyType": "HASH"}]);
        json!([{"Create": {"IndexName": name, "KeySchema": key, "Projection": {"ProjectionType": "KEYS_ONLY"}}}])
    };
    let another = || {
        let attributes = attributes(&["merchant"]);
        let index = index("their-index", "merchant");
        update(json!({"AttributeDefinitions": attributes, "GlobalSecondaryIndexUpdates": index}));
    };
    repaired(
        &env,
        "storage.transactions",
        &["attributes.merchant", "indexes.their-index"],
        &read,
        &another,
    );

    let otherwise = || {
        delete();
        let index = index("user-index", "user_id");
        update(json!({"AttributeDefinitions": attributes(&[]), "GlobalSecondaryIndexUpdates": index}));
    };
    let fields = ["indexes.user-index.projection", "indexes.user-index.range_key"];
    repaired(&env, "storage.transactions", &fields, &read, &otherwise);
}

#[test]
fn a_table_that_somebody_made_again_with_other_keys_is_replaced() {
    let (env, outputs) = deployed();
    let arn = outputs.arn("storage.transactions");
    let read = || table(&env, &arn);
    let tamper = || {
        let tags = env
            .aws
            .call("dynamodb", "list_tags_of_resource", json!({"ResourceArn": arn}))["Tags"]
            .clone();
        env.aws
            .call("dynamodb", "delete_table", json!({"TableName": "transactions-dev"}));
        let table = json!({
            "TableName": "transactions-dev",
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "Tags": tags
        });
        env.aws.call("dynamodb", "create_table", table);
    };
    let fields = [
        "attributes.id",
        "attributes.pending_alert",
        "attributes.suspicious_bucket",
        "attributes.timestamp",
        "attributes.transaction_id",
        "attributes.user_id",
        "hash_key",
        "indexes.pending-alerts-index",
        "indexes.suspicious-index",
        "indexes.user-index",
        "kms_key",
        "point_in_time_recovery",
        "range_key",
    ];
    let expected: [Expected; 1] = [("storage.transactions", "replace", &fields)];
    let up = ["up", "--yes", "--json", "--allow-data-loss"];
    undone_by(&env, &up, &expected, &read, &tamper);

    // What it would cost has to be said by whoever wants it.
    tamper();
    let theirs = read();
    let refused = env.run(&["up", "--yes"]).exits(1);
    assert!(refused.stderr.contains("--allow-data-loss"), "{refused:#?}");
    assert_eq!(read(), theirs);
}

/// All that a table is, by four calls.
fn table(env: &Environment, arn: &str) -> Value {
    let asked = json!({"TableName": "transactions-dev"});
    let table = env.aws.call("dynamodb", "describe_table", asked.clone())["Table"].clone();
    let backups = env.aws.call("dynamodb", "describe_continuous_backups", asked.clone());
    let expiry = env.aws.call("dynamodb", "describe_time_to_live", asked);
    let listed = env
        .aws
        .call("dynamodb", "list_tags_of_resource", json!({"ResourceArn": arn}));
    let attributes = table["AttributeDefinitions"].as_array().expect("a list").iter();
    let mut attributes: Vec<String> = attributes.map(Value::to_string).collect();
    attributes.sort();
    let indexes = table["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
    let indexes: Value = indexes
        .map(|index| fields(index, &["IndexName", "KeySchema", "Projection"]))
        .collect();
    let recovery = &backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"];
    json!({
        "table": fields(&table, &["KeySchema", "SSEDescription", "DeletionProtectionEnabled"]),
        "billing": table["BillingModeSummary"]["BillingMode"],
        "attributes": attributes,
        "indexes": indexes,
        "recovery": recovery["PointInTimeRecoveryStatus"],
        "expiry": expiry["TimeToLiveDescription"]["TimeToLiveStatus"],
        "tags": tags(&listed["Tags"], "Key", "Value"),
    })
}

#[test]
fn drift_of_a_topic_is_repaired() {
    let (env, outputs) = deployed();
    let (aws, arn) = (&env.aws, outputs.arn("messaging.alerts"));
    let names = [
        "KmsMasterKeyId",
        "SQSSuccessFeedbackRoleArn",
        "SQSFailureFeedbackRoleArn",
        "SQSSuccessFeedbackSampleRate",
    ];
    let read = || {
        let topic = aws.call("sns", "get_topic_attributes", json!({"TopicArn": arn}));
        let listed = aws.call("sns", "list_tags_for_resource", json!({"ResourceArn": arn}));
        json!({"topic": fields(&topic["Attributes"], &names), "tags": tags(&listed["Tags"], "Key", "Value")})
    };
    let tamper = || {
        let role = outputs.arn("functions.processor_role");
        for (name, value) in names.into_iter().zip(["alias/aws/sns", &role, &role, "7"]) {
            let attribute = json!({"TopicArn": arn, "AttributeName": name, "AttributeValue": value});
            aws.call("sns", "set_topic_attributes", attribute);
        }
        aws.call(
            "sns",
            "tag_resource",
            json!({"ResourceArn": arn, "Tags": somebody_as("Key", "Value")}),
        );
        aws.call(
            "sns",
            "untag_resource",
            json!({"ResourceArn": arn, "TagKeys": ["CostCenter"]}),
        );
    };
    let fields = [
        "kms_key",
        "sqs_success_role",
        "sqs_failure_role",
        "sqs_success_sample_rate",
    ];
    repaired(&env, "messaging.alerts", &with_tags(&fields), &read, &tamper);
}

/// Topic, protocol and endpoint are what a subscription is: changed, it is another one.
#[test]
fn drift_of_a_subscription_is_repaired() {
    let (env, outputs) = deployed_in(Environment::new().scoring());
    let arn = outputs.arn("messaging.alerts_subscription");
    let read = || {
        let found = env
            .aws
            .call("sns", "get_subscription_attributes", json!({"SubscriptionArn": arn}));
        let shown = &found["Attributes"];
        // An empty filter is how SNS is told of none.
        let filter = shown["FilterPolicy"].as_str().filter(|filter| *filter != "{}");
        json!({
            "redrive": parsed(&shown["RedrivePolicy"]),
            "raw": shown["RawMessageDelivery"].as_str().unwrap_or("false"),
            "filter": filter,
        })
    };
    let set = |name: &str, value: &str| {
        let attribute = json!({"SubscriptionArn": arn, "AttributeName": name, "AttributeValue": value});
        env.aws.call("sns", "set_subscription_attributes", attribute);
    };
    let at = "messaging.alerts_subscription";
    let redrive = || {
        let redrive = json!({"deadLetterTargetArn": outputs.arn("messaging.lambda_dlq")});
        set("RedrivePolicy", &redrive.to_string());
    };
    repaired(&env, at, &["dead_letter_arn"], &read, &redrive);
    // A filter is the way in which somebody makes alerts vanish without a trace.
    let silence = || {
        set("FilterPolicy", r#"{"severity": ["never"]}"#);
        set("RawMessageDelivery", "true");
    };
    repaired(&env, at, &["filter_policy", "raw_delivery"], &read, &silence);
    // What a repaired subscription delivers arrives again.
    env.run(&["send", "--amount", "15000", "--id", "after-the-filter"])
        .exits(0);
    let queue = env.run(&["output", "alert_queue_url"]).exits(0).stdout;
    let received = json!({"QueueUrl": queue.trim(), "MaxNumberOfMessages": 10, "WaitTimeSeconds": 5});
    let received = env.aws.call("sqs", "receive_message", received);
    assert!(received.to_string().contains("after-the-filter"), "{received:#}");
}

#[test]
fn drift_of_a_queue_is_repaired() {
    let (env, outputs) = deployed();
    let (aws, url) = (&env.aws, outputs.get("messaging.alerts_queue", "url"));
    let attributes = || {
        let asked = json!({"QueueUrl": url, "AttributeNames": ["All"]});
        aws.call("sqs", "get_queue_attributes", asked)["Attributes"].clone()
    };
    let read = || {
        let found = attributes();
        json!({
            "queue": fields(&found, &["VisibilityTimeout", "MessageRetentionPeriod", "KmsMasterKeyId"]),
            "policy": parsed(&found["Policy"]),
            "redrive": parsed(&found["RedrivePolicy"]),
            "tags": aws.call("sqs", "list_queue_tags", json!({"QueueUrl": url}))["Tags"],
        })
    };
    let tamper = || {
        let mut policy = parsed(&attributes()["Policy"]);
        policy["Statement"][0]["Principal"] = json!({"Service": "events.amazonaws.com"});
        let dead_letters = outputs.arn("messaging.lambda_dlq");
        let attributes = json!({
            "VisibilityTimeout": "30",
            "MessageRetentionPeriod": "60",
            "KmsMasterKeyId": "alias/aws/sqs",
            "Policy": policy.to_string(),
            "RedrivePolicy": json!({"deadLetterTargetArn": dead_letters, "maxReceiveCount": 9}).to_string(),
        });
        aws.call(
            "sqs",
            "set_queue_attributes",
            json!({"QueueUrl": url, "Attributes": attributes}),
        );
        aws.call("sqs", "tag_queue", json!({"QueueUrl": url, "Tags": somebody()}));
        aws.call(
            "sqs",
            "untag_queue",
            json!({"QueueUrl": url, "TagKeys": ["CostCenter"]}),
        );
    };
    let fields = [
        "visibility_timeout",
        "retention_seconds",
        "kms_key",
        "policy.Statement[0].Principal.Service[0]",
        "redrive.dead_letter_arn",
        "redrive.max_receives",
    ];
    repaired(&env, "messaging.alerts_queue", &with_tags(&fields), &read, &tamper);
}

#[test]
fn drift_of_a_role_is_repaired() {
    let (env, _) = deployed();
    let (aws, name) = (&env.aws, "transaction-processor-role-dev");
    let role = || aws.call("iam", "get_role", json!({"RoleName": name}))["Role"].clone();
    let read = || {
        let role = role();
        json!({
            "role": fields(&role, &["Description", "AssumeRolePolicyDocument"]),
            "tags": tags(&role["Tags"], "Key", "Value"),
        })
    };
    let tamper = || {
        let mut trust = role()["AssumeRolePolicyDocument"].clone();
        trust["Statement"][0]["Principal"] = json!({"Service": "ec2.amazonaws.com"});
        aws.call(
            "iam",
            "update_role_description",
            json!({"RoleName": name, "Description": "tampered"}),
        );
        let trust = json!({"RoleName": name, "PolicyDocument": trust.to_string()});
        aws.call("iam", "update_assume_role_policy", trust);
        aws.call(
            "iam",
            "tag_role",
            json!({"RoleName": name, "Tags": somebody_as("Key", "Value")}),
        );
        aws.call(
            "iam",
            "untag_role",
            json!({"RoleName": name, "TagKeys": ["CostCenter"]}),
        );
    };
    let fields = ["description", "assume_role_policy.Statement[0].Principal.Service[0]"];
    repaired(&env, "functions.processor_role", &with_tags(&fields), &read, &tamper);
}

#[test]
fn drift_of_a_policy_is_repaired() {
    let (env, outputs) = deployed();
    let (aws, arn) = (&env.aws, outputs.arn("functions.processor_policy"));
    let role = "transaction-processor-role-dev";
    let policy = || aws.call("iam", "get_policy", json!({"PolicyArn": arn}))["Policy"].clone();
    let document = || {
        let version = json!({"PolicyArn": arn, "VersionId": policy()["DefaultVersionId"]});
        aws.call("iam", "get_policy_version", version)["PolicyVersion"]["Document"].clone()
    };
    let read = || {
        let policy = policy();
        let attached = aws.call("iam", "list_attached_role_policies", json!({"RoleName": role}));
        json!({
            "description": policy["Description"],
            "document": document(),
            "tags": tags(&policy["Tags"], "Key", "Value"),
            "attached": find(&attached["AttachedPolicies"], "PolicyArn", &arn).is_some(),
        })
    };
    let tamper = || {
        let mut document = document();
        document["Statement"].as_array_mut().expect("statements").truncate(1);
        let version = json!({"PolicyArn": arn, "PolicyDocument": document.to_string(), "SetAsDefault": true});
        aws.call("iam", "create_policy_version", version);
        aws.call(
            "iam",
            "tag_policy",
            json!({"PolicyArn": arn, "Tags": somebody_as("Key", "Value")}),
        );
        aws.call(
            "iam",
            "untag_policy",
            json!({"PolicyArn": arn, "TagKeys": ["CostCenter"]}),
        );
    };
    repaired(
        &env,
        "functions.processor_policy",
        &with_tags(&["document.Statement"]),
        &read,
        &tamper,
    );

    // The description is fixed for a policy's life: whoever wants another makes another policy.
    let again = || {
        let (document, tags) = (document(), policy()["Tags"].clone());
        let attachment = json!({"RoleName": role, "PolicyArn": arn});
        aws.call("iam", "detach_role_policy", attachment.clone());
        let versions = aws.call("iam", "list_policy_versions", json!({"PolicyArn": arn}));
        for version in versions["Versions"].as_array().expect("a list") {
            if version["IsDefaultVersion"] == false {
                let version = json!({"PolicyArn": arn, "VersionId": version["VersionId"]});
                aws.call("iam", "delete_policy_version", version);
            }
        }
        aws.call("iam", "delete_policy", json!({"PolicyArn": arn}));
        let policy = json!({
            "PolicyName": "transaction-processor-policy-0-dev",
            "Description": "tampered",
            "PolicyDocument": document.to_string(),
            "Tags": tags,
        });
        aws.call("iam", "create_policy", policy);
        aws.call("iam", "attach_role_policy", attachment);
    };
    let expected: [Expected; 2] = [
        ("functions.processor_policy", "replace", &["description"]),
        ("functions.processor_policy_attachment", "replace", &[]),
    ];
    undone(&env, &expected, &read, &again);
}

/// Nothing of an attachment can be changed: it is what it names. Here one is taken away and another put in its place.
#[test]
fn drift_of_an_attachment_is_repaired() {
    let (env, _) = deployed();
    let arn = "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess";
    let attachment = json!({"RoleName": "pattern-analyzer-role-dev", "PolicyArn": arn});
    let read = || {
        let role = json!({"RoleName": "pattern-analyzer-role-dev"});
        let attached = env.aws.call("iam", "list_attached_role_policies", role);
        json!(find(&attached["AttachedPolicies"], "PolicyArn", arn).is_some())
    };
    let tamper = || {
        env.aws.call("iam", "detach_role_policy", attachment.clone());
    };
    undone(&env, &[("functions.analyzer_tracing", "create", &[])], &read, &tamper);
}

#[test]
fn drift_of_a_log_group_is_repaired() {
    let (env, outputs) = deployed();
    let (aws, arn) = (&env.aws, outputs.arn("functions.analyzer_log_group"));
    let name = "/aws/lambda/pattern-analyzer-dev";
    let read = || {
        let found = aws.call("logs", "describe_log_groups", json!({"logGroupNamePrefix": name}));
        json!({
            "group": fields(&the(&found["logGroups"], "logGroupName", name), &["retentionInDays", "kmsKeyId"]),
            "tags": aws.call("logs", "list_tags_for_resource", json!({"resourceArn": arn}))["tags"],
        })
    };
    let encrypt = || {
        let other = aws.call("kms", "create_key", json!({}))["KeyMetadata"]["Arn"].clone();
        let key = json!({"logGroupName": name, "kmsKeyId": other});
        aws.call("logs", "associate_kms_key", key);
    };
    let tamper = || {
        encrypt();
        aws.call(
            "logs",
            "put_retention_policy",
            json!({"logGroupName": name, "retentionInDays": 1}),
        );
        aws.call("logs", "tag_resource", json!({"resourceArn": arn, "tags": somebody()}));
        aws.call(
            "logs",
            "untag_resource",
            json!({"resourceArn": arn, "tagKeys": ["CostCenter"]}),
        );
    };
    repaired(
        &env,
        "functions.analyzer_log_group",
        &with_tags(&["kms_key", "retention_days"]),
        &read,
        &tamper,
    );
    let forever_and_open = || {
        aws.call("logs", "delete_retention_policy", json!({"logGroupName": name}));
        aws.call("logs", "disassociate_kms_key", json!({"logGroupName": name}));
    };
    repaired(
        &env,
        "functions.analyzer_log_group",
        &["kms_key", "retention_days"],
        &read,
        &forever_and_open,
    );
}

#[test]
fn drift_of_a_function_is_repaired() {
    let (env, outputs) = deployed();
    let (aws, arn) = (&env.aws, outputs.arn("functions.analyzer"));
    let name = "pattern-analyzer-dev";
    let read = || {
        let found = aws.call("lambda", "get_function", json!({"FunctionName": name}));
        let names = [
            "Description",
            "Role",
            "Runtime",
            "Handler",
            "Architectures",
            "MemorySize",
            "Timeout",
            "Environment",
            "DeadLetterConfig",
            "TracingConfig",
            "KMSKeyArn",
            "CodeSha256",
        ];
        json!({
            "function": fields(&found["Configuration"], &names),
            "concurrency": found["Concurrency"],
            "tags": found["Tags"],
        })
    };
    let tamper = || {
        let zip = json!({"$base64": EMPTY_ZIP});
        let code = json!({"FunctionName": name, "ZipFile": zip, "Architectures": ["x86_64"]});
        aws.call("lambda", "update_function_code", code);
        let configuration = json!({
            "FunctionName": name,
            "Description": "tampered",
            "Role": outputs.arn("functions.processor_role"),
            "Runtime": "provided.al2",
            "Handler": "tampered",
            "MemorySize": 128,
            "Timeout": 3,
            "Environment": {"Variables": {"ENVIRONMENT": "tampered", "MORE": "x", "DYNAMODB_TABLE": "transactions-dev"}},
            "DeadLetterConfig": {"TargetArn": outputs.arn("messaging.alerts_dlq")},
            "TracingConfig": {"Mode": "PassThrough"},
            "KMSKeyArn": "",
        });
        aws.call("lambda", "update_function_configuration", configuration);
        let concurrency = json!({"FunctionName": name, "ReservedConcurrentExecutions": 1});
        aws.call("lambda", "put_function_concurrency", concurrency);
        aws.call("lambda", "tag_resource", json!({"Resource": arn, "Tags": somebody()}));
        aws.call(
            "lambda",
            "untag_resource",
            json!({"Resource": arn, "TagKeys": ["CostCenter"]}),
        );
    };
    let fields = [
        "architecture",
        "code_sha256",
        "dead_letter_arn",
        "description",
        "environment.ENVIRONMENT",
        "environment.IDEMPOTENCY_TABLE",
        "environment.MORE",
        "environment.SNS_TOPIC_ARN",
        "handler",
        "kms_key",
        "memory_mb",
        "reserved_concurrency",
        "role",
        "runtime",
        "timeout_seconds",
        "tracing",
    ];
    repaired(&env, "functions.analyzer", &with_tags(&fields), &read, &tamper);
    let unreserved = || {
        aws.call("lambda", "delete_function_concurrency", json!({"FunctionName": name}));
    };
    repaired(
        &env,
        "functions.analyzer",
        &["reserved_concurrency"],
        &read,
        &unreserved,
    );
}

#[test]
fn drift_of_a_permission_is_repaired() {
    let (env, _) = deployed();
    let (aws, id) = (&env.aws, "AllowExecutionFromEventBridge");
    let function = "pattern-analyzer-dev";
    let read = || {
        let policy = parsed(&aws.call("lambda", "get_policy", json!({"FunctionName": function}))["Policy"]);
        the(&policy["Statement"], "Sid", id)
    };
    // A statement cannot be changed, but taken away and given anew.
    let tamper = || {
        aws.call(
            "lambda",
            "remove_permission",
            json!({"FunctionName": function, "StatementId": id}),
        );
        let permission = json!({
            "FunctionName": function,
            "StatementId": id,
            "Action": "lambda:GetFunction",
            "Principal": "s3.amazonaws.com",
            "SourceArn": "arn:aws:s3:::theirs",
        });
        aws.call("lambda", "add_permission", permission);
    };
    let fields = ["action", "principal", "source_arn"];
    undone(
        &env,
        &[("functions.schedule_permission", "replace", &fields)],
        &read,
        &tamper,
    );
}

#[test]
fn drift_of_a_rule_is_repaired() {
    let (env, outputs) = deployed();
    let (aws, arn) = (&env.aws, outputs.arn("functions.schedule"));
    let name = "pattern-analysis-schedule-dev";
    let read = || {
        let rule = aws.call("events", "describe_rule", json!({"Name": name}));
        let listed = aws.call("events", "list_tags_for_resource", json!({"ResourceARN": arn}));
        json!({
            "rule": fields(&rule, &["Description", "ScheduleExpression", "State"]),
            "targets": aws.call("events", "list_targets_by_rule", json!({"Rule": name}))["Targets"],
            "tags": tags(&listed["Tags"], "Key", "Value"),
        })
    };
    let tamper = || {
        let rule = json!({
            "Name": name,
            "Description": "tampered",
            "ScheduleExpression": "rate(1 hour)",
            "State": "DISABLED",
        });
        aws.call("events", "put_rule", rule);
        aws.call(
            "events",
            "tag_resource",
            json!({"ResourceARN": arn, "Tags": somebody_as("Key", "Value")}),
        );
        aws.call(
            "events",
            "untag_resource",
            json!({"ResourceARN": arn, "TagKeys": ["CostCenter"]}),
        );
    };
    let fields = ["description", "schedule", "enabled"];
    repaired(&env, "functions.schedule", &with_tags(&fields), &read, &tamper);
}

#[test]
fn drift_of_a_target_is_repaired() {
    let (env, outputs) = deployed();
    let rule = "pattern-analysis-schedule-dev";
    let read = || env.aws.call("events", "list_targets_by_rule", json!({"Rule": rule}))["Targets"].clone();
    let tamper = || {
        let target = json!({
            "Id": "pattern-analyzer",
            "Arn": outputs.arn("functions.processor"),
            "DeadLetterConfig": {"Arn": outputs.arn("messaging.alerts_dlq")},
            "RetryPolicy": {"MaximumRetryAttempts": 7, "MaximumEventAgeInSeconds": 600},
        });
        env.aws
            .call("events", "put_targets", json!({"Rule": rule, "Targets": [target]}));
    };
    let fields = ["arn", "dead_letter_arn", "retry_attempts", "max_event_age_seconds"];
    repaired(&env, "functions.schedule_target", &fields, &read, &tamper);
}

#[test]
fn drift_of_an_alarm_is_repaired() {
    let (env, outputs) = deployed();
    let (aws, arn) = (&env.aws, outputs.arn("monitoring.lambda_dlq"));
    let name = "lambda-dlq-depth-dev";
    let read = || {
        let alarms = aws.call("cloudwatch", "describe_alarms", json!({"AlarmNames": [name]}));
        let listed = aws.call("cloudwatch", "list_tags_for_resource", json!({"ResourceARN": arn}));
        let names = [
            "AlarmDescription",
            "Namespace",
            "MetricName",
            "Dimensions",
            "Statistic",
            "Period",
            "ComparisonOperator",
            "Threshold",
            "EvaluationPeriods",
            "TreatMissingData",
            "AlarmActions",
            "ActionsEnabled",
        ];
        json!({
            "alarm": fields(&the(&alarms["MetricAlarms"], "AlarmName", name), &names),
            "tags": tags(&listed["Tags"], "Key", "Value"),
        })
    };
    let tamper = || {
        let alarm = json!({
            "AlarmName": name,
            "AlarmDescription": "tampered",
            "Namespace": "AWS/Lambda",
            "MetricName": "Errors",
            "Dimensions": [{"Name": "QueueName", "Value": "theirs"}, {"Name": "More", "Value": "theirs"}],
            "Statistic": "Sum",
            "Period": 60,
            "ComparisonOperator": "LessThanThreshold",
            "Threshold": 3.5,
            "EvaluationPeriods": 4,
            "TreatMissingData": "ignore",
            "AlarmActions": [],
            "ActionsEnabled": false,
        });
        aws.call("cloudwatch", "put_metric_alarm", alarm);
        aws.call(
            "cloudwatch",
            "tag_resource",
            json!({"ResourceARN": arn, "Tags": somebody_as("Key", "Value")}),
        );
        aws.call(
            "cloudwatch",
            "untag_resource",
            json!({"ResourceARN": arn, "TagKeys": ["CostCenter"]}),
        );
    };
    let fields = [
        "actions_enabled",
        "alarm_actions",
        "comparison",
        "description",
        "evaluation_periods",
        "metric.dimensions.More",
        "metric.dimensions.QueueName",
        "metric.name",
        "metric.namespace",
        "metric.period_seconds",
        "metric.statistic",
        "missing_data",
        "threshold",
    ];
    repaired(&env, "monitoring.lambda_dlq", &with_tags(&fields), &read, &tamper);

    // Muted for the night, and forgotten.
    let mute = || {
        aws.call("cloudwatch", "disable_alarm_actions", json!({"AlarmNames": [name]}));
    };
    repaired(&env, "monitoring.lambda_dlq", &["actions_enabled"], &read, &mute);
}

#[test]
fn drift_of_an_alarm_on_an_expression_is_repaired() {
    let (env, _) = deployed();
    let at = "monitoring.analyzer_errors";
    let kept = [
        "AlarmName",
        "AlarmDescription",
        "ComparisonOperator",
        "Threshold",
        "EvaluationPeriods",
        "TreatMissingData",
        "AlarmActions",
    ];
    let alarm = || {
        let asked = json!({"AlarmNames": ["pattern-analyzer-errors-dev"]});
        env.aws.call("cloudwatch", "describe_alarms", asked)["MetricAlarms"][0].clone()
    };
    let names = [&kept[..], &["Metrics", "MetricName", "Statistic", "Period"][..]].concat();
    let read = || fields(&alarm(), &names);
    let queries = || {
        let alarm = alarm();
        let mut theirs = fields(&alarm, &kept);
        let mut queries = alarm["Metrics"].clone();
        queries[0]["MetricStat"]["Stat"] = json!("Average");
        queries[0]["MetricStat"]["Period"] = json!(60);
        queries[1]["MetricStat"]["Metric"] = json!({
            "Namespace": "Theirs",
            "MetricName": "Theirs",
            "Dimensions": [{"Name": "FunctionName", "Value": "theirs"}, {"Name": "More", "Value": "theirs"}],
        });
        queries[2]["Expression"] = json!("errors");
        queries[2]["Label"] = json!("Theirs");
        theirs["Metrics"] = queries;
        env.aws.call("cloudwatch", "put_metric_alarm", theirs);
    };
    let changed = [
        "queries[0].metric.period_seconds",
        "queries[0].metric.statistic",
        "queries[1].metric.dimensions.FunctionName",
        "queries[1].metric.dimensions.More",
        "queries[1].metric.name",
        "queries[1].metric.namespace",
        "queries[2].expression",
        "queries[2].label",
    ];
    repaired(&env, at, &changed, &read, &queries);

    let one_metric = || {
        let mut theirs = fields(&alarm(), &kept);
        theirs["Namespace"] = json!("AWS/Lambda");
        theirs["MetricName"] = json!("Errors");
        theirs["Statistic"] = json!("Sum");
        theirs["Period"] = json!(60);
        env.aws.call("cloudwatch", "put_metric_alarm", theirs);
    };
    repaired(&env, at, &["metric", "queries"], &read, &one_metric);
}

/// Its tags stand in a widget of its own, the last.
#[test]
fn drift_of_a_dashboard_is_repaired() {
    let (env, _) = deployed();
    let (aws, name) = (&env.aws, "fraud-detection-dev");
    let read = || {
        let found = aws.call("cloudwatch", "get_dashboard", json!({"DashboardName": name}));
        parsed(&found["DashboardBody"])
    };
    let put = |body: &Value| {
        let theirs = json!({"DashboardName": name, "DashboardBody": body.to_string()});
        aws.call("cloudwatch", "put_dashboard", theirs);
    };
    let tamper = || {
        let mut body = read();
        let widgets = body["widgets"].as_array_mut().expect("a list");
        widgets[1]["properties"]["title"] = json!("theirs");
        widgets[2]["width"] = json!(1);
        let properties = widgets[3]["properties"].as_object_mut().expect("an object");
        properties.remove("region");
        properties.insert("liveData".to_owned(), json!(true));
        body["periodOverride"] = json!("inherit");
        put(&body);
    };
    let fields = [
        "body.periodOverride",
        "body.widgets[1].properties.title",
        "body.widgets[2].width",
        "body.widgets[3].properties.liveData",
        "body.widgets[3].properties.region",
    ];
    repaired(&env, "monitoring.dashboard", &fields, &read, &tamper);

    let one_less = || {
        let mut body = read();
        body["widgets"].as_array_mut().expect("a list").remove(0);
        put(&body);
    };
    repaired(&env, "monitoring.dashboard", &["body.widgets"], &read, &one_less);

    let untagged = || {
        let mut body = read();
        body["widgets"].as_array_mut().expect("a list").pop();
        put(&body);
    };
    let fields = [
        "tags.CostCenter",
        "tags.Environment",
        "tags.Project",
        "tags.fraudctl:address",
        "tags.fraudctl:env",
        "tags.fraudctl:region",
    ];
    repaired(&env, "monitoring.dashboard", &fields, &read, &untagged);
}

/// Its value is the analyst's.
#[test]
fn drift_of_a_parameter_whose_value_is_not_managed_is_repaired_around_the_value() {
    let (env, _) = deployed();
    let (aws, name) = (&env.aws, "/fraud-detection/dev/rules");
    let theirs = json!({"Name": name, "Value": "theirs", "Overwrite": true});
    aws.call("ssm", "put_parameter", theirs);
    env.assert_settled();
    let asked = json!({"ResourceType": "Parameter", "ResourceId": name});
    let read = || {
        let all = aws.call("ssm", "describe_parameters", json!({}));
        let listed = aws.call("ssm", "list_tags_for_resource", asked.clone());
        json!({
            "parameter": fields(&aws.call("ssm", "get_parameter", json!({"Name": name}))["Parameter"], &["Type", "Value"]),
            "description": the(&all["Parameters"], "Name", name)["Description"],
            "tags": tags(&listed["TagList"], "Key", "Value"),
        })
    };
    let tamper = || {
        let parameter = json!({"Name": name, "Value": "theirs", "Description": "tampered", "Overwrite": true});
        aws.call("ssm", "put_parameter", parameter);
        let mut theirs = asked.clone();
        theirs["Tags"] = somebody_as("Key", "Value");
        aws.call("ssm", "add_tags_to_resource", theirs);
        let mut ours = asked.clone();
        ours["TagKeys"] = json!(["CostCenter"]);
        aws.call("ssm", "remove_tags_from_resource", ours);
    };
    repaired(&env, "storage.rules", &with_tags(&["description"]), &read, &tamper);
    assert_eq!(read()["parameter"]["Value"], "theirs");
}

#[test]
fn drift_of_a_parameter_is_repaired() {
    let (env, _) = deployed();
    let (aws, name) = (&env.aws, "/fraud-detection/dev/fraud_threshold");
    let asked = json!({"ResourceType": "Parameter", "ResourceId": name});
    let listed = || aws.call("ssm", "list_tags_for_resource", asked.clone())["TagList"].clone();
    let read = || {
        let all = aws.call("ssm", "describe_parameters", json!({}));
        json!({
            "parameter": fields(&aws.call("ssm", "get_parameter", json!({"Name": name}))["Parameter"], &["Type", "Value"]),
            "description": the(&all["Parameters"], "Name", name)["Description"],
            "tags": tags(&listed(), "Key", "Value"),
        })
    };
    let tamper = || {
        let parameter = json!({
            "Name": name,
            "Value": "0.5",
            "Description": "tampered",
            "Type": "String",
            "Overwrite": true,
        });
        aws.call("ssm", "put_parameter", parameter);
        let mut theirs = asked.clone();
        theirs["Tags"] = somebody_as("Key", "Value");
        aws.call("ssm", "add_tags_to_resource", theirs);
        let mut ours = asked.clone();
        ours["TagKeys"] = json!(["CostCenter"]);
        aws.call("ssm", "remove_tags_from_resource", ours);
    };
    let fields = ["value", "description"];
    repaired(&env, "storage.fraud_threshold", &with_tags(&fields), &read, &tamper);

    // The type of a parameter is fixed: whoever wants another makes another parameter.
    let again = || {
        let tags = listed();
        aws.call("ssm", "delete_parameter", json!({"Name": name}));
        let parameter = json!({
            "Name": name,
            "Value": "0.85",
            "Description": "Fraud detection threshold",
            "Type": "StringList",
            "Tags": tags,
        });
        aws.call("ssm", "put_parameter", parameter);
    };
    undone(
        &env,
        &[("storage.fraud_threshold", "replace", &["kind"])],
        &read,
        &again,
    );
}

#[test]
fn drift_of_a_rest_api_is_repaired() {
    let (env, outputs) = deployed();
    let id = outputs.id("api.rest_api");
    let read = || {
        let api = env.aws.call("apigateway", "get_rest_api", json!({"restApiId": id}));
        fields(&api, &["name", "description", "endpointConfiguration", "tags"])
    };
    let tamper = || {
        let patches = patches(&[
            ("replace", "/name", "theirs"),
            ("replace", "/description", "tampered"),
            ("replace", "/endpointConfiguration/types/REGIONAL", "EDGE"),
        ]);
        env.aws.call(
            "apigateway",
            "update_rest_api",
            json!({"restApiId": id, "patchOperations": patches}),
        );
        retag(&env, &format!("/restapis/{id}"));
    };
    let fields = ["name", "description", "endpoint_type"];
    repaired(&env, "api.rest_api", &with_tags(&fields), &read, &tamper);
}

#[test]
fn drift_of_what_an_api_answers_by_itself_is_repaired() {
    let (env, outputs) = deployed();
    let api = outputs.id("api.rest_api");
    let read = || {
        let found = env
            .aws
            .call("apigateway", "get_gateway_responses", json!({"restApiId": api}));
        let found = found["items"].as_array().expect("a list").iter();
        let changed = found.filter(|one| one["defaultResponse"] == false);
        let names = ["responseType", "statusCode", "responseParameters", "responseTemplates"];
        changed.map(|one| fields(one, &names)).collect::<Value>()
    };
    assert_eq!(read().as_array().map(Vec::len), Some(3), "{:#}", read());
    let tamper = || {
        let put = |kind: &str, template: &str| {
            let templates = json!({"application/json": template});
            let params = json!({"restApiId": api, "responseType": kind, "responseTemplates": templates});
            env.aws.call("apigateway", "put_gateway_response", params);
        };
        put("DEFAULT_5XX", "{}");
        put("THROTTLED", "{}");
        let params = json!({"restApiId": api, "responseType": "BAD_REQUEST_BODY"});
        env.aws.call("apigateway", "delete_gateway_response", params);
    };
    let fields = [
        "gateway_responses.BAD_REQUEST_BODY",
        "gateway_responses.DEFAULT_5XX.templates.application/json",
        "gateway_responses.THROTTLED",
    ];
    repaired(&env, "api.rest_api", &fields, &read, &tamper);
}

#[test]
fn drift_of_a_request_validator_is_repaired() {
    let (env, outputs) = deployed();
    let (aws, api) = (&env.aws, outputs.id("api.rest_api"));
    let validators = || {
        let found = aws.call("apigateway", "get_request_validators", json!({"restApiId": api}));
        let found = found["items"].as_array().expect("a list").clone();
        let names = ["name", "validateRequestBody", "validateRequestParameters"];
        found.iter().map(|one| fields(one, &names)).collect::<Value>()
    };
    let update = |operations: &[(&str, &str, &str)]| {
        let id = outputs.id("api.validator");
        let patch = json!({"restApiId": api, "requestValidatorId": id, "patchOperations": patches(operations)});
        aws.call("apigateway", "update_request_validator", patch);
    };
    let lax = || {
        let path = "/validateRequestParameters";
        update(&[("replace", "/validateRequestBody", "false"), ("replace", path, "false")]);
    };
    repaired(
        &env,
        "api.validator",
        &["validate_body", "validate_parameters"],
        &validators,
        &lax,
    );

    let rename = || update(&[("replace", "/name", "theirs")]);
    let expected: [Expected; 4] = [
        ("api.validator", "replace", &["name"]),
        ("api.post", "update", &["request_validator_id"]),
        ("api.deployment", "replace", &["fingerprint"]),
        ("api.stage", "update", &["deployment_id"]),
    ];
    undone(&env, &expected, &validators, &rename);
}

#[test]
fn drift_of_a_model_is_repaired() {
    let (env, outputs) = deployed();
    let (aws, api) = (&env.aws, outputs.id("api.rest_api"));
    let asked = json!({"restApiId": api, "modelName": "TransactionModel"});
    let read = || {
        let model = aws.call("apigateway", "get_model", asked.clone());
        json!({"model": fields(&model, &["description", "contentType"]), "schema": parsed(&model["schema"])})
    };
    let tamper = || {
        let schema = json!({"type": "object"}).to_string();
        let mut patch = asked.clone();
        patch["patchOperations"] = patches(&[("replace", "/description", "tampered"), ("replace", "/schema", &schema)]);
        aws.call("apigateway", "update_model", patch);
    };
    let changed = [
        "description",
        "schema.$schema",
        "schema.properties",
        "schema.required",
        "schema.title",
    ];
    repaired(&env, "api.model", &changed, &read, &tamper);

    // The content type of a model is fixed: whoever wants another makes another model.
    let again = || {
        let now = read();
        aws.call("apigateway", "delete_model", asked.clone());
        let model = json!({
            "restApiId": api,
            "name": "TransactionModel",
            "description": now["model"]["description"],
            "contentType": "application/xml",
            "schema": now["schema"].to_string(),
        });
        aws.call("apigateway", "create_model", model);
    };
    undone(&env, &[("api.model", "replace", &["content_type"])], &read, &again);
}

#[test]
fn drift_of_an_api_resource_is_repaired() {
    let (env, outputs) = deployed();
    let (aws, api) = (&env.aws, outputs.id("api.rest_api"));
    let read = || paths(&env, &api);
    let tamper = || {
        let patches = patches(&[("replace", "/pathPart", "theirs")]);
        let id = outputs.id("api.transactions");
        aws.call(
            "apigateway",
            "update_resource",
            json!({"restApiId": api, "resourceId": id, "patchOperations": patches}),
        );
    };
    let expected: [Expected; 6] = [
        ("api.transactions", "replace", &["path_part"]),
        // The method has another path, which nobody asked for.
        ("api.rest_api", "update", &["methods"]),
        ("api.post", "replace", &["resource_id"]),
        ("api.integration", "replace", &["resource_id"]),
        ("api.deployment", "replace", &["fingerprint"]),
        ("api.stage", "update", &["deployment_id"]),
    ];
    undone(&env, &expected, &read, &tamper);
}

/// The parts of the paths of a REST API, and their methods.
fn paths(env: &Environment, api: &str) -> Value {
    let resources = env.aws.call("apigateway", "get_resources", json!({"restApiId": api}));
    let resources = resources["items"].as_array().expect("a list").iter();
    let mut resources: Vec<(String, Vec<String>)> = resources
        .map(|resource| {
            let methods = resource["resourceMethods"].as_object();
            let methods = methods
                .into_iter()
                .flat_map(|methods| methods.keys().cloned())
                .collect();
            (resource["pathPart"].as_str().unwrap_or_default().to_owned(), methods)
        })
        .collect();
    resources.sort();
    json!(resources)
}

/// Who may call, and what is checked.
#[test]
fn drift_of_a_method_is_repaired() {
    let (env, outputs) = deployed();
    let (api, resource) = (outputs.id("api.rest_api"), outputs.id("api.transactions"));
    let asked = json!({"restApiId": api, "resourceId": resource, "httpMethod": "POST"});
    let read = || env.aws.call("apigateway", "get_method", asked.clone());
    let update = |operations: &[(&str, &str, &str)]| {
        let mut patch = asked.clone();
        patch["patchOperations"] = patches(operations);
        env.aws.call("apigateway", "update_method", patch);
    };
    let tamper = || {
        update(&[
            ("replace", "/authorizationType", "AWS_IAM"),
            ("replace", "/apiKeyRequired", "false"),
            ("replace", "/requestValidatorId", ""),
            ("replace", "/requestModels/application~1json", "Empty"),
        ]);
    };
    let fields = [
        "authorization",
        "api_key_required",
        "request_validator_id",
        "request_models.application/json",
    ];
    repaired(&env, "api.post", &fields, &read, &tamper);

    let other_content = || {
        update(&[
            ("remove", "/requestModels/application~1json", ""),
            ("add", "/requestModels/text~1plain", "Empty"),
        ]);
    };
    let fields = ["request_models.application/json", "request_models.text/plain"];
    repaired(&env, "api.post", &fields, &read, &other_content);
}

#[test]
fn drift_of_an_integration_is_repaired() {
    let (env, outputs) = deployed();
    let (api, resource) = (outputs.id("api.rest_api"), outputs.id("api.transactions"));
    let asked = json!({"restApiId": api, "resourceId": resource, "httpMethod": "POST"});
    let read = || {
        let found = env.aws.call("apigateway", "get_integration", asked.clone());
        fields(&found, &["type", "httpMethod", "uri"])
    };
    let tamper = || {
        let mut integration = asked.clone();
        integration["type"] = json!("HTTP_PROXY");
        integration["integrationHttpMethod"] = json!("PUT");
        integration["uri"] = json!("http://example.com/");
        env.aws.call("apigateway", "put_integration", integration);
    };
    repaired(
        &env,
        "api.integration",
        &["integration_http_method", "kind", "uri"],
        &read,
        &tamper,
    );
}

/// A deployment says in its description of what it is the snapshot.
#[test]
fn drift_of_a_deployment_is_repaired() {
    let (env, outputs) = deployed();
    let api = outputs.id("api.rest_api");
    let read = || {
        let found = env.aws.call("apigateway", "get_deployments", json!({"restApiId": api}));
        let found = found["items"].as_array().expect("a list").iter();
        found
            .map(|deployment| deployment["description"].clone())
            .collect::<Value>()
    };
    let tamper = || {
        let patches = patches(&[("replace", "/description", "tampered")]);
        let id = outputs.id("api.deployment");
        let patch = json!({"restApiId": api, "deploymentId": id, "patchOperations": patches});
        env.aws.call("apigateway", "update_deployment", patch);
    };
    let expected: [Expected; 2] = [
        ("api.deployment", "replace", &["fingerprint"]),
        ("api.stage", "update", &["deployment_id"]),
    ];
    undone(&env, &expected, &read, &tamper);
}

#[test]
fn drift_of_a_stage_is_repaired() {
    let (env, outputs) = deployed();
    let (aws, api) = (&env.aws, outputs.id("api.rest_api"));
    let read = || {
        let stage = aws.call(
            "apigateway",
            "get_stage",
            json!({"restApiId": api, "stageName": "prod"}),
        );
        fields(&stage, &["deploymentId", "tracingEnabled", "tags"])
    };
    let update = |path: &str, value: &str| {
        let patches = patches(&[("replace", path, value)]);
        let patch = json!({"restApiId": api, "stageName": "prod", "patchOperations": patches});
        aws.call("apigateway", "update_stage", patch);
    };
    let tamper = || {
        let other = aws.call("apigateway", "create_deployment", json!({"restApiId": api}));
        update("/deploymentId", other["id"].as_str().expect("an id"));
        update("/tracingEnabled", "false");
        retag(&env, &format!("/restapis/{api}/stages/prod"));
    };
    let fields = ["deployment_id", "tracing"];
    repaired(&env, "api.stage", &with_tags(&fields), &read, &tamper);
}

#[test]
fn drift_of_an_api_key_is_repaired() {
    let (env, outputs) = deployed();
    let id = outputs.id("api.key");
    let read = || {
        let key = env.aws.call("apigateway", "get_api_key", json!({"apiKey": id}));
        fields(&key, &["name", "description", "enabled", "tags"])
    };
    let tamper = || {
        let patches = patches(&[
            ("replace", "/name", "theirs"),
            ("replace", "/description", "tampered"),
            ("replace", "/enabled", "false"),
        ]);
        env.aws.call(
            "apigateway",
            "update_api_key",
            json!({"apiKey": id, "patchOperations": patches}),
        );
        retag(&env, &format!("/apikeys/{id}"));
    };
    let fields = ["name", "description", "enabled"];
    repaired(&env, "api.key", &with_tags(&fields), &read, &tamper);
}

#[test]
fn drift_of_a_usage_plan_is_repaired() {
    let (env, outputs) = deployed();
    let id = outputs.id("api.usage_plan");
    let read = || {
        let plan = env.aws.call("apigateway", "get_usage_plan", json!({"usagePlanId": id}));
        fields(&plan, &["name", "description", "quota", "apiStages", "tags"])
    };
    let update = |operations: Value| {
        let patch = json!({"usagePlanId": id, "patchOperations": operations});
        env.aws.call("apigateway", "update_usage_plan", patch);
    };
    let tamper = || {
        update(patches(&[
            ("replace", "/name", "theirs"),
            ("replace", "/description", "tampered"),
            ("replace", "/quota/limit", "7"),
            ("replace", "/quota/period", "WEEK"),
        ]));
        retag(&env, &format!("/usageplans/{id}"));
    };
    let fields = ["name", "description", "quota_limit", "quota_period"];
    repaired(&env, "api.usage_plan", &with_tags(&fields), &read, &tamper);

    let api = outputs.id("api.rest_api");
    let ours = format!("{api}:prod");
    let other_stage = || {
        let deployment = outputs.id("api.deployment");
        let stage = json!({"restApiId": api, "stageName": "theirs", "deploymentId": deployment});
        env.aws.call("apigateway", "create_stage", stage);
        let theirs = format!("{api}:theirs");
        update(patches(&[
            ("remove", "/apiStages", &ours),
            ("add", "/apiStages", &theirs),
        ]));
    };
    repaired(&env, "api.usage_plan", &["stages[0]"], &read, &other_stage);

    let unmetered =
        || update(json!([{"op": "remove", "path": "/quota"}, {"op": "remove", "path": "/apiStages", "value": ours}]));
    let fields = ["quota_limit", "quota_period", "stages"];
    repaired(&env, "api.usage_plan", &fields, &read, &unmetered);
}

/// Nothing of it can be changed: it is what it names. Here our key is taken out of the plan and another put in.
#[test]
fn drift_of_a_usage_plan_key_is_repaired() {
    let (env, outputs) = deployed();
    let (aws, plan, key) = (&env.aws, outputs.id("api.usage_plan"), outputs.id("api.key"));
    let read = || {
        let keys = aws.call("apigateway", "get_usage_plan_keys", json!({"usagePlanId": plan}));
        json!(find(&keys["items"], "id", &key).is_some())
    };
    let tamper = || {
        aws.call(
            "apigateway",
            "delete_usage_plan_key",
            json!({"usagePlanId": plan, "keyId": key}),
        );
        let other = aws.call("apigateway", "create_api_key", json!({"name": "theirs"}));
        let place = json!({"usagePlanId": plan, "keyId": other["id"], "keyType": "API_KEY"});
        aws.call("apigateway", "create_usage_plan_key", place);
    };
    undone(&env, &[("api.usage_plan_key", "create", &[])], &read, &tamper);
}
