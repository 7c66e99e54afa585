//! Labels from a file: comma-separated values with the columns `transaction_id` and `label`.

use super::label::{Label, UnknownLabel};
use std::collections::BTreeMap;
use std::io::Read;
use thiserror::Error;

const ID: &str = "transaction_id";
const LABEL: &str = "label";

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it stands, from 1.
    pub line: u64,
    /// Which transaction.
    pub transaction_id: String,
    /// What is said of it.
    pub label: Label,
}

/// Why a file cannot be used. Nothing was labelled.
#[derive(Debug, Error)]
pub enum FileError {
    /// It cannot be read, or is no such file.
    #[error(transparent)]
    Csv(#[from] csv::Error),
    /// A column is missing.
    #[error("line 1: there is no column {0:?}; the first line names the columns {ID} and {LABEL}")]
    Missing(&'static str),
    /// A label is none.
    #[error("line {line}: {why}")]
    Label {
        /// Where.
        line: u64,
        /// What is wrong with it.
        why: UnknownLabel,
    },
    /// A line names no transaction.
    #[error("line {0}: there is no {ID}")]
    NoId(u64),
    /// Two lines contradict each other.
    #[error("lines {first} and {second} say different things of {transaction_id}")]
    Contradiction {
        /// The transaction.
        transaction_id: String,
        /// The earlier line.
        first: u64,
        /// The later line.
        second: u64,
    },
}

/// Reads all of it. Other columns are ignored, and a line that says again what another said is left out.
///
/// # Errors
/// The first thing that is wrong with it, naming the line.
pub fn parse(input: impl Read) -> Result<Vec<Row>, FileError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input);
    let header = reader.headers()?.clone();
    let column = |name: &'static str| {
        let at = header
            .iter()
            .position(|column| column.trim_start_matches('\u{feff}') == name);
        at.ok_or(FileError::Missing(name))
    };
    let (id, label) = (column(ID)?, column(LABEL)?);
    let mut rows: Vec<Row> = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for record in reader.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let transaction_id = record.get(id).unwrap_or_default();
        if transaction_id.is_empty() {
            return Err(FileError::NoId(line));
        }
        let label = record.get(label).unwrap_or_default().parse();
        let label: Label = label.map_err(|why| FileError::Label { line, why })?;
        if let Some(first) = seen.get(transaction_id).and_then(|at| rows.get(*at)) {
            if first.label != label {
                return Err(FileError::Contradiction {
                    transaction_id: transaction_id.to_owned(),
                    first: first.line,
                    second: line,
                });
            }
            continue;
        }
        seen.insert(transaction_id.to_owned(), rows.len());
        rows.push(Row {
            line,
            transaction_id: transaction_id.to_owned(),
            label,
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn columns_stand_in_any_order_and_others_are_ignored() {
        let text = "\u{feff}note,label,transaction_id\nx,fraud,t-1\n, ok , t-2\n\"a,b\",ok,\"t,3\"\n";
        let rows: Vec<(u64, String, Label)> = parse(text.as_bytes())
            .unwrap()
            .into_iter()
            .map(|row| (row.line, row.transaction_id, row.label))
            .collect();
        assert_eq!(
            rows,
            [
                (2, "t-1".to_owned(), Label::Fraud),
                (3, "t-2".to_owned(), Label::Ok),
                (4, "t,3".to_owned(), Label::Ok),
            ]
        );
        let marked = "\u{feff}transaction_id,label\nt-1,ok\n";
        assert_eq!(parse(marked.as_bytes()).unwrap().len(), 1);
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        assert!(refused("transaction_id\nt-1\n").contains("no column \"label\""));
        assert!(refused("").contains("no column \"transaction_id\""));
        assert!(refused("transaction_id,label\nt-1,ok\nt-2,bad\n").contains("line 3: \"bad\" is no label"));
        assert!(refused("transaction_id,label\n,ok\n").contains("line 2"));
        assert!(refused("transaction_id,label\nt-1\n").contains("line: 2"));
    }

    #[test]
    fn the_same_again_is_one_and_a_contradiction_is_refused() {
        let same = "transaction_id,label\nt-1,ok\nt-1,ok\n";
        assert_eq!(parse(same.as_bytes()).unwrap().len(), 1);
        let text = "transaction_id,label\nt-1,ok\nt-2,ok\nt-1,fraud\n";
        assert_eq!(refused(text), "lines 2 and 4 say different things of t-1");
    }
}
