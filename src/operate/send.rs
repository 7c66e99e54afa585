//! Sends a transaction through the API, as a client of the system would.

use crate::aws::Aws;
use crate::net::{Client, NoReply};
use crate::resource::Failure;
use fraud::Field;
use fraud::text::{check_id, check_text};
use serde_json::{Map, Number, Value};
use std::time::Duration;
use thiserror::Error;

/// A transaction to send. What is `None` is left out of the body.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Its id.
    pub id: String,
    /// Who pays.
    pub user: String,
    /// How much: the text of a JSON number, sent as it is.
    pub amount: String,
    /// Who is paid.
    pub merchant: Option<String>,
    /// Where.
    pub location: Option<String>,
}

/// What the API answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, as JSON where it is JSON, else as text.
    pub body: Value,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum SendError {
    /// The amount is no number.
    #[error("the amount {0:?} is not a number; write it like 150.50")]
    Amount(String),
    /// An id or a name is none that the API takes.
    #[error("{field} {why}")]
    Text {
        /// The field of the request.
        field: Field,
        /// What is wrong with it.
        why: fraud::TextError,
    },
    /// The API key could not be read.
    #[error("{0}")]
    Aws(#[from] Failure),
    /// The key that is remembered is gone.
    #[error("the API key {0} no longer exists; `fraudctl up` makes it again")]
    KeyGone(String),
    /// The key has no value.
    #[error("the API key {0} has no value; run `fraudctl up` to repair it")]
    NoKey(String),
    /// The API does not answer.
    #[error("the API at {url} does not answer: {why}")]
    NoAnswer {
        /// Where it was sent.
        url: String,
        /// What happened.
        why: NoReply,
    },
}

/// API Gateway gives up after 29 s; what is not answered by then is not answered.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(35);

impl Transaction {
    /// The request body.
    ///
    /// # Errors
    /// The amount is not a JSON number, or a text is none that the API takes.
    pub fn body(&self) -> Result<Value, SendError> {
        let refused = || SendError::Amount(self.amount.clone());
        let amount: Number = serde_json::from_str(self.amount.trim()).map_err(|_| refused())?;
        for (field, text) in [(Field::TransactionId, &self.id), (Field::UserId, &self.user)] {
            check_id(text).map_err(|why| SendError::Text { field, why })?;
        }
        for (field, text) in [(Field::Merchant, &self.merchant), (Field::Location, &self.location)] {
            let text = text.as_deref().map_or(Ok(()), check_text);
            text.map_err(|why| SendError::Text { field, why })?;
        }
        let mut body = Map::new();
        body.insert("transaction_id".to_owned(), self.id.clone().into());
        body.insert("user_id".to_owned(), self.user.clone().into());
        body.insert("amount".to_owned(), Value::Number(amount));
        for (name, value) in [("merchant", &self.merchant), ("location", &self.location)] {
            if let Some(value) = value {
                body.insert(name.to_owned(), value.clone().into());
            }
        }
        Ok(Value::Object(body))
    }
}

/// The value of an API key, read when it is needed and never kept.
///
/// # Errors
/// The key does not exist, or may not be read.
pub async fn api_key(aws: &Aws, id: &str) -> Result<String, SendError> {
    let read = || aws.apigateway.get_api_key().api_key(id).include_value(true).send();
    let key = match aws.call("apigateway:GetApiKey", read).await {
        Err(why) if why.is_not_found() => return Err(SendError::KeyGone(id.to_owned())),
        read => read?,
    };
    key.value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| SendError::NoKey(id.to_owned()))
}

/// Posts a transaction to the API at `endpoint` with this key.
///
/// # Errors
/// The amount is no number, or no answer comes within [`ANSWER_WITHIN`].
pub async fn send(client: &Client, endpoint: &str, key: &str, transaction: &Transaction) -> Result<Answer, SendError> {
    let url = format!("{endpoint}/transactions");
    let body = transaction.body()?.to_string();
    let sent = client.post(&url, &[("x-api-key", key)], body, ANSWER_WITHIN).await;
    let reply = sent.map_err(|why| SendError::NoAnswer { url, why })?;
    let body = serde_json::from_slice(&reply.body);
    Ok(Answer {
        status: reply.status,
        body: body.unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&reply.body).into_owned())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(amount: &str) -> Transaction {
        Transaction {
            id: "t".into(),
            user: "u".into(),
            amount: amount.into(),
            merchant: None,
            location: Some("Here".into()),
        }
    }

    #[test]
    fn the_amount_travels_as_written() {
        let body = of("150.50").body().unwrap().to_string();
        assert_eq!(
            body,
            r#"{"amount":150.50,"location":"Here","transaction_id":"t","user_id":"u"}"#
        );
        assert!(of("-0.01").body().is_ok());
    }

    #[test]
    fn ids_and_names_are_what_the_api_takes() {
        let refused = |change: fn(&mut Transaction)| {
            let mut transaction = of("1");
            change(&mut transaction);
            transaction.body().unwrap_err().to_string()
        };
        assert_eq!(
            refused(|sent| sent.id = "\u{200b}".into()),
            "transaction_id must not contain U+200B, which is invisible"
        );
        assert_eq!(
            refused(|sent| sent.user = " u".into()),
            "user_id must not have blanks around it"
        );
        assert_eq!(
            refused(|sent| sent.merchant = Some(String::new())),
            "merchant must not be empty"
        );
    }

    #[test]
    fn an_amount_that_is_no_number_is_refused_before_it_is_sent() {
        for bad in ["", "abc", "1,5", "\"1\"", "NaN", "1 2"] {
            assert!(matches!(of(bad).body(), Err(SendError::Amount(_))), "{bad}");
        }
    }
}
