//! Ctrl-C and SIGTERM: once to end in order, twice to end at once.

use super::exit;
use crate::ui::Progress;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Becomes true at the first signal. At the second the process ends at once: what is under way in AWS is found by the
/// next run.
pub fn on_signals(progress: &Arc<Progress>) -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    let progress = Arc::clone(progress);
    tokio::spawn(async move {
        let signals = signal(SignalKind::interrupt()).and_then(|int| Ok((int, signal(SignalKind::terminate())?)));
        let Ok((mut interrupt, mut terminate)) = signals else {
            // Without handlers the default remains: the process ends, and the next run goes on from there.
            std::future::pending::<()>().await;
            return;
        };
        let mut next = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        next().await;
        progress.say("Stopping: nothing new begins, what runs is finished and remembered. Again to leave at once.");
        stop.send_replace(true);
        next().await;
        std::process::exit(i32::from(exit::INTERRUPTED));
    });
    stopped
}
