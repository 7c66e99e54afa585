//! What stands after one `up`, read back property by property with the independent client.
//!
//! The numbers are those of the base stack's 43 resources; the names that begin with F are what makes it work on AWS.

use crate::client::text;
use crate::support::{Environment, REGION};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::time::SystemTime;

/// One deployment for all tests of this file and of `table3`, none of which changes anything.
pub struct Deployed {
    pub env: Environment,
    pub up: Value,
    key_id: String,
    pub key_arn: String,
    api_id: String,
}

pub fn deployed() -> &'static Deployed {
    static DEPLOYED: OnceLock<Deployed> = OnceLock::new();
    DEPLOYED.get_or_init(|| {
        let env = Environment::new();
        let up = env.up();
        assert_eq!(up["summary"]["created"], 60, "{up:#}");
        assert_eq!(up["summary"]["failed"], 0, "{up:#}");
        let key = json!({"KeyId": "alias/fraud-detection-dev"});
        let key = env.aws.call("kms", "describe_key", key);
        let apis = env.aws.call("apigateway", "get_rest_apis", json!({}));
        Deployed {
            key_id: text(&key["KeyMetadata"]["KeyId"]),
            key_arn: text(&key["KeyMetadata"]["Arn"]),
            api_id: text(&apis["items"][0]["id"]),
            env,
            up,
        }
    })
}

impl Deployed {
    #[track_caller]
    pub fn ask(&self, service: &str, operation: &str, params: Value) -> Value {
        self.env.aws.call(service, operation, params)
    }

    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{REGION}:{}:{resource}", self.env.account)
    }

    fn iam_arn(&self, resource: &str) -> String {
        format!("arn:aws:iam::{}:{resource}", self.env.account)
    }

    #[track_caller]
    fn queue(&self, name: &str) -> Value {
        let url = self.queue_url(name);
        let params = json!({"QueueUrl": url, "AttributeNames": ["All"]});
        self.ask("sqs", "get_queue_attributes", params)["Attributes"].take()
    }

    #[track_caller]
    fn queue_url(&self, name: &str) -> Value {
        self.ask("sqs", "get_queue_url", json!({"QueueName": name}))["QueueUrl"].take()
    }

    #[track_caller]
    fn topic(&self, name: &str) -> Value {
        let params = json!({"TopicArn": self.arn("sns", name)});
        self.ask("sns", "get_topic_attributes", params)["Attributes"].take()
    }

    /// The attributes of the topic's only subscription.
    #[track_caller]
    fn subscription(&self, topic: &str) -> Value {
        let params = json!({"TopicArn": self.arn("sns", topic)});
        let found = self.ask("sns", "list_subscriptions_by_topic", params);
        let subscriptions = found["Subscriptions"].as_array().expect("a list");
        assert_eq!(subscriptions.len(), 1, "{found:#}");
        let params = json!({"SubscriptionArn": subscriptions[0]["SubscriptionArn"]});
        self.ask("sns", "get_subscription_attributes", params)["Attributes"].take()
    }

    #[track_caller]
    fn log_group(&self, name: &str) -> Value {
        let params = json!({"logGroupNamePrefix": name});
        let found = self.ask("logs", "describe_log_groups", params);
        one(&found["logGroups"], "logGroupName", name)
    }

    #[track_caller]
    pub fn alarm(&self, name: &str) -> Value {
        let params = json!({"AlarmNames": [name]});
        let found = self.ask("cloudwatch", "describe_alarms", params);
        one(&found["MetricAlarms"], "AlarmName", name)
    }

    #[track_caller]
    fn role(&self, name: &str) -> Value {
        self.ask("iam", "get_role", json!({"RoleName": name}))["Role"].take()
    }

    /// The ARNs of the policies that the role has, sorted.
    #[track_caller]
    fn attached(&self, role: &str) -> Value {
        let found = self.ask("iam", "list_attached_role_policies", json!({"RoleName": role}));
        let policies = found["AttachedPolicies"].as_array().expect("a list");
        let mut arns: Vec<String> = policies.iter().map(|policy| text(&policy["PolicyArn"])).collect();
        arns.sort();
        json!(arns)
    }

    /// The statements of the version of a policy that is in force.
    #[track_caller]
    fn policy(&self, name: &str) -> Value {
        let arn = self.iam_arn(&format!("policy/{name}"));
        let policy = self.ask("iam", "get_policy", json!({"PolicyArn": arn}));
        let version = json!({"PolicyArn": arn, "VersionId": policy["Policy"]["DefaultVersionId"]});
        let found = self.ask("iam", "get_policy_version", version);
        statements(&found["PolicyVersion"]["Document"])
    }

    #[track_caller]
    fn function(&self, name: &str) -> Value {
        self.ask("lambda", "get_function", json!({"FunctionName": name}))
    }

    /// The statements of a function's own policy.
    #[track_caller]
    fn invokers(&self, function: &str) -> Value {
        let found = self.ask("lambda", "get_policy", json!({"FunctionName": function}));
        statements(&found["Policy"])
    }

    #[track_caller]
    fn transactions_resource(&self) -> Value {
        let found = self.ask("apigateway", "get_resources", json!({"restApiId": self.api_id}));
        one(&found["items"], "path", "/transactions")
    }

    #[track_caller]
    fn method(&self) -> Value {
        let resource = self.transactions_resource();
        let params = json!({"restApiId": self.api_id, "resourceId": resource["id"], "httpMethod": "POST"});
        self.ask("apigateway", "get_method", params)
    }

    #[track_caller]
    fn api_key(&self) -> Value {
        let found = self.ask("apigateway", "get_api_keys", json!({}));
        one(&found["items"], "name", "fraud-detection-api-key-dev")
    }

    #[track_caller]
    fn usage_plan(&self) -> Value {
        let found = self.ask("apigateway", "get_usage_plans", json!({}));
        one(&found["items"], "name", "fraud-detection-usage-plan-dev")
    }
}

/// Asserts one property.
#[track_caller]
pub fn property(name: &str, live: &Value, wanted: impl Into<Value>) {
    assert_eq!(*live, wanted.into(), "{name}");
}

/// The one element of a list whose field has this value.
#[track_caller]
pub fn one(list: &Value, field: &str, value: &str) -> Value {
    let all = list.as_array().unwrap_or_else(|| panic!("{list} is no list"));
    let found: Vec<&Value> = all.iter().filter(|item| item[field] == value).collect();
    assert_eq!(found.len(), 1, "{field} {value} in {list:#}");
    found[0].clone()
}

/// The statements of a policy document: in order of their actions, without their ids, and with a list wherever AWS
/// takes a list or its only element.
#[track_caller]
pub fn statements(document: &Value) -> Value {
    let document = parsed(document);
    let mut statements = document["Statement"].as_array().expect("a list of statements").clone();
    for statement in &mut statements {
        let statement = statement.as_object_mut().expect("a statement");
        statement.remove("Sid");
        for field in ["Action", "Resource"] {
            if let Some(value) = statement.get_mut(field) {
                *value = listed(value);
            }
        }
        if let Some(values) = statement.get_mut("Principal").and_then(Value::as_object_mut) {
            values.values_mut().for_each(|value| *value = listed(value));
        }
        if let Some(tests) = statement.get_mut("Condition").and_then(Value::as_object_mut) {
            for values in tests.values_mut().filter_map(Value::as_object_mut) {
                values.values_mut().for_each(|value| *value = listed(value));
            }
        }
    }
    statements.sort_by_key(|statement| statement["Action"].to_string());
    Value::Array(statements)
}

/// Statements in an order that also tells those of the same actions apart.
fn sorted(statements: &Value) -> Value {
    let mut statements = statements.as_array().expect("a list").clone();
    statements.sort_by_key(|statement| format!("{}{}", statement["Action"], statement["Resource"]));
    Value::Array(statements)
}

/// A document that travels as text, or one that the client has read already.
#[track_caller]
pub fn parsed(document: &Value) -> Value {
    match document {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}")),
        other => other.clone(),
    }
}

pub fn listed(value: &Value) -> Value {
    let mut list = match value {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    list.sort_by_key(Value::to_string);
    Value::Array(list)
}

/// Tags from a list of pairs.
#[track_caller]
pub fn pairs(list: &Value, key: &str, value: &str) -> Value {
    let list = list.as_array().unwrap_or_else(|| panic!("{list} is no list"));
    Value::Object(
        list.iter()
            .map(|pair| (text(&pair[key]), pair[value].clone()))
            .collect(),
    )
}

/// All tags of the resource at this address, of which there is one for all regions.
pub fn global_tags(address: &str) -> Value {
    let mut tags = tags(address);
    tags["fraudctl:region"] = json!("us-east-1");
    tags
}

/// All tags of the resource at this address.
pub fn tags(address: &str) -> Value {
    json!({
        "Environment": "dev",
        "Project": "FraudDetection",
        "CostCenter": "Engineering",
        "fraudctl:env": "dev",
        "fraudctl:address": address,
    })
}

/// Milliseconds since the Unix epoch, from what the client writes of a time.
#[track_caller]
fn milliseconds(time: &Value) -> i64 {
    let time = text(time).replace("+0000", "+00:00");
    let parsed = DateTime::from_str(&time, Format::DateTimeWithOffset).unwrap_or_else(|why| panic!("{why}: {time}"));
    parsed.to_millis().expect("a time in this age")
}

fn days(number: i64) -> i64 {
    number * 24 * 60 * 60 * 1000
}

#[test]
fn rows_1_and_2_the_key_and_its_alias() {
    let at = deployed();
    let found = at.ask("kms", "describe_key", json!({"KeyId": at.key_id}));
    let key = &found["KeyMetadata"];
    property(
        "1 description",
        &key["Description"],
        "KMS key for fraud detection system - dev",
    );
    property("1 enabled", &key["Enabled"], true);
    property("1 state", &key["KeyState"], "Enabled");
    property("1 usage", &key["KeyUsage"], "ENCRYPT_DECRYPT");
    property("1 kind", &key["KeySpec"], "SYMMETRIC_DEFAULT");
    property("1 manager", &key["KeyManager"], "CUSTOMER");
    let rotation = at.ask("kms", "get_key_rotation_status", json!({"KeyId": at.key_id}));
    property("1 rotation", &rotation["KeyRotationEnabled"], true);
    let found = at.ask("kms", "list_resource_tags", json!({"KeyId": at.key_id}));
    property(
        "1 tags",
        &pairs(&found["Tags"], "TagKey", "TagValue"),
        tags("security.key"),
    );

    let found = at.ask("kms", "list_aliases", json!({}));
    let alias = one(&found["Aliases"], "AliasName", "alias/fraud-detection-dev");
    property("2 target", &alias["TargetKeyId"], at.key_id.as_str());
}

#[test]
fn row_1_the_key_is_deleted_after_seven_days() {
    let env = Environment::new();
    env.up();
    let key = env
        .aws
        .call("kms", "describe_key", json!({"KeyId": "alias/fraud-detection-dev"}));
    env.down();
    let found = env
        .aws
        .call("kms", "describe_key", json!({"KeyId": key["KeyMetadata"]["KeyId"]}));
    let key = &found["KeyMetadata"];
    property("1 state", &key["KeyState"], "PendingDeletion");
    let now = i64::try_from(
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("a clock after 1970")
            .as_millis(),
    )
    .expect("a time in this age");
    let left = milliseconds(&key["DeletionDate"]) - now;
    let minute = 60_000;
    assert!(
        (days(7) - minute..=days(7) + minute).contains(&left),
        "1 deletion window: {key:#}"
    );
}

#[test]
fn row_3_the_table() {
    let at = deployed();
    let named = json!({"TableName": "transactions-dev"});
    let mut found = at.ask("dynamodb", "describe_table", named.clone());
    let table = found["Table"].take();
    property("3 state", &table["TableStatus"], "ACTIVE");
    property(
        "3 billing",
        &table["BillingModeSummary"]["BillingMode"],
        "PAY_PER_REQUEST",
    );
    let keys = json!([
        {"AttributeName": "transaction_id", "KeyType": "HASH"},
        {"AttributeName": "timestamp", "KeyType": "RANGE"},
    ]);
    property("3 keys", &table["KeySchema"], keys);
    let attributes = json!({
        "transaction_id": "S",
        "timestamp": "N",
        "user_id": "S",
        // B6, B7
        "suspicious_bucket": "N",
        "pending_alert": "S",
    });
    let found = pairs(&table["AttributeDefinitions"], "AttributeName", "AttributeType");
    property("3 attributes", &found, attributes);
    let index = one(&table["GlobalSecondaryIndexes"], "IndexName", "user-index");
    let keys = json!([
        {"AttributeName": "user_id", "KeyType": "HASH"},
        {"AttributeName": "timestamp", "KeyType": "RANGE"},
    ]);
    property("3 index keys", &index["KeySchema"], keys);
    property("3 index projection", &index["Projection"]["ProjectionType"], "ALL");
    property("3 index state", &index["IndexStatus"], "ACTIVE");
    property("3 encryption", &table["SSEDescription"]["Status"], "ENABLED");
    property("3 encryption kind", &table["SSEDescription"]["SSEType"], "KMS");
    property(
        "3 encryption key",
        &table["SSEDescription"]["KMSMasterKeyArn"],
        at.key_arn.as_str(),
    );
    let backups = at.ask("dynamodb", "describe_continuous_backups", named);
    let recovery = &backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"];
    property(
        "3 point-in-time recovery",
        &recovery["PointInTimeRecoveryStatus"],
        "ENABLED",
    );
    let params = json!({"ResourceArn": at.arn("dynamodb", "table/transactions-dev")});
    let found = at.ask("dynamodb", "list_tags_of_resource", params);
    property(
        "3 tags",
        &pairs(&found["Tags"], "Key", "Value"),
        tags("storage.transactions"),
    );
}

#[test]
fn row_4_the_alert_topic() {
    let at = deployed();
    let topic = at.topic("fraud-alerts-dev");
    let role = at.iam_arn("role/sns-feedback-role-dev");
    property("4 key", &topic["KmsMasterKeyId"], at.key_arn.as_str());
    property("4 success feedback", &topic["SQSSuccessFeedbackRoleArn"], role.as_str());
    property("4 success sample rate", &topic["SQSSuccessFeedbackSampleRate"], "100");
    property("4 failure feedback", &topic["SQSFailureFeedbackRoleArn"], role.as_str());
    let params = json!({"ResourceArn": at.arn("sns", "fraud-alerts-dev")});
    let found = at.ask("sns", "list_tags_for_resource", params);
    property(
        "4 tags",
        &pairs(&found["Tags"], "Key", "Value"),
        tags("messaging.alerts"),
    );
}

#[test]
fn rows_5_to_7_the_role_that_logs_deliveries() {
    let at = deployed();
    let role = at.role("sns-feedback-role-dev");
    let trust = json!([
        {"Effect": "Allow", "Principal": {"Service": ["sns.amazonaws.com"]}, "Action": ["sts:AssumeRole"]},
    ]);
    property("5 trust", &statements(&role["AssumeRolePolicyDocument"]), trust);
    let found = at.ask("iam", "list_role_tags", json!({"RoleName": "sns-feedback-role-dev"}));
    property(
        "5 tags",
        &pairs(&found["Tags"], "Key", "Value"),
        global_tags("messaging.feedback_role"),
    );
    let delivered = at.arn(
        "logs",
        &format!("log-group:sns/{REGION}/{}/fraud-alerts-dev", at.env.account),
    );
    let groups = json!([
        delivered,
        format!("{delivered}:*"),
        format!("{delivered}/Failure"),
        format!("{delivered}/Failure:*"),
    ]);
    let access = json!([{
        "Effect": "Allow",
        "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": listed(&groups),
    }]);
    property("6 access", &at.policy("sns-feedback-policy-dev"), access);
    let attached = json!([at.iam_arn("policy/sns-feedback-policy-dev")]);
    property("7 attachment", &at.attached("sns-feedback-role-dev"), attached);
}

#[test]
fn rows_8_to_10_the_queues_and_the_subscription() {
    let at = deployed();
    for (row, name, address) in [
        ("8", "fraud-alerts-queue-dev", "messaging.alerts_queue"),
        ("9", "lambda-dlq-dev", "messaging.lambda_dlq"),
    ] {
        let queue = at.queue(name);
        property(&format!("{row} visibility timeout"), &queue["VisibilityTimeout"], "300");
        property(&format!("{row} key"), &queue["KmsMasterKeyId"], at.key_arn.as_str());
        let found = at.ask("sqs", "list_queue_tags", json!({"QueueUrl": at.queue_url(name)}));
        property(&format!("{row} tags"), &found["Tags"], tags(address));
    }
    let subscription = at.subscription("fraud-alerts-dev");
    property("10 topic", &subscription["TopicArn"], at.arn("sns", "fraud-alerts-dev"));
    property("10 protocol", &subscription["Protocol"], "sqs");
    property(
        "10 queue",
        &subscription["Endpoint"],
        at.arn("sqs", "fraud-alerts-queue-dev"),
    );
    property("10 confirmed", &subscription["PendingConfirmation"], "false");
    property("10 envelope", &subscription["RawMessageDelivery"], "false");
}

#[test]
fn rows_11_and_12_the_parameters() {
    let at = deployed();
    for (row, name, value, description) in [
        ("11", "fraud_threshold", "0.85", "Fraud detection threshold"),
        ("12", "alert_email", "alerts@example.com", "Alert email address"),
    ] {
        let path = format!("/fraud-detection/dev/{name}");
        let found = at.ask("ssm", "get_parameter", json!({"Name": path}));
        property(&format!("{row} type"), &found["Parameter"]["Type"], "String");
        property(&format!("{row} value"), &found["Parameter"]["Value"], value);
        let filter = json!({"ParameterFilters": [{"Key": "Name", "Values": [path]}]});
        let found = at.ask("ssm", "describe_parameters", filter);
        let described = one(&found["Parameters"], "Name", &path);
        property(&format!("{row} description"), &described["Description"], description);
        let params = json!({"ResourceType": "Parameter", "ResourceId": path});
        let found = at.ask("ssm", "list_tags_for_resource", params);
        let wanted = tags(&format!("storage.{name}"));
        property(
            &format!("{row} tags"),
            &pairs(&found["TagList"], "Key", "Value"),
            wanted,
        );
    }
}

#[test]
fn rows_13_to_17_and_20_to_24_the_functions_roles_may_only_what_their_functions_call() {
    let at = deployed();
    let table = at.arn("dynamodb", "table/transactions-dev");
    let allowed =
        |actions: &[&str], resources: &[String]| json!({"Effect": "Allow", "Action": actions, "Resource": resources});
    let remembers = allowed(
        &["dynamodb:GetItem", "dynamodb:PutItem"],
        &[at.arn("dynamodb", "table/idempotency-dev")],
    );
    let index = |name: &str| format!("{table}/index/{name}");
    let processor = vec![
        remembers.clone(),
        allowed(
            &["dynamodb:PutItem", "dynamodb:UpdateItem"],
            std::slice::from_ref(&table),
        ),
        allowed(&["dynamodb:Query"], &[index("user-index")]),
        allowed(&["dynamodb:Query"], &[at.arn("dynamodb", "table/profiles-dev")]),
    ];
    let analyzer = vec![
        remembers,
        allowed(
            &["dynamodb:Query"],
            &[index("pending-alerts-index"), index("suspicious-index")],
        ),
        allowed(&["dynamodb:UpdateItem"], std::slice::from_ref(&table)),
    ];
    for (rows, name, short, table_access) in [
        ("13-17", "transaction-processor", "processor", processor),
        ("20-24", "pattern-analyzer", "analyzer", analyzer),
    ] {
        let role = format!("{name}-role-dev");
        let trust = json!([
            {"Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com"]}, "Action": ["sts:AssumeRole"]},
        ]);
        let live = at.role(&role);
        property(
            &format!("{rows} trust"),
            &statements(&live["AssumeRolePolicyDocument"]),
            trust,
        );
        let found = at.ask("iam", "list_role_tags", json!({"RoleName": role}));
        let wanted = global_tags(&format!("functions.{short}_role"));
        property(&format!("{rows} tags"), &pairs(&found["Tags"], "Key", "Value"), wanted);
        let attached = json!([
            at.iam_arn(&format!("policy/{name}-policy-0-dev")),
            "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess",
            "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
        ]);
        property(&format!("{rows} attachments"), &at.attached(&role), attached);
        // F3, F10: both rights on the key, and every statement with account and region.
        let rest = json!([
            {"Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": [at.key_arn]},
            {"Effect": "Allow", "Action": ["sns:Publish"], "Resource": [at.arn("sns", "fraud-alerts-dev")]},
            {"Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": [at.arn("sqs", "lambda-dlq-dev")]},
            {
                "Effect": "Allow",
                "Action": ["ssm:GetParameter", "ssm:GetParameters"],
                "Resource": [at.arn("ssm", "parameter/fraud-detection/dev/*")],
            },
        ]);
        let rest = rest.as_array().expect("a list");
        let access: Vec<Value> = table_access.iter().chain(rest).cloned().collect();
        property(
            &format!("{rows} access"),
            &sorted(&at.policy(&format!("{name}-policy-0-dev"))),
            sorted(&json!(access)),
        );
    }
}

#[test]
fn rows_18_and_25_the_log_groups_are_there_before_the_functions() {
    let at = deployed();
    for (row, name, short) in [
        ("18", "transaction-processor-dev", "processor"),
        ("25", "pattern-analyzer-dev", "analyzer"),
    ] {
        let group_name = format!("/aws/lambda/{name}");
        let group = at.log_group(&group_name);
        property(&format!("{row} retention"), &group["retentionInDays"], 30);
        let params = json!({"resourceArn": at.arn("logs", &format!("log-group:{group_name}"))});
        let found = at.ask("logs", "list_tags_for_resource", params);
        property(
            &format!("{row} tags"),
            &found["tags"],
            tags(&format!("functions.{short}_log_group")),
        );
        let made = group["creationTime"].as_i64().expect("milliseconds");
        let function = milliseconds(&at.function(name)["Configuration"]["LastModified"]);
        assert!(made <= function, "{row} made at {made}, its function at {function}");
    }
}

#[test]
fn rows_19_and_26_the_functions() {
    let at = deployed();
    for (row, name, short, memory, timeout, reserved) in [
        ("19", "transaction-processor", "processor", 512, 30, 5),
        ("26", "pattern-analyzer", "analyzer", 1024, 60, 2),
    ] {
        let is = |what: &str, live: &Value, wanted: Value| property(&format!("{row} {what}"), live, wanted);
        let found = at.function(&format!("{name}-dev"));
        let function = &found["Configuration"];
        is("package", &function["PackageType"], json!("Zip"));
        is("state", &function["State"], json!("Active"));
        is("runtime", &function["Runtime"], json!("provided.al2023"));
        is("handler", &function["Handler"], json!("bootstrap"));
        // Whatever processor the emulator really runs the function on.
        is("architecture", &function["Architectures"], json!(["arm64"]));
        is("memory", &function["MemorySize"], json!(memory));
        is("timeout", &function["Timeout"], json!(timeout));
        is(
            "role",
            &function["Role"],
            json!(at.iam_arn(&format!("role/{name}-role-dev"))),
        );
        let mut variables = json!({
            "DYNAMODB_TABLE": "transactions-dev",
            "IDEMPOTENCY_TABLE": "idempotency-dev",
            "SNS_TOPIC_ARN": at.arn("sns", "fraud-alerts-dev"),
            "ENVIRONMENT": "dev",
        });
        if short == "processor" {
            variables["PROFILES_TABLE"] = json!("profiles-dev");
        }
        is("environment", &function["Environment"]["Variables"], variables);
        let dlq = at.arn("sqs", "lambda-dlq-dev");
        is(
            "dead-letter queue",
            &function["DeadLetterConfig"]["TargetArn"],
            json!(dlq),
        );
        is("tracing", &function["TracingConfig"]["Mode"], json!("Active"));
        let concurrency = &found["Concurrency"]["ReservedConcurrentExecutions"];
        is("reserved concurrency", concurrency, json!(reserved));
        is("tags", &found["Tags"], tags(&format!("functions.{short}")));
        assert!(function["CodeSize"].as_u64() > Some(0), "{row} code: {function:#}");
    }
}

/// What they watch is asserted on moto, which keeps the `Metrics` of an alarm by itself.
#[test]
fn rows_27_and_28_the_error_alarms() {
    let at = deployed();
    for (row, name, short) in [
        ("27", "transaction-processor", "processor"),
        ("28", "pattern-analyzer", "analyzer"),
    ] {
        let alarm = at.alarm(&format!("{name}-errors-dev"));
        property(&format!("{row} periods"), &alarm["EvaluationPeriods"], 1);
        assert_eq!(alarm["Threshold"].as_f64(), Some(1.0), "{row} threshold in per cent");
        property(
            &format!("{row} comparison"),
            &alarm["ComparisonOperator"],
            "GreaterThanThreshold",
        );
        property(
            &format!("{row} missing data"),
            &alarm["TreatMissingData"],
            "notBreaching",
        );
        property(&format!("{row} actions enabled"), &alarm["ActionsEnabled"], true);
        let found = at.ask(
            "cloudwatch",
            "list_tags_for_resource",
            json!({"ResourceARN": alarm["AlarmArn"]}),
        );
        let wanted = tags(&format!("monitoring.{short}_errors"));
        property(&format!("{row} tags"), &pairs(&found["Tags"], "Key", "Value"), wanted);
    }
}

#[test]
fn rows_29_to_31_the_schedule() {
    let at = deployed();
    let rule_arn = at.arn("events", "rule/pattern-analysis-schedule-dev");
    let rule = at.ask(
        "events",
        "describe_rule",
        json!({"Name": "pattern-analysis-schedule-dev"}),
    );
    property("29 schedule", &rule["ScheduleExpression"], "rate(5 minutes)");
    property(
        "29 description",
        &rule["Description"],
        "Trigger pattern analysis every 5 minutes",
    );
    property("29 state", &rule["State"], "ENABLED");
    let found = at.ask("events", "list_tags_for_resource", json!({"ResourceARN": rule_arn}));
    property(
        "29 tags",
        &pairs(&found["Tags"], "Key", "Value"),
        tags("functions.schedule"),
    );

    let found = at.ask("lambda", "get_policy", json!({"FunctionName": "pattern-analyzer-dev"}));
    let sid = &parsed(&found["Policy"])["Statement"][0]["Sid"];
    property("30 statement", sid, "AllowExecutionFromEventBridge");
    let permission = json!([{
        "Effect": "Allow",
        "Principal": {"Service": ["events.amazonaws.com"]},
        "Action": ["lambda:InvokeFunction"],
        "Resource": [at.arn("lambda", "function:pattern-analyzer-dev")],
        "Condition": {"ArnLike": {"AWS:SourceArn": [rule_arn]}},
    }]);
    property("30 permission", &at.invokers("pattern-analyzer-dev"), permission);

    let found = at.ask(
        "events",
        "list_targets_by_rule",
        json!({"Rule": "pattern-analysis-schedule-dev"}),
    );
    let targets = found["Targets"].as_array().expect("a list");
    assert_eq!(targets.len(), 1, "31: {found:#}");
    let analyzer = at.arn("lambda", "function:pattern-analyzer-dev");
    property("31 target", &targets[0]["Arn"], analyzer);
}

#[test]
fn rows_32_to_34_the_api_its_validator_and_its_model() {
    let at = deployed();
    let api = at.ask("apigateway", "get_rest_api", json!({"restApiId": at.api_id}));
    property("32 name", &api["name"], "fraud-detection-api-dev");
    property("32 description", &api["description"], "Fraud Detection API");
    property(
        "32 endpoint",
        &api["endpointConfiguration"]["types"],
        json!(["REGIONAL"]),
    );
    property("32 tags", &api["tags"], tags("api.rest_api"));

    let found = at.ask("apigateway", "get_request_validators", json!({"restApiId": at.api_id}));
    let validator = one(&found["items"], "name", "request-validator-dev");
    property("33 body", &validator["validateRequestBody"], true);
    property("33 parameters", &validator["validateRequestParameters"], true);

    let params = json!({"restApiId": at.api_id, "modelName": "TransactionModel"});
    let model = at.ask("apigateway", "get_model", params);
    property("34 content type", &model["contentType"], "application/json");
    let schema = parsed(&model["schema"]);
    property(
        "34 draft",
        &schema["$schema"],
        "http://json-schema.org/draft-04/schema#",
    );
    property("34 type", &schema["type"], "object");
    property(
        "34 required",
        &listed(&schema["required"]),
        json!(["amount", "transaction_id", "user_id"]),
    );
    let properties = json!({
        "transaction_id": {"type": "string"},
        "user_id": {"type": "string"},
        // `null` leaves them out.
        "merchant": {"type": ["string", "null"]},
        "location": {"type": ["string", "null"]},
        "amount": {"type": "number"},
    });
    property("34 properties", &schema["properties"], properties);
}

#[test]
fn rows_35_to_38_what_the_api_does_with_a_transaction() {
    let at = deployed();
    let resource = at.transactions_resource();
    property("35 path", &resource["pathPart"], "transactions");
    let found = at.ask("apigateway", "get_resources", json!({"restApiId": at.api_id}));
    let root = one(&found["items"], "path", "/");
    property("35 parent", &resource["parentId"], root["id"].clone());

    let method = at.method();
    property("36 authorization", &method["authorizationType"], "NONE");
    property("36 API key", &method["apiKeyRequired"], true);
    let found = at.ask("apigateway", "get_request_validators", json!({"restApiId": at.api_id}));
    property(
        "36 validator",
        &method["requestValidatorId"],
        found["items"][0]["id"].clone(),
    );
    property(
        "36 model",
        &method["requestModels"],
        json!({"application/json": "TransactionModel"}),
    );

    let processor = at.arn("lambda", "function:transaction-processor-dev");
    let integration = &method["methodIntegration"];
    property("37 kind", &integration["type"], "AWS_PROXY");
    property("37 method", &integration["httpMethod"], "POST");
    let uri = format!("arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{processor}/invocations");
    property("37 function", &integration["uri"], uri);

    let found = at.ask(
        "lambda",
        "get_policy",
        json!({"FunctionName": "transaction-processor-dev"}),
    );
    let sid = &parsed(&found["Policy"])["Statement"][0]["Sid"];
    property("38 statement", sid, "AllowExecutionFromAPIGateway");
    let permission = json!([{
        "Effect": "Allow",
        "Principal": {"Service": ["apigateway.amazonaws.com"]},
        "Action": ["lambda:InvokeFunction"],
        "Resource": [processor],
        "Condition": {"ArnLike": {"AWS:SourceArn": [at.arn("execute-api", &format!("{}/*/*", at.api_id))]}},
    }]);
    property("38 permission", &at.invokers("transaction-processor-dev"), permission);
}

#[test]
fn rows_39_and_40_the_deployment_and_its_stage() {
    let at = deployed();
    let found = at.ask("apigateway", "get_deployments", json!({"restApiId": at.api_id}));
    let deployments = found["items"].as_array().expect("a list");
    assert_eq!(deployments.len(), 1, "39: {found:#}");
    let found = at.ask("apigateway", "get_stages", json!({"restApiId": at.api_id}));
    let stages = found["item"].as_array().expect("a list");
    assert_eq!(stages.len(), 1, "40: {found:#}");
    property("40 name", &stages[0]["stageName"], "prod");
    property(
        "40 deployment",
        &stages[0]["deploymentId"],
        deployments[0]["id"].clone(),
    );
    property("40 tracing", &stages[0]["tracingEnabled"], true);
    property("40 tags", &stages[0]["tags"], tags("api.stage"));
}

#[test]
fn rows_41_to_43_who_may_call_and_how_often() {
    let at = deployed();
    let key = at.api_key();
    property("41 enabled", &key["enabled"], true);
    property("41 tags", &key["tags"], tags("api.key"));
    let plan = at.usage_plan();
    property("42 quota", &plan["quota"]["limit"], 1000);
    property("42 period", &plan["quota"]["period"], "DAY");
    property(
        "42 stages",
        &plan["apiStages"],
        json!([{"apiId": at.api_id, "stage": "prod"}]),
    );
    property("42 tags", &plan["tags"], tags("api.usage_plan"));
    let found = at.ask("apigateway", "get_usage_plan_keys", json!({"usagePlanId": plan["id"]}));
    let keys = found["items"].as_array().expect("a list");
    assert_eq!(keys.len(), 1, "43: {found:#}");
    property("43 key", &keys[0]["id"], key["id"].clone());
    property("43 kind", &keys[0]["type"], "API_KEY");
}

#[test]
fn the_outputs_name_what_stands() {
    let at = deployed();
    let outputs = &at.up["outputs"];
    let endpoint = text(&outputs["api_endpoint"]);
    let wanted = format!("/restapis/{}/prod/_user_request_", at.api_id);
    assert!(
        endpoint.starts_with("http://127.0.0.1:") && endpoint.ends_with(&wanted),
        "{endpoint}"
    );
    let processor = at.arn("lambda", "function:transaction-processor-dev");
    property(
        "transaction_processor_arn",
        &outputs["transaction_processor_arn"],
        processor,
    );
    property(
        "dynamodb_table_name",
        &outputs["dynamodb_table_name"],
        "transactions-dev",
    );
    property("profiles_table_name", &outputs["profiles_table_name"], "profiles-dev");
    property(
        "alert_queue_url",
        &outputs["alert_queue_url"],
        at.queue_url("fraud-alerts-queue-dev"),
    );
    property("api_key_id", &outputs["api_key_id"], at.api_key()["id"].clone());

    let printed = at.env.run(&["output", "--json"]).exits(0).json();
    property("fraudctl output", &printed, outputs.clone());
    let key = at.api_key()["id"].clone();
    let value = at.ask(
        "apigateway",
        "get_api_key",
        json!({"apiKey": key, "includeValue": true}),
    );
    let printed = at.env.run(&["output", "api_key"]).exits(0).stdout;
    assert_eq!(printed.trim_end(), text(&value["value"]), "fraudctl output api_key");
}

#[test]
fn f1_and_f4_only_the_topic_may_send_alerts_and_none_is_lost() {
    let at = deployed();
    let topic = at.arn("sns", "fraud-alerts-dev");
    for name in ["fraud-alerts-queue-dev", "fraud-alerts-dlq-dev"] {
        let policy = json!([{
            "Effect": "Allow",
            "Principal": {"Service": ["sns.amazonaws.com"]},
            "Action": ["sqs:SendMessage"],
            "Resource": [at.arn("sqs", name)],
            "Condition": {"ArnEquals": {"aws:SourceArn": [topic]}},
        }]);
        property(
            &format!("F1 policy of {name}"),
            &statements(&at.queue(name)["Policy"]),
            policy,
        );
    }
    let dlq_arn = at.arn("sqs", "fraud-alerts-dlq-dev");
    let redrive = parsed(&at.queue("fraud-alerts-queue-dev")["RedrivePolicy"]);
    property("F4 redrive", &redrive["deadLetterTargetArn"], dlq_arn.as_str());
    // AWS gives back a number, whether it was sent as one or as text.
    assert_eq!(
        redrive["maxReceiveCount"].to_string().trim_matches('"'),
        "5",
        "F4 receives"
    );
    let redrive = parsed(&at.subscription("fraud-alerts-dev")["RedrivePolicy"]);
    property("F4 subscription", &redrive["deadLetterTargetArn"], dlq_arn.as_str());

    let fourteen_days = (14 * 24 * 60 * 60).to_string();
    let dlq = at.queue("fraud-alerts-dlq-dev");
    property("F4 retention", &dlq["MessageRetentionPeriod"], fourteen_days.as_str());
    property("F4 key", &dlq["KmsMasterKeyId"], at.key_arn.as_str());
    let found = at.ask(
        "sqs",
        "list_queue_tags",
        json!({"QueueUrl": at.queue_url("fraud-alerts-dlq-dev")}),
    );
    property("F4 tags", &found["Tags"], tags("messaging.alerts_dlq"));
    let retention = &at.queue("lambda-dlq-dev")["MessageRetentionPeriod"];
    property("F4 retention of lambda-dlq", retention, fourteen_days.as_str());
}

#[test]
fn f2_the_key_serves_the_account_its_messages_and_its_logs_and_nobody_else() {
    let at = deployed();
    let params = json!({"KeyId": at.key_id, "PolicyName": "default"});
    let found = at.ask("kms", "get_key_policy", params);
    let delivery = format!("log-group:sns/{REGION}/{}/fraud-alerts-dev", at.env.account);
    let groups = [
        at.arn("logs", "log-group:/aws/lambda/pattern-analyzer-dev"),
        at.arn("logs", "log-group:/aws/lambda/transaction-processor-dev"),
        at.arn("logs", &delivery),
        at.arn("logs", &format!("{delivery}/Failure")),
    ];
    let policy = json!([
        {
            "Effect": "Allow",
            "Principal": {"AWS": [at.iam_arn("root")]},
            "Action": ["kms:*"],
            "Resource": ["*"],
        },
        {
            "Effect": "Allow",
            "Principal": {"Service": ["cloudwatch.amazonaws.com", "sns.amazonaws.com"]},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
            "Resource": ["*"],
            "Condition": {"StringEquals": {"aws:SourceAccount": [at.env.account]}},
        },
        // Whichever of the two SNS sends.
        {
            "Effect": "Allow",
            "Principal": {"Service": ["sns.amazonaws.com"]},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
            "Resource": ["*"],
            "Condition": {"ArnEquals": {"aws:SourceArn": [at.arn("sns", "fraud-alerts-dev")]}},
        },
        // EventBridge does not pass the condition's key on; the queue's policy holds it to the rule.
        {
            "Effect": "Allow",
            "Principal": {"Service": ["events.amazonaws.com"]},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
            "Resource": ["*"],
        },
        {
            "Effect": "Allow",
            "Principal": {"Service": [format!("logs.{REGION}.amazonaws.com")]},
            "Action": ["kms:Decrypt*", "kms:DescribeKey", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
            "Resource": ["*"],
            "Condition": {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": groups}},
        },
    ]);
    // In the order that `statements` gives: by their actions.
    let mut wanted = policy.as_array().expect("a list").clone();
    wanted.sort_by_key(|statement| statement["Action"].to_string());
    property("F2 key policy", &statements(&found["Policy"]), wanted);
}

#[test]
fn f5_an_event_that_cannot_be_delivered_is_kept() {
    let at = deployed();
    let found = at.ask(
        "events",
        "list_targets_by_rule",
        json!({"Rule": "pattern-analysis-schedule-dev"}),
    );
    let target = &found["Targets"][0];
    property(
        "F5 dead letters",
        &target["DeadLetterConfig"]["Arn"],
        at.arn("sqs", "lambda-dlq-dev"),
    );
    property("F5 retries", &target["RetryPolicy"]["MaximumRetryAttempts"], 2);
    property("F5 age", &target["RetryPolicy"]["MaximumEventAgeInSeconds"], 300);
    let policy = json!([{
        "Effect": "Allow",
        "Principal": {"Service": ["events.amazonaws.com"]},
        "Action": ["sqs:SendMessage"],
        "Resource": [at.arn("sqs", "lambda-dlq-dev")],
        "Condition": {"ArnEquals": {"aws:SourceArn": [at.arn("events", "rule/pattern-analysis-schedule-dev")]}},
    }]);
    property(
        "F5 queue policy",
        &statements(&at.queue("lambda-dlq-dev")["Policy"]),
        policy,
    );
}

#[test]
fn f6_every_alarm_tells_the_operators() {
    let at = deployed();
    let topic = at.topic("fraud-ops-dev");
    property("F6 key", &topic["KmsMasterKeyId"], at.key_arn.as_str());
    let params = json!({"ResourceArn": at.arn("sns", "fraud-ops-dev")});
    let found = at.ask("sns", "list_tags_for_resource", params);
    property("F6 tags", &pairs(&found["Tags"], "Key", "Value"), tags("messaging.ops"));
    let params = json!({"TopicArn": at.arn("sns", "fraud-ops-dev")});
    let found = at.ask("sns", "list_subscriptions_by_topic", params);
    property("F6 nobody at example.com", &found["Subscriptions"], json!([]));

    let found = at.ask("cloudwatch", "describe_alarms", json!({}));
    let alarms = found["MetricAlarms"].as_array().expect("a list");
    assert_eq!(alarms.len(), 11, "F6: {found:#}");
    for alarm in alarms {
        let name = text(&alarm["AlarmName"]);
        let told = json!([at.arn("sns", "fraud-ops-dev")]);
        property(&format!("F6 actions of {name}"), &alarm["AlarmActions"], told);
        property(&format!("F6 actions enabled of {name}"), &alarm["ActionsEnabled"], true);
    }
}

#[test]
fn f6_a_real_address_is_told_by_mail() {
    let env = Environment::new();
    env.settings("alert_email = \"ops@fintech.io\"\n");
    let up = env.up();
    assert_eq!(up["summary"]["created"], 61, "{up:#}");
    let topic = format!("arn:aws:sns:{REGION}:{}:fraud-ops-dev", env.account);
    let found = env
        .aws
        .call("sns", "list_subscriptions_by_topic", json!({"TopicArn": topic}));
    let subscriptions = found["Subscriptions"].as_array().expect("a list");
    assert_eq!(subscriptions.len(), 1, "{found:#}");
    property("F6 protocol", &subscriptions[0]["Protocol"], "email");
    property("F6 address", &subscriptions[0]["Endpoint"], "ops@fintech.io");
    let parameter = json!({"Name": "/fraud-detection/dev/alert_email"});
    let found = env.aws.call("ssm", "get_parameter", parameter);
    property("12 value", &found["Parameter"]["Value"], "ops@fintech.io");
    env.assert_settled();
}

#[test]
fn f7_alarms_on_what_lambda_errors_do_not_show() {
    let at = deployed();
    let above = "GreaterThanThreshold";
    let function = |name: &str| json!({"FunctionName": name});
    let queue = |name: &str| json!({"QueueName": name});
    let api = json!({"ApiName": "fraud-detection-api-dev", "Stage": "prod"});
    let (processor, analyzer) = (function("transaction-processor-dev"), function("pattern-analyzer-dev"));
    let (alerts, alerts_dlq) = (queue("fraud-alerts-queue-dev"), queue("fraud-alerts-dlq-dev"));
    for (name, metric, dimensions, statistic, period, (comparison, threshold), missing) in [
        (
            "fraud-detection-api-5xx",
            "AWS/ApiGateway 5XXError",
            api,
            "Average",
            300,
            (above, 0.01),
            "notBreaching",
        ),
        (
            "transaction-processor-throttles",
            "AWS/Lambda Throttles",
            processor,
            "Sum",
            300,
            (above, 0.0),
            "notBreaching",
        ),
        (
            "pattern-analyzer-throttles",
            "AWS/Lambda Throttles",
            analyzer.clone(),
            "Sum",
            300,
            (above, 0.0),
            "notBreaching",
        ),
        (
            "pattern-analyzer-not-invoked",
            "AWS/Lambda Invocations",
            analyzer,
            "Sum",
            900,
            ("LessThanThreshold", 1.0),
            "breaching",
        ),
        (
            "fraud-alerts-queue-age",
            "AWS/SQS ApproximateAgeOfOldestMessage",
            alerts,
            "Maximum",
            300,
            (above, 3600.0),
            "notBreaching",
        ),
        (
            "fraud-alerts-dlq-depth",
            "AWS/SQS ApproximateNumberOfMessagesVisible",
            alerts_dlq,
            "Maximum",
            300,
            (above, 0.0),
            "notBreaching",
        ),
        (
            "lambda-dlq-depth",
            "AWS/SQS ApproximateNumberOfMessagesVisible",
            queue("lambda-dlq-dev"),
            "Maximum",
            300,
            (above, 0.0),
            "notBreaching",
        ),
    ] {
        let alarm = at.alarm(&format!("{name}-dev"));
        let is = |what: &str, live: &Value, wanted: Value| property(&format!("F7 {name}: {what}"), live, wanted);
        let live = format!("{} {}", text(&alarm["Namespace"]), text(&alarm["MetricName"]));
        is("metric", &json!(live), json!(metric));
        is("dimensions", &pairs(&alarm["Dimensions"], "Name", "Value"), dimensions);
        is("statistic", &alarm["Statistic"], json!(statistic));
        is("period", &alarm["Period"], json!(period));
        is("periods", &alarm["EvaluationPeriods"], json!(1));
        is("comparison", &alarm["ComparisonOperator"], json!(comparison));
        assert_eq!(alarm["Threshold"].as_f64(), Some(threshold), "F7 {name}: threshold");
        is("missing data", &alarm["TreatMissingData"], json!(missing));
    }
}

#[test]
fn f8_logs_and_environments_are_encrypted_and_logs_end_after_thirty_days() {
    let at = deployed();
    let delivery = format!("sns/{REGION}/{}/fraud-alerts-dev", at.env.account);
    let failure = format!("{delivery}/Failure");
    let names = [
        "/aws/lambda/transaction-processor-dev",
        "/aws/lambda/pattern-analyzer-dev",
        delivery.as_str(),
        failure.as_str(),
    ];
    for name in names {
        let group = at.log_group(name);
        property(&format!("F8 key of {name}"), &group["kmsKeyId"], at.key_arn.as_str());
        property(&format!("F8 retention of {name}"), &group["retentionInDays"], 30);
    }
    for name in ["transaction-processor-dev", "pattern-analyzer-dev"] {
        let function = at.function(name);
        let key = &function["Configuration"]["KMSKeyArn"];
        property(&format!("F8 key of {name}"), key, at.key_arn.as_str());
    }
}

/// Beyond the rows: what carries no property of its own but its tags.
#[test]
fn policies_are_tagged_too() {
    let at = deployed();
    for (name, address) in [
        ("sns-feedback-policy-dev", "messaging.feedback_policy"),
        ("transaction-processor-policy-0-dev", "functions.processor_policy"),
        ("pattern-analyzer-policy-0-dev", "functions.analyzer_policy"),
    ] {
        let params = json!({"PolicyArn": at.iam_arn(&format!("policy/{name}"))});
        let found = at.ask("iam", "list_policy_tags", params);
        property(name, &pairs(&found["Tags"], "Key", "Value"), global_tags(address));
    }
}
