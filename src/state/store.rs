use super::error::{NOTHING_BEFORE, StoreError};
use super::home::{Found, Home, Manner};
use super::record::{Place, State};
use super::text;

/// A state and the home that keeps it.
#[derive(Clone, Debug)]
pub struct Store {
    home: Home,
    /// What tells the object that holds it from those of others; nothing in a file.
    etag: Option<String>,
    /// The state. Change it, then [`Store::save`].
    pub state: State,
}

impl Store {
    /// Reads the state of this place, or begins a new one where there is none. Writes nothing.
    ///
    /// # Errors
    /// It cannot be read, is damaged or newer, is about another place, or was moved elsewhere.
    pub async fn open(home: &Home, place: Place) -> Result<Self, StoreError> {
        match Self::here(home).await? {
            Some(store) => {
                same_place(home, &store.state.place, &place)?;
                Ok(store)
            }
            None => Ok(Self {
                home: home.clone(),
                etag: None,
                state: State::new(place),
            }),
        }
    }

    /// Reads the state of this environment wherever it is, for those who only look at it. Writes nothing.
    ///
    /// # Errors
    /// It cannot be read, is damaged or newer, is about another environment, or was moved elsewhere.
    pub async fn of_env(home: &Home, env: &str) -> Result<Option<Self>, StoreError> {
        let found = Self::here(home).await?;
        if let Some(store) = &found {
            of(home, &store.state, env)?;
        }
        Ok(found)
    }

    /// As [`Store::of_env`], for those whom it does not concern whether it was moved from here.
    ///
    /// # Errors
    /// As [`Store::of_env`].
    pub async fn find(home: &Home, env: &str) -> Result<Option<Self>, StoreError> {
        let Some(store) = Self::read(home).await? else {
            return Ok(None);
        };
        of(home, &store.state, env)?;
        Ok(Some(store))
    }

    async fn read(home: &Home) -> Result<Option<Self>, StoreError> {
        let found = home.read().await?;
        found.map(|found| Self::parse(home, found)).transpose()
    }

    /// As [`Store::read`], where it was not moved from here.
    async fn here(home: &Home) -> Result<Option<Self>, StoreError> {
        let found = home.read().await?;
        // Afterwards: a state that is gone because it is moved just now has left its tombstone before it went.
        home.not_moved(found.is_some()).await?;
        found.map(|found| Self::parse(home, found)).transpose()
    }

    fn parse(home: &Home, Found { content, etag }: Found) -> Result<Self, StoreError> {
        let state = text::parse(&home.at(), &home.set_aside(&home.at()), &content).map_err(|why| match why {
            StoreError::Damaged { at, aside, why, .. } if home.is_first() => StoreError::Damaged {
                at,
                aside,
                why,
                back: NOTHING_BEFORE,
            },
            why => why,
        })?;
        Ok(Self {
            state,
            home: home.clone(),
            etag,
        })
    }

    /// This state at another home, where nothing stands.
    pub(super) fn copied_to(&self, home: &Home) -> Self {
        Self {
            home: home.clone(),
            etag: None,
            state: self.state.clone(),
        }
    }

    /// The newest state before the current one that is whole, for [`Store::recover`]. Writes nothing.
    ///
    /// # Errors
    /// It cannot be read, is damaged or newer itself, or is about another environment.
    pub async fn previous(home: &Home, env: &str) -> Result<Option<Self>, StoreError> {
        let read = |at: &str, content: &[u8]| {
            let state = text::parse(at, &home.set_aside(at), content)?;
            of(home, &state, env)?;
            Ok(Some(state))
        };
        let found = home.earlier(read).await?;
        Ok(found.map(|state| Self {
            home: home.clone(),
            etag: None,
            state,
        }))
    }

    /// Puts this previous state where the current one was. What stood there is kept: beside a file as `.damaged`, or under
    /// the next number where that is there, in a bucket as a version. The previous one stays as well, so that this can be
    /// done again.
    ///
    /// # Errors
    /// It cannot be written; what stood there stands there still.
    pub async fn recover(&self) -> Result<(), StoreError> {
        let standing = self.home.read().await?.and_then(|found| found.etag);
        let text = self.print()?;
        self.home
            .write(text, standing.as_deref(), Manner::InPlaceOfDamaged)
            .await?;
        Ok(())
    }

    /// Makes the state durable: after this returns, a crash of the process or the machine does not undo it; before, what
    /// stood there is there, whole.
    ///
    /// # Errors
    /// It cannot be written; the serial is then as before. In a bucket also: somebody else has written, or has the lock.
    pub async fn save(&mut self) -> Result<(), StoreError> {
        self.state.serial += 1;
        let written = self.write().await;
        if written.is_err() {
            self.state.serial -= 1;
        }
        written
    }

    /// Writes it as it is, under the serial that it has.
    pub(super) async fn write(&mut self) -> Result<(), StoreError> {
        let text = self.print()?;
        self.etag = self.home.write(text, self.etag.as_deref(), Manner::Next).await?;
        Ok(())
    }

    /// Removes the state and the one before it, when nothing is left to remember. A bucket keeps its versions.
    ///
    /// # Errors
    /// It cannot be removed.
    pub async fn discard(&mut self) -> Result<(), StoreError> {
        self.home.discard(self.etag.as_deref()).await?;
        self.etag = None;
        Ok(())
    }

    /// Takes the state out of use here: a file gets another name, an object is removed and stays as a version.
    pub(super) async fn retire(self) -> Result<(), StoreError> {
        self.home.retire(self.etag.as_deref()).await
    }

    /// Where the state is kept, for people.
    pub fn at(&self) -> String {
        self.home.at()
    }

    fn print(&self) -> Result<String, StoreError> {
        text::print(&self.state, self.home.writer()).map_err(|why| StoreError::io("write", self.at(), &why))
    }
}

/// Is this the environment's?
fn of(home: &Home, state: &State, env: &str) -> Result<(), StoreError> {
    let place = Place {
        env: env.to_owned(),
        ..state.place.clone()
    };
    same_place(home, &state.place, &place)
}

fn same_place(home: &Home, theirs: &Place, ours: &Place) -> Result<(), StoreError> {
    text::same_place(&home.at(), &home.set_aside(&home.at()), theirs, ours)
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
