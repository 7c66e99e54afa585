use super::deploy::outputs;
use super::exit::{self, Exit};
use super::scope::{Scope, ScopeArgs};
use super::{json, print};
use crate::operate::send::{self, Answer, SendError, Transaction};
use crate::ui::Progress;
use clap::Args;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Posts one transaction to the deployed API with its API key and prints the answer. Exits with 1 when the answer is not 200.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// The amount, a decimal number; sent exactly as written
    #[arg(long, default_value = "150.50", allow_negative_numbers = true)]
    amount: String,
    /// Who pays
    #[arg(long, default_value = "user-1")]
    user: String,
    /// The transaction's id [default: a new one]
    #[arg(long)]
    id: Option<String>,
    /// Who is paid
    #[arg(long)]
    merchant: Option<String>,
    /// Where
    #[arg(long)]
    location: Option<String>,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Print one JSON document: {"status", "body", "transaction_id"}
    #[arg(long)]
    json: bool,
}

pub async fn run(args: SendArgs) -> Result<(), Exit> {
    let progress = Progress::new();
    let mut transaction = example(&args.amount);
    transaction.user = args.user;
    transaction.merchant = args.merchant;
    transaction.location = args.location;
    if let Some(id) = args.id {
        transaction.id = id;
    }
    // Before anything is started for it.
    transaction.body().map_err(|why| Exit::usage(why.to_string()))?;
    let scope = args.scope.open_deployed(&progress).await?;
    let outputs = outputs(&scope, &scope.store().await?);
    if outputs.is_empty() {
        return Err(args.scope.nothing_deployed(&scope.home));
    }
    let answer = through(&scope, &outputs, &transaction).await?;
    if args.json {
        json::print(&json!({"status": answer.status, "body": answer.body, "transaction_id": transaction.id}))?;
    } else {
        print::line(format_args!("{} {}", answer.status, answer.body))?;
    }
    match answer.status {
        200 => Ok(()),
        403 => Err(Exit::failed(
            "the API refused the key; a new key takes up to a minute to be known everywhere, so try again",
        )),
        429 => Err(Exit::failed(too_many(&answer.body))),
        _ => Err(Exit::silent(exit::FAILED)),
    }
}

/// What to do when API Gateway takes no more requests. It has one word for a quota and another for a throttle.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html>
fn too_many(body: &Value) -> &'static str {
    if body["message"] == "Limit Exceeded" {
        "the day's quota of the API key is used up; `requests_per_day` in fraudctl.toml sets it"
    } else {
        "the API takes no more requests at the moment; when it goes on so, somebody has set a throttle: `fraudctl diff` \
         shows it, and `fraudctl up` takes it back"
    }
}

/// A transaction of this amount with an id of its own.
pub fn example(amount: &str) -> Transaction {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Transaction {
        id: format!("t-{}-{}", now.as_nanos(), std::process::id()),
        user: "user-1".to_owned(),
        amount: amount.to_owned(),
        merchant: None,
        location: None,
    }
}

/// Sends through the API that these outputs name.
pub async fn through(
    scope: &Scope,
    outputs: &BTreeMap<String, String>,
    transaction: &Transaction,
) -> Result<Answer, Exit> {
    let (Some(endpoint), Some(key_id)) = (outputs.get("api_endpoint"), outputs.get("api_key_id")) else {
        return Err(Exit::failed(format!(
            "there is no API in environment {} here; run `fraudctl up` first",
            scope.settings.env
        )));
    };
    let key = send::api_key(&scope.aws, key_id).await?;
    let sent = send::send(&scope.aws.http, endpoint, &key, transaction);
    sent.await.map_err(SendError::into)
}
