//! Amounts as files have them.

use fraud::{MAX_FRACTION_DIGITS, MAX_WHOLE_DIGITS};
use rust_decimal::Decimal;

use super::fault::Problem;

const TAKEN: &str = "a plain decimal number, such as 1234.56 or $-1234.56";

/// Reads an amount: digits, at most two decimals, and before them a sign and `$`, or neither. With a decimal comma, a
/// comma stands where else a point does.
///
/// # Errors
///
/// It is anything else, the amounts included that the API refuses. Nothing is rounded, and no separator is guessed.
pub fn amount(text: &str, decimal_comma: bool) -> Result<Decimal, Problem> {
    let text = text.trim_matches(' ');
    let (negative, digits) = unsigned(text);
    let mark = if decimal_comma { ',' } else { '.' };
    let (whole, fraction) = match digits.split_once(mark) {
        Some((_, "")) => return Err(refused(text, decimal_comma)),
        Some((whole, fraction)) => (whole, fraction),
        None => (digits, ""),
    };
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return Err(refused(text, decimal_comma));
    }
    let decimals = fraction.trim_end_matches('0').len();
    if decimals > MAX_FRACTION_DIGITS as usize {
        let what = match fraction.len() {
            3 => format!(
                "has more than {MAX_FRACTION_DIGITS} digits after the decimal {name}, which the API refuses too; where its \
                 {name} separates thousands, leave it out",
                name = if decimal_comma { "comma" } else { "point" }
            ),
            _ => {
                format!("has more than {MAX_FRACTION_DIGITS} digits after the decimal point, which the API refuses too")
            }
        };
        return Err(Problem::new("too many decimals", what));
    }
    let whole = whole.trim_start_matches('0');
    if whole.len() > MAX_WHOLE_DIGITS as usize {
        let what =
            format!("has more than {MAX_WHOLE_DIGITS} digits before the decimal point, which the API refuses too");
        return Err(Problem::new("too large", what));
    }
    // As the API keeps them: zeros beyond two decimals are dropped.
    let kept = &fraction[..fraction.len().min(MAX_FRACTION_DIGITS as usize)];
    let digits = whole.bytes().chain(kept.bytes());
    let magnitude = digits.fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let signed = if negative { -magnitude } else { magnitude };
    let scale = if magnitude == 0 { 0 } else { kept.len() as u32 };
    Ok(Decimal::new(signed, scale))
}

/// A sign and `$`, in any order and each at most once, and what follows.
fn unsigned(text: &str) -> (bool, &str) {
    let sign = |text: &'_ str| text.starts_with(['-', '+']);
    let (mut rest, mut negative) = (text, false);
    let signed = sign(rest);
    if signed {
        negative = rest.starts_with('-');
        rest = &rest[1..];
    }
    if let Some(after) = rest.strip_prefix('$') {
        rest = after;
        if !signed && sign(rest) {
            negative = rest.starts_with('-');
            rest = &rest[1..];
        }
    }
    (negative, rest)
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Why a text is no amount.
fn refused(text: &str, decimal_comma: bool) -> Problem {
    let digits = text.trim_start_matches(['-', '+', '$']);
    let inner = |c: char| c.is_ascii_digit() || " .,'\u{2019}\u{a0}\u{202f}_".contains(c);
    if digits.is_empty() {
        return Problem::new("no amount", format!("is no amount; it is {TAKEN}"));
    }
    if is_rounded(digits) {
        return Problem::new(
            "rounded by a spreadsheet",
            format!("looks like a number that a spreadsheet has rounded; write all its digits, as {TAKEN}"),
        );
    }
    if !digits.chars().all(inner) || !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return Problem::new("no amount", format!("is not {TAKEN}"));
    }
    if decimal_comma {
        return Problem::new(
            "another separator",
            "is not a number with a decimal comma, such as 1234,56, which --decimal-comma says that amounts are",
        );
    }
    let separated = digits.contains(|c: char| !c.is_ascii_digit() && c != '.') || digits.matches('.').count() > 1;
    match digits.split_once(',') {
        _ if !separated => Problem::new("no amount", format!("is not {TAKEN}")),
        Some((whole, cents)) if is_digits(whole) && is_digits(cents) && matches!(cents.len(), 1 | 2) => Problem::new(
            "a decimal comma",
            format!(
                "has a decimal comma; write {whole}.{cents}, or say --decimal-comma where all amounts of the file have one"
            ),
        ),
        _ => Problem::new(
            "separators of thousands",
            format!("is not {TAKEN}; leave out what separates thousands"),
        ),
    }
}

/// Is it a number as a spreadsheet shows one that is too long for it: `4.00000E+15`? Its last digits are lost.
pub(super) fn is_rounded(text: &str) -> bool {
    let text = text.trim().trim_start_matches(['-', '+']);
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else {
        return false;
    };
    let exponent = exponent.trim_start_matches(['+', '-']);
    let number = |part: &str| !part.is_empty() && is_digits(part);
    let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, "0"));
    // Without a point or a sign it may be a name: `1e5` is one hexadecimal number of many.
    let plain = !mantissa.contains(['.', ',']) && !text.contains('+');
    number(whole) && number(fraction) && number(exponent) && !plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> String {
        amount(text, false).map_or_else(|problem| problem.what, |amount| amount.to_string())
    }

    #[test]
    fn an_amount_is_what_is_written() {
        for (text, value) in [
            ("12.50", "12.50"),
            ("0", "0"),
            ("-0.00", "0"),
            ("007.5", "7.5"),
            ("1.500", "1.50"),
            ("$134.09", "134.09"),
            ("$-99.00", "-99.00"),
            ("-$99.00", "-99.00"),
            ("+5", "5"),
            (" 5.00 ", "5.00"),
            ("999999999999999.99", "999999999999999.99"),
        ] {
            assert_eq!(read(text), value, "{text}");
        }
        assert_eq!(amount("12,50", true), Ok(Decimal::new(1250, 2)));
        assert_eq!(amount("-1", true), Ok(Decimal::new(-1, 0)));
    }

    #[test]
    fn nothing_is_guessed_or_rounded() {
        for (text, says) in [
            ("12,50", "decimal comma; write 12.50, or say --decimal-comma"),
            (
                "1.234",
                "more than 2 digits after the decimal point, which the API refuses",
            ),
            ("0.30000000000000004", "more than 2 digits"),
            ("1,234", "separates thousands"),
            ("1,234.56", "separates thousands"),
            ("1.234,56", "separates thousands"),
            ("1 234.56", "separates thousands"),
            ("1'234.56", "separates thousands"),
            ("1\u{a0}234.56", "separates thousands"),
            ("1.5E+05", "spreadsheet has rounded"),
            ("1e3", "is not a plain decimal number"),
            ("\u{20ac}5", "is not a plain decimal number"),
            ("5 EUR", "is not a plain decimal number"),
            ("(99.00)", "is not a plain decimal number"),
            ("--5", "is not"),
            ("-$-5", "is not"),
            ("$", "is no amount"),
            ("", "is no amount"),
            (".5", "is not"),
            ("5.", "is not"),
            ("1.2.3", "is not"),
            ("NaN", "is not"),
            ("\u{663}", "is not"),
            ("1000000000000000", "more than 15 digits"),
        ] {
            let told = read(text);
            assert!(told.contains(says), "{text}: {told}");
        }
        for text in ["1.234", "12.50", "1.234,56"] {
            let told = amount(text, true).expect_err("a point");
            assert!(told.what.contains("--decimal-comma"), "{text}: {}", told.what);
        }
        assert!(
            amount("1,234", true)
                .expect_err("three")
                .what
                .contains("which the API refuses")
        );
    }

    #[test]
    fn what_a_spreadsheet_rounds_is_known() {
        for text in [
            "4.00000E+15",
            "4E+15",
            "4,00000E+15",
            "-7.27612e+17",
            "1.5E-05",
            " 4.0E15",
        ] {
            assert!(is_rounded(text), "{text}");
        }
        for text in [
            "1e5",
            "E+15",
            "4000000000000000",
            "C1E",
            "4.0E",
            "4.0E+",
            "a4.0E+15",
            "3E8",
        ] {
            assert!(!is_rounded(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_amount_of_the_api_is_read(cents in -99_999_999_999_999_999_i64..=99_999_999_999_999_999) {
            let value = Decimal::new(cents, 2);
            prop_assert_eq!(amount(&value.to_string(), false), Ok(value));
        }

        #[test]
        fn texts_of_any_kind_are_answered(text in any::<String>(), like in "[-+$0-9., eE']{0,24}") {
            let _ = amount(&text, false);
            let _ = (amount(&like, false), amount(&like, true));
        }
    }
}
