//! Looks for patterns in what was not looked at yet, and tells of each once.

use fraud::alert::PATTERN_SUBJECT;
use fraud::{Alert, Pattern, Progress, Window};

use crate::failure::AnalyzeError;
use crate::limits::LEASE;
use crate::outside::{Kept, Outgoing, Outside, Suspicious};

/// How often a run begins anew when another was faster. Two may run at once.
const TRIES: u32 = 8;

/// What a run found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// Suspicious transactions in the window before the run's time.
    pub suspicious_count: u64,
    /// Windows that were looked at.
    pub windows: usize,
    /// Alerts published.
    pub alerts: u64,
}

/// Looks at every window up to `until` that no run has looked at, in a run that began at `now`.
///
/// Guarantees: what was found is kept together with how far the run got, in one write that only the faster of two runs
/// can make. So no transaction is told of twice and none is missed, whatever happens in between. An alert is kept until
/// it is published.
///
/// Caveats: where a run dies between publishing an alert and noting it, the next one publishes it again; both messages
/// have the same `alert_id`.
pub async fn find(outside: &impl Outside, until: u64, now: u64) -> Result<Found, AnalyzeError> {
    for _ in 0..TRIES {
        let mut kept = outside.kept().await?;
        let before = kept.clone();
        let windows = Progress::windows(kept.progress, until);
        let mut suspicious_count = None;
        for window in &windows {
            let found = outside.suspicious(*window).await?;
            suspicious_count = Some(found.len() as u64);
            look(&mut kept, *window, &found, now);
        }
        let due: Vec<String> = kept
            .outbox
            .iter_mut()
            .filter_map(|alert| take(alert, &before, now))
            .collect();
        if kept != before {
            kept.version += 1;
            if !outside.keep(&kept).await? {
                continue;
            }
        }
        send(outside, kept, &due).await?;
        let suspicious_count = match suspicious_count {
            Some(count) => count,
            // All was looked at before; it is counted for the answer alone.
            None => outside.suspicious(Window::before(until)).await?.len() as u64,
        };
        return Ok(Found {
            suspicious_count,
            windows: windows.len(),
            alerts: due.len() as u64,
        });
    }
    Err(AnalyzeError::Crowded)
}

/// Looks at one window.
fn look(kept: &mut Kept, window: Window, found: &[Suspicious], now: u64) {
    let mut pattern = Pattern::default();
    for transaction in found {
        if Progress::is_fresh(kept.progress, transaction.timestamp) {
            pattern.record(transaction.user_id.clone());
        }
    }
    if pattern.is_alarming() {
        kept.outbox.push(Outgoing {
            message: Alert::for_pattern(&pattern, window).message,
            claimed_at: now,
        });
    }
    kept.progress = Some(Progress::after(kept.progress, window, pattern.is_alarming()));
}

/// Takes an alert to be sent by this run, if it is new or whoever set out to send it has died.
fn take(alert: &mut Outgoing, before: &Kept, now: u64) -> Option<String> {
    let earlier = before.outbox.iter().find(|other| other.message == alert.message);
    let taken = earlier.is_none_or(|earlier| now.saturating_sub(earlier.claimed_at) >= LEASE);
    taken.then(|| {
        alert.claimed_at = now;
        alert.message.clone()
    })
}

/// Publishes these alerts and takes them from the outbox.
async fn send(outside: &impl Outside, mut kept: Kept, due: &[String]) -> Result<(), AnalyzeError> {
    if due.is_empty() {
        return Ok(());
    }
    for message in due {
        let published = outside.publish(PATTERN_SUBJECT, message).await;
        published.map_err(AnalyzeError::Publish)?;
    }
    for _ in 0..TRIES {
        kept.outbox.retain(|alert| !due.contains(&alert.message));
        kept.version += 1;
        if outside.keep(&kept).await? {
            return Ok(());
        }
        kept = outside.kept().await?;
    }
    Err(AnalyzeError::Crowded)
}
