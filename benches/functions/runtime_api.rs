//! Lambda's Runtime API for one function process.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::http::{Answers, Request, Response, Server};

const VERSION: &str = "/2018-06-01/runtime";
/// A function that has not moved for so long will not.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a function is told that it has.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a function did next.
pub enum Did {
    /// It asked for an event.
    Poll(Instant),
    /// It answered the event that it had.
    Answer(Instant, String),
    /// It reported an error, of an event or of its start.
    Fail(String),
}

/// An event and its answer, on the clock of this process.
pub struct Exchange {
    /// When the event's first byte was about to leave.
    pub sent: Instant,
    /// When the answer's last byte had arrived.
    pub answered: Instant,
    pub answer: String,
}

/// The API's end that hands out events. Dropping it ends the API.
pub struct RuntimeApi {
    server: Server,
    events: Sender<String>,
    sent: Receiver<Instant>,
    did: Receiver<Did>,
    count: u64,
}

struct Inner {
    events: Mutex<Receiver<String>>,
    sent: Sender<Instant>,
    did: Sender<Did>,
}

impl RuntimeApi {
    pub fn start() -> Self {
        let (events, to_hand_out) = channel();
        let (sent_sender, sent) = channel();
        let (did_sender, did) = channel();
        let server = Server::start(Arc::new(Inner {
            events: Mutex::new(to_hand_out),
            sent: sent_sender,
            did: did_sender,
        }));
        Self {
            server,
            events,
            sent,
            did,
            count: 0,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Waits until the function asks for an event, and tells when it did.
    pub fn wait_for_poll(&self) -> Result<Instant, String> {
        match self.next()? {
            Did::Poll(at) => Ok(at),
            Did::Answer(_, body) => Err(format!("answered without an event: {body}")),
            Did::Fail(body) => Err(format!("failed: {body}")),
        }
    }

    /// Hands an event to a function that has asked for one, and waits until it asks for the next.
    pub fn exchange(&mut self, event: String) -> Result<Exchange, String> {
        self.count += 1;
        self.events.send(event).map_err(|_| "no longer polls".to_owned())?;
        let exchange = match self.next()? {
            Did::Answer(answered, answer) => Exchange {
                sent: self.sent.recv_timeout(PATIENCE).map_err(|error| error.to_string())?,
                answered,
                answer,
            },
            Did::Poll(_) => return Err("asked for another event before it answered".to_owned()),
            Did::Fail(body) => return Err(format!("failed: {body}")),
        };
        self.wait_for_poll()?;
        Ok(exchange)
    }

    fn next(&self) -> Result<Did, String> {
        self.did
            .recv_timeout(PATIENCE)
            .map_err(|_| format!("did nothing for {PATIENCE:?} after {} events", self.count))
    }
}

impl Answers for Inner {
    fn answer(&self, request: Request) -> Option<Response> {
        let path = request.path.strip_prefix(VERSION).unwrap_or(&request.path);
        let body = String::from_utf8_lossy(&request.body).into_owned();
        if request.method == "GET" && path == "/invocation/next" {
            self.did.send(Did::Poll(request.received)).ok()?;
            let event = self.events.lock().ok()?.recv().ok()?;
            let response = Response {
                headers: headers(),
                ..Response::json(200, event)
            };
            self.sent.send(Instant::now()).ok()?;
            return Some(response);
        }
        let did = if path.starts_with("/invocation/") && path.ends_with("/response") {
            Did::Answer(request.received, body)
        } else {
            Did::Fail(format!("{path}: {body}"))
        };
        self.did.send(did).ok()?;
        Some(Response::json(202, r#"{"status":"OK"}"#))
    }
}

fn headers() -> Vec<(&'static str, String)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    vec![
        (
            "Lambda-Runtime-Aws-Request-Id",
            format!("8476a536-e9f4-11e8-9739-{:012}", now.as_micros() % 1_000_000_000_000),
        ),
        ("Lambda-Runtime-Deadline-Ms", (now + TIMEOUT).as_millis().to_string()),
        (
            "Lambda-Runtime-Invoked-Function-Arn",
            "arn:aws:lambda:us-east-1:000000000000:function:bench".to_owned(),
        ),
        (
            "Lambda-Runtime-Trace-Id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0".to_owned(),
        ),
    ]
}
