//! A request validator: what API Gateway checks of a request before it reaches the integration.

use super::{PAGE, alone, pages, replace};
use crate::aws::Aws;
use crate::aws::absent::gone;
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Target};
use aws_sdk_apigateway::types::{PatchOperation, RequestValidator};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A request validator's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// The REST API.
    pub rest_api_id: String,
    /// Its name within the REST API.
    pub name: String,
    /// Check the body against the method's model.
    pub validate_body: bool,
    /// Check that required parameters are there.
    pub validate_parameters: bool,
}

/// Reconciles [`Spec`].
pub struct Validator(pub Arc<Aws>);

impl Reconciler for Validator {
    type Spec = Spec;
    const KIND: &'static str = "apigateway.validator";
    const OUTPUTS: &'static [&'static str] = &["id"];
    const IDENTITY: &'static [&'static str] = &["rest_api_id", "name"];
    const PARENTS: &'static [&'static str] = &["rest_api_id"];
    // Names of validators need not be different.
    const DOUBLES: bool = true;
    /// API Gateway answers a change with what it made of it, and reads by id that follow agree with it.
    const STALE_READS: bool = false;

    /// By id, else by name.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let all = self.list(&target.spec.rest_api_id).await?;
        let by_id = target
            .output("id")
            .and_then(|id| all.iter().find(|found| found.id() == Some(id)));
        let name = target.spec.name.as_str();
        let Some(found) = by_id.or_else(|| all.iter().find(|found| found.name() == Some(name))) else {
            return Ok(None);
        };
        let spec = Spec {
            rest_api_id: target.spec.rest_api_id.clone(),
            name: found.name().unwrap_or_default().to_owned(),
            validate_body: found.validate_request_body,
            validate_parameters: found.validate_request_parameters,
        };
        Ok(Some(Observed::new(spec, outputs(found.id.clone()))))
    }

    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let _alone = alone(&self.0, &spec.rest_api_id).await;
        let created = self
            .0
            .call("apigateway:CreateRequestValidator", || {
                self.0
                    .apigateway
                    .create_request_validator()
                    .rest_api_id(&spec.rest_api_id)
                    .name(&spec.name)
                    .validate_request_body(spec.validate_body)
                    .validate_request_parameters(spec.validate_parameters)
                    .send()
            })
            .await?;
        Ok(outputs(created.id))
    }

    async fn update(&self, live: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        let operations = operations(spec, changes);
        if operations.is_empty() {
            return Ok(());
        }
        let _alone = alone(&self.0, &spec.rest_api_id).await;
        self.0
            .call("apigateway:UpdateRequestValidator", || {
                self.0
                    .apigateway
                    .update_request_validator()
                    .rest_api_id(&spec.rest_api_id)
                    .request_validator_id(live.output("id"))
                    .set_patch_operations(Some(operations.clone()))
                    .send()
            })
            .await?;
        Ok(())
    }

    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let _alone = alone(&self.0, &live.spec.rest_api_id).await;
        let deleted = self
            .0
            .call("apigateway:DeleteRequestValidator", || {
                self.0
                    .apigateway
                    .delete_request_validator()
                    .rest_api_id(&live.spec.rest_api_id)
                    .request_validator_id(live.output("id"))
                    .send()
            })
            .await;
        gone(deleted)
    }
}

impl Validator {
    async fn list(&self, api: &str) -> Result<Arc<Vec<RequestValidator>>, Failure> {
        let aws = &*self.0;
        aws.shared(format!("apigateway:validators:{api}"), || {
            pages(move |position: Option<String>| async move {
                aws.call("apigateway:GetRequestValidators", || {
                    aws.apigateway
                        .get_request_validators()
                        .rest_api_id(api)
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
}

fn outputs(id: Option<String>) -> Outputs {
    Outputs::from([("id".to_owned(), id.unwrap_or_default())])
}

fn operations(spec: &Spec, changes: &Changes) -> Vec<PatchOperation> {
    [
        ("validate_body", "/validateRequestBody", spec.validate_body),
        (
            "validate_parameters",
            "/validateRequestParameters",
            spec.validate_parameters,
        ),
    ]
    .into_iter()
    .filter(|(field, ..)| changes.has(field))
    .map(|(_, path, value)| replace(path, value.to_string()))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_says_true_and_false_as_text() {
        let spec = Spec {
            rest_api_id: "api".into(),
            name: "v".into(),
            validate_body: true,
            validate_parameters: false,
        };
        let both = Changes::new(["validate_body".to_owned(), "validate_parameters".to_owned()]);
        assert_eq!(
            operations(&spec, &both),
            [
                replace("/validateRequestBody", "true"),
                replace("/validateRequestParameters", "false")
            ]
        );
        assert!(operations(&spec, &Changes::default()).is_empty());
    }
}
