//! Looking at what is remembered, mending it, and moving it. Only the state is touched: the resources are neither asked for
//! nor changed.

use super::exit::Exit;
use super::scope::ScopeArgs;
use super::stop::Stop;
use super::{confirm, json, print};
use crate::resource::Address;
use crate::state::{
    Home, Lock, LockError, MoveError, Moved, Record, Retired, Status, Store, StoreError, for_shell, move_state,
    moved_already,
};
use crate::ui::Progress;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Shows, mends and moves what is remembered of an environment. Works on the state alone: no resource in AWS is asked for
/// or changed, and for a state in a folder AWS is not needed at all.
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
    /// Remove a lock that nobody holds. A lock ends with its holder by itself, so that it never has to be broken
    Unlock(UnlockArgs),
    /// Go back to the state before the current one, where that is damaged or gone
    Recover(RecoverArgs),
    /// Move the state to another place: to a folder, or to S3
    Move(MoveArgs),
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

#[derive(Debug, Args)]
struct MoveArgs {
    /// Where to: a folder, or s3://BUCKET/PREFIX
    to: PathBuf,
    #[command(flatten)]
    scope: ScopeArgs,
}

/// One resource in a list.
#[derive(Debug, Serialize)]
struct Row<'a> {
    address: &'a Address,
    kind: &'a str,
    status: Status,
}

pub async fn run(args: &StateArgs, stop: &Stop) -> Result<(), Exit> {
    match &args.command {
        StateCommand::List(args) => list(args).await,
        StateCommand::Show(args) => show(args).await,
        StateCommand::Rm(args) => rm(args, stop).await,
        StateCommand::Unlock(args) => unlock(args).await,
        StateCommand::Recover(args) => recover(args, stop).await,
        StateCommand::Move(args) => move_to(args, stop).await,
    }
}

async fn home(scope: &ScopeArgs) -> Result<Home, Exit> {
    scope.state_home(&Progress::new()).await
}

/// Takes the lock, to be given back at the end.
async fn lock(home: &Home, doing: &str, scope: &ScopeArgs, stop: &Stop) -> Result<Lock, LockError> {
    let lock = Lock::take(home, doing, scope.lease()).await?;
    if let Some(lease) = lock.lease() {
        stop.give_back(lease);
    }
    Ok(lock)
}

async fn list(args: &LookArgs) -> Result<(), Exit> {
    let store = remembered(&args.scope, &home(&args.scope).await?).await?;
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

async fn show(args: &ShowArgs) -> Result<(), Exit> {
    let scope = &args.look.scope;
    let store = remembered(scope, &home(scope).await?).await?;
    let (address, record) = find(scope, &store, &args.address)?;
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
    for old in &record.retiring {
        print::line(format_args!(
            "  still to be removed: its predecessor {}",
            identified(old)
        ))?;
    }
    let applied = serde_json::to_string_pretty(&record.applied).unwrap_or_default();
    print::line(format_args!("asked for: {applied}"))
}

async fn rm(args: &RmArgs, stop: &Stop) -> Result<(), Exit> {
    let home = home(&args.scope).await?;
    // First without the lock, which makes a file: what is not there leaves no trace.
    let scope = &args.scope;
    find(scope, &remembered(scope, &home).await?, &args.address).and_then(|found| forgettable(scope, found))?;
    let lock = lock(&home, "state rm", scope, stop).await?;
    let store = lock.open_env(&scope.env).await?;
    let mut store = store.ok_or_else(|| scope.nothing_deployed(&home))?;
    let (address, record) = find(scope, &store, &args.address).and_then(|found| forgettable(scope, found))?;
    let address = address.clone();
    print::remark(format_args!(
        "{address}, a {}, will be forgotten. It stays in AWS; the next `up` or `down` finds it again by its name and tags.",
        record.kind
    ));
    if !args.yes {
        confirm::proceed("nothing was forgotten", "what would be forgotten")?;
    }
    store.state.resources.remove(&address);
    store.save().await?;
    print::remark(format_args!(
        "{address} is forgotten (state serial {}).",
        store.state.serial
    ));
    Ok(())
}

async fn unlock(args: &UnlockArgs) -> Result<(), Exit> {
    // Who holds it is told by the error.
    if Lock::clear(&home(&args.scope).await?, args.scope.lease()).await? {
        print::remark("the lock was removed; nobody held it");
    } else {
        print::remark("nobody holds the lock, and there is none to remove");
    }
    Ok(())
}

async fn recover(args: &RecoverArgs, stop: &Stop) -> Result<(), Exit> {
    let home = home(&args.scope).await?;
    let env = &args.scope.env;
    // First without the lock, which makes a file: what cannot be recovered leaves no trace.
    let Some(seen) = loss(&home, env).await? else {
        return Ok(());
    };
    previous(&home, env, &seen).await?;
    let lock = lock(&home, "state recover", &args.scope, stop).await?;
    let home = lock.home();
    let Some(seen) = loss(home, env).await? else {
        return Ok(());
    };
    let previous = previous(home, env, &seen).await?;
    let at = home.at();
    let (what, kept) = match (&seen, home) {
        (Loss::Gone, _) => (format!("the state {at} is gone"), ""),
        (Loss::Damaged(why), Home::File(_)) => (
            format!("the state {at} is damaged ({why})"),
            "; what is damaged is kept beside it as .damaged, with a number where there is one already",
        ),
        (Loss::Damaged(why), Home::Bucket(_)) => (
            format!("the state {at} is damaged ({why})"),
            "; what is damaged stays as a version of the object",
        ),
    };
    let (serial, count) = (previous.state.serial, previous.state.resources.len());
    print::remark(format_args!(
        "{what}\nThe state before it has serial {serial} and remembers {count} resources of account {}, region {}. It takes \
         its place{kept}. What was done since is not in it: the next `up` or `down` finds that by names and tags.",
        previous.state.place.account, previous.state.place.region
    ));
    if !args.yes {
        confirm::proceed("nothing was recovered", "what would be recovered")?;
    }
    previous.recover().await?;
    print::remark(format_args!(
        "recovered serial {serial}; `fraudctl diff` shows what AWS has otherwise"
    ));
    Ok(())
}

/// What is wrong with the current state.
enum Loss {
    /// It is not there.
    Gone,
    /// It is damaged, and where.
    Damaged(String),
}

/// What is wrong with the current state. Nothing where it is whole, which is told.
async fn loss(home: &Home, env: &str) -> Result<Option<Loss>, Exit> {
    match Store::of_env(home, env).await {
        Ok(Some(store)) => {
            print::remark(format_args!(
                "the state is whole (serial {}); there is nothing to recover",
                store.state.serial
            ));
            Ok(None)
        }
        Ok(None) => Ok(Some(Loss::Gone)),
        Err(StoreError::Damaged { why, .. }) => Ok(Some(Loss::Damaged(why))),
        // A newer one, another environment's, or one that is elsewhere now: it is no damage that going back would mend.
        Err(why) => Err(why.into()),
    }
}

/// The state before the current one, if it is whole.
async fn previous(home: &Home, env: &str, loss: &Loss) -> Result<Store, Exit> {
    let anew = "finds what exists by names and ownership tags and writes it anew";
    let at = home.at();
    Err(Exit::failed(match (Store::previous(home, env).await, loss) {
        (Ok(Some(store)), _) => return Ok(store),
        (Ok(None), Loss::Gone) => format!(
            "there is no state {at}, nor a whole one before it to go back to; nothing was changed. Look whether its place or \
             --env is another one; else `fraudctl up` {anew}"
        ),
        (Ok(None), Loss::Damaged(why)) => format!(
            "the state {at} is damaged ({why}), and there is no whole one before it to go back to; nothing was changed. Put a \
             good copy back, or {}: `fraudctl up` then {anew}",
            home.set_aside(&at)
        ),
        (Err(StoreError::Damaged { at: before, why, .. }), Loss::Gone) => format!(
            "the state {at} is gone, and the one before it, {before}, is damaged ({why}); nothing was changed. Put a good copy \
             back as {at}, or {}: `fraudctl up` then {anew}",
            home.set_aside(&before)
        ),
        (Err(StoreError::Damaged { at: before, why, .. }), Loss::Damaged(_)) => format!(
            "the state before, {before}, is damaged too ({why}); nothing was changed. Put a good copy back as {at}, or {}: \
             `fraudctl up` then {anew}",
            home.set_aside(&at)
        ),
        (Err(why), _) => return Err(why.into()),
    }))
}

async fn move_to(args: &MoveArgs, stop: &Stop) -> Result<(), Exit> {
    let scope = &args.scope;
    let from = home(scope).await?;
    let to = scope.other_home(&args.to, &Progress::new()).await?;
    if from.is(&to) {
        if Store::of_env(&from, &scope.env).await?.is_none() {
            return Err(nothing_moved(scope, &from).unwrap_or_else(|| {
                Exit::failed(format!(
                    "{} is where the state is looked for, and there is none; nothing was moved. If it is elsewhere still, \
                     say from where: `fraudctl state move {} --env {} --state OLD_PLACE`",
                    to.at(),
                    for_shell(&args.to.display().to_string()),
                    scope.env
                ))
            }));
        }
        print::remark(format_args!("the state is kept at {} already", to.at()));
        return Ok(());
    }
    // First without the locks, which make folders and files: where there is nothing to move, nothing is made.
    if Store::find(&from, &scope.env).await?.is_none() {
        return nothing_to_move(args, &from, &to, stop).await;
    }
    for note in to.check().await? {
        print::remark(format_args!("note: {note}"));
    }
    let source = lock(&from, "state move", scope, stop).await?;
    let destination = lock(&to, "state move", scope, stop).await?;
    // A holder before who is not quite gone must not write to either of them any more.
    for lock in [&source, &destination] {
        lock.fence(&scope.env).await?;
    }
    // The lock is in it, so it is there.
    let place = place(&args.to, &to);
    match move_state(&source, &destination, &scope.env, &place).await? {
        Moved::Done { serial, resources } => print::remark(format_args!(
            "the state of {} (serial {serial}, {resources} resources) was moved from {} to {}",
            scope.env,
            from.at(),
            to.at()
        )),
        Moved::Already { serial } => tell_moved(scope, &from, &to, serial),
    }
    print::remark(format_args!(
        "From now on it is found with --state or FRAUDCTL_STATE, or with this in fraudctl.toml:\n\n    [env.{}]\n    state = {:?}",
        scope.env, place
    ));
    Ok(())
}

/// The new place as whoever comes to the old one is told it, and as the settings take it: they begin a path elsewhere than
/// this command line.
fn place(given: &Path, to: &Home) -> String {
    if !to.is_file() {
        return given.display().to_string();
    }
    let there = std::path::absolute(given).unwrap_or_else(|_| given.to_owned());
    there.canonicalize().unwrap_or(there).display().to_string()
}

async fn nothing_to_move(args: &MoveArgs, from: &Home, to: &Home, stop: &Stop) -> Result<(), Exit> {
    let scope = &args.scope;
    let serial = match moved_already(from, to, &scope.env, &place(&args.to, to)).await {
        Ok(serial) => serial,
        Err(why @ MoveError::Nothing { .. }) => return Err(nothing_moved(scope, from).unwrap_or_else(|| why.into())),
        Err(why) => return Err(why.into()),
    };
    // Who moved it may have died before he gave a lease back: it is taken from him, and given back.
    for home in [from, to].into_iter().filter(|home| !home.is_file()) {
        let lock = lock(home, "state move", scope, stop).await?;
        lock.fence(&scope.env).await?;
    }
    tell_moved(scope, from, to, serial);
    Ok(())
}

/// Why nothing was moved, where the state is gone and the one before it is there.
fn nothing_moved(scope: &ScopeArgs, from: &Home) -> Option<Exit> {
    let lost = scope.lost(from)?;
    Some(Exit::failed(format!("nothing was moved: {lost}")))
}

fn tell_moved(scope: &ScopeArgs, from: &Home, to: &Home, serial: u64) {
    print::remark(format_args!(
        "nothing is left to move: {} has no state of {}, and {} has serial {serial}",
        from.at(),
        scope.env,
        to.at()
    ));
}

async fn remembered(scope: &ScopeArgs, home: &Home) -> Result<Store, Exit> {
    let found = Store::of_env(home, &scope.env).await?;
    found.ok_or_else(|| scope.nothing_deployed(home))
}

fn find<'a>(scope: &ScopeArgs, store: &'a Store, address: &str) -> Result<(&'a Address, &'a Record), Exit> {
    let found = store.state.resources.get_key_value(&Address::from(address));
    found.ok_or_else(|| {
        Exit::usage(format!(
            "nothing is remembered at {address}; `fraudctl state list {}` names what is",
            scope.flags_for_shell()
        ))
    })
}

/// Refuses what nothing would find again: a predecessor is in its successor's record, and nowhere else.
fn forgettable<'a>(
    scope: &ScopeArgs,
    (address, record): (&'a Address, &'a Record),
) -> Result<(&'a Address, &'a Record), Exit> {
    let left: Vec<String> = record.retiring.iter().map(identified).collect();
    if left.is_empty() {
        return Ok((address, record));
    }
    Err(Exit::failed(format!(
        "{address} has replaced what is still to be removed ({}), and only its record knows of that; nothing was forgotten. \
         `fraudctl up {}` removes it",
        left.join(", "),
        scope.flags_for_shell()
    )))
}

/// What tells a predecessor from its successor.
fn identified(old: &Retired) -> String {
    let outputs: Vec<String> = old
        .outputs
        .iter()
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    outputs.join(", ")
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Creating => "creating",
        Status::Ready => "ready",
        Status::Updating => "updating",
        Status::Deleting => "deleting",
    }
}
