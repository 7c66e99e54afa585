//! AWS as a function sees it, answering everything after the same delay, and writing down when.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::http::{Answers, Request, Response, Server};

/// A payment of this much is one like the user's others.
pub const USUAL: &str = "42.50";
pub const USER: &str = "user-17";
pub const MERCHANT: &str = "Books and Paper";
pub const LOCATION: &str = "Oslo";
pub const TRANSACTIONS: &str = "transactions-bench";
pub const PROFILES: &str = "profiles-bench";
pub const IDEMPOTENCY: &str = "idempotency-bench";

const DAY: u64 = 24 * 60 * 60;
/// How many transactions a full history has, one a day.
const HISTORY: u64 = 50;
/// For how many days the merchant has labels.
const PROFILE_DAYS: u64 = 30;

/// One call of AWS, on the stub's timeline.
#[derive(Clone, Debug)]
pub struct Call {
    /// AWS's name of the operation.
    pub operation: String,
    /// When its last byte had arrived.
    pub received: Instant,
    /// When the answer's first byte was about to leave.
    pub answered: Instant,
}

/// The stub. One serves all functions of a run, one after the other.
pub struct Aws {
    server: Server,
    inner: Arc<Inner>,
}

struct Inner {
    delay_micros: AtomicU64,
    calls: Mutex<Vec<Call>>,
    history: String,
    profile: String,
}

impl Aws {
    pub fn start() -> Self {
        let inner = Arc::new(Inner {
            delay_micros: AtomicU64::new(0),
            calls: Mutex::default(),
            history: history(),
            profile: profile(),
        });
        let server = Server::start(inner.clone());
        Self { server, inner }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// From now on every call is answered so long after it arrived.
    pub fn set_delay(&self, delay: Duration) {
        let micros = u64::try_from(delay.as_micros()).expect("a short delay");
        self.inner.delay_micros.store(micros, Ordering::Release);
    }

    /// The calls since this was asked last.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.inner.calls.lock().expect("no thread panics with it"))
    }
}

impl Answers for Inner {
    fn answer(&self, request: Request) -> Option<Response> {
        let body = String::from_utf8_lossy(&request.body);
        let operation = operation(&request, &body);
        let response = self.response(&operation, &body);
        let delay = Duration::from_micros(self.delay_micros.load(Ordering::Acquire));
        thread::sleep((request.received + delay).saturating_duration_since(Instant::now()));
        let call = Call {
            operation,
            received: request.received,
            answered: Instant::now(),
        };
        self.calls.lock().expect("no thread panics with it").push(call);
        Some(response)
    }
}

impl Inner {
    fn response(&self, operation: &str, body: &str) -> Response {
        match operation {
            "Query" => {
                let query: Value = serde_json::from_str(body).unwrap_or_default();
                let items = match (query["TableName"].as_str(), query["IndexName"].as_str()) {
                    (Some(PROFILES), _) => self.profile.as_str(),
                    (Some(TRANSACTIONS), Some("user-index")) => self.history.as_str(),
                    _ => r#"{"Items":[],"Count":0,"ScannedCount":0}"#,
                };
                dynamodb(items)
            }
            "Scan" => dynamodb(r#"{"Items":[],"Count":0,"ScannedCount":0}"#),
            "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems" => dynamodb("{}"),
            "GetParameter" | "GetParameters" => ssm(operation, body),
            "Publish" => Response {
                content_type: "text/xml",
                ..Response::json(
                    200,
                    "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult><MessageId>\
                     94f20ce6-13c5-43a0-9a9e-ca52d816e90b</MessageId></PublishResult><ResponseMetadata><RequestId>\
                     f187a3c1-376f-11df-8963-01868b7c937a</RequestId></ResponseMetadata></PublishResponse>",
                )
            },
            _ => Response::json(
                400,
                json!({"__type": "UnknownOperationException", "message": format!("no {operation} here")}).to_string(),
            ),
        }
    }
}

/// `X-Amz-Target: DynamoDB_20120810.Query`, or `Action=Publish` in a form.
fn operation(request: &Request, body: &str) -> String {
    let of_target = request.target.as_deref().and_then(|target| target.rsplit('.').next());
    let of_form = || body.split('&').find_map(|field| field.strip_prefix("Action="));
    let named = of_target.or_else(of_form).map(str::to_owned);
    named.unwrap_or_else(|| format!("{} {}", request.method, request.path))
}

fn dynamodb(body: &str) -> Response {
    Response {
        content_type: "application/x-amz-json-1.0",
        ..Response::json(200, body)
    }
}

fn ssm(operation: &str, body: &str) -> Response {
    let asked: Value = serde_json::from_str(body).unwrap_or_default();
    let parameter = |name: &str| {
        let value = if name.ends_with("/rules") {
            fraud::Rules::builtin().to_json()
        } else {
            "0.85".to_owned()
        };
        json!({"Name": name, "Type": "String", "Value": value, "Version": 1, "DataType": "text"})
    };
    let answer = if operation == "GetParameter" {
        json!({"Parameter": parameter(asked["Name"].as_str().unwrap_or_default())})
    } else {
        let names = asked["Names"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        json!({"Parameters": names.map(parameter).collect::<Vec<_>>(), "InvalidParameters": []})
    };
    Response {
        content_type: "application/x-amz-json-1.1",
        ..Response::json(200, answer.to_string())
    }
}

fn now() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH);
    elapsed.expect("a clock after 1970").as_secs()
}

/// A user with as much of a past as is ever read, none of it remarkable.
fn history() -> String {
    let item = |number: u64| {
        json!({
            "transaction_id": {"S": format!("earlier-{number}")},
            "timestamp": {"N": (now() - number * DAY).to_string()},
            "user_id": {"S": USER},
            "amount": {"N": format!("{}.50", 38 + number % 9)},
            "merchant": {"S": MERCHANT},
            "location": {"S": LOCATION},
            "fraud_score": {"N": "0.1"},
            "is_suspicious": {"BOOL": false},
            "reasons": {"L": []},
            "rules_version": {"S": "1"},
        })
    };
    items((1..=HISTORY).map(item).collect())
}

/// A merchant with labels, all of them good.
fn profile() -> String {
    let today = now() / DAY;
    let item = |ago: u64| {
        json!({
            "merchant": {"S": MERCHANT},
            "day": {"N": (today - ago).to_string()},
            "fraud": {"N": "0"},
            "ok": {"N": "20"},
            "expires_at": {"N": ((today - ago + 60) * DAY).to_string()},
        })
    };
    items((0..PROFILE_DAYS).map(item).collect())
}

fn items(items: Vec<Value>) -> String {
    json!({"Count": items.len(), "ScannedCount": items.len(), "Items": items}).to_string()
}
