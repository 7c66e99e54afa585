//! Runs that end half-way, whatever the reason: what was done is remembered, and the next run goes on from there.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::manners::{Watched, list, makes_the_transactions, steps};
use crate::support::read::{outputs, tags};
use crate::support::{Call, Environment, Running, Shim, on_terminal, within};

/// How many steps ended in this way.
fn count(document: &Value, how: &str) -> u64 {
    document["summary"][how].as_u64().unwrap_or_default()
}

/// The state, which must be whole.
#[track_caller]
fn state(watched: &Watched) -> Value {
    let text = fs::read_to_string(watched.env.state_file()).expect("a state");
    serde_json::from_str(&text).expect("the state is whole")
}

#[test]
fn an_update_that_is_refused_leaves_the_rest_updated_and_the_next_up_goes_on() {
    let watched = Watched::new();
    watched.up();
    watched.env.settings("[tags]\nTeam = \"risk\"\n");
    watched.proxy.refuse("InvalidAddress", |call: &Call| {
        call.is("sqs", "TagQueue") && call.body.contains("fraud-alerts-dlq-dev")
    });
    let planned = watched.run(&["diff", "--json"]).exits(0).json()["summary"].clone();
    let run = watched.run(&["up", "--yes", "--json"]).exits(3);
    let up = run.json();
    assert_eq!(steps(&up, "failed"), ["messaging.alerts_dlq"], "{up:#}");
    let skipped = steps(&up, "skipped");
    assert!(skipped.contains(&"messaging.alerts_queue"), "{up:#}");
    assert!(!skipped.contains(&"storage.transactions"), "{up:#}");
    let left = 1 + skipped.len() as u64;
    assert_eq!(
        count(&up, "updated") + left,
        planned["update"].as_u64().unwrap_or_default(),
        "{up:#}"
    );
    assert!(
        run.stderr
            .contains("messaging.alerts_queue skipped: it needs messaging.alerts_dlq, which failed")
    );
    let table = format!(
        "arn:aws:dynamodb:us-east-1:{}:table/transactions-dev",
        watched.env.account
    );
    let found = watched
        .env
        .aws
        .call("dynamodb", "list_tags_of_resource", json!({"ResourceArn": table}));
    assert_eq!(tags(&found["Tags"], "Key", "Value")["Team"], "risk", "{found:#}");

    watched.proxy.forget();
    let up = watched.up();
    assert_eq!(
        (count(&up, "updated"), count(&up, "unchanged")),
        (left, 60 - left),
        "{up:#}"
    );
    watched.assert_whole();
}

#[test]
fn a_removal_that_is_refused_keeps_what_it_stands_on_and_the_next_down_goes_on() {
    let watched = Watched::new();
    let before = watched.env.aws.inventory();
    watched.up();
    watched.proxy.refuse("ValidationException", |call: &Call| {
        call.is("dynamodb", "DeleteTable") && call.body.contains("transactions-dev")
    });
    let run = watched.run(&["down", "--yes", "--json"]).exits(3);
    let down = run.json();
    assert_eq!(steps(&down, "failed"), ["storage.transactions"], "{down:#}");
    let skipped = steps(&down, "skipped");
    assert!(skipped.contains(&"security.key"), "{down:#}");
    let left = 1 + skipped.len() as u64;
    assert_eq!(count(&down, "deleted") + left, 60, "{down:#}");
    assert!(left < 10, "what does not need the table was not removed: {down:#}");
    for says in [
        "storage.transactions failed",
        "refused by the test",
        "run the same command again",
    ] {
        assert!(run.stderr.contains(says), "does not say {says:?}: {}", run.stderr);
    }
    assert_eq!(
        state(&watched)["resources"].as_object().map(|all| all.len() as u64),
        Some(left)
    );

    watched.proxy.forget();
    let down = watched.run(&["down", "--yes", "--json"]).exits(0).json();
    assert_eq!(count(&down, "deleted"), left, "{down:#}");
    assert_eq!(watched.env.aws.inventory(), before);
    assert!(!watched.env.state_file().exists());
}

/// AWS answers such a deletion as it answers that of a policy which is still attached, for which it is worth waiting.
#[test]
fn a_policy_that_limits_somebody_is_told_without_waiting_and_goes_once_it_does_not() {
    let watched = Watched::new();
    let aws = &watched.env.aws;
    let before = aws.inventory();
    watched.up();
    let arn = outputs(&watched.env).arn("messaging.feedback_policy");
    let trust = r#"{"Version": "2012-10-17", "Statement": []}"#;
    let role = json!({"RoleName": "theirs", "AssumeRolePolicyDocument": trust, "PermissionsBoundary": arn});
    aws.call("iam", "create_role", role);
    watched.proxy.forget();
    let run = watched.run(&["down", "--yes", "--json"]).exits(3);
    let down = run.json();
    assert_eq!(steps(&down, "failed"), ["messaging.feedback_policy"], "{down:#}");
    assert!(run.stderr.contains("permissions boundary of role theirs"), "{run:#?}");
    let name = arn.rsplit('/').next().expect("a name");
    let tried = watched.proxy.calls().into_iter();
    let tried = tried.filter(|call| call.is("iam", "DeletePolicy") && call.body.contains(name));
    assert_eq!(tried.count(), 0, "it was tried in vain");

    let name = json!({"RoleName": "theirs"});
    aws.call("iam", "delete_role_permissions_boundary", name.clone());
    aws.call("iam", "delete_role", name);
    watched.run(&["down", "--yes", "--json"]).exits(0);
    assert_eq!(aws.inventory(), before);
}

#[test]
fn a_down_that_is_told_twice_leaves_at_once_and_the_next_one_finishes() {
    let watched = Watched::new();
    let before = watched.env.aws.inventory();
    watched.up();
    let held = watched.proxy.hold(|call| call.is("dynamodb", "DeleteTable"));
    let running = watched.start(&["down", "--yes", "--json"]);
    held.await_calls(1);
    running.signal("INT");
    running.await_saying("Again to leave at once");
    running.signal("TERM");
    // The replies are still held.
    let run = running.end().exits(130);
    assert!(run.stdout.is_empty(), "{run:#?}");
    state(&watched);
    drop(held);

    watched.proxy.forget();
    let down = watched.run(&["down", "--yes", "--json"]).exits(0).json();
    assert_eq!(count(&down, "failed"), 0, "{down:#}");
    assert_eq!(watched.env.aws.inventory(), before);
    assert!(!watched.env.state_file().exists());
}

/// Begins an `up` of nothing, sends this signal while a table is made, and gives back what the run says.
#[track_caller]
fn up_with(watched: &Watched, command: Command, signal: &str, code: i32) -> Value {
    let held = watched.proxy.hold(makes_the_transactions);
    let running = Running::start(command);
    held.await_calls(1);
    running.signal(signal);
    if code == 130 {
        running.await_saying("Stopping: nothing new begins");
    }
    drop(held);
    let up = running.end().exits(code).json();
    watched.proxy.forget();
    assert_eq!(count(&up, "failed"), 0, "{up:#}");
    assert!(steps(&up, "done").contains(&"storage.transactions"), "{up:#}");
    up
}

#[test]
fn a_hangup_ends_in_order_as_a_termination_does() {
    let watched = Watched::new();
    for signal in ["HUP", "TERM"] {
        let command = watched.command(&["up", "--yes", "--json"]);
        let up = up_with(&watched, command, signal, 130);
        assert!(steps(&up, "skipped").contains(&"functions.processor"), "{up:#}");
        let again = watched.up();
        assert_eq!(count(&again, "created"), count(&up, "skipped"), "{again:#}");
        watched.assert_whole();
        watched.run(&["down", "--yes"]).exits(0);
    }
}

#[test]
fn who_was_told_to_go_on_without_a_terminal_does() {
    let watched = Watched::new();
    let mut outer = Command::new("sh");
    // What nohup does.
    outer.args(["-c", r#"trap "" HUP; exec "$@""#, "sh"]);
    let command = within(outer, &watched.command(&["up", "--yes", "--json"]));
    let up = up_with(&watched, command, "HUP", 0);
    assert_eq!(count(&up, "created"), 60, "{up:#}");
    watched.assert_whole();
}

#[test]
fn a_terminal_that_is_closed_is_no_crash_and_the_next_up_finishes() {
    let watched = Watched::new();
    let before = watched.env.aws.inventory();
    // While it asks. Who is not there any more has not said yes.
    let running = Running::start(on_terminal(&watched.command(&["up"]), ""));
    running.await_saying("asked");
    running.signal("USR1");
    let run = running.end();
    assert!(run.code == 1 || run.code == 130, "{run:#?}");
    assert_eq!(watched.env.aws.inventory(), before);

    // While it works.
    let held = watched.proxy.hold(makes_the_transactions);
    let running = Running::start(on_terminal(&watched.command(&["up", "--yes"]), ""));
    held.await_calls(1);
    running.signal("USR1");
    running.await_saying("closed");
    drop(held);
    let run = running.end().exits(130);
    assert!(!run.stdout.contains("panicked at"), "{run:#?}");
    let done = state(&watched)["resources"].as_object().map_or(0, serde_json::Map::len) as u64;
    assert!(done > 0);

    watched.proxy.forget();
    let up = watched.up();
    assert_eq!(count(&up, "created") + count(&up, "unchanged"), 60, "{up:#}");
    assert!(count(&up, "created") > 0, "it was not stopped: {up:#}");
    watched.assert_whole();
}

#[test]
fn nobody_who_reads_is_no_reason_to_stop() {
    let watched = Watched::new();
    // The reader leaves in the middle.
    let held = watched.proxy.hold(makes_the_transactions);
    let mut command = watched.command(&["up", "--yes", "--json"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("fraudctl starts");
    held.await_calls(1);
    drop((child.stdout.take(), child.stderr.take()));
    drop(held);
    let status = child.wait().expect("its end");
    // All is done, and the document could not be given to anybody.
    assert_eq!(status.code(), Some(1));
    watched.proxy.forget();
    watched.assert_whole();

    // There was none from the beginning.
    watched.env.settings("fraud_threshold = 0.9\n");
    let mut outer = Command::new("sh");
    outer.args(["-c", r#"exec "$@" >&- 2>&-"#, "sh"]);
    let status = within(outer, &watched.command(&["up", "--yes"])).status();
    assert_eq!(status.expect("a shell").code(), Some(0));
    watched.assert_whole();

    // What should hold the document is full: that is said, and nothing is lost.
    watched.env.settings("");
    let full = || File::options().write(true).open("/dev/full").expect("a full disk");
    let output = watched
        .command(&["up", "--yes", "--json"])
        .stdout(full())
        .output()
        .expect("fraudctl starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("cannot write to standard output: No space left"),
        "{said}"
    );
    watched.assert_whole();
    let status = watched
        .command(&["down", "--yes"])
        .stderr(full())
        .stdout(Stdio::null())
        .status();
    assert_eq!(status.expect("fraudctl starts").code(), Some(0));
    assert!(!watched.env.state_file().exists());
}

/// A run of these arguments during which the state can no longer be written from the moment on at which the answer to
/// this call is on its way. Says why it cannot, and leaves the state as it was at that moment.
#[track_caller]
fn run_without_room(
    watched: &Watched,
    command: Command,
    during: fn(&Call) -> bool,
    no_room: impl FnOnce(),
    says: &str,
) -> Value {
    let held = watched.proxy.hold(during);
    let running = Running::start(command);
    held.await_calls(1);
    no_room();
    drop(held);
    let run = running.end().exits(3);
    watched.proxy.forget();
    let document = run.json();
    assert!(
        count(&document, "failed") > 0 && count(&document, "skipped") > 0,
        "{document:#}"
    );
    for step in list(&document["steps"]) {
        let error = step["error"].as_str().unwrap_or_default();
        match step["result"].as_str() {
            Some("failed") => assert!(
                error.contains("cannot write the state file") && error.contains(says),
                "{step:#}"
            ),
            Some("skipped") => assert!(
                error == "the state could not be written" || error.contains("which failed"),
                "{step:#}"
            ),
            _ => assert_eq!(step["result"], "done", "{step:#}"),
        }
    }
    assert!(run.stderr.contains(says), "{run:#?}");
    // Whole, and nothing half-written beside it.
    state(watched);
    for entry in fs::read_dir(watched.env.state_folder()).expect("the state's folder") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let known = ["dev.json", "dev.json.prev", "dev.lock", "settings.toml"];
        assert!(known.contains(&name.as_str()), "{name} was left behind");
    }
    document
}

#[test]
fn on_a_full_disk_nothing_new_begins_and_with_room_again_the_next_run_finishes() {
    let watched = Watched::new();
    let (before, shim) = (watched.env.aws.inventory(), Shim::new());
    let folder = watched.env.state_folder().to_owned();
    let command = |args: &[&str]| {
        let mut command = watched.command(args);
        shim.around(&mut command);
        command
    };

    // From the beginning: not even the lock can be written.
    shim.fill(&folder);
    let run = Running::start(command(&["up", "--yes"])).end().exits(1);
    assert!(run.stderr.contains("No space left on device"), "{run:#?}");
    assert!(watched.proxy.calls().iter().all(|call| !call.changes()));
    shim.make_room();

    // From the middle of each kind of run.
    let up = ["up", "--yes", "--json"];
    let full = || shim.fill(&folder);
    let says = "No space left on device";
    let first = run_without_room(&watched, command(&up), makes_the_transactions, full, says);
    for address in ["functions.processor", "api.deployment"] {
        assert!(
            steps(&first, "skipped").contains(&address),
            "{address} was begun: {first:#}"
        );
    }
    shim.make_room();
    let again = watched.up();
    assert_eq!(count(&again, "failed") + count(&again, "skipped"), 0, "{again:#}");
    watched.assert_whole();

    watched.env.settings("[tags]\nTeam = \"risk\"\n");
    let tags_a_table = |call: &Call| call.is("dynamodb", "TagResource");
    run_without_room(&watched, command(&up), tags_a_table, full, says);
    shim.make_room();
    watched.up();
    watched.assert_whole();

    let removes_a_table = |call: &Call| call.is("dynamodb", "DeleteTable");
    run_without_room(
        &watched,
        command(&["down", "--yes", "--json"]),
        removes_a_table,
        full,
        says,
    );
    shim.make_room();
    watched.run(&["down", "--yes"]).exits(0);
    assert_eq!(watched.env.aws.inventory(), before);
    assert!(!watched.env.state_file().exists());
}

/// The command as somebody whom the permissions of files bind. They do not bind a superuser, unless he lays the right
/// to pass over them down.
fn bound_by_permissions(command: &Command) -> Command {
    if fs::metadata("/proc/self").expect("Linux").uid() != 0 {
        return within(Command::new("env"), command);
    }
    let mut outer = Command::new("setpriv");
    outer.args(["--bounding-set=-dac_override,-dac_read_search", "--"]);
    within(outer, command)
}

#[track_caller]
fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

#[test]
fn with_a_read_only_state_folder_nothing_is_changed_and_what_only_looks_works() {
    let watched = Watched::new();
    let before = watched.env.aws.inventory();
    // Makes the settings, which are in the same folder.
    watched.env.settings("");
    let folder = watched.env.state_folder().to_owned();
    let name = folder.to_str().expect("a path of the tests' own");
    let run = |args: &[&str]| Running::start(bound_by_permissions(&watched.command(args))).end();

    set_mode(&folder, 0o555);
    for args in [&["up", "--yes"][..], &["down", "--yes"]] {
        let refused = run(args).exits(1);
        for says in [name, "Permission denied", "--state"] {
            assert!(refused.stderr.contains(says), "{refused:#?}");
        }
    }
    run(&["diff"]).exits(0);
    assert!(watched.proxy.calls().iter().all(|call| !call.changes()));
    set_mode(&folder, 0o755);

    // In the middle.
    let up = bound_by_permissions(&watched.command(&["up", "--yes", "--json"]));
    let read_only = || set_mode(&folder, 0o555);
    run_without_room(&watched, up, makes_the_transactions, read_only, "Permission denied");
    set_mode(&folder, 0o755);
    watched.up();
    watched.assert_whole();

    // Where nothing is to be written, nothing is in the way; where something is, nothing is done.
    set_mode(&folder, 0o555);
    for command in ["up", "diff", "status", "output"] {
        run(&[command]).exits(0);
    }
    set_mode(&folder, 0o755);
    watched.env.settings("fraud_threshold = 0.9\n");
    set_mode(&folder, 0o555);
    watched.proxy.forget();
    let kept = fs::read(watched.env.state_file()).expect("a state");
    for args in [&["up", "--yes"][..], &["down", "--yes"]] {
        let refused = run(args).exits(1);
        for says in ["cannot write the state file", "Permission denied", "--state"] {
            assert!(refused.stderr.contains(says), "{refused:#?}");
        }
    }
    assert!(watched.proxy.calls().iter().all(|call| !call.changes()));
    assert_eq!(fs::read(watched.env.state_file()).ok(), Some(kept));
    set_mode(&folder, 0o755);
    watched.run(&["down", "--yes"]).exits(0);
    assert_eq!(watched.env.aws.inventory(), before);
}

/// Seconds.
const DECADE: i64 = 10 * 365 * 86_400;

/// For how many seconds a lock is said to be held.
#[track_caller]
fn held_for(said: &str) -> u64 {
    let (_, rest) = said.split_once(", for ").unwrap_or_else(|| panic!("no age: {said}"));
    let (seconds, _) = rest.split_once(" s)").unwrap_or_else(|| panic!("no age: {said}"));
    seconds.parse().unwrap_or_else(|_| panic!("no age: {said}"))
}

#[test]
fn a_clock_that_jumps_breaks_nothing() {
    let watched = Watched::of(Environment::new().scoring());
    let (before, shim) = (watched.env.aws.inventory(), Shim::new());
    let command = |args: &[&str]| {
        let mut command = watched.command(args);
        shim.around(&mut command);
        command
    };

    // Begun in the future, as others see it, and ended in the past.
    shim.set_clock_ahead(DECADE);
    let held = watched.proxy.hold(makes_the_transactions);
    let running = Running::start(command(&["up", "--yes", "--json"]));
    held.await_calls(1);
    let refused = watched.run(&["up", "--yes"]).exits(5);
    assert_eq!(held_for(&refused.stderr), 0, "{refused:#?}");
    shim.set_clock_ahead(-DECADE);
    drop(held);
    let up = running.end().exits(0).json();
    assert_eq!(count(&up, "created"), 60, "{up:#}");
    assert!(up["duration_ms"].as_u64().is_some_and(|took| took < 600_000), "{up:#}");
    watched.proxy.forget();
    watched.assert_whole();

    for ahead in [-DECADE, DECADE] {
        shim.set_clock_ahead(ahead);
        let run = |args: &[&str]| Running::start(command(args)).end().exits(0);
        assert_eq!(run(&["diff", "--json"]).json()["changes"], json!([]));
        assert_eq!(count(&run(&["up", "--yes", "--json"]).json(), "unchanged"), 60);
        run(&["status"]);
        assert_eq!(run(&["send", "--json"]).json()["status"], 200);
        assert_eq!(list(&run(&["state", "list", "--json"]).json()).len(), 60);
    }

    // Begun in the past, and ended in the future.
    shim.set_clock_ahead(-DECADE);
    let held = watched.proxy.hold(|call| call.is("dynamodb", "DeleteTable"));
    let running = Running::start(command(&["down", "--yes", "--json"]));
    held.await_calls(1);
    let refused = watched.run(&["down", "--yes"]).exits(5);
    assert!(
        held_for(&refused.stderr).abs_diff(DECADE.unsigned_abs()) < 3600,
        "{refused:#?}"
    );
    shim.set_clock_ahead(DECADE);
    drop(held);
    let down = running.end().exits(0).json();
    assert_eq!(count(&down, "deleted"), 60, "{down:#}");
    assert_eq!(watched.env.aws.inventory(), before);
}

/// AWS's answers to requests of another time. MiniStack takes them.
#[test]
fn that_aws_refuses_the_time_is_told_in_its_words_with_what_to_do() {
    let watched = Watched::new();
    watched
        .proxy
        .refuse("RequestTimeTooSkewed", |call: &Call| call.service == "sts");
    let run = watched.run(&["up", "--yes"]).exits(1);
    let clock = "set this machine's clock right";
    for says in ["RequestTimeTooSkewed", "refused by the test", clock] {
        assert!(run.stderr.contains(says), "does not say {says:?}: {run:#?}");
    }
    watched.proxy.forget();

    // In the middle: the clock jumped while others were made.
    watched
        .proxy
        .refuse("RequestExpired", |call: &Call| call.is("events", "PutRule"));
    let run = watched.run(&["up", "--yes", "--json"]).exits(3);
    assert_eq!(steps(&run.json(), "failed"), ["functions.schedule"]);
    for says in ["events:PutRule: RequestExpired: refused by the test", clock] {
        assert!(run.stderr.contains(says), "does not say {says:?}: {run:#?}");
    }
    watched.proxy.forget();
    watched.up();
    watched.assert_whole();
}
