//! How things are stored: the attributes, indexes and ids that both functions and the command line agree on.

/// The attributes of a stored transaction, beside the fields of the request.
pub mod attribute {
    /// Its id, the table's hash key.
    pub const TRANSACTION_ID: &str = "transaction_id";
    /// When it was received, in seconds; the table's range key.
    pub const TIMESTAMP: &str = "timestamp";
    /// Who pays.
    pub const USER_ID: &str = "user_id";
    /// How much, as a number.
    pub const AMOUNT: &str = "amount";
    /// Who is paid.
    pub const MERCHANT: &str = "merchant";
    /// Where.
    pub const LOCATION: &str = "location";
    /// The score, as a number.
    pub const FRAUD_SCORE: &str = "fraud_score";
    /// Whether the pattern analysis counts it.
    pub const IS_SUSPICIOUS: &str = "is_suspicious";
    /// The rules that fired: a list of maps.
    pub const REASONS: &str = "reasons";
    /// Which rules these were.
    pub const RULES_VERSION: &str = "rules_version";
    /// Only on suspicious transactions: the five minutes that they fall into, see [`super::bucket`].
    pub const SUSPICIOUS_BUCKET: &str = "suspicious_bucket";
    /// Only while an alert is still to be sent: [`super::PENDING`].
    pub const PENDING_ALERT: &str = "pending_alert";
    /// Only while an alert is still to be sent: its message.
    pub const ALERT_MESSAGE: &str = "alert_message";
    /// When somebody last set out to send an alert that had stayed pending, in seconds.
    pub const ALERT_CLAIMED_AT: &str = "alert_claimed_at";
    /// When the alert was sent, in seconds.
    pub const ALERT_SENT_AT: &str = "alert_sent_at";
    /// What an analyst said of it: `fraud` or `ok`.
    pub const LABEL: &str = "label";
    /// When he said so, in seconds.
    pub const LABELLED_AT: &str = "labelled_at";
}

/// A user's transactions, the table's index by `user_id` and `timestamp`.
pub const USER_INDEX: &str = "user-index";
/// The suspicious transactions alone, by [`attribute::SUSPICIOUS_BUCKET`] and `timestamp`.
pub const SUSPICIOUS_INDEX: &str = "suspicious-index";
/// The transactions whose alert is still to be sent, by [`attribute::PENDING_ALERT`] and `timestamp`.
pub const PENDING_INDEX: &str = "pending-alerts-index";

/// What [`attribute::PENDING_ALERT`] says: whose alert it is.
pub const PENDING: &str = "transaction";

/// How long a bucket of suspicious transactions is, in seconds.
pub const BUCKET_SECONDS: u64 = 300;

/// The bucket of a moment. Buckets keep the suspicious transactions of the whole of time from sharing one partition.
pub const fn bucket(timestamp: u64) -> u64 {
    timestamp / BUCKET_SECONDS
}

/// The hash key of the table of what was done already.
pub const RECORD_ID: &str = "id";

/// The id of the record that says what became of a transaction.
pub fn transaction_record(transaction_id: &str) -> String {
    format!("transaction#{transaction_id}")
}

/// The id of the record in which the analyzer keeps how far it got.
pub const ANALYZER_RECORD: &str = "analyzer";

/// The profile of a merchant: the hash key of the table of profiles.
pub const PROFILE_MERCHANT: &str = "merchant";
/// The day of the transactions, its range key; see [`day_of`](crate::feedback::day_of).
pub const PROFILE_DAY: &str = "day";
/// How many of them were labelled fraud.
pub const PROFILE_FRAUD: &str = "fraud";
/// How many of them were labelled ok.
pub const PROFILE_OK: &str = "ok";
/// When DynamoDB may forget the row, in seconds.
pub const PROFILE_EXPIRES_AT: &str = "expires_at";
/// How long a row is kept after its day, in days: longer than any window of the rules.
pub const PROFILE_KEPT_DAYS: u64 = 60;
