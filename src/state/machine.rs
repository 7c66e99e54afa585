//! What tells this machine and this process from others, and the time that no clock setting moves.

use serde::{Deserialize, Serialize};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A process, on whatever machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Within which its number means something: this boot of the machine, the namespace of its numbers, and the user,
    /// since a system may hide the processes of others.
    pub within: String,
    /// Its number.
    pub pid: u32,
    /// When it was started, in the kernel's ticks since the boot. Numbers are used again.
    pub started: u64,
}

impl Process {
    /// This one. Nothing where the system does not tell, as without `/proc`.
    pub fn here() -> Option<Self> {
        let pid = std::process::id();
        Some(Self {
            within: within()?,
            pid,
            started: started(pid)?,
        })
    }

    /// Is it certain that it is gone? Never of a process of another machine, boot, container or user.
    pub fn is_gone(&self) -> bool {
        within().is_some_and(|here| here == self.within) && started(self.pid) != Some(self.started)
    }
}

fn within() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    let user = fs::metadata("/proc/self").ok()?.uid();
    Some(format!("{} {} {user}", boot.trim(), namespace.display()))
}

/// When a process that lives was started.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, also more of them. What follows: state, parent, ...
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // Ended, and not yet collected by its parent.
    if matches!(*fields.first()?, "Z" | "X" | "x") {
        return None;
    }
    // The 22nd of all, after the first two.
    fields.get(19)?.parse().ok()
}

/// How long the machine has been up, suspended or not. No setting of the clock moves it.
pub fn uptime() -> Duration {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    let text = fs::read_to_string("/proc/uptime").ok();
    let seconds = text.and_then(|text| text.split_whitespace().next()?.parse().ok());
    match seconds.map(Duration::try_from_secs_f64) {
        Some(Ok(up)) => up,
        // Without /proc: since the first time that it was asked.
        _ => BEGUN.get_or_init(Instant::now).elapsed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_gone_when_it_has_ended_and_not_before() {
        let here = Process::here().unwrap();
        assert!(!here.is_gone());
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process {
            pid: child.id(),
            started: started(child.id()).unwrap(),
            ..here.clone()
        };
        assert!(!process.is_gone());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(process.is_gone());
        // Its number was given to another since.
        let other = Process {
            started: here.started + 1,
            ..here
        };
        assert!(other.is_gone());
    }

    #[test]
    fn nothing_is_known_of_a_process_elsewhere() {
        let here = Process::here().unwrap();
        let elsewhere = Process {
            within: "another boot".to_owned(),
            pid: u32::MAX,
            ..here
        };
        assert!(!elsewhere.is_gone());
    }

    #[test]
    fn the_machine_is_up_for_ever_longer() {
        let first = uptime();
        assert!(!first.is_zero());
        assert!(uptime() >= first);
    }
}
