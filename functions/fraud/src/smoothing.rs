//! How much a few labels say about a merchant.

use rust_decimal::{Decimal, RoundingStrategy};

/// What a merchant's share of fraud is taken to be before much of him is known.
///
/// The share is `(fraud + strength * share) / (fraud + ok + strength)`: as if `strength` more transactions had been
/// labelled, of which `share` were fraud. One fraud among one label is then less than ten among ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Smoothing {
    /// The share of fraud to start from, 0 to 1.
    pub share: Decimal,
    /// How many labels that is worth, more than 0 and at most 1000.
    pub strength: Decimal,
}

impl Default for Smoothing {
    /// A share of 0.01, worth one label.
    fn default() -> Self {
        Self {
            share: Decimal::new(1, 2),
            strength: Decimal::ONE,
        }
    }
}

impl Smoothing {
    /// The smoothed share of fraud, to four decimals, half upwards.
    pub fn share_of(self, fraud: u64, ok: u64) -> Decimal {
        let seen = Decimal::from(fraud) + self.strength * self.share;
        let labelled = Decimal::from(fraud) + Decimal::from(ok) + self.strength;
        let share = seen.checked_div(labelled).unwrap_or_default();
        share.round_dp_with_strategy(4, RoundingStrategy::MidpointAwayFromZero)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_smoothed_towards_where_it_starts() {
        let smoothing = Smoothing::default();
        for (fraud, ok, share) in [(0, 0, "0.01"), (1, 0, "0.505"), (10, 0, "0.91"), (1, 9, "0.0918")] {
            assert_eq!(
                smoothing.share_of(fraud, ok).normalize().to_string(),
                share,
                "{fraud} {ok}"
            );
        }
        assert!(smoothing.share_of(u64::MAX, u64::MAX) < Decimal::ONE);
    }
}
