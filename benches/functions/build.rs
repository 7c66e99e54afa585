//! What is measured: the functions in the profile that is sent to AWS, for this machine's processor; and a Python of
//! its own for the reference.

use std::env;
use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const REQUIREMENTS: &str = include_str!("../python/requirements.txt");
const HANDLER: &str = include_str!("../python/handler.py");
const RUNTIME: &str = include_str!("../python/runtime.py");

/// The target directory of this very build.
pub fn target_directory() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("a directory below the target directory")
}

/// Builds the functions and returns where their binaries are. Minutes from cold with the profile `lambda`.
pub fn functions(profile: &str) -> PathBuf {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args([
            "build",
            "--profile",
            profile,
            "--package",
            "transaction-processor",
            "--package",
            "pattern-analyzer",
        ])
        .arg("--target-dir")
        .arg(target_directory())
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    // What cargo tells this program is not meant for the build.
    for (name, _) in env::vars_os() {
        let of_cargo = |prefix| name.to_str().is_some_and(|name| name.starts_with(prefix));
        if ["CARGO_PKG_", "CARGO_BIN_", "CARGO_MANIFEST_"]
            .into_iter()
            .any(of_cargo)
        {
            command.env_remove(name);
        }
    }
    run(&mut command);
    target_directory().join(if profile == "dev" { "debug" } else { profile })
}

/// How long the zip file is that would be uploaded.
pub fn zip_bytes(binary: &Path) -> u64 {
    let content = fs::read(binary).unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
    let options = SimpleFileOptions::DEFAULT.compression_level(Some(9));
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", options)
        .expect("an empty archive takes a file");
    zip.write_all(&content).expect("memory takes all");
    zip.finish().expect("memory takes all").into_inner().len() as u64
}

/// The Python of a virtual environment with boto3, made once. A copy of the requirements is written last, so that a
/// half-made one is made again.
pub fn python() -> PathBuf {
    let venv = target_directory().join("bench-venv");
    let (python, marker) = (venv.join("bin/python"), venv.join("complete"));
    if fs::read_to_string(&marker).is_ok_and(|made_from| made_from == REQUIREMENTS) {
        return python;
    }
    if venv.exists() {
        fs::remove_dir_all(&venv).expect("removing a half-made environment");
    }
    run(Command::new(system_python()).args(["-m", "venv"]).arg(&venv));
    let requirements = venv.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).expect("writing into the environment");
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--requirement",
    ];
    run(Command::new(&python).args(install).arg(&requirements));
    fs::write(&marker, REQUIREMENTS).expect("writing into the environment");
    python
}

/// Unpacks the reference handler and returns what is to be run. Python may keep compiled code beside it.
pub fn handler(scratch: &Path) -> PathBuf {
    let runtime = scratch.join("runtime.py");
    fs::write(scratch.join("handler.py"), HANDLER).expect("writing into the temporary directory");
    fs::write(&runtime, RUNTIME).expect("writing into the temporary directory");
    runtime
}

/// `3.11.7`, as Python names itself.
pub fn python_version(python: &Path) -> String {
    let output = Command::new(python).arg("--version").output().expect("a Python");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().trim_start_matches("Python ").to_owned()
}

/// The pinned version of boto3.
pub fn boto3_version() -> &'static str {
    let line = REQUIREMENTS.lines().find_map(|line| line.strip_prefix("boto3=="));
    line.expect("boto3 is pinned")
}

fn system_python() -> &'static str {
    let new_enough = |name: &&str| {
        Command::new(name)
            .args(["-c", "import sys; sys.exit(sys.version_info < (3, 11))"])
            .status()
            .is_ok_and(|status| status.success())
    };
    let names = ["python3", "python3.14", "python3.13", "python3.12", "python3.11"];
    names
        .into_iter()
        .find(new_enough)
        .expect("the benchmark needs Python 3.11 or newer on PATH")
}

fn run(command: &mut Command) {
    let status = command.env_remove("PYTHONHOME").env_remove("PYTHONPATH").status();
    let status = status.unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(status.success(), "{command:?} failed");
}
