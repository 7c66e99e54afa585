//! The request body taken apart: which fields it has, each as the JSON text that was sent.
//!
//! Values stay raw text until their field is validated. Two things need that: a number keeps every digit, and an object
//! cannot pass for a number (serde_json's arbitrary-precision numbers are objects with a reserved key on the inside).

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::encoding;
use crate::invalid::{Field, Invalid, MAX_BODY_BYTES};

/// The JSON text of each known field that the body has. Unknown fields are ignored.
#[derive(Default)]
pub(crate) struct RawFields<'a> {
    pub(crate) transaction_id: Option<&'a str>,
    pub(crate) user_id: Option<&'a str>,
    pub(crate) amount: Option<&'a str>,
    pub(crate) merchant: Option<&'a str>,
    pub(crate) location: Option<&'a str>,
}

impl<'a> RawFields<'a> {
    /// Takes a body apart.
    ///
    /// # Errors
    ///
    /// The body is too long, is not JSON in UTF-8, is not an object, or names a known field twice: two readers of such a body
    /// could disagree on what it says.
    pub(crate) fn read(body: &'a [u8]) -> Result<Self, Invalid> {
        if body.len() > MAX_BODY_BYTES {
            return Err(Invalid::BodyTooLong);
        }
        let mut reading = Reading {
            fields: Self::default(),
            at: Field::Body,
            repeated: None,
        };
        let mut json = serde_json::Deserializer::from_slice(body);
        let outcome = DeserializeSeed::deserialize(&mut reading, &mut json).and_then(|()| json.end());
        match outcome {
            Ok(()) => reading
                .repeated
                .map_or(Ok(reading.fields), |field| Err(Invalid::Repeated(field))),
            // No field is interpreted here, so the only wrong type there can be is the body's own.
            Err(error) if error.is_data() => Err(Invalid::NotAnObject),
            Err(_) => Err(encoding::explain(body, reading.at)),
        }
    }

    fn slot(&mut self, field: Field) -> Option<&mut Option<&'a str>> {
        match field {
            Field::Body => None,
            Field::TransactionId => Some(&mut self.transaction_id),
            Field::UserId => Some(&mut self.user_id),
            Field::Amount => Some(&mut self.amount),
            Field::Merchant => Some(&mut self.merchant),
            Field::Location => Some(&mut self.location),
        }
    }
}

/// A body being read: what was found, and what an error that comes now is about.
struct Reading<'a> {
    fields: RawFields<'a>,
    at: Field,
    repeated: Option<Field>,
}

impl<'de> DeserializeSeed<'de> for &mut Reading<'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Reading<'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(field)) = map.next_key()? {
            self.at = field;
            let value = map.next_value::<&'de RawValue>()?.get();
            self.at = Field::Body;
            if let Some(slot) = self.fields.slot(field)
                && slot.replace(value).is_some()
            {
                self.repeated.get_or_insert(field);
            }
        }
        Ok(())
    }
}

/// The field that a key of the body names; [`Field::Body`] stands for a key that we do not know.
struct Key(Field);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a field's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Key, E> {
        let known = Field::OF_A_TRANSACTION.into_iter().find(|field| field.name() == name);
        Ok(Key(known.unwrap_or(Field::Body)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str) -> Option<Invalid> {
        RawFields::read(body.as_bytes()).err()
    }

    #[test]
    fn values_are_the_text_that_was_sent() {
        let body = br#" { "amount" : 1.50e1 , "user_id":"a\u0062", "location": {"a": [1, 2]}, "other": [[]] } "#;
        let fields = RawFields::read(body).expect("a JSON object");
        assert_eq!(fields.amount, Some("1.50e1"));
        assert_eq!(fields.user_id, Some(r#""a\u0062""#));
        assert_eq!(fields.location, Some(r#"{"a": [1, 2]}"#));
        assert_eq!(fields.merchant, None);
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for body in ["", " ", "{", "{\"a\":1,}", "{} {}", "nul", "{1: 2}", "{'a': 1}"] {
            assert_eq!(error(body), Some(Invalid::Malformed(Field::Body)), "{body}");
        }
        for bad_utf8 in [b"\xff".as_slice(), b"{\"\xff\": 1}", b"{\"other\": \"\xff\"}"] {
            assert_eq!(RawFields::read(bad_utf8).err(), Some(Invalid::NotUtf8(Field::Body)));
        }
        assert_eq!(error("\u{feff}{}"), Some(Invalid::ByteOrderMark));
        assert_eq!(error("{\0\"\0"), Some(Invalid::WideCharacters));
        assert_eq!(RawFields::read(b"\x1f\x8b\x08\0").err(), Some(Invalid::Compressed));
    }

    #[test]
    fn a_malformed_value_names_its_field() {
        for body in [
            r#"{"amount": NaN}"#,
            r#"{"amount": Infinity}"#,
            r#"{"amount": 01}"#,
            r#"{"amount": }"#,
        ] {
            assert_eq!(error(body), Some(Invalid::Malformed(Field::Amount)), "{body}");
        }
        let bad_utf8 = b"{\"user_id\": \"\xff\"}";
        assert_eq!(RawFields::read(bad_utf8).err(), Some(Invalid::NotUtf8(Field::UserId)));
    }

    #[test]
    fn json_other_than_an_object_is_refused() {
        for body in ["null", "true", "1.5", "\"{}\"", "[]", "[{}]"] {
            assert_eq!(error(body), Some(Invalid::NotAnObject), "{body}");
        }
    }

    #[test]
    fn a_known_field_sent_twice_is_refused() {
        assert_eq!(
            error(r#"{"amount": 1, "user_id": "u", "am\u006funt": 99999}"#),
            Some(Invalid::Repeated(Field::Amount))
        );
        assert_eq!(error(r#"{"other": 1, "other": 2}"#), None);
    }

    #[test]
    fn deep_nesting_is_no_trouble() {
        let depth = 20_000;
        let body = format!(r#"{{"other": {}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        assert_eq!(error(&body), None);
    }

    #[test]
    fn a_body_over_the_limit_is_refused() {
        let padding = " ".repeat(MAX_BODY_BYTES - 2);
        assert_eq!(error(&format!("{{{padding}}}")), None);
        assert_eq!(error(&format!("{{ {padding}}}")), Some(Invalid::BodyTooLong));
    }
}
