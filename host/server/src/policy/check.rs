//! `watcher-host policy check`.

use anyhow::{Context as _, bail, ensure};
use watcher_api::{Caller, RuleSet, Target};
use watcher_domain::ProjectId;
use watcher_domain::spelling::nearest;

use crate::cli::PolicyCheckArgs;

/// Whether a rule allows a caller, and why, in words.
pub fn check(rules: &RuleSet, arguments: &PolicyCheckArgs) -> anyhow::Result<(bool, String)> {
    let name = &arguments.rule;
    let caller = caller(arguments);
    let mut target = Target::own(&caller);
    for setting in &arguments.target {
        let (attribute, value) =
            setting.split_once('=').with_context(|| format!("--target {setting} is not of the form NAME=VALUE"))?;
        let known = Target::ATTRIBUTES;
        ensure!(known.contains(&attribute), "a target has no {attribute}; it has {}", known.join(", "));
        target = target.with(attribute, Some(value));
    }
    let Some(findings) = rules.explain(name, &caller, &target) else {
        let meant = nearest(name, rules.rules().map(|(name, _)| name));
        bail!("there is no rule {name}{}", meant.map(|name| format!("; did you mean {name}?")).unwrap_or_default());
    };
    let allowed = rules.holds(name, &caller, &target);
    let mut lines = vec![format!("{}: {name}", if allowed { "allowed" } else { "refused" })];
    for finding in findings {
        let mark = if finding.holds { "yes" } else { "no " };
        let because = if finding.because.is_empty() { String::new() } else { format!("  ({})", finding.because) };
        lines.push(format!("  {mark} {}{}{because}", "  ".repeat(finding.depth), finding.check));
    }
    Ok((allowed, lines.join("\n")))
}

fn caller(arguments: &PolicyCheckArgs) -> Caller {
    Caller {
        user_id: arguments.user.clone(),
        project_id: arguments.project.clone().map(ProjectId),
        domain_id: arguments.domain.clone(),
        is_system: arguments.system,
        roles: arguments.roles.clone(),
        ..Caller::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(rule: &str, roles: &[&str], target: &[&str]) -> anyhow::Result<(bool, String)> {
        let arguments = PolicyCheckArgs {
            rule: rule.to_owned(),
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
            project: Some("p1".to_owned()),
            user: None,
            domain: None,
            system: false,
            target: target.iter().map(|&setting| setting.to_owned()).collect(),
        };
        check(&RuleSet::default(), &arguments)
    }

    #[test]
    fn the_answer_says_why() {
        let (allowed, text) = ask("webhook:trigger", &["service"], &[]).unwrap();
        assert!(allowed);
        assert!(text.starts_with("allowed: webhook:trigger\n  yes rule:admin_or_service_api\n"), "{text}");
        assert!(text.ends_with("  yes     role:service  (the caller's roles are service)"), "{text}");
        assert!(!ask("audit:get", &[], &["project_id=p2"]).unwrap().0);
        assert_eq!(
            ask("audit:gett", &[], &[]).unwrap_err().to_string(),
            "there is no rule audit:gett; did you mean audit:get?"
        );
        assert!(
            ask("audit:get", &[], &["x=1"])
                .unwrap_err()
                .to_string()
                .starts_with("a target has no x; it has project_id")
        );
    }
}
