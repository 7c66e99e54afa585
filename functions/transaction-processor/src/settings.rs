//! What the function is told through its environment.

use fraud::settings::{self, MissingVariable, required};

/// Where to store, whom to tell, and which deployment this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What the other function is told too.
    pub shared: settings::Settings,
    /// The environment's name, from `ENVIRONMENT`.
    pub environment: String,
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
            environment: required(&lookup, "ENVIRONMENT")?,
        })
    }

    /// The name of the SSM parameter that holds the fraud threshold.
    pub fn threshold_parameter(&self) -> String {
        format!("/fraud-detection/{}/fraud_threshold", self.environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_required_too() {
        let complete = Settings::from_lookup(|name| Some(format!("the {name}"))).expect("complete");
        assert_eq!(complete.shared.table, "the DYNAMODB_TABLE");
        assert_eq!(complete.shared.topic_arn, "the SNS_TOPIC_ARN");
        assert_eq!(complete.environment, "the ENVIRONMENT");

        for missing in ["DYNAMODB_TABLE", "SNS_TOPIC_ARN", "ENVIRONMENT"] {
            let outcome = Settings::from_lookup(|name| (name != missing).then(|| "set".to_owned()));
            assert_eq!(outcome, Err(MissingVariable(missing)));
        }
    }

    #[test]
    fn the_threshold_parameter_belongs_to_the_environment() {
        let settings = Settings::from_lookup(|_| Some("dev".to_owned())).expect("complete");
        assert_eq!(settings.threshold_parameter(), "/fraud-detection/dev/fraud_threshold");
    }
}
