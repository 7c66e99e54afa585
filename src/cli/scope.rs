//! What most commands need: which environment, where, with which settings.

use super::exit::Exit;
use super::local::LocalOptions;
use super::print;
use super::stop::Stop;
use crate::artifact::{self, Builder, Flavor};
use crate::aws::s3::Bucket;
use crate::aws::{Aws, Connection, Local, Registry};
use crate::config::{self, Location, Overrides, Settings};
use crate::engine::Graph;
use crate::stack::Stack;
use crate::state::{Home, Lock, LockError, Place, Store, for_shell};
use crate::ui::Progress;
use clap::Args;
use clap::builder::{NonEmptyStringValueParser, OsStringValueParser, TypedValueParser};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The account of the local AWS.
pub const LOCAL_ACCOUNT: &str = "000000000000";

/// Which environment, and where.
#[derive(Clone, Debug, Args)]
pub struct ScopeArgs {
    /// The environment: part of every resource's name
    #[arg(long, env = "FRAUDCTL_ENV", hide_env_values = true, default_value = config::DEFAULT_ENV)]
    pub env: String,
    /// Use a local AWS, starting it if need be, instead of the one that the AWS configuration names
    #[arg(long)]
    pub local: bool,
    /// The AWS region [default: the AWS configuration's, else fraudctl.toml's]
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub region: Option<String>,
    /// The profile in ~/.aws/config, which gives the credentials too [default: fraudctl.toml's]
    #[arg(long, conflicts_with = "local", value_parser = NonEmptyStringValueParser::new())]
    pub profile: Option<String>,
    /// The project: the folder with Cargo.toml and functions/ [default: this folder or the nearest one above it]
    #[arg(long, env = "FRAUDCTL_PROJECT", hide_env_values = true, value_name = "DIR", value_parser = OsStringValueParser::new().try_map(some_path))]
    pub project: Option<PathBuf>,
    /// The settings [default: fraudctl.toml in the project]
    #[arg(long, env = "FRAUDCTL_CONFIG", hide_env_values = true, value_name = "FILE", value_parser = OsStringValueParser::new().try_map(some_path))]
    pub config: Option<PathBuf>,
    /// Do not keep to AWS's rate limits: for emulators, which have none, and show at once what was made
    #[arg(long, env = "FRAUDCTL_UNPACED", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new(), hide_short_help = true)]
    pub unpaced: bool,
    /// Where states are kept: a folder, or s3://BUCKET/PREFIX [default: fraudctl.toml's, else state/ in the project]
    #[arg(long = "state", env = "FRAUDCTL_STATE", hide_env_values = true, value_name = "PLACE", value_parser = OsStringValueParser::new().try_map(some_path))]
    pub state: Option<PathBuf>,
    /// For how many seconds the lock of a state on S3 binds after it was renewed last
    #[arg(long, env = "FRAUDCTL_LEASE_SECONDS", hide_env_values = true, value_name = "N", default_value_t = 60, hide = true,
        value_parser = clap::value_parser!(u64).range(3..=3600))]
    pub lease_seconds: u64,
    #[command(flatten)]
    pub(super) local_options: LocalOptions,
}

/// A path, which an empty variable is not: in continuous integration that is what an unset one looks like.
fn some_path(given: OsString) -> Result<PathBuf, &'static str> {
    if given.is_empty() {
        return Err("it is empty: say where, or leave the flag out and unset its variable");
    }
    Ok(given.into())
}

/// How the functions are built.
#[derive(Clone, Debug, Default, Args)]
pub struct BuildArgs {
    /// The functions' processor: arm64 or x86_64 [default: fraudctl.toml's, else arm64]
    #[arg(long, value_parser = ["arm64", "x86_64"])]
    pub arch: Option<String>,
    /// Reserve no concurrent executions for the functions (for accounts with a low quota)
    #[arg(long)]
    pub no_reserved_concurrency: bool,
    /// Build the functions quickly for this machine's own processor, as --local does: for emulators that run functions as
    /// plain processes
    #[arg(long, env = "FRAUDCTL_FAST_BUILD", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub fast_build: bool,
}

/// A place to work on: settings, a connection, and where the state is.
pub struct Scope {
    /// The project's folder.
    pub project: PathBuf,
    /// What the user chose.
    pub settings: Settings,
    /// The connection.
    pub aws: Arc<Aws>,
    /// Where the state is kept.
    pub home: Home,
    /// For how long its lock binds after it was renewed last, where it is on S3.
    pub lease: Duration,
    /// Is it the local AWS?
    pub local: bool,
}

impl ScopeArgs {
    /// Reads the settings and connects. Changes nothing, but for starting the local AWS.
    pub async fn open(&self, build: &BuildArgs, progress: &Progress) -> Result<Scope, Exit> {
        let project = self.project()?;
        let settings = self.settings(build)?;
        let location = self.location(&project, settings.state.as_ref())?;
        if let (true, Location::Folder(folder)) = (self.local, &location) {
            // Where the local AWS is, is known: a state of elsewhere is refused before anything is started for it.
            Store::open(&Home::File(self.file(folder)), self.local_place()).await?;
        }
        let aws = self.connect(progress, &location, Some(&settings)).await?;
        let shown = progress.clone();
        aws.tell(move |remark| shown.say(&format!("note: {remark}")));
        Ok(Scope {
            home: self.home(location, &aws, Some(&settings)).await?,
            lease: self.lease(),
            project,
            settings,
            aws,
            local: self.local,
        })
    }

    /// The settings alone: nothing is connected to.
    pub fn settings(&self, build: &BuildArgs) -> Result<Settings, Exit> {
        let overrides = Overrides {
            arch: build.arch.clone(),
            no_reserved_concurrency: build.no_reserved_concurrency,
        };
        Ok(match &self.config {
            Some(file) => config::load_file(file, &self.env, &overrides)?,
            None => config::load(&self.project()?, &self.env, &overrides)?,
        })
    }

    /// The flags that lead another command to the same place: the environment, and whatever was given.
    pub fn flags(&self) -> Vec<String> {
        let mut flags = vec!["--env".to_owned(), self.env.clone()];
        let mut give = |flag: &str, value: Option<String>| {
            if let Some(value) = value {
                flags.extend([flag.to_owned(), value]);
            }
        };
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        give("--region", self.region.clone());
        give("--profile", self.profile.clone());
        give("--project", path(&self.project));
        give("--config", path(&self.config));
        give("--state", path(&self.state));
        if self.local {
            flags.insert(2, "--local".to_owned());
            flags.extend(self.local_options.flags());
        }
        flags
    }

    /// The same as a shell takes them.
    pub fn flags_for_shell(&self) -> String {
        let flags: Vec<String> = self.flags().iter().map(|flag| for_shell(flag)).collect();
        flags.join(" ")
    }

    /// As [`ScopeArgs::open`], for commands that only use what stands: where nothing is remembered of the local AWS, none
    /// is started to say so.
    pub async fn open_deployed(&self, progress: &Progress) -> Result<Scope, Exit> {
        if self.local {
            let project = self.project()?;
            let settings = self.settings(&BuildArgs::default())?;
            if let Location::Folder(folder) = self.location(&project, settings.state.as_ref())? {
                let home = Home::File(self.file(&folder));
                if Store::of_env(&home, &self.env).await?.is_none() {
                    return Err(self.nothing_deployed(&home));
                }
            }
        }
        self.open(&BuildArgs::default(), progress).await
    }

    /// There is nothing to be used, as far as this state tells.
    pub fn nothing_deployed(&self, home: &Home) -> Exit {
        if let Some(lost) = self.lost(home) {
            return Exit::failed(lost);
        }
        Exit::failed(format!(
            "nothing is deployed in environment {}, as far as {} tells. If its state is elsewhere, name the place with \
             --state, FRAUDCTL_STATE or the key `state` in fraudctl.toml; else deploy it with `fraudctl up {}`",
            self.env,
            home.at(),
            self.flags_for_shell()
        ))
    }

    /// What there is to say where the state is gone and the one before it is there.
    pub fn lost(&self, home: &Home) -> Option<String> {
        let before = home.left_behind()?;
        Some(format!(
            "the state {} is gone, but the one before it is there ({before}): `fraudctl state recover {}` goes back to it; \
             `up` and `down` find again what stands, but not predecessors of replaced resources",
            home.at(),
            self.flags_for_shell()
        ))
    }

    /// Says it, where the work goes on without that state.
    pub fn note_lost(&self, home: &Home, progress: &Progress) {
        if let Some(lost) = self.lost(home) {
            progress.say(&format!("note: {lost}"));
        }
    }

    fn local_place(&self) -> Place {
        Place {
            env: self.env.clone(),
            account: LOCAL_ACCOUNT.to_owned(),
            region: self.local_region(),
            endpoint: Some(self.local_options.endpoint()),
        }
    }

    /// The region of the local AWS.
    pub fn local_region(&self) -> String {
        self.region.clone().unwrap_or_else(|| "us-east-1".to_owned())
    }

    /// Connects to the AWS of these flags. The state is at this location.
    pub async fn connect(
        &self,
        progress: &Progress,
        location: &Location,
        settings: Option<&Settings>,
    ) -> Result<Arc<Aws>, Exit> {
        let connection = if self.local {
            let running = self.local_options.start(progress).await?;
            Connection {
                region: Some(self.local_region()),
                local: Some(Local {
                    endpoint: running.endpoint,
                    account: LOCAL_ACCOUNT.to_owned(),
                }),
                unpaced: true,
                ..Connection::default()
            }
        } else {
            Connection {
                region: self.region.clone(),
                profile: self.profile(settings)?,
                account_pin: settings.and_then(|settings| settings.account.clone()),
                region_pin: settings.and_then(|settings| settings.region.clone()),
                state_region: self.state_region(location).await,
                local: None,
                unpaced: self.unpaced,
            }
        };
        // With a state that others share, the local AWS is no way out.
        let instead = match location {
            Location::Folder(_) => ", or use --local",
            Location::Bucket { .. } => "",
        };
        let aws = Aws::connect(&connection).await.map_err(|why| why.or(instead))?;
        for note in &aws.notes {
            progress.say(&format!("note: {note}"));
        }
        Ok(aws)
    }

    /// The profile that the flag names, or the settings, which hold the environment to it.
    fn profile(&self, settings: Option<&Settings>) -> Result<Option<String>, Exit> {
        let pinned = settings.and_then(|settings| settings.profile.clone());
        match (&self.profile, pinned) {
            (Some(given), Some(pinned)) if *given != pinned => Err(Exit::failed(format!(
                "the settings hold the environment {} to the profile {pinned:?}, but --profile says {given:?}; nothing was \
                 asked or changed. Leave the flag out, or change the key `profile` in fraudctl.toml",
                self.env
            ))),
            (given, pinned) => Ok(given.clone().or(pinned)),
        }
    }

    /// The region that a state in a folder is about. What is wrong with it is told when it is opened.
    async fn state_region(&self, location: &Location) -> Option<String> {
        let Location::Folder(folder) = location else {
            return None;
        };
        let store = Store::of_env(&Home::File(self.file(folder)), &self.env).await.ok()??;
        Some(store.state.place.region)
    }

    /// The nearest folder, from here upwards, that is a project.
    fn project(&self) -> Result<PathBuf, Exit> {
        let is_project = |folder: &Path| folder.join("functions").is_dir() && folder.join("Cargo.toml").is_file();
        if let Some(folder) = &self.project {
            return if is_project(folder) {
                Ok(folder.clone())
            } else {
                Err(Exit::usage(format!(
                    "{} is no fraudctl project: Cargo.toml or functions/ is missing there",
                    folder.display()
                )))
            };
        }
        let here = std::env::current_dir().map_err(|why| Exit::failed(format!("cannot tell where we are: {why}")))?;
        here.ancestors()
            .find(|folder| is_project(folder))
            .map(Path::to_owned)
            .ok_or_else(|| {
                Exit::usage(format!(
                    "{} is in no fraudctl project (a folder with Cargo.toml and functions/); go to one, or name it with --project",
                    here.display()
                ))
            })
    }

    /// Where the state is kept, for those who need nothing else: settings are read only where they say it, and AWS is asked
    /// only where it is in a bucket.
    pub async fn state_home(&self, progress: &Progress) -> Result<Home, Exit> {
        config::check_env(&self.env)?;
        let location = match &self.state {
            // It is named: it can be looked at without the project.
            Some(_) => self.location(Path::new(""), None)?,
            None => {
                let project = self.project()?;
                let settings = self.settings(&BuildArgs::default())?;
                self.location(&project, settings.state.as_ref())?
            }
        };
        self.home_at(location, progress).await
    }

    /// Where these settings keep the state. Nothing is connected to.
    pub fn state_location(&self, settings: &Settings) -> Result<Location, Exit> {
        self.location(&self.project()?, settings.state.as_ref())
    }

    /// The home of this environment's state at another place, named on the command line.
    pub async fn other_home(&self, place: &Path, progress: &Progress) -> Result<Home, Exit> {
        let location = Location::of_env(place, &self.env).map_err(|why| Exit::usage(why.to_string()))?;
        self.home_at(self.permitted(location)?, progress).await
    }

    /// For how long the lock of a state on S3 binds after it was renewed last.
    pub fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }

    async fn home_at(&self, location: Location, progress: &Progress) -> Result<Home, Exit> {
        match location {
            Location::Folder(folder) => Ok(Home::File(self.file(&folder))),
            bucket @ Location::Bucket { .. } => {
                // Where there are settings, they say which account, region and profile it is.
                let settings = match self.config.is_some() || self.project().is_ok() {
                    true => Some(self.settings(&BuildArgs::default())?),
                    false => None,
                };
                let aws = self.connect(progress, &bucket, settings.as_ref()).await?;
                self.home(bucket, &aws, settings.as_ref()).await
            }
        }
    }

    async fn home(&self, location: Location, aws: &Arc<Aws>, settings: Option<&Settings>) -> Result<Home, Exit> {
        match location {
            Location::Folder(folder) => Ok(Home::File(self.file(&folder))),
            Location::Bucket { name, prefix } => {
                let owner = settings.and_then(|settings| settings.state_account.as_deref());
                let bucket = Bucket::open(aws, &name, &prefix, owner).await?;
                Ok(Home::bucket(Arc::new(bucket), &self.env))
            }
        }
    }

    /// What the flag says, else the variable, else the settings.
    fn location(&self, project: &Path, setting: Option<&Location>) -> Result<Location, Exit> {
        if let Some(given) = &self.state {
            let location = Location::of_env(given, &self.env);
            let location = location.map_err(|why| Exit::usage(format!("--state or FRAUDCTL_STATE: {why}")))?;
            return self.permitted(location);
        }
        match setting {
            // The local AWS is this machine's own; what others share has no place for it.
            Some(Location::Bucket { .. }) if self.local => Ok(Location::Folder(project.join("state"))),
            Some(location) => Ok(location.clone()),
            None => Ok(Location::Folder(project.join("state"))),
        }
    }

    fn permitted(&self, location: Location) -> Result<Location, Exit> {
        match location {
            Location::Bucket { .. } if self.local => Err(Exit::usage(
                "the state of the local AWS is on this machine, as that AWS is: with --local name a folder, or leave \
                 --state and FRAUDCTL_STATE out",
            )),
            location => Ok(location),
        }
    }

    /// `{env}.json` in the folder, or in `local/` below it for the local AWS.
    fn file(&self, folder: &Path) -> PathBuf {
        let folder = if self.local {
            folder.join("local")
        } else {
            folder.to_owned()
        };
        folder.join(format!("{}.json", self.env))
    }
}

impl Scope {
    /// Opens the state of this place, to look at it.
    pub async fn store(&self) -> Result<Store, Exit> {
        Ok(Store::open(&self.home, self.place()).await?)
    }

    /// Takes the lock of this place. When it is lost, nothing in AWS is changed any more.
    pub async fn lock(&self, doing: &str, stop: &Stop) -> Result<Lock, LockError> {
        let lock = Lock::take(&self.home, doing, self.lease).await?;
        if let Some(lease) = lock.lease() {
            stop.give_back(lease);
            self.aws.only_with(lease.clone());
        }
        if lock.is_taken_over() {
            print::remark(
                "note: the lock was taken over from a run that did not give it back; what that one had begun is gone on from",
            );
        }
        Ok(lock)
    }

    /// Opens the state of this place, to change it.
    pub async fn store_of(&self, lock: &Lock) -> Result<Store, Exit> {
        Ok(lock.open(self.place()).await?)
    }

    fn place(&self) -> Place {
        Place {
            env: self.settings.env.clone(),
            account: self.aws.account.clone(),
            region: self.aws.region.clone(),
            endpoint: self.aws.endpoint.clone(),
        }
    }

    /// The stack at this place.
    pub fn stack(&self) -> Stack<'_> {
        Stack {
            settings: &self.settings,
            account: &self.aws.account,
            region: &self.aws.region,
            partition: self.aws.partition(),
            endpoint: self.aws.endpoint.as_deref(),
        }
    }

    /// What builds the functions of this project.
    pub fn builder(&self, build: &BuildArgs) -> Result<Builder, Exit> {
        let arch = self
            .settings
            .arch
            .parse()
            .map_err(|why: artifact::UnknownArch| Exit::usage(why.to_string()))?;
        // A local AWS runs functions as processes of this machine, whatever their configuration says.
        let flavor = if self.local || build.fast_build {
            Flavor::Local
        } else {
            Flavor::Aws(arch)
        };
        Ok(Builder::new(&self.project, flavor)?)
    }

    /// The stack's resources and the kinds that reconcile them. Without a builder the functions' code is of no interest.
    pub fn desired(&self, builder: Option<Builder>, progress: &Arc<Progress>) -> Result<(Graph, Registry), Exit> {
        let fingerprint = builder
            .as_ref()
            .map(Builder::fingerprint)
            .transpose()?
            .unwrap_or_default();
        let graph = self.stack().graph(&|function| artifact::Spec {
            function: function.to_owned(),
            fingerprint: fingerprint.clone(),
        });
        let lines = Arc::clone(progress);
        let building = Arc::new(move |line: &str| lines.building(line));
        let theirs = self.settings.ignore_tags.clone();
        let kinds = Registry::ignoring(&self.aws, move |key| theirs.matches(key))
            .with(artifact::Binary::new(builder, building));
        Ok((graph, kinds))
    }

    /// One line that says where we are, and as whom. Of the local AWS the latter is of no interest.
    pub fn headline(&self) -> String {
        let mut line = format!(
            "Environment {} in account {}, region {}",
            self.settings.env, self.aws.account, self.aws.region
        );
        let profile = self.aws.profile.as_ref().map(|name| format!("profile {name}"));
        let caller = Some(format!("as {}", self.aws.caller)).filter(|_| !self.local);
        for part in [self.aws.endpoint.clone(), profile, caller].into_iter().flatten() {
            line.push_str(&format!(", {part}"));
        }
        line
    }
}
