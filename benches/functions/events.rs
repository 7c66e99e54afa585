//! What the functions are given.

use serde_json::{Value, json};

use super::aws::{LOCATION, MERCHANT, USER, USUAL};

/// A request of API Gateway: with an unremarkable amount, or with one that alerts.
pub fn transaction(number: usize, alerts: bool) -> String {
    let amount = if alerts { "15000.00" } else { USUAL };
    let body = format!(
        r#"{{"transaction_id": "bench-{number}", "user_id": "{USER}", "amount": {amount}, "merchant": "{MERCHANT}", "location": "{LOCATION}"}}"#
    );
    json!({
        "resource": "/transactions",
        "path": "/transactions",
        "httpMethod": "POST",
        "headers": {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "Host": "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com",
            "User-Agent": "curl/8.5.0",
            "X-Amzn-Trace-Id": "Root=1-5e6722a7-cc56xmpl46db7ae02d4da47e",
            "X-Forwarded-For": "205.255.255.176",
            "X-Forwarded-Port": "443",
            "X-Forwarded-Proto": "https",
        },
        "queryStringParameters": null,
        "pathParameters": null,
        "stageVariables": null,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "a1b2c3d4e5",
            "httpMethod": "POST",
            "identity": {"sourceIp": "205.255.255.176", "userAgent": "curl/8.5.0"},
            "path": "/prod/transactions",
            "protocol": "HTTP/1.1",
            "requestId": format!("c6af9ac6-7b61-11e6-9a41-{number:012}"),
            "requestTimeEpoch": 1_700_000_000_000_u64,
            "resourcePath": "/transactions",
            "stage": "prod",
        },
        "body": body,
        "isBase64Encoded": false,
    })
    .to_string()
}

/// What EventBridge's schedule sends.
pub fn schedule() -> String {
    json!({
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": "2026-01-01T00:05:00Z",
        "region": "us-east-1",
        "resources": ["arn:aws:events:us-east-1:000000000000:rule/pattern-analysis-schedule-bench"],
        "detail": {},
    })
    .to_string()
}

/// Whether an answer is what the base behaviour gives for such a transaction.
pub fn is_as_expected(answer: &str, alerts: bool) -> bool {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default()).unwrap_or_default();
    let score = body["fraud_score"].as_f64().unwrap_or_default();
    let as_scored = if alerts { score >= 0.9 } else { score < 0.85 };
    answer["statusCode"] == 200 && body["is_suspicious"] == alerts && as_scored
}
