//! Emulators of AWS that live as long as a test wants them.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::aws::{Aws, Credentials};
use super::venv;

const START_DEADLINE: Duration = Duration::from_secs(120);

/// A running emulator, on a free port of 127.0.0.1, with nothing in it and files of its own. It is killed, with
/// the functions it runs, when this is dropped, and also when the test process ends in any other way.
pub struct Emulator {
    endpoint: String,
    directory: PathBuf,
    guard: Child,
}

/// How a MiniStack is to be.
#[derive(Debug, Clone, Copy, Default)]
pub struct MiniStack {
    /// Whether IAM policies are enforced. A 12-digit access key stays allowed everything; roles are not.
    pub auth: bool,
}

/// How a LocalEmu is to be.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalEmu {
    /// Whether IAM policies are enforced: those of users and roles, with their conditions, boundaries and session
    /// policies, and those of keys, queues and topics. A 12-digit access key is the root user, and stays allowed everything.
    pub enforce: bool,
}

impl Emulator {
    /// MiniStack, started as `--local` starts it, with gaps of it closed. A 12-digit access key is the account.
    pub fn ministack(options: MiniStack) -> Self {
        Self::start(venv::python(), "/_fraudctl/identity", |directory| {
            let mut arguments: Vec<OsString> = vec![
                project().join("tests/support/ministack_server.py").into(),
                "0".into(),
                directory.into(),
            ];
            if options.auth {
                arguments.push("--auth".into());
            }
            arguments
        })
    }

    /// moto: the control plane alone, and one account, 123456789012, for every access key.
    pub fn moto() -> Self {
        Self::start(venv::python(), "/moto-api/", |_| {
            vec![project().join("tests/support/moto_server.py").into()]
        })
    }

    /// LocalEmu, a fork of the last free LocalStack, with gaps of it closed. A 12-digit access key is the account, and
    /// functions are processes of this machine.
    pub fn localemu(options: LocalEmu) -> Self {
        Self::start(venv::localemu(), "/_localemu/health", |directory| {
            let server = project().join("tests/support/localemu_server.py");
            let mut arguments: Vec<OsString> = vec![server.into(), directory.into()];
            if options.enforce {
                arguments.push("--enforce".into());
            }
            arguments
        })
    }

    /// One MiniStack, without enforced policies, for all tests of this process. Each test takes an account of
    /// its own in it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Emulator> = OnceLock::new();
        SHARED.get_or_init(|| Self::ministack(MiniStack::default()))
    }

    /// What `AWS_ENDPOINT_URL` has to be.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// An independent client of the account.
    pub fn aws(&self, account: &str) -> Aws {
        Aws::new(&self.endpoint, &Credentials::of_account(account))
    }

    /// What the emulator has logged up to now. Gone with the emulator.
    pub fn log(&self) -> String {
        log(&self.directory)
    }

    fn start(python: &Path, health: &str, arguments: impl FnOnce(&Path) -> Vec<OsString>) -> Self {
        // Removed by the guard, because the shared emulator is never dropped.
        let directory = tempfile::Builder::new()
            .prefix("emulator-")
            .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
            .expect("a directory for the emulator")
            .keep();
        let mut guard = Command::new(python)
            .arg("-I")
            .arg(project().join("tests/support/guard.py"))
            .arg(&directory)
            .arg(python)
            .arg("-I")
            .args(arguments(&directory))
            // Nothing of the user's AWS configuration.
            .env_clear()
            .envs(env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME" || name == "LANG"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the emulator's guard");
        let Some(port) = first_line(&mut guard).and_then(|line| port(&line)) else {
            panic!("the emulator did not start:\n{}", log(&directory));
        };
        if let Err(error) = await_answer(port, health) {
            panic!("the emulator did not get ready ({error}):\n{}", log(&directory));
        }
        Self {
            endpoint: format!("http://127.0.0.1:{port}"),
            directory,
            guard,
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The guard ends when it reads the end of its input.
        drop(self.guard.stdin.take());
        // A destructor has nobody to tell.
        let _ = self.guard.wait();
    }
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// None when the process ends without a line, or takes too long for it.
fn first_line(process: &mut Child) -> Option<String> {
    let output = process.stdout.take()?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        // Nobody waits any more when this fails.
        let _ = sender.send(read.map(|_| line));
    });
    receiver.recv_timeout(START_DEADLINE).ok()?.ok()
}

fn port(line: &str) -> Option<u16> {
    let announced: Value = serde_json::from_str(line).ok()?;
    announced["port"].as_u64()?.try_into().ok()
}

/// The emulators accept connections from the start, and answer when they are ready.
fn await_answer(port: u16, path: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(START_DEADLINE))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    // LocalEmu answers in the version that it is asked in.
    if [b"HTTP/1.1 200 ", b"HTTP/1.0 200 "]
        .iter()
        .any(|line| answer.starts_with(*line))
    {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&answer).into_owned()))
}

fn log(directory: &Path) -> String {
    let bytes = fs::read(directory.join("server.log")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
