//! Processes of this service, by role and host.

use watcher_domain::{Stamps, Timestamp};

use crate::error::{Error, Result};
use crate::page::{Page, Stored, sort_keys};
use crate::reference::Reference;
use crate::select::Select;
use crate::store::Tx;
use crate::value::StampsRow;

const COLUMNS: &str = "id, name, host, last_seen_up, created_at, updated_at, deleted_at";

sort_keys! {
    /// What services are sorted by.
    {
        Serial = "id",
        Name = "name",
        Host = "host",
        LastSeenUp = "last_seen_up" null,
        CreatedAt = "created_at",
        UpdatedAt = "updated_at" null,
        DeletedAt = "deleted_at" null,
    }
}

/// A process, or several of one role on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Role, e.g. `watcher-decision-engine`.
    pub name: String,
    /// Host.
    pub host: String,
    /// When it last gave a sign of life.
    pub last_seen_up: Option<Timestamp>,
    /// Times.
    pub stamps: Stamps,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    name: String,
    host: String,
    last_seen_up: Option<Timestamp>,
    #[sqlx(flatten)]
    stamps: StampsRow,
}

impl TryFrom<Row> for Stored<Service> {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let value =
            Service { name: row.name, host: row.host, last_seen_up: row.last_seen_up, stamps: row.stamps.into() };
        Ok(Self { serial: row.id, value })
    }
}

/// Writes a sign of life of a role on a host.
pub async fn heartbeat(tx: &mut Tx, name: &str, host: &str, now: Timestamp) -> Result<()> {
    let sql = "INSERT INTO services (name, host, last_seen_up, created_at) VALUES ($1, $2, $3, $3) \
               ON CONFLICT (host, name, deleted) DO UPDATE SET last_seen_up = excluded.last_seen_up, \
               updated_at = excluded.last_seen_up";
    execute!(tx, sql, name, host, now)?;
    Ok(())
}

/// The service that a caller refers to by number or name; it has no UUID.
pub async fn find(tx: &mut Tx, reference: &Reference, show_deleted: bool) -> Result<Option<Stored<Service>>> {
    let select = Select::new(COLUMNS, "services");
    let select = match reference {
        Reference::Serial(serial) => select.filter("id = ?", *serial),
        Reference::Name(name) => select.filter("name = ?", name.as_str()),
        Reference::Uuid(_) => return Ok(None),
    };
    select.not_deleted(show_deleted).then("ORDER BY id").first::<Row, _>(tx).await
}

/// A page of services; the marker is a serial number.
pub async fn list(tx: &mut Tx, page: &Page<Sort, i64>) -> Result<Vec<Stored<Service>>> {
    let select = Select::new(COLUMNS, "services").not_deleted(page.show_deleted);
    select.page("services", "id = ?", page).all::<Row, _>(tx).await
}
