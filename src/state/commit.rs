use super::error::StoreError;
use super::record::State;
use super::store::Store;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::OwnedMutexGuard;

/// One state for many steps at once: each edits it in memory and waits until that is durable. Those who wait at the same
/// time share one write.
///
/// Guarantee: when [`GroupCommit::save`] returns, every edit that its caller made before is durable, or it says why not.
/// Writes follow one another; none is given up in the middle, even when nobody waits for it any more.
#[derive(Clone, Debug)]
pub struct GroupCommit {
    edited: Arc<Mutex<Edited>>,
    writer: Arc<tokio::sync::Mutex<Writer>>,
}

/// The state in memory.
#[derive(Debug)]
struct Edited {
    state: State,
    /// How many edits were made.
    edits: u64,
}

/// The state as it was written last.
#[derive(Debug)]
struct Writer {
    store: Store,
    /// How many edits are durable.
    durable: u64,
    /// How many edits the last write was about that failed, and why it did.
    failed: Option<(u64, StoreError)>,
}

impl GroupCommit {
    /// Begins with what is in the store.
    pub fn new(store: Store) -> Self {
        Self {
            edited: Arc::new(Mutex::new(Edited {
                state: store.state.clone(),
                edits: 0,
            })),
            writer: Arc::new(tokio::sync::Mutex::new(Writer {
                store,
                durable: 0,
                failed: None,
            })),
        }
    }

    /// Looks at the state as it is in memory.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.edited().state)
    }

    /// Edits the state in memory; `edit` says whether it changed anything. Nothing is durable before
    /// [`GroupCommit::save`] has returned.
    pub fn edit(&self, edit: impl FnOnce(&mut State) -> bool) {
        let mut edited = self.edited();
        if edit(&mut edited.state) {
            edited.edits += 1;
        }
    }

    /// Waits until every edit up to now is durable.
    ///
    /// # Errors
    /// The write that was about them failed.
    pub async fn save(&self) -> Result<(), StoreError> {
        let mine = self.edited().edits;
        let writer = Arc::clone(&self.writer).lock_owned().await;
        if writer.durable >= mine {
            return Ok(());
        }
        if let Some((about, why)) = &writer.failed
            && *about >= mine
        {
            return Err(why.clone());
        }
        let at = writer.store.at();
        // In a task of its own: a write that has begun is ended and noted, also when this wait is given up.
        let write = tokio::spawn(write(Arc::clone(&self.edited), writer));
        write.await.unwrap_or_else(|why| Err(StoreError::io("write", at, &why)))
    }

    /// The state with all edits, once no write is under way.
    pub async fn store(&self) -> Store {
        let writer = self.writer.lock().await;
        let mut store = writer.store.clone();
        store.state.resources = self.edited().state.resources.clone();
        store
    }

    fn edited(&self) -> MutexGuard<'_, Edited> {
        // A state is whole at every moment, so even after a panic elsewhere it may be read.
        self.edited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes all edits up to now.
async fn write(edited: Arc<Mutex<Edited>>, mut writer: OwnedMutexGuard<Writer>) -> Result<(), StoreError> {
    let about = {
        let edited = edited.lock().unwrap_or_else(PoisonError::into_inner);
        writer.store.state.resources.clone_from(&edited.state.resources);
        edited.edits
    };
    let written = writer.store.save().await;
    match &written {
        Ok(()) => (writer.durable, writer.failed) = (about, None),
        Err(why) => writer.failed = Some((about, why.clone())),
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Address;
    use crate::state::fake::{Bucket, Lost, place, record};
    use crate::state::{Home, Lock, Objects};
    use std::time::Duration;

    /// A state in a bucket where every write waits until it is let through, and its lock.
    async fn begun(bucket: &Arc<Bucket>) -> (Lock, GroupCommit) {
        let home = Home::bucket(bucket.clone() as Arc<dyn Objects>, "dev");
        bucket.let_through(1);
        let lock = Lock::take(&home, "up", Duration::from_secs(60)).await.unwrap();
        let store = lock.open(place()).await.unwrap();
        (lock, GroupCommit::new(store))
    }

    /// The state that a reader finds.
    fn durable(bucket: &Bucket) -> Option<State> {
        Some(serde_json::from_slice(&bucket.content("dev.json")?).unwrap())
    }

    /// Edits this, and waits until it is durable.
    async fn note(bucket: Arc<Bucket>, commit: GroupCommit, what: usize) -> Result<(), StoreError> {
        let address = Address::from(format!("a.{what}").as_str());
        commit.edit(|state| state.resources.insert(address.clone(), record()).is_none());
        commit.save().await?;
        let found = durable(&bucket).expect("a state");
        assert!(found.resources.contains_key(&address), "{address} is not durable");
        Ok(())
    }

    /// Until so many writes have begun since the lock was taken.
    async fn await_writes(bucket: &Bucket, count: usize) {
        while bucket.puts() < count + 1 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn those_who_wait_at_the_same_time_share_a_write_and_none_returns_before_its_edit_is_durable() {
        let bucket = Bucket::held();
        let (_lock, commit) = begun(&bucket).await;
        let mut steps = tokio::task::JoinSet::new();
        steps.spawn(note(bucket.clone(), commit.clone(), 0));
        await_writes(&bucket, 1).await;
        // While the first is under way, many more come.
        for what in 1..50 {
            steps.spawn(note(bucket.clone(), commit.clone(), what));
        }
        while commit.look(|state| state.resources.len()) < 50 {
            tokio::task::yield_now().await;
        }
        assert!(durable(&bucket).is_none());
        bucket.let_through(1);
        await_writes(&bucket, 2).await;
        assert_eq!(durable(&bucket).unwrap().resources.len(), 1);
        bucket.let_through(1);
        while let Some(step) = steps.join_next().await {
            step.unwrap().unwrap();
        }
        assert_eq!(bucket.puts(), 3, "the lock, the first, and one for all others");
        assert_eq!(durable(&bucket).unwrap().serial, 2);
        // Nothing is left to write.
        commit.save().await.unwrap();
        assert_eq!(bucket.puts(), 3);
    }

    #[tokio::test]
    async fn a_failed_write_fails_all_that_waited_for_it_and_the_next_goes_on_from_what_stands() {
        for lost in [Lost::Request, Lost::Reply] {
            let bucket = Bucket::held();
            let (_lock, commit) = begun(&bucket).await;
            bucket.let_through(100);
            commit.edit(|_| true);
            commit.save().await.unwrap();
            assert_eq!(durable(&bucket).unwrap().serial, 1);

            // The write that arrived though its reply was lost is told from one that did not by reading.
            bucket.lose([Some(lost)]);
            let (first, second) = futures_util::join!(
                note(bucket.clone(), commit.clone(), 1),
                note(bucket.clone(), commit.clone(), 2)
            );
            let arrived = lost == Lost::Reply;
            assert_eq!([first.is_ok(), second.is_ok()], [arrived, arrived], "{lost:?}");
            assert_eq!(durable(&bucket).unwrap().serial, 1 + u64::from(arrived));
            note(bucket.clone(), commit.clone(), 3).await.unwrap();
            let found = durable(&bucket).unwrap();
            assert_eq!(found.resources.len(), 3);
            assert_eq!(found.serial, 2 + u64::from(arrived));
            assert_eq!(commit.store().await.state, found);
        }
    }

    #[tokio::test]
    async fn a_write_goes_on_when_nobody_waits_for_it_any_more() {
        let bucket = Bucket::held();
        let (_lock, commit) = begun(&bucket).await;
        let step = tokio::spawn(note(bucket.clone(), commit.clone(), 1));
        await_writes(&bucket, 1).await;
        step.abort();
        bucket.let_through(1);
        assert_eq!(commit.store().await.state.serial, 1);
        assert_eq!(durable(&bucket).unwrap().resources.len(), 1);
    }
}
