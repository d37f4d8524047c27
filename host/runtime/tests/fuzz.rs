//! Made-up components and requests, thrown at the check of uploads and at the import that sends requests.
//!
//! A few hundred cases from a fixed seed in every run of the tests; `cargo xtask fuzz` runs the same code for as long as it is told to, from
//! a seed of its own. A failure names seed and case, which make it again.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and a long run says how far it is"
)]

mod support;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use support::text::{Plugin, description, with_module};
use support::{Bench, Cloud, Pages, action_call, pattern};
use url::Url;
use watcher_domain::PluginKind;
use watcher_domain::cloud::{Method, Permission};
use watcher_domain::journal::ActionPhase;
use watcher_domain::ports::{ActionRunner as _, RunError};
use watcher_domain::report::{CheckOptions, Depth, PluginChecker as _, ProblemCode, Report};
use watcher_runtime::check::InProcess;

/// Longest that one case may take: what is refused for its time stays far below.
const PATIENCE: Duration = Duration::from_mins(2);

fn setting(name: &str) -> Option<u64> {
    std::env::var_os(name)?.to_str()?.parse().ok()
}

/// Goes through cases until there were enough, or time is over.
struct Cases {
    name: &'static str,
    seed: u64,
    next: u64,
    enough: u64,
    until: Option<Instant>,
    begin: Instant,
}

impl Cases {
    fn new(name: &'static str, enough: u64) -> Self {
        let begin = Instant::now();
        let until = setting("WATCHER_FUZZ_SECONDS").map(|seconds| begin + Duration::from_secs(seconds));
        Self { name, seed: setting("WATCHER_FUZZ_SEED").unwrap_or(4), next: 0, enough, until, begin }
    }

    /// The next case's number and source of chance.
    fn next(&mut self) -> ControlFlow<(), (u64, ChaCha8Rng)> {
        let over = self.until.map_or(self.next >= self.enough, |until| Instant::now() >= until);
        if over {
            eprintln!("{}: {} cases in {:?} from seed {}", self.name, self.next, self.begin.elapsed(), self.seed);
            return ControlFlow::Break(());
        }
        let case = self.next;
        self.next += 1;
        if self.until.is_some() && case % 1000 == 999 {
            eprintln!("{}: {} cases in {:?}", self.name, self.next, self.begin.elapsed());
        }
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(case);
        ControlFlow::Continue((case, random))
    }
}

/// Valid plugins of every kind, small enough to be compiled often.
fn seeds() -> Vec<Arc<[u8]>> {
    let nothing =
        |plugin: Plugin, exports: &[&str]| exports.iter().fold(plugin, |plugin, export| plugin.returns_nothing(export));
    vec![
        nothing(Plugin::new(PluginKind::Strategy), &["execute", "global-efficacy"]).build(),
        nothing(Plugin::new(PluginKind::Planner), &["schedule"]).build(),
        nothing(Plugin::new(PluginKind::ScoringEngine), &["calculate-scores"]).build(),
        nothing(Plugin::new(PluginKind::Action), &["validate-parameters", "describe-effect"]).build(),
    ]
}

fn chance(random: &mut ChaCha8Rng, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| random.random()).collect()
}

/// A few changes of a kind that keeps most of the file as it is.
fn mutated(random: &mut ChaCha8Rng, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(0..bytes.len().max(1));
        let span = random.random_range(0..64).min(bytes.len() - at.min(bytes.len()));
        match random.random_range(0..8) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = *[0, 1, 0x7f, 0x80, 0xff, 0x0b, 0x41].choose(random).unwrap(),
            2 => drop(bytes.drain(at..at + span)),
            3 => {
                let copy = bytes[at..at + span].to_vec();
                bytes.splice(at..at, copy);
            }
            4 => bytes.truncate(at.max(8)),
            5 => {
                let from = random.random_range(0..other.len());
                let until = (from + random.random_range(0..256)).min(other.len());
                bytes.splice(at..at, other[from..until].iter().copied());
            }
            6 => {
                // A number that no file is long enough for.
                bytes.splice(at..at, [0xff, 0xff, 0xff, 0xff, 0x0f]);
            }
            _ => bytes[at..at + span].reverse(),
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
    bytes
}

/// A module from chance, which needs nothing from outside.
fn module(random: &mut ChaCha8Rng) -> Option<Vec<u8>> {
    let config = wasm_smith::Config {
        max_imports: 0,
        allow_start_export: random.random(),
        max_funcs: 30,
        max_instructions: 200,
        max_memories: random.random_range(1..=12),
        max_tables: random.random_range(1..=40),
        simd_enabled: random.random(),
        threads_enabled: random.random_range(0..8) == 0,
        gc_enabled: random.random_range(0..8) == 0,
        exceptions_enabled: random.random_range(0..8) == 0,
        memory64_enabled: random.random_range(0..8) == 0,
        relaxed_simd_enabled: random.random_range(0..4) == 0,
        ..wasm_smith::Config::default()
    };
    let bytes = chance(random, 4096);
    wasm_smith::Module::new(config, &mut arbitrary::Unstructured::new(&bytes)).ok().map(|module| module.to_bytes())
}

fn smith_component(random: &mut ChaCha8Rng) -> Option<Vec<u8>> {
    let bytes = chance(random, 4096);
    let config = wasm_smith::Config { max_modules: 3, max_components: 3, ..wasm_smith::Config::default() };
    let component = wasm_smith::Component::new(config, &mut arbitrary::Unstructured::new(&bytes)).ok()?;
    Some(component.to_bytes())
}

/// A description with something odd in it.
fn odd_description(random: &mut ChaCha8Rng) -> (PluginKind, String) {
    let kind = *PluginKind::ALL.choose(random).unwrap();
    let mut value = description(kind);
    let object = value.as_object_mut().unwrap();
    for _ in 0..random.random_range(1..=3) {
        let names: Vec<String> = object.keys().cloned().collect();
        let name = names.choose(random).cloned().unwrap_or_default();
        match random.random_range(0..4) {
            0 => drop(object.shift_remove(&name)),
            1 => drop(object.insert(name, odd_value(random, 0))),
            2 => drop(object.insert("parameters_schema".to_owned(), odd_schema(random, 0))),
            _ => drop(object.insert("configuration_schema".to_owned(), odd_schema(random, 0))),
        }
    }
    let mut text = value.to_string();
    if random.random_range(0..10) == 0 {
        let at = random.random_range(0..=text.len());
        if text.is_char_boundary(at) {
            text.truncate(at);
        }
    }
    (kind, text)
}

fn odd_value(random: &mut ChaCha8Rng, depth: usize) -> Value {
    match random.random_range(0..10) {
        0 => Value::Null,
        1 => json!(random.random::<i64>()),
        2 => json!(f64::MAX),
        3 => json!("\u{0}\u{1b}[31m\u{202e}"),
        4 => json!("x".repeat(random.random_range(0..100_000))),
        5 => json!(["a", 1, null]),
        6 if depth < 6 => json!([odd_value(random, depth + 1)]),
        7 if depth < 6 => json!({"name": odd_value(random, depth + 1), "schema": odd_schema(random, depth + 1)}),
        8 => json!("../../etc/passwd"),
        _ => json!({}),
    }
}

fn odd_schema(random: &mut ChaCha8Rng, depth: usize) -> Value {
    let references =
        ["#", "#/definitions/a", "#/definitions/b", "#/properties/a", "http://127.0.0.1:1/", "#/%ff", "file:///a"];
    let patterns =
        ["(a+)+$", "(?=a)", "\\1", "[", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x{1000}){1000}", "\\p{L}{1,500}", ""];
    let mut schema = serde_json::Map::new();
    for _ in 0..random.random_range(0..5) {
        let (name, value) = match random.random_range(0..16) {
            0 => ("$ref", json!(references.choose(random).unwrap())),
            1 => ("pattern", json!(patterns.choose(random).unwrap())),
            2 => ("patternProperties", json!({*patterns.choose(random).unwrap(): odd_below(random, depth)})),
            3 => ("type", json!(["string", "object", "integer", "thing", "null"].choose(random).unwrap())),
            4 => ("default", odd_value(random, depth)),
            5 => ("enum", json!([odd_value(random, depth)])),
            6 => ("items", odd_below(random, depth)),
            7 => ("allOf", json!([odd_below(random, depth), odd_below(random, depth)])),
            8 => ("properties", json!({"a": odd_below(random, depth), "b/~": odd_below(random, depth)})),
            9 => ("definitions", json!({"a": odd_below(random, depth), "b": odd_below(random, depth)})),
            10 => ("required", json!(["a", "c"])),
            11 => ("multipleOf", json!([0.0, -1.0, 1e-300, 3.0].choose(random).unwrap())),
            12 => ("minimum", json!(random.random::<f64>())),
            13 => ("id", json!("http://elsewhere/")),
            14 => ("$schema", json!(["http://json-schema.org/draft-04/schema#", "http://x/"].choose(random).unwrap())),
            _ => ("format", json!(["email", "uri", "regex", "date-time", "ipv6"].choose(random).unwrap())),
        };
        schema.insert(name.to_owned(), value);
    }
    Value::Object(schema)
}

fn odd_below(random: &mut ChaCha8Rng, depth: usize) -> Value {
    if depth < 5 { odd_schema(random, depth + 1) } else { odd_value(random, depth) }
}

/// What holds of every report.
fn holds(report: &Report, bytes: &[u8]) {
    assert_eq!(report.size_bytes, bytes.len() as u64);
    assert_eq!(report.accepted(), report.problems.is_empty());
    assert!(!report.accepted() || report.description.is_some() && report.kind.is_some() && report.describe.is_some());
    assert!(report.problems.len() < 2_000, "{} problems", report.problems.len());
    for problem in &report.problems {
        assert!(!problem.message.is_empty() && problem.message.len() < 20_000, "{problem:?}");
    }
    let text = serde_json::to_string(report).unwrap();
    assert!(text.len() < 8 << 20);
    serde_json::from_str::<Report>(&text).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_made_up_by_chance_are_judged_and_hurt_nobody() {
    let seeds = seeds();
    let mut cases = Cases::new("plugins", 300);
    let mut bench = Bench::alone(|options| options.cache_files = 64);
    let (mut accepted, mut compiled) = (0_u32, 0_u32);
    let mut codes: Vec<ProblemCode> = Vec::new();
    while let ControlFlow::Continue((case, mut random)) = cases.next() {
        if case % 2000 == 1999 {
            // What was compiled stays in memory as long as a sandbox lives.
            bench = Bench::alone(|options| options.cache_files = 64);
        }
        let random = &mut random;
        let (one, other) = (seeds.choose(random).unwrap(), seeds.choose(random).unwrap());
        let bytes: Arc<[u8]> = match random.random_range(0..10) {
            0..4 => mutated(random, one, other).into(),
            4 => match smith_component(random) {
                Some(bytes) => bytes.into(),
                None => continue,
            },
            5 | 6 => match module(random) {
                Some(module) => with_module(one, &module),
                None => continue,
            },
            7 => {
                let Some(module) = module(random) else { continue };
                mutated(random, &with_module(one, &module), other).into()
            }
            _ => {
                let (kind, text) = odd_description(random);
                Plugin::new(kind).describing(&text).build()
            }
        };
        let checker = InProcess::new(Arc::clone(&bench.runtime), 1);
        let depth = if case % 4 == 0 && one.len() == bytes.len() { Depth::Trials } else { Depth::Description };
        let options = CheckOptions { max_component_bytes: 4 << 20, depth, project: None };
        let begin = Instant::now();
        let report = checker.check(Arc::clone(&bytes), options).await;
        let report = report.unwrap_or_else(|error| panic!("case {case} of seed {}: {error:?}", cases.seed));
        assert!(begin.elapsed() < PATIENCE, "case {case} of seed {} took {:?}", cases.seed, begin.elapsed());
        holds(&report, &bytes);
        accepted += u32::from(report.accepted());
        compiled += u32::from(report.compilation.is_some());
        codes.extend(report.problems.iter().map(|problem| problem.code));
    }
    codes.sort_unstable();
    codes.dedup();
    eprintln!("plugins: {compiled} compiled, {accepted} accepted, {} kinds of problems", codes.len());
    assert!(compiled > 30 && codes.len() > 8, "the cases reach too little: {codes:?}");
    bench.still_works().await;
}

/// A path that tries to lead elsewhere.
fn odd_path(random: &mut ChaCha8Rng) -> String {
    let pieces = [
        "servers",
        "a",
        "action",
        "..",
        ".",
        "",
        "%2e%2e",
        "%2E",
        "%2f",
        "%5c",
        "\\",
        "//",
        "%00",
        "%0d%0a",
        "\r\n",
        " ",
        "#",
        "?",
        "@evil",
        ":80",
        "http:",
        "http://evil/",
        "%",
        "%zz",
        "%c3%28",
        "é",
        "\u{202e}",
        ";",
        "&",
        "a=b",
        "~",
        "x-openstack-nova-api-version",
        "%25",
        "%252e",
        "..;",
        "/",
        "\t",
        "\u{0}",
        "{id}",
    ];
    if random.random() {
        let good =
            ["/servers", "/servers/a", "/servers/a-b_c~d", "/servers/a%20b", "/servers/a/action", "/servers/@,=+:"];
        return (*good.choose(random).unwrap()).to_owned();
    }
    let mut path = if random.random_range(0..8) == 0 { String::new() } else { "/".to_owned() };
    if random.random() {
        path.push_str("servers/");
    }
    for _ in 0..random.random_range(0..5) {
        path.push_str(pieces.choose(random).unwrap());
        if random.random() {
            path.push('/');
        }
    }
    if random.random_range(0..40) == 0 {
        path.push_str(&"a/".repeat(2000));
    }
    path
}

fn odd_text(random: &mut ChaCha8Rng) -> String {
    let texts = [
        "compute",
        "COMPUTE",
        "",
        "identity",
        "compute/../identity",
        "compute\r\nX-Auth-Token: a",
        "2.56",
        "latest",
        "2.56\r\nHost: evil",
        "GET",
        "get",
        "POST",
        "CONNECT",
        "TRACE",
        "G\u{0}T",
        "é",
        "a b",
        "..",
        "%2e",
    ];
    if random.random_range(0..20) == 0 {
        "a".repeat(random.random_range(0..5000))
    } else {
        (*texts.choose(random).unwrap()).to_owned()
    }
}

#[tokio::test]
async fn requests_made_up_by_chance_go_where_they_are_granted_or_nowhere() {
    let bench = Bench::new();
    let digest = bench.add("guests/hostile-action").await.digest;
    let bases =
        ["http://cloud.test:8774/v2.1", "https://cloud.test/compute/v2.1/", "http://[::1]/", "http://cloud.test/a%20b"];
    let mut cases = Cases::new("requests", 400);
    let (mut sent, mut refused) = (0_u32, 0_u32);
    while let ControlFlow::Continue((case, mut random)) = cases.next() {
        let random = &mut random;
        let well = |random: &mut ChaCha8Rng, usual: &str| {
            if random.random_range(0..4) == 0 { odd_text(random) } else { usual.to_owned() }
        };
        let (service, method) = (well(random, "compute"), well(random, if case % 2 == 0 { "GET" } else { "POST" }));
        let query: Vec<[String; 2]> =
            (0..random.random_range(0..3)).map(|_| [well(random, "limit"), odd_path(random)]).collect();
        let bodies = ["", "{}", "{", "\u{0}", "{\"a\":\"\r\n\"}"];
        let body = *bodies.choose(random).unwrap();
        let parameters = json!({
            "behaviour": "send-raw", "path": odd_path(random), "method": method, "service": service, "query": query,
            "body": body,
            "microversion": if random.random() { String::new() } else { odd_text(random) },
        });
        let (cloud, pages) = (Arc::new(Cloud::default()), Arc::new(Pages::default()));
        let mut call = action_call(digest, ActionPhase::Execute, parameters.clone(), &cloud, &pages);
        call.permission = Permission::built_in(vec![
            pattern(Method::Get, "/servers/{id}").with_query(&["limit", "name"]),
            pattern(Method::Get, "/servers"),
            pattern(Method::Post, "/servers/{id}/action"),
        ]);
        let permission = call.permission.clone();
        match bench.runtime.call_action(call).await {
            Ok(_) => sent += 1,
            Err(RunError::Declared(failure)) => {
                assert!(
                    ["invalid-request", "not-granted"].contains(&failure.code.as_str()),
                    "{failure:?} for {parameters}"
                );
                refused += 1;
            }
            Err(error) => panic!("case {case} of seed {}: {error:?} for {parameters}", cases.seed),
        }
        for request in cloud.0.lock().unwrap().iter() {
            permission.check(request).unwrap();
            assert_eq!(request.service_type, "compute");
            // As the services of the cloud read it, whatever the endpoint is.
            for base in bases {
                let base = Url::parse(base).unwrap();
                let prefix = base.path().trim_end_matches('/').to_owned();
                let mut url = base.clone();
                url.set_path(&format!("{prefix}{}", request.path));
                let again = Url::parse(url.as_str()).unwrap();
                assert_eq!((again.origin(), again.query(), again.fragment()), (base.origin(), None, None), "{request}");
                assert_eq!(
                    again.path(),
                    format!("{prefix}{}", request.path),
                    "the path is what was granted: {request}"
                );
                let below = again.path().strip_prefix(&format!("{prefix}/servers"));
                assert!(below.is_some_and(|rest| rest.split('/').count() <= 3), "{request}");
            }
            let texts = [Some(&request.service_type), request.microversion.as_ref()];
            assert!(texts.into_iter().flatten().all(|text| text.bytes().all(|byte| byte.is_ascii_graphic())));
        }
    }
    eprintln!("requests: {sent} sent, {refused} refused");
    assert!(sent > 10 && refused > 100, "the cases reach too little: {sent} sent, {refused} refused");
}
