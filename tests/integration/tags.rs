//! Tags: what the settings may ask for, and what others put on our resources.

use std::io::Write;
use std::process::{Command, Stdio};

use fraudctl::config::tags::{refused_key, refused_value};
use serde_json::{Value, json};

use crate::drift::deployed;
use crate::support::read::{Outputs, outputs, parsed, tags, the};
use crate::support::{Emulator, Environment, Proxy, REGION, Refusal, Run, python};

/// A tag as somebody else's automation sets it.
const THEIRS: (&str, &str) = ("AutoTag_Creator", "ci");
const IGNORED: &str = "ignore_tags = [\"AutoTag_*\"]\n";

/// One resource of each kind that has tags of AWS's.
struct Tagged {
    address: &'static str,
    service: &'static str,
    tag: (&'static str, Value),
    read: (&'static str, Value),
    /// The field of the answer, and how it calls key and value where it is a list.
    field: (&'static str, Option<(&'static str, &'static str)>),
}

fn every_kind(outputs: &Outputs) -> Vec<Tagged> {
    let (key, value) = THEIRS;
    let map = || json!({key: value});
    let list = |k: &str, v: &str| json!([{k: key, v: value}]);
    let pairs = || list("Key", "Value");
    let usual = Some(("Key", "Value"));
    let arn = |address: &str| outputs.arn(address);
    let one = |address, service, tag, read, field| Tagged {
        address,
        service,
        tag,
        read,
        field,
    };
    let by_arn = |address: &'static str, service: &'static str, name: &str, listed: &'static str| {
        let mut tag = json!({"Tags": pairs()});
        tag[name] = arn(address).into();
        one(
            address,
            service,
            ("tag_resource", tag),
            (listed, json!({name: arn(address)})),
            ("Tags", usual),
        )
    };
    // Read with the rest of it, which tells the tags that it was made with too.
    let gateway = |address: &'static str, path: String, read: (&'static str, Value)| {
        let arn = format!("arn:aws:apigateway:{REGION}::{path}");
        let tag = ("tag_resource", json!({"resourceArn": arn, "tags": map()}));
        one(address, "apigateway", tag, read, ("tags", None))
    };
    let key_id = outputs.id("security.key");
    let url = outputs.get("messaging.alerts_queue", "url");
    let (role, policy) = (
        outputs.get("functions.processor_role", "name"),
        arn("functions.processor_policy"),
    );
    let group = arn("functions.processor_log_group");
    let function = arn("functions.processor");
    let parameter = json!({"ResourceType": "Parameter", "ResourceId": "/fraud-detection/dev/fraud_threshold"});
    let mut parameter_tag = parameter.clone();
    parameter_tag["Tags"] = pairs();
    let [api, key_of_api, plan] = ["api.rest_api", "api.key", "api.usage_plan"].map(|address| outputs.id(address));
    vec![
        one(
            "security.key",
            "kms",
            (
                "tag_resource",
                json!({"KeyId": key_id, "Tags": list("TagKey", "TagValue")}),
            ),
            ("list_resource_tags", json!({"KeyId": key_id})),
            ("Tags", Some(("TagKey", "TagValue"))),
        ),
        by_arn(
            "storage.transactions",
            "dynamodb",
            "ResourceArn",
            "list_tags_of_resource",
        ),
        by_arn("messaging.alerts", "sns", "ResourceArn", "list_tags_for_resource"),
        one(
            "messaging.alerts_queue",
            "sqs",
            ("tag_queue", json!({"QueueUrl": url, "Tags": map()})),
            ("list_queue_tags", json!({"QueueUrl": url})),
            ("Tags", None),
        ),
        one(
            "functions.processor_role",
            "iam",
            ("tag_role", json!({"RoleName": role, "Tags": pairs()})),
            ("list_role_tags", json!({"RoleName": role})),
            ("Tags", usual),
        ),
        one(
            "functions.processor_policy",
            "iam",
            ("tag_policy", json!({"PolicyArn": policy, "Tags": pairs()})),
            ("list_policy_tags", json!({"PolicyArn": policy})),
            ("Tags", usual),
        ),
        one(
            "functions.processor_log_group",
            "logs",
            ("tag_resource", json!({"resourceArn": group, "tags": map()})),
            ("list_tags_for_resource", json!({"resourceArn": group})),
            ("tags", None),
        ),
        one(
            "functions.processor",
            "lambda",
            ("tag_resource", json!({"Resource": function, "Tags": map()})),
            ("list_tags", json!({"Resource": function})),
            ("Tags", None),
        ),
        by_arn("functions.schedule", "events", "ResourceARN", "list_tags_for_resource"),
        one(
            "storage.fraud_threshold",
            "ssm",
            ("add_tags_to_resource", parameter_tag),
            ("list_tags_for_resource", parameter),
            ("TagList", usual),
        ),
        by_arn(
            "monitoring.processor_errors",
            "cloudwatch",
            "ResourceARN",
            "list_tags_for_resource",
        ),
        gateway(
            "api.rest_api",
            format!("/restapis/{api}"),
            ("get_rest_api", json!({"restApiId": api})),
        ),
        gateway(
            "api.stage",
            format!("/restapis/{api}/stages/prod"),
            ("get_stage", json!({"restApiId": api, "stageName": "prod"})),
        ),
        gateway(
            "api.key",
            format!("/apikeys/{key_of_api}"),
            ("get_api_key", json!({"apiKey": key_of_api})),
        ),
        gateway(
            "api.usage_plan",
            format!("/usageplans/{plan}"),
            ("get_usage_plan", json!({"usagePlanId": plan})),
        ),
    ]
}

impl Tagged {
    fn put(&self, env: &Environment) {
        env.aws.call(self.service, self.tag.0, self.tag.1.clone());
    }

    fn tags(&self, env: &Environment) -> Value {
        let answer = env.aws.call(self.service, self.read.0, self.read.1.clone());
        let (field, names) = self.field;
        match names {
            Some((key, value)) => tags(&answer[field], key, value),
            None => answer[field].clone(),
        }
    }
}

/// The dashboard, whose tags stand on it: as an object, and with one more.
fn dashboard(env: &Environment) -> Value {
    let found = env.aws.call(
        "cloudwatch",
        "get_dashboard",
        json!({"DashboardName": "fraud-detection-dev"}),
    );
    parsed(&found["DashboardBody"])
}

fn dashboard_tags(env: &Environment) -> String {
    let body = dashboard(env);
    let last = body["widgets"].as_array().and_then(|widgets| widgets.last()).cloned();
    last.expect("a widget")["properties"]["markdown"]
        .as_str()
        .expect("a text")
        .to_owned()
}

fn tag_dashboard(env: &Environment) {
    let mut body = dashboard(env);
    let widgets = body["widgets"].as_array_mut().expect("a list");
    let text = &mut widgets.last_mut().expect("a widget")["properties"]["markdown"];
    let (key, value) = THEIRS;
    let with = format!("`{{\"{key}\":\"{value}\",");
    *text = text.as_str().expect("a text").replacen("`{", &with, 1).into();
    let put = json!({"DashboardName": "fraud-detection-dev", "DashboardBody": body.to_string()});
    env.aws.call("cloudwatch", "put_dashboard", put);
}

#[test]
fn tags_that_others_put_on_any_kind_are_left_alone_and_are_no_drift() {
    let env = Environment::new();
    env.settings(IGNORED);
    let empty = env.aws.inventory();
    env.up();
    let kinds = every_kind(&outputs(&env));
    for kind in &kinds {
        kind.put(&env);
    }
    tag_dashboard(&env);
    env.run(&["diff", "--exit-code"]).exits(0);
    let up = env.up();
    assert_eq!(up["summary"]["unchanged"], 60, "{up:#}");

    // They stay also where other tags of the resource change, and what we set is repaired beside them.
    env.settings(&format!("{IGNORED}[tags]\nTeam = \"risk\"\n"));
    for kind in &kinds {
        assert_eq!(kind.tags(&env)["CostCenter"], "Engineering", "{}", kind.address);
    }
    env.up();
    env.assert_settled();
    for kind in &kinds {
        let found = kind.tags(&env);
        assert_eq!(
            (&found[THEIRS.0], &found["Team"]),
            (&json!(THEIRS.1), &json!("risk")),
            "{}: {found:#}",
            kind.address
        );
    }
    let written = dashboard_tags(&env);
    assert!(
        written.contains("AutoTag_Creator") && written.contains("\"Team\""),
        "{written}"
    );

    // A tag of theirs with another name is drift as ever, and what comes and goes of those that are ignored is nothing.
    let queue = &kinds[3];
    let url = queue.read.1["QueueUrl"].clone();
    env.aws
        .call("sqs", "tag_queue", json!({"QueueUrl": url, "Tags": {"Stray": "1"}}));
    env.aws
        .call("sqs", "untag_queue", json!({"QueueUrl": url, "TagKeys": [THEIRS.0]}));
    let diff = env.diff();
    let fields = the(&diff["changes"], "address", queue.address)["fields"].clone();
    assert_eq!(fields.as_array().map(Vec::len), Some(1), "{diff:#}");
    assert_eq!(fields[0]["path"], "tags.Stray");
    env.up();
    assert_eq!(queue.tags(&env)["Stray"], Value::Null);

    // Nor do they upset anything else, even where nothing is remembered.
    env.run(&["status"]).exits(0);
    std::fs::remove_file(env.state_file()).expect("there is a state");
    env.up();
    env.assert_settled();
    assert_eq!(kinds[4].tags(&env)[THEIRS.0], THEIRS.1);
    env.down();
    assert_eq!(env.aws.inventory(), empty);
}

/// The command, with everything that it calls passing a proxy.
fn through(env: &Environment, proxy: &Proxy, args: &[&str]) -> Run {
    let output = env
        .command(args)
        .env("AWS_ENDPOINT_URL", proxy.endpoint())
        .output()
        .expect("fraudctl starts");
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn a_tag_that_may_not_be_taken_away_is_told_with_the_way_out_and_holds_up_nothing_else() {
    let env = Environment::new();
    let proxy = Proxy::before(Emulator::shared().endpoint());
    through(&env, &proxy, &["up", "--yes"]).exits(0);
    let refused = [
        ("messaging.alerts_queue", "sqs", "UntagQueue", "AccessDenied"),
        ("functions.processor_role", "iam", "UntagRole", "AccessDenied"),
        ("messaging.alerts", "sns", "UntagResource", "AuthorizationError"),
        ("security.key", "kms", "UntagResource", "AccessDeniedException"),
        (
            "storage.transactions",
            "dynamodb",
            "UntagResource",
            "AccessDeniedException",
        ),
        ("api.stage", "apigateway", "UntagResource", "AccessDeniedException"),
    ];
    for (_, service, operation, code) in refused {
        let words = format!("not authorized to perform: {operation} with an explicit deny in a service control policy");
        proxy.refuse_with(Refusal::new(403, code, words), move |call| call.is(service, operation));
    }
    let recorded = outputs(&env);
    let kinds = every_kind(&recorded);
    let tagged = || {
        kinds
            .iter()
            .filter(|kind| refused.iter().any(|one| one.0 == kind.address))
    };
    for kind in tagged() {
        kind.put(&env);
    }
    // Other fields of the same resources, and the tags that we set.
    let url = recorded.get("messaging.alerts_queue", "url");
    let attributes = json!({"QueueUrl": url, "Attributes": {"VisibilityTimeout": "1"}});
    env.aws.call("sqs", "set_queue_attributes", attributes);
    env.aws.call(
        "sqs",
        "tag_queue",
        json!({"QueueUrl": url, "Tags": {"Project": "Tampered"}}),
    );
    let description = json!({"RoleName": "transaction-processor-role-dev", "Description": "tampered"});
    env.aws.call("iam", "update_role_description", description);

    let up = through(&env, &proxy, &["up", "--yes", "--json"]).exits(0);
    assert_eq!(up.json()["summary"]["failed"], 0, "{up:#?}");
    for (address, ..) in refused {
        let note = format!("note: {address}: ");
        let line = up.stderr.lines().find(|line| line.contains(&note));
        let line = line.unwrap_or_else(|| panic!("{address} is not told: {up:#?}"));
        for part in [
            "AutoTag_Creator",
            "ignore_tags = [\"AutoTag_Creator\"]",
            "service control policy",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }
    let standing = env.aws.call(
        "sqs",
        "get_queue_attributes",
        json!({"QueueUrl": url, "AttributeNames": ["VisibilityTimeout"]}),
    );
    assert_eq!(standing["Attributes"]["VisibilityTimeout"], "300");
    assert_eq!(kinds[3].tags(&env)["Project"], "FraudDetection");

    // It stays told, as what it is, until the settings say that it is theirs.
    let diff = through(&env, &proxy, &["diff", "--json", "--exit-code"])
        .exits(4)
        .json();
    let told = diff["changes"].as_array().expect("a list");
    assert_eq!(told.len(), refused.len(), "{diff:#}");
    for change in told {
        assert_eq!(change["fields"][0]["path"], "tags.AutoTag_Creator", "{change:#}");
        assert_eq!(change["fields"][0]["cause"], "drift", "{change:#}");
        assert_eq!(change["fields"].as_array().map(Vec::len), Some(1), "{change:#}");
    }
    env.settings(IGNORED);
    through(&env, &proxy, &["diff", "--exit-code"]).exits(0);
    through(&env, &proxy, &["up", "--yes"]).exits(0);
    through(&env, &proxy, &["down", "--yes"]).exits(0);
}

#[test]
fn a_log_group_that_lambda_made_is_taken_also_when_somebodys_tag_is_on_it() {
    let env = Environment::new();
    env.settings(IGNORED);
    let name = "/aws/lambda/transaction-processor-dev";
    let (key, value) = THEIRS;
    env.aws.call(
        "logs",
        "create_log_group",
        json!({"logGroupName": name, "tags": {key: value}}),
    );
    env.up();
    env.assert_settled();
}

#[test]
fn what_aws_would_refuse_as_a_tag_is_refused_before_it_is_asked() {
    let env = Environment::new();
    let nowhere = |settings: &str| {
        env.settings(settings);
        let mut command = env.command(&["up", "--yes"]);
        command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
        let output = command.output().expect("fraudctl starts");
        assert_eq!(output.status.code(), Some(1), "{settings}: {output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let of = |text: &str, says: &[&str]| {
        let told = nowhere(text);
        for part in ["settings.toml, environment dev"].iter().chain(says) {
            assert!(told.contains(part), "{text}: no {part:?} in {told}");
        }
    };
    of(
        "[tags]\nOwner = \"R&D (Fraud), EMEA\"\n",
        &["[tags]", "Owner", "'&'", "_ . : / = + - @"],
    );
    of(
        "[env.dev.tags]\n\"Cost Center \" = \"1\"\n",
        &["[env.dev.tags]", "Cost Center ", "blank"],
    );
    of("[tags]\nenvironment = \"x\"\n", &["environment", "Environment", "case"]);
    of("[tags]\n\"Aws:x\" = \"1\"\n", &["Aws:x", "`aws:`"]);
    of("[tags]\n\"FRAUDCTL:env\" = \"1\"\n", &["FRAUDCTL:env", "`fraudctl:`"]);
    of("ignore_tags = [\"*\"]\n", &["ignore_tags", "Environment"]);
    assert!(nowhere("[tags]\nOwner = 5\n").contains("line 2"));
}

#[test]
fn an_unusual_tag_that_the_settings_may_ask_for_stands_on_everything() {
    let env = Environment::new();
    env.settings("[tags]\n\"Größe = 1/2 @ + -_.:\" = \"\"\n\"日本\" = \"𠀀 R+D:x\"\nProject = \"Other\"\n");
    env.up();
    env.assert_settled();
    for kind in every_kind(&outputs(&env)) {
        let found = kind.tags(&env);
        assert_eq!(found["日本"], "𠀀 R+D:x", "{}", kind.address);
        assert_eq!(found["Größe = 1/2 @ + -_.:"], "", "{}", kind.address);
        assert_eq!(found["Project"], "Other", "{}", kind.address);
    }
    env.down();
}

/// Reads from the service models what each service that we tag in takes in a key and a value, and says which of these
/// characters, and which of these lengths, it would refuse.
const AGAINST_THE_MODELS: &str = r#"
import json, sys
import regex
from botocore.loaders import Loader
from botocore.model import ServiceModel

asked, refused, seen = json.load(sys.stdin), [], set()

def visit(service, operation, shape, path):
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            visit(service, operation, member, path + [name])
    elif shape.type_name == "list":
        visit(service, operation, shape.member, path)
    elif shape.type_name == "map":
        visit(service, operation, shape.key, path + ["Key"])
        visit(service, operation, shape.value, path + ["Value"])
    elif shape.type_name == "string" and path[-2:-1] and path[-2].lower() == "tags":
        what = "keys" if path[-1].lower().endswith("key") else "values"
        seen.add((service, what))
        raw = shape._shape_model
        pattern = raw.get("pattern")
        if pattern and not regex.fullmatch(pattern, asked[what]["characters"]):
            bad = [c for c in asked[what]["characters"] if not regex.fullmatch(pattern, c)]
            refused.append([service, operation, what, pattern, bad[:20]])
        if not raw.get("min", 0) <= asked[what]["shortest"] or not asked[what]["longest"] <= raw.get("max", 10**9):
            refused.append([service, operation, what, "length", raw])

for service, operations in asked["operations"].items():
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    model = ServiceModel(loader.load_service_model(service, "service-2"), service)
    for operation in operations:
        shape = model.operation_model(operation).input_shape
        visit(service, operation, shape, [])
print(json.dumps({"refused": refused, "seen": sorted(map(list, seen))}))
"#;

#[test]
fn the_rule_for_tags_is_as_strict_as_every_service_model() {
    let characters = |taken: &dyn Fn(&str) -> bool| -> String {
        // The planes that have characters with a meaning.
        let all = (0..0x4_0000_u32).chain(0xe_0000..0xe_0200).filter_map(char::from_u32);
        all.filter(|c| taken(&format!("a{c}a"))).collect()
    };
    let (keys, values) = (
        characters(&|text| refused_key(text).is_ok()),
        characters(&|text| refused_value(text).is_ok()),
    );
    for signs in ["_.:/=+-@ aZ0", "éß日٣"] {
        assert!(signs.chars().all(|c| keys.contains(c) && values.contains(c)), "{signs}");
    }
    let longest = |taken: &dyn Fn(&str) -> bool| (0..1000).rev().find(|length| taken(&"x".repeat(*length)));
    let shortest = |taken: &dyn Fn(&str) -> bool| (0..1000).find(|length| taken(&"x".repeat(*length)));
    let about = |characters: String, taken: &dyn Fn(&str) -> bool| json!({"characters": characters, "longest": longest(taken), "shortest": shortest(taken)});
    let asked = json!({
        "keys": about(keys, &|text| refused_key(text).is_ok()),
        "values": about(values, &|text| refused_value(text).is_ok()),
        "operations": {
            "apigateway": ["CreateRestApi", "CreateStage", "CreateApiKey", "CreateUsagePlan", "TagResource"],
            "cloudwatch": ["PutMetricAlarm", "TagResource"],
            "dynamodb": ["CreateTable", "TagResource"],
            "events": ["PutRule", "TagResource"],
            "iam": ["CreateRole", "TagRole", "CreatePolicy", "TagPolicy"],
            "kms": ["CreateKey", "TagResource"],
            "lambda": ["CreateFunction", "TagResource"],
            "logs": ["CreateLogGroup", "TagResource"],
            "sns": ["CreateTopic", "TagResource"],
            "sqs": ["CreateQueue", "TagQueue"],
            "ssm": ["PutParameter", "AddTagsToResource"],
        },
    });
    let mut script = Command::new(python())
        .args(["-I", "-c", AGAINST_THE_MODELS])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let mut input = script.stdin.take().expect("a pipe");
    input.write_all(asked.to_string().as_bytes()).expect("it reads");
    drop(input);
    let output = script.wait_with_output().expect("it ends");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("an answer");
    assert_eq!(answer["refused"], json!([]));
    // Eleven services, each with keys and values.
    assert_eq!(answer["seen"].as_array().map(Vec::len), Some(22), "{answer:#}");
}

#[test]
fn an_adoption_leaves_the_tags_of_others_where_they_are() {
    let env = Environment::new();
    env.settings(IGNORED);
    let theirs = json!({"QueueName": "lambda-dlq-dev", "tags": {THEIRS.0: THEIRS.1, "Stray": "1"}});
    let url = env.aws.call("sqs", "create_queue", theirs)["QueueUrl"].clone();
    let refused = env.run(&["up", "--yes"]).exits(1);
    assert!(refused.stderr.contains("--adopt messaging.lambda_dlq"), "{refused:#?}");
    env.run(&["up", "--yes", "--adopt", "messaging.lambda_dlq"]).exits(0);
    let found = env.aws.call("sqs", "list_queue_tags", json!({"QueueUrl": url}))["Tags"].clone();
    assert_eq!(
        (&found[THEIRS.0], &found["Stray"]),
        (&json!(THEIRS.1), &Value::Null),
        "{found:#}"
    );
    assert_eq!(found["fraudctl:address"], "messaging.lambda_dlq");
    env.assert_settled();
}

#[test]
fn without_the_setting_a_tag_of_others_is_drift_as_ever() {
    let (env, outputs) = deployed();
    let url = outputs.get("messaging.alerts_queue", "url");
    env.aws.call(
        "sqs",
        "tag_queue",
        json!({"QueueUrl": url, "Tags": {THEIRS.0: THEIRS.1}}),
    );
    env.run(&["diff", "--exit-code"]).exits(4);
    env.up();
    let found = env.aws.call("sqs", "list_queue_tags", json!({"QueueUrl": url}))["Tags"].clone();
    assert_eq!(found[THEIRS.0], Value::Null, "{found:#}");
}
