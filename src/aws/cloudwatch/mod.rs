//! Amazon CloudWatch.

pub mod alarm;
