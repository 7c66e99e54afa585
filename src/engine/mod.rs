//! How a stack is brought about, knowing no AWS: the graph of what is desired, the difference to what is, the plan, and
//! its concurrent execution.

mod adoption;
mod apply;
mod change;
mod diff;
mod events;
#[cfg(test)]
mod fake;
mod graph;
mod ownership;
mod plan;
mod schedule;
mod step;
mod survey;

pub use adoption::Foreign;
pub use apply::{Apply, Report, StepReport};
pub use diff::{Cause, FieldChange};
pub use events::{Event, Outcome, Sink};
pub use graph::{Graph, GraphError, Node};
pub use plan::{Action, Change, Plan, PlanError, Summary};
pub use survey::{Begun, Survey, leaving, look_again, survey, unknown};
