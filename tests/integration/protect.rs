//! Protected environments: what `protect = true` refuses, what it has AWS protect, and the way back.

use serde_json::{Value, json};

use crate::support::Environment;

const TABLES: [&str; 3] = ["transactions-dev", "profiles-dev", "idempotency-dev"];

const PROTECTED: &str = "[env.dev]\nprotect = true\n";

/// Does AWS refuse to delete this table?
fn is_protected(env: &Environment, table: &str) -> Value {
    let table = env.aws.call("dynamodb", "describe_table", json!({"TableName": table}));
    table["Table"]["DeletionProtectionEnabled"].clone()
}

fn protect(env: &Environment, table: &str, on: bool) {
    let change = json!({"TableName": table, "DeletionProtectionEnabled": on});
    env.aws.call("dynamodb", "update_table", change);
}

#[test]
fn a_protected_environment_has_its_tables_protected_and_refuses_down_before_anything() {
    let env = Environment::new();
    let empty = env.aws.inventory();
    env.settings(PROTECTED);
    env.up();
    for table in TABLES {
        assert_eq!(is_protected(&env, table), true, "{table}");
        let deleted = env
            .aws
            .try_call("dynamodb", "delete_table", json!({"TableName": table}));
        assert!(deleted.is_err(), "{table} could be deleted");
    }
    env.assert_settled();
    let before = env.aws.inventory();
    let state = std::fs::read(env.state_file()).expect("there is a state");

    let refused = env.run(&["down", "--yes", "--json"]).exits(1);
    for says in [
        "environment dev is protected",
        "`protect = true`",
        "settings.toml, [env.dev]",
        "nothing was changed",
    ] {
        assert!(refused.stderr.contains(says), "does not say {says:?}: {refused:#?}");
    }
    assert_eq!(refused.stdout, "");
    // Nobody is asked for that: neither AWS nor the user.
    let mut alone = env.command(&["down"]);
    alone.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let output = alone.output().expect("fraudctl starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("is protected"),
        "{output:?}"
    );
    assert_eq!(env.aws.inventory(), before);
    assert_eq!(std::fs::read(env.state_file()).expect("there is a state"), state);

    // Another environment of the same settings is not protected.
    env.run(&["down", "--yes", "--json", "--env", "two"]).exits(0);

    // The way back: `up` switches the protection off, and `down` removes everything.
    env.settings("");
    let up = env.up();
    assert_eq!(up["summary"]["updated"], 3, "{up:#}");
    for table in TABLES {
        assert_eq!(is_protected(&env, table), false, "{table}");
    }
    env.down();
    assert_eq!(env.aws.inventory(), empty);
}

#[test]
fn down_switches_off_what_up_switched_on_once_the_settings_no_longer_protect() {
    let env = Environment::new();
    let empty = env.aws.inventory();
    env.settings("protect = true\n");
    env.up();
    env.settings("protect = true\n[env.dev]\nprotect = false\n");
    let down = env.run(&["down", "--yes", "--json"]).exits(0);
    assert!(
        down.stderr.contains("the deletion protection of storage.transactions"),
        "{down:#?}"
    );
    assert_eq!(down.json()["summary"]["deleted"], 60);
    assert_eq!(env.aws.inventory(), empty);
}

#[test]
fn a_protection_that_somebody_else_switched_on_refuses_down_before_anything() {
    let env = Environment::new();
    let empty = env.aws.inventory();
    env.up();
    protect(&env, "transactions-dev", true);
    let before = env.aws.inventory();
    let refused = |env: &Environment| {
        let refused = env.run(&["down", "--yes", "--json"]).exits(1);
        for says in [
            "storage.transactions (transactions-dev)",
            "update-table --table-name transactions-dev --no-deletion-protection-enabled --region us-east-1",
            "nothing was changed",
            "--endpoint-url http://127.0.0.1:",
        ] {
            assert!(refused.stderr.contains(says), "does not say {says:?}: {refused:#?}");
        }
        assert!(!refused.stderr.contains("storage.profiles ("), "{refused:#?}");
        assert_eq!(env.aws.inventory(), before);
    };
    refused(&env);
    // A lost state cannot tell who switched it on.
    std::fs::rename(env.state_file(), env.state_folder().join("kept")).expect("there is a state");
    refused(&env);
    std::fs::rename(env.state_folder().join("kept"), env.state_file()).expect("there is a state");

    // To `up` it is drift like any other.
    let up = env.up();
    assert_eq!(up["summary"]["updated"], 1, "{up:#}");
    assert_eq!(is_protected(&env, "transactions-dev"), false);
    env.down();
    assert_eq!(env.aws.inventory(), empty);
}

#[test]
fn a_protected_environment_loses_no_table_even_to_who_accepts_it() {
    let env = Environment::new();
    env.settings(PROTECTED);
    env.up();
    // What was switched off behind our back is drift, and comes back.
    protect(&env, "transactions-dev", false);
    let up = env.up();
    assert_eq!(up["summary"]["updated"], 1, "{up:#}");
    assert_eq!(is_protected(&env, "transactions-dev"), true);

    // A table of ours with other keys: to bring it to what is desired would be to lose it.
    let arn = format!("arn:aws:dynamodb:us-east-1:{}:table/transactions-dev", env.account);
    let tags = env
        .aws
        .call("dynamodb", "list_tags_of_resource", json!({"ResourceArn": arn}))["Tags"]
        .clone();
    protect(&env, "transactions-dev", false);
    env.aws
        .call("dynamodb", "delete_table", json!({"TableName": "transactions-dev"}));
    let table = json!({
        "TableName": "transactions-dev",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "Tags": tags
    });
    env.aws.call("dynamodb", "create_table", table);
    let described = || {
        env.aws
            .call("dynamodb", "describe_table", json!({"TableName": "transactions-dev"}))
    };
    let before = described();
    for flags in [&["up", "--yes"][..], &["up", "--yes", "--allow-data-loss"]] {
        let refused = env.run(flags).exits(1);
        for says in [
            "storage.transactions would be replaced, because AWS cannot change hash_key",
            "`protect = true`",
            "[env.dev]",
            "Nothing was changed",
        ] {
            assert!(refused.stderr.contains(says), "does not say {says:?}: {refused:#?}");
        }
        assert_eq!(described(), before);
    }
    // Without the protection, it is what whoever accepts it gets.
    env.settings("");
    env.run(&["up", "--yes", "--allow-data-loss"]).exits(0);
    assert_ne!(described(), before);
    env.assert_settled();
}
