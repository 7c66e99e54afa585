//! The text of a JSON number as an exact decimal.
//!
//! The arithmetic is done on the digits themselves: whatever is accepted equals what was sent, and whatever could not
//! be represented exactly is refused, never rounded.

use rust_decimal::Decimal;

/// An amount has at most this many significant digits after the decimal point: the minor unit of most currencies.
///
/// Trailing zeros do not count: `1.500` is the same amount as `1.5`.
pub const MAX_FRACTION_DIGITS: i32 = 2;

/// An amount has at most this many digits before the decimal point, so it lies below 10^15 in magnitude.
pub const MAX_WHOLE_DIGITS: i32 = 15;

/// No exponent that an acceptable amount needs is larger than this in magnitude.
const MAX_EXPONENT: i32 = 64;

/// Why a number is not an acceptable amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not a JSON number; a number in quotes is not one either.
    #[error("amount must be a number")]
    NotANumber,
    /// Too large in magnitude, or written with an absurd exponent.
    #[error("amount must have at most {max} digits before the decimal point", max = MAX_WHOLE_DIGITS)]
    OutOfRange,
    /// More decimals than money has.
    #[error("amount must have at most {max} digits after the decimal point", max = MAX_FRACTION_DIGITS)]
    TooPrecise,
}

/// Reads the text of one JSON value as an amount.
///
/// The result has the scale that was written (`150.50` stays `150.50`), except that zeros beyond
/// [`MAX_FRACTION_DIGITS`] are dropped, an exponent is written out, and zero has neither sign nor decimals.
pub(crate) fn parse(text: &str) -> Result<Decimal, AmountError> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (coefficient, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((coefficient, exponent)) => (coefficient, parse_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = match coefficient.split_once('.') {
        Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
        Some(_) => return Err(AmountError::NotANumber),
        None => (coefficient, ""),
    };
    if !is_digits(whole) {
        return Err(AmountError::NotANumber);
    }

    // The amount is digits * 10^-scale.
    let all = [whole, fraction].concat();
    let mut digits = all.trim_start_matches('0');
    let mut scale = to_i32(fraction.len())?.saturating_sub(exponent);
    if digits.is_empty() {
        return Ok(Decimal::ZERO);
    }
    if to_i32(digits.len())?.saturating_sub(scale) > MAX_WHOLE_DIGITS {
        return Err(AmountError::OutOfRange);
    }
    while scale > MAX_FRACTION_DIGITS {
        digits = digits.strip_suffix('0').ok_or(AmountError::TooPrecise)?;
        scale -= 1;
    }

    // A negative scale stands for zeros that the exponent abbreviated; at most MAX_WHOLE_DIGITS of them got this far.
    let mut written_out = digits.to_owned();
    for _ in scale..0 {
        written_out.push('0');
    }
    let magnitude: i64 = written_out.parse().map_err(|_| AmountError::OutOfRange)?;
    let signed = if negative { -magnitude } else { magnitude };
    Decimal::try_new(signed, scale.max(0).unsigned_abs()).map_err(|_| AmountError::OutOfRange)
}

fn parse_exponent(text: &str) -> Result<i32, AmountError> {
    if !is_digits(text.strip_prefix(['+', '-']).unwrap_or(text)) {
        return Err(AmountError::NotANumber);
    }
    match text.parse::<i32>() {
        Ok(exponent) if (-MAX_EXPONENT..=MAX_EXPONENT).contains(&exponent) => Ok(exponent),
        _ if text.starts_with('-') => Err(AmountError::TooPrecise),
        _ => Err(AmountError::OutOfRange),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn to_i32(length: usize) -> Result<i32, AmountError> {
    i32::try_from(length).map_err(|_| AmountError::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> String {
        parse(text).map_or_else(|error| format!("{error:?}"), |amount| amount.to_string())
    }

    #[test]
    fn an_amount_keeps_the_digits_that_were_sent() {
        for text in [
            "0.1",
            "150.50",
            "150.5",
            "-0.01",
            "10000",
            "10000.01",
            "999999999999999.99",
        ] {
            assert_eq!(parsed(text), text);
        }
    }

    #[test]
    fn exponents_are_written_out() {
        assert_eq!(parsed("1e3"), "1000");
        assert_eq!(parsed("1E+14"), "100000000000000");
        assert_eq!(parsed("15050e-2"), "150.50");
        assert_eq!(parsed("1.5e1"), "15");
        assert_eq!(parsed("-1.25e1"), "-12.5");
    }

    #[test]
    fn zero_has_no_sign() {
        for text in ["0", "-0", "0.00", "-0.0", "0e5", "-0.000e-9"] {
            assert_eq!(parsed(text), "0");
        }
    }

    #[test]
    fn zeros_that_change_nothing_are_no_extra_precision() {
        assert_eq!(parsed("150.500"), "150.50");
        assert_eq!(parsed("1.000000000000000000000000000000000000000000000000"), "1.00");
        assert_eq!(parsed("1000e-3"), "1.00");
    }

    #[test]
    fn more_decimals_than_money_has_are_refused() {
        for text in ["0.001", "10.123", "0.30000000000000004", "1e-3", "1e-400", "100.005e0"] {
            assert_eq!(parse(text), Err(AmountError::TooPrecise), "{text}");
        }
    }

    #[test]
    fn amounts_out_of_range_are_refused() {
        for text in [
            "1000000000000000",
            "-1000000000000000.00",
            "1e15",
            "1e308",
            "1e400",
            "0e99999999999999999999",
        ] {
            assert_eq!(parse(text), Err(AmountError::OutOfRange), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "", "-", "\"1\"", "null", "true", "[1]", "{}", "NaN", "1e", "1e+", ".5", "1.", "1.2.3", "+1", "٣",
        ] {
            assert_eq!(parse(text), Err(AmountError::NotANumber), "{text}");
        }
    }

    /// An independent normal form of a number's text: sign, digits without outer zeros, power of ten.
    fn normal_form(text: &str) -> (bool, String, i64) {
        let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let lower = unsigned.to_lowercase();
        let (coefficient, power) = lower.split_once('e').unwrap_or((lower.as_str(), "0"));
        let mut power: i64 = power.parse().expect("an exponent that was accepted");
        let mut digits = coefficient.replace('.', "");
        if let Some((_, fraction)) = coefficient.split_once('.') {
            power -= i64::try_from(fraction.len()).expect("a short text");
        }
        while digits.ends_with('0') {
            digits.pop();
            power += 1;
        }
        let digits = digits.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return (false, digits, 0);
        }
        (negative, digits, power)
    }

    proptest! {
        #[test]
        fn an_accepted_amount_equals_what_was_sent(
            text in "-?(0|[1-9][0-9]{0,18})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?"
        ) {
            if let Ok(amount) = parse(&text) {
                prop_assert_eq!(normal_form(&amount.to_string()), normal_form(&text));
            }
        }

        #[test]
        fn money_is_accepted_digit_for_digit(text in "-?[1-9][0-9]{0,14}\\.[0-9]{1,2}") {
            prop_assert_eq!(&parsed(&text), &text);
        }

        #[test]
        fn numbers_of_any_length_are_answered(text in "-?[0-9]{0,400}(\\.[0-9]{0,400})?([eE][+-]?[0-9]{0,40})?") {
            let _ = parse(&text);
        }

        #[test]
        fn text_of_any_kind_is_answered(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}
