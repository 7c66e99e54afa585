//! What policies allow, decided as IAM decides it:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>. It knows what is used here,
//! and panics at anything else.

use serde_json::Value;
use std::collections::BTreeMap;

/// One question that a service asks IAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub action: String,
    pub resource: String,
    pub context: BTreeMap<String, String>,
}

/// Do these policies together allow it? What nothing allows is refused, and so is what something denies.
pub fn allows(documents: &[Value], ask: &Ask) -> bool {
    let statements = documents.iter().flat_map(|document| list(&document["Statement"]));
    let effects: Vec<&str> = statements
        .filter(|statement| applies(statement, ask))
        .map(|statement| statement["Effect"].as_str().unwrap())
        .collect();
    effects.contains(&"Allow") && !effects.contains(&"Deny")
}

fn applies(statement: &Value, ask: &Ask) -> bool {
    let any = |patterns: &Value| list(patterns).iter().any(|pattern| like(text(pattern), &ask.resource));
    let on = match statement.get("NotResource") {
        Some(others) => !any(others),
        None => any(&statement["Resource"]),
    };
    let actions = list(&statement["Action"]);
    let asked = actions
        .iter()
        .any(|action| text(action).eq_ignore_ascii_case(&ask.action));
    let conditions = statement.get("Condition").and_then(Value::as_object);
    let tests = conditions.into_iter().flatten().flat_map(|(operator, tests)| {
        let tests = tests.as_object().unwrap().iter();
        tests.map(move |(key, values)| (operator.as_str(), key, values))
    });
    asked
        && on
        && tests
            .into_iter()
            .all(|(operator, key, values)| holds(operator, ask.context.get(key), list(values)))
}

fn holds(operator: &str, actual: Option<&String>, values: &[Value]) -> bool {
    let Some(actual) = actual else {
        return operator.ends_with("IfExists");
    };
    values
        .iter()
        .map(text)
        .any(|value| match operator.trim_end_matches("IfExists") {
            "StringEquals" | "Bool" => actual == value,
            "StringLike" | "ArnEquals" => like(value, actual),
            other => panic!("{other} is not known here"),
        })
}

/// IAM's wildcards: `*` for any characters, `?` for one.
fn like(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, rest) => rest.is_none(),
        (Some('*'), first) => {
            let skip = first.is_some_and(|first| like(pattern, &text[first.len_utf8()..]));
            like(&pattern[1..], text) || skip
        }
        (Some(wanted), Some(first)) if wanted == '?' || wanted == first => {
            like(&pattern[wanted.len_utf8()..], &text[first.len_utf8()..])
        }
        _ => false,
    }
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::Array(values) => values,
        one => std::slice::from_ref(one),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn wildcards_match_as_in_iam() {
    assert!(like("arn:aws:sqs:*:*:q-*", "arn:aws:sqs:eu-west-1:1:q-"));
    assert!(like("q-??", "q-ab") && !like("q-??", "q-abc") && !like("q", "q-"));
    assert!(!like("arn:aws:kms:*:*:key/*-*", "*") && !like("arn:aws:kms:*:*:key/*-*", "arn:aws:kms:r:1:key/*"));
}

#[test]
fn a_refusal_outweighs_whatever_allows() {
    let ask = Ask {
        action: "sqs:DeleteQueue".into(),
        resource: "arn:aws:sqs:eu-west-1:1:q".into(),
        context: BTreeMap::new(),
    };
    let statement = |effect: &str| serde_json::json!({"Statement": [{"Effect": effect, "Action": "sqs:DeleteQueue", "Resource": "*"}]});
    assert!(allows(&[statement("Allow")], &ask));
    assert!(!allows(&[statement("Allow"), statement("Deny")], &ask));
    assert!(!allows(&[], &ask));
}
