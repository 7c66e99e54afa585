//! A table is made, changed and removed in its own time.

use std::collections::HashMap;
use std::time::Instant;

use serde_json::{Value, json};

use super::super::call::Call;
use super::super::dice::{Dice, Span};
use super::super::http::Answer;
use super::super::refusal::Refusal;
use super::{Effect, last};

/// Tables that are `CREATING`, `UPDATING` and `DELETING` for a while, and whose backups come later still.
pub(in super::super) struct Tables {
    creating: Span,
    updating: Span,
    deleting: Span,
    /// After the table is active.
    backups: Span,
    dice: Dice,
    tables: HashMap<String, Table>,
    events: u64,
}

struct Table {
    becoming: &'static str,
    until: Instant,
    backups_from: Instant,
    /// Its description, for when it is gone and still told of.
    description: Value,
}

impl Tables {
    pub(in super::super) fn new(creating: Span, updating: Span, deleting: Span, backups: Span, dice: Dice) -> Self {
        Self {
            creating,
            updating,
            deleting,
            backups,
            dice,
            tables: HashMap::new(),
            events: 0,
        }
    }

    /// What a table that is becoming something says to a call.
    fn refusal(name: &str, table: &Table, call: &Call, now: Instant) -> Option<Refusal> {
        let busy = now < table.until;
        let refused = |code: &str, message: String| Some(Refusal::new(400, code, message));
        let in_use = |what: &str| {
            let message = format!("Attempt to change a resource which is still in use: Table is being {what}: {name}");
            refused("ResourceInUseException", message)
        };
        match (table.becoming, call.operation.as_str()) {
            ("CREATING", "UpdateContinuousBackups") if now < table.backups_from => {
                let message = format!("Backups are being enabled for the table: {name}. Please retry later");
                refused("ContinuousBackupsUnavailableException", message)
            }
            ("CREATING", "CreateTable") if busy => {
                refused("ResourceInUseException", format!("Table already exists: {name}"))
            }
            ("CREATING", "DescribeContinuousBackups") if busy => {
                refused("TableNotFoundException", format!("Table not found: {name}"))
            }
            ("CREATING", "ListTagsOfResource" | "DescribeTimeToLive" | "Query" | "Scan" | "PutItem" | "UpdateItem")
                if busy =>
            {
                refused("ResourceNotFoundException", "Requested resource not found".to_owned())
            }
            (_, "DescribeTable") => None,
            ("CREATING", _) if busy && call.changes() => in_use("created"),
            ("UPDATING", _) if busy && call.changes() => in_use("updated"),
            ("DELETING", _) if busy && call.changes() => in_use("deleted"),
            _ => None,
        }
    }
}

impl Effect for Tables {
    fn name(&self) -> &'static str {
        "the table is busy"
    }

    fn instead(&mut self, call: &Call, now: Instant) -> Option<Answer> {
        let (name, table) = self.tables.get_key_value(name(call)?)?;
        if call.operation == "DescribeTable" && table.becoming == "DELETING" && now < table.until {
            let body = json!({"Table": table.description});
            return Some(Answer::new(200, "application/x-amz-json-1.0", body.to_string()));
        }
        Self::refusal(name, table, call, now).map(|refusal| refusal.answer(call))
    }

    fn answered(&mut self, call: &Call, answer: &mut Answer, now: Instant) {
        let Some(name) = name(call).filter(|_| answer.is_success()) else {
            return;
        };
        let (becoming, span) = match call.operation.as_str() {
            "CreateTable" => ("CREATING", self.creating),
            "UpdateTable" => ("UPDATING", self.updating),
            "DeleteTable" => ("DELETING", self.deleting),
            "DescribeTable" => {
                if let Some(table) = self.tables.get(name).filter(|table| now < table.until) {
                    answer.edit(|body| show(&mut body["Table"], table.becoming));
                }
                return;
            }
            _ => return,
        };
        self.events += 1;
        let until = now + self.dice.within(span, becoming, self.events);
        let mut description = Value::Null;
        answer.edit(|body| {
            show(&mut body["TableDescription"], becoming);
            description = body["TableDescription"].clone();
        });
        let table = Table {
            becoming,
            until,
            backups_from: until + self.dice.within(self.backups, "backups", self.events),
            description,
        };
        self.tables.insert(name.to_owned(), table);
    }
}

/// The table that a call is about.
fn name(call: &Call) -> Option<&str> {
    let named = [call.field("TableName"), call.field("ResourceArn")];
    let name = named.into_iter().find(|name| !name.is_empty())?;
    (call.service == "dynamodb").then(|| last(name))
}

/// Lets a description say what the table is becoming.
fn show(description: &mut Value, becoming: &str) {
    description["TableStatus"] = json!(becoming);
    if let (Some(indexes), "CREATING") = (description["GlobalSecondaryIndexes"].as_array_mut(), becoming) {
        for index in indexes {
            index["IndexStatus"] = json!(becoming);
        }
    }
}
