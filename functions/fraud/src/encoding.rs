//! What a body is that is not JSON in UTF-8.
//!
//! API Gateway hands a body over as text, in which each byte that is no UTF-8 has become U+FFFD, unless its content type is
//! among the API's binary ones. So what is known by its first bytes is known by either form of them.

use crate::invalid::{Field, Invalid};

/// The UTF-8 of U+FFFD, which stands for any byte that was no UTF-8.
const LOST: &[u8] = "\u{fffd}".as_bytes();

/// How compressed bodies begin: gzip, zlib, zstd, compress, lz4, xz, bzip2, zip. No form of JSON does.
const COMPRESSED: [&[u8]; 12] = [
    b"\x1f\x8b",
    b"\x78\x01",
    b"\x78\x5e",
    b"\x78\x9c",
    b"\x78\xda",
    b"\x28\xb5\x2f\xfd",
    b"\x1f\x9d",
    b"\x04\x22\x4d\x18",
    b"\xfd7zXZ\0",
    b"BZh",
    b"PK\x03\x04",
    b"\x1f\xa0",
];

/// Why this body is not JSON, where more can be said than that. `at` is the field in which reading it ended.
pub(crate) fn explain(body: &[u8], at: Field) -> Invalid {
    if at == Field::Body {
        if COMPRESSED.iter().any(|magic| begins(body, magic)) {
            return Invalid::Compressed;
        }
        if body.starts_with("\u{feff}".as_bytes()) {
            return Invalid::ByteOrderMark;
        }
        // Whatever its order and with or without a mark, each of the first letters has a zero byte in it.
        if body.iter().take(12).any(|byte| *byte == 0) {
            return Invalid::WideCharacters;
        }
    }
    let text = std::str::from_utf8(body);
    // Outside of a string, nothing of JSON is beyond ASCII.
    if text.is_err() || (at == Field::Body && text.is_ok_and(|text| text.contains(char::REPLACEMENT_CHARACTER))) {
        return Invalid::NotUtf8(at);
    }
    Invalid::Malformed(at)
}

/// Whether a body begins so, where bytes that are no UTF-8 may have become [`LOST`].
fn begins(body: &[u8], magic: &[u8]) -> bool {
    let mut rest = body;
    magic.iter().all(|byte| {
        let next = if rest.first() == Some(byte) {
            rest.get(1..)
        } else if byte.is_ascii() {
            None
        } else {
            rest.strip_prefix(LOST)
        };
        next.map(|next| rest = next).is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lossy(body: &[u8]) -> Vec<u8> {
        String::from_utf8_lossy(body).into_owned().into_bytes()
    }

    #[test]
    fn compressed_bodies_are_known_by_how_they_begin_as_bytes_and_as_text() {
        for magic in COMPRESSED {
            let body = [magic, b"\xcb\x48\xcd"].concat();
            assert_eq!(explain(&body, Field::Body), Invalid::Compressed, "{magic:x?}");
            assert_eq!(explain(&lossy(&body), Field::Body), Invalid::Compressed, "{magic:x?}");
        }
    }

    #[test]
    fn wide_encodings_are_known_with_and_without_a_mark() {
        let utf16 = |order: fn(u16) -> [u8; 2], mark: bool| {
            let text = if mark { "\u{feff}{\"a\": 1}" } else { "{\"a\": 1}" };
            text.encode_utf16().flat_map(order).collect::<Vec<u8>>()
        };
        let utf32 = |order: fn(u32) -> [u8; 4]| {
            let letters = "\u{feff}{}".chars().map(u32::from);
            letters.flat_map(order).collect::<Vec<u8>>()
        };
        for body in [
            utf16(u16::to_le_bytes, true),
            utf16(u16::to_be_bytes, true),
            utf16(u16::to_le_bytes, false),
            utf16(u16::to_be_bytes, false),
            utf32(u32::to_le_bytes),
            utf32(u32::to_be_bytes),
        ] {
            assert_eq!(explain(&body, Field::Body), Invalid::WideCharacters, "{body:x?}");
            assert_eq!(
                explain(&lossy(&body), Field::Body),
                Invalid::WideCharacters,
                "{body:x?}"
            );
        }
    }

    #[test]
    fn what_is_left_is_another_encoding_or_no_json() {
        assert_eq!(explain(b"\xef\xbb\xbf{}", Field::Body), Invalid::ByteOrderMark);
        let latin = b"{\"user_id\": \"Jos\xe9\"}";
        assert_eq!(explain(latin, Field::UserId), Invalid::NotUtf8(Field::UserId));
        // Brotli has no beginning of its own.
        assert_eq!(explain(b"\x8b\x02\x80\x7b", Field::Body), Invalid::NotUtf8(Field::Body));
        assert_eq!(
            explain(&lossy(b"\x8b\x02\x80\x7b"), Field::Body),
            Invalid::NotUtf8(Field::Body)
        );
        assert_eq!(explain(b"{", Field::Body), Invalid::Malformed(Field::Body));
        assert_eq!(explain(b"", Field::Body), Invalid::Malformed(Field::Body));
    }
}
