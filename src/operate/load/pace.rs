//! Sending at a constant rate, however slow the answers are.
//!
//! An open loop: each transaction has a moment at which it is due, told by the rate alone, and its latency counts from
//! then. A closed loop, which sends the next one when the last is answered, would send less just while the system is slow
//! and so measure it less ("coordinated omission").

use crate::net::{Client, NoReply};
use crate::operate::send::{ANSWER_WITHIN, Transaction};
use rust_decimal::Decimal;
use serde_json::Value;
use std::fmt;
use std::future::Future;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How many may wait for an answer at once: each holds a connection, and a process often has no more than 1,024 open
/// files.
pub const MOST_IN_FLIGHT: usize = 500;

/// Sent later than this after it was due counts as late: the rate was more than we could send.
const LATE: Duration = Duration::from_millis(100);

/// When each transaction is due.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Transactions a second.
    pub rate: f64,
    /// How many there are.
    pub count: u64,
}

impl Schedule {
    /// When the transaction of this number is due, from the beginning.
    pub fn due(self, number: u64) -> Duration {
        Duration::try_from_secs_f64(number as f64 / self.rate).unwrap_or(Duration::MAX)
    }

    /// How long it takes to send all of them.
    pub fn length(self) -> Duration {
        self.due(self.count)
    }
}

/// How one transaction fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was answered.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The score, where the answer tells one.
        fraud_score: Option<Decimal>,
    },
    /// No answer came in time.
    TimedOut,
    /// It could not be sent, or the connection broke.
    Broken,
}

/// One transaction that was sent.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Which one.
    pub number: u64,
    /// From the moment that it was due until it ended.
    pub latency: Duration,
    /// How.
    pub ended: Ended,
}

/// How the sending went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    /// How many left.
    pub count: u64,
    /// How many of them left later than they were due.
    pub late: u64,
    /// From the beginning until the last one ended.
    pub took: Duration,
    /// Stopped before all were sent.
    pub interrupted: bool,
}

/// Where transactions are posted to.
#[derive(Clone)]
pub struct Target {
    client: Client,
    url: String,
    key: String,
}

/// Without the key, which is in no log.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Target {
    /// The API at this endpoint, with this key. The client's connections are kept and used again, as a busy client does.
    pub fn new(client: &Client, endpoint: &str, key: &str) -> Self {
        Self {
            client: client.clone(),
            url: format!("{endpoint}/transactions"),
            key: key.to_owned(),
        }
    }

    /// Posts one transaction. Nothing is sent twice: a load that repeats is another load.
    pub async fn post(self, transaction: Transaction) -> Ended {
        let Ok(body) = transaction.body() else {
            return Ended::Broken;
        };
        let headers = [("x-api-key", self.key.as_str())];
        let posted = self.client.post(&self.url, &headers, body.to_string(), ANSWER_WITHIN);
        match posted.await {
            Ok(reply) => Ended::Answered {
                status: reply.status,
                fraud_score: fraud_score(&reply.body),
            },
            Err(NoReply::Late(..)) => Ended::TimedOut,
            Err(NoReply::Broken(_)) => Ended::Broken,
        }
    }
}

fn fraud_score(body: &[u8]) -> Option<Decimal> {
    let body: Value = serde_json::from_slice(body).ok()?;
    Decimal::from_str_exact(&body["fraud_score"].as_number()?.to_string()).ok()
}

/// Sends every transaction when it is due, and tells `done` of each when it has ended.
///
/// # Guarantees
/// No answer, however slow, delays what is due later, until [`MOST_IN_FLIGHT`] wait for one; what has to wait then is
/// sent as soon as there is room, and its latency counts the wait. When `stop` becomes true nothing more is sent, and
/// what is under way is waited for.
pub async fn send_all<F>(
    transactions: impl Iterator<Item = Transaction>,
    schedule: Schedule,
    most_in_flight: usize,
    mut stop: watch::Receiver<bool>,
    send: impl Fn(Transaction) -> F,
    mut done: impl FnMut(Outcome),
) -> Sent
where
    F: Future<Output = Ended> + Send + 'static,
{
    let begun = Instant::now();
    let mut sent = Sent::default();
    let mut under_way = JoinSet::new();
    let mut waiting = (0..schedule.count).zip(transactions);
    let mut next = waiting.next();
    loop {
        let due = next.as_ref().map_or(begun, |(number, _)| begun + schedule.due(*number));
        tokio::select! {
            biased;
            Some(ended) = under_way.join_next(), if !under_way.is_empty() => {
                // A task that panicked has no outcome; there is nothing in it that could.
                if let Ok(outcome) = ended {
                    done(outcome);
                }
            }
            () = stopped(&mut stop), if next.is_some() => {
                sent.interrupted = true;
                next = None;
            }
            () = tokio::time::sleep_until(due), if next.is_some() && under_way.len() < most_in_flight => {
                if let Some((number, transaction)) = next.take() {
                    sent.count += 1;
                    sent.late += u64::from(due.elapsed() > LATE);
                    let sending = send(transaction);
                    under_way.spawn(async move {
                        let ended = sending.await;
                        Outcome { number, latency: due.elapsed(), ended }
                    });
                }
                next = waiting.next();
            }
            else => break,
        }
    }
    sent.took = begun.elapsed();
    sent
}

/// Returns when the run is to end; never, when nobody can tell.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Proxies, Trust};
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::{Arc, Mutex};

    const OK: Ended = Ended::Answered {
        status: 200,
        fraud_score: None,
    };

    #[test]
    fn the_key_is_not_shown() {
        let client = Client::new(Proxies::none(), Trust::default());
        let target = Target::new(&client, "http://h", "very-secret");
        let shown = format!("{target:?}");
        assert!(
            shown.contains("http://h/transactions") && !shown.contains("very-secret"),
            "{shown}"
        );
    }

    fn transactions() -> impl Iterator<Item = Transaction> {
        (0..).map(|number| Transaction {
            id: format!("t-{number}"),
            user: "u".into(),
            amount: "1".into(),
            merchant: None,
            location: None,
        })
    }

    async fn sent(schedule: Schedule, most: usize, takes: Duration) -> (Sent, Vec<Duration>, usize) {
        let (_keep, stop) = watch::channel(false);
        let (now, most_seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let latencies = Mutex::new(Vec::new());
        let send = |_| {
            let (now, most_seen) = (Arc::clone(&now), Arc::clone(&most_seen));
            async move {
                most_seen.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                tokio::time::sleep(takes).await;
                now.fetch_sub(1, SeqCst);
                OK
            }
        };
        let done = |outcome: Outcome| latencies.lock().unwrap().push(outcome.latency);
        let sent = send_all(transactions(), schedule, most, stop, send, done).await;
        let latencies = latencies.into_inner().unwrap();
        (sent, latencies, most_seen.load(SeqCst))
    }

    #[test]
    fn each_is_due_at_its_own_time() {
        let schedule = Schedule { rate: 4.0, count: 8 };
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(6), Duration::from_millis(1_500));
        assert_eq!(schedule.length(), Duration::from_secs(2));
    }

    #[tokio::test]
    async fn slow_answers_do_not_slow_the_sending() {
        let schedule = Schedule { rate: 200.0, count: 20 };
        let (sent, latencies, most_seen) = sent(schedule, 100, Duration::from_millis(300)).await;
        assert_eq!((sent.count, latencies.len(), sent.interrupted), (20, 20, false));
        // All are under way before the first answer.
        assert_eq!(most_seen, 20);
    }

    #[tokio::test]
    async fn what_waits_for_room_has_its_wait_counted() {
        let schedule = Schedule {
            rate: 1_000.0,
            count: 5,
        };
        let (sent, latencies, most_seen) = sent(schedule, 1, Duration::from_millis(60)).await;
        assert_eq!(most_seen, 1);
        // Due after 4 ms, sent after 240, answered after 300.
        assert!(latencies[4] >= Duration::from_millis(290), "{latencies:?}");
        assert!(sent.late >= 2, "{sent:?}");
    }

    #[tokio::test]
    async fn a_stop_ends_the_sending_and_waits_for_what_is_under_way() {
        let (tell, stop) = watch::channel(false);
        let ended = Mutex::new(0);
        let send = |_| {
            tell.send_replace(true);
            async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                OK
            }
        };
        let schedule = Schedule {
            rate: 1.0,
            count: 1_000,
        };
        let sent = send_all(transactions(), schedule, 10, stop, send, |_| {
            *ended.lock().unwrap() += 1
        })
        .await;
        assert_eq!((sent.count, sent.interrupted, *ended.lock().unwrap()), (1, true, 1));
    }

    #[test]
    fn a_score_is_read_exactly_and_only_from_where_it_stands() {
        assert_eq!(fraud_score(br#"{"fraud_score": 0.90}"#).unwrap().to_string(), "0.90");
        for none in ["{}", "", "[]", r#"{"fraud_score": "0.9"}"#] {
            assert_eq!(fraud_score(none.as_bytes()), None, "{none}");
        }
    }
}
