//! A table with its secondary indexes, its encryption, its backups and its expiry.

use super::shape::{
    Details, INDEX_THROUGHPUT, POLICY, RECOVERY_DAYS, STREAM, THROUGHPUT, busy, definitions, encryption, index_changes,
    invalid, key_schema, new_index, projection, same_key_types, spec, tag_list, unlimited,
};
pub use super::shape::{Index, Spec};
use crate::aws::absent::{absent, gone, if_known, present};
use crate::aws::remarks::Wait;
use crate::aws::wait::with_tags;
use crate::aws::{Aws, tags};
use crate::resource::{Address, Changes, Class, Failure, Observed, Outputs, Reconciler, Tags, Target};
use aws_sdk_dynamodb::operation::update_table::builders::UpdateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    BillingMode, CreateGlobalSecondaryIndexAction, DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate,
    PointInTimeRecoveryStatus, StreamSpecification, TableDescription, TableStatus, TimeToLiveStatus,
    UpdateGlobalSecondaryIndexAction,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// How long a table may take to become active, to end a change, or to go; AWS needs seconds, rarely minutes.
const READY: Duration = Duration::from_secs(600);
/// How long an index may take: it is filled from the table, 8 to 17 minutes where there is little in it, and the longer the
/// more there is.
const FILLED: Duration = Duration::from_secs(3600);
/// How long a new table may be unknown.
const VISIBLE: Duration = Duration::from_secs(30);

/// Reconciles [`Spec`].
pub struct Table(pub Arc<Aws>);

impl Reconciler for Table {
    type Spec = Spec;
    const KIND: &'static str = "dynamodb.table";
    const OUTPUTS: &'static [&'static str] = &["arn", "name"];
    const IDENTITY: &'static [&'static str] = &["name"];
    const IMMUTABLE: &'static [&'static str] = &["hash_key", "range_key"];
    const TAGGED: bool = true;
    /// Of its tags, until their change is over. Those of the table itself are waited for:
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ListTagsOfResource.html>
    const STALE_READS: bool = true;

    fn predict(&self, spec: &Spec) -> Outputs {
        Outputs::from([
            ("arn".to_owned(), self.arn(&spec.name)),
            ("name".to_owned(), spec.name.clone()),
        ])
    }

    /// By name. A table that is still being made or changed is there; one that is being deleted is not.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let name = &target.spec.name;
        let mut table = self.describe(name).await?;
        if table.as_ref().and_then(|table| table.table_status()) == Some(&TableStatus::Creating) {
            // Until it is active some of its details are refused, and what is told is not true: a second before, its tags,
            // which tell whose it is, seem to be none. So they are not asked for beside the status.
            present(self.settle(name, READY).await)?;
            table = self.describe(name).await?;
        }
        let Some(table) = table else { return Ok(None) };
        let found = match self.details(name).await {
            Err(why) if why.is_not_found() => {
                let table = || async {
                    let table = self.describe(name).await?;
                    table.ok_or_else(|| absent("dynamodb:DescribeTable", name))
                };
                with_tags(&self.arn(name), table, || self.details(name)).await?
            }
            details => Some((table, details?)),
        };
        let Some((table, details)) = found else { return Ok(None) };
        let spec = spec(name, &table, details);
        let mut outputs = self.predict(&spec);
        if let Some(arn) = table.table_arn {
            outputs.insert("arn".to_owned(), arn);
        }
        Ok(Some(Observed::new(spec, outputs)))
    }

    /// One call makes the table with its indexes, encryption and tags. What must wait until it is active comes after;
    /// a crash in between leaves a table that lacks it, which an update completes.
    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let aws = &self.0;
        let indexes: Vec<&Index> = spec.indexes.values().collect();
        let attributes = definitions(spec, &indexes)?;
        let keys = key_schema(&spec.hash_key, spec.range_key.as_deref())?;
        let indexes = spec.indexes.iter().map(|(name, index)| new_index(name, index));
        let indexes = indexes.collect::<Result<Vec<_>, _>>()?;
        let indexes = (!indexes.is_empty()).then_some(indexes);
        let encryption = spec.kms_key.as_deref().map(|key| encryption(Some(key)));
        let tags = tag_list(&spec.tags)?;
        aws.call("dynamodb:CreateTable", || {
            aws.dynamodb
                .create_table()
                .table_name(&spec.name)
                .billing_mode(BillingMode::from(spec.billing_mode.as_str()))
                .set_attribute_definitions(Some(attributes.clone()))
                .set_key_schema(Some(keys.clone()))
                .set_global_secondary_indexes(indexes.clone())
                .set_sse_specification(encryption.clone())
                .deletion_protection_enabled(spec.deletion_protection)
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await?;
        self.settle(&spec.name, READY).await?;
        if spec.point_in_time_recovery {
            self.recover(&spec.name, true).await?;
        }
        if let Some(attribute) = &spec.ttl_attribute {
            self.expire(&spec.name, attribute, true).await?;
        }
        Ok(self.predict(spec))
    }

    /// AWS takes one change of a table at a time, and each only when the one before has ended.
    async fn update(&self, live: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        let name = &spec.name;
        if changes.has("attributes") {
            same_key_types(&live.spec, spec)?;
        }
        self.settle(name, FILLED).await?;
        let mut tagged = Ok(());
        if changes.has("tags") {
            tagged = tags::told_last(self.tag(live.output("arn"), &live.spec.tags, &spec.tags).await)?;
        }
        if changes.has("deletion_protection") {
            self.change(name, READY, |t| t.deletion_protection_enabled(spec.deletion_protection))
                .await?;
        }
        if changes.has("billing_mode") {
            self.change(name, READY, |t| {
                t.billing_mode(BillingMode::from(spec.billing_mode.as_str()))
            })
            .await?;
        }
        if changes.has("kms_key") {
            self.change(name, READY, |t| {
                t.sse_specification(encryption(spec.kms_key.as_deref()))
            })
            .await?;
        }
        if changes.any(&["indexes", "attributes"]) {
            self.reindex(&live.spec, spec).await?;
        }
        let recovery_days = live.spec.others.takes_back(changes, RECOVERY_DAYS);
        if changes.has("point_in_time_recovery") || recovery_days {
            self.recover(name, spec.point_in_time_recovery).await?;
        }
        self.take_back(live, changes).await?;
        if changes.has("ttl_attribute") {
            if let Some(old) = &live.spec.ttl_attribute {
                self.expire(name, old, false).await?;
            }
            if let Some(new) = &spec.ttl_attribute {
                self.expire(name, new, true).await?;
            }
        }
        tagged
    }

    /// Waits until the table is gone: only then is its name free. A protection against deletion that was seen is switched
    /// off first, so whoever asks must have made sure that it may be. One that comes after the look is AWS's refusal. While
    /// one of its indexes is made, changed or removed, AWS does not delete it.
    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let aws = &self.0;
        let name = &live.spec.name;
        if self.describe(name).await?.is_none() || present(self.settle(name, FILLED).await)?.is_none() {
            return self.gone(name).await;
        }
        if live.spec.deletion_protection {
            let off = self.change(name, READY, |t| t.deletion_protection_enabled(false)).await;
            if present(off)?.is_none() {
                return Ok(());
            }
        }
        let wait = Wait::new(&aws.remarks, FILLED);
        loop {
            let deleted = aws
                .call("dynamodb:DeleteTable", || {
                    aws.dynamodb.delete_table().table_name(name).send()
                })
                .await;
            match deleted {
                // Something had begun that was not shown before.
                Err(why) if why.code == "ResourceInUseException" && !wait.is_over() => {
                    present(self.settle(name, FILLED).await)?;
                }
                deleted => {
                    return match present(deleted)? {
                        Some(_) => self.gone(name).await,
                        None => Ok(()),
                    };
                }
            }
        }
    }
}

impl Table {
    fn arn(&self, name: &str) -> String {
        self.0.arn("dynamodb", &format!("table/{name}"))
    }

    /// The table; `None` when there is none or it is being deleted.
    async fn describe(&self, name: &str) -> Result<Option<TableDescription>, Failure> {
        let aws = &self.0;
        let found = aws
            .call("dynamodb:DescribeTable", || {
                aws.dynamodb.describe_table().table_name(name).send()
            })
            .await;
        let table = present(found)?.and_then(|found| found.table);
        Ok(table.filter(|t| t.table_status() != Some(&TableStatus::Deleting)))
    }

    pub(super) async fn details(&self, name: &str) -> Result<Details, Failure> {
        let aws = &self.0;
        let (backups, ttl, tags, policy) = tokio::try_join!(
            aws.call("dynamodb:DescribeContinuousBackups", || {
                aws.dynamodb.describe_continuous_backups().table_name(name).send()
            }),
            aws.call("dynamodb:DescribeTimeToLive", || {
                aws.dynamodb.describe_time_to_live().table_name(name).send()
            }),
            self.tags(name),
            self.policy(name),
        )?;
        let recovery = backups
            .continuous_backups_description()
            .and_then(|backups| backups.point_in_time_recovery_description());
        let recovers = recovery.and_then(|recovery| recovery.point_in_time_recovery_status())
            == Some(&PointInTimeRecoveryStatus::Enabled);
        let expires =
            |status: &TimeToLiveStatus| matches!(status, TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling);
        let ttl = ttl
            .time_to_live_description
            .filter(|ttl| ttl.time_to_live_status().is_some_and(expires));
        Ok(Details {
            point_in_time_recovery: recovers,
            recovery_days: recovery
                .and_then(|recovery| recovery.recovery_period_in_days)
                .filter(|_| recovers),
            policy,
            ttl_attribute: ttl.and_then(|ttl| ttl.attribute_name),
            tags,
        })
    }

    /// The policy that somebody gave the table itself.
    async fn policy(&self, name: &str) -> Result<Option<String>, Failure> {
        let aws = &self.0;
        let arn = self.arn(name);
        let found = aws
            .call("dynamodb:GetResourcePolicy", || {
                aws.dynamodb.get_resource_policy().resource_arn(&arn).send()
            })
            .await;
        match found {
            Err(why) if why.code == "PolicyNotFoundException" => Ok(None),
            found => Ok(if_known(found)?.and_then(|found| found.policy)),
        }
    }

    /// Takes back what somebody else set, beside what other changes take back as they go.
    async fn take_back(&self, live: &Observed<Spec>, changes: &Changes) -> Result<(), Failure> {
        let (name, others) = (&live.spec.name, &live.spec.others);
        if others.takes_back(changes, STREAM) {
            let none = StreamSpecification::builder().stream_enabled(false).build();
            let none = none.map_err(|why| invalid(&why))?;
            self.change(name, READY, |t| t.stream_specification(none.clone()))
                .await?;
        }
        if others.takes_back(changes, THROUGHPUT) {
            self.change(name, READY, |t| t.on_demand_throughput(unlimited()))
                .await?;
        }
        if others.takes_back(changes, INDEX_THROUGHPUT) {
            for index in others.names_in(INDEX_THROUGHPUT) {
                let update = UpdateGlobalSecondaryIndexAction::builder().index_name(index);
                let update = update.on_demand_throughput(unlimited()).build();
                let update = update.map_err(|why| invalid(&why))?;
                let update = GlobalSecondaryIndexUpdate::builder().update(update).build();
                self.change(name, READY, |t| t.global_secondary_index_updates(update.clone()))
                    .await?;
            }
        }
        if others.takes_back(changes, POLICY) {
            let aws = &self.0;
            let deleted = aws
                .call("dynamodb:DeleteResourcePolicy", || {
                    let delete = aws.dynamodb.delete_resource_policy();
                    delete.resource_arn(live.output("arn")).send()
                })
                .await;
            gone(deleted)?;
        }
        Ok(())
    }

    /// The tags, without those of AWS itself.
    async fn tags(&self, name: &str) -> Result<Tags, Failure> {
        let aws = &self.0;
        let arn = self.arn(name);
        let mut tags = Tags::new();
        let mut token: Option<String> = None;
        loop {
            let page = aws
                .call("dynamodb:ListTagsOfResource", || {
                    aws.dynamodb
                        .list_tags_of_resource()
                        .resource_arn(&arn)
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            tags.extend(
                page.tags
                    .unwrap_or_default()
                    .into_iter()
                    .map(|tag| (tag.key, tag.value)),
            );
            token = page.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Ok(tags::ours(tags));
            }
        }
    }

    /// Waits until the table and its indexes take changes.
    async fn settle(&self, name: &str, patience: Duration) -> Result<(), Failure> {
        let mut wait = Wait::new(&self.0.remarks, patience);
        let mut pause = Duration::from_millis(250);
        loop {
            let waiting = match self.describe(name).await? {
                Some(table) => busy(&table),
                None if wait.took() < VISIBLE => Some("it is not known yet".to_owned()),
                None => {
                    let message = format!("the table {name} is not there, or is being deleted");
                    return Err(Failure {
                        class: Class::NotFound,
                        ..Failure::new("dynamodb:DescribeTable", "NoTable", message)
                    });
                }
            };
            let Some(what) = waiting else { return Ok(()) };
            let what = format!("the table {name} to be ready: {what}");
            if wait.is_over() {
                return Err(late(&what, patience));
            }
            wait.tell(&what);
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(3));
        }
    }

    /// Waits until there is no table of this name.
    async fn gone(&self, name: &str) -> Result<(), Failure> {
        let aws = &self.0;
        let what = format!("the table {name} to be gone");
        let mut wait = Wait::new(&aws.remarks, READY);
        let mut pause = Duration::from_millis(250);
        loop {
            let found = aws
                .call("dynamodb:DescribeTable", || {
                    aws.dynamodb.describe_table().table_name(name).send()
                })
                .await;
            if present(found)?.is_none() {
                return Ok(());
            }
            if wait.is_over() {
                return Err(late(&what, READY));
            }
            wait.tell(&what);
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(3));
        }
    }

    /// Makes one change and waits for its end.
    async fn change(
        &self,
        name: &str,
        patience: Duration,
        change: impl Fn(UpdateTableFluentBuilder) -> UpdateTableFluentBuilder,
    ) -> Result<(), Failure> {
        let aws = &self.0;
        aws.call("dynamodb:UpdateTable", || {
            change(aws.dynamodb.update_table().table_name(name)).send()
        })
        .await?;
        self.settle(name, patience).await
    }

    /// Deletes and makes indexes, one by one. Deletions come first: an attribute's type is free to change only when no
    /// index uses it.
    async fn reindex(&self, live: &Spec, spec: &Spec) -> Result<(), Failure> {
        let (gone, new) = index_changes(live, spec);
        for name in gone {
            let delete = DeleteGlobalSecondaryIndexAction::builder().index_name(name).build();
            let delete = delete.map_err(|why| invalid(&why))?;
            let update = GlobalSecondaryIndexUpdate::builder().delete(delete).build();
            self.change(&spec.name, FILLED, |t| t.global_secondary_index_updates(update.clone()))
                .await?;
        }
        let kept = spec
            .indexes
            .iter()
            .filter(|(name, _)| new.iter().all(|(other, _)| *other != name.as_str()));
        let mut standing: Vec<&Index> = kept.map(|(_, index)| index).collect();
        for (name, index) in new {
            standing.push(index);
            let attributes = definitions(spec, &standing)?;
            let create = CreateGlobalSecondaryIndexAction::builder()
                .index_name(name)
                .set_key_schema(Some(key_schema(&index.hash_key, index.range_key.as_deref())?))
                .projection(projection(index))
                .build()
                .map_err(|why| invalid(&why))?;
            let update = GlobalSecondaryIndexUpdate::builder().create(create).build();
            self.change(&spec.name, FILLED, |t| {
                let t = t.set_attribute_definitions(Some(attributes.clone()));
                t.global_secondary_index_updates(update.clone())
            })
            .await?;
        }
        Ok(())
    }

    /// One table after the other: a change of tags goes on after its reply, and AWS takes only so many at once. Until the
    /// first is over, some seconds, a table refuses the second, which the retry table waits for.
    async fn tag(&self, arn: &str, live: &Tags, desired: &Tags) -> Result<(), Failure> {
        let aws = &self.0;
        let _alone = aws.alone("dynamodb:tags").await;
        tags::sync(
            live,
            desired,
            |keys| async move {
                aws.call("dynamodb:UntagResource", || {
                    let untag = aws.dynamodb.untag_resource().resource_arn(arn);
                    untag.set_tag_keys(Some(keys.clone())).send()
                })
                .await
            },
            |tags| async move {
                let tags = tag_list(&tags)?;
                aws.call("dynamodb:TagResource", || {
                    let tag = aws.dynamodb.tag_resource().resource_arn(arn);
                    tag.set_tags(Some(tags.clone())).send()
                })
                .await
            },
        )
        .await
    }
}

fn late(what: &str, patience: Duration) -> Failure {
    let message = format!("waited {} s for {what}", patience.as_secs());
    Failure {
        class: Class::Exhausted,
        ..Failure::new("dynamodb:DescribeTable", "NotReadyYet", message)
    }
    .hint("AWS goes on with it; run the same command again later to continue from there")
}
