//! A usage plan: how much the keys in it may call the stages in it.

use super::{PAGE, alone, arn, non_empty, pages, patch, replace, retag};
use crate::aws::absent::{gone, present};
use crate::aws::wait::once_known;
use crate::aws::{Aws, Others, tags};
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Tags, Target};
use aws_sdk_apigateway::types::{
    ApiStage, Op, PatchOperation, QuotaPeriodType, QuotaSettings, ThrottleSettings, UsagePlan as Found,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A usage plan's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// As on the console; need not be unique.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Requests allowed for one key in one period.
    pub quota_limit: u32,
    /// `DAY`, `WEEK` or `MONTH`; empty for no quota.
    pub quota_period: String,
    /// The stages, each `{api_id}:{stage}`.
    pub stages: BTreeSet<String>,
    /// What somebody else set.
    #[serde(default)]
    pub others: Others,
    /// Tags.
    pub tags: Tags,
}

/// Reconciles [`Spec`].
pub struct UsagePlan(pub Arc<Aws>);

impl Reconciler for UsagePlan {
    type Spec = Spec;
    const KIND: &'static str = "apigateway.usage_plan";
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
            return Ok(Some(observed(found)));
        }
        let all = self.list().await?;
        let found = all
            .iter()
            .find(|plan| target.owns(&tags::ours(plan.tags.clone().unwrap_or_default())));
        Ok(found.cloned().map(observed))
    }

    /// Not idempotent: after a lost reply, the tags tell whether it was made. Waits until API Gateway knows the stages.
    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let created = once_known(&format!("the stages of usage plan {}", spec.name), || {
            self.0.call("apigateway:CreateUsagePlan", || {
                self.0
                    .apigateway
                    .create_usage_plan()
                    .name(&spec.name)
                    .set_description(non_empty(&spec.description))
                    .set_quota(quota(spec))
                    .set_api_stages(Some(spec.stages.iter().map(|stage| api_stage(stage)).collect()))
                    .set_tags(Some(spec.tags.clone().into_iter().collect()))
                    .send()
            })
        })
        .await?;
        Ok(outputs(created.id))
    }

    /// All in one call, because AWS allows one in 20 s.
    async fn update(&self, live: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        let id = live.output("id");
        let _alone = alone(&self.0, id).await;
        self.patch(id, operations(&live.spec, spec, changes)).await?;
        if changes.has("tags") {
            retag(
                &self.0,
                &arn(&self.0, &format!("/usageplans/{id}")),
                &live.spec.tags,
                &spec.tags,
            )
            .await?;
        }
        Ok(())
    }

    /// AWS refuses to delete a plan that has stages.
    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let id = live.output("id");
        let _alone = alone(&self.0, id).await;
        let detach = live
            .spec
            .stages
            .iter()
            .map(|stage| patch(Op::Remove, "/apiStages", Some(stage.clone())))
            .collect();
        gone(self.patch(id, detach).await)?;
        let deleted = self
            .0
            .call("apigateway:DeleteUsagePlan", || {
                self.0.apigateway.delete_usage_plan().usage_plan_id(id).send()
            })
            .await;
        gone(deleted)
    }
}

impl UsagePlan {
    async fn read(&self, id: &str) -> Result<Option<Found>, Failure> {
        let found = self
            .0
            .call("apigateway:GetUsagePlan", || {
                self.0.apigateway.get_usage_plan().usage_plan_id(id).send()
            })
            .await;
        Ok(present(found)?.map(|plan| {
            Found::builder()
                .set_id(plan.id)
                .set_name(plan.name)
                .set_description(plan.description)
                .set_quota(plan.quota)
                .set_api_stages(plan.api_stages)
                .set_throttle(plan.throttle)
                .set_tags(plan.tags)
                .build()
        }))
    }

    async fn list(&self) -> Result<Arc<Vec<Found>>, Failure> {
        let aws = &*self.0;
        aws.shared("apigateway:usage_plans", || {
            pages(move |position: Option<String>| async move {
                aws.call("apigateway:GetUsagePlans", || {
                    aws.apigateway
                        .get_usage_plans()
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

    async fn patch(&self, id: &str, operations: Vec<PatchOperation>) -> Result<(), Failure> {
        if operations.is_empty() {
            return Ok(());
        }
        self.0
            .call("apigateway:UpdateUsagePlan", || {
                self.0
                    .apigateway
                    .update_usage_plan()
                    .usage_plan_id(id)
                    .set_patch_operations(Some(operations.clone()))
                    .send()
            })
            .await?;
        Ok(())
    }
}

fn observed(plan: Found) -> Observed<Spec> {
    let limit = plan.quota.as_ref().map_or(0, |quota| quota.limit);
    let period = plan.quota.as_ref().and_then(QuotaSettings::period);
    let others = others(&plan);
    let stages = plan.api_stages.unwrap_or_default().into_iter();
    let spec = Spec {
        name: plan.name.unwrap_or_default(),
        description: plan.description.unwrap_or_default(),
        quota_limit: u32::try_from(limit).unwrap_or_default(),
        quota_period: period.map_or("", QuotaPeriodType::as_str).to_owned(),
        stages: stages
            .map(|stage| {
                format!(
                    "{}:{}",
                    stage.api_id.unwrap_or_default(),
                    stage.stage.unwrap_or_default()
                )
            })
            .collect(),
        others,
        tags: tags::ours(plan.tags.unwrap_or_default()),
    };
    Observed::new(spec, outputs(plan.id))
}

/// How fast the keys may call, which we leave to the account, and where in its period a quota begins.
fn others(plan: &Found) -> Others {
    let limits =
        |throttle: &ThrottleSettings| json!({"rateLimit": throttle.rate_limit, "burstLimit": throttle.burst_limit});
    let methods = plan.api_stages().iter().flat_map(|stage| {
        let methods = stage.throttle.iter().flatten();
        let name = format!(
            "{}:{}",
            stage.api_id().unwrap_or_default(),
            stage.stage().unwrap_or_default()
        );
        methods.map(move |(method, throttle)| (format!("{name} {method}"), limits(throttle)))
    });
    Others::of([
        (THROTTLE, json!(plan.throttle.as_ref().map(limits)), Value::Null),
        (METHOD_THROTTLE, methods.collect(), Value::Null),
        (OFFSET, json!(plan.quota.as_ref().map(|quota| quota.offset)), json!(0)),
    ])
}

const THROTTLE: &str = "throttle";
const METHOD_THROTTLE: &str = "apiStages.throttle";
const OFFSET: &str = "quota.offset";

fn outputs(id: Option<String>) -> Outputs {
    Outputs::from([("id".to_owned(), id.unwrap_or_default())])
}

fn quota(spec: &Spec) -> Option<QuotaSettings> {
    (!spec.quota_period.is_empty()).then(|| {
        QuotaSettings::builder()
            .limit(i32::try_from(spec.quota_limit).unwrap_or(i32::MAX))
            .period(QuotaPeriodType::from(spec.quota_period.as_str()))
            .build()
    })
}

fn api_stage(stage: &str) -> ApiStage {
    let (api, stage) = stage.split_once(':').unwrap_or((stage, ""));
    ApiStage::builder().api_id(api).stage(stage).build()
}

fn operations(live: &Spec, spec: &Spec, changes: &Changes) -> Vec<PatchOperation> {
    let mut operations = Vec::new();
    if changes.has("name") {
        operations.push(replace("/name", &spec.name));
    }
    if changes.has("description") {
        operations.push(replace("/description", &spec.description));
    }
    if changes.any(&["quota_limit", "quota_period"]) {
        if spec.quota_period.is_empty() {
            operations.push(patch(Op::Remove, "/quota", None));
        } else {
            let op = if live.quota_period.is_empty() {
                Op::Add
            } else {
                Op::Replace
            };
            operations.push(patch(op.clone(), "/quota/limit", Some(spec.quota_limit.to_string())));
            operations.push(patch(op, "/quota/period", Some(spec.quota_period.clone())));
        }
    }
    if live.others.takes_back(changes, THROTTLE) {
        operations.push(patch(Op::Remove, "/throttle", None));
    }
    if live.others.takes_back(changes, OFFSET) && !spec.quota_period.is_empty() {
        operations.push(replace("/quota/offset", "0"));
    }
    let step = |op: &Op, stage: &String| patch(op.clone(), "/apiStages", Some(stage.clone()));
    if live.others.takes_back(changes, METHOD_THROTTLE) {
        // What is set for a stage's methods goes with the stage, which comes back without.
        operations.extend(live.stages.iter().map(|stage| step(&Op::Remove, stage)));
        operations.extend(spec.stages.iter().map(|stage| step(&Op::Add, stage)));
    } else if changes.has("stages") {
        operations.extend(
            live.stages
                .difference(&spec.stages)
                .map(|stage| step(&Op::Remove, stage)),
        );
        operations.extend(spec.stages.difference(&live.stages).map(|stage| step(&Op::Add, stage)));
    }
    operations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Spec {
        Spec {
            name: "p".into(),
            description: "d".into(),
            quota_limit: 1000,
            quota_period: "DAY".into(),
            stages: BTreeSet::from(["a:prod".to_owned()]),
            others: Others::default(),
            tags: Tags::new(),
        }
    }

    #[test]
    fn a_plan_reads_back_as_written() {
        let found = Found::builder()
            .name("p")
            .description("d")
            .set_quota(quota(&plan()))
            .api_stages(api_stage("a:prod"))
            .build();
        let spec = observed(found).spec;
        assert_eq!((spec.quota_limit, spec.quota_period.as_str()), (1000, "DAY"));
        assert_eq!(spec.stages, plan().stages);
    }

    #[test]
    fn a_throttle_is_taken_off_the_plan_and_off_its_methods() {
        let still = ThrottleSettings::builder().rate_limit(0.0).burst_limit(0).build();
        let stage = ApiStage::builder().api_id("a").stage("prod");
        let found = Found::builder()
            .set_quota(quota(&plan()))
            .throttle(still.clone())
            .api_stages(stage.throttle("/transactions/POST", still).build())
            .build();
        let live = observed(found).spec;
        let changes = [THROTTLE, METHOD_THROTTLE].map(|name| format!("others.{name}"));
        assert_eq!(
            operations(&live, &plan(), &Changes::new(changes)),
            [
                patch(Op::Remove, "/throttle", None),
                patch(Op::Remove, "/apiStages", Some("a:prod".into())),
                patch(Op::Add, "/apiStages", Some("a:prod".into()))
            ]
        );
    }

    #[test]
    fn stages_leave_before_others_come() {
        let spec = Spec {
            stages: BTreeSet::from(["b:prod".to_owned()]),
            ..plan()
        };
        assert_eq!(
            operations(&plan(), &spec, &Changes::new(["stages[0]".to_owned()])),
            [
                patch(Op::Remove, "/apiStages", Some("a:prod".into())),
                patch(Op::Add, "/apiStages", Some("b:prod".into()))
            ]
        );
    }

    #[test]
    fn a_first_quota_is_added_and_a_last_one_removed() {
        let none = Spec {
            quota_limit: 0,
            quota_period: String::new(),
            ..plan()
        };
        let changes = Changes::new(["quota_limit".to_owned(), "quota_period".to_owned()]);
        assert_eq!(
            operations(&none, &plan(), &changes)[0],
            patch(Op::Add, "/quota/limit", Some("1000".into()))
        );
        assert_eq!(
            operations(&plan(), &none, &changes),
            [patch(Op::Remove, "/quota", None)]
        );
    }
}
