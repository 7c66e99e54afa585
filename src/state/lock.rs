use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// Who works on an environment. For people only: what binds is the operating system's lock on the file, which dies
/// with its holder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// The machine.
    pub host: String,
    /// Seconds since 1970.
    pub since: u64,
    /// What it does, `up` or `down`.
    pub doing: String,
}

/// Why there is no lock.
#[derive(Debug, Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("{}", held(.path, .holder.as_ref()))]
    Held {
        /// The lock file.
        path: PathBuf,
        /// Who has it, where that can be read.
        holder: Option<Holder>,
    },
    /// The file cannot be used.
    #[error("cannot lock {path}: {why}; free it, or choose another folder with --state or FRAUDCTL_STATE")]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
}

fn held(path: &Path, holder: Option<&Holder>) -> String {
    let who = holder.map_or_else(
        || "another fraudctl".to_owned(),
        |h| {
            let ago = now().saturating_sub(h.since);
            format!("`fraudctl {}` (process {} on {}, for {ago} s)", h.doing, h.pid, h.host)
        },
    );
    format!(
        "{who} holds the lock {}; wait for it to end, and run this again",
        path.display()
    )
}

/// The right to change one environment, until it is dropped or its process dies.
#[derive(Debug)]
pub struct Lock {
    // Held open: closing it gives the lock back.
    _file: File,
}

impl Lock {
    /// Takes the lock beside this state file, or says who has it. Does not wait.
    ///
    /// # Errors
    /// Another process holds it, or the file cannot be made.
    pub fn take(state: &Path, doing: &str) -> Result<Self, LockError> {
        let path = state.with_extension("lock");
        let failed = |why| LockError::Io {
            path: path.clone(),
            why,
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Best effort: the holder may be writing it just now.
                let _ = file.read_to_string(&mut text);
                return Err(LockError::Held {
                    path,
                    holder: serde_json::from_str(&text).ok(),
                });
            }
            Err(TryLockError::Error(why)) => return Err(failed(why)),
        }
        // The file is never removed: whoever opened it before a removal would hold a lock on nothing.
        let holder = Holder {
            pid: std::process::id(),
            host: host(),
            since: now(),
            doing: doing.to_owned(),
        };
        let text = serde_json::to_vec(&holder).map_err(|why| failed(why.into()))?;
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(&text))
            .and_then(|()| file.flush())
            .map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_else(|| "this machine".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_learns_who_has_it_and_a_dropped_lock_binds_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("dev.json");
        let first = Lock::take(&state, "up").unwrap();
        let why = Lock::take(&state, "down").unwrap_err().to_string();
        assert!(
            why.contains("`fraudctl up`") && why.contains(&std::process::id().to_string()),
            "{why}"
        );
        drop(first);
        Lock::take(&state, "down").unwrap();
    }
}
