//! A REST API: what contains resources, methods, deployments and stages. Its name is not unique; its tags tell whose it
//! is.

use super::gateway_response::{self, GatewayResponses};
use super::{PAGE, alone, arn, non_empty, pages, patch, pointer, replace, resources, retag};
use crate::aws::absent::{gone, present};
use crate::aws::{Aws, Others, tags};
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Tags, Target};
use aws_sdk_apigateway::types::{
    ApiKeySourceType, EndpointConfiguration, EndpointType, Op, PatchOperation, RestApi as Found,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
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
    /// What may be asked of it: verb and path, `POST /transactions`. Each method is a resource of its own; here those that
    /// nobody asked for show.
    #[serde(default)]
    pub methods: BTreeSet<String>,
    /// What somebody else set.
    #[serde(default)]
    pub others: Others,
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
            return self.observed(found, target.spec).await.map(Some);
        }
        let all = self.list().await?;
        let found = all
            .iter()
            .find(|api| target.owns(&tags::ours(api.tags.clone().unwrap_or_default())));
        match found {
            Some(found) => self.observed(found.clone(), target.spec).await.map(Some),
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
        if changes.has("methods") {
            for method in live.spec.methods.difference(&spec.methods) {
                self.close(id, method).await?;
            }
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
                .set_api_key_source(api.api_key_source)
                .set_binary_media_types(api.binary_media_types)
                .set_minimum_compression_size(api.minimum_compression_size)
                .disable_execute_api_endpoint(api.disable_execute_api_endpoint)
                .set_policy(api.policy)
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

    /// Every method of the API, as verb and path, with the id of its resource.
    async fn methods(&self, id: &str) -> Result<Vec<(String, String, String)>, Failure> {
        let resources = resources(&self.0, id).await?;
        let methods = resources.iter().flat_map(|resource| {
            let verbs = resource.resource_methods.iter().flat_map(|methods| methods.keys());
            let (path, id) = (resource.path().unwrap_or_default(), resource.id().unwrap_or_default());
            verbs.map(move |verb| (format!("{verb} {path}"), id.to_owned(), verb.clone()))
        });
        Ok(methods.collect())
    }

    /// Takes a method away that nobody asked for. Gone already is success.
    async fn close(&self, id: &str, method: &str) -> Result<(), Failure> {
        let methods = self.methods(id).await?;
        let Some((_, resource, verb)) = methods.into_iter().find(|(name, ..)| name == method) else {
            return Ok(());
        };
        let deleted = self
            .0
            .call("apigateway:DeleteMethod", || {
                let delete = self.0.apigateway.delete_method().rest_api_id(id);
                delete.resource_id(&resource).http_method(&verb).send()
            })
            .await;
        gone(deleted)
    }

    async fn observed(&self, api: Found, wanted: &Spec) -> Result<Observed<Spec>, Failure> {
        let found = self.methods(api.id().unwrap_or_default()).await?;
        let found = found.into_iter().map(|(name, ..)| name);
        let others = others(&api);
        let types = api
            .endpoint_configuration
            .and_then(|endpoint| endpoint.types)
            .unwrap_or_default();
        let spec = Spec {
            name: api.name.unwrap_or_default(),
            description: api.description.unwrap_or_default(),
            endpoint_type: types.first().map_or("", EndpointType::as_str).to_owned(),
            gateway_responses: gateway_response::read(&self.0, api.id.as_deref().unwrap_or_default()).await?,
            methods: found.chain(wanted.methods.iter().cloned()).collect(),
            others,
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

const KEY_SOURCE: &str = "apiKeySource";
const BINARY: &str = "binaryMediaTypes";
const COMPRESSION: &str = "minimumCompressionSize";
const DISABLED: &str = "disableExecuteApiEndpoint";
const POLICY: &str = "policy";

/// What closes the API, or has it read a request in another way. The next deployment would put it in force.
fn others(api: &Found) -> Others {
    let key_source = api.api_key_source.as_ref().map(ApiKeySourceType::as_str);
    Others::of([
        (KEY_SOURCE, json!(key_source), json!(ApiKeySourceType::Header.as_str())),
        (BINARY, json!(api.binary_media_types), Value::Null),
        (COMPRESSION, json!(api.minimum_compression_size), Value::Null),
        (DISABLED, json!(api.disable_execute_api_endpoint), json!(false)),
        (POLICY, json!(api.policy), Value::Null),
    ])
}

fn usual(live: &Spec, name: &str) -> Vec<PatchOperation> {
    match name {
        KEY_SOURCE => vec![replace("/apiKeySource", ApiKeySourceType::Header.as_str())],
        BINARY => {
            let types = live.others.texts_in(BINARY);
            let paths = types.iter().map(|kind| format!("/{BINARY}/{}", pointer(kind)));
            paths.map(|path| patch(Op::Remove, path, None)).collect()
        }
        // No value is no compression; 0 would compress everything.
        COMPRESSION => vec![patch(Op::Replace, "/minimumCompressionSize", None)],
        DISABLED => vec![replace("/disableExecuteApiEndpoint", "false")],
        POLICY => vec![replace("/policy", "")],
        _ => Vec::new(),
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
    .chain(live.others.taken_back(changes).flat_map(|name| usual(live, name)))
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
            methods: BTreeSet::new(),
            others: Others::default(),
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

    #[test]
    fn what_somebody_set_is_taken_back_one_by_one() {
        let found = Found::builder()
            .api_key_source(ApiKeySourceType::Header)
            .binary_media_types("image/png")
            .minimum_compression_size(0)
            .policy("{}")
            .build();
        let live = Spec {
            name: "a".into(),
            description: String::new(),
            endpoint_type: "REGIONAL".into(),
            gateway_responses: GatewayResponses::new(),
            methods: BTreeSet::new(),
            others: others(&found),
            tags: Tags::new(),
        };
        let all = Changes::new([BINARY, COMPRESSION, POLICY].map(|name| format!("others.{name}")));
        assert_eq!(
            operations(&live, &live, &all),
            [
                patch(Op::Remove, "/binaryMediaTypes/image~1png", None),
                patch(Op::Replace, "/minimumCompressionSize", None),
                replace("/policy", ""),
            ]
        );
    }
}
