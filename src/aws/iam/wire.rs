//! What the kinds of IAM share: documents and tags as IAM sends them.

use crate::aws::tags;
use crate::resource::{Failure, Tags};
use aws_sdk_iam::types::Tag;

/// Tags as IAM takes them.
pub(super) fn to_wire(tags: &Tags) -> Result<Vec<Tag>, Failure> {
    tags::list(tags, "iam:Tag", |key, value| {
        Tag::builder().key(key).value(value).build()
    })
}

/// Tags as IAM gives them back, without those of AWS's own.
pub(super) fn from_wire(tags: Option<Vec<Tag>>) -> Tags {
    let tags = tags.unwrap_or_default().into_iter();
    tags::ours(tags.map(|tag| (tag.key, tag.value)))
}

/// The text behind a percent-encoding (RFC 3986), in which IAM gives documents back. Whatever is no code stays.
pub(super) fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let decoded = match tail {
            [high, low, ..] if first == b'%' => hex(*high).zip(hex(*low)).map(|(high, low)| (high << 4) | low),
            _ => None,
        };
        out.push(decoded.unwrap_or(first));
        rest = if decoded.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| value.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_decoded() {
        assert_eq!(decode("%7B%22a%22%3A%20%22%C3%A4%2B*%22%7D"), r#"{"a": "ä+*"}"#);
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%4"), "%zz%4");
    }

    #[test]
    fn tags_of_aws_are_left_out() -> Result<(), Failure> {
        let tags = Tags::from([
            ("Project".into(), "x".into()),
            ("aws:cloudformation:stack-id".into(), "y".into()),
        ]);
        let read = from_wire(Some(to_wire(&tags)?));
        assert_eq!(read, Tags::from([("Project".into(), "x".into())]));
        Ok(())
    }
}
