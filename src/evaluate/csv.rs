//! Transactions as text: comma-separated values with a header, one transaction a line, read and written one at a time.
//!
//! | column | | meaning |
//! |---|---|---|
//! | `transaction_id` | required | its id |
//! | `user_id` | required | who paid |
//! | `merchant` | required | who was paid |
//! | `location` | | where |
//! | `amount` | required | how much: a plain decimal number |
//! | `timestamp` | required | when, in seconds since 1970-01-01 UTC |
//! | `fraud` | | `1` fraud, `0` honest, empty not known |
//! | `labelled_at` | | when that became known, in seconds since 1970-01-01 UTC, or empty |
//! | `scenario` | | the simulator's scenario, `1` to `3`, or `0` |
//!
//! A reader takes the columns in any order, and refuses those that it does not know. Where a file has no `location` it is
//! `Unknown`; without `labelled_at`, what is known counts as known [`LABEL_DELAY`] after the transaction. What a writer
//! wrote is read back as it was.

use std::io::{Read, Write};
use std::str::FromStr;

use fraud::transaction::UNKNOWN;
use rust_decimal::Decimal;

use crate::record::Record;
use crate::simulate::LABEL_DELAY;

/// The columns, in the order in which they are written.
pub const COLUMNS: [&str; 9] = [
    "transaction_id",
    "user_id",
    "merchant",
    "location",
    "amount",
    "timestamp",
    "fraud",
    "labelled_at",
    "scenario",
];

/// The year 2200. What is later counts in milliseconds, most likely.
const LATEST: u64 = 7_258_118_400;

const REQUIRED: [&str; 5] = ["transaction_id", "user_id", "merchant", "amount", "timestamp"];

/// How much is read or written at once, in bytes.
const BUFFER: usize = 1 << 16;

const SECONDS: &str = "a number of seconds since 1970";
const AMOUNT: &str = "a plain decimal number";

/// Why transactions cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// A required column is missing in the header.
    #[error("line 1: there is no column {0:?}; the columns are {columns}", columns = COLUMNS.join(", "))]
    Missing(&'static str),
    /// The header names a column that means nothing.
    #[error("line 1: the column {0:?} is not known; the columns are {columns}", columns = COLUMNS.join(", "))]
    Unknown(String),
    /// The header names a column twice.
    #[error("line 1: the column {0:?} is there twice")]
    Twice(String),
    /// One value is not what its column holds.
    #[error("line {line}, column {column}: {value:?} is not {expected}")]
    Value {
        /// The line in the file, the header being 1.
        line: u64,
        /// The column's name.
        column: &'static str,
        /// What is there.
        value: String,
        /// What may be there.
        expected: &'static str,
    },
    /// A line has more or fewer values than there are columns.
    #[error("line {line}: {found} values, but the header has {expected}")]
    Length {
        /// The line in the file, the header being 1.
        line: u64,
        /// How many values it has.
        found: u64,
        /// How many columns there are.
        expected: u64,
    },
    /// The text is not UTF-8.
    #[error("line {line}, value {at}: this is not UTF-8 text")]
    Encoding {
        /// The line in the file, the header being 1.
        line: u64,
        /// Which value of the line, counted from 1.
        at: usize,
    },
    /// The file itself cannot be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Anything else that the format has against the text.
    #[error("{0}")]
    Format(csv::Error),
}

impl From<csv::Error> for CsvError {
    fn from(error: csv::Error) -> Self {
        let line = error.position().map_or(1, csv::Position::line);
        match error.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => Self::Length {
                line,
                found: *len,
                expected: *expected_len,
            },
            csv::ErrorKind::Utf8 { err, .. } => Self::Encoding {
                line,
                at: err.field() + 1,
            },
            csv::ErrorKind::Io(_) => match error.into_kind() {
                csv::ErrorKind::Io(why) => Self::Io(why),
                _ => Self::Io(std::io::ErrorKind::Other.into()),
            },
            _ => Self::Format(error),
        }
    }
}

/// Writes transactions.
pub struct Writer<'a> {
    // Behind a pointer, so that this code is compiled here, optimised, whoever uses it.
    inner: csv::Writer<Box<dyn Write + 'a>>,
}

impl<'a> Writer<'a> {
    /// Begins with the header.
    ///
    /// # Errors
    ///
    /// The target cannot be written.
    pub fn new(target: impl Write + 'a) -> Result<Self, CsvError> {
        Self::boxed(Box::new(target))
    }

    fn boxed(target: Box<dyn Write + 'a>) -> Result<Self, CsvError> {
        let mut inner = csv::WriterBuilder::new().buffer_capacity(BUFFER).from_writer(target);
        inner.write_record(COLUMNS)?;
        Ok(Self { inner })
    }

    /// Writes one transaction. It may stay in memory until [`Writer::finish`].
    ///
    /// # Errors
    ///
    /// The target cannot be written.
    pub fn write(&mut self, record: &Record) -> Result<(), CsvError> {
        self.inner.write_record([
            record.transaction_id.as_str(),
            &record.user_id,
            &record.merchant,
            &record.location,
            &record.amount.to_string(),
            &record.timestamp.to_string(),
            record.fraud.map_or("", |fraud| if fraud { "1" } else { "0" }),
            &record.labelled_at.map(|at| at.to_string()).unwrap_or_default(),
            &record.scenario.to_string(),
        ])?;
        Ok(())
    }

    /// Writes what is left in memory.
    ///
    /// # Errors
    ///
    /// The target cannot be written.
    pub fn finish(mut self) -> Result<(), CsvError> {
        self.inner.flush()?;
        Ok(())
    }
}

/// Reads transactions, one at a time.
pub struct Reader<'a> {
    inner: csv::Reader<Box<dyn Read + 'a>>,
    row: csv::StringRecord,
    /// Where in a line each of [`COLUMNS`] is.
    places: [Option<usize>; COLUMNS.len()],
}

impl<'a> Reader<'a> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// A required column is missing, one is there twice, one is not known, or the source cannot be read.
    pub fn new(source: impl Read + 'a) -> Result<Self, CsvError> {
        Self::boxed(Box::new(source))
    }

    fn boxed(source: Box<dyn Read + 'a>) -> Result<Self, CsvError> {
        let mut inner = csv::ReaderBuilder::new().buffer_capacity(BUFFER).from_reader(source);
        let mut places = [None; COLUMNS.len()];
        for (at, name) in inner.headers()?.iter().enumerate() {
            let Some(column) = COLUMNS.iter().position(|column| *column == name) else {
                return Err(CsvError::Unknown(name.to_owned()));
            };
            if places[column].replace(at).is_some() {
                return Err(CsvError::Twice(name.to_owned()));
            }
        }
        let missing = COLUMNS
            .iter()
            .zip(places)
            .find(|(name, place)| place.is_none() && REQUIRED.contains(name));
        if let Some((name, _)) = missing {
            return Err(CsvError::Missing(name));
        }
        Ok(Self {
            inner,
            row: csv::StringRecord::new(),
            places,
        })
    }

    /// The line on which the transaction begins that was read last, the header being 1.
    pub fn line(&self) -> u64 {
        self.row.position().map_or(1, csv::Position::line)
    }

    fn read(&mut self) -> Result<Option<Record>, CsvError> {
        if !self.inner.read_record(&mut self.row)? {
            return Ok(None);
        }
        let row = Row {
            line: self.line(),
            values: &self.row,
            places: &self.places,
        };
        row.record().map(Some)
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Record, CsvError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// One line of a file.
struct Row<'a> {
    line: u64,
    values: &'a csv::StringRecord,
    places: &'a [Option<usize>; COLUMNS.len()],
}

impl Row<'_> {
    fn record(&self) -> Result<Record, CsvError> {
        let text = |column| self.value(column).unwrap_or_default().to_owned();
        let timestamp = self
            .parsed("timestamp", SECONDS, parse::<u64>)?
            .ok_or_else(|| self.wrong("timestamp", SECONDS))?;
        if timestamp > LATEST {
            return Err(self.wrong("timestamp", SECONDS));
        }
        let amount = self.parsed("amount", AMOUNT, |text| Decimal::from_str_exact(text).ok())?;
        let fraud = self.parsed("fraud", "1, 0 or empty", |text| match text {
            "1" => Some(true),
            "0" => Some(false),
            _ => None,
        })?;
        let labelled_at = match self.value("labelled_at") {
            None => fraud.map(|_| LABEL_DELAY.saturating_add(timestamp)),
            Some(_) => self.parsed("labelled_at", SECONDS, parse)?,
        };
        let scenario = self.parsed("scenario", "0, 1, 2 or 3", |text| {
            parse(text).filter(|scenario| *scenario <= 3)
        })?;
        Ok(Record {
            transaction_id: text("transaction_id"),
            user_id: text("user_id"),
            merchant: text("merchant"),
            location: self.value("location").unwrap_or(UNKNOWN).to_owned(),
            amount: amount.ok_or_else(|| self.wrong("amount", AMOUNT))?,
            timestamp,
            fraud,
            labelled_at,
            scenario: scenario.unwrap_or(0),
        })
    }

    /// What the line has in a column; nothing if the file does not have the column.
    fn value(&self, column: &str) -> Option<&str> {
        let column = COLUMNS.iter().position(|name| *name == column)?;
        self.values.get(self.places[column]?)
    }

    /// What a column means; nothing if it is empty or not there.
    fn parsed<T>(
        &self,
        column: &'static str,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, CsvError> {
        match self.value(column) {
            None | Some("") => Ok(None),
            Some(text) => parse(text).map(Some).ok_or_else(|| self.wrong(column, expected)),
        }
    }

    fn wrong(&self, column: &'static str, expected: &'static str) -> CsvError {
        CsvError::Value {
            line: self.line,
            column,
            value: self.value(column).unwrap_or_default().to_owned(),
            expected,
        }
    }
}

fn parse<T: FromStr>(text: &str) -> Option<T> {
    // Rust's own reading of integers would take a leading plus.
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{Size, simulate};
    use proptest::prelude::*;

    fn written(records: &[Record]) -> String {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes).expect("a header");
        for record in records {
            writer.write(record).expect("a line");
        }
        writer.finish().expect("the rest");
        String::from_utf8(bytes).expect("text")
    }

    fn read(text: &str) -> Result<Vec<Record>, CsvError> {
        Reader::new(text.as_bytes())?.collect()
    }

    fn refused(text: &str) -> String {
        read(text).expect_err("refused").to_string()
    }

    #[test]
    fn a_simulation_is_read_back_as_it_was() {
        let size = Size {
            customers: 50,
            terminals: 500,
            days: 20,
        };
        let records: Vec<Record> = simulate(1, &size).collect();
        assert!(records.len() > 1_000);
        assert_eq!(read(&written(&records)).expect("readable"), records);
    }

    #[test]
    fn the_columns_are_named_in_the_first_line() {
        let record = Record {
            transaction_id: "t".to_owned(),
            user_id: "u, \"v\"".to_owned(),
            merchant: "m".to_owned(),
            location: String::new(),
            amount: Decimal::new(15_050, 2),
            timestamp: 7,
            fraud: None,
            labelled_at: None,
            scenario: 0,
        };
        assert_eq!(
            written(&[record]),
            "transaction_id,user_id,merchant,location,amount,timestamp,fraud,labelled_at,scenario\n\
             t,\"u, \"\"v\"\"\",m,,150.50,7,,,0\n"
        );
    }

    #[test]
    fn columns_come_in_any_order_and_some_may_be_left_out() {
        let records = read("timestamp,amount,merchant,user_id,transaction_id,fraud\n5,1.5,m,u,t,1\n6,2,m,u,v,\n");
        let records = records.expect("readable");
        assert_eq!(records[0].timestamp, 5);
        assert_eq!(records[0].location, "Unknown");
        assert_eq!(records[0].amount.to_string(), "1.5");
        assert_eq!(records[0].fraud, Some(true));
        assert_eq!(records[0].labelled_at, Some(5 + 604_800));
        assert_eq!(records[1].fraud, None);
        assert_eq!(records[1].labelled_at, None);
    }

    #[test]
    fn a_mark_that_a_spreadsheet_puts_before_the_text_does_not_matter() {
        let text = "\u{feff}transaction_id,user_id,merchant,amount,timestamp\r\nt,u,m,1,2\r\n";
        assert_eq!(read(text).expect("readable").len(), 1);
    }

    #[test]
    fn a_header_must_make_sense() {
        let known = "the columns are transaction_id, user_id, merchant, location, amount, timestamp, fraud, labelled_at, scenario";
        assert_eq!(
            refused("transaction_id,user_id,merchant,amount\n"),
            format!("line 1: there is no column \"timestamp\"; {known}")
        );
        assert_eq!(
            refused("transaction_id,user_id,merchant,amount,timestamp,labeled_at\n"),
            format!("line 1: the column \"labeled_at\" is not known; {known}")
        );
        assert_eq!(
            refused("transaction_id,transaction_id\n"),
            "line 1: the column \"transaction_id\" is there twice"
        );
        assert!(refused("").contains("there is no column"));
    }

    #[test]
    fn a_mistake_is_named_with_its_line_and_column() {
        let header = "transaction_id,user_id,merchant,amount,timestamp,fraud,labelled_at,scenario\nt,u,m,1,2,1,3,0\n";
        for (line, message) in [
            (
                "t,u,m,1e3,2,1,3,0",
                "line 3, column amount: \"1e3\" is not a plain decimal number",
            ),
            (
                "t,u,m,,2,1,3,0",
                "line 3, column amount: \"\" is not a plain decimal number",
            ),
            (
                "t,u,m,1,2018-04-01,1,3,0",
                "line 3, column timestamp: \"2018-04-01\" is not a number of seconds since 1970",
            ),
            (
                "t,u,m,1,+2,1,3,0",
                "line 3, column timestamp: \"+2\" is not a number of seconds since 1970",
            ),
            (
                "t,u,m,1,,1,3,0",
                "line 3, column timestamp: \"\" is not a number of seconds since 1970",
            ),
            (
                "t,u,m,1,2,yes,3,0",
                "line 3, column fraud: \"yes\" is not 1, 0 or empty",
            ),
            (
                "t,u,m,1,2,1,-3,0",
                "line 3, column labelled_at: \"-3\" is not a number of seconds since 1970",
            ),
            ("t,u,m,1,2,1,3,4", "line 3, column scenario: \"4\" is not 0, 1, 2 or 3"),
            ("t,u,m,1,2,1,3", "line 3: 7 values, but the header has 8"),
        ] {
            assert_eq!(refused(&format!("{header}{line}\n")), message);
        }
    }

    #[test]
    fn text_that_is_not_utf_8_is_named_with_its_line() {
        let text = b"transaction_id,user_id,merchant,amount,timestamp\nt,u,\xff,1,2\n";
        let records: Result<Vec<Record>, CsvError> = Reader::new(&text[..]).expect("a header").collect();
        assert_eq!(
            records.expect_err("refused").to_string(),
            "line 2, value 3: this is not UTF-8 text"
        );
    }

    #[test]
    fn a_target_that_cannot_be_written_is_an_error() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("the disk is full"))
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let writer = Writer::new(Full).expect("nothing is written yet");
        assert_eq!(writer.finish().expect_err("an error").to_string(), "the disk is full");
    }

    fn record() -> impl Strategy<Value = Record> {
        let texts = (any::<String>(), any::<String>(), any::<String>(), any::<String>());
        let numbers = (any::<i64>(), 0_u32..6, 0..=LATEST, 0_u8..4);
        let labels = (any::<Option<bool>>(), any::<Option<u64>>());
        (texts, numbers, labels).prop_map(|(texts, numbers, (fraud, labelled_at))| Record {
            transaction_id: texts.0,
            user_id: texts.1,
            merchant: texts.2,
            location: texts.3,
            amount: Decimal::new(numbers.0, numbers.1),
            timestamp: numbers.2,
            fraud,
            labelled_at,
            scenario: numbers.3,
        })
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back_as_it_was(records in prop::collection::vec(record(), 0..8)) {
            let back = read(&written(&records)).expect("readable");
            prop_assert_eq!(format!("{back:?}"), format!("{records:?}"));
        }

        #[test]
        fn bytes_of_any_kind_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Reader::new(&bytes[..]).map(|reader| reader.take_while(Result::is_ok).count());
            let mut text = COLUMNS.join(",").into_bytes();
            text.push(b'\n');
            text.extend(bytes);
            let _ = Reader::new(&text[..]).map(|reader| reader.take_while(Result::is_ok).count());
        }
    }
}
