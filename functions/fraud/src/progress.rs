//! How far the pattern analysis got, so that late, repeated and overlapping runs neither miss anything nor count it
//! twice.

use crate::pattern::Window;

/// No more windows than this are caught up with in one run: a week.
const MOST_WINDOWS: u64 = 2_016;

/// What was analyzed so far: one stretch of time without gaps. Times are in seconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The first second that was analyzed.
    pub from: u64,
    /// The first second that was not: the watermark.
    pub until: u64,
    /// Transactions from before this moment were told of in an alert, or are too old for another; 0 when there was no
    /// alert yet.
    pub alerted_until: u64,
}

impl Progress {
    /// The windows that a run for the time before `until` has to look at, the oldest first; empty when all of it was
    /// analyzed already.
    ///
    /// A run that is due finds one window. One that comes late finds those that were missed as well, each as long and
    /// at the same distance as if it had been in time. Windows overlap what was analyzed where runs come early, so that
    /// a burst that falls on both sides of a run is seen whole; [`Progress::is_fresh`] keeps it from being told twice.
    pub fn windows(known: Option<Self>, until: u64) -> Vec<Window> {
        let latest = Window::before(until);
        let Some(known) = known else { return vec![latest] };
        if until <= known.until {
            let covered = latest.from >= known.from;
            return if covered { Vec::new() } else { vec![latest] };
        }
        let count = (until - known.until).div_ceil(Window::SECONDS).min(MOST_WINDOWS);
        (0..count)
            .rev()
            .map(|back| Window::before(until - back * Window::SECONDS))
            .collect()
    }

    /// Was this moment's transaction in no alert yet?
    pub fn is_fresh(known: Option<Self>, timestamp: u64) -> bool {
        known.is_none_or(|known| timestamp >= known.alerted_until || timestamp < known.from)
    }

    /// What was analyzed when this window was, too; `alerted` tells whether there was an alert about it.
    #[must_use]
    pub fn after(known: Option<Self>, window: Window, alerted: bool) -> Self {
        let known = known.unwrap_or(Self {
            from: window.from,
            until: window.until,
            alerted_until: 0,
        });
        Self {
            from: known.from.min(window.from),
            until: known.until.max(window.until),
            alerted_until: if alerted {
                known.alerted_until.max(window.until)
            } else {
                known.alerted_until
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::SUSPICIOUS_LIMIT;
    use proptest::prelude::*;

    const START: u64 = 1_700_000_000;

    /// Runs at these times over transactions at these, and returns the transactions of each alert, by position.
    fn alerts(runs: &[u64], transactions: &[u64]) -> Vec<(Window, Vec<usize>)> {
        let mut known = None;
        let mut alerts = Vec::new();
        for until in runs {
            for window in Progress::windows(known, *until) {
                let told: Vec<usize> = (0..transactions.len())
                    .filter(|&index| (window.from..window.until).contains(&transactions[index]))
                    .filter(|&index| Progress::is_fresh(known, transactions[index]))
                    .collect();
                let alarming = told.len() as u64 > SUSPICIOUS_LIMIT;
                known = Some(Progress::after(known, window, alarming));
                if alarming {
                    alerts.push((window, told));
                }
            }
        }
        alerts
    }

    #[test]
    fn a_run_that_is_due_finds_one_window() {
        assert_eq!(Progress::windows(None, START), [Window::before(START)]);
        let known = Progress::after(None, Window::before(START), false);
        assert_eq!(
            Progress::windows(Some(known), START + 300),
            [Window::before(START + 300)]
        );
        assert_eq!(Progress::windows(Some(known), START + 310).len(), 2);
        assert_eq!(Progress::windows(Some(known), START + 10), [Window::before(START + 10)]);
    }

    #[test]
    fn what_was_analyzed_is_not_analyzed_again() {
        let known = Progress::after(None, Window::before(START), false);
        assert_eq!(Progress::windows(Some(known), START), []);
        // An event from before the first run was in no window yet.
        assert_eq!(
            Progress::windows(Some(known), START - 300),
            [Window::before(START - 300)]
        );
    }

    #[test]
    fn after_a_long_stop_a_week_is_caught_up_with() {
        let known = Progress::after(None, Window::before(START), false);
        let windows = Progress::windows(Some(known), START + 300 * 10_000);
        assert_eq!(windows.len() as u64, MOST_WINDOWS);
        assert_eq!(windows.last(), Some(&Window::before(START + 300 * 10_000)));
    }

    proptest! {
        #[test]
        fn no_transaction_is_told_of_twice(
            runs in prop::collection::vec(0_u64..3_000, 1..24),
            transactions in prop::collection::vec(0_u64..3_000, 0..120),
        ) {
            let runs: Vec<u64> = runs.into_iter().map(|at| START + at).collect();
            let transactions: Vec<u64> = transactions.into_iter().map(|at| START + at).collect();
            let mut told: Vec<usize> = alerts(&runs, &transactions).into_iter().flat_map(|(_, told)| told).collect();
            let all = told.len();
            told.sort_unstable();
            told.dedup();
            prop_assert_eq!(told.len(), all);
        }

        #[test]
        fn runs_that_were_missed_or_repeated_change_nothing(
            missed in prop::collection::vec(any::<bool>(), 12),
            repeated in prop::collection::vec(1_usize..3, 13),
            transactions in prop::collection::vec(0_u64..3_600, 0..120),
        ) {
            let due: Vec<u64> = (0..13).map(|run| START + run * 300).collect();
            let transactions: Vec<u64> = transactions.into_iter().map(|at| START + at).collect();
            let mut taken = Vec::new();
            for (run, at) in due.iter().enumerate() {
                // The first sets the watermark, the last shows what came of it.
                let happens = run == 0 || run == 12 || !missed[run];
                if happens {
                    taken.extend(std::iter::repeat_n(*at, repeated[run]));
                }
            }
            prop_assert_eq!(alerts(&taken, &transactions), alerts(&due, &transactions));
        }

        #[test]
        fn a_burst_is_told_of_whenever_the_runs_come(
            first in 0_u64..300,
            pauses in prop::collection::vec(1_u64..900, 1..12),
            burst in 0_u64..2_000,
        ) {
            // A burst within one second lies in some window, whatever the windows are.
            let mut runs = vec![START + first];
            for pause in pauses {
                runs.push(runs.last().copied().unwrap_or(START) + pause);
            }
            let burst = START + burst;
            let last = runs.last().copied().unwrap_or(START);
            prop_assume!(burst >= runs[0] && burst < last);
            prop_assert_eq!(alerts(&runs, &[burst; 6]).len(), 1);
        }
    }
}
