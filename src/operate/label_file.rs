//! Labels from a file: separated values with the columns `transaction_id` and `label`.
//!
//! A file labels exactly the transactions that it names, or nothing: an id is taken character by character, and one doubt
//! about the file refuses all of it.

use super::label::Label;
use evaluate::read::{self, Fault, ReadError, Rows, normal, other_separator, shown, told_separator};
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
    /// It cannot be read, or something is wrong with what it holds.
    #[error(transparent)]
    Read(#[from] ReadError),
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
/// The first thing that is wrong with it, naming the line and the column.
pub fn parse(input: impl Read, delimiter: u8) -> Result<Vec<Row>, FileError> {
    let mut source = Rows::new(input, delimiter, b'"')?;
    let (id, label) = columns(&source).map_err(ReadError::from)?;
    let mut rows: Vec<Row> = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    while source.advance()? {
        let row = row(&source, id, label).map_err(ReadError::from)?;
        if let Some(first) = seen.get(&row.transaction_id).and_then(|at| rows.get(*at)) {
            if first.label != row.label {
                return Err(FileError::Contradiction {
                    transaction_id: row.transaction_id,
                    first: first.line,
                    second: row.line,
                });
            }
            continue;
        }
        seen.insert(row.transaction_id.clone(), rows.len());
        rows.push(row);
    }
    Ok(rows)
}

/// Where the two columns are. Their names are taken without regard to case.
fn columns(source: &Rows<'_>) -> Result<(usize, usize), Fault> {
    let header = |what: String| Fault::line(1, "the header", what);
    let names = source.names();
    if let Some(other) = other_separator(names, source.delimiter(), |names| {
        place(names, ID).is_ok() && place(names, LABEL).is_ok()
    }) {
        return Err(told_separator(source.delimiter(), other));
    }
    let id = place(names, ID).map_err(header)?;
    Ok((id, place(names, LABEL).map_err(header)?))
}

fn place(names: &[String], wanted: &str) -> Result<usize, String> {
    let found: Vec<usize> = (0..names.len()).filter(|at| normal(&names[*at]) == wanted).collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(format!(
            "there is no column {wanted:?}; the first line names the columns {ID} and {LABEL}"
        )),
        _ => Err(format!("the column {wanted:?} is there twice")),
    }
}

fn row(source: &Rows<'_>, id: usize, label: usize) -> Result<Row, Fault> {
    let text = source.value(id);
    let transaction_id = read::id(text)
        .map_err(|problem| source.fault(id, problem.reason, format!("{} {}", shown(text), problem.what)))?
        .to_owned();
    let text = source.value(label);
    let said = read::said(text).map_err(|what| source.fault(label, "no label", format!("{} {what}", shown(text))))?;
    let names_one = |values: &[&str]| read::id(values[id]).is_ok() && read::said(values[label]).is_ok();
    if let Some((line, column)) = source.swallowed(names_one) {
        let what = format!(
            "the quoted value that opens here holds line {line}, which looks like a line of its own; is there a quote too \
             many?"
        );
        return Err(source.fault(column, "a quote that holds whole lines", what));
    }
    Ok(Row {
        line: source.line(),
        transaction_id,
        label: Label::of(said),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        parse(text.as_bytes(), b',').unwrap_err().to_string()
    }

    fn rows(text: &str) -> Vec<(u64, String, Label)> {
        let rows = parse(text.as_bytes(), b',').unwrap();
        rows.into_iter()
            .map(|row| (row.line, row.transaction_id, row.label))
            .collect()
    }

    #[test]
    fn columns_stand_in_any_order_and_others_are_ignored() {
        let text = "\u{feff}note, Label ,Transaction_ID\nx,FRAUD,t-1\n, ok ,t-2\n\"a,b\",legit,\"t,3\"\n";
        let expected = [
            (2, "t-1".to_owned(), Label::Fraud),
            (3, "t-2".to_owned(), Label::Ok),
            (4, "t,3".to_owned(), Label::Ok),
        ];
        assert_eq!(rows(text), expected);
        assert_eq!(rows(&text.replace('\n', "\r\n")), expected);
        let semicolons = parse("transaction_id;label\nt-1;Ok\n".as_bytes(), b';').unwrap();
        assert_eq!((semicolons.len(), semicolons[0].label), (1, Label::Ok));
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_column() {
        for (text, says) in [
            ("transaction_id\nt-1\n", "line 1: there is no column \"label\""),
            ("", "line 1: there is no column \"transaction_id\""),
            (
                "transaction_id,label,LABEL\n",
                "line 1: the column \"label\" is there twice",
            ),
            (
                "transaction_id;label\nt-1;ok\n",
                "line 1: the values are separated by `;`, not by a comma: say --delimiter",
            ),
            ("transaction_id\tlabel\nt-1\tok\n", "say --delimiter tab"),
            (
                "transaction_id,label\nt-1,ok\nt-2,bad\n",
                "line 3, column label: \"bad\" is no label",
            ),
            (
                "transaction_id,label\nt-1,TRUE\n",
                "line 2, column label: \"TRUE\" is no label",
            ),
            (
                "transaction_id,label\nt-1,1\n",
                "line 2, column label: \"1\" is no label",
            ),
            (
                "transaction_id,label\nt-1,chargeback\n",
                "line 2, column label: \"chargeback\" is no label",
            ),
            (
                "transaction_id,label\n,ok\n",
                "line 2, column transaction_id: \"\" must not be empty",
            ),
            ("transaction_id,label\nt-1\n", "line 2: 1 values, but the header has 2"),
            (
                "transaction_id,label\r\nt-1,ok\r\n\r\nt-2,x\r\n",
                "line 4, column label",
            ),
            (
                "transaction_id,label\n4.00000E+15,ok\n",
                "line 2, column transaction_id: \"4.00000E+15\" is a number that",
            ),
            ("t\0r\0a\0n\0", "line 1: the file is UTF-16"),
        ] {
            let told = refused(text);
            assert!(
                told.starts_with(says) || told.contains("--delimiter tab") && told.contains(says),
                "{text:?}: {told}"
            );
        }
    }

    #[test]
    fn an_id_is_taken_as_it_stands_or_refused() {
        for id in ["\" t-77\"", " t-77", "t-77 ", "\"t-77\u{200b}\"", "\"t-77\n\""] {
            let told = refused(&format!("transaction_id,label\n{id},fraud\n"));
            assert!(told.starts_with("line 2, column transaction_id: "), "{id}: {told}");
        }
    }

    #[test]
    fn a_quote_too_many_labels_nothing() {
        let header = "transaction_id,label,note\n";
        let told = refused(&format!("{header}q-1,fraud,\"19 inch tv\nq-2,ok,x\nq-3,fraud,y\n"));
        assert!(
            told.starts_with("line 2, column note: the quote that opens here is never closed"),
            "{told}"
        );
        let told = refused(&format!("{header}q-0,ok,\nq-1,fraud,\"19 inch\nq-2,ok,22\"\n"));
        assert!(
            told.starts_with("line 3, column note: ") && told.contains("holds line 4"),
            "{told}"
        );
        assert_eq!(rows(&format!("{header}q-1,fraud,\"two\nlines\"\nq-2,ok,x\n")).len(), 2);
    }

    #[test]
    fn the_same_again_is_one_and_a_contradiction_is_refused() {
        assert_eq!(rows("transaction_id,label\nt-1,ok\nt-1,OK\n").len(), 1);
        let text = "transaction_id,label\nt-1,ok\nt-2,ok\nt-1,fraud\n";
        assert_eq!(refused(text), "lines 2 and 4 say different things of t-1");
    }
}
