//! A Lambda binary as a resource of this machine: what depends on it waits for the build, and nothing else does.

use super::{Artifact, Builder};
use crate::resource::{Address, Changes, Failure, Observed, Outputs, Reconciler, Target, chain};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};

/// Which binary, of which sources.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// One of [`super::FUNCTIONS`].
    pub function: String,
    /// [`Builder::fingerprint`].
    pub fingerprint: String,
}

/// Reconciles [`Spec`]: building is creating.
pub struct Binary {
    builder: Option<Builder>,
    progress: Arc<dyn Fn(&str) + Send + Sync>,
    built: Mutex<Option<Vec<Artifact>>>,
    // One cargo run makes all binaries: the second to ask waits and finds its own made.
    building: tokio::sync::Mutex<()>,
}

impl Binary {
    /// Binaries made by this builder; without one, none is ever there.
    pub fn new(builder: Option<Builder>, progress: Arc<dyn Fn(&str) + Send + Sync>) -> Self {
        Self {
            builder,
            progress,
            built: Mutex::new(None),
            building: tokio::sync::Mutex::new(()),
        }
    }

    fn known(&self, function: &str) -> Option<Outputs> {
        let built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        let artifact = built.as_ref()?.iter().find(|artifact| artifact.function == function)?;
        Some(Outputs::from([
            ("sha256".to_owned(), artifact.sha256_base64.clone()),
            ("zip".to_owned(), artifact.zip.display().to_string()),
        ]))
    }

    fn remember(&self, artifacts: Option<Vec<Artifact>>) {
        if artifacts.is_some() {
            *self.built.lock().unwrap_or_else(PoisonError::into_inner) = artifacts;
        }
    }
}

impl Reconciler for Binary {
    type Spec = Spec;
    const KIND: &'static str = "artifact.binary";
    const OUTPUTS: &'static [&'static str] = &["sha256", "zip"];
    const IDENTITY: &'static [&'static str] = &["function"];
    /// It is a file of this machine.
    const STALE_READS: bool = false;
    const EPHEMERAL: bool = true;

    /// There only if a build now would make the same.
    async fn observe(&self, target: Target<'_, Spec>) -> Result<Option<Observed<Spec>>, Failure> {
        let Some(builder) = &self.builder else { return Ok(None) };
        let _one = self.building.lock().await;
        if self.known(&target.spec.function).is_none() {
            let builder = builder.clone();
            let cached = tokio::task::spawn_blocking(move || builder.cached()).await;
            self.remember(cached.map_err(|why| failed(&why))?.map_err(|why| failed(&why))?);
        }
        Ok(self
            .known(&target.spec.function)
            .map(|outputs| Observed::new(target.spec.clone(), outputs)))
    }

    async fn create(&self, _: &Address, spec: &Spec) -> Result<Outputs, Failure> {
        let _one = self.building.lock().await;
        if let (None, Some(builder)) = (self.known(&spec.function), &self.builder) {
            let artifacts = builder.build(&*self.progress).await.map_err(|why| failed(&why))?;
            self.remember(Some(artifacts));
        }
        self.known(&spec.function).ok_or_else(|| {
            Failure::new(
                "artifact:Build",
                "NotBuilt",
                format!("there is no binary {}", spec.function),
            )
        })
    }

    async fn update(&self, _: &Observed<Spec>, _: &Spec, _: &Changes) -> Result<(), Failure> {
        // Another fingerprint is another binary: it is not observed, hence built.
        Ok(())
    }

    async fn delete(&self, _: &Observed<Spec>) -> Result<(), Failure> {
        // What lies in the target directory is cargo's to keep.
        Ok(())
    }
}

fn failed(why: &dyn std::error::Error) -> Failure {
    Failure::new("artifact:Build", "NotBuilt", chain(why))
}
