//! What those who run fraudctl need of AWS: IAM policies for one environment, made from the stack itself.
//!
//! Everything with a name is named exactly. What AWS gives an id of its own is held by the tags that it is made with: the
//! key by `fraudctl:env` and `fraudctl:address`, the API by `fraudctl:env`. What AWS cannot limit stays wide; `docs/operations.md` says
//! what that is, and why.

#[cfg(test)]
mod calls_tests;
mod deploy;
#[cfg(test)]
mod evaluator_tests;
mod names;
mod operate;
mod parts;
#[cfg(test)]
mod parts_tests;
mod purpose;
mod state;
mod statement;

pub use parts::{Document, LONGEST, Part, parts};
pub use purpose::{Bounds, Purpose};
