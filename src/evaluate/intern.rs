//! Texts as small numbers.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

/// Gives each different text a number, from 0 on, and keeps the text once.
///
/// A text costs its own bytes and some 16 more: ten million users fit where as many `String`s would not.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// All texts, one after the other.
    texts: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
    numbers: HashTable<u32>,
    hasher: RandomState,
}

impl Names {
    /// The number of a text, which it keeps.
    pub(crate) fn number(&mut self, text: &str) -> u32 {
        let Self {
            texts,
            ends,
            numbers,
            hasher,
        } = self;
        let hash = hasher.hash_one(text.as_bytes());
        if let Some(number) = numbers.find(hash, |number| bytes(texts, ends, *number) == text.as_bytes()) {
            return *number;
        }
        // No file has four billion different texts: each costs 16 bytes and more.
        let number = u32::try_from(ends.len()).unwrap_or(u32::MAX);
        texts.extend_from_slice(text.as_bytes());
        ends.push(texts.len());
        numbers.insert_unique(hash, number, |number| hasher.hash_one(bytes(texts, ends, *number)));
        number
    }

    /// The text of a number.
    pub(crate) fn text(&self, number: u32) -> &str {
        // What went in was text.
        std::str::from_utf8(bytes(&self.texts, &self.ends, number)).unwrap_or_default()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }
}

fn bytes<'a>(texts: &'a [u8], ends: &[usize], number: u32) -> &'a [u8] {
    let number = number as usize;
    let from = number.checked_sub(1).map_or(0, |before| ends[before]);
    &texts[from..ends[number]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_number_and_a_number_its_text() {
        let mut names = Names::default();
        let texts = ["", "a", "ab", "b", "é", "a", ""];
        let numbers: Vec<u32> = texts.iter().map(|text| names.number(text)).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 1, 0]);
        for (number, text) in numbers.into_iter().zip(texts) {
            assert_eq!(names.text(number), text);
        }
        assert_eq!(names.len(), 5);
        for number in 0..10_000_u32 {
            assert_eq!(names.number(&format!("u{number}")), number + 5);
        }
        assert_eq!(names.text(names.len() as u32 - 1), "u9999");
    }
}
