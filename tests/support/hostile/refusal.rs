//! Errors as AWS sends them: each protocol has a form of its own, and each service its own words for the same.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_smithy_cbor::Encoder;
use serde_json::json;

use super::call::{Call, Protocol};
use super::http::Answer;

/// An error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// `ThrottlingException`.
    pub code: String,
    /// AWS's words.
    pub message: String,
}

impl Refusal {
    /// An error.
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
        }
    }

    /// What a service says to who is too fast.
    pub(super) fn throttled(call: &Call) -> Self {
        let (status, code, message) = match call.service.as_str() {
            "apigateway" => (429, "TooManyRequestsException", "Too Many Requests"),
            "lambda" => (429, "TooManyRequestsException", "Rate exceeded"),
            "kms" => (
                400,
                "ThrottlingException",
                "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
            ),
            "sqs" => (403, "RequestThrottled", "Request is throttled."),
            "iam" | "sns" | "sts" | "monitoring" => (400, "Throttling", "Rate exceeded"),
            _ => (400, "ThrottlingException", "Rate exceeded"),
        };
        Self::new(status, code, message)
    }

    /// What a service says of a fault of its own.
    pub(super) fn internal(call: &Call) -> Self {
        let code = match call.service.as_str() {
            "kms" => "KMSInternalException",
            "lambda" => "ServiceException",
            "iam" => "ServiceFailure",
            "monitoring" => "InternalServiceFault",
            "sns" => "InternalError",
            "dynamodb" | "ssm" => "InternalServerError",
            "events" => "InternalException",
            _ => "InternalFailure",
        };
        Self::new(500, code, "We encountered an internal error. Please try again.")
    }

    /// What a service says when it is down.
    pub(super) fn unavailable(call: &Call) -> Self {
        let code = match call.protocol {
            Protocol::Query => "ServiceUnavailable",
            _ => "ServiceUnavailableException",
        };
        Self::new(503, code, "Service is temporarily unavailable. Please try again later.")
    }

    /// As it is sent to who made this call.
    pub(super) fn answer(&self, call: &Call) -> Answer {
        let id = request_id();
        let (code, message) = (self.code.as_str(), self.message.as_str());
        let kind = if self.status < 500 { "Sender" } else { "Receiver" };
        let answer = match call.protocol {
            Protocol::Json => {
                let body = json!({"__type": format!("com.amazonaws.{}#{code}", call.service), "message": message});
                Answer::new(self.status, "application/x-amz-json-1.1", body.to_string())
            }
            Protocol::Rest if call.service == "s3" => {
                let body = format!(
                    "<Error><Code>{code}</Code><Message>{}</Message></Error>",
                    escaped(message)
                );
                Answer::new(self.status, "application/xml", body)
            }
            Protocol::Rest => {
                let body = json!({"Type": "User", "message": message});
                let answer = Answer::new(self.status, "application/json", body.to_string());
                answer.with("x-amzn-errortype", &format!("{code}:http://internal.amazon.com/coral/"))
            }
            Protocol::Query => {
                let body = format!(
                    "<ErrorResponse><Error><Type>{kind}</Type><Code>{code}</Code><Message>{}</Message></Error>\
                     <RequestId>{id}</RequestId></ErrorResponse>",
                    escaped(message)
                );
                Answer::new(self.status, "text/xml", body)
            }
            Protocol::Cbor => {
                let mut body = Encoder::new(Vec::new());
                body.map(2)
                    .str("__type")
                    .str(&format!("com.amazonaws.{}#{code}", call.service))
                    .str("message")
                    .str(message);
                Answer::new(self.status, "application/cbor", body.into_writer()).with("smithy-protocol", "rpc-v2-cbor")
            }
        };
        // What was once spoken to in forms keeps its old names beside the new ones.
        let answer = match call.service.as_str() {
            "sqs" => answer.with("x-amzn-query-error", &format!("{};{kind}", old_name(code))),
            "monitoring" => answer.with("x-amzn-query-error", &format!("{code};{kind}")),
            _ => answer,
        };
        answer.with("x-amzn-requestid", &id)
    }
}

/// The error code of an answer that is an error of AWS's.
pub(super) fn code(answer: &Answer) -> Option<String> {
    if answer.is_success() {
        return None;
    }
    let text = String::from_utf8_lossy(&answer.body);
    let from_header = answer.header("x-amzn-errortype").map(str::to_owned);
    let from_query = answer
        .header("x-amzn-query-error")
        .and_then(|text| text.split(';').next().map(str::to_owned));
    let from_json = || {
        let body: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
        body["__type"].as_str().map(str::to_owned)
    };
    let from_xml = || {
        let (_, rest) = text.split_once("<Code>")?;
        rest.split_once("</Code>").map(|(code, _)| code.to_owned())
    };
    let code = from_query.or(from_header).or_else(from_json).or_else(from_xml)?;
    let code = code.rsplit('#').next().unwrap_or_default();
    code.split(':').next().map(str::to_owned)
}

fn old_name(code: &str) -> String {
    match code {
        "QueueDeletedRecently" => "AWS.SimpleQueueService.QueueDeletedRecently".to_owned(),
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue".to_owned(),
        other => other.to_owned(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Another one each time, in the form of AWS's.
fn request_id() -> String {
    static ANSWERS: AtomicU64 = AtomicU64::new(1);
    format!(
        "00000000-0000-4000-8000-{:012x}",
        ANSWERS.fetch_add(1, Ordering::Relaxed)
    )
}
