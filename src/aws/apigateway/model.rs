//! A model: the JSON schema that a request's body has to satisfy.

use super::{PAGE, alone, non_empty, pages, replace};
use crate::aws::Aws;
use crate::aws::absent::gone;
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Target};
use aws_sdk_apigateway::types::{Model as Found, PatchOperation};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;

/// A model's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// The REST API.
    pub rest_api_id: String,
    /// Its name within the REST API, letters and digits.
    pub name: String,
    /// What bodies it is for, `application/json`.
    pub content_type: String,
    /// What it is for.
    pub description: String,
    /// The schema, JSON schema draft 4.
    pub schema: Value,
}

/// Reconciles [`Spec`].
pub struct Model(pub Arc<Aws>);

impl Reconciler for Model {
    type Spec = Spec;
    const KIND: &'static str = "apigateway.model";
    const OUTPUTS: &'static [&'static str] = &["name"];
    const IDENTITY: &'static [&'static str] = &["rest_api_id", "name"];
    const IMMUTABLE: &'static [&'static str] = &["content_type"];
    const PARENTS: &'static [&'static str] = &["rest_api_id"];
    /// API Gateway answers a change with what it made of it, and reads by id that follow agree with it.
    const STALE_READS: bool = false;

    fn predict(&self, spec: &Spec) -> Outputs {
        Outputs::from([("name".to_owned(), spec.name.clone())])
    }

    /// By name.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let all = self.list(&target.spec.rest_api_id).await?;
        let name = target.spec.name.as_str();
        let Some(found) = all.iter().find(|found| found.name() == Some(name)) else {
            return Ok(None);
        };
        let spec = Spec {
            rest_api_id: target.spec.rest_api_id.clone(),
            name: name.to_owned(),
            content_type: found.content_type().unwrap_or_default().to_owned(),
            description: found.description().unwrap_or_default().to_owned(),
            schema: schema(found.schema().unwrap_or_default()),
        };
        let outputs = self.predict(&spec);
        Ok(Some(Observed::new(spec, outputs)))
    }

    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let _alone = alone(&self.0, &spec.rest_api_id).await;
        self.0
            .call("apigateway:CreateModel", || {
                self.0
                    .apigateway
                    .create_model()
                    .rest_api_id(&spec.rest_api_id)
                    .name(&spec.name)
                    .content_type(&spec.content_type)
                    .set_description(non_empty(&spec.description))
                    .schema(spec.schema.to_string())
                    .send()
            })
            .await?;
        Ok(self.predict(spec))
    }

    async fn update(&self, _: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        let operations = operations(spec, changes);
        if operations.is_empty() {
            return Ok(());
        }
        let _alone = alone(&self.0, &spec.rest_api_id).await;
        self.0
            .call("apigateway:UpdateModel", || {
                self.0
                    .apigateway
                    .update_model()
                    .rest_api_id(&spec.rest_api_id)
                    .model_name(&spec.name)
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
            .call("apigateway:DeleteModel", || {
                self.0
                    .apigateway
                    .delete_model()
                    .rest_api_id(&live.spec.rest_api_id)
                    .model_name(&live.spec.name)
                    .send()
            })
            .await;
        gone(deleted.map_err(still_used))
    }
}

impl Model {
    async fn list(&self, api: &str) -> Result<Arc<Vec<Found>>, Failure> {
        let aws = &*self.0;
        aws.shared(format!("apigateway:models:{api}"), || {
            pages(move |position: Option<String>| async move {
                aws.call("apigateway:GetModels", || {
                    aws.apigateway
                        .get_models()
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

/// AWS deletes no model that a method names, and so cannot replace one under the same name.
fn still_used(why: Failure) -> Failure {
    if why.message.contains("referenced in method") {
        why.hint("give the model another name along with its other content type: then the new one is made first")
    } else {
        why
    }
}

/// Text that is no JSON is kept as it is, so that a comparison shows it.
fn schema(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn operations(spec: &Spec, changes: &Changes) -> Vec<PatchOperation> {
    [
        ("description", "/description", spec.description.clone()),
        ("schema", "/schema", spec.schema.to_string()),
    ]
    .into_iter()
    .filter(|(field, ..)| changes.has(field))
    .map(|(_, path, value)| replace(path, value))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schema_reads_back_as_written() {
        let written = json!({"type": "object", "required": ["a"], "properties": {"a": {"minimum": 0.5}}});
        assert_eq!(schema(&written.to_string()), written);
        assert_eq!(schema("no json"), json!("no json"));
    }

    #[test]
    fn a_model_that_is_still_used_is_told_with_the_way_out() {
        let message = "Cannot delete model 'M', is referenced in method request: id/POST";
        let why = Failure::new("apigateway:DeleteModel", "ConflictException", message);
        assert!(still_used(why).to_string().contains("give the model another name"));
        let other = Failure::new("apigateway:DeleteModel", "ConflictException", "busy");
        assert!(!still_used(other).to_string().contains("another name"));
    }

    #[test]
    fn a_change_inside_the_schema_sends_the_whole_schema() {
        let spec = Spec {
            rest_api_id: "api".into(),
            name: "M".into(),
            content_type: "application/json".into(),
            description: String::new(),
            schema: json!({"type": "object"}),
        };
        let changes = Changes::new(["schema.type".to_owned()]);
        assert_eq!(
            operations(&spec, &changes),
            [replace("/schema", r#"{"type":"object"}"#)]
        );
    }
}
