//! What a function is begun with need not come to a good end, and a good one does not last.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use serde_json::{Value, json};

use super::super::call::Call;
use super::super::http::Answer;
use super::Effect;
use super::functions::name;

/// How what is begun with functions ends.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FunctionEndings {
    /// Whether the first creation of each function ends `Failed`, which it stays until it is deleted.
    pub first_creations_fail: bool,
    /// Whether the first update of each function fails, which is told until another one.
    pub first_updates_fail: bool,
    /// Whether functions are `Inactive`, since nobody has called them for weeks.
    pub idle: bool,
}

/// The reason for what fails.
const REASON: &str = "Internal service error. Please try again later.";

/// Functions that have failed, or are idle.
pub(in super::super) struct Endings {
    endings: FunctionEndings,
    failed: HashMap<String, Failed>,
    made: HashSet<String>,
    updated: HashSet<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Failed {
    Creation,
    Update,
}

impl Endings {
    pub(in super::super) fn new(endings: FunctionEndings) -> Self {
        Self {
            endings,
            failed: HashMap::new(),
            made: HashSet::new(),
            updated: HashSet::new(),
        }
    }
}

impl Effect for Endings {
    fn name(&self) -> &'static str {
        "the function has failed"
    }

    fn instead(&mut self, _: &Call, _: Instant) -> Option<Answer> {
        None
    }

    fn answered(&mut self, call: &Call, answer: &mut Answer, _: Instant) {
        let Some(name) = name(call).filter(|_| answer.is_success()) else {
            return;
        };
        match call.operation.as_str() {
            "CreateFunction" => {
                let first = self.made.insert(name.clone());
                if first && self.endings.first_creations_fail {
                    self.failed.insert(name, Failed::Creation);
                }
            }
            "UpdateFunctionCode" | "UpdateFunctionConfiguration" => {
                if self.updated.insert(name.clone()) && self.endings.first_updates_fail {
                    self.failed.insert(name, Failed::Update);
                } else if self.failed.get(&name) == Some(&Failed::Update) {
                    self.failed.remove(&name);
                }
            }
            "DeleteFunction" => drop(self.failed.remove(&name)),
            "GetFunction" | "GetFunctionConfiguration" => {
                let (failed, idle) = (self.failed.get(&name).copied(), self.endings.idle);
                answer.edit(|body| match body.get_mut("Configuration") {
                    Some(configuration) => show(configuration, failed, idle),
                    None => show(body, failed, idle),
                });
            }
            _ => {}
        }
    }
}

fn show(configuration: &mut Value, failed: Option<Failed>, idle: bool) {
    let mut state = |state: &str, code: &str, reason: &str| {
        configuration["State"] = json!(state);
        configuration["StateReasonCode"] = json!(code);
        configuration["StateReason"] = json!(reason);
    };
    match failed {
        Some(Failed::Creation) => state("Failed", "InternalError", REASON),
        None if idle => state("Inactive", "Idle", "The function is idle."),
        _ => {}
    }
    if failed.is_some() {
        configuration["LastUpdateStatus"] = json!("Failed");
        configuration["LastUpdateStatusReasonCode"] = json!("InternalError");
        configuration["LastUpdateStatusReason"] = json!(REASON);
    }
}
