//! How a run gets to its AWS: which credentials, which region, which endpoints, and whether the settings allow them.

use super::clients::{Aws, Pasted};
use super::credentials::{self, CREDENTIALS_WITHIN, closed_region, is_of_a_closed_region};
use super::endpoints::{Endpoints, EndpointsError};
use super::judge::{certificates, innermost, is_about_the_clock, judge};
use super::partition;
use super::profile::{Profile, ProfileError, set};
use super::retry::Verdict;
use crate::net::{Client, Proxies, Trust, TrustError};
use aws_config::identity::IdentityCache;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityOutput;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::origin::Origin;
use aws_types::os_shim_internal::Env;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// The first call: who are we?
const FIRST_CALL: &str = "sts:GetCallerIdentity";
/// How often the first call is made when the service has a fault, and how long to wait in between.
const FIRST_CALLS: u32 = 3;
const BETWEEN_FIRST_CALLS: Duration = Duration::from_millis(300);
/// How long the first call may take. It usually takes well under a second, even from the other side of the world.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// The region of emulators, where nobody names another one.
const USUAL_REGION: &str = "us-east-1";
/// The variables that name a region, in the AWS command line's order.
const REGION_BY: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// Where to connect to. The rest comes from the environment and the AWS configuration files, as in the AWS command line.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// The region that the command line names.
    pub region: Option<String>,
    /// The profile that the command line or the settings name: it gives the credentials, whatever keys are in the environment.
    pub profile: Option<String>,
    /// The account that the settings hold the run to.
    pub account_pin: Option<String>,
    /// The region that the settings hold the run to. Nothing else needs to name it.
    pub region_pin: Option<String>,
    /// The region that the state is about: it is taken where nothing else names one.
    pub state_region: Option<String>,
    /// The local AWS, for which nothing else counts but the region, which has to be named.
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
    /// The chain found no credentials.
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
    /// The profile cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The endpoints cannot be used.
    #[error(transparent)]
    Endpoints(#[from] EndpointsError),
    /// No region has such a name.
    #[error("{0:?} is not the name of an AWS region; it looks like us-east-1")]
    Region(String),
    /// Nothing names a region.
    #[error(
        "no AWS region is configured, and fraudctl takes none by itself: name it with --region, AWS_REGION or the profile's \
         `region`, or for everybody with the key `region` in fraudctl.toml{0}"
    )]
    NoRegion(&'static str),
    /// The settings hold the run to another region.
    #[error(
        "the settings hold this environment to the region {pinned}, but {by} says {found}; nothing was asked or changed. Leave \
         that out, or change the key `region` in fraudctl.toml"
    )]
    OtherRegion {
        /// The region of the settings.
        pinned: String,
        /// The region of this run.
        found: String,
        /// What names it.
        by: String,
    },
    /// The settings hold the run to another account.
    #[error(
        "the settings hold this environment to the account {pinned}, but the credentials{of} are of the account {found} \
         ({caller}); nothing else was asked, and nothing was changed. Use other credentials, or change the key `account` in \
         fraudctl.toml"
    )]
    OtherAccount {
        /// The account of the settings.
        pinned: String,
        /// The account of the credentials.
        found: String,
        /// The caller's ARN.
        caller: String,
        /// The profile, where one is named: ` of the profile "x"`.
        of: String,
    },
    /// The first call had no answer that AWS would give.
    #[error("cannot reach AWS{at}: {why}; check the endpoint (AWS_ENDPOINT_URL), the region's name and the network")]
    Unreachable {
        /// The endpoint, where one is set: ` at http://...`; else the region.
        at: String,
        /// What happened.
        why: String,
    },
    /// AWS does not take the credentials.
    #[error(
        "AWS refused the credentials{at}: {code}: {message}; check AWS_PROFILE, or AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY{region}"
    )]
    Refused {
        /// The endpoint, where one is set: ` at http://...`; else the region.
        at: String,
        /// AWS's error code.
        code: String,
        /// AWS's own message.
        message: String,
        /// What else it may be.
        region: String,
    },
    /// AWS does not take a request of this time.
    #[error("AWS refused a request because of its time{at}: {code}: {message}; set this machine's clock right")]
    Clock {
        /// The endpoint, where one is set: ` at http://...`; else the region.
        at: String,
        /// AWS's error code.
        code: String,
        /// AWS's own message.
        message: String,
    },
    /// The certificates that are to be trusted cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// AWS did not say who we are.
    #[error("sts:GetCallerIdentity answered without an account")]
    NoAccount,
}

impl ConnectError {
    /// The same, saying what can be done without credentials or a region, as in `, or use --local`.
    #[must_use]
    pub fn or(mut self, other: &'static str) -> Self {
        if let Self::Credentials { instead, .. } | Self::NoRegion(instead) = &mut self {
            *instead = other;
        }
        self
    }
}

/// Where a run goes, before anybody was asked.
struct Target {
    region: String,
    endpoints: Endpoints,
    /// The profile that the SDK is to use, whatever its variables say. None of the local AWS.
    profile: Option<String>,
    /// The same, where it was named and gives the credentials.
    source: Option<String>,
    http: Client,
    notes: Vec<String>,
}

impl Aws {
    /// Connects, and asks AWS who we are. Changes nothing.
    ///
    /// # Errors
    /// No credentials, no region; the settings do not allow them; services at different places; the endpoint does not
    /// answer; the credentials are refused.
    pub async fn connect(connection: &Connection) -> Result<Arc<Self>, ConnectError> {
        let target = match &connection.local {
            Some(local) => Target::local(connection, local),
            None => Target::find(connection, &Env::real()).await?,
        };
        let config = load(connection, &target).await;
        let of = target.source.as_ref().map(|name| format!(" of the profile {name:?}"));
        let of = of.unwrap_or_default();
        credentials::had(&config, &target.region)
            .await
            .map_err(|why| ConnectError::Credentials {
                of: of.clone(),
                instead: "",
                why,
            })?;
        let mut aws = Self::unknown(&config, target.http, target.endpoints.s3, !connection.unpaced);
        let caller = aws.identity(&aws_sdk_sts::Client::new(&config)).await?;
        let account = caller.account.ok_or(ConnectError::NoAccount)?;
        let arn = caller.arn.unwrap_or_default();
        if let Some(pinned) = connection.account_pin.as_ref().filter(|pinned| **pinned != account) {
            return Err(ConnectError::OtherAccount {
                pinned: pinned.clone(),
                found: account,
                caller: arn,
                of,
            });
        }
        aws.account = account;
        partition::of_arn(&arn).unwrap_or("aws").clone_into(&mut aws.partition);
        aws.caller = arn;
        aws.profile = target.source;
        aws.notes = target.notes;
        aws.pasted = Pasted {
            profile: connection.profile.clone(),
            key: connection.local.as_ref().map(|local| local.account.clone()),
        };
        Ok(Arc::new(aws))
    }

    /// Where the first call goes, as part of a sentence: the endpoint where one is set, else the region, and the proxy in
    /// between.
    fn at(&self) -> String {
        let (at, url) = match &self.endpoint {
            Some(endpoint) => (format!(" at {endpoint}"), endpoint.clone()),
            None => {
                let region = &self.region;
                (format!(" in {region}"), format!("https://sts.{region}.amazonaws.com"))
            }
        };
        let via = self.http.via(&url);
        via.map(|via| format!("{at} {via}")).unwrap_or(at)
    }

    /// Who calls. Asked a few times and not for long: nothing has begun yet, and an endpoint that does not answer now is
    /// more often a wrong one than a slow one.
    async fn identity(&self, sts: &aws_sdk_sts::Client) -> Result<GetCallerIdentityOutput, ConnectError> {
        let at = self.at();
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
            Ok(Ok(caller)) => Ok(caller),
            Ok(Err(error)) => Err(no_caller(at, &self.region, &error)),
            Err(_) => Err(ConnectError::Unreachable {
                at,
                why: format!("no answer within {} s", ANSWER_WITHIN.as_secs()),
            }),
        }
    }
}

impl Target {
    /// The local AWS. Neither the environment nor the AWS configuration matters.
    fn local(connection: &Connection, local: &Local) -> Self {
        Self {
            region: connection.region.clone().unwrap_or_else(|| USUAL_REGION.to_owned()),
            endpoints: Endpoints {
                all: Some(local.endpoint.clone()),
                s3: Some(local.endpoint.clone()),
            },
            profile: None,
            source: None,
            http: Client::new(Proxies::none(), Trust::default()),
            notes: Vec::new(),
        }
    }

    async fn find(connection: &Connection, env: &Env) -> Result<Self, ConnectError> {
        let profile = Profile::load(connection.profile.as_deref(), env).await?;
        let endpoints = Endpoints::resolve(env, &profile)?;
        let http = Client::new(Proxies::of_environment(), trust(env, &profile)?);
        let elsewhere = endpoints.all.is_some();
        let (region, by) = match region(connection, env, &profile) {
            Some(found) => found,
            None if elsewhere => (USUAL_REGION.to_owned(), String::new()),
            None => {
                let instance = ImdsRegionProvider::builder()
                    .configure(&credentials::provider_config(None, &http))
                    .build();
                let found = instance.region().await.ok_or(ConnectError::NoRegion(""))?;
                (found.to_string(), "this machine".to_owned())
            }
        };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if region.is_empty() || !region.chars().all(plain) {
            return Err(ConnectError::Region(region));
        }
        if let Some(pinned) = connection.region_pin.as_ref().filter(|pinned| **pinned != region) {
            return Err(ConnectError::OtherRegion {
                pinned: pinned.clone(),
                found: region,
                by,
            });
        }
        let mut notes = Vec::new();
        let of_profile = profile.get("region").filter(|_| connection.profile.is_some());
        if let Some(other) = of_profile.filter(|other| REGION_BY.contains(&by.as_str()) && *other != region) {
            notes.push(format!(
                "the region is {region}, as {by} says; the profile {:?} says {other}, behind it as in the AWS command line",
                profile.name()
            ));
        }
        Ok(Self {
            region,
            endpoints,
            source: profile.source_of_credentials().map(str::to_owned),
            profile: Some(profile.name().to_owned()),
            http,
            notes,
        })
    }
}

/// The bundle of certificates that `AWS_CA_BUNDLE` names, or the profile by `ca_bundle`; else the system's. The SDK knows
/// neither.
fn trust(env: &Env, profile: &Profile) -> Result<Trust, TrustError> {
    if let Some(path) = set(env, "AWS_CA_BUNDLE") {
        return Trust::bundle(Path::new(&path), "AWS_CA_BUNDLE");
    }
    match profile.get("ca_bundle") {
        Some(path) => {
            let from = format!("ca_bundle of the profile {:?}", profile.name());
            Trust::bundle(Path::new(path), &from)
        }
        None => Ok(Trust::default()),
    }
}

/// The region and what names it, without asking anybody.
fn region(connection: &Connection, env: &Env, profile: &Profile) -> Option<(String, String)> {
    let given = |region: &Option<String>, by: &str| Some((region.clone()?, by.to_owned()));
    given(&connection.region, "--region")
        .or_else(|| {
            REGION_BY
                .iter()
                .find_map(|name| Some((set(env, name)?, (*name).to_owned())))
        })
        .or_else(|| {
            let by = format!("the profile {:?}", profile.name());
            Some((profile.get("region")?.to_owned(), by))
        })
        .or_else(|| given(&connection.region_pin, "fraudctl.toml"))
        .or_else(|| given(&connection.state_region, "the state"))
}

async fn load(connection: &Connection, target: &Target) -> SdkConfig {
    let region = Region::new(target.region.clone());
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(target.http.clone())
        // Retries are ours: the SDK's would repeat a create whose reply was lost.
        .retry_config(RetryConfig::disabled())
        // It goes by the clock of the day, step by step: one that is set years ahead keeps it busy for minutes. A call
        // that stalls is ended by the timeout below.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .identity_cache(IdentityCache::lazy().load_timeout(CREDENTIALS_WITHIN).build())
        .timeout_config(credentials::timeouts())
        .region(region.clone());
    if let Some(local) = &connection.local {
        let keys = aws_sdk_sts::config::Credentials::new(&local.account, "local", None, None, "fraudctl --local");
        let nothing = EnvConfigFiles::builder()
            .with_contents(EnvConfigFileKind::Config, "")
            .build();
        loader = loader
            .credentials_provider(keys)
            .profile_files(nothing)
            .use_fips(false)
            .use_dual_stack(false);
    } else if let Some(name) = &target.profile {
        loader = loader.profile_name(name);
        if connection.profile.is_some() {
            loader = loader.credentials_provider(credentials::of_profile(name, region, &target.http));
        }
    }
    let mut config = loader.load().await.into_builder();
    // From here on it counts for every client, whatever the variables of single services say.
    config.insert_origin("endpoint_url", Origin::shared_config());
    config.set_endpoint_url(target.endpoints.all.clone());
    config.build()
}

/// What it means when AWS does not say who we are.
fn no_caller<E>(at: String, region: &str, error: &SdkError<E, HttpResponse>) -> ConnectError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let (verdict, failure) = judge(FIRST_CALL, error);
    let why = match error {
        SdkError::ServiceError(context) if context.err().code().is_some() && matches!(verdict, Verdict::Final(_)) => {
            let (code, message) = (failure.code, failure.message);
            if is_about_the_clock(&code, &message) {
                return ConnectError::Clock { at, code, message };
            }
            let closed = is_of_a_closed_region(&code).then(|| format!(". Or {}", closed_region(region)));
            return ConnectError::Refused {
                at,
                code,
                message,
                region: closed.unwrap_or_default(),
            };
        }
        SdkError::ServiceError(_) => format!("{}: {}", failure.code, failure.message),
        // What is around the innermost cause is a dump of the request at worst.
        other => match certificates(other) {
            Some(hint) => format!("{} ({hint})", innermost(other)),
            None => innermost(other),
        },
    };
    ConnectError::Unreachable { at, why }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        no_caller(" at http://h".to_owned(), "ap-east-1", &error).to_string()
    }

    #[test]
    fn refused_credentials_are_told_from_an_endpoint_that_is_none() {
        let unknown = ErrorMetadata::builder().code("InvalidClientTokenId").message("unknown");
        let refused = answer(403, unknown.build());
        let wanted = "AWS refused the credentials at http://h: InvalidClientTokenId: unknown; check AWS_PROFILE";
        assert!(refused.starts_with(wanted), "{refused}");
        assert!(
            refused.contains("Or the region ap-east-1 may not be enabled in this account"),
            "{refused}"
        );

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
        let said = no_caller(" at h:1".to_owned(), "us-east-1", &error).to_string();
        assert!(
            said.starts_with("cannot reach AWS at h:1: endpoint must contain scheme; check the endpoint"),
            "{said}"
        );
    }

    #[tokio::test]
    async fn the_region_is_named_by_the_first_of_several() {
        let config = "[default]\nregion = eu-west-1\n[profile bare]\n";
        let named = async |chosen, connection: &Connection, variables: &[(&str, &str)]| {
            let profile = super::super::profile::tests::load(config, chosen, &[]).await.unwrap();
            region(connection, &Env::from_slice(variables), &profile)
        };
        let found = |region: &str, by: &str| Some((region.to_owned(), by.to_owned()));
        let mut connection = Connection::default();
        assert_eq!(named(Some("bare"), &connection, &[("AWS_REGION", "")]).await, None);
        connection.state_region = Some("sa-east-1".to_owned());
        assert_eq!(
            named(Some("bare"), &connection, &[]).await,
            found("sa-east-1", "the state")
        );
        connection.region_pin = Some("ca-central-1".to_owned());
        assert_eq!(
            named(Some("bare"), &connection, &[]).await,
            found("ca-central-1", "fraudctl.toml")
        );
        assert_eq!(
            named(None, &connection, &[]).await,
            found("eu-west-1", "the profile \"default\"")
        );
        let variables = [("AWS_DEFAULT_REGION", "us-west-1"), ("AWS_REGION", "us-west-2")];
        assert_eq!(
            named(None, &connection, &variables[..1]).await,
            found("us-west-1", "AWS_DEFAULT_REGION")
        );
        assert_eq!(
            named(None, &connection, &variables).await,
            found("us-west-2", "AWS_REGION")
        );
        connection.region = Some("us-east-2".to_owned());
        assert_eq!(
            named(None, &connection, &variables).await,
            found("us-east-2", "--region")
        );
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
        let said = ConnectError::NoRegion("").or(", or use --local").to_string();
        assert!(said.ends_with("fraudctl.toml, or use --local"), "{said}");
        let other = ConnectError::NoAccount.or(", or use --local").to_string();
        assert!(!other.contains("--local"), "{other}");
    }
}
