//! A stage: the name under which a deployment is served.

use super::{alone, arn, patch, replace, retag};
use crate::aws::absent::{gone, present};
use crate::aws::{Aws, Others, tags};
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Tags, Target};
use aws_sdk_apigateway::operation::get_stage::GetStageOutput;
use aws_sdk_apigateway::types::{MethodSetting, Op, PatchOperation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A stage's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// The REST API.
    pub rest_api_id: String,
    /// The first part of its URLs' path.
    pub name: String,
    /// The deployment that it serves.
    pub deployment_id: String,
    /// Are requests traced with X-Ray?
    pub tracing: bool,
    /// What somebody else set.
    #[serde(default)]
    pub others: Others,
    /// Tags.
    pub tags: Tags,
}

/// Reconciles [`Spec`].
pub struct Stage(pub Arc<Aws>);

impl Reconciler for Stage {
    type Spec = Spec;
    const KIND: &'static str = "apigateway.stage";
    const OUTPUTS: &'static [&'static str] = &["name", "execution_arn"];
    const IDENTITY: &'static [&'static str] = &["rest_api_id", "name"];
    const PARENTS: &'static [&'static str] = &["rest_api_id"];
    /// API Gateway answers a change with what it made of it, and reads by id that follow agree with it.
    const STALE_READS: bool = false;

    fn predict(&self, spec: &Spec) -> Outputs {
        let path = format!("{}/{}", spec.rest_api_id, spec.name);
        Outputs::from([
            ("name".to_owned(), spec.name.clone()),
            ("execution_arn".to_owned(), self.0.arn("execute-api", &path)),
        ])
    }

    /// By name.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let wanted = target.spec;
        let found = self
            .0
            .call("apigateway:GetStage", || {
                self.0
                    .apigateway
                    .get_stage()
                    .rest_api_id(&wanted.rest_api_id)
                    .stage_name(&wanted.name)
                    .send()
            })
            .await;
        let Some(found) = present(found)? else { return Ok(None) };
        let spec = Spec {
            rest_api_id: wanted.rest_api_id.clone(),
            name: wanted.name.clone(),
            others: others(&found),
            deployment_id: found.deployment_id.unwrap_or_default(),
            tracing: found.tracing_enabled,
            tags: tags::ours(found.tags.unwrap_or_default()),
        };
        let outputs = self.predict(&spec);
        Ok(Some(Observed::new(spec, outputs)))
    }

    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let _alone = alone(&self.0, &spec.rest_api_id).await;
        self.0
            .call("apigateway:CreateStage", || {
                self.0
                    .apigateway
                    .create_stage()
                    .rest_api_id(&spec.rest_api_id)
                    .stage_name(&spec.name)
                    .deployment_id(&spec.deployment_id)
                    .tracing_enabled(spec.tracing)
                    .set_tags(Some(spec.tags.clone().into_iter().collect()))
                    .send()
            })
            .await?;
        Ok(self.predict(spec))
    }

    async fn update(&self, live: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        let _alone = alone(&self.0, &spec.rest_api_id).await;
        let operations = operations(&live.spec, spec, changes);
        if !operations.is_empty() {
            self.0
                .call("apigateway:UpdateStage", || {
                    self.0
                        .apigateway
                        .update_stage()
                        .rest_api_id(&spec.rest_api_id)
                        .stage_name(&spec.name)
                        .set_patch_operations(Some(operations.clone()))
                        .send()
                })
                .await?;
        }
        if changes.has("tags") {
            let arn = arn(&self.0, &format!("/restapis/{}/stages/{}", spec.rest_api_id, spec.name));
            retag(&self.0, &arn, &live.spec.tags, &spec.tags).await?;
        }
        Ok(())
    }

    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let spec = &live.spec;
        let _alone = alone(&self.0, &spec.rest_api_id).await;
        let deleted = self
            .0
            .call("apigateway:DeleteStage", || {
                self.0
                    .apigateway
                    .delete_stage()
                    .rest_api_id(&spec.rest_api_id)
                    .stage_name(&spec.name)
                    .send()
            })
            .await;
        gone(deleted)
    }
}

/// What holds requests back, sends them elsewhere, remembers answers, or writes down what is in them. Of variables only the
/// names are told.
fn others(found: &GetStageOutput) -> Others {
    let cached = found.cache_cluster_enabled;
    let log = found.access_log_settings.as_ref();
    let canary = found.canary_settings.as_ref().map(|canary| {
        let (deployment, percent) = (&canary.deployment_id, canary.percent_traffic);
        json!({"deploymentId": deployment, "percentTraffic": percent})
    });
    let methods = found.method_settings.iter().flatten();
    let methods: BTreeMap<_, _> = methods.map(|(path, set)| (path, settings(set))).collect();
    let variables = found.variables.iter().flatten();
    let variables: BTreeMap<_, _> = variables.map(|(name, _)| (name, "set")).collect();
    Others::of([
        (
            "accessLogSettings",
            json!(log.map(|log| json!({"destinationArn": log.destination_arn, "format": log.format}))),
            Value::Null,
        ),
        ("cacheClusterEnabled", json!(cached), json!(false)),
        ("canarySettings", json!(canary), Value::Null),
        ("clientCertificateId", json!(found.client_certificate_id), Value::Null),
        ("methodSettings", json!(methods), Value::Null),
        ("variables", json!(variables), Value::Null),
    ])
}

fn settings(set: &MethodSetting) -> Value {
    json!({
        "throttlingRateLimit": set.throttling_rate_limit,
        "throttlingBurstLimit": set.throttling_burst_limit,
        "loggingLevel": set.logging_level,
        "dataTraceEnabled": set.data_trace_enabled,
        "metricsEnabled": set.metrics_enabled,
        "cachingEnabled": set.caching_enabled,
        "cacheTtlInSeconds": set.cache_ttl_in_seconds,
        "cacheDataEncrypted": set.cache_data_encrypted,
    })
}

fn operations(live: &Spec, spec: &Spec, changes: &Changes) -> Vec<PatchOperation> {
    let others = live.others.taken_back(changes).flat_map(|name| match name {
        "cacheClusterEnabled" => vec![replace("/cacheClusterEnabled", "false")],
        "clientCertificateId" => vec![replace("/clientCertificateId", "")],
        "methodSettings" => {
            let methods = live.others.names_in(name);
            removed("", methods.iter().map(|method| method_path(method)).collect())
        }
        "variables" => removed("/variables", live.others.names_in(name)),
        _ => removed("", vec![name.to_owned()]),
    });
    let others: Vec<_> = others.collect();
    [
        ("deployment_id", "/deploymentId", spec.deployment_id.clone()),
        ("tracing", "/tracingEnabled", spec.tracing.to_string()),
    ]
    .into_iter()
    .filter(|(field, ..)| changes.has(field))
    .map(|(_, path, value)| replace(path, value))
    .chain(others)
    .collect()
}

/// The path of a method's settings by their name, `~1transactions/POST` or `*/*`: only the last slash is one.
fn method_path(name: &str) -> String {
    match name.rsplit_once('/') {
        Some((resource, verb)) => format!("{}/{verb}", resource.replace('/', "~1")),
        None => name.to_owned(),
    }
}

fn removed(at: &str, names: Vec<String>) -> Vec<PatchOperation> {
    let steps = names
        .into_iter()
        .map(|name| patch(Op::Remove, format!("{at}/{name}"), None));
    steps.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_deployment_is_one_patch() {
        let spec = Spec {
            rest_api_id: "api".into(),
            name: "prod".into(),
            deployment_id: "d2".into(),
            tracing: true,
            others: Others::default(),
            tags: Tags::new(),
        };
        let changes = Changes::new(["deployment_id".to_owned()]);
        assert_eq!(operations(&spec, &spec, &changes), [replace("/deploymentId", "d2")]);
    }

    #[test]
    fn what_somebody_set_is_taken_back_by_the_path_that_aws_gives_it() {
        let still = MethodSetting::builder().throttling_rate_limit(0.0).build();
        let found = GetStageOutput::builder()
            .method_settings("*/*", still.clone())
            .method_settings("~1transactions/POST", still)
            .variables("level", "secret")
            .cache_cluster_enabled(true)
            .build();
        let others = others(&found);
        assert!(!json!(others).to_string().contains("secret"));
        let live = Spec {
            rest_api_id: "api".into(),
            name: "prod".into(),
            deployment_id: "d".into(),
            tracing: true,
            others,
            tags: Tags::new(),
        };
        let changes = ["cacheClusterEnabled", "methodSettings", "variables"].map(|name| format!("others.{name}"));
        assert_eq!(
            operations(&live, &live, &Changes::new(changes)),
            [
                replace("/cacheClusterEnabled", "false"),
                patch(Op::Remove, "/*/*", None),
                patch(Op::Remove, "/~1transactions/POST", None),
                patch(Op::Remove, "/variables/level", None),
            ]
        );
    }
}
