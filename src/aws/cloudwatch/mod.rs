//! Amazon CloudWatch.

pub mod alarm;
pub mod dashboard;
