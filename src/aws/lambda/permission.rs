//! A permission: one statement of a function's policy, which lets a service invoke the function.

use crate::aws::absent::{gone, present};
use crate::aws::{Aws, Others};
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Target};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

/// A permission's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// The name of the function.
    pub function: String,
    /// The statement's name within the function's policy.
    pub statement_id: String,
    /// What is allowed, `lambda:InvokeFunction`.
    pub action: String,
    /// The service that may, such as `events.amazonaws.com`.
    pub principal: String,
    /// On whose behalf it may; may hold `*`. Empty for anybody's.
    pub source_arn: String,
    /// What somebody else set: a condition that keeps the service out, for instance.
    #[serde(default)]
    pub others: Others,
}

/// Reconciles [`Spec`].
pub struct Permission(pub Arc<Aws>);

impl Reconciler for Permission {
    type Spec = Spec;
    const KIND: &'static str = "lambda.permission";
    const OUTPUTS: &'static [&'static str] = &[];
    const IDENTITY: &'static [&'static str] = &["function", "statement_id"];
    const IMMUTABLE: &'static [&'static str] = &["action", "principal", "source_arn"];
    const PARENTS: &'static [&'static str] = &["function"];
    /// The policy that it stands in spreads as those of IAM do.
    const STALE_READS: bool = true;

    /// In the function's policy, by the statement's name.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let policy = policy(&self.0, &target.spec.function).await?;
        let spec = find(&policy, &target.spec.function, &target.spec.statement_id);
        Ok(spec.map(|spec| Observed::new(spec, Outputs::new())))
    }

    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let _alone = alone(&self.0, &spec.function).await;
        self.add(spec).await?;
        Ok(Outputs::new())
    }

    /// Nothing of a statement can be changed in place: it goes, and comes as it should be.
    async fn update(&self, live: &Observed<Spec>, spec: &Spec, _: &Changes) -> Result<(), Failure> {
        let _alone = alone(&self.0, &spec.function).await;
        self.remove(&live.spec).await?;
        self.add(spec).await
    }

    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let _alone = alone(&self.0, &live.spec.function).await;
        self.remove(&live.spec).await
    }
}

impl Permission {
    async fn add(&self, spec: &Spec) -> Result<(), Failure> {
        self.0
            .call("lambda:AddPermission", || {
                self.0
                    .lambda
                    .add_permission()
                    .function_name(&spec.function)
                    .statement_id(&spec.statement_id)
                    .action(&spec.action)
                    .principal(&spec.principal)
                    .set_source_arn((!spec.source_arn.is_empty()).then(|| spec.source_arn.clone()))
                    .send()
            })
            .await?;
        Ok(())
    }

    async fn remove(&self, spec: &Spec) -> Result<(), Failure> {
        remove(&self.0, &spec.function, &spec.statement_id).await
    }
}

/// Takes a statement out of a function's policy. Gone already is success.
pub(super) async fn remove(aws: &Aws, function: &str, statement_id: &str) -> Result<(), Failure> {
    let removed = aws
        .call("lambda:RemovePermission", || {
            let remove = aws.lambda.remove_permission().function_name(function);
            remove.statement_id(statement_id).send()
        })
        .await;
    gone(removed)
}

/// Parallel changes of one function's policy would be lost or refused.
pub(super) async fn alone(aws: &Aws, function: &str) -> OwnedMutexGuard<()> {
    aws.alone(&format!("lambda:{function}")).await
}

/// The function's policy; null when there is none, or no function. Read once for all who ask.
async fn policy(aws: &Aws, function: &str) -> Result<Arc<Value>, Failure> {
    aws.shared(format!("lambda:policy:{function}"), || async move {
        let found = aws
            .call("lambda:GetPolicy", || {
                aws.lambda.get_policy().function_name(function).send()
            })
            .await;
        let policy = present(found)?.and_then(|found| found.policy);
        Ok(parse(&policy.unwrap_or_default()))
    })
    .await
}

/// The names of the statements in a function's policy.
pub(super) async fn statements(aws: &Aws, function: &str) -> Result<BTreeSet<String>, Failure> {
    let policy = policy(aws, function).await?;
    let statements = policy["Statement"].as_array().into_iter().flatten();
    let names = statements.map(|statement| statement["Sid"].as_str().unwrap_or_default().to_owned());
    Ok(names.collect())
}

fn parse(policy: &str) -> Value {
    serde_json::from_str(policy).unwrap_or_default()
}

fn find(policy: &Value, function: &str, statement_id: &str) -> Option<Spec> {
    let statements = policy["Statement"].as_array()?;
    let statement = statements.iter().find(|statement| statement["Sid"] == statement_id)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let principal = &statement["Principal"];
    let principal = [principal, &principal["Service"], &principal["AWS"]]
        .into_iter()
        .find(|value| value.is_string());
    Some(Spec {
        function: function.to_owned(),
        statement_id: statement_id.to_owned(),
        action: text(&statement["Action"]),
        principal: principal.map(text).unwrap_or_default(),
        source_arn: text(&statement["Condition"]["ArnLike"]["AWS:SourceArn"]),
        others: Others::of([("Condition", more_conditions(statement), Value::Null)]),
    })
}

/// The conditions of a statement beside that on the source.
fn more_conditions(statement: &Value) -> Value {
    let mut conditions = statement["Condition"].clone();
    if let Some(arns) = conditions.get_mut("ArnLike").and_then(Value::as_object_mut) {
        arns.remove("AWS:SourceArn");
    }
    conditions
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const POLICY: &str = r#"{"Version":"2012-10-17","Id":"default","Statement":[
        {"Sid":"Events","Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},
         "Action":"lambda:InvokeFunction","Resource":"arn:f",
         "Condition":{"ArnLike":{"AWS:SourceArn":"arn:rule"}}},
        {"Sid":"Open","Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunction","Resource":"arn:f"}]}"#;

    #[test]
    fn a_statement_reads_back_as_its_permission() {
        let found = find(&parse(POLICY), "f", "Events").unwrap();
        assert_eq!(
            (found.function.as_str(), found.action.as_str()),
            ("f", "lambda:InvokeFunction")
        );
        assert_eq!(
            (found.principal.as_str(), found.source_arn.as_str()),
            ("events.amazonaws.com", "arn:rule")
        );
    }

    #[test]
    fn a_statement_open_to_all_shows_as_such() {
        let found = find(&parse(POLICY), "f", "Open").unwrap();
        assert_eq!((found.principal.as_str(), found.source_arn.as_str()), ("*", ""));
    }

    #[test]
    fn another_condition_is_somebody_elses() {
        let mut policy = parse(POLICY);
        assert_eq!(find(&policy, "f", "Events").unwrap().others, Others::default());
        let never = json!({"AWS:SourceAccount": "000000000000"});
        policy["Statement"][0]["Condition"]["StringEquals"] = never.clone();
        let others = find(&policy, "f", "Events").unwrap().others;
        assert_eq!(json!(others)["Condition"]["StringEquals"], never);
    }

    #[test]
    fn no_policy_has_no_statement() {
        assert!(find(&Value::Null, "f", "Events").is_none());
        assert!(find(&parse(POLICY), "f", "Other").is_none());
    }
}
