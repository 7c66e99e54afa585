//! A REST API: what contains resources, methods, deployments and stages. Its name is not unique; its tags tell whose it
//! is.

use super::gateway_response::{self, GatewayResponses};
use super::{PAGE, alone, arn, non_empty, pages, replace, retag};
use crate::aws::absent::{gone, present};
use crate::aws::{Aws, tags};
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Tags, Target};
use aws_sdk_apigateway::types::{EndpointConfiguration, EndpointType, PatchOperation, RestApi as Found};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A REST API's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// As on the console; need not be unique.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// `REGIONAL`, `EDGE` or `PRIVATE`.
    pub endpoint_type: String,
    /// What API Gateway answers by itself, where it is not its own answer. States of before do not name them.
    #[serde(default)]
    pub gateway_responses: GatewayResponses,
    /// Tags.
    pub tags: Tags,
}

/// Reconciles [`Spec`].
pub struct RestApi(pub Arc<Aws>);

impl Reconciler for RestApi {
    type Spec = Spec;
    const KIND: &'static str = "apigateway.rest_api";
    const OUTPUTS: &'static [&'static str] = &["id", "root_resource_id", "execution_arn"];
    const IDENTITY: &'static [&'static str] = &[];
    const REPEATABLE: bool = true;
    const TAGGED: bool = true;
    /// API Gateway answers a change with what it made of it, and reads by id that follow agree with it.
    const STALE_READS: bool = false;

    /// By id, else by tags.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        if let Some(id) = target.output("id")
            && let Some(found) = self.read(id).await?
        {
            return Ok(Some(self.observed(found).await?));
        }
        let all = self.list().await?;
        let found = all
            .iter()
            .find(|api| target.owns(&tags::ours(api.tags.clone().unwrap_or_default())));
        match found {
            Some(found) => Ok(Some(self.observed(found.clone()).await?)),
            None => Ok(None),
        }
    }

    /// Not idempotent: after a lost reply, the tags tell whether it was made.
    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let endpoint = EndpointConfiguration::builder()
            .types(EndpointType::from(spec.endpoint_type.as_str()))
            .build();
        let created = self
            .0
            .call("apigateway:CreateRestApi", || {
                self.0
                    .apigateway
                    .create_rest_api()
                    .name(&spec.name)
                    .set_description(non_empty(&spec.description))
                    .endpoint_configuration(endpoint.clone())
                    .set_tags(Some(spec.tags.clone().into_iter().collect()))
                    .send()
            })
            .await?;
        let id = created.id.unwrap_or_default();
        let _alone = alone(&self.0, &id).await;
        gateway_response::write(&self.0, &id, &GatewayResponses::new(), &spec.gateway_responses).await?;
        Ok(self.outputs(id, created.root_resource_id.unwrap_or_default()))
    }

    async fn update(&self, live: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        let id = live.output("id");
        let _alone = alone(&self.0, id).await;
        let operations = operations(&live.spec, spec, changes);
        if !operations.is_empty() {
            self.0
                .call("apigateway:UpdateRestApi", || {
                    self.0
                        .apigateway
                        .update_rest_api()
                        .rest_api_id(id)
                        .set_patch_operations(Some(operations.clone()))
                        .send()
                })
                .await?;
        }
        if changes.has("gateway_responses") {
            gateway_response::write(&self.0, id, &live.spec.gateway_responses, &spec.gateway_responses).await?;
        }
        if changes.has("tags") {
            retag(
                &self.0,
                &arn(&self.0, &format!("/restapis/{id}")),
                &live.spec.tags,
                &spec.tags,
            )
            .await?;
        }
        Ok(())
    }

    /// Takes everything below it along.
    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let id = live.output("id");
        let _alone = alone(&self.0, id).await;
        let deleted = self
            .0
            .call("apigateway:DeleteRestApi", || {
                self.0.apigateway.delete_rest_api().rest_api_id(id).send()
            })
            .await;
        gone(deleted)
    }
}

impl RestApi {
    async fn read(&self, id: &str) -> Result<Option<Found>, Failure> {
        let found = self
            .0
            .call("apigateway:GetRestApi", || {
                self.0.apigateway.get_rest_api().rest_api_id(id).send()
            })
            .await;
        Ok(present(found)?.map(|api| {
            Found::builder()
                .set_id(api.id)
                .set_name(api.name)
                .set_description(api.description)
                .set_endpoint_configuration(api.endpoint_configuration)
                .set_root_resource_id(api.root_resource_id)
                .set_tags(api.tags)
                .build()
        }))
    }

    async fn list(&self) -> Result<Arc<Vec<Found>>, Failure> {
        let aws = &*self.0;
        aws.shared("apigateway:rest_apis", || {
            pages(move |position: Option<String>| async move {
                aws.call("apigateway:GetRestApis", || {
                    aws.apigateway
                        .get_rest_apis()
                        .limit(PAGE)
                        .set_position(position.clone())
                        .send()
                })
                .await
                .map(|page| (page.items, page.position))
            })
        })
        .await
    }

    async fn observed(&self, api: Found) -> Result<Observed<Spec>, Failure> {
        let types = api
            .endpoint_configuration
            .and_then(|endpoint| endpoint.types)
            .unwrap_or_default();
        let spec = Spec {
            name: api.name.unwrap_or_default(),
            description: api.description.unwrap_or_default(),
            endpoint_type: types.first().map_or("", EndpointType::as_str).to_owned(),
            gateway_responses: gateway_response::read(&self.0, api.id.as_deref().unwrap_or_default()).await?,
            tags: tags::ours(api.tags.unwrap_or_default()),
        };
        Ok(Observed::new(
            spec,
            self.outputs(api.id.unwrap_or_default(), api.root_resource_id.unwrap_or_default()),
        ))
    }

    fn outputs(&self, id: String, root_resource_id: String) -> Outputs {
        Outputs::from([
            ("execution_arn".to_owned(), self.0.arn("execute-api", &id)),
            ("id".to_owned(), id),
            ("root_resource_id".to_owned(), root_resource_id),
        ])
    }
}

fn operations(live: &Spec, spec: &Spec, changes: &Changes) -> Vec<PatchOperation> {
    // The endpoint's type is replaced by naming the one that it has.
    let endpoint = format!("/endpointConfiguration/types/{}", live.endpoint_type);
    [
        ("name", "/name", &spec.name),
        ("description", "/description", &spec.description),
        ("endpoint_type", endpoint.as_str(), &spec.endpoint_type),
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
    fn only_what_changed_is_patched() {
        let live = Spec {
            name: "a".into(),
            description: "d".into(),
            endpoint_type: "EDGE".into(),
            gateway_responses: GatewayResponses::new(),
            tags: Tags::new(),
        };
        let spec = Spec {
            name: "b".into(),
            endpoint_type: "REGIONAL".into(),
            ..live.clone()
        };
        let made = operations(
            &live,
            &spec,
            &Changes::new(["endpoint_type".to_owned(), "tags.x".to_owned()]),
        );
        assert_eq!(made, [replace("/endpointConfiguration/types/EDGE", "REGIONAL")]);
    }
}
