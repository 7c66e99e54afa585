//! A man in the middle: passes every call on to an emulator, remembers it, and answers or delays it as told.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// No test waits longer for a call that it holds; a held call is let go then, so that nothing hangs for ever.
const LONGEST_HOLD: Duration = Duration::from_secs(120);
/// How many bytes of a body are remembered.
const LONGEST_TEXT: usize = 64 << 10;

/// One call of an AWS operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The service as the signature names it: `sqs`, `monitoring`.
    pub service: String,
    /// `CreateQueue`; where the service is spoken to in REST, method and path: `POST /restapis`.
    pub operation: String,
    /// The body, or the beginning of a very long one, as far as it is text.
    pub body: String,
}

impl Call {
    /// Whether it is this operation: `is("sqs", "CreateQueue")`.
    pub fn is(&self, service: &str, operation: &str) -> bool {
        self.service == service && self.operation == operation
    }

    /// Whether it may change something, judged without any knowledge of fraudctl: by the method in REST, else by
    /// the operation's verb.
    pub fn changes(&self) -> bool {
        match self.operation.split_once(' ') {
            Some((method, _)) => method != "GET" && method != "HEAD",
            None => {
                let reads = ["Get", "List", "Describe", "BatchGet", "Lookup"];
                !reads.iter().any(|verb| self.operation.starts_with(verb))
            }
        }
    }
}

/// What to do with the calls of a rule.
#[derive(Clone)]
enum Deed {
    /// Answer 400 with this error code, and pass nothing on.
    Refuse(&'static str),
    /// Answer 200 with this JSON, and pass nothing on.
    Answer(String),
    /// Pass it on, and keep the answer back.
    Hold(Arc<Hold>),
}

struct Rule {
    applies: Box<dyn Fn(&Call) -> bool + Send>,
    deed: Deed,
}

#[derive(Default)]
struct Hold {
    progress: Mutex<HoldProgress>,
    changed: Condvar,
}

#[derive(Default)]
struct HoldProgress {
    arrived: usize,
    released: bool,
}

/// Answers that are kept back until this is dropped. AWS has done what was asked; the caller does not know yet.
pub struct Held(Arc<Hold>);

impl Held {
    /// Waits until this many answers are kept back.
    ///
    /// # Panics
    ///
    /// When they are not within two minutes.
    #[track_caller]
    pub fn await_calls(&self, count: usize) {
        let progress = lock(&self.0.progress);
        let (progress, timeout) = self
            .0
            .changed
            .wait_timeout_while(progress, LONGEST_HOLD, |progress| progress.arrived < count)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(
            !timeout.timed_out(),
            "waited for {count} calls, {} came",
            progress.arrived
        );
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.0.progress).released = true;
        self.0.changed.notify_all();
    }
}

impl Hold {
    fn keep(&self) {
        let mut progress = lock(&self.progress);
        progress.arrived += 1;
        self.changed.notify_all();
        // Whether it was released or has waited too long is the same to the caller.
        drop(
            self.changed
                .wait_timeout_while(progress, LONGEST_HOLD, |progress| !progress.released)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}

/// Which side of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// It has not reached AWS, and never will.
    Before,
    /// AWS has done what was asked, and the answer is never given.
    After,
}

/// What is done at one call, whose caller then gets no answer.
struct Hook {
    /// The how manieth call, from 1.
    at: usize,
    side: Side,
    act: Box<dyn FnOnce() + Send>,
}

#[derive(Default)]
struct Shared {
    calls: Mutex<Vec<Call>>,
    rules: Mutex<Vec<Rule>>,
    hook: Mutex<Option<Hook>>,
}

impl Shared {
    /// Remembers the call, and whether something is to be done at it.
    fn note(&self, call: &Call) -> Option<Hook> {
        let count = {
            let mut calls = lock(&self.calls);
            calls.push(call.clone());
            calls.len()
        };
        lock(&self.hook).take_if(|hook| hook.at == count)
    }
}

/// An endpoint in front of an emulator's. It ends with the test process.
pub struct Proxy {
    endpoint: String,
    shared: Arc<Shared>,
}

impl Proxy {
    /// In front of the emulator at this endpoint, `http://127.0.0.1:PORT`.
    pub fn before(endpoint: &str) -> Self {
        let upstream = endpoint
            .strip_prefix("http://")
            .expect("an endpoint of an emulator")
            .to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, upstream) = (Arc::clone(&serving), upstream.clone());
                // A caller that was killed meanwhile is no concern of the proxy.
                thread::spawn(move || serve(&stream, &upstream, &shared).ok());
            }
        });
        Self {
            endpoint: format!("http://127.0.0.1:{port}"),
            shared,
        }
    }

    /// What `AWS_ENDPOINT_URL` has to be.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Every call since the start, or since [`Proxy::forget`].
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.shared.calls).clone()
    }

    /// Does this at the `at`th call from now on, counted from 1, of which the caller never gets an answer: to end it
    /// there.
    pub fn at(&self, at: usize, side: Side, act: impl FnOnce() + Send + 'static) {
        let act = Box::new(act);
        let at = lock(&self.shared.calls).len() + at;
        *lock(&self.shared.hook) = Some(Hook { at, side, act });
    }

    /// Whether what was to be done at a call has been done.
    pub fn has_acted(&self) -> bool {
        lock(&self.shared.hook).is_none()
    }

    /// Forgets the calls, the rules, and what was to be done.
    pub fn forget(&self) {
        *lock(&self.shared.hook) = None;
        lock(&self.shared.calls).clear();
        lock(&self.shared.rules).clear();
    }

    /// From now on refuses these calls with this error code.
    pub fn refuse(&self, code: &'static str, applies: impl Fn(&Call) -> bool + Send + 'static) {
        self.rule(Deed::Refuse(code), applies);
    }

    /// From now on gives these calls this JSON for an answer.
    pub fn answer(&self, body: &serde_json::Value, applies: impl Fn(&Call) -> bool + Send + 'static) {
        self.rule(Deed::Answer(body.to_string()), applies);
    }

    /// From now on keeps the answers to these calls back.
    pub fn hold(&self, applies: impl Fn(&Call) -> bool + Send + 'static) -> Held {
        let hold = Arc::new(Hold::default());
        self.rule(Deed::Hold(Arc::clone(&hold)), applies);
        Held(hold)
    }

    fn rule(&self, deed: Deed, applies: impl Fn(&Call) -> bool + Send + 'static) {
        let applies = Box::new(applies);
        lock(&self.shared.rules).push(Rule { applies, deed });
    }
}

/// One request; then the connection ends, which every HTTP client takes as it is.
fn serve(stream: &TcpStream, upstream: &str, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let Some(request) = Request::read(&mut reader)? else {
        return Ok(());
    };
    let call = request.call();
    if let Some(hook) = shared.note(&call) {
        if hook.side == Side::After {
            request.pass_on(upstream)?;
        }
        (hook.act)();
        return Ok(());
    }
    let deed = lock(&shared.rules)
        .iter()
        .find(|rule| (rule.applies)(&call))
        .map(|rule| rule.deed.clone());
    let answer = match deed {
        Some(Deed::Refuse(code)) => refusal(code, &call),
        Some(Deed::Answer(body)) => success(&body),
        Some(Deed::Hold(hold)) => {
            let answer = request.pass_on(upstream)?;
            hold.keep();
            answer
        }
        None => request.pass_on(upstream)?,
    };
    let mut stream = stream;
    stream.write_all(&answer)?;
    stream.shutdown(Shutdown::Write)
}

struct Request {
    method: String,
    path: String,
    /// In the order in which they came, as they came.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// None when the caller hangs up without asking anything.
    fn read(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return Err(invalid());
        };
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(invalid)?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let mut request = Self {
            method,
            path,
            headers,
            body: Vec::new(),
        };
        // The AWS SDK always tells the length.
        let length = request.header("content-length").unwrap_or("0");
        request.body = vec![0; length.parse().map_err(|_| invalid())?];
        reader.read_exact(&mut request.body)?;
        Ok(Some(request))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn call(&self) -> Call {
        // What is longer is a function's code.
        let body = &self.body[..self.body.len().min(LONGEST_TEXT)];
        let body = String::from_utf8_lossy(body).into_owned();
        // AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, ...
        let service = self.header("authorization").and_then(|text| text.split('/').nth(3));
        let path = self.path.split('?').next().unwrap_or_default();
        // The four ways in which AWS's services are told what to do.
        let operation = if let Some(target) = self.header("x-amz-target") {
            target.rsplit('.').next().unwrap_or_default().to_owned()
        } else if let Some((_, operation)) = path.split_once("/operation/") {
            operation.to_owned()
        } else if let Some(action) = body.split('&').find_map(|pair| pair.strip_prefix("Action=")) {
            action.to_owned()
        } else {
            format!("{} {path}", self.method)
        };
        Call {
            service: service.unwrap_or_default().to_owned(),
            operation,
            body,
        }
    }

    fn pass_on(&self, upstream: &str) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(upstream)?;
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            if !name.eq_ignore_ascii_case("connection") {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        // The end of the answer is the end of the connection.
        head.push_str("connection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(&self.body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// An error in the protocol of the call: XML where it was a form or an object of S3, else JSON.
fn refusal(code: &str, call: &Call) -> Vec<u8> {
    let (kind, body) = if call.service == "s3" {
        let body = format!("<Error><Code>{code}</Code><Message>refused by the test</Message></Error>");
        ("application/xml", body)
    } else if call.body.contains("Action=") {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>refused by the test</Message></Error>\
             <RequestId>00000000-0000-0000-0000-000000000000</RequestId></ErrorResponse>"
        );
        ("text/xml", body)
    } else {
        let body = format!(r#"{{"__type": "{code}", "message": "refused by the test"}}"#);
        ("application/json", body)
    };
    let length = body.len();
    format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: {kind}\r\nx-amzn-errortype: {code}\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

fn success(body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is whole at every moment, whatever a thread that panicked was doing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
