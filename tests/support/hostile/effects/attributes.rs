//! Queues and topics show old attributes after a change.

use std::collections::HashMap;
use std::time::Instant;

use super::super::call::Call;
use super::super::dice::{Dice, Span};
use super::super::http::Answer;
use super::Effect;

/// How many of the places that answer are behind.
const BEHIND: f64 = 0.6;

/// Attributes of queues, topics and subscriptions that are read as they were.
pub(in super::super) struct Attributes {
    stale: Span,
    dice: Dice,
    /// By whom they are of.
    shown: HashMap<String, Shown>,
    throws: u64,
}

#[derive(Default)]
struct Shown {
    last: Option<Answer>,
    /// What was shown before the last change, and until when it is.
    old: Option<(Answer, Instant)>,
}

impl Attributes {
    pub(in super::super) fn new(stale: Span, dice: Dice) -> Self {
        Self {
            stale,
            dice,
            shown: HashMap::new(),
            throws: 0,
        }
    }
}

impl Effect for Attributes {
    fn name(&self) -> &'static str {
        "stale attributes"
    }

    fn instead(&mut self, _: &Call, _: Instant) -> Option<Answer> {
        None
    }

    fn answered(&mut self, call: &Call, answer: &mut Answer, now: Instant) {
        let whose = match (call.service.as_str(), call.operation.as_str()) {
            ("sqs", "GetQueueAttributes" | "SetQueueAttributes") => call.field("QueueUrl"),
            ("sns", "GetTopicAttributes" | "SetTopicAttributes") => call.field("TopicArn"),
            ("sns", "GetSubscriptionAttributes" | "SetSubscriptionAttributes") => call.field("SubscriptionArn"),
            _ => return,
        };
        if !answer.is_success() {
            return;
        }
        self.throws += 1;
        let shown = self.shown.entry(whose.to_owned()).or_default();
        if call.changes() {
            let until = now + self.dice.within(self.stale, "stale", self.throws);
            shown.old = shown.last.clone().map(|last| (last, until));
            return;
        }
        let is_behind = self.dice.share("behind", self.throws) < BEHIND;
        let old = shown.old.as_ref().filter(|(_, until)| now < *until);
        shown.last = Some(answer.clone());
        if let Some((old, _)) = old.filter(|_| is_behind) {
            *answer = old.clone();
        }
    }
}
