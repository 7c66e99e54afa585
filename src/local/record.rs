//! Which process was started last, kept for the day when it no longer answers.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

use super::error::LocalError;

/// The contents of `server.json`. Never believed by itself: after a reboot the process is gone, or
/// its number belongs to somebody else.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Record {
    pub pid: u32,
}

impl Record {
    /// None when there is none, or when it is not readable as one.
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    pub fn write(&self, path: &Path) -> Result<(), LocalError> {
        let text = format!("{{\"pid\": {}}}\n", self.pid);
        fs::write(path, text).map_err(LocalError::cache("write", path))
    }

    pub fn remove(path: &Path) -> Result<(), LocalError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(LocalError::cache("remove", path)(error)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_a_damaged_one_counts_as_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server.json");
        assert_eq!(Record::read(&path), None);
        Record { pid: 42 }.write(&path).unwrap();
        assert_eq!(Record::read(&path), Some(Record { pid: 42 }));
        fs::write(&path, "{\"pid\": 4").unwrap();
        assert_eq!(Record::read(&path), None);
        Record::remove(&path).unwrap();
        Record::remove(&path).unwrap();
    }
}
