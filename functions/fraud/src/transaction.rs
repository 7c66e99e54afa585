//! A transaction, and the only way from a request to one.

use rust_decimal::Decimal;

use crate::amount;
use crate::body::RawFields;
use crate::invalid::{Field, Invalid};
use crate::text::{TextError, check_id, check_text};

pub use crate::text::{MAX_ID_CHARS, MAX_TEXT_CHARS};

/// What `merchant` and `location` are when the request leaves them out, or has `null` there.
pub const UNKNOWN: &str = "Unknown";

/// One payment as its sender reported it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// The sender's name for it; 1 to [`MAX_ID_CHARS`] characters.
    pub transaction_id: String,
    /// Who pays; 1 to [`MAX_ID_CHARS`] characters.
    pub user_id: String,
    /// How much, exactly. Negative amounts are valid input: judging them is the score's business.
    pub amount: Decimal,
    /// Who is paid; 1 to [`MAX_TEXT_CHARS`] characters, [`UNKNOWN`] when not sent.
    pub merchant: String,
    /// Where; 1 to [`MAX_TEXT_CHARS`] characters, [`UNKNOWN`] when not sent.
    pub location: String,
}

impl Transaction {
    /// Reads the body of `POST /transactions`.
    ///
    /// Strings are kept as sent, and must be what [`text`](crate::text) takes. `null` in the place of a merchant or a
    /// location leaves it out. Fields that are not ours are ignored.
    ///
    /// # Errors
    ///
    /// The first thing wrong with the body, with the field it concerns. No error repeats a value of the body.
    pub fn parse(body: &[u8]) -> Result<Self, Invalid> {
        let fields = RawFields::read(body)?;
        Ok(Self {
            transaction_id: id(Field::TransactionId, fields.transaction_id)?,
            user_id: id(Field::UserId, fields.user_id)?,
            amount: amount::parse(fields.amount.ok_or(Invalid::Missing(Field::Amount))?)?,
            merchant: optional_text(Field::Merchant, fields.merchant)?,
            location: optional_text(Field::Location, fields.location)?,
        })
    }
}

fn id(field: Field, json: Option<&str>) -> Result<String, Invalid> {
    text(field, json.ok_or(Invalid::Missing(field))?, check_id)
}

fn optional_text(field: Field, json: Option<&str>) -> Result<String, Invalid> {
    match json {
        None | Some("null") => Ok(UNKNOWN.to_owned()),
        Some(json) => text(field, json, check_text),
    }
}

fn text(field: Field, json: &str, check: fn(&str) -> Result<(), TextError>) -> Result<String, Invalid> {
    if !json.starts_with('"') {
        return Err(Invalid::NotAString(field));
    }
    // It was read as JSON, where only this is left unseen: an escape that is no character.
    let text: String = serde_json::from_str(json).map_err(|_| Invalid::HalfAPair(field))?;
    check(&text).map_err(|why| Invalid::Text { field, why })?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AmountError;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn complete() -> Value {
        json!({"transaction_id": "t-1", "user_id": "u-1", "amount": 150.5, "merchant": "m", "location": "l"})
    }

    fn with(field: &str, value: Value) -> Result<Transaction, Invalid> {
        let mut body = complete();
        body[field] = value;
        Transaction::parse(body.to_string().as_bytes())
    }

    fn without(field: &str) -> Result<Transaction, Invalid> {
        let mut body = complete();
        body.as_object_mut().expect("an object").remove(field);
        Transaction::parse(body.to_string().as_bytes())
    }

    #[test]
    fn a_complete_body_becomes_a_transaction() {
        let transaction = Transaction::parse(complete().to_string().as_bytes()).expect("valid");
        assert_eq!(transaction.transaction_id, "t-1");
        assert_eq!(transaction.user_id, "u-1");
        assert_eq!(transaction.amount.to_string(), "150.5");
        assert_eq!(transaction.merchant, "m");
        assert_eq!(transaction.location, "l");
    }

    #[test]
    fn merchant_and_location_may_be_left_out() {
        assert_eq!(without("merchant").expect("valid").merchant, "Unknown");
        assert_eq!(without("location").expect("valid").location, "Unknown");
        assert_eq!(with("merchant", json!(null)).expect("valid").merchant, "Unknown");
        assert_eq!(with("location", json!(null)).expect("valid").location, "Unknown");
    }

    #[test]
    fn the_other_fields_are_required() {
        for field in [Field::TransactionId, Field::UserId, Field::Amount] {
            let error = without(field.name()).expect_err("incomplete");
            assert_eq!(error, Invalid::Missing(field));
            assert_eq!(error.to_string(), format!("{field} is required"));
        }
    }

    #[test]
    fn a_text_field_takes_nothing_but_strings() {
        for field in ["transaction_id", "user_id"] {
            assert!(matches!(with(field, json!(null)), Err(Invalid::NotAString(_))));
        }
        for field in ["transaction_id", "user_id", "merchant", "location"] {
            for value in [json!(1), json!(true), json!(["t"]), json!({"a": "t"})] {
                let error = with(field, value).expect_err("not a string");
                assert!(matches!(error, Invalid::NotAString(_)));
                assert_eq!(error.field().name(), field);
            }
        }
    }

    #[test]
    fn an_amount_is_a_number_and_nothing_like_it() {
        for value in [json!(null), json!("150.50"), json!(true), json!([1]), json!({})] {
            let error = with("amount", value).expect_err("not a number");
            assert_eq!(error, Invalid::Amount(AmountError::NotANumber));
            assert_eq!(error.field(), Field::Amount);
        }
    }

    #[test]
    fn an_object_that_poses_as_a_number_is_refused() {
        let body = br#"{"transaction_id": "t", "user_id": "u", "amount": {"$serde_json::private::Number": "1"}}"#;
        assert_eq!(Transaction::parse(body), Err(Invalid::Amount(AmountError::NotANumber)));
    }

    #[test]
    fn blank_strings_are_empty() {
        for field in ["transaction_id", "user_id", "merchant", "location"] {
            for value in ["", "   ", "\u{a0}"] {
                let error = with(field, json!(value)).expect_err("blank");
                assert_eq!(error.to_string(), format!("{field} must not be empty"));
                assert_eq!(error.field().name(), field);
            }
        }
    }

    #[test]
    fn ids_and_texts_are_what_the_rule_takes() {
        for (field, value, why) in [
            ("transaction_id", "t-1 ", "must not have blanks around it"),
            (
                "user_id",
                "mallory\u{200b}",
                "must not contain U+200B, which is invisible",
            ),
            (
                "user_id",
                "a\nb",
                "must not contain U+000A, which is a control character",
            ),
            (
                "merchant",
                "a\u{202e}b",
                "must not contain U+202E, which changes the direction of writing",
            ),
            ("location", "\u{200b}", "must have a visible character"),
        ] {
            let error = with(field, json!(value)).expect_err(value);
            assert_eq!(error.to_string(), format!("{field} {why}"));
            assert_eq!(error.field().name(), field);
        }
        let long = "ß".repeat(MAX_TEXT_CHARS);
        assert_eq!(with("merchant", json!(long)).expect("valid").merchant, long);
        let why = TextError::TooLong(MAX_ID_CHARS);
        let field = Field::TransactionId;
        assert_eq!(with("transaction_id", json!(long)), Err(Invalid::Text { field, why }));
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text() {
        let body = br#"{"transaction_id": "\ud800", "user_id": "u", "amount": 1}"#;
        assert_eq!(Transaction::parse(body), Err(Invalid::HalfAPair(Field::TransactionId)));
    }

    proptest! {
        #[test]
        fn bytes_of_any_kind_are_answered(body in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = Transaction::parse(&body);
        }

        #[test]
        fn text_that_looks_like_a_request_is_answered(
            body in "[{}\\[\\]:,\" ]*(\"(transaction_id|user_id|amount)\": ?[-0-9a-z.\"\\\\{}]*,? ?){0,6}[}]?"
        ) {
            let _ = Transaction::parse(body.as_bytes());
        }

        #[test]
        fn an_accepted_transaction_is_what_was_sent(
            transaction_id in any::<String>(),
            user_id in "\\PC{1,140}",
            merchant in "\\PC{1,20}",
            cents in -1_000_000_000_000_i64..1_000_000_000_000,
        ) {
            let amount = Decimal::new(cents, 2).to_string();
            let body = format!(
                r#"{{"transaction_id": {}, "user_id": {}, "merchant": {}, "amount": {amount}}}"#,
                json!(transaction_id), json!(user_id), json!(merchant),
            );
            if let Ok(transaction) = Transaction::parse(body.as_bytes()) {
                prop_assert_eq!(transaction.transaction_id, transaction_id);
                prop_assert_eq!(transaction.user_id, user_id);
                prop_assert_eq!(transaction.merchant, merchant);
                prop_assert_eq!(transaction.amount, Decimal::new(cents, 2));
                prop_assert_eq!(transaction.location, UNKNOWN);
            }
        }
    }
}
