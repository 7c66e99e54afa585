use super::*;
use crate::state::fake::{Bucket, Lost};
use std::cell::Cell;

const TTL: Duration = Duration::from_secs(60);
const NAME: &str = "dev.lock";

thread_local! {
    static UPTIME: Cell<Duration> = const { Cell::new(Duration::from_secs(1000)) };
    static WALL: Cell<Duration> = const { Cell::new(Duration::from_secs(1_000_000)) };
}

fn uptime() -> Duration {
    UPTIME.get()
}

fn wall() -> SystemTime {
    SystemTime::UNIX_EPOCH + WALL.get()
}

const CLOCKS: Clocks = Clocks { up: uptime, wall };

/// Time passes everywhere.
fn pass(bucket: &Bucket, seconds: u64) {
    let time = Duration::from_secs(seconds);
    bucket.pass(time);
    UPTIME.set(UPTIME.get() + time);
    WALL.set(WALL.get() + time);
}

async fn take(bucket: &Arc<Bucket>, doing: &str) -> Result<(Lease, bool), LockError> {
    let objects: Arc<dyn Objects> = bucket.clone();
    Lease::take_at(&objects, NAME, doing, TTL, CLOCKS).await
}

/// The claim that stands there.
fn claim(bucket: &Bucket) -> Claim {
    serde_json::from_slice(&bucket.content(NAME).unwrap()).unwrap()
}

fn refusal(taken: Result<(Lease, bool), LockError>) -> String {
    match taken {
        Err(why @ LockError::Held { .. }) => why.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_has_it_and_the_other_learns_who_since_when_and_until_when() {
    let bucket = Bucket::new();
    let (first, taken_over) = take(&bucket, "up").await.unwrap();
    assert!(!taken_over);
    pass(&bucket, 20);
    let why = refusal(take(&bucket, "down").await);
    let pid = std::process::id().to_string();
    for part in [
        "`fraudctl up`",
        &pid,
        "since 20",
        "lapses in 42 s",
        "s3://fake/dev.lock",
    ] {
        assert!(why.contains(part), "{part}: {why}");
    }
    first.release().await.unwrap();
    assert_eq!(bucket.content(NAME), None);
    let (_, taken_over) = take(&bucket, "down").await.unwrap();
    assert!(!taken_over, "nobody had it");
}

#[tokio::test]
async fn it_binds_for_its_time_by_the_clock_of_the_bucket_alone() {
    let bucket = Bucket::new();
    let (first, _) = take(&bucket, "up").await.unwrap();
    // Whatever the clock of whoever asks says.
    UPTIME.set(Duration::from_secs(1_000_000));
    refusal(take(&bucket, "up").await);
    bucket.pass(TTL + ROUNDING - Duration::from_secs(1));
    refusal(take(&bucket, "up").await);
    bucket.pass(Duration::from_secs(1));
    let (second, taken_over) = take(&bucket, "up").await.unwrap();
    assert!(taken_over);
    let why = first.hold().await.unwrap_err();
    assert!(why.contains("has it now") && why.contains("`fraudctl up`"), "{why}");
    assert_eq!(first.hold().await.unwrap_err(), why);
    first.release().await.unwrap();
    second.hold().await.unwrap();
    assert_eq!(claim(&bucket).token, second.token());
}

#[tokio::test]
async fn a_renewal_begins_its_time_again_and_is_never_the_same_object() {
    let bucket = Bucket::new();
    let (first, _) = take(&bucket, "up").await.unwrap();
    for renewals in 1..4 {
        let before = bucket.content(NAME);
        pass(&bucket, 50);
        first.renew().await.unwrap();
        assert_ne!(bucket.content(NAME), before);
        assert_eq!(claim(&bucket).renewals, renewals);
        refusal(take(&bucket, "up").await);
    }
}

#[tokio::test]
async fn a_holder_who_may_have_lost_it_asks_before_he_goes_on() {
    let bucket = Bucket::new();
    let (lease, _) = take(&bucket, "up").await.unwrap();
    pass(&bucket, 49);
    lease.hold().await.unwrap();
    assert_eq!(bucket.puts(), 1, "it was fresh");
    pass(&bucket, 1);
    lease.hold().await.unwrap();
    assert_eq!(claim(&bucket).renewals, 1, "its end was near");
    // After a long sleep in which nobody else came it is still his.
    pass(&bucket, 10_000);
    lease.hold().await.unwrap();
    bucket.lose([Some(Lost::Request)]);
    pass(&bucket, 10_000);
    let why = lease.hold().await.unwrap_err();
    assert!(
        why.contains("could not be renewed") && why.contains("it was lost"),
        "{why}"
    );
    lease.hold().await.unwrap();
}

#[tokio::test]
async fn a_lease_is_in_doubt_when_either_clock_says_so() {
    let second = Duration::from_secs(1);
    let bucket = Bucket::new();
    let (lease, _) = take(&bucket, "up").await.unwrap();
    let cases: [(&dyn Fn(), bool); 6] = [
        // A virtual machine that was paused: only the time of day went on.
        (&|| WALL.set(WALL.get() + 50 * second), true),
        (&|| WALL.set(WALL.get() + 49 * second), false),
        // Set back, or forward.
        (&|| WALL.set(WALL.get() - 50 * second), true),
        (&|| WALL.set(WALL.get() + 100_000 * second), true),
        // Only the machine's own time went on: the time of day was set back meanwhile.
        (&|| UPTIME.set(UPTIME.get() + 49 * second), false),
        (&|| UPTIME.set(UPTIME.get() + second), true),
    ];
    for (change, doubt) in cases {
        let before = claim(&bucket).renewals;
        change();
        assert_eq!(lease.is_certain(), !doubt);
        lease.hold().await.unwrap();
        assert!(lease.is_certain());
        assert_eq!(claim(&bucket).renewals, before + u64::from(doubt));
    }
    // In doubt, and somebody else has it: it is lost.
    WALL.set(WALL.get() + 50 * second);
    bucket.pass(TTL + ROUNDING);
    take(&bucket, "down").await.unwrap();
    let why = lease.hold().await.unwrap_err();
    assert!(why.contains("`fraudctl down`"), "{why}");
}

#[tokio::test]
async fn of_two_who_take_over_one_wins() {
    let bucket = Bucket::held();
    bucket.let_through(1);
    take(&bucket, "up").await.unwrap();
    bucket.pass(TTL * 2);
    let both = async { futures_util::join!(take(&bucket, "up"), take(&bucket, "down")) };
    // Both have looked before either may write.
    let (first, second) = futures_util::join!(both, async {
        while bucket.puts() < 3 {
            tokio::task::yield_now().await;
        }
        bucket.let_through(2);
    })
    .0;
    let winners = [&first, &second].into_iter().filter(|taken| taken.is_ok()).count();
    assert_eq!(winners, 1, "{first:?} {second:?}");
    refusal(if first.is_err() { first } else { second });
}

#[tokio::test]
async fn a_holder_whose_process_is_gone_does_not_bind_here_and_binds_elsewhere() {
    let bucket = Bucket::new();
    let (lease, _) = take(&bucket, "up").await.unwrap();
    let mut gone = lease.0.claim.clone();
    gone.token = "another".to_owned();
    let process = gone.holder.process.as_mut().unwrap();
    process.started += 1;
    bucket.set(NAME, serde_json::to_vec(&gone).unwrap());
    let (_, taken_over) = take(&bucket, "up").await.unwrap();
    assert!(taken_over);

    gone.holder.process.as_mut().unwrap().within = "another machine".to_owned();
    bucket.set(NAME, serde_json::to_vec(&gone).unwrap());
    refusal(take(&bucket, "up").await);
    gone.holder.process = None;
    bucket.set(NAME, serde_json::to_vec(&gone).unwrap());
    refusal(take(&bucket, "up").await);
    bucket.pass(TTL + ROUNDING);
    take(&bucket, "up").await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_binds_as_long_as_any_lease() {
    let bucket = Bucket::new();
    bucket.set(NAME, "no lease");
    let why = refusal(take(&bucket, "up").await);
    assert!(why.contains("cannot be read") && why.contains("lapses in"), "{why}");
    bucket.pass(TTL + ROUNDING);
    take(&bucket, "up").await.unwrap();
}

#[tokio::test]
async fn a_lost_reply_is_resolved_by_reading() {
    let bucket = Bucket::new();
    bucket.lose([Some(Lost::Reply)]);
    let (lease, taken_over) = take(&bucket, "up").await.unwrap();
    assert!(!taken_over);
    bucket.lose([Some(Lost::Reply)]);
    lease.renew().await.unwrap_err();
    lease.renew().await.unwrap();
    assert_eq!(claim(&bucket).renewals, 2);
    bucket.lose([Some(Lost::Reply)]);
    lease.renew().await.unwrap_err();
    lease.release().await.unwrap();
    assert_eq!(bucket.content(NAME), None);
    // What never arrived is tried again.
    bucket.lose([Some(Lost::Request)]);
    take(&bucket, "up").await.unwrap();
}

#[tokio::test]
async fn a_bucket_that_takes_no_write_is_told_as_that_and_not_as_a_lock() {
    let bucket = Bucket::new();
    bucket.lose([Some(Lost::Request); 8]);
    let why = take(&bucket, "up").await.err().unwrap().to_string();
    assert!(why.contains("cannot lock") && why.contains("it was lost"), "{why}");
    assert_eq!(bucket.puts(), 2);
    // The last of them may have arrived.
    let bucket = Bucket::new();
    bucket.lose([Some(Lost::Request), Some(Lost::Reply)]);
    take(&bucket, "up").await.unwrap();
}

#[tokio::test]
async fn a_lock_that_was_removed_or_given_back_is_lost() {
    let bucket = Bucket::new();
    let (lease, _) = take(&bucket, "up").await.unwrap();
    let found = bucket.get(NAME).await.unwrap().unwrap();
    assert!(bucket.remove(NAME, &found.etag).await.unwrap());
    pass(&bucket, 60);
    let why = lease.hold().await.unwrap_err();
    assert!(why.contains("it was removed"), "{why}");

    let (lease, _) = take(&bucket, "up").await.unwrap();
    lease.release().await.unwrap();
    assert_eq!(lease.hold().await.unwrap_err(), "it was given back");
    lease.release().await.unwrap();
}

#[tokio::test]
async fn it_is_kept_for_as_long_as_it_is_wanted() {
    let bucket = Bucket::new();
    let objects: Arc<dyn Objects> = bucket.clone();
    let (lease, _) = Lease::take_at(&objects, NAME, "up", Duration::from_secs(1), CLOCKS)
        .await
        .unwrap();
    let kept = tokio::spawn(lease.clone().keep());
    let renewed = async {
        while claim(&bucket).renewals < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TTL, renewed).await.expect("it is renewed");
    lease.release().await.unwrap();
    // It ends by itself once the lease is gone.
    tokio::time::timeout(TTL, kept).await.expect("it ends").unwrap();
    assert_eq!(bucket.content(NAME), None);
}
