//! Lines of separated values, by RFC 4180 and no wider: what other readers guess at is refused here.
//!
//! A value that begins with the quote ends at the next single quote, and may hold separators and line breaks; a doubled
//! quote within it is one. After it comes a separator or the end of the line. A line ends with LF, CR LF or CR. Lines
//! without anything are passed over, and counted.

use std::io::Read;

use super::encoding::{self, NOT_UTF_8};
use super::fault::{Fault, ReadError, shown};

/// How much is read at once, in bytes.
const BUFFER: usize = 1 << 16;

/// A line of values is no longer than this, in bytes. Past it, a quote was not meant.
const LONGEST: usize = 1 << 20;

/// Reads a file line by line. The first one names the columns.
pub struct Rows<'a> {
    source: Source<'a>,
    delimiter: u8,
    quote: u8,
    names: Vec<String>,
    row: Row,
}

/// One line's values.
#[derive(Default)]
struct Row {
    line: u64,
    text: Vec<u8>,
    /// Where each value ends in `text`, and the line on which it begins.
    ends: Vec<(usize, u64)>,
    /// Has a quoted value a line break in it?
    broken: bool,
}

/// Bytes, and on which line they are.
struct Source<'a> {
    // Behind a pointer, so that this code is compiled here, optimised, whoever uses it.
    inner: Box<dyn Read + 'a>,
    buffer: Vec<u8>,
    at: usize,
    /// The line of the next byte.
    line: u64,
    after_return: bool,
}

/// What comes after a value.
#[derive(PartialEq, Eq)]
enum After {
    Value,
    Line,
    Nothing,
}

impl<'a> Rows<'a> {
    /// Reads the first line.
    ///
    /// # Errors
    ///
    /// It is no text, or the source cannot be read. What its names mean is not looked at.
    pub fn new(source: impl Read + 'a, delimiter: u8, quote: u8) -> Result<Self, ReadError> {
        Self::boxed(Box::new(source), delimiter, quote)
    }

    fn boxed(source: Box<dyn Read + 'a>, delimiter: u8, quote: u8) -> Result<Self, ReadError> {
        let mut rows = Self {
            source: Source::new(source)?,
            delimiter,
            quote,
            names: Vec::new(),
            row: Row::default(),
        };
        if let Some(what) = encoding::foreign(&rows.source.buffer) {
            return Err(Fault::line(1, "another kind of file", format!("the file is {what}"))
                .fatal()
                .into());
        }
        if rows.source.buffer.starts_with(encoding::MARK) {
            rows.source.at = encoding::MARK.len();
        }
        if rows.read_row()? {
            rows.check_text().map_err(Fault::fatal)?;
            rows.names = (0..rows.len()).map(|index| rows.value(index).to_owned()).collect();
        }
        Ok(rows)
    }

    /// The columns' names as the first line has them.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// A column's name, or its number where it has none.
    pub fn name(&self, index: usize) -> String {
        match self.names.get(index).map(|name| name.trim()) {
            Some("") | None => format!("number {}", index + 1),
            Some(name) => name.to_owned(),
        }
    }

    /// The separator.
    pub const fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Goes to the next line with anything on it. False at the end.
    ///
    /// # Errors
    ///
    /// Its values are not as many as the names, or no text, or it cannot be told where they end. After a fault that is
    /// not [fatal](Fault::fatal) the next line can be read.
    pub fn advance(&mut self) -> Result<bool, ReadError> {
        if !self.read_row()? {
            return Ok(false);
        }
        self.check_text()?;
        let (found, expected) = (self.len(), self.names.len());
        if found == expected {
            return Ok(true);
        }
        let hint = match found > expected {
            true => format!(
                "; a value that has {} in it, as `12,50` may, stands in quotes",
                separator(self.delimiter)
            ),
            false => String::new(),
        };
        let what = format!("{found} values, but the header has {expected}{hint}");
        Err(Fault::line(self.row.line, "not as many values as the header has", what).into())
    }

    /// The line on which this one's values begin; the first one of the file is 1.
    pub const fn line(&self) -> u64 {
        self.row.line
    }

    /// The line on which one of its values begins.
    pub fn line_of(&self, index: usize) -> u64 {
        self.row.ends.get(index).map_or(self.row.line, |(_, line)| *line)
    }

    /// How many values this line has.
    pub fn len(&self) -> usize {
        self.row.ends.len()
    }

    /// Has it no values?
    pub fn is_empty(&self) -> bool {
        self.row.ends.is_empty()
    }

    /// One of the values; empty where there is none.
    pub fn value(&self, index: usize) -> &str {
        // Every line that is handed out has been checked.
        std::str::from_utf8(self.bytes(index)).unwrap_or_default()
    }

    fn bytes(&self, index: usize) -> &[u8] {
        let Some((end, _)) = self.row.ends.get(index) else {
            return &[];
        };
        let from = index.checked_sub(1).map_or(0, |before| self.row.ends[before].0);
        &self.row.text[from..*end]
    }

    /// Would a line that a quoted value goes on to be a line of its own, by this judge of its values? Then a quote too
    /// many may have swallowed it. Tells where that line and the value begin.
    pub fn swallowed(&self, judge: impl Fn(&[&str]) -> bool) -> Option<(u64, usize)> {
        if !self.row.broken {
            return None;
        }
        let delimiter = char::from(self.delimiter);
        for index in 0..self.len() {
            let value = self.value(index).replace("\r\n", "\n").replace('\r', "\n");
            let lines: Vec<&str> = value.split('\n').collect();
            for (number, line) in lines.iter().enumerate().skip(1) {
                let mut values: Vec<&str> = line.split(delimiter).collect();
                if number + 1 == lines.len() {
                    values.extend((index + 1..self.len()).map(|rest| self.value(rest)));
                }
                if values.len() == self.names.len() && judge(&values) {
                    return Some((self.line_of(index) + number as u64, index));
                }
            }
        }
        None
    }

    /// A fault of one value of this line.
    pub fn fault(&self, index: usize, reason: &'static str, what: impl Into<String>) -> Fault {
        Fault::line(self.line_of(index), reason, what).in_column(self.name(index))
    }

    fn check_text(&self) -> Result<(), Fault> {
        let whole = std::str::from_utf8(&self.row.text);
        if whole.is_ok_and(|text| self.row.ends.iter().all(|(end, _)| text.is_char_boundary(*end))) {
            return Ok(());
        }
        let bad = (0..self.len()).find(|index| std::str::from_utf8(self.bytes(*index)).is_err());
        Err(self.fault(bad.unwrap_or_default(), "not UTF-8", NOT_UTF_8))
    }

    fn read_row(&mut self) -> Result<bool, ReadError> {
        self.row.text.clear();
        self.row.ends.clear();
        self.row.broken = false;
        // Lines without anything.
        while let Some(byte) = self.source.peek()? {
            if !matches!(byte, b'\r' | b'\n') {
                break;
            }
            self.source.next()?;
        }
        self.row.line = self.source.line;
        if self.source.peek()?.is_none() {
            return Ok(false);
        }
        loop {
            let line = self.source.line;
            let after = if self.source.peek()? == Some(self.quote) {
                self.quoted(line)?
            } else {
                self.plain()?
            };
            self.row.ends.push((self.row.text.len(), line));
            if after != After::Value {
                return Ok(true);
            }
        }
    }

    /// Reads a value up to the separator or the end of the line.
    fn plain(&mut self) -> Result<After, ReadError> {
        let begin = self.row.text.len();
        loop {
            match self.source.next()? {
                None => return Ok(After::Nothing),
                Some(byte) if byte == self.delimiter => return Ok(After::Value),
                Some(b'\r') => {
                    if self.source.peek()? == Some(b'\n') {
                        self.source.next()?;
                    }
                    return Ok(After::Line);
                }
                Some(b'\n') => return Ok(After::Line),
                Some(byte) => {
                    if byte == self.quote && self.row.text[begin..].iter().all(|byte| *byte == b' ') {
                        let index = self.row.ends.len();
                        let what = "a quote after blanks opens nothing; remove the blanks before it";
                        return Err(self.broken(self.source.line, index, "a quote after blanks", what));
                    }
                    self.keep(byte, self.row.line)?;
                }
            }
        }
    }

    /// Reads a quoted value and what comes after it.
    fn quoted(&mut self, opened: u64) -> Result<After, ReadError> {
        let index = self.row.ends.len();
        self.source.next()?;
        loop {
            match self.source.next()? {
                None => {
                    let what = "the quote that opens here is never closed; close it, or double it and put quotes around \
                                the whole value where it is part of it";
                    return Err(self.broken(opened, index, "an open quote", what));
                }
                Some(byte) if byte == self.quote => match self.source.peek()? {
                    Some(next) if next == self.quote => {
                        self.source.next()?;
                        self.keep(byte, opened)?;
                    }
                    Some(next) if next == self.delimiter => {
                        self.source.next()?;
                        return Ok(After::Value);
                    }
                    None => return Ok(After::Nothing),
                    Some(b'\r' | b'\n') => {
                        let first = self.source.next()?;
                        if first == Some(b'\r') && self.source.peek()? == Some(b'\n') {
                            self.source.next()?;
                        }
                        return Ok(After::Line);
                    }
                    Some(_) => {
                        let what = format!(
                            "the quoted value that opens here goes on after its closing quote on line {}; double the \
                             quotes that are part of it",
                            self.source.line
                        );
                        return Err(self.broken(opened, index, "text after a closing quote", what));
                    }
                },
                Some(byte) => {
                    self.row.broken |= matches!(byte, b'\r' | b'\n');
                    self.keep(byte, opened)?;
                }
            }
        }
    }

    fn keep(&mut self, byte: u8, line: u64) -> Result<(), ReadError> {
        if self.row.text.len() >= LONGEST {
            let index = self.row.ends.len();
            let what = format!("more than {LONGEST} bytes without an end; is there a quote that is never closed?");
            return Err(self.broken(line, index, "a line without an end", what));
        }
        self.row.text.push(byte);
        Ok(())
    }

    /// Where values end is not known from here on.
    fn broken(&self, line: u64, index: usize, reason: &'static str, what: impl Into<String>) -> ReadError {
        let fault = Fault::line(line, reason, what).fatal();
        match self.names.is_empty() {
            true => fault.into(),
            false => fault.in_column(self.name(index)).into(),
        }
    }
}

/// A separator as a message names it.
pub fn separator(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "a tab".to_owned(),
        b',' => "a comma".to_owned(),
        other => shown(&char::from(other).to_string()).replace('"', "`"),
    }
}

impl<'a> Source<'a> {
    fn new(inner: Box<dyn Read + 'a>) -> Result<Self, ReadError> {
        let mut source = Self {
            inner,
            buffer: Vec::new(),
            at: 0,
            line: 1,
            after_return: false,
        };
        source.fill()?;
        Ok(source)
    }

    /// Reads on; the buffer is empty at the end.
    fn fill(&mut self) -> Result<(), ReadError> {
        self.at = 0;
        self.buffer.clear();
        self.inner.by_ref().take(BUFFER as u64).read_to_end(&mut self.buffer)?;
        Ok(())
    }

    fn peek(&mut self) -> Result<Option<u8>, ReadError> {
        if self.at == self.buffer.len() {
            self.fill()?;
        }
        Ok(self.buffer.get(self.at).copied())
    }

    fn next(&mut self) -> Result<Option<u8>, ReadError> {
        let byte = self.peek()?;
        if let Some(byte) = byte {
            self.at += 1;
            let newline = byte == b'\n';
            // CR LF is one line break.
            self.line += u64::from(byte == b'\r' || newline && !self.after_return);
            self.after_return = byte == b'\r';
        }
        Ok(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(text: &[u8]) -> Result<Vec<(u64, Vec<String>)>, String> {
        let mut rows = Rows::new(text, b',', b'"').map_err(|error| error.to_string())?;
        let mut found = Vec::new();
        while rows.advance().map_err(|error| error.to_string())? {
            let values = (0..rows.len()).map(|index| rows.value(index).to_owned());
            found.push((rows.line(), values.collect()));
        }
        Ok(found)
    }

    fn lines(text: &str) -> Vec<u64> {
        rows(text.as_bytes())
            .expect("rows")
            .into_iter()
            .map(|(line, _)| line)
            .collect()
    }

    #[test]
    fn lines_are_those_of_the_file_however_they_end() {
        for end in ["\n", "\r\n", "\r"] {
            let text = "a,b\n1,2\n\n3,\"x\ny\nz\"\n5,6\n".replace('\n', end);
            assert_eq!(lines(&text), [2, 4, 7], "{end:?}");
            let without_end = text.trim_end().to_owned();
            assert_eq!(lines(&without_end), [2, 4, 7], "{end:?}");
        }
        assert_eq!(lines("a,b\r\n\n1,2\n\r\n3,4"), [3, 5]);
    }

    #[test]
    fn values_are_what_stands_there() {
        let found =
            rows(b"\xef\xbb\xbfa,b,c\n \"\"x,\"1,\"\"2\"\"\",\n,19\" tv,\"\"\n").expect_err("a quote after blanks");
        assert!(found.contains("line 2, column a: a quote after blanks"), "{found}");
        let found = rows(b"\xef\xbb\xbfa,b,c\n x ,\"1,\"\"2\"\"\",\n,19\" tv,\"\"\n").expect("rows");
        assert_eq!(found[0].1, [" x ", "1,\"2\"", ""]);
        assert_eq!(found[1].1, ["", "19\" tv", ""]);
    }

    #[test]
    fn an_open_quote_is_told_with_the_line_where_it_opens() {
        let told = rows(b"id,label,note\nq-1,fraud,\"19 inch tv\nq-2,ok,x\nq-3,fraud,y\n").expect_err("open");
        assert!(
            told.starts_with("line 2, column note: the quote that opens here is never closed"),
            "{told}"
        );
        let told = rows(b"id,label,note\r\nq-0,ok,\r\nq-1,fraud,\"19 inch\r\nq-2,ok,22\" tv\r\n").expect_err("open");
        assert!(
            told.starts_with("line 3, column note: ") && told.contains("on line 4"),
            "{told}"
        );
        let told = rows(b"id,\"label\n1,2\n").expect_err("open");
        assert!(told.starts_with("line 1: the quote"), "{told}");
        let long = format!("a,b\n1,\"{}", "x".repeat(LONGEST));
        assert!(
            rows(long.as_bytes())
                .expect_err("long")
                .starts_with("line 2, column b: more than")
        );
    }

    #[test]
    fn a_line_within_a_quoted_value_is_found_where_it_could_be_one_of_its_own() {
        let text = b"id,label,note\nq-1,fraud,\"19 inch\nq-2,ok,22\"\nq-3,ok,\"a\nb\"\n";
        let mut rows = Rows::new(&text[..], b',', b'"').expect("a header");
        let judge = |values: &[&str]| values[1] == "ok";
        assert!(rows.advance().expect("a row"));
        assert_eq!(rows.swallowed(judge), Some((3, 2)));
        assert!(rows.advance().expect("a row"));
        assert_eq!(rows.swallowed(judge), None);
    }

    #[test]
    fn text_that_is_not_utf_8_is_told_with_its_column_and_the_next_line_is_read() {
        let mut rows = Rows::new(&b"a,b\n1,\xc3\n2,\xa9\n\xc3,\xa9\n3,4\n"[..], b',', b'"').expect("a header");
        for says in ["line 2, column b", "line 3, column b", "line 4, column a"] {
            let told = rows.advance().expect_err("no text").to_string();
            assert!(told.contains(says) && told.contains("iconv"), "{told}");
        }
        assert!(rows.advance().expect("a row"));
        assert_eq!((rows.line(), rows.value(0)), (5, "3"));
    }

    proptest! {
        #[test]
        fn what_is_written_by_others_is_read(
            records in prop::collection::vec(prop::collection::vec("[a ,\"\r\né]{0,6}", 3), 1..8), crlf in any::<bool>()
        ) {
            let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
            let mut writer = csv::WriterBuilder::new().terminator(terminator).from_writer(Vec::new());
            writer.write_record(["a", "b", "c"]).expect("in memory");
            for record in &records {
                writer.write_record(record).expect("in memory");
            }
            let text = writer.into_inner().expect("in memory");
            let found: Vec<Vec<String>> = rows(&text).expect("rows").into_iter().map(|(_, values)| values).collect();
            prop_assert_eq!(found, records);
        }

        #[test]
        fn bytes_of_any_kind_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = rows(&bytes);
        }
    }
}
