//! The names by which what stands is found, where no output tells them. The stack gives the same names.

/// The parameter that holds the rules.
pub fn rules_parameter(env: &str) -> String {
    format!("/fraud-detection/{env}/rules")
}

/// The parameter that holds the score above which somebody is told.
pub fn threshold_parameter(env: &str) -> String {
    format!("/fraud-detection/{env}/fraud_threshold")
}

/// The alias of the key that encrypts everything of an environment.
pub fn key_alias(env: &str) -> String {
    format!("alias/fraud-detection-{env}")
}
