//! A bucket in memory, for the tests of this room: with a clock of its own, versions, and replies that are lost.

use super::objects::{Object, Objects, Put, Safeguard, Standing};
use super::record::{Place, Record, Status};
use crate::resource::{BoxFuture, Class, Failure};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Semaphore;

/// What becomes of one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// It never arrives.
    Request,
    /// It arrives, and nobody learns of it.
    Reply,
}

#[derive(Debug)]
pub struct Bucket {
    world: Mutex<World>,
    /// Each write needs one.
    permits: Semaphore,
}

#[derive(Debug, Default)]
struct World {
    now: Duration,
    objects: BTreeMap<String, Vec<Version>>,
    /// Of the writes to come, the first first.
    fates: VecDeque<Option<Lost>>,
    puts: usize,
    safeguards: Vec<Safeguard>,
}

#[derive(Debug)]
struct Version {
    /// Nothing is a marker that it was deleted.
    content: Option<Vec<u8>>,
    written: Duration,
}

impl Bucket {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            world: Mutex::default(),
            permits: Semaphore::new(Semaphore::MAX_PERMITS),
        })
    }

    /// As [`Bucket::new`], but every write waits until it is let through.
    pub fn held() -> Arc<Self> {
        Arc::new(Self {
            world: Mutex::default(),
            permits: Semaphore::new(0),
        })
    }

    pub fn let_through(&self, writes: usize) {
        self.permits.add_permits(writes);
    }

    pub fn pass(&self, time: Duration) {
        self.world().now += time;
    }

    /// The next writes have these fates.
    pub fn lose(&self, fates: impl IntoIterator<Item = Option<Lost>>) {
        self.world().fates = fates.into_iter().collect();
    }

    /// How many writes were asked for.
    pub fn puts(&self) -> usize {
        self.world().puts
    }

    pub fn safeguard(&self, safeguard: Safeguard) {
        self.world().safeguards.push(safeguard);
    }

    /// Writes behind everybody's back.
    pub fn set(&self, name: &str, content: impl Into<Vec<u8>>) {
        self.world().add(name, Some(content.into()));
    }

    /// What stands there.
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        self.world().current(name).map(|(content, _)| content.to_owned())
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }
}

impl World {
    fn add(&mut self, name: &str, content: Option<Vec<u8>>) {
        let written = self.now;
        let versions = self.objects.entry(name.to_owned()).or_default();
        versions.push(Version { content, written });
    }

    fn current(&self, name: &str) -> Option<(&[u8], Duration)> {
        let last = self.objects.get(name)?.last()?;
        Some((last.content.as_deref()?, last.written))
    }

    fn is(&self, name: &str, standing: Standing<'_>) -> bool {
        match (self.current(name), standing) {
            (None, Standing::Nothing) => true,
            (Some((content, _)), Standing::Tagged(tag)) => etag(content) == tag,
            _ => false,
        }
    }
}

/// As S3 makes it: of the content alone.
fn etag(content: &[u8]) -> String {
    format!("\"{:x}\"", Sha256::digest(content))
}

fn lost() -> Failure {
    Failure {
        class: Class::Exhausted,
        ..Failure::new("s3:PutObject", "NoReply", "it was lost")
    }
}

impl Objects for Bucket {
    fn url(&self, name: &str) -> String {
        format!("s3://fake/{name}")
    }

    fn command(&self, words: &str) -> String {
        format!("aws {words} --profile fake")
    }

    fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Object>, Failure>> {
        Box::pin(async move {
            let world = self.world();
            Ok(world.current(name).map(|(content, written)| Object {
                content: content.to_owned(),
                etag: etag(content),
                age: world.now - written,
            }))
        })
    }

    fn put<'a>(
        &'a self,
        name: &'a str,
        content: Vec<u8>,
        standing: Standing<'a>,
    ) -> BoxFuture<'a, Result<Put, Failure>> {
        Box::pin(async move {
            self.world().puts += 1;
            self.permits.acquire().await.unwrap().forget();
            let mut world = self.world();
            let fate = world.fates.pop_front().flatten();
            if fate == Some(Lost::Request) {
                return Err(lost());
            }
            let done = if world.is(name, standing) {
                let etag = etag(&content);
                world.add(name, Some(content));
                Put::Done(etag)
            } else {
                Put::Refused
            };
            match fate {
                None => Ok(done),
                Some(_) => Err(lost()),
            }
        })
    }

    fn remove<'a>(&'a self, name: &'a str, etag: &'a str) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(async move {
            let mut world = self.world();
            let there = world.is(name, Standing::Tagged(etag));
            if there {
                world.add(name, None);
            }
            Ok(there)
        })
    }

    fn versions<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, Failure>> {
        Box::pin(async move {
            let world = self.world();
            let all = world.objects.get(name).into_iter().flatten().enumerate();
            let mut ids: Vec<String> = all
                .filter(|(_, version)| version.content.is_some())
                .map(|(index, _)| index.to_string())
                .collect();
            ids.reverse();
            Ok(ids)
        })
    }

    fn version<'a>(&'a self, name: &'a str, id: &'a str) -> BoxFuture<'a, Result<Vec<u8>, Failure>> {
        Box::pin(async move {
            let index: usize = id.parse().unwrap();
            Ok(self.world().objects[name][index].content.clone().unwrap())
        })
    }

    fn safeguards(&self) -> BoxFuture<'_, Vec<Safeguard>> {
        Box::pin(async move { self.world().safeguards.clone() })
    }
}

pub fn place() -> Place {
    Place {
        env: "dev".into(),
        account: "000000000001".into(),
        region: "us-east-1".into(),
        endpoint: None,
    }
}

pub fn record() -> Record {
    Record {
        kind: "sqs.queue".into(),
        status: Status::Ready,
        outputs: BTreeMap::new(),
        applied: serde_json::Value::Null,
        observed: None,
        depends_on: Vec::new(),
        retiring: Vec::new(),
    }
}
