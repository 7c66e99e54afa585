//! Labels, and the counters of merchants that follow them.

use crate::client::{Client, now, text, transaction};
use crate::support::{Environment, Running};
use serde_json::{Value, json};
use std::fs;

const DAY: u64 = 86_400;

/// The counters of a merchant's day: fraud, ok. Nothing where there is no row.
#[track_caller]
fn counters(env: &Environment, merchant: &str, day: u64) -> Option<(String, String)> {
    let key = json!({"merchant": {"S": merchant}, "day": {"N": day.to_string()}});
    let params = json!({"TableName": "profiles-dev", "Key": key, "ConsistentRead": true});
    let found = env.aws.call("dynamodb", "get_item", params);
    let row = found.get("Item")?;
    assert_eq!(row["expires_at"]["N"], ((day + 60) * DAY).to_string(), "{row}");
    let count = |name: &str| row[name]["N"].as_str().unwrap_or("0").to_owned();
    Some((count("fraud"), count("ok")))
}

fn both(fraud: u32, ok: u32) -> Option<(String, String)> {
    Some((fraud.to_string(), ok.to_string()))
}

/// Stores a transaction as the processor does.
#[track_caller]
fn store(env: &Environment, id: &str, merchant: &str, timestamp: u64) {
    let item = json!({
        "transaction_id": {"S": id}, "timestamp": {"N": timestamp.to_string()}, "user_id": {"S": "ann"},
        "amount": {"N": "10"}, "merchant": {"S": merchant}, "location": {"S": "Oslo"},
        "fraud_score": {"N": "0.1"}, "is_suspicious": {"BOOL": false},
    });
    let params = json!({"TableName": "transactions-dev", "Item": item});
    env.aws.call("dynamodb", "put_item", params);
}

#[track_caller]
fn item(env: &Environment, id: &str, timestamp: u64) -> Value {
    let key = json!({"transaction_id": {"S": id}, "timestamp": {"N": timestamp.to_string()}});
    let params = json!({"TableName": "transactions-dev", "Key": key, "ConsistentRead": true});
    env.aws.call("dynamodb", "get_item", params)["Item"].take()
}

#[test]
fn a_label_is_counted_once_and_a_correction_moves_the_count() {
    let env = Environment::new().scoring();
    let client = Client::of_new(&env);
    let body = transaction("t-1", "ann", "12.50").replace('}', r#", "merchant": "Books"}"#);
    client.post(&body).with_status(200);
    let stored = client.stored("t-1")[0].clone();
    let timestamp: u64 = text(&stored["timestamp"]["N"]).parse().expect("whole seconds");
    let day = timestamp / DAY;

    let first = env.run(&["label", "t-1", "fraud", "--json"]).exits(0).json();
    assert_eq!(first["changed"], true, "{first:#}");
    assert_eq!(first["before"], Value::Null, "{first:#}");
    assert_eq!(first["counters"], "moved", "{first:#}");
    assert_eq!(first["merchant"], "Books", "{first:#}");
    assert_eq!(counters(&env, "Books", day), both(1, 0));
    let labelled = item(&env, "t-1", timestamp);
    assert_eq!(labelled["label"], json!({"S": "fraud"}), "{labelled:#}");
    let at: u64 = text(&labelled["labelled_at"]["N"]).parse().expect("whole seconds");
    assert!(at >= timestamp && at <= now(), "{labelled:#}");
    // Nothing else of the item changed.
    for (name, value) in stored.as_object().expect("an item") {
        assert_eq!(&labelled[name], value, "{name}");
    }

    // As if it had been labelled long ago.
    let update = json!({
        "TableName": "transactions-dev",
        "Key": {"transaction_id": {"S": "t-1"}, "timestamp": {"N": timestamp.to_string()}},
        "UpdateExpression": "SET labelled_at = :at", "ExpressionAttributeValues": {":at": {"N": "5"}},
    });
    env.aws.call("dynamodb", "update_item", update);
    let again = env.run(&["label", "t-1", "fraud"]).exits(0);
    assert!(again.stdout.contains("was labelled fraud already"), "{again:?}");
    assert_eq!(counters(&env, "Books", day), both(1, 0));
    assert_eq!(item(&env, "t-1", timestamp)["labelled_at"], json!({"N": "5"}));

    let corrected = env.run(&["label", "t-1", "ok"]).exits(0);
    assert!(
        corrected.stdout.contains("is labelled ok, no longer fraud"),
        "{corrected:?}"
    );
    assert_eq!(counters(&env, "Books", day), both(0, 1));
    assert_ne!(item(&env, "t-1", timestamp)["labelled_at"], json!({"N": "5"}));

    let unknown = env.run(&["label", "t-2", "ok"]).exits(1);
    assert!(
        unknown
            .stderr
            .contains("there is no transaction \"t-2\" in transactions-dev"),
        "{unknown:?}"
    );
}

#[test]
fn labels_given_at_once_to_one_merchant_are_all_counted() {
    let env = Environment::new().scoring();
    env.up();
    let timestamp = now();
    let ids: Vec<String> = (0..20).map(|number| format!("t-{number}")).collect();
    for id in &ids {
        store(&env, id, "Books", timestamp);
    }
    let label = |(number, id): (usize, &String)| {
        // Each is said twice, as two analysts might.
        let what = if number % 4 == 0 { "ok" } else { "fraud" };
        [0, 1].map(|_| Running::start(env.command(&["label", id, what, "--json"])))
    };
    let running: Vec<Running> = ids.iter().enumerate().flat_map(label).collect();
    let changed: usize = running
        .into_iter()
        .map(|one| usize::from(one.end().exits(0).json()["changed"] == true))
        .sum();
    assert_eq!(changed, 20);
    assert_eq!(counters(&env, "Books", timestamp / DAY), both(15, 5));
    let file = env.state_folder().join("all-ok.csv");
    let lines: String = ids.iter().map(|id| format!("{id},ok\n")).collect();
    fs::write(&file, format!("transaction_id,label\n{lines}")).expect("a file");
    let file = file.to_str().expect("a plain path");
    let summary = env.run(&["label", "--file", file, "--json"]).exits(0).json();
    assert_eq!(
        (&summary["changed"], &summary["unchanged"]),
        (&json!(15), &json!(5)),
        "{summary:#}"
    );
    assert_eq!(counters(&env, "Books", timestamp / DAY), both(0, 20));
}

#[test]
fn a_file_goes_on_past_what_is_unknown_and_old_transactions_are_not_counted() {
    let env = Environment::new().scoring();
    env.up();
    let (recent, old) = (now(), now() - 61 * DAY);
    store(&env, "t-new", "Books", recent);
    store(&env, "t-old", "Books", old);
    let path = env.state_folder().join("labels.csv");
    let file = path.to_str().expect("a plain path").to_owned();
    let write = |lines: &str| fs::write(&path, format!("label,transaction_id\n{lines}")).expect("a file");

    write("fraud,t-new\nperhaps,t-old\n");
    let refused = env.run(&["label", "--file", &file]).exits(1);
    assert!(
        refused.stderr.contains("line 3, column label: \"perhaps\" is no label"),
        "{refused:?}"
    );
    assert_eq!(counters(&env, "Books", recent / DAY), None);

    // Nothing is labelled from a file with a quote too many, or with an id that is not quite one.
    for lines in ["fraud,t-new\nok,\"t-old\nfraud,t-new", "fraud,t-new\nok,\" t-old\""] {
        write(lines);
        let refused = env.run(&["label", "--file", &file]).exits(1);
        assert!(
            refused.stderr.contains("line 3, column transaction_id: "),
            "{refused:?}"
        );
        assert_eq!(counters(&env, "Books", recent / DAY), None);
    }

    // As another system writes it.
    let text = "\u{feff}Label,Transaction_ID\r\nFRAUD,t-new\r\n\r\nlegit,t-unknown\r\nOK,t-old\r\n";
    fs::write(&path, text).expect("a file");
    let partly = env.run(&["label", "--file", &file, "--json"]).exits(3);
    let summary = partly.json();
    assert_eq!(summary["changed"], 2, "{summary:#}");
    assert_eq!(summary["failed"][0]["line"], 4, "{summary:#}");
    assert_eq!(summary["failed"][0]["transaction_id"], "t-unknown", "{summary:#}");
    assert_eq!(counters(&env, "Books", recent / DAY), both(1, 0));
    assert_eq!(counters(&env, "Books", old / DAY), None);
    assert_eq!(item(&env, "t-old", old)["label"], json!({"S": "ok"}));
}

#[test]
fn counters_that_were_lost_are_not_made_negative() {
    let env = Environment::new().scoring();
    env.up();
    let timestamp = now();
    store(&env, "t-1", "Books", timestamp);
    env.run(&["label", "t-1", "fraud"]).exits(0);
    let key = json!({"merchant": {"S": "Books"}, "day": {"N": (timestamp / DAY).to_string()}});
    env.aws.call(
        "dynamodb",
        "delete_item",
        json!({"TableName": "profiles-dev", "Key": key}),
    );
    let corrected = env.run(&["label", "t-1", "ok", "--json"]).exits(0).json();
    assert_eq!(corrected["counters"], "only_added", "{corrected:#}");
    assert_eq!(counters(&env, "Books", timestamp / DAY), both(0, 1));
}
