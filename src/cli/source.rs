//! Files that commands read: how a file of transactions is to be read, and texts as a whole.

use super::exit::Exit;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use evaluate::read::{Clock, Column, Layout, Options, Unit, Zone};
use std::path::Path;

/// How a file of transactions is to be read.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "How FILE is to be read")]
pub struct SourceArgs {
    /// Which of its columns are which of ours: user_id=cc_num,amount=amt,timestamp=date+time; others are passed over
    #[arg(long, value_name = "OURS=ITS,...", value_delimiter = ',', value_parser = column)]
    columns: Vec<(Column, String)>,
    /// It has the layout of this public data set
    #[arg(long, value_parser = PossibleValuesParser::new(Layout::ALL.map(Layout::name)).try_map(layout))]
    layout: Option<Layout>,
    /// What separates its values, where it is no comma: one character, or tab
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    delimiter: Option<u8>,
    /// Where the clock of times without an offset stood: UTC, +02:00 or Europe/Paris
    #[arg(long, value_name = "ZONE", allow_hyphen_values = true, value_parser = str::parse::<Zone>)]
    timezone: Option<Zone>,
    /// What numbers count in its columns of times [default: seconds]
    #[arg(long, value_name = "UNIT", value_parser = PossibleValuesParser::new(Unit::ALL.map(Unit::name)).try_map(unit))]
    time_unit: Option<Unit>,
    /// From when on they count, as 2018-01-01 or 2018-01-01T00:00:00Z [default: 1970-01-01]
    #[arg(long, value_name = "TIME", value_parser = epoch)]
    epoch: Option<u64>,
    /// Its amounts have a decimal comma, as 12,50
    #[arg(long)]
    decimal_comma: bool,
    /// Its lines are in no order: sort them by time in memory
    #[arg(long)]
    sort: bool,
}

impl SourceArgs {
    /// Is anything of it asked for?
    pub fn is_given(&self) -> bool {
        let told = self.layout.is_some() || self.delimiter.is_some() || self.timezone.is_some();
        let counted = self.time_unit.is_some() || self.epoch.is_some();
        !self.columns.is_empty() || told || counted || self.decimal_comma || self.sort
    }

    /// The layout that is asked for.
    pub const fn layout(&self) -> Option<Layout> {
        self.layout
    }

    /// The same for the reader.
    pub fn options(&self) -> Result<Options, Exit> {
        let twice = self.columns.iter().enumerate().find(|(index, (column, _))| {
            let before = &self.columns[..*index];
            before.iter().any(|(other, _)| other == column)
        });
        if let Some((_, (column, _))) = twice {
            return Err(Exit::usage(format!("--columns: {} is there twice", column.name())));
        }
        Ok(Options {
            layout: self.layout,
            columns: self.columns.clone(),
            delimiter: self.delimiter,
            unit: self.time_unit,
            epoch: self.epoch,
            zone: self.timezone.clone(),
            decimal_comma: self.decimal_comma,
            sort: self.sort,
        })
    }
}

fn column(text: &str) -> Result<(Column, String), String> {
    let (ours, its) = text
        .split_once('=')
        .filter(|(_, its)| !its.trim().is_empty())
        .ok_or_else(|| format!("{text:?} is not a column of ours and one of the file, as user_id=cc_num"))?;
    Ok((ours.trim().parse()?, its.trim().to_owned()))
}

fn layout(name: String) -> Result<Layout, String> {
    let found = Layout::ALL.into_iter().find(|layout| layout.name() == name);
    found.ok_or_else(|| format!("there is no layout {name:?}"))
}

fn unit(name: String) -> Result<Unit, String> {
    let found = Unit::ALL.into_iter().find(|unit| unit.name() == name);
    found.ok_or_else(|| format!("there is no unit {name:?}"))
}

/// Reads a separator.
pub fn delimiter(text: &str) -> Result<u8, String> {
    let byte = match text {
        "tab" | "\\t" => b'\t',
        text => match text.as_bytes() {
            [byte] => *byte,
            _ => return Err("a separator is one character, or the word tab".to_owned()),
        },
    };
    let taken = byte.is_ascii_punctuation() && !b"\"'.-+$_".contains(&byte) || byte == b'\t' || byte == b' ';
    taken
        .then_some(byte)
        .ok_or_else(|| format!("{text:?} separates nothing: it is part of values"))
}

fn epoch(text: &str) -> Result<u64, String> {
    let clock = Clock {
        zone: Some(Zone::Offset(0)),
        ..Clock::default()
    };
    let midnight = format!("{text}T00:00:00");
    let read = clock
        .read(text, 0)
        .or_else(|why| clock.read(&midnight, 0).map_err(|_| why));
    read.map_err(|why| format!("{text:?} {}", why.what))
}

/// Reads a whole file of text, such as rules.
pub fn text(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|why| why.to_string())?;
    evaluate::read::text(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separator_is_one_character_that_is_part_of_no_value() {
        for (text, byte) in [
            (";", b';'),
            ("tab", b'\t'),
            ("\\t", b'\t'),
            ("\t", b'\t'),
            ("|", b'|'),
            (",", b','),
        ] {
            assert_eq!(delimiter(text), Ok(byte), "{text:?}");
        }
        for text in ["", ";;", "a", "1", "\"", ".", "-", "\n", "é"] {
            assert!(delimiter(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_beginning_is_a_day_or_a_moment() {
        assert_eq!(epoch("2018-01-01"), Ok(1_514_764_800));
        assert_eq!(epoch("2018-01-01T01:00:00+01:00"), Ok(1_514_764_800));
        assert_eq!(epoch("1514764800"), Ok(1_514_764_800));
        assert!(epoch("yesterday").is_err());
    }

    #[test]
    fn a_column_names_one_of_ours_and_one_of_the_file() {
        assert_eq!(column("user_id= cc num "), Ok((Column::UserId, "cc num".to_owned())));
        for text in ["user_id", "user_id=", "=x", "who=x"] {
            assert!(column(text).is_err(), "{text}");
        }
    }
}
