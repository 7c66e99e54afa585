//! The proxies that the environment names, and which of them a request goes through.

use super::host::is_near;
use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use std::fmt;
use std::sync::Arc;

/// The variables that name a proxy for a scheme, in the order in which they are heeded.
const FOR_HTTP: &[&str] = &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
const FOR_HTTPS: &[&str] = &["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const FOR_NONE: &[&str] = &["NO_PROXY", "no_proxy"];

/// The proxies of the environment: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in capitals or not.
#[derive(Clone)]
pub struct Proxies {
    matcher: Arc<Matcher>,
    http: Option<&'static str>,
    https: Option<&'static str>,
}

/// The proxy that a request goes through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// Its URL, without the user and the password.
    pub proxy: String,
    /// The variable that names it.
    pub variable: &'static str,
}

/// As part of a sentence: `through the proxy http://10.0.0.1:3128/ (HTTPS_PROXY)`.
impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "through the proxy {} ({})", self.proxy, self.variable)
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies")
            .field("http", &self.http)
            .field("https", &self.https)
            .finish_non_exhaustive()
    }
}

impl Proxies {
    /// As the environment names them.
    pub fn of_environment() -> Self {
        Self::named(|name| std::env::var(name).ok())
    }

    /// None at all: for a local AWS.
    pub fn none() -> Self {
        Self::named(|_| None)
    }

    fn named(value: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &'static [&'static str]| {
            let set = names.iter().map(|name| (*name, value(name)));
            set.filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)))
                .next()
        };
        // In a CGI script it is a header that any client can send.
        let http = first(FOR_HTTP).filter(|(name, _)| *name != "HTTP_PROXY" || value("REQUEST_METHOD").is_none());
        let https = first(FOR_HTTPS);
        let mut matcher = Matcher::builder();
        if let Some((_, proxy)) = &http {
            matcher = matcher.http(proxy.clone());
        }
        if let Some((_, proxy)) = &https {
            matcher = matcher.https(proxy.clone());
        }
        if let Some((_, hosts)) = first(FOR_NONE) {
            matcher = matcher.no(hosts);
        }
        Self {
            matcher: Arc::new(matcher.build()),
            http: http.map(|(name, _)| name),
            https: https.map(|(name, _)| name),
        }
    }

    /// The proxy for this URL, if it is asked through one.
    pub fn of(&self, url: &str) -> Option<Via> {
        let url: Uri = url.parse().ok()?;
        let variable = match url.scheme_str()? {
            "http" => self.http?,
            "https" => self.https?,
            _ => return None,
        };
        if is_near(url.host()?) {
            return None;
        }
        let proxy = self.matcher.intercept(&url)?;
        let proxy = proxy.uri();
        Some(Via {
            proxy: format!(
                "{}://{}",
                proxy.scheme_str().unwrap_or("http"),
                proxy.authority().map_or("", without_user)
            ),
            variable,
        })
    }
}

fn without_user(authority: &http::uri::Authority) -> &str {
    let text = authority.as_str();
    text.rsplit_once('@').map_or(text, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &'static [(&'static str, &'static str)]) -> Proxies {
        Proxies::named(|name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn via(proxies: &Proxies, url: &str) -> String {
        proxies.of(url).map(|via| via.to_string()).unwrap_or_default()
    }

    #[test]
    fn this_machine_is_asked_directly_whatever_the_variables_say() {
        let all = proxies(&[
            ("HTTP_PROXY", "http://p:1"),
            ("HTTPS_PROXY", "http://p:1"),
            ("ALL_PROXY", "http://p:1"),
        ]);
        for url in ["http://127.0.0.1:4566", "https://localhost:4566/x", "http://[::1]:1"] {
            assert_eq!(via(&all, url), "", "{url}");
        }
        assert_ne!(via(&all, "http://10.0.0.1"), "");
    }

    #[test]
    fn the_proxy_and_its_variable_are_told_and_no_password() {
        let two = proxies(&[
            ("https_proxy", "http://me:secret@p.example:3128"),
            ("ALL_PROXY", "q.example:8080"),
            ("NO_PROXY", "internal.example,10.0.0.0/8"),
        ]);
        let aws = "https://sts.us-east-1.amazonaws.com";
        assert_eq!(via(&two, aws), "through the proxy http://p.example:3128 (https_proxy)");
        assert_eq!(
            via(&two, "http://aws.example"),
            "through the proxy http://q.example:8080 (ALL_PROXY)"
        );
        for direct in ["https://x.internal.example", "http://10.1.2.3:80", "ftp://x", "nothing"] {
            assert_eq!(via(&two, direct), "", "{direct}");
        }
        assert!(!format!("{two:?}").contains("secret"));
    }

    #[test]
    fn without_variables_nothing_is_in_between() {
        for none in [Proxies::none(), proxies(&[("HTTP_PROXY", ""), ("HTTPS_PROXY", "")])] {
            assert_eq!(via(&none, "https://sts.us-east-1.amazonaws.com"), "");
            assert_eq!(via(&none, "http://aws.example"), "");
        }
        let cgi = proxies(&[("HTTP_PROXY", "http://p:1"), ("REQUEST_METHOD", "GET")]);
        assert_eq!(via(&cgi, "http://aws.example"), "");
    }
}
