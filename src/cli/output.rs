use super::deploy::outputs;
use super::exit::Exit;
use super::scope::ScopeArgs;
use super::{json, print};
use crate::operate::send;
use crate::ui::Progress;
use clap::Args;

/// Prints what the system offers, one `name value` a line, or one value alone. `api_key` is not among them unless named: its
/// value is fetched then, and kept nowhere.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// Print only this value: api_endpoint, api_key, dynamodb_table_name, ...
    name: Option<String>,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Print one JSON document: all values as an object, or the named one as a string
    #[arg(long)]
    json: bool,
}

pub async fn run(args: OutputArgs) -> Result<(), Exit> {
    let progress = Progress::new();
    let scope = args.scope.open_deployed(&progress).await?;
    let outputs = outputs(&scope, &scope.store().await?);
    if outputs.is_empty() {
        return Err(args.scope.nothing_deployed(&scope.home));
    }
    let Some(name) = &args.name else {
        if args.json {
            return json::print(&outputs);
        }
        for (name, value) in &outputs {
            print::line(format_args!("{name} {value}"))?;
        }
        return Ok(());
    };
    let value = match (name.as_str(), outputs.get("api_key_id")) {
        ("api_key", Some(id)) => send::api_key(&scope.aws, id).await?,
        _ => outputs.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = outputs.keys().map(String::as_str).chain(["api_key"]).collect();
            Exit::usage(format!("there is no output {name:?}; there are {}", known.join(", ")))
        })?,
    };
    if args.json {
        json::print(&value)
    } else {
        print::line(value)
    }
}
