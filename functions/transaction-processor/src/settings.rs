//! What the function is told through its environment.

use std::env;

/// Where to store, whom to tell, and which deployment this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The table's name, from `DYNAMODB_TABLE`.
    pub table: String,
    /// The alert topic's ARN, from `SNS_TOPIC_ARN`.
    pub topic_arn: String,
    /// The environment's name, from `ENVIRONMENT`.
    pub environment: String,
}

impl Settings {
    /// Reads the process's environment.
    ///
    /// # Errors
    ///
    /// A variable is not set, is empty, or is not UTF-8.
    pub fn from_environment() -> Result<Self, MissingVariable> {
        Self::from_lookup(|name| env::var(name).ok())
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, MissingVariable> {
        let required = |name: &'static str| {
            lookup(name)
                .filter(|value| !value.is_empty())
                .ok_or(MissingVariable(name))
        };
        Ok(Self {
            table: required("DYNAMODB_TABLE")?,
            topic_arn: required("SNS_TOPIC_ARN")?,
            environment: required("ENVIRONMENT")?,
        })
    }

    /// The name of the SSM parameter that holds the fraud threshold.
    pub fn threshold_parameter(&self) -> String {
        format!("/fraud-detection/{}/fraud_threshold", self.environment)
    }
}

/// The environment lacks a variable that the function cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {0} is not set")]
pub struct MissingVariable(&'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_variables_are_required() {
        let complete = Settings::from_lookup(|name| Some(format!("the {name}"))).expect("complete");
        assert_eq!(complete.table, "the DYNAMODB_TABLE");
        assert_eq!(complete.topic_arn, "the SNS_TOPIC_ARN");
        assert_eq!(complete.environment, "the ENVIRONMENT");

        for missing in ["DYNAMODB_TABLE", "SNS_TOPIC_ARN", "ENVIRONMENT"] {
            for value in [None, Some(String::new())] {
                let outcome = Settings::from_lookup(|name| {
                    if name == missing {
                        value.clone()
                    } else {
                        Some("set".to_owned())
                    }
                });
                assert_eq!(outcome, Err(MissingVariable(missing)));
            }
        }
    }

    #[test]
    fn the_threshold_parameter_belongs_to_the_environment() {
        let settings = Settings::from_lookup(|_| Some("dev".to_owned())).expect("complete");
        assert_eq!(settings.threshold_parameter(), "/fraud-detection/dev/fraud_threshold");
    }
}
