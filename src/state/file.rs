use super::record::{FORMAT, Place, State};
use serde::Deserialize;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a state cannot be read or written. Nothing has changed in AWS when one of these is returned from opening.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The file or its folder cannot be used.
    #[error(
        "cannot {doing} the state file {path}: {why}; free it, or choose another folder with --state or FRAUDCTL_STATE"
    )]
    Io {
        /// `read` or `write`.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// It is no state, or only a part of one.
    #[error(
        "the state file {path} is damaged ({why}); nothing was changed. Put a good copy back, or move it away: \
         `fraudctl up` then finds what exists by names and ownership tags and writes it anew"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where it is damaged.
        why: serde_json::Error,
    },
    /// A newer fraudctl wrote it.
    #[error(
        "the state file {path} has format {found}, but this fraudctl knows only up to {FORMAT}; use the newer fraudctl"
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// The format found.
        found: u64,
    },
    /// It is about something else.
    #[error(
        "the state file {path} is about {what} {theirs}, but this run works on {ours}; switch credentials, region or \
         endpoint back, use another --env, or move the file away if what it describes no longer exists"
    )]
    Elsewhere {
        /// Which file.
        path: PathBuf,
        /// Account, region, endpoint or environment.
        what: &'static str,
        /// What the file says.
        theirs: String,
        /// What we work on.
        ours: String,
    },
}

/// A state and the file that keeps it.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// The state. Change it, then [`Store::save`].
    pub state: State,
}

impl Store {
    /// Reads the state of this place, or begins a new one where there is no file. Writes nothing.
    ///
    /// # Errors
    /// The file cannot be read, is damaged or newer, or is about another place.
    pub fn open(path: &Path, place: Place) -> Result<Self, StoreError> {
        let path = path.to_owned();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                return Ok(Self {
                    path,
                    state: State::new(place),
                });
            }
            Err(why) => {
                return Err(StoreError::Io {
                    doing: "read",
                    path,
                    why,
                });
            }
        };
        let state = parse(&path, &text)?;
        same_place(&path, &state.place, &place)?;
        Ok(Self { path, state })
    }

    /// Makes the state durable: after this returns, a crash of the process or the machine does not undo it; before,
    /// the file holds the previous state, whole.
    ///
    /// # Errors
    /// The file cannot be written; it then holds what it held.
    pub fn save(&mut self) -> Result<(), StoreError> {
        self.state.serial += 1;
        let mut text = serde_json::to_string_pretty(&self.state).map_err(|why| StoreError::Damaged {
            path: self.path.clone(),
            why,
        })?;
        text.push('\n');
        write_atomically(&self.path, text.as_bytes()).map_err(|why| StoreError::Io {
            doing: "write",
            path: self.path.clone(),
            why,
        })
    }

    /// Removes the file, when nothing is left to remember.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn discard(&mut self) -> Result<(), StoreError> {
        match fs::remove_file(&self.path) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(StoreError::Io {
                doing: "remove",
                path: self.path.clone(),
                why,
            }),
            _ => Ok(()),
        }
    }

    /// Where the state is kept.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn parse(path: &Path, text: &str) -> Result<State, StoreError> {
    /// Read first and alone: a newer format need not fit our types.
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    let damaged = |why| StoreError::Damaged {
        path: path.to_owned(),
        why,
    };
    let Version { version } = serde_json::from_str(text).map_err(damaged)?;
    if version > u64::from(FORMAT) {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found: version,
        });
    }
    serde_json::from_str(text).map_err(damaged)
}

fn same_place(path: &Path, theirs: &Place, ours: &Place) -> Result<(), StoreError> {
    let default = "AWS's own".to_owned();
    let rows = [
        ("environment", theirs.env.clone(), ours.env.clone()),
        ("account", theirs.account.clone(), ours.account.clone()),
        ("region", theirs.region.clone(), ours.region.clone()),
        (
            "endpoint",
            theirs.endpoint.clone().unwrap_or_else(|| default.clone()),
            ours.endpoint.clone().unwrap_or(default),
        ),
    ];
    match rows.into_iter().find(|(_, theirs, ours)| theirs != ours) {
        None => Ok(()),
        Some((what, theirs, ours)) => Err(StoreError::Elsewhere {
            path: path.to_owned(),
            what,
            theirs,
            ours,
        }),
    }
}

/// Replaces a file's content so that a crash at any moment leaves either the old content or the new, whole. The file
/// is readable by its owner alone.
///
/// # Errors
/// What the system says; the old content is then untouched.
pub fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // In the same folder, because a rename is atomic only within one file system. Temporary files are 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|failed| failed.error)?;
    // The rename itself is durable only when the folder is.
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            env: "dev".into(),
            account: "000000000001".into(),
            region: "us-east-1".into(),
            endpoint: None,
        }
    }

    #[test]
    fn what_is_saved_is_read_back_and_counts_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/dev.json");
        let mut store = Store::open(&path, place()).unwrap();
        store.save().unwrap();
        store.save().unwrap();
        let again = Store::open(&path, place()).unwrap();
        assert_eq!(again.state, store.state);
        assert_eq!(again.state.serial, 2);
    }

    #[test]
    fn another_account_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.json");
        Store::open(&path, place()).unwrap().save().unwrap();
        let other = Place {
            account: "000000000002".into(),
            ..place()
        };
        let why = Store::open(&path, other).unwrap_err().to_string();
        assert!(
            why.contains("account 000000000001") && why.contains("000000000002"),
            "{why}"
        );
    }

    #[test]
    fn a_file_cut_at_any_length_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.json");
        Store::open(&path, place()).unwrap().save().unwrap();
        let whole = fs::read(&path).unwrap();
        // The last byte is the final newline, which carries nothing.
        for length in 0..whole.len() - 1 {
            fs::write(&path, &whole[..length]).unwrap();
            let refused = Store::open(&path, place());
            assert!(matches!(refused, Err(StoreError::Damaged { .. })), "cut at {length}");
            assert_eq!(fs::read(&path).unwrap().len(), length);
        }
    }

    #[test]
    fn a_newer_format_is_refused_even_if_it_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.json");
        fs::write(&path, r#"{"version": 99, "other": true}"#).unwrap();
        assert!(matches!(
            Store::open(&path, place()),
            Err(StoreError::Newer { found: 99, .. })
        ));
    }

    #[test]
    fn the_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.json");
        Store::open(&path, place()).unwrap().save().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
