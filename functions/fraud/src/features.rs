//! What each rule observes about a transaction. [`Rule`] says what the numbers mean.

use rust_decimal::Decimal;

use crate::context::Context;
use crate::feedback::{DAY_SECONDS, LABEL_DELAY_DAYS, LONGEST_WINDOW_DAYS, day_of};
use crate::history::{HISTORY_LIMIT, Past};
use crate::rule::Rule;
use crate::rules::AMOUNT_LIMIT;
use crate::smoothing::Smoothing;
use crate::transaction::{Transaction, UNKNOWN};

/// A typical amount needs this many earlier amounts above zero.
pub const MIN_AMOUNTS: usize = 5;

/// Habits of the day need this many earlier transactions.
pub const MIN_HOURS: u64 = 20;

/// An earlier amount over this many times the typical one is large.
pub const LARGE: u64 = 3;

/// An amount over this many times the typical one continues a streak of large ones.
pub const LARGE_AGAIN: u64 = 2;

/// The least amount that is just below [`AMOUNT_LIMIT`].
pub const STRUCTURING_FROM: Decimal = Decimal::from_parts(8_000, 0, 0, false, 0);

const HOUR_SECONDS: u64 = 3_600;
const DUPLICATE_SECONDS: u64 = 600;
const RECENT_SECONDS: u64 = 7 * DAY_SECONDS;
const ODD_SECONDS: u64 = 3 * HOUR_SECONDS;

/// What is observed is rounded to this many decimals, half upwards.
const DECIMALS: u32 = 4;
const UNITS: i128 = 10_000;

/// One observed number for each rule; zero where there is nothing to go by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features([Decimal; Rule::ALL.len()]);

impl Features {
    /// Looks at a transaction and what is known beside it. Whatever is known, it cannot fail.
    pub fn observe(transaction: &Transaction, context: &Context<'_>, smoothing: Smoothing) -> Self {
        let mut features = Self([Decimal::ZERO; Rule::ALL.len()]);
        let history = &context.history[..context.history.len().min(HISTORY_LIMIT)];
        if !history.is_empty() {
            features.observe_amounts(transaction, history, context.at);
            features.observe_pace(transaction, history, context.at);
            features.observe_habits(transaction, history, context.at);
        }
        if !context.merchant.is_empty() && transaction.merchant != UNKNOWN {
            features.observe_merchant(context, smoothing);
        }
        features
    }

    /// What this rule observed.
    pub const fn of(&self, rule: Rule) -> Decimal {
        self.0[rule.index()]
    }

    fn set(&mut self, rule: Rule, observed: Decimal) {
        self.0[rule.index()] = observed;
    }

    fn observe_amounts(&mut self, transaction: &Transaction, history: &[Past], at: u64) {
        let mut amounts = [0_i64; HISTORY_LIMIT];
        let mut known = 0;
        for past in history {
            let amount = cents(past.amount);
            if amount > 0 {
                amounts[known] = amount;
                known += 1;
            }
        }
        if known < MIN_AMOUNTS {
            return;
        }
        let twice_typical = twice_median(&mut amounts[..known]);
        let amount = i128::from(cents(transaction.amount)).max(0);
        self.set(Rule::AmountVsHistory, ratio(2 * amount, twice_typical));
        self.set(Rule::Amount, transaction.amount.max(Decimal::ZERO));

        let over = |amount: i128, times: u64| 2 * amount > i128::from(times) * twice_typical;
        let large = history
            .iter()
            .filter(|past| age(past, at) < RECENT_SECONDS && over(i128::from(cents(past.amount)), LARGE))
            .count();
        self.set(Rule::RecentLarge, Decimal::from(large));
        if over(amount, LARGE_AGAIN) {
            self.set(Rule::LargeStreak, Decimal::from(large));
        }
    }

    fn observe_pace(&mut self, transaction: &Transaction, history: &[Past], at: u64) {
        let just_below = |amount: Decimal| (STRUCTURING_FROM..=AMOUNT_LIMIT).contains(&amount);
        let structuring = just_below(transaction.amount);
        let (mut hour, mut day, mut pieces, mut duplicates) = (1_u64, 1_u64, 1_u64, 0_u64);
        for past in history {
            let age = age(past, at);
            if age >= DAY_SECONDS {
                continue;
            }
            day += 1;
            hour += u64::from(age < HOUR_SECONDS);
            pieces += u64::from(structuring && just_below(past.amount));
            duplicates += u64::from(
                age < DUPLICATE_SECONDS && past.amount == transaction.amount && past.merchant == transaction.merchant,
            );
        }
        self.set(Rule::Velocity1h, Decimal::from(hour));
        self.set(Rule::Velocity24h, Decimal::from(day));
        // Two pieces are over the limit together, since each is at least four fifths of it.
        if structuring && pieces > 1 {
            self.set(Rule::Structuring, Decimal::from(pieces));
        }
        if transaction.merchant != UNKNOWN {
            self.set(Rule::DuplicateAmount, Decimal::from(duplicates));
        }
    }

    fn observe_habits(&mut self, transaction: &Transaction, history: &[Past], at: u64) {
        if transaction.merchant != UNKNOWN && history.iter().all(|past| past.merchant != transaction.merchant) {
            self.set(Rule::NewMerchant, Decimal::from(history.len()));
        }
        if transaction.location != UNKNOWN && history.iter().all(|past| past.location != transaction.location) {
            let known = history.iter().filter(|past| past.location != UNKNOWN).count();
            self.set(Rule::LocationChange, Decimal::from(known));
        }
        let transactions = history.len() as u64;
        if transactions >= MIN_HOURS {
            let far = history.iter().filter(|past| is_far(past.timestamp, at)).count() as u64;
            self.set(Rule::OddHour, ratio(far.into(), transactions.into()));
        }
    }

    fn observe_merchant(&mut self, context: &Context<'_>, smoothing: Smoothing) {
        let today = day_of(context.at);
        let windows = [
            (Rule::MerchantFraudRate1d, 1),
            (Rule::MerchantFraudRate7d, 7),
            (Rule::MerchantFraudRate30d, LONGEST_WINDOW_DAYS),
        ];
        let mut fraud = [0_u64; 3];
        let mut ok = [0_u64; 3];
        for count in context.merchant.iter().filter(|count| count.day <= today) {
            for (window, (_, days)) in windows.iter().enumerate() {
                if today - count.day <= days + LABEL_DELAY_DAYS {
                    fraud[window] = fraud[window].saturating_add(count.fraud);
                    ok[window] = ok[window].saturating_add(count.ok);
                }
            }
        }
        for (window, (rule, _)) in windows.into_iter().enumerate() {
            if fraud[window] > 0 {
                self.set(rule, smoothing.share_of(fraud[window], ok[window]));
            }
        }
        if fraud[2] > 0 {
            self.set(Rule::MerchantFraudOnset, ratio(fraud[1].into(), fraud[2].into()));
        }
    }
}

/// How long ago, in seconds; zero for what two clocks place after the transaction.
const fn age(past: &Past, at: u64) -> u64 {
    at.saturating_sub(past.timestamp)
}

/// Whether two moments lie more than [`ODD_SECONDS`] apart on the clock face, whatever the date.
const fn is_far(one: u64, other: u64) -> bool {
    let apart = (one % DAY_SECONDS).abs_diff(other % DAY_SECONDS);
    apart > ODD_SECONDS && DAY_SECONDS - apart > ODD_SECONDS
}

/// An amount in hundredths. Exact for whatever a request may hold; anything else is rounded, or the nearest there is.
fn cents(amount: Decimal) -> i64 {
    let amount = if amount.scale() > 2 { amount.round_dp(2) } else { amount };
    let cents = amount.mantissa() * [100, 10, 1][amount.scale().min(2) as usize];
    i64::try_from(cents).unwrap_or(if cents < 0 { i64::MIN } else { i64::MAX })
}

/// Twice the median, so that the middle between two needs no fraction. There must be at least one.
fn twice_median(amounts: &mut [i64]) -> i128 {
    let middle = amounts.len() / 2;
    let even = amounts.len().is_multiple_of(2);
    let (below, upper, _) = amounts.select_nth_unstable(middle);
    let upper = i128::from(*upper);
    match below.iter().max() {
        Some(lower) if even => upper + i128::from(*lower),
        _ => 2 * upper,
    }
}

/// A ratio of numbers that are not negative, rounded to [`DECIMALS`].
fn ratio(numerator: i128, denominator: i128) -> Decimal {
    let units = numerator
        .saturating_mul(UNITS)
        .saturating_add(denominator / 2)
        .checked_div(denominator)
        .unwrap_or_default();
    Decimal::try_from_i128_with_scale(units, DECIMALS).unwrap_or(Decimal::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::DayCount;

    const AT: u64 = 1_700_000_000;
    const TODAY: u64 = AT / DAY_SECONDS;

    fn transaction(amount: &str) -> Transaction {
        Transaction {
            transaction_id: "t".to_owned(),
            user_id: "u".to_owned(),
            amount: amount.parse().expect("a number"),
            merchant: "m".to_owned(),
            location: "l".to_owned(),
        }
    }

    fn past(amount: &str, age: u64) -> Past {
        Past {
            timestamp: AT - age,
            amount: amount.parse().expect("a number"),
            merchant: "m".to_owned(),
            location: "l".to_owned(),
        }
    }

    fn observed(rule: Rule, amount: &str, history: &[Past], merchant: &[DayCount]) -> String {
        let context = Context {
            at: AT,
            history,
            merchant,
        };
        let features = Features::observe(&transaction(amount), &context, Smoothing::default());
        features.of(rule).normalize().to_string()
    }

    fn pasts(amounts: &[&str]) -> Vec<Past> {
        amounts.iter().map(|amount| past(amount, DAY_SECONDS)).collect()
    }

    #[test]
    fn nothing_known_is_nothing_observed() {
        let features = Features::observe(&transaction("10000"), &Context::unknown(AT), Smoothing::default());
        for rule in Rule::ALL {
            assert_eq!(features.of(rule), Decimal::ZERO, "{rule}");
        }
    }

    #[test]
    fn an_amount_is_held_against_the_median_of_five_or_more() {
        let rule = Rule::AmountVsHistory;
        let four = pasts(&["10", "20", "30", "40"]);
        assert_eq!(observed(rule, "75", &four, &[]), "0");
        assert_eq!(observed(Rule::Amount, "75", &four, &[]), "0");

        let five = pasts(&["10", "20", "30", "40", "5000.55"]);
        assert_eq!(observed(rule, "75", &five, &[]), "2.5");
        assert_eq!(observed(rule, "0", &five, &[]), "0");
        assert_eq!(observed(rule, "-75", &five, &[]), "0");
        assert_eq!(observed(Rule::Amount, "75.25", &five, &[]), "75.25");
        assert_eq!(observed(Rule::Amount, "-75.25", &five, &[]), "0");

        let six = pasts(&["10", "20", "30", "40.01", "50", "5000"]);
        assert_eq!(observed(rule, "100", &six, &[]), "2.8567");
    }

    #[test]
    fn amounts_of_zero_and_below_say_nothing_of_what_is_typical() {
        let history = pasts(&["0", "-5", "0", "10", "10", "10", "10"]);
        assert_eq!(observed(Rule::AmountVsHistory, "75", &history, &[]), "0");
        let history = pasts(&["0", "-5", "0", "10", "10", "10", "10", "10"]);
        assert_eq!(observed(Rule::AmountVsHistory, "75", &history, &[]), "7.5");
    }

    #[test]
    fn large_ones_of_the_last_week_are_counted() {
        let mut history = pasts(&["10", "10", "10", "10", "10", "30", "30.01", "99"]);
        history.push(past("99", RECENT_SECONDS));
        assert_eq!(observed(Rule::RecentLarge, "10", &history, &[]), "2");
        assert_eq!(observed(Rule::LargeStreak, "20", &history, &[]), "0");
        assert_eq!(observed(Rule::LargeStreak, "20.01", &history, &[]), "2");
    }

    #[test]
    fn the_pace_counts_this_one_too() {
        let history = [
            past("1", 0),
            past("1", 3_599),
            past("1", 3_600),
            past("1", 86_399),
            past("1", 86_400),
        ];
        assert_eq!(observed(Rule::Velocity1h, "1", &history, &[]), "3");
        assert_eq!(observed(Rule::Velocity24h, "1", &history, &[]), "5");
    }

    #[test]
    fn a_transaction_that_another_clock_places_later_is_just_now() {
        let mut later = past("1", 0);
        later.timestamp = u64::MAX;
        assert_eq!(observed(Rule::Velocity1h, "1", &[later], &[]), "2");
    }

    #[test]
    fn pieces_just_below_the_limit_are_counted_within_a_day() {
        let history = [
            past("8000", 60),
            past("10000", 120),
            past("7999.99", 180),
            past("9000", DAY_SECONDS),
        ];
        assert_eq!(observed(Rule::Structuring, "9500", &history, &[]), "3");
        assert_eq!(observed(Rule::Structuring, "10000.01", &history, &[]), "0");
        assert_eq!(observed(Rule::Structuring, "100", &history, &[]), "0");
        assert_eq!(observed(Rule::Structuring, "9500", &history[2..], &[]), "0");
    }

    #[test]
    fn the_same_amount_at_the_same_merchant_is_a_duplicate_for_ten_minutes() {
        let mut elsewhere = past("5", 60);
        elsewhere.merchant = "other".to_owned();
        let history = [
            past("5", 599),
            past("5.00", 0),
            past("5", 600),
            past("5.01", 60),
            elsewhere,
        ];
        assert_eq!(observed(Rule::DuplicateAmount, "5", &history, &[]), "2");
    }

    #[test]
    fn only_what_was_never_seen_is_new() {
        let mut history = pasts(&["1", "2", "3"]);
        assert_eq!(observed(Rule::NewMerchant, "1", &history, &[]), "0");
        assert_eq!(observed(Rule::LocationChange, "1", &history, &[]), "0");
        for past in &mut history {
            past.merchant = "other".to_owned();
            past.location = "other".to_owned();
        }
        history[0].location = UNKNOWN.to_owned();
        assert_eq!(observed(Rule::NewMerchant, "1", &history, &[]), "3");
        assert_eq!(observed(Rule::LocationChange, "1", &history, &[]), "2");
    }

    #[test]
    fn nothing_is_known_of_a_merchant_or_location_that_was_not_sent() {
        let mut sent = transaction("10");
        sent.merchant = UNKNOWN.to_owned();
        sent.location = UNKNOWN.to_owned();
        let mut history = pasts(&["1", "2", "3"]);
        history.push(past("10", 5));
        history[3].merchant = UNKNOWN.to_owned();
        let counts = [DayCount {
            day: TODAY,
            fraud: 9,
            ok: 0,
        }];
        let context = Context {
            at: AT,
            history: &history,
            merchant: &counts,
        };
        let features = Features::observe(&sent, &context, Smoothing::default());
        for rule in [
            Rule::NewMerchant,
            Rule::LocationChange,
            Rule::DuplicateAmount,
            Rule::MerchantFraudRate7d,
        ] {
            assert_eq!(features.of(rule), Decimal::ZERO, "{rule}");
        }
    }

    #[test]
    fn hours_are_compared_on_the_clock_face() {
        let hours: Vec<Past> = (0..20)
            .map(|day| past("1", day * DAY_SECONDS + 4 * HOUR_SECONDS))
            .collect();
        assert_eq!(observed(Rule::OddHour, "1", &hours, &[]), "1");
        assert_eq!(observed(Rule::OddHour, "1", &hours[1..], &[]), "0");
        let hours: Vec<Past> = (0..20)
            .map(|day| past("1", day * DAY_SECONDS + 22 * HOUR_SECONDS))
            .collect();
        assert_eq!(observed(Rule::OddHour, "1", &hours, &[]), "0");
        assert!(!is_far(3 * HOUR_SECONDS, 0) && is_far(3 * HOUR_SECONDS + 1, 0));
    }

    #[test]
    fn a_merchants_days_count_in_each_window_that_reaches_them() {
        let day = |back: u64, fraud, ok| DayCount {
            day: TODAY - back,
            fraud,
            ok,
        };
        // The windows end at 8, 14 and 37 days.
        let counts = [
            day(38, 100, 0),
            day(37, 1, 1),
            day(15, 1, 1),
            day(14, 1, 1),
            day(8, 1, 0),
        ];
        assert_eq!(observed(Rule::MerchantFraudRate1d, "1", &[], &counts), "0.505");
        assert_eq!(observed(Rule::MerchantFraudRate7d, "1", &[], &counts), "0.5025");
        assert_eq!(observed(Rule::MerchantFraudRate30d, "1", &[], &counts), "0.5013");
        assert_eq!(observed(Rule::MerchantFraudOnset, "1", &[], &counts), "0.5");
        let tomorrow = [DayCount {
            day: TODAY + 1,
            fraud: 1,
            ok: 0,
        }];
        assert_eq!(observed(Rule::MerchantFraudRate1d, "1", &[], &tomorrow), "0");
        assert_eq!(observed(Rule::MerchantFraudRate7d, "1", &[], &[day(3, 0, 50)]), "0");
    }

    #[test]
    fn amounts_are_exact_in_cents() {
        for (amount, expected) in [
            ("0", 0),
            ("1", 100),
            ("1.5", 150),
            ("-1.05", -105),
            ("1.500", 150),
            ("999999999999999.99", 99_999_999_999_999_999),
            ("79228162514264337593543950335", i64::MAX),
            ("-79228162514264337593543950335", i64::MIN),
            ("0.0000000000000000000000000001", 0),
            ("12345678901234567890.123456", i64::MAX),
        ] {
            assert_eq!(cents(amount.parse().expect("a number")), expected, "{amount}");
        }
    }
}
