//! The rules by name: what each one looks at, and in which unit.
//!
//! Each rule observes one number about a transaction; the larger, the more suspicious. Zero is "nothing seen": no limit
//! lies below it, so that a rule without anything to go by never fires.
//!
//! Everything is computed from the transaction, the user's last [`HISTORY_LIMIT`] transactions and one read of the
//! merchant's counters. "Earlier" means within those. The windows of the merchant rules are lengthened by
//! [`LABEL_DELAY_DAYS`], since what happened in the last days is mostly not labelled yet: whatever is labelled so far
//! counts, the rest is not known.
//!
//! [`HISTORY_LIMIT`]: crate::history::HISTORY_LIMIT
//! [`LABEL_DELAY_DAYS`]: crate::feedback::LABEL_DELAY_DAYS

use std::fmt;

/// A rule whose limits and weights are data, in the order in which a rules file lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// `AMOUNT_VS_HISTORY`: the amount as a multiple of the user's typical one, which is the median of the earlier
    /// amounts above zero. Needs five of them. The median stays where it is while a third of the history is not the
    /// user's own doing; the mean would drift after the thief.
    AmountVsHistory,
    /// `AMOUNT`: the amount itself, in units of the currency. Needs five earlier amounts above zero: nothing is held
    /// against a newcomer but [`AMOUNT_LIMIT`](crate::rules::AMOUNT_LIMIT).
    Amount,
    /// `RECENT_LARGE`: how many of the earlier transactions of the last seven days were over three times the typical
    /// amount. It speaks about the user, whatever this amount is: his card may be in other hands.
    RecentLarge,
    /// `LARGE_STREAK`: the same count, where this amount is over twice the typical one too.
    LargeStreak,
    /// `MERCHANT_FRAUD_RATE_1D`: the smoothed share of fraud among the merchant's labelled transactions, 0 to 1, over
    /// the last day and the label delay. Zero as long as no fraud is known.
    MerchantFraudRate1d,
    /// `MERCHANT_FRAUD_RATE_7D`: the same over seven days and the label delay.
    MerchantFraudRate7d,
    /// `MERCHANT_FRAUD_RATE_30D`: the same over thirty days and the label delay.
    MerchantFraudRate30d,
    /// `MERCHANT_FRAUD_ONSET`: which share, 0 to 1, of the fraud in the merchant's thirty days lies in the last seven
    /// of them: near 1 an attack has just begun, near 0 it is long over.
    MerchantFraudOnset,
    /// `VELOCITY_1H`: the user's transactions of the last hour, this one included.
    Velocity1h,
    /// `VELOCITY_24H`: the user's transactions of the last 24 hours, this one included.
    Velocity24h,
    /// `STRUCTURING`: the user's transactions of the last 24 hours, this one included, that are just below
    /// [`AMOUNT_LIMIT`](crate::rules::AMOUNT_LIMIT), 8000 to 10000, where this one is so too and together they are
    /// over it: a large sum cut into pieces that pass.
    Structuring,
    /// `DUPLICATE_AMOUNT`: the user's earlier transactions of the last ten minutes with the same amount at the same
    /// merchant, where the merchant is known.
    DuplicateAmount,
    /// `NEW_MERCHANT`: how many earlier transactions there are, where none was at this merchant and it is known. An
    /// amplifier.
    NewMerchant,
    /// `ODD_HOUR`: which share, 0 to 1, of the earlier transactions lies more than three hours of the day away from
    /// this one. Needs twenty. It compares the user with himself, so that his time zone does not matter. An amplifier.
    OddHour,
    /// `LOCATION_CHANGE`: how many earlier transactions with a known location there are, where none was at this one
    /// and it is known. An amplifier.
    LocationChange,
}

impl Rule {
    /// Every rule, in order.
    pub const ALL: [Self; 15] = [
        Self::AmountVsHistory,
        Self::Amount,
        Self::RecentLarge,
        Self::LargeStreak,
        Self::MerchantFraudRate1d,
        Self::MerchantFraudRate7d,
        Self::MerchantFraudRate30d,
        Self::MerchantFraudOnset,
        Self::Velocity1h,
        Self::Velocity24h,
        Self::Structuring,
        Self::DuplicateAmount,
        Self::NewMerchant,
        Self::OddHour,
        Self::LocationChange,
    ];

    /// Its name in rules files and in reasons.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AmountVsHistory => "AMOUNT_VS_HISTORY",
            Self::Amount => "AMOUNT",
            Self::RecentLarge => "RECENT_LARGE",
            Self::LargeStreak => "LARGE_STREAK",
            Self::MerchantFraudRate1d => "MERCHANT_FRAUD_RATE_1D",
            Self::MerchantFraudRate7d => "MERCHANT_FRAUD_RATE_7D",
            Self::MerchantFraudRate30d => "MERCHANT_FRAUD_RATE_30D",
            Self::MerchantFraudOnset => "MERCHANT_FRAUD_ONSET",
            Self::Velocity1h => "VELOCITY_1H",
            Self::Velocity24h => "VELOCITY_24H",
            Self::Structuring => "STRUCTURING",
            Self::DuplicateAmount => "DUPLICATE_AMOUNT",
            Self::NewMerchant => "NEW_MERCHANT",
            Self::OddHour => "ODD_HOUR",
            Self::LocationChange => "LOCATION_CHANGE",
        }
    }

    /// The rule of this name.
    pub fn named(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.code() == code)
    }

    /// Whether it adds weight only when another rule fired. What these see is ordinary on its own: half of all honest
    /// payments go to a merchant where the user has not been of late.
    pub const fn is_amplifier(self) -> bool {
        matches!(self, Self::NewMerchant | Self::OddHour | Self::LocationChange)
    }

    /// Its place in [`Rule::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_found_by_its_name_and_at_its_place() {
        for (index, rule) in Rule::ALL.into_iter().enumerate() {
            assert_eq!(rule.index(), index);
            assert_eq!(Rule::named(rule.code()), Some(rule));
        }
        assert_eq!(Rule::named("AMOUNT_OVER_LIMIT"), None);
    }
}
