//! What the operators are told.

use serde_json::{Value, json};

use crate::pattern::{Pattern, Window};
use crate::score::Assessment;
use crate::transaction::Transaction;

/// The subject of the alert about one transaction.
pub const TRANSACTION_SUBJECT: &str = "Fraud Alert - Suspicious Transaction Detected";

/// The subject of the alert about a pattern.
pub const PATTERN_SUBJECT: &str = "Fraud Alert - Multiple Suspicious Transactions Detected";

/// The names of affected users take up at most this much of a message, so that it stays within the 256 KiB that SNS
/// takes (<https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>), and that some queues take: in the envelope that
/// SNS delivers there the message is a text, with each quote escaped.
const MAX_USERS_BYTES: usize = 200 * 1024;

/// A message for the alert topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// A line of ASCII of fewer than 100 characters, as SNS wants it.
    pub subject: &'static str,
    /// A JSON object.
    pub message: String,
}

impl Alert {
    /// Tells of one transaction whose score exceeds the threshold.
    ///
    /// The amount is a string, so that no reader turns it into a float by accident. `timestamp` is when the transaction
    /// was received. `alert_id` is the same however often the alert is delivered: two messages with one id are one
    /// alert.
    pub fn for_transaction(transaction: &Transaction, assessment: &Assessment, timestamp: u64) -> Self {
        let message = json!({
            "alert_id": format!("transaction:{}", transaction.transaction_id),
            "transaction_id": transaction.transaction_id,
            "user_id": transaction.user_id,
            "amount": transaction.amount.to_string(),
            "merchant": transaction.merchant,
            "location": transaction.location,
            "fraud_score": assessment.fraud_score,
            "reasons": assessment.reasons,
            "rules_version": assessment.rules_version,
            "timestamp": timestamp,
        });
        Self {
            subject: TRANSACTION_SUBJECT,
            message: message.to_string(),
        }
    }

    /// Tells of the suspicious transactions in a window.
    ///
    /// `affected_users` names as many users as a message holds; `affected_user_count` is always the true number.
    /// `timestamp` is when the window ended. `alert_id` is as for a transaction.
    pub fn for_pattern(pattern: &Pattern, window: Window) -> Self {
        let message = json!({
            "alert_id": format!("pattern:{}", window.until),
            "alert_type": "pattern_analysis",
            "suspicious_count": pattern.suspicious_count(),
            "affected_users": users_that_fit(pattern),
            "affected_user_count": pattern.affected_users().len(),
            "timestamp": window.until,
            "time_window": Window::LENGTH,
        });
        Self {
            subject: PATTERN_SUBJECT,
            message: message.to_string(),
        }
    }
}

fn users_that_fit(pattern: &Pattern) -> Vec<Value> {
    let mut room = MAX_USERS_BYTES;
    let names = pattern.affected_users().iter().map(|user| Value::from(user.as_str()));
    names
        .take_while(|name| {
            // As it stands in the envelope. Without the two quotes around it, and with one more byte for the comma.
            let needed = Value::from(name.to_string()).to_string().len() - 1;
            let fits = needed <= room;
            room = room.saturating_sub(needed);
            fits
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Context;
    use crate::rules::Rules;
    use crate::score::assess;

    fn message(alert: &Alert) -> Value {
        serde_json::from_str(&alert.message).expect("JSON")
    }

    #[test]
    fn a_transaction_alert_carries_the_exact_amount_as_a_string() {
        let body = br#"{"transaction_id": "t-1", "user_id": "u \"1\"", "amount": 15000.10}"#;
        let transaction = Transaction::parse(body).expect("valid");
        let assessment = assess(&transaction, &Context::unknown(1_700_000_000), Rules::builtin());
        let alert = Alert::for_transaction(&transaction, &assessment, 1_700_000_000);
        assert_eq!(alert.subject, "Fraud Alert - Suspicious Transaction Detected");
        assert!(alert.message.contains(r#""fraud_score":0.9"#));
        assert_eq!(
            message(&alert),
            json!({
                "alert_id": "transaction:t-1",
                "transaction_id": "t-1",
                "user_id": "u \"1\"",
                "amount": "15000.10",
                "merchant": "Unknown",
                "location": "Unknown",
                "fraud_score": assessment.fraud_score,
                "reasons": assessment.reasons,
                "rules_version": assessment.rules_version,
                "timestamp": 1_700_000_000,
            })
        );
    }

    #[test]
    fn a_pattern_alert_names_each_user_once() {
        let mut pattern = Pattern::default();
        for user in ["u-2", "u-1", "u-2", "u-3", "u-2", "u-1"] {
            pattern.record(Some(user.to_owned()));
        }
        let alert = Alert::for_pattern(&pattern, Window::before(1_700_000_000));
        assert_eq!(alert.subject, "Fraud Alert - Multiple Suspicious Transactions Detected");
        assert_eq!(
            message(&alert),
            json!({
                "alert_id": "pattern:1700000000",
                "alert_type": "pattern_analysis",
                "suspicious_count": 6,
                "affected_users": ["u-1", "u-2", "u-3"],
                "affected_user_count": 3,
                "timestamp": 1_700_000_000,
                "time_window": "5 minutes",
            })
        );
    }

    #[test]
    fn a_pattern_alert_never_outgrows_a_message() {
        let mut pattern = Pattern::default();
        for user in 0..20_000 {
            pattern.record(Some(format!("{user:\"<100}")));
        }
        let alert = Alert::for_pattern(&pattern, Window::before(1_700_000_000));
        let envelope = json!({"Type": "Notification", "Message": alert.message}).to_string();
        assert!(envelope.len() < 255 * 1024, "{}", envelope.len());
        let message = message(&alert);
        assert_eq!(message["suspicious_count"], 20_000);
        assert_eq!(message["affected_user_count"], 20_000);
        assert!(message["affected_users"].as_array().expect("a list").len() > 500);
    }

    #[test]
    fn subjects_are_what_sns_takes() {
        for subject in [TRANSACTION_SUBJECT, PATTERN_SUBJECT] {
            assert!(subject.is_ascii() && subject.len() < 100);
        }
    }
}
