//! The private virtual environment that MiniStack runs in.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::process::Command;

use super::error::LocalError;
use super::progress::Progress;
use super::{lock, python};

/// The version of MiniStack that is installed.
pub(super) const MINISTACK: &str = "1.5.33";

/// What is installed, with every version pinned.
const REQUIREMENTS: &str = include_str!("requirements.txt");

/// The virtual environment's own interpreter. Made when it is missing, half-made, made from other
/// requirements, or broken by an upgrade of the system's Python.
///
/// Guarantees: killed at any moment, what is left behind is never taken for complete, because a copy
/// of the requirements is written last. Two callers never build at the same time, not even when one of
/// them is killed while its pip goes on: pip holds the lock too.
pub(super) async fn ensure(
    shared: &Path,
    wanted: Option<&Path>,
    progress: Progress<'_>,
) -> Result<PathBuf, LocalError> {
    let venv = shared.join("venv");
    if is_complete(&venv).await {
        return Ok(interpreter(&venv));
    }
    let waiting = "Waiting for another fraudctl that installs the local AWS";
    let lock = lock::acquire(&shared.join("venv.lock"), waiting, progress).await?;
    // That other one may have finished the work.
    if !is_complete(&venv).await {
        build(&venv, &lock, wanted, progress).await?;
    }
    Ok(interpreter(&venv))
}

async fn build(venv: &Path, lock: &File, wanted: Option<&Path>, progress: Progress<'_>) -> Result<(), LocalError> {
    let python = python::find(wanted).await?;
    progress(&format!("Installing MiniStack {} (needed once)", MINISTACK));
    match fs::remove_dir_all(venv) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(LocalError::cache("remove", venv)(error));
        }
        _ => {}
    }
    create(&python, venv, lock).await?;
    install(venv, lock).await?;
    let marker = marker(venv);
    fs::write(&marker, REQUIREMENTS).map_err(LocalError::cache("write", &marker))
}

async fn create(python: &Path, venv: &Path, lock: &File) -> Result<(), LocalError> {
    let output = run(python, [OsStr::new("-m"), OsStr::new("venv"), venv.as_os_str()], lock).await?;
    if output.status.success() {
        return Ok(());
    }
    let said = text(&output);
    if said.contains("ensurepip") || said.contains("No module named venv") {
        return Err(LocalError::NoVenvModule {
            python: python.to_owned(),
        });
    }
    Err(LocalError::Command {
        command: format!("{} -m venv {}", python.display(), venv.display()),
        output: last_lines(&said),
    })
}

async fn install(venv: &Path, lock: &File) -> Result<(), LocalError> {
    let requirements = venv.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).map_err(LocalError::cache("write", &requirements))?;
    let python = interpreter(venv);
    let arguments = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--requirement",
    ];
    let arguments = arguments.iter().map(OsStr::new).chain([requirements.as_os_str()]);
    let output = run(&python, arguments, lock).await?;
    if output.status.success() {
        return Ok(());
    }
    let said = text(&output);
    let output = last_lines(&said);
    if is_network_trouble(&said) {
        return Err(LocalError::NoNetwork { output });
    }
    let command = format!(
        "{} -m pip install --requirement {}",
        python.display(),
        requirements.display()
    );
    Err(LocalError::Command { command, output })
}

/// Runs a program to its end, with the lock in its hands.
async fn run<'a>(
    program: &Path,
    arguments: impl IntoIterator<Item = &'a OsStr>,
    lock: &File,
) -> Result<Output, LocalError> {
    let cannot_run = |source: io::Error| LocalError::Run {
        program: program.to_owned(),
        source,
    };
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::from(lock.try_clone().map_err(cannot_run)?))
        // The user's settings for other Pythons would send packages elsewhere.
        .env_remove("PYTHONHOME")
        .env_remove("PYTHONPATH")
        .env("PIP_USER", "0")
        .kill_on_drop(true)
        .output()
        .await
        .map_err(cannot_run)
}

async fn is_complete(venv: &Path) -> bool {
    if !fs::read_to_string(marker(venv)).is_ok_and(|made_from| made_from == REQUIREMENTS) {
        return false;
    }
    Command::new(interpreter(venv))
        .args(["-I", "-c", "import cbor2, hypercorn, ministack"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .is_ok_and(|status| status.success())
}

fn marker(venv: &Path) -> PathBuf {
    venv.join("complete")
}

fn interpreter(venv: &Path) -> PathBuf {
    venv.join("bin").join("python")
}

/// venv explains itself on stdout, pip on stderr.
fn text(output: &Output) -> String {
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{stdout}{stderr}")
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(6)..].join("\n")
}

/// pip has no exit code for this, and goes on to claim that the version does not exist.
fn is_network_trouble(said: &str) -> bool {
    [
        "NewConnectionError",
        "NameResolutionError",
        "ConnectTimeoutError",
        "ReadTimeoutError",
        "ProxyError",
        "ProtocolError",
    ]
    .iter()
    .any(|name| said.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::fake::program;

    const VERSION: &str = "if [ \"$1\" = -c ]; then echo 3.12; exit; fi";

    #[test]
    fn the_pinned_ministack_is_the_one_that_is_named() {
        let pin = format!("ministack=={}", MINISTACK);
        assert!(REQUIREMENTS.lines().any(|line| line == pin));
    }

    #[tokio::test]
    async fn a_python_without_ensurepip_is_told_the_package_to_install() {
        let directory = tempfile::tempdir().unwrap();
        let python = program(
            directory.path(),
            &format!("{VERSION}; echo 'not created successfully because ensurepip is not available'; exit 1"),
        );
        let error = ensure(directory.path(), Some(&python), &|_| {}).await.unwrap_err();
        assert!(matches!(error, LocalError::NoVenvModule { .. }), "{error}");
        assert!(error.to_string().contains("apt-get install python3-venv"));
    }

    /// A Python whose `venv` makes an interpreter that does what `pip` says, and which succeeds at
    /// importing.
    fn python_with_pip(directory: &Path, pip: &str) -> PathBuf {
        let interpreter = format!("[ \"$2\" = -c ] && exit; {pip}");
        program(
            directory,
            &format!(
                "{VERSION}; mkdir -p \"$3/bin\"\n\
                 printf '#!/bin/sh\\n%s\\n' '{interpreter}' > \"$3/bin/python\"; chmod +x \"$3/bin/python\""
            ),
        )
    }

    #[tokio::test]
    async fn a_pip_without_network_is_told_apart_from_other_failures() {
        let directory = tempfile::tempdir().unwrap();
        let python = python_with_pip(
            directory.path(),
            "echo \"WARNING: Retrying after connection broken by NewConnectionError\" >&2; exit 1",
        );
        let error = ensure(directory.path(), Some(&python), &|_| {}).await.unwrap_err();
        assert!(matches!(error, LocalError::NoNetwork { .. }), "{error}");

        let python = python_with_pip(directory.path(), "echo \"ERROR: No space left on device\" >&2; exit 1");
        let error = ensure(directory.path(), Some(&python), &|_| {}).await.unwrap_err();
        assert!(
            matches!(&error, LocalError::Command { output, .. } if output.contains("No space left")),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_half_made_environment_is_made_again_and_a_complete_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let venv = directory.path().join("venv");
        fs::create_dir_all(venv.join("bin")).unwrap();
        fs::write(venv.join("leftover"), "").unwrap();

        let python = python_with_pip(directory.path(), "exit 0");
        ensure(directory.path(), Some(&python), &|_| {}).await.unwrap();
        assert!(!venv.join("leftover").exists());

        let broken = program(directory.path(), "exit 1");
        assert_eq!(
            ensure(directory.path(), Some(&broken), &|_| {}).await.unwrap(),
            interpreter(&venv)
        );
    }
}
