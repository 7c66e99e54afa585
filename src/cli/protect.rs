//! What is not done to an environment that its settings protect, and to tables that somebody else protects.

use super::exit::Exit;
use crate::aws::dynamodb::table::Table;
use crate::aws::kms::key::Key;
use crate::config::Settings;
use crate::engine::{Action, Change, Plan};
use crate::operate::preflight;
use crate::resource::{Live, Reconciler};
use crate::state::{Record, State, Status};
use crate::ui::Progress;
use serde_json::Value;

/// Refuses a `down` of a protected environment, before anything is asked or locked.
pub fn against_down(settings: &Settings) -> Result<(), Exit> {
    let Some(place) = &settings.protect else {
        return Ok(());
    };
    Err(Exit::failed(format!(
        "the environment {} is protected by `protect = true` in {place}; nothing was changed. To remove it nevertheless, set \
         `protect = false` there, and run `down` again",
        settings.env
    )))
}

/// Why a plan is not carried out in a protected environment, whatever the flags: it would lose what is stored, or the key
/// without which nobody can read it.
pub fn against_loss(settings: &Settings, plan: &Plan) -> Option<String> {
    let place = settings.protect.as_ref()?;
    let stores = |change: &&Change| [Table::KIND, Key::KIND].contains(&change.kind.as_str());
    let lost: Vec<String> = removed(plan).filter(stores).map(lost).collect();
    (!lost.is_empty()).then(|| {
        format!(
            "{}; but the environment {} is protected by `protect = true` in {place}. Nothing was changed. To do it \
             nevertheless, set `protect = false` there first",
            lost.join("; "),
            settings.env
        )
    })
}

fn lost(change: &Change) -> String {
    let how = if change.action == Action::Replace {
        format!("replaced, because AWS cannot change {} of it", preflight::fixed(change))
    } else {
        "deleted".to_owned()
    };
    format!("{} would be {how}", change.address)
}

/// What deletion protection is to be switched off for a plan to be carried out.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Protected {
    /// Tables that fraudctl protected, while the settings said so. Removing them switches it off.
    pub ours: Vec<String>,
    /// Why the plan is not carried out: tables that somebody else protected, or of which it is not known.
    pub refusal: Option<String>,
}

impl Protected {
    /// Says what is switched off.
    pub fn explain(&self, progress: &Progress) {
        for table in &self.ours {
            progress.say(&format!(
                "note: the deletion protection of {table}, which fraudctl switched on, is switched off before it is deleted"
            ));
        }
    }
}

/// Looks which tables that a plan removes are protected in AWS, and by whom.
/// `command` makes a command of the AWS command line that goes where the plan goes.
pub fn by_aws(plan: &Plan, state: &State, command: &dyn Fn(&str) -> String) -> Protected {
    let on = |spec: &Value| spec.get("deletion_protection") == Some(&Value::Bool(true));
    let mut found = Protected::default();
    let mut theirs = Vec::new();
    for change in removed(plan).filter(|change| change.kind == Table::KIND) {
        let Some(live) = change.live.as_ref().filter(|live| on(&live.spec)) else {
            continue;
        };
        if applied(change, live, state).is_some_and(on) || half_asked(change, state) {
            found.ours.push(change.address.to_string());
        } else {
            let name = live.spec.get("name").and_then(Value::as_str).unwrap_or_default();
            theirs.push((change.address.to_string(), name.to_owned()));
        }
    }
    found.refusal = (!theirs.is_empty()).then(|| refusal(&theirs, command));
    found
}

/// What to do about tables, by address and name, that somebody else protects.
fn refusal(tables: &[(String, String)], command: &dyn Fn(&str) -> String) -> String {
    let each: Vec<String> = tables
        .iter()
        .map(|(address, name)| format!("{address} ({name})"))
        .collect();
    let mut text = format!(
        "AWS protects {} against deletion, and as far as the state knows it was not fraudctl that asked for it; nothing was \
         changed. If it is to go, switch the protection off, and run the same command again:",
        each.join(", ")
    );
    for (_, name) in tables {
        let words = format!("dynamodb update-table --table-name {name} --no-deletion-protection-enabled");
        text.push_str(&format!("\n  {}", command(&words)));
    }
    text
}

/// Was an update of it begun, of which it is not known how far it came? Then it may have been what protected it. And where
/// its deletion was begun, that was not refused.
fn half_asked(change: &Change, state: &State) -> bool {
    let record = state.resources.get(&change.address);
    let begun = |record: &Record| matches!(record.status, Status::Updating | Status::Deleting);
    !change.retired && record.is_some_and(begun)
}

/// What was last asked for of the one that is removed.
fn applied<'a>(change: &Change, live: &Live, state: &'a State) -> Option<&'a Value> {
    let record = state.resources.get(&change.address)?;
    if !change.retired {
        return Some(&record.applied);
    }
    let mut retiring = record.retiring.iter();
    retiring.find(|old| old.outputs == live.outputs).map(|old| &old.applied)
}

fn removed(plan: &Plan) -> impl Iterator<Item = &Change> {
    plan.changes
        .iter()
        .filter(|change| matches!(change.action, Action::Delete | Action::Replace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Cause, FieldChange};
    use crate::resource::{Address, Outputs, Owner};
    use crate::state::{Place, Retired};
    use serde_json::json;
    use std::collections::BTreeSet;

    fn change(address: &str, kind: &str, action: Action, protected: bool) -> Change {
        let field = FieldChange {
            path: "hash_key".to_owned(),
            from: Value::Null,
            to: Value::Null,
            cause: Cause::Intent,
        };
        Change {
            address: Address::from(address),
            kind: kind.to_owned(),
            action,
            fields: if action == Action::Replace {
                vec![field]
            } else {
                Vec::new()
            },
            desired: Value::Null,
            live: Some(Live {
                spec: json!({"name": "transactions-dev", "deletion_protection": protected}),
                outputs: Outputs::from([("arn".to_owned(), "now".to_owned())]),
                owner: Owner::Usual,
            }),
            create_first: false,
            retired: false,
            gone: false,
            ephemeral: false,
            depends_on: BTreeSet::new(),
            depended_on: BTreeSet::new(),
        }
    }

    fn pasted(words: &str) -> String {
        format!("aws {words} --profile p")
    }

    fn plan(changes: Vec<Change>) -> Plan {
        Plan {
            changes,
            ..Plan::default()
        }
    }

    fn settings(protect: Option<&str>) -> Settings {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = crate::config::load(folder.path(), "prod", &crate::config::Overrides::default()).unwrap();
        settings.protect = protect.map(str::to_owned);
        settings
    }

    /// A state in which a table was asked to be protected, or not, and so was its predecessor.
    fn state(now: bool, before: bool) -> State {
        let mut state = State::new(Place {
            env: "prod".into(),
            account: "000000000000".into(),
            region: "us-east-1".into(),
            endpoint: None,
        });
        let record = Record {
            kind: Table::KIND.to_owned(),
            status: Status::Ready,
            outputs: Outputs::new(),
            applied: json!({"deletion_protection": now}),
            observed: None,
            depends_on: Vec::new(),
            retiring: vec![Retired {
                outputs: Outputs::from([("arn".to_owned(), "now".to_owned())]),
                applied: json!({"deletion_protection": before}),
                depends_on: Vec::new(),
            }],
        };
        state.resources.insert(Address::from("storage.transactions"), record);
        state
    }

    #[test]
    fn a_protected_environment_refuses_down_and_says_where_that_is_set() {
        let refused = against_down(&settings(Some("/p/fraudctl.toml, [env.prod]"))).unwrap_err();
        assert_eq!(refused.code, crate::cli::exit::FAILED);
        for part in [
            "prod",
            "protect = true",
            "/p/fraudctl.toml, [env.prod]",
            "nothing was changed",
        ] {
            assert!(refused.message.contains(part), "{}", refused.message);
        }
        assert!(against_down(&settings(None)).is_ok());
    }

    #[test]
    fn a_protected_environment_loses_neither_tables_nor_the_key() {
        let protected = settings(Some("the file"));
        let loses = plan(vec![
            change("storage.transactions", Table::KIND, Action::Replace, true),
            change("storage.old", Table::KIND, Action::Delete, false),
            change("security.key", Key::KIND, Action::Delete, false),
            change("messaging.alerts", "sns.topic", Action::Replace, false),
        ]);
        let why = against_loss(&protected, &loses).unwrap();
        for part in [
            "storage.transactions would be replaced, because AWS cannot change hash_key",
            "storage.old would be deleted",
            "security.key would be deleted",
            "`protect = true` in the file",
        ] {
            assert!(why.contains(part), "{why}");
        }
        assert!(!why.contains("messaging"), "{why}");
        assert_eq!(against_loss(&settings(None), &loses), None);
        let keeps = plan(vec![change("storage.transactions", Table::KIND, Action::Update, true)]);
        assert_eq!(against_loss(&protected, &keeps), None);
    }

    #[test]
    fn only_a_protection_of_our_own_is_switched_off() {
        let delete = || change("storage.transactions", Table::KIND, Action::Delete, true);
        let ours = by_aws(&plan(vec![delete()]), &state(true, false), &pasted);
        assert_eq!(
            (ours.ours, ours.refusal),
            (vec!["storage.transactions".to_owned()], None)
        );

        let mut lost = state(true, true);
        lost.resources.clear();
        for unknown in [state(false, true), lost] {
            let theirs = by_aws(&plan(vec![delete()]), &unknown, &pasted);
            let why = theirs.refusal.unwrap();
            for part in [
                "storage.transactions (transactions-dev)",
                "nothing was changed",
                "\n  aws dynamodb update-table --table-name transactions-dev --no-deletion-protection-enabled --profile p",
            ] {
                assert!(why.contains(part), "{why}");
            }
            assert!(theirs.ours.is_empty());
        }

        // A run that died while it switched the protection on has not said so yet; nor has one that died while it deleted
        // what that one left.
        for status in [Status::Updating, Status::Deleting] {
            let mut died = state(false, false);
            died.resources.values_mut().for_each(|record| record.status = status);
            assert!(
                by_aws(&plan(vec![delete()]), &died, &pasted).refusal.is_none(),
                "{status:?}"
            );
        }

        // Of a predecessor it is known what was asked for it.
        let predecessor = || {
            plan(vec![Change {
                retired: true,
                ..delete()
            }])
        };
        assert!(by_aws(&predecessor(), &state(false, true), &pasted).refusal.is_none());
        assert!(by_aws(&predecessor(), &state(true, false), &pasted).refusal.is_some());

        let off = plan(vec![change("storage.transactions", Table::KIND, Action::Delete, false)]);
        assert_eq!(by_aws(&off, &state(false, false), &pasted), Protected::default());
    }
}
