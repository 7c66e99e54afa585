//! The Python that runs the emulators and the independent client.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

const REQUIREMENTS: &str = include_str!("requirements.txt");

/// The interpreter of a virtual environment in the target directory, made once for all test binaries and runs.
/// A copy of the requirements is written last, so that a half-made one, or one made from other requirements, is
/// made again.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .parent()
            .expect("a directory below the target directory");
        ensure(&target.join("test-venv"))
    })
}

fn ensure(venv: &Path) -> PathBuf {
    let lock = File::create(venv.with_extension("lock")).expect("a lock file in the target directory");
    lock.lock().expect("the lock of the test environment");
    let (python, marker) = (venv.join("bin/python"), venv.join("complete"));
    if python.exists() && fs::read_to_string(&marker).is_ok_and(|made_from| made_from == REQUIREMENTS) {
        return python;
    }
    if venv.exists() {
        fs::remove_dir_all(venv).expect("removing a half-made test environment");
    }
    run(
        &lock,
        system_python(),
        ["-m", "venv"].map(OsStr::new).into_iter().chain([venv.as_os_str()]),
    );
    let requirements = venv.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).expect("writing into the test environment");
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--requirement",
    ];
    run(
        &lock,
        &python,
        install.map(OsStr::new).into_iter().chain([requirements.as_os_str()]),
    );
    fs::write(&marker, REQUIREMENTS).expect("writing into the test environment");
    python
}

/// The first Python on PATH that MiniStack runs on.
fn system_python() -> &'static Path {
    [
        "python3",
        "python3.14",
        "python3.13",
        "python3.12",
        "python3.11",
        "python3.10",
    ]
    .into_iter()
    .find(|name| {
        Command::new(name)
            .args(["-c", "import sys; sys.exit(sys.version_info < (3, 10))"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
    .map(Path::new)
    .expect("the tests need Python 3.10 or newer on PATH")
}

/// Gives the program the lock as its stdin: when the test is killed, the program goes on and keeps others from
/// building in the same place.
fn run<'a>(lock: &File, program: &Path, arguments: impl Iterator<Item = &'a OsStr>) {
    let output = Command::new(program)
        .args(arguments)
        .stdin(lock.try_clone().expect("a clone of the lock file"))
        .env_remove("PYTHONHOME")
        .env_remove("PYTHONPATH")
        .env("PIP_USER", "0")
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()));
    assert!(
        output.status.success(),
        "the test environment could not be made (it needs the network once, and on Debian the package python3-venv):\n\
         {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
