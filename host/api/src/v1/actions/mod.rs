//! Actions: what a plan does, one resource at a time.

pub(crate) mod list;
pub(crate) mod show;
pub(crate) mod update;
pub(crate) mod view;

use std::collections::{HashMap, HashSet};

use axum::Router;
use axum::routing::get;
use watcher_domain::plugin::Description;
use watcher_domain::{Action, Digest};
use watcher_store::{Tx, Visibility, action_description, plugin};

use crate::context::Context;
use crate::error::ApiError;
use crate::state::ApiState;
use crate::v1::Detail;
use crate::v1::actions::view::ActionView;

/// What the original calls the UUID in a path.
const UUID: &str = "action_uuid";

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/v1/actions", get(list::brief))
        .route("/v1/actions/detail", get(list::full))
        .route("/v1/actions/{action}", get(show::show).patch(update::update))
        .route("/v1/actions/{action}/detail", get(super::no_detail))
}

/// The full record of one action.
async fn full_record(tx: &mut Tx, context: &Context, action: &Action) -> Result<ActionView, ApiError> {
    let descriptions = Descriptions::of(tx, &context.visibility(), std::iter::once(action)).await?;
    let description = descriptions.get(action);
    Ok(ActionView::new(action, description, &context.base, context.version, Detail::Full))
}

/// What actions do, in the words of the handlers that carry them out.
struct Descriptions {
    /// Of built-in handlers, by type.
    built_in: HashMap<String, String>,
    /// Of those of projects, which may bear any name.
    brought: HashMap<Digest, Description>,
}

impl Descriptions {
    async fn of(tx: &mut Tx, visible: &Visibility, actions: impl Iterator<Item = &Action>) -> Result<Self, ApiError> {
        let digests: HashSet<Digest> = actions.map(|action| action.digest).collect();
        let digests: Vec<Digest> = digests.into_iter().collect();
        let brought = plugin::descriptions(tx, &digests, visible).await?;
        Ok(Self { built_in: action_description::list(tx).await?, brought })
    }

    fn get(&self, action: &Action) -> Option<&String> {
        let brought = self.brought.get(&action.digest).map(|description| &description.description);
        brought.or_else(|| self.built_in.get(&action.action_type))
    }
}
