//! Amazon EventBridge.

pub mod rule;
pub mod target;
