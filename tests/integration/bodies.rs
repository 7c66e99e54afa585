//! What the API takes as a request, and how it tells what it does not take.

use crate::client::{Client, now, text, transaction};
use crate::support::Environment;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// A good body, by gzip.
const GZIP: &str = "H4sIAAAAAAACA6tWKilKzCtOTC7JzM+Lz0xRslJQKtE1VNJRUCotTi2CiiTm5YFEEnPzS/NKgAKGtQCDSK24OAAAAA==";
const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn what_cannot_be_seen_is_no_id_and_nothing_of_it_is_stored() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    for (field, value) in [
        ("transaction_id", "\u{200b}\u{200b}"),
        ("transaction_id", " t-1"),
        ("transaction_id", "t-1\u{202e}"),
        ("transaction_id", "\u{2800}"),
        ("user_id", "mallory\u{200b}"),
        ("user_id", "mallory\u{3164}"),
        ("user_id", "mal\u{ad}lory"),
        ("user_id", "mallory\u{fe0f}"),
        ("user_id", "mallory\u{a0}"),
        ("user_id", "\u{feff}mallory"),
        ("user_id", "mallory\u{e000}"),
        ("merchant", "\u{200b}"),
        ("merchant", "Books\u{202e}"),
        ("location", "Os\u{1b}[2Jlo"),
    ] {
        let mut body = json!({"transaction_id": "t-1", "user_id": "mallory", "amount": 1});
        body[field] = json!(value);
        let answer = client.post(&body.to_string()).with_status(400);
        assert_eq!(answer["field"], field, "{value:?}: {answer:#}");
        assert!(
            text(&answer["error"]).starts_with(&format!("{field} must ")),
            "{answer:#}"
        );
    }
    assert_eq!(client.stored_in_all(), 0);

    for id in ["two words", "账户一", "e\u{301}t", "{}<>&'/"] {
        let body = json!({"transaction_id": id, "user_id": id, "amount": 1, "merchant": "Cafe\u{301} 👩\u{200d}🍳"});
        client.post(&body.to_string()).with_status(200);
    }
    assert_eq!(client.stored_in_all(), 4);
}

#[test]
fn null_leaves_a_merchant_and_a_location_out() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    let body = r#"{"transaction_id": "t-1", "user_id": "ann", "amount": 1, "merchant": null, "location": null}"#;
    let answer = client.post(body);
    answer.with_status(200);
    let stored = client.stored("t-1")[0].clone();
    assert_eq!(stored["merchant"], json!({"S": "Unknown"}));
    assert_eq!(stored["location"], json!({"S": "Unknown"}));
    let again = client.post(&transaction("t-1", "ann", "1"));
    assert_eq!((again.status, &again.body), (200, &answer.body));
}

/// MiniStack's validator says nothing of the reason; the local AWS adds it in the words of AWS's.
#[test]
fn what_api_gateway_refuses_it_refuses_with_the_reason_and_the_requests_id() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    for (body, named, reason) in [
        (
            r#"{"transaction_id": "t-1", "user_id": 451, "amount": 1}"#,
            "user_id",
            r#"[instance type (integer) does not match any allowed primitive type (allowed: ["string"])]"#,
        ),
        (
            r#"{"transaction_id": "t-1", "user_id": "ann"}"#,
            "amount",
            r#"[object has missing required properties (["amount"])]"#,
        ),
        (
            r#"{"transaction_id": "t-1", "user_id": "ann", "amount": "1", "merchant": 7}"#,
            "merchant",
            r#"(allowed: ["null","string"])"#,
        ),
        ("{", "JSON object", "[Unknown error parsing request body]"),
    ] {
        let answer = client.post(body).with_status(400);
        assert_eq!(answer["message"], "Invalid request body");
        assert!(text(&answer["error"]).contains(named), "{answer:#}");
        assert!(text(&answer["reason"]).contains(reason), "{answer:#}");
        assert!(!text(&answer["request_id"]).is_empty(), "{answer:#}");
    }
    let answer = client
        .post_with_key(None, &transaction("t-1", "ann", "1"))
        .with_status(403);
    assert_eq!(answer["message"], "Forbidden");
    assert!(!text(&answer["request_id"]).is_empty(), "{answer:#}");
    assert_eq!(client.stored_in_all(), 0);
}

#[test]
fn a_body_that_is_compressed_or_in_another_encoding_is_refused_and_told_so() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    let plain = transaction("t-1", "ann", "1");
    let gzip = STANDARD.decode(GZIP).expect("base64");
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let latin = transaction("t-1", "Jos?", "1").replace('?', "\u{1}").into_bytes();
    let latin: Vec<u8> = latin
        .into_iter()
        .map(|byte| if byte == 1 { 0xe9 } else { byte })
        .collect();
    let charset = ("content-type", "application/json; charset=ISO-8859-1");
    for (headers, body, told) in [
        (vec![JSON, ("content-encoding", "gzip")], gzip.clone(), "compressed"),
        (vec![JSON], gzip, "compressed"),
        (vec![JSON], format!("\u{feff}{plain}").into_bytes(), "byte order mark"),
        (vec![JSON], utf16(&format!("\u{feff}{plain}")), "UTF-8"),
        (vec![JSON], utf16(&plain), "UTF-8"),
        (vec![JSON], latin, "UTF-8"),
        (vec![charset], transaction("t-1", "José", "1").into_bytes(), "UTF-8"),
    ] {
        let answer = client.post_bytes(&headers, body.clone());
        let said = answer.with_status(400);
        assert!(text(&said["error"]).contains(told), "{headers:?} {body:?}: {said:#}");
    }
    assert_eq!(client.stored_in_all(), 0);
}

/// What API Gateway hands over where its validator has not refused it before: the function is asked itself.
#[test]
fn the_function_names_the_reason_of_every_body_that_is_none() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    let refusal = |event: Value| {
        let answer = client.invoke("transaction-processor-dev", &event)["Payload"].clone();
        assert_eq!(answer["statusCode"], 400, "{event}: {answer:#}");
        let body: Value = serde_json::from_str(&text(&answer["body"])).expect("JSON");
        (text(&body["field"]), text(&body["error"]))
    };
    let with = |field: &str, value: &str| {
        let mut body = json!({"transaction_id": "t", "user_id": "u", "amount": 1});
        body[field] = json!("?");
        json!({"body": body.to_string().replace("\"?\"", value)})
    };
    let deep = format!("{}{}", "[".repeat(9_000), "]".repeat(9_000));
    for (event, field, error) in [
        (
            json!({"body": GZIP, "isBase64Encoded": true}),
            "body",
            "must not be compressed",
        ),
        (
            json!({"body": "*", "isBase64Encoded": true}),
            "body",
            "is not valid base64",
        ),
        (
            json!({"body": "\u{1f}\u{fffd}\u{8}\0"}),
            "body",
            "must not be compressed",
        ),
        (json!({"body": "\u{fffd}\u{fffd}{\0\"\0"}), "body", "must be in UTF-8"),
        (
            json!({"body": "\u{fffd}\u{fffd}0", "headers": {"Content-Encoding": "br"}}),
            "body",
            "compressed",
        ),
        (with("user_id", r#""\ud800""#), "user_id", "half of a surrogate pair"),
        (with("user_id", "451"), "user_id", "must be a string"),
        (with("user_id", "null"), "user_id", "must be a string"),
        (with("user_id", &deep), "user_id", "must be a string"),
        (with("user_id", r#""a","user_id":"b""#), "user_id", "more than once"),
        (with("user_id", "\"Jos\u{fffd}\""), "user_id", "U+FFFD"),
        (with("amount", "NaN"), "amount", "is not valid JSON"),
        (with("amount", "-Infinity"), "amount", "is not valid JSON"),
        (with("amount", "1e999"), "amount", "at most 15 digits before"),
        (with("amount", "1e-999"), "amount", "at most 2 digits after"),
        (with("amount", "null"), "amount", "must be a number"),
    ] {
        let (told, why) = refusal(event);
        assert_eq!(told, field, "{why}");
        assert!(why.contains(error), "{why}");
    }
    assert_eq!(client.stored_in_all(), 0);
}

#[test]
fn no_reader_loses_a_digit_of_an_amount_in_the_reasons() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    let amount = "999999999999999.99";
    let answer = client.post(&transaction("t-1", "ann", amount)).with_status(200);
    let alert = client.take_alerts(1).remove(0).message;
    for reasons in [&answer["reasons"], &alert["reasons"]] {
        assert_eq!(reasons[0]["code"], "AMOUNT_OVER_LIMIT", "{reasons:#}");
        assert_eq!(reasons[0]["observed"], amount, "{reasons:#}");
        assert_eq!(reasons[0]["limit"], "10000", "{reasons:#}");
    }
    assert_eq!(alert["amount"], amount);
}

/// An older version stored ids that are none any more. Each is found by exactly its name.
#[test]
fn an_id_of_before_is_labelled_by_its_exact_name_and_shown_without_commands() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    let merchant = "Boo\u{1b}[2Jks\u{202e}";
    for id in [" t-77", "t-77"] {
        let item = json!({
            "transaction_id": {"S": id}, "timestamp": {"N": now().to_string()}, "user_id": {"S": "ann"},
            "amount": {"N": "10"}, "merchant": {"S": merchant}, "location": {"S": "Oslo"},
            "fraud_score": {"N": "0.1"}, "is_suspicious": {"BOOL": false},
        });
        let params = json!({"TableName": "transactions-dev", "Item": item});
        env.aws.call("dynamodb", "put_item", params);
    }
    let labelled = env.run(&["label", " t-77", "fraud"]).exits(0);
    assert!(labelled.stdout.contains(r"Boo\u001b[2Jks\u202e"), "{labelled:#?}");
    assert_eq!(client.stored(" t-77")[0]["label"], json!({"S": "fraud"}));
    assert!(client.stored("t-77")[0].get("label").is_none());
    let document = env.run(&["label", "t-77", "ok", "--json"]).exits(0);
    assert_eq!(document.json()["merchant"], merchant);

    let unknown = env.run(&["label", "t-77\u{200b}", "ok"]).exits(1);
    assert!(unknown.stderr.contains("U+200B, which is invisible"), "{unknown:#?}");
    let refused = env.run(&["send", "--id", "a\u{1b}[2J\u{202e}"]).exits(2);
    let wrong = env.run(&["load", "--rate", "\u{1b}[2J\u{202e}1"]).exits(2);
    for run in [labelled, document, unknown, refused, wrong] {
        let shown = [run.stdout.as_str(), run.stderr.as_str()].concat();
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{200b}']), "{run:#?}");
    }
}
