//! Queries whose text depends on what is asked for.

use std::fmt::Write as _;

use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;
use watcher_domain::Timestamp;

use crate::error::Result;
use crate::page::{Page, SortDir, SortKey};
use crate::reference::Visibility;
use crate::store::Tx;

/// A value in a query.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Integer(i64),
    Uuid(Uuid),
    Text(String),
    Bytes(Vec<u8>),
    Time(Timestamp),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<Uuid> for Value {
    fn from(value: Uuid) -> Self {
        Self::Uuid(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<Timestamp> for Value {
    fn from(value: Timestamp) -> Self {
        Self::Time(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.to_owned())
    }
}

/// A row of either driver.
pub(crate) trait AnyRow: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin {}
impl<T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin> AnyRow for T {}

/// Rows that are read before others get the thread.
const ROWS_AT_ONCE: usize = 256;

/// A `SELECT` under construction. Its text is made of literals of this crate only; everything else is a bound value.
pub(crate) struct Select {
    text: String,
    values: Vec<Value>,
    has_condition: bool,
}

impl Select {
    pub(crate) fn new(columns: &str, from: &str) -> Self {
        Self { text: format!("SELECT {columns} FROM {from}"), values: Vec::new(), has_condition: false }
    }

    /// Adds a condition; every `?` in it stands for the value.
    pub(crate) fn filter(mut self, condition: &'static str, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        let place = format!("${}", self.values.len());
        self.and(&condition.replace('?', &place));
        self
    }

    /// Adds a condition if there is a value for it.
    pub(crate) fn filter_some(self, condition: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.filter(condition, value),
            None => self,
        }
    }

    /// Adds the condition that a column has one of these values.
    pub(crate) fn among(mut self, column: &str, values: impl Iterator<Item = Uuid>) -> Self {
        let places: Vec<String> = values
            .map(|value| {
                self.values.push(value.into());
                format!("${}", self.values.len())
            })
            .collect();
        self.and(&if places.is_empty() { "1 = 0".to_owned() } else { format!("{column} IN ({})", places.join(", ")) });
        self
    }

    /// Adds a condition without values.
    pub(crate) fn only(mut self, condition: &str) -> Self {
        self.and(condition);
        self
    }

    pub(crate) fn not_deleted(self, show_deleted: bool) -> Self {
        if show_deleted { self } else { self.only("deleted = 0") }
    }

    /// Rows that projects make: what is nobody's was made by an administrator without a project, and is for those alone.
    pub(crate) fn visible(self, visible: &Visibility) -> Self {
        match visible {
            Visibility::All => self,
            Visibility::Project(project) if project.0.is_empty() => self.only("project_id IS NULL"),
            Visibility::Project(project) => self.filter("project_id = ?", project.0.as_str()),
        }
    }

    /// The same for lists that nothing else makes short, by the indexes over this expression.
    pub(crate) fn visible_among_all(self, visible: &Visibility) -> Self {
        match visible {
            Visibility::All => self,
            Visibility::Project(project) => self.filter("COALESCE(project_id, '') = ?", project.0.as_str()),
        }
    }

    fn and(&mut self, condition: &str) {
        self.text.push_str(if self.has_condition { " AND " } else { " WHERE " });
        self.text.push_str(condition);
        self.has_condition = true;
    }

    /// Adds what comes after the conditions.
    pub(crate) fn then(mut self, text: &str) -> Self {
        self.text.push(' ');
        self.text.push_str(text);
        self
    }

    /// The same with a value for every `?` in it.
    pub(crate) fn then_with(mut self, text: &str, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        let place = format!("${}", self.values.len());
        self.then(&text.replace('?', &place))
    }

    /// Cuts a page out of a table whose serial number is `id`. `marker_is` says which row the marker is, with a `?` for its value.
    pub(crate) fn page<S: SortKey, M: Copy + Into<Value>>(
        mut self,
        table: &str,
        marker_is: &str,
        page: &Page<S, M>,
    ) -> Self {
        let (expression, nullable) = page.sort.expression();
        let (after, direction) = match page.dir {
            SortDir::Asc => (">", "ASC"),
            SortDir::Desc => ("<", "DESC"),
        };
        if let Some(marker) = page.marker {
            self.values.push(marker.into());
            let marker = format!("FROM {table} WHERE {}", marker_is.replace('?', &format!("${}", self.values.len())));
            let (value, serial) = (format!("(SELECT {expression} {marker})"), format!("(SELECT id {marker})"));
            self.and(&match (expression, nullable, page.dir) {
                ("id", ..) => format!("id {after} {serial}"),
                (_, false, _) => format!("({expression}, id) {after} ({value}, {serial})"),
                (_, true, SortDir::Asc) => format!(
                    "({expression} > {value} OR (({expression} IS NULL) = ({value} IS NULL) \
                     AND ({expression} = {value} OR {expression} IS NULL) AND id > {serial}) \
                     OR ({expression} IS NOT NULL AND {value} IS NULL AND {serial} IS NOT NULL))"
                ),
                (_, true, SortDir::Desc) => format!(
                    "({expression} < {value} OR (({expression} IS NULL) = ({value} IS NULL) \
                     AND ({expression} = {value} OR {expression} IS NULL) AND id < {serial}) \
                     OR ({expression} IS NULL AND {value} IS NOT NULL))"
                ),
            });
        }
        // The databases differ in where rows without a value go unless told.
        let nulls = match (nullable, page.dir) {
            (false, _) => "",
            (true, SortDir::Asc) => " NULLS FIRST",
            (true, SortDir::Desc) => " NULLS LAST",
        };
        let _ = write!(self.text, " ORDER BY ");
        if expression != "id" {
            let _ = write!(self.text, "{expression} {direction}{nulls}, ");
        }
        let _ = write!(self.text, "id {direction} LIMIT {}", page.limit);
        self
    }

    pub(crate) async fn fetch_all<R: AnyRow>(self, tx: &mut Tx) -> Result<Vec<R>> {
        let Self { text, values, .. } = self;
        Ok(on_backend!(tx, |conn| {
            let mut query = sqlx::query_as::<_, R>(AssertSqlSafe(text));
            for value in values {
                query = match value {
                    Value::Integer(value) => query.bind(value),
                    Value::Uuid(value) => query.bind(value),
                    Value::Text(value) => query.bind(value),
                    Value::Bytes(value) => query.bind(value),
                    Value::Time(value) => query.bind(value),
                };
            }
            query.fetch_all(conn).await?
        }))
    }

    /// All rows, each as what the domain calls it.
    pub(crate) async fn all<R: AnyRow, T: TryFrom<R, Error = crate::Error> + Send>(
        self,
        tx: &mut Tx,
    ) -> Result<Vec<T>> {
        let rows = self.fetch_all::<R>(tx).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            found.push(T::try_from(row)?);
            // Plans have hundreds of thousands of actions, and their parameters are read here.
            if found.len() % ROWS_AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok(found)
    }

    /// The first row, as what the domain calls it.
    pub(crate) async fn first<R: AnyRow, T: TryFrom<R, Error = crate::Error>>(self, tx: &mut Tx) -> Result<Option<T>> {
        self.then("LIMIT 1").fetch_all::<R>(tx).await?.into_iter().next().map(T::try_from).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::{action, action_plan, audit, audit_template};
    use watcher_domain::ProjectId;

    /// How SQLite goes about a page of a list of a project.
    async fn steps<S: SortKey>(tx: &mut Tx, table: &'static str, sort: S) -> String {
        let page = Page { limit: 10, marker: Some(Uuid::nil()), sort, dir: SortDir::Asc, show_deleted: false };
        let visible = Visibility::Project(ProjectId("p".to_owned()));
        let select = Select::new("*", table).visible_among_all(&visible).not_deleted(false);
        let Select { text, .. } = select.page(table, "uuid = ?", &page);
        let Tx::Sqlite(tx) = tx else { unreachable!("it is SQLite's") };
        let sql = format!("EXPLAIN QUERY PLAN {text}");
        let rows: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(AssertSqlSafe(sql)).bind("p").bind(Uuid::nil()).fetch_all(&mut **tx).await.unwrap();
        rows.into_iter().map(|row| row.3).collect::<Vec<_>>().join("; ")
    }

    #[tokio::test]
    async fn who_lists_what_a_project_has_reads_nothing_of_others_whatever_it_is_sorted_by() {
        let store = Store::connect("sqlite::memory:").await.unwrap();
        store.migrate().await.unwrap();
        let mut tx = store.read().await.unwrap();
        let mut plans = Vec::new();
        for sort in audit_template::Sort::ALL {
            plans.push(("audit_templates", steps(&mut tx, "audit_templates", *sort).await));
        }
        for sort in audit::Sort::ALL {
            plans.push(("audits", steps(&mut tx, "audits", *sort).await));
        }
        for sort in action_plan::Sort::ALL {
            plans.push(("action_plans", steps(&mut tx, "action_plans", *sort).await));
        }
        for sort in action::Sort::ALL {
            plans.push(("actions", steps(&mut tx, "actions", *sort).await));
        }
        for (table, steps) in plans {
            assert!(steps.starts_with(&format!("SEARCH {table} USING INDEX {table}_project (<expr>=?")), "{steps}");
            assert!(!steps.contains("SCAN "), "{table}: {steps}");
        }
    }
}
