//! Clients of AWS that share no code with fraudctl: boto3 in processes of their own.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::{Value, json};

use super::venv;

/// Where all tests are.
pub const REGION: &str = "us-east-1";

/// Who asks.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The access key's id.
    pub key: String,
    /// Its secret.
    pub secret: String,
    /// For a role's session.
    pub token: Option<String>,
}

impl Credentials {
    /// Everything in an account of MiniStack.
    pub fn of_account(account: &str) -> Self {
        Self {
            key: account.to_owned(),
            secret: "test".to_owned(),
            token: None,
        }
    }
}

/// What AWS answered instead of a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message} (HTTP {status})")]
pub struct ApiError {
    /// `ResourceNotFoundException`; the name of boto3's own exception when the request never left.
    pub code: String,
    /// AWS's words.
    pub message: String,
    /// The HTTP status; 0 when there was no answer.
    pub status: u16,
}

/// A client. Calls from several threads take turns.
pub struct Aws {
    endpoint: String,
    bridge: Mutex<Bridge>,
}

struct Bridge {
    requests: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Aws {
    /// A client with these credentials.
    pub fn new(endpoint: &str, credentials: &Credentials) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            bridge: Mutex::new(Bridge::connect(endpoint, credentials)),
        }
    }

    /// A client with the rights of a role.
    #[track_caller]
    pub fn assume_role(&self, role_arn: &str) -> Self {
        Self::new(&self.endpoint, &self.session(role_arn))
    }

    /// The keys of a session of this role.
    ///
    /// # Panics
    ///
    /// As [`Aws::call`].
    #[track_caller]
    pub fn session(&self, role_arn: &str) -> Credentials {
        let session = self.call(
            "sts",
            "assume_role",
            json!({"RoleArn": role_arn, "RoleSessionName": "test"}),
        );
        let text = |name: &str| session["Credentials"][name].as_str().unwrap_or_default().to_owned();
        Credentials {
            key: text("AccessKeyId"),
            secret: text("SecretAccessKey"),
            token: Some(text("SessionToken")),
        }
    }

    /// Calls an operation by boto3's names, `call("kms", "describe_key", json!({"KeyId": ...}))`. Bytes are
    /// written `{"$base64": "..."}`, in the parameters as in the result. Nothing is retried.
    ///
    /// # Panics
    ///
    /// When AWS answers with an error.
    #[track_caller]
    pub fn call(&self, service: &str, operation: &str, params: Value) -> Value {
        match self.try_call(service, operation, params) {
            Ok(result) => result,
            Err(error) => panic!("{service} {operation}: {error}"),
        }
    }

    /// As [`Aws::call`], for a test that expects an error.
    pub fn try_call(&self, service: &str, operation: &str, params: Value) -> Result<Value, ApiError> {
        let request = json!({"service": service, "operation": operation, "params": params});
        // A test that panicked while it held the lock was between two lines, or the next read fails too.
        let mut bridge = self.bridge.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answer = bridge.exchange(&request);
        match answer.get("error") {
            Some(error) => Err(ApiError {
                code: error["code"].as_str().unwrap_or_default().to_owned(),
                message: error["message"].as_str().unwrap_or_default().to_owned(),
                status: error["status"]
                    .as_u64()
                    .and_then(|status| status.try_into().ok())
                    .unwrap_or_default(),
            }),
            None => Ok(answer["ok"].take()),
        }
    }

    /// Everything in the account of the kinds that fraudctl makes, whoever made it: sorted lines such as
    /// `sqs queue http://...`, to compare before and after.
    #[track_caller]
    pub fn inventory(&self) -> Vec<String> {
        let found = self.call("bridge", "inventory", json!({}));
        serde_json::from_value(found).expect("a list of strings")
    }

    /// What stands in the account, down to the parts of every resource, without the ids that AWS invents: sorted lines
    /// that are the same for the same system, however it came about.
    #[track_caller]
    pub fn shape(&self) -> Vec<String> {
        let found = self.call("bridge", "shape", json!({}));
        serde_json::from_value(found).expect("a list of strings")
    }
}

impl Bridge {
    fn connect(endpoint: &str, credentials: &Credentials) -> Self {
        let stream = UnixStream::connect(server()).expect("the independent clients");
        let mut requests = stream.try_clone().expect("a second handle");
        let who = json!({
            "endpoint": endpoint,
            "region": REGION,
            "key": credentials.key,
            "secret": credentials.secret,
            "token": credentials.token,
        });
        writeln!(requests, "{who}").expect("the independent clients have ended");
        Self {
            requests,
            answers: BufReader::new(stream),
        }
    }

    fn exchange(&mut self, request: &Value) -> Value {
        writeln!(self.requests, "{request}").expect("the independent client has ended");
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .expect("an answer of the independent client");
        serde_json::from_str(&line).expect("the independent client has ended")
    }
}

/// Where the independent clients of this process are asked for. They end with it.
fn server() -> &'static Path {
    static SERVER: OnceLock<(PathBuf, Child)> = OnceLock::new();
    let (socket, _) = SERVER.get_or_init(|| {
        // The path of a socket has to be short. The clients remove it when this process ends.
        let folder = tempfile::tempdir().expect("a folder").keep();
        let socket = folder.join("aws");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/bridge.py");
        let mut process = Command::new(venv::python())
            .arg("-I")
            .arg(script)
            .arg(&socket)
            // Nothing of the user's AWS configuration.
            .env_clear()
            .envs(env::vars_os().filter(|(name, _)| name == "PATH"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the independent clients");
        let mut ready = String::new();
        let output = process.stdout.take().expect("piped above");
        BufReader::new(output).read_line(&mut ready).expect("a line");
        assert_eq!(ready, "ready\n", "the independent clients did not start");
        (socket, process)
    });
    socket
}
