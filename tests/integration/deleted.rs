//! What is deleted behind fraudctl's back comes back: one test for each kind.

use serde_json::{Value, json};

use super::drift::{changes, deployed, deployed_in};
use crate::support::Environment;
use crate::support::read::{Outputs, find, outputs, parsed};

/// A resource to be deleted.
struct Lost<'a> {
    /// Its address.
    address: &'a str,
    /// What else the plan does then: what went along, and what refers to the new one.
    along: &'a [(&'a str, &'a str)],
    /// Does the one with these outputs exist?
    exists: fn(&Environment, &Outputs) -> bool,
    /// Deletes the one with these outputs.
    delete: fn(&Environment, &Outputs),
}

/// Asserts that the resource comes back, that nothing else is touched but what must be, and that the system works.
#[track_caller]
fn comes_back(lost: &Lost) {
    let (env, before) = deployed_in(Environment::new().scoring());
    let names = names(&env);
    assert!(
        (lost.exists)(&env, &before),
        "{} is looked for in the wrong place",
        lost.address
    );
    (lost.delete)(&env, &before);
    assert!(!(lost.exists)(&env, &before), "{} is still there", lost.address);

    let diff = env.diff();
    let mut expected: Vec<(String, String)> = lost
        .along
        .iter()
        .map(|(address, action)| ((*address).to_owned(), (*action).to_owned()))
        .collect();
    expected.push((lost.address.to_owned(), "create".to_owned()));
    expected.sort();
    let planned: Vec<_> = changes(&diff)
        .into_iter()
        .map(|(address, action, _)| (address, action))
        .collect();
    assert_eq!(planned, expected, "{diff:#}");

    let up = env.up();
    let count = |wanted: &str| expected.iter().filter(|(_, action)| action == wanted).count();
    let done = ["created", "updated", "replaced", "failed"].map(|name| up["summary"][name].clone());
    assert_eq!(
        done,
        [count("create"), count("update"), count("replace"), 0].map(|n| json!(n)),
        "{up:#}"
    );
    assert!((lost.exists)(&env, &outputs(&env)), "{} is not back", lost.address);
    assert_eq!(self::names(&env), names);
    env.assert_settled();
    env.run(&["send"]).exits(0);
}

/// The inventory without the ids, which a new resource has anew.
fn names(env: &Environment) -> Vec<String> {
    let named = |line: &String| {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["kms", "key", _] => "kms key".to_owned(),
            ["sns", "subscription", _, endpoint] => format!("sns subscription {endpoint}"),
            [a @ ("rest" | "api" | "usage"), b @ ("api" | "key" | "plan"), _, name] => format!("{a} {b} {name}"),
            _ => line.clone(),
        }
    };
    let mut names: Vec<String> = env.aws.inventory().iter().map(named).collect();
    names.sort();
    names
}

/// What is asked of API Gateway about a part of the one REST API.
fn api(outputs: &Outputs, mut of: Value) -> Value {
    of["restApiId"] = json!(outputs.id("api.rest_api"));
    of
}

/// What is asked about the one method.
fn post(outputs: &Outputs) -> Value {
    api(
        outputs,
        json!({"resourceId": outputs.id("api.transactions"), "httpMethod": "POST"}),
    )
}

/// Everything that it encrypted is encrypted with the new one; but for tables, for which that would come too late.
#[test]
fn a_deleted_kms_key_comes_back() {
    comes_back(&Lost {
        address: "security.key",
        along: &[
            ("functions.analyzer", "update"),
            ("functions.analyzer_log_group", "update"),
            ("functions.analyzer_policy", "update"),
            ("functions.processor", "update"),
            ("functions.processor_log_group", "update"),
            ("functions.processor_policy", "update"),
            ("messaging.alerts", "update"),
            ("messaging.alerts_dlq", "update"),
            ("messaging.alerts_queue", "update"),
            ("messaging.delivery_failure_log", "update"),
            ("messaging.delivery_log", "update"),
            ("messaging.lambda_dlq", "update"),
            ("messaging.ops", "update"),
            ("security.alias", "update"),
            ("storage.idempotency", "create"),
            ("storage.profiles", "create"),
            ("storage.transactions", "create"),
        ],
        exists: |env, outputs| {
            let key = env
                .aws
                .call("kms", "describe_key", json!({"KeyId": outputs.id("security.key")}));
            key["KeyMetadata"]["KeyState"] == "Enabled"
        },
        delete: |env, outputs| {
            for table in ["idempotency-dev", "profiles-dev", "transactions-dev"] {
                env.aws.call("dynamodb", "delete_table", json!({"TableName": table}));
            }
            schedule_deletion(env, outputs);
        },
    });
}

fn schedule_deletion(env: &Environment, outputs: &Outputs) {
    let key = json!({"KeyId": outputs.id("security.key"), "PendingWindowInDays": 7});
    env.aws.call("kms", "schedule_key_deletion", key);
}

#[test]
fn a_key_that_awaits_its_deletion_is_not_replaced_while_tables_need_it() {
    let (env, outputs) = deployed();
    schedule_deletion(&env, &outputs);
    let keys = || {
        env.aws.call("kms", "list_keys", json!({}))["Keys"]
            .as_array()
            .map_or(0, Vec::len)
    };
    let before = keys();
    let id = outputs.id("security.key");
    let refused = env.run(&["up", "--yes"]).exits(1);
    for says in [
        format!("the key {id} of security.key awaits its deletion"),
        format!("aws kms cancel-key-deletion --key-id {id}"),
        "storage.idempotency, storage.profiles, storage.transactions".to_owned(),
        "nothing was changed".to_owned(),
    ] {
        assert!(refused.stderr.contains(&says), "does not say {says:?}: {refused:#?}");
    }
    assert_eq!(keys(), before, "a new key was made");
    env.aws.call("kms", "cancel_key_deletion", json!({"KeyId": id}));
    // Which leaves it disabled.
    let up = env.up();
    assert_eq!(up["summary"]["updated"], 1, "{up:#}");
    assert_eq!(self::outputs(&env).id("security.key"), id);
    env.assert_settled();
}

#[test]
fn a_deleted_kms_alias_comes_back() {
    comes_back(&Lost {
        address: "security.alias",
        along: &[],
        exists: |env, _| {
            let aliases = env.aws.call("kms", "list_aliases", json!({}));
            find(&aliases["Aliases"], "AliasName", "alias/fraud-detection-dev").is_some()
        },
        delete: |env, _| {
            env.aws
                .call("kms", "delete_alias", json!({"AliasName": "alias/fraud-detection-dev"}));
        },
    });
}

#[test]
fn a_deleted_table_comes_back() {
    comes_back(&Lost {
        address: "storage.transactions",
        along: &[],
        exists: |env, _| {
            let table = json!({"TableName": "transactions-dev"});
            env.aws.try_call("dynamodb", "describe_table", table).is_ok()
        },
        delete: |env, _| {
            env.aws
                .call("dynamodb", "delete_table", json!({"TableName": "transactions-dev"}));
        },
    });
}

#[test]
fn a_deleted_topic_comes_back_with_its_subscription() {
    comes_back(&Lost {
        address: "messaging.alerts",
        along: &[("messaging.alerts_subscription", "create")],
        exists: |env, outputs| {
            let topic = json!({"TopicArn": outputs.arn("messaging.alerts")});
            env.aws.try_call("sns", "get_topic_attributes", topic).is_ok()
        },
        delete: |env, outputs| {
            let topic = json!({"TopicArn": outputs.arn("messaging.alerts")});
            env.aws.call("sns", "delete_topic", topic);
        },
    });
}

#[test]
fn a_deleted_subscription_comes_back() {
    comes_back(&Lost {
        address: "messaging.alerts_subscription",
        along: &[],
        exists: |env, outputs| {
            let topic = json!({"TopicArn": outputs.arn("messaging.alerts")});
            let all = env.aws.call("sns", "list_subscriptions_by_topic", topic);
            find(
                &all["Subscriptions"],
                "Endpoint",
                &outputs.arn("messaging.alerts_queue"),
            )
            .is_some()
        },
        delete: |env, outputs| {
            let subscription = json!({"SubscriptionArn": outputs.arn("messaging.alerts_subscription")});
            env.aws.call("sns", "unsubscribe", subscription);
        },
    });
}

#[test]
fn a_deleted_queue_comes_back() {
    comes_back(&Lost {
        address: "messaging.alerts_queue",
        along: &[],
        exists: |env, _| {
            let queue = json!({"QueueName": "fraud-alerts-queue-dev"});
            env.aws.try_call("sqs", "get_queue_url", queue).is_ok()
        },
        delete: |env, outputs| {
            let queue = json!({"QueueUrl": outputs.get("messaging.alerts_queue", "url")});
            env.aws.call("sqs", "delete_queue", queue);
        },
    });
}

#[test]
fn a_deleted_role_comes_back_with_all_that_is_attached_to_it() {
    comes_back(&Lost {
        address: "functions.processor_role",
        along: &[
            ("functions.processor_logging", "create"),
            ("functions.processor_policy_attachment", "create"),
            ("functions.processor_tracing", "create"),
        ],
        exists: |env, _| {
            let role = json!({"RoleName": "transaction-processor-role-dev"});
            let attached = env.aws.try_call("iam", "list_attached_role_policies", role);
            attached.is_ok_and(|found| found["AttachedPolicies"].as_array().map(Vec::len) == Some(3))
        },
        delete: |env, _| {
            let role = json!({"RoleName": "transaction-processor-role-dev"});
            let attached = env.aws.call("iam", "list_attached_role_policies", role.clone());
            for policy in attached["AttachedPolicies"].as_array().expect("a list") {
                let mut attachment = role.clone();
                attachment["PolicyArn"] = policy["PolicyArn"].clone();
                env.aws.call("iam", "detach_role_policy", attachment);
            }
            env.aws.call("iam", "delete_role", role);
        },
    });
}

#[test]
fn a_deleted_policy_comes_back_and_is_attached() {
    comes_back(&Lost {
        address: "functions.processor_policy",
        along: &[("functions.processor_policy_attachment", "create")],
        exists: |env, outputs| {
            let attached = env.aws.call(
                "iam",
                "list_attached_role_policies",
                json!({"RoleName": "transaction-processor-role-dev"}),
            );
            let arn = outputs.arn("functions.processor_policy");
            let there = env.aws.try_call("iam", "get_policy", json!({"PolicyArn": arn})).is_ok();
            there && find(&attached["AttachedPolicies"], "PolicyArn", &arn).is_some()
        },
        delete: |env, outputs| {
            let arn = outputs.arn("functions.processor_policy");
            let attachment = json!({"RoleName": "transaction-processor-role-dev", "PolicyArn": arn});
            env.aws.call("iam", "detach_role_policy", attachment);
            env.aws.call("iam", "delete_policy", json!({"PolicyArn": arn}));
        },
    });
}

const BASIC: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

#[test]
fn a_deleted_attachment_comes_back() {
    comes_back(&Lost {
        address: "functions.processor_logging",
        along: &[],
        exists: |env, _| {
            let role = json!({"RoleName": "transaction-processor-role-dev"});
            let attached = env.aws.call("iam", "list_attached_role_policies", role);
            find(&attached["AttachedPolicies"], "PolicyArn", BASIC).is_some()
        },
        delete: |env, _| {
            let attachment = json!({"RoleName": "transaction-processor-role-dev", "PolicyArn": BASIC});
            env.aws.call("iam", "detach_role_policy", attachment);
        },
    });
}

#[test]
fn a_deleted_log_group_comes_back() {
    comes_back(&Lost {
        address: "functions.analyzer_log_group",
        along: &[],
        exists: |env, _| {
            let name = "/aws/lambda/pattern-analyzer-dev";
            let found = env
                .aws
                .call("logs", "describe_log_groups", json!({"logGroupNamePrefix": name}));
            find(&found["logGroups"], "logGroupName", name).is_some()
        },
        delete: |env, _| {
            let group = json!({"logGroupName": "/aws/lambda/pattern-analyzer-dev"});
            env.aws.call("logs", "delete_log_group", group);
        },
    });
}

#[test]
fn a_deleted_function_comes_back_with_its_permission() {
    comes_back(&Lost {
        address: "functions.processor",
        along: &[("api.permission", "create")],
        exists: |env, _| {
            let function = json!({"FunctionName": "transaction-processor-dev"});
            env.aws.try_call("lambda", "get_function", function).is_ok()
        },
        delete: |env, _| {
            env.aws.call(
                "lambda",
                "delete_function",
                json!({"FunctionName": "transaction-processor-dev"}),
            );
        },
    });
}

#[test]
fn a_deleted_permission_comes_back() {
    comes_back(&Lost {
        address: "functions.schedule_permission",
        along: &[],
        exists: |env, _| {
            let function = json!({"FunctionName": "pattern-analyzer-dev"});
            let policy = env.aws.try_call("lambda", "get_policy", function);
            policy.is_ok_and(|found| {
                find(
                    &parsed(&found["Policy"])["Statement"],
                    "Sid",
                    "AllowExecutionFromEventBridge",
                )
                .is_some()
            })
        },
        delete: |env, _| {
            let statement =
                json!({"FunctionName": "pattern-analyzer-dev", "StatementId": "AllowExecutionFromEventBridge"});
            env.aws.call("lambda", "remove_permission", statement);
        },
    });
}

fn take_target_off(env: &Environment) {
    let targets = json!({"Rule": "pattern-analysis-schedule-dev", "Ids": ["pattern-analyzer"]});
    env.aws.call("events", "remove_targets", targets);
}

#[test]
fn a_deleted_rule_comes_back_with_its_target() {
    comes_back(&Lost {
        address: "functions.schedule",
        along: &[("functions.schedule_target", "create")],
        exists: |env, _| {
            let rule = json!({"Name": "pattern-analysis-schedule-dev"});
            env.aws.try_call("events", "describe_rule", rule).is_ok()
        },
        delete: |env, _| {
            take_target_off(env);
            env.aws.call(
                "events",
                "delete_rule",
                json!({"Name": "pattern-analysis-schedule-dev"}),
            );
        },
    });
}

#[test]
fn a_deleted_target_comes_back() {
    comes_back(&Lost {
        address: "functions.schedule_target",
        along: &[],
        exists: |env, _| {
            let rule = json!({"Rule": "pattern-analysis-schedule-dev"});
            let found = env.aws.call("events", "list_targets_by_rule", rule);
            find(&found["Targets"], "Id", "pattern-analyzer").is_some()
        },
        delete: |env, _| take_target_off(env),
    });
}

#[test]
fn a_deleted_alarm_comes_back() {
    comes_back(&Lost {
        address: "monitoring.lambda_dlq",
        along: &[],
        exists: |env, _| {
            let asked = json!({"AlarmNames": ["lambda-dlq-depth-dev"]});
            let found = env.aws.call("cloudwatch", "describe_alarms", asked);
            find(&found["MetricAlarms"], "AlarmName", "lambda-dlq-depth-dev").is_some()
        },
        delete: |env, _| {
            env.aws.call(
                "cloudwatch",
                "delete_alarms",
                json!({"AlarmNames": ["lambda-dlq-depth-dev"]}),
            );
        },
    });
}

#[test]
fn a_deleted_parameter_comes_back() {
    comes_back(&Lost {
        address: "storage.fraud_threshold",
        along: &[],
        exists: |env, _| {
            let parameter = json!({"Name": "/fraud-detection/dev/fraud_threshold"});
            env.aws.try_call("ssm", "get_parameter", parameter).is_ok()
        },
        delete: |env, _| {
            env.aws.call(
                "ssm",
                "delete_parameter",
                json!({"Name": "/fraud-detection/dev/fraud_threshold"}),
            );
        },
    });
}

/// With the rules that are built in: those that were there are known to nobody but the analyst.
#[test]
fn a_deleted_parameter_whose_value_is_not_managed_comes_back_with_what_it_began_with() {
    comes_back(&Lost {
        address: "storage.rules",
        along: &[],
        exists: |env, _| {
            let parameter = json!({"Name": "/fraud-detection/dev/rules"});
            let found = env.aws.try_call("ssm", "get_parameter", parameter);
            found.is_ok_and(|found| found["Parameter"]["Value"] == fraud::Rules::builtin().to_json().as_str())
        },
        delete: |env, _| {
            let parameter = json!({"Name": "/fraud-detection/dev/rules"});
            env.aws.call("ssm", "delete_parameter", parameter);
        },
    });
}

#[test]
fn a_deleted_dashboard_comes_back() {
    comes_back(&Lost {
        address: "monitoring.dashboard",
        along: &[],
        exists: |env, _| {
            let dashboard = json!({"DashboardName": "fraud-detection-dev"});
            env.aws.try_call("cloudwatch", "get_dashboard", dashboard).is_ok()
        },
        delete: |env, _| {
            let dashboards = json!({"DashboardNames": ["fraud-detection-dev"]});
            env.aws.call("cloudwatch", "delete_dashboards", dashboards);
        },
    });
}

/// The stage is taken off the usage plan first, which is given that of the new API.
#[test]
fn a_deleted_rest_api_comes_back_with_all_that_was_in_it() {
    comes_back(&Lost {
        address: "api.rest_api",
        along: &[
            ("api.deployment", "create"),
            ("api.integration", "create"),
            ("api.model", "create"),
            ("api.permission", "replace"),
            ("api.post", "create"),
            ("api.stage", "create"),
            ("api.transactions", "create"),
            ("api.usage_plan", "update"),
            ("api.validator", "create"),
        ],
        exists: |env, outputs| {
            env.aws
                .try_call("apigateway", "get_rest_api", api(outputs, json!({})))
                .is_ok()
        },
        delete: |env, outputs| {
            let stage = format!("{}:prod", outputs.id("api.rest_api"));
            let detach = json!([{"op": "remove", "path": "/apiStages", "value": stage}]);
            let plan = json!({"usagePlanId": outputs.id("api.usage_plan"), "patchOperations": detach});
            env.aws.call("apigateway", "update_usage_plan", plan);
            env.aws.call("apigateway", "delete_rest_api", api(outputs, json!({})));
        },
    });
}

#[test]
fn a_deleted_request_validator_comes_back_and_the_method_uses_it() {
    comes_back(&Lost {
        address: "api.validator",
        along: &[
            ("api.deployment", "replace"),
            ("api.post", "update"),
            ("api.stage", "update"),
        ],
        exists: |env, outputs| {
            let validator = api(outputs, json!({"requestValidatorId": outputs.id("api.validator")}));
            env.aws
                .try_call("apigateway", "get_request_validator", validator)
                .is_ok()
        },
        delete: |env, outputs| {
            let validator = api(outputs, json!({"requestValidatorId": outputs.id("api.validator")}));
            env.aws.call("apigateway", "delete_request_validator", validator);
        },
    });
}

#[test]
fn a_deleted_model_comes_back() {
    comes_back(&Lost {
        address: "api.model",
        along: &[],
        exists: |env, outputs| {
            let model = api(outputs, json!({"modelName": "TransactionModel"}));
            env.aws.try_call("apigateway", "get_model", model).is_ok()
        },
        delete: |env, outputs| {
            let model = api(outputs, json!({"modelName": "TransactionModel"}));
            env.aws.call("apigateway", "delete_model", model);
        },
    });
}

#[test]
fn a_deleted_api_resource_comes_back_with_its_method() {
    comes_back(&Lost {
        address: "api.transactions",
        along: &[
            ("api.deployment", "replace"),
            ("api.integration", "create"),
            ("api.post", "create"),
            ("api.stage", "update"),
        ],
        exists: |env, outputs| {
            let resource = api(outputs, json!({"resourceId": outputs.id("api.transactions")}));
            env.aws.try_call("apigateway", "get_resource", resource).is_ok()
        },
        delete: |env, outputs| {
            let resource = api(outputs, json!({"resourceId": outputs.id("api.transactions")}));
            env.aws.call("apigateway", "delete_resource", resource);
        },
    });
}

#[test]
fn a_deleted_method_comes_back_with_its_integration() {
    comes_back(&Lost {
        address: "api.post",
        along: &[("api.integration", "create")],
        exists: |env, outputs| env.aws.try_call("apigateway", "get_method", post(outputs)).is_ok(),
        delete: |env, outputs| {
            env.aws.call("apigateway", "delete_method", post(outputs));
        },
    });
}

#[test]
fn a_deleted_integration_comes_back() {
    comes_back(&Lost {
        address: "api.integration",
        along: &[],
        exists: |env, outputs| env.aws.try_call("apigateway", "get_integration", post(outputs)).is_ok(),
        delete: |env, outputs| {
            env.aws.call("apigateway", "delete_integration", post(outputs));
        },
    });
}

/// A deployment that is served cannot be deleted: the stage goes first.
#[test]
fn a_deleted_deployment_comes_back_with_its_stage() {
    comes_back(&Lost {
        address: "api.deployment",
        along: &[("api.stage", "create")],
        exists: |env, outputs| {
            let deployment = api(outputs, json!({"deploymentId": outputs.id("api.deployment")}));
            env.aws.try_call("apigateway", "get_deployment", deployment).is_ok()
        },
        delete: |env, outputs| {
            env.aws
                .call("apigateway", "delete_stage", api(outputs, json!({"stageName": "prod"})));
            let deployment = api(outputs, json!({"deploymentId": outputs.id("api.deployment")}));
            env.aws.call("apigateway", "delete_deployment", deployment);
        },
    });
}

#[test]
fn a_deleted_stage_comes_back() {
    comes_back(&Lost {
        address: "api.stage",
        along: &[],
        exists: |env, outputs| {
            let stage = api(outputs, json!({"stageName": "prod"}));
            env.aws.try_call("apigateway", "get_stage", stage).is_ok()
        },
        delete: |env, outputs| {
            env.aws
                .call("apigateway", "delete_stage", api(outputs, json!({"stageName": "prod"})));
        },
    });
}

#[test]
fn a_deleted_api_key_comes_back_and_is_in_its_plan() {
    comes_back(&Lost {
        address: "api.key",
        along: &[("api.usage_plan_key", "replace")],
        exists: |env, outputs| {
            let key = json!({"apiKey": outputs.id("api.key")});
            env.aws.try_call("apigateway", "get_api_key", key).is_ok()
        },
        delete: |env, outputs| {
            env.aws
                .call("apigateway", "delete_api_key", json!({"apiKey": outputs.id("api.key")}));
        },
    });
}

#[test]
fn a_deleted_usage_plan_comes_back_with_its_key() {
    comes_back(&Lost {
        address: "api.usage_plan",
        along: &[("api.usage_plan_key", "create")],
        exists: |env, outputs| {
            let plan = json!({"usagePlanId": outputs.id("api.usage_plan")});
            env.aws.try_call("apigateway", "get_usage_plan", plan).is_ok()
        },
        delete: |env, outputs| {
            let plan = json!({"usagePlanId": outputs.id("api.usage_plan")});
            env.aws.call("apigateway", "delete_usage_plan", plan);
        },
    });
}

#[test]
fn a_deleted_usage_plan_key_comes_back() {
    comes_back(&Lost {
        address: "api.usage_plan_key",
        along: &[],
        exists: |env, outputs| {
            let plan = json!({"usagePlanId": outputs.id("api.usage_plan")});
            let keys = env.aws.call("apigateway", "get_usage_plan_keys", plan);
            find(&keys["items"], "id", &outputs.id("api.key")).is_some()
        },
        delete: |env, outputs| {
            let key = json!({"usagePlanId": outputs.id("api.usage_plan"), "keyId": outputs.id("api.key")});
            env.aws.call("apigateway", "delete_usage_plan_key", key);
        },
    });
}
