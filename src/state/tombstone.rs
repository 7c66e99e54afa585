use super::error::StoreError;
use super::file;
use super::home::{Bucket, Home, TRIES, may_have_arrived};
use super::objects::{Put, Standing};
use super::shell::for_shell;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

/// What a state leaves behind where it was moved away from: `{env}.moved`, so that nobody begins it anew there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tombstone {
    /// Where the state went, as `--state` takes it.
    pub to: String,
    /// When, by the clock of who moved it.
    pub when: String,
}

impl Tombstone {
    fn new(to: &str) -> Self {
        let now = DateTime::from(SystemTime::now()).fmt(Format::DateTime);
        Self {
            to: to.to_owned(),
            when: now.unwrap_or_default(),
        }
    }

    /// One that cannot be read is one all the same.
    fn parse(content: &[u8]) -> Self {
        serde_json::from_slice(content).unwrap_or_else(|_| Self::unknown())
    }

    fn unknown() -> Self {
        Self {
            to: "another place".to_owned(),
            when: "an unknown date".to_owned(),
        }
    }
}

impl Home {
    /// Refuses where the state was moved away, also where it still `stands` because the move was cut short: from the moment
    /// that a tombstone is there, the state may be in use at its new place.
    pub(super) async fn not_moved(&self, stands: bool) -> Result<(), StoreError> {
        match self.went(stands).await? {
            None => Ok(()),
            Some(found) if stands => Err(self.unfinished(found)),
            Some(found) => Err(self.moved(found)),
        }
    }

    /// Where the state went from here, if it did. It `stands` here still where the move was cut short.
    pub(super) async fn went(&self, stands: bool) -> Result<Option<Tombstone>, StoreError> {
        let found = self.tombstone().await?;
        Ok(match self {
            // The state was renamed, and what tells where it went was removed.
            Self::File(path) if found.is_none() && !stands && file::is_retired(path) => Some(Tombstone::unknown()),
            _ => found,
        })
    }

    /// The refusal of a home whose state is elsewhere.
    pub(super) fn moved(&self, found: Tombstone) -> StoreError {
        StoreError::Moved {
            at: self.at(),
            to: found.to,
            when: found.when,
            remove: self.removal(),
        }
    }

    /// The refusal of a home whose state was to be moved elsewhere.
    pub(super) fn unfinished(&self, found: Tombstone) -> StoreError {
        StoreError::Unfinished {
            at: self.at(),
            to: found.to,
            remove: self.removal(),
        }
    }

    /// What says where the state went from here, if it did.
    pub(super) async fn tombstone(&self) -> Result<Option<Tombstone>, StoreError> {
        let content = match self {
            Self::File(path) => file::read(&file::tombstone(path)).map_err(|why| self.cannot("read", &why))?,
            Self::Bucket(bucket) => {
                let found = bucket.objects.get(&bucket.tombstone()).await;
                let found = found.map_err(|why| StoreError::bucket("read", self.at(), why))?;
                found.map(|found| found.content)
            }
        };
        Ok(content.map(|content| Tombstone::parse(&content)))
    }

    /// Says that the state goes to another place. From then on nobody works on it here.
    pub(super) async fn bury(&self, to: &str) -> Result<(), StoreError> {
        let content = serde_json::to_vec_pretty(&Tombstone::new(to)).map_err(|why| self.cannot("write", &why))?;
        match self {
            Self::File(path) => file::bury(path, &content).map_err(|why| self.cannot("write", &why)),
            Self::Bucket(bucket) => bucket.bury(to, &content).await,
        }
    }

    /// The state lives here: what said that it is elsewhere is removed.
    pub(super) async fn unretire(&self) -> Result<(), StoreError> {
        match self {
            Self::File(path) => file::unretire(path).map_err(|why| self.cannot("remove", &why)),
            Self::Bucket(bucket) => {
                let name = bucket.tombstone();
                let found = bucket.objects.get(&name).await;
                let found = found.map_err(|why| StoreError::bucket("read", bucket.objects.url(&name), why))?;
                bucket.remove(&name, found.map(|found| found.etag).as_deref()).await
            }
        }
    }

    /// The command with which a person removes the tombstone.
    fn removal(&self) -> String {
        match self {
            Self::File(path) => {
                let both = [file::tombstone(path), file::retired(path)];
                let [tombstone, retired] = both.map(|path| for_shell(&path.display().to_string()));
                format!("rm -f {tombstone} {retired}")
            }
            Self::Bucket(bucket) => {
                let url = for_shell(&bucket.objects.url(&bucket.tombstone()));
                bucket.objects.command(&format!("s3 rm {url}"))
            }
        }
    }
}

impl Bucket {
    fn tombstone(&self) -> String {
        format!("{}.moved", self.env)
    }

    async fn bury(&self, to: &str, content: &[u8]) -> Result<(), StoreError> {
        let (name, at) = (self.tombstone(), self.objects.url(&self.tombstone()));
        let mut lost = None;
        for _ in 0..TRIES {
            self.hold().await?;
            let found = self.objects.get(&name).await;
            let found = found.map_err(|why| StoreError::bucket("read", &at, why))?;
            if found
                .as_ref()
                .is_some_and(|there| Tombstone::parse(&there.content).to == to)
            {
                return Ok(());
            }
            let when = found
                .as_ref()
                .map_or(Standing::Nothing, |there| Standing::Tagged(&there.etag));
            match self.objects.put(&name, content.to_vec(), when).await {
                Ok(Put::Done(_)) => return Ok(()),
                // An earlier try of ours, or somebody else's: it is looked at again.
                Ok(Put::Refused) => {}
                Err(why) if may_have_arrived(why.class) => lost = Some(why),
                Err(why) => return Err(StoreError::bucket("write", at, why)),
            }
        }
        Err(match lost {
            Some(why) => StoreError::bucket("write", at, why),
            None => StoreError::Overtaken { at },
        })
    }
}
