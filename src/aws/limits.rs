//! How fast AWS lets us call: one pacer per published limit, so that we wait before a call and not after a refusal.
//!
//! Sources: API Gateway "Quotas for configuring and running a REST API", Lambda "Quotas: Lambda API requests", KMS
//! "Request quotas", CloudWatch "CloudWatch service quotas", Systems Manager "Parameter Store throughput",
//! EventBridge "Quotas for EventBridge", Logs "CloudWatch Logs quotas", DynamoDB: the API reference of each operation. Per
//! account and region.

use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// One limit: the operations it counts (`service:Prefix*` or exact, separated by blanks), calls a second, burst.
struct Limit(&'static str, f64, f64);

#[rustfmt::skip]
const LIMITS: &[Limit] = &[
    Limit("apigateway:*", 10.0, 40.0),
    Limit("apigateway:CreateRestApi", 1.0 / 3.0, 1.0),
    Limit("apigateway:CreateResource apigateway:DeleteResource", 5.0, 5.0),
    Limit("apigateway:GetResources", 2.5, 5.0),
    Limit("apigateway:CreateDeployment", 1.0 / 5.0, 1.0),
    Limit("apigateway:CreateApiKey apigateway:DeleteApiKey", 5.0, 5.0),
    Limit("apigateway:UpdateUsagePlan", 1.0 / 20.0, 1.0),
    Limit("apigateway:UpdateAccount", 1.0 / 20.0, 1.0),
    Limit("apigateway:DeleteRestApi", 1.0 / 30.0, 1.0),
    Limit("lambda:GetFunction", 100.0, 100.0),
    Limit("lambda:GetPolicy", 15.0, 15.0),
    Limit("lambda:Create* lambda:Update* lambda:Delete* lambda:Put* lambda:Add* lambda:Remove* lambda:Tag* lambda:Untag* lambda:List* lambda:GetAccountSettings lambda:GetFunctionConcurrency lambda:GetFunctionEventInvokeConfig", 15.0, 15.0),
    Limit("kms:CreateKey", 5.0, 5.0),
    Limit("kms:CreateAlias kms:DeleteAlias kms:UpdateAlias", 5.0, 5.0),
    Limit("kms:PutKeyPolicy", 5.0, 5.0),
    Limit("kms:EnableKeyRotation kms:DisableKeyRotation", 5.0, 5.0),
    Limit("kms:ScheduleKeyDeletion", 5.0, 5.0),
    Limit("cloudwatch:PutMetricAlarm", 3.0, 3.0),
    Limit("cloudwatch:DeleteAlarms", 3.0, 3.0),
    Limit("cloudwatch:DescribeAlarms", 9.0, 9.0),
    Limit("ssm:PutParameter", 3.0, 3.0),
    Limit("dynamodb:DescribeContinuousBackups", 10.0, 10.0),
    Limit("dynamodb:ListTagsOfResource", 10.0, 10.0),
    Limit("dynamodb:TagResource dynamodb:UntagResource", 5.0, 5.0),
    Limit("logs:*", 10.0, 10.0),
    Limit("events:*", 50.0, 50.0),
];

impl Limit {
    fn counts(&self, operation: &str) -> bool {
        self.0.split(' ').any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => operation.starts_with(prefix),
            None => operation == pattern,
        })
    }
}

/// Holds calls back until every limit that counts them has room.
pub struct Pacer {
    buckets: Vec<Mutex<Bucket>>,
}

struct Bucket {
    /// The moment at which the bucket is, or was, full.
    full_at: Instant,
}

impl Pacer {
    /// A pacer with every bucket full.
    pub fn new() -> Self {
        let full_at = Instant::now();
        Self {
            buckets: LIMITS.iter().map(|_| Mutex::new(Bucket { full_at })).collect(),
        }
    }

    /// Waits until this call may leave.
    pub async fn admit(&self, operation: &str) {
        let now = Instant::now();
        let wait = LIMITS
            .iter()
            .zip(&self.buckets)
            .filter(|(limit, _)| limit.counts(operation))
            .map(|(Limit(_, rate, burst), bucket)| take(bucket, now, *rate, *burst))
            .max()
            .unwrap_or_default();
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

/// How much sooner than its predecessor a call may reach AWS: what counts there is when calls come, and not when they
/// leave here.
const JITTER: Duration = Duration::from_millis(250);

/// Takes one token and says how long its owner has to wait for it. Tokens are promised in the order of asking.
///
/// One token of a burst is never used, so that calls may come closer together than they left. Where there is but one,
/// calls are further apart than they would have to be.
fn take(bucket: &Mutex<Bucket>, now: Instant, rate: f64, burst: f64) -> Duration {
    let spare = if burst > 1.0 { Duration::ZERO } else { JITTER };
    let one = Duration::from_secs_f64(1.0 / rate) + spare;
    let capacity = one.mul_f64((burst - 1.0).max(1.0));
    // A panic cannot happen while this lock is held; if it ever does, the number inside is still a moment in time.
    let mut bucket = bucket.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    bucket.full_at = bucket.full_at.max(now) + one;
    bucket.full_at.saturating_duration_since(now + capacity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_the_rest_is_spread() {
        let now = Instant::now();
        let bucket = Mutex::new(Bucket { full_at: now });
        let waits: Vec<_> = (0..5).map(|_| take(&bucket, now, 2.0, 4.0).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 500, 1000]);
    }

    #[test]
    fn calls_that_must_be_alone_may_come_closer_together_than_they_left() {
        let now = Instant::now();
        let bucket = Mutex::new(Bucket { full_at: now });
        let waits: Vec<_> = (0..3).map(|_| take(&bucket, now, 0.2, 1.0).as_millis()).collect();
        assert_eq!(waits, [0, 5250, 10500]);
    }

    #[test]
    fn patterns_count_what_they_say() {
        assert!(LIMITS[0].counts("apigateway:GetRestApis"));
        assert!(!LIMITS[1].counts("apigateway:CreateResource"));
        assert!(LIMITS[2].counts("apigateway:DeleteResource"));
    }
}
