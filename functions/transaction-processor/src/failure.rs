//! Why a transaction is not processed.

use runtime::BoxError;

/// Why a valid transaction was not processed. The sources tell what AWS said; they are for the log alone.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// What is known of the transaction, its user or its merchant could not be read; nothing was stored.
    #[error("reading {what} failed")]
    Read {
        /// What was to be read.
        what: &'static str,
        /// What AWS said.
        source: BoxError,
    },
    /// Nothing was stored, or the reply was lost.
    #[error("storing the transaction failed")]
    Store(#[source] BoxError),
    /// It took too long. Whether it was stored is not known.
    #[error("the request took longer than {0} ms")]
    TooSlow(u128),
}
