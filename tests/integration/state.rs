//! What is remembered can be looked at and mended without AWS, and damage is refused or recovered, never guessed at.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
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
    offline(&env, &["state", "show", "no.such"]).exits(2);

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
    for damaged in [&whole[..whole.len() / 2], &flipped, b"", b"\xff"] {
        fs::write(&path, damaged).expect("the state is damaged");
        let refused = env.run(&["up", "--yes"]).exits(1);
        assert!(refused.stderr.contains("fraudctl state recover"), "{refused:#?}");
        let asked = offline(&env, &["state", "recover"]).exits(1);
        assert!(asked.stderr.contains("nothing was recovered"), "{asked:#?}");
        assert_eq!(fs::read(&path).ok().as_deref(), Some(damaged));
        let recovered = offline(&env, &["state", "recover", "--yes"]).exits(0);
        assert!(!recovered.stderr.contains("nothing was changed"), "{recovered:#?}");
        let kept = fs::read(env.state_folder().join("dev.json.damaged"));
        assert_eq!(kept.ok().as_deref(), Some(damaged));
    }
    fs::remove_file(&path).expect("the state is there");
    offline(&env, &["state", "recover", "--yes"]).exits(0);
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
        &format!("mv '{0}' '{0}.old'", path.display()),
        "by names and ownership tags",
    ] {
        assert!(run.stderr.contains(part), "{part}: {run:#?}");
    }
    assert!(!run.stderr.contains("state recover"), "{run:#?}");
    assert!(!env.state_folder().join("dev.lock").exists());
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

    // What is kept beside the state takes the place of a link, and is never written through it.
    fs::remove_file(env.state_file()).expect("the link");
    let beside = ["dev.json.prev", "dev.json.damaged"].map(|name| env.state_folder().join(name));
    for path in &beside {
        symlink(&other, path).expect("a link");
    }
    offline(&env, &["state", "recover", "--yes"]).exits(1);
    env.up();
    fs::write(env.state_file(), "damaged").expect("the state is there");
    offline(&env, &["state", "recover", "--yes"]).exits(0);
    for path in &beside {
        assert!(
            !fs::symlink_metadata(path).expect("it is there").is_symlink(),
            "{}",
            path.display()
        );
    }
    assert_eq!(fs::read_to_string(&other).ok().as_deref(), Some("mine"));
}
