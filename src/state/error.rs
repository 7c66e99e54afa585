use super::record::FORMAT;
use super::shell::for_shell;
use crate::resource::Failure;
use std::fmt;
use thiserror::Error;

/// Why a state cannot be read or written. Nothing has changed in AWS when one of these is returned from opening.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// The file or its folder cannot be used.
    #[error(
        "cannot {doing} the state file {at}: {why}; free it, or choose another place with --state or FRAUDCTL_STATE"
    )]
    Io {
        /// `read` or `write`.
        doing: &'static str,
        /// Which file.
        at: String,
        /// What the system said.
        why: String,
    },
    /// The bucket cannot be used.
    #[error("cannot {doing} the state {at}: {why}")]
    Bucket {
        /// `read` or `write`.
        doing: &'static str,
        /// Which object, as a URL.
        at: String,
        /// What S3 said.
        why: Box<Failure>,
    },
    /// The object is not the one that we read or wrote last.
    #[error(
        "the state {at} was written by somebody else meanwhile, so nothing more may be changed on the ground of ours; \
         wait for the other to end, and run this again"
    )]
    Overtaken {
        /// Which object, as a URL.
        at: String,
    },
    /// The right to change the environment is gone.
    #[error("the lock of the state {at} is lost, so nothing more may be changed: {why}")]
    LockLost {
        /// Which object, as a URL.
        at: String,
        /// Who has it now, or why it could not be renewed.
        why: String,
    },
    /// It is no state, or only a part of one.
    #[error(
        "the state {at} is damaged ({why}); nothing was changed. {back} a good copy back, or {}: `fraudctl up` then finds what \
         exists by names and ownership tags and writes it anew",
        .aside
    )]
    Damaged {
        /// Which file or object.
        at: String,
        /// How it is taken out of use, as of [`Home::set_aside`](super::Home::set_aside).
        aside: String,
        /// Where it is damaged.
        why: String,
        /// What to do first: `GO_BACK`, or `NOTHING_BEFORE` where it is known that there is none.
        back: &'static str,
    },
    /// A newer fraudctl wrote it.
    #[error("the state {at} has format {found}, but this fraudctl knows only up to {FORMAT}; use the newer fraudctl")]
    Newer {
        /// Which file or object.
        at: String,
        /// The format found.
        found: u64,
    },
    /// It is about something else.
    #[error(
        "the state {at} is about {what} {theirs}, but this run works on {ours}; switch credentials, region or endpoint \
         back, use another --env, or, if what it describes no longer exists, {}",
        .aside
    )]
    Elsewhere {
        /// Which file or object.
        at: String,
        /// How it is taken out of use, as of [`Home::set_aside`](super::Home::set_aside).
        aside: String,
        /// Account, region, endpoint or environment.
        what: &'static str,
        /// What the state says.
        theirs: String,
        /// What we work on.
        ours: String,
    },
    /// It was moved to another place.
    #[error(
        "the state {at} was moved to {to} by `fraudctl state move` ({when}); nothing was changed. Name the new place with \
         --state, FRAUDCTL_STATE or the key `state` in fraudctl.toml. Only if it is to begin anew here: {remove}"
    )]
    Moved {
        /// Which file or object.
        at: String,
        /// Where it is now.
        to: String,
        /// Since when.
        when: String,
        /// The command that removes what says so.
        remove: String,
    },
    /// It stands here, and may be in use elsewhere already.
    #[error(
        "the move of the state {at} to {to} was cut short, and nobody may work on it here; nothing was changed. The same \
         command, with the flags that it had, finishes it: `fraudctl state move {}`. Only if no state stands there: {remove}",
        for_shell(.to)
    )]
    Unfinished {
        /// Which file or object.
        at: String,
        /// Where it was to be moved.
        to: String,
        /// The command that removes what says so.
        remove: String,
    },
    /// A bucket that could lose a state, or show it.
    #[error("the bucket of the state {at} has no {what}; nothing was changed. Turn it on: {mend}")]
    Unguarded {
        /// Which object, as a URL.
        at: String,
        /// `versioning` or `default encryption`.
        what: &'static str,
        /// The command that turns it on.
        mend: String,
    },
}

/// What comes first where a state is damaged and there may be one before it.
pub(super) const GO_BACK: &str =
    "`fraudctl state recover`, with the flags of this command, goes back to the one before it. Or put";
/// What comes first where there is none.
pub(super) const NOTHING_BEFORE: &str = "There is none before it to go back to: put";

impl StoreError {
    /// A failure of the file system.
    pub(super) fn io(doing: &'static str, at: impl Into<String>, why: &impl fmt::Display) -> Self {
        Self::Io {
            doing,
            at: at.into(),
            why: why.to_string(),
        }
    }

    /// A failure of the bucket.
    pub(super) fn bucket(doing: &'static str, at: impl Into<String>, why: Failure) -> Self {
        Self::Bucket {
            doing,
            at: at.into(),
            why: Box::new(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_for_pasting_is_quoted() {
        let unfinished = StoreError::Unfinished {
            at: "state/dev.json".to_owned(),
            to: "/my states".to_owned(),
            remove: "rm".to_owned(),
        };
        let said = unfinished.to_string();
        assert!(said.contains("`fraudctl state move '/my states'`"), "{said}");
    }
}
