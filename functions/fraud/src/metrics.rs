//! Metrics in CloudWatch's embedded metric format: a line of the log that carries numbers and says which they are, so
//! that counting costs no call.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use serde_json::{Map, Value, json};

/// The namespace of every metric.
pub const NAMESPACE: &str = "FraudDetection";

/// The one dimension: the environment. Never a user or a merchant, each of which would be a metric of its own to pay
/// for.
pub const DIMENSION: &str = "Environment";

/// The metrics there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Transactions scored and stored.
    Scored,
    /// Those of them that are suspicious.
    Suspicious,
    /// Alerts about transactions published at once.
    Alerts,
    /// Alerts that could not be published at once; they stay pending.
    AlertsFailed,
    /// Alerts that had stayed pending and were published by a later run.
    AlertsSwept,
    /// Alerts that are still pending after a run.
    PendingAlerts,
    /// Transactions sent again, whose first answer was replayed.
    Duplicates,
    /// Transactions refused because their id was used with another payload.
    Conflicts,
    /// Requests refused because they are no transaction.
    Invalid,
    /// Requests that failed.
    Errors,
    /// From receipt to answer, of a request.
    Latency,
    /// Runs of the analyzer that failed.
    AnalyzerErrors,
    /// How long a run of the analyzer took, with its waiting for the end of its window.
    AnalyzerLatency,
    /// Alerts about patterns published.
    PatternAlerts,
    /// Suspicious transactions in the window of a run.
    SuspiciousInWindow,
    /// Readings of the rules after which the built-in ones hold, because the parameter is absent or broken.
    RulesFallback,
    /// Readings of the threshold after which an older or the built-in one holds.
    ThresholdFallback,
    /// Read units that a run consumed.
    ConsumedReadUnits,
}

impl Metric {
    /// The name in CloudWatch.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scored => "Scored",
            Self::Suspicious => "Suspicious",
            Self::Alerts => "Alerts",
            Self::AlertsFailed => "AlertsFailed",
            Self::AlertsSwept => "AlertsSwept",
            Self::PendingAlerts => "PendingAlerts",
            Self::Duplicates => "Duplicates",
            Self::Conflicts => "Conflicts",
            Self::Invalid => "Invalid",
            Self::Errors => "Errors",
            Self::Latency => "Latency",
            Self::AnalyzerErrors => "AnalyzerErrors",
            Self::AnalyzerLatency => "AnalyzerLatency",
            Self::PatternAlerts => "PatternAlerts",
            Self::SuspiciousInWindow => "SuspiciousInWindow",
            Self::RulesFallback => "RulesFallback",
            Self::ThresholdFallback => "ThresholdFallback",
            Self::ConsumedReadUnits => "ConsumedReadUnits",
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::Latency | Self::AnalyzerLatency => "Milliseconds",
            Self::ConsumedReadUnits => "None",
            _ => "Count",
        }
    }
}

/// Adds these metrics to the fields of a line. `at_millis` is when they were measured, in milliseconds since the Unix
/// epoch. A metric that is named twice counts once, with its last value.
#[must_use]
pub fn embed(mut fields: Map<String, Value>, environment: &str, at_millis: u64, metrics: &[(Metric, Value)]) -> Value {
    let mut definitions: Vec<Value> = Vec::with_capacity(metrics.len());
    for (metric, value) in metrics {
        if fields.insert(metric.name().to_owned(), value.clone()).is_none() {
            definitions.push(json!({"Name": metric.name(), "Unit": metric.unit()}));
        }
    }
    fields.insert(DIMENSION.to_owned(), environment.into());
    fields.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": at_millis,
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [[DIMENSION]],
                "Metrics": definitions,
            }],
        }),
    );
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_named_beside_their_values() {
        let fields = Map::from_iter([("request_id".to_owned(), json!("r-1"))]);
        let metrics = [(Metric::Scored, json!(1)), (Metric::Latency, json!(12))];
        assert_eq!(
            embed(fields, "dev", 1_700_000_000_123, &metrics),
            json!({
                "request_id": "r-1",
                "Environment": "dev",
                "Scored": 1,
                "Latency": 12,
                "_aws": {
                    "Timestamp": 1_700_000_000_123_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "FraudDetection",
                        "Dimensions": [["Environment"]],
                        "Metrics": [{"Name": "Scored", "Unit": "Count"}, {"Name": "Latency", "Unit": "Milliseconds"}],
                    }],
                },
            })
        );
    }
}
