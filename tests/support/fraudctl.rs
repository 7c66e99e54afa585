//! The command under test, run as its users run it, each in an account of its own.

use super::{Aws, Emulator, account, stand_in};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An account on an emulator, a folder for the state, and the command line that works on them.
pub struct Environment {
    /// The account, fresh.
    pub account: String,
    /// The independent client of that account.
    pub aws: Aws,
    endpoint: String,
    folder: tempfile::TempDir,
    scoring: bool,
}

/// What one run of the command left.
#[derive(Debug)]
pub struct Run {
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Run {
    /// The one document on standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|why| panic!("no JSON on standard output: {why}\n{self:#?}"))
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }
}

/// The command on a terminal of its own, where this is typed when it asks; a SIGUSR1 closes the terminal.
pub fn on_terminal(inner: &Command, answer: &str) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/terminal.py");
    let mut outer = Command::new(super::venv::python());
    outer.arg("-I").arg(script).arg(Value::from(answer).to_string());
    let mut command = within(outer, inner);
    command.env("TERM", "xterm").env_remove("NO_COLOR");
    command
}

/// The command as the last arguments of another, which starts it.
pub fn within(mut outer: Command, inner: &Command) -> Command {
    outer.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer.stdin(Stdio::null());
    outer
}

/// Does this variable change what the command does, where it connects to or how it speaks? The tests set these themselves;
/// what the shell has set is somebody else's.
fn is_a_setting(name: &str) -> bool {
    const PREFIXES: &[&str] = &["AWS_", "FRAUDCTL_", "LC_", "PYTHON"];
    const NAMES: &[&str] = &[
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "COLUMNS",
        "FORCE_COLOR",
        "LANG",
        "LANGUAGE",
        "NO_COLOR",
        "REQUEST_METHOD",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TZ",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || NAMES.contains(&name)
        || name.to_ascii_lowercase().ends_with("_proxy")
}

impl Environment {
    /// A fresh account on the emulator that the tests share.
    pub fn new() -> Self {
        Self::on(Emulator::shared())
    }

    /// A fresh account on this emulator.
    pub fn on(emulator: &Emulator) -> Self {
        Self::in_account(emulator, &account())
    }

    /// This account on this emulator.
    pub fn in_account(emulator: &Emulator, account: &str) -> Self {
        Self {
            account: account.to_owned(),
            aws: emulator.aws(account),
            endpoint: emulator.endpoint().to_owned(),
            folder: tempfile::tempdir().expect("a temporary folder"),
            scoring: false,
        }
    }

    /// The same with this project's functions, instead of two that do nothing.
    pub fn scoring(self) -> Self {
        Self { scoring: true, ..self }
    }

    /// The command with these arguments, ready to run: nothing of the caller's settings reaches it.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fraudctl"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_a_setting(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        command
            .args(args)
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_ACCESS_KEY_ID", &self.account)
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_REGION", super::REGION)
            .env("AWS_CONFIG_FILE", "/dev/null")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("FRAUDCTL_STATE", self.folder.path())
            .env("FRAUDCTL_CONFIG", self.config())
            .env("FRAUDCTL_FAST_BUILD", "1")
            .env("FRAUDCTL_UNPACED", "1")
            .stdin(Stdio::null());
        if self.scoring {
            command.env("FRAUDCTL_PROJECT", env!("CARGO_MANIFEST_DIR"));
        } else {
            let project = stand_in::project();
            command
                .env("FRAUDCTL_PROJECT", project)
                // Not where the real functions are.
                .env("CARGO_TARGET_DIR", project.join("target"));
        }
        command
    }

    /// Runs the command with these arguments.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Run {
        let output = self.command(args).output().expect("fraudctl starts");
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs the command with these arguments on a terminal, where this is typed when it asks. What the terminal shows is
    /// the standard output.
    #[track_caller]
    pub fn run_on_terminal(&self, args: &[&str], answer: &str) -> Run {
        let output = on_terminal(&self.command(args), answer)
            .output()
            .expect("python starts");
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// `up --yes --json`, which must succeed. Returns its document.
    #[track_caller]
    pub fn up(&self) -> Value {
        self.run(&["up", "--yes", "--json"]).exits(0).json()
    }

    /// `diff --json`, which must succeed. Returns its document.
    #[track_caller]
    pub fn diff(&self) -> Value {
        self.run(&["diff", "--json"]).exits(0).json()
    }

    /// `down --yes --json`, which must succeed. Returns its document.
    #[track_caller]
    pub fn down(&self) -> Value {
        self.run(&["down", "--yes", "--json"]).exits(0).json()
    }

    /// Asserts that a `diff` finds nothing.
    #[track_caller]
    pub fn assert_settled(&self) {
        let diff = self.diff();
        assert_eq!(diff["changes"], Value::Array(Vec::new()), "{diff:#}");
    }

    /// Replaces the settings, in the language of `fraudctl.toml`.
    pub fn settings(&self, toml: &str) {
        std::fs::write(self.config(), toml).expect("the settings are written");
    }

    /// The state file of the default environment.
    pub fn state_file(&self) -> PathBuf {
        self.folder.path().join("dev.json")
    }

    /// The folder that holds the state file.
    pub fn state_folder(&self) -> &Path {
        self.folder.path()
    }

    fn config(&self) -> PathBuf {
        let path = self.folder.path().join("settings.toml");
        if !path.exists() {
            std::fs::write(&path, "").expect("empty settings are written");
        }
        path
    }
}
