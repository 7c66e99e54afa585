use super::*;
use crate::simulate::{Size, simulate};
use crate::write::Writer;
use proptest::prelude::*;
use rust_decimal::Decimal;

fn written(records: &[Record]) -> String {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes).expect("a header");
    for record in records {
        writer.write(record).expect("a line");
    }
    writer.finish().expect("the rest");
    String::from_utf8(bytes).expect("text")
}

fn by(options: &Options, text: &str) -> Result<Vec<Record>, ReadError> {
    Reader::new(text.as_bytes(), options)?.collect()
}

fn read(text: &str) -> Result<Vec<Record>, ReadError> {
    by(&Options::default(), text)
}

fn refused(text: &str) -> String {
    read(text).expect_err("refused").to_string()
}

fn mapped(columns: &[(Column, &str)]) -> Options {
    Options {
        columns: columns
            .iter()
            .map(|(column, name)| (*column, (*name).to_owned()))
            .collect(),
        ..Options::default()
    }
}

#[test]
fn a_simulation_is_read_back_as_it_was() {
    let size = Size {
        customers: 50,
        terminals: 500,
        days: 20,
    };
    let records: Vec<Record> = simulate(1, &size).collect();
    assert!(records.len() > 1_000);
    assert_eq!(read(&written(&records)).expect("readable"), records);
}

#[test]
fn columns_come_in_any_order_and_some_may_be_left_out() {
    let text = "timestamp,amount,merchant,user_id,transaction_id,fraud\n1500000005,1.5,m,u,t,1\n1500000006,2,,u,v,\n";
    let records = read(text).expect("readable");
    assert_eq!(records[0].timestamp, 1_500_000_005);
    assert_eq!(records[0].location, "Unknown");
    assert_eq!(records[0].amount.to_string(), "1.5");
    assert_eq!(records[0].fraud, Some(true));
    assert_eq!(records[0].labelled_at, Some(1_500_000_005 + 604_800));
    assert_eq!((records[1].fraud, records[1].labelled_at), (None, None));
    assert_eq!(records[1].merchant, "Unknown");
}

#[test]
fn a_mark_that_a_spreadsheet_puts_before_the_text_does_not_matter() {
    let text = "\u{feff}Transaction_ID,user_id,merchant,amount,timestamp\r\nt,u,m,1,1500000000\r\n";
    assert_eq!(read(text).expect("readable").len(), 1);
}

#[test]
fn a_mistake_is_named_with_its_line_and_column() {
    let header = "transaction_id,user_id,merchant,amount,timestamp,fraud,labelled_at,scenario\n\
                  t,u,m,1,1500000000,1,1500000000,0\n";
    for (line, message) in [
        (
            "v,u,m,1e3,1500000000,1,,0",
            "line 3, column amount: \"1e3\" is not a plain decimal number",
        ),
        ("v,u,m,,1500000000,1,,0", "line 3, column amount: \"\" is no amount"),
        (
            "v,u,m,1.234,1500000000,1,,0",
            "line 3, column amount: \"1.234\" has more than 2 digits",
        ),
        (
            "v,u,m,1,2018-04-01,1,,0",
            "line 3, column timestamp: \"2018-04-01\" is a date without a time",
        ),
        (
            "v,u,m,1,+2,1,,0",
            "line 3, column timestamp: \"+2\" is not a number of seconds since 1970",
        ),
        (
            "v,u,m,1,1514764800000,1,,0",
            "line 3, column timestamp: \"1514764800000\" is not a number of seconds",
        ),
        (
            "v,u,m,1,,1,,0",
            "line 3, column timestamp: \"\" is not a number of seconds since 1970",
        ),
        (
            "v,u,m,1,1500000000,perhaps,,0",
            "line 3, column fraud: \"perhaps\" is not 1, 0 or empty",
        ),
        (
            "v,u,m,1,1500000000,1,-3,0",
            "line 3, column labelled_at: \"-3\" is not a number of seconds since 1970",
        ),
        (
            "v,u,m,1,1500000000,1,1,0",
            "line 3, column labelled_at: \"1\" is before the payment itself",
        ),
        (
            "v,u,m,1,1500000000,1,,4",
            "line 3, column scenario: \"4\" is not 0, 1, 2 or 3",
        ),
        ("v,u,m,1,1500000000,1,", "line 3: 7 values, but the header has 8"),
        (
            "v,u,m,12,50,1500000000,1,,0",
            "line 3: 9 values, but the header has 8; a value that has a comma",
        ),
        (
            "v,,m,1,1500000000,1,,0",
            "line 3, column user_id: \"\" is empty, but it tells",
        ),
        (
            ",u,m,1,1500000000,1,,0",
            "line 3, column transaction_id: \"\" must not be empty",
        ),
        (
            "v, u,m,1,1500000000,1,,0",
            "line 3, column user_id: \" u\" must not have blanks around it",
        ),
        (
            "v,4.00000E+15,m,1,1500000000,1,,0",
            "line 3, column user_id: \"4.00000E+15\" is a number that a spreadsheet",
        ),
        (
            "t,u,m,1,1500000000,1,,0",
            "line 3, column transaction_id: \"t\" is there twice; line 2 has it too",
        ),
        (
            "v,u,m,1,1499999999,1,,0",
            "line 3, column timestamp: 2017-07-14 02:39:59 is before line 2",
        ),
        (
            "v,u,\"m,1,1500000000,1,,0",
            "line 3, column merchant: the quote that opens here is never closed",
        ),
    ] {
        let told = refused(&format!("{header}{line}\n"));
        assert!(told.starts_with(message), "{line}: {told}");
        // Where the line is does not depend on how lines end, and lines without anything count.
        let text = format!("{header}\n\n{line}\n").replace('\n', "\r\n");
        let told = refused(&text);
        let later = message.replace("line 3", "line 5");
        assert!(told.starts_with(&later), "{line}: {told}");
    }
}

#[test]
fn a_quote_that_swallows_lines_is_found_even_where_it_is_closed() {
    let text = "transaction_id,user_id,amount,timestamp,merchant\nt,u,1,1500000000,\"Shop\nv,u,2,1500000001,x\"\n";
    let told = refused(text);
    assert!(
        told.starts_with("line 2, column merchant: ") && told.contains("holds line 3"),
        "{told}"
    );
}

#[test]
fn steps_are_not_taken_for_seconds() {
    let header = "transaction_id,user_id,merchant,amount,timestamp\n";
    let told = refused(&format!("{header}t,u,m,1,1\nv,u,m,1,743\n"));
    assert!(
        told.starts_with("line 2, column timestamp: \"1\" would be 1970-01-01 00:00:01")
            && told.contains("spans 12 minutes from 1970-01-01: are these seconds?")
            && told.contains("--time-unit"),
        "{told}"
    );
    let told = refused(&format!("{header}t,u,m,1,0\nv,u,m,1,1500000000\n"));
    assert!(
        told.contains("line 2, column timestamp: \"0\" would be 1970-01-01 00:00:00: is that when"),
        "{told}"
    );
    let options = Options {
        unit: Some(Unit::Hours),
        epoch: Some(1_500_000_000),
        ..Options::default()
    };
    let records = by(&options, &format!("{header}t,u,m,1,1\n")).expect("hours");
    assert_eq!(records[0].timestamp, 1_500_003_600);
}

#[test]
fn other_files_are_read_by_the_names_of_their_columns() {
    let options = Options {
        zone: Some("+02:00".parse().expect("an offset")),
        ..mapped(&[
            (Column::UserId, "cc_num"),
            (Column::Amount, "amt"),
            (Column::Timestamp, "date+time"),
        ])
    };
    let text = "n,cc_num,amt,date,time,note\n1,u,$-99.00,2018-04-01,12:00:05,x\n2,u,+5,2018-04-01,12:00:06,y\n";
    let records = by(&options, text).expect("readable");
    assert_eq!(records[0].amount.to_string(), "-99.00");
    assert_eq!(moment(records[0].timestamp), "2018-04-01 10:00:05");
    assert_eq!(
        (&*records[1].transaction_id, &*records[1].merchant),
        ("line-3", "Unknown")
    );
    let told = by(&options, &text.replace("12:00:06", "25:00:06"))
        .expect_err("no time")
        .to_string();
    assert!(
        told.starts_with("line 3, column date: \"2018-04-01 25:00:06\" is not"),
        "{told}"
    );
}

#[test]
fn a_file_in_no_order_is_taken_when_it_is_to_be_sorted() {
    let text = "transaction_id,user_id,merchant,amount,timestamp\nt,u,m,1,1500000009\nv,u,m,2,1500000001\n";
    let told = refused(text);
    assert!(
        told.contains("line 3, column timestamp") && told.contains("say --sort"),
        "{told}"
    );
    let options = Options {
        sort: true,
        ..Options::default()
    };
    let sorted = Sorted::read(Reader::new(text.as_bytes(), &options).expect("a header")).expect("readable");
    let times: Vec<u64> = sorted.records().map(|record| record.timestamp).collect();
    assert_eq!(times, [1_500_000_001, 1_500_000_009]);
}

#[test]
fn the_next_line_is_read_after_one_that_is_refused() {
    let text = "transaction_id,user_id,merchant,amount,timestamp\nt,u,m,x,1500000000\nv,u,m,1\nw,u,m,1,1500000000\n";
    let results: Vec<_> = Reader::new(text.as_bytes(), &Options::default())
        .expect("a header")
        .collect();
    assert_eq!(
        results.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [false, false, true]
    );
}

fn record() -> impl Strategy<Value = Record> {
    let texts = (
        "[a-z\"',;é]{1,9}",
        "[a-z\"',;é]{1,9}",
        "[a-z\"',; é]{1,9}",
        "[a-z\"',; é]{1,9}",
    );
    let numbers = (
        -1_000_000_000_i64..1_000_000_000,
        0_u32..3,
        time::EARLIEST..=time::LATEST,
        0_u8..4,
    );
    let labels = (any::<Option<bool>>(), any::<Option<u32>>());
    (texts, numbers, labels).prop_map(|(texts, numbers, (fraud, delay))| Record {
        transaction_id: texts.0,
        user_id: texts.1,
        merchant: if texts.2.trim().is_empty() {
            "m".to_owned()
        } else {
            texts.2
        },
        location: if texts.3.trim().is_empty() {
            "l".to_owned()
        } else {
            texts.3
        },
        amount: Decimal::new(numbers.0, numbers.1),
        timestamp: numbers.2,
        fraud,
        labelled_at: delay.map(|delay| numbers.2.saturating_add(u64::from(delay)).min(time::LATEST)),
        scenario: numbers.3,
    })
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_back_as_it_was(mut records in prop::collection::vec(record(), 0..8)) {
        records.sort_by_key(|record| record.timestamp);
        for (number, record) in records.iter_mut().enumerate() {
            record.transaction_id.push_str(&number.to_string());
        }
        let back = read(&written(&records)).expect("readable");
        prop_assert_eq!(&back, &records);
    }

    #[test]
    fn bytes_of_any_kind_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Reader::new(&bytes[..], &Options::default()).map(|reader| reader.take(100).count());
        let mut text = Column::ALL.map(Column::name).join(",").into_bytes();
        text.push(b'\n');
        text.extend(bytes);
        let _ = Reader::new(&text[..], &Options::default()).map(Iterator::count);
    }
}
