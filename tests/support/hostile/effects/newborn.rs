//! What was made a moment ago is not known everywhere: some of the places that answer have not heard of it.

use std::time::Instant;

use super::super::call::Call;
use super::super::dice::{Dice, Span};
use super::super::http::Answer;
use super::super::refusal::Refusal;
use super::{Effect, json, last};

/// How many of the places have not heard of it.
const UNKNOWN: f64 = 0.6;

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Kind {
    Role,
    Policy,
    Key,
    Alias,
    Queue,
    Topic,
}

/// New things that are not known everywhere for a while.
pub(in super::super) struct Newborn {
    kinds: &'static [Kind],
    unknown: Span,
    dice: Dice,
    /// Kind, name or ARN, and until when.
    young: Vec<(Kind, String, Instant)>,
    asked: u64,
}

impl Newborn {
    pub(in super::super) fn new(kinds: &'static [Kind], unknown: Span, dice: Dice) -> Self {
        Self {
            kinds,
            unknown,
            dice,
            young: Vec::new(),
            asked: 0,
        }
    }
}

impl Effect for Newborn {
    fn name(&self) -> &'static str {
        "not known yet"
    }

    fn instead(&mut self, call: &Call, now: Instant) -> Option<Answer> {
        let young = self.young.iter().filter(|(_, _, until)| now < *until);
        let refusal = young.into_iter().find_map(|(kind, name, _)| {
            let named = kind.is_named(name, call).then(|| kind.refusal(name));
            named.or_else(|| kind.refusal_as_target(name, call))
        })?;
        self.asked += 1;
        let unknown = self.dice.share("where is asked", self.asked) < UNKNOWN;
        unknown.then(|| refusal.answer(call))
    }

    fn answered(&mut self, call: &Call, answer: &mut Answer, now: Instant) {
        if !answer.is_success() {
            return;
        }
        let Some(kind) = self
            .kinds
            .iter()
            .find(|kind| kind.creation() == (call.service.as_str(), call.operation.as_str()))
        else {
            return;
        };
        if let Some(name) = kind.name(call, answer) {
            let until = now + self.dice.within(self.unknown, "unknown", self.young.len() as u64);
            self.young.push((*kind, name, until));
        }
    }
}

impl Kind {
    fn creation(self) -> (&'static str, &'static str) {
        match self {
            Self::Role => ("iam", "CreateRole"),
            Self::Policy => ("iam", "CreatePolicy"),
            Self::Key => ("kms", "CreateKey"),
            Self::Alias => ("kms", "CreateAlias"),
            Self::Queue => ("sqs", "CreateQueue"),
            Self::Topic => ("sns", "CreateTopic"),
        }
    }

    /// What others name it by.
    fn name(self, call: &Call, answer: &Answer) -> Option<String> {
        let text = match self {
            Self::Role => call.field("RoleName").to_owned(),
            Self::Policy => call.field("PolicyName").to_owned(),
            Self::Alias => call.field("AliasName").to_owned(),
            Self::Queue => call.field("QueueName").to_owned(),
            Self::Topic => call.field("Name").to_owned(),
            Self::Key => json(answer)["KeyMetadata"]["KeyId"].as_str()?.to_owned(),
        };
        (!text.is_empty()).then_some(text)
    }

    /// Whether the call is about the one of this name.
    fn is_named(self, name: &str, call: &Call) -> bool {
        let (service, creation) = self.creation();
        if call.service != service || call.operation == creation {
            return false;
        }
        let fields: &[&str] = match self {
            Self::Role => &["RoleName"],
            Self::Policy => &["PolicyArn"],
            Self::Key => &["KeyId", "TargetKeyId"],
            Self::Alias => &["KeyId"],
            Self::Queue => &["QueueName", "QueueUrl"],
            Self::Topic => &["TopicArn", "ResourceArn"],
        };
        let named = |field: &&str| call.field(field) == name || last(call.field(field)) == name;
        fields.iter().any(named)
    }

    /// What is said to a queue whose dead letters are to go to the one of this name.
    fn refusal_as_target(self, name: &str, call: &Call) -> Option<Refusal> {
        let redrive = call.fields["Attributes"]["RedrivePolicy"].as_str()?;
        let named = self == Self::Queue && redrive.contains(&format!(":{name}\""));
        let message = format!(
            "Value {redrive} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist."
        );
        named.then(|| Refusal::new(400, "InvalidParameterValue", message))
    }

    fn refusal(self, name: &str) -> Refusal {
        match self {
            Self::Role => Refusal::new(
                404,
                "NoSuchEntity",
                format!("The role with name {name} cannot be found."),
            ),
            Self::Policy => Refusal::new(404, "NoSuchEntity", format!("Policy {name} was not found.")),
            Self::Key => Refusal::new(400, "NotFoundException", format!("Key '{name}' does not exist")),
            Self::Alias => Refusal::new(400, "NotFoundException", format!("Alias {name} is not found.")),
            Self::Queue => Refusal::new(400, "QueueDoesNotExist", "The specified queue does not exist."),
            Self::Topic => Refusal::new(404, "NotFound", "Topic does not exist"),
        }
    }
}
