//! The world around the handler, as AWS.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, TransactWriteItem};
use fraud::feedback::first_day;
use fraud::stored::{PROFILE_DAY, PROFILE_FRAUD, PROFILE_MERCHANT, PROFILE_OK};
use fraud::{Alert, DayCount, Past};
use runtime::{BoxError, Publisher, clients};

use crate::failure::ProcessError;
use crate::limits;
use crate::outside::{Entry, Outside, Parameters, Record, Stored};
use crate::parameters::ParameterSource;
use crate::records::{Records, record};
use crate::settings::Settings;
use crate::transactions::Transactions;

/// How long to wait before a write that met another is tried again; longer each time.
const PAUSE: Duration = Duration::from_millis(20);

/// How often a write that met another is tried: with the pauses growing, for some seconds.
const TRIES: u32 = 16;

/// AWS as the settings name it. Its clients are made once and keep their connections.
pub struct Aws {
    dynamodb: Client,
    profiles: String,
    transactions: Transactions,
    records: Records,
    publisher: Publisher,
    parameters: ParameterSource,
}

impl Aws {
    /// Makes the clients. Calls nothing yet.
    pub async fn connect(settings: Settings) -> Self {
        let shared = clients::configuration(limits::CALL).await;
        let ssm = aws_sdk_ssm::config::Builder::from(&shared)
            .timeout_config(limits::PARAMETERS.timeouts())
            .retry_config(limits::PARAMETERS.retries())
            .build();
        let parameters = ParameterSource::new(aws_sdk_ssm::Client::from_conf(ssm), &settings);
        let dynamodb = Client::new(&shared);
        Self {
            profiles: settings.profiles,
            transactions: Transactions::new(dynamodb.clone(), settings.shared.table),
            records: Records::new(dynamodb.clone(), settings.shared.idempotency),
            publisher: Publisher::new(aws_sdk_sns::Client::new(&shared), settings.shared.topic_arn),
            parameters,
            dynamodb,
        }
    }

    /// One try: both items, or none.
    async fn try_to_store(&self, entry: &Entry<'_>) -> Result<Stored, Refused> {
        let id = &entry.transaction.transaction_id;
        let record = self.records.put_new(id, entry.timestamp, entry.record)?;
        let transaction = self.transactions.put(entry)?;
        let call = self.dynamodb.transact_write_items();
        let sent = call
            // A try after one whose reply was lost is known to be the same, and succeeds if that one did.
            .set_client_request_token(token(entry.token))
            .transact_items(TransactWriteItem::builder().put(record).build())
            .transact_items(TransactWriteItem::builder().put(transaction).build())
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Stored::First),
            Err(error) => refusal(error),
        }
    }
}

/// What DynamoDB takes as a token: 1 to 36 characters, as Lambda's ids are. Without one the SDK makes one for each try.
fn token(text: &str) -> Option<String> {
    (1..=36).contains(&text.len()).then(|| text.to_owned())
}

/// Why a write did not take place.
enum Refused {
    /// Another write of the same items was in the way, or too many writes were. A moment later it may work.
    Busy(BoxError),
    /// An earlier try of this very write is still under way.
    UnderWay(BoxError),
    /// It will not work.
    Failed(BoxError),
}

impl<E: Into<BoxError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

fn refusal(error: SdkError<TransactWriteItemsError>) -> Result<Stored, Refused> {
    let refused: fn(BoxError) -> Refused = match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            let reasons = cancelled.cancellation_reasons();
            if let Some(earlier) = reasons.iter().find_map(stored_before) {
                return Ok(Stored::Before(earlier?));
            }
            if reasons.iter().any(passes) {
                Refused::Busy
            } else {
                Refused::Failed
            }
        }
        Some(TransactWriteItemsError::TransactionInProgressException(_)) => Refused::UnderWay,
        _ => Refused::Failed,
    };
    Err(refused(error.into()))
}

/// The record that stood in the way.
fn stored_before(reason: &CancellationReason) -> Option<Result<Record, BoxError>> {
    if reason.code() != Some("ConditionalCheckFailed") {
        return None;
    }
    let item = reason.item().cloned().unwrap_or_default();
    Some(record(item).map_err(BoxError::from))
}

/// Is this a reason that passes by itself?
/// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>
fn passes(reason: &CancellationReason) -> bool {
    let passing = [
        "TransactionConflict",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
    ];
    reason.code().is_some_and(|code| passing.contains(&code))
}

impl Outside for Aws {
    async fn earlier(&self, transaction_id: &str) -> Result<Option<Record>, ProcessError> {
        let found = self.records.find(transaction_id).await;
        found.map_err(reading("what became of the transaction"))
    }

    async fn history(&self, user_id: &str) -> Result<Vec<Past>, ProcessError> {
        let found = self.transactions.history(user_id).await;
        found.map_err(reading("the user's history"))
    }

    async fn merchant(&self, merchant: &str, now: u64) -> Result<Vec<DayCount>, ProcessError> {
        let found = self
            .dynamodb
            .query()
            .table_name(&self.profiles)
            .key_condition_expression("#merchant = :merchant AND #day >= :day")
            .expression_attribute_names("#merchant", PROFILE_MERCHANT)
            .expression_attribute_names("#day", PROFILE_DAY)
            .expression_attribute_values(":merchant", AttributeValue::S(merchant.to_owned()))
            .expression_attribute_values(":day", AttributeValue::N(first_day(now).to_string()))
            .send()
            .await
            .map_err(|error| reading("the merchant's profile")(error.into()))?;
        Ok(found.items().iter().filter_map(day_count).collect())
    }

    async fn parameters(&self, now: u64) -> Parameters {
        self.parameters.current(now).await
    }

    /// One round trip, unless it meets another write of the same transaction: then whichever came first is told, or
    /// this one tries again.
    async fn store(&self, entry: &Entry<'_>) -> Result<Stored, ProcessError> {
        let mut tried = 1;
        loop {
            let lost = match self.try_to_store(entry).await {
                Ok(stored) => return Ok(stored),
                Err(Refused::Busy(_)) if tried < TRIES => true,
                Err(Refused::UnderWay(_)) if tried < TRIES => false,
                Err(Refused::Busy(error) | Refused::UnderWay(error) | Refused::Failed(error)) => {
                    return Err(ProcessError::Store(error));
                }
            };
            tokio::time::sleep(PAUSE * tried).await;
            tried += 1;
            // Whoever was in the way has stored it by now, most likely: to look is gentler than to write again.
            if lost && let Some(earlier) = self.earlier(&entry.transaction.transaction_id).await? {
                return Ok(Stored::Before(earlier));
            }
        }
    }

    async fn publish(&self, alert: &Alert) -> Result<(), BoxError> {
        self.publisher.publish(alert.subject, &alert.message).await
    }

    async fn mark_sent(&self, transaction_id: &str, timestamp: u64, now: u64) -> Result<(), BoxError> {
        self.transactions.mark_sent(transaction_id, timestamp, now).await
    }
}

fn reading(what: &'static str) -> impl Fn(BoxError) -> ProcessError {
    move |source| ProcessError::Read { what, source }
}

fn day_count(item: &std::collections::HashMap<String, AttributeValue>) -> Option<DayCount> {
    // A counter that was never moved is not there; one that was moved back too far counts for nothing.
    let number = |name: &str| item.get(name)?.as_n().ok()?.parse().ok();
    Some(DayCount {
        day: number(PROFILE_DAY)?,
        fraud: number(PROFILE_FRAUD).unwrap_or_default(),
        ok: number(PROFILE_OK).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn because(code: &str) -> CancellationReason {
        CancellationReason::builder().code(code).build()
    }

    #[test]
    fn only_a_failed_condition_tells_of_an_earlier_record() {
        assert!(stored_before(&because("None")).is_none());
        assert!(stored_before(&because("TransactionConflict")).is_none());
        // A record that cannot be read is an error, never taken for absent.
        assert!(stored_before(&because("ConditionalCheckFailed")).is_some_and(|record| record.is_err()));
    }

    #[test]
    fn conflicts_and_throttling_pass() {
        assert!(passes(&because("TransactionConflict")));
        assert!(passes(&because("ThrottlingError")));
        assert!(!passes(&because("ValidationError")));
        assert!(!passes(&because("None")));
    }

    #[test]
    fn an_id_of_lambda_is_a_token() {
        let id = "8a9f6d3e-2c1b-4a5d-9e8f-7a6b5c4d3e2f";
        assert_eq!(token(id).as_deref(), Some(id));
        assert_eq!(token(""), None);
        assert_eq!(token(&id.repeat(2)), None);
    }

    #[test]
    fn a_profile_may_lack_a_counter() {
        let number = |text: &str| AttributeValue::N(text.to_owned());
        let item = [("day", number("20000")), ("fraud", number("2"))].map(|(name, value)| (name.to_owned(), value));
        let expected = DayCount {
            day: 20_000,
            fraud: 2,
            ok: 0,
        };
        assert_eq!(day_count(&item.into()), Some(expected));
        assert_eq!(day_count(&std::collections::HashMap::new()), None);
    }
}
