//! One statement of a policy.

use serde::Serialize;
use std::collections::BTreeMap;

/// A statement in IAM's own terms.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Statement {
    sid: &'static str,
    effect: &'static str,
    action: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resource: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_resource: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: BTreeMap<&'static str, BTreeMap<String, Vec<String>>>,
}

impl Statement {
    /// These actions are allowed on these resources.
    pub fn allow(sid: &'static str, actions: &[&'static str], resource: Vec<String>) -> Self {
        let mut action = actions.to_vec();
        action.sort_unstable();
        Self {
            sid,
            effect: "Allow",
            action,
            resource,
            not_resource: Vec::new(),
            condition: BTreeMap::new(),
        }
    }

    /// These actions are refused on these resources, whatever else allows them.
    pub fn deny(sid: &'static str, actions: &[&'static str], resource: Vec<String>) -> Self {
        Self {
            effect: "Deny",
            ..Self::allow(sid, actions, resource)
        }
    }

    /// The same on everything but its resources.
    #[must_use]
    pub fn elsewhere(mut self) -> Self {
        self.not_resource = std::mem::take(&mut self.resource);
        self
    }

    /// The same, only when this also holds.
    #[must_use]
    pub fn when(mut self, operator: &'static str, key: impl Into<String>, values: Vec<String>) -> Self {
        let tests = self.condition.entry(operator).or_default();
        tests.insert(key.into(), values);
        self
    }

    /// Does it say anything?
    pub fn is_empty(&self) -> bool {
        self.action.is_empty()
    }
}

/// The condition key of a tag that the resource has.
pub fn resource_tag(tag: &str) -> String {
    format!("aws:ResourceTag/{tag}")
}

/// The condition key of a tag that the request gives.
pub fn request_tag(tag: &str) -> String {
    format!("aws:RequestTag/{tag}")
}

/// A part of a resource as it is written, where IAM would take some of it for wildcards and variables.
pub fn literal(text: &str) -> String {
    let escaped = |c: char| match c {
        '$' | '*' | '?' => format!("${{{c}}}"),
        c => c.to_string(),
    };
    text.chars().map(escaped).collect()
}
