use super::machine::Process;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// Who works on an environment, for people. What binds is the operating system's lock on the file, or the lease in the
/// bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// The machine.
    pub host: String,
    /// Seconds since 1970, by the holder's clock.
    pub since: u64,
    /// What it does, `up` or `down`.
    pub doing: String,
    /// The process, where its system can tell one from another.
    #[serde(default)]
    pub(super) process: Option<Process>,
}

impl Holder {
    /// This process, from now on.
    pub(super) fn here(doing: &str) -> Self {
        Self {
            pid: std::process::id(),
            host: host(),
            since: now(),
            doing: doing.to_owned(),
            process: Process::here(),
        }
    }

    /// Who it is and since when, in a message.
    pub fn told(&self) -> String {
        let ago = now().saturating_sub(self.since);
        let since = i64::try_from(self.since).ok().map(DateTime::from_secs);
        let since = since.and_then(|at| at.fmt(Format::DateTime).ok()).unwrap_or_default();
        format!(
            "`fraudctl {}` (process {} on {}, since {since}, for {ago} s)",
            self.doing, self.pid, self.host
        )
    }
}

/// What is in a lease: who has it, and what tells him from all others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Claim {
    pub(super) holder: Holder,
    /// Made once for each lease, by chance.
    pub(super) token: String,
    /// For how long it binds after it was written.
    pub(super) seconds: u64,
    /// How often it was renewed. So no two writes have the same content, nor the same tag.
    pub(super) renewals: u64,
}

/// Why there is no lock.
#[derive(Clone, Debug, Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("{}", held(.at, .holder.as_deref(), .lapses.as_deref()))]
    Held {
        /// The lock.
        at: String,
        /// Who has it, where that can be read.
        holder: Option<Box<Holder>>,
        /// When it binds no longer, where it ends by itself.
        lapses: Option<String>,
    },
    /// It cannot be used.
    #[error("cannot lock {at}: {why}{mend}")]
    Io {
        /// The lock.
        at: String,
        /// What the system, or S3, said.
        why: String,
        /// What to do next.
        mend: &'static str,
    },
}

impl LockError {
    /// A failure of the file system.
    pub(super) fn io(path: &Path, why: &std::io::Error) -> Self {
        Self::Io {
            at: path.display().to_string(),
            why: why.to_string(),
            mend: "; free it, or choose another place with --state or FRAUDCTL_STATE",
        }
    }
}

fn held(at: &str, holder: Option<&Holder>, lapses: Option<&str>) -> String {
    let held = match holder {
        Some(holder) => format!("{} holds the lock {at}", holder.told()),
        None => format!("the lock {at} is held, and who holds it cannot be read"),
    };
    let lapses = lapses.map(|when| format!("; {when}")).unwrap_or_default();
    format!("{held}{lapses}; wait for it to end, and run this again")
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_else(|| "this machine".to_owned())
}
