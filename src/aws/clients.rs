//! The clients of every service, made once, and what is known of the caller.

use super::counts::Counts;
use super::limits::Pacer;
use super::partition::dns_suffix;
use super::remarks::Remarks;
use crate::net::Client;
use crate::resource::Failure;
use crate::state::{Lease, for_shell};
use aws_config::SdkConfig;
use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::OnceCell;

/// The AWS that we work on: an account in a region, its clients, and the manners of calling them.
pub struct Aws {
    /// The region.
    pub region: String,
    /// The caller's account, 12 digits.
    pub account: String,
    /// The caller's ARN.
    pub caller: String,
    pub(super) partition: String,
    /// The profile that gives the credentials, where one was named.
    pub profile: Option<String>,
    /// The endpoint of all services, where it is not AWS's own.
    pub endpoint: Option<String>,
    pub(super) s3_endpoint: Option<String>,
    /// What somebody might not expect of where we are.
    pub notes: Vec<String>,
    /// Calls made so far.
    pub counts: Counts,
    pub(super) pacer: Pacer,
    pub(super) paced: bool,
    pub(super) pasted: Pasted,
    pub(super) remarks: Remarks,
    memo: Memo,
    locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// The right to change anything, where others could have it too.
    pub(super) lease: OnceLock<Lease>,

    /// The connections of all clients, and of requests of our own.
    pub http: Client,
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
    /// Clients with this configuration. Nothing is known of the caller yet.
    pub(super) fn unknown(config: &SdkConfig, http: Client, s3: Option<String>, paced: bool) -> Self {
        Self {
            region: config.region().map(ToString::to_string).unwrap_or_default(),
            account: String::new(),
            caller: String::new(),
            partition: String::new(),
            profile: None,
            endpoint: config.endpoint_url().map(str::to_owned),
            notes: Vec::new(),
            counts: Counts::default(),
            pacer: Pacer::new(),
            paced,
            pasted: Pasted::default(),
            remarks: Remarks::default(),
            memo: Memo::default(),
            locks: Mutex::default(),
            lease: OnceLock::new(),
            s3_endpoint: s3.clone(),
            http,
            apigateway: aws_sdk_apigateway::Client::new(config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(config),
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            events: aws_sdk_eventbridge::Client::new(config),
            iam: aws_sdk_iam::Client::new(config),
            kms: aws_sdk_kms::Client::new(config),
            lambda: aws_sdk_lambda::Client::new(config),
            logs: aws_sdk_cloudwatchlogs::Client::new(config),
            s3: self::s3(config, s3),
            sns: aws_sdk_sns::Client::new(config),
            sqs: aws_sdk_sqs::Client::new(config),
            ssm: aws_sdk_ssm::Client::new(config),
        }
    }

    /// From now on remarks go there: that something takes long, or that something cannot be read. Only once.
    pub fn tell(&self, listener: impl Fn(&str) + Send + Sync + 'static) {
        self.remarks.tell(listener);
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

    /// The partition that the caller is in: `aws` nearly everywhere, `aws-cn`, `aws-us-gov` and so on.
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// A command of the AWS command line for people to paste: it reaches the account, region and endpoint that we use. `words`
    /// is what comes after `aws`.
    pub fn command(&self, words: &str) -> String {
        self.pasted.command(words, &self.region, self.endpoint.as_deref())
    }

    /// As [`Aws::command`], for S3 in this region.
    pub fn s3_command(&self, words: &str, region: &str) -> String {
        self.pasted.command(words, region, self.s3_endpoint.as_deref())
    }

    /// Is S3 that of the account that we work on? Else it is a store of another kind, which knows no accounts.
    pub fn has_own_s3(&self) -> bool {
        let suffix = dns_suffix(&self.partition);
        match (&self.endpoint, &self.s3_endpoint) {
            (None, Some(url)) => host(url).ends_with(suffix),
            (all, s3) => all == s3,
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
fn s3(config: &SdkConfig, endpoint: Option<String>) -> aws_sdk_s3::Client {
    let mut config = aws_sdk_s3::config::Builder::from(config).force_path_style(endpoint.is_some());
    config.set_endpoint_url(endpoint);
    aws_sdk_s3::Client::from_conf(config.build())
}

/// The name of the host in a URL.
fn host(url: &str) -> &str {
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    after.split([':', '/', '?', '#']).next().unwrap_or_default()
}

/// What makes a command of the AWS command line use our credentials.
#[derive(Debug, Default)]
pub(super) struct Pasted {
    /// The profile, where the command line or the settings name it; a variable holds for the command as well.
    pub(super) profile: Option<String>,
    /// The access key of the local AWS, which no shell has.
    pub(super) key: Option<String>,
}

impl Pasted {
    pub(super) fn command(&self, words: &str, region: &str, endpoint: Option<&str>) -> String {
        let mut text = String::new();
        if let Some(key) = &self.key {
            text = format!(
                "env -u AWS_PROFILE -u AWS_SESSION_TOKEN AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY=local ",
                for_shell(key)
            );
        }
        text.push_str(&format!("aws {words} --region {region}"));
        for (flag, value) in [("--endpoint-url", endpoint), ("--profile", self.profile.as_deref())] {
            if let Some(value) = value {
                text.push_str(&format!(" {flag} {}", for_shell(value)));
            }
        }
        text
    }
}

#[derive(Default)]
struct Memo {
    over: AtomicBool,
    cells: Mutex<HashMap<String, Arc<OnceCell<Shared>>>>,
}

/// What was read once, of whatever type.
type Shared = Arc<dyn Any + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_endpoint_is_told_from_the_rest() {
        for url in [
            "https://b.s3.eu-west-1.amazonaws.com/x:1",
            "b.s3.eu-west-1.amazonaws.com:443",
            "x://b.amazonaws.com?y",
        ] {
            assert!(host(url).ends_with(".amazonaws.com"), "{url}");
        }
        assert_eq!(host("https://store.example/amazonaws.com"), "store.example");
    }

    #[test]
    fn a_pasted_command_goes_where_we_went() {
        let mut pasted = Pasted::default();
        let said = pasted.command("s3 ls", "eu-west-1", None);
        assert_eq!(said, "aws s3 ls --region eu-west-1");
        pasted.profile = Some("my prod".to_owned());
        let said = pasted.command("s3 ls", "eu-west-1", Some("http://h:1"));
        assert_eq!(
            said,
            "aws s3 ls --region eu-west-1 --endpoint-url http://h:1 --profile 'my prod'"
        );
        let pasted = Pasted {
            key: Some("000000000000".to_owned()),
            ..Pasted::default()
        };
        let said = pasted.command("s3 ls", "us-east-1", Some("http://h:1"));
        let key =
            "AWS_ACCESS_KEY_ID=000000000000 AWS_SECRET_ACCESS_KEY=local aws s3 ls --region us-east-1 --endpoint-url";
        assert!(said.starts_with("env -u AWS_PROFILE ") && said.contains(key), "{said}");
    }
}
