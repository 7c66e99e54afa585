//! A second emulator, written by others: what is true of both is not one emulator's habit. The control plane alone.

use crate::support::{Emulator, Environment};
use serde_json::json;

/// The one account that moto has.
const ACCOUNT: &str = "123456789012";

#[test]
fn up_diff_and_down_do_on_a_second_emulator_what_they_do_on_the_first() {
    let emulator = Emulator::moto();
    let env = Environment::in_account(&emulator, ACCOUNT);
    let before = env.aws.inventory();

    let up = env.up();
    assert_eq!(up["summary"]["failed"], 0, "{up:#}");
    assert_eq!(up["summary"]["created"], 60, "{up:#}");
    env.assert_settled();
    let again = env.up();
    assert_eq!(again["steps"], json!([]), "{again:#}");
    assert_eq!(again["summary"]["unchanged"], 60, "{again:#}");

    let down = env.down();
    assert_eq!(down["summary"]["failed"], 0, "{down:#}");
    assert_eq!(down["summary"]["deleted"], 60, "{down:#}");
    assert_eq!(env.aws.inventory(), before);

    let back = env.up();
    assert_eq!(back["summary"]["created"], 60, "{back:#}");
    env.assert_settled();
}

/// Here and not with the rest of the first table: MiniStack keeps the `Metrics` of an alarm only with the tests' help.
#[test]
fn the_error_alarms_watch_the_share_of_failed_invocations() {
    let emulator = Emulator::moto();
    let env = Environment::in_account(&emulator, ACCOUNT);
    env.up();
    for function in ["transaction-processor", "pattern-analyzer"] {
        let name = format!("{function}-errors-dev");
        let found = env
            .aws
            .call("cloudwatch", "describe_alarms", json!({"AlarmNames": [name]}));
        let alarm = &found["MetricAlarms"][0];
        assert_eq!(alarm["AlarmName"], name, "{found:#}");
        let metric = |id: &str, metric: &str| {
            json!({
                "Id": id,
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/Lambda",
                        "MetricName": metric,
                        "Dimensions": [{"Name": "FunctionName", "Value": format!("{function}-dev")}],
                    },
                    "Period": 300,
                    "Stat": "Sum",
                },
                "ReturnData": false,
            })
        };
        let rate = json!({
            "Id": "rate",
            "Expression": "100*errors/MAX([errors,invocations])",
            "Label": "Error rate (%)",
            "ReturnData": true,
        });
        let wanted = json!([metric("errors", "Errors"), metric("invocations", "Invocations"), rate]);
        assert_eq!(alarm["Metrics"], wanted, "{function}");
        assert_eq!(alarm["Threshold"].as_f64(), Some(1.0), "{function}: per cent");
        assert_eq!(alarm["ComparisonOperator"], "GreaterThanThreshold", "{function}");
        assert_eq!(alarm["EvaluationPeriods"], 1, "{function}");
        assert_eq!(alarm["TreatMissingData"], "notBreaching", "{function}");
    }
}
