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
            let why = match other {
                // What is around the cause may be a dump of the request, with all that is in it.
                SdkError::ConstructionFailure(_) => innermost(other),
                _ => chain(other),
            };
            let mut failure = Failure::new(operation, "NoReply", why);
            if refused {
                failure = failure.hint("nothing listens there; check the endpoint and that it runs");
            }
            if let Some(hint) = certificates(other) {
                failure = failure.hint(hint);
            }
            (verdict, failure)
        }
    }
}

/// Does AWS refuse a request because of the time that it was signed at? Requests hold for some 5 to 15 minutes; the
/// services have different words for it. <https://docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html>
pub(super) fn is_about_the_clock(code: &str, message: &str) -> bool {
    let codes = ["RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"];
    let words = ["Signature expired", "Signature not yet current"];
    codes.contains(&code) || words.iter().any(|words| message.contains(words))
}

/// What to do about an error that only its reader can mend.
fn hint(operation: &str, code: &str, message: &str) -> Option<String> {
    let is = |parts: &[&str]| parts.iter().any(|part| code.contains(part));
    if Failure::new(operation, code, message).is_denied() {
        let action = refused_action(message).filter(|action| !action.eq_ignore_ascii_case(operation));
        let action = action.unwrap_or(operation);
        return Some(format!(
            "allow {action} for the principal that runs fraudctl; `fraudctl policy` prints all that it needs"
        ));
    }
    if is(&["ExpiredToken"]) {
        return Some("the credentials have expired: get new ones, and run the same command again".to_owned());
    }
    is_about_the_clock(code, message).then(|| "set this machine's clock right".to_owned())
}

/// The action that AWS says is not allowed. It need not be the call: reading what a key encrypts needs `kms:Decrypt`.
fn refused_action(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    let action = rest.split_whitespace().next()?;
    action.contains(':').then_some(action)
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

/// What to do when nobody vouches for the server.
pub(super) fn certificates(error: &dyn std::error::Error) -> Option<&'static str> {
    // In the words of rustls.
    chain(error).contains("invalid peer certificate").then_some(
        "nobody that this machine trusts vouches for that server: where a proxy inspects TLS, name the file with its \
         certificates by AWS_CA_BUNDLE",
    )
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
    use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityError;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    #[derive(Debug, thiserror::Error)]
    #[error("failed with Request {{ headers: {{ authorization: \"very-secret\" }} }}")]
    struct Dump(#[source] std::io::Error);

    #[test]
    fn what_is_about_the_clock_is_told_in_the_words_of_aws_with_what_to_do() {
        let expired = "Signature expired: 20190101T000000Z is now earlier than 20261124T181500Z";
        for (code, message, about) in [
            ("SignatureDoesNotMatch", expired, true),
            ("InvalidSignatureException", "Signature not yet current: 2099", true),
            ("RequestTimeTooSkewed", "The difference is too large.", true),
            ("SignatureDoesNotMatch", "The signature does not match.", false),
        ] {
            let raw = HttpResponse::new(StatusCode::try_from(403).unwrap(), SdkBody::empty());
            let error = ErrorMetadata::builder().code(code).message(message).build();
            let error = SdkError::service_error(GetCallerIdentityError::generic(error), raw);
            let (verdict, failure) = judge("sts:GetCallerIdentity", &error);
            assert_eq!(verdict, Verdict::Final(Class::Permanent), "{code}");
            let said = failure.to_string();
            assert!(said.contains(message), "{said}");
            assert_eq!(said.contains("set this machine's clock right"), about, "{said}");
        }
    }

    #[test]
    fn a_request_is_never_dumped() {
        let cause = Dump(std::io::Error::other("no scheme"));
        let error: SdkError<GetCallerIdentityError, HttpResponse> = SdkError::construction_failure(cause);
        let (_, failure) = judge("sts:GetCallerIdentity", &error);
        assert_eq!(failure.to_string(), "sts:GetCallerIdentity: NoReply: no scheme");
    }

    #[test]
    fn what_only_its_reader_can_mend_comes_with_a_hint() {
        let hint = |code: &str, message: &str| hint("sns:CreateTopic", code, message);
        let allow = |action: &str| {
            Some(format!(
                "allow {action} for the principal that runs fraudctl; `fraudctl policy` prints all that it needs"
            ))
        };
        let (allow, decrypt) = (allow("sns:CreateTopic"), allow("kms:Decrypt"));
        assert_eq!(hint("AccessDeniedException", ""), allow);
        assert_eq!(hint("AuthorizationError", ""), allow);
        let denied = |action: &str| format!("User: arn:x is not authorized to perform: {action} on resource: y");
        assert_eq!(hint("AuthorizationError", &denied("SNS:CreateTopic")), allow);
        assert_eq!(hint("AccessDeniedException", &denied("kms:Decrypt")), decrypt);
        assert!(hint("ExpiredTokenException", "").is_some_and(|hint| hint.contains("expired")));
        let late = hint(
            "InvalidSignatureException",
            "Signature expired: 20260101T000000Z is now earlier than",
        );
        assert!(late.is_some_and(|hint| hint.contains("clock")));
        assert_eq!(hint("ValidationException", "no"), None);
    }
}
