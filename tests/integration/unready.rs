//! What AWS has begun and not ended: made half, locked, filled, enabled, and not shown yet. And what it does not show to
//! everybody.

use crate::drift::changes;
use crate::support::read::outputs;
use crate::support::{Running, Span, Weather, wait_until};
use crate::weather::{Outside, is_empty};
use serde_json::{Value, json};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

const UP: &[&str] = &["up", "--yes", "--json"];
const DOWN: &[&str] = &["down", "--yes", "--json"];
const DIFF: &[&str] = &["diff", "--json", "--exit-code"];

fn calm() -> Weather {
    Weather::calm(1)
}

/// How often this operation was answered with this error.
fn refused(outside: &Outside, operation: &str, code: &str) -> usize {
    let records = outside.proxy.records();
    let refused = |of: &&crate::support::Record| of.call.operation == operation && of.code.as_deref() == Some(code);
    records.iter().filter(refused).count()
}

/// Starts `up`, and kills it as soon as AWS has done this, of which it does not hear.
#[track_caller]
fn dies_at(outside: &Outside, operation: &'static str) {
    let held = outside.proxy.hold(move |call| call.operation == operation);
    let running = Running::start(outside.command(UP));
    held.await_calls(1);
    running.signal("KILL");
    running.end().exits(-1);
}

#[test]
fn a_tag_may_be_renamed_and_another_changed_in_one_go() {
    let outside = Outside::unpaced(Weather {
        table_tags_locked: Some(Span::millis(1500, 3400)),
        ..calm()
    });
    outside.env.settings("[tags]\nTeam = \"risk\"\nOwner = \"a\"\n");
    outside.works(UP);
    outside.env.settings("[tags]\nGroup = \"risk\"\nOwner = \"b\"\n");
    let up = outside.works(UP);
    assert_eq!(up["summary"]["failed"], 0, "{up:#}");
    assert!(refused(&outside, "TagResource", "LimitExceededException") > 0);
    outside.works(DIFF);
    outside.works(DOWN);
    is_empty(&outside.env);
}

/// A second before a table is ready its tags seem to be none, and other things of it are refused.
#[test]
fn a_table_that_is_being_made_is_waited_for_and_known_for_ours() {
    let outside = Outside::unpaced(Weather {
        table_creating: Some(Span::seconds(25, 25)),
        table_tags_empty: Duration::from_secs(20),
        ..calm()
    });
    dies_at(&outside, "CreateTable");
    outside.proxy.forget();
    let through = outside.through();
    let tables = outside.env.aws.call("dynamodb", "list_tables", json!({}))["TableNames"].clone();
    let table = tables[0].as_str().expect("a table").to_owned();
    let arn = outside
        .env
        .aws
        .call("dynamodb", "describe_table", json!({"TableName": table}))["Table"]["TableArn"]
        .clone();
    wait_until(PATIENCE, "the empty tags", || {
        let tags = through.try_call("dynamodb", "list_tags_of_resource", json!({"ResourceArn": arn}));
        tags.ok().filter(|tags| tags["Tags"] == json!([]))
    });

    let diff = Running::start(outside.command(&["diff", "--json"])).end_within(PATIENCE);
    let diff = diff.exits(0);
    let document = diff.json();
    for (address, action, fields) in changes(&document) {
        let tags = fields.iter().any(|field| field.starts_with("tags"));
        assert!(
            !(action == "adopt" && tags),
            "{address}: {fields:?}, though the tags are ours"
        );
    }
    outside.proxy.set_weather(calm());
    outside.works(UP);
    outside.works(DIFF);
    outside.works(DOWN);
    is_empty(&outside.env);
}

#[test]
fn a_key_that_is_being_made_is_waited_for() {
    let outside = Outside::unpaced(Weather {
        key_creating: Some(Span::seconds(12, 12)),
        ..calm()
    });
    dies_at(&outside, "CreateKey");
    let up = outside.works(UP);
    assert_eq!(up["summary"]["failed"], 0, "{up:#}");
    assert_eq!(refused(&outside, "EnableKeyRotation", "KMSInvalidStateException"), 0);
    outside.works(DIFF);
}

#[test]
fn a_key_that_was_disabled_and_does_not_rotate_is_mended_in_one_go() {
    let outside = Outside::unpaced(calm());
    outside.works(UP);
    let key = json!({"KeyId": outputs(&outside.env).id("security.key")});
    outside.env.aws.call("kms", "disable_key_rotation", key.clone());
    outside.env.aws.call("kms", "disable_key", key.clone());
    outside.proxy.set_weather(Weather {
        key_enabling: Some(Span::seconds(4, 4)),
        // In it the first that is asked has not heard of it.
        ..Weather::calm(2)
    });
    let up = outside.works(UP);
    assert_eq!(up["summary"]["updated"], 1, "{up:#}");
    assert!(refused(&outside, "EnableKeyRotation", "DisabledException") > 0);
    let rotation = outside.env.aws.call("kms", "get_key_rotation_status", key);
    assert_eq!(rotation["KeyRotationEnabled"], true);
}

#[test]
fn a_topic_waits_for_the_role_that_logs_its_deliveries_however_sns_says_so() {
    let outside = Outside::unpaced(Weather {
        role_unknown_to_sns: Some(Span::seconds(8, 8)),
        ..calm()
    });
    let up = outside.works(UP);
    assert_eq!(up["summary"]["failed"], 0, "{up:#}");
    assert!(refused(&outside, "SetTopicAttributes", "InvalidParameter") > 1);
}

/// Filling one takes AWS a quarter of an hour.
#[test]
fn a_table_goes_when_its_index_is_filled_and_nobody_waits_in_silence() {
    let outside = Outside::unpaced(calm());
    outside.works(UP);
    outside.proxy.set_weather(Weather {
        index_filling: Some(Span::seconds(30, 30)),
        ..calm()
    });
    let tables = outside.env.aws.call("dynamodb", "list_tables", json!({}))["TableNames"].clone();
    let table = tables[0].as_str().expect("a table").to_owned();
    let index = json!({
        "TableName": table,
        "AttributeDefinitions": [{"AttributeName": "theirs", "AttributeType": "S"}],
        "GlobalSecondaryIndexUpdates": [{"Create": {
            "IndexName": "theirs", "KeySchema": [{"AttributeName": "theirs", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"}}}],
    });
    outside.through().call("dynamodb", "update_table", index);
    let down = outside.run(DOWN).exits(0);
    let told = format!("note: waiting for the table {table} to be ready: its index theirs is CREATING");
    assert!(down.stderr.contains(&told), "{}", down.stderr);
    assert_eq!(refused(&outside, "DeleteTable", "ResourceInUseException"), 0);
    is_empty(&outside.env);
}

/// Sets by hand, in everything that AWS shows late, what nobody asked for.
fn tamper(outside: &Outside) {
    let aws = &outside.env.aws;
    let of = outputs(&outside.env);
    aws.call("kms", "disable_key_rotation", json!({"KeyId": of.id("security.key")}));
    let group = of.get("functions.processor_log_group", "name");
    aws.call("logs", "delete_retention_policy", json!({"logGroupName": group}));
    let rule = of.get("functions.schedule", "name");
    let theirs = json!({"Name": rule, "ScheduleExpression": "rate(7 minutes)"});
    aws.call("events", "put_rule", theirs);
    let parameter = of.get("storage.fraud_threshold", "name");
    let theirs =
        json!({"Name": parameter, "Value": "0.1", "Type": "String", "Overwrite": true, "Description": "theirs"});
    aws.call("ssm", "put_parameter", theirs);
    let alarm = of.get("monitoring.alerts_pending", "name");
    let alarms = aws.call("cloudwatch", "describe_alarms", json!({"AlarmNames": [alarm]}));
    let mut theirs = alarms["MetricAlarms"][0].clone();
    let known = [
        "AlarmName",
        "AlarmDescription",
        "MetricName",
        "Namespace",
        "Statistic",
        "Dimensions",
        "Period",
        "EvaluationPeriods",
        "ComparisonOperator",
        "TreatMissingData",
        "AlarmActions",
        "ActionsEnabled",
    ];
    theirs
        .as_object_mut()
        .expect("an alarm")
        .retain(|field, _| known.contains(&field.as_str()));
    theirs["Threshold"] = json!(12345);
    aws.call("cloudwatch", "put_metric_alarm", theirs);
}

/// The old value that AWS shows right after a repair is not taken for its way of writing the new one: the same drift is
/// seen once more.
#[test]
fn what_is_shown_late_is_waited_for_and_hides_no_drift() {
    let outside = Outside::unpaced(calm());
    outside.works(UP);
    tamper(&outside);
    let drift = changes(&outside.run(DIFF).exits(4).json());
    assert_eq!(drift.len(), 5, "{drift:#?}");
    outside.proxy.set_weather(Weather {
        stale_attributes: Some(Span::seconds(2, 3)),
        ..calm()
    });
    let repaired = outside.run(UP).exits(0);
    assert!(
        !repaired.stderr.contains("AWS shows other values"),
        "{}",
        repaired.stderr
    );
    outside.proxy.set_weather(calm());
    outside.works(DIFF);
    tamper(&outside);
    assert_eq!(changes(&outside.run(DIFF).exits(4).json()), drift);
}

/// So it is after a creation: a key that does not rotate yet, a log group that keeps everything.
#[test]
fn what_is_shown_late_of_something_new_hides_no_drift() {
    let outside = Outside::unpaced(Weather {
        stale_attributes: Some(Span::seconds(2, 3)),
        ..calm()
    });
    let up = outside.run(UP).exits(0);
    assert!(!up.stderr.contains("AWS shows other values"), "{}", up.stderr);
    let state: Value = serde_json::from_str(&std::fs::read_to_string(outside.env.state_file()).expect("a state"))
        .expect("the state is JSON");
    let observed = |address: &str, field: &str| state["resources"][address]["observed"][field].clone();
    assert_eq!(observed("security.key", "rotation"), true);
    for group in ["functions.processor_log_group", "functions.analyzer_log_group"] {
        assert_eq!(
            observed(group, "retention_days"),
            state["resources"][group]["applied"]["retention_days"]
        );
    }
    outside.proxy.set_weather(calm());
    outside.works(DIFF);
}

#[test]
fn who_may_not_decrypt_sees_no_drift_and_is_told_once_what_is_not_compared() {
    let outside = Outside::unpaced(calm());
    outside.works(UP);
    let function = json!({"FunctionName": "transaction-processor-dev"});
    let variables = || {
        let configuration = outside
            .env
            .aws
            .call("lambda", "get_function_configuration", function.clone());
        configuration["Environment"]["Variables"].clone()
    };
    let before = variables();
    outside.proxy.set_weather(Weather {
        may_not_decrypt: true,
        ..calm()
    });
    let diff = outside.run(DIFF).exits(0);
    let told =
        "note: the environment of functions is not compared, since Lambda does not tell it: AccessDeniedException: ";
    assert_eq!(diff.stderr.matches(told).count(), 1, "{}", diff.stderr);
    let hint = "allow kms:Decrypt on arn:";
    assert!(diff.stderr.contains(hint), "{}", diff.stderr);

    // What is changed meanwhile touches no variable, and is remembered rightly.
    outside.env.settings("[processor]\nmemory_mb = 768\n");
    let up = outside.works(UP);
    assert_eq!(up["summary"]["updated"], 1, "{up:#}");
    assert_eq!(variables(), before);
    outside.works(DIFF);
    outside.proxy.set_weather(calm());
    outside.works(DIFF);

    // Who may, sees what was changed by hand; who may not, does not make it his own.
    let mut theirs = function.clone();
    theirs["Environment"] = json!({"Variables": {"THEIRS": "1"}});
    outside.env.aws.call("lambda", "update_function_configuration", theirs);
    outside.proxy.set_weather(Weather {
        may_not_decrypt: true,
        ..calm()
    });
    outside.works(DIFF);
    outside.works(UP);
    outside.proxy.set_weather(calm());
    let drift = changes(&outside.run(DIFF).exits(4).json());
    assert_eq!(drift.len(), 1, "{drift:#?}");
    assert!(
        drift[0].2.iter().all(|field| field.starts_with("environment")),
        "{drift:#?}"
    );
    outside.works(UP);
    assert_eq!(variables(), before);
}
