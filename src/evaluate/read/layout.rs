//! Which column of a file is which of ours: by our own names, as told, or by the layouts of public data sets.

use std::fmt;
use std::str::FromStr;

use super::fault::{Fault, named, shown};
use super::rows::separator;
use super::time::Unit;

/// What a column of a file may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    /// Its id.
    TransactionId,
    /// Who paid.
    UserId,
    /// Who was paid.
    Merchant,
    /// Where.
    Location,
    /// How much.
    Amount,
    /// When.
    Timestamp,
    /// Was it fraud?
    Fraud,
    /// When that became known.
    LabelledAt,
    /// The simulator's scenario.
    Scenario,
}

impl Column {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 9] = [
        Self::TransactionId,
        Self::UserId,
        Self::Merchant,
        Self::Location,
        Self::Amount,
        Self::Timestamp,
        Self::Fraud,
        Self::LabelledAt,
        Self::Scenario,
    ];

    /// The name that it has in a file of our own.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TransactionId => "transaction_id",
            Self::UserId => "user_id",
            Self::Merchant => "merchant",
            Self::Location => "location",
            Self::Amount => "amount",
            Self::Timestamp => "timestamp",
            Self::Fraud => "fraud",
            Self::LabelledAt => "labelled_at",
            Self::Scenario => "scenario",
        }
    }

    /// Is it needed in a file of our own?
    const fn is_required(self) -> bool {
        !matches!(self, Self::Location | Self::Fraud | Self::LabelledAt | Self::Scenario)
    }

    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

impl FromStr for Column {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|column| column.name() == text);
        found.ok_or_else(|| format!("{text:?} is no column of ours; they are {}", ours()))
    }
}

/// The layout of a public data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Sparkov: simulated card payments, `fraudTrain.csv`.
    Sparkov,
    /// PaySim: simulated mobile money.
    Paysim,
    /// IBM's TabFormer: `card_transaction.v1.csv`.
    Tabformer,
    /// BankSim: simulated payments of a bank.
    Banksim,
    /// The ULB's `creditcard.csv`, which has neither users nor merchants.
    Ulb,
    /// Amazon Fraud Detector's event data sets.
    FraudDetector,
}

/// Our columns, and by which names a layout has each; the first that is there counts.
type Names = &'static [(Column, &'static [&'static str])];

impl Layout {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Sparkov,
        Self::Paysim,
        Self::Tabformer,
        Self::Banksim,
        Self::Ulb,
        Self::FraudDetector,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sparkov => "sparkov",
            Self::Paysim => "paysim",
            Self::Tabformer => "tabformer",
            Self::Banksim => "banksim",
            Self::Ulb => "ulb",
            Self::FraudDetector => "fraud-detector",
        }
    }

    const fn columns(self) -> Names {
        match self {
            // `unix_time` is years off the date. The place is where the card's owner lives, not where he paid.
            Self::Sparkov => &[
                (Column::TransactionId, &["trans_num"]),
                (Column::UserId, &["cc_num"]),
                (Column::Merchant, &["merchant"]),
                (Column::Amount, &["amt"]),
                (Column::Timestamp, &["trans_date_trans_time"]),
                (Column::Fraud, &["is_fraud"]),
            ],
            Self::Paysim => &[
                (Column::UserId, &["nameorig"]),
                (Column::Merchant, &["namedest"]),
                (Column::Amount, &["amount"]),
                (Column::Timestamp, &["step"]),
                (Column::Fraud, &["isfraud"]),
            ],
            Self::Tabformer => &[
                (Column::UserId, &["user"]),
                (Column::Merchant, &["merchant_name"]),
                (Column::Location, &["merchant_city"]),
                (Column::Amount, &["amount"]),
                (Column::Timestamp, &["year+month+day+time"]),
                (Column::Fraud, &["is_fraud?"]),
            ],
            Self::Banksim => &[
                (Column::UserId, &["customer"]),
                (Column::Merchant, &["merchant"]),
                (Column::Amount, &["amount"]),
                (Column::Timestamp, &["step"]),
                (Column::Fraud, &["fraud"]),
            ],
            Self::Ulb => &[
                (Column::Amount, &["amount"]),
                (Column::Timestamp, &["time"]),
                (Column::Fraud, &["class"]),
            ],
            Self::FraudDetector => &[
                (Column::TransactionId, &["event_id"]),
                (Column::UserId, &["entity_id", "customer_id", "user_id"]),
                (Column::Merchant, &["merchant", "merchant_name", "merchant_id"]),
                (
                    Column::Amount,
                    &[
                        "amount",
                        "transaction_amt",
                        "transaction_amount",
                        "order_amt",
                        "order_price",
                        "price",
                    ],
                ),
                (Column::Timestamp, &["event_timestamp"]),
                (Column::Fraud, &["event_label"]),
                (Column::LabelledAt, &["label_timestamp"]),
            ],
        }
    }

    /// Columns that no other file has together.
    const fn marks(self) -> &'static [&'static str] {
        match self {
            Self::Sparkov => &["trans_date_trans_time", "cc_num", "amt"],
            Self::Paysim => &["step", "amount", "nameorig", "namedest"],
            Self::Tabformer => &["user", "card", "year", "month", "day", "time", "amount"],
            Self::Banksim => &["step", "customer", "merchant", "zipmerchant", "amount"],
            Self::Ulb => &["time", "v1", "v28", "amount", "class"],
            Self::FraudDetector => &["event_timestamp", "event_label"],
        }
    }

    /// What a number counts in its column of times.
    pub const fn unit(self) -> Unit {
        match self {
            Self::Paysim => Unit::Hours,
            Self::Banksim => Unit::Days,
            _ => Unit::Seconds,
        }
    }

    /// Does it count from a beginning that it does not tell?
    pub const fn counts_from_its_beginning(self) -> bool {
        matches!(self, Self::Paysim | Self::Banksim | Self::Ulb)
    }

    /// What its values stand in where a comma could be in them.
    pub const fn quote(self) -> u8 {
        match self {
            Self::Banksim => b'\'',
            _ => b'"',
        }
    }

    /// Is it written user by user, and not in the order of time?
    pub const fn is_unsorted(self) -> bool {
        matches!(self, Self::Tabformer)
    }

    /// Does it tell who paid? Without, no rule has anything to go by.
    pub const fn has_users(self) -> bool {
        !matches!(self, Self::Ulb)
    }

    /// Comes the month first in its dates with slashes?
    pub const fn is_month_first(self) -> bool {
        matches!(self, Self::FraudDetector)
    }

    /// The layout that a file's first line looks like.
    pub fn of<T: AsRef<str>>(names: &[T]) -> Option<Self> {
        let names: Vec<String> = names.iter().map(|name| normal(name.as_ref())).collect();
        let has = |mark: &&str| names.iter().any(|name| name == mark);
        Self::ALL.into_iter().find(|layout| layout.marks().iter().all(has))
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Where in a line each of our columns is; a moment may be made of several of the file's.
pub(super) type Places = [Vec<usize>; Column::ALL.len()];

/// Which of a file's columns is which of ours.
///
/// Without a layout and without columns that are named, a file has our own names and no others.
///
/// # Errors
///
/// One is missing, is there twice, or is not known; with what to do about it.
pub(super) fn places(
    names: &[String],
    delimiter: u8,
    layout: Option<Layout>,
    told: &[(Column, String)],
) -> Result<Places, Fault> {
    resolve(names, layout, told).map_err(|what| {
        if let Some(other) = other_separator(names, delimiter, |names| resolve(names, layout, told).is_ok()) {
            return told_separator(delimiter, other);
        }
        let first = names.first().map(String::as_str).unwrap_or_default();
        if first.to_ascii_lowercase().starts_with("sep=") {
            let what = "this line is a spreadsheet's note about the separator; remove it, and name the separator with \
                        --delimiter";
            return Fault::line(1, "no header", what).fatal();
        }
        let looks = Layout::of(names).filter(|looks| layout != Some(*looks));
        let hint = match looks {
            Some(looks) => format!("; this looks like the layout {looks}: say --layout {looks}"),
            None => String::new(),
        };
        Fault::line(1, "the header", format!("{what}{hint}")).fatal()
    })
}

/// What is told of a file whose separator is another one.
pub fn told_separator(delimiter: u8, other: u8) -> Fault {
    let flag = match other {
        b'\t' => "tab".to_owned(),
        other => format!("'{}'", char::from(other)),
    };
    let what = format!(
        "the values are separated by {}, not by {}: say --delimiter {flag}",
        separator(other),
        separator(delimiter)
    );
    Fault::line(1, "another separator", what).fatal()
}

/// The separator that the first line would make sense with, where with `delimiter` it does not.
pub fn other_separator(names: &[String], delimiter: u8, makes_sense: impl Fn(&[String]) -> bool) -> Option<u8> {
    let line = names.join(&char::from(delimiter).to_string());
    let split = |by: u8| line.split(char::from(by)).map(str::to_owned).collect::<Vec<_>>();
    let others = || {
        [b',', b';', b'\t', b'|']
            .into_iter()
            .filter(|other| *other != delimiter)
    };
    others()
        .find(|other| makes_sense(&split(*other)))
        .or_else(|| others().find(|other| names.len() == 1 && split(*other).len() > 2))
}

fn resolve(names: &[String], layout: Option<Layout>, told: &[(Column, String)]) -> Result<Places, String> {
    let normal: Vec<String> = names.iter().map(|name| self::normal(name)).collect();
    let mapped = layout.is_some() || !told.is_empty();
    if !mapped {
        for (index, name) in normal.iter().enumerate() {
            if name.is_empty() {
                return Err(format!("column number {} has no name; {PASS_OVER}", index + 1));
            }
            if Column::ALL.iter().all(|column| column.name() != name) {
                let name = shown(names[index].trim());
                return Err(format!(
                    "the column {name} is not known; the columns are {}; {PASS_OVER}",
                    ours()
                ));
            }
        }
    }
    let mut places = Places::default();
    for column in Column::ALL {
        let by_user = told.iter().find(|(of, _)| *of == column).map(|(_, name)| name.as_str());
        let found = match by_user {
            Some(name) => Some(
                composed(names, &normal, column, name)?
                    .ok_or_else(|| format!("there is no column {}; the file has {}", shown(name), listed(names)))?,
            ),
            None => {
                let of_layout = layout.map(Layout::columns).unwrap_or_default().iter();
                let candidates = of_layout
                    .filter(|(of, _)| *of == column)
                    .flat_map(|(_, names)| names.iter().copied());
                let mut found = None;
                for name in candidates.chain([column.name()]) {
                    if found.is_none() {
                        found = composed(names, &normal, column, name)?;
                    }
                }
                found
            }
        };
        places[column.index()] = found.unwrap_or_default();
    }
    // What a file of another system need not have: numbers of lines stand for ids.
    let needed = |column: &Column| match column {
        Column::TransactionId | Column::Merchant => !mapped,
        Column::UserId => layout.is_none_or(Layout::has_users),
        column => column.is_required(),
    };
    let missing = Column::ALL.into_iter().filter(needed);
    let missing = missing.into_iter().find(|column| places[column.index()].is_empty());
    match missing {
        None => Ok(places),
        Some(column) if mapped => Err(format!(
            "no column is {name}; name one with --columns {name}=NAME; the file has {}",
            listed(names),
            name = column.name()
        )),
        Some(column) => Err(format!(
            "there is no column {:?}; the columns are {}",
            column.name(),
            ours()
        )),
    }
}

const PASS_OVER: &str = "--columns says which column is which, and passes over the others";

/// The places of a name, or of several that `+` joins.
fn composed(names: &[String], normal: &[String], column: Column, name: &str) -> Result<Option<Vec<usize>>, String> {
    let whole = place(names, normal, name)?;
    if whole.is_some() || !name.contains('+') || column != Column::Timestamp {
        return Ok(whole.map(|index| vec![index]));
    }
    let parts: Result<Vec<Option<usize>>, String> = name.split('+').map(|part| place(names, normal, part)).collect();
    Ok(parts?.into_iter().collect())
}

/// Where a column of this name is: by the very name, else without regard to case.
fn place(names: &[String], normal: &[String], name: &str) -> Result<Option<usize>, String> {
    let only = |found: Vec<usize>| match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        _ => Err(format!("the column {} is there twice", shown(name.trim()))),
    };
    // A name that is written with capitals means the very one; our own and the layouts' are written without.
    if name != self::normal(name) {
        let exact = (0..names.len())
            .filter(|index| names[*index].trim() == name.trim())
            .collect();
        if let Some(found) = only(exact)? {
            return Ok(Some(found));
        }
    }
    let wanted = self::normal(name);
    only((0..normal.len()).filter(|index| normal[*index] == wanted).collect())
}

/// A column's name without what people do to it: blanks around, capitals, blanks and dashes within.
pub fn normal(name: &str) -> String {
    let name = name.trim().trim_start_matches('\u{feff}').trim();
    name.to_lowercase().replace([' ', '-'], "_")
}

fn ours() -> String {
    Column::ALL.map(Column::name).join(", ")
}

fn listed(names: &[String]) -> String {
    const MOST: usize = 30;
    let mut shown: Vec<String> = names.iter().take(MOST).map(|name| named(name.trim())).collect();
    if names.len() > MOST {
        shown.push(format!("and {} more", names.len() - MOST));
    }
    if shown.is_empty() {
        return "nothing in it".to_owned();
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(line: &str) -> Vec<String> {
        line.split(',').map(str::to_owned).collect()
    }

    fn refused(line: &str, layout: Option<Layout>, told: &[(Column, &str)]) -> String {
        let told: Vec<(Column, String)> = told
            .iter()
            .map(|(column, name)| (*column, (*name).to_owned()))
            .collect();
        places(&header(line), b',', layout, &told)
            .expect_err("refused")
            .to_string()
    }

    const OURS: &str = "transaction_id,user_id,merchant,amount,timestamp";

    #[test]
    fn our_own_names_are_known_without_regard_to_case_and_blanks() {
        let places = places(
            &header(" Transaction ID,USER_ID,Merchant,amount ,time-stamp"),
            b',',
            None,
            &[],
        );
        assert!(places.is_err());
        let found = super::places(
            &header(" Transaction ID,USER_ID,Merchant,amount ,TimeStamp"),
            b',',
            None,
            &[],
        );
        assert_eq!(found.expect("known")[Column::Timestamp.index()], [4]);
    }

    #[test]
    fn a_header_that_makes_no_sense_is_told_with_the_way_out() {
        for (line, says) in [
            (
                "transaction_id,user_id,merchant,amount",
                "there is no column \"timestamp\"; the columns are",
            ),
            (
                &*format!("{OURS},labeled_at"),
                "the column \"labeled_at\" is not known; the columns are",
            ),
            (&*format!("{OURS},AMOUNT"), "the column \"amount\" is there twice"),
            (&*format!(",{OURS}"), "column number 1 has no name; --columns"),
            (&*format!("{OURS},"), "column number 6 has no name"),
            (
                &*OURS.replace(',', ";"),
                "separated by `;`, not by a comma: say --delimiter ';'",
            ),
            (
                &*OURS.replace(',', "\t"),
                "separated by a tab, not by a comma: say --delimiter tab",
            ),
            (&*OURS.replace(',', "|"), "say --delimiter '|'"),
            ("sep=;", "spreadsheet's note"),
            (
                "step,type,amount,nameOrig,nameDest,isFraud",
                "this looks like the layout paysim: say --layout paysim",
            ),
            (
                ",trans_date_trans_time,cc_num,merchant,amt,trans_num,is_fraud",
                "say --layout sparkov",
            ),
        ] {
            let told = refused(line, None, &[]);
            assert!(told.starts_with("line 1: ") && told.contains(says), "{line}: {told}");
        }
    }

    #[test]
    fn columns_that_are_named_are_found_and_others_passed_over() {
        let told = [
            (Column::UserId, "cc_num"),
            (Column::Amount, "amt"),
            (Column::Timestamp, "date+time"),
        ];
        let told = told.map(|(column, name)| (column, name.to_owned()));
        let found = places(&header(",cc_num,date,time,amt,x,x,Merchant"), b',', None, &told).expect("known");
        assert_eq!(found[Column::Timestamp.index()], [2, 3]);
        assert_eq!(found[Column::Merchant.index()], [7]);
        assert!(found[Column::TransactionId.index()].is_empty());
        let told = refused(
            "a,amt,amt,timestamp",
            None,
            &[(Column::Amount, "amt"), (Column::UserId, "a")],
        );
        assert!(told.contains("\"amt\" is there twice"), "{told}");
        let told = refused("a,b", None, &[(Column::Amount, "amt")]);
        assert!(told.contains("there is no column \"amt\"; the file has a, b"), "{told}");
        let told = refused("a,amt,timestamp", None, &[(Column::Amount, "amt")]);
        assert!(
            told.contains("no column is user_id; name one with --columns user_id=NAME"),
            "{told}"
        );
        let exact = [(Column::UserId, "User".to_owned())];
        let found = places(&header("user,User,amount,timestamp"), b',', None, &exact).expect("known");
        assert_eq!(found[Column::UserId.index()], [1]);
    }

    #[test]
    fn a_layout_is_found_by_its_columns_and_knows_them() {
        for (layout, line) in [
            (
                Layout::Sparkov,
                ",trans_date_trans_time,cc_num,merchant,category,amt,trans_num,unix_time,is_fraud",
            ),
            (
                Layout::Paysim,
                "step,type,amount,nameOrig,oldbalanceOrg,nameDest,isFraud,isFlaggedFraud",
            ),
            (
                Layout::Tabformer,
                "User,Card,Year,Month,Day,Time,Amount,Use Chip,Merchant Name,Merchant City,Is Fraud?",
            ),
            (
                Layout::Banksim,
                "step,customer,age,gender,zipcodeOri,merchant,zipMerchant,category,amount,fraud",
            ),
            (Layout::Ulb, "Time,V1,V28,Amount,Class"),
            (Layout::FraudDetector, "EVENT_TIMESTAMP,EVENT_LABEL,ENTITY_ID,order_amt"),
        ] {
            let names = header(line);
            assert_eq!(Layout::of(&names), Some(layout));
            let found = places(&names, b',', Some(layout), &[]).unwrap_or_else(|fault| panic!("{layout}: {fault}"));
            for column in [Column::Amount, Column::Timestamp, Column::Fraud] {
                assert!(!found[column.index()].is_empty(), "{layout}: {}", column.name());
            }
            assert_eq!(
                found[Column::UserId.index()].is_empty(),
                !layout.has_users(),
                "{layout}"
            );
        }
        assert_eq!(Layout::of(&header(OURS)), None);
    }
}
