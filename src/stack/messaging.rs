//! How alerts travel: topics, queues, and where undeliverable messages end.

use super::base::{Stack, add, policy};
use super::security::{self, Security};
use crate::aws::iam::{attachment, policy as iam_policy, role};
use crate::aws::logs::group;
use crate::aws::sns::{subscription, topic};
use crate::aws::sqs::queue;
use crate::aws::{Document, Others};
use crate::engine::Graph;
use crate::resource::Handle;
use serde_json::json;

pub const ALERTS: &str = "messaging.alerts";
pub const ALERTS_QUEUE: &str = "messaging.alerts_queue";

const FOUR_DAYS: u32 = 4 * 86_400;
const FOURTEEN_DAYS: u32 = 14 * 86_400;

pub struct Messaging {
    pub alerts: Handle,
    pub ops: Handle,
    pub alerts_queue: Handle,
    pub alerts_dlq: Handle,
    pub lambda_dlq: Handle,
}

pub fn declare(stack: &Stack, graph: &mut Graph, security: &Security) -> Messaging {
    let alerts = alerts_topic(stack, graph, security);
    let ops = ops_topic(stack, graph, security);
    let rule_arn = stack.arn("events", &format!("rule/{}", stack.named("pattern-analysis-schedule")));

    // Both the redrive of the queue and failed deliveries of the subscription end here.
    let alerts_dlq = queue(
        stack,
        graph,
        security,
        "messaging.alerts_dlq",
        "fraud-alerts-dlq",
        (FOURTEEN_DAYS, None),
        |arn| may_send(arn, "sns.amazonaws.com", &alerts.arn().named_only().to_string()),
    );
    let alerts_queue = queue(
        stack,
        graph,
        security,
        ALERTS_QUEUE,
        "fraud-alerts-queue",
        (
            FOUR_DAYS,
            Some(queue::Redrive {
                dead_letter_arn: alerts_dlq.arn().into(),
                max_receives: 5,
            }),
        ),
        |arn| may_send(arn, "sns.amazonaws.com", &alerts.arn().named_only().to_string()),
    );
    let lambda_dlq = queue(
        stack,
        graph,
        security,
        "messaging.lambda_dlq",
        "lambda-dlq",
        (FOURTEEN_DAYS, None),
        |arn| may_send(arn, "events.amazonaws.com", &rule_arn),
    );
    add::<subscription::Subscription>(
        graph,
        "messaging.alerts_subscription",
        subscription::Spec {
            topic_arn: alerts.arn().into(),
            protocol: "sqs".to_owned(),
            endpoint: alerts_queue.arn().into(),
            dead_letter_arn: Some(alerts_dlq.arn().into()),
            raw_delivery: false,
            filter_policy: None,
        },
    );
    Messaging {
        alerts,
        ops,
        alerts_queue,
        alerts_dlq,
        lambda_dlq,
    }
}

/// The topic of fraud alerts, which logs its deliveries to queues: every one that failed, and every one that did not.
fn alerts_topic(stack: &Stack, graph: &mut Graph, security: &Security) -> Handle {
    let [_, _, delivered, failed] = security::log_groups(stack);
    // The groups, and the streams in them.
    let log_arns = [&delivered, &failed].map(|name| {
        let arn = stack.arn("logs", &format!("log-group:{name}"));
        [format!("{arn}:*"), arn]
    });
    let log_arns = log_arns.concat();
    let feedback_policy = add::<iam_policy::Policy>(
        graph,
        "messaging.feedback_policy",
        iam_policy::Spec {
            name: stack.named("sns-feedback-policy"),
            path: stack.settings.role_path.clone(),
            description: "Writes the delivery logs of SNS".to_owned(),
            document: policy(json!([{
                "Effect": "Allow",
                "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
                "Resource": log_arns
            }])),
            tags: stack.global_tags("messaging.feedback_policy"),
        },
    );
    let role = add::<role::Role>(
        graph,
        "messaging.feedback_role",
        role::Spec {
            name: stack.named("sns-feedback-role"),
            path: stack.settings.role_path.clone(),
            description: "Lets SNS log its deliveries".to_owned(),
            assume_role_policy: trusted_by("sns.amazonaws.com"),
            managed_policies: [feedback_policy.arn().named_only().into()].into(),
            permissions_boundary: stack.settings.permissions_boundary.clone(),
            others: Others::default(),
            tags: stack.global_tags("messaging.feedback_role"),
        },
    );
    let attachment = add::<attachment::Attachment>(
        graph,
        "messaging.feedback_attachment",
        attachment::Spec {
            role: role.name().into(),
            policy_arn: feedback_policy.arn().into(),
        },
    );
    // Made beforehand, because SNS would make them without retention and without encryption.
    let logs = [
        ("messaging.delivery_log", delivered),
        ("messaging.delivery_failure_log", failed),
    ]
    .map(|(address, name)| {
        add::<group::Group>(
            graph,
            address,
            group::Spec {
                name,
                retention_days: Some(stack.settings.log_retention_days),
                kms_key: Some(security.key.arn().into()),
                class: group::standard(),
                others: Others::default(),
                tags: stack.tags(address),
            },
        )
    });
    // The right to log goes before the groups do, or SNS would make them anew.
    graph.after(&attachment, &[&logs[0], &logs[1]]);
    let topic = add::<topic::Topic>(
        graph,
        ALERTS,
        topic::Spec {
            name: stack.named("fraud-alerts"),
            kms_key: security.key.arn().into(),
            sqs_success_role: Some(role.arn().into()),
            sqs_failure_role: Some(role.arn().into()),
            sqs_success_sample_rate: Some(100),
            others: Others::default(),
            tags: stack.tags(ALERTS),
        },
    );
    graph.after(&topic, &[&attachment, &logs[0], &logs[1]]);
    topic
}

/// The topic of operational alarms.
fn ops_topic(stack: &Stack, graph: &mut Graph, security: &Security) -> Handle {
    let ops = add::<topic::Topic>(
        graph,
        "messaging.ops",
        topic::Spec {
            name: stack.named("fraud-ops"),
            kms_key: security.key.arn().into(),
            sqs_success_role: None,
            sqs_failure_role: None,
            sqs_success_sample_rate: None,
            others: Others::default(),
            tags: stack.tags("messaging.ops"),
        },
    );
    let email = &stack.settings.alert_email;
    if is_real(email) {
        add::<subscription::Subscription>(
            graph,
            "messaging.ops_email",
            subscription::Spec {
                topic_arn: ops.arn().into(),
                protocol: "email".to_owned(),
                endpoint: email.clone(),
                dead_letter_arn: None,
                raw_delivery: false,
                filter_policy: None,
            },
        );
    }
    ops
}

/// RFC 2606 keeps these names for examples: nobody reads mail there.
fn is_real(email: &str) -> bool {
    let host = email.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    let reserved = ["example.com", "example.org", "example.net"];
    !reserved.iter().any(|r| host == *r || host.ends_with(&format!(".{r}"))) && !host.ends_with(".invalid")
}

fn queue(
    stack: &Stack,
    graph: &mut Graph,
    security: &Security,
    address: &str,
    name: &str,
    (retention_seconds, redrive): (u32, Option<queue::Redrive>),
    policy: impl Fn(&str) -> Document,
) -> Handle {
    let name = stack.named(name);
    let own_arn = stack.arn("sqs", &name);
    add::<queue::Queue>(
        graph,
        address,
        queue::Spec {
            visibility_timeout: 300,
            retention_seconds,
            kms_key: security.key.arn().into(),
            policy: policy(&own_arn),
            redrive,
            others: Others::default(),
            tags: stack.tags(address),
            name,
        },
    )
}

/// A queue's policy: this service may send, on behalf of this source alone.
fn may_send(queue_arn: &str, service: &str, source_arn: &str) -> Document {
    policy(json!([{
        "Sid": "SourceMaySend",
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": source_arn}}
    }]))
}

/// A role's trust: this service may assume it.
pub fn trusted_by(service: &str) -> Document {
    policy(json!([{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]))
}

#[cfg(test)]
mod tests {
    use super::is_real;

    #[test]
    fn example_addresses_are_nobody() {
        assert!(!is_real("alerts@example.com"));
        assert!(!is_real("a@mail.EXAMPLE.org"));
        assert!(is_real("ops@fintech.io"));
        assert!(is_real("ops@notexample.com"));
    }
}
