//! A bucket that keeps states, as `state` needs it.

use super::server_time::ServerTime;
use crate::aws::clients::Aws;
use crate::resource::{BoxFuture, Class, Failure};
use crate::state::{Object, Objects, Put, Safeguard, Standing};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Region;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, ServerSideEncryptionRule};
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Keys below a prefix in a bucket.
pub struct Bucket {
    aws: Arc<Aws>,
    /// Of the region in which the bucket is.
    client: Client,
    region: String,
    name: String,
    /// The account that has to own it, where buckets have accounts.
    owner: Option<String>,
    /// Empty, or ending in a slash.
    prefix: String,
}

/// Why a bucket cannot be used.
#[derive(Debug, Error)]
pub enum BucketError {
    /// There is none of this name.
    #[error("there is no bucket {name} for the state; name another one, or make it: `{create}`, then `{versioning}`")]
    Gone {
        /// Its name.
        name: String,
        /// The command that makes it.
        create: String,
        /// The command that makes it keep every version.
        versioning: String,
    },
    /// S3 did not say.
    #[error("{0}")]
    Failure(#[from] Failure),
}

/// Where a bucket is.
enum Whereabouts {
    In(Option<String>),
    Gone,
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bucket({})", self.url(""))
    }
}

impl Bucket {
    /// Finds the bucket, wherever it is. `prefix` has no slash at its ends, and may be empty. S3 is told with each call that
    /// the bucket belongs to `owner`, else to the caller's account: a name that was given up may be a stranger's bucket
    /// today. Only a store that is not AWS's own knows no accounts.
    ///
    /// # Errors
    /// There is none, or S3 cannot be asked.
    pub async fn open(aws: &Arc<Aws>, name: &str, prefix: &str, owner: Option<&str>) -> Result<Self, BucketError> {
        let owner = owner
            .or_else(|| aws.has_own_s3().then_some(&aws.account))
            .map(str::to_owned);
        let region = match whereabouts(aws, name, owner.as_deref()).await? {
            Whereabouts::In(region) => region.unwrap_or_else(|| aws.region.clone()),
            Whereabouts::Gone => {
                let place = match aws.region.as_str() {
                    "us-east-1" => String::new(),
                    region => format!(" --create-bucket-configuration LocationConstraint={region}"),
                };
                return Err(BucketError::Gone {
                    name: name.to_owned(),
                    create: aws.s3_command(&format!("s3api create-bucket --bucket {name}{place}"), &aws.region),
                    versioning: aws.s3_command(&turn_versioning_on(name), &aws.region),
                });
            }
        };
        let there = aws.s3.config().to_builder().region(Region::new(region.clone()));
        let prefix = if prefix.is_empty() {
            String::new()
        } else {
            format!("{prefix}/")
        };
        Ok(Self {
            aws: Arc::clone(aws),
            client: Client::from_conf(there.build()),
            region,
            name: name.to_owned(),
            owner,
            prefix,
        })
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// All of an object, or of one of its versions.
    async fn read(&self, operation: Get, name: &str, version: Option<&str>) -> Result<Object, Failure> {
        let send = || async {
            let time = ServerTime::default();
            let get = self
                .client
                .get_object()
                .bucket(&self.name)
                .set_expected_bucket_owner(self.owner.clone())
                .key(self.key(name));
            let get = get.set_version_id(version.map(str::to_owned));
            let found = get.customize().interceptor(time.clone()).send().await?;
            let written = found.last_modified;
            let etag = found.e_tag.unwrap_or_default();
            // The answer may break off in the middle, which is a fault like any other.
            let content = found.body.collect().await;
            let content = content.map_err(|why| SdkError::dispatch_failure(ConnectorError::io(why.into())))?;
            Ok((content.to_vec(), etag, written.zip(time.get())))
        };
        let read = match operation {
            Get::Current => self.aws.call("s3:GetObject", send).await,
            Get::Version => self.aws.call("s3:GetObjectVersion", send).await,
        };
        let (content, etag, times) = read?;
        let Some((written, answered)) = times else {
            let why = "the answer says neither when it was given nor when the object was written";
            return Err(Failure::new("s3:GetObject", "NoTime", why));
        };
        Ok(Object {
            content,
            etag,
            age: Duration::from_secs(u64::try_from(answered.secs() - written.secs()).unwrap_or_default()),
        })
    }

    async fn find(&self, name: &str) -> Result<Option<Object>, Failure> {
        match self.read(Get::Current, name, None).await {
            Ok(object) => Ok(Some(object)),
            Err(why) if why.is_not_found() => Ok(None),
            Err(why) if why.code == "AccessDenied" => Err(why.hint(format!(
                "allow s3:GetObject on {} for the principal that runs fraudctl, and s3:ListBucket on the bucket: without \
                 it S3 says the same of an object that does not exist{}",
                self.url(name),
                self.of_another()
            ))),
            Err(why) => Err(why),
        }
    }

    /// What a refusal may mean besides.
    fn of_another(&self) -> String {
        let owner = self.owner.as_ref();
        owner.map_or_else(String::new, |owner| {
            format!(
                "; and it says so where the bucket belongs to another account than {owner}: where it is meant to, name that \
                 account with the key `state_account` in fraudctl.toml"
            )
        })
    }

    async fn write(&self, name: &str, content: Vec<u8>, standing: Standing<'_>) -> Result<Put, Failure> {
        let send = || {
            let put = self
                .client
                .put_object()
                .bucket(&self.name)
                .set_expected_bucket_owner(self.owner.clone())
                .key(self.key(name));
            let put = put.content_type("application/json");
            let put = match standing {
                Standing::Nothing => put.if_none_match("*"),
                Standing::Tagged(etag) => put.if_match(etag),
            };
            put.body(ByteStream::from(content.clone())).send()
        };
        match self.aws.call("s3:PutObject", send).await {
            Ok(put) => Ok(Put::Done(put.e_tag.unwrap_or_default())),
            Err(why) if is_refusal(&why) => Ok(Put::Refused),
            Err(why) => Err(why),
        }
    }

    async fn delete(&self, name: &str, etag: &str) -> Result<bool, Failure> {
        let send = || {
            let delete = self
                .client
                .delete_object()
                .bucket(&self.name)
                .set_expected_bucket_owner(self.owner.clone())
                .key(self.key(name));
            delete.if_match(etag).send()
        };
        match self.aws.call("s3:DeleteObject", send).await {
            Ok(_) => Ok(true),
            Err(why) if is_refusal(&why) => Ok(false),
            Err(why) => Err(why),
        }
    }

    async fn list(&self, name: &str) -> Result<Vec<String>, Failure> {
        let key = self.key(name);
        let (mut found, mut from) = (Vec::new(), None);
        loop {
            let page = self
                .aws
                .call("s3:ListBucketVersions", || {
                    let list = self
                        .client
                        .list_object_versions()
                        .bucket(&self.name)
                        .set_expected_bucket_owner(self.owner.clone())
                        .prefix(&key);
                    let (key, version) = from.clone().unzip();
                    list.set_key_marker(key).set_version_id_marker(version).send()
                })
                .await?;
            // The prefix of a key is the prefix of others too, which come after it.
            let mine = page.versions().iter().filter(|version| version.key() == Some(&key));
            found.extend(mine.filter_map(|version| version.version_id.clone()));
            let next = page.next_key_marker.zip(page.next_version_id_marker);
            if next.as_ref().is_none_or(|(next, _)| *next != key) {
                return Ok(found);
            }
            from = next;
        }
    }

    async fn versioning(&self) -> Result<bool, Failure> {
        let ask = || {
            self.client
                .get_bucket_versioning()
                .bucket(&self.name)
                .set_expected_bucket_owner(self.owner.clone())
                .send()
        };
        let found = self.aws.call("s3:GetBucketVersioning", ask).await?;
        Ok(found.status == Some(BucketVersioningStatus::Enabled))
    }

    async fn encryption(&self) -> Result<bool, Failure> {
        let ask = || {
            self.client
                .get_bucket_encryption()
                .bucket(&self.name)
                .set_expected_bucket_owner(self.owner.clone())
                .send()
        };
        match self.aws.call("s3:GetEncryptionConfiguration", ask).await {
            Ok(found) => {
                let rules = found.server_side_encryption_configuration.map(|found| found.rules);
                let by_default =
                    |rule: &ServerSideEncryptionRule| rule.apply_server_side_encryption_by_default.is_some();
                Ok(rules.unwrap_or_default().iter().any(by_default))
            }
            Err(why) if why.code == "ServerSideEncryptionConfigurationNotFoundError" => Ok(false),
            Err(why) => Err(why),
        }
    }
}

/// What is read.
#[derive(Clone, Copy)]
enum Get {
    Current,
    Version,
}

/// What stands there is not what was said. Of an object that is gone S3 says that it does not exist.
fn is_refusal(why: &Failure) -> bool {
    why.code == "PreconditionFailed" || (why.class == Class::NotFound && why.code == "NoSuchKey")
}

/// Asks where a bucket is. Whoever may not see the bucket is told at the first object.
async fn whereabouts(aws: &Aws, name: &str, owner: Option<&str>) -> Result<Whereabouts, Failure> {
    aws.call("s3:ListBucket", || async {
        let head = aws.s3.head_bucket().bucket(name);
        match head.set_expected_bucket_owner(owner.map(str::to_owned)).send().await {
            Ok(found) => Ok(Whereabouts::In(found.bucket_region)),
            Err(SdkError::ServiceError(context)) => {
                let raw = context.raw();
                let region = raw.headers().get("x-amz-bucket-region").map(str::to_owned);
                // An answer to HEAD has no body, so nothing but these tells why.
                match raw.status().as_u16() {
                    404 => Ok(Whereabouts::Gone),
                    301 | 307 | 400 | 403 => Ok(Whereabouts::In(region)),
                    _ => Err(SdkError::ServiceError(context)),
                }
            }
            Err(why) => Err(why),
        }
    })
    .await
}

fn turn_versioning_on(bucket: &str) -> String {
    format!("s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled")
}

fn turn_encryption_on(bucket: &str) -> String {
    let rule = r#"{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}"#;
    format!("s3api put-bucket-encryption --bucket {bucket} --server-side-encryption-configuration '{rule}'")
}

impl Objects for Bucket {
    fn url(&self, name: &str) -> String {
        format!("s3://{}/{}", self.name, self.key(name))
    }

    fn command(&self, words: &str) -> String {
        self.aws.s3_command(words, &self.region)
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Object>, Failure>> {
        Box::pin(self.find(name))
    }

    fn put<'a>(
        &'a self,
        name: &'a str,
        content: Vec<u8>,
        standing: Standing<'a>,
    ) -> BoxFuture<'a, Result<Put, Failure>> {
        Box::pin(self.write(name, content, standing))
    }

    fn remove<'a>(&'a self, name: &'a str, etag: &'a str) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(self.delete(name, etag))
    }

    fn versions<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, Failure>> {
        Box::pin(self.list(name))
    }

    fn version<'a>(&'a self, name: &'a str, id: &'a str) -> BoxFuture<'a, Result<Vec<u8>, Failure>> {
        Box::pin(async move { Ok(self.read(Get::Version, name, Some(id)).await?.content) })
    }

    fn safeguards(&self) -> BoxFuture<'_, Vec<Safeguard>> {
        Box::pin(async move {
            let (versioning, encryption) = futures_util::join!(self.versioning(), self.encryption());
            vec![
                Safeguard {
                    what: "versioning",
                    on: versioning,
                    mend: self.command(&turn_versioning_on(&self.name)),
                },
                Safeguard {
                    what: "default encryption",
                    on: encryption,
                    mend: self.command(&turn_encryption_on(&self.name)),
                },
            ]
        })
    }
}
