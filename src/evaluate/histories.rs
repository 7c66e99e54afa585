//! The last payments of every user, close together in memory.

use fraud::HISTORY_LIMIT;
use rust_decimal::Decimal;

/// One payment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Entry {
    pub(crate) timestamp: u64,
    pub(crate) amount: Decimal,
    pub(crate) merchant: u32,
    pub(crate) location: u32,
}

/// How many payments each kind of room takes. A user moves into the next kind when his is full.
const ROOMS: [usize; 7] = [1, 2, 4, 8, 16, 32, HISTORY_LIMIT];

/// Where a user's payments are. They go round in his room: the oldest makes place for the next.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// Which room of its kind.
    room: u32,
    kind: u8,
    count: u8,
    /// Where the next one goes.
    next: u8,
}

/// For every user the last [`HISTORY_LIMIT`] payments. One payment costs 32 bytes, and its user 8 more; a `Vec` for each
/// user would cost 80 before the first.
#[derive(Debug, Default)]
pub(crate) struct Histories {
    places: Vec<Place>,
    /// The rooms of each kind, one after the other.
    rooms: [Vec<Entry>; ROOMS.len()],
    /// Rooms that nobody has any more.
    free: [Vec<u32>; ROOMS.len()],
}

impl Histories {
    /// The payments of a user, the last one first.
    pub(crate) fn of(&self, user: u32) -> impl Iterator<Item = &Entry> {
        let place = self.places.get(user as usize).copied().unwrap_or_default();
        let room = self.room(place);
        let (newer, older) = room.split_at(usize::from(place.next).min(room.len()));
        let entries = newer.iter().rev().chain(older.iter().rev());
        entries.take(usize::from(place.count))
    }

    /// Adds a user's next payment. Users are numbers from 0 on, a new one being the next number.
    pub(crate) fn add(&mut self, user: u32, entry: Entry) {
        let user = user as usize;
        if user >= self.places.len() {
            self.places.resize(user + 1, Place::default());
        }
        let mut place = self.places[user];
        let size = ROOMS[usize::from(place.kind)];
        if place.count == 0 {
            place.room = self.take(0);
        } else if usize::from(place.count) == size && usize::from(place.kind) + 1 < ROOMS.len() {
            place = self.moved(place);
        }
        let kind = usize::from(place.kind);
        let size = ROOMS[kind];
        self.rooms[kind][place.room as usize * size + usize::from(place.next)] = entry;
        place.next = ((usize::from(place.next) + 1) % size) as u8;
        place.count = place.count.saturating_add(1).min(size as u8);
        self.places[user] = place;
    }

    fn room(&self, place: Place) -> &[Entry] {
        let kind = usize::from(place.kind);
        let size = ROOMS[kind];
        let from = place.room as usize * size;
        self.rooms[kind].get(from..from + size).unwrap_or_default()
    }

    /// A room of this kind.
    fn take(&mut self, kind: usize) -> u32 {
        self.free[kind].pop().unwrap_or_else(|| {
            let rooms = &mut self.rooms[kind];
            let room = rooms.len() / ROOMS[kind];
            rooms.resize(rooms.len() + ROOMS[kind], Entry::default());
            room as u32
        })
    }

    /// Moves a full room's payments into one of the next kind. A full one's next place is that of its oldest.
    fn moved(&mut self, place: Place) -> Place {
        let kind = usize::from(place.kind);
        let mut entries = self.room(place).to_vec();
        entries.rotate_left(usize::from(place.next));
        let room = self.take(kind + 1);
        self.free[kind].push(place.room);
        let to = room as usize * ROOMS[kind + 1];
        self.rooms[kind + 1][to..to + entries.len()].copy_from_slice(&entries);
        Place {
            room,
            kind: place.kind + 1,
            count: place.count,
            next: place.count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #[test]
        fn they_are_the_last_fifty_of_each_the_latest_first(users in prop::collection::vec(0_u32..6, 0..600)) {
            let mut histories = Histories::default();
            let mut expected = vec![VecDeque::new(); 6];
            for (number, user) in (0_u64..).zip(users) {
                let entry = Entry { timestamp: number, ..Entry::default() };
                histories.add(user, entry);
                let of = &mut expected[user as usize];
                of.push_front(number);
                of.truncate(HISTORY_LIMIT);
                prop_assert!(histories.of(user).map(|entry| entry.timestamp).eq(of.iter().copied()));
            }
        }
    }

    #[test]
    fn a_payment_takes_as_much_as_is_said() {
        assert_eq!((size_of::<Entry>(), size_of::<Place>()), (32, 8));
        assert_eq!(Histories::default().of(7).count(), 0);
    }
}
