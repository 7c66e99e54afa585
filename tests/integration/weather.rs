//! Throttled, slow, inconsistent: the commands against an AWS that is as hostile as the real one, with its rate limits,
//! kept to by the pacer.

use crate::support::{
    Call, Emulator, Environment, Faults, Proxy, Record, Refusal, Run, Running, Span, Summary, Weather,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;

/// How long a command may take in the worst weather.
const PATIENCE: Duration = Duration::from_secs(400);

/// An environment in some weather.
struct Outside {
    env: Environment,
    proxy: Proxy,
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

    fn unpaced(weather: Weather) -> Self {
        Self {
            paced: false,
            ..Self::paced(weather)
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.env.command(args);
        command.env("AWS_ENDPOINT_URL", self.proxy.endpoint());
        if self.paced {
            command.env_remove("FRAUDCTL_UNPACED");
        }
        command
    }

    /// Runs a command, prints what its calls were, and checks what holds in any weather.
    #[track_caller]
    fn run(&self, args: &[&str]) -> Run {
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
    fn works(&self, args: &[&str]) -> Value {
        self.run(args).exits(0).json()
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
    let by_iam = [
        "InvalidParameterValueException",
        "InvalidParameterException",
        "MalformedPolicyDocument",
    ];
    record.status.is_none_or(|status| !(400..500).contains(&status))
        || passing.iter().any(|part| code.contains(part))
        || record.weather.is_some() && by_iam.iter().any(|part| code.contains(part))
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
fn is_empty(env: &Environment) {
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

/// `up` and `down` while a tenth of the calls fails in one way. Whatever was lost is made once.
#[track_caller]
fn endures(seed: u64, faults: Faults) {
    let outside = Outside::unpaced(Weather {
        faults,
        ..Weather::calm(seed)
    });
    let up = outside.works(&["up", "--yes", "--json"]);
    assert_eq!(up["summary"]["failed"], 0, "{up:#}");
    let diff = outside.works(&["diff", "--json"]);
    assert_eq!(diff["changes"], json!([]), "{diff:#}");
    outside.works(&["down", "--yes", "--json"]);
    is_empty(&outside.env);
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
    let outside = Outside::unpaced(Weather::calm(5));
    let denied = "User: arn:aws:iam::000000000000:user/x is not authorized to perform: SNS:CreateTopic";
    let cases = [
        (Refusal::new(403, "AuthorizationError", denied), "sns", "CreateTopic"),
        (
            Refusal::new(400, "ValidationException", "1 validation error detected: the test's"),
            "dynamodb",
            "CreateTable",
        ),
    ];
    for (refusal, service, operation) in cases {
        outside.proxy.forget();
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
        let id = refused.request_id.expect("an id");
        for part in [code.as_str(), &message, &id] {
            running.await_saying(part);
        }
        running.end().exits(3);
        let records = outside.proxy.records();
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
    assert!((75..80).contains(&seconds), "{seconds}");
    assert!(asked.took.as_secs().abs_diff(seconds) <= 3, "{seconds} told, {asked:?}");
    outside.works(&["down", "--yes", "--json"]);
    is_empty(&outside.env);
}
