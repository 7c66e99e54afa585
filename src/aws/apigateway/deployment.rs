//! A deployment: a snapshot of a REST API, which a stage serves. The description says of what state it is one.

use super::{PAGE, alone, pages};
use crate::aws::Aws;
use crate::aws::absent::gone;
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Target};
use aws_sdk_apigateway::types::Deployment as Found;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What stands before the fingerprint in a description.
const OURS: &str = "fraudctl ";

/// A deployment's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// The REST API.
    pub rest_api_id: String,
    /// Of what state of the REST API this is the snapshot: any text that differs when that differs.
    pub fingerprint: String,
}

/// Reconciles [`Spec`].
pub struct Deployment(pub Arc<Aws>);

impl Reconciler for Deployment {
    type Spec = Spec;
    const KIND: &'static str = "apigateway.deployment";
    const OUTPUTS: &'static [&'static str] = &["id"];
    const IDENTITY: &'static [&'static str] = &["rest_api_id", "fingerprint"];
    const PARENTS: &'static [&'static str] = &["rest_api_id"];
    const REPEATABLE: bool = true;
    /// It is there or not; nothing of it can be old.
    const STALE_READS: bool = false;

    /// By id, else by description.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let all = self.list(&target.spec.rest_api_id).await?;
        let Some(found) = find(&all, target.output("id"), &target.spec.fingerprint) else {
            return Ok(None);
        };
        let spec = Spec {
            rest_api_id: target.spec.rest_api_id.clone(),
            fingerprint: fingerprint(found.description().unwrap_or_default()).to_owned(),
        };
        Ok(Some(Observed::new(spec, outputs(found.id.clone()))))
    }

    /// Not idempotent: after a lost reply, the description tells whether it was made.
    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let _alone = alone(&self.0, &spec.rest_api_id).await;
        let created = self
            .0
            .call("apigateway:CreateDeployment", || {
                self.0
                    .apigateway
                    .create_deployment()
                    .rest_api_id(&spec.rest_api_id)
                    .description(format!("{OURS}{}", spec.fingerprint))
                    .send()
            })
            .await?;
        Ok(outputs(created.id))
    }

    /// Every field is part of the identity.
    async fn update(&self, _: &Observed<Spec>, _: &Spec, _: &Changes) -> Result<(), Failure> {
        Ok(())
    }

    /// Refused while a stage serves it.
    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let _alone = alone(&self.0, &live.spec.rest_api_id).await;
        let deleted = self
            .0
            .call("apigateway:DeleteDeployment", || {
                self.0
                    .apigateway
                    .delete_deployment()
                    .rest_api_id(&live.spec.rest_api_id)
                    .deployment_id(live.output("id"))
                    .send()
            })
            .await;
        gone(deleted).map_err(|why| {
            if why.message.contains("Active stages") {
                why.hint("point the stage at another deployment, or delete the stage, first")
            } else {
                why
            }
        })
    }
}

impl Deployment {
    async fn list(&self, api: &str) -> Result<Arc<Vec<Found>>, Failure> {
        let aws = &*self.0;
        aws.shared(format!("apigateway:deployments:{api}"), || {
            pages(move |position: Option<String>| async move {
                aws.call("apigateway:GetDeployments", || {
                    aws.apigateway
                        .get_deployments()
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

fn find<'a>(all: &'a [Found], id: Option<&str>, wanted: &str) -> Option<&'a Found> {
    let by_id = id.and_then(|id| all.iter().find(|found| found.id() == Some(id)));
    by_id.or_else(|| {
        all.iter()
            .find(|found| found.description().and_then(|text| text.strip_prefix(OURS)) == Some(wanted))
    })
}

/// A description that we did not write is shown as it is.
fn fingerprint(description: &str) -> &str {
    description.strip_prefix(OURS).unwrap_or(description)
}

fn outputs(id: Option<String>) -> Outputs {
    Outputs::from([("id".to_owned(), id.unwrap_or_default())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_is_found_by_id_or_by_what_its_description_says() {
        let all = [
            Found::builder().id("one").description("fraudctl aaa").build(),
            Found::builder().id("two").description("bbb").build(),
        ];
        let id = |remembered, wanted| find(&all, remembered, wanted).and_then(Found::id);
        assert_eq!(id(Some("two"), "aaa"), Some("two"));
        assert_eq!(id(Some("gone"), "aaa"), Some("one"));
        assert_eq!(id(None, "bbb"), None);
        assert_eq!(
            (fingerprint("fraudctl aaa"), fingerprint("by hand")),
            ("aaa", "by hand")
        );
    }
}
