//! What was asked, how it was answered, and what else was under way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::call::Call;
use super::http::Answer;
use super::refusal;

/// How many other calls were under way when one came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beside {
    /// To any service.
    pub all: usize,
    /// To the same service.
    pub service: usize,
    /// Changes of the same [`Call::subject`].
    pub changes: usize,
}

/// A call and its fate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What was asked.
    pub call: Call,
    /// When it came.
    pub started: Instant,
    /// When its answer went, or was lost; none while it is under way.
    pub ended: Option<Instant>,
    /// What else was under way when it came.
    pub beside: Beside,
    /// The answer's HTTP status; none without an answer.
    pub status: Option<u16>,
    /// The answer's error code.
    pub code: Option<String>,
    /// The id that AWS, or the weather in its name, gave the call.
    pub request_id: Option<String>,
    /// Which effect of the weather answered, or took the answer away: `throttled`. None where it was AWS.
    pub weather: Option<&'static str>,
    id: u64,
}

impl Record {
    /// Whether the answer was that the calls come too fast.
    pub fn is_throttled(&self) -> bool {
        self.weather == Some(super::throttle::NAME)
    }
}

/// All that passed since the start, or since they were forgotten.
#[derive(Default)]
pub(super) struct Records {
    all: Vec<Record>,
    /// What is under way, remembered or forgotten.
    under_way: BTreeMap<u64, Call>,
    next: u64,
}

impl Records {
    pub(super) fn all(&self) -> &[Record] {
        &self.all
    }

    pub(super) fn forget(&mut self) {
        self.all.clear();
    }

    /// Remembers a call that begins. Returns its number, by which it ends, and what is under way beside it.
    pub(super) fn begin(&mut self, call: &Call) -> (u64, Beside) {
        let subject = call.subject();
        let others = self.under_way.values();
        let beside = Beside {
            all: others.len(),
            service: others.clone().filter(|other| other.service == call.service).count(),
            changes: others
                .filter(|other| subject.is_some() && other.changes() && other.subject() == subject)
                .count(),
        };
        let id = self.next;
        self.next += 1;
        self.under_way.insert(id, call.clone());
        self.all.push(Record {
            call: call.clone(),
            started: Instant::now(),
            ended: None,
            beside,
            status: None,
            code: None,
            request_id: None,
            weather: None,
            id,
        });
        (id, beside)
    }

    /// A call is over, with this answer or with none.
    pub(super) fn end(&mut self, id: u64, answer: Option<&Answer>, weather: Option<&'static str>) {
        self.under_way.remove(&id);
        // It may have been forgotten meanwhile.
        if let Some(record) = self.all.iter_mut().rev().find(|record| record.id == id) {
            record.ended = Some(Instant::now());
            record.status = answer.map(|answer| answer.status);
            record.code = answer.and_then(refusal::code);
            record.request_id = answer
                .and_then(|answer| answer.header("x-amzn-requestid"))
                .map(str::to_owned);
            record.weather = weather;
        }
    }
}

/// Some calls in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// From the first call to the last answer.
    pub took: Duration,
    /// All of them.
    pub all: Numbers,
    /// By service, as the signature names it.
    pub services: BTreeMap<String, Numbers>,
}

/// How many calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Numbers {
    /// All.
    pub calls: usize,
    /// Those that were answered as too fast.
    pub throttled: usize,
    /// The most that were under way at once.
    pub at_once: usize,
}

impl Numbers {
    fn count(&mut self, record: &Record, beside: usize) {
        self.calls += 1;
        self.throttled += usize::from(record.is_throttled());
        self.at_once = self.at_once.max(beside + 1);
    }
}

impl Summary {
    /// Of these calls.
    pub fn of(records: &[Record]) -> Self {
        let mut summary = Self::default();
        for record in records {
            summary.all.count(record, record.beside.all);
            let service = summary.services.entry(record.call.service.clone()).or_default();
            service.count(record, record.beside.service);
        }
        let first = records.iter().map(|record| record.started).min();
        let last = records.iter().filter_map(|record| record.ended).max();
        if let (Some(first), Some(last)) = (first, last) {
            summary.took = last.saturating_duration_since(first);
        }
        summary
    }
}
