//! Some things show for a while what they were before a change.

use std::collections::HashMap;
use std::time::Instant;

use serde_json::{Value, json};

use super::super::call::Call;
use super::super::dice::{Dice, Span};
use super::super::http::Answer;
use super::{Effect, last};

/// How many of the places that answer are behind.
const BEHIND: f64 = 0.6;

/// A read that is behind some changes. Both name in one of the fields what they are about.
struct Late {
    service: &'static str,
    read: &'static str,
    changes: &'static [&'static str],
    fields: &'static [&'static str],
    /// Makes of an answer what it was before the first change, where it was not read before.
    young: Option<fn(&mut Value)>,
}

const fn late(
    service: &'static str,
    read: &'static str,
    changes: &'static [&'static str],
    fields: &'static [&'static str],
) -> Late {
    Late {
        service,
        read,
        changes,
        fields,
        young: None,
    }
}

#[rustfmt::skip]
const LATE: &[Late] = &[
    late("sqs", "GetQueueAttributes", &["SetQueueAttributes"], &["QueueUrl"]),
    late("sns", "GetTopicAttributes", &["SetTopicAttributes"], &["TopicArn"]),
    late("sns", "GetSubscriptionAttributes", &["SetSubscriptionAttributes"], &["SubscriptionArn"]),
    late("kms", "DescribeKey", &["UpdateKeyDescription"], &["KeyId"]),
    late("kms", "GetKeyPolicy", &["PutKeyPolicy"], &["KeyId"]),
    late("kms", "ListResourceTags", &["TagResource", "UntagResource"], &["KeyId"]),
    Late {
        young: Some(|body| body["KeyRotationEnabled"] = json!(false)),
        ..late("kms", "GetKeyRotationStatus", &["EnableKeyRotation", "DisableKeyRotation"], &["KeyId"])
    },
    Late {
        young: Some(without_retention),
        ..late(
            "logs",
            "DescribeLogGroups",
            &["PutRetentionPolicy", "DeleteRetentionPolicy", "AssociateKmsKey", "DisassociateKmsKey"],
            &["logGroupName", "logGroupNamePrefix"],
        )
    },
    late("events", "DescribeRule", &["PutRule", "EnableRule", "DisableRule"], &["Name"]),
    late("ssm", "GetParameter", &["PutParameter"], &["Name"]),
    late("ssm", "DescribeParameters", &["PutParameter"], &["Name"]),
    late("monitoring", "DescribeAlarms", &["PutMetricAlarm"], &["AlarmName"]),
];

/// What is made anew shows nothing of one of its name that was asked for before.
const CREATIONS: &[&str] = &["CreateLogGroup"];

/// Attributes of queues, topics and subscriptions, and settings of keys, log groups, rules, parameters and alarms, that are
/// read as they were.
pub(in super::super) struct Attributes {
    stale: Span,
    dice: Dice,
    /// By service, read, and what was asked.
    shown: HashMap<(&'static str, &'static str, String), Shown>,
    throws: u64,
}

#[derive(Default)]
struct Shown {
    last: Option<Answer>,
    /// What was shown before the last change, where it was, and until when it is.
    old: Option<(Option<Answer>, Instant)>,
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

    fn changed(&mut self, late: &'static Late, call: &Call, now: Instant) {
        let until = now + self.dice.within(self.stale, "stale", self.throws);
        let key = (late.service, late.read, whose(late, call));
        let shown = self.shown.entry(key).or_default();
        shown.old = Some((shown.last.clone(), until));
    }

    fn read(&mut self, late: &'static Late, call: &Call, answer: &mut Answer, now: Instant) {
        let is_behind = self.dice.share("behind", self.throws) < BEHIND;
        let key = (late.service, late.read, whose(late, call));
        let shown = self.shown.entry(key).or_default();
        shown.last = Some(answer.clone());
        match shown.old.as_ref().filter(|(_, until)| is_behind && now < *until) {
            Some((Some(old), _)) => *answer = old.clone(),
            Some((None, _)) => late.young.into_iter().for_each(|young| answer.edit(young)),
            None => {}
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
        if !answer.is_success() {
            return;
        }
        self.throws += 1;
        let operation = call.operation.as_str();
        for late in LATE.iter().filter(|late| late.service == call.service) {
            if late.changes.contains(&operation) {
                self.changed(late, call, now);
            } else if late.read == operation {
                self.read(late, call, answer, now);
            } else if CREATIONS.contains(&operation) {
                self.shown.remove(&(late.service, late.read, whose(late, call)));
            }
        }
    }
}

/// What a call is about, as far as the read and its changes name it alike. A list of parameters is about the path.
fn whose(late: &Late, call: &Call) -> String {
    match late.read {
        "DescribeParameters" if call.operation == late.read => {
            let values = &call.fields["ParameterFilters"][0]["Values"];
            values[0].as_str().unwrap_or_default().to_owned()
        }
        "DescribeParameters" => {
            let name = call.field("Name");
            name.rsplit_once('/').map_or(name, |(path, _)| path).to_owned()
        }
        "DescribeAlarms" if call.operation == late.read => {
            let first = call.fields["AlarmNames"][0].as_str();
            first.unwrap_or_else(|| call.field("AlarmNames.member.1")).to_owned()
        }
        _ => {
            let named = late.fields.iter().map(|field| call.field(field));
            let name = named.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
            // A key is named by its id or its ARN.
            if late.service == "kms" { last(name) } else { name }.to_owned()
        }
    }
}

fn without_retention(body: &mut Value) {
    for group in body["logGroups"].as_array_mut().into_iter().flatten() {
        if let Some(group) = group.as_object_mut() {
            group.remove("retentionInDays");
        }
    }
}
