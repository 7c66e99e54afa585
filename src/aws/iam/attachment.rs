//! A managed policy on a role.

use crate::aws::Aws;
use crate::aws::absent::{gone, present};
use crate::aws::wait::once_known;
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Target};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An attachment's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// The role's name.
    pub role: String,
    /// The policy's ARN.
    pub policy_arn: String,
}

/// Reconciles [`Spec`].
pub struct Attachment(pub Arc<Aws>);

impl Reconciler for Attachment {
    type Spec = Spec;
    const KIND: &'static str = "iam.attachment";
    const OUTPUTS: &'static [&'static str] = &[];
    const IDENTITY: &'static [&'static str] = &["role", "policy_arn"];
    const PARENTS: &'static [&'static str] = &["role", "policy_arn"];
    /// It is there or not; nothing of it can be old.
    const STALE_READS: bool = false;

    /// From the list of all that is attached to the role, read once for all attachments of that role.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let Spec { role, policy_arn } = target.spec;
        let attached = present(on_role(&self.0, role).await)?.is_some_and(|all| all.contains(policy_arn));
        Ok(attached.then(|| Observed::new(target.spec.clone(), Outputs::new())))
    }

    /// Idempotent. Waits until IAM knows the role and the policy in the place that attaches them.
    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let Spec { role, policy_arn } = spec;
        once_known(&format!("role {role} and policy {policy_arn}"), || {
            self.0.call("iam:AttachRolePolicy", || {
                self.0
                    .iam
                    .attach_role_policy()
                    .role_name(role)
                    .policy_arn(policy_arn)
                    .send()
            })
        })
        .await?;
        Ok(Outputs::new())
    }

    /// Nothing of an attachment can change: it is what it names.
    async fn update(&self, _: &Observed<Spec>, _: &Spec, _: &Changes) -> Result<(), Failure> {
        Ok(())
    }

    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        detach(&self.0, &live.spec.role, &live.spec.policy_arn).await
    }
}

/// As [`attached`], read once for all who ask.
pub(super) async fn on_role(aws: &Aws, role: &str) -> Result<Arc<Vec<String>>, Failure> {
    let key = format!("iam:ListAttachedRolePolicies {role}");
    aws.shared(key, || attached(aws, role)).await
}

/// The ARNs of all managed policies on a role.
pub(super) async fn attached(aws: &Aws, role: &str) -> Result<Vec<String>, Failure> {
    let mut all = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let page = aws
            .call("iam:ListAttachedRolePolicies", || {
                let list = aws.iam.list_attached_role_policies().role_name(role);
                list.set_marker(marker.clone()).send()
            })
            .await?;
        let policies = page.attached_policies.unwrap_or_default();
        all.extend(policies.into_iter().filter_map(|policy| policy.policy_arn));
        marker = page.marker.filter(|_| page.is_truncated);
        if marker.is_none() {
            return Ok(all);
        }
    }
}

/// Takes a managed policy off a role. Not attached, or no such role, is success.
pub(super) async fn detach(aws: &Aws, role: &str, policy_arn: &str) -> Result<(), Failure> {
    let detached = aws
        .call("iam:DetachRolePolicy", || {
            aws.iam
                .detach_role_policy()
                .role_name(role)
                .policy_arn(policy_arn)
                .send()
        })
        .await;
    gone(detached)
}
