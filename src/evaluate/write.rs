//! Transactions as text: comma-separated values with a header, one transaction a line, written one at a time. What is
//! written is [read](crate::read) back as it was.

use std::io::{self, Write};

use crate::read::Column;
use crate::record::Record;

/// How much is written at once, in bytes.
const BUFFER: usize = 1 << 16;

/// Transactions cannot be written.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct WriteError(#[from] pub io::Error);

impl From<csv::Error> for WriteError {
    fn from(error: csv::Error) -> Self {
        match error.into_kind() {
            csv::ErrorKind::Io(why) => Self(why),
            // Every line has as many values as the header, so that nothing else can be wrong.
            _ => Self(io::ErrorKind::Other.into()),
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
    pub fn new(target: impl Write + 'a) -> Result<Self, WriteError> {
        Self::boxed(Box::new(target))
    }

    fn boxed(target: Box<dyn Write + 'a>) -> Result<Self, WriteError> {
        let mut inner = csv::WriterBuilder::new().buffer_capacity(BUFFER).from_writer(target);
        inner.write_record(Column::ALL.map(Column::name))?;
        Ok(Self { inner })
    }

    /// Writes one transaction. It may stay in memory until [`Writer::finish`].
    ///
    /// # Errors
    ///
    /// The target cannot be written.
    pub fn write(&mut self, record: &Record) -> Result<(), WriteError> {
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
    pub fn finish(mut self) -> Result<(), WriteError> {
        self.inner.flush()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::Decimal;

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
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes).expect("a header");
        writer.write(&record).expect("a line");
        writer.finish().expect("the rest");
        assert_eq!(
            String::from_utf8(bytes).expect("text"),
            "transaction_id,user_id,merchant,location,amount,timestamp,fraud,labelled_at,scenario\n\
             t,\"u, \"\"v\"\"\",m,,150.50,7,,,0\n"
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
}
