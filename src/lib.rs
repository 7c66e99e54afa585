//! fraudctl puts a complete serverless fraud-detection system on AWS, keeps it there, and takes it away.
//!
//! `docs/architecture.md` shows how the rooms below hang together.

#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod artifact;
pub mod aws;
pub mod cli;
pub mod config;
pub mod engine;
pub mod local;
pub mod net;
pub mod operate;
pub mod resource;
pub mod stack;
pub mod state;
pub mod ui;
