//! What can go wrong with the local AWS, and what to do about it.

use std::io;
use std::path::PathBuf;

/// Why there is no local AWS, or why it could not be stopped. The message says what was tried, on
/// what, and what to do next; the operating system's own words are the source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// The user has no cache directory of their own.
    #[error("there is no cache directory for this user: name one with FRAUDCTL_CACHE_DIR")]
    NoCacheDirectory,

    /// A file or directory below the cache directory could not be used.
    #[error("cannot {action} {path}: if the place is wrong, name another with FRAUDCTL_CACHE_DIR")]
    Cache {
        /// What was being done: `write`, `create`.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },

    /// No Python interpreter was found.
    #[error(
        "the local AWS is a Python program, and there is no python3 on PATH. Install Python 3.10 \
         or newer (on Debian: apt-get install python3 python3-venv)"
    )]
    NoPython,

    /// Every Python interpreter that was found is too old.
    #[error(
        "the local AWS needs Python 3.10 or newer, and {python} is {version}. Install a newer one \
         and put it on PATH as python3"
    )]
    PythonTooOld {
        /// The interpreter.
        python: PathBuf,
        /// Its version, `3.8`.
        version: String,
    },

    /// The interpreter cannot make virtual environments: Debian packages that part by itself.
    #[error(
        "{python} cannot make a virtual environment, because its module ensurepip is not installed. \
         On Debian run: apt-get install python3-venv"
    )]
    NoVenvModule {
        /// The interpreter.
        python: PathBuf,
    },

    /// A command that prepares the virtual environment could not be started.
    #[error("cannot run {program}")]
    Run {
        /// The program.
        program: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },

    /// A command that prepares the virtual environment failed.
    #[error("`{command}` failed. It said:\n{output}")]
    Command {
        /// The command line.
        command: String,
        /// The last lines that it printed.
        output: String,
    },

    /// The packages could not be downloaded.
    #[error(
        "cannot download MiniStack, which is needed once: the package index does not answer. \
         Check the network, or name a mirror with PIP_INDEX_URL. pip said:\n{output}"
    )]
    NoNetwork {
        /// The last lines that pip printed.
        output: String,
    },

    /// Something that is not ours listens on the port.
    #[error(
        "port {port} of 127.0.0.1 is taken by {by}. Stop that, or choose another port with \
         FRAUDCTL_LOCAL_PORT; to deploy to an emulator of your own, name it in AWS_ENDPOINT_URL \
         instead of --local"
    )]
    PortTaken {
        /// The port.
        port: u16,
        /// Who has it, as far as it tells.
        by: String,
    },

    /// Our own server runs and does not answer.
    #[error(
        "the local AWS (pid {pid}) runs and does not answer; its log is {log}. \
         Run `fraudctl local stop` and start it again"
    )]
    Unresponsive {
        /// The server's process.
        pid: u32,
        /// Its log file.
        log: PathBuf,
    },

    /// The server ended before it was ready.
    #[error("the local AWS ended while it started; its log is {log}. The last lines:\n{tail}")]
    Ended {
        /// The server's log file.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },

    /// The server was not ready in time, and was ended.
    #[error("the local AWS was not ready after {seconds} seconds; its log is {log}. The last lines:\n{tail}")]
    StartTimeout {
        /// How long it was waited for.
        seconds: u64,
        /// The server's log file.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },

    /// The server's process is still there after it was killed.
    #[error("cannot stop the local AWS (pid {pid}): {detail}. End it with: kill -9 {pid}")]
    CannotStop {
        /// The server's process.
        pid: u32,
        /// Why not, as far as is known.
        detail: String,
    },

    /// The running server did not take the order to forget everything.
    #[error(
        "the local AWS at {endpoint} did not reset itself ({detail}); its log is {log}. \
         Run `fraudctl local stop` and then `fraudctl local reset`"
    )]
    CannotReset {
        /// Where it was asked.
        endpoint: String,
        /// What it answered instead.
        detail: String,
        /// The server's log file.
        log: PathBuf,
    },
}

impl LocalError {
    /// For `map_err`: what was being done, to which file or directory.
    pub(super) fn cache(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Cache { action, path, source }
    }
}
