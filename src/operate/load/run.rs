//! A run from its beginning to its end: listen, send, wait for the last alerts, tidy up, report.

use super::pace::{self, MOST_IN_FLIGHT, Schedule, Sent, Target, send_all, stopped};
use super::report::{Report, Run, Tally};
use super::tap::{self, Tap};
use super::traffic::Traffic;
use crate::aws::Aws;
use crate::operate::rules;
use crate::resource::Failure;
use futures_util::future::join_all;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use thiserror::Error;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

/// How many receive at once: each takes at most ten alerts, and a round trip to AWS.
const EARS: usize = 4;
/// How long the last alerts may take after the last answer.
const LAST_ALERTS: Duration = Duration::from_secs(30);
/// How long is listened at least after the last answer, for alerts that nobody expects.
const QUIET: Duration = Duration::from_secs(2);
/// How often it is said how far it has come.
const EVERY: Duration = Duration::from_secs(10);
/// Longer than a run can take beside its sending: answers, last alerts, slow calls.
const MARGIN: Duration = Duration::from_secs(600);

/// A load to put on a deployed system.
pub struct Load<'a> {
    /// Where.
    pub aws: &'a Aws,
    /// The environment.
    pub env: &'a str,
    /// The API's endpoint, without `/transactions`.
    pub endpoint: &'a str,
    /// The API key.
    pub key: &'a str,
    /// The ARN of the alert topic.
    pub topic: &'a str,
    /// How much, how fast.
    pub schedule: Schedule,
    /// What the transactions are simulated from.
    pub seed: u64,
    /// Says a line to whoever watches.
    pub say: &'a (dyn Fn(&str) + Sync),
}

/// Why there is no report. Nothing was sent.
#[derive(Debug, Error)]
pub enum LoadError {
    /// AWS refused.
    #[error(transparent)]
    Aws(#[from] Failure),
}

/// Puts the load on, until all of it was sent or `stop` becomes true.
///
/// # Guarantees
/// Every transaction has an id that no other run has. The queue that alerts are received from, and its subscription, are
/// removed in the end, however the run ends; where AWS refuses that, it is said, and the report is given all the same.
/// When this process is killed they stay, and the next run removes them.
///
/// # Caveats
/// The transactions are stored and scored like any other, and their alerts reach everybody who is subscribed.
///
/// # Errors
/// AWS refuses something before the first transaction is sent.
pub async fn run(load: &Load<'_>, stop: watch::Receiver<bool>) -> Result<Report, LoadError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let name = tap::run_name(now, std::process::id());
    let target = Target::new(&load.aws.http, load.endpoint, load.key);
    let threshold = rules::threshold(load.aws, load.env).await?;
    let lasts = load.schedule.length().saturating_add(MARGIN);
    let tap = Tap::open(load.aws, load.env, load.topic, &name, now.as_secs(), lasts).await?;
    let traffic = Traffic::of(&name);
    let ear = Ear {
        traffic: &traffic,
        tally: Mutex::new(Tally::new(threshold)),
        news: Notify::new(),
        deaf: Mutex::new(None),
    };
    let (over, is_over) = watch::channel(false);
    let sending = async {
        let sent = ear.send(load, &target, stop.clone()).await;
        ear.wait_for_the_last(stop.clone()).await;
        over.send_replace(true);
        sent
    };
    let (sent, ()) = tokio::join!(sending, ear.listen(load.aws, &tap, &is_over));
    if let Err(why) = tap.close(load.aws).await {
        (load.say)(&format!(
            "note: the queue of this run stays until the next run removes it: {why}"
        ));
    }
    let run = Run {
        env: load.env,
        name: &name,
        seed: load.seed,
    };
    let deaf = lock(&ear.deaf).as_ref().map(ToString::to_string);
    let report = lock(&ear.tally).report(run, load.schedule, &sent, |number| traffic.id(number), deaf);
    Ok(report)
}

/// What is counted, by those who send and those who listen.
struct Ear<'a> {
    traffic: &'a Traffic,
    tally: Mutex<Tally>,
    /// An alert was heard, or nothing will be heard any more.
    news: Notify,
    deaf: Mutex<Option<Failure>>,
}

impl Ear<'_> {
    async fn send(&self, load: &Load<'_>, target: &Target, stop: watch::Receiver<bool>) -> Sent {
        let planned = load.schedule.count;
        let mut said = Instant::now();
        let done = |outcome: pace::Outcome| {
            let mut tally = lock(&self.tally);
            tally.ended(&outcome);
            if said.elapsed() >= EVERY {
                said = Instant::now();
                (load.say)(&tally.progress(planned));
            }
        };
        let transactions = self.traffic.transactions(load.seed, planned);
        let send = |transaction| target.clone().post(transaction);
        send_all(transactions, load.schedule, MOST_IN_FLIGHT, stop, send, done).await
    }

    /// Receives until it is over, or AWS refuses.
    async fn listen(&self, aws: &Aws, tap: &Tap, over: &watch::Receiver<bool>) {
        let ears = (0..EARS).map(|_| async {
            let mut over = over.clone();
            loop {
                let heard = tokio::select! {
                    () = stopped(&mut over) => return,
                    heard = tap.hear(aws) => heard,
                };
                match heard {
                    Ok(heard) => self.note(&heard),
                    Err(why) => {
                        lock(&self.deaf).get_or_insert(why);
                        self.news.notify_one();
                        return;
                    }
                }
            }
        });
        join_all(ears).await;
    }

    fn note(&self, heard: &[tap::Heard]) {
        let ids = heard.iter().filter_map(|heard| heard.transaction_id.as_deref());
        for number in ids.filter_map(|id| self.traffic.number(id)) {
            lock(&self.tally).heard(number);
        }
        self.news.notify_one();
    }

    /// Waits until every expected alert has come and a little longer, for those that nobody expects; not for ever, and not
    /// for long when whoever started it wants to leave.
    async fn wait_for_the_last(&self, mut stop: watch::Receiver<bool>) {
        let since = Instant::now();
        let complete = async {
            while !lock(&self.tally).all_heard() && lock(&self.deaf).is_none() {
                self.news.notified().await;
            }
        };
        let waiting = async {
            if timeout_at(since + LAST_ALERTS, complete).await.is_ok() && lock(&self.deaf).is_none() {
                tokio::time::sleep_until(since + QUIET).await;
            }
        };
        // Whoever leaves early is told of alerts that have only just been published all the same.
        let leaving = async {
            stopped(&mut stop).await;
            tokio::time::sleep(QUIET).await;
        };
        tokio::select! {
            () = leaving => {}
            () = waiting => {}
        }
    }
}

/// A panic cannot happen while these locks are held; if it ever does, counts are still counts.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
