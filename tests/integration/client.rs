//! A client of the deployed system: posts transactions over plain HTTP, invokes functions, reads alerts.

use crate::support::{Environment, wait_until};
use serde_json::{Value, json};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

/// How long anything may take that happens by itself.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long a request may take that is tried again and again.
const PATIENCE: Duration = Duration::from_secs(180);

/// The subject of a message of our own: once it has arrived, so has everything before it.
const MARKER: &str = "the test's marker";

/// What the API answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, as text.
    pub body: String,
}

impl Answer {
    /// Asserts the status and returns the body as JSON.
    #[track_caller]
    pub fn with_status(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("no JSON in the answer: {why}: {self:?}"))
    }
}

/// A message that came through the topic into the alert queue.
#[derive(Debug)]
pub struct Alert {
    /// The line that a reader sees first.
    pub subject: String,
    /// What is told, a JSON object.
    pub message: Value,
}

/// A client of what one environment has deployed.
pub struct Client<'a> {
    env: &'a Environment,
    transactions: String,
    key: String,
    queue: String,
    http: reqwest::Client,
    runtime: Runtime,
}

impl<'a> Client<'a> {
    /// Deploys into the environment, which must work, and returns a client of what stands then.
    #[track_caller]
    pub fn of_new(env: &'a Environment) -> Self {
        let up = env.up();
        assert_eq!(up["summary"]["failed"], 0, "{up:#}");
        let endpoint = up["outputs"]["api_endpoint"].as_str().expect("an endpoint");
        let keys = env
            .aws
            .call("apigateway", "get_api_keys", json!({"includeValues": true}));
        let queue = env
            .aws
            .call("sqs", "get_queue_url", json!({"QueueName": "fraud-alerts-queue-dev"}));
        Self {
            env,
            transactions: format!("{endpoint}/transactions"),
            key: text(&keys["items"][0]["value"]),
            queue: text(&queue["QueueUrl"]),
            http: reqwest::Client::builder()
                .no_proxy()
                // A kept connection would be looked after only while a request is under way.
                .pool_max_idle_per_host(0)
                .timeout(DEADLINE)
                .build()
                .expect("an HTTP client"),
            runtime: Builder::new_current_thread().enable_all().build().expect("a runtime"),
        }
    }

    /// Posts a body with the right key.
    #[track_caller]
    pub fn post(&self, body: &str) -> Answer {
        self.post_with_key(Some(&self.key), body)
    }

    /// Posts a body with this key, or with none.
    #[track_caller]
    pub fn post_with_key(&self, key: Option<&str>, body: &str) -> Answer {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(key.map(|key| ("x-api-key", key)));
        self.send(&headers, body.to_owned().into())
    }

    /// Posts any bytes with the right key and these headers.
    #[track_caller]
    pub fn post_bytes(&self, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let headers = [headers, &[("x-api-key", self.key.as_str())]].concat();
        self.send(&headers, body)
    }

    #[track_caller]
    fn send(&self, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut request = self.http.post(&self.transactions).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.runtime.block_on(async {
            let response = request.send().await.expect("an answer of the API");
            Answer {
                status: response.status().as_u16(),
                body: response.text().await.expect("a body of text"),
            }
        })
    }

    /// Posts all these bodies at once. Those whose answer is one that a client tries again after are tried again, a few
    /// at a time.
    #[track_caller]
    pub fn post_all(&self, bodies: &[&str]) -> Vec<Answer> {
        let few = Semaphore::new(4);
        let one = async |body: &str| {
            if let Some(answer) = self.try_once(body).await {
                return answer;
            }
            let begun = Instant::now();
            loop {
                let turn = few.acquire().await;
                if let Some(answer) = self.try_once(body).await {
                    return answer;
                }
                drop(turn);
                assert!(begun.elapsed() < PATIENCE, "no answer to {body} in {PATIENCE:?}");
            }
        };
        let all = bodies.iter().map(|body| one(body));
        self.runtime.block_on(futures_util::future::join_all(all))
    }

    /// The answer to a body, unless it is one that a client tries again after.
    async fn try_once(&self, body: &str) -> Option<Answer> {
        let request = self.http.post(&self.transactions).header("x-api-key", &self.key);
        let request = request.header("content-type", "application/json").body(body.to_owned());
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let body = response.text().await.ok()?;
        (status != 429 && status < 500).then_some(Answer { status, body })
    }

    /// Invokes a function and returns all that Lambda says about it, its answer as JSON below `Payload`.
    #[track_caller]
    pub fn invoke(&self, function: &str, event: &Value) -> Value {
        let params = json!({"FunctionName": function, "Payload": event.to_string()});
        let mut result = self.env.aws.call("lambda", "invoke", params);
        let payload = text(&result["Payload"]);
        result["Payload"] = serde_json::from_str(&payload).unwrap_or_else(|why| panic!("{why}: {payload}"));
        result
    }

    /// Every item of the table with this transaction id.
    #[track_caller]
    pub fn stored(&self, transaction_id: &str) -> Vec<Value> {
        let params = json!({
            "TableName": "transactions-dev",
            "KeyConditionExpression": "transaction_id = :id",
            "ExpressionAttributeValues": {":id": {"S": transaction_id}},
        });
        let found = self.env.aws.call("dynamodb", "query", params);
        found["Items"].as_array().expect("a list of items").clone()
    }

    /// How many items the table has.
    #[track_caller]
    pub fn stored_in_all(&self) -> u64 {
        let found = self
            .env
            .aws
            .call("dynamodb", "scan", json!({"TableName": "transactions-dev"}));
        found["Count"].as_u64().expect("a number")
    }

    /// Takes this many alerts from the queue, and waits for them.
    #[track_caller]
    pub fn take_alerts(&self, count: usize) -> Vec<Alert> {
        let mut alerts = Vec::new();
        wait_until(DEADLINE, "alerts in the queue", || {
            alerts.extend(self.receive());
            (alerts.len() >= count).then_some(())
        });
        assert_eq!(alerts.len(), count, "{alerts:?}");
        alerts
    }

    /// Takes every alert that was published up to now from the queue. A message of our own tells when all have arrived.
    #[track_caller]
    pub fn take_all_alerts(&self) -> Vec<Alert> {
        let topic = format!(
            "arn:aws:sns:{}:{}:fraud-alerts-dev",
            crate::support::REGION,
            self.env.account
        );
        let marker = json!({"TopicArn": topic, "Subject": MARKER, "Message": "{}"});
        self.env.aws.call("sns", "publish", marker);
        let mut alerts = Vec::new();
        wait_until(DEADLINE, "the marker in the queue", || {
            alerts.extend(self.receive());
            alerts.iter().any(|alert: &Alert| alert.subject == MARKER).then_some(())
        });
        alerts.retain(|alert| alert.subject != MARKER);
        alerts
    }

    fn receive(&self) -> Vec<Alert> {
        let params = json!({"QueueUrl": self.queue, "MaxNumberOfMessages": 10});
        let received = self.env.aws.call("sqs", "receive_message", params);
        let messages = received["Messages"].as_array().cloned().unwrap_or_default();
        for message in &messages {
            let params = json!({"QueueUrl": self.queue, "ReceiptHandle": message["ReceiptHandle"]});
            self.env.aws.call("sqs", "delete_message", params);
        }
        messages.iter().map(|message| opened(&text(&message["Body"]))).collect()
    }
}

/// A request body with an amount exactly as written here.
pub fn transaction(id: &str, user: &str, amount: &str) -> String {
    format!(r#"{{"transaction_id": "{id}", "user_id": "{user}", "amount": {amount}}}"#)
}

/// Seconds since the Unix epoch.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970")
        .as_secs()
}

/// The text of a JSON string.
#[track_caller]
pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no string"))
        .to_owned()
}

/// What is in the envelope that SNS puts around a message to a queue.
#[track_caller]
fn opened(body: &str) -> Alert {
    let envelope: Value = serde_json::from_str(body).unwrap_or_else(|why| panic!("{why}: {body}"));
    assert_eq!(envelope["Type"], "Notification", "{envelope:#}");
    let message = text(&envelope["Message"]);
    Alert {
        subject: text(&envelope["Subject"]),
        message: serde_json::from_str(&message).unwrap_or_else(|why| panic!("{why}: {message}")),
    }
}
