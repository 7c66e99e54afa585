//! The clients of every service, made once, and what is known of the caller.

use super::call::{Counts, chain};
use super::limits::Pacer;
use crate::resource::Failure;
use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::OnceCell;

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
    #[error("no AWS credentials: {0}; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use --local")]
    Credentials(String),
    /// The first call failed.
    #[error("cannot reach AWS{at}: {why}")]
    Unreachable {
        /// The endpoint, where one is set.
        at: String,
        /// What happened.
        why: Failure,
    },
    /// AWS did not say who we are.
    #[error("sts:GetCallerIdentity answered without an account")]
    NoAccount,
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
    memo: Memo,
    locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,

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
        credentials(&config).await?;
        let counts = Counts::default();
        let mut aws = Self {
            region: config.region().map_or("us-east-1", |r| r.as_ref()).to_owned(),
            account: String::new(),
            endpoint: config.endpoint_url().map(str::to_owned),
            counts,
            pacer: Pacer::new(),
            paced: !connection.unpaced,
            memo: Memo::default(),
            locks: Mutex::default(),
            apigateway: aws_sdk_apigateway::Client::new(&config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            events: aws_sdk_eventbridge::Client::new(&config),
            iam: aws_sdk_iam::Client::new(&config),
            kms: aws_sdk_kms::Client::new(&config),
            lambda: aws_sdk_lambda::Client::new(&config),
            logs: aws_sdk_cloudwatchlogs::Client::new(&config),
            sns: aws_sdk_sns::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            ssm: aws_sdk_ssm::Client::new(&config),
        };
        let sts = aws_sdk_sts::Client::new(&config);
        let caller = aws
            .call("sts:GetCallerIdentity", || sts.get_caller_identity().send())
            .await
            .map_err(|why| ConnectError::Unreachable {
                at: aws.endpoint.as_ref().map(|e| format!(" at {e}")).unwrap_or_default(),
                why,
            })?;
        aws.account = caller.account.ok_or(ConnectError::NoAccount)?;
        Ok(Arc::new(aws))
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
        if self.memo.over.load(SeqCst) {
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

    /// Only one change at a time for this key: a REST API, or a function's policy, loses or refuses parallel changes.
    pub async fn alone(&self, key: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            locks.entry(key.to_owned()).or_default().clone()
        };
        lock.lock_owned().await
    }
}

#[derive(Default)]
struct Memo {
    over: AtomicBool,
    cells: Mutex<HashMap<String, Arc<OnceCell<Shared>>>>,
}

/// What was read once, of whatever type.
type Shared = Arc<dyn Any + Send + Sync>;

async fn load(connection: &Connection) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        // Retries are ours: the SDK's would repeat a create whose reply was lost.
        .retry_config(RetryConfig::disabled())
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
        let chain = aws_config::meta::region::RegionProviderChain::default_provider();
        loader = loader.region(chain.or_else("us-east-1"));
    }
    if let Some(local) = &connection.local {
        let keys = aws_sdk_sts::config::Credentials::new(&local.account, "local", None, None, "fraudctl --local");
        loader = loader.endpoint_url(&local.endpoint).credentials_provider(keys);
    }
    loader.load().await
}

async fn credentials(config: &SdkConfig) -> Result<(), ConnectError> {
    use aws_credential_types::provider::ProvideCredentials;
    let Some(provider) = config.credentials_provider() else {
        return Err(ConnectError::Credentials("the chain is empty".to_owned()));
    };
    match provider.provide_credentials().await {
        Ok(_) => Ok(()),
        Err(why) => Err(ConnectError::Credentials(chain(&why))),
    }
}
