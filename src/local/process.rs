//! Processes that are not our children: is it still that one, and make it end.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

/// Whether the process is a local AWS that serves this directory. The number alone proves nothing: it
/// may have been given to another program since. A process that has ended and was not yet collected by
/// its parent does not count.
pub(super) async fn serves(pid: u32, directory: &Path) -> bool {
    match tokio::fs::read(format!("/proc/{pid}/cmdline")).await {
        Ok(command) => command
            .split(|byte| *byte == 0)
            .any(|argument| argument == directory.as_os_str().as_bytes()),
        Err(_) if Path::new("/proc/self/cmdline").exists() => false,
        Err(_) => command_line(pid).await.contains(&*directory.to_string_lossy()),
    }
}

/// Where there is no /proc.
async fn command_line(pid: u32) -> String {
    let output = Command::new("ps")
        .args(["-o", "command=", "-p", &pid.to_string()])
        .stdin(Stdio::null())
        .output()
        .await;
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

/// Whom a signal goes to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    Process(u32),
    /// The process and those that it started.
    Group(u32),
}

/// Sends a signal by its name, such as `TERM`.
pub(super) async fn signal(name: &str, target: Target) -> io::Result<()> {
    let number = match target {
        Target::Process(pid) => pid.to_string(),
        Target::Group(pid) => format!("-{pid}"),
    };
    // The shell's own kill: small systems have no /bin/kill.
    let output = Command::new("sh")
        .args(["-c", "kill -s \"$1\" -- \"$2\"", "sh", name, &number])
        .stdin(Stdio::null())
        .output()
        .await?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[tokio::test]
    async fn a_process_is_known_by_the_directory_among_its_arguments() {
        let directory = tempfile::tempdir().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "sleep 60; :", "sh"])
            .arg(directory.path())
            .process_group(0)
            .spawn()
            .unwrap();
        let pid = child.id().unwrap();
        // For a moment after it began, Linux shows no arguments of a program.
        let begun = Instant::now();
        while !serves(pid, directory.path()).await {
            assert!(begun.elapsed() < Duration::from_secs(10), "its arguments are not shown");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(!serves(pid, Path::new("/nowhere")).await);

        signal("KILL", Target::Group(pid)).await.unwrap();
        child.wait().await.unwrap();
        assert!(!serves(pid, directory.path()).await);
        assert!(signal("TERM", Target::Process(pid)).await.is_err());
    }
}
