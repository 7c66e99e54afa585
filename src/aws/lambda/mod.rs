//! AWS Lambda.

pub mod function;
pub mod permission;
mod unasked;
