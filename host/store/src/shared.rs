//! Rows that plugins bring, which other projects see if they may use the plugin.
//!
//! A project uses the built-in plugins, its own, and those of others that it accepted: shared ones that it was offered, community and public
//! ones. A row is seen while its plugin has a version that may run. Nothing of this is remembered anywhere: every look is a look into the
//! database, so that what was withdrawn is gone for the next one.

use watcher_domain::ProjectId;

use crate::error::{Error, Result};
use crate::page::{Page, SortKey};
use crate::reference::{Reference, Visibility};
use crate::select::{AnyRow, Select};
use crate::store::Tx;
use crate::table::Table;

/// What callers write before the `/` for plugins that belong to nobody.
pub(crate) const BUILT_IN: &str = "built-in";

/// That the project `?` accepted the plugin `p`.
macro_rules! accepted {
    () => {
        "EXISTS (SELECT 1 FROM plugin_members m WHERE m.plugin_id = p.uuid AND m.project_id = ? AND m.status = 'accepted' \
         AND (p.visibility IN ('community', 'public') OR (p.visibility = 'shared' AND m.offered)))"
    };
}

/// The plugins `p` that the project `?` may use, built-in ones aside, and that have a version that may run.
macro_rules! usable {
    () => {
        concat!(
            "SELECT p.uuid FROM plugins p WHERE p.deleted = 0 AND (p.project_id = ? OR ",
            accepted!(),
            ") AND EXISTS (SELECT 1 FROM plugin_versions v WHERE v.plugin_id = p.uuid AND v.state = 'active' AND v.deleted = 0)"
        )
    };
}

/// Where a plugin or a row of project `$project` stands for the project `?`: its own, then an accepted one, then a built-in one.
macro_rules! rank {
    ($project:literal) => {
        concat!("CASE WHEN ", $project, " = ? THEN 0 WHEN ", $project, " IS NULL THEN 2 ELSE 1 END")
    };
}

/// When the project `?` accepted the plugin `$plugin`.
macro_rules! accepted_at {
    ($plugin:literal) => {
        concat!(
            // The column has another name within: `$plugin` must be that of the row outside.
            "(SELECT a.since FROM (SELECT plugin_id AS accepted, COALESCE(updated_at, created_at) AS since FROM plugin_members \
             WHERE project_id = ?) a WHERE a.accepted = ",
            $plugin,
            ")"
        )
    };
}
pub(crate) use {accepted, accepted_at, rank};

/// Which rows of a table the project `?` sees.
#[derive(Clone, Copy)]
pub(crate) enum Seen {
    /// Those of plugins that it may use.
    ByPlugin,
    /// Those that such a strategy refers to.
    ByStrategy,
}

impl Seen {
    const fn condition(self) -> &'static str {
        match self {
            Self::ByPlugin => {
                concat!("(project_id IS NULL OR plugin_id IN (", usable!(), ") OR (deleted <> 0 AND project_id = ?))")
            }
            Self::ByStrategy => concat!(
                "(project_id IS NULL OR uuid IN (SELECT s.goal_id FROM strategies s WHERE s.deleted = 0 AND s.plugin_id IN (",
                usable!(),
                ")) OR (deleted <> 0 AND project_id = ?))"
            ),
        }
    }

    /// The best of several rows of one name first: own ones shadow accepted ones, the one accepted last before the others, and these
    /// built-in ones.
    const fn order(self) -> &'static str {
        match self {
            Self::ByPlugin => concat!(
                "ORDER BY CASE WHEN deleted = 0 THEN 0 ELSE 1 END, ",
                rank!("project_id"),
                ", ",
                accepted_at!("plugin_id"),
                " DESC, id DESC"
            ),
            Self::ByStrategy => {
                concat!(
                    "ORDER BY CASE WHEN deleted = 0 THEN 0 ELSE 1 END, ",
                    rank!("project_id"),
                    ", (SELECT MAX(a.since) FROM (SELECT s.goal_id AS reached, COALESCE(m.updated_at, m.created_at) AS since \
                     FROM plugin_members m JOIN strategies s ON s.plugin_id = m.plugin_id AND s.deleted = 0 \
                     WHERE m.project_id = ? AND m.status = 'accepted') a WHERE a.reached = uuid) DESC, id DESC"
                )
            }
        }
    }
}

/// A table of rows that plugins bring.
pub(crate) struct SharedTable {
    pub(crate) table: Table,
    pub(crate) seen: Seen,
}

impl SharedTable {
    pub(crate) fn select(&self) -> Select {
        self.table.select()
    }

    /// Leaves only what is seen.
    pub(crate) fn visible(&self, select: Select, visible: &Visibility) -> Select {
        match visible {
            Visibility::All => select,
            Visibility::Project(project) => select.filter(self.seen.condition(), project.0.as_str()),
        }
    }

    /// The row that a caller refers to; names in any letter case, because callers know them from a database that does not tell cases
    /// apart. `owner/name` is the row of that project, `built-in/name` that of nobody.
    pub(crate) async fn find<R: AnyRow, T: TryFrom<R, Error = Error>>(
        &self,
        tx: &mut Tx,
        reference: &Reference,
        show_deleted: bool,
        visible: &Visibility,
    ) -> Result<Option<T>> {
        let (whose, name) = match reference {
            Reference::Serial(serial) => {
                return self.best(tx, self.select().filter("id = ?", *serial), show_deleted, visible).await;
            }
            Reference::Uuid(uuid) => {
                return self.best(tx, self.select().filter("uuid = ?", *uuid), show_deleted, visible).await;
            }
            Reference::Name(name) => owner_and_name(name),
        };
        let named = whose.only(self.select()).filter("name = ?", name);
        let found = self.best(tx, named, show_deleted, visible).await?;
        if found.is_some() {
            return Ok(found);
        }
        let lower = name.to_ascii_lowercase();
        let named = whose.only(self.select()).filter("LOWER(name) = ?", lower.as_str());
        self.best(tx, named, show_deleted, visible).await
    }

    async fn best<R: AnyRow, T: TryFrom<R, Error = Error>>(
        &self,
        tx: &mut Tx,
        select: Select,
        show_deleted: bool,
        visible: &Visibility,
    ) -> Result<Option<T>> {
        let select = self.visible(select.not_deleted(show_deleted), visible);
        match visible {
            // A caller who sees all acts for nobody, and must not get the row of a project that only has the same name.
            Visibility::All => {
                let order = "ORDER BY CASE WHEN deleted = 0 THEN 0 ELSE 1 END, project_id IS NOT NULL, id DESC";
                select.then(order).first(tx).await
            }
            Visibility::Project(project) => select.then_with(self.seen.order(), project.0.as_str()).first(tx).await,
        }
    }

    /// A page of what `filtered` selects and is seen.
    pub(crate) async fn list<R: AnyRow, T: TryFrom<R, Error = Error> + Send, S: SortKey>(
        &self,
        tx: &mut Tx,
        filtered: Select,
        page: &Page<S>,
        visible: &Visibility,
    ) -> Result<Vec<T>> {
        self.table.list(tx, self.visible(filtered, visible), page).await
    }
}

/// Whose plugins are meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Whose {
    /// Anybody's.
    #[default]
    Anybodys,
    /// Nobody's: built-in ones.
    Nobodys,
    /// Those of a project.
    Projects(ProjectId),
}

impl Whose {
    /// What a caller writes for it.
    pub fn of(owner: &str) -> Self {
        if owner == BUILT_IN { Self::Nobodys } else { Self::Projects(ProjectId(owner.to_owned())) }
    }

    /// Leaves only the rows of these owners.
    pub(crate) fn only(&self, select: Select) -> Select {
        match self {
            Self::Anybodys => select,
            Self::Nobodys => select.only("project_id IS NULL"),
            Self::Projects(project) => select.filter("project_id = ?", project.0.as_str()),
        }
    }
}

/// Takes `owner/name` apart.
pub(crate) fn owner_and_name(text: &str) -> (Whose, &str) {
    text.split_once('/').map_or((Whose::Anybodys, text), |(owner, name)| (Whose::of(owner), name))
}

/// Whose row a row is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The project.
    pub project: ProjectId,
    /// Its plugin that brings the row.
    pub plugin: watcher_domain::PluginId,
}
