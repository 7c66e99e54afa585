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

/// Sends every alert that stayed pending, in a run that began at `now`.
///
/// Guarantees: an alert is taken from the pending ones only after it was published. Two runs at once do not publish the
/// same one.
///
/// # Errors
///
/// The first failure, after all others were tried too: one alert that cannot be sent keeps none of the others back.
pub async fn sweep(outside: &impl Outside, now: u64) -> (Swept, Result<(), AnalyzeError>) {
    let mut swept = Swept::default();
    let pending = match outside.pending(now.saturating_sub(REQUEST)).await {
        Ok(pending) => pending,
        Err(why) => return (swept, Err(why)),
    };
    let mut outcome = Ok(());
    for alert in &pending {
        match send(outside, alert, now).await {
            Ok(true) => swept.sent += 1,
            // Sent meanwhile, or about to be.
            Ok(false) => {}
            Err(why) => {
                swept.left += 1;
                if outcome.is_ok() {
                    outcome = Err(why);
                }
            }
        }
    }
    (swept, outcome)
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
