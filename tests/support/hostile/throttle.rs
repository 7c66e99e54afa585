//! AWS's limits of the control plane, per account and region, as token buckets.
//!
//! Sources: API Gateway "Quotas for configuring and running a REST API", Lambda "Lambda API requests", KMS "Request
//! quotas", CloudWatch "CloudWatch service quotas", Systems Manager "Parameter Store throughput", EventBridge "Quotas",
//! DynamoDB's API reference of each operation.
//! Where AWS publishes no burst, a second's worth may come at once, and at least one call.

use std::time::Instant;

use super::call::Call;

/// What a record says of a call that came too fast.
pub(super) const NAME: &str = "throttled";

/// How often some operations together may be called.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// The service as the signature names it.
    pub service: &'static str,
    /// The operations, as beginnings of their names; an empty one is all.
    pub operations: &'static [&'static str],
    /// Calls in a second.
    pub rate: f64,
    /// Calls at once, after a rest.
    pub burst: f64,
}

#[rustfmt::skip]
const PUBLISHED: &[(&str, &[&str], f64, f64)] = &[
    ("apigateway", &[""], 10.0, 40.0),
    ("apigateway", &["CreateRestApi"], 1.0 / 3.0, 1.0),
    ("apigateway", &["CreateResource", "DeleteResource"], 5.0, 5.0),
    ("apigateway", &["GetResources"], 2.5, 5.0),
    ("apigateway", &["CreateDeployment"], 1.0 / 5.0, 1.0),
    ("apigateway", &["CreateApiKey", "DeleteApiKey"], 5.0, 5.0),
    ("apigateway", &["UpdateUsagePlan"], 1.0 / 20.0, 1.0),
    ("apigateway", &["UpdateAccount"], 1.0 / 20.0, 1.0),
    ("apigateway", &["DeleteRestApi"], 1.0 / 30.0, 1.0),
    ("apigateway", &["PutRestApi"], 1.0, 1.0),
    ("lambda", &["GetFunction"], 100.0, 100.0),
    ("lambda", &["GetPolicy"], 15.0, 15.0),
    ("lambda", &["Create", "Update", "Delete", "Put", "Add", "Remove", "Tag", "Untag", "List", "GetAccount"], 15.0, 15.0),
    ("kms", &["CreateKey"], 5.0, 5.0),
    ("kms", &["CreateAlias", "DeleteAlias", "UpdateAlias"], 5.0, 5.0),
    ("kms", &["PutKeyPolicy"], 5.0, 5.0),
    ("kms", &["EnableKeyRotation", "DisableKeyRotation"], 5.0, 5.0),
    ("kms", &["ScheduleKeyDeletion"], 5.0, 5.0),
    ("monitoring", &["PutMetricAlarm"], 3.0, 3.0),
    ("monitoring", &["DeleteAlarms"], 3.0, 3.0),
    ("monitoring", &["DescribeAlarms"], 9.0, 9.0),
    ("ssm", &["PutParameter"], 3.0, 3.0),
    ("dynamodb", &["DescribeContinuousBackups"], 10.0, 10.0),
    ("dynamodb", &["ListTagsOfResource"], 10.0, 10.0),
    ("dynamodb", &["TagResource", "UntagResource"], 5.0, 5.0),
    ("events", &[""], 50.0, 50.0),
];

/// All limits that AWS publishes and fraudctl meets.
pub fn published() -> Vec<Limit> {
    PUBLISHED
        .iter()
        .map(|(service, operations, rate, burst)| Limit {
            service,
            operations,
            rate: *rate,
            burst: *burst,
        })
        .collect()
}

/// Limits, and how full each bucket is.
pub(super) struct Buckets(Vec<Bucket>);

struct Bucket {
    limit: Limit,
    tokens: f64,
    filled: Instant,
}

impl Buckets {
    /// All full.
    pub(super) fn new(limits: &[Limit], now: Instant) -> Self {
        Self(
            limits
                .iter()
                .map(|limit| Bucket {
                    tokens: limit.burst,
                    filled: now,
                    limit: limit.clone(),
                })
                .collect(),
        )
    }

    /// Whether a call that comes now may pass. A call that may not costs nothing.
    pub(super) fn admit(&mut self, call: &Call, now: Instant) -> bool {
        let mut counting: Vec<_> = self.0.iter_mut().filter(|bucket| bucket.limit.counts(call)).collect();
        for bucket in &mut counting {
            bucket.fill(now);
        }
        let admitted = counting.iter().all(|bucket| bucket.tokens >= 1.0);
        if admitted {
            for bucket in counting {
                bucket.tokens -= 1.0;
            }
        }
        admitted
    }
}

impl Limit {
    fn counts(&self, call: &Call) -> bool {
        self.service == call.service && self.operations.iter().any(|begin| call.operation.starts_with(begin))
    }
}

impl Bucket {
    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.limit.rate).min(self.limit.burst);
        self.filled = now;
    }
}
