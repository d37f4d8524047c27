//! Lists that were answered a moment ago. Goals and strategies change only when plugins do, and every client and dashboard asks for them
//! first: the same question within the moment gets the same answer, as long as the database says that no plugin was changed since. It is asked ten
//! times a second at most: what this process changes itself is known at once, what another one changes within a tenth of a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use chrono::TimeDelta;
use watcher_domain::Timestamp;

use crate::context::Context;
use crate::error::{ApiError, fault};
use crate::policy::Rule;
use crate::state::ApiState;

/// Answers that are kept at a time, and the bytes of one: 16 MiB at most.
const MOST_ANSWERS: usize = 64;
const LARGEST_ANSWER: usize = 256 << 10;

/// How long the database is believed that no other process changed a plugin.
const BELIEVED: TimeDelta = TimeDelta::milliseconds(100);

/// The lists, each with the rule that it is asked under.
const LISTS: [(&str, Rule); 4] = [
    ("/v1/goals", Rule::GoalGetAll),
    ("/v1/goals/detail", Rule::GoalDetail),
    ("/v1/strategies", Rule::StrategyGetAll),
    ("/v1/strategies/detail", Rule::StrategyDetail),
];

/// Answers by everything that they depend on.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    answers: Mutex<HashMap<String, Kept>>,
    changes: Mutex<Changes>,
}

/// What the database said last of how often plugins were changed.
#[derive(Debug, Default)]
struct Changes {
    said: Option<(i64, Timestamp)>,
    /// Counts how often this process changed something, so that what was asked before is not believed after.
    own: u64,
}

/// Forgets what the database said when it is dropped: also when nobody waits any more for a request that changed something.
struct Forget(Arc<Recent>);

impl Drop for Forget {
    fn drop(&mut self) {
        let mut changes = self.0.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.said = None;
        changes.own += 1;
    }
}

#[derive(Debug, Clone)]
struct Kept {
    since: Timestamp,
    media_type: Option<HeaderValue>,
    body: Bytes,
}

impl Recent {
    fn find(&self, question: &str, now: Timestamp, api: &ApiState) -> Option<Kept> {
        let kept = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(question).filter(|kept| is_recent(kept, now, api)).cloned()
    }

    fn keep(&self, question: String, answer: Kept, api: &ApiState) {
        let mut kept = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MOST_ANSWERS {
            kept.retain(|_, other| is_recent(other, answer.since, api));
        }
        if kept.len() < MOST_ANSWERS || kept.contains_key(&question) {
            kept.insert(question, answer);
        }
    }

    /// How often plugins were changed, whichever process did it.
    async fn changes(&self, api: &ApiState) -> Result<i64, ApiError> {
        let now = api.clock.now();
        let own = {
            let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
            match changes.said {
                Some((number, since)) if (TimeDelta::zero()..BELIEVED).contains(&(now - since)) => return Ok(number),
                Some(_) | None => changes.own,
            }
        };
        let number = watcher_registry::changes(&api.store).await.map_err(ApiError::Registry)?;
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if changes.own == own {
            changes.said = Some((number, now));
        }
        Ok(number)
    }
}

/// A clock that was set back makes nothing recent.
fn is_recent(kept: &Kept, now: Timestamp, api: &ApiState) -> bool {
    (now - kept.since).to_std().is_ok_and(|age| age < api.options.recent)
}

/// Answers a list from memory if the caller may see it and it was asked for a moment ago.
pub(crate) async fn answer(
    State((api, recent)): State<(ApiState, Arc<Recent>)>,
    request: Request,
    next: Next,
) -> Response {
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    let _forget = (!is_read && request.uri().path().starts_with("/v1/plugins")).then(|| Forget(Arc::clone(&recent)));
    let rule = LISTS.iter().find(|(path, _)| *path == request.uri().path()).map(|(_, rule)| *rule);
    let (Some(rule), false) = (rule.filter(|_| *request.method() == Method::GET), api.options.recent.is_zero()) else {
        return next.run(request).await;
    };
    let (mut parts, body) = request.into_parts();
    let question = question(&mut parts, &api, &recent, rule).await;
    let request = Request::from_parts(parts, body);
    // Whoever may not ask gets the answer of the operation, which checks the arguments first.
    let Ok(question) = question else { return next.run(request).await };
    let now = api.clock.now();
    if let Some(kept) = recent.find(&question, now, &api) {
        let mut response = kept.body.into_response();
        if let Some(media_type) = kept.media_type {
            response.headers_mut().insert(CONTENT_TYPE, media_type);
        }
        return response;
    }
    let (parts, body) = next.run(request).await.into_parts();
    let is_small = body.size_hint().upper().is_some_and(|bytes| bytes <= LARGEST_ANSWER as u64);
    if parts.status != StatusCode::OK || !is_small {
        return Response::from_parts(parts, body);
    }
    let Ok(body) = to_bytes(body, LARGEST_ANSWER).await else {
        return fault(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The service failed to answer this request. Its log says why.",
        );
    };
    let media_type = parts.headers.get(CONTENT_TYPE).cloned();
    recent.keep(question, Kept { since: now, media_type, body: body.clone() }, &api);
    Response::from_parts(parts, Body::from(body))
}

/// Everything that the answer depends on, for a caller who may have it.
async fn question(
    parts: &mut axum::http::request::Parts,
    api: &ApiState,
    recent: &Recent,
    rule: Rule,
) -> Result<String, ApiError> {
    let context = Context::from_request_parts(parts, api).await?;
    context.enforce(rule)?;
    // What was withdrawn from a project is not told to it any more.
    let changes = recent.changes(api).await?;
    let seen = (context.visibility(), context.version, context.show_deleted, &context.base, changes);
    Ok(format!("{} {seen:?}", parts.uri))
}
