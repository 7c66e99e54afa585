//! A man in the middle: passes every call on to an emulator, records it, and answers, delays or loses it as told, by
//! rules of a test or by the [`Weather`].

mod at_once;
mod call;
mod dice;
mod effects;
mod hold;
mod http;
mod record;
mod refusal;
mod routes;
mod throttle;
mod weather;

use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use call::{Call, Protocol};
pub use dice::Span;
pub use effects::FunctionEndings;
pub use hold::Held;
pub use record::{Beside, Numbers, Record, Summary};
pub use refusal::Refusal;
pub use throttle::{Limit, published};
pub use weather::{Faults, Weather};

use hold::Hold;
use http::{Answer, Request};
use record::Records;
use socket2::SockRef;
use weather::{Fault, Sky};

/// What to do with the calls of a rule.
#[derive(Clone)]
enum Deed {
    /// Answer with an error, and pass nothing on.
    Refuse(Refusal),
    /// Answer 200 with this JSON, and pass nothing on.
    Answer(String),
    /// Pass it on, and keep the answer back.
    Hold(Arc<Hold>),
}

struct Rule {
    applies: Box<dyn Fn(&Call) -> bool + Send>,
    deed: Deed,
}

/// Which side of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

struct Shared {
    upstream: String,
    records: Mutex<Records>,
    rules: Mutex<Vec<Rule>>,
    hook: Mutex<Option<Hook>>,
    sky: Mutex<Sky>,
}

/// An endpoint in front of an emulator's. It ends with the test process.
pub struct Proxy {
    endpoint: String,
    shared: Arc<Shared>,
}

impl Proxy {
    /// In front of the emulator at this endpoint, `http://127.0.0.1:PORT`, in calm weather.
    pub fn before(endpoint: &str) -> Self {
        Self::in_weather(endpoint, Weather::calm(0))
    }

    /// As [`Proxy::before`], in this weather.
    pub fn in_weather(endpoint: &str, weather: Weather) -> Self {
        let upstream = endpoint
            .strip_prefix("http://")
            .expect("an endpoint of an emulator")
            .to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared {
            upstream,
            records: Mutex::default(),
            rules: Mutex::default(),
            hook: Mutex::default(),
            sky: Mutex::new(Sky::new(weather)),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                // A caller that was killed meanwhile is no concern of the proxy.
                thread::spawn(move || serve(&stream, &shared).ok());
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

    /// Changes the weather. The old one leaves nothing behind.
    pub fn set_weather(&self, weather: Weather) {
        *lock(&self.shared.sky) = Sky::new(weather);
    }

    /// Every call since the start, or since [`Proxy::forget`].
    pub fn calls(&self) -> Vec<Call> {
        let records = lock(&self.shared.records);
        records.all().iter().map(|record| record.call.clone()).collect()
    }

    /// As [`Proxy::calls`], with what became of each.
    pub fn records(&self) -> Vec<Record> {
        lock(&self.shared.records).all().to_vec()
    }

    /// The calls in numbers.
    pub fn summary(&self) -> Summary {
        Summary::of(lock(&self.shared.records).all())
    }

    /// Does this at the `at`th call from now on, counted from 1, of which the caller never gets an answer: to end it
    /// there.
    pub fn at(&self, at: usize, side: Side, act: impl FnOnce() + Send + 'static) {
        let act = Box::new(act);
        let at = lock(&self.shared.records).all().len() + at;
        *lock(&self.shared.hook) = Some(Hook { at, side, act });
    }

    /// Whether what was to be done at a call has been done.
    pub fn has_acted(&self) -> bool {
        lock(&self.shared.hook).is_none()
    }

    /// Forgets the calls, the rules, and what was to be done. The weather stays.
    pub fn forget(&self) {
        *lock(&self.shared.hook) = None;
        lock(&self.shared.records).forget();
        lock(&self.shared.rules).clear();
    }

    /// From now on refuses these calls with this error code.
    pub fn refuse(&self, code: &'static str, applies: impl Fn(&Call) -> bool + Send + 'static) {
        self.refuse_with(Refusal::new(400, code, "refused by the test"), applies);
    }

    /// From now on refuses these calls with this error.
    pub fn refuse_with(&self, refusal: Refusal, applies: impl Fn(&Call) -> bool + Send + 'static) {
        self.rule(Deed::Refuse(refusal), applies);
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

impl Shared {
    /// Records a request, and answers it.
    fn see(&self, request: &Request) -> io::Result<Seen> {
        let call = Call::of(request);
        let (id, beside, hook) = {
            let mut records = lock(&self.records);
            let (id, beside) = records.begin(&call);
            let count = records.all().len();
            (id, beside, lock(&self.hook).take_if(|hook| hook.at == count))
        };
        let end = |answer: Option<&Answer>, weather| lock(&self.records).end(id, answer, weather);
        if let Some(hook) = hook {
            let passed = (hook.side == Side::After).then(|| self.done(request, &call));
            end(None, Some("the test's hook"));
            passed.transpose()?;
            (hook.act)();
            return Ok(Seen::Nothing);
        }
        let outcome = self.fate(request, &call, beside);
        // Before the caller knows, who may make the next call at once.
        match &outcome {
            Ok(outcome) => end(outcome.answer.as_ref(), outcome.weather),
            Err(_) => end(None, None),
        }
        Ok(outcome?.answer.map_or(Seen::Reset, Seen::Answer))
    }

    /// What a rule of the test says about a call.
    fn deed(&self, call: &Call) -> Option<Deed> {
        let rules = lock(&self.rules);
        rules
            .iter()
            .find(|rule| (rule.applies)(call))
            .map(|rule| rule.deed.clone())
    }

    /// What becomes of a call. Without an answer it is lost.
    fn fate(&self, request: &Request, call: &Call, beside: Beside) -> io::Result<Outcome> {
        match self.deed(call) {
            Some(Deed::Refuse(refusal)) => return Ok(Outcome::of("refused", refusal.answer(call))),
            Some(Deed::Answer(body)) => {
                return Ok(Outcome::of("answered", Answer::new(200, "application/json", body)));
            }
            Some(Deed::Hold(hold)) => {
                let outcome = self.weathered(request, call, beside);
                hold.keep();
                return outcome;
            }
            None => {}
        }
        self.weathered(request, call, beside)
    }

    fn weathered(&self, request: &Request, call: &Call, beside: Beside) -> io::Result<Outcome> {
        let fate = lock(&self.sky).meet(call, beside, Instant::now());
        if let Some((effect, answer)) = fate.answer {
            return Ok(Outcome::of(effect, answer));
        }
        thread::sleep(fate.latency);
        match fate.fault {
            Some(Fault::Internal { taking_effect }) => {
                if taking_effect {
                    self.done(request, call)?;
                }
                Ok(Outcome::of("internal error", Refusal::internal(call).answer(call)))
            }
            Some(Fault::Unavailable { by_balancer: true }) => {
                let page = "<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>";
                Ok(Outcome::of("unavailable", Answer::new(503, "text/html", page)))
            }
            Some(Fault::Unavailable { .. }) => Ok(Outcome::of("unavailable", Refusal::unavailable(call).answer(call))),
            Some(Fault::Reset) => Ok(Outcome::lost("reset")),
            Some(Fault::Lost) => {
                self.done(request, call)?;
                Ok(Outcome::lost("reply lost"))
            }
            None => self.done(request, call),
        }
    }

    /// Lets AWS do it, unless it says something else instead.
    fn done(&self, request: &Request, call: &Call) -> io::Result<Outcome> {
        if let Some((effect, answer)) = lock(&self.sky).instead(call, Instant::now()) {
            return Ok(Outcome::of(effect, answer));
        }
        let mut answer = request.pass_on(&self.upstream)?;
        lock(&self.sky).answered(call, &mut answer, Instant::now());
        Ok(Outcome {
            answer: Some(answer),
            weather: None,
        })
    }
}

/// How a call ended.
struct Outcome {
    answer: Option<Answer>,
    /// Which effect it was, where it was not AWS.
    weather: Option<&'static str>,
}

impl Outcome {
    fn of(effect: &'static str, answer: Answer) -> Self {
        Self {
            answer: Some(answer),
            weather: Some(effect),
        }
    }

    fn lost(effect: &'static str) -> Self {
        Self {
            answer: None,
            weather: Some(effect),
        }
    }
}

/// What the caller of a request sees of it.
enum Seen {
    Answer(Answer),
    /// The connection is reset.
    Reset,
    /// The connection ends.
    Nothing,
}

/// One request after the other, until the caller ends the connection or gets no answer.
fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = Request::read(&mut reader)? {
        let mut stream = stream;
        match shared.see(&request)? {
            Seen::Answer(answer) => stream.write_all(&answer.to_bytes())?,
            Seen::Reset => return SockRef::from(stream).set_linger(Some(Duration::ZERO)),
            Seen::Nothing => return Ok(()),
        }
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these locks is whole at every moment, whatever a thread that panicked was doing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
