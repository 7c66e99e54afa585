//! A log group.

use crate::aws::absent::{absent, gone};
use crate::aws::wait::with_tags;
use crate::aws::{Aws, Others, tags};
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Owner, Reconciler, Tags, Target};
use aws_sdk_cloudwatchlogs::types::{DataProtectionStatus, LogGroup, LogGroupClass};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;

/// A log group's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// Up to 512 characters.
    pub name: String,
    /// Days for which events are kept; forever when `None`. AWS takes certain numbers only, 30 among them.
    pub retention_days: Option<u32>,
    /// The ARN of the KMS key that encrypts events.
    pub kms_key: Option<String>,
    /// `STANDARD`, or another of which CloudWatch makes no metrics.
    #[serde(default = "standard")]
    pub class: String,
    /// What somebody else set.
    #[serde(default)]
    pub others: Others,
    /// Tags.
    pub tags: Tags,
}

/// The class of a group that was made without one.
pub fn standard() -> String {
    LogGroupClass::Standard.as_str().to_owned()
}

const DATA_PROTECTION: &str = "DataProtection";
const DELETION_PROTECTION: &str = "DeletionProtectionEnabled";

/// Reconciles [`Spec`].
pub struct Group(pub Arc<Aws>);

impl Reconciler for Group {
    type Spec = Spec;
    const KIND: &'static str = "logs.group";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const IDENTITY: &'static [&'static str] = &["name"];
    const IMMUTABLE: &'static [&'static str] = &["class"];
    const TAGGED: bool = true;
    /// Right after a retention was set the list of groups may lack it.
    const STALE_READS: bool = true;

    fn predict(&self, spec: &Spec) -> Outputs {
        Outputs::from([
            ("arn".to_owned(), self.arn(&spec.name)),
            ("name".to_owned(), spec.name.clone()),
        ])
    }

    /// By name.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let aws = &self.0;
        let name = &target.spec.name;
        let arn = self.arn(name);
        let tags = || {
            aws.call("logs:ListTagsForResource", || {
                aws.logs.list_tags_for_resource().resource_arn(&arn).send()
            })
        };
        let group = || async {
            self.find(name)
                .await?
                .ok_or_else(|| absent("logs:DescribeLogGroups", name))
        };
        let Some((group, tags)) = with_tags(&arn, group, tags).await? else {
            return Ok(None);
        };
        let spec = Spec {
            name: name.clone(),
            retention_days: group.retention_in_days.and_then(|days| days.try_into().ok()),
            class: group
                .log_group_class
                .as_ref()
                .map_or_else(standard, |class| class.as_str().to_owned()),
            others: others(&group),
            kms_key: group.kms_key_id,
            tags: tags::ours(tags.tags.unwrap_or_default()),
        };
        let outputs = self.predict(&spec);
        let owner = owner(&spec, target.ignored);
        Ok(Some(Observed { spec, outputs, owner }))
    }

    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let aws = &self.0;
        aws.call("logs:CreateLogGroup", || {
            aws.logs
                .create_log_group()
                .log_group_name(&spec.name)
                .set_kms_key_id(spec.kms_key.clone())
                .set_log_group_class((spec.class != standard()).then(|| LogGroupClass::from(spec.class.as_str())))
                .set_tags(Some(spec.tags.clone().into_iter().collect()))
                .send()
        })
        .await?;
        if spec.retention_days.is_some() {
            self.retain(&spec.name, spec.retention_days).await?;
        }
        Ok(self.predict(spec))
    }

    async fn update(&self, live: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        if changes.has("retention_days") {
            self.retain(&spec.name, spec.retention_days).await?;
        }
        if changes.has("kms_key") {
            self.encrypt(&spec.name, spec.kms_key.as_deref()).await?;
        }
        if live.spec.others.takes_back(changes, DATA_PROTECTION) {
            self.unmask(&spec.name).await?;
        }
        if live.spec.others.takes_back(changes, DELETION_PROTECTION) {
            self.unprotect(&spec.name).await?;
        }
        if changes.has("tags") {
            self.tag(&self.arn(&spec.name), &live.spec.tags, &spec.tags).await?;
        }
        Ok(())
    }

    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let aws = &self.0;
        let name = &live.spec.name;
        let deleted = aws
            .call("logs:DeleteLogGroup", || {
                aws.logs.delete_log_group().log_group_name(name).send()
            })
            .await;
        gone(deleted)
    }
}

impl Group {
    /// The ARN without the `:*` at its end: what the tag calls take, and others put their own suffix to.
    fn arn(&self, name: &str) -> String {
        self.0.arn("logs", &format!("log-group:{name}"))
    }

    /// The group of exactly this name: the list goes by prefix, and `a` is a prefix of `ab`.
    async fn find(&self, name: &str) -> Result<Option<LogGroup>, Failure> {
        let aws = &self.0;
        let mut token: Option<String> = None;
        loop {
            let page = aws
                .call("logs:DescribeLogGroups", || {
                    let list = aws.logs.describe_log_groups().log_group_name_prefix(name).limit(50);
                    list.set_next_token(token.clone()).send()
                })
                .await?;
            let groups = page.log_groups.unwrap_or_default();
            if let Some(found) = groups.into_iter().find(|group| group.log_group_name() == Some(name)) {
                return Ok(Some(found));
            }
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(None);
            }
        }
    }

    async fn retain(&self, name: &str, days: Option<u32>) -> Result<(), Failure> {
        let aws = &self.0;
        if let Some(days) = days {
            let days = i32::try_from(days).unwrap_or(i32::MAX);
            aws.call("logs:PutRetentionPolicy", || {
                aws.logs
                    .put_retention_policy()
                    .log_group_name(name)
                    .retention_in_days(days)
                    .send()
            })
            .await?;
        } else {
            aws.call("logs:DeleteRetentionPolicy", || {
                aws.logs.delete_retention_policy().log_group_name(name).send()
            })
            .await?;
        }
        Ok(())
    }

    async fn unmask(&self, name: &str) -> Result<(), Failure> {
        let aws = &self.0;
        let deleted = aws
            .call("logs:DeleteDataProtectionPolicy", || {
                aws.logs
                    .delete_data_protection_policy()
                    .log_group_identifier(name)
                    .send()
            })
            .await;
        gone(deleted)
    }

    async fn unprotect(&self, name: &str) -> Result<(), Failure> {
        let aws = &self.0;
        aws.call("logs:PutLogGroupDeletionProtection", || {
            let put = aws.logs.put_log_group_deletion_protection().log_group_identifier(name);
            put.deletion_protection_enabled(false).send()
        })
        .await?;
        Ok(())
    }

    /// Events that are there already stay as they were encrypted.
    async fn encrypt(&self, name: &str, key: Option<&str>) -> Result<(), Failure> {
        let aws = &self.0;
        if let Some(key) = key {
            aws.call("logs:AssociateKmsKey", || {
                aws.logs.associate_kms_key().log_group_name(name).kms_key_id(key).send()
            })
            .await?;
        } else {
            aws.call("logs:DisassociateKmsKey", || {
                aws.logs.disassociate_kms_key().log_group_name(name).send()
            })
            .await?;
        }
        Ok(())
    }

    async fn tag(&self, arn: &str, live: &Tags, desired: &Tags) -> Result<(), Failure> {
        let aws = &self.0;
        tags::sync(
            live,
            desired,
            |keys| async move {
                aws.call("logs:UntagResource", || {
                    let untag = aws.logs.untag_resource().resource_arn(arn);
                    untag.set_tag_keys(Some(keys.clone())).send()
                })
                .await
            },
            |tags| async move {
                aws.call("logs:TagResource", || {
                    let tags = tags.clone().into_iter().collect();
                    aws.logs.tag_resource().resource_arn(arn).set_tags(Some(tags)).send()
                })
                .await
            },
        )
        .await
    }
}

/// A policy that masks what is logged, and a protection that `down` would meet.
fn others(group: &LogGroup) -> Others {
    let masks = group.data_protection_status == Some(DataProtectionStatus::Activated);
    Others::of([
        (DATA_PROTECTION, json!(masks.then_some("ACTIVATED")), Value::Null),
        (
            DELETION_PROTECTION,
            json!(group.deletion_protection_enabled),
            json!(false),
        ),
    ])
}

/// Lambda and SNS make a log group by themselves when they have to log and there is none: when a function runs before
/// we come, or once more after we left. Such a group is bare, and its name is that of something of ours: so is the
/// group. Whoever makes one on purpose gives it a retention, a key or tags; those that are put on whatever is made do not
/// count.
fn owner(spec: &Spec, ignored: &dyn Fn(&str) -> bool) -> Owner {
    if spec.tags.keys().all(|key| ignored(key)) && spec.retention_days.is_none() && spec.kms_key.is_none() {
        Owner::Ours
    } else {
        Owner::Usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_group_is_taken_without_being_asked() {
        let bare = Spec {
            name: "g".into(),
            retention_days: None,
            kms_key: None,
            class: standard(),
            others: Others::default(),
            tags: Tags::new(),
        };
        let none = |_: &str| false;
        assert_eq!(owner(&bare, &none), Owner::Ours);
        let kept = Spec {
            retention_days: Some(30),
            ..bare.clone()
        };
        assert_eq!(owner(&kept, &none), Owner::Usual);
        let tagged = Spec {
            tags: Tags::from([("a".into(), "b".into())]),
            ..bare
        };
        assert_eq!(owner(&tagged, &none), Owner::Usual);
        assert_eq!(owner(&tagged, &|key| key == "a"), Owner::Ours);
    }
}
