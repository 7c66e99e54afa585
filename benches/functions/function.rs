//! A function in a process of its own, as Lambda starts it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::aws::{Aws, IDEMPOTENCY, PROFILES, TRANSACTIONS};
use super::runtime_api::{Exchange, RuntimeApi};

/// What can be started.
pub struct Function {
    /// Its name in the report.
    pub name: &'static str,
    pub program: PathBuf,
    pub arguments: Vec<PathBuf>,
}

/// A function that has started, and polls.
pub struct Running<'a> {
    function: &'a Function,
    child: Child,
    api: RuntimeApi,
    log: PathBuf,
    /// From right before it was started to its first poll.
    pub started_in: Duration,
}

impl Function {
    /// Starts it and waits for its first poll. `scratch` is where its error output goes.
    ///
    /// # Panics
    ///
    /// When it never polls, with what it printed.
    pub fn start(&self, aws: &Aws, scratch: &Path) -> Running<'_> {
        let api = RuntimeApi::start();
        let log = scratch.join(format!("{}.log", self.name));
        let errors = File::create(&log).expect("a file for the function's errors");
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(variables(&api, aws))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors);
        let begun = Instant::now();
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", self.program.display()));
        let mut running = Running {
            function: self,
            child,
            api,
            log,
            started_in: Duration::ZERO,
        };
        match running.api.wait_for_poll() {
            Ok(at) => running.started_in = at - begun,
            Err(error) => running.give_up(&error),
        }
        running
    }
}

impl Running<'_> {
    /// One event and its answer. The function polls again when this returns.
    ///
    /// # Panics
    ///
    /// When there is no answer, with what the function printed.
    pub fn exchange(&mut self, event: String) -> Exchange {
        match self.api.exchange(event) {
            Ok(exchange) => exchange,
            Err(error) => self.give_up(&error),
        }
    }

    /// The most memory that it ever had resident, in bytes: `VmHWM` of `/proc/PID/status`.
    pub fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"))
            .and_then(|text| text.trim().parse::<u64>().ok());
        kilobytes.expect("VmHWM in kB") * 1024
    }

    fn give_up(&self, why: &str) -> ! {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        panic!("{} {why}\n{log}", self.function.name)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What Lambda and the stack put into a function's environment, and where AWS is. Nothing is inherited.
fn variables(api: &RuntimeApi, aws: &Aws) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("AWS_LAMBDA_RUNTIME_API", api.address().to_string()),
        ("AWS_ENDPOINT_URL", aws.endpoint()),
    ];
    let fixed = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "bench"),
        ("AWS_SECRET_ACCESS_KEY", "bench"),
        ("AWS_SESSION_TOKEN", "bench"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_bench"),
        ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
        ("LANG", "en_US.UTF-8"),
        ("HOME", "/nonexistent"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("ENVIRONMENT", "bench"),
        ("DYNAMODB_TABLE", TRANSACTIONS),
        ("PROFILES_TABLE", PROFILES),
        ("IDEMPOTENCY_TABLE", IDEMPOTENCY),
        ("SNS_TOPIC_ARN", "arn:aws:sns:us-east-1:000000000000:fraud-alerts-bench"),
    ];
    variables.extend(fixed.map(|(name, value)| (name, value.to_owned())));
    variables
}
