//! What reading is the same for in every table of a noun.

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::page::{Page, SortKey, Stored};
use crate::reference::{Reference, Visibility};
use crate::select::{AnyRow, Select};
use crate::store::Tx;

/// What [`NameRow`] is read from.
pub(crate) const NAME_COLUMNS: &str = "id, uuid, name";

/// What other rows show of a row.
#[derive(sqlx::FromRow)]
pub(crate) struct NameRow {
    id: i64,
    uuid: Uuid,
    name: String,
}

impl NameRow {
    pub(crate) fn stored<I>(self, id: impl FnOnce(Uuid) -> I) -> Stored<(I, String)> {
        Stored { serial: self.id, value: (id(self.uuid), self.name) }
    }
}

/// A table of a noun with `id`, `uuid` and `deleted`.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: &'static str,
    /// Whether it has a column `name`.
    pub(crate) named: bool,
}

impl Table {
    pub(crate) fn select(&self) -> Select {
        Select::new(self.columns, self.name)
    }

    /// The row with a UUID, soft-deleted or not.
    pub(crate) async fn get<R: AnyRow, T: TryFrom<R, Error = Error>>(
        &self,
        tx: &mut Tx,
        id: Uuid,
    ) -> Result<Option<T>> {
        self.select().filter("uuid = ?", id).first(tx).await
    }

    /// The row that a caller refers to. Of several with its name the one that is not deleted, of the caller's own project, or last
    /// made, in this order.
    pub(crate) async fn find<R: AnyRow, T: TryFrom<R, Error = Error>>(
        &self,
        tx: &mut Tx,
        reference: &Reference,
        show_deleted: bool,
        visible: &Visibility,
    ) -> Result<Option<T>> {
        let select = match reference {
            Reference::Serial(serial) => self.select().filter("id = ?", *serial),
            Reference::Uuid(uuid) => self.select().filter("uuid = ?", *uuid),
            Reference::Name(name) if self.named => self.select().filter("name = ?", name.as_str()),
            Reference::Name(_) => return Ok(None),
        };
        Self::best(tx, select.not_deleted(show_deleted).visible(visible)).await
    }

    async fn best<R: AnyRow, T: TryFrom<R, Error = Error>>(tx: &mut Tx, select: Select) -> Result<Option<T>> {
        select.then("ORDER BY CASE WHEN deleted = 0 THEN 0 ELSE 1 END, project_id IS NULL, id DESC").first(tx).await
    }

    /// A page of what `filtered` selects.
    pub(crate) async fn list<R: AnyRow, T: TryFrom<R, Error = Error> + Send, S: SortKey>(
        &self,
        tx: &mut Tx,
        filtered: Select,
        page: &Page<S>,
    ) -> Result<Vec<T>> {
        filtered.not_deleted(page.show_deleted).page(self.name, "uuid = ?", page).all(tx).await
    }
}
