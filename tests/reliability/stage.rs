//! One account behind a proxy that ends the command at a call, and the questions asked of both afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::read::outputs;
use crate::support::{Call, Emulator, Environment, Proxy, Run, Running, Side, wait_until};

/// How long a process that was killed may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(20);
/// After so many points a fresh account is taken: keys that await their deletion make every list longer.
const POINTS_PER_ACCOUNT: usize = 40;

/// What an independent client found when everything should have been mended.
#[derive(Debug, Default)]
pub struct Found {
    /// How often everything in an account was listed and compared.
    pub compared: AtomicUsize,
    /// What nobody wanted and nobody remembers.
    pub orphans: AtomicUsize,
    /// What was there more than once.
    pub duplicates: AtomicUsize,
    /// What was not there.
    pub missing: AtomicUsize,
}

impl Found {
    /// Compares what is there with what should be, counts, and asserts that there is no difference.
    #[track_caller]
    fn compare(&self, there: &[String], wanted: &[String]) {
        let count = |list: &[String], line: &String| list.iter().filter(|other| *other == line).count();
        let lines: BTreeSet<&String> = there.iter().chain(wanted).collect();
        let mut differs = Vec::new();
        for line in lines {
            let (is, should) = (count(there, line), count(wanted, line));
            let (more, counter) = match (is, should) {
                (is, 0) => (is, &self.orphans),
                (is, should) if is > should => (is - should, &self.duplicates),
                (is, should) => (should - is, &self.missing),
            };
            counter.fetch_add(more, Relaxed);
            if more > 0 {
                differs.push(format!("{line}: {is} times, not {should}"));
            }
        }
        self.compared.fetch_add(1, Relaxed);
        assert!(differs.is_empty(), "{differs:#?}");
    }
}

/// An account, the proxy before it, and what a whole system looks like there.
pub struct Stage {
    pub env: Environment,
    found: Arc<Found>,
    proxy: Proxy,
    /// By the settings they were made with.
    whole: BTreeMap<&'static str, Vec<String>>,
    empty: Vec<String>,
    settings: &'static str,
    /// The bucket that the state is in, where it is in one.
    bucket: Option<String>,
    points: usize,
}

impl Stage {
    /// A fresh account on this emulator, and a state in a folder or in a bucket.
    pub fn new(emulator: &Emulator, found: &Arc<Found>, shared: bool) -> Self {
        let env = Environment::on(emulator);
        let bucket = shared.then(|| format!("state-{}", env.account));
        if let Some(bucket) = &bucket {
            env.aws.call("s3", "create_bucket", json!({"Bucket": bucket}));
            let on = json!({"Bucket": bucket, "VersioningConfiguration": {"Status": "Enabled"}});
            env.aws.call("s3", "put_bucket_versioning", on);
        }
        Self {
            found: Arc::clone(found),
            empty: env.aws.inventory(),
            proxy: Proxy::before(emulator.endpoint()),
            whole: BTreeMap::new(),
            settings: "",
            bucket,
            points: 0,
            env,
        }
    }

    /// Counts a point.
    pub fn count(&mut self) {
        self.points += 1;
    }

    /// Whether this account has seen enough points. Not while something stands there, which would go on to work.
    pub fn is_worn(&self) -> bool {
        self.points >= POINTS_PER_ACCOUNT && !self.remembers()
    }

    /// The command behind the proxy.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.env.command(args);
        command.env("AWS_ENDPOINT_URL", self.proxy.endpoint());
        if let Some(bucket) = &self.bucket {
            command.args(["--state", &format!("s3://{bucket}/team")]);
        }
        command
    }

    /// Is the state in a bucket?
    pub fn is_shared(&self) -> bool {
        self.bucket.is_some()
    }

    /// Is anything remembered?
    pub fn remembers(&self) -> bool {
        match &self.bucket {
            None => self.env.state_file().exists(),
            Some(bucket) => self.objects(bucket).iter().any(|name| name == "team/dev.json"),
        }
    }

    fn objects(&self, bucket: &str) -> Vec<String> {
        let listed = self.env.aws.call("s3", "list_objects_v2", json!({"Bucket": bucket}));
        let objects = listed["Contents"].as_array().cloned().unwrap_or_default();
        let names = objects.iter().filter_map(|object| object["Key"].as_str());
        names.map(str::to_owned).collect()
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Run {
        Running::start(self.command(args)).end()
    }

    /// Runs it, which must succeed.
    #[track_caller]
    pub fn done(&self, args: &[&str]) -> Value {
        self.run(args).exits(0).json()
    }

    /// Runs it, and kills it at this call. The call, where the command lived to make it.
    #[track_caller]
    pub fn killed(&self, args: &[&str], at: usize, side: Side) -> Option<Call> {
        self.proxy.forget();
        let pid: Arc<OnceLock<u32>> = Arc::default();
        let known = Arc::clone(&pid);
        self.proxy.at(at, side, move || kill(*known.wait()));
        let running = Running::start(self.command(args));
        pid.set(running.pid()).expect("set once");
        let run = running.end();
        let reached = self.proxy.has_acted();
        let call = self.proxy.calls().get(at - 1).cloned();
        self.proxy.forget();
        if reached {
            assert_eq!(run.code, -1, "killed, but it ended by itself: {run:#?}");
            call
        } else {
            assert_eq!(run.code, 0, "not killed, but it failed: {run:#?}");
            None
        }
    }

    /// Runs it while the reply to this call is lost, on either side of it. The call, where there was one.
    #[track_caller]
    pub fn unanswered(&self, args: &[&str], at: usize, side: Side) -> Option<Call> {
        self.proxy.forget();
        self.proxy.at(at, side, || {});
        let run = self.run(args);
        let reached = self.proxy.has_acted();
        let call = self.proxy.calls().get(at - 1).cloned();
        self.proxy.forget();
        assert_eq!(run.code, 0, "{call:?}: {run:#?}");
        call.filter(|_| reached)
    }

    /// Runs it under a tracer that kills it as it enters this system call for the `at`th time. Whether it did.
    #[track_caller]
    pub fn killed_in(&self, args: &[&str], system_call: &str, at: usize) -> bool {
        let inner = self.command(args);
        let mut command = Command::new("strace");
        command
            .args(["-f", "-qq", "-o", "/dev/null", "-e"])
            .arg(format!("trace={system_call}"))
            .arg("-e")
            .arg(format!("inject={system_call}:signal=KILL:when={at}"))
            .arg(inner.get_program())
            .args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let run = Running::start(command).end();
        assert!(run.code == -1 || run.code == 0, "{run:#?}");
        run.code == -1
    }

    /// How many calls an undisturbed run makes.
    #[track_caller]
    pub fn calls_of(&self, args: &[&str]) -> Vec<Call> {
        self.proxy.forget();
        self.done(args);
        let calls = self.proxy.calls();
        self.proxy.forget();
        calls
    }

    /// Goes on after an end: what is missing is made, what is there is not made again, and nothing is left to do.
    #[track_caller]
    pub fn mended(&self) {
        let up = self.done(&["up", "--yes", "--json"]);
        assert_eq!(up["summary"]["failed"], 0, "{up:#}");
        self.assert_whole();
    }

    /// Asserts that `diff` finds nothing, and that what stands is exactly what an undisturbed `up` makes.
    #[track_caller]
    pub fn assert_whole(&self) {
        let diff = self.done(&["diff", "--json"]);
        assert_eq!(diff["changes"], json!([]), "{diff:#}");
        let whole = self.whole.get(self.settings).expect("learnt before");
        self.found.compare(&self.env.aws.shape(), whole);
    }

    /// From now on these settings hold.
    pub fn settings(&mut self, settings: &'static str) {
        self.env.settings(settings);
        self.settings = settings;
    }

    /// The settings that hold now.
    pub fn current(&self) -> &'static str {
        self.settings
    }

    /// Remembers what stands now as what the current settings make. To be called after an undisturbed `up`.
    pub fn learn(&mut self) {
        self.whole.insert(self.settings, self.env.aws.shape());
    }

    /// Whether it is known what the current settings make.
    pub fn knows(&self) -> bool {
        self.whole.contains_key(self.settings)
    }

    /// Removes everything, and asserts that the account is as it was before the first deployment.
    #[track_caller]
    pub fn emptied(&self) {
        self.done(&["down", "--yes", "--json"]);
        self.assert_empty();
    }

    /// Asserts that the account is as it was before the first deployment, and that nothing is remembered.
    #[track_caller]
    pub fn assert_empty(&self) {
        self.found.compare(&self.env.aws.inventory(), &self.empty);
        if let Some(bucket) = &self.bucket {
            assert_eq!(self.objects(bucket), Vec::<String>::new(), "left in the bucket");
        }
        // The lock's file and the settings stay.
        let left: Vec<String> = fs::read_dir(self.env.state_folder())
            .expect("the state's folder")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .filter(|name| !["dev.lock", "settings.toml"].contains(&name.as_str()))
            .collect();
        assert_eq!(left, Vec::<String>::new(), "left in the state's folder");
    }

    /// Changes what stands behind fraudctl's back, so that the next `up` has to replace parts of it.
    #[track_caller]
    pub fn disturb(&self) {
        let (aws, outputs) = (&self.env.aws, outputs(&self.env));
        let api = outputs.id("api.rest_api");
        let rename = |path: &str| json!([{"op": "replace", "path": path, "value": "theirs"}]);
        let validator = json!({
            "restApiId": api, "requestValidatorId": outputs.id("api.validator"), "patchOperations": rename("/name")
        });
        aws.call("apigateway", "update_request_validator", validator);
        let resource = json!({
            "restApiId": api, "resourceId": outputs.id("api.transactions"), "patchOperations": rename("/pathPart")
        });
        aws.call("apigateway", "update_resource", resource);
        let name = json!("/fraud-detection/dev/fraud_threshold");
        let tags = aws.call(
            "ssm",
            "list_tags_for_resource",
            json!({"ResourceType": "Parameter", "ResourceId": name}),
        );
        aws.call("ssm", "delete_parameter", json!({"Name": name}));
        let list = json!({"Name": name, "Value": "0.85", "Type": "StringList", "Tags": tags["TagList"]});
        aws.call("ssm", "put_parameter", list);
    }
}

/// Ends a process as a power cut would, and waits until none of its threads can do anything more.
fn kill(pid: u32) {
    let words = ["-c", "kill -s KILL \"$1\"", "sh", &pid.to_string()].map(str::to_owned);
    let status = Command::new("sh").args(words).status().expect("a shell");
    assert!(status.success(), "process {pid} could not be killed");
    wait_until(GONE_WITHIN, "the end of a killed process", || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Gone, or waiting for its parent to ask how it ended.
        let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
        state.is_none_or(|state| state == "Z").then_some(())
    });
}
