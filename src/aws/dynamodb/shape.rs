//! A table's properties in AWS's shapes and back, and what sets two tables apart. Makes no calls.

use crate::aws::{Document, Others, tags};
use crate::resource::{Failure, Tags};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, IndexStatus, KeySchemaElement, KeyType, OnDemandThroughput,
    Projection, ProjectionType, ScalarAttributeType, SseSpecification, SseStatus, SseType, TableDescription,
    TableStatus, Tag,
};
use aws_smithy_types::error::operation::BuildError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A table's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// 3 to 255 characters.
    pub name: String,
    /// `PAY_PER_REQUEST`.
    pub billing_mode: String,
    /// The type (`S`, `N` or `B`) of every attribute that is part of a key, of the table or of an index; no others.
    pub attributes: BTreeMap<String, String>,
    /// The attribute that spreads items.
    pub hash_key: String,
    /// The attribute that orders items of one hash key.
    pub range_key: Option<String>,
    /// The global secondary indexes, by name.
    pub indexes: BTreeMap<String, Index>,
    /// Can the table be restored to any second of the last 35 days?
    pub point_in_time_recovery: bool,
    /// The ARN of the KMS key that encrypts items; a key of AWS's own when `None`.
    pub kms_key: Option<String>,
    /// The attribute that says when an item expires.
    pub ttl_attribute: Option<String>,
    /// Does AWS refuse to delete the table?
    pub deletion_protection: bool,
    /// What somebody else set.
    #[serde(default)]
    pub others: Others,
    /// Tags.
    pub tags: Tags,
}

/// A global secondary index. Nothing of it can be changed in place. It holds only items that have all of its key
/// attributes, so that an index on an attribute that few items have stays small.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// The attribute that spreads items.
    pub hash_key: String,
    /// The attribute that orders items of one hash key.
    pub range_key: Option<String>,
    /// Which attributes it holds: `ALL`, `KEYS_ONLY`, or `INCLUDE` for the keys and the non-key attributes named.
    pub projection: String,
    /// The attributes that it holds beside the keys, for `INCLUDE` alone: 1 to 20.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub non_key_attributes: BTreeSet<String>,
}

/// What is told of a table by calls of their own.
pub(super) struct Details {
    pub(super) point_in_time_recovery: bool,
    pub(super) ttl_attribute: Option<String>,
    /// For how many days back, where it can be restored at all.
    pub(super) recovery_days: Option<i32>,
    /// The table's own policy, where it has one.
    pub(super) policy: Option<String>,
    pub(super) tags: Tags,
}

/// A table as it is described, as a spec.
pub(super) fn spec(name: &str, table: &TableDescription, details: Details) -> Spec {
    let (hash_key, range_key) = keys(table.key_schema());
    let indexes = table.global_secondary_indexes().iter();
    let indexes = indexes
        .filter(|index| index.index_status() != Some(&IndexStatus::Deleting))
        .map(|index| {
            let (hash_key, range_key) = keys(index.key_schema());
            let held = index.projection();
            let projection = held.and_then(Projection::projection_type);
            let projection = projection.map_or("", ProjectionType::as_str).to_owned();
            let non_key_attributes = held.map(Projection::non_key_attributes).unwrap_or_default();
            let name = index.index_name().unwrap_or_default().to_owned();
            (
                name,
                Index {
                    hash_key,
                    range_key,
                    projection,
                    non_key_attributes: non_key_attributes.iter().cloned().collect(),
                },
            )
        });
    let indexes: BTreeMap<String, Index> = indexes.collect();
    // A definition may outlive the index that it was for.
    let used = in_use(&hash_key, range_key.as_deref(), indexes.values());
    let attributes = table.attribute_definitions().iter();
    let attributes = attributes.filter(|attribute| used.contains(attribute.attribute_name()));
    let attributes: BTreeMap<_, _> = attributes
        .map(|a| (a.attribute_name().to_owned(), a.attribute_type().as_str().to_owned()))
        .collect();
    let billing = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    let encrypted = |status: &SseStatus| !matches!(status, SseStatus::Disabled | SseStatus::Disabling);
    let encryption = table.sse_description().filter(|sse| sse.status().is_none_or(encrypted));
    Spec {
        name: name.to_owned(),
        // AWS leaves the summary out for a table that always was provisioned.
        billing_mode: billing.map_or("PROVISIONED", BillingMode::as_str).to_owned(),
        attributes,
        hash_key,
        range_key,
        indexes,
        point_in_time_recovery: details.point_in_time_recovery,
        kms_key: encryption.and_then(|sse| sse.kms_master_key_arn()).map(str::to_owned),
        ttl_attribute: details.ttl_attribute,
        deletion_protection: table.deletion_protection_enabled().unwrap_or_default(),
        others: others(table, details.recovery_days, details.policy),
        tags: details.tags,
    }
}

/// The names of what somebody else may have set.
pub(super) const STREAM: &str = "StreamSpecification";
pub(super) const THROUGHPUT: &str = "OnDemandThroughput";
pub(super) const INDEX_THROUGHPUT: &str = "GlobalSecondaryIndexes.OnDemandThroughput";
pub(super) const RECOVERY_DAYS: &str = "RecoveryPeriodInDays";
pub(super) const POLICY: &str = "ResourcePolicy";
/// For how many days back a table can be restored where nobody says otherwise.
pub(super) const USUAL_RECOVERY_DAYS: i32 = 35;
/// How a limit is taken away.
const UNLIMITED: i64 = -1;

fn others(table: &TableDescription, recovery_days: Option<i32>, policy: Option<String>) -> Others {
    let stream = table.stream_specification().filter(|stream| stream.stream_enabled);
    let stream = stream.map(|stream| stream.stream_view_type().map_or("", |view| view.as_str()));
    let limit = |limits: Option<&OnDemandThroughput>| {
        let limits = limits?;
        let set = |limit: Option<i64>| limit.filter(|limit| *limit != UNLIMITED);
        let (reads, writes) = (set(limits.max_read_request_units), set(limits.max_write_request_units));
        let limited = reads.is_some() || writes.is_some();
        limited.then(|| json!({"MaxReadRequestUnits": reads, "MaxWriteRequestUnits": writes}))
    };
    let indexes = table.global_secondary_indexes().iter();
    let indexes: BTreeMap<_, _> = indexes
        .filter_map(|index| Some((index.index_name()?, limit(index.on_demand_throughput())?)))
        .collect();
    Others::of([
        (STREAM, json!(stream), Value::Null),
        (THROUGHPUT, json!(limit(table.on_demand_throughput())), Value::Null),
        (INDEX_THROUGHPUT, json!(indexes), Value::Null),
        (RECOVERY_DAYS, json!(recovery_days), json!(USUAL_RECOVERY_DAYS)),
        (POLICY, json!(policy.map(|text| Document::parse(&text))), Value::Null),
    ])
}

/// No limit but the account's.
pub(super) fn unlimited() -> OnDemandThroughput {
    OnDemandThroughput::builder()
        .max_read_request_units(UNLIMITED)
        .max_write_request_units(UNLIMITED)
        .build()
}

/// The hash key and the range key of a table or an index.
fn keys(schema: &[KeySchemaElement]) -> (String, Option<String>) {
    let key = |kind: &KeyType| {
        schema
            .iter()
            .find(|k| k.key_type() == kind)
            .map(|k| k.attribute_name().to_owned())
    };
    (key(&KeyType::Hash).unwrap_or_default(), key(&KeyType::Range))
}

/// What a table is still busy with; `None` when it takes changes.
pub(super) fn busy(table: &TableDescription) -> Option<String> {
    let moving = |status: &str| matches!(status, "CREATING" | "UPDATING" | "DELETING" | "ENABLING" | "DISABLING");
    let status = table.table_status().map_or("", TableStatus::as_str);
    if moving(status) {
        return Some(format!("it is {status}"));
    }
    for index in table.global_secondary_indexes() {
        let status = index.index_status().map_or("", IndexStatus::as_str);
        if moving(status) {
            return Some(format!(
                "its index {} is {status}",
                index.index_name().unwrap_or_default()
            ));
        }
    }
    let status = table
        .sse_description()
        .and_then(|sse| sse.status())
        .map_or("", SseStatus::as_str);
    moving(status).then(|| format!("its encryption is {status}"))
}

/// The names of the indexes to delete, and the indexes to make: one that differs is both.
pub(super) fn index_changes<'a>(live: &'a Spec, spec: &'a Spec) -> (Vec<&'a str>, Vec<(&'a str, &'a Index)>) {
    let same = |name: &str| match (live.indexes.get(name), spec.indexes.get(name)) {
        (Some(old), Some(new)) => {
            let kind = |of: &Spec, key: &str| of.attributes.get(key).cloned();
            let mut keys = std::iter::once(&new.hash_key).chain(&new.range_key);
            old == new && keys.all(|key| kind(live, key) == kind(spec, key))
        }
        _ => false,
    };
    let gone = live
        .indexes
        .keys()
        .map(String::as_str)
        .filter(|name| !same(name))
        .collect();
    let new = spec.indexes.iter().map(|(name, index)| (name.as_str(), index));
    (gone, new.filter(|(name, _)| !same(name)).collect())
}

/// A table's own keys keep their types for life.
pub(super) fn same_key_types(live: &Spec, spec: &Spec) -> Result<(), Failure> {
    let keys = std::iter::once(&spec.hash_key).chain(&spec.range_key);
    for key in keys {
        if live.attributes.get(key) != spec.attributes.get(key) {
            let message = format!("the type of {key}, a key of the table {}, cannot be changed", spec.name);
            return Err(Failure::new("dynamodb:UpdateTable", "KeyType", message)
                .hint("give the table another name, and move the items"));
        }
    }
    Ok(())
}

/// The definitions of the attributes that the table's keys and these indexes use. AWS refuses more, and fewer.
pub(super) fn definitions(spec: &Spec, indexes: &[&Index]) -> Result<Vec<AttributeDefinition>, Failure> {
    let used = in_use(&spec.hash_key, spec.range_key.as_deref(), indexes.iter().copied());
    spec.attributes
        .iter()
        .filter(|(name, _)| used.contains(name.as_str()))
        .map(|(name, kind)| {
            let kind = ScalarAttributeType::from(kind.as_str());
            AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(kind)
                .build()
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|why| invalid(&why))
}

/// The attributes that the keys of a table and its indexes use.
fn in_use<'a>(
    hash: &'a str,
    range: Option<&'a str>,
    indexes: impl IntoIterator<Item = &'a Index>,
) -> BTreeSet<&'a str> {
    let mut used: BTreeSet<&str> = range.into_iter().chain([hash]).collect();
    for index in indexes {
        used.insert(index.hash_key.as_str());
        used.extend(index.range_key.as_deref());
    }
    used
}

pub(super) fn key_schema(hash: &str, range: Option<&str>) -> Result<Vec<KeySchemaElement>, Failure> {
    let keys = std::iter::once((hash, KeyType::Hash)).chain(range.map(|range| (range, KeyType::Range)));
    keys.map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|why| invalid(&why))
}

pub(super) fn new_index(name: &str, index: &Index) -> Result<GlobalSecondaryIndex, Failure> {
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .set_key_schema(Some(key_schema(&index.hash_key, index.range_key.as_deref())?))
        .projection(projection(index))
        .build()
        .map_err(|why| invalid(&why))
}

pub(super) fn projection(index: &Index) -> Projection {
    let named: Vec<String> = index.non_key_attributes.iter().cloned().collect();
    Projection::builder()
        .projection_type(ProjectionType::from(index.projection.as_str()))
        // AWS refuses an empty list, and any list with another projection.
        .set_non_key_attributes((!named.is_empty()).then_some(named))
        .build()
}

/// Encryption with this key, or, without one, back to AWS's own.
pub(super) fn encryption(key: Option<&str>) -> SseSpecification {
    let specification = SseSpecification::builder().enabled(key.is_some());
    match key {
        Some(key) => specification.sse_type(SseType::Kms).kms_master_key_id(key).build(),
        None => specification.build(),
    }
}

pub(super) fn tag_list(tags: &Tags) -> Result<Vec<Tag>, Failure> {
    tags::list(tags, "dynamodb:TagResource", |key, value| {
        Tag::builder().key(key).value(value).build()
    })
}

pub(super) fn invalid(why: &BuildError) -> Failure {
    Failure::new("dynamodb:CreateTable", "InvalidSpec", why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::types::GlobalSecondaryIndexDescription;

    fn index(hash: &str) -> Index {
        Index {
            hash_key: hash.into(),
            range_key: Some("at".into()),
            projection: "ALL".into(),
            non_key_attributes: BTreeSet::new(),
        }
    }

    fn table(indexes: &[(&str, Index)], attributes: &[(&str, &str)]) -> Spec {
        Spec {
            name: "t".into(),
            billing_mode: "PAY_PER_REQUEST".into(),
            attributes: attributes
                .iter()
                .map(|(n, k)| ((*n).to_owned(), (*k).to_owned()))
                .collect(),
            hash_key: "id".into(),
            range_key: Some("at".into()),
            indexes: indexes.iter().map(|(n, i)| ((*n).to_owned(), i.clone())).collect(),
            point_in_time_recovery: true,
            kms_key: None,
            ttl_attribute: None,
            deletion_protection: false,
            others: Others::default(),
            tags: Tags::new(),
        }
    }

    #[test]
    fn an_index_with_other_keys_or_key_types_is_deleted_and_made_again() {
        let types = [("id", "S"), ("at", "N"), ("user", "S"), ("shop", "S")];
        let live = table(
            &[
                ("same", index("user")),
                ("other", index("user")),
                ("old", index("user")),
            ],
            &types,
        );
        let spec = table(
            &[
                ("same", index("user")),
                ("other", index("shop")),
                ("new", index("shop")),
            ],
            &types,
        );
        let (gone, new) = index_changes(&live, &spec);
        assert_eq!(gone, ["old", "other"]);
        assert_eq!(new.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["new", "other"]);

        let numbers = table(&[("same", index("user"))], &[("id", "S"), ("at", "N"), ("user", "N")]);
        let letters = table(&[("same", index("user"))], &[("id", "S"), ("at", "N"), ("user", "S")]);
        assert_eq!(index_changes(&letters, &numbers).0, ["same"]);
        assert!(same_key_types(&letters, &numbers).is_ok());
    }

    #[test]
    fn an_index_that_holds_other_attributes_is_made_again() {
        let holding = |names: &[&str]| Index {
            projection: "INCLUDE".into(),
            non_key_attributes: names.iter().map(|name| (*name).to_owned()).collect(),
            ..index("user")
        };
        let types = [("id", "S"), ("at", "N"), ("user", "S")];
        let live = table(&[("i", holding(&["a", "b"]))], &types);
        let same = table(&[("i", holding(&["b", "a"]))], &types);
        let more = table(&[("i", holding(&["a", "b", "c"]))], &types);
        assert!(index_changes(&live, &same).0.is_empty());
        assert_eq!(index_changes(&live, &more).0, ["i"]);
    }

    #[test]
    fn an_index_reads_back_as_written() {
        let written = Index {
            projection: "INCLUDE".into(),
            non_key_attributes: BTreeSet::from(["user_id".to_owned()]),
            ..index("bucket")
        };
        let made = new_index("i", &written).unwrap();
        let described = GlobalSecondaryIndexDescription::builder()
            .index_name("i")
            .set_key_schema(Some(made.key_schema))
            .set_projection(made.projection)
            .build();
        let described = TableDescription::builder().global_secondary_indexes(described).build();
        let details = Details {
            point_in_time_recovery: false,
            ttl_attribute: None,
            recovery_days: None,
            policy: None,
            tags: Tags::new(),
        };
        assert_eq!(spec("t", &described, details).indexes["i"], written);
        assert!(projection(&index("bucket")).non_key_attributes.is_none());
    }

    #[test]
    fn the_type_of_a_key_of_the_table_stays() {
        let live = table(&[], &[("id", "S"), ("at", "N")]);
        let spec = table(&[], &[("id", "S"), ("at", "S")]);
        assert!(same_key_types(&live, &spec).is_err());
    }

    #[test]
    fn only_attributes_in_use_are_defined() {
        let spec = table(&[], &[("id", "S"), ("at", "N"), ("user", "S"), ("shop", "S")]);
        let user = index("user");
        let names = |indexes: &[&Index]| -> Vec<String> {
            let defined = definitions(&spec, indexes).unwrap();
            defined.iter().map(|a| a.attribute_name().to_owned()).collect()
        };
        assert_eq!(names(&[]), ["at", "id"]);
        assert_eq!(names(&[&user]), ["at", "id", "user"]);
    }

    #[test]
    fn a_key_schema_reads_back_as_written() {
        assert_eq!(
            keys(&key_schema("id", Some("at")).unwrap()),
            ("id".to_owned(), Some("at".to_owned()))
        );
        assert_eq!(keys(&key_schema("id", None).unwrap()), ("id".to_owned(), None));
    }

    #[test]
    fn a_table_is_busy_until_its_last_index_is_filled() {
        let described = |status: IndexStatus| {
            let index = GlobalSecondaryIndexDescription::builder()
                .index_name("i")
                .index_status(status)
                .build();
            TableDescription::builder()
                .table_status(TableStatus::Active)
                .global_secondary_indexes(index)
                .build()
        };
        assert_eq!(
            busy(&described(IndexStatus::Creating)).as_deref(),
            Some("its index i is CREATING")
        );
        assert_eq!(busy(&described(IndexStatus::Active)), None);
    }
}
