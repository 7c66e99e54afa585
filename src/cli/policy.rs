//! Prints the IAM policies that fraudctl itself needs.

use super::exit::Exit;
use super::scope::{BuildArgs, LOCAL_ACCOUNT, ScopeArgs};
use super::target::TargetArgs;
use super::{json, print};
use crate::config::{Location, Settings};
use crate::stack::Stack;
use crate::stack::policy::{Bounds, LONGEST, Part, Purpose, parts};
use crate::state::for_shell;
use crate::ui::Progress;
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// Prints the IAM policies that a principal needs to run fraudctl on this environment, as documents for `aws iam
/// create-policy`. Asks AWS only who we are, and with --account and --region not even that.
#[derive(Debug, Args)]
pub struct PolicyArgs {
    /// What the principal is to do
    #[arg(long = "for", value_enum, default_value_t = For::Deploy)]
    purpose: For,
    /// The account that the environment is in [default: the caller's]
    #[arg(long, requires = "region", conflicts_with = "local", value_parser = account)]
    account: Option<String>,
    /// The partition that the region is in [default: the one that the region's name tells]
    #[arg(long, value_parser = partition)]
    partition: Option<String>,
    /// Print only this part, counted from 1
    #[arg(long, value_name = "N", conflicts_with_all = ["out", "json"])]
    part: Option<usize>,
    /// Write each part into a file of its own in this folder, and print the commands that make policies of them
    #[arg(long, value_name = "FOLDER", conflicts_with = "json")]
    out: Option<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Print one JSON document with all parts, their names and lengths
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum For {
    /// up, down, and all of diff
    Deploy,
    /// diff, status and output: nothing that changes anything
    Diff,
    /// send, output api_key, label, rules, load, and train --from table
    Operate,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Policies<'a> {
    env: &'a str,
    account: &'a str,
    region: &'a str,
    partition: &'a str,
    r#for: &'a str,
    parts: &'a [Part],
}

fn account(text: &str) -> Result<String, &'static str> {
    match text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(text.to_owned()),
        false => Err("an account's number has 12 digits"),
    }
}

fn partition(text: &str) -> Result<String, &'static str> {
    let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    match plain && text.split('-').next() == Some("aws") {
        true => Ok(text.to_owned()),
        false => Err("a partition is named aws, aws-cn, aws-us-gov or the like"),
    }
}

/// The partition of a region, by its name: <https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html>
fn partition_of(region: &str) -> &'static str {
    let partitions = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
        ("eusc-", "aws-eusc"),
    ];
    let of = partitions.iter().find(|(begins, _)| region.starts_with(begins));
    of.map_or("aws", |(_, partition)| partition)
}

/// Where the environment is: the account, the region and the partition.
async fn place(args: &PolicyArgs, settings: &Settings, location: &Location) -> Result<(String, String, String), Exit> {
    let named = |account: &str, region: &str| (account.to_owned(), region.to_owned(), partition_of(region).to_owned());
    match (&args.account, &args.scope.region) {
        (Some(account), Some(region)) => {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if region.is_empty() || !region.chars().all(plain) {
                let why = format!("{region:?} is not the name of an AWS region; it looks like us-east-1");
                return Err(Exit::usage(why));
            }
            Ok(named(account, region))
        }
        _ if args.scope.local => Ok(named(LOCAL_ACCOUNT, &args.scope.local_region())),
        _ => {
            let connected = args.scope.connect(&Progress::new(), location, Some(settings)).await;
            let aws = connected.map_err(|why| Exit {
                message: format!("{}. With --account and --region nobody is asked", why.message),
                ..why
            })?;
            Ok((aws.account.clone(), aws.region.clone(), aws.partition().to_owned()))
        }
    }
}

pub async fn run(args: PolicyArgs) -> Result<(), Exit> {
    let settings = args.scope.settings(&BuildArgs::default())?;
    let location = args.scope.state_location(&settings)?;
    let (account, region, partition) = place(&args, &settings, &location).await?;
    let partition = args.partition.as_ref().unwrap_or(&partition);
    let stack = Stack {
        settings: &settings,
        account: &account,
        region: &region,
        partition,
        endpoint: None,
    };
    let purpose = match args.purpose {
        For::Deploy => Purpose::Deploy,
        For::Diff => Purpose::Diff,
        For::Operate => Purpose::Operate,
    };
    let bounds = Bounds {
        role_path: Some(&settings.role_path),
        permissions_boundary: settings.permissions_boundary.as_deref(),
    };
    let parts = parts(&stack, purpose, &location, bounds);
    if args.json {
        return json::print(&Policies {
            env: &settings.env,
            account: &account,
            region: &region,
            partition,
            r#for: purpose.name(),
            parts: &parts,
        });
    }
    let told = format!("environment {} in account {account}, region {region}", settings.env);
    match (&args.out, args.part) {
        (Some(folder), _) => write(&args, folder, &parts, &told),
        (None, Some(number)) => {
            let part = number.checked_sub(1).and_then(|index| parts.get(index));
            let part = part.ok_or_else(|| {
                let count = parts.len();
                Exit::usage(format!(
                    "--part: there is no part {number}; the parts are counted from 1, and there are {count}"
                ))
            })?;
            json::print(&part.document)
        }
        (None, None) => {
            print::remark(format_args!(
                "{} of {told}; each is a document of its own:",
                count(parts.len())
            ));
            for part in &parts {
                print::remark(format_args!(
                    "  {} ({} of the {LONGEST} characters that IAM takes)",
                    part.name, part.characters
                ));
            }
            parts.iter().try_for_each(|part| json::print(&part.document))
        }
    }
}

fn count(parts: usize) -> String {
    match parts {
        1 => "One policy".to_owned(),
        many => format!("{many} policies, each needed,"),
    }
}

/// Writes each part into a file of its name, and prints the commands that make policies of them.
fn write(args: &PolicyArgs, folder: &Path, parts: &[Part], told: &str) -> Result<(), Exit> {
    let target = args.target;
    fs::create_dir_all(folder)
        .map_err(|why| Exit::failed(format!("--out: cannot make the folder {}: {why}", folder.display())))?;
    let files: Vec<PathBuf> = parts
        .iter()
        .map(|part| folder.join(format!("{}.json", part.name)))
        .collect();
    // Before the first is written: all of them or none.
    files.iter().try_for_each(|file| target.check("--out", file))?;
    for (part, file) in parts.iter().zip(&files) {
        let text = serde_json::to_string_pretty(&part.document).map_err(|why| Exit::failed(why.to_string()))?;
        target.write("--out", file, &format!("{text}\n"))?;
    }
    print::remark(format_args!(
        "{} of {told} in {}:",
        count(parts.len()),
        folder.display()
    ));
    // With other credentials they would come into another account.
    let profile = args.scope.profile.as_ref();
    let profile = profile.map_or(String::new(), |profile| format!(" --profile {}", for_shell(profile)));
    for (part, file) in parts.iter().zip(&files) {
        print::line(format_args!(
            "aws iam create-policy{profile} --policy-name {} --policy-document {}",
            part.name,
            for_shell(&format!("file://{}", file.display()))
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_partitions_are_told_from_what_is_none() {
        assert!(account("111122223333").is_ok());
        for text in ["", "1111222233", "11112222333a", "1111-2222-3333"] {
            assert!(account(text).is_err(), "{text}");
        }
        assert!(partition("aws").is_ok() && partition("aws-us-gov").is_ok());
        for text in ["", "gcp", "AWS", "awsome", "aws:cn"] {
            assert!(partition(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_region_tells_its_partition() {
        assert_eq!(partition_of("eu-west-1"), "aws");
        assert_eq!(partition_of("cn-north-1"), "aws-cn");
        assert_eq!(partition_of("us-gov-west-1"), "aws-us-gov");
        assert_eq!(partition_of("eusc-de-east-1"), "aws-eusc");
        assert_eq!(partition_of("us-isob-east-1"), "aws-iso-b");
    }
}
