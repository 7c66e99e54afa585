//! How the process ends.

use crate::aws::ConnectError;
use crate::aws::s3::BucketError;
use crate::config::ConfigError;
use crate::engine::PlanError;
use crate::local::LocalError;
use crate::operate::label::LabelError;
use crate::operate::preflight::PreflightError;
use crate::operate::send::SendError;
use crate::resource::{Failure, chain};
use crate::state::{LockError, MoveError, StoreError};

/// Done.
pub const DONE: u8 = 0;
/// Something failed; what was and was not done is on standard error.
pub const FAILED: u8 = 1;
/// The command line or a name on it is wrong. Also what the argument parser exits with.
pub const USAGE: u8 = 2;
/// Some steps failed; everything that does not depend on them is done.
pub const PARTIAL: u8 = 3;
/// `diff --exit-code` found changes.
pub const CHANGES: u8 = 4;
/// Another fraudctl works on this environment.
pub const LOCKED: u8 = 5;
/// Stopped by Ctrl-C or SIGTERM.
pub const INTERRUPTED: u8 = 130;

/// An end other than success.
#[derive(Debug)]
pub struct Exit {
    /// One of the constants of this module.
    pub code: u8,
    /// What happened, to what, and what to do next. Empty when it has been said already.
    pub message: String,
}

impl Exit {
    /// Failed, because of this.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            code: FAILED,
            message: message.into(),
        }
    }

    /// Called wrongly.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            code: USAGE,
            message: message.into(),
        }
    }

    /// Everything has been said; only the code is left.
    pub fn silent(code: u8) -> Self {
        Self {
            code,
            message: String::new(),
        }
    }
}

macro_rules! plainly_failed {
    ($($error:ty),*) => {
        $(impl From<$error> for Exit {
            fn from(error: $error) -> Self {
                Self::failed(chain(&error))
            }
        })*
    };
}

plainly_failed!(
    BucketError,
    ConnectError,
    LabelError,
    LocalError,
    MoveError,
    PreflightError,
    SendError,
    Failure,
    StoreError,
    crate::artifact::ArtifactError
);

impl From<PlanError> for Exit {
    fn from(error: PlanError) -> Self {
        let code = if matches!(error, PlanError::Unknown(_)) {
            USAGE
        } else {
            FAILED
        };
        Self {
            code,
            message: chain(&error),
        }
    }
}

impl From<ConfigError> for Exit {
    fn from(error: ConfigError) -> Self {
        let code = if matches!(error, ConfigError::Env(_)) {
            USAGE
        } else {
            FAILED
        };
        Self {
            code,
            message: error.to_string(),
        }
    }
}

impl From<LockError> for Exit {
    fn from(error: LockError) -> Self {
        let code = if matches!(error, LockError::Held { .. }) {
            LOCKED
        } else {
            FAILED
        };
        Self {
            code,
            message: error.to_string(),
        }
    }
}
