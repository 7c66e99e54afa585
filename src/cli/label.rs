use super::deploy::outputs;
use super::exit::{self, Exit};
use super::scope::{Scope, ScopeArgs};
use super::{json, print, source};
use crate::operate::label::{Counters, Label, LabelError, Labelled, Labeller};
use crate::operate::label_file::{self, Row};
use crate::resource::chain;
use crate::ui::Progress;
use clap::Args;
use fraud::text::escape;
use futures_util::{StreamExt, stream};
use serde::Serialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// How many of a file's transactions are labelled at once.
const AT_ONCE: usize = 8;

/// Says of a stored transaction whether it was fraud, and counts it for its merchant. The scoring of later transactions
/// heeds these counts. Saying the same again changes nothing; saying otherwise corrects the counts.
#[derive(Debug, Args)]
pub struct LabelArgs {
    /// The transaction's id
    #[arg(required_unless_present = "file", requires = "label")]
    transaction: Option<String>,
    /// What it was: fraud or ok, in capitals or not; legit is ok
    #[arg(value_parser = |text: &str| text.parse::<Label>())]
    label: Option<Label>,
    /// Label many: separated values whose first line names the columns transaction_id and label
    #[arg(long, value_name = "FILE", conflicts_with_all = ["transaction", "label"])]
    file: Option<PathBuf>,
    /// What separates the file's values, where it is no comma: one character, or tab
    #[arg(long, value_name = "CHARACTER", requires = "file", value_parser = source::delimiter)]
    delimiter: Option<u8>,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub async fn run(args: LabelArgs) -> Result<(), Exit> {
    // Before anything is started for it.
    let delimiter = args.delimiter.unwrap_or(b',');
    let rows = args.file.as_deref().map(|file| read(file, delimiter)).transpose()?;
    let progress = Progress::new();
    let scope = args.scope.open_deployed(&progress).await?;
    let outputs = outputs(&scope, &scope.store().await?);
    if outputs.is_empty() {
        return Err(args.scope.nothing_deployed(&scope.home));
    }
    let output = |name: &str| {
        outputs.get(name).ok_or_else(|| {
            Exit::failed(format!(
                "what is deployed in environment {} has no {name} yet; run `fraudctl up` first",
                scope.settings.env
            ))
        })
    };
    let (transactions, profiles) = (output("dynamodb_table_name")?, output("profiles_table_name")?);
    let labeller = Labeller {
        aws: &scope.aws,
        transactions,
        profiles,
    };
    match (rows, args.transaction, args.label) {
        (Some(rows), ..) => many(&scope, labeller, &rows, args.json).await,
        (None, Some(id), Some(label)) => one(&scope, labeller, &id, label, args.json).await,
        (None, ..) => Err(Exit::usage("name a transaction and its label, or a file with --file")),
    }
}

fn read(path: &Path, delimiter: u8) -> Result<Vec<Row>, Exit> {
    let cannot = |why: String| Exit::failed(format!("{}: {why}; nothing was labelled", path.display()));
    let file = std::fs::File::open(path).map_err(|why| cannot(why.to_string()))?;
    label_file::parse(file, delimiter).map_err(|why| cannot(chain(&why)))
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

async fn one(scope: &Scope, labeller: Labeller<'_>, id: &str, label: Label, as_json: bool) -> Result<(), Exit> {
    let labelled = labeller.label(id, label, now()).await?;
    if as_json {
        return json::print(&json!({
            "env": scope.settings.env,
            "transaction_id": labelled.transaction_id,
            "label": label.name(),
            "before": labelled.before,
            "changed": labelled.changed(),
            "counters": counters(labelled.counters),
            "merchant": labelled.merchant,
            "timestamp": labelled.timestamp,
        }));
    }
    print::line(told(&labelled, label))
}

const fn counters(counters: Counters) -> &'static str {
    match counters {
        Counters::Kept => "kept",
        Counters::Moved => "moved",
        Counters::OnlyAdded => "only_added",
        Counters::TooOld => "too_old",
    }
}

fn told(labelled: &Labelled, label: Label) -> String {
    let (id, merchant) = (escape(&labelled.transaction_id), escape(&labelled.merchant));
    if !labelled.changed() {
        return format!("{id} was labelled {label} already; nothing was changed");
    }
    let before = labelled
        .before
        .as_ref()
        .map(|old| format!(", no longer {}", escape(old)));
    let counted = match labelled.counters {
        Counters::Kept | Counters::Moved => "",
        Counters::OnlyAdded => "; the counters had lost its old label, so that only the new one was counted",
        Counters::TooOld => "; it is older than the 60 days that counters are kept, so that it was not counted",
    };
    format!(
        "{id} of {merchant} is labelled {label}{}{counted}",
        before.unwrap_or_default()
    )
}

#[derive(Debug, Default, Serialize)]
struct Summary {
    env: String,
    rows: usize,
    changed: usize,
    unchanged: usize,
    failed: Vec<Failed>,
    /// Not tried, because AWS refused one before.
    not_tried: usize,
}

#[derive(Debug, Serialize)]
struct Failed {
    line: u64,
    transaction_id: String,
    error: String,
}

/// Labels all of a file, several at once. What is not known, or in use by others all the time, is passed over; where AWS
/// refuses, it would refuse the rest too.
async fn many(scope: &Scope, labeller: Labeller<'_>, rows: &[Row], as_json: bool) -> Result<(), Exit> {
    let mut summary = Summary {
        env: scope.settings.env.clone(),
        rows: rows.len(),
        ..Summary::default()
    };
    let label = |row| async move { (row, label_row(labeller, row).await) };
    let mut results = stream::iter(rows).map(label).buffer_unordered(AT_ONCE);
    let mut refused = false;
    while let Some((row, result)) = results.next().await {
        match result {
            Ok(labelled) if labelled.changed() => summary.changed += 1,
            Ok(_) => summary.unchanged += 1,
            Err(why) => {
                let error = why.to_string();
                if !as_json {
                    print::remark(format_args!("line {}: {error}", row.line));
                }
                refused |= matches!(why, LabelError::Aws(_));
                summary.failed.push(Failed {
                    line: row.line,
                    transaction_id: row.transaction_id.clone(),
                    error,
                });
            }
        }
        if refused {
            break;
        }
    }
    drop(results);
    summary.failed.sort_by_key(|failed| failed.line);
    let done = summary.changed + summary.unchanged;
    summary.not_tried = rows.len() - done - summary.failed.len();
    if as_json {
        json::print(&summary)?;
    } else {
        print::line(format_args!(
            "{} labelled, {} had their label already, {} failed, {} not tried",
            summary.changed,
            summary.unchanged,
            summary.failed.len(),
            summary.not_tried
        ))?;
    }
    verdict(&summary, done)
}

async fn label_row(labeller: Labeller<'_>, row: &Row) -> Result<Labelled, LabelError> {
    labeller.label(&row.transaction_id, row.label, now()).await
}

fn verdict(summary: &Summary, done: usize) -> Result<(), Exit> {
    if summary.failed.is_empty() {
        return Ok(());
    }
    Err(Exit {
        code: if done > 0 { exit::PARTIAL } else { exit::FAILED },
        message: format!(
            "{} of {} could not be labelled; mend these lines and run the same command again: what is labelled stays as it is",
            summary.failed.len() + summary.not_tried,
            summary.rows
        ),
    })
}
