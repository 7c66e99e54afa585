//! Why a transaction is not processed.

use std::error::Error;

/// Why a valid transaction was not processed. The sources tell what AWS said; they are for the log alone.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// Nothing was stored, or the reply was lost.
    #[error("storing the transaction failed")]
    Store(#[source] Box<dyn Error + Send + Sync>),
    /// The transaction was stored, its alert not published.
    #[error("publishing the alert failed")]
    Publish(#[source] Box<dyn Error + Send + Sync>),
}
