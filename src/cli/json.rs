//! The documents that `--json` prints: the machine interface, described in docs/commands.md.

use super::exit::Exit;
use super::print;
use crate::engine::{Action, Cause, FieldChange, Outcome, Plan, StepReport, Summary};
use crate::resource::references;
use crate::ui;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Prints one document on standard output.
pub fn print(document: &impl Serialize) -> Result<(), Exit> {
    let text = serde_json::to_string_pretty(document).map_err(|why| Exit::failed(why.to_string()))?;
    print::line(text)
}

/// What `diff --json` prints.
#[derive(Debug, Serialize)]
pub struct Diff<'a> {
    env: &'a str,
    summary: Summary,
    changes: Vec<Changed<'a>>,
}

#[derive(Debug, Serialize)]
struct Changed<'a> {
    address: &'a str,
    kind: &'a str,
    action: Action,
    /// Why, where no field tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    fields: Vec<Field<'a>>,
}

#[derive(Debug, Serialize)]
struct Field<'a> {
    path: &'a str,
    from: Value,
    to: Value,
    cause: &'static str,
}

impl<'a> Diff<'a> {
    /// The plan of this environment.
    pub fn of(env: &'a str, plan: &'a Plan) -> Self {
        let changed = plan
            .changes
            .iter()
            .filter(|c| !matches!(c.action, Action::Unchanged | Action::Build));
        Self {
            env,
            summary: plan.summary(),
            changes: changed
                .map(|change| Changed {
                    address: change.address.as_str(),
                    kind: &change.kind,
                    action: change.action,
                    cause: change.gone.then_some("drift"),
                    fields: change.fields.iter().map(field).collect(),
                })
                .collect(),
        }
    }
}

fn field(change: &FieldChange) -> Field<'_> {
    let unknown = !references(&change.to).is_empty();
    Field {
        path: &change.path,
        from: if ui::hides(change) {
            Value::from(ui::HIDDEN)
        } else {
            change.from.clone()
        },
        to: if unknown {
            Value::from("(known after apply)")
        } else {
            change.to.clone()
        },
        cause: match change.cause {
            Cause::Intent => "intent",
            Cause::Drift => "drift",
        },
    }
}

/// What `up --json` and `down --json` print.
#[derive(Debug, Serialize)]
pub struct Applied<'a> {
    env: &'a str,
    summary: Counts,
    duration_ms: u64,
    api_calls: u64,
    steps: Vec<Step<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_alone: Vec<LeftAlone<'a>>,
    outputs: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct LeftAlone<'a> {
    address: &'a str,
    why: &'a str,
}

#[derive(Debug, Default, Serialize)]
struct Counts {
    created: usize,
    updated: usize,
    replaced: usize,
    deleted: usize,
    adopted: usize,
    unchanged: usize,
    failed: usize,
    skipped: usize,
}

#[derive(Debug, Serialize)]
struct Step<'a> {
    address: &'a str,
    kind: &'a str,
    action: Action,
    result: &'static str,
    duration_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl<'a> Applied<'a> {
    /// What was done in this environment.
    pub fn of(
        env: &'a str,
        plan: &'a Plan,
        steps: &'a [StepReport],
        took: Duration,
        api_calls: u64,
        outputs: BTreeMap<String, String>,
    ) -> Self {
        let mut summary = Counts {
            unchanged: plan.summary().unchanged,
            ..Counts::default()
        };
        for step in steps {
            summary.count(step);
        }
        Self {
            env,
            summary,
            duration_ms: millis(took),
            api_calls,
            steps: steps.iter().map(Step::of).collect(),
            left_alone: plan
                .foreign
                .iter()
                .map(|(address, why)| LeftAlone {
                    address: address.as_str(),
                    why,
                })
                .collect(),
            outputs,
        }
    }
}

impl Counts {
    fn count(&mut self, step: &StepReport) {
        let counter = match (&step.outcome, step.action) {
            (Outcome::Failed(_), _) => &mut self.failed,
            (Outcome::Skipped(_), _) => &mut self.skipped,
            (Outcome::Nothing, _) | (_, Action::Unchanged) => &mut self.unchanged,
            (Outcome::Done, Action::Create) => &mut self.created,
            (Outcome::Done, Action::Update) => &mut self.updated,
            (Outcome::Done, Action::Replace) => &mut self.replaced,
            (Outcome::Done, Action::Delete) => &mut self.deleted,
            (Outcome::Done, Action::Adopt) => &mut self.adopted,
            (Outcome::Done, Action::Build) => return,
        };
        *counter += 1;
    }
}

impl<'a> Step<'a> {
    fn of(step: &'a StepReport) -> Self {
        let (result, error) = match &step.outcome {
            Outcome::Done => ("done", None),
            Outcome::Nothing => ("unchanged", None),
            Outcome::Failed(why) => ("failed", Some(why.as_str())),
            Outcome::Skipped(why) => ("skipped", Some(why.as_str())),
        };
        Self {
            address: step.address.as_str(),
            kind: &step.kind,
            action: step.action,
            result,
            duration_ms: millis(step.took),
            error,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn from(path: &str, from: Value, to: Value) -> Value {
        let change = FieldChange {
            path: path.to_owned(),
            from,
            to,
            cause: Cause::Drift,
        };
        field(&change).from
    }

    #[test]
    fn a_variable_that_nobody_asked_for_is_hidden() {
        assert_eq!(
            from("environment.DB_PASSWORD", json!("hunter2"), Value::Null),
            "(hidden)"
        );
        assert_eq!(from("environment.ENVIRONMENT", json!("prod"), json!("dev")), "prod");
        assert_eq!(from("memory_mb", json!(128), json!(512)), 128);
    }
}
