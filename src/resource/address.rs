use serde::{Deserialize, Serialize};
use std::fmt;

/// Where a resource stands in the stack, for example `messaging.alerts`: the room, a dot, the name. Stable over the
/// life of an environment: it is the key of the state file and the value of the ownership tag.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(String);

impl Address {
    /// An address from its text. Any text is an address; only the stack makes new ones.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, as in the state file.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for Address {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}
