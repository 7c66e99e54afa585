//! The system with IAM policies enforced: what it does works, and its roles can do nothing else.
//!
//! The emulator does not enforce a role's trust policy, which is how these tests get at the rights of a role that only
//! Lambda may assume.

use crate::client::{Client, transaction};
use crate::support::{Aws, Credentials, Emulator, Environment, MiniStack, Run, Running};
use serde_json::{Value, json};
use std::fs;
use std::sync::OnceLock;

/// One emulator that enforces policies, for the tests of this file.
fn enforcing() -> &'static Emulator {
    static ENFORCING: OnceLock<Emulator> = OnceLock::new();
    ENFORCING.get_or_init(|| Emulator::ministack(MiniStack { auth: true }))
}

#[test]
fn with_policies_enforced_a_transaction_flows_and_a_diff_finds_nothing() {
    let env = Environment::on(enforcing()).scoring();
    let client = Client::of_new(&env);
    env.assert_settled();
    for (amount, score) in [("150.50", "0.1"), ("15000", "0.9")] {
        let answer = env.run(&["send", "--json", "--amount", amount]).exits(0).json();
        assert_eq!(answer["status"], 200, "{answer:#}");
        assert_eq!(answer["body"]["fraud_score"].to_string(), score, "{answer:#}");
    }
    let alerts = client.take_alerts(1);
    assert_eq!(alerts[0].message["amount"], "15000", "{alerts:?}");

    for number in 0..5 {
        client
            .post(&transaction(&format!("t-{number}"), "u-1", "20000"))
            .with_status(200);
    }
    client.take_alerts(5);
    let result = client.invoke("pattern-analyzer-dev", &json!({}));
    assert!(result.get("FunctionError").is_none(), "{result:#}");
    assert_eq!(result["Payload"]["body"]["suspicious_count"], 6, "{result:#}");
    let alerts = client.take_alerts(1);
    assert_eq!(
        alerts[0].subject,
        "Fraud Alert - Multiple Suspicious Transactions Detected"
    );
}

/// Else the test above would show nothing.
#[test]
fn without_its_policy_each_function_fails() {
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

#[test]
fn the_processor_may_do_what_it_does_and_nothing_else() {
    let env = Environment::on(enforcing()).scoring();
    let client = Client::of_new(&env);
    client.post(&transaction("t-1", "u-1", "1")).with_status(200);
    let role = Role::of(&env, "transaction-processor");
    role.may("dynamodb", "put_item", json!({"TableName": TABLE, "Item": key()}));
    role.may("dynamodb", "update_item", json!({"TableName": TABLE, "Key": key()}));
    role.may("dynamodb", "query", by_user());
    role.may("dynamodb", "query", by_merchant());
    role.may_as_every_function(&env);

    role.may_not("dynamodb:Scan", "scan", json!({"TableName": TABLE}));
    role.may_not("dynamodb:Query", "query", by_id());
    role.may_not("dynamodb:Query", "query", by_bucket());
    role.may_not("dynamodb:Query", "query", by_pending_alert());
    role.may_not(
        "dynamodb:GetItem",
        "get_item",
        json!({"TableName": TABLE, "Key": key()}),
    );
    role.may_not(
        "dynamodb:DeleteItem",
        "delete_item",
        json!({"TableName": TABLE, "Key": key()}),
    );
    let profile = json!({"merchant": {"S": "m-1"}, "day": {"N": "1"}});
    role.may_not(
        "dynamodb:UpdateItem",
        "update_item",
        json!({"TableName": "profiles-dev", "Key": profile}),
    );
    role.may_not(
        "dynamodb:PutItem",
        "put_item",
        json!({"TableName": "transactions-prod", "Item": key()}),
    );
    role.may_nothing_more_than_every_function(&env);

    let table = env.aws.call("dynamodb", "describe_table", json!({"TableName": TABLE}));
    assert_eq!(table["Table"]["TableStatus"], "ACTIVE", "{table:#}");
}

#[test]
fn the_analyzer_may_do_what_it_does_and_nothing_else() {
    let env = Environment::on(enforcing()).scoring();
    let client = Client::of_new(&env);
    client.post(&transaction("t-1", "u-1", "1")).with_status(200);
    let role = Role::of(&env, "pattern-analyzer");
    role.may("dynamodb", "query", by_bucket());
    role.may("dynamodb", "query", by_pending_alert());
    let stored = client.stored("t-1");
    let stored = json!({"transaction_id": stored[0]["transaction_id"], "timestamp": stored[0]["timestamp"]});
    role.may("dynamodb", "update_item", json!({"TableName": TABLE, "Key": stored}));
    role.may_as_every_function(&env);

    role.may_not("dynamodb:Scan", "scan", json!({"TableName": TABLE}));
    role.may_not("dynamodb:Query", "query", by_id());
    role.may_not("dynamodb:Query", "query", by_user());
    role.may_not("dynamodb:Query", "query", by_merchant());
    role.may_not(
        "dynamodb:GetItem",
        "get_item",
        json!({"TableName": TABLE, "Key": key()}),
    );
    role.may_not(
        "dynamodb:PutItem",
        "put_item",
        json!({"TableName": TABLE, "Item": key()}),
    );
    role.may_not(
        "dynamodb:DeleteItem",
        "delete_item",
        json!({"TableName": TABLE, "Key": key()}),
    );
    role.may_nothing_more_than_every_function(&env);
    assert_eq!(client.stored_in_all(), 1);
}

/// As far as the emulator knows: see [`as_far_as_known`].
#[test]
fn with_the_policy_of_a_deployer_everything_can_be_deployed_and_nothing_else_touched() {
    let env = Environment::on(enforcing());
    let state = bucket(&env);
    let deployer = principal(&env, "deploy", &state);
    let run = |args: &[&str]| run_as(&env, &deployer, &[args, &["--state", &state]].concat());
    run(&["up", "--yes"]).exits(0);
    run(&["diff", "--exit-code"]).exits(0);
    every_arn_is_named(&env, &state);
    env.settings("requests_per_day = 2000\nalert_email = \"two@fintech.io\"\n[tags]\nTeam = \"two\"\n");
    run(&["up", "--yes"]).exits(0);
    run(&["state", "recover"]).exits(0);

    let name = "deploy".to_owned();
    let aws = env.aws.assume_role(&role_arn(&env, &name));
    let role = Role { name, aws };
    let other = json!({"TableName": "transactions-prod"});
    role.may_not("dynamodb:DeleteTable", "delete_table", other);
    let rules = json!({"Name": "/fraud-detection/prod/rules", "Value": "{}", "Overwrite": true});
    role.may_not("ssm:PutParameter", "put_parameter", rules);
    role.may_not(
        "sns:DeleteTopic",
        "delete_topic",
        json!({"TopicArn": topic(&env, "fraud-alerts-dev2")}),
    );
    role.may_not(
        "lambda:DeleteFunction",
        "delete_function",
        json!({"FunctionName": "transaction-processor-prod"}),
    );
    role.may_not("iam:DeleteRole", "delete_role", json!({"RoleName": "deploy"}));
    let administrator = json!({"RoleName": "deploy", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"});
    role.may_not("iam:AttachRolePolicy", "attach_role_policy", administrator);
    let user = json!({"UserName": "somebody", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"});
    role.may_not("iam:AttachUserPolicy", "attach_user_policy", user);

    run(&["down", "--yes"]).exits(0);
}

/// Every ARN that the state knows, and so that of every resource, is one that the policies name.
fn every_arn_is_named(env: &Environment, state: &str) {
    let documents = documents(env, "deploy", state);
    let statements = documents
        .iter()
        .flat_map(|document| document["Statement"].as_array().expect("a list"));
    let named: Vec<&str> = statements
        .filter_map(|statement| statement["Resource"].as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let (bucket, prefix) = state.trim_start_matches("s3://").split_once('/').expect("a prefix");
    let object = json!({"Bucket": bucket, "Key": format!("{prefix}/dev.json")});
    let state = env.aws.call("s3", "get_object", object)["Body"].take();
    let state: Value = serde_json::from_str(state.as_str().expect("text")).expect("the state is JSON");
    let mut seen = 0;
    for (address, record) in state["resources"].as_object().expect("resources") {
        // AWS gives keys and subscriptions ids of their own.
        let own = ["kms.key", "sns.subscription"]
            .iter()
            .any(|kind| record["kind"] == *kind);
        if let (Some(arn), false) = (record["outputs"]["arn"].as_str(), own) {
            assert!(named.contains(&arn), "no policy names {arn} of {address}");
            seen += 1;
        }
    }
    assert!(seen > 30, "only {seen} ARNs");
}

#[test]
fn who_looks_needs_only_permissions_that_read() {
    let env = Environment::on(enforcing());
    let state = bucket(&env);
    let reader = principal(&env, "diff", &state);
    let run = |args: &[&str]| run_as(&env, &reader, &[args, &["--state", &state]].concat());
    let planned = run(&["diff", "--json"]).exits(0).json();
    env.run(&["up", "--yes", "--state", &state]).exits(0);
    run(&["diff", "--exit-code"]).exits(0);
    run(&["status"]).exits(0);
    run(&["output"]).exits(0);
    env.settings("requests_per_day = 2000\n");
    let diff = run(&["diff", "--json"]).exits(0).json();
    let changes = |diff: &Value| diff["changes"].as_array().map_or(0, Vec::len);
    assert!(changes(&planned) > changes(&diff) && changes(&diff) > 0, "{diff:#}");
    // Else this would show nothing.
    let refused = run(&["up", "--yes"]);
    assert!(
        refused.code == 1 && refused.stderr.contains("AccessDenied"),
        "{refused:#?}"
    );
}

#[test]
fn with_the_policy_of_an_operator_the_system_can_be_used_and_not_changed() {
    let env = Environment::on(enforcing()).scoring();
    let state = bucket(&env);
    let operator = principal(&env, "operate", &state);
    env.run(&["up", "--yes", "--state", &state]).exits(0);
    let run = |args: &[&str]| run_as(&env, &operator, &[args, &["--state", &state]].concat());
    run(&["output", "api_key"]).exits(0);
    run(&["send", "--id", "t-1", "--amount", "15000"]).exits(0);
    run(&["label", "t-1", "fraud"]).exits(0);
    run(&["rules", "diff", "--builtin"]).exits(0);
    run(&["rules", "dry-run", "--builtin"]).exits(0);
    run(&["load", "--rate", "2", "--duration", "2s"]).exits(0);
    let refused = run(&["down", "--yes"]);
    assert!(
        refused.code == 1 && refused.stderr.contains("AccessDenied"),
        "{refused:#?}"
    );
}

/// No endpoint answers, and there are no credentials.
#[test]
fn the_policies_are_printed_without_asking_aws() {
    let env = Environment::new();
    let run = |args: &[&str]| {
        let place = ["policy", "--account", "111122223333", "--region", "cn-north-1"];
        let mut command = env.command(&[&place, args].concat());
        command
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_SECRET_ACCESS_KEY");
        Running::start(command).end()
    };
    let all = run(&["--json"]).exits(0).json();
    assert_eq!(all["partition"], "aws-cn", "{all:#}");
    let parts = all["parts"].as_array().expect("a list of parts");
    let texts: Vec<&Value> = parts.iter().map(|part| &part["document"]).collect();
    let plain = run(&[]).exits(0);
    let printed: Vec<Value> = serde_json::Deserializer::from_str(&plain.stdout)
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("documents one after the other");
    assert_eq!(printed.iter().collect::<Vec<_>>(), texts);
    assert!(plain.stderr.contains("fraudctl-dev-deploy-1"), "{plain:#?}");
    assert_eq!(&run(&["--part", "1"]).exits(0).json(), texts[0]);
    let beyond = run(&["--part", "99"]).exits(2);
    assert!(beyond.stderr.contains("there is no part 99"), "{beyond:#?}");

    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().join("policies");
    let out = ["--out", folder.to_str().expect("a path of characters")];
    let written = run(&out).exits(0);
    assert_eq!(written.stdout.lines().count(), parts.len(), "{written:#?}");
    for (part, line) in parts.iter().zip(written.stdout.lines()) {
        let name = part["name"].as_str().expect("a name");
        assert!(
            line.starts_with(&format!("aws iam create-policy --policy-name {name} ")),
            "{line}"
        );
        let text = fs::read_to_string(folder.join(format!("{name}.json"))).expect("the file");
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), part["document"]);
    }
    run(&out).exits(1);
    run(&[out.as_slice(), &["--force"]].concat()).exits(0);

    let other = run(&["--for", "diff", "--partition", "aws"]).exits(0);
    assert!(
        other.stdout.contains("arn:aws:sqs:cn-north-1:111122223333:"),
        "{other:#?}"
    );
    for wrong in [["--partition", "gcp"], ["--for", "everything"], ["--part", "x"]] {
        run(&wrong).exits(2);
    }
}

/// A place for a state in a bucket.
pub fn bucket(env: &Environment) -> String {
    let bucket = format!("state-{}", env.account);
    env.aws.call("s3", "create_bucket", json!({"Bucket": bucket}));
    let versioning = json!({"Bucket": bucket, "VersioningConfiguration": {"Status": "Enabled"}});
    env.aws.call("s3", "put_bucket_versioning", versioning);
    format!("s3://{bucket}/team")
}

/// The policies that the command prints for this purpose.
pub fn documents(env: &Environment, purpose: &str, state: &str) -> Vec<Value> {
    let printed = env
        .run(&["policy", "--for", purpose, "--state", state, "--json"])
        .exits(0);
    let parts = printed.json()["parts"].take();
    let parts = parts.as_array().expect("a list of parts").iter();
    parts.map(|part| part["document"].clone()).collect()
}

/// A session of a role of this purpose's name, with the policies that the command prints for it, as far as MiniStack knows.
fn principal(env: &Environment, purpose: &str, state: &str) -> Credentials {
    principal_with(
        env,
        purpose,
        &documents(env, purpose, state)
            .iter()
            .map(as_far_as_known)
            .collect::<Vec<_>>(),
    )
}

/// A session of a role of this name with these policies.
pub fn principal_with(env: &Environment, purpose: &str, documents: &[Value]) -> Credentials {
    let anybody = json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
    });
    let role = json!({"RoleName": purpose, "AssumeRolePolicyDocument": anybody.to_string()});
    env.aws.call("iam", "create_role", role);
    for (number, allowed) in documents.iter().enumerate() {
        let policy = json!({"PolicyName": format!("{purpose}-{number}"), "PolicyDocument": allowed.to_string()});
        let arn = &env.aws.call("iam", "create_policy", policy)["Policy"]["Arn"];
        env.aws.call(
            "iam",
            "attach_role_policy",
            json!({"RoleName": purpose, "PolicyArn": arn}),
        );
    }
    env.aws.session(&role_arn(env, purpose))
}

fn role_arn(env: &Environment, name: &str) -> String {
    format!("arn:aws:iam::{}:role/{name}", env.account)
}

/// The beginnings of actions of which the emulator does not know what they are about, or not as AWS does.
const ABOUT_UNKNOWN: &[&str] = &[
    "cloudwatch:",
    "dynamodb:DeleteResourcePolicy",
    "dynamodb:GetResourcePolicy",
    "dynamodb:ListTagsOfResource",
    "dynamodb:TagResource",
    "dynamodb:UntagResource",
    "events:",
    "iam:CreatePolicy",
    "iam:RemoveRoleFromInstanceProfile",
    "kms:",
    "lambda:CreateFunction",
    "logs:DescribeLogGroups",
    "sns:GetDataProtectionPolicy",
    "sns:ListTagsForResource",
    "sns:PutDataProtectionPolicy",
    "sns:TagResource",
    "sns:UntagResource",
];

/// A policy as the emulator can hold somebody to it. It knows neither the tags of resources nor what IAM and KMS say of a
/// request, so that the conditions go; and actions of which it does not know what they are about are allowed on everything.
fn as_far_as_known(document: &Value) -> Value {
    let mut known = Vec::new();
    for statement in document["Statement"].as_array().expect("a list of statements") {
        let actions = statement["Action"].as_array().expect("a list of actions");
        let is_unknown = |action: &&Value| {
            let action = action.as_str().expect("an action");
            ABOUT_UNKNOWN.iter().any(|begins| action.starts_with(begins))
        };
        let (unknown, others): (Vec<&Value>, Vec<&Value>) = actions.iter().partition(is_unknown);
        for (actions, resource) in [(unknown, &json!("*")), (others, &statement["Resource"])] {
            if !actions.is_empty() {
                known.push(json!({"Effect": statement["Effect"], "Action": actions, "Resource": resource}));
            }
        }
    }
    json!({"Version": "2012-10-17", "Statement": known})
}

pub fn run_as(env: &Environment, principal: &Credentials, args: &[&str]) -> Run {
    let mut command = env.command(args);
    command
        .env("AWS_ACCESS_KEY_ID", &principal.key)
        .env("AWS_SECRET_ACCESS_KEY", &principal.secret)
        .env("AWS_SESSION_TOKEN", principal.token.as_deref().unwrap_or_default());
    Running::start(command).end()
}

const TABLE: &str = "transactions-dev";

fn key() -> Value {
    json!({"transaction_id": {"S": "t-role"}, "timestamp": {"N": "1"}})
}

/// A query for one value of a hash key.
fn query(table: &str, index: Option<&str>, hash_key: &str, value: Value) -> Value {
    let mut query = json!({
        "TableName": table,
        "KeyConditionExpression": format!("{hash_key} = :value"),
        "ExpressionAttributeValues": {":value": value},
    });
    if let Some(index) = index {
        query["IndexName"] = json!(index);
    }
    query
}

fn by_id() -> Value {
    query(TABLE, None, "transaction_id", json!({"S": "t-1"}))
}

fn by_user() -> Value {
    query(TABLE, Some("user-index"), "user_id", json!({"S": "u-1"}))
}

fn by_bucket() -> Value {
    query(TABLE, Some("suspicious-index"), "suspicious_bucket", json!({"N": "1"}))
}

fn by_pending_alert() -> Value {
    query(
        TABLE,
        Some("pending-alerts-index"),
        "pending_alert",
        json!({"S": "transaction"}),
    )
}

fn by_merchant() -> Value {
    query("profiles-dev", None, "merchant", json!({"S": "m-1"}))
}

/// A client with the rights of one function.
struct Role {
    name: String,
    aws: Aws,
}

impl Role {
    fn of(env: &Environment, function: &str) -> Self {
        let name = format!("{function}-role-dev");
        let arn = format!("arn:aws:iam::{}:role/{name}", env.account);
        let aws = env.aws.assume_role(&arn);
        Self { name, aws }
    }

    #[track_caller]
    fn may(&self, service: &str, operation: &str, params: Value) {
        if let Err(why) = self.aws.try_call(service, operation, params) {
            panic!("{} may not {service} {operation}: {why}", self.name);
        }
    }

    /// `action` is IAM's name of what `operation` does.
    #[track_caller]
    fn may_not(&self, action: &str, operation: &str, params: Value) {
        let service = action.split(':').next().expect("the service before the colon");
        match self.aws.try_call(service, operation, params) {
            Ok(answer) => panic!("{} may {action}: {answer:#}", self.name),
            Err(why) => {
                let refusal = format!("is not authorized to perform: {action}");
                assert!(why.message.contains(&refusal), "{} {action}: {why}", self.name);
            }
        }
    }

    /// What both functions need.
    #[track_caller]
    fn may_as_every_function(&self, env: &Environment) {
        let remembered = json!({"id": {"S": "transaction#t-role"}});
        let put = json!({"TableName": "idempotency-dev", "Item": remembered.clone()});
        self.may("dynamodb", "put_item", put);
        let get = json!({"TableName": "idempotency-dev", "Key": remembered});
        self.may("dynamodb", "get_item", get);
        let rules = json!({"Name": "/fraud-detection/dev/rules"});
        self.may("ssm", "get_parameter", rules);
        let parameter = json!({"Name": "/fraud-detection/dev/fraud_threshold"});
        self.may("ssm", "get_parameter", parameter);
        let alert = json!({"TopicArn": topic(env, "fraud-alerts-dev"), "Message": "m"});
        self.may("sns", "publish", alert);
        let failure = json!({"QueueUrl": queue(env, "lambda-dlq-dev"), "MessageBody": "m"});
        self.may("sqs", "send_message", failure);
        let data_key = json!({"KeyId": encryption_key(env), "KeySpec": "AES_256"});
        self.may("kms", "generate_data_key", data_key);
    }

    /// What neither function needs.
    #[track_caller]
    fn may_nothing_more_than_every_function(&self, env: &Environment) {
        self.may_not("dynamodb:DeleteTable", "delete_table", json!({"TableName": TABLE}));
        let forget = json!({"TableName": "idempotency-dev", "Key": {"id": {"S": "transaction#t-role"}}});
        self.may_not("dynamodb:DeleteItem", "delete_item", forget);
        self.may_not("dynamodb:Scan", "scan", json!({"TableName": "idempotency-dev"}));
        self.may_not(
            "ssm:GetParameter",
            "get_parameter",
            json!({"Name": "/fraud-detection/prod/fraud_threshold"}),
        );
        let lower = json!({"Name": "/fraud-detection/dev/fraud_threshold", "Value": "1", "Overwrite": true});
        self.may_not("ssm:PutParameter", "put_parameter", lower);
        let alarm = json!({"TopicArn": topic(env, "fraud-ops-dev"), "Message": "m"});
        self.may_not("sns:Publish", "publish", alarm);
        self.may_not(
            "sns:DeleteTopic",
            "delete_topic",
            json!({"TopicArn": topic(env, "fraud-alerts-dev")}),
        );
        let alerts = queue(env, "fraud-alerts-queue-dev");
        self.may_not(
            "sqs:SendMessage",
            "send_message",
            json!({"QueueUrl": alerts, "MessageBody": "m"}),
        );
        self.may_not("sqs:ReceiveMessage", "receive_message", json!({"QueueUrl": alerts}));
        self.may_not(
            "kms:ScheduleKeyDeletion",
            "schedule_key_deletion",
            json!({"KeyId": encryption_key(env)}),
        );
        self.may_not(
            "lambda:InvokeFunction",
            "invoke",
            json!({"FunctionName": "pattern-analyzer-dev"}),
        );
        self.may_not("iam:ListRoles", "list_roles", json!({}));
    }
}

fn topic(env: &Environment, name: &str) -> String {
    format!("arn:aws:sns:{}:{}:{name}", crate::support::REGION, env.account)
}

fn queue(env: &Environment, name: &str) -> Value {
    env.aws.call("sqs", "get_queue_url", json!({"QueueName": name}))["QueueUrl"].take()
}

fn encryption_key(env: &Environment) -> Value {
    let key = json!({"KeyId": "alias/fraud-detection-dev"});
    env.aws.call("kms", "describe_key", key)["KeyMetadata"]["Arn"].take()
}
