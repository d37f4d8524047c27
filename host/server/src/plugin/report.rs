//! The report of a check as text for people.

use watcher_domain::plugin::{Description, Specifics};
use watcher_domain::report::{Determinism, Problem, Report, Trial, TrialOutcome, Usage, WitPackage};
use watcher_domain::text::is_steering;

/// The report, with a last line that says what came of it.
pub(super) fn text(report: &Report, file: &str) -> String {
    let mut text = Text(String::new());
    text.line(&format!("{file}: {}, {} bytes", report.digest, grouped(report.size_bytes)));
    if let Some(description) = &report.description {
        text.description(report, description);
    } else if let Some(kind) = report.kind {
        text.pair("kind", kind.as_str());
    }
    text.packages(&report.wit);
    for import in &report.imports {
        let gives = if import.gives.is_empty() { "not offered" } else { &import.gives };
        let grant = if import.needs_grant { "; has to be granted" } else { "" };
        text.pair("imports", &format!("{}: {gives}{grant}", import.name));
    }
    for request in &report.requests {
        let query = if request.query.is_empty() { String::new() } else { format!("?{{{}}}", request.query.join(",")) };
        text.pair("asks for", &format!("{} {} {}{query}", request.method, request.service, request.path));
    }
    if let Some(compilation) = &report.compilation {
        text.pair("compiled in", &duration(compilation.duration_us));
    }
    if let Some(usage) = &report.describe {
        text.pair("describe", &used(usage));
    }
    for trial in &report.trials {
        text.trial(trial);
    }
    text.determinism(&report.determinism);
    text.problems("warning", &report.warnings);
    text.problems("problem", &report.problems);
    text.line(&match report.problems.len() {
        0 => "accepted".to_owned(),
        1 => "refused: 1 problem".to_owned(),
        count => format!("refused: {count} problems"),
    });
    text.0
}

struct Text(String);

impl Text {
    /// One line. What a plugin says about itself or its failures does not steer the terminal.
    fn line(&mut self, line: &str) {
        self.0.extend(line.chars().map(|c| if is_steering(c) { char::REPLACEMENT_CHARACTER } else { c }));
        self.0.push('\n');
    }

    fn pair(&mut self, name: &str, value: &str) {
        self.line(&format!("  {name:<19} {value}"));
    }

    /// Packages of one version in one line.
    fn packages(&mut self, packages: &[WitPackage]) {
        let mut versions: Vec<(&str, bool, Vec<&str>)> = Vec::new();
        for package in packages {
            let found = versions.iter_mut().find(|(v, fits, _)| *v == package.needed && *fits == package.compatible);
            match found {
                Some((_, _, names)) => names.push(&package.package),
                None => versions.push((&package.needed, package.compatible, vec![&package.package])),
            }
        }
        for (version, fits, names) in versions {
            let fits = if fits { "served" } else { "not served" };
            self.pair("built against", &format!("version {version} ({fits}) of {}", names.join(", ")));
        }
    }

    fn description(&mut self, report: &Report, description: &Description) {
        let kind = report.kind.map_or("plugin", watcher_domain::PluginKind::as_str);
        let Description { name, version, display_name, .. } = description;
        self.pair(kind, &format!("{name} {version} ({display_name})"));
        match &description.specifics {
            Specifics::Strategy(specifics) => {
                self.pair("goal", &format!("{} ({})", specifics.goal.name, specifics.goal.display_name));
                self.pair("planner", &specifics.planner);
                if !specifics.metrics.is_empty() {
                    self.pair("metrics", &specifics.metrics.join(", "));
                }
            }
            Specifics::Action(_) | Specifics::ScoringEngine(_) | Specifics::Planner {} => {}
        }
    }

    fn trial(&mut self, trial: &Trial) {
        let used = trial.runs.first().map(|usage| format!("; {}", used(usage))).unwrap_or_default();
        let outcome = match &trial.outcome {
            TrialOutcome::Returned { summary } => summary.clone(),
            TrialOutcome::Declared { code, message } => format!("declared {code}: {message}"),
            TrialOutcome::Failed => "failed, see below".to_owned(),
            TrialOutcome::NotTried { reason } => format!("no result: {reason}"),
        };
        self.pair(&trial.call, &format!("{outcome}, with {}{used}", trial.input));
    }

    fn determinism(&mut self, determinism: &Determinism) {
        let found = match determinism {
            Determinism::Agreed { calls } => format!("{} gave the same bytes twice", calls.join(", ")),
            Determinism::Differed { call, at_byte, .. } => format!("{call} gave other bytes from byte {at_byte} on"),
            Determinism::NotTried { reason } => format!("not tried: {reason}"),
        };
        self.pair("deterministic", &found);
    }

    fn problems(&mut self, what: &str, problems: &[Problem]) {
        for problem in problems {
            let at = if problem.at.is_empty() { String::new() } else { format!(" at {}", problem.at) };
            self.line(&format!("{what} {}{at}", problem.code));
            self.line(&format!("    {}", problem.message));
            if !problem.expected.is_empty() {
                self.line(&format!("    expected: {}", problem.expected));
            }
        }
    }
}

fn used(usage: &Usage) -> String {
    let Usage { fuel, memory_bytes, duration_us } = *usage;
    format!("{} units of fuel, {} bytes of memory, {}", grouped(fuel), grouped(memory_bytes), duration(duration_us))
}

/// A number with its digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn duration(microseconds: u64) -> String {
    match microseconds {
        0..1_000 => format!("{microseconds} µs"),
        1_000..1_000_000 => format!("{}.{} ms", microseconds / 1_000, microseconds % 1_000 / 100),
        _ => format!("{}.{:02} s", microseconds / 1_000_000, microseconds % 1_000_000 / 10_000),
    }
}

#[cfg(test)]
mod tests {
    use watcher_domain::Digest;
    use watcher_domain::report::ProblemCode;

    use super::*;

    #[test]
    fn a_refusal_names_every_problem_and_ends_with_the_count() {
        let mut report = Report::new(Digest([1; 32]), 1_234_567);
        report.refuse(Problem {
            code: ProblemCode::Import,
            at: "wasi:sockets/tcp@0.2.0".to_owned(),
            message: "it imports wasi:sockets/tcp@0.2.0: sockets\u{1b}[2J are never offered".to_owned(),
            expected: "watcher:metrics/metrics".to_owned(),
        });
        let text = text(&report, "a.wasm");
        assert!(text.starts_with("a.wasm: sha256:0101"), "{text}");
        assert!(text.contains("1 234 567 bytes\n"));
        assert!(text.contains("problem import at wasi:sockets/tcp@0.2.0\n    it imports "));
        assert!(text.contains("sockets\u{fffd}[2J are"), "{text}");
        assert!(text.ends_with("    expected: watcher:metrics/metrics\nrefused: 1 problem\n"), "{text}");
        assert_eq!((duration(999), duration(12_345), duration(2_500_000)).0, "999 µs");
        assert_eq!(duration(12_345), "12.3 ms");
        assert_eq!(duration(2_500_000), "2.50 s");
    }
}
