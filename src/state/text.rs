//! A state as text: readable, and with a checksum.

use super::error::{GO_BACK, StoreError};
use super::record::{FORMAT, Place, State};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The state as it is written: readable, and with a checksum, so that a changed byte is seen wherever it is. `writer`
/// tells whose write it was, where several may write.
///
/// # Errors
/// None that is known: every state is JSON.
pub fn print(state: &State, writer: Option<&str>) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Written<'a> {
        #[serde(flatten)]
        state: &'a State,
        #[serde(skip_serializing_if = "Option::is_none")]
        writer: Option<&'a str>,
        checksum: String,
    }
    let mut value = serde_json::to_value(state)?;
    if let (Some(fields), Some(writer)) = (value.as_object_mut(), writer) {
        fields.insert(WRITER.to_owned(), writer.into());
    }
    let checksum = checksum(&value);
    let written = Written {
        state,
        writer,
        checksum,
    };
    Ok(serde_json::to_string_pretty(&written)? + "\n")
}

/// The oldest format that was ever written. What is between it and [`FORMAT`] is read; nothing has changed yet.
const OLDEST: u32 = 1;

/// The key of the checksum. A state without one is taken as it is: whoever edits a state removes it.
const CHECKSUM: &str = "checksum";
/// The key of the run that wrote it.
const WRITER: &str = "writer";

/// Of everything but the checksum itself, however it is laid out.
fn checksum(value: &Value) -> String {
    Sha256::digest(value.to_string())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Did this run write this text?
pub fn is_of(content: &[u8], writer: &str) -> bool {
    let value: Option<Value> = serde_json::from_slice(content).ok();
    value.is_some_and(|value| value[WRITER] == writer)
}

/// Reads what [`print`] wrote. `at` is where it was found, and `aside` how it is taken out of use there.
///
/// # Errors
/// It is damaged, or newer than this program.
pub fn parse(at: &str, aside: &str, content: &[u8]) -> Result<State, StoreError> {
    let damaged = |why: String| StoreError::Damaged {
        at: at.to_owned(),
        aside: aside.to_owned(),
        why,
        back: GO_BACK,
    };
    let mut value: Value = serde_json::from_slice(content).map_err(|why| damaged(why.to_string()))?;
    // First and alone: a newer format need not fit our types.
    let version = value.get("version").and_then(Value::as_u64);
    let version = version.ok_or_else(|| damaged("it has no version".to_owned()))?;
    if version > u64::from(FORMAT) {
        return Err(StoreError::Newer {
            at: at.to_owned(),
            found: version,
        });
    }
    if version < u64::from(OLDEST) {
        return Err(damaged(format!(
            "it has format {version}, which no fraudctl ever wrote"
        )));
    }
    let expected = value.as_object_mut().and_then(|fields| fields.remove(CHECKSUM));
    if expected.is_some_and(|expected| expected != checksum(&value).as_str()) {
        return Err(damaged("its checksum does not fit".to_owned()));
    }
    serde_json::from_slice(content).map_err(|why| damaged(why.to_string()))
}

/// Is the state at this place about the place that we work on?
///
/// # Errors
/// It is about another one, and in what they differ.
pub fn same_place(at: &str, aside: &str, theirs: &Place, ours: &Place) -> Result<(), StoreError> {
    let default = "AWS's own".to_owned();
    let rows = [
        ("environment", theirs.env.clone(), ours.env.clone()),
        ("account", theirs.account.clone(), ours.account.clone()),
        ("region", theirs.region.clone(), ours.region.clone()),
        (
            "endpoint",
            theirs.endpoint.clone().unwrap_or_else(|| default.clone()),
            ours.endpoint.clone().unwrap_or(default),
        ),
    ];
    match rows.into_iter().find(|(_, theirs, ours)| theirs != ours) {
        None => Ok(()),
        Some((what, theirs, ours)) => Err(StoreError::Elsewhere {
            at: at.to_owned(),
            aside: aside.to_owned(),
            what,
            theirs,
            ours,
        }),
    }
}
