//! How long work tells where it is.

/// Called with one sentence, without a full stop, whenever something begins that may take seconds.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);
