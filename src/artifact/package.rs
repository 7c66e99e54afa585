//! One binary, one zip file, always the same bytes.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zip::result::ZipResult;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use super::digest::Sha;
use super::error::ArtifactError;
use super::files::write_atomically;
use super::flavor::Flavor;

/// What Lambda's `provided` runtimes start.
/// See <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html>.
const ENTRY: &str = "bootstrap";

/// A function, ready to be uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The function's name, one of `FUNCTIONS`.
    pub function: String,
    /// The zip file, an absolute path below the target directory. A later build replaces it, hence
    /// [`Artifact::read`].
    pub zip: PathBuf,
    /// Size of the zip file in bytes: what is uploaded.
    pub zip_bytes: u64,
    /// Size of the binary in the zip file in bytes: what a cold start loads.
    pub binary_bytes: u64,
    /// SHA-256 of the zip file in base64, comparable with the `CodeSha256` of AWS.
    pub sha256_base64: String,
    /// SHA-256 of the zip file in lower-case hexadecimal.
    pub sha256_hex: String,
}

impl Artifact {
    pub(super) fn new(function: &str, zip: PathBuf, zip_bytes: u64, binary_bytes: u64, sha: Sha) -> Self {
        Self {
            function: function.to_owned(),
            zip,
            zip_bytes,
            binary_bytes,
            sha256_base64: sha.base64(),
            sha256_hex: sha.hex(),
        }
    }

    /// The bytes of the zip file, which are those that the SHA-256 was taken of.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Read`] if the file is gone, [`ArtifactError::Altered`] if its content is no
    /// longer what it was: another build has replaced it, or someone has written to it.
    pub fn read(&self) -> Result<Vec<u8>, ArtifactError> {
        let bytes = fs::read(&self.zip).map_err(|source| ArtifactError::Read {
            path: self.zip.clone(),
            source,
        })?;
        if Sha::of(&bytes).hex() == self.sha256_hex {
            Ok(bytes)
        } else {
            Err(ArtifactError::Altered { path: self.zip.clone() })
        }
    }
}

/// Packs a binary into the zip file `path` and describes it.
pub(super) fn pack(function: &str, binary: &[u8], flavor: Flavor, path: PathBuf) -> Result<Artifact, ArtifactError> {
    let bytes = match archive(binary, level(flavor)) {
        Ok(bytes) => bytes,
        Err(source) => return Err(ArtifactError::Zip { path, source }),
    };
    if let Err(source) = write_atomically(&path, &bytes) {
        return Err(ArtifactError::Write { path, source });
    }
    let (zip_bytes, binary_bytes) = (bytes.len() as u64, binary.len() as u64);
    Ok(Artifact::new(function, path, zip_bytes, binary_bytes, Sha::of(&bytes)))
}

/// A binary without its symbols, if that can be had: of a binary from the `dev` profile they are
/// the larger part, and packing and uploading them costs more than cutting them off.
pub(super) fn stripped(binary: &Path) -> Result<Vec<u8>, ArtifactError> {
    let cut = || -> Option<Vec<u8>> {
        // Elsewhere stripping may break a signature that the system asks for.
        if !cfg!(target_os = "linux") {
            return None;
        }
        let output = tempfile::NamedTempFile::new_in(binary.parent()?).ok()?;
        let status = Command::new("strip")
            .arg("-o")
            .args([output.path(), binary])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .ok()?;
        let bytes = fs::read(output.path()).ok()?;
        (status.success() && !bytes.is_empty()).then_some(bytes)
    };
    cut().map_or_else(
        || {
            fs::read(binary).map_err(|source| ArtifactError::Read {
                path: binary.to_path_buf(),
                source,
            })
        },
        Ok,
    )
}

/// The deflate level: 9 is the smallest that the fast encoder makes, 1 the quickest.
const fn level(flavor: Flavor) -> i64 {
    match flavor {
        Flavor::Local => 1,
        Flavor::Aws(_) => 9,
    }
}

/// A zip file of one executable. Nothing in it comes from the clock, the system or the file system.
fn archive(binary: &[u8], level: i64) -> ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::DEFAULT
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(level))
        .last_modified_time(DateTime::DEFAULT)
        .system(System::Unix)
        .unix_permissions(0o755);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(ENTRY, options)?;
    zip.write_all(binary)?;
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use zip::ZipArchive;

    use super::super::flavor::Arch;
    use super::*;

    #[test]
    fn the_same_binary_gives_the_same_bytes_and_another_gives_others() {
        for level in [level(Flavor::Local), level(Flavor::Aws(Arch::Arm64))] {
            let first = archive(b"binary", level).unwrap();
            assert_eq!(archive(b"binary", level).unwrap(), first);
            assert_ne!(archive(b"another", level).unwrap(), first);
        }
    }

    #[test]
    fn the_archive_holds_one_executable_named_bootstrap_from_the_beginning_of_zip_time() {
        let bytes = archive(b"binary", 9).unwrap();
        let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
        assert_eq!(zip.len(), 1);
        let mut entry = zip.by_index(0).unwrap();
        assert_eq!(entry.name_raw(), b"bootstrap");
        assert_eq!(entry.unix_mode(), Some(0o100_755));
        let time = entry.last_modified().unwrap();
        assert_eq!((time.year(), time.month(), time.day()), (1980, 1, 1));
        assert_eq!((time.hour(), time.minute(), time.second()), (0, 0, 0));
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        assert_eq!(content, b"binary");
    }

    #[test]
    fn an_artifact_tells_sizes_and_sum_of_the_file_it_names() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("f.zip");
        let artifact = pack("f", &[7; 5000], Flavor::Local, path.clone()).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(artifact.zip, path);
        assert_eq!(artifact.zip_bytes, bytes.len() as u64);
        assert_eq!(artifact.binary_bytes, 5000);
        assert!(artifact.zip_bytes < artifact.binary_bytes);
        assert_eq!(artifact.sha256_base64, Sha::of(&bytes).base64());
        assert_eq!(artifact.read().unwrap(), bytes);
    }

    #[test]
    fn an_altered_zip_file_is_not_handed_out() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("f.zip");
        let artifact = pack("f", b"binary", Flavor::Local, path.clone()).unwrap();
        fs::write(&path, "something else").unwrap();
        assert!(matches!(artifact.read(), Err(ArtifactError::Altered { .. })));
        fs::remove_file(&path).unwrap();
        assert!(matches!(artifact.read(), Err(ArtifactError::Read { .. })));
    }

    #[test]
    fn what_cannot_be_stripped_is_packed_as_it_is() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("script");
        fs::write(&path, "#!/bin/sh").unwrap();
        assert_eq!(stripped(&path).unwrap(), b"#!/bin/sh");
        assert!(stripped(&scratch.path().join("absent")).is_err());
    }
}
