//! Stand-ins for programs, for tests.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Makes a shell script `python` in the directory.
pub(super) fn program(directory: &Path, script: &str) -> PathBuf {
    let path = directory.join("python");
    // Written by another process: a child that some other test starts meanwhile would inherit our open
    // file, and nobody can run a program that is open for writing.
    let mut shell = Command::new("sh")
        .args(["-c", "cat > \"$1\" && chmod +x \"$1\"", "sh"])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    shell
        .stdin
        .take()
        .unwrap()
        .write_all(format!("#!/bin/sh\n{script}\n").as_bytes())
        .unwrap();
    assert!(shell.wait().unwrap().success());
    path
}
