//! Pages of lists.

use std::ops::Deref;

use uuid::Uuid;

/// A row with its serial number, which the API sorts and pages by.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored<T> {
    /// Counts up as rows are inserted; unique in its table.
    pub serial: i64,
    /// The row.
    pub value: T,
}

impl<T> Deref for Stored<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// Which part of a list to get. The order is total: by `sort`, rows without a value first, then by serial number.
#[derive(Debug, Clone)]
pub struct Page<S, M = Uuid> {
    /// Most rows.
    pub limit: u32,
    /// The row before the first one; a list after a row that does not exist is empty.
    pub marker: Option<M>,
    /// What to sort by.
    pub sort: S,
    /// In which direction, for the serial number too.
    pub dir: SortDir,
    /// Whether soft-deleted rows are in it.
    pub show_deleted: bool,
}

/// Direction of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortDir {
    /// Smallest first.
    Asc,
    /// Largest first.
    Desc,
}

/// What a list can be sorted by: one enum per noun implements it.
pub trait SortKey: Copy {
    /// Column or expression, and whether it can be NULL.
    fn expression(self) -> (&'static str, bool);
}

/// Declares the enum of what a list is sorted by.
macro_rules! sort_keys {
    ($(#[$doc:meta])* { $($case:ident = $sql:literal $($null:ident)?,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the cases are called as the fields they sort by")]
        pub enum Sort { $($case,)* }

        impl Sort {
            /// Every case.
            pub const ALL: &'static [Self] = &[$(Self::$case,)*];
        }

        impl $crate::page::SortKey for Sort {
            fn expression(self) -> (&'static str, bool) {
                match self { $(Self::$case => ($sql, sort_keys!(@nullable $($null)?)),)* }
            }
        }
    };
    (@nullable) => { false };
    (@nullable null) => { true };
}
pub(crate) use sort_keys;
