use super::{Address, Changes, Failure, Observed, Outputs, Owner, Reconciler, Tags, Target};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A boxed future, as trait objects need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A [`Reconciler`] with its types erased: specs are JSON. This is all that the engine sees.
pub trait Kind: Send + Sync {
    /// The kind's name.
    fn name(&self) -> &'static str;
    /// [`Reconciler::OUTPUTS`].
    fn outputs(&self) -> &'static [&'static str];
    /// [`Reconciler::IDENTITY`].
    fn identity(&self) -> &'static [&'static str];
    /// [`Reconciler::IMMUTABLE`].
    fn immutable(&self) -> &'static [&'static str];
    /// [`Reconciler::PARENTS`].
    fn parents(&self) -> &'static [&'static str];
    /// [`Reconciler::INPUTS`].
    fn inputs(&self) -> &'static [&'static str];
    /// [`Reconciler::REPEATABLE`].
    fn repeatable(&self) -> bool;
    /// [`Reconciler::DOUBLES`].
    fn doubles(&self) -> bool;
    /// [`Reconciler::TAGGED`].
    fn tagged(&self) -> bool;
    /// [`Reconciler::EPHEMERAL`].
    fn ephemeral(&self) -> bool;
    /// [`Reconciler::STALE_READS`].
    fn stale_reads(&self) -> bool {
        false
    }
    /// [`Reconciler::LINGERS`].
    fn lingers(&self) -> bool {
        false
    }
    /// [`Reconciler::VITAL`].
    fn vital(&self) -> bool {
        false
    }
    /// Is the tag of this key somebody else's, to be left alone? Then it is neither compared nor recorded, and stays when
    /// others are changed.
    fn ignores_tag(&self, _key: &str) -> bool {
        false
    }
    /// [`Reconciler::predict`].
    fn predict(&self, spec: &Value) -> Outputs;
    /// A spec in the one form in which two of them can be compared: sets sorted, policies canonical. To be taken after
    /// references are resolved, since they change the order.
    fn normalize(&self, spec: &Value) -> Result<Value, Failure>;
    /// [`Reconciler::observe`].
    fn observe<'a>(
        &'a self,
        address: &'a Address,
        env: &'a str,
        spec: &'a Value,
        outputs: Option<&'a Outputs>,
    ) -> BoxFuture<'a, Result<Option<Live>, Failure>>;
    /// [`Reconciler::create`].
    fn create<'a>(&'a self, address: &'a Address, spec: &'a Value) -> BoxFuture<'a, Result<Outputs, Failure>>;
    /// [`Reconciler::update`].
    fn update<'a>(
        &'a self,
        live: &'a Live,
        spec: &'a Value,
        changes: &'a Changes,
    ) -> BoxFuture<'a, Result<(), Failure>>;
    /// [`Reconciler::delete`].
    fn delete<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<(), Failure>>;
}

/// [`Observed`] with its type erased.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// The properties.
    pub spec: Value,
    /// The outputs.
    pub outputs: Outputs,
    /// Whose it is.
    pub owner: Owner,
}

impl Live {
    /// The tags, where the kind has them.
    pub fn tags(&self) -> Tags {
        let tags = self.spec.get("tags").cloned().unwrap_or_default();
        serde_json::from_value(tags).unwrap_or_default()
    }
}

/// The kinds that an engine can work with.
pub trait Kinds: Send + Sync {
    /// The kind of this name, if there is one.
    fn get(&self, name: &str) -> Option<&dyn Kind>;

    /// The observation of the whole is over and changes begin: whatever was read for many at once is stale from now on.
    fn begin_changes(&self) {}
}

/// Tells by its key which tag is somebody else's.
pub type Ignored = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Makes a [`Kind`] of a [`Reconciler`].
pub struct Erased<R> {
    /// What it is made of.
    pub of: R,
    /// The tags of others.
    pub ignored: Ignored,
}

impl<R: Reconciler> Kind for Erased<R> {
    fn name(&self) -> &'static str {
        R::KIND
    }
    fn outputs(&self) -> &'static [&'static str] {
        R::OUTPUTS
    }
    fn identity(&self) -> &'static [&'static str] {
        R::IDENTITY
    }
    fn immutable(&self) -> &'static [&'static str] {
        R::IMMUTABLE
    }
    fn parents(&self) -> &'static [&'static str] {
        R::PARENTS
    }
    fn inputs(&self) -> &'static [&'static str] {
        R::INPUTS
    }
    fn repeatable(&self) -> bool {
        R::REPEATABLE
    }
    fn doubles(&self) -> bool {
        R::DOUBLES
    }
    fn tagged(&self) -> bool {
        R::TAGGED
    }
    fn ephemeral(&self) -> bool {
        R::EPHEMERAL
    }

    fn stale_reads(&self) -> bool {
        R::STALE_READS
    }

    fn lingers(&self) -> bool {
        R::LINGERS
    }

    fn vital(&self) -> bool {
        R::VITAL
    }

    fn ignores_tag(&self, key: &str) -> bool {
        (self.ignored)(key)
    }

    fn predict(&self, spec: &Value) -> Outputs {
        // A spec that an older version recorded may not read any more; then nothing can be said before looking.
        typed::<R>(spec).map(|spec| self.of.predict(&spec)).unwrap_or_default()
    }

    fn normalize(&self, spec: &Value) -> Result<Value, Failure> {
        json::<R>(&typed::<R>(spec)?)
    }

    fn observe<'a>(
        &'a self,
        address: &'a Address,
        env: &'a str,
        spec: &'a Value,
        outputs: Option<&'a Outputs>,
    ) -> BoxFuture<'a, Result<Option<Live>, Failure>> {
        Box::pin(async move {
            let spec = typed::<R>(spec)?;
            let target = Target {
                address,
                env,
                spec: &spec,
                outputs,
                ignored: &*self.ignored,
            };
            let found = self.of.observe(target).await?;
            found
                .map(|o| {
                    Ok(Live {
                        spec: json::<R>(&o.spec)?,
                        outputs: o.outputs,
                        owner: o.owner,
                    })
                })
                .transpose()
        })
    }

    fn create<'a>(&'a self, address: &'a Address, spec: &'a Value) -> BoxFuture<'a, Result<Outputs, Failure>> {
        Box::pin(async move { self.of.create(address, &typed::<R>(spec)?).await })
    }

    fn update<'a>(
        &'a self,
        live: &'a Live,
        spec: &'a Value,
        changes: &'a Changes,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let mut spec = spec.clone();
            if let (Some(Value::Object(tags)), Some(Value::Object(standing))) =
                (spec.get_mut("tags"), live.spec.get("tags"))
            {
                let theirs = standing.iter().filter(|(key, _)| self.ignores_tag(key));
                tags.extend(theirs.map(|(key, value)| (key.clone(), value.clone())));
            }
            let live = observed::<R>(live)?;
            self.of.update(&live, &typed::<R>(&spec)?, changes).await
        })
    }

    fn delete<'a>(&'a self, live: &'a Live) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { self.of.delete(&observed::<R>(live)?).await })
    }
}

fn observed<R: Reconciler>(live: &Live) -> Result<Observed<R::Spec>, Failure> {
    Ok(Observed {
        spec: typed::<R>(&live.spec)?,
        outputs: live.outputs.clone(),
        owner: live.owner.clone(),
    })
}

fn typed<R: Reconciler>(spec: &Value) -> Result<R::Spec, Failure> {
    // Through text, because numbers of arbitrary precision do not survive `from_value` in every shape.
    let text = spec.to_string();
    from_text(&text).map_err(|why| mismatch::<R>(&why))
}

fn from_text<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_str(text)
}

fn json<R: Reconciler>(spec: &R::Spec) -> Result<Value, Failure> {
    serde_json::to_value(spec).map_err(|why| mismatch::<R>(&why))
}

fn mismatch<R: Reconciler>(why: &serde_json::Error) -> Failure {
    Failure::new(
        R::KIND,
        "SpecMismatch",
        format!("the properties do not fit this kind: {why}"),
    )
    .hint("a newer fraudctl may have written the state")
}
