//! Which ids were there already.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

/// Remembers for each id on which line it was first, in 17 to 34 bytes whatever its length.
///
/// It keeps 96 bits of an id, mixed by two keys that nobody can know. Two of ten million different ids are taken for one
/// in one of 10^15 files.
#[derive(Debug, Default)]
pub(super) struct Ids {
    seen: HashTable<[u32; 4]>,
    hashers: [RandomState; 2],
}

impl Ids {
    /// Adds an id, and tells on which line it was before.
    pub(super) fn add(&mut self, id: &str, line: u64) -> Option<u64> {
        let [hash, more] = [0, 1].map(|which| self.hashers[which].hash_one(id.as_bytes()));
        let [low, high] = parts(hash);
        let [rest, _] = parts(more);
        let found = self.seen.find(hash, |[a, b, c, _]| (*a, *b, *c) == (low, high, rest));
        if let Some([.., first]) = found {
            return Some(u64::from(*first));
        }
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        self.seen
            .insert_unique(hash, [low, high, rest, line], |[a, b, ..]| whole(*a, *b));
        None
    }
}

const fn parts(hash: u64) -> [u32; 2] {
    [hash as u32, (hash >> 32) as u32]
}

fn whole(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_from_its_first_line_on() {
        let mut ids = Ids::default();
        for line in 0..20_000 {
            assert_eq!(ids.add(&format!("t-{line}"), line), None);
        }
        assert_eq!(
            (ids.add("t-7", 20_000), ids.add("t-19999", 20_001)),
            (Some(7), Some(19_999))
        );
        assert_eq!(ids.add("", 20_002), None);
    }
}
