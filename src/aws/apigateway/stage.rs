//! A stage: the name under which a deployment is served.

use super::{alone, arn, replace, retag};
use crate::aws::absent::{gone, present};
use crate::aws::{Aws, tags};
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Tags, Target};
use aws_sdk_apigateway::types::PatchOperation;
use serde::{Deserialize, Serialize};
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
        let operations = operations(spec, changes);
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

fn operations(spec: &Spec, changes: &Changes) -> Vec<PatchOperation> {
    [
        ("deployment_id", "/deploymentId", spec.deployment_id.clone()),
        ("tracing", "/tracingEnabled", spec.tracing.to_string()),
    ]
    .into_iter()
    .filter(|(field, ..)| changes.has(field))
    .map(|(_, path, value)| replace(path, value))
    .collect()
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
            tags: Tags::new(),
        };
        let changes = Changes::new(["deployment_id".to_owned()]);
        assert_eq!(operations(&spec, &changes), [replace("/deploymentId", "d2")]);
    }
}
