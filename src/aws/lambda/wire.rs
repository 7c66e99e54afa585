//! A function's properties, configuration and code, between AWS's words and ours.

use super::outcome::{creation_failure, update_failure};
use crate::aws::Others;
use crate::resource::{Failure, Tags};
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    Architecture, DeadLetterConfig, Environment, FunctionConfiguration, TracingConfig, TracingMode,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// A function's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// Up to 64 characters.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The ARN of the role that it runs as.
    pub role: String,
    /// `provided.al2023` for a binary of our own.
    pub runtime: String,
    /// What is called; any text for a binary of our own.
    pub handler: String,
    /// `arm64` or `x86_64`.
    pub architecture: String,
    /// Memory in MB, with which its share of a CPU grows.
    pub memory_mb: u32,
    /// Seconds after which an invocation is stopped.
    pub timeout_seconds: u32,
    /// How many invocations run at once, at least and at most; `None` takes from the account's common stock.
    pub reserved_concurrency: Option<u32>,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// The ARN of the queue or topic for events that nobody could handle.
    pub dead_letter_arn: Option<String>,
    /// `Active` or `PassThrough`.
    pub tracing: String,
    /// The ARN of the KMS key that encrypts the environment.
    pub kms_key: Option<String>,
    /// SHA-256 of the zip file, in base64, as AWS tells it.
    pub code_sha256: String,
    /// The path of the zip file, read when it is sent.
    #[serde(default)]
    pub code_zip: String,
    /// The names of the statements that its policy may have. Each is a resource of its own; here those that nobody asked for
    /// show.
    #[serde(default)]
    pub statements: BTreeSet<String>,
    /// What somebody else set.
    #[serde(default)]
    pub others: Others,
    /// Tags.
    pub tags: Tags,
    /// Why AWS could not make it, where it could not. Never wished for; it is made again then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_failure: Option<String>,
    /// Why AWS could not finish its last update, where it could not: what it tells of itself is not what runs. Never wished
    /// for; all of it is sent again then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_failure: Option<String>,
}

/// What a function's configuration tells. Concurrency, tags and the zip file's path stand elsewhere.
pub(super) fn configured(config: FunctionConfiguration) -> Spec {
    let (creation_failure, update_failure) = (creation_failure(&config), update_failure(&config));
    let architectures = config.architectures.unwrap_or_default();
    Spec {
        name: config.function_name.unwrap_or_default(),
        description: config.description.unwrap_or_default(),
        role: config.role.unwrap_or_default(),
        runtime: config
            .runtime
            .map(|runtime| runtime.as_str().to_owned())
            .unwrap_or_default(),
        handler: config.handler.unwrap_or_default(),
        architecture: architectures
            .first()
            .unwrap_or(&Architecture::X8664)
            .as_str()
            .to_owned(),
        memory_mb: unsigned(config.memory_size),
        timeout_seconds: unsigned(config.timeout),
        reserved_concurrency: None,
        environment: config
            .environment
            .and_then(|environment| environment.variables)
            .unwrap_or_default()
            .into_iter()
            .collect(),
        dead_letter_arn: config
            .dead_letter_config
            .and_then(|config| config.target_arn)
            .filter(|arn| !arn.is_empty()),
        tracing: config
            .tracing_config
            .and_then(|config| config.mode)
            .unwrap_or(TracingMode::PassThrough)
            .as_str()
            .to_owned(),
        kms_key: config.kms_key_arn.filter(|arn| !arn.is_empty()),
        code_sha256: config.code_sha256.unwrap_or_default(),
        code_zip: String::new(),
        statements: BTreeSet::new(),
        others: Others::default(),
        tags: Tags::new(),
        creation_failure,
        update_failure,
    }
}

/// Why the environment is not told: it is only to who may use the key that encrypts it.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html>
pub(super) fn unread(config: &FunctionConfiguration) -> Option<String> {
    let why = config.environment()?.error()?;
    let said = |text: Option<&str>| text.unwrap_or("no reason").to_owned();
    Some(format!("{}: {}", said(why.error_code()), said(why.message())))
}

pub(super) fn environment(spec: &Spec) -> Environment {
    Environment::builder()
        .set_variables(Some(spec.environment.clone().into_iter().collect()))
        .build()
}

pub(super) fn dead_letter(arn: &str) -> DeadLetterConfig {
    DeadLetterConfig::builder().target_arn(arn).build()
}

pub(super) fn tracing(spec: &Spec) -> TracingConfig {
    TracingConfig::builder()
        .mode(TracingMode::from(spec.tracing.as_str()))
        .build()
}

/// The zip file, if it is still the one that the spec is about.
pub(super) async fn zip(spec: &Spec) -> Result<Blob, Failure> {
    let path = &spec.code_zip;
    let bytes = tokio::fs::read(path)
        .await
        .map_err(|why| Failure::new("lambda.function", "ZipUnreadable", format!("cannot read {path}: {why}")))?;
    let found = sha256(&bytes);
    if found != spec.code_sha256 {
        let message = format!("{path} has SHA-256 {found}, not {} as planned", spec.code_sha256);
        return Err(Failure::new("lambda.function", "ZipChanged", message).hint("plan again"));
    }
    Ok(Blob::new(bytes))
}

fn sha256(bytes: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(bytes))
}

pub(super) fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn unsigned(number: Option<i32>) -> u32 {
    number.and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_lambda::types::State;

    #[test]
    fn a_function_that_is_as_wished_is_written_without_its_failures() {
        let spec = configured(FunctionConfiguration::builder().state(State::Active).build());
        let written = serde_json::to_string(&spec).unwrap();
        assert!(!written.contains("failure"), "{written}");
    }

    #[test]
    fn an_environment_that_is_not_told_is_not_an_empty_one() {
        use aws_sdk_lambda::types::{EnvironmentError, EnvironmentResponse};
        let config = |environment| FunctionConfiguration::builder().environment(environment).build();
        let error = EnvironmentError::builder()
            .error_code("AccessDeniedException")
            .message("no");
        let hidden = EnvironmentResponse::builder().error(error.build()).build();
        assert_eq!(unread(&config(hidden)).as_deref(), Some("AccessDeniedException: no"));
        assert_eq!(unread(&config(EnvironmentResponse::builder().build())), None);
        assert_eq!(unread(&FunctionConfiguration::builder().build()), None);
    }

    #[test]
    fn what_aws_leaves_empty_is_absent() {
        let config = FunctionConfiguration::builder()
            .function_name("f")
            .memory_size(512)
            .kms_key_arn("")
            .dead_letter_config(dead_letter(""))
            .build();
        let spec = configured(config);
        assert_eq!((spec.memory_mb, spec.kms_key, spec.dead_letter_arn), (512, None, None));
        assert_eq!(
            (spec.architecture.as_str(), spec.tracing.as_str()),
            ("x86_64", "PassThrough")
        );
    }

    #[test]
    fn the_hash_is_the_one_that_aws_tells() {
        assert_eq!(sha256(b""), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
