//! What commands print: `watcher-host config show`, and how everything else is printed.

use std::fmt::Write as _;

use watcher_domain::text::{is_steering, lines};

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

/// Prints one line of a command's result, or several. Names, notes and messages are other people's: what would steer the terminal is replaced.
#[expect(clippy::print_stdout, reason = "results of commands go to standard output, logs to standard error")]
pub fn print(line: &str) {
    println!("{}", lines(line));
}

/// Prints a value as JSON that reads back as it was, with escapes for what would steer the terminal.
pub fn print_json(value: &impl serde::Serialize) -> serde_json::Result<()> {
    print(&escaped(&serde_json::to_string_pretty(value)?));
    Ok(())
}

/// JSON with escapes for characters of its strings that steer terminals. Those that JSON itself does not let stand are escaped already.
pub(crate) fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if is_steering(character) && character != '\n' {
            // None of them is beyond the first plane.
            let _ = write!(text, "\\u{:04x}", u32::from(character));
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_reads_back_as_it_was_and_steers_no_terminal() {
        let value = serde_json::json!({"na\u{9b}me": "a\u{1b}[2J\u{7f}\u{85}\u{202e}ö\n"});
        let text = escaped(&serde_json::to_string_pretty(&value).unwrap());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        assert_eq!(watcher_domain::text::steering_in_lines(&text), None);
        assert!(text.contains("\\u202eö\\n"), "{text}");
    }
}
