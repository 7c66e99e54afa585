//! Where things lie below the cache directory.

use std::fs;
use std::path::{Path, PathBuf};

use super::error::LocalError;

/// The files of one local AWS. Each port is a local AWS of its own, with its own state; all of them
/// share the virtual environment.
///
/// ```text
/// {cache}/local/venv         Python with MiniStack; venv.lock beside it
/// {cache}/local/{port}/      server.json, server.log, the scripts, state/, s3/, tmp/, lock
/// ```
#[derive(Debug)]
pub(super) struct Place {
    pub port: u16,
    /// `{cache}/local`
    pub shared: PathBuf,
    /// `{cache}/local/{port}`
    pub directory: PathBuf,
}

impl Place {
    /// Makes the two directories when they are missing. Their paths are canonical, because the
    /// directory also tells our server from others'.
    pub fn prepare(cache: &Path, port: u16) -> Result<Self, LocalError> {
        let shared = cache.join("local");
        let directory = shared.join(port.to_string());
        fs::create_dir_all(&directory).map_err(LocalError::cache("create", &directory))?;
        let shared = shared.canonicalize().map_err(LocalError::cache("find", &shared))?;
        let directory = shared.join(port.to_string());
        Ok(Self {
            port,
            shared,
            directory,
        })
    }

    /// Held by whoever starts, stops or resets this local AWS.
    pub fn lock(&self) -> PathBuf {
        self.directory.join("lock")
    }

    /// Which process was started last.
    pub fn record(&self) -> PathBuf {
        self.directory.join("server.json")
    }

    pub fn log(&self) -> PathBuf {
        self.directory.join("server.log")
    }

    /// What a reset wipes.
    pub fn contents(&self) -> [PathBuf; 3] {
        ["state", "s3", "tmp"].map(|name| self.directory.join(name))
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
