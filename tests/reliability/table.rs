//! What was tried and what survived, as it is printed and as it stands in the documents.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::Tried;
use crate::series::Series;
use crate::stage::Found;

/// Where the table stands in docs/reliability.md.
const BEGIN: &str = "<!-- Made by `cargo test --release --test reliability -- --all --write`. -->\n";
const END: &str = "<!-- The end of it. -->";

/// One kind of fault.
pub struct Row {
    series: Series,
    /// How many points there are.
    extent: usize,
    /// The operations that an undisturbed run calls.
    operations: BTreeSet<String>,
    /// Those at which a run was ended.
    hit: BTreeSet<String>,
    tried: usize,
    survived: usize,
    /// The run was over before it came to the point.
    over: usize,
    lost: Vec<String>,
}

/// All kinds.
pub struct Table {
    pub rows: Vec<Row>,
    pub seed: u64,
    pub all: bool,
    /// At how many points it was to be done.
    pub chosen: usize,
    pub found: Arc<Found>,
}

impl Row {
    /// Nothing tried yet.
    pub fn new(series: Series, extent: usize, operations: BTreeSet<String>) -> Self {
        Self {
            series,
            extent,
            operations,
            hit: BTreeSet::new(),
            tried: 0,
            survived: 0,
            over: 0,
            lost: Vec::new(),
        }
    }

    /// Counts a point.
    pub fn count(&mut self, tried: Tried) {
        match (tried.lost, tried.at) {
            (Some(why), _) => {
                self.tried += 1;
                self.lost
                    .push(format!("{}, point {}: {why}", self.series.title(), tried.point.at));
            }
            (None, Some(at)) => {
                self.tried += 1;
                self.survived += 1;
                self.hit.insert(at);
            }
            (None, None) => self.over += 1,
        }
    }

    /// How many of the operations that a run calls were hit, where points are calls.
    fn operations(&self) -> String {
        if self.operations.is_empty() {
            return String::new();
        }
        let hit = self.operations.intersection(&self.hit).count();
        format!("{hit} of {}", self.operations.len())
    }
}

impl Table {
    /// Did everything survive, and was anything tried?
    pub fn holds(&self) -> bool {
        self.rows.iter().all(|row| row.lost.is_empty() && row.tried > 0)
    }

    /// The table, its totals, and whatever was lost.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |line: String| writeln!(text, "{line}").expect("a text takes every line");
        line(String::new());
        for table in self.lines() {
            line(table);
        }
        line(String::new());
        for row in self.rows.iter().flat_map(|row| &row.lost) {
            line(format!("LOST: {row}\n"));
        }
        text
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            "| fault | points | tried | survived | operations hit |".to_owned(),
            "|---|---:|---:|---:|---:|".to_owned(),
        ];
        for row in &self.rows {
            lines.push(format!(
                "| {} | {} | {} | {} | {} |",
                row.series.title(),
                row.extent,
                row.tried,
                row.survived,
                row.operations()
            ));
        }
        let sum = |count: fn(&Row) -> usize| self.rows.iter().map(count).sum::<usize>();
        lines.push(format!(
            "| all | {} | {} | {} | |",
            sum(|row| row.extent),
            sum(|row| row.tried),
            sum(|row| row.survived)
        ));
        lines.push(String::new());
        let over = sum(|row| row.over);
        let which = match (self.all, self.chosen - sum(|row| row.tried) - over) {
            (false, _) => "a part of the points".to_owned(),
            (true, 0) => "every point".to_owned(),
            (true, left) => format!("all points but {left}, for which there was no time"),
        };
        lines.push(format!(
            "Seed {}, {which}; at {over} points more the run was over before it came to them.",
            self.seed,
        ));
        let count = |counter: &AtomicUsize| counter.load(Relaxed);
        lines.push(format!(
            "Everything in the account was listed and compared by an independent client {} times: {} orphans, {} duplicates, \
             {} missing.",
            count(&self.found.compared),
            count(&self.found.orphans),
            count(&self.found.duplicates),
            count(&self.found.missing)
        ));
        lines
    }

    /// Puts the table into the document.
    pub fn write(&self) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
        let text = fs::read_to_string(&path).expect("docs/reliability.md");
        let (before, rest) = text.split_once(BEGIN).expect("where the table begins");
        let (_, after) = rest.split_once(END).expect("where the table ends");
        let table = self.lines().join("\n");
        fs::write(&path, format!("{before}{BEGIN}\n{table}\n\n{END}{after}")).expect("docs/reliability.md is written");
    }
}
