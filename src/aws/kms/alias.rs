//! A name for a key. Aliases have no tags: whose one is follows from the key it points to.

use super::key;
use crate::aws::Aws;
use crate::aws::absent::{gone, present};
use crate::resource::{Address, Changes, Class, Failure, Observed, Outputs, Owner, Reconciler, TAG_ENV, Target};
use aws_sdk_kms::types::KeyMetadata;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a new key, or a new alias, may take until KMS knows it everywhere.
const VISIBLE: Duration = Duration::from_secs(30);
/// Between two looks.
const POLL: Duration = Duration::from_millis(500);

/// An alias's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// With its prefix: `alias/...`.
    pub name: String,
    /// The id of the key, not its ARN: the id is what AWS gives back.
    pub target_key_id: String,
}

/// Reconciles [`Spec`].
pub struct Alias(pub Arc<Aws>);

impl Reconciler for Alias {
    type Spec = Spec;
    const KIND: &'static str = "kms.alias";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const IDENTITY: &'static [&'static str] = &["name"];
    /// As with keys: the key behind it may be the one before.
    const STALE_READS: bool = true;

    fn predict(&self, spec: &Spec) -> Outputs {
        Outputs::from([
            ("arn".to_owned(), self.0.arn("kms", &spec.name)),
            ("name".to_owned(), spec.name.clone()),
        ])
    }

    /// By name: asked for an alias, KMS describes the key behind it, also one that is pending deletion.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let name = &target.spec.name;
        let Some(key) = self.key(name).await? else {
            return Ok(None);
        };
        // While it points to where we had it point, nobody has to be asked whose that key is.
        let as_recorded = target.output("arn").is_some() && target.spec.target_key_id == key.key_id();
        let owner = if as_recorded {
            Owner::Ours
        } else {
            self.owner(&key, target.env).await?
        };
        let spec = Spec {
            name: name.clone(),
            target_key_id: key.key_id().to_owned(),
        };
        let outputs = self.predict(&spec);
        Ok(Some(Observed { spec, outputs, owner }))
    }

    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let aws = &self.0;
        let start = Instant::now();
        loop {
            let created = aws
                .call("kms:CreateAlias", || {
                    aws.kms
                        .create_alias()
                        .alias_name(&spec.name)
                        .target_key_id(&spec.target_key_id)
                        .send()
                })
                .await;
            match created {
                Ok(_) => break,
                // The key may be too new to be known everywhere.
                Err(why) if why.is_not_found() && start.elapsed() < VISIBLE => sleep(POLL).await,
                Err(why) => return Err(why),
            }
        }
        let start = Instant::now();
        while self.key(&spec.name).await?.is_none() {
            if start.elapsed() >= VISIBLE {
                let message = format!("waited {} s for the new {} to be known", VISIBLE.as_secs(), spec.name);
                return Err(Failure {
                    class: Class::Exhausted,
                    ..Failure::new("kms:DescribeKey", "NotVisibleYet", message)
                }
                .hint("run the same command again: it goes on with this alias"));
            }
            sleep(POLL).await;
        }
        Ok(self.predict(spec))
    }

    async fn update(&self, _: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        let aws = &self.0;
        if changes.has("target_key_id") {
            aws.call("kms:UpdateAlias", || {
                aws.kms
                    .update_alias()
                    .alias_name(&spec.name)
                    .target_key_id(&spec.target_key_id)
                    .send()
            })
            .await?;
        }
        Ok(())
    }

    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let aws = &self.0;
        let name = &live.spec.name;
        let deleted = aws
            .call("kms:DeleteAlias", || aws.kms.delete_alias().alias_name(name).send())
            .await;
        gone(deleted)
    }
}

impl Alias {
    /// The key behind an alias.
    async fn key(&self, name: &str) -> Result<Option<KeyMetadata>, Failure> {
        let aws = &self.0;
        let found = aws
            .call("kms:DescribeKey", || aws.kms.describe_key().key_id(name).send())
            .await;
        Ok(present(found)?.and_then(|found| found.key_metadata))
    }

    /// Whose an alias is that nothing was recorded about. One that points to a key on its way out is free to take.
    async fn owner(&self, key: &KeyMetadata, env: &str) -> Result<Owner, Failure> {
        if key::on_its_way_out(key) {
            return Ok(Owner::Ours);
        }
        let id = key.key_id();
        match key::tags(&self.0, id).await {
            Ok(tags) => Ok(judge(id, tags.get(TAG_ENV).map(String::as_str), env)),
            Err(why) if why.is_not_found() => Ok(Owner::Ours),
            Err(why) if why.code.contains("AccessDenied") => Ok(Owner::Foreign {
                why: format!("it points to the key {id}, whose tags we may not read"),
                adoptable: false,
            }),
            Err(why) => Err(why),
        }
    }
}

/// Whose an alias is that points to a key of environment `theirs`.
fn judge(id: &str, theirs: Option<&str>, ours: &str) -> Owner {
    match theirs {
        Some(theirs) if theirs == ours => Owner::Ours,
        Some(theirs) => Owner::Foreign {
            why: format!("it points to the key {id} of environment {theirs}"),
            adoptable: false,
        },
        None => Owner::Foreign {
            why: format!("it points to the key {id}, which fraudctl did not make"),
            adoptable: true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_belongs_to_whom_its_key_belongs_to() {
        assert_eq!(judge("k", Some("dev"), "dev"), Owner::Ours);
        let prod = judge("k", Some("prod"), "dev");
        assert!(matches!(prod, Owner::Foreign { why, adoptable: false } if why.contains("environment prod")));
        // Nobody's that we know of: theirs, until somebody says that it is to be ours.
        let theirs = judge("k", None, "dev");
        assert!(matches!(theirs, Owner::Foreign { adoptable: true, .. }));
    }
}
