//! One number for everything that decides what the build makes.
//!
//! Wide rather than clever: every file below `functions/` counts unless it is known not to, whole
//! and by content, so that a file included with `include_str!` counts too. A needless change of the
//! fingerprint costs one run of cargo, which then finds little to do; a missing one would deploy
//! yesterday's code.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::digest::Fields;
use super::error::ArtifactError;
use super::flavor::{FUNCTIONS, Flavor};

/// To be raised when the way of calling cargo, of stripping or of packing changes.
const FORMAT: &[u8] = b"1";

/// Below this directory lies what the functions are made of.
const SOURCES: &str = "functions";

/// Beside [`SOURCES`], these decide too.
const ROOT_FILES: [&str; 4] = ["Cargo.toml", "Cargo.lock", "rust-toolchain", "rust-toolchain.toml"];

/// Directories of a package that are compiled for its tests or not at all.
const NOT_COMPILED: [&str; 4] = ["tests", "benches", "examples", "target"];

/// Directories that test tools write, wherever they lie.
const TEST_RECORDS: [&str; 2] = ["proptest-regressions", "snapshots"];

/// What decides beside the files of the project.
pub(super) struct Recipe<'a> {
    pub(super) flavor: Flavor,
    /// The compiler's account of itself, `rustc -vV`.
    pub(super) rustc: &'a str,
    /// Of the environment, what [`decisive`] keeps.
    pub(super) environment: Vec<(OsString, OsString)>,
    /// Where cargo looks for its configuration, see [`cargo_configurations`].
    pub(super) configurations: Vec<PathBuf>,
}

/// The fingerprint, 64 hexadecimal characters. Reads every source, some hundred kilobytes.
pub(super) fn of(root: &Path, recipe: &Recipe<'_>) -> Result<String, ArtifactError> {
    let mut sum = Fields::new();
    sum.add(b"format", FORMAT);
    sum.add(b"flavor", recipe.flavor.label().as_bytes());
    for function in FUNCTIONS {
        sum.add(b"function", function.as_bytes());
    }
    sum.add(b"rustc", recipe.rustc.as_bytes());
    for (name, value) in &recipe.environment {
        sum.add(b"variable", name.as_encoded_bytes());
        sum.add(b"value", value.as_encoded_bytes());
    }
    for path in &recipe.configurations {
        if let Some(content) = read_if_present(path)? {
            sum.add(b"configuration", &content);
        }
    }
    for name in ROOT_FILES {
        if let Some(content) = read_if_present(&root.join(name))? {
            sum.add(name.as_bytes(), &content);
        }
    }
    for relative in sources(root)? {
        let path = root.join(&relative);
        let content = fs::read(&path).map_err(|source| ArtifactError::Read { path, source })?;
        sum.add(b"path", bytes(&relative));
        sum.add(b"content", &content);
    }
    Ok(sum.finish().hex())
}

/// Of an environment, the variables that change what cargo, rustc and the C compiler make, in
/// order. Neither how many jobs run nor where they write is among them.
pub(super) fn decisive(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    const NAMES: &[&str] = &[
        "AR",
        "CARGO_ENCODED_RUSTFLAGS",
        "CC",
        "CFLAGS",
        "CXX",
        "CXXFLAGS",
        "RUSTC",
        "RUSTC_BOOTSTRAP",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTFLAGS",
        "SOURCE_DATE_EPOCH",
        "TARGET_AR",
        "TARGET_CC",
        "TARGET_CFLAGS",
        "TARGET_CXX",
        "TARGET_CXXFLAGS",
    ];
    const PREFIXES: &[&str] = &[
        "AR_",
        "AWS_LC_SYS_",
        "CARGO_BUILD_",
        "CARGO_PROFILE_",
        "CARGO_TARGET_",
        "CC_",
        "CFLAGS_",
        "CXXFLAGS_",
        "CXX_",
    ];
    const NEUTRAL: &[&str] = &[
        "CARGO_BUILD_BUILD_DIR",
        "CARGO_BUILD_INCREMENTAL",
        "CARGO_BUILD_JOBS",
        "CARGO_BUILD_TARGET_DIR",
        "CARGO_TARGET_DIR",
        "CARGO_TARGET_TMPDIR",
    ];
    let mut kept: Vec<_> = environment
        .into_iter()
        .filter(|(name, _)| {
            name.to_str().is_some_and(|name| {
                let listed = NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
                listed && !NEUTRAL.contains(&name)
            })
        })
        .collect();
    kept.sort();
    kept
}

/// Where cargo looks for configuration when it runs in `root`: there, in every directory above, and
/// in its own home. See <https://doc.rust-lang.org/cargo/reference/config.html>.
pub(super) fn cargo_configurations(root: &Path, cargo_home: Option<&Path>) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    root.ancestors()
        .map(|directory| directory.join(".cargo"))
        .chain(cargo_home.map(Path::to_path_buf))
        .filter(|directory| seen.insert(directory.clone()))
        .flat_map(|directory| [directory.join("config.toml"), directory.join("config")])
        .collect()
}

/// The files below [`SOURCES`] that may be compiled in, relative to `root`, in an order that does
/// not depend on the file system.
fn sources(root: &Path) -> Result<Vec<PathBuf>, ArtifactError> {
    let mut found = Vec::new();
    collect(root, Path::new(SOURCES), 0, &mut found)?;
    found.sort_by(|a, b| bytes(a).cmp(bytes(b)));
    Ok(found)
}

/// `depth` counts the directories between [`SOURCES`] and `relative`: 1 is a package.
fn collect(root: &Path, relative: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), ArtifactError> {
    let directory = root.join(relative);
    let unreadable = |source| ArtifactError::Read {
        path: directory.clone(),
        source,
    };
    for entry in fs::read_dir(&directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        let kind = entry.file_type().map_err(unreadable)?;
        let path = relative.join(&name);
        let skip = is_hidden(&name)
            || (!kind.is_file() && is_beside_the_point(&name, depth))
            || (!kind.is_dir() && is_prose_or_record(&path));
        if skip {
            continue;
        }
        if kind.is_dir() {
            collect(root, &path, depth + 1, found)?;
        } else if kind.is_symlink() {
            if !leads_to_own_file(root, &root.join(&path)) {
                return Err(ArtifactError::Symlink { path: root.join(path) });
            }
            found.push(path);
        } else if kind.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn is_beside_the_point(directory: &OsStr, depth: usize) -> bool {
    TEST_RECORDS.iter().any(|name| directory == *name)
        || (depth <= 1 && NOT_COMPILED.iter().any(|name| directory == *name))
}

fn is_prose_or_record(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "md" || extension == "snap")
}

/// Whether a link ends at a regular file below `root`, which is canonical.
fn leads_to_own_file(root: &Path, link: &Path) -> bool {
    fs::canonicalize(link).is_ok_and(|end| end.starts_with(root) && end.is_file())
}

fn read_if_present(path: &Path) -> Result<Option<Vec<u8>>, ArtifactError> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(ArtifactError::Read {
            path: path.to_path_buf(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::flavor::Arch;
    use super::*;

    /// A small project, and its directory as [`of`] wants it.
    fn project() -> (tempfile::TempDir, PathBuf) {
        let scratch = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(scratch.path()).unwrap();
        for (path, content) in [
            ("Cargo.toml", "[workspace]"),
            ("Cargo.lock", "version = 4"),
            ("README.md", "read me"),
            ("src/main.rs", "fn main() {}"),
            ("functions/fraud/Cargo.toml", "[package]"),
            ("functions/fraud/src/lib.rs", "pub mod rules;"),
            ("functions/fraud/src/rules.rs", "//! Rules."),
            ("functions/fraud/src/limits.json", "{}"),
            ("functions/transaction-processor/src/main.rs", "fn main() {}"),
        ] {
            write(&root, path, content);
        }
        (scratch, root)
    }

    fn write(root: &Path, path: &str, content: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn recipe() -> Recipe<'static> {
        Recipe {
            flavor: Flavor::Aws(Arch::Arm64),
            rustc: "rustc 1.95.0",
            environment: Vec::new(),
            configurations: Vec::new(),
        }
    }

    fn fingerprint(root: &Path) -> String {
        of(root, &recipe()).unwrap()
    }

    #[test]
    fn every_file_that_decides_the_binary_changes_the_fingerprint() {
        let (_scratch, root) = project();
        let mut seen = BTreeSet::from([fingerprint(&root)]);
        for path in [
            "Cargo.toml",
            "Cargo.lock",
            "rust-toolchain.toml",
            "functions/fraud/Cargo.toml",
            "functions/fraud/src/lib.rs",
            "functions/fraud/src/limits.json",
            "functions/fraud/src/tests/deep.rs",
            "functions/fraud/build.rs",
            "functions/transaction-processor/src/main.rs",
        ] {
            write(&root, path, "// changed");
            assert!(seen.insert(fingerprint(&root)), "{path} did not change the fingerprint");
        }
    }

    #[test]
    fn what_is_not_compiled_leaves_the_fingerprint_alone() {
        let (_scratch, root) = project();
        let before = fingerprint(&root);
        for path in [
            "README.md",
            "src/main.rs",
            "target/debug/transaction-processor",
            "functions/target/debug/x",
            "functions/fraud/target/debug/x",
            "functions/fraud/README.md",
            "functions/fraud/tests/rules.rs",
            "functions/fraud/benches/rules.rs",
            "functions/fraud/proptest-regressions/rules.txt",
            "functions/fraud/src/.rules.rs.swp",
        ] {
            write(&root, path, "changed");
            assert_eq!(fingerprint(&root), before, "{path} changed the fingerprint");
        }
    }

    #[test]
    fn a_renamed_file_changes_the_fingerprint_and_its_old_name_restores_it() {
        let (_scratch, root) = project();
        let before = fingerprint(&root);
        let (old, new) = (
            root.join("functions/fraud/src/rules.rs"),
            root.join("functions/fraud/src/score.rs"),
        );
        fs::rename(&old, &new).unwrap();
        assert_ne!(fingerprint(&root), before);
        fs::rename(&new, &old).unwrap();
        assert_eq!(fingerprint(&root), before);
    }

    #[test]
    fn the_fingerprint_does_not_depend_on_where_the_project_lies() {
        let (_scratch, root) = project();
        let (_other_scratch, other) = project();
        assert_eq!(fingerprint(&root), fingerprint(&other));
    }

    #[test]
    fn flavor_compiler_environment_and_configuration_count() {
        let (_scratch, root) = project();
        let base = fingerprint(&root);
        let variants = [
            Recipe {
                flavor: Flavor::Local,
                ..recipe()
            },
            Recipe {
                flavor: Flavor::Aws(Arch::X86_64),
                ..recipe()
            },
            Recipe {
                rustc: "rustc 1.96.0",
                ..recipe()
            },
            Recipe {
                environment: vec![("RUSTFLAGS".into(), "-g".into())],
                ..recipe()
            },
            Recipe {
                configurations: vec![root.join("Cargo.toml")],
                ..recipe()
            },
        ];
        let mut seen = BTreeSet::from([base]);
        for variant in variants {
            assert!(seen.insert(of(&root, &variant).unwrap()));
        }
    }

    #[test]
    fn sources_come_in_one_order_whatever_the_file_system_says() {
        let (_scratch, root) = project();
        let found = sources(&root).unwrap();
        assert_eq!(
            found.iter().map(|path| path.to_str().unwrap()).collect::<Vec<_>>(),
            [
                "functions/fraud/Cargo.toml",
                "functions/fraud/src/lib.rs",
                "functions/fraud/src/limits.json",
                "functions/fraud/src/rules.rs",
                "functions/transaction-processor/src/main.rs",
            ]
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_within_the_project_counts_by_content_and_any_other_is_refused() {
        use std::os::unix::fs::symlink;
        let (_scratch, root) = project();
        let link = root.join("functions/fraud/src/shared.rs");

        symlink(root.join("src/main.rs"), &link).unwrap();
        let before = fingerprint(&root);
        write(&root, "src/main.rs", "fn main() { panic!() }");
        assert_ne!(fingerprint(&root), before);

        let outside = tempfile::NamedTempFile::new().unwrap();
        for end in [outside.path(), root.join("src").as_path(), Path::new("nowhere")] {
            fs::remove_file(&link).unwrap();
            symlink(end, &link).unwrap();
            let error = of(&root, &recipe()).unwrap_err();
            assert!(
                matches!(&error, ArtifactError::Symlink { path } if *path == link),
                "{error}"
            );
        }
    }

    #[test]
    fn a_project_without_functions_is_an_error_that_names_the_directory() {
        let (_scratch, root) = project();
        fs::remove_dir_all(root.join("functions")).unwrap();
        let error = of(&root, &recipe()).unwrap_err().to_string();
        assert!(error.contains("functions"), "{error}");
    }

    #[test]
    fn only_decisive_variables_are_kept_and_in_order() {
        let environment = [
            ("RUSTFLAGS", "-g"),
            ("HOME", "/home/someone"),
            ("CARGO_TARGET_DIR", "elsewhere"),
            ("CARGO_BUILD_JOBS", "2"),
            ("CARGO_PROFILE_DEV_DEBUG", "0"),
            ("CC_aarch64_unknown_linux_gnu", "clang"),
            ("CARGO_PKG_NAME", "fraudctl"),
        ];
        let kept = decisive(environment.map(|(name, value)| (OsString::from(name), OsString::from(value))));
        let names: Vec<_> = kept.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(
            names,
            ["CARGO_PROFILE_DEV_DEBUG", "CC_aarch64_unknown_linux_gnu", "RUSTFLAGS"]
        );
    }

    #[test]
    fn cargo_configuration_is_sought_upwards_and_at_home_once() {
        let found = cargo_configurations(Path::new("/home/a/p"), Some(Path::new("/home/a/.cargo")));
        let directories: Vec<_> = found.iter().filter(|path| path.ends_with("config.toml")).collect();
        assert_eq!(
            directories,
            [
                Path::new("/home/a/p/.cargo/config.toml"),
                Path::new("/home/a/.cargo/config.toml"),
                Path::new("/home/.cargo/config.toml"),
                Path::new("/.cargo/config.toml"),
            ]
        );
    }
}
