//! Moments as files have them.

use std::str::FromStr;

use jiff::civil::{DateTime, date};
use jiff::tz::{AmbiguousOffset, TimeZone};

use super::amount::is_rounded;
use super::fault::Problem;

/// The year 2200. What is later counts in milliseconds, most likely.
pub const LATEST: u64 = 7_258_118_400;

/// 1980-01-01. No card was paid with before in any file: what is earlier counts steps, most likely.
pub const EARLIEST: u64 = 315_532_800;

const DAY: i64 = 86_400;

const TAKEN: &str =
    "a number of seconds since 1970, or a time such as 2018-04-01T12:30:00Z or 2018-04-01 12:30:00+02:00";

/// What a number stands for in a column of times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unit {
    /// 10^-9 seconds.
    Nanoseconds,
    /// 10^-6 seconds.
    Microseconds,
    /// 10^-3 seconds.
    Milliseconds,
    /// Seconds.
    #[default]
    Seconds,
    /// 60 seconds.
    Minutes,
    /// 3600 seconds.
    Hours,
    /// 86400 seconds.
    Days,
}

impl Unit {
    /// All of them, the shortest first.
    pub const ALL: [Self; 7] = [
        Self::Nanoseconds,
        Self::Microseconds,
        Self::Milliseconds,
        Self::Seconds,
        Self::Minutes,
        Self::Hours,
        Self::Days,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nanoseconds => "nanoseconds",
            Self::Microseconds => "microseconds",
            Self::Milliseconds => "milliseconds",
            Self::Seconds => "seconds",
            Self::Minutes => "minutes",
            Self::Hours => "hours",
            Self::Days => "days",
        }
    }

    /// Seconds are so many of it times this, divided by that.
    const fn factors(self) -> (u64, u64) {
        match self {
            Self::Nanoseconds => (1, 1_000_000_000),
            Self::Microseconds => (1, 1_000_000),
            Self::Milliseconds => (1, 1_000),
            Self::Seconds => (1, 1),
            Self::Minutes => (60, 1),
            Self::Hours => (3_600, 1),
            Self::Days => (86_400, 1),
        }
    }
}

/// Where the clocks that wrote a file stood.
#[derive(Debug, Clone)]
pub enum Zone {
    /// So many seconds before UTC's.
    Offset(i64),
    /// By the rules of a place.
    Place(TimeZone),
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(seconds) = offset(text) {
            return Ok(Self::Offset(seconds));
        }
        TimeZone::get(text).map(Self::Place).map_err(|_| {
            format!("{text:?} is no time zone; it is UTC, an offset such as +02:00, or a name such as Europe/Paris")
        })
    }
}

/// How a file writes its times.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// What a number counts.
    pub unit: Unit,
    /// From when on a number counts, in seconds since 1970.
    pub epoch: u64,
    /// The zone of times that name none.
    pub zone: Option<Zone>,
    /// Is it the month that comes first in 4/1/2018? Else such a date is refused.
    pub month_first: bool,
}

impl Clock {
    /// Reads a moment, as seconds since 1970. Fractions of a second are dropped.
    ///
    /// An hour that the zone's clocks repeat is read as its second time where its first would be before `previous`, the
    /// moment of the line before.
    ///
    /// # Errors
    ///
    /// It is no moment, or one of which it is not certain when it was. No unit and no zone is guessed.
    pub fn read(&self, text: &str, previous: u64) -> Result<u64, Problem> {
        let text = text.trim_matches(' ');
        if text.starts_with(|c: char| c.is_ascii_digit()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.'))
        {
            return self.counted(text);
        }
        if is_rounded(text) {
            let what = format!("looks like a number that a spreadsheet has rounded; write all its digits, as {TAKEN}");
            return Err(Problem::new("rounded by a spreadsheet", what));
        }
        let Some(civil) = Civil::parse(text, self.month_first)? else {
            return Err(Problem::new("no time", format!("is not {TAKEN}")));
        };
        let moment = match (civil.offset, &self.zone) {
            (Some(offset), _) => civil.seconds - offset,
            (None, Some(Zone::Offset(offset))) => civil.seconds - offset,
            (None, Some(Zone::Place(zone))) => placed(&civil, zone, previous)?,
            (None, None) => {
                let what = "has no offset from UTC; say with --timezone where its clock stood: UTC, an offset such as \
                            +02:00, or a name such as Europe/Paris";
                return Err(Problem::new("a time without a zone", what));
            }
        };
        u64::try_from(moment)
            .ok()
            .filter(|moment| *moment <= LATEST)
            .ok_or_else(|| Problem::new("no time", "is not between the years 1970 and 2200"))
    }

    /// Reads a number.
    fn counted(&self, text: &str) -> Result<u64, Problem> {
        let wrong = || Problem::new("no time", format!("is not {TAKEN}"));
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        if fraction.is_empty() || fraction.contains('.') {
            return Err(wrong());
        }
        let count: u64 = whole.parse().map_err(|_| wrong())?;
        let (times, per) = self.unit.factors();
        let moment = count.saturating_mul(times) / per;
        let moment = moment.saturating_add(self.epoch);
        if moment <= LATEST {
            return Ok(moment);
        }
        let plausible = |unit: &&Unit| (EARLIEST..=LATEST).contains(&(count / unit.factors().1));
        let counted = Unit::ALL[..3].iter().rev().find(plausible);
        Err(match counted {
            Some(unit) if self.unit == Unit::Seconds => {
                let what = format!(
                    "is not a number of seconds since 1970, but of {name}: divide by {per}, or say --time-unit {name}",
                    name = unit.name(),
                    per = unit.factors().1
                );
                Problem::new("another unit of time", what)
            }
            _ => Problem::new(
                "no time",
                format!(
                    "is after the year 2200 as a number of {}; say with --time-unit what it counts",
                    self.unit.name()
                ),
            ),
        })
    }
}

/// A time of day on a date, by some clock.
struct Civil {
    /// As if it were UTC.
    seconds: i64,
    time: DateTime,
    /// How many seconds that clock is before UTC's, where it says so.
    offset: Option<i64>,
}

/// When a clock at a place showed this.
fn placed(civil: &Civil, zone: &TimeZone, previous: u64) -> Result<i64, Problem> {
    let by = |offset: jiff::tz::Offset| civil.seconds - i64::from(offset.seconds());
    match zone.to_ambiguous_timestamp(civil.time).offset() {
        AmbiguousOffset::Unambiguous { offset } => Ok(by(offset)),
        AmbiguousOffset::Fold { before, after } => {
            let first = by(before);
            let past = i64::try_from(previous).is_ok_and(|previous| first < previous);
            Ok(if past { by(after) } else { first })
        }
        AmbiguousOffset::Gap { .. } => Err(Problem::new(
            "no time",
            "was shown by no clock of that time zone: clocks were put forward over it; is the zone right?",
        )),
    }
}

impl Civil {
    /// Takes a date and a time of day apart. Nothing if they are none.
    fn parse(text: &str, month_first: bool) -> Result<Option<Self>, Problem> {
        let mut rest = Rest(text);
        let Some(days) = rest.date(month_first)? else {
            return Ok(None);
        };
        if rest.0.is_empty() {
            let what = "is a date without a time of day, which the rules need; give it as 2018-04-01T12:30:00Z";
            return Err(Problem::new("a date without a time", what));
        }
        Ok(rest.time_on(days))
    }
}

/// What is left to be read.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    /// A date: 2018-04-01, 2018/4/1, 2018 4 1, or 4/1/2018 where the month comes first.
    fn date(&mut self, month_first: bool) -> Result<Option<jiff::civil::Date>, Problem> {
        let begin = self.0;
        let parts = (|| {
            let first = self.number(4)?;
            let mark = ['-', '/', ' ', '.'].into_iter().find(|mark| self.skip(*mark))?;
            let second = self.number(2)?;
            self.skip(mark).then_some(())?;
            let third = self.number(4)?;
            Some((first, second, third))
        })();
        let Some((first, second, third)) = parts else {
            return Ok(None);
        };
        let digits = begin.bytes().take_while(u8::is_ascii_digit).count();
        let (year, month, day) = match (digits == 4, month_first) {
            (true, _) => (first, second, third),
            (false, true) => (third, first, second),
            (false, false) => {
                let what = "does not say which of its numbers is the month; write it as 2018-04-01 12:30:00";
                return Err(Problem::new("a date that can be read in two ways", what));
            }
        };
        if year < 1_000 {
            return Err(Problem::new("no time", "has no year of four digits"));
        }
        let date = i16::try_from(year)
            .ok()
            .and_then(|year| jiff::civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok());
        match date {
            Some(date) => Ok(Some(date)),
            None => Err(Problem::new("no time", "is no day of the calendar")),
        }
    }

    /// A time of day and, if there is one, an offset, up to the end.
    fn time_on(mut self, date: jiff::civil::Date) -> Option<Civil> {
        (self.skip('T') || self.skip('t') || self.skip(' ')).then_some(())?;
        let mut hour = self.number(2)?;
        self.skip(':').then_some(())?;
        let minute = self.number(2)?;
        let mut second = 0;
        if self.skip(':') {
            second = self.number(2)?;
            if self.skip('.') || self.skip(',') {
                let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
                (digits > 0).then_some(())?;
                self.0 = &self.0[digits..];
            }
        }
        self.skip(' ');
        let half = self.0.get(..2).map(str::to_ascii_uppercase);
        if let Some(half @ ("AM" | "PM")) = half.as_deref() {
            (1..=12).contains(&hour).then_some(())?;
            hour = hour % 12 + if half == "PM" { 12 } else { 0 };
            self.0 = self.0[2..].trim_start_matches(' ');
        }
        // A leap second is the one after it.
        (hour < 24 && minute < 60 && second <= 60).then_some(())?;
        let offset = match self.0 {
            "" => None,
            text => Some(offset(text)?),
        };
        let [hour, minute, within] =
            [hour, minute, second.min(59)].map(|number| i8::try_from(number).unwrap_or_default());
        let days = days_since_1970(date);
        Some(Civil {
            seconds: days * DAY + i64::from(hour) * 3_600 + i64::from(minute) * 60 + second,
            time: date.at(hour, minute, within, 0),
            offset,
        })
    }

    /// A number of one digit at least and so many at most.
    fn number(&mut self, most: usize) -> Option<i64> {
        let digits = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let number = self.0[..digits].parse().ok()?;
        self.0 = &self.0[digits..];
        Some(number)
    }

    fn skip(&mut self, mark: char) -> bool {
        match self.0.strip_prefix(mark) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }
}

fn days_since_1970(day: jiff::civil::Date) -> i64 {
    let since = day.duration_since(date(1970, 1, 1));
    since.as_secs() / DAY
}

/// An offset from UTC in seconds: `Z`, `UTC`, `+02:00`, `-0530`, `+2`.
fn offset(text: &str) -> Option<i64> {
    let text = text.trim_start_matches(' ');
    if ["Z", "UTC", "GMT"].iter().any(|name| text.eq_ignore_ascii_case(name)) {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let mut rest = Rest(&text[1..]);
    let hours = rest.number(2)?;
    rest.skip(':');
    let minutes = if rest.0.is_empty() { 0 } else { rest.number(2)? };
    (rest.0.is_empty() && hours <= 18 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// A moment in UTC, for people.
pub fn moment(seconds: u64) -> String {
    let timestamp = i64::try_from(seconds)
        .ok()
        .and_then(|at| jiff::Timestamp::from_second(at).ok());
    timestamp.map_or_else(
        || format!("{seconds} s"),
        |at| TimeZone::UTC.to_datetime(at).to_string().replace('T', " "),
    )
}

/// How long something lasts, in the largest unit that fits, for people.
pub fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..=119 => (seconds, "second"),
        120..=7_199 => (seconds / 60, "minute"),
        7_200..=172_799 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by(clock: &Clock, text: &str) -> String {
        match clock.read(text, 0) {
            Ok(at) => moment(at),
            Err(problem) => problem.what,
        }
    }

    fn read(text: &str) -> String {
        by(&Clock::default(), text)
    }

    fn zone(name: &str) -> Clock {
        Clock {
            zone: Some(name.parse().expect("a zone")),
            ..Clock::default()
        }
    }

    #[test]
    fn seconds_and_times_with_an_offset_are_read() {
        for text in [
            "1522542281",
            "1522542281.0",
            "1522542281.75",
            "2018-04-01T00:24:41Z",
            "2018-04-01 00:24:41 UTC",
            "2018-04-01T02:24:41+02:00",
            "2018-03-31T18:54:41-0530",
            "2018-04-01T00:24:41.999z",
            "2018/04/01 00:24:41 +00",
            "2018-4-1 0:24:41 GMT",
        ] {
            assert_eq!(read(text), "2018-04-01 00:24:41", "{text}");
        }
        let local = zone("Europe/Paris");
        for text in ["2018-04-01T02:24:41", "2018 4 1 2:24:41", "2018-04-01 02:24:41 AM"] {
            assert_eq!(by(&local, text), "2018-04-01 00:24:41", "{text}");
        }
        assert_eq!(by(&zone("UTC"), "2018-04-01 06:21"), "2018-04-01 06:21:00");
        assert_eq!(by(&zone("+02:00"), "2018-04-01 12:05:00 PM"), "2018-04-01 10:05:00");
        // Its own offset counts.
        assert_eq!(by(&local, "2018-04-01T00:24:41Z"), "2018-04-01 00:24:41");
        let american = Clock {
            month_first: true,
            ..zone("UTC")
        };
        assert_eq!(by(&american, "4/10/2019 1:05:00 pm"), "2019-04-10 13:05:00");
    }

    #[test]
    fn no_unit_is_guessed() {
        for (text, says) in [
            ("1514764800000", "milliseconds: divide by 1000"),
            ("1514764800000000", "microseconds: divide by 1000000"),
            ("1514764800000000000", "nanoseconds: divide by 1000000000"),
            ("99999999999999999999", "is not a number of seconds"),
            ("20180401123000", "after the year 2200"),
            ("1.51476E+12", "spreadsheet has rounded"),
            ("", "is not a number of seconds since 1970"),
            ("-3", "is not"),
            ("+2", "is not"),
            ("1.", "is not"),
            ("1.2.3", "is not"),
        ] {
            let told = read(text);
            assert!(told.contains(says), "{text}: {told}");
        }
        let millis = Clock {
            unit: Unit::Milliseconds,
            ..Clock::default()
        };
        assert_eq!(by(&millis, "1514764800999"), "2018-01-01 00:00:00");
        let hours = Clock {
            unit: Unit::Hours,
            epoch: 1_514_764_800,
            ..Clock::default()
        };
        assert_eq!(by(&hours, "743"), "2018-01-31 23:00:00");
        assert!(by(&hours, "1514764800").contains("as a number of hours"));
    }

    #[test]
    fn no_zone_and_no_order_of_day_and_month_is_guessed() {
        for (text, says) in [
            ("2018-04-01 12:30:00", "--timezone"),
            ("2018-04-01", "without a time of day"),
            ("01/04/2018 12:30", "which of its numbers is the month"),
            ("1.4.2018 12:30", "which of its numbers is the month"),
            ("2018-02-30 12:30:00Z", "no day of the calendar"),
            ("2018-13-01 12:30:00Z", "no day of the calendar"),
            ("2018-04-01 25:30:00Z", "is not a number of seconds"),
            ("2018-04-01 12:30:00 CET", "is not a number of seconds"),
            ("2018-04-01 12:30:00Zx", "is not a number of seconds"),
            ("1969-12-31T23:59:59Z", "1970 and 2200"),
            ("April 1, 2018", "is not a number of seconds"),
        ] {
            let told = read(text);
            assert!(told.contains(says), "{text}: {told}");
        }
        assert!("Mars/Phobos".parse::<Zone>().is_err());
        assert!("+19:00".parse::<Zone>().is_err());
        assert!("Asia/Kolkata".parse::<Zone>().is_ok());
    }

    #[test]
    fn an_hour_that_clocks_repeat_goes_on_and_one_that_they_leave_out_is_refused() {
        let paris = zone("Europe/Paris");
        // 2018-10-28: 03:00 became 02:00 at 01:00 UTC.
        let first = paris.read("2018-10-28 02:30:00", 0).expect("a time");
        assert_eq!(moment(first), "2018-10-28 00:30:00");
        let second = paris.read("2018-10-28 02:10:00", first).expect("a time");
        assert_eq!(moment(second), "2018-10-28 01:10:00");
        let told = by(&paris, "2018-03-25 02:30:00");
        assert!(told.contains("no clock of that time zone"), "{told}");
    }

    #[test]
    fn spans_are_told_for_people() {
        let spans = [1, 119, 742, 7_199, 90_000, 172_800].map(span);
        assert_eq!(
            spans,
            [
                "1 second",
                "119 seconds",
                "12 minutes",
                "119 minutes",
                "25 hours",
                "2 days"
            ]
        );
    }

    proptest! {
        #[test]
        fn every_moment_is_read_back(at in 0..=LATEST) {
            let text = moment(at);
            prop_assert_eq!(zone("UTC").read(&text, 0), Ok(at));
            prop_assert_eq!(Clock::default().read(&at.to_string(), 0), Ok(at));
        }

        #[test]
        fn texts_of_any_kind_are_answered(text in any::<String>(), like in "[-+:/. 0-9TZAPM]{0,30}") {
            let clock = Clock { month_first: true, ..zone("America/New_York") };
            let _ = (clock.read(&text, 0), clock.read(&like, 0), Clock::default().read(&like, 0));
        }
    }
}
