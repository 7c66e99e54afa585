use crate::engine::{Action, Event, Outcome};
use crate::resource::Address;
use console::style;
use fraud::text::{escape, escape_lines};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Shows what is being done: a line per running step on a terminal, a line per finished step otherwise. Writes to
/// standard error, so that standard output holds results alone. A clone shows on the same lines.
#[derive(Clone)]
pub struct Progress {
    lines: MultiProgress,
    running: Arc<Mutex<BTreeMap<Address, ProgressBar>>>,
    terminal: bool,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// Shows progress on standard error.
    pub fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            lines: MultiProgress::with_draw_target(target),
            running: Arc::default(),
            terminal,
        }
    }

    /// A line that stays. What may come from outside gives the terminal no command.
    pub fn say(&self, text: &str) {
        self.show(&escape_lines(text));
    }

    fn show(&self, text: &str) {
        if !self.terminal || self.lines.println(text).is_err() {
            // Nobody may be reading any more; the work goes on all the same.
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }

    /// What a build says: the last line beside the binaries that wait for it.
    pub fn building(&self, text: &str) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, bar) in running
            .iter()
            .filter(|(address, _)| address.as_str().starts_with("artifacts."))
        {
            bar.set_message(escape(text.trim()).into_owned());
        }
    }

    /// Shows an event of the engine.
    pub fn event(&self, event: Event) {
        match event {
            Event::Started { address, kind, action } => self.started(address, &kind, action),
            Event::Finished {
                address,
                action,
                outcome,
                took,
                ..
            } => self.finished(&address, action, &outcome, took),
            Event::NotTaken { address, paths } => {
                let paths = paths.join(", ");
                self.say(&format!(
                    "  note: {address}: AWS shows other values than were asked for: {paths}"
                ));
            }
            Event::TagsKept { address, why } => self.say(&format!("  note: {address}: {why}")),
        }
    }

    fn started(&self, address: Address, kind: &str, action: Action) {
        if !self.terminal {
            return;
        }
        let bar = self.lines.add(ProgressBar::new_spinner());
        // The template is a constant that a test parses.
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        bar.set_prefix(format!("{} {address} ({kind})", verb(action)));
        bar.enable_steady_tick(Duration::from_millis(100));
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(address, bar);
    }

    fn finished(&self, address: &Address, action: Action, outcome: &Outcome, took: Duration) {
        if let Some(bar) = self
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(address)
        {
            bar.finish_and_clear();
        }
        let seconds = took.as_secs_f32();
        self.show(&match outcome {
            Outcome::Done => format!("  {} {address} {} ({seconds:.1} s)", style("✓").green(), past(action)),
            Outcome::Nothing => format!("  {} {address} needs no change", style("✓").green()),
            Outcome::Failed(why) => {
                let why = escape_lines(why);
                format!("  {} {address} failed ({seconds:.1} s): {why}", style("✗").red())
            }
            Outcome::Skipped(why) => format!("  {} {address} skipped: {}", style("-").yellow(), escape_lines(why)),
        });
    }
}

const TEMPLATE: &str = "  {spinner} {prefix} {elapsed} {wide_msg:.dim}";

/// What is to be done, in a word.
pub(super) fn verb(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Replace => "replace",
        Action::Delete => "delete",
        Action::Adopt => "adopt",
        Action::Build => "build",
        Action::Unchanged => "keep",
    }
}

fn past(action: Action) -> &'static str {
    match action {
        Action::Create => "created",
        Action::Update => "updated",
        Action::Replace => "replaced",
        Action::Delete => "deleted",
        Action::Adopt => "adopted",
        Action::Build => "built",
        Action::Unchanged => "kept",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_one() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
