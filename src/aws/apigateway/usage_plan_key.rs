//! An API key's place in a usage plan. Replies carry the key's value, which is dropped with them.

use super::{PAGE, alone, pages};
use crate::aws::Aws;
use crate::aws::absent::gone;
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Target};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A key in a plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// The usage plan.
    pub usage_plan_id: String,
    /// The id of the API key.
    pub key_id: String,
}

/// Reconciles [`Spec`].
pub struct UsagePlanKey(pub Arc<Aws>);

impl Reconciler for UsagePlanKey {
    type Spec = Spec;
    const KIND: &'static str = "apigateway.usage_plan_key";
    const OUTPUTS: &'static [&'static str] = &[];
    const IDENTITY: &'static [&'static str] = &["usage_plan_id", "key_id"];
    const PARENTS: &'static [&'static str] = &["usage_plan_id", "key_id"];
    /// It is there or not; nothing of it can be old.
    const STALE_READS: bool = false;

    /// Among the plan's keys.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let keys = self.list(&target.spec.usage_plan_id).await?;
        let found = keys.contains(&target.spec.key_id);
        Ok(found.then(|| Observed::new(target.spec.clone(), Outputs::new())))
    }

    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let _alone = alone(&self.0, &spec.usage_plan_id).await;
        self.0
            .call("apigateway:CreateUsagePlanKey", || {
                self.0
                    .apigateway
                    .create_usage_plan_key()
                    .usage_plan_id(&spec.usage_plan_id)
                    .key_id(&spec.key_id)
                    .key_type("API_KEY")
                    .send()
            })
            .await?;
        Ok(Outputs::new())
    }

    /// Every field is part of the identity.
    async fn update(&self, _: &Observed<Spec>, _: &Spec, _: &Changes) -> Result<(), Failure> {
        Ok(())
    }

    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let spec = &live.spec;
        let _alone = alone(&self.0, &spec.usage_plan_id).await;
        let deleted = self
            .0
            .call("apigateway:DeleteUsagePlanKey", || {
                self.0
                    .apigateway
                    .delete_usage_plan_key()
                    .usage_plan_id(&spec.usage_plan_id)
                    .key_id(&spec.key_id)
                    .send()
            })
            .await;
        gone(deleted)
    }
}

impl UsagePlanKey {
    /// The ids of a plan's keys.
    async fn list(&self, plan: &str) -> Result<Arc<Vec<String>>, Failure> {
        let aws = &*self.0;
        aws.shared(format!("apigateway:usage_plan_keys:{plan}"), || {
            pages(move |position: Option<String>| async move {
                aws.call("apigateway:GetUsagePlanKeys", || {
                    aws.apigateway
                        .get_usage_plan_keys()
                        .usage_plan_id(plan)
                        .limit(PAGE)
                        .set_position(position.clone())
                        .send()
                })
                .await
                .map(|page| {
                    let ids = page.items.unwrap_or_default().into_iter().filter_map(|key| key.id);
                    (Some(ids.collect::<Vec<_>>()), page.position)
                })
            })
        })
        .await
    }
}
