//! A change of a table's tags goes on after its reply, and until it is over there is no other.

use std::collections::HashMap;
use std::time::Instant;

use super::super::call::Call;
use super::super::dice::{Dice, Span};
use super::super::http::Answer;
use super::super::refusal::Refusal;
use super::{Effect, table};

/// Tables whose tags are being changed: they take no other change of tags, are not deleted, and show their old tags.
pub(in super::super) struct TableTags {
    locked_for: Span,
    dice: Dice,
    tables: HashMap<String, Tags>,
    changes: u64,
}

#[derive(Default)]
struct Tags {
    /// What was answered last.
    last: Option<Answer>,
    /// Until when they are being changed, and what they were.
    locked: Option<(Instant, Option<Answer>)>,
}

impl TableTags {
    pub(in super::super) fn new(locked_for: Span, dice: Dice) -> Self {
        Self {
            locked_for,
            dice,
            tables: HashMap::new(),
            changes: 0,
        }
    }
}

impl Effect for TableTags {
    fn name(&self) -> &'static str {
        "the table's tags are being updated"
    }

    fn instead(&mut self, call: &Call, now: Instant) -> Option<Answer> {
        let name = table(call)?;
        let (until, old) = self.tables.get(name)?.locked.as_ref()?;
        if now >= *until {
            return None;
        }
        let updated = format!("Table tags are being updated: {name}");
        let refusal = match call.operation.as_str() {
            "TagResource" | "UntagResource" => {
                let message = format!("Subscriber limit exceeded: {updated}");
                Refusal::new(400, "LimitExceededException", message)
            }
            "DeleteTable" => {
                let message = format!("Attempt to change a resource which is still in use: {updated}");
                Refusal::new(400, "ResourceInUseException", message)
            }
            "ListTagsOfResource" => return old.clone(),
            _ => return None,
        };
        Some(refusal.answer(call))
    }

    fn answered(&mut self, call: &Call, answer: &mut Answer, now: Instant) {
        let Some(name) = table(call).filter(|_| answer.is_success()) else {
            return;
        };
        match call.operation.as_str() {
            "TagResource" | "UntagResource" => {
                self.changes += 1;
                let until = now + self.dice.within(self.locked_for, "tags", self.changes);
                let tags = self.tables.entry(name.to_owned()).or_default();
                tags.locked = Some((until, tags.last.take()));
            }
            "ListTagsOfResource" => {
                self.tables.entry(name.to_owned()).or_default().last = Some(answer.clone());
            }
            "CreateTable" => drop(self.tables.remove(name)),
            _ => {}
        }
    }
}
