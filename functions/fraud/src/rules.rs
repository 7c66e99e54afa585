//! The rules in force: limits and weights as data, so that an analyst tunes them without a deployment.

use std::sync::LazyLock;

use rust_decimal::Decimal;

use crate::ladder::Ladder;
use crate::rule::Rule;
use crate::rules_file::{self, Parts};
use crate::smoothing::Smoothing;

pub use crate::rules_file::{InvalidRules, MAX_RULES_BYTES};

/// An amount above this is suspicious whoever sends it; this much exactly is not. No rules file changes that.
pub const AMOUNT_LIMIT: Decimal = Decimal::from_parts(10_000, 0, 0, false, 0);

/// The code of the reason that an amount is above [`AMOUNT_LIMIT`].
pub const AMOUNT_OVER_LIMIT: &str = "AMOUNT_OVER_LIMIT";

/// The code of the reason that an amount is below zero.
pub const AMOUNT_NEGATIVE: &str = "AMOUNT_NEGATIVE";

/// The longest version, in characters.
pub const MAX_VERSION_CHARS: usize = 64;

/// Whether the base rule fires: the amount is over [`AMOUNT_LIMIT`], or negative. Zero is neither.
pub fn base_rule_fires(amount: Decimal) -> bool {
    amount > AMOUNT_LIMIT || amount < Decimal::ZERO
}

/// A version of the rules, each with its [`Ladder`]. A rule without steps never fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    version: String,
    suspicious_above: Decimal,
    smoothing: Smoothing,
    ladders: [Ladder; Rule::ALL.len()],
}

impl Rules {
    /// The score that makes a transaction suspicious where the rules file does not say otherwise: above 0.85.
    pub const SUSPICIOUS_ABOVE: Decimal = Decimal::from_parts(85, 0, 0, false, 2);

    /// The rules that hold when no others are known: trained on simulated transactions, a start and not a truth.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Rules> = LazyLock::new(|| {
            // A test holds that the text is valid, so that the bare rules never stand in for it.
            Rules::parse(include_str!("rules.json")).unwrap_or_else(|_| Rules::bare())
        });
        &BUILTIN
    }

    /// No rule but the base rule.
    pub fn bare() -> Self {
        Self {
            version: "bare".to_owned(),
            suspicious_above: Self::SUSPICIOUS_ABOVE,
            smoothing: Smoothing::default(),
            ladders: Default::default(),
        }
    }

    /// Puts a set of rules together.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, naming where, as in a rules file.
    pub fn new(
        version: impl Into<String>,
        suspicious_above: Decimal,
        smoothing: Smoothing,
        ladders: impl IntoIterator<Item = (Rule, Ladder)>,
    ) -> Result<Self, InvalidRules> {
        let mut rules = Self {
            version: version.into(),
            suspicious_above,
            smoothing,
            ladders: Default::default(),
        };
        for (rule, ladder) in ladders {
            rules.ladders[rule.index()] = ladder;
        }
        rules.check()?;
        Ok(rules)
    }

    /// Reads rules from their JSON text and checks them.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, naming where.
    pub fn parse(text: &str) -> Result<Self, InvalidRules> {
        let parts = rules_file::parse(text)?;
        let suspicious_above = parts.suspicious_above.unwrap_or(Self::SUSPICIOUS_ABOVE);
        Self::new(parts.version, suspicious_above, parts.smoothing, parts.ladders)
    }

    /// The JSON text: one line for each rule, at most [`MAX_RULES_BYTES`] long. [`Rules::parse`] reads it back.
    pub fn to_json(&self) -> String {
        rules_file::write(&Parts {
            version: self.version.clone(),
            suspicious_above: Some(self.suspicious_above),
            smoothing: self.smoothing,
            ladders: Rule::ALL.into_iter().zip(self.ladders.iter().cloned()).collect(),
        })
    }

    /// The name of this set of rules.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// A score strictly above this is suspicious.
    pub const fn suspicious_above(&self) -> Decimal {
        self.suspicious_above
    }

    /// How a merchant's share of fraud is smoothed.
    pub const fn smoothing(&self) -> Smoothing {
        self.smoothing
    }

    /// The steps of one rule.
    pub fn ladder(&self, rule: Rule) -> &Ladder {
        &self.ladders[rule.index()]
    }

    fn check(&self) -> Result<(), InvalidRules> {
        let mistake = |text: String| Err(InvalidRules(text));
        let chars = self.version.chars().count();
        let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_' | ':' | '+');
        if chars == 0 || chars > MAX_VERSION_CHARS || !self.version.chars().all(plain) {
            return mistake(format!(
                "version: must be 1 to {MAX_VERSION_CHARS} letters, digits or any of . - _ : +"
            ));
        }
        if !is_share(self.suspicious_above) {
            return mistake(
                "suspicious_above: must be 0 to 1, with at most 6 digits after the decimal point".to_owned(),
            );
        }
        if !is_share(self.smoothing.share) {
            return mistake(
                "merchant_smoothing.share: must be 0 to 1, with at most 6 digits after the decimal point".to_owned(),
            );
        }
        let strength = self.smoothing.strength.normalize();
        if strength <= Decimal::ZERO || strength > Decimal::ONE_THOUSAND || strength.scale() > 6 {
            return mistake(
                "merchant_smoothing.strength: must be more than 0 and at most 1000, with at most 6 digits after the \
                 decimal point"
                    .to_owned(),
            );
        }
        let length = self.to_json().len();
        if length > MAX_RULES_BYTES {
            return mistake(format!(
                "written out they are {length} bytes, and a parameter holds {MAX_RULES_BYTES}: leave out some steps"
            ));
        }
        Ok(())
    }
}

fn is_share(number: Decimal) -> bool {
    (Decimal::ZERO..=Decimal::ONE).contains(&number) && number.normalize().scale() <= 6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_rule_fires_just_outside_its_limits() {
        for (cents, fires) in [
            (0, false),
            (1, false),
            (1_000_000, false),
            (1_000_001, true),
            (-1, true),
            (-1_000_000, true),
        ] {
            assert_eq!(base_rule_fires(Decimal::new(cents, 2)), fires, "{cents} cents");
        }
    }

    #[test]
    fn the_built_in_rules_are_valid_and_written_as_they_are_kept() {
        let text = include_str!("rules.json");
        assert_eq!(Rules::parse(text).as_ref(), Ok(Rules::builtin()));
        assert_eq!(text.trim_end(), Rules::builtin().to_json());
        assert_eq!(Rules::builtin().suspicious_above(), Rules::SUSPICIOUS_ABOVE);
    }

    #[test]
    fn the_built_in_rules_have_no_rule_that_never_fires() {
        for rule in Rule::ALL {
            assert!(!Rules::builtin().ladder(rule).steps().is_empty(), "{rule}");
        }
    }

    #[test]
    fn values_that_no_rules_can_have_are_named() {
        let ladders = || std::iter::empty::<(Rule, Ladder)>();
        let good = Smoothing::default();
        for (version, above, smoothing, place) in [
            ("", Decimal::ONE, good, "version: "),
            ("two words", Decimal::ONE, good, "version: "),
            ("v1", Decimal::TWO, good, "suspicious_above: "),
            ("v1", Decimal::NEGATIVE_ONE, good, "suspicious_above: "),
            (
                "v1",
                Decimal::ONE,
                Smoothing {
                    share: Decimal::TWO,
                    ..good
                },
                "merchant_smoothing.share: ",
            ),
            (
                "v1",
                Decimal::ONE,
                Smoothing {
                    strength: Decimal::ZERO,
                    ..good
                },
                "merchant_smoothing.strength: ",
            ),
        ] {
            let error = Rules::new(version, above, smoothing, ladders()).expect_err(place);
            assert!(error.0.starts_with(place), "{error}");
        }
    }
}
