use super::deploy::outputs;
use super::exit::{self, Exit};
use super::scope::{Scope, ScopeArgs};
use super::{confirm, duration, json, print, source};
use crate::operate::dry_run::{self, Changed, DryRun, Side};
use crate::operate::records;
use crate::operate::rules::{self, Deployed, Difference, KNOWN_WITHIN_SECONDS, Source};
use crate::resource::chain;
use crate::ui::Progress;
use clap::{Args, Subcommand};
use fraud::Rules;
use fraud::text::escape;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The rules that transactions are scored by: limits and weights as data, in a parameter that the functions read once a
/// minute. An analyst changes them without a deployment.
#[derive(Debug, Args)]
pub struct RulesArgs {
    #[command(subcommand)]
    command: RulesCommand,
}

#[derive(Debug, Subcommand)]
enum RulesCommand {
    /// Print the rules in force, as a rules file, and say where they come from
    Show(ShowArgs),
    /// Show field by field what other rules would change
    Diff(DiffArgs),
    /// Put other rules live
    Push(PushArgs),
    /// Replay the stored transactions through the rules in force and through others, and compare the alerts
    DryRun(DryRunArgs),
}

#[derive(Debug, Args)]
struct ShowArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// Print one JSON document: the rules, and where they come from
    #[arg(long)]
    json: bool,
}

/// Which rules are meant.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Candidate {
    /// A rules file, as `rules show` prints one
    file: Option<PathBuf>,
    /// The rules that are built in
    #[arg(long)]
    builtin: bool,
}

#[derive(Debug, Args)]
struct DiffArgs {
    #[command(flatten)]
    candidate: Candidate,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Exit with 4 when there are differences
    #[arg(long)]
    exit_code: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct PushArgs {
    #[command(flatten)]
    candidate: Candidate,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Do not ask before changing anything
    #[arg(long, short)]
    yes: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct DryRunArgs {
    #[command(flatten)]
    candidate: Candidate,
    /// Compare only transactions of so long ago or less, as 36h or 7d; the earlier ones are still their history
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    since: Option<Duration>,
    /// Compare only so many of the latest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub async fn run(args: RulesArgs) -> Result<(), Exit> {
    match args.command {
        RulesCommand::Show(args) => show(args).await,
        RulesCommand::Diff(args) => diff(args).await,
        RulesCommand::Push(args) => push(args).await,
        RulesCommand::DryRun(args) => compare(args).await,
    }
}

impl Candidate {
    fn read(&self) -> Result<Rules, Exit> {
        let Some(path) = &self.file else {
            return Ok(Rules::builtin().clone());
        };
        let cannot = |why: String| Exit::failed(format!("{} cannot be used: {why}", path.display()));
        let text = source::text(path).map_err(cannot)?;
        Rules::parse(&text).map_err(|why| cannot(why.to_string()))
    }
}

/// Opens what is deployed, and reads the rules in force there.
async fn open(args: &ScopeArgs) -> Result<(Scope, Deployed), Exit> {
    let scope = args.open_deployed(&Progress::new()).await?;
    if outputs(&scope, &scope.store().await?).is_empty() {
        return Err(args.nothing_deployed(&scope.home));
    }
    let deployed = rules::deployed(&scope.aws, &scope.settings.env).await?;
    Ok((scope, deployed))
}

/// Where the rules in force come from, in a sentence.
fn origin(deployed: &Deployed) -> String {
    let (version, parameter) = (deployed.rules.version(), &deployed.parameter);
    match &deployed.source {
        Source::Parameter => format!("The rules in force are {version}, of the parameter {parameter}."),
        Source::Absent => format!(
            "The rules in force are the built-in ones, {version}, because the parameter {parameter} does not exist; \
             `fraudctl up` makes it."
        ),
        Source::Broken(why) => format!(
            "The rules in force are the built-in ones, {version}, because what the parameter {parameter} holds cannot be \
             used: {why}"
        ),
    }
}

const fn source(source: &Source) -> &'static str {
    match source {
        Source::Parameter => "parameter",
        Source::Absent => "absent",
        Source::Broken(_) => "broken",
    }
}

fn as_value(rules: &Rules) -> Result<Value, Exit> {
    serde_json::from_str(&rules.to_json()).map_err(|why| Exit::failed(why.to_string()))
}

async fn show(args: ShowArgs) -> Result<(), Exit> {
    let (scope, deployed) = open(&args.scope).await?;
    if args.json {
        let why = match &deployed.source {
            Source::Broken(why) => Some(why),
            Source::Parameter | Source::Absent => None,
        };
        return json::print(&json!({
            "env": scope.settings.env,
            "parameter": deployed.parameter,
            "source": source(&deployed.source),
            "error": why,
            "version": deployed.rules.version(),
            "rules": as_value(&deployed.rules)?,
        }));
    }
    print::remark(origin(&deployed));
    print::line(deployed.rules.to_json().trim_end())
}

async fn diff(args: DiffArgs) -> Result<(), Exit> {
    let candidate = args.candidate.read()?;
    let (scope, deployed) = open(&args.scope).await?;
    let differences = rules::differences(&deployed.rules, &candidate);
    if args.json {
        json::print(&document(&scope, &deployed, &candidate, &differences))?;
    } else {
        print::remark(origin(&deployed));
        print::line(listed(&differences))?;
        if let Some(why) = same_name(&deployed, &candidate, &differences) {
            print::remark(format_args!("note: {why}"));
        }
    }
    if args.exit_code && !differences.is_empty() {
        return Err(Exit::silent(exit::CHANGES));
    }
    Ok(())
}

fn document(scope: &Scope, deployed: &Deployed, candidate: &Rules, differences: &[Difference]) -> Value {
    let changes: Vec<Value> = differences
        .iter()
        .map(|change| json!({"path": change.path, "from": change.from, "to": change.to}))
        .collect();
    json!({
        "env": scope.settings.env,
        "source": source(&deployed.source),
        "from": deployed.rules.version(),
        "to": candidate.version(),
        "changes": changes,
    })
}

fn listed(differences: &[Difference]) -> String {
    if differences.is_empty() {
        return "No difference.".to_owned();
    }
    let side = |value: &Value| {
        if value.is_null() {
            "nothing".to_owned()
        } else {
            value.to_string()
        }
    };
    let line = |change: &Difference| format!("  {}: {} -> {}", change.path, side(&change.from), side(&change.to));
    differences.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Every stored transaction carries the version that it was scored by; one name for two sets of rules would tell nothing.
fn same_name(deployed: &Deployed, candidate: &Rules, differences: &[Difference]) -> Option<String> {
    let version = candidate.version();
    (!differences.is_empty() && version == deployed.rules.version()).then(|| {
        format!("these rules differ from those in force and have the same version, {version}; give them another")
    })
}

async fn push(args: PushArgs) -> Result<(), Exit> {
    let candidate = args.candidate.read()?;
    let (scope, deployed) = open(&args.scope).await?;
    if scope.settings.rules.is_some() {
        return Err(Exit::failed(
            "the settings name a rules file (key `rules`), and the next `up` would put that live again, so nothing was \
             changed; change that file and run `fraudctl up`, or remove the key",
        ));
    }
    let differences = rules::differences(&deployed.rules, &candidate);
    let to_do = !differences.is_empty() || deployed.source != Source::Parameter;
    let asks = to_do && !args.yes && !scope.local;
    let text = format!("{}\n{}", origin(&deployed), listed(&differences));
    if args.json {
        print::remark(text);
    } else {
        print::line(text)?;
    }
    if let Some(why) = same_name(&deployed, &candidate, &differences) {
        return Err(Exit::failed(format!("nothing was changed: {why}")));
    }
    if asks {
        confirm::proceed("nothing was changed", "the differences")?;
    }
    if to_do {
        let pushed = rules::push(&scope.aws, &scope.settings.env, &candidate).await;
        pushed.map_err(|why| Exit::failed(chain(&why)))?;
    }
    if args.json {
        let mut document = document(&scope, &deployed, &candidate, &differences);
        document["pushed"] = to_do.into();
        return json::print(&document);
    }
    if to_do {
        print::line(format_args!(
            "The rules {} are live: the functions take them within {KNOWN_WITHIN_SECONDS} s.",
            candidate.version()
        ))?;
    }
    Ok(())
}

async fn compare(args: DryRunArgs) -> Result<(), Exit> {
    let candidate = args.candidate.read()?;
    let (scope, deployed) = open(&args.scope).await?;
    let outputs = outputs(&scope, &scope.store().await?);
    let table = outputs
        .get("dynamodb_table_name")
        .ok_or_else(|| args.scope.nothing_deployed(&scope.home))?;
    let threshold = rules::threshold(&scope.aws, &scope.settings.env).await?;
    let records = records::read(&scope.aws, table).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let which = dry_run::Scope {
        since: args.since.map(|since| now.saturating_sub(since).as_secs()),
        latest: args.limit.and_then(|limit| limit.try_into().ok()),
    };
    let found = dry_run::compare(&records, (&deployed.rules, &candidate), threshold, which)
        .map_err(|why| Exit::failed(chain(&why)))?;
    if args.json {
        return json::print(&found);
    }
    print::remark(origin(&deployed));
    print::line(report(&found).trim_end())
}

fn report(found: &DryRun) -> String {
    let mut text = format!(
        "{} transactions compared of {} stored, {} of them labelled. Alerts above {}:\n\n",
        found.compared, found.replayed, found.labelled, found.threshold
    );
    let name = |side: &Side| side.rules_version.clone();
    let width = name(&found.deployed).len().max(name(&found.candidate).len()).max(5);
    text.push_str(&format!(
        "  {:<9} {:<width$} {:>8} {:>8} {:>8} {:>10} {:>8}\n",
        "", "rules", "alerts", "fraud", "ok", "precision", "recall"
    ));
    for (title, side) in [("deployed", &found.deployed), ("candidate", &found.candidate)] {
        text.push_str(&format!(
            "  {title:<9} {:<width$} {:>8} {:>8} {:>8} {:>10} {:>8}\n",
            side.rules_version,
            side.alerts,
            side.alerts_fraud,
            side.alerts_ok,
            share(side.precision),
            share(side.recall)
        ));
    }
    for (title, changed) in [("newly alerted", &found.newly), ("no longer alerted", &found.no_longer)] {
        text.push_str(&examples(title, changed));
    }
    text
}

fn share(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{share:.3}"))
}

fn examples(title: &str, changed: &Changed) -> String {
    let mut text = format!("\n{} {title}", changed.count);
    if changed.examples.is_empty() {
        return text;
    }
    text.push_str(":\n");
    for one in &changed.examples {
        let label = one.label.map(|label| format!(", labelled {label}")).unwrap_or_default();
        text.push_str(&format!(
            "  {} of {}{label}: {} -> {}\n",
            escape(&one.transaction_id),
            one.amount,
            one.deployed,
            one.candidate
        ));
        for reason in &one.reasons {
            text.push_str(&format!(
                "    {} {} over {}, weight {}\n",
                reason.code, reason.observed, reason.limit, reason.weight
            ));
        }
    }
    if changed.examples.len() as u64 != changed.count {
        text.push_str("  ...\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployed(source: Source) -> Deployed {
        Deployed {
            rules: Rules::builtin().clone(),
            source,
            parameter: "/p".to_owned(),
        }
    }

    #[test]
    fn it_is_said_whose_rules_hold_and_why() {
        assert!(origin(&deployed(Source::Parameter)).contains("of the parameter /p"));
        assert!(origin(&deployed(Source::Absent)).contains("built-in ones"));
        let broken = origin(&deployed(Source::Broken("no version".into())));
        assert!(
            broken.contains("built-in ones") && broken.contains("no version"),
            "{broken}"
        );
    }

    #[test]
    fn one_name_for_two_sets_of_rules_is_told() {
        let change = Difference {
            path: "a".into(),
            from: Value::Null,
            to: json!(1),
        };
        let deployed = deployed(Source::Parameter);
        assert!(same_name(&deployed, Rules::builtin(), &[]).is_none());
        assert!(same_name(&deployed, &Rules::bare(), std::slice::from_ref(&change)).is_none());
        assert!(same_name(&deployed, Rules::builtin(), &[change]).is_some());
    }
}
