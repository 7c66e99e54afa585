//! Why a request is refused, and which field is to blame.

use std::fmt;

use crate::amount::AmountError;
use crate::text::TextError;

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
    /// The body is gzip, or compressed in another way.
    #[error("body must not be compressed")]
    Compressed,
    /// The body is UTF-8 with a mark before it that JSON does not have.
    #[error("body must not begin with a byte order mark")]
    ByteOrderMark,
    /// The body is in an encoding of two or four bytes a character.
    #[error("body must be in UTF-8, not in UTF-16 or UTF-32")]
    WideCharacters,
    /// The body, or the value of a field, is in another encoding, or broken.
    #[error("{0} must be in UTF-8")]
    NotUtf8(Field),
    /// The body came as base64 and is none.
    #[error("body is not valid base64")]
    NotBase64,
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
    /// A string has an escape that is no character: `\ud800` without its other half.
    #[error("{0} must not contain half of a surrogate pair")]
    HalfAPair(Field),
    /// A string is none that the field takes.
    #[error("{field} {why}")]
    Text {
        /// Which one.
        field: Field,
        /// What is wrong with it.
        why: TextError,
    },
    /// The amount is not an acceptable number.
    #[error(transparent)]
    Amount(#[from] AmountError),
}

impl Invalid {
    /// The field that the error is about.
    pub const fn field(&self) -> Field {
        match self {
            Self::NotAnObject
            | Self::BodyTooLong
            | Self::Compressed
            | Self::ByteOrderMark
            | Self::WideCharacters
            | Self::NotBase64 => Field::Body,
            Self::Amount(_) => Field::Amount,
            Self::Malformed(field)
            | Self::NotUtf8(field)
            | Self::Missing(field)
            | Self::Repeated(field)
            | Self::NotAString(field)
            | Self::HalfAPair(field)
            | Self::Text { field, .. } => *field,
        }
    }
}
