//! Messages between the roles; a message is a hint, the database row is the truth.
