//! An alarm on one metric, or on an expression over several.

use crate::aws::absent::{gone, present};
use crate::aws::{Aws, Others, tags};
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Tags, Target};
use aws_sdk_cloudwatch::types as wire;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// The most that DescribeAlarms gives in one page.
const PAGE: i32 = 100;

/// An alarm's properties. Either `metric` is set or `queries` has something in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// Up to 255 characters, unique in the account and region.
    pub name: String,
    /// Up to 1024 characters.
    pub description: String,
    /// What is watched, for an alarm on one metric.
    pub metric: Option<Metric>,
    /// What is watched, for an alarm on an expression: exactly one of them returns data.
    pub queries: Vec<Query>,
    /// `GreaterThanThreshold` or another of CloudWatch's operators.
    pub comparison: String,
    /// What the value is compared with.
    pub threshold: f64,
    /// How many periods are looked at.
    pub evaluation_periods: u32,
    /// What missing data counts as: `breaching`, `notBreaching`, `ignore` or `missing`.
    pub missing_data: String,
    /// The ARNs of what is told when the alarm goes off.
    pub alarm_actions: BTreeSet<String>,
    /// Are they told at all?
    #[serde(default = "yes")]
    pub actions_enabled: bool,
    /// What somebody else set.
    #[serde(default)]
    pub others: Others,
    /// Tags.
    pub tags: Tags,
}

/// CloudWatch's own default, which also holds for specs that say nothing of it.
fn yes() -> bool {
    true
}

/// A statistic of a metric.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Metric {
    /// Such as `AWS/Lambda`.
    pub namespace: String,
    /// Such as `Errors`.
    pub name: String,
    /// Which of the namespace's things are meant.
    pub dimensions: BTreeMap<String, String>,
    /// `Sum`, `Average`, `Maximum`, `Minimum`, `SampleCount`, or a percentile such as `p99`.
    pub statistic: String,
    /// Over how many seconds.
    pub period_seconds: u32,
}

/// One line of an expression: either a metric or an expression over other lines.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Query {
    /// What other lines call it; begins with a small letter.
    pub id: String,
    /// Metric math over the ids of other lines.
    pub expression: Option<String>,
    /// What a graph calls it.
    pub label: Option<String>,
    /// The metric.
    pub metric: Option<Metric>,
    /// Is this the value that is compared with the threshold?
    pub return_data: bool,
}

/// Reconciles [`Spec`].
pub struct Alarm(pub Arc<Aws>);

impl Reconciler for Alarm {
    type Spec = Spec;
    const KIND: &'static str = "cloudwatch.alarm";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const IDENTITY: &'static [&'static str] = &["name"];
    const TAGGED: bool = true;
    /// Alarms are read from a list, which follows them.
    const STALE_READS: bool = true;

    fn predict(&self, spec: &Spec) -> Outputs {
        let arn = self.0.arn("cloudwatch", &format!("alarm:{}", spec.name));
        Outputs::from([("arn".to_owned(), arn), ("name".to_owned(), spec.name.clone())])
    }

    /// By name, from the list of all alarms, which is read once for all that are looked for while nothing changes.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let name = &target.spec.name;
        let all = if self.0.is_changing() {
            Arc::new(list(&self.0, Some(name)).await?)
        } else {
            let key = "cloudwatch:DescribeAlarms";
            self.0.shared(key, || list(&self.0, None)).await?
        };
        let Some(alarm) = all.get(name) else { return Ok(None) };
        let mut outputs = self.predict(target.spec);
        if let Some(arn) = &alarm.alarm_arn {
            outputs.insert("arn".to_owned(), arn.clone());
        }
        let arn = outputs.get("arn").cloned().unwrap_or_default();
        let found = self
            .0
            .call("cloudwatch:ListTagsForResource", || {
                self.0.cloudwatch.list_tags_for_resource().resource_arn(&arn).send()
            })
            .await;
        // Deleted between the two calls.
        let Some(found) = present(found)? else { return Ok(None) };
        let tags = found.tags.unwrap_or_default();
        Ok(Some(Observed::new(observed(alarm, tags, target.spec), outputs)))
    }

    /// Idempotent.
    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        self.put(spec, Some(to_wire(&spec.tags))).await?;
        Ok(self.predict(spec))
    }

    /// CloudWatch replaces an alarm as a whole, only its state, its history and its tags stay.
    async fn update(&self, live: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        let arn = live.output("arn");
        if changes.any(&[
            "description",
            "metric",
            "queries",
            "comparison",
            "threshold",
            "evaluation_periods",
            "missing_data",
            "alarm_actions",
            "actions_enabled",
            "others",
        ]) {
            self.put(spec, None).await?;
        }
        if changes.has("tags") {
            let aws = &self.0;
            tags::sync(
                &live.spec.tags,
                &spec.tags,
                |keys| async move {
                    aws.call("cloudwatch:UntagResource", || {
                        let untag = aws.cloudwatch.untag_resource().resource_arn(arn);
                        untag.set_tag_keys(Some(keys.clone())).send()
                    })
                    .await
                },
                |tags| async move {
                    aws.call("cloudwatch:TagResource", || {
                        let tag = aws.cloudwatch.tag_resource().resource_arn(arn);
                        tag.set_tags(Some(to_wire(&tags))).send()
                    })
                    .await
                },
            )
            .await?;
        }
        Ok(())
    }

    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let name = &live.spec.name;
        let deleted = self
            .0
            .call("cloudwatch:DeleteAlarms", || {
                self.0.cloudwatch.delete_alarms().alarm_names(name).send()
            })
            .await;
        gone(deleted)
    }
}

impl Alarm {
    /// Tags count only for an alarm that is not there yet.
    async fn put(&self, spec: &Spec, tags: Option<Vec<wire::Tag>>) -> Result<(), Failure> {
        let metric = spec.metric.as_ref();
        let (plain, extended) = metric.map(statistic).unwrap_or_default();
        let queries: Vec<_> = spec.queries.iter().map(query).collect();
        let queries = Some(queries).filter(|queries| !queries.is_empty());
        let actions: Vec<_> = spec.alarm_actions.iter().cloned().collect();
        self.0
            .call("cloudwatch:PutMetricAlarm", || {
                self.0
                    .cloudwatch
                    .put_metric_alarm()
                    .alarm_name(&spec.name)
                    .alarm_description(&spec.description)
                    .set_namespace(metric.map(|metric| metric.namespace.clone()))
                    .set_metric_name(metric.map(|metric| metric.name.clone()))
                    .set_dimensions(metric.map(dimensions))
                    .set_period(metric.map(|metric| signed(metric.period_seconds)))
                    .set_statistic(plain.clone())
                    .set_extended_statistic(extended.clone())
                    .set_metrics(queries.clone())
                    .comparison_operator(wire::ComparisonOperator::from(spec.comparison.as_str()))
                    .threshold(spec.threshold)
                    .evaluation_periods(signed(spec.evaluation_periods))
                    .treat_missing_data(&spec.missing_data)
                    .set_alarm_actions(Some(actions.clone()))
                    .actions_enabled(spec.actions_enabled)
                    .set_tags(tags.clone())
                    .send()
            })
            .await?;
        Ok(())
    }
}

/// The metric alarm of this name, or all of the account and region, by name.
async fn list(aws: &Aws, name: Option<&str>) -> Result<HashMap<String, wire::MetricAlarm>, Failure> {
    let names = name.map(|name| vec![name.to_owned()]);
    let mut all = HashMap::new();
    let mut token: Option<String> = None;
    loop {
        let page = aws
            .call("cloudwatch:DescribeAlarms", || {
                let describe = aws.cloudwatch.describe_alarms().max_records(PAGE);
                let describe = describe.set_alarm_names(names.clone());
                describe.set_next_token(token.clone()).send()
            })
            .await?;
        let alarms = page.metric_alarms.unwrap_or_default().into_iter();
        all.extend(alarms.filter_map(|alarm| Some((alarm.alarm_name.clone()?, alarm))));
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(all);
        }
    }
}

fn observed(alarm: &wire::MetricAlarm, tags: Vec<wire::Tag>, wanted: &Spec) -> Spec {
    let metric = single_metric(alarm);
    let mut queries: Vec<_> = alarm.metrics().iter().map(observed_query).collect();
    // The lines are told apart by their ids; CloudWatch does not promise an order.
    queries.sort_by_key(|query| {
        wanted
            .queries
            .iter()
            .position(|one| one.id == query.id)
            .unwrap_or(usize::MAX)
    });
    if metric.is_none() && queries.is_empty() {
        // An alarm always watches something: whoever says nothing of it keeps it, but cannot tell.
        queries.clone_from(&wanted.queries);
    }
    let comparison = alarm.comparison_operator.as_ref();
    let tags = tags
        .into_iter()
        .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())));
    Spec {
        name: alarm.alarm_name.clone().unwrap_or_default(),
        description: alarm.alarm_description.clone().unwrap_or_default(),
        metric,
        queries,
        comparison: comparison
            .map(|operator| operator.as_str().to_owned())
            .unwrap_or_default(),
        threshold: alarm.threshold.unwrap_or_default(),
        evaluation_periods: unsigned(alarm.evaluation_periods),
        missing_data: alarm.treat_missing_data.clone().unwrap_or_else(|| "missing".to_owned()),
        alarm_actions: alarm.alarm_actions().iter().cloned().collect(),
        actions_enabled: alarm.actions_enabled.unwrap_or_else(yes),
        others: others(alarm),
        tags: tags::ours(tags),
    }
}

/// What keeps an alarm from going off when it should, or has it tell others. It goes when the alarm is put as a whole.
fn others(alarm: &wire::MetricAlarm) -> Others {
    let set = |is_set: bool| json!(is_set.then_some("set"));
    let unit = alarm.unit.as_ref().map(wire::StandardUnit::as_str);
    // A line that looks into another account, at one unit alone or over a period of its own.
    let unusual = |query: &&wire::MetricDataQuery| {
        let stat = query.metric_stat.as_ref();
        query.account_id.is_some() || query.period.is_some() || stat.is_some_and(|stat| stat.unit.is_some())
    };
    let lines = alarm.metrics().iter().filter(unusual);
    let lines: Vec<_> = lines.filter_map(|query| query.id.as_deref()).collect();
    Others::of([
        ("OKActions", json!(alarm.ok_actions), Value::Null),
        (
            "InsufficientDataActions",
            json!(alarm.insufficient_data_actions),
            Value::Null,
        ),
        ("Unit", json!(unit), Value::Null),
        (
            "DatapointsToAlarm",
            json!(alarm.datapoints_to_alarm),
            json!(alarm.evaluation_periods),
        ),
        (
            "EvaluateLowSampleCountPercentile",
            json!(alarm.evaluate_low_sample_count_percentile),
            json!("evaluate"),
        ),
        ("ThresholdMetricId", json!(alarm.threshold_metric_id), Value::Null),
        ("EvaluationWindow", set(alarm.evaluation_window.is_some()), Value::Null),
        (
            "EvaluationCriteria",
            set(alarm.evaluation_criteria.is_some()),
            Value::Null,
        ),
        ("EvaluationInterval", json!(alarm.evaluation_interval), Value::Null),
        (
            "WarmUpConfiguration",
            set(alarm.warm_up_configuration.is_some()),
            Value::Null,
        ),
        ("Metrics", json!(lines), Value::Null),
    ])
}

/// The metric of an alarm on one metric.
fn single_metric(alarm: &wire::MetricAlarm) -> Option<Metric> {
    let name = alarm.metric_name.clone().filter(|name| !name.is_empty())?;
    let plain = alarm.statistic.as_ref().map(|statistic| statistic.as_str().to_owned());
    let extended = alarm
        .extended_statistic
        .clone()
        .filter(|statistic| !statistic.is_empty());
    Some(Metric {
        namespace: alarm.namespace.clone().unwrap_or_default(),
        name,
        dimensions: observed_dimensions(alarm.dimensions()),
        statistic: extended.or(plain).unwrap_or_default(),
        period_seconds: unsigned(alarm.period),
    })
}

fn observed_query(query: &wire::MetricDataQuery) -> Query {
    let metric = query.metric_stat.as_ref().map(|stat| {
        let metric = stat.metric.as_ref();
        Metric {
            namespace: metric.and_then(|metric| metric.namespace.clone()).unwrap_or_default(),
            name: metric.and_then(|metric| metric.metric_name.clone()).unwrap_or_default(),
            dimensions: metric
                .map(|metric| observed_dimensions(metric.dimensions()))
                .unwrap_or_default(),
            statistic: stat.stat.clone().unwrap_or_default(),
            period_seconds: unsigned(stat.period),
        }
    });
    Query {
        id: query.id.clone().unwrap_or_default(),
        expression: query.expression.clone().filter(|text| !text.is_empty()),
        label: query.label.clone().filter(|text| !text.is_empty()),
        metric,
        // CloudWatch's own default.
        return_data: query.return_data.unwrap_or(true),
    }
}

fn observed_dimensions(dimensions: &[wire::Dimension]) -> BTreeMap<String, String> {
    let pairs = dimensions.iter().cloned();
    pairs
        .filter_map(|dimension| Some((dimension.name?, dimension.value.unwrap_or_default())))
        .collect()
}

fn query(query: &Query) -> wire::MetricDataQuery {
    let stat = query.metric.as_ref().map(|metric| {
        let named = wire::Metric::builder()
            .namespace(&metric.namespace)
            .metric_name(&metric.name)
            .set_dimensions(Some(dimensions(metric)))
            .build();
        wire::MetricStat::builder()
            .metric(named)
            .stat(&metric.statistic)
            .period(signed(metric.period_seconds))
            .build()
    });
    wire::MetricDataQuery::builder()
        .id(&query.id)
        .set_expression(query.expression.clone())
        .set_label(query.label.clone())
        .set_metric_stat(stat)
        .return_data(query.return_data)
        .build()
}

fn dimensions(metric: &Metric) -> Vec<wire::Dimension> {
    let pairs = metric.dimensions.iter();
    pairs
        .map(|(name, value)| wire::Dimension::builder().name(name).value(value).build())
        .collect()
}

/// The five plain statistics are one field of an alarm, and all others another.
fn statistic(metric: &Metric) -> (Option<wire::Statistic>, Option<String>) {
    match wire::Statistic::try_parse(&metric.statistic) {
        Ok(plain) => (Some(plain), None),
        Err(_) => (None, Some(metric.statistic.clone())),
    }
}

fn to_wire(tags: &Tags) -> Vec<wire::Tag> {
    tags.iter()
        .map(|(key, value)| wire::Tag::builder().key(key).value(value).build())
        .collect()
}

fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn unsigned(number: Option<i32>) -> u32 {
    number.and_then(|number| number.try_into().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, statistic: &str) -> Metric {
        Metric {
            namespace: "AWS/Lambda".into(),
            name: name.into(),
            dimensions: BTreeMap::from([("FunctionName".into(), "f".into())]),
            statistic: statistic.into(),
            period_seconds: 300,
        }
    }

    fn line(id: &str, metric: Option<Metric>) -> Query {
        Query {
            id: id.into(),
            expression: metric.is_none().then(|| "100*errors".into()),
            label: None,
            return_data: metric.is_none(),
            metric,
        }
    }

    fn spec(queries: Vec<Query>) -> Spec {
        Spec {
            name: "a".into(),
            description: String::new(),
            metric: None,
            queries,
            comparison: "GreaterThanThreshold".into(),
            threshold: 1.0,
            evaluation_periods: 1,
            missing_data: "notBreaching".into(),
            alarm_actions: BTreeSet::new(),
            actions_enabled: true,
            others: Others::default(),
            tags: Tags::new(),
        }
    }

    #[test]
    fn an_expression_reads_back_as_written_in_whatever_order() {
        let wanted = spec(vec![line("rate", None), line("errors", Some(metric("Errors", "Sum")))]);
        let lines = wanted.queries.iter().rev().map(query).collect();
        let alarm = wire::MetricAlarm::builder().set_metrics(Some(lines)).build();
        let found = observed(&alarm, Vec::new(), &wanted);
        assert_eq!(format!("{:?}", found.queries), format!("{:?}", wanted.queries));
    }

    #[test]
    fn a_percentile_is_an_extended_statistic() {
        assert_eq!(statistic(&metric("Duration", "p99")), (None, Some("p99".into())));
        assert_eq!(
            statistic(&metric("Duration", "Sum")),
            (Some(wire::Statistic::Sum), None)
        );
        let alarm = wire::MetricAlarm::builder()
            .metric_name("Duration")
            .extended_statistic("p99")
            .build();
        assert_eq!(single_metric(&alarm).map(|metric| metric.statistic), Some("p99".into()));
    }

    #[test]
    fn an_alarm_that_tells_nobody_shows_as_such() {
        let wanted = spec(Vec::new());
        let found = |alarm: wire::MetricAlarm| observed(&alarm, Vec::new(), &wanted).actions_enabled;
        assert!(!found(wire::MetricAlarm::builder().actions_enabled(false).build()));
        assert!(found(wire::MetricAlarm::builder().build()));
    }

    #[test]
    fn tags_of_aws_are_left_out() {
        let tags = to_wire(&Tags::from([("aws:x".into(), "1".into()), ("y".into(), "2".into())]));
        let found = observed(&wire::MetricAlarm::builder().build(), tags, &spec(Vec::new()));
        assert_eq!(found.tags, Tags::from([("y".into(), "2".into())]));
    }
}
