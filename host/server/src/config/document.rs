//! `docs/configuration.md`: every option with its default and meaning, from where they are declared.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::SECTIONS;
use super::load::{defaults, flatten};
use super::option::OptionDoc;
use super::sections::LIMITS;

const HEAD: &str = "# Configuration

<!-- Written by `watcher-host config document`; a test compares it with the program. Change the declarations, not this file. -->

`watcher-host --config FILE` reads one TOML file. Every option can also come from an environment variable or from the command line:

| Source | Form | Counts over |
|---|---|---|
| defaults | below | |
| cloud of `clouds.yaml` | `keystone.cloud` names it | defaults |
| file | `[section]`, `option = value` | defaults and cloud |
| environment | `WATCHER_SECTION__OPTION=value`, in capitals, two underscores between section and option | file |
| command line | `--set section.option=value` | environment |

In the environment and on the command line a text needs no quotes, and a list is its items parted by commas. An option that does not exist, a
value of the wrong type and a number out of range are refused at start, with their origin. `watcher-host config show --origin` prints all options with their
values and origins; passwords and secrets are never shown.
";

/// The whole page.
pub fn document() -> String {
    let mut page = HEAD.to_owned();
    let all = defaults();
    for section in SECTIONS {
        let _ = write!(page, "\n## `[{}]`\n\n{}\n\n", section.name, section.about.trim());
        page.push_str("| Option | Default | Meaning |\n|---|---|---|\n");
        for option in section.options {
            rows(option, &all[section.name][option.name], &mut page);
        }
    }
    page
}

fn rows(option: &OptionDoc, default: &Value, page: &mut String) {
    let meaning = option.meaning.trim();
    let mut row = |name: &str, default: &str, meaning: &str| {
        let _ = writeln!(page, "| `{name}` | {default} | {} |", meaning.replace('|', "\\|"));
    };
    match default {
        Value::Table(table) if table.is_empty() => row(&format!("{}.NAME", option.name), "none", meaning),
        Value::Table(table) => {
            row(option.name, "as below", meaning);
            for (name, value) in entries(table) {
                let meaning = LIMITS.iter().find(|(known, _)| *known == name).map_or("", |(_, meaning)| meaning);
                row(&format!("{}.{name}", option.name), &format!("`{value}`"), meaning);
            }
        }
        value => {
            let range = option.range.first();
            let range = range.map(|range| format!(" From {} to {}.", range.start(), range.end())).unwrap_or_default();
            let default = match value {
                Value::String(text) if text.is_empty() => "none".to_owned(),
                Value::Array(items) if items.is_empty() => "none".to_owned(),
                value => format!("`{value}`"),
            };
            row(option.name, &default, &format!("{meaning}{range}"));
        }
    }
}

fn entries(table: &Table) -> Vec<(String, Value)> {
    let mut entries = Vec::new();
    flatten("", table, &mut |name, value| entries.push((name, value)));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_what_the_program_has() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            page == document(),
            "docs/configuration.md is stale: write it with `watcher-host config document > docs/configuration.md`"
        );
    }

    #[test]
    fn every_option_has_a_meaning() {
        for section in SECTIONS {
            for option in section.options {
                assert!(!option.meaning.trim().is_empty(), "{}.{}", section.name, option.name);
                if let Value::Table(table) = &defaults()[section.name][option.name] {
                    for (name, _) in entries(table) {
                        assert!(LIMITS.iter().any(|(known, _)| *known == name), "limit {name} has no meaning");
                    }
                }
            }
        }
    }
}
