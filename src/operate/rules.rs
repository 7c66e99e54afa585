//! The rules that the functions score by, which an analyst changes without a deployment.

use crate::aws::Aws;
use crate::operate::names;
use crate::resource::Failure;
use aws_sdk_ssm::types::{ParameterStringFilter, ParameterType};
use fraud::{Rules, Threshold};
use serde_json::Value;
use std::collections::BTreeSet;
use thiserror::Error;

const DESCRIBE: &str = "ssm:DescribeParameters";

/// How long the functions may go on with what they read before.
pub const KNOWN_WITHIN_SECONDS: u64 = 60;

/// Where the rules in force come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The parameter.
    Parameter,
    /// The functions' own rules, because there is no parameter.
    Absent,
    /// The functions' own rules, because what the parameter holds is no rules; this is what is wrong with it.
    Broken(String),
}

/// The rules that the functions score by.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The rules.
    pub rules: Rules,
    /// Where they come from.
    pub source: Source,
    /// The parameter that they are read from.
    pub parameter: String,
}

/// Why rules could not be put live. Nothing was changed.
#[derive(Debug, Error)]
pub enum PushError {
    /// There is no parameter; made here, it would lack the tags that say whose it is.
    #[error("the parameter {0} does not exist, so nothing was changed; `fraudctl up` makes it")]
    Absent(String),
    /// AWS refused.
    #[error(transparent)]
    Aws(#[from] Failure),
}

/// One field in which two sets of rules differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where in the rules' JSON: `velocity.hour.limit`.
    pub path: String,
    /// What is there now; null where there is nothing.
    pub from: Value,
    /// What would be there.
    pub to: Value,
}

/// The rules in force in an environment: what the functions make of the parameter.
///
/// # Errors
/// AWS refuses, other than by saying that there is no such parameter.
pub async fn deployed(aws: &Aws, env: &str) -> Result<Deployed, Failure> {
    let parameter = names::rules_parameter(env);
    let (rules, source) = in_force(value(aws, &parameter).await?.as_deref());
    Ok(Deployed {
        rules,
        source,
        parameter,
    })
}

/// The score above which the functions alert: as they have it, the built-in one when there is none that can be read.
///
/// # Errors
/// As [`deployed`].
pub async fn threshold(aws: &Aws, env: &str) -> Result<Threshold, Failure> {
    let text = value(aws, &names::threshold_parameter(env)).await?;
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or(Threshold::DEFAULT))
}

/// Puts rules live: overwrites the parameter, and nothing else of it. The functions read it once a minute.
///
/// # Errors
/// There is no parameter; AWS refuses.
pub async fn push(aws: &Aws, env: &str, rules: &Rules) -> Result<(), PushError> {
    let parameter = names::rules_parameter(env);
    // Rules are never longer than a parameter holds.
    let text = rules.to_json();
    let Some(description) = description(aws, &parameter).await? else {
        return Err(PushError::Absent(parameter));
    };
    // The description belongs to the version that is written, and would be lost.
    let description = Some(description).filter(|text| !text.is_empty());
    aws.call("ssm:PutParameter", || {
        aws.ssm
            .put_parameter()
            .name(&parameter)
            .r#type(ParameterType::String)
            .value(&text)
            .set_description(description.clone())
            .overwrite(true)
            .send()
    })
    .await?;
    Ok(())
}

/// The fields in which `to` is not as `from`, in order.
pub fn differences(from: &Rules, to: &Rules) -> Vec<Difference> {
    let tree = |rules: &Rules| serde_json::from_str::<Value>(&rules.to_json()).unwrap_or_default();
    let mut found = Vec::new();
    walk(String::new(), &tree(from), &tree(to), &mut found);
    found
}

fn walk(path: String, from: &Value, to: &Value, found: &mut Vec<Difference>) {
    if from == to {
        return;
    }
    match (from, to) {
        (Value::Object(old), Value::Object(new)) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                let of = |side: &serde_json::Map<String, Value>| side.get(key).cloned().unwrap_or_default();
                walk(path, &of(old), &of(new), found);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                walk(format!("{path}[{index}]"), old, new, found);
            }
        }
        _ => found.push(Difference {
            path,
            from: from.clone(),
            to: to.clone(),
        }),
    }
}

fn in_force(value: Option<&str>) -> (Rules, Source) {
    let Some(text) = value else {
        return (Rules::builtin().clone(), Source::Absent);
    };
    match Rules::parse(text) {
        Ok(rules) => (rules, Source::Parameter),
        Err(why) => (Rules::builtin().clone(), Source::Broken(why.to_string())),
    }
}

async fn value(aws: &Aws, parameter: &str) -> Result<Option<String>, Failure> {
    let read = aws
        .call("ssm:GetParameter", || aws.ssm.get_parameter().name(parameter).send())
        .await;
    match read {
        Ok(found) => Ok(found.parameter.and_then(|found| found.value)),
        Err(why) if why.is_not_found() => Ok(None),
        Err(why) => Err(why),
    }
}

/// What a parameter is for; nothing where there is no such parameter.
async fn description(aws: &Aws, parameter: &str) -> Result<Option<String>, Failure> {
    let filter = ParameterStringFilter::builder()
        .key("Name")
        .option("Equals")
        .values(parameter)
        .build()
        .map_err(|why| Failure::new(DESCRIBE, "InvalidFilter", why.to_string()))?;
    let mut token: Option<String> = None;
    loop {
        let page = aws
            .call("ssm:DescribeParameters", || {
                aws.ssm
                    .describe_parameters()
                    .parameter_filters(filter.clone())
                    .set_next_token(token.clone())
                    .send()
            })
            .await?;
        let found = page.parameters.unwrap_or_default().into_iter();
        if let Some(found) = found.into_iter().find(|found| found.name.as_deref() == Some(parameter)) {
            return Ok(Some(found.description.unwrap_or_default()));
        }
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn differing(from: Value, to: Value) -> Vec<(String, Value, Value)> {
        let mut found = Vec::new();
        walk(String::new(), &from, &to, &mut found);
        found.into_iter().map(|d| (d.path, d.from, d.to)).collect()
    }

    #[test]
    fn fields_are_compared_one_by_one_however_deep() {
        let from = json!({"version": "1", "hour": {"limit": 5, "weight": 0.2}, "steps": [{"at": 2}, {"at": 3}]});
        let to = json!({"version": "2", "hour": {"limit": 5, "weight": 0.3}, "steps": [{"at": 2}, {"at": 4}]});
        assert_eq!(
            differing(from, to),
            [
                ("hour.weight".to_owned(), json!(0.2), json!(0.3)),
                ("steps[1].at".to_owned(), json!(3), json!(4)),
                ("version".to_owned(), json!("1"), json!("2")),
            ]
        );
    }

    #[test]
    fn what_comes_or_goes_is_held_against_nothing() {
        assert_eq!(
            differing(json!({"a": 1}), json!({"b": [1]})),
            [
                ("a".to_owned(), json!(1), Value::Null),
                ("b".to_owned(), Value::Null, json!([1])),
            ]
        );
        // A list of another length is another list.
        assert_eq!(differing(json!({"a": [1]}), json!({"a": [1, 2]})).len(), 1);
    }

    #[test]
    fn the_same_rules_differ_in_nothing() {
        assert_eq!(differences(Rules::builtin(), Rules::builtin()), []);
    }

    #[test]
    fn without_rules_that_can_be_read_the_built_in_ones_hold_and_it_is_told_why() {
        assert_eq!(in_force(None), (Rules::builtin().clone(), Source::Absent));
        let text = Rules::builtin().to_json();
        assert_eq!(in_force(Some(&text)), (Rules::builtin().clone(), Source::Parameter));
        let (rules, source) = in_force(Some("{"));
        assert_eq!(&rules, Rules::builtin());
        assert!(matches!(source, Source::Broken(why) if why.contains("no rules")));
    }
}
