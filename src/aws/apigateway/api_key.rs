//! An API key. Its value is a secret that stays in AWS: it is never asked for, and where a reply carries it all the
//! same, it is dropped with the reply.

use super::{PAGE, arn, non_empty, pages, replace, retag};
use crate::aws::absent::{gone, present};
use crate::aws::{Aws, tags};
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Tags, Target};
use aws_sdk_apigateway::types::PatchOperation;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// An API key's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// As on the console; need not be unique.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// May it be used?
    pub enabled: bool,
    /// Tags.
    pub tags: Tags,
}

/// Reconciles [`Spec`].
pub struct ApiKey(pub Arc<Aws>);

impl Reconciler for ApiKey {
    type Spec = Spec;
    const KIND: &'static str = "apigateway.api_key";
    const OUTPUTS: &'static [&'static str] = &["id"];
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
            return Ok(Some(found));
        }
        let all = self.list().await?;
        Ok(all.iter().find(|key| target.owns(&key.spec.tags)).cloned())
    }

    /// Not idempotent: after a lost reply, the tags tell whether it was made.
    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let created = self
            .0
            .call("apigateway:CreateApiKey", || {
                self.0
                    .apigateway
                    .create_api_key()
                    .name(&spec.name)
                    .set_description(non_empty(&spec.description))
                    .enabled(spec.enabled)
                    .set_tags(Some(spec.tags.clone().into_iter().collect()))
                    .send()
            })
            .await?;
        Ok(outputs(created.id))
    }

    async fn update(&self, live: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        let id = live.output("id");
        let operations = operations(spec, changes);
        if !operations.is_empty() {
            self.0
                .call("apigateway:UpdateApiKey", || {
                    self.0
                        .apigateway
                        .update_api_key()
                        .api_key(id)
                        .set_patch_operations(Some(operations.clone()))
                        .send()
                })
                .await?;
        }
        if changes.has("tags") {
            retag(
                &self.0,
                &arn(&self.0, &format!("/apikeys/{id}")),
                &live.spec.tags,
                &spec.tags,
            )
            .await?;
        }
        Ok(())
    }

    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let deleted = self
            .0
            .call("apigateway:DeleteApiKey", || {
                self.0.apigateway.delete_api_key().api_key(live.output("id")).send()
            })
            .await;
        gone(deleted)
    }
}

impl ApiKey {
    async fn read(&self, id: &str) -> Result<Option<Observed<Spec>>, Failure> {
        let found = self
            .0
            .call("apigateway:GetApiKey", || {
                self.0.apigateway.get_api_key().api_key(id).include_value(false).send()
            })
            .await;
        Ok(present(found)?.map(|key| observed(key.id, key.name, key.description, key.enabled, key.tags)))
    }

    async fn list(&self) -> Result<Arc<Vec<Observed<Spec>>>, Failure> {
        let aws = &*self.0;
        aws.shared("apigateway:api_keys", || {
            pages(move |position: Option<String>| async move {
                aws.call("apigateway:GetApiKeys", || {
                    aws.apigateway
                        .get_api_keys()
                        .include_values(false)
                        .limit(PAGE)
                        .set_position(position.clone())
                        .send()
                })
                .await
                .map(|page| {
                    let keys = page.items.unwrap_or_default().into_iter();
                    let keys = keys.map(|key| observed(key.id, key.name, key.description, key.enabled, key.tags));
                    (Some(keys.collect::<Vec<_>>()), page.position)
                })
            })
        })
        .await
    }
}

/// What is kept of a key: everything but its value.
fn observed(
    id: Option<String>,
    name: Option<String>,
    description: Option<String>,
    enabled: bool,
    found: Option<HashMap<String, String>>,
) -> Observed<Spec> {
    let spec = Spec {
        name: name.unwrap_or_default(),
        description: description.unwrap_or_default(),
        enabled,
        tags: tags::ours(found.unwrap_or_default()),
    };
    Observed::new(spec, outputs(id))
}

fn outputs(id: Option<String>) -> Outputs {
    Outputs::from([("id".to_owned(), id.unwrap_or_default())])
}

fn operations(spec: &Spec, changes: &Changes) -> Vec<PatchOperation> {
    [
        ("name", "/name", spec.name.clone()),
        ("description", "/description", spec.description.clone()),
        ("enabled", "/enabled", spec.enabled.to_string()),
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
    fn a_key_is_switched_off_by_one_patch() {
        let spec = Spec {
            name: "k".into(),
            description: String::new(),
            enabled: false,
            tags: Tags::new(),
        };
        let changes = Changes::new(["enabled".to_owned(), "tags".to_owned()]);
        assert_eq!(operations(&spec, &changes), [replace("/enabled", "false")]);
    }
}
