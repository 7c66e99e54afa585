//! What is kept: the transactions, and the parameters that the functions read.

use super::base::{Stack, add};
use super::security::Security;
use crate::aws::dynamodb::table;
use crate::aws::ssm::parameter;
use crate::engine::Graph;
use crate::resource::Handle;
use std::collections::BTreeMap;

pub const TABLE: &str = "storage.transactions";

pub struct Storage {
    pub table: Handle,
}

pub fn declare(stack: &Stack, graph: &mut Graph, security: &Security) -> Storage {
    let text = str::to_owned;
    let by_user = table::Index {
        hash_key: text("user_id"),
        range_key: Some(text("timestamp")),
        projection: text("ALL"),
    };
    let table = add::<table::Table>(
        graph,
        TABLE,
        table::Spec {
            name: stack.named("transactions"),
            billing_mode: text("PAY_PER_REQUEST"),
            attributes: [("transaction_id", "S"), ("timestamp", "N"), ("user_id", "S")]
                .map(|(name, kind)| (text(name), text(kind)))
                .into(),
            hash_key: text("transaction_id"),
            range_key: Some(text("timestamp")),
            indexes: BTreeMap::from([(text("user-index"), by_user)]),
            point_in_time_recovery: true,
            kms_key: Some(security.key.arn().into()),
            ttl_attribute: None,
            deletion_protection: false,
            tags: stack.tags(TABLE),
        },
    );
    let settings = stack.settings;
    for (address, name, value, description) in [
        (
            "storage.fraud_threshold",
            "fraud_threshold",
            &settings.fraud_threshold,
            "Fraud detection threshold",
        ),
        (
            "storage.alert_email",
            "alert_email",
            &settings.alert_email,
            "Alert email address",
        ),
    ] {
        add::<parameter::Parameter>(
            graph,
            address,
            parameter::Spec {
                name: format!("/fraud-detection/{}/{name}", settings.env),
                kind: text("String"),
                value: value.clone(),
                description: text(description),
                tags: stack.tags(address),
            },
        );
    }
    Storage { table }
}
