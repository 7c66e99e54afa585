//! A simulator of card transactions with known fraud, after *Reproducible Machine Learning for Credit Card Fraud
//! Detection* (Le Borgne et al.), written from its description.
//!
//! Customers and terminals lie in a square of 100 by 100. A customer pays at the terminals nearer than 5, with amounts,
//! times of day and a daily rate of their own. Three scenarios then make some of it fraud, each overwriting what the one
//! before said:
//!
//! 1. Every amount above 220.
//! 2. Two terminals are drawn each day; all that is paid there on that day and the 27 after it.
//! 3. Three customers are drawn each day; a third of what they pay on that day and the 13 after it has the amount times
//!    five. One drawn twice within that time may have an amount multiplied twice.
//!
//! Nothing is drawn on the last day.
//!
//! The same seed gives the same transactions. The generator is ChaCha, which is defined bit by bit, and what is computed
//! from it takes only operations that IEEE 754 defines exactly, with one exception: the distributions call `exp` and
//! `ln`, which may come from the platform and differ in the last bit from one to another. That moves an amount by a cent,
//! or adds or drops a transaction, about once in 10^12 draws.

use std::num::NonZero;
use std::thread;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Normal, Poisson};
use rust_decimal::Decimal;

use crate::record::Record;

/// The first second: 2018-04-01 00:00:00 UTC.
pub const START: u64 = 1_522_540_800;

/// How long it takes until it is known whether a transaction was fraud, in seconds.
pub const LABEL_DELAY: u64 = 7 * DAY as u64;

const DAY: u32 = 86_400;
const SIDE: f64 = 100.0;
const RADIUS: f64 = 5.0;
/// Coarse places: the square in cells of this width.
const CELL: f64 = 10.0;
const LARGE_CENTS: u32 = 22_000;
const TERMINALS_A_DAY: u32 = 2;
const TERMINAL_DAYS: u32 = 28;
const CUSTOMERS_A_DAY: u32 = 3;
const CUSTOMER_DAYS: u32 = 14;

/// Independent streams of the one generator. Each customer has one, so that the order in which they are simulated does
/// not matter.
const TERMINALS_STREAM: u64 = 0;
const SCENARIO_2_STREAM: u64 = 1;
const SCENARIO_3_STREAM: u64 = 2;
const FIRST_CUSTOMER_STREAM: u64 = 16;

/// How much is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Customers.
    pub customers: u32,
    /// Terminals.
    pub terminals: u32,
    /// Days from [`START`], at most [`Size::MOST_DAYS`].
    pub days: u32,
}

impl Size {
    /// What a simulation may last at most, in days: times are kept in 32 bits.
    pub const MOST_DAYS: u32 = u32::MAX / DAY;
}

impl Default for Size {
    /// The published data set's: about 1.75 million transactions.
    fn default() -> Self {
        Self {
            customers: 5_000,
            terminals: 10_000,
            days: 183,
        }
    }
}

/// One transaction as it is kept: 20 bytes instead of a [`Record`] with its texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Payment {
    /// Seconds since [`START`].
    time: u32,
    customer: u32,
    terminal: u32,
    cents: u32,
    /// The scenario that made it fraud; 0 for none.
    scenario: u8,
}

impl Payment {
    const fn day(self) -> u32 {
        self.time / DAY
    }
}

#[derive(Debug, Clone, Copy)]
struct Place {
    x: f64,
    y: f64,
}

impl Place {
    fn draw(rng: &mut ChaCha8Rng) -> Self {
        let x = rng.random_range(0.0..SIDE);
        let y = rng.random_range(0.0..SIDE);
        Self { x, y }
    }

    fn is_near(self, other: Self) -> bool {
        let (x, y) = (self.x - other.x, self.y - other.y);
        x * x + y * y < RADIUS * RADIUS
    }
}

/// Simulates transactions, and gives them in the order of time.
///
/// All of them are drawn at once, on all processors, and kept in 20 bytes each; the [`Record`]s are made one by one as
/// they are asked for. More days than [`Size::MOST_DAYS`] are cut off.
pub fn simulate(seed: u64, size: &Size) -> Simulation {
    let size = Size {
        days: size.days.min(Size::MOST_DAYS),
        ..*size
    };
    let mut rng = stream(seed, TERMINALS_STREAM);
    let terminals: Vec<Place> = (0..size.terminals).map(|_| Place::draw(&mut rng)).collect();
    let mut by_customer = pay(seed, &size, &terminals);
    make_fraud(seed, &size, &mut by_customer);
    let mut payments = by_customer.concat();
    drop(by_customer);
    // Stable, so that payments of the same second stay in the order of customers.
    payments.sort_by_key(|payment| payment.time);
    Simulation {
        seed,
        terminals,
        payments,
        next: 0,
    }
}

/// Transactions in the order of time; see [`simulate`].
#[derive(Debug, Clone)]
pub struct Simulation {
    seed: u64,
    terminals: Vec<Place>,
    payments: Vec<Payment>,
    next: usize,
}

impl Iterator for Simulation {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        let payment = *self.payments.get(self.next)?;
        let number = self.next;
        self.next += 1;
        let place = self.terminals[payment.terminal as usize];
        let timestamp = START + u64::from(payment.time);
        Some(Record {
            transaction_id: format!("s{}-{number}", self.seed),
            user_id: format!("customer-{}", payment.customer),
            merchant: format!("terminal-{}", payment.terminal),
            location: format!("cell-{}-{}", cell(place.x), cell(place.y)),
            amount: Decimal::new(i64::from(payment.cents), 2),
            timestamp,
            fraud: Some(payment.scenario != 0),
            labelled_at: Some(timestamp + LABEL_DELAY),
            scenario: payment.scenario,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.payments.len() - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Simulation {}

/// One of the independent streams of a seed.
fn stream(seed: u64, number: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(number);
    rng
}

/// What each customer pays, day by day, before anything is fraud.
fn pay(seed: u64, size: &Size, terminals: &[Place]) -> Vec<Vec<Payment>> {
    let mut by_customer = vec![Vec::new(); size.customers as usize];
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = by_customer.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        for (at, customers) in by_customer.chunks_mut(share).enumerate() {
            scope.spawn(move || {
                for (payments, customer) in customers.iter_mut().zip(at * share..) {
                    // The number of customers fits into 32 bits.
                    *payments = pay_as(seed, customer as u32, size.days, terminals);
                }
            });
        }
    });
    by_customer
}

fn pay_as(seed: u64, customer: u32, days: u32, terminals: &[Place]) -> Vec<Payment> {
    let mut rng = stream(seed, FIRST_CUSTOMER_STREAM + u64::from(customer));
    let home = Place::draw(&mut rng);
    let mean = rng.random_range(5.0..100.0);
    let rate = rng.random_range(0.0..4.0);
    let near: Vec<u32> = (0..)
        .zip(terminals)
        .filter_map(|(terminal, place)| home.is_near(*place).then_some(terminal))
        .collect();
    // A rate that is no rate, and nowhere to pay: nothing is paid.
    let (Ok(counts), Ok(seconds), Ok(amounts), false) = (
        Poisson::new(rate),
        Normal::new(43_200.0, 20_000.0),
        Normal::new(mean, mean / 2.0),
        near.is_empty(),
    ) else {
        return Vec::new();
    };
    let mut payments = Vec::new();
    for day in 0..days {
        let start = payments.len();
        let count: f64 = counts.sample(&mut rng);
        for _ in 0..count as u32 {
            let second: f64 = seconds.sample(&mut rng);
            // Cut towards zero, as an integer is made of it.
            let second = second.trunc();
            if second <= 0.0 || second >= f64::from(DAY) {
                continue;
            }
            let mut amount: f64 = amounts.sample(&mut rng);
            if amount < 0.0 {
                amount = rng.random_range(0.0..2.0 * mean);
            }
            payments.push(Payment {
                time: day * DAY + second as u32,
                customer,
                terminal: near[rng.random_range(0..near.len() as u32) as usize],
                cents: (amount * 100.0).round() as u32,
                scenario: 0,
            });
        }
        payments[start..].sort_by_key(|payment| payment.time);
    }
    payments
}

/// The three scenarios, in their order.
fn make_fraud(seed: u64, size: &Size, by_customer: &mut [Vec<Payment>]) {
    let drawn_days = size.days.saturating_sub(1);
    let mut rng = stream(seed, SCENARIO_2_STREAM);
    // The days on which each terminal was drawn.
    let mut drawn = vec![Vec::new(); size.terminals as usize];
    for day in 0..drawn_days {
        for terminal in distinct(&mut rng, TERMINALS_A_DAY, size.terminals) {
            drawn[terminal as usize].push(day);
        }
    }
    for payment in by_customer.iter_mut().flatten() {
        if payment.cents > LARGE_CENTS {
            payment.scenario = 1;
        }
        let compromised = |from: &u32| (*from..*from + TERMINAL_DAYS).contains(&payment.day());
        if drawn[payment.terminal as usize].iter().any(compromised) {
            payment.scenario = 2;
        }
    }
    let mut rng = stream(seed, SCENARIO_3_STREAM);
    for day in 0..drawn_days {
        for customer in distinct(&mut rng, CUSTOMERS_A_DAY, size.customers) {
            let payments = &mut by_customer[customer as usize];
            let from = payments.partition_point(|payment| payment.day() < day);
            let until = payments.partition_point(|payment| payment.day() < day + CUSTOMER_DAYS);
            let payments = &mut payments[from..until];
            // A customer's payments of two weeks are few.
            let count = payments.len() as u32;
            for index in distinct(&mut rng, count / 3, count) {
                let payment = &mut payments[index as usize];
                payment.cents = payment.cents.saturating_mul(5);
                payment.scenario = 3;
            }
        }
    }
}

/// So many different numbers below `below`, in no order; all of them if there are fewer.
fn distinct(rng: &mut ChaCha8Rng, count: u32, below: u32) -> Vec<u32> {
    let mut found: Vec<u32> = Vec::new();
    // Floyd's: each set is as likely as any other, and each takes as many draws.
    for top in below.saturating_sub(count)..below {
        let number = rng.random_range(0..=top);
        found.push(if found.contains(&number) { top } else { number });
    }
    found
}

fn cell(coordinate: f64) -> u32 {
    (coordinate / CELL) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Size = Size {
        customers: 300,
        terminals: 600,
        days: 40,
    };

    /// How many transactions each scenario made fraud, the honest ones at 0.
    fn by_scenario(payments: &[Payment]) -> [usize; 4] {
        let mut counts = [0; 4];
        for payment in payments {
            counts[payment.scenario as usize] += 1;
        }
        counts
    }

    #[test]
    fn sizes_and_frauds_are_those_of_the_published_data_set() {
        for seed in [1, 2, 3] {
            let simulation = simulate(seed, &Size::default());
            let total = simulation.len();
            let [honest, large, terminals, customers] = by_scenario(&simulation.payments);
            let share = (total - honest) as f64 / total as f64;
            assert!(
                (1_690_000..1_830_000).contains(&total),
                "seed {seed}: {total} transactions"
            );
            assert!((0.0075..0.0095).contains(&share), "seed {seed}: {share} of it fraud");
            assert!((700..1_300).contains(&large), "seed {seed}: {large} by scenario 1");
            assert!(
                (8_000..10_300).contains(&terminals),
                "seed {seed}: {terminals} by scenario 2"
            );
            assert!(
                (3_900..5_300).contains(&customers),
                "seed {seed}: {customers} by scenario 3"
            );
            let largest = simulation.payments.iter().map(|payment| payment.cents).max();
            assert!(
                largest.is_some_and(|cents| cents < 400_000),
                "seed {seed}: {largest:?} cents"
            );
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_transactions() {
        let records = |seed| simulate(seed, &SMALL).collect::<Vec<Record>>();
        assert_eq!(records(7), records(7));
        assert_ne!(records(7), records(8));
    }

    #[test]
    fn a_seed_means_the_same_on_every_platform() {
        let mut text = String::new();
        for record in simulate(7, &SMALL) {
            text.push_str(&format!("{record:?}\n"));
        }
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in text.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        assert_eq!((text.lines().count(), hash), (22_535, 15_519_678_735_814_988_388));
    }

    #[test]
    fn transactions_come_in_the_order_of_time_within_the_days() {
        let size = SMALL;
        let mut before = 0;
        let mut days = std::collections::BTreeSet::new();
        for record in simulate(3, &size) {
            assert!(record.timestamp >= before);
            before = record.timestamp;
            let second = record.timestamp - START;
            assert_ne!(second % u64::from(DAY), 0, "the first second of a day is dropped");
            days.insert(second / u64::from(DAY));
            assert_eq!(record.labelled_at, Some(record.timestamp + 604_800));
            assert_eq!(record.fraud, Some(record.scenario != 0));
        }
        assert!(days.into_iter().eq(0..40));
    }

    #[test]
    fn every_id_is_another() {
        let ids: std::collections::BTreeSet<String> = simulate(3, &SMALL).map(|record| record.transaction_id).collect();
        assert_eq!(ids.len(), simulate(3, &SMALL).len());
    }

    #[test]
    fn a_customer_pays_near_home() {
        let terminals = {
            let mut rng = stream(5, TERMINALS_STREAM);
            (0..600).map(|_| Place::draw(&mut rng)).collect::<Vec<_>>()
        };
        let mut paid = 0;
        for customer in 0..SMALL.customers {
            let home = Place::draw(&mut stream(5, FIRST_CUSTOMER_STREAM + u64::from(customer)));
            for payment in pay_as(5, customer, 40, &terminals) {
                assert!(home.is_near(terminals[payment.terminal as usize]));
                paid += 1;
            }
        }
        assert!(paid > 10_000, "{paid} payments");
    }

    #[test]
    fn nothing_is_drawn_on_the_last_day() {
        // The first day is the last one: only large amounts remain.
        let size = Size { days: 1, ..SMALL };
        let [honest, _, terminals, customers] = by_scenario(&simulate(3, &size).payments);
        assert!(honest > 0);
        assert_eq!((terminals, customers), (0, 0));
        // With two days both days of what was drawn on the first may be fraud.
        let size = Size {
            customers: 3,
            terminals: 2_000,
            days: 14,
        };
        let mut by_customer = vec![vec![
            Payment {
                time: 13 * DAY + 1,
                customer: 0,
                terminal: 0,
                cents: 100,
                scenario: 0
            };
            3
        ]];
        by_customer.resize(3, Vec::new());
        make_fraud(1, &size, &mut by_customer);
        // All three customers are drawn on each of the 13 days before the last: one payment of three each time.
        let cents: u64 = by_customer[0].iter().map(|payment| u64::from(payment.cents)).product();
        assert_eq!(cents, 100_u64.pow(3) * 5_u64.pow(13));
    }

    #[test]
    fn later_scenarios_overwrite_earlier_ones() {
        let size = Size {
            customers: 3,
            terminals: 2,
            days: 2,
        };
        let payment = |terminal, cents| Payment {
            time: 10,
            customer: 0,
            terminal,
            cents,
            scenario: 0,
        };
        // Both terminals and all three customers are drawn on the first day.
        let mut by_customer = vec![
            vec![payment(0, 22_001), payment(1, 22_000), payment(1, 30_000)],
            Vec::new(),
            Vec::new(),
        ];
        make_fraud(1, &size, &mut by_customer);
        let mut seen: Vec<u8> = by_customer[0].iter().map(|payment| payment.scenario).collect();
        seen.sort_unstable();
        assert_eq!(seen, [2, 2, 3]);
        // No terminal, no customer drawn: large amounts alone, and 220 itself is none.
        let mut by_customer = vec![vec![payment(0, 22_001), payment(1, 22_000)]];
        make_fraud(1, &Size { days: 1, ..size }, &mut by_customer);
        let seen: Vec<u8> = by_customer[0].iter().map(|payment| payment.scenario).collect();
        assert_eq!(seen, [1, 0]);
    }

    #[test]
    fn numbers_drawn_together_are_different_and_below() {
        let mut rng = stream(1, 1);
        let mut seen = [0; 7];
        for _ in 0..1_000 {
            let mut numbers = distinct(&mut rng, 3, 7);
            numbers.sort_unstable();
            numbers.dedup();
            assert_eq!(numbers.len(), 3);
            for number in numbers {
                seen[number as usize] += 1;
            }
        }
        assert!(seen.iter().all(|count| (350..510).contains(count)), "{seen:?}");
        assert_eq!(distinct(&mut rng, 3, 2).len(), 2);
        assert!(distinct(&mut rng, 3, 0).is_empty());
    }

    #[test]
    fn a_simulation_of_nothing_is_empty() {
        for size in [
            Size { customers: 0, ..SMALL },
            Size { terminals: 0, ..SMALL },
            Size { days: 0, ..SMALL },
        ] {
            assert_eq!(simulate(1, &size).len(), 0, "{size:?}");
        }
    }
}
