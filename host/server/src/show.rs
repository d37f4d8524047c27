//! `watcher-host config show`.

use crate::config::{Loaded, shown};

/// Prints every option, secrets blanked.
pub fn config(loaded: &Loaded, with_origin: bool) {
    for (name, (value, origin)) in &loaded.origins {
        let value = shown(name, value);
        if with_origin {
            print(&format!("{name} = {value}  # {origin}"));
        } else {
            print(&format!("{name} = {value}"));
        }
    }
}

/// Prints one line of a command's result.
#[expect(clippy::print_stdout, reason = "results of commands go to standard output, logs to standard error")]
pub fn print(line: &str) {
    println!("{line}");
}
