//! Functions that AWS could not make, or could not finish changing, and functions that have fallen asleep.

use crate::drift::changes;
use crate::manners::{Watched, steps};
use crate::support::{Aws, Call, Credentials, FunctionEndings, Span, Weather};
use serde_json::{Value, json};

const FUNCTIONS: [&str; 2] = ["functions.analyzer", "functions.processor"];
/// What AWS says of each failure.
const REASON: &str = "Internal service error. Please try again later.";

/// A fresh account whose AWS ends what is begun with functions in this way.
fn with(endings: FunctionEndings) -> Watched {
    let watched = Watched::new();
    watched.proxy.set_weather(Weather {
        function_endings: endings,
        ..Weather::calm(0)
    });
    watched
}

/// The same, after an `up` in which no function could be made.
#[track_caller]
fn unmade() -> Watched {
    let watched = with(FunctionEndings {
        first_creations_fail: true,
        ..FunctionEndings::default()
    });
    let run = watched.run(&["up", "--yes", "--json"]).exits(3);
    let up = run.json();
    let mut failed = steps(&up, "failed");
    failed.sort_unstable();
    assert_eq!(failed, FUNCTIONS, "{up:#}");
    assert!(run.stderr.contains(REASON), "{run:#?}");
    watched
}

/// The action and the fields of each function in a plan.
fn of_functions(plan: &Value) -> Vec<(String, Vec<String>)> {
    let changes = changes(plan).into_iter();
    let functions = changes.filter(|(address, ..)| FUNCTIONS.contains(&address.as_str()));
    functions.map(|(_, action, fields)| (action, fields)).collect()
}

#[test]
fn a_function_that_could_not_be_made_is_made_again() {
    let watched = unmade();
    let diff = watched.run(&["diff", "--json"]).exits(0).json();
    let again = ["creation_failure", "reserved_concurrency"].map(str::to_owned).to_vec();
    let again = ("replace".to_owned(), again);
    assert_eq!(of_functions(&diff), [again.clone(), again], "{diff:#}");
    let told = watched.run(&["diff"]).exits(0).stdout;
    assert!(
        told.contains(&format!("creation_failure: \"{REASON}\" → (none)")),
        "{told}"
    );
    watched.run(&["diff", "--exit-code"]).exits(4);

    let up = watched.up();
    assert_eq!(up["summary"]["replaced"], 2, "{up:#}");
    watched.assert_whole();
}

#[test]
fn a_function_that_could_not_be_made_is_made_again_after_a_lost_state_too() {
    let watched = unmade();
    std::fs::remove_file(watched.env.state_file()).expect("a state");
    let up = watched.up();
    assert_eq!(up["summary"]["replaced"], 2, "{up:#}");
    watched.assert_whole();
}

#[test]
fn a_function_that_could_not_be_made_is_removed() {
    let watched = unmade();
    let aws = &watched.env.aws;
    let down = watched.run(&["down", "--yes", "--json"]).exits(0).json();
    assert_eq!(down["summary"]["failed"], 0, "{down:#}");
    assert_eq!(aws.inventory(), Watched::new().env.aws.inventory());
    assert!(!watched.env.state_file().exists());
}

#[test]
fn an_update_that_failed_is_made_again_whoever_made_it() {
    let watched = with(FunctionEndings {
        first_updates_fail: true,
        ..FunctionEndings::default()
    });
    watched.up();
    let settings = "[processor]\nmemory_mb = 640\n";
    watched.env.settings(settings);
    // It is the only step.
    let run = watched.run(&["up", "--yes", "--json"]).exits(1);
    assert_eq!(steps(&run.json(), "failed"), ["functions.processor"], "{run:#?}");
    assert!(run.stderr.contains(REASON), "{run:#?}");
    // AWS tells what was asked for, and goes on with what was there before.
    let again = ("update".to_owned(), vec!["update_failure".to_owned()]);
    let diff = watched.run(&["diff", "--json"]).exits(0).json();
    assert_eq!(of_functions(&diff), [again], "{diff:#}");
    watched.proxy.forget();
    let up = watched.up();
    assert_eq!(up["summary"]["updated"], 1, "{up:#}");
    for operation in ["UpdateFunctionConfiguration", "UpdateFunctionCode"] {
        let calls = watched.proxy.calls();
        assert!(calls.iter().any(|call| call.is("lambda", operation)), "{operation}");
    }
    watched.assert_whole();

    let somebody = Aws::new(watched.proxy.endpoint(), &Credentials::of_account(&watched.env.account));
    let memory = json!({"FunctionName": "pattern-analyzer-dev", "Description": "theirs"});
    somebody.call("lambda", "update_function_configuration", memory);
    let diff = watched.run(&["diff", "--json"]).exits(0).json();
    let fields = ["description", "update_failure"].map(str::to_owned).to_vec();
    assert_eq!(of_functions(&diff), [("update".to_owned(), fields)], "{diff:#}");
    watched.up();
    watched.assert_whole();
}

#[test]
fn a_function_whose_maker_died_is_not_ready_before_aws_says_so() {
    let watched = Watched::new();
    watched.proxy.set_weather(Weather {
        function_pending: Some(Span::seconds(4, 4)),
        ..Weather::calm(0)
    });
    let made: fn(&Call) -> bool = |call| call.is("lambda", "CreateFunction");
    watched.kill_when(&[made]);
    watched.up();
    let seen = Aws::new(watched.proxy.endpoint(), &Credentials::of_account(&watched.env.account));
    for function in ["transaction-processor-dev", "pattern-analyzer-dev"] {
        let found = seen.call("lambda", "get_function", json!({"FunctionName": function}));
        assert_eq!(found["Configuration"]["State"], "Active", "{found:#}");
    }
    watched.assert_whole();
}

#[test]
fn a_function_that_nobody_has_called_for_weeks_is_as_it_should_be() {
    let watched = with(FunctionEndings {
        idle: true,
        ..FunctionEndings::default()
    });
    watched.up();
    watched.assert_whole();
    let again = watched.up();
    assert_eq!(again["steps"], json!([]), "{again:#}");
}
