//! How many requests the usage plan still allows.

use crate::aws::Aws;
use crate::resource::Failure;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

/// What the usage plan allows the API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests in one period.
    pub limit: u64,
    /// `DAY`, `WEEK` or `MONTH`.
    pub period: String,
    /// What is left of them, where API Gateway tells. It tells with a delay of its own.
    pub left: Option<u64>,
}

impl Quota {
    /// How many of so many requests will be answered with 429, as far as is known.
    pub fn refused(&self, planned: u64) -> u64 {
        planned.saturating_sub(self.left.unwrap_or(self.limit))
    }
}

/// What a usage plan allows a key, at this time in seconds since the Unix epoch; nothing where it has no quota.
///
/// # Errors
/// AWS refuses to tell the plan. That it does not tell the usage is no failure.
pub async fn quota(aws: &Aws, plan: &str, key: &str, now: u64) -> Result<Option<Quota>, Failure> {
    let read = || aws.apigateway.get_usage_plan().usage_plan_id(plan).send();
    let found = aws.call("apigateway:GetUsagePlan", read).await?;
    let Some(quota) = found.quota else { return Ok(None) };
    let today = date(now);
    let usage = aws
        .call("apigateway:GetUsage", || {
            aws.apigateway
                .get_usage()
                .usage_plan_id(plan)
                .key_id(key)
                .start_date(&today)
                .end_date(&today)
                .send()
        })
        .await;
    let days = usage.ok().and_then(|usage| usage.items?.remove(key));
    Ok(Some(Quota {
        limit: u64::try_from(quota.limit).unwrap_or_default(),
        period: quota
            .period
            .map(|period| period.as_str().to_owned())
            .unwrap_or_default(),
        left: days.and_then(|days| left(&days)),
    }))
}

/// What is left after the last day that is told: each day is what was used on it, and what was left then.
fn left(days: &[Vec<i64>]) -> Option<u64> {
    u64::try_from(*days.last()?.get(1)?).ok()
}

/// A day in UTC, as 2018-04-01.
fn date(seconds: u64) -> String {
    let at = DateTime::from_secs(i64::try_from(seconds).unwrap_or_default());
    let text = at.fmt(Format::DateTime).unwrap_or_default();
    text.chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(left: Option<u64>) -> Quota {
        Quota {
            limit: 1_000,
            period: "DAY".into(),
            left,
        }
    }

    #[test]
    fn what_is_more_than_is_left_is_refused() {
        assert_eq!(quota(Some(300)).refused(300), 0);
        assert_eq!(quota(Some(300)).refused(301), 1);
        assert_eq!(quota(Some(0)).refused(5), 5);
        // Nobody tells what was used: then nothing was.
        assert_eq!(quota(None).refused(1_000), 0);
        assert_eq!(quota(None).refused(1_200), 200);
    }

    #[test]
    fn the_last_day_tells_what_is_left() {
        assert_eq!(left(&[vec![10, 990], vec![5, 985]]), Some(985));
        assert_eq!(left(&[vec![1_000, 0]]), Some(0));
        assert_eq!(left(&[]), None);
        assert_eq!(left(&[vec![7]]), None);
    }

    #[test]
    fn days_are_those_of_utc() {
        assert_eq!(date(1_522_540_799), "2018-03-31");
        assert_eq!(date(1_522_540_800), "2018-04-01");
    }
}
