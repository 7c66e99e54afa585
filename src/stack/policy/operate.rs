//! What the commands need that use what stands.

use super::names::Names;
use super::statement::{Statement, resource_tag};
use crate::resource::TAG_ENV;
use crate::stack::{messaging, storage};

/// What `send`, `output api_key`, `label`, `rules`, `load` and `train --from table` call.
pub fn statements(names: &Names<'_>) -> Vec<Statement> {
    let transactions = || names.table(storage::TABLE);
    let rules = || names.parameter(storage::RULES);
    let ours =
        |statement: Statement| statement.when("StringEquals", resource_tag(TAG_ENV), vec![names.env().to_owned()]);
    vec![
        Statement::allow(
            "Wide",
            &[
                "sns:Unsubscribe",
                "sqs:ListQueues",
                "ssm:DescribeParameters",
                "sts:GetCallerIdentity",
            ],
            vec!["*".to_owned()],
        ),
        ours(Statement::allow(
            "ApiKey",
            &["apigateway:GET"],
            vec![names.api("/apikeys/*"), names.api("/usageplans/*")],
        )),
        Statement::allow(
            "Transactions",
            &["dynamodb:Query", "dynamodb:Scan"],
            vec![transactions()],
        ),
        Statement::allow(
            "Labels",
            &["dynamodb:UpdateItem"],
            vec![transactions(), names.table(storage::PROFILES)],
        ),
        Statement::allow(
            "RulesAndThreshold",
            &["ssm:GetParameter"],
            vec![rules(), names.parameter(storage::THRESHOLD)],
        ),
        Statement::allow("RulesPushed", &["ssm:PutParameter"], vec![rules()]),
        Statement::allow(
            "AlertsHeard",
            &["sns:ListSubscriptionsByTopic", "sns:Subscribe"],
            vec![names.topic(messaging::ALERTS)],
        ),
        Statement::allow(
            "LoadQueues",
            &[
                "sqs:CreateQueue",
                "sqs:DeleteMessage",
                "sqs:DeleteQueue",
                "sqs:GetQueueUrl",
                "sqs:ListQueueTags",
                "sqs:ReceiveMessage",
                "sqs:TagQueue",
            ],
            vec![names.load_queues()],
        ),
        // DynamoDB and SQS ask in the caller's name for what is encrypted in tables and queues.
        names.of_key("Decrypted", &["kms:Decrypt"]).when(
            "StringLike",
            "kms:ViaService",
            names.services(&["dynamodb", "sqs"]),
        ),
    ]
}
