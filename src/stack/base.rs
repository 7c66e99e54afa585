//! What every room of the stack needs: where it stands, names, tags, policies.

use crate::config::Settings;
use crate::engine::Graph;
use crate::resource::{Reconciler, TAG_ADDRESS, TAG_ENV, TAG_REGION, Tags};
use serde::Serialize;

/// The namespace of the metrics that the functions write, each with the dimension `Environment`.
pub(super) const METRICS: &str = "FraudDetection";

/// Where the stack stands, and what it is made of.
#[derive(Clone, Debug)]
pub struct Stack<'a> {
    /// What the user chose.
    pub settings: &'a Settings,
    /// The account.
    pub account: &'a str,
    /// The region.
    pub region: &'a str,
    /// The partition, `aws` nearly everywhere.
    pub partition: &'a str,
    /// The endpoint, where it is not AWS's own.
    pub endpoint: Option<&'a str>,
}

/// The Lambda binaries: `spec` for each function's name, to be built in time.
pub type Binaries<'a> = &'a dyn Fn(&'static str) -> crate::artifact::Spec;

impl Stack<'_> {
    /// A name that ends with the environment's.
    pub(super) fn named(&self, name: &str) -> String {
        format!("{name}-{}", self.settings.env)
    }

    /// The ARN of something in this account and region, for policies.
    pub(super) fn arn(&self, service: &str, resource: &str) -> String {
        format!(
            "arn:{}:{service}:{}:{}:{resource}",
            self.partition, self.region, self.account
        )
    }

    /// The tags of the resource at this address.
    pub(super) fn tags(&self, address: &str) -> Tags {
        let mut tags: Tags = [
            ("Environment", self.settings.env.as_str()),
            ("Project", "FraudDetection"),
            ("CostCenter", "Engineering"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        tags.extend(self.settings.tags.clone());
        tags.insert(TAG_ENV.to_owned(), self.settings.env.clone());
        tags.insert(TAG_ADDRESS.to_owned(), address.to_owned());
        tags
    }

    /// The tags of what has one name in all regions: the same environment in another region would take it for its own.
    pub(super) fn global_tags(&self, address: &str) -> Tags {
        let mut tags = self.tags(address);
        tags.insert(TAG_REGION.to_owned(), self.region.to_owned());
        tags
    }
}

/// Declares a resource.
pub(super) fn add<R: Reconciler>(graph: &mut Graph, address: &str, spec: R::Spec) -> crate::resource::Handle
where
    R::Spec: Serialize,
{
    graph.add::<R>(address, &spec)
}

/// A policy document of these statements.
pub(super) fn policy(statements: impl Into<serde_json::Value>) -> crate::aws::Document {
    crate::aws::Document::new(serde_json::json!({"Version": "2012-10-17", "Statement": statements.into()}))
}
