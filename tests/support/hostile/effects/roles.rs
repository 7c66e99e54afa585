//! A change in IAM reaches other services, and other parts of IAM, some seconds later.

use std::collections::HashMap;
use std::time::Instant;

use super::super::call::Call;
use super::super::dice::{Dice, Span};
use super::super::http::Answer;
use super::super::refusal::Refusal;
use super::super::weather::Weather;
use super::{Effect, last};

/// New roles that Lambda cannot assume yet, new permissions that it does not see yet, and policies that were taken from
/// a role and still hang there.
pub(in super::super) struct Roles {
    assumable: Span,
    /// How long its permissions are not seen, and those that were taken still are.
    permitted: Span,
    loggable: Span,
    dice: Dice,
    events: u64,
    refused: u64,
    /// By role: until when it cannot be assumed, and is no principal.
    young: HashMap<String, Instant>,
    /// By role: until when SNS does not take it.
    unlogged: HashMap<String, Instant>,
    /// By role: until when its last policy is not seen.
    powerless: HashMap<String, Instant>,
    /// By role and by policy: until when what was detached still counts.
    attached: HashMap<String, Instant>,
}

impl Roles {
    pub(in super::super) fn new(weather: &Weather, dice: Dice) -> Self {
        let or_never = |span: Option<Span>| span.unwrap_or(Span::seconds(0, 0));
        Self {
            assumable: or_never(weather.role_unassumable),
            permitted: or_never(weather.permissions_unseen),
            loggable: or_never(weather.role_unknown_to_sns),
            dice,
            events: 0,
            refused: 0,
            young: HashMap::new(),
            unlogged: HashMap::new(),
            powerless: HashMap::new(),
            attached: HashMap::new(),
        }
    }

    fn in_lambda(&self, call: &Call, now: Instant) -> Option<Refusal> {
        let role = last(call.field("Role"));
        let still = |map: &HashMap<String, Instant>| map.get(role).is_some_and(|until| now < *until);
        if still(&self.young) {
            let message = "The role defined for the function cannot be assumed by Lambda.";
            return Some(Refusal::new(400, "InvalidParameterValueException", message));
        }
        let dead_letters = call.fields["DeadLetterConfig"]["TargetArn"]
            .as_str()
            .unwrap_or_default();
        if !dead_letters.is_empty() && still(&self.powerless) {
            let message = "The provided execution role does not have permissions to call SendMessage on SQS";
            return Some(Refusal::new(400, "InvalidParameterValueException", message));
        }
        None
    }

    /// A topic whose deliveries are to be logged by a role of which nobody there has heard.
    fn in_topic(&mut self, call: &Call, now: Instant) -> Option<Refusal> {
        let (attribute, role) = (call.field("AttributeName"), call.field("AttributeValue"));
        let unknown = self.unlogged.get(last(role)).is_some_and(|until| now < *until);
        if !unknown || !attribute.ends_with("FeedbackRoleArn") {
            return None;
        }
        self.refused += 1;
        // Both are seen.
        let attribute = if self.refused % 2 == 1 {
            format!("{attribute}: ")
        } else {
            String::new()
        };
        let message = format!(
            "Invalid parameter: {attribute}{role} is not a valid role to allow SNS to write to Cloudwatch Logs"
        );
        Some(Refusal::new(400, "InvalidParameter", message))
    }

    /// A policy that names a role of which nobody there has heard.
    fn in_policy(&self, document: &str, now: Instant) -> Option<&str> {
        let named = |role: &String| document.contains(&format!(":role/{role}\""));
        let young = self.young.iter().find(|(role, until)| now < **until && named(role))?;
        Some(young.0)
    }
}

impl Effect for Roles {
    fn name(&self) -> &'static str {
        "IAM has not spread"
    }

    fn instead(&mut self, call: &Call, now: Instant) -> Option<Answer> {
        if call.is("sns", "SetTopicAttributes") {
            return self.in_topic(call, now).map(|refusal| refusal.answer(call));
        }
        let conflict = |name: &str, message: &str| {
            let attached = self.attached.get(name).is_some_and(|until| now < *until);
            attached.then(|| Refusal::new(409, "DeleteConflict", message))
        };
        let refusal = match (call.service.as_str(), call.operation.as_str()) {
            ("lambda", "CreateFunction" | "UpdateFunctionConfiguration") => self.in_lambda(call, now),
            ("iam", "DeleteRole") => conflict(
                call.field("RoleName"),
                "Cannot delete entity, must detach all policies first.",
            ),
            ("iam", "DeletePolicy") => {
                conflict(call.field("PolicyArn"), "Cannot delete a policy attached to entities.")
            }
            ("iam", "CreateRole") => self
                .in_policy(call.field("AssumeRolePolicyDocument"), now)
                .map(|role| Refusal::new(400, "MalformedPolicyDocument", invalid_principal(role))),
            ("iam", "UpdateAssumeRolePolicy") => self
                .in_policy(call.field("PolicyDocument"), now)
                .map(|role| Refusal::new(400, "MalformedPolicyDocument", invalid_principal(role))),
            ("kms", "CreateKey" | "PutKeyPolicy") => self.in_policy(call.field("Policy"), now).map(|_| {
                let message = "Policy contains a statement with one or more invalid principals.";
                Refusal::new(400, "MalformedPolicyDocumentException", message)
            }),
            _ => None,
        };
        refusal.map(|refusal| refusal.answer(call))
    }

    fn answered(&mut self, call: &Call, answer: &mut Answer, now: Instant) {
        if !answer.is_success() || call.service != "iam" {
            return;
        }
        self.events += 1;
        let role = call.field("RoleName").to_owned();
        let until = |span| now + self.dice.within(span, &call.operation, self.events);
        match call.operation.as_str() {
            "CreateRole" => {
                let (assumable, loggable) = (until(self.assumable), until(self.loggable));
                self.young.insert(role.clone(), assumable);
                self.unlogged.insert(role, loggable);
            }
            "AttachRolePolicy" => {
                self.powerless.insert(role, until(self.permitted));
            }
            "DetachRolePolicy" => {
                let until = until(self.permitted);
                self.attached.insert(role, until);
                self.attached.insert(call.field("PolicyArn").to_owned(), until);
            }
            _ => {}
        }
    }
}

fn invalid_principal(role: &str) -> String {
    format!("Invalid principal in policy: \"AWS\":\"{role}\"")
}
