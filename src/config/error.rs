//! Why a configuration cannot be used.

use super::location::LocationError;
use super::tags::TagError;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A name that AWS would refuse in one of the resources.
    #[error(
        "the environment name {0:?} cannot be used: it becomes part of resource names, so it must be 1 to 32 letters, \
         digits, `-` or `_`, in lower case, and begin with a letter or digit"
    )]
    Env(String),
    /// A section of the file has such a name.
    #[error("{path}: section [env.…]: {why}")]
    Section {
        /// Which file.
        path: PathBuf,
        /// The name.
        why: Box<ConfigError>,
    },
    /// The file cannot be read.
    #[error("cannot read {path}: {why}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// The file is no TOML, or has unknown keys or wrong types.
    #[error("{path} is not valid: {}{hint}", .why.to_string().trim_end())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Line, column and reason.
        why: Box<toml::de::Error>,
        /// What may be meant.
        hint: &'static str,
    },
    /// The rules' file cannot be read, or has no rules in it.
    #[error("{at}rules: {path} cannot be used: {why}")]
    Rules {
        /// As of [`ConfigError::Value`].
        at: String,
        /// Which file.
        path: PathBuf,
        /// What is wrong, and where.
        why: String,
    },
    /// No place where a state could be.
    #[error("{at}state: {why}")]
    State {
        /// As of [`ConfigError::Value`].
        at: String,
        /// What is wrong.
        why: LocationError,
    },
    /// Tags that AWS would refuse, or patterns of tags that hide our own.
    #[error("{at}{why}")]
    Tag {
        /// As of [`ConfigError::Value`].
        at: String,
        /// Which, and what is wrong.
        why: TagError,
    },
    /// A value out of its range.
    #[error("{at}{key} is {value:?}, but must be {must}")]
    Value {
        /// The file and section, where it is from one: `fraudctl.toml, [env.prod]: `.
        at: String,
        /// The key in `fraudctl.toml`.
        key: &'static str,
        /// The value found.
        value: String,
        /// What it must be.
        must: &'static str,
    },
}

impl ConfigError {
    /// The same, of the section of this environment in this file.
    pub(super) fn in_file(mut self, path: &Path, env: &str) -> Self {
        if let Self::Value { at, .. } | Self::Rules { at, .. } | Self::State { at, .. } | Self::Tag { at, .. } =
            &mut self
        {
            *at = format!("{}, environment {env}: ", path.display());
        }
        self
    }
}
