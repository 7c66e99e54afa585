//! The Pythons that run the emulators and the independent client.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A virtual environment in the target directory, made once for all test binaries and runs.
struct Venv {
    name: &'static str,
    /// The minor versions of Python 3 that it can be made of.
    versions: RangeInclusive<u8>,
    /// What is installed, one after the other.
    requirements: &'static [&'static str],
    /// Flags of `pip install`.
    flags: &'static [&'static str],
    /// What to do where there is no such Python.
    advice: &'static str,
}

const EMULATORS: Venv = Venv {
    name: "test-venv",
    versions: 10..=14,
    requirements: &[include_str!("requirements.txt")],
    flags: &[],
    advice: "install Python 3.10 or newer with its module venv: on Debian and Ubuntu the packages python3 and python3-venv",
};

const LOCALEMU: Venv = Venv {
    name: "localemu-venv",
    versions: 12..=13,
    requirements: &[include_str!("localemu_build.txt"), include_str!("localemu.txt")],
    // All that it needs is named with its hash; what is built is built with what is there.
    flags: &["--require-hashes", "--no-deps", "--no-build-isolation", "--no-compile"],
    advice: "the tests on LocalEmu need Python 3.12 or 3.13 with its module venv, beside any other Python: on Debian 13 and \
             Ubuntu 24.04 the packages python3 and python3-venv; elsewhere `uv python install 3.13` or `pyenv install 3.13`, \
             which are found where they put it",
};

/// The interpreter that MiniStack, moto and the independent client run on.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| EMULATORS.ensure())
}

/// The interpreter that LocalEmu runs on.
pub fn localemu() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| LOCALEMU.ensure())
}

impl Venv {
    /// A copy of the requirements is written last, so that a half-made environment, or one made from other requirements,
    /// is made again.
    fn ensure(&self) -> PathBuf {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .parent()
            .expect("a directory below the target directory");
        let venv = target.join(self.name);
        let lock = File::create(venv.with_extension("lock")).expect("a lock file in the target directory");
        lock.lock().expect("the lock of the test environment");
        let (python, marker) = (venv.join("bin/python"), venv.join("complete"));
        let complete = self.requirements.concat();
        if python.exists() && fs::read_to_string(&marker).is_ok_and(|made_from| made_from == complete) {
            return python;
        }
        if venv.exists() {
            fs::remove_dir_all(&venv).expect("removing a half-made test environment");
        }
        let Some(found) = interpreter(&self.versions) else {
            panic!("{}", self.advice);
        };
        run(
            &lock,
            &found,
            ["-m", "venv"].map(OsStr::new).into_iter().chain([venv.as_os_str()]),
        );
        for requirements in self.requirements {
            let file = venv.join("requirements.txt");
            fs::write(&file, requirements).expect("writing into the test environment");
            let install = [
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-input",
                "--disable-pip-version-check",
            ];
            let flags = install
                .iter()
                .chain(self.flags)
                .chain(&["--requirement"])
                .map(OsStr::new);
            run(&lock, &python, flags.chain([file.as_os_str()]));
        }
        fs::write(&marker, complete).expect("writing into the test environment");
        python
    }
}

/// The first Python of these versions that runs and can make virtual environments: on PATH, else where pyenv and uv put
/// theirs.
fn interpreter(versions: &RangeInclusive<u8>) -> Option<PathBuf> {
    let named = versions
        .clone()
        .rev()
        .map(|minor| PathBuf::from(format!("python3.{minor}")));
    let candidates = [PathBuf::from("python3")].into_iter().chain(named).chain(installed());
    let (oldest, newest) = (versions.start(), versions.end());
    let check =
        format!("import ensurepip, sys, venv; sys.exit(not (3, {oldest}) <= sys.version_info[:2] <= (3, {newest}))");
    candidates.into_iter().find(|candidate| {
        // A name on PATH may be a stand-in for a version that is not installed.
        Command::new(candidate)
            .args(["-c", &check])
            .env_remove("PYTHONHOME")
            .env_remove("PYTHONPATH")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

fn installed() -> Vec<PathBuf> {
    let home = env::home_dir().unwrap_or_default();
    let folder = |variable: &str, usual: &str| env::var_os(variable).map_or_else(|| home.join(usual), PathBuf::from);
    let folders = [
        folder("PYENV_ROOT", ".pyenv").join("versions"),
        folder("UV_PYTHON_INSTALL_DIR", ".local/share/uv/python"),
    ];
    let entries = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path().join("bin/python3")).collect();
    found.sort();
    found
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
        "the test environment could not be made (it needs the network once):\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
