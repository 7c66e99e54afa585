//! AWS Lambda.

pub mod function;
mod outcome;
pub mod permission;
mod unasked;
mod wire;
