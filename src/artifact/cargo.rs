//! Running cargo: with which arguments, in which environment, and what came of it.

use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;

use super::error::ArtifactError;
use super::flavor::{Arch, FUNCTIONS};
use super::glibc::FLOOR_SUFFIX;
use super::linker::Linker;
use super::toolchain::Toolchain;

/// How many of cargo's last lines an error shows.
const TAIL: usize = 40;

/// The time that a C file is told if it asks when it is compiled: the beginning of zip time,
/// 1980-01-01. See <https://reproducible-builds.org/docs/source-date-epoch/>.
const EPOCH: &str = "315532800";

/// The cargo program: what to start, and arguments before all others.
#[derive(Clone, Debug)]
pub(super) struct Cargo {
    pub(super) program: OsString,
    pub(super) first: Vec<OsString>,
}

impl Cargo {
    /// The cargo that runs us, if one does, else the one on `PATH`.
    pub(super) fn of_environment() -> Self {
        let program = env::var_os("CARGO").filter(|program| !program.is_empty());
        Self {
            program: program.unwrap_or_else(|| OsString::from("cargo")),
            first: Vec::new(),
        }
    }
}

/// One run of cargo, as a value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invocation {
    arguments: Vec<String>,
    /// Variables to be set on top of the environment.
    variables: Vec<(String, String)>,
}

/// For this machine: the whole workspace chooses the features and the `dev` profile the rest, as
/// in `cargo test`, so that nothing is compiled twice.
pub(super) fn local() -> Invocation {
    let mut arguments = vec!["build".to_owned()];
    for function in FUNCTIONS {
        arguments.extend(["--bin".to_owned(), function.to_owned()]);
    }
    Invocation {
        arguments: with_messages(arguments),
        variables: Vec::new(),
    }
}

/// The directories whose names must not get into a binary, and the flags it is built with anyway.
pub(super) struct Surroundings<'a> {
    pub(super) root: &'a Path,
    pub(super) target_dir: &'a Path,
    pub(super) cargo_home: Option<PathBuf>,
    pub(super) toolchain: &'a Toolchain,
    /// Flags that the user has set for the compiler, in order.
    pub(super) flags: Vec<String>,
}

/// For Lambda: the two packages and what they need, small, and the same wherever it is built.
pub(super) fn lambda(arch: Arch, linker: Linker, around: &Surroundings<'_>) -> Invocation {
    let (command, suffix) = match linker {
        Linker::Zig => ("zigbuild", FLOOR_SUFFIX),
        Linker::Configured | Linker::Host | Linker::Gcc(_) => ("build", ""),
    };
    let target = format!("{}{suffix}", arch.triple());
    let mut arguments = [command, "--profile", "lambda", "--target", target.as_str()]
        .map(str::to_owned)
        .to_vec();
    for function in FUNCTIONS {
        arguments.extend(["--package".to_owned(), function.to_owned()]);
    }
    let mut variables = vec![
        ("CARGO_ENCODED_RUSTFLAGS".to_owned(), encoded_flags(around)),
        ("CARGO_INCREMENTAL".to_owned(), "0".to_owned()),
        // Only here: build scripts of dependencies heed it, and would have to run anew for whoever does not set it.
        ("SOURCE_DATE_EPOCH".to_owned(), EPOCH.to_owned()),
    ];
    if let Linker::Gcc(gcc) = linker {
        let compiler = format!("CC_{}", arch.triple().replace('-', "_"));
        variables.push((arch.linker_variable().to_owned(), gcc.to_owned()));
        variables.push((compiler, gcc.to_owned()));
    }
    Invocation {
        arguments: with_messages(arguments),
        variables,
    }
}

/// Messages for us on the one stream, diagnostics for people on the other.
fn with_messages(mut arguments: Vec<String>) -> Vec<String> {
    arguments.extend(["--message-format", "json-render-diagnostics"].map(str::to_owned));
    arguments
}

/// The user's flags and ours, as `CARGO_ENCODED_RUSTFLAGS` wants them.
///
/// Cargo leaves `--remap-path-prefix` out of the hashes that end up in symbol names, so that the
/// flags themselves do not bring back the difference that they take away.
fn encoded_flags(around: &Surroundings<'_>) -> String {
    let mut flags = around.flags.clone();
    flags.extend(renamings(around).into_iter().map(|(from, to)| {
        let from = from.display();
        format!("--remap-path-prefix={from}={to}")
    }));
    flags.join("\u{1f}")
}

/// What directories are called in a binary. Of several that match, rustc takes the last, so the
/// longest comes last.
fn renamings(around: &Surroundings<'_>) -> Vec<(PathBuf, String)> {
    let sysroot = &around.toolchain.sysroot;
    // Where the compiler's own sources are installed, the standard library's paths point there
    // instead of at the name that the library was built with.
    let library = around
        .toolchain
        .commit()
        .map(|commit| (sysroot.join("lib/rustlib/src/rust"), format!("/rustc/{commit}")));
    let mut renamings: Vec<_> = [
        (around.root.to_path_buf(), "/fraudctl".to_owned()),
        (around.target_dir.to_path_buf(), "/fraudctl/target".to_owned()),
        (sysroot.clone(), "/rust".to_owned()),
    ]
    .into_iter()
    .chain(around.cargo_home.clone().map(|home| (home, "/cargo".to_owned())))
    .chain(library)
    .collect();
    renamings.sort_by_key(|(from, _)| from.as_os_str().len());
    renamings
}

/// The flags that the user has set by cargo's two variables, of which the first wins.
pub(super) fn user_flags(encoded: Option<&str>, plain: Option<&str>) -> Vec<String> {
    let flags: Vec<&str> = match (encoded, plain) {
        (Some(encoded), _) => encoded.split('\u{1f}').collect(),
        (None, Some(plain)) => plain.split(' ').map(str::trim).collect(),
        (None, None) => Vec::new(),
    };
    flags
        .into_iter()
        .filter(|flag| !flag.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Runs cargo in `root` and gives the path of each function's binary. `progress` gets what cargo
/// prints, line by line. Dropping the future stops cargo.
pub(super) async fn run(
    cargo: &Cargo,
    root: &Path,
    invocation: &Invocation,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<BTreeMap<String, PathBuf>, ArtifactError> {
    let cannot_run = |source| ArtifactError::Run {
        program: cargo.program.to_string_lossy().into_owned(),
        source,
    };
    let mut command = Command::new(&cargo.program);
    command
        .args(&cargo.first)
        .args(&invocation.arguments)
        .current_dir(root)
        .envs(invocation.variables.iter().map(|(name, value)| (name, value)))
        .env("CARGO_TERM_COLOR", "never")
        .env("CARGO_TERM_PROGRESS_WHEN", "never")
        .env("RUSTUP_AUTO_INSTALL", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_of_an_outer_cargo) {
            command.env_remove(name);
        }
    }
    let mut child = command.spawn().map_err(cannot_run)?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(cannot_run(io::Error::other("its output is not connected")));
    };

    let mut binaries: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut tail: VecDeque<String> = VecDeque::with_capacity(TAIL);
    let (messages, chatter) = tokio::join!(
        each_line(stdout, |line| binaries.extend(binary(line))),
        each_line(stderr, |line| {
            if line.trim().is_empty() {
                return;
            }
            progress(line.trim());
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(line.to_owned());
        }),
    );
    messages.and(chatter).map_err(cannot_run)?;
    let status = child.wait().await.map_err(cannot_run)?;
    if status.success() {
        return Ok(binaries);
    }
    Err(ArtifactError::Cargo {
        command: format!("cargo {}", invocation.arguments.join(" ")),
        status: status.to_string(),
        tail: Vec::from(tail).join("\n"),
    })
}

/// Whether cargo sets a variable for the program that it runs. When that program is us, a build
/// script that watches the variable would find it changed and compile its package again.
fn is_of_an_outer_cargo(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "CARGO_CRATE_NAME",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_PRIMARY_PACKAGE",
        "CARGO_TARGET_TMPDIR",
        "OUT_DIR",
    ];
    NAMES.contains(&name) || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_BIN_")
}

async fn each_line(stream: impl AsyncRead + Unpin, mut handle: impl FnMut(&str)) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await? > 0 {
        handle(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(())
}

/// The function and its binary, if the message is about that.
/// See <https://doc.rust-lang.org/cargo/reference/external-tools.html#artifact-messages>.
fn binary(message: &str) -> Option<(String, PathBuf)> {
    #[derive(Deserialize)]
    struct Message {
        target: Target,
        executable: Option<PathBuf>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
        kind: Vec<String>,
    }
    let message: Message = serde_json::from_str(message).ok()?;
    let Target { name, kind } = message.target;
    let ours = FUNCTIONS.contains(&name.as_str()) && kind.iter().any(|kind| kind == "bin");
    ours.then_some(message.executable).flatten().map(|path| (name, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toolchain() -> Toolchain {
        Toolchain {
            version: "rustc 1.95.0\ncommit-hash: 59807616e1fa".to_owned(),
            sysroot: PathBuf::from("/home/someone/.rustup/toolchains/stable"),
        }
    }

    fn around(toolchain: &Toolchain) -> Surroundings<'_> {
        Surroundings {
            root: Path::new("/home/someone/project"),
            target_dir: Path::new("/home/someone/project/target"),
            cargo_home: Some(PathBuf::from("/home/someone/project/.cargo")),
            toolchain,
            flags: vec!["-g".to_owned()],
        }
    }

    #[test]
    fn a_local_build_names_binaries_and_no_package_so_that_features_stay_the_same() {
        assert_eq!(
            local().arguments.join(" "),
            "build --bin transaction-processor --bin pattern-analyzer \
             --message-format json-render-diagnostics"
        );
        assert!(local().variables.is_empty());
    }

    #[test]
    fn zig_links_for_lambda_against_its_glibc() {
        let toolchain = toolchain();
        let invocation = lambda(Arch::Arm64, Linker::Zig, &around(&toolchain));
        assert_eq!(
            invocation.arguments.join(" "),
            "zigbuild --profile lambda --target aarch64-unknown-linux-gnu.2.34 \
             --package transaction-processor --package pattern-analyzer \
             --message-format json-render-diagnostics"
        );
    }

    #[test]
    fn a_cross_compiler_compiles_c_and_links() {
        let toolchain = toolchain();
        let gcc = Linker::Gcc("aarch64-linux-gnu-gcc");
        let invocation = lambda(Arch::Arm64, gcc, &around(&toolchain));
        assert!(
            invocation
                .arguments
                .join(" ")
                .starts_with("build --profile lambda --target aarch64-unknown-linux-gnu --package")
        );
        for name in [
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
            "CC_aarch64_unknown_linux_gnu",
        ] {
            let expected = (name.to_owned(), "aarch64-linux-gnu-gcc".to_owned());
            assert!(invocation.variables.contains(&expected), "{name}");
        }
    }

    #[test]
    fn no_directory_of_this_machine_gets_into_a_binary_and_the_longest_name_wins() {
        let toolchain = toolchain();
        let flags = encoded_flags(&around(&toolchain));
        assert_eq!(
            flags.split('\u{1f}').collect::<Vec<_>>(),
            [
                "-g",
                "--remap-path-prefix=/home/someone/project=/fraudctl",
                "--remap-path-prefix=/home/someone/project/target=/fraudctl/target",
                "--remap-path-prefix=/home/someone/project/.cargo=/cargo",
                "--remap-path-prefix=/home/someone/.rustup/toolchains/stable=/rust",
                "--remap-path-prefix=/home/someone/.rustup/toolchains/stable/lib/rustlib/src/rust\
                 =/rustc/59807616e1fa",
            ]
        );
    }

    #[test]
    fn the_users_flags_are_read_as_cargo_reads_them() {
        assert_eq!(user_flags(None, None), Vec::<String>::new());
        assert_eq!(
            user_flags(None, Some("-C  target-cpu=native ")),
            ["-C", "target-cpu=native"]
        );
        assert_eq!(user_flags(Some("--cfg\u{1f}a b"), Some("-g")), ["--cfg", "a b"]);
        assert_eq!(user_flags(Some(""), Some("-g")), Vec::<String>::new());
    }

    #[test]
    fn binaries_are_read_from_cargos_messages_and_all_else_is_passed_over() {
        let message = |name: &str, kind: &str, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","target":{{"name":"{name}","kind":["{kind}"]}},
                    "executable":{executable},"fresh":true}}"#
            )
        };
        let path = "\"/t/pattern-analyzer\"";
        assert_eq!(
            binary(&message("pattern-analyzer", "bin", path)),
            Some(("pattern-analyzer".to_owned(), PathBuf::from("/t/pattern-analyzer")))
        );
        assert_eq!(binary(&message("pattern-analyzer", "test", path)), None);
        assert_eq!(binary(&message("fraudctl", "bin", path)), None);
        assert_eq!(binary(&message("pattern-analyzer", "bin", "null")), None);
        assert_eq!(binary(r#"{"reason":"build-finished","success":true}"#), None);
        assert_eq!(binary("not a message"), None);
    }

    #[test]
    fn an_outer_cargos_variables_are_told_from_the_users() {
        assert!(is_of_an_outer_cargo("CARGO_PKG_VERSION"));
        assert!(is_of_an_outer_cargo("CARGO_MANIFEST_DIR"));
        assert!(!is_of_an_outer_cargo("CARGO_HOME"));
        assert!(!is_of_an_outer_cargo("CARGO_TARGET_DIR"));
        assert!(!is_of_an_outer_cargo("CARGO_PROFILE_DEV_DEBUG"));
    }
}
