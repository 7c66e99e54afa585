use super::error::StoreError;
use super::file;
use super::holder::{Holder, LockError};
use super::home::{Bucket, Home};
use super::lease::Lease;
use super::machine::Process;
use super::open::no_link;
use super::record::Place;
use super::store::Store;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The right to change one environment: beside a file until it is dropped or its process dies, in a bucket until it is
/// given back or its lease ends.
#[derive(Debug)]
pub struct Lock {
    /// The home, to which only who has the lock writes.
    home: Home,
    /// Was it taken from a holder who is gone?
    taken_over: bool,
    // Dropped, it gives the lock up, or lets the lease end.
    _held: Held,
}

#[derive(Debug)]
enum Held {
    File { _open: File },
    Lease { renewal: JoinHandle<()> },
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Self::Lease { renewal } = self {
            renewal.abort();
        }
    }
}

/// How often the state is read again because the holder before writes it just now.
const FENCES: u32 = 10;

impl Lock {
    /// Takes the lock beside this state, or says who has it. Does not wait. `ttl` is for how long a lease in a bucket binds
    /// after it was written last, in whole seconds.
    ///
    /// # Errors
    /// Another process holds it, or it cannot be made.
    pub async fn take(home: &Home, doing: &str, ttl: Duration) -> Result<Self, LockError> {
        let bucket = match home {
            Home::File(path) => {
                let open = take_file(path, doing)?;
                return Ok(Self {
                    home: home.clone(),
                    taken_over: false,
                    _held: Held::File { _open: open },
                });
            }
            Home::Bucket(bucket) => bucket,
        };
        let (lease, taken_over) = Lease::take(&bucket.objects, &bucket.lock(), doing, ttl).await?;
        let renewal = tokio::spawn(lease.clone().keep());
        Ok(Self {
            home: Home::Bucket(Bucket {
                lease: Some(lease),
                ..bucket.clone()
            }),
            taken_over,
            _held: Held::Lease { renewal },
        })
    }

    /// The home, as its lock's holder may use it.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Was it taken from a holder who is gone, or seems to be?
    pub fn is_taken_over(&self) -> bool {
        self.taken_over
    }

    /// What has to be given back; a file's lock ends with its holder.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.home {
            Home::File(_) => None,
            Home::Bucket(bucket) => bucket.lease.as_ref(),
        }
    }

    /// Opens the state as [`Store::open`] does. Where the lock was taken from a holder who is gone, or only seems to be,
    /// the state is written first: should that one wake up, it can write no intent any more, and so change nothing.
    ///
    /// # Errors
    /// As [`Store::open`] and [`Store::save`].
    pub async fn open(&self, place: Place) -> Result<Store, StoreError> {
        for _ in 0..FENCES {
            let mut store = Store::open(&self.home, place.clone()).await?;
            if !self.taken_over {
                return Ok(store);
            }
            match store.save().await {
                Ok(()) => return Ok(store),
                // The holder before was not gone yet: read what it wrote.
                Err(StoreError::Overtaken { .. }) => {}
                Err(why) => return Err(why),
            }
        }
        Err(StoreError::Overtaken { at: self.home.at() })
    }

    /// As [`Lock::open`], wherever this environment is. Nothing where nothing is remembered.
    ///
    /// # Errors
    /// As [`Store::of_env`] and [`Store::save`].
    pub async fn open_env(&self, env: &str) -> Result<Option<Store>, StoreError> {
        match Store::of_env(&self.home, env).await? {
            Some(store) => self.open(store.state.place).await.map(Some),
            None => Ok(None),
        }
    }

    /// Makes sure, as [`Lock::open`] does, that the holder before writes nothing any more.
    ///
    /// # Errors
    /// As [`Store::find`] and [`Store::save`].
    pub async fn fence(&self, env: &str) -> Result<(), StoreError> {
        // Nothing was taken from anybody, or there is nothing that he could go on from.
        if !self.taken_over {
            return Ok(());
        }
        for _ in 0..FENCES {
            // Also one that was to be moved from here: whoever was at that may not be gone.
            let Some(mut store) = Store::find(&self.home, env).await? else {
                return Ok(());
            };
            match store.save().await {
                Err(StoreError::Overtaken { .. }) => {}
                other => return other,
            }
        }
        Err(StoreError::Overtaken { at: self.home.at() })
    }

    /// Who works on the environment of this state right now, as far as that can be seen without taking part: for a note.
    pub async fn holder(home: &Home) -> Option<Holder> {
        match home {
            // To try the lock would keep out, for a moment, whoever is to have it.
            Home::File(path) => {
                let text = file::read(&path.with_extension("lock")).ok()??;
                let holder: Holder = serde_json::from_slice(&text).ok()?;
                holder.process.as_ref().is_some_and(Process::lives).then_some(holder)
            }
            Home::Bucket(bucket) => Lease::holder(&bucket.objects, &bucket.lock()).await,
        }
    }

    /// Removes the lock of this state where nobody holds it; what binds is gone with its holder anyway. Returns whether
    /// there was one.
    ///
    /// # Errors
    /// A living process holds it, or it cannot be removed.
    pub async fn clear(home: &Home, ttl: Duration) -> Result<bool, LockError> {
        let bucket = match home {
            Home::File(path) => return clear_file(path),
            Home::Bucket(bucket) => bucket,
        };
        let at = bucket.objects.url(&bucket.lock());
        let failed = |why: &dyn std::fmt::Display| LockError::Io {
            at: at.clone(),
            why: why.to_string(),
            mend: "",
        };
        let there = bucket.objects.get(&bucket.lock()).await.map_err(|why| failed(&why))?;
        if there.is_none() {
            return Ok(false);
        }
        let lock = Self::take(home, "state unlock", ttl).await?;
        // Whoever held it may wake up. A state that is damaged stops him by itself, since it is not the one that he wrote.
        let fenced = match lock.fence(&bucket.env).await {
            Ok(()) | Err(StoreError::Damaged { .. } | StoreError::Newer { .. }) => Ok(()),
            Err(why) => Err(failed(&why)),
        };
        if let Some(lease) = lock.lease() {
            lease.release().await.map_err(|why| failed(&why))?;
        }
        fenced.map(|()| true)
    }
}

/// Takes the lock file beside this state file.
fn take_file(state: &Path, doing: &str) -> Result<File, LockError> {
    let path = state.with_extension("lock");
    let failed = |why| LockError::io(&path, &why);
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
    let text = serde_json::to_vec(&Holder::here(doing)).map_err(|why| failed(why.into()))?;
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(&text))
        .and_then(|()| file.flush())
        .map_err(failed)?;
    Ok(file)
}

/// Removes the lock file beside this state file.
fn clear_file(state: &Path) -> Result<bool, LockError> {
    let path = state.with_extension("lock");
    let failed = |why| LockError::io(&path, &why);
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

/// The file, locked for us alone, or who has it.
fn alone(mut file: File, path: &Path) -> Result<File, LockError> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // Best effort: the holder may be writing it just now.
            let _ = file.read_to_string(&mut text);
            Err(LockError::Held {
                at: path.display().to_string(),
                holder: serde_json::from_str(&text).ok().map(Box::new),
                lapses: None,
            })
        }
        Err(TryLockError::Error(why)) => Err(LockError::io(path, &why)),
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

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_second_taker_learns_who_has_it_and_a_dropped_lock_binds_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::File(folder.path().join("dev.json"));
        let first = Lock::take(&home, "up", TTL).await.unwrap();
        let why = Lock::take(&home, "down", TTL).await.unwrap_err().to_string();
        for part in ["`fraudctl up`", &std::process::id().to_string(), "since 20"] {
            assert!(why.contains(part), "{why}");
        }
        drop(first);
        Lock::take(&home, "down", TTL).await.unwrap();
    }

    #[tokio::test]
    async fn a_lock_file_is_cleared_only_when_nobody_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::File(folder.path().join("dev.json"));
        assert!(!Lock::clear(&home, TTL).await.unwrap());
        let held = Lock::take(&home, "up", TTL).await.unwrap();
        assert!(matches!(Lock::clear(&home, TTL).await, Err(LockError::Held { .. })));
        drop(held);
        assert!(Lock::clear(&home, TTL).await.unwrap());
        assert!(!folder.path().join("dev.lock").exists());
        Lock::take(&home, "up", TTL).await.unwrap();
    }

    #[tokio::test]
    async fn a_lock_file_of_everybody_becomes_its_owners_and_a_link_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::File(folder.path().join("dev.json"));
        let path = folder.path().join("dev.lock");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        drop(Lock::take(&home, "up", TTL).await.unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        let other = folder.path().join("other");
        std::fs::rename(&path, &other).unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        let content = std::fs::read(&other).unwrap();
        for refused in [
            Lock::take(&home, "up", TTL).await.err(),
            Lock::clear(&home, TTL).await.err(),
        ] {
            let why = refused.unwrap().to_string();
            assert!(why.contains("symbolic link"), "{why}");
        }
        assert_eq!(std::fs::read(&other).unwrap(), content);
    }
}
