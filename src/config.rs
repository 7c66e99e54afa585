//! What a user chooses: flags, environment variables and `fraudctl.toml`, brought together and validated once.

mod error;
mod iam;
mod location;
pub mod tags;

pub use error::ConfigError;
pub use location::{Location, LocationError};
use tags::TagPatterns;

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The environment's name when none is given.
pub const DEFAULT_ENV: &str = "dev";
/// The configuration file's name.
pub const FILE: &str = "fraudctl.toml";

/// Everything that may differ between environments.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The environment's name, part of every resource's name.
    pub env: String,
    /// The processor architecture of the functions, as AWS spells it.
    pub arch: String,
    /// The score above which a transaction raises an alert, 0 to 1.
    pub fraud_threshold: String,
    /// Who is told; an address at example.com is nobody.
    pub alert_email: String,
    /// Days for which logs are kept.
    pub log_retention_days: u32,
    /// API requests a day.
    pub requests_per_day: u32,
    /// The rules that score transactions, as JSON, where they are kept in a file; else they are the analyst's.
    pub rules: Option<String>,
    /// The function that takes transactions.
    pub processor: Function,
    /// The function that looks for patterns.
    pub analyzer: Function,
    /// Where the state is kept, where the settings say it.
    pub state: Option<Location>,
    /// The account that owns the state's bucket, where it is another one than the environment's.
    pub state_account: Option<String>,
    /// The account that the environment is held to.
    pub account: Option<String>,
    /// The region that the environment is held to.
    pub region: Option<String>,
    /// The profile in the AWS configuration files.
    pub profile: Option<String>,
    /// Where it is said that the environment is protected, if it is: `fraudctl.toml, [env.prod]`.
    pub protect: Option<String>,
    /// Tags beside the project's own.
    pub tags: BTreeMap<String, String>,
    /// The tags of others, which are left alone.
    pub ignore_tags: TagPatterns,
    /// The ARN of the policy that bounds what the roles may do, where one is set.
    pub permissions_boundary: Option<String>,
    /// The path of the roles and of their policies in IAM, `/` or such as `/team/`.
    pub role_path: String,
}

/// What can be chosen of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Megabytes, 128 to 10240.
    pub memory_mb: u32,
    /// Seconds, 1 to 900.
    pub timeout_seconds: u32,
    /// Concurrent executions set aside for it, where any are.
    pub reserved_concurrency: Option<u32>,
}

/// The file: the top level holds for all environments, `[env.NAME]` overrides it for one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    env: BTreeMap<String, Section>,
    // Spelled out, because flattening and refusing unknown keys exclude each other.
    arch: Option<String>,
    fraud_threshold: Option<toml::Value>,
    alert_email: Option<String>,
    log_retention_days: Option<u32>,
    requests_per_day: Option<u32>,
    rules: Option<PathBuf>,
    state: Option<PathBuf>,
    state_account: Option<toml::Value>,
    account: Option<toml::Value>,
    region: Option<String>,
    profile: Option<String>,
    protect: Option<bool>,
    #[serde(default)]
    processor: FunctionSection,
    #[serde(default)]
    analyzer: FunctionSection,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    ignore_tags: Option<Vec<String>>,
    permissions_boundary: Option<String>,
    role_path: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    arch: Option<String>,
    fraud_threshold: Option<toml::Value>,
    alert_email: Option<String>,
    log_retention_days: Option<u32>,
    requests_per_day: Option<u32>,
    rules: Option<PathBuf>,
    state: Option<PathBuf>,
    state_account: Option<toml::Value>,
    account: Option<toml::Value>,
    region: Option<String>,
    profile: Option<String>,
    protect: Option<bool>,
    #[serde(default)]
    processor: FunctionSection,
    #[serde(default)]
    analyzer: FunctionSection,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    ignore_tags: Option<Vec<String>>,
    permissions_boundary: Option<String>,
    role_path: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FunctionSection {
    memory_mb: Option<u32>,
    timeout_seconds: Option<u32>,
    reserved_concurrency: Option<u32>,
}

/// What a command line may override.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--arch`.
    pub arch: Option<String>,
    /// `--no-reserved-concurrency`.
    pub no_reserved_concurrency: bool,
}

/// Reads `fraudctl.toml` in `folder`, where there is one, for this environment.
///
/// # Errors
/// A name, a file or a value that cannot be used, saying which and why.
pub fn load(folder: &Path, env: &str, overrides: &Overrides) -> Result<Settings, ConfigError> {
    let path = folder.join(FILE);
    if path.exists() {
        return load_file(&path, env, overrides);
    }
    check_env(env)?;
    settings(env, folder, &File::default(), overrides)
}

/// Reads this file, which must be there, for this environment.
///
/// # Errors
/// As [`load`].
pub fn load_file(path: &Path, env: &str, overrides: &Overrides) -> Result<Settings, ConfigError> {
    check_env(env)?;
    let path = path.to_owned();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(why) => return Err(ConfigError::Unreadable { path, why }),
    };
    let file: File = toml::from_str(&text).map_err(|why| ConfigError::Malformed {
        path: path.clone(),
        why: Box::new(why),
        hint: if is_unquoted_account(&text) {
            "\nan account is text: write its 12 digits in quotes"
        } else {
            ""
        },
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    // The other environments too: a mistake in production's section is better found today.
    for other in file.env.keys().filter(|other| *other != env) {
        check_env(other).map_err(|why| ConfigError::Section {
            path: path.clone(),
            why: Box::new(why),
        })?;
        settings(other, folder, &file, &Overrides::default()).map_err(|why| why.in_file(&path, other))?;
    }
    let mut settings = settings(env, folder, &file, overrides).map_err(|why| why.in_file(&path, env))?;
    settings.protect = settings.protect.map(|section| format!("{}, {section}", path.display()));
    Ok(settings)
}

/// Is this a name that an environment may have? It is a part of file names and of every resource's name.
///
/// # Errors
/// It is not, and why.
pub fn check_env(env: &str) -> Result<(), ConfigError> {
    // Lower case: IAM's names are unique without regard to case, so `Dev` would meet the roles of `dev`.
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let allowed = |c: char| plain(c) || c == '-' || c == '_';
    let first = env.chars().next().is_some_and(plain);
    // 32: the longest name is `transaction-processor-role-{env}`, and IAM takes 64 characters.
    if first && env.len() <= 32 && env.chars().all(allowed) {
        Ok(())
    } else {
        Err(ConfigError::Env(env.to_owned()))
    }
}

/// What holds for one environment. Paths in the file begin at `folder`.
fn settings(env: &str, folder: &Path, file: &File, overrides: &Overrides) -> Result<Settings, ConfigError> {
    let mine = file.env.get(env).cloned().unwrap_or_default();
    let unusable = |why| ConfigError::Tag { at: String::new(), why };
    tags::check("[tags]", &file.tags).map_err(unusable)?;
    tags::check(&format!("[env.{env}.tags]"), &mine.tags).map_err(unusable)?;
    let mut tags = file.tags.clone();
    tags.extend(mine.tags);
    tags::check_together(&tags).map_err(unusable)?;
    let patterns = mine
        .ignore_tags
        .or_else(|| file.ignore_tags.clone())
        .unwrap_or_default();
    let concurrency = |default: u32, all: &FunctionSection, one: &FunctionSection| {
        let wanted = one.reserved_concurrency.or(all.reserved_concurrency).unwrap_or(default);
        (!overrides.no_reserved_concurrency && wanted > 0).then_some(wanted)
    };
    let function = |defaults: (u32, u32, u32), all: &FunctionSection, one: &FunctionSection| Function {
        memory_mb: one.memory_mb.or(all.memory_mb).unwrap_or(defaults.0),
        timeout_seconds: one.timeout_seconds.or(all.timeout_seconds).unwrap_or(defaults.1),
        reserved_concurrency: concurrency(defaults.2, all, one),
    };
    let settings = Settings {
        env: env.to_owned(),
        arch: overrides
            .arch
            .clone()
            .or(mine.arch)
            .or_else(|| file.arch.clone())
            .unwrap_or_else(|| "arm64".to_owned()),
        fraud_threshold: mine
            .fraud_threshold
            .or_else(|| file.fraud_threshold.clone())
            .map_or_else(|| "0.85".to_owned(), plain),
        alert_email: mine
            .alert_email
            .or_else(|| file.alert_email.clone())
            .unwrap_or_else(|| "alerts@example.com".to_owned()),
        log_retention_days: mine.log_retention_days.or(file.log_retention_days).unwrap_or(30),
        requests_per_day: mine.requests_per_day.or(file.requests_per_day).unwrap_or(1000),
        rules: mine
            .rules
            .as_ref()
            .or(file.rules.as_ref())
            .map(|path| rules(&folder.join(path)))
            .transpose()?,
        state: mine
            .state
            .as_ref()
            .or(file.state.as_ref())
            .map(|path| state(env, folder, path))
            .transpose()?,
        state_account: account(
            "state_account",
            mine.state_account.or_else(|| file.state_account.clone()),
        )?,
        account: account("account", mine.account.or_else(|| file.account.clone()))?,
        region: mine.region.or_else(|| file.region.clone()),
        profile: mine.profile.or_else(|| file.profile.clone()),
        protect: match (mine.protect, file.protect) {
            (Some(here), _) => here.then(|| format!("[env.{env}]")),
            (None, everywhere) => everywhere.unwrap_or_default().then(|| "at the top".to_owned()),
        },
        processor: function((512, 30, 5), &file.processor, &mine.processor),
        analyzer: function((1024, 60, 2), &file.analyzer, &mine.analyzer),
        ignore_tags: TagPatterns::new(patterns, &tags).map_err(unusable)?,
        tags,
        permissions_boundary: mine
            .permissions_boundary
            .or_else(|| file.permissions_boundary.clone())
            .filter(|arn| !arn.is_empty()),
        role_path: mine
            .role_path
            .or_else(|| file.role_path.clone())
            .unwrap_or_else(|| "/".to_owned()),
    };
    check(&settings)?;
    Ok(settings)
}

/// An account's number, which is text: it may begin with zeros.
fn account(key: &'static str, given: Option<toml::Value>) -> Result<Option<String>, ConfigError> {
    match given {
        None => Ok(None),
        Some(toml::Value::String(id)) if id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(id)),
        Some(other) => {
            let must = "the 12 digits of an AWS account in quotes, such as \"012345678901\"";
            refuse(key, &plain(other), must).map(|()| None)
        }
    }
}

/// Where the environment's state is; a folder begins at `folder`.
fn state(env: &str, folder: &Path, path: &Path) -> Result<Location, ConfigError> {
    let location = Location::of_env(path, env).map_err(|why| ConfigError::State { at: String::new(), why })?;
    Ok(match location {
        Location::Folder(path) => Location::Folder(folder.join(path)),
        bucket @ Location::Bucket { .. } => bucket,
    })
}

/// What Parameter Store takes in a standard parameter: API reference, `PutParameter`.
const LONGEST_PARAMETER: usize = 4096;

/// The rules in a file, in their one canonical form.
fn rules(path: &Path) -> Result<String, ConfigError> {
    let refused = |why: String| ConfigError::Rules {
        at: String::new(),
        path: path.to_owned(),
        why,
    };
    let text = std::fs::read_to_string(path).map_err(|why| refused(why.to_string()))?;
    // The mark that some editors put before UTF-8 text.
    let text = text.trim_start_matches('\u{feff}');
    let rules = fraud::Rules::parse(text).map_err(|why| refused(why.to_string()))?;
    let canonical = rules.to_json();
    if canonical.len() > LONGEST_PARAMETER {
        let why = format!(
            "it is {} bytes long without blanks, but a parameter takes at most {LONGEST_PARAMETER}",
            canonical.len()
        );
        return Err(refused(why));
    }
    Ok(canonical)
}

/// What TOML itself refuses of an account's number without quotes.
fn is_unquoted_account(text: &str) -> bool {
    text.lines().any(|line| {
        let (key, value) = line.split_once('=').unwrap_or_default();
        matches!(key.trim(), "account" | "state_account")
            && value.trim_start().starts_with(|c: char| c.is_ascii_digit())
    })
}

/// A threshold may be written as a number or as text.
fn plain(value: toml::Value) -> String {
    match value {
        toml::Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The days that CloudWatch Logs accepts: API reference, `PutRetentionPolicy`.
const RETENTIONS: &[u32] = &[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

fn check(settings: &Settings) -> Result<(), ConfigError> {
    let range = |key, value: u32, low: u32, high: u32, must| {
        if (low..=high).contains(&value) {
            Ok(())
        } else {
            refuse(key, &value.to_string(), must)
        }
    };
    if !matches!(settings.arch.as_str(), "arm64" | "x86_64") {
        return refuse("arch", &settings.arch, "`arm64` or `x86_64`");
    }
    let threshold: Option<f64> = settings.fraud_threshold.parse().ok();
    if !threshold.is_some_and(|t| (0.0..=1.0).contains(&t)) {
        return refuse("fraud_threshold", &settings.fraud_threshold, "a number from 0 to 1");
    }
    let (user, host) = settings.alert_email.split_once('@').unwrap_or_default();
    if user.is_empty() || !host.contains('.') || settings.alert_email.contains(char::is_whitespace) {
        return refuse("alert_email", &settings.alert_email, "an e-mail address");
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if let Some(region) = settings
        .region
        .as_ref()
        .filter(|region| region.is_empty() || !region.chars().all(plain))
    {
        return refuse("region", region, "the name of an AWS region, such as us-east-1");
    }
    if let Some(profile) = settings.profile.as_ref().filter(|profile| profile.trim().is_empty()) {
        return refuse("profile", profile, "the name of a profile in ~/.aws/config");
    }
    if !RETENTIONS.contains(&settings.log_retention_days) {
        let value = settings.log_retention_days.to_string();
        return refuse(
            "log_retention_days",
            &value,
            "a number of days that CloudWatch Logs accepts, such as 7, 30 or 365",
        );
    }
    range(
        "requests_per_day",
        settings.requests_per_day,
        1,
        1_000_000_000,
        "at least 1",
    )?;
    for (memory, timeout, function) in [
        ("processor.memory_mb", "processor.timeout_seconds", &settings.processor),
        ("analyzer.memory_mb", "analyzer.timeout_seconds", &settings.analyzer),
    ] {
        range(memory, function.memory_mb, 128, 10_240, "128 to 10240 (MB)")?;
        range(timeout, function.timeout_seconds, 1, 900, "1 to 900 (seconds)")?;
    }
    if let Some(arn) = settings
        .permissions_boundary
        .as_ref()
        .filter(|arn| !iam::is_policy_arn(arn))
    {
        return refuse("permissions_boundary", arn, iam::BOUNDARY);
    }
    if !iam::is_path(&settings.role_path) {
        return refuse("role_path", &settings.role_path, iam::PATH);
    }
    Ok(())
}

fn refuse(key: &'static str, value: &str, must: &'static str) -> Result<(), ConfigError> {
    Err(ConfigError::Value {
        at: String::new(),
        key,
        value: value.to_owned(),
        must,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, env: &str) -> Result<Settings, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), text).unwrap();
        load(folder.path(), env, &Overrides::default())
    }

    #[test]
    fn without_a_file_everything_has_its_default() {
        let folder = tempfile::tempdir().unwrap();
        let settings = load(folder.path(), "dev", &Overrides::default()).unwrap();
        assert_eq!(
            (settings.arch.as_str(), settings.fraud_threshold.as_str()),
            ("arm64", "0.85")
        );
        assert_eq!(settings.processor.reserved_concurrency, Some(5));
        assert_eq!(settings.analyzer.memory_mb, 1024);
    }

    #[test]
    fn an_environment_overrides_what_holds_for_all() {
        let text = "fraud_threshold = 0.9\n[tags]\nTeam = \"a\"\n[env.prod]\nfraud_threshold = \"0.8\"\n[env.prod.processor]\nmemory_mb = 1024\n";
        assert_eq!(read(text, "dev").unwrap().fraud_threshold, "0.9");
        let prod = read(text, "prod").unwrap();
        assert_eq!((prod.fraud_threshold.as_str(), prod.processor.memory_mb), ("0.8", 1024));
        assert_eq!(prod.tags["Team"], "a");
    }

    #[test]
    fn what_protects_an_environment_is_known_by_its_place() {
        let place = |text: &str, env: &str| read(text, env).unwrap().protect;
        assert_eq!(place("", "prod"), None);
        assert_eq!(place("[env.prod]\nprotect = true\n", "dev"), None);
        let section = place("[env.prod]\nprotect = true\n", "prod").unwrap();
        assert!(section.ends_with("fraudctl.toml, [env.prod]"), "{section}");
        let top = "protect = true\n[env.dev]\nprotect = false\n";
        assert!(place(top, "prod").unwrap().ends_with("fraudctl.toml, at the top"));
        assert_eq!(place(top, "dev"), None);
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        assert!(
            read("alert_mail = 1", "dev")
                .unwrap_err()
                .to_string()
                .contains("alert_mail")
        );
        assert!(
            read("arch = \"mips\"", "dev")
                .unwrap_err()
                .to_string()
                .contains("arm64")
        );
        assert!(
            read("fraud_threshold = 1.5", "dev")
                .unwrap_err()
                .to_string()
                .contains("0 to 1")
        );
        assert!(
            read("log_retention_days = 31", "dev")
                .unwrap_err()
                .to_string()
                .contains("31")
        );
        assert!(
            read("[env.dev]\nx = [", "dev")
                .unwrap_err()
                .to_string()
                .contains("line 2")
        );
    }

    #[test]
    fn a_tag_that_aws_would_refuse_is_told_with_file_table_key_and_what_is_allowed() {
        let refused = |text: &str, env: &str| read(text, env).unwrap_err().to_string();
        let why = refused("[tags]\nOwner = \"R&D (Fraud), EMEA\"\n", "dev");
        for part in [FILE, "environment dev", "[tags]", "Owner", "'&'", "letters, digits"] {
            assert!(why.contains(part), "{why}");
        }
        // Also of an environment that is not the one in question.
        let why = refused("[env.prod.tags]\n\"AWS:x\" = \"\"\n", "dev");
        for part in [FILE, "environment prod", "[env.prod.tags]", "AWS:x"] {
            assert!(why.contains(part), "{why}");
        }
        let why = refused("[tags]\nenvironment = \"x\"\n", "dev");
        assert!(why.contains("Environment, which fraudctl sets"), "{why}");
        let why = refused("[tags]\nOwner = \"a\"\n[env.prod.tags]\nowner = \"b\"\n", "dev");
        assert!(why.contains("environment prod") && why.contains("Owner"), "{why}");
    }

    #[test]
    fn tags_of_others_are_named_for_all_environments_or_for_one() {
        let text = "ignore_tags = [\"AutoTag_*\"]\n[env.prod]\nignore_tags = []\n";
        assert!(read(text, "dev").unwrap().ignore_tags.matches("AutoTag_Creator"));
        assert!(!read(text, "prod").unwrap().ignore_tags.matches("AutoTag_Creator"));
        let why = read("ignore_tags = [\"*\"]\n", "dev").unwrap_err().to_string();
        for part in [FILE, "environment dev", "ignore_tags", "Environment"] {
            assert!(why.contains(part), "{why}");
        }
        // What one environment asks for may not be hidden by what holds for all.
        let text = "ignore_tags = [\"Team\"]\n[env.prod.tags]\nTeam = \"a\"\n";
        let why = read(text, "dev").unwrap_err().to_string();
        assert!(why.contains("environment prod") && why.contains("Team"), "{why}");
    }

    #[test]
    fn a_boundary_and_a_path_are_checked_and_may_differ_by_environment() {
        let text = "permissions_boundary = \"arn:aws:iam::123456789012:policy/b\"\nrole_path = \"/team/\"\n\
                    [env.dev]\npermissions_boundary = \"\"\nrole_path = \"/\"\n";
        let prod = read(text, "prod").unwrap();
        assert_eq!(
            prod.permissions_boundary.as_deref(),
            Some("arn:aws:iam::123456789012:policy/b")
        );
        assert_eq!(prod.role_path, "/team/");
        let dev = read(text, "dev").unwrap();
        assert_eq!((dev.permissions_boundary, dev.role_path.as_str()), (None, "/"));
        for (text, key) in [
            ("permissions_boundary = \"boundary\"", "permissions_boundary"),
            ("role_path = \"team\"", "role_path"),
        ] {
            let why = read(text, "dev").unwrap_err().to_string();
            assert!(
                why.contains(FILE) && why.contains(key) && why.contains("must be"),
                "{why}"
            );
        }
    }

    #[test]
    fn rules_are_read_from_beside_the_settings_and_only_where_they_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let builtin = fraud::Rules::builtin().to_json();
        std::fs::create_dir(folder.path().join("rules")).unwrap();
        std::fs::write(folder.path().join("rules/mine.json"), format!("\n{builtin}\n")).unwrap();
        std::fs::write(folder.path().join(FILE), "[env.prod]\nrules = \"rules/mine.json\"\n").unwrap();
        let rules = |env: &str| load(folder.path(), env, &Overrides::default()).unwrap().rules;
        assert_eq!(rules("dev"), None);
        assert_eq!(rules("prod"), Some(builtin));
    }

    #[test]
    fn rules_that_cannot_be_used_are_told_with_their_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "[env.prod]\nrules = \"mine.json\"\n").unwrap();
        let refused = || {
            load(folder.path(), "dev", &Overrides::default())
                .unwrap_err()
                .to_string()
        };
        let missing = refused();
        for part in [FILE, "environment prod", "rules: ", "mine.json", "No such file"] {
            assert!(missing.contains(part), "{missing}");
        }
        std::fs::write(folder.path().join("mine.json"), "{\n\"version\": }").unwrap();
        let wrong = refused();
        for part in ["environment prod", "mine.json cannot be used", "line 2"] {
            assert!(wrong.contains(part), "{wrong}");
        }
    }

    #[test]
    fn the_state_has_a_place_of_its_own_for_each_environment() {
        let text = "state = \"shared\"\n[env.prod]\nstate = \"s3://my-bucket/fraud\"\n";
        let Some(Location::Folder(folder)) = read(text, "dev").unwrap().state else {
            panic!("no folder");
        };
        assert!(folder.is_absolute() && folder.ends_with("shared"), "{folder:?}");
        let bucket = Location::Bucket {
            name: "my-bucket".into(),
            prefix: "fraud".into(),
        };
        assert_eq!(read(text, "prod").unwrap().state, Some(bucket));
        assert_eq!(read("", "prod").unwrap().state, None);
        let why = read("[env.prod]\nstate = \"s3://My_Bucket\"\n", "dev")
            .unwrap_err()
            .to_string();
        for part in [FILE, "environment prod", "state: ", "s3://My_Bucket", "lower-case"] {
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn an_environment_is_held_to_an_account_a_region_and_a_profile() {
        let text = "account = \"012345678901\"\nregion = \"eu-west-1\"\n[env.prod]\naccount = \"111122223333\"\n\
                    profile = \"prod\"\nstate_account = \"000000000000\"\n";
        let pins = |env: &str| {
            let read = read(text, env).unwrap();
            [read.account, read.region, read.profile, read.state_account].map(Option::unwrap_or_default)
        };
        assert_eq!(pins("dev"), ["012345678901", "eu-west-1", "", ""]);
        assert_eq!(pins("prod"), ["111122223333", "eu-west-1", "prod", "000000000000"]);
        for wrong in [
            "account = 123456789012",
            "account = \"1234\"",
            "account = \"1234-5678-9012\"",
            "account = \"12345678901x\"",
            "account = [\"123456789012\"]",
            "account = 012345678901",
            "state_account = 012345678901",
            "state_account = \"me\"",
        ] {
            let said = read(wrong, "dev").unwrap_err().to_string();
            assert!(said.contains("12 digits") && said.contains("in quotes"), "{said}");
        }
        for (wrong, part) in [
            ("region = \"EU West\"", "us-east-1"),
            ("region = \"\"", "us-east-1"),
            ("profile = \" \"", "~/.aws"),
        ] {
            let said = read(&format!("[env.prod]\n{wrong}\n"), "dev").unwrap_err().to_string();
            assert!(said.contains("environment prod") && said.contains(part), "{said}");
        }
    }

    #[test]
    fn a_mistake_in_another_environment_is_told_with_its_place() {
        let why = read("[env.prod.processor]\nmemory_mb = 1\n", "dev")
            .unwrap_err()
            .to_string();
        for part in [FILE, "environment prod", "processor.memory_mb", "128"] {
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn environment_names_that_aws_would_refuse_are_refused() {
        for bad in ["", "a b", "a/b", "../x", "ä", "-a", "a.b", "Dev", "pR", &"x".repeat(33)] {
            assert!(matches!(read("", bad), Err(ConfigError::Env(_))), "{bad:?}");
        }
        for good in ["dev", "pr-12", "a_1", &"x".repeat(32)] {
            assert!(read("", good).is_ok(), "{good:?}");
        }
    }
}
