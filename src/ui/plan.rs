use crate::engine::{Action, Cause, Change, FieldChange, Plan};
use crate::resource::references;
use console::style;
use fraud::text::escape;
use serde_json::Value;
use std::fmt::Write;

/// What stands in the place of a value that is not shown.
pub const HIDDEN: &str = "(hidden)";

/// A plan as people read it: what changes, field by field, and how many of each. Without its colours when the output is
/// no terminal.
pub fn render(plan: &Plan) -> String {
    let mut text = String::new();
    let mut shown: Vec<&Change> = plan.changes.iter().filter(|c| c.action != Action::Unchanged).collect();
    // Room by room, for the reader; the order of the work is the engine's.
    shown.sort_by_key(|change| &change.address);
    let width = shown.iter().map(|c| c.address.as_str().len()).max().unwrap_or_default();
    for change in shown {
        let _ = writeln!(text, "  {}", headline(change, width));
        for field in &change.fields {
            let _ = writeln!(text, "        {}", line(field));
        }
    }
    for address in &plan.forget {
        let _ = writeln!(
            text,
            "  {} {address}: gone already, will be forgotten",
            style("-").dim()
        );
    }
    for (address, why) in &plan.foreign {
        let why = escape(why);
        let _ = writeln!(text, "  {} {address} is left alone: {why}", style("!").yellow());
    }
    let summary = plan.summary();
    if plan.is_empty() && summary.unchanged == 0 {
        let nothing = if plan.foreign.is_empty() {
            "Nothing stands, and nothing is to be done."
        } else {
            "Nothing is to be done."
        };
        let _ = writeln!(text, "{nothing}");
        return text;
    }
    if plan.is_empty() {
        let _ = writeln!(
            text,
            "No changes: {} resources are as they should be.",
            summary.unchanged
        );
        return text;
    }
    let builds = plan
        .changes
        .iter()
        .filter(|change| change.action == Action::Build)
        .count();
    let parts = [
        (builds, "to build"),
        (summary.create, "to create"),
        (summary.adopt, "to adopt"),
        (summary.update, "to update"),
        (summary.replace, "to replace"),
        (summary.delete, "to delete"),
        (summary.unchanged, "unchanged"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let _ = writeln!(text, "Plan: {}.", parts.join(", "));
    text
}

fn headline(change: &Change, width: usize) -> String {
    let sign = match change.action {
        Action::Create => style("+").green(),
        Action::Adopt => style("=").cyan(),
        Action::Update => style("~").yellow(),
        Action::Replace => style("±").magenta(),
        Action::Delete => style("-").red(),
        Action::Build => style("*").blue(),
        Action::Unchanged => style(" "),
    };
    let action = super::progress::verb(change.action);
    let note = match (change.action, change.create_first, change.retired) {
        (Action::Replace, true, _) => " (the new one before the old one goes)",
        (Action::Replace, false, _) => " (the old one goes first)",
        (Action::Delete, _, true) => " (replaced earlier)",
        (Action::Create, ..) if change.gone => " (drift: it was removed outside of fraudctl)",
        _ => "",
    };
    format!(
        "{sign} {action:<8} {:<width$}  {}{note}",
        change.address.as_str(),
        style(&change.kind).dim()
    )
}

/// Is what AWS has there hidden? A variable in a function's environment that the stack does not ask for is somebody
/// else's, and may be a secret.
pub fn hides(field: &FieldChange) -> bool {
    field.path.starts_with("environment.") && field.to.is_null()
}

fn line(field: &FieldChange) -> String {
    let drift = match field.cause {
        Cause::Drift => style("  (drift: changed outside of fraudctl)").dim().to_string(),
        Cause::Intent => String::new(),
    };
    let from = if hides(field) {
        HIDDEN.to_owned()
    } else {
        value(&field.from)
    };
    let to = if field.path.starts_with("others.") && field.to.is_null() {
        "(as AWS makes it)".to_owned()
    } else {
        value(&field.to)
    };
    format!("{}: {from} → {to}{drift}", escape(&field.path))
}

/// A value on one line; long ones are cut, since `--json` has them whole.
fn value(value: &Value) -> String {
    const LONGEST: usize = 80;
    if !references(value).is_empty() {
        return "(known after apply)".to_owned();
    }
    let text = match value {
        Value::Null => "(none)".to_owned(),
        other => escape(&other.to_string()).into_owned(),
    };
    if text.chars().count() <= LONGEST {
        return text;
    }
    let cut: String = text.chars().take(LONGEST).collect();
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn field(path: &str, from: Value, to: Value) -> FieldChange {
        FieldChange {
            path: path.to_owned(),
            from,
            to,
            cause: Cause::Intent,
        }
    }

    #[test]
    fn what_others_wrote_gives_the_terminal_no_command() {
        let theirs = field("tags.a\u{1b}[2J", json!("b\u{9b}1m\u{202e}"), json!("c"));
        assert_eq!(line(&theirs), r#"tags.a\u001b[2J: "b\u009b1m\u202e" → "c""#);
    }

    #[test]
    fn a_variable_that_nobody_asked_for_is_hidden() {
        let foreign = field("environment.DB_PASSWORD", json!("hunter2"), Value::Null);
        assert_eq!(line(&foreign), "environment.DB_PASSWORD: (hidden) → (none)");
        let ours = field("environment.ENVIRONMENT", json!("prod"), json!("dev"));
        assert_eq!(line(&ours), r#"environment.ENVIRONMENT: "prod" → "dev""#);
        let theirs = field("others.DelaySeconds", json!("900"), Value::Null);
        assert_eq!(line(&theirs), r#"others.DelaySeconds: "900" → (as AWS makes it)"#);
        assert!(!hides(&field("tags.Team", json!("a"), Value::Null)));
    }
}
