//! An integration: what answers a method. It lives in the method and goes with it.

use super::{alone, method};
use crate::aws::absent::gone;
use crate::aws::{Aws, Others};
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Target};
use aws_sdk_apigateway::types::{Integration as Found, IntegrationType};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// An integration's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// The REST API.
    pub rest_api_id: String,
    /// The id of the resource.
    pub resource_id: String,
    /// The method's verb.
    pub http_method: String,
    /// `AWS_PROXY` for a Lambda function.
    pub kind: String,
    /// The verb with which API Gateway calls; `POST` for a Lambda function.
    pub integration_http_method: String,
    /// What is called; a function's `invoke_arn`.
    pub uri: String,
    /// What somebody else set.
    #[serde(default)]
    pub others: Others,
}

/// Reconciles [`Spec`].
pub struct Integration(pub Arc<Aws>);

impl Reconciler for Integration {
    type Spec = Spec;
    const KIND: &'static str = "apigateway.integration";
    const OUTPUTS: &'static [&'static str] = &[];
    const IDENTITY: &'static [&'static str] = &["rest_api_id", "resource_id", "http_method"];
    const PARENTS: &'static [&'static str] = &["rest_api_id", "resource_id"];
    /// API Gateway answers a change with what it made of it, and reads by id that follow agree with it.
    const STALE_READS: bool = false;

    /// In its method.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let wanted = target.spec;
        let method = method(&self.0, &wanted.rest_api_id, &wanted.resource_id, &wanted.http_method).await?;
        let found = method.and_then(|method| method.method_integration);
        Ok(found.map(|found| Observed::new(spec(wanted, found), Outputs::new())))
    }

    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        self.put(spec).await?;
        Ok(Outputs::new())
    }

    async fn update(&self, _: &Observed<Spec>, spec: &Spec, _: &Changes) -> Result<(), Failure> {
        self.put(spec).await
    }

    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let spec = &live.spec;
        let _alone = alone(&self.0, &spec.rest_api_id).await;
        let deleted = self
            .0
            .call("apigateway:DeleteIntegration", || {
                self.0
                    .apigateway
                    .delete_integration()
                    .rest_api_id(&spec.rest_api_id)
                    .resource_id(&spec.resource_id)
                    .http_method(&spec.http_method)
                    .send()
            })
            .await;
        gone(deleted)
    }
}

impl Integration {
    /// Idempotent: it replaces what is there.
    async fn put(&self, spec: &Spec) -> Result<(), Failure> {
        let _alone = alone(&self.0, &spec.rest_api_id).await;
        self.0
            .call("apigateway:PutIntegration", || {
                self.0
                    .apigateway
                    .put_integration()
                    .rest_api_id(&spec.rest_api_id)
                    .resource_id(&spec.resource_id)
                    .http_method(&spec.http_method)
                    .r#type(IntegrationType::from(spec.kind.as_str()))
                    .integration_http_method(&spec.integration_http_method)
                    .uri(&spec.uri)
                    .send()
            })
            .await?;
        Ok(())
    }
}

fn spec(wanted: &Spec, found: Found) -> Spec {
    Spec {
        rest_api_id: wanted.rest_api_id.clone(),
        resource_id: wanted.resource_id.clone(),
        http_method: wanted.http_method.clone(),
        others: others(&found),
        kind: found.r#type.map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        integration_http_method: found.http_method.unwrap_or_default(),
        uri: found.uri.unwrap_or_default(),
    }
}

/// After how many milliseconds API Gateway gives up.
const USUAL_TIMEOUT: i32 = 29_000;

/// What changes a request on its way to the function, or ends it before. It goes when the integration is put as a whole.
fn others(found: &Found) -> Others {
    let timeout = Some(found.timeout_in_millis).filter(|timeout| *timeout != 0);
    let untrusted = found.tls_config.as_ref().map(|tls| tls.insecure_skip_verification);
    let handling = found.content_handling.as_ref().map(|handling| handling.as_str());
    let connection = found.connection_type.as_ref().map(|kind| kind.as_str());
    let transfer = found.response_transfer_mode.as_ref().map(|mode| mode.as_str());
    Others::of([
        ("connectionId", json!(found.connection_id), Value::Null),
        ("connectionType", json!(connection), json!("INTERNET")),
        ("contentHandling", json!(handling), Value::Null),
        ("credentials", json!(found.credentials), Value::Null),
        ("integrationTarget", json!(found.integration_target), Value::Null),
        (
            "passthroughBehavior",
            json!(found.passthrough_behavior),
            json!("WHEN_NO_MATCH"),
        ),
        ("requestParameters", json!(found.request_parameters), Value::Null),
        ("requestTemplates", json!(found.request_templates), Value::Null),
        ("responseTransferMode", json!(transfer), json!("BUFFERED")),
        ("timeoutInMillis", json!(timeout), json!(USUAL_TIMEOUT)),
        ("tlsConfig", json!(untrusted), json!(false)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_what_is_reported() {
        let wanted = Spec {
            rest_api_id: "api".into(),
            resource_id: "r".into(),
            http_method: "ANY".into(),
            kind: "AWS_PROXY".into(),
            integration_http_method: "POST".into(),
            uri: "unresolved".into(),
            others: Others::default(),
        };
        let found = Found::builder()
            .r#type(IntegrationType::Mock)
            .http_method("POST")
            .uri("arn")
            .build();
        let spec = spec(&wanted, found);
        assert_eq!(
            (spec.http_method.as_str(), spec.integration_http_method.as_str()),
            ("ANY", "POST")
        );
        assert_eq!((spec.kind.as_str(), spec.uri.as_str()), ("MOCK", "arn"));
    }
}
