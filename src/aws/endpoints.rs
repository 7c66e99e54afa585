//! Where the services are asked: at AWS's own endpoints, or all of them at one other place.

use super::profile::{Profile, set};
use aws_types::os_shim_internal::Env;
use std::collections::BTreeMap;
use thiserror::Error;

/// The services that fraudctl and the system use, as the variables of their endpoints end.
const SERVICES: [&str; 13] = [
    "API_GATEWAY",
    "CLOUDWATCH",
    "CLOUDWATCH_LOGS",
    "DYNAMODB",
    "EVENTBRIDGE",
    "IAM",
    "KMS",
    "LAMBDA",
    S3,
    "SNS",
    "SQS",
    "SSM",
    "STS",
];
/// Only a state is kept there, which may be at another place than the system.
const S3: &str = "S3";

/// Why the endpoints cannot be used.
#[derive(Debug, Error)]
pub enum EndpointsError {
    /// The services are not at one place.
    #[error(
        "the services would be asked at different places, and the system would stand in pieces: {0}. Nothing was asked or \
         changed. Name one endpoint for all with AWS_ENDPOINT_URL, or none; S3 alone, for the state, may have another one"
    )]
    Differ(String),
    /// An endpoint names a user, perhaps with a password.
    #[error(
        "the endpoint ({0}) has a user name or a password in it, which would be printed and remembered; leave it out"
    )]
    Userinfo(String),
    /// The endpoints are to be ignored, but the SDK would ask for a role's credentials there.
    #[error(
        "{0} says that configured endpoints are ignored, but {1} names one, and the credentials of a role would still be asked \
         for there; leave one of the two out"
    )]
    Ignored(String, String),
}

/// The endpoints. Nothing is AWS's own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Endpoints {
    /// Of every service but S3.
    pub(super) all: Option<String>,
    /// Of S3.
    pub(super) s3: Option<String>,
}

/// An endpoint, and what names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Named {
    url: Option<String>,
    by: String,
    /// Is it named for the service alone?
    alone: bool,
}

impl Endpoints {
    /// Finds them as the AWS command line does: a variable goes before the profile, and in each the service's own before
    /// that of all.
    pub(super) fn resolve(env: &Env, profile: &Profile) -> Result<Self, EndpointsError> {
        let ignored = ignored(env, profile);
        if let Some(by) = &ignored
            && (profile.is_of_role() || set(env, "AWS_WEB_IDENTITY_TOKEN_FILE").is_some())
        {
            let sts = named("STS", env, profile);
            if sts.url.is_some() {
                return Err(EndpointsError::Ignored(by.clone(), sts.by));
            }
        }
        let mut of_all: BTreeMap<&str, Named> = BTreeMap::new();
        if ignored.is_none() {
            of_all.extend(SERVICES.map(|service| (service, named(service, env, profile))));
        }
        for found in of_all.values() {
            if found.url.as_deref().is_some_and(has_userinfo) {
                return Err(EndpointsError::Userinfo(found.by.clone()));
            }
        }
        let s3 = of_all.remove(S3).and_then(|found| found.url);
        let mut urls = of_all.values().map(|found| found.url.as_deref().map(same));
        let first = urls.next().flatten();
        if urls.any(|url| url != first) {
            return Err(EndpointsError::Differ(told(&of_all)));
        }
        let all = of_all.into_values().next().and_then(|found| found.url);
        Ok(Self { all, s3 })
    }
}

/// What says that configured endpoints are ignored, if something does.
fn ignored(env: &Env, profile: &Profile) -> Option<String> {
    let yes = |value: &str| value.eq_ignore_ascii_case("true");
    let variable = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
    match set(env, variable) {
        Some(value) => yes(&value).then(|| variable.to_owned()),
        None => {
            let key = "ignore_configured_endpoint_urls";
            profile
                .get(key)
                .filter(|value| yes(value))
                .map(|_| of_profile(key, profile))
        }
    }
}

fn named(service: &str, env: &Env, profile: &Profile) -> Named {
    let found = |url: String, by: String, alone| Named {
        url: Some(url),
        by,
        alone,
    };
    let variables = [
        (format!("AWS_ENDPOINT_URL_{service}"), true),
        ("AWS_ENDPOINT_URL".to_owned(), false),
    ];
    for (variable, alone) in variables {
        if let Some(url) = set(env, &variable) {
            return found(url, variable, alone);
        }
    }
    let (key, in_file) = ("endpoint_url", service.to_lowercase());
    if let Some((url, section)) = profile.get_of_service(&in_file, key) {
        let by = format!(
            "{in_file}.{key} in the section [services {section}] of the profile {:?}",
            profile.name()
        );
        return found(url.to_owned(), by, true);
    }
    match profile.get(key) {
        Some(url) => found(url.to_owned(), of_profile(key, profile), false),
        None => Named {
            url: None,
            by: String::new(),
            alone: false,
        },
    }
}

fn of_profile(key: &str, profile: &Profile) -> String {
    format!("{key} of the profile {:?}", profile.name())
}

/// Each service that has an endpoint of its own, and then the rest.
fn told(of_all: &BTreeMap<&str, Named>) -> String {
    let mut each = Vec::new();
    for (service, found) in of_all.iter().filter(|(_, found)| found.alone) {
        let url = found.url.as_deref().unwrap_or_default();
        each.push(format!("{} at {url} ({})", readable(service), found.by));
    }
    if let Some(rest) = of_all.values().find(|found| !found.alone) {
        each.push(match &rest.url {
            Some(url) => format!("the others at {url} ({})", rest.by),
            None => "the others at AWS's own endpoints".to_owned(),
        });
    }
    each.join("; ")
}

/// A service's name, for people.
fn readable(service: &str) -> String {
    service.to_lowercase().replace('_', " ")
}

/// The same place, however it is spelled.
fn same(url: &str) -> String {
    url.trim_end_matches('/').to_ascii_lowercase()
}

/// Does something stand before an `@` in what names the host? See RFC 3986, section 3.2.
fn has_userinfo(url: &str) -> bool {
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
    authority.contains('@')
}

#[cfg(test)]
mod tests {
    use super::super::profile::tests::load;
    use super::*;

    async fn resolve(config: &str, variables: &[(&str, &str)]) -> Result<Endpoints, EndpointsError> {
        let chosen = config.contains("[profile p]").then_some("p");
        let profile = load(config, chosen, &[]).await.unwrap();
        Endpoints::resolve(&Env::from_slice(variables), &profile)
    }

    fn at(all: Option<&str>, s3: Option<&str>) -> Endpoints {
        Endpoints {
            all: all.map(str::to_owned),
            s3: s3.map(str::to_owned),
        }
    }

    const HERE: &str = "http://127.0.0.1:1";
    const THERE: &str = "http://127.0.0.1:2/";

    #[tokio::test]
    async fn all_services_are_at_one_place_and_a_state_may_be_at_another() {
        assert_eq!(resolve("", &[]).await.unwrap(), at(None, None));
        let all = ("AWS_ENDPOINT_URL", HERE);
        assert_eq!(resolve("", &[all]).await.unwrap(), at(Some(HERE), Some(HERE)));
        let s3 = ("AWS_ENDPOINT_URL_S3", THERE);
        assert_eq!(resolve("", &[all, s3]).await.unwrap(), at(Some(HERE), Some(THERE)));
        assert_eq!(resolve("", &[s3]).await.unwrap(), at(None, Some(THERE)));
        // An empty variable is none, another spelling is the same place, and an unused service does not matter.
        let spelled = [
            all,
            ("AWS_ENDPOINT_URL_SQS", ""),
            ("AWS_ENDPOINT_URL_SNS", "HTTP://127.0.0.1:1/"),
            ("AWS_ENDPOINT_URL_EC2", THERE),
        ];
        assert_eq!(resolve("", &spelled).await.unwrap().all.as_deref(), Some(HERE));
        // One by one comes to the same.
        let names = SERVICES.map(|service| format!("AWS_ENDPOINT_URL_{service}"));
        let each: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), HERE)).collect();
        assert_eq!(resolve("", &each).await.unwrap(), at(Some(HERE), Some(HERE)));
    }

    #[tokio::test]
    async fn a_service_that_is_elsewhere_is_named_with_what_says_so() {
        for service in SERVICES.iter().filter(|service| **service != S3) {
            let variable = format!("AWS_ENDPOINT_URL_{service}");
            let said = resolve("", &[("AWS_ENDPOINT_URL", HERE), (&variable, THERE)]).await;
            let said = said.unwrap_err().to_string();
            let place = format!("{} at {THERE} ({variable})", readable(service));
            let rest = format!("the others at {HERE} (AWS_ENDPOINT_URL)");
            assert!(said.contains(&place) && said.contains(&rest), "{said}");
            let said = resolve("", &[(&variable, THERE)]).await.unwrap_err().to_string();
            assert!(
                said.contains(&place) && said.contains("the others at AWS's own"),
                "{said}"
            );
        }
    }

    #[tokio::test]
    async fn profiles_name_endpoints_too() {
        let config = format!(
            "[profile p]\nendpoint_url = {HERE}\nservices = s\n[services s]\napi_gateway =\n  endpoint_url = {THERE}\n\
             s3 =\n  endpoint_url = {THERE}\n"
        );
        let said = resolve(&config, &[]).await.unwrap_err().to_string();
        let place = format!(
            "api gateway at {THERE} (api_gateway.endpoint_url in the section [services s] of the profile \"p\")"
        );
        let rest = format!("the others at {HERE} (endpoint_url of the profile \"p\")");
        assert!(said.contains(&place) && said.contains(&rest), "{said}");
        let mended = config.replace("api_gateway", "ec2");
        assert_eq!(resolve(&mended, &[]).await.unwrap(), at(Some(HERE), Some(THERE)));
        // A variable for all goes before everything in the profile.
        let variable = ("AWS_ENDPOINT_URL", "http://127.0.0.1:3");
        let all = Some("http://127.0.0.1:3");
        assert_eq!(resolve(&config, &[variable]).await.unwrap(), at(all, all));
    }

    #[tokio::test]
    async fn what_is_to_be_ignored_is() {
        let ignore = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE");
        let both = [("AWS_ENDPOINT_URL", HERE), ("AWS_ENDPOINT_URL_SQS", THERE)];
        let found = resolve("", &[both[0], both[1], ignore]).await.unwrap();
        assert_eq!(found, at(None, None));
        let config = "[profile p]\nignore_configured_endpoint_urls = true\n";
        assert_eq!(resolve(config, &both).await.unwrap(), at(None, None));
        let no = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false");
        resolve(config, &[both[0], both[1], no]).await.unwrap_err();
        // The SDK asks for a role's credentials there all the same.
        let role = "[profile p]\nrole_arn = arn:aws:iam::1:role/r\ncredential_source = Environment\n";
        let said = resolve(role, &[both[0], ignore]).await.unwrap_err().to_string();
        assert!(
            said.starts_with(ignore.0) && said.contains("AWS_ENDPOINT_URL names one"),
            "{said}"
        );
        resolve(role, &[ignore]).await.unwrap();
    }

    #[tokio::test]
    async fn an_endpoint_with_a_password_is_refused_whatever_it_is_of() {
        for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
            let said = resolve("", &[(variable, "http://u:secret@h:1")])
                .await
                .unwrap_err()
                .to_string();
            assert!(said.contains(variable) && !said.contains("secret"), "{said}");
        }
        for url in ["http://u:p@h:1", "http://u@h", "u:p@h/x"] {
            assert!(has_userinfo(url), "{url}");
        }
        for url in ["http://h:1", "https://h/a@b", "https://h?a@b", "h:1"] {
            assert!(!has_userinfo(url), "{url}");
        }
    }
}
