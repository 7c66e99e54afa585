//! AWS Systems Manager.

pub mod parameter;
