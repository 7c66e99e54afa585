use super::{Address, Failure};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::future::Future;

/// What other resources may refer to: ids, ARNs, URLs, names.
pub type Outputs = BTreeMap<String, String>;
/// Tags, in AWS's own terms.
pub type Tags = BTreeMap<String, String>;

/// One kind of AWS resource: how it is observed, brought to its spec, and removed.
///
/// A new kind is one file that implements this and one line in the registry. Every method may be killed half-way and
/// called again: the next `observe` must find what an earlier `create` made.
pub trait Reconciler: Send + Sync + 'static {
    /// Every property we manage, in AWS's own terms. Compared field by field with what `observe` returns.
    type Spec: Serialize + DeserializeOwned + Send + Sync;

    /// The kind's name in states, plans and messages, `service.kind`.
    const KIND: &'static str;
    /// The outputs that it offers.
    const OUTPUTS: &'static [&'static str];
    /// The fields that tell one resource of this kind from another (its natural name). While one of them refers to
    /// something that does not exist, the resource does not exist either. A change to one replaces the resource.
    const IDENTITY: &'static [&'static str];
    /// Other fields that AWS cannot change in place: a change to one replaces the resource.
    const IMMUTABLE: &'static [&'static str] = &[];
    /// Fields that name what contains this resource: replaced or removed with it.
    const PARENTS: &'static [&'static str] = &[];
    /// Fields that say where something comes from, not what it is (the path of a zip file): neither compared nor
    /// recorded.
    const INPUTS: &'static [&'static str] = &[];
    /// May a second one of the same identity stand beside the first? Then a replacement is created before the old one
    /// goes.
    const REPEATABLE: bool = false;
    /// Does AWS make a second one of the same identity where one stands, instead of refusing it? Then what a run that died
    /// may have made is looked for before another is made.
    const DOUBLES: bool = Self::REPEATABLE;
    /// Does the spec have a field `tags`, and is ownership told by it?
    const TAGGED: bool = false;
    /// May AWS go on showing old values for a while after a change? Then what it shows right after an update, where it is
    /// what was there before, and right after a creation, where it is not what was asked for, is not taken for its way of
    /// writing the new values. Only for kinds of which AWS gives back what it was given, without a way of its own. Each kind
    /// says it for itself, and why.
    const STALE_READS: bool;
    /// May AWS answer for a while as if it still stood after it was deleted? Then what a run before this one began to
    /// delete is not at once taken for something that stays.
    const LINGERS: bool = false;
    /// Is what uses it lost with it? Then it stays as long as something that uses it does.
    const VITAL: bool = false;
    /// Something of this machine, not of AWS: never recorded, counted or deleted.
    const EPHEMERAL: bool = false;

    /// The outputs that follow from the spec alone, before anything exists. `spec` may hold unresolved references.
    fn predict(&self, _spec: &Self::Spec) -> Outputs {
        Outputs::new()
    }

    /// What AWS has now: by the recorded outputs, else by natural name, else by ownership tags. `None` when there is
    /// nothing, or only something on its way out.
    fn observe(
        &self,
        target: Target<'_, Self::Spec>,
    ) -> impl Future<Output = Result<Option<Observed<Self::Spec>>, Failure>> + Send;

    /// Makes it and waits until others can use it. Called only after `observe` found nothing.
    fn create(&self, address: &Address, spec: &Self::Spec) -> impl Future<Output = Result<Outputs, Failure>> + Send;

    /// Brings `live` to `spec`, touching only what is in `changes`.
    fn update(
        &self,
        live: &Observed<Self::Spec>,
        spec: &Self::Spec,
        changes: &Changes,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Removes it and waits until its name is free, where AWS tells. Gone already is success.
    fn delete(&self, live: &Observed<Self::Spec>) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// What to look for.
pub struct Target<'a, S> {
    /// The address, for finding it by its ownership tag.
    pub address: &'a Address,
    /// The environment, for finding it by its ownership tag.
    pub env: &'a str,
    /// What was last asked for, or what is now desired. The identity is resolved; other fields may hold references.
    pub spec: &'a S,
    /// The outputs remembered from last time, where there are any.
    pub outputs: Option<&'a Outputs>,
    /// Tells by its key which tag is somebody else's, and says nothing of whose the resource is.
    pub ignored: &'a (dyn Fn(&str) -> bool + Send + Sync),
}

impl<S> Target<'_, S> {
    /// A remembered output.
    pub fn output(&self, name: &str) -> Option<&str> {
        self.outputs?.get(name).map(String::as_str)
    }

    /// Do these tags say that the resource is the one we look for?
    pub fn owns(&self, tags: &Tags) -> bool {
        tags.get(super::TAG_ENV).map(String::as_str) == Some(self.env)
            && tags.get(super::TAG_ADDRESS).map(String::as_str) == Some(self.address.as_str())
    }
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Observed<S> {
    /// Its properties, in the type of the spec.
    pub spec: S,
    /// Its outputs.
    pub outputs: Outputs,
    /// Whose it is.
    pub owner: Owner,
}

impl<S> Observed<S> {
    /// Found, with ownership told by the kind's usual means (tags, else the parent).
    pub fn new(spec: S, outputs: Outputs) -> Self {
        Self {
            spec,
            outputs,
            owner: Owner::Usual,
        }
    }

    /// One of the outputs; empty when the kind did not tell it.
    pub fn output(&self, name: &str) -> &str {
        self.outputs.get(name).map_or("", String::as_str)
    }
}

/// Whose a resource is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Told by the ownership tags where the kind has tags, else by what contains it.
    Usual,
    /// Ours, though no tag says so.
    Ours,
    /// Somebody else's.
    Foreign {
        /// Whose, or why we think so.
        why: String,
        /// May it be taken over by whoever asks for it by its address? Not what may be another environment's.
        adoptable: bool,
    },
    /// By its tags it serves another region than this, though AWS keeps it for all of them. With the words for it.
    Elsewhere(String),
}

/// Which fields an update is about.
#[derive(Clone, Debug, Default)]
pub struct Changes(Vec<String>);

impl Changes {
    /// From the paths of a diff, `tags.Project` or `visibility_timeout`.
    pub fn new(paths: impl IntoIterator<Item = String>) -> Self {
        Self(paths.into_iter().collect())
    }

    /// Did this field of the spec, or anything in it, change?
    pub fn has(&self, field: &str) -> bool {
        self.0.iter().any(|path| {
            path.strip_prefix(field)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    /// Did one of these fields change?
    pub fn any(&self, fields: &[&str]) -> bool {
        fields.iter().any(|field| self.has(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_match_whole_fields() {
        let changes = Changes::new(["tags.Project".to_owned(), "name_prefix".to_owned()]);
        assert!(changes.has("tags"));
        assert!(!changes.has("name"));
        assert!(changes.any(&["x", "name_prefix"]));
    }
}
