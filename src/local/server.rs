//! The server's process: started detached, waited for, ended.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::error::LocalError;
use super::place::Place;
use super::probe::{self, Holder, Identity};
use super::process::{self, Target};
use super::record::Record;

/// The script that is run, and those that it uses.
const SCRIPTS: [(&str, &str); 3] = [
    ("serve.py", include_str!("serve.py")),
    ("markup.py", include_str!("markup.py")),
    ("patches.py", include_str!("patches.py")),
];

/// The SHA-256 of the scripts, as a server tells it of those that it runs.
pub(super) fn script_digest() -> String {
    let digest = SCRIPTS
        .iter()
        .fold(Sha256::new(), |digest, (_, text)| digest.chain_update(text));
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Half a second is usual; a busy or slow machine needs more.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// The server itself waits 5 seconds for requests in flight, and then writes its state.
const STOP_DEADLINE: Duration = Duration::from_secs(20);
const KILL_DEADLINE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);

/// The only variables that the server, and through it every function, gets from the user's environment:
/// nothing of the user's AWS configuration is among them.
const INHERITED: [&str; 10] = [
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Starts the server in a process group of its own, where no Ctrl-C of ours reaches it, and waits until
/// it answers.
///
/// Caveats: when the caller gives up waiting, the server goes on to start, and the next start finds it.
pub(super) async fn launch(place: &Place, python: &Path, persist: bool) -> Result<Identity, LocalError> {
    for (name, text) in SCRIPTS {
        let script = place.directory.join(name);
        fs::write(&script, text).map_err(LocalError::cache("write", &script))?;
    }
    let log = fresh_log(place)?;
    let errors = log.try_clone().map_err(LocalError::cache("write", place.log()))?;

    let mut command = Command::new(python);
    command
        .arg("-I")
        .arg(place.directory.join(SCRIPTS[0].0))
        .arg(place.port.to_string())
        .arg(&place.directory)
        .args(persist.then_some("--persist"))
        .current_dir(&place.directory)
        .env_clear()
        .envs(inherited())
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0);
    let mut child = command.spawn().map_err(|source| LocalError::Run {
        program: python.to_owned(),
        source,
    })?;
    // Before it is ready: should this process end first, what it started can still be found and stopped.
    if let Some(pid) = child.id() {
        Record { pid }.write(&place.record())?;
    }
    let identity = ready(place, &mut child).await?;
    Record { pid: identity.pid }.write(&place.record())?;
    Ok(identity)
}

async fn ready(place: &Place, child: &mut Child) -> Result<Identity, LocalError> {
    let deadline = Instant::now() + START_DEADLINE;
    loop {
        // Asked before the port is: should ours have ended because a start that was given up has just
        // got ready, then that one answers.
        let ended = matches!(child.try_wait(), Ok(Some(_)) | Err(_));
        if let Holder::Ours(identity) = probe::holder(place.port, &place.directory).await {
            return Ok(identity);
        }
        if ended {
            return Err(LocalError::Ended {
                log: place.log(),
                tail: tail(&place.log()),
            });
        }
        if Instant::now() > deadline {
            let error = LocalError::StartTimeout {
                seconds: START_DEADLINE.as_secs(),
                log: place.log(),
                tail: tail(&place.log()),
            };
            if let Some(pid) = child.id() {
                // Nothing better can be done when this fails, and the timeout is what to report.
                let _ = process::signal("KILL", Target::Group(pid)).await;
            }
            return Err(error);
        }
        sleep(POLL).await;
    }
}

/// Ends the server: first by asking, so that it writes its state; then by force, with the functions
/// that it runs.
pub(super) async fn stop(place: &Place, pid: u32) -> Result<(), LocalError> {
    let mut detail = "it outlived SIGKILL".to_owned();
    for (name, target, patience) in [
        ("TERM", Target::Process(pid), STOP_DEADLINE),
        ("KILL", Target::Group(pid), KILL_DEADLINE),
    ] {
        if let Err(error) = process::signal(name, target).await {
            detail = error.to_string();
        }
        if gone(place, pid, patience).await {
            return Record::remove(&place.record());
        }
    }
    Err(LocalError::CannotStop { pid, detail })
}

async fn gone(place: &Place, pid: u32, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while process::serves(pid, &place.directory).await {
        if Instant::now() > deadline {
            return false;
        }
        sleep(POLL).await;
    }
    true
}

/// An empty log; the one of the run before stays beside it.
fn fresh_log(place: &Place) -> Result<File, LocalError> {
    let path = place.log();
    match fs::rename(&path, path.with_extension("log.1")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(LocalError::cache("rename", path)(error)),
        _ => {}
    }
    File::options()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(LocalError::cache("write", path))
}

fn inherited() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(|name| INHERITED.contains(&name)))
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
