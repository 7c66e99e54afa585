//! What is remembered can be looked at and mended without AWS, and damage is refused or recovered, never guessed at.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Environment, Run};

/// The command with no credentials and an endpoint where nobody listens.
fn offline(env: &Environment, args: &[&str]) -> Run {
    let mut command: Command = env.command(args);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env_remove(name);
    }
    command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    let output = command.output().expect("fraudctl starts");
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A state of the usual environment that remembers nothing. Without a checksum, as who edits one leaves it.
fn state(lineage: &str) -> String {
    let state = json!({
        "version": 1,
        "serial": 3,
        "lineage": lineage,
        "env": "dev",
        "account": "000000000000",
        "region": "us-east-1",
        "endpoint": null,
        "resources": {}
    });
    state.to_string()
}

#[test]
fn what_is_remembered_is_listed_shown_and_forgotten_without_aws() {
    let env = Environment::new();
    offline(&env, &["state", "list"]).exits(1);
    env.up();
    let inventory = env.aws.inventory();

    let list = offline(&env, &["state", "list", "--json"]).exits(0).json();
    let list = list.as_array().expect("a list");
    assert_eq!(list.len(), 60);
    assert!(list.iter().all(|row| row["status"] == "ready"), "{list:#?}");
    let text = offline(&env, &["state", "list"]).exits(0).stdout;
    assert_eq!(text.lines().count(), 60, "{text}");

    let here = env.state_folder();
    let run = offline(&env, &["state", "move", here.to_str().expect("text")]).exits(0);
    assert!(run.stderr.contains("is kept at"), "{run:#?}");

    let queue = "messaging.alerts_queue";
    let shown = offline(&env, &["state", "show", queue, "--json"]).exits(0).json();
    assert_eq!(shown["kind"], "sqs.queue", "{shown:#}");
    let text = offline(&env, &["state", "show", queue]).exits(0).stdout;
    assert!(
        text.starts_with("messaging.alerts_queue is a sqs.queue, ready"),
        "{text}"
    );
    let unknown = offline(&env, &["state", "show", "no.such"]).exits(2);
    let names = format!(" --state {}` names what is", here.display());
    for part in ["`fraudctl state list --env dev ", names.as_str()] {
        assert!(unknown.stderr.contains(part), "{part}: {unknown:#?}");
    }

    let before = fs::read(env.state_file()).expect("a state");
    let asked = offline(&env, &["state", "rm", queue]).exits(1);
    assert!(asked.stderr.contains("nothing was forgotten"), "{asked:#?}");
    assert_eq!(fs::read(env.state_file()).ok().as_ref(), Some(&before));
    offline(&env, &["state", "rm", queue, "--yes"]).exits(0);
    let previous = env.state_folder().join("dev.json.prev");
    assert_eq!(fs::read(&previous).ok(), Some(before));
    assert_eq!(env.aws.inventory(), inventory);
    let diff = env.diff();
    assert_eq!(diff["summary"]["adopt"], 1, "{diff:#}");

    // What it replaced is in its record and nowhere else. As a replacement leaves it that died between its two halves; who
    // edits a state by hand removes its checksum.
    let whole = fs::read_to_string(env.state_file()).expect("a state");
    let mut state: Value = serde_json::from_str(&whole).expect("JSON");
    let topic = "messaging.alerts";
    let arn = "arn:aws:sns:us-east-1:000000000000:before";
    state["resources"][topic]["retiring"] = json!([{"outputs": {"arn": arn}, "applied": {}}]);
    state.as_object_mut().expect("an object").remove("checksum");
    fs::write(env.state_file(), state.to_string()).expect("written");
    let refused = offline(&env, &["state", "rm", topic, "--yes"]).exits(1);
    assert!(
        refused.stderr.contains(arn) && refused.stderr.contains("nothing was forgotten"),
        "{refused:#?}"
    );
    assert_eq!(fs::read_to_string(env.state_file()).ok(), Some(state.to_string()));
    let text = offline(&env, &["state", "show", topic]).exits(0).stdout;
    assert!(text.contains(&format!("its predecessor arn {arn}")), "{text}");
    fs::write(env.state_file(), whole).expect("written");

    env.up();
    env.assert_settled();
    for path in [&env.state_file(), &previous, &env.state_folder().join("dev.lock")] {
        let mode = fs::metadata(path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}

#[test]
fn a_damaged_or_lost_state_is_recovered_from_the_one_before_and_up_settles_the_rest() {
    let env = Environment::new();
    offline(&env, &["state", "recover", "--yes"]).exits(1);
    env.up();
    let path = env.state_file();
    let whole = fs::read(&path).expect("a state");
    let run = offline(&env, &["state", "recover"]).exits(0);
    assert!(run.stderr.contains("nothing to recover"), "{run:#?}");
    assert_eq!(fs::read(&path).ok().as_ref(), Some(&whole));

    let mut flipped = whole.clone();
    let at = whole.len() / 2;
    flipped[at] ^= 1;
    for (count, damaged) in [&whole[..whole.len() / 2], &flipped, b"", b"\xff"]
        .into_iter()
        .enumerate()
    {
        fs::write(&path, damaged).expect("the state is damaged");
        let refused = env.run(&["up", "--yes"]).exits(1);
        assert!(refused.stderr.contains("fraudctl state recover"), "{refused:#?}");
        let asked = offline(&env, &["state", "recover"]).exits(1);
        assert!(asked.stderr.contains("nothing was recovered"), "{asked:#?}");
        assert_eq!(fs::read(&path).ok().as_deref(), Some(damaged));
        let recovered = offline(&env, &["state", "recover", "--yes"]).exits(0);
        assert!(!recovered.stderr.contains("nothing was changed"), "{recovered:#?}");
        assert!(
            recovered.stderr.contains("is kept beside it as .damaged"),
            "{recovered:#?}"
        );
        // What was kept before is kept still.
        let number = if count == 0 { String::new() } else { format!(".{count}") };
        let kept = fs::read(env.state_folder().join(format!("dev.json.damaged{number}")));
        assert_eq!(kept.ok().as_deref(), Some(damaged));
    }

    fs::remove_file(&path).expect("the state is there");
    let lost = format!("the state {} is gone, but the one before it is there", path.display());
    let back = "`fraudctl state recover --env dev ";
    for args in [
        &["state", "list"][..],
        &["state", "show", "security.key"],
        &["state", "rm", "security.key", "--yes"],
        &["state", "move", env.state_folder().to_str().expect("text")],
        &["state", "move", env.state_folder().join("new").to_str().expect("text")],
    ] {
        let run = offline(&env, args).exits(1);
        assert!(run.stderr.contains(&lost) && run.stderr.contains(back), "{run:#?}");
    }
    assert!(!env.state_folder().join("new").exists());
    for (args, code) in [
        (&["output"][..], 1),
        (&["send"], 1),
        (&["status"], 0),
        (&["diff"], 0),
        // Without a terminal nobody confirms: it is only shown.
        (&["up"], 1),
        (&["down"], 1),
    ] {
        let run = env.run(args).exits(code);
        assert!(
            run.stderr.contains(&lost) && run.stderr.contains(back),
            "{args:?}: {run:#?}"
        );
        assert!(!run.stdout.contains("Nothing is deployed"), "{args:?}: {run:#?}");
    }
    let shown = env.run(&["up"]).exits(1).stderr;
    let [note, plan] = [format!("note: {lost}").as_str(), "Plan: "].map(|text| shown.find(text));
    assert!(note.is_some() && note < plan, "{shown}");

    let recovered = offline(&env, &["state", "recover", "--yes"]).exits(0);
    assert!(!recovered.stderr.contains("what is damaged"), "{recovered:#?}");
    let list = env.run(&["diff"]).exits(0);
    assert!(!list.stderr.contains("is gone"), "{list:#?}");
    let inventory = env.aws.inventory();
    let up = env.up();
    assert_eq!(up["summary"]["created"], 0, "{up:#}");
    assert_eq!(env.aws.inventory(), inventory);
    env.assert_settled();
}

#[test]
fn what_cannot_be_recovered_says_what_is_damaged_and_what_to_do() {
    let env = Environment::new();
    let (path, previous) = (env.state_file(), env.state_folder().join("dev.json.prev"));
    for path in [&path, &previous] {
        fs::write(path, "damaged").expect("a file");
    }
    let run = offline(&env, &["state", "recover", "--yes"]).exits(1);
    for part in [
        previous.to_str().expect("text"),
        "is damaged too",
        &format!("mv {0} {0}.old", path.display()),
        "by names and ownership tags",
    ] {
        assert!(run.stderr.contains(part), "{part}: {run:#?}");
    }
    assert!(!run.stderr.contains("state recover"), "{run:#?}");

    // What is not there is not to be renamed.
    fs::remove_file(&path).expect("the state is there");
    let run = offline(&env, &["state", "recover", "--yes"]).exits(1);
    let gone = format!("the state {} is gone", path.display());
    let aside = format!("mv {0} {0}.old", previous.display());
    assert!(run.stderr.contains(&gone) && run.stderr.contains(&aside), "{run:#?}");
    let absent = format!("mv {} ", path.display());
    assert!(
        !run.stderr.contains(&absent) && !run.stderr.contains("damaged too"),
        "{run:#?}"
    );

    // Where there is none before, nobody is sent to look for one.
    fs::rename(&previous, &path).expect("the state before is there");
    let list = offline(&env, &["state", "list"]).exits(1);
    let none = "There is none before it to go back to: put a good copy back, or rename the file";
    assert!(
        list.stderr.contains(none) && !list.stderr.contains("state recover"),
        "{list:#?}"
    );
    let run = offline(&env, &["state", "recover", "--yes"]).exits(1);
    let aside = format!("mv {0} {0}.old", path.display());
    assert!(
        run.stderr.contains("no whole one before it") && run.stderr.contains(&aside),
        "{run:#?}"
    );
    fs::remove_file(&path).expect("the state is there");
    let run = offline(&env, &["state", "recover", "--yes"]).exits(1);
    assert!(
        run.stderr.contains("there is no state") && !run.stderr.contains("`mv "),
        "{run:#?}"
    );
    assert!(!env.state_folder().join("dev.lock").exists());
}

#[test]
fn what_is_offered_for_pasting_leads_a_shell_to_the_same_place() {
    let env = Environment::new();
    let folder = env.state_folder().join("it's me");
    fs::create_dir(&folder).expect("a folder");
    let file = folder.join("dev.json");
    let run = |args: &[&str]| {
        let place = folder.to_str().expect("text");
        offline(&env, &[args, &["--state", place]].concat())
    };
    fs::write(&file, state("ours")).expect("a state");
    let unknown = run(&["state", "show", "no.such"]).exits(2);
    let quoted = format!("'{}'", folder.display().to_string().replace('\'', r"'\''"));
    assert!(
        unknown.stderr.contains(&format!("--state {quoted}` names")),
        "{unknown:#?}"
    );

    // Pasted, the command does what it says.
    fs::write(&file, "damaged").expect("a state");
    let damaged = run(&["state", "list"]).exits(1);
    let (_, rest) = damaged.stderr.split_once("rename the file (`").expect("a command");
    let (command, _) = rest.split_once("`)").expect("its end");
    let status = Command::new("sh").args(["-c", command]).status().expect("a shell");
    assert!(status.success(), "{command}");
    assert!(!file.exists() && folder.join("dev.json.old").exists(), "{command}");
}

#[test]
fn a_move_to_where_it_would_be_or_of_nothing_leaves_no_trace() {
    let env = Environment::new();
    let folder = env.state_folder();
    let link = tempfile::tempdir().expect("a folder");
    let link = link.path().join("link");
    symlink(folder, &link).expect("a link");
    let again = folder.join("..").join(folder.file_name().expect("a name"));
    for same in [&folder.to_path_buf(), &link, &again] {
        let run = offline(&env, &["state", "move", same.to_str().expect("text")]).exits(1);
        assert!(run.stderr.contains("there is none; nothing was moved"), "{run:#?}");
    }
    let to = folder.join("new");
    let to = to.to_str().expect("text");
    let run = offline(&env, &["state", "move", to]).exits(1);
    assert!(run.stderr.contains("no state at"), "{run:#?}");
    fs::write(env.state_file(), "damaged").expect("a file");
    let run = offline(&env, &["state", "move", to]).exits(1);
    assert!(run.stderr.contains("is damaged"), "{run:#?}");
    assert!(!folder.join("new").exists() && !folder.join("dev.lock").exists());
}

#[test]
fn a_state_that_was_moved_is_looked_for_only_where_it_went() {
    let env = Environment::new();
    let places = tempfile::tempdir().expect("a folder");
    let [went, other] = ["went", "other"].map(|name| places.path().join(name));
    let to = |place: &Path| offline(&env, &["state", "move", place.to_str().expect("text")]);
    fs::create_dir(&other).expect("a folder");
    fs::write(other.join("dev.json"), state("theirs")).expect("a state");
    // Nothing was ever moved from here, whatever stands there.
    let run = to(&other).exits(1);
    for part in [
        "there is no state at",
        "holds one of this environment already (serial 3)",
    ] {
        assert!(run.stderr.contains(part), "{part}: {run:#?}");
    }

    fs::write(env.state_file(), state("ours")).expect("a state");
    to(&went).exits(0);
    let run = to(&other).exits(1);
    let went = fs::canonicalize(&went).expect("it is there");
    let moved = format!("was moved to {}", went.display());
    for part in [moved.as_str(), "holds another state of this environment (serial 3)"] {
        assert!(run.stderr.contains(part), "{part}: {run:#?}");
    }
    assert!(!run.stderr.contains("nothing is left to move"), "{run:#?}");
    let theirs = fs::read_to_string(other.join("dev.json"));
    assert_eq!(theirs.ok(), Some(state("theirs")));
    assert!(!other.join("dev.lock").exists());
    let again = to(&went).exits(0);
    assert!(again.stderr.contains("nothing is left to move"), "{again:#?}");
    // The state that went there is gone from there as well.
    fs::remove_file(went.join("dev.json")).expect("it is there");
    let run = to(&went).exits(1);
    assert!(run.stderr.contains(&moved), "{run:#?}");
}

#[test]
fn the_name_of_the_state_itself_is_no_place_for_it() {
    let env = Environment::new();
    let folder = env.state_folder().join("my state");
    let file = folder.join("dev.json");
    let file = file.to_str().expect("text");
    let within = format!("name {:?}", folder.display().to_string());
    let s3 = "s3://my-bucket/team/dev.json";
    for (args, says) in [
        (&["state", "list", "--state", file][..], within.as_str()),
        (&["up", "--yes", "--state", file], within.as_str()),
        (&["state", "move", file], within.as_str()),
        (&["diff", "--state", s3], "name \"s3://my-bucket/team\""),
        (&["state", "move", s3], "name \"s3://my-bucket/team\""),
        (
            &["state", "list", "--state", "arn:aws:s3:::my-bucket"],
            "no URL of a bucket",
        ),
    ] {
        let run = offline(&env, args).exits(2);
        assert!(run.stderr.contains(says), "{says}: {run:#?}");
    }
    assert!(!folder.exists());
    env.settings("[env.dev]\nstate = \"team/dev.json\"\n");
    let mut command = env.command(&["state", "list"]);
    command.env_remove("FRAUDCTL_STATE");
    let output = command.output().expect("fraudctl starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("state: ") && said.contains("name \"team\""), "{said}");
}

#[test]
fn a_lock_is_cleared_only_where_nobody_holds_it() {
    let env = Environment::new();
    let path = env.state_folder().join("dev.lock");
    offline(&env, &["state", "unlock"]).exits(0);
    let holder = r#"{"pid": 4242, "host": "elsewhere", "since": 1, "doing": "down"}"#;
    fs::write(&path, holder).expect("a lock file");
    let lock = File::open(&path).expect("the lock file");
    lock.lock().expect("nobody else has it");
    let refused = offline(&env, &["state", "unlock"]).exits(5);
    assert!(refused.stderr.contains("4242"), "{refused:#?}");
    assert!(path.exists());
    drop(lock);
    offline(&env, &["state", "unlock"]).exits(0);
    assert!(!path.exists());
}

#[test]
fn a_symbolic_link_in_place_of_the_state_is_refused_and_no_name_leads_out_of_the_folder() {
    let env = Environment::new();
    let other = env.state_folder().join("other");
    fs::write(&other, "mine").expect("a file");
    symlink(&other, env.state_file()).expect("a link");
    for args in [&["up", "--yes"][..], &["down", "--yes"], &["state", "list"]] {
        let run = env.run(args).exits(1);
        assert!(run.stderr.contains("symbolic link"), "{run:#?}");
    }
    assert_eq!(fs::read_to_string(&other).ok().as_deref(), Some("mine"));
    for args in [
        &["state", "list"][..],
        &["state", "show", "api.key"],
        &["state", "rm", "api.key", "--yes"],
        &["state", "recover", "--yes"],
        &["state", "unlock"],
        &["label", "t-1", "fraud"],
        &["rules", "show"],
        &["load", "--yes"],
    ] {
        for name in ["../other", "a/../../other", "/etc/passwd"] {
            offline(&env, &[args, &["--env", name]].concat()).exits(2);
        }
    }

    assert_eq!(env.aws.inventory(), Vec::<String>::new());
    assert_eq!(fs::read_to_string(&other).ok().as_deref(), Some("mine"));

    // What is kept beside the state takes the place of a link or another name, and is never written through it.
    fs::remove_file(env.state_file()).expect("the link");
    let beside = ["dev.json.prev", "dev.json.damaged"].map(|name| env.state_folder().join(name));
    for path in &beside {
        symlink(&other, path).expect("a link");
    }
    offline(&env, &["state", "recover", "--yes"]).exits(1);
    env.up();
    fs::write(env.state_file(), "damaged").expect("the state is there");
    offline(&env, &["state", "recover", "--yes"]).exits(0);
    for name in ["dev.json.prev", "dev.json.damaged.1"] {
        let path = env.state_folder().join(name);
        assert!(
            !fs::symlink_metadata(&path).expect("it is there").is_symlink(),
            "{name}"
        );
    }
    assert_eq!(fs::read_to_string(&other).ok().as_deref(), Some("mine"));
}
