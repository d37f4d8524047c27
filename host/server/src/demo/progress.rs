//! Progress of the demo: a bar on a terminal, a line now and then elsewhere.

use std::cell::Cell;
use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::text;
use crate::show::print;

/// Shows how far something is; gone when dropped.
pub(super) struct Progress {
    bar: ProgressBar,
    plain: bool,
    total: usize,
    shown: Cell<usize>,
}

impl Progress {
    pub(super) fn spinner(what: &str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what.to_owned());
        bar.enable_steady_tick(std::time::Duration::from_millis(100));
        Self { bar, plain: !std::io::stderr().is_terminal(), total: 0, shown: Cell::new(0) }
    }

    pub(super) fn bar(what: &str, total: usize) -> Self {
        let bar = ProgressBar::new(total as u64).with_message(what.to_owned());
        let style = ProgressStyle::with_template("{msg:18}{wide_bar} {pos}/{len} {elapsed}");
        Self {
            bar: bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())),
            plain: !std::io::stderr().is_terminal(),
            total,
            shown: Cell::new(0),
        }
    }

    /// Shows a state.
    pub(super) fn note(&self, state: &Value) {
        self.bar.set_message(text(state).to_owned());
    }

    /// Shows how many actions have ended.
    pub(super) fn actions(&self, actions: &[Value]) {
        let ended = actions.iter().filter(|action| !matches!(text(&action["state"]), "PENDING" | "ONGOING")).count();
        self.bar.set_position(ended as u64);
        // A line for every tenth of the way.
        if self.plain && self.total > 0 && ended * 10 / self.total > self.shown.get() {
            self.shown.set(ended * 10 / self.total);
            print(&format!("                  {ended} of {} actions have ended", self.total));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
