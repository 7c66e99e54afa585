//! What both functions are told through their environments. Where a variable's value comes from is the caller's affair.

/// Where to find transactions, and whom to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The table's name, from `DYNAMODB_TABLE`.
    pub table: String,
    /// The alert topic's ARN, from `SNS_TOPIC_ARN`.
    pub topic_arn: String,
    /// The table of what was done already, from `IDEMPOTENCY_TABLE`.
    pub idempotency: String,
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
            table: required(&lookup, "DYNAMODB_TABLE")?,
            topic_arn: required(&lookup, "SNS_TOPIC_ARN")?,
            idempotency: required(&lookup, "IDEMPOTENCY_TABLE")?,
            environment: required(&lookup, "ENVIRONMENT")?,
        })
    }
}

/// The value of a variable that a function cannot do without.
///
/// # Errors
///
/// The variable is not set or is empty.
pub fn required(lookup: impl Fn(&str) -> Option<String>, name: &'static str) -> Result<String, MissingVariable> {
    lookup(name)
        .filter(|value| !value.is_empty())
        .ok_or(MissingVariable(name))
}

/// The environment lacks a variable that the function cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {0} is not set")]
pub struct MissingVariable(pub &'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_is_required() {
        let complete = Settings::from_lookup(|name| Some(format!("the {name}"))).expect("complete");
        assert_eq!(complete.table, "the DYNAMODB_TABLE");
        assert_eq!(complete.topic_arn, "the SNS_TOPIC_ARN");
        assert_eq!(complete.idempotency, "the IDEMPOTENCY_TABLE");
        assert_eq!(complete.environment, "the ENVIRONMENT");

        for missing in ["DYNAMODB_TABLE", "SNS_TOPIC_ARN", "IDEMPOTENCY_TABLE", "ENVIRONMENT"] {
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
}
