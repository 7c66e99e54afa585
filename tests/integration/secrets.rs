//! Credentials and API keys are told to nobody: not in what is printed, however much one asks for, nor in what is written.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::client::text;
use crate::manners::Watched;
use crate::support::{Call, Environment, Run, Running};

/// With what changes in base64, in URLs and in JSON.
const SECRET_KEY: &str = "pS7+w/Qk\"29vXe=fRt8&bLz4Nc6Yh3Jd5Gm1Ua";
const SESSION_TOKEN: &str = "FwoGZXIvYXdz/Ek9+Tq2Wm7Xr4Zs8Vb3Np6Lc1==";

/// As many letters of a secret in a row are too many.
const TOO_MANY: usize = 12;

/// What a text must not have of a secret: any part of it, as it is or as it travels.
fn traces(secret: &str) -> Vec<String> {
    let letters: Vec<char> = secret.chars().collect();
    let mut traces: Vec<String> = letters.windows(TOO_MANY).map(|part| part.iter().collect()).collect();
    let percent: String = secret
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    traces.extend([
        percent,
        hex.to_uppercase(),
        hex,
        format!("{secret:?}"),
        json!(secret).to_string(),
    ]);
    // Base64 takes three bytes at once, so the same text has three forms, by what stands before it. The first letters and
    // the last ones depend on the neighbours.
    for before in 0..3 {
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let coded = engine.encode(format!("{}{secret}", &"..."[..before]));
            traces.push(coded[4..coded.len() - 4].to_owned());
        }
    }
    traces
}

#[track_caller]
fn assert_silent(what: &str, content: &[u8], secrets: &[&str]) {
    let content = String::from_utf8_lossy(content);
    for secret in secrets {
        for trace in traces(secret) {
            assert!(!content.contains(&trace), "{what} has {trace:?} of a secret: {content}");
        }
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}

/// The command as talkative as anything in it can be made.
fn talkative(command: &mut Command) {
    command
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_SESSION_TOKEN", SESSION_TOKEN)
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "full")
        .env("AWS_DEBUG", "true")
        .env("DEBUG", "1");
}

/// What is looked for is found, in all its forms.
#[test]
fn the_traces_of_a_secret_are_found() {
    let url_safe = URL_SAFE_NO_PAD.encode(format!("user:{SECRET_KEY}\n"));
    let said = [
        format!("Credentials {{ secret: {SECRET_KEY:?} }}"),
        json!({"secret": SECRET_KEY}).to_string(),
        STANDARD_NO_PAD.encode(format!("a{SECRET_KEY}b")),
        url_safe,
        format!("...{}...", &SECRET_KEY[20..34]),
        "pS7%2Bw%2FQk%2229vXe%3DfRt8%26bLz4Nc6Yh3Jd5Gm1Ua".to_owned(),
    ];
    for text in said {
        let found = traces(SECRET_KEY).iter().any(|trace| text.contains(trace.as_str()));
        assert!(found, "{text}");
    }
    assert!(
        !traces(SECRET_KEY)
            .iter()
            .any(|trace| SESSION_TOKEN.contains(trace.as_str()))
    );
}

#[test]
fn nothing_that_is_said_or_written_in_a_whole_life_has_a_secret() {
    let watched = Watched::of(Environment::new().scoring());
    let scratch = tempfile::tempdir().expect("a folder for temporary files");
    let mut told: Vec<(String, Run)> = Vec::new();
    let mut run = |args: &[&str], code: i32| {
        let mut command = watched.command(args);
        talkative(&mut command);
        command.env("TMPDIR", scratch.path());
        let run = Running::start(command).end().exits(code);
        let document = run.stdout.clone();
        told.push((args.join(" "), run));
        document
    };

    // What goes wrong is told at length.
    watched
        .proxy
        .refuse("InvalidClientTokenId", |call: &Call| call.service == "sts");
    run(&["up", "--yes"], 1);
    run(&["diff", "--json"], 1);
    watched.proxy.forget();
    watched
        .proxy
        .refuse("ValidationException", |call: &Call| call.is("events", "PutRule"));
    run(&["up", "--yes", "--json"], 3);
    watched.proxy.forget();
    watched
        .proxy
        .refuse("AccessDeniedException", |call: &Call| call.is("events", "PutRule"));
    run(&["up", "--yes"], 1);
    watched.proxy.forget();

    run(&["diff"], 0);
    run(&["up", "--yes"], 0);
    run(&["up", "--yes", "--json"], 0);
    for args in [
        &["diff"][..],
        &["output"],
        &["status"],
        &["rules", "show"],
        &["state", "list"],
    ] {
        run(args, 0);
        run(&[args, &["--json"]].concat(), 0);
    }
    for name in ["api_endpoint", "api_key_id"] {
        run(&["output", name], 0);
    }
    run(&["output", "nonsense"], 2);
    run(&["send"], 0);
    let sent: Value = serde_json::from_str(&run(&["send", "--json"], 0)).expect("a document");
    let id = text(&sent["transaction_id"]);
    run(&["label", &id, "fraud"], 0);
    run(&["label", &id, "ok", "--json"], 0);
    run(&["label", "nobody", "ok"], 1);
    let mut rules: Value = serde_json::from_str(&run(&["rules", "show"], 0)).expect("rules");
    rules["version"] = json!("mine-1");
    rules["suspicious_above"] = json!(0.8);
    let file = scratch.path().join("rules.json");
    fs::write(&file, rules.to_string()).expect("a rules file");
    let file = file.to_str().expect("a path of the tests' own");
    run(&["rules", "diff", file], 0);
    run(&["rules", "dry-run", file], 0);
    run(&["rules", "dry-run", file, "--json"], 0);
    run(&["rules", "push", file, "--yes", "--json"], 0);
    run(&["load", "--rate", "3", "--duration", "1s"], 0);
    run(&["load", "--rate", "3", "--duration", "1s", "--json"], 0);
    for address in ["api.key", "functions.processor", "storage.rules"] {
        run(&["state", "show", address], 0);
        run(&["state", "show", address, "--json"], 0);
    }

    let keys = watched
        .env
        .aws
        .call("apigateway", "get_api_keys", json!({"includeValues": true}));
    let value = text(&keys["items"][0]["value"]);
    assert!(value.len() >= 20, "too short to be looked for: {value}");
    let secrets = [SECRET_KEY, SESSION_TOKEN, value.as_str()];

    // The one place that tells it, when asked.
    for (args, says) in [
        (&["output", "api_key"][..], format!("{value}\n")),
        (&["output", "api_key", "--json"], format!("\"{value}\"\n")),
    ] {
        let mut command = watched.command(args);
        talkative(&mut command);
        let asked = Running::start(command).end().exits(0);
        assert_eq!(asked.stdout, says);
        assert_silent("output api_key", asked.stderr.as_bytes(), &secrets);
    }

    // Where the key goes to when nobody is there.
    let state = fs::read_to_string(watched.env.state_file()).expect("a state");
    let written = |when: &str| {
        for path in files(watched.env.state_folder()).iter().chain(&files(scratch.path())) {
            let content = fs::read(path).expect("a file");
            assert_silent(&format!("{} {when}", path.display()), &content, &secrets);
        }
    };
    assert!(state.contains(&text(&keys["items"][0]["id"])), "the id is no secret");
    written("while it stands");
    run(&["down", "--yes", "--json"], 0);
    run(&["output"], 1);
    written("afterwards");
    for (what, run) in &told {
        assert_silent(what, run.stdout.as_bytes(), &secrets);
        assert_silent(what, run.stderr.as_bytes(), &secrets);
    }
    // What is kept of a build.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("the target directory");
    for path in files(&target.join("fraudctl")) {
        assert_silent(&path.display().to_string(), &fs::read(&path).expect("a file"), &secrets);
    }
}

#[test]
fn a_password_in_the_endpoint_is_refused_and_not_told() {
    let env = Environment::new();
    for args in [&["diff"][..], &["up", "--yes", "--json"], &["down", "--yes"]] {
        let mut command = env.command(args);
        command.env("AWS_ENDPOINT_URL", "http://me:pS7wQk29vXe@127.0.0.1:1");
        let run = Running::start(command).end().exits(1);
        assert!(
            run.stderr.contains("AWS_ENDPOINT_URL") && run.stderr.contains("leave it out"),
            "{run:#?}"
        );
        assert!(!run.stderr.contains("pS7wQk29vXe") && run.stdout.is_empty(), "{run:#?}");
    }
    assert!(!env.state_file().exists());
}

/// Whoever cannot read a secret says that, and not what he has read.
#[test]
fn credentials_that_cannot_be_used_are_not_told() {
    let env = Environment::new();
    let folder = env.state_folder();
    let (config, shared) = (folder.join("config"), folder.join("credentials"));
    let printing = |document: &str| {
        let file = folder.join("document");
        fs::write(&file, document).expect("a document");
        format!("[default]\ncredential_process = cat {}\n", file.display())
    };
    let half = json!({"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": SECRET_KEY, "Expiration": "never"});
    let broken = format!("{{\"Version\": 1, \"SecretAccessKey\": \"{SESSION_TOKEN}\", ");
    // What a helper says for people is told: it alone knows what to do. What it printed for us is not.
    let script = folder.join("fails.sh");
    fs::write(
        &script,
        format!("echo {SESSION_TOKEN}\necho log in again >&2\nexit 1\n"),
    )
    .expect("a script");
    let cases = [
        (printing(&half.to_string()), String::new()),
        (printing(&broken), String::new()),
        (printing(SESSION_TOKEN), String::new()),
        (
            format!("[default]\ncredential_process = sh {}\n", script.display()),
            String::new(),
        ),
        (
            format!("[default]\ncredential_process = no-such-program {SESSION_TOKEN}\n"),
            String::new(),
        ),
        (
            String::new(),
            format!("[default]\naws_secret_access_key = {SESSION_TOKEN}\n"),
        ),
        (
            String::new(),
            format!("[default]\naws_secret_access_key {SESSION_TOKEN}\n"),
        ),
        (
            String::new(),
            format!("[default\naws_secret_access_key = {SESSION_TOKEN}\n"),
        ),
    ];
    for (in_config, in_shared) in cases {
        fs::write(&config, &in_config).expect("the configuration");
        fs::write(&shared, &in_shared).expect("the credentials");
        for args in [&["diff"][..], &["up", "--yes", "--json"]] {
            let mut command = env.command(args);
            command
                .env_remove("AWS_ACCESS_KEY_ID")
                .env_remove("AWS_SECRET_ACCESS_KEY")
                .env("AWS_CONFIG_FILE", &config)
                .env("AWS_SHARED_CREDENTIALS_FILE", &shared)
                .env("RUST_LOG", "trace")
                .env("RUST_BACKTRACE", "full");
            let run = Running::start(command).end().exits(1);
            // The file may be none at all, which is told before.
            let told = ["no AWS credentials", "cannot use the AWS configuration"];
            assert!(told.iter().any(|told| run.stderr.contains(told)), "{run:#?}");
            let helped = in_config.contains("fails.sh");
            assert_eq!(run.stderr.contains("log in again"), helped, "{run:#?}");
            for said in [&run.stdout, &run.stderr] {
                assert_silent(&in_config, said.as_bytes(), &[SECRET_KEY, SESSION_TOKEN]);
            }
        }
    }
}
