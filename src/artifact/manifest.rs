//! What the last build made, remembered beside it.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::digest::Sha;
use super::error::ArtifactError;
use super::files::{Stamp, write_atomically};
use super::flavor::FUNCTIONS;
use super::package::Artifact;

const FILE: &str = "manifest.json";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Manifest {
    version: u32,
    /// Of what the artifacts were made from, taken before they were made.
    fingerprint: String,
    /// In the order of [`FUNCTIONS`].
    artifacts: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    function: String,
    code_sha256: String,
    zip_bytes: u64,
    binary_bytes: u64,
    /// Of the zip file, so that it need not be read to be known unchanged.
    stamp: Stamp,
}

impl Entry {
    /// The artifact, if its zip file is still the one that was made.
    fn recall(&self, directory: &Path) -> Option<Artifact> {
        let sha = Sha::from_base64(&self.code_sha256)?;
        let zip = directory.join(zip_name(&self.function));
        let touched = Stamp::at(&zip)? != self.stamp;
        if touched && Sha::of(&fs::read(&zip).ok()?) != sha {
            return None;
        }
        Some(Artifact::new(
            &self.function,
            zip,
            self.zip_bytes,
            self.binary_bytes,
            sha,
        ))
    }
}

/// The name of a function's zip file.
pub(super) fn zip_name(function: &str) -> String {
    format!("{function}.zip")
}

/// The artifacts in a directory, if they were made from what the fingerprint names and every zip
/// file is there and untouched. A missing, damaged or older manifest is the same as none.
pub(super) fn recall(directory: &Path, fingerprint: &str) -> Option<Vec<Artifact>> {
    let text = fs::read(directory.join(FILE)).ok()?;
    let manifest: Manifest = serde_json::from_slice(&text).ok()?;
    let current = manifest.version == VERSION
        && manifest.fingerprint == fingerprint
        && manifest
            .artifacts
            .iter()
            .map(|entry| entry.function.as_str())
            .eq(FUNCTIONS);
    if !current {
        return None;
    }
    manifest.artifacts.iter().map(|entry| entry.recall(directory)).collect()
}

/// Remembers artifacts whose zip files lie in `directory`.
pub(super) fn remember(directory: &Path, fingerprint: String, artifacts: &[Artifact]) -> Result<(), ArtifactError> {
    let path = directory.join(FILE);
    let entries = artifacts.iter().map(|artifact| {
        Some(Entry {
            function: artifact.function.clone(),
            code_sha256: artifact.sha256_base64.clone(),
            zip_bytes: artifact.zip_bytes,
            binary_bytes: artifact.binary_bytes,
            stamp: Stamp::at(&artifact.zip)?,
        })
    });
    // A zip file that is gone already was taken away by someone else; then there is nothing to
    // remember, and the next look finds that out.
    let Some(artifacts) = entries.collect::<Option<Vec<_>>>() else {
        return Ok(());
    };
    let manifest = Manifest {
        version: VERSION,
        fingerprint,
        artifacts,
    };
    serde_json::to_vec_pretty(&manifest)
        .map_err(std::io::Error::from)
        .and_then(|text| write_atomically(&path, &text))
        .map_err(|source| ArtifactError::Write { path, source })
}

#[cfg(test)]
mod tests {
    use super::super::flavor::Flavor;
    use super::super::package::pack;
    use super::*;

    /// A directory with artifacts that are remembered under the fingerprint `f`.
    fn remembered() -> (tempfile::TempDir, Vec<Artifact>) {
        let scratch = tempfile::tempdir().unwrap();
        let artifacts: Vec<_> = FUNCTIONS
            .into_iter()
            .map(|function| {
                let zip = scratch.path().join(zip_name(function));
                pack(function, function.as_bytes(), Flavor::Local, zip).unwrap()
            })
            .collect();
        remember(scratch.path(), "f".to_owned(), &artifacts).unwrap();
        (scratch, artifacts)
    }

    #[test]
    fn what_was_made_is_recalled_under_its_fingerprint_alone() {
        let (scratch, artifacts) = remembered();
        assert_eq!(recall(scratch.path(), "f"), Some(artifacts));
        assert_eq!(recall(scratch.path(), "g"), None);
    }

    #[test]
    fn a_zip_file_that_is_changed_or_gone_is_not_recalled() {
        let (scratch, artifacts) = remembered();
        let zip = &artifacts[1].zip;
        let mut bytes = fs::read(zip).unwrap();
        bytes[40] ^= 1;
        write_atomically(zip, &bytes).unwrap();
        assert_eq!(recall(scratch.path(), "f"), None, "same length, other content");
        fs::remove_file(zip).unwrap();
        assert_eq!(recall(scratch.path(), "f"), None);
    }

    #[test]
    fn a_zip_file_that_was_only_copied_is_recalled_by_its_content() {
        let (scratch, artifacts) = remembered();
        let bytes = fs::read(&artifacts[0].zip).unwrap();
        fs::remove_file(&artifacts[0].zip).unwrap();
        fs::write(&artifacts[0].zip, bytes).unwrap();
        assert_eq!(recall(scratch.path(), "f"), Some(artifacts));
    }

    #[test]
    fn a_damaged_or_newer_manifest_is_the_same_as_none() {
        let (scratch, _artifacts) = remembered();
        let path = scratch.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        for damaged in [
            &text[..text.len() / 2],
            "",
            text.replace("\"version\": 1", "\"version\": 2").as_str(),
            text.replace("pattern-analyzer", "../pattern-analyzer").as_str(),
        ] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(recall(scratch.path(), "f"), None, "{damaged}");
        }
        fs::write(&path, &text).unwrap();
        assert!(recall(scratch.path(), "f").is_some());
    }
}
