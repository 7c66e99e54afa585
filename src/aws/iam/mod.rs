//! AWS IAM.

mod wire;

pub mod attachment;
pub mod policy;
pub mod role;
