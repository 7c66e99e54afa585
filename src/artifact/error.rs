//! What can go wrong while the functions are built, and what to do about it.

use std::io;
use std::path::PathBuf;

use super::flavor::Arch;

/// What brings a linker for any processor, in a virtual environment of its own: Debian, Ubuntu and others let pip install
/// nothing outside of one. First on PATH, because `cargo-zigbuild` looks there for the Python that has zig.
pub(super) const INSTALL_ZIG: &str = "python3 -m venv ~/.fraudctl-zig && ~/.fraudctl-zig/bin/pip install cargo-zigbuild \
                                      ziglang && export PATH=\"$HOME/.fraudctl-zig/bin:$PATH\"";

/// Why there is no artifact. The message says what was tried, on what, and what to do next; the
/// operating system's own words are the source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The directory is not this project.
    #[error("{root} has no {missing}: run fraudctl in the directory of its project")]
    NotAProject {
        /// The directory that was given.
        root: PathBuf,
        /// The first thing that a project has and this directory has not.
        missing: &'static str,
    },

    /// A file that decides or holds the build could not be read.
    #[error("cannot read {path}")]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },

    /// A result could not be written.
    #[error("cannot write {path}")]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },

    /// A symbolic link among the sources leads to something other than a file of the project, so a
    /// change behind it could go unnoticed.
    #[error(
        "{path} is a symbolic link that does not lead to a file of this project: \
         replace it with the file itself"
    )]
    Symlink {
        /// The link.
        path: PathBuf,
    },

    /// A program of the Rust toolchain could not be started.
    #[error("cannot run `{program}`: is Rust installed and on PATH? See https://rustup.rs")]
    Run {
        /// The program as it was called.
        program: String,
        /// The operating system's reason.
        source: io::Error,
    },

    /// The compiler could not say which one it is.
    #[error("`{command}` failed: {detail}")]
    Toolchain {
        /// The command line.
        command: String,
        /// What it said.
        detail: String,
    },

    /// Rust's standard library for the wanted processor is not installed.
    #[error(
        "Rust's standard library for {arch} is not installed. {advice}{}",
        or_own_processor(.own)
    )]
    MissingTarget {
        /// The processor that was asked for.
        arch: Arch,
        /// The one command that installs it.
        advice: String,
        /// This machine's own processor, for which less is needed.
        own: Option<Arch>,
    },

    /// No linker for the wanted processor was found.
    #[error(
        "no linker for {arch} was found. Run: {INSTALL_ZIG}\n\
         (or, on Debian: apt-get install {debian_package}){}",
        or_own_processor(.own)
    )]
    MissingLinker {
        /// The processor that was asked for.
        arch: Arch,
        /// Debian's package of a cross compiler.
        debian_package: &'static str,
        /// This machine's own processor, for which less is needed.
        own: Option<Arch>,
    },

    /// Cargo ran and failed.
    #[error("`{command}` failed ({status}):\n{tail}")]
    Cargo {
        /// The command line.
        command: String,
        /// The exit status or signal, in words.
        status: String,
        /// The last lines that it printed.
        tail: String,
    },

    /// Cargo succeeded and made no such binary.
    #[error("the build made no binary named {function}: functions/{function} should have one")]
    NoExecutable {
        /// The function that is missing.
        function: &'static str,
    },

    /// The binary asks for a newer C library than Lambda has.
    #[error(
        "{path} needs glibc {found}, and Lambda's Amazon Linux 2023 has {floor}. \
         Run this, which links against the older one: {INSTALL_ZIG}"
    )]
    GlibcTooNew {
        /// The binary.
        path: PathBuf,
        /// The newest version that it asks for.
        found: String,
        /// The version that Lambda has.
        floor: String,
    },

    /// A zip file could not be made.
    #[error("cannot pack {path}")]
    Zip {
        /// The file to be made.
        path: PathBuf,
        /// The reason.
        source: zip::result::ZipError,
    },

    /// The zip file is not the one that was made.
    #[error("{path} has changed since it was made: delete it and run again")]
    Altered {
        /// The zip file.
        path: PathBuf,
    },

    /// Every build was overtaken by another change of the sources.
    #[error("the sources below functions/ keep changing while they are built: run again")]
    SourcesChanged,

    /// Work in the background did not end, because the program is ending.
    #[error("the build was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

fn or_own_processor(own: &Option<Arch>) -> String {
    own.map(|arch| format!("\nOr build for this machine's own processor: --arch {arch}"))
        .unwrap_or_default()
}
