//! Ids and names as files have them.

use fraud::transaction::{MAX_ID_CHARS, MAX_TEXT_CHARS, UNKNOWN};

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
    check_id(text)?;
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
    check(text, MAX_TEXT_CHARS)?;
    spoilt(text)?;
    Ok(text)
}

/// The rule for ids, which is that of the API: the one place where files meet it.
fn check_id(text: &str) -> Result<(), Problem> {
    if text.trim().is_empty() {
        return Err(Problem::new("no id", "is no id: nothing of it can be seen"));
    }
    check(text, MAX_ID_CHARS)?;
    if text.trim() != text {
        let what = "has blanks around it, and an id is taken as it stands; remove them";
        return Err(Problem::new("blanks around", what));
    }
    Ok(())
}

fn check(text: &str, longest: usize) -> Result<(), Problem> {
    // Zero-width characters, marks of direction, and the like: two ids that look the same would be two.
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
                | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
    };
    if text.chars().any(hidden) {
        return Err(Problem::new("invisible characters", "has characters in it that cannot be seen; remove them"));
    }
    if text.len() > longest && text.chars().count() > longest {
        return Err(Problem::new("too long", format!("is longer than {longest} characters")));
    }
    Ok(())
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
        for text in ["t-1", "4000000000000000", "a b", "\u{e9}", "O'Hara", "null-1", "1e5", "#1"] {
            assert_eq!(id(text), Ok(text));
        }
    }

    #[test]
    fn ids_that_are_none_are_refused() {
        for (text, reason) in [
            ("", "no id"),
            ("  ", "no id"),
            (" t-77", "blanks around"),
            ("t-77 ", "blanks around"),
            ("t-77\u{a0}", "blanks around"),
            ("t\u{200b}77", "invisible characters"),
            ("\u{202e}t-77", "invisible characters"),
            ("\u{feff}t-77", "invisible characters"),
            ("t\n77", "invisible characters"),
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
