//! The credentials of a run: those of a profile that is named on purpose, and what is told where there are none.

use crate::net::Client;
use crate::resource::chain;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::ProviderChainError;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use std::error::Error as _;
use std::time::Duration;

/// How long credentials may take: a process of the user's may ask somebody for a code.
pub(super) const CREDENTIALS_WITHIN: Duration = Duration::from_secs(60);

/// What the providers of credentials and of the region connect with.
pub(super) fn provider_config(region: Option<Region>, http: &Client) -> ProviderConfig {
    ProviderConfig::default()
        .with_http_client(http.clone())
        .with_region(region)
        .with_timeout_config(timeouts())
}

pub(super) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(60))
        .build()
}

/// The credentials of a profile that is named on purpose. As in the AWS command line, keys in the environment do not count
/// then, and a profile that says nothing of credentials has those of the container or the machine.
pub(super) fn of_profile(name: &str, region: Region, http: &Client) -> CredentialsProviderChain {
    let config = provider_config(Some(region), http);
    let profile = ProfileFileCredentialsProvider::builder()
        .profile_name(name)
        .configure(&config)
        .build();
    let container = EcsCredentialsProvider::builder().configure(&config).build();
    let machine = ImdsCredentialsProvider::builder().configure(&config).build();
    CredentialsProviderChain::first_try("Profile", profile)
        .or_else("EcsContainer", container)
        .or_else("Ec2InstanceMetadata", machine)
}

/// The codes with which AWS refuses credentials in a region that the account has not enabled.
const OF_A_CLOSED_REGION: [&str; 4] = [
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "AuthFailure",
    "RegionDisabledException",
];

/// What else refused credentials may mean.
pub(super) fn closed_region(region: &str) -> String {
    format!(
        "the region {region} may not be enabled in this account: `aws account get-region-opt-status --region-name {region} \
         --region us-east-1` tells, and `enable-region` enables it; or the keys are of another partition"
    )
}

/// Is it a code with which AWS also answers in a region that is not enabled?
pub(super) fn is_of_a_closed_region(code: &str) -> bool {
    OF_A_CLOSED_REGION.contains(&code)
}

/// Makes sure that there are credentials. Else says what was looked for.
pub(super) async fn had(config: &SdkConfig, region: &str) -> Result<(), String> {
    let Some(provider) = config.credentials_provider() else {
        return Err("the chain is empty".to_owned());
    };
    match tokio::time::timeout(CREDENTIALS_WITHIN, provider.provide_credentials()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(why)) => {
            let mut told = on_one_line(&looked_for(&why));
            if OF_A_CLOSED_REGION.iter().any(|code| told.contains(code)) {
                told.push_str(&format!(". Note: {}", closed_region(region)));
            }
            Err(told)
        }
        Err(_) => Err(format!("no answer within {} s", CREDENTIALS_WITHIN.as_secs())),
    }
}

/// The providers of credentials that were asked, none of which has any.
type Asked = ProviderChainError<CredentialsError>;

/// What each provider said that the chain asked, or the one that failed.
fn looked_for(error: &CredentialsError) -> String {
    let asked = error.source().and_then(|source| source.downcast_ref::<Asked>());
    let Some(asked) = asked else {
        return chain(error);
    };
    let attempts = asked.attempts().iter().map(|attempt| {
        // What is around the cause says of each that it was not enabled.
        let why = match attempt.error().source() {
            Some(cause) => chain(cause),
            None => "not set up".to_owned(),
        };
        format!("{}: {why}", attempt.name())
    });
    attempts.collect::<Vec<_>>().join("; ")
}

/// The longest reason that is told: all that the usual chain says, and no dump.
const LONGEST_REASON: usize = 800;

fn on_one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST_REASON {
        line
    } else {
        format!("{}...", line.chars().take(LONGEST_REASON).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_credential_types::credential_fn::provide_credentials_fn;

    /// As [`CredentialsProviderChain`] tells it, which has no provider here that could find any.
    async fn asked(why: &'static str) -> CredentialsError {
        let none =
            |why: &'static str| provide_credentials_fn(move || async move { Err(CredentialsError::not_loaded(why)) });
        let nothing = provide_credentials_fn(|| async { Err(CredentialsError::not_loaded_no_source()) });
        let providers = CredentialsProviderChain::first_try("Environment", none("not\nset"))
            .or_else("Profile", nothing)
            .or_else("Ec2InstanceMetadata", none(why));
        providers.provide_credentials().await.unwrap_err()
    }

    #[tokio::test]
    async fn of_each_provider_of_credentials_its_own_reason_is_told() {
        let said = on_one_line(&looked_for(&asked("IMDS is disabled").await));
        assert_eq!(
            said,
            "Environment: not set; Profile: not set up; Ec2InstanceMetadata: IMDS is disabled"
        );
        let failed = CredentialsError::provider_error("it exited with 1");
        let said = looked_for(&failed);
        assert!(said.ends_with(": it exited with 1"), "{said}");
        let long = on_one_line(&looked_for(&CredentialsError::provider_error("x".repeat(900))));
        assert_eq!((long.chars().count(), long.ends_with("x...")), (803, true));
    }
}
