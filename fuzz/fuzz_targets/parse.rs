//! Any bytes as the body of `POST /transactions`, and the same bytes as the amount in an otherwise good body.
//!
//! Crashes when the parser or the scoring panics, when something is accepted that was not sent like that, when plain
//! money is refused, or when a score leaves its range. What was sent is found out by other means than the parser's:
//! the strings by serde's derived reading, the amount by an arbitrary-precision decimal.
#![no_main]

use std::str::FromStr;

use bigdecimal::BigDecimal;
use fraud::transaction::{MAX_ID_CHARS, MAX_TEXT_CHARS, UNKNOWN};
use fraud::{Context, MAX_BODY_BYTES, MAX_FRACTION_DIGITS, MAX_WHOLE_DIGITS, Rules, Transaction, assess};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde_json::Number;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let mut with_amount = br#"{"transaction_id":"t","user_id":"u","amount":"#.to_vec();
    with_amount.extend_from_slice(bytes);
    with_amount.push(b'}');
    check(&with_amount);
});

/// A body as serde reads it when nothing special is asked of it.
#[derive(Deserialize)]
struct Sent {
    transaction_id: String,
    user_id: String,
    amount: Number,
    merchant: Option<String>,
    location: Option<String>,
}

fn or_unknown(text: Option<&str>) -> &str {
    text.unwrap_or(UNKNOWN)
}

fn check(body: &[u8]) {
    let sent = serde_json::from_slice::<Sent>(body);
    match Transaction::parse(body) {
        Ok(transaction) => {
            let sent = sent.expect("accepted, so it is JSON with these fields");
            assert_eq!(transaction.transaction_id, sent.transaction_id);
            assert_eq!(transaction.user_id, sent.user_id);
            assert_eq!(transaction.merchant, or_unknown(sent.merchant.as_deref()));
            assert_eq!(transaction.location, or_unknown(sent.location.as_deref()));
            assert_eq!(exact(&transaction.amount.to_string()), exact(&sent.amount.to_string()));
            check_score(&transaction);
        }
        Err(why) => {
            assert!(!why.to_string().is_empty());
            if let Ok(sent) = sent {
                assert!(!is_good(body, &sent), "{why}");
            }
        }
    }
}

fn exact(text: &str) -> BigDecimal {
    BigDecimal::from_str(text).expect("a number")
}

/// Whether a body must be accepted, whatever else may be.
fn is_good(body: &[u8], sent: &Sent) -> bool {
    // Serde looks at no byte of a field that it ignores; one that is no UTF-8 makes the whole no JSON.
    let Ok(body) = std::str::from_utf8(body) else {
        return false;
    };
    // Serde takes a list of values in the fields' order for the same.
    let is_object = body.trim_start().starts_with('{');
    // An object with serde_json's own key in it passes for a number with serde, and must not with us. The key may be
    // written with escapes.
    let poses = body.contains("$serde_json::") || body.contains('\\');
    let texts = [
        (sent.transaction_id.as_str(), MAX_ID_CHARS),
        (&sent.user_id, MAX_ID_CHARS),
        (or_unknown(sent.merchant.as_deref()), MAX_TEXT_CHARS),
        (or_unknown(sent.location.as_deref()), MAX_TEXT_CHARS),
    ];
    // What must be taken; that nothing else is, the tests of the rule hold.
    let plain = |(text, limit): (&str, usize)| {
        !text.is_empty() && text.len() <= limit && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let shaped = is_object && !poses && body.len() <= MAX_BODY_BYTES;
    shaped && texts.into_iter().all(plain) && is_money(&sent.amount.to_string())
}

/// Whether a number is written as money is: digits, and perhaps a point and few digits more.
fn is_money(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let short = |part: &str, limit: i32| i32::try_from(part.len()).is_ok_and(|length| length <= limit);
    short(whole, MAX_WHOLE_DIGITS)
        && short(fraction, MAX_FRACTION_DIGITS)
        && [whole, fraction].concat().bytes().all(|byte| byte.is_ascii_digit())
}

/// The base rule is a floor, and nothing known beside it leaves a plain amount at exactly 0.1.
fn check_score(transaction: &Transaction) {
    let assessment = assess(transaction, &Context::unknown(1_700_000_000), Rules::builtin());
    let score = exact(&assessment.fraud_score.to_string());
    assert!(exact("0.1") <= score && score <= exact("1"), "{score}");
    let amount = exact(&transaction.amount.to_string());
    if amount < exact("0") || amount > exact("10000") {
        assert!(score >= exact("0.9") && assessment.is_suspicious, "{amount}: {score}");
    }
}
