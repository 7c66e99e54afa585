//! The name of a deleted queue is refused for a while.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::super::call::Call;
use super::super::http::Answer;
use super::super::refusal::Refusal;
use super::{Effect, last};

/// Names of queues that were deleted.
pub(in super::super) struct Queues {
    refused_for: Duration,
    deleted: HashMap<String, Instant>,
}

impl Queues {
    pub(in super::super) fn new(refused_for: Duration) -> Self {
        Self {
            refused_for,
            deleted: HashMap::new(),
        }
    }
}

impl Effect for Queues {
    fn name(&self) -> &'static str {
        "the queue was deleted"
    }

    fn instead(&mut self, call: &Call, now: Instant) -> Option<Answer> {
        let deleted = self.deleted.get(call.field("QueueName"))?;
        let refused = call.is("sqs", "CreateQueue") && now < *deleted + self.refused_for;
        let message = "You must wait 60 seconds after deleting a queue before you can create another with the same \
                       name.";
        refused.then(|| Refusal::new(400, "QueueDeletedRecently", message).answer(call))
    }

    fn answered(&mut self, call: &Call, answer: &mut Answer, now: Instant) {
        if call.is("sqs", "DeleteQueue") && answer.is_success() {
            self.deleted.insert(last(call.field("QueueUrl")).to_owned(), now);
        }
    }
}
