//! A project whose functions do nothing, which is all that is needed where none is called: they are deployed in a fraction
//! of the time, and an emulator that keeps them for hundreds of accounts stays small. No state of anybody's is in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// As the project calls them.
const FUNCTIONS: [&str; 2] = ["transaction-processor", "pattern-analyzer"];

/// Its directory.
pub fn project() -> &'static Path {
    static PROJECT: OnceLock<PathBuf> = OnceLock::new();
    PROJECT.get_or_init(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stand-in");
        write(
            &root.join("Cargo.toml"),
            "[workspace]\nmembers = [\"functions/*\"]\nresolver = \"3\"\n",
        );
        for function in FUNCTIONS {
            let package = root.join("functions").join(function);
            let manifest = format!("[package]\nname = \"{function}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n");
            write(&package.join("Cargo.toml"), &manifest);
            write(&package.join("src/main.rs"), "fn main() {}\n");
        }
        root
    })
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a file in a directory")).expect("a directory of the stand-in");
    fs::write(path, text).expect("a file of the stand-in");
}
