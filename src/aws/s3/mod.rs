//! Amazon S3, where a state may be kept. No kind of resource is here.

mod bucket;
mod server_time;

pub use bucket::{Bucket, BucketError};
