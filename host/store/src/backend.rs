//! One SQL text, two drivers.

/// Pastes `$body` once per backend; the driver is inferred from `$conn`.
macro_rules! on_backend {
    ($tx:expr, |$conn:ident| $body:expr) => {
        match $tx {
            $crate::Tx::Postgres(tx) => {
                let $conn = &mut **tx;
                $body
            }
            $crate::Tx::Sqlite(tx) => {
                let $conn = &mut **tx;
                $body
            }
        }
    };
}

/// Runs a statement with its values; how many rows it touched, as a `Result` of the driver.
macro_rules! execute {
    ($tx:expr, $sql:expr $(, $value:expr)* $(,)?) => {
        on_backend!($tx, |conn| sqlx::query($sql)$(.bind($value))*.execute(conn).await.map(|done| done.rows_affected()))
    };
}

/// Runs a query of one column with its values; all rows, as a `Result` of the driver.
macro_rules! scalars {
    ($tx:expr, $type:ty, $sql:expr $(, $value:expr)* $(,)?) => {
        on_backend!($tx, |conn| sqlx::query_scalar::<_, $type>($sql)$(.bind($value))*.fetch_all(conn).await)
    };
}

/// Runs a query of one column with its values; the first row, as a `Result` of the driver.
macro_rules! scalar {
    ($tx:expr, $type:ty, $sql:expr $(, $value:expr)* $(,)?) => {
        on_backend!($tx, |conn| sqlx::query_scalar::<_, $type>($sql)$(.bind($value))*.fetch_optional(conn).await)
    };
}
