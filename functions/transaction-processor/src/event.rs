//! What API Gateway hands over: a REST API's proxy event, as far as we read it.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html#apigateway-example-event>

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fraud::{Field, Invalid};
use serde::Deserialize;

/// A proxy event. Whatever we do not read may be missing, or be anything.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyEvent {
    body: Option<String>,
    is_base64_encoded: Option<bool>,
    request_context: Option<RequestContext>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    request_id: Option<String>,
}

impl ProxyEvent {
    /// API Gateway's id of the request: the one that its caller sees in a header and its operator in the access log.
    pub fn request_id(&self) -> Option<&str> {
        self.request_context.as_ref()?.request_id.as_deref()
    }

    /// The body as the client sent it.
    ///
    /// # Errors
    ///
    /// There is none, or what should be base64 is not.
    pub fn body(&self) -> Result<Cow<'_, [u8]>, Invalid> {
        let body = self.body.as_deref().ok_or(Invalid::Missing(Field::Body))?;
        if self.is_base64_encoded.unwrap_or(false) {
            let decoded = STANDARD.decode(body).map_err(|_| Invalid::NotBase64)?;
            return Ok(Cow::Owned(decoded));
        }
        Ok(Cow::Borrowed(body.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn event(json: Value) -> ProxyEvent {
        serde_json::from_value(json).expect("an event")
    }

    #[test]
    fn an_event_of_api_gateway_is_understood() {
        let event = event(json!({
            "resource": "/transactions",
            "httpMethod": "POST",
            "headers": {"x-api-key": "k"},
            "queryStringParameters": null,
            "requestContext": {"requestId": "r-1", "requestTimeEpoch": 1_700_000_000_000_u64, "stage": "prod"},
            "body": "{\"a\": 1}",
            "isBase64Encoded": false,
        }));
        assert_eq!(event.request_id(), Some("r-1"));
        assert_eq!(event.body().as_deref(), Ok(b"{\"a\": 1}".as_slice()));
    }

    #[test]
    fn a_base64_body_is_decoded() {
        let good = event(json!({"body": "eyJhIjogMX0=", "isBase64Encoded": true}));
        assert_eq!(good.body().as_deref(), Ok(b"{\"a\": 1}".as_slice()));
        let bad = event(json!({"body": "{}", "isBase64Encoded": true}));
        assert_eq!(bad.body(), Err(Invalid::NotBase64));
    }

    #[test]
    fn a_missing_body_is_the_senders_mistake() {
        for json in [
            json!({}),
            json!({"body": null, "isBase64Encoded": null, "requestContext": null}),
        ] {
            let event = event(json);
            assert_eq!(event.body(), Err(Invalid::Missing(Field::Body)));
            assert_eq!(event.request_id(), None);
        }
    }

    #[test]
    fn a_query_cannot_upset_the_event() {
        let text = r#"{"queryStringParameters": {"$serde_json::private::Number": "x"}, "body": "{}"}"#;
        let event: ProxyEvent = serde_json::from_str(text).expect("an event");
        assert_eq!(event.body().as_deref(), Ok(b"{}".as_slice()));
    }
}
