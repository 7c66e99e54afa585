//! What an operator looks at first: is there traffic, what is suspicious, how fast, what fails, what is stuck.

use super::api::{self, Api};
use super::base::{METRICS, Stack, add};
use super::functions::Functions;
use super::messaging::Messaging;
use crate::aws::cloudwatch::dashboard;
use crate::engine::Graph;
use crate::resource::Handle;
use serde_json::{Value, json};

const DASHBOARD: &str = "monitoring.dashboard";
/// The grid of a dashboard.
const COLUMNS: usize = 24;
/// The rows of the grid that a picture takes, and the alarms.
const PICTURE: usize = 6;
const ALARMS: usize = 3;

pub fn declare(
    stack: &Stack,
    graph: &mut Graph,
    messaging: &Messaging,
    functions: &Functions,
    api: &Api,
    alarms: &[Handle],
) {
    let pictures = Pictures {
        stack,
        messaging,
        functions,
        api,
    };
    let alarms: Vec<String> = alarms.iter().map(|alarm| alarm.arn().named_only().into()).collect();
    let mut widgets = vec![json!({
        "type": "alarm",
        "x": 0,
        "y": 0,
        "width": COLUMNS,
        "height": ALARMS,
        "properties": {"title": "Alarms", "alarms": alarms}
    })];
    let rows = [
        pictures.traffic(),
        pictures.latency(),
        pictures.failures(),
        pictures.backlog(),
        pictures.throttles(),
    ];
    for (number, row) in rows.into_iter().enumerate() {
        let width = COLUMNS / row.len();
        for (place, picture) in row.into_iter().enumerate() {
            widgets.push(json!({
                "type": "metric",
                "x": place * width,
                "y": ALARMS + number * PICTURE,
                "width": width,
                "height": PICTURE,
                "properties": picture.properties(stack.region)
            }));
        }
    }
    add::<dashboard::Dashboard>(
        graph,
        DASHBOARD,
        dashboard::Spec {
            name: stack.named("fraud-detection"),
            body: json!({"widgets": widgets}),
            tags: stack.global_tags(DASHBOARD),
        },
    );
}

/// Lines over time.
struct Picture {
    title: &'static str,
    /// What the axis counts.
    unit: &'static str,
    period_seconds: u32,
    lines: Vec<Value>,
}

impl Picture {
    /// A point a minute.
    fn new(title: &'static str, unit: &'static str, lines: Vec<Value>) -> Self {
        Self {
            title,
            unit,
            period_seconds: 60,
            lines,
        }
    }

    /// A point every five minutes, which is as often as the analyzer runs.
    fn slow(title: &'static str, unit: &'static str, lines: Vec<Value>) -> Self {
        Self {
            period_seconds: 300,
            ..Self::new(title, unit, lines)
        }
    }

    fn properties(self, region: &str) -> Value {
        json!({
            "title": self.title,
            "region": region,
            "view": "timeSeries",
            "stacked": false,
            "period": self.period_seconds,
            "metrics": self.lines,
            "yAxis": {"left": {"min": 0, "label": self.unit, "showUnits": false}}
        })
    }
}

struct Pictures<'a> {
    stack: &'a Stack<'a>,
    messaging: &'a Messaging,
    functions: &'a Functions,
    api: &'a Api,
}

impl Pictures<'_> {
    fn traffic(&self) -> Vec<Picture> {
        vec![
            Picture::new(
                "Transactions",
                "a minute",
                vec![
                    self.of_api("Count", "Sum", "Requests"),
                    self.own("Scored", "Sum", "Scored"),
                ],
            ),
            Picture::slow(
                "Suspicious share",
                "%",
                vec![
                    json!([{"id": "share", "expression": "100*FILL(suspicious,0)/scored", "label": "Suspicious"}]),
                    self.input("Scored", "scored"),
                    self.input("Suspicious", "suspicious"),
                ],
            ),
            Picture::slow(
                "Alerts",
                "in 5 minutes",
                vec![
                    self.own("Suspicious", "Sum", "Suspicious"),
                    self.own("Alerts", "Sum", "Alerts"),
                    self.own("PatternAlerts", "Sum", "Pattern alerts"),
                ],
            ),
        ]
    }

    fn latency(&self) -> Vec<Picture> {
        let percentiles = |line: &dyn Fn(&str) -> Value| ["p50", "p95", "p99"].map(line).into();
        let (processor, analyzer) = (&self.functions.processor, &self.functions.analyzer);
        vec![
            Picture::new(
                "API latency",
                "ms",
                percentiles(&|statistic| self.of_api("Latency", statistic, statistic)),
            ),
            Picture::new(
                "Processor: scoring and storing",
                "ms",
                percentiles(&|statistic| self.own("Latency", statistic, statistic)),
            ),
            Picture::new(
                "Processor duration",
                "ms",
                percentiles(&|statistic| of_function(processor, "Duration", statistic, statistic)),
            ),
            Picture::slow(
                "Analyzer duration",
                "ms",
                percentiles(&|statistic| of_function(analyzer, "Duration", statistic, statistic)),
            ),
        ]
    }

    fn failures(&self) -> Vec<Picture> {
        vec![
            Picture::new(
                "API errors",
                "a minute",
                vec![
                    self.of_api("5XXError", "Sum", "5XX"),
                    self.of_api("4XXError", "Sum", "4XX"),
                ],
            ),
            Picture::new(
                "Function errors",
                "a minute",
                vec![
                    of_function(&self.functions.processor, "Errors", "Sum", "Processor"),
                    of_function(&self.functions.analyzer, "Errors", "Sum", "Analyzer"),
                    self.own("Errors", "Sum", "Answered with 500"),
                ],
            ),
            Picture::new(
                "Not scored",
                "a minute",
                vec![
                    self.own("Invalid", "Sum", "Invalid"),
                    self.own("Conflicts", "Sum", "Conflicts"),
                    self.own("Duplicates", "Sum", "Duplicates"),
                ],
            ),
        ]
    }

    fn backlog(&self) -> Vec<Picture> {
        let messaging = self.messaging;
        let depth = |queue, label| of_queue(queue, "ApproximateNumberOfMessagesVisible", label);
        vec![
            Picture::new(
                "Oldest alert in the queue",
                "seconds",
                vec![of_queue(
                    &messaging.alerts_queue,
                    "ApproximateAgeOfOldestMessage",
                    "Age",
                )],
            ),
            Picture::slow(
                "Alerts not sent yet",
                "in 5 minutes",
                vec![
                    self.own("PendingAlerts", "Maximum", "Pending"),
                    self.own("AlertsFailed", "Sum", "Failed"),
                    self.own("AlertsSwept", "Sum", "Sent late"),
                ],
            ),
            Picture::new(
                "Dead letters",
                "messages",
                vec![
                    depth(&messaging.alerts_dlq, "Alerts"),
                    depth(&messaging.lambda_dlq, "Events"),
                ],
            ),
        ]
    }

    fn throttles(&self) -> Vec<Picture> {
        let (processor, analyzer) = (&self.functions.processor, &self.functions.analyzer);
        vec![
            Picture::new(
                "Throttles",
                "a minute",
                vec![
                    of_function(processor, "Throttles", "Sum", "Processor"),
                    of_function(analyzer, "Throttles", "Sum", "Analyzer"),
                ],
            ),
            Picture::new(
                "Concurrent executions",
                "executions",
                vec![
                    of_function(processor, "ConcurrentExecutions", "Maximum", "Processor"),
                    of_function(analyzer, "ConcurrentExecutions", "Maximum", "Analyzer"),
                ],
            ),
            Picture::slow(
                "Pattern analysis",
                "in 5 minutes",
                vec![
                    self.own("SuspiciousInWindow", "Maximum", "Suspicious in the window"),
                    self.own("ConsumedReadUnits", "Sum", "Read units"),
                ],
            ),
            Picture::slow(
                "Fallbacks",
                "in 5 minutes",
                vec![
                    self.own("RulesFallback", "Sum", "Built-in rules"),
                    self.own("ThresholdFallback", "Sum", "Old or built-in threshold"),
                ],
            ),
        ]
    }

    /// A metric that the functions write themselves.
    fn own(&self, name: &str, statistic: &str, label: &str) -> Value {
        let env = &self.stack.settings.env;
        json!([METRICS, name, "Environment", env, {"stat": statistic, "label": label}])
    }

    /// The same, only for an expression to refer to.
    fn input(&self, name: &str, id: &str) -> Value {
        let env = &self.stack.settings.env;
        json!([METRICS, name, "Environment", env, {"id": id, "stat": "Sum", "visible": false}])
    }

    fn of_api(&self, name: &str, statistic: &str, label: &str) -> Value {
        let options = json!({"stat": statistic, "label": label});
        json!([
            "AWS/ApiGateway",
            name,
            "ApiName",
            self.api.name,
            "Stage",
            api::STAGE,
            options
        ])
    }
}

fn of_function(function: &Handle, name: &str, statistic: &str, label: &str) -> Value {
    let function = function.name().named_only();
    json!(["AWS/Lambda", name, "FunctionName", function, {"stat": statistic, "label": label}])
}

fn of_queue(queue: &Handle, name: &str, label: &str) -> Value {
    let queue = queue.name().named_only();
    json!(["AWS/SQS", name, "QueueName", queue, {"stat": "Maximum", "label": label}])
}
