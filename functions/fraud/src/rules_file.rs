//! The JSON text of the rules.
//!
//! ```json
//! {
//!   "version": "autumn-3",
//!   "suspicious_above": 0.85,
//!   "merchant_smoothing": {"share": 0.01, "strength": 1},
//!   "ladders": {
//!     "AMOUNT_VS_HISTORY": [{"limit": 2.5, "weight": 0.2}, {"limit": 4, "weight": 0.6}]
//!   }
//! }
//! ```
//!
//! `version` and `ladders` are required, the rest has defaults. Nothing else is taken, and nothing twice: what an
//! analyst misspells must not silently do nothing.

use std::fmt::{self, Write};

use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::ladder::{Ladder, Step};
use crate::rule::Rule;
use crate::smoothing::Smoothing;

/// The longest rules file, in bytes: a standard parameter of SSM holds no more.
/// <https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html>
pub const MAX_RULES_BYTES: usize = 4_096;

/// A text or a set of values is no set of [`Rules`](crate::Rules).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these are no rules: {0}")]
pub struct InvalidRules(pub String);

/// What a rules file says, key by key, before it is checked as a whole.
pub(crate) struct Parts {
    pub(crate) version: String,
    pub(crate) suspicious_above: Option<Decimal>,
    pub(crate) smoothing: Smoothing,
    pub(crate) ladders: Vec<(Rule, Ladder)>,
}

/// Takes a rules file apart.
pub(crate) fn parse(text: &str) -> Result<Parts, InvalidRules> {
    if text.len() > MAX_RULES_BYTES {
        return Err(InvalidRules(format!(
            "they are {} bytes, and a parameter holds {MAX_RULES_BYTES}: leave out some steps",
            text.len()
        )));
    }
    let mut version = None;
    let mut suspicious_above = None;
    let mut smoothing = Smoothing::default();
    let mut ladders = None;
    for (key, value) in object("the file", text)? {
        match key.as_str() {
            "version" => version = Some(string("version", value)?),
            "suspicious_above" => suspicious_above = Some(number("suspicious_above", value)?),
            "merchant_smoothing" => smoothing = read_smoothing(value)?,
            "ladders" => ladders = Some(read_ladders(value)?),
            _ => {
                return Err(unknown(
                    "",
                    &key,
                    "the keys are version, suspicious_above, merchant_smoothing and ladders",
                ));
            }
        }
    }
    Ok(Parts {
        version: version.ok_or_else(|| InvalidRules("version: is required".to_owned()))?,
        suspicious_above,
        smoothing,
        ladders: ladders.ok_or_else(|| InvalidRules("ladders: is required".to_owned()))?,
    })
}

/// Writes a rules file, one line for each rule that has steps.
pub(crate) fn write(parts: &Parts) -> String {
    // Writing to a string cannot fail. A version is made of characters that JSON takes as they are.
    let mut text = format!("{{\n  \"version\": \"{}\",\n", parts.version);
    if let Some(level) = parts.suspicious_above {
        let _ = writeln!(text, "  \"suspicious_above\": {},", level.normalize());
    }
    let (share, strength) = (parts.smoothing.share.normalize(), parts.smoothing.strength.normalize());
    let _ = write!(
        text,
        "  \"merchant_smoothing\": {{\"share\": {share}, \"strength\": {strength}}},\n  \"ladders\": {{"
    );
    let mut separator = "\n";
    for (rule, ladder) in parts.ladders.iter().filter(|(_, ladder)| !ladder.steps().is_empty()) {
        let _ = write!(text, "{separator}    \"{rule}\": [");
        for (index, step) in ladder.steps().iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let (limit, weight) = (step.limit.normalize(), step.weight.normalize());
            let _ = write!(text, "{comma}{{\"limit\": {limit}, \"weight\": {weight}}}");
        }
        text.push(']');
        separator = ",\n";
    }
    text.push_str("\n  }\n}");
    text
}

fn read_smoothing(value: &RawValue) -> Result<Smoothing, InvalidRules> {
    let place = "merchant_smoothing";
    let mut smoothing = Smoothing::default();
    for (key, value) in object(place, value.get())? {
        match key.as_str() {
            "share" => smoothing.share = number("merchant_smoothing.share", value)?,
            "strength" => smoothing.strength = number("merchant_smoothing.strength", value)?,
            _ => return Err(unknown("merchant_smoothing.", &key, "the keys are share and strength")),
        }
    }
    Ok(smoothing)
}

fn read_ladders(value: &RawValue) -> Result<Vec<(Rule, Ladder)>, InvalidRules> {
    let mut ladders = Vec::new();
    for (key, value) in object("ladders", value.get())? {
        let Some(rule) = Rule::named(&key) else {
            let known = Rule::ALL.map(Rule::code).join(", ");
            return Err(unknown("ladders.", &key, &format!("the rules are {known}")));
        };
        ladders.push((rule, read_ladder(rule, value)?));
    }
    Ok(ladders)
}

fn read_ladder(rule: Rule, value: &RawValue) -> Result<Ladder, InvalidRules> {
    let place = format!("ladders.{rule}");
    let items: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(|_| {
        InvalidRules(format!(
            "{place}: must be a list of steps, each with a limit and a weight"
        ))
    })?;
    let mut steps = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        steps.push(read_step(&format!("{place}[{index}]"), item)?);
    }
    Ladder::new(steps).map_err(|error| InvalidRules(format!("{place}{error}")))
}

fn read_step(place: &str, value: &RawValue) -> Result<Step, InvalidRules> {
    let (mut limit, mut weight) = (None, None);
    for (key, value) in object(place, value.get())? {
        match key.as_str() {
            "limit" => limit = Some(number(&format!("{place}.limit"), value)?),
            "weight" => weight = Some(number(&format!("{place}.weight"), value)?),
            _ => return Err(unknown(&format!("{place}."), &key, "the keys are limit and weight")),
        }
    }
    Ok(Step {
        limit: limit.ok_or_else(|| InvalidRules(format!("{place}.limit: is required")))?,
        weight: weight.ok_or_else(|| InvalidRules(format!("{place}.weight: is required")))?,
    })
}

fn unknown(place: &str, key: &str, known: &str) -> InvalidRules {
    InvalidRules(format!("{place}{}: is not known; {known}", shown(key)))
}

/// A key as an error shows it: not longer than a line, without control characters.
fn shown(key: &str) -> String {
    key.chars().take(64).flat_map(char::escape_debug).collect()
}

fn string(place: &str, value: &RawValue) -> Result<String, InvalidRules> {
    serde_json::from_str(value.get()).map_err(|_| InvalidRules(format!("{place}: must be a text")))
}

/// A number, digit for digit.
fn number(place: &str, value: &RawValue) -> Result<Decimal, InvalidRules> {
    let text = value.get();
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Err(InvalidRules(format!("{place}: must be a number")));
    }
    if text.contains(['e', 'E']) {
        Decimal::from_scientific(text)
    } else {
        Decimal::from_str_exact(text)
    }
    .map_err(|_| InvalidRules(format!("{place}: must be a number with at most 28 digits")))
}

/// The pairs of an object in their order, none of its keys twice.
fn object<'a>(place: &str, text: &'a str) -> Result<Vec<(String, &'a RawValue)>, InvalidRules> {
    let Pairs(pairs) = serde_json::from_str(text).map_err(|error| {
        InvalidRules(if error.is_data() {
            format!("{place}: must be an object")
        } else {
            format!("{place}: is not JSON: {error}")
        })
    })?;
    for (index, (key, _)) in pairs.iter().enumerate() {
        if pairs[..index].iter().any(|(earlier, _)| earlier == key) {
            return Err(InvalidRules(format!("{place}: has {} twice", shown(key))));
        }
    }
    Ok(pairs)
}

struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Rules;
    use proptest::prelude::*;

    fn error(text: &str) -> String {
        Rules::parse(text).expect_err("invalid").0
    }

    #[test]
    fn what_is_left_out_has_defaults() {
        let rules = Rules::parse(r#"{"version": "v1", "ladders": {}}"#).expect("valid");
        assert_eq!(rules.version(), "v1");
        assert_eq!(rules.suspicious_above(), Rules::SUSPICIOUS_ABOVE);
        assert_eq!(rules.smoothing(), Smoothing::default());
        assert!(rules.ladder(Rule::Amount).steps().is_empty());
    }

    #[test]
    fn numbers_may_be_written_in_any_way_that_json_has() {
        let text = r#"{"version": "v1", "suspicious_above": 9e-1,
            "ladders": {"AMOUNT": [{"weight": 0.10, "limit": 1e2}]}}"#;
        let rules = Rules::parse(text).expect("valid");
        assert_eq!(rules.suspicious_above(), Decimal::new(9, 1));
        assert_eq!(rules.ladder(Rule::Amount).steps()[0].limit, Decimal::ONE_HUNDRED);
    }

    #[test]
    fn every_mistake_names_its_place() {
        for (text, place) in [
            ("", "the file: is not JSON"),
            ("[]", "the file: must be an object"),
            ("{}", "version: is required"),
            (r#"{"version": "v1"}"#, "ladders: is required"),
            (r#"{"version": 1, "ladders": {}}"#, "version: must be a text"),
            (
                r#"{"version": "v", "version": "v", "ladders": {}}"#,
                "the file: has version twice",
            ),
            (r#"{"version": "v", "ladder": {}}"#, "ladder: is not known"),
            (r#"{"version": "v", "ladders": []}"#, "ladders: must be an object"),
            (
                r#"{"version": "v", "ladders": {"AMUONT": []}}"#,
                "ladders.AMUONT: is not known; the rules are AMOUNT_VS",
            ),
            (
                r#"{"version": "v", "ladders": {"AMOUNT_OVER_LIMIT": []}}"#,
                "ladders.AMOUNT_OVER_LIMIT: is not known",
            ),
            (
                r#"{"version": "v", "ladders": {"AMOUNT": [], "AMOUNT": []}}"#,
                "ladders: has AMOUNT twice",
            ),
            (
                r#"{"version": "v", "ladders": {"AMOUNT": {}}}"#,
                "ladders.AMOUNT: must be a list",
            ),
            (
                r#"{"version": "v", "ladders": {"AMOUNT": [1]}}"#,
                "ladders.AMOUNT[0]: must be an object",
            ),
            (
                r#"{"version": "v", "ladders": {"AMOUNT": [{"limit": 1}]}}"#,
                "ladders.AMOUNT[0].weight: is required",
            ),
            (
                r#"{"version": "v", "ladders": {"AMOUNT": [{"limit": 1, "weight": 0, "why": 1}]}}"#,
                "ladders.AMOUNT[0].why: is not known",
            ),
            (
                r#"{"version": "v", "ladders": {"AMOUNT": [{"limit": "1", "weight": 0}]}}"#,
                "ladders.AMOUNT[0].limit: must be a number",
            ),
            (
                r#"{"version": "v", "ladders": {"AMOUNT": [{"limit": 1e99, "weight": 0}]}}"#,
                "ladders.AMOUNT[0].limit: must be a number with",
            ),
            (
                r#"{"version": "v", "ladders": {"AMOUNT": [{"limit": 1, "weight": 0}, {"limit": 1, "weight": 0}]}}"#,
                "ladders.AMOUNT[1].limit: must be above",
            ),
            (
                r#"{"version": "v", "ladders": {"AMOUNT": [{"limit": 1, "weight": 1}]}}"#,
                "ladders.AMOUNT[0].weight: must be 0 or more and less than 1",
            ),
            (
                r#"{"version": "v", "suspicious_above": 1.1, "ladders": {}}"#,
                "suspicious_above: must be",
            ),
            (
                r#"{"version": "v", "suspicious_above": null, "ladders": {}}"#,
                "suspicious_above: must be a number",
            ),
            (
                r#"{"version": "v", "merchant_smoothing": 1, "ladders": {}}"#,
                "merchant_smoothing: must be an object",
            ),
            (
                r#"{"version": "v", "merchant_smoothing": {"x": 1}, "ladders": {}}"#,
                "merchant_smoothing.x: is not",
            ),
        ] {
            let error = error(text);
            assert!(error.starts_with(place), "{text}: {error}");
        }
    }

    #[test]
    fn rules_longer_than_a_parameter_are_refused_also_when_only_written_out() {
        assert!(error(&" ".repeat(MAX_RULES_BYTES + 1)).contains("4096"));

        let steps: Vec<String> = (0..16).map(|n| format!(r#"{{"limit":{n},"weight":0.0001}}"#)).collect();
        let ladders: Vec<String> = Rule::ALL[..8]
            .iter()
            .map(|rule| format!(r#""{rule}":[{}]"#, steps.join(",")))
            .collect();
        let text = format!(r#"{{"version":"v","ladders":{{{}}}}}"#, ladders.join(","));
        assert!(text.len() <= MAX_RULES_BYTES);
        assert!(error(&text).starts_with("written out they are"));
    }

    fn ladders() -> impl Strategy<Value = Vec<(Rule, Ladder)>> {
        let steps = prop::collection::btree_map(0_i64..9_999_999, 0_i64..10_000, 0..4).prop_map(|steps| {
            let mut weights: Vec<i64> = steps.values().copied().collect();
            weights.sort_unstable();
            let steps = steps.keys().zip(weights).map(|(limit, weight)| Step {
                limit: Decimal::new(*limit, 4),
                weight: Decimal::new(weight, 4),
            });
            Ladder::new(steps.collect()).expect("ascending")
        });
        prop::collection::vec(steps, Rule::ALL.len()).prop_map(|ladders| Rule::ALL.into_iter().zip(ladders).collect())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            version in "[A-Za-z0-9._:+-]{1,64}",
            above in 0_i64..=1_000_000,
            share in 0_i64..=1_000_000,
            strength in 1_i64..=1_000_000_000,
            ladders in ladders(),
        ) {
            let smoothing = Smoothing { share: Decimal::new(share, 6), strength: Decimal::new(strength, 6) };
            let rules = Rules::new(version, Decimal::new(above, 6), smoothing, ladders).expect("valid");
            let text = rules.to_json();
            prop_assert!(text.len() <= MAX_RULES_BYTES);
            prop_assert_eq!(Rules::parse(&text).expect("valid"), rules);
        }

        #[test]
        fn text_of_any_kind_is_answered(text in any::<String>()) {
            let _ = Rules::parse(&text);
        }

        #[test]
        fn a_file_with_a_piece_missing_or_doubled_is_answered(from in 0_usize..900, length in 0_usize..40, twice in any::<bool>()) {
            let whole = Rules::builtin().to_json();
            let until = (from + length).min(whole.len());
            let from = from.min(until);
            let (Some(head), Some(piece), Some(tail)) = (whole.get(..from), whole.get(from..until), whole.get(until..)) else {
                return Ok(());
            };
            let doubled = if twice { piece.repeat(2) } else { String::new() };
            let _ = Rules::parse(&format!("{head}{doubled}{tail}"));
        }
    }
}
