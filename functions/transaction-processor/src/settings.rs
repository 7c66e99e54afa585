//! What the function is told through its environment.

use fraud::settings::{self, MissingVariable, required};

/// Where to store, whom to tell, and which deployment this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What the other function is told too.
    pub shared: settings::Settings,
    /// The table of merchants' profiles, from `PROFILES_TABLE`.
    pub profiles: String,
}

impl Settings {
    /// Reads every variable with `lookup`.
    ///
    /// # Errors
    ///
    /// A variable is not set or is empty.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, MissingVariable> {
        Ok(Self {
            shared: settings::Settings::from_lookup(&lookup)?,
            profiles: required(&lookup, "PROFILES_TABLE")?,
        })
    }

    /// The SSM parameter that holds the fraud threshold.
    pub fn threshold_parameter(&self) -> String {
        self.parameter("fraud_threshold")
    }

    /// The SSM parameter that holds the rules.
    pub fn rules_parameter(&self) -> String {
        self.parameter("rules")
    }

    fn parameter(&self, name: &str) -> String {
        format!("/fraud-detection/{}/{name}", self.shared.environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_profiles_is_required_too() {
        let complete = Settings::from_lookup(|name| Some(format!("the {name}"))).expect("complete");
        assert_eq!(complete.shared.table, "the DYNAMODB_TABLE");
        assert_eq!(complete.profiles, "the PROFILES_TABLE");

        for missing in ["DYNAMODB_TABLE", "SNS_TOPIC_ARN", "ENVIRONMENT", "PROFILES_TABLE"] {
            let outcome = Settings::from_lookup(|name| (name != missing).then(|| "set".to_owned()));
            assert_eq!(outcome, Err(MissingVariable(missing)));
        }
    }

    #[test]
    fn the_parameters_belong_to_the_environment() {
        let settings = Settings::from_lookup(|_| Some("dev".to_owned())).expect("complete");
        assert_eq!(settings.threshold_parameter(), "/fraud-detection/dev/fraud_threshold");
        assert_eq!(settings.rules_parameter(), "/fraud-detection/dev/rules");
    }
}
