//! What can stop, delay, lose, leak or weaken something is drift although fraudctl never sets it: each of these properties,
//! set by somebody else, is found and taken back.
//!
//! No emulator keeps these, so that they are tested with the kinds themselves: a log group's
//! protections and class, a table's days of recovery and the limits of its indexes, a stage's canary, a function's layers.
//! MiniStack keeps the numbers and truths of a REST API's and a usage plan's patches as text, so moto shows those.

use serde_json::{Value, json};

use super::drift::{deployed, deployed_in};
use crate::support::read::{Outputs, outputs, parsed, the};
use crate::support::{Emulator, Environment};

/// One thing that somebody does, and what has to be told of it.
pub struct Spoiled {
    address: &'static str,
    field: &'static str,
    /// Service, operation and parameters of the tampering.
    by: (&'static str, &'static str, Value),
    /// The same of a look, and where in the answer the property stands.
    seen: (&'static str, &'static str, Value, &'static str),
}

impl Spoiled {
    /// The property as it is now. Services write one that is not set in several ways.
    fn read(&self, env: &Environment) -> Value {
        let (service, operation, params, at) = &self.seen;
        let answer = env.aws.try_call(service, operation, params.clone());
        // Behind `#`: where in the document that the text is.
        let (at, inside) = at.split_once('#').unwrap_or((at, ""));
        let found = answer.ok().and_then(|answer| answer.pointer(at).cloned());
        let nothing = |value: &Value| {
            [
                json!({}),
                json!([]),
                json!(""),
                json!({"StreamEnabled": false}),
                json!(-1),
                json!("262144"),
            ]
            .contains(value)
        };
        let found = found.filter(|value| !nothing(value)).unwrap_or_default();
        // A document may come back with its fields in another order.
        let document = found.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let found = document.unwrap_or(found);
        found.pointer(inside).cloned().unwrap_or_default()
    }
}

/// Names each part.
pub fn spoiled(
    address: &'static str,
    field: &'static str,
    by: (&'static str, &'static str, Value),
    seen: (&'static str, &'static str, Value, &'static str),
) -> Spoiled {
    Spoiled {
        address,
        field,
        by,
        seen,
    }
}

/// Does it all, and asserts that a plan tells each, and nothing else, as drift, and that `up` takes each back.
#[track_caller]
pub fn told_and_taken_back(env: &Environment, all: &[Spoiled]) {
    let before: Vec<Value> = all.iter().map(|one| one.read(env)).collect();
    for one in all {
        let (service, operation, params) = &one.by;
        env.aws.call(service, operation, params.clone());
    }
    for (one, before) in all.iter().zip(&before) {
        assert_ne!(
            one.read(env),
            *before,
            "{} {}: the emulator forgets it",
            one.address,
            one.field
        );
    }

    env.run(&["diff", "--exit-code"]).exits(4);
    let diff = env.diff();
    let changes = diff["changes"].as_array().expect("a list");
    let mut told: Vec<(String, String)> = Vec::new();
    for change in changes {
        assert_eq!(change["action"], "update", "{change:#}");
        for field in change["fields"].as_array().expect("a list") {
            assert_eq!(field["cause"], "drift", "{change:#}");
            told.push((text(&change["address"]), text(&field["path"])));
        }
    }
    told.sort();
    let mut expected: Vec<_> = all
        .iter()
        .map(|one| (one.address.to_owned(), one.field.to_owned()))
        .collect();
    expected.sort();
    expected.dedup();
    assert_eq!(told, expected, "{diff:#}");

    let up = env.up();
    assert_eq!(up["summary"]["failed"], 0, "{up:#}");
    for (one, before) in all.iter().zip(&before) {
        assert_eq!(one.read(env), *before, "{} {}", one.address, one.field);
    }
    env.assert_settled();
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn patch(op: &str, path: &str, value: &str) -> Value {
    json!({"op": op, "path": path, "value": value})
}

#[test]
fn what_holds_alerts_back_is_taken_back() {
    let (env, outputs) = deployed_in(Environment::new().scoring());
    let url = outputs.get("messaging.alerts_queue", "url");
    let dead_letters = outputs.get("messaging.alerts_dlq", "url");
    let topic = outputs.arn("messaging.alerts");
    let queue = |url: &str, name: &str, value: &str| {
        let attributes = json!({"QueueUrl": url, "Attributes": {name: value}});
        ("sqs", "set_queue_attributes", attributes)
    };
    let in_queue = |url: &str, at: &'static str| {
        let asked = json!({"QueueUrl": url, "AttributeNames": ["All"]});
        ("sqs", "get_queue_attributes", asked, at)
    };
    let of_topic = |name: &str, value: &str| {
        let attribute = json!({"TopicArn": topic, "AttributeName": name, "AttributeValue": value});
        ("sns", "set_topic_attributes", attribute)
    };
    let in_topic = |at: &'static str| ("sns", "get_topic_attributes", json!({"TopicArn": topic}), at);
    let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": topic});
    let policy = json!({"Version": "2012-10-17", "Statement": [deny]}).to_string();
    let nobody = json!({"redrivePermission": "denyAll"}).to_string();
    let at = "messaging.alerts_queue";
    told_and_taken_back(
        &env,
        &[
            spoiled(
                at,
                "others.DelaySeconds",
                queue(&url, "DelaySeconds", "900"),
                in_queue(&url, "/Attributes/DelaySeconds"),
            ),
            spoiled(
                at,
                "others.MaximumMessageSize",
                queue(&url, "MaximumMessageSize", "1024"),
                in_queue(&url, "/Attributes/MaximumMessageSize"),
            ),
            spoiled(
                at,
                "others.ReceiveMessageWaitTimeSeconds",
                queue(&url, "ReceiveMessageWaitTimeSeconds", "20"),
                in_queue(&url, "/Attributes/ReceiveMessageWaitTimeSeconds"),
            ),
            spoiled(
                "messaging.alerts_dlq",
                "others.RedriveAllowPolicy",
                queue(&dead_letters, "RedriveAllowPolicy", &nobody),
                in_queue(&dead_letters, "/Attributes/RedriveAllowPolicy"),
            ),
            spoiled(
                "messaging.alerts",
                "others.Policy",
                of_topic("Policy", &policy),
                in_topic("/Attributes/Policy#/Statement/0/Effect"),
            ),
            spoiled(
                "messaging.alerts",
                "others.MaximumMessageSize",
                of_topic("MaximumMessageSize", "1024"),
                in_topic("/Attributes/MaximumMessageSize"),
            ),
        ],
    );
    // What the topic takes arrives again.
    env.run(&["send", "--amount", "15000", "--id", "after-the-silence"])
        .exits(0);
    let received = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 5});
    let received = env.aws.call("sqs", "receive_message", received);
    assert!(received.to_string().contains("after-the-silence"), "{received:#}");
}

#[test]
fn what_closes_the_api_or_opens_it_is_taken_back() {
    let (env, outputs) = deployed_in(Environment::new().scoring());
    let api = outputs.id("api.rest_api");
    let resource = outputs.id("api.transactions");
    let stage = |patches: Value| {
        let update = json!({"restApiId": api, "stageName": "prod", "patchOperations": patches});
        ("apigateway", "update_stage", update)
    };
    let in_stage = |at: &'static str| {
        (
            "apigateway",
            "get_stage",
            json!({"restApiId": api, "stageName": "prod"}),
            at,
        )
    };
    let change = |patches: Value| {
        (
            "apigateway",
            "update_rest_api",
            json!({"restApiId": api, "patchOperations": patches}),
        )
    };
    let in_api = |at: &'static str| ("apigateway", "get_rest_api", json!({"restApiId": api}), at);
    let method = |verb: &str| json!({"restApiId": api, "resourceId": resource, "httpMethod": verb});
    let mut open = method("PUT");
    open["authorizationType"] = json!("NONE");
    let integration = env.aws.call("apigateway", "get_integration", method("POST"));
    let mut impatient = method("POST");
    for (name, value) in [("type", &integration["type"]), ("uri", &integration["uri"])] {
        impatient[name] = value.clone();
    }
    impatient["integrationHttpMethod"] = json!("POST");
    impatient["timeoutInMillis"] = json!(50);
    impatient["contentHandling"] = json!("CONVERT_TO_BINARY");
    let in_integration = |at: &'static str| ("apigateway", "get_integration", method("POST"), at);
    let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"});
    let policy = json!({"Version": "2012-10-17", "Statement": [deny]}).to_string();
    told_and_taken_back(
        &env,
        &[
            spoiled(
                "api.stage",
                "others.methodSettings",
                stage(json!([
                    patch("replace", "/*/*/throttling/rateLimit", "0"),
                    patch("replace", "/*/*/throttling/burstLimit", "0"),
                    patch("replace", "/~1transactions/POST/logging/dataTrace", "true"),
                ])),
                in_stage("/methodSettings"),
            ),
            spoiled(
                "api.stage",
                "others.variables",
                stage(json!([patch("replace", "/variables/theirs", "x")])),
                in_stage("/variables"),
            ),
            spoiled(
                "api.stage",
                "others.accessLogSettings",
                stage(json!([patch(
                    "replace",
                    "/accessLogSettings/destinationArn",
                    "arn:aws:logs:us-east-1:1:log-group:x"
                )])),
                in_stage("/accessLogSettings"),
            ),
            spoiled(
                "api.stage",
                "others.cacheClusterEnabled",
                stage(json!([patch("replace", "/cacheClusterEnabled", "true")])),
                in_stage("/cacheClusterEnabled"),
            ),
            spoiled(
                "api.rest_api",
                "others.policy",
                change(json!([patch("replace", "/policy", &policy)])),
                in_api("/policy"),
            ),
            spoiled(
                "api.rest_api",
                "others.apiKeySource",
                change(json!([patch("replace", "/apiKeySource", "AUTHORIZER")])),
                in_api("/apiKeySource"),
            ),
            spoiled(
                "api.rest_api",
                "methods",
                ("apigateway", "put_method", open),
                ("apigateway", "get_method", method("PUT"), "/httpMethod"),
            ),
            spoiled(
                "api.integration",
                "others.timeoutInMillis",
                ("apigateway", "put_integration", impatient.clone()),
                in_integration("/timeoutInMillis"),
            ),
            spoiled(
                "api.integration",
                "others.contentHandling",
                ("apigateway", "put_integration", impatient),
                in_integration("/contentHandling"),
            ),
        ],
    );
    env.run(&["send", "--amount", "150.50"]).exits(0);

    // Who sends meanwhile is told where to look.
    let (service, operation, still) = stage(json!([
        patch("replace", "/*/*/throttling/rateLimit", "0"),
        patch("replace", "/*/*/throttling/burstLimit", "0"),
    ]));
    env.aws.call(service, operation, still);
    let refused = env.run(&["send", "--amount", "150.50"]).exits(1);
    assert!(refused.stdout.starts_with("429 "), "{refused:#?}");
    assert!(refused.stderr.contains("`fraudctl diff`"), "{refused:#?}");
}

/// Here and not with the others: MiniStack keeps a plan's throttle as text, which no client can read back, and no data
/// protection.
#[test]
fn a_throttle_of_the_usage_plan_and_a_topics_data_protection_are_taken_back() {
    let emulator = Emulator::moto();
    let env = Environment::in_account(&emulator, "123456789012").scoring();
    env.up();
    let outputs: Outputs = outputs(&env);
    let plan = json!({"usagePlanId": outputs.id("api.usage_plan")});
    let mut update = plan.clone();
    update["patchOperations"] = json!([
        patch("replace", "/throttle/rateLimit", "0"),
        patch("replace", "/throttle/burstLimit", "0"),
    ]);
    let throttle = spoiled(
        "api.usage_plan",
        "others.throttle",
        ("apigateway", "update_usage_plan", update),
        ("apigateway", "get_usage_plan", plan, "/throttle"),
    );
    let topic = json!({"ResourceArn": outputs.arn("messaging.alerts")});
    let mut refuse = topic.clone();
    refuse["DataProtectionPolicy"] = json!(r#"{"Name": "theirs", "Version": "2021-06-01", "Statement": []}"#);
    let protection = spoiled(
        "messaging.alerts",
        "others.DataProtectionPolicy",
        ("sns", "put_data_protection_policy", refuse),
        ("sns", "get_data_protection_policy", topic, "/DataProtectionPolicy"),
    );
    told_and_taken_back(&env, &[throttle, protection]);
}

/// An environment that was made before any of these properties was looked at.
#[test]
fn a_state_that_knows_nothing_of_these_properties_makes_no_change_and_hides_none() {
    let (env, outputs) = deployed();
    let file = env.state_file();
    let forget = || {
        let text = std::fs::read_to_string(&file).expect("there is a state");
        let mut state: Value = serde_json::from_str(&text).expect("the state is JSON");
        let records = state["resources"].as_object_mut().expect("records");
        for record in records.values_mut() {
            for half in ["applied", "observed"] {
                let Some(fields) = record[half].as_object_mut() else {
                    continue;
                };
                fields.retain(|name, _| {
                    !["others", "statements", "managed_policies", "methods", "class"].contains(&name.as_str())
                });
            }
        }
        state.as_object_mut().expect("an object").remove("checksum");
        std::fs::write(&file, state.to_string()).expect("the state is written");
    };
    forget();
    env.assert_settled();
    let up = env.up();
    assert_eq!(up["summary"]["unchanged"], 60, "{up:#}");
    forget();
    let url = outputs.get("messaging.alerts_queue", "url");
    let delay = json!({"QueueUrl": url, "Attributes": {"DelaySeconds": "900"}});
    env.aws.call("sqs", "set_queue_attributes", delay);
    let diff = env.diff();
    let field = &the(&diff["changes"], "address", "messaging.alerts_queue")["fields"][0];
    assert_eq!(
        *field,
        json!({"path": "others.DelaySeconds", "from": "900", "to": null, "cause": "drift"})
    );
}

/// The list of what is compared, and of what is passed over, leaves nothing out that AWS lets somebody set.
#[test]
fn every_property_that_aws_lets_somebody_set_is_decided() {
    let wrong = crate::support::script(&["tests/support/properties.py", "docs/system.md"]);
    assert_eq!(parsed(&json!(wrong)), json!([]), "docs/system.md, What is compared");
}
