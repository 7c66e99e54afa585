//! What would go wrong half-way is told before anything begins.

use crate::aws::dynamodb::table::Table;
use crate::aws::{Aws, lambda::function};
use crate::engine::{Action, Change, Plan};
use crate::resource::{Failure, Reconciler};
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
}

/// Checks what a plan needs beyond permissions. Returns why something could not be checked.
///
/// # Errors
/// The first thing that would fail.
pub async fn check(aws: &Aws, plan: &Plan) -> Result<Option<Failure>, PreflightError> {
    let wanted = more_reserved(plan);
    if wanted <= 0 {
        return Ok(None);
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
        Some(unreserved) if unreserved - wanted < KEPT_UNRESERVED => {
            Err(PreflightError::Concurrency { wanted, unreserved })
        }
        _ => Ok(None),
    }
}

/// Why a plan loses data, if it does: a table's keys cannot be changed in place, and its items do not move by themselves.
/// Names every such table.
pub fn lost_data(plan: &Plan) -> Option<String> {
    let lost = |change: &&Change| change.action == Action::Replace && change.kind == Table::KIND;
    let each = plan.changes.iter().filter(lost).map(|change| {
        let fields: Vec<&str> = change.fields.iter().map(|field| field.path.as_str()).collect();
        format!(
            "{} would be replaced, and everything stored in it lost, because AWS cannot change {} of a table",
            change.address,
            fields.join(", ")
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
    use crate::resource::Address;

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
            depends_on: std::collections::BTreeSet::new(),
            depended_on: std::collections::BTreeSet::new(),
        }
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
