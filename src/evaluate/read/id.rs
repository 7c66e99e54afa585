//! Ids and names as files have them.

use fraud::text::{TextError, check_id, check_text};
use fraud::transaction::UNKNOWN;

use super::amount::is_rounded;
use super::fault::Problem;

/// What other programs write where they have nothing.
const NOTHING: [&str; 9] = ["NULL", "null", "\\N", "NaN", "nan", "<NA>", "None", "#N/A", "N/A"];

/// What a spreadsheet shows instead of a value that it cannot show or compute.
const SHEET_ERRORS: [&str; 6] = ["#NAME?", "#REF!", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!"];

/// Reads an id: it is taken as it stands, character by character, or refused.
///
/// # Errors
///
/// It is none that the API takes, stands for nothing, or is the shadow of one that a spreadsheet has spoilt.
pub fn id(text: &str) -> Result<&str, Problem> {
    check_id(text).map_err(refused)?;
    spoilt(text)?;
    Ok(text)
}

/// Reads who was paid, or where: [`UNKNOWN`] where there is nothing.
///
/// # Errors
///
/// As [`id`].
pub fn name(text: &str) -> Result<&str, Problem> {
    if text.trim().is_empty() {
        return Ok(UNKNOWN);
    }
    check_text(text).map_err(refused)?;
    spoilt(text)?;
    Ok(text)
}

/// The API's rule for texts is that of files.
fn refused(error: TextError) -> Problem {
    let reason = match error {
        TextError::Empty | TextError::NothingVisible => "empty",
        TextError::TooLong(_) => "too long",
        TextError::Character(..) => "a character that cannot be seen",
        TextError::BlanksAround => "blanks around",
        TextError::MarkFirst => "a combining mark in front",
    };
    Problem::new(reason, error.to_string())
}

/// Refuses what is no id of the system that the file comes from, but stands where one was.
fn spoilt(text: &str) -> Result<(), Problem> {
    if is_rounded(text) {
        let what = "is a number that a spreadsheet has rounded, so that different ids look the same; export the column as \
                    text";
        return Err(Problem::new("rounded by a spreadsheet", what));
    }
    let hashes = text.len() >= 3 && text.bytes().all(|byte| byte == b'#');
    if hashes || SHEET_ERRORS.contains(&text) {
        let what = "is what a spreadsheet shows where it cannot show the value; export the column as text";
        return Err(Problem::new("an error of a spreadsheet", what));
    }
    if NOTHING.contains(&text) {
        let what = "is what programs write where they have nothing; leave out the line, or say who or what is meant";
        return Err(Problem::new("a word for nothing", what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_as_it_stands() {
        for text in [
            "t-1",
            "4000000000000000",
            "a b",
            "\u{e9}",
            "O'Hara",
            "null-1",
            "1e5",
            "#1",
        ] {
            assert_eq!(id(text), Ok(text));
        }
    }

    #[test]
    fn ids_that_are_none_are_refused() {
        for (text, reason) in [
            ("", "empty"),
            ("  ", "empty"),
            (" t-77", "blanks around"),
            ("t-77 ", "blanks around"),
            ("t-77\u{a0}", "a character that cannot be seen"),
            ("t\u{200b}77", "a character that cannot be seen"),
            ("\u{202e}t-77", "a character that cannot be seen"),
            ("\u{feff}t-77", "a character that cannot be seen"),
            ("t\n77", "a character that cannot be seen"),
            ("4.00000E+15", "rounded by a spreadsheet"),
            ("4,5E+15", "rounded by a spreadsheet"),
            ("########", "an error of a spreadsheet"),
            ("#REF!", "an error of a spreadsheet"),
            ("NULL", "a word for nothing"),
            ("\\N", "a word for nothing"),
        ] {
            assert_eq!(id(text).map_err(|problem| problem.reason), Err(reason), "{text:?}");
        }
        assert!(id(&"\u{e9}".repeat(128)).is_ok());
        assert!(id(&"\u{e9}".repeat(129)).is_err());
    }

    #[test]
    fn a_name_may_be_missing() {
        assert_eq!((name(""), name("  ")), (Ok("Unknown"), Ok("Unknown")));
        assert_eq!(name("fraud_Alder, Birch and Cedar"), Ok("fraud_Alder, Birch and Cedar"));
        assert!(name("-7.27612E+17").is_err());
        assert!(name("NaN").is_err());
    }
}
