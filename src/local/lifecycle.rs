//! Start or reuse, ask, stop, reset.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::error::LocalError;
use super::place::Place;
use super::probe::{self, Holder, Identity};
use super::progress::Progress;
use super::record::Record;
use super::{lock, process, server, venv};

/// The port of the local AWS unless another is chosen. Not 4566, which LocalStack and MiniStack listen
/// on when their users start them, so that both can run side by side.
pub const DEFAULT_PORT: u16 = 4599;

/// Which local AWS, and how it is started when it does not run yet.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port of 127.0.0.1. Each port is a local AWS of its own, with its own state.
    pub port: u16,
    /// The directory below which everything is kept, made when it is missing.
    pub cache: PathBuf,
    /// Whether what is deployed outlives the server. Of no effect on a server that runs already.
    pub persist: bool,
    /// The Python interpreter that the private virtual environment is made with, instead of the first
    /// suitable one on PATH. Of no effect once that environment exists.
    pub python: Option<PathBuf>,
}

impl Options {
    /// The default port below the user's cache directory, with state that persists.
    ///
    /// # Errors
    ///
    /// [`LocalError::NoCacheDirectory`] when the user has none.
    pub fn for_user() -> Result<Self, LocalError> {
        let cache = dirs::cache_dir().ok_or(LocalError::NoCacheDirectory)?;
        Ok(Self::below(cache.join("fraudctl")))
    }

    /// The default port below this cache directory, with state that persists.
    #[must_use]
    pub fn below(cache: PathBuf) -> Self {
        Self {
            port: DEFAULT_PORT,
            cache,
            persist: true,
            python: None,
        }
    }
}

/// A local AWS that runs and answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalAws {
    /// What `AWS_ENDPOINT_URL` has to be: `http://127.0.0.1:4599`.
    pub endpoint: String,
    /// The server's process, which also leads a process group with the functions it runs.
    pub pid: u32,
    /// The server's log file.
    pub log: PathBuf,
    /// Whether this call started it.
    pub started: bool,
}

/// Finds the local AWS, or starts it, having installed it when it is not.
///
/// # Expected flow
///
/// One that runs is found by what it answers on its port, in milliseconds and without a lock. Otherwise,
/// under a lock, the virtual environment is made (some 10 seconds, once, from the network) and the server
/// started (half a second), with the state that the last one left.
///
/// # Guarantees
///
/// - What is returned answered just now, as MiniStack of the pinned version, started by fraudctl for this
///   cache directory and port. No record is believed: neither a reboot nor a reused process number nor
///   somebody else's server on the port leads astray.
/// - Callers at the same time get the same server.
/// - It listens on 127.0.0.1 alone, and goes on when the caller ends or its terminal closes.
/// - Killed at any moment, the next start finds the server or starts it, and makes a half-made virtual
///   environment again.
///
/// # Errors
///
/// No suitable Python, no network for the one download, a port that somebody else has, or a server that
/// does not get ready; each names what to do.
pub async fn start(options: &Options, progress: Progress<'_>) -> Result<LocalAws, LocalError> {
    let place = Place::prepare(&options.cache, options.port)?;
    if let Holder::Ours(identity) = probe::holder(place.port, &place.directory).await
        && is_current(&identity)
    {
        return Ok(running(&place, &identity, false));
    }
    let _lock = exclusive(&place, progress).await?;
    match probe::holder(place.port, &place.directory).await {
        // Another fraudctl started it while this one waited for the lock.
        Holder::Ours(identity) if is_current(&identity) => return Ok(running(&place, &identity, false)),
        Holder::Ours(identity) => {
            progress("Replacing the local AWS, which is of another version");
            server::stop(&place, identity.pid).await?;
        }
        Holder::Nobody => {}
        Holder::Silent => return Err(silent(&place).await),
        Holder::Other(by) => return Err(LocalError::PortTaken { port: place.port, by }),
    }
    let python = venv::ensure(&place.shared, options.python.as_deref(), progress).await?;
    progress("Starting the local AWS");
    let identity = server::launch(&place, &python, options.persist).await?;
    Ok(running(&place, &identity, true))
}

/// The local AWS, if it runs and answers.
///
/// # Errors
///
/// [`LocalError::Unresponsive`] when it runs and does not answer, and what goes wrong with the cache
/// directory. A port that somebody else has is no error: the local AWS does not run.
pub async fn status(options: &Options) -> Result<Option<LocalAws>, LocalError> {
    let place = Place::prepare(&options.cache, options.port)?;
    match probe::holder(place.port, &place.directory).await {
        Holder::Ours(identity) => Ok(Some(running(&place, &identity, false))),
        Holder::Silent => match recorded(&place).await {
            Some(pid) => Err(LocalError::Unresponsive { pid, log: place.log() }),
            None => Ok(None),
        },
        Holder::Nobody | Holder::Other(_) => Ok(None),
    }
}

/// Stops the local AWS; its state stays. Tells whether there was one to stop.
///
/// One that no longer answers is ended as well. Somebody else's server on the port is left alone.
///
/// # Errors
///
/// [`LocalError::CannotStop`] when its process outlives SIGKILL, and what goes wrong with the cache
/// directory.
pub async fn stop(options: &Options, progress: Progress<'_>) -> Result<bool, LocalError> {
    let place = Place::prepare(&options.cache, options.port)?;
    let _lock = exclusive(&place, progress).await?;
    let pid = match probe::holder(place.port, &place.directory).await {
        Holder::Ours(identity) => Some(identity.pid),
        Holder::Nobody | Holder::Silent | Holder::Other(_) => recorded(&place).await,
    };
    match pid {
        Some(pid) => server::stop(&place, pid).await.map(|()| true),
        None => Record::remove(&place.record()).map(|()| false),
    }
}

/// Makes the local AWS forget everything: every account, resource, item and message. It goes on running
/// if it runs, and does not start if it does not.
///
/// # Errors
///
/// [`LocalError::CannotReset`] when it runs and refuses, and what goes wrong with the cache directory.
pub async fn reset(options: &Options, progress: Progress<'_>) -> Result<(), LocalError> {
    let place = Place::prepare(&options.cache, options.port)?;
    let _lock = exclusive(&place, progress).await?;
    if let Holder::Ours(_) = probe::holder(place.port, &place.directory).await {
        return forget(&place).await;
    }
    if let Some(pid) = recorded(&place).await {
        server::stop(&place, pid).await?;
    }
    for path in place.contents() {
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(LocalError::cache("remove", path)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// MiniStack's own reset, which clears its memory and its files and ends the functions' processes.
async fn forget(place: &Place) -> Result<(), LocalError> {
    let refused = |detail: String| LocalError::CannotReset {
        endpoint: place.endpoint(),
        detail,
        log: place.log(),
    };
    match probe::request(place.port, "POST", "/_ministack/reset", Duration::from_secs(30)).await {
        Ok(answer) if answer.status == 200 => Ok(()),
        Ok(answer) => Err(refused(format!("status {}: {}", answer.status, answer.body))),
        Err(error) => Err(refused(error.to_string())),
    }
}

async fn exclusive(place: &Place, progress: Progress<'_>) -> Result<File, LocalError> {
    let waiting = "Waiting for another fraudctl that starts or stops the local AWS";
    lock::acquire(&place.lock(), waiting, progress).await
}

/// One that an older fraudctl started lacks what this one's script adds.
fn is_current(identity: &Identity) -> bool {
    identity.ministack == venv::MINISTACK && identity.script == server::script_digest()
}

fn running(place: &Place, identity: &Identity, started: bool) -> LocalAws {
    LocalAws {
        endpoint: place.endpoint(),
        pid: identity.pid,
        log: place.log(),
        started,
    }
}

/// The process that was started last, if it still serves this directory.
async fn recorded(place: &Place) -> Option<u32> {
    let Record { pid } = Record::read(&place.record())?;
    process::serves(pid, &place.directory).await.then_some(pid)
}

/// Who accepts connections and does not answer?
async fn silent(place: &Place) -> LocalError {
    match recorded(place).await {
        Some(pid) => LocalError::Unresponsive { pid, log: place.log() },
        None => LocalError::PortTaken {
            port: place.port,
            by: "a program that does not answer".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    /// Options with a port that is free, or was a moment ago.
    fn options(cache: &std::path::Path) -> Options {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        Options {
            port: listener.local_addr().unwrap().port(),
            ..Options::below(cache.to_owned())
        }
    }

    #[test]
    fn a_server_of_another_version_or_another_script_is_replaced() {
        let identity = |ministack: &str, script: String| Identity {
            pid: 7,
            directory: "/cache/1".into(),
            ministack: ministack.to_owned(),
            script,
        };
        assert!(is_current(&identity(venv::MINISTACK, server::script_digest())));
        assert!(!is_current(&identity("1.0.0", server::script_digest())));
        assert!(!is_current(&identity(venv::MINISTACK, String::new())));
    }

    #[tokio::test]
    async fn what_a_reboot_leaves_behind_counts_as_stopped() {
        let cache = tempfile::tempdir().unwrap();
        let options = options(cache.path());
        let place = Place::prepare(&options.cache, options.port).unwrap();
        // A number that is somebody else's now: this test's own.
        Record {
            pid: std::process::id(),
        }
        .write(&place.record())
        .unwrap();
        assert_eq!(status(&options).await.unwrap(), None);
        assert!(!stop(&options, &|_| {}).await.unwrap());
        assert_eq!(Record::read(&place.record()), None);
    }

    #[tokio::test]
    async fn resetting_what_does_not_run_removes_its_state_and_nothing_else() {
        let cache = tempfile::tempdir().unwrap();
        let options = options(cache.path());
        let place = Place::prepare(&options.cache, options.port).unwrap();
        for path in place.contents() {
            fs::create_dir_all(path.join("deep")).unwrap();
        }
        fs::write(place.log(), "said").unwrap();
        reset(&options, &|_| {}).await.unwrap();
        assert!(place.contents().iter().all(|path| !path.exists()));
        assert!(place.log().exists());
    }

    #[tokio::test]
    async fn a_taken_port_is_refused_before_anything_is_installed() {
        let cache = tempfile::tempdir().unwrap();
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            // Accepts and hangs up.
            while listener.accept().await.is_ok() {}
        });
        let options = Options {
            port,
            ..Options::below(cache.path().to_owned())
        };
        let error = start(&options, &|_| {}).await.unwrap_err();
        assert!(matches!(error, LocalError::PortTaken { .. }), "{error}");
        assert!(error.to_string().contains("FRAUDCTL_LOCAL_PORT"));
        assert!(!cache.path().join("local/venv").exists());
    }
}
