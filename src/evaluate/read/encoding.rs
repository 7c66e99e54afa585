//! Files that are no UTF-8 text, told by how they begin.

/// The mark that some programs put before UTF-8 text.
pub const MARK: &[u8] = b"\xef\xbb\xbf";

/// How many bytes are enough to tell.
pub const ENOUGH: usize = 8;

const KINDS: [(&[u8], &str); 6] = [
    (b"\x1f\x8b", "compressed with gzip: unpack it first, with `gunzip`"),
    (
        b"PK\x03\x04",
        "a ZIP archive or a spreadsheet: unpack it, or save the sheet as \"CSV UTF-8\"",
    ),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet: save the sheet as \"CSV UTF-8\""),
    (b"PAR1", "a Parquet file: write it as CSV first"),
    (
        b"\x28\xb5\x2f\xfd",
        "compressed with zstd: unpack it first, with `unzstd`",
    ),
    (b"%PDF", "a PDF document: a text file is needed"),
];

const UTF_16: &str = "UTF-16 or UTF-32 text: save it as UTF-8, or convert it with `iconv -f UTF-16 -t UTF-8`";

/// What a file is instead of UTF-8 text, and what to do about it; nothing where it may be text. `start` is how it
/// begins.
pub fn foreign(start: &[u8]) -> Option<&'static str> {
    let start = &start[..start.len().min(ENOUGH)];
    if let Some((_, what)) = KINDS.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Some(what);
    }
    let marked = start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff");
    (marked || start.contains(&0)).then_some(UTF_16)
}

/// The text of a file that is read as a whole, without the mark before it.
///
/// # Errors
///
/// It is no UTF-8 text; the message says what it is, as far as that can be told.
pub fn text(mut bytes: Vec<u8>) -> Result<String, String> {
    if let Some(what) = foreign(&bytes) {
        return Err(format!("the file is {what}"));
    }
    if bytes.starts_with(MARK) {
        bytes.drain(..MARK.len());
    }
    String::from_utf8(bytes).map_err(|error| {
        let until = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..until].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line}: {NOT_UTF_8}")
    })
}

/// What is said of bytes that are no UTF-8.
pub(super) const NOT_UTF_8: &str =
    "this is not UTF-8 text; if it is Latin-1 or Windows-1252, convert it with `iconv -f WINDOWS-1252 -t UTF-8`";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_kinds_are_named() {
        for (start, says) in [
            (&b"\xff\xfet\0r\0"[..], "UTF-16"),
            (b"\xfe\xff\0t\0r", "UTF-16"),
            (b"t\0r\0a\0", "UTF-16"),
            (b"\xff\xfe\0\0t\0\0\0", "UTF-32"),
            (b"\x1f\x8b\x08\0", "gzip"),
            (b"PK\x03\x04\x14\0", "CSV UTF-8"),
        ] {
            let told = foreign(start).unwrap_or_default();
            assert!(told.contains(says), "{start:?}: {told}");
        }
        assert_eq!(foreign(b"transaction_id"), None);
        assert_eq!(foreign(b""), None);
    }

    #[test]
    fn a_text_loses_its_mark_and_nothing_else() {
        assert_eq!(text(b"\xef\xbb\xbf{\"a\": 1}".to_vec()).as_deref(), Ok("{\"a\": 1}"));
        assert_eq!(text(b"{}\n".to_vec()).as_deref(), Ok("{}\n"));
        let told = text(b"{\n\"\xe9\"}".to_vec()).expect_err("Latin-1");
        assert!(told.starts_with("line 2: ") && told.contains("Windows-1252"), "{told}");
        let told = text(b"\xff\xfe{\0}\0".to_vec()).expect_err("UTF-16");
        assert!(told.contains("UTF-16"), "{told}");
    }
}
