//! The name of a deleted queue is refused for a while, and the queue still told of.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::super::call::Call;
use super::super::dice::{Dice, Span};
use super::super::http::Answer;
use super::super::refusal::Refusal;
use super::{Effect, last};

/// What asks about one queue.
const READS: [&str; 3] = ["GetQueueUrl", "GetQueueAttributes", "ListQueueTags"];

/// Names of queues that were deleted.
pub(in super::super) struct Queues {
    refused_for: Duration,
    told_for: Span,
    dice: Dice,
    deleted: HashMap<String, Instant>,
    /// What was answered last, by the queue's name and the operation.
    told: HashMap<(String, String), Answer>,
}

impl Queues {
    pub(in super::super) fn new(refused_for: Duration, told_for: Span, dice: Dice) -> Self {
        Self {
            refused_for,
            told_for,
            dice,
            deleted: HashMap::new(),
            told: HashMap::new(),
        }
    }
}

fn queue(call: &Call) -> &str {
    let name = call.field("QueueName");
    if name.is_empty() {
        last(call.field("QueueUrl"))
    } else {
        name
    }
}

impl Effect for Queues {
    fn name(&self) -> &'static str {
        "the queue was deleted"
    }

    fn instead(&mut self, call: &Call, now: Instant) -> Option<Answer> {
        if call.service != "sqs" {
            return None;
        }
        let name = queue(call);
        let deleted = *self.deleted.get(name)?;
        if call.operation == "CreateQueue" && now < deleted + self.refused_for {
            let message = "You must wait 60 seconds after deleting a queue before you can create another with the same \
                           name.";
            return Some(Refusal::new(400, "QueueDeletedRecently", message).answer(call));
        }
        let told = self.dice.within(self.told_for, &format!("queue {name} is told of"), 0);
        let key = (name.to_owned(), call.operation.clone());
        self.told.get(&key).filter(|_| now < deleted + told).cloned()
    }

    fn answered(&mut self, call: &Call, answer: &mut Answer, now: Instant) {
        if call.service != "sqs" || !answer.is_success() {
            return;
        }
        let name = queue(call).to_owned();
        if call.operation == "DeleteQueue" {
            self.deleted.insert(name, now);
        } else if READS.contains(&call.operation.as_str()) {
            self.told.insert((name, call.operation.clone()), answer.clone());
        }
    }
}
