//! Numbers that follow from a seed and from what they are for, so that the order of threads changes none of them.

use std::time::Duration;

use sha2::{Digest, Sha256};

/// From one time to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The shortest.
    pub least: Duration,
    /// The longest.
    pub most: Duration,
}

impl Span {
    /// From so many milliseconds to so many.
    pub const fn millis(least: u64, most: u64) -> Self {
        Self {
            least: Duration::from_millis(least),
            most: Duration::from_millis(most),
        }
    }

    /// From so many seconds to so many.
    pub const fn seconds(least: u64, most: u64) -> Self {
        Self::millis(least * 1000, most * 1000)
    }
}

/// Dice that fall the same way for the same throw.
#[derive(Debug, Clone, Copy)]
pub struct Dice(pub u64);

impl Dice {
    /// A share, from 0 to below 1, for the `which`th throw for this purpose.
    pub fn share(self, purpose: &str, which: u64) -> f64 {
        let hash = Sha256::new()
            .chain_update(self.0.to_le_bytes())
            .chain_update(purpose)
            .chain_update(which.to_le_bytes())
            .finalize();
        let first = hash.iter().take(4).fold(0_u32, |all, byte| all << 8 | u32::from(*byte));
        f64::from(first) / (f64::from(u32::MAX) + 1.0)
    }

    /// A time within the span.
    pub fn within(self, span: Span, purpose: &str, which: u64) -> Duration {
        span.least + (span.most - span.least).mul_f64(self.share(purpose, which))
    }
}
