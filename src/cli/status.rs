use super::deploy::outputs;
use super::exit::Exit;
use super::scope::ScopeArgs;
use super::{json, print};
use crate::engine::survey;
use crate::state::Status;
use crate::ui::Progress;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Shows every resource that is remembered and whether AWS has it. For what differs, see `fraudctl diff`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Document {
    env: String,
    account: String,
    region: String,
    endpoint: Option<String>,
    profile: Option<String>,
    caller: String,
    serial: u64,
    resources: Vec<Row>,
    outputs: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct Row {
    address: String,
    kind: String,
    status: Status,
    exists: bool,
    id: String,
}

pub async fn run(args: StatusArgs) -> Result<(), Exit> {
    let progress = Arc::new(Progress::new());
    let scope = args.scope.open_deployed(&progress).await?;
    let store = scope.store().await?;
    let (_, kinds) = scope.desired(None, &progress)?;
    // Only what is remembered: what is desired is a matter of `diff`.
    let nothing = crate::engine::Graph::new();
    let live = survey(&nothing, &store.state, &kinds, &scope.settings.env).await?;
    let rows = store.state.resources.iter().map(|(address, record)| Row {
        address: address.to_string(),
        kind: record.kind.clone(),
        status: record.status,
        exists: live.live.contains_key(address),
        id: ["name", "id", "arn"]
            .iter()
            .find_map(|name| record.outputs.get(*name))
            .cloned()
            .unwrap_or_default(),
    });
    let document = Document {
        env: scope.settings.env.clone(),
        account: scope.aws.account.clone(),
        region: scope.aws.region.clone(),
        endpoint: scope.aws.endpoint.clone(),
        profile: scope.aws.profile.clone(),
        caller: scope.aws.caller.clone(),
        serial: store.state.serial,
        resources: rows.collect(),
        outputs: outputs(&scope, &store),
    };
    args.scope.note_lost(&scope.home, &progress);
    if args.json {
        return json::print(&document);
    }
    print::line(scope.headline())?;
    if document.resources.is_empty() {
        return print::line(if scope.home.left_behind().is_some() {
            "Nothing is remembered."
        } else {
            "Nothing is deployed. `fraudctl up` deploys it."
        });
    }
    print_table(&document)
}

fn print_table(document: &Document) -> Result<(), Exit> {
    let address = document
        .resources
        .iter()
        .map(|row| row.address.len())
        .max()
        .unwrap_or_default();
    let kind = document
        .resources
        .iter()
        .map(|row| row.kind.len())
        .max()
        .unwrap_or_default();
    for row in &document.resources {
        let state = match (row.status, row.exists) {
            (Status::Ready, true) => "ready",
            (Status::Ready, false) => "MISSING",
            (Status::Creating, _) => "creating",
            (Status::Updating, _) => "updating",
            (Status::Deleting, _) => "deleting",
        };
        print::line(format_args!(
            "  {:<address$}  {:<kind$}  {state:<8}  {}",
            row.address, row.kind, row.id
        ))?;
    }
    let there = document.resources.iter().filter(|row| row.exists).count();
    let total = document.resources.len();
    print::line(format_args!(
        "{there} of {total} resources exist (state serial {}).",
        document.serial
    ))
}
