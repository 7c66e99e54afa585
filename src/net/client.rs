//! The client itself: for the SDK, and for requests of our own.

use super::proxy::{Proxies, Via};
use super::trust::Trust;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Connector, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use thiserror::Error;

/// How long a connection of our own requests may take to come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The client of all HTTP connections of a run. A clone shares its connections.
#[derive(Clone, Debug)]
pub struct Client {
    routes: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    proxies: Proxies,
    trust: Trust,
    made: Mutex<HashMap<[Option<Duration>; 2], SharedHttpConnector>>,
}

/// An answer to a request of our own.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum NoReply {
    /// The time for it is over.
    #[error("no answer within {} s{}", .0.as_secs(), through(.1.as_ref()))]
    Late(Duration, Option<Via>),
    /// It could not be sent, or the connection broke.
    #[error("{0}")]
    Broken(String),
}

/// The proxy as the end of a sentence.
fn through(via: Option<&Via>) -> String {
    via.map(|via| format!(" {via}")).unwrap_or_default()
}

impl Client {
    /// A client that goes through these proxies and trusts these certificates. Nothing is read or connected to yet.
    pub fn new(proxies: Proxies, trust: Trust) -> Self {
        let (proxies, made) = (proxies, Mutex::default());
        Self {
            routes: Arc::new(Shared { proxies, trust, made }),
        }
    }

    /// The proxy that a request to this URL goes through, if any.
    pub fn via(&self, url: &str) -> Option<Via> {
        self.routes.proxies.of(url)
    }

    /// Posts JSON, once, with these further headers, and reads the answer.
    ///
    /// # Errors
    /// The request cannot be sent, the connection breaks, or the answer is not there `within` this time.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, &str)],
        body: String,
        within: Duration,
    ) -> Result<Reply, NoReply> {
        let broken = |why: &(dyn std::error::Error + 'static)| NoReply::Broken(innermost(why));
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").map_err(|why| broken(&why))?;
        request.set_uri(url).map_err(|why| broken(&why))?;
        let json = [("content-type", "application/json")];
        for (name, value) in json.iter().chain(headers) {
            let set = request.headers_mut().try_append(*name, (*value).to_owned());
            set.map_err(|why| broken(&why))?;
        }
        let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_WITHIN).build();
        let connector = self
            .routes
            .connector(&settings, SharedAsyncSleep::new(TokioSleep::new()));
        let exchange = async {
            let answer = connector.call(request).await.map_err(|why| broken(&why))?;
            let status = answer.status().as_u16();
            let body = ByteStream::new(answer.into_body()).collect().await;
            let body = body.map_err(|why| broken(&why))?.to_vec();
            Ok(Reply { status, body })
        };
        match tokio::time::timeout(within, exchange).await {
            Ok(ended) => ended,
            Err(_) => Err(NoReply::Late(within, self.via(url))),
        }
    }
}

impl HttpClient for Client {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let sleep = components.sleep_impl();
        let sleep = sleep.unwrap_or_else(|| SharedAsyncSleep::new(TokioSleep::new()));
        self.routes.connector(settings, sleep)
    }
}

impl Shared {
    /// One connector for each pair of limits, so that connections are shared.
    fn connector(&self, settings: &HttpConnectorSettings, sleep: SharedAsyncSleep) -> SharedHttpConnector {
        let key = [settings.connect_timeout(), settings.read_timeout()];
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let connector = made.entry(key).or_insert_with(|| {
            SharedHttpConnector::new(Routes {
                proxies: self.proxies.clone(),
                trust: self.trust.clone(),
                settings: settings.clone(),
                sleep,
                plain: OnceLock::new(),
                tls: OnceLock::new(),
                proxied: OnceLock::new(),
            })
        });
        connector.clone()
    }
}

/// The three ways that a request can take, each made when the first one takes it: the system's certificates are not read
/// for a local AWS, and may be missing there.
struct Routes {
    proxies: Proxies,
    trust: Trust,
    settings: HttpConnectorSettings,
    sleep: SharedAsyncSleep,
    plain: OnceLock<Connector>,
    tls: OnceLock<Connector>,
    proxied: OnceLock<Connector>,
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes")
            .field("proxies", &self.proxies)
            .finish_non_exhaustive()
    }
}

impl Routes {
    fn builder(&self) -> ConnectorBuilder {
        Connector::builder()
            .connector_settings(self.settings.clone())
            .sleep_impl(self.sleep.clone())
    }

    fn over_tls(&self, proxies: ProxyConfig) -> Connector {
        let builder = self.builder().proxy_config(proxies);
        let builder = builder.tls_provider(Provider::Rustls(CryptoMode::Ring));
        match self.trust.context() {
            Some(context) => builder.tls_context(context).build(),
            None => builder.build(),
        }
    }
}

impl HttpConnector for Routes {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if let Some(via) = self.proxies.of(request.uri()) {
            let proxied = self.proxied.get_or_init(|| self.over_tls(ProxyConfig::from_env()));
            let sent = proxied.call(request);
            return HttpConnectorFuture::new(async move { sent.await.map_err(|why| named(&via, &why)) });
        }
        if request.uri().starts_with("https:") {
            self.tls
                .get_or_init(|| self.over_tls(ProxyConfig::disabled()))
                .call(request)
        } else {
            self.plain.get_or_init(|| self.builder().build_http()).call(request)
        }
    }
}

/// The same failure, which now names the proxy.
fn named(via: &Via, why: &ConnectorError) -> ConnectorError {
    let told = format!("{via}: {}", innermost(why)).into();
    match why {
        _ if why.is_timeout() => ConnectorError::timeout(told),
        _ if why.is_user() => ConnectorError::user(told),
        _ if why.is_io() => ConnectorError::io(told),
        _ => ConnectorError::other(told, why.as_other()),
    }
}

/// The innermost cause, which is the one that helps: connection refused, name not known.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(cause) = error.source() {
        error = cause;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const SOON: Duration = Duration::from_secs(10);

    /// A server that answers one request with this, and returns what it was sent.
    async fn server(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 4096];
            let length = stream.read(&mut asked).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&asked[..length]).into_owned()
        });
        (url, served)
    }

    #[tokio::test]
    async fn a_request_of_our_own_is_posted_and_its_answer_read() {
        let (url, served) = server("HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok").await;
        let client = Client::new(Proxies::none(), Trust::default());
        let headers = [("x-api-key", "k")];
        let reply = client
            .post(&format!("{url}/x"), &headers, "{}".to_owned(), SOON)
            .await
            .unwrap();
        assert_eq!((reply.status, reply.body.as_slice()), (201, b"ok".as_slice()));
        let asked = served.await.unwrap().to_ascii_lowercase();
        assert!(asked.starts_with("post /x http/1.1"), "{asked}");
        assert!(
            asked.contains("x-api-key: k") && asked.contains("content-type: application/json"),
            "{asked}"
        );
    }

    #[tokio::test]
    async fn no_answer_is_told_with_its_reason() {
        let client = Client::new(Proxies::none(), Trust::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let short = Duration::from_millis(50);
        let late = client.post(&url, &[], String::new(), short).await.unwrap_err();
        assert!(matches!(late, NoReply::Late(..)), "{late}");
        drop(listener);
        let broken = client.post(&url, &[], String::new(), SOON).await.unwrap_err();
        assert!(broken.to_string().to_lowercase().contains("refused"), "{broken}");
        let said = client.post("no url", &[], String::new(), SOON).await.unwrap_err();
        assert!(matches!(said, NoReply::Broken(_)), "{said}");
    }

    #[test]
    fn a_failure_names_the_proxy_and_stays_of_its_kind() {
        let via = Via {
            proxy: "http://p:1".to_owned(),
            variable: "HTTPS_PROXY",
        };
        let refused = ConnectorError::io("connection refused".into());
        let told = named(&via, &refused);
        assert!(told.is_io());
        let said = innermost(&told);
        assert_eq!(said, "through the proxy http://p:1 (HTTPS_PROXY): connection refused");
        assert!(named(&via, &ConnectorError::timeout("slow".into())).is_timeout());
    }
}
