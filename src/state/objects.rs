use crate::resource::{BoxFuture, Failure};
use std::fmt::Debug;
use std::time::Duration;

/// What a state needs of a bucket. It is implemented where AWS is known.
///
/// Names are relative to the prefix in the bucket that this is about. Whoever calls gets no guess: a reply that was lost
/// and cannot be had again is a failure, and what it did is found by reading.
pub trait Objects: Debug + Send + Sync {
    /// The whole URL of an object, for people: `s3://bucket/prefix/name`.
    fn url(&self, name: &str) -> String;

    /// A command of the AWS command line that reaches this bucket, for people to paste. `words` is what comes after `aws`.
    fn command(&self, words: &str) -> String;

    /// An object, where there is one.
    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Object>, Failure>>;

    /// Writes an object if what stands there is as said. [`Put::Refused`] may also mean that an earlier try of the same
    /// write arrived and only its reply was lost.
    fn put<'a>(
        &'a self,
        name: &'a str,
        content: Vec<u8>,
        standing: Standing<'a>,
    ) -> BoxFuture<'a, Result<Put, Failure>>;

    /// Removes an object if it still has this tag. False where it is another one, or none.
    fn remove<'a>(&'a self, name: &'a str, etag: &'a str) -> BoxFuture<'a, Result<bool, Failure>>;

    /// The ids of an object's versions, the newest first, the current one included.
    fn versions<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, Failure>>;

    /// What one version holds.
    fn version<'a>(&'a self, name: &'a str, id: &'a str) -> BoxFuture<'a, Result<Vec<u8>, Failure>>;

    /// What keeps the bucket's content from being lost and from being seen.
    fn safeguards(&self) -> BoxFuture<'_, Vec<Safeguard>>;
}

/// An object as it was found.
#[derive(Clone, Debug)]
pub struct Object {
    /// All of it.
    pub content: Vec<u8>,
    /// What tells this content from any other.
    pub etag: String,
    /// How long ago it was written, by the clock of the bucket alone.
    pub age: Duration,
}

/// What must stand at a name for a write to happen.
#[derive(Clone, Copy, Debug)]
pub enum Standing<'a> {
    /// Nothing.
    Nothing,
    /// The object of this tag.
    Tagged(&'a str),
}

/// How a conditional write ended.
#[derive(Clone, Debug)]
pub enum Put {
    /// Written; this is its tag.
    Done(String),
    /// Something else stands there, or nothing.
    Refused,
}

/// A setting of the bucket on which the state relies.
#[derive(Clone, Debug)]
pub struct Safeguard {
    /// `versioning` or `default encryption`.
    pub what: &'static str,
    /// Is it on? The failure where it could not be asked.
    pub on: Result<bool, Failure>,
    /// The command that turns it on.
    pub mend: String,
}
