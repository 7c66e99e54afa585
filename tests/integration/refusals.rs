//! Bad input: refused before anything changes, with a message that says what, where, and what to do.

use crate::support::{Call, Emulator, Environment, Proxy, Run, Running, account, wait_until};
use serde_json::json;
use std::fs::{self, File};
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

/// An environment and what must not change in it.
struct Untouched {
    env: Environment,
    inventory: Vec<String>,
    state: Option<Vec<u8>>,
}

impl Untouched {
    /// Nothing is deployed.
    fn empty() -> Self {
        Self::now(Environment::new())
    }

    /// Everything is deployed.
    fn standing() -> Self {
        let env = Environment::new();
        env.up();
        Self::now(env)
    }

    fn now(env: Environment) -> Self {
        Self {
            inventory: env.aws.inventory(),
            state: fs::read(env.state_file()).ok(),
            env,
        }
    }

    /// Asserts that these arguments are refused as [`refused`] says.
    #[track_caller]
    fn refuses(&self, args: &[&str], code: i32, says: &[&str]) -> Run {
        refused(self.env.command(args), code, says)
    }

    #[track_caller]
    fn assert_untouched(&self) {
        assert_eq!(self.env.aws.inventory(), self.inventory, "the account has changed");
        let state = fs::read(self.env.state_file()).ok();
        assert!(state == self.state, "the state file has changed");
    }
}

/// Asserts that the command is refused with this code and says all this on standard error, in order and without a
/// panic.
#[track_caller]
fn refused(mut command: Command, code: i32, says: &[&str]) -> Run {
    let output = command.output().expect("fraudctl starts");
    let run = Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
    .exits(code);
    assert!(!run.stderr.contains("panicked at"), "{run:#?}");
    for text in says {
        assert!(run.stderr.contains(text), "does not say {text:?}: {run:#?}");
    }
    run
}

#[test]
fn an_environment_name_that_aws_would_refuse_is_wrong_usage() {
    let place = Untouched::empty();
    let long = "x".repeat(33);
    for name in ["", "a b", "a/b", "../x", "ä", "-a", "a.b", "Dev", long.as_str()] {
        for command in [
            &["up", "--yes"][..],
            &["down", "--yes"],
            &["diff"],
            &["output"],
            &["status"],
            &["send"],
        ] {
            let flag = format!("--env={name}");
            let args = [command, &[flag.as_str()]].concat();
            let run = place.refuses(&args, 2, &[&format!("{name:?}"), "1 to 32 letters, digits, `-` or `_`"]);
            assert!(run.stdout.is_empty(), "{run:#?}");
        }
    }
    let mut command = place.env.command(&["up", "--yes"]);
    command.env("FRAUDCTL_ENV", "a.b");
    refused(command, 2, &["\"a.b\""]);
    place.assert_untouched();
    assert!(!place.env.state_folder().join("dev.lock").exists(), "a lock was taken");
}

#[test]
fn malformed_settings_are_refused_with_the_line_and_the_key() {
    let place = Untouched::standing();
    let file = place.env.state_folder().join("settings.toml");
    let path = file.to_str().expect("a path of the tests' own");
    let cases: [(&str, &[&str]); 6] = [
        (
            "# mine\nalert_mail = \"a@b.example\"\n",
            &["line 2", "alert_mail", "alert_email"],
        ),
        (
            "[env.dev]\nfraud_treshold = 1\n",
            &["line 2", "fraud_treshold", "fraud_threshold"],
        ),
        (
            "\n\nlog_retention_days = \"30\"\n",
            &["line 3", "log_retention_days", "string"],
        ),
        ("[processor]\nmemory_mb = -1\n", &["line 2", "memory_mb"]),
        ("[tags]\nTeam = [\n", &["line 2"]),
        ("just words\n", &["line 1"]),
    ];
    for (toml, says) in cases {
        place.env.settings(toml);
        for command in [&["up", "--yes"][..], &["diff"], &["down", "--yes"]] {
            place.refuses(command, 1, &[&[path][..], says].concat());
        }
    }
    // No place in the file to name: the key is.
    for (toml, says) in [
        ("arch = \"mips\"\n", ["arch", "mips", "`arm64` or `x86_64`"]),
        ("fraud_threshold = 1.5\n", ["fraud_threshold", "1.5", "0 to 1"]),
        (
            "log_retention_days = 31\n",
            ["log_retention_days", "31", "7, 30 or 365"],
        ),
        (
            "alert_email = \"nobody\"\n",
            ["alert_email", "nobody", "an e-mail address"],
        ),
        (
            "[analyzer]\nmemory_mb = 1\n",
            ["analyzer.memory_mb", "\"1\"", "128 to 10240"],
        ),
        ("[tags]\n\"aws:x\" = \"1\"\n", ["tags", "aws:x", "aws:"]),
    ] {
        place.env.settings(toml);
        place.refuses(&["up", "--yes"], 1, &says);
    }
    // Rules stand in a file of their own, which is named with what is wrong in it.
    let rules = place.env.state_folder().join("rules.json");
    let rules_path = rules.to_str().expect("a path of the tests' own");
    place.env.settings("[env.prod]\nrules = \"rules.json\"\n");
    place.refuses(
        &["up", "--yes"],
        1,
        &[path, "environment prod", "rules", rules_path, "No such file"],
    );
    fs::write(&rules, "{\n\"version\": }\n").expect("the rules are written");
    for command in [&["up", "--yes"][..], &["diff"], &["down", "--yes"]] {
        place.refuses(command, 1, &[path, "rules", rules_path, "cannot be used", "line 2"]);
    }
    place.env.settings("");
    place.refuses(
        &["up", "--yes", "--config", "/nonexistent.toml"],
        1,
        &["/nonexistent.toml", "No such file"],
    );
    place.assert_untouched();
}

#[test]
fn without_credentials_nothing_begins_and_the_ways_to_give_them_are_named() {
    let place = Untouched::standing();
    for args in [&["up", "--yes"][..], &["down", "--yes"], &["diff"], &["output"]] {
        let mut command = place.env.command(args);
        command
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_SECRET_ACCESS_KEY");
        let run = refused(
            command,
            1,
            &["no AWS credentials", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "--local"],
        );
        assert!(run.stdout.is_empty(), "{run:#?}");
        // What is to be done comes first; what each place said follows, to the last one that was looked at.
        let (first, last) = run
            .stderr
            .split_once("What was looked for: ")
            .expect("what was looked for");
        for text in ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "or use --local"] {
            assert!(first.contains(text), "{text}: {run:#?}");
        }
        for text in [
            "Environment: ",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_EC2_METADATA_DISABLED",
        ] {
            assert!(last.contains(text), "{text}: {run:#?}");
        }
    }
    // Where the state is shared, the local AWS is refused, or has nothing to do with it.
    for args in [&["up", "--yes"][..], &["state", "list"]] {
        let mut command = place.env.command(args);
        command
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_SECRET_ACCESS_KEY")
            .env("FRAUDCTL_STATE", "s3://my-bucket/team");
        let run = refused(command, 1, &["no AWS credentials", "AWS_ROLE_ARN"]);
        assert!(!run.stderr.contains("--local"), "{run:#?}");
    }
    place.assert_untouched();
}

#[test]
fn credentials_that_aws_does_not_know_are_refused_with_the_words_of_aws() {
    let place = Untouched::standing();
    // MiniStack takes any key for an account unless policies are enforced; this is AWS's answer to an unknown one.
    let proxy = Proxy::before(Emulator::shared().endpoint());
    proxy.refuse("InvalidClientTokenId", |call: &Call| call.service == "sts");
    for args in [&["up", "--yes"][..], &["down", "--yes"], &["diff"]] {
        let mut command = place.env.command(args);
        command.env("AWS_ENDPOINT_URL", proxy.endpoint());
        let closed = "the region us-east-1 may not be enabled in this account";
        refused(
            command,
            1,
            &[proxy.endpoint(), "InvalidClientTokenId", "AWS_PROFILE", closed],
        );
    }
    assert!(
        proxy.calls().iter().all(|call| call.service == "sts"),
        "{:#?}",
        proxy.calls()
    );
    place.assert_untouched();
}

/// The quota of a new account; a real one cannot be made to have it.
#[test]
fn an_account_with_too_few_executions_is_told_before_anything_is_changed_and_the_way_out_works() {
    let place = Untouched::empty();
    let proxy = Proxy::before(Emulator::shared().endpoint());
    let limit = json!({"ConcurrentExecutions": 10, "UnreservedConcurrentExecutions": 10});
    let settings = json!({"AccountLimit": limit, "AccountUsage": {"FunctionCount": 0}});
    proxy.answer(&settings, |call: &Call| call.is("lambda", "GetAccountSettings"));
    let command = |args: &[&str]| {
        let mut command = place.env.command(args);
        command.env("AWS_ENDPOINT_URL", proxy.endpoint());
        command
    };
    let says = ["has 10 unreserved", "--no-reserved-concurrency", "nothing was changed"];
    refused(command(&["up", "--yes", "--json"]), 1, &says);
    assert!(proxy.calls().iter().all(|call| !call.changes()), "{:#?}", proxy.calls());
    place.assert_untouched();

    let up = Running::start(command(&["up", "--yes", "--json", "--no-reserved-concurrency"]))
        .end()
        .exits(0)
        .json();
    assert_eq!(
        (&up["summary"]["created"], &up["summary"]["failed"]),
        (&json!(60), &json!(0)),
        "{up:#}"
    );
    for function in ["transaction-processor-dev", "pattern-analyzer-dev"] {
        let asked = json!({"FunctionName": function});
        let reserved = place.env.aws.call("lambda", "get_function_concurrency", asked);
        assert_eq!(reserved["ReservedConcurrentExecutions"], json!(null), "{function}");
    }
}

#[test]
fn an_endpoint_that_cannot_be_reached_is_told_within_ten_seconds() {
    let place = Untouched::standing();
    // Bound and closed again: nobody listens there.
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let refusing = format!("http://{}", free.local_addr().expect("it is bound"));
    drop(free);
    // No part of a name is longer than 63 letters, so this one is refused by the resolver without any network.
    let nameless = format!("http://{}.example:4566", "a".repeat(64));
    for endpoint in [refusing.as_str(), &nameless, "no-scheme:4566"] {
        let begun = Instant::now();
        let mut command = place.env.command(&["up", "--yes"]);
        command.env("AWS_ENDPOINT_URL", endpoint);
        refused(command, 1, &[endpoint, "check the endpoint"]);
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{endpoint}: {:?}",
            begun.elapsed()
        );
    }
    place.assert_untouched();
}

#[test]
fn an_endpoint_that_never_answers_is_told_within_ten_seconds() {
    let place = Untouched::empty();
    // The system accepts connections for it; nobody ever reads them.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let endpoint = format!("http://{}", silent.local_addr().expect("it is bound"));
    let begun = Instant::now();
    let mut command = place.env.command(&["up", "--yes"]);
    command.env("AWS_ENDPOINT_URL", &endpoint);
    refused(command, 1, &[&endpoint]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    place.assert_untouched();
}

#[test]
fn a_state_of_another_place_is_refused_naming_both() {
    let place = Untouched::standing();
    let (mine, other) = (place.env.account.clone(), account());
    let proxy = Proxy::before(Emulator::shared().endpoint());
    let copy = place.env.state_folder().join("other.json");
    fs::copy(place.env.state_file(), &copy).expect("a copy of the state");
    for args in [
        &["up", "--yes"][..],
        &["down", "--yes"],
        &["diff"],
        &["output"],
        &["status"],
        &["send"],
    ] {
        let path = place.env.state_file();
        let path = path.to_str().expect("a path of the tests' own");

        let mut command = place.env.command(args);
        command.env("AWS_ACCESS_KEY_ID", &other);
        refused(
            command,
            1,
            &[path, &format!("account {mine}"), &other, "switch credentials"],
        );

        let args_there = [args, &["--region", "eu-west-1"]].concat();
        place.refuses(
            &args_there,
            1,
            &[path, "region us-east-1", "eu-west-1", "switch credentials"],
        );

        let mut command = place.env.command(args);
        command.env("AWS_ENDPOINT_URL", proxy.endpoint());
        let theirs = format!("endpoint {}", Emulator::shared().endpoint());
        refused(command, 1, &[path, &theirs, proxy.endpoint(), "switch credentials"]);

        let args_there = [args, &["--env", "other"]].concat();
        place.refuses(
            &args_there,
            1,
            &["other.json", "environment dev", "other", "use another --env"],
        );
    }
    assert!(
        proxy
            .calls()
            .iter()
            .all(|call| !call.changes() || call.service == "sts")
    );
    assert_eq!(fs::read(&copy).ok(), place.state);
    assert_eq!(Emulator::shared().aws(&other).inventory(), Vec::<String>::new());
    place.assert_untouched();
    place.env.assert_settled();
}

#[test]
fn a_damaged_or_newer_state_is_refused_and_left_as_it_is() {
    let place = Untouched::standing();
    let whole = place.state.clone().expect("a state");
    let text = String::from_utf8(whole.clone()).expect("JSON");
    let newer = text.replacen("\"version\": 1,", "\"version\": 2,", 1);
    assert_ne!(newer, text, "the version is not where this test looks for it");
    let half = text[..text.len() / 2].to_owned();
    let path = place.env.state_file();
    let name = path.to_str().expect("a path of the tests' own");
    let cases: [(String, &[&str]); 4] = [
        (
            half,
            &["is damaged", "line", "put a good copy back, or rename the file"],
        ),
        (
            String::new(),
            &["is damaged", "put a good copy back, or rename the file"],
        ),
        (
            "no JSON\n".to_owned(),
            &["is damaged", "line 1", "put a good copy back, or rename the file"],
        ),
        (newer, &["format 2", "up to 1", "use the newer fraudctl"]),
    ];
    for (content, says) in cases {
        fs::write(&path, &content).expect("the state is replaced");
        for args in [
            &["up", "--yes"][..],
            &["down", "--yes"],
            &["diff"],
            &["output"],
            &["status"],
            &["send"],
        ] {
            place.refuses(args, 1, &[&[name][..], says].concat());
            assert_eq!(
                fs::read_to_string(&path).ok().as_ref(),
                Some(&content),
                "{args:?} wrote the state"
            );
        }
    }
    fs::write(&path, &whole).expect("the state is put back");
    place.assert_untouched();
    place.env.assert_settled();
}

#[test]
fn a_lock_that_another_process_holds_is_named_with_its_holder() {
    let place = Untouched::standing();
    let path = place.env.state_folder().join("dev.lock");
    let mut lock = File::options()
        .write(true)
        .truncate(true)
        .open(&path)
        .expect("the lock file");
    lock.lock().expect("nobody else has it");
    write!(
        lock,
        r#"{{"pid": 4242, "host": "elsewhere", "since": 1, "doing": "down"}}"#
    )
    .expect("the holder");
    let name = path.to_str().expect("a path of the tests' own");
    for command in [&["up", "--yes"][..], &["down", "--yes"]] {
        let run = place.refuses(
            command,
            5,
            &[name, "`fraudctl down`", "4242", "elsewhere", "wait for it to end"],
        );
        assert!(run.stdout.is_empty(), "{run:#?}");
    }
    // Who only looks needs no lock.
    place.env.assert_settled();
    place.env.run(&["status"]).exits(0);
    place.assert_untouched();
    drop(lock);
    // A child that another test starts at this moment may have the lock for an instant longer.
    wait_until(Duration::from_secs(20), "the lock to be free", || {
        (place.env.run(&["up", "--yes"]).code == 0).then_some(())
    });
}

#[test]
fn while_one_up_runs_another_is_refused_and_the_first_is_not_disturbed() {
    let env = Environment::new();
    let proxy = Proxy::before(Emulator::shared().endpoint());
    let held = proxy.hold(|call| call.is("dynamodb", "CreateTable"));
    let through = |args: &[&str]| {
        let mut command = env.command(args);
        command.env("AWS_ENDPOINT_URL", proxy.endpoint());
        command
    };
    let first = Running::start(through(&["up", "--yes", "--json"]));
    held.await_calls(1);
    let holder = format!("process {}", first.pid());
    for args in [&["up", "--yes"][..], &["down", "--yes"]] {
        refused(
            through(args),
            5,
            &["dev.lock", "`fraudctl up`", &holder, "wait for it to end"],
        );
    }
    drop(held);
    let up = first.end().exits(0).json();
    assert_eq!(
        (&up["summary"]["created"], &up["summary"]["failed"]),
        (&json!(60), &json!(0)),
        "{up:#}"
    );
}

#[test]
fn a_command_line_that_is_none_is_wrong_usage() {
    let place = Untouched::empty();
    place.refuses(&[], 2, &["Usage: fraudctl <COMMAND>"]);
    place.refuses(&["deploy"], 2, &["unrecognized subcommand 'deploy'", "--help"]);
    place.refuses(
        &["up", "--yes", "--force"],
        2,
        &["unexpected argument '--force'", "--help"],
    );
    place.refuses(&["up", "--arch", "mips", "--yes"], 2, &["'mips'", "arm64, x86_64"]);
    place.refuses(&["up", "--yes", "extra"], 2, &["unexpected argument 'extra'"]);
    place.refuses(&["diff", "--local", "--profile", "mine"], 2, &["--local", "--profile"]);
    place.refuses(
        &["local", "start", "--local-port", "none"],
        2,
        &["'none'", "--local-port"],
    );
    let nowhere = place.env.state_folder().to_str().expect("a path of the tests' own");
    place.refuses(
        &["up", "--yes", "--project", nowhere],
        2,
        &[nowhere, "no fraudctl project", "functions/"],
    );
    // Neither given nor around.
    let mut command = place.env.command(&["up", "--yes"]);
    command.env_remove("FRAUDCTL_PROJECT").current_dir(nowhere);
    refused(command, 2, &["in no fraudctl project", "--project"]);
    place.assert_untouched();
}

#[test]
fn without_a_terminal_and_without_yes_the_plan_is_shown_and_nothing_is_done() {
    // The plan goes to where the question would: standard output may be a file.
    let place = Untouched::empty();
    let run = place.refuses(&["up"], 1, &["nothing was changed", "no terminal", "--yes"]);
    assert!(
        run.stderr.contains("+ create") && run.stderr.contains("Plan: 60 to create."),
        "{run:#?}"
    );
    let run = place.refuses(
        &["up", "--json"],
        1,
        &["Plan: 60 to create.", "nothing was changed", "--yes"],
    );
    assert!(run.stdout.is_empty(), "{run:#?}");
    place.assert_untouched();

    let place = Untouched::standing();
    let run = place.refuses(&["down"], 1, &["nothing was changed", "no terminal", "--yes"]);
    assert!(run.stderr.contains("Plan: 60 to delete."), "{run:#?}");
    place.env.settings("fraud_threshold = 0.9\n");
    let run = place.refuses(&["up"], 1, &["nothing was changed", "no terminal", "--yes"]);
    assert!(run.stderr.contains("Plan: 1 to update, 59 unchanged."), "{run:#?}");
    place.assert_untouched();
    // Where there is nothing to do, there is nothing to ask.
    place.env.settings("");
    place.env.run(&["up"]).exits(0);
}

#[test]
fn a_state_that_cannot_be_kept_is_refused_before_anything_is_made() {
    let place = Untouched::empty();
    // Not a folder without permissions: those do not bind a superuser.
    let file = place.env.state_folder().join("file");
    fs::write(&file, "").expect("a file");
    let folder = file.join("state");
    let folder = folder.to_str().expect("a path of the tests' own");
    for args in [&["up", "--yes"][..], &["down", "--yes"]] {
        let args = [args, &["--state", folder]].concat();
        place.refuses(&args, 1, &[folder, "Not a directory", "--state"]);
    }
    for command in ["diff", "status", "output", "send"] {
        place.refuses(&[command, "--state", folder], 1, &[folder, "Not a directory"]);
    }
    place.assert_untouched();
}

#[test]
fn a_resource_of_our_name_that_someone_else_made_is_refused_by_name() {
    let env = Environment::new();
    env.aws
        .call("sqs", "create_queue", json!({"QueueName": "lambda-dlq-dev"}));
    let trust = json!({"Version": "2012-10-17", "Statement": []}).to_string();
    let role = json!({"RoleName": "transaction-processor-role-dev", "AssumeRolePolicyDocument": trust});
    env.aws.call("iam", "create_role", role);
    let place = Untouched::now(env);
    let says = [
        "not ours",
        "nothing was changed",
        "messaging.lambda_dlq",
        "lambda-dlq-dev",
        "functions.processor_role",
        "transaction-processor-role-dev",
        "Rename or remove them, or use another --env",
    ];
    for args in [&["up", "--yes"][..], &["up", "--yes", "--json"]] {
        let run = place.refuses(args, 1, &says);
        assert!(run.stdout.is_empty(), "{run:#?}");
    }
    place.env.run(&["down", "--yes"]).exits(0);
    place.assert_untouched();
}

#[test]
fn an_amount_that_is_no_number_is_wrong_usage() {
    let place = Untouched::empty();
    for amount in ["", "abc", "1,5", "NaN", "1 2", "0x10", "\"1\""] {
        let flag = format!("--amount={amount}");
        place.refuses(
            &["send", &flag],
            2,
            &[&format!("{amount:?}"), "is not a number", "150.50"],
        );
    }
    place.assert_untouched();
}

#[test]
fn an_output_that_does_not_exist_is_refused_with_the_names_that_do() {
    let place = Untouched::standing();
    let run = place.refuses(
        &["output", "nonsense"],
        2,
        &["\"nonsense\"", "api_endpoint", "api_key", "alert_queue_url"],
    );
    assert!(run.stdout.is_empty(), "{run:#?}");
    place.assert_untouched();
}

#[test]
fn before_anything_is_deployed_there_is_nothing_to_use() {
    let place = Untouched::empty();
    let runs = [
        place.refuses(
            &["output"],
            1,
            &["nothing is deployed in environment dev", "`fraudctl up --env dev"],
        ),
        place.refuses(
            &["output", "api_key"],
            1,
            &["nothing is deployed in environment dev", "`fraudctl up --env dev"],
        ),
        place.refuses(
            &["output", "--json"],
            1,
            &["nothing is deployed in environment dev", "`fraudctl up --env dev"],
        ),
        place.refuses(
            &["send"],
            1,
            &["nothing is deployed in environment dev", "`fraudctl up --env dev"],
        ),
        place.refuses(
            &["send", "--json"],
            1,
            &["nothing is deployed in environment dev", "`fraudctl up --env dev"],
        ),
    ];
    assert!(runs.iter().all(|run| run.stdout.is_empty()), "{runs:#?}");
    place.assert_untouched();
}

#[test]
fn a_profile_that_does_not_exist_and_a_region_that_cannot_be_one_are_named() {
    let place = Untouched::standing();
    let mut command = place.env.command(&["up", "--yes", "--profile", "nope"]);
    command
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY");
    refused(
        command,
        1,
        &[
            "there is no profile \"nope\" in /dev/null",
            "no profile is there at all",
        ],
    );
    place.refuses(&["up", "--yes", "--region", "xx y"], 1, &["\"xx y\"", "us-east-1"]);
    place.assert_untouched();
}

#[test]
fn a_mistake_in_the_settings_of_another_environment_is_told() {
    let place = Untouched::standing();
    place.env.settings("[env.prod.processor]\nmemory_mb = 1\n");
    place.refuses(
        &["diff"],
        1,
        &["environment prod", "processor.memory_mb", "128 to 10240"],
    );
    place.assert_untouched();
}
