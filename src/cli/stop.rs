//! Ctrl-C and SIGTERM: while AWS is changed, once to end in order and twice to end at once; else at once.

use super::{exit, print};
use crate::state::Lease;
use crate::ui::Progress;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// What a signal does, from the first moment of a command to its last.
pub struct Stop(Arc<Shared>);

struct Shared {
    next: Mutex<Next>,
    stop: watch::Sender<bool>,
    leases: Mutex<Vec<Lease>>,
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
            leases: Mutex::default(),
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

    /// This is to be given back at the end, whatever the end is.
    pub fn give_back(&self, lease: &Lease) {
        self.0.leases().push(lease.clone());
    }

    /// Gives back what is to be given back.
    pub async fn release(&self) {
        self.0.release().await;
    }

    /// From now on a signal ends the process at once again: what was to be changed is changed.
    pub fn at_once(&self) {
        *self.0.next() = Next::Leave(INTERRUPTED);
    }
}

/// What is said when it was to end in order, and is to end at once now.
const AGAIN: &str = "interrupted again";
/// How long the end may wait for the lock to be given back.
const NOT_LONGER: Duration = Duration::from_secs(5);

/// What is said where nothing more is known.
pub const INTERRUPTED: &str = "interrupted";

impl Shared {
    fn next(&self) -> MutexGuard<'_, Next> {
        // Whole at every moment, even after a panic elsewhere.
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leases(&self) -> MutexGuard<'_, Vec<Lease>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn release(&self) {
        let leases = std::mem::take(&mut *self.leases());
        for lease in leases {
            let failed = match tokio::time::timeout(NOT_LONGER, lease.release()).await {
                Ok(Ok(())) => continue,
                Ok(Err(why)) => why.to_string(),
                Err(_) => format!("no answer within {} s", NOT_LONGER.as_secs()),
            };
            print::remark(format_args!(
                "note: the lock could not be given back, and lapses by itself: {failed}"
            ));
        }
    }
}

async fn obey(shared: Arc<Shared>, mut interrupt: Signal, mut terminate: Signal) {
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        let next = std::mem::replace(&mut *shared.next(), Next::Leave(AGAIN));
        match next {
            Next::InOrder(progress) => {
                progress
                    .say("Stopping: nothing new begins, what runs is finished and remembered. Again to leave at once.");
                shared.stop.send_replace(true);
            }
            Next::Leave(why) => {
                // Not when something in AWS may still be under way: nobody else should begin right now.
                if why != AGAIN {
                    shared.release().await;
                }
                print::remark(format_args!("fraudctl: {why}"));
                std::process::exit(i32::from(exit::INTERRUPTED));
            }
        }
    }
}
