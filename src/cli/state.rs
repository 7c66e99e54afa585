//! Looking at what is remembered, and mending it. Only the files are touched: no AWS is asked, and none is needed.

use super::exit::Exit;
use super::scope::ScopeArgs;
use super::{confirm, json, print};
use crate::resource::Address;
use crate::state::{Lock, Record, Status, Store, StoreError};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::path::Path;

/// Shows and mends what is remembered of an environment. Works on the state's files alone: AWS is neither asked nor
/// changed.
#[derive(Debug, Args)]
pub struct StateArgs {
    #[command(subcommand)]
    command: StateCommand,
}

#[derive(Debug, Subcommand)]
enum StateCommand {
    /// List every resource that is remembered
    List(LookArgs),
    /// Show what is remembered of one resource
    Show(ShowArgs),
    /// Forget a resource; what stands in AWS stays, and the next `up` finds it again
    Rm(RmArgs),
    /// Remove a lock file that nobody holds. A lock ends with its holder by itself, so that it never has to be broken
    Unlock(UnlockArgs),
    /// Go back to the state before the current one, where that is damaged or gone
    Recover(RecoverArgs),
}

#[derive(Debug, Args)]
struct LookArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// The resource: `fraudctl state list` names them
    address: String,
    #[command(flatten)]
    look: LookArgs,
}

#[derive(Debug, Args)]
struct RmArgs {
    /// The resource: `fraudctl state list` names them
    address: String,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

#[derive(Debug, Args)]
struct UnlockArgs {
    #[command(flatten)]
    scope: ScopeArgs,
}

#[derive(Debug, Args)]
struct RecoverArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// One resource in a list.
#[derive(Debug, Serialize)]
struct Row<'a> {
    address: &'a Address,
    kind: &'a str,
    status: Status,
}

pub fn run(args: &StateArgs) -> Result<(), Exit> {
    match &args.command {
        StateCommand::List(args) => list(args),
        StateCommand::Show(args) => show(args),
        StateCommand::Rm(args) => rm(args),
        StateCommand::Unlock(args) => unlock(args),
        StateCommand::Recover(args) => recover(args),
    }
}

fn list(args: &LookArgs) -> Result<(), Exit> {
    let store = remembered(&args.scope, &args.scope.state_file()?)?;
    let rows = store.state.resources.iter().map(|(address, record)| Row {
        address,
        kind: &record.kind,
        status: record.status,
    });
    let rows: Vec<Row<'_>> = rows.collect();
    if args.json {
        return json::print(&rows);
    }
    let width = rows.iter().map(|row| row.address.as_str().len()).max();
    let kinds = rows.iter().map(|row| row.kind.len()).max();
    let (width, kinds) = (width.unwrap_or_default(), kinds.unwrap_or_default());
    for row in &rows {
        let (address, status) = (row.address.as_str(), word(row.status));
        print::line(format_args!("{address:<width$}  {:<kinds$}  {status}", row.kind))?;
    }
    Ok(())
}

fn show(args: &ShowArgs) -> Result<(), Exit> {
    let scope = &args.look.scope;
    let store = remembered(scope, &scope.state_file()?)?;
    let (address, record) = find(&store, &args.address)?;
    if args.look.json {
        return json::print(record);
    }
    print::line(format_args!("{address} is a {}, {}", record.kind, word(record.status)))?;
    for (name, value) in &record.outputs {
        print::line(format_args!("  {name}: {value}"))?;
    }
    for other in &record.depends_on {
        print::line(format_args!("  waits for {other}"))?;
    }
    let applied = serde_json::to_string_pretty(&record.applied).unwrap_or_default();
    print::line(format_args!("asked for: {applied}"))
}

fn rm(args: &RmArgs) -> Result<(), Exit> {
    let path = args.scope.state_file()?;
    // First without the lock, which makes a file: what is not there leaves no trace.
    find(&remembered(&args.scope, &path)?, &args.address)?;
    let _lock = Lock::take(&path, "state rm")?;
    let mut store = remembered(&args.scope, &path)?;
    let (address, record) = find(&store, &args.address)?;
    let address = address.clone();
    print::remark(format_args!(
        "{address}, a {}, will be forgotten. It stays in AWS; the next `up` or `down` finds it again by its name and tags.",
        record.kind
    ));
    if !args.yes {
        confirm::proceed("nothing was forgotten", "what would be forgotten")?;
    }
    store.state.resources.remove(&address);
    store.save()?;
    print::remark(format_args!(
        "{address} is forgotten (state serial {}).",
        store.state.serial
    ));
    Ok(())
}

fn unlock(args: &UnlockArgs) -> Result<(), Exit> {
    // Who holds it is told by the error.
    if Lock::clear(&args.scope.state_file()?)? {
        print::remark("the lock file was removed; nobody held the lock");
    } else {
        print::remark("nobody holds the lock, and there is no lock file");
    }
    Ok(())
}

fn recover(args: &RecoverArgs) -> Result<(), Exit> {
    let path = args.scope.state_file()?;
    let env = &args.scope.env;
    // First without the lock, which makes a file: what has no previous state leaves no trace.
    Store::previous(&path, env)?.ok_or_else(|| no_previous(&path))?;
    let _lock = Lock::take(&path, "state recover")?;
    let what = match Store::of_env(&path, env) {
        Ok(Some(store)) => {
            let serial = store.state.serial;
            print::remark(format_args!(
                "the state is whole (serial {serial}); there is nothing to recover"
            ));
            return Ok(());
        }
        Ok(None) => format!("{} is gone", path.display()),
        Err(why @ StoreError::Damaged { .. }) => why.to_string(),
        // A newer one, or another environment's: it is no damage that going back would mend.
        Err(why) => return Err(why.into()),
    };
    let previous = Store::previous(&path, env)?.ok_or_else(|| no_previous(&path))?;
    let (serial, count) = (previous.state.serial, previous.state.resources.len());
    print::remark(format_args!(
        "{what}\nThe state before it has serial {serial} and remembers {count} resources of account {}, region {}. It takes \
         its place; what is damaged is kept beside it as .damaged. What was done since is not in it: the next `up` or \
         `down` finds that by names and tags.",
        previous.state.place.account, previous.state.place.region
    ));
    if !args.yes {
        confirm::proceed("nothing was recovered", "what would be recovered")?;
    }
    previous.recover()?;
    print::remark(format_args!(
        "recovered serial {serial}; `fraudctl diff` shows what AWS has otherwise"
    ));
    Ok(())
}

fn no_previous(path: &Path) -> Exit {
    Exit::failed(format!(
        "there is no state before {}; move the file away if it is damaged: `fraudctl up` then finds what exists by names \
         and ownership tags and writes it anew",
        path.display()
    ))
}

fn remembered(scope: &ScopeArgs, path: &Path) -> Result<Store, Exit> {
    Store::of_env(path, &scope.env)?.ok_or_else(|| scope.nothing_deployed())
}

fn find<'a>(store: &'a Store, address: &str) -> Result<(&'a Address, &'a Record), Exit> {
    let found = store.state.resources.get_key_value(&Address::from(address));
    found.ok_or_else(|| {
        Exit::usage(format!(
            "nothing is remembered at {address}; `fraudctl state list` names what is"
        ))
    })
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Creating => "creating",
        Status::Ready => "ready",
        Status::Updating => "updating",
        Status::Deleting => "deleting",
    }
}
