//! The fraud-detection domain: what a transaction is, how it is scored, and when somebody is told.
//!
//! Pure: no AWS, no clock, no I/O. Times are arguments, in seconds since the Unix epoch. Amounts, scores and thresholds
//! are decimals from the request's text to the stored item; no float is involved anywhere.
//!
//! Beside it stands what the two functions around it share: their settings, and how a line of their logs looks.
//!
//! ```
//! use fraud::{Alert, Context, Rules, Threshold, Transaction, assess};
//!
//! let transaction = Transaction::parse(br#"{"transaction_id": "t-1", "user_id": "u-1", "amount": 15000.00}"#)?;
//! let assessment = assess(&transaction, &Context::unknown(1_700_000_000), Rules::builtin());
//! assert_eq!(assessment.fraud_score.to_string(), "0.9");
//!
//! if Threshold::DEFAULT.is_exceeded_by(assessment.fraud_score) {
//!     let alert = Alert::for_transaction(&transaction, &assessment, 1_700_000_000);
//!     assert!(alert.message.contains(r#""amount":"15000.00""#));
//! }
//! # Ok::<(), fraud::Invalid>(())
//! ```
#![deny(missing_docs)]

mod amount;
mod body;
mod encoding;
mod rules_file;

pub mod alert;
pub mod context;
pub mod features;
pub mod feedback;
pub mod history;
pub mod invalid;
pub mod ladder;
pub mod log;
pub mod metrics;
pub mod pattern;
pub mod progress;
pub mod rule;
pub mod rules;
pub mod score;
pub mod settings;
pub mod smoothing;
pub mod stored;
pub mod text;
pub mod threshold;
pub mod transaction;

pub use alert::Alert;
pub use amount::{AmountError, MAX_FRACTION_DIGITS, MAX_WHOLE_DIGITS};
pub use context::Context;
pub use features::Features;
pub use feedback::DayCount;
pub use history::{HISTORY_LIMIT, Past};
pub use invalid::{Field, Invalid, MAX_BODY_BYTES};
pub use ladder::{Ladder, LadderError, Step};
pub use pattern::{Pattern, Window};
pub use progress::Progress;
pub use rule::Rule;
pub use rules::{InvalidRules, Rules};
pub use score::{Assessment, Reason, Score, assess};
pub use smoothing::Smoothing;
pub use text::TextError;
pub use threshold::{InvalidThreshold, Threshold};
pub use transaction::Transaction;
