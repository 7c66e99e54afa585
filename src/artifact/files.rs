//! Files that appear complete or not at all, and telling without reading whether one was touched.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// What the file system says of a file without reading it. Writing to a file changes it, and so
/// does putting another in its place; copying a tree or restoring a backup changes it too, so a
/// different stamp means "look closer" and not "different content".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// Bytes.
    length: u64,
    /// When the content last changed, in seconds and nanoseconds.
    modified: (i64, i64),
    /// When content or metadata last changed: unlike `modified`, no program can set it back.
    changed: (i64, i64),
    inode: u64,
}

impl Stamp {
    /// The stamp of a regular file, following links; `None` if there is no such file.
    pub(super) fn at(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        metadata.is_file().then(|| Self::of(&metadata))
    }

    #[cfg(unix)]
    fn of(metadata: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self {
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }

    #[cfg(not(unix))]
    fn of(metadata: &fs::Metadata) -> Self {
        let modified = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
            .unwrap_or_default();
        Self {
            length: metadata.len(),
            modified: (
                i64::try_from(modified.as_secs()).unwrap_or_default(),
                i64::from(modified.subsec_nanos()),
            ),
            changed: (0, 0),
            inode: 0,
        }
    }
}

/// Writes a file so that whoever opens `path` sees the old content or the new, whole, even after a
/// power cut. Makes the directory if need be. `path` has a parent.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(bytes)?;
    // Without this the name may reach the disk before the content, and a stamp would match a file
    // of zeros.
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_with_its_directory_and_replaced_whole() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("a/b/file");
        write_atomically(&path, b"first").unwrap();
        let first = Stamp::at(&path).unwrap();
        write_atomically(&path, b"again").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"again");
        assert_ne!(Stamp::at(&path).unwrap(), first);
        let left = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "no temporary file stays behind");
    }

    #[test]
    #[cfg(unix)]
    fn a_link_is_replaced_and_what_it_leads_to_is_left_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let (path, other) = (scratch.path().join("f.zip"), scratch.path().join("other"));
        fs::write(&other, "mine").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        write_atomically(&path, b"zip").unwrap();
        assert!(!fs::symlink_metadata(&path).unwrap().is_symlink());
        assert_eq!(
            (fs::read(&path).unwrap(), fs::read(&other).unwrap()),
            (b"zip".to_vec(), b"mine".to_vec())
        );
    }

    #[test]
    fn a_stamp_survives_being_written_down() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("file");
        fs::write(&path, "content").unwrap();
        let stamp = Stamp::at(&path).unwrap();
        let json = serde_json::to_string(&stamp).unwrap();
        assert_eq!(serde_json::from_str::<Stamp>(&json).unwrap(), stamp);
        assert_eq!(Stamp::at(scratch.path()), None, "a directory is no file");
        assert_eq!(Stamp::at(&scratch.path().join("absent")), None);
    }
}
