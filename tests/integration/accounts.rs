//! Which account, region and endpoint a run works on, and what the settings allow.

use std::fs;
use std::process::Command;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::{Call, Emulator, Environment, Proxy, Run, account};

/// An environment in an account, with the keys of another account in the shell.
struct Shell {
    env: Environment,
    /// The account of the keys in the shell.
    other: String,
}

impl Shell {
    fn new() -> Self {
        let shell = Self {
            env: Environment::new(),
            other: account(),
        };
        shell.config(&shell.usual());
        shell
    }

    /// A profile with keys, one that takes a role with them, and one that says nothing of credentials.
    fn usual(&self) -> String {
        let mine = &self.env.account;
        format!(
            "[profile base]\naws_access_key_id = {mine}\naws_secret_access_key = test\n\
             [profile deploy]\nrole_arn = arn:aws:iam::{mine}:role/deployer\nsource_profile = base\nregion = eu-west-1\n"
        )
    }

    fn config(&self, text: &str) {
        fs::write(self.file(), text).expect("a configuration");
    }

    fn file(&self) -> String {
        let file = self.env.state_folder().join("aws-config");
        file.to_str().expect("text").to_owned()
    }

    /// The command, with the configuration, the other account's keys, and no region but the profile's.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.env.command(args);
        command
            .env("AWS_CONFIG_FILE", self.file())
            .env("AWS_ACCESS_KEY_ID", &self.other)
            .env_remove("AWS_REGION");
        command
    }

    /// Runs it with these variables.
    #[track_caller]
    fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        ran(self.command(args).envs(variables.iter().copied()))
    }
}

#[track_caller]
fn ran(command: &mut Command) -> Run {
    let output = command.output().expect("fraudctl starts");
    Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[track_caller]
fn says(run: &Run, parts: &[&str]) {
    for part in parts {
        let said = run.stdout.contains(part) || run.stderr.contains(part);
        assert!(said, "does not say {part:?}: {run:#?}");
    }
}

#[test]
fn a_profile_that_is_named_gives_account_and_region_whatever_keys_the_shell_has() {
    let shell = Shell::new();
    let mine = format!("Environment dev in account {}, region eu-west-1", shell.env.account);
    let run = shell.run(&["diff", "--profile", "deploy"], &[]).exits(0);
    says(&run, &[&mine, "profile deploy", ":assumed-role/deployer/"]);
    let run = shell
        .run(&["diff", "--profile", "base"], &[("AWS_PROFILE", "deploy")])
        .exits(0);
    let base = format!("account {}, region us-east-1", shell.env.account);
    says(&run, &[&base, "profile base", ":root"]);

    // A profile that only a variable names stays behind the keys, as in the AWS command line.
    let theirs = format!("Environment dev in account {}, region eu-west-1", shell.other);
    for variable in ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"] {
        let run = shell.run(&["diff"], &[(variable, "deploy")]).exits(0);
        says(&run, &[&theirs]);
        assert!(!run.stdout.contains("profile deploy"), "{run:#?}");
        let mut without = shell.command(&["diff"]);
        without.env(variable, "deploy").env_remove("AWS_ACCESS_KEY_ID");
        says(&ran(&mut without).exits(0), &[&mine, "profile deploy"]);
    }

    // As there, a region of the shell goes before the profile's; here that is said.
    let run = shell
        .run(&["diff", "--profile", "deploy"], &[("AWS_REGION", "us-west-2")])
        .exits(0);
    says(
        &run,
        &[
            "region us-west-2",
            "note: the region is us-west-2, as AWS_REGION says; the profile \"deploy\" says eu-west-1",
        ],
    );

    shell.run(&["up", "--yes", "--profile", "deploy"], &[]).exits(0);
    let status = shell
        .run(&["status", "--json", "--profile", "deploy"], &[])
        .exits(0)
        .json();
    assert_eq!(status["account"], shell.env.account.as_str());
    assert_eq!(status["profile"], "deploy");
    let caller = status["caller"].as_str().unwrap_or_default();
    let role = format!("arn:aws:sts::{}:assumed-role/deployer/", shell.env.account);
    assert!(caller.starts_with(&role), "{status:#}");

    shell.run(&["down", "--yes", "--profile", "deploy"], &[]).exits(0);

    // What is offered for pasting goes to the same account.
    let nowhere = [("FRAUDCTL_STATE", "s3://no-such-bucket/x")];
    let run = shell.run(&["diff", "--profile", "deploy"], &nowhere).exits(1);
    let create = "aws s3api create-bucket --bucket no-such-bucket --create-bucket-configuration \
                  LocationConstraint=eu-west-1 --region eu-west-1 --endpoint-url http://127.0.0.1:";
    says(&run, &[create, " --profile deploy`"]);
}

#[test]
fn a_profile_that_cannot_be_used_is_told_with_the_way_round() {
    let shell = Shell::new();
    for (args, variables) in [
        (&["diff", "--profile", "deplyo"][..], &[][..]),
        (&["diff"], &[("AWS_PROFILE", "deplyo")]),
        (&["up", "--yes"], &[("AWS_PROFILE", "deplyo")]),
    ] {
        let run = shell.run(args, variables).exits(1);
        let file = shell.file();
        says(
            &run,
            &[
                "there is no profile \"deplyo\"",
                &file,
                "did you mean \"deploy\"?",
                "\"base\"",
            ],
        );
    }
    let run = shell.run(&["diff", "--profile", ""], &[]).exits(2);
    says(&run, &["--profile"]);

    let usual = shell.usual();
    shell.config(&usual.replace("source_profile", "mfa_serial = arn:aws:iam::1:mfa/me\nsource_profile"));
    let run = shell.run(&["diff", "--profile", "deploy"], &[]).exits(1);
    says(
        &run,
        &[
            "mfa_serial",
            "aws configure export-credentials --profile deploy",
            "credential_process",
        ],
    );
    shell.config(&usual.replace("= base", "= bsae"));
    let run = shell.run(&["diff", "--profile", "deploy"], &[]).exits(1);
    says(&run, &["\"bsae\" (source_profile)", "did you mean \"base\"?"]);
    shell.config("[profile base\n");
    for args in [&["diff", "--profile", "base"][..], &["diff"]] {
        let run = shell.run(args, &[]).exits(1);
        says(&run, &["cannot use the AWS configuration", &shell.file()]);
    }
}

#[test]
fn other_ways_to_credentials_are_open_to_a_profile() {
    let shell = Shell::new();
    let mine = &shell.env.account;
    let session = format!("arn:aws:iam::{mine}:user/me");
    let process = format!("echo '{{\"Version\": 1, \"AccessKeyId\": \"{mine}\", \"SecretAccessKey\": \"test\"}}'");
    shell.config(&format!(
        "[profile console]\nlogin_session = {session}\n[profile process]\ncredential_process = {process}\n\
         [profile shell]\nrole_arn = arn:aws:iam::{mine}:role/deployer\ncredential_source = Environment\n"
    ));
    // What `aws login` leaves.
    let cache = shell.env.state_folder().join("login");
    fs::create_dir(&cache).expect("a folder");
    let name: String = Sha256::digest(&session)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let token = json!({
        "accessToken": {
            "accessKeyId": mine, "secretAccessKey": "test", "sessionToken": "test", "accountId": mine,
            "expiresAt": "2099-01-01T00:00:00Z",
        },
        "tokenType": "aws_sigv4", "refreshToken": "none", "clientId": "arn:aws:signin:::devtools/same-device",
        "dpopKey": "none",
    });
    fs::write(cache.join(format!("{name}.json")), token.to_string()).expect("a token");
    let cache = cache.to_str().expect("text");
    for profile in ["console", "process", "shell"] {
        let run = shell
            .run(&["diff", "--profile", profile], &[("AWS_LOGIN_CACHE_DIRECTORY", cache)])
            .exits(0);
        says(&run, &[&format!("account {mine}, "), &format!("profile {profile}")]);
    }
}

/// A run through a proxy, which tells what was asked.
fn asked(shell: &Shell, proxy: &Proxy, args: &[&str], variables: &[(&str, &str)]) -> (Run, Vec<String>) {
    let mut command = shell.command(args);
    command
        .env("AWS_ENDPOINT_URL", proxy.endpoint())
        .envs(variables.iter().copied());
    let run = ran(&mut command);
    let calls = proxy.calls().into_iter().map(|call| call.operation).collect();
    proxy.forget();
    (run, calls)
}

#[test]
fn a_run_elsewhere_than_the_settings_say_is_refused_before_anything_else_is_asked() {
    let shell = Shell::new();
    let mine = shell.env.account.clone();
    let proxy = Proxy::before(Emulator::shared().endpoint());
    let pinned = format!("[env.dev]\naccount = \"{mine}\"\nregion = \"eu-west-1\"\n");
    shell.env.settings(&pinned);
    for args in [
        &["up", "--yes"][..],
        &["diff"],
        &["down", "--yes"],
        &["status"],
        &["send"],
        &["rules", "show"],
    ] {
        let (run, calls) = asked(&shell, &proxy, args, &[]);
        // Where nothing is deployed, nothing is asked at all.
        if !run.stderr.contains("nothing is deployed") {
            says(
                &run,
                &[
                    &format!("to the account {mine}"),
                    &format!("of the account {}", shell.other),
                    "`account`",
                ],
            );
            assert!(
                calls.iter().all(|call| call == "GetCallerIdentity"),
                "{args:?}: {calls:?}"
            );
        }
        assert_eq!(run.code, 1, "{run:#?}");

        let (run, calls) = asked(&shell, &proxy, args, &[("AWS_REGION", "us-east-1")]);
        says(
            &run.exits(1),
            &["to the region eu-west-1, but AWS_REGION says us-east-1", "`region`"],
        );
        assert_eq!(calls, Vec::<String>::new(), "{args:?}");
    }
    let (run, calls) = asked(&shell, &proxy, &["diff", "--region", "us-west-2"], &[]);
    says(&run.exits(1), &["but --region says us-west-2"]);
    assert_eq!(calls, Vec::<String>::new());

    // Within the pins it goes on, and the region needs no other source.
    let here = format!("Environment dev in account {mine}, region eu-west-1");
    let (run, _) = asked(&shell, &proxy, &["diff"], &[("AWS_ACCESS_KEY_ID", &mine)]);
    says(&run.exits(0), &[&here]);
    let (run, _) = asked(&shell, &proxy, &["diff", "--profile", "deploy"], &[]);
    says(&run.exits(0), &[&here]);

    // A profile that the settings name gives the credentials as the flag does, and no other one may.
    shell.env.settings(&format!("{pinned}profile = \"deploy\"\n"));
    let (run, _) = asked(&shell, &proxy, &["diff"], &[("AWS_PROFILE", "base")]);
    says(&run.exits(0), &[&here, "profile deploy"]);
    let (run, calls) = asked(&shell, &proxy, &["diff", "--profile", "base"], &[]);
    says(
        &run.exits(1),
        &["to the profile \"deploy\", but --profile says \"base\""],
    );
    assert_eq!(calls, Vec::<String>::new());
    let (run, _) = asked(&shell, &proxy, &["diff", "--env", "test"], &[]);
    says(&run.exits(0), &[&format!("account {}", shell.other)]);
}

#[test]
fn pins_hold_for_those_who_only_look_at_a_shared_state() {
    let shell = Shell::new();
    let proxy = Proxy::before(Emulator::shared().endpoint());
    shell.env.settings(&format!("account = \"{}\"\n", shell.env.account));
    let state = [("FRAUDCTL_STATE", "s3://some-bucket/x")];
    for args in [&["state", "list"][..], &["up", "--yes"], &["state", "unlock"]] {
        let (run, calls) = asked(&shell, &proxy, args, &state);
        says(&run.exits(1), &["hold this environment to the account"]);
        assert_eq!(calls, ["GetCallerIdentity"], "{args:?}");
    }
}

#[test]
fn without_a_region_nothing_begins_on_aws() {
    let shell = Shell::new();
    for args in [&["up", "--yes"][..], &["diff"], &["down", "--yes"]] {
        let mut command = shell.command(args);
        command.env_remove("AWS_ENDPOINT_URL").env("AWS_DEFAULT_REGION", "");
        let run = ran(&mut command).exits(1);
        says(
            &run,
            &[
                "no AWS region is configured",
                "--region",
                "AWS_REGION",
                "`region` in fraudctl.toml",
            ],
        );
    }
}

#[test]
fn services_at_different_places_are_refused_before_anything_is_asked() {
    let shell = Shell::new();
    let proxies = [(); 2].map(|()| Proxy::before(Emulator::shared().endpoint()));
    let [here, there] = proxies.each_ref().map(Proxy::endpoint);
    let commands = [
        &["up", "--yes"][..],
        &["diff"],
        &["down", "--yes"],
        &["output"],
        &["status"],
        &["send"],
        &["load", "--rate", "1", "--duration", "1s"],
        &["label", "t-1", "ok"],
        &["rules", "show"],
        &["train", "--from", "table"],
        &["state", "list", "--state", "s3://some-bucket/x"],
    ];
    // Something has to be remembered, or some would not even connect.
    shell.run(&["up", "--yes"], &[]).exits(0);
    for args in commands {
        let one = [("AWS_ENDPOINT_URL", here), ("AWS_ENDPOINT_URL_DYNAMODB", there)];
        let run = shell.run(args, &one).exits(1);
        let told = format!("dynamodb at {there} (AWS_ENDPOINT_URL_DYNAMODB); the others at {here} (AWS_ENDPOINT_URL)");
        says(&run, &[&told, "S3 alone, for the state, may have another one"]);
    }
    shell.config(&format!(
        "[default]\nservices = mixed\n[services mixed]\napi_gateway =\n  endpoint_url = {there}\n"
    ));
    let run = shell.run(&["down", "--yes"], &[("AWS_ENDPOINT_URL", "")]).exits(1);
    says(
        &run,
        &[
            "api gateway at ",
            "[services mixed] of the profile \"default\"",
            "the others at AWS's own endpoints",
        ],
    );
    for proxy in &proxies {
        assert_eq!(proxy.calls(), Vec::<Call>::new());
    }
    // A service that nobody uses may be anywhere, and what is to be ignored is.
    let unused = [("AWS_ENDPOINT_URL_EC2", there)];
    shell.run(&["diff"], &unused).exits(0);
    shell.run(&["down", "--yes"], &unused).exits(0);
}

#[test]
fn a_state_may_be_in_a_store_of_another_kind_which_knows_no_accounts() {
    let shell = Shell::new();
    let bucket = format!("states-{}", shell.other);
    let owner = Emulator::shared().aws(&shell.other);
    owner.call("s3", "create_bucket", json!({"Bucket": bucket}));
    let on = json!({"Bucket": bucket, "VersioningConfiguration": {"Status": "Enabled"}});
    owner.call("s3", "put_bucket_versioning", on);
    let store = Proxy::before(Emulator::shared().endpoint());
    let url = format!("s3://{bucket}/x");
    let variables = [("AWS_ENDPOINT_URL_S3", store.endpoint()), ("FRAUDCTL_STATE", &url)];
    shell.run(&["up", "--yes"], &variables).exits(0);
    let calls = store.calls();
    assert!(calls.len() > 2, "{calls:#?}");
    for call in calls {
        assert_eq!((call.service.as_str(), &call.bucket_owner), ("s3", &None), "{call:#?}");
    }
    shell.run(&["down", "--yes"], &variables).exits(0);
}

#[test]
fn s3_is_told_with_each_call_who_owns_the_states_bucket() {
    let shell = Shell::new();
    let bucket = format!("states-{}", shell.other);
    let owner = Emulator::shared().aws(&shell.other);
    owner.call("s3", "create_bucket", json!({"Bucket": bucket}));
    let on = json!({"Bucket": bucket, "VersioningConfiguration": {"Status": "Enabled"}});
    owner.call("s3", "put_bucket_versioning", on);
    let proxy = Proxy::before(Emulator::shared().endpoint());
    let url = format!("s3://{bucket}/x");
    let state = [("FRAUDCTL_STATE", url.as_str()), ("AWS_ENDPOINT_URL", proxy.endpoint())];
    let owners = || {
        let calls = proxy.calls().into_iter().filter(|call| call.service == "s3");
        let owners: Vec<Option<String>> = calls.map(|call| call.bucket_owner).collect();
        proxy.forget();
        owners
    };
    for args in [
        &["up", "--yes"][..],
        &["state", "list"],
        &["state", "recover", "--yes"],
        &["state", "unlock"],
        &["diff"],
        &["down", "--yes"],
    ] {
        shell.run(args, &state).exits(0);
        let owners = owners();
        let all = owners.iter().all(|owner| owner.as_ref() == Some(&shell.other));
        assert!(all && !owners.is_empty(), "{args:?}: {owners:?}");
    }

    // A bucket of another account is that account's on purpose, or a stranger's.
    let theirs = account();
    let of_theirs = theirs.clone();
    proxy.refuse("AccessDenied", move |call: &Call| {
        call.service == "s3" && call.bucket_owner.as_ref() != Some(&of_theirs)
    });
    let run = shell.run(&["up", "--yes"], &state).exits(1);
    says(
        &run,
        &[
            "AccessDenied",
            &format!("another account than {}", shell.other),
            "`state_account`",
        ],
    );
    shell.env.settings(&format!("state_account = \"{theirs}\"\n"));
    shell.run(&["diff"], &state).exits(0);
}

#[test]
fn in_china_everything_is_of_its_partition() {
    let emulator = Emulator::moto();
    let env = Environment::in_account(&emulator, "123456789012");
    let run = ran(env.command(&["up", "--yes"]).env("AWS_REGION", "cn-north-1")).exits(0);
    says(&run, &["region cn-north-1", "as arn:aws-cn:"]);
    let state = fs::read_to_string(env.state_file()).expect("a state");
    assert!(!state.contains("arn:aws:"), "an ARN of the wrong partition");
    for part in [
        "logs.cn-north-1.amazonaws.com.cn",
        "arn:aws-cn:iam::aws:policy/AWSXRayDaemonWriteAccess",
    ] {
        assert!(state.contains(part), "{part}");
    }
    let again = ran(env.command(&["diff", "--exit-code"]).env("AWS_REGION", "cn-north-1"));
    again.exits(0);
}

#[test]
fn a_region_that_is_not_enabled_is_told_also_where_only_a_service_says_so() {
    let shell = Shell::new();
    let proxy = Proxy::before(Emulator::shared().endpoint());
    proxy.refuse("UnrecognizedClientException", |call: &Call| call.service == "dynamodb");
    let (run, _) = asked(&shell, &proxy, &["diff"], &[("AWS_REGION", "ap-east-1")]);
    says(
        &run.exits(1),
        &[
            "UnrecognizedClientException",
            "the region ap-east-1 may not be enabled in this account",
        ],
    );
}
