use super::open::no_link;
use super::record::{FORMAT, Place, State};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
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
        "the state file {path} is damaged ({why}); nothing was changed. `fraudctl state recover` goes back to the one \
         before it. Put a good copy back, or move it away: `fraudctl up` then finds what exists by names and ownership \
         tags and writes it anew"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where it is damaged.
        why: String,
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
        let Some(text) = read(&path)? else {
            return Ok(Self {
                path,
                state: State::new(place),
            });
        };
        let state = parse(&path, &text)?;
        same_place(&path, &state.place, &place)?;
        Ok(Self { path, state })
    }

    /// Reads the state of this environment wherever it is, for those who only look at the file. Writes nothing.
    ///
    /// # Errors
    /// The file cannot be read, is damaged or newer, or is about another environment.
    pub fn of_env(path: &Path, env: &str) -> Result<Option<Self>, StoreError> {
        let Some(text) = read(path)? else { return Ok(None) };
        let state = parse(path, &text)?;
        let place = Place {
            env: env.to_owned(),
            ..state.place.clone()
        };
        same_place(path, &state.place, &place)?;
        Ok(Some(Self {
            path: path.to_owned(),
            state,
        }))
    }

    /// The state before the one in this file, for [`Store::recover`]. Writes nothing.
    ///
    /// # Errors
    /// It cannot be read, is damaged or newer itself, or is about another environment.
    pub fn previous(path: &Path, env: &str) -> Result<Option<Self>, StoreError> {
        let found = Self::of_env(&beside(path, "prev"), env)?;
        Ok(found.map(|found| Self {
            path: path.to_owned(),
            ..found
        }))
    }

    /// Puts this previous state where the current one was. What stood there is kept beside it, as `.damaged`; the
    /// previous one stays as well, so that this can be done again.
    ///
    /// # Errors
    /// The file cannot be written; it then holds what it held.
    pub fn recover(&self) -> Result<(), StoreError> {
        let text = print(&self.state);
        let put = || {
            keep(&self.path, &beside(&self.path, "damaged"))?;
            write_atomically(&self.path, text?.as_bytes())
        };
        put().map_err(|why| self.cannot("write", why))
    }

    /// Makes the state durable: after this returns, a crash of the process or the machine does not undo it; before,
    /// the file holds the previous state, whole.
    ///
    /// # Errors
    /// The file cannot be written; it then holds what it held.
    pub fn save(&mut self) -> Result<(), StoreError> {
        self.state.serial += 1;
        let save = || {
            let text = print(&self.state)?;
            keep(&self.path, &beside(&self.path, "prev"))?;
            write_atomically(&self.path, text.as_bytes())
        };
        save().map_err(|why| self.cannot("write", why))
    }

    /// Removes the file and the one before it, when nothing is left to remember.
    ///
    /// # Errors
    /// The files cannot be removed.
    pub fn discard(&mut self) -> Result<(), StoreError> {
        // The previous one first: what is left after a death in between must not be what is outdated.
        for path in [beside(&self.path, "prev"), self.path.clone()] {
            match fs::remove_file(&path) {
                Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(self.cannot("remove", why)),
                _ => {}
            }
        }
        Ok(())
    }

    fn cannot(&self, doing: &'static str, why: io::Error) -> StoreError {
        StoreError::Io {
            doing,
            path: self.path.clone(),
            why,
        }
    }

    /// Where the state is kept.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// `dev.json.prev` for `dev.json`.
fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(what);
    name.into()
}

/// What is in the file; nothing where there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let mut content = Vec::new();
    let file = no_link(OpenOptions::new().read(true), path);
    match file.and_then(|mut file| file.read_to_end(&mut content)) {
        Ok(_) => Ok(Some(content)),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(StoreError::Io {
            doing: "read",
            path: path.to_owned(),
            why,
        }),
    }
}

/// The state as it is written: readable, and with a checksum, so that a changed byte is seen wherever it is.
fn print(state: &State) -> io::Result<String> {
    #[derive(Serialize)]
    struct Written<'a> {
        #[serde(flatten)]
        state: &'a State,
        checksum: String,
    }
    let checksum = checksum(&serde_json::to_value(state)?);
    Ok(serde_json::to_string_pretty(&Written { state, checksum })? + "\n")
}

/// The key of the checksum in the file. A file without one is taken as it is: whoever edits a state removes it.
const CHECKSUM: &str = "checksum";

/// Of everything but the checksum itself, however it is laid out.
fn checksum(value: &Value) -> String {
    Sha256::digest(value.to_string())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn parse(path: &Path, content: &[u8]) -> Result<State, StoreError> {
    let damaged = |why: String| StoreError::Damaged {
        path: path.to_owned(),
        why,
    };
    let mut value: Value = serde_json::from_slice(content).map_err(|why| damaged(why.to_string()))?;
    // First and alone: a newer format need not fit our types.
    let version = value.get("version").and_then(Value::as_u64);
    let version = version.ok_or_else(|| damaged("it has no version".to_owned()))?;
    if version > u64::from(FORMAT) {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found: version,
        });
    }
    let expected = value.as_object_mut().and_then(|fields| fields.remove(CHECKSUM));
    if expected.is_some_and(|expected| expected != checksum(&value).as_str()) {
        return Err(damaged("its checksum does not fit".to_owned()));
    }
    serde_json::from_slice(content).map_err(|why| damaged(why.to_string()))
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

/// Keeps what stands at `from` also as `to`, at once and whole. Nothing is written where the file system knows links: the
/// file that follows takes the name `from`, not the content.
fn keep(from: &Path, to: &Path) -> io::Result<()> {
    let mut content = Vec::new();
    match no_link(OpenOptions::new().read(true), from) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(why) => return Err(why),
        Ok(mut file) => {
            let between = beside(to, "new");
            // What a death in between left.
            let _ = fs::remove_file(&between);
            if fs::hard_link(from, &between).is_ok() {
                fs::rename(&between, to)?;
                // Where both were one file already, the rename leaves it.
                let _ = fs::remove_file(&between);
                return Ok(());
            }
            file.read_to_end(&mut content)?;
        }
    }
    write_atomically(to, &content)
}

/// Replaces a file's content so that a crash at any moment leaves either the old content or the new, whole. The file
/// is readable by its owner alone.
///
/// # Errors
/// What the system says; the old content is then untouched.
fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // In the same folder, because a rename is atomic only within one file system. 0600 whatever the umask.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.as_file().set_permissions(Permissions::from_mode(0o600))?;
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
    fn every_changed_byte_is_refused_or_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.json");
        let mut store = Store::open(&path, place()).unwrap();
        store.save().unwrap();
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut content = whole.clone();
                content[at] ^= 1 << bit;
                fs::write(&path, &content).unwrap();
                match Store::open(&path, place()) {
                    // The layout, or the name of the checksum.
                    Ok(read) => assert_eq!(read.state, store.state, "byte {at}, bit {bit}"),
                    Err(StoreError::Damaged { .. } | StoreError::Newer { .. }) => {}
                    Err(why) => panic!("byte {at}, bit {bit}: {why}"),
                }
            }
        }
    }

    #[test]
    fn the_state_before_is_kept_and_comes_back_whatever_became_of_the_current_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.json");
        let mut store = Store::open(&path, place()).unwrap();
        assert!(Store::previous(&path, "dev").unwrap().is_none());
        for _ in 0..3 {
            store.save().unwrap();
        }
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() - 1 {
            fs::write(&path, &whole[..length]).unwrap();
            let previous = Store::previous(&path, "dev").unwrap().unwrap();
            assert_eq!(previous.state.serial, 2);
            previous.recover().unwrap();
            assert_eq!(Store::open(&path, place()).unwrap().state, previous.state);
            assert_eq!(fs::read(beside(&path, "damaged")).unwrap(), &whole[..length]);
        }
        let why = Store::previous(&path, "other").unwrap_err().to_string();
        assert!(why.contains("environment dev"), "{why}");
    }

    #[test]
    fn nothing_is_left_of_a_state_that_is_discarded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.json");
        let mut store = Store::open(&path, place()).unwrap();
        store.save().unwrap();
        store.save().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        store.discard().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_symbolic_link_is_refused_and_what_it_names_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("dev.json"), folder.path().join("other.json"));
        Store::open(&other, place()).unwrap().save().unwrap();
        let content = fs::read(&other).unwrap();
        let mut begun = Store::open(&path, place()).unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        let why = crate::resource::chain(&Store::open(&path, place()).unwrap_err());
        assert!(why.contains("symbolic link"), "{why}");
        assert!(begun.save().is_err());
        assert_eq!(fs::read(&other).unwrap(), content);
    }

    #[test]
    fn the_files_are_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.json");
        let mut store = Store::open(&path, place()).unwrap();
        store.save().unwrap();
        store.save().unwrap();
        for path in [path.clone(), beside(&path, "prev")] {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}
