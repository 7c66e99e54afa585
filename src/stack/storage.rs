//! What is kept: the transactions, what was learnt of merchants, what was answered before, and the parameters that the
//! functions read.

use super::base::{Stack, add};
use super::security::Security;
use crate::aws::Others;
use crate::aws::dynamodb::table;
use crate::aws::ssm::parameter;
use crate::engine::Graph;
use crate::resource::Handle;
use std::collections::BTreeMap;

pub const TABLE: &str = "storage.transactions";
pub const PROFILES: &str = "storage.profiles";
const IDEMPOTENCY: &str = "storage.idempotency";
pub const RULES: &str = "storage.rules";
pub const THRESHOLD: &str = "storage.fraud_threshold";

/// The indexes of the table, by name.
pub const BY_USER: &str = "user-index";
pub const SUSPICIOUS: &str = "suspicious-index";
pub const PENDING: &str = "pending-alerts-index";

pub struct Storage {
    pub table: Handle,
    pub profiles: Handle,
    pub idempotency: Handle,
}

pub fn declare(stack: &Stack, graph: &mut Graph, security: &Security) -> Storage {
    let storage = Storage {
        table: transactions(stack, graph, security),
        profiles: profiles(stack, graph, security),
        idempotency: idempotency(stack, graph, security),
    };
    parameters(stack, graph);
    storage
}

/// The transactions. Two of the indexes are sparse: few transactions have what they are keyed by, so that whoever looks
/// for those few reads those few.
fn transactions(stack: &Stack, graph: &mut Graph, security: &Security) -> Handle {
    let index = |hash_key: &str, projection: &str, non_key_attributes: &[&str]| table::Index {
        hash_key: hash_key.to_owned(),
        range_key: Some("timestamp".to_owned()),
        projection: projection.to_owned(),
        non_key_attributes: non_key_attributes.iter().map(|name| (*name).to_owned()).collect(),
    };
    let indexes = [
        (BY_USER, index("user_id", "ALL", &[])),
        // By the five minutes that a suspicious transaction is of.
        (SUSPICIOUS, index("suspicious_bucket", "INCLUDE", &["user_id"])),
        // What an alert tells stands in it, for whoever sends it late.
        (PENDING, index("pending_alert", "ALL", &[])),
    ];
    let plain = Plain {
        name: "transactions",
        attributes: &[
            ("transaction_id", "S"),
            ("timestamp", "N"),
            ("user_id", "S"),
            ("suspicious_bucket", "N"),
            ("pending_alert", "S"),
        ],
        range_key: Some("timestamp"),
        ttl_attribute: None,
        indexes: indexes.map(|(name, index)| (name.to_owned(), index)).into(),
    };
    plain.declare(stack, graph, security, TABLE)
}

/// What analysts said of a merchant's transactions, counted by day.
fn profiles(stack: &Stack, graph: &mut Graph, security: &Security) -> Handle {
    let plain = Plain {
        name: "profiles",
        attributes: &[("merchant", "S"), ("day", "N")],
        range_key: Some("day"),
        ttl_attribute: Some("expires_at"),
        indexes: BTreeMap::new(),
    };
    plain.declare(stack, graph, security, PROFILES)
}

/// What was answered to each transaction, and how far the analyzer has come. Nothing in it expires: a transaction may be
/// sent again at any time.
fn idempotency(stack: &Stack, graph: &mut Graph, security: &Security) -> Handle {
    let plain = Plain {
        name: "idempotency",
        attributes: &[("id", "S")],
        range_key: None,
        ttl_attribute: None,
        indexes: BTreeMap::new(),
    };
    plain.declare(stack, graph, security, IDEMPOTENCY)
}

/// What one table is, beside what all have in common. The first attribute is its hash key.
struct Plain<'a> {
    name: &'a str,
    attributes: &'a [(&'a str, &'a str)],
    range_key: Option<&'a str>,
    ttl_attribute: Option<&'a str>,
    indexes: BTreeMap<String, table::Index>,
}

impl Plain<'_> {
    fn declare(self, stack: &Stack, graph: &mut Graph, security: &Security, address: &str) -> Handle {
        let attributes = self.attributes.iter();
        add::<table::Table>(
            graph,
            address,
            table::Spec {
                name: stack.named(self.name),
                billing_mode: "PAY_PER_REQUEST".to_owned(),
                attributes: attributes
                    .map(|(name, kind)| ((*name).to_owned(), (*kind).to_owned()))
                    .collect(),
                hash_key: self.attributes.first().map_or("", |(name, _)| name).to_owned(),
                range_key: self.range_key.map(str::to_owned),
                indexes: self.indexes,
                point_in_time_recovery: true,
                kms_key: Some(security.key.arn().into()),
                ttl_attribute: self.ttl_attribute.map(str::to_owned),
                deletion_protection: stack.settings.protect.is_some(),
                others: Others::default(),
                tags: stack.tags(address),
            },
        )
    }
}

/// What the functions read while they run. The rules begin as those that the functions have built in, and are the
/// analyst's from then on, unless the settings name a file.
fn parameters(stack: &Stack, graph: &mut Graph) {
    let settings = stack.settings;
    let fixed = |value: &String| (Some(value.clone()), None);
    let rules = match &settings.rules {
        Some(rules) => (Some(rules.clone()), None),
        None => (None, Some(fraud::Rules::builtin().to_json())),
    };
    for (address, name, (value, initial), description) in [
        (
            THRESHOLD,
            "fraud_threshold",
            fixed(&settings.fraud_threshold),
            "Fraud detection threshold",
        ),
        (
            "storage.alert_email",
            "alert_email",
            fixed(&settings.alert_email),
            "Alert email address",
        ),
        (RULES, "rules", rules, "Fraud detection rules"),
    ] {
        add::<parameter::Parameter>(
            graph,
            address,
            parameter::Spec {
                name: format!("/fraud-detection/{}/{name}", settings.env),
                kind: "String".to_owned(),
                value,
                initial,
                description: description.to_owned(),
                others: Others::default(),
                tags: stack.tags(address),
            },
        );
    }
}
