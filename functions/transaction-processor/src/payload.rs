//! Whether two requests say the same.

use std::fmt::Write as _;

use fraud::Transaction;
use sha2::{Digest, Sha256};

/// The fingerprint of what a transaction says: SHA-256 over its fields, in hexadecimal.
///
/// Requests that mean the same have the same one, however they are written: `150.5` is `150.50`, and the order of the
/// fields, blanks and fields that are not ours do not matter. A field left out is the same as its default.
pub fn fingerprint(transaction: &Transaction) -> String {
    let amount = transaction.amount.normalize().to_string();
    let fields = [
        &transaction.transaction_id,
        &transaction.user_id,
        &amount,
        &transaction.merchant,
        &transaction.location,
    ];
    let mut hash = Sha256::new();
    for field in fields {
        // With its length before it, no field can run into the next.
        hash.update(field.len().to_be_bytes());
        hash.update(field.as_bytes());
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(body: &str) -> String {
        fingerprint(&Transaction::parse(body.as_bytes()).expect("valid"))
    }

    #[test]
    fn the_same_said_in_another_way_is_the_same() {
        let one = of(r#"{"transaction_id": "t", "user_id": "u", "amount": 150.50}"#);
        assert_eq!(one.len(), 64);
        let others = [
            r#"{"amount":150.5,"user_id":"u","transaction_id":"t"}"#,
            r#"{"amount": 1505e-1, "user_id": "u", "transaction_id": "\u0074", "location": "Unknown", "extra": 1}"#,
        ];
        for other in others {
            assert_eq!(of(other), one, "{other}");
        }
    }

    #[test]
    fn no_field_runs_into_the_next() {
        let one = of(r#"{"transaction_id": "t", "user_id": "u", "amount": 1, "merchant": "ab", "location": "c"}"#);
        let other = of(r#"{"transaction_id": "t", "user_id": "u", "amount": 1, "merchant": "a", "location": "bc"}"#);
        assert_ne!(one, other);
    }

    proptest! {
        #[test]
        fn another_amount_is_another_payload(one in -1_000_000_i64..1_000_000, other in -1_000_000_i64..1_000_000) {
            let of_cents = |cents: i64| {
                let amount = rust_decimal::Decimal::new(cents, 2);
                of(&format!(r#"{{"transaction_id": "t", "user_id": "u", "amount": {amount}}}"#))
            };
            prop_assert_eq!(of_cents(one) == of_cents(other), one == other);
        }
    }
}
