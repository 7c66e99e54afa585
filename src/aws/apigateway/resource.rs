//! A resource: one part of a path. The root, `/`, comes with the REST API.

use super::{alone, resources};
use crate::aws::Aws;
use crate::aws::absent::gone;
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Target};
use aws_sdk_apigateway::types::Resource as Found;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A resource's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// The REST API.
    pub rest_api_id: String,
    /// The id of the resource above it.
    pub parent_id: String,
    /// The last part of its path, without a slash.
    pub path_part: String,
}

/// Reconciles [`Spec`].
pub struct Resource(pub Arc<Aws>);

impl Reconciler for Resource {
    type Spec = Spec;
    const KIND: &'static str = "apigateway.resource";
    const OUTPUTS: &'static [&'static str] = &["id"];
    const IDENTITY: &'static [&'static str] = &["rest_api_id", "parent_id", "path_part"];
    const PARENTS: &'static [&'static str] = &["rest_api_id", "parent_id"];
    /// It is there or not; nothing of it can be old.
    const STALE_READS: bool = false;

    /// By id, else by its place in the tree.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let all = resources(&self.0, &target.spec.rest_api_id).await?;
        let Some(found) = find(&all, target.output("id"), target.spec) else {
            return Ok(None);
        };
        let spec = Spec {
            rest_api_id: target.spec.rest_api_id.clone(),
            parent_id: found.parent_id().unwrap_or_default().to_owned(),
            path_part: found.path_part().unwrap_or_default().to_owned(),
        };
        Ok(Some(Observed::new(spec, outputs(found.id.clone()))))
    }

    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let _alone = alone(&self.0, &spec.rest_api_id).await;
        let created = self
            .0
            .call("apigateway:CreateResource", || {
                self.0
                    .apigateway
                    .create_resource()
                    .rest_api_id(&spec.rest_api_id)
                    .parent_id(&spec.parent_id)
                    .path_part(&spec.path_part)
                    .send()
            })
            .await?;
        Ok(outputs(created.id))
    }

    /// Every field is part of the identity.
    async fn update(&self, _: &Observed<Spec>, _: &Spec, _: &Changes) -> Result<(), Failure> {
        Ok(())
    }

    /// Takes its methods and the resources below it along.
    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let _alone = alone(&self.0, &live.spec.rest_api_id).await;
        let deleted = self
            .0
            .call("apigateway:DeleteResource", || {
                self.0
                    .apigateway
                    .delete_resource()
                    .rest_api_id(&live.spec.rest_api_id)
                    .resource_id(live.output("id"))
                    .send()
            })
            .await;
        gone(deleted)
    }
}

fn find<'a>(all: &'a [Found], id: Option<&str>, spec: &Spec) -> Option<&'a Found> {
    let by_id = id.and_then(|id| all.iter().find(|found| found.id() == Some(id)));
    by_id.or_else(|| {
        all.iter().find(|found| {
            found.parent_id() == Some(spec.parent_id.as_str()) && found.path_part() == Some(spec.path_part.as_str())
        })
    })
}

fn outputs(id: Option<String>) -> Outputs {
    Outputs::from([("id".to_owned(), id.unwrap_or_default())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remembered_id_wins_and_a_wrong_one_does_no_harm() {
        let all = [
            Found::builder().id("root").build(),
            Found::builder().id("one").parent_id("root").path_part("a").build(),
            Found::builder().id("two").parent_id("root").path_part("b").build(),
        ];
        let spec = Spec {
            rest_api_id: "api".into(),
            parent_id: "root".into(),
            path_part: "a".into(),
        };
        let id = |remembered| find(&all, remembered, &spec).and_then(Found::id);
        assert_eq!(id(Some("two")), Some("two"));
        assert_eq!(id(Some("gone")), Some("one"));
        assert_eq!(id(None), Some("one"));
    }
}
