//! What somebody else sets on functions, roles, tables, keys, alarms and parameters is found and taken back, also where
//! fraudctl never sets it.

use serde_json::{Value, json};

use super::drift::deployed;
use super::drift_stops::{spoiled, told_and_taken_back};
use crate::support::Environment;
use crate::support::read::the;

#[test]
fn what_changes_how_a_function_runs_and_what_it_may_is_taken_back() {
    let (env, outputs) = deployed();
    let name = "pattern-analyzer-dev";
    let function = |mut configuration: Value| {
        configuration["FunctionName"] = json!(name);
        ("lambda", "update_function_configuration", configuration)
    };
    let of_function = json!({"FunctionName": name});
    let in_function = |at: &'static str| ("lambda", "get_function_configuration", of_function.clone(), at);
    let role = "pattern-analyzer-role-dev";
    let deny = json!({"Effect": "Deny", "Action": "*", "Resource": "*"});
    let policy = json!({"Version": "2012-10-17", "Statement": [deny]}).to_string();
    let everything = "arn:aws:iam::aws:policy/AdministratorAccess";
    let stranger = json!({
        "FunctionName": name,
        "StatementId": "theirs",
        "Action": "lambda:InvokeFunction",
        "Principal": "*",
    });
    let attached = (
        "iam",
        "list_attached_role_policies",
        json!({"RoleName": role}),
        "/AttachedPolicies/3/PolicyArn",
    );
    let at = "functions.analyzer";
    told_and_taken_back(
        &env,
        &[
            spoiled(
                at,
                "others.EphemeralStorage",
                function(json!({"EphemeralStorage": {"Size": 1024}})),
                in_function("/EphemeralStorage/Size"),
            ),
            spoiled(
                at,
                "others.LoggingConfig",
                function(json!({"LoggingConfig": {"LogFormat": "Text", "LogGroup": "/theirs"}})),
                in_function("/LoggingConfig/LogGroup"),
            ),
            spoiled(
                at,
                "others.EventInvokeConfig",
                (
                    "lambda",
                    "put_function_event_invoke_config",
                    json!({"FunctionName": name, "MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}),
                ),
                (
                    "lambda",
                    "get_function_event_invoke_config",
                    of_function.clone(),
                    "/MaximumRetryAttempts",
                ),
            ),
            spoiled(
                at,
                "statements",
                ("lambda", "add_permission", stranger),
                ("lambda", "get_policy", of_function.clone(), "/Policy"),
            ),
            spoiled(
                "functions.analyzer_role",
                "others.InlinePolicies",
                (
                    "iam",
                    "put_role_policy",
                    json!({"RoleName": role, "PolicyName": "never", "PolicyDocument": policy}),
                ),
                ("iam", "list_role_policies", json!({"RoleName": role}), "/PolicyNames"),
            ),
            spoiled(
                "functions.analyzer_role",
                "managed_policies",
                (
                    "iam",
                    "attach_role_policy",
                    json!({"RoleName": role, "PolicyArn": everything}),
                ),
                attached,
            ),
            spoiled(
                "functions.schedule",
                "others.EventPattern",
                (
                    "events",
                    "put_rule",
                    json!({
                        "Name": "pattern-analysis-schedule-dev",
                        "ScheduleExpression": "rate(5 minutes)",
                        "Description": "Trigger pattern analysis every 5 minutes",
                        "EventPattern": r#"{"source": ["theirs"]}"#,
                    }),
                ),
                (
                    "events",
                    "describe_rule",
                    json!({"Name": "pattern-analysis-schedule-dev"}),
                    "/EventPattern",
                ),
            ),
            spoiled(
                "functions.schedule_target",
                "others.Input",
                ("events", "put_targets", target(&env)),
                (
                    "events",
                    "list_targets_by_rule",
                    json!({"Rule": "pattern-analysis-schedule-dev"}),
                    "/Targets/0/Input",
                ),
            ),
        ],
    );
    // What it is given for each event is not told: it may be a secret.
    env.aws.call("events", "put_targets", target(&env));
    let shown = env.run(&["diff"]).exits(0).stdout;
    assert!(shown.contains("others.Input") && !shown.contains("1970"), "{shown}");
    assert!(outputs.arn(at).ends_with(name));
}

/// The schedule's target as it is, with a constant in place of the event.
fn target(env: &Environment) -> Value {
    let rule = "pattern-analysis-schedule-dev";
    let found = env.aws.call("events", "list_targets_by_rule", json!({"Rule": rule}));
    let mut target = the(&found["Targets"], "Id", "pattern-analyzer");
    target["Input"] = json!(r#"{"time": "1970-01-01T00:00:00Z"}"#);
    json!({"Rule": rule, "Targets": [target]})
}

#[test]
fn what_is_set_on_tables_keys_alarms_and_parameters_is_taken_back() {
    let (env, outputs) = deployed();
    let (key, table) = (outputs.id("security.key"), outputs.arn("storage.transactions"));
    let change = |mut change: Value| {
        change["TableName"] = json!("transactions-dev");
        ("dynamodb", "update_table", change)
    };
    let in_table = |at: &'static str| {
        (
            "dynamodb",
            "describe_table",
            json!({"TableName": "transactions-dev"}),
            at,
        )
    };
    let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "dynamodb:*", "Resource": table});
    let policy = json!({"Version": "2012-10-17", "Statement": [deny]}).to_string();
    let alarm = json!({"AlarmNames": ["fraud-alerts-dlq-depth-dev"]});
    let mut deaf = env.aws.call("cloudwatch", "describe_alarms", alarm.clone())["MetricAlarms"][0].clone();
    let names = [
        "AlarmName",
        "AlarmDescription",
        "ActionsEnabled",
        "AlarmActions",
        "MetricName",
        "Namespace",
        "Statistic",
        "Dimensions",
        "Period",
        "EvaluationPeriods",
        "Threshold",
        "ComparisonOperator",
        "TreatMissingData",
    ];
    deaf.as_object_mut()
        .expect("an alarm")
        .retain(|name, _| names.contains(&name.as_str()));
    deaf["Unit"] = json!("Gigabits");
    deaf["OKActions"] = json!([outputs.arn("messaging.alerts")]);
    let in_alarm = |at: &'static str| ("cloudwatch", "describe_alarms", alarm.clone(), at);
    let parameter = "/fraud-detection/dev/rules";
    let value = env.aws.call("ssm", "get_parameter", json!({"Name": parameter}))["Parameter"]["Value"].clone();
    let narrow = json!({
        "Name": parameter,
        "Value": value,
        "Type": "String",
        "Description": "Fraud detection rules",
        "AllowedPattern": ".*builtin.*",
        "Overwrite": true,
    });
    let described = json!({"ParameterFilters": [{"Key": "Name", "Values": [parameter]}]});
    told_and_taken_back(
        &env,
        &[
            spoiled(
                "storage.transactions",
                "others.StreamSpecification",
                change(json!({"StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"}})),
                in_table("/Table/StreamSpecification"),
            ),
            spoiled(
                "storage.transactions",
                "others.OnDemandThroughput",
                change(json!({"OnDemandThroughput": {"MaxReadRequestUnits": 1, "MaxWriteRequestUnits": 1}})),
                in_table("/Table/OnDemandThroughput/MaxWriteRequestUnits"),
            ),
            spoiled(
                "storage.transactions",
                "others.ResourcePolicy",
                (
                    "dynamodb",
                    "put_resource_policy",
                    json!({"ResourceArn": table, "Policy": policy}),
                ),
                (
                    "dynamodb",
                    "get_resource_policy",
                    json!({"ResourceArn": table}),
                    "/Policy",
                ),
            ),
            spoiled(
                "security.key",
                "others.RotationPeriodInDays",
                (
                    "kms",
                    "enable_key_rotation",
                    json!({"KeyId": key, "RotationPeriodInDays": 2560}),
                ),
                (
                    "kms",
                    "get_key_rotation_status",
                    json!({"KeyId": key}),
                    "/RotationPeriodInDays",
                ),
            ),
            spoiled(
                "monitoring.alerts_dlq",
                "others.Unit",
                ("cloudwatch", "put_metric_alarm", deaf.clone()),
                in_alarm("/MetricAlarms/0/Unit"),
            ),
            spoiled(
                "monitoring.alerts_dlq",
                "others.OKActions",
                ("cloudwatch", "put_metric_alarm", deaf),
                in_alarm("/MetricAlarms/0/OKActions"),
            ),
            spoiled(
                "storage.rules",
                "others.AllowedPattern",
                ("ssm", "put_parameter", narrow),
                ("ssm", "describe_parameters", described, "/Parameters/0/AllowedPattern"),
            ),
        ],
    );
    let kept = env.aws.call("ssm", "get_parameter", json!({"Name": parameter}));
    assert_eq!(kept["Parameter"]["Value"], value, "the rules are their owner's");
}
