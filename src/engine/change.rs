//! One resource's part of a plan.

use super::diff::FieldChange;
use crate::resource::{Address, Live};
use crate::state::{Record, Retired};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// What is to be done to one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It does not exist: make it.
    Create,
    /// It exists otherwise than desired, and AWS can change it.
    Update,
    /// It exists otherwise than desired, and AWS cannot change it: make another, remove this one.
    Replace,
    /// It is no longer desired.
    Delete,
    /// It exists and is ours, but nothing remembers it, or it is asked for by its address and to be ours from now on:
    /// remember it, and bring it to what is desired.
    Adopt,
    /// It is as desired.
    Unchanged,
    /// Something made on this machine, a Lambda binary, is not there yet. Counts as no resource.
    Build,
}

/// One resource's part of a plan.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its address.
    pub address: Address,
    /// Its kind.
    pub kind: String,
    /// What is to be done.
    pub action: Action,
    /// The fields that differ, for updates, replacements and adoptions.
    pub fields: Vec<FieldChange>,
    /// What is desired, with references that only become known on the way. Null for a delete.
    pub desired: Value,
    /// What stands now.
    pub live: Option<Live>,
    /// For a replacement: may the new one be made before the old one goes?
    pub create_first: bool,
    /// For a delete: is this a predecessor, to be removed once nothing needs it?
    pub retired: bool,
    /// For a create: is it remembered, and was removed outside of fraudctl?
    pub gone: bool,
    /// Is it something of this machine, not of AWS?
    pub ephemeral: bool,
    /// Whom it waits for, now.
    pub depends_on: BTreeSet<Address>,
    /// Whom it waited for when it was made.
    pub depended_on: BTreeSet<Address>,
}

impl Change {
    /// The removal of what stood here.
    pub fn delete(address: Address, kind: &str) -> Self {
        Self {
            address,
            kind: kind.to_owned(),
            action: Action::Delete,
            fields: Vec::new(),
            desired: Value::Null,
            live: None,
            create_first: false,
            retired: false,
            gone: false,
            ephemeral: false,
            depends_on: BTreeSet::new(),
            depended_on: BTreeSet::new(),
        }
    }

    /// What is to be remembered of the one that a replacement leaves behind.
    pub fn retire(&self, record: Option<&Record>) -> Option<Retired> {
        let live = self.live.as_ref()?;
        Some(Retired {
            outputs: live.outputs.clone(),
            applied: record.map_or_else(|| live.spec.clone(), |record| record.applied.clone()),
            depends_on: self.depended_on.iter().cloned().collect(),
        })
    }
}
