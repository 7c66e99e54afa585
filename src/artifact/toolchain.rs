//! Which Rust compiler builds the functions, without asking it every time.
//!
//! Only the compiler itself knows its version, and asking costs some 30 ms through rustup's proxy,
//! more than all the rest of a warm plan's look at the artifacts. So its answer is remembered, and
//! believed as long as both hold:
//!
//! - **The same compiler is chosen.** What rustup and the shell choose by is the key of the memory:
//!   `RUSTC`, the program that `PATH` finds, `RUSTUP_TOOLCHAIN`, rustup's settings (default
//!   toolchain and directory overrides), and the `rust-toolchain` files of the project and of every
//!   directory above it.
//! - **The chosen compiler is untouched.** The stamps of `rustc` and of its driver library in the
//!   toolchain's own directory are remembered with the answer. An update replaces these files.
//!
//! Anything else, and any damage to the memory itself, only means asking again.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::digest::Fields;
use super::error::ArtifactError;
use super::files::{Stamp, write_atomically};

/// More choices than one project sees; beyond it the memory starts afresh.
const MOST_REMEMBERED: usize = 32;

/// A Rust toolchain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Toolchain {
    /// What `rustc -vV` says.
    pub(super) version: String,
    /// What `rustc --print sysroot` says.
    pub(super) sysroot: PathBuf,
}

impl Toolchain {
    /// The toolchain that cargo would use in `root`. `memory` is a file that remembers; it need not
    /// exist, and not being able to write it is no error.
    pub(super) fn of(root: &Path, memory: &Path) -> Result<Self, ArtifactError> {
        let rustc = set("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
        let choice = choice(root, &rustc);
        let mut remembered = Memory::read(memory);
        if let Some(known) = remembered.0.get(&choice).filter(|known| known.holds()) {
            return Ok(known.toolchain.clone());
        }
        let toolchain = Self::ask(root, &rustc)?;
        let witnesses = witnesses(&toolchain.sysroot);
        if !witnesses.is_empty() {
            if remembered.0.len() >= MOST_REMEMBERED {
                remembered.0.clear();
            }
            let known = Remembered {
                toolchain: toolchain.clone(),
                witnesses,
            };
            remembered.0.insert(choice, known);
            remembered.write(memory);
        }
        Ok(toolchain)
    }

    fn ask(root: &Path, rustc: &OsStr) -> Result<Self, ArtifactError> {
        Ok(Self {
            version: run(root, rustc, &["-vV"])?,
            sysroot: PathBuf::from(run(root, rustc, &["--print", "sysroot"])?),
        })
    }

    /// The target that the compiler itself runs on, for instance `x86_64-unknown-linux-gnu`.
    pub(super) fn host(&self) -> Option<&str> {
        self.line("host: ")
    }

    /// The commit that the compiler was made from.
    pub(super) fn commit(&self) -> Option<&str> {
        self.line("commit-hash: ")
    }

    fn line(&self, prefix: &str) -> Option<&str> {
        self.version.lines().find_map(|line| line.strip_prefix(prefix))
    }

    /// Whether the standard library for a target is installed.
    pub(super) fn has_target(&self, triple: &str) -> bool {
        self.sysroot.join("lib/rustlib").join(triple).join("lib").is_dir()
    }
}

/// What was learnt, by how the compiler was chosen.
#[derive(Default, Serialize, Deserialize)]
struct Memory(BTreeMap<String, Remembered>);

#[derive(Serialize, Deserialize)]
struct Remembered {
    toolchain: Toolchain,
    witnesses: Vec<(PathBuf, Stamp)>,
}

impl Memory {
    fn read(path: &Path) -> Self {
        fs::read(path)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }

    fn write(&self, path: &Path) {
        // Not being able to remember costs time at the next start and nothing else.
        if let Ok(text) = serde_json::to_vec_pretty(self) {
            let _ = write_atomically(path, &text);
        }
    }
}

impl Remembered {
    fn holds(&self) -> bool {
        !self.witnesses.is_empty()
            && self
                .witnesses
                .iter()
                .all(|(path, stamp)| Stamp::at(path).as_ref() == Some(stamp))
    }
}

/// The files that make up the compiler in a toolchain's directory; empty if it is laid out in some
/// other way, and then nothing may be remembered of it.
fn witnesses(sysroot: &Path) -> Vec<(PathBuf, Stamp)> {
    let rustc = sysroot.join("bin/rustc");
    let Some(stamp) = Stamp::at(&rustc) else {
        return Vec::new();
    };
    let mut witnesses = vec![(rustc, stamp)];
    let libraries = fs::read_dir(sysroot.join("lib")).into_iter().flatten().flatten();
    for entry in libraries {
        if entry.file_name().as_encoded_bytes().starts_with(b"librustc_driver")
            && let Some(stamp) = Stamp::at(&entry.path())
        {
            witnesses.push((entry.path(), stamp));
        }
    }
    witnesses
}

/// Everything that the choice of the compiler depends on, as one number.
fn choice(root: &Path, rustc: &OsStr) -> String {
    let mut sum = Fields::new();
    sum.add(b"root", root.as_os_str().as_encoded_bytes());
    sum.add(b"rustc", rustc.as_encoded_bytes());
    let path = env::var_os("PATH").unwrap_or_default();
    if let Some(found) = find_program(rustc, &path) {
        sum.add(b"found", found.as_os_str().as_encoded_bytes());
        if let Some(stamp) = Stamp::at(&found) {
            sum.add(b"stamp", format!("{stamp:?}").as_bytes());
        }
    }
    for name in ["RUSTUP_TOOLCHAIN", "RUSTUP_HOME", "CARGO_HOME", "HOME"] {
        if let Some(value) = env::var_os(name) {
            sum.add(name.as_bytes(), value.as_encoded_bytes());
        }
    }
    let settings = rustup_home().map(|home| home.join("settings.toml"));
    let pins = root
        .ancestors()
        .flat_map(|directory| ["rust-toolchain", "rust-toolchain.toml"].map(|n| directory.join(n)));
    for file in settings.into_iter().chain(pins) {
        if let Ok(content) = fs::read(&file) {
            sum.add(file.as_os_str().as_encoded_bytes(), &content);
        }
    }
    sum.finish().hex()
}

fn run(root: &Path, program: &OsStr, arguments: &[&str]) -> Result<String, ArtifactError> {
    let name = program.to_string_lossy();
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        // Rustup would otherwise fetch a toolchain that the project asks for and that is missing.
        .env("RUSTUP_AUTO_INSTALL", "0")
        .stdin(Stdio::null())
        .output()
        .map_err(|source| ArtifactError::Run {
            program: name.to_string(),
            source,
        })?;
    if !output.status.success() {
        return Err(ArtifactError::Toolchain {
            command: format!("{name} {}", arguments.join(" ")),
            detail: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The program that a shell would run, `path` being the value of `PATH`. A name that is a path is
/// itself the answer if it is a program.
pub(super) fn find_program(name: &OsStr, path: &OsStr) -> Option<PathBuf> {
    env::split_paths(path)
        .map(|directory| directory.join(name))
        .find(|candidate| is_program(candidate))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// Cargo's own directory: `CARGO_HOME`, else `~/.cargo`.
pub(super) fn cargo_home() -> Option<PathBuf> {
    set("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| dirs::home_dir().map(|home| home.join(".cargo")))
}

fn rustup_home() -> Option<PathBuf> {
    set("RUSTUP_HOME")
        .map(PathBuf::from)
        .or_else(|| dirs::home_dir().map(|home| home.join(".rustup")))
}

/// An environment variable that is set to something.
fn set(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_commit_are_read_from_the_compilers_own_account() {
        let toolchain = Toolchain {
            version: "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\n\
                      commit-hash: 59807616e1fa\nhost: aarch64-unknown-linux-gnu\nrelease: 1.95.0"
                .to_owned(),
            sysroot: PathBuf::from("/nowhere"),
        };
        assert_eq!(toolchain.host(), Some("aarch64-unknown-linux-gnu"));
        assert_eq!(toolchain.commit(), Some("59807616e1fa"));
        assert!(!toolchain.has_target("aarch64-unknown-linux-gnu"));
    }

    #[test]
    fn the_compiler_is_remembered_and_damage_to_the_memory_is_harmless() {
        let scratch = tempfile::tempdir().unwrap();
        let memory = scratch.path().join("toolchain.json");
        let asked = Toolchain::of(scratch.path(), &memory).unwrap();
        assert!(asked.host().is_some(), "{asked:?}");
        assert_eq!(Toolchain::of(scratch.path(), &memory).unwrap(), asked);
        fs::write(&memory, "{ not json").unwrap();
        assert_eq!(Toolchain::of(scratch.path(), &memory).unwrap(), asked);
    }

    #[test]
    fn a_touched_compiler_is_asked_again() {
        let scratch = tempfile::tempdir().unwrap();
        let sysroot = scratch.path();
        assert!(witnesses(sysroot).is_empty(), "an unknown layout is not remembered");
        for file in ["bin/rustc", "lib/librustc_driver-1.so", "lib/other.so"] {
            write_atomically(&sysroot.join(file), b"one").unwrap();
        }
        let remembered = Remembered {
            toolchain: Toolchain {
                version: String::new(),
                sysroot: sysroot.to_path_buf(),
            },
            witnesses: witnesses(sysroot),
        };
        assert_eq!(remembered.witnesses.len(), 2);
        assert!(remembered.holds());
        write_atomically(&sysroot.join("lib/librustc_driver-1.so"), b"two").unwrap();
        assert!(!remembered.holds());
    }

    #[test]
    fn a_pin_in_the_project_changes_the_choice() {
        let scratch = tempfile::tempdir().unwrap();
        let before = choice(scratch.path(), OsStr::new("rustc"));
        assert_eq!(choice(scratch.path(), OsStr::new("rustc")), before);
        fs::write(scratch.path().join("rust-toolchain.toml"), "[toolchain]").unwrap();
        assert_ne!(choice(scratch.path(), OsStr::new("rustc")), before);
    }

    #[cfg(unix)]
    #[test]
    fn a_program_is_found_where_it_can_be_run_and_first() {
        use std::os::unix::fs::PermissionsExt as _;
        let scratch = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| scratch.path().join(name));
        for directory in [&first, &second] {
            write_atomically(&directory.join("tool"), b"").unwrap();
        }
        let path = env::join_paths([&first, &second]).unwrap();
        let name = OsStr::new("tool");
        let allow = |file: &Path| fs::set_permissions(file, fs::Permissions::from_mode(0o755));
        assert_eq!(find_program(name, &path), None, "neither may be run");
        allow(&second.join("tool")).unwrap();
        assert_eq!(find_program(name, &path), Some(second.join("tool")));
        allow(&first.join("tool")).unwrap();
        assert_eq!(find_program(name, &path), Some(first.join("tool")));
    }
}
