//! A method of a resource: who may call it and what is checked first.

use super::{alone, method, non_empty, patch, pointer, replace};
use crate::aws::absent::gone;
use crate::aws::{Aws, Others};
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Target};
use aws_sdk_apigateway::types::{Op, PatchOperation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A method's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// The REST API.
    pub rest_api_id: String,
    /// The id of the resource.
    pub resource_id: String,
    /// `POST`, or `ANY` for all.
    pub http_method: String,
    /// `NONE`, `AWS_IAM`, `CUSTOM` or `COGNITO_USER_POOLS`.
    pub authorization: String,
    /// Must a caller send an API key?
    pub api_key_required: bool,
    /// The id of the request validator; empty for none.
    pub request_validator_id: String,
    /// The model's name for each content type.
    pub request_models: BTreeMap<String, String>,
    /// What somebody else set.
    #[serde(default)]
    pub others: Others,
}

/// Who must let a caller pass, what he must send, and what he must have been granted: what refuses requests.
const AUTHORIZER: &str = "authorizerId";
const PARAMETERS: &str = "requestParameters";
const SCOPES: &str = "authorizationScopes";

/// Reconciles [`Spec`].
pub struct Method(pub Arc<Aws>);

impl Reconciler for Method {
    type Spec = Spec;
    const KIND: &'static str = "apigateway.method";
    const OUTPUTS: &'static [&'static str] = &[];
    const IDENTITY: &'static [&'static str] = &["rest_api_id", "resource_id", "http_method"];
    const PARENTS: &'static [&'static str] = &["rest_api_id", "resource_id"];
    /// API Gateway answers a change with what it made of it, and reads by id that follow agree with it.
    const STALE_READS: bool = false;

    /// By resource and verb.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let wanted = target.spec;
        let Some(found) = method(&self.0, &wanted.rest_api_id, &wanted.resource_id, &wanted.http_method).await? else {
            return Ok(None);
        };
        let spec = Spec {
            rest_api_id: wanted.rest_api_id.clone(),
            resource_id: wanted.resource_id.clone(),
            http_method: wanted.http_method.clone(),
            authorization: found.authorization_type.unwrap_or_default(),
            api_key_required: found.api_key_required.unwrap_or_default(),
            request_validator_id: found.request_validator_id.unwrap_or_default(),
            request_models: found.request_models.unwrap_or_default().into_iter().collect(),
            others: Others::of([
                (AUTHORIZER, json!(found.authorizer_id), Value::Null),
                (PARAMETERS, json!(found.request_parameters), Value::Null),
                (SCOPES, json!(found.authorization_scopes), Value::Null),
            ]),
        };
        Ok(Some(Observed::new(spec, Outputs::new())))
    }

    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let _alone = alone(&self.0, &spec.rest_api_id).await;
        self.0
            .call("apigateway:PutMethod", || {
                self.0
                    .apigateway
                    .put_method()
                    .rest_api_id(&spec.rest_api_id)
                    .resource_id(&spec.resource_id)
                    .http_method(&spec.http_method)
                    .authorization_type(&spec.authorization)
                    .api_key_required(spec.api_key_required)
                    .set_request_validator_id(non_empty(&spec.request_validator_id))
                    .set_request_models(Some(spec.request_models.clone().into_iter().collect()))
                    .send()
            })
            .await?;
        Ok(Outputs::new())
    }

    /// By patches: AWS refuses to put a method that exists.
    async fn update(&self, live: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        let operations = operations(&live.spec, spec, changes);
        if operations.is_empty() {
            return Ok(());
        }
        let _alone = alone(&self.0, &spec.rest_api_id).await;
        self.0
            .call("apigateway:UpdateMethod", || {
                self.0
                    .apigateway
                    .update_method()
                    .rest_api_id(&spec.rest_api_id)
                    .resource_id(&spec.resource_id)
                    .http_method(&spec.http_method)
                    .set_patch_operations(Some(operations.clone()))
                    .send()
            })
            .await?;
        Ok(())
    }

    /// Takes its integration along.
    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let spec = &live.spec;
        let _alone = alone(&self.0, &spec.rest_api_id).await;
        let deleted = self
            .0
            .call("apigateway:DeleteMethod", || {
                self.0
                    .apigateway
                    .delete_method()
                    .rest_api_id(&spec.rest_api_id)
                    .resource_id(&spec.resource_id)
                    .http_method(&spec.http_method)
                    .send()
            })
            .await;
        gone(deleted)
    }
}

fn operations(live: &Spec, spec: &Spec, changes: &Changes) -> Vec<PatchOperation> {
    let mut operations: Vec<_> = [
        ("authorization", "/authorizationType", spec.authorization.clone()),
        ("api_key_required", "/apiKeyRequired", spec.api_key_required.to_string()),
        (
            "request_validator_id",
            "/requestValidatorId",
            spec.request_validator_id.clone(),
        ),
    ]
    .into_iter()
    .filter(|(field, ..)| changes.has(field))
    .map(|(_, path, value)| replace(path, value))
    .collect();
    if live.others.takes_back(changes, PARAMETERS) {
        let parameters = live.others.names_in(PARAMETERS);
        let removed = parameters
            .iter()
            .map(|name| format!("/requestParameters/{}", pointer(name)));
        operations.extend(removed.map(|path| patch(Op::Remove, path, None)));
    }
    if live.others.takes_back(changes, SCOPES) {
        let scopes = live.others.texts_in(SCOPES).into_iter();
        operations.extend(scopes.map(|scope| patch(Op::Remove, "/authorizationScopes", Some(scope))));
    }
    // Last: a method whose authorization needs one keeps it.
    if live.others.takes_back(changes, AUTHORIZER) {
        operations.push(replace("/authorizerId", ""));
    }
    if changes.has("request_models") {
        for content_type in live
            .request_models
            .keys()
            .filter(|key| !spec.request_models.contains_key(*key))
        {
            operations.push(patch(Op::Remove, model_path(content_type), None));
        }
        for (content_type, model) in &spec.request_models {
            let op = match live.request_models.get(content_type) {
                Some(live) if live == model => continue,
                Some(_) => Op::Replace,
                None => Op::Add,
            };
            operations.push(patch(op, model_path(content_type), Some(model.clone())));
        }
    }
    operations
}

/// The path of a content type.
fn model_path(content_type: &str) -> String {
    format!("/requestModels/{}", pointer(content_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn models_are_added_replaced_and_removed_one_by_one() {
        let live = Spec {
            rest_api_id: "api".into(),
            resource_id: "r".into(),
            http_method: "POST".into(),
            authorization: "NONE".into(),
            api_key_required: false,
            request_validator_id: String::new(),
            request_models: models(&[
                ("application/json", "Old"),
                ("text/plain", "Gone"),
                ("text/xml", "Same"),
            ]),
            others: Others::default(),
        };
        let spec = Spec {
            api_key_required: true,
            request_models: models(&[("application/json", "New"), ("text/csv", "Fresh"), ("text/xml", "Same")]),
            ..live.clone()
        };
        let changes = Changes::new(["api_key_required".to_owned(), "request_models.text/csv".to_owned()]);
        assert_eq!(
            operations(&live, &spec, &changes),
            [
                replace("/apiKeyRequired", "true"),
                patch(Op::Remove, "/requestModels/text~1plain", None),
                replace("/requestModels/application~1json", "New"),
                patch(Op::Add, "/requestModels/text~1csv", Some("Fresh".into())),
            ]
        );
    }
}
