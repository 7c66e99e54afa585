//! Files of transactions, read one at a time. `docs/detection.md` says what they look like.
//!
//! No value is ever guessed, rounded or repaired: it is read as what it is, or refused with its line, its column, and
//! what is taken instead.

mod amount;
mod encoding;
mod fault;
mod id;
mod ids;
mod label;
mod layout;
mod rows;
mod sorted;
mod time;

use std::borrow::Cow;
use std::io::Read;

use crate::record::Record;
use crate::simulate::LABEL_DELAY;

use ids::Ids;
use layout::Places;

pub use encoding::text;
pub use fault::{Fault, Problem, ReadError, shown};
pub use id::id;
pub use label::said;
pub use layout::{Column, Layout, normal, other_separator, told_separator};
pub use rows::{Rows, separator};
pub use sorted::Sorted;
pub use time::{Clock, LATEST, Unit, Zone, moment, span};

/// When the steps of a layout begin that does not tell it: 2018-01-01, a Monday, in UTC.
pub const ASSUMED_EPOCH: u64 = 1_514_764_800;

/// How a file is to be read.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Which public layout it has.
    pub layout: Option<Layout>,
    /// Which of its columns are which of ours, before the layout.
    pub columns: Vec<(Column, String)>,
    /// What separates its values; a comma unless told.
    pub delimiter: Option<u8>,
    /// What its numbers count in the columns of times; else as the layout has it, else seconds.
    pub unit: Option<Unit>,
    /// From when on they count, in seconds since 1970; else as the layout has it, else 1970.
    pub epoch: Option<u64>,
    /// The zone of times that name none; else UTC where there is a layout.
    pub zone: Option<Zone>,
    /// Has each amount a decimal comma?
    pub decimal_comma: bool,
    /// Is it taken whatever the order of its lines?
    pub sort: bool,
}

impl Options {
    /// Need its lines be in no order?
    pub fn sorts(&self) -> bool {
        self.sort || self.layout.is_some_and(Layout::is_unsorted)
    }

    fn clock(&self) -> Clock {
        let layout = self.layout;
        let assumed = layout.is_some_and(Layout::counts_from_its_beginning);
        Clock {
            unit: self.unit.or(layout.map(Layout::unit)).unwrap_or_default(),
            epoch: self.epoch.unwrap_or(if assumed { ASSUMED_EPOCH } else { 0 }),
            zone: self.zone.clone().or(layout.map(|_| Zone::Offset(0))),
            month_first: layout.is_some_and(Layout::is_month_first),
        }
    }
}

/// Reads transactions, one at a time. After a fault that is not [fatal](Fault::fatal) it goes on.
pub struct Reader<'a> {
    rows: Rows<'a>,
    places: Places,
    clock: Clock,
    decimal_comma: bool,
    sorts: bool,
    has_users: bool,
    ids: Ids,
    /// The line in front, and its moment.
    previous: Option<(u64, u64)>,
    /// The earliest moment, where it stands and how; and the latest.
    earliest: Option<Fault>,
    bounds: Option<(u64, u64)>,
    over: bool,
}

impl<'a> Reader<'a> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// The source cannot be read or is no text, or its columns are not those that it should have.
    pub fn new(source: impl Read + 'a, options: &Options) -> Result<Self, ReadError> {
        let delimiter = options.delimiter.unwrap_or(b',');
        let quote = options.layout.map_or(b'"', Layout::quote);
        let rows = Rows::new(source, delimiter, quote)?;
        let places = layout::places(rows.names(), delimiter, options.layout, &options.columns)?;
        Ok(Self {
            rows,
            places,
            clock: options.clock(),
            decimal_comma: options.decimal_comma,
            sorts: options.sorts(),
            has_users: options.layout.is_none_or(Layout::has_users),
            ids: Ids::default(),
            previous: None,
            earliest: None,
            bounds: None,
            over: false,
        })
    }

    /// The line on which the transaction begins that was read last, the header being 1.
    pub const fn line(&self) -> u64 {
        self.rows.line()
    }

    /// All values of that line, also of columns that are passed over.
    pub const fn rows(&self) -> &Rows<'a> {
        &self.rows
    }

    /// Which of ours a column of the file is.
    pub fn column(&self, index: usize) -> Option<Column> {
        let mut all = Column::ALL.into_iter();
        all.find(|column| self.places[column.index()].contains(&index))
    }

    /// Does the file say of each transaction who paid?
    pub const fn has_users(&self) -> bool {
        self.has_users
    }

    fn read(&mut self) -> Result<Option<Record>, ReadError> {
        if !self.rows.advance()? {
            self.check_times()?;
            return Ok(None);
        }
        if let Some((line, column)) = self.rows.swallowed(|values| self.is_a_row(values)) {
            let what = format!(
                "the quoted value that opens here holds line {line}, which looks like a line of its own; is there a quote \
                 too many?"
            );
            return Err(self.rows.fault(column, "a quote that holds whole lines", what).into());
        }
        let record = self.record()?;
        self.check_order(&record)?;
        self.note_time(record.timestamp);
        Ok(Some(record))
    }

    fn record(&mut self) -> Result<Record, Fault> {
        let at = |column: Column| self.places[column.index()].first().copied();
        let value = |column| at(column).map(|index| self.rows.value(index));
        let faulty = |column: Column, problem: Problem| {
            let index = at(column).unwrap_or_default();
            let shown = shown(&self.whole(column));
            self.rows
                .fault(index, problem.reason, format!("{shown} {}", problem.what))
        };
        let line = || format!("line-{}", self.rows.line());

        let transaction_id = match value(Column::TransactionId) {
            Some(text) => id(text)
                .map_err(|problem| faulty(Column::TransactionId, problem))?
                .to_owned(),
            None => line(),
        };
        let user_id = match value(Column::UserId) {
            Some("") => {
                let problem = Problem::new("no id", "is empty, but it tells whose history counts");
                return Err(faulty(Column::UserId, problem));
            }
            Some(text) => id(text).map_err(|problem| faulty(Column::UserId, problem))?.to_owned(),
            // Nobody knows who it was: a user of his own.
            None => line(),
        };
        let name = |column| {
            let name = id::name(value(column).unwrap_or_default());
            name.map(str::to_owned).map_err(|problem| faulty(column, problem))
        };
        let amount = amount::amount(value(Column::Amount).unwrap_or_default(), self.decimal_comma)
            .map_err(|problem| faulty(Column::Amount, problem))?;
        let previous = self.previous.map_or(0, |(_, at)| at);
        let when = |column, previous| {
            let moment = self.clock.read(&self.whole(column), previous);
            moment.map_err(|problem| faulty(column, problem))
        };
        let timestamp = when(Column::Timestamp, previous)?;
        let fraud =
            label::fraud(value(Column::Fraud).unwrap_or_default()).map_err(|problem| faulty(Column::Fraud, problem))?;
        let labelled_at = match value(Column::LabelledAt) {
            None => fraud.map(|_| LABEL_DELAY.saturating_add(timestamp)),
            Some(text) if text.trim().is_empty() => None,
            Some(_) => Some(when(Column::LabelledAt, timestamp)?),
        };
        if labelled_at.is_some_and(|at| at < timestamp) {
            let what = format!("is before the payment itself, at {}", moment(timestamp));
            return Err(faulty(
                Column::LabelledAt,
                Problem::new("a label before the payment", what),
            ));
        }
        let scenario = match value(Column::Scenario).unwrap_or_default() {
            "" | "0" | "0.0" => 0,
            "1" | "1.0" => 1,
            "2" | "2.0" => 2,
            "3" | "3.0" => 3,
            _ => {
                return Err(faulty(
                    Column::Scenario,
                    Problem::new("no scenario", "is not 0, 1, 2 or 3"),
                ));
            }
        };
        let (merchant, location) = (name(Column::Merchant)?, name(Column::Location)?);
        if let Some(index) = at(Column::TransactionId)
            && let Some(first) = self.ids.add(&transaction_id, self.rows.line())
        {
            let what = format!("{} is there twice; line {first} has it too", shown(&transaction_id));
            return Err(self.rows.fault(index, "an id that is there twice", what));
        }
        Ok(Record {
            transaction_id,
            user_id,
            merchant,
            location,
            amount,
            timestamp,
            fraud,
            labelled_at,
            scenario,
        })
    }

    /// What stands in a column, or in those that make it.
    fn whole(&self, column: Column) -> Cow<'_, str> {
        let places = &self.places[column.index()];
        if let [one] = places.as_slice() {
            return self.rows.value(*one).into();
        }
        let values: Vec<&str> = places.iter().map(|index| self.rows.value(*index)).collect();
        values.join(" ").into()
    }

    /// Could these be the values of a line?
    fn is_a_row(&self, values: &[&str]) -> bool {
        let of = |column: Column| -> String {
            let places = self.places[column.index()].iter();
            places.map(|index| values[*index]).collect::<Vec<_>>().join(" ")
        };
        amount::amount(&of(Column::Amount), self.decimal_comma).is_ok()
            && self.clock.read(&of(Column::Timestamp), 0).is_ok()
    }

    fn check_order(&mut self, record: &Record) -> Result<(), Fault> {
        let at = record.timestamp;
        let before = self.previous.filter(|(_, previous)| at < *previous);
        if let Some((line, previous)) = before.filter(|_| !self.sorts) {
            let what = format!(
                "{} is before line {line}, of {}: sort the transactions by time, or say --sort",
                moment(at),
                moment(previous)
            );
            return Err(self.time_fault("not in the order of time", what));
        }
        self.previous = Some((self.rows.line(), at));
        Ok(())
    }

    fn time_fault(&self, reason: &'static str, what: String) -> Fault {
        let index = self.places[Column::Timestamp.index()].first();
        self.rows.fault(index.copied().unwrap_or_default(), reason, what)
    }

    fn note_time(&mut self, at: u64) {
        let (first, last) = self.bounds.unwrap_or((u64::MAX, 0));
        if at < first && at < time::EARLIEST {
            let what = format!("{} would be {}", shown(&self.whole(Column::Timestamp)), moment(at));
            self.earliest = Some(self.time_fault("a time in 1970", what));
        }
        self.bounds = Some((first.min(at), last.max(at)));
    }

    /// Refuses a file at its end whose times begin when nobody paid by card.
    fn check_times(&mut self) -> Result<(), Fault> {
        let (Some(mut fault), Some((first, last))) = (self.earliest.take(), self.bounds) else {
            return Ok(());
        };
        if last < time::EARLIEST {
            fault.what.push_str(&format!(
                ", and the whole file spans {} from {}: are these {}? Say with --time-unit what they count, and with --epoch \
                 from when on",
                span(last - first),
                moment(first).split(' ').next().unwrap_or_default(),
                self.clock.unit.name(),
            ));
            if let Some(looks) = Layout::of(self.rows.names()) {
                fault
                    .what
                    .push_str(&format!("; this looks like the layout {looks}: say --layout {looks}"));
            }
        } else {
            fault.what.push_str(": is that when the payment was made?");
        }
        Err(fault)
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let read = self.read().transpose();
        self.over = match &read {
            None | Some(Err(ReadError::Io(_))) => true,
            Some(Err(ReadError::Fault(fault))) => fault.fatal,
            Some(Ok(_)) => false,
        };
        read
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
