use crate::resource::{Address, Outputs};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The version of the file format that this program writes and reads.
pub const FORMAT: u32 = 1;

/// Everything remembered of one environment. No secret is ever in it, not even encrypted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The file format, [`FORMAT`].
    pub version: u32,
    /// Counts the writes.
    pub serial: u64,
    /// Made once; two files of different lineage are of different histories.
    pub lineage: String,
    /// Which environment, where.
    #[serde(flatten)]
    pub place: Place,
    /// What stands, by address.
    pub resources: BTreeMap<Address, Record>,
}

/// The one place that a state is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The environment's name.
    pub env: String,
    /// The account, 12 digits.
    pub account: String,
    /// The region.
    pub region: String,
    /// The endpoint, where it is not AWS's own.
    pub endpoint: Option<String>,
}

/// One resource, as remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its kind.
    pub kind: String,
    /// How far it has come.
    pub status: Status,
    /// What others refer to.
    pub outputs: Outputs,
    /// What we last asked for, with every reference resolved.
    pub applied: Value,
    /// What AWS said right after. `None` while nobody has looked.
    pub observed: Option<Value>,
    /// Whom it waits for; who waits for it is removed first.
    pub depends_on: Vec<Address>,
    /// Predecessors that were replaced and are still to be removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retiring: Vec<Retired>,
}

/// A resource that was replaced and may still exist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retired {
    /// Its outputs; the id among them tells it from its successor.
    pub outputs: Outputs,
    /// What it was.
    pub applied: Value,
    /// Whom it waited for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Address>,
}

/// How far a resource has come. Written before the call that makes it true, so a death in between is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// A create may have left; the resource may exist.
    Creating,
    /// It stands as recorded.
    Ready,
    /// An update may have left; the resource may be half one, half the other.
    Updating,
    /// A delete may have left; the resource may be gone.
    Deleting,
}

impl State {
    /// Nothing yet, at this place.
    pub fn new(place: Place) -> Self {
        Self {
            version: FORMAT,
            serial: 0,
            lineage: lineage(),
            place,
            resources: BTreeMap::new(),
        }
    }
}

/// A name that no other state has: the time, the process, and a hash that is keyed afresh in every process.
fn lineage() -> String {
    use std::hash::{BuildHasher, RandomState};
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let salt = RandomState::new().hash_one((now.as_nanos(), std::process::id()));
    format!("{:x}-{salt:016x}", now.as_secs())
}
