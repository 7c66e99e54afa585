//! Using what stands.

mod item;

pub mod label;
pub mod load;
pub mod names;
pub mod preflight;
pub mod records;
pub mod rules;
pub mod send;
