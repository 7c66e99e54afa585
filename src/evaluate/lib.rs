//! How good the scoring is: a simulator of transactions, their replay through the very code that the function runs,
//! metrics, and training. No AWS.
#![deny(missing_docs)]

pub mod check;
pub mod curves;
pub mod evaluation;
mod histories;
mod intern;
mod leak;
pub mod metrics;
mod model;
pub mod protocol;
pub mod read;
mod record;
mod reference;
pub mod replay;
pub mod simulate;
pub mod train;
pub mod write;

pub use evaluation::{Evaluation, EvaluationError, evaluate};
pub use record::Record;
pub use replay::{OutOfOrder, Replay};
pub use simulate::{Simulation, Size, simulate};
pub use train::{TrainError, TrainOptions, Trained, Trainer, train};
