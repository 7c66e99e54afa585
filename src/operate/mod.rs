//! Using what stands.

mod item;

pub mod dry_run;
pub mod label;
pub mod label_file;
pub mod load;
pub mod names;
pub mod preflight;
pub mod records;
pub mod rules;
pub mod send;
