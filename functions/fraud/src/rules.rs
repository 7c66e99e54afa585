//! The rules: each looks at facts about a transaction and either fires or does not.

use rust_decimal::Decimal;

/// An amount above this is suspicious whoever sends it; this much exactly is not.
pub const AMOUNT_LIMIT: Decimal = Decimal::from_parts(10_000, 0, 0, false, 0);

/// Whether the base rule fires: the amount is over [`AMOUNT_LIMIT`], or negative. Zero is neither.
pub fn base_rule_fires(amount: Decimal) -> bool {
    amount > AMOUNT_LIMIT || amount < Decimal::ZERO
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
}
