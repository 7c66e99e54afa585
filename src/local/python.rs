//! Finding a Python interpreter.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::error::LocalError;

/// What MiniStack needs.
pub(super) const OLDEST: Version = Version(3, 10);

/// Tried in this order. The plain name comes first, because that is the one a user chooses by PATH;
/// the others help where it is an old system's own.
const NAMES: [&str; 7] = [
    "python3",
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
    "python",
];

/// A Python version, major and minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(u16, u16);

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.0, self.1)
    }
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

/// The wanted interpreter, or else the first one on PATH that is new enough.
pub(super) async fn find(wanted: Option<&Path>) -> Result<PathBuf, LocalError> {
    let candidates: Vec<PathBuf> = match wanted {
        Some(path) => vec![path.to_owned()],
        None => NAMES.iter().map(PathBuf::from).collect(),
    };
    let mut too_old = None;
    for candidate in candidates {
        match version(&candidate).await {
            Some(version) if version >= OLDEST => return Ok(candidate),
            Some(version) => {
                too_old.get_or_insert(LocalError::PythonTooOld {
                    python: candidate,
                    version: version.to_string(),
                });
            }
            None => {}
        }
    }
    Err(too_old.unwrap_or(LocalError::NoPython))
}

/// None when there is no such program, or when it is not Python, as the stand-ins that version managers
/// put on PATH for interpreters that are not installed.
async fn version(python: &Path) -> Option<Version> {
    let output = Command::new(python)
        .args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .ok()?;
    if !output.status.success() {
        return None;
    }
    Version::parse(&String::from_utf8_lossy(&output.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::fake::program;

    #[test]
    fn versions_compare_by_number() {
        assert!(Version::parse("3.9\n").unwrap() < OLDEST);
        assert!(Version::parse("3.10\n").unwrap() >= OLDEST);
        assert!(Version::parse("2.7\n").unwrap() < OLDEST);
        assert_eq!(Version::parse("Python"), None);
    }

    #[tokio::test]
    async fn an_old_python_is_named_with_its_version() {
        let directory = tempfile::tempdir().unwrap();
        let python = program(directory.path(), "echo 3.8");
        let error = find(Some(&python)).await.unwrap_err().to_string();
        assert!(error.contains(&format!("needs Python {OLDEST} or newer")), "{error}");
        assert!(error.contains("is 3.8"), "{error}");
    }

    #[tokio::test]
    async fn a_stand_in_for_a_missing_python_is_no_python() {
        let directory = tempfile::tempdir().unwrap();
        let python = program(directory.path(), "echo 'command not found' >&2; exit 127");
        assert!(matches!(find(Some(&python)).await, Err(LocalError::NoPython)));
        assert!(matches!(
            find(Some(&directory.path().join("none"))).await,
            Err(LocalError::NoPython)
        ));
    }
}
