use super::error::StoreError;
use super::lock::Lock;
use super::record::State;
use super::store::Store;
use thiserror::Error;

/// What a move did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// The state is at its new home now.
    Done {
        /// Its serial, which a move does not change.
        serial: u64,
        /// How many resources it remembers.
        resources: usize,
    },
    /// It was there already, and nothing is left where it came from.
    Already {
        /// Its serial.
        serial: u64,
    },
}

/// Why a state was not moved. What stood at either home stands there still.
#[derive(Debug, Error)]
pub enum MoveError {
    /// A state of the environment stands at the new home.
    #[error(
        "{to} holds a state of this environment already (serial {theirs}; {from} has serial {ours}{same}); nothing was \
         moved. Look at both with `fraudctl state list`, and remove the one that is not to stay"
    )]
    Occupied {
        /// Where it was to be moved from.
        from: String,
        /// Where it was to be moved to.
        to: String,
        /// The serial of the state to be moved.
        ours: u64,
        /// The serial of the state in the way.
        theirs: u64,
        /// Whether the two have one history, in words.
        same: &'static str,
    },
    /// There is no state to move.
    #[error("there is no state at {0} to move; nothing was moved")]
    Nothing(String),
    /// What was written is not what was read back.
    #[error("{0} holds another state than was written there; the old one stays in use")]
    Differs(String),
    /// One of them cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Moves the state of an environment from one home to another, of both of which the locks are held.
///
/// Guarantee: at every moment the state is whole at one of the two. Killed anywhere, the same move again finishes: what
/// stands at both homes alike was written by it, and only the old one is left to be taken out of use.
///
/// # Errors
/// There is nothing to move, the new home is taken, or one of them cannot be used.
pub async fn move_state(from: &Lock, to: &Lock, env: &str) -> Result<Moved, MoveError> {
    let source = Store::find(from.home(), env).await?;
    let there = Store::find(to.home(), env).await?;
    let (source, there) = match (source, there) {
        (None, None) => return Err(MoveError::Nothing(from.home().at())),
        (None, Some(there)) => {
            return Ok(Moved::Already {
                serial: there.state.serial,
            });
        }
        (Some(source), there) => (source, there),
    };
    if let Some(there) = there {
        if !same(&there, &source) {
            return Err(MoveError::Occupied {
                from: from.home().at(),
                to: to.home().at(),
                ours: source.state.serial,
                theirs: there.state.serial,
                same: if there.state.lineage == source.state.lineage {
                    ", of the same history"
                } else {
                    ", of another history"
                },
            });
        }
    } else {
        source.copied_to(to.home()).write().await?;
    }
    // Not before it is certain that it can be read at its new home.
    let written = Store::find(to.home(), env).await?;
    if !written.is_some_and(|written| same(&written, &source)) {
        return Err(MoveError::Differs(to.home().at()));
    }
    to.home().unretire()?;
    let moved = Moved::Done {
        serial: source.state.serial,
        resources: source.state.resources.len(),
    };
    source.retire().await?;
    Ok(moved)
}

/// Are these two copies of one state? Whatever their serials are: a lock that was taken over writes a state again as it was.
fn same(one: &Store, other: &Store) -> bool {
    let content = |store: &Store| State {
        serial: 0,
        ..store.state.clone()
    };
    content(one) == content(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::fake::{Bucket, place, record};
    use crate::state::{Home, Objects};
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    async fn lock(home: &Home) -> Lock {
        Lock::take(home, "state move", Duration::from_secs(60)).await.unwrap()
    }

    fn bucket(bucket: &Arc<Bucket>) -> Home {
        Home::bucket(bucket.clone() as Arc<dyn Objects>, "dev")
    }

    fn file(folder: &Path) -> Home {
        Home::File(folder.join("dev.json"))
    }

    /// A state that has been written at this home.
    async fn written(lock: &Lock) -> Store {
        let mut store = lock.open(place()).await.unwrap();
        store.state.resources.insert("a".into(), record());
        store.save().await.unwrap();
        store
    }

    #[tokio::test]
    async fn a_state_moves_to_a_bucket_and_back_and_is_at_one_place_alone() {
        let folder = tempfile::tempdir().unwrap();
        let there = Bucket::new();
        let (local, remote) = (lock(&file(folder.path())).await, lock(&bucket(&there)).await);
        let state = written(&local).await.state;
        let moved = move_state(&local, &remote, "dev").await.unwrap();
        let done = Moved::Done {
            serial: 1,
            resources: 1,
        };
        assert_eq!(moved, done);
        assert_eq!(remote.open(place()).await.unwrap().state, state);
        // Who does not know of it is told, and so begins nothing anew.
        let why = local.open(place()).await.unwrap_err().to_string();
        assert!(why.contains("was moved"), "{why}");
        assert!(Store::of_env(local.home(), "dev").await.is_err());
        assert!(Store::previous(local.home(), "dev").await.unwrap().is_none());
        let again = move_state(&local, &remote, "dev").await.unwrap();
        assert_eq!(again, Moved::Already { serial: 1 });

        assert_eq!(move_state(&remote, &local, "dev").await.unwrap(), done);
        assert_eq!(there.content("dev.json"), None);
        assert_eq!(local.open(place()).await.unwrap().state, state);
        assert!(!folder.path().join("dev.json.moved").exists());
        assert!(matches!(
            move_state(&remote, &lock(&bucket(&Bucket::new())).await, "dev").await,
            Err(MoveError::Nothing(_))
        ));
    }

    #[tokio::test]
    async fn what_was_interrupted_is_finished() {
        for to_bucket in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let there = Bucket::new();
            let (local, remote) = (lock(&file(folder.path())).await, lock(&bucket(&there)).await);
            let (from, to) = if to_bucket {
                (&local, &remote)
            } else {
                (&remote, &local)
            };
            let store = written(from).await;
            // Killed after it was written at its new home, where the lock was then taken over.
            store.copied_to(to.home()).save().await.unwrap();
            let moved = move_state(from, to, "dev").await.unwrap();
            assert_eq!(
                moved,
                Moved::Done {
                    serial: 1,
                    resources: 1
                }
            );
            let there = to.open(place()).await.unwrap();
            assert_eq!((there.state.serial, same(&there, &store)), (2, true));
            assert!(Store::find(from.home(), "dev").await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn a_home_with_another_state_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let there = Bucket::new();
        let (local, remote) = (lock(&file(folder.path())).await, lock(&bucket(&there)).await);
        let (ours, theirs) = (written(&local).await, written(&remote).await);
        let why = move_state(&local, &remote, "dev").await.unwrap_err().to_string();
        assert!(why.contains("another history") && why.contains("serial 1"), "{why}");
        // Once moved, and then worked on at the new home: only the newer one may stay.
        let mut newer = ours.copied_to(local.home());
        newer.state.resources.clear();
        newer.save().await.unwrap();
        let other = tempfile::tempdir().unwrap();
        let other = lock(&file(other.path())).await;
        ours.copied_to(other.home()).write().await.unwrap();
        let why = move_state(&other, &local, "dev").await.unwrap_err().to_string();
        assert!(why.contains("the same history") && why.contains("serial 2"), "{why}");
        assert_eq!(local.open(place()).await.unwrap().state, newer.state);
        assert_eq!(remote.open(place()).await.unwrap().state, theirs.state);
    }
}
