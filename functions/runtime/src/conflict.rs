//! Writing an item that a transaction of the database holds for a moment.

use std::time::Duration;

use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};

/// How long to wait before the next try; longer each time.
const PAUSE: Duration = Duration::from_millis(20);

/// How often: with the pauses growing, for a second.
const TRIES: u32 = 10;

/// Writes with `call`, and again while a transaction holds the item: DynamoDB refuses such a write at once, and the SDK
/// does not try it again.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling>
///
/// # Errors
///
/// Any other failure at once, and the last refusal.
pub async fn unhindered<T, E, R, F>(call: impl Fn() -> F) -> Result<T, SdkError<E, R>>
where
    E: ProvideErrorMetadata,
    F: Future<Output = Result<T, SdkError<E, R>>>,
{
    let mut tried = 1;
    loop {
        match call().await {
            Err(error) if tried < TRIES && is_conflict(&error) => {}
            result => return result,
        }
        tokio::time::sleep(PAUSE * tried).await;
        tried += 1;
    }
}

fn is_conflict<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    code == Some("TransactionConflictException")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_types::error::ErrorMetadata;
    use std::cell::Cell;

    async fn after(refusals: u32, code: &'static str) -> (bool, u32) {
        let calls = Cell::new(0);
        let result = unhindered(|| {
            calls.set(calls.get() + 1);
            let refused = calls.get() <= refusals;
            async move {
                if refused {
                    let error = ErrorMetadata::builder().code(code).build();
                    Err(SdkError::service_error(error, ()))
                } else {
                    Ok(())
                }
            }
        })
        .await;
        (result.is_ok(), calls.get())
    }

    #[tokio::test]
    async fn a_write_waits_for_a_transaction_to_let_go_and_for_nothing_else() {
        assert_eq!(after(3, "TransactionConflictException").await, (true, 4));
        assert_eq!(after(3, "ValidationException").await, (false, 1));
        assert_eq!(after(99, "TransactionConflictException").await, (false, TRIES));
    }
}
