//! Everything that speaks SQL, on PostgreSQL and SQLite.
