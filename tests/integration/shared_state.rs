//! A state on S3 keeps the promises of one in a file, also when several work on it at once, stop, die and come back.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once, mpsc};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::support::{Aws, Call, Emulator, Environment, Held, Proxy, Run, Running, Side, wait_until};

/// For how many seconds a lock binds in these tests.
const LEASE: u64 = 3;
/// How long a lease can bind at most: its time, and what the rounding of the bucket's clock may add.
const LAPSE: Duration = Duration::from_secs(LEASE + 3);
const PATIENCE: Duration = Duration::from_secs(60);

const STATE: &str = "team/fraud/dev.json";
const LOCK: &str = "team/fraud/dev.lock";
/// What says where the state went.
const MOVED: &str = "team/fraud/dev.moved";

/// An environment with its state in a bucket, worked on through a proxy.
struct Shared {
    env: Environment,
    proxy: Proxy,
    bucket: String,
}

impl Shared {
    fn new() -> Self {
        Self::in_region(None)
    }

    fn in_region(region: Option<&str>) -> Self {
        let env = Environment::new().scoring();
        let bucket = format!("states-{}", env.account);
        let mut create = json!({"Bucket": bucket});
        if let Some(region) = region {
            create["CreateBucketConfiguration"] = json!({"LocationConstraint": region});
        }
        env.aws.call("s3", "create_bucket", create);
        let shared = Self {
            env,
            proxy: Proxy::before(Emulator::shared().endpoint()),
            bucket,
        };
        if region.is_none() {
            shared.set_versioning("Enabled");
        }
        shared
    }

    fn set_versioning(&self, status: &str) {
        let on = json!({"Bucket": self.bucket, "VersioningConfiguration": {"Status": status}});
        self.aws().call("s3", "put_bucket_versioning", on);
    }

    fn aws(&self) -> &Aws {
        &self.env.aws
    }

    fn url(&self) -> String {
        format!("s3://{}/team/fraud", self.bucket)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.env.command(args);
        command
            .env("AWS_ENDPOINT_URL", self.proxy.endpoint())
            .env("FRAUDCTL_STATE", self.url())
            .env("FRAUDCTL_LEASE_SECONDS", LEASE.to_string());
        command
    }

    fn start(&self, args: &[&str]) -> Running {
        Running::start(self.command(args))
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> Run {
        self.start(args).end()
    }

    #[track_caller]
    fn up(&self) -> Value {
        self.run(&["up", "--yes", "--json"]).exits(0).json()
    }

    #[track_caller]
    fn assert_settled(&self) {
        let diff = self.run(&["diff", "--json"]).exits(0).json();
        assert_eq!(diff["changes"], json!([]), "{diff:#}");
        assert_eq!(diff["summary"]["unchanged"], 60, "{diff:#}");
    }

    /// Removes everything, and asserts that nothing is left of it, made twice or forgotten.
    #[track_caller]
    fn assert_goes_without_a_trace(&self) {
        self.run(&["down", "--yes"]).exits(0);
        assert_eq!(self.aws().inventory(), Vec::<String>::new());
        assert_eq!(self.objects(), Vec::<String>::new());
    }

    /// The keys of all objects that stand in the bucket.
    fn objects(&self) -> Vec<String> {
        let list = self.aws().call("s3", "list_objects_v2", json!({"Bucket": self.bucket}));
        let keys = list["Contents"].as_array().into_iter().flatten();
        keys.map(|object| object["Key"].as_str().expect("a key").to_owned())
            .collect()
    }

    fn read(&self, key: &str) -> Option<String> {
        let object = json!({"Bucket": self.bucket, "Key": key});
        let found = self.aws().try_call("s3", "get_object", object).ok()?;
        Some(found["Body"].as_str().expect("text").to_owned())
    }

    fn write(&self, key: &str, content: &str) {
        let object = json!({"Bucket": self.bucket, "Key": key, "Body": content});
        self.aws().call("s3", "put_object", object);
    }

    fn delete(&self, key: &str) {
        self.aws()
            .call("s3", "delete_object", json!({"Bucket": self.bucket, "Key": key}));
    }

    /// As [`Shared::new`], when the functions are built: who is stopped or killed must not be at building, which others
    /// would wait for.
    fn with_functions() -> Self {
        static BUILT: Once = Once::new();
        BUILT.call_once(|| {
            Environment::new().up();
        });
        Self::new()
    }

    /// Begins an `up` that stays where the first table was made, and whose answer is on its way.
    fn begun(&self) -> (Running, Held) {
        let taken = AtomicBool::new(false);
        let held = self
            .proxy
            .hold(move |call| call.is("dynamodb", "CreateTable") && !taken.swap(true, Ordering::Relaxed));
        let running = self.start(&["up", "--yes", "--json"]);
        held.await_calls(1);
        (running, held)
    }

    /// The lock of a holder who was killed, as if he had been on another machine.
    fn lock_of_another_machine(&self) {
        let mut lock: Value = serde_json::from_str(&self.read(LOCK).expect("a lock")).expect("JSON");
        let within = lock.pointer_mut("/holder/process/within");
        *within.expect("what tells the process from others") = json!("another boot");
        lock["holder"]["host"] = json!("elsewhere");
        self.write(LOCK, &lock.to_string());
    }

    /// Waits until the lease that stands in the bucket binds nobody any more.
    fn await_lapse(&self) {
        let lock = json!({"Bucket": self.bucket, "Key": LOCK});
        let found = self.aws().call("s3", "head_object", lock);
        assert!(found["ETag"].is_string(), "{found:#}");
        // The emulator's clock is this machine's, so it was written before now.
        let seen = SystemTime::now();
        wait_until(PATIENCE, "the lease to lapse", || {
            (seen.elapsed().ok()? > LAPSE).then_some(())
        });
    }

    /// Runs the command, and kills it at its `at`th call. Whether it came so far.
    fn killed_at(&self, args: &[&str], at: usize, side: Side) -> bool {
        self.proxy.forget();
        let (tell, told) = mpsc::channel::<u32>();
        self.proxy.at(at, side, move || {
            let pid = told.recv().expect("the process was started");
            let status = Command::new("sh").args(["-c", &format!("kill -s KILL {pid}")]).status();
            assert!(status.expect("a shell").success(), "it could not be killed");
        });
        let running = self.start(args);
        tell.send(running.pid()).ok();
        let run = running.end();
        let killed = self.proxy.has_acted();
        assert_eq!(run.code, if killed { -1 } else { 0 }, "{run:#?}");
        killed
    }
}

/// Whether a call may change a resource.
fn changes(call: &Call) -> bool {
    call.changes() && call.service != "s3" && call.operation != "GetCallerIdentity"
}

#[test]
fn an_environment_goes_up_and_down_with_its_state_in_a_bucket() {
    let shared = Shared::new();
    let list = shared.run(&["state", "list"]).exits(1);
    assert!(list.stderr.contains("nothing is deployed"), "{list:#?}");
    shared.run(&["output"]).exits(1);
    assert_eq!(shared.up()["summary"]["created"], 60);
    assert_eq!(shared.objects(), [STATE], "the lock is given back");
    let folder: Vec<_> = fs::read_dir(shared.env.state_folder()).expect("a folder").collect();
    assert_eq!(folder.len(), 1, "only the settings are there: {folder:?}");

    let written = shared.read(STATE).expect("a state");
    assert_eq!(shared.up()["summary"]["unchanged"], 60);
    assert_eq!(shared.read(STATE), Some(written), "nothing has changed");
    shared.assert_settled();
    let status = shared.run(&["status", "--json"]).exits(0).json();
    let there = status["resources"].as_array().expect("a list");
    assert!(
        there.len() == 60 && there.iter().all(|row| row["exists"] == true),
        "{status:#}"
    );
    let sent = shared.run(&["send", "--json"]).exits(0).json();
    assert_eq!(sent["status"], 200, "{sent:#}");

    let list = shared.run(&["state", "list", "--json"]).exits(0).json();
    assert_eq!(list.as_array().map(Vec::len), Some(60));
    let queue = "messaging.alerts_queue";
    let shown = shared.run(&["state", "show", queue, "--json"]).exits(0).json();
    assert_eq!(shown["kind"], "sqs.queue", "{shown:#}");
    shared.run(&["state", "rm", queue, "--yes"]).exits(0);
    let diff = shared.run(&["diff", "--json"]).exits(0).json();
    assert_eq!(diff["summary"]["adopt"], 1, "{diff:#}");
    shared.run(&["state", "unlock"]).exits(0);
    let run = shared.run(&["state", "recover"]).exits(0);
    assert!(run.stderr.contains("nothing to recover"), "{run:#?}");
    shared.assert_goes_without_a_trace();
}

#[test]
fn of_two_at_once_one_works_and_the_other_learns_who_does_since_when() {
    let shared = Shared::with_functions();
    let (first, held) = shared.begun();
    for args in [
        &["up", "--yes"][..],
        &["down", "--yes"],
        &["state", "unlock"],
        &["state", "rm", "security.key", "--yes"],
    ] {
        let run = shared.run(args).exits(5);
        for part in [
            "`fraudctl up`",
            &format!("process {}", first.pid()),
            "since 20",
            "lapses in",
            &format!("{}/dev.lock", shared.url()),
        ] {
            assert!(run.stderr.contains(part), "{part}: {run:#?}");
        }
    }
    // Who only looks needs no lock.
    shared.run(&["state", "list"]).exits(0);
    let diff = shared.run(&["diff"]).exits(0);
    let at_it = format!("`fraudctl up` (process {}", first.pid());
    assert!(diff.stderr.contains(&at_it), "{diff:#?}");
    // Longer than one lease: it is renewed.
    shared.await_lapse();
    shared.run(&["up", "--yes"]).exits(5);
    drop(held);
    let summary = &first.end().exits(0).json()["summary"];
    assert_eq!(summary["created"], 60, "{summary:#}");
    assert_eq!(shared.objects(), [STATE]);
    shared.assert_settled();
}

#[test]
fn a_killed_holder_binds_nobody_on_his_machine_and_nobody_elsewhere_once_his_lease_lapses() {
    let shared = Shared::with_functions();
    for elsewhere in [false, true] {
        let (running, held) = shared.begun();
        running.signal("KILL");
        running.end().exits(-1);
        drop(held);
        shared.proxy.forget();
        if elsewhere {
            shared.lock_of_another_machine();
            let run = shared.run(&["up", "--yes"]).exits(5);
            assert!(run.stderr.contains("on elsewhere"), "{run:#?}");
            shared.await_lapse();
        }
        let before: Value = serde_json::from_str(&shared.read(STATE).expect("a state")).expect("JSON");
        let run = shared.run(&["up", "--yes", "--json"]).exits(0);
        assert!(run.stderr.contains("taken over"), "{run:#?}");
        let up = run.json();
        assert_eq!(up["summary"]["failed"], 0, "{up:#}");
        shared.assert_settled();
        let after: Value = serde_json::from_str(&shared.read(STATE).expect("a state")).expect("JSON");
        assert_eq!(after["lineage"], before["lineage"], "it was gone on from");
        shared.assert_goes_without_a_trace();
    }
}

#[test]
fn a_holder_who_was_stopped_past_his_lease_changes_nothing_more_and_says_why() {
    let shared = Shared::with_functions();
    // Every change that has left is made, and its answer on its way.
    let holding = Arc::new(AtomicBool::new(true));
    let holds = Arc::clone(&holding);
    let held = shared
        .proxy
        .hold(move |call| holds.load(Ordering::Relaxed) && changes(call));
    let stopped = shared.start(&["up", "--yes", "--json"]);
    held.await_calls(1);
    let (mut since, mut seen) = (SystemTime::now(), 0);
    wait_until(PATIENCE, "all that can begin to have begun", || {
        let count = shared.proxy.calls().iter().filter(|call| changes(call)).count();
        if std::mem::replace(&mut seen, count) != count {
            since = SystemTime::now();
        }
        (since.elapsed().ok()? > Duration::from_secs(1)).then_some(())
    });
    stopped.signal("STOP");
    holding.store(false, Ordering::Relaxed);
    shared.run(&["up", "--yes"]).exits(5);
    shared.await_lapse();
    let up = shared.up();
    assert_eq!(up["summary"]["failed"], 0, "{up:#}");
    let (inventory, state) = (shared.aws().inventory(), shared.read(STATE));

    let seen = shared.proxy.calls().len();
    drop(held);
    stopped.signal("CONT");
    let run = stopped.end();
    assert!(matches!(run.code, 1 | 3), "{run:#?}");
    assert!(run.stderr.contains("the lock is lost"), "{run:#?}");
    assert!(run.stderr.contains("somebody else had it meanwhile"), "{run:#?}");
    let later: Vec<Call> = shared.proxy.calls().drain(seen..).filter(changes).collect();
    assert_eq!(later, [], "{run:#?}");
    assert_eq!(shared.aws().inventory(), inventory);
    assert_eq!(shared.read(STATE), state);
    shared.assert_settled();
}

#[test]
fn of_two_who_take_a_lapsed_lock_over_one_works() {
    let shared = Shared::with_functions();
    let (running, held) = shared.begun();
    running.signal("KILL");
    running.end().exits(-1);
    drop(held);
    shared.proxy.forget();
    shared.lock_of_another_machine();
    shared.await_lapse();
    // Both have read the lapsed lock before either goes on.
    let looked = shared
        .proxy
        .hold(|call| call.is("s3", "GetObject") && call.path.ends_with(LOCK));
    let both = [shared.start(&["up", "--yes"]), shared.start(&["up", "--yes"])];
    looked.await_calls(2);
    // The winner stays at work until the other has ended.
    let kept = shared.proxy.hold(|call| call.is("dynamodb", "DescribeTable"));
    drop(looked);
    kept.await_calls(1);
    let mut both = both.into_iter();
    let (first, second) = (both.next().expect("one"), both.next().expect("two"));
    let (winner, loser) = wait_until(PATIENCE, "one of them to be refused", || {
        let refused = |run: &Running| run.said().contains("holds the lock");
        match (refused(&first), refused(&second)) {
            (true, _) => Some((false, true)),
            (_, true) => Some((true, false)),
            _ => None,
        }
    });
    assert_ne!(winner, loser);
    let (winner, loser) = if winner { (first, second) } else { (second, first) };
    loser.end().exits(5);
    drop(kept);
    winner.end().exits(0);
    shared.assert_settled();
}

#[test]
fn whatever_the_end_is_the_lock_is_given_back() {
    let shared = Shared::with_functions();
    // An error: nobody can answer.
    let run = shared.run(&["up"]).exits(1);
    assert!(run.stderr.contains("no terminal"), "{run:#?}");
    assert_eq!(shared.objects(), Vec::<String>::new());
    // A signal before anything was changed.
    let held = shared.proxy.hold(|call| call.is("kms", "ListKeys"));
    let running = shared.start(&["up", "--yes"]);
    held.await_calls(1);
    assert_eq!(shared.objects(), [LOCK]);
    running.signal("TERM");
    running.end().exits(130);
    assert_eq!(shared.objects(), Vec::<String>::new());
    drop(held);
    shared.proxy.forget();
    // A signal while AWS is changed: what runs is finished.
    let (running, held) = shared.begun();
    running.signal("INT");
    running.await_saying("Stopping");
    drop(held);
    running.end().exits(130);
    assert_eq!(shared.objects(), [STATE]);
    shared.proxy.forget();
    assert_eq!(shared.up()["summary"]["failed"], 0);
    shared.assert_settled();
}

#[test]
fn a_lost_state_is_written_anew_from_what_stands_and_a_damaged_one_is_recovered() {
    let shared = Shared::new();
    shared.up();
    let inventory = shared.aws().inventory();
    let whole = shared.read(STATE).expect("a state");
    shared.delete(STATE);
    let up = shared.up();
    assert_eq!(
        (&up["summary"]["adopted"], &up["summary"]["created"]),
        (&json!(60), &json!(0)),
        "{up:#}"
    );
    assert_eq!(shared.aws().inventory(), inventory);
    shared.assert_settled();

    let flipped = whole.replacen("\"serial\"", "\"seriam\"", 1);
    for damaged in [&whole[..whole.len() / 2], &flipped, "no state"] {
        let written = shared.read(STATE).expect("a state");
        shared.write(STATE, damaged);
        let refused = shared.run(&["up", "--yes"]).exits(1);
        let aside = format!("aws s3 mv {0}/dev.json {0}/dev.json.old", shared.url());
        for part in ["is damaged", "fraudctl state recover", &aside] {
            assert!(refused.stderr.contains(part), "{refused:#?}");
        }
        let asked = shared.run(&["state", "recover"]).exits(1);
        assert!(asked.stderr.contains("nothing was recovered"), "{asked:#?}");
        assert_eq!(shared.read(STATE).as_deref(), Some(damaged));
        shared.run(&["state", "recover", "--yes"]).exits(0);
        let (before, after) = (parsed(&written), parsed(&shared.read(STATE).expect("a state")));
        assert_eq!(
            (&after["serial"], &after["resources"]),
            (&before["serial"], &before["resources"])
        );
        shared.assert_settled();
    }
    let newer = r#"{"version": 99}"#;
    shared.write(STATE, newer);
    for args in [&["up", "--yes"][..], &["state", "recover", "--yes"]] {
        let refused = shared.run(args).exits(1);
        assert!(refused.stderr.contains("use the newer fraudctl"), "{refused:#?}");
    }
    assert_eq!(shared.read(STATE).as_deref(), Some(newer));
    assert_eq!(shared.aws().inventory(), inventory);
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn a_bucket_that_is_not_fit_is_refused_with_what_to_do() {
    let shared = Shared::new();
    shared.set_versioning("Suspended");
    let run = shared.run(&["up", "--yes"]).exits(1);
    let mend = format!(
        "aws s3api put-bucket-versioning --bucket {} --versioning-configuration Status=Enabled --region us-east-1",
        shared.bucket
    );
    assert!(
        run.stderr.contains("no versioning") && run.stderr.contains(&mend),
        "{run:#?}"
    );
    shared.set_versioning("Enabled");

    let mut elsewhere = shared.command(&["up", "--yes"]);
    elsewhere.env("FRAUDCTL_STATE", "s3://no-such-bucket/x");
    let run = Running::start(elsewhere).end().exits(1);
    for part in [
        "there is no bucket no-such-bucket",
        "aws s3api create-bucket --bucket no-such-bucket --region us-east-1 --endpoint-url",
    ] {
        assert!(run.stderr.contains(part), "{run:#?}");
    }

    shared.proxy.refuse("AccessDenied", |call| {
        call.service == "s3" && call.path.ends_with("dev.json")
    });
    let run = shared.run(&["diff"]).exits(1);
    for part in ["s3:GetObject", "AccessDenied", "s3:ListBucket", &shared.url()] {
        assert!(run.stderr.contains(part), "{run:#?}");
    }
    shared.proxy.forget();
    // Whose settings cannot be read is not refused for it.
    shared.proxy.refuse("AccessDenied", |call| {
        ["GetBucketVersioning", "GetBucketEncryption"].contains(&call.operation.as_str())
    });
    let run = shared.run(&["up"]).exits(1);
    for part in ["s3:GetBucketVersioning", "s3:GetEncryptionConfiguration", "no terminal"] {
        assert!(run.stderr.contains(part), "{run:#?}");
    }
    assert_eq!(shared.aws().inventory(), Vec::<String>::new());
}

#[test]
fn a_state_moves_into_a_bucket_of_another_region_and_back_and_nothing_is_lost() {
    let shared = Shared::in_region(Some("eu-west-1"));
    let folder = shared.env.state_folder().to_str().expect("text").to_owned();
    let local = |args: &[&str]| {
        let mut command = shared.command(args);
        command.env("FRAUDCTL_STATE", &folder);
        Running::start(command).end()
    };
    local(&["up", "--yes"]).exits(0);
    let state = fs::read_to_string(shared.env.state_file()).expect("a state");
    let url = shared.url();
    let refused = local(&["state", "move", &url]).exits(1);
    for mend in [
        "aws s3api put-bucket-versioning --bucket ",
        " --region eu-west-1 --endpoint-url ",
    ] {
        assert!(refused.stderr.contains(mend), "{refused:#?}");
    }
    assert_eq!(fs::read_to_string(shared.env.state_file()).ok(), Some(state.clone()));

    shared.set_versioning("Enabled");
    let moved = local(&["state", "move", &url]).exits(0);
    for part in ["60 resources", "[env.dev]", &format!("state = \"{url}\"")] {
        assert!(moved.stderr.contains(part), "{moved:#?}");
    }
    assert!(!shared.env.state_file().exists());
    assert_eq!(shared.objects(), [STATE]);
    shared.assert_settled();
    assert_eq!(shared.up()["summary"]["unchanged"], 60);
    // Somebody else's state is in the way.
    let other = tempfile::tempdir().expect("a folder");
    fs::write(
        other.path().join("dev.json"),
        state
            .replacen("lineage\": \"", "lineage\": \"x", 1)
            .replacen("\"checksum\"", "\"unchecked\"", 1),
    )
    .expect("a state");
    let other = other.path().to_str().expect("text");
    let refused = shared.run(&["state", "move", other]).exits(1);
    assert!(refused.stderr.contains("another history"), "{refused:#?}");

    shared.run(&["state", "move", &folder]).exits(0);
    assert_eq!(shared.objects(), [MOVED]);
    let back = fs::read_to_string(shared.env.state_file()).expect("a state");
    let (back, state) = (parsed(&back), parsed(&state));
    for key in ["lineage", "serial", "resources"] {
        assert_eq!(back[key], state[key], "{key}");
    }
    let diff = local(&["diff", "--json"]).exits(0).json();
    assert_eq!(diff["summary"]["unchanged"], 60, "{diff:#}");
    // Who does not know of it, and so still names the bucket, neither adopts anything nor brings an old state back.
    let inventory = shared.aws().inventory();
    let place = fs::canonicalize(&folder).expect("a folder");
    let told = format!("was moved to {}", place.display());
    let refuses_all = || {
        for args in [
            &["up", "--yes"][..],
            &["down", "--yes"],
            &["diff"],
            &["output"],
            &["state", "list"],
            &["state", "recover", "--yes"],
            &["state", "rm", "api.key", "--yes"],
        ] {
            let seen = shared.proxy.calls().len();
            let run = shared.run(args).exits(1);
            for part in [&told[..], "fraudctl.toml", &format!("aws s3 rm {url}/dev.moved")] {
                assert!(run.stderr.contains(part), "{args:?}: {part}: {run:#?}");
            }
            let changed: Vec<Call> = shared.proxy.calls().drain(seen..).filter(changes).collect();
            assert_eq!(changed, [], "{args:?}");
            assert_eq!(shared.objects(), [MOVED], "{args:?}");
        }
    };
    refuses_all();
    assert_eq!(shared.aws().inventory(), inventory);
    // There and back: what says that it is elsewhere goes.
    local(&["state", "move", &url]).exits(0);
    assert_eq!(shared.objects(), [STATE]);
    shared.assert_settled();
    let recover = local(&["state", "recover", "--yes"]).exits(1);
    assert!(recover.stderr.contains(&format!("was moved to {url}")), "{recover:#?}");
    shared.run(&["state", "move", &folder]).exits(0);
    local(&["down", "--yes"]).exits(0);
    assert_eq!(shared.aws().inventory(), Vec::<String>::new());
    // It is still not the bucket's, whatever its new home does.
    refuses_all();
}

#[test]
fn a_move_that_is_killed_at_any_call_is_finished_by_the_next() {
    let shared = Shared::new();
    let folder = shared.env.state_folder().to_str().expect("text").to_owned();
    shared.up();
    let state = parsed(&shared.read(STATE).expect("a state"));
    let to_folder = ["state", "move", &folder];
    let url = shared.url();
    let to_bucket = ["state", "move", &url, "--state", &folder];
    for at in 1.. {
        let side = [Side::Before, Side::After][at % 2];
        let mut killed = false;
        for args in [&to_folder[..], &to_bucket] {
            killed |= shared.killed_at(args, at, side);
            shared.proxy.forget();
            shared.run(args).exits(0);
        }
        let after = parsed(&shared.read(STATE).expect("a state"));
        for key in ["lineage", "resources"] {
            assert_eq!(after[key], state[key], "killed at call {at}: {key}");
        }
        assert!(!shared.env.state_file().exists(), "killed at call {at}");
        assert_eq!(shared.objects(), [STATE], "killed at call {at}");
        if !killed {
            assert!(at > 8, "{at} calls");
            break;
        }
    }
    // Who does not know that it was moved begins nothing anew.
    let mut unaware = shared.command(&["up", "--yes"]);
    unaware.env("FRAUDCTL_STATE", &folder);
    let run = Running::start(unaware).end().exits(1);
    assert!(run.stderr.contains(&format!("was moved to {url}")), "{run:#?}");
    shared.assert_settled();
}

#[test]
fn killed_again_and_again_it_goes_on_from_where_it_was() {
    let shared = Shared::with_functions();
    let mut kills = 0;
    for args in [&["up", "--yes"][..], &["down", "--yes"]] {
        // About a hundred calls only look; each run gets a little further than the last.
        for step in 0.. {
            let side = [Side::Before, Side::After][step % 2];
            if !shared.killed_at(args, 105 + 5 * step, side) {
                break;
            }
            kills += 1;
        }
        shared.proxy.forget();
        if args[0] == "up" {
            shared.assert_settled();
        }
    }
    assert!(kills > 8, "{kills} kills");
    assert_eq!(shared.aws().inventory(), Vec::<String>::new());
    assert_eq!(shared.objects(), Vec::<String>::new());
}

#[test]
fn the_settings_say_where_the_state_is_and_a_wrong_place_is_refused() {
    let shared = Shared::new();
    shared.up();
    let settings = format!("[env.dev]\nstate = \"{}\"\n", shared.url());
    shared.env.settings(&settings);
    // A project of its own: the state that stands in this one is somebody's.
    let project = tempfile::tempdir().expect("a folder");
    fs::create_dir(project.path().join("functions")).expect("a folder");
    fs::write(project.path().join("Cargo.toml"), "").expect("a file");
    let without_variable = |args: &[&str]| {
        let mut command = shared.command(args);
        command.env_remove("FRAUDCTL_STATE");
        command.env("FRAUDCTL_PROJECT", project.path());
        Running::start(command).end()
    };
    without_variable(&["state", "list"]).exits(0);
    let output = without_variable(&["output", "--json"]).exits(0).json();
    assert!(output["api_endpoint"].is_string(), "{output:#}");
    // The local AWS has no state in a bucket.
    let run = without_variable(&["state", "list", "--local"]).exits(1);
    assert!(run.stderr.contains("--local"), "{run:#?}");
    for args in [
        &["state", "list", "--local", "--state", &shared.url()][..],
        &["state", "list", "--state", "s3://Bucket"],
        &["up", "--state", "s3://bucket/a/../b"],
        &["state", "move", "s3://bucket/"],
    ] {
        let run = shared.run(args).exits(2);
        assert!(run.stderr.contains("state"), "{run:#?}");
    }
    shared.env.settings("[env.prod]\nstate = \"s3://bucket/\"\n");
    let run = without_variable(&["diff"]).exits(1);
    for part in ["environment prod", "state: ", "ends with a slash"] {
        assert!(run.stderr.contains(part), "{run:#?}");
    }
}
