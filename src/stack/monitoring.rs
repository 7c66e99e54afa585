//! What wakes somebody up.

use super::api::{self, Api};
use super::base::{METRICS, Stack, add};
use super::functions::Functions;
use super::messaging::Messaging;
use crate::aws::Others;
use crate::aws::cloudwatch::alarm::{Alarm, Metric, Query, Spec};
use crate::engine::Graph;
use crate::resource::Handle;
use std::collections::BTreeMap;

const FIVE_MINUTES: u32 = 300;

const TEN_MINUTES: u32 = 600;

/// Declares the alarms, and returns them in the order in which somebody who was woken looks at them.
pub fn declare(
    stack: &Stack,
    graph: &mut Graph,
    messaging: &Messaging,
    functions: &Functions,
    api: &Api,
) -> Vec<Handle> {
    let mut alarms = Alarms {
        stack,
        ops: &messaging.ops,
        declared: Vec::new(),
    };
    of_functions(&mut alarms, graph, functions);
    of_api(&mut alarms, graph, api);
    of_queues(&mut alarms, graph, messaging);
    of_own_metrics(&mut alarms, graph);
    alarms.declared
}

fn of_functions(alarms: &mut Alarms, graph: &mut Graph, functions: &Functions) {
    for (short, name, function) in [
        ("processor", "transaction-processor", &functions.processor),
        ("analyzer", "pattern-analyzer", &functions.analyzer),
    ] {
        let function = function.name().named_only().to_string();
        let metric = |metric: &str| Metric {
            namespace: "AWS/Lambda".to_owned(),
            name: metric.to_owned(),
            dimensions: BTreeMap::from([("FunctionName".to_owned(), function.clone())]),
            statistic: "Sum".to_owned(),
            period_seconds: FIVE_MINUTES,
        };
        alarms.math(
            graph,
            &format!("monitoring.{short}_errors"),
            &format!("{name}-errors"),
            &format!("More than 1 % of the invocations of {name} failed within 5 minutes"),
            1.0,
            error_rate(metric("Errors"), metric("Invocations")),
        );
        alarms.simple(
            graph,
            &format!("monitoring.{short}_throttles"),
            &format!("{name}-throttles"),
            &format!("Invocations of {name} were throttled"),
            Limit::above(0.0),
            metric("Throttles"),
        );
    }
    let silent = Metric {
        namespace: "AWS/Lambda".to_owned(),
        name: "Invocations".to_owned(),
        dimensions: BTreeMap::from([("FunctionName".to_owned(), functions.analyzer.name().named_only().into())]),
        statistic: "Sum".to_owned(),
        period_seconds: 900,
    };
    alarms.simple(
        graph,
        "monitoring.analyzer_silent",
        "pattern-analyzer-not-invoked",
        "The pattern analyzer was not invoked for 15 minutes",
        // No data is just what this alarm is about.
        Limit {
            comparison: "LessThanThreshold",
            threshold: 1.0,
            missing_data: "breaching",
            periods: 1,
        },
        silent,
    );
}

fn of_api(alarms: &mut Alarms, graph: &mut Graph, api: &Api) {
    let api_errors = Metric {
        namespace: "AWS/ApiGateway".to_owned(),
        name: "5XXError".to_owned(),
        dimensions: BTreeMap::from([
            ("ApiName".to_owned(), api.name.clone()),
            ("Stage".to_owned(), api::STAGE.to_owned()),
        ]),
        // The average of this metric is the rate.
        statistic: "Average".to_owned(),
        period_seconds: FIVE_MINUTES,
    };
    alarms.simple(
        graph,
        "monitoring.api_errors",
        "fraud-detection-api-5xx",
        "More than 1 % of the API's answers were server errors within 5 minutes",
        Limit::above(0.01),
        api_errors,
    );
}

fn of_queues(alarms: &mut Alarms, graph: &mut Graph, messaging: &Messaging) {
    let queues = [
        (
            "alert_backlog",
            "fraud-alerts-queue-age",
            "An alert has waited for more than an hour",
            3600.0,
            &messaging.alerts_queue,
        ),
        (
            "alerts_dlq",
            "fraud-alerts-dlq-depth",
            "Alerts could not be handled or delivered",
            0.0,
            &messaging.alerts_dlq,
        ),
        (
            "lambda_dlq",
            "lambda-dlq-depth",
            "Events could not be handled by a function",
            0.0,
            &messaging.lambda_dlq,
        ),
    ];
    for (address, name, description, threshold, queue) in queues {
        let age = address == "alert_backlog";
        let metric = if age {
            "ApproximateAgeOfOldestMessage"
        } else {
            "ApproximateNumberOfMessagesVisible"
        };
        let metric = Metric {
            namespace: "AWS/SQS".to_owned(),
            name: metric.to_owned(),
            dimensions: BTreeMap::from([("QueueName".to_owned(), queue.name().named_only().into())]),
            statistic: "Maximum".to_owned(),
            period_seconds: FIVE_MINUTES,
        };
        let address = format!("monitoring.{address}");
        alarms.simple(graph, &address, name, description, Limit::above(threshold), metric);
    }
}

/// On what the functions count themselves.
fn of_own_metrics(alarms: &mut Alarms, graph: &mut Graph) {
    let env = alarms.stack.settings.env.clone();
    let own = |name: &str, statistic: &str, period_seconds| Metric {
        namespace: METRICS.to_owned(),
        name: name.to_owned(),
        dimensions: BTreeMap::from([("Environment".to_owned(), env.clone())]),
        statistic: statistic.to_owned(),
        period_seconds,
    };
    alarms.simple(
        graph,
        "monitoring.alerts_pending",
        "fraud-alerts-pending",
        "Alerts could not be sent for 20 minutes, though the analyzer tried again",
        // The analyzer sends what is pending every 5 minutes: what it finds in two periods is stuck.
        Limit {
            periods: 2,
            ..Limit::above(0.0)
        },
        own("PendingAlerts", "Maximum", TEN_MINUTES),
    );
    alarms.simple(
        graph,
        "monitoring.rules_fallback",
        "fraud-rules-fallback",
        "Transactions are scored by the built-in rules, because those of the parameter cannot be used",
        Limit::above(0.0),
        own("RulesFallback", "Sum", FIVE_MINUTES),
    );
}

/// The share of failed invocations in percent. Errors are counted before invocations are, hence the larger of both.
fn error_rate(errors: Metric, invocations: Metric) -> Vec<Query> {
    let input = |id: &str, metric| Query {
        id: id.to_owned(),
        expression: None,
        label: None,
        metric: Some(metric),
        return_data: false,
    };
    vec![
        input("errors", errors),
        input("invocations", invocations),
        Query {
            id: "rate".to_owned(),
            expression: Some("100*errors/MAX([errors,invocations])".to_owned()),
            label: Some("Error rate (%)".to_owned()),
            metric: None,
            return_data: true,
        },
    ]
}

struct Limit {
    comparison: &'static str,
    threshold: f64,
    missing_data: &'static str,
    /// For how many periods in a row it must be so.
    periods: u32,
}

impl Limit {
    fn above(threshold: f64) -> Self {
        Self {
            comparison: "GreaterThanThreshold",
            threshold,
            missing_data: "notBreaching",
            periods: 1,
        }
    }
}

struct Alarms<'a> {
    stack: &'a Stack<'a>,
    ops: &'a Handle,
    declared: Vec<Handle>,
}

impl Alarms<'_> {
    fn simple(
        &mut self,
        graph: &mut Graph,
        address: &str,
        name: &str,
        description: &str,
        limit: Limit,
        metric: Metric,
    ) {
        self.add(graph, address, name, description, limit, (Some(metric), Vec::new()));
    }

    fn math(
        &mut self,
        graph: &mut Graph,
        address: &str,
        name: &str,
        description: &str,
        threshold: f64,
        queries: Vec<Query>,
    ) {
        self.add(
            graph,
            address,
            name,
            description,
            Limit::above(threshold),
            (None, queries),
        );
    }

    fn add(
        &mut self,
        graph: &mut Graph,
        address: &str,
        name: &str,
        description: &str,
        limit: Limit,
        (metric, queries): (Option<Metric>, Vec<Query>),
    ) {
        let alarm = add::<Alarm>(
            graph,
            address,
            Spec {
                name: self.stack.named(name),
                description: description.to_owned(),
                metric,
                queries,
                comparison: limit.comparison.to_owned(),
                threshold: limit.threshold,
                evaluation_periods: limit.periods,
                missing_data: limit.missing_data.to_owned(),
                alarm_actions: [self.ops.arn().into()].into(),
                actions_enabled: true,
                others: Others::default(),
                tags: self.stack.tags(address),
            },
        );
        self.declared.push(alarm);
    }
}
