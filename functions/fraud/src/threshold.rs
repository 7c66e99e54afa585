//! The score above which somebody is told.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;

use crate::score::Score;

/// A threshold from 0 to 1. A score must exceed it, not just reach it, to raise an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold(Decimal);

impl Threshold {
    /// The threshold when no other is known: 0.85.
    pub const DEFAULT: Self = Self(Decimal::from_parts(85, 0, 0, false, 2));

    /// Whether a score calls for an alert.
    pub fn is_exceeded_by(self, score: Score) -> bool {
        score.value() > self.0
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for Threshold {
    type Err = InvalidThreshold;

    /// Reads a plain decimal such as `0.85`; blanks around it do not matter.
    fn from_str(text: &str) -> Result<Self, InvalidThreshold> {
        match Decimal::from_str_exact(text.trim()) {
            Ok(value) if (Decimal::ZERO..=Decimal::ONE).contains(&value) => Ok(Self(value)),
            _ => Err(InvalidThreshold),
        }
    }
}

/// A text is not a [`Threshold`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the fraud threshold is not a decimal from 0 to 1")]
pub struct InvalidThreshold;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_from_zero_to_one_are_thresholds() {
        for text in ["0", "0.0", "0.85", " 0.85\n", "1", "1.000"] {
            let threshold: Threshold = text.parse().expect("a threshold");
            assert_eq!(threshold.to_string(), text.trim());
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "", " ", "-0.1", "1.01", "85", "85%", "NaN", "inf", "high", "0,85", "1e-1",
        ] {
            assert_eq!(text.parse::<Threshold>(), Err(InvalidThreshold), "{text}");
        }
    }

    #[test]
    fn a_score_must_exceed_the_threshold() {
        let nine_tenths: Threshold = "0.9".parse().expect("a threshold");
        assert!(!nine_tenths.is_exceeded_by(Score::FLAGGED));
        assert!(Threshold::DEFAULT.is_exceeded_by(Score::FLAGGED));
        assert!(!Threshold::DEFAULT.is_exceeded_by(Score::BASELINE));
    }

    proptest! {
        #[test]
        fn text_of_any_kind_is_answered(text in any::<String>()) {
            let _ = text.parse::<Threshold>();
        }
    }
}
