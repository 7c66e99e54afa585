//! What is in a file of transactions, what of it cannot be read, and what in it would teach something wrong.

use std::collections::BTreeMap;
use std::io::Read;

use fraud::feedback::DAY_SECONDS;
use fraud::transaction::UNKNOWN;
use serde::Serialize;

use crate::intern::Names;
pub use crate::leak::Warning;
use crate::leak::{Sample, leaks};
use crate::read::{Fault, Options, ReadError, Reader, moment, span};
use crate::record::Record;
use crate::train::{LEAST_FRAUDS, LEAST_HONEST};

/// How many lines of each kind of fault are named.
const LINES: usize = 5;

/// What is in a file.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// How many transactions could be read.
    pub transactions: u64,
    /// How many different users they have.
    pub users: u64,
    /// How many different merchants; `Unknown` is none.
    pub merchants: u64,
    /// The moment of the earliest, in seconds since 1970.
    pub from: Option<u64>,
    /// The moment of the latest.
    pub until: Option<u64>,
    /// Of how many it is known whether they were fraud.
    pub labelled: u64,
    /// How many of those were.
    pub frauds: u64,
    /// How many lines were refused, by what is wrong with them.
    pub refused: Vec<Refused>,
    /// Was it read up to its end? After an open quote nothing is known of the rest.
    pub complete: bool,
    /// What would teach something wrong, or nothing.
    pub warnings: Vec<Warning>,
}

/// Lines that were refused for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Why, in a few words.
    pub reason: &'static str,
    /// In which column, if in one.
    pub column: Option<String>,
    /// How many.
    pub count: u64,
    /// The first few of them.
    pub lines: Vec<u64>,
    /// What is said of the first one.
    pub first: String,
}

impl Report {
    /// How many lines were refused.
    pub fn refusals(&self) -> u64 {
        self.refused.iter().map(|refused| refused.count).sum()
    }
}

/// Reads a file as training would, but goes on past what it refuses, and looks for what gives the labels away.
/// `hold_out_days` are those that training would hold out. `progress` is told now and then how many were read.
///
/// # Errors
///
/// The file cannot be read, or its header makes no sense.
pub fn check(
    source: impl Read,
    options: &Options,
    hold_out_days: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<Report, ReadError> {
    let mut reader = Reader::new(source, options)?;
    let mut survey = Survey::default();
    let mut count = 0_u64;
    while let Some(read) = reader.next() {
        match read {
            Ok(record) => survey.take(&record, &reader),
            Err(ReadError::Fault(fault)) => survey.refuse(fault),
            Err(error) => return Err(error),
        }
        count += 1;
        if count.is_multiple_of(8_192) {
            progress(count);
        }
    }
    Ok(survey.report(&reader, hold_out_days))
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Survey {
    transactions: u64,
    users: Names,
    merchants: Names,
    bounds: Option<(u64, u64)>,
    labelled: u64,
    frauds: u64,
    /// The moments of the first and the last fraud.
    fraud_bounds: Option<(u64, u64)>,
    refused: BTreeMap<(&'static str, Option<String>), Refused>,
    broken: bool,
    /// How many user ids are numbers of 16 digits or more, and how many of those end in 0.
    long_ids: (u64, u64),
    sample: Sample,
}

impl Survey {
    fn take(&mut self, record: &Record, reader: &Reader<'_>) {
        self.transactions += 1;
        if reader.has_users() {
            self.users.number(&record.user_id);
        }
        if record.merchant != UNKNOWN {
            self.merchants.number(&record.merchant);
        }
        let at = record.timestamp;
        widen(&mut self.bounds, at);
        if record.user_id.len() >= 16 && record.user_id.bytes().all(|byte| byte.is_ascii_digit()) {
            self.long_ids.0 += 1;
            self.long_ids.1 += u64::from(record.user_id.ends_with('0'));
        }
        let Some(fraud) = record.fraud else { return };
        self.labelled += 1;
        if fraud {
            self.frauds += 1;
            widen(&mut self.fraud_bounds, at);
        }
        self.sample.take(fraud, at, reader.rows());
    }

    fn refuse(&mut self, fault: Fault) {
        self.broken |= fault.fatal;
        let first = fault.to_string();
        let refused = self
            .refused
            .entry((fault.reason, fault.column.clone()))
            .or_insert(Refused {
                reason: fault.reason,
                column: fault.column,
                count: 0,
                lines: Vec::new(),
                first,
            });
        refused.count += 1;
        if refused.lines.len() < LINES {
            refused.lines.push(fault.line);
        }
    }

    fn report(self, reader: &Reader<'_>, hold_out_days: u64) -> Report {
        let mut warnings = self.warnings(reader, hold_out_days);
        warnings.extend(leaks(&self.sample, reader));
        let mut refused: Vec<Refused> = self.refused.into_values().collect();
        refused.sort_by_key(|refused| refused.lines.first().copied());
        Report {
            transactions: self.transactions,
            users: self.users.len() as u64,
            merchants: self.merchants.len() as u64,
            from: self.bounds.map(|(from, _)| from),
            until: self.bounds.map(|(_, until)| until),
            labelled: self.labelled,
            frauds: self.frauds,
            refused,
            complete: !self.broken,
            warnings,
        }
    }

    fn warnings(&self, reader: &Reader<'_>, hold_out_days: u64) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let mut warn = |kind, text: String| warnings.push(Warning { kind, text });
        let Some((from, until)) = self.bounds else {
            warn(
                "no_transactions",
                "There is no transaction in it that could be read.".to_owned(),
            );
            return warnings;
        };
        let users = self.users.len() as u64;
        if !reader.has_users() {
            warn(
                "no_users",
                "It does not say who paid. Every rule needs a user's earlier payments, or a merchant's labels, so that \
                 nothing can be learned from it."
                    .to_owned(),
            );
        } else if self.transactions >= 100 && users == 1 {
            warn(
                "one_user",
                "All transactions are of one user: is that column the right one?".to_owned(),
            );
        } else if self.transactions >= 100 && users * 10 >= self.transactions * 9 {
            warn(
                "no_histories",
                "Hardly any user pays twice, so that the rules about a user's earlier payments say nothing.".to_owned(),
            );
        }
        if users >= 5 && self.long_ids.0 >= 20 && self.long_ids.0 == self.long_ids.1 {
            warn(
                "rounded_ids",
                "Every user_id of 16 digits or more ends in 0. A spreadsheet keeps 15 digits: are these the whole ids?"
                    .to_owned(),
            );
        }
        if self.merchants.len() == 0 {
            warn(
                "no_merchants",
                "It names no merchant, so that the rules about merchants say nothing.".to_owned(),
            );
        }
        let honest = self.labelled - self.frauds;
        if self.labelled == 0 {
            warn(
                "no_labels",
                "It says of no transaction whether it was fraud.".to_owned(),
            );
            return warnings;
        }
        if self.frauds < LEAST_FRAUDS as u64 || honest < LEAST_HONEST as u64 {
            warn(
                "too_few",
                format!(
                    "{} frauds and {honest} honest transactions are labelled; training needs {LEAST_FRAUDS} and \
                     {LEAST_HONEST}.",
                    self.frauds
                ),
            );
        }
        let held_out = hold_out_days * DAY_SECONDS;
        if until - from < held_out {
            warn(
                "too_short",
                format!(
                    "It spans {}, and training holds out the last {hold_out_days} days: hold out fewer.",
                    span(until - from)
                ),
            );
        }
        let Some((first, last)) = self.fraud_bounds else {
            return warnings;
        };
        if last < (until + 1).saturating_sub(held_out) {
            warn(
                "nothing_to_judge_by",
                format!(
                    "No fraud is in the last {hold_out_days} days, which training holds out: there is nothing to judge a \
                     candidate by. The last fraud is of {}.",
                    moment(last)
                ),
            );
        }
        if self.frauds >= 10 && (last - first) * 2 < until - from {
            warn(
                "frauds_in_a_part",
                format!(
                    "Frauds are only from {} to {}, in {} of {}: were the others looked at, too?",
                    moment(first),
                    moment(last),
                    span(last - first),
                    span(until - from)
                ),
            );
        }
        warnings
    }
}

fn widen(bounds: &mut Option<(u64, u64)>, at: u64) {
    let (first, last) = bounds.unwrap_or((at, at));
    *bounds = Some((first.min(at), last.max(at)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    const HEADER: &str = "transaction_id,user_id,merchant,amount,timestamp,fraud";

    fn checked(text: &str) -> Report {
        check(text.as_bytes(), &Options::default(), 14, &mut |_| {}).expect("a header")
    }

    fn kinds(report: &Report) -> Vec<&'static str> {
        report.warnings.iter().map(|warning| warning.kind).collect()
    }

    /// A file of 2,000 payments in 100 days, each twentieth fraud, with whatever `more` says of each.
    fn file(header: &str, more: impl Fn(u64, bool) -> String) -> String {
        let mut text = format!("{HEADER}{header}\n");
        for number in 0..2_000_u64 {
            let fraud = number % 20 == 7;
            let at = 1_500_000_000 + number * 4_337 + number % 59;
            let (user, merchant, cents) = (number % 83, number % 41, number % 97);
            let row = format!(
                "t-{number},u-{user},m-{merchant},10.{cents:02},{at},{}",
                u8::from(fraud)
            );
            writeln!(text, "{row}{}", more(number, fraud)).expect("in memory");
        }
        text
    }

    #[test]
    fn a_file_is_told_as_it_is() {
        let report = checked(&file("", |_, _| String::new()));
        assert_eq!((report.transactions, report.users, report.merchants), (2_000, 83, 41));
        assert_eq!((report.labelled, report.frauds, report.refusals()), (2_000, 100, 0));
        assert_eq!(report.from, Some(1_500_000_000));
        assert!(report.complete);
        assert_eq!(kinds(&report), Vec::<&str>::new(), "{report:#?}");
    }

    #[test]
    fn what_is_refused_is_counted_by_reason_and_the_rest_is_read() {
        let text = format!(
            "{HEADER}\nt-1,u,m,1,1500000000,1\nt-2,u,m,\"12,50\",1500000001,1\nt-3,u,m,\"7,50\",1500000002,1\n\
             t-4,u,m,1,1500000003000,1\nt-5,u,m,1,1500000004\nt-6,u,m,1,1500000005,1\nt-7,u,\"m,1,1500000006,1\n"
        );
        let report = checked(&text);
        assert_eq!(report.transactions, 2);
        let found: Vec<_> = report
            .refused
            .iter()
            .map(|refused| {
                (
                    refused.reason,
                    refused.column.as_deref(),
                    refused.count,
                    refused.lines.clone(),
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("a decimal comma", Some("amount"), 2, vec![3, 4]),
                ("another unit of time", Some("timestamp"), 1, vec![5]),
                ("not as many values as the header has", None, 1, vec![6]),
                ("an open quote", Some("merchant"), 1, vec![8]),
            ]
        );
        assert!(!report.complete);
        assert!(
            report.refused[0]
                .first
                .starts_with("line 3, column amount: \"12,50\" has a decimal comma")
        );
    }

    #[test]
    fn a_column_that_gives_the_label_away_is_found_also_when_it_is_passed_over() {
        let options = Options {
            columns: vec![(crate::read::Column::Amount, "amount".to_owned())],
            ..Options::default()
        };
        let found = |header: &str, more: &dyn Fn(u64, bool) -> String| {
            let report = check(file(header, more).as_bytes(), &options, 14, &mut |_| {}).expect("a header");
            assert_eq!(report.refusals(), 0, "{report:#?}");
            let leaks = report
                .warnings
                .iter()
                .filter(|warning| warning.kind == "column_tells_the_label");
            leaks.map(|warning| warning.text.clone()).collect::<Vec<_>>().join("\n")
        };
        let word = |fraud: bool| if fraud { "blocked" } else { "settled" };
        assert!(found(",status", &|_, fraud| format!(",{}", word(fraud))).contains("status"));
        let date = |number: u64, fraud: bool| match fraud {
            true => format!(",2018-01-{:02}", number % 27 + 1),
            false => ",".to_owned(),
        };
        assert!(found(",charged_back", &date).contains("charged_back"));
        let risk = |number: u64, fraud: bool| format!(",{}", number % 100 + if fraud { 500 } else { 0 });
        assert!(found(",risk", &risk).contains("risk"));
        let case = |number: u64, fraud: bool| format!(",{}-{number}", if fraud { "CASE" } else { "T" });
        assert!(found(",reference", &case).contains("reference"));
        assert_eq!(found(",noise", &|number, _| format!(",{}", number % 7)), "");
        assert_eq!(found(",constant", &|_, _| ",x".to_owned()), "");
    }

    #[test]
    fn a_clock_that_gives_the_label_away_is_found() {
        let mut text = format!("{HEADER}\n");
        for number in 0..2_000_u64 {
            let fraud = number % 20 == 7;
            let at = 1_500_000_000 + number * 4_320;
            let at = if fraud {
                at - at % 60
            } else {
                at - at % 60 + number % 59 + 1
            };
            writeln!(
                text,
                "t-{number},u-{},m-{},10,{at},{}",
                number % 83,
                number % 41,
                u8::from(fraud)
            )
            .expect("in memory");
        }
        assert_eq!(kinds(&checked(&text)), ["clock_tells_the_label"]);
        let late = file("", |_, _| String::new()).replace(",1\n", ",0\n");
        let late: String = late
            .lines()
            .enumerate()
            .map(|(line, text)| match line {
                1_900.. => format!("{}1\n", &text[..text.len() - 1]),
                _ => format!("{text}\n"),
            })
            .collect();
        let found = kinds(&checked(&late));
        assert!(
            found.contains(&"frauds_in_a_part") && found.contains(&"clock_tells_the_label"),
            "{found:?}"
        );
    }

    #[test]
    fn what_there_is_too_little_of_is_said() {
        let early = file("", |_, _| String::new());
        let early: String = early
            .lines()
            .enumerate()
            .map(|(line, text)| match line {
                1_500.. => format!("{}0\n", &text[..text.len() - 1]),
                _ => format!("{text}\n"),
            })
            .collect();
        assert_eq!(kinds(&checked(&early)), ["nothing_to_judge_by"]);
        assert_eq!(kinds(&checked(&format!("{HEADER}\n"))), ["no_transactions"]);
        let one = format!("{HEADER}\nt,u,,1,1500000000,\n");
        assert_eq!(kinds(&checked(&one)), ["no_merchants", "no_labels"]);
        let short = format!("{HEADER}\nt,u,m,1,1500000000,1\nv,u,m,1,1500000009,0\n");
        assert_eq!(kinds(&checked(&short)), ["too_few", "too_short"]);
        let rounded = early.replace(",u-", ",45000000000000").replace(",m-", "0,m-");
        assert!(kinds(&checked(&rounded)).contains(&"rounded_ids"));
    }
}
