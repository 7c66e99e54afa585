//! From sources to artifacts, doing only what is needed.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::try_join_all;

use super::cargo::{self, Cargo, Invocation, Surroundings};
use super::error::ArtifactError;
use super::fingerprint::{self, Recipe};
use super::flavor::{Arch, FUNCTIONS, Flavor};
use super::glibc;
use super::linker;
use super::manifest;
use super::package::{self, Artifact};
use super::toolchain::{Toolchain, cargo_home, find_program};

/// How often a build is done again because the sources changed under it. One is usual, when cargo
/// itself completes `Cargo.lock`; more means that someone is writing all the time.
const ATTEMPTS: usize = 3;

/// How often a build that waits for another one looks whether that has ended.
const LOCK_POLL: Duration = Duration::from_millis(100);

/// Builds the functions of one project in one flavor.
///
/// Cheap to make and to clone. Everything it writes lies in the target directory, below
/// `fraudctl/`: a zip file per function, `manifest.json` and a lock per flavor, and what is known of
/// the compiler. Deleting any of it costs a build and nothing else.
#[derive(Clone, Debug)]
pub struct Builder {
    /// Canonical.
    root: PathBuf,
    flavor: Flavor,
    target_dir: PathBuf,
    cargo: Cargo,
}

impl Builder {
    /// A builder for the project in `root`, the directory of the workspace's `Cargo.toml` and of
    /// `functions/`. The target directory is that of `CARGO_TARGET_DIR`, or `target` in the project.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::NotAProject`] if the directory is not such a one.
    pub fn new(root: &Path, flavor: Flavor) -> Result<Self, ArtifactError> {
        let missing = |missing| ArtifactError::NotAProject {
            root: root.to_path_buf(),
            missing,
        };
        let canonical = fs::canonicalize(root).map_err(|_| missing("Cargo.toml"))?;
        if !canonical.join("Cargo.toml").is_file() {
            return Err(missing("Cargo.toml"));
        }
        for function in FUNCTIONS {
            if !canonical.join("functions").join(function).is_dir() {
                return Err(missing("functions to deploy"));
            }
        }
        let target_dir = env::var_os("CARGO_TARGET_DIR")
            .filter(|directory| !directory.is_empty())
            .map_or_else(|| canonical.join("target"), |directory| canonical.join(directory));
        Ok(Self {
            root: canonical,
            flavor,
            target_dir,
            cargo: Cargo::of_environment(),
        })
    }

    /// The flavor that this builder builds.
    #[must_use]
    pub fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// A SHA-256, in hexadecimal, over everything that decides what a build would make: the files
    /// below `functions/`, the workspace's `Cargo.toml` and `Cargo.lock`, cargo's configuration and
    /// the variables that it and the compilers heed, the compiler itself, and the flavor. It does
    /// not depend on where the project lies; README, tests and the target directory do not count.
    ///
    /// Blocks for some milliseconds; starts `rustc` only when the toolchain was touched.
    ///
    /// # Errors
    ///
    /// [`ArtifactError::Read`] and [`ArtifactError::Symlink`] for sources that cannot be taken in,
    /// [`ArtifactError::Run`] and [`ArtifactError::Toolchain`] if there is no compiler to ask.
    pub fn fingerprint(&self) -> Result<String, ArtifactError> {
        let toolchain = self.toolchain()?;
        let recipe = Recipe {
            flavor: self.flavor,
            rustc: &toolchain.version,
            environment: fingerprint::decisive(env::vars_os()),
            configurations: fingerprint::cargo_configurations(&self.root, cargo_home().as_deref()),
        };
        fingerprint::of(&self.root, &recipe)
    }

    /// What the last build made, one artifact for each of `FUNCTIONS` in that order, if a build now
    /// would make the same and the zip files are untouched; `None` if a build is needed.
    ///
    /// Blocks for some milliseconds.
    ///
    /// # Errors
    ///
    /// As [`Builder::fingerprint`].
    pub fn cached(&self) -> Result<Option<Vec<Artifact>>, ArtifactError> {
        let (_, artifacts) = self.look()?;
        Ok(artifacts)
    }

    /// The artifacts, one for each of `FUNCTIONS` in that order: those of the last build if nothing
    /// has changed, else new ones. `progress` gets lines for people: what cargo prints, and what is
    /// waited for.
    ///
    /// Takes milliseconds if nothing has changed, seconds to minutes otherwise. May be called by
    /// several processes at once. Dropping the future stops cargo and leaves the last artifacts as
    /// they were or absent, never mixed: what is remembered always fits together.
    ///
    /// # Errors
    ///
    /// Those of [`Builder::fingerprint`]; [`ArtifactError::MissingTarget`] and
    /// [`ArtifactError::MissingLinker`], before cargo starts; [`ArtifactError::Cargo`] with the end
    /// of what it printed; [`ArtifactError::GlibcTooNew`] for a binary that Lambda could not load;
    /// [`ArtifactError::SourcesChanged`] if they never stand still; [`ArtifactError::Write`].
    pub async fn build(&self, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<Vec<Artifact>, ArtifactError> {
        if let (_, Some(artifacts)) = self.in_background(Self::look).await? {
            return Ok(artifacts);
        }
        let _lock = self.lock(progress).await?;
        for _ in 0..ATTEMPTS {
            // Whoever held the lock may have done the work.
            let (before, known) = self.in_background(Self::look).await?;
            if let Some(artifacts) = known {
                return Ok(artifacts);
            }
            let invocation = self.in_background(Self::invocation).await?;
            let binaries = cargo::run(&self.cargo, &self.root, &invocation, progress).await?;
            progress("packing the functions");
            let packed = FUNCTIONS.map(|function| self.pack(function, &binaries));
            let artifacts = try_join_all(packed).await?;
            let after = self.in_background(Self::fingerprint).await?;
            if before == after {
                manifest::remember(&self.directory(), before, &artifacts)?;
                return Ok(artifacts);
            }
            progress("the sources changed meanwhile: building again");
        }
        Err(ArtifactError::SourcesChanged)
    }

    /// The fingerprint, and what is remembered under it.
    fn look(&self) -> Result<(String, Option<Vec<Artifact>>), ArtifactError> {
        let fingerprint = self.fingerprint()?;
        let artifacts = manifest::recall(&self.directory(), &fingerprint);
        Ok((fingerprint, artifacts))
    }

    fn toolchain(&self) -> Result<Toolchain, ArtifactError> {
        Toolchain::of(&self.root, &self.target_dir.join("fraudctl/toolchain.json"))
    }

    /// Where this flavor's results lie.
    fn directory(&self) -> PathBuf {
        self.target_dir.join("fraudctl").join(self.flavor.label())
    }

    fn invocation(&self) -> Result<Invocation, ArtifactError> {
        match self.flavor {
            Flavor::Local => Ok(cargo::local()),
            Flavor::Aws(arch) => self.invocation_for_lambda(arch),
        }
    }

    fn invocation_for_lambda(&self, arch: Arch) -> Result<Invocation, ArtifactError> {
        let toolchain = self.toolchain()?;
        let cargo_home = cargo_home();
        // Cargo looks for its subcommands in its own directory too.
        let own_programs = cargo_home.iter().map(|home| home.join("bin"));
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths(own_programs.chain(env::split_paths(&path))).unwrap_or(path);
        let configured = env::var_os(arch.linker_variable()).is_some();
        let linker = linker::choose(arch, &toolchain, configured, |program| {
            find_program(program.as_ref(), &path).is_some()
        })?;
        let (encoded, plain) = (env::var("CARGO_ENCODED_RUSTFLAGS"), env::var("RUSTFLAGS"));
        let around = Surroundings {
            root: &self.root,
            target_dir: &self.target_dir,
            cargo_home,
            toolchain: &toolchain,
            flags: cargo::user_flags(encoded.ok().as_deref(), plain.ok().as_deref()),
        };
        Ok(cargo::lambda(arch, linker, &around))
    }

    /// Packs one function's binary, in the background because it takes a while.
    async fn pack(
        &self,
        function: &'static str,
        binaries: &BTreeMap<String, PathBuf>,
    ) -> Result<Artifact, ArtifactError> {
        let path = binaries
            .get(function)
            .ok_or(ArtifactError::NoExecutable { function })?
            .clone();
        self.in_background(move |this| {
            let binary = match this.flavor {
                Flavor::Local => package::stripped(&path)?,
                Flavor::Aws(_) => {
                    let binary = fs::read(&path).map_err(|source| ArtifactError::Read {
                        path: path.clone(),
                        source,
                    })?;
                    glibc::check(&path, &binary)?;
                    binary
                }
            };
            let zip = this.directory().join(manifest::zip_name(function));
            package::pack(function, &binary, this.flavor, zip)
        })
        .await
    }

    /// The right to build this flavor, held until it is dropped or the process ends.
    async fn lock(&self, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<File, ArtifactError> {
        let directory = self.directory();
        let path = directory.join("lock");
        let file = fs::create_dir_all(&directory)
            .and_then(|()| File::options().create(true).truncate(false).write(true).open(&path));
        let file = match file {
            Ok(file) => file,
            Err(source) => return Err(ArtifactError::Write { path, source }),
        };
        let mut told = false;
        // Looking again and again, unlike waiting in a thread, ends when the future is dropped.
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {
                    if !told {
                        progress("waiting for another build of the functions");
                        told = true;
                    }
                    tokio::time::sleep(LOCK_POLL).await;
                }
                Err(TryLockError::Error(source)) => {
                    return Err(ArtifactError::Write { path, source });
                }
            }
        }
    }

    /// Runs work that blocks on a thread where it may.
    async fn in_background<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, ArtifactError> + Send + 'static,
    ) -> Result<T, ArtifactError> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || work(&this))
            .await
            .map_err(ArtifactError::Interrupted)?
    }
}

/// With a shell script in cargo's place: what is asked here is when cargo is run and what becomes
/// of its result.
#[cfg(all(test, unix))]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Builds by copying each function's source, and counts its runs in the file `runs`.
    const COPIES: &str = r#"
        echo run >> runs
        echo "   Compiling functions" >&2
        mkdir -p out
        for f in transaction-processor pattern-analyzer; do
            cp functions/$f/src/main.rs out/$f
            echo '{"reason":"compiler-artifact","target":{"name":"'$f'","kind":["bin"]},"executable":"'$PWD/out/$f'"}'
        done
    "#;

    struct Project {
        scratch: tempfile::TempDir,
        builder: Builder,
    }

    fn project(script: &str) -> Project {
        let scratch = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(scratch.path()).unwrap();
        fs::write(root.join("Cargo.toml"), "[workspace]").unwrap();
        fs::write(root.join("cargo.sh"), format!("set -e\n{script}")).unwrap();
        for function in FUNCTIONS {
            let sources = root.join("functions").join(function).join("src");
            fs::create_dir_all(&sources).unwrap();
            fs::write(sources.join("main.rs"), format!("// {function}")).unwrap();
        }
        let cargo = Cargo {
            program: "sh".into(),
            first: vec![root.join("cargo.sh").into()],
        };
        let target_dir = root.join("target");
        let builder = Builder {
            root,
            flavor: Flavor::Local,
            target_dir,
            cargo,
        };
        Project { scratch, builder }
    }

    impl Project {
        fn runs(&self) -> usize {
            fs::read_to_string(self.scratch.path().join("runs"))
                .unwrap_or_default()
                .lines()
                .count()
        }

        async fn build(&self) -> Result<Vec<Artifact>, ArtifactError> {
            self.builder.build(&|_: &str| {}).await
        }
    }

    #[tokio::test]
    async fn a_second_build_of_the_same_sources_runs_nothing_and_gives_the_same() {
        let project = project(COPIES);
        assert_eq!(project.builder.cached().unwrap(), None);
        let artifacts = project.build().await.unwrap();
        let names: Vec<_> = artifacts.iter().map(|artifact| artifact.function.as_str()).collect();
        assert_eq!(names, FUNCTIONS);
        assert_eq!(project.builder.cached().unwrap(), Some(artifacts.clone()));
        assert_eq!(project.build().await.unwrap(), artifacts);
        assert_eq!(project.runs(), 1);
    }

    #[tokio::test]
    async fn a_changed_source_is_built_and_only_its_function_changes() {
        let project = project(COPIES);
        let before = project.build().await.unwrap();
        let source = project.scratch.path().join("functions/pattern-analyzer/src/main.rs");
        fs::write(source, "// another").unwrap();
        assert_eq!(project.builder.cached().unwrap(), None);
        let after = project.build().await.unwrap();
        assert_eq!(after[0].sha256_base64, before[0].sha256_base64);
        assert_ne!(after[1].sha256_base64, before[1].sha256_base64);
        assert_eq!(project.runs(), 2);
    }

    #[tokio::test]
    async fn a_damaged_zip_file_is_made_again() {
        let project = project(COPIES);
        let artifacts = project.build().await.unwrap();
        fs::write(&artifacts[0].zip, "damaged").unwrap();
        assert_eq!(project.builder.cached().unwrap(), None);
        assert_eq!(project.build().await.unwrap(), artifacts);
        assert!(artifacts[0].read().is_ok());
    }

    #[tokio::test]
    async fn sources_that_change_once_under_the_build_are_built_again() {
        let project = project(&format!(
            "{COPIES}\n[ -e touched ] || echo '// more' >> functions/pattern-analyzer/src/main.rs\n\
             touch touched"
        ));
        let artifacts = project.build().await.unwrap();
        assert_eq!(project.runs(), 2);
        assert_eq!(project.builder.cached().unwrap(), Some(artifacts));
    }

    #[tokio::test]
    async fn sources_that_never_stand_still_are_an_error_and_nothing_is_remembered() {
        let project = project(&format!(
            "{COPIES}\necho '// more' >> functions/pattern-analyzer/src/main.rs"
        ));
        let error = project.build().await.unwrap_err();
        assert!(matches!(error, ArtifactError::SourcesChanged), "{error}");
        assert_eq!(project.runs(), ATTEMPTS);
        assert_eq!(project.builder.cached().unwrap(), None);
    }

    #[tokio::test]
    async fn a_failing_cargo_is_an_error_with_the_end_of_what_it_said() {
        let project = project("i=0; while [ $i -lt 50 ]; do echo \"line $i\" >&2; i=$((i+1)); done; exit 101");
        let lines = Mutex::new(Vec::new());
        let progress = |line: &str| lines.lock().unwrap().push(line.to_owned());
        let error = project.builder.build(&progress).await.unwrap_err().to_string();
        assert!(error.contains("cargo build --bin transaction-processor"), "{error}");
        assert!(error.contains("exit status: 101"), "{error}");
        assert!(error.contains("\nline 10\n") && error.ends_with("line 49"), "{error}");
        assert!(!error.contains("line 9\n"), "{error}");
        assert_eq!(lines.into_inner().unwrap().len(), 50);
    }

    #[tokio::test]
    async fn a_missing_binary_is_named() {
        let project = project("true");
        let error = project.build().await.unwrap_err().to_string();
        assert!(error.contains("functions/transaction-processor"), "{error}");
    }

    #[tokio::test]
    async fn of_two_builds_at_once_the_second_waits_and_finds_the_work_done() {
        let project = project(COPIES);
        let (first, second) = tokio::join!(project.build(), project.build());
        assert_eq!(first.unwrap(), second.unwrap());
        assert_eq!(project.runs(), 1);
    }

    #[test]
    fn a_directory_that_is_no_project_is_refused_with_what_it_lacks() {
        let scratch = tempfile::tempdir().unwrap();
        let refuse = || Builder::new(scratch.path(), Flavor::Local).unwrap_err().to_string();
        assert!(refuse().contains("has no Cargo.toml"), "{}", refuse());
        fs::write(scratch.path().join("Cargo.toml"), "").unwrap();
        assert!(refuse().contains("has no functions to deploy"), "{}", refuse());
        let absent = Builder::new(&scratch.path().join("absent"), Flavor::Local);
        assert!(matches!(absent, Err(ArtifactError::NotAProject { .. })));
    }
}
