//! A function is made, changed and removed in its own time.

use std::collections::HashMap;
use std::time::Instant;

use serde_json::{Value, json};

use super::super::call::Call;
use super::super::dice::{Dice, Span};
use super::super::http::Answer;
use super::super::refusal::Refusal;
use super::Effect;

/// Functions that are `Pending`, whose update is `InProgress`, and that are still told of when they are gone.
pub(in super::super) struct Functions {
    pending: Span,
    updating: Span,
    deleting: Span,
    dice: Dice,
    functions: HashMap<String, Function>,
    events: u64,
}

struct Function {
    becoming: Becoming,
    until: Instant,
    /// What `GetFunction` told last.
    told: Option<Answer>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Becoming {
    Made,
    Updated,
    Gone,
}

impl Functions {
    pub(in super::super) fn new(pending: Span, updating: Span, deleting: Span, dice: Dice) -> Self {
        Self {
            pending,
            updating,
            deleting,
            dice,
            functions: HashMap::new(),
            events: 0,
        }
    }
}

impl Effect for Functions {
    fn name(&self) -> &'static str {
        "the function is busy"
    }

    fn instead(&mut self, call: &Call, now: Instant) -> Option<Answer> {
        let name = name(call)?;
        let function = self.functions.get(&name).filter(|function| now < function.until)?;
        let why = match (function.becoming, call.operation.as_str()) {
            (Becoming::Gone, "GetFunction") => return function.told.clone(),
            (Becoming::Gone, "CreateFunction") => format!("Function already exist: {name}"),
            (
                Becoming::Made,
                "UpdateFunctionCode" | "UpdateFunctionConfiguration" | "PutFunctionConcurrency" | "Invoke",
            ) => "The operation cannot be performed at this time. The function is currently in the following state: Pending"
                .to_owned(),
            (
                Becoming::Updated,
                "UpdateFunctionCode" | "UpdateFunctionConfiguration" | "PutFunctionConcurrency"
                | "DeleteFunctionConcurrency",
            ) => format!(
                "The operation cannot be performed at this time. An update is in progress for resource: function:{name}"
            ),
            _ => return None,
        };
        Some(Refusal::new(409, "ResourceConflictException", why).answer(call))
    }

    fn answered(&mut self, call: &Call, answer: &mut Answer, now: Instant) {
        let Some(name) = name(call).filter(|_| answer.is_success()) else {
            return;
        };
        let (becoming, span) = match call.operation.as_str() {
            "CreateFunction" => (Becoming::Made, self.pending),
            "UpdateFunctionCode" | "UpdateFunctionConfiguration" => (Becoming::Updated, self.updating),
            "DeleteFunction" => (Becoming::Gone, self.deleting),
            "GetFunction" | "GetFunctionConfiguration" => {
                if let Some(function) = self.functions.get_mut(&name) {
                    if call.operation == "GetFunction" {
                        function.told = Some(answer.clone());
                    }
                    if now < function.until {
                        let becoming = function.becoming;
                        answer.edit(|body| match body.get_mut("Configuration") {
                            Some(configuration) => show(configuration, becoming),
                            None => show(body, becoming),
                        });
                    }
                }
                return;
            }
            _ => return,
        };
        if becoming != Becoming::Gone {
            answer.edit(|body| show(body, becoming));
        }
        self.events += 1;
        let told = self.functions.remove(&name).and_then(|function| function.told);
        let until = now + self.dice.within(span, &call.operation, self.events);
        self.functions.insert(name, Function { becoming, until, told });
    }
}

/// The function that a call is about.
pub(super) fn name(call: &Call) -> Option<String> {
    if call.is("lambda", "CreateFunction") {
        return Some(call.field("FunctionName").to_owned());
    }
    call.subject()?.strip_prefix("functions/").map(str::to_owned)
}

/// Lets a configuration say that the function is not ready.
fn show(configuration: &mut Value, becoming: Becoming) {
    if becoming == Becoming::Made {
        configuration["State"] = json!("Pending");
        configuration["StateReasonCode"] = json!("Creating");
        configuration["StateReason"] = json!("The function is being created.");
    }
    configuration["LastUpdateStatus"] = json!("InProgress");
}
