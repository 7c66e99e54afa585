//! Sends the alerts of transactions whose requests died before they could, or could not reach the topic.

use fraud::alert::TRANSACTION_SUBJECT;

use crate::failure::AnalyzeError;
use crate::limits::REQUEST;
use crate::outside::{Outside, Pending};

/// What became of the alerts that had stayed pending.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Sent by this run.
    pub sent: u64,
    /// Still pending after it.
    pub left: u64,
}

/// Sends every alert that stayed pending, in a run that began at `now`. How far it got stands in `swept` at every
/// moment, and nothing where it is not known how many there are.
///
/// Guarantees: an alert is taken from the pending ones only after it was published. Two runs at once do not publish the
/// same one.
///
/// # Errors
///
/// The first failure, after all others were tried too: one alert that cannot be sent keeps none of the others back.
pub async fn sweep(outside: &impl Outside, now: u64, swept: &mut Option<Swept>) -> Result<(), AnalyzeError> {
    let pending = outside.pending(now.saturating_sub(REQUEST)).await?;
    let swept = swept.insert(Swept {
        sent: 0,
        left: pending.len() as u64,
    });
    let mut outcome = Ok(());
    for alert in &pending {
        match send(outside, alert, now).await {
            Ok(sent) => {
                swept.left -= 1;
                // Else it was sent meanwhile, or is about to be.
                swept.sent += u64::from(sent);
            }
            Err(why) if outcome.is_ok() => outcome = Err(why),
            Err(_) => {}
        }
    }
    outcome
}

async fn send(outside: &impl Outside, alert: &Pending, now: u64) -> Result<bool, AnalyzeError> {
    if !outside.claim(alert, now).await.map_err(AnalyzeError::Publish)? {
        return Ok(false);
    }
    let published = outside.publish(TRANSACTION_SUBJECT, &alert.message).await;
    published.map_err(AnalyzeError::Publish)?;
    outside.mark_sent(alert, now).await.map_err(AnalyzeError::Publish)?;
    Ok(true)
}
