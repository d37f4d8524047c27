//! `watcher-host config show`.

use crate::config::Loaded;

/// Prints every option, secrets blanked.
pub fn config(loaded: &Loaded, with_origin: bool) {
    for (name, (value, origin)) in &loaded.origins {
        let secret = name.ends_with("password") || (name == "database.url" && value.to_string().contains('@'));
        let value = if secret { "\"***\"".to_owned() } else { value.to_string() };
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
