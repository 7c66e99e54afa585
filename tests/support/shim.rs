//! A clock that is wrong and a disk that is full, for one command: a small library that stands before the C library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

/// Stands around a command, and changes its world while it runs.
pub struct Shim {
    folder: TempDir,
}

impl Shim {
    /// Nothing is wrong yet.
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder for the shim"),
        }
    }

    /// Puts the command, which is fraudctl itself, into this world. What it starts is outside.
    pub fn around(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", library())
            .env("SHIM_CLOCK", self.clock())
            .env("SHIM_FULL", self.full());
    }

    /// From now on the clock is ahead by this many seconds, or behind.
    pub fn set_clock_ahead(&self, seconds: i64) {
        replace(&self.clock(), &seconds.to_string());
    }

    /// From now on nothing can be written into files below this folder.
    pub fn fill(&self, folder: &Path) {
        let folder = folder.canonicalize().expect("a folder that is there");
        replace(&self.full(), folder.to_str().expect("a path of the tests' own"));
    }

    /// From now on there is room again.
    pub fn make_room(&self) {
        fs::remove_file(self.full()).expect("the disk was full");
    }

    fn clock(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    fn full(&self) -> PathBuf {
        self.folder.path().join("full")
    }
}

/// At once: the command may read it at any moment.
fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).expect("the shim's folder");
    fs::rename(&new, path).expect("the shim's folder");
}

/// The library, compiled once for this process by the compiler that links Rust programs as well.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let new = tempfile::Builder::new()
            .suffix(".so")
            .tempfile_in(folder)
            .expect("a file for the shim")
            .into_temp_path();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/shim.c");
        let output = Command::new("cc")
            .args(["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o"])
            .args([new.as_os_str(), source.as_os_str()])
            .output()
            .expect("cc, which Rust links with");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let library = folder.join("shim.so");
        new.persist(&library).expect("the shim's place");
        library
    })
}
