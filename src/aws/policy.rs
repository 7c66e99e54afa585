use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// A policy document in canonical form, so that two documents that mean the same compare equal: AWS gives an array of
/// one back as a string, and arrays in an order of its own.
#[derive(Clone, Debug, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Document(Value);

impl Document {
    /// The canonical form of a document.
    pub fn new(document: Value) -> Self {
        Self(canonical(document))
    }

    /// From the text that AWS gives back. Text that is no JSON is kept as it is, so that a comparison shows it.
    pub fn parse(text: &str) -> Self {
        serde_json::from_str(text).map_or_else(|_| Self(Value::String(text.to_owned())), Self::new)
    }

    /// Is there no policy at all?
    pub fn is_empty(&self) -> bool {
        self.0.is_null()
    }

    /// The document as AWS takes it.
    pub fn text(&self) -> String {
        self.0.to_string()
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::new)
    }
}

fn canonical(document: Value) -> Value {
    let Value::Object(mut document) = document else {
        return document;
    };
    if let Some(statements) = document.remove("Statement") {
        let statements = match statements {
            Value::Array(statements) => statements,
            one => vec![one],
        };
        let statements = statements.into_iter().map(statement).collect();
        document.insert("Statement".to_owned(), Value::Array(statements));
    }
    Value::Object(document)
}

fn statement(statement: Value) -> Value {
    let Value::Object(statement) = statement else {
        return statement;
    };
    let fields = statement.into_iter().map(|(name, value)| {
        let value = match name.as_str() {
            "Action" | "NotAction" | "Resource" | "NotResource" => list(value),
            "Principal" | "NotPrincipal" => each(value, list),
            "Condition" => each(value, |tests| each(tests, list)),
            _ => value,
        };
        (name, value)
    });
    Value::Object(fields.collect())
}

fn each(value: Value, canonical: impl Fn(Value) -> Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.into_iter().map(|(k, v)| (k, canonical(v))).collect::<Map<_, _>>()),
        other => other,
    }
}

/// A list of strings, sorted; one string is a list of one.
fn list(value: Value) -> Value {
    let mut items = match value {
        Value::Array(items) => items,
        one => vec![one],
    };
    items.sort_by_key(Value::to_string);
    Value::Array(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_string_and_a_list_of_one_are_the_same() {
        let ours = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["a:B", "a:A"],
            "Principal": {"Service": ["x"]}, "Resource": ["*"], "Condition": {"StringEquals": {"k": ["v"]}}}]});
        let theirs = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": ["a:A", "a:B"],
            "Principal": {"Service": "x"}, "Resource": "*", "Condition": {"StringEquals": {"k": "v"}}}});
        assert_eq!(Document::new(ours), Document::new(theirs));
    }

    #[test]
    fn canonical_twice_is_canonical_once() {
        let once = Document::new(json!({"Statement": {"Action": "x", "Principal": "*"}}));
        assert_eq!(Document::parse(&once.text()), once);
    }

    #[test]
    fn no_policy_is_empty() {
        assert!(Document::default().is_empty());
        assert!(!Document::parse("{}").is_empty());
    }
}
