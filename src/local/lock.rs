//! One fraudctl at a time.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use super::error::LocalError;
use super::progress::Progress;

/// Takes the lock in the file, and says `waiting` when somebody else has it. The lock is the operating
/// system's, so it dies with its holder; dropping the file releases it. A child process that is given
/// a clone of the file shares the lock and keeps it for as long as it lives.
pub(super) async fn acquire(path: &Path, waiting: &str, progress: Progress<'_>) -> Result<File, LocalError> {
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(LocalError::cache("open", path))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                if !told {
                    progress(waiting);
                    told = true;
                }
                // Not a blocking lock on another thread, which Ctrl-C could not end.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(TryLockError::Error(source)) => return Err(LocalError::cache("lock", path)(source)),
        }
    }
}
