//! What was called how often.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many calls were made.
#[derive(Debug, Default)]
pub struct Counts {
    reads: AtomicU64,
    changes: AtomicU64,
}

impl Counts {
    /// All calls that left for AWS, retries included.
    pub fn total(&self) -> u64 {
        self.reads.load(Relaxed) + self.changes.load(Relaxed)
    }

    /// Those that may change something.
    pub fn changes(&self) -> u64 {
        self.changes.load(Relaxed)
    }

    pub(super) fn note(&self, operation: &str) {
        if reads(operation) { &self.reads } else { &self.changes }.fetch_add(1, Relaxed);
    }
}

/// Does this operation change nothing? By its verb.
pub(super) fn reads(operation: &str) -> bool {
    let verb = operation.split_once(':').map_or(operation, |(_, verb)| verb);
    ["Get", "List", "Describe"].iter().any(|read| verb.starts_with(read))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_changes_are_counted_apart() {
        let counts = Counts::default();
        counts.note("sqs:GetQueueUrl");
        counts.note("kms:DescribeKey");
        counts.note("sqs:CreateQueue");
        assert_eq!((counts.total(), counts.changes()), (3, 1));
    }
}
