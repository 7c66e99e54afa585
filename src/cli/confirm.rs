//! Asking before something is done.

use super::exit::Exit;
use std::io::{BufRead, IsTerminal, Write};

/// Asks on the terminal; without one nobody can answer. `not_done` says what did not happen when the answer is no, and
/// `about` where to see what about.
pub fn proceed(not_done: &str, about: &str) -> Result<(), Exit> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Exit::failed(format!(
            "{not_done}: there is no terminal to ask on; look at {about} above and use --yes"
        )));
    }
    {
        // Not held while somebody thinks: a signal has to be answered on it.
        let mut terminal = std::io::stderr().lock();
        let _ = write!(terminal, "Proceed? [y/N] ").and_then(|()| terminal.flush());
    }
    let mut answer = String::new();
    let read = stdin.lock().read_line(&mut answer);
    match (read, answer.trim().to_ascii_lowercase().as_str()) {
        (Ok(_), "y" | "yes") => Ok(()),
        _ => Err(Exit::failed(not_done)),
    }
}
