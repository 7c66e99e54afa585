//! What would go wrong half-way is told before anything begins.

use crate::aws::dynamodb::table::Table;
use crate::aws::{Aws, kms::key, lambda::function};
use crate::engine::{Action, Change, Plan};
use crate::resource::{Address, Failure, Reconciler};
use crate::state::State;
use serde_json::Value;
use thiserror::Error;

/// Executions that Lambda keeps unreserved in every account: "Configuring reserved concurrency", Lambda developer guide.
const KEPT_UNRESERVED: i64 = 100;

/// The address of the parameter with the rules.
const RULES: &str = "storage.rules";

/// Why a deployment would fail.
#[derive(Debug, Error)]
pub enum PreflightError {
    /// Too few concurrent executions are left in the account.
    #[error(
        "the functions reserve {wanted} concurrent executions, but this account has {unreserved} unreserved and Lambda \
         keeps {KEPT_UNRESERVED} of them for other functions; nothing was changed. Use --no-reserved-concurrency, or \
         ask AWS for a higher quota of concurrent executions"
    )]
    Concurrency {
        /// More than now.
        wanted: i64,
        /// What is left in the account.
        unreserved: i64,
    },
    /// Tables whose keys are of another type than the stack's: DynamoDB cannot change that.
    #[error(
        "AWS cannot change {0} of a table; nothing was changed. Move the items to a table with the right keys, or use \
         another --env"
    )]
    KeyTypes(String),
    /// Somebody has scheduled the deletion of the key that tables are encrypted with.
    #[error(
        "the key {id} of {address} awaits its deletion, and with it everything in {tables} would be lost for good; nothing \
         was changed. Keep it, and run this again: {command} (A new \
         key would not save what is encrypted with the old one.)"
    )]
    KeyGoes {
        /// Where it is remembered.
        address: Address,
        /// Its id.
        id: String,
        /// The addresses of the tables, in words.
        tables: String,
        /// The command that keeps it.
        command: String,
    },
}

/// Checks what a plan needs beyond permissions. Returns why something could not be checked.
///
/// # Errors
/// The first thing that would fail.
pub async fn check(aws: &Aws, plan: &Plan, state: &State) -> Result<Option<Failure>, PreflightError> {
    same_key_types(plan)?;
    let unchecked = keys_stay(aws, plan, state).await?;
    let wanted = more_reserved(plan);
    if wanted <= 0 {
        return Ok(unchecked);
    }
    let read = || aws.lambda.get_account_settings().send();
    let settings = match aws.call("lambda:GetAccountSettings", read).await {
        Ok(settings) => settings,
        // Not allowed, or not there as in some emulators: a reason to say so, not to refuse.
        Err(why) => return Ok(Some(why)),
    };
    let unreserved = settings
        .account_limit
        .and_then(|limit| limit.unreserved_concurrent_executions);
    match unreserved.map(i64::from) {
        Some(unreserved) => enough(wanted, unreserved).map(|()| None),
        None => Ok(None),
    }
}

/// Are the keys of every table that stays of the types that are desired? The names of the keys decide about a replacement,
/// so that only their types are left to be looked at.
fn same_key_types(plan: &Plan) -> Result<(), PreflightError> {
    let stays =
        |change: &&Change| change.kind == Table::KIND && matches!(change.action, Action::Update | Action::Adopt);
    let other = |change: &Change| {
        let keys = ["hash_key", "range_key"].map(|key| change.desired.get(key).and_then(Value::as_str));
        let paths = keys.into_iter().flatten().map(|key| format!("attributes.{key}"));
        let changed = paths.filter(|path| {
            change
                .fields
                .iter()
                .any(|field| field.path == *path && !field.from.is_null())
        });
        changed
            .map(|path| format!("{path} of {}", change.address))
            .collect::<Vec<_>>()
    };
    let found: Vec<String> = plan.changes.iter().filter(stays).flat_map(other).collect();
    if found.is_empty() {
        Ok(())
    } else {
        Err(PreflightError::KeyTypes(found.join(", ")))
    }
}

/// Does no key that tables are encrypted with await its deletion? A key that we took away ourselves is not remembered as
/// one that stands.
async fn keys_stay(aws: &Aws, plan: &Plan, state: &State) -> Result<Option<Failure>, PreflightError> {
    for change in plan
        .changes
        .iter()
        .filter(|change| change.gone && change.kind == key::Key::KIND)
    {
        let output = |name| state.resources.get(&change.address)?.outputs.get(name).cloned();
        let (Some(id), Some(arn)) = (output("id"), output("arn")) else {
            continue;
        };
        let tables = encrypted_with(plan, &arn);
        if tables.is_empty() {
            continue;
        }
        match key::awaits_deletion(aws, &id).await {
            Ok(true) => {
                return Err(PreflightError::KeyGoes {
                    address: change.address.clone(),
                    command: aws.command(&format!("kms cancel-key-deletion --key-id {id}")),
                    id,
                    tables: tables.join(", "),
                });
            }
            Ok(false) => {}
            Err(why) => return Ok(Some(why)),
        }
    }
    Ok(None)
}

/// The addresses of the tables that stand and are encrypted with this key.
fn encrypted_with(plan: &Plan, key: &str) -> Vec<String> {
    let with_it = |change: &&Change| {
        let live = change.live.as_ref().and_then(|live| live.spec.get("kms_key"));
        change.kind == Table::KIND && live.and_then(Value::as_str) == Some(key)
    };
    let tables = plan.changes.iter().filter(with_it);
    let mut tables: Vec<String> = tables.map(|change| change.address.to_string()).collect();
    tables.sort();
    tables
}

/// Is enough left for others when so many more executions are reserved?
fn enough(wanted: i64, unreserved: i64) -> Result<(), PreflightError> {
    if wanted > 0 && unreserved - wanted < KEPT_UNRESERVED {
        return Err(PreflightError::Concurrency { wanted, unreserved });
    }
    Ok(())
}

/// Why a plan loses data, if it does: a table's keys cannot be changed in place, and its items do not move by themselves.
/// Names every such table.
pub fn lost_data(plan: &Plan) -> Option<String> {
    let lost = |change: &&Change| change.action == Action::Replace && change.kind == Table::KIND;
    let each = plan.changes.iter().filter(lost).map(|change| {
        format!(
            "{} would be replaced, and everything stored in it lost, because AWS cannot change {} of a table",
            change.address,
            fixed(change)
        )
    });
    let each: Vec<String> = each.collect();
    (!each.is_empty()).then(|| {
        format!(
            "{}; nothing was changed. Change it back, or use --allow-data-loss",
            each.join("; ")
        )
    })
}

/// The fields of a table by which it is replaced.
pub fn fixed(change: &Change) -> String {
    let is_fixed = |field: &str| Table::IDENTITY.contains(&field) || Table::IMMUTABLE.contains(&field);
    let fields = change.fields.iter().filter(|field| is_fixed(field.field()));
    fields.map(|field| field.path.as_str()).collect::<Vec<_>>().join(", ")
}

/// Why the rules that an analyst has put live cannot be used, if they cannot: nothing that keeps from deploying, since the
/// functions go on without them. Rules that the settings manage were checked when those were read; where there is no
/// parameter yet, a valid one will be made.
pub async fn live_rules(aws: &Aws, plan: &Plan) -> Option<String> {
    let change = plan.changes.iter().find(|change| change.address.as_str() == RULES)?;
    let stays = change.live.is_some() && change.action != Action::Replace;
    let name = change.desired.get("name").and_then(Value::as_str)?;
    if !stays || change.desired.get("value").is_some_and(Value::is_string) {
        return None;
    }
    let read = || aws.ssm.get_parameter().name(name).send();
    let found = match aws.call("ssm:GetParameter", read).await {
        Ok(found) => found,
        Err(why) => return Some(format!("the rules in {name} were not checked: {why}")),
    };
    let text = found
        .parameter
        .and_then(|parameter| parameter.value)
        .unwrap_or_default();
    let why = fraud::Rules::parse(&text).err()?;
    Some(format!(
        "the rules in {name} are not valid: {why}. Until they are repaired, the functions score by the rules that are \
         built in; `fraudctl rules push` puts valid ones there"
    ))
}

/// How many more executions are reserved after the plan than before.
fn more_reserved(plan: &Plan) -> i64 {
    let reserved = |spec: &Value| {
        spec.get("reserved_concurrency")
            .and_then(Value::as_i64)
            .unwrap_or_default()
    };
    plan.changes
        .iter()
        .filter(|change| change.kind == function::Function::KIND && change.action != Action::Delete)
        .map(|change| reserved(&change.desired) - change.live.as_ref().map_or(0, |live| reserved(&live.spec)))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Cause, FieldChange};
    use crate::resource::{Address, Live, Outputs, Owner};
    use serde_json::json;
    use std::collections::BTreeSet;

    #[test]
    fn lambda_keeps_a_hundred_executions_for_others() {
        assert!(enough(7, 107).is_ok());
        let refused = enough(7, 106).unwrap_err().to_string();
        for says in [
            "reserve 7 ",
            "has 106 unreserved",
            "keeps 100",
            "--no-reserved-concurrency",
        ] {
            assert!(refused.contains(says), "does not say {says:?}: {refused}");
        }
        // The quota of a new account.
        assert!(enough(1, 10).is_err());
        // Who reserves no more than before may go on, however little there is.
        assert!(enough(0, 10).is_ok());
        assert!(enough(-2, 10).is_ok());
    }

    fn reserving(kind: &str, action: Action, before: Option<u32>, after: Option<u32>) -> Change {
        let spec = |reserved: Option<u32>| json!({"reserved_concurrency": reserved});
        let live = before.map(|before| Live {
            spec: spec(Some(before)),
            outputs: Outputs::new(),
            owner: Owner::Usual,
        });
        Change {
            address: Address::from("f"),
            kind: kind.to_owned(),
            action,
            fields: Vec::new(),
            desired: spec(after),
            live,
            create_first: false,
            retired: false,
            gone: false,
            ephemeral: false,
            depends_on: BTreeSet::new(),
            depended_on: BTreeSet::new(),
        }
    }

    #[test]
    fn only_what_functions_reserve_anew_counts() {
        let function = function::Function::KIND;
        let plan = Plan {
            changes: vec![
                reserving(function, Action::Create, None, Some(5)),
                reserving(function, Action::Update, Some(2), Some(3)),
                reserving(function, Action::Update, Some(4), None),
                reserving(function, Action::Unchanged, Some(9), Some(9)),
                reserving(function, Action::Delete, Some(8), None),
                reserving("sqs.queue", Action::Create, None, Some(100)),
            ],
            ..Plan::default()
        };
        assert_eq!(more_reserved(&plan), 5 + 1 - 4);
    }

    fn change(address: &str, kind: &str, action: Action) -> Change {
        Change {
            address: Address::from(address),
            kind: kind.to_owned(),
            action,
            fields: vec![FieldChange {
                path: "hash_key".to_owned(),
                from: Value::Null,
                to: Value::Null,
                cause: Cause::Intent,
            }],
            desired: Value::Null,
            live: None,
            create_first: false,
            retired: false,
            gone: false,
            ephemeral: false,
            depends_on: BTreeSet::new(),
            depended_on: BTreeSet::new(),
        }
    }

    #[test]
    fn a_key_of_another_type_is_refused_before_anything_begins() {
        let keyed = |path: &str, action: Action, from: Value| {
            let mut change = change("storage.transactions", Table::KIND, action);
            change.desired = json!({"hash_key": "id", "range_key": "at"});
            change.fields[0].path = format!("attributes.{path}");
            change.fields[0].from = from;
            Plan {
                changes: vec![change],
                ..Plan::default()
            }
        };
        for (key, action) in [("id", Action::Adopt), ("at", Action::Update)] {
            let why = same_key_types(&keyed(key, action, json!("S"))).unwrap_err().to_string();
            assert!(
                why.contains(&format!("attributes.{key} of storage.transactions")),
                "{why}"
            );
            assert!(why.contains("nothing was changed"), "{why}");
        }
        // What an index is keyed by may change, and what is replaced may be anything.
        assert!(same_key_types(&keyed("user", Action::Adopt, json!("S"))).is_ok());
        assert!(same_key_types(&keyed("id", Action::Replace, json!("S"))).is_ok());
        assert!(same_key_types(&keyed("id", Action::Adopt, Value::Null)).is_ok());
    }

    #[test]
    fn every_table_that_would_lose_its_items_is_named() {
        let plan = Plan {
            changes: vec![
                change("storage.profiles", Table::KIND, Action::Replace),
                change("storage.transactions", Table::KIND, Action::Update),
                change("storage.idempotency", Table::KIND, Action::Replace),
                change("storage.rules", "ssm.parameter", Action::Replace),
            ],
            ..Plan::default()
        };
        let why = lost_data(&plan).unwrap();
        for part in [
            "storage.profiles",
            "storage.idempotency",
            "hash_key",
            "--allow-data-loss",
        ] {
            assert!(why.contains(part), "{why}");
        }
        assert!(
            !why.contains("storage.transactions") && !why.contains("storage.rules"),
            "{why}"
        );
        assert_eq!(lost_data(&Plan::default()), None);
    }
}
