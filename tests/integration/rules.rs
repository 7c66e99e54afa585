//! The rules in force: shown, compared, tried on what is stored, and replaced without a deployment.

use crate::client::{Client, now, text, transaction};
use crate::support::Environment;
use serde_json::{Value, json};
use std::fs;

const PARAMETER: &str = "/fraud-detection/dev/rules";

/// A rules file beside the state, made of the rules in force.
#[track_caller]
fn file(env: &Environment, name: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut rules: Value = env.run(&["rules", "show", "--json"]).exits(0).json()["rules"].take();
    change(&mut rules);
    let path = env.state_folder().join(name);
    fs::write(&path, rules.to_string()).expect("a rules file");
    path.to_str().expect("a plain path").to_owned()
}

#[track_caller]
fn parameter(env: &Environment) -> Value {
    env.aws.call("ssm", "get_parameter", json!({"Name": PARAMETER}))["Parameter"].take()
}

#[track_caller]
fn put(env: &Environment, value: &str) {
    let params = json!({"Name": PARAMETER, "Value": value, "Type": "String", "Overwrite": true});
    env.aws.call("ssm", "put_parameter", params);
}

#[test]
fn rules_are_shown_compared_and_put_live_without_a_deployment() {
    let env = Environment::new().scoring();
    env.up();
    let shown = env.run(&["rules", "show"]).exits(0);
    assert!(shown.stderr.contains(PARAMETER), "{shown:?}");
    let version = serde_json::from_str::<Value>(&shown.stdout).expect("a rules file")["version"].clone();
    let before = parameter(&env);
    assert_eq!(text(&before["Value"]).trim_end(), shown.stdout.trim_end());

    let same_name = file(&env, "same.json", |rules| rules["suspicious_above"] = json!(0.8));
    let refused = env.run(&["rules", "push", &same_name, "--yes"]).exits(1);
    assert!(refused.stderr.contains("give them another"), "{refused:?}");

    let mine = file(&env, "mine.json", |rules| {
        rules["version"] = json!("mine-1");
        rules["suspicious_above"] = json!(0.8);
    });
    let diff = env
        .run(&["rules", "diff", &mine, "--json", "--exit-code"])
        .exits(4)
        .json();
    let paths: Vec<String> = diff["changes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|change| text(&change["path"]))
        .collect();
    assert_eq!(paths, ["suspicious_above", "version"], "{diff:#}");
    assert_eq!(diff["from"], version, "{diff:#}");

    let asked = env.run(&["rules", "push", &mine]).exits(1);
    assert!(asked.stderr.contains("no terminal to ask on"), "{asked:?}");
    assert!(asked.stdout.contains("suspicious_above: 0.85 -> 0.8"), "{asked:?}");
    assert_eq!(parameter(&env)["Value"], before["Value"]);

    let pushed = env.run(&["rules", "push", &mine, "--yes"]).exits(0);
    assert!(pushed.stdout.contains("within 60 s"), "{pushed:?}");
    let shown = env.run(&["rules", "show", "--json"]).exits(0).json();
    assert_eq!(shown["version"], "mine-1", "{shown:#}");
    assert_eq!(shown["source"], "parameter", "{shown:#}");
    // The value is the analyst's; everything else is as it was.
    env.assert_settled();

    let again = env.run(&["rules", "push", &mine, "--yes", "--json"]).exits(0).json();
    assert_eq!(again["pushed"], false, "{again:#}");
    env.run(&["rules", "push", "--builtin", "--yes"]).exits(0);
    assert_eq!(parameter(&env)["Value"], before["Value"]);
}

#[test]
fn rules_that_cannot_be_used_are_told_and_can_be_replaced() {
    let env = Environment::new().scoring();
    env.up();
    put(&env, "{\"version\": 5}");
    let broken = env.run(&["rules", "show", "--json"]).exits(0).json();
    assert_eq!(broken["source"], "broken", "{broken:#}");
    assert!(text(&broken["error"]).contains("version"), "{broken:#}");
    let shown = env.run(&["rules", "show"]).exits(0);
    assert!(shown.stderr.contains("built-in ones"), "{shown:?}");

    // Not different from what holds, and yet there is something to do.
    let pushed = env
        .run(&["rules", "push", "--builtin", "--yes", "--json"])
        .exits(0)
        .json();
    assert_eq!(pushed["pushed"], true, "{pushed:#}");
    let shown = env.run(&["rules", "show", "--json"]).exits(0).json();
    assert_eq!(shown["source"], "parameter", "{shown:#}");

    let wrong = env.state_folder().join("wrong.json");
    fs::write(&wrong, "{\"version\": \"a b\"}").expect("a file");
    let wrong = wrong.to_str().expect("a plain path");
    let refused = env.run(&["rules", "push", wrong, "--yes"]).exits(1);
    assert!(refused.stderr.contains("cannot be used"), "{refused:?}");

    env.aws.call("ssm", "delete_parameter", json!({"Name": PARAMETER}));
    let absent = env.run(&["rules", "show", "--json"]).exits(0).json();
    assert_eq!(absent["source"], "absent", "{absent:#}");
    let refused = env.run(&["rules", "push", "--builtin", "--yes"]).exits(1);
    assert!(refused.stderr.contains("`fraudctl up` makes it"), "{refused:?}");

    // What the settings manage is not for `push` to change.
    let mine = env.state_folder().join("mine.json");
    fs::write(&mine, broken["rules"].to_string()).expect("a file");
    env.settings("rules = \"mine.json\"\n");
    let refused = env.run(&["rules", "push", "--builtin", "--yes"]).exits(1);
    assert!(refused.stderr.contains("key `rules`"), "{refused:?}");
}

#[test]
fn a_dry_run_tells_what_other_rules_would_have_made_of_what_is_stored() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    for number in 0..4 {
        let (id, amount) = (format!("t-{number}"), format!("2{number}"));
        client.post(&transaction(&id, "ann", &amount)).with_status(200);
    }
    client.post(&transaction("t-large", "ann", "15000")).with_status(200);
    for id in ["t-one", "t-two"] {
        let body = transaction(id, "ben", "33.30").replace('}', r#", "merchant": "Books"}"#);
        client.post(&body).with_status(200);
    }
    env.run(&["label", "t-large", "ok"]).exits(0);
    env.run(&["label", "t-two", "fraud"]).exits(0);

    // Nobody pays the same twice, say these rules.
    let mine = file(&env, "mine.json", |rules| {
        rules["version"] = json!("mine-1");
        rules["ladders"]["DUPLICATE_AMOUNT"] = json!([{"limit": 0, "weight": 0.95}]);
    });
    let found = env.run(&["rules", "dry-run", &mine, "--json"]).exits(0).json();
    assert_eq!(
        (&found["replayed"], &found["compared"]),
        (&json!(7), &json!(7)),
        "{found:#}"
    );
    assert_eq!(found["labelled"], 2, "{found:#}");
    assert_eq!(found["threshold"], "0.85", "{found:#}");
    assert_eq!(found["deployed"]["alerts"], 1, "{found:#}");
    assert_eq!(found["deployed"]["precision"].to_string(), "0.0", "{found:#}");
    assert_eq!(found["candidate"]["alerts"], 2, "{found:#}");
    assert_eq!(found["candidate"]["precision"].to_string(), "0.5", "{found:#}");
    assert_eq!(found["candidate"]["recall"].to_string(), "1.0", "{found:#}");
    assert_eq!(found["newly"]["count"], 1, "{found:#}");
    let newly = &found["newly"]["examples"][0];
    assert_eq!(newly["transaction_id"], "t-two", "{found:#}");
    assert_eq!(newly["label"], "fraud", "{found:#}");
    assert_eq!(newly["reasons"][0]["code"], "DUPLICATE_AMOUNT", "{found:#}");
    assert_eq!(found["no_longer"]["count"], 0, "{found:#}");

    let told = env.run(&["rules", "dry-run", &mine, "--limit", "3"]).exits(0);
    assert!(told.stdout.contains("3 transactions compared of 7 stored"), "{told:?}");
    // One from long ago is history, and not compared.
    let old = json!({
        "transaction_id": {"S": "t-old"}, "timestamp": {"N": (now() - 9 * 86_400).to_string()},
        "user_id": {"S": "ann"}, "amount": {"N": "20"},
    });
    let params = json!({"TableName": "transactions-dev", "Item": old});
    env.aws.call("dynamodb", "put_item", params);
    let since = env
        .run(&["rules", "dry-run", &mine, "--since", "7d", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        (&since["replayed"], &since["compared"]),
        (&json!(8), &json!(7)),
        "{since:#}"
    );
}

#[test]
fn training_from_the_table_is_training_from_what_is_stored_in_it() {
    let env = Environment::new().scoring();
    env.up();
    let path = |name: &str| {
        let path = env.state_folder().join(name);
        path.to_str().expect("a plain path").to_owned()
    };
    let size = ["--customers", "100", "--terminals", "200", "--days", "60"];
    let simulated = path("simulated.csv");
    let simulate = [&["simulate", "--seed", "7", "--out", &simulated][..], &size].concat();
    env.run(&simulate).exits(0);

    let text = fs::read_to_string(&simulated).expect("what was simulated");
    let mut lines = text.lines();
    let header = lines.next().expect("the columns");
    let columns: Vec<&str> = header.split(',').collect();
    let column = |name: &str| columns.iter().position(|column| *column == name).expect(name);
    let [id, user, merchant, location, amount, timestamp, fraud, labelled_at] = [
        "transaction_id",
        "user_id",
        "merchant",
        "location",
        "amount",
        "timestamp",
        "fraud",
        "labelled_at",
    ]
    .map(column);
    let mut rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    // The order in which a table is read: the time, and then the id.
    rows.sort_by_key(|row| (row[timestamp].parse::<u64>().expect("seconds"), row[id]));
    let sorted: Vec<String> = rows.iter().map(|row| row.join(",")).collect();
    fs::write(path("sorted.csv"), format!("{header}\n{}\n", sorted.join("\n"))).expect("a file");

    let put = rows.iter().map(|row| {
        let label = if row[fraud] == "true" || row[fraud] == "1" {
            "fraud"
        } else {
            "ok"
        };
        json!({"PutRequest": {"Item": {
            "transaction_id": {"S": row[id]},
            "user_id": {"S": row[user]},
            "merchant": {"S": row[merchant]},
            "location": {"S": row[location]},
            "amount": {"N": row[amount]},
            "timestamp": {"N": row[timestamp]},
            "label": {"S": label},
            "labelled_at": {"N": row[labelled_at]},
        }}})
    });
    let requests: Vec<Value> = put.collect();
    let params = json!({"table": "transactions-dev", "requests": requests});
    env.aws.call("bridge", "batch_write", params);

    let train = |from: &str, out: &str| {
        let out = path(out);
        let run = env.run(&["train", "--from", from, "--out", &out, "--json"]).exits(0);
        (run.json(), fs::read_to_string(out).expect("a rules file"))
    };
    let (report, of_table) = train("table", "table.json");
    let (_, of_file) = train(&path("sorted.csv"), "file.json");
    assert_eq!(of_table, of_file);
    assert!(
        report["frauds"].as_u64().is_some_and(|frauds| frauds > 20),
        "{report:#}"
    );
    // The candidate is a rules file that the others take.
    let dry_run = env
        .run(&["rules", "dry-run", &path("table.json"), "--json"])
        .exits(0)
        .json();
    assert_eq!(dry_run["replayed"].as_u64(), Some(rows.len() as u64), "{dry_run:#}");
}
