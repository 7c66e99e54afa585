//! What somebody else may have set on a function, and how it is taken back.

use crate::aws::absent::{gone, if_known};
use crate::aws::{Aws, Others};
use crate::resource::Failure;
use aws_sdk_lambda::operation::update_function_configuration::builders::UpdateFunctionConfigurationFluentBuilder;
use aws_sdk_lambda::types::{
    EphemeralStorage, FunctionConfiguration, LogFormat, LoggingConfig, SnapStart, SnapStartApplyOn, VpcConfig,
};
use serde_json::{Value, json};

/// How often, for how long and with what outcome a function is invoked for an event that nobody waits for: what Lambda
/// keeps beside the function.
pub(super) const EVENT_INVOKE: &str = "EventInvokeConfig";
/// What Lambda makes of the disk, in MB.
const USUAL_STORAGE: i32 = 512;

pub(super) fn others(config: &FunctionConfiguration, invoked: Value) -> Others {
    let layers = config.layers().iter().filter_map(|layer| layer.arn());
    let mounts = config.file_system_configs().iter().map(|mount| &mount.arn);
    let vpc = config
        .vpc_config()
        .map(|vpc| json!({"SubnetIds": vpc.subnet_ids(), "SecurityGroupIds": vpc.security_group_ids()}));
    let storage = config.ephemeral_storage().map(|storage| storage.size);
    let snapshots = config
        .snap_start()
        .and_then(|snap| Some(snap.apply_on.as_ref()?.as_str()));
    let usual_group = log_group(config.function_name().unwrap_or_default());
    let logging = config.logging_config().map(|logging| {
        let format = logging
            .log_format()
            .map(LogFormat::as_str)
            .filter(|format| *format != "Text");
        let group = logging.log_group().filter(|group| *group != usual_group);
        json!({"LogFormat": format, "LogGroup": group})
    });
    Others::of([
        ("Layers", layers.collect(), Value::Null),
        ("FileSystemConfigs", json!(mounts.collect::<Vec<_>>()), Value::Null),
        ("VpcConfig", json!(vpc), Value::Null),
        ("EphemeralStorage", json!(storage), json!(USUAL_STORAGE)),
        ("SnapStart", json!(snapshots), json!("None")),
        ("LoggingConfig", json!(logging), Value::Null),
        (EVENT_INVOKE, invoked, Value::Null),
    ])
}

/// Adds to a change of the configuration that these are to be as Lambda makes them.
pub(super) fn take_back(
    request: UpdateFunctionConfigurationFluentBuilder,
    name: &str,
    others: &[&str],
) -> Result<UpdateFunctionConfigurationFluentBuilder, Failure> {
    let set = |one: &str| others.contains(&one);
    Ok(request
        .set_layers(set("Layers").then(Vec::new))
        .set_file_system_configs(set("FileSystemConfigs").then(Vec::new))
        .set_vpc_config(set("VpcConfig").then(no_vpc))
        .set_ephemeral_storage(set("EphemeralStorage").then(usual_storage).transpose()?)
        .set_snap_start(set("SnapStart").then(no_snapshots))
        .set_logging_config(set("LoggingConfig").then(|| usual_logging(name))))
}

/// How a function is invoked for events, where somebody set it.
pub(super) async fn invoked(aws: &Aws, name: &str) -> Result<Value, Failure> {
    let found = aws
        .call("lambda:GetFunctionEventInvokeConfig", || {
            aws.lambda.get_function_event_invoke_config().function_name(name).send()
        })
        .await;
    let Some(found) = if_known(found)? else {
        return Ok(Value::Null);
    };
    let destinations = found.destination_config.as_ref();
    Ok(json!({
        "MaximumRetryAttempts": found.maximum_retry_attempts,
        "MaximumEventAgeInSeconds": found.maximum_event_age_in_seconds,
        "OnSuccess": destinations.and_then(|to| to.on_success.as_ref()?.destination.clone()),
        "OnFailure": destinations.and_then(|to| to.on_failure.as_ref()?.destination.clone()),
    }))
}

/// Has a function invoked for events as Lambda does it by itself.
pub(super) async fn invoke_as_usual(aws: &Aws, name: &str) -> Result<(), Failure> {
    let deleted = aws
        .call("lambda:DeleteFunctionEventInvokeConfig", || {
            aws.lambda
                .delete_function_event_invoke_config()
                .function_name(name)
                .send()
        })
        .await;
    gone(deleted)
}

fn no_vpc() -> VpcConfig {
    let none = || Some(Vec::new());
    VpcConfig::builder()
        .set_subnet_ids(none())
        .set_security_group_ids(none())
        .build()
}

fn usual_storage() -> Result<EphemeralStorage, Failure> {
    let storage = EphemeralStorage::builder().size(USUAL_STORAGE).build();
    storage.map_err(|why| Failure::new("lambda:UpdateFunctionConfiguration", "InvalidStorage", why.to_string()))
}

fn no_snapshots() -> SnapStart {
    SnapStart::builder().apply_on(SnapStartApplyOn::None).build()
}

fn usual_logging(name: &str) -> LoggingConfig {
    LoggingConfig::builder()
        .log_format(LogFormat::Text)
        .log_group(log_group(name))
        .build()
}

/// Where a function logs unless somebody sets another place.
fn log_group(name: &str) -> String {
    format!("/aws/lambda/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lambda_makes_by_itself_is_usual_and_another_place_for_the_log_is_not() {
        let config = |group: &str| {
            FunctionConfiguration::builder()
                .function_name("f")
                .set_ephemeral_storage(usual_storage().ok())
                .vpc_config(aws_sdk_lambda::types::VpcConfigResponse::builder().vpc_id("").build())
                .logging_config(
                    LoggingConfig::builder()
                        .log_format(LogFormat::Text)
                        .log_group(group)
                        .build(),
                )
                .build()
        };
        assert_eq!(others(&config("/aws/lambda/f"), Value::Null), Others::default());
        let elsewhere = others(&config("/theirs"), json!({"MaximumRetryAttempts": 0}));
        let expected = json!({
            "EventInvokeConfig": {"MaximumRetryAttempts": 0},
            "LoggingConfig": {"LogFormat": null, "LogGroup": "/theirs"}
        });
        assert_eq!(json!(elsewhere), expected);
    }
}
