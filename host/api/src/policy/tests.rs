//! The policy language: what it decides, how it is written, and what it refuses.

use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;
use watcher_domain::ProjectId;

use super::check::Part;
use super::*;
use crate::auth::ServiceCaller;

fn caller(roles: &[&str], project: Option<&str>) -> Caller {
    Caller {
        user_id: Some("u1".to_owned()),
        project_id: project.map(|project| ProjectId(project.to_owned())),
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
        ..Caller::default()
    }
}

fn file(rules: &[(&str, &str)]) -> Vec<Override> {
    let rule = |(place, &(name, text)): (usize, &(&str, &str))| Override {
        name: name.to_owned(),
        line: place + 1,
        check: Wanted::Text(text.to_owned()),
    };
    rules.iter().enumerate().map(rule).collect()
}

fn refusal(rules: &[(&str, &str)]) -> String {
    RuleSet::with(file(rules)).expect_err("refused")[0].to_string()
}

#[test]
fn the_defaults_of_the_original_allow_administrators_and_services_for_webhooks() {
    let set = RuleSet::default();
    let is_ours = |name: &str| name.starts_with("plugin") || name.starts_with("signing_policy");
    let is_original = |rule: &&Rule| !is_ours(rule.name());
    assert_eq!(set.rules().filter(|(name, _)| !is_ours(name)).count(), 40);
    let target = Target::default();
    for rule in Rule::ALL.iter().filter(is_original) {
        let allowed = |role: &str| set.holds(rule.name(), &caller(&[role], Some("p1")), &target);
        assert!(allowed("admin") && allowed("Administrator"), "{}", rule.name());
        assert!(!allowed("member") && !allowed("reader"), "{}", rule.name());
        assert_eq!(allowed("service"), *rule == Rule::WebhookTrigger, "{}", rule.name());
    }
    assert!(!set.holds("show_password", &caller(&["admin"], None), &target));
    assert!(!set.holds("no:such:rule", &caller(&["admin"], None), &target));
}

#[test]
fn a_file_takes_the_place_of_defaults_and_can_have_rules_of_its_own() {
    let rules = [
        ("reader", "role:reader and project_id:%(project_id)s"),
        ("audit:get", "rule:admin_api or rule:reader"),
        ("admin_api", "role:cloud_admin"),
    ];
    let (set, unused) = RuleSet::with(file(&rules)).unwrap();
    assert!(unused.is_empty());
    let own = Target::default().with("project_id", Some("p1"));
    assert!(set.holds("audit:get", &caller(&["reader"], Some("p1")), &own));
    assert!(!set.holds("audit:get", &caller(&["reader"], Some("p2")), &own));
    assert!(!set.holds("audit:get", &caller(&["reader"], Some("p1")), &Target::default()));
    assert!(!set.holds("goal:get", &caller(&["admin"], None), &own));
    assert!(set.holds("goal:get", &caller(&["cloud_admin"], None), &own));
    assert_eq!((set.get("admin_api").unwrap().line, set.get("goal:get").unwrap().line), (Some(3), None));
}

#[test]
fn lists_of_lists_are_an_older_way_to_write_the_same() {
    for (lists, want) in [
        (&[][..], "@"),
        (&[&[][..]], "!"),
        (&[&["role:a"][..]], "role:a"),
        (&[&["role:a", "role:b"][..], &["rule:admin_api"]], "(role:a and role:b) or rule:admin_api"),
    ] {
        let lists = lists.iter().map(|list| list.iter().map(|&word| word.to_owned()).collect()).collect();
        let rule = Override { name: "goal:get".to_owned(), line: 1, check: Wanted::Lists(lists) };
        let (set, _) = RuleSet::with(vec![rule]).unwrap();
        assert_eq!(set.get("goal:get").unwrap().check.to_string(), want);
    }
}

#[test]
fn what_cannot_be_meant_is_refused_with_rule_and_line_and_what_would_be_right() {
    for (text, want) in [
        (
            "admin",
            "line 1, rule goal:get: \"admin\" is no check: it must be of the form KIND:VALUE, such as role:admin",
        ),
        ("role:a role:b", "\"role:b\" follows a check: \"and\" or \"or\" must stand between"),
        ("role:a and", "it ends where a check such as role:admin must follow after \"and\""),
        ("or role:a", "\"or\" stands where a check such as role:admin must"),
        ("(role:a", "a parenthesis is not closed"),
        ("role:a)", "a parenthesis is closed that was not opened"),
        ("   ", "nothing is asked for; \"@\" allows everybody and \"!\" nobody"),
        ("rule:admin_app", "it refers to rule:admin_app, which does not exist; did you mean admin_api?"),
        ("projekt_id:x", "did you mean project_id?"),
        ("project_id:%(projct_id)s", "%(projct_id)s is not known: a target has project_id, user_id, uuid, name, state"),
        ("project_id:%project_id", "% must be followed by (NAME)s"),
        ("project_id:", "has nothing on the right of the colon"),
        ("'a':'b'", "is a quoted text, not a check"),
        ("07:a", "is nothing that can be asked for"),
        ("http://policy.example/", "checks that ask another server (http:) are not supported"),
        ("rule:goal:get", "in a circle: goal:get → goal:get"),
    ] {
        let text = refusal(&[("goal:get", text)]);
        assert!(text.starts_with("line 1, rule goal:get: ") && text.contains(want), "{text}");
    }
    let circle = refusal(&[("goal:get", "rule:x"), ("x", "role:a or rule:y"), ("y", "not rule:x")]);
    assert!(circle.ends_with("in a circle: x → y → x"), "{circle}");
}

#[test]
fn a_rule_that_nothing_asks_for_is_told_with_the_nearest_name() {
    let rules = [("audit:get_al", "@"), ("mine", "role:a"), ("goal:get", "rule:mine"), ("default", "!")];
    let (_, unused) = RuleSet::with(file(&rules)).unwrap();
    let told: Vec<String> = unused.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["line 1: nothing asks for rule audit:get_al, and no rule refers to it; did you mean audit:get_all?"]
    );
}

#[test]
fn nothing_that_a_file_says_takes_long_or_much() {
    let deep = |open: &str, close: &str| format!("{}role:a{}", open.repeat(5000), close.repeat(5000));
    assert!(refusal(&[("goal:get", &deep("(", ")"))]).contains("nested deeper than 32"));
    assert!(refusal(&[("goal:get", &deep("not ", ""))]).contains("longer than"));
    assert!(refusal(&[("goal:get", &format!("{}role:a", "not ".repeat(100)))]).contains("nested deeper"));
    let long = vec!["role:a"; 5000].join(" or ");
    assert!(refusal(&[("goal:get", &long)]).contains("longer than"));
    // Each rule asks twice for the one before: deciding the last would take 2³⁰ steps.
    let names: Vec<String> = (0..30).map(|number| format!("r{number}")).collect();
    let texts: Vec<String> = std::iter::once("role:a".to_owned())
        .chain(names.iter().map(|name| format!("rule:{name} or rule:{name}")))
        .collect();
    let rules: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    assert!(refusal(&rules).contains("more than 10000 checks"), "{}", refusal(&rules));
    let chain: Vec<(String, String)> =
        (0..200).map(|number| (format!("r{number}"), format!("rule:r{}", number + 1))).collect();
    let mut rules: Vec<(&str, &str)> = chain.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    rules.push(("r200", "@"));
    assert!(refusal(&rules).contains("more than 32 times in a row"));
}

#[test]
fn an_explanation_says_what_was_compared() {
    let rules = [("audit:get", "rule:admin_api or project_id:%(project_id)s and not role:guest")];
    let (set, _) = RuleSet::with(file(&rules)).unwrap();
    let target = Target::default().with("project_id", Some("p2"));
    let findings = set.explain("audit:get", &caller(&["member"], Some("p1")), &target).unwrap();
    let lines: Vec<String> = findings
        .iter()
        .map(|finding| format!("{}{} {} {}", " ".repeat(finding.depth), finding.holds, finding.check, finding.because))
        .collect();
    assert_eq!(
        lines,
        [
            "false rule:admin_api or (project_id:%(project_id)s and not role:guest) ",
            " false rule:admin_api ",
            "  false role:admin or role:administrator ",
            "   false role:admin the caller's roles are member",
            "   false role:administrator the caller's roles are member",
            " false project_id:%(project_id)s and not role:guest ",
            "  false project_id:%(project_id)s project_id of the caller is p1, asked for is p2",
            "  true not role:guest ",
            "   false role:guest the caller's roles are member",
        ]
    );
    assert_eq!(set.explain("nope", &Caller::default(), &target), None);
}

/// A decision of oslo.policy.
#[derive(Debug, Deserialize)]
struct Case {
    rules: BTreeMap<String, String>,
    caller: CaseCaller,
    target: BTreeMap<String, String>,
    holds: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CaseCaller {
    user_id: Option<String>,
    user_domain_id: Option<String>,
    project_id: Option<String>,
    project_domain_id: Option<String>,
    domain_id: Option<String>,
    service_user_id: Option<String>,
    service_user_domain_id: Option<String>,
    service_project_id: Option<String>,
    service_project_domain_id: Option<String>,
    roles: Vec<String>,
    service_roles: Vec<String>,
    system_scope: Option<String>,
    is_admin: Option<bool>,
    is_admin_project: bool,
}

impl From<CaseCaller> for Caller {
    fn from(given: CaseCaller) -> Self {
        Self {
            user_id: given.user_id,
            user_domain_id: given.user_domain_id,
            project_id: given.project_id.map(ProjectId),
            project_domain_id: given.project_domain_id,
            domain_id: given.domain_id,
            is_system: given.system_scope.is_some(),
            roles: given.roles,
            is_anybody: given.is_admin == Some(true),
            outside_admin_project: !given.is_admin_project,
            service: Some(Box::new(ServiceCaller {
                user_id: given.service_user_id,
                user_domain_id: given.service_user_domain_id,
                project_id: given.service_project_id.map(ProjectId),
                project_domain_id: given.service_project_domain_id,
                roles: given.service_roles,
            })),
        }
    }
}

#[test]
fn rules_decide_as_oslo_policy_does() {
    let cases = include_str!("../../tests/golden/policy_cases.jsonl");
    let mut compared = 0;
    for line in cases.lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let rules: Vec<(&str, &str)> = case.rules.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let (set, _) = RuleSet::with(file(&rules)).unwrap_or_else(|errors| panic!("{errors:?}: {line}"));
        let target = case.target.iter().fold(Target::default(), |target, (name, value)| target.with(name, Some(value)));
        assert_eq!(set.holds("asked", &case.caller.into(), &target), case.holds, "{line}");
        compared += 1;
    }
    assert!(compared >= 300, "{compared} cases");
}

fn template() -> impl Strategy<Value = Template> {
    let text = prop::sample::select(vec!["a", "b", "None", "50%", "%", "(x", "a:b", "é"]);
    let target = prop::sample::select(Target::ATTRIBUTES.to_vec());
    prop_oneof![
        text.clone().prop_map(Template::text),
        target.clone().prop_map(Template::target),
        (text, target)
            .prop_map(|(text, name)| { Template(vec![Part::Text(text.to_owned()), Part::Target(name.to_owned())]) }),
    ]
}

fn any_check() -> impl Strategy<Value = Check> {
    let word = prop::sample::select(vec!["0", "7", "-7", "True", "False", "None"]);
    let constant = prop_oneof![
        word.prop_map(|word| Constant::Word(word.to_owned())),
        prop::sample::select(vec!["a", "b", "it's", ""]).prop_map(|text| Constant::Text(text.to_owned())),
    ];
    let leaf = prop_oneof![
        Just(Check::Always),
        Just(Check::Never),
        prop::sample::select(vec!["admin_api", "goal:get"]).prop_map(|name| Check::Rule(name.to_owned())),
        template().prop_map(Check::Role),
        (prop::sample::select(Attribute::ALL.to_vec()), template()).prop_map(|(a, t)| Check::Caller(a, t)),
        (constant, template()).prop_map(|(constant, value)| Check::Constant(constant, value)),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|check| Check::Not(Box::new(check))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Check::All),
            prop::collection::vec(inner, 2..4).prop_map(Check::Any),
        ]
    })
}

/// What a check means, told without short cuts, from its definition alone.
fn naive(check: &Check, set: &RuleSet, caller: &Caller, target: &BTreeMap<&str, &str>) -> bool {
    let fill = |template: &Template| {
        let mut text = template.to_string().replace("%%", "\u{0}");
        for (name, value) in target {
            text = text.replace(&format!("%({name})s"), value);
        }
        (!text.contains("%(")).then(|| text.replace('\u{0}', "%"))
    };
    match check {
        Check::Always => true,
        Check::Never | Check::Caller(Attribute::ServiceRoles, _) => false,
        Check::Not(inner) => !naive(inner, set, caller, target),
        Check::All(checks) => checks.iter().filter(|check| !naive(check, set, caller, target)).count() == 0,
        Check::Any(checks) => checks.iter().filter(|check| naive(check, set, caller, target)).count() > 0,
        Check::Rule(name) => naive(&set.get(name).unwrap().check, set, caller, target),
        Check::Role(role) => {
            fill(role).is_some_and(|role| caller.roles.iter().any(|own| own.to_lowercase() == role.to_lowercase()))
        }
        Check::Caller(Attribute::Roles, value) => fill(value).is_some_and(|value| caller.roles.contains(&value)),
        Check::Caller(attribute, value) => {
            let own = match attribute {
                Attribute::UserId => caller.user_id.clone(),
                Attribute::ProjectId => caller.project_id.clone().map(|project| project.0),
                Attribute::SystemScope => caller.is_system.then(|| "all".to_owned()),
                Attribute::IsAdminProject => Some("True".to_owned()),
                _ => None,
            };
            fill(value) == Some(own.unwrap_or_else(|| "None".to_owned()))
        }
        Check::Constant(Constant::Text(text) | Constant::Word(text), value) => fill(value).as_ref() == Some(text),
    }
}

proptest! {
    #[test]
    fn a_check_that_is_written_and_read_again_is_the_same(check in any_check()) {
        let text = check.to_string();
        prop_assert_eq!(text.parse::<Check>(), Ok(check), "{}", text);
    }

    #[test]
    fn decisions_are_those_of_a_naive_evaluation(
        check in any_check(),
        roles in prop::sample::subsequence(vec!["a", "B", "admin", "none"], 0..4),
        project in prop::option::of(prop::sample::select(vec!["a", "b"])),
        is_system in any::<bool>(),
        target in prop::sample::subsequence(vec![("project_id", "a"), ("user_id", "u1"), ("uuid", "b"), ("name", "None")], 0..4),
    ) {
        let set = RuleSet::default();
        let caller = Caller { is_system, ..caller(&roles, project) };
        let values: BTreeMap<&str, &str> = target.iter().copied().collect();
        let target = target.iter().fold(Target::default(), |target, (name, value)| target.with(name, Some(value)));
        prop_assert_eq!(set.decides(&check, &caller, &target), naive(&check, &set, &caller, &values), "{}", check);
    }

    #[test]
    fn no_text_is_too_odd_to_be_read_or_refused(text in "[()!@ ando:%'\"rle\\\\\u{e9}\\t]{0,60}") {
        if let Ok(check) = text.parse::<Check>() {
            prop_assert_eq!(check.to_string().parse::<Check>(), Ok(check));
        }
    }
}
