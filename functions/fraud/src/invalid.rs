//! Why a request is refused, and which field is to blame.

use std::fmt;

use crate::amount::AmountError;

/// A body of more bytes than this is refused unread; the longest valid one is far shorter.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// A part of the request that an error can point at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The body as a whole.
    Body,
    /// `transaction_id`
    TransactionId,
    /// `user_id`
    UserId,
    /// `amount`
    Amount,
    /// `merchant`
    Merchant,
    /// `location`
    Location,
}

impl Field {
    /// The fields that a transaction has.
    pub const OF_A_TRANSACTION: [Self; 5] = [
        Self::TransactionId,
        Self::UserId,
        Self::Amount,
        Self::Merchant,
        Self::Location,
    ];

    /// The field's name in the request; `body` for the whole of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::TransactionId => "transaction_id",
            Self::UserId => "user_id",
            Self::Amount => "amount",
            Self::Merchant => "merchant",
            Self::Location => "location",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Why a request is not a transaction. The text is meant for the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The body, or the value of a field, is not JSON.
    #[error("{0} is not valid JSON")]
    Malformed(Field),
    /// The body is JSON, but not an object.
    #[error("body must be a JSON object")]
    NotAnObject,
    /// The body is longer than [`MAX_BODY_BYTES`].
    #[error("body must not be longer than {max} bytes", max = MAX_BODY_BYTES)]
    BodyTooLong,
    /// A required field is not there.
    #[error("{0} is required")]
    Missing(Field),
    /// A field is there more than once.
    #[error("{0} must not appear more than once")]
    Repeated(Field),
    /// A field that must be a string is something else, `null` included.
    #[error("{0} must be a string")]
    NotAString(Field),
    /// A string has no visible character.
    #[error("{0} must not be empty")]
    Empty(Field),
    /// A string is too long.
    #[error("{field} must not be longer than {limit} characters")]
    TooLong {
        /// Which one.
        field: Field,
        /// How long it may be, in characters.
        limit: usize,
    },
    /// A string has a control character in it.
    #[error("{0} must not contain control characters")]
    ControlCharacter(Field),
    /// The amount is not an acceptable number.
    #[error(transparent)]
    Amount(#[from] AmountError),
}

impl Invalid {
    /// The field that the error is about.
    pub const fn field(&self) -> Field {
        match self {
            Self::NotAnObject | Self::BodyTooLong => Field::Body,
            Self::Amount(_) => Field::Amount,
            Self::TooLong { field, .. } => *field,
            Self::Malformed(field)
            | Self::Missing(field)
            | Self::Repeated(field)
            | Self::NotAString(field)
            | Self::Empty(field)
            | Self::ControlCharacter(field) => *field,
        }
    }
}
