//! When a row was made, changed and deleted, as full records show it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::time;

/// Times of a row, in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the API calls them so")]
pub(crate) struct StampsView {
    /// When it was made.
    created_at: String,
    /// When it was last changed.
    updated_at: Option<String>,
    /// When it was soft-deleted.
    deleted_at: Option<String>,
}

impl From<watcher_domain::Stamps> for StampsView {
    fn from(stamps: watcher_domain::Stamps) -> Self {
        Self {
            created_at: time::with_offset(stamps.created_at),
            updated_at: stamps.updated_at.map(time::with_offset),
            deleted_at: stamps.deleted_at.map(time::with_offset),
        }
    }
}
