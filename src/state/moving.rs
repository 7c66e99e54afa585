use super::error::StoreError;
use super::home::{Home, may_have_arrived};
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
         moved. Look at both with `fraudctl state list --state PLACE`, and take the one that is not to stay out of use: {}, or {}",
        .aside[0],
        .aside[1]
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
        /// How the one and the other is taken out of use.
        aside: [String; 2],
    },
    /// There is no state to move.
    #[error(
        "there is no state at {from} to move; nothing was moved.{there} A new environment needs no move: name the place with \
         --state, FRAUDCTL_STATE or the key `state` in fraudctl.toml, and run `fraudctl up`"
    )]
    Nothing {
        /// Where it was to be moved from.
        from: String,
        /// What stands where it was to be moved to, in words; may be empty.
        there: String,
    },
    /// It was moved before, and not to the place that is asked for, where something else stands.
    #[error("{moved}. {to} holds another state of this environment (serial {theirs}), as far as can be told")]
    Another {
        /// The refusal of the place that it was moved from.
        moved: Box<StoreError>,
        /// Where it was to be moved to.
        to: String,
        /// The serial of what stands there.
        theirs: u64,
    },
    /// What was written is not what was read back.
    #[error("{0} holds another state than was written there; the old one stays in use")]
    Differs(String),
    /// One of them cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl MoveError {
    /// Is it certain that nothing of ours arrives at the new home any more?
    fn is_certain(&self) -> bool {
        match self {
            Self::Store(StoreError::Bucket { why, .. }) => !may_have_arrived(why.class),
            _ => true,
        }
    }
}

/// Moves the state of an environment from one home to another, of both of which the locks are held.
///
/// `place` is the new home as `--state` takes it; the old one tells it from then on to all who come there.
///
/// Guarantee: at every moment the state is whole at one of the two, and at most at one of them it can be worked on: before
/// it is written at the new one, the old one says that it goes there, and refuses all but a move. Killed anywhere, the same
/// move again finishes.
///
/// # Errors
/// There is nothing to move, the new home is taken, or one of them cannot be used.
pub async fn move_state(from: &Lock, to: &Lock, env: &str, place: &str) -> Result<Moved, MoveError> {
    let Some(source) = Store::find(from.home(), env).await? else {
        let serial = moved_already(from.home(), to.home(), env, place).await?;
        return Ok(Moved::Already { serial });
    };
    let mut there = Store::find(to.home(), env).await?;
    let begun = from.home().tombstone().await?;
    if let Some(other) = begun.clone().filter(|begun| begun.to != place) {
        return Err(from.home().unfinished(other).into());
    }
    if let Some(found) = there.take_if(|there| !same(there, &source)) {
        // Since a move that was cut short it may have been worked on there. Here it was not.
        if begun.is_none() || found.state.lineage != source.state.lineage {
            return Err(MoveError::Occupied {
                from: from.home().at(),
                to: to.home().at(),
                ours: source.state.serial,
                theirs: found.state.serial,
                same: if found.state.lineage == source.state.lineage {
                    ", of the same history"
                } else {
                    ", of another history"
                },
                aside: [from, to].map(|lock| lock.home().set_aside(&lock.home().at())),
            });
        }
        there = Some(found);
    }
    from.home().bury(place).await?;
    if there.is_none() {
        let written = write(&source, to, env).await;
        if let Err(why) = written {
            // What has surely not been written, and so is in use by nobody, stays in use here.
            if begun.is_none() && why.is_certain() && matches!(stands(&source, to, env).await, Ok(false)) {
                from.home().unretire().await?;
            }
            return Err(why);
        }
    }
    to.home().unretire().await?;
    let moved = Moved::Done {
        serial: source.state.serial,
        resources: source.state.resources.len(),
    };
    source.retire().await?;
    Ok(moved)
}

/// The serial of a state of which nothing is left at `from`, because it was moved before, to the `place` that `to` is.
///
/// # Errors
/// It was moved to another place, or nothing says that there was one, or one of the homes cannot be used.
pub async fn moved_already(from: &Home, to: &Home, env: &str, place: &str) -> Result<u64, MoveError> {
    let there = Store::find(to, env).await?.map(|store| store.state.serial);
    match (from.went(false).await?, there) {
        (Some(went), Some(serial)) if went.to == place => Ok(serial),
        (Some(went), Some(theirs)) => Err(MoveError::Another {
            moved: Box::new(from.moved(went)),
            to: to.at(),
            theirs,
        }),
        (Some(went), None) => Err(from.moved(went).into()),
        (None, there) => Err(MoveError::Nothing {
            from: from.at(),
            there: there.map_or_else(String::new, |serial| {
                format!(" {} holds one of this environment already (serial {serial}).", to.at())
            }),
        }),
    }
}

/// Writes the state at its new home, and makes certain that it can be read there.
async fn write(source: &Store, to: &Lock, env: &str) -> Result<(), MoveError> {
    source.copied_to(to.home()).write().await?;
    if stands(source, to, env).await? {
        return Ok(());
    }
    Err(MoveError::Differs(to.home().at()))
}

async fn stands(source: &Store, to: &Lock, env: &str) -> Result<bool, StoreError> {
    let found = Store::find(to.home(), env).await?;
    Ok(found.is_some_and(|found| same(&found, source)))
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
    use crate::state::Objects;
    use crate::state::fake::{Bucket, place, record};
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

    async fn moving(from: &Lock, to: &Lock) -> Result<Moved, MoveError> {
        move_state(from, to, "dev", &to.home().at()).await
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
        let moved = moving(&local, &remote).await.unwrap();
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
        let again = moving(&local, &remote).await.unwrap();
        assert_eq!(again, Moved::Already { serial: 1 });

        assert_eq!(moving(&remote, &local).await.unwrap(), done);
        assert_eq!(there.content("dev.json"), None);
        assert_eq!(local.open(place()).await.unwrap().state, state);
        for left in ["dev.json.moved", "dev.moved"] {
            assert!(!folder.path().join(left).exists(), "{left}");
        }
        // The bucket says where it went, to all who come there, and also once it is gone from where it went.
        for discarded in [false, true] {
            if discarded {
                local.open(place()).await.unwrap().discard().await.unwrap();
            }
            let other = lock(&bucket(&Bucket::new())).await;
            for refused in [
                remote.open(place()).await.map(|_| ()).map_err(MoveError::from),
                Store::of_env(remote.home(), "dev")
                    .await
                    .map(|_| ())
                    .map_err(MoveError::from),
                moving(&remote, &other).await.map(|_| ()),
            ] {
                let why = refused.unwrap_err().to_string();
                let to = format!("was moved to {}", local.home().at());
                for part in [&to, "aws s3 rm s3://fake/dev.moved", "s3://fake/dev.json"] {
                    assert!(why.contains(part), "{part}: {why}");
                }
            }
        }
        let (here, there) = (tempfile::tempdir().unwrap(), lock(&bucket(&Bucket::new())).await);
        let nothing = moving(&lock(&file(here.path())).await, &there).await;
        assert!(matches!(nothing, Err(MoveError::Nothing { .. })), "{nothing:?}");
    }

    #[tokio::test]
    async fn a_state_that_was_moved_is_moved_already_only_to_where_it_went() {
        for from_bucket in [true, false] {
            let [folder, went, third] = [(); 3].map(|()| tempfile::tempdir().unwrap());
            let bucket = bucket(&Bucket::new());
            let from = lock(&if from_bucket { bucket } else { file(folder.path()) }).await;
            let (to, third) = (lock(&file(went.path())).await, lock(&file(third.path())).await);
            written(&from).await;
            moving(&from, &to).await.unwrap();
            let another = written(&third).await.state;
            let why = moving(&from, &third).await.unwrap_err().to_string();
            let moved = format!("was moved to {}", to.home().at());
            let holds = format!(
                "{} holds another state of this environment (serial 1)",
                third.home().at()
            );
            assert!(why.contains(&moved) && why.contains(&holds), "{why}");
            assert_eq!(third.open(place()).await.unwrap().state, another);
            assert_eq!(moving(&from, &to).await.unwrap(), Moved::Already { serial: 1 });
            // Whatever stands elsewhere, it is not what nothing was ever moved from.
            let empty = tempfile::tempdir().unwrap();
            let nothing = moving(&lock(&file(empty.path())).await, &third).await.unwrap_err();
            assert!(matches!(nothing, MoveError::Nothing { .. }), "{nothing}");
            let why = nothing.to_string();
            assert!(
                why.contains("holds one of this environment already (serial 1)"),
                "{why}"
            );
        }
    }

    #[tokio::test]
    async fn a_move_that_was_cut_short_leaves_nothing_to_work_on_but_where_it_went() {
        for to_bucket in [true, false] {
            for arrived in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let there = Bucket::new();
                let (local, remote) = (lock(&file(folder.path())).await, lock(&bucket(&there)).await);
                let (from, to) = if to_bucket {
                    (&local, &remote)
                } else {
                    (&remote, &local)
                };
                let store = written(from).await;
                from.home().bury(&to.home().at()).await.unwrap();
                let other = tempfile::tempdir().unwrap();
                let other = lock(&file(other.path())).await;
                for refused in [
                    from.open(place()).await.map(|_| ()).map_err(MoveError::from),
                    moving(from, &other).await.map(|_| ()),
                ] {
                    let why = refused.unwrap_err().to_string();
                    assert!(why.contains("was cut short") && why.contains(&to.home().at()), "{why}");
                }
                assert!(Store::find(other.home(), "dev").await.unwrap().is_none());
                if arrived {
                    // It was gone on from at its new home.
                    store.copied_to(to.home()).write().await.unwrap();
                    let mut newer = to.open(place()).await.unwrap();
                    newer.state.resources.clear();
                    newer.save().await.unwrap();
                }
                moving(from, to).await.unwrap();
                let found = to.open(place()).await.unwrap().state;
                assert_eq!(found.resources.is_empty(), arrived);
                assert!(Store::find(from.home(), "dev").await.unwrap().is_none());
                assert!(matches!(from.open(place()).await, Err(StoreError::Moved { .. })));
            }
        }
    }

    #[tokio::test]
    async fn what_was_surely_not_moved_stays_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let there = Bucket::new();
        let (local, remote) = (lock(&file(folder.path())).await, lock(&bucket(&there)).await);
        let store = written(&local).await;
        remote.lease().unwrap().release().await.unwrap();
        let refused = moving(&local, &remote).await;
        assert!(
            matches!(refused, Err(MoveError::Store(StoreError::LockLost { .. }))),
            "{refused:?}"
        );
        assert_eq!(local.open(place()).await.unwrap().state, store.state);
        // What may still arrive keeps it from being used, until the same move is made again.
        let remote = lock(&bucket(&there)).await;
        there.lose([Some(crate::state::fake::Lost::Request)]);
        moving(&local, &remote).await.unwrap_err();
        assert!(matches!(local.open(place()).await, Err(StoreError::Unfinished { .. })));
        moving(&local, &remote).await.unwrap();
        assert_eq!(remote.open(place()).await.unwrap().state, store.state);
        // A tombstone whose reply was lost is one.
        there.lose([Some(crate::state::fake::Lost::Reply)]);
        moving(&remote, &local).await.unwrap();
        assert_eq!(local.open(place()).await.unwrap().state, store.state);
        assert!(remote.open(place()).await.is_err());
    }

    #[test]
    fn one_place_is_one_in_every_spelling() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir(root.join("a")).unwrap();
        std::os::unix::fs::symlink(root.join("a"), root.join("link")).unwrap();
        let home = file(&root.join("a"));
        for same in ["a", "./a/../a", "link", "nothing/../a", "a/./"] {
            assert!(home.is(&file(&root.join(same))), "{same}");
        }
        let deeper = file(&root.join("a/b/c"));
        assert!(deeper.is(&file(&root.join("link/x/../b/c"))));
        for other in [
            file(root),
            deeper,
            Home::File(root.join("a/prod.json")),
            bucket(&Bucket::new()),
        ] {
            assert!(!home.is(&other), "{other:?}");
        }
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
            let moved = moving(from, to).await.unwrap();
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
        let why = moving(&local, &remote).await.unwrap_err().to_string();
        assert!(why.contains("another history") && why.contains("serial 1"), "{why}");
        // Once moved, and then worked on at the new home: only the newer one may stay.
        let mut newer = ours.copied_to(local.home());
        newer.state.resources.clear();
        newer.save().await.unwrap();
        let other = tempfile::tempdir().unwrap();
        let other = lock(&file(other.path())).await;
        ours.copied_to(other.home()).write().await.unwrap();
        let why = moving(&other, &local).await.unwrap_err().to_string();
        assert!(why.contains("the same history") && why.contains("serial 2"), "{why}");
        assert_eq!(local.open(place()).await.unwrap().state, newer.state);
        assert_eq!(remote.open(place()).await.unwrap().state, theirs.state);
    }
}
