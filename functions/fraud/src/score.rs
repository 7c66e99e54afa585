//! How suspicious a transaction is.

use std::cmp::Reverse;
use std::fmt;

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

use crate::context::Context;
use crate::features::Features;
use crate::rule::Rule;
use crate::rules::{AMOUNT_LIMIT, AMOUNT_NEGATIVE, AMOUNT_OVER_LIMIT, Rules};
use crate::transaction::Transaction;

/// A fraud score from 0 (no reason to worry) to 1.
///
/// It is written as a plain decimal, in text as in JSON: `0.1`, never `0.10000000000000001` and never in quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score(Decimal);

impl Score {
    /// The score of a transaction that no rule objects to: 0.1.
    pub const BASELINE: Self = Self(Decimal::from_parts(1, 0, 0, false, 1));

    /// The score of a transaction that the base rule objects to: 0.9.
    pub const FLAGGED: Self = Self(Decimal::from_parts(9, 0, 0, false, 1));

    /// The score where the reasons leave this share, 0 to 1, of the distance from the baseline to 1.
    fn leaving(left: Decimal) -> Self {
        if left == Decimal::ONE {
            return Self::BASELINE;
        }
        Self((Decimal::ONE - Self::FLAGGED.value() * left).round_dp(6).normalize())
    }

    /// The score as a decimal.
    pub const fn value(self) -> Decimal {
        self.0
    }
}

impl fmt::Display for Score {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Serialize for Score {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        rust_decimal::serde::arbitrary_precision::serialize(&self.0, serializer)
    }
}

/// Why a score is what it is: one rule that fired.
///
/// In JSON, what was seen and the limit are strings: either can be an amount, and a reader that makes floats of numbers
/// would lose digits of it. A weight has at most four, which every reader keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The rule's name, such as `AMOUNT_OVER_LIMIT`.
    pub code: &'static str,
    /// What was seen.
    #[serde(serialize_with = "as_text")]
    pub observed: Decimal,
    /// What it was held against.
    #[serde(serialize_with = "as_text")]
    pub limit: Decimal,
    /// How much it weighs, 0 to 1.
    #[serde(with = "rust_decimal::serde::arbitrary_precision")]
    pub weight: Decimal,
}

fn as_text<S: Serializer>(number: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

/// What the rules make of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// How suspicious it is.
    pub fraud_score: Score,
    /// Whether the pattern analysis counts it.
    pub is_suspicious: bool,
    /// The rules that fired, the heaviest first.
    pub reasons: Vec<Reason>,
    /// Which rules these were.
    pub rules_version: String,
}

/// Scores a transaction by the rules.
///
/// The score is `0.1 + 0.9 * (1 - p)`, where `p` is the product of `1 - weight` over the reasons: each reason takes its
/// share of the distance to 1 that the others leave, so that its weight can be read off and their order does not matter.
/// It is rounded to six decimals, and without any reason it is 0.1 exactly. An amount over the limit or below zero gives
/// 0.9 at least and is suspicious whatever the rules say; anything else is when its score is above
/// [`Rules::suspicious_above`]. Whatever is known beside the transaction, it cannot fail.
pub fn assess(transaction: &Transaction, context: &Context<'_>, rules: &Rules) -> Assessment {
    let features = Features::observe(transaction, context, rules.smoothing());
    let mut reasons = Vec::new();
    let mut left = Decimal::ONE;
    let floor = hard_reason(transaction.amount);
    for amplifiers in [false, true] {
        if amplifiers && reasons.is_empty() && floor.is_none() {
            break;
        }
        for rule in Rule::ALL.into_iter().filter(|rule| rule.is_amplifier() == amplifiers) {
            let observed = features.of(rule);
            if let Some(step) = rules.ladder(rule).exceeded_by(observed) {
                left *= Decimal::ONE - step.weight;
                reasons.push(Reason {
                    code: rule.code(),
                    observed,
                    limit: step.limit,
                    weight: step.weight,
                });
            }
        }
    }
    let mut fraud_score = Score::leaving(left);
    let is_hard = floor.is_some();
    if let Some(reason) = floor {
        fraud_score = fraud_score.max(Score::FLAGGED);
        reasons.push(reason);
    }
    reasons.sort_by_key(|reason| Reverse(reason.weight));
    Assessment {
        fraud_score,
        is_suspicious: is_hard || fraud_score.value() > rules.suspicious_above(),
        reasons,
        rules_version: rules.version().to_owned(),
    }
}

/// The base rule as a reason: it weighs what it makes of the score, 0.9.
fn hard_reason(amount: Decimal) -> Option<Reason> {
    let (code, limit) = if amount > AMOUNT_LIMIT {
        (AMOUNT_OVER_LIMIT, AMOUNT_LIMIT)
    } else if amount < Decimal::ZERO {
        (AMOUNT_NEGATIVE, Decimal::ZERO)
    } else {
        return None;
    };
    Some(Reason {
        code,
        observed: amount,
        limit,
        weight: Score::FLAGGED.value(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::DayCount;
    use crate::history::Past;
    use proptest::prelude::*;

    fn assessed(amount: &str) -> Assessment {
        let body = format!(r#"{{"transaction_id": "t", "user_id": "u", "amount": {amount}}}"#);
        let transaction = Transaction::parse(body.as_bytes()).expect("valid");
        assess(&transaction, &Context::unknown(1_700_000_000), Rules::builtin())
    }

    #[test]
    fn ordinary_amounts_score_exactly_a_tenth() {
        for amount in ["0", "-0.00", "0.01", "150.50", "10000", "1e4", "10000.00"] {
            let assessment = assessed(amount);
            assert_eq!(assessment.fraud_score.to_string(), "0.1", "{amount}");
            assert!(!assessment.is_suspicious, "{amount}");
        }
    }

    #[test]
    fn amounts_outside_the_limits_score_nine_tenths_and_are_suspicious() {
        for amount in ["10000.01", "15000", "-0.01", "-15000", "999999999999999.99"] {
            let assessment = assessed(amount);
            assert_eq!(assessment.fraud_score.to_string(), "0.9", "{amount}");
            assert!(assessment.is_suspicious, "{amount}");
        }
    }

    #[test]
    fn the_base_rule_is_a_reason_like_the_others() {
        let reasons = assessed("10000.01").reasons;
        assert_eq!(
            serde_json::to_string(&reasons).expect("serializable"),
            r#"[{"code":"AMOUNT_OVER_LIMIT","observed":"10000.01","limit":"10000","weight":0.9}]"#
        );
        let longest = serde_json::to_value(assessed("999999999999999.99").reasons).expect("serializable");
        assert_eq!(longest[0]["observed"], "999999999999999.99");
        assert_eq!(assessed("-0.01").reasons[0].code, "AMOUNT_NEGATIVE");
        assert!(assessed("10000").reasons.is_empty());
    }

    fn rules(ladders: &str) -> Rules {
        Rules::parse(&format!(r#"{{"version": "v", "ladders": {{{ladders}}}}}"#)).expect("valid")
    }

    fn sent(amount: Decimal) -> Transaction {
        Transaction {
            transaction_id: "t".to_owned(),
            user_id: "u".to_owned(),
            amount,
            merchant: "m".to_owned(),
            location: "l".to_owned(),
        }
    }

    fn days_of(amounts: &[i64]) -> Vec<Past> {
        let past = |(day, amount): (u64, &i64)| Past {
            timestamp: 1_700_000_000 - day * 86_400,
            amount: Decimal::from(*amount),
            merchant: "elsewhere".to_owned(),
            location: "l".to_owned(),
        };
        (1..).zip(amounts).map(past).collect()
    }

    fn with_history(amount: i64, history: &[Past], rules: &Rules) -> Assessment {
        let context = Context {
            at: 1_700_000_000,
            history,
            merchant: &[],
        };
        assess(&sent(Decimal::from(amount)), &context, rules)
    }

    #[test]
    fn each_reason_takes_its_share_of_what_the_others_leave() {
        let rules = rules(
            r#""AMOUNT": [{"limit": 50, "weight": 0.5}],
               "AMOUNT_VS_HISTORY": [{"limit": 2, "weight": 0.25}, {"limit": 5, "weight": 0.9}]"#,
        );
        let history = days_of(&[20; 5]);
        for (amount, score, codes) in [
            (40, "0.1", vec![]),
            (45, "0.325", vec!["AMOUNT_VS_HISTORY"]),
            (55, "0.6625", vec!["AMOUNT", "AMOUNT_VS_HISTORY"]),
            (101, "0.955", vec!["AMOUNT_VS_HISTORY", "AMOUNT"]),
        ] {
            let assessment = with_history(amount, &history, &rules);
            assert_eq!(assessment.fraud_score.to_string(), score);
            assert_eq!(
                assessment.reasons.iter().map(|reason| reason.code).collect::<Vec<_>>(),
                codes
            );
            assert_eq!(assessment.is_suspicious, amount == 101);
        }
    }

    #[test]
    fn an_amplifier_alone_is_no_reason() {
        let rules = rules(r#""AMOUNT": [{"limit": 50, "weight": 0.5}], "NEW_MERCHANT": [{"limit": 1, "weight": 0.2}]"#);
        let history = days_of(&[20; 5]);
        assert_eq!(with_history(50, &history, &rules).fraud_score, Score::BASELINE);
        let assessment = with_history(51, &history, &rules);
        assert_eq!(assessment.fraud_score.to_string(), "0.64");
        assert_eq!(assessment.reasons.len(), 2);
    }

    #[test]
    fn the_base_rule_is_a_floor_and_more_reasons_may_lift_it() {
        let rules = rules(r#""AMOUNT": [{"limit": 50, "weight": 0.99}]"#);
        let history = days_of(&[20; 5]);
        assert_eq!(with_history(10_001, &history, &rules).fraud_score.to_string(), "0.991");
        assert_eq!(with_history(10_001, &[], &rules).fraud_score, Score::FLAGGED);
    }

    #[test]
    fn no_rules_file_takes_the_base_rule_away() {
        let lenient = Rules::parse(r#"{"version": "v", "suspicious_above": 1, "ladders": {}}"#).expect("valid");
        let assessment = with_history(10_001, &[], &lenient);
        assert!(assessment.is_suspicious);
        assert_eq!(assessment.fraud_score, Score::FLAGGED);
    }

    #[test]
    fn what_is_suspicious_is_the_rules_to_say() {
        let strict = Rules::parse(
            r#"{"version": "v", "suspicious_above": 0.5, "ladders": {"AMOUNT": [{"limit": 50, "weight": 0.5}]}}"#,
        )
        .expect("valid");
        let history = days_of(&[20; 5]);
        assert!(with_history(51, &history, &strict).is_suspicious);
        assert!(!with_history(50, &history, &strict).is_suspicious);
        assert_eq!(with_history(51, &history, &strict).rules_version, "v");
    }

    #[test]
    fn the_amount_alone_is_not_suspicious_to_the_built_in_rules() {
        // Typical for this user, and far below the limit.
        let history = days_of(&[5_000; 10]);
        let assessment = with_history(5_000, &history, Rules::builtin());
        assert_eq!(assessment.reasons[0].code, "AMOUNT");
        assert!(!assessment.is_suspicious);
        assert!(assessment.fraud_score.value() < Decimal::new(85, 2));
    }

    #[test]
    fn the_built_in_rules_see_a_customer_and_a_merchant_under_attack() {
        let history = days_of(&[20; 10]);
        let assessment = with_history(120, &history, Rules::builtin());
        assert_eq!(assessment.reasons[0].code, "AMOUNT_VS_HISTORY");
        assert!(assessment.is_suspicious);

        let at = 1_700_000_000;
        let days: Vec<DayCount> = (7..12)
            .map(|back| DayCount {
                day: at / 86_400 - back,
                fraud: 1,
                ok: 0,
            })
            .collect();
        let context = Context {
            at,
            history: &[],
            merchant: &days,
        };
        let assessment = assess(&sent(Decimal::from(20)), &context, Rules::builtin());
        assert!(assessment.is_suspicious, "{assessment:?}");
        assert!(
            assessment
                .reasons
                .iter()
                .any(|reason| reason.code == "MERCHANT_FRAUD_RATE_7D")
        );
    }

    fn a_past() -> impl Strategy<Value = Past> {
        (any::<u64>(), any::<i64>(), 0_u32..=28, "[abU]", "[abU]").prop_map(
            |(timestamp, digits, scale, merchant, location)| Past {
                timestamp,
                amount: Decimal::new(digits, scale),
                merchant,
                location,
            },
        )
    }

    fn an_everyday_past() -> impl Strategy<Value = Past> {
        (0_u64..40 * 86_400, 0_i64..50_000, "[a-c]", "[ab]").prop_map(|(age, cents, merchant, location)| Past {
            timestamp: 1_700_000_000 - age,
            amount: Decimal::new(cents, 2),
            merchant,
            location,
        })
    }

    fn a_count() -> impl Strategy<Value = DayCount> {
        (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(day, fraud, ok)| DayCount { day, fraud, ok })
    }

    fn an_everyday_count() -> impl Strategy<Value = DayCount> {
        (0_u64..40, 0_u64..5, 0_u64..20).prop_map(|(back, fraud, ok)| DayCount {
            day: 1_700_000_000 / 86_400 - back,
            fraud,
            ok,
        })
    }

    proptest! {
        #[test]
        fn whatever_is_known_the_score_is_between_a_tenth_and_one(
            digits in any::<i64>(),
            scale in 0_u32..=28,
            at in any::<u64>(),
            history in prop::collection::vec(a_past(), 0..60),
            merchant in prop::collection::vec(a_count(), 0..45),
        ) {
            let context = Context { at, history: &history, merchant: &merchant };
            let amount = Decimal::new(digits, scale);
            let assessment = assess(&sent(amount), &context, Rules::builtin());
            let score = assessment.fraud_score;
            prop_assert!(score >= Score::BASELINE && score.value() <= Decimal::ONE);
            prop_assert!(score.value().scale() <= 6);
            prop_assert_eq!(score == Score::BASELINE, assessment.reasons.is_empty());
            if crate::rules::base_rule_fires(amount) {
                prop_assert!(assessment.is_suspicious && score >= Score::FLAGGED);
            }
        }

        #[test]
        fn a_higher_amount_never_scores_lower(
            cents in 0_i64..700_000,
            more in 0_i64..90_000,
            history in prop::collection::vec(an_everyday_past(), 0..60),
            merchant in prop::collection::vec(an_everyday_count(), 0..45),
        ) {
            // Neither a piece below the limit nor a duplicate: those two are about one amount and not another.
            let context = Context { at: 1_700_000_000, history: &history, merchant: &merchant };
            let score = |cents| assess(&sent(Decimal::new(cents, 2)), &context, Rules::builtin()).fraud_score;
            prop_assert!(score(cents) <= score(cents + more));
        }

        #[test]
        fn a_fraud_labelled_lately_never_scores_lower(
            cents in 0_i64..100_000,
            history in prop::collection::vec(an_everyday_past(), 0..60),
            merchant in prop::collection::vec(an_everyday_count(), 0..45),
            back in 0_u64..=8,
        ) {
            let at = 1_700_000_000;
            let score = |merchant: &[DayCount]| {
                let context = Context { at, history: &history, merchant };
                assess(&sent(Decimal::new(cents, 2)), &context, Rules::builtin()).fraud_score
            };
            let mut more = merchant.clone();
            more.push(DayCount { day: at / 86_400 - back, fraud: 1, ok: 0 });
            prop_assert!(score(&merchant) <= score(&more));
        }

        #[test]
        fn the_order_of_a_merchants_days_does_not_matter(
            merchant in prop::collection::vec(an_everyday_count(), 0..45),
        ) {
            let mut reversed = merchant.clone();
            reversed.reverse();
            let assessed = |merchant: &[DayCount]| {
                let context = Context { at: 1_700_000_000, history: &[], merchant };
                assess(&sent(Decimal::TEN), &context, Rules::builtin())
            };
            prop_assert_eq!(assessed(&merchant), assessed(&reversed));
        }

        #[test]
        fn what_is_older_than_fifty_transactions_does_not_matter(
            history in prop::collection::vec(an_everyday_past(), 50..60),
            cents in 0_i64..100_000,
        ) {
            let assessed = |history: &[Past]| {
                let context = Context { at: 1_700_000_000, history, merchant: &[] };
                assess(&sent(Decimal::new(cents, 2)), &context, Rules::builtin())
            };
            prop_assert_eq!(assessed(&history), assessed(&history[..50]));
        }
    }

    #[test]
    fn a_score_is_a_json_number() {
        assert_eq!(
            serde_json::json!([Score::BASELINE, Score::FLAGGED]).to_string(),
            "[0.1,0.9]"
        );
        assert_eq!(serde_json::to_string(&Score::FLAGGED).expect("serializable"), "0.9");
    }
}
