use super::exit::Exit;
use super::{json, print};
use crate::local::{self, LocalAws, LocalError, Options};
use crate::ui::Progress;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

/// The local AWS: an emulator below your cache directory that needs no account, no Docker and no token, and listens on
/// 127.0.0.1 alone.
#[derive(Debug, Args)]
pub struct LocalArgs {
    #[command(subcommand)]
    command: LocalCommand,
    #[command(flatten)]
    options: LocalOptions,
    /// Print one JSON document
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
enum LocalCommand {
    /// Start it, or find it running
    Start,
    /// Tell whether it runs, and where its log is
    Status,
    /// Stop it; what is deployed there stays
    Stop,
    /// Make it forget everything that is deployed there
    Reset,
}

/// Which local AWS.
#[derive(Clone, Debug, Args)]
pub struct LocalOptions {
    /// The port of the local AWS on 127.0.0.1
    #[arg(long, env = "FRAUDCTL_LOCAL_PORT", hide_env_values = true, default_value_t = local::DEFAULT_PORT, value_parser = clap::value_parser!(u16).range(1..), hide_short_help = true, global = true)]
    local_port: u16,
    /// Where the local AWS is installed and keeps its state [default: fraudctl/ in your cache directory]
    #[arg(
        long,
        env = "FRAUDCTL_CACHE_DIR",
        hide_env_values = true,
        value_name = "DIR",
        hide_short_help = true,
        global = true
    )]
    cache_dir: Option<PathBuf>,
}

impl LocalOptions {
    fn options(&self) -> Result<Options, LocalError> {
        let options = match &self.cache_dir {
            Some(folder) => Options::below(folder.clone()),
            None => Options::for_user()?,
        };
        Ok(Options {
            port: self.local_port,
            ..options
        })
    }

    /// The flags that lead to the same local AWS, as far as it is not the usual one.
    pub fn flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        if self.local_port != local::DEFAULT_PORT {
            flags.extend(["--local-port".to_owned(), self.local_port.to_string()]);
        }
        if let Some(folder) = &self.cache_dir {
            flags.extend(["--cache-dir".to_owned(), folder.display().to_string()]);
        }
        flags
    }

    /// Where it answers, or would.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.local_port)
    }

    /// Finds it, or starts it.
    pub async fn start(&self, progress: &Progress) -> Result<LocalAws, Exit> {
        Ok(local::start(&self.options()?, &|line| progress.say(line)).await?)
    }
}

pub async fn run(args: LocalArgs) -> Result<(), Exit> {
    let progress = Progress::new();
    let options = args.options.options()?;
    let running = match args.command {
        LocalCommand::Start => Some(args.options.start(&progress).await?),
        LocalCommand::Status => local::status(&options).await?,
        LocalCommand::Stop => {
            let stopped = local::stop(&options, &|line| progress.say(line)).await?;
            return said(
                &args,
                json!({"stopped": stopped}),
                if stopped { "Stopped." } else { "It does not run." },
            );
        }
        LocalCommand::Reset => {
            local::reset(&options, &|line| progress.say(line)).await?;
            return said(
                &args,
                json!({"reset": true}),
                "Everything that was deployed locally is forgotten.",
            );
        }
    };
    let document = json!({
        "running": running.is_some(),
        "endpoint": running.as_ref().map(|r| &r.endpoint),
        "pid": running.as_ref().map(|r| r.pid),
        "log": running.as_ref().map(|r| &r.log),
    });
    let text = running.map_or_else(
        || "The local AWS does not run. `fraudctl local start` starts it.".to_owned(),
        |r| {
            format!(
                "The local AWS runs at {} (process {}, log {}).",
                r.endpoint,
                r.pid,
                r.log.display()
            )
        },
    );
    said(&args, document, &text)
}

fn said(args: &LocalArgs, document: serde_json::Value, text: &str) -> Result<(), Exit> {
    if args.json {
        json::print(&document)
    } else {
        print::line(text)
    }
}
