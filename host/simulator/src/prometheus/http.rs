//! The HTTP API of Prometheus.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawForm, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use chrono::{DateTime, SecondsFormat};
use http::{StatusCode, header};
use serde_json::{Map, Value as Json, json};

use super::QueryError;
use super::ast::{Expr, Type};
use super::encode::{Row, instant, matrix};
use super::eval::{Past, Value};
use super::parse::parse;
use super::series::Labels;
use super::signal::{SCRAPE_S, World};
use crate::app::{App, reply};
use crate::auth::require_token;
use crate::number::{float, seconds, whole};

/// Steps of a range query, as in Prometheus.
const MAX_STEPS: i64 = 11_000;
/// Values in an answer.
const MAX_POINTS: usize = 5_000_000;

type Answer = Result<Response, QueryError>;

impl IntoResponse for QueryError {
    fn into_response(self) -> Response {
        let (status, kind) = match &self {
            Self::BadData(_) => (StatusCode::BAD_REQUEST, "bad_data"),
            Self::Execution(_) => (StatusCode::UNPROCESSABLE_ENTITY, "execution"),
        };
        reply(status, &json!({"status": "error", "errorType": kind, "error": self.to_string()}))
    }
}

pub(crate) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    let api = Router::new()
        .route("/query", get(query).post(query))
        .route("/query_range", get(query_range).post(query_range))
        .route("/labels", get(labels).post(labels))
        .route("/label/{name}/values", get(label_values))
        .route("/series", get(series).post(series))
        .route("/targets", get(targets))
        .route("/metadata", get(metadata))
        .route("/status/buildinfo", get(build_info))
        .route("/status/runtimeinfo", get(runtime_info))
        .route("/{*rest}", any(async || StatusCode::NOT_FOUND));
    let api = if app.options.prometheus_requires_token {
        api.layer(from_fn_with_state(app.clone(), require_token))
    } else {
        api
    };
    Router::new()
        .route("/prometheus/-/healthy", get(async || "Prometheus Server is Healthy.\n"))
        .route("/prometheus/-/ready", get(async || "Prometheus Server is Ready.\n"))
        .nest("/prometheus/api/v1", api)
}

/// Parameters, from the query or from a form.
struct Form(Vec<(String, String)>);

impl Form {
    fn parse(RawForm(bytes): &RawForm) -> Self {
        Self(url::form_urlencoded::parse(bytes).into_owned().collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &str) -> Result<&str, QueryError> {
        self.get(name).ok_or_else(|| QueryError::bad(format!("invalid parameter {name:?}: is missing")))
    }

    /// A time, in seconds since the epoch or as RFC 3339 text.
    fn time(&self, name: &str) -> Result<Option<f64>, QueryError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let invalid =
            || QueryError::bad(format!("invalid parameter {name:?}: cannot parse {text:?} to a valid timestamp"));
        let time = match text.parse::<f64>() {
            Ok(number) => number,
            Err(_) => seconds(DateTime::parse_from_rfc3339(text).map_err(|_| invalid())?.timestamp_millis()),
        };
        if time.abs() < 1e12 { Ok(Some(time)) } else { Err(invalid()) }
    }

    fn step(&self) -> Result<f64, QueryError> {
        let text = self.required("step")?;
        let step = match text.parse::<f64>() {
            Ok(number) => number,
            Err(_) => match parse(&format!("x[{text}]")) {
                Ok(Expr::Selector(selector)) => selector.range_s.unwrap_or_default(),
                _ => 0.0,
            },
        };
        if step.is_finite() && step > 0.0 {
            Ok(step)
        } else {
            Err(QueryError::bad(
                "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a \
                 positive integer",
            ))
        }
    }
}

fn json_body(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Runs a computation away from the threads that serve connections.
async fn compute(app: Arc<App>, work: impl FnOnce(World<'_>) -> Result<String, QueryError> + Send + 'static) -> Answer {
    let done = tokio::task::spawn_blocking(move || {
        let cloud = app.series.follows_placement.then(|| app.cloud());
        work(World { store: &app.series, cloud: cloud.as_deref() })
    });
    match done.await {
        Ok(result) => result.map(json_body),
        Err(error) => {
            tracing::error!(%error, "the evaluation of a query ended early");
            Err(QueryError::execution("the evaluation of the query ended early"))
        }
    }
}

async fn query(State(app): State<Arc<App>>, form: RawForm) -> Answer {
    let form = Form::parse(&form);
    let expr = parse(form.required("query")?)
        .map_err(|error| QueryError::bad(format!("invalid parameter \"query\": {error}")))?;
    let now = seconds(app.now().timestamp_millis());
    let time = form.time("time")?.unwrap_or(now);
    compute(app, move |world| match world.eval(&expr, time)? {
        Value::Range(past) => raw(world, past).map(|rows| matrix(&rows)),
        value => Ok(instant(&value, time)),
    })
    .await
}

/// The samples of a range vector, as if it had been scraped.
fn raw(world: World<'_>, past: Vec<Past>) -> Result<Vec<Row>, QueryError> {
    let mut points = 0;
    past.into_iter()
        .map(|Past { name, labels, signal, span }| {
            let first = (span.from / SCRAPE_S).floor() + 1.0;
            let count = (span.to / SCRAPE_S).floor() - first + 1.0;
            points += usize::try_from(whole(count)).unwrap_or(0);
            check_points(points)?;
            let values = (0..whole(count).max(0))
                .map(|step| (first + float(step.unsigned_abs())) * SCRAPE_S)
                .map(|time| (time, world.at(signal, time)))
                .collect();
            Ok(Row { name: Some(name), labels, values })
        })
        .collect()
}

fn check_points(points: usize) -> Result<(), QueryError> {
    if points > MAX_POINTS {
        return Err(QueryError::execution(
            "query processing would load too many samples into memory in query execution",
        ));
    }
    Ok(())
}

async fn query_range(State(app): State<Arc<App>>, form: RawForm) -> Answer {
    let form = Form::parse(&form);
    let expr = parse(form.required("query")?)
        .map_err(|error| QueryError::bad(format!("invalid parameter \"query\": {error}")))?;
    if !matches!(expr.kind(), Type::Scalar | Type::Vector) {
        return Err(QueryError::bad(format!(
            "invalid parameter \"query\": invalid expression type {:?} for range query, must be Scalar or instant Vector",
            expr.kind().as_str()
        )));
    }
    let missing = |name: &str| QueryError::bad(format!("invalid parameter {name:?}: is missing"));
    let start = form.time("start")?.ok_or_else(|| missing("start"))?;
    let end = form.time("end")?.ok_or_else(|| missing("end"))?;
    let step = form.step()?;
    if end < start {
        return Err(QueryError::bad("invalid parameter \"end\": end timestamp must not be before start time"));
    }
    let steps = whole((end - start) / step);
    if steps >= MAX_STEPS {
        return Err(QueryError::bad(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    compute(app, move |world| {
        let mut rows: Vec<Row> = Vec::new();
        let mut index: HashMap<(Option<Arc<str>>, Labels), usize> = HashMap::new();
        let mut points = 0;
        for number in 0..=steps {
            let time = start + float(number.unsigned_abs()) * step;
            let samples = match world.eval(&expr, time)? {
                Value::Scalar(value) => {
                    vec![super::eval::Sample { name: None, labels: Labels::new(Vec::new()), value }]
                }
                other => other.vector(),
            };
            points += samples.len();
            check_points(points)?;
            for sample in samples {
                let at = *index.entry((sample.name.clone(), sample.labels.clone())).or_insert_with(|| {
                    rows.push(Row { name: sample.name, labels: sample.labels, values: Vec::new() });
                    rows.len() - 1
                });
                rows[at].values.push((time, sample.value));
            }
        }
        Ok(matrix(&rows))
    })
    .await
}

/// The selectors of `match[]`.
fn selectors(form: &Form) -> Result<Vec<Expr>, QueryError> {
    let given = form.0.iter().filter(|(name, _)| name == "match[]");
    given
        .map(|(_, text)| match parse(text)? {
            expr @ Expr::Selector(_) if expr.kind() == Type::Vector => Ok(expr),
            _ => Err(QueryError::bad(format!("invalid parameter \"match[]\": {text:?} is not a selector"))),
        })
        .collect()
}

/// Name and labels of every series that one of the selectors takes, or of all if there is none.
fn for_each_series(world: World<'_>, selectors: &[Expr], mut visit: impl FnMut(&Arc<str>, &Labels)) {
    if selectors.is_empty() {
        world.for_each(&[], |metric, series| visit(&metric.name, &series.labels));
    }
    for selector in selectors {
        if let Expr::Selector(selector) = selector {
            world.for_each(&selector.matchers, |metric, series| visit(&metric.name, &series.labels));
        }
    }
}

fn success(data: impl Into<Json>) -> String {
    json!({"status": "success", "data": data.into()}).to_string()
}

async fn labels(State(app): State<Arc<App>>, form: RawForm) -> Answer {
    let selectors = selectors(&Form::parse(&form))?;
    compute(app, move |world| {
        let mut names: BTreeSet<Arc<str>> = BTreeSet::from(["__name__".into()]);
        for_each_series(world, &selectors, |_, labels| names.extend(labels.iter().map(|(name, _)| Arc::clone(name))));
        Ok(success(names.iter().map(|name| Json::from(&**name)).collect::<Vec<_>>()))
    })
    .await
}

async fn label_values(State(app): State<Arc<App>>, Path(wanted): Path<String>, form: RawForm) -> Answer {
    let selectors = selectors(&Form::parse(&form))?;
    compute(app, move |world| {
        let mut values: BTreeSet<Arc<str>> = BTreeSet::new();
        for_each_series(world, &selectors, |metric, labels| {
            if wanted == "__name__" {
                if !values.contains(metric) {
                    values.insert(Arc::clone(metric));
                }
            } else if let Some((_, value)) = labels.iter().find(|(name, _)| **name == *wanted) {
                values.insert(Arc::clone(value));
            }
        });
        Ok(success(values.iter().map(|value| Json::from(&**value)).collect::<Vec<_>>()))
    })
    .await
}

async fn series(State(app): State<Arc<App>>, form: RawForm) -> Answer {
    let selectors = selectors(&Form::parse(&form))?;
    if selectors.is_empty() {
        return Err(QueryError::bad("no match[] parameter provided"));
    }
    compute(app, move |world| {
        let mut found = Vec::new();
        for_each_series(world, &selectors, |metric, labels| {
            let mut view = Map::new();
            view.insert("__name__".into(), Json::from(&**metric));
            view.extend(labels.iter().map(|(name, value)| (name.to_string(), Json::from(&**value))));
            found.push(Json::Object(view));
        });
        Ok(success(found))
    })
    .await
}

async fn targets(State(app): State<Arc<App>>, form: RawForm) -> Answer {
    let form = Form::parse(&form);
    let active = !matches!(form.get("state"), Some("dropped"));
    let scraped = app.now().to_rfc3339_opts(SecondsFormat::Millis, true);
    let view = |host: &String| {
        let url = format!("http://{host}:9100/metrics");
        json!({
            "discoveredLabels": {"__address__": format!("{host}:9100"), "job": "node"},
            "labels": {"fqdn": host, "instance": format!("{host}:9100"), "job": "node"},
            "scrapePool": "node",
            "scrapeUrl": url,
            "globalUrl": url,
            "lastError": "",
            "lastScrape": scraped,
            "lastScrapeDuration": 0.01,
            "health": "up",
            "scrapeInterval": "15s",
            "scrapeTimeout": "10s",
        })
    };
    let targets: Vec<Json> = app.series.hosts.iter().filter(|_| active).map(view).collect();
    Ok(json_body(success(json!({"activeTargets": targets, "droppedTargets": [], "droppedTargetCounts": {"node": 0}}))))
}

async fn metadata(State(app): State<Arc<App>>) -> Response {
    let known: Map<String, Json> = app
        .series
        .metrics()
        .map(|metric| {
            let counter = matches!(&*metric.name, "node_cpu_seconds_total" | "ceilometer_cpu");
            let kind = if counter { "counter" } else { "gauge" };
            (metric.name.to_string(), json!([{"type": kind, "help": "", "unit": ""}]))
        })
        .collect();
    json_body(success(known))
}

async fn build_info() -> Response {
    json_body(success(json!({
        "version": "2.53.0",
        "revision": "simulated",
        "branch": "HEAD",
        "buildUser": "watcher-simulator",
        "buildDate": "20240616-07:13:36",
        "goVersion": "go1.22.4",
    })))
}

async fn runtime_info(State(app): State<Arc<App>>) -> Response {
    let now = app.now().to_rfc3339_opts(SecondsFormat::Secs, true);
    json_body(success(json!({
        "startTime": now,
        "CWD": "/prometheus",
        "reloadConfigSuccess": true,
        "lastConfigTime": now,
        "corruptionCount": 0,
        "goroutineCount": 1,
        "GOMAXPROCS": 2,
        "GOMEMLIMIT": 0,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": "15d",
    })))
}
