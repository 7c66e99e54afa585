//! What the integration tests share: emulators of AWS that start by themselves, a client that shares no code
//! with fraudctl, accounts of their own, and waiting.
//!
//! ```ignore
//! let env = Environment::new();
//! env.up();
//! let keys = env.aws.call("kms", "list_keys", json!({}));
//! ```

#![allow(
    dead_code,
    unused_imports,
    reason = "every test binary compiles all of this and uses its own part of it"
)]

mod aws;
mod emulator;
pub mod engine;
mod fraudctl;
mod hostile;
pub mod read;
mod running;
mod shim;
mod stand_in;
mod venv;

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub use aws::{ApiError, Aws, Credentials, REGION};
pub use emulator::{Emulator, LocalEmu, MiniStack};
pub use fraudctl::{Environment, Run, on_terminal, within};
pub use hostile::{
    Beside, Call, Faults, FunctionEndings, Held, Limit, Numbers, Protocol, Proxy, Record, Refusal, Side, Span, Summary,
    Weather, published,
};
pub use running::Running;
pub use shim::Shim;
pub use venv::python;

/// What a script of the tests prints, run in the project's folder with the packages of the emulators.
///
/// # Panics
///
/// When it fails.
#[track_caller]
pub fn script(arguments: &[&str]) -> String {
    let mut command = process::Command::new(venv::python());
    command
        .arg("-I")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = command.output().expect("python starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A fresh account number. No other call gets the same, nor any test process that runs at the same time.
pub fn account() -> String {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    // Process numbers stay below 2^22, so that twelve digits have room for both.
    let process = u64::from(process::id()) % (1 << 22);
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    assert!(call < 100_000, "more accounts than five digits can number");
    (500_000_000_000 + process * 100_000 + call).to_string()
}

/// Asks until there is something, and returns it.
///
/// # Panics
///
/// When there is still nothing at the deadline, naming `what` was waited for.
#[track_caller]
pub fn wait_until<T>(deadline: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(started.elapsed() < deadline, "waited {deadline:?} in vain for {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
