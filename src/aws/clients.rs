//! The clients of every service, made once, and what is known of the caller.

use super::counts::Counts;
use super::judge::{innermost, is_about_the_clock, judge};
use super::limits::Pacer;
use super::remarks::Remarks;
use super::retry::Verdict;
use crate::resource::{Failure, chain};
use crate::state::Lease;
use aws_config::default_provider::region::DefaultRegionChain;
use aws_config::meta::ProviderChainError;
use aws_config::meta::region::RegionProviderChain;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use std::any::Any;
use std::collections::HashMap;
use std::error::Error as _;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::OnceCell;

/// The first call: who are we?
const FIRST_CALL: &str = "sts:GetCallerIdentity";
/// How often the first call is made when the service has a fault, and how long to wait in between.
const FIRST_CALLS: u32 = 3;
const BETWEEN_FIRST_CALLS: Duration = Duration::from_millis(300);
/// How long the first call may take. It usually takes well under a second, even from the other side of the world.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);

/// Where to connect to. What is `None` comes from the SDK's own chain: environment, profile, instance.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// The region; else the chain's, else `us-east-1`.
    pub region: Option<String>,
    /// The profile in the AWS configuration files.
    pub profile: Option<String>,
    /// An endpoint for all services, and fixed credentials for it: the local AWS.
    pub local: Option<Local>,
    /// Do not keep to AWS's rate limits.
    pub unpaced: bool,
}

/// A local AWS: everything but its address is fixed.
#[derive(Clone, Debug)]
pub struct Local {
    /// Such as `http://127.0.0.1:4566`.
    pub endpoint: String,
    /// The account, which a local AWS takes from the access key.
    pub account: String,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The SDK's chain found no credentials.
    #[error(
        "no AWS credentials{of}: set AWS_PROFILE to a profile of ~/.aws/config, or AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY, or in continuous integration AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE{instead}. What was \
         looked for: {why}"
    )]
    Credentials {
        /// The profile, where one is named: ` of the profile "x"`.
        of: String,
        /// What else can be done, as of [`ConnectError::or`].
        instead: &'static str,
        /// What the chain said.
        why: String,
    },
    /// No region has such a name.
    #[error("{0:?} is not the name of an AWS region; it looks like us-east-1")]
    Region(String),
    /// The endpoint names a user, perhaps with a password.
    #[error(
        "the endpoint (AWS_ENDPOINT_URL) has a user name or a password in it, which would be printed and remembered; \
         leave it out"
    )]
    Userinfo,
    /// The first call had no answer that AWS would give.
    #[error("cannot reach AWS{at}: {why}; check the endpoint (AWS_ENDPOINT_URL) and the network")]
    Unreachable {
        /// The endpoint, where one is set: ` at http://...`.
        at: String,
        /// What happened.
        why: String,
    },
    /// AWS does not take the credentials.
    #[error(
        "AWS refused the credentials{at}: {code}: {message}; check AWS_PROFILE, or AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY"
    )]
    Refused {
        /// The endpoint, where one is set: ` at http://...`.
        at: String,
        /// AWS's error code.
        code: String,
        /// AWS's own message.
        message: String,
    },
    /// AWS does not take a request of this time.
    #[error("AWS refused a request because of its time{at}: {code}: {message}; set this machine's clock right")]
    Clock {
        /// The endpoint, where one is set: ` at http://...`.
        at: String,
        /// AWS's error code.
        code: String,
        /// AWS's own message.
        message: String,
    },
    /// AWS did not say who we are.
    #[error("sts:GetCallerIdentity answered without an account")]
    NoAccount,
}

impl ConnectError {
    /// The same, saying what can be done without credentials, as in `, or use --local`.
    #[must_use]
    pub fn or(mut self, other: &'static str) -> Self {
        if let Self::Credentials { instead, .. } = &mut self {
            *instead = other;
        }
        self
    }
}

/// The AWS that we work on: an account in a region, its clients, and the manners of calling them.
pub struct Aws {
    /// The region.
    pub region: String,
    /// The caller's account, 12 digits.
    pub account: String,
    /// The endpoint of all services, where it is not AWS's own.
    pub endpoint: Option<String>,
    /// Calls made so far.
    pub counts: Counts,
    pub(super) pacer: Pacer,
    pub(super) paced: bool,
    pub(super) remarks: Remarks,
    memo: Memo,
    locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// The right to change anything, where others could have it too.
    pub(super) lease: OnceLock<Lease>,

    /// Amazon API Gateway (REST APIs).
    pub apigateway: aws_sdk_apigateway::Client,
    /// Amazon CloudWatch.
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    /// Amazon DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// Amazon EventBridge.
    pub events: aws_sdk_eventbridge::Client,
    /// AWS IAM.
    pub iam: aws_sdk_iam::Client,
    /// AWS KMS.
    pub kms: aws_sdk_kms::Client,
    /// AWS Lambda.
    pub lambda: aws_sdk_lambda::Client,
    /// Amazon CloudWatch Logs.
    pub logs: aws_sdk_cloudwatchlogs::Client,
    /// Amazon S3.
    pub s3: aws_sdk_s3::Client,
    /// Amazon SNS.
    pub sns: aws_sdk_sns::Client,
    /// Amazon SQS.
    pub sqs: aws_sdk_sqs::Client,
    /// AWS Systems Manager.
    pub ssm: aws_sdk_ssm::Client,
}

impl Aws {
    /// Connects, and asks AWS who we are. Changes nothing.
    ///
    /// # Errors
    /// No credentials; the endpoint does not answer; the credentials are refused.
    pub async fn connect(connection: &Connection) -> Result<Arc<Self>, ConnectError> {
        let config = load(connection).await;
        let region = config.region().map_or("us-east-1", |region| region.as_ref());
        if region.is_empty()
            || !region
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        {
            return Err(ConnectError::Region(region.to_owned()));
        }
        if config.endpoint_url().is_some_and(has_userinfo) {
            return Err(ConnectError::Userinfo);
        }
        credentials(&config, connection.profile.as_deref()).await?;
        let counts = Counts::default();
        let mut aws = Self {
            region: config.region().map_or("us-east-1", |r| r.as_ref()).to_owned(),
            account: String::new(),
            endpoint: config.endpoint_url().map(str::to_owned),
            counts,
            pacer: Pacer::new(),
            paced: !connection.unpaced,
            remarks: Remarks::default(),
            memo: Memo::default(),
            locks: Mutex::default(),
            lease: OnceLock::new(),
            apigateway: aws_sdk_apigateway::Client::new(&config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            events: aws_sdk_eventbridge::Client::new(&config),
            iam: aws_sdk_iam::Client::new(&config),
            kms: aws_sdk_kms::Client::new(&config),
            lambda: aws_sdk_lambda::Client::new(&config),
            logs: aws_sdk_cloudwatchlogs::Client::new(&config),
            s3: s3(&config),
            sns: aws_sdk_sns::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            ssm: aws_sdk_ssm::Client::new(&config),
        };
        aws.account = aws.caller(&aws_sdk_sts::Client::new(&config)).await?;
        Ok(Arc::new(aws))
    }

    /// The account of whoever calls. Asked a few times and not for long: nothing has begun yet, and an endpoint that does
    /// not answer now is more often a wrong one than a slow one.
    async fn caller(&self, sts: &aws_sdk_sts::Client) -> Result<String, ConnectError> {
        let at = self.endpoint.as_ref().map(|e| format!(" at {e}")).unwrap_or_default();
        let ask = async {
            let mut left = FIRST_CALLS;
            loop {
                left -= 1;
                self.counts.note(FIRST_CALL);
                let answer = sts.get_caller_identity().send().await;
                let ill = answer.as_ref().is_err_and(|why| {
                    let (verdict, _) = judge(FIRST_CALL, why);
                    matches!(verdict, Verdict::Fault | Verdict::Throttled)
                });
                if !ill || left == 0 {
                    return answer;
                }
                tokio::time::sleep(BETWEEN_FIRST_CALLS).await;
            }
        };
        match tokio::time::timeout(ANSWER_WITHIN, ask).await {
            Ok(Ok(caller)) => caller.account.ok_or(ConnectError::NoAccount),
            Ok(Err(error)) => Err(no_caller(at, &error)),
            Err(_) => Err(ConnectError::Unreachable {
                at,
                why: format!("no answer within {} s", ANSWER_WITHIN.as_secs()),
            }),
        }
    }

    /// Is it taken for the real AWS, with its rates and delays?
    pub fn is_paced(&self) -> bool {
        self.paced
    }

    /// The ARN of something in this account and region.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!(
            "arn:{}:{service}:{}:{}:{resource}",
            self.partition(),
            self.region,
            self.account
        )
    }

    /// The partition that the region is in: `aws`, `aws-cn` or `aws-us-gov`.
    pub fn partition(&self) -> &'static str {
        match self.region.get(..3) {
            Some("cn-") => "aws-cn",
            Some("us-") if self.region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        }
    }

    /// Reads something once for all who ask while the whole is being observed; once changes begin, each asks anew.
    /// `key` names what is read.
    pub async fn shared<T, F>(&self, key: impl Into<String>, read: impl FnOnce() -> F) -> Result<Arc<T>, Failure>
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, Failure>>,
    {
        if self.is_changing() {
            return read().await.map(Arc::new);
        }
        let cell = {
            let mut cells = self.memo.cells.lock().unwrap_or_else(PoisonError::into_inner);
            cells.entry(key.into()).or_default().clone()
        };
        let value = cell
            .get_or_try_init(|| async { read().await.map(|v| Arc::new(v) as Shared) })
            .await?
            .clone();
        value
            .downcast::<T>()
            .map_err(|_| Failure::new("fraudctl:shared", "TypeMismatch", "one key was used for two types"))
    }

    /// From now on [`Aws::shared`] reads anew each time.
    pub fn begin_changes(&self) {
        self.memo.over.store(true, SeqCst);
    }

    /// Have changes begun? Then a list of everything is of no use to others, and one thing is better read by itself.
    pub fn is_changing(&self) -> bool {
        self.memo.over.load(SeqCst)
    }

    /// From now on nothing that may change something leaves without this lease. Only once in a process.
    pub fn only_with(&self, lease: Lease) {
        // A second one would be for the same state.
        let _ = self.lease.set(lease);
    }

    /// Only one change at a time for this key: a REST API, or a function's policy, loses or refuses parallel changes.
    pub async fn alone(&self, key: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            locks.entry(key.to_owned()).or_default().clone()
        };
        lock.lock_owned().await
    }
}

/// S3, whose buckets are names of hosts on AWS. At another endpoint they are the beginning of the path.
fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    let elsewhere = config.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
    let config = aws_sdk_s3::config::Builder::from(config).force_path_style(elsewhere);
    aws_sdk_s3::Client::from_conf(config.build())
}

#[derive(Default)]
struct Memo {
    over: AtomicBool,
    cells: Mutex<HashMap<String, Arc<OnceCell<Shared>>>>,
}

/// The providers of credentials that were asked, none of which has any.
type Asked = ProviderChainError<CredentialsError>;

/// What was read once, of whatever type.
type Shared = Arc<dyn Any + Send + Sync>;

async fn load(connection: &Connection) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        // Retries are ours: the SDK's would repeat a create whose reply was lost.
        .retry_config(RetryConfig::disabled())
        // It goes by the clock of the day, step by step: one that is set years ahead keeps it busy for minutes. A call
        // that stalls is ended by the timeout below.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(5))
                .operation_attempt_timeout(Duration::from_secs(60))
                .build(),
        );
    if let Some(profile) = &connection.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &connection.region {
        loader = loader.region(Region::new(region.clone()));
    } else {
        loader = loader.region(region_chain(connection.profile.as_deref()));
    }
    if let Some(local) = &connection.local {
        let keys = aws_sdk_sts::config::Credentials::new(&local.account, "local", None, None, "fraudctl --local");
        loader = loader.endpoint_url(&local.endpoint).credentials_provider(keys);
    }
    loader.load().await
}

/// Where the region comes from when nobody names it: the environment, the profile, the instance, else `us-east-1`. The
/// SDK's own default chain knows nothing of a profile that is named on the command line.
fn region_chain(profile: Option<&str>) -> RegionProviderChain {
    let chain = DefaultRegionChain::builder();
    let chain = match profile {
        Some(profile) => chain.profile_name(profile),
        None => chain,
    };
    RegionProviderChain::first_try(chain.build()).or_else("us-east-1")
}

/// Does something stand before an `@` in what names the host? See RFC 3986, section 3.2.
fn has_userinfo(url: &str) -> bool {
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
    authority.contains('@')
}

/// What it means when AWS does not say who we are.
fn no_caller<E>(at: String, error: &SdkError<E, HttpResponse>) -> ConnectError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let (verdict, failure) = judge(FIRST_CALL, error);
    let why = match error {
        SdkError::ServiceError(context) if context.err().code().is_some() && matches!(verdict, Verdict::Final(_)) => {
            let (code, message) = (failure.code, failure.message);
            return if is_about_the_clock(&code, &message) {
                ConnectError::Clock { at, code, message }
            } else {
                ConnectError::Refused { at, code, message }
            };
        }
        SdkError::ServiceError(_) => format!("{}: {}", failure.code, failure.message),
        // What is around the innermost cause is a dump of the request at worst.
        other => innermost(other),
    };
    ConnectError::Unreachable { at, why }
}

async fn credentials(config: &SdkConfig, profile: Option<&str>) -> Result<(), ConnectError> {
    use aws_credential_types::provider::ProvideCredentials;
    let profile = profile.map(str::to_owned).or_else(|| std::env::var("AWS_PROFILE").ok());
    let none = |why: String| ConnectError::Credentials {
        of: profile
            .map(|name| format!(" of the profile {name:?}"))
            .unwrap_or_default(),
        instead: "",
        why,
    };
    let Some(provider) = config.credentials_provider() else {
        return Err(none("the chain is empty".to_owned()));
    };
    match provider.provide_credentials().await {
        Ok(_) => Ok(()),
        Err(why) => Err(none(on_one_line(&looked_for(&why)))),
    }
}

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
    use aws_config::meta::credentials::CredentialsProviderChain;
    use aws_credential_types::credential_fn::provide_credentials_fn;
    use aws_credential_types::provider::ProvideCredentials;
    use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityError;
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    #[derive(Debug, Error)]
    #[error("failed to apply the endpoint to Request {{ body: ... }}")]
    struct Outer(#[source] std::io::Error);

    fn answer(status: u16, error: ErrorMetadata) -> String {
        let raw = HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from("<html>no</html>"));
        let error = SdkError::service_error(GetCallerIdentityError::generic(error), raw);
        no_caller(" at http://h".to_owned(), &error).to_string()
    }

    #[test]
    fn refused_credentials_are_told_from_an_endpoint_that_is_none() {
        let unknown = ErrorMetadata::builder().code("InvalidClientTokenId").message("unknown");
        let refused = answer(403, unknown.build());
        let wanted = "AWS refused the credentials at http://h: InvalidClientTokenId: unknown; check AWS_PROFILE";
        assert!(refused.starts_with(wanted), "{refused}");

        let late = ErrorMetadata::builder()
            .code("RequestTimeTooSkewed")
            .message("too late");
        let said = answer(403, late.build());
        assert!(
            said.ends_with("RequestTimeTooSkewed: too late; set this machine's clock right"),
            "{said}"
        );

        let ill = ErrorMetadata::builder().code("ServiceUnavailable").message("later");
        for said in [answer(503, ill.build()), answer(404, ErrorMetadata::builder().build())] {
            assert!(said.starts_with("cannot reach AWS at http://h: "), "{said}");
            assert!(said.contains("check the endpoint"), "{said}");
        }
    }

    #[test]
    fn of_a_request_that_cannot_be_made_only_the_cause_is_told() {
        let cause = Outer(std::io::Error::other("endpoint must contain scheme"));
        let error: SdkError<GetCallerIdentityError, HttpResponse> = SdkError::construction_failure(cause);
        let said = no_caller(" at h:1".to_owned(), &error).to_string();
        assert!(
            said.starts_with("cannot reach AWS at h:1: endpoint must contain scheme; check the endpoint"),
            "{said}"
        );
    }

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

    #[test]
    fn without_credentials_only_what_can_be_done_is_advised() {
        let none = || ConnectError::Credentials {
            of: String::new(),
            instead: "",
            why: "Environment: not set".to_owned(),
        };
        let said = none().to_string();
        assert!(!said.contains("--local"), "{said}");
        let said = none().or(", or use --local").to_string();
        assert!(
            said.ends_with("AWS_WEB_IDENTITY_TOKEN_FILE, or use --local. What was looked for: Environment: not set"),
            "{said}"
        );
        let other = ConnectError::NoAccount.or(", or use --local").to_string();
        assert!(!other.contains("--local"), "{other}");
    }

    #[test]
    fn an_endpoint_with_a_password_is_known() {
        for url in ["http://u:p@h:1", "http://u@h", "u:p@h/x"] {
            assert!(has_userinfo(url), "{url}");
        }
        for url in ["http://h:1", "https://h/a@b", "https://h?a@b", "h:1"] {
            assert!(!has_userinfo(url), "{url}");
        }
    }

    #[tokio::test]
    async fn a_named_profile_is_asked_for_its_region() {
        let chain = |profile| format!("{:?}", region_chain(profile));
        assert!(chain(Some("mine")).contains("\"mine\""));
        assert!(!chain(None).contains("\"mine\""));
    }
}
