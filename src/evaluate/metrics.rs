//! How well scores tell fraud from honest transactions. What is said of ties follows scikit-learn.

use std::collections::{HashMap, HashSet};

/// Transactions in the order of their scores, the highest first, counted threshold by threshold.
///
/// Transactions of the same score stand or fall together: no order among them is ever assumed.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    steps: Vec<Step>,
}

/// What is caught by a threshold that lets through exactly the scores below `score`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// A score that occurs.
    pub score: f64,
    /// How many frauds score this or more.
    pub frauds: u64,
    /// How many honest transactions score this or more.
    pub honest: u64,
}

/// What a threshold does.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AtThreshold {
    /// How many transactions exceed it.
    pub alerts: u64,
    /// Which share of them is fraud; 0 when nothing exceeds it.
    pub precision: f64,
    /// Which share of all frauds exceeds it; nothing when there is none.
    pub recall: Option<f64>,
}

impl Ranking {
    /// Ranks pairs of a score and whether it was fraud. Scores are numbers; NaN is none.
    pub fn of(scored: impl IntoIterator<Item = (f64, bool)>) -> Self {
        let mut scored: Vec<(f64, bool)> = scored.into_iter().collect();
        scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut steps: Vec<Step> = Vec::new();
        let (mut frauds, mut honest) = (0, 0);
        for (score, fraud) in scored {
            frauds += u64::from(fraud);
            honest += u64::from(!fraud);
            let step = Step { score, frauds, honest };
            match steps.last_mut() {
                Some(last) if last.score == score => *last = step,
                _ => steps.push(step),
            }
        }
        Self { steps }
    }

    /// The steps from the highest threshold to the lowest; the last one counts everything.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How many frauds there are.
    pub fn frauds(&self) -> u64 {
        self.steps.last().map_or(0, |step| step.frauds)
    }

    /// How many honest transactions there are.
    pub fn honest(&self) -> u64 {
        self.steps.last().map_or(0, |step| step.honest)
    }

    /// The area under the ROC curve: how likely a fraud scores more than an honest transaction, equal scores counted
    /// half. Nothing where one of the two kinds is missing.
    pub fn auc(&self) -> Option<f64> {
        let pairs = self.frauds() as f64 * self.honest() as f64;
        let mut area = 0.0;
        let (mut frauds, mut honest) = (0, 0);
        for step in &self.steps {
            // A trapezium: those of this very score are above half of each other.
            area += (step.honest - honest) as f64 * (step.frauds + frauds) as f64 / 2.0;
            (frauds, honest) = (step.frauds, step.honest);
        }
        (pairs > 0.0).then(|| area / pairs)
    }

    /// The average precision: the precision at each threshold, weighted with the recall that it adds. Nothing is
    /// interpolated. Nothing where there is no fraud.
    pub fn average_precision(&self) -> Option<f64> {
        let all = self.frauds();
        let mut sum = 0.0;
        let mut frauds = 0;
        for step in &self.steps {
            sum += (step.frauds - frauds) as f64 * step.precision();
            frauds = step.frauds;
        }
        (all > 0).then(|| sum / all as f64)
    }

    /// What is caught by alerting on every score above this one.
    pub fn above(&self, threshold: f64) -> AtThreshold {
        let caught = self.steps.partition_point(|step| step.score > threshold);
        let share = |frauds: u64| (self.frauds() > 0).then(|| frauds as f64 / self.frauds() as f64);
        let Some(step) = caught.checked_sub(1).and_then(|last| self.steps.get(last)) else {
            return AtThreshold {
                recall: share(0),
                ..AtThreshold::default()
            };
        };
        AtThreshold {
            alerts: step.frauds + step.honest,
            precision: step.precision(),
            recall: share(step.frauds),
        }
    }
}

impl Step {
    /// Which share of what it counts is fraud.
    pub fn precision(&self) -> f64 {
        self.frauds as f64 / (self.frauds + self.honest) as f64
    }
}

/// A scored transaction as [`card_precision`] looks at it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CardScore<'a> {
    /// Whose it is.
    pub card: &'a str,
    /// On which day.
    pub day: u64,
    /// Its score.
    pub score: f64,
    /// Whether it was fraud.
    pub fraud: bool,
}

/// The card precision: of the `count` highest-scored cards of a day, the share that was compromised that day, averaged
/// over the days. Nothing where there are no transactions.
///
/// A card scores as much as its highest-scored transaction of the day, and is compromised when any of the day's was
/// fraud. A compromised card that is among the highest of one day is known from then on, and is left out of all later
/// days. Of cards with equal scores those come first whose names come first in an order that has nothing to do with
/// scores or fraud, and that is always the same.
pub fn card_precision<'a>(count: usize, scored: impl IntoIterator<Item = CardScore<'a>>) -> Option<f64> {
    let mut days: HashMap<u64, HashMap<&str, (f64, bool)>> = HashMap::new();
    for one in scored {
        let card = days.entry(one.day).or_default();
        let (score, fraud) = card.entry(one.card).or_insert((one.score, false));
        *score = score.max(one.score);
        *fraud |= one.fraud;
    }
    let mut days: Vec<_> = days.into_iter().collect();
    days.sort_unstable_by_key(|(day, _)| *day);
    let mut known: HashSet<&str> = HashSet::new();
    let mut sum = 0.0;
    for (_, cards) in &days {
        let open = cards.iter().filter(|(card, _)| !known.contains(*card));
        let mut ranked: Vec<_> = open
            .map(|(card, (score, fraud))| (*score, shuffled(card), *card, *fraud))
            .collect();
        ranked.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let found = ranked
            .iter()
            .take(count)
            .filter(|(.., fraud)| *fraud)
            .map(|(_, _, card, _)| *card);
        let before = known.len();
        known.extend(found);
        sum += (known.len() - before) as f64 / count as f64;
    }
    (!days.is_empty() && count > 0).then(|| sum / days.len() as f64)
}

/// A number that says nothing about a name but which one it is: FNV-1a with a last stir.
fn shuffled(name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranking(scored: &[(f64, bool)]) -> Ranking {
        Ranking::of(scored.iter().copied())
    }

    fn near(a: Option<f64>, b: f64) -> bool {
        a.is_some_and(|a| (a - b).abs() < 1e-12)
    }

    #[test]
    fn a_perfect_ranking_is_one_and_its_reverse_is_nothing() {
        let perfect = ranking(&[(0.9, true), (0.8, true), (0.2, false), (0.1, false)]);
        assert!(near(perfect.auc(), 1.0));
        assert!(near(perfect.average_precision(), 1.0));
        let reverse = ranking(&[(0.1, true), (0.2, true), (0.8, false), (0.9, false)]);
        assert!(near(reverse.auc(), 0.0));
        assert!(near(reverse.average_precision(), (1.0 / 3.0 + 2.0 / 4.0) / 2.0));
    }

    #[test]
    fn a_case_computed_by_hand() {
        // 0.8 F, 0.4 h, 0.35 F, 0.1 h: the first example of scikit-learn's documentation.
        let ranking = ranking(&[(0.1, false), (0.4, false), (0.35, true), (0.8, true)]);
        assert!(near(ranking.auc(), 0.75));
        assert!(near(ranking.average_precision(), 0.5 * 1.0 + 0.5 * 2.0 / 3.0));
    }

    #[test]
    fn equal_scores_stand_or_fall_together() {
        // 0.5: F h h, 0.2: F h. Pairs: 2 + 2 halves of the three at the top ... = 0.5*2 + 1, + 0.5 of 6.
        let tied = ranking(&[(0.5, true), (0.5, false), (0.5, false), (0.2, true), (0.2, false)]);
        assert_eq!(tied.steps().len(), 2);
        assert!(near(tied.auc(), (2.0 * 0.5 + 1.0 + 0.5) / 6.0));
        assert!(near(tied.average_precision(), 0.5 / 3.0 + 0.5 * 2.0 / 5.0));
    }

    #[test]
    fn one_score_for_all_is_a_coin_and_the_share_of_fraud() {
        let constant = ranking(&[(0.1, false), (0.1, true), (0.1, false), (0.1, false)]);
        assert!(near(constant.auc(), 0.5));
        assert!(near(constant.average_precision(), 0.25));
    }

    #[test]
    fn what_cannot_be_measured_is_not_made_up() {
        assert_eq!(ranking(&[]).auc(), None);
        assert_eq!(ranking(&[]).average_precision(), None);
        assert_eq!(ranking(&[(0.1, false)]).auc(), None);
        assert_eq!(ranking(&[(0.1, true)]).auc(), None);
        assert_eq!(ranking(&[]).above(0.5), AtThreshold::default());
        assert_eq!(card_precision(100, []), None);
    }

    #[test]
    fn a_threshold_must_be_exceeded() {
        let ranking = ranking(&[(0.9, true), (0.9, false), (0.85, true), (0.1, true), (0.1, false)]);
        let at = ranking.above(0.85);
        assert_eq!(at.alerts, 2);
        assert_eq!(at.precision, 0.5);
        assert_eq!(at.recall, Some(1.0 / 3.0));
        let nothing = AtThreshold {
            recall: Some(0.0),
            ..AtThreshold::default()
        };
        assert_eq!(ranking.above(0.9), nothing);
        assert_eq!(ranking.above(0.0).alerts, 5);
    }

    fn card(card: &str, day: u64, score: f64, fraud: bool) -> CardScore<'_> {
        CardScore {
            card,
            day,
            score,
            fraud,
        }
    }

    #[test]
    fn a_card_is_its_worst_transaction_of_the_day() {
        let day = [
            card("a", 1, 0.2, true),
            card("a", 1, 0.9, false),
            card("b", 1, 0.8, false),
            card("c", 1, 0.7, true),
        ];
        assert!(near(card_precision(1, day), 1.0));
        assert!(near(card_precision(2, day), 0.5));
        // There are fewer cards than are looked at; the places left count as missed.
        assert!(near(card_precision(4, day), 0.5));
    }

    #[test]
    fn days_are_averaged_and_a_card_once_found_is_left_out() {
        let days = [
            card("a", 1, 0.9, true),
            card("b", 1, 0.8, false),
            card("a", 2, 0.9, true),
            card("b", 2, 0.8, false),
            card("c", 2, 0.7, true),
        ];
        // Day 1: a. Day 2: a is known; b, c.
        assert!(near(card_precision(1, days), (1.0 + 0.0) / 2.0));
        assert!(near(card_precision(2, days), (0.5 + 0.5) / 2.0));
    }

    #[test]
    fn a_compromised_card_that_was_not_found_stays() {
        let days = [
            card("a", 1, 0.1, true),
            card("b", 1, 0.8, false),
            card("a", 2, 0.9, true),
        ];
        assert!(near(card_precision(1, days), (0.0 + 1.0) / 2.0));
    }

    #[test]
    fn equal_cards_are_taken_by_chance_whatever_their_names_and_order() {
        // Every tenth of 1,000 equal cards is compromised: 100 of them taken by chance have about 10.
        let names: Vec<String> = (0..1_000).map(|number| format!("customer-{number}")).collect();
        let mut cards: Vec<_> = names
            .iter()
            .zip(0..)
            .map(|(name, at)| card(name, 1, 0.1, at % 10 == 0))
            .collect();
        let one = card_precision(100, cards.clone());
        cards.reverse();
        assert_eq!(card_precision(100, cards), one);
        assert!(one.is_some_and(|share| (0.02..0.2).contains(&share)), "{one:?}");
    }

    /// Scores with many ties.
    fn scored() -> impl Strategy<Value = Vec<(f64, bool)>> {
        let one = (0_u8..12, any::<bool>()).prop_map(|(score, fraud)| (f64::from(score) / 10.0, fraud));
        prop::collection::vec(one, 0..60)
    }

    proptest! {
        #[test]
        fn the_area_is_the_share_of_pairs_in_the_right_order(scored in scored()) {
            let (mut pairs, mut right) = (0.0, 0.0);
            for fraud in scored.iter().filter(|one| one.1) {
                for honest in scored.iter().filter(|one| !one.1) {
                    pairs += 1.0;
                    right += if fraud.0 > honest.0 { 1.0 } else if fraud.0 == honest.0 { 0.5 } else { 0.0 };
                }
            }
            match ranking(&scored).auc() {
                None => prop_assert_eq!(pairs, 0.0),
                auc => prop_assert!(near(auc, right / pairs)),
            }
        }

        #[test]
        fn the_average_precision_is_the_sum_over_thresholds(scored in scored()) {
            let frauds = scored.iter().filter(|one| one.1).count() as f64;
            let mut thresholds: Vec<f64> = scored.iter().map(|one| one.0).collect();
            thresholds.sort_by(|a, b| b.total_cmp(a));
            thresholds.dedup();
            let (mut sum, mut recall_before) = (0.0, 0.0);
            for threshold in thresholds {
                let caught = scored.iter().filter(|one| one.0 >= threshold).count() as f64;
                let hits = scored.iter().filter(|one| one.0 >= threshold && one.1).count() as f64;
                sum += (hits / frauds - recall_before) * hits / caught;
                recall_before = hits / frauds;
            }
            match ranking(&scored).average_precision() {
                None => prop_assert_eq!(frauds, 0.0),
                ap => prop_assert!(near(ap, sum)),
            }
        }

        #[test]
        fn only_the_order_of_scores_counts(scored in scored()) {
            let squeezed: Vec<_> = scored.iter().map(|one| (one.0 * one.0 / 7.0, one.1)).collect();
            prop_assert_eq!(ranking(&scored).auc(), ranking(&squeezed).auc());
            prop_assert_eq!(ranking(&scored).average_precision(), ranking(&squeezed).average_precision());
        }

        #[test]
        fn alerts_are_what_exceeds_the_threshold(scored in scored(), threshold in 0.0..1.2) {
            let alerts = scored.iter().filter(|one| one.0 > threshold);
            let hits = alerts.clone().filter(|one| one.1).count() as f64;
            let at = ranking(&scored).above(threshold);
            prop_assert_eq!(at.alerts, alerts.count() as u64);
            prop_assert!((at.precision * at.alerts as f64 - hits).abs() < 1e-9);
            let all = ranking(&scored).frauds();
            prop_assert_eq!(at.recall.is_some(), all > 0);
            prop_assert!((at.recall.unwrap_or_default() * all as f64 - hits).abs() < 1e-9);
        }
    }
}
