//! The rules: each looks at facts about a transaction and either fires or does not.

use std::sync::LazyLock;

use rust_decimal::Decimal;

/// An amount above this is suspicious whoever sends it; this much exactly is not.
pub const AMOUNT_LIMIT: Decimal = Decimal::from_parts(10_000, 0, 0, false, 0);

/// Whether the base rule fires: the amount is over [`AMOUNT_LIMIT`], or negative. Zero is neither.
pub fn base_rule_fires(amount: Decimal) -> bool {
    amount > AMOUNT_LIMIT || amount < Decimal::ZERO
}

/// The rules in force: limits and weights as data, so that an analyst tunes them without a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    version: String,
}

/// A text is not a set of [`Rules`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("these are no rules: {0}")]
pub struct InvalidRules(pub String);

impl Rules {
    /// The rules that hold when no others are known.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Rules> = LazyLock::new(|| Rules {
            version: "builtin-1".to_owned(),
        });
        &BUILTIN
    }

    /// Reads rules from their JSON text and checks them.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, naming where.
    pub fn parse(text: &str) -> Result<Self, InvalidRules> {
        let value: serde_json::Value = serde_json::from_str(text).map_err(|why| InvalidRules(why.to_string()))?;
        let version = value["version"]
            .as_str()
            .ok_or_else(|| InvalidRules("version is required".to_owned()))?;
        Ok(Self {
            version: version.to_owned(),
        })
    }

    /// The JSON text, short enough for a parameter of 4 KB.
    pub fn to_json(&self) -> String {
        serde_json::json!({"version": self.version}).to_string()
    }

    /// The name of this set of rules.
    pub fn version(&self) -> &str {
        &self.version
    }
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
