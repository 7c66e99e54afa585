//! Answers that are kept back until a test lets them go.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::lock;

/// No test waits longer for a call that it holds; a held call is let go then, so that nothing hangs for ever.
const LONGEST_HOLD: Duration = Duration::from_secs(120);

#[derive(Default)]
pub(super) struct Hold {
    progress: Mutex<HoldProgress>,
    changed: Condvar,
}

#[derive(Default)]
struct HoldProgress {
    arrived: usize,
    released: bool,
}

/// Answers that are kept back until this is dropped. AWS has done what was asked; the caller does not know yet.
pub struct Held(pub(super) Arc<Hold>);

impl Held {
    /// Waits until this many answers are kept back.
    ///
    /// # Panics
    ///
    /// When they are not within two minutes.
    #[track_caller]
    pub fn await_calls(&self, count: usize) {
        let progress = lock(&self.0.progress);
        let (progress, timeout) = self
            .0
            .changed
            .wait_timeout_while(progress, LONGEST_HOLD, |progress| progress.arrived < count)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(
            !timeout.timed_out(),
            "waited for {count} calls, {} came",
            progress.arrived
        );
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.0.progress).released = true;
        self.0.changed.notify_all();
    }
}

impl Hold {
    pub(super) fn keep(&self) {
        let mut progress = lock(&self.progress);
        progress.arrived += 1;
        self.changed.notify_all();
        // Whether it was released or has waited too long is the same to the caller.
        drop(
            self.changed
                .wait_timeout_while(progress, LONGEST_HOLD, |progress| !progress.released)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}
