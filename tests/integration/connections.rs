//! How requests leave: not through a proxy to this machine, with its name where one is in between, and to a server whose
//! certificates the user vouches for.

use crate::support::{Emulator, Environment, Run, Running, python};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

/// Every variable that names a proxy.
const VARIABLES: &[&str] = &[
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// A proxy that refuses everything, and counts what it was asked.
struct Refusing {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Refusing {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, SeqCst);
                let mut stream = stream;
                // A client that went away has nothing to be told.
                let _ = stream.read(&mut [0; 8192]);
                let _ = stream
                    .write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 7\r\nconnection: close\r\n\r\nblocked");
            }
        });
        Self { url, asked }
    }
}

#[track_caller]
fn run(command: Command) -> Run {
    Running::start(command).end()
}

#[test]
fn no_request_to_this_machine_goes_through_a_proxy() {
    let (env, proxy) = (Environment::new().scoring(), Refusing::start());
    for args in [
        &["up", "--yes"][..],
        &["diff", "--exit-code"],
        &["send", "--amount", "12.50"],
        &["load", "--rate", "5", "--duration", "1s", "--yes"],
        &["down", "--yes"],
    ] {
        let mut command = env.command(args);
        command.envs(VARIABLES.iter().map(|name| (name, &proxy.url)));
        run(command).exits(0);
    }
    assert_eq!(proxy.asked.load(SeqCst), 0);
}

#[test]
fn a_failure_behind_a_proxy_names_it() {
    let (env, proxy) = (Environment::new().scoring(), Refusing::start());
    let user = proxy.url.replace("http://", "http://me:secret@");
    // An endpoint elsewhere, and AWS itself, which is reached through a tunnel.
    for (endpoint, variable) in [("http://aws.invalid", "HTTP_PROXY"), ("", "HTTPS_PROXY")] {
        let mut command = env.command(&["diff"]);
        command.env("AWS_ENDPOINT_URL", endpoint).env(variable, &user);
        if endpoint.is_empty() {
            command.env_remove("AWS_ENDPOINT_URL");
        }
        let run = run(command).exits(1);
        let named = format!("through the proxy {} ({variable})", proxy.url);
        assert!(run.stderr.contains(&named), "{run:#?}");
        assert!(!run.stderr.contains("secret"), "{run:#?}");
    }
    assert!(proxy.asked.load(SeqCst) >= 2);
}

/// Speaks TLS before the emulator, until dropped.
struct Front(Child, u16);

impl Front {
    fn before(endpoint: &str, folder: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/tls_front.py");
        let port = endpoint.rsplit(':').next().expect("a port");
        let mut child = Command::new(python())
            .arg("-I")
            .arg(script)
            .arg(folder)
            .arg(port)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let said: Value = serde_json::from_str(&line).expect("its port");
        let port = said["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        Self(child, port.expect("a port"))
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // It ends when its input does; a destructor has nobody to tell.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn a_bundle_of_certificates_is_trusted_from_the_variable_and_from_the_profile() {
    let (env, folder) = (Environment::new().scoring(), tempfile::tempdir().expect("a folder"));
    let front = Front::before(Emulator::shared().endpoint(), folder.path());
    let bundle = folder.path().join("ca.pem");
    let diff = |vary: &dyn Fn(&mut Command)| {
        let mut command = env.command(&["diff", "--exit-code"]);
        command.env("AWS_ENDPOINT_URL", format!("https://127.0.0.1:{}", front.1));
        vary(&mut command);
        run(command)
    };
    let unknown = diff(&|_| ()).exits(1);
    assert!(unknown.stderr.contains("certificate"), "{unknown:#?}");
    assert!(unknown.stderr.contains("AWS_CA_BUNDLE"), "{unknown:#?}");
    // There is something to do: nothing is deployed yet.
    diff(&|command| {
        command.env("AWS_CA_BUNDLE", &bundle);
    })
    .exits(4);
    let config = folder.path().join("config");
    std::fs::write(&config, format!("[profile inside]\nca_bundle = {}\n", bundle.display())).expect("written");
    diff(&|command| {
        command.env("AWS_CONFIG_FILE", &config).env("AWS_PROFILE", "inside");
    })
    .exits(4);
    let missing = diff(&|command| {
        command.env("AWS_CA_BUNDLE", folder.path().join("nowhere.pem"));
    });
    let said = missing.exits(1).stderr;
    assert!(said.contains("nowhere.pem, which AWS_CA_BUNDLE names"), "{said}");
    // The local AWS speaks no TLS: what is wrong there is of no interest.
    let mut none = Environment::new().scoring().command(&["local", "status"]);
    none.env("AWS_CA_BUNDLE", folder.path().join("nowhere.pem"))
        .env("FRAUDCTL_CACHE_DIR", folder.path());
    let status = run(none);
    assert!(!status.stderr.contains("AWS_CA_BUNDLE"), "{status:#?}");
}
