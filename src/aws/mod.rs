//! The bridge to AWS: one file per kind of resource, and beside them the clients, the pacer, the retry table and the
//! registry of kinds. It knows nothing of plans and states.

mod absent;
mod call;
mod clients;
mod connect;
mod counts;
mod credentials;
mod endpoints;
mod judge;
mod limits;
mod others;
mod policy;
mod profile;
mod registry;
mod remarks;
mod retry;
mod tags;
mod wait;

pub mod apigateway;
pub mod cloudwatch;
pub mod dynamodb;
pub mod events;
pub mod iam;
pub mod kms;
pub mod lambda;
pub mod logs;
pub mod partition;
pub mod s3;
pub mod sns;
pub mod sqs;
pub mod ssm;

pub use clients::Aws;
pub use connect::{ConnectError, Connection, Local};
pub use counts::Counts;
pub use others::Others;
pub use policy::Document;
pub use registry::Registry;
