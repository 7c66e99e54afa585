//! The script that CI systems run against an AWS of their own.

use crate::support::Environment;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn the_smoke_script_passes_and_leaves_the_account_as_it_was() {
    let env = Environment::new().scoring();
    let before = env.aws.inventory();
    // Rust, a C toolchain and Python are all that a machine needs.
    let folder = tempfile::tempdir().expect("a folder");
    let none = folder.path().join("curl");
    fs::write(&none, "#!/bin/sh\nexit 127\n").expect("a program");
    fs::set_permissions(&none, fs::Permissions::from_mode(0o755)).expect("a program");
    let path = std::env::var("PATH").expect("there is a PATH");
    let path = format!("{}:{path}", folder.path().display());
    let output = script(&env).env("PATH", path).output().expect("bash starts");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("smoke: passed\n"));
    assert_eq!(env.aws.inventory(), before);
}

#[test]
fn the_smoke_script_fails_with_the_command_and_takes_down_what_stands() {
    let env = Environment::new().scoring();
    let before = env.aws.inventory();
    // An alert that never comes: nothing exceeds the highest threshold.
    env.settings("fraud_threshold = 1\n");
    let output = script(&env).env("SMOKE_SECONDS", "1").output().expect("bash starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("no alert"), "{said}");
    assert_eq!(env.aws.inventory(), before);
}

/// The script, with the environment that the command itself would have.
pub fn script(env: &Environment) -> Command {
    let mut script = Command::new("bash");
    script
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/smoke.sh"))
        .stdin(Stdio::null());
    for (name, value) in env.command(&[]).get_envs() {
        match value {
            Some(value) => script.env(name, value),
            None => script.env_remove(name),
        };
    }
    script.env("FRAUDCTL", env!("CARGO_BIN_EXE_fraudctl"));
    script
}
