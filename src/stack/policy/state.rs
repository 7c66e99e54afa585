//! What a state on S3 needs.

use super::names::Names;
use super::purpose::Purpose;
use super::statement::{Statement, literal};
use crate::config::Location;

/// A state in a folder needs nothing of AWS.
pub fn statements(names: &Names<'_>, state: &Location, purpose: Purpose) -> Vec<Statement> {
    let Location::Bucket { name, prefix } = state else {
        return Vec::new();
    };
    let bucket = format!("arn:{}:s3:::{name}", names.stack.partition);
    let within = match prefix.as_str() {
        "" => bucket.clone(),
        prefix => format!("{bucket}/{}", literal(prefix)),
    };
    // The state, its lock, and what a move leaves behind.
    let objects = ["json", "lock", "moved"].map(|end| format!("{within}/{}.{end}", names.env()));
    let (mut on_objects, mut on_bucket) = (vec!["s3:GetObject"], vec!["s3:ListBucket"]);
    if purpose == Purpose::Deploy {
        on_objects.extend(["s3:DeleteObject", "s3:GetObjectVersion", "s3:PutObject"]);
        on_bucket.extend([
            "s3:GetBucketVersioning",
            "s3:GetEncryptionConfiguration",
            "s3:ListBucketVersions",
        ]);
    }
    vec![
        Statement::allow("StateObjects", &on_objects, objects.into()),
        // Without s3:ListBucket S3 says of an object that does not exist that it may not be read.
        Statement::allow("StateBucket", &on_bucket, vec![bucket]),
    ]
}
