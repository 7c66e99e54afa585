//! What the caller gets back, in the shape that API Gateway's proxy integration wants.

use fraud::{Assessment, Invalid, Transaction};
use serde::Serialize;
use serde_json::{Value, json};

/// An HTTP answer with a JSON body.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    status_code: u16,
    headers: Headers,
    is_base64_encoded: bool,
    body: String,
}

#[derive(Debug, Serialize)]
struct Headers {
    #[serde(rename = "Content-Type")]
    content_type: &'static str,
}

/// The body of the answer to a transaction that was scored and stored. It is kept, and given again to whoever sends the
/// transaction again.
pub fn body(transaction: &Transaction, assessment: &Assessment) -> String {
    let body = json!({
        "message": "Transaction processed successfully",
        "transaction_id": transaction.transaction_id,
        "fraud_score": assessment.fraud_score,
        "is_suspicious": assessment.is_suspicious,
        "reasons": assessment.reasons,
        "rules_version": assessment.rules_version,
    });
    body.to_string()
}

impl Answer {
    /// 200: the transaction is stored, now or from an earlier request; this is the [`body`] made then.
    pub fn processed(body: String) -> Self {
        Self::new(200, body)
    }

    /// 400: the request is not a transaction; nothing was stored.
    pub fn invalid(why: &Invalid) -> Self {
        Self::json(400, &json!({"error": why.to_string(), "field": why.field().name()}))
    }

    /// 409: the id belongs to another transaction; nothing was stored.
    pub fn conflict() -> Self {
        let error = "transaction_id was used before, with another payload";
        Self::json(409, &json!({"error": error, "field": "transaction_id"}))
    }

    /// 500: something on our side failed. What it was is for the log alone; the id leads there.
    pub fn internal_error(request_id: &str) -> Self {
        Self::json(
            500,
            &json!({"message": "Internal server error", "request_id": request_id}),
        )
    }

    fn json(status_code: u16, body: &Value) -> Self {
        Self::new(status_code, body.to_string())
    }

    fn new(status_code: u16, body: String) -> Self {
        Self {
            status_code,
            headers: Headers {
                content_type: "application/json",
            },
            is_base64_encoded: false,
            body,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fraud::{Context, Rules, assess};

    #[test]
    fn an_answer_has_the_shape_of_the_proxy_integration() {
        let answer = serde_json::to_value(Answer::internal_error("r-1")).expect("serializable");
        assert_eq!(answer["statusCode"], 500);
        assert_eq!(answer["headers"], json!({"Content-Type": "application/json"}));
        assert_eq!(answer["isBase64Encoded"], false);
        let body: Value = serde_json::from_str(answer["body"].as_str().expect("a string")).expect("JSON");
        assert_eq!(body, json!({"message": "Internal server error", "request_id": "r-1"}));
    }

    #[test]
    fn a_score_is_a_number_as_it_stands() {
        let body = br#"{"transaction_id": "t-1", "user_id": "u-1", "amount": 150.50}"#;
        let transaction = Transaction::parse(body).expect("valid");
        let assessment = assess(&transaction, &Context::unknown(1_700_000_000), Rules::builtin());
        let body = super::body(&transaction, &assessment);
        assert!(body.contains(r#""fraud_score":0.1"#), "{body}");
        assert!(body.contains(r#""is_suspicious":false"#), "{body}");
        assert!(body.contains(r#""transaction_id":"t-1""#), "{body}");
        assert!(body.contains(r#""reasons":[]"#), "{body}");
        let answer = Answer::processed(body.clone());
        assert_eq!((answer.status_code, answer.body), (200, body));
    }

    #[test]
    fn a_refusal_names_the_field() {
        let why = Transaction::parse(br#"{"transaction_id": "t-1", "user_id": "u-1"}"#).expect_err("incomplete");
        let answer = Answer::invalid(&why);
        assert_eq!(answer.status_code, 400);
        let body: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(body, json!({"error": "amount is required", "field": "amount"}));
    }
}
