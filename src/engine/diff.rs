use crate::resource::references;
use serde_json::Value;
use std::collections::BTreeSet;

/// Why a field differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// What we want has changed.
    Intent,
    /// What AWS has was changed behind our back.
    Drift,
}

/// One field that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// Where in the spec: `tags.Project`, `indexes.user-index.projection`.
    pub path: String,
    /// What AWS has.
    pub from: Value,
    /// What we want. A reference in it is a value that is only known afterwards.
    pub to: Value,
    /// Why it differs.
    pub cause: Cause,
}

impl FieldChange {
    /// The field of the spec that it is in.
    pub fn field(&self) -> &str {
        self.path.split(['.', '[']).next().unwrap_or(&self.path)
    }
}

/// What was recorded after the last change.
#[derive(Clone, Copy, Debug)]
pub struct Baseline<'a> {
    /// What was asked for.
    pub applied: &'a Value,
    /// What AWS said right after.
    pub observed: &'a Value,
}

/// The fields in which `live` is not what is `desired`.
///
/// With a baseline, intent is where desired differs from what was applied, drift is where live differs from what was
/// observed; where neither changed, AWS writes the same thing in another way, and nothing is to be done. Without a
/// baseline every difference is intent. Fields that are as desired are never in the result.
pub fn diff(desired: &Value, live: &Value, baseline: Option<Baseline<'_>>) -> Vec<FieldChange> {
    let mut found = Vec::new();
    let start = At {
        desired: Some(desired),
        live: Some(live),
        applied: baseline.map(|b| b.applied),
        observed: baseline.map(|b| b.observed),
    };
    walk(String::new(), start, baseline.is_some(), &mut found);
    found
}

/// The same place in each of the values.
#[derive(Clone, Copy)]
struct At<'a> {
    desired: Option<&'a Value>,
    live: Option<&'a Value>,
    applied: Option<&'a Value>,
    observed: Option<&'a Value>,
}

impl<'a> At<'a> {
    fn step(self, into: impl Fn(&'a Value) -> Option<&'a Value>) -> Self {
        At {
            desired: self.desired.and_then(&into),
            live: self.live.and_then(&into),
            applied: self.applied.and_then(&into),
            observed: self.observed.and_then(&into),
        }
    }
}

fn walk(path: String, at: At<'_>, has_baseline: bool, found: &mut Vec<FieldChange>) {
    if same(at.desired, at.live) {
        return;
    }
    match (at.desired, at.live) {
        (Some(Value::Object(desired)), Some(Value::Object(live))) => {
            let keys: BTreeSet<&String> = desired.keys().chain(live.keys()).collect();
            for key in keys {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                walk(path, at.step(|v| v.get(key)), has_baseline, found);
            }
        }
        (Some(Value::Array(desired)), Some(Value::Array(live))) if desired.len() == live.len() => {
            for index in 0..desired.len() {
                walk(
                    format!("{path}[{index}]"),
                    at.step(|v| v.get(index)),
                    has_baseline,
                    found,
                );
            }
        }
        _ => {
            let unknown = at.desired.is_some_and(|v| !references(v).is_empty());
            let cause = if !has_baseline || unknown || !same(at.desired, at.applied) {
                Cause::Intent
            } else if !same(at.live, at.observed) {
                Cause::Drift
            } else {
                return;
            };
            found.push(FieldChange {
                path,
                from: at.live.cloned().unwrap_or_default(),
                to: at.desired.cloned().unwrap_or_default(),
                cause,
            });
        }
    }
}

/// Absent and null are the same: nothing.
fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    let nothing = &Value::Null;
    a.unwrap_or(nothing) == b.unwrap_or(nothing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn three(desired: &Value, applied: &Value, observed: &Value, live: &Value) -> Vec<(String, Cause)> {
        diff(desired, live, Some(Baseline { applied, observed }))
            .into_iter()
            .map(|change| (change.path, change.cause))
            .collect()
    }

    #[test]
    fn equal_values_do_not_differ() {
        let value = json!({"a": [1, {"b": "c"}]});
        assert_eq!(diff(&value, &value, None), []);
        assert_eq!(diff(&json!({"a": null}), &json!({}), None), []);
    }

    #[test]
    fn intent_and_drift_are_told_apart() {
        let found = three(
            &json!({"a": 2, "b": 1, "tags": {"x": "1"}}),
            &json!({"a": 1, "b": 1, "tags": {"x": "1"}}),
            &json!({"a": 1, "b": 1, "tags": {"x": "1"}}),
            &json!({"a": 1, "b": 9, "tags": {"x": "1", "y": "2"}}),
        );
        let expected = [("a", Cause::Intent), ("b", Cause::Drift), ("tags.y", Cause::Drift)];
        assert_eq!(found, expected.map(|(path, cause)| (path.to_owned(), cause)));
    }

    #[test]
    fn what_aws_writes_in_another_way_does_not_haunt_the_plan() {
        assert_eq!(
            three(
                &json!({"a": "X"}),
                &json!({"a": "X"}),
                &json!({"a": "x"}),
                &json!({"a": "x"})
            ),
            []
        );
        assert_eq!(
            three(&json!({"a": "X"}), &json!({"a": "X"}), &json!({}), &json!({})),
            []
        );
    }

    #[test]
    fn a_value_known_only_afterwards_is_a_change() {
        let desired = json!({"id": "⟦a.b#id⟧"});
        let found = three(&desired, &json!({"id": "1"}), &json!({"id": "1"}), &json!({"id": "1"}));
        assert_eq!(found, [("id".to_owned(), Cause::Intent)]);
    }

    #[test]
    fn lists_of_another_length_differ_as_a_whole() {
        let found = diff(&json!({"a": [1]}), &json!({"a": [1, 2]}), None);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.as_str(), found[0].field()), ("a", "a"));
    }
}
