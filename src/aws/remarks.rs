//! What is worth telling beside the results: that something takes long, or that something cannot be read.

use std::collections::BTreeSet;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a wait goes on before it is told of, and how long until it is told of again.
const SILENCE: Duration = Duration::from_secs(20);
const BETWEEN: Duration = Duration::from_secs(60);

type Listener = Box<dyn Fn(&str) + Send + Sync>;

/// Who listens, and what was said.
#[derive(Default)]
pub(super) struct Remarks {
    listener: OnceLock<Listener>,
    said: Mutex<BTreeSet<&'static str>>,
}

impl Remarks {
    /// From now on remarks go there; until then nobody hears them. Only once.
    pub(super) fn tell(&self, listener: impl Fn(&str) + Send + Sync + 'static) {
        // A second listener would be for the same person.
        let _ = self.listener.set(Box::new(listener));
    }

    fn say(&self, text: &str) {
        if let Some(listener) = self.listener.get() {
            listener(text);
        }
    }

    /// A remark of which one is enough, however many resources it is true of.
    pub(super) fn say_once(&self, about: &'static str, text: &str) {
        let first = {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            said.insert(about)
        };
        if first {
            self.say(text);
        }
    }
}

/// A wait that does not go on in silence.
pub(super) struct Wait<'a> {
    remarks: &'a Remarks,
    since: Instant,
    most: Duration,
    next: Duration,
}

impl<'a> Wait<'a> {
    /// Begins now, and lasts so long at most.
    pub(super) fn new(remarks: &'a Remarks, most: Duration) -> Self {
        Self {
            remarks,
            since: Instant::now(),
            most,
            next: SILENCE,
        }
    }

    pub(super) fn took(&self) -> Duration {
        self.since.elapsed()
    }

    pub(super) fn is_over(&self) -> bool {
        self.took() >= self.most
    }

    /// Tells what is waited for, if it is time to.
    pub(super) fn tell(&mut self, what: &str) {
        let took = self.took();
        if took < self.next {
            return;
        }
        self.next = took + BETWEEN;
        let (took, most) = (took.as_secs(), self.most.as_secs());
        self.remarks
            .say(&format!("waiting for {what} ({took} s so far, {most} s at most)"));
    }
}
