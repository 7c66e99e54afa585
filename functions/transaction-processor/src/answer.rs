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

impl Answer {
    /// 200: the transaction was scored and stored, and its alert published if it called for one.
    pub fn processed(transaction: &Transaction, assessment: &Assessment) -> Self {
        Self::new(
            200,
            &json!({
                "message": "Transaction processed successfully",
                "transaction_id": transaction.transaction_id,
                "fraud_score": assessment.fraud_score,
                "is_suspicious": assessment.is_suspicious,
            }),
        )
    }

    /// 400: the request is not a transaction; nothing was stored.
    pub fn invalid(why: &Invalid) -> Self {
        Self::new(400, &json!({"error": why.to_string(), "field": why.field().name()}))
    }

    /// 500: something on our side failed. What it was is for the log alone; the id leads there.
    pub fn internal_error(request_id: &str) -> Self {
        Self::new(
            500,
            &json!({"message": "Internal server error", "request_id": request_id}),
        )
    }

    fn new(status_code: u16, body: &Value) -> Self {
        Self {
            status_code,
            headers: Headers {
                content_type: "application/json",
            },
            is_base64_encoded: false,
            body: body.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fraud::assess;

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
        let answer = Answer::processed(
            &transaction,
            &assess(
                &transaction,
                &fraud::Context::unknown(1_700_000_000),
                fraud::Rules::builtin(),
            ),
        );
        assert_eq!(answer.status_code, 200);
        assert!(answer.body.contains(r#""fraud_score":0.1"#), "{}", answer.body);
        assert!(answer.body.contains(r#""is_suspicious":false"#), "{}", answer.body);
        assert!(answer.body.contains(r#""transaction_id":"t-1""#), "{}", answer.body);
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
