use super::error::StoreError;
use super::file;
use super::lease::Lease;
use super::objects::{Object, Objects, Put, Safeguard, Standing};
use super::shell::for_shell;
use super::text;
use crate::resource::Class;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the state of one environment is kept, and its lock beside it.
#[derive(Clone, Debug)]
pub enum Home {
    /// A file of this machine.
    File(PathBuf),
    /// An object in a bucket.
    Bucket(Bucket),
}

/// A state in a bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    pub(super) objects: Arc<dyn Objects>,
    pub(super) env: String,
    /// The lock, where we hold it. Whoever writes does.
    pub(super) lease: Option<Lease>,
}

/// What stands at home.
pub(super) struct Found {
    pub(super) content: Vec<u8>,
    /// What tells it from what others write; only in a bucket.
    pub(super) etag: Option<String>,
}

impl Home {
    /// The state of an environment in a bucket.
    pub fn bucket(objects: Arc<dyn Objects>, env: &str) -> Self {
        Self::Bucket(Bucket {
            objects,
            env: env.to_owned(),
            lease: None,
        })
    }

    /// Where it is, for people: a path, or a URL.
    pub fn at(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Bucket(bucket) => bucket.objects.url(&bucket.state()),
        }
    }

    /// How a person takes a state of this home out of use without losing it; `at` is where it was found, as [`Home::at`] says
    /// it. Not by `fraudctl state move`, which takes it elsewhere.
    pub fn set_aside(&self, at: &str) -> String {
        let (from, to) = (for_shell(at), for_shell(&format!("{at}.old")));
        match self {
            Self::File(_) => format!("rename the file (`mv {from} {to}`)"),
            Self::Bucket(bucket) => {
                let command = bucket.objects.command(&format!("s3 mv {from} {to}"));
                format!("rename the object (`{command}`)")
            }
        }
    }

    /// Is it on this machine?
    pub fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Do both name one place, in whatever spelling?
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(one), Self::File(other)) => file::are_one(one, other),
            _ => self.at() == other.at(),
        }
    }

    /// The state before, where the current one is gone. Only in a folder: a bucket keeps versions of all that ever stood
    /// there, also of what was removed on purpose.
    pub fn left_behind(&self) -> Option<String> {
        let Self::File(path) = self else { return None };
        (!file::is_there(path) && !self.is_first()).then(|| file::previous(path).display().to_string())
    }

    /// Is it certain that there is no state before the current one? Of a bucket that is not asked.
    pub(super) fn is_first(&self) -> bool {
        match self {
            Self::File(path) => !file::is_there(&file::previous(path)),
            Self::Bucket(_) => false,
        }
    }

    /// Does the bucket keep what is in it? What could not be asked is told in the notes.
    ///
    /// # Errors
    /// Something that it needs is off, with the command that turns it on.
    pub async fn check(&self) -> Result<Vec<String>, StoreError> {
        let Self::Bucket(bucket) = self else {
            return Ok(Vec::new());
        };
        let mut notes = Vec::new();
        for Safeguard { what, on, mend } in bucket.objects.safeguards().await {
            match on {
                Ok(true) => {}
                Ok(false) => {
                    return Err(StoreError::Unguarded {
                        at: self.at(),
                        what,
                        mend,
                    });
                }
                Err(why) => notes.push(format!(
                    "the {what} of the bucket of {} was not checked: {why}",
                    self.at()
                )),
            }
        }
        Ok(notes)
    }

    /// What stands here.
    pub(super) async fn read(&self) -> Result<Option<Found>, StoreError> {
        match self {
            Self::File(path) => {
                let content = file::read(path).map_err(|why| self.cannot("read", &why))?;
                Ok(content.map(|content| Found { content, etag: None }))
            }
            Self::Bucket(bucket) => {
                let found = bucket.objects.get(&bucket.state()).await;
                let found = found.map_err(|why| StoreError::bucket("read", self.at(), why))?;
                Ok(found.map(|found| Found {
                    content: found.content,
                    etag: Some(found.etag),
                }))
            }
        }
    }

    /// The states before the current one that are still there, the newest first, as long as `wanted` says so. It is told
    /// where each was found.
    pub(super) async fn earlier<T>(
        &self,
        mut wanted: impl FnMut(&str, &[u8]) -> Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match self {
            Self::File(path) => {
                let path = file::previous(path);
                let at = path.display().to_string();
                let content = file::read(&path).map_err(|why| StoreError::io("read", &at, &why))?;
                content.map_or(Ok(None), |content| wanted(&at, &content))
            }
            Self::Bucket(bucket) => {
                let (name, failed) = (bucket.state(), |why| StoreError::bucket("read", self.at(), why));
                let current = bucket.objects.get(&name).await.map_err(failed)?.is_some();
                let versions = bucket.objects.versions(&name).await.map_err(failed)?;
                for id in versions.iter().skip(usize::from(current)) {
                    let content = bucket.objects.version(&name, id).await.map_err(failed)?;
                    match wanted(&self.at(), &content) {
                        Ok(None) | Err(StoreError::Damaged { .. }) => {}
                        other => return other,
                    }
                }
                Ok(None)
            }
        }
    }

    /// Writes, if what stands here is still what we know of. Returns what tells the new content from others.
    pub(super) async fn write(
        &self,
        content: String,
        etag: Option<&str>,
        manner: Manner,
    ) -> Result<Option<String>, StoreError> {
        match self {
            Self::File(path) => {
                let path = path.clone();
                let put = move || match manner {
                    Manner::Next => file::write(&path, content.as_bytes()),
                    Manner::InPlaceOfDamaged => file::mend(&path, content.as_bytes()),
                };
                off_the_loop(put).await.map_err(|why| self.cannot("write", &why))?;
                Ok(None)
            }
            Self::Bucket(bucket) => bucket.write(content, etag).await.map(Some),
        }
    }

    /// Removes what stands here, when nothing is left to remember.
    pub(super) async fn discard(&self, etag: Option<&str>) -> Result<(), StoreError> {
        match self {
            Self::File(path) => file::discard(path).map_err(|why| self.cannot("remove", &why)),
            Self::Bucket(bucket) => bucket.remove(&bucket.state(), etag).await,
        }
    }

    /// Takes it out of use: it lives elsewhere now.
    pub(super) async fn retire(&self, etag: Option<&str>) -> Result<(), StoreError> {
        match self {
            Self::File(path) => file::retire(path).map_err(|why| self.cannot("rename", &why)),
            Self::Bucket(bucket) => bucket.remove(&bucket.state(), etag).await,
        }
    }

    /// Whose writes ours are, where several may write.
    pub(super) fn writer(&self) -> Option<&str> {
        match self {
            Self::File(_) => None,
            Self::Bucket(bucket) => bucket.lease.as_ref().map(Lease::token),
        }
    }

    pub(super) fn cannot(&self, doing: &'static str, why: &dyn Display) -> StoreError {
        StoreError::io(doing, self.at(), &why)
    }
}

/// What becomes of what stood where something is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Manner {
    /// It is kept as the state before.
    Next,
    /// It is kept aside; the state before stays as it is. In a bucket every state stays as a version.
    InPlaceOfDamaged,
}

/// How often a write of ours may turn out to have arrived late before it is given up.
pub(super) const TRIES: u32 = 4;

impl Bucket {
    pub(super) fn state(&self) -> String {
        format!("{}.json", self.env)
    }

    pub(super) fn lock(&self) -> String {
        format!("{}.lock", self.env)
    }

    /// The lock, of which it is certain that it is ours.
    pub(super) async fn hold(&self) -> Result<&Lease, StoreError> {
        let lost = |why| StoreError::LockLost {
            at: self.objects.url(&self.state()),
            why,
        };
        let lease = self
            .lease
            .as_ref()
            .ok_or_else(|| lost("it was never taken".to_owned()))?;
        lease.hold().await.map_err(lost)?;
        Ok(lease)
    }

    async fn write(&self, content: String, etag: Option<&str>) -> Result<String, StoreError> {
        let (name, at) = (self.state(), self.objects.url(&self.state()));
        let overtaken = || StoreError::Overtaken { at: at.clone() };
        let lease = self.hold().await?;
        let mut standing = etag.map(str::to_owned);
        for _ in 0..TRIES {
            let when = standing.as_deref().map_or(Standing::Nothing, Standing::Tagged);
            let failure = match self.objects.put(&name, content.clone().into_bytes(), when).await {
                Ok(Put::Done(etag)) => return Ok(etag),
                Ok(Put::Refused) => None,
                Err(why) if may_have_arrived(why.class) => Some(why),
                Err(why) => return Err(StoreError::bucket("write", at, why)),
            };
            // The reply may be what was lost. If what stands there is what we wrote, we wrote it: no other run's text
            // names this run.
            let read = self.objects.get(&name).await;
            let there = read.map_err(|why| StoreError::bucket("write", &at, failure.clone().unwrap_or(why)))?;
            match (there, failure) {
                (Some(there), _) if there.content == content.as_bytes() => return Ok(there.etag),
                // It has not arrived.
                (there, Some(why)) if tag(there.as_ref()) == standing.as_deref() => {
                    return Err(StoreError::bucket("write", at, why));
                }
                // An earlier write of ours, which was thought to have failed.
                (Some(there), _) if text::is_of(&there.content, lease.token()) => standing = Some(there.etag),
                _ => return Err(overtaken()),
            }
        }
        Err(overtaken())
    }

    pub(super) async fn remove(&self, name: &str, etag: Option<&str>) -> Result<(), StoreError> {
        let Some(etag) = etag else { return Ok(()) };
        let at = self.objects.url(name);
        let failed = |why| StoreError::bucket("remove", at.clone(), why);
        if self.objects.remove(name, etag).await.map_err(failed)? {
            return Ok(());
        }
        // Gone is what it should be; an earlier try of ours may have arrived.
        match self.objects.get(name).await.map_err(failed)? {
            None => Ok(()),
            Some(_) => Err(StoreError::Overtaken { at }),
        }
    }
}

fn tag(object: Option<&Object>) -> Option<&str> {
    object.map(|object| object.etag.as_str())
}

pub(super) fn may_have_arrived(class: Class) -> bool {
    matches!(class, Class::Exhausted | Class::Ambiguous)
}

/// Runs what waits for a disk where it holds nobody up.
async fn off_the_loop(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|why| Err(io::Error::other(why)))
}

impl From<&Path> for Home {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}
