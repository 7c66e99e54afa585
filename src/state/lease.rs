use super::holder::{Claim, Holder, LockError};
use super::machine::{self, Clocks, Process};
use super::objects::{Object, Objects, Put, Standing};
use crate::resource::{Class, Failure};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// A lock in a bucket: an object that its holder writes anew before it is too old.
///
/// Guarantees: of those who want it, one gets it, since every write is on condition that nobody else has written. It binds
/// for its time after the last write, by the clock of the bucket alone. Who cannot renew it in time learns that before
/// others may take it, by a clock that no setting moves and no suspension stops, and by the time of day, which goes on while a
/// virtual machine is paused. Where either says that its end is near, it is renewed.
///
/// It does not stop a call that has left. So who takes it over writes the state first, and whoever had it before can write
/// no intent any more; see [`super::Lock::open`].
#[derive(Clone, Debug)]
pub struct Lease(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    objects: Arc<dyn Objects>,
    name: String,
    claim: Claim,
    /// Taken for as long as a write of it is under way.
    standing: tokio::sync::Mutex<Written>,
    until: Mutex<Until>,
    clocks: Clocks,
}

/// The lease as it was written last.
#[derive(Debug)]
struct Written {
    etag: String,
    renewals: u64,
}

#[derive(Debug)]
struct Until {
    /// Since when nobody else may have it, for its time.
    since: Moment,
    /// Why it is not ours any more, once that is certain.
    lost: Option<String>,
}

/// A moment by both clocks.
#[derive(Clone, Copy, Debug)]
struct Moment {
    up: Duration,
    wall: SystemTime,
}

impl Moment {
    fn now(clocks: Clocks) -> Self {
        Self {
            up: (clocks.up)(),
            wall: (clocks.wall)(),
        }
    }

    /// How long ago it was, by the clock that says more; nothing where one of them went back, and so cannot be trusted.
    fn age(self, clocks: Clocks) -> Option<Duration> {
        let now = Self::now(clocks);
        let up = now.up.checked_sub(self.up)?;
        Some(up.max(now.wall.duration_since(self.wall).ok()?))
    }
}

/// How often it is tried to take a lock that others take and give back meanwhile.
const TRIES: u32 = 5;
/// After so many writes of which nobody learns what became of them, S3 is not asked to take another. Each was tried for as
/// long as it is worth waiting for.
const LOST: u32 = 2;
/// The bucket tells times in whole seconds, so an age may be told too high by one, and a clock of its own may differ from
/// another of its own by as much.
const ROUNDING: Duration = Duration::from_secs(2);

impl Lease {
    /// Takes it, or says who has it. Does not wait. Says too whether it was taken from a holder who is gone.
    pub(super) async fn take(
        objects: &Arc<dyn Objects>,
        name: &str,
        doing: &str,
        ttl: Duration,
    ) -> Result<(Self, bool), LockError> {
        Self::take_at(objects, name, doing, ttl, Clocks::here()).await
    }

    async fn take_at(
        objects: &Arc<dyn Objects>,
        name: &str,
        doing: &str,
        ttl: Duration,
        clocks: Clocks,
    ) -> Result<(Self, bool), LockError> {
        let at = objects.url(name);
        let failed = |why: Failure| LockError::Io {
            at: at.clone(),
            why: why.to_string(),
            mend: "",
        };
        let claim = Claim {
            holder: Holder::here(doing),
            token: token(),
            seconds: ttl.as_secs(),
            renewals: 0,
        };
        let text = print(&claim, 0).map_err(failed)?;
        let ours = |etag: String, since: Moment| {
            Self(Arc::new(Shared {
                objects: Arc::clone(objects),
                name: name.to_owned(),
                claim: claim.clone(),
                standing: tokio::sync::Mutex::new(Written { etag, renewals: 0 }),
                until: Mutex::new(Until { since, lost: None }),
                clocks,
            }))
        };
        let mut taken_over = false;
        let (mut lost, mut losses) = (None, 0);
        // Before it is written: the bucket counts from later on.
        let begun = Moment::now(clocks);
        for _ in 0..TRIES {
            let found = objects.get(name).await.map_err(failed)?;
            let standing = match &found {
                None => Standing::Nothing,
                Some(found) => {
                    let theirs: Option<Claim> = serde_json::from_slice(&found.content).ok();
                    match judge(theirs.as_ref(), found.age, &claim.token) {
                        // Ours, written by a try whose reply was lost.
                        Judgement::Ours => return Ok((ours(found.etag.clone(), begun), taken_over)),
                        Judgement::Binds(lapses) => {
                            return Err(LockError::Held {
                                at,
                                holder: theirs.map(|claim| Box::new(claim.holder)),
                                lapses: Some(lapses),
                            });
                        }
                        Judgement::Free => Standing::Tagged(&found.etag),
                    }
                }
            };
            // That S3 takes no write is not to be told as somebody's lock.
            if let Some(why) = lost.take().filter(|_| losses >= LOST) {
                return Err(failed(why));
            }
            taken_over |= found.is_some();
            match objects.put(name, text.clone(), standing).await {
                Ok(Put::Done(etag)) => return Ok((ours(etag, begun), taken_over)),
                // Somebody was faster: look again.
                Ok(Put::Refused) => {}
                // We may have been, and do not know it.
                Err(why) if matches!(why.class, Class::Exhausted | Class::Ambiguous) => {
                    lost = Some(why);
                    losses += 1;
                }
                Err(why) => return Err(failed(why)),
            }
        }
        Err(LockError::Held {
            at,
            holder: None,
            lapses: None,
        })
    }

    /// Who has it now, for a note: where it cannot be read, nobody is named.
    pub(super) async fn holder(objects: &Arc<dyn Objects>, name: &str) -> Option<Holder> {
        let found = objects.get(name).await.ok()??;
        let claim: Claim = serde_json::from_slice(&found.content).ok()?;
        let binds = matches!(judge(Some(&claim), found.age, ""), Judgement::Binds(_));
        binds.then_some(claim.holder)
    }

    /// What tells the writes of this run from all others.
    pub fn token(&self) -> &str {
        &self.0.claim.token
    }

    /// Makes sure that the lease is ours now, renewing it where that is in doubt.
    ///
    /// # Errors
    /// It is not, and why: nothing may be changed any more.
    pub async fn hold(&self) -> Result<(), String> {
        if self.is_fresh()? {
            return Ok(());
        }
        let written = self.0.standing.lock().await;
        // Others may have waited for the same.
        if self.is_fresh()? {
            return Ok(());
        }
        self.write(written).await
    }

    /// Writes it anew.
    async fn renew(&self) -> Result<(), String> {
        self.write(self.0.standing.lock().await).await
    }

    /// Also after a pause of any length: if the bucket still has what we wrote last, nobody had it meanwhile.
    async fn write(&self, mut written: tokio::sync::MutexGuard<'_, Written>) -> Result<(), String> {
        for _ in 0..TRIES {
            self.is_fresh()?;
            let begun = Moment::now(self.0.clocks);
            let renewals = written.renewals + 1;
            let text = print(&self.0.claim, renewals).map_err(|why| why.to_string())?;
            let put = self.0.objects.put(&self.0.name, text, Standing::Tagged(&written.etag));
            match put.await {
                Ok(Put::Done(etag)) => {
                    *written = Written { etag, renewals };
                    self.until().since = begun;
                    return Ok(());
                }
                Ok(Put::Refused) => {}
                Err(why) => return Err(format!("it could not be renewed: {why}")),
            }
            let found = self.0.objects.get(&self.0.name).await;
            let found = found.map_err(|why| format!("it could not be renewed: {why}"))?;
            match self.ours(found.as_ref()) {
                // A renewal whose reply was lost.
                Ok((etag, renewals)) => *written = Written { etag, renewals },
                Err(why) => {
                    self.until().lost = Some(why.clone());
                    return Err(why);
                }
            }
        }
        Err("it could not be renewed".to_owned())
    }

    /// Renews it, well before it ends, for as long as this is polled and it is ours.
    pub(super) async fn keep(self) {
        let ttl = Duration::from_secs(self.0.claim.seconds);
        let mut pause = ttl / 3;
        loop {
            tokio::time::sleep(pause).await;
            // One that hangs is given up while there is time for another.
            let renewed = tokio::time::timeout(ttl / 3, self.renew()).await;
            if self.until().lost.is_some() {
                return;
            }
            pause = if matches!(renewed, Ok(Ok(()))) {
                ttl / 3
            } else {
                ttl / 10
            };
        }
    }

    /// Gives it back, where it is still ours. From then on nothing may be changed.
    ///
    /// # Errors
    /// The bucket cannot be reached. The lease ends by itself then.
    pub async fn release(&self) -> Result<(), Failure> {
        let written = self.0.standing.lock().await;
        if self.until().lost.replace("it was given back".to_owned()).is_some() {
            return Ok(());
        }
        let objects = &self.0.objects;
        if objects.remove(&self.0.name, &written.etag).await? {
            return Ok(());
        }
        // A renewal whose reply was lost stands there, or somebody else's.
        if let Ok((etag, _)) = self.ours(objects.get(&self.0.name).await?.as_ref()) {
            objects.remove(&self.0.name, &etag).await?;
        }
        Ok(())
    }

    /// Is it ours for certain, without asking anybody?
    pub fn is_certain(&self) -> bool {
        self.is_fresh() == Ok(true)
    }

    /// Is it far enough from its end that nobody need be asked? What leaves then has time to arrive.
    fn is_fresh(&self) -> Result<bool, String> {
        let until = self.until();
        if let Some(why) = &until.lost {
            return Err(why.clone());
        }
        let ttl = Duration::from_secs(self.0.claim.seconds);
        Ok(until.since.age(self.0.clocks).is_some_and(|age| age + ttl / 6 < ttl))
    }

    /// The tag and the renewals of what was found, if it is ours; else who has it.
    fn ours(&self, found: Option<&Object>) -> Result<(String, u64), String> {
        let Some(found) = found else {
            return Err("it is gone: somebody else had it meanwhile, or it was removed".to_owned());
        };
        let claim: Option<Claim> = serde_json::from_slice(&found.content).ok();
        match claim {
            Some(claim) if claim.token == self.0.claim.token => Ok((found.etag.clone(), claim.renewals)),
            Some(claim) => Err(format!("{} has it now", claim.holder.told())),
            None => Err("somebody else has it now".to_owned()),
        }
    }

    fn until(&self) -> MutexGuard<'_, Until> {
        // Whole at every moment, even after a panic elsewhere.
        self.0.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a lease that was found means for who wants it.
#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    Ours,
    /// It binds, and until when.
    Binds(String),
    Free,
}

/// `age` is by the clock of the bucket.
fn judge(theirs: Option<&Claim>, age: Duration, token: &str) -> Judgement {
    if theirs.is_some_and(|claim| claim.token == token) {
        return Judgement::Ours;
    }
    // A process that is gone does nothing more, so its lease need not end first.
    let gone = theirs.and_then(|claim| claim.holder.process.as_ref());
    if gone.is_some_and(Process::is_gone) {
        return Judgement::Free;
    }
    // What cannot be read binds as long as any.
    let seconds = theirs.map_or(UNREADABLE, |claim| claim.seconds);
    let ends = Duration::from_secs(seconds) + ROUNDING;
    match ends.checked_sub(age) {
        Some(left) if !left.is_zero() => {
            Judgement::Binds(format!("it lapses in {} s unless it is renewed", left.as_secs().max(1)))
        }
        _ => Judgement::Free,
    }
}

/// For how many seconds a lease binds that does not say it.
const UNREADABLE: u64 = 60;

fn print(claim: &Claim, renewals: u64) -> Result<Vec<u8>, Failure> {
    let claim = Claim {
        renewals,
        ..claim.clone()
    };
    serde_json::to_vec_pretty(&claim).map_err(|why| Failure::new("fraudctl:lock", "NoJson", why.to_string()))
}

/// A name that no other lease has. A fresh `RandomState` has keys of its own.
fn token() -> String {
    use std::hash::{BuildHasher, RandomState};
    let part = || RandomState::new().hash_one((std::process::id(), machine::uptime()));
    format!("{:016x}{:016x}", part(), part())
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
