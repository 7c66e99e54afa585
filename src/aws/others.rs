use crate::resource::Changes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What somebody else set on a resource: the properties that we never set and that are not as AWS makes them, by AWS's own
/// names. None is wanted, so each one is told as drift and taken back. `docs/system.md` lists them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Others(BTreeMap<String, Value>);

impl Others {
    /// Of these properties those that are not as usual. Each has its name, what was found, and what AWS makes of it by
    /// itself. A property that AWS says nothing of is as usual.
    pub(super) fn of<const N: usize>(found: [(&str, Value, Value); N]) -> Self {
        let found = found.into_iter();
        let set = found.filter(|(_, found, usual)| found != usual && !says_nothing(found));
        Self(set.map(|(name, found, _)| (name.to_owned(), found)).collect())
    }

    /// Those that are to be taken back, by name.
    pub(super) fn taken_back<'a>(&'a self, changes: &'a Changes) -> impl Iterator<Item = &'a str> {
        let names = self.0.keys().map(String::as_str);
        names.filter(|name| changes.has(&format!("others.{name}")))
    }

    /// Is this one to be taken back?
    pub(super) fn takes_back(&self, changes: &Changes, name: &str) -> bool {
        self.taken_back(changes).any(|one| one == name)
    }

    /// The names in a property that is an object.
    pub(super) fn names_in(&self, name: &str) -> Vec<String> {
        let found = self.0.get(name).and_then(Value::as_object);
        found.map(|found| found.keys().cloned().collect()).unwrap_or_default()
    }

    /// The texts in a property that is a list.
    pub(super) fn texts_in(&self, name: &str) -> Vec<String> {
        let found = self.0.get(name).and_then(Value::as_array).into_iter().flatten();
        found.filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

/// Services leave a property out, or write it empty, where nobody set it.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(says_nothing),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_said_and_unusual_is_somebody_elses() {
        let found = Others::of([
            ("DelaySeconds", json!("900"), json!("0")),
            ("MaximumMessageSize", json!("1048576"), json!("1048576")),
            ("Absent", Value::Null, json!("0")),
            ("Empty", json!({"Ids": [], "Name": ""}), Value::Null),
            ("Zero", json!(0), Value::Null),
        ]);
        assert_eq!(json!(found), json!({"DelaySeconds": "900", "Zero": 0}));
    }

    #[test]
    fn only_what_a_change_is_about_is_taken_back() {
        let others = Others::of([
            ("Delay", json!(1), json!(0)),
            ("DelaySeconds", json!({"*/*": 1}), Value::Null),
        ]);
        let changes = Changes::new(["others.DelaySeconds".to_owned()]);
        assert_eq!(others.taken_back(&changes).collect::<Vec<_>>(), ["DelaySeconds"]);
        assert!(!others.takes_back(&changes, "Delay"));
        assert_eq!(others.names_in("DelaySeconds"), ["*/*"]);
    }
}
