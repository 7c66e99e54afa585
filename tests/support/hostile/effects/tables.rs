//! A table is made, changed and removed in its own time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::call::Call;
use super::super::dice::{Dice, Span};
use super::super::http::Answer;
use super::super::refusal::Refusal;
use super::super::weather::Weather;
use super::{Effect, table};

/// Tables that are `CREATING`, `UPDATING` and `DELETING` for a while, and whose backups come later still.
pub(in super::super) struct Tables {
    creating: Span,
    /// For how much of that, at most, it is said to have no tags.
    tags_empty: Duration,
    updating: Span,
    deleting: Span,
    /// After the table is active.
    backups: Span,
    dice: Dice,
    tables: HashMap<String, Table>,
    events: u64,
}

/// For how much of its creation, at most, the backups of a table are not known.
const BACKUPS_UNKNOWN: Duration = Duration::from_millis(2600);

struct Table {
    becoming: &'static str,
    until: Instant,
    /// From when on it is known to what keeps the backups.
    backups_known: Instant,
    /// From when on it is known to what keeps the tags, which are not there yet.
    tags_empty: Instant,
    backups_from: Instant,
    /// Its description, for when it is gone and still told of.
    description: Value,
}

impl Tables {
    pub(in super::super) fn new(weather: &Weather, creating: Span, backups: Span, dice: Dice) -> Self {
        Self {
            creating,
            tags_empty: weather.table_tags_empty,
            updating: weather.table_updating,
            deleting: weather.table_deleting,
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
            ("CREATING", "DescribeContinuousBackups") if now < table.backups_known => {
                refused("TableNotFoundException", format!("Table not found: {name}"))
            }
            ("CREATING" | "DELETING", "DescribeTimeToLive") if busy => {
                let message = format!(
                    "Cannot describe time to live while table is in {0} state: Current table state is {0}",
                    table.becoming
                );
                refused("ValidationException", message)
            }
            ("CREATING", "ListTagsOfResource") if now < table.tags_empty => {
                let message = format!(
                    "Requested resource not found: ResourceArn: {} not found",
                    call.field("ResourceArn")
                );
                refused("ResourceNotFoundException", message)
            }
            ("CREATING", "Query" | "Scan" | "PutItem" | "UpdateItem") if busy => {
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
        let (name, table) = self.tables.get_key_value(table(call)?)?;
        if call.operation == "DescribeTable" && table.becoming == "DELETING" && now < table.until {
            let body = json!({"Table": table.description});
            return Some(Answer::new(200, "application/x-amz-json-1.0", body.to_string()));
        }
        let empty = table.becoming == "CREATING" && table.tags_empty <= now && now < table.until;
        if empty && call.operation == "ListTagsOfResource" {
            return Some(Answer::new(
                200,
                "application/x-amz-json-1.0",
                json!({"Tags": []}).to_string(),
            ));
        }
        Self::refusal(name, table, call, now).map(|refusal| refusal.answer(call))
    }

    fn answered(&mut self, call: &Call, answer: &mut Answer, now: Instant) {
        let Some(name) = table(call).filter(|_| answer.is_success()) else {
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
        let takes = self.dice.within(span, becoming, self.events);
        let until = now + takes;
        let mut description = Value::Null;
        answer.edit(|body| {
            show(&mut body["TableDescription"], becoming);
            description = body["TableDescription"].clone();
        });
        let table = Table {
            becoming,
            until,
            backups_known: now + BACKUPS_UNKNOWN.min(takes / 2),
            tags_empty: until - self.tags_empty.min(takes.mul_f64(0.8)),
            backups_from: until + self.dice.within(self.backups, "backups", self.events),
            description,
        };
        self.tables.insert(name.to_owned(), table);
    }
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
