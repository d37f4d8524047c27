//! Steps with elapsed times on stderr: a spinner where a person watches, plain lines elsewhere.

use std::{
    cell::Cell,
    io::{self, IsTerminal as _},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a long step shows a sign of life where no spinner can be drawn.
const SIGN_OF_LIFE: Duration = Duration::from_secs(20);

/// One step of work that a person may have to wait for.
pub struct Step {
    name: String,
    started: Instant,
    spinner: Option<ProgressBar>,
    last_note: Cell<Instant>,
}

impl Step {
    /// Announces the step and starts its clock.
    pub fn start(name: impl Into<String>) -> Self {
        let name = name.into();
        let spinner = io::stderr().is_terminal().then(|| {
            let spinner = ProgressBar::new_spinner().with_prefix(name.clone());
            if let Ok(style) = ProgressStyle::with_template("  {spinner} {prefix}  {elapsed}  {wide_msg}") {
                spinner.set_style(style);
            }
            spinner.enable_steady_tick(Duration::from_millis(120));
            spinner
        });
        if spinner.is_none() {
            eprintln!("  … {name}");
        }
        let now = Instant::now();
        Self { name, started: now, spinner, last_note: Cell::new(now) }
    }

    /// Shows what the step is doing at the moment.
    pub fn note(&self, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if let Some(spinner) = &self.spinner {
            spinner.set_message(text.to_owned());
        } else if self.last_note.get().elapsed() >= SIGN_OF_LIFE {
            self.last_note.set(Instant::now());
            eprintln!("    {} ({}): {text}", self.name, seconds(self.started.elapsed()));
        }
    }

    /// Prints a sentence that stays on the screen.
    pub fn say(&self, text: &str) {
        match &self.spinner {
            Some(spinner) => spinner.suspend(|| eprintln!("    {text}")),
            None => eprintln!("    {text}"),
        }
    }

    /// Ends the step well; `detail` says in a few words what came of it.
    pub fn done(self, detail: &str) -> Duration {
        self.end("✓", detail)
    }

    /// Ends the step badly; the caller reports the error itself.
    pub fn failed(self) -> Duration {
        self.end("✗", "failed")
    }

    fn end(self, mark: &str, detail: &str) -> Duration {
        let elapsed = self.started.elapsed();
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
        eprintln!("  {mark} {}  {}  {detail}", self.name, seconds(elapsed));
        elapsed
    }
}

/// A duration as people say it: `0.4 s`, `12.3 s`, `2 min 05 s`.
pub fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    if whole >= 60 {
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_naturally() {
        assert_eq!(seconds(Duration::from_millis(420)), "0.4 s");
        assert_eq!(seconds(Duration::from_millis(59_900)), "59.9 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 05 s");
    }
}
