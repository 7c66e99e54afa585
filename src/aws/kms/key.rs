//! A symmetric key of our own. AWS never deletes a key at once: one that is pending deletion counts as gone.

use crate::aws::absent::{absent, gone, present};
use crate::aws::wait::{once_known, with_tags};
use crate::aws::{Aws, Document, Others, tags};
use crate::resource::{Address, Changes, Class, Failure, Observed, Outputs, Reconciler, Tags, Target};
use aws_sdk_kms::types::{KeyMetadata, KeyState, Tag};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a new key may take until it is known and usable; AWS needs some seconds.
const USABLE: Duration = Duration::from_secs(60);
/// Between two looks at a new key.
const POLL: Duration = Duration::from_millis(500);
/// After how many days AWS rotates a key's material where nobody says otherwise.
const USUAL_PERIOD: i32 = 365;
const PERIOD: &str = "RotationPeriodInDays";
/// How many keys are asked for their tags at a time.
const AT_ONCE: usize = 8;

/// A key's properties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// Up to 8192 characters.
    pub description: String,
    /// May it be used?
    pub enabled: bool,
    /// Does AWS rotate the key material once a year?
    pub rotation: bool,
    /// For how many days a deleted key can still be saved, 7 to 30. AWS learns it only when the key is deleted.
    pub deletion_window_days: u32,
    /// Who may use and administer it. Never empty: without one, AWS makes a policy of its own.
    pub policy: Document,
    /// What somebody else set.
    #[serde(default)]
    pub others: Others,
    /// Tags.
    pub tags: Tags,
}

/// Reconciles [`Spec`].
pub struct Key(pub Arc<Aws>);

impl Reconciler for Key {
    type Spec = Spec;
    const KIND: &'static str = "kms.key";
    const OUTPUTS: &'static [&'static str] = &["arn", "id"];
    const IDENTITY: &'static [&'static str] = &[];
    const REPEATABLE: bool = true;
    const TAGGED: bool = true;
    /// What is encrypted with it cannot be read without it.
    const VITAL: bool = true;
    /// KMS is consistent after some seconds only, and others have seen rotation, policy, description and tags late:
    /// <https://docs.aws.amazon.com/kms/latest/developerguide/accessing-kms.html#programming-eventual-consistency>
    const STALE_READS: bool = true;

    /// By the recorded id; when that key is gone, the first one that carries our ownership tags and is not gone.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let window = target.spec.deletion_window_days;
        if let Some(id) = target.output("id")
            && let Some(found) = self.read(id, window).await?
        {
            return Ok(Some(found));
        }
        let all = self.0.shared("kms:keys", || self.all()).await?;
        let ours: Vec<_> = all
            .iter()
            .filter(|(_, tags)| target.owns(tags))
            .map(|(id, _)| id.clone())
            .collect();
        for id in ours {
            if let Some(found) = self.read(&id, window).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The tags come with the key, so one that was made just before a crash is found again. A lost reply is never
    /// answered by a second call.
    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let aws = &self.0;
        let tags = tag_list(&spec.tags)?;
        let created = aws
            .call("kms:CreateKey", || {
                let key = aws
                    .kms
                    .create_key()
                    .description(&spec.description)
                    .policy(spec.policy.text());
                key.set_tags(Some(tags.clone())).send()
            })
            .await?;
        let Some(key) = created.key_metadata else {
            return Err(Failure::new("kms:CreateKey", "NoKey", "AWS answered without a key"));
        };
        let id = key.key_id();
        self.usable(id).await?;
        if spec.rotation {
            self.rotate(id, true).await?;
        }
        if !spec.enabled {
            self.enable(id, false).await?;
        }
        Ok(self.outputs(&key))
    }

    async fn update(&self, live: &Observed<Spec>, spec: &Spec, changes: &Changes) -> Result<(), Failure> {
        let aws = &self.0;
        let id = live.output("id");
        // A disabled key refuses to have its rotation changed: enable first, disable last.
        if changes.has("enabled") && spec.enabled {
            self.enable(id, true).await?;
        }
        if changes.has("description") {
            aws.call("kms:UpdateKeyDescription", || {
                aws.kms
                    .update_key_description()
                    .key_id(id)
                    .description(&spec.description)
                    .send()
            })
            .await?;
        }
        if changes.has("policy") {
            aws.call("kms:PutKeyPolicy", || {
                aws.kms
                    .put_key_policy()
                    .key_id(id)
                    .policy_name("default")
                    .policy(spec.policy.text())
                    .send()
            })
            .await?;
        }
        if changes.has("rotation") || live.spec.others.takes_back(changes, PERIOD) {
            self.rotate(id, spec.rotation).await?;
        }
        let mut tagged = Ok(());
        if changes.has("tags") {
            tagged = tags::told_last(self.tag(id, &live.spec.tags, &spec.tags).await)?;
        }
        if changes.has("enabled") && !spec.enabled {
            self.enable(id, false).await?;
        }
        tagged
    }

    /// Schedules the deletion. From then on the key counts as gone, though it can be saved until the window ends.
    async fn delete(&self, live: &Observed<Spec>) -> Result<(), Failure> {
        let aws = &self.0;
        let window = i32::try_from(live.spec.deletion_window_days).unwrap_or(i32::MAX);
        let deleted = aws
            .call("kms:ScheduleKeyDeletion", || {
                let key = aws.kms.schedule_key_deletion().key_id(live.output("id"));
                key.pending_window_in_days(window).send()
            })
            .await;
        match deleted {
            Err(why) if is_pending(&why) => Ok(()),
            deleted => gone(deleted),
        }
    }
}

impl Key {
    /// What KMS tells of one key; `None` when it is gone or on its way out.
    async fn read(&self, id: &str, deletion_window_days: u32) -> Result<Option<Observed<Spec>>, Failure> {
        let aws = &self.0;
        // Of a key on its way out not everything can be read.
        let key = || async {
            let found = aws
                .call("kms:DescribeKey", || aws.kms.describe_key().key_id(id).send())
                .await?;
            let key = found.key_metadata.filter(|key| !on_its_way_out(key));
            key.ok_or_else(|| absent("kms:DescribeKey", id))
        };
        let details = || async {
            tokio::try_join!(
                aws.call("kms:GetKeyPolicy", || aws
                    .kms
                    .get_key_policy()
                    .key_id(id)
                    .policy_name("default")
                    .send()),
                aws.call("kms:GetKeyRotationStatus", || aws
                    .kms
                    .get_key_rotation_status()
                    .key_id(id)
                    .send()),
                tags(aws, id),
            )
        };
        let found = with_tags(&format!("the key {id}"), key, details).await?;
        let Some((key, (policy, rotation, tags))) = found else {
            return Ok(None);
        };
        if key.key_state() == Some(&KeyState::Creating) {
            // A run that was interrupted made it just now, and it takes no change before it is ready.
            self.usable(id).await?;
        }
        let spec = Spec {
            description: key.description().unwrap_or_default().to_owned(),
            enabled: key.key_state() != Some(&KeyState::Disabled),
            rotation: rotation.key_rotation_enabled,
            deletion_window_days,
            others: Others::of([(PERIOD, json!(rotation.rotation_period_in_days), json!(USUAL_PERIOD))]),
            policy: policy.policy().map(Document::parse).unwrap_or_default(),
            tags,
        };
        Ok(Some(Observed::new(spec, self.outputs(&key))))
    }

    /// All keys of the account whose tags we may read, and their tags. A key that its policy closes is not one that we made.
    /// Who may read none of them would make a second one of his own: that is told.
    async fn all(&self) -> Result<Vec<(String, Tags)>, Failure> {
        let reads: Vec<_> = self.ids().await?.into_iter().map(|id| self.tagged(id)).collect();
        let read: Vec<_> = stream::iter(reads).buffer_unordered(AT_ONCE).try_collect().await?;
        let (mut found, mut refused) = (Vec::new(), None);
        for tags in read {
            match tags {
                Tagged::Told(id, tags) => found.push((id, tags)),
                Tagged::Closed(why) => refused = refused.or(Some(why).filter(lacks_rights)),
                Tagged::Gone => {}
            }
        }
        match refused {
            Some(why) if found.is_empty() => Err(why),
            _ => {
                found.sort();
                Ok(found)
            }
        }
    }

    async fn ids(&self) -> Result<Vec<String>, Failure> {
        let aws = &self.0;
        let mut ids = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let page = aws
                .call("kms:ListKeys", || {
                    aws.kms.list_keys().limit(1000).set_marker(marker.clone()).send()
                })
                .await?;
            ids.extend(page.keys.unwrap_or_default().into_iter().filter_map(|key| key.key_id));
            marker = if page.truncated { page.next_marker } else { None };
            if marker.is_none() {
                return Ok(ids);
            }
        }
    }

    async fn tagged(&self, id: String) -> Result<Tagged, Failure> {
        match tags(&self.0, &id).await {
            Err(why) if why.code.contains("AccessDenied") => Ok(Tagged::Closed(why)),
            tags => Ok(present(tags)?.map_or(Tagged::Gone, |tags| Tagged::Told(id, tags))),
        }
    }

    /// Waits until a new key is known and enabled.
    async fn usable(&self, id: &str) -> Result<(), Failure> {
        let aws = &self.0;
        let start = Instant::now();
        loop {
            let found = aws
                .call("kms:DescribeKey", || aws.kms.describe_key().key_id(id).send())
                .await;
            let key = present(found)?.and_then(|found| found.key_metadata);
            if key.is_some_and(|key| key.key_state().is_none_or(|state| *state == KeyState::Enabled)) {
                return Ok(());
            }
            if start.elapsed() >= USABLE {
                let message = format!("waited {} s for the new key {id} to be enabled", USABLE.as_secs());
                return Err(Failure {
                    class: Class::Exhausted,
                    ..Failure::new("kms:DescribeKey", "NotUsableYet", message)
                }
                .hint("run the same command again: it goes on with this key"));
            }
            sleep(POLL).await;
        }
    }

    /// Not every part of KMS need know yet that the key was made, or enabled, just now. That it was enabled the retry table
    /// waits for.
    async fn rotate(&self, id: &str, on: bool) -> Result<(), Failure> {
        let aws = &self.0;
        once_known(&format!("the key {id}"), || async {
            if on {
                let enable = || {
                    let enable = aws.kms.enable_key_rotation().key_id(id);
                    enable.rotation_period_in_days(USUAL_PERIOD).send()
                };
                aws.call("kms:EnableKeyRotation", enable).await.map(drop)
            } else {
                let disable = || aws.kms.disable_key_rotation().key_id(id).send();
                aws.call("kms:DisableKeyRotation", disable).await.map(drop)
            }
        })
        .await
    }

    async fn enable(&self, id: &str, on: bool) -> Result<(), Failure> {
        let aws = &self.0;
        if on {
            aws.call("kms:EnableKey", || aws.kms.enable_key().key_id(id).send())
                .await?;
        } else {
            aws.call("kms:DisableKey", || aws.kms.disable_key().key_id(id).send())
                .await?;
        }
        Ok(())
    }

    async fn tag(&self, id: &str, live: &Tags, desired: &Tags) -> Result<(), Failure> {
        let aws = &self.0;
        tags::sync(
            live,
            desired,
            |keys| async move {
                aws.call("kms:UntagResource", || {
                    let untag = aws.kms.untag_resource().key_id(id);
                    untag.set_tag_keys(Some(keys.clone())).send()
                })
                .await
            },
            |tags| async move {
                let tags = tag_list(&tags)?;
                aws.call("kms:TagResource", || {
                    aws.kms.tag_resource().key_id(id).set_tags(Some(tags.clone())).send()
                })
                .await
            },
        )
        .await
    }

    fn outputs(&self, key: &KeyMetadata) -> Outputs {
        let id = key.key_id();
        let arn = key
            .arn()
            .map_or_else(|| self.0.arn("kms", &format!("key/{id}")), str::to_owned);
        Outputs::from([("arn".to_owned(), arn), ("id".to_owned(), id.to_owned())])
    }
}

/// The tags of a key, without those of AWS itself.
pub(super) async fn tags(aws: &Aws, id: &str) -> Result<Tags, Failure> {
    let mut tags = Tags::new();
    let mut marker: Option<String> = None;
    loop {
        let page = aws
            .call("kms:ListResourceTags", || {
                aws.kms
                    .list_resource_tags()
                    .key_id(id)
                    .set_marker(marker.clone())
                    .send()
            })
            .await?;
        tags.extend(
            page.tags
                .unwrap_or_default()
                .into_iter()
                .map(|tag| (tag.tag_key, tag.tag_value)),
        );
        marker = if page.truncated { page.next_marker } else { None };
        if marker.is_none() {
            return Ok(tags::ours(tags));
        }
    }
}

/// Is this key there, and awaits its deletion?
///
/// # Errors
/// AWS does not tell.
pub async fn awaits_deletion(aws: &Aws, id: &str) -> Result<bool, Failure> {
    let found = aws
        .call("kms:DescribeKey", || aws.kms.describe_key().key_id(id).send())
        .await;
    let key = present(found)?.and_then(|found| found.key_metadata);
    Ok(key.is_some_and(|key| on_its_way_out(&key)))
}

/// Is the key pending deletion?
pub(super) fn on_its_way_out(key: &KeyMetadata) -> bool {
    matches!(
        key.key_state(),
        Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion)
    )
}

/// Does this refusal say that the deletion is scheduled already?
fn is_pending(why: &Failure) -> bool {
    why.code == "KMSInvalidStateException" && why.message.contains("pending deletion")
}

/// What KMS tells of the tags of a key that it lists.
enum Tagged {
    Told(String, Tags),
    Closed(Failure),
    Gone,
}

/// Is it the caller's own rights that do not suffice, and not the key's policy that keeps him out? AWS tells which kind of
/// policy was the reason:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html>
fn lacks_rights(why: &Failure) -> bool {
    let of_the_caller = [
        "identity-based policy",
        "permissions boundary",
        "session policy",
        "service control policy",
        "resource control policy",
        "VPC endpoint policy",
    ];
    of_the_caller.iter().any(|policy| why.message.contains(policy))
}

fn tag_list(tags: &Tags) -> Result<Vec<Tag>, Failure> {
    tags::list(tags, "kms:TagResource", |key, value| {
        Tag::builder().tag_key(key).tag_value(value).build()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(state: KeyState) -> KeyMetadata {
        KeyMetadata::builder().key_id("k").key_state(state).build().unwrap()
    }

    #[test]
    fn a_key_pending_deletion_is_on_its_way_out_and_a_disabled_one_is_not() {
        assert!(on_its_way_out(&key(KeyState::PendingDeletion)));
        assert!(!on_its_way_out(&key(KeyState::Disabled)));
    }

    #[test]
    fn who_may_not_read_the_tags_of_keys_is_told_and_a_key_that_is_closed_is_passed_over() {
        let refusal = |reason: &str| {
            let message = format!(
                "User: arn:aws:iam::1:user/u is not authorized to perform: kms:ListResourceTags on resource: k because {reason}"
            );
            lacks_rights(&Failure::new("kms:ListResourceTags", "AccessDeniedException", message))
        };
        assert!(refusal(
            "no identity-based policy allows the kms:ListResourceTags action"
        ));
        assert!(refusal("with an explicit deny in a service control policy"));
        assert!(!refusal(
            "no resource-based policy allows the kms:ListResourceTags action"
        ));
        assert!(!refusal("with an explicit deny in a resource-based policy"));
    }

    #[test]
    fn a_deletion_scheduled_before_is_no_failure() {
        let refusal = |message: &str| Failure::new("kms:ScheduleKeyDeletion", "KMSInvalidStateException", message);
        assert!(is_pending(&refusal(
            "arn:aws:kms:us-east-1:1:key/k is pending deletion."
        )));
        assert!(!is_pending(&refusal(
            "arn:aws:kms:us-east-1:1:key/k is pending import."
        )));
    }
}
