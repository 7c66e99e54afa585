//! A command that runs while the test goes on.

use super::fraudctl::Run;
use super::wait_until;
use std::fs;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;
use tempfile::NamedTempFile;

const PATIENCE: Duration = Duration::from_secs(120);

/// A command that was started. Killed when this is dropped before its end.
pub struct Running {
    child: Child,
    // Files, because nobody has to empty them for the command to go on.
    stdout: NamedTempFile,
    stderr: NamedTempFile,
}

impl Running {
    /// Starts the command.
    pub fn start(mut command: Command) -> Self {
        let (stdout, stderr) = (file(), file());
        command
            .stdout(stdout.reopen().expect("the file for standard output"))
            .stderr(stderr.reopen().expect("the file for standard error"));
        Self {
            child: command.spawn().expect("the command starts"),
            stdout,
            stderr,
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal by its name, such as `INT`.
    pub fn signal(&self, name: &str) {
        let kill = ["-c", "kill -s \"$1\" \"$2\"", "sh", name, &self.pid().to_string()].map(str::to_owned);
        let status = Command::new("sh").args(kill).status().expect("a shell");
        assert!(status.success(), "no signal {name} could be sent");
    }

    /// Waits until it has said this on standard error.
    #[track_caller]
    pub fn await_saying(&self, text: &str) {
        wait_until(PATIENCE, text, || self.said().contains(text).then_some(()));
    }

    /// What it has said on standard error up to now.
    pub fn said(&self) -> String {
        read(&self.stderr)
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(self) -> Run {
        self.end_within(PATIENCE)
    }

    /// As [`Running::end`], for what may take longer, or not as long.
    #[track_caller]
    pub fn end_within(mut self, patience: Duration) -> Run {
        let status = wait_until(patience, "the end of the command", || self.ended());
        Run {
            code: status.code().unwrap_or(-1),
            stdout: read(&self.stdout),
            stderr: read(&self.stderr),
        }
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is our child")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A destructor has nobody to tell; after the end both do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn file() -> NamedTempFile {
    NamedTempFile::new().expect("a temporary file")
}

fn read(file: &NamedTempFile) -> String {
    let bytes = fs::read(file.path()).expect("the file is there until the end");
    String::from_utf8_lossy(&bytes).into_owned()
}
