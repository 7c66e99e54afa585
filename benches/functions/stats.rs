//! Figures, and how they are written.

use std::time::Duration;

/// Measured durations, in order.
pub struct Sample(Vec<Duration>);

impl Sample {
    pub fn new(mut durations: Vec<Duration>) -> Self {
        assert!(!durations.is_empty(), "nothing was measured");
        durations.sort_unstable();
        Self(durations)
    }

    /// The smallest value that at least so many of a hundred do not exceed.
    pub fn percentile(&self, of_hundred: usize) -> Duration {
        let rank = (self.0.len() * of_hundred).div_ceil(100).max(1);
        self.0[rank - 1]
    }

    pub fn median(&self) -> Duration {
        self.percentile(50)
    }

    pub fn shortest(&self) -> Duration {
        self.0[0]
    }

    pub fn longest(&self) -> Duration {
        self.0[self.0.len() - 1]
    }
}

pub fn milliseconds(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1_000.0)
}

pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1_000_000.0)
}

/// How many times as much theirs is.
pub fn times(ours: f64, theirs: f64) -> String {
    format!("{:.1}", theirs / ours)
}
