//! What the base stack lacked for its users, read back property by property with the independent client; and that what
//! stands already becomes it without a loss.

use crate::client::text;
use crate::support::read::{find, the};
use crate::support::{Call, Emulator, Environment, Proxy};
use crate::table1::{Deployed, deployed, global_tags, listed, one, pairs, parsed, property, tags};
use serde_json::{Value, json};
use std::fs;

const RULES: &str = "/fraud-detection/dev/rules";

/// The tags that stand on a dashboard, in its last widget.
#[track_caller]
pub fn tags_of(body: &Value) -> Value {
    let last = body["widgets"].as_array().and_then(|all| all.last()).expect("a widget");
    property("the widget of the tags", &last["type"], "text");
    let markdown = text(&last["properties"]["markdown"]);
    let start = markdown.find('{').expect("an object");
    let end = markdown.rfind('}').expect("its end");
    serde_json::from_str(&markdown[start..=end]).expect("the tags are JSON")
}

/// A table, its backups and its expiry.
#[track_caller]
fn table(at: &Deployed, name: &str) -> (Value, Value, Value) {
    let named = json!({"TableName": name});
    let table = at.ask("dynamodb", "describe_table", named.clone())["Table"].take();
    let mut backups = at.ask("dynamodb", "describe_continuous_backups", named.clone());
    let mut expiry = at.ask("dynamodb", "describe_time_to_live", named);
    (
        table,
        backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"].take(),
        expiry["TimeToLiveDescription"].take(),
    )
}

fn hash_and_range(hash: &str, range: &str) -> Value {
    json!([
        {"AttributeName": hash, "KeyType": "HASH"},
        {"AttributeName": range, "KeyType": "RANGE"},
    ])
}

/// What all tables have in common.
#[track_caller]
fn is_safe(at: &Deployed, name: &str, address: &str) {
    let (table, recovery, _) = table(at, name);
    let is = |what: &str, live: &Value, wanted: &str| property(&format!("{name}: {what}"), live, wanted);
    is("state", &table["TableStatus"], "ACTIVE");
    is(
        "billing",
        &table["BillingModeSummary"]["BillingMode"],
        "PAY_PER_REQUEST",
    );
    is("encryption", &table["SSEDescription"]["Status"], "ENABLED");
    is("encryption kind", &table["SSEDescription"]["SSEType"], "KMS");
    is(
        "encryption key",
        &table["SSEDescription"]["KMSMasterKeyArn"],
        &at.key_arn,
    );
    is("recovery", &recovery["PointInTimeRecoveryStatus"], "ENABLED");
    let params = json!({"ResourceArn": at.arn("dynamodb", &format!("table/{name}"))});
    let found = at.ask("dynamodb", "list_tags_of_resource", params);
    property(
        &format!("{name}: tags"),
        &pairs(&found["Tags"], "Key", "Value"),
        tags(address),
    );
}

#[test]
fn b6_and_b7_what_is_suspicious_or_pending_is_found_without_a_look_at_the_rest() {
    let at = deployed();
    let (table, _, _) = table(at, "transactions-dev");
    let suspicious = one(&table["GlobalSecondaryIndexes"], "IndexName", "suspicious-index");
    property(
        "B7 keys",
        &suspicious["KeySchema"],
        hash_and_range("suspicious_bucket", "timestamp"),
    );
    property("B7 projection", &suspicious["Projection"]["ProjectionType"], "INCLUDE");
    property(
        "B7 attributes",
        &suspicious["Projection"]["NonKeyAttributes"],
        json!(["user_id"]),
    );
    property("B7 state", &suspicious["IndexStatus"], "ACTIVE");
    let pending = one(&table["GlobalSecondaryIndexes"], "IndexName", "pending-alerts-index");
    property(
        "B6 keys",
        &pending["KeySchema"],
        hash_and_range("pending_alert", "timestamp"),
    );
    property("B6 projection", &pending["Projection"]["ProjectionType"], "ALL");
    property("B6 attributes", &pending["Projection"]["NonKeyAttributes"], Value::Null);
    property("B6 state", &pending["IndexStatus"], "ACTIVE");
}

#[test]
fn b9_the_profiles_of_merchants() {
    let at = deployed();
    is_safe(at, "profiles-dev", "storage.profiles");
    let (table, _, expiry) = table(at, "profiles-dev");
    property("B9 keys", &table["KeySchema"], hash_and_range("merchant", "day"));
    let found = pairs(&table["AttributeDefinitions"], "AttributeName", "AttributeType");
    property("B9 attributes", &found, json!({"merchant": "S", "day": "N"}));
    property("B9 expiry", &expiry["TimeToLiveStatus"], "ENABLED");
    property("B9 expiry attribute", &expiry["AttributeName"], "expires_at");
}

#[test]
fn b1_what_was_answered_is_kept_for_ever() {
    let at = deployed();
    is_safe(at, "idempotency-dev", "storage.idempotency");
    let (table, _, expiry) = table(at, "idempotency-dev");
    let keys = json!([{"AttributeName": "id", "KeyType": "HASH"}]);
    property("B1 keys", &table["KeySchema"], keys);
    let found = pairs(&table["AttributeDefinitions"], "AttributeName", "AttributeType");
    property("B1 attributes", &found, json!({"id": "S"}));
    property("B1 expiry", &expiry["TimeToLiveStatus"], "DISABLED");
}

#[test]
fn b5_the_rules_begin_as_those_that_are_built_in() {
    let at = deployed();
    let found = at.ask("ssm", "get_parameter", json!({"Name": RULES}));
    property("B5 type", &found["Parameter"]["Type"], "String");
    let value = text(&found["Parameter"]["Value"]);
    let rules = fraud::Rules::parse(&value).expect("they are rules");
    assert_eq!(&rules, fraud::Rules::builtin(), "B5 value");
    assert!(value.len() <= 4096, "B5 is {} bytes long", value.len());
    let filter = json!({"ParameterFilters": [{"Key": "Name", "Values": [RULES]}]});
    let found = at.ask("ssm", "describe_parameters", filter);
    let described = one(&found["Parameters"], "Name", RULES);
    property("B5 description", &described["Description"], "Fraud detection rules");
    let params = json!({"ResourceType": "Parameter", "ResourceId": RULES});
    let found = at.ask("ssm", "list_tags_for_resource", params);
    property(
        "B5 tags",
        &pairs(&found["TagList"], "Key", "Value"),
        tags("storage.rules"),
    );
}

#[test]
fn b8_the_dashboard_shows_every_alarm_and_what_every_picture_needs() {
    let at = deployed();
    let found = at.ask(
        "cloudwatch",
        "get_dashboard",
        json!({"DashboardName": "fraud-detection-dev"}),
    );
    let body = parsed(&found["DashboardBody"]);
    property("B8 tags", &tags_of(&body), global_tags("monitoring.dashboard"));
    let widgets = body["widgets"].as_array().expect("a list");
    let alarms = at.ask("cloudwatch", "describe_alarms", json!({}));
    let alarms: Value = alarms["MetricAlarms"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|alarm| alarm["AlarmArn"].clone())
        .collect();
    property("B8 alarms", &widgets[0]["type"], "alarm");
    property(
        "B8 alarms",
        &listed(&widgets[0]["properties"]["alarms"]),
        listed(&alarms),
    );
    for (title, name, statistic, of) in [
        ("Transactions", "Count", "Sum", "fraud-detection-api-dev"),
        ("Transactions", "Scored", "Sum", "dev"),
        ("Suspicious share", "Suspicious", "Sum", "dev"),
        ("API latency", "Latency", "p50", "fraud-detection-api-dev"),
        ("API latency", "Latency", "p95", "fraud-detection-api-dev"),
        ("API latency", "Latency", "p99", "fraud-detection-api-dev"),
        ("Processor duration", "Duration", "p99", "transaction-processor-dev"),
        ("Analyzer duration", "Duration", "p99", "pattern-analyzer-dev"),
        ("API errors", "5XXError", "Sum", "fraud-detection-api-dev"),
        ("Function errors", "Errors", "Sum", "transaction-processor-dev"),
        ("Function errors", "Errors", "Sum", "pattern-analyzer-dev"),
        (
            "Oldest alert in the queue",
            "ApproximateAgeOfOldestMessage",
            "Maximum",
            "fraud-alerts-queue-dev",
        ),
        ("Alerts not sent yet", "PendingAlerts", "Maximum", "dev"),
        (
            "Dead letters",
            "ApproximateNumberOfMessagesVisible",
            "Maximum",
            "fraud-alerts-dlq-dev",
        ),
        (
            "Dead letters",
            "ApproximateNumberOfMessagesVisible",
            "Maximum",
            "lambda-dlq-dev",
        ),
        ("Throttles", "Throttles", "Sum", "transaction-processor-dev"),
    ] {
        let picture = widgets.iter().find(|widget| widget["properties"]["title"] == title);
        let picture = picture.unwrap_or_else(|| panic!("B8 has no {title}"));
        let shown = picture["properties"]["metrics"].as_array().expect("a list").iter();
        let mut lines = shown.filter(|line| {
            let last = line.as_array().and_then(|line| line.last()).unwrap_or(&Value::Null);
            line[1] == name && line[3] == of && last["stat"] == statistic
        });
        assert!(
            lines.next().is_some(),
            "B8 {title} has no {name} {statistic} of {of}: {picture:#}"
        );
    }
}

#[test]
fn b8_alarms_on_what_the_functions_count() {
    let at = deployed();
    for (name, metric, statistic, period, periods) in [
        ("fraud-alerts-pending", "PendingAlerts", "Maximum", 600, 2),
        ("fraud-rules-fallback", "RulesFallback", "Sum", 300, 1),
    ] {
        let alarm = at.alarm(&format!("{name}-dev"));
        let is = |what: &str, live: &Value, wanted: Value| property(&format!("B8 {name}: {what}"), live, wanted);
        is("namespace", &alarm["Namespace"], json!("FraudDetection"));
        is("metric", &alarm["MetricName"], json!(metric));
        is(
            "dimensions",
            &pairs(&alarm["Dimensions"], "Name", "Value"),
            json!({"Environment": "dev"}),
        );
        is("statistic", &alarm["Statistic"], json!(statistic));
        is("period", &alarm["Period"], json!(period));
        is("periods", &alarm["EvaluationPeriods"], json!(periods));
        is(
            "comparison",
            &alarm["ComparisonOperator"],
            json!("GreaterThanThreshold"),
        );
        assert_eq!(alarm["Threshold"].as_f64(), Some(0.0), "B8 {name}: threshold");
        is("missing data", &alarm["TreatMissingData"], json!("notBreaching"));
    }
}

/// A state as it was before there were the two indexes, and a table as it was then.
fn before_the_sparse_indexes(env: &Environment) {
    let delete = |name: &str| {
        let delete = json!([{"Delete": {"IndexName": name}}]);
        let update = json!({"TableName": "transactions-dev", "GlobalSecondaryIndexUpdates": delete});
        env.aws.call("dynamodb", "update_table", update);
    };
    let path = env.state_file();
    let state = fs::read_to_string(&path).expect("a state");
    let mut state: Value = serde_json::from_str(&state).expect("the state is JSON");
    for index in ["suspicious-index", "pending-alerts-index"] {
        delete(index);
    }
    let record = &mut state["resources"]["storage.transactions"];
    for spec in ["applied", "observed"] {
        for (field, names) in [
            ("indexes", ["suspicious-index", "pending-alerts-index"]),
            ("attributes", ["suspicious_bucket", "pending_alert"]),
        ] {
            let field = record[spec][field].as_object_mut().expect("an object");
            for name in names {
                field.remove(name).expect("it was there");
            }
        }
    }
    // Of what it was before.
    state.as_object_mut().expect("an object").remove("checksum");
    fs::write(&path, state.to_string()).expect("the state is written");
}

#[test]
fn a_table_of_before_gets_its_indexes_one_by_one_and_keeps_its_items() {
    let env = Environment::new();
    let proxy = Proxy::before(Emulator::shared().endpoint());
    env.up();
    before_the_sparse_indexes(&env);
    let item = |id: &str| {
        json!({
            "transaction_id": {"S": id},
            "timestamp": {"N": "1767225600"},
            "user_id": {"S": "u-1"},
        })
    };
    let mut suspicious = item("t-1");
    suspicious["suspicious_bucket"] = json!({"N": "5890752"});
    for item in [suspicious, item("t-2")] {
        let put = json!({"TableName": "transactions-dev", "Item": item});
        env.aws.call("dynamodb", "put_item", put);
    }

    let diff = env.diff();
    assert_eq!(diff["changes"].as_array().map(Vec::len), Some(1), "{diff:#}");
    let change = the(&diff["changes"], "address", "storage.transactions");
    assert_eq!(change["action"], "update", "{change:#}");
    for field in change["fields"].as_array().expect("a list") {
        assert_eq!(field["cause"], "intent", "{change:#}");
    }
    let updates = with_the_proxy(&env, &proxy);
    let indexes: Vec<Value> = updates
        .iter()
        .map(|call| {
            serde_json::from_str::<Value>(&call.body).expect("a JSON body")["GlobalSecondaryIndexUpdates"].take()
        })
        .collect();
    assert_eq!(indexes.len(), 2, "{updates:#?}");
    for one in &indexes {
        assert_eq!(one.as_array().map(Vec::len), Some(1), "one index a call: {one:#}");
    }

    let scanned = env
        .aws
        .call("dynamodb", "scan", json!({"TableName": "transactions-dev"}));
    assert_eq!(scanned["Count"], 2, "{scanned:#}");
    let query = json!({
        "TableName": "transactions-dev",
        "IndexName": "suspicious-index",
        "KeyConditionExpression": "suspicious_bucket = :bucket",
        "ExpressionAttributeValues": {":bucket": {"N": "5890752"}},
    });
    let found = env.aws.call("dynamodb", "query", query);
    assert_eq!(found["Count"], 1, "only what has the key is in it: {found:#}");
    assert_eq!(found["Items"][0]["transaction_id"]["S"], "t-1");
}

/// Runs `up` through the proxy, which is another endpoint to the state, and returns the updates of the table that it made.
fn with_the_proxy(env: &Environment, proxy: &Proxy) -> Vec<Call> {
    let path = env.state_file();
    let state = fs::read_to_string(&path).expect("a state");
    let mut state: Value = serde_json::from_str(&state).expect("the state is JSON");
    state["endpoint"] = json!(proxy.endpoint());
    // Of what it was before.
    state.as_object_mut().expect("an object").remove("checksum");
    fs::write(&path, state.to_string()).expect("the state is written");
    let mut command = env.command(&["up", "--yes", "--json"]);
    command.env("AWS_ENDPOINT_URL", proxy.endpoint());
    let output = command.output().expect("fraudctl starts");
    assert!(output.status.success(), "{output:#?}");
    let up: Value = serde_json::from_slice(&output.stdout).expect("a document");
    assert_eq!(
        (&up["summary"]["updated"], &up["summary"]["replaced"]),
        (&json!(1), &json!(0)),
        "{up:#}"
    );
    let mut calls = proxy.calls();
    calls.retain(|call| call.is("dynamodb", "UpdateTable"));
    calls
}

fn live_rules(env: &Environment) -> String {
    let found = env.aws.call("ssm", "get_parameter", json!({"Name": RULES}));
    text(&found["Parameter"]["Value"])
}

/// The built-in rules under another name.
fn rules_called(version: &str) -> String {
    let builtin: Value = serde_json::from_str(&fraud::Rules::builtin().to_json()).expect("JSON");
    let mut rules = builtin;
    rules["version"] = json!(version);
    fraud::Rules::parse(&rules.to_string())
        .expect("they are rules")
        .to_json()
}

fn put_live(env: &Environment, rules: &str) {
    let put = json!({"Name": RULES, "Value": rules, "Overwrite": true});
    env.aws.call("ssm", "put_parameter", put);
}

#[test]
fn rules_that_an_analyst_put_live_are_left_alone_also_without_a_state() {
    let env = Environment::new();
    env.up();
    let theirs = rules_called("theirs-1");
    put_live(&env, &theirs);
    env.assert_settled();
    let up = env.up();
    assert_eq!(up["steps"], json!([]), "{up:#}");
    assert_eq!(live_rules(&env), theirs);

    fs::remove_file(env.state_file()).expect("the state is there");
    let up = env.up();
    assert_eq!(up["summary"]["adopted"], 60, "{up:#}");
    assert_eq!(live_rules(&env), theirs);
    env.assert_settled();
}

#[test]
fn rules_in_a_file_are_managed_until_no_file_is_named_and_then_stay() {
    let env = Environment::new();
    env.up();
    let ours = rules_called("ours-1");
    fs::write(env.state_folder().join("rules.json"), &ours).expect("the rules are written");
    env.settings("rules = \"rules.json\"\n");
    let value = |cause: &str| {
        let diff = env.diff();
        let change = find(&diff["changes"], "address", "storage.rules").expect("it differs");
        assert_eq!(diff["changes"].as_array().map(Vec::len), Some(1), "{diff:#}");
        assert_eq!(change["action"], "update", "{diff:#}");
        assert_eq!(change["fields"][0]["path"], "value", "{diff:#}");
        assert_eq!(change["fields"][0]["cause"], cause, "{diff:#}");
        let up = env.up();
        assert_eq!(up["summary"]["updated"], 1, "{up:#}");
        env.assert_settled();
    };
    value("intent");
    assert_eq!(live_rules(&env), ours);

    put_live(&env, &rules_called("theirs-1"));
    value("drift");
    assert_eq!(live_rules(&env), ours);

    // From now on they are the analyst's again: what is there stays.
    env.settings("");
    value("intent");
    assert_eq!(live_rules(&env), ours);
    let theirs = rules_called("theirs-2");
    put_live(&env, &theirs);
    env.assert_settled();
    assert_eq!(live_rules(&env), theirs);
}

/// It says so, and goes on: the functions do, too.
#[test]
fn rules_that_nobody_can_use_are_told_by_up() {
    let env = Environment::new();
    let first = env.run(&["up", "--yes"]).exits(0);
    assert!(!first.stderr.contains(RULES), "{first:#?}");
    put_live(&env, "{\"version\": }");
    let up = env.run(&["up", "--yes"]).exits(0);
    for says in [RULES, "not valid", "line 1", "built in", "fraudctl rules push"] {
        assert!(up.stderr.contains(says), "does not say {says:?}: {up:#?}");
    }
    assert_eq!(live_rules(&env), "{\"version\": }");
}

/// After ours was removed somebody made one of the same name: it is theirs.
#[test]
fn a_dashboard_without_our_tags_is_left_alone_by_down_and_that_is_no_success() {
    let env = Environment::new();
    env.up();
    let named = json!({"DashboardName": "fraud-detection-dev"});
    let theirs = r#"{"widgets": []}"#;
    let mut put = named.clone();
    put["DashboardBody"] = json!(theirs);
    env.aws.call("cloudwatch", "put_dashboard", put);
    let down = env.run(&["down", "--yes", "--json"]).exits(3).json();
    assert_eq!(down["left_alone"][0]["address"], "monitoring.dashboard", "{down:#}");
    let found = env.aws.call("cloudwatch", "get_dashboard", named);
    assert_eq!(found["DashboardBody"], theirs);
}
