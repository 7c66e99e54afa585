//! Reading what stands: the outputs that were recorded, and AWS's answers in a form that compares.

use serde_json::{Map, Value};

use super::Environment;

/// The recorded outputs of every resource.
pub struct Outputs(Value);

/// What is recorded now of the default environment.
#[track_caller]
pub fn outputs(env: &Environment) -> Outputs {
    let text = std::fs::read_to_string(env.state_file()).expect("there is a state");
    Outputs(serde_json::from_str(&text).expect("the state is JSON"))
}

impl Outputs {
    /// One output of the resource at an address.
    #[track_caller]
    pub fn get(&self, address: &str, output: &str) -> String {
        let value = self.0["resources"][address]["outputs"][output].as_str();
        value.unwrap_or_else(|| panic!("{address} has no {output}")).to_owned()
    }

    /// The id of the resource at an address.
    #[track_caller]
    pub fn id(&self, address: &str) -> String {
        self.get(address, "id")
    }

    /// The ARN of the resource at an address.
    #[track_caller]
    pub fn arn(&self, address: &str) -> String {
        self.get(address, "arn")
    }
}

/// The document in a text.
#[track_caller]
pub fn parsed(text: &Value) -> Value {
    let text = text.as_str().expect("a text");
    serde_json::from_str(text).expect("a text of JSON")
}

/// These fields of an object; null where it has none.
pub fn fields(of: &Value, names: &[&str]) -> Value {
    let pairs = names.iter().map(|name| ((*name).to_owned(), of[*name].clone()));
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// A list of tags as an object; services differ in how they call the key and the value.
#[track_caller]
pub fn tags(list: &Value, key: &str, value: &str) -> Value {
    let list = list.as_array().expect("a list of tags");
    let pairs = list
        .iter()
        .map(|tag| (tag[key].as_str().expect("a key").to_owned(), tag[value].clone()));
    Value::Object(pairs.collect::<Map<_, _>>())
}

/// The one item of a list whose field is this text.
#[track_caller]
pub fn the(list: &Value, field: &str, text: &str) -> Value {
    let found = find(list, field, text);
    found.unwrap_or_else(|| panic!("no {field} {text} in {list:#}"))
}

/// As [`the`], where there may be none.
pub fn find(list: &Value, field: &str, text: &str) -> Option<Value> {
    list.as_array()?.iter().find(|item| item[field] == text).cloned()
}
