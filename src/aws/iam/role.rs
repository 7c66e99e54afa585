//! A role: who may assume it. What it may do hangs on it as attachments.

use super::attachment::{attached, detach, on_role};
use super::wire::{decode, from_wire, to_wire};
use crate::aws::absent::{gone, present};
use crate::aws::wait::once_known;
use crate::aws::{Aws, Document, Others, tags};
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Tags, Target, references};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A role's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// Up to 64 characters, unique in the account, whatever the path.
    pub name: String,
    /// Where it is: `/`, or such as `/team/`.
    #[serde(default = "root")]
    pub path: String,
    /// Up to 1000 characters.
    pub description: String,
    /// Who may assume it.
    pub assume_role_policy: Document,
    /// The ARN of the policy that bounds what it may do. Without one, a boundary that somebody else set is left alone.
    #[serde(default)]
    pub permissions_boundary: Option<String>,
    /// The ARNs of the managed policies that may be on it. Each attachment is a resource of its own; here those that nobody
    /// asked for show.
    #[serde(default)]
    pub managed_policies: BTreeSet<String>,
    /// What somebody else set.
    #[serde(default)]
    pub others: Others,
    /// Tags.
    pub tags: Tags,
}

/// Reconciles [`Spec`].
pub struct Role(pub Arc<Aws>);

impl Reconciler for Role {
    type Spec = Spec;
    const KIND: &'static str = "iam.role";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const IDENTITY: &'static [&'static str] = &["name"];
    const IMMUTABLE: &'static [&'static str] = &["path"];
    const TAGGED: bool = true;
    /// IAM is consistent after some seconds only:
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency>
    const STALE_READS: bool = true;

    fn predict(&self, spec: &Spec) -> Outputs {
        let Spec { path, name, .. } = spec;
        let arn = format!("arn:{}:iam::{}:role{path}{name}", self.0.partition(), self.0.account);
        Outputs::from([("arn".to_owned(), arn), ("name".to_owned(), spec.name.clone())])
    }

    /// By name. A boundary is shown only where it is the one that was asked for: then it is missing where another has taken
    /// its place, and where none was asked for, nobody's is taken away. For some seconds after a change IAM may still answer
    /// with what was before.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let name = &target.spec.name;
        let (found, attached, inline) = tokio::join!(
            self.0
                .call("iam:GetRole", || self.0.iam.get_role().role_name(name).send()),
            on_role(&self.0, name),
            self.inline_policies(name),
        );
        let Some(role) = present(found)?.and_then(|found| found.role) else {
            return Ok(None);
        };
        let attached = present(attached)?.unwrap_or_default();
        let inline: Vec<_> = inline?;
        let policy = role.assume_role_policy_document.as_deref().map(decode);
        let boundary = role
            .permissions_boundary
            .and_then(|found| found.permissions_boundary_arn);
        let spec = Spec {
            name: role.role_name.clone(),
            path: role.path,
            permissions_boundary: boundary.filter(|arn| target.spec.permissions_boundary.as_ref() == Some(arn)),
            description: role.description.unwrap_or_default(),
            assume_role_policy: policy.map(|text| Document::parse(&text)).unwrap_or_default(),
            managed_policies: wanted_and_found(&target.spec.managed_policies, &attached),
            others: Others::of([(INLINE, json!(inline), Value::Null)]),
            tags: from_wire(role.tags),
        };
        let outputs = Outputs::from([("arn".to_owned(), role.arn), ("name".to_owned(), role.role_name)]);
        let owner = tags::owner(&spec.tags, &self.0.region);
        Ok(Some(Observed { spec, outputs, owner }))
    }

    /// Waits until IAM itself knows the role. Other services learn of it some seconds later, which the retry table
    /// waits for.
    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let tags = to_wire(&spec.tags)?;
        let created = self
            .0
            .call("iam:CreateRole", || {
                self.0
                    .iam
                    .create_role()
                    .role_name(&spec.name)
                    .path(&spec.path)
                    .set_permissions_boundary(spec.permissions_boundary.clone())
                    .description(&spec.description)
                    .assume_role_policy_document(spec.assume_role_policy.text())
                    .set_tags(Some(tags.clone()))
                    .send()
            })
            .await
            .map_err(|why| hint(why, spec))?;
        once_known(&format!("role {}", spec.name), || {
            self.0
                .call("iam:GetRole", || self.0.iam.get_role().role_name(&spec.name).send())
        })
        .await?;
        let mut outputs = self.predict(spec);
        if let Some(role) = created.role {
            outputs.insert("arn".to_owned(), role.arn);
        }
        Ok(outputs)
    }

    async fn update(&self, live: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        let name = &live.spec.name;
        if changes.has("description") {
            // Not UpdateRole, which would reset the longest session to one hour.
            self.0
                .call("iam:UpdateRoleDescription", || {
                    let update = self.0.iam.update_role_description().role_name(name);
                    update.description(&spec.description).send()
                })
                .await?;
        }
        if changes.has("assume_role_policy") {
            self.0
                .call("iam:UpdateAssumeRolePolicy", || {
                    let update = self.0.iam.update_assume_role_policy().role_name(name);
                    update.policy_document(spec.assume_role_policy.text()).send()
                })
                .await?;
        }
        if changes.has("permissions_boundary") {
            self.bound(spec).await?;
        }
        if changes.has("managed_policies") {
            for policy in live.spec.managed_policies.difference(&spec.managed_policies) {
                detach(&self.0, name, policy).await?;
            }
        }
        if live.spec.others.takes_back(changes, INLINE) {
            self.delete_inline(name, &live.spec.others.texts_in(INLINE)).await?;
        }
        if changes.has("tags") {
            let aws = &self.0;
            tags::sync(
                &live.spec.tags,
                &spec.tags,
                |keys| async move {
                    aws.call("iam:UntagRole", || {
                        let untag = aws.iam.untag_role().role_name(name);
                        untag.set_tag_keys(Some(keys.clone())).send()
                    })
                    .await
                },
                |tags| async move {
                    let tags = to_wire(&tags)?;
                    aws.call("iam:TagRole", || {
                        aws.iam.tag_role().role_name(name).set_tags(Some(tags.clone())).send()
                    })
                    .await
                },
            )
            .await?;
        }
        Ok(())
    }

    /// With everything that hangs on the role, whoever hung it there: IAM does not delete a role otherwise.
    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let name = &live.spec.name;
        let Some(policies) = present(attached(&self.0, name).await)? else {
            return Ok(());
        };
        for policy in &policies {
            detach(&self.0, name, policy).await?;
        }
        self.delete_inline(name, &self.inline_policies(name).await?).await?;
        for profile in &self.instance_profiles(name).await? {
            let removed = self
                .0
                .call("iam:RemoveRoleFromInstanceProfile", || {
                    let remove = self.0.iam.remove_role_from_instance_profile().role_name(name);
                    remove.instance_profile_name(profile).send()
                })
                .await;
            gone(removed)?;
        }
        let deleted = self
            .0
            .call("iam:DeleteRole", || self.0.iam.delete_role().role_name(name).send())
            .await;
        gone(deleted)
    }
}

/// Where a path is not said, which no state of before does, it is the account's root.
pub(super) fn root() -> String {
    "/".to_owned()
}

/// What to do where IAM does not know the boundary, or makes a role only with one.
fn hint(why: Failure, spec: &Spec) -> Failure {
    match &spec.permissions_boundary {
        Some(arn) if why.is_not_found() => why.hint(format!(
            "the permissions boundary {arn} does not exist: check permissions_boundary in fraudctl.toml"
        )),
        None if why.is_denied() => {
            let operation = why.operation.clone();
            why.hint(format!(
                "allow {operation} for the principal that runs fraudctl; where the account demands a permissions boundary \
                 or a path, set permissions_boundary or role_path in fraudctl.toml"
            ))
        }
        _ => why,
    }
}

/// What IAM calls the policies that are part of a role.
const INLINE: &str = "InlinePolicies";

/// All that may be on the role, whether it is or not, and all that is. A reference that is not known yet stands for none.
fn wanted_and_found(wanted: &BTreeSet<String>, found: &[String]) -> BTreeSet<String> {
    let wanted = wanted.iter().filter(|arn| references(&json!(arn)).is_empty());
    wanted.chain(found).cloned().collect()
}

impl Role {
    /// Sets the boundary, or takes away the one that is ours.
    async fn bound(&self, spec: &Spec) -> Result<(), Failure> {
        let (aws, name) = (&self.0, &spec.name);
        let Some(arn) = &spec.permissions_boundary else {
            let removed = aws
                .call("iam:DeleteRolePermissionsBoundary", || {
                    aws.iam.delete_role_permissions_boundary().role_name(name).send()
                })
                .await;
            return gone(removed);
        };
        aws.call("iam:PutRolePermissionsBoundary", || {
            let put = aws.iam.put_role_permissions_boundary().role_name(name);
            put.permissions_boundary(arn).send()
        })
        .await
        .map_err(|why| hint(why, spec))?;
        Ok(())
    }

    async fn delete_inline(&self, role: &str, policies: &[String]) -> Result<(), Failure> {
        for policy in policies {
            let deleted = self
                .0
                .call("iam:DeleteRolePolicy", || {
                    let delete = self.0.iam.delete_role_policy().role_name(role);
                    delete.policy_name(policy).send()
                })
                .await;
            gone(deleted)?;
        }
        Ok(())
    }

    /// The names of the policies that are part of the role. None where there is no role.
    async fn inline_policies(&self, role: &str) -> Result<Vec<String>, Failure> {
        let mut all = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let page = self
                .0
                .call("iam:ListRolePolicies", || {
                    let list = self.0.iam.list_role_policies().role_name(role);
                    list.set_marker(marker.clone()).send()
                })
                .await;
            let Some(page) = present(page)? else { return Ok(all) };
            all.extend(page.policy_names);
            marker = page.marker.filter(|_| page.is_truncated);
            if marker.is_none() {
                return Ok(all);
            }
        }
    }

    /// The names of the instance profiles that hold the role. None where there is no role.
    async fn instance_profiles(&self, role: &str) -> Result<Vec<String>, Failure> {
        let mut all = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let page = self
                .0
                .call("iam:ListInstanceProfilesForRole", || {
                    let list = self.0.iam.list_instance_profiles_for_role().role_name(role);
                    list.set_marker(marker.clone()).send()
                })
                .await;
            let Some(page) = present(page)? else { return Ok(all) };
            all.extend(
                page.instance_profiles
                    .into_iter()
                    .map(|profile| profile.instance_profile_name),
            );
            marker = page.marker.filter(|_| page.is_truncated);
            if marker.is_none() {
                return Ok(all);
            }
        }
    }
}
