//! How the command behaves towards scripts, people and accidents: documents, exit codes, interruptions, secrets.

use crate::support::{Call, Emulator, Environment, Held, Proxy, Run, Running};
use serde_json::{Value, json};
use std::fs;
use std::process::{Command, Stdio};

/// An environment that is worked on through a proxy.
pub struct Watched {
    pub env: Environment,
    pub proxy: Proxy,
}

impl Watched {
    pub fn new() -> Self {
        Self::of(Environment::new())
    }

    /// This environment, on the emulator that the tests share.
    pub fn of(env: Environment) -> Self {
        Self {
            env,
            proxy: Proxy::before(Emulator::shared().endpoint()),
        }
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.env.command(args);
        command.env("AWS_ENDPOINT_URL", self.proxy.endpoint());
        command
    }

    pub fn start(&self, args: &[&str]) -> Running {
        Running::start(self.command(args))
    }

    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Run {
        self.start(args).end()
    }

    #[track_caller]
    pub fn up(&self) -> Value {
        self.run(&["up", "--yes", "--json"]).exits(0).json()
    }

    /// Begins an `up` and kills it when the answers to these calls, one of each, are on their way back.
    #[track_caller]
    pub fn kill_when(&self, answered: &[fn(&Call) -> bool]) {
        let held: Vec<Held> = answered.iter().map(|applies| self.proxy.hold(*applies)).collect();
        let running = self.start(&["up", "--yes", "--json"]);
        for held in &held {
            held.await_calls(1);
        }
        running.signal("KILL");
        let run = running.end().exits(-1);
        assert!(run.stdout.is_empty(), "{run:#?}");
        self.proxy.forget();
    }

    /// Asserts that everything stands as desired, and nothing of it twice.
    #[track_caller]
    pub fn assert_whole(&self) {
        let diff = self.run(&["diff", "--json"]).exits(0).json();
        assert_eq!(diff["changes"], json!([]), "{diff:#}");
        assert_eq!(diff["summary"]["unchanged"], 60, "{diff:#}");
        let inventory = self.env.aws.inventory();
        // These have no name that AWS would refuse the second time.
        for kind in ["kms key ", "rest api ", "api key ", "usage plan "] {
            let found: Vec<&String> = inventory.iter().filter(|line| line.starts_with(kind)).collect();
            assert_eq!(found.len(), 1, "{found:?}");
        }
        let apis = self.env.aws.call("apigateway", "get_rest_apis", json!({}));
        let api = json!({"restApiId": apis["items"][0]["id"]});
        let deployments = self.env.aws.call("apigateway", "get_deployments", api);
        assert_eq!(
            deployments["items"].as_array().map(Vec::len),
            Some(1),
            "{deployments:#}"
        );
    }
}

/// The names of an object's members, in alphabetical order.
#[track_caller]
fn keys(value: &Value) -> Vec<&str> {
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {value:#}"));
    let mut keys: Vec<&str> = object.keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[track_caller]
pub fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value:#}"))
}

/// The steps of a document that ended in this way, by address.
pub fn steps<'a>(document: &'a Value, result: &str) -> Vec<&'a str> {
    let steps = list(&document["steps"]).iter().filter(|step| step["result"] == result);
    steps.filter_map(|step| step["address"].as_str()).collect()
}

const OUTPUTS: [&str; 8] = [
    "alert_queue_url",
    "alert_topic_arn",
    "api_endpoint",
    "api_key_id",
    "dynamodb_table_name",
    "pattern_analyzer_arn",
    "profiles_table_name",
    "transaction_processor_arn",
];

#[track_caller]
pub fn assert_shape_of_applied(document: &Value) {
    let names = ["api_calls", "duration_ms", "env", "outputs", "steps", "summary"];
    assert_eq!(keys(document), names);
    assert_eq!(document["env"], "dev");
    assert!(document["duration_ms"].is_u64() && document["api_calls"].is_u64());
    let names = [
        "adopted",
        "created",
        "deleted",
        "failed",
        "replaced",
        "skipped",
        "unchanged",
        "updated",
    ];
    assert_eq!(keys(&document["summary"]), names);
    assert!(names.iter().all(|name| document["summary"][name].is_u64()));
    for step in list(&document["steps"]) {
        let mut names = vec!["action", "address", "duration_ms", "kind", "result"];
        if step["result"] == "failed" || step["result"] == "skipped" {
            names.insert(3, "error");
        }
        names.sort_unstable();
        assert_eq!(keys(step), names, "{step:#}");
    }
}

#[test]
fn the_documents_of_up_diff_and_down_have_exactly_the_promised_shape() {
    let env = Environment::new();
    let up = env.up();
    assert_shape_of_applied(&up);
    assert_eq!(keys(&up["outputs"]), OUTPUTS);
    let created = list(&up["steps"]).iter().filter(|step| step["action"] == "create");
    assert_eq!(created.count(), 60);
    assert!(list(&up["steps"]).iter().all(|step| step["result"] == "done"), "{up:#}");

    let diff = env.diff();
    assert_eq!(keys(&diff), ["changes", "env", "summary"]);
    assert_eq!(diff["env"], "dev");
    let summary = json!({"create": 0, "update": 0, "replace": 0, "delete": 0, "adopt": 0, "unchanged": 60});
    assert_eq!(diff["summary"], summary);

    // One change of each cause.
    env.settings("requests_per_day = 2000\n");
    let threshold = json!({"Name": "/fraud-detection/dev/fraud_threshold", "Value": "0.5", "Overwrite": true});
    env.aws.call("ssm", "put_parameter", threshold);
    let diff = env.diff();
    let mut changes = list(&diff["changes"]).clone();
    changes.sort_by_key(|change| change["address"].to_string());
    assert_eq!(changes.len(), 2, "{diff:#}");
    for change in &changes {
        assert_eq!(keys(change), ["action", "address", "fields", "kind"]);
        assert_eq!(change["action"], "update");
        assert_eq!(list(&change["fields"]).len(), 1, "{change:#}");
        assert_eq!(keys(&change["fields"][0]), ["cause", "from", "path", "to"]);
    }
    assert_eq!(changes[0]["address"], "api.usage_plan");
    assert_eq!(changes[0]["kind"], "apigateway.usage_plan");
    assert_eq!(changes[0]["fields"][0]["cause"], "intent");
    assert_eq!(changes[1]["address"], "storage.fraud_threshold");
    assert_eq!(changes[1]["kind"], "ssm.parameter");
    let drift = json!([{"path": "value", "from": "0.5", "to": "0.85", "cause": "drift"}]);
    assert_eq!(changes[1]["fields"], drift);
    assert_eq!(
        (&diff["summary"]["update"], &diff["summary"]["unchanged"]),
        (&json!(2), &json!(58))
    );

    let down = env.down();
    assert_shape_of_applied(&down);
    assert_eq!(down["outputs"], json!({}));
    assert!(
        list(&down["steps"]).iter().all(|step| step["action"] == "delete"),
        "{down:#}"
    );
    assert_eq!(down["summary"]["deleted"], 60);
}

#[test]
fn diff_exits_with_0_or_when_asked_with_4_where_there_is_something_to_do() {
    let env = Environment::new();
    env.run(&["diff"]).exits(0);
    let run = env.run(&["diff", "--exit-code"]).exits(4);
    assert!(run.stdout.contains("Plan: 60 to create."), "{run:#?}");
    assert_eq!(
        env.run(&["diff", "--exit-code", "--json"]).exits(4).json()["summary"]["create"],
        60
    );
    env.up();
    let run = env.run(&["diff", "--exit-code"]).exits(0);
    assert!(
        run.stdout.contains("No changes: 60 resources are as they should be."),
        "{run:#?}"
    );
}

#[test]
fn a_second_up_makes_no_changing_call_and_leaves_the_state_file_as_it_is() {
    let watched = Watched::new();
    watched.up();
    let calls = watched.proxy.calls();
    assert!(calls.iter().filter(|call| call.changes()).count() >= 60, "{calls:#?}");
    let state = fs::read_to_string(watched.env.state_file()).expect("a state");

    watched.proxy.forget();
    let up = watched.up();
    let calls = watched.proxy.calls();
    let changing: Vec<&Call> = calls.iter().filter(|call| call.changes()).collect();
    assert_eq!(changing, Vec::<&Call>::new());
    assert_eq!(up["api_calls"], calls.len(), "every call is counted");
    assert_eq!(up["summary"]["unchanged"], 60, "{up:#}");
    assert_eq!(up["steps"], json!([]));
    let again = fs::read_to_string(watched.env.state_file()).expect("a state");
    assert!(
        again == state,
        "the state file was written although nothing has changed"
    );
    watched.assert_whole();
}

#[test]
fn a_failed_step_stops_only_what_needs_it_and_the_next_up_goes_on_from_there() {
    let watched = Watched::new();
    watched
        .proxy
        .refuse("ValidationException", |call| call.is("events", "PutRule"));
    let run = watched.run(&["up", "--yes", "--json"]).exits(3);
    let up = run.json();
    assert_shape_of_applied(&up);
    assert_eq!(steps(&up, "failed"), ["functions.schedule"]);
    let mut skipped = steps(&up, "skipped");
    skipped.sort_unstable();
    assert_eq!(skipped, ["functions.schedule_permission", "functions.schedule_target"]);
    let counts = ["created", "failed", "skipped"].map(|name| up["summary"][name].as_u64());
    assert_eq!(counts, [Some(57), Some(1), Some(2)], "{up:#}");
    for step in list(&up["steps"]) {
        let error = step["error"].as_str().unwrap_or_default();
        match step["result"].as_str() {
            Some("failed") => assert!(error.contains("events:PutRule: ValidationException: refused by the test")),
            Some("skipped") => assert!(error.contains("functions.schedule, which failed"), "{step:#}"),
            other => assert_eq!(other, Some("done"), "{step:#}"),
        }
    }
    for says in [
        "functions.schedule failed",
        "refused by the test",
        "functions.schedule_target skipped: it needs functions.schedule",
        "1 failed, 2 not begun",
        "run the same command again",
    ] {
        assert!(run.stderr.contains(says), "does not say {says:?}: {}", run.stderr);
    }
    let inventory = watched.env.aws.inventory();
    assert!(
        inventory.contains(&"dynamodb table transactions-dev".to_owned()),
        "{inventory:#?}"
    );
    assert!(
        !inventory.iter().any(|line| line.starts_with("events rule")),
        "{inventory:#?}"
    );

    watched.proxy.forget();
    let up = watched.up();
    assert_eq!(
        (&up["summary"]["created"], &up["summary"]["unchanged"]),
        (&json!(3), &json!(57)),
        "{up:#}"
    );
    watched.assert_whole();
}

#[test]
fn where_every_step_fails_the_code_says_failed() {
    let watched = Watched::new();
    watched.up();
    watched.env.settings("fraud_threshold = 0.9\n");
    watched
        .proxy
        .refuse("ValidationException", |call| call.is("ssm", "PutParameter"));
    let up = watched.run(&["up", "--yes", "--json"]).exits(1).json();
    assert_eq!(
        (&up["summary"]["failed"], &up["summary"]["unchanged"]),
        (&json!(1), &json!(59)),
        "{up:#}"
    );
    watched.proxy.forget();
    assert_eq!(watched.up()["summary"]["updated"], 1);
    watched.assert_whole();
}

/// There are other tables.
pub fn makes_the_transactions(call: &Call) -> bool {
    call.is("dynamodb", "CreateTable") && call.body.contains("transactions-dev")
}

#[test]
fn an_interrupt_lets_what_runs_end_and_the_next_up_finishes() {
    let watched = Watched::new();
    let held = watched.proxy.hold(makes_the_transactions);
    let running = watched.start(&["up", "--yes", "--json"]);
    held.await_calls(1);
    running.signal("INT");
    running.await_saying("Stopping: nothing new begins");
    drop(held);
    let run = running.end().exits(130);
    let up = run.json();
    assert_shape_of_applied(&up);
    assert_eq!(up["summary"]["failed"], 0, "{up:#}");
    assert!(
        steps(&up, "done").contains(&"storage.transactions"),
        "what ran was not finished: {up:#}"
    );
    // They need the table, which was not there when the signal came.
    for address in ["functions.processor", "functions.analyzer", "api.deployment"] {
        assert!(steps(&up, "skipped").contains(&address), "{address} was begun: {up:#}");
    }
    assert!(
        run.stderr.contains("functions.processor skipped: interrupted"),
        "{run:#?}"
    );
    let [created, skipped] = ["created", "skipped"].map(|name| up["summary"][name].as_u64().unwrap_or_default());
    assert_eq!(created + skipped, 60, "{up:#}");

    watched.proxy.forget();
    let up = watched.up();
    assert_eq!(
        (&up["summary"]["created"], &up["summary"]["unchanged"]),
        (&json!(skipped), &json!(created))
    );
    watched.assert_whole();
}

#[test]
fn a_signal_before_anything_is_changed_ends_every_command_at_once() {
    let watched = Watched::new();
    let before = watched.env.aws.inventory();
    for (args, signal, says) in [
        (
            &["up", "--yes", "--json"][..],
            "INT",
            "interrupted; nothing was changed",
        ),
        (&["up", "--yes"], "TERM", "interrupted; nothing was changed"),
        (&["down", "--yes"], "TERM", "interrupted; nothing was changed"),
        (&["diff"], "TERM", "interrupted"),
        (&["diff"], "INT", "interrupted"),
    ] {
        // In the middle of the survey. Its answer is kept back until the end.
        let held = watched.proxy.hold(|call| call.is("dynamodb", "DescribeTable"));
        let running = watched.start(args);
        held.await_calls(1);
        running.signal(signal);
        let run = running.end().exits(130);
        assert_eq!(run.stderr.trim_end(), format!("fraudctl: {says}"), "{args:?}");
        assert!(run.stdout.is_empty(), "{run:#?}");
        assert!(watched.proxy.calls().iter().all(|call| !call.changes()), "{args:?}");
        drop(held);
        watched.proxy.forget();
    }
    assert_eq!(watched.env.aws.inventory(), before);
    assert!(!watched.env.state_file().exists(), "a state was written");
    // Nothing is in the way of the next one.
    watched.up();
    watched.assert_whole();
}

#[test]
fn a_second_interrupt_ends_at_once_and_the_next_up_recovers() {
    let watched = Watched::new();
    let held = watched.proxy.hold(makes_the_transactions);
    let running = watched.start(&["up", "--yes", "--json"]);
    held.await_calls(1);
    running.signal("INT");
    running.await_saying("Again to leave at once");
    // Whoever looks meanwhile is told that somebody is at it.
    let looking = watched.run(&["diff"]).exits(0);
    let at_it = format!("`fraudctl up` (process {}", running.pid());
    assert!(looking.stderr.contains(&at_it), "{looking:#?}");
    running.signal("INT");
    // The table's reply is still held.
    let run = running.end().exits(130);
    assert!(run.stdout.is_empty(), "{run:#?}");
    assert!(run.stderr.contains("is found by the next run"), "{run:#?}");
    drop(held);

    watched.proxy.forget();
    let diff = watched.run(&["diff"]).exits(0);
    assert!(!diff.stderr.contains("works on this environment"), "{diff:#?}");
    let up = watched.up();
    assert_eq!(up["summary"]["failed"], 0, "{up:#}");
    let table = list(&up["steps"])
        .iter()
        .find(|step| step["address"] == "storage.transactions");
    assert_eq!(table.map(|step| &step["action"]), Some(&json!("adopt")), "{up:#}");
    watched.assert_whole();
}

#[test]
fn a_down_that_is_told_to_terminate_ends_in_order_and_the_next_one_finishes() {
    let watched = Watched::new();
    let before = watched.env.aws.inventory();
    watched.up();
    let held = watched.proxy.hold(|call| call.is("dynamodb", "DeleteTable"));
    let running = watched.start(&["down", "--yes", "--json"]);
    held.await_calls(1);
    running.signal("TERM");
    running.await_saying("Stopping: nothing new begins");
    drop(held);
    let down = running.end().exits(130).json();
    let [deleted, skipped] = ["deleted", "skipped"].map(|name| down["summary"][name].as_u64().unwrap_or_default());
    assert!(skipped > 0 && deleted + skipped == 60, "{down:#}");
    assert!(
        steps(&down, "skipped").contains(&"security.key"),
        "the table used the key: {down:#}"
    );

    watched.proxy.forget();
    let down = watched.run(&["down", "--yes", "--json"]).exits(0).json();
    assert_eq!(down["summary"]["deleted"], skipped, "{down:#}");
    assert_eq!(watched.env.aws.inventory(), before);
    assert!(!watched.env.state_file().exists(), "nothing is left to remember");
}

#[test]
fn killed_while_replies_are_on_their_way_the_next_up_makes_nothing_twice() {
    let watched = Watched::new();
    // AWS has made each of these when the process dies, and nobody has learnt its id.
    watched.kill_when(&[
        |call: &Call| call.is("kms", "CreateKey"),
        |call: &Call| call.is("apigateway", "CreateRestApi"),
        |call: &Call| call.is("apigateway", "CreateApiKey"),
    ]);
    watched.kill_when(&[|call: &Call| call.is("dynamodb", "CreateTable")]);
    watched.kill_when(&[|call: &Call| call.is("lambda", "CreateFunction")]);
    watched.kill_when(&[|call: &Call| call.is("apigateway", "CreateDeployment")]);
    watched.kill_when(&[|call: &Call| call.is("apigateway", "CreateUsagePlan")]);
    let up = watched.up();
    assert_eq!(up["summary"]["failed"], 0, "{up:#}");
    watched.assert_whole();
}

#[test]
fn the_value_of_the_api_key_is_told_only_to_who_asks_for_it() {
    let env = Environment::new().scoring();
    let mut told = vec![env.run(&["up", "--yes", "--json"]).exits(0)];
    let keys = env.aws.call("apigateway", "get_api_keys", json!({}));
    let key = json!({"apiKey": keys["items"][0]["id"], "includeValue": true});
    let value = env.aws.call("apigateway", "get_api_key", key)["value"].clone();
    let value = value.as_str().expect("the key's value");
    assert!(value.len() >= 20, "too short to be looked for: {value}");
    let kept = |when: &str| {
        for entry in fs::read_dir(env.state_folder()).expect("the state's folder") {
            let path = entry.expect("the state's folder").path();
            let content = String::from_utf8_lossy(&fs::read(&path).expect("a file")).into_owned();
            assert!(!content.contains(value), "{} has it after {when}", path.display());
        }
    };
    kept("the first up");
    for args in [
        &["up"][..],
        &["up", "--yes", "--json"],
        &["diff"],
        &["diff", "--json"],
        &["status"],
        &["status", "--json"],
        &["output"],
        &["output", "--json"],
        &["send"],
        &["send", "--json", "--amount", "15000"],
    ] {
        told.push(env.run(args).exits(0));
        kept(&args.join(" "));
    }
    assert_eq!(env.run(&["output", "api_key"]).exits(0).stdout, format!("{value}\n"));
    assert_eq!(env.run(&["output", "api_key", "--json"]).exits(0).json(), value);
    kept("output api_key");
    // The paste-ready line fetches the key, instead of holding it.
    assert!(told[1].stdout.contains("output api_key --env dev"), "{:#?}", told[1]);
    told.push(env.run(&["down", "--yes"]).exits(0));
    kept("down");
    for run in told {
        assert!(!run.stdout.contains(value) && !run.stderr.contains(value), "{run:#?}");
    }
}

#[test]
fn without_a_terminal_progress_is_plain_lines_on_standard_error() {
    let env = Environment::new().scoring();
    let plain = |args: &[&str]| {
        let mut command = env.command(args);
        command.env_remove("CLICOLOR_FORCE");
        let run = Running::start(command).end().exits(0);
        let text = format!("{}{}", run.stdout, run.stderr);
        assert!(!text.contains(['\u{1b}', '\r']), "control characters: {run:#?}");
        run
    };
    let run = plain(&["up", "--yes"]);
    let created = run
        .stderr
        .lines()
        .filter(|line| line.starts_with("  ✓ ") && line.contains(" created ("));
    assert_eq!(created.count(), 60, "one line for each step: {}", run.stderr);
    assert!(run.stderr.contains("Done: 60 steps in "), "{}", run.stderr);
    assert!(
        run.stdout.contains("Plan: 60 to create.") && run.stdout.contains("What stands:"),
        "{}",
        run.stdout
    );
    plain(&["status"]);
    plain(&["diff"]);
    plain(&["output"]);
    plain(&["send"]);
    let run = plain(&["down", "--yes"]);
    assert!(run.stderr.contains("security.key deleted ("), "{}", run.stderr);
}

#[test]
fn status_and_output_tell_what_stands() {
    let env = Environment::new();
    assert!(env.run(&["status"]).exits(0).stdout.contains("Nothing is deployed."));
    assert_eq!(env.run(&["status", "--json"]).exits(0).json()["resources"], json!([]));
    let up = env.up();

    let run = env.run(&["status"]).exits(0);
    assert!(run.stdout.contains(&format!("account {}", env.account)), "{run:#?}");
    assert_eq!(
        run.stdout.lines().filter(|line| line.contains("  ready ")).count(),
        60,
        "{run:#?}"
    );
    assert!(run.stdout.contains("60 of 60 resources exist"), "{run:#?}");
    let status = env.run(&["status", "--json"]).exits(0).json();
    let names = [
        "account",
        "caller",
        "endpoint",
        "env",
        "outputs",
        "profile",
        "region",
        "resources",
        "serial",
    ];
    assert_eq!(keys(&status), names);
    assert_eq!(status["account"], env.account.as_str());
    assert_eq!(status["endpoint"], Emulator::shared().endpoint());
    assert_eq!(status["outputs"], up["outputs"]);
    assert_eq!(list(&status["resources"]).len(), 60);
    for row in list(&status["resources"]) {
        assert_eq!(keys(row), ["address", "exists", "id", "kind", "status"]);
        assert_eq!(
            (&row["exists"], &row["status"]),
            (&json!(true), &json!("ready")),
            "{row:#}"
        );
    }

    let outputs = env.run(&["output", "--json"]).exits(0).json();
    assert_eq!(outputs, up["outputs"]);
    assert_eq!(keys(&outputs), OUTPUTS);
    let lines = env.run(&["output"]).exits(0).stdout;
    let expected: String = OUTPUTS
        .iter()
        .map(|name| format!("{name} {}\n", outputs[name].as_str().expect("text")))
        .collect();
    assert_eq!(lines, expected);
    for name in OUTPUTS {
        let value = outputs[name].as_str().expect("text");
        assert_eq!(env.run(&["output", name]).exits(0).stdout, format!("{value}\n"));
        assert_eq!(env.run(&["output", name, "--json"]).exits(0).json(), value);
    }
    assert_eq!(outputs["dynamodb_table_name"], "transactions-dev");

    // Gone behind its back: remembered, and told to be missing.
    let alarm = json!({"AlarmNames": ["transaction-processor-errors-dev"]});
    env.aws.call("cloudwatch", "delete_alarms", alarm);
    let run = env.run(&["status"]).exits(0);
    assert!(
        run.stdout.contains("MISSING") && run.stdout.contains("59 of 60 resources exist"),
        "{run:#?}"
    );
}

#[test]
fn a_reader_that_leaves_early_is_no_crash() {
    let env = Environment::new();
    for args in [&["diff"][..], &["diff", "--json"], &["up"], &["status"], &["--help"]] {
        let mut child = env
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("fraudctl starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("its end");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked at"), "{args:?}: {said}");
    }
}

#[test]
fn the_region_comes_from_the_profile_that_is_named() {
    let env = Environment::new();
    let file = env.state_folder().join("aws-config");
    let mine = format!(
        "[default]\nregion = us-west-2\n[profile mine]\nregion = eu-west-1\naws_access_key_id = {}\n\
         aws_secret_access_key = test\n",
        env.account
    );
    fs::write(&file, mine).expect("a configuration");
    for (args, region) in [
        (&["diff", "--profile", "mine"][..], "eu-west-1"),
        (&["diff"][..], "us-west-2"),
        (&["diff", "--profile", "mine", "--region", "us-east-2"][..], "us-east-2"),
    ] {
        let mut command = env.command(args);
        command.env_remove("AWS_REGION").env("AWS_CONFIG_FILE", &file);
        let output = command.output().expect("fraudctl starts");
        let said = String::from_utf8_lossy(&output.stdout);
        let here = format!("Environment dev in account {}, region {region}", env.account);
        assert!(said.contains(&here), "{args:?}: {output:#?}");
    }
}
