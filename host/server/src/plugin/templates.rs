//! The projects that `plugin new` makes, as they lie under `sdk/templates`, with names filled in.
//!
//! Templates are complete projects of a plugin called `sample_plugin`, so that they can be read and compiled as they are.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use watcher_domain::PluginKind;

/// Languages that plugins are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// With the SDK of this project.
    Rust,
}

/// A file of a template: its path in the project, and its text.
type File = (&'static str, &'static str);

macro_rules! file {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/templates/", $path))
    };
}

const RUST: [File; 2] = [("Cargo.toml", file!("rust/Cargo.toml.template")), (".gitignore", file!("rust/gitignore"))];
const CLUSTER: File = ("cluster.json", file!("rust/cluster.json"));

const RUST_STRATEGY: [File; 4] = [
    ("README.md", file!("rust/strategy/README.md")),
    ("src/lib.rs", file!("rust/strategy/src/lib.rs")),
    ("src/decide.rs", file!("rust/strategy/src/decide.rs")),
    CLUSTER,
];
const RUST_ACTION: [File; 4] = [
    ("README.md", file!("rust/action/README.md")),
    ("src/lib.rs", file!("rust/action/src/lib.rs")),
    ("src/service.rs", file!("rust/action/src/service.rs")),
    CLUSTER,
];
const RUST_PLANNER: [File; 4] = [
    ("README.md", file!("rust/planner/README.md")),
    ("src/lib.rs", file!("rust/planner/src/lib.rs")),
    ("src/order.rs", file!("rust/planner/src/order.rs")),
    CLUSTER,
];
const RUST_SCORING_ENGINE: [File; 3] = [
    ("README.md", file!("rust/scoring-engine/README.md")),
    ("src/lib.rs", file!("rust/scoring-engine/src/lib.rs")),
    ("src/score.rs", file!("rust/scoring-engine/src/score.rs")),
];

/// The forms of a plugin's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// `snake_case`, as operators type it.
    pub snake: String,
    /// `kebab-case`, as packages are called.
    pub kebab: String,
    /// `CamelCase`, as types are called.
    camel: String,
    /// For people.
    display: String,
}

impl Names {
    /// Reads a name in `snake_case` or `kebab-case`.
    ///
    /// # Errors
    /// Says what a name may look like, or why this one cannot be.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let parts: Vec<&str> = text.split(['_', '-']).collect();
        let is_word =
            |part: &&str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let begins = text.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
        if !begins || text.len() > MAX_NAME || !parts.iter().all(is_word) {
            anyhow::bail!(
                "{text:?} is no name of a plugin: lower-case letters and digits, parted by single _ or -, beginning with a letter, at most \
                 {MAX_NAME} of them"
            );
        }
        let snake = parts.join("_");
        if TAKEN.contains(&snake.as_str()) {
            anyhow::bail!("a plugin cannot be called {snake}: the word means something else to Rust or Cargo");
        }
        let capitalized = |part: &&str| part[..1].to_ascii_uppercase() + &part[1..];
        let mut display = parts.join(" ");
        display[..1].make_ascii_uppercase();
        Ok(Self { kebab: parts.join("-"), camel: parts.iter().map(capitalized).collect(), snake, display })
    }

    fn fill(&self, text: &str) -> String {
        // A type of the plugin's name must not hide one that the template uses.
        let is_used = text
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .any(|word| word == self.camel && word != "SamplePlugin");
        let suffix = if is_used { "Plugin" } else { "" };
        text.replace("SamplePlugin", &format!("{}{suffix}", self.camel))
            .replace("sample_plugin", &self.snake)
            .replace("sample-plugin", &self.kebab)
            .replace("Sample plugin", &self.display)
    }
}

/// Longest name in bytes.
const MAX_NAME: usize = 60;

/// Names of packages and words that a Rust library cannot be called by.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "serde",
    "serde_json",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "watcher_sdk",
    "where",
    "while",
    "yield",
];

/// All files of a project. `sdk` is what the manifest says about where the SDK is.
pub fn project(language: Language, kind: PluginKind, names: &Names, sdk: &str) -> Vec<(PathBuf, String)> {
    let Language::Rust = language;
    let own: &[File] = match kind {
        PluginKind::Strategy => &RUST_STRATEGY,
        PluginKind::Action => &RUST_ACTION,
        PluginKind::Planner => &RUST_PLANNER,
        PluginKind::ScoringEngine => &RUST_SCORING_ENGINE,
    };
    let files = RUST.iter().chain(own);
    files
        .map(|&(path, text)| {
            let mut text = names.fill(text);
            if path == "Cargo.toml" {
                text = text
                    .replace("a KIND for", &format!("{} for", with_article(kind)))
                    .replace("= SDK", &format!("= {sdk}"));
            }
            (Path::new(path).to_owned(), text)
        })
        .collect()
}

/// A kind as people say it.
pub const fn with_article(kind: PluginKind) -> &'static str {
    match kind {
        PluginKind::Strategy => "a strategy",
        PluginKind::Action => "an action handler",
        PluginKind::Planner => "a planner",
        PluginKind::ScoringEngine => "a scoring engine",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_four_forms() {
        let names = Names::parse("calm-hosts2").unwrap();
        let text = names.fill("SamplePlugin sample_plugin sample-plugin `Sample plugin`");
        assert_eq!(text, "CalmHosts2 calm_hosts2 calm-hosts2 `Calm hosts2`");
        assert_eq!(Names::parse("calm_hosts2").unwrap(), names);
    }

    #[test]
    fn a_name_that_cannot_be_is_refused() {
        for bad in ["", "Calm", "1st", "a__b", "a-", "_a", "a b", "größe", "../x", &"a".repeat(61)] {
            let error = Names::parse(bad).unwrap_err().to_string();
            assert!(error.contains("is no name of a plugin: lower-case letters"), "{error}");
        }
        assert!(Names::parse("type").unwrap_err().to_string().contains("means something else to Rust"));
    }

    #[test]
    fn a_type_of_the_templates_is_not_hidden() {
        let names = Names::parse("strategy").unwrap();
        assert_eq!(names.fill("impl Strategy for SamplePlugin"), "impl Strategy for StrategyPlugin");
    }

    #[test]
    fn nothing_of_the_sample_is_left_in_a_project() {
        let names = Names::parse("calm").unwrap();
        for kind in [PluginKind::Strategy, PluginKind::Action, PluginKind::Planner, PluginKind::ScoringEngine] {
            for (path, text) in project(Language::Rust, kind, &names, "\"1\"") {
                let left = text.to_lowercase().replace(['-', '_', ' '], "").contains("sampleplugin");
                assert!(!left && !text.contains("KIND") && !text.contains("SDK\n"), "{kind} {}", path.display());
            }
        }
    }
}
