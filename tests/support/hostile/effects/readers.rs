//! Who calls may read everything, but not use the key.

use std::time::Instant;

use serde_json::{Value, json};

use super::super::call::Call;
use super::super::http::Answer;
use super::Effect;

/// Callers without `kms:Decrypt`: Lambda tells them all of a function but the environment that a key encrypts.
pub(in super::super) struct Readers;

impl Effect for Readers {
    fn name(&self) -> &'static str {
        "the caller may not decrypt"
    }

    fn instead(&mut self, _: &Call, _: Instant) -> Option<Answer> {
        None
    }

    fn answered(&mut self, call: &Call, answer: &mut Answer, _: Instant) {
        if call.is("lambda", "GetFunction") {
            answer.edit(|body| hide(&mut body["Configuration"]));
        } else if call.is("lambda", "GetFunctionConfiguration") {
            answer.edit(hide);
        }
    }
}

fn hide(configuration: &mut Value) {
    if configuration["KMSKeyArn"].as_str().is_some_and(|key| !key.is_empty()) {
        let message = "Lambda was unable to decrypt your environment variables because the KMS access was denied. Please \
                       check your KMS permissions. KMS Exception: AccessDeniedException KMS Message: User is not \
                       authorized to perform: kms:Decrypt because no identity-based policy allows the kms:Decrypt action";
        configuration["Environment"] = json!({"Error": {"ErrorCode": "AccessDeniedException", "Message": message}});
    }
}
