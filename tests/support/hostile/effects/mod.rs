//! What AWS does beside what it is asked: each effect watches the calls, and answers or colours some of them.

mod attributes;
mod endings;
mod functions;
mod indexes;
mod keys;
mod newborn;
mod queues;
mod readers;
mod roles;
mod table_tags;
mod tables;

use std::time::Instant;

use serde_json::Value;

pub(super) use attributes::Attributes;
pub(super) use endings::Endings;
pub use endings::FunctionEndings;
pub(super) use functions::Functions;
pub(super) use indexes::Indexes;
pub(super) use keys::Keys;
pub(super) use newborn::{Kind, Newborn};
pub(super) use queues::Queues;
pub(super) use readers::Readers;
pub(super) use roles::Roles;
pub(super) use table_tags::TableTags;
pub(super) use tables::Tables;

use super::call::Call;
use super::http::Answer;

/// One effect.
pub(super) trait Effect: Send {
    /// What a record says of a call that it answered.
    fn name(&self) -> &'static str;

    /// What AWS answers instead of doing what is asked.
    fn instead(&mut self, call: &Call, now: Instant) -> Option<Answer>;

    /// Sees the answer to what AWS did, and may change what the caller sees of it.
    fn answered(&mut self, call: &Call, answer: &mut Answer, now: Instant);
}

/// The last part of an ARN, a URL or a path.
fn last(text: &str) -> &str {
    text.rsplit(['/', ':']).next().unwrap_or(text)
}

/// The table that a call to DynamoDB is about.
fn table(call: &Call) -> Option<&str> {
    let named = [call.field("TableName"), call.field("ResourceArn")];
    let name = named.into_iter().find(|name| !name.is_empty())?;
    (call.service == "dynamodb").then(|| last(name))
}

/// The answer's body as JSON; null when it is none.
fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}
