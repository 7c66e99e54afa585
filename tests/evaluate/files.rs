//! Files of transactions as people have them: what is wrong is told with its line, its column and the way out, and what
//! other systems write is read.

use crate::Place;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::{ChildStdin, Stdio};

const HEADER: &str = "transaction_id,user_id,merchant,amount,timestamp,fraud";

/// The path of a small file in the layout of a public data set. Its rows are invented.
fn layout(name: &str) -> String {
    format!("{}/tests/fixtures/layouts/{name}.csv", env!("CARGO_MANIFEST_DIR"))
}

impl Place {
    fn with(file: &str, content: impl AsRef<[u8]>) -> Self {
        let place = Self::new();
        fs::write(place.file(file), content).expect("written");
        place
    }

    /// What training says of a file that it refuses.
    #[track_caller]
    fn refuses(&self, args: &[&str]) -> String {
        let run = self.run(&[&["train", "--from", "rows.csv"], args].concat()).exits(1);
        assert!(!self.file("candidate-rules.json").exists(), "{run:#?}");
        assert!(run.stderr.contains("cannot read rows.csv: line "), "{run:#?}");
        run.stderr
    }

    #[track_caller]
    fn checks(&self, code: i32, args: &[&str]) -> Value {
        self.run(&[&["import", "--check", "--json"], args].concat())
            .exits(code)
            .json()
    }
}

#[test]
fn a_mistake_is_named_with_its_line_and_column_also_where_lines_end_in_cr_lf() {
    for end in ["\n", "\r\n"] {
        for (line, says) in [
            ("t,u,m,x,1500000001,1", "line 5, column amount: \"x\""),
            ("t,u,m,12,50,1500000001,1", "line 5: 8 values, but the header has 7"),
            (
                "t,u,m,\"12,50\",1500000001,1",
                "line 5, column amount: \"12,50\" has a decimal comma; write 12.50",
            ),
            (
                "t,u,m,1.234,1500000001,1",
                "line 5, column amount: \"1.234\" has more than 2 digits",
            ),
            ("t,u,m,\"1,234.50\",1500000001,1", "leave out what separates thousands"),
            ("t,u,m,1,1500000001000,1", "milliseconds: divide by 1000"),
            ("t,u,m,1,1500000001000000,1", "microseconds: divide by 1000000"),
            (
                "t,u,m,1,1400000000,1",
                "line 5, column timestamp: 2014-05-13 16:53:20 is before line 2",
            ),
            ("t,,m,1,1500000001,1", "line 5, column user_id: \"\" is empty"),
            (
                "t,4.00000E+15,m,1,1500000001,1",
                "line 5, column user_id: \"4.00000E+15\" is a number that a spreadsheet",
            ),
            (
                "s,u,m,1,1500000001,1",
                "line 5, column transaction_id: \"s\" is there twice; line 2 has it too",
            ),
            (
                "t,u,\"m,1,1500000001,1",
                "line 5, column merchant: the quote that opens here is never closed",
            ),
        ] {
            let text = format!("{HEADER},note\ns,u,m,1.50,1500000000,1,\"two\n\nlines\"\n{line},x\n");
            let place = Place::with("rows.csv", text.replace('\n', end));
            // The note is passed over.
            let told = place.refuses(&["--columns", "amount=amount"]);
            assert!(told.contains(says), "{line}: {told}");
        }
    }
}

#[test]
fn a_header_that_makes_no_sense_is_told_with_the_way_out() {
    for (text, says) in [
        (
            HEADER.replace(',', ";"),
            "separated by `;`, not by a comma: say --delimiter ';'",
        ),
        (HEADER.replace(',', "\t"), "say --delimiter tab"),
        (HEADER.replace(',', "|"), "say --delimiter '|'"),
        (format!("{HEADER},note"), "the column \"note\" is not known"),
        (format!(",{HEADER}"), "column number 1 has no name"),
        (format!("{HEADER},Amount"), "the column \"amount\" is there twice"),
        (HEADER.replace("user_id,", ""), "there is no column \"user_id\""),
    ] {
        let told = Place::with("rows.csv", format!("{text}\n")).refuses(&[]);
        assert!(told.contains("line 1: ") && told.contains(says), "{text}: {told}");
    }
    for name in ["sparkov", "paysim", "tabformer", "banksim", "ulb", "fraud-detector"] {
        let place = Place::with("rows.csv", fs::read(layout(name)).expect("a fixture"));
        let told = place.refuses(&[]);
        assert!(told.contains(&format!("say --layout {name}")), "{told}");
    }
}

#[test]
fn a_file_that_is_no_utf_8_text_is_told_to_be_what_it_is() {
    let utf_16: Vec<u8> = format!("\u{feff}{HEADER}\r\n")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let latin_1 = [format!("{HEADER}\nt,u,Caf").as_bytes(), b"\xe9,1,1500000000,1\n"].concat();
    for (content, says) in [
        (utf_16, "line 1: the file is UTF-16"),
        (
            latin_1,
            "line 2, column merchant: this is not UTF-8 text; if it is Latin-1",
        ),
        (
            b"\x1f\x8b\x08\x00\x00".to_vec(),
            "line 1: the file is compressed with gzip",
        ),
        (
            b"PK\x03\x04\x14\x00\x06\x00".to_vec(),
            "save the sheet as \"CSV UTF-8\"",
        ),
    ] {
        let told = Place::with("rows.csv", content).refuses(&[]);
        assert!(told.contains(says), "{told}");
    }
    // Rules are read with the mark that editors put before them, and UTF-16 is told.
    let place = Place::with("rules.json", b"\xff\xfe{\0}\0");
    let told = place.run(&["eval", "--rules", "rules.json"]).exits(1).stderr;
    assert!(told.contains("cannot read rules.json: the file is UTF-16"), "{told}");
    let place = Place::with("rules.json", b"\xef\xbb\xbf{\"version\": 1}");
    let told = place.run(&["eval", "--rules", "rules.json"]).exits(1).stderr;
    assert!(
        told.contains("rules.json: these are no rules") && !told.contains("line 1 column 1"),
        "{told}"
    );
}

#[test]
fn steps_are_not_taken_for_seconds() {
    let text = format!("{HEADER}\nt,u,m,1,1,1\nv,u,m,1,743,0\n");
    let told = Place::with("rows.csv", text).refuses(&[]);
    assert!(
        told.contains("spans 12 minutes from 1970-01-01: are these seconds?"),
        "{told}"
    );
    let text = fs::read_to_string(layout("paysim")).expect("a fixture");
    let columns = "--columns=user_id=nameOrig,merchant=nameDest,amount=amount,timestamp=step,fraud=isFraud";
    let told = Place::with("rows.csv", &text).refuses(&[columns]);
    assert!(
        told.contains("spans 12 minutes from 1970-01-01: are these seconds?") && told.contains("--layout paysim"),
        "{told}"
    );
}

#[test]
fn each_layout_is_read_as_its_system_means_it() {
    let place = Place::new();
    let checked = |name: &str, args: &[&str]| {
        let file = layout(name);
        place.checks(0, &[&["--layout", name, &file], args].concat())
    };
    // Rows, users, merchants, frauds, from, until.
    for (name, counts, from, until) in [
        ("sparkov", [3, 2, 3, 1], 1_546_300_818, 1_546_346_835),
        ("paysim", [3, 3, 3, 2], 1_514_768_400, 1_517_439_600),
        ("tabformer", [4, 2, 2, 1], 1_567_209_540, 1_567_492_920),
        ("banksim", [3, 2, 3, 1], 1_514_764_800, 1_530_230_400),
        ("ulb", [3, 0, 0, 1], 1_514_764_800, 1_514_937_592),
        ("fraud-detector", [3, 2, 2, 1], 1_575_118_861, 1_575_119_370),
    ] {
        let report = checked(name, &[]);
        let found = ["transactions", "users", "merchants", "frauds"].map(|key| report[key].clone());
        assert_eq!(found, counts.map(|count| json!(count)), "{name}: {report:#}");
        assert_eq!(
            (&report["from"], &report["until"]),
            (&json!(from), &json!(until)),
            "{name}"
        );
        assert_eq!(report["labelled"], counts[0], "{name}");
    }
    let zone = checked("sparkov", &["--timezone", "Europe/Paris"]);
    assert_eq!(zone["from"], json!(1_546_300_818 - 3_600));
    let steps = checked("paysim", &["--epoch", "2020-01-01"]);
    assert_eq!(steps["from"], json!(1_577_836_800 + 3_600));
    let run = place
        .run(&["train", "--from", &layout("ulb"), "--layout", "ulb"])
        .exits(2);
    assert!(run.stderr.contains("does not say who paid"), "{}", run.stderr);
}

/// A simulation as other systems would export it.
fn exported(place: &Place) -> Vec<Vec<String>> {
    let small = crate::small(&["simulate", "--seed", "7", "--out", "seven.csv"]);
    place.run(&small).exits(0);
    let text = fs::read_to_string(place.file("seven.csv")).expect("the file");
    let lines = text.lines().skip(1);
    lines.map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn what_is_learned_does_not_depend_on_how_a_file_is_written() {
    let place = Place::new();
    let rows = exported(&place);
    place
        .run(&["train", "--from", "seven.csv", "--out", "plain.json"])
        .exits(0);
    let plain = fs::read_to_string(place.file("plain.json")).expect("rules");

    // Other names, another separator, decimal commas, milliseconds, and the later half first. Those of one second keep
    // their order: a fit adds numbers up in it.
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| {
            let [id, user, merchant, place, amount, at, fraud] = [0, 1, 2, 3, 4, 5, 6].map(|index| row[index].as_str());
            let (amount, fraud) = (amount.replace('.', ","), if fraud == "1" { "Yes" } else { "No" });
            format!("{user};{id};{merchant};{place};{amount};{at}250;{fraud};x")
        })
        .collect();
    let later = rows
        .iter()
        .position(|row| row[5] > rows[rows.len() / 2][5])
        .expect("a later one");
    lines.rotate_left(later);
    let header = "Card No;id;shop;location;amt;when;Is Fraud?;note";
    fs::write(
        place.file("other.csv"),
        format!("{header}\r\n{}\r\n", lines.join("\r\n")),
    )
    .expect("written");
    let columns = "--columns=transaction_id=id,user_id=card no,merchant=shop,amount=amt,timestamp=when,fraud=is fraud?";
    let args = ["--delimiter", ";", "--decimal-comma", "--time-unit", "milliseconds"];
    let train = [
        &["train", "--from", "other.csv", columns, "--out", "other.json"],
        &args[..],
    ]
    .concat();
    let unsorted = place.run(&train).exits(1);
    assert!(unsorted.stderr.contains("say --sort"), "{}", unsorted.stderr);
    place.run(&[&train[..], &["--sort"]].concat()).exits(0);
    assert_eq!(fs::read_to_string(place.file("other.json")).expect("rules"), plain);
}

#[test]
fn a_check_tells_what_is_in_a_file_and_what_is_refused() {
    let place = Place::new();
    let rows = exported(&place);
    let frauds = rows.iter().filter(|row| row[6] == "1").count();
    let report = place.checks(0, &["seven.csv"]);
    assert_eq!(
        (&report["transactions"], &report["frauds"]),
        (&json!(rows.len()), &json!(frauds))
    );
    assert_eq!(report["warnings"], json!([]), "{report:#}");
    assert_eq!(
        (&report["complete"], &report["refused_lines"]),
        (&json!(true), &json!(0))
    );
    let shown = place.run(&["import", "--check", "seven.csv"]).exits(0);
    for part in [
        "transactions of ",
        "from 2018-04-01 ",
        " of them fraud (",
        "0 lines refused",
    ] {
        assert!(shown.stdout.contains(part), "{part}:\n{}", shown.stdout);
    }

    // After a spreadsheet.
    let mut text = fs::read_to_string(layout("sparkov")).expect("a fixture");
    text = text
        .replace("4000000000000127", "4.00000E+15")
        .replace("4000000000000243", "4.00000E+15");
    fs::write(place.file("sheet.csv"), text).expect("written");
    let report = place.checks(1, &["--layout", "sparkov", "sheet.csv"]);
    let refused = &report["refused"][0];
    assert_eq!(
        (
            &refused["reason"],
            &refused["column"],
            &refused["count"],
            &refused["lines"]
        ),
        (
            &json!("rounded by a spreadsheet"),
            &json!("cc_num"),
            &json!(3),
            &json!([2, 3, 4])
        ),
        "{report:#}"
    );
    let shown = place
        .run(&["import", "--check", "--layout", "sparkov", "sheet.csv"])
        .exits(1);
    assert!(
        shown
            .stdout
            .contains("3 times rounded by a spreadsheet, column cc_num: on 2, 3, 4"),
        "{}",
        shown.stdout
    );
    assert!(
        shown.stderr.contains("3 of the lines of sheet.csv are refused"),
        "{}",
        shown.stderr
    );

    let only = place.run(&["import", "seven.csv"]).exits(2);
    assert!(only.stderr.contains("say `import --check FILE`"), "{}", only.stderr);
    let none = place.run(&["import", "--check", "none.csv"]).exits(1);
    assert!(none.stderr.contains("cannot read none.csv"), "{}", none.stderr);
}

#[test]
fn a_file_that_gives_its_labels_away_is_warned_of() {
    let place = Place::new();
    let rows = exported(&place);
    let mut text = "transaction_id,user_id,merchant,amount,timestamp,fraud,case\n".to_owned();
    for row in &rows {
        let at: u64 = row[5].parse().expect("seconds");
        let fraud = &row[6];
        let (at, case) = if fraud == "1" { (at - at % 60, "open") } else { (at, "") };
        writeln!(text, "{},{},{},{},{at},{fraud},{case}", row[0], row[1], row[2], row[4]).expect("in memory");
    }
    fs::write(place.file("leak.csv"), text).expect("written");
    let report = place.checks(0, &["leak.csv", "--sort", "--columns", "amount=amount"]);
    let kinds: Vec<&Value> = report["warnings"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["kind"])
        .collect();
    assert_eq!(kinds, ["column_tells_the_label", "clock_tells_the_label"], "{report:#}");
    assert!(
        report["warnings"][0]["text"]
            .as_str()
            .is_some_and(|text| text.contains("column case alone"))
    );
}

#[test]
fn nothing_to_judge_by_is_a_warning() {
    let place = Place::new();
    let rows = exported(&place);
    let last: u64 = rows.last().expect("a row")[5].parse().expect("seconds");
    let mut text = format!("{HEADER}\n");
    for row in &rows {
        let at: u64 = row[5].parse().expect("seconds");
        let fraud = if at > last - 20 * 86_400 { "0" } else { &row[6] };
        writeln!(text, "{},{},{},{},{at},{fraud}", row[0], row[1], row[2], row[4]).expect("in memory");
    }
    fs::write(place.file("rows.csv"), text).expect("written");
    let run = place.run(&["train", "--from", "rows.csv", "--json"]).exits(0);
    assert!(run.stderr.contains("warning: in the last 14 days"), "{}", run.stderr);
    assert_eq!(run.json()["held_out"], Value::Null);
    let report = place.checks(0, &["rows.csv"]);
    assert_eq!(report["warnings"][0]["kind"], "nothing_to_judge_by", "{report:#}");
}

#[test]
fn how_a_file_is_to_be_read_is_refused_where_no_file_is_read_and_where_it_makes_no_sense() {
    let place = Place::new();
    for flags in [
        &["--layout", "sparkov"][..],
        &["--sort"],
        &["--delimiter", ";"],
        &["--epoch", "2018-01-01"],
    ] {
        let run = place.run(&[&["train", "--from", "simulate"], flags].concat()).exits(2);
        assert!(run.stderr.contains("use --from FILE"), "{}", run.stderr);
    }
    for (flags, says) in [
        (&["--columns", "who=x"][..], "\"who\" is no column of ours"),
        (&["--columns", "amount=a,amount=b"], "--columns: amount is there twice"),
        (
            &["--layout", "kaggle"],
            "sparkov, paysim, tabformer, banksim, ulb, fraud-detector",
        ),
        (&["--delimiter", "ab"], "a separator is one character"),
        (&["--timezone", "Mars/Phobos"], "is no time zone"),
        (
            &["--epoch", "yesterday"],
            "is not a number of seconds since 1970, or a time",
        ),
    ] {
        let run = place.run(&[&["train", "--from", "rows.csv"], flags].concat()).exits(2);
        assert!(run.stderr.contains(says), "{}", run.stderr);
    }
}

/// The most memory that a process had so far, in bytes.
fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a running process");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("its peak");
    let kilobytes: u64 = line.trim_end_matches("kB").trim().parse().expect("a number");
    kilobytes * 1_024
}

/// Ten million transactions took 116 bytes each. So few as here take more: tables have just doubled, and what they left
/// behind is not used again yet.
const BYTES_EACH: u64 = 250;

#[test]
fn memory_grows_by_few_bytes_a_transaction() {
    const FIRST: u64 = 20_000;
    const MORE: u64 = 400_000;
    let write = |to: &mut ChildStdin, numbers: std::ops::Range<u64>| {
        let mut lines = String::new();
        for number in numbers {
            let (user, merchant, fraud) = (number * 7_919 % 10_007, number % 5_003, u8::from(number % 97 == 0));
            let at = 1_500_000_000 + number * 12;
            writeln!(
                lines,
                "transaction-{number},user-{user},merchant-{merchant},10.50,{at},{fraud}"
            )
            .expect("in memory");
        }
        to.write_all(lines.as_bytes()).expect("it reads");
    };
    for args in [&["import", "--check", "-"][..], &["train", "--from", "/dev/stdin"]] {
        let place = Place::new();
        let mut command = place.command(args);
        let command = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("fraudctl starts");
        let mut input = child.stdin.take().expect("its input");
        writeln!(input, "{HEADER}").expect("it reads");
        // A pipe holds no more than some thousand lines that are not read yet.
        write(&mut input, 0..FIRST);
        let before = peak(child.id());
        write(&mut input, FIRST..FIRST + MORE);
        let each = (peak(child.id()) - before) / MORE;
        drop(input);
        child.wait().expect("it ends");
        assert!(each > 10 && each < BYTES_EACH, "{args:?}: {each} bytes each");
    }
}
