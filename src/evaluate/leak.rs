//! What in a file gives away whether a transaction was fraud: columns that were filled in afterwards, and clocks that run
//! otherwise for frauds. Rules that learn from such a file know the answer, and nothing about fraud.

use std::collections::HashMap;
use std::hash::Hash;

use fraud::text::escape;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

use crate::metrics::Ranking;
use crate::read::{Column, Reader, Rows};

/// So many transactions of each kind are looked at, drawn evenly from the whole file.
const SAMPLE: usize = 2_000;

/// With fewer of each kind, chance alone would tell them apart.
const LEAST: usize = 10;

/// A column tells the label when it is right in more than this share of each kind, in the mean.
const COLUMN_TELLS: f64 = 0.99;

/// A clock does: its hands have few places, so that some honest ones are there by chance.
const CLOCK_TELLS: f64 = 0.95;

/// What to think of before something is learned from the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Which kind, for programs.
    pub kind: &'static str,
    /// In a sentence or two.
    pub text: String,
}

/// Transactions of both kinds.
#[derive(Debug)]
pub(crate) struct Sample {
    frauds: Vec<Line>,
    honest: Vec<Line>,
    seen: [u64; 2],
    random: ChaCha8Rng,
}

#[derive(Debug)]
struct Line {
    number: u64,
    at: u64,
    values: Vec<Box<str>>,
}

impl Default for Sample {
    /// The same for the same file.
    fn default() -> Self {
        Self {
            frauds: Vec::new(),
            honest: Vec::new(),
            seen: [0; 2],
            random: ChaCha8Rng::seed_from_u64(0),
        }
    }
}

impl Sample {
    /// Takes the line that was read last, or not: each one of its kind is as likely.
    pub(crate) fn take(&mut self, fraud: bool, at: u64, rows: &Rows<'_>) {
        let seen = &mut self.seen[usize::from(fraud)];
        *seen += 1;
        let lines = if fraud { &mut self.frauds } else { &mut self.honest };
        let place = match lines.len() {
            room @ ..SAMPLE => room,
            _ => self.random.random_range(0..*seen) as usize,
        };
        if place >= SAMPLE {
            return;
        }
        let line = Line {
            number: rows.line(),
            at,
            values: (0..rows.len()).map(|index| rows.value(index).into()).collect(),
        };
        match lines.get_mut(place) {
            Some(old) => *old = line,
            None => lines.push(line),
        }
    }

    fn lines(&self) -> impl Iterator<Item = (&Line, bool)> {
        let frauds = self.frauds.iter().map(|line| (line, true));
        frauds.chain(self.honest.iter().map(|line| (line, false)))
    }

    /// How well a key tells the kinds apart: of each kind the share that is on the right side, and the mean of both.
    /// Where there are too many keys for the sample, chance alone would, and nothing is said.
    fn told_by<K: Eq + Hash>(&self, key: impl Fn(&Line) -> K) -> f64 {
        let mut counts: HashMap<K, [u32; 2]> = HashMap::new();
        for (line, fraud) in self.lines() {
            counts.entry(key(line)).or_default()[usize::from(fraud)] += 1;
        }
        let (frauds, honest) = (self.frauds.len() as f64, self.honest.len() as f64);
        let most = (self.frauds.len().min(self.honest.len()) / 5).max(2);
        if counts.len() > most {
            return 0.0;
        }
        let right = counts
            .values()
            .map(|[ok, fraud]| (f64::from(*fraud) / frauds).max(f64::from(*ok) / honest));
        right.sum::<f64>() / 2.0
    }

    /// How well a number does, being high for one kind and low for the other. Nothing is said where some are none.
    fn ordered_by(&self, number: impl Fn(&Line) -> Option<f64>) -> f64 {
        let scored: Option<Vec<(f64, bool)>> = self.lines().map(|(line, fraud)| Some((number(line)?, fraud))).collect();
        let auc = scored.and_then(|scored| Ranking::of(scored).auc());
        auc.map_or(0.0, |auc| auc.max(1.0 - auc))
    }
}

/// The columns and the clock of a file, where they give the label away.
pub(crate) fn leaks(sample: &Sample, reader: &Reader<'_>) -> Vec<Warning> {
    if sample.frauds.len().min(sample.honest.len()) < LEAST {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    for index in 0..reader.rows().names().len() {
        let column = reader.column(index);
        // What is the label, or comes with it.
        if matches!(column, Some(Column::Fraud | Column::LabelledAt | Column::Scenario)) {
            continue;
        }
        let value = |line: &Line| {
            line.values
                .get(index)
                .map_or(String::new(), |value| value.trim().to_owned())
        };
        let clock = column == Some(Column::Timestamp);
        let told = [
            sample.told_by(value),
            sample.told_by(|line| value(line).is_empty()),
            sample.told_by(|line| shape(&value(line))),
            // The moment itself is looked at below.
            if clock {
                0.0
            } else {
                sample.ordered_by(|line| number(&value(line)))
            },
        ];
        let told = told.into_iter().fold(0.0, f64::max);
        if told >= COLUMN_TELLS {
            let used = column.map_or_else(
                || "It is passed over".to_owned(),
                |column| format!("It is read as {}", column.name()),
            );
            warnings.push(Warning {
                kind: "column_tells_the_label",
                text: format!(
                    "The column {} alone tells frauds from honest transactions ({:.1} % of a sample): was it filled in \
                     afterwards? {used}.",
                    escape(&reader.rows().name(index)),
                    told * 100.0
                ),
            });
        }
    }
    let clock = [
        (
            "The second of the minute",
            sample.told_by(|line| line.at % 60 == 0),
            CLOCK_TELLS,
        ),
        (
            "The minute of the hour",
            sample.told_by(|line| line.at % 3_600 == 0),
            CLOCK_TELLS,
        ),
        ("Midnight", sample.told_by(|line| line.at % 86_400 == 0), CLOCK_TELLS),
        (
            "The hour of the day",
            sample.told_by(|line| line.at / 3_600 % 24),
            CLOCK_TELLS,
        ),
        (
            "The time, early or late,",
            sample.ordered_by(|line| Some(line.at as f64)),
            COLUMN_TELLS,
        ),
        (
            "The place in the file",
            sample.ordered_by(|line| Some(line.number as f64)),
            COLUMN_TELLS,
        ),
    ];
    if let Some((what, told, _)) = clock.into_iter().find(|(_, told, enough)| told >= enough) {
        warnings.push(Warning {
            kind: "clock_tells_the_label",
            text: format!(
                "{what} alone tells frauds from honest transactions ({:.1} % of a sample): do both kinds come from the same \
                 system, by the same clock?",
                told * 100.0
            ),
        });
    }
    warnings
}

/// A text with its digits alike: `CASE-17` and `CASE-9` are one.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    for c in text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }) {
        if c != '9' || !shape.ends_with('9') {
            shape.push(c);
        }
    }
    shape
}

fn number(text: &str) -> Option<f64> {
    let plain = text.replace('$', "");
    let begins = plain
        .trim_start_matches(['-', '+'])
        .starts_with(|c: char| c.is_ascii_digit());
    plain.parse().ok().filter(|number: &f64| begins && number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_has_its_digits_alike() {
        assert_eq!(shape("CASE-17/2018"), "CASE-9/9");
        assert_eq!(shape(""), "");
        assert_eq!(
            (number("$-1.5"), number("12"), number("inf"), number("")),
            (Some(-1.5), Some(12.0), None, None)
        );
    }

    #[test]
    fn a_sample_is_drawn_from_the_whole_file() {
        let text = format!("a\n{}", "x\n".repeat(20_000));
        let mut rows = Rows::new(text.as_bytes(), b',', b'"').expect("a header");
        let mut sample = Sample::default();
        while rows.advance().expect("a row") {
            sample.take(false, 0, &rows);
        }
        assert_eq!(sample.honest.len(), SAMPLE);
        let late = sample.honest.iter().filter(|line| line.number > 10_000).count();
        assert!((900..1_100).contains(&late), "{late}");
    }
}
