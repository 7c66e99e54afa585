//! `--local`: a local AWS that is installed, started, found again, stopped and reset by the command itself.

use crate::support::{Aws, Credentials, Environment, Run, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

/// A local AWS on a port of its own. Stopped, with its files, when this is dropped.
struct LocalPlace {
    env: Environment,
    port: u16,
}

impl LocalPlace {
    fn new() -> Self {
        let place = Self {
            env: Environment::new().scoring(),
            port: free_port(),
        };
        // An earlier run that was killed may have left something at the same port.
        place.run(&["local", "stop"]).exits(0);
        place.run(&["local", "reset"]).exits(0);
        place
    }

    /// AWS_ENDPOINT_URL still names another AWS, where nothing must happen.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.env.command(args);
        command
            .env("FRAUDCTL_CACHE_DIR", cache())
            .env("FRAUDCTL_LOCAL_PORT", self.port.to_string());
        command
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> Run {
        run(self.command(args))
    }

    #[track_caller]
    fn up(&self) -> Value {
        self.run(&["up", "--local", "--json", "--yes"]).exits(0).json()
    }

    #[track_caller]
    fn status(&self) -> Value {
        self.run(&["local", "status", "--json"]).exits(0).json()
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The independent client.
    fn aws(&self) -> Aws {
        Aws::new(&self.endpoint(), &Credentials::of_account("000000000000"))
    }
}

impl Drop for LocalPlace {
    fn drop(&mut self) {
        // A destructor has nobody to tell.
        let _ = self.command(&["local", "stop"]).output();
        let _ = fs::remove_dir_all(cache().join("local").join(self.port.to_string()));
    }
}

/// Kept from run to run, so that the virtual environment is made once.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("local-cache")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

#[track_caller]
fn run(mut command: Command) -> Run {
    let output = command.output().expect("the command starts");
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[track_caller]
fn assert_summary(document: &Value, expected: &[(&str, u64)]) {
    for (name, count) in expected {
        assert_eq!(document["summary"][name].as_u64(), Some(*count), "{name}: {document:#}");
    }
}

/// The addresses at which somebody listens on this port, as Linux writes them in hexadecimal.
fn listeners(port: u16) -> Vec<String> {
    let mut found = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(table).unwrap_or_default().lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            // sl local_address rem_address st ...; 0A is LISTEN.
            if let [_, local, _, "0A", ..] = words[..]
                && let Some((address, at)) = local.split_once(':')
                && u16::from_str_radix(at, 16) == Ok(port)
            {
                found.push(address.to_owned());
            }
        }
    }
    found
}

/// A process and all that it has started, and what these have started.
fn family(of: u64) -> Vec<u64> {
    let mut family = vec![of];
    let processes: Vec<(u64, u64)> = fs::read_dir("/proc")
        .expect("Linux")
        .filter_map(|entry| {
            let process = entry.ok()?.file_name().to_str()?.parse().ok()?;
            // PID (NAME) STATE PARENT ...; the name may have anything in it.
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
            Some((process, parent))
        })
        .collect();
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        family.extend(
            processes
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(process, _)| *process),
        );
        at += 1;
    }
    family
}

/// Where these processes can be reached: the addresses at which they listen (TCP) or receive (UDP), with the port.
fn reachable(processes: &[u64]) -> Vec<String> {
    let sockets: Vec<String> = processes
        .iter()
        .filter_map(|process| fs::read_dir(format!("/proc/{process}/fd")).ok())
        .flatten()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let mut found = Vec::new();
    for (table, open) in [("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")] {
        for line in fs::read_to_string(format!("/proc/net/{table}"))
            .unwrap_or_default()
            .lines()
        {
            // sl local_address rem_address st queues timer retransmits uid timeout inode ...
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.get(3) == Some(&open)
                && words
                    .get(9)
                    .is_some_and(|inode| sockets.iter().any(|ours| ours == inode))
            {
                found.push(format!("{table} {}", words[1]));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_local_aws_is_started_reused_stopped_and_reset_and_up_copes_with_all_of_it() {
    let place = LocalPlace::new();
    let elsewhere = place.env.aws.inventory();
    assert_eq!(
        place.status(),
        json!({"running": false, "endpoint": null, "pid": null, "log": null})
    );

    assert_summary(&place.up(), &[("created", 60), ("failed", 0), ("skipped", 0)]);
    let up = place.up();
    assert_summary(
        &up,
        &[("unchanged", 60), ("created", 0), ("updated", 0), ("replaced", 0)],
    );
    assert_eq!(up["steps"], json!([]));
    assert!(place.env.state_folder().join("local/dev.json").is_file());
    assert!(!place.env.state_file().exists(), "the state of another AWS was written");
    assert_eq!(place.env.aws.inventory(), elsewhere, "it went to AWS_ENDPOINT_URL");

    let status = place.status();
    assert_eq!(
        (&status["running"], &status["endpoint"]),
        (&json!(true), &json!(place.endpoint()))
    );
    assert!(status["pid"].is_u64(), "{status:#}");
    let log = status["log"].as_str().expect("the log's path");
    assert!(Path::new(log).is_file(), "{log}");
    if cfg!(target_os = "linux") {
        // 127.0.0.1, and nothing else.
        assert_eq!(listeners(place.port), ["0100007F"]);
    }

    let sent = place.run(&["send", "--local", "--json"]).exits(0).json();
    assert_eq!(sent["status"], 200, "{sent:#}");
    let inventory = place.aws().inventory();
    if cfg!(target_os = "linux") {
        // So it is with everything else: what the functions talk to, which run now, and they themselves.
        let family = family(status["pid"].as_u64().expect("a process"));
        assert!(family.len() > 1, "no function runs: {family:?}");
        let reachable = reachable(&family);
        assert!(
            reachable.contains(&format!("tcp 0100007F:{:04X}", place.port)),
            "{reachable:?}"
        );
        let outside = reachable.iter().find(|at| !at.starts_with("tcp 0100007F:"));
        assert_eq!(outside, None, "{reachable:?}");
    }

    assert_eq!(
        place.run(&["local", "stop", "--json"]).exits(0).json(),
        json!({"stopped": true})
    );
    assert_eq!(place.status()["running"], false);
    assert_eq!(listeners(place.port), Vec::<String>::new());
    assert_eq!(
        place.run(&["local", "stop", "--json"]).exits(0).json(),
        json!({"stopped": false})
    );

    // Everything is still there after the restart, the transaction too.
    assert_summary(&place.up(), &[("unchanged", 60), ("created", 0), ("failed", 0)]);
    let aws = place.aws();
    assert_eq!(aws.inventory(), inventory);
    let table = aws.call("dynamodb", "scan", json!({"TableName": "transactions-dev"}));
    let kept = table["Items"].as_array().expect("items");
    assert!(
        kept.iter()
            .any(|item| item["transaction_id"]["S"] == sent["transaction_id"]),
        "{table:#}"
    );

    // What the state remembers is gone, and is made again.
    assert_eq!(
        place.run(&["local", "reset", "--json"]).exits(0).json(),
        json!({"reset": true})
    );
    assert_eq!(place.status()["running"], true, "a reset does not stop it");
    assert_eq!(place.aws().inventory(), Vec::<String>::new());
    assert_summary(&place.up(), &[("created", 60), ("failed", 0), ("skipped", 0)]);
    let diff = place.run(&["diff", "--local", "--json"]).exits(0).json();
    assert_eq!(diff["changes"], json!([]), "{diff:#}");

    let down = place.run(&["down", "--local", "--json"]).exits(0).json();
    assert_summary(&down, &[("deleted", 60), ("failed", 0)]);
    assert_eq!(place.aws().inventory(), Vec::<String>::new());
}

#[test]
fn what_is_changed_locally_is_changed_in_place_and_read_back_as_it_is() {
    let place = LocalPlace::new();
    place.up();
    let plan = || place.aws().call("apigateway", "get_usage_plans", json!({}))["items"][0].clone();
    assert_eq!(plan()["quota"]["limit"], 1000);

    // Values that MiniStack by itself would keep as text, and tags that it would not tell.
    place
        .env
        .settings("requests_per_day = 5\n[tags]\nTeam = \"Payments\"\n");
    let up = place.up();
    assert_summary(&up, &[("failed", 0), ("replaced", 0), ("created", 0)]);
    let changed = plan();
    assert_eq!(changed["quota"]["limit"], 5, "{changed:#}");
    assert_eq!(changed["tags"]["Team"], "Payments", "{changed:#}");
    let diff = place.run(&["diff", "--local", "--json"]).exits(0).json();
    assert_eq!(diff["changes"], json!([]), "{diff:#}");

    // And back, which takes the tag away.
    place.env.settings("");
    assert_summary(&place.up(), &[("failed", 0), ("replaced", 0)]);
    let changed = plan();
    assert_eq!(changed["quota"]["limit"], 1000, "{changed:#}");
    assert_eq!(changed["tags"]["Team"], Value::Null, "{changed:#}");
    let diff = place.run(&["diff", "--local", "--json"]).exits(0).json();
    assert_eq!(diff["changes"], json!([]), "{diff:#}");

    let down = place.run(&["down", "--local", "--json"]).exits(0).json();
    assert_summary(&down, &[("deleted", 60), ("failed", 0)]);
    assert_eq!(place.aws().inventory(), Vec::<String>::new());
}

#[cfg(target_os = "linux")]
#[test]
fn a_local_aws_that_was_killed_has_everything_again() {
    let place = LocalPlace::new();
    place.up();
    let done = SystemTime::now();
    let inventory = place.aws().inventory();
    let status = place.status();
    let pid = status["pid"].as_u64().expect("a process").to_string();

    // When its clients pause, it writes what it has.
    let folder = cache().join("local").join(place.port.to_string()).join("state");
    wait_until(CHECKPOINT, "a checkpoint of all that was done", || {
        let written = written(&folder);
        let whole = written.contains_key("dynamodb.json") && written.values().all(|at| *at > done);
        whole.then_some(())
    });
    // It writes one file after the other and answers nobody meanwhile: with this answer the last one is written too.
    assert_eq!(place.aws().inventory(), inventory);
    let killed = Command::new("sh").args(["-c", "kill -9 \"$1\"", "sh", &pid]).status();
    assert!(killed.expect("a shell").success());
    wait_until(CHECKPOINT, "its end", || listeners(place.port).is_empty().then_some(()));
    assert_eq!(place.status()["running"], false);

    assert_summary(&place.up(), &[("unchanged", 60), ("created", 0), ("failed", 0)]);
    assert_ne!(place.status()["pid"], status["pid"]);
    assert_eq!(place.aws().inventory(), inventory);
}

/// How long a checkpoint may take to come: a busy server waits for a pause.
#[cfg(target_os = "linux")]
const CHECKPOINT: Duration = Duration::from_secs(120);

/// The files of a folder and when each was written last.
#[cfg(target_os = "linux")]
fn written(folder: &Path) -> BTreeMap<String, SystemTime> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = files.filter_map(|file| {
        let at = file.metadata().ok()?.modified().ok()?;
        Some((file.file_name().to_string_lossy().into_owned(), at))
    });
    files.collect()
}

#[test]
fn up_local_for_people_proves_itself_with_a_transaction_and_a_line_to_paste() {
    let place = LocalPlace::new();
    // Neither a terminal nor --yes: a local AWS is nobody's but the user's.
    let up = place.run(&["up", "--local"]).exits(0);
    let answer = up
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("A transaction of 42.50 went through: 200 "))
        .unwrap_or_else(|| panic!("no answer: {up:#?}"));
    let answer: Value = serde_json::from_str(answer).expect("the API's answer");
    assert_eq!(answer["message"], "Transaction processed successfully");
    assert_eq!(answer["fraud_score"].to_string(), "0.1");

    let (_, line) = up.stdout.split_once("Try it:\n").expect("a line to paste");
    assert!(
        line.trim_start().starts_with("curl -X POST http://127.0.0.1:"),
        "{line}"
    );
    assert!(line.contains(&format!("127.0.0.1:{}/", place.port)), "{line}");
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("set -e; {line}")]).stdin(Stdio::null());
    for (name, value) in place.command(&[]).get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let has_curl = Command::new("curl").arg("--version").stdout(Stdio::null()).status();
    if has_curl.is_ok_and(|status| status.success()) {
        let pasted = run(shell).exits(0);
        let answer: Value = serde_json::from_str(&pasted.stdout).unwrap_or_else(|why| panic!("{why}: {pasted:#?}"));
        assert_eq!(answer["message"], "Transaction processed successfully", "{pasted:#?}");
        assert_eq!(answer["transaction_id"], "t-1");
    }

    // A second time the plan is empty, and the proof is made again.
    let up = place.run(&["up", "--local"]).exits(0);
    assert!(
        up.stdout.contains("No changes: 60 resources are as they should be."),
        "{up:#?}"
    );
    assert!(up.stdout.contains("went through: 200 "), "{up:#?}");
}

#[test]
fn a_port_that_something_else_has_is_refused_with_the_way_out() {
    let env = Environment::new().scoring();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    // Something that does not speak HTTP. It ends with the test process.
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"SSH-2.0-Other\r\n");
        }
    });
    for args in [
        &["up", "--local", "--yes"][..],
        &["up", "--local", "--json"],
        &["local", "start"],
    ] {
        let mut command = env.command(args);
        command
            .env("FRAUDCTL_CACHE_DIR", cache())
            .env("FRAUDCTL_LOCAL_PORT", port.to_string());
        let run = run(command).exits(1);
        for says in [
            format!("port {port} of 127.0.0.1 is taken by a program that does not speak HTTP").as_str(),
            "FRAUDCTL_LOCAL_PORT",
            "AWS_ENDPOINT_URL",
        ] {
            assert!(run.stderr.contains(says), "does not say {says:?}: {run:#?}");
        }
        assert!(run.stdout.is_empty() && !run.stderr.contains("panicked at"), "{run:#?}");
    }
    assert!(!env.state_folder().join("local").exists(), "a state was written");
    let _ = fs::remove_dir_all(cache().join("local").join(port.to_string()));
}

#[test]
fn without_python_the_error_names_what_to_install() {
    let env = Environment::new().scoring();
    let (bare, empty) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let port = free_port().to_string();
    for args in [&["up", "--local", "--yes"][..], &["local", "start"]] {
        let mut command = env.command(args);
        command
            .env("FRAUDCTL_CACHE_DIR", bare.path())
            .env("FRAUDCTL_LOCAL_PORT", &port)
            .env("PATH", empty.path());
        let run = run(command).exits(1);
        for says in [
            "no python3 on PATH",
            "Python 3.10 or newer",
            "apt-get install python3 python3-venv",
        ] {
            assert!(run.stderr.contains(says), "does not say {says:?}: {run:#?}");
        }
        assert!(run.stdout.is_empty() && !run.stderr.contains("panicked at"), "{run:#?}");
    }
    assert!(!env.state_folder().join("local").exists(), "a state was written");
    assert!(!bare.path().join("local/venv").exists(), "something was installed");
}

#[test]
fn the_shells_own_aws_does_not_matter_to_the_local_one() {
    let place = LocalPlace::new();
    // What the settings hold an environment to is about AWS.
    place
        .env
        .settings("account = \"111122223333\"\nregion = \"eu-west-1\"\nprofile = \"nope\"\n");
    place.up();
    let broken = place.env.state_folder().join("broken");
    fs::write(&broken, "[default\nregion").expect("a file");
    let broken = broken.to_str().expect("text");
    let hostile = [
        ("AWS_PROFILE", "nope"),
        ("AWS_DEFAULT_PROFILE", "nope"),
        ("AWS_CONFIG_FILE", broken),
        ("AWS_SHARED_CREDENTIALS_FILE", broken),
        ("AWS_REGION", "x y"),
        ("AWS_ENDPOINT_URL", "no url"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9"),
        ("AWS_ENDPOINT_URL_STS", "http://user:secret@127.0.0.1:9"),
        ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
        ("AWS_USE_FIPS_ENDPOINT", "true"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "true"),
        ("AWS_ACCOUNT_ID_ENDPOINT_MODE", "required"),
        ("AWS_RETRY_MODE", "no mode"),
        ("AWS_MAX_ATTEMPTS", "no number"),
        ("AWS_CA_BUNDLE", "/nowhere"),
        ("AWS_ROLE_ARN", "no role"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere"),
    ];
    for (name, value) in hostile {
        let mut command = place.command(&["diff", "--local", "--exit-code"]);
        let run = run_with(&mut command, &[(name, value)]).exits(0);
        let here = format!("account 000000000000, region us-east-1, {}\n", place.endpoint());
        assert!(run.stdout.contains(&here), "{name}: {run:#?}");
    }
    for args in [&["send", "--local"][..], &["status", "--local"], &["down", "--local"]] {
        run_with(&mut place.command(args), &hostile).exits(0);
    }
}

#[track_caller]
fn run_with(command: &mut Command, variables: &[(&str, &str)]) -> Run {
    let output = command
        .envs(variables.iter().copied())
        .output()
        .expect("the command starts");
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
