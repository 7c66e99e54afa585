//! What people see: plans and progress. A renderer of plans and events; it decides nothing.

mod plan;
mod progress;

pub use plan::render as plan;
pub use plan::{HIDDEN, hides};
pub use progress::Progress;
