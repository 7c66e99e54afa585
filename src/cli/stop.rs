//! Ctrl-C, SIGTERM and a terminal that is closed: while AWS is changed, once to end in order and twice to end at once;
//! else at once.

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
        if let Ok(signals) = Signals::listen() {
            tokio::spawn(obey(Arc::clone(&shared), signals));
        }
        Self(shared)
    }

    /// From now on the first signal makes this true, and the second ends the process at once: what is under way in AWS is
    /// found by the next run.
    pub fn in_order(&self, progress: &Arc<Progress>) -> watch::Receiver<bool> {
        let mut next = self.0.next();
        if matches!(*next, Next::Leave(AGAIN)) {
            // A signal came a moment ago, and the process is about to end: nothing begins any more.
            self.0.stop.send_replace(true);
        } else {
            *next = Next::InOrder(Arc::clone(progress));
        }
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
const AGAIN: &str =
    "interrupted again, and ended at once: what was under way in AWS is found by the next run of the same command";
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

/// What may tell us to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None where whoever started us said that it is to go on without the terminal, as `nohup` does.
    hangup: Option<Signal>,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        // Before our handler stands in the place of what was inherited.
        let goes_on = std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: (!goes_on).then(|| signal(SignalKind::hangup())).transpose()?,
        })
    }

    async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }
}

/// Is SIGHUP ignored by the process of this `/proc/PID/status`? `SigIgn` is a mask in hexadecimal; the lowest bit is
/// signal 1, which is SIGHUP. See proc_pid_status(5).
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

async fn obey(shared: Arc<Shared>, mut signals: Signals) {
    loop {
        signals.next().await;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_hangup_is_the_lowest_bit_of_the_mask() {
        assert!(ignores_hangup("Name:\tfraudctl\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hangup(
            "SigBlk:\t0000000000000001\nSigIgn:\t0000000000001000\n"
        ));
        assert!(!ignores_hangup(""));
    }
}
