use super::plan::Action;
use crate::resource::Address;
use std::time::Duration;

/// What happens while a plan is carried out. Told to whoever shows it; nobody decides by it.
#[derive(Clone, Debug)]
pub enum Event {
    /// A step has begun.
    Started {
        /// Which resource.
        address: Address,
        /// Of which kind.
        kind: String,
        /// What is done to it.
        action: Action,
    },
    /// A step has ended.
    Finished {
        /// Which resource.
        address: Address,
        /// Of which kind.
        kind: String,
        /// What was done to it.
        action: Action,
        /// How it ended.
        outcome: Outcome,
        /// How long it took.
        took: Duration,
    },
    /// AWS accepted a change but shows other values than those asked for.
    NotTaken {
        /// Which resource.
        address: Address,
        /// Which fields.
        paths: Vec<String>,
    },
    /// AWS refused to take tags away; all else was done.
    TagsKept {
        /// Which resource.
        address: Address,
        /// Which tags, why, and what to do about it.
        why: String,
    },
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As planned.
    Done,
    /// When all references were known, nothing was left to do.
    Nothing,
    /// With this message.
    Failed(String),
    /// Not begun, because of this.
    Skipped(String),
}

/// Where events go.
pub type Sink<'a> = &'a (dyn Fn(Event) + Send + Sync);
