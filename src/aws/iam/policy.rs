//! A managed policy. Its document is kept in versions, of which one is the default and in force.

use super::attachment::detach;
use super::role::root;
use super::wire::{decode, from_wire, to_wire};
use crate::aws::absent::{gone, present};
use crate::aws::wait::once_known;
use crate::aws::{Aws, Document, tags};
use crate::resource::{Address, Changes, Class, Failure, Observed, Outputs, Reconciler, Tags, Target};
use aws_sdk_iam::types::{PolicyUsageType, PolicyVersion};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How many versions IAM keeps of one policy ("IAM and AWS STS quotas"). One more is refused.
const MOST_VERSIONS: usize = 5;

/// A policy's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// Up to 128 characters, unique in the account, whatever the path.
    pub name: String,
    /// Where it is: `/`, or such as `/team/`.
    #[serde(default = "root")]
    pub path: String,
    /// Up to 1000 characters; fixed for the policy's life.
    pub description: String,
    /// What it allows, up to 6144 characters without white space.
    pub document: Document,
    /// Tags.
    pub tags: Tags,
}

/// What to do where a policy is not seen by its path, or is not to be made there.
fn hint(why: Failure) -> Failure {
    match why.class {
        Class::Exists => why.hint("it may stand under another path than role_path in fraudctl.toml says: remove it there"),
        Class::Permanent if why.is_denied() => why.hint(
            "allow iam:CreatePolicy for the principal that runs fraudctl; where the account demands a path, set role_path in \
             fraudctl.toml",
        ),
        _ => why,
    }
}

/// Reconciles [`Spec`].
pub struct Policy(pub Arc<Aws>);

impl Reconciler for Policy {
    type Spec = Spec;
    const KIND: &'static str = "iam.policy";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const IDENTITY: &'static [&'static str] = &["name"];
    const IMMUTABLE: &'static [&'static str] = &["path", "description"];
    const TAGGED: bool = true;
    /// IAM is consistent after some seconds only:
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency>
    const STALE_READS: bool = true;

    fn predict(&self, spec: &Spec) -> Outputs {
        Outputs::from([
            ("arn".to_owned(), self.arn(spec)),
            ("name".to_owned(), spec.name.clone()),
        ])
    }

    /// By the ARN that follows from path and name, with the document that is in force.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let name = &target.spec.name;
        let arn = self.arn(target.spec);
        let found = self
            .0
            .call("iam:GetPolicy", || self.0.iam.get_policy().policy_arn(&arn).send())
            .await;
        let Some(policy) = present(found)?.and_then(|found| found.policy) else {
            return Ok(None);
        };
        let version = policy.default_version_id.unwrap_or_default();
        // Deleted between the two calls.
        let Some(document) = self.document(&arn, &version).await? else {
            return Ok(None);
        };
        let spec = Spec {
            name: name.clone(),
            path: target.spec.path.clone(),
            description: policy.description.unwrap_or_default(),
            document,
            tags: from_wire(policy.tags),
        };
        let outputs = Outputs::from([("arn".to_owned(), arn), ("name".to_owned(), name.clone())]);
        let owner = tags::owner(&spec.tags, &self.0.region);
        Ok(Some(Observed { spec, outputs, owner }))
    }

    /// Waits until IAM itself knows the policy, so that it can be attached.
    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let arn = self.arn(spec);
        let tags = to_wire(&spec.tags)?;
        let description = Some(spec.description.clone()).filter(|text| !text.is_empty());
        self.0
            .call("iam:CreatePolicy", || {
                self.0
                    .iam
                    .create_policy()
                    .policy_name(&spec.name)
                    .path(&spec.path)
                    .set_description(description.clone())
                    .policy_document(spec.document.text())
                    .set_tags(Some(tags.clone()))
                    .send()
            })
            .await
            .map_err(hint)?;
        once_known(&format!("policy {}", spec.name), || {
            self.0
                .call("iam:GetPolicy", || self.0.iam.get_policy().policy_arn(&arn).send())
        })
        .await?;
        Ok(self.predict(spec))
    }

    async fn update(&self, live: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        let arn = live.output("arn");
        if changes.has("document") {
            match self.put(arn, &spec.document).await {
                // Nobody knows whether it arrived. A second version of the same would push out an older one.
                Err(why) if why.class == Class::Ambiguous => {
                    if self.in_force(arn).await?.as_ref() != Some(&spec.document) {
                        self.put(arn, &spec.document).await?;
                    }
                }
                put => put?,
            }
        }
        if changes.has("tags") {
            let aws = &self.0;
            tags::sync(
                &live.spec.tags,
                &spec.tags,
                |keys| async move {
                    aws.call("iam:UntagPolicy", || {
                        let untag = aws.iam.untag_policy().policy_arn(arn);
                        untag.set_tag_keys(Some(keys.clone())).send()
                    })
                    .await
                },
                |tags| async move {
                    let tags = to_wire(&tags)?;
                    aws.call("iam:TagPolicy", || {
                        aws.iam.tag_policy().policy_arn(arn).set_tags(Some(tags.clone())).send()
                    })
                    .await
                },
            )
            .await?;
        }
        Ok(())
    }

    /// Detached first from everyone who has it. Where somebody uses it as a permissions boundary it stays, and IAM
    /// says so: taking a boundary away would give rights.
    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let arn = live.output("arn");
        let bounded = self.users(arn, PolicyUsageType::PermissionsBoundary).await?;
        if !bounded.is_empty() {
            return Err(boundary_of(&bounded));
        }
        self.detach_all(arn).await?;
        let versions = present(self.versions(arn).await)?.unwrap_or_default();
        let others = versions.iter().filter(|version| !version.is_default_version);
        let others: Vec<_> = others.filter_map(PolicyVersion::version_id).collect();
        for version in others {
            self.delete_version(arn, version).await?;
        }
        let deleted = self
            .0
            .call("iam:DeletePolicy", || self.0.iam.delete_policy().policy_arn(arn).send())
            .await;
        gone(deleted)
    }
}

impl Policy {
    fn arn(&self, spec: &Spec) -> String {
        let Spec { path, name, .. } = spec;
        format!("arn:{}:iam::{}:policy{path}{name}", self.0.partition(), self.0.account)
    }

    async fn versions(&self, arn: &str) -> Result<Vec<PolicyVersion>, Failure> {
        let mut all = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let page = self
                .0
                .call("iam:ListPolicyVersions", || {
                    let list = self.0.iam.list_policy_versions().policy_arn(arn);
                    list.set_marker(marker.clone()).send()
                })
                .await?;
            all.extend(page.versions.unwrap_or_default());
            marker = page.marker.filter(|_| page.is_truncated);
            if marker.is_none() {
                return Ok(all);
            }
        }
    }

    /// Puts a document in force, as a new version. The oldest one goes where AWS keeps no more.
    async fn put(&self, arn: &str, document: &Document) -> Result<(), Failure> {
        let versions = self.versions(arn).await?;
        if versions.len() >= MOST_VERSIONS
            && let Some(oldest) = oldest(&versions)
        {
            self.delete_version(arn, oldest).await?;
        }
        self.0
            .call("iam:CreatePolicyVersion", || {
                let create = self.0.iam.create_policy_version().policy_arn(arn);
                create.policy_document(document.text()).set_as_default(true).send()
            })
            .await?;
        Ok(())
    }

    /// The document in force, as far as IAM knows already.
    async fn in_force(&self, arn: &str) -> Result<Option<Document>, Failure> {
        let versions = self.versions(arn).await?;
        let default = versions.iter().find(|version| version.is_default_version);
        let Some(id) = default.and_then(PolicyVersion::version_id) else {
            return Ok(None);
        };
        self.document(arn, id).await
    }

    /// The document of a version.
    async fn document(&self, arn: &str, version: &str) -> Result<Option<Document>, Failure> {
        let found = self
            .0
            .call("iam:GetPolicyVersion", || {
                let get = self.0.iam.get_policy_version().policy_arn(arn);
                get.version_id(version).send()
            })
            .await;
        let Some(found) = present(found)? else { return Ok(None) };
        let document = found.policy_version.and_then(|version| version.document);
        let document = document.map(|text| Document::parse(&decode(&text)));
        Ok(Some(document.unwrap_or_default()))
    }

    async fn delete_version(&self, arn: &str, version: &str) -> Result<(), Failure> {
        let deleted = self
            .0
            .call("iam:DeletePolicyVersion", || {
                self.0
                    .iam
                    .delete_policy_version()
                    .policy_arn(arn)
                    .version_id(version)
                    .send()
            })
            .await;
        gone(deleted)
    }

    /// Who uses a policy in this way: nobody where there is no policy.
    async fn users(&self, arn: &str, usage: PolicyUsageType) -> Result<Users, Failure> {
        let mut users = Users::default();
        let mut marker: Option<String> = None;
        loop {
            let page = self
                .0
                .call("iam:ListEntitiesForPolicy", || {
                    let list = self.0.iam.list_entities_for_policy().policy_arn(arn);
                    let list = list.policy_usage_filter(usage.clone());
                    list.set_marker(marker.clone()).send()
                })
                .await;
            let Some(page) = present(page)? else { return Ok(users) };
            let (roles, people) = (
                page.policy_roles.unwrap_or_default(),
                page.policy_users.unwrap_or_default(),
            );
            let groups = page.policy_groups.unwrap_or_default();
            users.roles.extend(roles.into_iter().filter_map(|role| role.role_name));
            users.users.extend(people.into_iter().filter_map(|user| user.user_name));
            users
                .groups
                .extend(groups.into_iter().filter_map(|group| group.group_name));
            marker = page.marker.filter(|_| page.is_truncated);
            if marker.is_none() {
                return Ok(users);
            }
        }
    }

    async fn detach_all(&self, arn: &str) -> Result<(), Failure> {
        let Users { roles, users, groups } = self.users(arn, PolicyUsageType::PermissionsPolicy).await?;
        for role in &roles {
            detach(&self.0, role, arn).await?;
        }
        for user in &users {
            let detached = self
                .0
                .call("iam:DetachUserPolicy", || {
                    self.0.iam.detach_user_policy().user_name(user).policy_arn(arn).send()
                })
                .await;
            gone(detached)?;
        }
        for group in &groups {
            let detached = self
                .0
                .call("iam:DetachGroupPolicy", || {
                    self.0
                        .iam
                        .detach_group_policy()
                        .group_name(group)
                        .policy_arn(arn)
                        .send()
                })
                .await;
            gone(detached)?;
        }
        Ok(())
    }
}

/// Names of those who use a policy.
#[derive(Debug, Default)]
struct Users {
    roles: Vec<String>,
    users: Vec<String>,
    /// A group has no permissions boundary.
    groups: Vec<String>,
}

impl Users {
    fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.users.is_empty() && self.groups.is_empty()
    }
}

/// A policy that limits somebody, which AWS would not delete. It is not tried: AWS's error is that of a policy which is
/// still being detached, and worth waiting for, while this one stays until somebody takes the limit away.
fn boundary_of(bounded: &Users) -> Failure {
    let named = |kind: &str, names: &[String]| names.iter().map(|name| format!("{kind} {name}")).collect::<Vec<_>>();
    let all = [named("role", &bounded.roles), named("user", &bounded.users)].concat();
    let message = format!("the policy is the permissions boundary of {}", all.join(", "));
    Failure::new("iam:DeletePolicy", "InUse", message)
        .hint("give them another boundary, or none, and run the same command again")
}

/// The oldest version that may be deleted. Ids are `v1`, `v2` and so on, and never given twice.
fn oldest(versions: &[PolicyVersion]) -> Option<&str> {
    let others = versions.iter().filter(|version| !version.is_default_version);
    others
        .filter_map(PolicyVersion::version_id)
        .min_by_key(|id| id.trim_start_matches('v').parse::<u64>().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(id: &str, default: bool) -> PolicyVersion {
        PolicyVersion::builder()
            .version_id(id)
            .is_default_version(default)
            .build()
    }

    #[test]
    fn the_oldest_version_goes_unless_it_is_in_force() {
        let versions = [version("v10", false), version("v2", true), version("v9", false)];
        assert_eq!(oldest(&versions), Some("v9"));
        assert_eq!(oldest(&versions[1..2]), None);
    }
}
