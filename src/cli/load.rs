use super::deploy::outputs;
use super::exit::{self, Exit};
use super::scope::{Scope, ScopeArgs};
use super::stop::Stop;
use super::{confirm, duration, json, print};
use crate::operate::load::pace::Schedule;
use crate::operate::load::quota::{self, Quota};
use crate::operate::load::report::Report;
use crate::operate::load::{Load, run as put_on};
use crate::operate::send;
use crate::resource::{Address, chain};
use crate::ui::Progress;
use clap::Args;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What API Gateway lets a whole account do in a second: "Quotas for configuring and running a REST API".
const MOST_A_SECOND: f64 = 10_000.0;
/// All of a run's transactions are simulated before the first is sent, in 20 bytes each.
const MOST: u64 = 1_000_000;
/// A load for longer than this is no load test.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// Where the usage plan is in the stack.
const USAGE_PLAN: &str = "api.usage_plan";

/// Sends simulated transactions to the deployed API at a constant rate, however slow the answers are, and reports
/// latencies from the moment that each was due, answers by status, and whether every alert arrived. They are stored and
/// scored like any others, and their alerts reach everybody who is subscribed. Exits with 0 only when all were answered
/// with 200 and every alert arrived once.
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// Transactions a second
    #[arg(long, allow_negative_numbers = true, default_value = "5", value_parser = rate)]
    rate: f64,
    /// For how long, as 90s, 5m or 1h
    #[arg(long, default_value = "30s", value_parser = length)]
    duration: Duration,
    /// What the transactions are simulated from: the same seed gives the same ones, but for their ids
    #[arg(long, allow_negative_numbers = true, default_value_t = 1, value_parser = super::simulate::seed)]
    seed: u64,
    /// Do not ask when the usage plan's quota will not last
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 && rate <= MOST_A_SECOND => Ok(rate),
        _ => Err(format!(
            "a rate is a number above 0 and at most {MOST_A_SECOND}, which is what API Gateway lets an account do in a second"
        )),
    }
}

fn length(text: &str) -> Result<Duration, String> {
    match duration::parse(text)? {
        Duration::ZERO => Err("it is nothing".to_owned()),
        long if long > LONGEST => Err("it is more than a day".to_owned()),
        length => Ok(length),
    }
}

/// How many transactions these make, 1 to [`MOST`].
fn schedule(rate: f64, duration: Duration) -> Result<Schedule, Exit> {
    // The rate and the duration are bounded, so that this is far from what does not fit.
    let count = (rate * duration.as_secs_f64()).round() as u64;
    if count == 0 {
        return Err(Exit::usage(format!(
            "{rate} a second for {} s is not one transaction; ask for more or for longer",
            duration.as_secs()
        )));
    }
    if count > MOST {
        return Err(Exit::usage(format!(
            "{rate} a second for {} s is {count} transactions, and a run has at most {MOST}; ask for less or for shorter",
            duration.as_secs()
        )));
    }
    Ok(Schedule { rate, count })
}

pub async fn run(args: LoadArgs, stop: &Stop) -> Result<(), Exit> {
    let schedule = schedule(args.rate, args.duration)?;
    let progress = Arc::new(Progress::new());
    let scope = args.scope.open_deployed(&progress).await?;
    let store = scope.store().await?;
    let outputs = outputs(&scope, &store);
    let output = |name: &str| {
        outputs
            .get(name)
            .ok_or_else(|| args.scope.nothing_deployed(&scope.home))
    };
    let (endpoint, key_id, topic) = (
        output("api_endpoint")?,
        output("api_key_id")?,
        output("alert_topic_arn")?,
    );
    let plan = store.state.resources.get(&Address::from(USAGE_PLAN));
    if let Some(plan) = plan.and_then(|plan| plan.outputs.get("id")) {
        check_quota(&scope, plan, key_id, schedule.count, args.yes).await?;
    }
    let key = send::api_key(&scope.aws, key_id).await?;
    let stopped = stop.in_order(&progress);
    progress.say(&format!(
        "{} transactions at {} a second to {endpoint}",
        schedule.count, schedule.rate
    ));
    let load = Load {
        aws: &scope.aws,
        env: &scope.settings.env,
        endpoint,
        key: &key,
        topic,
        schedule,
        seed: args.seed,
        say: &|line| progress.say(line),
    };
    let report = put_on(&load, stopped).await.map_err(|why| Exit::failed(chain(&why)))?;
    if args.json {
        json::print(&report)?;
    } else {
        print::line(text(&report).trim_end())?;
    }
    verdict(&report)
}

/// Says when the quota will not last, and goes on only when that is wanted.
async fn check_quota(scope: &Scope, plan: &str, key: &str, planned: u64, yes: bool) -> Result<(), Exit> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let found = quota::quota(&scope.aws, plan, key, now.as_secs()).await?;
    let Some(quota) = found.filter(|quota| quota.refused(planned) > 0) else {
        return Ok(());
    };
    print::remark(warning(&quota, planned));
    if yes {
        return Ok(());
    }
    confirm::proceed("nothing was sent", "the warning")
}

fn warning(quota: &Quota, planned: u64) -> String {
    let left = match quota.left {
        Some(left) => format!("{left} of them are left, as far as API Gateway tells yet"),
        None => "how many of them are left is not known".to_owned(),
    };
    format!(
        "warning: the usage plan allows {} requests a {}, and {left}; of {planned} about {} or more will be answered with \
         429. `requests_per_day` in fraudctl.toml sets the quota",
        quota.limit,
        quota.period.to_lowercase(),
        quota.refused(planned)
    )
}

fn verdict(report: &Report) -> Result<(), Exit> {
    let served = report.answers.get(&200).copied().unwrap_or_default();
    let code = match (report.interrupted, report.is_clean(), served) {
        (true, ..) => exit::INTERRUPTED,
        (false, true, _) => return Ok(()),
        (false, false, 0) => exit::FAILED,
        (false, false, _) => exit::PARTIAL,
    };
    Err(Exit::silent(code))
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |line: std::fmt::Arguments<'_>| text.push_str(&format!("{line}\n"));
    let seconds = report.duration_ms as f64 / 1_000.0;
    let stopped = if report.interrupted { ", stopped early" } else { "" };
    line(format_args!(
        "{} of {} sent in {seconds:.1} s{stopped}; {} a second answered with 200, {} a second asked for; {} left late",
        report.sent, report.planned, report.throughput, report.rate, report.late
    ));
    let answers: Vec<String> = report
        .answers
        .iter()
        .map(|(status, count)| format!("{status}: {count}"))
        .collect();
    line(format_args!(
        "answers    {}{}timed out: {}  not answered: {}",
        answers.join("  "),
        if answers.is_empty() { "" } else { "  " },
        report.timeouts,
        report.unanswered
    ));
    match &report.latency_ms {
        None => line(format_args!("latency    nothing was answered with 200")),
        Some(latency) => line(format_args!(
            "latency    p50 {:.1} ms  p90 {:.1} ms  p99 {:.1} ms  p99.9 {:.1} ms  max {:.1} ms",
            latency.p50, latency.p90, latency.p99, latency.p99_9, latency.max
        )),
    }
    let alerts = &report.alerts;
    line(format_args!(
        "alerts     above {}: expected {}  received {}  missing {}  unexpected {}  repeated {}",
        alerts.threshold, alerts.expected, alerts.received, alerts.missing, alerts.unexpected, alerts.repeated
    ));
    if !alerts.missing_ids.is_empty() {
        line(format_args!("missing    {}", alerts.missing_ids.join(" ")));
    }
    if let Some(why) = &alerts.failure {
        line(format_args!("alerts could not be received to the end: {why}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_that_is_none_is_refused() {
        for text in ["0", "-1", "NaN", "inf", "10001", "fast", "", "1e9"] {
            assert!(rate(text).is_err(), "{text}");
        }
        assert_eq!(rate("0.5"), Ok(0.5));
        assert_eq!(rate("10000"), Ok(10_000.0));
    }

    #[test]
    fn a_load_lasts_from_a_second_to_a_day() {
        assert!(length("0s").is_err());
        assert!(length("25h").is_err());
        assert_eq!(length("24h"), Ok(LONGEST));
    }

    #[test]
    fn rate_times_duration_is_how_many_there_are() {
        assert_eq!(schedule(0.1, Duration::from_secs(30)).unwrap().count, 3);
        assert_eq!(schedule(1_000.0, Duration::from_secs(1_000)).unwrap().count, MOST);
        assert_eq!(schedule(10_000.0, LONGEST).unwrap_err().code, exit::USAGE);
        assert_eq!(schedule(0.1, Duration::from_secs(1)).unwrap_err().code, exit::USAGE);
    }

    #[test]
    fn the_warning_says_what_is_left() {
        let mut quota = Quota {
            limit: 1_000,
            period: "DAY".into(),
            left: Some(400),
        };
        let told = warning(&quota, 1_000);
        assert!(told.contains("1000 requests a day, and 400 of them are left"), "{told}");
        assert!(told.contains("about 600 or more"), "{told}");
        quota.left = None;
        assert!(warning(&quota, 1_500).contains("is not known"));
    }
}
