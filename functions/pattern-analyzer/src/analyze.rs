//! From an event to a result.

use std::time::{Duration, Instant};

use fraud::metrics::{Metric, embed};
use runtime::log;
use serde_json::{Map, Value, json};

use crate::event::ScheduledEvent;
use crate::failure::AnalyzeError;
use crate::outside::{Consumed, Outside};
use crate::patterns::{self, Found};
use crate::sweep::{Swept, sweep};

/// One invocation of the function.
#[derive(Debug, Clone, Copy)]
pub struct Invocation<'a> {
    /// Lambda's id of it.
    pub id: &'a str,
    /// The environment's name, for the metrics.
    pub environment: &'a str,
    /// When it began, in milliseconds since the Unix epoch.
    pub now_millis: u64,
    /// How long it may take.
    pub limit: Duration,
}

/// Looks for patterns up to the time that an event calls for, and sends alerts that stayed behind.
///
/// A scheduled event is about the time before the event's own time, however late it is delivered. An invocation by hand
/// is about the time up to and including the current second.
///
/// Guarantees: an answer means that everything before the event's time was looked at, and that its alerts, if it called
/// for any, are published; and that no alert about a transaction is pending that could be sent.
///
/// # Errors
///
/// Anything less is an error, so that Lambda tries the event again and, when that does not help either, hands it to the
/// dead-letter queue.
pub async fn handle(
    outside: &impl Outside,
    event: &ScheduledEvent,
    invocation: Invocation<'_>,
) -> Result<Value, AnalyzeError> {
    let begun = Instant::now();
    let mut done = Done::default();
    let run = tokio::time::timeout(invocation.limit, run(outside, event, invocation, &mut done));
    let outcome = run
        .await
        .unwrap_or(Err(AnalyzeError::TooSlow(invocation.limit.as_millis())));
    done.tell(invocation, begun.elapsed(), outside.consumed(), outcome.as_ref().err());
    let found = outcome?;
    Ok(json!({
        "statusCode": 200,
        "body": {
            "message": "Pattern analysis complete",
            "suspicious_count": found.suspicious_count,
        },
    }))
}

/// What a run got done, told even where it failed.
#[derive(Default)]
struct Done {
    until: Option<u64>,
    found: Option<Found>,
    swept: Option<Swept>,
}

async fn run(
    outside: &impl Outside,
    event: &ScheduledEvent,
    invocation: Invocation<'_>,
    done: &mut Done,
) -> Result<Found, AnalyzeError> {
    let now = invocation.now_millis / 1_000;
    // A time that lies ahead is not believed: the runs until then would find that all was done.
    let until = event.time()?.unwrap_or(u64::MAX).min(now + 1);
    done.until = Some(until);
    // Alerts that stayed behind come first: a long time to catch up with must not keep them back.
    let sweeping = sweep(outside, now, &mut done.swept).await;
    outside.settled(until).await;
    let found = done.found.insert(Found::default());
    let finding = patterns::find(outside, until, now, found).await;
    let found = *found;
    finding?;
    sweeping?;
    Ok(found)
}

impl Done {
    /// The one line of the log that every run leaves, with its metrics.
    fn tell(&self, invocation: Invocation<'_>, took: Duration, consumed: Consumed, why: Option<&AnalyzeError>) {
        let mut fields: Map<String, Value> = Map::new();
        let mut field = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        field("invocation_id", invocation.id.into());
        field("until", json!(self.until));
        field("items_read", consumed.items.into());
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let mut metrics = vec![
            (Metric::AnalyzerLatency, json!(took)),
            (Metric::ConsumedReadUnits, json!(consumed.units)),
        ];
        if let Some(found) = self.found {
            field("windows", found.windows.into());
            if why.is_none() {
                metrics.push((Metric::SuspiciousInWindow, found.suspicious_count.into()));
            }
            metrics.push((Metric::PatternAlerts, found.alerts.into()));
        }
        if let Some(swept) = self.swept {
            metrics.push((Metric::AlertsSwept, swept.sent.into()));
            let waiting = self.found.map_or(0, |found| found.waiting);
            metrics.push((Metric::PendingAlerts, (swept.left + waiting).into()));
        }
        let (level, event): (fn(&str, Value), _) = match why {
            None => (log::info, "patterns_analyzed"),
            Some(why) => {
                field("error", log::causes(why).into());
                metrics.push((Metric::AnalyzerErrors, 1.into()));
                (log::error, "analysis_failed")
            }
        };
        level(
            event,
            embed(fields, invocation.environment, invocation.now_millis, &metrics),
        );
    }
}

#[cfg(test)]
#[path = "analyze_tests.rs"]
mod tests;
