//! What API Gateway hands over: a REST API's proxy event, as far as we read it.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway.html#apigateway-example-event>

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fraud::{Field, Invalid, Transaction};
use serde::Deserialize;

/// A proxy event. Whatever we do not read may be missing, or be anything.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyEvent {
    headers: Option<HashMap<String, Option<String>>>,
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

    /// The transaction that the body is.
    ///
    /// # Errors
    ///
    /// The body is none, and why.
    pub fn transaction(&self) -> Result<Transaction, Invalid> {
        let body = self.body()?;
        // Where all is ASCII, it is the same in every encoding of one byte a character.
        if !body.is_ascii() && self.is_in_another_charset() {
            return Err(Invalid::NotUtf8(Field::Body));
        }
        Transaction::parse(&body).map_err(|why| match why {
            Invalid::Malformed(_) | Invalid::NotUtf8(_) if self.is_compressed() => Invalid::Compressed,
            why => why,
        })
    }

    /// Does the sender say that the body is compressed? API Gateway may have undone it, so that only who cannot read the
    /// body asks.
    fn is_compressed(&self) -> bool {
        self.header("content-encoding")
            .is_some_and(|coding| !matches!(coding.trim(), "" | "identity"))
    }

    /// Does the sender say that the body is in another charset than UTF-8?
    fn is_in_another_charset(&self) -> bool {
        let content_type = self.header("content-type").unwrap_or_default().to_ascii_lowercase();
        let charset = content_type
            .split(';')
            .filter_map(|parameter| parameter.trim().strip_prefix("charset="))
            .map(|charset| charset.trim_matches(['"', '\'', ' ']))
            .next_back();
        charset.is_some_and(|charset| !matches!(charset, "" | "utf-8" | "utf8" | "us-ascii"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter().flatten();
        let (_, value) = headers.find(|(header, _)| header.eq_ignore_ascii_case(name))?;
        value.as_deref()
    }

    /// The body as the client sent it.
    ///
    /// # Errors
    ///
    /// There is none, or what should be base64 is not.
    fn body(&self) -> Result<Cow<'_, [u8]>, Invalid> {
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
    fn a_body_that_is_compressed_or_in_another_encoding_is_told_so() {
        let plain = r#"{"transaction_id": "t", "user_id": "José", "amount": 1}"#;
        let gzip = STANDARD.encode(b"\x1f\x8b\x08\x00\x00\x00\x00\x00");
        let brotli = STANDARD.encode(b"\x8b\x02\x80\x7b\x7d\x03");
        let latin = STANDARD.encode(b"{\"transaction_id\": \"t\", \"user_id\": \"Jos\xe9\", \"amount\": 1}");
        let coded = |coding: &str| json!({"content-encoding": coding});
        let typed = |kind: &str| json!({"Content-Type": kind});
        for (headers, body, is_base64, expected) in [
            (json!({}), plain, false, Ok(())),
            (typed("application/json; charset=UTF-8"), plain, false, Ok(())),
            (coded("identity"), plain, false, Ok(())),
            // What API Gateway has undone already.
            (coded("gzip"), plain, false, Ok(())),
            (json!({}), &gzip, true, Err(Invalid::Compressed)),
            (json!({}), "\u{1f}\u{fffd}\u{8}\0", false, Err(Invalid::Compressed)),
            (coded("br"), &brotli, true, Err(Invalid::Compressed)),
            (coded("deflate"), "\u{fffd}V*J", false, Err(Invalid::Compressed)),
            (json!({}), &brotli, true, Err(Invalid::NotUtf8(Field::Body))),
            (json!({}), &latin, true, Err(Invalid::NotUtf8(Field::UserId))),
            (
                typed("application/json; charset=ISO-8859-1"),
                plain,
                false,
                Err(Invalid::NotUtf8(Field::Body)),
            ),
            (
                json!({}),
                &format!("\u{feff}{plain}"),
                false,
                Err(Invalid::ByteOrderMark),
            ),
        ] {
            let event = event(json!({"headers": headers, "body": body, "isBase64Encoded": is_base64}));
            assert_eq!(event.transaction().map(|_| ()), expected, "{headers} {body}");
        }
        // As API Gateway hands over what was in Latin-1.
        let lost = plain.replace('é', "\u{fffd}");
        let why = event(json!({"body": lost}))
            .transaction()
            .expect_err("a lost character");
        assert!(why.to_string().starts_with("user_id must not contain U+FFFD"), "{why}");
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
