//! Throttled, slow, inconsistent: the commands against an AWS that is as hostile as the real one, with its rate limits,
//! kept to by the pacer.

use crate::support::read::outputs;
use crate::support::{
    Aws, Call, Credentials, Emulator, Environment, Faults, Proxy, Record, Refusal, Run, Running, Span, Summary,
    Weather, wait_until,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// How long a command may take in the worst weather.
const PATIENCE: Duration = Duration::from_secs(400);

/// An environment in some weather.
pub struct Outside {
    /// The environment.
    pub env: Environment,
    /// What stands between it and AWS.
    pub proxy: Proxy,
    paced: bool,
}

impl Outside {
    fn paced(weather: Weather) -> Self {
        println!("seed {}", weather.seed);
        Self {
            env: Environment::new(),
            proxy: Proxy::in_weather(Emulator::shared().endpoint(), weather),
            paced: true,
        }
    }

    /// An environment in some weather, which is not spared the rates of AWS.
    pub fn unpaced(weather: Weather) -> Self {
        Self {
            paced: false,
            ..Self::paced(weather)
        }
    }

    /// A command that is not run yet.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.env.command(args);
        command.env("AWS_ENDPOINT_URL", self.proxy.endpoint());
        if self.paced {
            command.env_remove("FRAUDCTL_UNPACED");
        }
        command
    }

    /// Runs a command, prints what its calls were, and checks what holds in any weather.
    #[track_caller]
    pub fn run(&self, args: &[&str]) -> Run {
        self.proxy.forget();
        let run = Running::start(self.command(args)).end_within(PATIENCE);
        let records = self.proxy.records();
        tell(args, &records);
        nothing_is_unheard_of(&records);
        nothing_hopeless_is_repeated(&records);
        no_api_sees_two_changes_at_once(&records);
        run
    }

    /// Runs a command, which must succeed. Returns its document.
    #[track_caller]
    pub fn works(&self, args: &[&str]) -> Value {
        self.run(args).exits(0).json()
    }

    /// An independent client in the same weather.
    pub fn through(&self) -> Aws {
        Aws::new(self.proxy.endpoint(), &Credentials::of_account(&self.env.account))
    }
}

/// Prints the calls in numbers.
fn tell(args: &[&str], records: &[Record]) {
    let Summary { took, all, services } = Summary::of(records);
    println!(
        "{args:?}: {took:.1?}, {} calls, {} throttled, {} at once at most",
        all.calls, all.throttled, all.at_once
    );
    for (service, numbers) in services {
        println!("  {service}: {numbers:?}");
    }
    let mut effects: HashMap<_, usize> = HashMap::new();
    for record in records {
        let key = (record.weather, record.call.operation.as_str(), record.code.as_deref());
        *effects.entry(key).or_default() += 1;
    }
    for ((weather, operation, code), times) in effects {
        if weather.is_some() || code.is_some() {
            println!("  {times} x {operation}: {code:?} {weather:?}");
        }
    }
}

#[track_caller]
fn nothing_is_unheard_of(records: &[Record]) {
    let unheard: Vec<_> = records
        .iter()
        .map(|record| &record.call)
        .filter(|call| !call.is_recognised())
        .map(|call| (&call.service, &call.operation))
        .collect();
    assert!(unheard.is_empty(), "{unheard:?}");
}

/// Whether time alone may mend an error, by the words of AWS's documentation and not by fraudctl's: throttling,
/// faults, what is busy, and what is not known yet or still known.
fn may_pass(record: &Record) -> bool {
    let code = record.code.as_deref().unwrap_or_default();
    let passing = [
        "Throttl",
        "TooManyRequests",
        "NotFound",
        "NoSuchEntity",
        "NonExistent",
        "DoesNotExist",
        "Conflict",
        "InUse",
        "DeletedRecently",
        "Unavailable",
        "InvalidState",
        "Internal",
        "ServiceException",
        "ServiceFailure",
    ];
    let in_weather = [
        "InvalidParameter",
        "MalformedPolicyDocument",
        "LimitExceeded",
        "Disabled",
    ];
    record.status.is_none_or(|status| !(400..500).contains(&status))
        || passing.iter().any(|part| code.contains(part))
        || record.weather.is_some() && in_weather.iter().any(|part| code.contains(part))
}

/// No call is made again after an error that time does not mend, unless something of that service has changed since.
#[track_caller]
fn nothing_hopeless_is_repeated(records: &[Record]) {
    for (at, record) in records.iter().enumerate().filter(|(_, record)| !may_pass(record)) {
        let since = records[at + 1..]
            .iter()
            .filter(|later| later.call.service == record.call.service);
        let repeated = since
            .take_while(|later| !later.call.changes() || later.code.is_some())
            .any(|later| later.call == record.call && record.ended.is_some_and(|ended| later.started >= ended));
        assert!(!repeated, "{record:#?} was repeated");
    }
}

#[track_caller]
fn no_api_sees_two_changes_at_once(records: &[Record]) {
    let at_once: Vec<_> = records
        .iter()
        .filter(|record| record.call.service == "apigateway" && record.call.changes() && record.beside.changes > 0)
        .map(|record| (&record.call.operation, &record.call.path))
        .collect();
    assert!(at_once.is_empty(), "{at_once:?}");
}

#[track_caller]
pub fn is_empty(env: &Environment) {
    // A key goes after days; the inventory does not name one that is on its way out.
    assert_eq!(env.aws.inventory(), Vec::<String>::new());
}

#[test]
fn in_the_whole_weather_everything_works_and_hardly_a_call_is_throttled() {
    let outside = Outside::paced(Weather::aws(20_260_601));
    let mut records = Vec::new();
    let mut works = |args: &[&str]| {
        let document = outside.works(args);
        records.extend(outside.proxy.records());
        document
    };
    let up = works(&["up", "--yes", "--json"]);
    assert_eq!(up["summary"]["failed"], 0, "{up:#}");
    let standing = outside.env.aws.inventory();
    assert_eq!(kinds(&outside.env), kinds_of_a_calm_day());

    let again = works(&["up", "--yes", "--json"]);
    assert_eq!(again["steps"], json!([]), "{again:#}");
    let diff = works(&["diff", "--json"]);
    assert_eq!(diff["changes"], json!([]), "{diff:#}");

    outside
        .env
        .settings("requests_per_day = 2000\n[processor]\nmemory_mb = 768\n");
    let changed = works(&["up", "--yes", "--json"]);
    assert_eq!(changed["summary"]["failed"], 0, "{changed:#}");
    assert_eq!(changed["summary"]["updated"], 2, "{changed:#}");
    // Nothing stands twice, and nothing else than before.
    assert_eq!(outside.env.aws.inventory(), standing);

    works(&["down", "--yes", "--json"]);
    is_empty(&outside.env);
    let throttled = records.iter().filter(|record| record.is_throttled()).count();
    println!("{throttled} of {} calls were throttled", records.len());
    assert!(throttled * 50 < records.len(), "{throttled} of {}", records.len());
}

/// `up` and `down` while calls fail in some way. Whatever was lost is made once.
#[track_caller]
fn endures(seed: u64, faults: Faults) {
    let outside = Outside::unpaced(Weather {
        faults,
        ..Weather::calm(seed)
    });
    let mut records = Vec::new();
    let mut works = |args: &[&str]| {
        let document = outside.works(args);
        records.extend(outside.proxy.records());
        document
    };
    let up = works(&["up", "--yes", "--json"]);
    assert_eq!(up["summary"]["failed"], 0, "{up:#}");
    assert_eq!(kinds(&outside.env), kinds_of_a_calm_day());
    let diff = works(&["diff", "--json"]);
    assert_eq!(diff["changes"], json!([]), "{diff:#}");
    works(&["down", "--yes", "--json"]);
    is_empty(&outside.env);
    let failed = records.iter().filter(|record| record.weather.is_some()).count();
    println!("{failed} of {} calls failed", records.len());
    assert!(failed * 20 > records.len(), "{failed} of {}", records.len());
}

/// How many resources of each kind there are, with what has no name of its own in the APIs.
fn kinds(env: &Environment) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for line in env.aws.inventory() {
        // "sqs queue http://..."
        let kind = line.split(' ').take(2).collect::<Vec<_>>().join(" ");
        *kinds.entry(kind).or_default() += 1;
    }
    let apis = env.aws.call("apigateway", "get_rest_apis", json!({}));
    for api in apis["items"].as_array().expect("a list") {
        let api = json!({"restApiId": api["id"]});
        for operation in ["get_deployments", "get_request_validators", "get_stages"] {
            let found = env.aws.call("apigateway", operation, api.clone());
            let found = found["items"].as_array().or(found["item"].as_array()).expect("a list");
            *kinds.entry(operation.to_owned()).or_default() += found.len();
        }
    }
    kinds
}

/// What [`kinds`] gives where nothing fails.
fn kinds_of_a_calm_day() -> BTreeMap<String, usize> {
    static KINDS: OnceLock<BTreeMap<String, usize>> = OnceLock::new();
    let kinds = KINDS.get_or_init(|| {
        let env = Environment::new();
        env.up();
        kinds(&env)
    });
    kinds.clone()
}

#[test]
fn the_reply_to_the_first_change_of_each_kind_may_be_lost() {
    let first_changes_lost = true;
    endures(
        7,
        Faults {
            first_changes_lost,
            ..Faults::default()
        },
    );
}

/// AWS does not show yet what a run made that was killed a moment ago. What `down` forgot now would stay for ever.
#[test]
fn what_a_killed_run_made_and_aws_does_not_show_yet_is_found_by_down() {
    let outside = Outside::paced(Weather {
        identities_unknown: Some(Span::seconds(6, 8)),
        ..Weather::calm(11)
    });
    let held = outside.proxy.hold(|call| call.is("iam", "CreateRole"));
    let running = Running::start(outside.command(&["up", "--yes", "--json"]));
    held.await_calls(1);
    running.signal("KILL");
    running.end().exits(-1);
    drop(held);
    let made = outside.env.aws.call("iam", "list_roles", json!({}));
    assert_ne!(made["Roles"], json!([]), "the role was made");
    // Not by `Outside::run`: what was never made is looked for as well, again and in vain.
    let down = Running::start(outside.command(&["down", "--yes", "--json"])).end_within(PATIENCE);
    let down = down.exits(0);
    assert!(
        down.stderr.contains("a run that was interrupted may have made"),
        "{down:#?}"
    );
    is_empty(&outside.env);
}

/// The one change of something that stands which must not be repeated blindly.
#[test]
fn the_reply_to_a_new_version_of_a_policy_may_be_lost() {
    let outside = Outside::unpaced(Weather::calm(9));
    outside.works(&["up", "--yes", "--json"]);
    let policy = outputs(&outside.env).arn("functions.processor_policy");
    let theirs = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}]});
    let theirs = json!({"PolicyArn": policy, "PolicyDocument": theirs.to_string(), "SetAsDefault": true});
    outside.env.aws.call("iam", "create_policy_version", theirs);
    outside.proxy.set_weather(Weather {
        faults: Faults {
            first_changes_lost: true,
            ..Faults::default()
        },
        ..Weather::calm(9)
    });
    let up = outside.works(&["up", "--yes", "--json"]);
    assert_eq!(up["summary"]["updated"], 1, "{up:#}");
    let records = outside.proxy.records();
    let lost = records.iter().filter(|record| record.weather == Some("reply lost"));
    let lost: Vec<_> = lost.map(|record| record.call.operation.as_str()).collect();
    assert_eq!(lost, ["CreatePolicyVersion"]);
    let versions = outside
        .env
        .aws
        .call("iam", "list_policy_versions", json!({"PolicyArn": policy}));
    let versions = versions["Versions"].as_array().expect("a list");
    assert_eq!(versions.len(), 3, "{versions:#?}");
    let diff = outside.works(&["diff", "--json"]);
    assert_eq!(diff["changes"], json!([]), "{diff:#}");
}

#[test]
fn a_tenth_of_the_calls_may_be_answered_500_though_half_of_them_take_effect() {
    endures(
        1,
        Faults {
            internal: 0.1,
            ..Faults::default()
        },
    );
}

#[test]
fn a_tenth_of_the_calls_may_be_answered_503() {
    endures(
        2,
        Faults {
            unavailable: 0.1,
            ..Faults::default()
        },
    );
}

#[test]
fn a_tenth_of_the_connections_may_be_reset() {
    endures(
        3,
        Faults {
            reset: 0.1,
            ..Faults::default()
        },
    );
}

#[test]
fn a_tenth_of_the_replies_may_be_lost() {
    endures(
        4,
        Faults {
            lost: 0.1,
            ..Faults::default()
        },
    );
}

#[test]
fn an_error_that_stays_is_told_at_once_with_the_words_and_the_id_of_aws() {
    let denied = "User: arn:aws:iam::000000000000:user/x is not authorized to perform: SNS:CreateTopic";
    let cases = [
        // A change, and a read that all begins with.
        (Refusal::new(403, "AuthorizationError", denied), "sns", "CreateTopic"),
        (
            Refusal::new(403, "AccessDenied", "not authorized to perform: iam:GetRole"),
            "iam",
            "GetRole",
        ),
        (
            Refusal::new(400, "ValidationException", "1 validation error detected: the test's"),
            "dynamodb",
            "CreateTable",
        ),
    ];
    for (refusal, service, operation) in cases {
        let outside = Outside::unpaced(Weather::calm(5));
        let (code, message) = (refusal.code.clone(), refusal.message.clone());
        let applies = move |call: &Call| call.is(service, operation);
        outside.proxy.refuse_with(refusal, applies);
        let running = Running::start(outside.command(&["up", "--yes", "--json"]));
        let refused = crate::support::wait_until(PATIENCE, "the refusal", || {
            let records = outside.proxy.records();
            records
                .iter()
                .find(|record| record.code.as_deref() == Some(&code))
                .cloned()
        });
        running.await_saying(&message);
        let took = refused.ended.expect("it was answered").elapsed();
        assert!(took < Duration::from_secs(2), "{took:?}");
        let run = running.end();
        assert!([1, 3].contains(&run.code), "{run:#?}");
        assert!(run.stderr.contains(&code) && run.stderr.contains(&message), "{run:#?}");
        let records = outside.proxy.records();
        // The same may have been refused to several at once, of which one is enough to stop.
        let mut ids = records
            .iter()
            .filter(|record| record.weather.is_some())
            .map(|record| record.request_id.as_deref().expect("an id"));
        assert!(ids.any(|id| run.stderr.contains(id)), "{run:#?}");
        nothing_hopeless_is_repeated(&records);
    }
}

#[test]
fn a_role_that_never_spreads_is_given_up_and_what_was_waited_for_is_told() {
    let outside = Outside::unpaced(Weather {
        role_unassumable: Some(Span::seconds(3600, 3600)),
        ..Weather::calm(6)
    });
    let run = outside.run(&["up", "--yes", "--json"]).exits(3);
    assert!(
        run.stderr
            .contains("The role defined for the function cannot be assumed by Lambda."),
        "{}",
        run.stderr
    );
    let (_, told) = run.stderr.split_once("gave up after waiting ").expect("how long");
    let (seconds, what) = told.split_once(" s for ").expect("what for");
    assert!(
        what.starts_with("a new role, policy or key to be known everywhere"),
        "{what}"
    );
    let seconds: u64 = seconds.parse().expect("a number");
    let records = outside.proxy.records();
    let asked = records
        .iter()
        .filter(|record| record.call.operation == "CreateFunction");
    let asked = Summary::of(&asked.cloned().collect::<Vec<_>>());
    assert!((180..190).contains(&seconds), "{seconds}");
    // Nor was it waited for in silence.
    let waiting = "note: waiting for a new role, policy or key to be known everywhere, since AWS answers";
    assert!(run.stderr.contains(waiting), "{}", run.stderr);
    assert!(asked.took.as_secs().abs_diff(seconds) <= 3, "{seconds} told, {asked:?}");
    outside.works(&["down", "--yes", "--json"]);
    is_empty(&outside.env);
}

#[test]
fn a_queue_is_made_as_soon_as_the_name_of_a_deleted_one_is_free() {
    let refused = Duration::from_secs(20);
    let outside = Outside::unpaced(Weather {
        queue_name_refused: Some(refused),
        queue_told: Span::seconds(0, 0),
        ..Weather::calm(8)
    });
    outside.works(&["up", "--yes", "--json"]);
    outside.works(&["down", "--yes", "--json"]);
    outside.works(&["up", "--yes", "--json"]);
    let records = outside.proxy.records();
    let creations: Vec<_> = records
        .iter()
        .filter(|record| record.call.operation == "CreateQueue")
        .collect();
    let made = creations.iter().filter(|record| record.code.is_none()).count();
    assert_eq!((made, creations.len() > made), (3, true), "{creations:#?}");
    // Asked often enough to lose no time, and not more often.
    assert!(creations.len() < 3 * 20, "{} calls", creations.len());
    let diff = outside.works(&["diff", "--json"]);
    assert_eq!(diff["changes"], json!([]), "{diff:#}");
}

/// Of which AWS tells for a while as if nothing had happened.
#[test]
fn a_queue_that_was_deleted_is_not_taken_for_one_that_stays() {
    let outside = Outside::paced(Weather {
        queue_name_refused: Some(Duration::from_secs(30)),
        queue_told: Span::seconds(15, 15),
        ..Weather::calm(9)
    });
    let names = ["fraud-alerts-queue-dev", "fraud-alerts-dlq-dev", "lambda-dlq-dev"];
    let told = |aws: &Aws| {
        let told = |name: &&str| aws.try_call("sqs", "get_queue_url", json!({"QueueName": name})).is_ok();
        names.iter().filter(|name| told(name)).count()
    };
    outside.works(&["up", "--yes", "--json"]);
    let held = outside.proxy.hold(|call| call.is("sqs", "DeleteQueue"));
    let down = Running::start(outside.command(&["down", "--yes"]));
    wait_until(PATIENCE, "the end of a queue", || {
        (told(&outside.env.aws) < 3).then_some(())
    });
    down.signal("KILL");
    assert_eq!(down.end().code, -1);
    drop(held);

    let up = outside.run(&["up", "--yes", "--json"]).exits(0);
    assert!(up.stderr.contains("which AWS goes on to show for a while"), "{up:#?}");
    assert_eq!(told(&outside.env.aws), 3);
    let diff = outside.works(&["diff", "--json"]);
    assert_eq!(diff["changes"], json!([]), "{diff:#}");

    outside.works(&["down", "--yes", "--json"]);
    assert_eq!(told(&outside.through()), 0, "down did not wait until they were gone");
}
