use super::open::no_link;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
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
        let mut file = loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let file = no_link(&mut options, &path).map_err(failed)?;
            let file = alone(file, &path)?;
            // Removed between the opening and the locking, it would be a lock on nothing.
            if stands(&file, &path).map_err(failed)? {
                break file;
            }
        };
        // Whatever the umask is, and whoever made the file.
        file.set_permissions(Permissions::from_mode(0o600)).map_err(failed)?;
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

    /// Removes the lock file beside this state file where nobody holds it; what binds is gone with its holder anyway.
    /// Returns whether there was one.
    ///
    /// # Errors
    /// A living process holds it, or the file cannot be removed.
    pub fn clear(state: &Path) -> Result<bool, LockError> {
        let path = state.with_extension("lock");
        let failed = |why| LockError::Io {
            path: path.clone(),
            why,
        };
        let file = match no_link(OpenOptions::new().read(true).write(true), &path) {
            Ok(file) => alone(file, &path)?,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(why) => return Err(failed(why)),
        };
        // Held meanwhile: who waits for it sees that it is gone.
        if stands(&file, &path).map_err(failed)? {
            std::fs::remove_file(&path).map_err(failed)?;
        }
        Ok(true)
    }
}

/// The file, locked for us alone, or who has it.
fn alone(mut file: File, path: &Path) -> Result<File, LockError> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // Best effort: the holder may be writing it just now.
            let _ = file.read_to_string(&mut text);
            Err(LockError::Held {
                path: path.to_owned(),
                holder: serde_json::from_str(&text).ok(),
            })
        }
        Err(TryLockError::Error(why)) => Err(LockError::Io {
            path: path.to_owned(),
            why,
        }),
    }
}

/// Is this open file still the one of this name?
fn stands(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(why) => Err(why),
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

    #[test]
    fn a_lock_file_is_cleared_only_when_nobody_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("dev.json");
        assert!(!Lock::clear(&state).unwrap());
        let held = Lock::take(&state, "up").unwrap();
        assert!(matches!(Lock::clear(&state), Err(LockError::Held { .. })));
        drop(held);
        assert!(Lock::clear(&state).unwrap());
        assert!(!state.with_extension("lock").exists());
        Lock::take(&state, "up").unwrap();
    }

    #[test]
    fn a_lock_file_of_everybody_becomes_its_owners_and_a_link_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("dev.json");
        let path = state.with_extension("lock");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        drop(Lock::take(&state, "up").unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let other = folder.path().join("other");
        std::fs::rename(&path, &other).unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        let content = std::fs::read(&other).unwrap();
        for refused in [Lock::take(&state, "up").err(), Lock::clear(&state).err()] {
            let why = refused.unwrap().to_string();
            assert!(why.contains("symbolic link"), "{why}");
        }
        assert_eq!(std::fs::read(&other).unwrap(), content);
    }
}
