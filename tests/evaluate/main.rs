//! The commands that judge and train the scoring. They need no project, no AWS and no credentials, so here they have
//! none: an empty folder, and nothing of the caller's environment.

mod files;

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A folder that is empty to begin with, where the commands run.
struct Place(tempfile::TempDir);

#[derive(Debug)]
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fraudctl"));
        command
            .args(args)
            .env_clear()
            .env("HOME", self.0.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            // Nobody's: port 1 is for the superuser, and the usual one may have a local AWS on it.
            .env("FRAUDCTL_LOCAL_PORT", "1")
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Run {
        let output = self.command(args).output().expect("fraudctl starts");
        Run {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

impl Run {
    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|why| panic!("no JSON on standard output: {why}\n{self:#?}"))
    }
}

/// A simulation that takes moments and still has fraud of every kind.
const SMALL: [&str; 6] = ["--customers", "400", "--terminals", "1000", "--days", "80"];

fn small<'a>(args: &[&'a str]) -> Vec<&'a str> {
    args.iter().chain(&SMALL).copied().collect()
}

#[test]
fn the_same_seed_writes_the_same_transactions_to_a_file_and_to_standard_output() {
    let place = Place::new();
    let shown = place.run(&small(&["simulate", "--seed", "3"])).exits(0);
    let filed = place
        .run(&small(&["simulate", "--seed", "3", "--out", "three.csv"]))
        .exits(0);
    assert!(filed.stdout.is_empty());
    let text = fs::read_to_string(place.file("three.csv")).expect("the file");
    assert_eq!(text, shown.stdout);
    let mut lines = text.lines();
    assert_eq!(
        lines.next(),
        Some("transaction_id,user_id,merchant,location,amount,timestamp,fraud,labelled_at,scenario")
    );
    let count = lines.count();
    assert!(count > 40_000, "{count} transactions");
    assert!(
        filed.stderr.contains(&format!("{count} transactions")),
        "{}",
        filed.stderr
    );
    let other = place.run(&small(&["simulate", "--seed", "4"])).exits(0);
    assert_ne!(other.stdout, shown.stdout);
}

#[test]
fn a_reader_that_goes_away_is_no_reason_to_complain() {
    let place = Place::new();
    let mut child = place
        .command(&small(&["simulate"]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("fraudctl starts");
    let mut first = String::new();
    let mut reader = BufReader::new(child.stdout.take().expect("its output"));
    reader.read_line(&mut first).expect("a line");
    assert!(first.starts_with("transaction_id,"));
    drop(reader);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let run = Place::new()
        .run(&small(&["simulate", "--out", "no/such/folder.csv"]))
        .exits(2);
    assert!(run.stderr.contains("there is no folder no/such"), "{}", run.stderr);
    for given in [&["simulate", "--out", "."][..], &["simulate", "--out", ".", "--force"]] {
        let run = Place::new().run(&small(given)).exits(2);
        assert!(run.stderr.contains("--out: . is a folder"), "{}", run.stderr);
    }
}

#[test]
fn simulate_and_eval_write_over_nothing_unless_they_are_told_to() {
    let place = Place::new();
    let written = [
        ("--out", small(&["simulate", "--out", "mine"])),
        ("--svg", small(&["eval", "--seed", "5", "--svg", "mine"])),
    ];
    for (flag, args) in written {
        fs::write(place.file("mine"), "mine").expect("written");
        let run = place.run(&args).exits(1);
        let says = format!("{flag}: mine exists, and nothing was written");
        assert!(
            run.stderr.contains(&says) && run.stderr.contains("--force"),
            "{}",
            run.stderr
        );
        assert_eq!(run.stdout, "", "it was worked for");
        assert_eq!(fs::read_to_string(place.file("mine")).expect("mine"), "mine");
        place.run(&[&args[..], &["--force"]].concat()).exits(0);
        assert_ne!(fs::read_to_string(place.file("mine")).expect("written"), "mine");
    }
}

#[test]
fn eval_prints_the_promised_document() {
    let place = Place::new();
    let document = place.run(&small(&["eval", "--seed", "5", "--json"])).exits(0).json();
    assert_eq!(document["seed"], 5);
    assert!(
        document["transactions"].as_u64().is_some_and(|count| count > 40_000),
        "{document}"
    );
    assert!(
        document["frauds"].as_u64().is_some_and(|count| count > 300),
        "{document}"
    );
    let scorers = document["scorers"].as_array().expect("a list");
    let names: Vec<&str> = scorers.iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["base", "ours", "logistic"]);
    for scorer in scorers {
        for key in ["auc", "ap", "cp_at_100", "alerts_per_day", "precision", "recall"] {
            assert!(scorer[key].is_number(), "{key} of {scorer}");
        }
        let frauds: u64 = scorer["scenarios"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|one| one["frauds"].as_u64())
            .sum();
        assert_eq!(document["tested"]["frauds"], frauds);
    }
    // The base rule never fires: no amount is that large.
    assert_eq!(scorers[0]["auc"], 0.5);
    assert_eq!(scorers[0]["alerts_per_day"], 0.0);
    assert!(scorers[1]["auc"].as_f64() > Some(0.7), "{document}");
    assert_eq!(document["tested"]["threshold"], 0.85);
    let again = place.run(&small(&["eval", "--seed", "5", "--json"])).exits(0).json();
    assert_eq!(again, document);
}

#[test]
fn eval_draws_the_curves_and_prints_tables_for_people() {
    let place = Place::new();
    let run = place
        .run(&small(&["eval", "--seed", "5", "--svg", "curves.svg"]))
        .exits(0);
    for part in [
        "seed 5: ",
        "CP@100",
        "alerts/day",
        "base ",
        "ours ",
        "logistic ",
        "scenario",
    ] {
        assert!(run.stdout.contains(part), "{part}:\n{}", run.stdout);
    }
    let picture = fs::read_to_string(place.file("curves.svg")).expect("the picture");
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
    assert_eq!(picture.matches("<polyline").count(), 6);
    assert!(picture.len() < 60_000, "{} bytes", picture.len());
}

#[test]
fn several_seeds_have_a_mean() {
    let document = Place::new()
        .run(&small(&["eval", "--seeds", "5,6", "--json"]))
        .exits(0)
        .json();
    let auc = |at: &Value| at["auc"].as_f64().expect("a figure");
    let (one, other) = (
        auc(&document["runs"][0]["scorers"][1]),
        auc(&document["runs"][1]["scorers"][1]),
    );
    assert!(
        (auc(&document["mean"][1]) - (one + other) / 2.0).abs() < 1e-12,
        "{document}"
    );
}

#[test]
fn too_few_days_are_wrong_usage() {
    let run = Place::new().run(&["eval", "--days", "20"]).exits(2);
    assert!(run.stderr.contains("--days: 20 days are too few"), "{}", run.stderr);
}

#[test]
fn rules_that_are_none_are_named_with_their_file() {
    let place = Place::new();
    fs::write(place.file("bad.json"), "{\"version\": 1}").expect("written");
    let run = place.run(&small(&["eval", "--rules", "bad.json"])).exits(1);
    assert!(run.stderr.contains("bad.json: these are no rules"), "{}", run.stderr);
    let run = place.run(&small(&["eval", "--rules", "missing.json"])).exits(1);
    assert!(run.stderr.contains("cannot read missing.json"), "{}", run.stderr);
}

#[test]
fn training_from_a_file_is_training_from_what_was_written_into_it() {
    let place = Place::new();
    place
        .run(&small(&["simulate", "--seed", "7", "--out", "seven.csv"]))
        .exits(0);
    place
        .run(&["train", "--from", "seven.csv", "--out", "file.json"])
        .exits(0);
    let run = place
        .run(&small(&[
            "train", "--from", "simulate", "--seed", "7", "--json", "--out", "sim.json",
        ]))
        .exits(0);
    let read = |name: &str| fs::read_to_string(place.file(name)).expect(name);
    assert_eq!(read("file.json"), read("sim.json"));
    let report = run.json();
    assert_eq!(report["version"], "candidate");
    assert!(report["frauds"].as_u64().is_some_and(|count| count > 50), "{report}");
    assert!(report["held_out"]["auc"].as_f64() > Some(0.6), "{report}");
    assert!(report["held_out_base"]["ap"].is_number(), "{report}");
    assert!(report["rules"]["AMOUNT_VS_HISTORY"].is_string(), "{report}");

    // The candidate is a rules file that others take.
    let document = place
        .run(&small(&["eval", "--seed", "8", "--rules", "sim.json", "--json"]))
        .exits(0)
        .json();
    let names: Vec<&str> = document["scorers"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["name"].as_str())
        .collect();
    assert_eq!(names, ["base", "builtin", "ours", "logistic"]);
    let shown = place
        .run(&small(&["train", "--from", "simulate", "--seed", "7", "--out", "-"]))
        .exits(0);
    assert_eq!(shown.stdout.trim_end(), read("sim.json").trim_end());
}

#[test]
fn training_writes_over_nothing_unless_it_is_told_to() {
    let place = Place::new();
    fs::write(place.file("mine.json"), "mine").expect("written");
    let args = small(&["train", "--from", "simulate", "--seed", "7", "--out", "mine.json"]);
    let run = place.run(&args).exits(1);
    assert!(
        run.stderr.contains("--out: mine.json exists") && run.stderr.contains("--force"),
        "{}",
        run.stderr
    );
    assert_eq!(fs::read_to_string(place.file("mine.json")).expect("mine"), "mine");
    place.run(&[&args[..], &["--force"]].concat()).exits(0);
    let text = fs::read_to_string(place.file("mine.json")).expect("the candidate");
    let rules: Value = serde_json::from_str(&text).expect("a rules file");
    assert_eq!(rules["version"], "candidate");
}

#[test]
fn what_to_simulate_is_refused_where_nothing_is_simulated() {
    let place = Place::new();
    fs::write(place.file("rows.csv"), "").expect("written");
    for flag in ["--seed", "--days", "--customers", "--terminals"] {
        for from in ["rows.csv", "table"] {
            let run = place.run(&["train", "--from", from, flag, "30"]).exits(2);
            assert!(
                run.stderr.contains(flag) && run.stderr.contains("--from simulate"),
                "{}",
                run.stderr
            );
        }
    }
}

#[test]
fn a_seed_that_is_none_is_wrong_usage() {
    for seed in ["", "x", "-1", "1.5", "18446744073709551616"] {
        let flag = format!("--seed={seed}");
        let seeds = format!("--seeds=1,{seed}");
        for args in [
            &["simulate", &flag][..],
            &["eval", &flag],
            &["eval", &seeds],
            &["train", "--from", "simulate", &flag],
            &["load", &flag],
        ] {
            let run = Place::new().run(args).exits(2);
            let says = "a seed is a whole number from 0 to 18446744073709551615";
            assert!(run.stderr.contains(says), "{args:?}: {}", run.stderr);
        }
    }
}

#[test]
fn a_test_of_nothing_is_no_result() {
    let args = [
        "eval",
        "--days",
        "21",
        "--customers",
        "1",
        "--terminals",
        "100",
        "--seed",
        "5",
    ];
    let run = Place::new().run(&args).exits(1);
    assert!(
        run.stderr.contains("nothing was tested") && run.stderr.contains("simulate more customers"),
        "{}",
        run.stderr
    );
    assert!(run.stdout.is_empty(), "{}", run.stdout);
}

#[test]
fn where_there_is_no_fraud_there_is_no_recall() {
    let size = ["--days", "21", "--customers", "1", "--terminals", "1000", "--seed", "4"];
    let run = Place::new().run(&[&["eval"], &size[..]].concat()).exits(0);
    let ours = run.stdout.lines().find(|line| line.starts_with("ours "));
    let figures: Vec<&str> = ours.expect("a line").split_whitespace().collect();
    assert_eq!(figures.last(), Some(&"-"), "{}", run.stdout);
    let document = Place::new()
        .run(&[&["eval", "--json"], &size[..]].concat())
        .exits(0)
        .json();
    assert_eq!(document["tested"]["frauds"], 0);
    for scorer in document["scorers"].as_array().expect("a list") {
        assert_eq!(scorer["recall"], Value::Null, "{scorer}");
    }
}

#[test]
fn too_little_to_learn_from_is_said() {
    let place = Place::new();
    fs::write(
        place.file("empty.csv"),
        "transaction_id,user_id,merchant,amount,timestamp\n",
    )
    .expect("written");
    let run = place.run(&["train", "--from", "empty.csv"]).exits(1);
    assert!(run.stderr.contains("none of its 0 transactions says"), "{}", run.stderr);

    fs::write(
        place.file("few.csv"),
        "transaction_id,user_id,merchant,amount,timestamp,fraud\nt,u,m,1,1522542281,1\n",
    )
    .expect("written");
    let run = place.run(&["train", "--from", "few.csv"]).exits(1);
    assert!(
        run.stderr.contains("1 transactions, 1 of them labelled"),
        "{}",
        run.stderr
    );
    assert!(
        run.stderr.contains("span 0 seconds") && run.stderr.contains("hold out fewer days"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_table_to_learn_from_must_be_deployed() {
    let place = Place::new();
    let (project, state) = (env!("CARGO_MANIFEST_DIR"), place.file("state"));
    let state = state.to_str().expect("text");
    let run = place
        .run(&[
            "train",
            "--from",
            "table",
            "--local",
            "--project",
            project,
            "--state",
            state,
        ])
        .exits(1);
    assert!(run.stderr.contains("nothing is deployed"), "{}", run.stderr);
}
