//! Which texts an id, a merchant or a location may be, and how a text from outside is shown on a terminal.
//!
//! One rule for the API, the commands and the files. Ids are what others look for, and by which histories are kept
//! apart: two that look alike must be alike. Merchants and locations are names that people wrote: they are kept as they
//! are, as long as they can be read and do not change how what stands beside them is read.
//!
//! The classes are Unicode's own: `General_Category`, `Default_Ignorable_Code_Point` and `Bidi_Control`.

use std::borrow::Cow;
use std::fmt::Write as _;

use icu_properties::props::{BidiControl, DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup as Group};
use icu_properties::{CodePointMapData, CodePointSetData};

/// The longest `transaction_id` or `user_id`, in characters. DynamoDB's own limit for a sort-keyed partition is 2,048
/// bytes; this leaves room for four bytes a character and for prefixes.
pub const MAX_ID_CHARS: usize = 128;

/// The longest `merchant` or `location`, in characters.
pub const MAX_TEXT_CHARS: usize = 256;

/// Characters that fonts leave blank, though Unicode counts them among letters and symbols: the empty braille pattern,
/// the fillers of Egyptian hieroglyphs and of the small Khitan script, and the notehead that is none.
const DRAWN_BLANK: [char; 5] = ['\u{2800}', '\u{13441}', '\u{13442}', '\u{16fe4}', '\u{1d159}'];

/// Why a text is none that is taken. It reads on after the name of what the text is: "user_id must not be empty".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// It is empty, or nothing but blanks.
    #[error("must not be empty")]
    Empty,
    /// Nothing of it can be seen.
    #[error("must have a visible character")]
    NothingVisible,
    /// It is too long.
    #[error("must not be longer than {0} characters")]
    TooLong(usize),
    /// It has a character that it may not have.
    #[error("must not contain U+{code:04X}, {1}", code = u32::from(*.0))]
    Character(char, Unfit),
    /// It begins or ends with a blank.
    #[error("must not have blanks around it")]
    BlanksAround,
    /// Its first character is drawn onto the one before, which is not its own.
    #[error("must not begin with a combining mark")]
    MarkFirst,
}

/// Why a character is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is a command and no character.
    #[error("which is a control character")]
    Control,
    /// It turns the direction of writing.
    #[error("which changes the direction of writing")]
    Direction,
    /// It ends a line or a paragraph.
    #[error("which separates lines")]
    Line,
    /// It stands where a character was that could not be read.
    #[error("which stands for a character that was lost; is this UTF-8?")]
    Lost,
    /// It is not drawn.
    #[error("which is invisible")]
    Invisible,
    /// It looks like a space and is none.
    #[error("which is a blank other than the space")]
    Blank,
    /// It is assigned to nobody, or to everybody's private use.
    #[error("which has no meaning in Unicode")]
    NoMeaning,
}

/// Whether a text can be a `transaction_id` or a `user_id`: 1 to [`MAX_ID_CHARS`] characters, each visible or a space,
/// with no space at either end.
///
/// # Errors
///
/// The first thing that is wrong with it.
pub fn check_id(text: &str) -> Result<(), TextError> {
    check(text, MAX_ID_CHARS, |_| true)?;
    if text.starts_with(' ') || text.ends_with(' ') {
        return Err(TextError::BlanksAround);
    }
    if text.starts_with(is_mark) {
        return Err(TextError::MarkFirst);
    }
    Ok(())
}

/// Whether a text can be a `merchant` or a `location`: 1 to [`MAX_TEXT_CHARS`] characters, at least one of them visible,
/// and none that commands, ends a line or changes the direction of writing. Others that are not seen, such as those that
/// join letters, and blanks of all kinds are taken.
///
/// # Errors
///
/// The first thing that is wrong with it.
pub fn check_text(text: &str) -> Result<(), TextError> {
    check(text, MAX_TEXT_CHARS, |unfit| {
        !matches!(unfit, Unfit::Invisible | Unfit::Blank | Unfit::NoMeaning)
    })?;
    let visible = |letter| letter != ' ' && unfit(letter).is_none() && !is_mark(letter);
    if text.chars().any(visible) {
        Ok(())
    } else {
        Err(TextError::NothingVisible)
    }
}

fn check(text: &str, limit: usize, counts: impl Fn(Unfit) -> bool) -> Result<(), TextError> {
    if text.trim().is_empty() {
        return Err(TextError::Empty);
    }
    if text.len() > limit && text.chars().count() > limit {
        return Err(TextError::TooLong(limit));
    }
    for letter in text.chars() {
        if let Some(unfit) = unfit(letter)
            && counts(unfit)
        {
            return Err(TextError::Character(letter, unfit));
        }
    }
    Ok(())
}

/// A text from outside as a terminal may show it: no character that an id may not have, each such as `\u202e` instead.
///
/// A document of JSON means the same afterwards, since only its strings can have such characters.
pub fn escape(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// The same for text of several lines: line feeds and tabs stay.
pub fn escape_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| matches!(letter, '\n' | '\t'))
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let hides = |letter: char| unfit(letter).is_some() && !stays(letter);
    if !text.contains(hides) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if hides(letter) {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                // Writing into a string cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

/// Why a character can be in no id, if it cannot.
fn unfit(letter: char) -> Option<Unfit> {
    // Nearly all that comes.
    if matches!(letter, ' '..='~') {
        return None;
    }
    let category = category(letter);
    if category == GeneralCategory::Control {
        Some(Unfit::Control)
    } else if CodePointSetData::new::<BidiControl>().contains(letter) {
        Some(Unfit::Direction)
    } else if matches!(
        category,
        GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator
    ) {
        Some(Unfit::Line)
    } else if letter == char::REPLACEMENT_CHARACTER {
        Some(Unfit::Lost)
    } else if category == GeneralCategory::Format
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(letter)
        || DRAWN_BLANK.contains(&letter)
    {
        Some(Unfit::Invisible)
    } else if category == GeneralCategory::SpaceSeparator {
        Some(Unfit::Blank)
    } else if Group::Other.contains(category) {
        Some(Unfit::NoMeaning)
    } else {
        None
    }
}

fn is_mark(letter: char) -> bool {
    !letter.is_ascii() && Group::Mark.contains(category(letter))
}

fn category(letter: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VALID_IDS: [&str; 9] = [
        "t-1",
        "two words",
        "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        "Ünal",
        "e\u{301}t",
        "账户一",
        "حساب",
        "👍",
        "{}<>&\"'\\/",
    ];

    /// One of each class, and why.
    const UNFIT: [(char, Unfit); 29] = [
        ('\u{0}', Unfit::Control),
        ('\n', Unfit::Control),
        ('\u{1b}', Unfit::Control),
        ('\u{7f}', Unfit::Control),
        ('\u{9b}', Unfit::Control),
        ('\u{61c}', Unfit::Direction),
        ('\u{200e}', Unfit::Direction),
        ('\u{202e}', Unfit::Direction),
        ('\u{2066}', Unfit::Direction),
        ('\u{2028}', Unfit::Line),
        ('\u{2029}', Unfit::Line),
        ('\u{fffd}', Unfit::Lost),
        ('\u{ad}', Unfit::Invisible),
        ('\u{34f}', Unfit::Invisible),
        ('\u{115f}', Unfit::Invisible),
        ('\u{1160}', Unfit::Invisible),
        ('\u{180e}', Unfit::Invisible),
        ('\u{200b}', Unfit::Invisible),
        ('\u{200d}', Unfit::Invisible),
        ('\u{2060}', Unfit::Invisible),
        ('\u{2800}', Unfit::Invisible),
        ('\u{3164}', Unfit::Invisible),
        ('\u{fe0f}', Unfit::Invisible),
        ('\u{feff}', Unfit::Invisible),
        ('\u{e0041}', Unfit::Invisible),
        ('\u{a0}', Unfit::Blank),
        ('\u{3000}', Unfit::Blank),
        ('\u{e000}', Unfit::NoMeaning),
        ('\u{fdd0}', Unfit::NoMeaning),
    ];

    #[test]
    fn what_can_be_seen_is_an_id() {
        for text in VALID_IDS {
            assert_eq!(check_id(text), Ok(()), "{text}");
            assert_eq!(check_text(text), Ok(()), "{text}");
            assert_eq!(escape(text), text);
        }
    }

    #[test]
    fn an_id_has_no_character_that_cannot_be_seen() {
        for (letter, why) in UNFIT {
            for text in [format!("a{letter}b"), format!("a{letter}"), format!("{letter}a")] {
                assert_eq!(check_id(&text), Err(TextError::Character(letter, why)), "{text:?}");
            }
        }
    }

    #[test]
    fn a_text_has_none_that_commands_or_changes_how_others_are_read() {
        for (letter, why) in UNFIT {
            let refused = matches!(why, Unfit::Control | Unfit::Direction | Unfit::Line | Unfit::Lost);
            let expected = if refused {
                Err(TextError::Character(letter, why))
            } else {
                Ok(())
            };
            assert_eq!(check_text(&format!("a{letter}b")), expected, "{letter:?}");
            // Alone it is no text in any case.
            assert!(check_text(&format!("{letter}{letter}")).is_err(), "{letter:?}");
        }
        assert_eq!(check_text(" Books "), Ok(()));
    }

    #[test]
    fn a_text_without_a_visible_character_is_none() {
        for text in ["", " ", "\t\n", "\u{a0}\u{3000}"] {
            assert_eq!(check_id(text), Err(TextError::Empty), "{text:?}");
            assert_eq!(check_text(text), Err(TextError::Empty), "{text:?}");
        }
        for text in ["\u{200b}\u{200b}", "\u{2800}", "\u{3164} \u{ad}", "\u{301}", "\u{e000}"] {
            assert!(check_id(text).is_err(), "{text:?}");
            assert_eq!(check_text(text), Err(TextError::NothingVisible), "{text:?}");
        }
    }

    #[test]
    fn an_id_begins_and_ends_with_what_it_is() {
        for text in [" t-1", "t-1 ", "  t-1  "] {
            assert_eq!(check_id(text), Err(TextError::BlanksAround));
        }
        assert_eq!(check_id("\u{301}e"), Err(TextError::MarkFirst));
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert_eq!(check_id(&"ß".repeat(MAX_ID_CHARS)), Ok(()));
        assert_eq!(check_id(&"ß".repeat(MAX_ID_CHARS + 1)), Err(TextError::TooLong(128)));
        assert_eq!(check_text(&"ß".repeat(MAX_TEXT_CHARS)), Ok(()));
        assert_eq!(
            check_text(&"ß".repeat(MAX_TEXT_CHARS + 1)),
            Err(TextError::TooLong(256))
        );
    }

    #[test]
    fn the_reason_reads_on_after_the_name_of_the_field() {
        for (text, reason) in [
            ("a\u{200b}", "must not contain U+200B, which is invisible"),
            ("a\u{1b}[2J", "must not contain U+001B, which is a control character"),
            (
                "a\u{202e}",
                "must not contain U+202E, which changes the direction of writing",
            ),
            (" a", "must not have blanks around it"),
        ] {
            assert_eq!(check_id(text).expect_err(text).to_string(), reason);
        }
    }

    #[test]
    fn a_terminal_gets_no_command() {
        assert_eq!(escape("a\u{1b}[2J\u{202e}b\n"), r"a\u001b[2J\u202eb\u000a");
        assert_eq!(escape_lines("a\n\tb\r\u{9b}1m"), "a\n\tb\\u000d\\u009b1m");
        assert_eq!(escape("\u{e0041}"), r"\udb40\udc41");
    }

    proptest! {
        #[test]
        fn an_id_is_a_text_and_shown_as_it_is(text in any::<String>()) {
            if check_id(&text).is_ok() {
                prop_assert_eq!(check_text(&text), Ok(()));
                prop_assert_eq!(escape(&text), text.as_str());
                prop_assert_eq!(text.trim(), text.as_str());
            }
        }

        #[test]
        fn plain_ids_are_taken(text in "[!-~]([ -~]{0,126}[!-~])?") {
            prop_assert_eq!(check_id(&text), Ok(()));
        }

        /// Held against another list of what can be printed: the standard library's.
        #[test]
        fn no_id_has_what_the_standard_library_would_not_print(text in "\\PC{0,40}|[\\PC\\p{Cf}\\p{Zs}]{0,40}") {
            let printed = |letter: char| letter == '\\' || letter == '"' || letter == '\'' || is_mark(letter)
                || letter.escape_debug().count() == 1;
            if check_id(&text).is_ok() {
                prop_assert!(text.chars().all(printed), "{:?}", text);
            }
        }

        #[test]
        fn what_is_shown_has_nothing_to_hide_and_json_means_the_same(text in any::<String>()) {
            let shown = escape(&text);
            prop_assert_eq!(escape(&shown), shown.as_ref());
            prop_assert!(!shown.contains(|letter: char| letter.is_control()));
            let document = serde_json::to_string(&text).expect("JSON");
            let read: String = serde_json::from_str(&escape_lines(&document)).expect("JSON still");
            prop_assert_eq!(read, text);
        }
    }
}
