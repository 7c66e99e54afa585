//! What tells this machine and this process from others, and the time that no clock setting moves.

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

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

    /// Is it certain that it lives? Only of a process of this machine, boot, container and user.
    pub fn lives(&self) -> bool {
        within().is_some_and(|here| here == self.within) && life(self.pid) == Life::Since(self.started)
    }

    /// Is it certain that it is gone? Never of a process of another machine, boot, container or user, nor of one of which
    /// the system does not tell.
    pub fn is_gone(&self) -> bool {
        within().is_some_and(|here| here == self.within)
            && match life(self.pid) {
                Life::Ended => true,
                Life::Since(started) => started != self.started,
                Life::Untold => false,
            }
    }
}

/// What the system says of a process's number.
#[derive(Debug, PartialEq, Eq)]
enum Life {
    /// Nobody has it.
    Ended,
    /// One that lives was started then.
    Since(u64),
    /// Nothing that could be read.
    Untold,
}

fn within() -> Option<String> {
    // Two machines that were made from one picture of a running one have the same boot.
    let host = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    let user = fs::metadata("/proc/self").ok()?.uid();
    Some(format!(
        "{} {} {} {user}",
        host.trim(),
        boot.trim(),
        namespace.display()
    ))
}

fn started(pid: u32) -> Option<u64> {
    match life(pid) {
        Life::Since(started) => Some(started),
        Life::Ended | Life::Untold => None,
    }
}

fn life(pid: u32) -> Life {
    told(fs::read_to_string(format!("/proc/{pid}/stat")))
}

fn told(stat: io::Result<String>) -> Life {
    match stat {
        Ok(stat) => parse(&stat).unwrap_or(Life::Untold),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Life::Ended,
        Err(_) => Life::Untold,
    }
}

fn parse(stat: &str) -> Option<Life> {
    // The name in parentheses may hold anything, also more of them. What follows: state, parent, ...
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    // Ended, and not yet collected by its parent.
    if matches!(*fields.first()?, "Z" | "X" | "x") {
        return Some(Life::Ended);
    }
    // The 22nd of all, after the first two.
    Some(Life::Since(fields.get(19)?.parse().ok()?))
}

/// The two clocks by which a lease is judged.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// For how long the machine has been up, suspended or not. No setting moves it; a virtual machine that is paused
    /// stops it.
    pub up: fn() -> Duration,
    /// What the machine takes the time to be. A setting moves it; after a pause it is put right again.
    pub wall: fn() -> SystemTime,
}

impl Clocks {
    /// Those of this machine.
    pub fn here() -> Self {
        Self {
            up: uptime,
            wall: SystemTime::now,
        }
    }
}

/// How long the machine has been up, suspended or not. No setting of the clock moves it.
pub fn uptime() -> Duration {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = ClockId::Boottime;
    // Elsewhere this one goes on while the machine is suspended.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = ClockId::Monotonic;
    let up = clock_gettime(clock);
    // Neither is ever negative, nor are the nanoseconds ever a whole second.
    Duration::new(
        u64::try_from(up.tv_sec).unwrap_or_default(),
        u32::try_from(up.tv_nsec).unwrap_or_default(),
    )
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
    fn what_is_not_told_of_a_process_is_no_end_of_it() {
        let failure = |kind: io::ErrorKind| told(Err(kind.into()));
        assert_eq!(failure(io::ErrorKind::NotFound), Life::Ended);
        assert_eq!(failure(io::ErrorKind::PermissionDenied), Life::Untold);
        assert_eq!(failure(io::ErrorKind::OutOfMemory), Life::Untold);
        let line = |state: &str| Ok(format!("7 (a) b) {state} {} 42 0", ["1"; 18].join(" ")));
        assert_eq!(told(line("S")), Life::Since(42));
        assert_eq!(told(line("Z")), Life::Ended);
        assert_eq!(told(Ok("7 (a) S 1".to_owned())), Life::Untold);
        assert_eq!(told(Ok(String::new())), Life::Untold);
    }

    #[test]
    fn the_machine_is_up_for_ever_longer() {
        let first = uptime();
        assert!(!first.is_zero());
        assert!(uptime() >= first);
    }
}
