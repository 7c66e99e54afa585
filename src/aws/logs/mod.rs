//! Amazon CloudWatch Logs.

pub mod group;
