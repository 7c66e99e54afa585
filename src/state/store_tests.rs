use super::*;

use crate::resource::Failure;
use crate::state::fake::{Bucket, Lost, place, record};
use crate::state::objects::Safeguard;
use crate::state::{Lock, Objects};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

fn file(path: &Path) -> Home {
    Home::File(path.to_owned())
}

/// `dev.json.prev` for `dev.json`.
fn beside(path: &Path, what: &str) -> PathBuf {
    PathBuf::from(format!("{}.{what}", path.display()))
}

#[tokio::test]
async fn what_is_saved_is_read_back_and_counts_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/dev.json");
    let mut store = Store::open(&file(&path), place()).await.unwrap();
    store.save().await.unwrap();
    store.save().await.unwrap();
    let again = Store::open(&file(&path), place()).await.unwrap();
    assert_eq!(again.state, store.state);
    assert_eq!(again.state.serial, 2);
}

#[tokio::test]
async fn another_account_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.json");
    Store::open(&file(&path), place()).await.unwrap().save().await.unwrap();
    let other = Place {
        account: "000000000002".into(),
        ..place()
    };
    let why = Store::open(&file(&path), other).await.unwrap_err().to_string();
    assert!(
        why.contains("account 000000000001") && why.contains("000000000002"),
        "{why}"
    );
}

#[tokio::test]
async fn a_file_cut_at_any_length_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.json");
    Store::open(&file(&path), place()).await.unwrap().save().await.unwrap();
    let whole = fs::read(&path).unwrap();
    // The last byte is the final newline, which carries nothing.
    for length in 0..whole.len() - 1 {
        fs::write(&path, &whole[..length]).unwrap();
        let refused = Store::open(&file(&path), place()).await;
        assert!(matches!(refused, Err(StoreError::Damaged { .. })), "cut at {length}");
        assert_eq!(fs::read(&path).unwrap().len(), length);
    }
}

#[tokio::test]
async fn a_newer_format_is_refused_even_if_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.json");
    fs::write(&path, r#"{"version": 99, "other": true}"#).unwrap();
    assert!(matches!(
        Store::open(&file(&path), place()).await,
        Err(StoreError::Newer { found: 99, .. })
    ));
}

#[tokio::test]
async fn a_format_older_than_the_first_is_no_state() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.json");
    let mut store = Store::open(&file(&path), place()).await.unwrap();
    store.state.version = 0;
    store.save().await.unwrap();
    let why = Store::open(&file(&path), place()).await.unwrap_err();
    assert!(matches!(why, StoreError::Damaged { .. }), "{why}");
    assert!(why.to_string().contains("format 0"), "{why}");
}

#[tokio::test]
async fn every_changed_byte_is_refused_or_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.json");
    let mut store = Store::open(&file(&path), place()).await.unwrap();
    store.save().await.unwrap();
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut content = whole.clone();
            content[at] ^= 1 << bit;
            fs::write(&path, &content).unwrap();
            match Store::open(&file(&path), place()).await {
                // The layout, or the name of the checksum.
                Ok(read) => assert_eq!(read.state, store.state, "byte {at}, bit {bit}"),
                Err(StoreError::Damaged { .. } | StoreError::Newer { .. }) => {}
                Err(why) => panic!("byte {at}, bit {bit}: {why}"),
            }
        }
    }
}

#[tokio::test]
async fn the_state_before_is_kept_and_comes_back_whatever_became_of_the_current_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.json");
    let mut store = Store::open(&file(&path), place()).await.unwrap();
    assert!(Store::previous(&file(&path), "dev").await.unwrap().is_none());
    for _ in 0..3 {
        store.save().await.unwrap();
    }
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() - 1 {
        fs::write(&path, &whole[..length]).unwrap();
        let previous = Store::previous(&file(&path), "dev").await.unwrap().unwrap();
        assert_eq!(previous.state.serial, 2);
        previous.recover().await.unwrap();
        assert_eq!(Store::open(&file(&path), place()).await.unwrap().state, previous.state);
        assert_eq!(fs::read(beside(&path, "damaged")).unwrap(), &whole[..length]);
        fs::remove_file(beside(&path, "damaged")).unwrap();
    }
    let why = Store::previous(&file(&path), "other").await.unwrap_err().to_string();
    assert!(why.contains("environment dev"), "{why}");
}

#[tokio::test]
async fn whatever_was_damaged_is_kept_and_a_state_that_is_gone_leaves_nothing_to_keep() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.json");
    let mut store = Store::open(&file(&path), place()).await.unwrap();
    store.save().await.unwrap();
    store.save().await.unwrap();
    let kept = ["damaged", "damaged.1", "damaged.2"];
    for name in kept {
        fs::write(&path, name).unwrap();
        let previous = Store::previous(&file(&path), "dev").await.unwrap().unwrap();
        previous.recover().await.unwrap();
        // Gone, nothing of it is kept.
        fs::remove_file(&path).unwrap();
        previous.recover().await.unwrap();
        assert_eq!(Store::open(&file(&path), place()).await.unwrap().state, previous.state);
    }
    for name in kept {
        assert_eq!(fs::read_to_string(beside(&path, name)).unwrap(), name);
    }
    // The state, the one before it, and those.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5);
}

#[tokio::test]
async fn a_state_that_is_gone_leaves_the_one_before_it_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.json");
    let mut store = Store::open(&file(&path), place()).await.unwrap();
    assert_eq!(file(&path).left_behind(), None);
    store.save().await.unwrap();
    store.save().await.unwrap();
    assert_eq!(file(&path).left_behind(), None);
    fs::remove_file(&path).unwrap();
    let previous = beside(&path, "prev").display().to_string();
    assert_eq!(file(&path).left_behind(), Some(previous));
    // A bucket keeps a version also of what was discarded.
    let bucket = Bucket::new();
    let lock = lock(&bucket).await;
    let mut store = lock.open(place()).await.unwrap();
    store.save().await.unwrap();
    store.discard().await.unwrap();
    assert_eq!(lock.home().left_behind(), None);
}

#[tokio::test]
async fn a_way_back_is_offered_unless_there_is_surely_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.json");
    let said = async || Store::open(&file(&path), place()).await.unwrap_err().to_string();
    fs::write(&path, "damaged").unwrap();
    let first = said().await;
    assert!(!first.contains("state recover"), "{first}");
    assert!(
        first.contains("There is none before it to go back to: put a good copy back, or rename the file"),
        "{first}"
    );
    fs::write(beside(&path, "prev"), "anything").unwrap();
    let second = said().await;
    assert!(second.contains("`fraudctl state recover`"), "{second}");
    assert!(
        second.contains("Or put a good copy back, or rename the file"),
        "{second}"
    );
    let bucket = Bucket::new();
    bucket.set("dev.json", "damaged");
    let third = Store::open(&at(&bucket), place()).await.unwrap_err().to_string();
    assert!(third.contains("`fraudctl state recover`"), "{third}");
}

#[tokio::test]
async fn nothing_is_left_of_a_state_that_is_discarded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.json");
    let mut store = Store::open(&file(&path), place()).await.unwrap();
    store.save().await.unwrap();
    store.save().await.unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    store.discard().await.unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_symbolic_link_is_refused_and_what_it_names_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("dev.json"), folder.path().join("other.json"));
    Store::open(&file(&other), place()).await.unwrap().save().await.unwrap();
    let content = fs::read(&other).unwrap();
    let mut begun = Store::open(&file(&path), place()).await.unwrap();
    std::os::unix::fs::symlink(&other, &path).unwrap();
    let why = crate::resource::chain(&Store::open(&file(&path), place()).await.unwrap_err());
    assert!(why.contains("symbolic link"), "{why}");
    assert!(begun.save().await.is_err());
    assert_eq!(fs::read(&other).unwrap(), content);
}

#[tokio::test]
async fn the_files_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.json");
    let mut store = Store::open(&file(&path), place()).await.unwrap();
    store.save().await.unwrap();
    store.save().await.unwrap();
    for path in [path.clone(), beside(&path, "prev")] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

const TTL: Duration = Duration::from_secs(60);

fn at(bucket: &Arc<Bucket>) -> Home {
    Home::bucket(bucket.clone() as Arc<dyn Objects>, "dev")
}

async fn lock(bucket: &Arc<Bucket>) -> Lock {
    Lock::take(&at(bucket), "up", TTL).await.unwrap()
}

/// What everybody can read.
async fn read(bucket: &Arc<Bucket>) -> State {
    Store::open(&at(bucket), place()).await.unwrap().state
}

#[tokio::test]
async fn in_a_bucket_it_is_written_read_back_and_removed_as_in_a_file() {
    let bucket = Bucket::new();
    let lock = lock(&bucket).await;
    let mut store = lock.open(place()).await.unwrap();
    assert_eq!(bucket.content("dev.json"), None, "opening writes nothing");
    store.state.resources.insert("a".into(), record());
    for serial in 1..4 {
        store.save().await.unwrap();
        let found = read(&bucket).await;
        assert_eq!((&found, found.serial), (&store.state, serial));
    }
    let other = Place {
        account: "000000000002".into(),
        ..place()
    };
    let why = Store::open(&at(&bucket), other).await.unwrap_err().to_string();
    assert!(
        why.contains("s3://fake/dev.json") && why.contains("000000000002"),
        "{why}"
    );
    store.discard().await.unwrap();
    assert_eq!(bucket.content("dev.json"), None);
    store.save().await.unwrap();
    assert_eq!(read(&bucket).await, store.state);
}

#[tokio::test]
async fn what_somebody_else_wrote_is_never_written_over() {
    let bucket = Bucket::new();
    let lock = lock(&bucket).await;
    let mut store = lock.open(place()).await.unwrap();
    bucket.set("dev.json", text::print(&store.state, Some("another")).unwrap());
    let begun = bucket.content("dev.json");
    assert!(matches!(store.save().await, Err(StoreError::Overtaken { .. })));
    assert_eq!((bucket.content("dev.json"), store.state.serial), (begun, 0));

    let mut store = lock.open(place()).await.unwrap();
    store.save().await.unwrap();
    bucket.set("dev.json", "anything else");
    assert!(matches!(store.save().await, Err(StoreError::Overtaken { .. })));
    assert!(matches!(store.discard().await, Err(StoreError::Overtaken { .. })));
    assert_eq!(bucket.content("dev.json").unwrap(), b"anything else");
    assert_eq!(store.state.serial, 1);
}

#[tokio::test]
async fn nobody_writes_to_a_bucket_without_its_lock() {
    let bucket = Bucket::new();
    let mut store = Store::open(&at(&bucket), place()).await.unwrap();
    assert!(matches!(store.save().await, Err(StoreError::LockLost { .. })));
    let lock = lock(&bucket).await;
    let mut store = lock.open(place()).await.unwrap();
    lock.lease().unwrap().release().await.unwrap();
    assert!(matches!(store.save().await, Err(StoreError::LockLost { .. })));
    assert_eq!(bucket.content("dev.json"), None);
}

#[tokio::test]
async fn a_lost_reply_to_a_write_is_resolved_by_reading() {
    let bucket = Bucket::new();
    let lock = lock(&bucket).await;
    let mut store = lock.open(place()).await.unwrap();
    for serial in 1..3 {
        bucket.lose([Some(Lost::Reply)]);
        store.save().await.unwrap();
        assert_eq!(read(&bucket).await.serial, serial);
    }
    // What never arrived has changed nothing, and the next write is about the same serial.
    bucket.lose([Some(Lost::Request)]);
    let why = store.save().await.unwrap_err().to_string();
    assert!(why.contains("cannot write the state s3://fake/dev.json"), "{why}");
    assert_eq!((store.state.serial, read(&bucket).await.serial), (2, 2));
    store.save().await.unwrap();
    // A write that was given up arrives late.
    let late = text::print(&store.state, Some(lock.lease().unwrap().token())).unwrap();
    bucket.set("dev.json", late.replace("us-east-1", "us-east-2"));
    store.save().await.unwrap();
    assert_eq!(read(&bucket).await, store.state);
}

#[tokio::test]
async fn who_takes_a_lock_over_keeps_the_holder_before_from_writing() {
    for written in [false, true] {
        let bucket = Bucket::new();
        let first = lock(&bucket).await;
        let mut before = first.open(place()).await.unwrap();
        if written {
            before.save().await.unwrap();
        }
        bucket.pass(TTL * 2);
        let second = lock(&bucket).await;
        let mut after = second.open(place()).await.unwrap();
        assert_eq!(
            after.state.serial,
            1 + u64::from(written),
            "it was written before it is used"
        );
        // The one before thinks that his lease is fresh still, as in a request that was on its way for long.
        let why = before.save().await.unwrap_err();
        assert!(matches!(why, StoreError::Overtaken { .. }), "{why}");
        after.save().await.unwrap();
        assert_eq!(read(&bucket).await, after.state);
    }
}

#[tokio::test]
async fn a_lock_is_cleared_where_its_time_is_over_and_its_holder_stays_out() {
    let bucket = Bucket::new();
    assert!(!Lock::clear(&at(&bucket), TTL).await.unwrap());
    let first = lock(&bucket).await;
    let mut before = first.open(place()).await.unwrap();
    before.save().await.unwrap();
    let refused = Lock::clear(&at(&bucket), TTL).await.unwrap_err().to_string();
    assert!(refused.contains("`fraudctl up`"), "{refused}");
    bucket.pass(TTL * 2);
    assert!(Lock::clear(&at(&bucket), TTL).await.unwrap());
    assert_eq!(bucket.content("dev.lock"), None);
    assert!(before.save().await.is_err());
    assert_eq!(read(&bucket).await.serial, 2);
}

#[tokio::test]
async fn a_bucket_goes_back_to_its_newest_version_that_is_whole() {
    let bucket = Bucket::new();
    let lock = lock(&bucket).await;
    let mut store = lock.open(place()).await.unwrap();
    assert!(Store::previous(lock.home(), "dev").await.unwrap().is_none());
    for _ in 0..3 {
        store.save().await.unwrap();
    }
    let whole = bucket.content("dev.json").unwrap();
    let previous = Store::previous(lock.home(), "dev").await.unwrap().unwrap();
    assert_eq!(previous.state.serial, 2);
    // Damaged more than once, cut and flipped.
    bucket.set("dev.json", &whole[..whole.len() / 2]);
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    bucket.set("dev.json", flipped);
    let refused = lock.open(place()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
    let previous = Store::previous(lock.home(), "dev").await.unwrap().unwrap();
    assert_eq!(previous.state, store.state);
    previous.recover().await.unwrap();
    assert_eq!(read(&bucket).await, store.state);
    // Removed: the newest one left is the last that stood there.
    let mut store = lock.open(place()).await.unwrap();
    store.discard().await.unwrap();
    let previous = Store::previous(lock.home(), "dev").await.unwrap().unwrap();
    previous.recover().await.unwrap();
    assert_eq!(read(&bucket).await, previous.state);
}

#[tokio::test]
async fn of_a_damaged_state_before_its_own_name_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dev.json");
    fs::write(beside(&path, "prev"), "damaged").unwrap();
    match Store::previous(&file(&path), "dev").await {
        Err(StoreError::Damaged { at, .. }) => assert_eq!(at, beside(&path, "prev").display().to_string()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_bucket_without_its_safeguards_is_refused_and_one_that_does_not_tell_is_noted() {
    let safeguard = |on| Safeguard {
        what: "versioning",
        on,
        mend: "aws s3api put-bucket-versioning".to_owned(),
    };
    let bucket = Bucket::new();
    bucket.safeguard(safeguard(Ok(true)));
    assert_eq!(at(&bucket).check().await.unwrap(), Vec::<String>::new());
    bucket.safeguard(safeguard(Err(Failure::new(
        "s3:GetBucketVersioning",
        "AccessDenied",
        "no",
    ))));
    let notes = at(&bucket).check().await.unwrap();
    assert!(
        notes.len() == 1 && notes[0].contains("s3:GetBucketVersioning"),
        "{notes:?}"
    );
    bucket.safeguard(safeguard(Ok(false)));
    let why = at(&bucket).check().await.unwrap_err().to_string();
    for part in ["s3://fake/dev.json", "no versioning", "aws s3api put-bucket-versioning"] {
        assert!(why.contains(part), "{why}");
    }
}
