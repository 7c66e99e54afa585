//! Who answers on the port?

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A server that starts accepts connections at once and answers when it is ready.
const PATIENCE: Duration = Duration::from_secs(5);
/// No answer that we want is as long as this.
const LONGEST: u64 = 1 << 20;

/// Who has the port.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Nobody,
    /// Our server for this directory.
    Ours(Identity),
    /// Somebody who accepts connections and then says nothing.
    Silent,
    /// Somebody else, described for a human.
    Other(String),
}

/// What our server says of itself.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Identity {
    pub pid: u32,
    pub directory: PathBuf,
    /// MiniStack's version.
    pub ministack: String,
    /// The SHA-256 of the script that serves it; empty where a script tells none.
    #[serde(default)]
    pub script: String,
}

/// Finds out who has the port of 127.0.0.1, and whether it is the server for the directory.
pub(super) async fn holder(port: u16, directory: &Path) -> Holder {
    let answer = match request(port, "GET", "/_fraudctl/identity", PATIENCE).await {
        Ok(answer) => answer,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::ConnectionRefused => Holder::Nobody,
                io::ErrorKind::TimedOut => Holder::Silent,
                _ => Holder::Other("a program that does not speak HTTP".to_owned()),
            };
        }
    };
    match serde_json::from_str::<Identity>(&answer.body) {
        Ok(identity) if identity.directory == directory => Holder::Ours(identity),
        Ok(identity) => Holder::Other(format!(
            "the local AWS of another cache directory ({}, pid {})",
            identity.directory.display(),
            identity.pid
        )),
        Err(_) => Holder::Other(describe(port, &answer).await),
    }
}

async fn describe(port: u16, answer: &Answer) -> String {
    for (path, name) in [
        ("/_ministack/health", "a MiniStack"),
        ("/_localstack/health", "a LocalStack"),
    ] {
        let Ok(health) = request(port, "GET", path, PATIENCE).await else {
            continue;
        };
        let Ok(Value::Object(health)) = serde_json::from_str(&health.body) else {
            continue;
        };
        if let (Some(Value::String(version)), Some(_)) = (health.get("version"), health.get("services")) {
            return format!("{name} {version} that fraudctl did not start");
        }
    }
    match answer.header("server") {
        Some(server) => format!("a web server ({server})"),
        None => "a web server".to_owned(),
    }
}

/// An HTTP answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Answer {
    fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
        Some(Self {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// One request without a body to 127.0.0.1. Not through the HTTP client that the rest of fraudctl uses,
/// which would load certificates and heed the user's proxy first.
pub(super) async fn request(port: u16, method: &str, path: &str, patience: Duration) -> io::Result<Answer> {
    match tokio::time::timeout(patience, exchange(port, method, path)).await {
        Ok(answer) => answer,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn exchange(port: u16, method: &str, path: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    // HTTP/1.0: the end of the answer is the end of the connection.
    let head = format!("{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut bytes = Vec::new();
    stream.take(LONGEST).read_to_end(&mut bytes).await?;
    Answer::parse(&String::from_utf8_lossy(&bytes)).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    /// A server that gives every path the same answer. It ends with the test's runtime.
    async fn server(answer: String) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        port
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.0 200 OK\r\nServer: test/1\r\n\r\n{body}")
    }

    fn other(description: &str) -> Holder {
        Holder::Other(description.to_owned())
    }

    #[tokio::test]
    async fn our_server_is_known_by_its_directory() {
        let port = server(ok(r#"{"pid": 7, "directory": "/cache/1", "ministack": "1.2.3"}"#)).await;
        let ours = Identity {
            pid: 7,
            directory: "/cache/1".into(),
            ministack: "1.2.3".to_owned(),
            script: String::new(),
        };
        assert_eq!(holder(port, Path::new("/cache/1")).await, Holder::Ours(ours));
        assert_eq!(
            holder(port, Path::new("/cache/2")).await,
            other("the local AWS of another cache directory (/cache/1, pid 7)")
        );
    }

    #[tokio::test]
    async fn others_are_named_as_far_as_they_tell() {
        let port = server(ok(r#"{"services": {}, "version": "4.1"}"#)).await;
        assert_eq!(
            holder(port, Path::new("/")).await,
            other("a MiniStack 4.1 that fraudctl did not start")
        );
        let port = server(ok("hello")).await;
        assert_eq!(holder(port, Path::new("/")).await, other("a web server (test/1)"));
        let port = server("SSH-2.0-OpenSSH\r\n".to_owned()).await;
        assert_eq!(
            holder(port, Path::new("/")).await,
            other("a program that does not speak HTTP")
        );
    }

    #[tokio::test]
    async fn a_port_without_a_listener_is_nobodys() {
        // Bound, so that nobody else gets the port meanwhile, but not listening.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let port = socket.local_addr().unwrap().port();
        assert_eq!(holder(port, Path::new("/")).await, Holder::Nobody);
    }
}
