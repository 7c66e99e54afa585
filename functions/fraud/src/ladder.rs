//! A ladder: the limits of one rule and what exceeding each of them weighs.

use rust_decimal::Decimal;

/// One step of a [`Ladder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The step counts for what is strictly above this; zero or more.
    pub limit: Decimal,
    /// How much it weighs: 0 or more, less than 1.
    pub weight: Decimal,
}

/// The steps of one rule. Limits ascend strictly and weights do not descend, so that seeing more never lowers a score.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ladder(Vec<Step>);

/// A rule has at most this many steps.
pub const MAX_STEPS: usize = 16;

/// Limits are below this, and have at most [`MAX_LIMIT_DECIMALS`] digits after the decimal point.
pub const LIMIT_BOUND: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// What is observed is rounded to this many decimals; a finer limit would hold nothing apart.
pub const MAX_LIMIT_DECIMALS: u32 = 4;

/// Weights have at most this many digits after the decimal point.
pub const MAX_WEIGHT_DECIMALS: u32 = 4;

/// What is wrong with a step, and which.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LadderError {
    /// Too many steps.
    #[error(": at most {MAX_STEPS} steps are possible")]
    TooLong,
    /// A limit below zero, too large or too fine.
    #[error(
        "[{0}].limit: must be 0 or more, below {LIMIT_BOUND}, with at most {MAX_LIMIT_DECIMALS} digits after the \
         decimal point"
    )]
    Limit(usize),
    /// A limit that is not above the one before.
    #[error("[{0}].limit: must be above the limit before it")]
    LimitsNotAscending(usize),
    /// A weight outside 0 to 1, or too fine.
    #[error(
        "[{0}].weight: must be 0 or more and less than 1, with at most {MAX_WEIGHT_DECIMALS} digits after the decimal \
         point"
    )]
    Weight(usize),
    /// A weight below the one before.
    #[error("[{0}].weight: must not be below the weight before it")]
    WeightsDescending(usize),
}

impl Ladder {
    /// Checks the steps.
    ///
    /// # Errors
    ///
    /// The first step that is wrong.
    pub fn new(steps: Vec<Step>) -> Result<Self, LadderError> {
        if steps.len() > MAX_STEPS {
            return Err(LadderError::TooLong);
        }
        let mut before: Option<Step> = None;
        for (index, step) in steps.iter().enumerate() {
            if step.limit < Decimal::ZERO || step.limit >= LIMIT_BOUND || is_finer(step.limit, MAX_LIMIT_DECIMALS) {
                return Err(LadderError::Limit(index));
            }
            if step.weight < Decimal::ZERO || step.weight >= Decimal::ONE || is_finer(step.weight, MAX_WEIGHT_DECIMALS)
            {
                return Err(LadderError::Weight(index));
            }
            if let Some(before) = before {
                if step.limit <= before.limit {
                    return Err(LadderError::LimitsNotAscending(index));
                }
                if step.weight < before.weight {
                    return Err(LadderError::WeightsDescending(index));
                }
            }
            before = Some(*step);
        }
        Ok(Self(steps))
    }

    /// The steps, the lowest limit first.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The highest step that is exceeded, where one is.
    pub fn exceeded_by(&self, observed: Decimal) -> Option<Step> {
        // Most often nothing is, and the lowest limit says so.
        if observed.is_zero() || observed <= self.0.first()?.limit {
            return None;
        }
        self.0.iter().rev().find(|step| observed > step.limit).copied()
    }
}

fn is_finer(number: Decimal, decimals: u32) -> bool {
    number.normalize().scale() > decimals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(limit: i64, weight: i64) -> Step {
        Step {
            limit: Decimal::new(limit, 1),
            weight: Decimal::new(weight, 2),
        }
    }

    #[test]
    fn the_highest_limit_that_is_exceeded_counts() {
        let ladder = Ladder::new(vec![step(25, 10), step(30, 40), step(50, 90)]).expect("valid");
        for (observed, weight) in [
            (0, None),
            (25, None),
            (26, Some(10)),
            (30, Some(10)),
            (31, Some(40)),
            (900, Some(90)),
        ] {
            assert_eq!(
                ladder.exceeded_by(Decimal::new(observed, 1)).map(|step| step.weight),
                weight.map(|weight| Decimal::new(weight, 2)),
                "{observed}"
            );
        }
        assert_eq!(Ladder::default().exceeded_by(Decimal::ONE), None);
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        for (steps, error) in [
            (vec![step(-1, 10)], LadderError::Limit(0)),
            (vec![step(10_000_000_000, 10)], LadderError::Limit(0)),
            (vec![step(1, 10), step(1, 20)], LadderError::LimitsNotAscending(1)),
            (vec![step(1, 10), step(2, 9)], LadderError::WeightsDescending(1)),
            (vec![step(1, 100)], LadderError::Weight(0)),
            (vec![step(1, -1)], LadderError::Weight(0)),
            (vec![step(1, 1); 17], LadderError::TooLong),
        ] {
            assert_eq!(Ladder::new(steps), Err(error));
        }
        assert_eq!(
            LadderError::LimitsNotAscending(1).to_string(),
            "[1].limit: must be above the limit before it"
        );
    }

    #[test]
    fn limits_and_weights_finer_than_what_is_observed_are_refused() {
        let fine = Step {
            limit: Decimal::new(1, 5),
            weight: Decimal::new(1, 1),
        };
        assert_eq!(Ladder::new(vec![fine]), Err(LadderError::Limit(0)));
        let fine = Step {
            limit: Decimal::ONE,
            weight: Decimal::new(1, 5),
        };
        assert_eq!(Ladder::new(vec![fine]), Err(LadderError::Weight(0)));
    }
}
