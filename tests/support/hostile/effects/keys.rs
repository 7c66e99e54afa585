//! A new key is being made for a while, other services hear of it later, and one that was enabled is still disabled for
//! some.

use std::collections::HashMap;
use std::time::Instant;

use serde_json::json;

use super::super::call::Call;
use super::super::dice::{Dice, Span};
use super::super::http::Answer;
use super::super::refusal::Refusal;
use super::{Effect, json, last};

/// How many of the places that answer have not heard that a key was enabled.
const DISABLED: f64 = 0.6;

/// New keys that cannot be used yet, and keys that were enabled just now.
pub(in super::super) struct Keys {
    creating: Span,
    enabling: Span,
    dice: Dice,
    /// By id.
    young: HashMap<String, Instant>,
    /// By id: until when some take it for disabled.
    enabled: HashMap<String, Instant>,
    refused: u64,
    asked: u64,
}

impl Keys {
    pub(in super::super) fn new(creating: Span, enabling: Span, dice: Dice) -> Self {
        Self {
            creating,
            enabling,
            dice,
            young: HashMap::new(),
            enabled: HashMap::new(),
            refused: 0,
            asked: 0,
        }
    }

    /// Whether the place that is asked still takes a key for disabled.
    fn is_disabled(&mut self, key: &str, now: Instant) -> bool {
        if self.enabled.get(last(key)).is_none_or(|until| now >= *until) {
            return false;
        }
        self.asked += 1;
        self.dice.share("where the key is disabled", self.asked) < DISABLED
    }

    fn is_young(&self, key: &str, now: Instant) -> bool {
        self.young.get(last(key)).is_some_and(|until| now < *until)
    }
}

impl Effect for Keys {
    fn name(&self) -> &'static str {
        "the key is new"
    }

    fn instead(&mut self, call: &Call, now: Instant) -> Option<Answer> {
        let rotates = ["EnableKeyRotation", "DisableKeyRotation"].contains(&call.operation.as_str());
        if call.service == "kms" && rotates && self.is_disabled(call.field("KeyId"), now) {
            let message = format!("{} is disabled.", call.field("KeyId"));
            return Some(Refusal::new(400, "DisabledException", message).answer(call));
        }
        let is_young = |field: &str| self.is_young(call.field(field), now);
        let of_table = call.fields["SSESpecification"]["KMSMasterKeyId"]
            .as_str()
            .unwrap_or_default();
        let refusal = match (call.service.as_str(), call.operation.as_str()) {
            ("lambda", "CreateFunction" | "UpdateFunctionConfiguration") if is_young("KMSKeyArn") => {
                self.refused += 1;
                // It depends on how far Lambda gets.
                if self.refused % 2 == 1 {
                    let message = "Lambda was unable to configure access to your environment variables because the KMS \
                                   key is invalid for CreateGrant. Please check your KMS key settings.";
                    Refusal::new(400, "InvalidParameterValueException", message)
                } else {
                    let message = "Lambda was unable to decrypt the environment variables because the KMS key used is \
                                   in an invalid state for Decrypt. Please check the function's KMS key settings.";
                    Refusal::new(502, "KMSInvalidStateException", message)
                }
            }
            ("logs", "CreateLogGroup" | "AssociateKmsKey") if is_young("kmsKeyId") => {
                let message = "The specified KMS Key Id could not be found.";
                Refusal::new(400, "InvalidParameterException", message)
            }
            ("dynamodb", "CreateTable" | "UpdateTable") if self.is_young(of_table, now) => {
                let message = format!(
                    "KMS validation error: com.amazonaws.services.kms.model.NotFoundException: Key '{of_table}' does \
                     not exist (Service: AWSKMS; Status Code: 400; Error Code: NotFoundException)"
                );
                Refusal::new(400, "ValidationException", message)
            }
            ("kms", "EnableKeyRotation" | "DisableKey" | "ScheduleKeyDeletion") if is_young("KeyId") => {
                let message = format!("{} is pending creation.", call.field("KeyId"));
                Refusal::new(400, "KMSInvalidStateException", message)
            }
            _ => return None,
        };
        Some(refusal.answer(call))
    }

    fn answered(&mut self, call: &Call, answer: &mut Answer, now: Instant) {
        if call.service != "kms" || !answer.is_success() {
            return;
        }
        if call.operation == "CreateKey"
            && let Some(id) = json(answer)["KeyMetadata"]["KeyId"].as_str()
        {
            let until = now + self.dice.within(self.creating, "key", self.young.len() as u64);
            self.young.insert(id.to_owned(), until);
        }
        if call.operation == "EnableKey" {
            let until = now + self.dice.within(self.enabling, "enabled", self.enabled.len() as u64);
            self.enabled.insert(last(call.field("KeyId")).to_owned(), until);
        }
        let shows = ["CreateKey", "DescribeKey"].contains(&call.operation.as_str());
        let id = json(answer)["KeyMetadata"]["KeyId"].as_str().map(str::to_owned);
        if shows && id.is_some_and(|id| self.is_young(&id, now)) {
            answer.edit(|body| {
                body["KeyMetadata"]["KeyState"] = json!("Creating");
                body["KeyMetadata"]["Enabled"] = json!(false);
            });
        }
    }
}
