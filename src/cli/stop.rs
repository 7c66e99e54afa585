//! Ctrl-C and SIGTERM: while AWS is changed, once to end in order and twice to end at once; else at once.

use super::{exit, print};
use crate::ui::Progress;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// What a signal does, from the first moment of a command to its last.
pub struct Stop(Arc<Shared>);

struct Shared {
    next: Mutex<Next>,
    stop: watch::Sender<bool>,
}

/// What the next signal does.
enum Next {
    /// End at once, saying this.
    Leave(&'static str),
    /// Begin nothing new.
    InOrder(Arc<Progress>),
}

impl Stop {
    /// From now on a signal ends the process with [`exit::INTERRUPTED`], saying this. To be called within the runtime.
    pub fn saying(why: &'static str) -> Self {
        let shared = Arc::new(Shared {
            next: Mutex::new(Next::Leave(why)),
            stop: watch::channel(false).0,
        });
        // Without handlers the default remains: the process ends, and the next run goes on from there.
        let signals = signal(SignalKind::interrupt()).and_then(|int| Ok((int, signal(SignalKind::terminate())?)));
        if let Ok((interrupt, terminate)) = signals {
            tokio::spawn(obey(Arc::clone(&shared), interrupt, terminate));
        }
        Self(shared)
    }

    /// From now on the first signal makes this true, and the second ends the process at once: what is under way in AWS is
    /// found by the next run.
    pub fn in_order(&self, progress: &Arc<Progress>) -> watch::Receiver<bool> {
        *self.0.next() = Next::InOrder(Arc::clone(progress));
        self.0.stop.subscribe()
    }

    /// From now on a signal ends the process at once again: what was to be changed is changed.
    pub fn at_once(&self) {
        *self.0.next() = Next::Leave(INTERRUPTED);
    }
}

/// What is said where nothing more is known.
pub const INTERRUPTED: &str = "interrupted";

impl Shared {
    fn next(&self) -> MutexGuard<'_, Next> {
        // Whole at every moment, even after a panic elsewhere.
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn obey(shared: Arc<Shared>, mut interrupt: Signal, mut terminate: Signal) {
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        let next = std::mem::replace(&mut *shared.next(), Next::Leave("interrupted again"));
        match next {
            Next::InOrder(progress) => {
                progress
                    .say("Stopping: nothing new begins, what runs is finished and remembered. Again to leave at once.");
                shared.stop.send_replace(true);
            }
            Next::Leave(why) => {
                print::remark(format_args!("fraudctl: {why}"));
                std::process::exit(i32::from(exit::INTERRUPTED));
            }
        }
    }
}
