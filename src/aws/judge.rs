//! What an error of the SDK means, and what to tell of it.

use super::retry::{self, Verdict};
use crate::resource::{Class, Failure, chain};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// What an error means, and how it is told.
pub(super) fn judge<E>(operation: &str, error: &SdkError<E, HttpResponse>) -> (Verdict, Failure)
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let service = operation.split(':').next().unwrap_or_default();
    match error {
        SdkError::ServiceError(context) => {
            let status = context.raw().status().as_u16();
            let unknown = format!("HTTP{status}");
            let code = context.err().code().unwrap_or(&unknown);
            // Some errors carry their type behind a `#` or before a `:`.
            let code = code.rsplit('#').next().unwrap_or(code);
            let code = code.split(':').next().unwrap_or(code);
            let said = beginning(context.raw());
            let message = context.err().message().unwrap_or(&said);
            let mut verdict = retry::classify(service, code, message, Some(status));
            if verdict == Verdict::Fault && !retry::repeatable(operation) {
                verdict = Verdict::Final(Class::Ambiguous);
            }
            let mut failure = Failure::new(operation, code, message);
            failure.request_id = request_id(context.raw(), context.err());
            if context.err().code().is_none() {
                failure = failure.hint(
                    "this is no answer of AWS's; check the endpoint (AWS_ENDPOINT_URL) and what stands before it",
                );
            }
            if let Some(hint) = hint(operation, code, message) {
                failure = failure.hint(hint);
            }
            (verdict, failure)
        }
        other => {
            let never_left = matches!(other, SdkError::ConstructionFailure(_))
                || matches!(other, SdkError::DispatchFailure(f) if f.is_user());
            let refused = chain(other).contains("Connection refused");
            let verdict = match other {
                _ if never_left => Verdict::Final(Class::Permanent),
                _ if refused => Verdict::Final(Class::Permanent),
                _ if retry::repeatable(operation) => Verdict::Fault,
                _ => Verdict::Final(Class::Ambiguous),
            };
            let mut failure = Failure::new(operation, "NoReply", chain(other));
            if refused {
                failure = failure.hint("nothing listens there; check the endpoint and that it runs");
            }
            (verdict, failure)
        }
    }
}

/// What to do about an error that only its reader can mend.
fn hint(operation: &str, code: &str, message: &str) -> Option<String> {
    let is = |parts: &[&str]| parts.iter().any(|part| code.contains(part));
    if is(&["AccessDenied", "UnauthorizedOperation", "AuthorizationError"]) {
        return Some(format!("allow {operation} for the principal that runs fraudctl"));
    }
    if is(&["ExpiredToken"]) {
        return Some("the credentials have expired: get new ones, and run the same command again".to_owned());
    }
    // Only the first is a code of its own; in the others, a signature is late or early by more than five minutes.
    let time = ["Signature expired", "Signature not yet current"];
    if is(&["RequestTimeTooSkewed", "RequestExpired"]) || time.iter().any(|part| message.contains(part)) {
        return Some("check the clock of this machine".to_owned());
    }
    None
}

/// The beginning of an answer that is no error as AWS writes them: a proxy's page, an emulator's own words.
fn beginning(raw: &HttpResponse) -> String {
    let text = String::from_utf8_lossy(raw.body().bytes().unwrap_or_default()).into_owned();
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() {
        "an empty answer".to_owned()
    } else {
        line.chars().take(200).collect()
    }
}

fn request_id<E: ProvideErrorMetadata>(raw: &HttpResponse, error: &E) -> Option<String> {
    let header = ["x-amzn-requestid", "x-amz-request-id", "x-amzn-request-id"]
        .iter()
        .find_map(|name| raw.headers().get(*name));
    header
        .or_else(|| error.meta().extra("aws_request_id"))
        .map(str::to_owned)
}

/// What an error comes down to.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_its_reader_can_mend_comes_with_a_hint() {
        let hint = |code, message| hint("sns:CreateTopic", code, message);
        let allow = Some("allow sns:CreateTopic for the principal that runs fraudctl".to_owned());
        assert_eq!(hint("AccessDeniedException", ""), allow);
        assert_eq!(hint("AuthorizationError", ""), allow);
        assert!(hint("ExpiredTokenException", "").is_some_and(|hint| hint.contains("expired")));
        let late = hint(
            "InvalidSignatureException",
            "Signature expired: 20260101T000000Z is now earlier than",
        );
        assert!(late.is_some_and(|hint| hint.contains("clock")));
        assert_eq!(hint("ValidationException", "no"), None);
    }
}
