use super::Address;
use serde_json::Value;
use std::fmt;

/// References are written into the strings of a spec between these two, which no AWS name, ARN or policy may contain.
const OPEN: char = '⟦';
const CLOSE: char = '⟧';

/// A resource that the stack has declared: where references to its outputs come from.
#[derive(Clone, Debug)]
pub struct Handle {
    /// The address declared.
    pub address: Address,
}

impl Handle {
    /// A reference to any output by its name.
    pub fn output(&self, name: &'static str) -> Output {
        Output {
            address: self.address.clone(),
            name,
            orders: true,
        }
    }
    /// The resource's ARN.
    pub fn arn(&self) -> Output {
        self.output("arn")
    }
    /// The id that the service gave it.
    pub fn id(&self) -> Output {
        self.output("id")
    }
    /// Its name.
    pub fn name(&self) -> Output {
        self.output("name")
    }
    /// Its URL.
    pub fn url(&self) -> Output {
        self.output("url")
    }
}

/// A reference to one output of one resource. Turned into a string, it can stand anywhere in a spec, also inside other
/// text; whoever refers waits for whom it refers to.
#[derive(Clone, Debug)]
pub struct Output {
    address: Address,
    name: &'static str,
    orders: bool,
}

impl Output {
    /// The same value, only named, not needed: the reference orders nothing. For policies, alarms and conditions, where
    /// AWS does not look whether the ARN exists. The output must be one that is known before the resource exists.
    #[must_use]
    pub fn named_only(mut self) -> Self {
        self.orders = false;
        self
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.orders { "" } else { "~" };
        write!(f, "{OPEN}{mark}{}#{}{CLOSE}", self.address, self.name)
    }
}

impl From<Output> for String {
    fn from(output: Output) -> Self {
        output.to_string()
    }
}

impl serde::Serialize for Output {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A reference as found in a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Whom it refers to.
    pub address: Address,
    /// Which output.
    pub output: String,
    /// Does it need the resource to exist, or only its name?
    pub orders: bool,
}

/// All references in a value, in the order they stand.
pub fn references(value: &Value) -> Vec<Reference> {
    let mut found = Vec::new();
    each_string(value, &mut |text| {
        rewrite(text, &mut |reference| {
            found.push(reference.clone());
            None
        });
    });
    found
}

/// The value with every reference that `lookup` knows replaced by what it stands for. What `lookup` does not know stays
/// as it is, so [`references`] of the result is what is still unknown.
pub fn resolve(value: &Value, lookup: &dyn Fn(&Reference) -> Option<String>) -> Value {
    match value {
        Value::String(text) if text.contains(OPEN) => Value::String(rewrite(text, &mut |r| lookup(r))),
        Value::Array(items) => Value::Array(items.iter().map(|v| resolve(v, lookup)).collect()),
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(k, v)| (rewrite(k, &mut |r| lookup(r)), resolve(v, lookup)))
                .collect(),
        ),
        other => other.clone(),
    }
}

fn each_string(value: &Value, visit: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter().for_each(|v| each_string(v, visit)),
        Value::Object(map) => map.iter().for_each(|(k, v)| {
            visit(k);
            each_string(v, visit);
        }),
        _ => {}
    }
}

fn rewrite(text: &str, lookup: &mut dyn FnMut(&Reference) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(OPEN) {
        let Some(length) = rest[start..].find(CLOSE) else { break };
        let end = start + length + CLOSE.len_utf8();
        out.push_str(&rest[..start]);
        let inner = &rest[start + OPEN.len_utf8()..start + length];
        let value = parse(inner).and_then(|reference| lookup(&reference));
        out.push_str(value.as_deref().unwrap_or(&rest[start..end]));
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

fn parse(inner: &str) -> Option<Reference> {
    let (address, output) = inner.split_once('#')?;
    let named = address.strip_prefix('~');
    Some(Reference {
        address: Address::new(named.unwrap_or(address)),
        output: output.to_owned(),
        orders: named.is_none(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key() -> Handle {
        Handle {
            address: "security.key".into(),
        }
    }

    #[test]
    fn a_reference_is_found_inside_text_and_keeps_its_order() {
        let value = json!({"a": format!("{}/*", key().arn()), "b": [key().id().named_only()]});
        let found = references(&value);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].output.as_str(), found[0].orders), ("arn", true));
        assert_eq!((found[1].output.as_str(), found[1].orders), ("id", false));
    }

    #[test]
    fn known_references_resolve_and_unknown_ones_stay() {
        let value = json!({"a": format!("x{}y{}", key().arn(), key().id())});
        let resolved = resolve(&value, &|r| (r.output == "arn").then(|| "ARN".to_owned()));
        assert_eq!(resolved["a"], format!("xARNy{}", key().id()));
        assert_eq!(references(&resolved).len(), 1);
    }

    #[test]
    fn policy_variables_are_not_references() {
        assert!(references(&json!("arn:aws:s3:::b/${aws:username}")).is_empty());
    }
}
