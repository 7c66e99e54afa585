//! What the local AWS answers can be read, whatever somebody has set by hand: text with signs of XML in it, and values that
//! API Gateway takes as text and keeps as something else. Held here since `--local` would be of no use otherwise.

use serde_json::{Value, json};

use crate::drift::deployed;
use crate::support::Environment;

/// Text that breaks XML, looks like XML, or looks escaped already.
const HOSTILE: &str = "R&D <b>\"x\"</b> 'y' </Value> &amp; ]]> \u{e9}\r\n";

#[test]
fn text_with_signs_of_xml_in_it_keeps_no_command_from_working() {
    let (env, outputs) = deployed();
    let aws = &env.aws;
    let (role, policy) = (
        "transaction-processor-role-dev",
        outputs.arn("functions.processor_policy"),
    );
    let (topic, url) = (
        outputs.arn("messaging.alerts"),
        outputs.get("messaging.alerts_queue", "url"),
    );
    let pair = json!([{"Key": "a&b<c", "Value": HOSTILE}]);
    aws.call("iam", "tag_role", json!({"RoleName": role, "Tags": pair}));
    aws.call("iam", "tag_policy", json!({"PolicyArn": policy, "Tags": pair}));
    aws.call("sns", "tag_resource", json!({"ResourceArn": topic, "Tags": pair}));
    aws.call("sqs", "tag_queue", json!({"QueueUrl": url, "Tags": {"a&b<c": HOSTILE}}));
    aws.call(
        "iam",
        "update_role_description",
        json!({"RoleName": role, "Description": HOSTILE}),
    );
    let alias = "alias/of&<others";
    let name = json!({"TopicArn": topic, "AttributeName": "DisplayName", "AttributeValue": HOSTILE});
    aws.call("sns", "set_topic_attributes", name);
    let document = json!({
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::a<&b"}]
    });
    let inline = json!({"RoleName": role, "PolicyName": "inline", "PolicyDocument": document.to_string()});
    aws.call("iam", "put_role_policy", inline);
    let alarm = json!({
        "AlarmName": alias,
        "AlarmDescription": HOSTILE,
        "Namespace": "N", "MetricName": "M&<", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1,
        "Threshold": 1, "ComparisonOperator": "LessThanThreshold",
        "Dimensions": [{"Name": "D&", "Value": HOSTILE}],
    });
    aws.call("cloudwatch", "put_metric_alarm", alarm);

    // Exactly as it was set, and told as drift.
    let found = aws.call("iam", "get_role", json!({"RoleName": role}))["Role"].clone();
    assert_eq!(found["Description"], HOSTILE);
    let tags = aws.call("sns", "list_tags_for_resource", json!({"ResourceArn": topic}))["Tags"].clone();
    let found = crate::support::read::tags(&tags, "Key", "Value");
    assert_eq!(found["a&b<c"], HOSTILE);
    let diff = env.diff().to_string();
    assert!(diff.contains("tags.a&b<c"), "{diff}");
    env.run(&["status"]).exits(0);
    env.up();
    env.assert_settled();
    // Errors are XML too.
    let missing = aws.try_call("iam", "get_role", json!({"RoleName": "x&<y"}));
    assert_eq!(missing.expect_err("there is none").code, "NoSuchEntity");
    env.down();
}

fn patched(env: &Environment, operation: &str, of: Value, operations: &[(&str, &str, Option<&str>)]) -> Value {
    let mut asked = of;
    asked["patchOperations"] = operations
        .iter()
        .map(|(op, path, value)| match value {
            Some(value) => json!({"op": op, "path": path, "value": value}),
            None => json!({"op": op, "path": path}),
        })
        .collect();
    env.aws.call("apigateway", operation, asked)
}

#[test]
fn what_is_patched_at_api_gateway_keeps_no_command_from_working() {
    let (env, outputs) = deployed();
    let (api, plan, key) = (
        outputs.id("api.rest_api"),
        outputs.id("api.usage_plan"),
        outputs.id("api.key"),
    );
    let readable = |what: &str| {
        let diff = env.run(&["diff", "--json"]);
        assert_eq!(diff.code, 0, "after {what}: {diff:#?}");
    };

    let found = patched(
        &env,
        "update_rest_api",
        json!({"restApiId": api}),
        &[
            ("add", "/binaryMediaTypes/image~1png", None),
            ("add", "/binaryMediaTypes/*~1*", None),
            ("replace", "/minimumCompressionSize", Some("1024")),
            ("replace", "/disableExecuteApiEndpoint", Some("true")),
        ],
    );
    assert_eq!(found["binaryMediaTypes"], json!(["image/png", "*/*"]));
    assert_eq!(
        (&found["minimumCompressionSize"], &found["disableExecuteApiEndpoint"]),
        (&json!(1024), &json!(true))
    );
    readable("an API's lists, numbers and truths");
    let found = patched(
        &env,
        "update_rest_api",
        json!({"restApiId": api}),
        &[
            ("replace", "/binaryMediaTypes/*~1*", Some("text/csv")),
            ("remove", "/binaryMediaTypes/image~1png", None),
            ("replace", "/minimumCompressionSize", None),
            ("replace", "/disableExecuteApiEndpoint", Some("false")),
        ],
    );
    assert_eq!(
        (&found["binaryMediaTypes"], &found["minimumCompressionSize"]),
        (&json!(["text/csv"]), &Value::Null)
    );

    let stage = format!("/apiStages/{api}:prod/throttle/~1transactions/POST/rateLimit");
    let found = patched(
        &env,
        "update_usage_plan",
        json!({"usagePlanId": plan}),
        &[
            ("add", "/throttle/rateLimit", Some("2.5")),
            ("add", "/throttle/burstLimit", Some("5")),
            ("add", &stage, Some("1")),
            ("replace", "/quota/offset", Some("0")),
        ],
    );
    assert_eq!(found["throttle"], json!({"rateLimit": 2.5, "burstLimit": 5}));
    assert_eq!(
        found["apiStages"][0]["throttle"],
        json!({"/transactions/POST": {"rateLimit": 1.0}})
    );
    readable("a usage plan's throttle");

    let found = patched(
        &env,
        "update_stage",
        json!({"restApiId": api, "stageName": "prod"}),
        &[
            ("replace", "/*/*/throttling/rateLimit", Some("0")),
            ("replace", "/*/*/throttling/burstLimit", Some("0")),
            ("replace", "/variables/a", Some("1")),
            ("replace", "/tracingEnabled", Some("false")),
        ],
    );
    assert_eq!(found["methodSettings"]["*/*"]["throttlingRateLimit"], 0.0);
    assert_eq!(
        (&found["variables"], &found["tracingEnabled"]),
        (&json!({"a": "1"}), &json!(false))
    );
    readable("a stage's settings");

    let resource = outputs.id("api.transactions");
    let at = json!({"restApiId": api, "resourceId": resource, "httpMethod": "POST"});
    let found = patched(
        &env,
        "update_method",
        at.clone(),
        &[
            ("add", "/requestParameters/method.request.querystring.a", Some("true")),
            ("add", "/requestModels/text~1plain", Some("Empty")),
            ("replace", "/apiKeyRequired", Some("false")),
        ],
    );
    assert_eq!(
        found["requestParameters"],
        json!({"method.request.querystring.a": true})
    );
    assert_eq!(
        (&found["requestModels"]["text/plain"], &found["apiKeyRequired"]),
        (&json!("Empty"), &json!(false))
    );
    let found = patched(
        &env,
        "update_integration",
        at,
        &[
            ("replace", "/timeoutInMillis", Some("1000")),
            ("add", "/cacheKeyParameters/method.request.querystring.a", None),
            ("add", "/requestTemplates/application~1json", Some("{}")),
        ],
    );
    assert_eq!(
        (&found["timeoutInMillis"], &found["cacheKeyParameters"]),
        (&json!(1000), &json!(["method.request.querystring.a"]))
    );
    readable("a method and an integration");

    patched(
        &env,
        "update_api_key",
        json!({"apiKey": key}),
        &[("replace", "/enabled", Some("false"))],
    );
    readable("an API key");

    // No number is taken that is none, and nothing of such a patch takes place.
    let mut wrong = json!({"usagePlanId": plan});
    wrong["patchOperations"] = json!([
        {"op": "replace", "path": "/name", "value": "other"},
        {"op": "replace", "path": "/throttle/burstLimit", "value": "many"},
    ]);
    let refused = env.aws.try_call("apigateway", "update_usage_plan", wrong);
    assert_eq!(refused.expect_err("it is no number").code, "BadRequestException");
    readable("a patch that was refused");
    env.up();
    env.down();
}
