//! Changes that AWS does not take at once.

use serde_json::json;

use super::call::Call;
use super::http::Answer;
use super::refusal::Refusal;

/// What AWS says to a change of a REST API or a usage plan while another is under way.
pub(super) fn conflict(call: &Call, others: usize) -> Option<Answer> {
    let refused = call.service == "apigateway" && call.changes() && others > 0;
    let message = "Unable to complete operation due to concurrent modification. Please try again later.";
    refused.then(|| Refusal::new(409, "ConflictException", message).answer(call))
}

/// The answer to a change of a function's policy that is lost because another is under way. The caller is told that
/// it was made.
pub(super) fn lost_permission(call: &Call, others: usize) -> Option<Answer> {
    if call.service != "lambda" || others == 0 {
        return None;
    }
    match call.operation.as_str() {
        "AddPermission" => {
            let statement = json!({"Sid": call.field("StatementId"), "Effect": "Allow"});
            let body = json!({"Statement": statement.to_string()});
            Some(Answer::new(201, "application/json", body.to_string()))
        }
        "RemovePermission" => Some(Answer::new(204, "application/json", "")),
        _ => None,
    }
}
