//! The wall clock. A monotonic one may stand still while Lambda freezes the instance.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch.
pub fn now() -> u64 {
    now_millis() / 1_000
}

/// Milliseconds since the Unix epoch.
pub fn now_millis() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
