//! Keystone sessions and one bounded way to send a request to a cloud.
