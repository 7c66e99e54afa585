//! Words that say whether something was fraud.

use super::fault::Problem;

const HONEST: [&str; 2] = ["ok", "legit"];

/// Reads the label of a transaction in a file of transactions: whether it was fraud, or nothing where it is empty.
///
/// # Errors
///
/// It is no word for either.
pub fn fraud(text: &str) -> Result<Option<bool>, Problem> {
    let word = text.trim().to_ascii_lowercase();
    // Numbers that had a gap in their column are written with a decimal by some programs.
    match word.as_str() {
        "" => Ok(None),
        "1" | "1.0" | "true" | "yes" | "fraud" => Ok(Some(true)),
        "0" | "0.0" | "false" | "no" => Ok(Some(false)),
        word if HONEST.contains(&word) => Ok(Some(false)),
        _ => Err(Problem::new(
            "no label",
            "is not 1, 0 or empty, nor yes, no, true, false, fraud, ok or legit",
        )),
    }
}

/// What a word in a label file says: is it fraud? Case does not matter, nor blanks around.
///
/// # Errors
///
/// It is neither `fraud` nor `ok` nor `legit`. Words that answer a question which is not there, such as `true` and `1`,
/// are never guessed at; the message says so.
pub fn said(text: &str) -> Result<bool, String> {
    let word = text.trim().to_ascii_lowercase();
    match word.as_str() {
        "fraud" => return Ok(true),
        word if HONEST.contains(&word) => return Ok(false),
        _ => {}
    }
    let hint = match word.as_str() {
        "true" | "false" | "yes" | "no" | "y" | "n" | "t" | "f" | "1" | "0" | "1.0" | "0.0" => {
            "; it does not say whether fraud is meant or its absence"
        }
        "legitimate" | "genuine" | "honest" | "good" | "valid" | "normal" | "okay" | "clean" => {
            "; write ok if that is meant"
        }
        "fraudulent" | "bad" | "scam" | "confirmed fraud" => "; write fraud if that is meant",
        "chargeback" | "dispute" | "disputed" | "suspicious" => "; not every one of these is fraud, so decide for each",
        _ => "",
    };
    Err(format!(
        "is no label; it is either fraud or ok (legit is taken as ok){hint}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_of_answers_is_read_without_regard_to_case() {
        for text in ["1", "1.0", "true", "True", "YES", "fraud", " Fraud "] {
            assert_eq!(fraud(text), Ok(Some(true)), "{text}");
        }
        for text in ["0", "0.0", "FALSE", "No", "ok", "legit", "LEGIT"] {
            assert_eq!(fraud(text), Ok(Some(false)), "{text}");
        }
        assert_eq!((fraud(""), fraud(" ")), (Ok(None), Ok(None)));
        for text in ["2", "-1", "y", "chargeback", "NaN", "suspicious", ".0", "01"] {
            assert!(fraud(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_label_says_what_it_is_or_is_refused() {
        for text in ["fraud", "FRAUD", "Fraud", " fraud "] {
            assert_eq!(said(text), Ok(true), "{text}");
        }
        for text in ["ok", "OK", "Ok", "legit", "LEGIT"] {
            assert_eq!(said(text), Ok(false), "{text}");
        }
        for text in [
            "TRUE",
            "1",
            "0",
            "yes",
            "chargeback",
            "",
            "perhaps",
            "not fraud",
            "fraud?",
        ] {
            let told = said(text).expect_err(text);
            assert!(told.contains("either fraud or ok"), "{text}: {told}");
        }
        assert!(said("Legitimate").expect_err("a suggestion").contains("write ok"));
    }
}
