//! An index is filled, or removed, while its table is as active as ever.

use std::collections::HashMap;
use std::time::Instant;

use serde_json::json;

use super::super::call::Call;
use super::super::dice::{Dice, Span};
use super::super::http::Answer;
use super::super::refusal::Refusal;
use super::{Effect, table};

/// Indexes that are `CREATING`, `UPDATING` or `DELETING` for a while. Meanwhile their table is not deleted, and makes and
/// removes no other.
pub(in super::super) struct Indexes {
    filling: Span,
    dice: Dice,
    tables: HashMap<String, Index>,
    changes: u64,
}

struct Index {
    name: String,
    becoming: &'static str,
    until: Instant,
}

impl Indexes {
    pub(in super::super) fn new(filling: Span, dice: Dice) -> Self {
        Self {
            filling,
            dice,
            tables: HashMap::new(),
            changes: 0,
        }
    }
}

impl Effect for Indexes {
    fn name(&self) -> &'static str {
        "an index is being filled"
    }

    fn instead(&mut self, call: &Call, now: Instant) -> Option<Answer> {
        self.tables.get(table(call)?).filter(|index| now < index.until)?;
        let refusal = match call.operation.as_str() {
            "DeleteTable" => {
                let message = "Attempt to change a resource which is still in use: Cannot delete table while indexes are \
                               being created, updated, or deleted.";
                Refusal::new(400, "ResourceInUseException", message)
            }
            "UpdateTable" if index(call).is_some() => {
                let message = "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously \
                               per table";
                Refusal::new(400, "LimitExceededException", message)
            }
            _ => return None,
        };
        Some(refusal.answer(call))
    }

    fn answered(&mut self, call: &Call, answer: &mut Answer, now: Instant) {
        let Some(name) = table(call).filter(|_| answer.is_success()) else {
            return;
        };
        match call.operation.as_str() {
            "UpdateTable" => {
                if let Some((index, becoming)) = index(call) {
                    self.changes += 1;
                    let until = now + self.dice.within(self.filling, "index", self.changes);
                    let index = Index {
                        name: index.to_owned(),
                        becoming,
                        until,
                    };
                    self.tables.insert(name.to_owned(), index);
                }
            }
            "DescribeTable" => {
                let Some(index) = self.tables.get(name).filter(|index| now < index.until) else {
                    return;
                };
                answer.edit(|body| {
                    let indexes = &mut body["Table"]["GlobalSecondaryIndexes"];
                    if !indexes.is_array() {
                        *indexes = json!([]);
                    }
                    let indexes = indexes.as_array_mut().expect("it is one");
                    match indexes.iter_mut().find(|one| one["IndexName"] == index.name.as_str()) {
                        Some(one) => one["IndexStatus"] = json!(index.becoming),
                        // The emulator has removed it at once.
                        None => indexes.push(json!({"IndexName": index.name, "IndexStatus": index.becoming})),
                    }
                });
            }
            _ => {}
        }
    }
}

/// The index that a change of a table is about, and what it becomes.
fn index(call: &Call) -> Option<(&str, &'static str)> {
    let update = &call.fields["GlobalSecondaryIndexUpdates"][0];
    [("Create", "CREATING"), ("Update", "UPDATING"), ("Delete", "DELETING")]
        .into_iter()
        .find_map(|(action, becoming)| Some((update[action]["IndexName"].as_str()?, becoming)))
}
