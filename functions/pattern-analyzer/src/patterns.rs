//! Looks for patterns in what was not looked at yet, and tells of each once.

use fraud::alert::PATTERN_SUBJECT;
use fraud::{Alert, Pattern, Progress, Window};

use crate::failure::AnalyzeError;
use crate::limits::LEASE;
use crate::outside::{Kept, Outgoing, Outside, Suspicious};

/// How often a run begins anew when another was faster. Two may run at once.
const TRIES: u32 = 8;

/// No more windows than this are looked at before what was found is kept: who has many to catch up with gets on even
/// where time is short.
const MOST_AT_ONCE: usize = 24;

/// Nor are more looked at once so many bytes of messages wait to be sent. A message has 200 KiB at most, and all that is
/// kept is one item of at most 400 KB
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>).
const MOST_WAITING: usize = 100 * 1024;

/// What a run found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Suspicious transactions in the window before the run's time.
    pub suspicious_count: u64,
    /// Windows that were looked at.
    pub windows: usize,
    /// Alerts published.
    pub alerts: u64,
    /// Alerts that are kept and not published yet.
    pub waiting: u64,
}

/// Looks at every window up to `until` that no run has looked at, in a run that began at `now`.
///
/// Guarantees: what was found is kept together with how far the run got, in one write that only the faster of two runs
/// can make. So no transaction is told of twice, and none that could be seen in time is missed, whatever happens in
/// between. An alert is kept until it is published.
///
/// Caveats: where a run dies between publishing an alert and noting it, the next one publishes it again; both messages
/// have the same `alert_id`. A transaction that is stored later than [`Outside::settled`] waits for is in no pattern.
pub async fn find(outside: &impl Outside, until: u64, now: u64, found: &mut Found) -> Result<(), AnalyzeError> {
    let mut lost = 0;
    let mut latest = None;
    loop {
        let mut kept = outside.kept().await?;
        let before = kept.clone();
        found.waiting = kept.outbox.len() as u64;
        let windows = Progress::windows(kept.progress, until);
        let mut looked = 0;
        for window in windows.iter().take(MOST_AT_ONCE) {
            if waiting(&kept) >= MOST_WAITING {
                break;
            }
            let suspicious = outside.suspicious(*window).await?;
            latest = (window.until == until).then_some(suspicious.len() as u64);
            look(&mut kept, *window, &suspicious, now);
            looked += 1;
        }
        let due: Vec<String> = kept
            .outbox
            .iter_mut()
            .filter_map(|alert| take(alert, &before, now))
            .collect();
        if kept != before {
            kept.version += 1;
            kept.writer = outside.writer().to_owned();
            if !outside.keep(&kept).await? {
                lost += 1;
                if lost == TRIES {
                    return Err(AnalyzeError::Crowded);
                }
                continue;
            }
        }
        found.windows += looked;
        found.waiting = kept.outbox.len() as u64;
        send(outside, kept, &due, found).await?;
        // Where nothing could be looked at because of what waits, there is no use in trying again at once.
        if looked == windows.len() || looked == 0 {
            break;
        }
    }
    found.suspicious_count = match latest {
        Some(count) => count,
        // All was looked at before; it is counted for the answer alone.
        None => outside.suspicious(Window::before(until)).await?.len() as u64,
    };
    Ok(())
}

/// The bytes of the messages that wait to be sent.
fn waiting(kept: &Kept) -> usize {
    kept.outbox.iter().map(|alert| alert.message.len()).sum()
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

/// Publishes these alerts, and takes those that were published from the outbox, also where others could not be.
async fn send(outside: &impl Outside, mut kept: Kept, due: &[String], found: &mut Found) -> Result<(), AnalyzeError> {
    let mut published = Vec::new();
    let mut outcome = Ok(());
    for message in due {
        match outside.publish(PATTERN_SUBJECT, message).await {
            Ok(()) => published.push(message),
            Err(why) if outcome.is_ok() => outcome = Err(AnalyzeError::Publish(why)),
            Err(_) => {}
        }
    }
    found.alerts += published.len() as u64;
    if published.is_empty() {
        return outcome;
    }
    for _ in 0..TRIES {
        kept.outbox.retain(|alert| !published.contains(&&alert.message));
        kept.version += 1;
        kept.writer = outside.writer().to_owned();
        if outside.keep(&kept).await? {
            found.waiting = kept.outbox.len() as u64;
            return outcome;
        }
        kept = outside.kept().await?;
    }
    Err(AnalyzeError::Crowded)
}
