//! The key that encrypts everything at rest.

use super::base::{Stack, add, policy};
use crate::aws::Others;
use crate::aws::kms::{alias, key};
use crate::aws::partition::logs_principal;
use crate::engine::Graph;
use crate::resource::Handle;
use serde_json::json;

pub struct Security {
    pub key: Handle,
}

pub fn declare(stack: &Stack, graph: &mut Graph) -> Security {
    let env = &stack.settings.env;
    let key = add::<key::Key>(
        graph,
        "security.key",
        key::Spec {
            description: format!("KMS key for fraud detection system - {env}"),
            enabled: true,
            rotation: true,
            deletion_window_days: 7,
            policy: key_policy(stack),
            others: Others::default(),
            tags: stack.tags("security.key"),
        },
    );
    add::<alias::Alias>(
        graph,
        "security.alias",
        alias::Spec {
            name: format!("alias/{}", stack.named("fraud-detection")),
            target_key_id: key.id().into(),
        },
    );
    Security { key }
}

/// Who may use the key: the account, by its own IAM policies; the services that pass messages on, only for this account
/// where they say for whom they work; the log service, only for our log groups. Without those in the middle, encrypted
/// topics and queues lose messages silently. SNS says for whom it works by the account, or by the topic: either will do.
fn key_policy(stack: &Stack) -> crate::aws::Document {
    let log_groups: Vec<String> = log_groups(stack)
        .iter()
        .map(|name| stack.arn("logs", &format!("log-group:{name}")))
        .collect();
    policy(json!([
        {
            "Sid": "AccountAdministersTheKey",
            "Effect": "Allow",
            "Principal": {"AWS": format!("arn:{}:iam::{}:root", stack.partition, stack.account)},
            "Action": "kms:*",
            "Resource": "*"
        },
        {
            "Sid": "ServicesPassEncryptedMessagesOn",
            "Effect": "Allow",
            "Principal": {"Service": ["cloudwatch.amazonaws.com", "sns.amazonaws.com"]},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceAccount": stack.account}}
        },
        {
            "Sid": "TheTopicPassesEncryptedMessagesOn",
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
            "Resource": "*",
            "Condition": {"ArnEquals": {"aws:SourceArn": stack.arn("sns", &stack.named("fraud-alerts"))}}
        },
        // EventBridge does not reliably say for whom it works; the policy of its queue holds it to our rule.
        {
            "Sid": "EventsPassEncryptedMessagesOn",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
            "Resource": "*"
        },
        {
            "Sid": "LogsAreEncrypted",
            "Effect": "Allow",
            "Principal": {"Service": logs_principal(stack.partition, stack.region)},
            "Action": ["kms:Decrypt*", "kms:DescribeKey", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
            "Resource": "*",
            "Condition": {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": log_groups}}
        }
    ]))
}

/// The log groups of the system, by name.
pub fn log_groups(stack: &Stack) -> [String; 4] {
    let delivery = format!("sns/{}/{}/{}", stack.region, stack.account, stack.named("fraud-alerts"));
    [
        format!("/aws/lambda/{}", stack.named("transaction-processor")),
        format!("/aws/lambda/{}", stack.named("pattern-analyzer")),
        delivery.clone(),
        format!("{delivery}/Failure"),
    ]
}
