//! A parameter in Parameter Store.

use crate::aws::absent::{gone, present};
use crate::aws::{Aws, Others, tags};
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Tags, Target};
use aws_sdk_ssm::types::{
    self as wire, ParameterMetadata, ParameterStringFilter, ParameterType, ResourceTypeForTagging, Tag,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A parameter's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// With its path: `/a/b/c`.
    pub name: String,
    /// `String`, `StringList` or `SecureString`.
    pub kind: String,
    /// Up to 4 KB. Without one the value belongs to whoever sets it: it is neither compared nor changed, and it is
    /// [`Spec::initial`] when the parameter is made.
    pub value: Option<String>,
    /// What a parameter whose value is not managed begins with. AWS knows of no parameter without a value.
    pub initial: Option<String>,
    /// Up to 1024 characters.
    pub description: String,
    /// What somebody else set.
    #[serde(default)]
    pub others: Others,
    /// Tags.
    pub tags: Tags,
}

const DATA_TYPE: &str = "DataType";
/// The type of a parameter that may hold any text.
const TEXT: &str = "text";
const POLICIES: &str = "Policies";
/// How Parameter Store is told to keep none.
const NO_POLICIES: &str = "[{}]";

/// Reconciles [`Spec`].
pub struct Parameter(pub Arc<Aws>);

impl Reconciler for Parameter {
    type Spec = Spec;
    const KIND: &'static str = "ssm.parameter";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const IDENTITY: &'static [&'static str] = &["name"];
    const IMMUTABLE: &'static [&'static str] = &["kind"];
    const INPUTS: &'static [&'static str] = &["initial"];
    const TAGGED: bool = true;
    /// The description stands in a list alone, which follows the parameter.
    const STALE_READS: bool = true;

    fn predict(&self, spec: &Spec) -> Outputs {
        let arn = self
            .0
            .arn("ssm", &format!("parameter/{}", spec.name.trim_start_matches('/')));
        Outputs::from([("arn".to_owned(), arn), ("name".to_owned(), spec.name.clone())])
    }

    /// By name. The description is told only by a list, which all parameters of one path share. A value that is not
    /// managed is not told: whatever it is, it is as it should be.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let name = &target.spec.name;
        let (found, described, tags) = tokio::join!(self.get(name), self.described(name), self.tags(name));
        let (Some(found), Some(tags)) = (found?, tags?) else {
            return Ok(None);
        };
        let described = described?;
        let described = described.get(name);
        let spec = Spec {
            name: name.clone(),
            others: described.map(others).unwrap_or_default(),
            kind: found.r#type().map_or("", ParameterType::as_str).to_owned(),
            value: target.spec.value.is_some().then(|| value(&found)),
            initial: None,
            description: described.and_then(|one| one.description.clone()).unwrap_or_default(),
            tags,
        };
        let mut outputs = self.predict(&spec);
        if let Some(arn) = found.arn {
            outputs.insert("arn".to_owned(), arn);
        }
        Ok(Some(Observed::new(spec, outputs)))
    }

    /// Refused by AWS when there is one already: nobody's value is overwritten.
    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let aws = &self.0;
        let Some(value) = spec.value.as_ref().or(spec.initial.as_ref()) else {
            let message = format!("the parameter {} has neither a value nor one to begin with", spec.name);
            return Err(Failure::new("ssm:PutParameter", "NoValue", message));
        };
        let tags = tag_list(&spec.tags)?;
        let description = (!spec.description.is_empty()).then(|| spec.description.clone());
        aws.call("ssm:PutParameter", || {
            aws.ssm
                .put_parameter()
                .name(&spec.name)
                .r#type(ParameterType::from(spec.kind.as_str()))
                .value(value)
                .set_description(description.clone())
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await?;
        Ok(self.predict(spec))
    }

    /// A value that is not managed is left as it is, also when it was managed until now. To change the description
    /// alone it is read and written back, since AWS demands it: a value set by somebody else in between is lost, and AWS
    /// has no condition by which to keep it.
    async fn update(&self, live: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        let aws = &self.0;
        let others = &live.spec.others;
        let resets = others.taken_back(changes).next().is_some();
        if resets || changes.has("description") || (changes.has("value") && spec.value.is_some()) {
            let kept = match &spec.value {
                Some(value) => Some(value.clone()),
                None => self.get(&spec.name).await?.as_ref().map(value),
            };
            // Overwriting and tags exclude each other.
            aws.call("ssm:PutParameter", || {
                aws.ssm
                    .put_parameter()
                    .name(&spec.name)
                    .r#type(ParameterType::from(spec.kind.as_str()))
                    .set_value(kept.clone())
                    .description(&spec.description)
                    .set_data_type(others.takes_back(changes, DATA_TYPE).then(|| TEXT.to_owned()))
                    .set_policies(others.takes_back(changes, POLICIES).then(|| NO_POLICIES.to_owned()))
                    .overwrite(true)
                    .send()
            })
            .await?;
        }
        if changes.has("tags") {
            self.tag(&spec.name, &live.spec.tags, &spec.tags).await?;
        }
        Ok(())
    }

    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let aws = &self.0;
        let name = &live.spec.name;
        let deleted = aws
            .call("ssm:DeleteParameter", || aws.ssm.delete_parameter().name(name).send())
            .await;
        gone(deleted)
    }
}

impl Parameter {
    async fn get(&self, name: &str) -> Result<Option<wire::Parameter>, Failure> {
        let aws = &self.0;
        let found = aws
            .call("ssm:GetParameter", || {
                aws.ssm.get_parameter().name(name).with_decryption(true).send()
            })
            .await;
        Ok(present(found)?.and_then(|found| found.parameter))
    }

    /// What is told of the parameters beside this one, by name.
    async fn described(&self, name: &str) -> Result<Arc<BTreeMap<String, ParameterMetadata>>, Failure> {
        let (key, option, value) = neighbours(name);
        let memo = format!("ssm:DescribeParameters {key} {value}");
        self.0.shared(memo, || self.describe(key, option, value)).await
    }

    async fn describe(
        &self,
        key: &str,
        option: &str,
        value: &str,
    ) -> Result<BTreeMap<String, ParameterMetadata>, Failure> {
        let aws = &self.0;
        let filter = ParameterStringFilter::builder()
            .key(key)
            .option(option)
            .values(value)
            .build()
            .map_err(|why| Failure::new("ssm:DescribeParameters", "InvalidFilter", why.to_string()))?;
        let mut found = BTreeMap::new();
        let mut token: Option<String> = None;
        loop {
            let page = aws
                .call("ssm:DescribeParameters", || {
                    let list = aws
                        .ssm
                        .describe_parameters()
                        .parameter_filters(filter.clone())
                        .max_results(50);
                    list.set_next_token(token.clone()).send()
                })
                .await?;
            for parameter in page.parameters.unwrap_or_default() {
                if let Some(name) = parameter.name.clone() {
                    found.insert(name, parameter);
                }
            }
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(found);
            }
        }
    }

    /// The tags, without those of AWS itself; `None` when there is no such parameter.
    async fn tags(&self, name: &str) -> Result<Option<Tags>, Failure> {
        let aws = &self.0;
        let found = aws
            .call("ssm:ListTagsForResource", || {
                let list = aws
                    .ssm
                    .list_tags_for_resource()
                    .resource_type(ResourceTypeForTagging::Parameter);
                list.resource_id(name).send()
            })
            .await;
        let found = match found {
            Err(why) if why.code == "InvalidResourceId" => None,
            found => present(found)?,
        };
        Ok(found.map(|found| {
            let tags = found.tag_list.unwrap_or_default().into_iter();
            tags::ours(tags.map(|tag| (tag.key, tag.value)))
        }))
    }

    async fn tag(&self, name: &str, live: &Tags, desired: &Tags) -> Result<(), Failure> {
        let aws = &self.0;
        tags::sync(
            live,
            desired,
            |keys| async move {
                aws.call("ssm:RemoveTagsFromResource", || {
                    let remove = aws.ssm.remove_tags_from_resource().resource_id(name);
                    let remove = remove.resource_type(ResourceTypeForTagging::Parameter);
                    remove.set_tag_keys(Some(keys.clone())).send()
                })
                .await
            },
            |tags| async move {
                let tags = tag_list(&tags)?;
                aws.call("ssm:AddTagsToResource", || {
                    let add = aws.ssm.add_tags_to_resource().resource_id(name);
                    let add = add.resource_type(ResourceTypeForTagging::Parameter);
                    add.set_tags(Some(tags.clone())).send()
                })
                .await
            },
        )
        .await
    }
}

/// What refuses a value, and what lets one expire. The pattern goes with the next value that is put without one.
fn others(found: &ParameterMetadata) -> Others {
    let policies = found.policies().iter().map(|policy| policy.policy_type());
    Others::of([
        ("AllowedPattern", json!(found.allowed_pattern), Value::Null),
        (DATA_TYPE, json!(found.data_type), json!(TEXT)),
        (POLICIES, json!(policies.collect::<Vec<_>>()), Value::Null),
    ])
}

/// The filter (key, option, value) that lists a parameter together with those beside it: its path, or, when it is on
/// no path, its name alone.
fn neighbours(name: &str) -> (&'static str, &'static str, &str) {
    match name.rsplit_once('/') {
        Some((path, _)) if !path.is_empty() => ("Path", "OneLevel", path),
        _ => ("Name", "Equals", name),
    }
}

fn value(found: &wire::Parameter) -> String {
    found.value().unwrap_or_default().to_owned()
}

fn tag_list(tags: &Tags) -> Result<Vec<Tag>, Failure> {
    tags::list(tags, "ssm:AddTagsToResource", |key, value| {
        Tag::builder().key(key).value(value).build()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_one_path_are_listed_together() {
        assert_eq!(neighbours("/fraud/dev/threshold"), ("Path", "OneLevel", "/fraud/dev"));
        assert_eq!(neighbours("/fraud/dev/email"), neighbours("/fraud/dev/threshold"));
    }

    #[test]
    fn a_parameter_on_no_path_is_listed_alone() {
        assert_eq!(neighbours("/threshold"), ("Name", "Equals", "/threshold"));
        assert_eq!(neighbours("threshold"), ("Name", "Equals", "threshold"));
    }
}
